//! Windows' part: the pid that the pipe noted when the client opened it, and a handle to that process, which keeps its
//! number from another for as long as it is held. Between the two lies a moment in which a number may be reused, as on
//! macOS.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use super::Program;
use crate::platform::account::{own_user, user_of};
use crate::platform::opened_identity;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use windows_sys::Win32::Foundation::WAIT_TIMEOUT;
use windows_sys::Win32::Storage::FileSystem::FILE_SHARE_READ;
use windows_sys::Win32::System::Pipes::GetNamedPipeClientProcessId;
use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    QueryFullProcessImageNameW, WaitForSingleObject,
};

pub(super) struct Handle(OwnedHandle);

impl Handle {
    pub(super) fn is_alive(&self, _pid: u32) -> bool {
        // SAFETY: the handle is open for the call, which does not wait.
        unsafe { WaitForSingleObject(self.0.as_raw_handle(), 0) == WAIT_TIMEOUT }
    }
}

pub(super) fn own() -> Option<String> {
    own_user().ok()
}

pub(super) fn peer(pipe: &impl AsHandle) -> io::Result<(String, u32, Handle)> {
    let mut pid = 0;
    // SAFETY: the pipe is open for the call; the number is ours to be written.
    if unsafe { GetNamedPipeClientProcessId(pipe.as_handle().as_raw_handle(), &raw mut pid) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: numbers in; the handle that comes out is checked before it is owned.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE, 0, pid) };
    if process.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above made this handle for us, and nobody else has it.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    Ok((user_of(process.as_raw_handle())?, pid, Handle(process)))
}

// There are no such namespaces.
pub(super) fn has_our_numbers(_pid: u32) -> io::Result<bool> {
    Ok(true)
}

pub(super) fn program(_pid: u32, handle: &Handle) -> io::Result<Program> {
    let path = path_of(handle)?;
    let file = open(&path)?;
    // A running program can be renamed, and another put in its place. The file that is open now cannot be renamed, and
    // neither can its folders: what the system says from here on is about this file.
    if path_of(handle)? != path {
        return Err(io::Error::other("the client's program is being moved"));
    }
    // The form in which a registered path is kept.
    Ok(Program { path: path.canonicalize()?, file })
}

// For reading alone; nobody may write to, rename or remove it meanwhile.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).share_mode(FILE_SHARE_READ).open(path)
}

// Where the file lies: in this form, unlike the native one, the system is said to ask the file itself, so that a
// renamed one is told by its new name. Wine tells the one that the process was started by, and Microsoft promises
// neither: who may write to a registered program's folder could pass for that program, as could whoever may write to
// its memory.
fn path_of(handle: &Handle) -> io::Result<PathBuf> {
    let mut path = vec![0u16; 32 * 1024];
    let mut length = path.len() as u32;
    // SAFETY: the handle is open for the call; the buffer is as long as is told, and no more is written.
    let done = unsafe {
        QueryFullProcessImageNameW(handle.0.as_raw_handle(), PROCESS_NAME_WIN32, path.as_mut_ptr(), &raw mut length)
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    path.truncate(length as usize);
    Ok(PathBuf::from(OsString::from_wide(&path)))
}

pub(super) fn execution(pid: u32, handle: &Handle) -> io::Result<((u64, u64), u64)> {
    Ok((opened_identity(&program(pid, handle)?.file)?, image(pid)?))
}

pub(super) fn arguments(_pid: u32) -> io::Result<Vec<OsString>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "Windows tells no other process' command line"))
}

pub(super) fn cwd(_pid: u32) -> io::Result<PathBuf> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "Windows tells no other process' directory"))
}

// No process here becomes another program.
pub(super) fn image(_pid: u32) -> io::Result<u64> {
    Ok(0)
}
