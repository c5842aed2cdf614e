//! The scopes of a launch: gathers the facts and asks the rule of every key, before any store is opened.

use super::scope::{Facts, Pass, Reason, Rule};
use super::{Context, PlanError, SecretUse};
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
    /// Why.
    pub reason: Reason,
    /// The profile that asks for it.
    pub profile: Profile,
    /// The agent.
    pub agent: Agent,
    /// The agent's program.
    pub binary: PathBuf,
    /// That program's digest, where a rule asked for it.
    pub digest: Option<Digest>,
    /// The settings' file and the line of the scope.
    pub rule: (PathBuf, usize),
    /// What was in the way of a fact: why a program or a clock cannot be read, a file that is no lease.
    pub notes: Vec<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key {} {}", self.key, self.reason)?;
        match &self.reason {
            Reason::Changed(pin) if pin.program == self.binary => write!(f, ": {}", self.binary.display()),
            Reason::Changed(pin) => {
                write!(f, ": it is {}, and {} was pinned", self.binary.display(), pin.program.display())
            }
            Reason::Unmeasured(_) => write!(f, ": {}", self.binary.display()),
            _ => Ok(()),
        }?;
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

impl Refused {
    /// The next command to type, or the line to look at.
    pub fn hint(&self) -> Hint {
        match &self.reason {
            reason if reason.wants_lease() => Hint::run(["ringlet", "lease", "grant", &self.key.to_string()]),
            Reason::NotPinned(_) => Hint::run(words!["ringlet", "agents", "pin", self.agent]),
            Reason::Changed(_) => {
                Hint::from("if you know why it changed, run ").command(words!["ringlet", "agents", "pin", self.agent])
            }
            _ => format!("see [scope.\"{}\"], {}:{}", self.key, self.rule.0.display(), self.rule.1).into(),
        }
    }
}

/// What the rules of a launch came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Passed {
    /// One for each key that has a scope.
    pub keys: Vec<Pass>,
    /// The program that was compared with a pin; what is started must still be this one.
    pub measured: Option<Measured>,
}

/// Asks the rule of every key of a launch.
pub(crate) fn check_scopes(
    context: &Context<'_>,
    profile: &Profile,
    agent: &Agent,
    secrets: &[SecretUse],
    binary: &Path,
) -> Result<Passed, PlanError> {
    let rules: Vec<(&KeyName, Rule<'_>)> =
        secrets.iter().filter_map(|used| Some((&used.key, Rule::of(context.settings, &used.key)?))).collect();
    if rules.is_empty() {
        return Ok(Passed::default());
    }
    let mut notes: Vec<String> = Vec::new();
    let (mut measured, mut pin) = (None, None);
    if rules.iter().any(|(_, rule)| rule.wants_pin()) {
        pin = Pins::new(context.paths).read(agent)?;
        // Without a pin there is nothing to compare with.
        if pin.is_some() {
            match pins::measure(context.paths, binary) {
                Ok(it) => measured = Some(it),
                Err(error) => notes.push(error.to_string()),
            }
        }
    }
    let (mut found, mut now) = (Leases::default(), None);
    let mut leased = rules.iter().filter(|(_, rule)| rule.wants_lease()).map(|(key, _)| *key).peekable();
    if leased.peek().is_some() {
        found = LeaseFolder::new(context.paths).load_for(leased)?;
        match BootTime::now() {
            Ok(it) => now = Some(it),
            Err(error) => notes.push(error.to_string()),
        }
        notes.extend(found.broken.iter().map(|(file, why)| format!("{} is no lease: it {why}", file.display())));
    }
    let facts = Facts {
        agents: std::slice::from_ref(agent),
        directory: Some(context.cwd),
        program: measured.as_ref().map(|it| it.digest),
        pins: pin.as_slice(),
        grants: &found.grants,
        now: now.as_ref(),
    };
    let mut keys: Vec<Pass> = Vec::new();
    for (key, rule) in &rules {
        match rule.check(&facts) {
            Ok(pass) if keys.contains(&pass) => {}
            Ok(pass) => keys.push(pass),
            Err(reason) => {
                // What was in the way of another fact than the one that is missing would only confuse.
                let blames = matches!(reason, Reason::Unmeasured(_) | Reason::NoClock) || reason.wants_lease();
                return Err(PlanError::Scoped(Box::new(Refused {
                    key: (*key).clone(),
                    reason,
                    profile: profile.clone(),
                    agent: agent.clone(),
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
