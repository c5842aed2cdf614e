//! A client's limits, with the clock stopped: time passes only when nothing else can happen.

use crate::common::daemon::{read, refused, results, success, write};
use crate::common::world::World;
use ringlet::testing::Env;
use ringlet::testing::Hashes;
use ringlet::testing::Items;
use ringlet::testing::Log;
use ringlet::testing::Paths;
use ringlet::testing::Reloading;
use ringlet::testing::Run;
use ringlet::testing::Settings;
use ringlet::testing::{Handler, Setup};
use ringlet::testing::{HttpState, serve_http};
use ringlet::testing::{Limits, serve};
use ringlet::testing::{Permissions, Registrations};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// A daemon's socket in this process, which is registered for everything in the service `tool`.
struct Served {
    world: World,
    socket: PathBuf,
    http: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Served {
    async fn start(world: World, limits: Limits) -> Self {
        let env = Env::from_pairs(world.env().iter().cloned());
        let paths = Paths::new(&env).expect("a home");
        let registrations = Registrations::new(&paths);
        let permissions = Permissions { read: vec!["tool".into()], write: vec!["tool".into()], search: true };
        let this = std::env::current_exe().expect("known");
        registrations.register(&this, None, None, &permissions, jiff::Timestamp::now()).expect("registered");
        let list = registrations.clone();
        let setup = {
            let (paths, env) = (paths.clone(), env.clone());
            move || {
                let settings = Settings::read(&paths).map_err(|error| error.to_string())?;
                let log = Log::open(&paths.audit_log(), Default::default()).map_err(|error| error.to_string())?;
                Ok(Setup { items: Items::new(&settings, &paths, &env), settings, log })
            }
        };
        let handler = Handler {
            env,
            setup: Reloading::new(paths.config(), setup).expect("sound"),
            policy: Reloading::new(registrations.policy_file().to_owned(), move || {
                list.policy().map_err(|it| it.to_string())
            })
            .expect("sound"),
            registrations,
            clock: jiff::Timestamp::now,
            hashes: Hashes::default(),
            changes: Default::default(),
            paths,
        };
        let socket = world.path("run/socket");
        let listener = UnixListener::bind(&socket).expect("bound");
        let (stop, stopped) = watch::channel(false);
        let handler = Arc::new(handler);
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let http = tcp.local_addr().expect("known");
        let run = Run { pid: 0, started: jiff::Timestamp::now(), socket: socket.clone(), http: vec![http] };
        let state = HttpState { handler: Arc::clone(&handler), run };
        tokio::spawn(serve_http(vec![tcp], Arc::new(state), stopped.clone()));
        let server = tokio::spawn(serve(listener, handler, limits, stopped));
        Self { world, socket, http, stop, server }
    }

    async fn connect(&self) -> Client {
        Client(BufReader::new(UnixStream::connect(&self.socket).await.expect("it listens")))
    }
}

struct Client(BufReader<UnixStream>);

impl Client {
    async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.write_all(text.as_ref()).await.expect("it reads");
    }

    async fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).await.expect("text");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    async fn ask(&mut self, request: &Value) -> Value {
        self.send(format!("{request}\n")).await;
        self.answer().await
    }

    // How long until it is closed, with nothing said.
    async fn ends_after(&mut self) -> Duration {
        let start = Instant::now();
        let mut rest = Vec::new();
        // With bytes of the client's on their way, the end is a reset.
        let _ = self.0.read_to_end(&mut rest).await;
        assert_eq!(rest, b"");
        start.elapsed()
    }
}

fn with_the_clock_held(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().expect("a runtime").block_on(test);
}

fn is_about(elapsed: Duration, wanted: u64) -> bool {
    let wanted = Duration::from_secs(wanted);
    elapsed >= wanted && elapsed < wanted + Duration::from_secs(1)
}

#[test]
fn silence_and_half_a_line_end_after_thirty_seconds() {
    with_the_clock_held(async {
        let served = Served::start(World::new(), Limits::default()).await;
        let mut silent = served.connect().await;
        let mut half = served.connect().await;
        half.send(&write("a", "v").to_string()[..40]).await;
        let both = tokio::join!(silent.ends_after(), half.ends_after());
        assert!(is_about(both.0, 30) && is_about(both.1, 30), "{both:?}");
        // One that dribbles has no longer for its line than any other.
        let mut slow = served.connect().await;
        let start = Instant::now();
        let text = write("a", "v").to_string();
        for byte in text.bytes().cycle() {
            if slow.0.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(4)).await;
        }
        assert!(start.elapsed() >= Duration::from_secs(30) && start.elapsed() <= Duration::from_secs(36));
        assert_eq!(served.connect().await.ask(&read(&["a"])).await, success());
    });
}

#[test]
fn each_answer_begins_the_thirty_seconds_anew() {
    with_the_clock_held(async {
        let served = Served::start(World::new(), Limits::default()).await;
        let mut client = served.connect().await;
        for _ in 0..4 {
            sleep(Duration::from_secs(25)).await;
            assert_eq!(client.ask(&read(&["a"])).await, success());
        }
        assert!(is_about(client.ends_after().await, 30));
    });
}

