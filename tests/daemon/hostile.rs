//! Attacks and failures: too many requests, too few bytes, another user, and a keychain, disk or `/proc` that is gone.

use crate::common::daemon::{
    ALL, Client, DEADLINE, Daemon, Third, copied, nc, read, refused, register, register_this, request, results, script,
    served, success, write,
};
use crate::common::keyring::{Keyring, State};
use crate::common::world::{RINGLET, World};
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

fn ready(world: &World) -> (Daemon, Client) {
    let daemon = Daemon::start(world);
    register_this(world, ALL);
    let client = Client::connect(&daemon.socket);
    (daemon, client)
}

#[test]
fn a_request_may_have_64_kib_and_not_a_byte_more() {
    let world = served(World::new());
    let (daemon, mut other) = ready(&world);
    assert_eq!(other.ask(&write("a", "v")), success());
    let frame = write("big", "").to_string().len();
    let value = "x".repeat(64 * 1024 - frame);
    assert_eq!(other.ask(&write("big", &value)), success());
    assert_eq!(other.ask(&read(&["big"])), results(&[("big", Some(&value))]));
    let whole = format!("{}\n", write("big", &format!("{value}x")));
    let endless = "y".repeat(64 * 1024 + 1);
    for text in [whole.as_str(), &endless, &"z".repeat(1 << 20)] {
        let mut client = Client::connect(&daemon.socket);
        client.send(text);
        assert_eq!(client.answer(), refused("error", "malformed_request"));
        assert!(client.has_ended());
        assert_eq!(other.ask(&read(&["a"])), results(&[("a", Some("v"))]));
    }
    // Requests of the greatest length, one behind the other, are each one request.
    other.send(format!("{}\n{}\n", write("big", &value), write("big", &value)));
    assert_eq!((other.answer(), other.answer()), (success(), success()));
}

#[test]
fn half_a_line_is_nothing() {
    let world = served(World::new());
    let (daemon, mut other) = ready(&world);
    let mut client = Client::connect(&daemon.socket);
    client.send(&write("a", "v").to_string()[..30]);
    client.stream().shutdown(std::net::Shutdown::Write).expect("one way");
    assert!(client.has_ended());
    let mut client = Client::connect(&daemon.socket);
    client.send(write("a", "v").to_string());
    client.stream().shutdown(std::net::Shutdown::Write).expect("one way");
    assert!(client.has_ended());
    assert_eq!(other.ask(&read(&["a"])), success());
}

#[test]
fn a_thousand_idle_clients_hold_up_nobody() {
    ringlet::testing::raise_file_limit();
    let world = served(World::new());
    let (daemon, mut first) = ready(&world);
    assert_eq!(first.ask(&write("a", "v")), success());
    let mut idle: Vec<Client> = (0..1000).map(|_| Client::connect(&daemon.socket)).collect();
    let mut late = Client::connect(&daemon.socket);
    assert_eq!(late.ask(&read(&["a"])), results(&[("a", Some("v"))]));
    assert_eq!(first.ask(&read(&["a"])), results(&[("a", Some("v"))]));
    assert_eq!(daemon.get("/v1/health").status, 200);
    for client in idle.iter_mut().step_by(100) {
        assert_eq!(client.ask(&read(&["a"])), results(&[("a", Some("v"))]));
    }
}

fn sixty_four_clients_get_each_their_own(world: &World, rounds: u32) {
    let (daemon, _first) = ready(world);
    std::thread::scope(|scope| {
        for n in 0..64 {
            let socket = &daemon.socket;
            scope.spawn(move || {
                let mut client = Client::connect(socket);
                let (target, other) = (format!("of/{n}/one"), format!("of/{n}/two"));
                for round in 0..rounds {
                    let value = format!("{n} in round {round}");
                    let both = json!({ "targets": [target, other], "values": [value, target] });
                    assert_eq!(client.ask(&request("write", "tool", both)), success());
                    let found = results(&[(&target, Some(&value)), (&other, Some(&target))]);
                    assert_eq!(client.ask(&read(&[&target, &other])), found);
                    let prefix = json!({ "match": "prefix", "targets": [format!("of/{n}/")] });
                    assert_eq!(client.ask(&request("read", "tool", prefix)), found);
                }
            });
        }
    });
    world.run(&["audit", "verify"]).ok();
}

#[test]
fn sixty_four_clients_get_each_their_own_from_a_keychain() {
    let keyring = Keyring::start(State::Unlocked);
    sixty_four_clients_get_each_their_own(&served(World::on(&keyring)), 1);
}

#[test]
fn sixty_four_clients_get_each_their_own_from_a_file() {
    sixty_four_clients_get_each_their_own(&served(World::new()), 3);
}

