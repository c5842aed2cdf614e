//! The daemon's protocol and policy, and the requests over HTTP.

use crate::daemon::Run;
use crate::daemon::http::{bearer, is_local, parameters};
use crate::daemon::policy::{Policy, decide};
use crate::daemon::protocol::{Action, MAX_NAME, MAX_REQUEST, Malformed, Match, Request};
use crate::store::PRIVATE_SERVICE;
use hyper::Uri;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::json;

/// A line is read or refused, and what was read keeps the documented rules and says all that the line said.
pub fn protocol(line: &[u8]) {
    let request = match Request::parse(line) {
        Ok(request) => request,
        // Only what is JSON leaves the connection open.
        Err(Malformed::Fields) => return assert!(serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()),
        Err(Malformed::Json) => return,
    };
    assert!(line.len() <= MAX_REQUEST);
    let write = request.action == Action::Write;
    let names = request.targets.iter().chain([&request.service]);
    assert!(names.into_iter().all(|name| !name.is_empty() && name.len() <= MAX_NAME && !name.contains('\0')));
    assert_eq!(request.values.len(), if write { request.targets.len() } else { 0 });
    assert!(!(write && request.matching == Match::Prefix));
    assert!(write || request.attributes.is_empty());
    assert!(request.action == Action::Search || !request.targets.is_empty());
    // A name is always meant by itself, and by no target that it does not begin with.
    for target in &request.targets {
        assert!(request.wants(target));
        assert!(!request.matches(target, &target[..target.len() - target.chars().last().map_or(0, char::len_utf8)]));
    }
    let again = Request::parse(written(&request).as_bytes()).expect("what was read can be written");
    assert_eq!(facts(&again), facts(&request));
}

/// A request is granted only what the policy's file says, of whichever of its programs asks. The policy is on the first
/// line, the request on the second.
pub fn policy(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (policy, line) = bytes.split_at(end);
    decision(policy, line.trim_ascii_start());
}

fn decision(policy: &[u8], line: &[u8]) {
    let Ok(policy) = serde_json::from_slice::<Policy>(policy) else { return };
    let written = serde_json::to_vec(&policy).expect("a policy serialises");
    assert_eq!(serde_json::from_slice::<Policy>(&written).expect("it reads back"), policy);
    let Ok(request) = Request::parse(line) else { return };
    for entry in &policy.registered_binaries {
        if decide(entry, &request, &[PRIVATE_SERVICE]).is_err() {
            continue;
        }
        let allowed = match request.action {
            Action::Read | Action::Search => &entry.allowed_read_services,
            Action::Write | Action::Delete => &entry.allowed_write_services,
        };
        assert!(allowed.contains(&request.service) && request.service != PRIVATE_SERVICE);
        assert!(entry.can_search || !request.enumerates());
    }
}

/// A request's target, then its headers, one a line. What is read of them is what they say, and only the daemon's own
/// address on loopback is taken for it.
pub fn http(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let Ok(uri) = Uri::try_from(lines.next().unwrap_or_default()) else { return };
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        let value = HeaderValue::from_bytes(value.get(1..).unwrap_or_default().trim_ascii());
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), value) else { return };
        headers.append(name, value);
    }
    let address = ([127, 0, 0, 1], 8765).into();
    let run = Run { pid: 1, started: Timestamp::UNIX_EPOCH, socket: "/run/agent.sock".into(), http: vec![address] };
    if is_local(&uri, &headers, &run) {
        let hosts: Vec<_> = headers.get_all(HOST).iter().map(|host| host.as_bytes().to_ascii_lowercase()).collect();
        let own = [&b"127.0.0.1:8765"[..], b"localhost:8765", b"[::1]:8765"];
        assert!(hosts.len() == 1 && own.contains(&hosts[0].as_slice()), "{hosts:?}");
        assert!(
            uri.authority().is_none_or(|authority| own.contains(&authority.as_str().to_ascii_lowercase().as_bytes()))
        );
    }
    if let Some(token) = bearer(&headers) {
        let all: Vec<_> = headers.get_all(AUTHORIZATION).iter().collect();
        assert!(all.len() == 1 && all[0].as_bytes()[7..].trim_ascii() == token, "{all:?}");
    }
    const NAMES: [&str; 2] = ["since", "limit"];
    if let Some(values) = parameters(uri.query().unwrap_or_default(), NAMES) {
        let pairs = NAMES.iter().zip(&values).filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let written = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        assert_eq!(parameters(&written, NAMES).expect("what was read can be written"), values);
    }
}

