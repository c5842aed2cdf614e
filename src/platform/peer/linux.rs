//! Linux' part: `SO_PEERPIDFD`, `SO_PASSCRED` and `/proc`.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use super::{Program, Sender};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub(super) struct Handle(OwnedFd);

impl Handle {
    pub(super) fn is_alive(&self, _pid: u32) -> bool {
        // A pidfd becomes readable when its process ends, and only then can the number go to another.
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut fds, Some(&now)), Ok(0))
    }

    pub(super) fn ended(&self) -> io::Result<impl Future<Output = io::Result<()>> + 'static> {
        // SAFETY: the owned descriptor is the same for as long as the value lives, which is dropped as a whole.
        let watched = unsafe { AsyncFd::register_with_interest(self.0.try_clone()?, Interest::READABLE) };
        let watched = watched.map_err(io::Error::from)?;
        Ok(async move { watched.readable().await.map(drop) })
    }
}

pub(super) fn own() -> Option<String> {
    Some(rustix::process::geteuid().as_raw().to_string())
}

pub(super) fn peer(socket: &impl AsFd) -> io::Result<(String, u32, Handle)> {
    let socket = socket.as_fd();
    let credentials = rustix::net::sockopt::socket_peercred(socket)?;
    let handle = match peer_pidfd(socket) {
        Ok(handle) => handle,
        // Before Linux 6.5: a process that ended since it connected may have left its number to another.
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
            pidfd_open(credentials.pid, PidfdFlags::empty())?
        }
        Err(error) => return Err(error),
    };
    let pid = Pid::as_raw(Some(credentials.pid));
    let user = credentials.uid.as_raw().to_string();
    Ok((user, u32::try_from(pid).unwrap_or(0), Handle(handle)))
}

pub(super) fn process(pid: u32) -> io::Result<(String, Handle)> {
    let gone = || io::Error::new(io::ErrorKind::NotFound, "there is no such process");
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    let handle = Handle(pidfd_open(number, PidfdFlags::empty())?);
    // The owner of the folder is root for a process that cannot be looked at.
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let user = users.and_then(|users| users.split_ascii_whitespace().nth(1)).ok_or_else(gone)?.to_owned();
    if handle.is_alive(pid) { Ok((user, handle)) } else { Err(gone()) }
}

fn peer_pidfd(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut pidfd: libc::c_int = -1;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the socket is open for the call; value and length point to live locals of the sizes that are told.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            (&raw mut pidfd).cast(),
            &raw mut length,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel made this descriptor for us in the call above, close-on-exec, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(pidfd) })
}

pub(super) fn program(pid: u32, _handle: &Handle) -> io::Result<Program> {
    let link = format!("/proc/{pid}/exe");
    // The link leads to the file itself, even where its path has been given to another one.
    let file = File::open(&link)?;
    let path = fs::read_link(&link)?;
    // The process must not have called `execve` meanwhile.
    let (opened, now) = (file.metadata()?, fs::metadata(&link)?);
    if (opened.dev(), opened.ino()) != (now.dev(), now.ino()) || !opened.is_file() {
        return Err(io::Error::other("the client changes what it runs"));
    }
    Ok(Program { path, file })
}

pub(super) fn execution(pid: u32, _handle: &Handle) -> io::Result<((u64, u64), u64)> {
    // The link leads to the file itself, even where its path has been given to another one. Another `execve` after this
    // look gives another image.
    let file = fs::metadata(format!("/proc/{pid}/exe"))?;
    Ok(((file.dev(), file.ino()), image(pid)?))
}

pub(super) fn arguments(pid: u32) -> io::Result<Vec<OsString>> {
    let mut bytes = fs::read(format!("/proc/{pid}/cmdline"))?;
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect())
}

// Returns where the stack begins, which the kernel chooses at random at each `execve`: proc_pid_stat(5), field 28.
pub(super) fn image(pid: u32) -> io::Result<u64> {
    // One read: the kernel makes the whole line for it, and the first 28 fields are far shorter than this.
    let mut stat = [0; 1024];
    let length = File::open(format!("/proc/{pid}/stat"))?.read(&mut stat)?;
    let stat = String::from_utf8_lossy(&stat[..length]);
    // The second field is a name that may hold spaces and brackets.
    let field = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(25));
    let start = field.and_then(|text| text.parse().ok()).filter(|start| *start != 0);
    start.ok_or_else(|| io::Error::other("the system does not tell where its stack begins"))
}

// proc_pid_status(5): one number for each namespace from that of this `/proc` down.
pub(super) fn has_our_numbers(pid: u32) -> io::Result<bool> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers = numbers.ok_or_else(|| io::Error::other("the system does not tell its pid namespaces"))?;
    Ok(numbers.split_ascii_whitespace().count() == 1)
}

pub(super) fn tell_senders(socket: &impl AsFd) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_passcred(socket, true)?)
}

// Written by hand: rustix refuses process 0, which the kernel gives for a sender that it cannot name.
pub(super) fn receive(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Sender)> {
    // There is room for the credentials only, so that files which are sent along are never opened.
    // SAFETY: it computes a number from a number.
    const ROOM: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) } as usize;
    #[repr(align(8))]
    struct Control([u8; ROOM]);
    let mut control = Control([0; ROOM]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeroes is a valid `msghdr`: null pointers and lengths of 0.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control.0).cast();
    message.msg_controllen = ROOM as _;
    // SAFETY: the socket is open for the call, and the message points to live buffers of the lengths that it tells.
    let read = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel filled `message` in, and its control buffer is alive and aligned.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: a header that is not null lies whole in the control buffer.
    let kind = unsafe { header.as_ref() }.map(|header| (header.cmsg_level, header.cmsg_type));
    if kind != Some((libc::SOL_SOCKET, libc::SCM_CREDENTIALS)) {
        return Ok((read, Sender::Process(0)));
    }
    // SAFETY: behind a header of this type stands a `ucred`, for which there was room; it need not be aligned.
    let credentials = unsafe { libc::CMSG_DATA(header).cast::<libc::ucred>().read_unaligned() };
    Ok((read, Sender::Process(u32::try_from(credentials.pid).unwrap_or(0))))
}

pub(super) fn cwd(pid: u32) -> io::Result<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd"))
}
