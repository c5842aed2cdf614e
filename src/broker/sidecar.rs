//! The process beside the agent: it accepts connections, asks the kernel whose they are, and ends with the agent.

use super::busy::{Busy, Turn};
use super::heads::{Framing, Framings, Heads};
use super::order;
use super::peers::{Launch, Spender, Stranger, Why};
use super::refusal::Refusal;
use super::relay::{Answer, Relay};
use crate::audit::{Action, LogPlace, Outcome, Record};
use crate::https::BUFFER;
use crate::name::KeyName;
use crate::platform::{self, RemoveOnDrop};
use crate::registry::misplaced;
use crate::secret::{Key, Secret, Shape};
use crate::vault::{self, Change, Keeper, Keeping};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

// A stranger is told why it is refused if it asks within this time.
const STRANGERS_TIME: Duration = Duration::from_secs(5);
// So long a client may go on to send a request that was refused.
const LINGER: Duration = Duration::from_secs(10);
const MOST_DROPPED: usize = 256 << 20;
// So many strangers are told at once; further connections of strangers are closed and counted.
const STRANGERS: usize = 16;
// So many different strangers are recorded by name.
const MOST_RECORDED: usize = 256;

/// Serves the launch of the process with this number, which becomes the agent, until it has ended. The listening socket
/// is standard output; the orders come from standard input.
pub(crate) fn serve(agent: u32) -> io::Result<()> {
    let _hardened = platform::harden()?;
    // Before anybody can end the process with that number: it waits for the next line.
    let agent = platform::Peer::with_pid(agent)?;
    platform::raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
    let listener = Listener::on_stdout(&runtime)?;
    // What can fail comes before this: the launch does not wait any longer.
    platform::say_ready()?;
    let mut errand = order::read(io::stdin().lock())?;
    let keeper = errand.order.keeper.take();
    platform::close_stdin()?;
    let _file = errand.order.socket.clone().map(RemoveOnDrop);
    let launch = Launch::new(agent, errand.order.helper.clone());
    let relay = Relay::new(errand.order, errand.token, errand.key)?;
    let shared = Arc::new(Shared::new(launch, relay));
    let mut keeping = keeper.and_then(|keeper| shared.begin_to_keep(keeper));
    let served = async {
        match listener {
            Listener::OfSocket(listener) => {
                shared.accept(async || listener.accept().await.map(|(stream, _)| Client::OfSocket(stream))).await
            }
            Listener::OfLoopback(listener) => {
                let address = listener.local_addr()?;
                let client = |(stream, from)| Client::OfLoopback(stream, from, address);
                shared.accept(async || listener.accept().await.map(client)).await
            }
        }
    };
    let done = runtime.block_on(async {
        tokio::select! {
            done = served => done,
            () = shared.keep(&mut keeping) => Ok(()),
        }
    });
    runtime.block_on(shared.give_back(keeping));
    // A search for an address that takes long is not waited for.
    runtime.shutdown_background();
    shared.record_totals();
    done
}

// A value that is read anew is held to what the first one was held to.
fn usable(name: &KeyName, value: Secret) -> Result<Secret, String> {
    let key = Key::new(value, Shape::Given).map_err(|why| why.to_string())?;
    match misplaced(&name.provider, key.expose()) {
        None => Ok(key.into_secret()),
        Some(_) => Err("was made for another provider".to_owned()),
    }
}

// A client that is still sending when the connection is closed would not see the answer. What it sends is dropped.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let (mut left, mut dropped) = (MOST_DROPPED, [0; 4096]);
    if stream.shutdown().await.is_err() {
        return;
    }
    while let (1.., Ok(read @ 1..)) = (left, stream.read(&mut dropped).await) {
        left = left.saturating_sub(read);
    }
}

// The socket that is listened at.
enum Listener {
    OfLoopback(TcpListener),
    OfSocket(UnixListener),
}

impl Listener {
    fn on_stdout(runtime: &Runtime) -> io::Result<Self> {
        let _inside = runtime.enter();
        let socket = platform::socket_on_stdout()?;
        if platform::is_unix_socket(&socket)? {
            let listener = std::os::unix::net::UnixListener::from(socket);
            listener.set_nonblocking(true)?;
            return UnixListener::from_std(listener).map(Self::OfSocket);
        }
        let listener = std::net::TcpListener::from(socket);
        platform::widen_queue(&listener)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Self::OfLoopback)
    }
}

// A connection, and what tells whose it is.
enum Client {
    // The client's address, and the server's.
    OfLoopback(TcpStream, SocketAddr, SocketAddr),
    OfSocket(UnixStream),
}

struct Shared {
    launch: Launch,
    relay: Relay,
    strangers: Semaphore,
    refused: Mutex<BTreeMap<Stranger, u64>>,
    // Connections of strangers that were not looked at.
    closed: AtomicU64,
}

impl Shared {
    fn new(launch: Launch, relay: Relay) -> Self {
        let strangers = Semaphore::new(STRANGERS);
        Self { launch, relay, strangers, refused: Mutex::default(), closed: AtomicU64::new(0) }
    }

