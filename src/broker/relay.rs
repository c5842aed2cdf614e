//! Carries one request of the agent to the provider, and its answer back.

use super::body::{self, Model, Received, Sent};
use super::order::Order;
use super::passage::{self, Passage, Wrong};
use super::refusal::Refusal;
use crate::https::{Client, HttpsError, Origin, Roots};
use crate::platform;
use crate::registry::matches;
use crate::secret::Secret;
use crate::usage::{self, Counts, Limits, Meter, Stop};
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri};
use jiff::Zoned;
use jiff::civil::Date;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An answer: the provider's, as it comes, or one of the broker's own.
pub(super) type Answer = Response<Either<Received, Full<Bytes>>>;

// The key, why it is not used any more, and when it ends by the boot clock.
struct Held {
    value: Arc<Secret>,
    ended: Option<String>,
    ends: Option<Duration>,
}

/// The way of a launch's requests.
pub(super) struct Relay {
    order: Order,
    token: Secret,
    key: Mutex<Held>,
    origin: Origin,
    host: HeaderValue,
    client: Client<Sent>,
    meter: Arc<Mutex<Meter>>,
}

impl Relay {
    /// The way to the endpoint of an order.
    pub(super) fn new(order: Order, token: Secret, key: Secret) -> io::Result<Self> {
        // The plan has judged it.
        let origin = Origin::of(&order.endpoint).ok_or_else(|| io::Error::other("the endpoint is no URL"))?;
        let host = HeaderValue::from_str(&origin.authority).map_err(io::Error::other)?;
        let roots = if origin.tls { Roots::load(&order.roots) } else { Roots::none() };
        let client = Client::new(&origin, &order.proxy, &roots);
        let launch = usage::Origin {
            launch: String::from_utf8_lossy(&Secret::fresh()?.expose()[..16]).into_owned(),
            agent: order.agent.to_string(),
            profile: order.profile.to_string(),
            directory: order.cwd.to_string_lossy().into_owned(),
        };
        let meter = Meter::new(order.usage.clone(), order.key.clone(), order.limits, launch);
        let key = Mutex::new(Held { value: Arc::new(key), ended: None, ends: None });
        Ok(Self { order, token, key, origin, host, client, meter: Arc::new(Mutex::new(meter)) })
    }

    /// Takes another value of the key for all further requests, which ends at that time of the boot clock.
    pub(super) fn take_key(&self, value: Secret, ends: Option<Duration>) {
        *self.held_key() = Held { value: Arc::new(value), ended: None, ends };
    }

    /// Has the key end at that time of the boot clock, whatever becomes of those who keep it alive.
    pub(super) fn let_end(&self, ends: Option<Duration>) {
        self.held_key().ends = ends;
    }

    /// Refuses further requests, for this reason, until there is another value.
    pub(super) fn end_key(&self, why: String) {
        self.held_key().ended = Some(why);
    }

