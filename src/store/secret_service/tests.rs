//! The store against a bus of our own making: services that prompt, lie, die or differ as the real ones do.

use super::wire::Message;
use super::writer::Writer;
use super::*;
use crate::paths::Paths;
use crate::secret::Secret;
use crate::store::keychain::Keychain;
use crate::store::routes::Routes;
use crate::store::{self, Keys, StoreError};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, mpsc};
use std::thread;
use zeroize::Zeroizing;

const ITEM: &str = "/org/freedesktop/secrets/collection/login/7";
const LOGIN: &str = "/org/freedesktop/secrets/collection/login";
const PROMPT: &str = "/org/freedesktop/secrets/prompt/p1";
const CANARY: &[u8] = b"sk-canary-4711";

fn accounts(store: &SecretService, service: &str) -> Result<Vec<String>> {
    Ok(store.items(service, Content::Attributes, &|_| true)?.into_iter().map(|item| item.account).collect())
}

/// What the fake service says to one call.
enum Say {
    Reply(&'static str, Writer),
    Error(&'static str),
    Signal(&'static str, &'static str, &'static str, Writer),
    /// As another process on the bus from here on.
    Become(&'static str),
    Bytes(Vec<u8>),
    HangUp,
}

fn body(fill: impl FnOnce(&mut Writer)) -> Writer {
    let mut w = Writer::default();
    fill(&mut w);
    w
}

fn paths(lists: &[&[&str]]) -> Say {
    let signature = if lists.len() == 2 { "aoao" } else { "ao" };
    Say::Reply(signature, body(|w| lists.iter().for_each(|list| w.array(4, |w| list.iter().for_each(|p| w.string(p))))))
}

fn path(path: &str) -> Say {
    Say::Reply("o", body(|w| w.string(path)))
}

fn session() -> Say {
    Say::Reply(
        "vo",
        body(|w| {
            w.signature("s");
            w.string("");
            w.string("/session/1");
        }),
    )
}

fn value(value: &[u8]) -> Say {
    Say::Reply(
        "(oayays)",
        body(|w| {
            w.pad(8);
            w.string("/session/1");
            w.bytestring(&[]);
            w.bytestring(value);
            w.string("text/plain");
        }),
    )
}

fn truth(truth: bool) -> Say {
    Say::Reply(
        "v",
        body(|w| {
            w.signature("b");
            w.boolean(truth);
        }),
    )
}

fn completed(dismissed: bool) -> Say {
    let arguments = body(|w| {
        w.boolean(dismissed);
        w.signature("s");
        w.string("");
    });
    Say::Signal(PROMPT, "org.freedesktop.Secret.Prompt", "Completed", arguments)
}

fn nothing() -> Say {
    Say::Reply("", Writer::default())
}

/// One message as a bus would deliver it.
fn message(kind: u8, reply_to: Option<u32>, sender: &str, say: &Say) -> Vec<u8> {
    let (signature, arguments, texts): (_, &[u8], Vec<(u8, &str, &str)>) = match say {
        Say::Reply(signature, body) => (*signature, body.bytes(), vec![]),
        Say::Error(name) => ("s", b"\x0e\0\0\0sk-canary-4711\0", vec![(4, "s", name)]),
        Say::Signal(path, interface, member, body) => {
            let signature = if *member == "Completed" { "bv" } else { "sss" };
            (signature, body.bytes(), vec![(1, "o", path), (2, "s", interface), (3, "s", member)])
        }
        _ => unreachable!("no message"),
    };
    let mut w = Writer::default();
    w.raw(&[b'l', kind, 0, 1]);
    w.u32(arguments.len().try_into().expect("short"));
    w.u32(1);
    w.array(8, |w| {
        for (code, signature, text) in texts.iter().chain(&[(7, "s", sender)]) {
            w.pad(8);
            w.raw(&[*code]);
            w.signature(signature);
            w.string(text);
        }
        w.pad(8);
        w.raw(&[8]);
        w.signature("g");
        w.signature(signature);
        if let Some(serial) = reply_to {
            w.pad(8);
            w.raw(&[5]);
            w.signature("u");
            w.u32(serial);
        }
    });
    w.pad(8);
    w.raw(arguments);
    w.bytes().to_vec()
}

fn algorithm(call: &Message) -> String {
    call.body("sv").and_then(|mut body| body.string().map(str::to_owned)).map_err(|e| e.0).expect("an algorithm")
}

struct FakeBus {
    options: Options,
    heard: mpsc::Receiver<String>,
    _folder: tempfile::TempDir,
}

impl FakeBus {
    /// A bus that lets everybody in, answers for itself, and asks `script` about the rest.
    fn new(script: impl FnMut(&str, &Message) -> Vec<Say> + Send + 'static) -> Self {
        Self::scripted(script, false)
    }

    /// The same, whose script also answers for sessions in which values are sealed.
    fn sealing(script: impl FnMut(&str, &Message) -> Vec<Say> + Send + 'static) -> Self {
        Self::scripted(script, true)
    }

    fn scripted(script: impl FnMut(&str, &Message) -> Vec<Say> + Send + 'static, seals: bool) -> Self {
        let (tell, heard) = mpsc::channel();
        let script = Mutex::new(script);
        Self::raw(heard, move |mut stream| {
            let mut lines = Vec::new();
            while !lines.ends_with(b"BEGIN\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte)?;
                lines.push(byte[0]);
            }
            stream.write_all(b"DATA\r\nOK 0123456789abcdef\r\n")?;
            let mut sender = ":1.1";
            loop {
                let mut head = [0; wire::HEAD];
                stream.read_exact(&mut head)?;
                let mut bytes = Zeroizing::new(head.to_vec());
                bytes.resize(wire::length(&head).expect("our own message"), 0);
                stream.read_exact(&mut bytes[wire::HEAD..])?;
                let serial = u32::from_le_bytes(head[8..12].try_into().expect("four bytes"));
                let call = Message::parse(bytes).map_err(|e| e.0).expect("our own message");
                let member = call.member.clone().unwrap_or_default();
                let answers = match member.as_str() {
                    "Hello" => vec![Say::Reply("s", body(|w| w.string(":1.9")))],
                    "AddMatch" => vec![nothing()],
                    // As a service that seals nothing; it is asked for something plain next.
                    "OpenSession" if !seals && algorithm(&call) != "plain" => {
                        vec![Say::Error("org.freedesktop.DBus.Error.NotSupported")]
                    }
                    _ => {
                        let _ = tell.send(member.clone());
                        (script.lock().unwrap_or_else(PoisonError::into_inner))(&member, &call)
                    }
                };
                for say in answers {
                    match say {
                        Say::Become(other) => sender = other,
                        Say::HangUp => return Ok(()),
                        Say::Bytes(bytes) => stream.write_all(&bytes)?,
                        Say::Reply(..) => stream.write_all(&message(2, Some(serial), sender, &say))?,
                        Say::Error(_) => stream.write_all(&message(3, Some(serial), sender, &say))?,
                        Say::Signal(_, interface, ..) => {
                            let from = if interface == bus::BUS { bus::BUS } else { sender };
                            stream.write_all(&message(4, None, from, &say))?;
                        }
                    }
                }
            }
        })
    }

    fn raw(
        heard: mpsc::Receiver<String>,
        serve: impl Fn(UnixStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("bus")).expect("a socket");
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(stream));
            }
        });
        let options = Options {
            deadline: Duration::from_secs(20),
            patience: None,
            bus_address: None,
            runtime_dirs: vec![folder.path().to_owned()],
            kept_names: None,
        };
        Self { options, heard, _folder: folder }
    }

