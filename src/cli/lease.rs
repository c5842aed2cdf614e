//! The arguments of `ringlet lease`.

use clap::Subcommand;
use std::path::PathBuf;

/// `ringlet lease`
#[derive(Debug, Subcommand)]
pub(crate) enum Lease {
    /// Let a key be looked up for some time
    #[command(after_help = "\
The key's scope in config.toml says how long a lease may last. A lease ends with
its time, asleep or awake, or with a restart of the system, whatever the clock on
the wall says.

Examples:
  ringlet lease grant anthropic/work
  ringlet lease grant anthropic/work --for 30m --agent claude --directory .")]
    Grant {
        /// The key, or its provider
        #[arg(value_name = "PROVIDER/ALIAS")]
        key: String,
        /// The alias, behind a provider
        alias: Option<String>,
        /// For how long: 90s, 30m, 8h [default: as long as may be]
        #[arg(long = "for", value_name = "TIME")]
        length: Option<String>,
        /// For this agent alone
        #[arg(long, value_name = "AGENT")]
        agent: Option<String>,
        /// In this directory and below alone
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// List the leases and how long they last
    List,
    /// Revoke leases
    #[command(after_help = "\
Examples:
  ringlet lease revoke anthropic/work
  ringlet lease revoke --all")]
    Revoke {
        /// A key, or one lease as `ringlet lease list` names it
        #[arg(value_name = "PROVIDER/ALIAS|ID", required_unless_present = "all")]
        which: Option<String>,
        /// The alias, behind a provider
        alias: Option<String>,
        /// Revoke all of them
        #[arg(long, conflicts_with = "which")]
        all: bool,
    },
}
