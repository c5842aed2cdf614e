//! A profile's file: parsed and checked, and not yet looked up in the registry.

use super::binding::{At, Binding, Delivery, Kind};
use crate::config::{ConfigError, Source};
use crate::name::{Agent, Alias, KeyName, NameError, Profile, Provider, Variable, closest, shorten};
use crate::registry::Auth;
use crate::url::Http;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use toml::Spanned;

type Text = Spanned<String>;

/// The most variables that one table may set, and the most agents that a profile may bind.
const MAX_VARIABLES: usize = 512;
const MAX_AGENTS: usize = 128;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawProfile {
    agent: Option<Text>,
    provider: Option<Text>,
    auth: Option<Text>,
    delivery: Option<Text>,
    model: Option<Text>,
    endpoint: Option<Text>,
    allow_http: Option<Spanned<bool>>,
    config_dir: Option<Text>,
    args: Option<Vec<Text>>,
    #[serde(default)]
    provider_config: RawProviderConfig,
    #[serde(default)]
    env: BTreeMap<Text, Text>,
    #[serde(default)]
    secrets: BTreeMap<Text, Text>,
    #[serde(default)]
    agents: BTreeMap<Text, RawAgentTable>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawProviderConfig {
    key_alias: Option<Text>,
    auth_header: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawAgentTable {
    auth: Option<Text>,
    delivery: Option<Text>,
    provider: Option<Text>,
    key_alias: Option<Text>,
    auth_header: Option<Text>,
    model: Option<Text>,
    endpoint: Option<Text>,
    allow_http: Option<Spanned<bool>>,
    config_dir: Option<Text>,
    args: Option<Vec<Text>>,
    env: BTreeMap<Text, Text>,
    secrets: BTreeMap<Text, Text>,
}

/// One profile's file.
pub(crate) struct ProfileFile {
    /// The profile's name.
    pub name: Profile,
    /// Its text, to which errors refer.
    pub source: Source,
    /// The agent at the top level.
    pub main: Option<Agent>,
    /// The settings of each agent.
    pub bindings: BTreeMap<Agent, Binding>,
    /// The `[secrets]` of the top level, which `ringlet run` gives to a command.
    pub secrets: BTreeMap<Variable, At<KeyName>>,
}

// Checks the texts of a file; each error names the place.
struct Checker<'a>(&'a Source);

impl Checker<'_> {
    fn checked<T: FromStr<Err = NameError>>(&self, text: &Text) -> Result<At<T>, ConfigError> {
        match text.get_ref().parse() {
            Ok(value) => Ok(At { value, span: Some(text.span()) }),
            Err(error) => Err(self.0.error(text.span(), error.to_string())),
        }
    }

    fn plain(&self, text: &Text) -> Result<At<String>, ConfigError> {
        if text.get_ref().contains('\0') {
            return Err(self.0.error(text.span(), "holds a NUL, which no argument or variable can"));
        }
        Ok(At { value: text.get_ref().clone(), span: Some(text.span()) })
    }

    fn optional(&self, text: Option<&Text>) -> Result<Option<At<String>>, ConfigError> {
        match text {
            Some(text) if text.get_ref().is_empty() => {
                Err(self.0.error(text.span(), "is empty").with_hint("take the line out to use the default"))
            }
            text => text.map(|text| self.plain(text)).transpose(),
        }
    }

    // The model's name becomes part of arguments and of JSON for the agent.
    fn model(&self, text: Option<&Text>) -> Result<Option<At<String>>, ConfigError> {
        let model = self.optional(text)?;
        match model
            .as_ref()
            .and_then(|at| at.value.chars().find(|c| c.is_control() || matches!(c, '"' | '\\' | '{' | '}')))
        {
            Some(c) => {
                Err(self.0.error(text.map(Spanned::span).unwrap_or_default(), format!("no model's name holds {c:?}")))
            }
            None => Ok(model),
        }
    }

    fn list(&self, texts: Option<&Vec<Text>>) -> Result<Vec<String>, ConfigError> {
        texts.into_iter().flatten().map(|text| Ok(self.plain(text)?.value)).collect()
    }

    // Returns the variable if `table` may set it. A nested launch must be able to remove what an outer one sets.
    fn variable(&self, name: &Text, table: &str, kept: fn(&Variable) -> bool) -> Result<Variable, ConfigError> {
        let variable = self.checked::<Variable>(name)?.value;
        if kept(&variable) {
            let message = format!("`[{table}]` cannot set {variable}: the next launch could not take it away again");
            return Err(self.0.error(name.span(), message));
        }
        Ok(variable)
    }

    // A launch compares all of them with each other, and no program needs that many.
    fn bounded<T>(&self, table: &str, pairs: &BTreeMap<Text, T>, most: usize) -> Result<(), ConfigError> {
        match pairs.keys().nth(most) {
            Some(name) => {
                let message = format!("`[{table}]` has {} entries; at most {most} are allowed", pairs.len());
                Err(self.0.error(name.span(), message))
            }
            None => Ok(()),
        }
    }

    fn env(&self, pairs: &BTreeMap<Text, Text>) -> Result<BTreeMap<Variable, At<String>>, ConfigError> {
        self.bounded("env", pairs, MAX_VARIABLES)?;
        let checked = |(name, text)| Ok((self.variable(name, "env", Variable::is_ringlets)?, self.plain(text)?));
        pairs.iter().map(checked).collect()
    }

    fn secrets(&self, pairs: &BTreeMap<Text, Text>) -> Result<BTreeMap<Variable, At<KeyName>>, ConfigError> {
        self.bounded("secrets", pairs, MAX_VARIABLES)?;
        let kept = |variable: &Variable| variable.is_ringlets() || variable.is_never_taken_away();
        let checked = |(name, text)| Ok((self.variable(name, "secrets", kept)?, self.checked(text)?));
        pairs.iter().map(checked).collect()
    }
}

