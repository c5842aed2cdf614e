//! The walk by directory handles.

use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One level of a walk towards the root, looked at from a directory handle a few levels below at most: on a deep path
/// this keeps each look short where the full path would be resolved again every time.
pub(crate) struct Level<'a> {
    /// The directory's path.
    pub path: &'a Path,
    handle: BorrowedFd<'a>,
    /// The way there from the handle, `../` as often as it takes.
    way: &'a str,
}

impl Level<'_> {
    /// Whether an entry of that relative name is here; a dangling symlink counts.
    pub(crate) fn has(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::statat(self.handle, [self.way, name].concat(), rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The device the directory is on; it changes at a mount point.
    pub(crate) fn device(&self) -> io::Result<u64> {
        let way = [self.way, "."].concat();
        // Its type differs: signed and 32 bits wide on macOS.
        #[allow(clippy::unnecessary_cast, reason = "it is one here or there")]
        Ok(rustix::fs::statat(self.handle, way, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?.st_dev as u64)
    }
}

/// Walks from a canonical directory to the root until `visit` says stop.
pub(crate) fn ascend(start: &Path, mut visit: impl FnMut(&Level<'_>) -> io::Result<bool>) -> io::Result<()> {
    // Opening a handle costs as much as looking up eight times `..`.
    const WAY: &str = "../../../../../../../../";
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | path_only();
    let mut handle: OwnedFd = rustix::fs::open(start, flags, Mode::empty())?;
    let mut path = start;
    loop {
        for end in (0..WAY.len()).step_by("../".len()) {
            if !visit(&Level { path, handle: handle.as_fd(), way: &WAY[..end] })? {
                return Ok(());
            }
            // A canonical path is cut by hand: `Path::parent` takes it apart anew at every level.
            let bytes = path.as_os_str().as_bytes();
            path = match memchr::memrchr(b'/', bytes) {
                Some(0) if bytes.len() > 1 => Path::new("/"),
                Some(at @ 1..) => Path::new(OsStr::from_bytes(&bytes[..at])),
                _ => return Ok(()),
            };
        }
        handle = rustix::fs::openat(&handle, WAY, flags, Mode::empty())?;
    }
}

// Linux can hold a directory without the right to list it, so a parent with mode 0711 does not end the walk.
pub(in crate::platform) fn path_only() -> OFlags {
    #[cfg(target_os = "linux")]
    return OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    return OFlags::empty();
}
