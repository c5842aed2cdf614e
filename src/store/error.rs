//! What can go wrong with a store, and the next thing to do.
//!
//! The classes decide what the callers do: only `Absent` lets the file take the keychain's place, and `NotFound` is the
//! answer of a store that works. No error holds a secret.

use super::unopened::Unopened;
use crate::hint::Hint;
use crate::name::{KeyName, StoreName};
use crate::platform::LockError;
use crate::words;
use std::path::PathBuf;
use std::time::Duration;

/// What is missing where there is no keychain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// The keychain itself, or the way to it.
    #[error("{0}")]
    Keychain(String),
    /// The keyring service runs, and nobody has made a keyring in it.
    #[error("the keyring service has no keyring yet")]
    Keyring,
    /// It has keyrings, and none of them is the one for new keys.
    #[error("the keyring service has no default keyring")]
    Default,
}

impl Missing {
    /// The same in a few words.
    pub fn summary(&self) -> String {
        match self {
            Self::Keychain(_) => "there is no keychain".to_owned(),
            other => other.to_string(),
        }
    }

    /// How there comes to be one.
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Keychain(_) => "install GNOME Keyring or KWallet",
            Self::Keyring => {
                "log in to the desktop once, make one in Seahorse or open a database in KeePassXC; without a desktop, \
                 pipe \
                 a password for it, with no newline behind, to `gnome-keyring-daemon --replace --unlock`"
            }
            Self::Default => "make one of them the default in Seahorse, or open a database in KeePassXC",
        }
    }
}

/// What is wrong with a store of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Its program is not there.
    Absent,
    /// Its server cannot be reached.
    Away,
    /// Its server is sealed.
    Sealed,
    /// It does not let this user have the key.
    Denied,
    /// It did not answer in time.
    Late,
    /// Its program failed, or its answer is no key. Many tools say no more than that.
    Broken,
    /// Its server's answer is no key.
    Odd,
    /// The certificate of its server is refused.
    Untrusted,
    /// Its server has only a deleted version of the key.
    Deleted,
    /// Its server's key-value engine is of the first version.
    Version1,
    /// Its server's key-value engine is of the second version.
    Version2,
    /// It cannot do this at all.
    Unable,
}

/// Why a store could not do what it was asked. No field ever holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store works and has no such key.
    #[error("{place} has no key {key}")]
    NotFound {
        /// Which store.
        place: String,
        /// The key.
        key: KeyName,
    },
    /// There is no keychain here at all.
    #[error("there is no keychain: {0}")]
    Absent(Missing),
    /// There is none, and a rule of the settings has a key in it. Nothing stands in for it.
    #[error("there is no keychain, in which [store-for] of the settings has this key: {0}")]
    AbsentByRule(Missing),
    /// This session has a keychain's bus, and nothing can be asked there.
    #[error("the keychain cannot be reached although this session has one: {0}")]
    Unreachable(String),
    /// The keychain is there and locked.
    #[error("the keychain is locked")]
    Locked,
    /// The encrypted file is locked, or was not unlocked.
    #[error(transparent)]
    Unopened(#[from] Unopened),
    /// The keychain is open, and gives the key only after a person has confirmed it in a window.
    #[error("the key waits for a confirmation in the keychain's own window")]
    Unconfirmed,
    /// The password that was typed opens nothing.
    #[error("the password is wrong, and the keychain is still locked")]
    WrongPassword,
    /// The keychain takes its password in its own window alone.
    #[error("the keychain is locked, and takes no password on a terminal")]
    NoPassword,
    /// Nobody answered in time.
    #[error("the keychain did not answer within {after:?} ({doing})")]
    Timeout {
        /// What was being waited for.
        doing: String,
        /// How long.
        after: Duration,
    },
    /// The person closed the dialog, or nothing could show it: services call both the same.
    #[error("the keychain's dialog was closed, or could not be shown")]
    Dismissed,
    /// Several entries answer to one name.
    #[error("the keychain holds {} entries for {account}: {}", entries.len(), first_of(entries))]
    Ambiguous {
        /// The account: of a key its name.
        account: String,
        /// The entries, as the keychain names them.
        entries: Vec<String>,
    },
    /// The file-backed store may have been read or written by others.
    #[error("{}: {why}", file.display())]
    Unsafe {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file-backed store is damaged, or cannot be read or written.
    #[error("{}{}: {why}", file.display(), line.map_or_else(String::new, |line| format!(":{line}")))]
    File {
        /// The file.
        file: PathBuf,
        /// The line, where one is to blame.
        line: Option<usize>,
        /// What is wrong.
        why: String,
    },
    /// What is to be changed is being changed by another process, or its lock cannot be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The system does not let a file be read or written; that says nothing about what is in it.
    #[error("{}: cannot be {doing}: {why}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// `read` or `written`.
        doing: &'static str,
        /// The system's error.
        why: String,
    },
    /// A change is in force and may not outlast a crash.
    #[error("{}: {why}", file.display())]
    NotLasting {
        /// The file.
        file: PathBuf,
        /// The system's error.
        why: String,
    },
    /// A store of the settings could not do it. Of what its program printed nothing is in the message, which may be
    /// recorded.
    #[error("the store \"{store}\" {why}")]
    InStore {
        /// The store.
        store: StoreName,
        /// What is wrong with it.
        class: Class,
        /// The rest of the sentence.
        why: String,
        /// What its program said on standard error, for the person alone.
        said: Vec<String>,
    },
    /// The keychain answered nonsense, broke off or refused.
    #[error("the keychain failed: {0}")]
    Broken(String),
}

