//! `ringlet keychain`: what is stored, what is refused, and the states of a keychain.

use crate::common::keyring::{Keyring, PASSWORD, State};
use crate::common::pty::Terminal;
use crate::common::world::{KEY, RINGLET, World, finish};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

const FILE: &str = "home/.config/ringlet/credentials.toml";
/// A key that `migrate` moves.
const RC: &str = "export OPENAI_API_KEY=\"sk-proj-TESTqq11FAKErr22TESTss33FAKEtt44TESTuu55FAKEvv66TEST\"\n";
const LABELS: [&str; 4] = ["service", "ringlet", "username", "anthropic/work"];

fn set(world: &World, input: impl Into<Vec<u8>>) -> crate::common::world::Done {
    world.feed(&["keychain", "set", "anthropic", "work", "--stdin", "--replace"], input)
}

/// What the agent is given for `anthropic/work`.
fn given(world: &World) -> String {
    world.program("claude", "#!/bin/sh\nprintf %s \"$ANTHROPIC_API_KEY\"\n");
    world.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n");
    world.run(&["profiles", "run", "work"]).ok()
}

#[test]
fn a_key_comes_from_a_variable_or_from_stdin() {
    let mut world = World::new();
    world.set("MY_KEY", KEY);
    let done = world.run(&["keychain", "set", "anthropic", "work", "--from-env", "MY_KEY"]);
    assert!(done.stderr.contains("stored anthropic/work in ") && done.stderr.contains("unset MY_KEY"), "{done:?}");
    assert!(!done.stderr.contains(KEY), "{done:?}");
    assert_eq!(done.ok(), "");
    assert_eq!(given(&world), KEY);
    world
        .run(&["keychain", "set", "anthropic", "x", "--from-env", "NOT_SET"])
        .fails(1, &["NOT_SET is not set", "leave --from-env out"]);
    world.run(&["keychain", "set", "anthropic", "x", "--from-env", "NOT-A-NAME"]).fails(2, &["variable"]);
    world
        .run(&["keychain", "set", "anthropic", "x", "--from-env", "MY_KEY", "--stdin"])
        .fails(2, &["cannot be used with"]);
    set(&world, KEY.replace("TEST", "MORE")).ok();
    assert_eq!(given(&world), KEY.replace("TEST", "MORE"));
}

#[test]
fn a_key_that_is_there_is_only_replaced_on_demand() {
    let world = World::new();
    set(&world, KEY).ok();
    let again = ["keychain", "set", "anthropic", "work", "--stdin"];
    world.feed(&again, "sk-other").fails(1, &["anthropic/work is already in", "keychain set anthropic work --replace"]);
    assert_eq!(given(&world), KEY);
}

#[test]
fn one_trailing_newline_is_not_part_of_a_key() {
    let world = World::new();
    for ending in ["\n", "\r\n", "\r", ""] {
        set(&world, format!("{KEY}{ending}")).ok();
        assert_eq!(given(&world), KEY, "{ending:?}");
    }
    // Blanks are part of it: nobody but its owner knows.
    set(&world, format!(" {KEY} \n")).ok();
    assert_eq!(given(&world), format!(" {KEY} "));
}

#[test]
fn what_can_be_no_key_is_refused_and_the_old_one_kept() {
    let mut world = World::new();
    set(&world, KEY).ok();
    let before = world.read(FILE);
    let long = "k".repeat(2561);
    for (input, why) in [
        (&b""[..], "is empty"),
        (b"\n", "is empty"),
        (b"\r\n", "is empty"),
        (b"  ", "is blank"),
        (b"one\ntwo", "has more than one line"),
        (b"one\n\n", "has more than one line"),
        (b"one\rtwo", "has more than one line"),
        (b"a\0b", "holds a control character"),
        (b"a\x1bb", "holds a control character"),
        (b"a\tb", "holds a control character"),
        (b"a\x7fb", "holds a control character"),
        (b"a\xffb", "is not UTF-8 text"),
        (long.as_bytes(), "is longer than 2560 bytes"),
        (&[b'k'; 100_000], "is longer than 2560 bytes"),
    ] {
        let done = set(&world, input);
        assert_eq!(done.stdout, "");
        done.fails(1, &["ringlet: error: the key ", why]);
        assert_eq!(world.read(FILE), before);
    }
    world.set("EMPTY", "");
    world.run(&["keychain", "set", "anthropic", "work", "--replace", "--from-env", "EMPTY"]).fails(1, &["is empty"]);
    assert_eq!(world.read(FILE), before);
}

#[test]
fn a_key_may_have_2560_bytes() {
    let keyring = Keyring::start(State::Unlocked);
    for world in [World::new(), World::on(&keyring)] {
        let key = "k".repeat(2560);
        set(&world, format!("{key}\r\n")).ok();
        assert_eq!(given(&world), key);
    }
}

#[test]
fn a_key_that_looks_wrong_is_stored_with_a_warning_where_nobody_can_be_asked() {
    let world = World::new();
    let done = set(&world, "sk-proj-openai");
    assert!(done.stderr.contains("warning: this does not look like a key of Anthropic"), "{done:?}");
    done.ok();
    let done = world.feed(&["keychain", "set", "antropic", "work", "--stdin"], "x");
    assert!(done.stderr.contains("ringlet knows no provider \"antropic\"; did you mean `anthropic`?"), "{done:?}");
    done.ok();
}

