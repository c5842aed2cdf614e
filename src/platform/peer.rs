//! Who is at the other end of a local socket, as the kernel tells it: never as the peer does.
//!
//! Linux: the credentials and a pidfd that the kernel took when the peer connected, and what `/proc` says of that very
//! process, looked at while the pidfd shows that it still runs, so that no other process can have its number.
//! macOS: the same of the pid alone, which leaves a moment in which a number may be reused. Windows: see `peer/windows.rs`.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use std::ffi::OsString;
use std::fs::File;
use std::io;
#[cfg(unix)]
use std::os::fd::AsFd as AsSocket;
#[cfg(windows)]
use std::os::windows::io::AsHandle as AsSocket;
use std::path::PathBuf;

#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;
#[cfg(windows)]
use windows as system;

/// The process at the other end.
pub struct Peer {
    /// Its user, as the system knows them: a number, or on Windows a SID.
    pub user: String,
    /// Its number.
    pub pid: u32,
    /// What [`Peer::image`] said when it was asked for the first time; `None` where the system did not tell.
    pub first_image: Option<u64>,
    handle: system::Handle,
}

/// Who wrote what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// This process, as the kernel says.
    Process(u32),
    /// The kernel tells it nowhere on this system.
    Untold,
}

/// Has the kernel name the sender of everything that is read from a socket. A listener hands it on to its clients' sockets,
/// so that it holds from the first byte.
#[cfg(unix)]
pub(crate) fn tell_senders(socket: &impl AsSocket) -> io::Result<()> {
    system::tell_senders(socket)
}

/// Reads what is there from a socket of [`tell_senders`], and who wrote it; never of two senders in one go (unix(7)). A
/// sender that the kernel cannot name is process 0, which nobody is.
#[cfg(unix)]
pub(crate) fn receive(socket: &impl AsSocket, buffer: &mut [u8]) -> io::Result<(usize, Sender)> {
    system::receive(socket, buffer)
}

/// What a process runs.
pub struct Program {
    /// The path by which the kernel knows it now.
    pub path: PathBuf,
    /// The very file that runs, whatever has the path by now.
    pub file: File,
}

impl Peer {
    /// Whether [`Peer::arguments`] and [`Peer::cwd`] are told here: without them no script can be told from another.
    pub const TELLS_SCRIPTS: bool = cfg!(target_os = "linux");

    /// Asks the kernel who connected.
    pub fn of(socket: &impl AsSocket) -> io::Result<Self> {
        let (user, pid, handle) = system::peer(socket)?;
        let mut peer = Self { user, pid, first_image: None, handle };
        // At once: what the process becomes while it waits for its turn must not pass for what connected.
        peer.first_image = peer.image().ok();
        Ok(peer)
    }

    /// Whether what this sender wrote is the peer's own. Any thread of its process may write.
    pub fn wrote(&self, sender: Sender) -> bool {
        sender == Sender::Untold || sender == Sender::Process(self.pid)
    }

    /// Fails for a process that has a pid namespace of its own: whoever made that has the right there to send in the name
    /// of any process in it.
    pub fn has_our_numbers(&self) -> io::Result<bool> {
        self.still(system::has_our_numbers(self.pid))
    }

    /// Whether it is this process' user.
    pub fn is_ours(&self) -> bool {
        system::own().is_some_and(|own| own == self.user)
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        self.handle.is_alive(self.pid)
    }

    /// What it runs; fails when it has ended meanwhile, or the system does not tell.
    pub fn program(&self) -> io::Result<Program> {
        self.still(system::program(self.pid, &self.handle))
    }

    /// Its command line, its own name first; as the process itself may have changed it.
    pub fn arguments(&self) -> io::Result<Vec<OsString>> {
        self.still(system::arguments(self.pid))
    }

    /// A number that another `execve` changes, where the system has one: of the same file, too.
    pub fn image(&self) -> io::Result<u64> {
        self.still(system::image(self.pid))
    }

    /// Its working directory, symlinks resolved.
    pub fn cwd(&self) -> io::Result<PathBuf> {
        self.still(system::cwd(self.pid))
    }

    // What was read of a number is about this process only if it still runs now.
    fn still<T>(&self, told: io::Result<T>) -> io::Result<T> {
        if self.is_alive() { told } else { Err(io::Error::new(io::ErrorKind::NotFound, "the client has ended")) }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Program, Sender};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use std::ffi::OsString;
    use std::fs::{self, File};
    use std::io;
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;

    pub(super) struct Handle(OwnedFd);

