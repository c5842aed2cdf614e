//! What the registry says about names: which commands start an agent, which variables hold an endpoint, a key or a
//! model, and which of them belong together.
//!
//! Variables are of one family when an agent reads them for one protocol, when they are names of one provider's key, or
//! when they have a stem in common (`STEM_BASE_URL`, `STEM_API_KEY`). Pure: asked by the readers, which keep what has a
//! meaning here, and by `accounts`.

use super::detect::{self, Judgement, Known};
use crate::name::{Agent, Provider, Variable};
use crate::registry::{AgentSpec, Api, Protocol, ProviderSpec, Registry, RegistryError};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

/// What a variable is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Where requests go.
    Endpoint,
    /// A key.
    Credential,
    /// Any other variable that an agent reads.
    Setting,
}

/// The variables and commands that have a meaning.
pub(crate) struct Vocabulary {
    commands: HashMap<String, Agent>,
    // By name: what it is for, and its family.
    variables: HashMap<String, (Meaning, String)>,
    pub(super) agents: BTreeMap<Agent, Arc<AgentSpec>>,
    pub(super) providers: BTreeMap<Provider, ProviderSpec>,
}

/// What decides whether a word has a meaning.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The names.
    pub vocabulary: &'a Arc<Vocabulary>,
    /// Values that are keys, whatever their name.
    pub known: &'a Known,
}

impl Terms<'_> {
    /// The built-in names alone.
    #[cfg(test)]
    pub(super) fn built_in() -> Terms<'static> {
        Terms { vocabulary: Vocabulary::built_in(), known: Known::none() }
    }
}

// What stands behind a stem in the name of an endpoint, and of a key.
const ENDPOINTS: [&str; 2] = ["_BASE_URL", "_API_BASE"];
const CREDENTIALS: [&str; 4] = ["_API_KEY", "_AUTH_TOKEN", "_API_TOKEN", "_KEY"];

impl Vocabulary {
    /// The vocabulary of a registry.
    pub(crate) fn new(registry: &Registry) -> Result<Self, RegistryError> {
        let mut commands = HashMap::new();
        let mut agents = BTreeMap::new();
        for (agent, words) in registry.commands()? {
            agents.insert(agent.clone(), registry.agent(&agent)?);
            for word in words {
                commands.entry(word).or_insert_with(|| agent.clone());
            }
        }
        let mut providers = BTreeMap::new();
        for name in registry.provider_names()? {
            let Ok(name) = name.parse::<Provider>() else { continue };
            providers.insert(name.clone(), registry.provider(&name)?);
        }
        let variables = variables(&agents, &providers);
        Ok(Self { commands, variables, agents, providers })
    }

