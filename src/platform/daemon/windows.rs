//! A pipe that is the user's alone, an event that ends the process, a life without a console.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use crate::platform::account::own_user;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, IntoRawHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::Command;
use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_ALREADY_EXISTS, GetLastError, HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE, LocalFree,
    SetHandleInformation, WAIT_OBJECT_0,
};
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES};
use windows_sys::Win32::System::Console::{
    GetStdHandle, STD_ERROR_HANDLE, STD_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle,
};
use windows_sys::Win32::System::Threading::{
    CreateEventW, DETACHED_PROCESS, EVENT_MODIFY_STATE, INFINITE, OpenEventW, SetEvent, WaitForSingleObject,
};

fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

/// An access list made from its text form; freed when dropped.
struct AccessList(PSECURITY_DESCRIPTOR);

impl AccessList {
    /// The user, and nobody else: neither SYSTEM nor the administrators need it.
    fn of(user: &str) -> io::Result<Self> {
        // SDDL: the owner; a list that inherits nothing; all rights to one. Processes of low integrity, such as a
        // browser's, are kept out by the label that the system gives where none is named.
        let text = wide(format!("O:{user}D:P(A;;GA;;;{user})"));
        let mut made = std::ptr::null_mut();
        // SAFETY: the text ends in NUL; the pointer leads to a live local; the size is not asked for.
        let done = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut made,
                std::ptr::null_mut(),
            )
        };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(Self(made)) }
    }
}

impl Drop for AccessList {
    fn drop(&mut self) {
        // SAFETY: the system made it, to be freed so, and nothing points into it any more.
        unsafe { LocalFree(self.0) };
    }
}

/// An instance of a pipe that this user alone may open, and only from this machine. The first one fails where the name
/// is taken already, by whomever. Only within a runtime of tokio's.
///
/// From another machine a client could also name any process as its own: the file server tells the pipe what it was
/// told.
pub(crate) fn private_pipe(name: &Path, is_first: bool) -> io::Result<NamedPipeServer> {
    let list = AccessList::of(&own_user()?)?;
    let mut attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: list.0,
        bInheritHandle: 0,
    };
    let mut options = ServerOptions::new();
    options.first_pipe_instance(is_first).reject_remote_clients(true);
    // SAFETY: the pointer leads to a SECURITY_ATTRIBUTES whose list lives until after the call.
    unsafe { options.create_with_security_attributes_raw(name, (&raw mut attributes).cast()) }
}

// Not `Local`, which would hide it from the same user's other sessions. Whoever opens it needs the user's rights.
fn end_event(pid: u32) -> Vec<u16> {
    wide(format!(r"Global\ringlet-end-{pid}"))
}

/// What [`terminate`] ends this process with: the place of SIGTERM.
pub(crate) struct EndEvent(OwnedHandle);

