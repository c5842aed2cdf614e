//! Which process may spend the key: the launched one, and one child of it that the registry knows.
//!
//! A connection is judged once, when it comes, and its process is compared with what it was at each request. The
//! program's file decides nothing by itself: a script that runs in the agent's own interpreter has the same one.

use crate::platform::{self, ClientSocket, Peer};
use crate::registry::Helper;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A process that may spend, on one connection.
pub(super) struct Spender {
    pid: u32,
    // The program that it ran when it connected.
    image: u64,
}

/// A process that may not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stranger {
    // Its socket, if it is known.
    inode: Option<u64>,
    /// Its number, if it is known.
    pub(super) pid: Option<u32>,
    /// Its program.
    pub(super) program: Option<PathBuf>,
    pub(super) why: Why,
}

impl Stranger {
    /// Looks for the process among all, which takes milliseconds.
    pub(super) fn name(mut self) -> Self {
        // Several connections of one process are one stranger.
        if let Some(inode) = self.inode.take() {
            self.pid = platform::owner_of_socket(inode);
        }
        self.program = self.pid.and_then(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).ok());
        // The agent itself is in no list if it cannot be looked at.
        if self.why == Why::Hidden && self.pid.is_some() {
            self.why = Why::Other;
        }
        self
    }
}

/// Why a process may not spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// It is not the agent.
    Other,
    /// The agent has ended.
    Ended,
    /// The agent cannot be looked at, so it cannot be told whether it connected.
    Hidden,
    /// It is the agent, and asks for what is no request of the API.
    NoRequest,
}

// The script that an interpreter runs.
fn script(peer: &Peer) -> Option<PathBuf> {
    let words = peer.arguments().ok()?;
    let script = words.into_iter().skip(1).find(|word| Path::new(word).is_absolute())?;
    platform::canonical(Path::new(&script)).ok()
}

// The outermost folder of packages that a script lies in.
fn packages_of(script: &Path) -> Option<PathBuf> {
    let is_packages = |folder: &&Path| folder.file_name().is_some_and(|name| name == "node_modules");
    script.ancestors().filter(is_packages).last().map(Path::to_owned)
}

// An agent may start itself anew twice (qwen 0.24.4).
const RESTARTS: usize = 2;

/// The processes of one launch.
pub(super) struct Launch {
    agent: Peer,
    helper: Option<Helper>,
    // The child that has taken the registry's rule. No second one takes it beside the first.
    child: Mutex<Option<Peer>>,
    // Whether the agent itself has connected. The rule is over then.
    speaks: AtomicBool,
}

impl Launch {
    /// The launch of an agent.
    pub(super) fn new(agent: Peer, helper: Option<Helper>) -> Self {
        Self { agent, helper, child: Mutex::new(None), speaks: AtomicBool::new(false) }
    }

    /// Waits until no process lives that may spend.
    pub(super) async fn ended(&self) -> io::Result<()> {
        self.agent.ended()?.await?;
        let child = self.child().as_ref().map(Peer::ended).transpose()?;
        match child {
            Some(child) => child.await,
            None => Ok(()),
        }
    }

    /// Judges the process at the other end of a connection; `None` if that was closed again. A stranger is not named
    /// yet, see [`Stranger::name`].
    pub(super) fn judge(&self, client: SocketAddr, server: SocketAddr) -> Option<Result<Spender, Stranger>> {
        match platform::client_socket(client, server) {
            Ok(socket) => socket.map(|socket| self.judge_socket(socket)),
            Err(_) => Some(Err(Stranger { inode: None, pid: None, program: None, why: Why::Other })),
        }
    }

    /// Judges the process at the other end of a Unix socket, which the kernel names.
    pub(super) fn judge_peer(&self, stream: &impl AsFd) -> Result<Spender, Stranger> {
        let peer = Peer::of(stream);
        let stranger = |why| {
            let pid = peer.as_ref().ok().map(|peer| peer.pid);
            Stranger { inode: None, pid, program: None, why }
        };
        let Ok(known) = peer.as_ref().map_err(|_| ()) else { return Err(stranger(Why::Other)) };
        if !known.is_ours() {
            return Err(stranger(Why::Other));
        }
        let has_ended = !self.agent.is_alive();
        if !has_ended && known.pid == self.agent.pid {
            self.speaks.store(true, Ordering::Relaxed);
            return self.spender(&self.agent).ok_or(stranger(Why::Other));
        }
        Err(stranger(if has_ended { Why::Ended } else { Why::Other }))
    }