#[test]
fn a_client_that_is_killed_takes_nobody_with_it() {
    let mut keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.configure("[credentials]\ntimeout = 1.0\n");
    let world = served(world);
    let (daemon, mut other) = ready(&world);
    assert_eq!(other.ask(&write("a", "v")), success());
    let nc = nc(&world);
    register(&world, &nc, ALL);
    // In the middle of a line, of an answer that it does not read, and of a lookup.
    let mut half = Third::nc(&world, &daemon, &nc);
    half.send(&read(&["a"]).to_string());
    assert_ne!(half.line(), "");
    half.send(&read(&["a"]).to_string()[..20]);
    half.child().kill().expect("killed");
    keyring.stop_service();
    let mut waiting = Third::nc(&world, &daemon, &nc);
    waiting.send(&read(&["a"]).to_string());
    waiting.child().kill().expect("killed");
    assert_eq!(daemon.get("/v1/health").status, 200);
    keyring.restart();
    assert_eq!(other.ask(&read(&["a"])), results(&[("a", Some("v"))]));
}

#[test]
fn another_user_is_refused_even_where_the_socket_is_open() {
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    let mode = |path: &std::path::Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let folder = daemon.socket.parent().expect("a folder").to_owned();
    assert_eq!((mode(&daemon.socket), mode(&folder)), (0o600, 0o700));
    // Nobody but root can become another user, and without that this is all there is to see.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let client = script(&world, "client");
    register(&world, &client, ALL);
    for path in [world.path(""), world.path("bin"), world.path("run"), folder] {
        world.chmod(&path, 0o755);
    }
    world.chmod(&daemon.socket, 0o666);
    let mut command = world.process(&client);
    command.arg(&daemon.socket).args(["--uid", "65534"]).current_dir("/");
    let mut stranger = Third::start(command);
    assert_eq!(stranger.ask(&read(&["a"])), refused("error", "internal_error"));
    assert!(stranger.has_ended());
    assert!(world.read("home/.local/state/ringlet/audit.jsonl").contains("user 65534"));
    // It is not offered for approval either.
    assert_eq!(world.run(&["daemon", "list-pending", "--json"]).ok().trim(), "[]");
    let mut ours = Third::script(&world, &daemon, &client, &[]);
    assert_eq!(ours.ask(&write("a", "v")), success());
}

