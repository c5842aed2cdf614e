//! The same promises over every protocol that the broker speaks.

use super::upstream::{Upstream, answer};
use super::{counted, launch_of, said, sum, world_with};
use crate::common::world::{KEY, World};

/// What one protocol has in other places than the next one.
struct Protocol {
    name: &'static str,
    provider: &'static str,
    // The endpoint's path.
    prefix: &'static str,
    path: &'static str,
    outside: &'static str,
    header: &'static str,
    before: &'static str,
    // The answer, and the tokens that it names: read, cached, written.
    answer: &'static str,
    tokens: (u64, u64, u64),
    // The way to the message of an error.
    error: &'static [&'static str],
}

const PROTOCOLS: [Protocol; 4] = [
    Protocol {
        name: "anthropic",
        provider: "anthropic",
        prefix: "/a",
        path: "/v1/messages",
        outside: "/v1/files",
        header: "x-api-key",
        before: "",
        answer: r#"{"model":"m","usage":{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":3}}"#,
        tokens: (5, 2, 3),
        error: &["error", "type"],
    },
    Protocol {
        name: "chat",
        provider: "openai",
        prefix: "/api/paas/v4",
        path: "/chat/completions",
        outside: "/embeddings",
        header: "authorization",
        before: "Bearer ",
        answer: r#"{"model":"m","usage":{"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":2}}}"#,
        tokens: (5, 2, 3),
        error: &["error", "code"],
    },
    Protocol {
        name: "responses",
        provider: "openai",
        prefix: "/v1",
        path: "/responses",
        outside: "/files",
        header: "authorization",
        before: "Bearer ",
        answer: r#"{"model":"m","usage":{"input_tokens":7,"input_tokens_details":{"cached_tokens":2},"output_tokens":3}}"#,
        tokens: (5, 2, 3),
        error: &["error", "code"],
    },
    Protocol {
        name: "gemini",
        provider: "google",
        prefix: "/gateway/models/x",
        path: "/v1beta/models/m:generateContent",
        outside: "/v1beta/cachedContents",
        header: "x-goog-api-key",
        before: "",
        answer: r#"{"usageMetadata":{"promptTokenCount":7,"cachedContentTokenCount":2,"candidatesTokenCount":1,"thoughtsTokenCount":2}}"#,
        tokens: (5, 2, 3),
        error: &["error", "status"],
    },
];

/// A world with an agent of the user's own that speaks the protocol.
fn speaking(protocol: &Protocol, upstream: &Upstream, script: &str) -> World {
    let world = world_with(upstream, "", script);
    let definition = format!(
        "title = \"Mine\"\ncommand = \"mine\"\nprovider = \"{}\"\n[[api]]\nprotocol = \"{}\"\nkey = \"ANTHROPIC_API_KEY\"\n\
         base-url = \"ANTHROPIC_BASE_URL\"\n",
        protocol.provider, protocol.name
    );
    world.write("home/.config/ringlet/agents/mine.toml", definition);
    std::fs::rename(world.path("bin/claude"), world.path("bin/mine")).expect("renamed");
    world.profile(
        "work",
        &format!(
            "agent = \"mine\"\nprovider = \"{0}\"\nendpoint = \"{1}{2}\"\ndelivery = \"broker\"\n[provider-config]\n\
             key-alias = \"work\"\n",
            protocol.provider,
            upstream.url(),
            protocol.prefix
        ),
    );
    if protocol.provider != "anthropic" {
        world.store_key(&format!("{}/work", protocol.provider), KEY);
    }
    world
}

#[test]
fn each_protocol_carries_the_key_in_its_own_header_and_says_no_in_its_own_form() {
    for protocol in &PROTOCOLS {
        let text = protocol.answer;
        let upstream = Upstream::new(move |_, stream| {
            answer(stream, "200 OK", "content-type: application/json\r\n", text.as_bytes())
        });
        let script = format!(
            "say(base=HERE.path, status=post({0:?})[0], query=post({0:?} + '?alt=x&key=' + TOKEN, headers={{'x-api-key': ''}})[0])\n\
             for path, token in (({1:?}, TOKEN), ({0:?}, 'another')):\n\
             \x20   status, _, body = post(path, headers={{'x-api-key': token}})\n\
             \x20   say(status=status, body=json.loads(body))",
            protocol.path, protocol.outside
        );
        let world = speaking(protocol, &upstream, &script);
        let name = protocol.name;
        let all = said(launch_of(&world, "mine"));
        let first = serde_json::json!({ "base": protocol.prefix, "status": 200, "query": 200 });
        assert_eq!(all[0], first, "{name}");
        for (said, status) in [(&all[1], 404), (&all[2], 401)] {
            assert_eq!(said["status"], status, "{name}: {said}");
            let kind = protocol.error.iter().fold(&said["body"], |value, key| &value[*key]);
            assert!(kind.is_string(), "{name}: {said}");
            let message = said["body"]["error"]["message"].as_str().expect("a message");
            assert!(message.starts_with("ringlet: "), "{name}: {message}");
        }
        let seen = upstream.seen();
        assert_eq!(seen.len(), 2, "{name}");
        for request in &seen {
            assert_eq!(request.all(protocol.header), [format!("{}{KEY}", protocol.before)], "{name}");
            for other in ["authorization", "x-api-key", "x-goog-api-key", "api-key"] {
                assert!(other == protocol.header || request.all(other).is_empty(), "{name}: {other}");
            }
        }
        assert_eq!(seen[0].line, format!("POST {}{} HTTP/1.1", protocol.prefix, protocol.path));
        assert_eq!(seen[1].line, format!("POST {}{}?alt=x HTTP/1.1", protocol.prefix, protocol.path), "no key in it");
        let lines = counted(&world);
        let (input, cached, output) = protocol.tokens;
        assert_eq!((sum(&lines, "requests"), sum(&lines, "measured")), (2, 2), "{name}");
        let read = (sum(&lines, "input"), sum(&lines, "cached"), sum(&lines, "output"));
        assert_eq!(read, (2 * input, 2 * cached, 2 * output), "{name}");
        let models: Vec<_> = lines.iter().filter(|line| line["requests"] != 0).map(|line| &line["model"]).collect();
        assert_eq!(models, ["m"], "{name}");
    }
}

#[test]
fn a_rule_about_models_holds_over_each_protocol() {
    for protocol in &PROTOCOLS {
        let upstream = Upstream::plain();
        let other = protocol.path.replace("/m:", "/other:");
        let script = format!(
            "say(allowed=post({:?}, b'{{\"model\":\"m\"}}')[0], other=post({other:?}, b'{{\"model\":\"other\"}}')[0])",
            protocol.path
        );
        let world = speaking(protocol, &upstream, &script);
        world.configure(&format!("[scope.\"{}/work\"]\nmodels = [\"m\"]\n", protocol.provider));
        let all = said(launch_of(&world, "mine"));
        assert_eq!(all[0], serde_json::json!({ "allowed": 200, "other": 400 }), "{}", protocol.name);
        assert_eq!(upstream.seen().len(), 1, "{}", protocol.name);
    }
}
