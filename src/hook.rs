//! Which functions a shell gets.
//!
//! One for each agent that a profile binds or that is found on PATH; the settings may name them instead. Must not
//! import `store`: whatever a prompt or a shell's start runs can never unlock a keychain.

use crate::config::Settings;
use crate::env::Env;
use crate::paths::Paths;
use crate::platform;
use crate::profile::Profiles;
use crate::registry::{Registry, RegistryError};
use crate::shell;
use std::collections::BTreeSet;

/// The commands that the hook wraps, sorted.
///
/// A profile that cannot be read is passed over here: a shell must start all the same, and the launch itself will
/// say what is wrong.
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
    let profiles = Profiles::new(paths, registry);
    for name in profiles.names().unwrap_or_default() {
        if let Ok(file) = profiles.read(&name) {
            commands.extend(file.bindings.keys().filter_map(|agent| known.get(agent)?.first().cloned()));
        }
    }
    commands.retain(|name| !shell::reserved(name));
    Ok(commands.into_iter().collect())
}
