//! The arguments of `ringlet config`.

use clap::Subcommand;

/// `ringlet config`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print a setting, or the whole file
    #[command(after_help = "\
Examples:
  ringlet config get credentials.backend
  ringlet config get 'scope.\"anthropic/work\"'")]
    Get {
        /// The setting, such as audit.enabled
        key: Option<String>,
    },
    /// Set a setting; comments stay
    #[command(after_help = "\
VALUE is TOML; what is none is a text. An empty one removes the setting. A file
that would not be right any more is not written.

Examples:
  ringlet config set audit.enabled true
  ringlet config set trust.allow-under '[\"~/work\"]'
  ringlet config set 'scope.\"anthropic/work\".broker' true")]
    Set {
        /// The setting, such as audit.enabled
        key: String,
        /// The value
        value: String,
    },
    /// Open the file in your editor
    Edit,
    /// Print where the file is
    Path,
}
