//! There is no `exec` on Windows: the agent is a child that is waited for, in a job that ends with this process.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use crate::platform::search::kind;
use std::ffi::OsString;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::process::Command;
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT, JOB_OBJECT_LIMIT_BREAKAWAY_OK,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;
use windows_sys::core::BOOL;

/// Runs the program, waits for it and comes back with its exit code; Ctrl-C is the program's to answer meanwhile.
///
/// The secrets are copied by `Command` and by CreateProcess itself, and those copies are freed without being wiped;
/// nothing outside the system can change that, and the agent holds the same bytes for as long.
pub(crate) fn exec(
    binary: &Path,
    arguments: &[OsString],
    environment: &[(OsString, OsString)],
    secrets: &[(&str, &[u8])],
) -> io::Result<i32> {
    if kind(binary).is_none() {
        let text = "only .exe, .com, .cmd and .bat can be started; a .ps1 script runs in PowerShell alone";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    // Command quotes for cmd.exe by itself when the file is a .cmd or .bat, and refuses what cannot be quoted there
    // (a line break). The name the program is called by is not ours to choose on Windows.
    let mut command = Command::new(without_verbatim_prefix(binary));
    command.args(arguments.iter().skip(1)).env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    for (name, value) in secrets {
        let not_text =
            |_| io::Error::new(io::ErrorKind::InvalidInput, "the key is not text, as Windows' variables are");
        command.env(name, std::str::from_utf8(value).map_err(not_text)?);
    }
    leave_ctrl_c_to_the_child()?;
    // Best effort: an agent that outlives a killed ringlet is no reason to refuse the launch.
    let job = Job::join().ok();
    let mut child = command.spawn()?;
    drop(command);
    let status = child.wait()?;
    drop(job);
    Ok(status.code().expect("a process of Windows always has an exit code"))
}

// cmd.exe cannot start a script by a path of the form `\\?\C:\...`, which canonicalization makes.
fn without_verbatim_prefix(path: &Path) -> &Path {
    const LONGEST_PLAIN: usize = 259;
    match path.to_str().and_then(|text| text.strip_prefix(r"\\?\")) {
        Some(plain) if plain.as_bytes().get(1) == Some(&b':') && plain.len() <= LONGEST_PLAIN => Path::new(plain),
        _ => path,
    }
}

/// Leaves Ctrl-C and Ctrl-Break, which every process on the console gets, to the child.
fn leave_ctrl_c_to_the_child() -> io::Result<()> {
    // Not the null handler: "ignore" is inherited, and then the child would never see Ctrl-C either.
    // SAFETY: the handler is a plain function, touches no data and lives as long as the program.
    match unsafe { SetConsoleCtrlHandler(Some(on_console_event), 1) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

unsafe extern "system" fn on_console_event(event: u32) -> BOOL {
    if matches!(event, CTRL_C_EVENT | CTRL_BREAK_EVENT) {
        return 1;
    }
    // The window closes or the user logs off. Returning ends this process, and the job the agent with it; the
    // agent may need its seconds to save. The main thread ends us when it has, the system when the time is up.
    loop {
        std::thread::park();
    }
}

/// A job that this process is a member of. The system ends every member when the last handle closes, which is this
/// process's. Children are born into the job, so there is no moment in which ringlet could be killed while the agent,
/// or the `node` under its `.cmd`, lives on.
struct Job(OwnedHandle);

impl Job {
    fn join() -> io::Result<Self> {
        // SAFETY: neither attributes nor a name are given; the result is checked before it is owned.
        let handle = unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is open, fresh, and nobody else's.
        let job = Self(unsafe { OwnedHandle::from_raw_handle(handle) });
        // Programs that ask to leave their job (updaters do) would otherwise fail to start their children.
        job.limit(JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_BREAKAWAY_OK)?;
        // SAFETY: both handles are valid for the call; the second is the constant that means this process.
        match unsafe { AssignProcessToJobObject(job.0.as_raw_handle(), GetCurrentProcess()) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(job),
        }
    }

    fn limit(&self, flags: JOB_OBJECT_LIMIT) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = flags;
        // SAFETY: the pointer and the size are those of the struct this information class names; it is only read.
        let done = unsafe {
            SetInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size_of_val(&limits) as u32,
            )
        };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl Drop for Job {
    /// Lets the members live. Closing the handle would otherwise end this process before it has printed its error, and
    /// end what the agent left running on purpose.
    fn drop(&mut self) {
        let _ = self.limit(0);
    }
}

/// Descriptors are not inherited by number here; callers hand the secret over by variable instead.
pub(crate) fn inheritable_pipe(_bytes: &[u8]) -> io::Result<i32> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "Windows hands no descriptors on by number"))
}

/// The counterpart of [`inheritable_pipe`], which never succeeds.
pub(crate) fn close_inheritable(_descriptor: i32) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(binary: &Path, arguments: &[&str], secrets: &[(&str, &[u8])]) -> io::ErrorKind {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        exec(binary, &arguments, &[], secrets).expect_err("it cannot be started").kind()
    }

    #[test]
    fn a_program_that_cannot_be_started_is_an_error_and_not_our_own_end() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let named = |name| folder.path().join(name);
        std::fs::write(named("claude.ps1"), "").expect("writable");
        assert_eq!(refused(&named("claude.ps1"), &[], &[]), io::ErrorKind::InvalidInput);
        assert_eq!(refused(&named("no.exe"), &[], &[]), io::ErrorKind::NotFound);
        assert_eq!(refused(&named("no.cmd"), &["no", "a\nb"], &[]), io::ErrorKind::InvalidInput);
        assert_eq!(refused(&named("no.exe"), &[], &[("KEY", b"\xff")]), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_child_has_the_given_variables_alone_and_its_exit_code_comes_back_whole() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let agent = folder.path().join("an agent.cmd");
        let script = "@if not \"%KEY%\"==\"sk-1\" exit 1\r\n@if defined CARGO_MANIFEST_DIR exit 2\r\n@exit %~1\r\n";
        std::fs::write(&agent, script).expect("writable");
        let root = std::env::var_os("SystemRoot").expect("every process has it");
        let run = |code: &str| {
            exec(&agent, &["agent".into(), code.into()], &[("SystemRoot".into(), root.clone())], &[("KEY", b"sk-1")])
        };
        for code in [0, 41, 300, -1_073_741_510] {
            assert_eq!(run(&code.to_string()).expect("started"), code);
        }
    }

    #[test]
    fn a_canonical_path_loses_the_prefix_that_cmd_cannot_read() {
        assert_eq!(without_verbatim_prefix(Path::new(r"\\?\C:\a b\x.cmd")), Path::new(r"C:\a b\x.cmd"));
        for kept in [r"C:\x.cmd", r"\\?\UNC\server\share\x.cmd", r"\\server\share\x.cmd"] {
            assert_eq!(without_verbatim_prefix(Path::new(kept)), Path::new(kept));
        }
    }
}
