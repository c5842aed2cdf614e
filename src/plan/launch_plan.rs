//! The plan of a launch: what is started, with which changes to the environment and which secrets.

use super::broker::Broker;
use super::gate::Passed;
use crate::env::Change;
use crate::name::{Agent, KeyName, Profile, Variable};
use crate::profile::Resolved;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where a secret goes in the agent's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sink {
    /// In a variable.
    Variable(Variable),
    /// In a pipe. The variable holds the number of its descriptor.
    Descriptor(Variable),
    /// To the command that the agent runs once to get its key.
    Command,
}

impl Sink {
    /// Returns the variable through which the agent finds the secret.
    pub(crate) fn variable(&self) -> Option<&Variable> {
        match self {
            Self::Variable(name) | Self::Descriptor(name) => Some(name),
            Self::Command => None,
        }
    }
}

/// The purpose of a secret for the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The account's key. It is sent in a header, so it must be a single line of text.
    Account,
    /// A secret of the profile's `[secrets]`.
    Extra,
}

/// One secret that a launch needs: its name and where it goes, never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretUse {
    /// The key's name.
    pub key: KeyName,
    /// The place in the agent's process.
    pub sink: Sink,
    /// The purpose.
    pub purpose: Purpose,
}

/// The program that is started.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// The command, which the agent sees in `argv[0]`.
    pub command: String,
    /// The agent's program.
    pub binary: PathBuf,
    /// The arguments after `argv[0]`.
    pub arguments: Vec<OsString>,
}

/// A message for the user before the agent starts. Each is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The folder holds no login, so the agent will ask for one.
    NoLogin {
        /// The profile.
        profile: Profile,
        /// The agent, if the profile has several logins.
        agent: Option<Agent>,
        /// The folder.
        folder: PathBuf,
    },
    /// The agent lists only the sessions of one provider id, and sessions of another one exist.
    OtherSessions {
        /// The agent's command.
        command: String,
        /// The agent's program.
        binary: PathBuf,
        /// The profile.
        profile: Profile,
        /// The command that continues one of the other sessions, if this account has such a command.
        resume: Option<Vec<String>>,
    },
    /// The shell sets an endpoint that the profile does not use.
    EndpointDropped {
        /// The variables.
        names: Vec<String>,
        /// The profile.
        profile: Profile,
        /// The endpoint that is used instead, if known.
        endpoint: Option<String>,
    },
}

/// The part of a plan that a profile adds.
#[derive(Debug, Clone)]
pub(crate) struct ProfilePart {
    /// The resolved profile.
    pub resolved: Resolved,
    /// The changes to the environment in order, without the secrets.
    pub changes: Vec<Change>,
    /// The shell's variables that would compete with the account and are removed.
    pub removed: Vec<String>,
    /// The messages before the start.
    pub notices: Vec<Notice>,
    /// The broker that holds the account's key; `None` if the agent gets the key itself.
    pub broker: Option<Broker>,
}

impl ProfilePart {
    /// Reports whether the broker holds a secret, so that the agent is given a token in its place.
    pub(crate) fn is_held(&self, used: &SecretUse) -> bool {
        self.broker.is_some() && used.purpose == Purpose::Account
    }
}

/// The reason why a launch with a profile opens no store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keyless {
    /// The agent uses its own login.
    Login,
    /// The profile has no key.
    NoKey,
    /// The invocation needs no key, for this reason.
    NotNeeded(String),
}

/// The plan of a launch.
#[derive(Debug, Clone)]
pub(crate) enum LaunchPlan {
    /// No profile is used. The agent starts as if Ringlet were not installed.
    Bare(Start),
    /// The profile is used, and no store is opened.
    Keyless {
        /// The program to start.
        start: Start,
        /// The profile's part.
        part: ProfilePart,
        /// The reason why no key is looked up.
        why: Keyless,
    },
    /// The profile is used, and keys are looked up.
    Keyed {
        /// The program to start.
        start: Start,
        /// The profile's part.
        part: ProfilePart,
        /// The keys, at least one. The account's own key is first.
        secrets: Vec<SecretUse>,
        /// The result of the scope checks.
        scopes: Passed,
    },
}

impl LaunchPlan {
    /// The program to start.
    pub(crate) fn start(&self) -> &Start {
        match self {
            Self::Bare(start) | Self::Keyless { start, .. } | Self::Keyed { start, .. } => start,
        }
    }

    /// The profile's part.
    pub(crate) fn part(&self) -> Option<&ProfilePart> {
        match self {
            Self::Bare(_) => None,
            Self::Keyless { part, .. } | Self::Keyed { part, .. } => Some(part),
        }
    }

    /// Returns the keys to look up.
    pub(crate) fn secrets(&self) -> &[SecretUse] {
        if let Self::Keyed { secrets, .. } = self { secrets } else { &[] }
    }

    /// Returns the reason why a plan with a profile looks up no key.
    pub(crate) fn keyless(&self) -> Option<&Keyless> {
        if let Self::Keyless { why, .. } = self { Some(why) } else { None }
    }

    /// Returns the result of the scope checks.
    pub(crate) fn scopes(&self) -> Option<&Passed> {
        if let Self::Keyed { scopes, .. } = self { Some(scopes) } else { None }
    }
}
