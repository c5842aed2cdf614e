//! The protocol's documentation point by point, with clients that know nothing else, on a real keychain and on the
//! file.

use crate::common::daemon::{
    ALL, Client, Daemon, Third, nc, read, refused, register, register_this, request, results, script, served, success,
    write,
};
use crate::common::keyring::{Keyring, State};
use crate::common::world::World;
use serde_json::{Value, json};

macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_a_keychain {
            use super::*;
            $(#[test] fn $name() {
                let keyring = Keyring::start(State::Unlocked);
                super::$name(&served(World::on(&keyring)));
            })*
        }
        mod on_a_file {
            use super::*;
            $(#[test] fn $name() {
                super::$name(&served(World::new()));
            })*
        }
    };
}

on_both!(
    the_documented_examples_work_from_a_script,
    the_documented_examples_work_from_any_program,
    every_kind_of_text_comes_back_unchanged,
    a_batch_is_answered_by_name_without_what_is_missing,
    attributes_come_back_and_can_be_replaced,
    prefixes_match_the_string_and_with_a_boundary_whole_parts,
    each_permission_opens_one_thing,
    malformed_fields_keep_the_connection_and_malformed_json_ends_it,
    requests_are_answered_in_their_order_however_they_are_sent,
    keys_of_ringlets_own_are_read_and_written_by_their_names,
    every_target_has_one_record_of_names_alone,
);

