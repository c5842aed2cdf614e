//! Brings what a killed run left to a state that a new one starts from.
//!
//! A process may be killed between any two steps of `apply` and `undo`. Each file is found in one state or the other, a
//! torn one is made whole, and what the run made for files that it did not rewrite is taken back. `migrate` and its
//! `undo` call this before everything else, under the lock.

use super::MigrateError;
use super::apply::remove_compiled;
use super::files::MAX_FILE;
use super::journal::{self, FileRecord, Journal, Stage, digest};
use super::made;
use crate::paths::Paths;
use crate::platform;
use std::fs;
use std::path::{Path, PathBuf};

/// What an interrupted run left.
#[derive(Default)]
pub(crate) struct Recovered {
    /// Its journal, when it had rewritten files: the next run takes it over, so that one `undo` takes all back.
    pub continued: Option<Journal>,
    /// The files it had not come to.
    pub left: Vec<PathBuf>,
    /// What the user must look at.
    pub warnings: Vec<String>,
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
                    journal.write(paths)?;
                }
            }
            Stage::Planned | Stage::Stored => {
                let left = settle_all(&mut journal, &mut all)?;
                all.left.extend(left);
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

// Brings the files that a killed run was writing to one state or the other. Those that are as they were leave the
// journal, and are returned.
fn settle_all(journal: &mut Journal, all: &mut Recovered) -> Result<Vec<PathBuf>, MigrateError> {
    let prefix = journal.prefix();
    for file in journal.files.iter_mut().filter(|file| !file.done) {
        file.done = settle(&Halfway::of_run(file), &prefix, &mut all.warnings)?;
        if file.done && file.zsh {
            remove_compiled(&file.path)?;
        }
    }
    let left = journal.files.iter().filter(|file| !file.done).map(|file| file.path.clone()).collect();
    journal.files.retain(|file| file.done);
    Ok(left)
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
