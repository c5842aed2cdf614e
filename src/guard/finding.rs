//! The findings of the guard, and how a message words them.

use super::code;
use super::judge::Risk;
use super::redact;
use super::variables::Family;
use crate::platform;
use crate::trust::{BoundFile, BoundValue};
use std::fmt;
use std::path::{Path, PathBuf};

/// Something in the project that refuses a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, or the folder of code.
    pub file: PathBuf,
    /// The problem with it.
    pub problem: Problem,
}

/// The reason for which a file refuses a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// An entry is not harmless. All texts are short and hold no key.
    Entry {
        /// The names that lead to the entry.
        at: String,
        /// The value of the entry.
        value: String,
        /// The value that was allowed before.
        before: Option<String>,
        /// What the entry could do.
        risk: Risk,
    },
    /// The file is a program, or a folder of programs.
    Code {
        /// The file that is new or changed, where other files were allowed.
        changed: Option<PathBuf>,
    },
    /// The file starts a program of the project, and the program is new or changed.
    Program {
        /// The program.
        program: PathBuf,
        /// Whether other content was allowed.
        changed: bool,
    },
    /// The file cannot be checked.
    Unreadable {
        /// The cause.
        why: String,
        /// Whether the user can allow the file as it is.
        can_be_allowed: bool,
    },
    /// The file was allowed, but another account may write it.
    OpenToOthers {
        /// The file or program.
        file: PathBuf,
        /// Owner and mode.
        access: String,
    },
    /// The user denied the file.
    Denied,
}

impl Finding {
    /// Reports whether the launch passes once the user runs `ringlet allow` on the file.
    pub fn can_be_allowed(&self) -> bool {
        !matches!(self.problem, Problem::OpenToOthers { .. } | Problem::Unreadable { can_be_allowed: false, .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.problem {
            Problem::Entry { at, value, before, risk } => {
                write!(f, "{file}: ")?;
                if !at.is_empty() {
                    write!(f, "{at} = ")?;
                }
                write!(f, "{value}")?;
                if let Some(before) = before {
                    write!(f, " (allowed was {before})")?;
                }
                write!(f, " {risk}")
            }
            Problem::Code { changed: None } => write!(f, "{file} {}", Risk::Runs),
            Problem::Code { changed: Some(changed) } => {
                write!(f, "{file}: {} is not as it was allowed, and {}", changed.display(), Risk::Runs)
            }
            Problem::Program { program, changed } => {
                let program = program.display();
                let how =
                    if *changed { "has changed since it was allowed" } else { "was not there when it was allowed" };
                write!(f, "{file}: {program}, which it names, {how}")
            }
            Problem::Unreadable { why, .. } => write!(f, "{file} cannot be checked: {why}"),
            Problem::OpenToOthers { file: open, access } => {
                write!(f, "{file} was allowed, but others may write {} ({access})", open.display())
            }
            Problem::Denied => write!(f, "{file} is denied"),
        }
    }
}

impl fmt::Display for Risk {
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

/// Returns owner and mode of a file in words if an account other than the user's and root's may write it.
pub(crate) fn open_to_others(file: &Path) -> Option<String> {
    platform::access(file).ok().and_then(|access| code::open_to_others(file, &access))
}

/// Words a bound value for a message.
pub(crate) fn describe(value: &BoundValue) -> String {
    let shown = redact::short(&value.shown, redact::MESSAGE_CHARS);
    if value.name.is_empty() { shown } else { format!("{} = {shown}", value.name) }
}

/// Words a bound file for a message.
pub(crate) fn describe_file(file: &BoundFile) -> String {
    redact::short(&redact::printable(&file.path), redact::MESSAGE_CHARS)
}
