//! Credential stores: the OS keychain, a private file, memory.
//!
//! A store knows names and secrets and nothing of profiles or agents. Every operation is bounded in time, and listing
//! needs names alone. A keychain that is locked or broken is an error of its own and never a reason to look
//! elsewhere: other keys than the ones the user meant would be worse than none.

mod file;
pub(crate) mod items;
#[cfg(test)]
pub(crate) mod memory;
mod names;
#[cfg(target_os = "linux")]
pub(crate) mod secret_service;
mod system;

pub(crate) use file::FileStore;
pub(crate) use system::SystemStore;

use crate::config::{Backend, Settings};
use crate::env::Env;
use crate::hint::Hint;
use crate::name::KeyName;
use crate::paths::Paths;
use crate::platform::LockError;
use crate::secret::Secret;
use crate::words;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// The service under which every key is kept (on Windows the first part of the target).
pub(crate) const SERVICE: &str = "ringlet";

/// The service of what is Ringlet's own.
pub(crate) const PRIVATE_SERVICE: &str = "ringlet-migrate";

/// The account of the private secret.
const PRIVATE_ACCOUNT: &str = "hmac";

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
                "log in to the desktop once, make one in Seahorse or open a database in KeePassXC; without a desktop, pipe \
                 a password for it, with no newline behind, to `gnome-keyring-daemon --replace --unlock`"
            }
            Self::Default => "make one of them the default in Seahorse, or open a database in KeePassXC",
        }
    }
}

/// Whether a person may be asked to unlock the keychain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// Never: a launch must not open a dialog.
    Never,
    /// Yes, where there is a screen for the dialog, and waits up to a minute for the answer.
    Ask,
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
    /// This session has a keychain's bus, and nothing can be asked there.
    #[error("the keychain cannot be reached although this session has one: {0}")]
    Unreachable(String),
    /// The keychain is there and locked.
    #[error("the keychain is locked")]
    Locked,
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
    #[error("the keychain holds {} entries for {key}: {}", entries.len(), first_of(entries))]
    Ambiguous {
        /// The key.
        key: KeyName,
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
    /// The keychain answered nonsense, broke off or refused.
    #[error("the keychain failed: {0}")]
    Broken(String),
}

impl StoreError {
    /// The next thing to do.
    pub fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::NotFound { key, .. } => Hint::run(key.set_command()),
            Self::Absent(missing) => {
                format!("{}, or set `[credentials] backend = \"file\"` in config.toml", missing.cure()).into()
            }
            Self::Unreachable(_) => {
                "log out and in again, which starts the session's bus anew; where there is to be none, \
                                     set `[credentials] backend = \"file\"` in config.toml"
                    .into()
            }
            Self::Locked => {
                "run `ringlet keychain unlock` in a terminal, unlock it in its own window, or log in to the desktop"
                    .into()
            }
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
            Self::Broken(_) => "run `ringlet doctor`".into(),
        })
    }
}

/// The variables that name a screen on which a service could show its dialog.
pub(crate) const SCREENS: [&str; 2] = ["WAYLAND_DISPLAY", "DISPLAY"];

/// A credential store.
pub(crate) trait Store {
    /// What it is called in messages.
    fn place(&self) -> String;
    /// Looks one key up.
    fn get(&self, key: &KeyName) -> Result<Secret, StoreError>;
    /// Whether the key is there, without its value.
    fn contains(&self, key: &KeyName) -> Result<bool, StoreError>;
    /// Stores a key, replacing an older value.
    fn set(&self, key: &KeyName, secret: &Secret) -> Result<(), StoreError>;
    /// Takes a key away.
    fn remove(&self, key: &KeyName) -> Result<(), StoreError>;
    /// The names of all keys, sorted.
    fn names(&self) -> Result<BTreeSet<KeyName>, StoreError>;
    /// Makes it usable, asking the user in a dialog where that is needed and allowed.
    fn unlock(&self) -> Result<(), StoreError>;
    /// What is locked and can be opened with a password, as the store calls it; nothing where all is open.
    fn locked_collection(&self) -> Result<Option<String>, StoreError> {
        Err(StoreError::NoPassword)
    }
    /// Unlocks what [`Self::locked_collection`] named.
    fn unlock_with(&self, _collection: &str, _password: &Secret) -> Result<(), StoreError> {
        Err(StoreError::NoPassword)
    }
    /// A secret of Ringlet's own, made when it is first asked for: `migrate` knows values by it. Kept apart from the
    /// keys, under another service, so that no listing shows it.
    fn private_secret(&self) -> Result<Secret, StoreError>;
    /// What was missing when the file stood in for the keychain, in any operation so far.
    fn fell_back(&self) -> Option<Missing> {
        None
    }
}

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