    /// A bus that says just these bytes, whatever it is told.
    fn saying(bytes: Vec<u8>) -> Self {
        Self::raw(mpsc::channel().1, move |mut stream| {
            stream.write_all(&bytes)?;
            // Until the other side has given up.
            std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
        })
    }

    fn store(&self) -> SecretService {
        SecretService::new(self.options.clone())
    }

    fn asking(mut self, patience: Duration) -> Self {
        self.options.patience = Some(patience);
        self
    }

    fn hurried(mut self) -> Self {
        self.options.deadline = Duration::from_millis(50);
        self
    }

    /// The calls to the service up to now, or all of them once the store is dropped.
    fn heard(&self) -> Vec<String> {
        self.heard.try_iter().collect()
    }
}

/// A sound service with one unlocked item.
fn sound(member: &str) -> Vec<Say> {
    vec![match member {
        "SearchItems" => paths(&[&[ITEM], &[]]),
        "OpenSession" => session(),
        "GetSecret" => value(CANARY),
        _ => nothing(),
    }]
}

#[test]
fn a_lookup_is_a_search_a_session_and_a_read() {
    let bus = FakeBus::new(|member, _| sound(member));
    let store = bus.store();
    assert_eq!(store.get("ringlet", "a/b").as_deref().map(Vec::as_slice), Ok(CANARY));
    assert_eq!(bus.heard(), ["SearchItems", "OpenSession", "GetSecret"]);
    // The connection and the session are kept.
    assert_eq!(store.get("ringlet", "a/b").as_deref().map(Vec::as_slice), Ok(CANARY));
    assert_eq!(bus.heard(), ["SearchItems", "GetSecret"]);
}

#[test]
fn nothing_is_sent_before_the_first_search_is_answered() {
    // Only the search may be there when it is refused, as by a gnome-keyring that has not yet noted its client.
    let mut searches = 0;
    let bus = FakeBus::new(move |member, _| {
        searches += u32::from(member == "SearchItems");
        match (member, searches) {
            ("SearchItems", 1) => vec![Say::Error("org.freedesktop.DBus.Error.UnknownMethod")],
            _ => sound(member),
        }
    });
    assert_eq!(bus.store().get("ringlet", "a/b").as_deref().map(Vec::as_slice), Ok(CANARY));
    assert_eq!(bus.heard(), ["SearchItems", "SearchItems", "OpenSession", "GetSecret"]);
}

#[test]
fn a_session_reply_with_a_variant_of_any_type_is_taken() {
    let bus = FakeBus::new(|member, _| match member {
        "OpenSession" => {
            let kwallet = body(|w| {
                w.signature("a{sv}");
                w.array(8, |_| {});
                w.string("/session/1");
            });
            vec![Say::Reply("vo", kwallet)]
        }
        _ => sound(member),
    });
    assert!(bus.store().get("ringlet", "a/b").is_ok());
}

#[test]
fn unrelated_messages_are_passed_over() {
    let bus = FakeBus::new(|member, _| {
        let signal = Say::Signal("/x", "x.y", "NameOwnerChanged", body(|w| (0..3).for_each(|_| w.string("x"))));
        let stray = message(2, Some(9999), ":1.1", &paths(&[&["/a", "/b"], &[]]));
        let mut future = stray.clone();
        future[1] = 77;
        let mut says = vec![signal, Say::Bytes(stray), Say::Bytes(future)];
        says.append(&mut sound(member));
        says
    });
    assert_eq!(bus.store().get("ringlet", "a/b").as_deref().map(Vec::as_slice), Ok(CANARY));
}

#[test]
fn a_restarted_service_gets_a_new_session() {
    let mut reads = 0;
    let bus = FakeBus::new(move |member, _| {
        let mut says = sound(member);
        if member == "GetSecret" {
            reads += 1;
            says.extend((reads == 1).then_some(Say::Become(":1.2")));
        }
        says
    });
    let store = bus.store();
    assert!(store.get("ringlet", "a/b").is_ok() && store.get("ringlet", "a/b").is_ok());
    let expected = ["SearchItems", "OpenSession", "GetSecret", "SearchItems", "OpenSession", "GetSecret"];
    assert_eq!(bus.heard(), expected);
}

#[test]
fn a_lookup_of_a_locked_item_asks_nobody() {
    let bus = FakeBus::new(|_, _| vec![paths(&[&[], &[ITEM]])]);
    assert_eq!(bus.store().get("ringlet", "a/b").err(), Some(ServiceError::Locked));
    // What was asked then is only what exactly is locked.
    assert_eq!(bus.heard(), ["SearchItems", "Get"]);
}