/// `ringlet` and its arguments on a terminal, by way of a shell that shows the terminal's state afterwards.
fn on_terminal(world: &World, arguments: &str) -> Terminal {
    let mut command = world.process("sh");
    command.arg("-c").arg(format!("{RINGLET} {arguments}; echo status=$?; stty -a | tr -d ';' | tr ' ' '\\n' | grep -x -e -echo -e echo -e icanon -e isig"));
    Terminal::start(command)
}

fn ends_with(terminal: Terminal, status: u32, says: &[&str]) {
    let (_, rest) = terminal.end();
    for text in says {
        assert!(rest.contains(text), "{text:?} is not in {rest}");
    }
    assert!(rest.contains(&format!("status={status}\r\n")), "{rest}");
    // The terminal is as it was.
    assert!(rest.ends_with("isig\r\nicanon\r\necho\r\n"), "{rest}");
}

#[test]
fn the_prompt_does_not_echo_and_puts_the_terminal_back() {
    let world = World::new();
    let mut terminal = on_terminal(&world, "keychain set anthropic work");
    terminal.expect("key for anthropic/work (it is not shown): ");
    // A typing error and its correction; then all of it once more.
    terminal.press("wrong");
    terminal.ctrl('u');
    terminal.press(KEY);
    terminal.press("x\x7f");
    terminal.send("");
    let seen = terminal.expect("stored anthropic/work in ");
    assert!(!seen.contains("sk-ant"), "{seen}");
    ends_with(terminal, 0, &[]);
    assert_eq!(given(&world), KEY);
}

#[test]
fn an_interrupted_prompt_stores_nothing_and_puts_the_terminal_back() {
    for (letter, status, says) in
        [('c', 130, "interrupted; nothing was stored"), ('d', 1, "no key was given; nothing was stored")]
    {
        let world = World::new();
        let mut terminal = on_terminal(&world, "keychain set anthropic work");
        terminal.expect("(it is not shown): ");
        if letter == 'c' {
            terminal.press("sk-half");
        }
        terminal.ctrl(letter);
        ends_with(terminal, status, &[says]);
        assert!(!world.path(FILE).exists());
    }
}

/// The same, which says the number of its process first, by this shell: one with job control puts it in the foreground
/// once more when it was stopped.
fn as_a_process(world: &World, shell: &str, arguments: &str) -> Terminal {
    let mut command = world.process(shell);
    let state = "echo status=$?; stty -a | tr -d ';' | tr ' ' '\\n' | grep -x -e -echo -e echo -e icanon -e isig";
    let job = format!("sh -c 'echo pid=$$; exec \"$@\"' sh {RINGLET} {arguments}");
    command.arg("-c").arg(match shell {
        "bash" => format!("set -m; {job}; {state}; fg && {{ {state}; }}"),
        _ => format!("trap : INT; {job}; {state}"),
    });
    Terminal::start(command)
}

fn process_of(terminal: &mut Terminal) -> rustix::process::Pid {
    terminal.expect("pid=");
    let number = terminal.expect("\r\n").trim().parse().expect("a number");
    rustix::process::Pid::from_raw(number).expect("a process")
}

#[test]
fn a_signal_at_the_prompt_puts_the_terminal_back_and_does_what_it_does() {
    use rustix::process::{Signal, kill_process};
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT, Signal::ALARM, Signal::USR1] {
        let world = World::new();
        let mut terminal = as_a_process(&world, "sh", "keychain set anthropic work");
        let pid = process_of(&mut terminal);
        terminal.expect("(it is not shown): ");
        terminal.press("sk-half");
        kill_process(pid, signal).expect("it runs");
        ends_with(terminal, 128 + signal.as_raw() as u32, &[]);
        assert!(!world.path(FILE).exists());
    }
}

#[test]
fn a_stop_at_the_prompt_puts_the_terminal_back_and_asks_again() {
    use rustix::process::{Signal, kill_process};
    for is_typed in [true, false] {
        let world = World::new();
        let mut terminal = as_a_process(&world, "bash", "keychain set anthropic work");
        let pid = process_of(&mut terminal);
        terminal.expect("(it is not shown): ");
        terminal.press("sk-half");
        if is_typed {
            terminal.ctrl('z');
        } else {
            kill_process(pid, Signal::TSTP).expect("it runs");
        }
        let stopped = 128 + Signal::TSTP.as_raw();
        terminal.expect(&format!("status={stopped}\r\nisig\r\nicanon\r\necho\r\n"));
        terminal.expect("(it is not shown): ");
        terminal.send(KEY);
        assert!(!terminal.expect("stored anthropic/work in ").contains("sk-ant"));
        ends_with(terminal, 0, &[]);
        assert_eq!(given(&world), KEY);
    }
}

#[test]
fn a_signal_that_is_ignored_or_ends_nothing_is_no_answer() {
    use rustix::process::{Signal, kill_process};
    let world = World::new();
    let mut terminal = as_a_process(&world, "bash", "keychain set anthropic work");
    let pid = process_of(&mut terminal);
    terminal.expect("(it is not shown): ");
    terminal.resize(40, 200);
    kill_process(pid, Signal::WINCH).expect("it runs");
    kill_process(pid, Signal::STOP).expect("it runs");
    terminal.expect(&format!("status={}\r\n", 128 + Signal::STOP.as_raw()));
    terminal.expect("(it is not shown): ");
    terminal.send(KEY);
    assert!(!terminal.expect("stored anthropic/work in ").contains("sk-ant"));
    assert_eq!(given(&world), KEY);
}

