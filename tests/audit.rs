//! `--audit-log`, `[audit]`, `ringlet audit` and `ringlet audit verify`.

use crate::common::world::{KEY, World, fifo};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

const LOG: &str = "home/.local/state/ringlet/audit.jsonl";

/// A device, in the place of a log. Only Linux has one that is always full.
const DEVICE: &str = if cfg!(target_os = "linux") { "/dev/full" } else { "/dev/null" };

fn lines(world: &World, log: &str) -> Vec<serde_json::Value> {
    world.read(log).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_lookup_is_recorded_where_it_is_asked_for() {
    let world = World::ready();
    world.run(&["exec", "claude"]).ok();
    assert!(!world.path(LOG).exists());
    world.run(&["--audit-log", "exec", "claude"]).ok();
    world.run(&["exec", "--audit-log", "claude"]).ok();
    assert_eq!(lines(&world, LOG).len(), 2);
    let elsewhere = format!("--audit-log={}", world.path("logs/mine.jsonl").display());
    world.run(&[&elsewhere, "exec", "claude"]).ok();
    world.run(&["--audit-log=relative.jsonl", "exec", "claude"]).ok();
    assert_eq!(lines(&world, "logs/mine.jsonl").len(), 1);
    assert_eq!(lines(&world, "home/project/relative.jsonl").len(), 1);
    let line = &lines(&world, LOG)[1];
    for (name, value) in [
        ("n", serde_json::json!(2)),
        ("action", "lookup".into()),
        ("key", "anthropic/work".into()),
        ("profile", "work".into()),
        ("agent", "claude".into()),
        ("binary", world.path("bin/claude").to_str().into()),
        ("cwd", world.project().to_str().into()),
        ("result", "granted".into()),
    ] {
        assert_eq!(line[name], value, "{line}");
    }
    assert_eq!(line["binary_sha256"].as_str().map(str::len), Some(64));
    assert!(!world.read(LOG).contains(KEY));
    assert_eq!(fs::metadata(world.path(LOG)).expect("there").permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_settings_enable_it_for_every_way_to_start() {
    let mut world = World::ready();
    world.configure("[audit]\nenabled = true\npath = \"~/log/audit.jsonl\"\n");
    world.run(&["exec", "claude"]).ok();
    world.run(&["profiles", "run", "work"]).ok();
    let shims = world.run(&["shims", "install", "claude"]).ok();
    world.set("PATH", format!("{}:{}:/usr/bin:/bin", shims.trim(), world.path("bin").display()));
    crate::common::world::finish(&mut world.process("claude")).ok();
    let all = lines(&world, "home/log/audit.jsonl");
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|line| line["agent"] == "claude"));
    assert_eq!(world.run(&["audit"]).ok().lines().count(), 4, "a heading, and a line for each");
}

#[test]
fn a_lookup_that_fails_is_recorded_with_its_reason() {
    let world = World::ready();
    world.configure("[audit]\nenabled = true\n");
    world.run(&["keychain", "remove", "anthropic", "work"]).ok();
    world.run(&["exec", "claude"]).fails(125, &["no key anthropic/work"]);
    let line = &lines(&world, LOG)[1];
    assert_eq!((line["action"].as_str(), line["result"].as_str()), (Some("lookup"), Some("error")));
    assert!(line["reason"].as_str().is_some_and(|why| why.contains("no key")), "{line}");
}

#[test]
fn an_agent_is_not_started_when_its_lookup_cannot_be_recorded() {
    let world = World::ready();
    let refused = |path: &str, says: &str| {
        let done = world.run(&[&format!("--audit-log={path}"), "exec", "claude"]);
        assert_eq!(done.stdout, "", "the agent was started");
        done.fails(125, &["the launch is refused because the lookup cannot be recorded: ", says, "hint: mend the log"]);
    };
    fs::create_dir(world.path("folder")).expect("a folder");
    let at = |name: &str| world.path(name).display().to_string();
    refused(&at("folder"), "folder");
    refused(DEVICE, "is not a regular file");
    refused("/dev/null/log", "/dev/null");
    if cfg!(target_os = "linux") {
        refused("/proc/ringlet/log", "/proc/ringlet");
    }
    refused("/", "names no file");
    world.write("wide.jsonl", "");
    refused(&at("wide.jsonl"), "is open to other users");
    symlink(world.path("elsewhere.jsonl"), world.path("link.jsonl")).expect("linked");
    refused(&at("link.jsonl"), "link.jsonl");
    fifo(&world.path("fifo"));
    refused(&at("fifo"), "is not a regular file");
    fs::create_dir(world.path("open")).expect("a folder");
    world.chmod(&world.path("open"), 0o777);
    refused(&at("open/log"), "is open to other users");
    // What needs no key needs no record.
    world.run(&[&format!("--audit-log={DEVICE}"), "exec", "claude", "--", "--version"]).ok();
}

#[test]
fn a_key_is_not_changed_when_that_cannot_be_recorded() {
    let world = World::ready();
    let file = "home/.config/ringlet/credentials.toml";
    let before = world.read(file);
    let log = format!("--audit-log={DEVICE}");
    for arguments in [
        &["keychain", "set", "anthropic", "new", "--stdin"][..],
        &["keychain", "remove", "anthropic", "work"],
        &["keychain", "rename", "anthropic", "work", "new"],
    ] {
        let done = world.feed(&[&[log.as_str()], arguments].concat(), "sk-new");
        done.fails(1, &[&format!("{DEVICE} is not a regular file")]);
        assert_eq!(world.read(file), before, "{arguments:?}");
    }
    world.run(&[&log, "keychain", "list"]).ok();
}

#[test]
fn a_full_disk_refuses_the_launch() {
    let world = World::ready();
    // The limit on a file's size stands for the full disk: it bites root, too. SIGXFSZ is ignored, as Rust's programs
    // have to be told.
    world
        .sh("trap '' XFSZ; ulimit -f 0; ringlet --audit-log exec claude")
        .fails(125, &["the launch is refused because the lookup cannot be recorded"]);
    world.run(&["--audit-log", "exec", "claude"]).ok();
    world.run(&["audit", "verify"]).ok();
}

#[test]
fn questions_are_answered_by_time_alias_and_agent() {
    let world = World::ready();
    world.configure("[audit]\nenabled = true\n");
    world.agent("codex");
    assert!(world.run(&["audit"]).stderr.contains("nothing was recorded yet in "));
    world.store_key("openai/work", "sk-1");
    world.store_key("openai/other", "sk-2");
    world.profile("codex", "agent = \"codex\"\nprovider = \"openai\"\n[provider-config]\nkey-alias = \"work\"\n");
    world.run(&["exec", "claude"]).ok();
    world.run(&["profiles", "run", "codex"]).ok();
    let ask = |arguments: &[&str]| {
        let seen = world.run(&[&["audit", "--json"], arguments].concat()).ok();
        let line = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            format!("{} {}", line["action"].as_str().expect("text"), line["key"].as_str().expect("text"))
        };
        seen.lines().map(line).collect::<Vec<_>>()
    };
    assert_eq!(ask(&[]), ["set openai/work", "set openai/other", "lookup anthropic/work", "lookup openai/work"]);
    assert_eq!(ask(&["--alias", "work"]), ["set openai/work", "lookup anthropic/work", "lookup openai/work"]);
    assert_eq!(ask(&["--alias", "openai/work"]), ["set openai/work", "lookup openai/work"]);
    assert_eq!(ask(&["--agent", "claude"]), ["lookup anthropic/work"]);
    assert_eq!(ask(&["--agent", "claude", "--alias", "other"]), [""; 0]);
    assert_eq!(ask(&["--since", "1h"]).len(), 4);
    assert_eq!(ask(&["--since", "2999-01-01"]), [""; 0]);
    let text = world.run(&["audit", "--agent", "codex"]).ok();
    for word in ["lookup", "granted", "openai/work", "codex", "pid ", "profile codex", "in "] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    for (since, says) in [
        ("yesterday", "is not a point in time"),
        ("", "is not a point in time"),
        ("2026-02-30", "is not a day"),
        ("99999999999999999999d", "too long ago"),
        ("7", "is not a point"),
    ] {
        world.run(&["audit", "--since", since]).fails(2, &[says]);
    }
    world.run(&["audit", "--alias", "Work"]).fails(2, &["alias"]);
    world.run(&["audit", "--alias", "a/b/c"]).fails(2, &["PROVIDER/ALIAS"]);
    world.run(&["audit", "--agent", "a b"]).fails(2, &["agent"]);
    world.run(&["audit", "--since", "1d", "verify"]).fails(2, &[]);
}

