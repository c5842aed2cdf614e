//! Unix' side of the daemon's life: the socket, and the signals that end it. Windows' is `pipe`.

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

/// Where clients come in, and a client's end.
pub(crate) use tokio::net::{UnixListener as Listener, UnixStream as Stream};

/// Has the kernel name the sender of whatever is read here.
pub(crate) use crate::platform::tell_senders;

/// Reads what a client's process, or another that has its socket, has sent.
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

/// Where the daemon tells its own user how it is, beside the socket and apart from it.
pub(crate) fn status_socket(paths: &Paths) -> Result<PathBuf, DaemonError> {
    Ok(paths.runtime().join("status.sock"))
}

/// Connects to [`status_socket`].
pub(crate) async fn connect(path: &Path) -> io::Result<Stream> {
    Stream::connect(path).await
}

/// Takes note of signals from now on; what comes back waits for one that ends the daemon, and says which it was.
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

/// The socket, and whether it is ours to remove.
pub(crate) struct Socket {
    /// Where it lies.
    pub path: PathBuf,
    listener: UnixListener,
    identity: Option<(u64, u64)>,
}

impl Socket {
    /// Takes over what whoever started the daemon has opened, or opens it.
    pub(crate) fn open(path: &Path, given: &mut listenfd::ListenFd) -> Result<Self, DaemonError> {
        let failed = |why: String| DaemonError::Socket { socket: path.to_owned(), why };
        for at in 0..given.len() {
            if let Ok(Some(listener)) = given.take_unix_listener(at) {
                tell_senders(&listener).map_err(|error| failed(error.to_string()))?;
                // It lies where whoever opened it wanted it.
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

    // Takes a leftover away: a socket of ours that nobody listens on. Anything else stays.
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
