//! The project's file, `.ringlet.toml`: which profile, and nothing else.

use super::{ConfigError, Settings, Source};
use crate::name::{Agent, NameError, Profile};
use crate::paths::Paths;
use crate::platform;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The file's name.
pub(crate) const PROJECT_FILE: &str = ".ringlet.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProject {
    profile: Option<Spanned<String>>,
    #[serde(default)]
    agents: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// What a project file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProjectFile {
    /// The profile for every agent that is not named below.
    pub profile: Option<Profile>,
    /// Another profile for one agent.
    pub agents: BTreeMap<Agent, Profile>,
}

impl ProjectFile {
    /// Parses a project file's text.
    pub(crate) fn parse(source: &Source) -> Result<Self, ConfigError> {
        let raw: RawProject = source.parse()?;
        let profile = |name: &Spanned<String>| {
            name.get_ref().parse().map_err(|error: NameError| source.error(name.span(), error.to_string()))
        };
        let mut agents = BTreeMap::new();
        for (agent, chosen) in &raw.agents {
            let name =
                agent.get_ref().parse().map_err(|error: NameError| source.error(agent.span(), error.to_string()))?;
            agents.insert(name, profile(chosen)?);
        }
        let file = Self { profile: raw.profile.as_ref().map(profile).transpose()?, agents };
        if file.profile.is_none() && file.agents.is_empty() {
            return Err(source.error(0..0, "names no profile").with_hint("write `profile = \"NAME\"`"));
        }
        Ok(file)
    }

    /// The profile for the agents that one command may mean: the first that is named for one of them, else the one for
    /// all.
    pub(crate) fn profile_for(&self, agents: &[Agent]) -> Option<&Profile> {
        agents.iter().find_map(|agent| self.agents.get(agent)).or(self.profile.as_ref())
    }
}

/// Looks for the nearest project file from a canonical directory up. The home directory's parent and the configured
/// ceilings are not looked into, unless the search starts there.
pub fn find_project_file(start: &Path, paths: &Paths, settings: &Settings) -> io::Result<Option<PathBuf>> {
    let ceilings = ceilings(paths, settings);
    let mut found = None;
    let mut device = None;
    platform::ascend(start, |level| {
        // Canonical paths are the same only if their text is; comparing part by part costs more on a deep one.
        let text = level.path.as_os_str();
        if text != start.as_os_str() && ceilings.iter().any(|ceiling| ceiling.as_os_str() == text) {
            return Ok(false);
        }
        if settings.stop_at_mount_points {
            let here = level.device()?;
            if *device.get_or_insert(here) != here {
                return Ok(false);
            }
        }
        if level.has(PROJECT_FILE)? {
            found = Some(level.path.join(PROJECT_FILE));
        }
        Ok(found.is_none())
    })?;
    Ok(found)
}

/// The folders where every walk up ends, canonical.
fn ceilings(paths: &Paths, settings: &Settings) -> Vec<PathBuf> {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let home = canonical(&paths.home);
    let mut ceilings: Vec<PathBuf> = settings.ceiling_dirs.iter().map(|path| canonical(path)).collect();
    ceilings.extend(home.parent().map(Path::to_owned));
    ceilings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ProjectFile, ConfigError> {
        ProjectFile::parse(&Source { file: PROJECT_FILE.into(), text: text.into(), access: None })
    }

    #[test]
    fn one_agent_may_have_another_profile() {
        let file = parse("profile = \"work\"\n[agents]\ncodex = \"cheap\"\n").expect("valid");
        let profile = |agent: &str| file.profile_for(&[agent.parse().expect("valid")]).map(ToString::to_string);
        assert_eq!(profile("claude").as_deref(), Some("work"));
        assert_eq!(profile("codex").as_deref(), Some("cheap"));
    }

    #[test]
    fn a_project_can_say_nothing_but_names() {
        for (text, at) in [
            ("", (1, 1)),
            ("profile = \"work\"\nendpoint = \"https://evil\"", (2, 1)),
            ("profile = \"work\"\n[env]\nA = \"1\"", (2, 2)),
            ("profile = \"../x\"", (1, 11)),
            ("profile = [\"a\"]", (1, 11)),
            ("[agents]\nClaude = \"a\"", (2, 1)),
            ("[agents]\nclaude = \"A\"", (2, 10)),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.at, Some(at), "{error}");
        }
    }
}
