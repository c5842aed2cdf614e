//! Reads the files of a run and takes them apart, or looks through what is only reported. Judges nothing.

use crate::migrate::detect::Known;
use crate::migrate::dialect::{self, Dialect};
use crate::migrate::entries::{self, Entries, Stays, Store};
use crate::migrate::examine::{Finding, Parsed};
use crate::migrate::files::{self, Candidate, Found, MAX_FILE, Role, Shell};
use crate::migrate::model::Reason;
use crate::migrate::utf16::Encoding;
use crate::migrate::vocabulary::Terms;
use crate::migrate::{lines, stores, stream};
use crate::platform::{self, ReadError, Snapshot, Stamp};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A file that could not be read, or must not be edited.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

// What is only reported is kept to this size, for whoever wants to know what else stands beside a key.
const KEPT: u64 = 1 << 20;

/// The files of a run: those that the user names, and those that were found. They are read once, and can be judged
/// again with other choices.
pub(crate) struct Reading<'a> {
    found: &'a Found,
    named: &'a [PathBuf],
    pub(super) files: Vec<Pending>,
    /// How many of them can be edited; the first ones. Nothing before they are read.
    pub(super) edited: Option<usize>,
    /// Whether what is only reported is looked through as well.
    pub(super) reports: bool,
    pub(super) troubles: Vec<Trouble>,
    /// The files that a plan could not edit, symlinks resolved.
    pub(super) stuck: BTreeSet<PathBuf>,
    seen: BTreeSet<PathBuf>,
    // The files by their stamps.
    stamps: HashMap<Stamp, Vec<usize>>,
}

/// A file, before it is judged.
pub(super) struct Pending {
    pub path: PathBuf,
    pub target: PathBuf,
    pub dialect: Dialect,
    pub snapshot: Arc<Snapshot>,
    pub encoding: Encoding,
    pub content: Content,
    pub reader: Reader,
    pub blocked: Option<Reason>,
    /// The same, or because this plan does not edit it.
    pub stays: Option<Reason>,
    /// Where the words begin that the person wants to stay.
    pub declined: Vec<usize>,
    /// Whether a shell reads it at its start.
    pub is_started: bool,
    /// The parts that the user's login shell reads, each with its place in their order.
    pub steps: Vec<(Range<usize>, usize)>,
    /// The parts that a shell reads in any case; nothing where none is known to read any of it.
    pub sure: Option<Vec<Range<usize>>>,
    /// How a key in it is replaced, where it is a program's own.
    pub remedy: Option<&'static str>,
    /// The store of logins that it is, with its entries or why they stay.
    pub store: Option<(Store, Result<Entries, Stays>)>,
}

/// Files that are read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Those that can be edited.
    Edited,
    /// Agents' stores of logins.
    Stores,
    /// Those that are only reported.
    Reported,
}

/// What a file holds.
pub(super) enum Content {
    /// Code.
    Parsed(Parsed),
    /// The same, which a judgement has used up.
    Used,
    /// What is only reported.
    Reported(Vec<Finding>),
}

/// What reads a file.
pub(super) enum Reader {
    Shells(u8),
    Script(String),
    Nothing,
}

impl<'a> Reading<'a> {
    /// Reads nothing yet.
    pub(crate) fn new(found: &'a Found, named: &'a [PathBuf]) -> Self {
        let (files, stuck, seen, stamps) = Default::default();
        let unread = found.unread.iter().cloned();
        let troubles = unread.map(|(path, why)| Trouble { path, why }).collect();
        Self { found, named, files, edited: None, reports: true, troubles, stuck, seen, stamps }
    }

    /// Leaves out what is only reported.
    pub(crate) fn without_reports(self) -> Self {
        Self { reports: false, ..self }
    }

    /// The files that were looked through, and whether each could be edited.
    pub(crate) fn looked(&self) -> impl Iterator<Item = (&Path, bool)> {
        let edited = self.edited.unwrap_or_default();
        self.files.iter().enumerate().map(move |(at, file)| (file.path.as_path(), at < edited))
    }

    /// The folders of records of which only the latest were looked through, and how many.
    pub(crate) fn older(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.found.older.iter().map(|(folder, how_many)| (folder.as_path(), how_many.as_str()))
    }

    /// Leaves a file as it is from now on.
    pub(super) fn leave(&mut self, target: PathBuf, trouble: Trouble) {
        self.stuck.insert(target);
        self.troubles.push(trouble);
    }

