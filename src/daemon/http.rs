//! The daemon's HTTP routes on loopback: names and states for tools, never a value. The status also has a socket of its
//! own, for `ringlet daemon status`, which a program that takes every connection of the port cannot keep away.
//!
//! Every route but `/v1/health` requires the bearer token. The token is read anew for each request, so that a replaced
//! one is refused at once. A `Host` that is not loopback's, or any `Origin`, comes from a web page that was led here
//! (DNS rebinding) and is refused before the token is looked at; there is no CORS. A wrong token is answered late, and
//! only a limited number of requests wait for that answer at a time.

use super::Run;
use super::endpoint;
use super::request::Handler;
use super::token;
use crate::audit::{self, AuditError, Filter, parse_since};
use crate::config::Backend;
use crate::hint::Hint;
use crate::name::KeyName;
use crate::platform::Peer;
use crate::profile::Profiles;
use crate::registry::Registry;
use crate::secret::same;
use crate::shell::Shell;
use crate::store::{Include, Missing, SERVICE, State as Keychain, StoreError, Unopened};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

/// The delay of the answer to a wrong token.
const SLOW: Duration = Duration::from_millis(500);
/// How many such answers wait at a time; more are refused at once.
const MOST_SLOW: usize = 32;
/// Answers at once for which the keychain or files are read; they must leave threads to the socket's clients.
const MOST_TURNS: usize = 8;
/// Connections at once.
const MOST_CONNECTIONS: usize = 256;
/// How long a client may take to send the head of a request.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// The same for the status socket, where only the user's own programs connect.
const OWN_HEADER_TIME: Duration = Duration::from_secs(2);
/// How many audit records an answer has unless more are asked for, and at most.
const USUAL_RECORDS: usize = 1000;
const MOST_RECORDS: usize = 100_000;

const ROUTES: &[&str] = &["/v1/health", "/v1/status", "/v1/profiles", "/v1/keys", "/v1/audit", "/v1/openapi.json"];

/// What the answers are made from.
pub struct HttpState {
    /// The way to the keychain's names and the settings.
    pub handler: Arc<Handler>,
    /// This daemon.
    pub run: Run,
}

struct Shared {
    state: Arc<HttpState>,
    slow: Semaphore,
    turns: Arc<Semaphore>,
}

type Response = hyper::Response<Full<Bytes>>;

impl Shared {
    fn new(state: Arc<HttpState>) -> Arc<Self> {
        Arc::new(Self { state, slow: Semaphore::new(MOST_SLOW), turns: Arc::new(Semaphore::new(MOST_TURNS)) })
    }
}

/// Answers `/v1/status` to this user's processes, without a token, until `stop` becomes true.
pub(crate) async fn serve_own(listener: endpoint::Listener, state: Arc<HttpState>, stop: watch::Receiver<bool>) {
    accept(listener, Shared::new(state), Arc::new(Semaphore::new(MOST_CONNECTIONS)), stop).await;
}

/// Answers until `stop` becomes true.
pub async fn serve(listeners: Vec<TcpListener>, state: Arc<HttpState>, stop: watch::Receiver<bool>) {
    let shared = Shared::new(state);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut all = JoinSet::new();
    for listener in listeners {
        all.spawn(accept(listener, Arc::clone(&shared), Arc::clone(&places), stop.clone()));
    }
    while all.join_next().await.is_some() {}
}

// The daemon is to end.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

// A way in: which clients it admits, and what it answers to them.
trait Listens: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    const HEADER_TIME: Duration;
    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    fn is_open_to(_stream: &Self::Stream) -> bool {
        true
    }
    fn answer(shared: &Shared, request: &Request<Incoming>) -> impl Future<Output = Response> + Send;
}

