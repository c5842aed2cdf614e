//! What an agent would load from a project by itself, and whether all of it is harmless or was allowed.
//!
//! The registry says for each agent what it loads and which entries are harmless; whatever else stands there must have
//! been allowed once. `places` finds the files, `read` parses them, `judge` finds the entries that are not harmless,
//! `names` knows variables, `code` programs, and `trust` keeps what was allowed. The work is bounded, whatever the files
//! hold. Called by `plan` before a key is looked up, and by the command `allow`, which binds what was found. Nothing here
//! opens a store or reads a profile.

mod bind;
mod budget;
mod canonical;
mod code;
mod directory;
pub(crate) mod judge;
pub(crate) mod names;
mod places;
pub(crate) mod read;
pub(crate) mod shown;

pub(crate) use bind::{Bind, BindError, Binding, bind};
pub(crate) use directory::{Told, told};
pub(crate) use judge::Why;
pub(crate) use names::{Family, prefix_of};
pub(crate) use places::is_bare_below;

use crate::env::Env;
use crate::name::{Variable, shorten};
use crate::platform;
use crate::registry::{AgentSpec, Format, Guard, Rule, Version, matches};
use crate::trust::{BoundFile, BoundValue, Evidence, Trust, TrustError, Word};
use budget::Budget;
use code::Digests;
use judge::{Conditions, Offence};
use names::Names;
use places::Place;
use read::{MAX_FILE, Reader, Unread, Value};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Something of the project's that refuses a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, or the folder of code.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An entry is not harmless. All texts are short and hold no key.
    Entry {
        /// The names that lead to it.
        at: String,
        /// Its value.
        value: String,
        /// The value that was allowed before.
        before: Option<String>,
        /// Why.
        why: Why,
    },
    /// It is a program, or a folder of them.
    Code {
        /// The file that is new or changed, where others were allowed.
        changed: Option<PathBuf>,
    },
    /// It starts a program of the project that is new or changed.
    Program {
        /// The program.
        program: PathBuf,
        /// Whether other content was allowed.
        changed: bool,
    },
    /// It cannot be looked at.
    Unread {
        /// Why.
        why: String,
        /// Whether it can be allowed as it is.
        can_be_allowed: bool,
    },
    /// It was allowed, and somebody else may write it.
    Open {
        /// The file or program.
        file: PathBuf,
        /// Owner and mode.
        access: String,
    },
    /// The user said no.
    Denied,
}

