//! The audit log: which program asked for which key, when, from where, and what it got.
//!
//! Appends one JSON line a lookup, verifies that no line was changed, moved, added or lost, and answers questions
//! about the past. `launch` and the `keychain` commands append; `ringlet audit` reads.
//!
//! It refuses to hold a secret: no field takes bytes or a `Secret`, and a digest can only be computed or read back. It
//! refuses to lose a line silently: every failure is an error, and the caller then refuses the launch. It does not
//! defend against the user's own programs: a program that may write the log may write a new, consistent one. What it
//! finds is what such a program, a careless edit, a full disk or a crash leaves *without* redoing the chain.
//!
//! Beside `audit.jsonl` stand `audit.1.jsonl` (the newest rotated file) and up, `audit.head` (see [`head`]) and
//! `audit.lock`, which is never renamed or removed.
//!
//! Nothing is synced to the disk on append: a write that was accepted outlives its process, and a launch must not
//! wait for a busy disk. After a power cut the last lines may be missing, and `verify` then says so.

mod chain;
mod files;
mod head;
mod lines;
mod log;
mod query;
mod record;
mod since;
#[cfg(test)]
mod tests;
mod uses;
mod verify;

pub(crate) use chain::Claim;
pub(crate) use log::Limits;
pub use log::Log;
pub(crate) use log::LogPlace;
pub(crate) use query::{Filter, query};
pub(crate) use record::{Action, Entry, Outcome, Record, Subject};
pub(crate) use since::{SinceError, parse_since};
pub(crate) use uses::last_uses;
pub(crate) use verify::verify;

use crate::platform::LockError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the audit log could not be written or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The path ends in nothing that could be a file.
    #[error("the audit log's path {} names no file", .0.display())]
    NoName(PathBuf),
    /// There is neither a log nor a trace of one.
    #[error("there is no audit log at {}", .0.display())]
    Missing(PathBuf),
    /// A symlink, directory, FIFO, device or socket.
    #[error("the audit log's {} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Another user's file or folder.
    #[error("the audit log's {} belongs to another user ({access})", .path.display())]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// Mode and owner.
        access: String,
    },
    /// Others may read the file, or write to the folder.
    #[error("the audit log's {} is open to other users ({access}), at most {most:04o} is allowed", .path.display())]
    OpenToOthers {
        /// The file or folder.
        path: PathBuf,
        /// Mode and owner.
        access: String,
        /// The widest mode that is accepted.
        most: u32,
    },
    /// The log's lock cannot be taken.
    #[error("the audit log's lock {0}")]
    Lock(#[from] LockError),
    /// The disk took only a part of the line; that part was taken back.
    #[error("only {wrote} of {wanted} bytes could be written to {}, the disk may be full", .path.display())]
    Short {
        /// The log.
        path: PathBuf,
        /// Bytes that were accepted.
        wrote: usize,
        /// Bytes of the line.
        wanted: usize,
    },
    /// Paths so long that a reader would not take the line for a record.
    #[error("an audit record of {0} bytes is too long, at most {max} are allowed", max = lines::MAX_LINE)]
    TooLong(usize),
    /// The system's own error.
    #[error("cannot {what} {}: {source}", .path.display())]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's error.
        source: Arc<io::Error>,
    },
}

impl AuditError {
    /// For `map_err`: what was tried on which path.
    fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source: Arc::new(source) }
    }
}