/// A service of one unlocked collection that wants a person's word for its item, as KeePassXC does. `confirm` is how
/// the question ends, and `lasts` whether every connection has the item then.
fn confirming(confirm: fn() -> Vec<Say>, lasts: bool) -> impl FnMut(&str, &Message) -> Vec<Say> + Send + 'static {
    let mut asked = false;
    let mut service = prompting(false, confirm);
    let mut searches = 0;
    move |member, call| {
        asked |= member == "Prompt";
        // The second search after the question is another connection's.
        searches += u32::from(member == "SearchItems" && asked);
        match member {
            "SearchItems" if asked && (lasts || searches == 1) => vec![paths(&[&[ITEM], &[]])],
            "SearchItems" => vec![paths(&[&[], &[ITEM]])],
            _ => service(member, call),
        }
    }
}

#[test]
fn an_item_that_waits_for_a_confirmation_is_told_from_a_locked_keychain() {
    let bus = FakeBus::new(confirming(Vec::new, false));
    let store = bus.store();
    let waits = Some(ServiceError::Unconfirmed);
    assert_eq!(store.get("ringlet", "a/b").err(), waits);
    assert_eq!(store.set("ringlet", "a/b", CANARY, None).err(), waits);
    assert_eq!(store.remove("ringlet", "a/b").err(), waits);
    assert_eq!(store.unlock("ringlet").err(), waits);
    assert!(bus.heard().iter().all(|member| ["SearchItems", "Get", "ReadAlias"].contains(&member.as_str())));
    // A service that finds it and then refuses it means the same.
    let bus = FakeBus::new(|member, call| match member {
        "GetSecret" => vec![Say::Error("org.freedesktop.Secret.Error.IsLocked")],
        "Get" => vec![truth(property(call) != "Locked")],
        _ => sound(member),
    });
    assert_eq!(bus.store().get("ringlet", "a/b").err(), waits);
    assert_eq!(bus.store().item("ringlet", "a/b", &|_| true).err(), waits);
}

#[test]
fn keepassxc_that_answers_no_search_while_it_is_locked_is_locked() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("keepassxc");
    std::fs::copy("/bin/sleep", &program).expect("copied");
    let mut keepassxc = std::process::Command::new(&program).arg("60").spawn().expect("started");
    let outcome = |pid: u32, is_locked: bool| {
        let mut bus = FakeBus::new(move |member, call| match member {
            "SearchItems" => Vec::new(),
            "GetConnectionUnixProcessID" => vec![Say::Reply("u", body(|w| w.u32(pid)))],
            _ => empty(member, call, LOGIN, is_locked),
        });
        bus.options.deadline = Duration::from_secs(1);
        (bus.store().get("ringlet", "a/b").err(), bus.heard())
    };
    assert_eq!(outcome(keepassxc.id(), true).0, Some(ServiceError::Locked));
    assert!(matches!(outcome(keepassxc.id(), false).0, Some(ServiceError::Timeout { .. })));
    // Nobody else is asked anything before the search is answered.
    let (error, heard) = outcome(std::process::id(), true);
    assert!(matches!(error, Some(ServiceError::Timeout { .. })));
    assert_eq!(heard, ["SearchItems", "GetConnectionUnixProcessID"]);
    keepassxc.kill().expect("ended");
    keepassxc.wait().expect("gone");
}

#[test]
fn a_confirmed_item_is_read_by_who_asked_and_open_only_if_others_have_it_too() {
    let bus = FakeBus::new(confirming(|| vec![completed(false)], false)).asking(Duration::from_secs(20));
    assert_eq!(bus.store().get("ringlet", "a/b").as_deref().map(Vec::as_slice), Ok(CANARY));
    for (lasts, expected) in [(true, Ok(())), (false, Err(ServiceError::Unconfirmed))] {
        let bus = FakeBus::new(confirming(|| vec![completed(false)], lasts)).asking(Duration::from_secs(20));
        assert_eq!(bus.store().unlock("ringlet"), expected);
        let heard = bus.heard();
        assert_eq!(heard.iter().filter(|member| *member == "Prompt").count(), 1, "{heard:?}");
    }
}

#[test]
fn an_unlock_that_nobody_answers_or_that_is_declined_is_none() {
    let bus = FakeBus::new(confirming(Vec::new, true)).asking(Duration::from_millis(300));
    assert!(matches!(bus.store().unlock("ringlet"), Err(ServiceError::Timeout { .. })));
    let bus = FakeBus::new(confirming(|| vec![completed(true)], true)).asking(Duration::from_secs(20));
    assert_eq!(bus.store().unlock("ringlet"), Err(ServiceError::Dismissed));
    // A service that says it is unlocked, and is not.
    let bus = FakeBus::new(|member, call| match member {
        "Unlock" => {
            let answer = body(|w| {
                w.array(4, |w| w.string(LOGIN));
                w.string("/");
            });
            vec![Say::Reply("aoo", answer)]
        }
        _ => empty(member, call, LOGIN, true),
    });
    assert_eq!(bus.asking(Duration::from_secs(20)).store().unlock("ringlet"), Err(ServiceError::Locked));
}

/// A locked service that describes itself so, and answers a password so.
fn with_password(described: &'static str, answer: fn() -> Say) -> FakeBus {
    FakeBus::new(move |member, call| match member {
        "Introspect" => vec![Say::Reply("s", body(|w| w.string(described)))],
        "UnlockWithMasterPassword" => {
            let mut arguments = call.body("o(oayays)").map_err(|e| e.0).expect("a collection and a password");
            assert_eq!(arguments.path(), Ok(LOGIN));
            arguments.pad(8).map_err(|e| e.0).expect("a structure");
            assert_eq!((arguments.path(), arguments.bytestring()), (Ok("/session/1"), Ok(&[][..])));
            assert_eq!(arguments.bytestring(), Ok(CANARY));
            vec![answer()]
        }
        _ => empty(member, call, LOGIN, true),
    })
}

