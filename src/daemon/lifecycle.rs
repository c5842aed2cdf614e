//! The start and the end of the daemon, one for each user, and how other processes find and end it.
//!
//! A daemon runs while the lock on `daemon.lock` in the runtime folder is held; a kill ends the lock with the process.
//! The run file beside it only says where the daemon is. A socket on which nobody listens is removed. SIGTERM and
//! SIGINT let running requests end, then the socket and the run file are removed. What differs by system is in `socket`
//! and `pipe`.

use super::endpoint::{Socket, default_socket, shutdown_signal, status_socket};
use super::holding;
use super::http::{self, HttpState};
use super::identity::Hashes;
use super::registrations::Registrations;
use super::reloading::Reloading;
use super::request::{Handler, Setup};
use super::server::{self, Limits};
use super::token;
use super::{DaemonError, Run};
use crate::audit::{self, Log};
use crate::config::Settings;
use crate::env::Env;
use crate::paths::Paths;
use crate::plan::{self, Context, StorePrograms};
use crate::platform::{self, LockError};
use crate::registry::Registry;
use crate::store::encrypted::identity_socket;
use crate::store::{Items, Opening, Prompt};
use jiff::Timestamp;
use notify::{RecursiveMode, Watcher};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, io};
use tokio::sync::watch;

/// How long a start waits for the lock.
const ASKING: Duration = Duration::from_millis(100);

/// Events of a running daemon, for the caller to print.
#[derive(Debug)]
pub(crate) enum Event {
    /// It answers from now on.
    Ready(Run),
    /// Something worth a line in the log; never with a value.
    Said(String),
}

/// How to run it.
pub(crate) struct Options {
    /// The socket, in place of the settings' and the usual one.
    pub socket: Option<PathBuf>,
    /// Receives the events; an event is dropped once the receiver is gone.
    pub events: Sender<Event>,
}

fn lock_file(paths: &Paths) -> PathBuf {
    paths.runtime().join("daemon.lock")
}

fn run_file(paths: &Paths) -> PathBuf {
    paths.runtime().join("daemon.json")
}

