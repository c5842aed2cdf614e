//! A named pipe. Reading it has no time limit, so that a thread does it, which is left behind when the time is over.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use crate::platform::account::{own_user, user_of};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;
use windows_sys::Win32::System::Pipes::GetNamedPipeServerProcessId;
use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION};
use zeroize::Zeroizing;

pub(super) struct Line(File);

impl Line {
    pub(super) fn open(path: &Path, most: usize, time: Duration) -> io::Result<(Self, Zeroizing<Vec<u8>>)> {
        let path = path.to_owned();
        within(time, move || {
            let mut pipe = File::options().read(true).write(true).open(path)?;
            // Another user may have taken the name first.
            if server(&pipe)? != own_user()? {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let said = read(&mut pipe, most)?;
            Ok((Self(pipe), said))
        })
    }

    pub(super) fn ask(&mut self, question: &[u8], most: usize, time: Duration) -> io::Result<Zeroizing<Vec<u8>>> {
        let (mut pipe, question) = (self.0.try_clone()?, Zeroizing::new(question.to_vec()));
        within(time, move || {
            pipe.write_all(&question)?;
            read(&mut pipe, most)
        })
    }
}

fn within<T: Send + 'static>(time: Duration, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let (give, take) = channel();
    std::thread::spawn(move || drop(give.send(work())));
    take.recv_timeout(time).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

// The other process says one line at a time, so that nothing stands behind it.
fn read(pipe: &mut File, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut answer = Zeroizing::new(vec![0; most + 1]);
    let mut filled = 0;
    while filled < answer.len() {
        match pipe.read(&mut answer[filled..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
        if let Some(end) = memchr::memchr(b'\n', &answer[..filled]) {
            answer.truncate(end);
            return Ok(answer);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

// The user of the process that listens.
fn server(pipe: &File) -> io::Result<String> {
    let mut pid = 0;
    // SAFETY: the pipe is open for the call; the number is ours to be written.
    if unsafe { GetNamedPipeServerProcessId(pipe.as_raw_handle(), &raw mut pid) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: numbers in; the handle that comes out is checked before it is owned.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
    if process.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above made this handle for us, and nobody else has it.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    user_of(process.as_raw_handle())
}
