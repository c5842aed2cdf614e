//! A server of Vault or OpenBao as the store of a key. The server is a stand-in; the real one is tried by tests/stores/run.

use crate::broker::upstream::{Seen, Upstream, answer};
use crate::broker::{Authority, sidecars_of, wait_for_end};
use crate::common::pty::Terminal;
use crate::common::world::{Done, KEY, RINGLET, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, mpsc};

/// What the stand-in is to do.
struct Play {
    /// The value of the key, which a test may change.
    value: Value,
    /// The secret's lease in seconds, and whether it can be renewed.
    lease: Option<(u64, bool)>,
    /// How long a token of the role lives, in seconds.
    ttl: u64,
    /// The tokens that were given out and not ended, in their order.
    live: Vec<String>,
    given: usize,
    /// A request that is never answered.
    silent_at: Option<&'static str>,
    /// Requests that fail once, and how.
    fails: Vec<(&'static str, &'static str)>,
    /// The leases that were given out and not ended, each with its token.
    leases: Vec<(String, String)>,
    /// Further secrets of the key-value engine, with their versions; one that was deleted has no fields.
    secrets: BTreeMap<String, (u64, Value)>,
    /// The version of that engine.
    kv: u8,
    /// Whether the names are not told.
    hides: bool,
    /// The role's secret id.
    secret_id: &'static str,
}

/// A Vault of the test.
struct Vault {
    upstream: Upstream,
    play: Arc<Mutex<Play>>,
    /// Tells the path of each request.
    asked: Mutex<mpsc::Receiver<String>>,
}

const USERS: &str = "users-own-token";

impl Vault {
    fn new() -> Self {
        let play = Play {
            value: json!(KEY),
            lease: None,
            ttl: 3600,
            live: vec![USERS.into()],
            given: 0,
            silent_at: None,
            fails: Vec::new(),
            leases: Vec::new(),
            secrets: BTreeMap::new(),
            kv: 2,
            hides: false,
            secret_id: "the-secret-id",
        };
        let play = Arc::new(Mutex::new(play));
        let (tell, asked) = mpsc::channel();
        let (own, tell) = (Arc::clone(&play), Mutex::new(tell));
        let upstream = Upstream::new(move |seen, stream| {
            while own.lock().expect("no panic").silent_at == Some(words(seen).as_str()) {
                std::thread::yield_now();
            }
            let done = played(&mut own.lock().expect("no panic"), seen, stream);
            let _ = tell.lock().expect("no panic").send(words(seen));
            done
        });
        Self { upstream, play, asked: Mutex::new(asked) }
    }

    fn play(&self, change: impl FnOnce(&mut Play)) {
        change(&mut self.play.lock().expect("no panic"));
    }

    fn live(&self) -> Vec<String> {
        self.play.lock().expect("no panic").live.clone()
    }

    fn leases(&self) -> Vec<String> {
        self.play.lock().expect("no panic").leases.iter().map(|(id, _)| id.clone()).collect()
    }

    /// How often something was asked for.
    fn count(&self, wanted: &str) -> usize {
        self.seen().iter().filter(|words| *words == wanted).count()
    }

    /// The requests so far, as METHOD and path.
    fn seen(&self) -> Vec<String> {
        self.upstream.seen().iter().map(words).collect()
    }

    /// Waits for a request.
    fn wait_for(&self, wanted: &str) {
        let asked = self.asked.lock().expect("no panic");
        while asked.recv().expect("the stand-in lives") != wanted {}
    }
}

fn words(seen: &Seen) -> String {
    seen.line.trim_end_matches(" HTTP/1.1").to_owned()
}

