//! Finds the programs of the stores that run one, and the environment that they get.
//!
//! Such a program is given keys, or the way to them. So neither it nor what it starts by name may come from the project
//! or from where another account may write, and no key of an agent is in its environment.

use super::binary::is_ours;
use super::{Context, PlanError, ProjectFolders, SecretUse, guard_binary};
use crate::config::{Kept, StoreSpec};
use crate::env::Env;
use crate::platform;
use crate::platform::private::{self, Privacy};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The programs of the stores, and their environment.
#[derive(Default)]
pub(crate) struct StorePrograms {
    /// The path of each program that the settings name, or why it is not started.
    pub found: BTreeMap<String, Result<PathBuf, String>>,
    /// Their environment.
    pub env: Env,
}

/// Finds the programs of all stores of the settings.
pub(crate) fn store_programs(context: &Context<'_>) -> StorePrograms {
    let names: BTreeSet<String> = context.settings.stores.specs.values().flat_map(StoreSpec::programs).collect();
    if names.is_empty() {
        return StorePrograms::default();
    }
    let folders = match ProjectFolders::new(context) {
        Ok(folders) => folders,
        Err(error) => {
            let found = names.into_iter().map(|name| (name, Err(error.to_string()))).collect();
            return StorePrograms { found, env: Env::default() };
        }
    };
    let env = environment(context, &folders);
    let search = env.non_empty("PATH").unwrap_or_default();
    let find = |name: String| {
        let program = find(context, &folders, search, &name);
        (name, program)
    };
    StorePrograms { found: names.into_iter().map(find).collect(), env }
}

/// Refuses a launch whose keys would be asked for by a program of the project, or of another account.
pub(super) fn refuse_programs(
    context: &Context<'_>,
    folders: &ProjectFolders<'_>,
    secrets: &[SecretUse],
) -> Result<(), PlanError> {
    let stores = &context.settings.stores;
    let mut search = None;
    for used in secrets {
        let Some(Kept::Named(name)) = stores.rule(&used.key).map(|rule| &rule.store) else { continue };
        let Some(program) = stores.specs.get(name).and_then(|spec| spec.programs().into_iter().next()) else {
            continue;
        };
        let search = search.get_or_insert_with(|| kept_path(context, folders));
        find(context, folders, search, &program).map_err(|why| PlanError::StoreProgram {
            key: used.key.clone(),
            store: name.clone(),
            why,
        })?;
    }
    Ok(())
}

// Finds one program on this PATH. One that the settings name by its path may lie where other accounts write: the user
// said so.
pub(super) fn find(
    context: &Context<'_>,
    folders: &ProjectFolders<'_>,
    search: &OsStr,
    name: &str,
) -> Result<PathBuf, String> {
    let named = Path::new(name);
    let is_path = named.is_absolute();
    let found = match is_path {
        true => Some(named.to_owned()).filter(|path| platform::is_executable(path)),
        false => platform::candidates(name, search).find(|path| !is_ours(context, path)),
    };
    let Some(program) = found else {
        let whole = context.env.non_empty("PATH").unwrap_or_default();
        let passed_over = platform::candidates(name, whole).find(|path| !is_path && !is_ours(context, path));
        return Err(match passed_over {
            Some(program) => format!(
                "{} is not started: its folder lies in the project, or other accounts may write there",
                program.display()
            ),
            None if is_path => format!("{name} is no program that can be started"),
            None => format!("there is no program {name} on PATH"),
        });
    };
    guard_binary(context, folders, &program).map_err(|error| match error {
        PlanError::BinaryInProject { binary, project } | PlanError::InterpreterInProject { binary, project } => {
            format!("{} lies inside the project {}", binary.display(), project.display())
        }
        other => other.to_string(),
    })?;
    match is_path || is_kept(folders, &program) {
        true => Ok(program),
        false => {
            Err(format!("{} is not started: other accounts may write it, or a folder on its way", program.display()))
        }
    }
}

// Reports whether only the user, root and administrators can change what a path leads to.
fn is_kept(folders: &ProjectFolders<'_>, path: &Path) -> bool {
    let mut is_kept = true;
    let real = folders.walk(path, &mut |at, _| is_kept &= at.parent().is_none_or(keeps_entries));
    let is_own = platform::access(&real)
        .is_ok_and(|access| private::check(&access, Privacy::UnwrittenOrRoots).is_ok() || access.is_administrators());
    platform::invents_modes(&real) || (is_kept && is_own)
}

fn keeps_entries(folder: &Path) -> bool {
    platform::access(folder).is_ok_and(|access| access.keeps_entries() || access.is_administrators())
}

// The user's environment, without the keys of agents.
pub(super) fn environment(context: &Context<'_>, folders: &ProjectFolders<'_>) -> Env {
    let mut env = context.env.clone();
    let competing = context.registry.key_variables(env.names());
    env.retain(|name| !competing.contains(name));
    env.set("PATH", kept_path(context, folders));
    env
}

// The user's PATH, without folders of the project and of other accounts: a tool finds others by name, as `pass` finds
// gpg.
fn kept_path(context: &Context<'_>, folders: &ProjectFolders<'_>) -> OsString {
    let search = context.env.non_empty("PATH").unwrap_or_default();
    // In a folder that all may write, such as /tmp, each file is its owner's, and the first one of a name would count.
    let is_safe =
        |folder: &PathBuf| folder.is_absolute() && folders.holding(folder).is_none() && is_kept(folders, folder);
    std::env::join_paths(std::env::split_paths(search).filter(is_safe)).unwrap_or_default()
}
