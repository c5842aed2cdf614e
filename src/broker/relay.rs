//! Carries one request of the agent to the provider, and its answer back.

use super::order::Order;
use super::passage::{self, Passage, Wrong};
use super::refusal::Refusal;
use crate::https::{Client, HttpsError, Origin, Roots};
use crate::platform;
use crate::secret::Secret;
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Request, Response, StatusCode, Uri};

/// An answer: the provider's, as it comes, or one of the broker's own.
pub(super) type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// The way of a launch's requests.
pub(super) struct Relay {
    order: Order,
    token: Secret,
    key: Secret,
    origin: Origin,
    host: HeaderValue,
    // Why no request can leave, such as a file of certificates that cannot be read.
    client: Result<Client<Incoming>, HttpsError>,
}

impl Relay {
    /// The way to the endpoint of an order. `None` if the endpoint is none.
    pub(super) fn new(order: Order, token: Secret, key: Secret) -> Option<Self> {
        let origin = Origin::of(&order.endpoint)?;
        let host = HeaderValue::from_str(&origin.authority).ok()?;
        let client = Roots::load(&order.roots).map(|roots| Client::new(&origin, &order.proxies, &roots));
        Some(Self { order, token, key, origin, host, client })
    }

    pub(super) fn order(&self) -> &Order {
        &self.order
    }

    /// Answers a request of a process that may spend. If the returned future or the answer's body is dropped, the
    /// request to the provider ends.
    pub(super) async fn carry(&self, request: Request<Incoming>) -> Answer {
        match self.forward(request).await {
            Ok(answer) => answer,
            Err(refusal) => self.refused(&refusal),
        }
    }

    /// Makes an answer of the broker's own.
    pub(super) fn refused(&self, refusal: &Refusal) -> Answer {
        refusal.answer(self.order.protocol).map(Either::Right)
    }

    async fn forward(&self, request: Request<Incoming>) -> Result<Answer, Refusal> {
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
            && !platform::boot_clock().is_ok_and(|now| now < ends)
        {
            let key = &self.order.key;
            let message =
                format!("the lease of the key {key} has ended; run `ringlet lease grant {key}` and start again");
            // Claude Code shows its login dialog after a 403.
            return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
        }
        passage::dress(&mut parts.headers, &self.host, self.order.credential, self.key.expose());
        parts.uri = target.parse::<Uri>().expect("a part of a valid target");
        parts.extensions.clear();
        let client = self.client.as_ref().map_err(|error| self.unreached(error))?;
        let answer = client.send(Request::from_parts(parts, body)).await.map_err(|error| self.unreached(&error))?;
        let (mut parts, body) = answer.into_parts();
        passage::undress(&mut parts.headers);
        parts.extensions.clear();
        Ok(Response::from_parts(parts, Either::Left(body)))
    }

    fn does_not_pass(&self, wrong: Wrong, path: &str) -> Refusal {
        let refused = |status, message: String| Refusal::new(status, message);
        match wrong {
            Wrong::Upgrade => {
                refused(StatusCode::UPGRADE_REQUIRED, "the broker speaks plain HTTP alone, no WebSocket".into())
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
            Wrong::Method => refused(StatusCode::METHOD_NOT_ALLOWED, "the broker passes GET and POST alone".into()),
            Wrong::Form => refused(StatusCode::BAD_REQUEST, "the request is not one of a client to a server".into()),
        }
    }

    fn unreached(&self, error: &HttpsError) -> Refusal {
        Refusal::new(StatusCode::BAD_GATEWAY, format!("{} did not answer: {error}", self.order.endpoint))
    }
}
