//! Process groups, and `/proc` where there is one.

use std::fs::File;
use std::io::{self, Read};
use zeroize::Zeroizing;

/// Reports whether `wanted` accepts any variable of the environment that a process was started with; `None` where the
/// system does not say. A process that has ended has no variables. What was read is wiped, since it may hold a key.
pub(crate) fn environment_of(pid: u32, wanted: &mut dyn FnMut(&str, &[u8]) -> bool) -> Option<bool> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    const MOST: u64 = 4 << 20;
    // The buffer has room for the largest environment, so that it never moves and leaves a copy behind. Only the pages
    // that are written to take memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST as usize));
    let read = File::open(format!("/proc/{pid}/environ")).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) => {
            return Some(false);
        }
        Err(_) => return None,
    }
    Some(bytes.split(|byte| *byte == 0).any(|pair| {
        let Some(at) = memchr::memchr(b'=', pair) else { return false };
        std::str::from_utf8(&pair[..at]).is_ok_and(|name| wanted(name, &pair[at + 1..]))
    }))
}

/// Reports whether at least so many processes stand above this one; `false` where the system does not tell.
pub(crate) fn has_ancestors(many: usize) -> bool {
    // proc_pid_stat(5): the name may hold blanks and parentheses, and what follows it is the state and the parent.
    let parent = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse::<u32>().ok().filter(|pid| *pid > 1)
    };
    std::iter::successors(Some(std::process::id()), |pid| parent(*pid)).nth(many).is_some()
}

/// Puts a process that is to be started into a group of its own.
pub(super) fn set_group(command: &mut std::process::Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// Ends a process that was started so, with all that is still in its group.
pub(super) fn end_group(child: &mut std::process::Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// Reports whether this process may look at those that have closed themselves to others: it has CAP_SYS_PTRACE.
#[cfg(target_os = "linux")]
pub(crate) fn sees_closed_processes() -> bool {
    // capability.h
    const SYS_PTRACE: u32 = 19;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    effective.is_some_and(|bits| bits >> SYS_PTRACE & 1 == 1)
}

/// No process can on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sees_closed_processes() -> bool {
    false
}