    fn begin_to_keep(&self, keeper: Keeper) -> Option<Keeping> {
        self.relay.let_end(keeper.value_ends());
        Keeping::new(keeper).map_err(|error| self.looked_up(Outcome::Error, format!("the key's store {error}"))).ok()
    }

    // Has the key for as long as the launch's own lease lets it be used. It never ends before the launch.
    async fn keep(&self, keeping: &mut Option<Keeping>) {
        if let Some(kept) = keeping {
            tokio::select! {
                () = self.follow(kept) => {}
                () = vault::until(self.relay.order().lease_ends) => {}
            }
            self.give_back(keeping.take()).await;
        }
        std::future::pending().await
    }

    async fn follow(&self, kept: &mut Keeping) {
        loop {
            let change = kept.next().await;
            let ends = kept.value_ends();
            match change {
                Change::Longer => self.relay.let_end(ends),
                Change::Anew(value) => match usable(&self.relay.order().key, value) {
                    Ok(key) => {
                        self.relay.take_key(key, ends);
                        self.looked_up(Outcome::Granted, "it was read anew from its store".to_owned());
                    }
                    Err(why) => {
                        self.relay.end_key(format!("its new value {why}"));
                        self.looked_up(Outcome::Error, format!("the new value from its store {why}"));
                    }
                },
                Change::Ended(why) => {
                    self.relay.end_key(format!("its store {why}"));
                    self.looked_up(Outcome::Error, format!("the store's lease has ended: its store {why}"));
                }
            }
        }
    }

    async fn give_back(&self, keeping: Option<Keeping>) {
        if let Some(kept) = keeping
            && let Err(error) = kept.end().await
        {
            self.looked_up(Outcome::Error, format!("what its store gave was not ended: it {error}"));
        }
    }