const TAKES_PASSWORDS: &str = "<interface name=\"org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface\">";

#[test]
fn a_password_is_given_to_a_service_that_takes_one_and_is_in_no_error() {
    let outcome = |answer| {
        let bus = with_password(TAKES_PASSWORDS, answer);
        let store = bus.store();
        assert_eq!(store.locked_collection("ringlet"), Ok(Some(LOGIN.to_owned())));
        let outcome = store.unlock_with(LOGIN, CANARY);
        assert!(bus.heard().iter().all(|member| member != "Unlock" && member != "Prompt"));
        outcome
    };
    assert_eq!(outcome(nothing), Ok(()));
    assert_eq!(outcome(|| Say::Error("org.gnome.keyring.Error.Denied")), Err(ServiceError::WrongPassword));
    let failed = outcome(|| Say::Error("org.freedesktop.DBus.Error.Failed")).expect_err("it fails");
    assert!(!format!("{failed} {failed:?}").contains("canary"), "{failed:?}");
    let bus = with_password(TAKES_PASSWORDS, || Say::Bytes(Vec::new())).hurried();
    assert!(matches!(bus.store().unlock_with(LOGIN, CANARY), Err(ServiceError::Timeout { .. })));
}

#[test]
fn no_password_is_asked_for_where_none_is_taken_or_nothing_is_locked() {
    for described in ["<node/>", ""] {
        let bus = with_password(described, nothing);
        assert_eq!(bus.store().locked_collection("ringlet"), Err(ServiceError::NoPassword));
    }
    let bus = FakeBus::new(|member, call| match member {
        "Introspect" => vec![Say::Error("org.freedesktop.DBus.Error.UnknownMethod")],
        _ => empty(member, call, LOGIN, true),
    });
    assert_eq!(bus.store().locked_collection("ringlet"), Err(ServiceError::NoPassword));
    let bus = FakeBus::new(confirming(Vec::new, false));
    assert_eq!(bus.store().locked_collection("ringlet"), Err(ServiceError::Unconfirmed));
    let bus = FakeBus::new(|member, call| empty(member, call, LOGIN, false));
    assert_eq!(bus.store().locked_collection("ringlet"), Ok(None));
}

/// What a service says that has nothing by that name: one collection, and this default.
fn empty(member: &str, call: &Message, default: &str, locked: bool) -> Vec<Say> {
    vec![match member {
        "SearchItems" => paths(&[&[], &[]]),
        "ReadAlias" => path(default),
        "OpenSession" => session(),
        "Get" if property(call) == "Locked" => truth(locked),
        "Get" if property(call) == "Collections" => Say::Reply(
            "v",
            body(|w| {
                w.signature("ao");
                w.array(4, |w| [LOGIN, "/org/freedesktop/secrets/collection/session"].iter().for_each(|p| w.string(p)));
            }),
        ),
        "Get" => Say::Error("org.freedesktop.Secret.Error.NoSuchObject"),
        _ => nothing(),
    }]
}

fn property(call: &Message) -> String {
    let mut arguments = call.body("ss").map_err(|e| e.0).expect("a property");
    arguments.string().and_then(|_| arguments.string()).map_err(|e| e.0).expect("two strings").to_owned()
}

#[test]
fn a_miss_in_a_locked_keychain_is_locked_and_in_an_open_one_a_miss() {
    // KeePassXC finds nothing while its database is locked.
    for (locked, expected) in [(true, ServiceError::Locked), (false, ServiceError::NotFound)] {
        let bus = FakeBus::new(move |member, call| empty(member, call, LOGIN, locked));
        let store = bus.store();
        assert_eq!(store.get("ringlet", "a/b").err(), Some(expected.clone()));
        assert_eq!(store.remove("ringlet", "a/b").err(), Some(expected.clone()));
        assert_eq!(accounts(&store, "ringlet"), if locked { Err(expected) } else { Ok(vec![]) });
        assert_eq!(store.usable(), if locked { Err(ServiceError::Locked) } else { Ok(()) });
        assert!(!bus.heard().contains(&"Unlock".to_owned()));
    }
}

#[test]
fn a_keychain_without_a_default_collection_is_named_unless_one_is_locked() {
    for (default, locked) in [("/", true), ("/", false), ("/org/freedesktop/secrets/collection/session", false)] {
        let bus = FakeBus::new(move |member, call| empty(member, call, default, locked));
        let store = bus.store();
        if locked {
            assert_eq!(store.get("ringlet", "a/b").err(), Some(ServiceError::Locked));
            assert_eq!(store.set("ringlet", "a/b", CANARY, None).err(), Some(ServiceError::Locked));
        } else {
            assert_eq!(store.get("ringlet", "a/b").err(), Some(ServiceError::NoDefault));
            assert_eq!(store.set("ringlet", "a/b", CANARY, None).err(), Some(ServiceError::NoDefault));
            assert!(matches!(
                store.usable(),
                Err(ServiceError::Absent { .. } | ServiceError::NoKeyring | ServiceError::NoDefault)
            ));
            assert!(!bus.heard().contains(&"CreateItem".to_owned()));
        }
    }
}

#[test]
fn items_of_the_session_collection_do_not_exist() {
    let bus = FakeBus::new(|member, call| match member {
        "SearchItems" => vec![paths(&[&["/org/freedesktop/secrets/collection/session/1"], &[]])],
        _ => empty(member, call, LOGIN, false),
    });
    assert_eq!(bus.store().get("ringlet", "a/b").err(), Some(ServiceError::NotFound));
}

#[test]
fn two_matches_are_ambiguous_for_every_operation() {
    let bus = FakeBus::new(|_, _| vec![paths(&[&[ITEM], &["/org/freedesktop/secrets/collection/other/1"]])]);
    let store = bus.store();
    let items = vec![ITEM.to_owned(), "/org/freedesktop/secrets/collection/other/1".to_owned()];
    let ambiguous = Some(ServiceError::Ambiguous { items });
    assert_eq!(store.get("ringlet", "a/b").err(), ambiguous);
    assert_eq!(store.set("ringlet", "a/b", CANARY, None).err(), ambiguous);
    assert_eq!(store.remove("ringlet", "a/b").err(), ambiguous);
    assert_eq!(bus.heard(), ["SearchItems"; 3]);
}

