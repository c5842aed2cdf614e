//! On Windows: a named pipe in place of the socket, and the events that end the daemon.
//!
//! The pipe is named after the user's SID, which `whoami /user` shows, and nobody else may open it. It goes with the
//! process, so there are no leftovers. Values pass through the system library's buffers here, which are not wiped.

use super::DaemonError;
use crate::paths::Paths;
use crate::platform;
use crate::platform::Sender;
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;
use tokio::signal::windows as signal;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;

/// A client's end.
pub(crate) use tokio::net::windows::named_pipe::NamedPipeServer as Stream;

const PIPES: &str = r"\\.\pipe\";

/// Does nothing: a pipe tells who opened it, and not who writes to it.
pub(crate) fn tell_senders(_stream: &Stream) -> io::Result<()> {
    Ok(())
}

/// Reads what a client has sent.
pub(crate) async fn receive(stream: &mut Stream, buffer: &mut [u8]) -> io::Result<(usize, Sender)> {
    Ok((stream.read(buffer).await?, Sender::Unknown))
}

/// The pipe, unless the user names another.
pub(crate) fn default_socket(_paths: &Paths) -> Result<PathBuf, DaemonError> {
    let user = platform::own_user().map_err(DaemonError::io("find", Path::new("the user")))?;
    Ok(PathBuf::from(format!("{PIPES}ringlet-agent-{user}")))
}

/// Where the daemon tells its own user how it is.
pub(crate) fn status_socket(_paths: &Paths) -> Result<PathBuf, DaemonError> {
    let user = platform::own_user().map_err(DaemonError::io("find", Path::new("the user")))?;
    Ok(PathBuf::from(format!("{PIPES}ringlet-status-{user}")))
}

/// Connects to [`status_socket`].
pub(crate) async fn connect(path: &Path) -> io::Result<tokio::net::windows::named_pipe::NamedPipeClient> {
    tokio::net::windows::named_pipe::ClientOptions::new().open(path)
}

/// The pipe's name.
pub(crate) struct Socket {
    /// The name again.
    pub path: PathBuf,
}

impl Socket {
    /// Checks the name. No pipe is handed over by what started the daemon.
    pub(crate) fn open(path: &Path, _given: &mut listenfd::ListenFd) -> Result<Self, DaemonError> {
        let rest = path.to_str().and_then(|name| name.strip_prefix(PIPES));
        match rest {
            Some(name) if !name.is_empty() && !name.contains(['\\', '/']) => Ok(Self { path: path.to_owned() }),
            _ => Err(DaemonError::Socket { socket: path.to_owned(), why: format!("a pipe is named {PIPES}NAME") }),
        }
    }

    /// Begins to listen.
    pub(crate) fn prepare(&self) -> Result<Listener, DaemonError> {
        let failed = |why: String| DaemonError::Socket { socket: self.path.clone(), why };
        Listener::new(&self.path).map_err(|error| match error.kind() {
            // So the system says that the name is taken.
            io::ErrorKind::PermissionDenied => failed("another program listens there".into()),
            _ => failed(error.to_string()),
        })
    }
}

/// How many clients may connect at the same time. One more finds the pipe busy and has to try again (`WaitNamedPipe`).
const WAITING: usize = 16;

/// The instances that wait for clients. There is always at least one; without any, another program could take the name.
pub struct Listener {
    name: PathBuf,
    waiting: Mutex<JoinSet<io::Result<Stream>>>,
}

impl Listener {
    fn new(name: &Path) -> io::Result<Self> {
        let mut waiting = JoinSet::new();
        wait(&mut waiting, platform::private_pipe(name, true)?);
        Ok(Self { name: name.to_owned(), waiting: Mutex::new(waiting) })
    }

    /// The next client, and no address, in the form of a Unix socket's.
    pub async fn accept(&self) -> io::Result<(Stream, ())> {
        let mut waiting = self.waiting.lock().await;
        while waiting.len() < WAITING {
            match platform::private_pipe(&self.name, false) {
                Ok(instance) => wait(&mut waiting, instance),
                Err(error) if waiting.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        let come = waiting.join_next().await.ok_or_else(|| io::Error::other("no instance waits"))?;
        Ok((come.map_err(io::Error::other)??, ()))
    }
}

fn wait(waiting: &mut JoinSet<io::Result<Stream>>, instance: Stream) {
    // An instance is used up even by a client that has gone again.
    waiting.spawn(async move { instance.connect().await.map(|()| instance) });
}

/// Registers for the events that end the daemon. The returned future waits for the first and names it.
pub(crate) fn shutdown_signal() -> Result<impl Future<Output = &'static str>, DaemonError> {
    let failed = || DaemonError::io("wait for", Path::new("the end"));
    let event = platform::EndEvent::new().map_err(failed())?;
    let (tell, asked) = oneshot::channel();
    // The thread is left behind when another event ends the daemon, and ends with the process.
    let wait = move || {
        if event.wait().is_ok() {
            let _ = tell.send(());
        }
    };
    std::thread::Builder::new().spawn(wait).map_err(failed())?;
    let mut ctrl_c = signal::ctrl_c().map_err(failed())?;
    let mut ctrl_break = signal::ctrl_break().map_err(failed())?;
    // Some seconds after a console closes, every process on it is ended.
    let mut closes = signal::ctrl_close().map_err(failed())?;
    let mut leaves = signal::ctrl_logoff().map_err(failed())?;
    let mut shuts_down = signal::ctrl_shutdown().map_err(failed())?;
    Ok(async move {
        tokio::select! {
            Ok(()) = asked => "asked to",
            _ = ctrl_c.recv() => "Ctrl-C",
            _ = ctrl_break.recv() => "Ctrl-Break",
            _ = closes.recv() => "the console closes",
            _ = leaves.recv() => "the user logs off",
            _ = shuts_down.recv() => "the system shuts down",
        }
    })
}
