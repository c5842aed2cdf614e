//! What every test stands on: a world of its own, with its own HOME and an environment that holds nothing else.

pub mod daemon;
pub mod keyring;
pub mod pty;
pub mod world;
