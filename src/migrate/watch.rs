//! Says when a key comes into one of the files that a run looks at: what `ringlet migrate --watch` waits for.
//!
//! Reads only, and only what changed: the system says in which folder something happened, and a file is read when its
//! stamp is not the one that was seen last. Nothing is polled. Of a value that is seen only its digest is remembered.
//! The keys that earlier runs moved are held in memory, since a copy is known by its value alone.

use super::MigrateError;
use super::accounts::Machine;
use super::dialect;
use super::examine::{Action, Finding};
use super::files::Found;
use super::files::{self, Candidate, Role};
use super::journal::digest;
use super::model::Reason;
use super::plan::{self, Choices, Reading, Scan};
use crate::env::Env;
use crate::paths::Paths;
use crate::platform;
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// An editor's save is several events; they are waited for this long, and never longer than the second.
const QUIET: Duration = Duration::from_millis(40);
const AT_MOST: Duration = Duration::from_millis(300);

/// A key that stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The file, as it was found or named.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// The variable it is set to, if any.
    pub variable: Option<String>,
    /// Whose key it is.
    pub provider: String,
    /// Why it would stay there, if it would.
    pub reason: Option<Reason>,
}

impl Seen {
    fn of(file: &Path, finding: &Finding) -> Self {
        let reason = match finding.action {
            Action::Moved(_) => None,
            Action::Reported(reason) => Some(reason),
        };
        let (variable, provider) = (finding.variable.clone(), finding.provider.clone());
        Self { file: file.to_owned(), line: finding.line, variable, provider, reason }
    }
}

/// What a file was when it was read last.
#[derive(Default)]
struct Known {
    stamp: Option<String>,
    // Digests of the variable and the value.
    keys: BTreeSet<String>,
}

/// The files that are watched.
pub(crate) struct Watch<'a> {
    paths: &'a Paths,
    env: &'a Env,
    named: &'a [PathBuf],
    machine: Machine<'a>,
    watcher: RecommendedWatcher,
    events: Receiver<notify::Result<Event>>,
    folders: BTreeMap<PathBuf, Option<(u64, u64)>>,
    files: BTreeMap<PathBuf, Known>,
}

impl<'a> Watch<'a> {
    /// Begins to watch the named files, or all that a run would look at; gives what is in them now.
    pub(crate) fn start(
        paths: &'a Paths,
        env: &'a Env,
        named: &'a [PathBuf],
        machine: Machine<'a>,
    ) -> Result<(Self, Vec<Seen>), MigrateError> {
        let (send, events) = mpsc::channel();
        // A receiver that is gone means that the watch is over.
        let watcher = notify::recommended_watcher(move |event| drop(send.send(event))).map_err(watching(None))?;
        let (folders, files) = Default::default();
        let mut watch = Self { paths, env, named, machine, watcher, events, folders, files };
        let there = watch.look()?;
        Ok((watch, there))
    }

    /// How many files there are to watch.
    pub(crate) fn count(&self) -> usize {
        self.files.len()
    }

    /// Waits until a key comes into a file where it was not before.
    pub(crate) fn wait(&mut self) -> Result<Vec<Seen>, MigrateError> {
        loop {
            let mut relevant = self.is_relevant(self.events.recv())?;
            let until = Instant::now() + AT_MOST;
            while Instant::now() < until
                && let Ok(event) = self.events.recv_timeout(QUIET)
            {
                relevant |= self.is_relevant(Ok(event))?;
            }
            if relevant {
                let news = self.look()?;
                if !news.is_empty() {
                    return Ok(news);
                }
            }
        }
    }

    fn is_relevant(&self, event: Result<notify::Result<Event>, mpsc::RecvError>) -> Result<bool, MigrateError> {
        let event = event.map_err(|error| MigrateError::Watch { folder: None, why: error.to_string() })?;
        let event = event.map_err(watching(None))?;
        Ok(match event.kind {
            // Reading, our own included, changes nothing.
            EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Modify(ModifyKind::Data(_)) => {
                event.need_rescan() || event.paths.iter().any(|path| self.is_ours(path))
            }
            EventKind::Access(_) => event.need_rescan(),
            _ => true,
        })
    }

    // Watched by the file's own name, or by that of what it links to.
    fn is_ours(&self, path: &Path) -> bool {
        self.files.contains_key(path) || self.files.keys().any(|file| platform::same_file(file, path))
    }

