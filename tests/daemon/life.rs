//! The daemon from its start to its end: one for each user, what a killed one leaves, its socket and its files.

use crate::common::daemon::{
    ALL, Client, DEADLINE, Daemon, read, refused, register_this, results, run_file, runtime, served, success, write,
};
use crate::common::keyring::{Keyring, State};
use crate::common::world::{RINGLET, World};
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Instant;

/// Ends a daemon that `start` left running.
struct Ends<'a>(&'a World);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.run(&["daemon", "stop"]);
    }
}

#[test]
fn start_returns_when_it_answers_and_stop_when_it_has_gone() {
    let world = served(World::new());
    world.run(&["daemon", "status"]).fails(1, &["the daemon is not running", "ringlet daemon start"]);
    world.run(&["daemon", "stop"]).fails(1, &["the daemon is not running"]);
    let _ends = Ends(&world);
    let done = world.run(&["daemon", "start"]);
    assert!(done.stderr.contains("the daemon answers at ") && done.stderr.contains("daemon.log"), "{done:?}");
    done.ok();
    register_this(&world, ALL);
    let socket = runtime(&world).join("agent.sock");
    assert_eq!(Client::connect(&socket).ask(&write("a", "v")), success());
    let run = run_file(&world);
    let pid = run["pid"].as_u64().expect("a number");
    world.run(&["daemon", "start"]).fails(1, &[&format!("running already, as process {pid}")]);
    let text = world.run(&["daemon", "status"]).ok();
    for word in [&format!("{pid}, since "), "agent.sock", "http://127.0.0.1:", "keychain", "ready", "daemon.json"] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    let this = std::env::current_exe().expect("known");
    assert!(
        text.contains(&format!("{}: may read tool; write and delete in tool; list names", this.display())),
        "{text}"
    );
    let json: Value = serde_json::from_str(&world.run(&["daemon", "status", "--json"]).ok()).expect("JSON");
    assert_eq!((&json["pid"], &json["keychain"]["state"], &json["pending"]), (&pid.into(), &"ready".into(), &0.into()));
    let done = world.run(&["daemon", "stop"]);
    assert!(done.stderr.contains(&format!("process {pid}, has ended")), "{done:?}");
    done.ok();
    assert!(!socket.exists() && !runtime(&world).join("daemon.json").exists());
    let log = world.path("home/.local/state/ringlet/daemon.log");
    assert_eq!(fs::metadata(&log).expect("there").permissions().mode() & 0o777, 0o600);
    let log = fs::read_to_string(log).expect("readable");
    assert!(log.contains("started, process") && log.contains("SIGTERM: ending"), "{log}");
    // And again.
    world.run(&["daemon", "start"]).ok();
    world.run(&["daemon", "stop"]).ok();
}

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing() {
    let world = World::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("known").port();
    world.configure(&format!("[daemon]\nport = {port}\n"));
    let says = format!("cannot listen on 127.0.0.1:{port}");
    for arguments in [&["daemon", "start"][..], &["daemon", "start", "--foreground"]] {
        world.run(arguments).fails(1, &[&says, "hint: end what listens there"]);
        assert!(!runtime(&world).join("agent.sock").exists(), "a socket is left");
        assert!(!runtime(&world).join("daemon.json").exists());
        world.run(&["daemon", "status"]).fails(1, &["the daemon is not running"]);
    }
    let world = served(World::new());
    world.configure("[audit]\nenabled = yes\n");
    world.run(&["daemon", "start"]).fails(1, &["config.toml:6:11"]);
    let world = served(World::new());
    world.write("home/.config/ringlet/daemon.json", "{\n  \"protocol_version\": 1\n}\n");
    world.run(&["daemon", "start"]).fails(1, &["daemon.json: line 2, column "]);
    let world = served(World::new());
    world.configure("[audit]\npath = \"/proc/nowhere/log\"\n");
    world.run(&["daemon", "start"]).fails(1, &["/proc/nowhere"]);
}