// `None` when somebody else has it.
fn try_lock(paths: &Paths, patience: Duration) -> Result<Option<platform::Lock>, DaemonError> {
    let (folder, file) = (paths.runtime(), lock_file(paths));
    platform::create_private_folder(&folder).map_err(DaemonError::io("create", &folder))?;
    match platform::lock_file(&file, patience) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Busy { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

// Reports whether a daemon holds the lock. Callers that only ask at the same time do not see each other as a daemon.
fn is_locked(paths: &Paths) -> Result<bool, DaemonError> {
    let file = lock_file(paths);
    platform::is_locked(&file).map_err(DaemonError::io("examine", &file))
}

/// The daemon that runs now, if one does.
pub(crate) fn find(paths: &Paths) -> Result<Option<Run>, DaemonError> {
    if !is_locked(paths)? {
        return Ok(None);
    }
    let file = run_file(paths);
    let read = platform::read_file(&file, 1 << 16).map_err(|error| DaemonError::Mute(error.to_string()))?;
    let run = serde_json::from_slice(&read.bytes).map_err(|error| DaemonError::Mute(error.to_string()))?;
    Ok(Some(run))
}

/// Ends the running daemon and waits until it has gone.
pub(crate) fn stop(paths: &Paths, patience: Duration) -> Result<Run, DaemonError> {
    let run = find(paths)?.ok_or(DaemonError::NotRunning)?;
    // The lock is looked at again once the process is pinned: only a process that still holds it is the daemon.
    platform::terminate(run.pid, || matches!(find(paths), Ok(Some(now)) if now == run))
        .map_err(|error| DaemonError::Mute(format!("process {} cannot be ended: {error}", run.pid)))?;
    match try_lock(paths, patience)? {
        Some(_) => Ok(run),
        None => Err(DaemonError::Mute(format!("process {} does not end", run.pid))),
    }
}

/// Opens what the settings name, for the first time and whenever they change.
fn setup(paths: &Paths, env: &Env) -> Result<Setup, String> {
    let settings = Settings::read(paths).map_err(|error| error.to_string())?;
    let limits = audit::Limits {
        max_bytes: settings.audit.max_bytes,
        keep: u32::try_from(settings.audit.keep).unwrap_or(u32::MAX),
        ..Default::default()
    };
    let log = settings.audit.path.clone().unwrap_or_else(|| paths.audit_log());
    let log = Log::open(&log, limits).map_err(|error| error.to_string())?;
    let registry = Registry::new(paths);
    let ringlet = std::env::current_exe().ok();
    // The daemon works for no project.
    let context = Context {
        paths,
        settings: &settings,
        registry: &registry,
        env,
        cwd: &paths.home,
        ringlet: ringlet.as_deref(),
        account_home: &platform::account_home,
    };
    let StorePrograms { found, env: tools_env } = plan::store_programs(&context);
    let items = Items::open(&Opening {
        settings: &settings,
        paths,
        env,
        programs: &found,
        tools_env: &tools_env,
        prompt: Prompt::Never,
    });
    Ok(Setup { items, settings, log })
}

/// Runs the daemon until a signal ends it.
pub(crate) fn run(paths: &Paths, env: &Env, options: Options) -> Result<(), DaemonError> {
    platform::raise_file_limit();
    platform::give_memory_back();
    // Another command may hold the lock for a moment to ask for it.
    let lock = try_lock(paths, ASKING)?;
    let Some(_lock) = lock else {
        return Err(DaemonError::Running(find(paths).ok().flatten().map(|run| run.pid)));
    };
    // What a killed daemon left: its process may be another's by now.
    let file = run_file(paths);
    let _ = fs::remove_file(&file);
    let events = Arc::new(Mutex::new(options.events));
    let say = {
        let events = Arc::clone(&events);
        move |text: String| {
            if let Ok(events) = events.lock() {
                // The daemon goes on without a receiver of its events.
                let _ = events.send(Event::Said(text));
            }
        }
    };
    let handler = Arc::new(handler(paths, env, say.clone())?);
    let settings = handler.setup.current().settings.clone();
    let mut given = listenfd::ListenFd::from_env();
    let socket = options.socket.or_else(|| settings.daemon.socket.clone());
    let socket = socket.map_or_else(|| default_socket(paths), Ok)?;
    let listener = Socket::open(&socket, &mut given)?;
    let own = Socket::open(&status_socket(paths)?, &mut listenfd::ListenFd::empty())?;
    let held = identity_socket(paths).map_err(DaemonError::io("find", Path::new("the user")))?;
    let held = Socket::open(&held, &mut listenfd::ListenFd::empty())?;
    let http = listen(settings.daemon.port, &mut given)?;
    // A new token once the port is bound: another program that had the port may have been sent the old one.
    token::rotate(&paths.http_token())?;
    let addresses = http.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let socket = listener.path.clone();
    let run = Run { pid: std::process::id(), started: Timestamp::now(), socket, http: addresses };
    let text = serde_json::to_vec(&run).map_err(|error| DaemonError::Mute(error.to_string()))?;
    platform::replace_file(&file, &text).map_err(DaemonError::io("write", &file))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(24)
        .thread_keep_alive(Duration::from_secs(2))
        .build()
        .map_err(DaemonError::io("start", Path::new("threads")))?;
    let state = Arc::new(HttpState { handler: Arc::clone(&handler), run: run.clone() });
    let done = runtime.block_on(async {
        // Handlers are installed before readiness is reported; an earlier signal kills the process without a word in
        // the log.
        let end = shutdown_signal()?;
        let (stop, stopped) = watch::channel(false);
        let sockets = listener.prepare()?;
        let statuses = own.prepare()?;
        let holding = holding::serve(held.prepare()?, stopped.clone());
        let tcp = http.into_iter().map(prepared).collect::<Result<_, _>>()?;
        let sockets = tokio::spawn(server::serve(sockets, Arc::clone(&handler), Limits::default(), stopped.clone()));
        let own = tokio::spawn(http::serve_own(statuses, Arc::clone(&state), stopped.clone()));
        let http = tokio::spawn(http::serve(tcp, state, stopped));
        let holding = tokio::spawn(holding);
        let watcher = follow(paths, Arc::clone(&handler), say.clone());
        if let Ok(events) = events.lock() {
            let _ = events.send(Event::Ready(run.clone()));
        }
        let why = end.await;
        say(format!("{why}: ending"));
        drop(watcher);
        stop.send_replace(true);
        let _ = sockets.await;
        let _ = own.await;
        let _ = http.await;
        let _ = holding.await;
        Ok(())
    });
    // What still waits for a keychain must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(100));
    drop((listener, own, held));
    let _ = fs::remove_file(&file);
    done
}

fn handler(
    paths: &Paths,
    env: &Env,
    say: impl Fn(String) + Clone + Send + Sync + 'static,
) -> Result<Handler, DaemonError> {
    let registrations = Registrations::new(paths);
    // A problem is reported by the first read that finds it; at the start it is an error instead.
    let report = |say: &(dyn Fn(String) + Send + Sync), problem: &String| {
        say(format!("{problem}; what was last good stays in force"));
    };
    let (own, world, voice) = (paths.clone(), env.clone(), say.clone());
    let setup =
        Reloading::new(paths.config(), move || setup(&own, &world).inspect_err(|problem| report(&voice, problem)));
    let (list, voice) = (registrations.clone(), say);
    let policy = Reloading::new(registrations.policy_file().to_owned(), move || {
        list.policy().map_err(|error| error.to_string()).inspect_err(|problem| report(&voice, problem))
    });
    Ok(Handler {
        paths: paths.clone(),
        env: env.clone(),
        setup: setup.map_err(DaemonError::Start)?,
        policy: policy.map_err(DaemonError::Start)?,
        registrations,
        clock: Timestamp::now,
        hashes: Hashes::default(),
        changes: Mutex::new(()),
    })
}

// Looks at the files when the system says that something happened beside them; without a watcher each use looks.
fn follow(
    paths: &Paths,
    handler: Arc<Handler>,
    say: impl Fn(String) + Send + 'static,
) -> Option<notify::RecommendedWatcher> {
    let files = [paths.config(), paths.daemon_policy(), paths.http_token()];
    let folder = paths.config().parent()?.to_owned();
    platform::create_private_folder(&folder).ok()?;
    let (token_file, known) = (paths.http_token(), files.clone());
    let heard = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        if event.kind.is_access()
            || !event.paths.iter().any(|path| known.iter().any(|file| file.file_name() == path.file_name()))
        {
            return;
        }
        handler.setup.current();
        handler.policy.current();
        if let Err(error) = token::read(&token_file) {
            say(format!("{error}; the HTTP side refuses everybody"));
        }
    };
    let mut watcher = notify::recommended_watcher(heard).ok()?;
    watcher.watch(&folder, RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}

fn prepared(listener: TcpListener) -> Result<tokio::net::TcpListener, DaemonError> {
    let ready = listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
    ready.map_err(DaemonError::io("listen on", Path::new("the HTTP side")))
}

// Loopback alone. A machine without IPv6 has one address only.
fn listen(port: u16, given: &mut listenfd::ListenFd) -> Result<Vec<TcpListener>, DaemonError> {
    let mut listeners = Vec::new();
    for at in 0..given.len() {
        listeners.extend(given.take_tcp_listener(at).ok().flatten());
    }
    let open =
        listeners.iter().filter_map(|listener| listener.local_addr().ok()).find(|address| !address.ip().is_loopback());
    if let Some(address) = open {
        let why = "the socket that was handed over is open to other machines".into();
        return Err(DaemonError::Http { address: address.to_string(), why });
    }
    if !listeners.is_empty() {
        return Ok(listeners);
    }
    let four = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let failed = |address: SocketAddr, error: &io::Error| DaemonError::Http {
        address: address.to_string(),
        why: error.to_string(),
    };
    let first = TcpListener::bind(four).map_err(|error| failed(four, &error))?;
    let chosen = first.local_addr().map_or(port, |address| address.port());
    listeners.push(first);
    let six = SocketAddr::from((Ipv6Addr::LOCALHOST, chosen));
    match TcpListener::bind(six) {
        Ok(second) => listeners.push(second),
        Err(error) if is_no_address(&error) => {}
        Err(error) => return Err(failed(six, &error)),
    }
    Ok(listeners)
}

fn is_no_address(error: &io::Error) -> bool {
    #[cfg(unix)]
    let numbers = [libc::EADDRNOTAVAIL, libc::EAFNOSUPPORT];
    // winsock2.h's WSAEADDRNOTAVAIL and WSAEAFNOSUPPORT.
    #[cfg(windows)]
    let numbers = [10049, 10047];
    error.raw_os_error().is_some_and(|number| numbers.contains(&number))
}
