//! One profile made concrete for one agent.

use super::raw::At;
use super::{Binding, ProfileError, ProfileFile};
use crate::config::ConfigError;
use crate::name::{Agent, KeyName, Profile, Variable, closest, shorten};
use crate::paths::Paths;
use crate::registry::{AgentSpec, Api, Protocol, ProviderSpec, Registry, RegistryError, check_url};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

/// A value, and where a person would change it.
#[derive(Debug, Clone)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// `FILE:LINE`, or what the default comes from.
    pub from: String,
}

/// What one agent gets from one profile. Names of keys, never a value.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The profile.
    pub profile: Profile,
    /// The agent's definition.
    pub agent: AgentSpec,
    /// The provider's definition.
    pub provider: Sourced<ProviderSpec>,
    /// How the agent reaches it.
    pub api: Api,
    /// The base URL, with what the agent wants behind it; `None` for an agent's own backend.
    pub base_url: Option<Sourced<String>>,
    /// Whether that is the provider's default, because the profile names no endpoint.
    pub default_endpoint: bool,
    /// The key.
    pub key: Sourced<KeyName>,
    /// The model.
    pub model: Option<Sourced<String>>,
    /// The agent's own configuration folder, absolute.
    pub config_dir: Option<Sourced<PathBuf>>,
    /// Arguments before the user's own.
    pub args: Vec<String>,
    /// Variables that are not secret.
    pub env: BTreeMap<Variable, Sourced<String>>,
    /// Variables from the keychain.
    pub secrets: BTreeMap<Variable, Sourced<KeyName>>,
}

impl Resolved {
    pub(super) fn new(
        file: &ProfileFile,
        agent: &Agent,
        binding: &Binding,
        registry: &Registry,
        paths: &Paths,
    ) -> Result<Self, ProfileError> {
        let place = Place { file, paths };
        let spec = place.known(&binding.agent.span, registry.agent(agent))?;
        let provider = place.known(&binding.provider.span, registry.provider(&binding.provider.value))?;
        let (api, base_url) = place.reach(&spec, &provider, binding)?;
        for name in binding.env.keys().chain(binding.secrets.keys()) {
            let taken = [&api.key, &api.bearer, &api.base_url].into_iter().flatten().any(|ours| ours == name)
                || api.key_fd.as_ref().is_some_and(|(ours, _)| ours == name);
            if taken {
                let span = binding.env.get(name).map(|at| at.span.clone());
                let span = span.or_else(|| binding.secrets.get(name).map(|at| at.span.clone())).flatten();
                let why = format!("{name} is what Ringlet itself sets for {}", spec.title);
                return Err(place.error(&span, why).with_hint("use `endpoint` and `key-alias`").into());
            }
        }
        let config_dir = binding.config_dir.as_ref().map(|at| place.folder(at)).transpose()?;
        if let Some(at) = &binding.config_dir
            && spec.config_dir.is_empty()
        {
            return Err(place
                .error(&at.span, format!("{} has no variable for its configuration folder", spec.title))
                .into());
        }
        let key = KeyName::new(binding.provider.value.clone(), binding.alias.value.clone());
        Ok(Self {
            profile: file.name.clone(),
            provider: Sourced { from: place.of(&binding.provider.span), value: provider },
            api,
            base_url,
            default_endpoint: binding.endpoint.is_none(),
            key: Sourced { value: key, from: place.of(&binding.alias.span) },
            model: binding.model.as_ref().map(|at| place.sourced(at)),
            config_dir,
            args: binding.args.clone(),
            env: binding.env.iter().map(|(name, at)| (name.clone(), place.sourced(at))).collect(),
            secrets: binding.secrets.iter().map(|(name, at)| (name.clone(), place.sourced(at))).collect(),
            agent: spec,
        })
    }
}

struct Place<'a> {
    file: &'a ProfileFile,
    paths: &'a Paths,
}

