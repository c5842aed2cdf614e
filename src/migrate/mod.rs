//! Moving keys from the files that shells read into the keychain, and nothing else about those files.
//!
//! `files` knows where to look and `dialect` what language it is; `examine` takes a file apart and says what is a key
//! and which bytes go, `stream` looks through what is only reported; `plan` gives each value a name; `apply` stores,
//! reads back and rewrites, by `replacement`; `journal` and `undo` take it back; `recover` clears up after a killed
//! run; `watch` says when a key comes back. No user's code is ever run, and no copy of a key is left outside the store.
//!
//! The rules are in `docs/migrate-rules.md`; its examples are run by the tests of `rules`.

pub(crate) mod accounts;
pub(crate) mod aftermath;
pub(crate) mod apply;
pub(crate) mod context;
pub(crate) mod detect;
pub(crate) mod dialect;
pub(crate) mod edit;
pub(crate) mod entries;
pub(crate) mod examine;
pub(crate) mod files;
mod heuristics;
pub(crate) mod journal;
pub(crate) mod keyset;
mod lines;
pub(crate) mod made;
mod model;
pub(crate) mod plan;
mod read;
pub(crate) mod recover;
mod replacement;
#[cfg(test)]
mod rules;
pub(crate) mod seal;
mod stores;
pub(crate) mod stream;
mod style;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod tokens;
pub(crate) mod undo;
pub(crate) mod utf16;
mod verdicts;
pub(crate) mod vocabulary;
pub(crate) mod watch;

use crate::hint::Hint;
use crate::name::{KeyName, shorten};
use crate::platform::LockError;
use crate::store::{Missing, StoreError, TO_ENCRYPT};
use crate::words;
use std::path::{Path, PathBuf};

/// Why a run stopped. No field ever holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Another run holds the lock.
    #[error("another run of `ringlet migrate` is at work")]
    Busy,
    /// The lock cannot be taken.
    #[error(transparent)]
    Lock(LockError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not give a key back.
    #[error("{place} took {key} and {how}; no file was changed")]
    ReadBack {
        /// The key.
        key: KeyName,
        /// The store.
        place: String,
        /// What it did.
        how: &'static str,
    },
    /// Somebody stored another key under the name that was chosen.
    #[error("{0} was stored by somebody else meanwhile; no file was changed")]
    Taken(KeyName),
    /// A file that the run would make or change is no longer what the plan was made for.
    #[error("{} was changed meanwhile; no file was changed", .0.display())]
    Stale(PathBuf),
    /// The keys would only move from one plain file to another.
    #[error("{}, and {place} is a plain file", missing.summary())]
    PlainFile {
        /// The file.
        place: String,
        /// What there is not.
        missing: Missing,
    },
    /// The journal cannot be read or written.
    #[error("{}: {why}", file.display())]
    Journal {
        /// The journal.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// One of the user's files needs a look.
    #[error("{} {why}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What about it.
        why: String,
    },
    /// A killed run took half of an account, and the other half cannot be taken.
    #[error("a run was killed and has taken half of an account; the other half is in {}, which {why}", file.display())]
    Half {
        /// The file with the other half.
        file: PathBuf,
        /// Why it cannot be taken.
        why: String,
        /// The run.
        run: String,
    },
    /// There is nothing to take back.
    #[error("{}", no_run(.0.as_deref()))]
    NoRun(Option<String>),
    /// It was taken back before.
    #[error("run {0} is taken back already")]
    Already(String),
    /// The secret that values are known by is not the journal's.
    #[error("run {run} kept its keys in {place}, and this is another store, or its secret was replaced")]
    Sealed {
        /// The run.
        run: String,
        /// Where its keys were kept.
        place: String,
    },
    /// The files cannot be watched.
    #[error("{} cannot be watched: {why}", folder.as_deref().map_or("the files".into(), Path::to_string_lossy))]
    Watch {
        /// Which folder, if it is one.
        folder: Option<PathBuf>,
        /// Why.
        why: String,
    },
}

fn no_run(run: Option<&str>) -> String {
    match run {
        None => "there is no run to take back".to_owned(),
        Some(run) => format!("there is no run {:?}", shorten(run)),
    }
}

impl MigrateError {
    fn journal(file: PathBuf, why: String) -> Self {
        Self::Journal { file, why }
    }

    fn file(file: PathBuf, why: String) -> Self {
        Self::File { file, why }
    }

    /// The next thing to do.
    pub fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::Lock(error) => error.advice().into(),
            Self::Busy => "wait for it, or answer its question".into(),
            Self::Store(error) => return error.hint(),
            Self::ReadBack { .. } => "the keychain does not keep what it is given; run `ringlet doctor`".into(),
            Self::Taken(_) | Self::Stale(_) => "run `ringlet migrate` again".into(),
            Self::PlainFile { missing, .. } => {
                let cure = Hint::run(TO_ENCRYPT).and(format!(", {}, or ", missing.cure()));
                cure.and("run ").command(["ringlet", "migrate", "--allow-file"]).and(" to move them all the same")
            }
            Self::Half { run, .. } => Hint::run(words!["ringlet", "migrate", "undo", run]),
            Self::Journal { file, .. } => format!("look at {}", file.display()).into(),
            Self::File { .. } | Self::NoRun(_) | Self::Already(_) => return None,
            Self::Watch { .. } => "name the files to watch, or raise `fs.inotify.max_user_watches`".into(),
            Self::Sealed { .. } => "set `[credentials] backend` as it was, and run it again".into(),
        })
    }
}