impl Finding {
    /// Whether `ringlet allow` of the file lets it pass.
    pub fn can_be_allowed(&self) -> bool {
        !matches!(self.what, What::Open { .. } | What::Unread { can_be_allowed: false, .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.what {
            What::Entry { at, value, before, why } => {
                write!(f, "{file}: ")?;
                if !at.is_empty() {
                    write!(f, "{at} = ")?;
                }
                write!(f, "{value}")?;
                if let Some(before) = before {
                    write!(f, " (allowed was {before})")?;
                }
                write!(f, " {why}")
            }
            What::Code { changed: None } => write!(f, "{file} {}", Why::Runs),
            What::Code { changed: Some(changed) } => {
                write!(f, "{file}: {} is not as it was allowed, and {}", changed.display(), Why::Runs)
            }
            What::Program { program, changed } => {
                let program = program.display();
                let how =
                    if *changed { "has changed since it was allowed" } else { "was not there when it was allowed" };
                write!(f, "{file}: {program}, which it names, {how}")
            }
            What::Unread { why, .. } => write!(f, "{file} cannot be checked: {why}"),
            What::Open { file: open, access } => {
                write!(f, "{file} was allowed, but others may write {} ({access})", open.display())
            }
            What::Denied => write!(f, "{file} is denied"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Runs => "would run beside the agent, which holds the key in its environment",
            Self::Variable(Family::Agents) => "is read by the agent itself and could change its account",
            Self::Variable(Family::Traffic) => "could lead the agent's requests through somebody else",
            Self::Variable(Family::StartUp) => "is read by programs when they start and could run code in them",
            Self::Variable(Family::Places) => "moves the places where programs look for the user's own files",
            Self::Placeholder => "has a variable or a file filled in by the agent",
            Self::Unknown => "is not known to be harmless to the account",
        })
    }
}

/// Whether an account other than the user's and root's may write a file, as owner and mode in words.
pub(crate) fn open_to_others(file: &Path) -> Option<String> {
    platform::access(file).ok().and_then(|access| code::open_to_others(file, &access))
}

/// A bound value for people.
pub(crate) fn describe(value: &BoundValue) -> String {
    let shown = shown::short(&value.shown, shown::SHOWN);
    if value.name.is_empty() { shown } else { format!("{} = {shown}", value.name) }
}

/// A bound file for people.
pub(crate) fn describe_file(file: &BoundFile) -> String {
    shown::short(&shown::printable(&file.path), shown::SHOWN)
}

/// The names of the variables that a `.env` sets, as any reader of such files would take them.
pub(crate) fn variables(bytes: &[u8]) -> Result<Vec<String>, Unread> {
    match read::read(Reader::Dotenv, bytes)? {
        Value::Table(entries) => Ok(entries.into_iter().map(|(name, _)| name).collect()),
        _ => Ok(Vec::new()),
    }
}

/// The entries of a JSON document at these dotted paths, each by its own path and with its value where that is a text; `*`
/// stands for any part of one name.
pub(crate) fn entries(bytes: &[u8], paths: &[String]) -> Result<Vec<(String, Option<String>)>, Unread> {
    let document = read::read(Reader::Json, bytes)?;
    let mut found = Vec::new();
    for path in paths {
        gather(&document, &path.split('.').collect::<Vec<_>>(), "", &mut found);
    }
    Ok(found)
}

fn gather(value: &Value, path: &[&str], at: &str, found: &mut Vec<(String, Option<String>)>) {
    let Some((first, rest)) = path.split_first() else {
        let text = if let Value::Text(text) = value { Some(text.clone()) } else { None };
        return found.push((at.to_owned(), text));
    };
    match value {
        Value::Table(entries) => {
            for (name, value) in entries.iter().filter(|(name, _)| matches(first, name)) {
                // A name that the pattern spells out, or of the form of a variable's, is no key that was pasted there.
                let is_plain =
                    name == first || name.parse::<Variable>().is_ok_and(|it| it.as_str() == name.to_uppercase());
                let name = if is_plain { name.clone() } else { shorten(name) };
                let at = if at.is_empty() { name } else { format!("{at}.{name}") };
                gather(value, rest, &at, found);
            }
        }
        Value::List(list) => list.iter().for_each(|value| gather(value, path, at, found)),
        _ => {}
    }
}

/// Why a project could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// A directory on the way up cannot be looked into.
    #[error("cannot look into {} and the directories above it: {error}", directory.display())]
    Search {
        /// Where the search began.
        directory: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// What the user said cannot be read.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// A launch, as far as the guard has to know it.
pub(crate) struct Launch<'a> {
    /// The agent.
    pub agent: &'a AgentSpec,
    /// Its version, where that is known.
    pub version: Option<&'a Version>,
    /// The directory that it works in, canonical.
    pub directory: &'a Path,
    /// The working directory, from which the user's words are meant.
    pub here: &'a Path,
    /// The user's home, canonical.
    pub home: &'a Path,
    /// The folders and files that the user's words name.
    pub told: &'a Told,
    /// The environment, for variables that say more about the agent.
    pub env: &'a Env,
    /// Whether any secret lies in a variable.
    pub has_variable: bool,
    /// Whether the agent has its own login.
    pub is_login: bool,
    /// What the names begin with by which the launch's key and its provider's go.
    pub prefixes: Vec<String>,
    /// What the names of the provider's own models begin with.
    pub models: Vec<String>,
    /// Whether a path lies in the project.
    pub inside: &'a dyn Fn(&Path) -> bool,
}

/// What a look at a project came to.
pub(crate) struct Seen {
    /// What refuses the launch.
    pub findings: Vec<Finding>,
    /// Whether anything of the agent's is there at all.
    pub anything: bool,
}

/// Looks at everything that the agent would load from the project.
pub(crate) fn look(launch: &Launch<'_>, trust: &Trust<'_>) -> Result<Seen, GuardError> {
    let agent = launch.agent;
    let mut places = places::find(agent, launch.directory, launch.here, launch.home)
        .map_err(|error| GuardError::Search { directory: launch.directory.into(), error })?;
    for added in &launch.told.adds {
        // What is not there yet would be made in the nearest folder that is.
        let path = launch.here.join(added);
        if let Some(added) = path.ancestors().find_map(|path| path.canonicalize().ok()) {
            places::around(agent, &added, launch.home, &mut places);
        }
    }
    let code = Guard::code();
    for (path, like) in &launch.told.reads {
        // Some agents want `@` before the path, to tell it from the content itself.
        let named = path.to_str().and_then(|path| path.strip_prefix('@')).map_or(path.as_path(), Path::new);
        let path = platform::plain(&launch.here.join(named));
        let guard = agent.guard.iter().find(|guard| guard.file == *like);
        let guard = guard.or((like == "code").then_some(&code));
        if let Some(guard) = guard.filter(|_| path.symlink_metadata().is_ok() && (launch.inside)(&path)) {
            places.found.push(Place { level: launch.directory.into(), path, guard });
        }
    }
    let mut looking =
        Looking { launch, trust, findings: Vec::new(), digests: Digests::default(), budget: Budget::for_a_launch() };
    for place in &places.found {
        looking.place(place)?;
        if looking.is_enough() {
            break;
        }
    }
    Ok(Seen { findings: looking.findings, anything: places.anything })
}

struct Looking<'a> {
    launch: &'a Launch<'a>,
    trust: &'a Trust<'a>,
    findings: Vec<Finding>,
    digests: Digests,
    budget: Budget,
}

impl Looking<'_> {
    // The first findings refuse as well as all of them would.
    fn is_enough(&self) -> bool {
        const MOST: usize = 64;
        self.findings.len() >= MOST
    }