    /// Reads a part of the files.
    pub(super) fn all(&mut self, terms: Terms<'_>, login: Option<Shell>, part: Part) {
        let found = self.found;
        let scan = self;
        let all =
            scan.named.iter().map(|path| (path, None)).chain(
                found.candidates.iter().enumerate().map(|(at, candidate)| (&candidate.path, Some((at, candidate)))),
            );
        for (path, placed) in all {
            let candidate = placed.map(|(_, candidate)| candidate);
            let trouble = |why: String| Trouble { path: path.clone(), why };
            let report_only = candidate.is_some_and(|candidate| candidate.role.is_report_only());
            let store = placed.and_then(|(at, _)| found.own(at)).and_then(|own| own.store);
            let own = match (report_only, store) {
                (false, _) => Part::Edited,
                (true, Some(_)) => Part::Stores,
                (true, None) => Part::Reported,
            };
            if own != part {
                continue;
            }
            let target = path.canonicalize().unwrap_or_else(|_| path.clone());
            if !scan.seen.insert(target.clone()) {
                continue;
            }
            let (snapshot, rest) = match open(path, &target, candidate) {
                Ok(opened) => opened,
                Err(error) => {
                    let vanished = error.is_absent() && candidate.is_some() && path.symlink_metadata().is_err();
                    if !report_only && !vanished {
                        scan.troubles.push(trouble(match error {
                            ReadError::TooLarge(_) => "it is larger than 16 MiB, which no rc file is".into(),
                            ReadError::Io(error) => format!("cannot be read: {error}"),
                            other => other.to_string(),
                        }));
                    }
                    continue;
                }
            };
            // Two names of one file are one file.
            let same = scan.stamps.entry(snapshot.stamp.clone()).or_default();
            if same.iter().any(|file| platform::same_file(&scan.files[*file].target, &target)) {
                continue;
            }
            same.push(scan.files.len());
            let is_whole = rest.is_none();
            let mut snapshot = snapshot;
            let encoding = decode(&mut snapshot);
            let (mut snapshot, dialect, content, unlisted) = look_into(path, candidate, snapshot, rest, terms);
            scan.troubles.extend(unlisted.map(trouble));
            let store = store.map(|store| {
                let is_text = is_whole && encoding.is_bytes();
                (store, if is_text { entries::read(&snapshot.bytes, store) } else { Err(Stays::NotJson) })
            });
            let blocked = match () {
                _ if store.as_ref().is_some_and(|(_, entries)| entries.is_ok() && snapshot.ours) => None,
                () if report_only => Some(Reason::NotEdited),
                _ if !snapshot.ours => Some(Reason::ForeignOwned),
                _ => None,
            };
            if (report_only || dialect.is_report_only()) && snapshot.stamp.size() > KEPT {
                snapshot.bytes = Zeroizing::default();
            }
            let shells = placed.map(|(at, _)| found.shells(at)).unwrap_or_default();
            let reader = reader(path, candidate, dialect, &shells);
            let is_started = is_read_at_start(path, candidate, dialect);
            let content = match content {
                Content::Parsed(parsed) if report_only => {
                    let examined = parsed.by_itself(&snapshot.bytes, terms);
                    let examined = if is_started { examined } else { examined.without_unknown_names() };
                    Content::Reported(examined.into_findings())
                }
                other => other,
            };
            // What its agent finds in it by name, a search for the form of keys may miss.
            let is_silent = matches!(&content, Content::Reported(found) if found.is_empty());
            if store.as_ref().is_some_and(|(_, entries)| entries.is_err()) && is_silent && snapshot.stamp.size() > 0 {
                let why = match is_whole {
                    true => "it is not JSON as its agent reads it",
                    false => "it is too large to be read as its agent reads it",
                };
                scan.troubles.push(trouble(format!("{why}, so a key in it may be missed")));
            }
            let steps = placed.map(|(at, _)| found.steps(at, login)).unwrap_or_default();
            let sure = placed.and_then(|(at, _)| found.sure(at));
            let remedy = placed.and_then(|(at, _)| found.own(at)).map(|own| own.then);
            scan.files.push(Pending {
                path: path.clone(),
                target,
                dialect,
                snapshot: Arc::new(snapshot),
                encoding,
                content,
                reader,
                blocked,
                stays: blocked,
                declined: Vec::new(),
                is_started,
                steps,
                sure,
                remedy,
                store,
            });
        }
    }
}

