//! What would move where: files examined, aliases given, the cuts made in memory. Reads only; called by the command
//! for every run, by `apply` when a file changed meanwhile, and by `doctor`.

use super::accounts::{self, Account, Accounts, Judged, Machine, Name, Origin, ReadBy, Withheld};
use super::detect::Known;
use super::dialect::{self, Dialect};
use super::edit::{self, Cut};
use super::examine::{self, Action, Examined, Finding, Parsed};
use super::files::{self, Candidate, Found, MAX_FILE, Role, Shell};
use super::keyset::{self, Key, KeySet};
use super::lines;
use super::made::MadeFile;
use super::model::{Form, Reason};
use super::utf16::Encoding;
use super::vocabulary::{Terms, Vocabulary};
use super::{stores, stream};
use crate::name::{Alias, KeyName, Provider};
use crate::platform::{self, ReadError, Snapshot};
use crate::secret::{Secret, Shape, check_key};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// One of several values of a provider: its name, masked, and where it stands.
pub(crate) type Rival = (KeyName, String, Vec<String>);

/// A file that could not be read, or must not be edited.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// A finding and where its value goes.
pub(crate) struct Placed {
    /// What was found.
    pub finding: Finding,
    /// The key it becomes, or why it is only reported.
    pub name: Result<KeyName, Reason>,
}

/// A file with something in it.
pub(crate) struct PlannedFile {
    /// As it was found or named.
    pub path: PathBuf,
    /// The file itself, symlinks resolved.
    pub target: PathBuf,
    /// Its language.
    pub dialect: Dialect,
    /// How a key in it is replaced, where it is a program's own.
    pub remedy: Option<&'static str>,
    /// Its content and what must still be so when it is replaced.
    pub snapshot: Snapshot,
    /// What is in it.
    pub findings: Vec<Placed>,
    /// What is taken out.
    pub cuts: Vec<Cut>,
    /// What it becomes.
    pub after: Zeroizing<Vec<u8>>,
    /// How the file's text is written; its content here is the text.
    pub encoding: Encoding,
    /// Whether the user wants it changed.
    pub wanted: bool,
    // Whether what becomes of it does not depend on other files.
    is_alone: bool,
    vocabulary: Arc<Vocabulary>,
}

/// A key of the plan.
pub(crate) struct PlannedKey {
    /// Its name.
    pub name: KeyName,
    /// Its value.
    pub value: Zeroizing<Vec<u8>>,
    /// The variables it stood in.
    pub variables: BTreeSet<String>,
    /// Whether the store has it already, under this very name.
    pub there: bool,
    /// Whether it was found in comments alone.
    pub commented: bool,
    /// Whether a file that is wanted holds it.
    pub wanted: bool,
}

/// A plan.
#[derive(Default)]
pub(crate) struct Plan {
    /// The files with findings, in the order in which they were found.
    pub files: Vec<PlannedFile>,
    /// The keys.
    pub keys: Vec<PlannedKey>,
    /// The files that Ringlet makes for the keys: profiles and settings.
    pub made: Vec<MadeFile>,
    /// The files that could not be read, or must not be edited.
    pub troubles: Vec<Trouble>,
    /// The accounts that profiles are made for.
    pub accounts: Vec<PlannedAccount>,
    /// The agents that get no default profile, each with the file and line of the reason.
    pub withheld: Vec<(Withheld, Option<(PathBuf, usize)>)>,
}

/// An account, with the names that it gets.
pub(crate) struct PlannedAccount {
    /// The account.
    pub account: Account,
    /// Its key.
    pub key: KeyName,
    /// Its profile.
    pub profile: String,
}

/// A file that was read and examined.
pub(crate) struct Scanned {
    path: PathBuf,
    target: PathBuf,
    dialect: Dialect,
    remedy: Option<&'static str>,
    snapshot: Snapshot,
    encoding: Encoding,
    examined: examine::Examined,
    /// Why nothing in it is moved.
    blocked: Option<Reason>,
}

