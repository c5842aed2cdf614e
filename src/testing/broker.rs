//! What reaches the broker: requests of any form, and bodies of any size.

use crate::broker::Credential;
use crate::broker::heads::{Framing, Framings, Heads};
use crate::broker::json::{Finder, Found, Way, decoded};
use crate::broker::passage::{self, Passage};
use crate::registry::Protocol;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TOKEN: &[u8] = b"0123456789abcdef0123456789abcdef";
const KEY: &[u8] = b"sk-TEST-key";

/// What passes goes to a path of the API below the endpoint, whatever the server makes of it, with one credential. The
/// first line is the method and the target, the others are headers.
pub fn request(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let (method, target) = first.split_once(' ').unwrap_or(("GET", &first));
    let mut request = Request::builder().method(method).uri(target).header("host", "127.0.0.1:1");
    for line in lines {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        request = request.header(name, value.strip_prefix(b":").unwrap_or_default());
    }
    let Ok(request) = request.body(()) else { return };
    let (mut parts, ()) = request.into_parts();
    let has_token = passage::has_token(&parts, TOKEN);
    assert!(!has_token || contains(&percent_decoded(bytes), TOKEN));
    for (protocol, prefix) in [
        (Protocol::Anthropic, ""),
        (Protocol::Anthropic, "/api/anthropic"),
        (Protocol::Chat, "/v1"),
        (Protocol::Responses, "/openai/v1"),
        (Protocol::Gemini, ""),
        (Protocol::Own, ""),
    ] {
        let Passage::Forward(target) = passage::judge(&parts, protocol, prefix) else { continue };
        assert_ne!(protocol, Protocol::Own);
        let uri: Uri = target.parse().expect("what passes is a target");
        assert!(uri.scheme().is_none() && uri.authority().is_none());
        let path = uri.path().strip_prefix(prefix).expect("it stays below the endpoint");
        let first = path.trim_start_matches('/').split('/').find(|part| !part.starts_with("v1")).unwrap_or_default();
        assert!(["messages", "models", "responses", "chat"].contains(&first), "{path}");
        // However often it is decoded, it leads nowhere else.
        let mut read = uri.path().as_bytes().to_vec();
        for _ in 0..3 {
            let text = String::from_utf8_lossy(&read);
            assert!(!text.contains("//") && !text.contains('\\'), "{text}");
            assert!(text.split('/').all(|part| part != "." && part != ".."), "{text}");
            read = percent_decoded(&read);
        }
        assert!(uri.query().is_none_or(|query| {
            form_urlencoded::parse(query.as_bytes()).all(|(name, _)| !name.eq_ignore_ascii_case("key"))
        }));
    }
    for (credential, own) in [
        (Credential::Bearer, "authorization"),
        (Credential::XApiKey, "x-api-key"),
        (Credential::XGoogApiKey, "x-goog-api-key"),
    ] {
        let mut headers = std::mem::take(&mut parts.headers);
        passage::dress(&mut headers, &HeaderValue::from_static("api.example.com"), credential, KEY);
        assert_dressed(&headers, own);
        parts.headers = headers;
    }
}

fn assert_dressed(headers: &HeaderMap, own: &str) {
    let all = |name: &HeaderName| headers.get_all(name).iter().count();
    for name in headers.keys() {
        let word = name.as_str();
        let is_credential = word.contains("authorization") || word.ends_with("api-key") || word == "cookie";
        assert!(!is_credential || word == own || !KNOWN.contains(&word), "{word}");
        assert!(
            !["connection", "te", "transfer-encoding", "upgrade", "keep-alive", "expect"].contains(&word),
            "{word}"
        );
    }
    let own: HeaderName = own.parse().expect("a name");
    assert_eq!((all(&own), all(&HeaderName::from_static("host"))), (1, 1));
    assert!(headers[&own].as_bytes().ends_with(KEY));
    assert_eq!(headers["accept-encoding"], "identity");
}

const KNOWN: [&str; 6] = ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-goog-api-key", "api-key"];

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).filter(|_| *first == b'%');
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(byte.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    decoded
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

/// The server sees the end of each request where it was read along. The first byte is how the rest comes in pieces.
pub fn framing(bytes: &[u8]) {
    let Some((size, stream)) = bytes.split_first() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(serve(stream, usize::from(*size).max(1)));
}

async fn serve(stream: &[u8], size: usize) {
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let framings = Framings::default();
    // What ended a connection, by the broker's own rules.
    let is_over = RefCell::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        let framing = framings.next();
        let is_over = &is_over;
        async move {
            assert!(!*is_over.borrow(), "no request comes after one whose end is not followed");
            let mut answer = Response::new(Full::<Bytes>::default());
            match framing.expect("each request was read along") {
                Framing::Unclear => *is_over.borrow_mut() = true,
                Framing::Chunked => {
                    assert!(request.headers().contains_key("transfer-encoding"));
                    *is_over.borrow_mut() = true;
                }
                Framing::Bare => {
                    let body = request.into_body().collect().await;
                    assert!(body.is_ok_and(|body| body.to_bytes().is_empty()));
                }
                Framing::Length(length) => {
                    if let Ok(body) = request.into_body().collect().await {
                        assert_eq!(body.to_bytes().len() as u64, length);
                    }
                }
            }
            if *is_over.borrow() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(Heads::new(server, framings.clone())), service);
    let (mut answers, mut requests) = tokio::io::split(&mut client);
    let send = async {
        for piece in stream.chunks(size) {
            // The server may have closed meanwhile.
            if requests.write_all(piece).await.is_err() {
                break;
            }
        }
        let _ = requests.shutdown().await;
    };
    let read = async {
        let mut all = Vec::new();
        let _ = answers.read_to_end(&mut all).await;
    };
    let _ = tokio::join!(served, send, read);
}

const WAYS: &[Way] = &[&["model"], &["usage"], &["message", "usage"]];

/// In what is JSON the values are found that a parser finds, in pieces of any size; anything else ends.
pub fn json(bytes: &[u8]) {
    let Some((size, text)) = bytes.split_first() else { return };
    let found = |size: usize| {
        let (mut finder, mut all) = (Finder::new(WAYS), Vec::new());
        for piece in text.chunks(size) {
            finder.read(piece, |found| {
                all.push(match found {
                    Found::Text(way, text) => (way, decoded(text).map(serde_json::Value::from)),
                    Found::Object(way, text) => (way, serde_json::from_slice(text).ok()),
                    Found::Other(way) => (way, None),
                });
            });
        }
        (all, finder.is_lost())
    };
    let whole = found(text.len().max(1));
    assert_eq!(whole, found(usize::from(*size).max(1)));
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(text) else { return };
    let (all, is_lost) = whole;
    assert!(!is_lost);
    for (number, way) in WAYS.iter().enumerate() {
        let wanted = way.iter().try_fold(&value, |value, name| value.as_object()?.get(*name));
        // A parser keeps the last one of a name.
        let last = all.iter().rev().find(|(way, _)| *way == number).map(|(_, value)| value.as_ref());
        match wanted {
            Some(wanted @ (serde_json::Value::String(_) | serde_json::Value::Object(_))) => {
                let is_long = wanted.to_string().len() > 1024;
                assert!(is_long || last.is_some_and(|last| last == Some(wanted)), "{way:?} of {value}");
            }
            Some(_) => assert_eq!(last, Some(None), "{way:?} of {value}"),
            None => {}
        }
    }
}
