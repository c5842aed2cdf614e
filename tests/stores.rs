//! Further stores of the settings: which of them is asked for a key, and what its program is given.

use crate::common::daemon::{Client, Daemon, register_this, request, results, served, success};
use crate::common::pty::Terminal;
use crate::common::world::{KEY, RINGLET, World};
use serde_json::{Value, json};
use std::fs;

/// A stand-in for a tool that keeps values in files, and shows what it is run with.
const KV: &str = "#!/bin/sh\n\
    env > \"$HOME/env\"; pwd > \"$HOME/cwd\"; ls /proc/self/fd > \"$HOME/fds\"\n\
    (: > /dev/tty) 2>/dev/null && echo yes > \"$HOME/tty\" || echo no > \"$HOME/tty\"\n\
    mkdir -p \"$HOME/kv\"; name=$(echo \"$2\" | tr / .)\n\
    case $1 in\n\
    get) cat \"$HOME/kv/$name\" || { echo 'no such entry' >&2; exit 4; };;\n\
    set) cat > \"$HOME/kv/$name\";;\n\
    rm) rm \"$HOME/kv/$name\";;\n\
    ls) ls \"$HOME/kv\" | sed 's/[.]/\\//';;\n\
    esac\n";

const TABLE: &str = "[store.team]\nget = [\"kv\", \"get\", \"{provider}/{alias}\"]\n\
    set = [\"kv\", \"set\", \"{provider}/{alias}\"]\nremove = [\"kv\", \"rm\", \"{provider}/{alias}\"]\n\
    list = [\"kv\", \"ls\"]\n";

/// A key that `migrate` recognises.
const MOVED: &str =
    "sk-ant-api03-TESTq1FAKEr2TESTs3FAKEt4TESTu5FAKEv6TESTw7FAKEx8TESTy9FAKEz0TESTa1FAKEb2TESTc3FAKEd4TEST-FAKEAA";

/// A world in which a tool holds the keys of Anthropic.
fn world() -> World {
    let world = World::new();
    world.configure(&format!("{TABLE}[store-for.anthropic]\nstore = \"team\"\n"));
    world.program("kv", KV);
    world.make_ready();
    world
}

fn launch(world: &World) -> crate::common::world::Done {
    world.run(&["exec", "claude"])
}

fn json_of(world: &World, words: &[&str]) -> Value {
    serde_json::from_str(&world.run(words).ok()).expect("JSON")
}

#[test]
fn every_command_takes_a_key_from_the_store_of_its_rule_and_says_which() {
    let world = world();
    world.store_key("openai/ci", KEY);
    assert_eq!(world.read("home/kv/anthropic.work"), KEY);
    let file = world.read("home/.config/ringlet/credentials.toml");
    assert!(file.contains("[openai.ci]") && !file.contains("anthropic"), "{file}");
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/work  the store \"team\"\nopenai/ci\n");
    assert_eq!(json_of(&world, &["keychain", "list", "--json", "anthropic"])[0]["place"], "the store \"team\"");
    let shown = world.run(&["exec", "--dry-run", "claude"]).ok();
    assert!(shown.contains("from      the store \"team\"\n"), "{shown}");
    let shown = json_of(&world, &["--json", "exec", "--dry-run", "claude"]);
    assert_eq!(shown["profile"]["secrets"][0]["store"], "team");
    let status = json_of(&world, &["--json", "status", "claude"]);
    assert_eq!(status["agents"][0]["key"]["place"], "the store \"team\"");
    assert_eq!(status["agents"][0]["key"]["there"], true);
    let said = world.run(&["doctor"]).stdout;
    assert!(said.contains("the store \"team\" answers and holds 1 key"), "{said}");
    world.configure("[audit]\nenabled = true\n");
    let text = launch(&world).ok();
    assert!(text.contains(&format!("env=ANTHROPIC_API_KEY={KEY}\n")), "{text}");
    let log = world.run(&["audit"]).ok();
    assert!(log.contains("anthropic/work  from team  claude"), "{log}");
    world.profile("given", "agent = \"claude\"\nprovider = \"anthropic\"\n[secrets]\nTOKEN = \"anthropic/work\"\n");
    let words = ["run", "--profile", "given", "--", "sh", "-c", "printf %s \"$TOKEN\""];
    assert_eq!(world.run(&words).ok(), KEY);
    world.run(&["keychain", "rename", "anthropic", "work", "home", "--yes"]).ok();
    assert_eq!(
        (world.path("home/kv/anthropic.work").exists(), world.read("home/kv/anthropic.home")),
        (false, KEY.into())
    );
    let said = world.run(&["keychain", "remove", "anthropic", "home", "--yes"]);
    assert!(said.stderr.contains("removed anthropic/home from the store \"team\""), "{said:?}");
    world.run(&["keychain", "remove", "anthropic", "home", "--yes"]).fails(1, &["the store \"team\" has no key"]);
}

