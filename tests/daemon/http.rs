//! The HTTP routes: who gets an answer, what is in it, and never a value.

use crate::common::daemon::{ALL, Answer, Client, DEADLINE, Daemon, register_this, served, success, write};
use crate::common::keyring::{Keyring, State};
use crate::common::world::{KEY, World};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::time::Instant;

const ROUTES: &[&str] = &["/v1/health", "/v1/status", "/v1/profiles", "/v1/keys", "/v1/audit", "/v1/openapi.json"];

fn ready() -> (World, Daemon) {
    let world = served(World::ready());
    let daemon = Daemon::start(&world);
    (world, daemon)
}

fn bearer(daemon: &Daemon) -> String {
    format!("Authorization: Bearer {}\r\n", daemon.token())
}

#[test]
fn every_route_but_health_wants_the_token() {
    let (_world, daemon) = ready();
    let token = daemon.token();
    let wrong = "0".repeat(64);
    for route in ROUTES {
        assert_eq!(daemon.get(route).status, 200, "{route}");
        let headers = [
            String::new(),
            format!("Authorization: Bearer {wrong}\r\n"),
            format!("Authorization: Bearer {}\r\n", &token[..63]),
            format!("Authorization: Bearer {token}0\r\n"),
            format!("Authorization: Basic {token}\r\n"),
            format!("Authorization: {token}\r\n"),
            "Authorization: Bearer \r\n".to_owned(),
            "Authorization: Bearer\r\n".to_owned(),
            format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"),
            format!("X-Token: {token}\r\n"),
        ];
        std::thread::scope(|scope| {
            for header in &headers {
                let daemon = &daemon;
                scope.spawn(move || {
                    let answer = daemon.http(daemon.request("GET", route, header));
                    if *route == "/v1/health" {
                        assert_eq!(answer.status, 200, "{header:?} {answer:?}");
                        return;
                    }
                    assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"), "{route} {header:?}");
                    assert!(answer.head.contains("www-authenticate: bearer"), "{answer:?}");
                });
            }
        });
        // In the address it is no token.
        let answer = daemon.http(daemon.request("GET", &format!("{route}?token={token}"), ""));
        assert_eq!(answer.status, if *route == "/v1/health" { 200 } else { 401 }, "{route}");
    }
    let odd = format!("authorization: bEARER   {token}  \r\n");
    assert_eq!(daemon.http(daemon.request("GET", "/v1/status", &odd)).status, 200);
    let nowhere = daemon.get("/v1/values");
    assert_eq!((nowhere.status, nowhere.code().as_str()), (404, "not_found"));
    // Without the token not even that is told.
    assert_eq!(daemon.http(daemon.request("GET", "/v1/values", "")).status, 401);
}

#[test]
fn what_a_web_page_could_send_is_refused_before_the_token_is_looked_at() {
    let (_world, daemon) = ready();
    let (port, token) = (daemon.http.port(), bearer(&daemon));
    let ask = |line: &str, headers: &str| {
        daemon.http(format!("{line} HTTP/1.1\r\nConnection: close\r\n{headers}{token}\r\n"))
    };
    for route in ["/v1/health", "/v1/keys"] {
        let line = format!("GET {route}");
        for host in ["127.0.0.1", "localhost", "LocalHost", "[::1]"] {
            assert_eq!(ask(&line, &format!("Host: {host}:{port}\r\n")).status, 200, "{host}");
        }
        for host in [
            "evil.example".to_owned(),
            format!("evil.example:{port}"),
            format!("127.0.0.1.evil.example:{port}"),
            format!("localhost.evil.example:{port}"),
            format!("evil.example@127.0.0.1:{port}"),
            format!("127.0.0.1:{port}@evil.example"),
            format!("127.0.0.1:{port}, evil.example"),
            format!("0.0.0.0:{port}"),
            format!("127.1:{port}"),
            format!("127.0.0.2:{port}"),
            format!("2130706433:{port}"),
            format!("[::ffff:127.0.0.1]:{port}"),
            format!("::1:{port}"),
            format!("localhost.:{port}"),
            "127.0.0.1".to_owned(),
            "localhost".to_owned(),
            format!("127.0.0.1:{}", port.wrapping_add(1)),
            format!("127.0.0.1:0{port}"),
            String::new(),
        ] {
            let answer = ask(&line, &format!("Host: {host}\r\n"));
            assert!(matches!(answer.status, 403 | 400), "{host}: {answer:?}");
        }
        let own = format!("Host: 127.0.0.1:{port}\r\n");
        for headers in [String::new(), format!("{own}{own}"), format!("{own}Host: evil.example\r\n")] {
            assert!(matches!(ask(&line, &headers).status, 403 | 400), "{headers}");
        }
        for origin in ["http://evil.example", "null", "", "file://", &format!("http://127.0.0.1:{port}")] {
            let answer = ask(&line, &format!("{own}Origin: {origin}\r\n"));
            assert_eq!((answer.status, answer.code().as_str()), (403, "web_page"), "{origin}");
            assert!(!answer.head.contains("access-control"), "{answer:?}");
        }
        // A request target in its absolute form names a host, too.
        assert_eq!(ask(&format!("GET http://127.0.0.1:{port}{route}"), &own).status, 200);
        for target in [
            format!("http://evil.example{route}"),
            format!("http://evil.example:{port}{route}"),
            format!("http://x@127.0.0.1:{port}{route}"),
            format!("http://127.0.0.1{route}"),
        ] {
            let answer = ask(&format!("GET {target}"), &own);
            assert!(matches!(answer.status, 403 | 400), "{target}: {answer:?}");
        }
        let old = daemon.http(format!("GET {route} HTTP/1.0\r\n{token}\r\n"));
        assert_eq!(old.status, 403);
    }
}