// The request as a client would send it.
fn written(request: &Request) -> String {
    let action = match request.action {
        Action::Read => "read",
        Action::Write => "write",
        Action::Delete => "delete",
        Action::Search => "search",
    };
    let mut all = json!({
        "type": "REQUEST",
        "action": action,
        "service": request.service,
        "targets": request.targets,
        "match": if request.matching == Match::Prefix { "prefix" } else { "exact" },
        "match_boundary": request.at_boundary,
        "attributes": request.attributes.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
    });
    if request.action == Action::Write {
        let values = request.values.iter().map(|value| String::from_utf8_lossy(value.expose()).into_owned());
        all["values"] = values.collect();
    }
    all.to_string()
}

fn facts(request: &Request) -> String {
    let values: Vec<&[u8]> = request.values.iter().map(|value| value.expose()).collect();
    let Request { action, service, matching, targets, attributes, at_boundary, .. } = request;
    format!("{action:?} {service:?} {matching:?} {targets:?} {values:?} {attributes:?} {at_boundary}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn some_request() -> impl Strategy<Value = Value> {
        let action = prop_oneof![Just("read"), Just("write"), Just("delete"), Just("search"), Just("list")];
        let targets = prop::collection::vec(prop_oneof!["[ab]{0,2}", "\\PC{0,3}", "a\\x00"], 0..4);
        let values = prop::option::of(prop::collection::vec("\\PC{0,3}", 0..4));
        let matching = prop::option::of(prop_oneof![Just("exact"), Just("prefix"), Just("")]);
        (action, "tool|other|ringlet-migrate|", targets, values, matching, any::<bool>(), 0..20u8).prop_map(
            |(action, service, targets, values, matching, boundary, odd)| {
                let mut all = json!({ "type": "REQUEST", "action": action, "service": service, "targets": targets });
                let fields = all.as_object_mut().expect("an object");
                fields.extend(values.map(|values| ("values".into(), json!(values))));
                fields.extend(matching.map(|matching| ("match".into(), json!(matching))));
                fields.extend(boundary.then(|| ("match_boundary".into(), json!(true))));
                fields.extend((odd == 0).then(|| ("more".into(), json!(1))));
                fields.extend((odd == 1).then(|| ("attributes".into(), json!({ "a": "b" }))));
                all
            },
        )
    }

    proptest! {
        #[test]
        fn any_line_is_read_by_the_rules(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            super::protocol(&bytes);
        }

        #[test]
        fn any_request_is_read_by_the_rules(
            request in some_request(), at in any::<prop::sample::Index>(), byte in prop::option::of(any::<u8>()),
        ) {
            let mut line = request.to_string().into_bytes();
            if let Some(byte) = byte {
                let at = at.index(line.len());
                line[at] = byte;
            }
            super::protocol(&line);
        }

        #[test]
        fn nothing_is_granted_that_no_policy_names(
            request in some_request(),
            read in prop::collection::vec("tool|other|ringlet-migrate", 0..2),
            write in prop::collection::vec("tool|other|ringlet-migrate", 0..2),
            search in any::<bool>(),
        ) {
            let policy = json!({ "protocol_version": "1", "registered_binaries": [{
                "path": "/bin/a", "hash": format!("sha256:{}", "0".repeat(64)), "registered_at": "",
                "allowed_read_services": read, "allowed_write_services": write, "can_search": search,
            }] });
            super::decision(policy.to_string().as_bytes(), request.to_string().as_bytes());
        }
    }
}
