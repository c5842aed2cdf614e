//! What Ringlet reads and writes: settings, profiles, keys, trust, the log.

use super::world::{CONFIG, STATE, World};
use crate::common::done::KEY;
use std::fs;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn keys_are_stored_listed_renamed_and_removed() {
    let world = World::new();
    world.feed(&["keychain", "set", "anthropic", "work", "--stdin"], &format!("{KEY}\r\n")).ok();
    assert_eq!(world.run(&["keychain", "list"]).ok().trim_end(), "anthropic/work");
    assert!(world.read(&format!(r"{CONFIG}\credentials.toml")).contains(&format!("\"{KEY}\"")));
    world.run(&["keychain", "rename", "anthropic", "work", "home"]).ok();
    world.run(&["keychain", "remove", "anthropic", "home"]).ok();
    assert_eq!(world.run(&["keychain", "list"]).ok(), "");
    world.run(&["keychain", "remove", "anthropic", "home"]).fails(1, &["anthropic/home"]);
}

#[test]
fn profiles_are_made_listed_and_removed() {
    let world = World::new();
    world.run(&["profiles", "create", "work", "--agent", "claude", "--key-alias", "work"]).ok();
    let text = world.read(r"home\.ringlet\profiles\work\ringlet.toml");
    assert!(text.contains("agent = \"claude\""), "{text}");
    let rows = world.run(&["profiles", "list"]).ok();
    assert!(rows.lines().any(|line| line.split_whitespace().eq(["work", "claude", "anthropic/work"])), "{rows}");
    world.run(&["profiles", "create", "work", "--agent", "claude"]).fails(1, &["work"]);
    world.run(&["profiles", "create", "con/x", "--agent", "claude"]).fails(2, &["con/x"]);
    world.run(&["profiles", "remove", "work"]).ok();
    assert!(!world.path(r"home\.ringlet\profiles\work").exists());
}

#[test]
fn a_mistake_is_named_by_file_line_and_column() {
    let world = World::new();
    let file = world.write(&format!(r"{CONFIG}\config.toml"), "[credentials]\r\nbackend = \"flie\"\r\n");
    world.run(&["keychain", "list"]).fails(1, &[&format!("{}:2:11: ", file.display())]);
    world.write(&format!(r"{CONFIG}\config.toml"), "[credentials]\nbackend = \"file\"\n");
    let file =
        world.write(r"home\.ringlet\profiles\work\ringlet.toml", "agent = \"claude\"\nprovdier = \"anthropic\"\n");
    world
        .run(&["profiles", "inspect", "work"])
        .fails(1, &[&format!("{}:2:1: ", file.display()), "did you mean `provider`?"]);
}

#[test]
fn a_file_that_another_editor_wrote_is_read() {
    let world = World::ready();
    // Notepad's line ends.
    world.write(
        r"home\.ringlet\profiles\work\ringlet.toml",
        "agent = \"claude\"\r\nprovider = \"anthropic\"\r\n\r\n[provider-config]\r\nkey-alias = \"work\"\r\n",
    );
    assert!(world.run(&["exec", "claude"]).ok().contains(KEY));
}

#[test]
fn a_home_that_is_relative_is_refused_by_its_variable() {
    let mut world = World::new();
    world.set("USERPROFILE", r"users\me");
    world.run(&["profiles", "list"]).fails(1, &["USERPROFILE is ", "which is not an absolute path"]);
}

#[test]
fn a_project_does_nothing_until_it_is_allowed_and_an_edit_ends_that() {
    let world = World::ready();
    let file = world.write(r"home\a project\.ringlet.toml", "profile = \"work\" # edited\r\n");
    let refused = world.run(&["exec", "claude"]);
    assert_eq!(refused.stdout, "", "the agent was started");
    refused.fails(125, &[&file.display().to_string(), "is not allowed any more: it has changed", "`ringlet allow "]);
    assert_eq!(
        json(&world.run(&["status", "--json"]).ok())["project"]["trust"],
        "not allowed any more: it has changed"
    );
    world.run(&["allow"]).ok();
    assert!(world.run(&["exec", "claude"]).ok().contains(KEY));
    world.run(&["deny"]).ok();
    world.run(&["exec", "claude"]).fails(125, &[".ringlet.toml"]);
}

#[test]
fn a_project_governs_the_folders_below_it() {
    let world = World::ready();
    let deep = world.path(r"home\a project\tief\ünter");
    fs::create_dir_all(&deep).expect("a folder");
    assert!(world.run_in(&deep, &["exec", "claude"]).ok().contains(KEY));
    let elsewhere = world.path(r"home\elsewhere");
    fs::create_dir_all(&elsewhere).expect("a folder");
    assert!(!world.run_in(&elsewhere, &["exec", "claude"]).ok().contains(KEY));
}

#[test]
fn status_names_places_as_users_write_them() {
    let world = World::ready();
    let status = json(&world.run(&["status", "--json"]).ok());
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    assert_eq!(text(&status["project"]["trust"]), "allowed");
    assert_eq!(text(&status["agents"][0]["profile"]), "work");
    assert_eq!(text(&status["agents"][0]["key"]["name"]), "anthropic/work");
    assert_eq!(status["agents"][0]["key"]["there"], true);
    let credentials = world.path(&format!(r"{CONFIG}\credentials.toml"));
    assert_eq!(text(&status["agents"][0]["key"]["place"]), credentials.display().to_string());
    let seen = world.run(&["status"]).ok();
    assert!(seen.contains(r"~\a project\.ringlet.toml"), "{seen}");
    assert!(!seen.contains(r"\\?\"), "{seen}");
}

#[test]
fn the_log_is_a_chain_that_shows_an_edit() {
    let world = World::ready();
    world.run(&["--audit-log", "exec", "claude"]).ok();
    world.run(&["--audit-log", "exec", "claude"]).ok();
    let log = format!(r"{STATE}\audit.jsonl");
    let lines: Vec<serde_json::Value> = world.read(&log).lines().map(json).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["key"], "anthropic/work");
    assert_eq!(lines[1]["result"], "granted");
    assert_eq!(world.run(&["audit"]).ok().lines().count(), 2);
    world.run(&["audit", "verify"]).ok();
    assert!(!world.read(&log).contains(KEY));
    let edited = world.read(&log).replacen("granted", "denied", 1);
    world.write(&log, &edited);
    assert_eq!(world.run(&["audit", "verify"]).status, Some(1));
}

#[test]
fn doctor_finds_what_is_wrong() {
    let world = World::ready();
    let rows = json(&world.run(&["doctor", "--json"]).stdout);
    let has = |rows: &serde_json::Value, grade: &str, what: &str| {
        let is = |row: &serde_json::Value| {
            row["grade"] == grade && row["what"].as_str().is_some_and(|text| text.contains(what))
        };
        rows.as_array().expect("a list").iter().any(is)
    };
    assert!(has(&rows, "ok", "holds 1 key"), "{rows}");
    assert!(has(&rows, "ok", "1 profile is right"), "{rows}");
    world.run(&["profiles", "create", "second", "--agent", "claude", "--key-alias", "gone"]).ok();
    let rows = json(&world.run(&["doctor", "--json"]).stdout);
    assert!(has(&rows, "wrong", "profile \"second\" needs anthropic/gone"), "{rows}");
}
