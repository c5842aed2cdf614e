//! `[scope."PROVIDER/ALIAS"]` from outside: a key that only some agents get.

#[cfg(target_os = "linux")]
use crate::common::keyring::{Keyring, State};
use crate::common::world::{KEY, World};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const LOG: &str = "home/.local/state/ringlet/audit.jsonl";

fn scoped(rules: &str) -> World {
    let world = World::ready();
    world.configure(&format!("[scope.\"anthropic/work\"]\n{rules}"));
    world
}

fn got_key(world: &World) {
    assert!(world.run(&["exec", "claude"]).ok().contains(&format!("env=ANTHROPIC_API_KEY={KEY}\n")));
}

#[test]
fn a_scope_without_rules_changes_nothing() {
    got_key(&scoped(""));
}

#[test]
fn a_key_is_given_to_its_agents_alone() {
    let world = scoped("agents = [\"claude\"]\n");
    got_key(&world);
    world.agent("opencode");
    world.profile("other", "agent = \"opencode\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n");
    let config = world.path("home/.config/ringlet/config.toml");
    world.run(&["exec", "--profile", "other", "opencode"]).fails(
        125,
        &[
            "the key anthropic/work is kept for claude, and this is opencode\n",
            &format!("hint: see [scope.\"anthropic/work\"], {}:3\n", config.display()),
        ],
    );
}

#[cfg(target_os = "linux")]
#[test]
fn every_secret_of_a_launch_is_asked_for_and_no_store_is_touched() {
    // A lookup would end in an error of the keychain's here.
    let keyring = Keyring::start(State::HungActivation);
    let world = World::on(&keyring);
    world.agent("claude");
    world.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n[secrets]\nGITHUB_TOKEN = \"github/work\"\n");
    world.allow("profile = \"work\"\n");
    world.configure("[scope.\"github/work\"]\nagents = [\"codex\"]\n");
    world
        .run(&["exec", "claude"])
        .fails(125, &["the key github/work is kept for codex, and this is claude", "[scope.\"github/work\"]"]);
    // What looks nothing up asks no rule.
    world.run(&["exec", "claude", "--", "--version"]).ok();
}

#[test]
fn a_key_is_given_in_its_directories_and_below_alone() {
    let world = scoped("directories = [\"~/work\"]\n");
    world.run(&["profiles", "default", "work"]).ok();
    for folder in ["home/work/a", "home/work2"] {
        fs::create_dir_all(world.path(folder)).expect("folders");
    }
    let exec = |folder: &Path| world.run_in(folder, &["exec", "claude"]);
    for inside in ["home/work", "home/work/a"] {
        assert!(exec(&world.path(inside)).ok().contains(KEY));
    }
    for outside in ["home/project", "home/work2"] {
        let here = world.path(outside);
        let kept = world.path("home/work");
        let says = format!(
            "the key anthropic/work is kept for what lies in {}, and the working directory is {}",
            kept.display(),
            here.display()
        );
        exec(&here).fails(125, &[&says]);
    }
    // A link leads where it leads: one from outside in counts, one from inside out does not.
    symlink(world.path("home/work/a"), world.path("home/in")).expect("linked");
    symlink(world.path("home/work2"), world.path("home/work/out")).expect("linked");
    assert!(exec(&world.path("home/in")).ok().contains(KEY));
    exec(&world.path("home/work/out")).fails(125, &["is kept for what lies in"]);
    // The rule's own folder may be a link, and one that is gone holds nothing.
    fs::rename(world.path("home/work"), world.path("home/moved")).expect("moved");
    exec(&world.path("home/moved")).fails(125, &["is kept for what lies in"]);
    symlink(world.path("home/moved"), world.path("home/work")).expect("linked");
    assert!(exec(&world.path("home/moved/a")).ok().contains(KEY));
}

#[test]
fn a_pinned_agent_gets_the_key_until_its_program_changes() {
    let world = scoped("pin = true\n");
    let program = world.path("bin/claude");
    world.run(&["exec", "claude"]).fails(
        125,
        &[
            "the key anthropic/work is kept for a pinned program, and claude is not pinned\n",
            "hint: run `ringlet agents pin claude`",
        ],
    );
    world.run(&["agents", "pin", "claude"]).ok();
    got_key(&world);
    let script = fs::read_to_string(&program).expect("a script");
    // An update: another file in its place, or other bytes of the same length in the same file.
    let changed = format!("claude has changed since it was pinned: {}\n", program.display());
    fs::remove_file(&program).expect("removed");
    world.program("claude", &(script.clone() + "# 2\n"));
    world.run(&["exec", "claude"]).fails(125, &[&changed, "run `ringlet agents pin claude`"]);
    world.program("claude", &script.replace("echo", "ecHo"));
    world.run(&["exec", "claude"]).fails(125, &[&changed]);
    world.program("claude", &script);
    got_key(&world);
    // Another program of that name, first on PATH.
    let elsewhere = world.write("other/claude", "#!/bin/sh\necho stolen\n");
    world.chmod(&elsewhere, 0o755);
    let mut world = world;
    let search = format!("{}:{}:/usr/bin:/bin", world.path("other").display(), world.path("bin").display());
    world.set("PATH", search);
    let says = format!("it is {}, and {} was pinned", elsewhere.display(), program.display());
    world.run(&["exec", "claude"]).fails(125, &[&says]);
    world.run(&["agents", "pin", "claude"]).ok();
    assert_eq!(world.run(&["exec", "claude"]).ok(), "stolen\n");
}