    fn found(&mut self, file: &Path, what: What) {
        let finding = Finding { file: file.to_owned(), what };
        // One file may have been reached in two ways.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn place(&mut self, place: &Place<'_>) -> Result<(), GuardError> {
        // A denial holds for what is harmless, too.
        if self.trust.has_denials() && self.trust.word_on(&place.path)?.is_denied() {
            self.found(&place.path, What::Denied);
            return Ok(());
        }
        // Nothing can be read out of an environment that holds no secret.
        let is_code = place.guard.harmless == Rule::Code || place.guard.format == Format::Prompts;
        if is_code && !self.launch.has_variable {
            return Ok(());
        }
        match place.guard.format {
            Format::Text => Ok(()),
            Format::Code => self.code(place),
            Format::Prompts => self.documents(place, &PROMPTS),
            // A folder in a file's place says nothing to the agent; `.env` is often one, and a large one.
            _ if place.guard.endings.is_empty() && place.path.is_dir() => Ok(()),
            _ => self.documents(place, &place.guard.endings),
        }
    }

    // A file, or those of a folder that have one of the endings.
    fn documents(&mut self, place: &Place<'_>, endings: &[impl AsRef<str>]) -> Result<(), GuardError> {
        let (files, folders) = match code::documents(&place.path, endings, &mut self.budget) {
            Ok(found) => found,
            Err(error) => {
                self.found(&place.path, What::Unread { why: error.to_string(), can_be_allowed: false });
                return Ok(());
            }
        };
        let mut by_record = false;
        for file in files {
            by_record |= self.document(place, &file)?;
            if self.is_enough() {
                break;
            }
        }
        let folders = folders.into_iter().chain(holding(place));
        if let Some((file, access)) = code::open_folder(folders).filter(|_| by_record) {
            self.found(&place.path, What::Open { file, access });
        }
        Ok(())
    }

    fn code(&mut self, place: &Place<'_>) -> Result<(), GuardError> {
        let found = code::all(&place.path, &place.guard.endings, &mut self.digests, &mut self.budget);
        let (files, open) = match found {
            Ok(found) => found,
            Err(error) => {
                self.found(&place.path, What::Unread { why: error.to_string(), can_be_allowed: false });
                return Ok(());
            }
        };
        if files.is_empty() {
            return Ok(());
        }
        let word = self.trust.word_on(&place.path)?;
        if word.is_denied() {
            self.found(&place.path, What::Denied);
            return Ok(());
        }
        // A record of version 0.1 binds the list of all files.
        let is_old = word.has_bytes() && Evidence::read_any(&place.path, 8 << 20).is_ok_and(|all| word.allows(&all));
        let whole = |file: &Path| if place.path.is_dir() { place.path.join(file) } else { place.path.clone() };
        for file in files.iter().filter(|file| !is_old && !word.allows_program(&file.path, file.digest)) {
            // It may have been allowed by itself.
            if self.trust.word_on(&whole(&file.path))?.allows_file(file.digest) {
                continue;
            }
            let changed = word.has_files().then(|| file.path.clone());
            self.found(&place.path, What::Code { changed });
            return Ok(());
        }
        let file = files.into_iter().find_map(|file| Some((whole(&file.path), file.open_to_others?)));
        if let Some((file, access)) = open.or(file).or_else(|| code::open_folder(holding(place))) {
            self.found(&place.path, What::Open { file, access });
        }
        Ok(())
    }