    /// The built-in one.
    pub(crate) fn built_in() -> &'static Arc<Self> {
        static BUILT_IN: LazyLock<Arc<Vocabulary>> =
            LazyLock::new(|| Arc::new(Vocabulary::new(&Registry::built_in()).expect("the built-in definitions hold")));
        &BUILT_IN
    }

    /// The agent that a command starts.
    pub(super) fn agent(&self, command: &str) -> Option<&Agent> {
        self.commands.get(command)
    }

    /// What a variable is for; none where it has no meaning.
    pub(super) fn meaning(&self, name: &str) -> Option<Meaning> {
        match self.variables.get(name) {
            Some((meaning, _)) => Some(*meaning),
            None if stem(name, &ENDPOINTS).is_some() => Some(Meaning::Endpoint),
            None if self.agents.values().any(|agent| is_setting_of(agent, name)) => Some(Meaning::Setting),
            None => None,
        }
    }

    /// Reports whether a variable holds an endpoint.
    pub(crate) fn is_endpoint(&self, name: &str) -> bool {
        self.meaning(name) == Some(Meaning::Endpoint)
    }

    /// The variables that hold an endpoint of an agent.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &str> {
        let is_endpoint = |(_, (meaning, _)): &(&String, &(Meaning, String))| *meaning == Meaning::Endpoint;
        self.variables.iter().filter(is_endpoint).map(|(name, _)| name.as_str())
    }

    /// Reports whether a variable of this name would be a key with this value.
    pub(crate) fn is_key(&self, name: &str, value: &[u8]) -> bool {
        self.meaning(name) == Some(Meaning::Credential)
            && matches!(detect::judge(Some(name), value, Known::none()), Judgement::Key(_))
    }

    /// The family of an endpoint or a key.
    pub(super) fn family<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        if let Some((meaning, family)) = self.variables.get(name) {
            return (*meaning != Meaning::Setting).then_some(family);
        }
        let stem = stem(name, &ENDPOINTS).or_else(|| stem(name, &CREDENTIALS))?;
        let own = CREDENTIALS.iter().find_map(|end| self.variables.get(&format!("{stem}{end}")));
        Some(own.map_or(stem, |(_, family)| family))
    }

    /// The provider that keys of a family are for, unless an endpoint says otherwise.
    pub(super) fn provider_of(&self, family: &str) -> Option<&ProviderSpec> {
        self.providers.values().find(|provider| {
            std::iter::once(&provider.variable)
                .chain(&provider.also)
                .any(|name| self.family(name.as_str()) == Some(family))
        })
    }

    /// The provider whose protocol agents speak at an endpoint of this variable.
    pub(super) fn provider_speaking(&self, endpoint: &str) -> Option<&'static str> {
        let own = self.agents.values().flat_map(|agent| &agent.api);
        let own = own.filter(|api| api.base_url.as_ref().is_some_and(|name| name.as_str() == endpoint));
        let of = |protocol: Protocol| match protocol {
            Protocol::Chat | Protocol::Responses => Some("openai"),
            Protocol::Anthropic => Some("anthropic"),
            Protocol::Gemini => Some("google"),
            Protocol::Own => None,
        };
        own.filter_map(|api| of(api.protocol)).max()
    }

    /// The definition of a provider.
    pub(super) fn provider(&self, name: &str) -> Option<&ProviderSpec> {
        self.providers.get(&name.parse().ok()?)
    }

    /// The provider of which an endpoint has such a host.
    pub(super) fn provider_near(&self, is_at: &dyn Fn(&str) -> bool) -> Option<&ProviderSpec> {
        self.providers.values().find(|provider| urls(provider).any(|(_, _, url)| host_of(url).is_some_and(is_at)))
    }

    /// The provider whose keys go where a variable says.
    pub(crate) fn leads_away(&self, name: &str, value: Option<&[u8]>) -> Option<&ProviderSpec> {
        let provider = self.is_endpoint(name).then(|| self.provider_of(self.family(name)?)).flatten()?;
        let url = value.and_then(|value| std::str::from_utf8(value).ok());
        let is_own = || url.and_then(|url| self.provider_at(url)).is_some_and(|own| own.name == provider.name);
        (url != Some("") && !is_own()).then_some(provider)
    }

    /// The provider whose endpoints have the host of this address.
    pub(super) fn provider_at(&self, url: &str) -> Option<&ProviderSpec> {
        let host = host_of(url)?.to_ascii_lowercase();
        self.providers.values().find(|provider| urls(provider).any(|(_, _, url)| host_of(url) == Some(&host)))
    }
}

/// A provider's endpoints: name, protocol, address.
pub(super) fn urls(provider: &ProviderSpec) -> impl Iterator<Item = (&str, Protocol, &str)> {
    provider
        .endpoints
        .iter()
        .flat_map(|(name, urls)| urls.iter().map(move |(protocol, url)| (name.as_str(), *protocol, url.as_str())))
}

/// The host of an address, with its port where it names one.
pub(super) fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host)).filter(|host| !host.is_empty())
}

fn stem<'a>(name: &'a str, ends: &[&str]) -> Option<&'a str> {
    ends.iter().find_map(|end| name.strip_suffix(end)).filter(|stem| !stem.is_empty())
}

// A variable that the agent's definition names, whatever for.
fn is_setting_of(agent: &AgentSpec, name: &str) -> bool {
    agent.competes_with_login(name)
        || agent.names_model(name)
        || agent.config_dir.iter().any(|dir| dir.variable.as_str() == name)
}

fn variables(
    agents: &BTreeMap<Agent, Arc<AgentSpec>>,
    providers: &BTreeMap<Provider, ProviderSpec>,
) -> HashMap<String, (Meaning, String)> {
    let mut families = Families::default();
    let mut meanings: BTreeMap<&str, Meaning> = BTreeMap::new();
    for provider in providers.values() {
        for name in std::iter::once(&provider.variable).chain(&provider.also) {
            meanings.insert(name.as_str(), Meaning::Credential);
            families.join(provider.variable.as_str(), name.as_str());
        }
    }
    for api in agents.values().flat_map(|agent| &agent.api) {
        let keys: Vec<&Variable> = api.key.iter().chain(&api.bearer).filter(|name| !is_own(name)).collect();
        for name in &keys {
            meanings.insert(name.as_str(), Meaning::Credential);
        }
        let names = keys.into_iter().chain(&api.base_url).map(Variable::as_str);
        let names: Vec<&str> = names.chain(provider_variables(api, providers)).collect();
        for pair in names.windows(2) {
            families.join(pair[0], pair[1]);
        }
        if let Some(name) = &api.base_url {
            meanings.insert(name.as_str(), Meaning::Endpoint);
        }
        if let Some(name) = &api.model {
            meanings.entry(name.as_str()).or_insert(Meaning::Setting);
        }
    }
    meanings.iter().map(|(name, meaning)| ((*name).to_owned(), (*meaning, families.of(name).to_owned()))).collect()
}