    // Accepts connections until no process lives that may spend.
    async fn accept(self: &Arc<Self>, next: impl AsyncFn() -> io::Result<Client>) -> io::Result<()> {
        let ended = self.launch.ended();
        tokio::pin!(ended);
        loop {
            tokio::select! {
                done = &mut ended => return done,
                accepted = next() => match accepted {
                    Ok(client) => drop(tokio::spawn(Arc::clone(self).connection(client))),
                    // Out of descriptors: others become free.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
            }
        }
    }

    async fn connection(self: Arc<Self>, client: Client) {
        match client {
            Client::OfLoopback(stream, from, address) => {
                // Without it a short write waits for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                // Of a connection that was closed again nothing is asked.
                let Some(judged) = self.launch.judge(from, address) else { return };
                self.serve(stream, judged).await;
            }
            Client::OfSocket(stream) => {
                let judged = self.launch.judge_peer(&stream);
                self.serve(stream, judged).await;
            }
        }
    }

    async fn serve<S>(self: Arc<Self>, stream: S, judged: Result<Spender, Stranger>)
    where
        S: AsyncRead + AsyncWrite + AsFd + Unpin + 'static,
    {
        match judged {
            Ok(spender) => {
                let Ok(line) = stream.as_fd().try_clone_to_owned() else { return };
                let (spender, framings, busy) = (&spender, Framings::default(), Busy::default());
                let stream = TokioIo::new(Heads::new(stream, framings.clone()));
                let service = service_fn(|request| self.answer(spender, framings.next(), busy.begin(), request));
                let mut builder = http1::Builder::new();
                builder.max_buf_size(BUFFER);
                let served = tokio::select! {
                    biased;
                    served = builder.serve_connection(stream, service).without_shutdown() => served,
                    () = busy.hung_up(&line) => return,
                };
                if let Ok(parts) = served {
                    let _ = tokio::time::timeout(LINGER, linger(parts.io.into_inner())).await;
                }
            }
            Err(stranger) => {
                let Ok(_turn) = self.strangers.try_acquire() else {
                    self.closed.fetch_add(1, Ordering::Relaxed);
                    return;
                };
                let Some(stranger) = self.named(stranger).await else { return };
                let refusal = self.is_strange(&stranger);
                let service =
                    service_fn(|_: Request<Incoming>| async { Ok::<_, Infallible>(self.relay.refused(&refusal)) });
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(STRANGERS_TIME).keep_alive(false);
                let served = async {
                    let served = builder.serve_connection(TokioIo::new(stream), service).without_shutdown().await;
                    if let Ok(parts) = served {
                        linger(parts.io.into_inner()).await;
                    }
                };
                let _ = tokio::time::timeout(STRANGERS_TIME, served).await;
            }
        }
    }

    // Looks who a stranger is, and records it. The search takes milliseconds, and the log may be waited for, while the
    // agent's answers go on.
    async fn named(self: &Arc<Self>, stranger: Stranger) -> Option<Stranger> {
        let shared = Arc::clone(self);
        let named = tokio::task::spawn_blocking(move || {
            let stranger = stranger.name();
            shared.record(&stranger);
            stranger
        });
        named.await.ok()
    }

    async fn answer(
        self: &Arc<Self>,
        spender: &Spender,
        framing: Option<Framing>,
        turn: Turn,
        request: Request<Incoming>,
    ) -> Result<Answer, Infallible> {
        let Some(framing) = framing.filter(|framing| *framing != Framing::Unclear) else {
            let refusal = Refusal::new(StatusCode::BAD_REQUEST, "the request says in two ways where it ends");
            return Ok(self.relay.refused(&refusal));
        };
        if !self.launch.still(spender) {
            let refusal = Refusal::new(StatusCode::FORBIDDEN, "the process that connected runs another program now");
            return Ok(self.relay.refused(&refusal));
        }
        let mut answer = match self.relay.carry(request).await {
            Ok(answer) => answer,
            Err(refusal) => {
                if refusal.is_recorded {
                    self.named(self.launch.described(spender)).await;
                }
                self.relay.refused(&refusal)
            }
        };
        if let Either::Left(body) = answer.body_mut() {
            body.hold(turn);
        }
        if framing == Framing::Chunked {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(answer)
    }

    fn is_strange(&self, stranger: &Stranger) -> Refusal {
        let order = self.relay.order();
        let who = match (&stranger.program, stranger.pid) {
            (Some(program), Some(pid)) => format!("{} (process {pid})", program.display()),
            (None, Some(pid)) => format!("process {pid}"),
            (_, None) => "a process that has gone".to_owned(),
        };
        let message = match stranger.why {
            Why::Other => format!(
                "only {} itself may use the key {}, and this request is of {who}; a tool needs a key of its own",
                order.command, order.key
            ),
            Why::Ended => format!("the launch of {} has ended, and its key with it; start it again", order.command),
            Why::NoRequest => "this is no request of the API".to_owned(),
            Why::Hidden => format!(
                "{} closes itself to other processes, so its requests cannot be told from those of its tools; set \
                 `delivery = \"direct\"` in the profile",
                order.command
            ),
        };
        Refusal::new(StatusCode::FORBIDDEN, message)
    }

    // Records a stranger at its first connection; the others are counted.
    fn record(&self, stranger: &Stranger) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = refused.contains_key(stranger);
        if !is_known && refused.len() >= MOST_RECORDED {
            return;
        }
        *refused.entry(stranger.clone()).or_default() += 1;
        drop(refused);
        if !is_known {
            self.refusal(stranger, None);
        }
    }

    fn record_totals(&self) {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // The key is still here, so a log that cannot be written is tried once.
        for (stranger, count) in refused.iter().filter(|(_, count)| **count > 1) {
            if !self.refusal(stranger, Some(*count)) {
                return;
            }
        }
        let closed = self.closed.load(Ordering::Relaxed);
        if closed > 0 {
            let reason = format!("{closed} connections were closed unlooked at, since many others were waiting");
            if !self.append(Outcome::Denied, None, reason) {
                return;
            }
        }
        let used = self.relay.used();
        let requests = if used.requests == 1 { "request" } else { "requests" };
        let reason = format!(
            "the launch made {} {requests}; tokens: {} read, {} read from the cache, {} written",
            used.requests, used.input, used.cached, used.output
        );
        self.append(Outcome::Granted, None, reason);
    }

    fn refusal(&self, stranger: &Stranger, count: Option<u64>) -> bool {
        let why = match stranger.why {
            Why::Other => "it is not the agent",
            Why::Ended => "the launch has ended",
            Why::Hidden => "it cannot be told from the agent",
            Why::NoRequest => "it is no request of the API",
        };
        let what = if stranger.why == Why::NoRequest { "requests" } else { "connections" };
        let times = count.map(|count| format!(", {count} {what}")).unwrap_or_default();
        self.append(Outcome::Denied, Some(stranger), format!("{why}{times}"))
    }

    // What the store was asked for while the agent runs.
    fn looked_up(&self, result: Outcome, reason: String) {
        self.write(Action::Lookup, result, None, reason);
    }

    fn append(&self, result: Outcome, stranger: Option<&Stranger>, reason: String) -> bool {
        self.write(Action::Spend, result, stranger, reason)
    }

    // A record that cannot be written does not stop the agent: nothing was given away. Returns whether it was written.
    fn write(&self, action: Action, result: Outcome, stranger: Option<&Stranger>, reason: String) -> bool {
        let order = self.relay.order();
        let Some(Ok(log)) = order.audit.as_ref().map(LogPlace::open) else { return false };
        let record = Record {
            time: Timestamp::now(),
            action,
            subject: order.key.clone().into(),
            store: if action == Action::Lookup { order.store.clone() } else { None },
            profile: Some(order.profile.clone()),
            agent: Some(order.agent.clone()),
            binary: stranger.and_then(|stranger| stranger.program.clone()),
            binary_sha256: None,
            pid: stranger.map_or(self.launch.agent(), |stranger| stranger.pid.unwrap_or(0)),
            cwd: Some(order.cwd.clone()),
            result,
            reason: Some(reason),
        };
        log.append(&record).is_ok()
    }
}
