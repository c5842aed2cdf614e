//! Ringlet keeps coding agents' API keys in the OS keychain and gives them to exactly one place: the agent's own
//! process.

pub mod audit;
pub mod cli;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod digest;
pub mod duration;
pub mod env;
pub mod failure;
pub mod git;
pub mod guard;
pub mod hint;
pub mod hook;
pub mod host;
pub mod launch;
pub mod lease;
pub mod mark;
pub mod migrate;
pub mod name;
pub mod output;
pub mod paths;
pub mod percent;
pub mod pins;
pub mod plan;
pub mod platform;
pub mod profile;
pub mod registry;
pub mod secret;
pub mod shell;
pub mod store;
pub mod trust;

/// Runs one command to its end and gives the exit status. The one place where a failure is printed.
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