#[test]
fn only_get_is_answered() {
    let (_world, daemon) = ready();
    let token = bearer(&daemon);
    for route in ROUTES {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let answer = daemon.http(daemon.request(method, route, &token));
            assert_eq!((answer.status, answer.code().as_str()), (405, "method_not_allowed"), "{method} {route}");
        }
        let body = format!("{token}Content-Length: 5\r\n");
        assert_eq!(daemon.http(daemon.request("POST", route, &body) + "hello").status, 405);
        let head = daemon.http(daemon.request("HEAD", route, &token));
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{route}");
        if *route != "/v1/health" {
            assert_eq!(daemon.http(daemon.request("HEAD", route, "")).status, 401);
        }
        for text in ["content-type: application/json", "cache-control: no-store", "x-content-type-options: nosniff"] {
            assert!(head.head.contains(text), "{text}: {head:?}");
        }
    }
    // A preflight is a web page's.
    let preflight = format!("{token}Origin: http://evil.example\r\nAccess-Control-Request-Method: GET\r\n");
    assert_eq!(daemon.http(daemon.request("OPTIONS", "/v1/keys", &preflight)).status, 403);
}

#[test]
fn a_token_that_others_could_read_lets_nobody_in() {
    let (world, daemon) = ready();
    let file = world.path("home/.config/ringlet/http_token");
    let (token, headers) = (daemon.token(), bearer(&daemon));
    let ask = || daemon.http(daemon.request("GET", "/v1/status", &headers));
    assert_eq!(ask().status, 200);
    for mode in [0o640, 0o604, 0o660, 0o644] {
        world.chmod(&file, mode);
        let answer = ask();
        assert_eq!((answer.status, answer.code().as_str()), (503, "no_token"), "{mode:o}");
        assert!(!answer.body.contains(&token));
    }
    daemon.wait_until_it_says("the HTTP side refuses everybody");
    world.chmod(&file, 0o600);
    assert_eq!(ask().status, 200);
    for text in ["", "\n", "short", &"g".repeat(64)] {
        fs::write(&file, text).expect("written");
        assert_eq!(ask().status, 503, "{text:?}");
        assert_eq!(
            daemon.http(daemon.request("GET", "/v1/status", "Authorization: Bearer \r\n")).status,
            503,
            "{text:?}"
        );
    }
    fs::remove_file(&file).expect("removed");
    assert_eq!(ask().code(), "no_token");
    assert_eq!(daemon.http(daemon.request("GET", "/v1/status", "")).code(), "no_token");
    assert_eq!(daemon.http(daemon.request("GET", "/v1/health", "")).status, 200);
    world.run(&["daemon", "rotate-token"]).ok();
    assert_eq!(daemon.get("/v1/status").status, 200);
    assert_eq!(ask().status, 401);
}

