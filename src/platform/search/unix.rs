//! A file with the right to be executed is a command.

use super::{MOST_NAMES, named};
use crate::platform::walk::path_only;
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags};
use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

// A folder larger than this, in bytes, has more entries than there are commands to ask for, on file systems that say.
const LARGE: u64 = 16 * 1024;

/// What is known of a search path's folders so far.
#[derive(Default)]
pub(super) struct SearchedFolders {
    /// Device and inode of each folder that was looked into.
    pub folders: HashSet<(u64, u64)>,
    /// For each device, whether a look-up takes long there.
    pub slow: Vec<(u64, bool)>,
}

/// Returns the commands that are in a folder, unless it was seen before.
///
/// A small folder is listed, and any where a look-up takes long, as on the drives of Windows in WSL: one look-up for
/// each command would cost more there than all else that a shell's start does. In a large folder the commands are
/// looked up from a handle, so that its path is resolved once.
pub(super) fn commands_in<'a>(
    folder: &Path,
    wanted: &BTreeSet<&'a str>,
    seen: &mut SearchedFolders,
) -> BTreeSet<&'a str> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(folder, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return BTreeSet::new(),
        // It cannot be listed, and files in it may be found all the same.
        Err(_) => rustix::fs::open(folder, flags | path_only(), Mode::empty()),
        opened => opened,
    };
    let by_path = |name: &&&'a str| is_executable(&folder.join(name));
    let Ok(handle) = opened else { return wanted.iter().filter(by_path).copied().collect() };
    let Ok(stat) = rustix::fs::fstat(&handle) else { return wanted.iter().filter(by_path).copied().collect() };
    // The types differ: they are narrower or signed on some systems.
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        reason = "it is one here or there, and no size is negative"
    )]
    let (device, inode, size) = (stat.st_dev as u64, stat.st_ino as u64, stat.st_size as u64);
    if !seen.folders.insert((device, inode)) {
        return BTreeSet::new();
    }
    if size <= LARGE || seen.is_slow(device, &handle) {
        return match list(handle) {
            Some(names) => named(&names, wanted).iter().filter(by_path).copied().collect(),
            None => wanted.iter().filter(by_path).copied().collect(),
        };
    }
    wanted.iter().filter(|name| is_executable_in(&handle, name)).copied().collect()
}

impl SearchedFolders {
    // Asks once a device.
    fn is_slow(&mut self, device: u64, handle: &OwnedFd) -> bool {
        if let Some((_, slow)) = self.slow.iter().find(|(known, _)| *known == device) {
            return *slow;
        }
        let slow = looks_up_slowly(handle);
        self.slow.push((device, slow));
        slow
    }
}

// Reports whether a folder's file system asks another system for each look-up. From Linux' magic.h and the drivers:
// 9p (WSL 2's drvfs), the drvfs of WSL 1, NFS, CIFS twice, FUSE.
#[cfg(target_os = "linux")]
fn looks_up_slowly(handle: &OwnedFd) -> bool {
    const SLOW: [u32; 6] = [0x0102_1997, 0x5346_4846, 0x0000_6969, 0xff53_4d42, 0xfe53_4d42, 0x6573_5546];
    // The type's width differs from one architecture to another.
    #[allow(clippy::cast_possible_truncation, reason = "the numbers have 32 bits")]
    rustix::fs::fstatfs(handle).is_ok_and(|found| SLOW.contains(&(found.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn looks_up_slowly(_: &OwnedFd) -> bool {
    false
}

// Returns the names of a folder's entries, unless it cannot be listed or has too many.
fn list(handle: OwnedFd) -> Option<Vec<OsString>> {
    let entries = rustix::fs::Dir::new(handle).ok()?;
    let names =
        entries.take(MOST_NAMES + 1).map(|entry| Some(OsStr::from_bytes(entry.ok()?.file_name().to_bytes()).into()));
    names.collect::<Option<Vec<OsString>>>().filter(|names| names.len() <= MOST_NAMES)
}

fn is_executable_in(folder: &OwnedFd, name: &str) -> bool {
    // The type's width differs from one system to another.
    #[allow(clippy::unnecessary_cast, reason = "it is one here or there")]
    let is_program = |mode| FileType::from_raw_mode(mode) == FileType::RegularFile && mode as u32 & 0o111 != 0;
    rustix::fs::statat(folder, name, AtFlags::empty()).is_ok_and(|stat| is_program(stat.st_mode))
        && rustix::fs::accessat(folder, name, Access::EXEC_OK, AtFlags::empty()).is_ok()
}

pub(super) fn executables_in(folder: &Path, command: &str) -> Option<PathBuf> {
    let path = folder.join(command);
    is_executable(&path).then_some(path)
}

/// Reports whether the user may execute this regular file.
pub(crate) fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}
