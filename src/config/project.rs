//! The project file `.ringlet.toml`, which names profiles and nothing else.

use super::{ConfigError, Settings, Source};
use crate::name::{Agent, NameError, Profile};
use crate::paths::Paths;
use crate::platform;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use toml::Spanned;

// The most choices that one line describes. A file that was not allowed may hold any number.
const SHOWN: usize = 20;

/// The file's name.
pub(crate) const PROJECT_FILE: &str = ".ringlet.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawProject {
    profile: Option<Spanned<String>>,
    #[serde(default)]
    agents: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// The content of a project file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProjectFile {
    /// The profile for every agent without an entry of its own.
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

    /// Describes in one line what the file chooses.
    pub(crate) fn describe(&self) -> String {
        let all = self.profile.iter().map(|name| format!("profile {name}"));
        let some = self.agents.iter().map(|(agent, name)| format!("profile {name} for {agent}"));
        let mut said: Vec<String> = all.chain(some).collect();
        if said.len() > SHOWN {
            let more = format!("{} more", said.len() - SHOWN);
            said.truncate(SHOWN);
            said.push(more);
        }
        said.join(", ")
    }

    /// Returns the profile for the agents that one command may mean: the first profile that the file names for one of
    /// them, else the profile for all.
    pub(crate) fn profile_for(&self, agents: &[Agent]) -> Option<&Profile> {
        agents.iter().find_map(|agent| self.agents.get(agent)).or(self.profile.as_ref())
    }
}

/// Searches for the nearest project file, from a canonical directory upwards. The search does not enter the home
/// directory's parent and the configured ceilings, unless it starts there.
pub fn find_project_file(start: &Path, paths: &Paths, settings: &Settings) -> io::Result<Option<PathBuf>> {
    let ceilings = ceilings(paths, settings);
    let mut found = None;
    let mut device = None;
    platform::ascend(start, |level| {
        // Equal canonical paths have equal text. A comparison by components is slower for deep paths.
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

/// Returns the canonical folders that end the search.
fn ceilings(paths: &Paths, settings: &Settings) -> Vec<PathBuf> {
    let canonical = |path: &Path| platform::canonical(path).unwrap_or_else(|_| path.to_owned());
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
    fn a_description_is_one_line_of_bounded_length() {
        let agents: String = (0..100).map(|at| format!("a{at} = \"p\"\n")).collect();
        let file = parse(&format!("profile = \"work\"\n[agents]\n{agents}")).expect("valid");
        let said = file.describe();
        assert!(said.starts_with("profile work, profile p for a0, ") && said.ends_with(", 81 more"), "{said}");
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
