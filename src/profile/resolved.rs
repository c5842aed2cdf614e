//! What one profile means for one agent: names are looked up in the registry, and each value keeps its source.

use super::account::{Account, Reach};
use super::binding::{At, Delivery, Kind};
use super::{Binding, ProfileError, ProfileFile};
use crate::config::ConfigError;
use crate::name::{Agent, KeyName, Profile, Variable, closest, shorten};
use crate::paths::Paths;
use crate::registry::{AgentSpec, Api, Auth, Protocol, ProviderSpec, Registry, RegistryError};
use crate::url::check_url;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A value, and the place where a user would change it.
#[derive(Debug, Clone)]
pub(crate) struct Sourced<T> {
    /// The value.
    pub value: T,
    /// `FILE:LINE`, or where the default comes from.
    pub from: String,
}

/// What one agent gets from one profile. It holds the names of keys and never a key.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    /// The profile.
    pub profile: Profile,
    /// The agent's definition.
    pub agent: Arc<AgentSpec>,
    /// True if commands take this agent when the profile binds several and none is named.
    pub is_main: bool,
    /// The account.
    pub account: Account,
    /// The way in which the key is delivered.
    pub delivery: Delivery,
    /// The model.
    pub model: Option<Sourced<String>>,
    /// The agent's own configuration folder, absolute.
    pub config_dir: Option<Sourced<PathBuf>>,
    /// Arguments that are put before the user's.
    pub args: Vec<String>,
    /// Variables that are not secret.
    pub env: BTreeMap<Variable, Sourced<String>>,
    /// Variables from the keychain.
    pub secrets: BTreeMap<Variable, Sourced<KeyName>>,
}

impl Resolved {
    /// Returns the folder that the profile names for the agent's own configuration.
    pub(crate) fn named_folder(&self) -> Option<&Path> {
        self.config_dir.as_ref().map(|folder| folder.value.as_path())
    }

    pub(super) fn new(
        file: &ProfileFile,
        agent: &Agent,
        binding: &Binding,
        registry: &Registry,
        paths: &Paths,
    ) -> Result<Self, ProfileError> {
        let resolver = Resolver { file, paths };
        let spec = resolver.known(&binding.agent.span, registry.agent(agent))?;
        let account = resolver.account(&spec, binding, registry)?;
        resolver.refuse_taken(&spec, &account, binding)?;
        let config_dir = binding.config_dir.as_ref().map(|at| resolver.folder(at)).transpose()?;
        if let Some(at) = &binding.config_dir
            && spec.config_dir.is_empty()
        {
            return Err(resolver
                .error(&at.span, format!("{} has no variable for its configuration folder", spec.title))
                .into());
        }
        Ok(Self {
            profile: file.name.clone(),
            is_main: file.main.as_ref().or(file.bindings.keys().next().filter(|_| file.bindings.len() == 1))
                == Some(agent),
            account,
            delivery: binding.delivery.value,
            model: binding.model.as_ref().map(|at| resolver.sourced(at)),
            config_dir,
            args: binding.args.clone(),
            env: binding.env.iter().map(|(name, at)| (name.clone(), resolver.sourced(at))).collect(),
            secrets: binding.secrets.iter().map(|(name, at)| (name.clone(), resolver.sourced(at))).collect(),
            agent: spec,
        })
    }
}

// Finds what the texts of a file mean, and where each of them stands.
struct Resolver<'a> {
    file: &'a ProfileFile,
    paths: &'a Paths,
}

