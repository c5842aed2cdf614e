//! `ringlet lease` from outside: keys that may be looked up for a limited time.

use crate::common::world::{KEY, World};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

fn leased() -> World {
    let world = World::ready();
    world.configure("[scope.\"anthropic/work\"]\nlease = \"8h\"\n");
    world
}

fn got_key(world: &World) {
    assert!(world.run(&["exec", "claude"]).ok().contains(&format!("env=ANTHROPIC_API_KEY={KEY}\n")));
}

/// The one grant's file, in the folder of its key.
fn grant(world: &World) -> PathBuf {
    let entries =
        |folder: PathBuf| fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = entries(world.path("run/ringlet/leases/keys")).flat_map(entries).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "toml"));
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// Changes one value of a grant's file.
fn edit(world: &World, name: &str, change: impl Fn(&str) -> String) {
    let file = grant(world);
    let text = fs::read_to_string(&file).expect("text");
    let lines = text.lines().map(|line| match line.split_once(" = ") {
        Some((key, value)) if key == name => format!("{key} = {}\n", change(value)),
        _ => format!("{line}\n"),
    });
    let edited: String = lines.collect();
    assert_ne!(edited, text, "{name} is not in {text}");
    fs::write(&file, edited).expect("written");
}

fn number(text: &str) -> i64 {
    text.parse().expect("a number")
}

#[test]
fn a_key_is_looked_up_while_its_lease_lasts() {
    let world = leased();
    let done = world.run(&["exec", "claude"]).fails(
        125,
        &[
            "the key anthropic/work needs a lease, and there is none\n",
            "hint: run `ringlet lease grant anthropic/work`",
        ],
    );
    assert_eq!(done.stdout, "", "the agent was started");
    let done = world.run(&["lease", "grant", "anthropic/work"]);
    let revoke = "ringlet: `ringlet lease revoke anthropic/work` ends it\n";
    assert_eq!(done.stderr, format!("ringlet: leased anthropic/work for 8h\n{revoke}"));
    got_key(&world);
    let mode = |path: &str| fs::metadata(world.path(path)).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode("run/ringlet"), mode("run/ringlet/leases")), (0o700, 0o700));
    assert_eq!(fs::metadata(grant(&world)).expect("there").permissions().mode() & 0o777, 0o600);
    let listed = world.run(&["lease", "list"]).ok();
    assert!(listed.contains("anthropic/work  any    any        in 7h59m"), "{listed}");
    assert!(world.run(&["status"]).ok().contains("anthropic/work: leased for another 7h59m"));
    assert!(world.run(&["exec", "--dry-run", "claude"]).ok().contains("leased for another 7h59m"));
    world.run(&["lease", "revoke", "anthropic/work"]).ok();
    world.run(&["exec", "claude"]).fails(125, &["there is none"]);
    world.run(&["lease", "revoke", "anthropic/work"]).fails(1, &["there is no lease on anthropic/work"]);
    world.run(&["lease", "revoke", "anthropic"]).fails(1, &["there is no lease \"anthropic\""]);
    world.run(&["lease", "revoke"]).fails(2, &["required"]);
    let done = world.run(&["lease", "revoke", "--all"]);
    assert_eq!(done.stderr, "ringlet: revoked 0 leases\n");
}

#[test]
fn a_lease_that_has_ended_is_refused_and_goes_with_the_next_grant() {
    let world = leased();
    world.run(&["lease", "grant", "anthropic/work"]).ok();
    let begins: i64 = {
        let text = fs::read_to_string(grant(&world)).expect("text");
        number(text.lines().find_map(|line| line.strip_prefix("begins-ms = ")).expect("a begin"))
    };
    edit(&world, "ends-ms", |_| begins.to_string());
    world
        .run(&["--audit-log", "exec", "claude"])
        .fails(125, &["needs a lease, and the last one ended ", " ago\n", "run `ringlet lease grant anthropic/work`"]);
    let line = world.read("home/.local/state/ringlet/audit.jsonl");
    assert!(line.contains("\"result\":\"denied\"") && line.contains("the last one ended"), "{line}");
    assert!(world.run(&["lease", "list"]).ok().lines().nth(1).is_some_and(|line| line.ends_with(" ago")));
    let json: serde_json::Value = serde_json::from_str(&world.run(&["status", "--json"]).ok()).expect("JSON");
    assert_eq!(json["agents"][0]["hint"], "run `ringlet lease grant anthropic/work`");
    let ended = grant(&world);
    world.run(&["lease", "grant", "anthropic/work", "--agent", "claude"]).ok();
    assert_ne!(grant(&world), ended);
    got_key(&world);
}