#[test]
fn no_store_stands_in_for_another_one() {
    let world = world();
    fs::write(
        world.path("home/.config/ringlet/credentials.toml"),
        "[anthropic.work]\nkey = \"sk-ant-api03-ANOTHERANOTHERANOTHER\"\n",
    )
    .expect("written");
    world.chmod(&world.path("home/.config/ringlet/credentials.toml"), 0o600);
    assert!(launch(&world).ok().contains(KEY));
    let said = world.run(&["doctor"]).stdout;
    assert!(said.contains("in plaintext, in ~/.config/ringlet/credentials.toml"), "{said}");
    fs::remove_file(world.path("home/kv/anthropic.work")).expect("removed");
    let says =
        ["profile \"work\" has no key anthropic/work in the store \"team\"", "ringlet keychain set anthropic work"];
    let done = launch(&world).fails(125, &says);
    assert!(!done.stdout.contains("ANOTHER"), "{done:?}");
    // Where no listing says that it is not there, it may as well be locked.
    let settings = world.read("home/.config/ringlet/config.toml").replace("list = [\"kv\", \"ls\"]\n", "");
    world.write("home/.config/ringlet/config.toml", settings);
    let says = [
        "profile \"work\": the store \"team\" could not give anthropic/work: kv ended with status 4",
        "it says: no such entry",
        "ringlet keychain unlock team",
    ];
    launch(&world).fails(125, &says);
    // A rule of its own for the key comes first.
    world.configure("[store-for.\"anthropic/work\"]\nstore = \"file\"\n");
    assert!(launch(&world).ok().contains("sk-ant-api03-ANOTHERANOTHERANOTHER"));
}

#[test]
fn a_tool_runs_at_home_in_a_session_of_its_own_and_without_the_agents_keys() {
    let mut world = world();
    for (name, value) in [
        ("ANTHROPIC_API_KEY", "sk-ant-api03-OFTHESHELL"),
        ("OPENAI_API_KEY", "sk-of-the-shell"),
        ("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat-OFTHESHELL"),
        ("AWS_ACCESS_KEY_ID", "of-the-tool"),
        ("BW_SESSION", "of-the-tool"),
        ("DISPLAY", ":7"),
        ("GPG_TTY", "/dev/pts/7"),
    ] {
        world.set(name, value);
    }
    let mut terminal = Terminal::start({
        let mut command = world.process(RINGLET);
        command.args(["exec", "claude"]);
        command
    });
    terminal.expect("env=ANTHROPIC_API_KEY=");
    terminal.end();
    let env = world.read("home/env");
    assert!(!env.contains("SHELL\n") && !env.contains("OFTHESHELL") && !env.contains("of-the-shell"), "{env}");
    assert_eq!(env.matches("of-the-tool").count(), 2, "{env}");
    assert!(!env.contains("DISPLAY=") && !env.contains("GPG_TTY="), "{env}");
    assert!(env.contains("PASSWORD_STORE_GPG_OPTS= --pinentry-mode error"), "{env}");
    assert_eq!(world.read("home/cwd").trim_end(), world.path("home").to_string_lossy());
    assert_eq!(world.read("home/tty"), "no\n");
    // No descriptor of ringlet's: what this test itself hands down, and the script that the shell reads.
    launch(&world).ok();
    let own = world.sh("ls /proc/self/fd").ok();
    let more: Vec<String> =
        world.read("home/fds").lines().map(str::to_owned).filter(|fd| !own.lines().any(|own| own == fd)).collect();
    assert!(more.iter().all(|fd| fd == "10"), "{more:?} {own}");
}