#[test]
fn a_paste_answers_one_question() {
    for (paste, answer, status) in [
        ("sk-proj-of-openai\r\n", "y", 0),
        ("sk-proj-of-openai\ny\ny\ny\n", "n", 1),
        ("sk-proj-of-openai\r\n\r\nyes\r\nand a part of a line", "y", 0),
    ] {
        let world = World::new();
        let mut terminal = on_terminal(&world, "keychain set anthropic work");
        terminal.expect("(it is not shown): ");
        terminal.press(paste);
        let seen = terminal.expect("store it all the same? [y/N] ");
        assert!(!seen.contains("yes") && !seen.contains("part"), "{seen}");
        terminal.send(answer);
        ends_with(terminal, status, &[]);
        assert_eq!(world.path(FILE).exists(), status == 0, "{paste:?}");
        if status == 0 {
            assert_eq!(given(&world), "sk-proj-of-openai");
        }
    }
}

#[test]
fn a_busy_lock_is_no_broken_file() {
    let world = World::new();
    world.feed(&["keychain", "set", "anthropic", "work", "--stdin"], KEY).ok();
    let lock = world.path(FILE).with_extension("toml.lock");
    let held = ringlet::testing::lock_file(&lock, std::time::Duration::ZERO).expect("free");
    let done = world.feed(&["keychain", "set", "anthropic", "other", "--stdin"], KEY);
    let who = format!("credentials.toml.lock is held by another process, {}", std::process::id());
    let done = done.fails(1, &[&who, "it was waited for 5000 ms", "hint: try again"]);
    assert!(!done.stderr.contains("move"), "{done:?}");
    drop(held);
    std::fs::remove_file(&lock).expect("removed");
    std::os::unix::fs::symlink("elsewhere", &lock).expect("linked");
    let done = world.feed(&["keychain", "set", "anthropic", "other", "--stdin"], KEY);
    done.fails(1, &["credentials.toml.lock is a symlink and not the lock file", "hint: move "]);
    assert_eq!(given(&world), KEY);
}

// The first is the new file's own, before anything is changed.
#[cfg(target_os = "linux")]
#[test]
fn a_change_whose_folder_cannot_be_synced_is_in_force_and_says_so() {
    for (when, is_changed, says) in [
        (1, false, "credentials.toml: cannot be written: Input/output error"),
        (2, true, "credentials.toml: it is changed, but may be as before after a crash of the system"),
    ] {
        let world = World::new();
        world.feed(&["keychain", "set", "anthropic", "work", "--stdin"], "sk-ant-api03-before").ok();
        let mut command = world.process("strace");
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={when}");
        command.args(["-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", &inject, RINGLET]);
        command.env("FROM", KEY).args(["keychain", "set", "anthropic", "work", "--replace", "--from-env", "FROM"]);
        let done = command.output().expect("strace");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(1) && said.contains(says), "{said}");
        assert!(!said.contains("move it away"), "{said}");
        assert_eq!(given(&world) == KEY, is_changed);
    }
}

#[test]
fn a_typed_key_that_looks_wrong_is_confirmed_first() {
    let world = World::new();
    for (answer, status, says) in
        [("n", 1, "nothing was stored"), ("", 1, "nothing was stored"), ("y", 0, "stored anthropic/work in ")]
    {
        let mut terminal = on_terminal(&world, "keychain set anthropic work");
        terminal.expect("(it is not shown): ");
        terminal.send("sk-proj-of-openai");
        terminal.expect("this does not look like a key of Anthropic; store it all the same? [y/N] ");
        terminal.send(answer);
        ends_with(terminal, status, &[says]);
        assert_eq!(world.path(FILE).exists(), status == 0);
    }
    assert_eq!(given(&world), "sk-proj-of-openai");
}

#[test]
fn without_a_terminal_the_prompt_says_what_to_use() {
    let world = World::new();
    let mut command = world.process("setsid");
    command.args(["--wait", RINGLET, "keychain", "set", "anthropic", "work"]);
    let done = finish(&mut command);
    done.fails(1, &["there is no terminal to ask on", "use --stdin, or --from-env VAR"]);
}

