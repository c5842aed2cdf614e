//! The integration tests, one binary: one file a command, and beside them what concerns them all.

mod common;

mod exec;
mod generated;
mod keychain;
mod layering;
mod no_leak;
mod secret_service;
mod shells;