#[test]
fn an_existing_item_is_replaced_through_its_own_method() {
    // KeePassXC hangs on a CreateItem that replaces.
    let bus = FakeBus::new(|member, call| {
        if member == "SetSecret" {
            assert_eq!(call.path.as_deref(), Some(ITEM));
            let mut arguments = call.body("(oayays)").map_err(|e| e.0).expect("a secret");
            assert_eq!(arguments.path(), Ok("/session/1"));
            assert_eq!(arguments.bytestring(), Ok(&[][..]));
            assert_eq!(arguments.bytestring(), Ok(CANARY));
            assert_eq!(arguments.string(), Ok("text/plain"));
        }
        sound(member)
    });
    assert_eq!(bus.store().set("ringlet", "a/b", CANARY, None), Ok(()));
    assert_eq!(bus.heard(), ["SearchItems", "OpenSession", "SetSecret"]);
}

/// A service that answers creation, deletion and unlocking with a prompt, and calls `then` when it is run.
fn prompting(locked: bool, then: fn() -> Vec<Say>) -> impl FnMut(&str, &Message) -> Vec<Say> + Send + 'static {
    let mut asked = false;
    move |member, call| match member {
        "Prompt" => {
            asked = true;
            let mut says = vec![nothing()];
            says.extend(then());
            says
        }
        "SearchItems" if locked && !asked => vec![paths(&[&[], &[ITEM]])],
        "SearchItems" if locked => vec![paths(&[&[ITEM], &[]])],
        "CreateItem" => vec![Say::Reply("oo", body(|w| ["/", PROMPT].iter().for_each(|p| w.string(p))))],
        "Unlock" => {
            let answer = body(|w| {
                w.array(4, |_| {});
                w.string(PROMPT);
            });
            vec![Say::Reply("aoo", answer)]
        }
        "Delete" => vec![path(PROMPT)],
        "GetSecret" => vec![value(CANARY)],
        _ => empty(member, call, LOGIN, false),
    }
}

#[test]
fn a_locked_item_is_read_after_the_person_has_unlocked_it() {
    let bus = FakeBus::new(prompting(true, || vec![completed(false)])).asking(Duration::from_secs(20));
    assert_eq!(bus.store().get("ringlet", "a/b").as_deref().map(Vec::as_slice), Ok(CANARY));
    assert_eq!(bus.heard(), ["SearchItems", "Get", "Unlock", "Prompt", "SearchItems", "OpenSession", "GetSecret"]);
}

#[test]
fn a_dismissed_question_is_told_from_a_locked_keychain() {
    let bus = FakeBus::new(prompting(true, || vec![completed(true)])).asking(Duration::from_secs(20));
    assert_eq!(bus.store().get("ringlet", "a/b").err(), Some(ServiceError::Dismissed));
    assert_eq!(bus.heard(), ["SearchItems", "Get", "Unlock", "Prompt"]);
}

#[test]
fn a_question_nobody_answers_is_taken_back() {
    let bus = FakeBus::new(prompting(true, Vec::new)).asking(Duration::from_millis(300));
    let store = bus.store();
    assert!(matches!(store.get("ringlet", "a/b").err(), Some(ServiceError::Timeout { .. })));
    drop(store);
    assert_eq!(bus.heard.iter().take(5).collect::<Vec<_>>(), ["SearchItems", "Get", "Unlock", "Prompt", "Dismiss"]);
}

#[test]
fn only_the_services_own_word_completes_a_question() {
    let bus = FakeBus::new(prompting(true, || vec![Say::Become(":1.66"), completed(false)]));
    let bus = bus.asking(Duration::from_millis(50));
    assert!(matches!(bus.store().get("ringlet", "a/b").err(), Some(ServiceError::Timeout { .. })));
}

#[test]
fn a_service_that_ends_while_it_asks_is_lost() {
    let bus = FakeBus::new(prompting(true, || {
        let arguments = body(|w| ["org.freedesktop.secrets", ":1.1", ""].iter().for_each(|text| w.string(text)));
        vec![Say::Signal("/org/freedesktop/DBus", bus::BUS, "NameOwnerChanged", arguments)]
    }));
    let bus = bus.asking(Duration::from_secs(20));
    assert!(matches!(bus.store().get("ringlet", "a/b").err(), Some(ServiceError::Lost { .. })));
}

#[test]
fn writes_run_the_prompt_a_service_answers_them_with() {
    // KeePassXC creates and deletes only then; without leave to ask, within the deadline.
    let bus = FakeBus::new(prompting(false, || vec![completed(false)]));
    assert_eq!(bus.store().set("ringlet", "a/b", CANARY, None), Ok(()));
    let heard = bus.heard();
    assert_eq!(heard[heard.len() - 2..], ["CreateItem", "Prompt"]);
    let mut service = prompting(false, || vec![completed(false)]);
    let bus = FakeBus::new(move |member, call| match member {
        "SearchItems" => vec![paths(&[&[ITEM], &[]])],
        _ => service(member, call),
    });
    assert_eq!(bus.store().remove("ringlet", "a/b"), Ok(()));
    assert_eq!(bus.heard(), ["SearchItems", "Delete", "Prompt"]);
}

