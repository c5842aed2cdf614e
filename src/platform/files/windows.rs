//! Files as Windows has them: without a mode.
//!
//! What Ringlet writes inherits the access list of the folder it is in, and in the user's profile, `%APPDATA%` and
//! `%LOCALAPPDATA%` that is the user, SYSTEM and the administrators. Nothing here narrows or checks that list; a home
//! that is open to others stays open.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use super::Step;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_BASIC_INFO, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_ATTRIBUTES, FileBasicInfo, GetFileInformationByHandle, GetFileInformationByHandleEx,
    SECURITY_IDENTIFICATION,
};

pub(in crate::platform) fn kind_of(meta: &Metadata) -> &'static str {
    if meta.is_dir() { "a directory" } else { "something else" }
}

pub(in crate::platform) fn open_for_reading(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        // With this flag a directory can be opened and then be refused as one. Without it the error is "access denied".
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        // A project's symlink may lead to another user's named pipe, whose server must not act in this user's name.
        .security_qos_flags(SECURITY_IDENTIFICATION)
        .open(path)
}

/// A folder in which many files are read.
pub(crate) struct OpenFolder(PathBuf);

impl OpenFolder {
    /// Takes the folder's path.
    #[allow(clippy::unnecessary_wraps, reason = "the other systems open it here")]
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(path.to_owned()))
    }

    /// Reads the beginning of a file below the folder, and returns how many bytes that is. A file that is shorter than
    /// the buffer is read whole. Its owner and mode are not checked.
    pub(crate) fn read_start(&self, name: &Path, buffer: &mut [u8]) -> io::Result<usize> {
        open_for_reading(&self.0.join(name))?.read(buffer)
    }
}

/// Opens a file, or creates it.
pub(crate) fn open_private_for_writing(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?;
    if file.metadata()?.is_symlink() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a symlink"));
    }
    Ok(file)
}

/// Creates a file that was not there. The access list of its folder says who may read it.
pub(crate) fn create_shared_file(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(content)
}

pub(super) fn make_private_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)
}

pub(in crate::platform) fn sync_folder(_path: &Path) -> io::Result<()> {
    // NTFS journals the rename; a folder can be flushed only with rights an ordinary user lacks.
    Ok(())
}

pub(in crate::platform) fn open_for_information(path: &Path) -> io::Result<(File, BY_HANDLE_FILE_INFORMATION)> {
    // Only the right to read attributes is asked for, so that this works for running programs and for folders.
    let file =
        OpenOptions::new().access_mode(FILE_READ_ATTRIBUTES).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)?;
    let found = information(&file)?;
    Ok((file, found))
}

fn information(file: &File) -> io::Result<BY_HANDLE_FILE_INFORMATION> {
    let mut found = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open for the whole call, and the struct is ours to be written.
    match unsafe { GetFileInformationByHandle(file.as_raw_handle(), &mut found) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(found),
    }
}

pub(in crate::platform) fn identity(found: &BY_HANDLE_FILE_INFORMATION) -> (u64, u64) {
    (found.dwVolumeSerialNumber.into(), u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow))
}

/// Reports whether the file system of a path invents owners and modes; they are not looked at on Windows.
pub(crate) fn invents_modes(_: &Path) -> bool {
    false
}

/// Returns what tells one existing file from every other: volume and index.
pub(crate) fn file_identity(path: &Path) -> Option<(u64, u64)> {
    open_for_information(path).ok().map(|(_, found)| identity(&found))
}

/// Looks at a path without following a link. A junction counts as a link.
pub(crate) fn step(path: &Path) -> Step {
    match std::fs::read_link(path) {
        Ok(target) => Step::Link(target),
        Err(_) => file_identity(path).map_or(Step::Nothing, Step::Other),
    }
}

/// Like the function above, for an opened file.
pub(crate) fn opened_identity(file: &File) -> io::Result<(u64, u64)> {
    information(file).map(|found| identity(&found))
}

/// Returns a text that changes whenever the file's content does: volume, index, size, and the times of its creation,
/// its last write and its last change.
pub(crate) fn content_stamp(path: &Path) -> io::Result<String> {
    file_stamp(&open_for_information(path)?.0)
}

/// Like the function above, for an opened file.
pub(crate) fn file_stamp(file: &File) -> io::Result<String> {
    let found = information(file)?;
    let mut basic = FILE_BASIC_INFO::default();
    // SAFETY: the handle is open for the call; pointer and size are those of the struct this class fills.
    let done = unsafe {
        GetFileInformationByHandleEx(
            file.as_raw_handle(),
            FileBasicInfo,
            (&raw mut basic).cast(),
            size_of::<FILE_BASIC_INFO>() as u32,
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let (volume, index) = identity(&found);
    let times = [basic.CreationTime, basic.LastWriteTime, basic.ChangeTime];
    Ok(format!("{volume} {index} {} {} {times:?}", found.nFileSizeHigh, found.nFileSizeLow))
}

/// Returns when the file's content last changed, by the wall clock.
pub(crate) fn last_change(file: &File) -> io::Result<SystemTime> {
    file.metadata()?.modified()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{read_file, replace_file};

    #[test]
    fn the_stamp_of_a_file_changes_with_its_content() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("agent.exe");
        let stamps = ["one", "three", "four"].map(|content| {
            replace_file(&file, content.as_bytes()).expect("replaced");
            content_stamp(&file).expect("there")
        });
        assert_eq!(content_stamp(&file).expect("there"), stamps[2]);
        assert!(stamps[0] != stamps[1] && stamps[1] != stamps[2] && stamps[0] != stamps[2]);
    }

    #[test]
    fn a_folder_is_named_as_one_and_not_as_a_forbidden_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let Err(error) = read_file(folder.path(), 10) else { panic!("a folder was read") };
        assert_eq!(error.to_string(), "it is a directory, not a regular file");
    }
}
