//! Giving a file that is the user's own new content without changing anything else about it.
//!
//! Mechanism only: what a file was when it was read, a temporary file beside it, its metadata on the new one, the
//! content of a hard-linked one in place. Which bytes, and whether at all, is decided by `migrate`, the one caller.

use super::{ReadError, kind_of, open_for_reading};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// What tells that a file is still the one that was read, short of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
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
pub(crate) struct Look {
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
pub(crate) fn look_at(path: &Path, limit: u64) -> Result<Look, ReadError> {
    let (file, mut look) = open_to_look(path)?;
    let size = look.stamp.size;
    if size > limit {
        return Err(ReadError::TooLarge(limit));
    }
    // Room for one byte more, so that the buffer never moves and leaves a copy behind.
    look.bytes.reserve_exact(usize::try_from(size).unwrap_or(0) + 1);
    file.take(size + 1).read_to_end(&mut look.bytes)?;
    if look.bytes.len() as u64 != size {
        return Err(io::Error::other("it changes while it is read").into());
    }
    Ok(look)
}

/// Opens a regular file for one who reads it piece by piece; never blocks. The look at it has no bytes.
pub(crate) fn open_to_look(path: &Path) -> Result<(File, Look), ReadError> {
    let file = match open_for_reading(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_ok() => {
            return Err(ReadError::Dangling);
        }
        Err(error) => return Err(error.into()),
    };
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(ReadError::NotAFile(kind_of(&meta)));
    }
    let look = Look {
        bytes: Zeroizing::default(),
        stamp: stamp_of(&file, &meta),
        links: links_of(&file, &meta),
        ours: super::private::access_of(&file, &meta).is_ours(),
        others_may_read: readable_by_others(&meta),
    };
    Ok((file, look))
}

#[cfg(unix)]
fn stamp_of(_file: &File, meta: &Metadata) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    Stamp { identity: (meta.dev(), meta.ino()), size: meta.len(), modified: meta.modified().ok() }
}

#[cfg(unix)]
fn links_of(_file: &File, meta: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(meta)
}

#[cfg(unix)]
fn readable_by_others(meta: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(meta) & 0o044 != 0
}

// Windows' stable API tells neither number; size, time and the caller's SHA-256 must do there.
#[cfg(windows)]
fn stamp_of(_file: &File, meta: &Metadata) -> Stamp {
    Stamp { identity: (0, 0), size: meta.len(), modified: meta.modified().ok() }
}

#[cfg(windows)]
fn links_of(_file: &File, _meta: &Metadata) -> u64 {
    1
}

#[cfg(windows)]
fn readable_by_others(_meta: &Metadata) -> bool {
    false
}

/// Whether the file may be rewritten: its owner's write bit counts even for root, whom the kernel would let through.
pub(crate) fn check_writable(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.permissions().readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
    }
    let mut open = OpenOptions::new();
    open.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut open, libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC);
    // Opened and closed unwritten: this is what an immutable file or a read-only file system refuses.
    open.open(path).map(drop)
}

/// A temporary file beside a path, exclusive and 0600, whose name begins so; gone when dropped. A crash leaves it.
pub(crate) fn new_beside(path: &Path, prefix: &str) -> io::Result<tempfile::NamedTempFile> {
    super::temporary(path, prefix.as_ref(), None)
}

/// Gives the new file the old one's owner, extended attributes (which hold its ACL) and mode, in the order in which
/// none undoes another and the mode is at no moment wider than it was.
#[cfg(unix)]
pub(crate) fn copy_metadata(from: &Path, to: &File) -> io::Result<()> {
    use rustix::fs::{Gid, Mode, Uid, XattrFlags, fchmod, fchown, fgetxattr, flistxattr, fremovexattr, fsetxattr};
    use std::os::unix::fs::MetadataExt;
    let old = open_for_reading(from)?;
    let (was, is) = (old.metadata()?, to.metadata()?);
    let owner = (was.uid() != is.uid()).then(|| Uid::from_raw(was.uid()));
    let group = (was.gid() != is.gid()).then(|| Gid::from_raw(was.gid()));
    if owner.is_some() || group.is_some() {
        fchown(to, owner, group)?;
    }
    let names = |file: &File| -> io::Result<Vec<Vec<u8>>> {
        let mut list = vec![0u8; 64 * 1024];
        let length = match flistxattr(file, &mut list[..]) {
            // A file system without extended attributes has none to copy.
            Err(rustix::io::Errno::NOTSUP) => 0,
            done => done?,
        };
        Ok(list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
    };
    // macOS keeps a checksum-like attribute that no user may set.
    let wanted = names(&old)?.into_iter().filter(|name| name != b"com.apple.provenance").collect::<Vec<_>>();
    for name in names(to)?.iter().filter(|name| !wanted.contains(name)) {
        // A default ACL of the folder may have come along.
        fremovexattr(to, name.as_slice())?;
    }
    let mut value = vec![0u8; 64 * 1024];
    for name in &wanted {
        let length = fgetxattr(&old, name.as_slice(), &mut value[..])?;
        let mut now = vec![0u8; length];
        if fgetxattr(to, name.as_slice(), &mut now[..]).is_ok_and(|it| it == length && now == value[..length]) {
            continue;
        }
        fsetxattr(to, name.as_slice(), &value[..length], XattrFlags::empty())?;
    }
    fchmod(to, Mode::from_raw_mode((was.mode() & 0o7777) as rustix::fs::RawMode))?;
    let is = to.metadata()?;
    if (is.uid(), is.gid(), is.mode()) != (was.uid(), was.gid(), was.mode()) {
        return Err(io::Error::other("its owner or mode could not be kept"));
    }
    Ok(())
}

/// Windows: the folder's own access list is inherited by the new file, as it was by the old one.
#[cfg(windows)]
pub(crate) fn copy_metadata(from: &Path, to: &File) -> io::Result<()> {
    to.set_permissions(fs::metadata(from)?.permissions())
}

/// Overwrites a file in place, for one that has further names. A crash leaves it torn; the caller keeps an image.
pub(crate) fn write_in_place(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut open = OpenOptions::new();
    open.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut open, libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC);
    let mut file = open.open(path)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)?;
    file.sync_all()
}

/// Makes a rename in a folder last.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    super::sync_folder(path.parent().unwrap_or(Path::new(".")))
}
