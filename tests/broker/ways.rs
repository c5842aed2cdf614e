//! Every way to start an agent whose key the broker holds, and what a launch does to the next one.

use super::upstream::Upstream;
use super::{Running, agent, brokered, counted, launch, said, sum, wait_for_end, world_with};
use crate::common::world::{KEY, RINGLET, World, finish};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::time::Duration;

#[test]
fn profiles_run_and_shims_give_the_broker_too() {
    let upstream = Upstream::plain();
    let world = brokered(&upstream, "say(status=post()[0], words=sys.argv[1:], token=TOKEN)");
    world.run(&["shims", "install", "claude"]).ok();
    let shim = world.path("home/.local/state/ringlet/shims/claude");
    let by_shim = finish(world.process(&shim).args(["-p", "hi"]).current_dir(world.project()));
    for done in [world.run(&["profiles", "run", "work", "--", "-p", "hi"]), by_shim] {
        let all = said(done);
        assert_eq!((&all[0]["status"], &all[0]["words"]), (&200.into(), &json!(["-p", "hi"])));
        assert_ne!(all[0]["token"], KEY);
    }
    let seen = upstream.seen();
    assert!(seen.len() == 2 && seen.iter().all(|request| request.all("x-api-key") == [KEY]));
}

#[test]
fn a_launch_below_another_one_has_a_broker_of_its_own() {
    let upstream = Upstream::plain();
    let script = "if len(sys.argv) == 1:\n\
                  \x20   say(who='outer', status=post()[0], token=TOKEN)\n\
                  \x20   subprocess.run(['ringlet', 'exec', 'claude', '--', TOKEN])\n\
                  \x20   say(who='outer again', status=post()[0])\n\
                  else:\n\
                  \x20   say(who='inner', status=post()[0], token=TOKEN, theirs=post(headers={'x-api-key': sys.argv[1]})[0])";
    let world = brokered(&upstream, script);
    world.link_ringlet();
    let all = said(launch(&world));
    let got: Vec<_> = all.iter().map(|said| (said["who"].as_str().expect("a name"), said["status"].clone())).collect();
    assert_eq!(got, [("outer", 200.into()), ("inner", 200.into()), ("outer again", 200.into())]);
    assert_ne!(all[0]["token"], all[1]["token"]);
    assert_eq!(all[1]["theirs"], 401, "the token of another launch");
}

#[test]
fn a_limit_holds_for_two_launches_that_live_at_once() {
    let upstream = Upstream::plain();
    let world = world_with(&upstream, "", "while sys.stdin.readline(): say(status=post()[0])");
    world.configure("[scope.\"anthropic/work\"]\nrequests-per-day = 3\n");
    let mut launches = [Running::start(&world), Running::start(&world)];
    for (which, status) in [(0, 200), (1, 200), (0, 200), (1, 400), (0, 400)] {
        launches[which].tell("\n");
        assert_eq!(launches[which].line()["status"], status);
    }
    for running in &mut launches {
        drop(running.child.stdin.take());
        assert!(running.child.wait().expect("a child").success());
    }
    assert_eq!(upstream.seen().len(), 3);
}

#[test]
fn a_day_of_the_counts_ends_where_the_user_lives() {
    let upstream = Upstream::plain();
    let mut world = brokered(&upstream, "say(status=post()[0])");
    // In one of these it is another day than in the other, at any time.
    for zone in ["Etc/GMT-14", "Etc/GMT+12"] {
        world.set("TZ", zone);
        let today = || Timestamp::now().to_zoned(TimeZone::get(zone).expect("a zone")).date().to_string();
        let days = loop {
            let before = today();
            assert_eq!(said(launch(&world))[0]["status"], 200);
            // Unless midnight came in between.
            if before == today() {
                break before;
            }
        };
        assert!(world.path("home/.local/state/ringlet/usage").join(&days).is_dir(), "{zone} {days}");
    }
    let days = std::fs::read_dir(world.path("home/.local/state/ringlet/usage")).expect("listed").count();
    assert_eq!(days, 2);
    assert_eq!(sum(&counted(&world), "requests"), 2);
}

