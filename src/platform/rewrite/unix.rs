//! Owner, mode and extended attributes.

use super::Stamp;
use crate::platform::files::open_for_reading;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

pub(super) fn stamp_of(_file: &File, meta: &Metadata) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    Stamp { identity: (meta.dev(), meta.ino()), size: meta.len(), modified: meta.modified().ok() }
}

pub(super) fn links_of(_file: &File, meta: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(meta)
}

pub(super) fn readable_by_others(meta: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(meta) & 0o044 != 0
}

/// Gives the new file the old one's owner, extended attributes (which hold its ACL) and mode, in the order in which
/// none undoes another and the mode is at no moment wider than it was.
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
        if fgetxattr(to, name.as_slice(), &mut now[..]).is_ok_and(|read| read == length && now == value[..length]) {
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

/// Opens a file that is there for writing, without following a link at its end and without waiting for a FIFO's reader.
pub(super) fn open_for_writing(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    std::os::unix::fs::OpenOptionsExt::custom_flags(OpenOptions::new().write(true), flags).open(path)
}
