//! On Unix: the daemon's socket, and the signals that end it. `pipe` is its counterpart on Windows.

use super::DaemonError;
use crate::paths::Paths;
use crate::platform;
use crate::platform::Sender;
use crate::platform::private::{self, Privacy};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::{fs, io};
use tokio::io::Interest;
use tokio::signal::unix::{SignalKind, signal};

/// The listening socket, and the connection to a client.
pub(crate) use tokio::net::{UnixListener as Listener, UnixStream as Stream};

/// Has the kernel name the sender of all bytes that are read from the socket.
pub(crate) use crate::platform::tell_senders;

/// Reads bytes, and says which process sent them: the client or another one that holds its socket.
pub(crate) async fn receive(stream: &mut Stream, buffer: &mut [u8]) -> io::Result<(usize, Sender)> {
    loop {
        stream.readable().await?;
        match stream.try_io(Interest::READABLE, || platform::receive(&*stream, buffer)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

/// The socket, unless the user names another.
pub(crate) fn default_socket(paths: &Paths) -> Result<PathBuf, DaemonError> {
    Ok(paths.runtime().join("agent.sock"))
}

/// The socket on which the daemon tells its own user its status.
pub(crate) fn status_socket(paths: &Paths) -> Result<PathBuf, DaemonError> {
    Ok(paths.runtime().join("status.sock"))
}

/// Connects to [`status_socket`].
pub(crate) async fn connect(path: &Path) -> io::Result<Stream> {
    Stream::connect(path).await
}

/// Registers for signals. The returned future waits for the first that ends the daemon and names it.
pub(crate) fn shutdown_signal() -> Result<impl Future<Output = &'static str>, DaemonError> {
    let failed = || DaemonError::io("wait for", Path::new("signals"));
    let mut term = signal(SignalKind::terminate()).map_err(failed())?;
    let mut int = signal(SignalKind::interrupt()).map_err(failed())?;
    // A terminal that closes is no reason to end.
    let mut hup = signal(SignalKind::hangup()).map_err(failed())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = term.recv() => return "SIGTERM",
                _ = int.recv() => return "SIGINT",
                _ = hup.recv() => {}
            }
        }
    })
}

/// The socket. It is removed at the end if this process made it.
pub(crate) struct Socket {
    /// Its path.
    pub path: PathBuf,
    listener: UnixListener,
    identity: Option<(u64, u64)>,
}

impl Socket {
    /// Takes over the socket that was opened by what started the daemon, or opens one.
    pub(crate) fn open(path: &Path, given: &mut listenfd::ListenFd) -> Result<Self, DaemonError> {
        let failed = |why: String| DaemonError::Socket { socket: path.to_owned(), why };
        for at in 0..given.len() {
            if let Ok(Some(listener)) = given.take_unix_listener(at) {
                tell_senders(&listener).map_err(|error| failed(error.to_string()))?;
                // The path is the one at which it was opened.
                let there = listener.local_addr().ok().and_then(|address| address.as_pathname().map(Path::to_owned));
                return Ok(Self { path: there.unwrap_or_else(|| path.to_owned()), listener, identity: None });
            }
        }
        let folder = path.parent().ok_or_else(|| failed("has no folder".into()))?;
        platform::create_private_folder(folder).map_err(DaemonError::io("create", folder))?;
        private::folder(folder, Privacy::Unwritten).map_err(|why| failed(format!("its folder {why}")))?;
        Self::clear(path).map_err(failed)?;
        let listener = platform::private_listener(path).map_err(|error| failed(error.to_string()))?;
        tell_senders(&listener).map_err(|error| failed(error.to_string()))?;
        Ok(Self { path: path.to_owned(), listener, identity: platform::file_identity(path) })
    }

    // Removes a socket that an earlier daemon left behind, on which nobody listens. Anything else stays.
    fn clear(path: &Path) -> Result<(), String> {
        use std::os::unix::fs::FileTypeExt;
        let Ok(meta) = fs::symlink_metadata(path) else { return Ok(()) };
        if !meta.file_type().is_socket() {
            return Err("something that is no socket has this name".into());
        }
        match platform::has_listener(path) {
            Ok(true) => Err("another program listens there".into()),
            Ok(false) => fs::remove_file(path).map_err(|error| format!("a leftover cannot be removed: {error}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Begins to listen.
    pub(crate) fn prepare(&self) -> Result<Listener, DaemonError> {
        let ready = || {
            let listener = self.listener.try_clone()?;
            listener.set_nonblocking(true)?;
            Listener::from_std(listener)
        };
        ready().map_err(|error| DaemonError::Socket { socket: self.path.clone(), why: error.to_string() })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.identity.is_some() && platform::file_identity(&self.path) == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}