impl Resolver<'_> {
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
        // Some agents tell accounts apart by the very spelling, so a slash at the end must not make another one.
        let path: PathBuf = self.paths.expand(&at.value).components().collect();
        if !path.is_absolute() {
            return Err(self
                .error(&at.span, format!("{:?} is not an absolute path or one below `~/`", shorten(&at.value)))
                .into());
        }
        Ok(Sourced { value: path, from: self.of(&at.span) })
    }

    fn account(&self, agent: &AgentSpec, binding: &Binding, registry: &Registry) -> Result<Account, ProfileError> {
        let provider = match &binding.provider {
            Some(at) => {
                let spec = self.known(&at.span, registry.provider(&at.value))?;
                Some(Sourced { from: self.of(&at.span), value: spec })
            }
            None => None,
        };
        let from = self.of(&binding.kind.span);
        match (&binding.kind.value, provider) {
            (Kind::Key { alias }, Some(provider)) => {
                let (api, base_url) = self.reach(agent, &provider.value, binding)?;
                let by_broker = binding.delivery.value == Delivery::Broker
                    && agent.broker.as_ref().is_some_and(|known| known.is_led(api.protocol));
                if let Some(at) = binding.endpoint.as_ref().filter(|_| !api.follows_endpoint() && !by_broker) {
                    return Err(self.without_effect(agent, &at.span).into());
                }
                let key = KeyName::new(provider.value.name.clone(), alias.value.clone());
                let reach = self.with_header(agent, binding, Some(&provider.value), api, base_url)?;
                Ok(Account::Key { key: Sourced { value: key, from: self.of(&alias.span) }, provider, reach })
            }
            (Kind::Key { .. }, None) => unreachable!("a key without a provider is refused when the profile is read"),
            (Kind::Login, _) => match &agent.login {
                Some(login) => {
                    if let Some(at) =
                        binding.model.as_ref().filter(|_| login.model.is_none() && login.model_args.is_empty())
                    {
                        let message = format!("{} chooses the model of its own login itself", agent.title);
                        return Err(self.error(&at.span, message).with_hint("take `model` out").into());
                    }
                    Ok(Account::Login { login: login.clone(), from })
                }
                None => {
                    let message = format!("ringlet does not know how to start {} on its own login", agent.title);
                    let made = self.error(&binding.kind.span, message);
                    Err(made.with_hint("take it out of the profile: what no profile binds starts as it is").into())
                }
            },
            (Kind::None, provider) => {
                if !agent.hides_logins {
                    let message = format!(
                        "{} may send a login or key that it has stored, so it cannot be started without one",
                        agent.title
                    );
                    return Err(self.error(&binding.kind.span, message).into());
                }
                let (api, base_url) = match &provider {
                    Some(provider) => self.reach(agent, &provider.value, binding)?,
                    None => self.reach_any(agent, binding)?,
                };
                if api.protocol == Protocol::Own || !api.follows_endpoint() {
                    let span = binding.endpoint.as_ref().and_then(|at| at.span.clone());
                    return Err(self.without_effect(agent, &span).into());
                }
                // If any API needs an option to outrank stored keys, one without such an option would lose to them.
                if api.dummy_args.is_empty() && agent.api.iter().any(|other| !other.dummy_args.is_empty()) {
                    let message = format!("{} may send a key that it has stored over {}", agent.title, api.protocol);
                    return Err(self.error(&binding.kind.span, message).with_hint("take `provider` out").into());
                }
                let provided = provider.as_ref().map(|provider| &provider.value);
                let mut reach = self.with_header(agent, binding, provided, api, base_url)?;
                // No server checks a placeholder, and some agents ask the user about keys that are no bearer tokens.
                reach.bearer |= binding.auth_header.is_none() && reach.api.bearer.is_some();
                Ok(Account::None { provider, reach, from })
            }
        }
    }

    // Refuses `[env]` and `[secrets]` that set what Ringlet itself sets or removes for this account.
    fn refuse_taken(&self, agent: &AgentSpec, account: &Account, binding: &Binding) -> Result<(), ProfileError> {
        let env = binding.env.iter().map(|(name, at)| (name, &at.span, false));
        let names = env.chain(binding.secrets.iter().map(|(name, at)| (name, &at.span, true)));
        for (name, span, secret) in names {
            let moves = agent.config_dir.iter().any(|folder| folder.variable == *name);
            if is_credential_of(agent, account, name) || (secret && is_set_for(agent, account, name)) {
                let why = format!("{name} is what Ringlet itself sets for {}", agent.title);
                return Err(self.error(span, why).with_hint("use `endpoint` and `key-alias`").into());
            }
            if moves && (secret || binding.config_dir.is_some() || matches!(account, Account::Login { .. })) {
                let why = format!("{name} moves the configuration folder of {}", agent.title);
                return Err(self.error(span, why).with_hint("use `config-dir`").into());
            }
            let (competes, what) = match account {
                Account::Key { .. } => (false, ""),
                Account::Login { login, .. } => {
                    let competes = agent.competes_with_login(name.as_str()) || login.set.contains_key(name);
                    (competes, "win over the login")
                }
                Account::None { .. } => (agent.competes_with_key(name.as_str()), "be sent in place of no key"),
            };
            if competes {
                let why = format!("{name} would {what} of {}, and a launch takes it away", agent.title);
                return Err(self.error(span, why).into());
            }
        }
        Ok(())
    }

    fn without_effect(&self, agent: &AgentSpec, span: &Option<Range<usize>>) -> ConfigError {
        match &agent.endpoint_in {
            Some(setting) => self
                .error(span, format!("`endpoint` has no effect on {}: it takes {setting} alone", agent.title))
                .with_hint("take `endpoint` out, and write it there"),
            None => self.error(span, format!("{} follows no endpoint there", agent.title)),
        }
    }

    // Chooses the header: a gateway may want another one than the provider.
    fn with_header(
        &self,
        agent: &AgentSpec,
        binding: &Binding,
        provider: Option<&ProviderSpec>,
        api: Api,
        base_url: Option<Sourced<String>>,
    ) -> Result<Reach, ProfileError> {
        let usual = provider.map_or(Auth::Bearer, |provider| provider.auth(api.protocol));
        let asked = binding.auth_header.as_ref();
        if let Some(at) = asked
            && !(api.protocol == Protocol::Anthropic && (at.value == Auth::XApiKey || api.bearer.is_some()))
        {
            let message = format!("{} sends its key over {} in one header only", agent.title, api.protocol);
            return Err(self.error(&at.span, message).with_hint("take `auth-header` out").into());
        }
        let bearer = api.protocol == Protocol::Anthropic && asked.map_or(usual, |at| at.value) == Auth::Bearer;
        let key_variable = match (&api.key, provider) {
            (Some(own), _) => own.clone(),
            (None, Some(provider)) => provider.variable.clone(),
            (None, None) => "RINGLET_API_KEY".parse().expect("a valid name"),
        };
        Ok(Reach {
            base_url,
            default_endpoint: binding.endpoint.is_none(),
            key_variable,
            provider_name: provider.map_or_else(|| "local".to_owned(), |provider| provider.name.to_string()),
            bearer,
            api,
        })
    }

    // Without a provider, the endpoint decides where requests go, and the protocol is the one that most servers speak.
    fn reach_any(&self, agent: &AgentSpec, binding: &Binding) -> Result<(Api, Option<Sourced<String>>), ProfileError> {
        let at = binding.endpoint.as_ref().expect("`none` without an endpoint is refused when the profile is read");
        if !at.value.contains("://") {
            let message =
                format!("without a provider the endpoint must be a URL, and {:?} is none", shorten(&at.value));
            return Err(self.error(&at.span, message).into());
        }
        check_url(&at.value, binding.http).map_err(|why| self.error(&at.span, why))?;
        let apis = || agent.api.iter().filter(|api| api.protocol != Protocol::Own && api.follows_endpoint());
        let chat = || apis().filter(|api| api.protocol == Protocol::Chat);
        let any = |api: &&Api| api.providers.is_empty();
        let api = chat().find(any).or_else(|| chat().next()).or_else(|| apis().find(any)).or_else(|| apis().next());
        let api = api.ok_or_else(|| self.error(&at.span, format!("{} follows no endpoint", agent.title)))?;
        Ok((api.clone(), Some(self.url(api, &at.value, self.of(&at.span), &at.span)?)))
    }

    fn reach(
        &self,
        agent: &AgentSpec,
        provider: &ProviderSpec,
        binding: &Binding,
    ) -> Result<(Api, Option<Sourced<String>>), ProfileError> {
        let span = binding.provider.as_ref().and_then(|at| at.span.clone());
        let fits =
            |api: &&Api| api.providers.contains(&provider.name) || (api.providers.is_empty() && !provider.own_endpoint);
        let offered = |protocol: Protocol| provider.endpoints.values().any(|urls| urls.contains_key(&protocol));
        let cannot = || {
            let speaks = list(agent.api.iter().filter(fits).map(|api| api.protocol.to_string()));
            let offers = list(provider.endpoints.values().flat_map(|urls| urls.keys().map(ToString::to_string)));
            let message = format!(
                "{} cannot use {}: it speaks {speaks} there, and {} offers {offers}",
                agent.title, provider.title, provider.title
            );
            self.error(&span, message)
        };
        // An agent's own backend serves only the provider that it names.
        let own = agent.api.iter().find(|api| api.protocol == Protocol::Own && api.providers.contains(&provider.name));
        let endpoint = binding.endpoint.as_ref();
        if let Some(at) = endpoint.filter(|_| provider.own_endpoint) {
            let message = format!("`endpoint` beside {}: it goes to its own service alone", provider.title);
            return Err(self.error(&at.span, message).with_hint("take `endpoint` out").into());
        }
        let name = match endpoint {
            Some(at) if at.value.contains("://") => {
                check_url(&at.value, binding.http).map_err(|why| self.error(&at.span, why))?;
                let api = agent.api.iter().filter(fits).find(|api| offered(api.protocol));
                let api = api.or_else(|| agent.api.iter().filter(fits).find(|api| api.protocol != Protocol::Own));
                let api = api.ok_or_else(cannot)?;
                return Ok((api.clone(), Some(self.url(api, &at.value, self.of(&at.span), &span)?)));
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
                return Ok((api.clone(), Some(self.url(api, url, from, &span)?)));
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
        // A user may have written the suffix.
        let suffix = api.base_url_suffix.as_str();
        let value = if url.ends_with(suffix) { url.to_owned() } else { format!("{url}{suffix}") };
        Ok(Sourced { value, from })
    }
}

// Reports whether a variable carries this account, or another credential of the same agent.
fn is_credential_of(agent: &AgentSpec, account: &Account, name: &Variable) -> bool {
    let by_descriptor = |api: &Api| api.key_fd.as_ref().is_some_and(|(ours, _)| ours == name);
    let chosen = account.reach().is_some_and(|Reach { api, key_variable, .. }| {
        [Some(key_variable), api.bearer.as_ref(), api.base_url.as_ref()].contains(&Some(name))
            || by_descriptor(api)
            || (api.protocol == Protocol::Own && api.set.contains_key(name) && agent.is_endpoint(name.as_str()))
    });
    // An agent that reads a key from a descriptor must not get a second credential.
    let mut others = agent.api.iter().filter(|api| account.key().is_some() && api.key_fd.is_some());
    chosen || others.any(|api| api.key.as_ref() == Some(name) || by_descriptor(api))
}

// Reports whether a launch sets a variable to pin an endpoint or to hide a login. Such a variable overrides `[env]`,
// but a secret would override it.
fn is_set_for(agent: &AgentSpec, account: &Account, name: &Variable) -> bool {
    agent.set.contains_key(name) || account.reach().is_some_and(|reach| reach.api.set.contains_key(name))
}

fn list(words: impl Iterator<Item = String>) -> String {
    let words: std::collections::BTreeSet<String> = words.collect();
    if words.is_empty() { "nothing".to_owned() } else { words.into_iter().collect::<Vec<_>>().join(", ") }
}
