//! The arguments of `ringlet daemon`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `ringlet daemon`
#[derive(Debug, Subcommand)]
pub(crate) enum Daemon {
    /// Start it; it goes on by itself
    Start {
        /// Stay here, and write the log to standard error
        #[arg(long)]
        foreground: bool,
        /// Listen there [default: agent.sock in the runtime directory]
        #[arg(long, value_name = "PATH")]
        socket: Option<PathBuf>,
        /// Leave the terminal; what `start` does by itself
        #[arg(long, hide = true, requires = "foreground")]
        detached: bool,
    },
    /// End it, once it has answered what it was asked
    Stop,
    /// Show where it listens, who may use it, and what is wrong
    Status,
    /// Make a new token for its HTTP side; the old one ends at once
    RotateToken,
    /// Let the system start it: systemd, launchd or Task Scheduler
    Install,
    /// Undo that
    Uninstall,
    /// Let a program ask for keys, or change what it may do
    #[command(after_help = "\
The program is known by its path and its content. A script is bound to what runs
it; an interpreter by itself is refused. A script is recognised by what it says
of itself: its process' command line, which must name it by an absolute path
without links, and which any program of yours can write. That tells your scripts
apart; it keeps no program out that means harm. Prefixes match the string:
`proj_1` matches `proj_10`.

Examples:
  ringlet daemon register /usr/local/bin/your-tool --read your-tool --search
  ringlet daemon register ./client.py --read your-tool --write your-tool")]
    Register {
        /// The program or script
        path: PathBuf,
        /// What runs the script, where it has no `#!` line
        #[arg(long, value_name = "PROGRAM")]
        interpreter: Option<String>,
        /// What it may do
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Take a program's registration away
    Unregister {
        /// The program or script
        path: PathBuf,
    },
    /// Register a program that asked, by its hash
    Approve {
        /// Its SHA-256, or the first 8 digits of it or more
        hash: String,
        /// Its path, where several have the same content
        path: Option<PathBuf>,
        /// What it may do
        #[command(flatten)]
        permissions: Permissions,
    },
    /// List the programs that asked and are not registered
    #[command(after_help = "\
A script is listed by what its process said of itself: look at the file before
you approve it. `register --help` says what its name is worth.")]
    ListPending,
    /// Take a registered program's new content for its own
    Upgrade {
        /// The program or script
        path: PathBuf,
    },
}

/// What a program may do.
#[derive(Debug, Clone, Args)]
pub(crate) struct Permissions {
    /// Let it read this service; may be given again
    #[arg(long, value_name = "SERVICE")]
    pub read: Vec<String>,
    /// Let it write and delete in this service; may be given again
    #[arg(long, value_name = "SERVICE")]
    pub write: Vec<String>,
    /// Let it list names, and read and delete by prefix
    #[arg(long)]
    pub search: bool,
}
