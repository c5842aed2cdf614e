//! `ringlet status`: which profile governs, which credential wins, and what a launch does about it.

use crate::common::keyring::{Keyring, State};
use crate::common::world::{KEY, World};
use std::fs;

fn has(world: &World, arguments: &[&str], rows: &[&str]) -> String {
    let seen = world.run(arguments).ok();
    let tight =
        seen.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\n");
    for row in rows {
        assert!(tight.contains(row), "{row:?} is not in {tight}");
    }
    assert!(!seen.contains(KEY), "{seen}");
    seen
}

fn json(world: &World) -> serde_json::Value {
    serde_json::from_str(&world.run(&["status", "--json"]).ok()).expect("JSON")
}

#[test]
fn a_governed_directory_says_who_governs_and_what_wins() {
    let mut world = World::ready();
    world.set("ANTHROPIC_AUTH_TOKEN", "sk-leftover");
    let seen = has(
        &world,
        &["status"],
        &[
            "directory ~/project",
            "governed by ~/project/.ringlet.toml",
            "trust allowed: profile work",
            "profile work",
            "provider anthropic (~/.ringlet/profiles/work/ringlet.toml:2)",
            "endpoint https://api.anthropic.com (provider anthropic)",
            "key anthropic/work is in the store",
            "given as anthropic/work in ANTHROPIC_API_KEY",
            "leftover ANTHROPIC_AUTH_TOKEN is set in this shell and would compete; a launch takes it away",
        ],
    );
    assert!(!seen.contains("sk-leftover"), "{seen}");
    let json = json(&world);
    assert_eq!(json["directory"], world.project().to_str().expect("UTF-8"));
    assert_eq!((&json["project"]["trust"], &json["project"]["profile"]), (&"allowed".into(), &"work".into()));
    let claude = &json["agents"][0];
    assert_eq!(
        (&claude["agent"], &claude["profile"], &claude["provider"]),
        (&"claude".into(), &"work".into(), &"anthropic".into())
    );
    assert_eq!(claude["binary"], world.path("bin/claude").to_str().expect("UTF-8"));
    assert_eq!(claude["key"], serde_json::json!({ "name": "anthropic/work", "there": true, "error": null }));
    assert_eq!(claude["leftover"], serde_json::json!(["ANTHROPIC_AUTH_TOKEN"]));
}

#[test]
fn a_project_that_is_not_allowed_changed_or_denied_is_refused() {
    let world = World::ready();
    for (text, deny, verdict) in
        [("profile = \"work\"\n# more\n", false, "changed"), ("profile = \"work\"\n", true, "denied")]
    {
        world.write("home/project/.ringlet.toml", text);
        if deny {
            world.run(&["deny"]).ok();
        }
        has(&world, &["status"], &[verdict, "run `ringlet allow`", "refused"]);
        let json = json(&world);
        assert!(json["project"]["trust"].as_str().is_some_and(|trust| trust.contains(verdict)), "{json}");
        assert!(json["agents"][0]["refused"].as_str().is_some_and(|why| why.contains(verdict)), "{json}");
    }
    world.write("home/new/.ringlet.toml", "profile = \"work\"\n");
    let seen = world.run_in(&world.path("home/new"), &["status"]).ok();
    assert!(seen.contains("not allowed; run `ringlet allow`"), "{seen}");
}

#[test]
fn without_a_project_the_default_or_nothing_governs() {
    let world = World::ready();
    fs::remove_file(world.path("home/project/.ringlet.toml")).expect("removed");
    has(&world, &["status"], &["governed by no .ringlet.toml", "profile none: starts as if ringlet were not there"]);
    assert_eq!(json(&world)["project"], serde_json::Value::Null);
    world.run(&["profiles", "default", "work"]).ok();
    has(
        &world,
        &["status"],
        &["default profile work, where no file governs", "profile work", "key anthropic/work is in the store"],
    );
    assert_eq!(json(&world)["default_profile"], "work");
    fs::remove_file(world.path("bin/claude")).expect("removed");
    world.run(&["profiles", "default", "--unset"]).ok();
    let done = world.run(&["status"]);
    assert!(done.stderr.contains("no agent is bound by a profile or found on PATH"), "{done:?}");
}

#[test]
fn one_agent_alone_can_be_asked_for() {
    let world = World::ready();
    world.agent("codex");
    let seen = has(&world, &["status", "codex"], &["codex", "profile none"]);
    assert!(!seen.contains("anthropic"), "{seen}");
    has(&world, &["status", "gemini"], &["gemini", "refused gemini: not found on PATH"]);
}

#[test]
fn a_missing_key_is_named_with_the_command_that_stores_it() {
    let world = World::ready();
    world.run(&["keychain", "remove", "anthropic", "work"]).ok();
    has(&world, &["status"], &["key anthropic/work is not in the store; run `ringlet keychain set anthropic work`"]);
    assert_eq!(json(&world)["agents"][0]["key"]["there"], false);
}

#[test]
fn a_keychain_that_is_locked_or_hangs_is_said_and_does_not_fail() {
    let mut keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.make_ready();
    has(&world, &["status"], &["key anthropic/work is in the store"]);
    keyring.lock();
    // A locked collection may still tell names; whichever it is, no value is needed and nothing is asked.
    let key = json(&world)["agents"][0]["key"].clone();
    assert!(key["there"] == true || key["error"] == "the keychain is locked", "{key}");
    world.configure("[credentials]\ntimeout = 0.2\n");
    keyring.stop_service();
    has(&world, &["status"], &["anthropic/work: the keychain did not answer within 200ms"]);
}

#[test]
fn whatever_is_wrong_with_one_agent_does_not_hide_the_others() {
    let world = World::ready();
    world.agent("codex");
    world.write("home/project/.claude/settings.json", "{\"apiKeyHelper\":\"x\"}");
    has(&world, &["status"], &["refused", "settings.json: apiKeyHelper = ", "codex", "profile none"]);
    world.profile("work", "agent = \"calude\"\nprovider = \"anthropic\"\n");
    world.run(&["status"]).ok();
    world.profile("work", "agent = \n");
    has(&world, &["status"], &["refused", "work/ringlet.toml:1:"]);
    world.write("home/project/.ringlet.toml", "profile = \"gone\"\n");
    world.run(&["allow"]).ok();
    has(&world, &["status"], &["profile \"gone\" does not exist"]);
}
