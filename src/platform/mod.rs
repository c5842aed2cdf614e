//! What differs between operating systems, and the only home of `unsafe`.
//!
//! Everything here is mechanism: replacing the process, private files, locks, memory that is not swapped, a prompt
//! without echo. No decision about trust, keys or profiles is taken here. A folder is a topic: its `mod.rs` holds what
//! all systems share, and beside it stands a file for each of them.

mod access;
mod account;
#[cfg(target_env = "musl")]
mod allocator;
mod child;
mod clock;
#[cfg(windows)]
mod credentials;
mod daemon;
#[cfg(target_os = "linux")]
mod diag;
mod exec;
mod files;
#[cfg(target_os = "linux")]
mod kernel_key;
mod links;
mod local;
mod lock;
#[cfg(target_os = "linux")]
mod loopback;
mod memory;
#[cfg(target_os = "linux")]
mod offer;
mod peer;
pub(crate) mod private;
mod process;
mod rewrite;
mod search;
#[cfg(unix)]
mod signals;
mod strays;
mod terminal;
mod text;
mod walk;

pub(crate) use access::*;
pub(crate) use account::*;
pub(crate) use child::*;
pub(crate) use clock::*;
#[cfg(windows)]
pub(crate) use credentials::*;
pub use daemon::*;
#[cfg(target_os = "linux")]
pub(crate) use diag::ClientSocket;
pub(crate) use exec::*;
pub(crate) use files::*;
#[cfg(target_os = "linux")]
pub(crate) use kernel_key::*;
pub(crate) use links::*;
pub(crate) use local::*;
pub use lock::*;
#[cfg(target_os = "linux")]
pub(crate) use loopback::*;
pub(crate) use memory::*;
#[cfg(target_os = "linux")]
pub(crate) use offer::*;
pub(crate) use peer::*;
pub(crate) use private::read_record;
pub(crate) use process::*;
pub(crate) use rewrite::*;
pub(crate) use search::*;
pub(crate) use strays::*;
pub(crate) use terminal::*;
pub(crate) use text::*;
pub(crate) use walk::*;

/// Whether a key can be handed over to a command, see `launch`.
pub(crate) const HANDS_OVER: bool = cfg!(target_os = "linux");
