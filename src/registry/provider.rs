//! The definition of one provider: its endpoints, how they take a key, and the shape of a key.

use super::located::Located;
use crate::config::{ConfigError, Source};
use crate::name::{Provider, Variable};
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

/// The hosts to which a profile may send requests without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Http {
    /// The machines of a private network: the profile has `allow-http = true`.
    Private,
    /// This machine alone.
    Loopback,
}

/// Checks that a key may be sent to a URL: over TLS, to this machine, or, if that is allowed, to a machine of a private
/// network. `{name}` in the URL is a part that the user must fill in. The error does not repeat the URL, since a key
/// may be in it; the error's place in the file identifies it.
pub(crate) fn check_url(url: &str, http: Http) -> Result<(), String> {
    if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'\\' || byte == b'"') {
        return Err("the URL has a character that no URL may have".into());
    }
    let (scheme, rest) = url.split_once("://").ok_or("this is not a URL such as https://host/v1")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("the URL holds a user name; a key belongs in the keychain".into());
    }
    let host = host_of(authority)?;
    match (scheme, Distance::of(host), http) {
        ("https", _, _) | ("http", Distance::Here, _) | ("http", Distance::Private, Http::Private) => Ok(()),
        ("http", Distance::Private, Http::Loopback) => Err(
            "the URL would send everything unencrypted through your network; use https, or say `allow-http = true` \
            beside it"
                .into(),
        ),
        ("http", Distance::Far, _) => Err("the URL would send everything unencrypted; use https".into()),
        _ => Err("the URL is neither https nor http".into()),
    }
}

// Returns the host of `host`, `host:port` or `[IPv6]:port`. Clients disagree about any other form.
fn host_of(authority: &str) -> Result<&str, &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("the URL has a `[` without its `]`")?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err("what stands between `[` and `]` is no IPv6 address");
            }
            (host, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err("the URL names no host");
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(host),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok() => Ok(host),
        _ => Err("the URL has no port number where one belongs"),
    }
}

/// The distance that a request to a host travels, as far as the host's name shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distance {
    /// It stays on this machine.
    Here,
    /// Within a private network: RFC 1918, RFC 4193, a name without a dot, or below `.internal` or `.local`.
    Private,
    /// Anywhere. A name that two clients may read as different hosts counts as well.
    Far,
}

impl Distance {
    fn of(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        if let Ok(address) = host.parse::<std::net::IpAddr>() {
            // `::ffff:10.0.0.1` is an IPv4 address to every client.
            return match address.to_canonical() {
                address if address.is_loopback() => Self::Here,
                std::net::IpAddr::V4(address) if address.is_private() => Self::Private,
                std::net::IpAddr::V6(address) if address.is_unique_local() => Self::Private,
                _ => Self::Far,
            };
        }
        let plain = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let labels: Vec<&str> = host.split('.').collect();
        // The URL standard reads a name whose last part is a number, such as `0x7f.1` or `2130706433`, as an IPv4
        // address.
        let last = labels.last().copied().unwrap_or_default();
        let number = last.bytes().all(|byte| byte.is_ascii_digit())
            || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if !labels.iter().all(|label| plain(label)) || number {
            return Self::Far;
        }
        match labels.as_slice() {
            ["localhost"] => Self::Here,
            [_] | [.., "internal" | "local"] => Self::Private,
            _ => Self::Far,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_only_sent_over_tls_or_to_this_machine() {
        for good in [
            "https://api.x.ai/v1",
            "http://127.0.0.1:80",
            "http://[::1]:9/v1",
            "http://localhost",
            "http://LocalHost:1",
            "http://[::ffff:127.0.0.1]",
            "https://{r}.a.com",
        ] {
            assert_eq!(check_url(good, Http::Loopback), Ok(()), "{good}");
        }
        for bad in [
            "http://api.x.ai",
            "ftp://x",
            "ftp://localhost",
            "x",
            "https://",
            "https://u:p@h/",
            "http://127.0.0.1.evil.com",
            "https://a b",
            "https://a\n",
            "http://[::1].evil.com/",
            "http://[::1]evil.com/",
            "http://[localhost]/",
            "http://[::1",
            "https://[evil",
            "http://localhost:80:evil.com/",
            "http://localhost:evil.com/",
            "http://127.0.0.1:99999",
            "http://127.0.0.1:",
            "http://localhost:+80",
        ] {
            assert!(check_url(bad, Http::Loopback).is_err(), "{bad}");
            assert!(check_url(bad, Http::Private).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_tls_a_private_network_is_reached_only_where_that_was_allowed() {
        for private in [
            "http://192.168.1.5:11434",
            "http://10.0.0.1",
            "http://172.16.0.1/v1",
            "http://172.31.255.255",
            "http://[fd00::1]:4000",
            "http://[::ffff:10.0.0.1]",
            "http://gateway:4000/v1",
            "http://llm.corp.internal",
            "http://nas.local:1234",
            "http://NAS.Local",
        ] {
            let refused = check_url(private, Http::Loopback).expect_err(private);
            assert!(refused.contains("`allow-http = true`"), "{private}: {refused}");
            assert_eq!(check_url(private, Http::Private), Ok(()), "{private}");
        }
        // Public, or not what it seems: another reader takes the host for something else.
        for far in [
            "http://8.8.8.8",
            "http://172.32.0.1",
            "http://169.254.169.254",
            "http://100.64.0.1",
            "http://0.0.0.0",
            "http://[2001:db8::1]",
            "http://[::ffff:8.8.8.8]",
            "http://134744072",
            "http://0x08080808",
            "http://010.0.0.1",
            "http://10.1",
            "http://0x7f.1",
            "http://example.com",
            "http://internal.example.com",
            "http://evil.com.",
            "http://com.",
            "http://gateway%2eexample%2ecom",
            "http://gateway\u{3002}com",
            "http://\u{ff4c}ocalhost",
            "http://.local",
            "http://a..internal",
            "http://xinternal.com",
        ] {
            for http in [Http::Loopback, Http::Private] {
                let refused = check_url(far, http).expect_err(far);
                assert!(!refused.contains("allow-http"), "{far}: {refused}");
            }
        }
    }
}
