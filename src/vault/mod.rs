//! The API of Vault and OpenBao: logs in, reads a field of a secret, renews and revokes what was made.
//!
//! A server follows nobody: a redirect is an error, and what leads to it is the user's settings alone, never a variable
//! of the shell. So neither a proxy nor a certificate authority of the environment counts here.

mod json;
#[cfg(target_os = "linux")]
mod keeping;

#[cfg(target_os = "linux")]
pub(crate) use keeping::{Change, Keeping, until};

use crate::https::{Client, HttpsError, Origin, ProxyUrl, Roots};
use crate::mask;
use crate::secret::Secret;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use json::Json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

// An answer is a secret with its fields, or a list of names.
const MOST: usize = 1 << 20;

/// Which server, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    /// Its URL, without a path.
    pub url: String,
    /// The namespace.
    pub namespace: Option<String>,
    /// A file with the only authorities that its certificate may come from.
    pub ca_file: Option<PathBuf>,
}

/// A login with a role.
#[derive(Serialize, Deserialize)]
pub(crate) struct Role {
    /// The mount of the method.
    pub mount: String,
    /// The role's id.
    pub id: String,
    /// The role's secret id.
    pub secret_id: Zeroizing<String>,
}

/// A token, and how long it lives.
#[derive(Serialize, Deserialize)]
pub(crate) struct Token {
    /// The token.
    pub value: Zeroizing<String>,
    /// How long it lives from now on; zero if it does not end, or nobody said so.
    pub ttl: Duration,
    /// Whether that can be made longer.
    pub renewable: bool,
}

/// What was read.
pub(crate) struct Reading {
    /// The value of the field.
    pub value: Secret,
    /// The secret's own lease, which a key-value engine has none of.
    pub lease: Option<Lease>,
}

/// The lease of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// Its id.
    pub id: String,
    /// How long it is from now on.
    pub length: Duration,
    /// Whether it can be made longer.
    pub renewable: bool,
}

/// What is kept alive.
#[derive(Serialize, Deserialize)]
pub(crate) struct Keeper {
    /// The server.
    pub address: Address,
    /// How Ringlet logged in; `None` if the token is the user's.
    pub role: Option<Role>,
    /// The token.
    pub token: Token,
    /// The path of the secret.
    pub path: String,
    /// Its field.
    pub field: String,
    /// Its lease.
    pub lease: Option<Lease>,
}

impl Keeper {
    /// Ends what Ringlet made: its own token, or the lease of a secret that the user's token has read.
    async fn end(&self, server: &Server) -> Result<(), VaultError> {
        match (&self.role, &self.lease) {
            (Some(_), _) => server.revoke(&self.token.value).await,
            (None, Some(lease)) => server.revoke_lease(&self.token.value, &lease.id).await,
            (None, None) => Ok(()),
        }
    }
}

/// What is to be kept alive, until it is handed over. Where that does not come about, it is ended.
pub(crate) struct Loan(Option<Keeper>);

impl Loan {
    /// Nothing, or what a keeper says.
    pub(crate) fn new(keeper: Option<Keeper>) -> Self {
        Self(keeper)
    }

    /// What is handed over.
    #[cfg(target_os = "linux")]
    pub(crate) fn keeper(&self) -> Option<&Keeper> {
        self.0.as_ref()
    }

    /// It was handed over.
    #[cfg(target_os = "linux")]
    pub(crate) fn hand_over(mut self) {
        self.0 = None;
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let Some(keeper) = &self.0 else { return };
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        // What cannot be ended ends by itself.
        runtime.block_on(async {
            let Ok(server) = Server::new(&keeper.address) else { return };
            let _ = tokio::time::timeout(PATIENCE, keeper.end(&server)).await;
        });
        runtime.shutdown_background();
    }
}