#[test]
fn listing_reads_names_alone_and_says_when_some_are_hidden() {
    let attributes = |pairs: &[(&str, &str)]| {
        let w = body(|w| {
            w.signature("a{ss}");
            w.dictionary(pairs);
        });
        vec![Say::Reply("v", w)]
    };
    for hidden in [false, true] {
        let bus = FakeBus::new(move |member, call| match (member, call.path.as_deref().unwrap_or_default()) {
            ("SearchItems", _) if hidden => vec![paths(&[&["/i/1", "/i/2", "/i/3", "/i/4", "/i/5"], &["/i/6"]])],
            ("SearchItems", _) => vec![paths(&[&["/i/1", "/i/2", "/i/3", "/i/4", "/i/5"], &[]])],
            ("Get", "/i/1") => attributes(&[("service", "ringlet"), ("username", "z/z"), ("more", "x")]),
            ("Get", "/i/2") => attributes(&[("service", "ringlet"), ("username", "a/a")]),
            // Another's, one without a name, and one deleted meanwhile.
            ("Get", "/i/3") => attributes(&[("service", "other"), ("username", "b/b")]),
            ("Get", "/i/4") => attributes(&[("service", "ringlet")]),
            ("Get", "/i/6") => attributes(&[("gkr:compat:hashed:username", "d41d8cd98f00b204e9800998ecf8427e")]),
            _ => vec![Say::Error("org.freedesktop.DBus.Error.UnknownObject")],
        });
        let names = accounts(&bus.store(), "ringlet");
        assert_eq!(
            names,
            if hidden { Err(ServiceError::Locked) } else { Ok(vec!["a/a".to_owned(), "z/z".to_owned()]) }
        );
        assert!(bus.heard().iter().all(|member| member == "SearchItems" || member == "Get"));
    }
}

#[test]
fn a_listing_ends_when_one_answer_is_late_and_not_when_all_are_many() {
    let deadline = Duration::from_millis(500);
    let items: Vec<String> = (0..150).map(|n| format!("{LOGIN}/{n}")).collect();
    let list = |answered: usize| {
        let (items, mut asked) = (items.clone(), 0);
        let mut bus = FakeBus::new(move |member, _| match member {
            "SearchItems" => {
                let items: Vec<&str> = items.iter().map(String::as_str).collect();
                vec![paths(&[&items, &[]])]
            }
            _ if asked == answered => vec![],
            _ => {
                asked += 1;
                // Together they take longer than the deadline, which is that of each.
                thread::sleep(deadline / 100);
                let account = format!("a{asked:03}");
                vec![Say::Reply(
                    "v",
                    body(|w| {
                        w.signature("a{ss}");
                        w.dictionary(&[("service", "ringlet"), ("username", &account)]);
                    }),
                )]
            }
        });
        bus.options.deadline = deadline;
        let service = SecretService::new(bus.options.clone());
        accounts(&service, "ringlet").map(|names| names.len())
    };
    assert_eq!(list(150), Ok(150));
    assert!(matches!(list(100), Err(ServiceError::Timeout { after, .. }) if after == deadline));
}

#[test]
fn a_value_that_is_stored_is_sealed_for_a_service_that_can() {
    let (tell, told) = mpsc::channel();
    let theirs = sealed::Exchange::new().expect("random");
    let mut sealing = None;
    let bus = FakeBus::sealing(move |member, call| match member {
        "OpenSession" => {
            let mut body = call.body("sv").map_err(|e| e.0).expect("a session");
            assert_eq!(body.string().map_err(|e| e.0), Ok(sealed::ALGORITHM));
            body.variant("ay").map_err(|e| e.0).expect("a half");
            sealing = theirs.key(body.bytestring().map_err(|e| e.0).expect("a half"));
            vec![Say::Reply(
                "vo",
                super::tests::body(|w| {
                    w.signature("ay");
                    w.bytestring(&theirs.public());
                    w.string("/s/1");
                }),
            )]
        }
        "SetSecret" => {
            let mut body = call.body("(oayays)").map_err(|e| e.0).expect("a secret");
            body.pad(8).map_err(|e| e.0).expect("a structure");
            let session = body.path().map_err(|e| e.0).expect("a session").to_owned();
            let mut bytes = || body.bytestring().map_err(|e| e.0).expect("bytes").to_vec();
            let (vector, sealed) = (bytes(), bytes());
            let opened = sealing.as_ref().expect("a session before").open(&vector, &sealed);
            tell.send((session, sealed, opened)).expect("somebody listens");
            vec![nothing()]
        }
        other => sound(other),
    });
    bus.store().set("ringlet", "a/b", CANARY, None).expect("stored");
    let (session, sealed, opened) = told.recv().expect("a value");
    assert_eq!((session.as_str(), opened.as_slice()), ("/s/1", CANARY));
    assert!(memchr::memmem::find(&sealed, CANARY).is_none());
}

#[test]
fn errors_have_names_and_quote_nothing() {
    let failing = |name: &'static str, at: &'static str| {
        let bus = FakeBus::new(move |member, _| if member == at { vec![Say::Error(name)] } else { sound(member) });
        let error = bus.store().set("ringlet", "a/b", CANARY, None).expect_err(name);
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        error
    };
    let first = |name| failing(name, "SearchItems");
    assert!(matches!(first("org.freedesktop.DBus.Error.ServiceUnknown"), ServiceError::Absent { .. }));
    assert!(matches!(first("org.freedesktop.DBus.Error.Spawn.ChildExited"), ServiceError::Absent { .. }));
    assert!(matches!(first("org.freedesktop.systemd1.UnitMasked"), ServiceError::Absent { .. }));
    assert!(matches!(first("org.freedesktop.DBus.Error.NoReply"), ServiceError::Lost { .. }));
    assert!(matches!(first("org.freedesktop.DBus.Error.TimedOut"), ServiceError::Timeout { .. }));
    assert!(matches!(first("org.freedesktop.DBus.Error.AccessDenied"), ServiceError::Denied { .. }));
    assert!(matches!(first("com.example.Unheard"), ServiceError::Broken { what } if what.contains("Unheard")));
    assert!(matches!(first("sk\u{1b}canary"), ServiceError::Broken { what } if !what.contains('\u{1b}')));
    let later = |name| failing(name, "SetSecret");
    // It was there a moment ago: no reason to look for the key elsewhere.
    assert!(matches!(later("org.freedesktop.DBus.Error.ServiceUnknown"), ServiceError::Lost { .. }));
    assert_eq!(later("org.freedesktop.Secret.Error.IsLocked"), ServiceError::Locked);
    assert_eq!(later("org.freedesktop.DBus.Error.UnknownObject"), ServiceError::NotFound);
}

