//! Profiles: the provider, the key and the settings of each agent.
//!
//! A profile is the user's own file, and nothing in a project can add to it. `Profiles` reads them. `Resolved` is what
//! one profile means for one agent, with the line that each value came from.

mod account;
mod binding;
pub(crate) mod edit;
mod raw;
mod resolved;
mod uses;

pub(crate) use account::{Account, Reach};
pub(crate) use binding::{Binding, Delivery, Kind};
pub(crate) use raw::{ProfileFile, RawProfile};
pub(crate) use resolved::{Resolved, Sourced};
pub(crate) use uses::Uses;

use crate::config::{ConfigError, Source};
use crate::hint::Hint;
use crate::name::{Agent, Profile, closest};
use crate::paths::{PROFILE_FILE, Paths};
use crate::platform::OpenFolder;
use crate::registry::{Registry, RegistryError};
use crate::words;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Why a profile could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No profile has this name.
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
    /// A text that is not in a file yet is wrong.
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
    /// Returns what to do next.
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

// A search for agents' names in texts of TOML. The hook searches every profile, so a byte and a word cost little.
struct Search<'a> {
    agents: Vec<&'a [u8]>,
    // The lengths of the names that begin with the byte, a bit each.
    lengths: [u64; 256],
}

impl<'a> Search<'a> {
    fn new(agents: &BTreeSet<&'a Agent>) -> Self {
        let agents: Vec<&[u8]> = agents.iter().map(|agent| agent.as_str().as_bytes()).collect();
        let mut lengths = [0; 256];
        for name in &agents {
            lengths[usize::from(name[0])] |= Self::bit(name);
        }
        Self { agents, lengths }
    }

    // A name has at most 64 bytes, and at least one.
    fn bit(word: &[u8]) -> u64 {
        1 << (word.len() % 64)
    }

    // Reports whether a text may have one of the names as a key or a string. Only a backslash makes a string differ
    // from its text there, but for line ends, which no name has.
    fn may_be_in(&self, text: &[u8]) -> bool {
        let mut start = 0;
        for (at, byte) in text.iter().enumerate() {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => {}
                b'\\' => return true,
                _ => {
                    if self.has(&text[start..at]) {
                        return true;
                    }
                    start = at + 1;
                }
            }
        }
        self.has(&text[start..])
    }

    // A bare key may be joined to others by dots.
    fn has(&self, word: &[u8]) -> bool {
        let is_agent = |word: &[u8]| {
            word.first().is_some_and(|byte| self.lengths[usize::from(*byte)] & Self::bit(word) != 0)
                && self.agents.contains(&word)
        };
        is_agent(word) || (word.contains(&b'.') && word.split(|byte| *byte == b'.').any(is_agent))
    }
}

/// The user's profiles.
pub(crate) struct Profiles<'a> {
    paths: &'a Paths,
    registry: &'a Registry,
}

impl<'a> Profiles<'a> {
    /// Takes the folder's place from the paths. Nothing is read.
    pub(crate) fn new(paths: &'a Paths, registry: &'a Registry) -> Self {
        Self { paths, registry }
    }

