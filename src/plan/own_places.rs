//! Ringlet's own files and folders, which must not lie in the project.

use super::{Context, PlanError, ProjectFolders};
use crate::hint::Hint;
use crate::name::Profile;
use crate::paths::{OwnPath, Paths};
use crate::platform::NoAccount;
use crate::words;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// One of Ringlet's own files or folders inside the project. Whoever writes the project could choose endpoints, keys
/// and trust.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub struct OwnPlace {
    place: OwnPath,
    project: PathBuf,
    account: Result<PathBuf, NoAccount>,
}

impl OwnPlace {
    fn text(&self) -> String {
        let Self { place: OwnPath { what, path, variable }, project, account } = self;
        let (path, project) = (path.display(), project.display());
        let said = format!("{what} would be {path}, which {variable} puts inside the project {project}");
        match account {
            Ok(_) => said,
            Err(why) => format!("{said}; {why}, so ringlet cannot tell whose home it is"),
        }
    }

    /// Returns what the user can do.
    pub fn hints(&self) -> Vec<Hint> {
        let mut hints = Vec::new();
        let variable = self.place.variable;
        match &self.account {
            Ok(home) if variable == "HOME" => {
                let mut set = OsString::from("HOME=");
                set.push(home);
                hints.push(
                    Hint::from("run ")
                        .command(words!["env", set, "ringlet", "status"])
                        .and(" to see how it is with the home of your account"),
                );
            }
            Ok(_) if cfg!(unix) => hints.push(
                Hint::from("run ")
                    .command(words!["env", "-u", variable, "ringlet", "status"])
                    .and(format!(" to see how it is without {variable}")),
            ),
            _ => {}
        }
        hints.push("a folder that is named on the command line is believed: `ringlet --config-home DIR ...`".into());
        hints
    }
}

/// Refuses Ringlet's own files and folders inside the project, because the project could choose an endpoint, a key and
/// its own trust. Only an option on the command line lifts this.
pub(crate) fn refuse_own_places(context: &Context<'_>) -> Result<(), PlanError> {
    ProjectFolders::new(context)?.refuse_own_places(context.paths)
}

/// Refuses a project file in the working directory that would put Ringlet's own files into the project, so that every
/// launch below it would be refused.
pub(crate) fn refuse_own_places_below(context: &Context<'_>) -> Result<(), PlanError> {
    ProjectFolders::new(context)?.with_file_in(context.cwd).refuse_own_places(context.paths)
}

impl ProjectFolders<'_> {
    pub(super) fn refuse_own_places(&self, paths: &Paths) -> Result<(), PlanError> {
        paths.places().into_iter().try_for_each(|place| self.refuse(paths, place))
    }

    /// Does the same for one profile, which may be a link.
    pub(super) fn refuse_profile(&self, paths: &Paths, name: &Profile) -> Result<(), PlanError> {
        match paths.place_of(name) {
            Some(place) => self.refuse(paths, place),
            None => Ok(()),
        }
    }

    fn refuse(&self, paths: &Paths, place: OwnPath) -> Result<(), PlanError> {
        let Some(project) = self.holding_settings(&place.path) else { return Ok(()) };
        let account = self.account().map(Path::to_owned).map_err(Clone::clone);
        // If the account's home cannot be found, the user can only name the folder on the command line.
        if account.is_err() && paths.are_named() {
            return Ok(());
        }
        Err(PlanError::OwnPlace(Box::new(OwnPlace { place, project: project.to_owned(), account })))
    }
}
