//! The messages between the daemon and its clients: types, and their form as lines of JSON. No I/O.
//!
//! The protocol is keychain-auth's (its documentation of versions 2.1 to 3): one JSON object a line, a request of at
//! most 64 KiB, one response to each. What its documentation calls malformed is refused here: unknown or repeated
//! fields, an empty prefix, NUL, a prefix write. `match_boundary` is Ringlet's own extension. Values travel in
//! [`Secret`]s; no error repeats anything of a line.

use crate::secret::Secret;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// The longest request, its newline not counted, in bytes.
pub(crate) const MAX_REQUEST: usize = 64 * 1024;

/// The longest service or target, in bytes: what every keychain takes.
pub(crate) const MAX_NAME: usize = 1024;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Reads values.
    Read,
    /// Stores values.
    Write,
    /// Deletes entries.
    Delete,
    /// Lists names.
    Search,
}

/// How targets are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Match {
    /// A target is a whole name.
    #[default]
    Exact,
    /// A target is the beginning of names.
    Prefix,
}

/// A well-formed request.
#[derive(Debug)]
pub struct Request {
    /// What it asks for.
    pub action: Action,
    /// The service.
    pub service: String,
    /// How targets are matched; those of a search are always prefixes.
    pub matching: Match,
    /// The names or prefixes; empty only for a search, which then finds all.
    pub targets: Vec<String>,
    /// The value of each target of a write; empty for other actions.
    pub values: Vec<Secret>,
    /// The attributes that are stored with the values.
    pub attributes: Vec<(String, String)>,
    /// Whether a prefix ends at a `/` or `:` only, so that `proj_1` does not match `proj_10`.
    pub at_boundary: bool,
}

impl Request {
    /// Reports whether an answer needs a listing of names.
    pub fn enumerates(&self) -> bool {
        self.action == Action::Search || self.matching == Match::Prefix
    }

    /// Reports whether a target matches a name.
    pub fn matches(&self, target: &str, name: &str) -> bool {
        if !self.enumerates() {
            return target == name;
        }
        let Some(rest) = name.strip_prefix(target) else { return false };
        let ends = |text: &str| text.ends_with(['/', ':']);
        !self.at_boundary || rest.is_empty() || ends(target) || rest.starts_with(['/', ':'])
    }

    /// Returns the prefix that all matching names have; empty where none is known.
    pub fn prefix(&self) -> &str {
        match self.targets.as_slice() {
            [target] => target,
            _ => "",
        }
    }

    /// Reports whether any of the targets matches a name. Without targets every name matches.
    pub fn wants(&self, name: &str) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|target| self.matches(target, name))
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// It is not JSON, so that nothing tells where the next message begins: the connection ends.
    Json,
    /// It is JSON, but no request of this protocol.
    Fields,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(rename = "type")]
    kind: Kind,
    action: Action,
    service: String,
    #[serde(default, rename = "match")]
    matching: Match,
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    values: Option<Vec<Value>>,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    match_boundary: bool,
}

#[derive(Deserialize)]
enum Kind {
    #[serde(rename = "REQUEST")]
    Request,
}

/// A value on its way in; the text is moved, not copied.
struct Value(Secret);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value(Secret::new(text.as_bytes().to_vec())))
            }
            fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
                Ok(Value(Secret::new(text.into_bytes())))
            }
        }
        from.deserialize_str(Text)
    }
}

/// String attributes, none of them twice.
#[derive(Default)]
struct Attributes(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Attributes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut pairs = BTreeMap::new();
                while let Some((name, text)) = map.next_entry()? {
                    if pairs.insert(name, text).is_some() {
                        return Err(de::Error::custom("an attribute twice"));
                    }
                }
                Ok(Attributes(pairs))
            }
        }
        from.deserialize_map(Pairs)
    }
}

impl Request {
    /// Reads a line, its newline taken off.
    pub fn parse(line: &[u8]) -> Result<Self, Malformed> {
        if line.len() > MAX_REQUEST {
            return Err(Malformed::Json);
        }
        // Whole JSON that is no request of this protocol leaves the next line readable.
        // (What is passed over is not looked at for UTF-8, without which it is no JSON either.)
        let is_json = || std::str::from_utf8(line).is_ok() && serde_json::from_slice::<de::IgnoredAny>(line).is_ok();
        let malformed = || if is_json() { Malformed::Fields } else { Malformed::Json };
        // An array would be taken for the fields in their order.
        if !line.trim_ascii_start().starts_with(b"{") {
            return Err(malformed());
        }
        let wire: Wire = serde_json::from_slice(line).map_err(|_| malformed())?;
        let Kind::Request = wire.kind;
        let values = wire.values.map(|values| values.into_iter().map(|value| value.0).collect::<Vec<_>>());
        let request = Self {
            action: wire.action,
            service: wire.service,
            matching: wire.matching,
            targets: wire.targets,
            values: values.unwrap_or_default(),
            attributes: wire.attributes.0.into_iter().collect(),
            at_boundary: wire.match_boundary,
        };
        if request.is_sound() { Ok(request) } else { Err(Malformed::Fields) }
    }

