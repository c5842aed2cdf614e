//! The requests of the API, and what its answers mean.

use super::json::Json;
use super::{Address, Answer, Changing, Lease, Role, Token, VaultError, now};
use crate::https::{Client, HttpsError, Origin, ProxyUrl, Roots};
use crate::mask;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use std::collections::BTreeMap;
use std::time::Duration;
use zeroize::Zeroizing;

// An answer is a secret with its fields, or a list of names.
const MOST: usize = 1 << 20;

/// A server.
pub(crate) struct Server {
    origin: Origin,
    client: Client<Full<Bytes>>,
    namespace: Option<HeaderValue>,
}

impl Server {
    /// Prepares the connection to a server; nothing is sent.
    pub(crate) fn new(address: &Address) -> Result<Self, VaultError> {
        let unusable = |why: &str| VaultError::Unusable(why.to_owned());
        let origin = Origin::of(&address.url).ok_or_else(|| unusable("its address is no URL of a server"))?;
        let roots = match (&address.ca_file, origin.tls) {
            (_, false) => Roots::none(),
            (Some(file), true) => Roots::only(file).map_err(VaultError::Unusable)?,
            (None, true) => Roots::of_system().map_err(VaultError::Unusable)?,
        };
        let namespace = address.namespace.as_ref().map(|name| HeaderValue::from_str(name)).transpose();
        let namespace = namespace.map_err(|_| unusable("its namespace fits no header"))?;
        let client = Client::new(&origin, &ProxyUrl::default(), &roots);
        Ok(Self { origin, client, namespace })
    }

    /// Logs in with a role.
    pub(crate) async fn log_in(&self, role: &Role) -> Result<Token, VaultError> {
        let body = texts(&[("role_id", &role.id), ("secret_id", &role.secret_id)]);
        let path = format!("auth/{}/login", role.mount);
        let since = now();
        let asked = Ask { secret: role.secret_id.as_bytes(), ..Ask::new(Method::POST, &path, None, Some(body)) };
        let answer = self.ask(asked).await.map_err(|error| match error {
            VaultError::Denied => VaultError::NoLogin("the role's secret id may have ended or been used up".into()),
            VaultError::Refused(why) => VaultError::NoLogin(why),
            other => other,
        })?;
        let token = answer.as_ref().and_then(|answer| token_of(answer, since));
        token.ok_or_else(|| VaultError::Odd("its answer to a login holds no token".into()))
    }

    /// Reads a secret.
    pub(crate) async fn read(&self, token: &str, path: &str) -> Result<Answer, VaultError> {
        let since = now();
        let answer = self.ask(Ask::new(Method::GET, path, Some(token), None)).await?;
        let answer = answer.ok_or_else(|| VaultError::Odd("its answer is empty".into()))?;
        let lease = lease_of(&answer, since);
        let data = if let Json::Table(mut members) = answer { members.remove("data") } else { None };
        let data = data.ok_or_else(|| VaultError::Odd("its answer holds no data".into()))?;
        let read = Answer { path: path.to_owned(), data, lease };
        match (read.version(), read.data.get("data")) {
            (Some(version), Some(Json::Null)) => Err(VaultError::Deleted { path: path.to_owned(), version }),
            _ => Ok(read),
        }
    }

