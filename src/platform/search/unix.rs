//! A file with the right to be executed is a command.

use super::{Folder, MOST_NAMES};
use crate::platform::files::invents_modes;
use rustix::fs::{Mode, OFlags};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

// A folder larger than this, in bytes, holds more entries than there are names to ask for, on file systems that say.
const LARGE: u64 = 16 * 1024;

/// Looks into a folder of a search path, unless it is one of those that were `seen`. Takes five system calls for a small one.
pub(super) fn look_into(folder: &Path, seen: &mut HashSet<(u64, u64)>) -> Folder {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = match rustix::fs::open(folder, flags, Mode::empty()) {
        Ok(handle) => File::from(handle),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Folder::Nothing,
        Err(_) => return Folder::Unlisted,
    };
    let Ok(meta) = handle.metadata() else { return Folder::Unlisted };
    if !seen.insert((meta.dev(), meta.ino())) {
        return Folder::Nothing;
    }
    // One that invents modes is another system's, where each look-up is slow.
    if meta.len() > LARGE && !invents_modes(folder) {
        return Folder::Unlisted;
    }
    let Ok(entries) = rustix::fs::Dir::new(OwnedFd::from(handle)) else { return Folder::Unlisted };
    let names =
        entries.take(MOST_NAMES + 1).map(|entry| Some(OsStr::from_bytes(entry.ok()?.file_name().to_bytes()).into()));
    match names.collect::<Option<Vec<OsString>>>() {
        Some(names) if names.len() <= MOST_NAMES => Folder::Names(names),
        _ => Folder::Unlisted,
    }
}

pub(super) fn executables_in(folder: &Path, command: &str) -> Option<PathBuf> {
    let path = folder.join(command);
    is_executable(&path).then_some(path)
}

/// Whether the user may execute this regular file.
pub(crate) fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}