// The fields that `[agents.NAME]` and the top level share.
struct AgentFields<'a> {
    agent: At<Agent>,
    auth: Option<&'a Text>,
    delivery: Option<&'a Text>,
    provider: Option<&'a Text>,
    key_alias: Option<&'a Text>,
    auth_header: Option<&'a Text>,
    model: Option<&'a Text>,
    endpoint: Option<&'a Text>,
    allow_http: Option<&'a Spanned<bool>>,
    config_dir: Option<&'a Text>,
    args: Option<&'a Vec<Text>>,
}

// The value of `auth`, before the key is known.
#[derive(Clone, Copy)]
enum Asked {
    Key,
    Login,
    None,
}

// What a table inherits from the top level. Neither the kind of account nor the endpoint is inherited.
struct Shared {
    provider: Option<At<Provider>>,
    alias: At<Alias>,
    env: BTreeMap<Variable, At<String>>,
    secrets: BTreeMap<Variable, At<KeyName>>,
}

impl Checker<'_> {
    // Reads a field that has a fixed set of values.
    fn word<T: Copy>(
        &self,
        text: Option<&Text>,
        what: &str,
        words: &[(&str, T)],
    ) -> Result<Option<At<T>>, ConfigError> {
        let Some(text) = text else { return Ok(None) };
        if let Some((_, value)) = words.iter().find(|(word, _)| word == text.get_ref()) {
            return Ok(Some(At { value: *value, span: Some(text.span()) }));
        }
        let known: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let made = self.0.error(text.span(), format!("`{what}` is {:?}", shorten(text.get_ref())));
        Err(match closest(text.get_ref(), words.iter().map(|(word, _)| *word)) {
            Some(word) => made.with_hint(format!("did you mean `{word}`?")),
            None => made.with_hint(format!("it is one of {}", known.join(", "))),
        })
    }

    fn binding(&self, words: AgentFields<'_>, shared: &Shared) -> Result<Binding, ConfigError> {
        let [key, login, none] = Kind::WORDS;
        let auth = self.word(words.auth, "auth", &[(key, Asked::Key), (login, Asked::Login), (none, Asked::None)])?;
        let at = |value| At { value, span: auth.as_ref().and_then(|auth| auth.span.clone()) };
        let kind = match auth.as_ref().map_or(Asked::Key, |auth| auth.value) {
            Asked::Key => at(Kind::Key {
                alias: words.key_alias.map_or_else(|| Ok(shared.alias.clone()), |text| self.checked(text))?,
            }),
            Asked::Login => at(Kind::Login),
            Asked::None => at(Kind::None),
        };
        let word = kind.value.word();
        let beside = |text: Option<&Text>, what: &str, why: &str| match text {
            Some(text) => Err(self.0.error(text.span(), format!("`{what}` beside `auth = \"{word}\"`: {why}"))),
            None => Ok(()),
        };
        let own = words.provider.map(|text| self.checked::<Provider>(text)).transpose()?;
        let (delivery, endpoint) = (
            self.word(
                words.delivery,
                "delivery",
                &[("auto", Delivery::Auto), ("direct", Delivery::Direct), ("broker", Delivery::Broker)],
            )?,
            self.optional(words.endpoint)?,
        );
        let auth_header =
            self.word(words.auth_header, "auth-header", &[("bearer", Auth::Bearer), ("x-api-key", Auth::XApiKey)])?;
        let provider = match &kind.value {
            Kind::Key { .. } => match own.or_else(|| shared.provider.clone()) {
                Some(provider) => Some(provider),
                None => {
                    let span = words.agent.span.clone().unwrap_or_default();
                    let message = format!("agent \"{}\" has no `provider`", words.agent.value);
                    return Err(self.0.error(span, message).with_hint(
                        "add `provider = \"NAME\"`, or `auth = \"login\"` for the login that the agent keeps itself",
                    ));
                }
            },
            Kind::Login => {
                beside(words.key_alias, "key-alias", "a login needs no key")?;
                beside(words.endpoint, "endpoint", "a login goes to the agent's own service alone")?;
                beside(words.auth_header, "auth-header", "no key is sent")?;
                own
            }
            Kind::None => {
                beside(words.key_alias, "key-alias", "no key is looked up")?;
                if endpoint.is_none() {
                    let span = kind.span.clone().unwrap_or_default();
                    return Err(self
                        .0
                        .error(span, "`auth = \"none\"` needs an `endpoint`")
                        .with_hint("add `endpoint = \"http://127.0.0.1:11434\"`, or where your server is"));
                }
                own
            }
        };
        let delivery = delivery.unwrap_or(At { value: Delivery::Auto, span: None });
        if let (Delivery::Broker, Kind::Login | Kind::None) = (delivery.value, &kind.value) {
            beside(words.delivery, "delivery", "there is no key that a broker could hold")?;
        }
        let http = match words.allow_http {
            Some(allow) if endpoint.is_none() => {
                return Err(self.0.error(allow.span(), "`allow-http` belongs to `endpoint`, which is not given"));
            }
            Some(allow) if *allow.get_ref() => Http::Private,
            _ => Http::Loopback,
        };
        Ok(Binding {
            agent: words.agent,
            kind,
            provider,
            auth_header,
            delivery,
            model: self.model(words.model)?,
            endpoint,
            http,
            config_dir: self.optional(words.config_dir)?,
            args: self.list(words.args)?,
            env: shared.env.clone(),
            secrets: shared.secrets.clone(),
        })
    }
}