    /// Sets one field of a secret, or takes it away; the others stay. Returns whether there was anything to take away.
    /// What somebody else has stored meanwhile is not overwritten where the engine can tell.
    pub(crate) async fn change(&self, token: &str, at: &Changing<'_>, value: Option<&str>) -> Result<bool, VaultError> {
        let Changing { path, whole, field, is_versioned } = *at;
        let (mut fields, version) = match self.read(token, path).await {
            Ok(read) => {
                let version = read.version();
                if version.is_some() != is_versioned {
                    let version = if is_versioned { 1 } else { 2 };
                    return Err(VaultError::OtherVersion { path: path.to_owned(), version });
                }
                (read.into_fields()?, version.unwrap_or(0))
            }
            Err(VaultError::NotFound(_)) => (BTreeMap::new(), 0),
            Err(VaultError::Deleted { version, .. }) => (BTreeMap::new(), version),
            // Who may not read may store a first version, which replaces nothing.
            Err(VaultError::Denied) if is_versioned && value.is_some() => (BTreeMap::new(), 0),
            Err(error) => return Err(error),
        };
        match value {
            Some(value) => {
                fields.insert(field.to_owned(), Json::Text(Zeroizing::new(value.to_owned())));
            }
            None if fields.remove(field).is_none() => return Ok(false),
            None if fields.is_empty() => {
                return self.ask(Ask::new(Method::DELETE, whole, Some(token), None)).await.map(|_| true);
            }
            None => {}
        }
        let fields = Json::Table(fields);
        let body = match is_versioned {
            true => {
                let options = Json::Table(BTreeMap::from([("cas".to_owned(), Json::Number(version))]));
                Json::Table(BTreeMap::from([("data".to_owned(), fields), ("options".to_owned(), options)]))
            }
            false => fields,
        };
        let secret = value.unwrap_or_default().as_bytes();
        let asked = Ask { secret, ..Ask::new(Method::POST, path, Some(token), Some(body.written())) };
        let answer = self.ask(asked).await?;
        let version = answer.as_ref().and_then(|answer| answer.get("data")?.get("version"));
        if is_versioned && version.is_none() {
            // The first version of the engine takes anything for the fields of a secret.
            self.ask(Ask::new(Method::DELETE, path, Some(token), None)).await?;
            return Err(VaultError::OtherVersion { path: path.to_owned(), version: 1 });
        }
        Ok(true)
    }

    /// The names below a path; those of folders end with a slash.
    pub(crate) async fn list(&self, token: &str, path: &str) -> Result<Vec<String>, VaultError> {
        let path = format!("{path}?list=true");
        let answer = match self.ask(Ask::new(Method::GET, &path, Some(token), None)).await {
            Err(VaultError::NotFound(_)) => return Ok(Vec::new()),
            answer => answer?,
        };
        let keys = answer.as_ref().and_then(|answer| answer.get("data")?.get("keys"));
        let Some(Json::List(keys)) = keys else { return Err(VaultError::Odd("its answer lists no names".into())) };
        Ok(keys.iter().filter_map(|name| name.text().map(str::to_owned)).collect())
    }

    /// Makes a token live longer, and returns how long from now on.
    #[cfg(target_os = "linux")]
    pub(crate) async fn renew(&self, token: &str) -> Result<Token, VaultError> {
        let since = now();
        let answer = self.ask(Ask::of_made(Method::POST, "auth/token/renew-self", token, Some(no_body()))).await?;
        let renewed = answer.as_ref().and_then(|answer| token_of(answer, since));
        renewed.ok_or_else(|| VaultError::Odd("its answer to a renewal holds no token".into()))
    }

    /// Succeeds where a token lives.
    pub(crate) async fn look_up(&self, token: &str) -> Result<(), VaultError> {
        self.ask(Ask::of_made(Method::GET, "auth/token/lookup-self", token, None)).await.map(drop)
    }

    /// Makes the lease of a secret longer, and returns what it is from now on.
    #[cfg(target_os = "linux")]
    pub(crate) async fn renew_lease(&self, token: &str, id: &str) -> Result<Lease, VaultError> {
        let body = texts(&[("lease_id", id)]);
        let since = now();
        let answer = self.ask(Ask::of_made(Method::POST, "sys/leases/renew", token, Some(body))).await?;
        let lease = answer.as_ref().and_then(|answer| lease_of(answer, since));
        lease.ok_or_else(|| VaultError::Odd("its answer to a renewal holds no lease".into()))
    }

    /// Ends a token, and with it the leases that hang on it.
    pub(crate) async fn revoke(&self, token: &str) -> Result<(), VaultError> {
        self.ask(Ask::of_made(Method::POST, "auth/token/revoke-self", token, Some(no_body()))).await.map(drop)
    }