#[cfg(target_os = "linux")]
#[test]
fn what_another_process_sends_on_a_registered_ones_connection_is_refused() {
    let world = served(World::new());
    let (daemon, mut other) = ready(&world);
    assert_eq!(other.ask(&write("a", "v")), success());
    let hold = copied(&world, std::path::Path::new("/bin/cat"), "hold");
    register(&world, &hold, ALL);
    // Stopped, so that the connection is accepted when the registered program runs already.
    daemon.signal(Signal::STOP);
    let mut command = world.process(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daemon/shared.py"));
    command.arg(&daemon.socket).arg(read(&["a"]).to_string()).arg(&hold);
    let mut both = Third::start(command);
    assert_eq!(both.line(), "sent");
    daemon.signal(Signal::CONT);
    assert_eq!(both.ask(&json!("the rest")), refused("error", "internal_error"));
    let log = world.read("home/.local/state/ringlet/audit.jsonl");
    assert!(log.contains("sent on this client's connection") && log.contains("/hold"), "{log}");
    assert!(!log.contains("\"action\":\"read\""), "{log}");
    assert_eq!(other.ask(&read(&["a"])), results(&[("a", Some("v"))]));
}

#[test]
fn whoever_is_not_registered_is_answered_and_left_at_once() {
    ringlet::testing::raise_file_limit();
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    // What runs a registered script is no more expected than any other program without it.
    register(&world, &script(&world, "client"), ALL);
    let mut many: Vec<Client> = (0..300).map(|_| Client::connect(&daemon.socket)).collect();
    // Those that are looked at wait for approval; where too many wait to be looked at, nothing is said of the rest.
    let unregistered = refused("denied", "unregistered_binary_pending_approval");
    let answers: Vec<_> = many.iter_mut().map(Client::answer).collect();
    assert!(answers.contains(&unregistered));
    assert!(answers.iter().all(|it| *it == unregistered || *it == refused("error", "internal_error")), "{answers:?}");
    assert!(many.iter_mut().all(Client::has_ended));
}

#[test]
fn status_is_told_while_the_ports_places_are_all_taken() {
    ringlet::testing::raise_file_limit();
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    let half: Vec<std::net::TcpStream> = (0..400)
        .map(|_| {
            let mut stream = daemon.tcp();
            std::io::Write::write_all(&mut stream, b"GET /v1/sta").expect("it reads");
            stream
        })
        .collect();
    fs::remove_file(world.path("home/.config/ringlet/http_token")).expect("the token");
    let said = world.run(&["daemon", "status", "--json"]).ok();
    assert!(
        said.contains(&format!("\"pid\": {}", daemon.pid())) || said.contains(&format!("\"pid\":{}", daemon.pid()))
    );
    let socket = daemon.socket.with_file_name("status.sock");
    assert_eq!(fs::metadata(socket).expect("there").permissions().mode() & 0o777, 0o600);
    drop(half);
}

// With the right to make one, a process could there send in any other's name.
#[cfg(target_os = "linux")]
#[test]
fn a_client_in_a_pid_namespace_of_its_own_is_refused() {
    let world = served(World::new());
    let (daemon, _other) = ready(&world);
    let nc = nc(&world);
    register(&world, &nc, ALL);
    let mut command = world.process("unshare");
    command.arg(if rustix::process::geteuid().is_root() { "-pf" } else { "-rpf" });
    command.arg(&nc).arg("-U").arg(&daemon.socket);
    assert_eq!(Third::start(command).ask(&read(&["a"])), refused("error", "internal_error"));
    assert!(world.read("home/.local/state/ringlet/audit.jsonl").contains("a pid namespace of its own"));
    assert_eq!(Third::nc(&world, &daemon, &nc).ask(&read(&["a"])), success());
}

// A command that becomes the daemon in mounts of its own, which the script makes first.
fn in_own_mounts(world: &World, script: &str) -> std::process::Command {
    let mut command = world.process("unshare");
    command.arg(if rustix::process::geteuid().is_root() { "-m" } else { "-rm" });
    command.args(["sh", "-ec", &format!("{script}\nexec \"$@\""), "sh", RINGLET]);
    command
}

#[test]
fn where_proc_tells_nothing_nobody_is_let_in() {
    let world = served(World::new());
    register_this(&world, ALL);
    let daemon = Daemon::start_by(&world, in_own_mounts(&world, "mount -t tmpfs none /proc"));
    for _ in 0..2 {
        let mut client = Client::connect(&daemon.socket);
        assert_eq!(client.ask(&read(&["a"])), refused("error", "internal_error"));
        assert!(client.has_ended());
    }
    assert_eq!(daemon.get("/v1/status").status, 200);
    assert!(world.read("home/.local/state/ringlet/audit.jsonl").contains("who it is cannot be told"));
}

#[test]
fn where_the_record_cannot_be_written_nothing_is_given() {
    let world = served(World::new());
    let disk = world.path("disk");
    fs::create_dir(&disk).expect("a folder");
    let settings = world.read("home/.config/ringlet/config.toml");
    world.configure(&format!("[audit]\npath = \"{}\"\n", disk.join("audit.jsonl").display()));
    register_this(&world, ALL);
    let mount = format!("mount -t tmpfs -o size=16k,mode=0700 none '{}'", disk.display());
    let daemon = Daemon::start_by(&world, in_own_mounts(&world, &mount));
    let mut client = Client::connect(&daemon.socket);
    assert_eq!(client.ask(&write("a", "sk-hidden")), success());
    let found = results(&[("a", Some("sk-hidden"))]);
    let mut given = 0;
    let first = loop {
        match client.ask(&read(&["a"])) {
            answer if answer == found => given += 1,
            other => break other,
        }
        assert!(given < 1000, "the disk does not fill");
    };
    assert_eq!(first, refused("error", "internal_error"));
    for ask in [
        read(&["a"]),
        request("read", "tool", json!({ "match": "prefix", "targets": ["a"] })),
        request("search", "tool", json!({})),
        write("a", "other"),
        request("delete", "tool", json!({ "targets": ["a"] })),
    ] {
        assert_eq!(client.ask(&ask), refused("error", "internal_error"), "{ask}");
    }
    let mut new = Client::connect(&daemon.socket);
    assert_eq!(new.ask(&read(&["a"])), refused("error", "internal_error"));
    assert!(new.has_ended());
    assert_eq!(daemon.get("/v1/keys").status, 200);
    // With a disk that takes the record, all is as it was.
    world.write("home/.config/ringlet/config.toml", settings);
    assert_eq!(client.ask(&read(&["a"])), found);
}

#[test]
fn a_keychain_that_is_locked_stopped_or_gone_is_an_error_in_time() {
    let mut keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.configure("[credentials]\ntimeout = 0.5\nbackend = \"system-only\"\n");
    let world = served(world);
    let (daemon, mut client) = ready(&world);
    let failed = refused("error", "internal_error");
    let found = results(&[("a", Some("v"))]);
    assert_eq!(client.ask(&write("a", "v")), success());
    let asks = [read(&["a"]), write("b", "w"), request("search", "tool", json!({}))];
    let keys = |daemon: &Daemon| {
        let answer = daemon.get("/v1/keys");
        (answer.status, answer.code())
    };
    keyring.lock();
    for ask in &asks {
        assert_eq!(client.ask(ask), failed, "locked: {ask}");
    }
    assert_eq!(keys(&daemon), (503, "keychain_locked".into()));
    assert_eq!(daemon.get("/v1/status").json()["keychain"]["state"], "locked");
    keyring.restart();
    assert_eq!(client.ask(&read(&["a"])), found);
    keyring.stop_service();
    // More than may ask at once, and none holds up what needs no keychain.
    let mut many: Vec<Client> = (0..20).map(|_| Client::connect(&daemon.socket)).collect();
    many.iter_mut().for_each(|client| client.send(format!("{}\n", read(&["a"]))));
    assert_eq!(daemon.get("/v1/health").status, 200);
    assert_eq!(daemon.get("/v1/profiles").status, 200);
    for client in &mut many {
        assert_eq!(client.answer(), failed);
    }
    assert_eq!(keys(&daemon), (503, "keychain_failed".into()));
    keyring.restart();
    for client in &mut many {
        assert_eq!(client.ask(&read(&["a"])), found);
    }
    keyring.kill_service();
    for ask in &asks {
        assert_eq!(client.ask(ask), failed, "gone: {ask}");
    }
    assert_eq!(keys(&daemon), (503, "keychain_absent".into()));
    keyring.start_service(Some(b"the keyring's password"));
    assert_eq!(client.ask(&read(&["a"])), found);
    keyring.kill_bus();
    assert_eq!(client.ask(&read(&["a"])), failed);
    assert_eq!(daemon.get("/v1/health").status, 200);
}

#[test]
fn a_batch_that_fails_leaves_everything_as_it_was() {
    let world = served(World::new());
    register_this(&world, ALL);
    // The limit on a file's size stands for the full disk: it bites root, too.
    let mut command = world.process("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh", RINGLET]);
    let daemon = Daemon::start_by(&world, command);
    let mut client = Client::connect(&daemon.socket);
    let noted = json!({ "targets": ["noted"], "values": ["1"], "attributes": { "note": "mine" } });
    assert_eq!(client.ask(&write("plain", "1")), success());
    assert_eq!(client.ask(&request("write", "tool", noted)), success());
    let all = request("read", "tool", json!({ "match": "prefix", "targets": ["plain", "noted", "new", "big"] }));
    let before = client.ask(&all);
    assert_eq!(before["results"].as_array().map(Vec::len), Some(2));
    for attributes in [json!({}), json!({ "note": "theirs" })] {
        let big = "x".repeat(40_000);
        let batch = json!({
            "targets": ["plain", "noted", "new", "big"], "values": ["2", "2", "2", big], "attributes": attributes,
        });
        assert_eq!(client.ask(&request("write", "tool", batch)), refused("error", "internal_error"));
        assert_eq!(client.ask(&all), before);
    }
    let log = world.read("home/.local/state/ringlet/audit.jsonl");
    assert!(log.contains("cannot be written") && !log.contains("not put back"), "{log}");
}