#[test]
fn one_who_does_not_read_the_answers_is_left() {
    with_the_clock_held(async {
        let served = Served::start(World::new(), Limits::default()).await;
        let mut other = served.connect().await;
        assert_eq!(other.ask(&write("a", &"x".repeat(60_000))).await, success());
        let mut client = served.connect().await;
        let lines = format!("{}\n", read(&["a"])).repeat(200);
        client.send(&lines).await;
        sleep(Duration::from_secs(31)).await;
        let mut rest = Vec::new();
        // Cut off: a reset, or an end.
        let _ = client.0.read_to_end(&mut rest).await;
        assert!(rest.len() < 200 * 60_000, "{}", rest.len());
        assert_eq!(served.connect().await.ask(&read(&["b"])).await, success());
    });
}

#[test]
fn more_clients_than_there_are_places_wait_for_one() {
    with_the_clock_held(async {
        let served = Served::start(World::new(), Limits { clients: 2, ..Limits::default() }).await;
        let (mut one, mut two) = (served.connect().await, served.connect().await);
        assert_eq!(one.ask(&read(&["a"])).await, success());
        assert_eq!(two.ask(&read(&["a"])).await, success());
        let mut three = served.connect().await;
        three.send(format!("{}\n", write("a", "v"))).await;
        // It has no turn while both are there, and has it when one of them has gone.
        assert_eq!(two.ask(&read(&["a"])).await, success());
        drop(one);
        assert_eq!(three.answer().await, success());
        assert_eq!(two.ask(&read(&["a"])).await, results(&[("a", Some("v"))]));
    });
}

#[test]
fn one_program_leaves_places_to_others() {
    with_the_clock_held(async {
        let served = Served::start(World::new(), Limits { of_one_program: 2, ..Limits::default() }).await;
        let (mut one, mut two) = (served.connect().await, served.connect().await);
        assert_eq!(one.ask(&read(&["a"])).await, success());
        assert_eq!(two.ask(&read(&["a"])).await, success());
        let mut three = served.connect().await;
        assert_eq!(three.answer().await, refused("error", "internal_error"));
        assert_eq!(three.ends_after().await, Duration::ZERO);
        assert!(served.world.read("home/.local/state/ringlet/audit.jsonl").contains("too many connections"));
        drop(one);
        // Its place is free when the server has seen its end.
        loop {
            let mut next = served.connect().await;
            next.send(format!("{}\n", read(&["a"]))).await;
            if next.answer().await == success() {
                break;
            }
        }
        assert_eq!(two.ask(&read(&["a"])).await, success());
    });
}

#[test]
fn a_request_waits_only_so_long_for_its_turn() {
    // A bus that takes connections and answers nothing.
    let mut world = World::bare();
    let bus = std::os::unix::net::UnixListener::bind(world.path("run/bus")).expect("bound");
    world.set("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", world.path("run/bus").display()));
    world.write("home/.config/ringlet/config.toml", "[credentials]\ntimeout = 2.0\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let limits = Limits { lookups: 1, turn: Duration::from_millis(50), ..Limits::default() };
        let served = Served::start(world, limits).await;
        let mut first = served.connect().await;
        // Known before: finding out who it is takes a turn of another kind.
        first.send("{}\n").await;
        assert_eq!(first.answer().await, refused("error", "malformed_request"));
        first.send(format!("{}\n", read(&["a"]))).await;
        let mut second = served.connect().await;
        second.send(format!("{}\n", read(&["a"]))).await;
        // Whoever waits is told first, and may ask again.
        tokio::select! {
            biased;
            answer = second.answer() => assert_eq!(answer, refused("error", "internal_error")),
            answer = first.answer() => panic!("{answer}"),
        }
        assert_eq!(first.answer().await, refused("error", "internal_error"));
        second.send("{}\n").await;
        assert_eq!(second.answer().await, refused("error", "malformed_request"));
    });
    drop(bus);
}

#[test]
fn told_to_stop_it_lets_idle_clients_go_and_takes_no_new_ones() {
    with_the_clock_held(async {
        let served = Served::start(World::new(), Limits::default()).await;
        let mut client = served.connect().await;
        assert_eq!(client.ask(&write("a", "v")).await, success());
        let mut half = served.connect().await;
        half.send("{\"type\":").await;
        served.stop.send_replace(true);
        let start = Instant::now();
        assert_eq!(tokio::join!(client.ends_after(), half.ends_after()), (Duration::ZERO, Duration::ZERO));
        served.server.await.expect("it ends");
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(UnixStream::connect(&served.socket).await.is_err());
        drop(served.world);
    });
}

#[test]
fn http_headers_that_do_not_end_and_silence_are_left_after_ten_seconds() {
    with_the_clock_held(async {
        let served = Served::start(World::new(), Limits::default()).await;
        let whole = format!("GET /v1/health HTTP/1.1\r\nHost: {}\r\n\r\n", served.http);
        // Nothing, a part, and a whole request with nothing behind it.
        for text in ["", "GET /v1/health HTTP/1.1\r\nHost: ", &whole] {
            let mut stream = TcpStream::connect(served.http).await.expect("it listens");
            stream.write_all(text.as_bytes()).await.expect("it reads");
            let start = Instant::now();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            assert!(is_about(start.elapsed(), 10), "{text:?} {:?}", start.elapsed());
            assert_eq!(rest.starts_with(b"HTTP/1.1 200"), text == whole, "{rest:?}");
        }
    });
}