#[test]
fn a_rotated_token_holds_at_once_and_the_old_one_never_again() {
    let (world, daemon) = ready();
    let old = bearer(&daemon);
    let request = daemon.request("GET", "/v1/status", &old);
    std::thread::scope(|scope| {
        let load: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let (mut granted, start) = (0, Instant::now());
                    loop {
                        assert!(start.elapsed() < DEADLINE, "the old token is never refused");
                        let answer = daemon.http(&request);
                        match answer.status {
                            200 => granted += 1,
                            401 => break granted,
                            _ => panic!("{answer:?}"),
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            // Asked on the old token until now, on the new one from here on.
            for _ in 0..10 {
                assert_eq!(daemon.http(&request).status, 200);
            }
            world.run(&["daemon", "rotate-token"]).ok();
            assert_eq!(daemon.get("/v1/status").status, 200);
            assert_eq!(daemon.http(&request).status, 401);
        });
        for one in load {
            assert!(one.join().expect("no other status") > 0);
        }
    });
    assert_eq!(daemon.http(&request).status, 401);
    // A connection that stays open has no more rights than a new one.
    let mut stream = daemon.tcp();
    let ask = |stream: &mut std::net::TcpStream, headers: &str| {
        let text = format!("GET /v1/openapi.json HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", daemon.http);
        stream.write_all(text.as_bytes()).expect("it reads");
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("an answer");
        String::from_utf8_lossy(&start[9..]).into_owned()
    };
    let now = bearer(&daemon);
    assert_eq!(ask(&mut stream, &now), "200");
    drop(stream);
    world.run(&["daemon", "rotate-token"]).ok();
    assert_eq!(ask(&mut daemon.tcp(), &now), "401");
}

#[test]
fn wrong_tokens_do_not_hold_up_right_ones() {
    let (_world, daemon) = ready();
    // More than wait at a time: the rest is refused at once.
    let mut wrong: Vec<_> = (0..60).map(|_| daemon.tcp()).collect();
    let text = daemon.request("GET", "/v1/status", "Authorization: Bearer nonsense\r\n");
    for stream in &mut wrong {
        stream.write_all(text.as_bytes()).expect("it reads");
    }
    assert_eq!(daemon.get("/v1/status").status, 200);
    let answers: Vec<u16> = wrong.iter_mut().map(|stream| Answer::read(stream).status).collect();
    assert!(answers.iter().all(|status| matches!(status, 401 | 429)), "{answers:?}");
    assert!(answers.contains(&401), "{answers:?}");
    assert_eq!(daemon.get("/v1/status").status, 200);
}

#[test]
fn nothing_that_is_answered_holds_a_value() {
    let keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.make_ready();
    let world = served(world);
    let daemon = Daemon::start(&world);
    register_this(&world, ALL);
    let mut client = Client::connect(&daemon.socket);
    assert_eq!(client.ask(&write("a", KEY)), success());
    world.run(&["--audit-log", "exec", "claude"]).ok();
    let mut all = daemon.said();
    for route in ROUTES {
        all += &format!("{:?}", daemon.get(route));
    }
    for route in ["/v1/keys?prefix=anthropic/", "/v1/audit?alias=work", "/v1/keys?prefix=sk-ant", "/v1/values"] {
        all += &format!("{:?}", daemon.get(route));
    }
    assert!(all.contains("anthropic/work") && !all.contains(&KEY[..12]), "{all}");
    assert!(!all.contains(&daemon.token()), "{all}");
}

#[test]
fn names_are_listed_by_their_prefix() {
    let (world, daemon) = ready();
    world.store_key("anthropic/home", "sk-2");
    world.store_key("openai/x", "sk-3");
    let keys = |query: &str| daemon.get(&format!("/v1/keys{query}")).json()["keys"].clone();
    assert_eq!(keys(""), json!(["anthropic/home", "anthropic/work", "openai/x"]));
    assert_eq!(keys("?prefix=anthropic/"), json!(["anthropic/home", "anthropic/work"]));
    assert_eq!(keys("?prefix=anthropic%2Fw"), json!(["anthropic/work"]));
    assert_eq!(keys("?prefix=nobody"), json!([]));
    assert_eq!(keys("?prefix="), json!(["anthropic/home", "anthropic/work", "openai/x"]));
    for query in ["?prefx=a", "?prefix=a&prefix=b", "?prefix=a&x=1"] {
        let answer = daemon.get(&format!("/v1/keys{query}"));
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_query"), "{query}");
    }
}

#[test]
fn profiles_are_listed_and_a_wrong_one_says_what_is_wrong() {
    let (world, daemon) = ready();
    world.profile("broken", "agent = \n");
    let profiles = daemon.get("/v1/profiles").json()["profiles"].clone();
    let rows = profiles.as_array().expect("a list");
    assert_eq!(rows.len(), 2);
    assert!(rows[0]["problem"].as_str().is_some_and(|text| text.contains("ringlet.toml:1:")), "{profiles}");
    assert_eq!((&rows[1]["name"], &rows[1]["agents"][0]["key"]), (&json!("work"), &json!("anthropic/work")));
}

