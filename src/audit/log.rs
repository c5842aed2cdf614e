//! Appends and rotates. Called through [`Log`] by every part that hands out or changes a key.
//!
//! The chain is continued from the head file, not from what the log happens to end in: so damage is never healed
//! over, it stays visible as a break in the chain. The one exception is a line that the head announced and a dying
//! process left whole.

use super::AuditError;
use super::chain::{Claim, Link};
use super::files::{self, Files, Part, Standing};
use super::head::{Head, HeadFile, Stored};
use super::lines::{self, Lines, MAX_LINE};
use super::record::{Entry, Record};
use crate::digest::Digest;
use crate::platform::{HeldLock, LockFile};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How large the log may grow, and how long an append may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in the active file before it is rotated.
    pub max_bytes: u64,
    /// Rotated files that are kept; none is taken as one.
    pub keep: u32,
    /// How long another process may hold the lock before the append fails.
    pub lock_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, keep: 8, lock_wait: Duration::from_secs(2) }
    }
}

/// An audit log that can be appended to, by any number of threads and processes at once.
#[derive(Debug)]
pub struct Log {
    files: Files,
    limits: Limits,
    /// What threads of this process want to append. The thread that has the turn writes all of it.
    queue: Mutex<Vec<Waiting>>,
    /// One thread of this process at a time asks for the lock: what threads wait for one another does not count as
    /// another process' holding it.
    turn: Mutex<Kept>,
}

/// Records of one call, and what became of them.
#[derive(Debug)]
struct Waiting {
    records: Vec<Record>,
    outcome: Arc<Mutex<Option<Result<(), AuditError>>>>,
}

/// The files that an append leaves open. The next append checks that the paths still lead to them.
#[derive(Debug, Default)]
struct Kept {
    lock: Option<(LockFile, Option<Standing>)>,
    files: Option<OpenFiles>,
}

/// The files that an append writes.
#[derive(Debug)]
struct OpenFiles {
    head: HeadFile,
    active: Active,
}

/// Where a log is and how large it may grow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LogPlace {
    path: PathBuf,
    max_bytes: u64,
    keep: u32,
}

impl LogPlace {
    /// Opens the log.
    #[cfg(target_os = "linux")]
    pub(crate) fn open(&self) -> Result<Log, AuditError> {
        Log::open(&self.path, Limits { max_bytes: self.max_bytes, keep: self.keep, ..Limits::default() })
    }
}

impl Log {
    /// Checks the folder (created with mode 0700) and the file, so that an unusable log is refused before a key is
    /// fetched.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, AuditError> {
        let files = Files::new(path)?;
        files.prepare_folder()?;
        files::open_private(files.active(), files::Write::Append)?;
        Ok(Self { files, limits, queue: Mutex::default(), turn: Mutex::default() })
    }

    /// Returns where the log is, for another process.
    pub(crate) fn place(&self) -> LogPlace {
        LogPlace { path: self.files.active().to_owned(), max_bytes: self.limits.max_bytes, keep: self.limits.keep }
    }

    /// Appends one record. Any error means that it may be missing from the log: the caller must not go on.
    ///
    /// A crash leaves the log without the line, or with the whole line, announced by the head; after a power cut also
    /// with a part of it, which stays, and which the next append ends with a newline.
    pub fn append(&self, record: &Record) -> Result<(), AuditError> {
        self.append_all(std::slice::from_ref(record))
    }

    /// Appends records in their order, each as [`Self::append`] does, with nobody's in between. An error may come after
    /// some of them.
    pub fn append_all(&self, records: &[Record]) -> Result<(), AuditError> {
        let outcome = Arc::new(Mutex::new(None));
        locked(&self.queue).push(Waiting { records: records.to_vec(), outcome: Arc::clone(&outcome) });
        let mut turn = locked(&self.turn);
        // The thread that had the turn before may have written these records as well.
        if let Some(done) = locked(&outcome).take() {
            return done;
        }
        let waiting = std::mem::take(&mut *locked(&self.queue));
        let failed = self.write(&mut turn, &waiting).err();
        for one in &waiting {
            // An error concerns them all: it may have come before any of their lines was announced as written.
            let mut outcome = locked(&one.outcome);
            match &failed {
                Some(error) => *outcome = Some(Err(error.clone())),
                None => drop(outcome.get_or_insert(Ok(()))),
            }
        }
        drop(turn);
        locked(&outcome).take().expect("it was in the queue until this thread wrote what is there")
    }

    /// Writes what waits under one lock. A record that is too long is an error of its call alone.
    fn write(&self, kept: &mut Kept, waiting: &[Waiting]) -> Result<(), AuditError> {
        let Kept { lock, files } = kept;
        let _held = self.hold(lock)?;
        // After an error they are opened anew.
        let (mut open, stored) = match files.take() {
            Some(open) => open.read_again(&self.files)?,
            None => OpenFiles::open(&self.files)?,
        };
        let mut head = match stored {
            Stored::Valid(head) => open.active.complete(head)?,
            Stored::Absent | Stored::Damaged => rebuild(&self.files)?,
        };
        for one in waiting {
            if let Err(too_long) = self.write_records(&mut open, &mut head, &one.records)? {
                *locked(&one.outcome) = Some(Err(too_long));
            }
        }
        open.head.store(&head)?;
        *files = Some(open);
        Ok(())
    }

    // The inner error concerns these records alone.
    fn write_records(
        &self,
        open: &mut OpenFiles,
        head: &mut Head,
        records: &[Record],
    ) -> Result<Result<(), AuditError>, AuditError> {
        for record in records {
            let n = head.last.n.saturating_add(1);
            let line = Entry { n, record: record.clone(), prev: head.last.hash }.to_line();
            if line.len() > MAX_LINE {
                return Ok(Err(AuditError::TooLong(line.len())));
            }
            // A torn file is not rotated: the newline that ends the fragment belongs behind it.
            let active = &open.active;
            let full = active.length > 0 && active.length + line.len() as u64 >= self.limits.max_bytes;
            if full && !active.torn {
                let rotation = Rotation::plan(&self.files, self.limits.keep, *head)?;
                *head = rotation.head;
                rotation.run(&mut open.head, usize::MAX)?;
                open.active = Active::open(&self.files)?;
            }
            let hash = Digest::of(line.as_bytes());
            // One write for the line before and for this one: the next line, or the end, says that it is there.
            open.head.store(&Head { announced: Some(hash), ..*head })?;
            open.active.write(&line)?;
            head.last = Link { n, hash };
        }
        Ok(Ok(()))
    }

    fn hold<'l>(&self, kept: &'l mut Option<(LockFile, Option<Standing>)>) -> Result<HeldLock<'l>, AuditError> {
        let path = self.files.lock_path();
        // Other processes lock the file at the path, so a lock on a file that was moved away excludes none of them.
        let is_there = |standing| Standing::of_path(standing, &path).is_some();
        let (lock, _) = match kept.take_if(|(_, standing)| is_there(*standing)) {
            Some(lock) => kept.insert(lock),
            None => {
                let lock = LockFile::open(&path)?;
                let standing = Standing::of(&lock.metadata().map_err(AuditError::io("examine", &path))?);
                kept.insert((lock, standing))
            }
        };
        Ok(lock.hold(self.limits.lock_wait)?)
    }
}

