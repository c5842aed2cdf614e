//! The arguments of `ringlet keychain`.

use clap::Subcommand;

/// `ringlet keychain`
#[derive(Debug, Subcommand)]
pub(crate) enum Keychain {
    /// Store a key; asks for it without echo
    #[command(after_help = "\
Examples:
  ringlet keychain set anthropic work
  ringlet keychain set anthropic/work
  ringlet keychain set openai default --from-env OPENAI_API_KEY
  pass show openai | ringlet keychain set openai default --stdin --replace")]
    Set {
        /// The provider, such as anthropic, or PROVIDER/ALIAS
        provider: String,
        /// Your name for this key, such as work
        alias: Option<String>,
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
    /// Remove a key; says who uses it, and asks
    #[command(after_help = "\
Examples:
  ringlet keychain remove anthropic work
  ringlet keychain remove anthropic/work --yes")]
    Remove {
        /// The provider, or PROVIDER/ALIAS
        provider: String,
        /// The alias
        alias: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Give a key another alias, and change the profiles that name it
    #[command(after_help = "\
Examples:
  ringlet keychain rename anthropic work job
  ringlet keychain rename anthropic/work job --yes")]
    Rename {
        /// The provider, or PROVIDER/ALIAS
        provider: String,
        /// The alias as it is; the new one behind PROVIDER/ALIAS
        alias: String,
        /// The alias as it shall be
        new_alias: Option<String>,
        /// Change the profiles without asking
        #[arg(long)]
        yes: bool,
        /// Replace a key that is there
        #[arg(long)]
        replace: bool,
    },
    /// Unlock the keychain, in its dialog or on the terminal
    #[command(after_help = "\
The encrypted file asks for its passphrase, or its plugin for a PIN or a
touch, and then stays unlocked for 8 hours, or as `unlock-for` says.

A store of the settings is asked for one of its keys, so that its tool can ask
for what it needs: a passphrase, a PIN, a login. The key itself is dropped.

Examples:
  ringlet keychain unlock
  ringlet keychain unlock encrypted-file
  ringlet keychain unlock team")]
    Unlock {
        /// A store of the settings, as in [store.team], or encrypted-file
        store: Option<String>,
    },
    /// Lock the encrypted file again
    Lock,
}
