//! What passes the broker: which requests, and which of their headers. Pure functions.
//!
//! Only what is listed passes. A request keeps its path; its query and its headers lose every credential, and the
//! account's own is put in their place.

use crate::https::is_plain;
use crate::registry::Protocol;
use crate::secret::same;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Version};
use serde::{Deserialize, Serialize};

/// The header that carries the account's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Credential {
    /// `Authorization: Bearer KEY`
    Bearer,
    /// `x-api-key: KEY`
    XApiKey,
    /// `x-goog-api-key: KEY`
    XGoogApiKey,
}

/// What is done with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It goes to the provider, with this path and query.
    Forward(String),
    /// The broker itself answers with 200 and an empty body, as clients want that look whether a server is there.
    Empty,
    /// It does not pass.
    Refused(Wrong),
}

/// Why a request does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It asks for another protocol on the same connection.
    Upgrade,
    /// The provider's API has no such path, or none that an agent needs.
    Path,
    /// The path could be read in two ways.
    Ambiguous,
    /// The method is none that an API uses.
    Method,
    /// The request is not of the form that a client sends to a server.
    Form,
}

// Headers that name or hold a credential. `Cookie` would be one of another session.
const CREDENTIALS: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("api-key"),
];

// Headers that concern one connection alone (RFC 9110, section 7.6.1). `Expect` is answered here.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

// The names of the pairs in a query that hold a credential, in small letters and without `-` and `_`.
const KEYS: [&str; 10] = [
    "key",
    "apikey",
    "xapikey",
    "xgoogapikey",
    "token",
    "accesstoken",
    "oauthtoken",
    "authtoken",
    "auth",
    "authorization",
];

// Gemini's methods that give their whole answer at once.
const METHODS: [&str; 5] =
    ["generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"];

// The paths of an API below its base URL: whole ones, and with `/` at the end everything below one.
fn paths(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Anthropic => &["/v1/messages", "/v1/messages/", "/v1/models", "/v1/models/"],
        // One server offers both, and agents choose between them by the model.
        Protocol::Chat | Protocol::Responses => {
            &["/chat/completions", "/responses", "/responses/", "/models", "/models/"]
        }
        Protocol::Gemini => &["/v1beta/models/"],
        Protocol::Own => &[],
    }
}

/// Decides about a request. `prefix` is the path of the account's endpoint, without a slash at its end.
pub(crate) fn judge(parts: &Parts, protocol: Protocol, prefix: &str) -> Passage {
    if parts.method == Method::CONNECT || parts.uri.scheme().is_some() || parts.uri.authority().is_some() {
        return Passage::Refused(Wrong::Form);
    }
    if parts.version != Version::HTTP_11 || parts.headers.get_all(header::HOST).iter().count() != 1 {
        return Passage::Refused(Wrong::Form);
    }
    if parts.headers.contains_key(header::UPGRADE) {
        return Passage::Refused(Wrong::Upgrade);
    }
    // Some servers take the method from a header, and then the request is another one than it was judged as.
    let names_method = |name: &HeaderName| name.as_str().contains("method-override") || name == "x-http-method";
    if parts.headers.keys().any(names_method) {
        return Passage::Refused(Wrong::Method);
    }
    let has_body = parts.headers.contains_key(header::TRANSFER_ENCODING)
        || parts.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    if parts.method != Method::POST && has_body {
        return Passage::Refused(Wrong::Form);
    }
    let path = parts.uri.path();
    if path == "/" && (parts.method == Method::GET || parts.method == Method::HEAD) {
        return Passage::Empty;
    }
    if !is_plain(path) {
        return Passage::Refused(Wrong::Ambiguous);
    }
    if !path.strip_prefix(prefix).is_some_and(|path| is_one_of(path, paths(protocol))) {
        return Passage::Refused(Wrong::Path);
    }
    if ![Method::GET, Method::POST].contains(&parts.method) {
        return Passage::Refused(Wrong::Method);
    }
    match parts.uri.query().map(without_key) {
        None => Passage::Forward(path.to_owned()),
        Some(query) if query.is_empty() => Passage::Forward(path.to_owned()),
        Some(query) => Passage::Forward(format!("{path}?{query}")),
    }
}

fn is_one_of(path: &str, all: &[&str]) -> bool {
    let below = |allowed: &&str| match allowed.strip_suffix('/') {
        Some(_) => path.len() > allowed.len() && path.starts_with(*allowed),
        None => path == *allowed,
    };
    all.iter().any(below)
}

