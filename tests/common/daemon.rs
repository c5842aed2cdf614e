//! A running daemon, and the three kinds of client that the tests use: this process, a script in Python, and Debian's
//! `nc`. Each is registered with the daemon as what it is.

use super::world::{RINGLET, World};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take; far more than it does, since the machine may be busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// What the client of most tests may do.
pub(crate) const ALL: &[&str] = &["--read", "tool", "--write", "tool", "--search"];

/// The world, with a port of the daemon's own.
pub(crate) fn served(world: World) -> World {
    world.configure("[daemon]\nport = 0\n");
    world
}

/// A daemon in the foreground, killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    said: Arc<(Mutex<(String, bool)>, Condvar)>,
    /// Its socket.
    pub socket: PathBuf,
    /// Its HTTP side.
    pub http: SocketAddr,
    token: PathBuf,
}

/// Where a world's sockets are.
pub(crate) fn runtime(world: &World) -> PathBuf {
    let set = world.env().iter().find(|(name, _)| name == "XDG_RUNTIME_DIR").expect("it is set");
    Path::new(&set.1).join("ringlet")
}

/// The file that says where the daemon is.
pub(crate) fn run_file(world: &World) -> Value {
    let text = fs::read(runtime(world).join("daemon.json")).expect("the run file");
    serde_json::from_slice(&text).expect("JSON")
}

impl Daemon {
    /// Starts it in this world and waits until it answers.
    pub(crate) fn start(world: &World) -> Self {
        Self::start_by(world, world.process(RINGLET))
    }

    /// The same by another command, which becomes it.
    #[track_caller]
    pub(crate) fn start_by(world: &World, mut command: Command) -> Self {
        command.args(["daemon", "start", "--foreground"]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the daemon starts");
        let said = Arc::new((Mutex::new((String::new(), false)), Condvar::new()));
        let (to, mut from) = (Arc::clone(&said), BufReader::new(child.stderr.take().expect("a pipe")));
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while let Ok(1..) = from.read_until(b'\n', &mut line) {
                to.0.lock().expect("no reader panics").0.push_str(&String::from_utf8_lossy(&line));
                to.1.notify_all();
                line.clear();
            }
            to.0.lock().expect("no reader panics").1 = true;
            to.1.notify_all();
        });
        let none = SocketAddr::from(([127, 0, 0, 1], 0));
        let token = world.path("home/.config/ringlet/http_token");
        let mut daemon = Self { child, said, socket: PathBuf::new(), http: none, token };
        daemon.wait_until_it_says("the daemon answers at");
        let run = run_file(world);
        daemon.socket = run["socket"].as_str().expect("a path").into();
        daemon.http = run["http"][0].as_str().expect("an address").parse().expect("an address");
        daemon
    }

    /// Waits for a line in its log.
    #[track_caller]
    pub(crate) fn wait_until_it_says(&self, text: &str) {
        let start = Instant::now();
        let mut said = self.said.0.lock().expect("no reader panics");
        while !said.0.contains(text) {
            assert!(!said.1 && start.elapsed() < DEADLINE, "{text:?} is not in:\n{}", said.0);
            said = self.said.1.wait_timeout(said, DEADLINE).expect("no reader panics").0;
        }
    }

    /// Everything it has said.
    pub(crate) fn said(&self) -> String {
        self.said.0.lock().expect("no reader panics").0.clone()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).expect("a child of ours");
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.child.wait().expect("a child of ours")
    }

    /// The bearer token, as the file has it now.
    pub(crate) fn token(&self) -> String {
        fs::read_to_string(&self.token).expect("the token").trim().to_owned()
    }

    /// Asks the HTTP side with the right token.
    #[track_caller]
    pub(crate) fn get(&self, route: &str) -> Answer {
        self.http(self.request("GET", route, &format!("Authorization: Bearer {}\r\n", self.token())))
    }

    /// A request in full, for this daemon's own `Host`.
    pub(crate) fn request(&self, method: &str, route: &str, headers: &str) -> String {
        format!("{method} {route} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n", self.http)
    }

    /// Sends these bytes to the HTTP side and reads to the end.
    #[track_caller]
    pub(crate) fn http(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.tcp();
        // What is refused early is not read to its end.
        let _ = stream.write_all(request.as_ref());
        Answer::read(&mut stream)
    }

    /// A connection to the HTTP side.
    pub(crate) fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.http).expect("the HTTP side listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer of the HTTP side.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status; 0 when nothing came that is an answer.
    pub status: u16,
    /// The lines before the body, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Reads one to the end of the stream.
    pub(crate) fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A reset after the answer is an end, too.
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What kind of refusal it is.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Registers this very process.
pub(crate) fn register_this(world: &World, permissions: &[&str]) {
    let this = std::env::current_exe().expect("known");
    register(world, &this, permissions);
}

/// Registers a program.
#[track_caller]
pub(crate) fn register(world: &World, program: &Path, permissions: &[&str]) {
    world.run(&[&["daemon", "register", program.to_str().expect("UTF-8")], permissions].concat()).ok();
}

/// This process as a client.
pub(crate) struct Client(BufReader<UnixStream>);

impl Client {
    /// Connects.
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the daemon listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream.set_write_timeout(Some(DEADLINE)).expect("a deadline");
        Self(BufReader::new(stream))
    }

    /// The connection itself.
    pub(crate) fn stream(&mut self) -> &mut UnixStream {
        self.0.get_mut()
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream().write_all(bytes.as_ref()).expect("the daemon reads");
    }

    /// The next answer.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("an answer in time");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Asks.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        self.send(format!("{request}\n"));
        self.answer()
    }

    /// Whether the daemon has closed it, with nothing more to read.
    pub(crate) fn has_ended(&mut self) -> bool {
        // A reset is an end, too.
        self.0.read(&mut [0; 1]).is_ok_and(|read| read == 0)
            || self.0.get_ref().take_error().is_ok_and(|error| error.is_none()) && self.0.get_ref().peer_addr().is_err()
    }
}