fn fresh_secret() -> Result<Secret, StoreError> {
    Secret::fresh().map_err(|error| StoreError::Broken(error.to_string()))
}

/// The store the settings ask for.
pub(crate) fn open(settings: &Settings, paths: &Paths, env: &Env, prompt: Prompt) -> Box<dyn Store> {
    let file = || FileStore::new(paths);
    let system = || SystemStore::new(paths, env, settings.timeout, prompt);
    match settings.backend {
        Backend::File => Box::new(file()),
        Backend::SystemOnly => Box::new(system()),
        Backend::System => Box::new(SystemOrFile { system: system(), file: file(), fell_back: RefCell::new(None) }),
    }
}

/// The plain file, where a store that is another one has left a key of the same name there.
pub(crate) fn copy_in_file(paths: &Paths, used: &dyn Store, key: &KeyName) -> Option<PathBuf> {
    let file = FileStore::new(paths);
    (file.place() != used.place() && file.contains(key).is_ok_and(|there| there)).then(|| paths.credentials())
}

/// The keychain, and the file where there is none. Only `Absent` leads to the file.
struct SystemOrFile {
    system: SystemStore,
    file: FileStore,
    fell_back: RefCell<Option<Missing>>,
}

impl SystemOrFile {
    fn either<T>(&self, operation: impl Fn(&dyn Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match operation(&self.system) {
            Err(StoreError::Absent(missing)) => {
                self.fell_back.replace(Some(missing));
                operation(&self.file)
            }
            done => done,
        }
    }
}

impl Store for SystemOrFile {
    fn place(&self) -> String {
        if self.fell_back.borrow().is_some() { self.file.place() } else { self.system.place() }
    }
    fn get(&self, key: &KeyName) -> Result<Secret, StoreError> {
        self.either(|store| store.get(key))
    }
    fn contains(&self, key: &KeyName) -> Result<bool, StoreError> {
        self.either(|store| store.contains(key))
    }
    fn set(&self, key: &KeyName, secret: &Secret) -> Result<(), StoreError> {
        self.either(|store| store.set(key, secret))
    }
    fn remove(&self, key: &KeyName) -> Result<(), StoreError> {
        self.either(|store| store.remove(key))
    }
    fn names(&self) -> Result<BTreeSet<KeyName>, StoreError> {
        self.either(|store| store.names())
    }
    fn unlock(&self) -> Result<(), StoreError> {
        self.either(|store| store.unlock())
    }
    fn locked_collection(&self) -> Result<Option<String>, StoreError> {
        self.system.locked_collection()
    }
    fn unlock_with(&self, collection: &str, password: &Secret) -> Result<(), StoreError> {
        self.system.unlock_with(collection, password)
    }
    fn private_secret(&self) -> Result<Secret, StoreError> {
        self.either(|store| store.private_secret())
    }
    fn fell_back(&self) -> Option<Missing> {
        self.fell_back.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_name_are_counted_and_a_few_of_them_shown() {
        let told = |many: usize| {
            let entries = (0..many).map(|n| format!("/item/{n}/{}", "x".repeat(1000))).collect();
            StoreError::Ambiguous { key: "anthropic/work".parse().expect("a name"), entries }.to_string()
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