/// What a scan found.
pub(crate) struct Scan {
    files: Vec<Scanned>,
    accounts: Accounts,
    // The names of the profiles that there are.
    profiles: BTreeSet<String>,
    default: Option<String>,
    vocabulary: Arc<Vocabulary>,
    /// The files that could not be read, or must not be edited.
    pub troubles: Vec<Trouble>,
}

// What is only reported is kept to this size, for whoever wants to know what else stands beside a key.
const KEPT: u64 = 1 << 20;

/// Reads and examines the files named by the user, and those that were found. A file that is not there is an error only
/// where it was named. What is only reported is looked through whatever its size.
pub(crate) fn scan(found: &Found, named: &[PathBuf], machine: &Machine<'_>) -> Scan {
    let vocabulary = &machine.vocabulary;
    let mut read = Read { files: vec![], troubles: vec![], seen: BTreeSet::new() };
    read.all(found, named, Terms { vocabulary, known: Known::none() }, machine.login, false);
    // What moves is found in every other place as well (rule S12).
    let first = judged(&read.files, machine, Known::none());
    let moved = first.0.iter().flat_map(|file| &file.keys).filter(|key| matches!(key.action, Action::Moved(_)));
    let known = Known::new(moved.map(|key| (key.value.as_slice(), key.provider.as_str())));
    let terms = Terms { vocabulary, known: &known };
    for file in &mut read.files {
        let bytes = &file.snapshot.bytes;
        if matches!(file.content, Content::Parsed(_)) && known.is_in(bytes) {
            file.content = Content::Parsed(Parsed::new(bytes, file.dialect, terms));
        }
    }
    let (judged, accounts) = if known.is_empty() { first } else { judged(&read.files, machine, &known) };
    let edited = read.files.len();
    read.all(found, named, terms, machine.login, true);
    let mut judged = judged.into_iter();
    let files = read.files.into_iter().enumerate().map(|(at, file)| file.examined(terms, &mut judged, at < edited));
    let files = files.collect();
    let (vocabulary, profiles) = (Arc::clone(&machine.vocabulary), machine.profiles.clone());
    let default = machine.default.as_ref().map(|(name, _)| name.clone());
    Scan { files, accounts, profiles, default, vocabulary, troubles: read.troubles }
}

// What was read, before it is judged.
struct Read {
    files: Vec<Pending>,
    troubles: Vec<Trouble>,
    seen: BTreeSet<PathBuf>,
}

struct Pending {
    path: PathBuf,
    target: PathBuf,
    dialect: Dialect,
    snapshot: Snapshot,
    encoding: Encoding,
    content: Content,
    reader: Reader,
    blocked: Option<Reason>,
    // Whether a shell reads it at its start.
    is_started: bool,
    // The parts that the user's login shell reads, each with its place in their order.
    steps: Vec<(Range<usize>, usize)>,
    // How a key in it is replaced, where it is a program's own.
    remedy: Option<&'static str>,
}

enum Content {
    Parsed(Parsed),
    Reported(Examined),
}

enum Reader {
    Shells(u8),
    Script(String),
    Nothing,
}

// Judges the files that can be edited together. Where an edit of one would not hold, the rest is judged without it.
fn judged(files: &[Pending], machine: &Machine<'_>, known: &Known) -> (Vec<Judged>, Accounts) {
    let parsed: Vec<usize> = (0..files.len()).filter(|at| matches!(files[*at].content, Content::Parsed(_))).collect();
    let terms = Terms { vocabulary: &machine.vocabulary, known };
    let mut unsettled: BTreeSet<usize> = BTreeSet::new();
    loop {
        let source = |at: &usize| {
            let file = &files[*at];
            let Content::Parsed(parsed) = &file.content else { unreachable!("only parsed files are listed") };
            let reader = match &file.reader {
                Reader::Shells(shells) => ReadBy::Shells(*shells),
                Reader::Script(name) => ReadBy::Script(name),
                Reader::Nothing => ReadBy::Nothing,
            };
            let frozen = file.blocked.or(unsettled.contains(at).then_some(Reason::Unparsed));
            (parsed, parsed.source(&file.snapshot.bytes, reader, &file.steps, frozen, &[]))
        };
        let sources: Vec<_> = parsed.iter().map(source).collect();
        let (read, sources): (Vec<_>, Vec<_>) = sources.into_iter().unzip();
        let (judged, mut accounts) = accounts::judge(&sources, machine, known);
        let settles = |at: usize| {
            let bytes = &files[parsed[at]].snapshot.bytes;
            read[at].settles(bytes, &judged[at], terms)
        };
        let fresh: Vec<usize> = (0..judged.len()).filter(|at| !settles(*at)).map(|at| parsed[at]).collect();
        if fresh.is_empty() {
            // By the places of all files.
            for withheld in &mut accounts.withheld {
                withheld.at = withheld.at.map(|(file, offset)| (parsed[file], offset));
            }
            return (judged, accounts);
        }
        let before = unsettled.len();
        unsettled.extend(fresh);
        if unsettled.len() == before {
            // Nothing is cut out of a file that is kept, so this cannot be; it must not go on for ever either.
            unsettled.extend(&parsed);
        }
    }
}