    fn is_sound(&self) -> bool {
        let name = |text: &str| !text.is_empty() && text.len() <= MAX_NAME && !text.contains('\0');
        let write = self.action == Action::Write;
        let counted = if write { self.values.len() == self.targets.len() } else { self.values.is_empty() };
        let mut seen: Vec<&str> = self.targets.iter().map(String::as_str).collect();
        seen.sort_unstable();
        name(&self.service)
            && self.targets.iter().all(|target| name(target))
            && (self.action == Action::Search || !self.targets.is_empty())
            && counted
            // The same target twice in one write has no one value; elsewhere it is a slip of the client's.
            && (!write || seen.windows(2).all(|pair| pair[0] != pair[1]))
            && !(write && self.matching == Match::Prefix)
            && (write || self.attributes.is_empty())
            && self.attributes.iter().all(|(key, text)| name(key) && text.len() <= MAX_NAME && !text.contains('\0'))
            && (self.enumerates() || !self.at_boundary)
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// It was done.
    Success,
    /// The policy refuses it.
    Denied,
    /// It could not be done.
    Error,
}

/// Why a request was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// Nobody has registered the client; the connection ends.
    UnregisteredBinaryPendingApproval,
    /// The client may not use the service so.
    ServiceNotAllowed,
    /// The client may not do that, whatever the service.
    ActionNotInPolicy,
    /// The line is no request.
    MalformedRequest,
    /// The keychain or the audit log failed.
    InternalError,
}

impl Reason {
    /// Returns the status of an answer with this reason.
    pub(crate) fn status(self) -> Status {
        match self {
            Self::MalformedRequest | Self::InternalError => Status::Error,
            _ => Status::Denied,
        }
    }

    /// Returns the protocol's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::UnregisteredBinaryPendingApproval => "unregistered_binary_pending_approval",
            Self::ServiceNotAllowed => "service_not_allowed",
            Self::ActionNotInPolicy => "action_not_in_policy",
            Self::MalformedRequest => "malformed_request",
            Self::InternalError => "internal_error",
        }
    }
}

/// One entry of an answer.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its name.
    pub target: String,
    /// Its value, as text; never in a search.
    pub value: Option<Secret>,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    /// How it ended.
    pub status: Status,
    /// Why it was not done.
    pub reason: Option<Reason>,
    /// What was found.
    pub results: Vec<Found>,
}

impl Response {
    /// It was done.
    pub(crate) fn success(results: Vec<Found>) -> Self {
        Self { status: Status::Success, reason: None, results }
    }

    /// It was not done.
    pub(crate) fn refused(reason: Reason) -> Self {
        Self { status: reason.status(), reason: Some(reason), results: Vec::new() }
    }

    /// The line, with its newline. Fails where a value is not text, which JSON cannot carry.
    pub(crate) fn to_line(&self) -> Result<Zeroizing<Vec<u8>>, std::str::Utf8Error> {
        for found in &self.results {
            found.value.as_ref().map_or(Ok(""), |value| std::str::from_utf8(value.expose()))?;
        }
        // Room for every value with all of it escaped, so that the buffer never moves and leaves a copy behind.
        let sizes = self.results.iter().map(|found| {
            let attributes: usize = found.attributes.iter().map(|(name, text)| 6 * (name.len() + text.len()) + 8).sum();
            6 * (found.target.len() + found.value.as_ref().map_or(0, Secret::len)) + attributes + 64
        });
        let mut line = Zeroizing::new(Vec::with_capacity(sizes.sum::<usize>() + 256));
        serde_json::to_writer(&mut *line, self).expect("strings and lists always serialise");
        line.push(b'\n');
        Ok(line)
    }
}

impl Serialize for Response {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            status: Status,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<Reason>,
            #[serde(skip_serializing_if = "<[Found]>::is_empty")]
            results: &'a [Found],
        }
        Line { kind: "RESPONSE", status: self.status, reason: self.reason, results: &self.results }.serialize(to)
    }
}

