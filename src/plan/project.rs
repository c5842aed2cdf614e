//! Which directories belong to the project that an agent would work on.

use super::{Context, PlanError};
use crate::config::find_project_file;
use crate::platform;
use std::path::{Component, Path, PathBuf};

/// The directories of the project: that of its governing file, the working directory, and every repository above it,
/// since a submodule lies in another one. One that holds the user's home is left out: it would make everything that the
/// user has installed there a part of the project.
pub fn folders(context: &Context<'_>, governing: Option<&Path>) -> Result<Vec<PathBuf>, PlanError> {
    let home = context.paths.home.canonicalize().unwrap_or_else(|_| context.paths.home.clone());
    let mut folders: Vec<PathBuf> = governing.into_iter().chain([context.cwd]).map(Path::to_owned).collect();
    platform::ascend(context.cwd, |level| {
        if level.has(".git")? {
            folders.push(level.path.to_owned());
        }
        Ok(!home.starts_with(level.path))
    })
    .map_err(|error| PlanError::Search { start: context.cwd.into(), error })?;
    folders.retain(|folder| !home.starts_with(folder));
    Ok(folders)
}

/// The one of these directories that holds a place, which need not exist yet: as it is written, or where its links lead.
pub(super) fn holding<'a>(folders: &'a [PathBuf], place: &Path) -> Option<&'a PathBuf> {
    let real = resolved(place);
    folders.iter().find(|folder| real.starts_with(folder) || place.starts_with(folder))
}

// Links are followed as far as there is anything to follow. What does not exist yet would be made as plain folders, so `..`
// behind it leads back the way it came.
fn resolved(place: &Path) -> PathBuf {
    if let Ok(real) = place.canonicalize() {
        return real;
    }
    let mut real = PathBuf::new();
    for part in place.components() {
        match part {
            Component::ParentDir => drop(real.pop()),
            Component::CurDir => {}
            part => {
                real.push(part);
                if let Ok(led) = real.canonicalize() {
                    real = led;
                }
            }
        }
    }
    real
}

/// The project file that governs the working directory, whatever the user has said about it.
pub fn governing_file(context: &Context<'_>) -> Result<Option<PathBuf>, PlanError> {
    find_project_file(context.cwd, context.paths, context.settings)
        .map_err(|error| PlanError::Search { start: context.cwd.into(), error })
}

/// The folder of that file.
pub(super) fn governing(context: &Context<'_>) -> Result<Option<PathBuf>, PlanError> {
    Ok(governing_file(context)?.and_then(|file| file.parent().map(Path::to_owned)))
}
