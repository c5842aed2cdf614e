//! Accounts of every kind: what the agent gets, what it does not get, and that nothing outlives the agent.

use crate::common::world::{KEY, RINGLET, World, finish};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

const LOGIN: &str = "agent = \"claude\"\nauth = \"login\"\nconfig-dir = \"~/.claude-work\"\n";

/// What would win over a login of Claude Code's, each with a value that is looked for afterwards.
const LEFT: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_CUSTOM_HEADERS",
    "ANTHROPIC_UNIX_SOCKET",
    "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR",
    "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR",
    "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_SECURESTORAGE_CONFIG_DIR",
];

/// A world without any store: a login, its folder, an allowed project.
fn with_login() -> World {
    let world = World::bare();
    world.write("home/.config/ringlet/config.toml", "[credentials]\nbackend = \"system-only\"\n");
    world.agent("claude");
    world.profile("max", LOGIN);
    world.write("home/.claude-work/.credentials.json", "{\"claudeAiOauth\":{}}");
    world.chmod(&world.path("home/.claude-work"), 0o700);
    world.allow("profile = \"max\"\n");
    world
}

fn variables(seen: &str) -> Vec<&str> {
    seen.lines().filter_map(|line| line.strip_prefix("env=")).collect()
}

#[test]
fn a_login_opens_no_store_and_nothing_that_would_win_reaches_the_agent() {
    let mut world = with_login();
    for name in LEFT {
        world.set(name, "http://leftover.example");
    }
    let done = world.run(&["exec", "claude", "--", "hi"]);
    assert!(!done.stderr.contains("ringlet login"), "{done:?}");
    let seen = done.ok();
    assert!(!seen.contains("leftover"), "{seen}");
    let folder = world.path("home/.claude-work");
    assert!(variables(&seen).contains(&format!("CLAUDE_CONFIG_DIR={}", folder.display()).as_str()), "{seen}");
    assert!(variables(&seen).contains(&"ANTHROPIC_BASE_URL=https://api.anthropic.com"), "{seen}");
    assert!(!seen.contains("API_KEY=") && !seen.contains("MANAGED_BY_HOST="), "{seen}");
}

#[test]
fn without_a_login_the_agent_starts_after_one_line_and_a_missing_folder_refuses() {
    let world = with_login();
    let file = world.path("home/.claude-work/.credentials.json");
    fs::remove_file(&file).expect("removed");
    let done = world.run(&["exec", "claude"]);
    assert_eq!(done.stderr, "ringlet: ~/.claude-work shows no login; run `ringlet login max` to log in\n");
    done.ok();
    // What needs no account says nothing.
    assert_eq!(world.run(&["exec", "claude", "--", "auth", "login"]).stderr, "");
    assert!(world.run(&["exec", "claude", "--", "--version"]).stderr.is_empty());
    fs::remove_dir(world.path("home/.claude-work")).expect("empty");
    world.run(&["exec", "claude"]).fails(125, &["does not exist", "run `ringlet login max`"]);
    let doctor = world.run(&["doctor"]).stdout;
    assert!(doctor.contains("the login folder ~/.claude-work of profile \"max\" does not exist"), "{doctor}");
    world.run(&["exec", "claude", "--", "--version"]).ok();
    assert!(!world.path("home/.claude-work").exists(), "a launch made the folder");
    // The default folder is the agent's own, and is never asked for.
    world.profile("max", &LOGIN.replace("config-dir = \"~/.claude-work\"\n", ""));
    world.run(&["exec", "claude"]).ok();
    assert!(!world.path("home/.claude").exists());
}

#[test]
fn a_login_folder_that_others_can_fill_is_refused() {
    let world = with_login();
    let folder = world.path("home/.claude-work");
    for mode in [0o777, 0o707, 0o1777] {
        world.chmod(&folder, mode);
        world.run(&["exec", "claude"]).fails(125, &[".claude-work", "can be written by others"]);
    }
    world.chmod(&folder, 0o755);
    world.run(&["exec", "claude"]).ok();
    // Another user's: root's for a plain user, and for root one that was given away.
    let foreign = if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&folder, Some(1), None).expect("root may");
        folder
    } else {
        "/usr".into()
    };
    world.profile("max", &LOGIN.replace("~/.claude-work", foreign.to_str().expect("text")));
    world.run(&["exec", "claude"]).fails(125, &["belongs to another user"]);
    world.write("home/file", "x");
    world.profile("max", &LOGIN.replace("~/.claude-work", "~/file"));
    world.run(&["exec", "claude"]).fails(125, &["is not a folder"]);
}

#[test]
fn a_configuration_folder_inside_the_project_is_refused_however_it_is_reached() {
    let world = with_login();
    let inside = world.project().join("cc");
    fs::create_dir(&inside).expect("a folder");
    std::os::unix::fs::symlink(&inside, world.path("home/link")).expect("a link");
    for place in ["~/project/cc", "~/link", "~/link/deeper/not-there-yet", "~/project/../project/cc"] {
        for kind in ["auth = \"login\"", "provider = \"anthropic\""] {
            world.profile("max", &format!("agent = \"claude\"\n{kind}\nconfig-dir = \"{place}\"\n"));
            world.run(&["exec", "claude"]).fails(125, &["lies inside the project"]);
        }
    }
    assert!(!inside.join("deeper").exists());
}

#[test]
fn a_file_of_the_folder_that_outranks_the_environment_is_named() {
    let world = with_login();
    world.agent("codex");
    world.profile("max", "agent = \"codex\"\nauth = \"login\"\nconfig-dir = \"~/.codex-work\"\n");
    world.write("home/.codex-work/auth.json", "{\"tokens\":{}}");
    world.run(&["exec", "codex"]).ok();
    for line in ["CODEX_API_KEY=x", "export CODEX_ACCESS_TOKEN = 'x'", "A=1\r\n  CODEX_API_KEY: x"] {
        world.write("home/.codex-work/.env", line);
        world.run(&["exec", "codex"]).fails(125, &[".codex-work/.env sets CODEX_A", "would win over the login"]);
    }
    world.write("home/.codex-work/.env", "# CODEX_API_KEY=x\nOTHER=CODEX_API_KEY\n");
    world.run(&["exec", "codex"]).ok();
    // Without the file, unless the agent was told to keep its login elsewhere.
    fs::remove_file(world.path("home/.codex-work/auth.json")).expect("removed");
    let login = "shows no login";
    assert!(world.run(&["exec", "codex"]).stderr.contains(login));
    for (setting, told) in [("keyring", false), ("auto", false), ("file", true)] {
        let text = format!("cli_auth_credentials_store = \"{setting}\"\n");
        world.write("home/.codex-work/config.toml", text);
        assert_eq!(world.run(&["exec", "codex"]).stderr.contains(login), told, "{setting}");
    }
}

