//! The broker: the agent alone can spend the key, and its requests pass as they are.

mod protocols;
pub(crate) mod upstream;
mod ways;

use crate::common::world::{Done, KEY, RINGLET, World, finish};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use upstream::{Upstream, answer};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/broker");

/// A stand-in `claude` that runs a Python script.
fn agent(world: &World, script: &str) {
    let head = format!("#!/usr/bin/env python3\nimport sys\nsys.path.insert(0, {SCRIPTS:?})\n");
    world.program("claude", &format!("{head}from agent import *\n{script}\n"));
}

/// A world whose profile sends the agent to an upstream, with this line about the delivery.
fn world_with(upstream: &Upstream, delivery: &str, script: &str) -> World {
    let mut world = World::new();
    // The scripts are the repository's own files.
    world.set("PYTHONDONTWRITEBYTECODE", "1");
    world.configure("[audit]\nenabled = true\n");
    agent(&world, script);
    world.store_key("anthropic/work", KEY);
    let endpoint = format!("endpoint = \"{}\"\n", upstream.url());
    world.profile(
        "work",
        &format!("agent = \"claude\"\nprovider = \"anthropic\"\n{endpoint}{delivery}\n[provider-config]\nkey-alias = \"work\"\n"),
    );
    world.allow("profile = \"work\"\n");
    world
}

fn brokered(upstream: &Upstream, script: &str) -> World {
    world_with(upstream, "delivery = \"broker\"", script)
}

fn launch(world: &World) -> Done {
    world.run(&["exec", "claude"])
}

fn launch_of(world: &World, agent: &str) -> Done {
    world.run(&["exec", "--profile", "work", agent])
}

/// What the script has said, a JSON object a line.
fn said(done: Done) -> Vec<Value> {
    let text = done.ok();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {text}"))).collect()
}

/// An agent that runs, and says lines.
struct Running {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Running {
    fn start(world: &World) -> Self {
        let mut command = world.process(RINGLET);
        command.args(["exec", "claude"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("ringlet starts");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, lines }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("read");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line:?}"))
    }

    fn tell(&mut self, text: &str) {
        self.child.stdin.as_mut().expect("piped").write_all(text.as_bytes()).expect("written");
    }