    // Whether something in it is there by the user's word alone.
    fn document(&mut self, place: &Place<'_>, file: &Path) -> Result<bool, GuardError> {
        let evidence = match Evidence::read(file, MAX_FILE as u64) {
            Ok(evidence) => evidence,
            Err(error) => {
                let why = match error {
                    TrustError::Unreadable { why, .. } => why.to_string(),
                    other => other.to_string(),
                };
                self.found(file, What::Unread { why, can_be_allowed: false });
                return Ok(false);
            }
        };
        if let Err(spent) = self.budget.take_bytes(evidence.bytes.len() as u64) {
            self.found(file, What::Unread { why: spent.to_string(), can_be_allowed: false });
            return Ok(false);
        }
        let offences = offences(place.guard, file, &evidence.bytes, self.launch);
        if matches!(&offences, Ok(offences) if offences.is_empty()) {
            return Ok(false);
        }
        let word = self.trust.word_on(file)?;
        if word.is_denied() {
            self.found(file, What::Denied);
            return Ok(false);
        }
        let open = evidence_is_open(&evidence);
        if word.allows(&evidence) {
            if let Some(access) = open {
                self.found(file, What::Open { file: file.into(), access });
            }
            return Ok(true);
        }
        let offences = match offences {
            Ok(offences) => offences,
            Err(why) => {
                self.found(file, What::Unread { why, can_be_allowed: true });
                return Ok(false);
            }
        };
        let mut passed = true;
        for offence in &offences {
            passed &= self.offence(place, file, offence, &word);
            if self.is_enough() {
                break;
            }
        }
        if let Some(access) = open.filter(|_| passed) {
            self.found(file, What::Open { file: file.into(), access });
        }
        Ok(passed)
    }

    // Whether an entry was allowed with this value, and its programs with this content.
    fn offence(&mut self, place: &Place<'_>, file: &Path, offence: &Offence, word: &Word) -> bool {
        let (value, at) = (shown::value(&offence.at, &offence.bound), shown::path(&offence.at));
        if !word.allows_value(&key_of(&offence.at), offence.bound.digest()) {
            let before = word.value(&key_of(&offence.at)).map(str::to_owned);
            let (value, before) = match before {
                Some(before) => {
                    let (before, value) = shown::difference(&before, &value);
                    (value, Some(before))
                }
                None => (shown::short(&value, shown::SHOWN), None),
            };
            self.found(file, What::Entry { at, value, before, why: offence.why });
            return false;
        }
        let inside = self.launch.inside;
        let bases = bases(&place.level, file, [self.launch.directory, self.launch.home], inside);
        let programs = match code::programs_in(&offence.bound, &bases, inside) {
            Ok(programs) => programs,
            Err(spent) => {
                self.found(file, What::Unread { why: spent.to_string(), can_be_allowed: false });
                return false;
            }
        };
        for (named, program) in programs {
            match self.digests.program(program.clone(), named.clone(), &mut self.budget) {
                Ok(found) if word.allows_program(&named, found.digest) => {
                    if let Some(access) = found.open_to_others {
                        self.found(file, What::Open { file: program, access });
                        return false;
                    }
                }
                Ok(_) => {
                    let changed = word.has_program(&named);
                    self.found(file, What::Program { program, changed });
                    return false;
                }
                Err(error) => {
                    self.found(file, What::Unread { why: error.to_string(), can_be_allowed: false });
                    return false;
                }
            }
        }
        true
    }
}

// The files of a folder of words for the model that agents load.
const PROMPTS: [&str; 5] = ["md", "mdc", "mdx", "markdown", "toml"];

// The folders in which somebody else could put another file in its place: up to the directory in which the agent looks.
fn holding(place: &Place<'_>) -> impl Iterator<Item = PathBuf> {
    let many = Path::new(&place.guard.file).components().count();
    place.path.ancestors().skip(1).take(many).map(Path::to_owned).collect::<Vec<_>>().into_iter()
}