#[test]
fn a_projects_files_are_guarded_for_a_login_too() {
    let world = with_login();
    world.write("home/project/.claude/settings.json", "{\"env\":{\"ANTHROPIC_API_KEY\":\"sk-theirs-is-billed\"}}");
    let done = world.run(&["exec", "claude"]).fails(125, &["settings.json: env.ANTHROPIC_API_KEY = (not shown)"]);
    assert!(!done.stderr.contains("sk-theirs"), "{done:?}");
    let agent = world.write("home/project/bin/claude", "#!/bin/sh\n");
    world.chmod(&agent, 0o755);
    fs::remove_file(world.path("home/project/.claude/settings.json")).expect("removed");
    let mut command = world.command(&["exec", "claude"]);
    command.env("PATH", agent.parent().expect("a folder"));
    let refused = command.output().expect("ringlet starts");
    assert_eq!(refused.status.code(), Some(125), "{refused:?}");
}

#[test]
fn ringlet_login_makes_the_folder_and_starts_the_agents_own_login_in_it() {
    let mut world = World::bare();
    world.program(
        "claude",
        "#!/bin/sh\necho \"cwd=$(pwd)\"\nfor word in \"$@\"; do echo \"arg=$word\"; done\nenv | sed 's/^/env=/'\n",
    );
    world.profile("max", LOGIN);
    world.set("ANTHROPIC_API_KEY", "leftover");
    let folder = world.path("home/.claude-work");
    let seen = world.run(&["login", "max"]).ok();
    assert!(seen.contains(&format!("cwd={}\narg=auth\narg=login\n", folder.display())), "{seen}");
    assert!(seen.contains(&format!("env=CLAUDE_CONFIG_DIR={}\n", folder.display())), "{seen}");
    assert!(!seen.contains("leftover"), "{seen}");
    assert_eq!(fs::metadata(&folder).expect("made").mode() & 0o777, 0o700);
    let seen = world.run(&["login", "max", "--agent", "claude", "--", "--console"]).ok();
    assert!(seen.contains("arg=auth\narg=login\narg=--console\n"), "{seen}");
    // The agent's own status is ringlet's.
    world.program("claude", "#!/bin/sh\nexit 3\n");
    world.run(&["login", "max"]).fails(3, &[]);
    // A login without a folder of its own is in the agent's.
    world.program("claude", "#!/bin/sh\necho \"cwd=$(pwd)\"\nenv\n");
    world.profile("plain", "agent = \"claude\"\nauth = \"login\"\n");
    let seen = world.run(&["login", "plain"]).ok();
    assert!(seen.starts_with(&format!("cwd={}\n", world.path("home/.claude").display())), "{seen}");
    assert!(!seen.contains("CLAUDE_CONFIG_DIR="), "{seen}");
}

#[test]
fn ringlet_login_is_refused_where_a_project_could_lead_it_astray() {
    let world = World::bare();
    world.agent("claude");
    world.agent("codex");
    for (project, mark) in [("home/shop", ".git"), ("home/other", ".ringlet.toml")] {
        world.write(Path::new(project).join(mark), "profile = \"x\"\n");
        let place = format!("~/{}/cc", project.strip_prefix("home/").expect("below home"));
        world.profile("max", &LOGIN.replace("~/.claude-work", &place));
        world.run(&["login", "max"]).fails(125, &["lies inside the project", "config-dir"]);
        assert!(!world.path(project).join("cc").exists(), "the folder was left behind");
    }
    // Settings that the agent would read there.
    world.profile("max", LOGIN);
    world.write(
        "home/.claude-work/.claude/settings.json",
        "{\"env\":{\"ANTHROPIC_BASE_URL\":\"https://evil.example\"}}",
    );
    world.run(&["login", "max"]).fails(125, &["settings.json: env.ANTHROPIC_BASE_URL = "]);
    fs::remove_dir_all(world.path("home/.claude-work")).expect("removed");
    // One that others can fill, and one whose parents would have to be made in a project.
    fs::create_dir(world.path("home/.claude-work")).expect("a folder");
    world.chmod(&world.path("home/.claude-work"), 0o777);
    world.run(&["login", "max"]).fails(125, &["can be written by others"]);
    world.profile("max", &LOGIN.replace("~/.claude-work", "~/shop/a/b"));
    world.run(&["login", "max"]).fails(125, &["lies inside the project"]);
    assert!(!world.path("home/shop/a").exists(), "a folder was left behind");
    // What is no login.
    world.profile("key", "agent = \"claude\"\nprovider = \"anthropic\"\n[agents.codex]\nprovider = \"openai\"\n");
    world.run(&["login", "key"]).fails(125, &["profile \"key\" has no login"]);
    world.run(&["login", "key", "--agent", "codex"]).fails(125, &["has no login: codex gets key openai/default"]);
    world.run(&["login", "nobody"]).fails(125, &["profile \"nobody\" does not exist"]);
    world.profile("two", "[agents.claude]\nauth = \"login\"\n[agents.codex]\nauth = \"login\"\n");
    world.run(&["login", "two"]).fails(125, &["logins for several agents: claude, codex", "--agent claude"]);
    world.run(&["login", "two", "--agent", "codex"]).ok();
}

#[test]
fn a_profile_may_hold_accounts_of_different_kinds() {
    let world = World::new();
    world.agent("claude");
    world.agent("codex");
    world.agent("opencode");
    world.store_key("openai/work", "sk-openai-work-0123456789");
    world.profile(
        "mixed",
        "agent = \"claude\"\nprovider = \"anthropic\"\nauth = \"login\"\n\
         [agents.codex]\nprovider = \"openai\"\nkey-alias = \"work\"\n\
         [agents.opencode]\nauth = \"none\"\nendpoint = \"http://127.0.0.1:11434/v1\"\nmodel = \"m\"\n",
    );
    world.allow("profile = \"mixed\"\n");
    assert!(!world.run(&["exec", "claude"]).ok().contains("API_KEY="));
    assert!(world.run(&["exec", "codex"]).ok().contains("env=RINGLET_API_KEY=sk-openai-work"));
    assert!(world.run(&["exec", "opencode"]).ok().contains("env=OPENCODE_AUTH_CONTENT={}"));
    let listed = world.run(&["profiles", "list"]).ok();
    for account in ["login", "openai/work", "no key, http://127.0.0.1:11434/v1"] {
        assert!(listed.contains(account), "{listed}");
    }
    let json: serde_json::Value = serde_json::from_str(&world.run(&["--json", "profiles", "list"]).ok()).expect("JSON");
    let agents = &json[0]["agents"];
    assert_eq!((agents["claude"]["auth"].as_str(), agents["claude"]["key"].as_str()), (Some("login"), None));
    assert_eq!(agents["codex"]["key"], "openai/work");
    let inspected = world.run(&["profiles", "inspect", "mixed"]).ok();
    assert!(inspected.contains("the agent's own login") && inspected.contains("no key"), "{inspected}");
    let json: serde_json::Value =
        serde_json::from_str(&world.run(&["--json", "profiles", "inspect", "mixed"]).ok()).expect("JSON");
    assert_eq!(json["agents"]["opencode"]["auth"], "none");
    assert!(json["agents"]["claude"]["from"]["auth"].as_str().expect("a line").ends_with(":3"));
    let status = world.run(&["status"]).ok();
    assert!(status.contains("claude login, ~/.claude") && status.contains("no key"), "{status}");
    let agents: serde_json::Value = serde_json::from_str(&world.run(&["--json", "agents", "list"]).ok()).expect("JSON");
    let kinds = |name: &str| {
        let found = agents.as_array().expect("rows").iter().find(|row| row["name"] == name).expect("listed");
        found["accounts"].clone()
    };
    assert_eq!(kinds("claude"), serde_json::json!(["key", "login", "none"]));
    assert_eq!(kinds("amp"), serde_json::json!(["key"]));
    assert_eq!(world.run(&["doctor"]).stderr.matches("panicked").count(), 0);
}