#[test]
fn a_tool_asks_on_the_terminal_where_the_settings_or_the_person_let_it() {
    let world = world();
    let ask =
        "#!/bin/sh\nprintf 'PIN: ' > /dev/tty && read -r pin < /dev/tty && [ \"$pin\" = 4711 ] && echo KEY-$pin\n";
    world.program("kv", ask);
    let started = |words: &[&str]| {
        let mut command = world.process(RINGLET);
        command.args(words);
        Terminal::start(command)
    };
    let mut terminal = started(&["keychain", "unlock", "team"]);
    // A listing asks nobody, so the key is one that a profile or a rule names.
    terminal.expect("PIN: ");
    terminal.send("0000");
    terminal.expect("could not give anthropic/work");
    terminal.end();
    world.configure("[store-for.\"anthropic/work\"]\nstore = \"team\"\n");
    let mut terminal = started(&["keychain", "unlock", "team"]);
    terminal.expect("PIN: ");
    terminal.send("4711");
    terminal.expect("the store \"team\" gives its keys");
    assert!(!terminal.transcript().contains("KEY-4711"));
    terminal.end();
    // A launch does not let it ask, unless the table says so.
    let mut terminal = started(&["exec", "claude"]);
    terminal.expect("could not give anthropic/work");
    terminal.end();
    let settings =
        world.read("home/.config/ringlet/config.toml").replace("[store.team]\n", "[store.team]\ninteractive = true\n");
    world.write("home/.config/ringlet/config.toml", settings);
    let mut terminal = started(&["exec", "claude"]);
    terminal.expect("PIN: ");
    terminal.send("4711");
    terminal.expect("env=ANTHROPIC_API_KEY=KEY-4711");
    terminal.end();
}

#[test]
fn a_key_that_ends_or_stops_a_tool_leaves_the_terminal_as_it_was() {
    let world = world();
    let settings =
        world.read("home/.config/ringlet/config.toml").replace("[store.team]\n", "[store.team]\ninteractive = true\n");
    let plain = world.read("home/.config/ringlet/config.toml");
    world.write("home/.config/ringlet/config.toml", settings);
    let asks = "#!/bin/sh\nstty -echo < /dev/tty\nprintf 'PIN: ' > /dev/tty\nread -r pin < /dev/tty\n";
    world.program("kv", asks);
    for (key, signal) in [('c', 2), ('z', 20)] {
        let mut command = world.process("sh");
        command.args(["-c", "\"$0\" exec claude; echo \"status=$?\"; stty -a < /dev/tty", RINGLET]);
        let mut terminal = Terminal::start(command);
        terminal.expect("PIN: ");
        terminal.ctrl(key);
        // It is the tool's, which was in the foreground. Ringlet says what became of it.
        terminal.expect(&format!("kv was ended by signal {signal}"));
        terminal.expect("status=125");
        let (_, modes) = terminal.end();
        assert!(modes.contains(" echo ") && !modes.contains("-echo "), "{modes}");
    }
    // A tool that may not ask is no reader of the terminal, and what it has started does not outlive the launch that it
    // works for.
    world.write("home/.config/ringlet/config.toml", plain);
    let waits = "#!/bin/sh\nsleep 1000 &\necho $! > \"$HOME/pid.new\"; mv \"$HOME/pid.new\" \"$HOME/pid\"; wait\n";
    world.program("kv", waits);
    let mut command = world.process(RINGLET);
    command.args(["exec", "claude"]);
    let mut terminal = Terminal::start(command);
    while !world.path("home/pid").exists() {
        std::thread::yield_now();
    }
    terminal.ctrl('c');
    terminal.end();
    let stat = format!("/proc/{}/stat", world.read("home/pid").trim());
    let stat = || fs::read_to_string(&stat).unwrap_or_default();
    while !stat().is_empty() && !stat().contains(") Z ") {
        std::thread::yield_now();
    }
}