/// An agent that closes itself to other processes of its user.
const CLOSED: &str = "title = \"Mine\"\ncommand = \"mine\"\nprovider = \"anthropic\"\n[broker]\nhidden = true\n\
    [[api]]\nprotocol = \"anthropic\"\nkey = \"ANTHROPIC_API_KEY\"\nbase-url = \"ANTHROPIC_BASE_URL\"\n";

fn closed(upstream: &Upstream, definition: &str) -> World {
    let close = "import ctypes\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\nstatus, _, body = post()\n\
                 say(status=status, body=body.decode())";
    let world = world_with(upstream, "", close);
    world.write("home/.config/ringlet/agents/mine.toml", definition);
    std::fs::rename(world.path("bin/claude"), world.path("bin/mine")).expect("renamed");
    let endpoint = format!("endpoint = \"{}\"\n", upstream.url());
    world.profile(
        "work",
        &format!("agent = \"mine\"\nprovider = \"anthropic\"\n{endpoint}delivery = \"broker\"\n[provider-config]\nkey-alias = \"work\"\n"),
    );
    world
}

fn as_a_plain_user(world: &World, arguments: &[&str]) -> crate::common::world::Done {
    const NOBODY: u32 = 65534;
    let mut command = world.process(world.path("bin/ringlet"));
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    finish(command.args(arguments))
}

#[test]
fn an_agent_that_closes_itself_is_brokered_for_root_alone_and_refused_with_the_reason() {
    let upstream = Upstream::plain();
    let world = closed(&upstream, CLOSED);
    if rustix::process::geteuid().is_root() {
        assert_eq!(said(world.run(&["exec", "--profile", "work", "mine"]))[0]["status"], 200);
    }
    hand_over(&world);
    as_a_plain_user(&world, &["exec", "--profile", "work", "mine"])
        .fails(125, &["closes itself to other processes of its user, so only root can tell its requests"]);
    // One that does so unannounced is told what helps.
    let world = closed(&upstream, &CLOSED.replace("hidden = true\n", ""));
    hand_over(&world);
    let all = said(as_a_plain_user(&world, &["exec", "--profile", "work", "mine"]));
    assert_eq!(all[0]["status"], 403);
    let body = all[0]["body"].as_str().expect("text");
    assert!(
        body.contains("closes itself to other processes") && body.contains("`delivery = \\\"direct\\\"`"),
        "{body}"
    );
}

/// Gives the world a ringlet of its own.
fn copy_ringlet(world: &World) {
    // By another process: what this one has open for writing, a child that another test starts at that moment holds
    // open too, and then it cannot be executed.
    let mut copy = std::process::Command::new("cp");
    copy.arg("--remove-destination").arg(RINGLET).arg(world.path("bin/ringlet"));
    assert!(copy.status().expect("cp").success());
    world.chmod(&world.path("bin/ringlet"), 0o755);
}

/// Lets a plain user start what root has written.
fn hand_over(world: &World) {
    copy_ringlet(world);
    if rustix::process::geteuid().is_root() {
        world.chmod(&world.path(""), 0o755);
        let chown = std::process::Command::new("chown").args(["-R", "65534:65534"]).arg(world.path("")).status();
        assert!(chown.expect("chown").success());
    }
}

