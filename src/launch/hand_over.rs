//! Gives one key to the one command that the launched agent asks for it, once.
//!
//! Some agents take a key from a command's output. Ringlet names itself as that command (`ringlet hand-over SOCKET`), and
//! leaves a process behind that alone holds the key: nothing of it is in the agent's environment, arguments or open files.
//! That process answers one request, of a Ringlet that the agent or a process below it has started, and ends; it ends with
//! the agent, too. It has no terminal, no child and no other open file. A program below the agent that asks before the agent
//! does would be given the key as well, and the agent, which is then refused, would not work.

use super::HandOverError;
use crate::paths::Paths;
use crate::platform::{self, Peer};
use crate::secret::{Key, Secret};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

// What it says once nobody else can look into it.
const READY: &[u8] = b"ready";

// A pipe holds as much at least, and a key is shorter.
const MAX: u64 = 4096;
// Both ends are Ringlet's and answer at once; a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// Leaves the process behind, and gives the socket that it answers at. This process is the one that becomes the agent.
pub(super) fn offer(paths: &Paths, ringlet: &Path, key: &Key) -> io::Result<PathBuf> {
    let folder = paths.runtime().join("launch");
    platform::create_private_folder(&folder)?;
    clear(&folder);
    let name = Secret::fresh()?;
    let socket = folder.join(String::from_utf8_lossy(&name.expose()[..16]).as_ref());
    let listener = platform::private_listener(&socket)?;
    let started = serve_apart(ringlet, &socket, listener.into(), key);
    if started.is_err() {
        let _ = std::fs::remove_file(&socket);
    }
    started.map(|()| socket)
}

// A socket that nobody answers at was left by a process that was killed, unless another launch is just making it.
fn clear(folder: &Path) {
    let is_old = |entry: &std::fs::DirEntry| {
        let made = entry.metadata().and_then(|meta| meta.modified()).ok();
        made.and_then(|made| SystemTime::now().duration_since(made).ok()).is_some_and(|age| age > PATIENCE)
    };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().filter(is_old) {
        if matches!(platform::has_listener(&entry.path()), Ok(false)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn serve_apart(ringlet: &Path, socket: &Path, listener: std::os::fd::OwnedFd, key: &Key) -> io::Result<()> {
    let mut command = Command::new(ringlet);
    command.args(["hand-over", "--of", &std::process::id().to_string()]).arg(socket).env_clear().current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::from(listener)).stderr(Stdio::piped());
    platform::set_orphaned(&mut command);
    let mut child = command.spawn()?;
    let (mut into, told) = (child.stdin.take(), child.stderr.take());
    child.wait()?;
    // Until it has closed itself to others, whoever runs as this user could read its standard input.
    let is_ready = told.is_some_and(|told| platform::reads_within(told, READY, PATIENCE));
    match into.as_mut().filter(|_| is_ready) {
        Some(into) => into.write_all(key.expose()),
        None => Err(io::Error::other("the process that holds the key did not start")),
    }
}

/// Holds the key that stands on standard input, and answers at the socket that is standard output, until it was asked for once
/// or the process `agent` has ended.
pub(crate) fn serve(agent: u32, socket: &Path) -> io::Result<()> {
    let _hardened = platform::harden()?;
    io::stderr().write_all(READY)?;
    platform::close_stderr()?;
    let listener = platform::listener_on_stdout()?;
    let gone = RemoveOnDrop(socket);
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
        // Gone first: a second one finds nobody.
        drop(gone);
        client.set_write_timeout(Some(PATIENCE))?;
        return client.write_all(key.expose());
    }
    Ok(())
}

struct RemoveOnDrop<'a>(&'a Path);

impl Drop for RemoveOnDrop<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

// Whether a client is this user's Ringlet, started by the agent or below it.
fn is_asked(client: &UnixStream, agent: u32, own: Option<(u64, u64)>) -> bool {
    let Ok(peer) = Peer::of(client) else { return false };
    let is_ringlet = peer.program().is_ok_and(|program| platform::opened_identity(&program.file).ok() == own);
    peer.is_ours() && own.is_some() && is_ringlet && platform::is_below(peer.pid, agent) && peer.is_alive()
}

/// Asks for the key of a launch and writes it out, as the agent that has started this process wants it.
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