    fn wanted(&self) -> Found {
        if self.named.is_empty() {
            return files::find(self.paths, self.env);
        }
        let candidate = |path: &PathBuf| {
            let dialect = dialect::of(path, &files::first_bytes(path));
            Candidate { path: path.clone(), dialect, role: Role::Rc }
        };
        let folders = self.named.iter().filter_map(|path| path.parent().map(Path::to_owned));
        let candidates: Vec<Candidate> = self.named.iter().map(candidate).collect();
        let mut found = Found::from(candidates);
        found.folders = folders.collect();
        found
    }

    // Watches what there is to watch by now, reads what changed, and gives the keys that are new.
    fn look(&mut self) -> Result<Vec<Seen>, MigrateError> {
        let found = loop {
            let found = self.wanted();
            // A change behind a symlink happens in the target's folder.
            let real = |candidate: &Candidate| candidate.path.canonicalize().ok()?.parent().map(Path::to_owned);
            let folders: BTreeSet<PathBuf> =
                found.folders.iter().cloned().chain(found.candidates.iter().filter_map(real)).collect();
            let mut is_new = false;
            for folder in folders {
                is_new |= self.watch(&folder)?;
            }
            // What came into a folder before it was watched would not be seen.
            if !is_new {
                break found;
            }
        };
        let mut now = BTreeMap::new();
        let mut changed = Vec::new();
        for candidate in &found.candidates {
            let mut known = self.files.remove(&candidate.path).unwrap_or_default();
            let stamp = platform::content_stamp(&candidate.path).ok();
            if stamp.is_none() {
                known = Known::default();
            } else if stamp != known.stamp {
                known.stamp = stamp;
                changed.push(candidate);
            }
            now.insert(candidate.path.clone(), known);
        }
        let mut news = Vec::new();
        let mut tell = |scan: &Scan| {
            for (path, findings) in scan.findings() {
                let Some(known) = now.get_mut(path) else { continue };
                let before = std::mem::take(&mut known.keys);
                for finding in findings {
                    let variable = finding.variable.as_deref().unwrap_or_default();
                    let key = digest(&[variable.as_bytes(), b"=", &finding.value].concat());
                    if !before.contains(&key) {
                        news.push(Seen::of(path, finding));
                    }
                    known.keys.insert(key);
                }
            }
        };
        // Code is judged together, as a run does: what changed in one file may make a key of what stands in another.
        let (alone, code): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|candidate| candidate.role.is_report_only());
        if !code.is_empty() {
            tell(&Reading::new(&found, &[]).without_reports().scan(&self.machine, &Choices::default()));
        }
        for candidate in alone {
            tell(&plan::scan(&Found::from(vec![candidate.clone()]), &[], &self.machine));
        }
        self.files = now;
        Ok(news)
    }

    // The folder itself, or what is there of the way to it: one that is made later is seen from there.
    // Reports whether it was not watched before.
    fn watch(&mut self, folder: &Path) -> Result<bool, MigrateError> {
        let Some(there) = folder.ancestors().find(|folder| folder.is_dir()) else { return Ok(false) };
        let identity = platform::file_identity(there);
        match self.folders.get(there) {
            Some(known) if *known == identity => return Ok(false),
            // Another folder has the name now.
            Some(_) => drop(self.watcher.unwatch(there)),
            None => {}
        }
        match self.watcher.watch(there, RecursiveMode::NonRecursive) {
            Ok(()) => drop(self.folders.insert(there.to_owned(), identity)),
            // A folder of which nothing may be known holds nothing that a shell of the user's could read.
            Err(error) if is_denied(&error) => return Ok(false),
            Err(error) => return Err(watching(Some(there))(error)),
        }
        Ok(true)
    }
}

fn is_denied(error: &notify::Error) -> bool {
    matches!(&error.kind, notify::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied)
}

fn watching(folder: Option<&Path>) -> impl FnOnce(notify::Error) -> MigrateError {
    let folder = folder.map(Path::to_owned);
    move |error| {
        let why = match error.kind {
            notify::ErrorKind::MaxFilesWatch => "the system watches as many folders as it can".to_owned(),
            other => notify::Error::new(other).to_string(),
        };
        MigrateError::Watch { folder, why }
    }
}
