//! `ringlet agents list` and `ringlet providers list`, and the user's own definitions.

use crate::common::world::{KEY, World};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

const OWN: &str = "title = \"My Agent\"\ncommand = \"mine\"\nprovider = \"acme\"\nunset = [\"ACME_*\"]\n\
                   [[api]]\nprotocol = \"chat\"\nkey = \"ACME_KEY\"\nbase-url = \"ACME_URL\"\n[no-key]\nflags = [\"--version\"]\n";
const ACME: &str = "title = \"Acme\"\nvariable = \"ACME_KEY\"\npattern = '^acme-[0-9]+$'\n[endpoints.default]\nchat = \"https://acme.example/v1\"\n";

fn json(text: &str) -> Vec<serde_json::Value> {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn agents_are_listed_with_binary_and_profiles() {
    let world = World::ready();
    let seen = world.run(&["agents", "list"]).ok();
    let row = |name: &str| {
        seen.lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {seen}"))
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    assert_eq!(row("AGENT"), ["AGENT", "COMMAND", "BINARY", "PROFILES", "ACCOUNTS", "PIN"]);
    assert_eq!(
        row("claude"),
        ["claude", "claude", world.path("bin/claude").to_str().expect("UTF-8"), "work", "key,login,none", "-"],
        "what lies outside the home directory is shown whole"
    );
    assert_eq!(row("gemini"), ["gemini", "gemini", "-", "-", "key,login", "-"]);
    let names: Vec<&str> = seen.lines().skip(1).map(|line| line.split_whitespace().next().expect("a name")).collect();
    assert!(names.len() >= 18 && names[0] == "claude" && names[1..].is_sorted(), "what is installed first: {names:?}");
    let rows = json(&world.run(&["agents", "list", "--json"]).ok());
    let claude = rows.iter().find(|row| row["name"] == "claude").expect("listed");
    assert_eq!(claude["profiles"], serde_json::json!(["work"]));
    assert_eq!(claude["binary"], world.path("bin/claude").to_str().expect("UTF-8"));
    // A broken profile is named and hides nothing.
    world.profile("broken", "agent = 1\n");
    let done = world.run(&["agents", "list"]);
    assert!(done.stderr.contains("broken/ringlet.toml:1:9: "), "{done:?}");
    assert_eq!(done.ok(), seen);
}

#[test]
fn a_pin_is_recorded_listed_and_forgotten() {
    let world = World::ready();
    let program = world.path("bin/claude");
    let done = world.run(&["agents", "pin", "claude"]);
    assert!(done.stderr.contains("pinned claude") && done.stderr.contains("claude is a script"), "{done:?}");
    let printed = done.ok();
    assert!(printed.trim().ends_with(program.to_str().expect("UTF-8")) && printed.len() > 64, "{printed}");
    let record = world.path("home/.local/state/ringlet/pins/claude.toml");
    assert_eq!(fs::metadata(&record).expect("there").permissions().mode() & 0o777, 0o600);
    let pin = || {
        let rows = json(&world.run(&["agents", "list", "--json"]).ok());
        rows.into_iter().find(|row| row["name"] == "claude").expect("listed")["pin"].clone()
    };
    assert_eq!(pin()["state"], "as pinned");
    assert_eq!(pin()["program"], program.to_str().expect("UTF-8"));
    assert_eq!(pin()["sha256"], printed.split_whitespace().next().expect("a digest"));
    world.program("claude", "#!/bin/sh\necho another\n");
    assert_eq!(pin()["state"], "changed");
    assert!(
        world
            .run(&["agents", "list"])
            .ok()
            .lines()
            .any(|line| line.starts_with("claude") && line.ends_with(" changed"))
    );
    fs::remove_file(&program).expect("removed");
    assert_eq!(pin()["state"], "missing");
    world.run(&["agents", "pin", "claude", "--remove"]).ok();
    assert_eq!(pin(), serde_json::Value::Null);
    world.run(&["agents", "pin", "claude", "--remove"]).fails(1, &["claude is not pinned"]);
    world.run(&["agents", "pin", "claude"]).fails(127, &["claude: not found on PATH"]);
    world.run(&["agents", "pin", "calude"]).fails(1, &["unknown agent \"calude\"", "did you mean `claude`?"]);
    world.run(&["agents", "pin", "../claude"]).fails(2, &["agent"]);
    // A program of the project's own is no more pinned than started.
    let inside = world.write("home/project/bin/claude", "#!/bin/sh\n");
    world.chmod(&inside, 0o755);
    symlink(&inside, &program).expect("linked");
    world.run(&["agents", "pin", "claude"]).fails(1, &["which lies inside the project"]);
}

#[test]
fn providers_are_listed_with_their_endpoints() {
    let world = World::new();
    let seen = world.run(&["providers", "list"]).ok();
    assert!(seen.contains("https://api.anthropic.com") && seen.contains("ANTHROPIC_API_KEY"), "{seen}");
    let rows = json(&world.run(&["providers", "list", "--json"]).ok());
    assert!(rows.len() >= 20);
    let minimax = rows.iter().find(|row| row["name"] == "minimax").expect("listed");
    assert_eq!(minimax["endpoints"]["china"]["anthropic"], "https://api.minimaxi.com/anthropic");
}

#[test]
fn the_users_own_definitions_add_and_override() {
    let mut world = World::ready();
    world.write("home/.config/ringlet/agents/mine.toml", OWN);
    world.write("home/.config/ringlet/providers/acme.toml", ACME);
    world.agent("mine");
    world.set("ACME_LEFTOVER", "x");
    let done = world.feed(&["keychain", "set", "acme", "default", "--stdin"], "nonsense");
    assert!(done.stderr.contains("this does not look like a key of Acme"), "{done:?}");
    world.run(&["profiles", "create", "mine", "--agent", "mine"]).ok();
    let seen = world.run(&["profiles", "run", "mine", "--", "x"]).ok();
    assert!(
        seen.contains("env=ACME_KEY=nonsense\n") && seen.contains("env=ACME_URL=https://acme.example/v1\n"),
        "{seen}"
    );
    assert!(!seen.contains("ACME_LEFTOVER"), "{seen}");
    assert!(world.run(&["hook", "bash"]).ok().contains("mine"));
    // One of a built-in's name replaces it whole.
    world.write(
        "home/.config/ringlet/agents/claude.toml",
        OWN.replace("\"mine\"", "\"claude\"").replace("acme", "anthropic").replace("chat", "anthropic"),
    );
    let seen = world.run(&["exec", "claude"]).ok();
    assert!(seen.contains(&format!("env=ACME_KEY={KEY}\n")), "{seen}");
}

#[test]
fn another_definition_for_the_same_command_counts_where_the_project_or_the_profile_names_it() {
    let world = World::ready();
    world.write("home/.config/ringlet/providers/acme.toml", ACME);
    world.store_key("acme/work", "acme-1");
    // Before and after the built-in one in the order of names.
    for name in ["a-claude", "my-claude"] {
        let definition = OWN.replace("\"mine\"", "\"claude\"");
        let file = world.write(format!("home/.config/ringlet/agents/{name}.toml"), definition);
        let account = "provider = \"acme\"\n[provider-config]\nkey-alias = \"work\"\n";
        world.profile("other", &format!("agent = \"{name}\"\n{account}"));
        world.allow(&format!("[agents]\n{name} = \"other\"\n"));
        for words in [&["exec", "--profile", "other", "claude"][..], &["exec", "claude"]] {
            let seen = world.run(words).ok();
            assert!(seen.contains("env=ACME_KEY=acme-1\n") && !seen.contains(KEY), "{name}: {seen}");
        }
        fs::remove_file(file).expect("removed");
    }
}

#[test]
fn a_definition_that_a_launch_does_not_name_is_not_read() {
    let world = World::ready();
    world.write("home/.config/ringlet/agents/broken.toml", "title = 1\n");
    world.run(&["exec", "claude"]).ok();
    // Another word may be that one's command.
    world.program("unheard-of", "#!/bin/sh\n");
    world.run(&["exec", "unheard-of"]).fails(125, &["broken.toml:1:9"]);
}

#[test]
fn a_wrong_definition_is_named_by_file_line_and_column() {
    let world = World::ready();
    for (file, text, says) in [
        ("agents/mine.toml", OWN.replace("command", "comand"), "mine.toml:2:1: unknown field `comand`"),
        ("agents/mine.toml", OWN.replace("\"mine\"", "\"a/b\""), "mine.toml:2:11: command"),
        ("agents/mine.toml", OWN.replace("ACME_KEY", "ACME-KEY"), "mine.toml:7:7: variable"),
        ("agents/mine.toml", OWN.replace("\"chat\"", "\"smoke\""), "mine.toml:6:12: "),
        ("agents/Mine.toml", OWN.into(), "Mine.toml: its name is refused"),
        (
            "providers/acme.toml",
            ACME.replace("https:", "http:"),
            "acme.toml:5:8: the URL would send everything unencrypted",
        ),
        (
            "providers/acme.toml",
            ACME.replace("'^acme", "'(^acme"),
            "acme.toml:3:11: `pattern` is not a regular expression",
        ),
        ("providers/acme.toml", ACME.replace("default", "Default = 1 #"), "acme.toml:4:"),
    ] {
        let file = world.write(format!("home/.config/ringlet/{file}"), text);
        let command = if says.starts_with("acme") { "providers" } else { "agents" };
        world.run(&[command, "list"]).fails(1, &[says]);
        fs::remove_file(file).expect("removed");
    }
    // Other files in the folder are somebody else's.
    world.write("home/.config/ringlet/agents/README.md", "mine");
    world.run(&["agents", "list"]).ok();
}