// The examples of the documentation, as they stand there.
fn examples(client: &mut Third) {
    let target = "production/workspace_abc/proj_123/OPENAI_API_KEY";
    let other = "production/workspace_abc/proj_123/AWS_SECRET_KEY";
    for (target, value) in [(target, "sk-proj-456"), (other, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")] {
        let written = request("write", "your-tool", json!({ "targets": [target], "values": [value] }));
        assert_eq!(client.ask(&written), success());
    }
    let prefix = json!({ "match": "prefix", "targets": ["production/workspace_abc/proj_123/"] });
    assert_eq!(
        client.ask(&request("read", "your-tool", prefix.clone())),
        results(&[(other, Some("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")), (target, Some("sk-proj-456"))])
    );
    let search = json!({ "targets": ["production/workspace_abc/proj_123/"] });
    assert_eq!(client.ask(&request("search", "your-tool", search)), results(&[(other, None), (target, None)]));
    let one = request("read", "your-tool", json!({ "match": "exact", "targets": [target] }));
    assert_eq!(client.ask(&one), results(&[(target, Some("sk-proj-456"))]));
    assert_eq!(client.ask(&request("delete", "your-tool", prefix)), success());
    assert_eq!(client.ask(&request("search", "your-tool", json!({}))), success());
    assert_eq!(client.ask(&one), success());
}

const YOURS: &[&str] = &["--read", "your-tool", "--write", "your-tool", "--search"];

fn the_documented_examples_work_from_a_script(world: &World) {
    let daemon = Daemon::start(world);
    let script = script(world, "client");
    register(world, &script, YOURS);
    examples(&mut Third::script(world, &daemon, &script, &[]));
}

fn the_documented_examples_work_from_any_program(world: &World) {
    let daemon = Daemon::start(world);
    let nc = nc(world);
    register(world, &nc, YOURS);
    examples(&mut Third::nc(world, &daemon, &nc));
}

// A daemon with this process as a client that may do everything in the service `tool`.
fn ready(world: &World) -> (Daemon, Client) {
    let daemon = Daemon::start(world);
    register_this(world, ALL);
    let client = Client::connect(&daemon.socket);
    (daemon, client)
}

fn every_kind_of_text_comes_back_unchanged(world: &World) {
    let (_daemon, mut client) = ready(world);
    let long = "long ".repeat(12_000);
    for (at, value) in [
        "plain",
        "",
        " leading and trailing ",
        "quotes \" ' ''' \"\"\" and \\ backslashes \\u0041 \\x41",
        "line\nline\r\nline\ttab",
        "NUL \0 and \u{1} \u{1b}[31m \u{7f} \u{85} \u{9b}",
        "grüße, 日本語, עברית, العربية, हिन्दी, 🦀👩‍👩‍👧‍👦",
        "e\u{301} and é, \u{202e}reversed\u{202c}, \u{feff}, \u{fffd}, \u{ffff}, \u{10ffff}, \u{e0001}",
        "[table]\nkey = 'x' # note",
        long.as_str(),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(client.ask(&write("one", value)), success(), "{at}");
        assert_eq!(client.ask(&read(&["one"])), results(&[("one", Some(value))]), "{at}");
    }
    // As JSON may also spell it.
    client.send(
        "{\"type\":\"REQUEST\",\"action\":\"write\",\"service\":\"tool\",\"targets\":[\"\\u00e9\\ud83e\\udd80\"],",
    );
    client.send("\"values\":[\"\\u0041\\/\"]}\n");
    assert_eq!(client.answer(), success());
    for target in ["é🦀", "a b", "a/b:c", "..", "[x.y]", "quote\"'", "new\nline", "\u{1b}[31m", "\u{202e}x", "#", " "]
    {
        assert_eq!(client.ask(&write(target, target)), success(), "{target:?}");
        assert_eq!(client.ask(&read(&[target])), results(&[(target, Some(target))]), "{target:?}");
        assert_eq!(client.ask(&request("delete", "tool", json!({ "targets": [target] }))), success(), "{target:?}");
        assert_eq!(client.ask(&read(&[target])), success(), "{target:?}");
    }
    let longest = "t".repeat(1024);
    assert_eq!(client.ask(&write(&longest, "v")), success());
    assert_eq!(client.ask(&read(&[&longest])), results(&[(&longest, Some("v"))]));
    // The longest names that the record of it has to hold, each character of which it writes as an escape.
    let odd = "\u{1}".repeat(1024);
    assert_eq!(client.ask(&write(&odd, "v")), success());
    assert_eq!(client.ask(&write(&"t".repeat(1025), "v")), refused("error", "malformed_request"));
    world.run(&["audit", "verify"]).ok();
}

fn a_batch_is_answered_by_name_without_what_is_missing(world: &World) {
    let (_daemon, mut client) = ready(world);
    let names: Vec<String> = (0..40).map(|n| format!("batch/{n:02}")).collect();
    let values: Vec<String> = (0..40).map(|n| format!("value {n}")).collect();
    let all = request("write", "tool", json!({ "targets": names, "values": values }));
    assert_eq!(client.ask(&all), success());
    assert_eq!(
        client.ask(&read(&["batch/07", "nobody", "batch/03", "batch/0"])),
        results(&[("batch/07", Some("value 7")), ("batch/03", Some("value 3"))])
    );
    assert_eq!(client.ask(&read(&["nobody", "neither"])), success());
    // Again, with others: the values are replaced.
    let again = request("write", "tool", json!({ "targets": ["batch/39", "batch/40"], "values": ["new", "newer"] }));
    assert_eq!(client.ask(&again), success());
    assert_eq!(
        client.ask(&read(&["batch/39", "batch/40"])),
        results(&[("batch/39", Some("new")), ("batch/40", Some("newer"))])
    );
    // What is not there is no reason not to delete the rest.
    let delete = request("delete", "tool", json!({ "targets": ["batch/40", "nobody", "batch/39"] }));
    assert_eq!(client.ask(&delete), success());
    let found = client.ask(&request("search", "tool", json!({ "targets": ["batch/3"] })));
    let left: Vec<(String, Option<&str>)> = (30..39).map(|n| (format!("batch/{n}"), None)).collect();
    let left: Vec<(&str, Option<&str>)> = left.iter().map(|(name, none)| (name.as_str(), *none)).collect();
    assert_eq!(found, results(&left));
}

fn attributes_come_back_and_can_be_replaced(world: &World) {
    let (_daemon, mut client) = ready(world);
    let with = |value: &str, attributes: Value| {
        request("write", "tool", json!({ "targets": ["a", "b"], "values": [value, value], "attributes": attributes }))
    };
    let seen = |client: &mut Client, request: &Value| {
        let answer = client.ask(request);
        answer["results"].as_array().expect("results").clone()
    };
    assert_eq!(client.ask(&with("1", json!({ "env": "prod", "größe": "x y" }))), success());
    for row in seen(&mut client, &read(&["a", "b"])) {
        assert_eq!(row["attributes"], json!({ "env": "prod", "größe": "x y" }), "{row}");
    }
    // A search says them, and still no value.
    for row in seen(&mut client, &request("search", "tool", json!({}))) {
        assert_eq!(row["attributes"], json!({ "env": "prod", "größe": "x y" }), "{row}");
        assert_eq!(row.get("value"), None);
    }
    assert_eq!(client.ask(&write("a", "2")), success());
    assert_eq!(seen(&mut client, &read(&["a"]))[0]["attributes"], json!({ "env": "prod", "größe": "x y" }));
    assert_eq!(client.ask(&with("3", json!({ "env": "dev" }))), success());
    let row = &seen(&mut client, &read(&["b"]))[0];
    assert_eq!((&row["value"], &row["attributes"]), (&json!("3"), &json!({ "env": "dev" })));
    // What keychains and their libraries know entries by is not the client's to set, on a file neither.
    for name in ["service", "username", "target", "application", "xdg:schema", "gkr:compat:hashed:x"] {
        let answer = client.ask(&with("4", json!({ name: "other" })));
        assert_eq!(answer, refused("error", "malformed_request"), "{name}");
    }
    assert_eq!(seen(&mut client, &read(&["b"]))[0]["value"], "3");
}

fn prefixes_match_the_string_and_with_a_boundary_whole_parts(world: &World) {
    let (_daemon, mut client) = ready(world);
    for name in ["proj_1", "proj_1:prod:A", "proj_1/x", "proj_10:prod:B", "other"] {
        assert_eq!(client.ask(&write(name, name)), success());
    }
    let names = |answer: Value| -> Vec<String> {
        let rows = answer["results"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| row["target"].as_str().expect("text").to_owned()).collect()
    };
    let ask = |client: &mut Client, action: &str, more: Value| names(client.ask(&request(action, "tool", more)));
    let all = ["proj_1", "proj_1/x", "proj_10:prod:B", "proj_1:prod:A"];
    assert_eq!(ask(&mut client, "search", json!({ "targets": ["proj_1"] })), all);
    assert_eq!(ask(&mut client, "read", json!({ "match": "prefix", "targets": ["proj_1"] })), all);
    assert_eq!(ask(&mut client, "search", json!({ "targets": ["proj_10", "oth"] })), ["other", "proj_10:prod:B"]);
    assert_eq!(ask(&mut client, "search", json!({})).len(), 5);
    let whole = ["proj_1", "proj_1/x", "proj_1:prod:A"];
    assert_eq!(ask(&mut client, "search", json!({ "targets": ["proj_1"], "match_boundary": true })), whole);
    let delete = json!({ "match": "prefix", "targets": ["proj_1"], "match_boundary": true });
    assert_eq!(client.ask(&request("delete", "tool", delete)), success());
    assert_eq!(ask(&mut client, "search", json!({})), ["other", "proj_10:prod:B"]);
    // An empty prefix would mean everything, which no slip of the client's may.
    for (action, matching) in [("read", "prefix"), ("delete", "prefix"), ("search", "prefix"), ("search", "exact")] {
        let empty = request(action, "tool", json!({ "match": matching, "targets": ["x", ""] }));
        assert_eq!(client.ask(&empty), refused("error", "malformed_request"), "{action}");
    }
    assert_eq!(ask(&mut client, "search", json!({})).len(), 2);
    // What matches nothing is done with nothing.
    let none = json!({ "match": "prefix", "targets": ["nobody"] });
    assert_eq!(client.ask(&request("read", "tool", none.clone())), success());
    assert_eq!(client.ask(&request("delete", "tool", none)), success());
}

fn each_permission_opens_one_thing(world: &World) {
    let daemon = Daemon::start(world);
    register_this(world, ALL);
    let mut client = Client::connect(&daemon.socket);
    assert_eq!(client.ask(&write("a", "v")), success());
    let asks = [
        read(&["a"]),
        request("read", "tool", json!({ "match": "prefix", "targets": ["a"] })),
        request("search", "tool", json!({})),
        write("b", "v"),
        request("delete", "tool", json!({ "targets": ["b"] })),
        request("delete", "tool", json!({ "match": "prefix", "targets": ["b"] })),
        request("read", "other", json!({ "targets": ["a"] })),
        request("write", "other", json!({ "targets": ["a"], "values": ["v"] })),
        request("search", "other", json!({})),
        request("read", "ringlet-migrate", json!({ "targets": ["hmac"] })),
    ];
    let (service, action) = ("service_not_allowed", "action_not_in_policy");
    // The policy is changed under the one connection.
    for (permissions, wanted) in [
        (&[][..], [service; 10]),
        (&["--read", "tool"], ["", action, action, service, service, service, service, service, service, service]),
        (&["--read", "tool", "--search"], ["", "", "", service, service, service, service, service, service, service]),
        (&["--write", "tool"], [service, service, service, "", "", action, service, service, service, service]),
        (&["--write", "tool", "--search"], [service, service, service, "", "", "", service, service, service, service]),
        (&["--search"], [service; 10]),
        (
            &["--read", "ringlet-migrate", "--read", "toolx", "--read", "too"],
            [service, service, service, service, service, service, service, service, service, service],
        ),
    ] {
        register_this(world, permissions);
        for (ask, wanted) in asks.iter().zip(wanted) {
            let answer = client.ask(ask);
            match wanted {
                "" => assert_eq!(answer["status"], "success", "{permissions:?} {ask}"),
                reason => assert_eq!(answer, refused("denied", reason), "{permissions:?} {ask}"),
            }
        }
    }
}

fn malformed_fields_keep_the_connection_and_malformed_json_ends_it(world: &World) {
    let (daemon, mut client) = ready(world);
    assert_eq!(client.ask(&write("a", "v")), success());
    let deep = format!("{{\"type\":{}1{}}}", "[".repeat(30_000), "]".repeat(30_000));
    for line in [
        "{}",
        "[]",
        r#"["REQUEST","read","tool","exact",["a"]]"#,
        "null",
        "7",
        "\"text\"",
        r#"{"type":"REQUEST"}"#,
        r#"{"type":"SESSION_INIT","action":"read","service":"tool","targets":["a"]}"#,
        r#"{"type":"REQUEST","action":"list","service":"tool","targets":["a"]}"#,
        r#"{"type":"REQUEST","action":"read","service":"tool","targets":["a"],"unknown":1}"#,
        r#"{"type":"REQUEST","action":"read","service":"tool","targets":["a"],"targets":["a"]}"#,
        r#"{"type":"REQUEST","action":"read","action":"read","service":"tool","targets":["a"]}"#,
        r#"{"type":"REQUEST","action":"read","service":"tool","targets":[1]}"#,
        r#"{"type":"REQUEST","action":"read","service":"tool","targets":["a\u0000"]}"#,
        r#"{"type":"REQUEST","action":"read","service":"tool\u0000","targets":["a"]}"#,
        r#"{"type":"REQUEST","action":"write","service":"tool","match":"prefix","targets":["a"],"values":["w"]}"#,
        r#"{"type":"REQUEST","action":"write","service":"tool","targets":["a","a"],"values":["w","x"]}"#,
        r#"{"type":"REQUEST","action":"write","service":"tool","targets":["a"],"values":["w","x"]}"#,
        r#"{"type":"REQUEST","action":"write","service":"tool","targets":["a"],"values":["w"],"attributes":{"x":"1","x":"1"}}"#,
        // Half of a pair is in JSON's grammar, and no text.
        r#"{"type":"REQUEST","action":"read","service":"tool","targets":["\ud800"]}"#,
        deep.as_str(),
    ] {
        client.send(format!("{line}\n"));
        assert_eq!(client.answer(), refused("error", "malformed_request"), "{line}");
        assert_eq!(client.ask(&read(&["a"])), results(&[("a", Some("v"))]), "after {line}");
    }
    let deeper = "[".repeat(60_000);
    for line in [
        &b""[..],
        b"{",
        b"GET / HTTP/1.1\r",
        b"\0",
        b"{\"type\":\"REQUEST\",\"action\":\"read\",\"service\":\"tool\",\"targets\":[\"a\0\"]}",
        b"\xff\xfe",
        b"{\"type\":\"\xff\"}",
        b"{\"unknown\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b"nan",
        deeper.as_bytes(),
    ] {
        let mut client = Client::connect(&daemon.socket);
        client.send([line, b"\n"].concat());
        let shown = String::from_utf8_lossy(&line[..line.len().min(40)]).into_owned();
        assert_eq!(client.answer(), refused("error", "malformed_request"), "{shown:?}");
        assert!(client.has_ended(), "{shown:?}");
    }
    assert_eq!(client.ask(&read(&["a"])), results(&[("a", Some("v"))]));
}

fn requests_are_answered_in_their_order_however_they_are_sent(world: &World) {
    let (daemon, mut client) = ready(world);
    let mut all = String::new();
    for n in 0..50 {
        all += &format!("{}\n{}\n", write("one", &n.to_string()), read(&["one"]));
    }
    // All at once, and then a byte at a time.
    client.send(&all);
    for n in 0..50 {
        assert_eq!(client.answer(), success());
        assert_eq!(client.answer(), results(&[("one", Some(&n.to_string()))]));
    }
    for byte in format!("{}\r\n", read(&["one"])).bytes() {
        client.send([byte]);
    }
    assert_eq!(client.answer(), results(&[("one", Some("49"))]));
    let script = script(world, "client");
    register(world, &script, ALL);
    let mut third = Third::script(world, &daemon, &script, &["--pipelined"]);
    for n in 0..20 {
        third.send(&write("two", &n.to_string()).to_string());
        third.send(&read(&["two"]).to_string());
    }
    third.close();
    for n in 0..20 {
        assert_eq!(third.line(), r#"{"type":"RESPONSE","status":"success"}"#);
        let answer: Value = serde_json::from_str(&third.line()).expect("JSON");
        assert_eq!(answer, results(&[("two", Some(&n.to_string()))]));
    }
    // A client that has said all it has to say still gets its answers.
    let mut client = Client::connect(&daemon.socket);
    client.send(format!("{}\n{}\n", read(&["one"]), read(&["two"])));
    client.stream().shutdown(std::net::Shutdown::Write).expect("one way");
    assert_eq!(client.answer(), results(&[("one", Some("49"))]));
    assert_eq!(client.answer(), results(&[("two", Some("19"))]));
    assert!(client.has_ended());
}

fn keys_of_ringlets_own_are_read_and_written_by_their_names(world: &World) {
    let daemon = Daemon::start(world);
    register_this(world, &["--read", "ringlet", "--write", "ringlet", "--search"]);
    let mut client = Client::connect(&daemon.socket);
    let own = |action: &str, more: Value| request(action, "ringlet", more);
    world.store_key("anthropic/work", "sk-1");
    let read = |client: &mut Client, name: &str| client.ask(&own("read", json!({ "targets": [name] })));
    assert_eq!(read(&mut client, "anthropic/work"), results(&[("anthropic/work", Some("sk-1"))]));
    let written = own("write", json!({ "targets": ["openai/x", "anthropic/work"], "values": ["sk-2", "sk-3"] }));
    assert_eq!(client.ask(&written), success());
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/work\nopenai/x\n");
    let date = world.path("home/.local/state/ringlet/dates/openai+x.toml");
    assert!(std::fs::read_to_string(&date).expect("a record").contains("stored = "));
    assert_eq!(
        client.ask(&own("read", json!({ "match": "prefix", "targets": ["anthropic/", "open"] }))),
        results(&[("anthropic/work", Some("sk-3")), ("openai/x", Some("sk-2"))])
    );
    for (target, value) in [
        ("Anthropic/work", "v"),
        ("anthropic", "v"),
        ("a/b/c", "v"),
        ("../x", "v"),
        ("a/é", "v"),
        ("anthropic/work", ""),
        ("anthropic/work", "two\nlines"),
        ("anthropic/work", "\u{7f}"),
    ] {
        let bad = own("write", json!({ "targets": ["openai/y", target], "values": ["sk-4", value] }));
        assert_eq!(client.ask(&bad), refused("error", "malformed_request"), "{target:?} {value:?}");
    }
    let long = "k".repeat(2561);
    let bad = own("write", json!({ "targets": ["openai/y"], "values": [long] }));
    assert_eq!(client.ask(&bad), refused("error", "malformed_request"));
    assert_eq!(read(&mut client, "Anthropic/work"), success());
    assert_eq!(client.ask(&own("delete", json!({ "targets": ["openai/x"] }))), success());
    assert!(!date.exists());
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/work\n");
}

fn every_target_has_one_record_of_names_alone(world: &World) {
    let daemon = Daemon::start(world);
    let script = script(world, "client");
    register(world, &script, ALL);
    let mut client = Third::script(world, &daemon, &script, &[]);
    let pid = client.child().id();
    for (ask, status) in [
        (
            request("write", "tool", json!({ "targets": ["a/1", "a/2"], "values": ["value-of-1", "value-of-2"] })),
            "success",
        ),
        (read(&["a/1", "nobody"]), "success"),
        (request("search", "tool", json!({ "targets": ["a/"] })), "success"),
        (request("search", "tool", json!({})), "success"),
        (request("read", "tool", json!({ "match": "prefix", "targets": ["b"] })), "success"),
        (request("delete", "tool", json!({ "match": "prefix", "targets": ["a/"] })), "success"),
        (request("search", "tool", json!({})), "success"),
        (request("read", "other", json!({ "targets": ["x", "y"] })), "denied"),
        (json!({ "no": "request" }), "error"),
    ] {
        assert_eq!(client.ask(&ask)["status"], status, "{ask}");
    }
    let log = world.read("home/.local/state/ringlet/audit.jsonl");
    let seen: Vec<String> = log
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let word = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            assert_eq!(line["binary"], script.to_str().expect("UTF-8"), "{line}");
            assert_eq!(line["binary_sha256"].as_str().map(str::len), Some(64), "{line}");
            assert_eq!(line["pid"], pid, "{line}");
            // RFC 3339 in UTC, to the nanosecond.
            let time = word("time");
            assert!(time.len() == "2026-11-25T10:00:00.123456789Z".len() && time.ends_with('Z'), "{time}");
            [word("action"), word("service"), word("target"), word("result"), word("reason")].join(" ")
        })
        .collect();
    assert_eq!(
        seen,
        [
            "connect - - accepted -",
            "write tool a/1 granted -",
            "write tool a/2 granted -",
            "read tool a/1 granted -",
            "read tool nobody granted -",
            "search tool a/1 granted -",
            "search tool a/2 granted -",
            "search tool a/1 granted -",
            "search tool a/2 granted -",
            "read tool b granted -",
            "delete tool a/1 granted -",
            "delete tool a/2 granted -",
            "search tool  granted -",
            "read other x denied service_not_allowed",
            "read other y denied service_not_allowed",
            "connect - - error malformed_request",
        ]
    );
    assert!(!log.contains("value-of"), "{log}");
    world.run(&["audit", "verify"]).ok();
}

