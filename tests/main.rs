//! The integration tests, one binary: one file a command, and beside them what concerns them all.

mod common;

mod accounts;
mod agents;
mod allow;
mod audit;
mod bad_input;
mod codex;
mod completions;
mod daemon;
mod doctor;
mod exec;
mod generated;
mod guard;
mod hints;
mod homes;
mod hostile;
mod init;
mod keychain;
mod layering;
mod lease;
mod migrate;
mod migrate_live;
mod migrate_sourced;
mod no_leak;
mod own_files;
mod own_places;
mod powershell;
mod profiles;
mod readers;
mod scope;
mod secret_service;
mod shells;
mod shims;
mod status;
mod transcripts;
