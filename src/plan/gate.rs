//! Collects the facts about a launch and checks the scope of each key, before any store is opened.

use super::scope::{Facts, Pass, ScopeRefusal, ScopeRule};
use super::{Context, PlanError, Purpose, SecretUse};
use crate::digest::Digest;
use crate::hint::Hint;
use crate::lease::{BootTime, LeaseFolder, Leases};
use crate::name::{Agent, KeyName, Profile};
use crate::pins::{self, Measured, Pins};
use crate::words;
use std::fmt;
use std::path::{Path, PathBuf};

/// A key that a launch may not look up.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The key.
    pub key: KeyName,
    /// The reason.
    pub reason: ScopeRefusal,
    /// The profile that needs the key, if one does.
    pub profile: Option<Profile>,
    /// The agent; `None` for a command.
    pub agent: Option<Agent>,
    /// The program file.
    pub binary: PathBuf,
    /// The digest of the program, if a rule needs it.
    pub digest: Option<Digest>,
    /// The settings file, and the line of the scope.
    pub rule: (PathBuf, usize),
    /// The causes why facts are missing, such as a program or clock that cannot be read, or a file that is no lease.
    pub notes: Vec<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key {} {}", self.key, self.reason)?;
        match &self.reason {
            ScopeRefusal::Changed(pin) if pin.program == self.binary => write!(f, ": {}", self.binary.display()),
            ScopeRefusal::Changed(pin) => {
                write!(f, ": it is {}, and {} was pinned", self.binary.display(), pin.program.display())
            }
            ScopeRefusal::Unmeasured(_) => write!(f, ": {}", self.binary.display()),
            _ => Ok(()),
        }?;
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

impl Refused {
    /// Returns the next command for the user, or the line of the settings to look at.
    pub fn hint(&self) -> Hint {
        match &self.reason {
            reason if reason.wants_lease() => Hint::run(["ringlet", "lease", "grant", &self.key.to_string()]),
            ScopeRefusal::NotPinned(Some(agent)) => Hint::run(words!["ringlet", "agents", "pin", agent]),
            ScopeRefusal::Changed(pin) => {
                Hint::from("if you know why it changed, run ").command(words!["ringlet", "agents", "pin", pin.agent])
            }
            _ => format!("see [scope.\"{}\"], {}:{}", self.key, self.rule.0.display(), self.rule.1).into(),
        }
    }
}

/// The result of all checks of a launch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Passed {
    /// One result for each key that has a scope.
    pub keys: Vec<Pass>,
    /// The program that was compared with a pin. The launch must start this very file.
    pub measured: Option<Measured>,
}

/// What is given the keys.
pub(crate) enum For<'a> {
    /// An agent, with the account of a profile.
    Agent(&'a Profile, &'a Agent),
    /// A command that is no agent, with the secrets of a profile or none.
    Command(Option<&'a Profile>),
}

/// Checks the scope of every key of a launch.
pub(crate) fn check_scopes(
    context: &Context<'_>,
    whom: &For<'_>,
    secrets: &[SecretUse],
    is_brokered: bool,
    binary: &Path,
) -> Result<Passed, PlanError> {
    // The broker holds the account's key; the other ones are the agent's.
    let is_held = |used: &SecretUse| is_brokered && used.purpose == Purpose::Account;
    let rules: Vec<(&KeyName, ScopeRule<'_>, bool)> = secrets
        .iter()
        .filter_map(|used| Some((&used.key, ScopeRule::of(context.settings, &used.key)?, is_held(used))))
        .collect();
    if rules.is_empty() {
        return Ok(Passed::default());
    }
    let (profile, agent) = match whom {
        For::Agent(profile, agent) => (Some(*profile), Some(*agent)),
        For::Command(profile) => (*profile, None),
    };
    let mut notes: Vec<String> = Vec::new();
    let (mut measured, mut pin) = (None, None);
    if let Some(agent) = agent.filter(|_| rules.iter().any(|(_, rule, _)| rule.wants_pin())) {
        pin = Pins::new(context.paths).read(agent)?;
        // Without a pin the digest serves no purpose.
        if pin.is_some() {
            match pins::measure(context.paths, binary) {
                Ok(program) => measured = Some(program),
                Err(error) => notes.push(error.to_string()),
            }
        }
    }
    let (mut found, mut now) = (Leases::default(), None);
    let mut leased = rules.iter().filter(|(_, rule, _)| rule.wants_lease()).map(|(key, ..)| *key).peekable();
    if leased.peek().is_some() {
        found = LeaseFolder::new(context.paths).load_for(leased)?;
        match BootTime::now() {
            Ok(time) => now = Some(time),
            Err(error) => notes.push(error.to_string()),
        }
        notes.extend(found.broken.iter().map(|(file, why)| format!("{} is no lease: it {why}", file.display())));
    }
    let facts = Facts {
        agents: agent.map_or(&[], std::slice::from_ref),
        is_command: agent.is_none(),
        directory: Some(context.cwd),
        program: measured.as_ref().map(|program| program.digest),
        pins: pin.as_slice(),
        grants: &found.grants,
        now: now.as_ref(),
        is_brokered: false,
    };
    let mut keys: Vec<Pass> = Vec::new();
    for (key, rule, is_brokered) in &rules {
        match rule.check(&Facts { is_brokered: *is_brokered, ..facts }) {
            Ok(pass) if keys.contains(&pass) => {}
            Ok(pass) => keys.push(pass),
            Err(reason) => {
                // The cause of another missing fact would only confuse.
                let blames =
                    matches!(reason, ScopeRefusal::Unmeasured(_) | ScopeRefusal::NoClock) || reason.wants_lease();
                return Err(PlanError::Scoped(Box::new(Refused {
                    key: (*key).clone(),
                    reason,
                    profile: profile.cloned(),
                    agent: agent.cloned(),
                    binary: binary.to_owned(),
                    digest: facts.program,
                    rule: (context.paths.config(), rule.line()),
                    notes: if blames { notes } else { Vec::new() },
                })));
            }
        }
    }
    Ok(Passed { keys, measured })
}
