//! Why an agent was not started.

use crate::audit::AuditError;
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
    /// It was refused, or could not be decided.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A key could not be had.
    #[error("{profile}: {error}")]
    Store {
        /// `profile "work"`.
        profile: String,
        /// What the store said.
        error: StoreError,
    },
    /// The lookup could not be recorded.
    #[error("the launch is refused because the lookup cannot be recorded: {0}")]
    Audit(#[from] AuditError),
    /// What the store gave is not one that an agent could be given.
    #[error("the key {key} in the keychain {why}")]
    Unusable {
        /// The key.
        key: KeyName,
        /// Why.
        why: KeyError,
    },
    /// The key was made for another provider, so it would be sent in the wrong way or to the wrong host.
    #[error("the key {key} {}", match wrong { Misplaced::Of(owner) => format!("is a key of {owner}"), Misplaced::NotOf(owner) => format!("is not a key of {owner}") })]
    Misplaced {
        /// The key.
        key: KeyName,
        /// Whose it is, or is not.
        wrong: Misplaced,
    },
    /// The user has told the agent not to use the key.
    #[error("{agent} was told not to use the key {key}, and would start without it: it stands in `{list}` in {}", file.display())]
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
    /// The agent's program is not the one any more that was compared with its pin.
    #[error("{} changed while it was being started", .0.display())]
    Swapped(PathBuf),
    /// The agent on PATH leads back here.
    #[error("{} leads back to ringlet", .0.display())]
    Loop(PathBuf),
    /// The profile's configuration folder cannot be made.
    #[error("the configuration folder {} cannot be created: {error}", folder.display())]
    ConfigDir {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// This process could not be closed to others before it holds a secret.
    #[error("this process cannot be protected: {0}")]
    Protect(io::Error),
    /// The process that hands the key over cannot be left behind.
    #[error("the key cannot be kept for the agent to ask for: {0}")]
    HandOver(io::Error),
    /// The system would not start the agent.
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
    /// Nobody answers at the socket: it was asked before, or the launch has ended.
    #[error("the key of this launch was given already, or the launch has ended")]
    Gone,
    /// Somebody answers, and gives nothing.
    #[error("the key is given to the agent of its launch alone")]
    Refused,
    /// The system's error.
    #[error("the key cannot be handed over: {0}")]
    Io(#[from] io::Error),
}