#[test]
fn each_start_makes_a_new_token_whatever_lies_in_its_place() {
    let world = served(World::new());
    let mut before = "a".repeat(64);
    for (mode, content) in [(0o640, before.clone()), (0o600, String::new()), (0o600, "short".into())] {
        let file = world.write("home/.config/ringlet/http_token", content);
        world.chmod(&file, mode);
        let daemon = Daemon::start(&world);
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        let token = daemon.token();
        assert!(token.len() == 64 && token != before);
        assert_eq!(daemon.get("/v1/status").status, 200);
        before = token;
    }
    // A start that fails leaves the token of the daemon that runs.
    let daemon = Daemon::start(&world);
    let token = daemon.token();
    world.run(&["daemon", "start"]).fails(1, &["running already"]);
    assert_eq!(daemon.token(), token);
}

#[test]
fn a_leftover_is_recognised_and_what_is_none_stays() {
    let world = served(World::new());
    let mut daemon = Daemon::start(&world);
    daemon.signal(Signal::KILL);
    daemon.end();
    assert!(daemon.socket.exists() && runtime(&world).join("daemon.json").exists());
    world.run(&["daemon", "status"]).fails(1, &["the daemon is not running"]);
    world.run(&["daemon", "stop"]).fails(1, &["the daemon is not running"]);
    drop(Daemon::start(&world));
    let at = world.path("run/mine.sock");
    let text = at.to_str().expect("UTF-8");
    let refused = |says: &str| {
        world.run(&["daemon", "start", "--socket", text]).fails(1, &["the socket ", "mine.sock", says, "--socket"]);
    };
    fs::write(&at, "a file").expect("written");
    refused("something that is no socket has this name");
    assert_eq!(fs::read_to_string(&at).expect("readable"), "a file");
    fs::remove_file(&at).expect("removed");
    std::os::unix::fs::symlink(world.path("elsewhere"), &at).expect("linked");
    refused("something that is no socket has this name");
    fs::remove_file(&at).expect("removed");
    let other = UnixListener::bind(&at).expect("bound");
    refused("another program listens there");
    // One that has more to do than it can take is no leftover either, and is not waited for.
    rustix::net::listen(&other, 0).expect("listens");
    let mut waiting = Vec::new();
    while ringlet::testing::has_listener(&at).is_ok_and(|there| there) && waiting.len() < 3 {
        waiting.push(rustix::net::socket_with(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::STREAM,
            rustix::net::SocketFlags::NONBLOCK,
            None,
        ));
        let address = rustix::net::SocketAddrUnix::new(&at).expect("an address");
        let _ = rustix::net::connect(waiting.last().expect("pushed").as_ref().expect("a socket"), &address);
    }
    refused("another program listens there");
    assert!(fs::symlink_metadata(&at).expect("there").file_type().is_socket());
    drop(other);
    // Nobody listens there any more.
    let _ends = Ends(&world);
    world.run(&["daemon", "start", "--socket", text]).ok();
    assert!(UnixStream::connect(&at).is_ok());
    assert_eq!(run_file(&world)["socket"], text);
    let open = world.path("open");
    fs::create_dir(&open).expect("a folder");
    world.chmod(&open, 0o777);
    world.run(&["daemon", "stop"]).ok();
    let text = open.join("a.sock");
    world
        .run(&["daemon", "start", "--socket", text.to_str().expect("UTF-8")])
        .fails(1, &["its folder can be written by others"]);
    let long = world.path("run").join("x".repeat(120));
    world.run(&["daemon", "start", "--socket", long.to_str().expect("UTF-8")]).fails(1, &["the socket "]);
    assert!(!runtime(&world).join("daemon.json").exists());
}

#[test]
fn a_socket_is_named_relative_to_where_it_is_asked_for() {
    let world = served(World::new());
    let _ends = Ends(&world);
    world.run(&["daemon", "start", "--socket", "here.sock"]).ok();
    assert!(UnixStream::connect(world.project().join("here.sock")).is_ok());
    world.run(&["daemon", "stop"]).ok();
    world.configure("socket = \"~/there/a.sock\"\n");
    world.run(&["daemon", "start"]).ok();
    assert!(UnixStream::connect(world.path("home/there/a.sock")).is_ok());
}

