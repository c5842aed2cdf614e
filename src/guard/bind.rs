//! What `allow` binds of a file or folder of a project, for every agent that would load it.

use super::code::{self, Digests, Program};
use super::judge::{self, Conditions, Why};
use super::names::Names;
use super::read::MAX_FILE;
use super::{PROMPTS, bases, document_of, key_of, shown, strict};
use crate::guard::budget::Budget;
use crate::registry::{AgentSpec, Format, Guard};
use crate::trust::{Bound, BoundFile, BoundValue};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is to be bound.
pub(crate) struct Bind<'a> {
    /// Every agent that may load it.
    pub agents: &'a [Arc<AgentSpec>],
    /// What the names of any provider's variables begin with.
    pub prefixes: &'a [String],
    /// The working directory, canonical.
    pub directory: &'a Path,
    /// The user's home, canonical.
    pub home: &'a Path,
    /// Whether a path lies in the project.
    pub inside: &'a dyn Fn(&Path) -> bool,
}

/// How one file or folder is bound.
#[derive(Debug)]
pub(crate) enum Binding {
    /// By its values and programs.
    Values {
        /// The file, or the folder of code.
        file: PathBuf,
        /// What a record holds.
        bound: Bound,
        /// Entries that start something of which no file of the project could be told, so that it is not bound.
        by_name: Vec<String>,
    },
    /// By its bytes: no agent loads it by itself, or it does not parse.
    Bytes(PathBuf),
    /// Nothing is to be bound: every entry is harmless.
    Harmless(PathBuf),
}

/// Why something cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be allowed: {why}", file.display())]
pub struct BindError {
    /// The file or folder.
    pub file: PathBuf,
    /// Why.
    pub why: String,
}

/// Reads a file or folder and says how it is bound.
pub(crate) fn bind(bind: &Bind<'_>, path: &Path) -> Result<Vec<Binding>, BindError> {
    let mut binding = Binder { bind, digests: Digests::default(), budget: Budget::for_a_launch() };
    let refused = |why: String| BindError { file: path.to_owned(), why };
    if !path.is_dir() {
        return Ok(vec![binding.file(path)?]);
    }
    // A folder in a file's place is nothing to an agent.
    let is_folder = |guard: &&Guard| {
        matches!(guard.format, Format::Code | Format::Prompts | Format::Text) || !guard.endings.is_empty()
    };
    let folders: Vec<&Guard> = bind.guards(path).map(|(guard, _)| guard).filter(is_folder).collect();
    if folders.is_empty() {
        return Err(refused("no agent loads this folder by itself".into()));
    }
    if folders.iter().all(|guard| guard.format != Format::Code) {
        let endings: Vec<&str> =
            folders.iter().flat_map(|guard| &guard.endings).map(String::as_str).chain(PROMPTS).collect();
        let (files, _) =
            code::documents(path, &endings, &mut binding.budget).map_err(|error| refused(error.to_string()))?;
        return files.iter().map(|file| binding.file(file)).collect();
    }
    let files = code::all(path, &[], &mut binding.digests, &mut binding.budget);
    let (files, _) = files.map_err(|error| refused(error.to_string()))?;
    if files.is_empty() {
        return Ok(vec![Binding::Harmless(path.to_owned())]);
    }
    let bound = Bound { values: Vec::new(), files: files.iter().map(bound_file).collect() };
    Ok(vec![Binding::Values { file: path.to_owned(), bound, by_name: Vec::new() }])
}

impl Bind<'_> {
    // The guards of all agents for a path, each with its agent. A document in a folder is the folder's.
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
            let Ok(document) = document_of(guard, path, &read.bytes) else {
                return Ok(Binding::Bytes(path.to_owned()));
            };
            let Some(document) = document else { continue };
            let folder = path.parent().unwrap_or(path);
            let is_inside = |text: &str| super::is_inside(text, &[self.bind.directory, folder], self.bind.inside);
            let now = Conditions {
                names: Names {
                    agent,
                    is_login: true,
                    prefixes: self.bind.prefixes.to_vec(),
                    telemetry: true,
                    every: false,
                },
                ..strict(agent, &is_inside)
            };
            for offence in judge::offences(&document, guard, &now, &strict(agent, &is_inside)) {
                let value = BoundValue {
                    at: key_of(&offence.at),
                    name: shown::path(&offence.at),
                    sha256: offence.bound.digest().to_string(),
                    shown: shown::value(&offence.at, &offence.bound),
                };
                add(&mut bound.values, value);
                let level = level_of(path, guard);
                let bases = bases(level, path, [self.bind.directory, self.bind.home], self.bind.inside);
                let programs = code::programs_in(&offence.bound, &bases, self.bind.inside);
                let programs = programs.map_err(|spent| refused(spent.to_string()))?;
                if programs.is_empty() && offence.why == Why::Runs {
                    add(&mut by_name, shown::short(&shown::value(&offence.at, &offence.bound), shown::SHOWN));
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

fn bound_file(program: &Program) -> BoundFile {
    BoundFile { path: program.path.to_string_lossy().into_owned(), sha256: program.digest.to_string() }
}

// The directory that a file of this guard belongs to.
fn level_of<'a>(path: &'a Path, guard: &Guard) -> &'a Path {
    path.ancestors().find(|level| path.starts_with(level.join(&guard.file))).or(path.parent()).unwrap_or(path)
}