#[test]
fn bad_names_are_refused_before_any_store_is_touched() {
    // Any touch of this keychain would be an error of its own, after a while.
    let keyring = Keyring::start(State::HungActivation);
    let world = World::on(&keyring);
    let long = "a".repeat(65);
    for bad in [
        "",
        "a/b",
        "..",
        ".",
        "/",
        "Work",
        "a b",
        "a\nb",
        "\x1b[31mred",
        "caf\u{e9}",
        "\u{430}nthropic",
        "-x",
        "_x",
        "a\\b",
        "a*",
        &long,
    ] {
        for arguments in [
            &["set", "--stdin", "--", bad, "work"][..],
            &["set", "--stdin", "--", "anthropic", bad],
            &["remove", "--", bad, "work"],
            &["remove", "--", "anthropic", bad],
            &["rename", "--", "anthropic", bad, "new"],
            &["rename", "--", "anthropic", "old", bad],
        ] {
            let done = world.feed(&[&["keychain"], arguments].concat(), KEY);
            assert!(!done.stderr.contains('\x1b') && done.stdout.is_empty(), "{done:?}");
            let done = done.fails(2, &["ringlet: error: "]);
            assert!(done.stderr.contains("provider") || done.stderr.contains("alias"), "{done:?}");
        }
    }
    assert!(!world.path("home/.config").exists() && !world.path("home/.local").exists());
    // A key where a name belongs is not repeated.
    let pasted = format!("{KEY}-{KEY}");
    let done = world.feed(&["keychain", "set", "anthropic", &pasted, "--stdin"], "x").fails(2, &["alias"]);
    assert!(!done.stderr.contains("TESTTEST"), "{done:?}");
}

#[test]
fn keys_are_listed_by_prefix_sorted_and_without_a_value() {
    let keyring = Keyring::start(State::Unlocked);
    for world in [World::new(), World::on(&keyring)] {
        assert!(world.run(&["keychain", "list"]).stderr.contains("there is no key"));
        for name in ["openai/b", "anthropic/work", "openai/a", "github/work"] {
            world.store_key(name, KEY);
        }
        assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/work\ngithub/work\nopenai/a\nopenai/b\n");
        assert_eq!(world.run(&["keychain", "list", "openai/"]).ok(), "openai/a\nopenai/b\n");
        assert_eq!(world.run(&["keychain", "list", "nothing"]).ok(), "");
        let json = world.run(&["keychain", "list", "--json", "github"]).ok();
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(
            json,
            serde_json::json!([{
                "name": "github/work", "provider": "github", "alias": "work", "place": json[0]["place"],
                "store": json[0]["store"], "used_by": [], "stored": json[0]["stored"], "last_used": null,
                "expires": null,
            }])
        );
        assert!(
            ["the keychain", "~/.config/ringlet/credentials.toml"].contains(&json[0]["place"].as_str().expect("text"))
        );
        assert_eq!(world.run(&["keychain", "list", "--json", "nothing"]).ok(), "[]\n");
    }
}

#[test]
fn a_key_is_renamed_and_removed() {
    let keyring = Keyring::start(State::Unlocked);
    for world in [World::new(), World::on(&keyring)] {
        world.store_key("anthropic/old", KEY);
        world.store_key("anthropic/other", "sk-other");
        world
            .run(&["keychain", "rename", "anthropic", "old", "other"])
            .fails(1, &["anthropic/other is already in", "--replace"]);
        world.run(&["keychain", "rename", "anthropic", "old", "old"]).fails(2, &["already has that name"]);
        world
            .run(&["keychain", "rename", "anthropic", "odl", "new"])
            .fails(1, &["no key anthropic/odl", "did you mean `anthropic/old`?"]);
        world.run(&["keychain", "rename", "anthropic", "old", "work"]).ok();
        assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/other\nanthropic/work\n");
        assert_eq!(given(&world), KEY);
        world.run(&["keychain", "rename", "anthropic", "other", "work", "--replace"]).ok();
        assert_eq!(given(&world), "sk-other");
        world
            .run(&["keychain", "remove", "anthropic", "wrok"])
            .fails(1, &["no key anthropic/wrok", "did you mean `anthropic/work`?"]);
        world.run(&["keychain", "remove", "anthropic", "work"]).ok();
        assert_eq!(world.run(&["keychain", "list"]).ok(), "");
        world
            .run(&["keychain", "remove", "anthropic", "work"])
            .fails(1, &["no key anthropic/work", "run `ringlet keychain list`"]);
    }
}

#[test]
fn a_key_set_in_one_process_is_read_in_another_from_the_real_keychain() {
    let keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    let done = set(&world, KEY);
    assert!(done.stderr.contains("stored anthropic/work in the keychain"), "{done:?}");
    done.ok();
    assert_eq!(given(&world), KEY);
    assert_eq!(keyring.secret_tool_lookup(&LABELS).as_deref(), Some(KEY.as_bytes()));
    assert!(!world.path(FILE).exists());
    // Under a service that was restarted, too.
    let mut keyring = keyring;
    keyring.restart();
    assert_eq!(given(&world), KEY);
}

#[test]
fn a_locked_keychain_is_an_error_and_never_a_reason_to_look_elsewhere() {
    let mut keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.make_ready();
    world.write(FILE, "[anthropic.work]\nkey = \"sk-of-another-account\"\n");
    world.chmod(&world.path(FILE), 0o600);
    keyring.lock();
    for arguments in [&["exec", "claude"][..], &["profiles", "run", "work"]] {
        let done = world
            .run(arguments)
            .fails(125, &["profile \"work\": the keychain is locked", "hint: run `ringlet keychain unlock`"]);
        assert_eq!(done.stdout, "");
    }
    set(&world, KEY).fails(1, &["the keychain is locked", "hint"]);
    world.run(&["keychain", "remove", "anthropic", "work"]).fails(1, &["the keychain is locked"]);
    world.run(&["keychain", "rename", "anthropic", "work", "new"]).fails(1, &["the keychain is locked"]);
    // Names come from the index.
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/work\n");
    assert!(world.read(FILE).contains("sk-of-another-account"));
    // Without a key the agent starts all the same.
    world.run(&["exec", "claude", "--", "--version"]).ok();
}

