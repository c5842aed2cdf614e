//! Which files a run without arguments looks at: what the user's shells and sessions read, and where keys are left
//! over.
//!
//! Only lists: a file is opened here just for what it sources and for its first bytes, no code is run, and nothing that
//! is no regular file (FIFO, device, folder) is named. A file that cannot be read, or whose link leads nowhere, stays
//! in the list, so that its reader can say so. The places are those that the shells' manuals name, and the agents' own.

mod agents;
mod globs;
mod parameters;
mod places;
mod reading;
mod sourced;
mod values;
mod words;

pub(crate) use agents::Own;
pub(crate) use reading::Reading;

use super::dialect::{self, Dialect};
use crate::env::Env;
use crate::paths::Paths;
use sourced::{Read as Reads, Walk};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use values::Known;

/// Larger files are not read whole. A start file never is as large; a log that the user named by mistake may be.
pub(crate) const MAX_FILE: u64 = 16 << 20;

/// A shell that reads files at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::enum_variant_names, reason = "the shell's name ends so")]
pub(crate) enum Shell {
    Sh,
    Bash,
    Zsh,
    Fish,
    Csh,
    Nushell,
    PowerShell,
}

/// A file to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Where it was found; a symlink is not resolved.
    pub path: PathBuf,
    /// How to read it.
    pub dialect: Dialect,
    /// What may be done with it.
    pub role: Role,
}

/// Why a file is looked at, which decides what may be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// A shell or session reads it at start.
    Rc,
    /// One of those reads it.
    Sourced,
    /// One of those reads it as text, by a program: reported only, since its reader would no longer find the key.
    Text,
    /// A script in one of the user's own folders for programs, run by name: it may start an agent with a key.
    Script,
    /// The system's, or a service's: reported only.
    System,
    /// A backup, an editor's or shell's history, an agent's snapshot: reported only.
    Residue,
    /// An agent's or editor's own configuration: reported only.
    AgentConfig,
}

impl Role {
    /// Whether keys in it are only reported.
    pub(crate) fn is_report_only(self) -> bool {
        !matches!(self, Self::Rc | Self::Sourced | Self::Script)
    }
}

// What a limit means, and what to do about it.
const MISSED: &str = "so a key in another file may be missed: `ringlet migrate FILE` looks through one";

/// What there is to look at.
#[derive(Default)]
pub(crate) struct Found {
    /// The files there are, each once (by what it resolves to), in the order in which they matter: start files, what
    /// they source, the user's scripts, what those read as text, the system's, what is left over, the agents' own.
    /// Folders are sorted.
    pub candidates: Vec<Candidate>,
    /// Every folder in which such a file is or could come to be.
    pub folders: BTreeSet<PathBuf>,
    /// In which order each shell reads them.
    pub readings: Vec<Reading>,
    /// The `.zshrc` that zsh reads, if it is there or not.
    pub zshrc: Option<PathBuf>,
    /// What was not looked through, and why: a file that reads more than is followed, or a folder that holds more than
    /// is looked at.
    pub unread: Vec<(PathBuf, String)>,
    /// Folders of records of which only the latest were looked through, and how many.
    pub older: Vec<(PathBuf, String)>,
    // Whose the agents' own files are, by candidate.
    owned: Vec<(usize, &'static Own)>,
}

impl Found {
    /// The shells whose start files, or what those source, the candidate belongs to.
    pub(crate) fn shells(&self, candidate: usize) -> BTreeSet<Shell> {
        let reads = |reading: &&Reading| reading.steps.iter().any(|step| step.file == candidate);
        self.readings.iter().filter(reads).map(|reading| reading.shell).collect()
    }

    /// The parts of a candidate that a login of this shell reads, each with its place in the order.
    pub(crate) fn steps(&self, candidate: usize, shell: Option<Shell>) -> Vec<(Range<usize>, usize)> {
        let is_login = |reading: &&Reading| Some(reading.shell) == shell && reading.start == reading::Start::Login;
        let steps = self.readings.iter().find(is_login).map_or(&[][..], |reading| &reading.steps);
        let own = steps.iter().enumerate().filter(|(_, step)| step.file == candidate);
        own.map(|(at, step)| (step.span.clone(), at)).collect()
    }

