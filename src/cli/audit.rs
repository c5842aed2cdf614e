//! The arguments of `ringlet audit verify`.

use clap::Subcommand;

/// `ringlet audit`
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that no line was changed, moved, added or lost
    Verify,
}