/// A program of somebody else's that passes lines to the daemon and back.
pub(crate) struct Third {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Third {
    /// Starts it.
    pub(crate) fn start(mut command: Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the client starts");
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("a pipe")));
        Self { child, stdin, stdout }
    }

    /// Debian's `nc`, or a copy of it.
    pub(crate) fn nc(world: &World, daemon: &Daemon, program: &Path) -> Self {
        let mut command = world.process(program);
        command.arg("-U").arg(&daemon.socket);
        Self::start(command)
    }

    /// The script in Python, or a copy of it.
    pub(crate) fn script(world: &World, daemon: &Daemon, script: &Path, options: &[&str]) -> Self {
        let mut command = world.process(script);
        command.arg(&daemon.socket).args(options);
        Self::start(command)
    }

    /// Gives it a line.
    pub(crate) fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("its input is open");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("it reads");
    }

    /// The next line it prints; empty at its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }

    /// Asks through it.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        self.send(&request.to_string());
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Whether the daemon has closed the script's connection.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.send("");
        self.line() == "END"
    }

    /// Ends its input.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    /// Its process.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Third {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A copy of the script in the world, where it can be changed.
pub(crate) fn script(world: &World, name: &str) -> PathBuf {
    copied(world, Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daemon/client.py")), name)
}

/// A copy of Debian's `nc`.
pub(crate) fn nc(world: &World) -> PathBuf {
    copied(world, Path::new("/bin/nc.openbsd"), "netcat")
}

/// A copy made by another process: what this one has open for writing, a child that another test starts at that moment
/// holds open too, and then it cannot be executed. It takes the place of what has the name.
pub(crate) fn copied(world: &World, from: &Path, name: &str) -> PathBuf {
    let (next, copy) = (world.path("bin/.next"), world.path("bin").join(name));
    let done = Command::new("cp").arg("-L").arg(from).arg(&next).status().expect("cp");
    assert!(done.success(), "{} is there", from.display());
    world.chmod(&next, 0o755);
    fs::rename(next, &copy).expect("renamed");
    copy
}

/// A request.
pub(crate) fn request(action: &str, service: &str, more: Value) -> Value {
    let mut all = json!({ "type": "REQUEST", "action": action, "service": service });
    let fields = all.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    all
}

/// A read of these targets of the service `tool`.
pub(crate) fn read(targets: &[&str]) -> Value {
    request("read", "tool", json!({ "targets": targets }))
}

/// A write of one value there.
pub(crate) fn write(target: &str, value: &str) -> Value {
    request("write", "tool", json!({ "targets": [target], "values": [value] }))
}

/// The answer to what was done.
pub(crate) fn success() -> Value {
    json!({ "type": "RESPONSE", "status": "success" })
}

/// The answer to a read or search, with values where there are some.
pub(crate) fn results(found: &[(&str, Option<&str>)]) -> Value {
    let rows: Vec<Value> = found
        .iter()
        .map(|(target, value)| match value {
            Some(value) => json!({ "target": target, "value": value }),
            None => json!({ "target": target }),
        })
        .collect();
    json!({ "type": "RESPONSE", "status": "success", "results": rows })
}

/// A refusal.
pub(crate) fn refused(status: &str, reason: &str) -> Value {
    json!({ "type": "RESPONSE", "status": status, "reason": reason })
}
