//! Which directories belong to the project that an agent would work on.

use super::{Context, PlanError};
use crate::platform;
use std::path::{Path, PathBuf};

/// The directories of the project: that of its governing file, the working directory, and every repository above it,
/// since a submodule lies in another one. One that holds the user's home is left out: it would make everything that the
/// user has installed there a part of the project.
pub(super) fn folders(context: &Context<'_>, governing: Option<&Path>) -> Result<Vec<PathBuf>, PlanError> {
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

// Links are followed as far as there is anything to follow.
fn resolved(place: &Path) -> PathBuf {
    for there in place.ancestors() {
        if let Ok(real) = there.canonicalize() {
            return real.join(place.strip_prefix(there).expect("an ancestor"));
        }
    }
    place.to_owned()
}
