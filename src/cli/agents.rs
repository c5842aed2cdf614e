//! The arguments of `ringlet agents`.

use clap::Subcommand;

/// `ringlet agents`
#[derive(Debug, Subcommand)]
pub(crate) enum Agents {
    /// List them
    List,
    /// Remember an agent's program, for keys kept for pinned ones
    #[command(after_help = "\
A key whose scope in config.toml says `pin = true` is given to exactly the program
that was pinned. After an update, look at what changed and pin it again.

Examples:
  ringlet agents pin claude
  ringlet agents pin claude --remove")]
    Pin {
        /// The agent
        agent: String,
        /// Forget it instead
        #[arg(long)]
        remove: bool,
    },
}