impl ProfileFile {
    /// Returns the keys that it names.
    pub(crate) fn keys(&self) -> BTreeSet<KeyName> {
        let accounts = self.bindings.values().filter_map(|binding| match (&binding.kind.value, &binding.provider) {
            (Kind::Key { alias }, Some(provider)) => Some(KeyName::new(provider.value.clone(), alias.value.clone())),
            _ => None,
        });
        let secrets = self.bindings.values().flat_map(|binding| binding.secrets.values()).chain(self.secrets.values());
        accounts.chain(secrets.map(|at| at.value.clone())).collect()
    }

    /// Parses a profile's text.
    pub(crate) fn parse(name: Profile, source: Source) -> Result<Self, ConfigError> {
        let raw: RawProfile = source.parse()?;
        let checker = Checker(&source);
        let alias = match &raw.provider_config.key_alias {
            Some(text) => checker.checked(text)?,
            None => At { value: "default".parse().expect("a valid alias"), span: None },
        };
        let shared = Shared {
            provider: raw.provider.as_ref().map(|text| checker.checked::<Provider>(text)).transpose()?,
            alias,
            env: checker.env(&raw.env)?,
            secrets: checker.secrets(&raw.secrets)?,
        };
        let mut bindings = BTreeMap::new();
        let mut main = None;
        if let Some(agent) = &raw.agent {
            let words = AgentFields {
                agent: checker.checked::<Agent>(agent)?,
                auth: raw.auth.as_ref(),
                delivery: raw.delivery.as_ref(),
                provider: raw.provider.as_ref(),
                key_alias: raw.provider_config.key_alias.as_ref(),
                auth_header: raw.provider_config.auth_header.as_ref(),
                model: raw.model.as_ref(),
                endpoint: raw.endpoint.as_ref(),
                allow_http: raw.allow_http.as_ref(),
                config_dir: raw.config_dir.as_ref(),
                args: raw.args.as_ref(),
            };
            let binding = checker.binding(words, &shared)?;
            main = Some(binding.agent.value.clone());
            bindings.insert(binding.agent.value.clone(), binding);
        } else {
            let texts = [
                &raw.auth,
                &raw.delivery,
                &raw.model,
                &raw.endpoint,
                &raw.config_dir,
                &raw.provider_config.auth_header,
            ];
            let stray = texts.into_iter().flatten().map(Spanned::span);
            if let Some(span) = stray.chain(raw.allow_http.iter().map(Spanned::span)).min_by_key(|span| span.start) {
                return Err(source.error(span, "belongs to `agent`, which is not given"));
            }
        }
        checker.bounded("agents", &raw.agents, MAX_AGENTS)?;
        for (agent, table) in &raw.agents {
            let agent = checker.checked::<Agent>(agent)?;
            if bindings.contains_key(&agent.value) {
                let span = agent.span.clone().unwrap_or_default();
                return Err(source.error(span, format!("agent \"{}\" is bound twice", agent.value)));
            }
            let words = AgentFields {
                agent,
                auth: table.auth.as_ref(),
                delivery: table.delivery.as_ref(),
                provider: table.provider.as_ref(),
                key_alias: table.key_alias.as_ref(),
                auth_header: table.auth_header.as_ref(),
                model: table.model.as_ref(),
                endpoint: table.endpoint.as_ref(),
                allow_http: table.allow_http.as_ref(),
                config_dir: table.config_dir.as_ref(),
                args: table.args.as_ref(),
            };
            let mut binding = checker.binding(words, &shared)?;
            binding.env.extend(checker.env(&table.env)?);
            binding.secrets.extend(checker.secrets(&table.secrets)?);
            bindings.insert(binding.agent.value.clone(), binding);
        }
        // A profile for commands binds no agent.
        if bindings.is_empty() && shared.secrets.is_empty() {
            return Err(source
                .error(0..0, "binds no agent")
                .with_hint("write `agent = \"claude\"` and `provider = \"anthropic\"`"));
        }
        Ok(Self { name, source, main, bindings, secrets: shared.secrets })
    }
}