// A thread that panicked has left no more than a killed process would have.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OpenFiles {
    fn open(files: &Files) -> Result<(Self, Stored), AuditError> {
        let (head, stored) = HeadFile::open(files)?;
        Ok((Self { head, active: Active::open(files)? }, stored))
    }

    // What other processes have written since; opened anew where a path leads to another file, as after a rotation.
    fn read_again(mut self, files: &Files) -> Result<(Self, Stored), AuditError> {
        let stored = match self.head.read_again()? {
            Some(stored) => stored,
            None => return Self::open(files),
        };
        if !self.active.measure_again()? {
            self.active = Active::open(files)?;
        }
        Ok((self, stored))
    }
}

/// The file that is appended to, as it was found under the lock.
#[derive(Debug)]
struct Active {
    path: PathBuf,
    file: File,
    standing: Option<Standing>,
    length: u64,
    torn: bool,
}

impl Active {
    fn open(files: &Files) -> Result<Self, AuditError> {
        let path = files.active().to_owned();
        let file = files::open_private(&path, files::Write::Append)?;
        let meta = file.metadata().map_err(AuditError::io("examine", &path))?;
        let torn = lines::is_torn(&file, meta.len()).map_err(AuditError::io("read", &path))?;
        Ok(Self { path, file, standing: Standing::of(&meta), length: meta.len(), torn })
    }

    /// Looks at the end anew; false where the path leads to another file by now.
    fn measure_again(&mut self) -> Result<bool, AuditError> {
        let Some(meta) = Standing::of_path(self.standing, &self.path) else { return Ok(false) };
        self.length = meta.len();
        self.torn = lines::is_torn(&self.file, self.length).map_err(AuditError::io("read", &self.path))?;
        Ok(true)
    }

    /// Completes what a dying process announced, if its line is there; only then is the log's end read at all.
    fn complete(&mut self, mut head: Head) -> Result<Head, AuditError> {
        if let Some(hash) = head.announced.take() {
            let last = lines::last_line(&mut self.file, self.length).map_err(AuditError::io("read", &self.path))?;
            if Digest::of(&last) == hash {
                head.last = Link { n: head.last.n.saturating_add(1), hash };
            }
        }
        Ok(head)
    }

    /// One write call at the end of the file; what it accepted only in part is taken back.
    fn write(&mut self, line: &str) -> Result<(), AuditError> {
        // After a torn line the newline comes first, in the same write: the fragment stays, and stays alone.
        let text = [if self.torn { "\n" } else { "" }, line, "\n"].concat();
        let wrote = loop {
            match self.file.write(text.as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done.map_err(AuditError::io("write", &self.path))?,
            }
        };
        if wrote == text.len() {
            self.length += text.len() as u64;
            self.torn = false;
            return Ok(());
        }
        // A handle of its own: on Windows one for appending may not cut. Should this fail too, the fragment stays
        // and is treated as after a power cut.
        let whole = files::open_private(&self.path, files::Write::InPlace)?;
        whole.set_len(self.length).map_err(AuditError::io("take back a part of a line from", &self.path))?;
        Err(AuditError::Short { path: self.path.clone(), wrote, wanted: text.len() })
    }
}

