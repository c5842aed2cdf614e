//! Why the encrypted file is not open, and the next thing to do.

use crate::hint::Hint;
use crate::words;
use std::path::PathBuf;

/// Why the encrypted file is not open. No field ever holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// It is locked.
    #[error("the encrypted file is locked")]
    Locked,
    /// There is no identity yet, and nothing that one would open.
    #[error("there is no identity yet that could open an encrypted file: {} does not exist", .0.display())]
    NoIdentity(PathBuf),
    /// The identity is gone, and what it opens is there.
    #[error("{} does not exist, and {} cannot be opened without it", identity.display(), file.display())]
    Orphaned {
        /// The identity's file.
        identity: PathBuf,
        /// What it opens.
        file: PathBuf,
    },
    /// The passphrase that was typed opens nothing.
    #[error("the passphrase is wrong, and the encrypted file is still locked")]
    WrongPassphrase,
    /// The identity's file is wrong.
    #[error("{} {why}", file.display())]
    Identity {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The settings name no file of identities, and a passphrase does not open the identity.
    #[error("{} is opened by no passphrase, and the settings name no identities for it", .0.display())]
    NotNamed(PathBuf),
    /// The identities that the settings name did not open it, or their plugin did not.
    #[error("{} was not opened: {why}", file.display())]
    Plugin {
        /// The identity's file.
        file: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// Nothing can hold it while it is unlocked.
    #[error("nothing can hold the identity: the kernel does not ({kernel}), and {daemon}")]
    NotHeld {
        /// Why the kernel does not.
        kernel: String,
        /// Why the daemon does not.
        daemon: String,
    },
}

impl Unopened {
    /// The next thing to do.
    pub fn hint(&self) -> Hint {
        match self {
            Self::Locked => Hint::run(words!["ringlet", "keychain", "unlock"]).and(" in a terminal"),
            Self::NoIdentity(file) => Hint::from("").command(words!["ringlet", "keychain", "unlock"]).and(format!(
                " makes one on a terminal; without one, `umask 077; age-keygen | age -r RECIPIENT > {}` does",
                file.display()
            )),
            Self::Orphaned { file, .. } => {
                format!("restore it from a copy, or move {} away and store the keys again", file.display()).into()
            }
            Self::WrongPassphrase => Hint::run(words!["ringlet", "keychain", "unlock"]).and(" again"),
            Self::Identity { file, .. } => {
                format!("restore {} from a copy; nothing else opens the encrypted file", file.display()).into()
            }
            Self::NotNamed(_) => Hint::from("write `identity = \"PATH\"` below [credentials]: ")
                .command(words!["ringlet", "config", "edit"]),
            Self::Plugin { .. } => Hint::from("").command(words!["ringlet", "config", "edit"]).and(
                " opens [credentials], where `identity` names the file of identities and `timeout` is the limit of a \
                 plugin that asks nobody",
            ),
            Self::NotHeld { .. } => Hint::run(words!["ringlet", "daemon", "start"])
                .and(", then ")
                .command(words!["ringlet", "keychain", "unlock"])
                .and(" again"),
        }
    }
}