/// Why the server did not do what it was asked. No text holds anything of an answer but its status and its errors.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    /// The settings of the connection cannot be used.
    #[error("cannot be asked: {0}")]
    Unusable(String),
    /// There is no answer.
    #[error("cannot be reached: {0}")]
    Unreached(#[from] HttpsError),
    /// There is none in time.
    #[error("did not answer within {0:?}")]
    Late(Duration),
    /// It is sealed.
    #[error("is sealed")]
    Sealed,
    /// A token that is unknown, has ended or may not do this: the server's answer is the same.
    #[error("denies it: its token has ended, was revoked, or may not do this")]
    Denied,
    /// The login is refused.
    #[error("refuses the login: {0}")]
    NoLogin(String),
    /// There is nothing at this path.
    #[error("has nothing at {0}")]
    NotFound(String),
    /// There is a secret, and it has no such field.
    #[error("has no field {field} at {path}")]
    NoField {
        /// The path.
        path: String,
        /// The field.
        field: String,
    },
    /// It leads elsewhere.
    #[error("leads to another server, {0}, which is not followed")]
    Redirect(String),
    /// It answers otherwise than it should.
    #[error("answers otherwise than a Vault: {0}")]
    Odd(String),
}

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
        let asked = Ask { secret: role.secret_id.as_bytes(), ..Ask::new(Method::POST, &path, None, Some(body)) };
        let answer = self.ask(asked).await.map_err(|error| match error {
            VaultError::Denied => VaultError::NoLogin("the role's secret id may have ended or been used up".into()),
            VaultError::Odd(why) => VaultError::NoLogin(why),
            other => other,
        })?;
        let token = answer.as_ref().and_then(token_of);
        token.ok_or_else(|| VaultError::Odd("its answer to a login holds no token".into()))
    }

    /// Reads a field of a secret.
    pub(crate) async fn read(&self, token: &str, path: &str, field: &str) -> Result<Reading, VaultError> {
        let answer = self.ask(Ask::new(Method::GET, path, Some(token), None)).await?;
        let answer = answer.ok_or_else(|| VaultError::Odd("its answer is empty".into()))?;
        let data = answer.get("data").ok_or_else(|| VaultError::Odd("its answer holds no data".into()))?;
        // The second version of the key-value engine has the fields one level below, and its own data beside them.
        let versioned = data.get("metadata").and_then(|about| about.get("version")).and_then(|_| data.get("data"));
        let found = match versioned {
            Some(Json::Null) => return Err(VaultError::NotFound(path.to_owned())),
            Some(fields) => fields.get(field),
            None => data.get(field),
        };
        let value = match found {
            Some(Json::Text(text)) => Secret::new(text.as_bytes().to_vec()),
            Some(_) => return Err(VaultError::Odd(format!("the field {field} is no text"))),
            None => return Err(VaultError::NoField { path: path.to_owned(), field: field.to_owned() }),
        };
        Ok(Reading { value, lease: lease_of(&answer) })
    }

    /// Stores the one field of a secret in a key-value engine.
    pub(crate) async fn write(
        &self,
        token: &str,
        path: &str,
        field: &str,
        value: &str,
        versioned: bool,
    ) -> Result<(), VaultError> {
        let fields = texts(&[(field, value)]);
        let body = match versioned {
            true => Zeroizing::new([&b"{\"data\":"[..], &fields, b"}"].concat()),
            false => fields,
        };
        let asked = Ask { secret: value.as_bytes(), ..Ask::new(Method::POST, path, Some(token), Some(body)) };
        self.ask(asked).await.map(drop)
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

    /// Takes a secret away.
    pub(crate) async fn delete(&self, token: &str, path: &str) -> Result<(), VaultError> {
        self.ask(Ask::new(Method::DELETE, path, Some(token), None)).await.map(drop)
    }

    /// Makes a token live longer, and returns how long from now on.
    #[cfg(target_os = "linux")]
    pub(crate) async fn renew(&self, token: &str) -> Result<Token, VaultError> {
        let answer = self.ask(Ask::new(Method::POST, "auth/token/renew-self", Some(token), Some(no_body()))).await?;
        let renewed = answer.as_ref().and_then(token_of);
        renewed.ok_or_else(|| VaultError::Odd("its answer to a renewal holds no token".into()))
    }

    /// Makes the lease of a secret longer, and returns what it is from now on.
    #[cfg(target_os = "linux")]
    pub(crate) async fn renew_lease(&self, token: &str, id: &str) -> Result<Lease, VaultError> {
        let body = texts(&[("lease_id", id)]);
        let answer = self.ask(Ask::new(Method::POST, "sys/leases/renew", Some(token), Some(body))).await?;
        let lease = answer.as_ref().and_then(lease_of);
        lease.ok_or_else(|| VaultError::Odd("its answer to a renewal holds no lease".into()))
    }

    /// Ends a token, and with it the leases that hang on it.
    pub(crate) async fn revoke(&self, token: &str) -> Result<(), VaultError> {
        self.ask(Ask::new(Method::POST, "auth/token/revoke-self", Some(token), Some(no_body()))).await.map(drop)
    }

    /// Ends the lease of a secret.
    pub(crate) async fn revoke_lease(&self, token: &str, id: &str) -> Result<(), VaultError> {
        let body = texts(&[("lease_id", id)]);
        self.ask(Ask::new(Method::POST, "sys/leases/revoke", Some(token), Some(body))).await.map(drop)
    }

    // Sends one request, and returns the answer's JSON; nothing where its body is empty.
    async fn ask(&self, asked: Ask<'_>) -> Result<Option<Json>, VaultError> {
        // A server may repeat what it was sent.
        let sent = [asked.token.unwrap_or_default().trim().as_bytes(), asked.secret];
        let (method, path) = (asked.method.clone(), asked.path);
        let request = self.request(asked)?;
        let answer = match self.client.send(request).await {
            // A server may close a connection that was kept; what only reads is asked once more.
            Err(HttpsError::Broken(_)) if method == Method::GET => {
                let token = std::str::from_utf8(sent[0]).ok().filter(|token| !token.is_empty());
                self.client.send(self.request(Ask::new(method, path, token, None))?).await?
            }
            sent => sent?,
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
            StatusCode::NOT_FOUND => Err(VaultError::NotFound(path.to_owned())),
            StatusCode::SERVICE_UNAVAILABLE
                if json.as_ref().is_some_and(|json| errors(json, &sent).contains("sealed")) =>
            {
                Err(VaultError::Sealed)
            }
            other => {
                let says = json.as_ref().map(|json| errors(json, &sent)).unwrap_or_default();
                Err(VaultError::Odd(format!("{other}{says}")))
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
struct Ask<'a> {
    method: Method,
    path: &'a str,
    token: Option<&'a str>,
    body: Option<Zeroizing<Vec<u8>>>,
    // The secret in the body.
    secret: &'a [u8],
}

impl<'a> Ask<'a> {
    fn new(method: Method, path: &'a str, token: Option<&'a str>, body: Option<Zeroizing<Vec<u8>>>) -> Self {
        Self { method, path, token, body, secret: b"" }
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

fn token_of(answer: &Json) -> Option<Token> {
    let auth = answer.get("auth")?;
    let value = Zeroizing::new(auth.get("client_token")?.text()?.to_owned());
    let renewable = matches!(auth.get("renewable"), Some(Json::Bool(true)));
    (!value.is_empty()).then_some(Token { value, ttl: seconds(auth.get("lease_duration")), renewable })
}

fn lease_of(answer: &Json) -> Option<Lease> {
    let id = answer.get("lease_id").and_then(Json::text).unwrap_or_default().to_owned();
    let length = seconds(answer.get("lease_duration"));
    let renewable = matches!(answer.get("renewable"), Some(Json::Bool(true)));
    // A key-value engine says how often it may be asked, and gives no lease.
    (!length.is_zero() && !id.is_empty()).then_some(Lease { id, length, renewable })
}

fn seconds(given: Option<&Json>) -> Duration {
    // A year is longer than any launch.
    const LONGEST: u64 = 365 * 24 * 60 * 60;
    match given {
        Some(Json::Number(seconds)) => Duration::from_secs((*seconds).min(LONGEST)),
        _ => Duration::ZERO,
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