fn played(play: &mut Play, seen: &Seen, stream: &mut TcpStream) -> bool {
    let mut say = |status: &str, body: Value| {
        // This status has no body.
        let body = if status.starts_with("204") { String::new() } else { body.to_string() };
        answer(stream, status, "content-type: application/json\r\n", body.as_bytes())
    };
    let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let path = words(seen);
    if let Some(at) = play.fails.iter().position(|(failing, _)| *failing == path) {
        return say(play.fails.remove(at).1, json!({ "errors": ["as the test says"] }));
    }
    if path == "POST /v1/auth/approle/login" {
        if body != json!({ "role_id": "the-role", "secret_id": play.secret_id }) {
            return say("400 Bad Request", json!({ "errors": ["invalid role or secret ID"] }));
        }
        play.given += 1;
        let token = format!("made-token-{}", play.given);
        play.live.push(token.clone());
        return say(
            "200 OK",
            json!({ "auth": { "client_token": token, "lease_duration": play.ttl, "renewable": true } }),
        );
    }
    let token = seen.all("x-vault-token").first().map(|token| (*token).to_owned()).unwrap_or_default();
    if !play.live.contains(&token) {
        return say("403 Forbidden", json!({ "errors": ["permission denied"] }));
    }
    if play.hides && path.contains("?list=true") {
        return say("403 Forbidden", json!({ "errors": ["permission denied"] }));
    }
    if let Some((status, body)) = of_engine(play, &path, &body) {
        return say(status, body);
    }
    let (lease_duration, renewable) = play.lease.unwrap_or_default();
    let mut lease_id = String::new();
    if path.starts_with("GET ") && !path.contains('?') && !path.contains("lookup") && play.lease.is_some() {
        play.given += 1;
        lease_id = format!("creds/{}", play.given);
        play.leases.push((lease_id.clone(), token.clone()));
    }
    match path.as_str() {
        "POST /v1/auth/token/revoke-self" => {
            play.live.retain(|live| *live != token);
            play.leases.retain(|(_, of)| *of != token);
            say("204 No Content", json!({}))
        }
        "POST /v1/auth/token/renew-self" => {
            say("200 OK", json!({ "auth": { "client_token": token, "lease_duration": play.ttl, "renewable": true } }))
        }
        "GET /v1/auth/token/lookup-self" => say("200 OK", json!({ "data": {} })),
        "POST /v1/sys/leases/renew" => {
            let id = body["lease_id"].clone();
            say("200 OK", json!({ "lease_id": id, "lease_duration": lease_duration, "renewable": renewable }))
        }
        "POST /v1/sys/leases/revoke" => {
            play.leases.retain(|(id, _)| body["lease_id"] != **id);
            say("204 No Content", json!({}))
        }
        "GET /v1/secret/data/ringlet/anthropic/work" => say(
            "200 OK",
            json!({
                "lease_id": lease_id, "lease_duration": lease_duration, "renewable": renewable,
                "data": { "data": { "key": play.value }, "metadata": { "version": 3 } },
            }),
        ),
        "GET /v1/secret/metadata/ringlet?list=true" => {
            say("200 OK", json!({ "data": { "keys": ["anthropic/", "a b/", "x?y/", "../", "loose"] } }))
        }
        "GET /v1/secret/metadata/ringlet/anthropic?list=true" => {
            say("200 OK", json!({ "data": { "keys": ["work", "A B", "deeper/"] } }))
        }
        "GET /v1/creds/openai" => say(
            "200 OK",
            json!({
                "lease_id": lease_id, "lease_duration": lease_duration, "renewable": renewable,
                "data": { "api_key": play.value },
            }),
        ),
        "GET /v1/database/creds/app" => say(
            "200 OK",
            json!({
                "lease_id": lease_id, "lease_duration": lease_duration, "renewable": renewable,
                "data": { "username": format!("user of {lease_id}"), "password": format!("password of {lease_id}") },
            }),
        ),
        _ => say("404 Not Found", json!({ "errors": [] })),
    }
}

/// The key-value engine at `secret`, but for the key `anthropic/work`.
fn of_engine(play: &mut Play, words: &str, body: &Value) -> Option<(&'static str, Value)> {
    let (method, path) = words.split_once(" /v1/secret/")?;
    if path.contains("?list") || path == "data/ringlet/anthropic/work" {
        return None;
    }
    let missing = || json!({ "errors": [] });
    if play.kv == 1 {
        let stored = play.secrets.get(path).map(|(_, fields)| fields.clone());
        return Some(match (method, stored) {
            ("GET", Some(fields)) => ("200 OK", json!({ "data": fields })),
            ("POST", _) => {
                play.secrets.insert(path.to_owned(), (0, body.clone()));
                ("204 No Content", json!({}))
            }
            ("DELETE", _) => {
                play.secrets.remove(path);
                ("204 No Content", json!({}))
            }
            _ => ("404 Not Found", missing()),
        });
    }
    let name = path.split_once('/').filter(|(what, _)| matches!(*what, "data" | "metadata"));
    let Some((_, name)) = name else {
        let says = "Invalid path for a versioned K/V secrets engine. See the API docs";
        return Some(("404 Not Found", json!({ "data": null, "warnings": [says] })));
    };
    let stored = play.secrets.get(name).cloned();
    let version = stored.as_ref().map_or(0, |(version, _)| *version);
    Some(match (method, stored) {
        ("GET", Some((_, Value::Null))) => {
            let about = json!({ "version": version, "deletion_time": "2026-01-01T00:00:00Z" });
            ("404 Not Found", json!({ "data": { "data": null, "metadata": about } }))
        }
        ("GET", Some((_, fields))) => {
            ("200 OK", json!({ "data": { "data": fields, "metadata": { "version": version } } }))
        }
        ("POST", _) if body["options"]["cas"] != version => {
            ("400 Bad Request", json!({ "errors": ["check-and-set parameter did not match the current version"] }))
        }
        ("POST", _) => {
            play.secrets.insert(name.to_owned(), (version + 1, body["data"].clone()));
            ("200 OK", json!({ "data": { "version": version + 1 } }))
        }
        ("DELETE", Some(_)) if path.starts_with("metadata/") => {
            play.secrets.remove(name);
            ("204 No Content", json!({}))
        }
        _ => ("404 Not Found", missing()),
    })
}

const ROLE: &str = "role-id = \"the-role\"\nsecret-id-file = \"~/secret-id\"\n";
const TOKEN: &str = "token-file = \"~/token\"\n";

/// A world in which a server holds the keys of Anthropic.
fn world(address: &str, login: &str) -> World {
    let world = World::new();
    world.configure(&format!(
        "[audit]\nenabled = true\n[store.team]\naddress = \"{address}\"\n{login}[store-for.anthropic]\nstore = \"team\"\n"
    ));
    for (file, text) in [("secret-id", "the-secret-id\n"), ("token", "users-own-token\n")] {
        let file = world.write(format!("home/{file}"), text);
        world.chmod(&file, 0o600);
    }
    world.agent("claude");
    world.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n");
    world.allow("profile = \"work\"\n");
    world
}

fn launch(world: &World) -> Done {
    world.run(&["exec", "claude"])
}