    /// The sidecar's number.
    fn sidecar(&self) -> u32 {
        sidecars_of(self.child.id()).first().copied().expect("a sidecar")
    }
}

pub(crate) fn sidecars_of(pid: u32) -> Vec<u32> {
    let wanted = ["broker".to_owned(), "--of".to_owned(), pid.to_string()];
    let words = |entry: &fs::DirEntry| {
        let text = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        text.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>()
    };
    let entries = fs::read_dir("/proc").expect("listed").map(|entry| entry.expect("readable"));
    let is_one = |entry: &fs::DirEntry| words(entry).windows(3).any(|three| three == wanted);
    entries.filter(is_one).filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn number(pid: u32) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(i32::try_from(pid).expect("a number")).expect("not zero")
}

/// Waits until a process is gone.
pub(crate) fn wait_for_end(pid: u32) {
    let pid = number(pid);
    let Ok(handle) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else { return };
    let mut fds = [rustix::event::PollFd::new(&handle, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut fds, None).expect("polled");
}

/// Everything that another process of the user can read of one: arguments, environment, memory, open files.
fn everything_of(pid: u32) -> Vec<u8> {
    let place = |name: &str| format!("/proc/{pid}/{name}");
    let mut all = fs::read(place("cmdline")).expect("readable");
    all.extend(fs::read(place("environ")).expect("readable"));
    let mut memory = fs::File::open(place("mem")).expect("readable");
    for line in fs::read_to_string(place("maps")).expect("readable").lines().filter(|line| !line.contains("[v")) {
        let mut fields = line.split(' ');
        let (range, mode) = (fields.next().expect("a range"), fields.next().expect("a mode"));
        let (start, end) = range.split_once('-').expect("two ends");
        let number = |text: &str| u64::from_str_radix(text, 16).expect("a number");
        if mode.starts_with("rw") {
            memory.seek(SeekFrom::Start(number(start))).expect("a place");
            let mut part = vec![0; usize::try_from(number(end) - number(start)).expect("a size")];
            if memory.read_exact(&mut part).is_ok() {
                all.extend(part);
            }
        }
    }
    for entry in fs::read_dir(place("fd")).expect("listed") {
        let path = entry.expect("readable").path();
        if path.metadata().is_ok_and(|meta| meta.is_file()) {
            all.extend(fs::read(path).expect("readable"));
        }
    }
    all
}

fn holds(all: &[u8], text: &str) -> bool {
    all.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn the_upstream_gets_the_key_and_the_agent_has_it_nowhere() {
    let upstream = Upstream::plain();
    let script = "answer = post('/v1/messages?beta=true', headers={'Authorization': 'Bearer foreign', 'anthropic-beta': 'a'})\n\
                  say(status=answer[0], body=answer[2].decode(), token=TOKEN)\n\
                  sys.stdin.readline()";
    let world = brokered(&upstream, script);
    let mut running = Running::start(&world);
    let said = running.line();
    let token = said["token"].as_str().expect("a token").to_owned();
    assert_eq!((said["status"].as_u64(), said["body"].as_str()), (Some(200), Some("{\"ok\":true}")));
    assert_eq!(token.len(), 64);
    let all = everything_of(running.child.id());
    assert!(holds(&all, &token), "the search has teeth");
    assert!(!holds(&all, &KEY[8..]), "the key is nowhere in the agent");
    running.tell("\n");
    assert!(running.child.wait().expect("a child").success());

    let seen = upstream.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, "POST /v1/messages?beta=true HTTP/1.1");
    assert_eq!(seen[0].all("x-api-key"), [KEY]);
    assert_eq!(seen[0].all("host"), [format!("127.0.0.1:{}", upstream.port)]);
    assert_eq!(seen[0].all("accept-encoding"), ["identity"]);
    assert_eq!(seen[0].all("anthropic-beta"), ["a"]);
    assert!(seen[0].all("authorization").is_empty(), "{seen:?}");
    assert!(!format!("{seen:?}").contains(&token), "the token goes nowhere: {seen:?}");
}

// The ways in which a tool of the agent may try to spend the key: each prints the status that it was given.
const ATTACKS: &str = r#"
code = "import sys; sys.path.insert(0, %r); from agent import *; print(post()[0])" % sys.path[0]
shell = lambda text: ["sh", "-c", text]
curl = "curl -sS -m 20 -o /dev/null -w '%%{http_code}' -H 'x-api-key: %s' -d '{\"model\":\"m\"}' %s/v1/messages" % (TOKEN, BASE)
import shutil, tempfile
copies = tempfile.mkdtemp()
shutil.copy(shutil.which("curl"), copies + "/claude")
tcp = "exec 3<>/dev/tcp/%s/%d; printf 'POST /v1/messages HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\nx-api-key: %s\\r\\ncontent-length: 2\\r\\n\\r\\n{}' >&3; read -r _ status _ <&3; echo $status" % (HERE.hostname, HERE.port, TOKEN)
me = os.path.abspath(sys.argv[0])
attacks = {
    "curl": shell(curl),
    "curl named claude": shell(copies + "/" + curl.replace("curl", "claude", 1)),
    "argv[0] claude": ["bash", "-c", "exec -a claude " + curl],
    "an orphan": shell("(setsid %s > %s/orphan &) ; while [ ! -s %s/orphan ]; do sleep 0.05; done; cat %s/orphan" % (curl, copies, copies, copies)),
    "the same interpreter": [sys.executable, "-c", code],
    "the same interpreter after exec": shell("exec %s -c '%s'" % (sys.executable, code.replace("'", '"'))),
    "a second agent": [me, "attack"],
    "a second agent after exec": shell("exec %s attack" % me),
    "bash alone": ["bash", "-c", tcp],
}
def run(words):
    return subprocess.run(words, capture_output=True, text=True, env={**os.environ, "ANTHROPIC_API_KEY": TOKEN}).stdout.strip()
"#;

fn attacked(world: &World) -> Vec<Value> {
    let script = format!(
        "if sys.argv[1:] == ['attack']:\n    print(post()[0]); sys.exit()\n{ATTACKS}\n\
         say(before=post()[0])\n\
         for name, words in attacks.items(): say(attack=name, status=run(words))\n\
         say(after=post()[0])"
    );
    agent(world, &script);
    said(launch(world))
}

#[test]
fn no_tool_of_the_agent_can_spend_the_key() {
    let upstream = Upstream::plain();
    let world = brokered(&upstream, "");
    let all = attacked(&world);
    assert_eq!((&all[0]["before"], &all[all.len() - 1]["after"]), (&200.into(), &200.into()), "{all:?}");
    let attacks = &all[1..all.len() - 1];
    assert_eq!(attacks.len(), 9);
    for attack in attacks {
        assert_eq!(attack["status"], "403", "{attack}");
    }
    assert_eq!(upstream.seen().len(), 2, "the agent's own two requests");
    let log = world.read("home/.local/state/ringlet/audit.jsonl");
    let is_refusal = |line: &&str| line.contains("\"spend\"") && !line.contains("the launch made");
    let refused: Vec<&str> = log.lines().filter(is_refusal).collect();
    assert_eq!(refused.len(), 9, "one line for each process: {log}");
    for line in refused {
        assert!(line.contains("\"result\":\"denied\"") && line.contains("\"key\":\"anthropic/work\""), "{line}");
    }
    assert!(log.contains("/claude\",\"pid\"") && log.contains("bash\""), "the programs are named: {log}");
    assert!(!log.contains(&KEY[8..]), "{log}");
}

#[test]
fn the_same_tools_can_spend_a_key_that_the_agent_holds() {
    let upstream = Upstream::plain();
    let world = world_with(&upstream, "delivery = \"direct\"", "");
    let all = attacked(&world);
    for attack in &all[1..all.len() - 1] {
        assert_eq!(attack["status"], "200", "{attack}");
    }
    assert_eq!(upstream.seen().len(), 11);
}

#[test]
fn each_event_passes_before_the_next_one_is_sent() {
    let (read, acknowledged) = mpsc::channel();
    let (read, acknowledged) = (Mutex::new(read), Mutex::new(acknowledged));
    let upstream = Upstream::new(move |request, stream| {
        if request.line.contains("/v1/models/") {
            read.lock().expect("no panic").send(()).expect("awaited");
            return answer(stream, "200 OK", "", b"");
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("written");
        for number in 0..50 {
            let event = format!("data: {number}\n\n");
            stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).expect("written");
            acknowledged.lock().expect("no panic").recv().expect("each event is acknowledged before the next");
        }
        stream.write_all(b"0\r\n\r\n").is_ok()
    });
    let script = "events = http.client.HTTPConnection(HERE.hostname, HERE.port)\n\
                  other = http.client.HTTPConnection(HERE.hostname, HERE.port)\n\
                  events.request('POST', '/v1/messages', b'{}', {'x-api-key': TOKEN})\n\
                  answer, seen = events.getresponse(), []\n\
                  while line := answer.readline():\n\
                  \x20   if line.strip():\n\
                  \x20       seen.append(line.decode().strip())\n\
                  \x20       other.request('GET', '/v1/models/ack', headers={'x-api-key': TOKEN})\n\
                  \x20       other.getresponse().read()\n\
                  say(seen=seen, type=answer.headers['content-type'])";
    let said = said(launch(&brokered(&upstream, script)));
    let wanted: Vec<String> = (0..50).map(|number| format!("data: {number}")).collect();
    assert_eq!(said[0]["seen"], serde_json::json!(wanted));
    assert_eq!(said[0]["type"], "text/event-stream");
}

#[test]
fn bodies_of_any_size_pass_both_ways_in_little_memory() {
    const SIZE: usize = 64 << 20;
    let upstream = Upstream::new(|request, stream| answer(stream, "200 OK", "", &request.body));
    let script = "import hashlib\n\
                  body = bytes(range(256)) * (1 << 18)\n\
                  sent = post(body=body)\n\
                  chunked = post(body=(body[at:at + 100000] for at in range(0, len(body), 100000)))\n\
                  own = hashlib.sha256(body).hexdigest()\n\
                  say(same=[hashlib.sha256(answer[2]).hexdigest() == own for answer in (sent, chunked)])\n\
                  sys.stdin.readline()";
    let world = brokered(&upstream, script);
    let mut running = Running::start(&world);
    assert_eq!(running.line()["same"], serde_json::json!([true, true]));
    let status = fs::read_to_string(format!("/proc/{}/status", running.sidecar())).expect("readable");
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    let most: u64 = most.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(most < 40 << 10, "{most} KiB for bodies of 64 MiB");
    running.tell("\n");
    assert!(running.child.wait().expect("a child").success());
    let seen = upstream.seen();
    assert_eq!(seen.iter().map(|request| request.body.len()).collect::<Vec<_>>(), [SIZE, SIZE]);
    assert_eq!(seen[0].all("content-length"), [SIZE.to_string()]);
    assert_eq!(seen[1].all("transfer-encoding"), ["chunked"]);
}

#[test]
fn encodings_pass_unchanged_and_an_expected_body_is_asked_for() {
    let upstream = Upstream::new(|_, stream| {
        let headers = "content-encoding: zstd\r\nset-cookie: a=b\r\nkeep-alive: timeout=5\r\nx-request-id: 7\r\n";
        answer(stream, "200 OK", headers, b"\x28\xb5\x2f\xfd\0\xff")
    });
    let script = "answer = post(body=bytes([31, 139, 8, 0, 255]), headers={'content-encoding': 'gzip'})\n\
                  say(body=list(answer[2]), headers=dict(answer[1].headers))\n\
                  stream = connect()\n\
                  stream.sendall(b'POST /v1/messages HTTP/1.1\\r\\nhost: a\\r\\nx-api-key: %s\\r\\nexpect: 100-continue\\r\\ncontent-length: 3\\r\\n\\r\\n' % TOKEN.encode())\n\
                  say(first=stream.recv(100).decode())\n\
                  stream.sendall(b'abc')\n\
                  say(then=stream.recv(12).decode())";
    let said = said(launch(&brokered(&upstream, script)));
    assert_eq!(said[0]["body"], serde_json::json!([0x28, 0xb5, 0x2f, 0xfd, 0, 0xff]));
    let headers = &said[0]["headers"];
    assert_eq!((&headers["content-encoding"], &headers["x-request-id"]), (&"zstd".into(), &"7".into()));
    assert!(headers.get("keep-alive").is_none(), "it concerns the other connection: {headers}");
    assert_eq!(said[1]["first"], "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(said[2]["then"], "HTTP/1.1 200");
    let seen = upstream.seen();
    assert_eq!((&seen[0].body[..], seen[0].all("content-encoding")), (&[31, 139, 8, 0, 255][..], vec!["gzip"]));
    assert_eq!((&seen[1].body[..], seen[1].all("expect")), (&b"abc"[..], vec![]));
}

#[test]
fn a_client_that_hangs_up_ends_the_request_to_the_provider() {
    for at in ["before the answer", "in the answer"] {
        let (closed, is_closed) = mpsc::channel();
        let closed = Mutex::new(closed);
        let upstream = Upstream::new(move |_, stream| {
            if at == "in the answer" {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
                    .expect("written");
            }
            // Only the end of the connection ends this.
            let read = stream.read(&mut [0; 1]);
            closed.lock().expect("no panic").send(matches!(read, Ok(0) | Err(_))).expect("awaited");
            false
        });
        let script = format!(
            "stream = connect()\n\
             stream.sendall(b'POST /v1/messages HTTP/1.1\\r\\nhost: a\\r\\nx-api-key: %s\\r\\ncontent-length: 2\\r\\n\\r\\n{{}}' % TOKEN.encode())\n\
             say(started=True)\n\
             if {at:?} == 'in the answer':\n\
             \x20   while b'one' not in stream.recv(4096): pass\n\
             else:\n\
             \x20   sys.stdin.readline()\n\
             stream.close()\n\
             sys.stdin.readline()"
        );
        let world = brokered(&upstream, &script);
        let mut running = Running::start(&world);
        running.line();
        if at == "before the answer" {
            while upstream.seen().is_empty() {
                std::thread::yield_now();
            }
            running.tell("\n");
        }
        assert!(is_closed.recv().expect("the connection ends"), "{at}");
        running.tell("\n");
        assert!(running.child.wait().expect("a child").success());
    }
}

#[test]
fn nothing_is_followed_and_nothing_is_asked_twice() {
    for (status, headers, wanted) in [
        ("302 Found", "location: http://127.0.0.1:1/v1/messages\r\n", 302),
        ("529 Overloaded", "retry-after: 0\r\n", 529),
        ("401 Unauthorized", "", 401),
        ("", "", 502),
        ("nonsense", "", 502),
    ] {
        let upstream = Upstream::new(move |_, stream| match status {
            "" => false,
            "nonsense" => stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n").is_err(),
            _ => answer(stream, status, headers, b"{\"error\":1}"),
        });
        let said =
            said(launch(&brokered(&upstream, "status, _, body = post(); say(status=status, body=body.decode())")));
        assert_eq!(said[0]["status"], wanted, "{status}: {said:?}");
        assert_eq!(upstream.seen().len(), 1, "{status}");
        if wanted == 502 {
            let error: Value = serde_json::from_str(said[0]["body"].as_str().expect("text")).expect("JSON");
            assert_eq!(error["type"], "error");
            let message = error["error"]["message"].as_str().expect("a message");
            assert!(message.starts_with(&format!("ringlet: {} did not answer", upstream.url())), "{message}");
        } else {
            assert_eq!(said[0]["body"], "{\"error\":1}");
        }
    }
}

#[test]
fn requests_that_no_client_of_the_api_sends_do_not_pass() {
    let upstream = Upstream::plain();
    let script = r#"
head = lambda first, *more: "\r\n".join([first, "host: a", "x-api-key: " + TOKEN, *more, "", ""]).encode()
post = "POST /v1/messages HTTP/1.1"
cases = {
    "absolute form": (400, head("POST http://127.0.0.1/v1/messages HTTP/1.1", "content-length: 0")),
    "connect": (400, head("CONNECT api.anthropic.com:443 HTTP/1.1")),
    "two hosts": (400, head(post, "host: b", "content-length: 0")),
    "both lengths": (400, head(post, "content-length: 5", "transfer-encoding: chunked") + b"0\r\n\r\n"),
    "both lengths, turned": (400, head(post, "transfer-encoding: chunked", "content-length: 5") + b"0\r\n\r\n"),
    "two lengths": (400, head(post, "content-length: 2", "content-length: 2") + b"{}"),
    "outside": (404, head("POST /v1/organizations HTTP/1.1", "content-length: 0")),
    "dots": (400, head("GET /v1/models/../organizations HTTP/1.1")),
    "encoded dots": (400, head("GET /v1/models/%2e%2e/organizations HTTP/1.1")),
    "another method": (405, head("DELETE /v1/models/x HTTP/1.1")),
    "an upgrade": (426, head("GET /v1/models HTTP/1.1", "connection: upgrade", "upgrade: websocket")),
    "a method in a header": (405, head("GET /v1/models HTTP/1.1", "x-http-method-override: DELETE")),
    "a body where none belongs": (400, head("GET /v1/models HTTP/1.1", "content-length: 2") + b"{}"),
    "a length that is cut": (400, head(post, "content-length: " + "0" * 250 + "2") + b"{}"),
    "HTTP/1.0": (400, head("POST /v1/messages HTTP/1.0", "content-length: 0")),
    "1 MB of headers": (431, head(post, "x: " + "y" * 1000000)),
    "no request": (400, b"\x16\x03\x01\x02\x00\r\n\r\n"),
    "no token": (401, b"POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"),
    "a wrong token": (401, b"POST /v1/messages HTTP/1.1\r\nhost: a\r\nx-api-key: 1\r\ncontent-length: 0\r\n\r\n"),
    "a look": (200, b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n"),
}
for name, (wanted, data) in cases.items():
    with connect() as stream:
        try:
            stream.sendall(data)
        except OSError:
            pass
        status = stream.recv(100).split()[1].decode()
    say(name=name, wanted=str(wanted), status=status)
half = connect()
half.sendall(b"POST /v1/mess")
two = head(post, "content-length: 2") + b"{}" + head("GET /v1/models HTTP/1.1", "connection: close")
line, both = raw(two)
say(name="pipelined", wanted="2", status=str(both.count(b"HTTP/1.1 200 OK")))
sys.stdin.readline()
"#;
    let world = brokered(&upstream, script);
    let mut running = Running::start(&world);
    for _ in 0..21 {
        let case = running.line();
        assert_eq!(case["status"], case["wanted"], "{case}");
    }
    let sidecar = running.sidecar();
    running.tell("\n");
    assert!(running.child.wait().expect("a child").success());
    wait_for_end(sidecar);
    assert_eq!(upstream.seen().len(), 2, "the pipelined two: {:?}", upstream.seen());
    // What no client of the API sends is recorded: once when it comes, and with its number at the end.
    let spends = spends(&world);
    let reasons: Vec<&str> = spends.iter().filter_map(|line| line["reason"].as_str()).collect();
    assert_eq!(reasons[0], "it is no request of the API");
    assert!(
        reasons[1].starts_with("it is no request of the API, ") && reasons[1].ends_with(" requests"),
        "{reasons:?}"
    );
    assert!(
        spends[0]["result"] == "denied" && spends[0]["binary"].as_str().is_some_and(|path| path.contains("python"))
    );
}

#[test]
fn the_sidecar_lives_as_long_as_the_agent_and_has_nothing_of_it() {
    let upstream = Upstream::plain();
    let world = brokered(
        &upstream,
        "children = open('/proc/self/task/%d/children' % os.getpid()).read()\n\
         say(pid=os.getpid(), children=children, status=post()[0])\n\
         sys.stdin.readline()\n\
         sys.exit(7)",
    );
    let mut running = Running::start(&world);
    let line = running.line();
    assert_eq!(line["pid"], running.child.id(), "the agent is the launched process");
    assert_eq!((&line["children"], &line["status"]), (&"".into(), &200.into()));
    let sidecar = running.sidecar();
    let place = |name: &str| format!("/proc/{sidecar}/{name}");
    let stat = fs::read_to_string(place("stat")).expect("readable");
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
    assert_eq!((fields[1], fields[3]), ("1", sidecar.to_string().as_str()), "no parent, a session of its own: {stat}");
    assert_eq!(fields[4], "0", "no terminal: {stat}");
    assert!(fs::read(place("environ")).expect("readable").is_empty());
    assert_eq!(fs::read_link(place("cwd")).expect("readable"), std::path::Path::new("/"));
    for entry in fs::read_dir(place("fd")).expect("listed") {
        let link = fs::read_link(entry.expect("readable").path()).unwrap_or_default();
        let link = link.to_string_lossy().into_owned();
        // The counts of the day stay open.
        let counts = world.path("home/.local/state/ringlet/usage").to_string_lossy().into_owned();
        let own = ["/dev/null", "socket:", "anon_inode:", "pipe:", counts.as_str()];
        assert!(own.iter().any(|own| link.starts_with(own)), "{link}");
    }
    running.tell("\n");
    assert_eq!(running.child.wait().expect("a child").code(), Some(7), "the agent's own status");
    wait_for_end(sidecar);
}

#[test]
fn an_agent_that_is_killed_leaves_no_sidecar() {
    let upstream = Upstream::plain();
    let world = brokered(&upstream, "say(status=post()[0])\nsys.stdin.readline()");
    let mut running = Running::start(&world);
    assert_eq!(running.line()["status"], 200);
    let sidecar = running.sidecar();
    running.child.kill().expect("killed");
    running.child.wait().expect("a child");
    wait_for_end(sidecar);
    assert!(sidecars_of(running.child.id()).is_empty());
}

#[test]
fn an_agent_whose_sidecar_is_killed_finds_nobody_there() {
    let upstream = Upstream::plain();
    let world = brokered(
        &upstream,
        "say(status=post()[0])\nsys.stdin.readline()\ntry: post()\nexcept OSError as error: say(error=type(error).__name__)",
    );
    let mut running = Running::start(&world);
    assert_eq!(running.line()["status"], 200);
    let sidecar = running.sidecar();
    let pid = number(sidecar);
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    wait_for_end(sidecar);
    running.tell("\n");
    assert_eq!(running.line()["error"], "ConnectionRefusedError");
    assert!(running.child.wait().expect("a child").success());
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn a_launch_that_fails_after_all_leaves_no_sidecar() {
    let upstream = Upstream::plain();
    let world = brokered(&upstream, "");
    // The kernel refuses such a program after everything was prepared.
    world.program("claude", "#!/nonexistent/interpreter\n");
    let mut command = world.process(RINGLET);
    let mut child = command.args(["exec", "claude"]).stderr(Stdio::null()).spawn().expect("ringlet starts");
    let pid = child.id();
    assert!(!child.wait().expect("a child").success());
    while let Some(sidecar) = sidecars_of(pid).first() {
        wait_for_end(*sidecar);
    }
}

#[test]
fn what_a_tool_leaves_behind_finds_nobody_once_the_agent_has_ended() {
    let upstream = Upstream::plain();
    let world = brokered(
        &upstream,
        "code = \"import sys; sys.path.insert(0, %r); from agent import *\\nsys.stdin.readline()\\ntry: print(post()[0])\\nexcept OSError as error: print(type(error).__name__)\" % sys.path[0]\n\
         subprocess.Popen([sys.executable, '-c', code], env={**os.environ, 'ANTHROPIC_API_KEY': TOKEN}, start_new_session=True)\n\
         say(status=post()[0])",
    );
    let mut running = Running::start(&world);
    assert_eq!(running.line()["status"], 200);
    let sidecar = running.sidecar();
    // Waiting for the child closes its standard input.
    let mut input = running.child.stdin.take().expect("piped");
    running.child.wait().expect("a child");
    wait_for_end(sidecar);
    input.write_all(b"\n").expect("written");
    let mut rest = String::new();
    running.lines.read_to_string(&mut rest).expect("read");
    assert_eq!(rest, "ConnectionRefusedError\n");
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn a_connection_of_the_agent_is_over_once_another_program_runs_in_its_place() {
    let upstream = Upstream::plain();
    // The socket is inherited across exec, and so is the process' number.
    let world = brokered(
        &upstream,
        "stream = connect()\n\
         os.set_inheritable(stream.fileno(), True)\n\
         request = b'POST /v1/messages HTTP/1.1\\r\\nhost: a\\r\\nx-api-key: %s\\r\\ncontent-length: 2\\r\\n\\r\\n{}' % TOKEN.encode()\n\
         stream.sendall(request)\n\
         answer = b''\n\
         while not answer.endswith(b'}'): answer += stream.recv(4096)\n\
         say(status=answer[9:12].decode())\n\
         code = 'import os,sys; fd=int(sys.argv[1]); os.write(fd, sys.argv[2].encode()); print(os.read(fd, 4096)[9:12].decode())'\n\
         sys.stdout.flush()\n\
         os.execv(sys.executable, [sys.executable, '-c', code, str(stream.fileno()), request.decode()])",
    );
    let done = launch(&world).ok();
    assert_eq!(done, "{\"status\": \"200\"}\n403\n");
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn two_launches_of_two_accounts_know_only_their_own_tokens() {
    let upstream = Upstream::plain();
    let world = brokered(
        &upstream,
        "say(base=BASE, token=TOKEN, status=post()[0])\n\
         other = json.loads(sys.stdin.readline())\n\
         if other:\n\
         \x20   line, answer = raw(b'POST /v1/messages HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\nx-api-key: %s\\r\\ncontent-length: 2\\r\\n\\r\\n{}' % other['token'].encode())\n\
         \x20   place = urllib.parse.urlsplit(other['base'])\n\
         \x20   there = http.client.HTTPConnection(place.hostname, place.port)\n\
         \x20   there.request('POST', '/v1/messages', b'{}', {'x-api-key': other['token']})\n\
         \x20   say(here=line, there=there.getresponse().status)",
    );
    let (mut one, mut two) = (Running::start(&world), Running::start(&world));
    let (first, second) = (one.line(), two.line());
    assert!(first["token"] != second["token"] && first["base"] != second["base"]);
    two.tell(&format!("{first}\n"));
    let tried = two.line();
    assert_eq!((&tried["here"], &tried["there"]), (&"HTTP/1.1 401 Unauthorized".into(), &403.into()));
    one.tell("null\n");
    assert!(one.child.wait().expect("a child").success() && two.child.wait().expect("a child").success());
    assert_eq!(upstream.seen().len(), 2);
}

#[test]
fn connections_that_the_provider_has_closed_meanwhile_are_replaced() {
    // Each connection answers once and is closed when the test says so.
    let (close, closes) = mpsc::channel();
    let (closed, is_closed) = mpsc::channel();
    let ends = Mutex::new((closes, closed));
    let upstream = Upstream::new(move |_, stream| {
        answer(stream, "200 OK", "", b"{}");
        let (closes, closed) = &*ends.lock().expect("no panic");
        closes.recv().expect("told");
        stream.shutdown(std::net::Shutdown::Both).expect("open until now");
        closed.send(()).expect("awaited");
        false
    });
    let world = brokered(&upstream, "while sys.stdin.readline(): say(status=post()[0])");
    let mut running = Running::start(&world);
    running.tell("\n");
    assert_eq!(running.line()["status"], 200);
    let sidecar = number(running.sidecar());
    let signal = |signal| rustix::process::kill_process(sidecar, signal).expect("sent");
    signal(rustix::process::Signal::STOP);
    close.send(()).expect("awaited");
    is_closed.recv().expect("closed");
    running.tell("\n");
    signal(rustix::process::Signal::CONT);
    assert_eq!(running.line()["status"], 200);
    close.send(()).expect("awaited");
    is_closed.recv().expect("closed");
    drop(running.child.stdin.take());
    assert!(running.child.wait().expect("a child").success());
    assert_eq!(upstream.seen().len(), 2, "no request is sent twice");
}

#[test]
fn a_key_of_the_brokers_leaves_by_no_other_way() {
    let upstream = Upstream::plain();
    let script = "say(status=post()[0], token=len(TOKEN))";
    let world = world_with(&upstream, "", script);
    world.configure("[scope.\"anthropic/work\"]\nbroker = true\n");
    // By default, the scope decides.
    let all = said(launch(&world));
    assert_eq!((&all[0]["status"], &all[0]["token"]), (&200.into(), &64.into()));
    assert_eq!(upstream.seen()[0].all("x-api-key"), [KEY]);

    let endpoint = format!("endpoint = \"{}\"\n", upstream.url());
    let profile =
        |rest: &str| world.profile("work", &format!("agent = \"claude\"\nprovider = \"anthropic\"\n{endpoint}{rest}"));
    let key = "[provider-config]\nkey-alias = \"work\"\n";
    profile(&format!("delivery = \"direct\"\n{key}"));
    let says =
        ["the key anthropic/work is for brokered launches alone", "says `delivery = \"direct\"`", "config.toml:5"];
    launch(&world).fails(125, &says);
    profile(&format!("{key}[secrets]\nMORE = \"anthropic/work\"\n"));
    launch(&world).fails(125, &["the key anthropic/work is for brokered launches alone"]);
    world.program("cline", "#!/bin/sh\n");
    world.profile("work", &format!("agent = \"cline\"\nprovider = \"anthropic\"\n{key}"));
    let says = ["Cline takes its base URL from its own settings alone", "`broker = true` is at"];
    world.run(&["exec", "cline"]).fails(125, &says);
    let says = ["anthropic/work is for brokered launches alone", "config.toml:5"];
    world.run(&["keychain", "rename", "anthropic", "work", "home"]).fails(1, &says);
    assert!(world.run(&["keychain", "list"]).ok().contains("anthropic/work"));
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn a_plan_says_who_holds_the_key_and_what_is_lost() {
    let upstream = Upstream::plain();
    let world = brokered(&upstream, "say(unreached=True)");
    let shown = world.run(&["exec", "--dry-run", "claude"]).ok();
    assert!(shown.contains("anthropic/work to the broker; the agent gets a token of this launch"), "{shown}");
    assert!(shown.contains("ANTHROPIC_BASE_URL=http://{broker}") && !shown.contains("without"), "{shown}");
    // Only the provider's own endpoint gives what is lost.
    let own = "agent = \"claude\"\nprovider = \"anthropic\"\ndelivery = \"broker\"\n[provider-config]\nkey-alias = \"work\"\n";
    world.profile("own", own);
    let lost = world.run(&["exec", "--profile", "own", "--dry-run", "claude"]).ok();
    assert!(lost.contains("without") && lost.contains("policy limits"), "{lost}");
    let json = world.run(&["--json", "exec", "--dry-run", "claude"]).ok();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["profile"]["secrets"][0]["delivery"], "broker");
    assert!(world.run(&["status"]).ok().contains("to the broker"));
    world.configure("[scope.\"anthropic/work\"]\nrequests-per-day = 5\nmodels = [\"claude-*\", \"x\"]\n");
    let limits = "held by the broker, at most 5 requests a day, for the models claude-*, x";
    assert!(
        world.run(&["status"]).ok().contains(limits)
            && world.run(&["exec", "--dry-run", "claude"]).ok().contains(limits)
    );
    assert!(upstream.seen().is_empty());
}

#[test]
fn an_agent_that_was_tried_and_loses_nothing_gets_the_broker_unasked() {
    let upstream = Upstream::plain();
    let world = world_with(&upstream, "", "say(status=post()[0], key=os.environ['ANTHROPIC_AUTH_TOKEN'])");
    let endpoint = format!("endpoint = \"{}\"", upstream.url());
    let model = &format!("{endpoint}\nmodel = \"m\"");
    for (provider, key) in [("google", "AIzaTESTTESTTESTTESTTESTTESTTESTTESTTEST"), ("openai", KEY), ("xai", KEY)] {
        world.store_key(&format!("{provider}/work"), key);
    }
    let mine = RESTARTING.replace("[broker]\n", "package = \"npm mine-ai\"\n[broker]\nsince = \"1.0.0\"\n");
    world.write("home/.config/ringlet/agents/mine.toml", mine);
    ["gemini", "qwen", "opencode", "copilot", "grok", "kimi", "mine"]
        .into_iter()
        .for_each(|name| drop(world.agent(name)));
    world.write("home/.gemini/settings.json", r#"{"security": {"auth": {"selectedType": "gemini-api-key"}}}"#);
    let plan = |agent: &str, version: &str, provider: &str, more: &str, env: &str, words: &[&str]| {
        let package = match agent {
            "claude" => "@anthropic-ai/claude-code",
            "gemini" => "@google/gemini-cli",
            "qwen" => "@qwen-code/qwen-code",
            "copilot" => "@github/copilot",
            "grok" => "@xai-official/grok",
            "kimi" => "@moonshot-ai/kimi-code",
            other => &format!("{other}-ai"),
        };
        world.write("package.json", format!(r#"{{"name": "{package}", "version": "{version}"}}"#));
        let (own, header) = more.split_once("auth-header").map_or((more, None), |(own, rest)| (own, Some(rest)));
        let header = header.map(|rest| format!("auth-header{rest}\n")).unwrap_or_default();
        world.profile(
            "work",
            &format!("agent = \"{agent}\"\nprovider = \"{provider}\"\n{own}\n[provider-config]\nkey-alias = \"work\"\n{header}"),
        );
        let mut command = world.process(RINGLET);
        command.args(["--json", "exec", "--profile", "work", "--dry-run", agent, "--"]).args(words);
        command.envs(env.split_once('='));
        finish(&mut command)
    };
    let how = |done: Done| {
        let json: Value = serde_json::from_str(&done.ok()).expect("JSON");
        json["profile"]["secrets"][0]["delivery"].as_str().expect("a way").to_owned()
    };
    let bearer = &format!("{endpoint}\nauth-header = \"bearer\"");
    let direct = &format!("{endpoint}\ndelivery = \"direct\"\nauth-header = \"bearer\"");
    let tls = &"endpoint = \"https://gateway.example\"\nauth-header = \"bearer\"".to_owned();
    let query = &"endpoint = \"https://gateway.example/v1?a=b\"\nauth-header = \"bearer\"".to_owned();
    for (agent, version, provider, more, env, words, wanted) in [
        ("claude", "2.1.330", "anthropic", bearer, "", &[][..], "broker"),
        ("claude", "2.1.329", "anthropic", bearer, "", &[], "variable"),
        ("claude", "2.1.330", "anthropic", direct, "", &[], "variable"),
        // No tool sees a pipe; at the provider's own endpoint something is lost.
        ("claude", "2.1.330", "anthropic", &endpoint, "", &[], "descriptor"),
        ("claude", "2.1.330", "anthropic", &"auth-header = \"bearer\"".to_owned(), "", &[], "variable"),
        // What the broker does not obey.
        ("claude", "2.1.330", "anthropic", bearer, "NODE_TLS_REJECT_UNAUTHORIZED=0", &[], "variable"),
        ("claude", "2.1.330", "anthropic", tls, "HTTPS_PROXY=socks5://127.0.0.1:1", &[], "variable"),
        ("claude", "2.1.330", "anthropic", tls, "", &[], "broker"),
        ("claude", "2.1.330", "anthropic", query, "", &[], "variable"),
        ("opencode", "1.18.33", "openai", &endpoint, "", &[], "broker"),
        ("opencode", "1.18.32", "openai", &endpoint, "", &[], "variable"),
        ("qwen", "0.24.4", "openai", &endpoint, "", &[], "broker"),
        ("qwen", "0.24.4", "openai", &endpoint, "", &["--proxy", "http://127.0.0.1:1"], "variable"),
        ("gemini", "0.61.0", "google", &endpoint, "", &["-p", "hi"], "broker"),
        ("gemini", "0.61.0", "google", &endpoint, "", &["--sandbox", "-p", "hi"], "variable"),
        ("gemini", "0.61.0", "google", &endpoint, "", &["-ys"], "variable"),
        ("gemini", "0.61.0", "google", &endpoint, "GEMINI_SANDBOX=docker", &[], "variable"),
        ("gemini", "0.61.0", "google", &endpoint, "GEMINI_SANDBOX=false", &["-s"], "broker"),
        ("copilot", "1.0.102", "openai", model, "", &[], "broker"),
        ("copilot", "1.0.101", "openai", model, "", &[], "variable"),
        ("grok", "1.0.41", "xai", model, "", &[], "variable"),
        ("kimi", "2.1.0", "openai", model, "", &[], "broker"),
        // An agent of the user's own was not tried by Ringlet's authors, whatever its definition says.
        ("mine", "9.9.9", "anthropic", &endpoint, "", &[], "variable"),
    ] {
        let found = how(plan(agent, version, provider, more, env, words));
        assert_eq!(found, wanted, "{agent} {version} {more} {env} {words:?}");
    }
    let settings = r#"{"security": {"auth": {"selectedType": "gemini-api-key"}}, "tools": {"sandbox": "podman"}}"#;
    world.write("home/.gemini/settings.json", settings);
    assert_eq!(how(plan("gemini", "0.61.0", "google", &endpoint, "", &[])), "variable");
    let asked = format!("{endpoint}\ndelivery = \"broker\"");
    plan("gemini", "0.61.0", "google", &asked, "", &[]).fails(125, &["is told to run in a container"]);
    // The key is not in the agent, and works.
    assert_eq!(how(plan("claude", "2.1.330", "anthropic", bearer, "", &[])), "broker");
    let said = said(launch(&world));
    assert_eq!(said[0]["status"], 200);
    assert_ne!(said[0]["key"], KEY);
    assert_eq!(upstream.seen()[0].all("authorization"), [format!("Bearer {KEY}")]);
}

#[test]
fn a_bearer_token_and_an_endpoint_with_a_path_arrive_as_the_account_wants_them() {
    let upstream = Upstream::plain();
    let script = "say(status=post()[0], base=HERE.path, plain=os.environ.get('ANTHROPIC_API_KEY'))";
    let world = brokered(&upstream, script);
    world.profile(
        "work",
        &format!(
            "agent = \"claude\"\nprovider = \"anthropic\"\nendpoint = \"{}/api/anthropic\"\ndelivery = \"broker\"\n\
             [provider-config]\nkey-alias = \"work\"\nauth-header = \"bearer\"\n",
            upstream.url()
        ),
    );
    let said = said(launch(&world));
    assert_eq!((&said[0]["status"], &said[0]["base"]), (&200.into(), &"/api/anthropic".into()), "{said:?}");
    let seen = upstream.seen();
    assert_eq!(seen[0].line, "POST /api/anthropic/v1/messages HTTP/1.1");
    assert_eq!(seen[0].all("authorization"), [format!("Bearer {KEY}")]);
    assert!(seen[0].all("x-api-key").is_empty());
}

#[test]
fn a_provider_that_is_not_there_is_named_in_the_providers_own_form() {
    let upstream = Upstream::plain();
    let world = brokered(
        &upstream,
        "status, answer, body = post(); say(status=status, error=json.loads(body)['error'], retry=answer.headers['x-should-retry'])",
    );
    world.profile(
        "work",
        "agent = \"claude\"\nprovider = \"anthropic\"\nendpoint = \"http://127.0.0.1:1\"\ndelivery = \"broker\"\n\
         [provider-config]\nkey-alias = \"work\"\n",
    );
    let said = said(launch(&world));
    // The agent may try again at once: nothing was sent.
    assert_eq!((&said[0]["status"], &said[0]["retry"]), (&502.into(), &Value::Null));
    let message = said[0]["error"]["message"].as_str().expect("a message");
    assert!(
        message.starts_with("ringlet: http://127.0.0.1:1 did not answer: 127.0.0.1:1 cannot be reached"),
        "{message}"
    );
}

#[test]
fn the_agent_is_told_to_reach_this_machine_without_a_proxy() {
    let upstream = Upstream::plain();
    let mut world =
        brokered(&upstream, "say(status=post()[0], no=[os.environ[name] for name in ('NO_PROXY', 'no_proxy')])");
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        world.set(name, "http://127.0.0.1:1");
    }
    world.set("NO_PROXY", "internal.example");
    let said_now = said(launch(&world));
    let both = "internal.example,127.0.0.1,localhost";
    assert_eq!(said_now[0], serde_json::json!({ "status": 200, "no": [both, both] }));
    // It is of no account for an endpoint that is reached without TLS.
    world.set("HTTPS_PROXY", "socks5://127.0.0.1:1");
    assert_eq!(said(launch(&world))[0]["status"], 200);
    let lookups = |world: &World| world.read("home/.local/state/ringlet/audit.jsonl").matches("\"lookup\"").count();
    let before = lookups(&world);
    for (endpoint, words) in [
        ("https://api.example.org", "HTTPS_PROXY names no proxy that ringlet can go through"),
        ("http://127.0.0.1:1/v1?version=1", "has an endpoint that the broker cannot go to"),
        ("http://127.0.0.1:1/a//b", "has an endpoint that the broker cannot go to"),
        ("https://b\u{fc}cher.example/v1", "has an endpoint that the broker cannot go to"),
    ] {
        let text = format!(
            "agent = \"claude\"\nprovider = \"anthropic\"\nendpoint = \"{endpoint}\"\ndelivery = \"broker\"\n\
             [provider-config]\nkey-alias = \"work\"\n"
        );
        world.profile("work", &text);
        for command in [&["exec", "claude"][..], &["exec", "claude", "--dry-run"]] {
            world.run(command).fails(125, &[words]);
        }
    }
    assert_eq!(lookups(&world), before, "a refused launch asks no keychain");
}

#[test]
fn certificates_that_cannot_be_read_are_left_out_and_named_where_one_is_refused() {
    let upstream = Upstream::plain();
    let mut world = brokered(&upstream, "say(status=post()[0])");
    world.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    let broken = world.path("broken.pem");
    for file in ["/gone/ca.pem", broken.to_str().expect("text")] {
        for name in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] {
            world.set(name, file);
            assert_eq!(said(launch(&world))[0]["status"], 200, "{name} {file}");
        }
    }
}

#[test]
fn a_lease_that_ends_ends_the_brokers_answers() {
    let upstream = Upstream::plain();
    let script = "while sys.stdin.readline():\n\
                  \x20   status, _, body = post()\n\
                  \x20   say(status=status, body=body.decode())";
    let world = brokered(&upstream, script);
    world.configure("[scope.\"anthropic/work\"]\nbroker = true\nlease = \"8h\"\n");
    launch(&world).fails(125, &["needs a lease"]);
    world.run(&["lease", "grant", "anthropic/work", "--for", "2s"]).ok();
    let mut running = Running::start(&world);
    let mut ask = || {
        running.tell("\n");
        running.line()
    };
    assert_eq!(ask()["status"], 200);
    let last = std::iter::repeat_with(&mut ask).find(|said| said["status"] != 200).expect("the lease ends");
    assert_eq!(last["status"], 400);
    assert!(last["body"].as_str().expect("text").contains("the lease of the key anthropic/work has ended"), "{last}");
    drop(running.child.stdin.take());
    assert!(running.child.wait().expect("a child").success());
}

/// The lines of the counts of each day and key.
fn counted(world: &World) -> Vec<Value> {
    let mut lines = Vec::new();
    let entries = |folder: std::path::PathBuf| fs::read_dir(folder).into_iter().flatten();
    let paths = |folder| entries(folder).map(|entry| entry.expect("readable").path());
    for file in paths(world.path("home/.local/state/ringlet/usage")).flat_map(paths) {
        let text = fs::read_to_string(file).expect("readable");
        lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
    }
    lines
}

fn sum(lines: &[Value], field: &str) -> u64 {
    lines.iter().map(|line| line[field].as_u64().expect("a number")).sum()
}

const MESSAGE: &str =
    r#"{"model":"claude-3","usage":{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":3}}"#;

#[test]
fn what_is_used_is_counted_and_nothing_of_what_is_said() {
    let upstream = Upstream::new(|_, stream| answer(stream, "200 OK", "", MESSAGE.as_bytes()));
    let script = "say(all=[post(body=b'{\"model\":\"m\",\"messages\":\"confidential\"}')[0] for _ in range(300)])\n\
                  post(body=b'{}')\n\
                  say(ready=True)\n\
                  sys.stdin.readline()\n\
                  post()";
    let world = brokered(&upstream, script);
    let mut running = Running::start(&world);
    assert_eq!(running.line()["all"].as_array().expect("a list").len(), 300);
    running.line();
    // A sidecar that is killed has counted what was answered.
    let sidecar = number(running.sidecar());
    rustix::process::kill_process(sidecar, rustix::process::Signal::KILL).expect("killed");
    let lines = counted(&world);
    assert_eq!((sum(&lines, "requests"), sum(&lines, "measured")), (301, 301), "{lines:?}");
    assert_eq!((sum(&lines, "input"), sum(&lines, "cached"), sum(&lines, "output")), (5 * 301, 2 * 301, 3 * 301));
    // A day may end in between, and the next one has lines of its own.
    let by_model = |model: &str| {
        let own = lines.iter().filter(|line| line["model"] == model);
        own.map(|line| line["requests"].as_u64().expect("a number")).sum::<u64>()
    };
    assert_eq!((by_model("m"), by_model("claude-3")), (300, 1), "the answer names what the request does not");
    assert_eq!((&lines[0]["profile"], &lines[0]["agent"]), (&"work".into(), &"claude".into()));
    assert!(!format!("{lines:?}").contains("confidential"));
    drop(running.child.stdin.take());
    running.child.wait().expect("a child");
    assert_eq!(upstream.seen().len(), 301);
}

#[test]
fn limits_stop_a_request_before_it_leaves() {
    let upstream = Upstream::new(|_, stream| answer(stream, "200 OK", "", MESSAGE.as_bytes()));
    let script = "say(all=[(lambda answer: [answer[0], answer[2].decode()])(post()) for _ in range(4)])";
    for (limit, passes, why) in [
        ("requests-per-day = 2", 2, "all 2 requests of today were made; see"),
        ("tokens-per-day = 25", 3, "all 25 tokens of today were used; see"),
    ] {
        let world = world_with(&upstream, "", script);
        world.configure(&format!("[scope.\"anthropic/work\"]\n{limit}\n"));
        let before = upstream.seen().len();
        let said_now = said(launch(&world));
        let all = said_now[0]["all"].as_array().expect("a list");
        let statuses: Vec<u64> = all.iter().map(|answer| answer[0].as_u64().expect("a status")).collect();
        assert_eq!(statuses, (0..4).map(|at| if at < passes { 200 } else { 400 }).collect::<Vec<_>>(), "{limit}");
        let message = all[3][1].as_str().expect("text");
        assert!(message.contains(why) && message.contains("config.toml:5"), "{message}");
        assert_eq!(upstream.seen().len() - before, passes, "{limit}");
        // The day is over for other launches, too.
        let again = said(launch(&world));
        assert_eq!(again[0]["all"][0][0], 400, "{limit}");
    }
}

#[test]
fn what_cannot_be_counted_does_not_leave_where_there_is_a_limit_and_what_did_not_leave_is_not_counted() {
    let upstream = Upstream::plain();
    let script = "say(paths=[post('/v1/messages' + path)[0] for path in ('/batches', '', '/count_tokens')])\n\
                  connection = http.client.HTTPConnection(HERE.hostname, HERE.port)\n\
                  connection.sock = connect()\n\
                  connection.request('GET', '/v1/messages/batches/b/results', headers={'x-api-key': TOKEN})\n\
                  say(get=connection.getresponse().status)";
    let world = world_with(&upstream, "", script);
    assert_eq!(said(launch(&world))[0]["paths"], serde_json::json!([200, 200, 200]), "without a limit they pass");
    world.configure("[scope.\"anthropic/work\"]\nrequests-per-day = 9\n");
    let all = said(launch(&world));
    assert_eq!((&all[0]["paths"], &all[1]["get"]), (&serde_json::json!([400, 200, 200]), &400.into()));
    // Nobody is there: the requests may be made again.
    let text = "agent = \"claude\"\nprovider = \"anthropic\"\nendpoint = \"http://127.0.0.1:1\"\n\
                [provider-config]\nkey-alias = \"other\"\n";
    world.profile("work", text);
    world.store_key("anthropic/other", KEY);
    world.configure("[scope.\"anthropic/other\"]\nrequests-per-day = 1\n");
    agent(&world, "say(all=[post()[0] for _ in range(3)])");
    assert_eq!(said(launch(&world))[0]["all"], serde_json::json!([502, 502, 502]));
}

#[test]
fn only_the_models_of_a_rule_are_asked() {
    let upstream = Upstream::new(|_, stream| answer(stream, "200 OK", "", MESSAGE.as_bytes()));
    let script = r#"
long = b'{"messages":"%s","model":"claude-9"}'
cases = {
    "allowed": (200, b'{"model":"claude-9"}', {}),
    "behind a long text": (200, long % (b"x" * 9000000), {}),
    "behind too long a text": (400, long % (b"x" * 17000000), {}),
    "another": (400, b'{"model":"gpt-9"}', {}),
    "none": (400, b'{"messages":[{"model":"claude-9"}]}', {}),
    "two": (400, b'{"model":"claude-9","model":"gpt-9"}', {}),
    "no text": (400, b'{"model":["claude-9"]}', {}),
    "no JSON": (400, b'model=claude-9', {}),
    "compressed": (400, b'{"model":"claude-9"}', {"content-encoding": "gzip"}),
    "escaped": (200, b'{"mod\\u0065l":"claude-9"}', {}),
    "another in large letters": (400, b'{"Model":"gpt-9","model":"claude-9"}', {}),
    "a list of others": (400, b'{"models":["gpt-9"],"model":"claude-9"}', {}),
    "one to fall back to": (400, b'{"fallbacks":[{"model":"gpt-9"}],"model":"claude-9"}', {}),
}
for name, (wanted, body, headers) in cases.items():
    say(name=name, wanted=wanted, status=post(body=body, headers=headers)[0])
"#;
    let world = world_with(&upstream, "", script);
    world.configure("[scope.\"anthropic/work\"]\nmodels = [\"claude-*\"]\n");
    let all = said(launch(&world));
    assert_eq!(all.len(), 13);
    for case in &all {
        assert_eq!(case["status"], case["wanted"], "{case}");
    }
    assert_eq!(upstream.seen().len(), 3);
    assert_eq!(upstream.seen()[1].body.len(), 9_000_000 + 34);
    // A second model that comes after the request has left ends it.
    agent(
        &world,
        "body = b'{\"model\":\"claude-9\",\"x\":\"%s\",\"model\":\"gpt-9\"}' % (b'x' * 3000000)\n\
         try: say(status=post(body=body)[0])\n\
         except OSError as error: say(status=type(error).__name__)",
    );
    let status = said(launch(&world))[0]["status"].clone();
    assert!(status != 200, "{status}");
    assert_eq!(upstream.seen().len(), 3, "the upstream never got the whole of it");
}

#[test]
fn usage_is_shown_by_key_profile_directory_and_model() {
    let upstream = Upstream::new(|request, stream| {
        let is_silent = request.body.windows(6).any(|part| part == b"silent");
        answer(stream, "200 OK", "", if is_silent { b"{}" } else { MESSAGE.as_bytes() })
    });
    let script = "for body in (b'{\"model\":\"a\"}', b'{\"model\":\"a\"}', b'{\"model\":\"silent\"}'): post(body=body)";
    let world = brokered(&upstream, script);
    assert!(world.run(&["usage"]).stderr.contains("nothing passed the broker"));
    launch(&world).ok();
    let rows = |by: &str| {
        let json: Value = serde_json::from_str(&world.run(&["--json", "usage", "--by", by]).ok()).expect("JSON");
        assert_eq!(json["by"], by);
        let row = |row: &Value| {
            (row["name"].as_str().expect("a name").to_owned(), row["requests"].as_u64(), row["input"].as_u64())
        };
        json["rows"].as_array().expect("rows").iter().map(row).collect::<Vec<_>>()
    };
    let one = |name: &str| vec![(name.to_owned(), Some(3), Some(10))];
    assert_eq!(rows("key"), one("anthropic/work"));
    assert_eq!(rows("profile"), one("work"));
    assert_eq!(rows("directory"), one(&world.project().display().to_string()));
    assert_eq!(rows("model"), [("a".to_owned(), Some(2), Some(10)), ("silent".to_owned(), Some(1), Some(0))]);
    let shown = world.run(&["usage", "--since", "1d"]);
    assert!(shown.stderr.contains("1 of 3 requests had an answer that does not say what was used"), "{shown:?}");
    assert!(shown.stderr.contains("without the broker, is not counted"), "{shown:?}");
    assert!(shown.ok().contains("anthropic/work  3"));
    world.run(&["usage", "--since", "yesterday"]).fails(2, &["is not a point in time"]);
}

#[test]
fn undo_gives_no_file_a_key_of_the_brokers_and_does_the_rest() {
    let world = World::new();
    let key = "sk-ant-api03-TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12TESTmn34FAKEop56";
    let other = "sk-proj-TESTqq11FAKErr22TESTss33FAKEtt44TESTuu55FAKEvv66TEST";
    let text = format!("export ANTHROPIC_API_KEY={key}\nexport OPENAI_API_KEY={other}\n");
    world.write("home/.bashrc", &text);
    let done = world.run(&["migrate", "--yes"]);
    assert_eq!(done.status, Some(0), "{done:?}");
    assert!(!world.read("home/.bashrc").contains("FAKE"), "{done:?}");
    world.configure("[scope.\"anthropic/default\"]\nbroker = true\n");
    let says = ["anthropic/default is for brokered launches alone", "take `broker = true` out of its scope"];
    world.run(&["migrate", "undo"]).fails(1, &says);
    let now = world.read("home/.bashrc");
    assert!(now.contains(other) && !now.contains(key), "{now}");
}

/// An authority of the test, in a file, and the TLS settings of a server with a certificate of it.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    /// Its certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn server(&self, name: &str, last_year: i32) -> ServerConfig {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth();
        config.with_single_cert(vec![certificate.der().clone()], key).expect("a certificate")
    }
}

#[test]
fn the_providers_own_name_is_recognised_by_its_certificate_or_gets_nothing() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let script = "status, _, body = post(); say(status=status, body=body.decode())";
    for (authority, name, last_year, wanted) in [
        (&known, "api.anthropic.com", 2090, "{}"),
        (&known, "api.openai.com", 2090, "its certificate is for another name"),
        (&known, "api.anthropic.com", 2021, "its certificate has expired"),
        (&unknown, "api.anthropic.com", 2090, "its certificate is by an authority that this system does not know"),
    ] {
        let upstream = Upstream::over_tls(authority.server(name, last_year));
        let mut world = brokered(&upstream, script);
        let roots = world.write("roots.pem", known.pem());
        let hosts = world.write("hosts", "127.0.0.1 api.anthropic.com\n");
        world.set("SSL_CERT_FILE", roots);
        let endpoint = format!("endpoint = \"https://api.anthropic.com:{}\"\n", upstream.port);
        world.profile(
            "work",
            &format!("agent = \"claude\"\nprovider = \"anthropic\"\n{endpoint}delivery = \"broker\"\n[provider-config]\nkey-alias = \"work\"\n"),
        );
        let mounts = format!("mount --bind '{}' /etc/hosts", hosts.display());
        let said = said(world.run_mounted(&world.project(), &mounts, &["exec", "claude"]));
        let body = said[0]["body"].as_str().expect("text");
        assert!(body.contains(wanted), "{name} until {last_year}: {said:?}");
        let seen = upstream.seen();
        assert_eq!(seen.len(), usize::from(wanted == "{}"), "{seen:?}");
        if let Some(request) = seen.first() {
            assert_eq!(request.all("host"), [format!("api.anthropic.com:{}", upstream.port)]);
            assert_eq!(request.all("x-api-key"), [KEY]);
        }
    }
}

/// An agent of the user's own, whose launched script starts another one in the same interpreter.
const RESTARTING: &str = "title = \"Mine\"\ncommand = \"mine\"\nprovider = \"anthropic\"\n\
    [broker]\nrestarts = [\"worker.py\"]\n\
    [[api]]\nprotocol = \"anthropic\"\nkey = \"ANTHROPIC_API_KEY\"\nbase-url = \"ANTHROPIC_BASE_URL\"\n";

/// A world whose agent starts itself anew.
fn restarting(upstream: &Upstream) -> World {
    let world = world_with(upstream, "", "");
    world.write("home/.config/ringlet/agents/mine.toml", RESTARTING);
    let endpoint = format!("endpoint = \"{}\"\n", upstream.url());
    world.profile(
        "work",
        &format!("agent = \"mine\"\nprovider = \"anthropic\"\n{endpoint}delivery = \"broker\"\n[provider-config]\nkey-alias = \"work\"\n"),
    );
    world
}

#[test]
fn a_child_that_the_registry_knows_may_use_the_key_and_nothing_that_looks_like_it() {
    let upstream = Upstream::plain();
    let world = restarting(&upstream);
    let head = format!("#!/usr/bin/env python3\nimport sys\nsys.path.insert(0, {SCRIPTS:?})\nfrom agent import *\n");
    let again = "worker = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), 'worker.py')\n\
                 again = lambda **more: subprocess.run([sys.executable, worker, 'again'], **more)\n";
    let worker = format!(
        "{head}{again}\
         say(who=sys.argv[1], status=post()[0])\n\
         if sys.argv[1] == 'first':\n\
         \x20   again()\n\
         \x20   say(who='first', status=post()[0])\n\
         if sys.argv[1] == 'held':\n\
         \x20   open('held', 'w').close()\n\
         \x20   open('free').read()"
    );
    world.program("worker.py", &worker);
    for (parent, wanted) in [
        // The child is known by its first connection, and one below it is not. Once it has ended, the agent may start
        // itself anew.
        ("subprocess.run([sys.executable, '-u', worker, 'first'])\nagain()", &[200, 403, 200, 200][..]),
        // Nor is one beside it.
        (
            "os.mkfifo('held')\nos.mkfifo('free')\nchild = subprocess.Popen([sys.executable, worker, 'held'])\n\
             open('held').read()\nagain()\nopen('free', 'w').close()\nchild.wait()",
            &[200, 403],
        ),
        // A tool is given streams of its own.
        ("print(again(capture_output=True, text=True).stdout.strip())", &[403]),
        // A shell that becomes the same program with the same streams is the child of the launched process as well.
        ("post()\nsubprocess.run(['sh', '-c', 'exec \"$0\" \"$1\" again', sys.executable, worker])", &[403]),
        // Another script of the same folder, and a copy in another one.
        (
            "import shutil\nshutil.copy(worker, worker + '.py')\nsubprocess.run([sys.executable, worker + '.py', 'again'])",
            &[403],
        ),
        (
            "import shutil\nos.makedirs('other')\nshutil.copy(worker, 'other')\n\
             subprocess.run([sys.executable, os.path.abspath('other/worker.py'), 'again'])",
            &[403],
        ),
    ] {
        world.program("mine", &format!("{head}{again}{parent}\n"));
        let said = said(world.run(&["exec", "--profile", "work", "mine"]));
        let statuses: Vec<u64> = said.iter().map(|said| said["status"].as_u64().expect("a status")).collect();
        assert_eq!(statuses, wanted, "{parent}");
    }
}

/// A script among packages of npm's form, which starts a native program of another package.
#[test]
fn the_native_program_of_a_launched_script_may_use_the_key_and_nothing_that_looks_like_it() {
    let upstream = Upstream::plain();
    let world = restarting(&upstream);
    world.write(
        "home/.config/ringlet/agents/mine.toml",
        RESTARTING.replace("restarts = [\"worker.py\"]", "starts = \"native\""),
    );
    let packages = world.path("lib/node_modules");
    let curl = fs::read(which("curl")).expect("curl");
    for place in [packages.join("mine-linux/native"), packages.join("mine-linux/other"), world.path("lib/native")] {
        fs::create_dir_all(place.parent().expect("a folder")).expect("made");
        fs::write(&place, &curl).expect("written");
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    let head = format!(
        "#!/usr/bin/env python3\nimport sys\nsys.path.insert(0, {SCRIPTS:?})\nfrom agent import *\n\
         LIB = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(sys.argv[0]))))\n\
         words = ['-s', '-o', os.devnull, '-w', '{{\"status\":%{{http_code}}}}\\n', '-H', 'x-api-key: ' + TOKEN, '-d', '{{}}', BASE + '/v1/messages']\n\
         ask = lambda place, **more: subprocess.run([LIB + place] + words, **more)\n\
         own = '/node_modules/mine-linux/native'\n"
    );
    for (script, wanted) in [
        // Once it has ended, none takes its place.
        ("ask(own)\nask(own)", &[200, 403][..]),
        ("ask('/node_modules/mine-linux/other')", &[403]),
        ("ask('/native')", &[403]),
        ("print(ask(own, capture_output=True, text=True).stdout.strip())", &[403]),
        ("subprocess.run(['sh', '-c', '\"$@\"; :', 'sh', LIB + own] + words)", &[403]),
        ("post()\nask(own)", &[403]),
    ] {
        let place = packages.join("mine/mine");
        fs::create_dir_all(place.parent().expect("a folder")).expect("made");
        fs::write(&place, format!("{head}{script}\n")).expect("written");
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).expect("chmod");
        let link = world.path("bin/mine");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(&place, &link).expect("linked");
        let said = said(world.run(&["exec", "--profile", "work", "mine"]));
        let statuses: Vec<u64> = said.iter().map(|said| said["status"].as_u64().expect("a status")).collect();
        assert_eq!(statuses, wanted, "{script}");
    }
}

/// The program of a name on the search path of the tests.
fn which(name: &str) -> std::path::PathBuf {
    let folders = std::env::var_os("PATH").expect("a search path");
    let found = std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is needed"))
}

#[test]
fn a_new_folder_is_given_the_setting_that_chooses_the_key_and_an_old_one_is_left_alone() {
    let upstream = Upstream::plain();
    let world = world_with(&upstream, "", "");
    world.store_key("google/work", "AIzaTESTTESTTESTTESTTESTTESTTESTTESTTEST");
    let endpoint = format!("endpoint = \"{}\"\n", upstream.url());
    let profile = |folder: &str| {
        let text = format!(
            "agent = \"gemini\"\nprovider = \"google\"\n{endpoint}delivery = \"broker\"\nconfig-dir = \"~/{folder}\"\n\
             [provider-config]\nkey-alias = \"work\"\n"
        );
        world.profile("work", &text);
    };
    world.program("gemini", "#!/bin/sh\ncat \"$GEMINI_CLI_HOME/.gemini/settings.json\"\n");
    let run = || world.run(&["exec", "--profile", "work", "gemini"]);
    profile("new/gemini");
    for _ in 0..2 {
        let settings: Value = serde_json::from_str(&run().ok()).expect("JSON");
        assert_eq!(settings["security"]["auth"]["selectedType"], "gemini-api-key");
    }
    let names = |folder: &str| {
        let entries = fs::read_dir(world.path(folder)).expect("listed");
        entries.map(|entry| entry.expect("readable").file_name().into_string().expect("text")).collect::<Vec<_>>()
    };
    assert_eq!(names("home/new"), ["gemini"]);
    fs::create_dir(world.path("home/old")).expect("made");
    profile("old");
    run().fails(125, &["security.auth.selectedType"]);
    assert!(names("home/old").is_empty());
}

#[test]
fn a_process_that_asks_again_and_again_is_recorded_once_and_counted() {
    let upstream = Upstream::plain();
    let world = brokered(
        &upstream,
        "code = 'import sys; sys.path.insert(0, %r); from agent import *; print([post()[0] for _ in range(5)])' % sys.path[0]\n\
         env = {**os.environ, 'ANTHROPIC_API_KEY': TOKEN}\n\
         said = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=env).stdout\n\
         say(said=said.strip(), status=post()[0])\n\
         sys.stdin.readline()",
    );
    let mut running = Running::start(&world);
    let line = running.line();
    assert_eq!((&line["said"], &line["status"]), (&"[403, 403, 403, 403, 403]".into(), &200.into()));
    let sidecar = running.sidecar();
    running.tell("\n");
    assert!(running.child.wait().expect("a child").success());
    wait_for_end(sidecar);
    let lines = spends(&world);
    let reasons: Vec<&str> = lines.iter().map(|line| line["reason"].as_str().expect("a reason")).collect();
    let end = "the launch made 1 request; tokens: 0 read, 0 read from the cache, 0 written";
    assert_eq!(reasons, ["it is not the agent", "it is not the agent, 5 connections", end]);
    assert_eq!(lines[2]["result"], "granted");
}

#[test]
fn what_outlives_the_agent_beside_its_child_is_told_that_the_launch_has_ended() {
    let upstream = Upstream::plain();
    let world = restarting(&upstream);
    let head = format!("#!/usr/bin/env python3\nimport sys\nsys.path.insert(0, {SCRIPTS:?})\nfrom agent import *\n");
    // The agent ends once its child is known, and the child waits for that.
    let worker = "import select\n\
                  parent = os.pidfd_open(os.getppid())\n\
                  say(status=post()[0])\n\
                  open('known', 'w').close()\n\
                  select.select([parent], [], [])\n\
                  code = 'import sys; sys.path.insert(0, %r); from agent import *; print(post()[2].decode())' % sys.path[0]\n\
                  tool = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)\n\
                  say(error=json.loads(tool.stdout)['error']['message'])\n\
                  say(status=post()[0])";
    world.program("worker.py", &format!("{head}{worker}"));
    let parent = "os.mkfifo('known')\n\
                  worker = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), 'worker.py')\n\
                  subprocess.Popen([sys.executable, '-u', worker])\n\
                  open('known').read()";
    world.program("mine", &format!("{head}{parent}\n"));
    let said = said(world.run(&["exec", "--profile", "work", "mine"]));
    assert_eq!((&said[0]["status"], &said[2]["status"]), (&200.into(), &200.into()), "{said:?}");
    let message = said[1]["error"].as_str().expect("a message");
    assert!(message.starts_with("ringlet: the launch of mine has ended"), "{message}");
}

#[test]
fn a_thousand_connections_of_a_tool_leave_the_agent_its_answers() {
    let upstream = Upstream::plain();
    let world = brokered(
        &upstream,
        "code = 'import sys; sys.path.insert(0, %r); from agent import *\\n' % sys.path[0] + '''\n\
         import resource\n\
         resource.setrlimit(resource.RLIMIT_NOFILE, (2048, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n\
         held = [connect() for _ in range(1000)]\n\
         for stream in held[::2]:\n\
         \x20   stream.sendall(b'POST /v1/messages HTTP/1.1\\\\r\\\\nhost:')\n\
         print('held', flush=True)\n\
         sys.stdin.readline()\n\
         '''\n\
         env = {**os.environ, 'ANTHROPIC_API_KEY': TOKEN}\n\
         tool = subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)\n\
         tool.stdout.readline()\n\
         half = connect()\n\
         half.sendall(b'POST /v1/messages HTTP/1.1\\r\\nhost: a\\r\\ncontent-le')\n\
         say(statuses=[post()[0] for _ in range(20)])\n\
         tool.communicate('\\n')\n\
         say(status=post()[0])\n\
         sys.stdin.readline()",
    );
    let mut running = Running::start(&world);
    assert_eq!(running.line()["statuses"], Value::from(vec![200; 20]));
    let sidecar = running.sidecar();
    assert_eq!(running.line()["status"], 200);
    running.tell("\n");
    assert!(running.child.wait().expect("a child").success());
    wait_for_end(sidecar);
    assert_eq!(upstream.seen().len(), 21);
    let reasons: Vec<String> =
        spends(&world).iter().map(|line| line["reason"].as_str().expect("text").to_owned()).collect();
    assert_eq!(reasons[0], "it is not the agent");
    let counted = |reason: &String| reason.split(' ').find_map(|word| word.parse::<u64>().ok()).unwrap_or_default();
    let refused: u64 = reasons[1..reasons.len() - 1].iter().map(counted).sum();
    assert_eq!(refused, 1000, "each connection is counted once: {reasons:?}");
    assert!(reasons.last().expect("the end").starts_with("the launch made 21 requests"), "{reasons:?}");
}

/// The audit log's lines about who may spend.
fn spends(world: &World) -> Vec<Value> {
    let log = world.read("home/.local/state/ringlet/audit.jsonl");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|line| line["action"] == "spend").collect()
}

#[test]
fn a_provider_that_breaks_off_or_never_answers_costs_that_request_alone() {
    let (hung_up, is_over) = mpsc::channel();
    let hung_up = Mutex::new(hung_up);
    let upstream = Upstream::new(move |request, stream| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        if request.line.contains("/never") {
            // It waits until the broker hangs up.
            let ended = stream.read(&mut [0; 1]).is_ok_and(|size| size == 0);
            hung_up.lock().expect("no panic").send(ended).expect("awaited");
            return false;
        }
        if request.line.contains("/event") {
            // In the middle of an event, and of a chunk.
            return stream.write_all(format!("{head}20\r\ndata: 1\n\ndata: ").as_bytes()).is_err();
        }
        if request.line.contains("/length") {
            return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n12345").is_err();
        }
        if request.line.contains("/head") {
            return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").is_err();
        }
        if request.line.contains("/long") {
            let line = format!("x: {}\r\n", "a".repeat(1 << 20));
            return stream.write_all(format!("HTTP/1.1 200 OK\r\n{line}content-length: 0\r\n\r\n").as_bytes()).is_err();
        }
        answer(stream, "200 OK", "", b"{}")
    });
    let script = "for way in ('event', 'length', 'head', 'long'):\n\
                  \x20   try:\n\
                  \x20       status, _, body = post('/v1/messages/' + way)\n\
                  \x20       say(way=way, status=status)\n\
                  \x20   except http.client.IncompleteRead as error:\n\
                  \x20       say(way=way, status='broken off', read=error.partial.decode())\n\
                  \x20   say(way='next', status=post()[0])\n\
                  with connect() as stream:\n\
                  \x20   stream.sendall(b'GET /v1/messages/never HTTP/1.1\\r\\nhost: a\\r\\nx-api-key: ' + TOKEN.encode() + b'\\r\\n\\r\\n')\n\
                  \x20   say(way='never', status=post()[0])\n\
                  sys.stdin.readline()";
    let world = brokered(&upstream, script);
    let mut running = Running::start(&world);
    for (way, status) in [
        ("event", "broken off".into()),
        ("length", "broken off".into()),
        ("head", Value::from(502)),
        ("long", 502.into()),
    ] {
        let line = running.line();
        assert_eq!((&line["way"], &line["status"]), (&way.into(), &status), "{line}");
        assert_eq!(running.line()["status"], 200, "after {way}");
    }
    assert_eq!(running.line()["status"], 200, "beside one that is never answered");
    assert!(is_over.recv().expect("the request ends"), "the agent hung up, so the broker does");
    running.tell("\n");
    assert!(running.child.wait().expect("a child").success());
}

#[test]
fn a_thousand_launches_leave_no_process_no_file_and_no_descriptor() {
    let upstream = Upstream::plain();
    let world = brokered(&upstream, "");
    world.program("claude", "#!/bin/sh\nexec ls /proc/self/fd\n");
    let files = || {
        let mut folders = vec![world.path("home"), world.path("run")];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("listed").map(|entry| entry.expect("readable")) {
                // A cache of what programs hold is written once a program has its age.
                if entry.file_name() == "digests" {
                    continue;
                }
                if entry.file_type().expect("a type").is_dir() {
                    folders.push(entry.path());
                }
                found.push(entry.path());
            }
        }
        found.sort();
        found
    };
    let start = || {
        let mut command = world.process(RINGLET);
        command.args(["exec", "claude"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts")
    };
    let descriptors = |child: Child| child.wait_with_output().expect("an end").stdout;
    let first = descriptors(start());
    let before = files();
    // The sidecars of many launches at once, and one after the other.
    for _ in 0..250 {
        let running: Vec<Child> = (0..4).map(|_| start()).collect();
        for child in running {
            let pid = child.id();
            assert_eq!(descriptors(child), first, "the agent has as many descriptors as ever");
            sidecars_of(pid).into_iter().for_each(wait_for_end);
            assert!(sidecars_of(pid).is_empty());
        }
    }
    assert_eq!(files(), before);
}

/// The stand-in has the version from which Claude Code is given a socket.
fn with_socket(world: &World) {
    world.write("package.json", r#"{"name": "@anthropic-ai/claude-code", "version": "2.1.330"}"#);
}

fn sockets(world: &World) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(world.path("run/ringlet/launch")).expect("listed");
    entries.map(|entry| entry.expect("readable").path()).collect()
}

#[test]
fn claude_is_given_a_socket_and_no_tool_can_spend_there() {
    let upstream = Upstream::plain();
    let code = "'import sys; sys.path.insert(0, %r); from agent import *; print(post()[2].decode())' % sys.path[0]";
    let world = brokered(
        &upstream,
        &format!(
            "say(base=BASE, socket=SOCKET, status=post('/v1/messages?beta=true')[0])\n\
             env = {{**os.environ, 'CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR': '', 'ANTHROPIC_API_KEY': TOKEN}}\n\
             tool = subprocess.run([sys.executable, '-c', {code}], capture_output=True, text=True, env=env)\n\
             curl = ['curl', '-sS', '--unix-socket', SOCKET, '-H', 'x-api-key: ' + TOKEN, '-d', '{{}}', 'http://localhost/v1/messages']\n\
             say(python=json.loads(tool.stdout), curl=json.loads(subprocess.run(curl, capture_output=True, text=True).stdout))\n\
             say(status=post()[0])\n\
             sys.stdin.readline()"
        ),
    );
    with_socket(&world);
    let mut running = Running::start(&world);
    let first = running.line();
    assert_eq!((&first["base"], &first["status"]), (&"http://localhost".into(), &200.into()), "{first}");
    let own = sockets(&world);
    assert_eq!(own, [std::path::PathBuf::from(first["socket"].as_str().expect("a path"))]);
    let refused = running.line();
    for tool in ["python", "curl"] {
        let message = refused[tool]["error"]["message"].as_str().expect("a message");
        assert!(message.starts_with("ringlet: only claude itself may use the key anthropic/work"), "{message}");
    }
    assert_eq!(running.line()["status"], 200);
    let (agent, sidecar) = (running.child.id(), running.sidecar());
    let all = everything_of(agent);
    assert!(!holds(&all, KEY), "the key is nowhere in the agent");
    running.tell("\n");
    assert!(running.child.wait().expect("a child").success());
    wait_for_end(sidecar);
    assert_eq!(sockets(&world), Vec::<std::path::PathBuf>::new());
    let seen = upstream.seen();
    assert_eq!((seen.len(), seen[0].all("x-api-key")), (2, vec![KEY]));
    let lines = spends(&world);
    let programs: Vec<&str> = lines.iter().filter_map(|line| line["binary"].as_str()).collect();
    assert!(programs.len() == 2 && programs[0].contains("python") && programs[1].ends_with("curl"), "{programs:?}");
    let shown = world.run(&["exec", "--dry-run", "claude"]).ok();
    assert!(shown.contains("ANTHROPIC_UNIX_SOCKET={broker}"), "{shown}");
}

#[test]
fn the_socket_of_a_killed_sidecar_leads_nowhere_and_is_removed_by_a_later_launch() {
    let upstream = Upstream::plain();
    let world = brokered(
        &upstream,
        "say(status=post()[0])\nsys.stdin.readline()\ntry: post()\nexcept OSError as error: say(error=type(error).__name__)",
    );
    with_socket(&world);
    let mut running = Running::start(&world);
    assert_eq!(running.line()["status"], 200);
    let sidecar = running.sidecar();
    let pid = number(sidecar);
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    wait_for_end(sidecar);
    running.tell("\n");
    assert_eq!(running.line()["error"], "ConnectionRefusedError");
    assert!(running.child.wait().expect("a child").success());
    let left = sockets(&world);
    assert_eq!(left.len(), 1);
    // A young one may be of a launch that has not begun to listen.
    let old = std::process::Command::new("touch").args(["-d", "1 minute ago"]).args(&left).status().expect("touch");
    assert!(old.success());
    world.run(&["exec", "claude"]);
    assert!(!left[0].exists());
}

#[test]
fn a_client_that_is_still_sending_is_told_why_it_is_refused() {
    for socket in [false, true] {
        let upstream = Upstream::plain();
        let world = brokered(
            &upstream,
            "code = 'import sys; sys.path.insert(0, %r); from agent import *; print(post(body=b\"x\" * (8 << 20))[0])' % sys.path[0]\n\
             env = {**os.environ, 'CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR': '', 'ANTHROPIC_API_KEY': TOKEN}\n\
             tool = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=env)\n\
             wrong = {'x-api-key': 'another'}\n\
             body = b'x' * (8 << 20)\n\
             say(tool=tool.stdout.strip(), path=post('/v1/other', body)[0], token=post(body=body, headers=wrong)[0])",
        );
        if socket {
            with_socket(&world);
        }
        let said = said(launch(&world));
        assert_eq!(said[0], serde_json::json!({"tool": "403", "path": 404, "token": 401}), "by a socket: {socket}");
        assert!(upstream.seen().is_empty());
    }
}