#[test]
fn without_a_keychain_the_file_is_used_with_a_warning_once_a_day() {
    for state in [State::Absent, State::NoBus] {
        let keyring = Keyring::start(state);
        let world = World::on(&keyring);
        let done = set(&world, KEY);
        let warning = "\u{26a0} Using file-backed credentials (~/.config/ringlet/credentials.toml).\n  For better security on multi-user systems, \
                       run `ringlet config set credentials.backend encrypted-file`, install GNOME Keyring or set up a service-mode keychain.\n";
        assert!(done.stderr.ends_with(warning), "{done:?}");
        done.ok();
        assert_eq!(fs::metadata(world.path(FILE)).expect("the file").permissions().mode() & 0o7777, 0o600);
        assert_eq!(given(&world), KEY);
        assert_eq!(world.run(&["keychain", "list"]).stderr, "");
        // Another terminal has not heard it yet.
        let mut command = world.process(RINGLET);
        command.args(["profiles", "run", "work"]);
        let (_, seen) = Terminal::start(command).end();
        assert!(seen.contains("Using file-backed credentials") && seen.ends_with(KEY), "{seen}");
        // A day later it is said again.
        let said = world.path("home/.local/state/ringlet/said");
        for entry in fs::read_dir(said).expect("marks") {
            let mark = File::options().write(true).open(entry.expect("a mark").path()).expect("a mark");
            mark.set_modified(SystemTime::now() - Duration::from_secs(25 * 60 * 60)).expect("an older mark");
        }
        let done = world.run(&["profiles", "run", "work"]);
        assert!(done.stderr.contains("Using file-backed credentials"), "{done:?}");
        assert_eq!(done.ok(), KEY);
    }
}

#[test]
fn system_only_refuses_without_a_keychain() {
    for state in [State::Absent, State::NoBus] {
        let keyring = Keyring::start(state);
        let world = World::on(&keyring);
        world.configure("[credentials]\nbackend = \"system-only\"\n");
        world.agent("claude");
        world.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n");
        set(&world, KEY).fails(
            1,
            &[
                "there is no keychain: ",
                "hint: run `ringlet config set credentials.backend encrypted-file`, install GNOME Keyring or KWallet",
            ],
        );
        world.run(&["profiles", "run", "work"]).fails(125, &["profile \"work\": there is no keychain: "]);
        world.run(&["keychain", "list"]).fails(1, &["there is no keychain: "]);
        assert!(!world.path(FILE).exists());
    }
}

#[test]
fn without_a_session_bus_at_all_the_keychain_is_absent() {
    // The runtime directory stays: without it, the machine's own bus would be asked.
    let mut world = World::bare();
    world.configure("[credentials]\nbackend = \"system-only\"\n");
    for address in ["", "nonsense", "autolaunch:", "disabled:", "unix:runtime=yes"] {
        world.set("DBUS_SESSION_BUS_ADDRESS", address);
        set(&world, KEY).fails(1, &["there is no keychain: ", "hint: "]);
    }
}

#[test]
fn an_address_that_outlived_its_session_leads_to_the_sessions_own_bus() {
    let mut keyring = Keyring::start(State::Unlocked);
    let mut world = World::on(&keyring);
    world.set("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", world.path("run/gone").display()));
    set(&world, KEY).ok();
    assert_eq!(given(&world), KEY);
    assert_eq!(keyring.secret_tool_lookup(&LABELS).as_deref(), Some(KEY.as_bytes()));
    // Another account's key is where it must never be looked for.
    world.write(FILE, "[anthropic.work]\nkey = \"sk-of-another-account\"\n");
    world.chmod(&world.path(FILE), 0o600);
    world.write("home/.zshrc", RC);
    keyring.kill_bus();
    let says = "the keychain cannot be reached although this session has one: the session bus at ";
    for backend in ["system", "system-only"] {
        world.write("home/.config/ringlet/config.toml", format!("[credentials]\nbackend = \"{backend}\"\n"));
        world.run(&["profiles", "run", "work"]).fails(125, &["profile \"work\": ", says, "hint: log out and in again"]);
        for arguments in [
            &["keychain", "list"][..],
            &["keychain", "remove", "anthropic", "work"],
            &["keychain", "unlock"],
            &["migrate", "--yes"],
            &["migrate", "--yes", "--allow-file"],
        ] {
            world.run(arguments).fails(1, &[says, "hint: log out and in again"]);
        }
        set(&world, KEY).fails(1, &[says]);
        let done = world.run(&["doctor"]);
        assert!(done.stdout.contains(says) || done.stderr.contains(says), "{done:?}");
    }
    assert_eq!(world.read(FILE), "[anthropic.work]\nkey = \"sk-of-another-account\"\n");
}

/// A world with a short deadline, since these tests are meant to run into it.
fn impatient(keyring: &Keyring) -> World {
    let world = World::on(keyring);
    world.configure("[credentials]\ntimeout = 0.3\n");
    world
}