#[test]
fn neither_the_time_zone_nor_the_wall_clock_prolongs_a_lease() {
    let mut world = leased();
    world.run(&["lease", "grant", "anthropic/work"]).ok();
    // What the file says of the wall clock counts for nothing, for or against.
    for granted in ["1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "nonsense"] {
        edit(&world, "granted", |_| format!("\"{granted}\""));
        got_key(&world);
    }
    edit(&world, "ends-ms", |_| "0".into());
    for zone in ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"] {
        world.set("TZ", zone);
        for granted in ["1970-01-01T00:00:01Z", "9999-01-01T00:00:01Z"] {
            edit(&world, "granted", |_| format!("\"{granted}\""));
            world.run(&["exec", "claude"]).fails(125, &["the last one ended"]);
        }
    }
    // And a later end than the settings allow ends when they say.
    edit(&world, "ends-ms", |_| i64::MAX.to_string());
    assert!(world.run(&["lease", "list"]).ok().contains("in 7h59m"));
    edit(&world, "begins-ms", |begins| (number(begins) - 9 * 3_600_000).to_string());
    // The machine may not have run for nine hours: then the begin lies before its start, which no file can say.
    let done = world.run(&["exec", "claude"]);
    assert!(!done.stdout.contains(KEY), "{done:?}");
}

#[test]
fn a_restart_of_the_system_ends_every_lease() {
    let world = leased();
    world.run(&["lease", "grant", "anthropic/work"]).ok();
    edit(&world, "boot", |_| "\"11111111-2222-3333-4444-555555555555\"".into());
    world.run(&["exec", "claude"]).fails(125, &["the last one ended when the system was started anew"]);
    assert!(world.run(&["lease", "list"]).ok().contains("when the system was started anew"));
    world.run(&["lease", "grant", "anthropic/work"]).ok();
    got_key(&world);
    // A begin that is yet to come cannot be of this run.
    edit(&world, "begins-ms", |begins| (number(begins) + 3_600_000).to_string());
    world.run(&["exec", "claude"]).fails(125, &["started anew"]);
}

#[test]
fn a_lease_may_be_for_one_agent_or_one_directory_alone() {
    let world = leased();
    for folder in ["home/work/a", "home/work2"] {
        fs::create_dir_all(world.path(folder)).expect("folders");
    }
    symlink(world.path("home/work"), world.path("home/link")).expect("linked");
    world.run(&["profiles", "default", "work"]).ok();
    world.run(&["lease", "grant", "anthropic/work", "--agent", "codex"]).ok();
    let other = "the one there is is for another agent or directory";
    world.run(&["exec", "claude"]).fails(125, &[other]);
    world.run(&["lease", "revoke", "--all"]).ok();
    let done =
        world.run(&["lease", "grant", "anthropic/work", "--for", "30m", "--agent", "claude", "--directory", "../link"]);
    assert!(
        done.stderr.starts_with("ringlet: leased anthropic/work for 30m, for claude alone, in ~/work alone\n"),
        "{done:?}"
    );
    for (folder, given) in
        [("home/work", true), ("home/work/a", true), ("home/link/a", true), ("home/work2", false), ("home", false)]
    {
        let done = world.run_in(&world.path(folder), &["exec", "claude"]);
        if given {
            assert!(done.ok().contains(KEY));
        } else {
            done.fails(125, &[other]);
        }
    }
    let json: serde_json::Value = serde_json::from_str(&world.run(&["lease", "list", "--json"]).ok()).expect("JSON");
    assert_eq!(json[0]["state"], "live");
    assert_eq!(json[0]["directory"], world.path("home/work").to_str().expect("UTF-8"));
    let id = json[0]["id"].as_str().expect("a name").to_owned();
    world.run(&["lease", "revoke", &id]).ok();
    assert_eq!(world.run(&["lease", "list", "--json"]).ok(), "[]\n");
}

