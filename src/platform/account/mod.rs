//! The account of this process's user, whatever the environment says of it.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

/// Why nobody can tell which home is the user's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(any(windows, target_os = "macos"), expect(dead_code, reason = "no file lists the accounts there"))]
pub(crate) enum NoAccount {
    /// The list does not name the user, as in many containers.
    #[error("user id {0} has no entry in /etc/passwd")]
    NoEntry(u32),
    /// The list cannot be read.
    #[error("/etc/passwd cannot be read: {0}")]
    Unreadable(String),
}