#[test]
fn profiles_create_knows_the_kinds() {
    let world = World::new();
    let made =
        world.run(&["profiles", "create", "max", "--agent", "claude", "--login", "--config-dir", "~/.claude-max"]);
    assert!(made.stderr.contains("run `ringlet login max`"), "{made:?}");
    made.ok();
    let file = "home/.ringlet/profiles/max/ringlet.toml";
    assert_eq!(world.read(file), "agent = \"claude\"\nauth = \"login\"\nconfig-dir = \"~/.claude-max\"\n");
    let home = ["profiles", "create", "home", "--agent", "codex", "--no-key", "--endpoint"];
    world.run(&[&home[..], &["http://192.168.1.5:11434/v1"]].concat()).fails(1, &["allow-http = true"]);
    world.run(&[&home[..], &["http://192.168.1.5:11434/v1", "--allow-http"]].concat()).ok();
    let file = "home/.ringlet/profiles/home/ringlet.toml";
    let text = "agent = \"codex\"\nauth = \"none\"\nendpoint = \"http://192.168.1.5:11434/v1\"\nallow-http = true\n";
    assert_eq!(world.read(file), text);
    for wrong in [&["--login", "--no-key"][..], &["--login", "--key-alias", "x"], &["--no-key"], &["--allow-http"]] {
        let words = [&["profiles", "create", "x", "--agent", "claude"][..], wrong].concat();
        world.run(&words).fails(2, &[]);
    }
    world.run(&["profiles", "create", "x", "--agent", "amp", "--login"]).fails(1, &["does not know how to start Amp"]);
    // Changed by hand, a boolean stays one.
    world.run(&["profiles", "edit", "home", "allow-http=false"]).fails(1, &["allow-http"]);
    world.run(&["profiles", "edit", "home", "endpoint=http://127.0.0.1:1/v1", "allow-http=false"]).ok();
}

#[test]
fn what_contradicts_itself_is_named_by_line_and_column() {
    let world = World::new();
    world.agent("claude");
    let claude = |rest: &str| format!("agent = \"claude\"\n{rest}");
    for (text, says) in [
        (
            claude("auth = \"login\"\n[provider-config]\nkey-alias = \"x\"\n"),
            ":4:13: `key-alias` beside `auth = \"login\"`",
        ),
        (
            claude("auth = \"none\"\nendpoint = \"http://127.0.0.1\"\n[provider-config]\nkey-alias = \"x\"\n"),
            ":5:13: `key-alias` beside `auth = \"none\"`",
        ),
        ("[agents.claude]\nauth = \"login\"\nkey-alias = \"x\"\n".into(), ":3:13: `key-alias` beside"),
        (claude("auth = \"login\"\nendpoint = \"https://x.example\"\n"), ":3:12: `endpoint` beside `auth = \"login\"`"),
        (claude("auth = \"login\"\n[provider-config]\nauth-header = \"bearer\"\n"), ":4:15: `auth-header` beside"),
        (
            claude("auth = \"login\"\n[env]\nANTHROPIC_API_KEY = \"x\"\n"),
            ":4:21: ANTHROPIC_API_KEY would win over the login",
        ),
        (
            claude("auth = \"login\"\n[secrets]\nCLAUDE_CODE_OAUTH_TOKEN = \"a/b\"\n"),
            ":4:27: CLAUDE_CODE_OAUTH_TOKEN would win",
        ),
        (
            claude("auth = \"login\"\n[env]\nCLAUDE_SECURESTORAGE_CONFIG_DIR = \"x\"\n"),
            ":4:35: CLAUDE_SECURESTORAGE_CONFIG_DIR would win",
        ),
        (claude("auth = \"none\"\n"), ":2:8: `auth = \"none\"` needs an `endpoint`"),
        (
            claude("auth = \"none\"\nendpoint = \"http://example.com\"\n"),
            ":3:12: the URL would send everything unencrypted",
        ),
        (
            claude("auth = \"none\"\nendpoint = \"http://example.com\"\nallow-http = true\n"),
            ":3:12: the URL would send everything unencrypted",
        ),
        (claude("auth = \"none\"\nendpoint = \"http://gateway:1\"\n"), "`allow-http = true`"),
        (claude("auth = \"none\"\nendpoint = \"default\"\n"), ":3:12: without a provider the endpoint must be a URL"),
        (
            claude("auth = \"none\"\nendpoint = \"http://127.0.0.1\"\n[env]\nANTHROPIC_AUTH_TOKEN = \"x\"\n"),
            ":5:24: ANTHROPIC_AUTH_TOKEN is what Ringlet itself sets",
        ),
        (claude("provider = \"anthropic\"\nallow-http = true\n"), ":3:14: `allow-http` belongs to `endpoint`"),
        (claude("provider = \"anthropic\"\nallow-http = \"yes\"\n"), ":3:14: "),
        (claude("auth = \"Login\"\n"), ":2:8: `auth` is \"Login\""),
        (claude("auth = \"logn\"\n"), "did you mean `login`?"),
        (claude("auth = \"oauth-token\"\n"), "it is one of \"key\", \"login\", \"none\""),
        (claude("auth = \"login\"\ndelivery = \"broker\"\n"), ":3:12: `delivery` beside"),
        (claude("provider = \"anthropic\"\ndelivery = \"socket\"\n"), ":3:12: `delivery` is \"socket\""),
        (
            claude("provider = \"anthropic\"\n[provider-config]\nauth-header = \"basic\"\n"),
            ":4:15: `auth-header` is \"basic\"",
        ),
        (
            "agent = \"codex\"\nprovider = \"openai\"\n[provider-config]\nauth-header = \"bearer\"\n".into(),
            ":4:15: Codex sends its key over responses in one header only",
        ),
        (
            claude("provider = \"claude-subscription\"\nendpoint = \"https://x.example\"\n"),
            ":3:12: `endpoint` beside Claude subscription",
        ),
        (
            "agent = \"copilot\"\nprovider = \"claude-subscription\"\n".into(),
            ":2:12: GitHub Copilot CLI cannot use Claude subscription",
        ),
        (
            "agent = \"copilot\"\nprovider = \"claude-subscription\"\nendpoint = \"https://x.example\"\n".into(),
            ":3:12: `endpoint` beside Claude subscription",
        ),
        ("agent = \"amp\"\nauth = \"login\"\n".into(), ":2:8: ringlet does not know how to start Amp on its own login"),
        (
            "agent = \"llm\"\nauth = \"none\"\nendpoint = \"http://127.0.0.1\"\n".into(),
            ":2:8: llm may send a login or key that it has stored",
        ),
        (
            "auth = \"login\"\n[agents.claude]\nprovider = \"anthropic\"\n".into(),
            ":1:8: belongs to `agent`, which is not given",
        ),
        (claude("provider = \"anthropic\"\n[env]\nRINGLET_SET = \"x\"\n"), ":4:1: `[env]` cannot set RINGLET_SET"),
        (
            claude("provider = \"anthropic\"\n[env]\nRINGLET_API_KEY = \"x\"\n"),
            ":4:1: `[env]` cannot set RINGLET_API_KEY",
        ),
        (claude("provider = \"anthropic\"\n[secrets]\nPATH = \"a/b\"\n"), ":4:1: `[secrets]` cannot set PATH"),
        (claude("provider = \"anthropic\"\n[secrets]\nTMPDIR = \"a/b\"\n"), ":4:1: `[secrets]` cannot set TMPDIR"),
        (
            "[agents.claude]\nprovider = \"anthropic\"\n[agents.claude.secrets]\nHOME = \"a/b\"\n".into(),
            ":4:1: `[secrets]` cannot set HOME",
        ),
    ] {
        world.profile("wrong", &text);
        let agent = text.split('"').nth(1).filter(|agent| text.starts_with("agent = ") && *agent != "claude");
        if let Some(agent) = agent {
            world.agent(agent);
        }
        world.run(&["exec", "--profile", "wrong", agent.unwrap_or("claude")]).fails(125, &[says]);
        world.run(&["profiles", "inspect", "wrong"]).fails(1, &[says]);
    }
    let many: String = (0..600).map(|at| format!("V{at} = \"x\"\n")).collect();
    world.profile("wrong", &claude(&format!("provider = \"anthropic\"\n[env]\n{many}")));
    world
        .run(&["exec", "--profile", "wrong", "claude"])
        .fails(125, &["`[env]` has 600 entries; at most 512 are allowed"]);
    // Nothing but the secrets' own names are kept: these may stand.
    world.profile("right", &claude("provider = \"anthropic\"\n[env]\nHOME = \"/x\"\nTMPDIR = \"/tmp\"\n"));
    world.run(&["profiles", "inspect", "right"]).ok();
}