impl Serialize for Found {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            target: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            value: Option<&'a str>,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            attributes: BTreeMap<&'a str, &'a str>,
        }
        let text = |value: &'_ Secret| std::str::from_utf8(value.expose()).map(str::to_owned);
        debug_assert!(self.value.as_ref().is_none_or(|value| text(value).is_ok()), "checked before");
        let value = self.value.as_ref().and_then(|value| std::str::from_utf8(value.expose()).ok());
        let attributes = self.attributes.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Line { target: &self.target, value, attributes }.serialize(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Request, Malformed> {
        Request::parse(text.as_bytes())
    }

    const READ: &str = r#"{"type":"REQUEST","action":"read","service":"tool","targets":["a","b"]}"#;

    #[test]
    fn the_documented_requests_are_understood() {
        let read = parse(READ).expect("well formed");
        assert_eq!((read.action, read.matching, read.service.as_str()), (Action::Read, Match::Exact, "tool"));
        assert_eq!(read.targets, ["a", "b"]);
        let write = parse(
            r#"{"type":"REQUEST","action":"write","service":"your-tool","targets":["production/x"],
                "values":["sk-proj-456"],"attributes":{"env":"prod"}}"#,
        )
        .expect("well formed");
        assert_eq!(write.values[0].expose(), b"sk-proj-456");
        assert_eq!(write.attributes, [("env".to_owned(), "prod".to_owned())]);
        let delete = r#"{"type":"REQUEST","action":"delete","service":"t","match":"prefix","targets":["p/"]}"#;
        assert_eq!(parse(delete).expect("well formed").matching, Match::Prefix);
        let search = parse(r#"{"type":"REQUEST","action":"search","service":"t"}"#).expect("well formed");
        assert!(search.wants("anything") && search.enumerates());
    }

    #[test]
    fn what_is_not_documented_is_malformed() {
        let fields = [
            r#"{"type":"RESPONSE","action":"read","service":"t","targets":["a"]}"#,
            r#"{"action":"read","service":"t","targets":["a"]}"#,
            r#"{"type":"REQUEST","action":"READ","service":"t","targets":["a"]}"#,
            r#"{"type":"REQUEST","action":"list","service":"t","targets":["a"]}"#,
            r#"{"type":"REQUEST","action":"read","service":"","targets":["a"]}"#,
            r#"{"type":"REQUEST","action":"read","service":"t","targets":[]}"#,
            r#"{"type":"REQUEST","action":"read","service":"t"}"#,
            r#"{"type":"REQUEST","action":"read","service":"t","targets":"a"}"#,
            r#"{"type":"REQUEST","action":"read","service":"t","targets":[""]}"#,
            r#"{"type":"REQUEST","action":"read","service":"t","match":"prefix","targets":["a",""]}"#,
            r#"{"type":"REQUEST","action":"search","service":"t","targets":[""]}"#,
            r#"{"type":"REQUEST","action":"delete","service":"t","match":"prefix","targets":[""]}"#,
            r#"{"type":"REQUEST","action":"read","service":"t","targets":["a\u0000b"]}"#,
            r#"{"type":"REQUEST","action":"read","service":"t\u0000","targets":["a"]}"#,
            r#"{"type":"REQUEST","action":"read","service":"t","targets":["a"],"token":"x"}"#,
            r#"{"type":"REQUEST","action":"read","service":"t","targets":["a"],"targets":["b"]}"#,
            r#"{"type":"REQUEST","action":"read","service":"t","service":"t","targets":["b"]}"#,
            r#"{"type":"REQUEST","action":"read","service":"t","targets":["a"],"values":["v"]}"#,
            r#"{"type":"REQUEST","action":"write","service":"t","targets":["a"]}"#,
            r#"{"type":"REQUEST","action":"write","service":"t","targets":["a","b"],"values":["v"]}"#,
            r#"{"type":"REQUEST","action":"write","service":"t","targets":["a","a"],"values":["v","w"]}"#,
            r#"{"type":"REQUEST","action":"write","service":"t","targets":["a"],"values":[7]}"#,
            r#"{"type":"REQUEST","action":"write","service":"t","match":"prefix","targets":["a"],"values":["v"]}"#,
            r#"{"type":"REQUEST","action":"write","service":"t","targets":["a"],"values":["v"],"attributes":{"x":1}}"#,
            r#"{"type":"REQUEST","action":"write","service":"t","targets":["a"],"values":["v"],
                "attributes":{"x":"1","x":"2"}}"#,
            r#"{"type":"REQUEST","action":"read","service":"t","match":"glob","targets":["a"]}"#,
            r#"{"type":"REQUEST","action":"read","service":"t","targets":["a"],"match_boundary":true}"#,
            r#"["REQUEST"]"#,
            r#"["REQUEST","read","t","exact",["a"]]"#,
            "7",
            "null",
        ];
        for text in fields {
            assert_eq!(parse(text).map(drop), Err(Malformed::Fields), "{text}");
        }
        // However deep it goes, it is JSON, and is looked through without going down.
        let deep = format!(r#"{{"type":{}"REQUEST"{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(parse(&deep).map(drop), Err(Malformed::Fields));
        let long =
            format!(r#"{{"type":"REQUEST","action":"read","service":"t","targets":["{}"]}}"#, "a".repeat(MAX_REQUEST));
        for text in ["", "{", "hello", "{} {}", "\u{0}", &READ[..40], long.as_str()] {
            assert_eq!(parse(text).map(drop), Err(Malformed::Json), "{}", &text[..text.len().min(40)]);
        }
        for bytes in [&b"\xff"[..], b"{\"unknown\":\"\xff\"}"] {
            assert_eq!(Request::parse(bytes).map(drop), Err(Malformed::Json));
        }
    }

    #[test]
    fn a_request_of_exactly_64_kib_is_taken() {
        let frame = r#"{"type":"REQUEST","action":"write","service":"t","targets":["a"],"values":[""]}"#.len();
        let request = |fill: usize| {
            let value = "v".repeat(fill);
            format!(r#"{{"type":"REQUEST","action":"write","service":"t","targets":["a"],"values":["{value}"]}}"#)
        };
        assert!(parse(&request(MAX_REQUEST - frame)).is_ok());
        assert_eq!(parse(&request(MAX_REQUEST - frame + 1)).map(drop), Err(Malformed::Json));
    }

    #[test]
    fn a_prefix_matches_the_string_and_with_a_boundary_only_whole_parts() {
        let request =
            |boundary: bool| Request { at_boundary: boundary, matching: Match::Prefix, ..parse(READ).expect("sound") };
        assert!(request(false).matches("proj_1", "proj_10:x"));
        assert!(!request(true).matches("proj_1", "proj_10:x"));
        for (target, name) in [("proj_1", "proj_1:x"), ("proj_1:", "proj_1:x"), ("a/b", "a/b/c"), ("a/b", "a/b")] {
            assert!(request(true).matches(target, name), "{target} {name}");
        }
        assert!(!request(false).matches("b", "a/b"));
    }

    #[test]
    fn answers_have_the_documented_form() {
        let line = |response: Response| String::from_utf8(response.to_line().expect("text").to_vec()).expect("UTF-8");
        assert_eq!(
            line(Response::refused(Reason::ServiceNotAllowed)),
            "{\"type\":\"RESPONSE\",\"status\":\"denied\",\"reason\":\"service_not_allowed\"}\n"
        );
        assert_eq!(
            line(Response::refused(Reason::MalformedRequest)),
            "{\"type\":\"RESPONSE\",\"status\":\"error\",\"reason\":\"malformed_request\"}\n"
        );
        assert_eq!(line(Response::success(vec![])), "{\"type\":\"RESPONSE\",\"status\":\"success\"}\n");
        let found = Found {
            target: "a\"b".into(),
            value: Some(Secret::new(b"sk\n1".to_vec())),
            attributes: vec![("env".into(), "prod".into())],
        };
        assert_eq!(
            line(Response::success(vec![found])),
            "{\"type\":\"RESPONSE\",\"status\":\"success\",\"results\":[{\"target\":\"a\\\"b\",\"value\":\"sk\\n1\",\
             \"attributes\":{\"env\":\"prod\"}}]}\n"
        );
        let bytes = Found { target: "a".into(), value: Some(Secret::new(vec![0xff])), attributes: vec![] };
        assert!(Response::success(vec![bytes]).to_line().is_err());
    }

    #[test]
    fn every_reason_has_its_word() {
        for reason in [
            Reason::UnregisteredBinaryPendingApproval,
            Reason::ServiceNotAllowed,
            Reason::ActionNotInPolicy,
            Reason::MalformedRequest,
            Reason::InternalError,
        ] {
            assert_eq!(serde_json::to_value(reason).expect("serialises"), reason.word());
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Request::parse(&bytes);
        }

        #[test]
        fn a_request_with_any_one_byte_changed_is_read_or_refused(at in 0..READ.len(), byte in any::<u8>()) {
            let mut line = READ.as_bytes().to_vec();
            line[at] = byte;
            if let Ok(request) = Request::parse(&line) {
                prop_assert!(request.is_sound());
            }
        }

        #[test]
        fn values_and_names_survive_the_way(target in "\\PC{1,40}", value in "[^\\x00]{0,200}", text in "\\PC{0,20}") {
            let line = serde_json::json!({
                "type": "REQUEST", "action": "write", "service": "t", "targets": [target], "values": [value],
                "attributes": {"note": text},
            });
            let request = Request::parse(line.to_string().as_bytes()).expect("well formed");
            prop_assert_eq!(request.values[0].expose(), value.as_bytes());
            let mut values = request.values;
            let found = Found { target: target.clone(), value: values.pop(), attributes: request.attributes };
            let line = Response::success(vec![found]).to_line().expect("text");
            let back: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
            prop_assert_eq!(&back["results"][0]["target"], &serde_json::Value::from(target));
            prop_assert_eq!(&back["results"][0]["value"], &serde_json::Value::from(value));
            prop_assert_eq!(&back["results"][0]["attributes"]["note"], &serde_json::Value::from(text));
        }
    }
}