    /// Ends the lease of a secret.
    pub(crate) async fn revoke_lease(&self, token: &str, id: &str) -> Result<(), VaultError> {
        let body = texts(&[("lease_id", id)]);
        self.ask(Ask::of_made(Method::POST, "sys/leases/revoke", token, Some(body))).await.map(drop)
    }

    // Sends one request, and returns the answer's JSON; nothing where its body is empty.
    async fn ask(&self, asked: Ask<'_>) -> Result<Option<Json>, VaultError> {
        // A server may repeat what it was sent.
        let sent = [asked.token.unwrap_or_default().trim().as_bytes(), asked.secret];
        let path = asked.path;
        let again = asked.is_repeatable.then(|| asked.clone());
        let answer = match (self.client.send(self.request(asked)?).await, again) {
            (Err(HttpsError::Stale(_)), Some(again)) => self.client.send(self.request(again)?).await?,
            (sent, _) => sent?,
        };
        let status = answer.status();
        if status.is_redirection() {
            let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).and_then(host_of);
            let to = to.map(|to| mask::without(&to, &sent));
            return Err(VaultError::Redirect(to.unwrap_or_else(|| "which it does not name".to_owned())));
        }
        let mut read = Zeroizing::new(Vec::new());
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| VaultError::Unreached(HttpsError::Broken(error)))?;
            let Some(part) = frame.data_ref() else { continue };
            if read.len() + part.len() > MOST {
                return Err(VaultError::Odd(format!("its answer is longer than {MOST} bytes")));
            }
            // Grown by hand, so that no part of a secret is left where the vector was before.
            if read.capacity() < read.len() + part.len() {
                let mut larger = Zeroizing::new(Vec::with_capacity((read.len() + part.len()) * 2));
                larger.extend_from_slice(&read);
                read = larger;
            }
            read.extend_from_slice(part);
        }
        let json: Option<Json> = serde_json::from_slice(&read).ok();
        match status {
            StatusCode::OK | StatusCode::NO_CONTENT => match (json, read.is_empty()) {
                (Some(json), _) => Ok(Some(json)),
                (None, true) => Ok(None),
                (None, false) => Err(VaultError::Odd("its answer is no JSON".into())),
            },
            StatusCode::FORBIDDEN => Err(VaultError::Denied),
            StatusCode::NOT_FOUND => Err(missing(json.as_ref(), path)),
            StatusCode::SERVICE_UNAVAILABLE
                if json.as_ref().is_some_and(|json| errors(json, &sent).contains("sealed")) =>
            {
                Err(VaultError::Sealed)
            }
            other => {
                let says = json.as_ref().map(|json| errors(json, &sent)).unwrap_or_default();
                let said = format!("{other}{says}");
                Err(match other {
                    StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => VaultError::Refused(said),
                    _ => VaultError::Odd(said),
                })
            }
        }
    }

    fn request(&self, asked: Ask<'_>) -> Result<Request<Full<Bytes>>, VaultError> {
        let Ask { method, path, token, body, .. } = asked;
        const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
        const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
        // Set so that a proxy of the server's own does not take a request of a page in a browser for one of a client.
        const IS_CLIENT: HeaderName = HeaderName::from_static("x-vault-request");
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/v1/{path}", self.origin.path))
            .header(HOST, &self.origin.authority)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("ringlet/", env!("CARGO_PKG_VERSION")))
            .header(IS_CLIENT, "true");
        if let Some(token) = token {
            let value = HeaderValue::from_str(token.trim());
            let mut value = value.map_err(|_| VaultError::Unusable("its token fits no header".into()))?;
            value.set_sensitive(true);
            request = request.header(TOKEN, value);
        }
        if let Some(namespace) = &self.namespace {
            request = request.header(NAMESPACE, namespace);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from_owner(Wiped(body)));
        request.body(Full::new(body)).map_err(|_| VaultError::Unusable("its path fits no request".into()))
    }
}

// One request.
#[derive(Clone)]
struct Ask<'a> {
    method: Method,
    path: &'a str,
    token: Option<&'a str>,
    body: Option<Zeroizing<Vec<u8>>>,
    // The secret in the body.
    secret: &'a [u8],
    // Whether it does no more when it comes twice. The reading of a secret may make one.
    is_repeatable: bool,
}