#[test]
fn a_lying_service_is_called_broken() {
    type Text<'a> = &'a dyn Fn() -> Writer;
    let text = || body(|w| w.string("text"));
    let lies: [fn(Text<'_>) -> Say; 6] = [
        |text| Say::Reply("s", text()),
        |text| Say::Reply("aoao", text()),
        |_| Say::Reply("aoao", Writer::default()),
        |_| Say::Bytes(b"l\x02\0\x01\xff\xff\xff\xff\0\0\0\0\x08\0\0\0".to_vec()),
        |_| Say::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        |_| {
            let many = body(|w| (0..2).for_each(|_| w.array(4, |w| (0..70_000).for_each(|_| w.string("/a")))));
            Say::Reply("aoao", many)
        },
    ];
    for lie in lies {
        let bus = FakeBus::new(move |_, _| vec![lie(&text)]);
        let error = bus.store().get("ringlet", "a/b").err();
        assert!(matches!(error, Some(ServiceError::Broken { .. })), "{error:?}");
    }
    for what in ["OpenSession", "GetSecret"] {
        let bus = FakeBus::new(move |member, _| if member == what { vec![path("/x")] } else { sound(member) });
        let error = bus.store().get("ringlet", "a/b").err();
        assert!(matches!(error, Some(ServiceError::Broken { .. })), "{what}: {error:?}");
    }
}

#[test]
fn half_a_message_is_waited_for_and_a_hang_up_is_not() {
    let half = |end: bool| {
        move |member: &str, _: &Message| {
            let mut bytes = message(2, Some(2), ":1.1", &paths(&[&[ITEM], &[]]));
            bytes.truncate(bytes.len() - 1);
            let mut says = vec![Say::Bytes(bytes)];
            assert_eq!(member, "SearchItems");
            says.extend(end.then_some(Say::HangUp));
            says
        }
    };
    let error = FakeBus::new(half(false)).hurried().store().get("ringlet", "a/b").err();
    assert!(matches!(error, Some(ServiceError::Timeout { .. })), "{error:?}");
    let error = FakeBus::new(half(true)).store().get("ringlet", "a/b").err();
    assert!(matches!(error, Some(ServiceError::Lost { .. })), "{error:?}");
}

#[test]
fn a_bus_that_does_not_let_us_in_is_named() {
    let outcome = |bus: FakeBus| bus.store().get("ringlet", "a/b").err();
    let saying = |bytes: &[u8]| FakeBus::saying(bytes.to_vec());
    assert!(matches!(outcome(saying(b"REJECTED EXTERNAL\r\n")), Some(ServiceError::Denied { .. })));
    assert!(matches!(outcome(saying(b"ERROR\r\n")), Some(ServiceError::Broken { .. })));
    assert!(matches!(outcome(saying(&[b'x'; 10_000])), Some(ServiceError::Broken { .. })));
    assert!(matches!(outcome(saying(b"").hurried()), Some(ServiceError::Timeout { .. })));
    assert!(matches!(outcome(saying(b"DATA\r\nOK 00\r\n").hurried()), Some(ServiceError::Timeout { .. })));
}

#[test]
fn a_bus_that_takes_no_more_connections_is_a_timeout() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("bus");
    let listener = UnixListener::bind(&socket).expect("a socket");
    // Stopped, with room for one connection in its queue, which another client has.
    rustix::net::listen(&listener, 0).expect("a shorter queue");
    let _first = UnixStream::connect(&socket).expect("the one connection");
    let deadline = Duration::from_millis(50);
    let runtime_dirs = vec![folder.path().to_owned()];
    let store =
        SecretService::new(Options { deadline, patience: None, bus_address: None, runtime_dirs, kept_names: None });
    assert!(matches!(store.get("ringlet", "a/b"), Err(ServiceError::Timeout { .. })));
}

/// Sockets at which no bus answers: one that is gone, one that nobody listens at, one whose owner hangs up, and one
/// whose owner says nothing. The listener of the last lives as long as the value.
fn dead_addresses(folder: &std::path::Path) -> (Vec<OsString>, UnixListener) {
    let bind = |name: &str| UnixListener::bind(folder.join(name)).expect("a socket");
    drop(bind("refused"));
    let ending = bind("ending");
    thread::spawn(move || ending.incoming().for_each(drop));
    let silent = bind("silent");
    let address = |name: &str| format!("unix:path={}", folder.join(name).display()).into();
    (["gone", "refused", "ending", "silent"].map(address).into(), silent)
}

#[test]
fn an_address_that_leads_nowhere_leaves_the_sessions_own_bus() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut addresses, _silent) = dead_addresses(folder.path());
    addresses
        .push(format!("unix:path={0}/gone;unix:path={0}/refused;tcp:host=a,port=1", folder.path().display()).into());
    addresses.extend(["autolaunch:", "disabled:", "unix:abstract=ringlet-test-nobody", "\u{1b}"].map(OsString::from));
    for address in addresses {
        let mut bus = FakeBus::new(|member, _| sound(member));
        // Half of it is for the one that says nothing.
        bus.options.deadline = Duration::from_secs(4);
        bus.options.bus_address = Some(address.clone());
        assert_eq!(bus.store().get("ringlet", "a/b").as_deref().map(Vec::as_slice), Ok(CANARY), "{address:?}");
    }
}

#[test]
fn an_address_at_which_a_bus_answers_is_the_one_that_is_used() {
    let named = FakeBus::new(|member, _| sound(member));
    let mut usual = FakeBus::new(|_, _| vec![paths(&[&[], &[ITEM]])]);
    let socket = named.options.runtime_dirs[0].join("bus");
    usual.options.bus_address = Some(format!("unix:path={}", socket.display()).into());
    assert_eq!(usual.store().get("ringlet", "a/b").as_deref().map(Vec::as_slice), Ok(CANARY));
    assert!(usual.heard().is_empty());
}

