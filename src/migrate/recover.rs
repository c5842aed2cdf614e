//! Brings what a killed run left to a state that a new one starts from.
//!
//! A process may be killed between any two steps of `apply` and `undo`. Each file is found in one state or the other, a
//! torn one is made whole, and what the run made for files that it did not rewrite is taken back. Where one of two
//! files with an account was rewritten, the other one is, too. `migrate` and its `undo` call this before everything
//! else, under the lock.

use super::MigrateError;
use super::apply::{lock, remove_compiled};
use super::files::MAX_FILE;
use super::journal::{self, FileRecord, Journal, Stage, digest};
use super::made;
use super::replacement::{Content, Refusal, replace};
use crate::paths::Paths;
use crate::platform;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What an interrupted run left.
#[derive(Default)]
pub(crate) struct Recovered {
    /// Its journal, when it had rewritten files: the next run takes it over, so that one `undo` takes all back.
    pub continued: Option<Journal>,
    /// The files it had not come to.
    pub left: Vec<PathBuf>,
    /// The files that hold half of an account, and cannot be rewritten.
    pub half: Vec<Half>,
    /// What the user must look at.
    pub warnings: Vec<String>,
}

/// A file with half of an account, whose other half a killed run took out of another file.
pub(crate) struct Half {
    /// The file.
    pub file: PathBuf,
    /// Why it cannot be rewritten.
    pub why: String,
    /// The run, which `undo` can take back.
    pub run: String,
}

impl Recovered {
    /// Refuses to go on where half of an account would be taken for one.
    pub(crate) fn whole(self) -> Result<Self, MigrateError> {
        match self.half.into_iter().next() {
            Some(Half { file, why, run }) => Err(MigrateError::Half { file, why, run }),
            None => Ok(Self { half: Vec::new(), ..self }),
        }
    }
}

/// Reports whether a run or an undo was killed and not recovered since. Changes nothing.
pub(crate) fn is_due(paths: &Paths) -> bool {
    let is_open = |journal: &Journal| matches!(journal.stage, Stage::Planned | Stage::Stored | Stage::Undoing);
    let is_killed = Journal::all(paths).is_ok_and(|all| all.runs.iter().any(is_open));
    // One that is at work holds the lock.
    is_killed && !matches!(lock(paths), Err(MigrateError::Busy))
}

/// Brings what an interrupted run left to a state that a new one starts from. Needs the lock. Gives the journal of
/// the interrupted run when it had rewritten files, and the files it had not come to.
pub(crate) fn recover(paths: &Paths) -> Result<Recovered, MigrateError> {
    let mut all = Recovered::default();
    journal::tidy(paths)?;
    let journals = Journal::all(paths)?;
    // It may be of a run that was killed: what that one left beside files is not known.
    let unread = journals.unread.iter();
    all.warnings.extend(unread.map(|unread| format!("{} {}", unread.file.display(), unread.why)));
    for mut journal in journals.runs {
        match journal.stage {
            Stage::Done | Stage::Undone => {
                let prefix = journal.prefix();
                // A temporary file that could not be deleted then.
                journal.files.iter().filter(|file| file.done).try_for_each(|file| sweep(&file.path, &prefix))?;
                // A line that was being added when the run was killed.
                if journal.files.iter().any(|file| !file.done) {
                    settle_all(&mut journal, &mut all)?;
                    drop_left(&mut journal);
                    journal.write(paths)?;
                }
            }
            Stage::Planned | Stage::Stored => {
                settle_all(&mut journal, &mut all)?;
                let half = complete(&mut journal)?;
                if !half.is_empty() {
                    // It stays what it is, so that every later run sees it.
                    journal.write(paths)?;
                    all.half.extend(half);
                    continue;
                }
                all.left.extend(drop_left(&mut journal));
                let changed = made::drop_idle(&mut journal);
                all.warnings.extend(changed.iter().map(|path| format!("{} is of a killed run", path.display())));
                if journal.is_empty() {
                    journal.drop_it(paths)?;
                } else {
                    journal.stage = Stage::Done;
                    journal.write(paths)?;
                    all.continued = Some(journal);
                }
            }
            Stage::Undoing => {
                let prefix = journal.prefix();
                for file in journal.files.iter_mut().filter(|file| !file.undone) {
                    if settle(&Halfway::of_undo(file), &prefix, &mut all.warnings)? {
                        file.settle_pending();
                    }
                    file.pending = None;
                }
                made::take_back(paths, &mut journal)?;
                journal.stage = if journal.is_undone() { Stage::Undone } else { Stage::Done };
                journal.write(paths)?;
            }
        }
    }
    Ok(all)
}

// Brings the files that a killed run was writing to one state or the other.
fn settle_all(journal: &mut Journal, all: &mut Recovered) -> Result<(), MigrateError> {
    let prefix = journal.prefix();
    for file in journal.files.iter_mut().filter(|file| !file.done) {
        file.done = settle(&Halfway::of_run(file), &prefix, &mut all.warnings)?;
        if file.done && file.zsh {
            remove_compiled(&file.path)?;
        }
    }
    Ok(())
}

