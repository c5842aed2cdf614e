//! Finds the plugins of age that open the encrypted file's identity, by the rules for the programs of stores.

use super::store_programs::{environment, find};
use super::{Context, ProjectFolders};
use crate::env::Env;

/// Makes the environment in which age looks for these plugins: the user's, without keys of agents, and with a PATH on
/// which neither the project nor another account has a folder. The error says why a plugin is not started.
pub(crate) fn age_plugins(context: &Context<'_>, names: &[String]) -> Result<Env, String> {
    let folders = ProjectFolders::new(context).map_err(|error| error.to_string())?;
    let mut env = environment(context, &folders);
    // With it age prints what it tells a plugin: a PIN, and the key of the file.
    env.unset("AGEDEBUG");
    let search = env.non_empty("PATH").unwrap_or_default();
    for name in names {
        find(context, &folders, search, &format!("age-plugin-{name}"))?;
    }
    Ok(env)
}
