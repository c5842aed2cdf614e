//! The daemon: gives keys to registered programs over a socket, and names and states to tools over HTTP.
//!
//! `protocol` has the messages and `policy` the decision; both are pure. `registrations` keeps the registered programs
//! and those that wait for approval. `identity` finds out which program a client is, from what the kernel says,
//! `interpreters` which programs run others, and `scopes` which clients a key is kept for. `request` carries a request
//! out, `server` has the connections around it, and `http` the routes. `lifecycle` starts and ends the daemon; what
//! differs by system is in `socket` and `pipe`. `reloading` keeps the content of a file in force, and `holding` the
//! identity of an encrypted file. The daemon never asks a person anything, and a value leaves it only in the answer to
//! a registered program.

pub(crate) mod client;
mod holding;
pub(crate) mod http;
pub(crate) mod identity;
mod interpreters;
#[cfg(windows)]
pub(crate) mod pipe;
pub(crate) mod reloading;
pub(crate) mod request;
#[cfg(windows)]
use pipe as endpoint;
pub(crate) mod lifecycle;
pub(crate) mod policy;
pub(crate) mod protocol;
pub(crate) mod registrations;
mod scopes;
pub(crate) mod server;
pub(crate) mod service;
#[cfg(unix)]
pub(crate) mod socket;
#[cfg(unix)]
use socket as endpoint;
pub(crate) mod token;

use crate::hint::Hint;
use crate::platform::LockError;
use crate::words;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where a running daemon is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its process.
    pub pid: u32,
    /// When it began.
    pub started: Timestamp,
    /// Its socket.
    pub socket: PathBuf,
    /// The addresses of its HTTP side.
    pub http: Vec<SocketAddr>,
}

/// Why the daemon, or a command about it, did not do what was asked. No field ever holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The policy, or another file of the daemon's, is wrong.
    #[error("{}: {why}", file.display())]
    Policy {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, and where.
        why: String,
    },
    /// An interpreter runs whatever it is given.
    #[error("{} is an interpreter, so that registering it would let every script in", .0.display())]
    Interpreter(PathBuf),
    /// It is neither a program nor a script that says what runs it.
    #[error("what runs {} cannot be told", .0.display())]
    NoInterpreter(PathBuf),
    /// A script's path leads through a link, and would not be believed.
    #[error(
        "{} leads through a link to {}, and a script is known by a path without links alone",
        named.display(),
        real.display()
    )]
    Linked {
        /// The path as it was given.
        named: PathBuf,
        /// Where it leads.
        real: PathBuf,
    },
    /// Which script an interpreter runs is not told here.
    #[error("{} is a script, and this system does not tell which script a client runs", .0.display())]
    Script(PathBuf),
    /// The path is registered with another content.
    #[error("{} is registered and has changed since", .0.display())]
    Changed(PathBuf),
    /// Nobody has registered it.
    #[error("{} is not registered", .0.display())]
    NotRegistered(PathBuf),
    /// Nobody waits under this hash.
    #[error("no program with the hash {0} waits for approval")]
    NotPending(String),
    /// Several programs with the same content wait, or several whose hashes begin alike.
    #[error("{} programs with the hash {hash} wait for approval, {} among them", paths.len(), shown(paths))]
    SeveralPending {
        /// What was asked for.
        hash: String,
        /// Their paths.
        paths: Vec<PathBuf>,
    },
    /// The bearer token cannot be used.
    #[error("{}: {why}", file.display())]
    Token {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A daemon of this user's runs already.
    #[error("the daemon is running already{}", .0.map_or_else(String::new, |pid| format!(", as process {pid}")))]
    Running(Option<u32>),
    /// None runs.
    #[error("the daemon is not running")]
    NotRunning,
    /// The socket cannot be opened.
    #[error("the socket {}: {why}", socket.display())]
    Socket {
        /// Its path.
        socket: PathBuf,
        /// Why.
        why: String,
    },
    /// The HTTP side cannot be opened.
    #[error("cannot listen on {address}: {why}")]
    Http {
        /// Where.
        address: String,
        /// Why.
        why: String,
    },
    /// It does not answer, or not as it should.
    #[error("the daemon does not answer as it should: {0}")]
    Mute(String),
    /// A file that it reads is wrong, and there is no last good one.
    #[error("{0}")]
    Start(String),
    /// A file that was to be written is not ours.
    #[error("{} was not written by ringlet, and stays as it is", .0.display())]
    Foreign(PathBuf),
    /// The system's manager of services refuses.
    #[error("`{command}` fails: {why}")]
    Manager {
        /// What was run.
        command: String,
        /// What it said.
        why: String,
    },
    /// A lock cannot be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The system's own error.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl DaemonError {
    /// For `map_err`: what was tried on which path.
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// The next thing to do.
    pub fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::Policy { file, .. } => {
                format!("mend {}, or move it away and register the programs again", file.display()).into()
            }
            Self::Interpreter(_) => "register the script itself, by its path".into(),
            Self::NoInterpreter(_) => {
                "give the script a `#!` line that names a program and no options, or name it with --interpreter".into()
            }
            Self::Linked { real, .. } => Hint::run(words!["ringlet", "daemon", "register", real])
                .and(" with the same options, and start the script by that path"),
            Self::SeveralPending { hash, paths } => Hint::from("name the path as well: ").command(words![
                "ringlet",
                "daemon",
                "approve",
                hash,
                paths.first().map_or(Path::new("PATH"), |path| path)
            ]),
            Self::Script(_) => "register a program that is no script".into(),
            Self::Changed(path) => {
                Hint::from("look at what changed, then run ").command(words!["ringlet", "daemon", "upgrade", path])
            }
            Self::NotRegistered(path) => Hint::run(words!["ringlet", "daemon", "register", path]),
            Self::NotPending(_) => "see `ringlet daemon list-pending`; at least 8 digits of a hash are needed".into(),
            Self::Token { .. } => "run `ringlet daemon rotate-token`".into(),
            Self::Running(_) => "see `ringlet daemon status`, or end it with `ringlet daemon stop`".into(),
            Self::NotRunning => "run `ringlet daemon start`".into(),
            Self::Socket { .. } => "name another with --socket, or `[daemon] socket` in config.toml".into(),
            Self::Http { .. } => "end what listens there, or set `[daemon] port` in config.toml".into(),
            Self::Mute(_) => "run `ringlet daemon stop`, then `ringlet daemon start`".into(),
            Self::Foreign(path) => format!("move {} away, and run it again", path.display()).into(),
            Self::Manager { .. } => "run `ringlet daemon start` where there is no such service".into(),
            Self::Lock(error) => error.advice().into(),
            Self::Start(_) | Self::Io { .. } => return None,
        })
    }
}

// A few are enough to see what they have in common.
fn shown(paths: &[PathBuf]) -> String {
    let first: Vec<String> = paths.iter().take(4).map(|path| path.display().to_string()).collect();
    first.join(", ")
}