#[test]
fn a_value_that_is_not_text_is_an_error_and_never_said_to_be_given() {
    let keyring = Keyring::start(State::Unlocked);
    let world = served(World::on(&keyring));
    let (_daemon, mut client) = ready(&world);
    keyring.secret_tool_store(None, &["service", "tool", "username", "bytes"], b"\xff\xfe\x00secret");
    assert_eq!(client.ask(&write("text", "v")), success());
    for targets in [&["bytes"][..], &["text", "bytes"]] {
        assert_eq!(client.ask(&read(targets)), refused("error", "internal_error"));
    }
    let prefix = request("read", "tool", json!({ "match": "prefix", "targets": ["byt"] }));
    assert_eq!(client.ask(&prefix), refused("error", "internal_error"));
    let search = request("search", "tool", json!({ "targets": ["byt"] }));
    assert_eq!(client.ask(&search), results(&[("bytes", None)]));
    assert_eq!(client.ask(&read(&["text"])), results(&[("text", Some("v"))]));
    let log = world.read("home/.local/state/ringlet/audit.jsonl");
    let said: Vec<&str> = log.lines().filter(|line| line.contains("\"read\"") && line.contains("\"bytes\"")).collect();
    assert!(said.len() == 2 && said.iter().all(|line| line.contains("\"error\"")), "{log}");
}

