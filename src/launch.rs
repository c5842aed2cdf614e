//! The way of a launch, and the only module that gives a secret to a child.
//!
//! configuration -> trust -> profile -> binary -> plan -> guard -> scopes -> store -> audit -> exec. The store comes
//! after everything that can refuse, so a refused launch never touches a keychain.

use crate::audit::{Action, AuditError, Log, Outcome, Record};
use crate::name::{Agent, Profile};
use crate::pins;
use crate::plan::{self, Choice, Context, LaunchPlan, PlanError, ProfilePart, Refused, Sink};
use crate::platform;
use crate::profile::Profiles;
use crate::secret::Secret;
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// The variable by which a launch recognises that it was started by itself: `PID:DEPTH:COMMAND`. Only programs that
/// may lead back to Ringlet ever see it.
const LOOP_MARK: &str = "RINGLET_LAUNCH";

/// How often such a program may start Ringlet anew below itself. An agent behind a wrapper may well start another
/// agent, but not in a tower of them.
const MAX_DEPTH: u32 = 8;

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
    /// A key from the keychain is not one that any header could carry.
    #[error("the key {0} in the keychain is empty or holds a control character, such as a newline")]
    Unusable(crate::name::KeyName),
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
    /// The system would not start the agent.
    #[error("{}: {error}", binary.display())]
    Exec {
        /// The agent's program.
        binary: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

/// What is to be started.
pub struct Request<'a> {
    /// The word that was typed: a command, or an agent's name.
    pub word: &'a str,
    /// A profile in place of the directory's.
    pub profile: Option<&'a Profile>,
    /// The user's own arguments.
    pub words: &'a [OsString],
}

/// Decides a launch, up to and without the lookup.
pub fn prepare(context: &Context<'_>, request: &Request<'_>) -> Result<LaunchPlan, PlanError> {
    let meaning = context.registry.agents_for(request.word)?;
    let project = if request.profile.is_some() { None } else { plan::find_project(context)? };
    let choice = match request.profile {
        Some(name) => Choice::Profile(name.clone(), plan::Why::Option),
        None => plan::choose(context, project.as_ref(), &meaning.agents)?,
    };
    let resolved = match &choice {
        Choice::None => None,
        Choice::Profile(name, why) => {
            let profiles = Profiles::new(context.paths, context.registry);
            let file = profiles.read(name)?;
            let agent: Option<&Agent> = meaning.agents.iter().find(|agent| file.bindings.contains_key(*agent));
            if agent.is_none() && *why == plan::Why::Option {
                return Err(PlanError::NotBound { profile: name.clone(), agent: request.word.to_owned() });
            }
            agent.map(|agent| profiles.resolve(&file, agent)).transpose()?.flatten()
        }
    };
    let binary = plan::find_binary(context, &meaning.command)?;
    let Some(resolved) = resolved else {
        return Ok(LaunchPlan::untouched(meaning.command, binary, request.words));
    };
    let version = plan::installed_version(&resolved.agent, &binary);
    let mut made = LaunchPlan::new(meaning.command, binary, version.as_ref(), request.words, resolved, context.env);
    if let Some(part) = made.profile.as_mut().filter(|part| !part.secrets.is_empty()) {
        let folder = project.as_ref().and_then(|project| project.file.parent());
        plan::guard_binary(context, folder, &made.binary)?;
        let findings = plan::guard_project(context, &part.resolved.agent, &part.secrets)?;
        if !findings.is_empty() {
            return Err(PlanError::Guarded { findings });
        }
        let (profile, agent) = (&part.resolved.profile, &part.resolved.agent.name);
        part.scopes = plan::check_scopes(context, profile, agent, &part.secrets, &made.binary)?;
    }
    Ok(made)
}

