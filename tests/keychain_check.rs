//! `ringlet keychain check`: whether a provider takes a key, asked at the key's own endpoint alone.

use crate::broker::upstream::{Upstream, answer};
use crate::common::world::{KEY, World};
use serde_json::{Value, json};
use std::sync::{Arc, Barrier};

const SECRET: &str = "sk-TESTTESTTESTTESTTESTTEST";

/// A world with a provider of the user's own at this upstream, and the other lines of its definition.
fn world_at(upstream: &Upstream, more: &str) -> World {
    let world = World::new();
    provider(&world, "mine", &upstream.url(), more);
    world.store_key("mine/work", SECRET);
    world
}

fn provider(world: &World, name: &str, url: &str, more: &str) {
    let text = format!(
        "title = \"Mine\"\nvariable = \"MINE_API_KEY\"\nconsole = \"https://mine.example/keys\"\n\
         [endpoints.default]\nchat = \"{url}/v1\"\n{more}"
    );
    world.write(format!("home/.config/ringlet/providers/{name}.toml"), text);
}

const CHECK: &str = "[check]\nchat = \"/models\"\n";

fn results(world: &World, words: &[&str]) -> (Option<i32>, Vec<(String, String, String)>) {
    let done = world.run(&[&["--json", "keychain", "check"], words].concat());
    assert!(!done.stdout.contains(SECRET) && !done.stderr.contains(SECRET));
    let rows: Vec<Value> = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("no JSON: {done:?}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| (text(&row["name"]), text(&row["result"]), text(&row["reason"]));
    (done.status, rows.iter().map(row).collect())
}

#[test]
fn the_answers_status_tells_whether_a_key_is_valid() {
    for (status, code, result, reason) in [
        ("200 OK", 0, "live", ""),
        ("401 Unauthorized", 1, "refused", "401 Unauthorized"),
        ("402 Payment Required", 0, "live", "402 Payment Required"),
        ("429 Too Many Requests", 0, "live", "429 Too Many Requests"),
        // A key may lack the right to this list alone.
        ("403 Forbidden", 0, "unclear", "the answer is 403 Forbidden"),
        ("302 Found", 0, "unclear", "the answer is 302 Found"),
        ("500 Internal Server Error", 0, "unclear", "the answer is 500 Internal Server Error"),
    ] {
        let upstream =
            Upstream::new(move |_, stream| answer(stream, status, "location: http://127.0.0.1:1/\r\n", b"{}"));
        let world = world_at(&upstream, CHECK);
        let (found, rows) = results(&world, &[]);
        assert_eq!(rows, [("mine/work".to_owned(), result.to_owned(), reason.to_owned())], "{status}");
        assert_eq!(found, Some(code), "{status}");
        let seen = upstream.seen();
        assert_eq!(seen.len(), 1, "{status}");
        assert_eq!(seen[0].line, "GET /v1/models HTTP/1.1");
        assert_eq!(seen[0].all("authorization"), [format!("Bearer {SECRET}")]);
        assert!(seen[0].body.is_empty());
    }
}

#[test]
fn google_says_in_the_body_that_a_key_is_wrong() {
    let google = "title = \"G\"\nvariable = \"G_KEY\"\n[endpoints.default]\ngemini = \"URL\"\n[check]\ngemini = \"/v1beta/models?pageSize=1\"\n";
    for (status, body, result) in [
        ("400 Bad Request", r#"{"error":{"details":[{"reason":"API_KEY_INVALID"}]}}"#, "refused"),
        ("400 Bad Request", "{}", "unclear"),
        ("403 Forbidden", r#"{"error":{"message":"reported as leaked"}}"#, "refused"),
    ] {
        let upstream = Upstream::new(move |_, stream| answer(stream, status, "", body.as_bytes()));
        let world = World::new();
        world.write("home/.config/ringlet/providers/g.toml", google.replace("URL", &upstream.url()));
        world.store_key("g/work", SECRET);
        assert_eq!(results(&world, &[]).1[0].1, result, "{status} {body}");
        assert_eq!(upstream.seen()[0].line, "GET /v1beta/models?pageSize=1 HTTP/1.1");
        assert_eq!(upstream.seen()[0].all("x-goog-api-key"), [SECRET]);
    }
}

#[test]
fn a_key_is_sent_to_the_endpoint_of_its_profiles_and_to_none_where_they_disagree() {
    let (own, gateway, other) = (Upstream::plain(), Upstream::plain(), Upstream::plain());
    let world = world_at(&own, CHECK);
    world.write("home/.config/ringlet/agents/bot.toml", "title = \"Bot\"\ncommand = \"bot\"\nprovider = \"mine\"\n[[api]]\nprotocol = \"chat\"\nkey = \"BOT_KEY\"\nbase-url = \"BOT_URL\"\n");
    let profile = |name: &str, endpoint: &str| {
        let text =
            format!("agent = \"bot\"\nprovider = \"mine\"\n{endpoint}\n[provider-config]\nkey-alias = \"work\"\n");
        world.profile(name, &text);
    };
    let at = |upstream: &Upstream| format!("endpoint = \"{}/g\"", upstream.url());
    let counts = || (own.seen().len(), gateway.seen().len(), other.seen().len());
    profile("one", "");
    assert_eq!((results(&world, &[]).1[0].1.as_str(), counts()), ("live", (1, 0, 0)));
    profile("one", &at(&gateway));
    profile("two", &at(&gateway));
    assert_eq!((results(&world, &[]).1[0].1.as_str(), counts()), ("live", (1, 1, 0)));
    assert_eq!(gateway.seen()[0].line, "GET /g/models HTTP/1.1");
    for (endpoint, word) in [(at(&other), "different endpoints"), (String::new(), "different endpoints")] {
        profile("two", &endpoint);
        let row = &results(&world, &[]).1[0];
        assert_eq!(row.1, "not-asked");
        assert!(row.2.contains("profiles \"") && row.2.contains(word), "{row:?}");
    }
    world.profile("two", "agent = ");
    let row = &results(&world, &[]).1[0];
    assert_eq!(
        (row.1.as_str(), row.2.as_str()),
        ("not-asked", "profile \"two\" cannot be read, and may name another endpoint for it")
    );
    assert_eq!(counts(), (1, 1, 0), "nothing more was sent");
}

#[test]
fn a_key_without_a_known_check_or_a_usable_value_is_not_sent() {
    let upstream = Upstream::plain();
    let world = world_at(&upstream, "");
    world.store_key("nosuch/work", SECRET);
    // By hand: `keychain set` would refuse it.
    let file = "home/.config/ringlet/credentials.toml";
    let swapped = "[anthropic.swapped]\nkey = \"sk-ant-oat01-TESTTESTTESTTESTTESTTEST\"\n";
    world.write(file, world.read(file) + swapped);
    world.chmod(&world.path(file), 0o600);
    let (status, rows) = results(&world, &[]);
    assert_eq!(status, Some(0));
    let said: Vec<(&str, &str, &str)> = rows.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
    assert_eq!(
        said,
        [
            ("anthropic/swapped", "not-asked", "its value was made for another provider"),
            ("mine/work", "not-asked", "no request is known that tells whether a key of Mine is valid"),
            ("nosuch/work", "not-asked", "no request is known that tells whether a key of nosuch is valid"),
        ]
    );
    assert!(upstream.seen().is_empty());
}

#[test]
fn keys_are_asked_about_at_once_and_in_the_order_of_their_names() {
    // Each is answered once all four are there.
    let all = Arc::new(Barrier::new(4));
    let upstream = Upstream::new(move |_, stream| {
        all.wait();
        answer(stream, "200 OK", "", b"{}")
    });
    let world = world_at(&upstream, CHECK);
    for name in ["mine/a", "mine/b", "mine/c"] {
        world.store_key(name, SECRET);
    }
    let (_, rows) = results(&world, &["mine/"]);
    let names: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    assert_eq!(names, ["mine/a", "mine/b", "mine/c", "mine/work"]);
    assert!(rows.iter().all(|row| row.1 == "live"), "{rows:?}");
}

#[test]
fn a_check_is_recorded_and_says_what_to_do() {
    let upstream = Upstream::new(|_, stream| answer(stream, "401 Unauthorized", "", b"{}"));
    let world = world_at(&upstream, CHECK);
    // A key of the broker's goes to its own endpoint alone, here as well.
    world.configure("[audit]\nenabled = true\n[scope.\"mine/work\"]\nbroker = true\n");
    let done = world.run(&["keychain", "check"]);
    assert_eq!(done.status, Some(1));
    assert_eq!(done.stdout, format!("mine/work  refused  {}/v1 answers 401 Unauthorized\n", upstream.url()));
    let hint =
        "make a new key for mine/work at https://mine.example/keys, then run `ringlet keychain rotate mine/work`";
    assert!(done.stderr.contains(hint), "{done:?}");
    let log = world.read("home/.local/state/ringlet/audit.jsonl");
    let line: Value = serde_json::from_str(log.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&line["action"], &line["key"]), (&json!("lookup"), &json!("mine/work")));
    assert_eq!(line["reason"], format!("to ask {}/v1 whether it is valid", upstream.url()));
    assert!(!log.contains(SECRET));
    // Nobody is there.
    provider(&world, "mine", "http://127.0.0.1:1", CHECK);
    let (status, rows) = results(&world, &[]);
    assert_eq!((status, rows[0].1.as_str()), (Some(0), "unclear"));
    assert!(rows[0].2.contains("127.0.0.1:1 cannot be reached"), "{rows:?}");
}

#[test]
fn names_that_are_not_there_are_named() {
    let world = World::new();
    let done = world.run(&["keychain", "check"]);
    assert_eq!((done.status, done.stdout.as_str()), (Some(0), ""));
    assert!(done.stderr.contains("there is no key"), "{done:?}");
    world.store_key("anthropic/work", KEY);
    world
        .run(&["keychain", "check", "antropic/work"])
        .fails(1, &["whose name begins so", "did you mean `anthropic/work`?"]);
}

#[test]
fn a_check_that_is_no_path_is_refused_with_its_place() {
    let world = World::new();
    provider(&world, "mine", "http://127.0.0.1:1", "[check]\nchat = \"https://elsewhere.example/\"\n");
    world.run(&["providers", "list"]).fails(1, &["providers/mine.toml:7:8: a check is a path such as \"/models\""]);
}
