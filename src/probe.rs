//! Asks a provider whether it takes a key, by the cheapest request of its API.
//!
//! A key is sent to its own endpoint alone: that of the profiles that use it, or else the provider's own. Where two
//! profiles name different ones, it is sent to none.

use crate::env::Env;
use crate::https::{Client, Origin, ProxyUrl, Roots};
use crate::name::{KeyName, Profile};
use crate::profile::{Account, Profiles};
use crate::registry::{Auth, Protocol, ProviderSpec};
use crate::secret::Key;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use std::collections::BTreeMap;
use std::time::Duration;

// A list of models comes in less, unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(15);
// So much of an answer is read for the reason of a refusal.
const MOST: usize = 64 << 10;

/// A request that tells whether a key is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// The base URL.
    pub(crate) endpoint: String,
    path: String,
    protocol: Protocol,
    is_bearer: bool,
}

/// Why no question is asked, in words that follow the key's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unasked {
    /// The profiles disagree.
    #[error("profiles {} name different endpoints for it", list(.0))]
    Several(Vec<Profile>),
    /// A profile that may use it cannot be read.
    #[error("profile \"{0}\" cannot be read, and may name another endpoint for it")]
    Unread(Profile),
    /// The profiles cannot be listed.
    #[error("the profiles cannot be listed, and one may name another endpoint for it")]
    Unlisted,
    /// No request is known that would tell.
    #[error("no request is known that tells whether a key of {0} is valid")]
    Unknown(String),
}

fn list(profiles: &[Profile]) -> String {
    profiles.iter().map(|profile| format!("\"{profile}\"")).collect::<Vec<_>>().join(" and ")
}

/// What the provider has said of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It takes the key.
    Live,
    /// It takes the key, and nothing more for now: the status says that a limit or the credit is used up.
    Spent(StatusCode),
    /// It does not take the key.
    Refused(StatusCode),
    /// Its answer, or that there was none, tells nothing of the key.
    Unclear(String),
}

// An endpoint that a profile names for a key: its URL without the agent's suffix, the protocol and the header.
type Named = (String, Protocol, bool);

/// The endpoints that profiles name for keys.
pub(crate) struct Endpoints {
    named: BTreeMap<KeyName, BTreeMap<Option<Named>, Profile>>,
    unread: Option<Unasked>,
}

impl Endpoints {
    /// Reads every profile.
    pub(crate) fn read(profiles: &Profiles<'_>) -> Self {
        let mut read = Self { named: BTreeMap::new(), unread: None };
        let Ok(names) = profiles.names() else { return Self { unread: Some(Unasked::Unlisted), ..read } };
        for name in names {
            if read.add(profiles, &name).is_none() {
                read.unread.get_or_insert(Unasked::Unread(name));
            }
        }
        read
    }

    // `None` if the profile cannot be read.
    fn add(&mut self, profiles: &Profiles<'_>, name: &Profile) -> Option<()> {
        let file = profiles.read(name).ok()?;
        for agent in file.bindings.keys() {
            let Some(resolved) = profiles.resolve(&file, agent).ok()? else { continue };
            let Account::Key { key, reach, .. } = &resolved.account else { continue };
            let named = reach.base_url.as_ref().filter(|_| !reach.default_endpoint).map(|url| {
                let suffix = reach.api.base_url_suffix.as_str();
                let url = url.value.strip_suffix(suffix).unwrap_or(&url.value);
                (url.to_owned(), reach.api.protocol, reach.bearer)
            });
            self.named.entry(key.value.clone()).or_default().entry(named).or_insert_with(|| name.clone());
        }
        Some(())
    }

    /// Reports whether a key belongs to its provider's own endpoint: no profile sends it to another one.
    pub(crate) fn are_own(&self, key: &KeyName) -> bool {
        let is_own = |named: &BTreeMap<Option<Named>, Profile>| named.keys().all(Option::is_none);
        self.unread.is_none() && self.named.get(key).is_none_or(is_own)
    }

    /// Returns why the endpoints of some profile are not known.
    pub(crate) fn unread(&self) -> Option<&Unasked> {
        self.unread.as_ref()
    }

