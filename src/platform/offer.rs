//! What a process needs to wait for one request, or for the end of the launch that it serves. Linux alone: elsewhere nothing
//! names the process that asks as exactly.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Another process, whose end can be waited for.
pub struct Watched(OwnedFd);

impl Watched {
    /// The process with this number.
    pub fn of(pid: u32) -> io::Result<Self> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, "there is no such process");
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }
}

/// The next client of the socket; `None` once the process has ended.
pub fn client_or_end(listener: &UnixListener, process: &Watched) -> io::Result<Option<UnixStream>> {
    loop {
        let mut fds = [PollFd::new(&process.0, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !fds[0].revents().is_empty() {
            return Ok(None);
        }
        if !fds[1].revents().is_empty() {
            return listener.accept().map(|(stream, _)| Some(stream));
        }
    }
}

/// Whether a process was started by another one, or by one that was started by it.
pub fn is_below(pid: u32, above: u32) -> bool {
    // A chain of processes is as long as a session makes it; one that is longer is not looked through.
    const LONGEST: usize = 256;
    let parent = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it may hold blanks and parentheses.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    std::iter::successors(Some(pid), |pid| parent(*pid)).skip(1).take(LONGEST).any(|pid| pid == above)
}

/// Has a command start as nobody's child and in a session of its own, so that whoever takes this process' place finds no child
/// that it does not know. The child that is waited for ends at once.
pub fn set_orphaned(command: &mut Command) {
    let leave = || {
        // SAFETY: fork is async-signal-safe, and so is what both processes do up to exec or _exit.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => rustix::process::setsid().map(|_| ()).map_err(io::Error::from),
            // SAFETY: it ends this process at once and runs nothing of it.
            _ => unsafe { libc::_exit(0) },
        }
    };
    // SAFETY: between fork and exec the closure makes system calls alone.
    unsafe { command.pre_exec(leave) };
}

/// The listening socket that this process was given as its standard output.
pub fn listener_on_stdout() -> io::Result<UnixListener> {
    let listener: UnixListener = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?.into();
    super::close_stdout()?;
    listener.local_addr()?;
    Ok(listener)
}
