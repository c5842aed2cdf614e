//! Ringlet keeps coding agents' API keys in the OS keychain and gives them to exactly one place: the agent's own
//! process.

mod age_file;
mod archive;
mod audit;
#[cfg(target_os = "linux")]
mod broker;
mod cli;
mod commands;
mod config;
mod daemon;
mod dates;
mod digest;
mod duration;
mod env;
mod failure;
mod git;
mod guard;
mod hint;
mod hook;
pub mod host;
mod https;
mod launch;
mod lease;
mod mark;
mod mask;
mod migrate;
mod name;
mod output;
mod paths;
mod percent;
mod pins;
mod plan;
mod platform;
mod probe;
mod profile;
mod registry;
mod secret;
mod shell;
mod store;
#[doc(hidden)]
pub mod testing;
mod trust;
mod url;
mod usage;
mod vault;

/// Runs one command to its end and returns the exit status. Failures are printed here and nowhere else.
pub fn run(mut host: host::Host) -> i32 {
    let done = commands::dispatch(&mut host);
    let done = done.and_then(|status| host.output.finish().map(|()| status));
    done.unwrap_or_else(|failure| {
        // What was printed before the failure still belongs in front of it.
        let _ = host.output.finish();
        host.output.failure(&failure);
        failure.status
    })
}