#[test]
fn verification_finds_an_edit_a_gap_and_a_truncation() {
    let world = World::ready();
    for _ in 0..3 {
        world.run(&["--audit-log", "exec", "claude"]).ok();
    }
    assert_eq!(world.run(&["audit", "verify"]).ok(), "intact: 3 lines in 1 file\n");
    let whole = world.read(LOG);
    let rows: Vec<&str> = whole.lines().collect();
    for (text, says) in [
        (whole.replacen("granted", "refused", 1), "record 1"),
        (format!("{}\n{}\n", rows[0], rows[2]), "record 2 is missing"),
        (format!("{}\n{}\n", rows[0], rows[1]), "record 3 is missing at the end"),
        (format!("{}\nnonsense\n{}\n{}\n", rows[0], rows[1], rows[2]), "the line is not a record"),
        (format!("{}\n{}\n{}\n", rows[1], rows[0], rows[2]), "record"),
        (String::new(), "records 1 to 3 are missing"),
    ] {
        fs::write(world.path(LOG), text).expect("written");
        let done = world.run(&["audit", "verify"]);
        assert!(done.stdout.contains(says) && done.stdout.contains("damaged: "), "{says}: {done:?}");
        done.fails(1, &[]);
        let done = world.run(&["audit", "verify", "--json"]);
        let json: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
        assert_eq!(json["intact"], false);
        assert_eq!(done.status, Some(1));
    }
    fs::write(world.path(LOG), &whole).expect("written");
    let json: serde_json::Value = serde_json::from_str(&world.run(&["audit", "verify", "--json"]).ok()).expect("JSON");
    assert_eq!((&json["intact"], &json["lines"]), (&true.into(), &3.into()));
    // A damaged line does not stop the questions.
    fs::write(world.path(LOG), format!("nonsense\n{whole}")).expect("written");
    let done = world.run(&["audit"]);
    assert!(done.stderr.contains("1 line cannot be read; run `ringlet audit verify`"), "{done:?}");
    assert_eq!(done.ok().lines().count(), 4);
}