#[test]
fn a_program_of_the_project_or_where_others_write_is_never_started() {
    let mut world = world();
    let evil = "#!/bin/sh\ntouch \"$HOME/evil\"; echo sk-ant-api03-EVIL\n";
    let put = |world: &World, below: &str| {
        let path = world.write(below, evil);
        world.chmod(&path, 0o755);
    };
    let search =
        world.env().iter().find(|(name, _)| name == "PATH").expect("set").1.clone().into_string().expect("text");
    // First on PATH, in the project: another program of that name is found behind it.
    put(&world, "home/project/bin/kv");
    put(&world, "home/project/bin/cat");
    world.set("PATH", format!("{}:relative::{search}", world.path("home/project/bin").display()));
    put(&world, "home/project/relative/kv");
    assert!(launch(&world).ok().contains(KEY));
    // In a folder where others write.
    put(&world, "open/kv");
    put(&world, "open/cat");
    world.chmod(&world.path("open"), 0o777);
    world.set("PATH", format!("{}:{search}", world.path("open").display()));
    assert!(launch(&world).ok().contains(KEY));
    fs::remove_file(world.path("bin/kv")).expect("removed");
    let says = ["the store \"team\", which holds anthropic/work, cannot be asked:", "open/kv is not started"];
    launch(&world).fails(125, &says);
    world.run(&["keychain", "list"]).fails(1, &["open/kv is not started"]);
    // A link that leads into the project, or whose target others may write.
    std::os::unix::fs::symlink(world.path("home/project/bin/kv"), world.path("bin/kv")).expect("linked");
    world.set("PATH", search);
    launch(&world).fails(125, &["lies inside the project"]);
    world.run(&["exec", "--dry-run", "claude"]).fails(125, &["lies inside the project"]);
    fs::remove_file(world.path("bin/kv")).expect("removed");
    std::os::unix::fs::symlink(world.path("open/kv"), world.path("bin/kv")).expect("linked");
    launch(&world).fails(125, &["other accounts may write it"]);
    fs::remove_file(world.path("bin/kv")).expect("removed");
    launch(&world).fails(125, &["there is no program kv on PATH"]);
    // A path that the settings name may lie where others write, but not in the project.
    let named = |path: &str| {
        let text = world.read("home/.config/ringlet/config.toml").replace("\"kv\"", &format!("{path:?}"));
        world.write("home/.config/ringlet/config.toml", text);
    };
    named(&world.path("home/project/bin/kv").to_string_lossy());
    launch(&world).fails(125, &["lies inside the project"]);
    assert!(!world.path("home/evil").exists());
}

#[test]
fn a_project_names_neither_a_store_nor_where_a_key_is() {
    let world = world();
    for text in [
        "profile = \"work\"\n[store.x]\nget = [\"/bin/echo\", \"x\"]\n",
        "profile = \"work\"\n[store-for.anthropic]\nstore = \"x\"\n",
    ] {
        world.write("home/project/.ringlet.toml", text);
        world.run(&["allow"]).fails(1, &[".ringlet.toml:2"]);
    }
    world.profile(
        "work",
        "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\nstore = \"x\"\n",
    );
    world.run(&["exec", "--profile", "work", "claude"]).fails(125, &["ringlet.toml:5"]);
}

