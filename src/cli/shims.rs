//! The arguments of `ringlet shims`.

use clap::Subcommand;

/// `ringlet shims`
#[derive(Debug, Subcommand)]
pub(crate) enum Shims {
    /// Create the links, and say which folder to put on PATH
    Install {
        /// The agents [default: those the hook wraps]
        agents: Vec<String>,
    },
    /// Remove the links
    Remove {
        /// The agents [default: all]
        agents: Vec<String>,
    },
}