/// Records that a key's scope refused a launch, and gives back what to say: the refusal, or that it cannot be recorded.
pub fn refuse(context: &Context<'_>, refused: Box<Refused>, audit: Option<&Log>, now: Timestamp) -> LaunchError {
    let record = |log: &Log| {
        log.append(&Record {
            time: now,
            action: Action::Lookup,
            subject: refused.key.clone().into(),
            profile: Some(refused.profile.clone()),
            agent: Some(refused.agent.clone()),
            binary: Some(refused.binary.clone()),
            // Measured for the record alone where no rule asked; one that cannot be read is left out.
            binary_sha256: refused
                .digest
                .or_else(|| pins::measure(context.paths, &refused.binary).ok().map(|it| it.digest)),
            pid: std::process::id(),
            cwd: Some(context.cwd.to_owned()),
            result: Outcome::Denied,
            reason: Some(format!("the key {}", refused.reason)),
        })
    };
    match audit.map(record) {
        Some(Err(error)) => error.into(),
        None | Some(Ok(())) => PlanError::Scoped(refused).into(),
    }
}

/// Carries a plan out. On Unix it comes back only with an error; on Windows with the agent's exit code.
pub fn run(
    plan: &LaunchPlan,
    context: &Context<'_>,
    store: impl FnOnce() -> Box<dyn Store>,
    warn: impl FnOnce(&dyn Store),
    audit: Option<&Log>,
    now: Timestamp,
) -> Result<i32, LaunchError> {
    let mut env = context.env.clone();
    let (pid, depth) = marked(&env, &plan.command).unwrap_or_default();
    env.unset(LOOP_MARK);
    if leads_to_ringlet(&plan.binary, context.ringlet) {
        // The same process has been here before, or each one starts the next.
        if pid == std::process::id() || depth >= MAX_DEPTH {
            return Err(LaunchError::Loop(plan.binary.clone()));
        }
        env.set(LOOP_MARK, format!("{}:{}:{}", std::process::id(), depth + 1, plan.command).into());
    }
    // The shell set `_` to the program it started, which was to be the agent.
    if let (Some(last), Some(ringlet)) = (env.get("_"), context.ringlet)
        && platform::same_file(Path::new(last), ringlet)
    {
        env.set("_", plan.binary.clone().into());
    }
    let mut arguments: Vec<OsString> = vec![plan.command.clone().into()];
    arguments.extend_from_slice(&plan.arguments);
    let started = |error| LaunchError::Exec { binary: plan.binary.clone(), error };
    let Some(part) = &plan.profile else {
        return platform::exec(&plan.binary, &arguments, env.pairs(), &[]).map_err(started);
    };
    if let Some(folder) = &part.resolved.config_dir {
        let failed = |error| LaunchError::ConfigDir { folder: folder.value.clone(), error };
        platform::create_private_folder(&folder.value).map_err(failed)?;
    }
    env.apply(&part.changes);
    if part.secrets.is_empty() {
        return platform::exec(&plan.binary, &arguments, env.pairs(), &[]).map_err(started);
    }
    let measured = match (&part.scopes.measured, audit) {
        (Some(measured), _) => Some(measured.digest),
        (None, Some(_)) => Some(pins::measure(context.paths, &plan.binary).map_err(started)?.digest),
        (None, None) => None,
    };
    let hardened = platform::harden().map_err(LaunchError::Protect)?;
    let opened = store();
    let record = |key: &crate::name::KeyName, outcome, reason| {
        let Some(log) = audit else { return Ok(()) };
        log.append(&Record {
            time: now,
            action: Action::Lookup,
            subject: key.clone().into(),
            profile: Some(part.resolved.profile.clone()),
            agent: Some(part.resolved.agent.name.clone()),
            binary: Some(plan.binary.clone()),
            binary_sha256: measured,
            pid: std::process::id(),
            cwd: Some(context.cwd.to_owned()),
            result: outcome,
            reason,
        })
    };
    let secrets = fetch(part, opened.as_ref(), record);
    // Before the error, too: that the key was looked for in a file may be all that is wrong.
    warn(opened.as_ref());
    drop(opened);
    let secrets = secrets?;
    // A lookup can take seconds, in which an agent may update itself. What remains is the moment between this look and
    // the kernel's own: to start what was opened and hashed (fexecve) would close that, but gives a script `/dev/fd/N`
    // for its own path, by which node finds what belongs to it. Whoever could use that moment may write the user's
    // files, and could write a pin as well.
    if part.scopes.measured.as_ref().is_some_and(|measured| !measured.is_still_at(&plan.binary)) {
        for used in &part.secrets {
            record(&used.key, Outcome::Denied, Some("the program changed while it was being started".into()))?;
        }
        return Err(LaunchError::Swapped(plan.binary.clone()));
    }
    let mut pipe = None;
    let mut variables = Vec::new();
    for (used, secret) in part.secrets.iter().zip(&secrets) {
        match &used.sink {
            Sink::Variable(name) => {
                env.unset(name.as_str());
                variables.push((name.as_str(), secret.expose()));
            }
            Sink::Descriptor(name) => {
                let descriptor = platform::inheritable_pipe(secret.expose()).map_err(LaunchError::Protect)?;
                env.set(name.as_str(), descriptor.to_string().into());
                pipe = Some(descriptor);
            }
        }
    }
    hardened.restore_limits().map_err(LaunchError::Protect)?;
    let done = platform::exec(&plan.binary, &arguments, env.pairs(), &variables);
    if let Some(descriptor) = pipe {
        platform::close_inheritable(descriptor);
    }
    done.map_err(started)
}