impl StoreError {
    /// The next thing to do.
    pub fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::NotFound { key, .. } => Hint::run(key.set_command()),
            Self::Absent(missing) => Hint::run(TO_ENCRYPT)
                .and(format!(", {}, or set `[credentials] backend = \"file\"` in config.toml", missing.cure())),
            Self::AbsentByRule(missing) => Hint::from("")
                .command(words!["ringlet", "config", "edit"])
                .and(format!(" opens [store-for]; name another store there, or {}", missing.cure())),
            Self::Unreachable(_) => {
                let anew = "log out and in again, which starts the session's bus anew; where there is to be none, ";
                Hint::from(anew)
                    .and("run ")
                    .command(TO_ENCRYPT)
                    .and(", or set `[credentials] backend = \"file\"` in config.toml")
            }
            Self::Locked => {
                "run `ringlet keychain unlock` in a terminal, unlock it in its own window, or log in to the desktop"
                    .into()
            }
            Self::Unopened(unopened) => unopened.hint(),
            Self::Unconfirmed => {
                "KeePassXC confirms a key for the one program that asked; in its settings, under Secret \
                                  Service Integration, turn \"Confirm when passwords are retrieved by clients\" off"
                    .into()
            }
            Self::WrongPassword => Hint::run(words!["ringlet", "keychain", "unlock"]).and(" again"),
            Self::NoPassword => "unlock it in its own window, or log in to the desktop".into(),
            Self::Timeout { .. } => {
                "see whether the keychain's daemon hangs or waits for a dialog, then try again".into()
            }
            Self::Dismissed => "run `ringlet keychain unlock` in a terminal, and answer what it asks".into(),
            Self::Ambiguous { .. } => "remove all but one with the keychain's own tool, such as Seahorse".into(),
            Self::Unsafe { file, .. } => {
                let made = Hint::run(words!["chmod", "600", file]);
                made.and(" once it is your own, and rotate keys that others may have read")
            }
            Self::File { file, .. } => {
                format!("mend {}, or move it away and store the keys again", file.display()).into()
            }
            Self::Lock(error) => error.advice().into(),
            Self::Io { file, .. } => {
                let folder = file.parent().unwrap_or(file);
                format!("see whether {} is yours to use and its disk has room, then try again", folder.display()).into()
            }
            Self::NotLasting { .. } => "look at the disk, then run the command again".into(),
            Self::InStore { store, class, .. } => {
                let table = format!(" opens {}", store.table());
                let settings = Hint::from("").command(words!["ringlet", "config", "edit"]);
                match class {
                    Class::Absent => Hint::from(LOOKED_FOR).command(words!["ringlet", "config", "edit"]).and(table),
                    Class::Away => settings.and(format!("{table}; look whether its server runs there")),
                    Class::Sealed => Hint::from("an operator of the server unseals it, as with `bao operator unseal`"),
                    Class::Untrusted => settings.and(format!("{table}, where `ca-file` names its authorities")),
                    Class::Deleted => Hint::from(
                        "`ringlet keychain set` with --replace stores a new version, and `bao kv undelete` brings \
                         the old one back",
                    ),
                    Class::Version1 => settings.and(format!("{table}; write `kv = 1` there")),
                    Class::Version2 => settings.and(format!(
                        "{table}; the paths of version 2 have /data/ behind the mount, and `kv` is 2 there"
                    )),
                    Class::Odd => settings.and(format!("{table}; look at its address, its path and its field")),
                    Class::Broken => Hint::from("")
                        .command(words!["ringlet", "keychain", "unlock", store])
                        .and(" lets it ask on the terminal, and shows what it says"),
                    Class::Denied => Hint::from("log in to it again, or look at what its credentials may do; ")
                        .command(words!["ringlet", "config", "edit"])
                        .and(table),
                    Class::Late => settings.and(format!("{table}, where `timeout` is the limit in seconds")),
                    Class::Unable => settings.and(table),
                }
            }
            Self::Broken(_) => "run `ringlet doctor`".into(),
        })
    }

    /// What the program of a store said about it, line by line.
    pub fn said(&self) -> &[String] {
        if let Self::InStore { said, .. } = self { said } else { &[] }
    }
}