#[test]
fn what_a_stranger_named_cannot_paint_the_terminal() {
    let world = World::ready();
    let odd = world.path("home/project/\u{1b}[31m\nred");
    fs::create_dir(&odd).expect("a folder");
    world.run_in(&odd, &["--audit-log", "exec", "claude"]).ok();
    let seen = world.run(&["audit"]).ok();
    assert!(!seen.contains('\x1b') && seen.lines().count() == 2, "{seen:?}");
}

#[test]
fn a_question_without_an_answer_says_so() {
    let world = World::ready();
    world.run(&["audit"]).fails(1, &["there is no audit log", "ringlet config set audit.enabled true"]);
    world.configure("[audit]\nenabled = true\n");
    assert!(world.run(&["audit"]).stderr.contains("nothing was recorded yet in "));
    world.run(&["exec", "claude"]).ok();
    for (agent, says) in [("cluade", "no record matches; did you mean `claude`?\n"), ("codex", "no record matches\n")] {
        let done = world.run(&["audit", "--agent", agent]);
        assert_eq!((done.status, done.stdout.as_str(), done.stderr), (Some(0), "", format!("ringlet: {says}")));
    }
    assert_eq!(world.run(&["--json", "audit", "--agent", "codex"]).stderr, "");
    // A command has a program, and no agent.
    world.store_key("github/work", "ghp_TESTTESTTESTTESTTESTTESTTESTTESTTEST");
    world.profile("deploy", "[secrets]\nGITHUB_TOKEN = \"github/work\"\n");
    world.run(&["run", "--profile", "deploy", "true"]).ok();
    assert!(world.run(&["audit", "--alias", "github/work"]).ok().contains("github/work  /usr/bin/true  pid "));
}