impl Listens for TcpListener {
    type Stream = TcpStream;
    const HEADER_TIME: Duration = HEADER_TIME;
    async fn next(&self) -> io::Result<TcpStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
    async fn answer(shared: &Shared, request: &Request<Incoming>) -> Response {
        let mut response = match refused(shared, request.uri(), request.headers()).await {
            Some(refusal) => refusal,
            None => routed(shared, request).await,
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

impl Listens for endpoint::Listener {
    type Stream = endpoint::Stream;
    const HEADER_TIME: Duration = OWN_HEADER_TIME;
    async fn next(&self) -> io::Result<endpoint::Stream> {
        self.accept().await.map(|(stream, _)| stream)
    }
    fn is_open_to(stream: &endpoint::Stream) -> bool {
        Peer::of(stream).is_ok_and(|peer| peer.is_ours())
    }
    async fn answer(shared: &Shared, request: &Request<Incoming>) -> Response {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/v1/status") => status(shared).await,
            _ => no_route(),
        }
    }
}

async fn accept<L: Listens>(listener: L, shared: Arc<Shared>, places: Arc<Semaphore>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.next().await, place)
            } => accepted,
        };
        while connections.try_join_next().is_some() {}
        let (Ok(stream), Ok(place)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if L::is_open_to(&stream) {
            connections.spawn(converse::<L>(stream, Arc::clone(&shared), place, stop.clone()));
        }
    }
    while connections.join_next().await.is_some() {}
}

// One connection, to its end.
async fn converse<L: Listens>(
    stream: L::Stream,
    shared: Arc<Shared>,
    place: OwnedSemaphorePermit,
    mut stop: watch::Receiver<bool>,
) {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(L::HEADER_TIME).max_buf_size(64 << 10);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(L::answer(&shared, &request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // An error of one connection concerns that client alone.
        _ = connection.as_mut() => {}
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(Duration::from_secs(2), connection).await;
        }
    }
    drop(place);
}

async fn routed(shared: &Shared, request: &Request<Incoming>) -> Response {
    let path = request.uri().path();
    if !ROUTES.contains(&path) {
        return no_route();
    }
    // A HEAD is answered as a GET, and hyper leaves the body out.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "only GET is answered", None);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
        return response;
    }
    let query = request.uri().query().unwrap_or_default();
    match path {
        "/v1/health" => constant(Bytes::from_static(b"{\"status\":\"ok\"}\n")),
        "/v1/status" => status(shared).await,
        "/v1/profiles" => profiles(shared).await,
        "/v1/keys" => keys(shared, query).await,
        "/v1/audit" => records(shared, query).await,
        "/v1/openapi.json" => constant(DOCUMENT.clone()),
        _ => no_route(),
    }
}

fn no_route() -> Response {
    refusal(StatusCode::NOT_FOUND, "not_found", "there is no such route", Some("see /v1/openapi.json"))
}

async fn refused(shared: &Shared, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    if !is_local(uri, headers, &shared.state.run) {
        let text = "the Host header does not name this machine's loopback address";
        return Some(refusal(StatusCode::FORBIDDEN, "wrong_host", text, None));
    }
    if headers.contains_key(ORIGIN) {
        return Some(refusal(StatusCode::FORBIDDEN, "web_page", "web pages are not answered", None));
    }
    if uri.path() == "/v1/health" {
        return None;
    }
    let presented = bearer(headers).unwrap_or_default();
    let token = match token::read(&shared.state.handler.paths.http_token()) {
        Ok(Some(token)) => token,
        Ok(None) => return Some(no_token("there is no token any more")),
        Err(error) => return Some(no_token(&error.to_string())),
    };
    if same(token.expose(), presented) {
        return None;
    }
    let Ok(_place) = shared.slow.try_acquire() else {
        let text = "too many requests with a wrong token wait for their answer";
        let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", text, None);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return Some(response);
    };
    tokio::time::sleep(SLOW).await;
    let hint = "send `Authorization: Bearer` and the content of ~/.config/ringlet/http_token";
    let mut response = refusal(StatusCode::UNAUTHORIZED, "unauthorized", "the token is missing or wrong", Some(hint));
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Some(response)
}

fn no_token(why: &str) -> Response {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "no_token", why, Some("run `ringlet daemon rotate-token`"))
}