#[test]
fn a_launch_logs_in_reads_one_field_and_ends_its_token() {
    let vault = Vault::new();
    let world = world(&vault.upstream.url(), &format!("{ROLE}namespace = \"team/a\"\n"));
    let text = launch(&world).ok();
    assert!(text.contains(&format!("env=ANTHROPIC_API_KEY={KEY}\n")), "{text}");
    assert!(!text.contains("made-token") && !text.contains("the-secret-id"), "{text}");
    let wanted = [
        "POST /v1/auth/approle/login",
        "GET /v1/secret/data/ringlet/anthropic/work",
        "POST /v1/auth/token/revoke-self",
    ];
    assert_eq!(vault.seen(), wanted);
    assert_eq!(vault.live(), [USERS]);
    for seen in vault.upstream.seen() {
        assert_eq!(seen.all("x-vault-namespace"), ["team/a"]);
    }
    let log = world.run(&["audit", "--json"]).ok();
    assert!(log.contains("\"store\":\"team\"") && log.contains("\"result\":\"granted\""), "{log}");
    assert!(!log.contains("token-1") && !log.contains("secret-id") && !log.contains(KEY), "{log}");
}

#[test]
fn a_token_of_the_users_is_neither_ended_nor_taken_from_a_file_that_others_may_read() {
    let vault = Vault::new();
    let mut world = world(&vault.upstream.url(), TOKEN);
    // Neither the server nor the token is chosen by the shell.
    for (name, value) in [
        ("VAULT_ADDR", "http://127.0.0.1:9"),
        ("BAO_ADDR", "http://127.0.0.1:9"),
        ("VAULT_TOKEN", "another"),
        ("VAULT_NAMESPACE", "another"),
        ("HTTP_PROXY", "http://127.0.0.1:9"),
        ("ALL_PROXY", "http://127.0.0.1:9"),
    ] {
        world.set(name, value);
    }
    launch(&world).ok();
    assert_eq!(vault.seen(), ["GET /v1/secret/data/ringlet/anthropic/work"]);
    assert!(vault.upstream.seen()[0].all("x-vault-namespace").is_empty());
    world.chmod(&world.path("home/token"), 0o644);
    launch(&world).fails(125, &["token: is open to others than its owner"]);
    world.chmod(&world.path("home/token"), 0o600);
    world.write("home/token", "\n");
    world.chmod(&world.path("home/token"), 0o600);
    launch(&world).fails(125, &["is no line of text"]);
    std::fs::remove_file(world.path("home/token")).expect("removed");
    launch(&world).fails(125, &["does not exist"]);
    assert_eq!(vault.seen().len(), 1, "nothing was asked without a token");
}

#[test]
fn a_token_may_be_a_key_in_the_usual_store() {
    let vault = Vault::new();
    let world = world(&vault.upstream.url(), "token = \"vault/token\"\n");
    launch(&world).fails(125, &["has no key vault/token", "ringlet keychain set vault token"]);
    world.store_key("vault/token", USERS);
    assert!(launch(&world).ok().contains(KEY));
    assert_eq!(vault.live(), [USERS]);
}

#[test]
fn what_is_no_key_is_refused_and_nothing_of_it_is_said() {
    let vault = Vault::new();
    let world = world(&vault.upstream.url(), TOKEN);
    for (value, said) in [
        (json!(format!("{KEY}\nmore")), "more than one line"),
        (json!(format!("{KEY}\u{0}")), "holds a NUL"),
        (json!(""), "is empty"),
        (json!(format!("{KEY}{}", "x".repeat(2560))), "is longer than 2560 bytes"),
        (json!("x".repeat(2 << 20)), "its answer is longer than"),
        (json!({ "key": KEY }), "the field key is no text"),
        (json!([KEY]), "the field key is no text"),
        (json!(7), "the field key is no text"),
    ] {
        vault.play(|play| play.value = value);
        let done = launch(&world).fails(125, &[said]);
        assert!(!format!("{done:?}").contains("TESTTEST"), "{done:?}");
    }
    let log = world.run(&["audit", "--json"]).ok();
    assert!(log.contains("\"result\":\"error\"") && !log.contains("TESTTEST"), "{log}");
}

#[test]
fn a_key_that_is_not_there_is_missing_and_a_field_is_named() {
    let vault = Vault::new();
    let world = world(&vault.upstream.url(), TOKEN);
    world.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"other\"\n");
    let says = ["has no key anthropic/other in the store \"team\"", "ringlet keychain set anthropic other"];
    launch(&world).fails(125, &says);
    world.configure("[store-for.\"anthropic/other\"]\nstore = \"team\"\npath = \"creds/openai\"\nfield = \"nope\"\n");
    launch(&world).fails(125, &["has no field nope at creds/openai"]);
}

