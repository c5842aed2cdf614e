//! Looking the keys of a launch up, and recording that, before any of them is used.

use super::{LaunchError, LaunchIo, Said};
use crate::audit::{Action, AuditError, Log, Outcome, Record};
use crate::digest::Digest;
use crate::name::{Agent, KeyName, Profile};
use crate::pins;
use crate::plan::{self, Context, LaunchPlan, PlanError, ProfilePart, Purpose, Refused, Rejections, SecretUse};
use crate::registry::misplaced;
use crate::secret::{Key, Shape};
use crate::store::Keys;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// The lookups of one launch.
pub(super) struct Lookup<'a> {
    plan: &'a LaunchPlan,
    part: &'a ProfilePart,
    context: &'a Context<'a>,
    log: Option<Log>,
    now: Timestamp,
    digest: Option<Digest>,
}

impl<'a> Lookup<'a> {
    /// Opens the log, and measures the program where the record names its digest. A log that cannot be written refuses.
    pub(super) fn new(
        plan: &'a LaunchPlan,
        part: &'a ProfilePart,
        context: &'a Context<'a>,
        io: &LaunchIo<'_>,
    ) -> Result<Self, LaunchError> {
        let log = (io.log)()?;
        let binary = &plan.start().binary;
        let failed = |error| LaunchError::Exec { binary: binary.clone(), error };
        let digest = match plan.scopes().and_then(|scopes| scopes.measured.as_ref()) {
            Some(measured) => Some(measured.digest),
            None if log.is_some() => Some(pins::measure(context.paths, binary).map_err(failed)?.digest),
            None => None,
        };
        Ok(Self { plan, part, context, log, now: io.now, digest })
    }

    /// Every key, in the order of the plan. Each lookup is recorded before the next, and before any key is used.
    pub(super) fn keys(&self, io: &mut LaunchIo<'_>) -> Result<Vec<Key>, LaunchError> {
        let store = (io.open_store)();
        let keys = self.plan.secrets().iter().map(|used| self.key(used, &store)).collect::<Result<_, _>>();
        // Before the error, too: that the key was looked for in a file may be all that is wrong.
        (io.say)(Said::Asked(&store));
        drop(store);
        let keys = keys?;
        self.refuse_swapped()?;
        Ok(keys)
    }

    fn key(&self, used: &SecretUse, store: &Keys) -> Result<Key, LaunchError> {
        let secret = match store.get(&used.key) {
            Ok(secret) => secret,
            Err(error) => {
                self.record(&used.key, Outcome::Error, Some(error.to_string()))?;
                let profile = format!("profile \"{}\"", self.part.resolved.profile);
                return Err(LaunchError::Store { profile, error });
            }
        };
        let shape = match used.purpose {
            Purpose::Account => Shape::Header,
            Purpose::Extra => self.context.registry.shape(&used.key.provider),
        };
        let key = match Key::new(secret, shape) {
            Ok(key) => key,
            Err(why) => {
                self.record(&used.key, Outcome::Error, Some(format!("the value {why}")))?;
                return Err(LaunchError::Unusable { key: used.key.clone(), why });
            }
        };
        if used.purpose == Purpose::Account
            && let Some(wrong) = misplaced(&used.key.provider, key.expose())
        {
            self.record(&used.key, Outcome::Error, Some("the value was made for another provider".into()))?;
            return Err(LaunchError::Misplaced { key: used.key.clone(), wrong });
        }
        if used.purpose == Purpose::Account {
            self.refuse_rejected(used, &key)?;
        }
        self.record(&used.key, Outcome::Granted, None)?;
        Ok(key)
    }

    // Whoever starts the agent would get another account, or none, without a word.
    fn refuse_rejected(&self, used: &SecretUse, key: &Key) -> Result<(), LaunchError> {
        let agent = &self.part.resolved.agent;
        let rejections = plan::rejections(self.context, self.plan).filter(|list| list.hold(key.expose()));
        let (Some(Rejections { file, .. }), Some(rejected)) = (rejections, &agent.rejected) else { return Ok(()) };
        self.record(&used.key, Outcome::Denied, Some("the agent was told not to use it".into()))?;
        let (key, list) = (used.key.clone(), rejected.list.join("."));
        Err(LaunchError::Rejected { key, agent: agent.title.clone(), list, file })
    }

