//! The arguments of `ringlet providers`.

use clap::Subcommand;

/// `ringlet providers`
#[derive(Debug, Subcommand)]
pub(crate) enum Providers {
    /// List them
    List,
}
