//! Giving a file that is the user's own new content without changing anything else about it.
//!
//! Mechanism only: what a file was when it was read, a temporary file beside it, its metadata on the new one, the
//! content of a hard-linked one in place. Which bytes, and whether at all, is decided by `migrate`, the one caller.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

use super::access::access_of;
use super::files::{ReadError, open_regular, sync_folder};
use super::strays::temporary;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// What tells that a file is still the one that was read, short of its content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    identity: (u64, u64),
    size: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    /// The file's size, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

/// A file as it was read once.
pub(crate) struct Snapshot {
    /// Its content, wiped when dropped.
    pub bytes: Zeroizing<Vec<u8>>,
    /// What must still be so before it is replaced.
    pub stamp: Stamp,
    /// How many names it has.
    pub links: u64,
    /// Whether it belongs to the user who runs Ringlet.
    pub ours: bool,
    /// Whether anyone but its owner may read it.
    pub others_may_read: bool,
}

/// Reads a regular file of at most `limit` bytes with all that its replacement needs to know; never blocks.
pub(crate) fn read_snapshot(path: &Path, limit: u64) -> Result<Snapshot, ReadError> {
    let (file, mut snapshot) = open_snapshot(path)?;
    let size = snapshot.stamp.size;
    if size > limit {
        return Err(ReadError::TooLarge(limit));
    }
    // Room for one byte more, so that the buffer never moves and leaves a copy behind.
    snapshot.bytes.reserve_exact(usize::try_from(size).unwrap_or(0) + 1);
    file.take(size + 1).read_to_end(&mut snapshot.bytes)?;
    if snapshot.bytes.len() as u64 != size {
        return Err(io::Error::other("it changes while it is read").into());
    }
    Ok(snapshot)
}

/// Opens a regular file that the caller reads piece by piece; never blocks. The snapshot has no bytes.
pub(crate) fn open_snapshot(path: &Path) -> Result<(File, Snapshot), ReadError> {
    let (file, meta) = open_regular(path)?;
    let snapshot = Snapshot {
        bytes: Zeroizing::default(),
        stamp: stamp_of(&file, &meta),
        links: links_of(&file, &meta),
        ours: access_of(&file, &meta).is_ours(),
        others_may_read: readable_by_others(&meta),
    };
    Ok((file, snapshot))
}

/// Reports whether the file may be rewritten: its owner's write bit counts even for root, whom the kernel would let
/// through.
pub(crate) fn check_writable(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.permissions().readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
    }
    // Opened and closed unwritten: this is what an immutable file or a read-only file system refuses.
    open_for_writing(path).map(drop)
}

/// A temporary file beside a path, exclusive and 0600, whose name begins so; gone when dropped. A crash leaves it.
pub(crate) fn new_beside(path: &Path, prefix: &str) -> io::Result<tempfile::NamedTempFile> {
    temporary(path, prefix.as_ref(), None)
}

/// Replaces a file by one with other content and the same owner, mode and attributes. Whatever kills this process, one
/// of the two is there.
pub(crate) fn replace_shared_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut new = new_beside(path, ".ringlet-")?;
    new.write_all(content)?;
    copy_metadata(path, new.as_file())?;
    new.as_file().sync_all()?;
    new.persist(path).map_err(|error| error.error)?;
    sync_folder_of(path)
}

/// Overwrites a file in place, for one that has further names. A crash leaves it torn; the caller keeps an image.
pub(crate) fn write_in_place(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = open_for_writing(path)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)?;
    file.sync_all()
}

/// Makes a rename in a folder last.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}