impl<'a> Ask<'a> {
    fn new(method: Method, path: &'a str, token: Option<&'a str>, body: Option<Zeroizing<Vec<u8>>>) -> Self {
        Self { method, path, token, body, secret: b"", is_repeatable: false }
    }

    // Concerns a token or a lease that is there.
    fn of_made(method: Method, path: &'a str, token: &'a str, body: Option<Zeroizing<Vec<u8>>>) -> Self {
        Self { is_repeatable: true, ..Self::new(method, path, Some(token), body) }
    }
}

// A body that is wiped when it was sent.
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

// An object of texts.
fn texts(members: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let members: BTreeMap<&str, &str> = members.iter().copied().collect();
    // As large as it can become, so that no part of it is left where the vector was before.
    let length: usize = members.iter().map(|(name, value)| 6 * (name.len() + value.len()) + 8).sum();
    let mut made = Zeroizing::new(Vec::with_capacity(length));
    serde_json::to_writer(&mut *made, &members).expect("texts are JSON");
    made
}

fn no_body() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(b"{}".to_vec())
}

// The server of a location, without anything that could hold a credential.
fn host_of(location: &str) -> Option<String> {
    let origin = location.split(['?', '#']).next().and_then(Origin::of)?;
    Some(origin.url())
}

fn token_of(answer: &Json, since: Duration) -> Option<Token> {
    let auth = answer.get("auth")?;
    let value = Zeroizing::new(auth.get("client_token")?.text()?.to_owned());
    let renewable = matches!(auth.get("renewable"), Some(Json::Bool(true)));
    (!value.is_empty()).then_some(Token { value, ttl: seconds(auth.get("lease_duration")), renewable, since })
}

fn lease_of(answer: &Json, since: Duration) -> Option<Lease> {
    let id = answer.get("lease_id").and_then(Json::text).unwrap_or_default().to_owned();
    let length = seconds(answer.get("lease_duration"));
    let renewable = matches!(answer.get("renewable"), Some(Json::Bool(true)));
    // A key-value engine says how often it may be asked, and gives no lease.
    (!length.is_zero() && !id.is_empty()).then_some(Lease { id, length, renewable, since })
}

fn seconds(given: Option<&Json>) -> Duration {
    // A year is longer than any launch.
    const LONGEST: u64 = 365 * 24 * 60 * 60;
    match given {
        Some(Json::Number(seconds)) => Duration::from_secs((*seconds).min(LONGEST)),
        _ => Duration::ZERO,
    }
}

// What a server means that finds nothing. Its texts are those of Vault and of OpenBao.
fn missing(answer: Option<&Json>, path: &str) -> VaultError {
    let says = |member: &str, word: &str| {
        let texts = answer.and_then(|answer| answer.get(member));
        matches!(texts, Some(Json::List(texts)) if texts.iter().filter_map(Json::text).any(|text| text.contains(word)))
    };
    let path = path.split('?').next().unwrap_or(path).to_owned();
    let metadata = answer.and_then(|answer| answer.get("data")?.get("metadata")?.get("version"));
    match metadata {
        Some(Json::Number(version)) => VaultError::Deleted { path, version: *version },
        _ if says("errors", "no handler for route") => VaultError::NoEngine(path),
        _ if says("warnings", "versioned K/V") => VaultError::OtherVersion { path, version: 2 },
        _ => VaultError::NotFound(path),
    }
}

// The server's own words, cut, without what was sent to it and without what looks like a key.
fn errors(answer: &Json, sent: &[&[u8]]) -> String {
    let Some(Json::List(errors)) = answer.get("errors") else { return String::new() };
    let said: Vec<&str> = errors.iter().take(2).filter_map(Json::text).collect();
    match said.is_empty() {
        true => String::new(),
        false => format!(", {}", mask::short(&mask::masked(&mask::without(&said.join("; "), sent)), 200)),
    }
}