#[test]
fn a_tool_that_hangs_is_ended_and_the_other_stores_are_still_listed() {
    let world = world();
    world.store_key("openai/ci", KEY);
    let settings =
        world.read("home/.config/ringlet/config.toml").replace("[store.team]\n", "[store.team]\ntimeout = 0.3\n");
    world.write("home/.config/ringlet/config.toml", settings);
    world.program("kv", "#!/bin/sh\necho sk-ant-api03-HALF; sleep 1000 & echo $! > \"$HOME/pid\"; sleep 1000\n");
    let done =
        launch(&world).fails(125, &["the store \"team\" did not answer within 300ms: kv was ended", "`timeout`"]);
    assert!(!format!("{done:?}").contains("HALF"), "{done:?}");
    let pid = world.read("home/pid");
    let stat = || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    while !stat().is_empty() && !stat().contains(") Z ") {
        std::thread::yield_now();
    }
    let done = world.run(&["keychain", "list"]).fails(1, &["the store \"team\" did not answer"]);
    assert_eq!(done.stdout, "openai/ci\n");
    let rows = world.run(&["--json", "keychain", "list"]).fails(1, &["did not answer"]);
    let rows: Value = serde_json::from_str(&rows.stdout).expect("JSON");
    assert_eq!(rows[0]["name"], "openai/ci");
    let said = world.run(&["doctor"]).stdout;
    assert!(said.contains("did not answer within 300ms"), "{said}");
    // A store that can hold none of the keys that are asked for is not asked.
    assert_eq!(world.run(&["keychain", "list", "openai"]).ok(), "openai/ci\n");
    world.run(&["keychain", "list", "anthropic/w"]).fails(1, &["the store \"team\" did not answer"]);
}

#[test]
fn a_rule_means_the_keychain_itself_whatever_the_usual_store_is() {
    let world = World::new();
    world.make_ready();
    world.store_key("anthropic/work", KEY);
    world.configure("[store-for.\"anthropic/work\"]\nstore = \"system\"\n");
    for usual in ["system", "file", "encrypted-file"] {
        world.run(&["config", "set", "credentials.backend", usual]).ok();
        launch(&world).fails(125, &["there is no keychain", "[store-for]", "ringlet config edit"]);
        let set = ["keychain", "set", "anthropic", "work", "--stdin", "--replace"];
        world.feed(&set, "sk-ant-api03-OTHER0").fails(1, &["there is no keychain"]);
    }
    assert!(!world.read("home/.config/ringlet/credentials.toml").contains("OTHER"));
}

#[test]
fn what_is_no_key_is_not_handed_over_although_the_tool_says_that_all_is_well() {
    let world = world();
    for text in [
        "Error: not logged in",
        "null",
        "None",
        "{\"message\":\"no 1\"}",
        "\"sk-ant-api03-1\"",
        " sk-1",
        "\u{feff}sk-1",
    ] {
        world.write("home/kv/anthropic.work", text);
        let done = launch(&world).fails(125, &["the key anthropic/work in the store \"team\" is no key", "set"]);
        assert!(!format!("{done:?}").contains(&format!("KEY={text}")), "{done:?}");
    }
    // The store's own tool is named where Ringlet cannot store the key.
    let settings = world.read("home/.config/ringlet/config.toml");
    let settings = settings.lines().filter(|line| !line.starts_with("set =")).collect::<Vec<_>>().join("\n");
    world.write("home/.config/ringlet/config.toml", settings);
    launch(&world).fails(125, &["store it anew in the store \"team\", with its own tool"]);
    world.write("home/kv/anthropic.work", "two 2\nlines");
    launch(&world).fails(125, &["the key anthropic/work in the store \"team\" has more than one line"]);
}

