//! Signals that wait while this process may not be ended or stopped.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use std::mem::MaybeUninit;

/// Signals that are blocked in this thread until this is dropped. One that came meanwhile acts then.
pub(super) struct Blocked {
    signals: &'static [libc::c_int],
    before: libc::sigset_t,
}

impl Blocked {
    pub(super) fn new(signals: &'static [libc::c_int]) -> Self {
        let mut held = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the first call makes `held` a set, the loop adds numbers of signals to it, and the last call makes
        // `before` one.
        let before = unsafe {
            libc::sigemptyset(held.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(held.as_mut_ptr(), *signal);
            }
            libc::sigemptyset(before.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_BLOCK, held.as_ptr(), before.as_mut_ptr());
            before.assume_init()
        };
        Self { signals, before }
    }

    /// The signals that were blocked before.
    pub(super) fn before(&self) -> &libc::sigset_t {
        &self.before
    }

    /// Reports whether one of these signals came.
    pub(super) fn has_come(&self) -> bool {
        let mut pending = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the call makes `pending` a set, and a set that it made is asked.
        unsafe {
            libc::sigpending(pending.as_mut_ptr()) == 0
                && self.signals.iter().any(|signal| libc::sigismember(pending.as_ptr(), *signal) == 1)
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        restore(&self.before);
    }
}

/// Blocks these signals in this thread and no other ones. It is a system call alone, as a forked child may make.
pub(super) fn restore(before: &libc::sigset_t) {
    // SAFETY: the set is one that the system gave out.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
}