#[test]
fn a_doubtful_pin_refuses() {
    let world = scoped("pin = true\n");
    world.run(&["agents", "pin", "claude"]).ok();
    let record = world.path("home/.local/state/ringlet/pins/claude.toml");
    let text = fs::read_to_string(&record).expect("a record");
    for bad in ["", "agent = 1\n", "\0", &text.replace("claude\"", "codex\""), &format!("{text}more = 1\n")] {
        fs::write(&record, bad).expect("written");
        world.run(&["exec", "claude"]).fails(125, &["the pin ", "claude.toml: ", "hint: remove "]);
        world.run(&["agents", "list"]).ok();
    }
    fs::write(&record, &text).expect("written");
    world.chmod(&record, 0o644);
    world.run(&["exec", "claude"]).fails(125, &["is open to others than its owner (mode 0644"]);
    fs::remove_file(&record).expect("removed");
    fs::create_dir(&record).expect("a folder");
    world.run(&["exec", "claude"]).fails(125, &["it is a directory, not a regular file"]);
}

#[test]
fn a_digest_that_somebody_else_may_have_written_is_not_believed() {
    let world = scoped("pin = true\n");
    world.run(&["agents", "pin", "claude"]).ok();
    // The program has just been written, so nothing is remembered of it yet.
    let folder = world.path("home/.local/state/ringlet/digests");
    assert_eq!(fs::read_dir(&folder).map_or(0, Iterator::count), 0);
    got_key(&world);
}

#[test]
fn a_refusal_is_recorded_and_one_that_cannot_be_is_said() {
    let world = scoped("agents = [\"codex\"]\n");
    world.run(&["exec", "--dry-run", "claude"]).fails(125, &["is kept for codex"]);
    world.run(&["--audit-log", "exec", "--dry-run", "claude"]).fails(125, &["is kept for codex"]);
    assert!(!world.path(LOG).exists(), "a dry run looks nothing up");
    world.run(&["--audit-log", "exec", "claude"]).fails(125, &["is kept for codex"]);
    let line: serde_json::Value = serde_json::from_str(world.read(LOG).trim()).expect("one line");
    for (name, value) in [
        ("action", "lookup"),
        ("key", "anthropic/work"),
        ("profile", "work"),
        ("agent", "claude"),
        ("result", "denied"),
        ("reason", "the key is kept for codex, and this is claude"),
        ("binary", world.path("bin/claude").to_str().expect("UTF-8")),
    ] {
        assert_eq!(line[name], value, "{line}");
    }
    assert_eq!(line["binary_sha256"].as_str().map(str::len), Some(64));
    world.run(&["audit", "verify"]).ok();
    if cfg!(target_os = "linux") {
        world.run(&["--audit-log=/dev/full", "exec", "claude"]).fails(125, &["cannot be recorded"]);
    }
}

#[test]
fn a_dry_run_and_status_say_what_the_scope_asks_for() {
    let world = scoped("agents = [\"claude\"]\ndirectories = [\"~/project\"]\npin = true\n");
    let status = world.run(&["status"]).ok();
    assert!(status.contains("claude is not pinned; run `ringlet agents pin claude`"), "{status}");
    let json: serde_json::Value = serde_json::from_str(&world.run(&["status", "--json"]).ok()).expect("JSON");
    let claude = &json["agents"][0];
    assert_eq!(claude["refused_key"], "anthropic/work");
    assert_eq!(claude["hint"], "run `ringlet agents pin claude`");
    world.run(&["exec", "--dry-run", "claude"]).fails(125, &["claude is not pinned"]);
    world.run(&["agents", "pin", "claude"]).ok();
    let says = format!("anthropic/work: kept for claude, in {}, pinned", world.project().display());
    for command in [&["status"][..], &["exec", "--dry-run", "claude"]] {
        let seen = world.run(command).ok();
        assert!(seen.lines().any(|line| line.contains("scope") && line.ends_with(&says)), "{seen}");
    }
    let json: serde_json::Value = serde_json::from_str(&world.run(&["status", "--json"]).ok()).expect("JSON");
    assert_eq!(json["agents"][0]["scopes"][0]["key"], "anthropic/work");
    assert_eq!(json["agents"][0]["scopes"][0]["lease_seconds"], serde_json::Value::Null);
}

#[test]
fn a_wrong_scope_is_named_by_file_line_and_column() {
    for (text, says) in [
        ("agent = [\"claude\"]\n", "config.toml:4:1: unknown field `agent`"),
        ("agents = [\"Claude\"]\n", "config.toml:4:11: "),
        ("agents = []\n", "config.toml:4:10: the list is empty"),
        ("directories = [\"work\"]\n", "config.toml:4:16: \"work\" is not an absolute path"),
        ("lease = \"8 h\"\n", "config.toml:4:9: `lease` is a length of time from 1s to 30d"),
        ("lease = \"31d\"\n", "config.toml:4:9: "),
    ] {
        scoped(text).run(&["exec", "claude"]).fails(125, &[says]);
    }
}