// Takes those that are as they were out of the journal, and returns them.
fn drop_left(journal: &mut Journal) -> Vec<PathBuf> {
    let left = journal.files.iter().filter(|file| !file.done).map(|file| file.path.clone()).collect();
    journal.files.retain(|file| file.done);
    left
}

// Rewrites the files that share an account with one that was rewritten. Gives those that cannot be: half of an account
// is in them.
fn complete(journal: &mut Journal) -> Result<Vec<Half>, MigrateError> {
    let prefix = journal.prefix();
    let done: BTreeSet<PathBuf> = journal.files.iter().filter(|file| file.done).map(|file| file.path.clone()).collect();
    let mut half = Vec::new();
    for file in journal.files.iter_mut().filter(|file| !file.done && !file.partners.is_disjoint(&done)) {
        match rewrite(file, &prefix) {
            Ok(()) => {
                file.done = true;
                if file.zsh {
                    remove_compiled(&file.path)?;
                }
            }
            Err(why) => half.push(Half { file: file.path.clone(), why, run: journal.run.clone() }),
        }
    }
    Ok(half)
}

fn rewrite(file: &FileRecord, prefix: &str) -> Result<(), String> {
    let path = &file.path;
    let now = platform::read_snapshot(path, MAX_FILE).map_err(|error| format!("cannot be read: {error}"))?;
    let after = file.image(&now.bytes).filter(|_| now.ours).ok_or("was edited since")?;
    let content =
        Content { path, target: path, stamp: &now.stamp, links: now.links, before: &now.bytes, after: &after };
    replace(&content, prefix).map_err(Refusal::why)
}

/// A file that a killed run may have been writing.
struct Halfway<'a> {
    path: &'a Path,
    in_place: bool,
    /// SHA-256 of what was to be replaced.
    from: &'a str,
    /// Its size, in bytes.
    size: u64,
    /// SHA-256 of what was to be written.
    wanted: &'a str,
}

impl<'a> Halfway<'a> {
    fn of_run(file: &'a FileRecord) -> Self {
        let from = file.before.as_deref().unwrap_or_default();
        Self { path: &file.path, in_place: file.in_place, from, size: file.size, wanted: &file.after }
    }

    // Where nothing is pending, nothing was being written.
    fn of_undo(file: &'a FileRecord) -> Self {
        let (path, in_place) = (&file.path, file.in_place);
        match &file.pending {
            Some(pending) => Self { path, in_place, from: &pending.from, size: pending.size, wanted: &pending.after },
            None => Self { path, in_place: false, from: "", size: 0, wanted: "" },
        }
    }
}

// Whether a file has come to the wanted image. A torn one gets it again from the copy that was kept; what a killed run
// left beside the file goes.
fn settle(file: &Halfway<'_>, prefix: &str, warnings: &mut Vec<String>) -> Result<bool, MigrateError> {
    let Ok(now) = platform::read_snapshot(file.path, MAX_FILE) else {
        return sweep(file.path, prefix).map(|()| false);
    };
    let hash = digest(&now.bytes);
    let mut whole = hash == file.wanted;
    if file.in_place && hash != file.from && hash != file.wanted {
        for image in images(file.path, prefix) {
            let Ok(copy) = platform::read_snapshot(&image, MAX_FILE) else { continue };
            if digest(&copy.bytes) != file.wanted {
                continue;
            }
            // Torn means: begins as the image does, and is no longer than either. Anything else is somebody's edit.
            let same = now.bytes.iter().zip(copy.bytes.iter()).take_while(|(a, b)| a == b).count();
            if same == 0 || now.bytes.len() as u64 > file.size.max(copy.bytes.len() as u64) {
                let (file, image) = (file.path.display(), image.display());
                warnings.push(format!("{file} was edited after a run was killed; what that run wrote is in {image}"));
                return Ok(false);
            }
            platform::write_in_place(file.path, &copy.bytes)
                .map_err(|error| MigrateError::file(file.path.to_owned(), format!("cannot be made whole: {error}")))?;
            whole = true;
        }
    }
    sweep(file.path, prefix)?;
    Ok(whole)
}

fn images(path: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = path.parent().and_then(|folder| fs::read_dir(folder).ok());
    let named = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(prefix);
    let mut found: Vec<PathBuf> =
        entries.into_iter().flatten().flatten().filter(named).map(|entry| entry.path()).collect();
    found.sort();
    found
}

// Deletes what a killed run left beside a file.
fn sweep(path: &Path, prefix: &str) -> Result<(), MigrateError> {
    for stray in images(path, prefix) {
        fs::remove_file(&stray)
            .map_err(|error| MigrateError::file(stray.clone(), format!("cannot be removed: {error}")))?;
    }
    Ok(())
}
