//! Files that Ringlet itself makes for a run: profiles, and the settings that name the default one.
//!
//! They hold no key. `apply` writes them after the keys are stored and before a file of the user's is rewritten, so
//! that no launcher ever stands without its profile. `undo` and the recovery of a killed run take them back, unless
//! somebody changed them since.

use super::MigrateError;
use super::journal::{Journal, MadeRecord, digest};
use crate::name::KeyName;
use crate::paths::Paths;
use crate::platform::{self, ReadError};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A longer file is none of these.
const MAX_MADE: u64 = 1 << 20;

/// A file that a run makes or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MadeFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its content as the plan was made; `None` where there is no such file.
    pub before: Option<Vec<u8>>,
    /// Its new content.
    pub after: Vec<u8>,
    /// The moved keys that it is about. It is written if the run moves all of them, and taken back when every statement
    /// with one of them is back.
    pub keys: Vec<KeyName>,
}

/// What became of a file that is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is what it was before, or gone if it was not there.
    Back,
    /// Somebody changed it, so it stays.
    Changed,
    /// It cannot be taken back.
    Failed(String),
}

/// What an undo did about a file that the run made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MadeEnd {
    /// It was taken back, or why not.
    Taken(Taken),
    /// It stays, since a statement that needs it is not back.
    Waits,
    /// It stays, since the user wants it.
    Kept,
}

impl MadeFile {
    /// Makes sure that the file is what the plan was made for.
    pub(crate) fn check(&self) -> Result<(), MigrateError> {
        let now = content(&self.path).map_err(|why| MigrateError::file(self.path.clone(), why))?;
        if now == self.before { Ok(()) } else { Err(MigrateError::Stale(self.path.clone())) }
    }

    /// Writes the file, mode 0600, and its missing folders, mode 0700. A crash leaves the old content or the new one.
    pub(crate) fn write(&self) -> Result<(), MigrateError> {
        let failed = |error: io::Error| MigrateError::file(self.path.clone(), format!("cannot be written: {error}"));
        let target = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        make_folders(target.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
        platform::replace_file(&target, &self.after).map_err(failed)
    }

    /// The record of it, or why it cannot be taken back.
    pub(crate) fn record(&self, keys: Vec<usize>, files: Vec<PathBuf>) -> Result<MadeRecord, MigrateError> {
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone());
        let no_text = |_| MigrateError::file(self.path.clone(), "is not UTF-8".into());
        let before = self.before.as_ref().map(text).transpose().map_err(no_text)?;
        Ok(MadeRecord { path: self.path.clone(), before, after: digest(&self.after), keys, files, undone: false })
    }
}

fn content(path: &Path) -> Result<Option<Vec<u8>>, String> {
    match platform::read_file(path, MAX_MADE) {
        Ok(read) => Ok(Some(read.bytes)),
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folders(parent)?;
    }
    platform::create_private_folder(folder)?;
    platform::sync_folder_of(folder)
}

impl MadeRecord {
    /// Gives the file its content from before the run, or removes it and its folder if that is empty then.
    pub(crate) fn take_back(&self) -> Taken {
        let now = match content(&self.path) {
            Ok(now) => now,
            Err(why) => return Taken::Failed(why),
        };
        match (&now, &self.before) {
            (None, None) => {}
            (Some(now), Some(before)) if now == before.as_bytes() => {}
            (Some(now), before) if digest(now) == self.after => {
                let target = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
                let done = match before {
                    Some(before) => platform::replace_file(&target, before.as_bytes()),
                    None => fs::remove_file(&self.path).and_then(|()| platform::sync_folder_of(&self.path)),
                };
                if let Err(error) = done {
                    return Taken::Failed(format!("cannot be taken back: {error}"));
                }
            }
            _ => return Taken::Changed,
        }
        if self.before.is_none()
            && let Some(folder) = self.path.parent()
        {
            // One with anything else in it stays.
            let _ = fs::remove_dir(folder);
        }
        Taken::Back
    }
}

/// Takes back what a run made for files that it did not rewrite. Returns what somebody has changed meanwhile.
pub(crate) fn drop_idle(journal: &mut Journal) -> Vec<PathBuf> {
    let files = &journal.files;
    let serves = |made: &MadeRecord| {
        let rewritten = files.iter().filter(|file| file.done);
        rewritten.map(|file| &file.path).any(|path| made.files.is_empty() || made.files.contains(path))
    };
    let mut changed = Vec::new();
    // The latest first: a run that continued another may have changed what that one made.
    for at in (0..journal.made.len()).rev() {
        if !serves(&journal.made[at]) {
            let made = journal.made.remove(at);
            if made.take_back() != Taken::Back {
                changed.push(made.path);
            }
        }
    }
    changed
}

/// Takes back what a run made, but for what statements need that are not back.
pub(crate) fn take_back(paths: &Paths, journal: &mut Journal) -> Result<Vec<(PathBuf, MadeEnd)>, MigrateError> {
    let cuts = journal.files.iter().flat_map(|file| file.cuts.iter().map(move |cut| (file.path.clone(), cut)));
    let left: Vec<(PathBuf, BTreeSet<usize>)> = cuts.map(|(path, cut)| (path, cut.keys().collect())).collect();
    let mut ends = Vec::new();
    for at in (0..journal.made.len()).rev() {
        let made = &journal.made[at];
        if made.undone {
            continue;
        }
        // A statement without a key may be the other half of an account: its file is what it has in common.
        let needs = |(path, keys): &(PathBuf, BTreeSet<usize>)| match keys.is_empty() {
            true => made.files.contains(path),
            false => made.keys.iter().any(|key| keys.contains(key)),
        };
        let end = if left.iter().any(needs) { MadeEnd::Waits } else { MadeEnd::Taken(made.take_back()) };
        ends.push((made.path.clone(), end.clone()));
        // What somebody changed is the user's own by now.
        if matches!(end, MadeEnd::Taken(Taken::Back | Taken::Changed)) {
            journal.made[at].undone = true;
            journal.write(paths)?;
        }
    }
    ends.reverse();
    Ok(ends)
}

/// Leaves what a run made to the user, for good.
pub(crate) fn keep(journal: &mut Journal) -> Vec<PathBuf> {
    let mut kept = Vec::new();
    for made in journal.made.iter_mut().filter(|made| !made.undone) {
        made.undone = true;
        kept.push(made.path.clone());
    }
    kept
}
