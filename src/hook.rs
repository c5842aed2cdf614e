//! The commands for which a shell gets a function.
//!
//! There is one for each agent that a profile binds or that is found on PATH; the settings may name them instead. This
//! module must not import `store`: what runs at a prompt or at a shell's start can never unlock a keychain.

use crate::config::Settings;
use crate::env::Env;
use crate::name::Agent;
use crate::paths::Paths;
use crate::platform;
use crate::profile::Profiles;
use crate::registry::{Registry, RegistryError};
use crate::shell;
use std::collections::BTreeSet;

/// Returns the commands that the hook wraps, sorted.
///
/// A profile that cannot be read is passed over: a shell must start all the same, and the launch itself reports what is
/// wrong.
pub(crate) fn commands(
    paths: &Paths,
    settings: &Settings,
    registry: &Registry,
    env: &Env,
) -> Result<Vec<String>, RegistryError> {
    if let Some(named) = &settings.hook.agents {
        return Ok(named.iter().filter(|name| !shell::reserved(name)).cloned().collect());
    }
    let known = registry.commands()?;
    let search = env.non_empty("PATH").unwrap_or_default();
    let on_path = platform::found_on(search, known.values().flatten().map(String::as_str));
    let mut commands: BTreeSet<String> = on_path.into_iter().map(str::to_owned).collect();
    let usual = |agent: &Agent| known.get(agent).and_then(|names| names.first());
    let missing = known.keys().filter(|agent| usual(agent).is_some_and(|command| !commands.contains(command)));
    let bound = Profiles::new(paths, registry).bound(missing);
    commands.extend(bound.into_iter().filter_map(usual).cloned());
    commands.retain(|name| !shell::reserved(name));
    Ok(commands.into_iter().collect())
}
