//! The arguments of `ringlet migrate`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `ringlet migrate`
#[derive(Debug, Default, Args)]
pub(crate) struct Migrate {
    /// Undo instead
    #[command(subcommand)]
    pub undo: Option<MigrateCommand>,
    /// Show what would move; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Move keys even into the plain file that stands in for a keychain
    #[arg(long)]
    pub allow_file: bool,
    /// Go on looking, and say when a key comes back; change nothing
    #[arg(long, conflicts_with_all = ["dry_run", "yes", "allow_file"])]
    pub watch: bool,
    /// Only these files [default: those your shells read]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// `ringlet migrate undo`
#[derive(Debug, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Put the keys back where they stood
    Undo {
        /// The run [default: the latest]
        run: Option<String>,
    },
}
