//! One provider: where its APIs are, how they take a key, what a key looks like.

use crate::config::{ConfigError, Source};
use crate::name::{Provider, Variable};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// The wire protocol between an agent and a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Anthropic's Messages API; its base URL has no `/v1`.
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
pub enum Auth {
    /// `Authorization: Bearer KEY`
    Bearer,
    /// `x-api-key: KEY`
    XApiKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawProvider {
    title: String,
    variable: Spanned<String>,
    #[serde(default)]
    also: Vec<Spanned<String>>,
    pattern: Option<Spanned<String>>,
    console: Option<String>,
    #[serde(default)]
    endpoints: BTreeMap<String, BTreeMap<Protocol, Spanned<String>>>,
    #[serde(default)]
    auth: BTreeMap<Protocol, Auth>,
}

/// A provider's definition.
#[derive(Debug, Clone)]
pub struct ProviderSpec {
    /// Its name.
    pub name: Provider,
    /// Its name for people.
    pub title: String,
    /// The variable its key usually lives in.
    pub variable: Variable,
    /// Further variables in use for the same key.
    pub also: Vec<Variable>,
    /// What a key looks like; a hint, never a gate.
    pub pattern: Option<String>,
    /// Where a person makes and rotates keys.
    pub console: Option<String>,
    /// Base URLs by endpoint name, then protocol.
    pub endpoints: BTreeMap<String, BTreeMap<Protocol, String>>,
    auth: BTreeMap<Protocol, Auth>,
}

impl ProviderSpec {
    pub(super) fn parse(name: Provider, source: &Source) -> Result<Self, ConfigError> {
        let raw: RawProvider = source.parse()?;
        let variable = |text: &Spanned<String>| {
            text.get_ref().parse().map_err(|error: crate::name::NameError| source.error(text.span(), error.to_string()))
        };
        if let Some(pattern) = &raw.pattern
            && let Err(error) = regex_lite::Regex::new(pattern.get_ref())
        {
            return Err(source.error(pattern.span(), format!("`pattern` is not a regular expression: {error}")));
        }
        let mut endpoints = BTreeMap::new();
        for (endpoint, urls) in raw.endpoints {
            let mut checked = BTreeMap::new();
            for (protocol, url) in urls {
                check_url(url.get_ref()).map_err(|why| source.error(url.span(), why))?;
                checked.insert(protocol, url.into_inner());
            }
            endpoints.insert(endpoint, checked);
        }
        Ok(Self {
            name,
            title: raw.title,
            variable: variable(&raw.variable)?,
            also: raw.also.iter().map(variable).collect::<Result<_, _>>()?,
            pattern: raw.pattern.map(Spanned::into_inner),
            console: raw.console,
            endpoints,
            auth: raw.auth,
        })
    }

    /// How the key is sent over one protocol. Third-party Anthropic endpoints want a bearer token unless told
    /// otherwise (OpenRouter's, Vercel's and Ollama's documentation).
    pub fn auth(&self, protocol: Protocol) -> Auth {
        self.auth.get(&protocol).copied().unwrap_or(Auth::Bearer)
    }

    /// Whether a key has the shape this provider's keys have; `None` where no shape is known.
    pub fn recognises(&self, key: &str) -> Option<bool> {
        let pattern = regex_lite::Regex::new(self.pattern.as_deref()?).expect("checked when parsed");
        Some(pattern.is_match(key))
    }
}

/// Whether a key may be sent to this URL: TLS, or the machine itself. `{name}` marks what the user must fill in. The
/// error does not repeat the URL: a key may be in it, and the error's place says which is meant.
pub fn check_url(url: &str) -> Result<(), String> {
    if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'\\' || byte == b'"') {
        return Err("the URL has a character that no URL may have".into());
    }
    let (scheme, rest) = url.split_once("://").ok_or("this is not a URL such as https://host/v1")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("the URL holds a user name; a key belongs in the keychain".into());
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() {
        return Err("the URL names no host".into());
    }
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match scheme {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => Err("the URL would send the key unencrypted; use https".into()),
        _ => Err("the URL is neither https nor http".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_only_sent_over_tls_or_to_this_machine() {
        for good in
            ["https://api.x.ai/v1", "http://127.0.0.1:80", "http://[::1]:9/v1", "http://localhost", "https://{r}.a.com"]
        {
            assert_eq!(check_url(good), Ok(()), "{good}");
        }
        for bad in [
            "http://api.x.ai",
            "ftp://x",
            "x",
            "https://",
            "https://u:p@h/",
            "http://127.0.0.1.evil.com",
            "https://a b",
            "https://a\n",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
