//! The integration tests, one binary: one file a command, and beside them what concerns them all.

mod common;

mod exec;
mod generated;
mod layering;
mod secret_service;
mod shells;