#[test]
fn the_record_is_asked_by_time_key_and_agent() {
    let (world, daemon) = ready();
    let audit = |query: &str| daemon.get(&format!("/v1/audit{query}"));
    world.run(&["--audit-log", "exec", "claude"]).ok();
    register_this(&world, &["--read", "ringlet"]);
    let mut client = Client::connect(&daemon.socket);
    let ask = json!({ "type": "REQUEST", "action": "read", "service": "ringlet", "targets": ["openai/x"] });
    assert_eq!(client.ask(&ask), success());
    let actions = |query: &str| -> Vec<String> {
        let rows = audit(query).json()["records"].as_array().expect("a list").clone();
        rows.iter().map(|row| row["action"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(actions(""), ["lookup", "connect", "read"]);
    assert_eq!(actions("?alias=work"), ["lookup"]);
    assert_eq!(actions("?alias=openai/x"), ["read"]);
    assert_eq!(actions("?agent=claude"), ["lookup"]);
    assert_eq!(actions("?since=1h&limit=1"), ["read"]);
    assert_eq!(audit("?limit=1").json()["left_out"], 2);
    assert_eq!(actions("?since=2999-01-01"), [""; 0]);
    assert_eq!(actions("?limit=0"), [""; 0]);
    for query in ["?since=yesterday", "?alias=Work", "?alias=a/b/c", "?agent=a%20b", "?limit=-1", "?limit=x", "?who=me"]
    {
        let answer = audit(query);
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_query"), "{query}");
    }
}

#[test]
fn the_document_lists_exactly_the_routes_that_answer() {
    let (_world, daemon) = ready();
    let document = daemon.get("/v1/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().expect("routes");
    let mut named: Vec<&str> = paths.keys().map(String::as_str).collect();
    let mut routes = ROUTES.to_vec();
    named.sort_unstable();
    routes.sort_unstable();
    assert_eq!(named, routes);
    for (path, item) in paths {
        assert_eq!(item.as_object().expect("methods").keys().collect::<Vec<_>>(), ["get"], "{path}");
        let answer = daemon.get(path).json();
        // Everything in the answer is in the document, and the reverse.
        let schema = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"]["properties"];
        let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
        if path != "/v1/openapi.json" {
            assert_eq!(keys(schema), keys(&answer), "{path}");
        }
        // So is each parameter, and no other is taken.
        let parameters = item["get"]["parameters"].as_array().expect("a list");
        for parameter in parameters {
            let name = parameter["name"].as_str().expect("a name");
            let value = if name == "limit" {
                "1"
            } else if name == "since" {
                "1h"
            } else {
                "a"
            };
            assert_eq!(daemon.get(&format!("{path}?{name}={value}")).status, 200, "{path} {name}");
        }
    }
}

#[test]
fn garbage_and_slow_clients_are_their_own_affair() {
    let (_world, daemon) = ready();
    let mut slow: Vec<_> = (0..100).map(|_| daemon.tcp()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /v1/health HTTP/1.1\r\nHost: ").expect("it reads");
    }
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20));
    let headers = daemon.request("GET", "/v1/health", &"X-Header: value\r\n".repeat(1000));
    let large = daemon.request("GET", "/v1/health", &format!("X-Header: {}\r\n", "v".repeat(1 << 20)));
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"\xff\xfe\xfd\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"{\"type\":\"REQUEST\"}\n\n",
        long.as_bytes(),
        headers.as_bytes(),
        large.as_bytes(),
    ] {
        let mut stream = daemon.tcp();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let answer = Answer::read(&mut stream);
        assert!(answer.status == 0 || (400..500).contains(&answer.status), "{answer:?}");
        assert_eq!(daemon.get("/v1/health").status, 200);
    }
    // Several requests in one go are answered one after the other.
    let one = format!("GET /v1/health HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.http);
    let answer = daemon.http(format!("{one}{one}{}", daemon.request("GET", "/v1/health", "")));
    assert_eq!(format!("{answer:?}").to_lowercase().matches("http/1.1 200 ok").count(), 3, "{answer:?}");
    // Those are there still.
    for stream in &mut slow {
        stream.write_all(format!("{}\r\nConnection: close\r\n\r\n", daemon.http).as_bytes()).expect("it reads");
        assert_eq!(Answer::read(stream).status, 200);
    }
}
