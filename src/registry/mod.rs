//! The definitions of agents and providers: those built in, and the user's own.
//!
//! A definition is one TOML file, named after the agent or provider. A file of the user's replaces the built-in
//! definition of that name as a whole, so that everything a launch does can be read in one place. The built-in ones are
//! literals of the program, which `build.rs` writes from the files; the user's are parsed, and only those that are
//! asked for.

mod agent;
mod broker;
mod builtin;
pub(crate) mod guard;
mod literal;
mod located;
mod login;
mod provider;
mod raw_agent;
mod stored;
mod version;

pub(crate) use agent::{AgentSpec, Api, Form, NoKey, Owner};
pub(crate) use broker::{Brokered, Helper, Settings, Unless};
use builtin::PROVIDERS;
pub(crate) use builtin::{AGENTS, PREFIXES};
pub(crate) use guard::{Directory, Entry, Format, Guard, Rule, Scalar, matches};
pub(crate) use login::{Holder, Login, Override, Supervisor};
pub(crate) use provider::{Auth, Protocol, ProviderSpec, RawProvider};
pub(crate) use raw_agent::RawAgent;
pub(crate) use stored::{Chosen, Sessions, Stored, UserFile, Withheld};
pub(crate) use version::Version;

use crate::config::{ConfigError, Source};
use crate::hint::Hint;
use crate::name::{Agent, Provider, closest};
use crate::paths::Paths;
use crate::secret::Shape;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A definition that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No definition has that name.
    #[error("unknown {what} \"{name}\"")]
    Unknown {
        /// `agent` or `provider`.
        what: &'static str,
        /// The name that was asked for.
        name: String,
        /// The closest existing name.
        closest: Option<String>,
        /// The file in which the user could define it.
        file: PathBuf,
    },
    /// The user's definition is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The user's folder of definitions cannot be listed.
    #[error("{0} cannot be listed: {1}")]
    Folder(PathBuf, std::io::Error),
}

impl RegistryError {
    /// Returns the next thing to do.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Self::Unknown { closest: Some(word), .. } => Some(format!("did you mean `{word}`?").into()),
            Self::Unknown { what, file, .. } => {
                let list = Hint::from("").command(["ringlet", &format!("{what}s"), "list"]);
                Some(list.and(format!(" shows all; your own go to {}", file.display())))
            }
            Self::Config(error) => error.hint.clone(),
            Self::Folder(..) => None,
        }
    }
}

/// The definitions, read on demand.
pub(crate) struct Registry {
    agents: PathBuf,
    providers: PathBuf,
    // A launch asks twice for its agent.
    known: Mutex<BTreeMap<Agent, Arc<AgentSpec>>>,
}

impl Registry {
    /// Returns a registry with the user's definitions.
    pub(crate) fn new(paths: &Paths) -> Self {
        let known = Mutex::default();
        Self { agents: paths.registry("agents"), providers: paths.registry("providers"), known }
    }

    /// Returns a registry without definitions of a user's.
    pub(crate) fn built_in() -> Self {
        Self { agents: "/nonexistent".into(), providers: "/nonexistent".into(), known: Mutex::default() }
    }