fn does_not_answer(world: &World) {
    let done = world.run(&["exec", "claude"]);
    assert_eq!(done.stdout, "");
    done.fails(
        125,
        &[
            "profile \"work\": the keychain did not answer within 300ms (",
            "hint: see whether the keychain's daemon hangs",
        ],
    );
    set(world, KEY).fails(1, &["the keychain did not answer within "]);
    world.run(&["keychain", "list"]).fails(1, &["the keychain did not answer within "]);
    assert!(!world.path(FILE).exists(), "a keychain that hangs is not absent");
    world.run(&["exec", "claude", "--", "--version"]).ok();
    world.run(&["status"]).ok();
}

#[test]
fn a_stopped_service_or_bus_is_given_up_after_the_deadline() {
    for stop in [Keyring::stop_service, Keyring::stop_bus] {
        let mut keyring = Keyring::start(State::Unlocked);
        let world = World::on(&keyring);
        world.make_ready();
        world.configure("[credentials]\ntimeout = 0.3\n");
        stop(&mut keyring);
        does_not_answer(&world);
    }
}

#[test]
fn a_hung_activation_is_given_up_after_the_deadline() {
    let keyring = Keyring::start(State::HungActivation);
    let world = impatient(&keyring);
    world.agent("claude");
    world.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n");
    world.allow("profile = \"work\"\n");
    does_not_answer(&world);
}

#[test]
fn a_killed_service_is_an_absent_keychain_and_says_so() {
    let mut keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.make_ready();
    keyring.kill_service();
    let done = world.run(&["exec", "claude"]);
    assert_eq!(done.stdout, "");
    // The file was looked into, and there is nothing; that it was the file is half of the answer.
    done.fails(125, &["Using file-backed credentials", "no key anthropic/work in ", "credentials.toml"]);
    world.configure("[credentials]\nbackend = \"system-only\"\n");
    world.run(&["exec", "claude"]).fails(125, &["there is no keychain: "]);
}

#[test]
fn a_service_in_which_nobody_has_a_keyring_counts_as_no_keychain_and_is_named() {
    let mut keyring = Keyring::start(State::NoDefault);
    let world = World::on(&keyring);
    let none = "the keyring service has no keyring yet";
    let how = ["log in to the desktop once", "Seahorse", "`gnome-keyring-daemon --replace --unlock`"];
    let says = |done: &crate::common::world::Done, what: &[&str]| {
        let all = format!("{}{}", done.stdout, done.stderr);
        let wanted = what.iter().chain(&how);
        assert!(wanted.into_iter().all(|text| all.contains(text)) && !all.contains("install GNOME"), "{all}");
    };
    let done = set(&world, KEY);
    says(&done, &["Using file-backed credentials", none]);
    done.ok();
    assert_eq!(given(&world), KEY);
    says(&world.run(&["doctor"]), &["the keyring service has no keyring yet, so keys are in a plain file"]);
    world.write("home/.zshrc", RC);
    let done = world.run(&["migrate", "--yes"]);
    says(&done, &[none, "is a plain file", "--allow-file"]);
    done.fails(1, &[]);
    let done = world.run(&["keychain", "unlock"]);
    assert!(!done.stderr.contains("is unlocked"), "{done:?}");
    done.ok();
    world.configure("[credentials]\nbackend = \"system-only\"\n");
    let done = set(&world, KEY);
    says(&done, &["there is no keychain: the keyring service has no keyring yet", "backend = \"file\""]);
    done.fails(1, &[]);
    world.run(&["profiles", "run", "work"]).fails(125, &["profile \"work\": there is no keychain: ", none]);
    // As the hint says: another service that is told a password makes one.
    keyring.restart();
    set(&world, KEY).ok();
    assert_eq!(keyring.secret_tool_lookup(&LABELS).as_deref(), Some(KEY.as_bytes()));
}

/// A world with a key in a keychain that is locked since, and no screen.
fn locked() -> (Keyring, World) {
    let mut keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.make_ready();
    keyring.lock();
    (keyring, world)
}

#[test]
fn without_a_screen_no_dialog_is_asked_for_and_the_terminal_is_named() {
    let (_keyring, world) = locked();
    let says = [
        "the keychain is locked",
        "hint: run `ringlet keychain unlock` in a terminal, unlock it in its own window, or log in",
    ];
    world.run(&["keychain", "unlock"]).fails(1, &says);
    world.run(&["exec", "claude"]).fails(125, &says);
    set(&world, KEY).fails(1, &says);
    world.run(&["keychain", "remove", "anthropic", "work"]).fails(1, &says);
    // Nor at a terminal, where a person could be asked.
    let terminal = on_terminal(&world, "keychain remove anthropic work");
    ends_with(terminal, 1, &says);
}

#[test]
fn a_keychain_that_only_a_rule_names_is_unlocked_like_the_usual_one() {
    for words in ["keychain unlock", "keychain unlock system", "keychain unlock anthropic/work"] {
        let (_keyring, world) = locked();
        let rule = "[credentials]\nbackend = \"file\"\n[store-for.anthropic]\nstore = \"system\"\n";
        world.write("home/.config/ringlet/config.toml", rule);
        world.run(&["exec", "claude"]).fails(125, &["the keychain is locked"]);
        let mut terminal = on_terminal(&world, words);
        terminal.expect("password of the keychain \"login\" (it is not shown): ");
        terminal.send(std::str::from_utf8(PASSWORD).expect("text"));
        terminal.expect("ringlet: the keychain is unlocked");
        ends_with(terminal, 0, &[]);
        assert!(world.run(&["exec", "claude"]).ok().contains(KEY), "{words}");
    }
}

