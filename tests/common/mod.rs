//! What every test stands on: a world of its own, with its own HOME and an environment that holds nothing else.

pub(crate) mod daemon;
pub(crate) mod keyring;
pub(crate) mod pty;
pub(crate) mod world;