/// Where the program of a store is looked for.
pub(crate) const LOOKED_FOR: &str =
    "it is looked for on PATH, outside the project and where no other account may write; ";

/// The command after which keys are in the encrypted file, the better choice where there is no keychain.
pub(crate) const TO_ENCRYPT: [&str; 5] = ["ringlet", "config", "set", "credentials.backend", "encrypted-file"];

// A keychain can hold any number of entries of one name.
fn first_of(entries: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut text = entries.iter().take(SHOWN).map(|entry| clipped(entry)).collect::<Vec<_>>().join(", ");
    if entries.len() > SHOWN {
        text += &format!(" and {} more", entries.len() - SHOWN);
    }
    text
}

fn clipped(entry: &str) -> String {
    const LONGEST: usize = 200;
    let mut text: String = entry.chars().take(LONGEST).collect();
    if text.len() < entry.len() {
        text += "...";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_name_are_counted_and_a_few_of_them_shown() {
        let told = |many: usize| {
            let entries = (0..many).map(|n| format!("/item/{n}/{}", "x".repeat(1000))).collect();
            StoreError::Ambiguous { account: "anthropic/work".into(), entries }.to_string()
        };
        let text = told(65_000);
        assert!(text.starts_with("the keychain holds 65000 entries for anthropic/work: /item/0/xxx"), "{text}");
        assert!(text.ends_with("... and 64996 more") && text.len() < 1000, "{text}");
        assert!(!told(4).contains("more"));
    }

    #[test]
    fn a_hint_belongs_to_the_kind_of_error() {
        let file = PathBuf::from("/c/credentials.toml");
        let text = |error: StoreError| format!("{:?}", error.hint().expect("one").pieces());
        let lock = LockError::Busy { file: "/c/lock".into(), pid: Some(7), waited: Duration::from_secs(5) };
        assert_eq!(lock.to_string(), "/c/lock is held by another process, 7; it was waited for 5000 ms");
        assert!(text(lock.into()).contains("try again"));
        let full = StoreError::Io { file: file.clone(), doing: "written", why: "no space".into() };
        let broken = StoreError::File { file, line: Some(3), why: "is not of the form".into() };
        assert!(!text(full).contains("move it away") && text(broken).contains("move it away"));
    }
}