    /// Returns the names of all profiles, sorted. Folders whose names cannot be a profile's are skipped.
    pub(crate) fn names(&self) -> Result<Vec<Profile>, ProfileError> {
        let folder = self.paths.profiles();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ProfileError::Folder(folder, error)),
        };
        let mut names: Vec<Profile> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            // One that cannot be looked into is one.
            .filter(|name| match self.paths.profile(name).symlink_metadata() {
                Ok(_) => true,
                Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
            })
            .collect();
        names.sort();
        Ok(names)
    }

    /// Returns those of the agents that at least one profile binds. A profile that cannot be read binds none.
    ///
    /// Most profiles are not parsed: one that binds an agent has its name in the text, unless an escape spells it.
    pub(crate) fn bound<'b>(&self, agents: impl IntoIterator<Item = &'b Agent>) -> BTreeSet<&'b Agent> {
        let (mut bound, mut missing) = (BTreeSet::new(), agents.into_iter().collect::<BTreeSet<_>>());
        let folder = self.paths.profiles();
        let (Ok(entries), Ok(handle)) = (std::fs::read_dir(&folder), OpenFolder::open(&folder)) else { return bound };
        let mut search = Search::new(&missing);
        let mut buffer = [0; 16 * 1024];
        for entry in entries.flatten() {
            if missing.is_empty() {
                break;
            }
            let mut file = PathBuf::from(entry.file_name());
            file.push(PROFILE_FILE);
            let Ok(read) = handle.read_start(&file, &mut buffer) else { continue };
            if read < buffer.len() && !search.may_be_in(&buffer[..read]) {
                continue;
            }
            let name = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(file) = name.and_then(|name| self.read(&name).ok()) else { continue };
            let is_bound = |agent: &&Agent| file.bindings.contains_key(*agent);
            if missing.iter().any(is_bound) {
                bound.extend(missing.iter().copied().filter(is_bound));
                missing.retain(|agent| !bound.contains(agent));
                search = Search::new(&missing);
            }
        }
        bound
    }

    /// Reads and checks one profile.
    pub(crate) fn read(&self, name: &Profile) -> Result<ProfileFile, ProfileError> {
        let file = self.paths.profile(name);
        match Source::read(&file)? {
            Some(source) => self.parse(name, source),
            None => Err(self.missing(name)),
        }
    }

    /// Returns the error for a profile that does not exist, with the closest name.
    pub(crate) fn missing(&self, name: &Profile) -> ProfileError {
        let names = match self.names() {
            Ok(names) => names,
            Err(error) => return error,
        };
        let closest = closest(name.as_str(), names.iter().map(Profile::as_str)).map(str::to_owned);
        ProfileError::Missing { name: name.clone(), closest }
    }

    /// Parses and checks a profile's text.
    pub(crate) fn parse(&self, name: &Profile, source: Source) -> Result<ProfileFile, ProfileError> {
        source.refuse_others()?;
        Ok(ProfileFile::parse(name.clone(), source)?)
    }

    /// Returns what a profile means for one agent; `None` if it does not bind the agent.
    pub(crate) fn resolve(&self, file: &ProfileFile, agent: &Agent) -> Result<Option<Resolved>, ProfileError> {
        let Some(binding) = file.bindings.get(agent) else { return Ok(None) };
        Resolved::new(file, agent, binding, self.registry, self.paths).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;
    use proptest::prelude::*;
    use std::fs;

    const NAMES: [&str; 4] = ["claude", "codex", "amp", "my.agent-2"];

    // An agent's name as TOML may spell it in a quoted string or key, a character in three ways.
    fn quoted(name: &'static str) -> impl Strategy<Value = String> {
        let basic = proptest::collection::vec(0..3, name.len()).prop_map(|ways| {
            let spell = |(c, way): (char, i32)| match way {
                0 => format!("\\u{:04x}", u32::from(c)),
                1 => format!("\\U{:08X}", u32::from(c)),
                _ => c.to_string(),
            };
            format!("\"{}\"", name.chars().zip(ways).map(spell).collect::<String>())
        });
        prop_oneof![Just(format!("'{name}'")), basic]
    }

    // A whole profile that binds one agent.
    fn profile() -> impl Strategy<Value = String> {
        let name = proptest::sample::select(NAMES.to_vec());
        name.prop_flat_map(|name| {
            let broken = format!("\"\"\"\n{}\\\n   {}\"\"\"", &name[..2], &name[2..]);
            let multi = prop_oneof![Just(format!("'''\r\n{name}'''")), Just(broken), quoted(name)];
            prop_oneof![
                multi.prop_map(|text| format!("agent = {text}\nprovider = \"openai\"\n")),
                quoted(name).prop_map(|key| format!("[agents.{key}]\nprovider = \"openai\"\n")),
                quoted(name).prop_map(|key| format!("agents.{key}.provider = \"openai\"\n")),
                quoted(name).prop_map(|key| format!("agents = {{ {key} = {{ auth = \"login\" }} }}\n")),
                quoted(name).prop_map(|key| format!("# amp\n[\"agents\".{key}]\nauth = \"logout\"\n")),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_bound_agents_are_those_of_a_full_parse(texts in proptest::collection::vec(profile(), 0..4)) {
            let home = tempfile::tempdir().expect("a temporary folder");
            let pairs = [("HOME", home.path()), ("USERPROFILE", home.path()), ("APPDATA", home.path())];
            let paths = Paths::new(&Env::from_pairs(pairs)).expect("an absolute home");
            let registry = Registry::new(&paths);
            let profiles = Profiles::new(&paths, &registry);
            for (at, text) in texts.iter().enumerate() {
                let file = paths.profile(&format!("p{at}").parse().expect("a name"));
                crate::platform::create_private_folder(file.parent().expect("a folder")).expect("created");
                fs::write(&file, text).expect("written");
                #[cfg(unix)]
                fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
            }
            // A folder with another name, and one that holds no profile.
            fs::create_dir_all(paths.profiles().join("No Name")).expect("created");
            let text = "agent = \"amp\"\nauth = \"login\"";
            fs::write(paths.profiles().join("No Name").join(PROFILE_FILE), text).expect("written");
            fs::create_dir_all(paths.profiles().join("empty")).expect("created");
            let agents: Vec<Agent> = NAMES.iter().map(|name| name.parse().expect("a name")).collect();
            let names = profiles.names().expect("listed");
            let parsed: Vec<_> = names.iter().filter_map(|name| profiles.read(name).ok()).collect();
            let full: BTreeSet<&Agent> =
                agents.iter().filter(|agent| parsed.iter().any(|file| file.bindings.contains_key(*agent))).collect();
            prop_assert_eq!(profiles.bound(&agents), full);
        }
    }
}
