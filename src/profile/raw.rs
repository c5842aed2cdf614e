//! A profile as it is written: parsed and checked, not yet looked up in the registry.

use crate::config::{ConfigError, Source};
use crate::name::{Agent, Alias, KeyName, NameError, Profile, Provider, Variable};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::str::FromStr;
use toml::Spanned;

type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawProfile {
    agent: Option<Text>,
    provider: Option<Text>,
    model: Option<Text>,
    endpoint: Option<Text>,
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
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawAgentTable {
    provider: Option<Text>,
    key_alias: Option<Text>,
    model: Option<Text>,
    endpoint: Option<Text>,
    config_dir: Option<Text>,
    args: Option<Vec<Text>>,
    env: BTreeMap<Text, Text>,
    secrets: BTreeMap<Text, Text>,
}

/// A value and the byte range it was read from; no range means a default.
#[derive(Debug, Clone)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands in the profile's file.
    pub span: Option<std::ops::Range<usize>>,
}

/// What a profile says about one agent.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The agent, and where it is named.
    pub agent: At<Agent>,
    /// The provider.
    pub provider: At<Provider>,
    /// Which of its keys.
    pub alias: At<Alias>,
    /// The model.
    pub model: Option<At<String>>,
    /// A name from the provider's list, or a URL.
    pub endpoint: Option<At<String>>,
    /// The agent's own configuration folder.
    pub config_dir: Option<At<String>>,
    /// Arguments before the user's own.
    pub args: Vec<String>,
    /// Variables that are not secret.
    pub env: BTreeMap<Variable, At<String>>,
    /// Variables from the keychain.
    pub secrets: BTreeMap<Variable, At<KeyName>>,
}

/// One profile's file.
pub struct ProfileFile {
    /// The profile's name.
    pub name: Profile,
    /// Its text, for errors that point into it.
    pub source: Source,
    /// The top-level agent.
    pub main: Option<Agent>,
    /// What it says, by agent.
    pub bindings: BTreeMap<Agent, Binding>,
}

struct Reader<'a>(&'a Source);

impl Reader<'_> {
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

    // It goes into arguments and JSON of the agents' own.
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

    fn env(&self, pairs: &BTreeMap<Text, Text>) -> Result<BTreeMap<Variable, At<String>>, ConfigError> {
        pairs.iter().map(|(name, text)| Ok((self.checked(name)?.value, self.plain(text)?))).collect()
    }

    fn secrets(&self, pairs: &BTreeMap<Text, Text>) -> Result<BTreeMap<Variable, At<KeyName>>, ConfigError> {
        pairs.iter().map(|(name, text)| Ok((self.checked(name)?.value, self.checked(text)?))).collect()
    }
}

impl ProfileFile {
    pub(super) fn parse(name: Profile, source: Source) -> Result<Self, ConfigError> {
        let raw: RawProfile = source.parse()?;
        let read = Reader(&source);
        let provider = raw.provider.as_ref().map(|text| read.checked::<Provider>(text)).transpose()?;
        let alias = match &raw.provider_config.key_alias {
            Some(text) => read.checked(text)?,
            None => At { value: "default".parse().expect("a valid alias"), span: None },
        };
        let shared_env = read.env(&raw.env)?;
        let shared_secrets = read.secrets(&raw.secrets)?;
        let mut bindings = BTreeMap::new();
        if let Some(agent) = &raw.agent {
            let agent = read.checked::<Agent>(agent)?;
            let Some(provider) = provider.clone() else {
                let span = agent.span.clone().unwrap_or_default();
                return Err(source
                    .error(span, "`agent` is given without `provider`")
                    .with_hint("add `provider = \"NAME\"`"));
            };
            let binding = Binding {
                agent: agent.clone(),
                provider,
                alias: alias.clone(),
                model: read.model(raw.model.as_ref())?,
                endpoint: read.optional(raw.endpoint.as_ref())?,
                config_dir: read.optional(raw.config_dir.as_ref())?,
                args: read.list(raw.args.as_ref())?,
                env: shared_env.clone(),
                secrets: shared_secrets.clone(),
            };
            bindings.insert(agent.value, binding);
        } else if let Some(stray) = [&raw.model, &raw.endpoint, &raw.config_dir].into_iter().flatten().next() {
            return Err(source.error(stray.span(), "belongs to `agent`, which is not given"));
        }
        for (agent, table) in &raw.agents {
            let agent = read.checked::<Agent>(agent)?;
            if bindings.contains_key(&agent.value) {
                let span = agent.span.clone().unwrap_or_default();
                return Err(source.error(span, format!("agent \"{}\" is bound twice", agent.value)));
            }
            let own = table.provider.as_ref().map(|text| read.checked(text)).transpose()?;
            let Some(provider) = own.or_else(|| provider.clone()) else {
                let span = agent.span.clone().unwrap_or_default();
                return Err(source.error(span, format!("agent \"{}\" has no `provider`", agent.value)));
            };
            let mut env = shared_env.clone();
            env.extend(read.env(&table.env)?);
            let mut secrets = shared_secrets.clone();
            secrets.extend(read.secrets(&table.secrets)?);
            let binding = Binding {
                agent: agent.clone(),
                provider,
                alias: table.key_alias.as_ref().map_or_else(|| Ok(alias.clone()), |text| read.checked(text))?,
                model: read.model(table.model.as_ref())?,
                endpoint: read.optional(table.endpoint.as_ref())?,
                config_dir: read.optional(table.config_dir.as_ref())?,
                args: read.list(table.args.as_ref())?,
                env,
                secrets,
            };
            bindings.insert(agent.value, binding);
        }
        if bindings.is_empty() {
            return Err(source
                .error(0..0, "binds no agent")
                .with_hint("write `agent = \"claude\"` and `provider = \"anthropic\"`"));
        }
        let main = raw.agent.as_ref().map(|text| read.checked::<Agent>(text)).transpose()?.map(|at| at.value);
        Ok(Self { name, source, main, bindings })
    }
}
