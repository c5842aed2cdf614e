//! The inspection of a project before a launch: every file that the agent would load, against the rules and the
//! records.

use super::analysis::{Launch, PROMPT_ENDINGS, base_directories, offences, path_digest};
use super::budget::Budget;
use super::code::{self, Digests};
use super::finding::{Finding, Problem};
use super::judge::Offence;
use super::places::{self, GuardedPath};
use super::read::MAX_FILE;
use super::redact;
use crate::platform;
use crate::registry::{Format, Guard, Rule};
use crate::trust::{Evidence, PathRecords, Trust, TrustError};
use std::io;
use std::path::{Path, PathBuf};

/// The cause why a project could not be inspected.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The directory or one above it cannot be searched.
    #[error("cannot look into {} and the directories above it: {error}", directory.display())]
    Search {
        /// The directory where the search began.
        directory: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The user's permissions cannot be read.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// The result of an inspection.
pub(crate) struct Inspection {
    /// Everything that refuses the launch.
    pub findings: Vec<Finding>,
    /// Whether any file of the agent exists. Files in its own folder in the home directory do not count.
    pub anything: bool,
}

/// Inspects everything that the agent would load from the project.
pub(crate) fn inspect(launch: &Launch<'_>, trust: &Trust<'_>) -> Result<Inspection, GuardError> {
    let agent = launch.agent;
    let mut places = places::find(agent, launch.directory, launch.here, launch.home)
        .map_err(|error| GuardError::Search { directory: launch.directory.into(), error })?;
    for added in &launch.arguments.adds {
        // The agent would create a missing path in the nearest folder that exists.
        let path = launch.here.join(added);
        if let Some(added) = path.ancestors().find_map(|path| platform::canonical(path).ok()) {
            places::around(agent, &added, launch.home, &mut places);
        }
    }
    let code = Guard::code();
    for (path, like) in &launch.arguments.reads {
        // Some agents expect `@` before a path, because the argument may be the content itself.
        let named = path.to_str().and_then(|path| path.strip_prefix('@')).map_or(path.as_path(), Path::new);
        let path = platform::plain(&launch.here.join(named));
        let guard = agent.guard.iter().find(|guard| guard.file == *like);
        let guard = guard.or((like == "code").then_some(&code));
        if let Some(guard) = guard.filter(|_| path.symlink_metadata().is_ok() && (launch.inside)(&path)) {
            places.found.push(GuardedPath { level: launch.directory.into(), path, guard });
        }
    }
    let mut inspector =
        Inspector { launch, trust, findings: Vec::new(), digests: Digests::default(), budget: Budget::for_a_launch() };
    for place in &places.found {
        inspector.check(place)?;
        if inspector.is_full() {
            break;
        }
    }
    Ok(Inspection { findings: inspector.findings, anything: places.anything })
}

struct Inspector<'a> {
    launch: &'a Launch<'a>,
    trust: &'a Trust<'a>,
    findings: Vec<Finding>,
    digests: Digests,
    budget: Budget,
}

