//! A Unix socket.

use crate::platform::Peer;
use memchr::memchr;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

pub(super) struct Line(UnixStream);

impl Line {
    pub(super) fn open(path: &Path, most: usize, time: Duration) -> io::Result<(Self, Zeroizing<Vec<u8>>)> {
        let end = Instant::now() + time;
        let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        // In a step of its own, since macOS knows no flags for the call above.
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        // A listener that has too much to do is not waited for.
        rustix::io::ioctl_fionbio(&socket, true)?;
        match connect(&socket, &SocketAddrUnix::new(path)?) {
            Ok(()) => {}
            Err(Errno::AGAIN | Errno::INPROGRESS) => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error.into()),
        }
        rustix::io::ioctl_fionbio(&socket, false)?;
        let stream = UnixStream::from(socket);
        if !Peer::of(&stream)?.is_ours() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut line = Self(stream);
        let said = line.read(most, end)?;
        Ok((line, said))
    }

    pub(super) fn ask(&mut self, question: &[u8], most: usize, time: Duration) -> io::Result<Zeroizing<Vec<u8>>> {
        let end = Instant::now() + time;
        self.0.set_write_timeout(Some(left(end)?))?;
        self.0.write_all(question)?;
        self.read(most, end)
    }

    // The other process says one line at a time, so that nothing stands behind it.
    fn read(&mut self, most: usize, end: Instant) -> io::Result<Zeroizing<Vec<u8>>> {
        // It never grows, which would leave a copy behind.
        let mut answer = Zeroizing::new(vec![0; most + 1]);
        let mut filled = 0;
        while filled < answer.len() {
            self.0.set_read_timeout(Some(left(end)?))?;
            match self.0.read(&mut answer[filled..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) => return Err(error),
            }
            if let Some(end) = memchr(b'\n', &answer[..filled]) {
                answer.truncate(end);
                return Ok(answer);
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

fn left(end: Instant) -> io::Result<Duration> {
    match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}
