//! Looks up the keys of a launch, and records each lookup before any key is used.

use super::{Event, LaunchError, LaunchIo};
use crate::audit::{Action, AuditError, Log, LogPlace, Outcome, Record};
use crate::digest::Digest;
use crate::name::{Agent, KeyName, Profile};
use crate::pins;
use crate::plan::{
    self, Context, LaunchPlan, Passed, PlanError, ProfilePart, Purpose, Refused, Rejections, RunPlan, SecretUse, Start,
};
use crate::registry::misplaced;
use crate::secret::{Key, Shape};
use crate::store::{Borrower, Change, Keys, Lent, StoreError};
use crate::vault::Loan;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// What is started, and what it is to be given.
pub(super) struct Wanted<'a> {
    /// The program.
    pub(super) start: &'a Start,
    /// The secrets.
    pub(super) secrets: &'a [SecretUse],
    /// The result of the scopes.
    pub(super) scopes: Option<&'a Passed>,
    /// The profile, if one was read.
    pub(super) profile: Option<&'a Profile>,
    /// The agent's launch; `None` for a command.
    pub(super) launch: Option<(&'a LaunchPlan, &'a ProfilePart)>,
}

impl<'a> Wanted<'a> {
    /// What the launch of an agent wants.
    pub(super) fn by_launch(plan: &'a LaunchPlan, part: &'a ProfilePart) -> Self {
        let profile = Some(&part.resolved.profile);
        let (start, secrets, scopes) = (plan.start(), plan.secrets(), plan.scopes());
        Self { start, secrets, scopes, profile, launch: Some((plan, part)) }
    }

    /// What a command wants.
    pub(super) fn by_command(plan: &'a RunPlan) -> Self {
        let (secrets, scopes) = (plan.secrets.as_slice(), Some(&plan.scopes));
        Self { start: &plan.start, secrets, scopes, profile: plan.profile.as_ref(), launch: None }
    }
}

/// A key that was looked up, and what is to be ended where the launch fails.
pub(super) struct Given {
    /// The key.
    pub(super) key: Key,
    /// What a broker keeps alive, or what is left to the launched process.
    pub(super) loan: Loan,
}

/// The lookups of one launch.
pub(super) struct Lookup<'a> {
    wanted: Wanted<'a>,
    context: &'a Context<'a>,
    log: Option<Log>,
    now: Timestamp,
    digest: Option<Digest>,
}

impl<'a> Lookup<'a> {
    /// Opens the log, and measures the program if the record names its digest. A log that cannot be written is an
    /// error.
    pub(super) fn new(wanted: Wanted<'a>, context: &'a Context<'a>, io: &LaunchIo<'_>) -> Result<Self, LaunchError> {
        let log = (io.log)()?;
        let binary = &wanted.start.binary;
        let failed = |error| LaunchError::Exec { binary: binary.clone(), error };
        let digest = match wanted.scopes.and_then(|scopes| scopes.measured.as_ref()) {
            Some(measured) => Some(measured.digest),
            None if log.is_some() => Some(pins::measure(context.paths, binary).map_err(failed)?.digest),
            None => None,
        };
        Ok(Self { wanted, context, log, now: io.now, digest })
    }

    /// Returns every key, in the order of the plan. Each lookup is recorded before the next one, and before any key is
    /// used.
    pub(super) fn keys(&self, io: &mut LaunchIo<'_>) -> Result<Vec<Given>, LaunchError> {
        let store = (io.open_store)();
        let keys = self.wanted.secrets.iter().map(|used| self.key(used, &store)).collect::<Result<_, _>>();
        store.finish();
        // Reported before an error as well: the fallback to a file may be its cause.
        (io.report)(Event::LookedUp(&store));
        drop(store);
        let keys = keys?;
        self.refuse_swapped()?;
        Ok(keys)
    }

    /// Returns where the lookups are recorded.
    pub(super) fn log_place(&self) -> Option<LogPlace> {
        self.log.as_ref().map(Log::place)
    }