impl Inspector<'_> {
    // The launch is refused either way, so a few findings are enough for the message.
    fn is_full(&self) -> bool {
        const MOST: usize = 64;
        self.findings.len() >= MOST
    }

    fn report(&mut self, file: &Path, problem: Problem) {
        let finding = Finding { file: file.to_owned(), problem };
        // Two rules of the agent may lead to the same file.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn check(&mut self, place: &GuardedPath<'_>) -> Result<(), GuardError> {
        // A denial covers harmless files, too.
        if self.trust.has_denials() && self.trust.records_of(&place.path)?.is_denied() {
            self.report(&place.path, Problem::Denied);
            return Ok(());
        }
        // Code can steal no key from an environment that holds no secret.
        let is_code = *place.guard.harmless == Rule::Code || place.guard.format == Format::Prompts;
        if is_code && !self.launch.has_variable {
            return Ok(());
        }
        match place.guard.format {
            Format::Text => Ok(()),
            Format::Code => self.check_code(place),
            Format::Prompts => self.check_documents(place, &PROMPT_ENDINGS),
            // The agent ignores a folder that bears the name of its file. `.env` is often a folder, and a large one.
            _ if place.guard.endings.is_empty() && place.path.is_dir() => Ok(()),
            _ => self.check_documents(place, &place.guard.endings),
        }
    }

    // Checks a file, or the files of a folder that have one of the endings.
    fn check_documents(&mut self, place: &GuardedPath<'_>, endings: &[impl AsRef<str>]) -> Result<(), GuardError> {
        let (files, folders) = match code::documents(&place.path, endings, &mut self.budget) {
            Ok(found) => found,
            Err(error) => {
                self.report(&place.path, Problem::Unreadable { why: error.to_string(), can_be_allowed: false });
                return Ok(());
            }
        };
        let mut by_record = false;
        for file in files {
            by_record |= self.check_document(place, &file)?;
            if self.is_full() {
                break;
            }
        }
        let folders = folders.into_iter().chain(folders_above(place));
        if let Some((file, access)) = code::open_folder(folders).filter(|_| by_record) {
            self.report(&place.path, Problem::OpenToOthers { file, access });
        }
        Ok(())
    }

    // Checks a program, or every file of a folder of code.
    fn check_code(&mut self, place: &GuardedPath<'_>) -> Result<(), GuardError> {
        let found = code::code_files(&place.path, &place.guard.endings, &mut self.digests, &mut self.budget);
        let (files, open) = match found {
            Ok(found) => found,
            Err(error) => {
                self.report(&place.path, Problem::Unreadable { why: error.to_string(), can_be_allowed: false });
                return Ok(());
            }
        };
        if files.is_empty() {
            return Ok(());
        }
        let recorded = self.trust.records_of(&place.path)?;
        if recorded.is_denied() {
            self.report(&place.path, Problem::Denied);
            return Ok(());
        }
        // A record of Ringlet 0.1 binds the list of all files instead of each file.
        let is_old =
            recorded.has_bytes() && Evidence::read_any(&place.path, 8 << 20).is_ok_and(|all| recorded.allows(&all));
        let whole = |file: &Path| if place.path.is_dir() { place.path.join(file) } else { place.path.clone() };
        for file in files.iter().filter(|file| !is_old && !recorded.allows_program(&file.path, file.digest)) {
            // The file may have a record of its own.
            if self.trust.records_of(&whole(&file.path))?.allows_file(file.digest) {
                continue;
            }
            let changed = recorded.has_files().then(|| file.path.clone());
            self.report(&place.path, Problem::Code { changed });
            return Ok(());
        }
        let file = files.into_iter().find_map(|file| Some((whole(&file.path), file.open_to_others?)));
        if let Some((file, access)) = open.or(file).or_else(|| code::open_folder(folders_above(place))) {
            self.report(&place.path, Problem::OpenToOthers { file, access });
        }
        Ok(())
    }

    // Checks one document. Returns whether it passes only because of a record, so that other accounts must not be able
    // to replace it.
    fn check_document(&mut self, place: &GuardedPath<'_>, file: &Path) -> Result<bool, GuardError> {
        let evidence = match Evidence::read(file, MAX_FILE as u64) {
            Ok(evidence) => evidence,
            Err(error) => {
                let why = match error {
                    TrustError::Unreadable { why, .. } => why.to_string(),
                    other => other.to_string(),
                };
                self.report(file, Problem::Unreadable { why, can_be_allowed: false });
                return Ok(false);
            }
        };
        if let Err(spent) = self.budget.take_bytes(evidence.bytes.len() as u64) {
            self.report(file, Problem::Unreadable { why: spent.to_string(), can_be_allowed: false });
            return Ok(false);
        }
        let offences = offences(place.guard, file, &evidence.bytes, self.launch);
        if matches!(&offences, Ok(offences) if offences.is_empty()) {
            return Ok(false);
        }
        let recorded = self.trust.records_of(file)?;
        if recorded.is_denied() {
            self.report(file, Problem::Denied);
            return Ok(false);
        }
        let open = evidence_is_open(&evidence);
        if recorded.allows(&evidence) {
            if let Some(access) = open {
                self.report(file, Problem::OpenToOthers { file: file.into(), access });
            }
            return Ok(true);
        }
        let offences = match offences {
            Ok(offences) => offences,
            Err(why) => {
                self.report(file, Problem::Unreadable { why, can_be_allowed: true });
                return Ok(false);
            }
        };
        let mut passed = true;
        for offence in &offences {
            passed &= self.check_offence(place, file, offence, &recorded);
            if self.is_full() {
                break;
            }
        }
        if let Some(access) = open.filter(|_| passed) {
            self.report(file, Problem::OpenToOthers { file: file.into(), access });
        }
        Ok(passed)
    }

    // Reports whether a record allows the entry with this value and its programs with this content.
    fn check_offence(
        &mut self,
        place: &GuardedPath<'_>,
        file: &Path,
        offence: &Offence,
        recorded: &PathRecords,
    ) -> bool {
        let (value, at) = (redact::value(&offence.at, &offence.bound), redact::path(&offence.at));
        if !recorded.allows_value(&path_digest(&offence.at), offence.bound.digest()) {
            let before = recorded.value(&path_digest(&offence.at)).map(str::to_owned);
            let (value, before) = match before {
                Some(before) => {
                    let (before, value) = redact::difference(&before, &value);
                    (value, Some(before))
                }
                None => (redact::short(&value, redact::MESSAGE_CHARS), None),
            };
            self.report(file, Problem::Entry { at, value, before, risk: offence.risk });
            return false;
        }
        let inside = self.launch.inside;
        let bases = base_directories(&place.level, file, [self.launch.directory, self.launch.home], inside);
        let programs = match code::programs_in(&offence.bound, &bases, inside) {
            Ok(programs) => programs,
            Err(spent) => {
                self.report(file, Problem::Unreadable { why: spent.to_string(), can_be_allowed: false });
                return false;
            }
        };
        for (named, program) in programs {
            match self.digests.program(program.clone(), named.clone(), &mut self.budget) {
                Ok(found) if recorded.allows_program(&named, found.digest) => {
                    if let Some(access) = found.open_to_others {
                        self.report(file, Problem::OpenToOthers { file: program, access });
                        return false;
                    }
                }
                Ok(_) => {
                    let changed = recorded.has_program(&named);
                    self.report(file, Problem::Program { program, changed });
                    return false;
                }
                Err(error) => {
                    self.report(file, Problem::Unreadable { why: error.to_string(), can_be_allowed: false });
                    return false;
                }
            }
        }
        true
    }
}

// Returns the folders between a file and the directory that the agent searches. Who may write one of them can replace
// the file.
fn folders_above(place: &GuardedPath<'_>) -> impl Iterator<Item = PathBuf> {
    let many = Path::new(&place.guard.file).components().count();
    place.path.ancestors().skip(1).take(many).map(Path::to_owned).collect::<Vec<_>>().into_iter()
}

fn evidence_is_open(evidence: &Evidence) -> Option<String> {
    code::open_to_others(&evidence.canonical, evidence.access())
}