    impl Handle {
        pub(super) fn is_alive(&self, _pid: u32) -> bool {
            // A pidfd becomes readable when its process ends, and only then can the number go to another.
            let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            matches!(poll(&mut fds, Some(&now)), Ok(0))
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
        // Neither before nor after another `execve`.
        let (opened, now) = (file.metadata()?, fs::metadata(&link)?);
        if (opened.dev(), opened.ino()) != (now.dev(), now.ino()) || !opened.is_file() {
            return Err(io::Error::other("the client changes what it runs"));
        }
        Ok(Program { path, file })
    }

    pub(super) fn arguments(pid: u32) -> io::Result<Vec<OsString>> {
        let mut bytes = fs::read(format!("/proc/{pid}/cmdline"))?;
        if bytes.last() == Some(&0) {
            bytes.pop();
        }
        Ok(bytes.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect())
    }

    // Where the stack begins, which the kernel chooses at random at each `execve`: proc_pid_stat(5), field 28.
    pub(super) fn image(pid: u32) -> io::Result<u64> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
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

    // By hand: rustix takes 0, which the kernel gives for a sender that it cannot name, for no possible number.
    pub(super) fn receive(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Sender)> {
        // Room for the credentials and nothing else: files that are sent along are never opened here.
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
}

#[cfg(target_os = "macos")]
mod macos {
    use super::{Program, Sender};
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

    pub(super) fn arguments(_pid: u32) -> io::Result<Vec<OsString>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "macOS tells no other process' command line cheaply"))
    }

    // Nothing of the kind is told; `program` still sees another file.
    pub(super) fn image(_pid: u32) -> io::Result<u64> {
        Ok(0)
    }

    // There are no such namespaces.
    pub(super) fn has_our_numbers(_pid: u32) -> io::Result<bool> {
        Ok(true)
    }

    // The kernel names who connected and nobody else.
    pub(super) fn tell_senders(_socket: &impl AsFd) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn receive(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Sender)> {
        Ok((rustix::io::read(socket, buffer)?, Sender::Untold))
    }

    pub(super) fn cwd(_pid: u32) -> io::Result<PathBuf> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "macOS tells no other process' directory cheaply"))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_other_end_is_this_very_test() {
        let (one, _other) = UnixStream::pair().expect("a pair");
        let peer = Peer::of(&one).expect("told");
        assert_eq!(peer.pid, std::process::id());
        assert!(peer.is_ours() && peer.is_alive());
        let program = peer.program().expect("told");
        assert_eq!(program.path, std::env::current_exe().expect("known"));
        #[cfg(target_os = "linux")]
        {
            assert_eq!(peer.arguments().expect("told"), std::env::args_os().collect::<Vec<_>>());
            assert_eq!(peer.cwd().expect("told"), std::env::current_dir().expect("known"));
            assert_eq!(peer.image().ok(), peer.first_image);
            assert!(peer.has_our_numbers().expect("told"));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn each_read_has_one_sender_and_the_right_one() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        tell_senders(&ours).expect("told");
        theirs.write_all(b"first half").expect("written");
        let socket = Stdio::from(std::os::fd::OwnedFd::from(theirs.try_clone().expect("another")));
        let mut child = Command::new("printf").arg(" of another").stdout(socket).spawn().expect("printf");
        let other = child.id();
        assert!(child.wait().expect("a child").success());
        let writer = theirs.try_clone().expect("another");
        std::thread::spawn(move || (&writer).write_all(b" of a thread").expect("written")).join().expect("no panic");
        drop(theirs);
        let peer = Peer::of(&ours).expect("told");
        let mut read = Vec::new();
        let mut buffer = [0; 64];
        while let Ok((length @ 1.., sender)) = receive(&ours, &mut buffer) {
            read.push((String::from_utf8_lossy(&buffer[..length]).into_owned(), sender, peer.wrote(sender)));
        }
        let me = Sender::Process(std::process::id());
        let wanted =
            [("first half", me, true), (" of another", Sender::Process(other), false), (" of a thread", me, true)];
        assert_eq!(read, wanted.map(|(text, sender, ours)| (text.to_owned(), sender, ours)));
    }

    // Written before anybody asked for names, which is what a client does that is accepted later.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_was_written_before_the_connection_was_accepted_has_its_sender() {
        use std::io::Write;
        use std::os::unix::net::UnixListener;
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("socket")).expect("bound");
        tell_senders(&listener).expect("told");
        let mut client = UnixStream::connect(folder.path().join("socket")).expect("it listens");
        client.write_all(b"early").expect("written");
        let (accepted, _) = listener.accept().expect("a client");
        client.write_all(b"late").expect("written");
        let mut buffer = [0; 64];
        let me = Sender::Process(std::process::id());
        assert_eq!(receive(&accepted, &mut buffer).expect("read"), (9, me));
        assert!(!Peer::of(&accepted).expect("told").wrote(Sender::Process(0)));
    }
}