// What reads a file.
fn reader(path: &Path, candidate: Option<&Candidate>, dialect: Dialect, shells: &BTreeSet<Shell>) -> Reader {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_loose = candidate.is_none() && (dialect == Dialect::DotEnv || name == ".envrc");
    if is_loose || candidate.is_some_and(|candidate| candidate.role.is_report_only()) {
        return Reader::Nothing;
    }
    if candidate.is_some_and(|candidate| candidate.role == Role::Script) {
        return Reader::Script(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
    }
    let own = match dialect {
        Dialect::Bash => &[Shell::Bash][..],
        Dialect::Sh => &[Shell::Sh, Shell::Bash],
        Dialect::Zsh => &[Shell::Zsh],
        Dialect::Fish | Dialect::FishVariables => &[Shell::Fish],
        Dialect::Csh => &[Shell::Csh],
        Dialect::Nushell => &[Shell::Nushell],
        Dialect::PowerShell => &[Shell::PowerShell],
        _ => &[Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Csh, Shell::Nushell, Shell::PowerShell],
    };
    // What only a function, an alias or a script reads is at no shell's top level.
    if shells.is_empty() && candidate.is_some_and(|candidate| candidate.role == Role::Sourced) {
        return Reader::Nothing;
    }
    // Another file that no shell's order reaches is read by hand, in its own language.
    let bits = |shells: &mut dyn Iterator<Item = &Shell>| shells.fold(0, |all, shell| all | 1 << *shell as u8);
    Reader::Shells(if shells.is_empty() { bits(&mut own.iter()) } else { bits(&mut shells.iter()) })
}

/// Makes a file's text of its bytes.
pub(super) fn decode(snapshot: &mut Snapshot) -> Encoding {
    let (encoding, text) = Encoding::decode(&snapshot.bytes);
    if let Some(text) = text {
        snapshot.bytes = text;
    }
    encoding
}

// Reads a file, or opens it where it is too large to be read whole and need not be.
fn open(path: &Path, target: &Path, candidate: Option<&Candidate>) -> Result<(Snapshot, Option<File>), ReadError> {
    let limit = match candidate {
        Some(candidate) if candidate.dialect.is_report_only() => KEPT,
        _ => MAX_FILE,
    };
    let passes = || match candidate {
        Some(candidate) => candidate.role.is_report_only() || candidate.dialect.is_report_only(),
        // Whatever a script's name promises could be edited was meant to be.
        None => [&[][..], &files::first_bytes(target)].iter().all(|first| dialect::of(path, first).is_report_only()),
    };
    match platform::read_snapshot(target, limit) {
        Err(ReadError::TooLarge(_)) if passes() => {
            let (file, snapshot) = platform::open_snapshot(target)?;
            Ok((snapshot, Some(file)))
        }
        done => Ok((done?, None)),
    }
}

// Takes the file apart, or looks through what is only reported; also gives why not all of it is listed.
fn look_into(
    path: &Path,
    candidate: Option<&Candidate>,
    snapshot: Snapshot,
    rest: Option<File>,
    terms: Terms<'_>,
) -> (Snapshot, Dialect, Content, Option<String>) {
    let Some(file) = rest else {
        let dialect = candidate.map_or_else(|| dialect::of(path, &snapshot.bytes), |candidate| candidate.dialect);
        // A compiled file holds every word twice, which only a look at all of it tells.
        if !dialect.is_report_only() || lines::is_compiled(&snapshot.bytes) {
            let parsed = Parsed::new(&snapshot.bytes, dialect, terms);
            return (snapshot, dialect, Content::Parsed(parsed), None);
        }
        let is_own = candidate.is_some_and(|candidate| candidate.role == Role::AgentConfig);
        let seen = seen_in(path, &snapshot.bytes, dialect, terms, is_own);
        return (snapshot, dialect, Content::Reported(seen.findings), seen.trouble);
    };
    let dialect = candidate.map_or_else(|| dialect::of(path, &files::first_bytes(path)), |candidate| candidate.dialect);
    // Too large to be taken apart as code, such a backup still is text.
    let dialect = if dialect.is_report_only() { dialect } else { Dialect::Text };
    // A history that grows meanwhile is read to where it ended.
    let seen = stream::look_through(file.take(snapshot.stamp.size()), dialect, terms.known);
    (snapshot, dialect, Content::Reported(seen.findings), seen.trouble)
}

// Looks through what is only reported; in an agent's own file what stands beside a key says whose it is.
fn seen_in(path: &Path, bytes: &[u8], dialect: Dialect, terms: Terms<'_>, is_own: bool) -> stream::Seen {
    let own = if is_own { stores::known(path, bytes, terms.vocabulary) } else { Known::default() };
    let all = if own.is_empty() { None } else { Some(Known::new(own.keys().chain(terms.known.keys()))) };
    stream::look_through(bytes, dialect, all.as_ref().unwrap_or(terms.known))
}

impl Pending {
    /// Looks through a store again, for what is known by now.
    pub(super) fn look_again(&mut self, terms: Terms<'_>) {
        if self.store.as_ref().is_some_and(|(_, entries)| entries.is_ok()) {
            let seen = seen_in(&self.path, &self.snapshot.bytes, self.dialect, terms, true);
            self.content = Content::Reported(seen.findings);
        }
    }
}

// Whether a shell reads the file at its start (rule D7); a project's settings and backups are none of it.
fn is_read_at_start(path: &Path, candidate: Option<&Candidate>, dialect: Dialect) -> bool {
    match candidate {
        Some(candidate) => matches!(candidate.role, Role::Rc | Role::Sourced | Role::System),
        None => dialect != Dialect::DotEnv && path.file_name().is_none_or(|name| name != ".envrc"),
    }
}