    fn judge_socket(&self, socket: ClientSocket) -> Result<Spender, Stranger> {
        let stranger = |why| Stranger { inode: Some(socket.inode), pid: None, program: None, why };
        if Some(socket.uid.to_string()) != platform::own_user() {
            return Err(stranger(Why::Other));
        }
        let has_ended = !self.agent.is_alive();
        let by_agent = platform::has_socket(self.agent.pid, socket.inode);
        if let (false, Ok(true)) = (has_ended, &by_agent) {
            // An agent that speaks for itself has not restarted itself.
            self.speaks.store(true, Ordering::Relaxed);
            return self.spender(&self.agent).ok_or(stranger(Why::Other));
        }
        let why = match by_agent {
            _ if has_ended => Why::Ended,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Why::Hidden,
            _ => Why::Other,
        };
        self.child_with(socket.inode).ok_or(stranger(why))
    }

    // Looks whether the child that the registry knows has the socket. It is taken at its first connection.
    fn child_with(&self, inode: u64) -> Option<Spender> {
        let helper = self.helper.as_ref()?;
        let mut child = self.child();
        if let Some(known) = child.as_ref() {
            if known.is_alive() {
                let has = platform::has_socket(known.pid, inode).unwrap_or(false);
                return if has { self.spender(known) } else { None };
            }
            // Gemini starts itself anew after some changes of its settings. A native program is started once.
            if matches!(helper, Helper::Native(_)) || platform::adopts_orphans(self.agent.pid) {
                return None;
            }
            *child = None;
        }
        if self.speaks.load(Ordering::Relaxed) {
            return None;
        }
        let mut above = vec![self.agent.pid];
        let generations = match helper {
            Helper::Native(_) => 1,
            Helper::Restart(_) => RESTARTS,
        };
        for _ in 0..generations {
            let mut below = Vec::new();
            for parent in above {
                for pid in platform::children(parent) {
                    let Ok(found) = Peer::with_pid(pid) else { continue };
                    if !self.is_helper(helper, &found) || !platform::is_below(pid, parent) {
                        continue;
                    }
                    if platform::has_socket(pid, inode).unwrap_or(false) && found.is_alive() {
                        let spender = self.spender(&found);
                        *child = Some(found);
                        return spender;
                    }
                    below.push(pid);
                }
            }
            above = below;
        }
        None
    }

    fn is_helper(&self, helper: &Helper, child: &Peer) -> bool {
        let Ok(program) = child.program() else { return false };
        // A tool, or a server for tools, is started with streams of its own.
        if !platform::has_same_streams(self.agent.pid, child.pid) {
            return false;
        }
        match helper {
            // The launched script and the program lie among the same packages.
            Helper::Native(name) => {
                let is_named = program.path.file_name().is_some_and(|file| file == name.as_str());
                let packages = script(&self.agent).and_then(|script| packages_of(&script));
                is_named && packages.is_some_and(|packages| program.path.starts_with(packages))
            }
            Helper::Restart(names) => {
                let same_file = self.agent.program().is_ok_and(|own| {
                    platform::opened_identity(&own.file).ok() == platform::opened_identity(&program.file).ok()
                });
                let (Some(own), Some(other)) = (script(&self.agent), script(child)) else { return false };
                let is_named = other.file_name().is_some_and(|file| names.iter().any(|name| file == name.as_str()));
                same_file && is_named && own.parent() == other.parent()
            }
        }
    }

    /// Describes a process that may spend as the one of a request that does not pass.
    pub(super) fn described(&self, spender: &Spender) -> Stranger {
        Stranger { inode: None, pid: Some(spender.pid), program: None, why: Why::NoRequest }
    }

    /// The number of the launched process.
    pub(super) fn agent(&self) -> u32 {
        self.agent.pid
    }

    fn spender(&self, peer: &Peer) -> Option<Spender> {
        peer.image().ok().map(|image| Spender { pid: peer.pid, image })
    }

    /// Reports whether a connection's process still runs the program that it ran when it connected.
    pub(super) fn still(&self, spender: &Spender) -> bool {
        let is_same = |peer: &Peer| peer.pid == spender.pid && peer.image().is_ok_and(|image| image == spender.image);
        is_same(&self.agent) || self.child().as_ref().is_some_and(is_same)
    }

    fn child(&self) -> MutexGuard<'_, Option<Peer>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
