//! Questions to another process of this user's, over its socket or named pipe.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use std::io;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// A connection to another process, which speaks in lines.
pub(crate) struct Line(system::Line);

impl Line {
    /// Connects, and returns the first line that the other process says. An error of the kind `NotFound` or
    /// `ConnectionRefused` means that nobody listens, and `PermissionDenied` that the listener is another user's
    /// process. A longer line than `most` bytes, or none in time, is an error.
    pub(crate) fn open(path: &Path, most: usize, time: Duration) -> io::Result<(Self, Zeroizing<Vec<u8>>)> {
        let (line, said) = system::Line::open(path, most, time)?;
        Ok((Self(line), said))
    }

    /// Sends a question, which ends with a line feed, and returns the answer: one line, without its end. The limits are
    /// those of [`Line::open`].
    pub(crate) fn ask(&mut self, question: &[u8], most: usize, time: Duration) -> io::Result<Zeroizing<Vec<u8>>> {
        self.0.ask(question, most, time)
    }
}