#[test]
fn a_gateway_gets_its_own_header_and_no_account_of_ours() {
    let mut world = World::ready();
    world.set("ANTHROPIC_API_KEY", "leftover");
    let none = "agent = \"claude\"\nauth = \"none\"\nendpoint = \"http://127.0.0.1:4000\"\n";
    world.profile("work", none);
    let seen = world.run(&["exec", "claude"]).ok();
    for wanted in ["ANTHROPIC_AUTH_TOKEN=no-key", "ANTHROPIC_API_KEY=", "ANTHROPIC_BASE_URL=http://127.0.0.1:4000"] {
        assert!(variables(&seen).contains(&wanted), "{wanted}: {seen}");
    }
    assert!(!seen.contains("leftover") && !seen.contains(KEY), "{seen}");
    world.profile("work", &format!("{none}[provider-config]\nauth-header = \"x-api-key\"\n"));
    let seen = world.run(&["exec", "claude"]).ok();
    assert!(variables(&seen).contains(&"ANTHROPIC_API_KEY=no-key") && !seen.contains("AUTH_TOKEN="), "{seen}");
    // A key of ours for a gateway that wants it elsewhere than the provider does.
    let key = "agent = \"claude\"\nprovider = \"anthropic\"\nendpoint = \"https://gateway.example\"\n[provider-config]\nkey-alias = \"work\"\n";
    world.profile("work", &format!("{key}auth-header = \"bearer\"\n"));
    let seen = world.run(&["exec", "claude"]).ok();
    assert!(variables(&seen).contains(&format!("ANTHROPIC_AUTH_TOKEN={KEY}").as_str()), "{seen}");
    world.profile("work", key);
    assert!(variables(&world.run(&["exec", "claude"]).ok()).contains(&format!("ANTHROPIC_API_KEY={KEY}").as_str()));
}

#[test]
fn a_token_under_the_wrong_provider_is_refused_with_the_right_command() {
    const TOKEN: &str = "sk-ant-oat01-0123456789abcdefghijklmnopqrstuvwxyz";
    let world = World::ready();
    for provider in ["anthropic", "openrouter", "zai"] {
        let done = world.feed(&["keychain", "set", provider, "max", "--stdin"], TOKEN);
        let done = done.fails(1, &["nothing was stored", "run `ringlet keychain set claude-subscription max --stdin`"]);
        assert!(!done.stderr.contains(TOKEN), "{done:?}");
    }
    world.feed(&["keychain", "set", "claude-subscription", "max", "--stdin"], KEY).fails(1, &["nothing was stored"]);
    world.feed(&["keychain", "set", "claude-subscription", "max", "--stdin"], TOKEN).ok();
    world.profile(
        "max",
        "agent = \"claude\"\nprovider = \"claude-subscription\"\n[provider-config]\nkey-alias = \"max\"\n",
    );
    let seen = world.run(&["exec", "--profile", "max", "claude"]).ok();
    assert!(variables(&seen).contains(&format!("CLAUDE_CODE_OAUTH_TOKEN={TOKEN}").as_str()), "{seen}");
    assert!(variables(&seen).contains(&"ANTHROPIC_BASE_URL=https://api.anthropic.com"), "{seen}");
    // One that came into the store by another way.
    let file = world.path("home/.config/ringlet/credentials.toml");
    fs::write(&file, format!("[anthropic.work]\nkey = \"{TOKEN}\"\n")).expect("written");
    let done = world.run(&["exec", "--profile", "work", "claude"]);
    let done =
        done.fails(125, &["is a key of claude-subscription", "run `ringlet keychain set claude-subscription work`"]);
    assert!(!done.stderr.contains("oat01"), "{done:?}");
}

#[test]
fn other_secrets_keep_their_line_feeds() {
    let world = World::ready();
    let text = "-----BEGIN X-----\nabc\ndef\n-----END X-----\n";
    world.feed(&["keychain", "set", "mytool", "cert", "--stdin"], text).ok();
    world.feed(&["keychain", "set", "github", "cert", "--stdin"], text).fails(1, &["the key has more than one line"]);
    world.program("claude", "#!/bin/sh\nprintf %s \"$CERT\"\n");
    world.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n[secrets]\nCERT = \"mytool/cert\"\n");
    assert_eq!(world.run(&["exec", "claude"]).ok(), text);
}