    /// Returns one agent's definition. It is read once.
    pub(crate) fn agent(&self, name: &Agent) -> Result<Arc<AgentSpec>, RegistryError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spec) = known.get(name) {
            return Ok(Arc::clone(spec));
        }
        let spec = Arc::new(self.read_agent(name)?);
        known.insert(name.clone(), Arc::clone(&spec));
        Ok(spec)
    }

    fn read_agent(&self, name: &Agent) -> Result<AgentSpec, RegistryError> {
        let file = self.own_agent(name);
        if let Some(source) = Source::read(&file)? {
            source.refuse_others()?;
            return Ok(AgentSpec::parse(name.clone(), &source, Owner::User)?);
        }
        match AGENTS.iter().find(|built| built.name == name.as_str()) {
            Some(built) => Ok((built.raw)().check(name.clone(), &built_in(), Owner::Ringlet)?),
            None => Err(unknown("agent", name.as_str(), file, self.agent_names()?)),
        }
    }

    /// Returns one provider's definition. Its `pattern` is not compiled, since no launch needs it.
    pub(crate) fn provider(&self, name: &Provider) -> Result<ProviderSpec, RegistryError> {
        Ok(self.read_provider(name)?.0)
    }

    /// Returns one provider's definition. A `pattern` that is not a regular expression is an error.
    pub(crate) fn provider_with_pattern(&self, name: &Provider) -> Result<ProviderSpec, RegistryError> {
        let (spec, source) = self.read_provider(name)?;
        spec.check_pattern(&source)?;
        Ok(spec)
    }

    fn read_provider(&self, name: &Provider) -> Result<(ProviderSpec, Source), RegistryError> {
        let file = self.providers.join(format!("{name}.toml"));
        if let Some(source) = Source::read(&file)? {
            source.refuse_others()?;
            return Ok((ProviderSpec::parse(name.clone(), &source)?, source));
        }
        match PROVIDERS.iter().find(|built| built.name == name.as_str()) {
            Some(built) => Ok((ProviderSpec::check(name.clone(), (built.raw)(), &built_in())?, built_in())),
            None => Err(unknown("provider", name.as_str(), file, self.provider_names()?)),
        }
    }

    /// Returns which bytes a key of this provider may hold. A provider that the registry does not know can only be
    /// named by `[secrets]`, and its keys may be any text.
    pub(crate) fn shape(&self, name: &Provider) -> Shape {
        let known = PROVIDERS.iter().any(|built| built.name == name.as_str())
            || self.providers.join(format!("{name}.toml")).symlink_metadata().is_ok();
        if known { Shape::Header } else { Shape::Text }
    }

    /// Returns the names of all agents, sorted.
    pub(crate) fn agent_names(&self) -> Result<BTreeSet<String>, RegistryError> {
        let mut names = own(&self.agents)?;
        names.extend(AGENTS.iter().map(|built| built.name.to_owned()));
        Ok(names)
    }

    /// Returns the names of all providers, sorted.
    pub(crate) fn provider_names(&self) -> Result<BTreeSet<String>, RegistryError> {
        let mut names = own(&self.providers)?;
        names.extend(PROVIDERS.iter().map(|built| built.name.to_owned()));
        Ok(names)
    }

    /// Returns the agents that take this provider's key if nothing else is said, those first that Ringlet knows best.
    pub(crate) fn agents_of(&self, provider: &Provider) -> Result<Vec<Agent>, RegistryError> {
        let mut agents = Vec::new();
        for name in self.agent_names()? {
            let name: Agent = name.parse().expect("a definition's name is valid");
            let spec = self.agent(&name)?;
            if spec.provider == *provider {
                agents.push(((spec.broker.is_none(), spec.login.is_none()), name));
            }
        }
        agents.sort();
        Ok(agents.into_iter().map(|(_, name)| name).collect())
    }

    /// Returns those of these variables that hold a key for an agent, by the definitions that can be read.
    pub(crate) fn key_variables<'a>(&self, names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
        let is_likely = |name: &&str| ["KEY", "TOKEN"].iter().any(|word| name.to_ascii_uppercase().contains(word));
        let mut likely: BTreeSet<String> = names.filter(is_likely).map(str::to_owned).collect();
        if likely.is_empty() {
            return likely;
        }
        let providers = self.provider_names().unwrap_or_default();
        let providers = providers.iter().filter_map(|name| self.provider(&name.parse().ok()?).ok());
        let variables = |provider: ProviderSpec| std::iter::once(provider.variable).chain(provider.also);
        let own: BTreeSet<String> = providers.flat_map(variables).map(|name| name.to_string()).collect();
        let agents = self.agent_names().unwrap_or_default();
        let agents: Vec<_> = agents.iter().filter_map(|name| self.agent(&name.parse().ok()?).ok()).collect();
        likely.retain(|name| own.contains(name) || agents.iter().any(|agent| agent.competes_with_login(name)));
        likely
    }

    /// Returns the titles of the providers whose keys look like this text.
    pub(crate) fn owners_of(&self, text: &str) -> Result<Vec<String>, RegistryError> {
        let mut owners = Vec::new();
        for name in self.provider_names()? {
            let spec = self.provider_with_pattern(&name.parse().expect("a definition's name is valid"))?;
            if spec.recognises(text) == Some(true) {
                owners.push(spec.title);
            }
        }
        Ok(owners)
    }

    /// Returns the agents that a typed word means among the built-in ones and the user's own of that name, sorted. The
    /// list is empty unless the word is the command of one of them. Other definitions of the user's may have the same
    /// command; they are not read.
    pub(crate) fn known_agents_for(&self, word: &str) -> Result<Vec<Agent>, RegistryError> {
        let built_in = AGENTS.iter().filter(|built| built.name == word || built.commands.contains(&word));
        let names: BTreeSet<Agent> =
            built_in.map(|built| built.name).chain([word]).filter_map(|name| name.parse().ok()).collect();
        let (mut agents, mut is_command) = (Vec::new(), false);
        for name in names {
            let starts = self.has_command(&name, word)?;
            is_command |= starts;
            if starts || (name.as_str() == word && self.is_defined(&name)) {
                agents.push(name);
            }
        }
        Ok(if is_command { agents } else { Vec::new() })
    }

    /// Reports whether an agent is started by a command.
    pub(crate) fn has_command(&self, name: &Agent, command: &str) -> Result<bool, RegistryError> {
        if self.own_agent(name).symlink_metadata().is_ok() {
            return Ok(self.agent(name)?.commands().iter().any(|own| own == command));
        }
        Ok(AGENTS.iter().any(|built| built.name == name.as_str() && built.commands.contains(&command)))
    }

    fn is_defined(&self, name: &Agent) -> bool {
        AGENTS.iter().any(|built| built.name == name.as_str()) || self.own_agent(name).symlink_metadata().is_ok()
    }

    fn own_agent(&self, name: &Agent) -> PathBuf {
        self.agents.join(format!("{name}.toml"))
    }

    /// Returns the agents that a typed word may mean, by name or by command, and the command that it runs. Reads all
    /// definitions of the user's.
    pub(crate) fn agents_for(&self, word: &str) -> Result<Resolution, RegistryError> {
        let commands = self.commands()?;
        let agents: Vec<Agent> = commands
            .iter()
            .filter(|(name, commands)| name.as_str() == word || commands.iter().any(|command| command == word))
            .map(|(name, _)| name.clone())
            .collect();
        let is_command = commands.values().flatten().any(|command| command == word);
        let command = match agents.first() {
            Some(agent) if !is_command => commands[agent].first().cloned().unwrap_or_else(|| word.to_owned()),
            _ => word.to_owned(),
        };
        Ok(Resolution { agents, command })
    }

    /// Returns all agents with the commands that start them, the usual one first.
    pub(crate) fn commands(&self) -> Result<BTreeMap<Agent, Vec<String>>, RegistryError> {
        let mut commands: BTreeMap<Agent, Vec<String>> = AGENTS
            .iter()
            .map(|built| {
                let name = built.name.parse().expect("built-in names are valid");
                (name, built.commands.iter().map(|command| (*command).to_owned()).collect())
            })
            .collect();
        for name in own(&self.agents)? {
            let name: Agent = name.parse().expect("only valid names are listed");
            let spec = self.agent(&name)?;
            commands.insert(name, spec.commands());
        }
        Ok(commands)
    }
}

