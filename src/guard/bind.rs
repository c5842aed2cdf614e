//! The binding of a file or folder by `allow`, for every agent that would load it.

use super::analysis::{PROMPT_ENDINGS, base_directories, parse, path_digest, strict_conditions};
use super::code::{self, Digests, ProgramFile};
use super::judge::{self, Conditions, Risk};
use super::read::MAX_FILE;
use super::redact;
use super::variables::VariableRules;
use crate::guard::budget::Budget;
use crate::registry::{AgentSpec, Format, Guard};
use crate::trust::{Bound, BoundFile, BoundValue};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The facts that a binding depends on.
pub(crate) struct Bind<'a> {
    /// Every agent that may load the file.
    pub agents: &'a [Arc<AgentSpec>],
    /// The prefixes of the variables of all providers.
    pub prefixes: &'a [String],
    /// The canonical working directory.
    pub directory: &'a Path,
    /// The user's canonical home directory.
    pub home: &'a Path,
    /// Reports whether a path lies in the project.
    pub inside: &'a dyn Fn(&Path) -> bool,
}

/// The way in which one file or folder is bound.
#[derive(Debug)]
pub(crate) enum Binding {
    /// By its values and its programs.
    Values {
        /// The file, or the folder of code.
        file: PathBuf,
        /// The content of the record.
        bound: Bound,
        /// Entries that start a program of which no file lies in the project. The record cannot bind such a program.
        by_name: Vec<String>,
    },
    /// By its bytes, because no agent loads it by itself or it does not parse.
    Bytes(PathBuf),
    /// Not at all, because every entry is harmless.
    Harmless(PathBuf),
}

/// The cause why a file or folder cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be allowed: {why}", file.display())]
pub struct BindError {
    /// The file or folder.
    pub file: PathBuf,
    /// The cause.
    pub why: String,
}

/// Reads a file or folder and returns its bindings.
pub(crate) fn bind(bind: &Bind<'_>, path: &Path) -> Result<Vec<Binding>, BindError> {
    let mut binding = Binder { bind, digests: Digests::default(), budget: Budget::for_a_launch() };
    let refused = |why: String| BindError { file: path.to_owned(), why };
    if !path.is_dir() {
        return Ok(vec![binding.file(path)?]);
    }
    // An agent ignores a folder that bears the name of its file.
    let is_folder = |guard: &&Guard| {
        matches!(guard.format, Format::Code | Format::Prompts | Format::Text) || !guard.endings.is_empty()
    };
    let folders: Vec<&Guard> = bind.guards(path).map(|(guard, _)| guard).filter(is_folder).collect();
    if folders.is_empty() {
        return Err(refused("no agent loads this folder by itself".into()));
    }
    if folders.iter().all(|guard| guard.format != Format::Code) {
        let endings: Vec<&str> =
            folders.iter().flat_map(|guard| &guard.endings).map(String::as_str).chain(PROMPT_ENDINGS).collect();
        let (files, _) =
            code::documents(path, &endings, &mut binding.budget).map_err(|error| refused(error.to_string()))?;
        return files.iter().map(|file| binding.file(file)).collect();
    }
    let files = code::code_files(path, &[], &mut binding.digests, &mut binding.budget);
    let (files, _) = files.map_err(|error| refused(error.to_string()))?;
    if files.is_empty() {
        return Ok(vec![Binding::Harmless(path.to_owned())]);
    }
    let bound = Bound { values: Vec::new(), files: files.iter().map(bound_file).collect() };
    Ok(vec![Binding::Values { file: path.to_owned(), bound, by_name: Vec::new() }])
}

impl Bind<'_> {
    // Returns the guards of all agents for a path, each with its agent. The guard of a folder covers its documents.
    fn guards<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (&'a Guard, &'a AgentSpec)> {
        let all = self.agents.iter().flat_map(|agent| agent.guard.iter().map(move |guard| (guard, agent.as_ref())));
        all.filter(move |(guard, _)| match guard.format {
            Format::Code => path.ends_with(&guard.file),
            _ => path.ancestors().any(|folder| folder.ends_with(&guard.file)),
        })
    }
}

struct Binder<'a> {
    bind: &'a Bind<'a>,
    digests: Digests,
    budget: Budget,
}

impl Binder<'_> {
    fn file(&mut self, path: &Path) -> Result<Binding, BindError> {
        let refused = |why: String| BindError { file: path.to_owned(), why };
        let guards: Vec<_> = self.bind.guards(path).filter(|(guard, _)| guard.format != Format::Text).collect();
        if guards.is_empty() {
            return Ok(Binding::Bytes(path.to_owned()));
        }
        let read = crate::platform::read_file(path, MAX_FILE as u64).map_err(|error| refused(error.to_string()))?;
        let (mut bound, mut by_name) = (Bound::default(), Vec::new());
        for (guard, agent) in guards {
            if guard.format == Format::Code {
                let name = path.file_name().map(PathBuf::from).unwrap_or_default();
                let program = self.digests.program(path.to_owned(), name, &mut self.budget);
                add(&mut bound.files, bound_file(&program.map_err(|error| refused(error.to_string()))?));
                continue;
            }
            let Ok(document) = parse(guard, path, &read.bytes) else {
                return Ok(Binding::Bytes(path.to_owned()));
            };
            let Some(document) = document else { continue };
            let folder = path.parent().unwrap_or(path);
            let is_inside =
                |text: &str| super::analysis::is_inside(text, &[self.bind.directory, folder], self.bind.inside);
            let now = Conditions {
                variables: VariableRules {
                    agent,
                    is_login: true,
                    prefixes: self.bind.prefixes.to_vec(),
                    telemetry: true,
                    treats_all_as_read: false,
                },
                ..strict_conditions(agent, &is_inside)
            };
            for offence in judge::offences(&document, guard, &now, &strict_conditions(agent, &is_inside)) {
                let value = BoundValue {
                    at: path_digest(&offence.at),
                    name: redact::path(&offence.at),
                    sha256: offence.bound.digest().to_string(),
                    shown: redact::value(&offence.at, &offence.bound),
                };
                add(&mut bound.values, value);
                let level = level_of(path, guard);
                let bases = base_directories(level, path, [self.bind.directory, self.bind.home], self.bind.inside);
                let programs = code::programs_in(&offence.bound, &bases, self.bind.inside);
                let programs = programs.map_err(|spent| refused(spent.to_string()))?;
                if programs.is_empty() && offence.risk == Risk::Runs {
                    add(
                        &mut by_name,
                        redact::short(&redact::value(&offence.at, &offence.bound), redact::MESSAGE_CHARS),
                    );
                }
                for (named, program) in programs {
                    let program = self.digests.program(program, named, &mut self.budget);
                    add(&mut bound.files, bound_file(&program.map_err(|error| refused(error.to_string()))?));
                }
            }
        }
        if bound == Bound::default() {
            return Ok(Binding::Harmless(path.to_owned()));
        }
        Ok(Binding::Values { file: path.to_owned(), bound, by_name })
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn bound_file(program: &ProgramFile) -> BoundFile {
    BoundFile { path: program.path.to_string_lossy().into_owned(), sha256: program.digest.to_string() }
}

// Returns the directory that a file of this guard belongs to.
fn level_of<'a>(path: &'a Path, guard: &Guard) -> &'a Path {
    path.ancestors().find(|level| path.starts_with(level.join(&guard.file))).or(path.parent()).unwrap_or(path)
}