/// The accounts of the matrix: their name, their profile, and what only they leave in an environment.
const ACCOUNTS: &[(&str, &str, &str, &[&str])] = &[
    (
        "claude-key",
        "claude",
        "provider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n",
        &[
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_BASE_URL",
            "CLAUDE_CODE_DISABLE_AGENT_VIEW",
            "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST",
        ],
    ),
    (
        "claude-third",
        "claude",
        "provider = \"zai\"\nmodel = \"glm\"\n[provider-config]\nkey-alias = \"work\"\n[env]\nMINE = \"1\"\n[secrets]\nGITHUB_TOKEN = \"github/work\"\n",
        &[
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            "ANTHROPIC_BASE_URL",
            "ANTHROPIC_MODEL",
            "CLAUDE_CODE_DISABLE_AGENT_VIEW",
            "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST",
            "GITHUB_TOKEN",
            "MINE",
        ],
    ),
    (
        "claude-login",
        "claude",
        "auth = \"login\"\nconfig-dir = \"~/.claude-work\"\n",
        &["ANTHROPIC_BASE_URL", "ANTHROPIC_CONFIG_DIR", "CLAUDE_CONFIG_DIR"],
    ),
    (
        "claude-none",
        "claude",
        "auth = \"none\"\nendpoint = \"http://127.0.0.1:9\"\n",
        &[
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            "ANTHROPIC_BASE_URL",
            "CLAUDE_CODE_DISABLE_AGENT_VIEW",
            "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST",
        ],
    ),
    (
        "codex-key",
        "codex",
        "provider = \"openai\"\nconfig-dir = \"~/.codex-work\"\n[provider-config]\nkey-alias = \"work\"\n",
        &["CODEX_HOME", "RINGLET_API_KEY"],
    ),
    ("codex-login", "codex", "auth = \"login\"\n", &[]),
    ("codex-none", "codex", "auth = \"none\"\nendpoint = \"http://127.0.0.1:9/v1\"\n", &["RINGLET_API_KEY"]),
    (
        "opencode-key",
        "opencode",
        "provider = \"anthropic\"\nconfig-dir = \"~/.oc-work\"\n[provider-config]\nkey-alias = \"work\"\n",
        &[
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_BASE_URL",
            "OPENCODE_AUTH_CONTENT",
            "OPENCODE_CONFIG_CONTENT",
            "XDG_CACHE_HOME",
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "XDG_STATE_HOME",
        ],
    ),
    (
        "opencode-none",
        "opencode",
        "auth = \"none\"\nendpoint = \"http://127.0.0.1:9/v1\"\nmodel = \"m\"\n",
        &["OPENCODE_AUTH_CONTENT", "OPENCODE_CONFIG_CONTENT", "RINGLET_API_KEY"],
    ),
];

fn matrix() -> World {
    let mut world = World::new();
    for name in ["anthropic/work", "zai/work", "openai/work", "github/work"] {
        world.store_key(name, &format!("key-of-{}-0123456789", name.replace('/', "-")));
    }
    for (name, agent, text, _) in ACCOUNTS {
        world.profile(name, &format!("agent = \"{agent}\"\n{text}"));
    }
    for folder in ["home/.claude-work", "home/.codex-work"] {
        fs::create_dir_all(world.path(folder)).expect("a folder");
    }
    // An agent whose tool shell does what is asked, once, and then says what it finds in its own environment.
    for agent in ["claude", "codex", "opencode", "aider"] {
        world.program(
            agent,
            "#!/bin/sh\nif [ -n \"$TOOL\" ]; then tool=$TOOL; unset TOOL; eval \"$tool\"; else env | sed 's/^/env=/'; fi\n",
        );
    }
    world.set("XDG_DATA_HOME", world.path("home/my data"));
    world
}