#[test]
fn a_bus_in_the_sessions_own_place_that_cannot_be_used_is_not_absent() {
    let folder = tempfile::tempdir().expect("a folder");
    let (addresses, _silent) = dead_addresses(folder.path());
    let own = tempfile::tempdir().expect("a folder");
    drop(UnixListener::bind(own.path().join("bus")).expect("a socket"));
    let itself = format!("unix:path={}/bus", own.path().display()).into();
    for bus_address in addresses.into_iter().map(Some).chain([None, Some(itself), Some("autolaunch:".into())]) {
        let store = SecretService::new(Options {
            deadline: Duration::from_millis(400),
            patience: Some(Duration::from_secs(20)),
            bus_address: bus_address.clone(),
            runtime_dirs: vec![own.path().to_owned()],
            kept_names: None,
        });
        let errors = [
            store.get("ringlet", "a/b").err(),
            store.set("ringlet", "a/b", CANARY, None).err(),
            store.remove("ringlet", "a/b").err(),
            accounts(&store, "ringlet").err(),
            store.items("ringlet", Content::Values, &|_| true).err(),
            store.usable().err(),
            store.unlock("ringlet").err(),
        ];
        for error in errors {
            let Some(ServiceError::Unreachable { why }) = error else { panic!("{bus_address:?}: {error:?}") };
            assert!(why.contains("/bus cannot be reached ("), "{why}");
        }
    }
    // Without one in that place, a dead address is no bus at all.
    std::fs::remove_file(own.path().join("bus")).expect("removed");
    let runtime_dirs = vec![own.path().to_owned()];
    let bus_address = Some(format!("unix:path={}/refused", folder.path().display()).into());
    let deadline = Duration::from_secs(20);
    let store = SecretService::new(Options { deadline, patience: None, bus_address, runtime_dirs, kept_names: None });
    assert!(matches!(store.get("ringlet", "a/b"), Err(ServiceError::Absent { .. })));
}

/// The store of the settings' `system-only` on such a bus, for a person at a screen or not.
fn system_store(bus: &FakeBus, has_screen: bool, home: &std::path::Path) -> Keys {
    let mut pairs: Vec<(&str, OsString)> = vec![("HOME", home.into())];
    pairs.push(("XDG_RUNTIME_DIR", bus.options.runtime_dirs[0].clone().into()));
    pairs.extend(has_screen.then(|| ("WAYLAND_DISPLAY", "wayland-0".into())));
    let env = Env::from_pairs(pairs);
    let paths = Paths::new(&env).expect("a home");
    let keychain = Keychain::new(&paths, &env, Duration::from_secs(20), store::Prompt::Ask);
    Keys::new(Routes::to(Box::new(keychain)), paths.names())
}

#[test]
fn what_a_person_is_told_names_the_state_and_a_way_out() {
    let home = tempfile::tempdir().expect("a folder");
    let key = "a/b".parse().expect("a name");
    let told = |error: StoreError| {
        let hint = error.hint().map(|hint| format!("{:?}", hint.pieces())).unwrap_or_default();
        (error.to_string(), hint)
    };
    let get = |bus: FakeBus, has_screen| {
        let store = system_store(&bus, has_screen, home.path());
        let error = store.get(&key).expect_err("it cannot be read");
        (told(error), bus.heard())
    };
    // Without a screen nobody is asked, even where somebody may be.
    let ((error, hint), heard) = get(FakeBus::new(confirming(|| vec![completed(true)], true)), false);
    assert!(error.contains("waits for a confirmation") && !error.contains("locked"), "{error}");
    assert!(hint.contains("Confirm when passwords are retrieved by clients"), "{hint}");
    assert!(!heard.contains(&"Unlock".to_owned()), "{heard:?}");
    let ((error, hint), heard) = get(FakeBus::new(|member, call| empty(member, call, LOGIN, true)), false);
    assert!(error.contains("is locked") && hint.contains("in a terminal"), "{error} {hint}");
    assert!(!heard.contains(&"Unlock".to_owned()), "{heard:?}");
    let ((error, hint), heard) = get(FakeBus::new(prompting(true, || vec![completed(true)])), true);
    assert!(error.contains("was closed, or could not be shown") && hint.contains("in a terminal"), "{error}");
    assert!(heard.contains(&"Prompt".to_owned()), "{heard:?}");
    let ((error, hint), _) = get(FakeBus::new(|member, call| empty(member, call, "/", false)), true);
    assert!(error.contains("no default keyring") && hint.contains("Seahorse"), "{error} {hint}");
    let bus = with_password("<node/>", nothing);
    let (error, hint) = told(system_store(&bus, false, home.path()).locked_collection().expect_err("it takes none"));
    assert!(error.contains("takes no password on a terminal") && hint.contains("its own window"), "{error} {hint}");
    let bus = with_password(TAKES_PASSWORDS, || Say::Error("org.gnome.keyring.Error.Denied"));
    let store = system_store(&bus, false, home.path());
    let denied = store.unlock_with(LOGIN, &Secret::new(CANARY.to_vec())).expect_err("it is wrong");
    let (error, hint) = told(denied);
    assert!(error.contains("the password is wrong") && hint.contains("unlock"), "{error} {hint}");
}

#[test]
fn names_that_cannot_be_sent_are_refused_before_anything_is_connected() {
    let options = Options {
        deadline: Duration::ZERO,
        patience: None,
        bus_address: None,
        runtime_dirs: Vec::new(),
        kept_names: None,
    };
    let store = SecretService::new(options);
    for (service, account) in [("", "a"), ("a", ""), ("a\0", "a"), ("a", "a\0b"), ("a", &"x".repeat(5000))] {
        assert!(matches!(store.get(service, account), Err(ServiceError::Invalid { .. })));
        assert!(matches!(store.set(service, account, b"x", None), Err(ServiceError::Invalid { .. })));
        assert!(matches!(store.remove(service, account), Err(ServiceError::Invalid { .. })));
    }
    assert!(matches!(store.get("a", "b"), Err(ServiceError::Absent { .. })));
}
