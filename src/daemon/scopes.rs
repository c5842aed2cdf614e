//! Scopes for a client: the rule is that of a launch, and the facts are what the kernel says of the process.
//!
//! Which agent a client is follows from its program: the one that `PATH` leads to under an agent's command, or the one
//! the user pinned for it. A client that is no agent has no agent's name. A scope that asks for an unknown fact
//! refuses.

use super::identity::Identity;
use super::policy::Program;
use crate::config::Settings;
use crate::env::Env;
use crate::lease::{BootTime, LeaseFolder};
use crate::name::{Agent, KeyName};
use crate::paths::Paths;
use crate::pins::{Pin, Pins};
use crate::plan::{Facts, ScopeRule};
use crate::platform;
use crate::registry::Registry;

/// Checks the scopes of these keys. The error is the first refusal, as a sentence for the record.
pub(super) fn check(
    paths: &Paths,
    env: &Env,
    settings: &Settings,
    identity: &Identity,
    keys: &[KeyName],
) -> Result<(), String> {
    let rules: Vec<(&KeyName, ScopeRule<'_>)> =
        keys.iter().filter_map(|key| Some((key, ScopeRule::of(settings, key)?))).collect();
    if rules.is_empty() {
        return Ok(());
    }
    let program = &identity.client.program;
    // A pin that cannot be read counts as none.
    let (pins, _) = Pins::new(paths).list().map_err(|error| error.to_string())?;
    let agents = agents(paths, env, program, &pins)?;
    let directory = identity.peer.cwd().ok();
    let found =
        LeaseFolder::new(paths).load_for(rules.iter().map(|(key, _)| *key)).map_err(|error| error.to_string())?;
    // The time is taken after the grants are read: one that is written meanwhile must not seem to begin in the future.
    let now = BootTime::now().ok();
    let facts = Facts {
        is_command: false,
        agents: &agents,
        directory: directory.as_deref(),
        program: Some(program.hash.0),
        pins: &pins,
        grants: &found.grants,
        now: now.as_ref(),
        is_brokered: false,
    };
    for (key, rule) in rules {
        if let Err(reason) = rule.check(&facts) {
            return Err(format!("the key {key} {reason}"));
        }
    }
    Ok(())
}

fn agents(paths: &Paths, env: &Env, program: &Program, pins: &[Pin]) -> Result<Vec<Agent>, String> {
    let commands = Registry::new(paths).commands().map_err(|error| error.to_string())?;
    let search = env.get("PATH").unwrap_or_default();
    let is_found = |command: &String| {
        let mut found = platform::candidates(command, search);
        found.next().and_then(|path| path.canonicalize().ok()).is_some_and(|path| path == program.path)
    };
    let is_pinned = |agent: &Agent| pins.iter().any(|pin| pin.agent == *agent && pin.digest == program.hash.0);
    let is_it = |(agent, commands): &(Agent, Vec<String>)| is_pinned(agent) || commands.iter().any(is_found);
    Ok(commands.into_iter().filter(is_it).map(|(agent, _)| agent).collect())
}