/// Reports whether a request that passes is one question with one answer, or reads the list of models. All others begin
/// work that is not seen here, or fetch its results, so they cannot be counted. `prefix` is that of [`judge`].
pub(crate) fn is_countable(method: &Method, path: &str, protocol: Protocol, prefix: &str) -> bool {
    let Some(path) = path.strip_prefix(prefix) else { return false };
    if *method == Method::GET {
        return is_one_of(path, &["/v1/models", "/v1/models/", "/models", "/models/", "/v1beta/models/"]);
    }
    match protocol {
        Protocol::Anthropic => is_one_of(path, &["/v1/messages", "/v1/messages/count_tokens"]),
        Protocol::Chat | Protocol::Responses => {
            is_one_of(path, &["/chat/completions", "/responses", "/responses/compact", "/responses/input_tokens"])
        }
        Protocol::Gemini => path.rsplit_once(':').is_some_and(|(_, name)| METHODS.contains(&name)),
        Protocol::Own => false,
    }
}

/// Returns the model that Gemini's path names, between `models/` and the method.
pub(crate) fn model_in_path<'a>(path: &'a str, protocol: Protocol, prefix: &str) -> Option<&'a str> {
    let below = path.strip_prefix(prefix).filter(|_| protocol == Protocol::Gemini)?;
    let rest = below.strip_prefix("/v1beta/models/")?;
    Some(rest.rsplit_once(':').map_or(rest, |(name, _)| name))
}

// Takes the pairs of a query out that hold a key. The other ones stay as they are.
fn without_key(query: &str) -> String {
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_key(pair)).collect();
    kept.join("&")
}

fn is_key(pair: &str) -> bool {
    let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| KEYS.contains(&plain(&name).as_str()))
}

/// Reports whether a request holds the token of this launch, where a client may put a key.
pub(crate) fn has_token(parts: &Parts, token: &[u8]) -> bool {
    let values = parts.headers.iter().filter(|(name, _)| CREDENTIALS.contains(name)).map(|(_, value)| value.as_bytes());
    let bare = |value: &[u8]| {
        let scheme = value.get(..7).filter(|start| start.eq_ignore_ascii_case(b"bearer "));
        same(scheme.map_or(value, |_| &value[7..]), token)
    };
    let pairs = parts.uri.query().into_iter().flat_map(|query| query.split('&')).filter(|pair| is_key(pair));
    let mut in_query = pairs.flat_map(|pair| form_urlencoded::parse(pair.as_bytes()));
    // Every header is compared, so that the time does not depend on which one matches.
    let in_header = values.fold(false, |found, value| bare(value) | found);
    in_header || in_query.any(|(_, value)| same(value.as_bytes(), token))
}

/// Replaces the headers of one connection and every credential by what the provider is to get.
pub(crate) fn dress(headers: &mut HeaderMap, host: &HeaderValue, credential: Credential, key: &[u8]) {
    undress(headers);
    for name in &CREDENTIALS {
        headers.remove(name);
    }
    headers.insert(header::HOST, host.clone());
    // The `usage` of an answer can be read only if the answer is not compressed.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let (name, before) = match credential {
        Credential::Bearer => (header::AUTHORIZATION, &b"Bearer "[..]),
        Credential::XApiKey => (HeaderName::from_static("x-api-key"), &b""[..]),
        Credential::XGoogApiKey => (HeaderName::from_static("x-goog-api-key"), &b""[..]),
    };
    let mut value = HeaderValue::from_bytes(&[before, key].concat()).expect("a key of one line fits a header");
    value.set_sensitive(true);
    headers.insert(name, value);
}