#[test]
fn a_server_that_refuses_is_sealed_leads_elsewhere_or_says_nothing_is_told_apart() {
    let elsewhere = Upstream::plain();
    let to = format!("location: {}/v1/secret?token=x\r\n", elsewhere.url());
    let cases: [(&'static str, String, &'static str, &str); 7] = [
        (
            "503 Service Unavailable",
            String::new(),
            "{\"errors\":[\"Vault is sealed\"]}",
            "the store \"team\" is sealed",
        ),
        ("503 Service Unavailable", String::new(), "<html>", "answers otherwise than a Vault: 503"),
        ("403 Forbidden", String::new(), "{\"errors\":[\"permission denied\"]}", "denies it"),
        ("307 Temporary Redirect", to, "", "leads to another server, http://127.0.0.1:"),
        ("200 OK", String::new(), "<html>", "its answer is no JSON"),
        ("200 OK", String::new(), "{\"data\":null}", "has no field key"),
        ("500 Internal Server Error", String::new(), "{\"errors\":[\"oh no\"]}", "500 Internal Server Error, oh no"),
    ];
    for (status, headers, body, said) in cases {
        let upstream = Upstream::new(move |_, stream| answer(stream, status, &headers, body.as_bytes()));
        let done = launch(&world(&upstream.url(), TOKEN)).fails(125, &[said]);
        assert!(!done.stderr.contains("token=x"), "{done:?}");
    }
    assert!(elsewhere.seen().is_empty(), "a redirect is not followed");
    // One that takes the request and says nothing, and one that is not there.
    let silent = Upstream::new(|_, _| {
        loop {
            std::thread::park();
        }
    });
    launch(&world(&silent.url(), &format!("{TOKEN}timeout = 0.2\n"))).fails(125, &["did not answer within 200ms"]);
    launch(&world("http://127.0.0.1:9", TOKEN)).fails(125, &["cannot be reached", "ringlet config edit"]);
}