/// What an environment has beside that of the shell, by name.
fn added(world: &World, seen: &str) -> Vec<String> {
    let mut names: Vec<String> = variables(seen)
        .into_iter()
        .filter(|pair| {
            let (name, value) = pair.split_once('=').expect("a pair");
            let own = world.env().iter().any(|(mine, theirs)| mine == name && theirs == value);
            !own && !["PWD", "OLDPWD", "SHLVL", "_", "RINGLET_SET", "RINGLET_LAUNCH"].contains(&name)
        })
        .map(|pair| pair.split_once('=').expect("a pair").0.to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn every_launch_below_every_other_has_its_own_account_and_no_more() {
    let mut world = matrix();
    for (outer, outer_agent, ..) in ACCOUNTS {
        for (inner, inner_agent, _, sets) in ACCOUNTS {
            world.set("TOOL", format!("{RINGLET} -q exec --profile {inner} {inner_agent}"));
            let seen = world.run(&["-q", "exec", "--profile", outer, outer_agent]).ok();
            assert_eq!(added(&world, &seen), *sets, "{inner} below {outer}: {seen}");
            let data = variables(&seen).into_iter().find(|pair| pair.starts_with("XDG_DATA_HOME=")).expect("set");
            let expected = match *inner {
                "opencode-key" => world.path("home/.oc-work/data"),
                _ => world.path("home/my data"),
            };
            assert_eq!(data, format!("XDG_DATA_HOME={}", expected.display()), "{inner} below {outer}");
        }
        // No profile at all, by the function's command, by a link named after the agent, and three deep.
        for tool in [
            format!("{RINGLET} exec aider"),
            format!("ln -sf {RINGLET} {0}/aider-link/aider; {0}/aider-link/aider", world.path("").display()),
            format!("export TOOL='{RINGLET} exec aider'; {RINGLET} exec --profile codex-key codex"),
        ] {
            fs::create_dir_all(world.path("aider-link")).expect("a folder");
            world.set("TOOL", tool);
            let seen = world.run(&["-q", "exec", "--profile", outer, outer_agent]).ok();
            assert_eq!(added(&world, &seen), [""; 0], "no profile below {outer}: {seen}");
            assert!(!seen.contains("RINGLET_"), "{seen}");
        }
        // Through another command of ringlet's.
        world.set("TOOL", format!("{RINGLET} profiles run claude-key"));
        let seen = world.run(&["-q", "exec", "--profile", outer, outer_agent]).ok();
        assert_eq!(added(&world, &seen), ACCOUNTS[0].3, "profiles run below {outer}");
    }
}

#[test]
fn below_a_launch_that_moves_xdg_ringlet_finds_its_own_places() {
    let mut world = matrix();
    world.unset("TOOL");
    for tool in ["keychain list", "profiles list", "--json status claude", "doctor", "audit verify"] {
        let direct = world.run(&tool.split(' ').collect::<Vec<_>>());
        world.set("TOOL", format!("{RINGLET} {tool}"));
        let below = world.run(&["exec", "--profile", "opencode-key", "opencode"]);
        world.unset("TOOL");
        assert_eq!(below.stdout, direct.stdout, "{tool}");
    }
}

#[test]
fn a_forged_mark_takes_away_and_sets_nothing() {
    let mut world = World::ready();
    world.set("RINGLET_SET", "PATH,HOME,MINE,XDG_RUNTIME_DIR,LD_PRELOAD=/evil,EVIL=/evil,RINGLET_LAUNCH");
    world.set("MINE", "1");
    let seen = world.run(&["exec", "claude"]).ok();
    assert!(variables(&seen).contains(&format!("ANTHROPIC_API_KEY={KEY}").as_str()), "{seen}");
    assert!(!seen.contains("MINE=") && !seen.contains("evil"), "{seen}");
    // Another home for ringlet can be had by setting the variable itself, and by the mark no more than that.
    world.set("RINGLET_SET", "XDG_CONFIG_HOME=/nowhere");
    world.run(&["keychain", "list"]).ok();
}

#[test]
fn a_dropped_endpoint_is_said_in_one_line() {
    let mut world = World::ready();
    world.set("ANTHROPIC_BASE_URL", "https://old.example/?key=secret-in-a-url");
    let done = world.run(&["exec", "claude"]);
    assert_eq!(
        done.stderr,
        "ringlet: ANTHROPIC_BASE_URL of this shell is not used: profile \"work\" goes to https://api.anthropic.com\n"
    );
    assert_eq!(world.run(&["-q", "exec", "claude"]).stderr, "");
    for own in ["https://api.anthropic.com", "https://api.anthropic.com/", ""] {
        world.set("ANTHROPIC_BASE_URL", own);
        assert_eq!(world.run(&["exec", "claude"]).stderr, "", "{own}");
    }
    // Nobody set it who sits at the shell: an outer launch did.
    world.unset("ANTHROPIC_BASE_URL");
    world.profile("other", "agent = \"claude\"\nprovider = \"zai\"\n[provider-config]\nkey-alias = \"work\"\n");
    world.store_key("zai/work", "key-of-zai-0123456789");
    world.program("claude", &format!("#!/bin/sh\n[ -n \"$DEEP\" ] || DEEP=1 {RINGLET} exec --profile work claude\n"));
    assert_eq!(world.run(&["exec", "--profile", "other", "claude"]).stderr, "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_daemon_started_below_a_launch_holds_nothing_of_its_account() {
    let mut world = matrix();
    world.configure("[daemon]\nport = 0\n");
    world.set("TOOL", format!("{RINGLET} daemon start; cat /proc/$({RINGLET} --json daemon status | grep -o '\"pid\": [0-9]*' | grep -o '[0-9]*')/environ | tr '\\0' '\\n' | sed 's/^/env=/'; {RINGLET} daemon stop"));
    let done = world.run(&["exec", "--profile", "claude-third", "claude"]);
    // The daemon closes itself to a plain user's other processes, so that only root can look.
    let looked = if rustix::process::geteuid().is_root() { &done.stdout } else { &done.stderr };
    assert!(looked.contains("env=HOME=") || looked.contains("environ: Permission denied"), "{done:?}");
    assert!(!done.stdout.contains("key-of-"), "{done:?}");
}

#[test]
fn status_says_whose_login_it_is() {
    let world = with_login();
    world.agent("codex");
    let account = |agent: &str| {
        let json: serde_json::Value =
            serde_json::from_str(&world.run(&["--json", "status", agent]).ok()).expect("JSON");
        json["agents"][0]["account"].as_str().expect("a line").to_owned()
    };
    assert_eq!(account("claude"), "claude login, ~/.claude-work");
    let whose = "{\"oauthAccount\":{\"emailAddress\":\"work@example.org\",\"organizationName\":\"Work Org\"}}";
    world.write("home/.claude-work/.claude.json", whose);
    world.write(
        "home/.claude-work/.credentials.json",
        "{\"claudeAiOauth\":{\"accessToken\":\"sk-ant-oat01-CANARY\",\"subscriptionType\":\"max\"}}",
    );
    assert_eq!(account("claude"), "claude login work@example.org (Work Org, max), ~/.claude-work");
    assert!(world.run(&["status"]).ok().contains("claude login work@example.org (Work Org, max)"));
    // Without a folder of its own the file lies beside the default one.
    world.profile("max", "agent = \"claude\"\nauth = \"login\"\n[agents.codex]\nauth = \"login\"\n");
    world.write("home/.claude.json", whose.replace("work@", "home@"));
    assert_eq!(account("claude"), "claude login home@example.org (Work Org), ~/.claude");
    // {"email":"a@b","https://api.openai.com/auth":{"chatgpt_plan_type":"plus"}}, unsigned.
    let token =
        "x.eyJlbWFpbCI6ImFAYiIsImh0dHBzOi8vYXBpLm9wZW5haS5jb20vYXV0aCI6eyJjaGF0Z3B0X3BsYW5fdHlwZSI6InBsdXMifX0.CANARY";
    world.write(
        "home/.codex/auth.json",
        format!("{{\"tokens\":{{\"id_token\":\"{token}\",\"access_token\":\"CANARY\"}}}}"),
    );
    assert_eq!(account("codex"), "codex login a@b (plus), ~/.codex");
    for broken in ["", "[]", "{\"tokens\":{\"id_token\":\"x\"}}", "{\"tokens\":{\"id_token\":\"a.%%.c\"}}"] {
        world.write("home/.codex/auth.json", broken);
        assert_eq!(account("codex"), "codex login, ~/.codex", "{broken}");
    }
    assert!(!world.run(&["-v", "status"]).ok().contains("CANARY"));
}

#[test]
fn the_login_files_are_never_touched() {
    let world = with_login();
    let file = world.path("home/.claude-work/.credentials.json");
    let token = "{\"claudeAiOauth\":{\"accessToken\":\"sk-ant-oat01-MADE-UP-CANARY\"}}";
    fs::write(&file, token).expect("written");
    world.chmod(&file, 0o600);
    let before = fs::metadata(&file).expect("there");
    for words in [
        &["status"][..],
        &["--json", "status"],
        &["doctor"],
        &["exec", "--dry-run", "claude"],
        &["exec", "claude"],
        &["login", "max"],
    ] {
        let done = world.run(words);
        assert!(!format!("{done:?}").contains("CANARY"), "{words:?}: {done:?}");
    }
    let after = fs::metadata(&file).expect("there");
    assert_eq!(
        (after.mtime_nsec(), after.ctime_nsec(), after.ino()),
        (before.mtime_nsec(), before.ctime_nsec(), before.ino())
    );
    assert_eq!(fs::read_to_string(&file).expect("there"), token);
}

#[test]
fn what_needs_no_key_is_judged_all_the_same_where_a_login_is_in_reach() {
    let world = with_login();
    let run = |words: &[&str]| world.run(&[&["exec", "claude", "--"], words].concat());
    world.write("home/project/.claude/settings.json", "{\"forceLoginMethod\":\"console\"}");
    for words in [&["auth", "login"][..], &["setup-token"], &["mcp", "list"], &["hi"]] {
        run(words).fails(125, &["settings.json: forceLoginMethod = "]);
    }
    run(&["--version"]).ok();
    fs::remove_file(world.path("home/project/.claude/settings.json")).expect("removed");
    run(&["auth", "login"]).ok();
    // With a key none of these gives anything away, but the folder is looked at.
    for kind in ["auth = \"login\"", "provider = \"anthropic\""] {
        world.profile("max", &format!("agent = \"claude\"\n{kind}\nconfig-dir = \"~/project/cc\"\n"));
        run(&["auth", "login"]).fails(125, &["lies inside the project"]);
        run(&["--version"]).fails(125, &["lies inside the project"]);
        assert!(!world.path("home/project/cc").exists());
    }
    world.agent("codex");
    world.profile("max", "agent = \"codex\"\nauth = \"login\"\n");
    world.write("home/.codex/.env", "CODEX_ACCESS_TOKEN=x\n");
    world.run(&["exec", "codex", "--", "cloud", "exec", "hi"]).fails(125, &["sets CODEX_ACCESS_TOKEN"]);
}

#[cfg(target_os = "linux")]
#[test]
fn no_folder_of_the_agents_own_is_in_the_project_however_it_is_named() {
    let mut world = with_login();
    let inside = world.project().join("evil");
    fs::create_dir(&inside).expect("a folder");
    let refused = |world: &World, agent: &str| {
        world.run(&["exec", "--profile", "max", agent]).fails(125, &["lies inside the project"]);
    };
    // By the shell, by `[env]`, by a way through what is not there, by the default folder's being a link.
    world.set("CLAUDE_CONFIG_DIR", &inside);
    world.profile("max", "agent = \"claude\"\nauth = \"none\"\nendpoint = \"http://127.0.0.1:9\"\n");
    refused(&world, "claude");
    world.unset("CLAUDE_CONFIG_DIR");
    let none = "agent = \"claude\"\nauth = \"none\"\nendpoint = \"http://127.0.0.1:9\"\n[env]\nCLAUDE_CONFIG_DIR = ";
    world.profile("max", &format!("{none}{:?}\n", inside.display()));
    refused(&world, "claude");
    world.profile("max", "agent = \"claude\"\nauth = \"login\"\nconfig-dir = \"~/nope/../project/evil\"\n");
    refused(&world, "claude");
    world.profile("max", "agent = \"claude\"\nauth = \"login\"\n");
    std::os::unix::fs::symlink(&inside, world.path("home/.claude")).expect("a link");
    refused(&world, "claude");
    fs::remove_file(world.path("home/.claude")).expect("removed");
    world.run(&["exec", "--profile", "max", "claude"]).ok();
    // Whoever works on the settings of an agent works in its folder.
    fs::create_dir(world.path("home/.claude")).expect("a folder");
    let (home, settings) = (world.path("home"), world.path("home/.claude"));
    world.run_with_account(Some(&home), &settings, &["exec", "--profile", "max", "claude"]).ok();
    world.run_in(&settings, &["exec", "--profile", "max", "claude"]).fails(125, &["lies inside the project"]);
    world.chmod(&world.path("home/.claude"), 0o777);
    world.run(&["exec", "--profile", "max", "claude"]).fails(125, &["can be written by others"]);
    world.agent("opencode");
    world.profile("max", "agent = \"opencode\"\nauth = \"login\"\n");
    world.run(&["exec", "--profile", "max", "opencode"]).ok();
    world.set("XDG_DATA_HOME", &inside);
    refused(&world, "opencode");
    // The user's word for a profile takes nothing out of the project.
    let world = with_login();
    world.write("home/gov/.ringlet.toml", "profile = \"max\"\n");
    fs::create_dir_all(world.path("home/gov/sub")).expect("a folder");
    fs::create_dir_all(world.path("home/gov/cc")).expect("a folder");
    world.profile("gov", "agent = \"claude\"\nauth = \"login\"\nconfig-dir = \"~/gov/cc\"\n");
    let below = world.path("home/gov/sub");
    world.run_in(&below, &["exec", "--profile", "gov", "claude"]).fails(125, &["lies inside the project"]);
    world.run_in(&below, &["profiles", "run", "gov"]).fails(125, &["lies inside the project"]);
}

#[test]
fn without_a_key_nothing_that_the_user_has_stored_is_sent() {
    let world = World::new();
    // Aider: an option outranks every file that it keeps keys in, over one protocol alone.
    world.agent("aider");
    let none = |agent: &str, rest: &str| {
        format!("agent = \"{agent}\"\nauth = \"none\"\nendpoint = \"http://127.0.0.1:9/v1\"\n{rest}")
    };
    world.profile("none", &none("aider", "model = \"m\"\n"));
    let seen = world.run(&["exec", "--profile", "none", "aider"]).ok();
    assert!(seen.contains("arg=--openai-api-key\narg=no-key\n"), "{seen}");
    world.profile("none", &none("aider", "provider = \"anthropic\"\n"));
    world
        .run(&["exec", "--profile", "none", "aider"])
        .fails(125, &["may send a key that it has stored over anthropic"]);
    // Claude Code and Qwen: what they would send stands in their own settings.
    let refused = |agent: &str, file: &str, content: &str, says: &str| {
        let path = world.write(Path::new("home").join(file), content);
        world.run(&["exec", "--profile", "none", agent]).fails(125, &[file, says, "config-dir"]);
        fs::remove_file(path).expect("removed");
        world.run(&["exec", "--profile", "none", agent]).ok();
    };
    world.agent("claude");
    world.profile("none", &none("claude", ""));
    refused("claude", ".claude/settings.json", "{\"apiKeyHelper\":\"x\"}", "sets apiKeyHelper");
    refused("claude", ".claude/settings.json", "{\"env\":{\"ANTHROPIC_CUSTOM_HEADERS\":\"x\"}}", "sets env.ANTHROPIC");
    refused("claude", ".claude/settings.json", "{", "cannot be checked");
    refused("claude", ".claude.json", "{\"primaryApiKey\":\"x\"}", "sets primaryApiKey");
    world.write("home/.claude/settings.json", "{\"model\":\"opus\",\"env\":{\"EDITOR\":\"vi\"}}");
    world.run(&["exec", "--profile", "none", "claude"]).ok();
    world.write("home/.claude/settings.json", "{\"apiKeyHelper\":\"x\"}");
    world.profile("none", &none("claude", "config-dir = \"~/.claude-none\"\n"));
    world.run(&["exec", "--profile", "none", "claude"]).ok();
    world.agent("qwen");
    world.profile("none", &none("qwen", "model = \"m\"\n"));
    refused("qwen", ".qwen/settings.json", "{\"modelProviders\":{\"openai\":[]}}", "sets modelProviders");
}

#[test]
fn each_agents_login_is_looked_for_where_that_agent_keeps_it() {
    let mut world = World::bare();
    world.write("home/.config/ringlet/config.toml", "[credentials]\nbackend = \"system-only\"\n");
    world.set("XDG_DATA_HOME", world.path("home/data"));
    for (agent, command, file, below, login) in [
        ("claude", "claude", ".claude/.credentials.json", "cc/.credentials.json", &["auth", "login"][..]),
        (
            "claude",
            "claude",
            ".claude/anthropic/credentials/x.json",
            "cc/anthropic/credentials/x.json",
            &["auth", "login"],
        ),
        ("codex", "codex", ".codex/auth.json", "cc/auth.json", &["login"]),
        ("opencode", "opencode", "data/opencode/auth.json", "cc/data/opencode/auth.json", &["auth", "login"]),
        ("gemini", "gemini", ".gemini/oauth_creds.json", "cc/.gemini/oauth_creds.json", &[]),
        ("grok", "grok", ".grok/auth.json", "cc/auth.json", &["login"]),
        ("kimi", "kimi", ".kimi-code/credentials/kimi-code.json", "cc/credentials/kimi-code.json", &["login"]),
    ] {
        world.agent(command);
        for (rest, file) in [("", file), ("config-dir = \"~/cc\"\n", below)] {
            world.profile("max", &format!("agent = \"{agent}\"\nauth = \"login\"\n{rest}"));
            let at = world.path("home").join(file);
            let _ = fs::remove_dir_all(world.path("home/cc"));
            fs::create_dir_all(world.path("home/cc")).expect("a folder");
            let told = world.run(&["exec", "--profile", "max", agent]);
            assert!(told.stderr.contains("shows no login; run `ringlet login max`"), "{agent} {file}: {told:?}");
            world.write(Path::new("home").join(file), "x");
            let quiet = world.run(&["exec", "--profile", "max", agent]);
            assert_eq!(quiet.stderr, "", "{agent} {file}");
            let seen = world.run(&["login", "max"]).ok();
            let words: Vec<&str> = seen.lines().filter_map(|line| line.strip_prefix("arg=")).collect();
            assert!(words.ends_with(login), "{agent}: {words:?}");
            fs::remove_file(at).expect("removed");
            let _ = fs::remove_dir_all(world.path("home/.claude"));
        }
    }
    for agent in ["qwen", "amp", "cline", "copilot", "aider", "llm"] {
        world.profile("max", &format!("agent = \"{agent}\"\nauth = \"login\"\n"));
        world.agent(agent);
        world.run(&["exec", "--profile", "max", agent]).fails(125, &["does not know how to start", "on its own login"]);
    }
}

#[test]
fn a_session_is_not_served_by_what_an_earlier_launch_left() {
    let world = with_login();
    // Codex: never by the process of another session.
    world.profile("codex", "agent = \"codex\"\nauth = \"login\"\nmodel = \"m\"\n");
    let words = |seen: &str| seen.lines().filter_map(|line| line.strip_prefix("arg=")).collect::<Vec<_>>().join(" ");
    world.agent("codex");
    let seen = world.run(&["exec", "--profile", "codex", "codex", "--", "resume"]).ok();
    assert_eq!(words(&seen), "-c check_for_update_on_startup=false -m m resume");
    let package = world.path("lib/node_modules/@openai/codex");
    fs::create_dir_all(package.join("bin")).expect("a folder");
    fs::rename(world.path("bin/codex"), package.join("bin/codex")).expect("moved");
    std::os::unix::fs::symlink(package.join("bin/codex"), world.path("bin/codex")).expect("a link");
    for (version, wanted) in
        [("0.171.0", "--no-daemon"), ("0.165.0", "--no-daemon"), ("0.150.0", "-c check_for_update_on_startup=false")]
    {
        fs::write(package.join("package.json"), format!("{{\"name\":\"@openai/codex\",\"version\":\"{version}\"}}"))
            .expect("written");
        let seen = world.run(&["exec", "--profile", "codex", "codex", "--", "resume"]).ok();
        assert_eq!(words(&seen), format!("{wanted} -m m resume"));
        let status = world.run(&["exec", "--profile", "codex", "codex", "--", "login", "status"]).ok();
        assert_eq!(words(&status), format!("{wanted} login status"));
        assert_eq!(words(&world.run(&["exec", "--profile", "codex", "codex", "--", "--version"]).ok()), "--version");
    }
    // Cline: in its own process, and never by the hub.
    let file = World::new();
    file.store_key("anthropic/default", KEY);
    file.agent("cline");
    file.profile("cline", "agent = \"cline\"\nprovider = \"anthropic\"\n");
    let run = |words: &[&str]| file.run(&[&["exec", "--profile", "cline", "cline", "--"], words].concat());
    assert!(run(&["hi"]).ok().contains("env=CLINE_SESSION_BACKEND_MODE=local\n"));
    run(&["hub", "list"]).fails(125, &["`cline hub` goes through a process", "bin/cline hub` runs it"]);
    run(&["hi", "-z"]).fails(125, &["`cline -z` goes through a process"]);
    run(&["hi", "--", "-z"]).ok();
    run(&["say", "hub"]).ok();
    // Claude Code: not in the background, but for a login.
    let key = World::ready();
    for words in [&["--bg", "hi"][..], &["agents"], &["attach", "x"], &["hi", "--bg"]] {
        key.run(&[&["exec", "claude", "--"], words].concat()).fails(125, &["goes through a process"]);
        world.run(&[&["exec", "claude", "--"], words].concat()).ok();
    }
    // A supervisor that was started with another account is not used.
    let lock =
        |pid: u32| world.write("home/.claude-work/daemon.lock", format!("{{\"pid\":{pid},\"origin\":\"transient\"}}"));
    let switched = || world.run(&["exec", "claude"]).ok().contains("env=CLAUDE_CODE_DISABLE_AGENT_VIEW=1\n");
    assert!(!switched());
    for (name, value, wanted) in [
        ("CLAUDE_SECURESTORAGE_CONFIG_DIR", "/elsewhere", true),
        ("ANTHROPIC_API_KEY", "sk-first", true),
        ("ANTHROPIC_BASE_URL", "https://api.anthropic.com", false),
        ("ANTHROPIC_API_KEY", "", false),
        ("LANG", "C", false),
    ] {
        let mut left =
            std::process::Command::new("sleep").arg("60").env_clear().env(name, value).spawn().expect("sleeps");
        lock(left.id());
        assert_eq!(switched(), wanted, "{name}={value}");
        left.kill().expect("killed");
        left.wait().expect("gone");
        assert!(!switched(), "it has ended");
    }
    for broken in ["", "{}", "{\"pid\":\"x\"}", "[", "{\"pid\":99999999999}"] {
        world.write("home/.claude-work/daemon.lock", broken);
        assert!(!switched(), "{broken}");
    }
}

#[test]
fn a_plain_user_with_a_locked_or_absent_keychain_uses_the_login() {
    // The backend is `system-only` and there is no bus: anything that asked the store would fail.
    let world = with_login();
    world.run(&["exec", "claude"]).ok();
    world.profile("max", &format!("{LOGIN}[secrets]\nGITHUB_TOKEN = \"github/work\"\n"));
    world.run(&["exec", "claude"]).fails(125, &["there is no keychain"]);
    let direct = finish(world.process(RINGLET).args(["exec", "claude", "--", "auth", "status"]));
    direct.ok();
}

#[test]
fn modes_of_what_is_written_are_private() {
    let world = World::new();
    world.run(&["profiles", "create", "max", "--agent", "claude", "--login"]).ok();
    let file = world.path("home/.ringlet/profiles/max/ringlet.toml");
    assert_eq!(fs::metadata(file).expect("made").permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_store_in_which_nothing_is_set_is_no_login() {
    let world = World::new();
    world.agent("codex");
    world.store_key("openai/default", "sk-proj-TESTqq11FAKErr22TESTss33FAKEtt44");
    world.profile("key", "agent = \"codex\"\nprovider = \"openai\"\n");
    world.run(&["profiles", "default", "key"]).ok();
    for (text, is_login) in [
        ("{}", false),
        ("{\n  \"auth_mode\": \"apikey\"\n}\n", false),
        ("{\"OPENAI_API_KEY\": null, \"tokens\": null, \"last_refresh\": null}", false),
        ("{\"auth_mode\": \"chatgpt\", \"tokens\": {\"id_token\": \"x\"}}", true),
        ("{\"OPENAI_API_KEY\": \"x\"}", true),
        ("not JSON", true),
    ] {
        world.write("home/.codex/auth.json", text);
        let said = world.run(&["status", "codex"]).stdout;
        assert_eq!(said.contains("codex login"), is_login, "{text}: {said}");
    }
}
