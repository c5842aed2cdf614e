//! The process at the other end of a local socket, as the kernel knows it and not as that process describes itself.
//!
//! Linux: the credentials and a pidfd that the kernel took when the peer connected, and what `/proc` says of that very
//! process, looked at while the pidfd shows that it still runs, so that no other process can have its number. macOS:
//! the same of the pid alone, which leaves a moment in which a number may be reused. Windows: see `windows.rs`.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;
#[cfg(windows)]
use windows as system;

use std::ffi::OsString;
use std::fs::File;
use std::io;
#[cfg(unix)]
use std::os::fd::AsFd as AsSocket;
#[cfg(windows)]
use std::os::windows::io::AsHandle as AsSocket;
use std::path::PathBuf;

/// The process at the other end.
pub struct Peer {
    /// Its user, as the system knows them: a number, or on Windows a SID.
    pub user: String,
    /// Its number.
    pub pid: u32,
    /// The first result of [`Peer::image`]; `None` if the system did not give it.
    pub first_image: Option<u64>,
    handle: system::Handle,
}

/// The writer of the bytes that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The process that the kernel names.
    Process(u32),
    /// This system does not name senders.
    Unknown,
}

/// Makes the kernel name the sender of everything that is read from a socket. The sockets of a listener's clients
/// inherit this, so that it holds from the first byte.
#[cfg(unix)]
pub(crate) fn tell_senders(socket: &impl AsSocket) -> io::Result<()> {
    system::tell_senders(socket)
}

/// Reads the waiting bytes from a socket of [`tell_senders`], and their writer. One call never returns the bytes of two
/// writers (unix(7)). A writer that the kernel cannot name is process 0, which does not exist.
#[cfg(unix)]
pub(crate) fn receive(socket: &impl AsSocket, buffer: &mut [u8]) -> io::Result<(usize, Sender)> {
    system::receive(socket, buffer)
}

/// Returns this process' user, as [`Peer::user`] names one.
#[cfg(target_os = "linux")]
pub(crate) fn own_user() -> Option<String> {
    system::own()
}

/// The program that a process runs.
pub struct Program {
    /// The path by which the kernel knows it now.
    pub path: PathBuf,
    /// The running file itself, even if another file has its path now.
    pub file: File,
}

impl Peer {
    /// Whether this system has [`Peer::arguments`] and [`Peer::cwd`]. Without them two scripts cannot be distinguished.
    pub const TELLS_SCRIPTS: bool = cfg!(target_os = "linux");

    /// Asks the kernel who connected.
    pub fn of(socket: &impl AsSocket) -> io::Result<Self> {
        let (user, pid, handle) = system::peer(socket)?;
        let mut peer = Self { user, pid, first_image: None, handle };
        // At once: what the process becomes while it waits for its turn must not pass for what connected.
        peer.first_image = peer.image().ok();
        Ok(peer)
    }

    /// Takes the running process with this number, which must be one that no other process can have got meanwhile: the
    /// caller compares what it knows of the process once it has the result.
    #[cfg(target_os = "linux")]
    pub fn with_pid(pid: u32) -> io::Result<Self> {
        let (user, handle) = system::process(pid)?;
        let mut peer = Self { user, pid, first_image: None, handle };
        peer.first_image = peer.image().ok();
        Ok(peer)
    }

    /// Waits until the process has ended.
    #[cfg(target_os = "linux")]
    pub(crate) fn ended(&self) -> io::Result<impl Future<Output = io::Result<()>> + 'static> {
        self.handle.ended()
    }

    /// Reports whether what this sender wrote is the peer's own. Any thread of its process may write.
    pub fn wrote(&self, sender: Sender) -> bool {
        sender == Sender::Unknown || sender == Sender::Process(self.pid)
    }

    /// Fails for a process that has a pid namespace of its own: whoever made that has the right there to send in the
    /// name of any process in it.
    pub fn has_our_numbers(&self) -> io::Result<bool> {
        self.still(system::has_our_numbers(self.pid))
    }

    /// Reports whether it is this process' user.
    pub fn is_ours(&self) -> bool {
        system::own().is_some_and(|own| own == self.user)
    }

    /// Reports whether it still runs.
    pub fn is_alive(&self) -> bool {
        self.handle.is_alive(self.pid)
    }

    /// Returns the program that it runs. Fails if the process has ended, or if the system does not say.
    pub fn program(&self) -> io::Result<Program> {
        self.still(system::program(self.pid, &self.handle))
    }

    /// Returns its command line, its name first. The process may have changed it.
    pub fn arguments(&self) -> io::Result<Vec<OsString>> {
        self.still(system::arguments(self.pid))
    }

    /// Returns a number that every `execve` changes, even one of the same file, where the system has one.
    pub fn image(&self) -> io::Result<u64> {
        self.still(system::image(self.pid))
    }

    /// The identity of the file that it runs, and [`Peer::image`].
    pub fn execution(&self) -> io::Result<((u64, u64), u64)> {
        self.still(system::execution(self.pid, &self.handle))
    }

    /// Returns its working directory, with symlinks resolved.
    pub fn cwd(&self) -> io::Result<PathBuf> {
        self.still(system::cwd(self.pid))
    }

    // What was read by process number belongs to this process only if it still runs now.
    fn still<T>(&self, answer: io::Result<T>) -> io::Result<T> {
        if self.is_alive() { answer } else { Err(io::Error::new(io::ErrorKind::NotFound, "the client has ended")) }
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
