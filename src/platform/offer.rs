//! What the process that keeps a key for a launch needs: it waits for one request, or for the end of the launch. Linux
//! only, since no other system names the process that asks as exactly.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

// `CLOSE_RANGE_CLOEXEC`, linux/close_range.h.
const CLOSE_ON_EXEC: libc::c_uint = 4;

/// Another process, whose end can be waited for.
pub(crate) struct Watched(OwnedFd);

impl Watched {
    /// The process with this number.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, "there is no such process");
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }
}

/// The next client of the socket; `None` once the process has ended.
pub(crate) fn client_or_end(listener: &UnixListener, process: &Watched) -> io::Result<Option<UnixStream>> {
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

/// Reports whether a process was started by another one, or by one that was started by it.
pub(crate) fn is_below(pid: u32, above: u32) -> bool {
    // The ancestors are followed up to this number.
    const LONGEST: usize = 256;
    let parent = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it may hold blanks and parentheses.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    std::iter::successors(Some(pid), |pid| parent(*pid)).skip(1).take(LONGEST).any(|pid| pid == above)
}

// Makes a command start in a session of its own and as a child of no process of the user's, so that the program that
// takes this process's place finds no child that it does not know. The child that is waited for ends at once. Where
// this process is the first of a container, the kernel makes the command its child all the same.
fn set_orphaned(command: &mut Command) {
    let leave = || {
        // SAFETY: fork is async-signal-safe, and so is what both processes do up to exec or _exit.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                // The caller's open files, among them a lock, must not stay open in this process.
                // SAFETY: it takes three numbers and marks this process' own descriptors, those of `Command` among
                // them, which are to be closed at exec anyway. A kernel without the call (before 5.11) leaves them.
                unsafe { libc::syscall(libc::SYS_close_range, 3 as libc::c_uint, libc::c_uint::MAX, CLOSE_ON_EXEC) };
                rustix::process::setsid().map(|_| ()).map_err(io::Error::from)
            }
            // SAFETY: it ends this process at once and runs nothing of it.
            _ => unsafe { libc::_exit(0) },
        }
    };
    // SAFETY: between fork and exec the closure makes system calls alone.
    unsafe { command.pre_exec(leave) };
}

// The message that the started process is protected from other processes.
const READY: &[u8] = b"ready";
// An error's words are shorter.
const MESSAGE: usize = 4096;

// Both ends are Ringlet and answer at once, unless the machine is busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that [`start_apart`] has started.
pub(crate) struct Apart(ChildStdin);

impl Apart {
    /// Writes to its standard input, and closes that.
    pub(crate) fn tell(mut self, parts: &[&[u8]]) -> io::Result<()> {
        parts.iter().try_for_each(|part| self.0.write_all(part))?;
        self.0.flush()
    }
}

/// Starts Ringlet as a process of its own: in a session of its own, with no parent of the user's, and with the
/// listening socket as its standard output. Returns once it has closed itself to other processes with [`say_ready`]:
/// before that they could read what is written to it.
pub(crate) fn start_apart(command: &mut Command, listener: OwnedFd) -> io::Result<Apart> {
    command.current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::from(listener)).stderr(Stdio::piped());
    set_orphaned(command);
    let mut child = command.spawn()?;
    let (into, says) = (child.stdin.take(), child.stderr.take());
    child.wait()?;
    let (Some(into), Some(says)) = (into, says) else { return Err(io::ErrorKind::BrokenPipe.into()) };
    let mut said = read_within(&says, READY.len(), PATIENCE);
    if said == READY {
        return Ok(Apart(into));
    }
    said.extend(read_within(&says, MESSAGE, PATIENCE));
    let why = String::from_utf8_lossy(&said);
    Err(io::Error::other(match why.trim() {
        "" => "the process that is to hold the key did not start",
        why => why,
    }))
}

/// Tells the process that has called [`start_apart`] that this one is closed to others. Standard error goes nowhere
/// from here on.
pub(crate) fn say_ready() -> io::Result<()> {
    io::stderr().write_all(READY)?;
    rustix::stdio::dup2_stderr(std::fs::OpenOptions::new().write(true).open("/dev/null")?)?;
    Ok(())
}

/// Lets standard input be empty from here on.
pub(crate) fn close_stdin() -> io::Result<()> {
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(())
}

// Reads from a pipe until it ends, so many bytes have come, or the time is over.
fn read_within(pipe: impl AsFd, most: usize, time: Duration) -> Vec<u8> {
    let mut read = Vec::new();
    let end = Instant::now() + time;
    while read.len() < most {
        let left = end.saturating_duration_since(Instant::now());
        let wait = rustix::event::Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
        let mut fds = [PollFd::new(&pipe, PollFlags::IN)];
        match poll(&mut fds, Some(&wait)) {
            Ok(1..) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Ok(0) | Err(_) => break,
        }
        let mut part = [0; 256];
        let room = part.len().min(most - read.len());
        match rustix::io::read(&pipe, &mut part[..room]) {
            Ok(more @ 1..) => read.extend_from_slice(&part[..more]),
            _ => break,
        }
    }
    read
}

/// Makes a file in memory with these bytes. Whoever inherits the descriptor can read it by `/dev/fd` as often as it
/// wants. It ends with the last process that has it open.
pub(crate) fn inheritable_file(bytes: &[u8]) -> io::Result<RawFd> {
    let mut file = std::fs::File::from(rustix::fs::memfd_create("ringlet-settings", rustix::fs::MemfdFlags::empty())?);
    file.write_all(bytes)?;
    Ok(file.into_raw_fd())
}

/// The file of a socket, which is removed with this value.
pub(crate) struct RemoveOnDrop(pub(crate) PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Takes the listening socket that this process was given as its standard output.
pub(crate) fn listener_on_stdout() -> io::Result<UnixListener> {
    let listener = UnixListener::from(socket_on_stdout()?);
    listener.local_addr()?;
    Ok(listener)
}

/// Lets more clients wait: the library's queue is short, and whoever fills it makes others wait for a second.
pub(crate) fn widen_queue(listener: &TcpListener) -> io::Result<()> {
    Ok(rustix::net::listen(listener, 4096)?)
}

/// Reports whether a socket is a Unix one.
pub(crate) fn is_unix_socket(socket: &OwnedFd) -> io::Result<bool> {
    Ok(rustix::net::sockopt::socket_domain(socket)? == rustix::net::AddressFamily::UNIX)
}

/// Takes the socket that this process was given as its standard output.
pub(crate) fn socket_on_stdout() -> io::Result<OwnedFd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    super::daemon::close_stdout()?;
    Ok(socket)
}
