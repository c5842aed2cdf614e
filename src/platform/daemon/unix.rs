//! A socket, SIGTERM, and a session of its own.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A socket that listens at a path and is its owner's alone, from the first moment on.
pub(crate) fn private_listener(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    // The mask is the process' own; whoever calls this has no other thread that makes files.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = std::os::unix::net::UnixListener::bind(path);
    rustix::process::umask(before);
    listener
}

/// Reports whether anybody listens on the socket at a path; does not wait for a listener that has too much to do.
pub fn has_listener(path: &Path) -> io::Result<bool> {
    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    // In two steps more, since macOS knows no flags for the call above.
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS) => Ok(true),
        Err(Errno::CONNREFUSED) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Lets this process have as many open files as it may. Best effort: with fewer, fewer clients are served at a time.
pub fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Sends SIGTERM to a process that is, asked with it in hand, still the one that is meant.
pub(crate) fn terminate(pid: u32, is_meant: impl FnOnce() -> bool) -> io::Result<()> {
    use rustix::process::{Pid, Signal};
    let gone = || io::Error::new(io::ErrorKind::NotFound, "there is no such process");
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    #[cfg(target_os = "linux")]
    let handle = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    if !is_meant() {
        return Err(gone());
    }
    #[cfg(target_os = "linux")]
    return Ok(rustix::process::pidfd_send_signal(handle, Signal::TERM)?);
    #[cfg(not(target_os = "linux"))]
    return Ok(rustix::process::kill_process(pid, Signal::TERM)?);
}

/// Nothing: what a command starts leaves the terminal by itself, with [`detach`].
pub(crate) fn set_apart(_command: &mut std::process::Command) {}

/// Makes this process the leader of a session of its own, without a terminal, in the root directory.
pub(crate) fn detach() -> io::Result<()> {
    rustix::process::setsid()?;
    std::env::set_current_dir("/")
}

/// Lets standard error go to a private file from here on, at its end.
pub(crate) fn redirect_errors(file: &Path) -> io::Result<()> {
    let mut open = OpenOptions::new();
    open.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    rustix::stdio::dup2_stderr(open.open(file)?)?;
    Ok(())
}

/// Lets standard output go nowhere, so that whoever reads it sees its end.
pub(crate) fn close_stdout() -> io::Result<()> {
    rustix::stdio::dup2_stdout(OpenOptions::new().write(true).open("/dev/null")?)?;
    Ok(())
}
