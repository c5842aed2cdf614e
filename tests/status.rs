//! `ringlet status`: which profile governs, which credential wins, and what a launch would do.

#[cfg(target_os = "linux")]
use crate::common::keyring::{Keyring, State};
use crate::common::world::{KEY, RINGLET, World, finish};
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
            "key anthropic/work is in ~/.config/ringlet/credentials.toml",
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
    assert_eq!(
        claude["key"],
        serde_json::json!({
            "name": "anthropic/work", "there": true, "error": null,
            "place": world.path("home/.config/ringlet/credentials.toml"),
        })
    );
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
        &[
            "default profile work, where no file governs",
            "profile work",
            "key anthropic/work is in ~/.config/ringlet/credentials.toml",
        ],
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
    has(
        &world,
        &["status"],
        &["key anthropic/work is not in ~/.config/ringlet/credentials.toml; run `ringlet keychain set anthropic work`"],
    );
    assert_eq!(json(&world)["agents"][0]["key"]["there"], false);
}

#[cfg(target_os = "linux")]
#[test]
fn a_keychain_that_is_locked_or_hangs_is_said_and_does_not_fail() {
    let mut keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.make_ready();
    has(&world, &["status"], &["key anthropic/work is in the keychain"]);
    world.write(
        "home/.config/ringlet/credentials.toml",
        "[anthropic.work]\nkey = \"sk-ant-api03-COPYCOPYCOPYCOPYCOPYCOPYCOPY\"\n",
    );
    world.chmod(&world.path("home/.config/ringlet/credentials.toml"), 0o600);
    let copy =
        "copy ~/.config/ringlet/credentials.toml holds a key of that name as well, in plain text; it is not used";
    assert!(!has(&world, &["status"], &[copy]).contains("COPYCOPY"));
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

/// `ringlet status claude` in a real shell that has loaded these lines, each run of blanks as one.
fn in_shell(world: &World, shell: &str, lines: &str) -> String {
    let options: &[&str] = if shell == "zsh" { &["-f", "-c"] } else { &["-c"] };
    let script = format!("{lines}\neval 'ringlet status claude; ringlet exec claude'\n");
    let done = finish(world.process(shell).args(options).arg(script));
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{shell} {lines}: {done:?}");
    assert!(!done.stdout.contains("RINGLET_SHELL"), "{shell}: no agent sees what the shell said: {done:?}");
    done.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_the_typed_word_is_in_this_shell_decides_whether_the_key_wins() {
    let world = World::ready();
    std::os::unix::fs::symlink(RINGLET, world.path("bin/ringlet")).expect("a link");
    let program = world.path("bin/claude").display().to_string();
    for shell in ["bash", "zsh", "fish"] {
        let hook = match shell {
            "fish" => "ringlet hook fish | source".to_owned(),
            "bash" => "shopt -s expand_aliases\neval \"$(ringlet hook bash)\"".to_owned(),
            _ => format!("eval \"$(ringlet hook {shell})\""),
        };
        let function = if shell == "fish" {
            format!("function claude; {program} $argv; end")
        } else {
            format!("claude() {{ {program} \"$@\"; }}")
        };
        let alias = format!("alias claude='{program} --verbose'");
        for (lines, says, wins) in [
            (hook.clone(), "this shell `claude` is ringlet's function", true),
            (format!("{hook}\n{hook}"), "this shell `claude` is ringlet's function", true),
            (format!("{hook}\n{alias}"), "this shell `claude` is an alias that leads past ringlet; take it out", false),
            (format!("{function}\n{hook}"), "this shell `claude` is a function that is not ringlet's", false),
            (format!("{hook}\n{function}"), "this shell `claude` is a function that is not ringlet's", false),
            (String::new(), "this shell not hooked, or cannot be seen", false),
        ] {
            let seen = in_shell(&world, shell, &lines);
            assert!(seen.contains(says), "{shell} {lines}: {seen}");
            assert_eq!(seen.contains("and wins"), wins, "{shell} {lines}: {seen}");
        }
        if shell == "fish" {
            let typed = |expansion: &str| in_shell(&world, shell, &format!("{hook}\nabbr -a claude '{expansion}'"));
            assert!(typed(&format!("{program} --x")).contains("is an alias that leads past ringlet"));
            assert!(typed("claude --x").contains("is ringlet's function") && typed("claude").contains("is ringlet's"));
        } else {
            let own = format!("{hook}\nalias claude='claude --verbose'");
            assert!(in_shell(&world, shell, &own).contains("is ringlet's function"), "{shell}: it leads there");
        }
    }
    // The hook's shell was there before the profile's agent was: it has made no function of that name.
    world.agent("codex");
    let lines = "eval \"$(rm \"$HOME/../bin/codex\"; ringlet hook bash)\"; printf '#!/bin/sh\\n' >\"$HOME/../bin/codex\"; chmod 755 \"$HOME/../bin/codex\"; ringlet status codex";
    assert!(in_shell(&world, "bash", lines).contains("`codex` is the program itself, without ringlet"));
    // A link at the head of PATH leads here from everywhere.
    world.run(&["shims", "install", "claude"]).ok();
    let shims = world.path("home/.local/state/ringlet/shims");
    let seen = in_shell(&world, "bash", &format!("PATH={}:$PATH", shims.display()));
    assert!(seen.contains("`claude` is ringlet's link on PATH") && seen.contains("and wins"), "{seen}");
}

#[test]
fn without_a_profile_it_says_what_the_agent_would_find_by_itself() {
    let mut world = World::new();
    world.agent("claude");
    has(&world, &["status"], &["would use no key and no login that can be seen"]);
    world.set("ANTHROPIC_API_KEY", "sk-leftover");
    world.set("ANTHROPIC_BASE_URL", "https://x.example");
    world.write("home/.claude/.credentials.json", "{\"claudeAiOauth\":{\"subscriptionType\":\"max\"}}");
    world.write("home/.claude.json", "{\"oauthAccount\":{\"emailAddress\":\"me@example.org\"}}");
    let uses =
        "would use ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL of this shell; claude login me@example.org (max), ~/.claude";
    assert!(!has(&world, &["status"], &[uses]).contains("leftover"));
    assert_eq!(json(&world)["agents"][0]["would_use"].as_str().map(|it| it.starts_with("ANTHROPIC")), Some(true));
}

#[test]
fn the_login_that_a_key_is_used_in_place_of_is_named() {
    let world = World::ready();
    world.write("home/.claude/.credentials.json", "{\"claudeAiOauth\":{\"subscriptionType\":\"max\"}}");
    world.write("home/.claude.json", "{\"oauthAccount\":{\"emailAddress\":\"me@example.org\"}}");
    let said = "login claude login me@example.org (max), ~/.claude, is not used: anthropic/work is used and billed in its place";
    has(&world, &["status"], &[said]);
}

#[test]
fn what_wins_over_a_login_in_the_users_own_settings_is_named() {
    let world = World::new();
    world.agent("claude");
    world.profile("work", "agent = \"claude\"\nauth = \"login\"\n");
    world.allow("profile = \"work\"\n");
    world.write("home/.claude/.credentials.json", "{\"claudeAiOauth\":{}}");
    world.write("home/.claude/settings.json", "{\"env\":{\"ANTHROPIC_API_KEY\":\"sk-mine\",\"EDITOR\":\"vi\"}}");
    let said = "note ~/.claude/settings.json sets env.ANTHROPIC_API_KEY, which wins over the login";
    assert!(!has(&world, &["status"], &[said]).contains("sk-mine"));
    world.run(&["exec", "claude"]).ok();
}

#[test]
fn each_refused_agent_has_the_command_that_mends_it() {
    let world = World::ready();
    world.write("home/project/.mcp.json", "{\"mcpServers\":{\"x\":{\"command\":\"./x\"}}}");
    let done = world.run(&["exec", "claude"]);
    let hint = done.stderr.lines().find_map(|line| line.strip_prefix("ringlet: hint: ")).expect("a hint").to_owned();
    let seen = world.run(&["status", "claude"]).ok();
    assert!(seen.contains(&hint) && hint.contains("ringlet allow"), "{seen}");
    assert_eq!(json(&world)["agents"][0]["hint"], hint);
}
