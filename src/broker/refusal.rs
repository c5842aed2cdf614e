//! The broker's own answers, in the form of the provider's errors, so that the agent shows them to a person.

use crate::registry::Protocol;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

/// An answer that is not the provider's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// A sentence for the person, which names the next step.
    pub(super) message: String,
    /// Whether the request is recorded, since no client of the API sends it.
    pub(super) is_recorded: bool,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), is_recorded: false }
    }

    pub(super) fn recorded(self) -> Self {
        Self { is_recorded: true, ..self }
    }

    /// Makes the answer. The connection ends with it, since the rest of the request was perhaps not read.
    pub(super) fn answer(&self, protocol: Protocol) -> Response<Full<Bytes>> {
        let message = format!("ringlet: {}", self.message);
        let kind = self.kind();
        let body = match protocol {
            Protocol::Anthropic => json!({ "type": "error", "error": { "type": kind, "message": message } }),
            Protocol::Gemini => json!({ "error": {
                "code": self.status.as_u16(), "message": message, "status": self.google_status(),
            } }),
            Protocol::Chat | Protocol::Responses | Protocol::Own => json!({ "error": {
                "message": message, "type": kind, "param": null, "code": kind,
            } }),
        };
        let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        // What the libraries of Anthropic and OpenAI follow. A refusal does not change at once; a provider that was not
        // reached may be there a moment later.
        if !self.status.is_server_error() {
            headers.insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"));
        }
        response
    }

    fn kind(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::NOT_FOUND => "not_found_error",
            status if status.is_server_error() => "api_error",
            _ => "invalid_request_error",
        }
    }

    fn google_status(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
            StatusCode::FORBIDDEN => "PERMISSION_DENIED",
            StatusCode::NOT_FOUND => "NOT_FOUND",
            status if status.is_server_error() => "UNAVAILABLE",
            _ => "INVALID_ARGUMENT",
        }
    }
}