/// A head for a log that has lost its own. With lines in the log, the next one will follow *nothing* (an all-zero
/// `prev`), which `verify` reports for as long as that line is kept.
fn rebuild(files: &Files) -> Result<Head, AuditError> {
    let rotated = files.rotated_indexes()?.into_iter().map(|index| files.rotated(index));
    let mut found = Vec::new();
    for path in [files.active().to_owned()].into_iter().chain(rotated) {
        let part = Part::open(&path)?;
        found.extend(part.filter(|part| part.length > 0));
    }
    let Some(newest) = found.first_mut() else { return Ok(Head::NEW) };
    let n = Claim::of(&last_line(newest)?).map_or(0, |claim| claim.n);
    let oldest = found.pop().expect("there is a first, so there is a last");
    let anchor = starts_after(oldest)?.unwrap_or(Link::START);
    Ok(Head { last: Link { n, hash: Digest::NONE }, announced: None, anchor })
}

/// A rotation as a list of steps, each of which leaves a log that appends and verifies.
pub(super) struct Rotation {
    /// The head after it: nothing announced, and the anchor moved past what is dropped.
    pub head: Head,
    /// Oldest first; files whose lines all lie before the new anchor.
    drop: Vec<PathBuf>,
    /// Each into a name that is free by then.
    rename: Vec<(PathBuf, PathBuf)>,
}

impl Rotation {
    /// Only looks. A gap in the numbers, as a crash during a rotation leaves it, is filled before anything is dropped.
    pub(super) fn plan(files: &Files, keep: u32, mut head: Head) -> Result<Self, AuditError> {
        let keep = keep.max(1);
        let existing = files.rotated_indexes()?;
        let free = (1..=keep).find(|index| !existing.contains(index));
        let kept = if free.is_some() { keep } else { keep - 1 };
        let (keeping, dropping): (Vec<_>, Vec<_>) = existing.into_iter().partition(|&index| index <= kept);
        if let Some(&newest) = dropping.first() {
            let oldest_kept = keeping.last().map_or(files.active().to_owned(), |&index| files.rotated(index));
            head.anchor = anchor(&files.rotated(newest), &oldest_kept)?.unwrap_or(head.anchor);
        }
        let shifts = (1..free.unwrap_or(keep)).rev().map(|index| (files.rotated(index), files.rotated(index + 1)));
        let rename = shifts.chain([(files.active().to_owned(), files.rotated(1))]).collect();
        Ok(Self { head, drop: dropping.into_iter().rev().map(|index| files.rotated(index)).collect(), rename })
    }

    /// Does the first `steps` of it. The head comes first: what it no longer answers for may then go.
    pub(super) fn run(&self, head_file: &mut HeadFile, steps: usize) -> Result<(), AuditError> {
        let Some(steps) = steps.checked_sub(1) else { return Ok(()) };
        head_file.store(&self.head)?;
        for path in self.drop.iter().take(steps) {
            fs::remove_file(path).map_err(AuditError::io("remove", path))?;
        }
        for (from, to) in self.rename.iter().take(steps.saturating_sub(self.drop.len())) {
            fs::rename(from, to).map_err(AuditError::io("rename", from))?;
        }
        Ok(())
    }

    /// How many steps there are.
    #[cfg(test)]
    pub(super) fn steps(&self) -> usize {
        1 + self.drop.len() + self.rename.len()
    }
}

/// The chain's place between two files: after the last dropped line or, where that one is damaged, before the first
/// kept one.
fn anchor(dropped: &Path, kept: &Path) -> Result<Option<Link>, AuditError> {
    if let Some(mut part) = Part::open(dropped)? {
        let last = last_line(&mut part)?;
        if let Some(claim) = Claim::of(&last) {
            return Ok(Some(Link { n: claim.n, hash: Digest::of(&last) }));
        }
    }
    Part::open(kept)?.map_or(Ok(None), starts_after)
}

/// The last line of one of the log's files, whole or not.
fn last_line(part: &mut Part) -> Result<Vec<u8>, AuditError> {
    lines::last_line(&mut part.file, part.length).map_err(AuditError::io("read", &part.path))
}

/// The line that the first line of one of the log's files says it follows.
fn starts_after(part: Part) -> Result<Option<Link>, AuditError> {
    let mut lines = Lines::new(&part.file, part.length);
    let first = lines.next().map_err(AuditError::io("read", &part.path))?;
    let claim = first.and_then(|(line, _)| Claim::of(line));
    Ok(claim.map(|claim| Link { n: claim.n - 1, hash: claim.prev }))
}
