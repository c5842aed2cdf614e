//! The errors of a launch.

use crate::audit::AuditError;
use crate::hint::Hint;
use crate::name::KeyName;
use crate::plan::PlanError;
use crate::registry::Misplaced;
use crate::secret::KeyError;
use crate::store::StoreError;
use std::io;
use std::path::PathBuf;

/// Why an agent was not started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The launch was refused, or could not be decided.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A key could not be read from the store.
    #[error("{profile}: {error}")]
    Store {
        /// `profile "work"`.
        profile: String,
        /// The store's error.
        error: StoreError,
        /// What helps.
        cure: Option<Hint>,
    },
    /// The lookup could not be recorded.
    #[error("the launch is refused because the lookup cannot be recorded: {0}")]
    Audit(#[from] AuditError),
    /// The stored value cannot be a key.
    #[error("the key {key} in {place} {why}")]
    Unusable {
        /// The key.
        key: KeyName,
        /// Its store.
        place: String,
        /// Whether Ringlet can store it there.
        is_set_here: bool,
        /// The reason.
        why: KeyError,
    },
    /// The key belongs to another provider, and would be sent in the wrong header or to the wrong host.
    #[error("the key {key} {}", owner(wrong))]
    Misplaced {
        /// The key.
        key: KeyName,
        /// The provider that it belongs to, or does not.
        wrong: Misplaced,
    },
    /// The user has told the agent not to use the key.
    #[error(
        "{agent} was told not to use the key {key}, and would start without it: it stands in `{list}` in {}",
        file.display()
    )]
    Rejected {
        /// The key.
        key: KeyName,
        /// The agent's title.
        agent: String,
        /// The list, its names joined by dots.
        list: String,
        /// The file.
        file: PathBuf,
    },
    /// The agent's program changed after it was compared with its pin.
    #[error("{} changed while it was being started", .0.display())]
    Swapped(PathBuf),
    /// The program on PATH leads back to Ringlet.
    #[error("{} leads back to ringlet", .0.display())]
    Loop(PathBuf),
    /// The profile's configuration folder cannot be created.
    #[error("the configuration folder {} cannot be created: {error}", folder.display())]
    ConfigDir {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Core dumps and debuggers could not be disabled before a secret is read.
    #[error("this process cannot be protected: {0}")]
    Protect(io::Error),
    /// The process that hands the key over could not be started.
    #[error("the key cannot be kept for the agent to ask for: {0}")]
    HandOver(io::Error),
    /// The broker could not be started.
    #[error("the broker cannot be started: {0}")]
    Broker(io::Error),
    /// The person said no.
    #[error("no key was given")]
    Declined,
    /// Nobody can be asked.
    #[error("a key that the command line names is given only after a question, and there is no terminal to ask on")]
    NoTerminal,
    /// The system did not start the agent.
    #[error("{}: {error}", binary.display())]
    Exec {
        /// The agent's program.
        binary: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

/// Why a key was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// No process answers at the socket: the key was given before, or the launch has ended.
    #[error("the key of this launch was given already, or the launch has ended")]
    Gone,
    /// The process at the socket refused the key.
    #[error("the key is given to the agent of its launch alone")]
    Refused,
    /// The system's error.
    #[error("the key cannot be handed over: {0}")]
    Io(#[from] io::Error),
}

fn owner(wrong: &Misplaced) -> String {
    match wrong {
        Misplaced::Of(owner) => format!("is a key of {owner}"),
        Misplaced::NotOf(owner) => format!("is not a key of {owner}"),
    }
}
