//! Scopes of keys in the daemon: the same rule as a launch's.

use crate::common::daemon::{Daemon, Third, register, served};
use crate::common::world::World;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const KEY: &str = "sk-ant-api03-TESTab12FAKEcd34TESTef56FAKEgh78";
const FREE: &str = "sk-ant-api03-TESTzz98FAKEyy87TESTxx76FAKEww65";

/// A world whose `claude` is a plain program that passes lines on, with two keys, one of them kept by this scope.
fn kept(scope: &str) -> (World, PathBuf) {
    let world = served(World::new());
    world.store_key("anthropic/work", KEY);
    world.store_key("anthropic/free", FREE);
    world.configure(&format!("[scope.\"anthropic/work\"]\n{scope}"));
    let claude = copy_of_nc(&world, "bin/claude");
    (world, claude)
}

fn copy_of_nc(world: &World, name: &str) -> PathBuf {
    let program = world.path(name);
    fs::copy("/bin/nc.openbsd", &program).expect("Debian's netcat-openbsd");
    program
}

fn read(target: &str) -> Value {
    json!({"type": "REQUEST", "action": "read", "service": "ringlet", "targets": [target]})
}

fn by_prefix(action: &str) -> Value {
    json!({"type": "REQUEST", "action": action, "service": "ringlet", "match": "prefix", "targets": ["anthropic/"]})
}

fn asked(world: &World, daemon: &Daemon, program: &Path, folder: &str, request: &Value) -> Value {
    let mut command = world.process(program);
    fs::create_dir_all(world.path(folder)).expect("a folder");
    command.current_dir(world.path(folder)).arg("-U").arg(&daemon.socket);
    Third::start(command).ask(request)
}

#[track_caller]
fn refused(answer: &Value) {
    assert_eq!(answer["reason"], "action_not_in_policy", "{answer}");
    assert_eq!(answer.get("results"), None);
}

#[test]
fn a_key_is_given_to_its_agent_in_its_folder_alone() {
    let (world, claude) = kept("agents = [\"claude\"]\ndirectories = [\"~/work\"]\n");
    let tool = copy_of_nc(&world, "tool");
    let daemon = Daemon::start(&world);
    for program in [&claude, &tool] {
        register(&world, program, &["--read", "ringlet", "--write", "ringlet", "--search"]);
    }
    let given = asked(&world, &daemon, &claude, "home/work/shop", &read("anthropic/work"));
    assert_eq!(given["results"][0]["value"], KEY);
    refused(&asked(&world, &daemon, &claude, "home/work2", &read("anthropic/work")));
    refused(&asked(&world, &daemon, &tool, "home/work", &read("anthropic/work")));
    // A prefix that leads to it is no way round, and neither is taking it away or writing over it.
    refused(&asked(&world, &daemon, &tool, "home/work", &by_prefix("read")));
    refused(&asked(&world, &daemon, &tool, "home/work", &by_prefix("delete")));
    let write = json!({"type": "REQUEST", "action": "write", "service": "ringlet", "targets": ["anthropic/work"], "values": ["sk-x"]});
    refused(&asked(&world, &daemon, &tool, "home/work", &write));
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/free\nanthropic/work\n");
    // Other keys are not concerned, and names are no secret.
    let free = asked(&world, &daemon, &tool, "home/work", &read("anthropic/free"));
    assert_eq!(free["results"][0]["value"], FREE);
    let names = asked(&world, &daemon, &tool, "home/work", &by_prefix("search"));
    assert_eq!(names["results"], json!([{"target": "anthropic/free"}, {"target": "anthropic/work"}]));
    let said = world.run(&["audit", "--alias", "anthropic/work"]).ok();
    assert!(said.contains("is kept for claude, and which agent asks is not known"), "{said}");
    assert!(said.contains("read    granted") && said.contains("write   denied"), "{said}");
}

#[test]
fn a_lease_is_needed_and_ends_when_it_is_revoked() {
    let (world, claude) = kept("lease = \"1h\"\n");
    let daemon = Daemon::start(&world);
    register(&world, &claude, &["--read", "ringlet"]);
    let mut client = Third::nc(&world, &daemon, &claude);
    refused(&client.ask(&read("anthropic/work")));
    world.run(&["lease", "grant", "anthropic/work"]).ok();
    // On the connection that was refused before.
    assert_eq!(client.ask(&read("anthropic/work"))["results"][0]["value"], KEY);
    world.run(&["lease", "revoke", "anthropic/work"]).ok();
    refused(&client.ask(&read("anthropic/work")));
    world.run(&["lease", "grant", "anthropic/work", "--agent", "codex"]).ok();
    refused(&client.ask(&read("anthropic/work")));
}

#[test]
fn a_pinned_program_is_known_wherever_it_lies_and_another_is_not() {
    let (world, claude) = kept("agents = [\"claude\"]\npin = true\n");
    let daemon = Daemon::start(&world);
    register(&world, &claude, &["--read", "ringlet"]);
    let ask = |program: &Path| Third::nc(&world, &daemon, program).ask(&read("anthropic/work"));
    refused(&ask(&claude));
    world.run(&["agents", "pin", "claude"]).ok();
    assert_eq!(ask(&claude)["results"][0]["value"], KEY);
    // The same program elsewhere is the pinned one; another under its name is not.
    let moved = copy_of_nc(&world, "elsewhere");
    register(&world, &moved, &["--read", "ringlet"]);
    assert_eq!(ask(&moved)["results"][0]["value"], KEY);
    let mut bytes = fs::read(&claude).expect("there");
    bytes.push(0);
    fs::remove_file(&claude).expect("removed");
    fs::write(&claude, bytes).expect("written");
    world.chmod(&claude, 0o755);
    world.run(&["daemon", "upgrade", claude.to_str().expect("UTF-8")]).ok();
    refused(&ask(&claude));
}

#[test]
fn what_ringlet_keeps_for_itself_is_nobodys() {
    let (world, claude) = kept("");
    let daemon = Daemon::start(&world);
    register(&world, &claude, &["--read", "ringlet-migrate", "--write", "ringlet-migrate", "--search"]);
    let own = |action: &str| {
        let values = if action == "write" { json!(["x"]) } else { json!([]) };
        let mut request =
            json!({"type": "REQUEST", "action": action, "service": "ringlet-migrate", "targets": ["hmac"]});
        if action == "write" {
            request["values"] = values;
        }
        Third::nc(&world, &daemon, &claude).ask(&request)
    };
    for action in ["read", "write", "delete", "search"] {
        assert_eq!(own(action)["reason"], "service_not_allowed", "{action}");
    }
}

#[test]
fn a_key_that_only_the_broker_may_hold_is_given_to_no_program() {
    for scope in ["broker = true\n", "requests-per-day = 5\n", "models = [\"claude-*\"]\n"] {
        let (world, claude) = kept(scope);
        let daemon = Daemon::start(&world);
        register(&world, &claude, &["--read", "ringlet", "--write", "ringlet", "--search"]);
        refused(&asked(&world, &daemon, &claude, "home", &read("anthropic/work")));
        let free = asked(&world, &daemon, &claude, "home", &read("anthropic/free"));
        assert_eq!(free["results"][0]["value"], FREE, "{scope}");
    }
}