/// Takes the headers out that concern one connection alone, and those that `Connection` names.
pub(super) fn undress(headers: &mut HeaderMap) {
    // Of a message that says it twice, the length is the wrong one (RFC 9112, section 6.3).
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> =
        named.flat_map(|names| names.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn parts(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(target).header("host", "127.0.0.1:1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn judged(method: &str, target: &str, protocol: Protocol, prefix: &str) -> Passage {
        judge(&parts(method, target, &[]), protocol, prefix)
    }

    #[test]
    fn the_paths_of_the_api_pass_and_no_others() {
        use Protocol::{Anthropic, Chat, Gemini, Own, Responses};
        for (protocol, prefix, path) in [
            (Anthropic, "", "/v1/messages"),
            (Anthropic, "", "/v1/messages/count_tokens"),
            (Anthropic, "/anthropic", "/anthropic/v1/messages"),
            (Anthropic, "", "/v1/models"),
            (Chat, "/v1", "/v1/chat/completions"),
            (Chat, "/api/paas/v4", "/api/paas/v4/chat/completions"),
            (Chat, "/v1", "/v1/responses"),
            (Responses, "/openai/v1", "/openai/v1/responses"),
            (Responses, "/v1", "/v1/responses/resp_1"),
            (Responses, "/v1", "/v1/models/a%3Ab"),
            (Gemini, "", "/v1beta/models/gemini-3:streamGenerateContent"),
        ] {
            assert_eq!(judged("POST", path, protocol, prefix), Passage::Forward(path.to_owned()), "{path}");
        }
        for (protocol, prefix, path) in [
            (Anthropic, "", "/v1/messagesx"),
            (Anthropic, "", "/v1/organizations/api_keys"),
            (Anthropic, "", "/v1/files"),
            (Anthropic, "/anthropic", "/v1/messages"),
            (Anthropic, "/anthropic", "/anthropicx/v1/messages"),
            (Chat, "/v1", "/v1/embeddings"),
            (Chat, "/v1", "/v1/chat/completions/x"),
            (Chat, "/v1", "/v1"),
            (Gemini, "", "/v1beta/models"),
            (Gemini, "", "/v1beta/cachedContents"),
            (Own, "", "/v1/messages"),
        ] {
            assert_eq!(judged("POST", path, protocol, prefix), Passage::Refused(Wrong::Path), "{path}");
        }
    }

    #[test]
    fn a_path_that_could_be_read_in_two_ways_does_not_pass() {
        for path in [
            "/v1/models/..",
            "/v1/models/../messages",
            "/v1/models/.",
            "/v1/models/%2e%2e/x",
            "/v1/models/%2E./x",
            "/v1/models/a%2fb",
            "/v1/models/a%5cb",
            "/v1/models/a%00",
            "/v1/models/a%252e",
            "/v1/models/a%zz",
            "/v1/models/a%2",
            "/v1/models//x",
            "/v1/models/a;b",
            "/v1/models/",
            "//v1/messages",
        ] {
            assert_eq!(judged("GET", path, Protocol::Anthropic, ""), Passage::Refused(Wrong::Ambiguous), "{path}");
        }
    }

    #[test]
    fn other_methods_forms_and_upgrades_are_refused() {
        let refused = |wrong| Passage::Refused(wrong);
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "FOO"] {
            assert_eq!(judged(method, "/v1/messages", Protocol::Anthropic, ""), refused(Wrong::Method), "{method}");
        }
        let form =
            |method, target, headers: &[(&str, &str)]| judge(&parts(method, target, headers), Protocol::Anthropic, "");
        assert_eq!(form("POST", "http://api.anthropic.com/v1/messages", &[]), refused(Wrong::Form));
        assert_eq!(form("CONNECT", "api.anthropic.com:443", &[]), refused(Wrong::Form));
        assert_eq!(form("POST", "/v1/messages", &[("host", "other")]), refused(Wrong::Form));
        assert_eq!(form("GET", "/v1/messages", &[("upgrade", "websocket")]), refused(Wrong::Upgrade));
        let mut old = parts("POST", "/v1/messages", &[]);
        old.version = Version::HTTP_10;
        assert_eq!(judge(&old, Protocol::Anthropic, ""), refused(Wrong::Form));
        for name in ["x-http-method-override", "X-Method-Override", "x-http-method"] {
            assert_eq!(form("GET", "/v1/messages", &[(name, "DELETE")]), refused(Wrong::Method), "{name}");
        }
        for (name, value) in [("content-length", "1"), ("transfer-encoding", "chunked")] {
            assert_eq!(form("GET", "/v1/models", &[(name, value)]), refused(Wrong::Form), "{name}");
        }
        let empty = Passage::Forward("/v1/models".into());
        assert_eq!(form("GET", "/v1/models", &[("content-length", "0")]), empty);
        assert_eq!(form("HEAD", "/", &[]), Passage::Empty);
        assert_eq!(form("GET", "/", &[]), Passage::Empty);
        assert_eq!(form("POST", "/", &[]), refused(Wrong::Ambiguous));
    }

    #[test]
    fn only_a_question_with_one_answer_can_be_counted() {
        use Protocol::{Anthropic, Chat, Gemini, Own, Responses};
        for (is, method, path, protocol, prefix) in [
            (true, "POST", "/v1/messages", Anthropic, ""),
            (true, "POST", "/a/v1/messages/count_tokens", Anthropic, "/a"),
            (false, "POST", "/v1/messages/batches", Anthropic, ""),
            (false, "GET", "/v1/messages/batches/b/results", Anthropic, ""),
            (false, "GET", "/v1/messages", Anthropic, ""),
            (true, "GET", "/v1/models", Anthropic, ""),
            (true, "POST", "/v1/chat/completions", Chat, "/v1"),
            (true, "POST", "/v1/responses", Responses, "/v1"),
            (true, "POST", "/v1/responses/compact", Responses, "/v1"),
            (false, "GET", "/v1/responses/resp_1", Responses, "/v1"),
            (false, "POST", "/v1/responses/resp_1/cancel", Responses, "/v1"),
            (true, "GET", "/v1/models/a", Responses, "/v1"),
            (true, "POST", "/v1beta/models/g:streamGenerateContent", Gemini, ""),
            (false, "POST", "/v1beta/models/g:batchGenerateContent", Gemini, ""),
            (false, "POST", "/v1beta/models/g:predictLongRunning", Gemini, ""),
            (false, "POST", "/v1beta/models/g", Gemini, ""),
            (false, "POST", "/v1/messages", Own, ""),
        ] {
            let method = method.parse().expect("a method");
            assert_eq!(is_countable(&method, path, protocol, prefix), is, "{method} {path}");
        }
    }

    #[test]
    fn the_model_is_read_from_the_apis_own_part_of_the_path() {
        let of = |path, prefix| model_in_path(path, Protocol::Gemini, prefix);
        assert_eq!(of("/v1beta/models/g-3:generateContent", ""), Some("g-3"));
        assert_eq!(of("/models/x:y/v1beta/models/g:countTokens", "/models/x:y"), Some("g"));
        assert_eq!(of("/v1beta/models/g", ""), Some("g"));
        assert_eq!(of("/other/v1beta/models/g:countTokens", "/prefix"), None);
        assert_eq!(model_in_path("/v1/models/g", Protocol::Chat, ""), None);
    }

    #[test]
    fn a_key_in_the_query_is_taken_out_and_all_else_stays() {
        for (query, kept) in [
            ("key=t", ""),
            ("alt=sse&key=t", "?alt=sse"),
            ("%6bey=t&KEY=u&beta=true", "?beta=true"),
            ("monkey=1&keys=2&a", "?monkey=1&keys=2&a"),
            ("access_token=t&oauth_token=u&pageToken=v&API-KEY=w", "?pageToken=v"),
        ] {
            let path = "/v1beta/models/g:x";
            let passed = judged("POST", &format!("{path}?{query}"), Protocol::Gemini, "");
            assert_eq!(passed, Passage::Forward(format!("{path}{kept}")), "{query}");
        }
    }

    #[test]
    fn the_token_is_found_wherever_a_client_puts_a_key() {
        let token = b"0123456789abcdef";
        let with = |headers: &[(&str, &str)]| has_token(&parts("POST", "/", headers), token);
        for headers in [
            &[("authorization", "Bearer 0123456789abcdef")][..],
            &[("authorization", "bearer 0123456789abcdef")],
            &[("x-api-key", "0123456789abcdef")],
            &[("x-goog-api-key", "0123456789abcdef")],
            &[("api-key", "0123456789abcdef")],
            &[("authorization", "Bearer sk-other"), ("x-api-key", "0123456789abcdef")],
            &[("x-api-key", "sk-other"), ("x-api-key", "0123456789abcdef")],
        ] {
            assert!(with(headers), "{headers:?}");
        }
        for headers in [
            &[][..],
            &[("authorization", "Bearer 0123456789abcdeg")],
            &[("authorization", "Bearer ")],
            &[("x-api-key", "")],
            &[("x-token", "0123456789abcdef")],
        ] {
            assert!(!with(headers), "{headers:?}");
        }
        assert!(has_token(&parts("POST", "/?a=b&key=0123456789abcdef", &[]), token));
        assert!(!has_token(&parts("POST", "/?akey=0123456789abcdef", &[]), token));
    }

    #[test]
    fn the_provider_gets_one_credential_the_right_one() {
        let headers = [
            ("authorization", "Bearer token"),
            ("x-api-key", "token"),
            ("x-api-key", "sk-other"),
            ("x-goog-api-key", "token"),
            ("api-key", "token"),
            ("cookie", "a=b"),
            ("proxy-authorization", "Basic eA=="),
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("accept-encoding", "gzip, br"),
            ("content-encoding", "zstd"),
            ("anthropic-beta", "a"),
            ("anthropic-beta", "b"),
        ];
        for (credential, wanted) in [
            (Credential::Bearer, ("authorization", "Bearer sk-real")),
            (Credential::XApiKey, ("x-api-key", "sk-real")),
            (Credential::XGoogApiKey, ("x-goog-api-key", "sk-real")),
        ] {
            let mut map = parts("POST", "/", &headers).headers;
            dress(&mut map, &HeaderValue::from_static("api.x.org"), credential, b"sk-real");
            let mut left: Vec<_> =
                map.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
            left.sort_unstable();
            let mut expected = vec![
                ("accept-encoding", "identity"),
                ("anthropic-beta", "a"),
                ("anthropic-beta", "b"),
                ("content-encoding", "zstd"),
                ("host", "api.x.org"),
                wanted,
            ];
            expected.sort_unstable();
            assert_eq!(left, expected);
            assert!(!format!("{map:?}").contains("sk-real"));
        }
    }
}
