//! The check that a file or folder is the user's own.
//!
//! No other user may be able to write a file that decides about endpoints, keys or trust, or to read a file that holds
//! a secret. Every reader of these files calls this module, so that all of them judge by the same facts: owner, mode,
//! access list and groups.

use super::access::{Access, access};
use super::files::{ReadError, read_file};
use std::io;
use std::path::Path;

/// The access that other users must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// Write it.
    Unwritten,
    /// Write it. Root may own it, because root can write everything. For files that are only read.
    UnwrittenOrRoots,
    /// Read or write it.
    Unread,
}

/// The reason why a file or folder is not the user's own. Each text continues a sentence that begins with its path.
#[derive(Debug, thiserror::Error)]
pub enum NotPrivate {
    /// It cannot be read, or its owner and mode cannot.
    #[error("cannot be read: {0}")]
    Unreadable(ReadError),
    /// It belongs to another user.
    #[error("belongs to another user ({0})")]
    Foreign(String),
    /// Other users may write it.
    #[error("can be written by others ({0})")]
    Writable(String),
    /// Other users may read or write it.
    #[error("is open to others than its owner ({0})")]
    Open(String),
}

/// Checks the owner and the mode of a file or folder.
pub(crate) fn check(access: &Access, privacy: Privacy) -> Result<(), NotPrivate> {
    let described = || access.describe();
    match privacy {
        Privacy::UnwrittenOrRoots if access.is_roots() => {}
        _ if access.is_ours() => {}
        _ => return Err(NotPrivate::Foreign(described())),
    }
    match privacy {
        Privacy::Unread if access.others_may_anything() => Err(NotPrivate::Open(described())),
        Privacy::Unwritten | Privacy::UnwrittenOrRoots if access.others_may_write() => {
            Err(NotPrivate::Writable(described()))
        }
        _ => Ok(()),
    }
}

/// Reads a file of at most `limit` bytes that must be the user's own. Returns `None` if it does not exist. The owner
/// and the mode are those of the opened file.
pub(crate) fn read(path: &Path, limit: u64, privacy: Privacy) -> Result<Option<Vec<u8>>, NotPrivate> {
    match read_file(path, limit) {
        Ok(read) => check(&read.access, privacy).map(|()| Some(read.bytes)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(NotPrivate::Unreadable(error)),
    }
}

/// Checks a folder. Returns `false` if it does not exist.
pub(crate) fn folder(path: &Path, privacy: Privacy) -> Result<bool, NotPrivate> {
    match access(path) {
        Ok(access) => check(&access, privacy).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(NotPrivate::Unreadable(error.into())),
    }
}

/// The reason why a record that Ringlet wrote is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOurs {
    /// It cannot be read, or another user may read or write it.
    #[error(transparent)]
    NotPrivate(#[from] NotPrivate),
    /// It is not text.
    #[error("is not UTF-8")]
    NotText,
}

/// Reads a record of at most 64 KiB that [`replace_file`] wrote. Returns `None` if it does not exist. A record of
/// another user, or with a mode wider than 0600, is an error, because Ringlet writes none.
pub(crate) fn read_record(path: &Path) -> Result<Option<String>, NotOurs> {
    let Some(bytes) = read(path, 64 * 1024, Privacy::Unread)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|_| NotOurs::NotText)
}