impl Pending {
    // What is found in it; `judged` gives what was judged of the next file that can be edited.
    fn examined(self, terms: Terms<'_>, judged: &mut impl Iterator<Item = Judged>, is_judged: bool) -> Scanned {
        let Self { path, target, dialect, snapshot, encoding, content, blocked, is_started, remedy, .. } = self;
        let examined = match content {
            Content::Parsed(parsed) => {
                let own = if is_judged { judged.next() } else { None };
                let examined = match own {
                    Some(own) => parsed.examined(&snapshot.bytes, own, terms.known),
                    None => parsed.by_itself(&snapshot.bytes, terms),
                };
                if is_started { examined } else { examined.without_unknown_names() }
            }
            Content::Reported(examined) => examined,
        };
        Scanned { path, target, dialect, remedy, snapshot, encoding, examined, blocked }
    }
}

impl Read {
    // Reads those that can be edited, or those that are only reported.
    fn all(&mut self, found: &Found, named: &[PathBuf], terms: Terms<'_>, login: Option<Shell>, reports: bool) {
        let scan = self;
        let all = named
            .iter()
            .map(|path| (path, None))
            .chain(found.candidates.iter().enumerate().map(|(at, candidate)| (&candidate.path, Some((at, candidate)))));
        for (path, placed) in all {
            let candidate = placed.map(|(_, candidate)| candidate);
            let trouble = |why: String| Trouble { path: path.clone(), why };
            let report_only = candidate.is_some_and(|candidate| candidate.role.is_report_only());
            if report_only != reports {
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
            if scan
                .files
                .iter()
                .any(|file| file.snapshot.stamp == snapshot.stamp && platform::same_file(&file.target, &target))
            {
                continue;
            }
            let mut snapshot = snapshot;
            let encoding = decode(&mut snapshot);
            let (mut snapshot, dialect, content, unlisted) = look_into(path, candidate, snapshot, rest, terms);
            scan.troubles.extend(unlisted.map(trouble));
            let blocked = match () {
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
            let steps = placed.map(|(at, _)| found.steps(at, login)).unwrap_or_default();
            let remedy = placed.and_then(|(at, _)| found.own(at)).map(|own| own.then);
            scan.files.push(Pending {
                path: path.clone(),
                target,
                dialect,
                snapshot,
                encoding,
                content,
                reader,
                blocked,
                is_started,
                steps,
                remedy,
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
    // A file that no shell's order reaches is read by hand, in its own language.
    let bits = |shells: &mut dyn Iterator<Item = &Shell>| shells.fold(0, |all, shell| all | 1 << *shell as u8);
    Reader::Shells(if shells.is_empty() { bits(&mut own.iter()) } else { bits(&mut shells.iter()) })
}

// Makes a file's text of its bytes.
fn decode(snapshot: &mut Snapshot) -> Encoding {
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
        let own = match candidate {
            Some(candidate) if candidate.role == Role::AgentConfig => stores::known(path, &snapshot.bytes),
            _ => Known::default(),
        };
        let all = if own.is_empty() { None } else { Some(Known::new(own.keys().chain(terms.known.keys()))) };
        let seen = stream::look_through(snapshot.bytes.as_slice(), dialect, all.as_ref().unwrap_or(terms.known));
        return (snapshot, dialect, Content::Reported(Examined::reported(seen.findings)), seen.trouble);
    };
    let dialect = candidate.map_or_else(|| dialect::of(path, &files::first_bytes(path)), |candidate| candidate.dialect);
    // Too large to be taken apart as code, such a backup still is text.
    let dialect = if dialect.is_report_only() { dialect } else { Dialect::Text };
    // A history that grows meanwhile is read to where it ended.
    let seen = stream::look_through(file.take(snapshot.stamp.size()), dialect, terms.known);
    (snapshot, dialect, Content::Reported(Examined::reported(seen.findings)), seen.trouble)
}

// Whether a shell reads the file at its start (rule D7); a project's settings and backups are none of it.
fn is_read_at_start(path: &Path, candidate: Option<&Candidate>, dialect: Dialect) -> bool {
    match candidate {
        Some(candidate) => matches!(candidate.role, Role::Rc | Role::Sourced | Role::System),
        None => dialect != Dialect::DotEnv && path.file_name().is_none_or(|name| name != ".envrc"),
    }
}

impl Scan {
    /// The keys, file by file.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.files.iter().flat_map(|file| file.examined.findings())
    }

    /// The providers whose keys would move: whose entries in the store matter.
    pub(crate) fn providers(&self) -> BTreeSet<String> {
        let moved = self.files.iter().filter(|file| file.blocked.is_none()).flat_map(|file| file.examined.findings());
        moved.filter(|finding| finding.is_moved()).map(|finding| finding.provider.clone()).collect()
    }
}

impl Plan {
    /// Gives every value its alias and makes the cuts. `existing` holds what the store has for the providers.
    pub(crate) fn new(scan: Scan, existing: &BTreeMap<KeyName, Secret>) -> Self {
        let Scan { files, accounts, profiles, default, vocabulary, troubles } = scan;
        let names = aliases(&files, &accounts.made, existing, &accounts.preferred);
        let mut plan = Self { troubles, ..Self::default() };
        let is_alone = accounts.made.iter().all(|account| account.origin == Origin::Key);
        plan.accounts = planned(accounts.made, &names, &profiles, default);
        let place = |file: usize, offset: usize| {
            let file: &Scanned = files.get(file)?;
            let before = file.snapshot.bytes.get(..offset)?;
            Some((file.path.clone(), 1 + memchr::memchr_iter(b'\n', before).count()))
        };
        let withheld = accounts.withheld.into_iter().map(|withheld| {
            let at = withheld.at.and_then(|(file, offset)| place(file, offset));
            (withheld, at)
        });
        plan.withheld = withheld.collect();
        let profile = |account: usize| plan.accounts.get(account).map_or_else(String::new, |own| own.profile.clone());
        for file in files {
            let Scanned { path, target, dialect, remedy, snapshot, encoding, examined, blocked } = file;
            let made = match blocked {
                Some(_) => None,
                None => match cut(&snapshot.bytes, &examined, &names, &profile) {
                    Ok(made) => Some(made),
                    Err(why) => {
                        plan.troubles.push(Trouble { path: path.clone(), why });
                        None
                    }
                },
            };
            if blocked == Some(Reason::ForeignOwned) && !examined.findings().is_empty() {
                let why = "holds keys and belongs to another user, so it is not edited".into();
                plan.troubles.push(Trouble { path: path.clone(), why });
            }
            let blocked = blocked.or(made.is_none().then_some(Reason::CannotEdit));
            let (cuts, after) = made.unwrap_or_else(|| (Vec::new(), snapshot.bytes.clone()));
            if examined.findings().is_empty() && cuts.is_empty() {
                continue;
            }
            let findings = placed(examined, &names, blocked);
            plan.files.push(PlannedFile {
                path,
                target,
                dialect,
                remedy,
                snapshot,
                findings,
                cuts,
                after,
                encoding,
                wanted: true,
                is_alone,
                vocabulary: Arc::clone(&vocabulary),
            });
        }
        plan.collect_keys(existing);
        plan
    }

    fn collect_keys(&mut self, existing: &BTreeMap<KeyName, Secret>) {
        let mut at: BTreeMap<&KeyName, usize> = BTreeMap::new();
        for placed in self.files.iter().flat_map(|file| &file.findings) {
            let Ok(name) = &placed.name else { continue };
            let index = *at.entry(name).or_insert_with(|| {
                self.keys.push(PlannedKey {
                    name: name.clone(),
                    value: placed.finding.value.clone(),
                    variables: BTreeSet::new(),
                    there: existing.contains_key(name),
                    commented: true,
                    wanted: true,
                });
                self.keys.len() - 1
            });
            self.keys[index].variables.extend(placed.finding.variable.clone());
            self.keys[index].commented &= placed.finding.is_commented();
        }
    }

    /// Leaves the files out that the user does not want changed, and the keys that are in no other.
    pub(crate) fn keep_wanted(&mut self) {
        let wanted = self.files.iter().filter(|file| file.wanted).flat_map(|file| &file.findings);
        let wanted: BTreeSet<&KeyName> = wanted.filter_map(|placed| placed.name.as_ref().ok()).collect();
        for key in &mut self.keys {
            key.wanted = wanted.contains(&key.name);
        }
    }

    /// Whether there is anything to move.
    pub(crate) fn moves(&self) -> bool {
        self.files.iter().any(PlannedFile::is_edited)
    }

    /// Whether a key of an agent stays in plaintext if the plan is carried out. Other tools' credentials do not count.
    pub(crate) fn leaves_keys(&self) -> bool {
        let stays = |file: &PlannedFile, placed: &Placed| match placed.name {
            Ok(_) => !file.wanted,
            Err(reason) => reason != Reason::NotAgentKey,
        };
        // What zsh compiled from a file goes with its keys.
        let edited = self.files.iter().filter(|file| file.is_edited() && file.is_zsh());
        let compiled: BTreeSet<OsString> = edited
            .flat_map(|file| [&file.path, &file.target])
            .map(|path| [path.as_os_str(), ".zwc".as_ref()].into_iter().collect())
            .collect();
        let mut files = self.files.iter().filter(|file| !compiled.contains(file.path.as_os_str()));
        files.any(|file| file.findings.iter().any(|placed| stays(file, placed)))
    }

    /// Everything that must not be shown or written.
    pub(crate) fn secrets(&self) -> KeySet<'_> {
        let values = self.files.iter().flat_map(|file| &file.findings).map(|found| &found.finding.value);
        KeySet::new(values.filter(|value| !value.is_empty()).map(|value| Key { value, number: None }).collect())
    }

    /// Providers with more than one active value, and these with where each stands.
    pub(crate) fn conflicts(&self) -> Vec<(Provider, Vec<Rival>)> {
        let mut places: BTreeMap<&KeyName, Vec<String>> = BTreeMap::new();
        for file in &self.files {
            for placed in &file.findings {
                let Ok(name) = &placed.name else { continue };
                let place = format!("{}:{}", file.path.display(), placed.finding.line);
                places.entry(name).or_default().push(place);
            }
        }
        let mut found: BTreeMap<Provider, Vec<Rival>> = BTreeMap::new();
        for key in self.keys.iter().filter(|key| !key.commented) {
            let places = places.remove(&key.name).unwrap_or_default();
            let row = (key.name.clone(), keyset::masked(&key.value), places);
            found.entry(key.name.provider.clone()).or_default().push(row);
        }
        found.into_iter().filter(|(_, rows)| rows.len() > 1).collect()
    }
}

impl PlannedFile {
    /// Whether it is going to be rewritten.
    pub(crate) fn is_edited(&self) -> bool {
        self.wanted && !self.cuts.is_empty()
    }

    /// Whether zsh reads it.
    pub(crate) fn is_zsh(&self) -> bool {
        self.dialect == Dialect::Zsh
    }

    /// Plans a file anew that changed meanwhile, with the aliases that were given; fails when another key is in it.
    pub(crate) fn again(&self) -> Result<Self, String> {
        let target = self.path.canonicalize().map_err(|error| error.to_string())?;
        let mut snapshot = platform::read_snapshot(&target, MAX_FILE).map_err(|error| error.to_string())?;
        if !snapshot.ours {
            return Err("belongs to another user".into());
        }
        let encoding = decode(&mut snapshot);
        // What other files say about it was judged with its old content.
        if !self.is_alone {
            return Err("was changed meanwhile".into());
        }
        let vocabulary = Arc::clone(&self.vocabulary);
        let examined = examine::examine(&snapshot.bytes, self.dialect, &vocabulary);
        let given = self.findings.iter().filter_map(|placed| Some((&placed.finding, placed.name.clone().ok()?)));
        let names = Aliases::new(given);
        let (cuts, after) = cut(&snapshot.bytes, &examined, &names, &|_| String::new())?;
        if cuts.is_empty() {
            return Err("nothing is left to take out".into());
        }
        let (path, dialect, is_alone) = (self.path.clone(), self.dialect, true);
        let findings = placed(examined, &names, None);
        Ok(Self {
            path,
            target,
            dialect,
            remedy: self.remedy,
            snapshot,
            findings,
            cuts,
            after,
            encoding,
            wanted: true,
            is_alone,
            vocabulary,
        })
    }

    /// The file's bytes before and after; nothing where they cannot be written in its encoding.
    pub(crate) fn images(&self) -> Option<[Zeroizing<Vec<u8>>; 2]> {
        Some([self.encoding.encode(&self.snapshot.bytes)?, self.encoding.encode(&self.after)?])
    }

    /// The changed lines before and after, with every key masked: line number, old lines, new lines.
    pub(crate) fn hunks(&self, keys: &KeySet<'_>) -> Vec<(usize, String, String)> {
        let bytes = &self.snapshot.bytes;
        // Where the line of the last cut begins, and the last part of a line whose end was asked for.
        let (mut line, mut searched, mut part) = (0, 0, 0..0);
        let mut end = |at: usize| {
            // A cut that ends with its line's terminator leaves the next line alone.
            if at > 0 && bytes[at - 1] == b'\n' {
                return at;
            }
            if !part.contains(&at) {
                let newline = memchr::memchr(b'\n', &bytes[at..]);
                part = at..newline.map_or(bytes.len(), |newline| at + newline + 1);
            }
            part.end
        };
        let mut groups: Vec<(std::ops::Range<usize>, Vec<&Cut>)> = Vec::new();
        for cut in &self.cuts {
            if let Some(newline) = memchr::memrchr(b'\n', &bytes[searched..cut.span.start]) {
                line = searched + newline + 1;
            }
            searched = cut.span.start;
            let whole = cut.span.end > cut.span.start && line == cut.span.start;
            let until =
                if whole { end(cut.span.end) } else { end(cut.span.end.max(cut.span.start + 1).min(bytes.len())) };
            let lines = line..until;
            match groups.last_mut() {
                Some((last, cuts)) if lines.start < last.end => {
                    last.end = last.end.max(lines.end);
                    cuts.push(cut);
                }
                _ => groups.push((lines, vec![cut])),
            }
        }
        let (mut number, mut counted) = (1, 0);
        let shown = |(lines, cuts): (std::ops::Range<usize>, Vec<&Cut>)| {
            number += bytes[counted..lines.start].iter().filter(|byte| **byte == b'\n').count();
            counted = lines.start;
            let mut new = Zeroizing::new(Vec::with_capacity(lines.len() + 64));
            let mut at = lines.start;
            for cut in cuts {
                new.extend_from_slice(&bytes[at..cut.span.start]);
                new.extend_from_slice(&cut.with);
                at = cut.span.end;
            }
            new.extend_from_slice(&bytes[at.min(lines.end)..lines.end]);
            (number, keys.mask(&bytes[lines]), keys.mask(&new))
        };
        groups.into_iter().map(shown).collect()
    }
}

// Makes the cuts in memory.
fn cut(
    bytes: &[u8],
    examined: &Examined,
    names: &Aliases,
    profile: &dyn Fn(usize) -> String,
) -> Result<(Vec<Cut>, Zeroizing<Vec<u8>>), String> {
    if !examined.changes() {
        return Ok((Vec::new(), Zeroizing::new(bytes.to_vec())));
    }
    let moved = || examined.findings().iter().filter(|finding| finding.is_moved());
    if moved().any(|finding| names.of(finding).is_none()) {
        return Err("holds a key that cannot be stored, so it is not edited".into());
    }
    let alias = |finding: &Finding| names.of(finding).map_or_else(String::new, |name| name.alias.to_string());
    let cuts = examined.cuts_with(bytes, &alias, profile);
    let after = Zeroizing::new(edit::apply(bytes, &cuts));
    if cuts.is_empty() {
        return Err("holds keys in a way that cannot be edited safely; take them out by hand".into());
    }
    Ok((cuts, after))
}

// Gives every account its key and its profile.
fn planned(
    made: Vec<Account>,
    names: &Aliases,
    profiles: &BTreeSet<String>,
    mut default: Option<String>,
) -> Vec<PlannedAccount> {
    let mut taken = profiles.clone();
    let own = made.iter().find_map(|account| match &account.name {
        Name::Launcher { name, is_default: true } => Some(name.clone()),
        _ => None,
    });
    let mut planned: Vec<PlannedAccount> = Vec::new();
    let mut fresh = |wanted: &str| {
        let mut name = wanted.to_owned();
        let mut number = 1;
        while !taken.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}-{number}");
        }
        name
    };
    if let Some(own) = &own {
        default = Some(fresh(own));
    }
    for account in made {
        let Some(key) = names.by_value(&account.provider, &account.value) else { continue };
        let same = planned.iter().find(|other| other.account.is_same(&account)).map(|other| other.profile.clone());
        let profile = match (&account.name, same) {
            (Name::Launcher { is_default: false, .. }, Some(same)) => same,
            (Name::Launcher { name, is_default: false }, None) => fresh(name),
            _ => default.get_or_insert_with(|| fresh("default")).clone(),
        };
        planned.push(PlannedAccount { account, key, profile });
    }
    planned
}

// A key of a file that is edited has a name.
fn placed(examined: Examined, names: &Aliases, blocked: Option<Reason>) -> Vec<Placed> {
    let place = |finding: Finding| {
        let name = match (finding.action, blocked) {
            (Action::Reported(reason), _) | (Action::Moved(_), Some(reason)) => Err(reason),
            (Action::Moved(_), None) => names.of(&finding).ok_or(Reason::CannotEdit),
        };
        Placed { finding, name }
    };
    examined.into_findings().into_iter().map(place).collect()
}

/// The names of the keys that move, sorted by provider and value. The first name given to a value holds.
struct Aliases(Vec<(String, Zeroizing<Vec<u8>>, KeyName)>);

impl Aliases {
    fn new<'a>(given: impl Iterator<Item = (&'a Finding, KeyName)>) -> Self {
        let row = |(finding, name): (&Finding, KeyName)| (finding.provider.clone(), finding.value.clone(), name);
        let mut rows: Vec<_> = given.map(row).collect();
        rows.sort_by(|a, b| (&a.0, a.1.as_slice()).cmp(&(&b.0, b.1.as_slice())));
        rows.dedup_by(|later, first| later.0 == first.0 && later.1 == first.1);
        Self(rows)
    }

    fn of(&self, finding: &Finding) -> Option<KeyName> {
        self.by_value(&finding.provider, &finding.value)
    }

    fn by_value(&self, provider: &str, value: &[u8]) -> Option<KeyName> {
        let wanted = (provider, value);
        let found = self.0.binary_search_by(|(provider, value, _)| (provider.as_str(), value.as_slice()).cmp(&wanted));
        found.ok().map(|index| self.0[index].2.clone())
    }
}

