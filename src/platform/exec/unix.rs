//! `execve`, and the pipe that a key may be read from.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use crate::platform::files::open_for_reading;
use crate::platform::memory::lock_memory;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use zeroize::Zeroizing;

static SIGPIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

// Rust's start-up code ignores SIGPIPE. What we inherited must be known from before that, to hand it on unchanged.
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
#[used]
static REMEMBER_SIGPIPE: extern "C" fn() = {
    extern "C" fn remember() {
        // SAFETY: sigaction with a null new action only writes the old one into the zeroed local.
        let inherited = unsafe {
            let mut old: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGPIPE, std::ptr::null(), &mut old);
            old.sa_sigaction
        };
        SIGPIPE_WAS_IGNORED.store(inherited == libc::SIG_IGN, Ordering::Relaxed);
    }
    remember
};

fn set_sigpipe(handler: libc::sighandler_t) {
    // SAFETY: setting a disposition to SIG_DFL or SIG_IGN installs no handler of ours.
    unsafe { libc::signal(libc::SIGPIPE, handler) };
}

fn nul(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{what} holds a NUL byte"))
}

fn c_strings<'a>(what: &str, words: impl Iterator<Item = &'a OsStr>) -> io::Result<Vec<CString>> {
    words.map(|word| CString::new(word.as_bytes()).map_err(|_| nul(what))).collect()
}

// `NAME=value` and its NUL, in one allocation that is never moved and is wiped on drop.
fn env_string(name: &[u8], value: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    if value.contains(&0) {
        return Err(nul("a variable's value"));
    }
    let mut string = Zeroizing::new(Vec::with_capacity(name.len() + value.len() + 2));
    for part in [name, b"=", value, b"\0"] {
        string.extend_from_slice(part);
    }
    Ok(string)
}

// Tells a script from a program of another machine and from a damaged one. sh would run what looks like a command in
// those, with the key in its environment. bash and zsh look for a NUL, too, but in the first line only.
fn is_text(file: &Path) -> bool {
    let mut block = Vec::with_capacity(4096);
    let read = open_for_reading(file).and_then(|file| file.take(4096).read_to_end(&mut block));
    read.is_ok() && !block.starts_with(b"\x7fELF") && !block.contains(&0)
}

/// Replaces this process by the program, which keeps pid, terminal and everything else; comes back only with the
/// error. The strings that hold a secret are wiped before that. (On Windows it comes back with the exit code.)
pub(crate) fn exec(
    binary: &Path,
    arguments: &[OsString],
    environment: &[(OsString, OsString)],
    secrets: &[(&str, &[u8])],
) -> io::Result<i32> {
    let path = CString::new(binary.as_os_str().as_bytes()).map_err(|_| nul("the agent's path"))?;
    let words = c_strings("an argument", arguments.iter().map(OsString::as_os_str))?;
    let plain = environment.iter().map(|(name, value)| env_string(name.as_bytes(), value.as_bytes()));
    let secret =
        secrets.iter().map(|(name, value)| env_string(name.as_bytes(), value).inspect(|string| lock_memory(string)));
    let strings = plain.chain(secret).collect::<io::Result<Vec<_>>>()?;
    let argv: Vec<_> = words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect();
    let envp: Vec<_> = strings.iter().map(|string| string.as_ptr().cast()).chain([std::ptr::null()]).collect();
    let ignored = SIGPIPE_WAS_IGNORED.load(Ordering::Relaxed);
    if !ignored {
        set_sigpipe(libc::SIG_DFL);
    }
    // SAFETY: both arrays end in null and point into `words` and `strings`, NUL-terminated and alive until return.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    let mut error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ENOEXEC) && is_text(binary) {
        // A script without a `#!` line: every shell hands it to sh, so the agent must start the same way here.
        let shell = c"/bin/sh";
        let script: Vec<_> = [shell.as_ptr(), path.as_ptr()].into_iter().chain(argv.iter().skip(1).copied()).collect();
        // SAFETY: as above; `argv` ends in null, and so does its tail.
        unsafe { libc::execve(shell.as_ptr(), script.as_ptr(), envp.as_ptr()) };
        error = io::Error::last_os_error();
    }
    if !ignored {
        set_sigpipe(libc::SIG_IGN);
    }
    Err(error)
}

/// Makes a pipe that already holds the bytes and whose other end is closed. Whoever inherits the descriptor can read it
/// once, to its end. The bytes must fit into what every pipe holds (4096), so that the write cannot block.
pub(crate) fn inheritable_pipe(bytes: &[u8]) -> io::Result<RawFd> {
    const EVERY_PIPE_HOLDS: usize = 4096;
    if bytes.len() > EVERY_PIPE_HOLDS {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the value does not fit a pipe"));
    }
    let (reader, writer) = rustix::pipe::pipe()?;
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::CLOEXEC)?;
    File::from(writer).write_all(bytes)?;
    Ok(std::os::fd::IntoRawFd::into_raw_fd(reader))
}

/// Closes a descriptor made by [`inheritable_pipe`] when the launch failed after all.
pub(crate) fn close_inheritable(descriptor: RawFd) {
    // SAFETY: the descriptor came from `into_raw_fd` above and nobody else owns it.
    drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
}