    /// The parts of a candidate that some shell reads in any case at its start, in order; nothing where no shell is
    /// known to read any of it.
    pub(crate) fn sure(&self, candidate: usize) -> Option<Vec<Range<usize>>> {
        let steps = self.readings.iter().flat_map(|reading| &reading.steps);
        let (sure, others): (Vec<_>, Vec<_>) = steps.filter(|step| step.file == candidate).partition(|step| step.sure);
        let is_read = !(sure.is_empty() && others.is_empty());
        let mut spans: Vec<Range<usize>> = sure.into_iter().map(|step| step.span.clone()).collect();
        spans.sort_unstable_by_key(|span| span.start);
        spans.dedup_by(|next, last| {
            let joins = next.start <= last.end;
            if joins {
                last.end = last.end.max(next.end);
            }
            joins
        });
        is_read.then_some(spans)
    }

    /// Whose file the candidate is, and how a key in it is replaced.
    pub(crate) fn own(&self, candidate: usize) -> Option<&'static Own> {
        self.owned.iter().find(|(of, _)| *of == candidate).map(|(_, own)| *own)
    }
}

impl From<Vec<Candidate>> for Found {
    /// Files that no shell is known to read.
    fn from(candidates: Vec<Candidate>) -> Self {
        Self { candidates, ..Self::default() }
    }
}

/// The files to look at.
pub(crate) fn candidates(paths: &Paths, env: &Env) -> Vec<Candidate> {
    find(paths, env).candidates
}

/// The files to look at, where they are, and in which order shells read them.
pub(crate) fn find(paths: &Paths, env: &Env) -> Found {
    let mut search = Search::new(paths, env);
    let (home, config) = (search.home.clone(), search.config.clone());
    let (data, state) = (search.data.clone(), search.state.clone());
    let known = Known { home: &home, config: &config, data: &data, state: &state, env };
    let mut walk = Walk::new(known.clone());
    let order = reading::of_all_shells(&mut walk, &known);
    places::start_files(&mut search, &known, &order);
    // Those that no shell reads by itself are read by something else, or by hand.
    for file in &search.found {
        if !walk.went_through(&file.path) {
            walk.begin(None);
            walk.later(&file.path, file.dialect);
        }
    }
    search.add_reached(&walk, &[Reads::Sourced]);
    let begin = search.found.len();
    places::scripts(&mut search);
    for file in &search.found[begin..] {
        walk.begin(None);
        walk.later(&file.path, file.dialect);
    }
    search.add_reached(&walk, &[Reads::Sourced, Reads::AsText]);
    places::system_files(&mut search);
    places::histories(&mut search, &known, &order);
    places::snapshots(&mut search);
    places::leftovers(&mut search);
    let owned = agents::agents_own(&mut search);
    let why = format!("it reads more than Ringlet follows, {MISSED}");
    let cut = walk.cut.iter().map(|path| (path.clone(), why.clone()));
    let unread = cut.chain(search.unread).collect();
    let readings = reading::placed(order.readings, &walk.files, &|path| search.seen.get(path).copied());
    let (candidates, folders, older) = (search.found, search.folders, search.older);
    Found { candidates, folders, readings, zshrc: order.zshrc, unread, older, owned }
}

/// The first bytes of a file, enough for [`dialect::of`]; none if it is no regular file or cannot be read.
pub(crate) fn first_bytes(path: &Path) -> Vec<u8> {
    let mut first = Vec::new();
    // Opening a FIFO would wait for its other end.
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return first;
    }
    let read = File::open(path).and_then(|file| file.take(FIRST).read_to_end(&mut first));
    if read.is_err() {
        first.clear();
    }
    first
}

const FIRST: u64 = 4096;

/// Resolves links. Of many files in one folder the folder is resolved once.
#[derive(Default)]
struct Resolver {
    folders: HashMap<PathBuf, PathBuf>,
}

impl Resolver {
    fn resolve(&mut self, path: &Path) -> PathBuf {
        let whole = || fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return whole() };
        if path.is_symlink() {
            return whole();
        }
        if let Some(known) = self.folders.get(folder) {
            return known.join(name);
        }
        let Ok(resolved) = fs::canonicalize(folder) else { return whole() };
        let path = resolved.join(name);
        self.folders.insert(folder.to_owned(), resolved);
        path
    }
}