/// Reports whether the request has one Host header that names a loopback address and the daemon's port. An absolute
/// request target must name the same.
pub(crate) fn is_local(uri: &Uri, headers: &HeaderMap, run: &Run) -> bool {
    let Some(port) = run.http.first().map(|address| address.port()) else { return false };
    let names = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}"));
    let local = |text: &str| names.iter().any(|name| name.eq_ignore_ascii_case(text));
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    host.to_str().is_ok_and(local) && uri.authority().is_none_or(|authority| local(authority.as_str()))
}

/// Returns the token of the one `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = one.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

fn answer(status: StatusCode, data: &Value) -> Response {
    let mut response = constant(Bytes::from(data.to_string() + "\n"));
    *response.status_mut() = status;
    response
}

fn constant(body: Bytes) -> Response {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

// Whoever asks has no shell that is known; most read a POSIX shell's quoting.
fn written(hint: Option<Hint>) -> Option<String> {
    hint.map(|hint| Shell::Bash.write_hint(&hint))
}

fn refusal(status: StatusCode, code: &str, message: &str, hint: Option<&str>) -> Response {
    answer(status, &json!({ "error": { "code": code, "message": message, "hint": hint } }))
}

// Runs what may block beside the connections.
async fn blocking(shared: &Shared, work: impl FnOnce() -> Response + Send + 'static) -> Response {
    let failed = || refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the answer could not be made", None);
    let Ok(turn) = Arc::clone(&shared.turns).acquire_owned().await else { return failed() };
    let work = move || {
        let _turn = turn;
        work()
    };
    spawn_blocking(work).await.unwrap_or_else(|_| failed())
}

async fn status(shared: &Shared) -> Response {
    let state = Arc::clone(&shared.state);
    blocking(shared, move || answer(StatusCode::OK, &describe(&state))).await
}

fn describe(state: &HttpState) -> Value {
    let HttpState { handler, run, .. } = state;
    let setup = handler.setup.current();
    let (keychain, why) = match setup.items.state() {
        Keychain::Ready => ("ready", None),
        Keychain::Locked if setup.settings.backend == Backend::EncryptedFile => {
            ("locked", Some(Unopened::Locked.to_string()))
        }
        Keychain::Locked => ("locked", Some("the keychain is locked".to_owned())),
        Keychain::Absent => ("absent", Some("there is no keychain".to_owned())),
        Keychain::Broken(why) => ("broken", Some(why)),
    };
    let now = (handler.clock)();
    let policy = handler.policy.current();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": run.pid,
        "started": run.started.to_string(),
        "socket": run.socket.to_string_lossy(),
        "http": run.http,
        "keychain": { "state": keychain, "message": why },
        "config": { "file": handler.setup.file().to_string_lossy(), "problem": handler.setup.problem() },
        "policy": {
            "file": handler.policy.file().to_string_lossy(),
            "problem": handler.policy.problem(),
            "registered": policy.registered_binaries,
        },
        "pending": handler.registrations.pending(now).map_or(0, |waiting| waiting.len()),
    })
}

async fn profiles(shared: &Shared) -> Response {
    let state = Arc::clone(&shared.state);
    blocking(shared, move || {
        let registry = Registry::new(&state.handler.paths);
        let profiles = Profiles::new(&state.handler.paths, &registry);
        let failed = |error: crate::profile::ProfileError| {
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "profiles", &error.to_string(), written(error.hint()).as_deref())
        };
        let names = match profiles.names() {
            Ok(names) => names,
            Err(error) => return failed(error),
        };
        let mut rows = Vec::new();
        for name in names {
            let bound = profiles.read(&name).and_then(|file| {
                file.bindings.keys().map(|agent| profiles.resolve(&file, agent)).collect::<Result<Vec<_>, _>>()
            });
            rows.push(match bound {
                Err(error) => json!({ "name": name, "problem": error.to_string() }),
                Ok(found) => {
                    let agents = found.iter().flatten().map(|bound| {
                        json!({
                            "agent": bound.agent.name,
                            "auth": bound.account.word(),
                            "provider": bound.account.provider().map(|at| &at.value.name),
                            "key": bound.account.key().map(|at| &at.value),
                            "endpoint": bound.account.base_url().map(|url| &url.value),
                        })
                    });
                    json!({ "name": name, "agents": agents.collect::<Vec<_>>() })
                }
            });
        }
        answer(StatusCode::OK, &json!({ "profiles": rows }))
    })
    .await
}