#[test]
fn what_cannot_be_granted_is_said_with_the_line_to_look_at() {
    let world = World::ready();
    world.run(&["lease", "grant", "anthropic/work"]).fails(
        1,
        &[
            "the key anthropic/work asks for no lease",
            "hint: write [scope.\"anthropic/work\"] with `lease = \"8h\"` into ",
        ],
    );
    world.configure("[scope.\"anthropic/work\"]\nagents = [\"claude\"]\n");
    world.run(&["lease", "grant", "anthropic/work"]).fails(1, &["asks for no lease", "below line 3 of "]);
    world.configure("lease = \"8h\"\n");
    for length in ["9h", "0s", "2d"] {
        let done = world.run(&["lease", "grant", "anthropic/work", "--for", length]);
        done.fails(2, &["a lease on anthropic/work lasts from 1s to 8h", "config.toml:3"]);
    }
    for length in ["", "8", "8 h", "-1h", "1.5h", "99999999999999999999s"] {
        world.run(&["lease", "grant", "anthropic/work", &format!("--for={length}")]).fails(2, &["length of time"]);
    }
    world.run(&["lease", "grant", "anthropic"]).fails(2, &["anthropic"]);
    world.run(&["lease", "grant", "anthropic/work", "--agent", "codex"]).fails(1, &["not kept for codex"]);
    world.run(&["lease", "grant", "anthropic/work", "--agent", "calude"]).fails(1, &["did you mean `claude`?"]);
    world.run(&["lease", "grant", "anthropic/work", "--directory", "gone"]).fails(1, &["gone: cannot be looked at"]);
    world.run(&["lease", "grant", "anthropic/work", "--directory", ".ringlet.toml"]).fails(1, &["is not a directory"]);
    assert!(!world.path("run/ringlet").exists());
}

#[test]
fn a_damaged_or_foreign_file_is_no_lease_and_is_named() {
    let world = leased();
    world.run(&["lease", "grant", "anthropic/work"]).ok();
    let file = grant(&world);
    let text = fs::read_to_string(&file).expect("text");
    let named = format!("{} is no lease: it ", file.display());
    let refused = |world: &World| {
        let done = world.run(&["exec", "claude"]).fails(125, &["there is none", &named]);
        assert_eq!(done.stdout, "");
        let done = world.run(&["lease", "list"]);
        assert!(done.stderr.contains(&named), "{done:?}");
        done.ok();
    };
    for bad in [
        "",
        "\0\0",
        "key = 1\n",
        &text[..text.len() / 2],
        &text.replace("ends-ms = ", "ends-ms = -"),
        &"a".repeat(1 << 20),
    ] {
        fs::write(&file, bad).expect("written");
        refused(&world);
    }
    fs::write(&file, &text).expect("written");
    world.chmod(&file, 0o666);
    refused(&world);
    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("a folder");
    refused(&world);
    fs::remove_dir(&file).expect("removed");
    symlink("/nowhere", &file).expect("linked");
    refused(&world);
    world.run(&["lease", "revoke", "--all"]).ok();
    assert!(file.symlink_metadata().is_err());
    // A folder that others may write: whatever is in it.
    world.run(&["lease", "grant", "anthropic/work"]).ok();
    got_key(&world);
    world.chmod(&world.path("run/ringlet/leases"), 0o777);
    world.run(&["exec", "claude"]).fails(125, &["the folder of leases ", "can be written by others", "chmod 700 "]);
    world.run(&["lease", "list"]).fails(1, &["the folder of leases "]);
    world.run(&["lease", "grant", "anthropic/work"]).fails(1, &["the folder of leases "]);
}

#[test]
fn a_lease_granted_while_another_is_being_granted_is_not_lost() {
    let world = leased();
    let agents = ["claude", "codex", "gemini", "opencode", "aider", "goose"];
    let children: Vec<_> = agents
        .iter()
        .map(|agent| {
            let mut command = world.process(crate::common::world::RINGLET);
            command.args(["lease", "grant", "anthropic/work", "--agent", agent]).spawn().expect("starts")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("ends").success());
    }
    let json: serde_json::Value = serde_json::from_str(&world.run(&["lease", "list", "--json"]).ok()).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(agents.len()));
}