    /// Returns the question for a key.
    pub(crate) fn question(&self, key: &KeyName, provider: &ProviderSpec) -> Result<Question, Unasked> {
        if let Some(why) = &self.unread {
            return Err(why.clone());
        }
        let unknown = || Unasked::Unknown(provider.title.clone());
        let named = self.named.get(key).into_iter().flatten().collect::<Vec<_>>();
        match named[..] {
            [] | [(None, _)] => {
                let own = provider.endpoints.get("default").into_iter().flatten();
                let mut asked = own.filter_map(|(protocol, url)| Some((protocol, url, provider.check.get(protocol)?)));
                let (protocol, url, path) = asked.next().ok_or_else(unknown)?;
                let is_bearer = *protocol == Protocol::Anthropic && provider.auth(*protocol) == Auth::Bearer;
                Ok(Question { endpoint: url.clone(), path: path.clone(), protocol: *protocol, is_bearer })
            }
            // Several agents may speak to one server in several ways.
            [(Some((url, ..)), _), ..]
                if named.iter().all(|(other, _)| other.as_ref().is_some_and(|at| at.0 == *url)) =>
            {
                let ways = named.iter().filter_map(|(at, _)| at.as_ref());
                let mut asked =
                    ways.filter_map(|(_, protocol, bearer)| Some((protocol, bearer, provider.check.get(protocol)?)));
                let (protocol, is_bearer, path) = asked.next().ok_or_else(unknown)?;
                let (endpoint, path) = (url.clone(), path.clone());
                Ok(Question { endpoint, path, protocol: *protocol, is_bearer: *is_bearer })
            }
            _ => Err(Unasked::Several(named.into_iter().map(|(_, profile)| profile.clone()).collect())),
        }
    }
}

impl Question {
    /// Asks it.
    pub(crate) async fn ask(&self, key: &Key, env: &Env, roots: &Roots) -> Verdict {
        match tokio::time::timeout(PATIENCE, self.answer(key, env, roots)).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(why)) => Verdict::Unclear(why),
            Err(_) => Verdict::Unclear(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    async fn answer(&self, key: &Key, env: &Env, roots: &Roots) -> Result<Verdict, String> {
        let origin = Origin::of(&self.endpoint).ok_or("its endpoint is no URL that ringlet can ask")?;
        let proxy = ProxyUrl::toward(&origin, env).map_err(|error| error.to_string())?;
        let client = Client::new(&origin, &proxy, roots);
        let answer = client.send(self.request(&origin, key)).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        Ok(match status.as_u16() {
            200..=299 => Verdict::Live,
            402 | 429 => Verdict::Spent(status),
            401 => Verdict::Refused(status),
            400 | 403 if self.protocol == Protocol::Gemini => {
                let body = Limited::new(answer.into_body(), MOST).collect().await.map_err(|error| error.to_string())?;
                let says = |word: &[u8]| memchr::memmem::find(&body.to_bytes(), word).is_some();
                match says(b"API_KEY_INVALID") || status == StatusCode::FORBIDDEN {
                    true => Verdict::Refused(status),
                    false => Verdict::Unclear(format!("the answer is {status}")),
                }
            }
            _ => Verdict::Unclear(format!("the answer is {status}")),
        })
    }

    fn request(&self, origin: &Origin, key: &Key) -> Request<Empty<Bytes>> {
        let (name, before) = match self.protocol {
            Protocol::Anthropic if !self.is_bearer => (HeaderName::from_static("x-api-key"), &b""[..]),
            Protocol::Gemini => (HeaderName::from_static("x-goog-api-key"), &b""[..]),
            Protocol::Anthropic | Protocol::Chat | Protocol::Responses | Protocol::Own => {
                (AUTHORIZATION, &b"Bearer "[..])
            }
        };
        let value = zeroize::Zeroizing::new([before, key.expose()].concat());
        let mut value = HeaderValue::from_bytes(&value).expect("a key of one line fits a header");
        value.set_sensitive(true);
        let mut request = Request::get(format!("{}{}", origin.path, self.path))
            .header(HOST, &origin.authority)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("ringlet/", env!("CARGO_PKG_VERSION")))
            .header(name, value);
        if self.protocol == Protocol::Anthropic {
            request = request.header("anthropic-version", "2023-06-01");
        }
        request.body(Empty::new()).expect("its parts are valid")
    }
}