/// A key that is stored under a provider that it does not belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misplaced {
    /// Its beginning shows that it belongs to another provider.
    Of(Provider),
    /// It does not begin like the keys of that provider.
    NotOf(Provider),
}

/// Reports whether the beginning of a key shows that it belongs to another provider than the one it is stored under.
pub(crate) fn misplaced(provider: &Provider, key: &[u8]) -> Option<Misplaced> {
    // Blanks before a key come from pasting it.
    let key = key.trim_ascii_start();
    PREFIXES.iter().find_map(|(prefix, owner)| {
        match (key.starts_with(prefix.as_bytes()), *owner == provider.as_str()) {
            (true, false) => Some(Misplaced::Of(owner.parse().expect("built-in names are valid"))),
            (false, true) => Some(Misplaced::NotOf(provider.clone())),
            _ => None,
        }
    })
}

/// The agents and the command that a typed word resolves to.
pub(crate) struct Resolution {
    /// The agents of that name or command. Several agents may share a command.
    pub agents: Vec<Agent>,
    /// The command to look for on PATH.
    pub command: String,
}

// The source of a built-in definition, which a test has checked for errors.
fn built_in() -> Source {
    Source { file: PathBuf::new(), text: String::new(), access: None }
}

fn unknown(what: &'static str, name: &str, file: PathBuf, names: BTreeSet<String>) -> RegistryError {
    let closest = closest(name, names.iter().map(String::as_str)).map(str::to_owned);
    RegistryError::Unknown { what, name: name.to_owned(), closest, file }
}

// A missing folder counts as empty. Files with other endings are ignored.
fn own(folder: &Path) -> Result<BTreeSet<String>, RegistryError> {
    let failed = |error| RegistryError::Folder(folder.to_owned(), error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            match stem.parse::<Agent>() {
                Ok(_) => names.insert(stem),
                Err(error) => return Err(ConfigError::whole(&path, format!("its name is refused: {error}")).into()),
            };
        }
    }
    Ok(names)
}

