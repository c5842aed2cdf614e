//! `VirtualLock` and the error mode.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use std::io;
use windows_sys::Win32::System::Diagnostics::Debug::{
    SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SetErrorMode, THREAD_ERROR_MODE,
};
use windows_sys::Win32::System::Memory::VirtualLock;

/// Keeps the memory out of the page file where the working set's limit allows, until the process ends.
pub(crate) fn lock_memory(bytes: &[u8]) {
    if !bytes.is_empty() {
        // SAFETY: the range is one live slice; VirtualLock neither reads nor writes it.
        unsafe { VirtualLock(bytes.as_ptr().cast(), bytes.len()) };
    }
}

/// While it lives, a fault in this process ends it without an error report that holds its memory.
///
/// That is all Windows offers: any program of the same user may read another's memory, with or without Ringlet.
pub(crate) struct Hardened {
    mode: THREAD_ERROR_MODE,
}

/// Turns error reports for this process off before a secret arrives.
pub(crate) fn harden() -> io::Result<Hardened> {
    // SAFETY: SetErrorMode takes and returns a number, and no pointers.
    let mode = unsafe { SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX) };
    Ok(Hardened { mode })
}

impl Hardened {
    /// Puts the error mode back as it was, since a child inherits it.
    pub(crate) fn restore_limits(&self) -> io::Result<()> {
        // SAFETY: as above.
        unsafe { SetErrorMode(self.mode) };
        Ok(())
    }
}

/// Nothing: the system's own heap gives back what is free.
pub(crate) fn give_memory_back() {}

/// See [`give_memory_back`].
pub(crate) fn give_memory_back_now() {}