// The aliases that the rules for accounts give: by the value, with where it was found.
fn own_aliases<'f>(
    provider: &str,
    findings: &[&'f Finding],
    made: &[Account],
) -> BTreeMap<&'f [u8], (&'f Finding, String)> {
    let mut own = BTreeMap::new();
    for finding in findings.iter().filter(|finding| !finding.is_commented()) {
        let is_of = |account: &&Account| account.provider == provider && *account.value == *finding.value;
        let Some(account) = made.iter().find(is_of) else { continue };
        // A value that is set outside launchers as well has an entry already.
        let is_launchers = |other: &&&Finding| {
            matches!(other.action, Action::Moved(Form::Launcher | Form::Alias)) || other.is_commented()
        };
        let alone = findings.iter().filter(|other| other.value == finding.value).all(|other| is_launchers(&other));
        if let Some(alias) = account.alias.as_ref().filter(|_| account.origin == Origin::Pair || alone) {
            own.insert(finding.value.as_slice(), (*finding, alias.clone()));
        }
    }
    own
}

// The last assignment at top level becomes `default`, the others are numbered in file order, and what is switched off
// becomes `commented`. An entry with another value is never overwritten.
fn aliases(
    files: &[Scanned],
    made: &[Account],
    existing: &BTreeMap<KeyName, Secret>,
    preferred: &BTreeMap<String, Zeroizing<Vec<u8>>>,
) -> Aliases {
    let mut by_provider: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
    for finding in files.iter().filter(|file| file.blocked.is_none()).flat_map(|file| file.examined.findings()) {
        if finding.is_moved() && check_key(&finding.value, Shape::Header).is_ok() {
            by_provider.entry(finding.provider.clone()).or_default().push(finding);
        }
    }
    let mut given = Vec::new();
    for (provider, findings) in by_provider {
        let Ok(provider) = provider.parse::<Provider>() else { continue };
        let own = own_aliases(provider.as_str(), &findings, made);
        let active =
            || findings.iter().filter(|finding| !finding.is_commented() && !own.contains_key(finding.value.as_slice()));
        let commented = findings.iter().filter(|finding| finding.is_commented());
        let preferred = preferred.get(provider.as_str());
        let preferred = preferred.and_then(|value| active().find(|finding| *finding.value == **value));
        let preferred = preferred.or_else(|| active().next_back());
        let all = preferred.map(|finding| (finding, "default")).into_iter();
        let all =
            all.chain(active().map(|finding| (finding, ""))).chain(commented.map(|finding| (finding, "commented")));
        let all = own.values().map(|(finding, alias)| (finding, alias.as_str())).chain(all);
        let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
        let order: Vec<(&Finding, &str)> =
            all.filter(|(finding, _)| seen.insert(&finding.value)).map(|(finding, base)| (*finding, base)).collect();
        let mut stored: BTreeMap<&[u8], &KeyName> = BTreeMap::new();
        for (name, secret) in existing.iter().filter(|(name, _)| name.provider == provider) {
            stored.entry(secret.expose()).or_insert(name);
        }
        // What the store has already first: a fresh alias must not take such a name.
        let mut used: BTreeSet<KeyName> =
            order.iter().filter_map(|(finding, _)| stored.get(finding.value.as_slice())).copied().cloned().collect();
        // The number at which the search for a free name goes on. A name that was taken stays so.
        let mut next: BTreeMap<&str, usize> = BTreeMap::new();
        for (finding, base) in order {
            let name = stored.get(finding.value.as_slice()).copied().cloned().unwrap_or_else(|| {
                let number = next.entry(base).or_insert(1);
                loop {
                    let word = match (base, *number) {
                        ("default", 1) => "default".to_owned(),
                        ("commented", 1) => "commented".to_owned(),
                        ("commented", number) => format!("commented-{number}"),
                        ("default", number) => number.to_string(),
                        ("", number) => (number + 1).to_string(),
                        (own, 1) => own.to_owned(),
                        (own, number) => format!("{own}-{number}"),
                    };
                    *number += 1;
                    let alias = word.parse::<Alias>().expect("our own words are aliases");
                    let name = KeyName::new(provider.clone(), alias);
                    if !used.contains(&name) && !existing.contains_key(&name) {
                        break name;
                    }
                }
            });
            used.insert(name.clone());
            given.push((finding, name));
        }
    }
    Aliases::new(given.into_iter())
}