/// Returns the built-in agents' command that is closest to a misspelt one, if one is close enough.
pub(crate) fn closest_command(word: &str) -> Option<&'static str> {
    closest(word, AGENTS.iter().flat_map(|built| built.commands.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Reads every file of a folder of the repository's as a definition.
    fn definitions(folder: &str) -> impl Iterator<Item = (String, Source)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("registry").join(folder);
        let names = own(&folder).expect("listed");
        names.into_iter().map(move |name| {
            let source = Source::read(&folder.join(format!("{name}.toml"))).expect("readable").expect("there");
            (name, source)
        })
    }

    #[test]
    fn the_literals_are_what_the_files_say() {
        let registry = Registry::built_in();
        for (name, source) in definitions("agents") {
            let name: Agent = name.parse().expect("valid name");
            let parsed = AgentSpec::parse(name.clone(), &source, Owner::Ringlet);
            let parsed = parsed.unwrap_or_else(|error| panic!("{error}"));
            let built = registry.agent(&name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(format!("{built:#?}"), format!("{parsed:#?}"));
        }
        for (name, source) in definitions("providers") {
            let name: Provider = name.parse().expect("valid name");
            let parsed = ProviderSpec::parse(name.clone(), &source).unwrap_or_else(|error| panic!("{error}"));
            parsed.check_pattern(&source).unwrap_or_else(|error| panic!("{error}"));
            let built = registry.provider(&name).unwrap_or_else(|error| panic!("{name}: {error}"));
            let without_places = |spec: &ProviderSpec| {
                let shown = format!("{spec:#?}");
                shown.lines().filter(|line| !line.contains("start: ") && !line.contains("end: ")).collect::<String>()
            };
            assert_eq!(without_places(&built), without_places(&parsed));
        }
    }

    #[test]
    fn every_built_in_definition_is_complete() {
        let registry = Registry::built_in();
        for built in AGENTS {
            let name: Agent = built.name.parse().expect("valid name");
            let spec = registry.agent(&name).unwrap_or_else(|error| panic!("{}: {error}", built.name));
            assert_eq!(spec.commands(), built.commands, "{}", built.name);
            assert!(!spec.api.is_empty(), "{}", built.name);
            // Without a login nothing reads the list.
            assert!(spec.login.is_some() || spec.login_unset.is_empty(), "{}", built.name);
            // An account without a key needs an endpoint that can be set.
            assert!(!spec.hides_logins || spec.api.iter().any(Api::follows_endpoint), "{}", built.name);
            registry.provider(&spec.provider).unwrap_or_else(|error| panic!("{}: {error}", built.name));
        }
        for built in PROVIDERS {
            let name: Provider = built.name.parse().expect("valid name");
            registry.provider(&name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert!(AGENTS.len() >= 18 && PROVIDERS.len() >= 20);
    }

    #[test]
    fn every_definition_file_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("registry");
        let agents: BTreeSet<String> = AGENTS.iter().map(|built| built.name.to_owned()).collect();
        let providers: BTreeSet<String> = PROVIDERS.iter().map(|built| built.name.to_owned()).collect();
        assert_eq!(own(&folder.join("agents")).expect("listed"), agents);
        assert_eq!(own(&folder.join("providers")).expect("listed"), providers);
    }

    #[test]
    fn what_a_key_begins_with_tells_whose_it_is() {
        let provider = |name: &str| name.parse::<Provider>().expect("valid");
        let (token, key) = (b"sk-ant-oat01-abc", b"sk-ant-api03-abc");
        let subscription = provider("claude-subscription");
        assert_eq!(misplaced(&provider("anthropic"), token), Some(Misplaced::Of(subscription.clone())));
        assert_eq!(misplaced(&provider("openrouter"), token), Some(Misplaced::Of(subscription.clone())));
        assert_eq!(misplaced(&subscription, key), Some(Misplaced::NotOf(subscription.clone())));
        assert_eq!(misplaced(&subscription, token), None);
        assert_eq!(misplaced(&provider("anthropic"), key), None);
        for (_, owner) in PREFIXES {
            Registry::built_in().provider(&provider(owner)).expect("built in");
        }
    }

    #[test]
    fn a_misspelt_agent_gets_the_closest_word() {
        let error = Registry::built_in().agent(&"calude".parse().expect("valid")).expect_err("unknown");
        assert_eq!(error.hint(), Some("did you mean `claude`?".into()));
    }

    #[test]
    fn a_command_that_two_agents_share_means_both() {
        let resolution = Registry::built_in().agents_for("grok").expect("readable");
        assert_eq!(resolution.agents.iter().map(Agent::as_str).collect::<Vec<_>>(), ["grok", "grok-cli"]);
        let resolution = Registry::built_in().agents_for("cursor").expect("readable");
        assert_eq!(resolution.command, "agent");
    }
}