fn bad_query(why: &str) -> Response {
    refusal(StatusCode::BAD_REQUEST, "bad_query", why, Some("see /v1/openapi.json"))
}

/// Returns the values of these parameters, in their order; `None` for a query with an unknown or a repeated parameter.
pub(crate) fn parameters<const N: usize>(query: &str, names: [&str; N]) -> Option<[Option<String>; N]> {
    let mut values = [const { None }; N];
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let place = &mut values[names.iter().position(|known| *known == name)?];
        if place.replace(value.into_owned()).is_some() {
            return None;
        }
    }
    Some(values)
}

// It repeats nothing of the query, which may hold a key.
const UNREADABLE: &str = "a parameter is unknown, there twice, or no number where one is wanted";

async fn keys(shared: &Shared, query: &str) -> Response {
    let Some([prefix]) = parameters(query, ["prefix"]) else { return bad_query(UNREADABLE) };
    let prefix = prefix.unwrap_or_default();
    let state = Arc::clone(&shared.state);
    blocking(shared, move || {
        let setup = state.handler.setup.current();
        let wanted = |name: &str| name.starts_with(&prefix) && name.parse::<KeyName>().is_ok();
        match setup.items.list(SERVICE, Include::Names, &prefix, &wanted) {
            // The file that stands in for it has none, which is not what an empty keychain would mean.
            Ok(items) if items.is_empty() && setup.items.state() == Keychain::Absent => {
                let error =
                    StoreError::Absent(Missing::Keychain("it is not there yet, and the file has no keys".into()));
                refusal(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "keychain_absent",
                    &error.to_string(),
                    written(error.hint()).as_deref(),
                )
            }
            Ok(items) => {
                let names: Vec<String> = items.into_iter().map(|item| item.account).collect();
                answer(StatusCode::OK, &json!({ "keys": names }))
            }
            Err(error) => {
                let code = match error {
                    StoreError::Locked | StoreError::Unconfirmed | StoreError::Unopened(Unopened::Locked) => {
                        "keychain_locked"
                    }
                    StoreError::Absent(_) => "keychain_absent",
                    _ => "keychain_failed",
                };
                refusal(StatusCode::SERVICE_UNAVAILABLE, code, &error.to_string(), written(error.hint()).as_deref())
            }
        }
    })
    .await
}

struct Wanted {
    since: Option<String>,
    alias: Option<String>,
    agent: Option<String>,
    limit: Option<usize>,
}

impl Wanted {
    fn of(query: &str) -> Option<Self> {
        let [since, alias, agent, limit] = parameters(query, ["since", "alias", "agent", "limit"])?;
        let limit = limit.map(|limit| limit.parse()).transpose().ok()?;
        Some(Self { since, alias, agent, limit })
    }
}

async fn records(shared: &Shared, query: &str) -> Response {
    let Some(wanted) = Wanted::of(query) else { return bad_query(UNREADABLE) };
    let state = Arc::clone(&shared.state);
    blocking(shared, move || {
        let handler = &state.handler;
        let filter = match filter(&wanted, (handler.clock)()) {
            Ok(filter) => filter,
            Err(why) => return bad_query(&why),
        };
        let limit = wanted.limit.unwrap_or(USUAL_RECORDS).min(MOST_RECORDS);
        let setup = handler.setup.current();
        let path = setup.settings.audit.path.clone().unwrap_or_else(|| state.handler.paths.audit_log());
        // The latest ones, in the order in which they were written.
        let mut kept = VecDeque::new();
        let mut left_out = 0u64;
        let scan = audit::query(&path, &filter, |entry| {
            kept.push_back(serde_json::to_value(&entry).unwrap_or_default());
            if kept.len() > limit {
                kept.pop_front();
                left_out += 1;
            }
            ControlFlow::Continue(())
        });
        match scan {
            Ok(scan) => {
                let data = json!({ "records": kept, "left_out": left_out, "unreadable": scan.unreadable });
                answer(StatusCode::OK, &data)
            }
            Err(AuditError::Missing(_)) => {
                answer(StatusCode::OK, &json!({ "records": [], "left_out": 0, "unreadable": 0 }))
            }
            Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "audit", &error.to_string(), None),
        }
    })
    .await
}