fn fetch(
    part: &ProfilePart,
    store: &dyn Store,
    record: impl Fn(&crate::name::KeyName, Outcome, Option<String>) -> Result<(), AuditError>,
) -> Result<Vec<Secret>, LaunchError> {
    let mut secrets = Vec::new();
    for used in &part.secrets {
        match store.get(&used.key) {
            Ok(secret) => {
                let bad = secret.is_empty() || secret.expose().iter().any(|byte| *byte < b' ' || *byte == 0x7f);
                if bad {
                    record(&used.key, Outcome::Error, Some("the value is empty or holds a control character".into()))?;
                    return Err(LaunchError::Unusable(used.key.clone()));
                }
                record(&used.key, Outcome::Granted, None)?;
                secrets.push(secret);
            }
            Err(error) => {
                record(&used.key, Outcome::Error, Some(error.to_string()))?;
                return Err(LaunchError::Store { profile: format!("profile \"{}\"", part.resolved.profile), error });
            }
        }
    }
    Ok(secrets)
}

// Who launched this very command last, and how deep that was.
fn marked(env: &crate::env::Env, command: &str) -> Option<(u32, u32)> {
    let (pid, rest) = env.get(LOOP_MARK)?.to_str()?.split_once(':')?;
    let (depth, marked) = rest.split_once(':')?;
    if marked == command { Some((pid.parse().ok()?, depth.parse().ok()?)) } else { None }
}

// A wrapper script that calls ringlet, or another copy of it, under whatever name.
fn leads_to_ringlet(binary: &Path, ringlet: Option<&Path>) -> bool {
    let real = binary.canonicalize().unwrap_or_else(|_| binary.into());
    if real.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"ringlet")) {
        return true;
    }
    let Ok(mut file) = std::fs::File::open(&real) else { return false };
    let mut block = vec![0u8; 4096];
    let read = io::Read::read(&mut file, &mut block).unwrap_or(0);
    if block[..read].starts_with(b"#!") {
        return memchr::memmem::find(&block[..read], b"ringlet").is_some();
    }
    // A copy named after an agent: the variable's name stands in every one of them, and none is much larger than we.
    let size = |path: &Path| path.metadata().map_or(0, |meta| meta.len());
    size(&real) <= ringlet.map_or(0, size).saturating_mul(2) && holds(file, LOOP_MARK.as_bytes())
}

fn holds(mut file: impl io::Read, needle: &[u8]) -> bool {
    let mut block = vec![0u8; 64 * 1024];
    // What a block ends in may be the needle's start, so it is looked at again with the next one.
    let mut kept = 0;
    while let Ok(read @ 1..) = file.read(&mut block[kept..]) {
        let filled = kept + read;
        if memchr::memmem::find(&block[..filled], needle).is_some() {
            return true;
        }
        kept = filled.min(needle.len() - 1);
        block.copy_within(filled - kept..filled, 0);
    }
    false
}