    fn key(&self, used: &SecretUse, store: &Keys) -> Result<Given, LaunchError> {
        let is_held = self.wanted.launch.is_some_and(|(_, part)| part.is_held(used));
        let borrower = if is_held { Borrower::Broker } else { Borrower::Process };
        let Lent { value: secret, loan } = match store.lend(&used.key, borrower) {
            Ok(lent) => lent,
            Err(error) => {
                self.record(&used.key, Outcome::Error, Some(error.to_string()))?;
                let profile = match self.wanted.profile {
                    Some(profile) => format!("profile \"{profile}\""),
                    None => self.wanted.start.command.clone(),
                };
                let cure = match &error {
                    // It may be the key by which Ringlet logs in to a store.
                    StoreError::NotFound { key, .. } => Some(store.cure(key)),
                    other => other.hint(),
                };
                return Err(LaunchError::Store { profile, error, cure });
            }
        };
        let shape = match used.purpose {
            Purpose::Account => Shape::Header,
            Purpose::Extra => self.context.registry.shape(&used.key.provider),
        };
        let is_given = shape == Shape::Header && !store.is_in_usual(&used.key);
        let shape = if is_given { Shape::Given } else { shape };
        let key = match Key::new(secret, shape) {
            Ok(key) => key,
            Err(why) => {
                self.record(&used.key, Outcome::Error, Some(format!("the value {why}")))?;
                let key = used.key.clone();
                let is_set_here = store.can(Change::Set, &key).is_ok();
                return Err(LaunchError::Unusable { place: store.place_of(&key), key, why, is_set_here });
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
        let how = match self.wanted.launch {
            Some(_) => is_held.then(|| "for the launch's broker".to_owned()),
            None => Some("for a command".to_owned()),
        };
        self.record(&used.key, Outcome::Granted, how)?;
        Ok(Given { key, loan })
    }

    // The agent would silently use another account, or none.
    fn refuse_rejected(&self, used: &SecretUse, key: &Key) -> Result<(), LaunchError> {
        let Some((plan, part)) = self.wanted.launch else { return Ok(()) };
        let agent = &part.resolved.agent;
        let rejections = plan::rejections(self.context, plan).filter(|list| list.hold(key.expose()));
        let (Some(Rejections { file, .. }), Some(rejected)) = (rejections, &agent.rejected) else { return Ok(()) };
        self.record(&used.key, Outcome::Denied, Some("the agent was told not to use it".into()))?;
        let (key, list) = (used.key.clone(), rejected.list.join("."));
        Err(LaunchError::Rejected { key, agent: agent.title.clone(), list, file })
    }

    // A lookup can take seconds, in which an agent may update itself. A short time remains between this comparison and
    // the exec. fexecve(3) on the hashed file would close it, but a script would see `/dev/fd/N` as its own path, by
    // which node finds its modules. A program that can use that time can write the user's files, and so the pin as
    // well.
    fn refuse_swapped(&self) -> Result<(), LaunchError> {
        let binary = &self.wanted.start.binary;
        let measured = self.wanted.scopes.and_then(|scopes| scopes.measured.as_ref());
        if measured.is_none_or(|measured| measured.is_still_at(binary)) {
            return Ok(());
        }
        for used in self.wanted.secrets {
            self.record(&used.key, Outcome::Denied, Some("the program changed while it was being started".into()))?;
        }
        Err(LaunchError::Swapped(binary.clone()))
    }

    fn record(&self, key: &KeyName, result: Outcome, reason: Option<String>) -> Result<(), AuditError> {
        let Some(log) = &self.log else { return Ok(()) };
        let asked = Asked {
            key,
            profile: self.wanted.profile,
            agent: self.wanted.launch.map(|(_, part)| &part.resolved.agent.name),
            binary: &self.wanted.start.binary,
            digest: self.digest,
        };
        log.append(&asked.record(self.context, self.now, result, reason))
    }
}

/// Records that a key's scope refused a launch. Returns the refusal, or the error of the log.
pub(super) fn refuse(context: &Context<'_>, refused: Box<Refused>, io: &LaunchIo<'_>) -> LaunchError {
    let log = match (io.log)() {
        Ok(Some(log)) => log,
        Ok(None) => return PlanError::Scoped(refused).into(),
        Err(error) => return error.into(),
    };
    let asked = Asked {
        key: &refused.key,
        profile: refused.profile.as_ref(),
        agent: refused.agent.as_ref(),
        binary: &refused.binary,
        // If no rule needed the digest, it is measured for the record alone. A program that cannot be read has none.
        digest: refused
            .digest
            .or_else(|| pins::measure(context.paths, &refused.binary).ok().map(|measured| measured.digest)),
    };
    let reason = Some(format!("the key {}", refused.reason));
    match log.append(&asked.record(context, io.now, Outcome::Denied, reason)) {
        Err(error) => error.into(),
        Ok(()) => PlanError::Scoped(refused).into(),
    }
}

/// Returns the file by which the user has told the agent not to use the key of a plan. The key is looked up, and the
/// lookup recorded, only if such a file rejects any key. If it cannot be recorded, the key is not read and counts as
/// rejected.
pub(crate) fn rejected(
    context: &Context<'_>,
    plan: &LaunchPlan,
    store: &Keys,
    log: &dyn Fn() -> Result<Option<Log>, AuditError>,
) -> Option<PathBuf> {
    let (part, used) = (plan.part()?, plan.secrets().first()?);
    // A store of the settings is asked for values by launches alone.
    let rejections = plan::rejections(context, plan).filter(|_| store.is_in_usual(&used.key))?;
    let asked = Asked {
        key: &used.key,
        profile: Some(&part.resolved.profile),
        agent: Some(&part.resolved.agent.name),
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

// The lookup of a key, as it is recorded.
struct Asked<'a> {
    key: &'a KeyName,
    profile: Option<&'a Profile>,
    agent: Option<&'a Agent>,
    binary: &'a Path,
    digest: Option<Digest>,
}

impl Asked<'_> {
    fn record(&self, context: &Context<'_>, time: Timestamp, result: Outcome, reason: Option<String>) -> Record {
        Record {
            time,
            action: Action::Lookup,
            subject: self.key.clone().into(),
            store: context.settings.stores.named_for(self.key),
            profile: self.profile.cloned(),
            agent: self.agent.cloned(),
            binary: Some(self.binary.to_owned()),
            binary_sha256: self.digest,
            pid: std::process::id(),
            cwd: Some(context.cwd.to_owned()),
            result,
            reason,
        }
    }
}