fn filter(wanted: &Wanted, now: Timestamp) -> Result<Filter, String> {
    let since = wanted.since.as_deref().map(|text| parse_since(text, now)).transpose();
    let mut filter = Filter { since: since.map_err(|error| error.to_string())?, ..Filter::default() };
    let wrong = |error: crate::name::NameError| error.to_string();
    filter.agent = wanted.agent.as_deref().map(str::parse).transpose().map_err(wrong)?;
    wanted.alias.as_deref().map_or(Ok(()), |alias| filter.set_alias(alias)).map_err(wrong)?;
    Ok(filter)
}

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string() + "\n"));

/// The routes as an OpenAPI 3.1 document.
pub(crate) fn document() -> Value {
    let error = json!({ "$ref": "#/components/schemas/Error" });
    let failure = |what: &str| json!({ "description": what, "content": { "application/json": { "schema": error } } });
    let route = |summary: &str, parameters: Value, properties: Value| {
        json!({ "get": {
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "200": { "description": "as asked", "content": { "application/json": { "schema": {
                    "type": "object", "properties": properties,
                } } } },
                "400": failure("the query is wrong"),
                "401": failure("the token is missing or wrong; answered late"),
                "403": failure("the Host is not loopback's, or a web page asks"),
                "429": failure("too many wrong tokens"),
                "503": failure("the keychain is locked or absent, or the token's file cannot be used"),
            },
        } })
    };
    let text = json!({ "type": "string" });
    let number = json!({ "type": "integer" });
    let objects = json!({ "type": "array", "items": { "type": "object" } });
    let parameter = |name: &str, what: &str, schema: &Value| {
        let mut parameter = json!({ "name": name, "in": "query", "required": false, "description": what });
        parameter["schema"] = schema.clone();
        parameter
    };
    let mut health = route("Whether the daemon answers", json!([]), json!({ "status": text }));
    // The one route without the token.
    health["get"]["security"] = json!([]);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ringlet's daemon",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Names and states, on loopback; no route gives a key's value.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:8765" }],
        "security": [{ "token": [] }],
        "paths": {
            "/v1/health": health,
            "/v1/status": route("The daemon, its files and the keychain's state", json!([]), json!({
                "version": text, "pid": number, "started": text, "socket": text,
                "http": { "type": "array", "items": text }, "keychain": { "type": "object" },
                "config": { "type": "object" }, "policy": { "type": "object" }, "pending": number,
            })),
            "/v1/profiles": route("The profiles and what each agent gets", json!([]), json!({ "profiles": objects })),
            "/v1/keys": route(
                "Names of keys, never values",
                json!([parameter("prefix", "what names begin with, such as anthropic/", &text)]),
                json!({ "keys": { "type": "array", "items": text } }),
            ),
            "/v1/audit": route(
                "Who asked for which key",
                json!([
                    parameter("since", "30m, 24h, 7d, 2w, or a date", &text),
                    parameter("alias", "an alias, or PROVIDER/ALIAS", &text),
                    parameter("agent", "lookups for this agent", &text),
                    parameter("limit", "the latest so many; 1000 unless given", &number),
                ]),
                json!({ "records": objects, "left_out": number, "unreadable": number }),
            ),
            "/v1/openapi.json": route("This document", json!([]), json!({})),
        },
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Error": { "type": "object", "properties": { "error": {
                "type": "object",
                "properties": { "code": text, "message": text, "hint": { "type": ["string", "null"] } },
            } } } },
        },
    })
}