#[test]
fn those_who_ask_at_once_are_not_taken_for_a_daemon() {
    let world = served(World::new());
    std::thread::scope(|scope| {
        let asks: Vec<_> = (0..12).map(|_| scope.spawn(|| world.run(&["daemon", "status"]))).collect();
        for ask in asks {
            ask.join().expect("no panic").fails(1, &["the daemon is not running"]);
        }
    });
    // Of many that start only one does.
    let _ends = Ends(&world);
    let started = std::thread::scope(|scope| {
        let all: Vec<_> = (0..6).map(|_| scope.spawn(|| world.run(&["daemon", "start"]).status)).collect();
        all.into_iter().filter(|_| true).map(|one| one.join().expect("no panic")).filter(|it| *it == Some(0)).count()
    });
    assert_eq!(started, 1);
}

#[test]
fn sigterm_lets_a_running_request_end() {
    let world = served(World::new());
    let mut daemon = Daemon::start(&world);
    register_this(&world, ALL);
    let mut client = Client::connect(&daemon.socket);
    assert_eq!(client.ask(&write("a", "old")), success());
    // The write is recorded, and then waits for the lock on the file.
    let lock = File::options().write(true).open(world.path("home/.config/ringlet/services.toml.lock")).expect("a lock");
    lock.lock().expect("locked");
    client.send(format!("{}\n", write("a", "new")));
    let start = Instant::now();
    while world.read("home/.local/state/ringlet/audit.jsonl").matches("\"write\"").count() < 2 {
        assert!(start.elapsed() < DEADLINE);
    }
    daemon.signal(Signal::TERM);
    daemon.wait_until_it_says("SIGTERM: ending");
    drop(lock);
    assert_eq!(client.answer(), success());
    assert!(client.has_ended());
    assert_eq!(daemon.end().code(), Some(0));
    assert!(!daemon.socket.exists() && !runtime(&world).join("daemon.json").exists());
    assert!(world.read("home/.config/ringlet/services.toml").contains("\"new\""));
}

#[test]
fn what_another_put_in_its_sockets_place_stays_at_its_end() {
    let world = served(World::new());
    let mut daemon = Daemon::start(&world);
    daemon.signal(Signal::HUP);
    fs::remove_file(&daemon.socket).expect("removed");
    let _other = UnixListener::bind(&daemon.socket).expect("bound");
    daemon.signal(Signal::INT);
    assert_eq!(daemon.end().code(), Some(0));
    assert!(daemon.socket.exists());
}

/// Hands sockets over as systemd does: from descriptor 3 on, named to this very process.
const LAUNCHER: &str = "import os, socket, sys
unix = socket.socket(socket.AF_UNIX)
unix.bind(sys.argv[1])
tcp = socket.socket()
tcp.bind((sys.argv[2], 0))
given = [unix, tcp]
spare = [os.dup(one.fileno()) for one in given]
spare = [os.dup2(one, 20 + at) for at, one in enumerate(spare)]
for at, one in enumerate(given):
    one.listen()
for at in range(len(given)):
    os.dup2(20 + at, 3 + at)
    os.set_inheritable(3 + at, True)
os.environ['LISTEN_FDS'] = str(len(given))
os.environ['LISTEN_PID'] = str(os.getpid())
os.execv(sys.argv[3], sys.argv[3:])
";

#[test]
fn sockets_that_are_handed_over_are_used_and_left() {
    let world = served(World::new());
    register_this(&world, ALL);
    let at = world.path("run/given.sock");
    let launcher = |host: &str| {
        let mut command = world.process("/usr/bin/python3");
        command.args(["-c", LAUNCHER]).arg(&at).args([host, RINGLET]);
        command
    };
    let mut daemon = Daemon::start_by(&world, launcher("127.0.0.1"));
    assert_eq!(daemon.socket, at);
    assert_eq!(Client::connect(&at).ask(&write("a", "v")), success());
    assert_eq!(daemon.get("/v1/health").status, 200);
    assert!(!runtime(&world).join("agent.sock").exists());
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().code(), Some(0));
    assert!(at.exists());
    fs::remove_file(&at).expect("removed");
    // A socket that other machines could reach is not taken.
    let mut command = launcher("0.0.0.0");
    let done = crate::common::world::finish(command.args(["daemon", "start", "--foreground"]));
    done.fails(1, &["cannot listen on 0.0.0.0:", "open to other machines"]);
}

