//! Memory that holds a key: not swapped, not dumped, not read by a debugger; and memory that goes back to the system.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;
