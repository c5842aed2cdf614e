//! What a process needs that serves others without a terminal: its own socket or pipe, its end, its streams.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::*;
