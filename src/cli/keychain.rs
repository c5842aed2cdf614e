//! The arguments of `ringlet keychain`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `ringlet keychain`
#[derive(Debug, Subcommand)]
pub(crate) enum Keychain {
    /// Store a key; asks for it without echo
    #[command(after_help = "\
Examples:
  ringlet keychain set anthropic work
  ringlet keychain set anthropic/work
  ringlet keychain set openai default --from-env OPENAI_API_KEY
  pass show openai | ringlet keychain set openai default --stdin --replace
  ringlet keychain set anthropic/work --expires 2027-01-31")]
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
        /// When it expires: a date, a length such as 90d, or never
        ///
        /// For a key that is there, without another option, only this is
        /// changed.
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
    },
    /// List the names of keys, never a value
    #[command(after_help = "\
Examples:
  ringlet keychain list
  ringlet keychain list anthropic/ --long")]
    List {
        /// Only names that begin so, such as anthropic/
        prefix: Option<String>,
        /// Also the store, who uses it, age, last use and expiry
        #[arg(long, short)]
        long: bool,
    },
    /// Replace a key by a new one that the provider takes
    #[command(after_help = "\
Make the new key at the provider's console first. It is asked for, sent to the
provider in one request that costs nothing, and stored. Then revoke the old key
at the console: it is kept nowhere.

Examples:
  ringlet keychain rotate anthropic/work
  ringlet keychain rotate anthropic work --stdin --expires 90d")]
    Rotate {
        /// The provider, or PROVIDER/ALIAS
        provider: String,
        /// The alias
        alias: Option<String>,
        /// Take the new key from this variable
        #[arg(long, value_name = "VAR", conflicts_with = "stdin")]
        from_env: Option<String>,
        /// Take the new key from standard input
        #[arg(long)]
        stdin: bool,
        /// When the new key expires: a date, a length such as 90d, or never
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        /// Do not ask the provider whether it takes the new key
        #[arg(long)]
        no_check: bool,
    },
    /// Copy a key into another store
    #[command(after_help = "\
STORE is a table [store.NAME] of the settings, or system, system-only, file or
encrypted-file.
The settings decide from which store launches take the key; they stay as they
are. It asks on the terminal.

Examples:
  ringlet keychain copy anthropic/work --to team")]
    Copy(Transfer),
    /// Move a key into another store
    #[command(after_help = "\
As `ringlet keychain copy`. The key is removed where it was once the other store
has given it back.

Examples:
  ringlet keychain move anthropic/work --to team
  ringlet keychain move anthropic/work --from file --to system")]
    Move(Transfer),
    /// Write keys into a file that is encrypted with age
    #[command(after_help = "\
A passphrase is asked for twice, unless public keys are named. Keys for brokered
launches alone are left out. It asks on the terminal.

Examples:
  ringlet keychain export keys.age
  ringlet keychain export keys.age anthropic/ --recipient age1...")]
    Export {
        /// The file
        file: PathBuf,
        /// Only names that begin so, such as anthropic/
        prefix: Option<String>,
        /// Encrypt for this public key, age1..., and ask for no passphrase
        #[arg(long = "recipient", value_name = "KEY")]
        recipients: Vec<String>,
        /// Replace a file that is there
        #[arg(long)]
        replace: bool,
    },
    /// Store the keys of a file that is encrypted with age
    #[command(after_help = "\
Examples:
  ringlet keychain import keys.age
  ringlet keychain import keys.age --identity ~/.config/age/keys.txt")]
    Import {
        /// The file
        file: PathBuf,
        /// The file with the secret key of a public key that it is for
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
        /// Replace keys that are there
        #[arg(long)]
        replace: bool,
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
        /// A store of the settings, as in [store.team], a key that is in one, or
        /// encrypted-file
        store: Option<String>,
    },
    /// Lock the encrypted file again
    Lock,
}

/// The arguments of `ringlet keychain copy` and `move`.
#[derive(Debug, Args)]
pub(crate) struct Transfer {
    /// The provider, or PROVIDER/ALIAS
    pub(crate) provider: String,
    /// The alias
    pub(crate) alias: Option<String>,
    /// The store that it goes to
    #[arg(long, value_name = "STORE")]
    pub(crate) to: String,
    /// The store that it is in; else the one that launches take it from
    #[arg(long, value_name = "STORE")]
    pub(crate) from: Option<String>,
    /// Replace another key that is there
    #[arg(long)]
    pub(crate) replace: bool,
}
