//! Profiles: which provider, key and settings an agent gets.
//!
//! A profile is the user's own file; nothing in a project can add to it. `Profiles` reads them, `Resolved` is one
//! profile made concrete for one agent, with the line each value came from.

mod account;
mod binding;
pub(crate) mod edit;
mod raw;
mod resolved;

pub(crate) use account::{Account, Reach};
pub(crate) use binding::{Binding, Kind};
pub(crate) use raw::ProfileFile;
pub(crate) use resolved::{Resolved, Sourced};

use crate::config::{ConfigError, Source};
use crate::hint::Hint;
use crate::name::{Agent, Profile, closest};
use crate::paths::Paths;
use crate::registry::{Registry, RegistryError};
use crate::words;
use std::path::PathBuf;

/// Why a profile could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is no such profile.
    #[error("profile \"{name}\" does not exist")]
    Missing {
        /// The name that was asked for.
        name: Profile,
        /// The closest name there is.
        closest: Option<String>,
    },
    /// Its file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A text that is in no file yet is wrong.
    #[error("{0}")]
    Unwritten(String, Option<Hint>),
    /// A definition it needs is wrong or missing.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The folder of profiles cannot be listed.
    #[error("{0} cannot be listed: {1}")]
    Folder(PathBuf, std::io::Error),
}

impl ProfileError {
    /// The next thing to do.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Self::Missing { closest: Some(word), .. } => Some(format!("did you mean `{word}`?").into()),
            Self::Missing { name, .. } => {
                Some(Hint::run(words!["ringlet", "profiles", "create", name, "--agent", "AGENT"]))
            }
            Self::Config(error) => error.hint.clone(),
            Self::Unwritten(_, hint) => hint.clone(),
            Self::Registry(error) => error.hint(),
            Self::Folder(..) => None,
        }
    }
}

/// The user's profiles.
pub(crate) struct Profiles<'a> {
    paths: &'a Paths,
    registry: &'a Registry,
}

impl<'a> Profiles<'a> {
    /// The profiles in their place.
    pub(crate) fn new(paths: &'a Paths, registry: &'a Registry) -> Self {
        Self { paths, registry }
    }

    /// The names of all profiles, sorted. A folder whose name is no profile's name is passed over.
    pub(crate) fn names(&self) -> Result<Vec<Profile>, ProfileError> {
        let folder = self.paths.profiles();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ProfileError::Folder(folder, error)),
        };
        let mut names: Vec<Profile> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|name| self.paths.profile(name).symlink_metadata().is_ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Reads and checks one profile.
    pub(crate) fn read(&self, name: &Profile) -> Result<ProfileFile, ProfileError> {
        let file = self.paths.profile(name);
        match Source::read(&file)? {
            Some(source) => self.parse(name, source),
            None => Err(self.missing(name)),
        }
    }

    /// That there is no profile of a name, with the closest one there is.
    pub(crate) fn missing(&self, name: &Profile) -> ProfileError {
        let names = match self.names() {
            Ok(names) => names,
            Err(error) => return error,
        };
        let closest = closest(name.as_str(), names.iter().map(Profile::as_str)).map(str::to_owned);
        ProfileError::Missing { name: name.clone(), closest }
    }

    /// Checks a profile's text.
    pub(crate) fn parse(&self, name: &Profile, source: Source) -> Result<ProfileFile, ProfileError> {
        source.refuse_others()?;
        Ok(ProfileFile::parse(name.clone(), source)?)
    }

    /// Makes a profile concrete for one agent.
    pub(crate) fn resolve(&self, file: &ProfileFile, agent: &Agent) -> Result<Option<Resolved>, ProfileError> {
        let Some(binding) = file.bindings.get(agent) else { return Ok(None) };
        Resolved::new(file, agent, binding, self.registry, self.paths).map(Some)
    }
}