    fn held_key(&self) -> MutexGuard<'_, Held> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self) -> Result<Arc<Secret>, Refusal> {
        let held = self.held_key();
        let is_over = held.ends.is_some_and(|ends| !is_before(ends));
        let why = match &held.ended {
            None if !is_over => return Ok(Arc::clone(&held.value)),
            None => "its store did not renew it in time",
            Some(why) => why,
        };
        let message = format!("the store's lease of the key {} has ended: {why}", self.order.key);
        Err(Refusal::new(StatusCode::BAD_REQUEST, message))
    }

    pub(super) fn order(&self) -> &Order {
        &self.order
    }

    /// Ends the counts, and returns what the launch has used.
    pub(super) fn used(&self) -> Counts {
        let mut meter = held(&self.meter);
        meter.end();
        meter.total()
    }

    /// Makes an answer of the broker's own.
    pub(super) fn refused(&self, refusal: &Refusal) -> Answer {
        refusal.answer(self.order.protocol).map(Either::Right)
    }

    /// Carries a request of a process that may spend. If the returned future or the answer's body is dropped, the
    /// request to the provider ends.
    pub(super) async fn carry(&self, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let (mut parts, body) = request.into_parts();
        let target = match passage::judge(&parts, self.order.protocol, &self.origin.path) {
            Passage::Forward(target) => target,
            Passage::Empty => return Ok(Response::new(Either::Right(Full::default()))),
            Passage::Refused(wrong) => return Err(self.does_not_pass(wrong, parts.uri.path())),
        };
        if !passage::has_token(&parts, self.token.expose()) {
            let message = format!(
                "the request holds no key, or another one than {} was given for this launch; look for a key in the \
                 agent's own settings",
                self.order.command
            );
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, message));
        }
        if let Some(ends) = self.order.lease_ends
            && !is_before(ends)
        {
            let key = &self.order.key;
            let message = format!("the lease of the key {key} has ended; `ringlet lease grant` gives a new one");
            // Claude Code shows its login dialog after a 403.
            return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
        }
        let key = self.key()?;
        let has_limit = self.order.models.is_some() || self.order.limits != Limits::default();
        if has_limit && !passage::is_countable(&parts.method, parts.uri.path(), self.order.protocol, &self.origin.path)
        {
            return Err(self.limited("the request begins or fetches work that cannot be counted"));
        }
        let (body, counted) = self.admitted(&parts, body).await?;
        passage::dress(&mut parts.headers, &self.host, self.order.credential, key.expose());
        parts.uri = target.parse::<Uri>().expect("a part of a valid target");
        parts.extensions.clear();
        let sent = self.client.send(Request::from_parts(parts, body)).await;
        let answer = sent.map_err(|error| self.unreached(&error, counted.as_ref()))?;
        let (mut parts, body) = answer.into_parts();
        passage::undress(&mut parts.headers);
        parts.extensions.clear();
        let is_events = starts_with(&parts.headers, "text/event-stream");
        let is_readable = !parts.headers.contains_key(CONTENT_ENCODING);
        let meter = Arc::clone(&self.meter);
        let body = Received::new(body, is_events, is_readable, move |tokens| {
            let Some(Counted { day, asked, sent }) = counted else { return };
            let (counts, answered) = tokens.end();
            let model = body::named(&sent);
            held(&meter).answered(day, asked.as_deref(), model.as_deref().or(answered), counts);
        });
        Ok(Response::from_parts(parts, Either::Left(body)))
    }

    // Counts a request that asks a model, or stops it. A rule about models is held before the request leaves.
    async fn admitted(&self, parts: &Parts, body: Incoming) -> Result<(Sent, Option<Counted>), Refusal> {
        let sent = Model::default();
        if parts.method != Method::POST {
            return Ok((Sent::as_it_comes(body, sent), None));
        }
        let in_path = passage::model_in_path(parts.uri.path(), self.order.protocol, &self.origin.path);
        let in_path = in_path.map(str::to_owned);
        let (body, asked) = match &self.order.models {
            None => (Sent::as_it_comes(body, Arc::clone(&sent)), in_path),
            Some(allowed) => {
                let (body, name) = match in_path {
                    Some(name) => (Some(Sent::as_it_comes(body, Arc::clone(&sent))), Some(name)),
                    None if parts.headers.contains_key(CONTENT_ENCODING) => (None, None),
                    None => {
                        let body = Sent::once_named(body, Arc::clone(&sent)).await;
                        (body, body::named(&sent))
                    }
                };
                let (Some(body), Some(name)) = (body, name) else {
                    return Err(self.limited("the request names no model that can be read, and `models` limits it"));
                };
                if !allowed.iter().any(|pattern| matches(pattern, &name)) {
                    return Err(self.limited(&format!("`models` does not allow {}", shown(&name))));
                }
                (body, Some(name))
            }
        };
        let day = Zoned::now().date();
        match held(&self.meter).admit(day, asked.as_deref()) {
            Ok(()) => Ok((body, Some(Counted { day, asked, sent }))),
            Err(Stop::Requests(most)) => Err(self.limited(&format!("all {most} requests of today were made"))),
            Err(Stop::Tokens(most)) => Err(self.limited(&format!("all {most} tokens of today were used"))),
            Err(Stop::Unknown(error)) => Err(self.limited(&format!("what was used today cannot be told: {error}"))),
        }
    }

    // Claude Code shows its login dialog after a 403.
    fn limited(&self, why: &str) -> Refusal {
        let place = self.order.rule.as_ref().map(|rule| format!("; see {rule}")).unwrap_or_default();
        Refusal::new(StatusCode::BAD_REQUEST, format!("the key {} stays here: {why}{place}", self.order.key))
    }

    fn does_not_pass(&self, wrong: Wrong, path: &str) -> Refusal {
        let refused = |status, message: String| Refusal::new(status, message).recorded();
        match wrong {
            // Clients try it, and then do without.
            Wrong::Upgrade => {
                Refusal::new(StatusCode::UPGRADE_REQUIRED, "the broker speaks plain HTTP alone, no WebSocket")
            }
            Wrong::Path => refused(
                StatusCode::NOT_FOUND,
                format!(
                    "the broker passes the paths of {} at {} alone, not {path}",
                    self.order.protocol, self.order.endpoint
                ),
            ),
            Wrong::Ambiguous => {
                refused(StatusCode::BAD_REQUEST, "the path of the request can be read in two ways".into())
            }
            Wrong::Method => refused(
                StatusCode::METHOD_NOT_ALLOWED,
                "the broker passes GET and POST alone, as the request line says it".into(),
            ),
            Wrong::Form => refused(StatusCode::BAD_REQUEST, "the request is not one of a client to a server".into()),
        }
    }

    fn unreached(&self, error: &HttpsError, counted: Option<&Counted>) -> Refusal {
        if let (false, Some(Counted { day, asked, .. })) = (error.may_have_left(), counted) {
            held(&self.meter).withdraw(*day, asked.as_deref());
        }
        Refusal::new(StatusCode::BAD_GATEWAY, format!("{} did not answer: {error}", self.order.endpoint))
    }
}

// A request that was counted, and the model that it asks for.
struct Counted {
    day: Date,
    asked: Option<String>,
    sent: Model,
}

// Whether it is before that time of the boot clock. Where the clock cannot be read, it is not.
fn is_before(end: Duration) -> bool {
    platform::boot_clock().is_ok_and(|now| now < end)
}

fn held(meter: &Mutex<Meter>) -> MutexGuard<'_, Meter> {
    meter.lock().unwrap_or_else(PoisonError::into_inner)
}

fn starts_with(headers: &HeaderMap, kind: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind)))
}

fn shown(model: &str) -> String {
    model.chars().filter(|c| !c.is_control()).take(80).collect()
}