#[test]
fn where_ringlet_cannot_store_a_key_the_stores_own_tool_is_named() {
    let world = world();
    let without = |heads: &[&str]| {
        let settings = world.read("home/.config/ringlet/config.toml");
        let is_kept = |line: &&str| !heads.iter().any(|head| line.starts_with(head));
        let kept: Vec<&str> = settings.lines().filter(is_kept).collect();
        world.write("home/.config/ringlet/config.toml", kept.join("\n") + "\n");
    };
    without(&["set =", "remove ="]);
    fs::remove_file(world.path("home/kv/anthropic.work")).expect("there is one");
    let own = "store it with its own tool, under anthropic/work";
    launch(&world).fails(125, &["profile \"work\" has no key anthropic/work", own]);
    for words in [&["doctor"][..], &["status"]] {
        let said = world.run(words).stdout;
        assert!(said.contains(own) && !said.contains("keychain set anthropic"), "{said}");
    }
    // Nothing is moved that the store would not take.
    world.write("home/.bashrc", format!("export ANTHROPIC_API_KEY={MOVED}\n"));
    for words in [&["migrate", "--dry-run"][..], &["migrate", "--yes"]] {
        world
            .run(words)
            .fails(1, &["the store \"team\" stores no key by ringlet", "with its own tool, under anthropic/"]);
    }
    assert!(world.read("home/.bashrc").contains(MOVED));
    // A store that lists nothing is not said to have nothing.
    without(&["list ="]);
    let done = world.run(&["keychain", "list"]);
    assert!(
        done.stderr.contains("the store \"team\" does not list its keys") && !done.stderr.contains("no key;"),
        "{done:?}"
    );
    assert!(world.run(&["doctor"]).stdout.contains("the store \"team\" lists no keys, and is asked in a launch alone"));
    // A program that is not there is said once, whatever knows the names.
    world.run(&["profiles", "create", "more", "--agent", "claude", "--key-alias", "work"]).ok();
    fs::remove_file(world.path("bin/kv")).expect("removed");
    let said = world.run(&["doctor"]).stdout;
    assert_eq!(said.matches("there is no program kv on PATH").count(), 1, "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_tool_can_be_interrupted() {
    let world = World::new();
    // The shell and others unblock what was blocked when they were started. This program does not.
    world.configure(
        "[store.mask]\nget = [\"/bin/grep\", \"-c\", \"SigBlk:.0000000000000000\", \"/proc/self/status\"]\n\
         [store-for.\"zeta/mask\"]\nstore = \"mask\"\n\
         [tools.show]\ncommand = [\"/usr/bin/env\"]\nsecrets = { MASK = \"zeta/mask\" }\n",
    );
    assert!(world.run(&["run", "--tool", "show"]).ok().contains("MASK=1\n"));
}

#[test]
fn what_an_agent_has_started_lets_no_tool_ask() {
    let world = world();
    let settings =
        world.read("home/.config/ringlet/config.toml").replace("[store.team]\n", "[store.team]\ninteractive = true\n");
    world.write("home/.config/ringlet/config.toml", settings);
    world.program("kv", "#!/bin/sh\nprintf 'PIN: ' > /dev/tty || exit 5\nread -r pin < /dev/tty; echo KEY-$pin\n");
    for words in [&["exec", "claude"][..], &["keychain", "unlock", "anthropic/work"]] {
        let mut command = world.process(RINGLET);
        command.args(words).env("RINGLET_SET", "ANTHROPIC_API_KEY");
        let mut terminal = Terminal::start(command);
        terminal.expect("kv ended with status 5");
        let (_, said) = terminal.end();
        assert!(!said.contains("PIN: "), "{said}");
    }
}

#[test]
fn the_other_stores_are_listed_where_the_usual_one_does_not_answer() {
    let world = world();
    world.write("home/kv/anthropic.new", KEY);
    world.run(&["config", "set", "credentials.backend", "system-only"]).ok();
    let done = world.run(&["keychain", "list"]).fails(1, &["there is no keychain"]);
    assert!(done.stdout.contains("anthropic/new"), "{done:?}");
    assert_eq!(json_of(&world, &["--json", "keychain", "list", "anthropic/"])[0]["name"], "anthropic/new");
    let done = world.run(&["--json", "keychain", "list", "openai"]).fails(1, &["there is no keychain"]);
    assert_eq!(done.stdout, "");
}

#[test]
fn the_daemon_reads_and_writes_the_stores_of_the_settings() {
    let world = served(world());
    world.store_key("openai/ci", KEY);
    register_this(&world, &["--read", "ringlet", "--write", "ringlet", "--search"]);
    let daemon = Daemon::start(&world);
    let mut client = Client::connect(&daemon.socket);
    let read = |target: &str| request("read", "ringlet", json!({ "targets": [target] }));
    assert_eq!(client.ask(&read("anthropic/work")), results(&[("anthropic/work", Some(KEY))]));
    assert_eq!(client.ask(&read("openai/ci")), results(&[("openai/ci", Some(KEY))]));
    let write = json!({ "targets": ["anthropic/new"], "values": ["sk-ant-api03-NEW"] });
    assert_eq!(client.ask(&request("write", "ringlet", write)), success());
    assert_eq!(world.read("home/kv/anthropic.new"), "sk-ant-api03-NEW");
    let found = client.ask(&request("search", "ringlet", json!({})));
    for name in ["anthropic/new", "anthropic/work", "openai/ci"] {
        assert!(found.to_string().contains(name), "{found}");
    }
    let log = world.run(&["audit", "--json"]).ok();
    assert!(log.contains("\"key\":\"anthropic/new\",\"store\":\"team\""), "{log}");
    // A store that can hold none of the keys that are asked for is not asked. Its names are forgotten by a change.
    world.program("kv", &KV.replace("env >", "touch \"$HOME/asked\"; env >"));
    let write = json!({ "targets": ["anthropic/new"], "values": ["sk-ant-api03-NEWER"] });
    assert_eq!(client.ask(&request("write", "ringlet", write)), success());
    fs::remove_file(world.path("home/asked")).expect("asked for the change");
    let prefix = |prefix: &str| request("search", "ringlet", json!({ "match": "prefix", "targets": [prefix] }));
    assert_eq!(client.ask(&prefix("openai/")), results(&[("openai/ci", None)]));
    assert_eq!(daemon.get("/v1/keys?prefix=openai/").json()["keys"], json!(["openai/ci"]));
    assert!(!world.path("home/asked").exists());
    assert_eq!(client.ask(&prefix("anthropic/n")), results(&[("anthropic/new", None)]));
    assert!(world.path("home/asked").exists());
}

#[test]
fn migrate_moves_a_key_into_the_store_of_its_rule_and_undo_takes_it_from_there() {
    let mut world = World::new();
    world.configure(&format!("{TABLE}[store-for.anthropic]\nstore = \"team\"\n"));
    world.program("kv", KV);
    world.agent("claude");
    world.set("SHELL", "/bin/bash");
    let rc = format!("eval \"$(ringlet hook bash)\"\nexport ANTHROPIC_API_KEY={MOVED}\n");
    world.write("home/.bashrc", &rc);
    let plan = world.run(&["migrate", "--dry-run"]).stdout;
    assert!(plan.contains("becomes anthropic/default in the store \"team\""), "{plan}");
    let done = world.run(&["migrate", "--yes"]);
    assert!(done.stderr.contains("stored anthropic/default in the store \"team\""), "{done:?}");
    assert_eq!(world.read("home/kv/anthropic.default"), MOVED);
    assert!(!world.read("home/.bashrc").contains(MOVED));
    world.run(&["migrate", "undo"]).ok();
    assert_eq!(world.read("home/.bashrc"), rc);
}