fn evidence_is_open(evidence: &Evidence) -> Option<String> {
    code::open_to_others(&evidence.canonical, evidence.access())
}

// What tells an entry's names from all others. They stand in no record themselves: people paste keys where names belong.
fn key_of(at: &[String]) -> String {
    Value::List(at.iter().cloned().map(Value::Text).collect()).digest().to_string()
}

// The directories from which the words of a file may be meant: its own, those above it in the project, those that the
// agent works in (`others`), and the home.
fn bases<'a>(level: &'a Path, file: &'a Path, others: [&'a Path; 2], inside: &dyn Fn(&Path) -> bool) -> Vec<&'a Path> {
    let above = file.ancestors().skip(1).take_while(|folder| inside(folder));
    let mut bases: Vec<&Path> = above.chain([level]).chain(others).collect();
    bases.dedup();
    bases
}

// The entries of a file that are not harmless in this launch.
fn offences(guard: &Guard, file: &Path, bytes: &[u8], launch: &Launch<'_>) -> Result<Vec<Offence>, String> {
    let Some(document) = document_of(guard, file, bytes)? else { return Ok(Vec::new()) };
    let is_on = |name: &String| {
        let off = |value: &str| matches!(value, "" | "0" | "false");
        launch.env.get(name).is_some_and(|value| !off(&value.to_string_lossy())) || sets(&document, name, &off)
    };
    let folder = file.parent().unwrap_or(launch.directory);
    let is_inside = |path: &str| is_inside(path, &[launch.directory, folder], launch.inside);
    let now = Conditions {
        code_passes: !launch.has_variable,
        version: launch.version,
        models: launch.models.clone(),
        names: Names {
            agent: launch.agent,
            is_login: launch.is_login,
            prefixes: launch.prefixes.clone(),
            telemetry: launch.agent.names.telemetry.iter().any(is_on),
            every: false,
        },
        inside: &is_inside,
    };
    Ok(judge::offences(&document, guard, &now, &strict(launch.agent, &is_inside)))
}

// Under these conditions the fewest entries are harmless.
pub(crate) fn strict<'a>(agent: &'a AgentSpec, inside: &'a dyn Fn(&str) -> bool) -> Conditions<'a> {
    let names = Names { agent, is_login: true, prefixes: Vec::new(), telemetry: true, every: true };
    Conditions { code_passes: false, version: None, models: Vec::new(), names, inside }
}

pub(crate) fn document_of(guard: &Guard, file: &Path, bytes: &[u8]) -> Result<Option<Value>, String> {
    let reader = match guard.format {
        Format::Json => Reader::Json,
        Format::Toml => Reader::Toml,
        Format::Yaml => Reader::Yaml,
        Format::Dotenv => Reader::Dotenv,
        Format::Prompts if file.extension().is_some_and(|ending| ending == "toml") => Reader::PromptToml,
        Format::Prompts => Reader::Prompt,
        Format::Code | Format::Text => return Ok(None),
    };
    read::read(reader, bytes).map(Some).map_err(|error| format!("it {error}"))
}

// Whether a document sets a variable to something else than what turns it off, in whatever table.
fn sets(document: &Value, name: &str, off: &dyn Fn(&str) -> bool) -> bool {
    match document {
        Value::Table(entries) => entries.iter().any(|(entry, value)| match value {
            Value::Text(text) | Value::Number(text) => entry == name && !off(text),
            Value::Bool(truth) => entry == name && *truth,
            value => sets(value, name, off),
        }),
        Value::List(list) => list.iter().any(|value| sets(value, name, off)),
        _ => false,
    }
}

// Whether a path that a file names stays inside the project, from each directory that it may be meant from. What holds a
// scheme, a variable or a home is none.
fn is_inside(path: &str, bases: &[&Path], inside: &dyn Fn(&Path) -> bool) -> bool {
    !path.contains(['$', '%', '{', '}', '\0'])
        && !path.contains("://")
        && !path.starts_with(['~', '-'])
        && bases
            .iter()
            .map(|base| platform::plain(&base.join(path)))
            .all(|path| inside(&path) && path.canonicalize().map_or(true, |real| inside(&real)))
}

#[cfg(all(test, unix))]
mod tests;