/// Waits for the end of a connection, whatever comes before; `false` if it does not end.
fn ends(mut stream: &std::net::TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let mut part = vec![0; 1 << 16];
    loop {
        match stream.read(&mut part) {
            Ok(1..) => {}
            Ok(0) => return true,
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn a_hang_up_is_seen_behind_further_bytes_and_in_an_upload_that_the_provider_does_not_take() {
    for (what, after) in [
        ("another request waits", "head % (TOKEN, 2) + b'{}' + head % (TOKEN, 2) + b'{}'"),
        ("half a request waits", "head % (TOKEN, 2) + b'{}POST /v1/mess'"),
        ("the upload stands still", "head % (TOKEN, 1 << 30) + b'x' * (8 << 20)"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = listener.local_addr().expect("an address").port();
        let script = format!(
            "TOKEN = TOKEN.encode()\n\
             head = b'POST /v1/messages HTTP/1.1\\r\\nhost: a\\r\\nx-api-key: %s\\r\\ncontent-length: %d\\r\\n\\r\\n'\n\
             stream = connect()\n\
             stream.settimeout(1)\n\
             try:\n\
             \x20   stream.sendall({after})\n\
             except TimeoutError:\n\
             \x20   pass\n\
             sys.stdin.readline()\n\
             stream.close()\n\
             say(closed=True)\n\
             sys.stdin.readline()"
        );
        let world = brokered(&Upstream::plain(), &script);
        let endpoint = format!("endpoint = \"http://127.0.0.1:{port}\"\n");
        world.profile(
            "work",
            &format!("agent = \"claude\"\nprovider = \"anthropic\"\n{endpoint}delivery = \"broker\"\n[provider-config]\nkey-alias = \"work\"\n"),
        );
        let mut running = Running::start(&world);
        let (mut stream, _) = listener.accept().expect("the broker comes");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        running.tell("\n");
        running.line();
        assert!(ends(&stream), "{what}");
        let sidecar = running.sidecar();
        running.tell("\n");
        assert!(running.child.wait().expect("a child").success());
        wait_for_end(sidecar);
    }
}

#[test]
fn a_path_that_is_too_long_for_a_socket_leads_to_an_address() {
    let upstream = Upstream::plain();
    let mut world = brokered(&upstream, "say(status=post()[0], socket=SOCKET)");
    super::with_socket(&world);
    let all = said(launch(&world));
    assert!(all[0]["socket"].is_string(), "{all:?}");
    let long = world.path("r".repeat(100));
    std::fs::create_dir_all(&long).expect("made");
    world.chmod(&long, 0o700);
    world.set("XDG_RUNTIME_DIR", long.as_os_str());
    let all = said(launch(&world));
    assert_eq!(all[0], json!({ "status": 200, "socket": null }));
}

#[test]
fn the_log_says_who_has_had_the_key_and_which_launch_it_was() {
    let upstream = Upstream::plain();
    let world = brokered(&upstream, "post()\nsay(pid=os.getpid())\nsys.stdin.readline()");
    let mut running = Running::start(&world);
    let pid = running.line()["pid"].clone();
    let sidecar = running.sidecar();
    running.tell("\n");
    assert!(running.child.wait().expect("a child").success());
    wait_for_end(sidecar);
    let log = world.read("home/.local/state/ringlet/audit.jsonl");
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |action: &str| lines.iter().find(|line| line["action"] == action).expect("a line").clone();
    assert_eq!(of("lookup")["reason"], "for the launch's broker");
    assert_eq!((&of("lookup")["pid"], &of("spend")["pid"]), (&pid, &pid));
}

/// Continue takes its base URL from a file of settings alone.
#[test]
fn an_agent_that_follows_no_variable_is_led_by_a_file_of_settings_that_holds_no_secret() {
    let upstream = Upstream::plain();
    let script = "settings = sys.argv[sys.argv.index('--config') + 1]\n\
                  twice = [open(settings).read() for _ in range(2)]\n\
                  base = [line.split('\"')[1] for line in twice[1].splitlines() if 'apiBase' in line][0]\n\
                  HERE = urllib.parse.urlsplit(base)\n\
                  connection = http.client.HTTPConnection(HERE.hostname, HERE.port)\n\
                  connection.request('POST', HERE.path + '/messages', '{}', {'x-api-key': os.environ['RINGLET_API_KEY']})\n\
                  say(status=connection.getresponse().status, text=twice[0], same=twice[0] == twice[1], words=sys.argv[1:])";
    let mut world = world_with(&upstream, "", "");
    world.set("ANTHROPIC_BASE_URL", "http://127.0.0.1:1");
    world.set("ANTHROPIC_AUTH_TOKEN", "a token of another tool");
    agent(&world, script);
    std::fs::rename(world.path("bin/claude"), world.path("bin/cn")).expect("renamed");
    let profile = |more: &str| {
        let endpoint = format!("endpoint = \"{}\"\n", upstream.url());
        world.profile(
            "work",
            &format!("agent = \"continue\"\nprovider = \"anthropic\"\n{endpoint}delivery = \"broker\"\n{more}[provider-config]\nkey-alias = \"work\"\n"),
        );
    };
    let start = |words: &[&str]| world.run(&[&["exec", "--profile", "work", "cn", "--"], words].concat());
    profile("model = \"m: x\"\n");
    let all = said(start(&["-p", "hi"]));
    assert_eq!((&all[0]["status"], &all[0]["same"]), (&200.into(), &true.into()), "{all:?}");
    let text = all[0]["text"].as_str().expect("text");
    assert!(text.contains("model: \"m: x\"") && text.contains("/v1\"") && !text.contains(KEY), "{text}");
    assert_eq!(all[0]["words"][2], "-p");
    assert_eq!(upstream.seen()[0].all("x-api-key"), [KEY]);
    for words in [&["--config", "my.yaml"][..], &["-p", "hi", "--config=my.yaml"]] {
        start(words).fails(125, &["is given settings of its own by `--config` or `config-dir`"]);
    }
    profile("model = \"m\"\nconfig-dir = \"~/.cn\"\n");
    start(&[]).fails(125, &["is given settings of its own"]);
    profile("");
    start(&[]).fails(125, &["the profile must have a `model`"]);
}

/// The sidecars of the world's own ringlet.
fn sidecars(world: &World) -> Vec<u32> {
    let own = world.path("bin/ringlet").into_os_string().into_encoded_bytes();
    let entries = std::fs::read_dir("/proc").expect("listed").map(|entry| entry.expect("readable"));
    let is_one = |entry: &std::fs::DirEntry| {
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        words.starts_with(&[&own[..], b"\0broker\0"].concat())
    };
    entries.filter(is_one).filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

#[test]
fn a_launch_that_is_killed_before_it_becomes_the_agent_leaves_no_sidecar_and_no_socket() {
    let upstream = Upstream::plain();
    for has_socket in [false, true] {
        let world = brokered(&upstream, "say(started=True)");
        copy_ringlet(&world);
        if has_socket {
            super::with_socket(&world);
        }
        // The second program that the process itself becomes is the agent.
        let mut command = world.process("strace");
        command.args(["-o", "/dev/null", "-e", "trace=execve", "-e", "inject=execve:signal=KILL:when=2"]);
        let done = finish(command.arg(world.path("bin/ringlet")).args(["exec", "claude"]));
        assert!(done.status != Some(0) && done.stdout.is_empty(), "{done:?}");
        sidecars(&world).into_iter().for_each(wait_for_end);
        if has_socket {
            assert_eq!(super::sockets(&world), Vec::<std::path::PathBuf>::new());
        }
        assert!(world.read("home/.local/state/ringlet/audit.jsonl").contains("\"lookup\""), "it had the key");
    }
}

#[test]
fn a_sidecar_without_free_descriptors_goes_on_once_there_are_some() {
    let upstream = Upstream::plain();
    // The sidecar needs two for each connection, and the agent one.
    let script = "idle = [connect() for _ in range(36)]\n\
                  say(idle=len(idle))\n\
                  for connection in idle: connection.close()\n\
                  say(status=post()[0])";
    let world = brokered(&upstream, script);
    let mut command = world.process("sh");
    command.args(["-c", "ulimit -n 48 && exec \"$0\" exec claude"]).arg(RINGLET);
    let all = said(finish(&mut command));
    assert_eq!(all[1]["status"], 200, "{all:?}");
}