impl EndEvent {
    /// Makes it; fails where somebody else has its name.
    pub(crate) fn new() -> io::Result<Self> {
        let name = end_event(std::process::id());
        // SAFETY: the name ends in NUL; without attributes the user's own access list is taken.
        let (event, state) = unsafe { (CreateEventW(std::ptr::null(), 1, 0, name.as_ptr()), GetLastError()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above made this handle for us, and nobody else has it.
        let event = Self(unsafe { OwnedHandle::from_raw_handle(event) });
        match state {
            ERROR_ALREADY_EXISTS => Err(io::Error::from_raw_os_error(ERROR_ALREADY_EXISTS as i32)),
            _ => Ok(event),
        }
    }

    /// Blocks until somebody wants this process to end.
    pub(crate) fn wait(&self) -> io::Result<()> {
        // SAFETY: the handle is open for the call.
        match unsafe { WaitForSingleObject(self.0.as_raw_handle(), INFINITE) } {
            WAIT_OBJECT_0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Asks a process to end that has an [`EndEvent`] and is, asked with that in hand, still the one that is meant.
pub(crate) fn terminate(pid: u32, is_meant: impl FnOnce() -> bool) -> io::Result<()> {
    let name = end_event(pid);
    // SAFETY: the name ends in NUL.
    let event = unsafe { OpenEventW(EVENT_MODIFY_STATE, 0, name.as_ptr()) };
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above made this handle for us, and nobody else has it.
    let event = unsafe { OwnedHandle::from_raw_handle(event) };
    if !is_meant() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such process"));
    }
    // SAFETY: the handle is open for the call.
    match unsafe { SetEvent(event.as_raw_handle()) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Nothing: handles are not limited in number here.
pub fn raise_file_limit() {}

/// Lets what a command starts live on by itself, with no console and no stream of ours but those that it is given.
pub(crate) fn set_apart(command: &mut Command) {
    command.creation_flags(DETACHED_PROCESS);
    // A child has every handle that can be inherited, and whoever reads our output would wait for the daemon's end.
    for stream in [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
        // SAFETY: a number in, a handle out; one that is none is refused.
        unsafe { SetHandleInformation(GetStdHandle(stream), HANDLE_FLAG_INHERIT, 0) };
    }
}

/// Goes where no folder is kept in use; the rest of it is [`set_apart`]'s.
pub(crate) fn detach() -> io::Result<()> {
    std::env::var_os("SystemRoot").map_or(Ok(()), std::env::set_current_dir)
}

/// Lets standard error go to a file from here on, at its end.
pub(crate) fn redirect_errors(file: &Path) -> io::Result<()> {
    replace_stream(STD_ERROR_HANDLE, OpenOptions::new().append(true).create(true).open(file)?)
}

/// Lets standard output go nowhere, so that whoever reads it sees its end.
pub(crate) fn close_stdout() -> io::Result<()> {
    replace_stream(STD_OUTPUT_HANDLE, OpenOptions::new().write(true).open("NUL")?)
}

fn replace_stream(stream: STD_HANDLE, file: File) -> io::Result<()> {
    // SAFETY: a number in, a handle out.
    let before = unsafe { GetStdHandle(stream) };
    // SAFETY: the handle is open, and given away for as long as this process runs.
    if unsafe { SetStdHandle(stream, file.into_raw_handle()) } == 0 {
        return Err(io::Error::last_os_error());
    }
    if !before.is_null() && before != INVALID_HANDLE_VALUE {
        // SAFETY: it was this process' stream, which the standard library asks for anew each time; nobody has it now.
        unsafe { CloseHandle(before) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Peer;
    use std::path::PathBuf;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::windows::named_pipe::ClientOptions;

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
    }

    fn name(of: &str) -> PathBuf {
        PathBuf::from(format!(r"\\.\pipe\ringlet-test-{of}-{}", std::process::id()))
    }

    #[test]
    fn the_other_end_of_a_pipe_is_this_very_test() {
        run(async {
            let name = name("peer");
            let mut server = private_pipe(&name, true).expect("made");
            let mut client = ClientOptions::new().open(&name).expect("the user may");
            server.connect().await.expect("connected");
            let peer = Peer::of(&server).expect("told");
            assert_eq!((peer.pid, peer.user.as_str()), (std::process::id(), own_user().expect("told").as_str()));
            assert!(peer.is_ours() && peer.is_alive());
            let own = std::env::current_exe().and_then(|path| path.canonicalize()).expect("known");
            assert_eq!(peer.program().expect("told").path, own);
            client.write_all(b"a line\n").await.expect("written");
            let mut line = [0; 7];
            server.read_exact(&mut line).await.expect("read");
            assert_eq!(&line, b"a line\n");
        });
    }

    #[test]
    fn a_name_has_one_first_pipe() {
        run(async {
            let name = name("first");
            let _first = private_pipe(&name, true).expect("made");
            assert!(private_pipe(&name, true).is_err());
            private_pipe(&name, false).expect("another instance");
        });
    }

    #[test]
    fn the_event_ends_the_process_that_is_meant() {
        let pid = std::process::id();
        assert!(terminate(pid, || true).is_err());
        let event = EndEvent::new().expect("made");
        assert!(EndEvent::new().is_err());
        assert!(terminate(pid, || false).is_err());
        terminate(pid, || true).expect("asked");
        event.wait().expect("asked");
    }
}
