//! macOS' part: `LOCAL_PEERPID` and libproc.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use super::{Program, Sender};
use crate::platform::opened_identity;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

pub(super) struct Handle;

impl Handle {
    pub(super) fn is_alive(&self, pid: u32) -> bool {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
    }
}

pub(super) fn own() -> Option<String> {
    Some(rustix::process::geteuid().as_raw().to_string())
}

pub(super) fn peer(socket: &impl AsFd) -> io::Result<(String, u32, Handle)> {
    let socket = socket.as_fd();
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the socket is open for the call, and both pointers are to live locals.
    if unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut pid: libc::pid_t = 0;
    let mut length = size_of::<libc::pid_t>() as libc::socklen_t;
    // SAFETY: as above; value and length point to live locals of the sizes that are told.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_LOCAL,
            libc::LOCAL_PEERPID,
            (&raw mut pid).cast(),
            &raw mut length,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((uid.to_string(), u32::try_from(pid).unwrap_or(0), Handle))
}

pub(super) fn program(pid: u32, _handle: &Handle) -> io::Result<Program> {
    let mut path = vec![0u8; libc::PROC_PIDPATHINFO_MAXSIZE as usize];
    // SAFETY: the buffer is as large as is told, and the call writes no more than that.
    let length = unsafe { libc::proc_pidpath(pid as i32, path.as_mut_ptr().cast(), path.len() as u32) };
    let length = usize::try_from(length).ok().filter(|length| *length > 0).ok_or_else(io::Error::last_os_error)?;
    path.truncate(length);
    let path = PathBuf::from(OsString::from_vec(path));
    Ok(Program { file: File::open(&path)?, path })
}

pub(super) fn execution(pid: u32, handle: &Handle) -> io::Result<((u64, u64), u64)> {
    Ok((opened_identity(&program(pid, handle)?.file)?, image(pid)?))
}

pub(super) fn arguments(_pid: u32) -> io::Result<Vec<OsString>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "macOS tells no other process' command line cheaply"))
}

// The system has no such number; `program` still sees another file.
pub(super) fn image(_pid: u32) -> io::Result<u64> {
    Ok(0)
}

// There are no such namespaces.
pub(super) fn has_our_numbers(_pid: u32) -> io::Result<bool> {
    Ok(true)
}

// The kernel names only the process that connected.
pub(super) fn tell_senders(_socket: &impl AsFd) -> io::Result<()> {
    Ok(())
}

pub(super) fn receive(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Sender)> {
    Ok((rustix::io::read(socket, buffer)?, Sender::Unknown))
}

pub(super) fn cwd(_pid: u32) -> io::Result<PathBuf> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "macOS tells no other process' directory cheaply"))
}