#[test]
fn what_was_sent_is_not_repeated_although_the_server_repeats_it() {
    // It says what it was sent, in its errors.
    let upstream = Upstream::new(|seen, stream| {
        let said = format!("{} {:?} {}", seen.line, seen.all("x-vault-token"), String::from_utf8_lossy(&seen.body));
        let to = format!("location: http://{}/\r\n", seen.all("x-vault-token").concat());
        let (status, headers) = match seen.line.contains("namesake") {
            true => ("302 Found", to.as_str()),
            false => ("400 Bad Request", ""),
        };
        answer(stream, status, headers, json!({ "errors": [said] }).to_string().as_bytes())
    });
    let by_role = world(&upstream.url(), ROLE);
    let by_token = world(&upstream.url(), TOKEN);
    for world in [&by_role, &by_token] {
        let done = launch(world).fails(125, &["400 Bad Request", "..."]);
        let stored = world.feed(&["keychain", "set", "anthropic", "own", "--stdin", "--replace"], "low entropy value");
        let log = world.run(&["audit", "--json"]).ok();
        for text in [format!("{done:?}"), format!("{:?}", stored.stderr), log] {
            for secret in ["the-secret-id", "users-own-token", "own-token", "low entropy", "entropy value"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }
    by_token.configure("[store-for.\"anthropic/own\"]\nstore = \"team\"\npath = \"namesake/x\"\n");
    let done = by_token.run(&["keychain", "unlock", "anthropic/own"]);
    assert!(done.stderr.contains("leads to another server") && !done.stderr.contains("users-own"), "{done:?}");
}

#[test]
fn a_reading_whose_answer_is_lost_is_not_sent_again() {
    // It may have made a credential.
    let upstream = Upstream::new(|_, _| false);
    launch(&world(&upstream.url(), TOKEN)).fails(125, &["the connection broke"]);
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn a_certificate_counts_by_the_file_of_the_settings_alone() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    for (named, in_env, is_good) in
        [(Some(&own), None, true), (Some(&other), Some(&own), false), (None, Some(&own), false), (None, None, false)]
    {
        let upstream = Upstream::over_tls(own.server("localhost", 2090));
        let login = format!("{TOKEN}{}", named.map_or("", |_| "ca-file = \"~/ca.pem\"\n"));
        let mut world = world(&format!("https://localhost:{}", upstream.port), &login);
        if let Some(authority) = named {
            world.write("home/ca.pem", authority.pem());
        }
        if let Some(authority) = in_env {
            let file = world.write("env.pem", authority.pem());
            world.set("SSL_CERT_FILE", file.clone());
            world.set("NODE_EXTRA_CA_CERTS", file);
        }
        // The stand-in answers every request with an empty object.
        let said = if is_good { "its answer holds no data" } else { "by an authority that this system does not know" };
        launch(&world).fails(125, &[said]);
        assert_eq!(upstream.seen().len(), usize::from(is_good));
    }
    let upstream = Upstream::over_tls(own.server("elsewhere.example", 2090));
    let good = world(&format!("https://localhost:{}", upstream.port), &format!("{TOKEN}ca-file = \"~/ca.pem\"\n"));
    good.write("home/ca.pem", own.pem());
    launch(&good).fails(125, &["its certificate is for another name"]);
    good.write("home/ca.pem", &own.pem()[..200]);
    launch(&good).fails(125, &["ca.pem: holds a certificate that cannot be read", "ringlet config edit"]);
    good.write("home/ca.pem", "nothing");
    launch(&good).fails(125, &["ca.pem: holds no certificate authority"]);
}

#[test]
fn a_secret_with_a_lease_keeps_its_token_for_a_direct_launch_and_that_is_said() {
    let vault = Vault::new();
    vault.play(|play| play.lease = Some((600, true)));
    let world = world(&vault.upstream.url(), ROLE);
    let done = launch(&world);
    assert!(done.stderr.contains("anthropic/work is good for 600 s") && done.stderr.contains("stays"), "{done:?}");
    assert!(done.ok().contains(KEY));
    assert_eq!(vault.live(), [USERS, "made-token-1"]);
    // Where something refuses the launch afterwards, nothing is left.
    vault.play(|play| play.value = json!(format!("{KEY}\nmore")));
    vault.play(|play| play.lease = None);
    launch(&world).fails(125, &["more than one line"]);
    assert_eq!(vault.live(), [USERS, "made-token-1"]);
}

#[test]
fn what_was_read_is_good_although_the_end_of_its_token_is_not_answered() {
    let vault = Vault::new();
    vault.play(|play| play.silent_at = Some("POST /v1/auth/token/revoke-self"));
    let world = world(&vault.upstream.url(), ROLE);
    assert!(launch(&world).ok().contains(KEY));
    // A read that is late ends its token all the same.
    vault.play(|play| play.silent_at = Some("GET /v1/secret/data/ringlet/anthropic/work"));
    let settings =
        world.read("home/.config/ringlet/config.toml").replace("[store.team]\n", "[store.team]\ntimeout = 0.3\n");
    world.write("home/.config/ringlet/config.toml", settings);
    launch(&world).fails(125, &["did not answer within 300ms"]);
    assert!(vault.seen().contains(&"POST /v1/auth/approle/login".to_owned()));
    assert!(!vault.live().contains(&"made-token-2".to_owned()), "{:?}", vault.live());
    vault.play(|play| play.silent_at = None);
}

#[test]
fn a_secret_that_is_no_key_leaves_neither_its_token_nor_its_lease() {
    let vault = Vault::new();
    vault.play(|play| (play.lease, play.value) = (Some((600, true)), json!("")));
    let world = world(&vault.upstream.url(), ROLE);
    launch(&world).fails(125, &["gave no key for anthropic/work: the field key is empty"]);
    assert_eq!(vault.live(), [USERS]);
    // Neither does a look whether it is there.
    vault.play(|play| play.value = json!(KEY));
    world.configure("[store-for.\"anthropic/own\"]\nstore = \"team\"\npath = \"creds/openai\"\nfield = \"api_key\"\n");
    world.run(&["keychain", "unlock", "anthropic/own"]).ok();
    assert_eq!(vault.live(), [USERS]);
}

/// A launch that has two fields of one dynamic secret.
fn with_database(vault: &Vault, login: &str) -> World {
    vault.play(|play| play.lease = Some((600, true)));
    let world = world(&vault.upstream.url(), login);
    world.store_key("openai/work", "sk-proj-MADEUP0000000000000000001");
    for field in ["username", "password"] {
        world.configure(&format!(
            "[store-for.\"db/{field}\"]\nstore = \"team\"\npath = \"database/creds/app\"\nfield = \"{field}\"\n"
        ));
    }
    world.profile(
        "work",
        "agent = \"claude\"\nprovider = \"deepseek\"\n[provider-config]\nkey-alias = \"work\"\n\
         [secrets]\nDB_USER = \"db/username\"\nDB_PASSWORD = \"db/password\"\n",
    );
    world.store_key("deepseek/work", "sk-MADEUP0000000000000000000000001");
    world
}

const CREDENTIALS: &str = "GET /v1/database/creds/app";

#[test]
fn two_fields_of_one_secret_are_of_one_reading() {
    for (login, logins) in [(ROLE, 1), (TOKEN, 0)] {
        let vault = Vault::new();
        let world = with_database(&vault, login);
        let text = launch(&world).ok();
        assert_eq!((vault.count(LOGIN), vault.count(CREDENTIALS), vault.leases().len()), (logins, 1, 1));
        let lease = vault.leases().remove(0);
        assert!(text.contains(&format!("env=DB_USER=user of {lease}\n")), "{text}");
        assert!(text.contains(&format!("env=DB_PASSWORD=password of {lease}\n")), "{text}");
    }
}

#[test]
fn a_launch_that_fails_leaves_nothing_on_the_server() {
    for login in [ROLE, TOKEN] {
        let vault = Vault::new();
        let world = with_database(&vault, login);
        // A later key is missing.
        world.configure("[store-for.\"other/key\"]\nstore = \"team\"\n");
        let profile = world.read("home/.ringlet/profiles/work/ringlet.toml");
        world.profile("work", &format!("{profile}Z_LAST = \"other/key\"\n"));
        launch(&world).fails(125, &["has no key other/key"]);
        assert_eq!((vault.count(CREDENTIALS), vault.live(), vault.leases()), (1, vec![USERS.into()], vec![]));
        // The program does not start.
        world.profile("work", &profile);
        world.program("claude", "#!/nonexistent/interpreter\n");
        launch(&world).fails(127, &[]);
        assert_eq!((vault.count(CREDENTIALS), vault.live(), vault.leases()), (2, vec![USERS.into()], vec![]));
    }
}

#[test]
fn a_value_with_a_lease_is_kept_nowhere_else() {
    let vault = Vault::new();
    let world = with_database(&vault, ROLE);
    let done = world.feed(&["keychain", "rotate", "db/username", "--stdin", "--no-check"], "another");
    done.fails(1, &["db/username is the field username of database/creds/app"]);
    assert_eq!(vault.count(CREDENTIALS), 0);
    let mut command = world.process(RINGLET);
    command.args(["keychain", "copy", "db/username", "--to", "file"]);
    let mut terminal = Terminal::start(command);
    terminal.expect("gives db/username for 600 s alone");
    terminal.end();
    assert_eq!((vault.count(CREDENTIALS), vault.live(), vault.leases()), (1, vec![USERS.into()], vec![]));
}

#[test]
fn a_token_that_cannot_be_ended_is_said() {
    let vault = Vault::new();
    vault.play(|play| play.fails = vec![("POST /v1/auth/token/revoke-self", "403 Forbidden")]);
    let world = world(&vault.upstream.url(), ROLE);
    let done = launch(&world);
    assert!(done.stderr.contains("has not ended ringlet's token: it denies it"), "{done:?}");
    assert!(done.stderr.contains("it ends by itself within 3600 s") && done.ok().contains(KEY));
}

/// A world in which the engine holds keys of OpenAI as well.
fn with_engine(vault: &Vault) -> World {
    let world = world(&vault.upstream.url(), TOKEN);
    world.configure("[store-for.openai]\nstore = \"team\"\n");
    world
}

const OWN: &str = "sk-proj-MADEUP0000000000000000001";

fn set(world: &World) -> Done {
    world.feed(&["keychain", "set", "openai", "own", "--stdin", "--replace"], OWN)
}

#[test]
fn what_else_a_secret_holds_stays_when_its_key_is_stored_or_removed() {
    let vault = Vault::new();
    let world = with_engine(&vault);
    let name = "ringlet/openai/own";
    let others = json!({ "user": "me", "port": 5432, "since": -1, "tags": ["a", null, true] });
    let secrets = |vault: &Vault| vault.play.lock().expect("no panic").secrets.get(name).cloned();
    vault.play(|play| drop(play.secrets.insert(name.into(), (4, others.clone()))));
    set(&world).ok();
    let mut wanted = others.clone();
    wanted["key"] = json!(OWN);
    assert_eq!(secrets(&vault), Some((5, wanted)));
    world.run(&["keychain", "remove", "openai", "own", "--yes"]).ok();
    assert_eq!(secrets(&vault), Some((6, others.clone())));
    // What would not stay as it is, is not written.
    vault.play(|play| drop(play.secrets.insert(name.into(), (7, json!({ "rate": 0.5 })))));
    set(&world).fails(1, &["has a number at secret/data/ringlet/openai/own"]);
    assert_eq!(secrets(&vault), Some((7, json!({ "rate": 0.5 }))));
    // A secret that holds the key alone is removed whole, and what was deleted is written over.
    vault.play(|play| drop(play.secrets.insert(name.into(), (7, Value::Null))));
    world.run(&["keychain", "unlock", "openai/own"]).fails(1, &["has only a deleted version at", "--replace"]);
    set(&world).ok();
    assert_eq!(secrets(&vault), Some((8, json!({ "key": OWN }))));
    world.run(&["keychain", "remove", "openai", "own", "--yes"]).ok();
    assert_eq!(secrets(&vault), None);
}

#[test]
fn an_engine_of_the_other_version_is_told_and_nothing_is_left_there() {
    let vault = Vault::new();
    let world = with_engine(&vault);
    vault.play(|play| play.kv = 1);
    set(&world).fails(1, &["has version 1 of the key-value engine", "write `kv = 1`"]);
    assert!(vault.play.lock().expect("no panic").secrets.is_empty());
    let settings = world.read("home/.config/ringlet/config.toml").replace("[store.team]\n", "[store.team]\nkv = 1\n");
    world.write("home/.config/ringlet/config.toml", settings);
    set(&world).ok();
    let stored = vault.play.lock().expect("no panic").secrets.get("ringlet/openai/own").cloned();
    assert_eq!(stored, Some((0, json!({ "key": OWN }))));
    vault.play(|play| (play.kv, play.secrets) = (2, BTreeMap::new()));
    set(&world).fails(1, &["has version 2 of the key-value engine", "`kv` is 2"]);
    assert!(vault.play.lock().expect("no panic").secrets.is_empty());
}

#[test]
fn who_may_read_and_not_list_has_keys_all_the_same() {
    let vault = Vault::new();
    vault.play(|play| play.hides = true);
    let world = world(&vault.upstream.url(), TOKEN);
    world.configure("[store-for.\"openai/own\"]\nstore = \"team\"\npath = \"creds/openai\"\nfield = \"api_key\"\n");
    assert_eq!(world.run(&["keychain", "list"]).ok(), "openai/own  the store \"team\"\n");
    let status = world.run(&["status"]);
    assert!(!format!("{status:?}").contains("denies"), "{status:?}");
    assert!(launch(&world).ok().contains(KEY));
    // A token that has ended may do nothing at all.
    vault.play(|play| play.live.clear());
    let done = world.run(&["keychain", "list"]);
    assert!(format!("{done:?}").contains("denies it"), "{done:?}");
}

#[test]
fn a_path_with_nothing_at_it_is_named() {
    let vault = Vault::new();
    let world = world(&vault.upstream.url(), TOKEN);
    world.configure("[store-for.\"openai/own\"]\nstore = \"team\"\npath = \"secret/data/nothing\"\n");
    world.configure("[store-for.\"openai/other\"]\nstore = \"team\"\npath = \"secret/nothing\"\n");
    let says = ["has nothing at secret/data/nothing, the path of openai/own", "ringlet config edit"];
    world.run(&["keychain", "unlock", "openai/own"]).fails(1, &says);
    let says = ["has version 2 of the key-value engine at secret/nothing", "have /data/ behind the mount"];
    world.run(&["keychain", "unlock", "openai/other"]).fails(1, &says);
    let done = world.feed(&["keychain", "set", "openai", "own", "--stdin"], OWN);
    done.fails(1, &["openai/own is the field key of secret/data/nothing"]);
}

#[test]
fn names_of_others_on_the_server_are_passed_over() {
    let vault = Vault::new();
    let world = world(&vault.upstream.url(), TOKEN);
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/work  the store \"team\"\n");
}

/// An agent below a broker, which sends a request for each line that it is told.
struct Brokered {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    provider: Upstream,
}

impl Brokered {
    fn start(world: &mut World) -> Self {
        let provider = Upstream::plain();
        world.set("PYTHONDONTWRITEBYTECODE", "1");
        let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/broker");
        world.program(
            "claude",
            &format!(
                "#!/usr/bin/env python3\nimport sys\nsys.path.insert(0, {scripts:?})\nfrom agent import *\n\
                 for line in sys.stdin: say(status=post()[0])\n"
            ),
        );
        let endpoint = format!("endpoint = \"{}\"\n", provider.url());
        world.profile(
            "work",
            &format!(
                "agent = \"claude\"\nprovider = \"anthropic\"\n{endpoint}delivery = \"broker\"\n\
                 [provider-config]\nkey-alias = \"work\"\n"
            ),
        );
        let mut command = world.process(RINGLET);
        command.args(["exec", "claude"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("ringlet starts");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, lines, provider }
    }

    /// Has the agent ask its provider, and gives the status that it sees, and the key that arrived.
    fn ask(&mut self) -> (u64, Option<String>) {
        let before = self.provider.seen().len();
        self.child.stdin.as_mut().expect("piped").write_all(b"\n").expect("written");
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("read");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line:?}"));
        let key = self.provider.seen().get(before).map(|seen| seen.all("x-api-key").concat());
        (said["status"].as_u64().expect("a status"), key)
    }

    /// Ends the agent, and waits for the process beside it.
    fn end(mut self) {
        let sidecars = sidecars_of(self.child.id());
        drop(self.child.stdin.take());
        assert!(self.child.wait().expect("a child").success());
        sidecars.into_iter().for_each(wait_for_end);
    }
}

#[test]
fn a_broker_renews_its_token_while_the_agent_runs_and_ends_it_afterwards() {
    let vault = Vault::new();
    vault.play(|play| play.ttl = 1);
    let mut world = world(&vault.upstream.url(), ROLE);
    let mut agent = Brokered::start(&mut world);
    assert_eq!(agent.ask(), (200, Some(KEY.to_owned())));
    assert_eq!(vault.live(), [USERS, "made-token-1"]);
    vault.wait_for("POST /v1/auth/token/renew-self");
    vault.wait_for("POST /v1/auth/token/renew-self");
    assert_eq!(agent.ask(), (200, Some(KEY.to_owned())));
    agent.end();
    assert_eq!(vault.live(), [USERS]);
}

#[test]
fn a_key_whose_lease_ends_is_read_anew_and_refused_where_that_fails() {
    let vault = Vault::new();
    vault.play(|play| play.lease = Some((1, false)));
    let mut world = world(&vault.upstream.url(), TOKEN);
    let mut agent = Brokered::start(&mut world);
    assert_eq!(agent.ask(), (200, Some(KEY.to_owned())));
    let next = format!("{KEY}2");
    vault.play(|play| play.value = json!(next));
    vault.wait_for("GET /v1/secret/data/ringlet/anthropic/work");
    vault.wait_for("GET /v1/secret/data/ringlet/anthropic/work");
    while agent.ask() != (200, Some(next.clone())) {}
    // The lease that was replaced is ended, and the one of the new value is left.
    while vault.leases().len() != 1 {
        std::thread::yield_now();
    }
    // Revoked in the middle of a launch: the key is used until its lease ends, and then not any more.
    vault.play(|play| play.live.clear());
    while agent.ask().0 == 200 {}
    assert_eq!(agent.ask(), (400, None));
    vault.play(|play| play.live.push(USERS.into()));
    while agent.ask().0 != 200 {}
    agent.end();
    let log = world.run(&["audit", "--json"]).ok();
    assert!(log.contains("it was read anew from its store"), "{log}");
    assert!(log.contains("the store's lease has ended: its store denies it"), "{log}");
    assert!(!log.contains(KEY), "{log}");
    assert_eq!(vault.seen().last().map(String::as_str), Some("POST /v1/sys/leases/revoke"));
}

const LOGIN: &str = "POST /v1/auth/approle/login";
const RENEWAL: &str = "POST /v1/auth/token/renew-self";
const READING: &str = "GET /v1/secret/data/ringlet/anthropic/work";

#[test]
fn a_server_that_is_busy_at_a_renewal_ends_no_key() {
    let vault = Vault::new();
    let (busy, broken) = ("429 Too Many Requests", "502 Bad Gateway");
    vault.play(|play| (play.ttl, play.fails) = (1, vec![(RENEWAL, busy), (RENEWAL, broken)]));
    let mut world = world(&vault.upstream.url(), ROLE);
    let mut agent = Brokered::start(&mut world);
    vault.wait_for(LOGIN);
    vault.play(|play| play.fails.push((LOGIN, broken)));
    // The one that fails, and the one after it.
    vault.wait_for(LOGIN);
    assert_eq!(agent.ask(), (200, Some(KEY.to_owned())));
    vault.wait_for(LOGIN);
    assert_eq!(agent.ask(), (200, Some(KEY.to_owned())));
    agent.end();
    let log = world.run(&["audit", "--json"]).ok();
    assert!(!log.contains("has ended"), "{log}");
    assert_eq!(vault.live(), [USERS]);
}

#[test]
fn a_key_that_was_denied_is_used_again_once_the_server_takes_the_role() {
    let vault = Vault::new();
    vault.play(|play| play.ttl = 1);
    let mut world = world(&vault.upstream.url(), ROLE);
    let mut agent = Brokered::start(&mut world);
    assert_eq!(agent.ask(), (200, Some(KEY.to_owned())));
    vault.play(|play| play.fails = vec![(RENEWAL, "403 Forbidden"), (LOGIN, "400 Bad Request")]);
    while agent.ask().0 == 200 {}
    while agent.ask().0 != 200 {}
    agent.end();
    assert_eq!(vault.live(), [USERS]);
}

#[test]
fn a_secret_id_that_was_replaced_in_its_file_is_taken_at_the_next_login() {
    let vault = Vault::new();
    vault.play(|play| play.ttl = 1);
    let mut world = world(&vault.upstream.url(), ROLE);
    let mut agent = Brokered::start(&mut world);
    assert_eq!(agent.ask(), (200, Some(KEY.to_owned())));
    let file = world.write("home/secret-id", "the next one\n");
    world.chmod(&file, 0o600);
    vault.play(|play| (play.secret_id, play.fails) = ("the next one", vec![(RENEWAL, "403 Forbidden")]));
    vault.wait_for(LOGIN);
    vault.wait_for(LOGIN);
    vault.wait_for(RENEWAL);
    assert_eq!((agent.ask(), vault.count(LOGIN)), ((200, Some(KEY.to_owned())), 2));
    agent.end();
    assert_eq!(vault.live(), [USERS]);
}

#[test]
fn a_path_that_is_denied_makes_no_further_logins() {
    let vault = Vault::new();
    vault.play(|play| play.lease = Some((1, false)));
    let mut world = world(&vault.upstream.url(), ROLE);
    let mut agent = Brokered::start(&mut world);
    assert_eq!(agent.ask(), (200, Some(KEY.to_owned())));
    vault.play(|play| play.fails = vec![(READING, "403 Forbidden"); 2]);
    while agent.ask().0 == 200 {}
    while agent.ask().0 != 200 {}
    assert_eq!((vault.count(LOGIN), vault.live()), (1, vec![USERS.to_owned(), "made-token-1".to_owned()]));
    agent.end();
    assert_eq!(vault.live(), [USERS]);
}

#[test]
fn a_token_that_was_replaced_is_ended_although_the_agent_ends_before_the_key_was_read_with_the_next() {
    let vault = Vault::new();
    vault.play(|play| (play.lease, play.ttl) = (Some((3600, true)), 1));
    let mut world = world(&vault.upstream.url(), ROLE);
    let agent = Brokered::start(&mut world);
    vault.wait_for(READING);
    vault.play(|play| (play.silent_at, play.fails) = (Some(READING), vec![(RENEWAL, "403 Forbidden")]));
    while vault.count(READING) < 2 {
        std::thread::yield_now();
    }
    assert_eq!(vault.live(), [USERS, "made-token-1", "made-token-3"]);
    agent.end();
    assert_eq!(vault.live(), [USERS]);
    vault.play(|play| play.silent_at = None);
}

#[test]
fn a_key_is_refused_at_the_end_of_its_lease_although_its_renewal_hangs() {
    let vault = Vault::new();
    vault.play(|play| (play.lease, play.silent_at) = (Some((1, true)), Some("POST /v1/sys/leases/renew")));
    let mut world = world(&vault.upstream.url(), TOKEN);
    let mut agent = Brokered::start(&mut world);
    assert_eq!(agent.ask(), (200, Some(KEY.to_owned())));
    vault.play(|play| play.fails = vec![(READING, "500 Internal Server Error"); 1000]);
    while agent.ask().0 == 200 {}
    assert_eq!(agent.ask(), (400, None));
    vault.play(|play| (play.silent_at, play.fails) = (None, Vec::new()));
    while agent.ask().0 != 200 {}
    agent.end();
    assert!(vault.leases().is_empty(), "{:?}", vault.leases());
}

#[test]
fn a_lease_is_renewed_and_a_token_that_was_revoked_is_replaced_by_a_login() {
    let vault = Vault::new();
    vault.play(|play| (play.lease, play.ttl) = (Some((1, true)), 3600));
    let mut world = world(&vault.upstream.url(), ROLE);
    let mut agent = Brokered::start(&mut world);
    vault.wait_for("POST /v1/sys/leases/renew");
    vault.wait_for("POST /v1/sys/leases/renew");
    assert_eq!(agent.ask(), (200, Some(KEY.to_owned())));
    // The token ends with its next renewal, and so does what it has read.
    vault.play(|play| play.live.retain(|token| token == USERS));
    vault.wait_for("POST /v1/auth/approle/login");
    vault.wait_for("GET /v1/secret/data/ringlet/anthropic/work");
    while agent.ask().0 != 200 {}
    agent.end();
    assert_eq!(vault.live(), [USERS]);
}

#[test]
fn nothing_is_read_anew_once_the_launchs_own_lease_has_ended() {
    let vault = Vault::new();
    vault.play(|play| play.lease = Some((1, true)));
    let mut world = world(&vault.upstream.url(), ROLE);
    world.configure("[scope.\"anthropic/work\"]\nlease = \"1h\"\n");
    world.run(&["lease", "grant", "anthropic/work", "--for", "2s"]).ok();
    let mut agent = Brokered::start(&mut world);
    vault.wait_for("POST /v1/auth/token/revoke-self");
    assert_eq!(vault.live(), [USERS]);
    assert_eq!(agent.ask(), (400, None));
    agent.end();
}