impl Place<'_> {
    fn error(&self, span: &Option<Range<usize>>, message: impl Into<String>) -> ConfigError {
        self.file.source.error(span.clone().unwrap_or(0..0), message)
    }

    fn of(&self, span: &Option<Range<usize>>) -> String {
        let at = span.as_ref().and_then(|span| self.file.source.error(span.clone(), "").at);
        match at {
            Some((line, _)) => format!("{}:{line}", self.paths.pretty(&self.file.source.file)),
            None => "default".to_owned(),
        }
    }

    fn sourced<T: Clone>(&self, at: &At<T>) -> Sourced<T> {
        Sourced { value: at.value.clone(), from: self.of(&at.span) }
    }

    // A name the registry does not know is a mistake in the profile: the error points there.
    fn known<T>(&self, span: &Option<Range<usize>>, found: Result<T, RegistryError>) -> Result<T, ProfileError> {
        found.map_err(|error| match &error {
            RegistryError::Unknown { .. } => {
                let made = self.error(span, error.to_string());
                ConfigError { hint: error.hint(), ..made }.into()
            }
            _ => error.into(),
        })
    }

    fn folder(&self, at: &At<String>) -> Result<Sourced<PathBuf>, ProfileError> {
        let path = self.paths.expand(&at.value);
        if !path.is_absolute() {
            return Err(self
                .error(&at.span, format!("{:?} is not an absolute path or one below `~/`", shorten(&at.value)))
                .into());
        }
        Ok(Sourced { value: path, from: self.of(&at.span) })
    }

    fn reach(
        &self,
        agent: &AgentSpec,
        provider: &ProviderSpec,
        binding: &Binding,
    ) -> Result<(Api, Option<Sourced<String>>), ProfileError> {
        let fits = |api: &&Api| api.providers.is_empty() || api.providers.contains(&provider.name);
        let offered = |protocol: Protocol| provider.endpoints.values().any(|urls| urls.contains_key(&protocol));
        let cannot = || {
            let speaks = list(agent.api.iter().filter(fits).map(|api| api.protocol.to_string()));
            let offers = list(provider.endpoints.values().flat_map(|urls| urls.keys().map(ToString::to_string)));
            let message = format!(
                "{} cannot use {}: it speaks {speaks} there, and {} offers {offers}",
                agent.title, provider.title, provider.title
            );
            self.error(&binding.provider.span, message)
        };
        // An agent's own backend is for exactly the provider it names.
        let own = agent.api.iter().find(|api| api.protocol == Protocol::Own && api.providers.contains(&provider.name));
        let endpoint = binding.endpoint.as_ref();
        let name = match endpoint {
            Some(at) if at.value.contains("://") => {
                check_url(&at.value).map_err(|why| self.error(&at.span, why))?;
                let api = agent.api.iter().filter(fits).find(|api| offered(api.protocol));
                let api = api.or_else(|| agent.api.iter().filter(fits).find(|api| api.protocol != Protocol::Own));
                let api = api.ok_or_else(cannot)?;
                return Ok((api.clone(), Some(self.url(api, &at.value, self.of(&at.span), &binding.provider.span)?)));
            }
            Some(at) if provider.endpoints.contains_key(&at.value) => &at.value,
            Some(at) => {
                let names: Vec<&str> = provider.endpoints.keys().map(String::as_str).collect();
                let made =
                    self.error(&at.span, format!("{} has no endpoint \"{}\"", provider.title, shorten(&at.value)));
                return Err(made
                    .with_hint(match closest(&at.value, names.iter().copied()) {
                        Some(word) => format!("did you mean `{word}`?"),
                        None => format!("give a URL, or one of: {}", names.join(", ")),
                    })
                    .into());
            }
            None => "default",
        };
        let urls = provider.endpoints.get(name);
        for api in agent.api.iter().filter(fits) {
            if let Some(url) = urls.and_then(|urls| urls.get(&api.protocol)) {
                let from = match endpoint {
                    Some(at) => self.of(&at.span),
                    None => format!("provider {}", provider.name),
                };
                return Ok((api.clone(), Some(self.url(api, url, from, &binding.provider.span)?)));
            }
        }
        match own {
            Some(api) => Ok((api.clone(), None)),
            None => Err(cannot().into()),
        }
    }

    fn url(
        &self,
        api: &Api,
        url: &str,
        from: String,
        span: &Option<Range<usize>>,
    ) -> Result<Sourced<String>, ConfigError> {
        let url = url.trim_end_matches('/');
        if let Some(blank) = url.split_once('{').and_then(|(_, rest)| rest.split_once('}')) {
            let message = format!("the endpoint {url} needs your own `{}` in it", blank.0);
            return Err(self.error(span, message).with_hint("write `endpoint = \"https://...\"` with the whole URL"));
        }
        // A user who wrote the suffix out has meant the same URL.
        let suffix = api.base_url_suffix.as_str();
        let value = if url.ends_with(suffix) { url.to_owned() } else { format!("{url}{suffix}") };
        Ok(Sourced { value, from })
    }
}

fn list(words: impl Iterator<Item = String>) -> String {
    let words: std::collections::BTreeSet<String> = words.collect();
    if words.is_empty() { "nothing".to_owned() } else { words.into_iter().collect::<Vec<_>>().join(", ") }
}
