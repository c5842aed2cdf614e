//! The arguments of `ringlet keychain`.

use clap::Subcommand;

/// `ringlet keychain`
#[derive(Debug, Subcommand)]
pub(crate) enum Keychain {
    /// Store a key; asks for it without echo
    #[command(after_help = "\
Examples:
  ringlet keychain set anthropic work
  ringlet keychain set openai default --from-env OPENAI_API_KEY
  pass show openai | ringlet keychain set openai default --stdin --replace")]
    Set {
        /// The provider, such as anthropic
        provider: String,
        /// Your name for this key, such as work
        alias: String,
        /// Take the key from this variable
        #[arg(long, value_name = "VAR", conflicts_with = "stdin")]
        from_env: Option<String>,
        /// Take the key from standard input
        #[arg(long)]
        stdin: bool,
        /// Replace a key that is there
        #[arg(long)]
        replace: bool,
    },
    /// List the names of keys, never a value
    List {
        /// Only names that begin so, such as anthropic/
        prefix: Option<String>,
    },
    /// Ask the providers whether they take the keys
    #[command(after_help = "\
Each key is sent in one request that costs nothing, to the endpoint of the
profiles that use it, or else to the provider's own. Where two profiles name
different endpoints, or no such request is known, nothing is sent.

Exit status: 0, or 1 if a provider refuses a key.

Examples:
  ringlet keychain check
  ringlet keychain check anthropic/work")]
    Check {
        /// Only names that begin so, such as anthropic/
        prefix: Option<String>,
    },
    /// Remove a key
    Remove {
        /// The provider
        provider: String,
        /// The alias
        alias: String,
    },
    /// Give a key another alias
    Rename {
        /// The provider
        provider: String,
        /// The alias as it is
        alias: String,
        /// The alias as it shall be
        new_alias: String,
        /// Replace a key that is there
        #[arg(long)]
        replace: bool,
    },
    /// Unlock the keychain, in its dialog or on the terminal
    Unlock,
}
