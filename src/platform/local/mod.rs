//! One question to another process of this user's, over its socket or named pipe.

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

/// Sends a question, and returns the answer: one line, without its end. An error of the kind
/// `NotFound` or `ConnectionRefused` means that nobody listens, and `PermissionDenied` that the listener is another
/// user's process. A longer answer than `most` bytes, or none in time, is an error.
pub(crate) fn ask_process(path: &Path, question: &[u8], most: usize, time: Duration) -> io::Result<Zeroizing<Vec<u8>>> {
    system::ask(path, question, most, time)
}