#[test]
fn entries_of_other_programs_are_found_and_keep_what_these_find_them_by() {
    let keyring = Keyring::start(State::Unlocked);
    let world = served(World::on(&keyring));
    let (_daemon, mut client) = ready(&world);
    // As keyring 3 writes it.
    let theirs = ["service", "tool", "username", "x", "target", "default", "application", "rust-keyring"];
    keyring.secret_tool_store(None, &theirs, b"one");
    assert_eq!(client.ask(&read(&["x"])), results(&[("x", Some("one"))]));
    let more = json!({ "targets": ["x"], "values": ["two"], "attributes": { "env": "prod" } });
    assert_eq!(client.ask(&request("write", "tool", more)), success());
    assert_eq!(keyring.secret_tool_lookup(&theirs).as_deref(), Some(&b"two"[..]));
    assert_eq!(keyring.secret_tool_lookup(&["service", "tool", "env", "prod"]).as_deref(), Some(&b"two"[..]));
    // Two of one name: neither is taken for the other.
    keyring.secret_tool_store(None, &["service", "tool", "username", "x", "application", "other"], b"three");
    for ask in [read(&["x"]), write("x", "v"), request("search", "tool", json!({}))] {
        assert_eq!(client.ask(&ask), refused("error", "internal_error"), "{ask}");
    }
}
