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
    /// Nothing in the kernel holds it, and the daemon does not answer.
    #[error("the encrypted file is locked, or the daemon that holds its identity does not answer")]
    Mute,
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
    /// The identity's file has a form that is not opened here.
    #[error("{} {why}", file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// What it is.
        why: String,
    },
    /// Another process has made the identity at the same time.
    #[error("{} was made by another process meanwhile", .0.display())]
    Meanwhile(PathBuf),
    /// The daemon was asked to end what it holds, and did not say that it has.
    #[error("the identity may still be held: {0}")]
    StillHeld(String),
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
        /// Whether the daemon runs and refuses.
        is_refused: bool,
    },
}

impl Unopened {
    /// The next thing to do.
    pub fn hint(&self) -> Hint {
        match self {
            Self::Locked => Hint::run(words!["ringlet", "keychain", "unlock", "encrypted-file"]).and(" in a terminal"),
            Self::Mute => Hint::run(words!["ringlet", "daemon", "stop"])
                .and(", then ")
                .command(words!["ringlet", "daemon", "start"])
                .and(" and ")
                .command(words!["ringlet", "keychain", "unlock", "encrypted-file"]),
            Self::NoIdentity(file) => {
                Hint::from("").command(words!["ringlet", "keychain", "unlock", "encrypted-file"]).and(format!(
                    " makes one on a terminal; without one, `umask 077; age-keygen | age -r RECIPIENT > {}` does",
                    file.display()
                ))
            }
            Self::Orphaned { file, .. } => {
                format!("restore it from a copy, or move {} away and store the keys again", file.display()).into()
            }
            Self::WrongPassphrase => Hint::run(words!["ringlet", "keychain", "unlock", "encrypted-file"]).and(" again"),
            Self::Identity { file, .. } => {
                format!("restore {} from a copy; nothing else opens the encrypted file", file.display()).into()
            }
            Self::Form { file, .. } => format!(
                "have age write {} anew in the binary form, with a work factor that is allowed; keep a copy",
                file.display()
            )
            .into(),
            Self::Meanwhile(_) => {
                Hint::run(words!["ringlet", "keychain", "unlock", "encrypted-file"]).and(" with its passphrase")
            }
            Self::StillHeld(_) => Hint::run(words!["ringlet", "daemon", "stop"]).and(", which wipes what it holds"),
            Self::NotNamed(_) => Hint::from("write `identity = \"PATH\"` below [credentials]: ")
                .command(words!["ringlet", "config", "edit"]),
            Self::Plugin { .. } => Hint::from("").command(words!["ringlet", "config", "edit"]).and(
                " opens [credentials], where `identity` names the file of identities and `timeout` is the limit of a \
                 plugin that asks nobody",
            ),
            // It runs, and of a daemon that was upgraded the program is another one.
            Self::NotHeld { is_refused: true, .. } => Hint::run(words!["ringlet", "daemon", "stop"])
                .and(" and ")
                .command(words!["ringlet", "daemon", "start"])
                .and(", then ")
                .command(words!["ringlet", "keychain", "unlock", "encrypted-file"])
                .and(" again"),
            Self::NotHeld { .. } => Hint::run(words!["ringlet", "daemon", "start"])
                .and(", then ")
                .command(words!["ringlet", "keychain", "unlock", "encrypted-file"])
                .and(" again"),
        }
    }
}
