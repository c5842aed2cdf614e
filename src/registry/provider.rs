//! The definition of one provider: its endpoints, how they take a key, and the shape of a key.

use super::located::Located;
use crate::config::{ConfigError, Source};
use crate::name::{Provider, Variable};
use crate::url::{Http, check_url};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The wire protocol between an agent and a provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// Anthropic's Messages API; its base URL has no `/v1`.
    #[default]
    Anthropic,
    /// OpenAI's Chat Completions API; its base URL has its `/v1`.
    Chat,
    /// OpenAI's Responses API; its base URL has its `/v1`.
    Responses,
    /// Google's Gemini API; its base URL is the origin.
    Gemini,
    /// The agent's own backend: a key and no base URL.
    Own,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anthropic => "anthropic",
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Gemini => "gemini",
            Self::Own => "own",
        })
    }
}

/// How a provider takes the key on its Anthropic-compatible endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Auth {
    /// `Authorization: Bearer KEY`
    Bearer,
    /// `x-api-key: KEY`
    XApiKey,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawProvider {
    pub(super) title: String,
    pub(super) variable: Located,
    #[serde(default)]
    pub(super) also: Vec<Located>,
    pub(super) pattern: Option<Located>,
    pub(super) console: Option<String>,
    #[serde(default)]
    pub(super) endpoints: BTreeMap<String, BTreeMap<Protocol, Located>>,
    #[serde(default)]
    pub(super) auth: BTreeMap<Protocol, Auth>,
    #[serde(default)]
    pub(super) own_endpoint: bool,
    #[serde(default)]
    pub(super) check: BTreeMap<Protocol, Located>,
}

/// A provider's definition.
#[derive(Debug, Clone)]
pub(crate) struct ProviderSpec {
    /// Its name.
    pub name: Provider,
    /// Its title in messages.
    pub title: String,
    /// The variable its key usually lives in.
    pub variable: Variable,
    /// Further variables in use for the same key.
    pub also: Vec<Variable>,
    /// A regular expression for its keys. A key that does not match causes a question, never a refusal.
    pub pattern: Option<Located>,
    /// The web page on which keys are created and rotated.
    pub console: Option<String>,
    /// Base URLs by endpoint name, then protocol.
    pub endpoints: BTreeMap<String, BTreeMap<Protocol, String>>,
    /// Whether its keys are sent only to its own service, by the agents that name it. A profile cannot set another
    /// endpoint.
    pub own_endpoint: bool,
    /// The path below a base URL, by protocol, where a `GET` costs nothing and is refused without a valid key.
    pub check: BTreeMap<Protocol, String>,
    auth: BTreeMap<Protocol, Auth>,
}

impl ProviderSpec {
    /// Reads a definition.
    pub(crate) fn parse(name: Provider, source: &Source) -> Result<Self, ConfigError> {
        Self::check(name, source.parse()?, source)
    }

    /// Checks what a definition says. `source` is its file, for errors that point into it.
    pub(super) fn check(name: Provider, raw: RawProvider, source: &Source) -> Result<Self, ConfigError> {
        let variable = |text: &Located| {
            text.parse().map_err(|error: crate::name::NameError| source.error(text.span(), error.to_string()))
        };
        let mut endpoints = BTreeMap::new();
        for (endpoint, urls) in raw.endpoints {
            let mut checked = BTreeMap::new();
            for (protocol, url) in urls {
                check_url(&url, Http::Loopback).map_err(|why| source.error(url.span(), why))?;
                checked.insert(protocol, url.into_text());
            }
            endpoints.insert(endpoint, checked);
        }
        let mut check = BTreeMap::new();
        for (protocol, path) in raw.check {
            let is_path = path.starts_with('/')
                && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~?=&%+:,".contains(&byte));
            if !is_path {
                return Err(source.error(path.span(), "a check is a path such as \"/models\""));
            }
            check.insert(protocol, path.into_text());
        }
        Ok(Self {
            name,
            title: raw.title,
            variable: variable(&raw.variable)?,
            also: raw.also.iter().map(variable).collect::<Result<_, _>>()?,
            pattern: raw.pattern,
            console: raw.console,
            endpoints,
            own_endpoint: raw.own_endpoint,
            check,
            auth: raw.auth,
        })
    }

    /// Returns how the key is sent over one protocol. Third-party Anthropic endpoints want a bearer token unless told
    /// otherwise (OpenRouter's, Vercel's and Ollama's documentation).
    pub(crate) fn auth(&self, protocol: Protocol) -> Auth {
        self.auth.get(&protocol).copied().unwrap_or(Auth::Bearer)
    }

    /// Refuses a `pattern` that is not a regular expression. A launch needs no pattern, and does not spend the time to
    /// compile it.
    pub(crate) fn check_pattern(&self, source: &Source) -> Result<(), ConfigError> {
        let Some(pattern) = &self.pattern else { return Ok(()) };
        let wrong = |error| source.error(pattern.span(), format!("`pattern` is not a regular expression: {error}"));
        regex_lite::Regex::new(pattern).map(drop).map_err(wrong)
    }

    /// Reports whether a key has the shape of this provider's keys; `None` if no shape is known.
    pub(crate) fn recognises(&self, key: &str) -> Option<bool> {
        let pattern = regex_lite::Regex::new(self.pattern.as_deref()?).ok()?;
        Some(pattern.is_match(key))
    }
}
