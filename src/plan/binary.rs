//! Finds the agent's real program. Ringlet's own links and the project's files never count.

use super::interpreter::interpreter;
use super::{Context, PlanError, ProjectFolders};
use crate::platform;
use crate::trust::{Evidence, Trust};
use std::path::{Path, PathBuf};

// The largest known agent has a quarter of this size.
const MAX_PROGRAM: u64 = 1 << 30;

/// Finds the agent on PATH. Skips Ringlet's folder of links and every other path that leads to Ringlet.
pub(crate) fn find_binary(context: &Context<'_>, command: &str) -> Result<PathBuf, PlanError> {
    let not_found = || PlanError::NotFound { command: command.to_owned() };
    let search = context.env.non_empty("PATH").ok_or_else(not_found)?;
    let is_ours = |path: &PathBuf| is_ours(context, path);
    if let Some(found) = platform::candidates(command, search).find(|path| !is_ours(path)) {
        return Ok(found);
    }
    // A file of that name without the execute permission has its own message and exit status, as in a shell.
    let plain = std::env::split_paths(search).filter(|folder| folder.is_absolute()).map(|folder| folder.join(command));
    match plain.into_iter().find(|path| path.is_file() && !is_ours(path)) {
        Some(file) => Err(PlanError::NotExecutable { file }),
        None => Err(not_found()),
    }
}

/// Reports whether a command's name leads to Ringlet on PATH through one of its links.
pub(crate) fn leads_here(context: &Context<'_>, command: &str) -> bool {
    let search = context.env.non_empty("PATH").unwrap_or_default();
    platform::candidates(command, search).next().is_some_and(|first| is_ours(context, &first))
}

/// Reports whether a program is Ringlet itself or one of its links.
pub(super) fn is_ours(context: &Context<'_>, path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder == context.paths.shims())
        || context.ringlet.is_some_and(|ringlet| platform::same_file(path, ringlet))
}

// The most interpreters in a row that a kernel follows. `env` could start more.
const MAX_INTERPRETERS: usize = 5;

/// Refuses a program inside the project, unless the user allowed its content. An interpreter that the program's first
/// line names gets the key as well, so the same check covers it.
pub(crate) fn guard_binary(
    context: &Context<'_>,
    folders: &ProjectFolders<'_>,
    binary: &Path,
) -> Result<(), PlanError> {
    let trust = Trust::new(context.paths, &context.settings.trust.allow_under);
    let mut program = binary.to_owned();
    for at in 0..=MAX_INTERPRETERS {
        let real = platform::canonical(&program).map_err(|_| PlanError::NotExecutable { file: program.clone() })?;
        let holding = folders.holding(&program);
        if let Some(folder) = holding
            && !trust.is_recorded(&Evidence::read(&program, MAX_PROGRAM)?)?
        {
            let (binary, project) = (program, folder.to_owned());
            return Err(match at {
                0 => PlanError::BinaryInProject { binary, project },
                _ => PlanError::InterpreterInProject { binary, project },
            });
        }
        let unknown = |why| PlanError::FirstLine { script: program.clone(), why };
        match interpreter(context, &real).map_err(unknown)? {
            Some(next) => program = next,
            None => return Ok(()),
        }
    }
    Err(PlanError::FirstLine { script: program, why: "it leads to too many others".to_owned() })
}
