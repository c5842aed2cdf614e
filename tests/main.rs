//! The integration tests, in one binary: a file for each command, and files for what concerns several.
//!
//! Those for Linux alone need /proc, mounts, `strace` or a Secret Service.

mod common;

#[cfg(unix)]
mod accounts;
#[cfg(unix)]
mod agents;
#[cfg(unix)]
mod allow;
#[cfg(unix)]
mod audit;
#[cfg(unix)]
mod bad_input;
#[cfg(target_os = "linux")]
mod book;
#[cfg(target_os = "linux")]
mod broker;
#[cfg(target_os = "linux")]
mod cases;
#[cfg(unix)]
mod codex;
#[cfg(unix)]
mod completions;
#[cfg(unix)]
mod config_command;
#[cfg(target_os = "linux")]
mod daemon;
#[cfg(unix)]
mod doctor;
#[cfg(target_os = "linux")]
mod encrypted;
#[cfg(unix)]
mod exec;
#[cfg(unix)]
mod generated;
#[cfg(unix)]
mod guard;
#[cfg(unix)]
mod hints;
#[cfg(target_os = "linux")]
mod homes;
#[cfg(unix)]
mod hostile;
#[cfg(unix)]
mod init;
#[cfg(target_os = "linux")]
mod key_life;
#[cfg(target_os = "linux")]
mod keychain;
#[cfg(target_os = "linux")]
mod keychain_check;
#[cfg(unix)]
mod layering;
#[cfg(unix)]
mod lease;
#[cfg(unix)]
mod messages;
#[cfg(target_os = "linux")]
mod migrate;
#[cfg(target_os = "linux")]
mod migrate_accounts;
#[cfg(target_os = "linux")]
mod migrate_composed;
#[cfg(target_os = "linux")]
mod migrate_halves;
#[cfg(target_os = "linux")]
mod migrate_homes;
#[cfg(target_os = "linux")]
mod migrate_leaks;
#[cfg(target_os = "linux")]
mod migrate_live;
#[cfg(target_os = "linux")]
mod migrate_profiles;
#[cfg(unix)]
mod migrate_sourced;
#[cfg(target_os = "linux")]
mod migrate_stores;
#[cfg(target_os = "linux")]
mod no_leak;
#[cfg(target_os = "linux")]
mod nushell;
#[cfg(unix)]
mod own_files;
#[cfg(target_os = "linux")]
mod own_places;
#[cfg(unix)]
mod powershell;
#[cfg(unix)]
mod profiles;
#[cfg(unix)]
mod readers;
#[cfg(target_os = "linux")]
mod release;
#[cfg(unix)]
mod run_command;
#[cfg(unix)]
mod scope;
#[cfg(target_os = "linux")]
mod secret_service;
#[cfg(unix)]
mod shells;
#[cfg(unix)]
mod shims;
#[cfg(unix)]
mod status;
#[cfg(target_os = "linux")]
mod store_presets;
#[cfg(target_os = "linux")]
mod stores;
#[cfg(target_os = "linux")]
mod transcripts;
#[cfg(target_os = "linux")]
mod vault;
#[cfg(windows)]
mod windows;