#[test]
fn it_starts_before_there_is_a_keychain_and_uses_it_from_when_there_is_one() {
    let mut keyring = Keyring::start(State::Absent);
    let world = World::on(&keyring);
    world.configure("[credentials]\nbackend = \"system-only\"\n");
    let world = served(world);
    let daemon = Daemon::start(&world);
    register_this(&world, ALL);
    let mut client = Client::connect(&daemon.socket);
    assert_eq!(client.ask(&read(&["a"])), refused("error", "internal_error"));
    assert_eq!(daemon.get("/v1/health").status, 200);
    assert_eq!(daemon.get("/v1/status").json()["keychain"]["state"], "absent");
    let keys = daemon.get("/v1/keys");
    assert_eq!((keys.status, keys.code().as_str()), (503, "keychain_absent"));
    keyring.start_service(Some(b"the keyring's password"));
    assert_eq!(client.ask(&write("a", "v")), success());
    assert_eq!(client.ask(&read(&["a"])), results(&[("a", Some("v"))]));
    assert_eq!(keyring.secret_tool_lookup(&["service", "tool", "username", "a"]).as_deref(), Some(&b"v"[..]));
    assert_eq!(daemon.get("/v1/status").json()["keychain"]["state"], "ready");
    assert_eq!(daemon.get("/v1/keys").json()["keys"], Value::Array(vec![]));
}

#[test]
fn without_a_bus_the_names_in_the_file_are_shown_and_an_empty_file_is_no_keychain() {
    let mut world = World::bare();
    world.set("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", world.path("run/nowhere").display()));
    let world = served(world);
    let daemon = Daemon::start(&world);
    let keys = daemon.get("/v1/keys");
    assert_eq!((keys.status, keys.code().as_str()), (503, "keychain_absent"));
    world.store_key("anthropic/work", "sk-1");
    assert_eq!(daemon.get("/v1/keys").json()["keys"], serde_json::json!(["anthropic/work"]));
}

#[test]
fn settings_that_are_wrong_leave_the_last_good_ones_in_force() {
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    register_this(&world, ALL);
    let mut client = Client::connect(&daemon.socket);
    assert_eq!(client.ask(&write("a", "v")), success());
    let file = "home/.config/ringlet/config.toml";
    let good = world.read(file);
    world.write(file, format!("{good}[audit]\nkeep = 0\n"));
    // Before anybody asks.
    daemon.wait_until_it_says("config.toml:6:8");
    assert_eq!(client.ask(&read(&["a"])), results(&[("a", Some("v"))]));
    let problem = daemon.get("/v1/status").json()["config"]["problem"].as_str().expect("a problem").to_owned();
    assert!(problem.contains("config.toml:6:8"), "{problem}");
    let text = world.run(&["daemon", "status"]);
    // The command reads the settings, too, and what it says of them is enough.
    assert!(format!("{text:?}").contains("config.toml:6:8"), "{text:?}");
    // An empty one is one that is being written; without one the usual settings hold.
    world.write(file, "");
    let problem = daemon.get("/v1/status").json()["config"]["problem"].as_str().expect("a problem").to_owned();
    assert!(problem.contains("is empty"), "{problem}");
    assert_eq!(client.ask(&read(&["a"])), results(&[("a", Some("v"))]));
    world.write(file, &good);
    assert_eq!(daemon.get("/v1/status").json()["config"]["problem"], Value::Null);
    assert_eq!(client.ask(&read(&["a"])), results(&[("a", Some("v"))]));
}