struct Search<'a> {
    home: PathBuf,
    config: PathBuf,
    data: PathBuf,
    state: PathBuf,
    env: &'a Env,
    found: Vec<Candidate>,
    resolver: Resolver,
    // By what they resolve to.
    seen: HashMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
    unread: Vec<(PathBuf, String)>,
    older: Vec<(PathBuf, String)>,
}

impl<'a> Search<'a> {
    fn new(paths: &Paths, env: &'a Env) -> Self {
        let home = paths.home.clone();
        let base = |name: &str, default: &str| env.absolute(name).unwrap_or_else(|| home.join(default));
        Self {
            config: base("XDG_CONFIG_HOME", ".config"),
            data: base("XDG_DATA_HOME", ".local/share"),
            state: base("XDG_STATE_HOME", ".local/state"),
            home,
            env,
            found: Vec::new(),
            resolver: Resolver::default(),
            seen: HashMap::new(),
            folders: BTreeSet::new(),
            unread: Vec::new(),
            older: Vec::new(),
        }
    }

    // Adds a file in the dialect that its name and content tell.
    fn add(&mut self, path: &Path, role: Role) {
        self.add_as(path, role, None);
    }

    fn add_as(&mut self, path: &Path, role: Role, dialect: Option<Dialect>) {
        self.folders.extend(path.parent().map(Path::to_owned));
        if !may_be_read(path) {
            return;
        }
        let resolved = self.resolver.resolve(path);
        if let Entry::Vacant(place) = self.seen.entry(resolved) {
            place.insert(self.found.len());
            let dialect = dialect.unwrap_or_else(|| dialect::of(path, &first_bytes(path)));
            self.found.push(Candidate { path: path.to_owned(), dialect, role });
        }
    }

    // Adds a folder's files whose names are wanted.
    fn add_folder(&mut self, folder: &Path, role: Role, dialect: Option<Dialect>, wanted: impl Fn(&str) -> bool) {
        self.folders.insert(folder.to_owned());
        for path in listed(folder) {
            if path.file_name().is_some_and(|name| wanted(&name.to_string_lossy())) {
                self.add_as(&path, role, dialect);
            }
        }
    }

    // Keeps so many of a folder's files, and notes if there are more.
    fn limit(&mut self, folder: &Path, files: &mut Vec<PathBuf>, most: usize) {
        if files.len() > most {
            files.truncate(most);
            let why = format!("only the first {most} files in it were looked through, {MISSED}");
            self.unread.push((folder.to_owned(), why));
        }
    }

    // What the start files read: as commands first.
    fn add_reached(&mut self, walk: &Walk<'_>, how: &[Reads]) {
        for &read in how {
            for file in walk.files.iter().filter(|file| file.read == read) {
                let role = match read {
                    _ if is_systems(&file.path, &self.home) => Role::System,
                    Reads::AsText => Role::Text,
                    Reads::Start | Reads::Sourced => Role::Sourced,
                };
                self.add_as(&file.path, role, Some(file.dialect));
            }
        }
    }

    // A variable that names a file or folder, with what shells expand in it.
    fn place(&self, name: &str) -> Option<PathBuf> {
        let text = self.env.non_empty(name)?.to_str()?;
        let rest = ["~", "$HOME", "${HOME}"].iter().find_map(|start| text.strip_prefix(start));
        let path = match rest.filter(|rest| rest.starts_with('/')) {
            Some(rest) => self.home.join(rest.trim_start_matches('/')),
            None => PathBuf::from(text),
        };
        Some(path).filter(|path| path.is_absolute() && !text.contains(['*', '`', '(']))
    }
}

// Regular files, and those of which nothing can be said.
fn may_be_read(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(metadata) => metadata.is_file(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
        }
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

const LIMIT: u64 = 4 << 20;

// A start file is small; whoever keeps megabytes in one does not source from their end.
fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Ok(Vec::new());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_systems(path: &Path, home: &Path) -> bool {
    !path.starts_with(home)
        && ["/etc", "/usr", "/opt", "/lib", "/nix", "/snap", "/run", "/bin", "/System", "/Library"]
            .iter()
            .any(|root| path.starts_with(root))
}

#[cfg(all(test, unix))]
mod tests;