#[test]
fn a_key_that_is_stored_and_not_listed_is_taken_back_from_the_keychain() {
    let keyring = Keyring::start(State::Unlocked);
    let world = served(World::on(&keyring));
    let daemon = Daemon::start(&world);
    register_this(&world, &["--read", "ringlet", "--write", "ringlet"]);
    let mut client = Client::connect(&daemon.socket);
    // The list of names cannot be written where a folder has its place.
    let list = world.path("home/.local/state/ringlet/names");
    fs::create_dir_all(list.join("in the way")).expect("a folder");
    let batch = request("write", "ringlet", json!({ "targets": ["anthropic/a", "anthropic/b"], "values": ["1", "2"] }));
    assert_eq!(client.ask(&batch), refused("error", "internal_error"));
    for name in ["anthropic/a", "anthropic/b"] {
        assert_eq!(keyring.secret_tool_lookup(&["service", "ringlet", "username", name]), None, "{name}");
    }
    fs::remove_dir_all(list).expect("removed");
    assert_eq!(client.ask(&batch), success());
    assert_eq!(
        keyring.secret_tool_lookup(&["service", "ringlet", "username", "anthropic/b"]).as_deref(),
        Some(&b"2"[..])
    );
}

#[test]
fn garbage_ends_its_own_connection_alone() {
    let world = served(World::new());
    let (daemon, mut other) = ready(&world);
    let mut state = 1u32;
    for _ in 0..50 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(300)
        .collect();
        let mut client = Client::connect(&daemon.socket);
        client.send([&bytes[..], b"\n"].concat());
        let start = Instant::now();
        assert_eq!(client.answer(), refused("error", "malformed_request"));
        assert!(client.has_ended() && start.elapsed() < DEADLINE);
    }
    assert_eq!(other.ask(&write("a", "v")), success());
    daemon.signal(Signal::TERM);
}