#[test]
fn on_a_terminal_the_keyrings_password_unlocks_and_another_does_not() {
    let (_keyring, mut world) = locked();
    let question = "password of the keychain \"login\" (it is not shown): ";
    let password = std::str::from_utf8(PASSWORD).expect("text");
    let still = "the keychain is still locked";
    for (typed, status, says) in [
        ("not-the-password\r", 1, &["the password is wrong, and the keychain is still locked", "unlock` again"][..]),
        ("\r", 1, &["the password is wrong"]),
        ("\x04", 1, &["no password was given; ", still]),
        ("half\x03", 130, &["interrupted; ", still]),
    ] {
        let mut terminal = on_terminal(&world, "keychain unlock");
        terminal.expect(question);
        terminal.press(typed);
        ends_with(terminal, status, says);
        world.run(&["exec", "claude"]).fails(125, &["the keychain is locked"]);
    }
    // A dialog that nothing can show is no way either.
    world.set("DISPLAY", ":4711");
    let closed = "the keychain's dialog was closed, or could not be shown";
    world.run(&["keychain", "unlock"]).fails(1, &[closed, "hint: run `ringlet keychain unlock` in a terminal"]);
    let mut terminal = on_terminal(&world, "keychain unlock");
    terminal.expect(question);
    terminal.press(&format!("wrong\x15{password}"));
    terminal.send("");
    let seen = terminal.expect("ringlet: the keychain is unlocked");
    assert!(!seen.contains("keyring's") && !seen.contains("dialog"), "{seen}");
    ends_with(terminal, 0, &[]);
    assert!(world.run(&["exec", "claude"]).ok().contains(KEY));
    // Nothing is asked where nothing is locked.
    ends_with(on_terminal(&world, "keychain unlock"), 0, &["ringlet: the keychain is unlocked"]);
    assert!(!world.path(FILE).exists());
}

#[test]
fn a_key_that_is_twice_in_the_keychain_is_refused() {
    let keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.make_ready();
    let more = [&LABELS[..], &["target", "elsewhere"]].concat();
    keyring.secret_tool_store(None, &more, b"sk-other");
    world.run(&["exec", "claude"]).fails(125, &["the keychain holds 2 entries for anthropic/work", "Seahorse"]);
}

#[test]
fn a_key_from_elsewhere_that_no_header_can_carry_is_refused() {
    let keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.make_ready();
    keyring.secret_tool_store(None, &LABELS, b"sk-two\nlines");
    let done = world.run(&["exec", "claude"]).fails(125, &["anthropic/work in the keychain has more than one line"]);
    assert!(!done.stderr.contains("sk-two"), "{done:?}");
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let world = World::ready();
    let file = world.path(FILE);
    for mode in [0o640, 0o604, 0o644, 0o620] {
        world.chmod(&file, mode);
        world.run(&["exec", "claude"]).fails(125, &["is open to others than its owner", "chmod 600"]);
        set(&world, KEY).fails(1, &["it must be 0600"]);
        world.run(&["keychain", "list"]).fails(1, &["it must be 0600"]);
    }
    world.chmod(&file, 0o400);
    world.run(&["exec", "claude"]).ok();
}

#[test]
fn another_users_file_is_refused() {
    let world = World::ready();
    // Only root can give a file away; elsewhere the unit tests of the owner's check stand for this.
    if rustix::process::geteuid().is_root() {
        chown(&world.path(FILE), 12345);
        world.run(&["exec", "claude"]).fails(125, &["belongs to another user"]);
    }
}

fn chown(path: &Path, owner: u32) {
    std::os::unix::fs::chown(path, Some(owner), None).expect("root may");
}

#[test]
fn lookups_and_changes_are_recorded_by_name() {
    let world = World::new();
    world.configure("[audit]\nenabled = true\n");
    set(&world, KEY).ok();
    world.run(&["keychain", "rename", "anthropic", "work", "new"]).ok();
    world.run(&["keychain", "remove", "anthropic", "new"]).ok();
    world.run(&["keychain", "remove", "anthropic", "new"]).fails(1, &[]);
    let log = world.read("home/.local/state/ringlet/audit.jsonl");
    let actions: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|line| {
            format!(
                "{} {} {}",
                line["action"].as_str().expect("text"),
                line["key"].as_str().expect("text"),
                line["result"].as_str().expect("text")
            )
        })
        .collect();
    assert_eq!(
        actions,
        [
            "set anthropic/work granted",
            "rename anthropic/work granted",
            "remove anthropic/new granted",
            "remove anthropic/new error"
        ]
    );
    assert!(!log.contains("sk-ant"), "{log}");
}

