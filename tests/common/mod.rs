//! What the tests share: a world with its own HOME and an environment that holds nothing else.

#[cfg(target_os = "linux")]
pub(crate) mod canary;
#[cfg(target_os = "linux")]
pub(crate) mod daemon;
pub(crate) mod done;
#[cfg(target_os = "linux")]
pub(crate) mod forms;
#[cfg(target_os = "linux")]
pub(crate) mod keyring;
#[cfg(unix)]
pub(crate) mod pty;
#[cfg(target_os = "linux")]
pub(crate) mod stand_ins;
#[cfg(unix)]
pub(crate) mod world;
