//! `mlock`, core dumps, tracing, and the allocator of glibc.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;

/// Keeps the memory out of swap where limits allow; the kernel forgets the lock when the process ends.
pub(crate) fn lock_memory(bytes: &[u8]) {
    if !bytes.is_empty() {
        // SAFETY: the range is one live slice; mlock neither reads nor writes it.
        unsafe { libc::mlock(bytes.as_ptr().cast(), bytes.len()) };
    }
}

/// While it lives, this process leaves no core dump and cannot be traced by the user's other processes.
pub(crate) struct Hardened {
    core: Rlimit,
}

/// Closes this process to debuggers and core dumps before a secret arrives.
pub(crate) fn harden() -> io::Result<Hardened> {
    let core = getrlimit(Resource::Core);
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: core.maximum })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    #[cfg(target_os = "macos")]
    // SAFETY: PT_DENY_ATTACH takes no pointers; the remaining arguments are ignored.
    unsafe {
        libc::ptrace(libc::PT_DENY_ATTACH, 0, std::ptr::null_mut(), 0);
    }
    Ok(Hardened { core })
}

impl Hardened {
    /// Gives the agent its limits back as they were. The process itself stays closed: the kernel opens the new
    /// image to its user again at `execve`.
    pub(crate) fn restore_limits(&self) -> io::Result<()> {
        Ok(setrlimit(Resource::Core, self.core)?)
    }
}

/// Makes the allocator return freed memory to the system. glibc gives each thread an arena of its own, and once a large
/// block was freed it keeps blocks of that size, so a daemon would stay as large as it ever was.
pub(crate) fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, value) in
        [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, 128 << 10), (libc::M_TRIM_THRESHOLD, 256 << 10)]
    {
        // SAFETY: it takes two numbers by value and touches nothing but the allocator's own settings, under its lock.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Returns all free memory to the system now, which takes about a millisecond.
pub(crate) fn give_memory_back_now() {
    // SAFETY: it takes a number by value and works on the allocator's own state, under its locks.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0);
    }
}