#[test]
fn a_key_has_two_spellings_everywhere() {
    let world = World::new();
    world.feed(&["keychain", "set", "anthropic/work", "--stdin"], KEY).ok();
    world.feed(&["keychain", "set", "openai", "work", "--stdin"], "sk-proj-of-openai").ok();
    world.run(&["keychain", "rename", "anthropic/work", "job"]).ok();
    world.run(&["keychain", "rename", "anthropic", "job", "home"]).ok();
    world.run(&["keychain", "rename", "anthropic/home", "anthropic/work"]).ok();
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/work\nopenai/work\n");
    world.configure("[scope.\"anthropic/work\"]\nlease = \"1h\"\n");
    world.run(&["lease", "grant", "anthropic", "work"]).ok();
    world.run(&["lease", "revoke", "anthropic", "work"]).ok();
    for (words, says) in [
        (&["keychain", "remove", "anthropic"][..], "the key's alias is missing"),
        (&["keychain", "remove", "anthropic/work", "work"], "provider \"anthropic/work\" has"),
        (&["keychain", "rename", "anthropic", "work"], "the key's alias is missing"),
        (&["keychain", "rename", "anthropic/work", "openai/work"], "a key of anthropic stays one"),
        (&["keychain", "set", "anthropic/a/b", "--stdin"], "anthropic/a/b"),
    ] {
        world.run(words).fails(2, &[says]);
    }
    world.run(&["keychain", "remove", "openai/work"]).ok();
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/work\n");
}

/// A profile that names a key twice, one that names it as a secret, and one that names another key by the same alias.
fn used() -> World {
    let world = World::new();
    world.store_key("anthropic/work", KEY);
    world.profile(
        "one",
        "agent = \"claude\"\nprovider = \"anthropic\"  # mine\n[provider-config]\nkey-alias = \"work\" # here\n",
    );
    world.profile(
        "two",
        "[agents.codex]\nprovider = \"openai\"\nkey-alias = \"work\"\n[secrets]\nX = \"anthropic/work\"\n",
    );
    world.profile("three", "agent = \"codex\"\nprovider = \"openai\"\n[provider-config]\nkey-alias = \"work\"\n");
    world
}

#[test]
fn a_removal_says_who_uses_the_key_and_asks() {
    let world = used();
    world.configure("[tools.t]\ncommand = [\"/x\"]\nsecrets = { A = \"anthropic/work\" }\n");
    let by = "used by profile \"one\", profile \"two\", [tools.t] of config.toml";
    for (answer, status, says) in [("", 1, "anthropic/work was not removed"), ("y", 0, "removed anthropic/work from")] {
        let mut terminal = on_terminal(&world, "keychain remove anthropic/work");
        let seen = terminal.expect("? [y/N] ");
        assert!(seen.contains(&format!("remove anthropic/work, {by}")), "{seen}");
        terminal.send(answer);
        ends_with(terminal, status, &[says]);
    }
    // What is not there asks nobody.
    world.run(&["keychain", "remove", "anthropic", "work"]).fails(1, &["anthropic/work"]);
    // A script means what it says.
    for words in [&["keychain", "remove", "anthropic", "work"][..], &["keychain", "remove", "anthropic/work", "--yes"]]
    {
        world.store_key("anthropic/work", KEY);
        let done = world.run(words);
        assert_eq!(done.status, Some(0));
        for name in ["profile \"one\"", "profile \"two\"", "[tools.t] of config.toml"] {
            assert!(done.stderr.contains(&format!("warning: {name} names anthropic/work\n")), "{done:?}");
        }
        world.run(&["keychain", "list"]).ok();
    }
}

#[test]
fn a_rename_changes_the_profiles_that_name_the_key_and_no_other() {
    let world = used();
    let three = world.read("home/.ringlet/profiles/three/ringlet.toml");
    let mut terminal = on_terminal(&world, "keychain rename anthropic/work job");
    let seen = terminal.expect("change them? [Y/n] ");
    assert!(seen.contains("anthropic/work is named by the profiles one, two;"), "{seen}");
    terminal.send("");
    ends_with(terminal, 0, &["anthropic/work is now anthropic/job", "changed in the profiles one, two"]);
    let read = |name: &str| world.read(format!("home/.ringlet/profiles/{name}/ringlet.toml"));
    assert_eq!(
        read("one"),
        "agent = \"claude\"\nprovider = \"anthropic\"  # mine\n[provider-config]\nkey-alias = \"job\" # here\n"
    );
    assert_eq!(
        read("two"),
        "[agents.codex]\nprovider = \"openai\"\nkey-alias = \"work\"\n[secrets]\nX = \"anthropic/job\"\n"
    );
    assert_eq!(read("three"), three);
    // Without a terminal nothing is changed that was not asked for, and it is said.
    let done = world.run(&["keychain", "rename", "anthropic", "job", "work"]);
    assert_eq!(done.status, Some(0));
    assert!(
        done.stderr.contains("profile \"one\" names anthropic/job still: `ringlet profiles edit one` opens it"),
        "{done:?}"
    );
    world.run(&["keychain", "rename", "anthropic/work", "job"]).ok();
    world.run(&["keychain", "rename", "anthropic/job", "late", "--yes"]).ok();
    assert!(read("one").contains("key-alias = \"late\""));
    // An alias that names two providers' keys is not changed for one of them.
    world.profile("both", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"late\"\n[agents.codex]\nprovider = \"openai\"\n");
    let both = read("both");
    let done = world.run(&["keychain", "rename", "anthropic/late", "soon", "--yes"]);
    assert!(done.stderr.contains("profile \"both\" names anthropic/late still"), "{done:?}");
    assert_eq!(read("both"), both);
}