    // A lookup can take seconds, in which an agent may update itself. What remains is the moment between this look and
    // the kernel's own: to start what was opened and hashed (fexecve) would close that, but gives a script `/dev/fd/N`
    // for its own path, by which node finds what belongs to it. Whoever could use that moment may write the user's
    // files, and could write a pin as well.
    fn refuse_swapped(&self) -> Result<(), LaunchError> {
        let binary = &self.plan.start().binary;
        let measured = self.plan.scopes().and_then(|scopes| scopes.measured.as_ref());
        if measured.is_none_or(|measured| measured.is_still_at(binary)) {
            return Ok(());
        }
        for used in self.plan.secrets() {
            self.record(&used.key, Outcome::Denied, Some("the program changed while it was being started".into()))?;
        }
        Err(LaunchError::Swapped(binary.clone()))
    }

    fn record(&self, key: &KeyName, result: Outcome, reason: Option<String>) -> Result<(), AuditError> {
        let Some(log) = &self.log else { return Ok(()) };
        let resolved = &self.part.resolved;
        let asked = Asked {
            key,
            profile: &resolved.profile,
            agent: &resolved.agent.name,
            binary: &self.plan.start().binary,
            digest: self.digest,
        };
        log.append(&asked.record(self.context, self.now, result, reason))
    }
}

/// Records that a key's scope refused a launch, and gives back what to say: the refusal, or that it cannot be recorded.
pub(super) fn refuse(context: &Context<'_>, refused: Box<Refused>, io: &LaunchIo<'_>) -> LaunchError {
    let log = match (io.log)() {
        Ok(Some(log)) => log,
        Ok(None) => return PlanError::Scoped(refused).into(),
        Err(error) => return error.into(),
    };
    let asked = Asked {
        key: &refused.key,
        profile: &refused.profile,
        agent: &refused.agent,
        binary: &refused.binary,
        // Measured for the record alone where no rule asked; one that cannot be read is left out.
        digest: refused.digest.or_else(|| pins::measure(context.paths, &refused.binary).ok().map(|it| it.digest)),
    };
    let reason = Some(format!("the key {}", refused.reason));
    match log.append(&asked.record(context, io.now, Outcome::Denied, reason)) {
        Err(error) => error.into(),
        Ok(()) => PlanError::Scoped(refused).into(),
    }
}

/// The file by which the user has told the agent not to use the key of a plan. The key is looked up, and that recorded, only
/// where such a file rejects any; where that cannot be recorded the key is not looked at, and may be one of them.
pub(crate) fn rejected(
    context: &Context<'_>,
    plan: &LaunchPlan,
    store: &Keys,
    log: &dyn Fn() -> Result<Option<Log>, AuditError>,
) -> Option<PathBuf> {
    let rejections = plan::rejections(context, plan)?;
    let (part, used) = (plan.part()?, plan.secrets().first()?);
    let asked = Asked {
        key: &used.key,
        profile: &part.resolved.profile,
        agent: &part.resolved.agent.name,
        binary: &plan.start().binary,
        digest: None,
    };
    let reason = Some("status compares it with those that the agent was told not to use".to_owned());
    let record = || asked.record(context, Timestamp::now(), Outcome::Granted, reason);
    match log().and_then(|log| log.map_or(Ok(()), |log| log.append(&record()))) {
        Ok(()) if !store.get(&used.key).is_ok_and(|key| rejections.hold(key.expose())) => None,
        Ok(()) | Err(_) => Some(rejections.file),
    }
}

// Who asked for which key.
struct Asked<'a> {
    key: &'a KeyName,
    profile: &'a Profile,
    agent: &'a Agent,
    binary: &'a Path,
    digest: Option<Digest>,
}

impl Asked<'_> {
    fn record(&self, context: &Context<'_>, time: Timestamp, result: Outcome, reason: Option<String>) -> Record {
        Record {
            time,
            action: Action::Lookup,
            subject: self.key.clone().into(),
            profile: Some(self.profile.clone()),
            agent: Some(self.agent.clone()),
            binary: Some(self.binary.to_owned()),
            binary_sha256: self.digest,
            pid: std::process::id(),
            cwd: Some(context.cwd.to_owned()),
            result,
            reason,
        }
    }
}
