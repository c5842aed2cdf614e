//! Files as Unix has them.

use super::Step;
use crate::platform::strays::temporary_for;
use rustix::fs::{Mode, OFlags};
#[cfg(target_os = "linux")]
use std::ffi::{CStr, CString, OsStr};
use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
#[cfg(target_os = "linux")]
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

pub(in crate::platform) fn kind_of(meta: &Metadata) -> &'static str {
    let kind: FileType = meta.file_type();
    match () {
        () if kind.is_symlink() => "a symlink",
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() || kind.is_char_device() => "a device",
        () => "something else",
    }
}

pub(in crate::platform) fn open_for_reading(path: &Path) -> io::Result<File> {
    // O_NONBLOCK: opening a FIFO without a writer must not hang. O_NOCTTY: a terminal must not become this process's.
    // Not by the standard library: musl's `open` sets the flag O_CLOEXEC once more with a second system call.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?.into())
}

/// Returns the path of an existing file with all links resolved.
///
/// The standard library calls `realpath` without a buffer. In the program that is linked with musl each such call maps
/// a page and unmaps it, since nothing else uses musl's own allocator there.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]
pub(crate) fn canonical(path: &Path) -> io::Result<PathBuf> {
    const LONGEST: usize = libc::PATH_MAX as usize;
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut resolved = [0_u8; LONGEST];
    // SAFETY: the path ends with a NUL, and realpath(3) writes at most PATH_MAX bytes into the buffer.
    if unsafe { libc::realpath(path.as_ptr(), resolved.as_mut_ptr().cast()) }.is_null() {
        return Err(io::Error::last_os_error());
    }
    let resolved = CStr::from_bytes_until_nul(&resolved).expect("realpath ends its result with a NUL");
    Ok(OsStr::from_bytes(resolved.to_bytes()).into())
}

/// A folder in which many files are read: its path is resolved once.
pub(crate) struct OpenFolder(OwnedFd);

impl OpenFolder {
    /// Opens a folder.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Reads the beginning of a file below the folder, and returns how many bytes that is. A file that is shorter than
    /// the buffer is read whole. Its owner and mode are not checked.
    pub(crate) fn read_start(&self, name: &Path, buffer: &mut [u8]) -> io::Result<usize> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(rustix::io::read(rustix::fs::openat(&self.0, name, flags, Mode::empty())?, buffer)?)
    }
}

/// Opens a file, or creates it with mode 0600.
pub(crate) fn open_private_for_writing(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)
}

/// Creates a file that was not there, which all may read and only its owner may write, whatever the umask. A process
/// that is killed leaves the whole file, or no file of that name.
pub(crate) fn create_shared_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = temporary_for(path, Some(std::fs::Permissions::from_mode(0o644)))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map(drop).map_err(|failed| failed.error)
}

pub(super) fn make_private_folder(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

pub(in crate::platform) fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // Some file systems cannot sync a folder; the rename itself has happened.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        done => done,
    }
}

/// Returns the identity of an existing file: its device and inode.
pub(crate) fn file_identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Returns the entry at a path without following a link.
pub(crate) fn step(path: &Path) -> Step {
    let found = match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => std::fs::read_link(path).map(Step::Link),
        found => found.map(|meta| Step::Other((meta.dev(), meta.ino()))),
    };
    found.unwrap_or(Step::Nothing)
}

/// Like the function above, for an opened file.
pub(crate) fn opened_identity(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|meta| (meta.dev(), meta.ino()))
}

/// Reports whether an opened file still has a name.
#[cfg(target_os = "linux")]
pub(crate) fn has_a_name(file: &File) -> bool {
    file.metadata().is_ok_and(|meta| meta.nlink() > 0)
}

/// Reports whether the file system of a path invents owners and modes. Those of Windows, networks and FUSE show every
/// file as open to everybody, or as owned by somebody who does not own it.
#[cfg(target_os = "linux")]
pub(crate) fn invents_modes(path: &Path) -> bool {
    // From Linux' magic.h and the drivers: 9p (which WSL's drvfs is), vfat, exfat, NTFS twice, CIFS twice, FUSE.
    const MADE_UP: [u32; 8] =
        [0x0102_1997, 0x0000_4d44, 0x2011_bab0, 0x5346_544e, 0x7366_746e, 0xff53_4d42, 0xfe53_4d42, 0x6573_5546];
    // The type's width differs from one architecture to another.
    #[allow(clippy::cast_possible_truncation, reason = "the numbers have 32 bits")]
    rustix::fs::statfs(path).is_ok_and(|found| MADE_UP.contains(&(found.f_type as u32)))
}

/// Reports whether the file system of a path invents owners and modes; not known on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn invents_modes(_: &Path) -> bool {
    false
}

/// Returns a text that changes whenever the file's content does: device, inode, size, mtime and ctime (which no user
/// can set).
pub(crate) fn content_stamp(path: &Path) -> io::Result<String> {
    Ok(stamp_of(&std::fs::metadata(path)?))
}

/// Like the function above, for an opened file.
pub(crate) fn file_stamp(file: &File) -> io::Result<String> {
    Ok(stamp_of(&file.metadata()?))
}

fn stamp_of(meta: &Metadata) -> String {
    let numbers = [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
    format!("{} {} {} {numbers:?}", meta.dev(), meta.ino(), meta.len())
}

/// Returns the file's ctime: when it last changed in any way, by the wall clock.
pub(crate) fn last_change(file: &File) -> io::Result<SystemTime> {
    let seconds = u64::try_from(file.metadata()?.ctime()).unwrap_or(0);
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}
