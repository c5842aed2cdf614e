//! Gives a key, once, to the command by which the launched agent asks for it.
//!
//! Some agents read a key from the output of a command. Ringlet names itself as that command (`ringlet hand-over
//! SOCKET`), and starts a process that holds the key. So the key is not in the agent's environment, arguments or open
//! files. The process answers one request, from a Ringlet that the agent or a process below it has started, and ends.
//! It also ends with the agent. It has no terminal, no child and no other open file. A program below the agent that
//! asks first is given the key, and the agent is then refused and does not work.

use super::{HandOverError, sockets};
use crate::paths::Paths;
use crate::platform::{self, Peer, RemoveOnDrop};
use crate::secret::{Key, Secret};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use zeroize::Zeroizing;

// The capacity of a pipe is at least this, and a key is shorter.
const MAX: u64 = 4096;
// Both ends are Ringlet and answer at once, unless the machine is busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts the process, and returns the socket at which it answers. The calling process becomes the agent.
pub(super) fn offer(paths: &Paths, ringlet: &Path, key: &Key) -> io::Result<PathBuf> {
    let (listener, socket) = sockets::fresh(paths)?;
    let started = serve_apart(ringlet, &socket, listener.into(), key);
    if started.is_err() {
        let _ = std::fs::remove_file(&socket);
    }
    started.map(|()| socket)
}

fn serve_apart(ringlet: &Path, socket: &Path, listener: std::os::fd::OwnedFd, key: &Key) -> io::Result<()> {
    let mut command = Command::new(ringlet);
    command.env_clear();
    command.args(["hand-over", "--of", &std::process::id().to_string()]).arg(socket);
    platform::start_apart(&mut command, listener)?.tell(&[key.expose()])
}

/// Reads a key from standard input, and answers at the socket that is standard output, until the key was given once or
/// the process `agent` has ended.
pub(crate) fn serve(agent: u32, socket: &Path) -> io::Result<()> {
    let _hardened = platform::harden()?;
    platform::say_ready()?;
    let listener = platform::listener_on_stdout()?;
    let socket_file = RemoveOnDrop(socket.to_owned());
    let process = platform::Watched::of(agent)?;
    let mut bytes = Vec::with_capacity(MAX as usize);
    io::stdin().lock().take(MAX).read_to_end(&mut bytes)?;
    let key = Secret::new(bytes);
    if key.is_empty() {
        return Err(io::Error::other("no key came"));
    }
    let own = platform::file_identity(Path::new("/proc/self/exe"));
    while let Some(mut client) = platform::client_or_end(&listener, &process)? {
        if !is_asked(&client, agent, own) {
            continue;
        }
        // The socket is removed first, so that no second client connects.
        drop(socket_file);
        client.set_write_timeout(Some(PATIENCE))?;
        return client.write_all(key.expose());
    }
    Ok(())
}

// Reports whether a client is this user's Ringlet, started by the agent or by a process below it.
fn is_asked(client: &UnixStream, agent: u32, own: Option<(u64, u64)>) -> bool {
    let Ok(peer) = Peer::of(client) else { return false };
    let is_ringlet = peer.program().is_ok_and(|program| platform::opened_identity(&program.file).ok() == own);
    peer.is_ours() && own.is_some() && is_ringlet && platform::is_below(peer.pid, agent) && peer.is_alive()
}

/// Asks for the key of a launch and writes it to the agent that has started this process.
pub(crate) fn ask(socket: &Path, out: &mut impl Write) -> Result<(), HandOverError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
            HandOverError::Gone
        }
        _ => error.into(),
    };
    let stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut key = Zeroizing::new(Vec::with_capacity(MAX as usize));
    stream.take(MAX).read_to_end(&mut key).map_err(failed)?;
    if key.is_empty() {
        return Err(HandOverError::Refused);
    }
    out.write_all(&key)?;
    Ok(out.flush()?)
}