// Ringlet's own variable stands for any provider's key.
fn is_own(name: &Variable) -> bool {
    name.as_str().starts_with("RINGLET_")
}

// An agent that reads the provider's own variable, for a single provider.
fn provider_variables<'a>(
    api: &'a Api,
    providers: &'a BTreeMap<Provider, ProviderSpec>,
) -> impl Iterator<Item = &'a str> {
    let only = match api.providers.as_slice() {
        [only] if api.key.is_none() => providers.get(only),
        _ => None,
    };
    only.map(|provider| provider.variable.as_str()).into_iter()
}

// Names that belong together, each with the name that stands for its family.
#[derive(Default)]
struct Families<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Families<'a> {
    fn of(&self, name: &'a str) -> &'a str {
        self.0.get(name).copied().unwrap_or(name)
    }

    fn join(&mut self, one: &'a str, other: &'a str) {
        let (one, other) = (self.of(one), self.of(other));
        self.0.entry(one).or_insert(one);
        self.0.entry(other).or_insert(other);
        self.0.values_mut().filter(|family| **family == other).for_each(|family| *family = one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_one_protocol_provider_or_stem_are_of_one_family() {
        let known = Vocabulary::built_in();
        for family in [
            &["ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"][..],
            &["OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_API_KEY"],
            &["GOOGLE_GEMINI_BASE_URL", "GEMINI_API_BASE", "GEMINI_API_KEY", "GOOGLE_API_KEY"],
            &["COPILOT_PROVIDER_BASE_URL", "COPILOT_PROVIDER_API_KEY", "COPILOT_PROVIDER_BEARER_TOKEN"],
            &["DEEPSEEK_BASE_URL", "DEEPSEEK_API_BASE", "DEEPSEEK_API_KEY"],
            &["ZAI_BASE_URL", "ZAI_API_KEY", "ZHIPU_API_KEY"],
            &["OF_NOBODY_BASE_URL", "OF_NOBODY_API_KEY", "OF_NOBODY_KEY"],
        ] {
            let first = known.family(family[0]);
            assert!(first.is_some(), "{family:?}");
            for name in family {
                assert_eq!(known.family(name), first, "{name}");
            }
        }
        let apart = [
            "ANTHROPIC_API_KEY",
            "OPENAI_API_KEY",
            "GEMINI_API_KEY",
            "COPILOT_PROVIDER_API_KEY",
            "XAI_API_KEY",
            "DEEPSEEK_API_KEY",
        ];
        let all: std::collections::BTreeSet<_> = apart.iter().map(|name| known.family(name)).collect();
        assert_eq!(all.len(), apart.len());
        for name in ["EDITOR", "ANTHROPIC_MODEL", "CLAUDE_CONFIG_DIR"] {
            assert_eq!(known.family(name), None, "{name}");
        }
    }

    #[test]
    fn names_and_hosts_tell_agents_and_providers() {
        let known = Vocabulary::built_in();
        assert_eq!(known.agent("claude").map(Agent::as_str), Some("claude"));
        assert_eq!(known.agent("cn").map(Agent::as_str), Some("continue"));
        assert_eq!(known.agent("ls"), None);
        let at = |url| known.provider_at(url).map(|provider| provider.name.as_str());
        assert_eq!(at("https://api.z.ai/api/anthropic"), Some("zai"));
        assert_eq!(at("https://open.bigmodel.cn/api/anthropic/"), Some("zai"));
        assert_eq!(at("https://gw.example.net"), None);
        let of = |name| known.provider_of(known.family(name)?).map(|provider| provider.name.as_str());
        assert_eq!(of("ANTHROPIC_BASE_URL"), Some("anthropic"));
        assert_eq!(of("OPENAI_API_BASE"), Some("openai"));
        assert_eq!(of("GEMINI_API_BASE"), Some("google"));
        assert_eq!(known.meaning("ANTHROPIC_MODEL"), Some(Meaning::Setting));
        assert_eq!(known.meaning("CLAUDE_CONFIG_DIR"), Some(Meaning::Setting));
        assert_eq!(known.meaning("EDITOR"), None);
    }
}
