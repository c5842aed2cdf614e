//! One answer to the question whether a file or folder is the user's own.
//!
//! What decides about endpoints, keys and trust must not be another user's to write, and what holds a secret not
//! another's to read. Every reader of such a file asks here, so that all of them see the same: owner, mode, access list
//! and groups.

use super::access::{Access, access};
use super::files::{ReadError, read_file};
use std::io;
use std::path::Path;

/// What others must not be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// Write it.
    Unwritten,
    /// Write it, but for root, who may own it and can write anything. For what is only read.
    UnwrittenOrRoots,
    /// Do anything with it.
    Unread,
}

/// Why something is not the user's own. Each text goes behind a path.
#[derive(Debug, thiserror::Error)]
pub enum NotPrivate {
    /// It cannot be read or looked at.
    #[error("cannot be read: {0}")]
    Unreadable(ReadError),
    /// It is another user's.
    #[error("belongs to another user ({0})")]
    Foreign(String),
    /// Others may write it.
    #[error("can be written by others ({0})")]
    Writable(String),
    /// Others may do something with it.
    #[error("is open to others than its owner ({0})")]
    Open(String),
}

/// Reports whether what was opened is the user's own.
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

/// Reads a file of the user's own, of at most `limit` bytes; none where there is no such file. Owner and mode are those
/// of the very file that was read.
pub(crate) fn read(path: &Path, limit: u64, privacy: Privacy) -> Result<Option<Vec<u8>>, NotPrivate> {
    match read_file(path, limit) {
        Ok(read) => check(&read.access, privacy).map(|()| Some(read.bytes)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(NotPrivate::Unreadable(error)),
    }
}

/// Reports whether a folder is the user's own; `false` where there is none.
pub(crate) fn folder(path: &Path, privacy: Privacy) -> Result<bool, NotPrivate> {
    match access(path) {
        Ok(access) => check(&access, privacy).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(NotPrivate::Unreadable(error.into())),
    }
}

/// Why a record of our own is not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOurs {
    /// It cannot be read, or somebody else may have written it, or may read it.
    #[error(transparent)]
    NotPrivate(#[from] NotPrivate),
    /// It is not text.
    #[error("is not UTF-8")]
    NotText,
}

/// Reads a record that [`replace_file`] wrote, of at most 64 KiB; none where there is no such file. One that is not the
/// user's own, or is wider than 0600, was not left so by us.
pub(crate) fn read_record(path: &Path) -> Result<Option<String>, NotOurs> {
    let Some(bytes) = read(path, 64 * 1024, Privacy::Unread)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|_| NotOurs::NotText)
}
