//! The Linux keychain with a real gnome-keyring, checked from outside with `secret-tool`; and with none, a stopped one,
//! a killed one, one that hangs and one that gives false answers.

use crate::common::keyring::{Keyring, PASSWORD, State};
use ringlet::testing::{Content, KeptNames, Options, SecretService, ServiceError};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough never to matter, for operations that are meant to end by themselves.
const AMPLE: Duration = Duration::from_secs(60);
/// For operations that are meant to run into it.
const SHORT: Duration = Duration::from_millis(300);

fn store(keyring: &Keyring, deadline: Duration) -> Arc<SecretService> {
    let bus_address = Some(keyring.address());
    Arc::new(SecretService::new(Options {
        deadline,
        patience: None,
        bus_address,
        runtime_dirs: Vec::new(),
        kept_names: None,
    }))
}

fn accounts(store: &SecretService, service: &str) -> Result<Vec<String>, ServiceError> {
    Ok(store.items(service, Content::Attributes, &|_| true)?.into_iter().map(|item| item.account).collect())
}

/// Runs something that must return by itself, and fails the test instead of hanging with it.
fn returning<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    outcome.recv_timeout(Duration::from_secs(120)).expect("the operation to end")
}

fn get(store: &Arc<SecretService>, account: &'static str) -> Result<Vec<u8>, ServiceError> {
    let store = Arc::clone(store);
    returning(move || store.get("ringlet", account).map(|value| value.to_vec()))
}

#[test]
fn what_is_set_here_is_read_by_secret_tool_and_the_reverse() {
    let keyring = Keyring::start(State::Unlocked);
    let ours = store(&keyring, AMPLE);
    assert_eq!(ours.set("ringlet", "anthropic/work", b"sk-1", None), Ok(()));
    let work = ["service", "ringlet", "username", "anthropic/work"];
    assert_eq!(keyring.secret_tool_lookup(&work).as_deref(), Some(&b"sk-1"[..]));
    // In another connection, as another process would have it.
    assert_eq!(get(&store(&keyring, AMPLE), "anthropic/work"), Ok(b"sk-1".to_vec()));

    // As keyring 3 writes it: more attributes than we ask for.
    let theirs = ["service", "ringlet", "username", "openai/x", "target", "default", "application", "rust-keyring"];
    keyring.secret_tool_store(None, &theirs, b"sk-2");
    assert_eq!(get(&ours, "openai/x"), Ok(b"sk-2".to_vec()));
    assert_eq!(ours.set("ringlet", "openai/x", b"sk-3", None), Ok(()));
    assert_eq!(keyring.secret_tool_lookup(&theirs).as_deref(), Some(&b"sk-3"[..]));
    assert_eq!(get(&ours, "openai/x"), Ok(b"sk-3".to_vec()));
}

#[test]
fn replacing_leaves_one_item_and_its_label() {
    let keyring = Keyring::start(State::Unlocked);
    let ours = store(&keyring, AMPLE);
    for value in [&b"first"[..], b"second", b""] {
        assert_eq!(ours.set("ringlet", "anthropic/work", value, None), Ok(()));
        assert_eq!(get(&ours, "anthropic/work").as_deref(), Ok(value));
    }
    let found = keyring.command("secret-tool").args(["search", "--all", "service", "ringlet"]).output();
    let found = String::from_utf8_lossy(&found.expect("secret-tool").stdout).into_owned();
    assert_eq!(found.matches("label = ").count(), 1, "{found}");
    assert!(found.contains("label = ringlet anthropic/work\n"), "{found}");
}

#[test]
fn values_of_every_size_and_content_come_back_unchanged() {
    let keyring = Keyring::start(State::Unlocked);
    let ours = store(&keyring, AMPLE);
    let sizes = [1, 7, 8, 2560, 8 << 10, 16 << 10, 3 << 20];
    for size in sizes {
        let value: Vec<u8> = (0..size).map(|at: u32| (at.wrapping_mul(31) >> 3) as u8).collect();
        assert_eq!(ours.set("ringlet", "anthropic/work", &value, None), Ok(()), "{size}");
        assert!(get(&ours, "anthropic/work").as_ref() == Ok(&value), "{size}");
    }
    assert_eq!(ours.set("ringlet", "anthropic/work", b"\xff\x00\xfe\n", None), Ok(()));
    assert_eq!(get(&ours, "anthropic/work").as_deref(), Ok(&b"\xff\x00\xfe\n"[..]));
    let huge = vec![b'x'; 64 << 20];
    assert!(matches!(ours.set("ringlet", "anthropic/work", &huge, None), Err(ServiceError::Invalid { .. })));
    assert_eq!(get(&ours, "anthropic/work").as_deref(), Ok(&b"\xff\x00\xfe\n"[..]));
}

#[test]
fn a_removed_item_is_gone() {
    let keyring = Keyring::start(State::Unlocked);
    let ours = store(&keyring, AMPLE);
    assert_eq!(ours.remove("ringlet", "anthropic/work"), Err(ServiceError::NotFound));
    assert_eq!(ours.set("ringlet", "anthropic/work", b"sk-1", None), Ok(()));
    assert_eq!(ours.set("ringlet", "anthropic/home", b"sk-2", None), Ok(()));
    assert_eq!(ours.remove("ringlet", "anthropic/work"), Ok(()));
    assert_eq!(get(&ours, "anthropic/work"), Err(ServiceError::NotFound));
    assert_eq!(keyring.secret_tool_lookup(&["service", "ringlet", "username", "anthropic/work"]), None);
    assert_eq!(get(&ours, "anthropic/home"), Ok(b"sk-2".to_vec()));
}

#[test]
fn two_items_of_one_name_are_ambiguous() {
    let keyring = Keyring::start(State::Unlocked);
    for application in ["a", "b"] {
        let attributes = ["service", "ringlet", "username", "anthropic/work", "application", application];
        keyring.secret_tool_store(None, &attributes, b"x");
    }
    let ours = store(&keyring, AMPLE);
    for error in [
        get(&ours, "anthropic/work").err(),
        ours.set("ringlet", "anthropic/work", b"x", None).err(),
        ours.remove("ringlet", "anthropic/work").err(),
    ] {
        assert!(matches!(&error, Some(ServiceError::Ambiguous { items }) if items.len() == 2), "{error:?}");
    }
}

#[test]
fn an_item_that_will_be_forgotten_is_not_taken_for_ours() {
    let keyring = Keyring::start(State::Unlocked);
    let work = ["service", "ringlet", "username", "anthropic/work"];
    keyring.secret_tool_store(Some("session"), &work, b"for today");
    let ours = store(&keyring, AMPLE);
    assert_eq!(get(&ours, "anthropic/work"), Err(ServiceError::NotFound));
    assert_eq!(accounts(&ours, "ringlet"), Ok(vec![]));
    assert_eq!(ours.set("ringlet", "anthropic/work", b"for good", None), Ok(()));
    assert_eq!(get(&ours, "anthropic/work"), Ok(b"for good".to_vec()));
}

#[test]
fn three_hundred_accounts_are_listed_in_order() {
    let keyring = Keyring::start(State::Unlocked);
    let ours = store(&keyring, AMPLE);
    let names: Vec<_> = (0..300).map(|n| format!("provider/alias-{n:03}")).collect();
    for name in names.iter().rev() {
        assert_eq!(ours.set("ringlet", name, b"x", None), Ok(()));
    }
    keyring.secret_tool_store(None, &["service", "another", "username", "not/ours"], b"x");
    assert_eq!(accounts(&ours, "ringlet"), Ok(names));
    assert_eq!(accounts(&ours, "nobody"), Ok(vec![]));
    assert_eq!(ours.usable(), Ok(()));
    assert_eq!(ours.unlock("ringlet"), Ok(()));
}

/// A client that keeps names in a file, as each process of the user has one.
fn keeping(keyring: &Keyring, file: &Path) -> SecretService {
    let environment = keyring.environment();
    let (_, data) = environment.iter().find(|(name, _)| name == "XDG_DATA_HOME").expect("it is set");
    let kept_names = Some(KeptNames { file: file.to_owned(), keyrings: Path::new(data).join("keyrings") });
    let bus_address = Some(keyring.address());
    SecretService::new(Options { deadline: AMPLE, patience: None, bus_address, runtime_dirs: Vec::new(), kept_names })
}

/// The names that a new process lists.
fn names(keyring: &Keyring, file: &Path) -> Result<Vec<String>, ServiceError> {
    keeping(keyring, file).accounts("ringlet", &|_, _| ())
}

/// Lists until just these names are kept, which they are only once no change can go unseen.
fn kept(keyring: &Keyring, file: &Path, wanted: &[String]) -> String {
    returning_by(Duration::from_secs(60), || {
        assert_eq!(names(keyring, file).as_deref(), Ok(wanted));
        let text = std::fs::read_to_string(file).ok()?;
        let in_file: BTreeSet<&str> = text.lines().skip(6).filter_map(|line| Some(line.split_once(' ')?.1)).collect();
        let is_kept = in_file.into_iter().eq(wanted.iter().map(String::as_str));
        is_kept.then_some(text)
    })
}

fn returning_by<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < patience, "it does not come");
    }
}

#[test]
fn names_of_a_large_keyring_are_kept_and_never_stale() {
    let mut keyring = Keyring::start(State::Unlocked);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("listing");
    let ours = store(&keyring, AMPLE);
    let mut all: Vec<String> = (0..70).map(|n| format!("provider/alias-{n:03}")).collect();
    for name in &all {
        assert_eq!(ours.set("ringlet", name, b"sk-canary", None), Ok(()));
    }
    let text = kept(&keyring, &file, &all);
    assert!(!text.contains("canary"));
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);

    // A name that only the file has shows that the names come from there while nothing changes,
    let spoil = |text: &str| std::fs::write(&file, text.replace("alias-003", "alias-XXX")).expect("written");
    spoil(&text);
    assert!(names(&keyring, &file).expect("listed").contains(&"provider/alias-XXX".to_owned()));
    assert_eq!(keeping(&keyring, &file).accounts("another", &|_, _| ()), Ok(vec![]));
    // and that none is believed after a change, nor under another name of the same length, stored in the same moment.
    let [last, next] = ["provider/alias-069", "provider/alias-07x"];
    let cleared = keyring.command("secret-tool").args(["clear", "service", "ringlet", "username", last]).status();
    assert!(cleared.expect("secret-tool, of Debian's libsecret-tools").success());
    keyring.secret_tool_store(None, &["service", "ringlet", "username", next], b"sk-canary");
    *all.last_mut().expect("seventy") = next.into();
    assert_eq!(names(&keyring, &file).as_deref(), Ok(&all[..]));
    let text = kept(&keyring, &file, &all);

    // A file that is cut short, is open to others or is of another form is no file.
    for bad in [&text[..text.len() / 2], "", "ringlet listing 1\n\n\n\n0\n", &"\u{0}".repeat(100)] {
        std::fs::write(&file, bad).expect("written");
        assert_eq!(names(&keyring, &file).as_deref(), Ok(&all[..]));
    }
    spoil(&text);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("chmod");
    assert_eq!(names(&keyring, &file).as_deref(), Ok(&all[..]));
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("chmod");

    // Neither is that of another process's keyring, nor that of a locked one.
    spoil(&text);
    keyring.restart();
    kept(&keyring, &file, &all);
    keyring.lock();
    assert_eq!(names(&keyring, &file), Err(ServiceError::Locked));
}

#[test]
fn a_locked_keychain_is_locked_for_everything_and_asks_nobody() {
    let mut keyring = Keyring::start(State::Unlocked);
    assert_eq!(store(&keyring, AMPLE).set("ringlet", "anthropic/work", b"sk-1", None), Ok(()));
    keyring.lock();
    let ours = store(&keyring, AMPLE);
    assert_eq!(get(&ours, "anthropic/work"), Err(ServiceError::Locked));
    assert_eq!(get(&ours, "anthropic/other"), Err(ServiceError::Locked));
    assert_eq!(ours.set("ringlet", "anthropic/work", b"x", None), Err(ServiceError::Locked));
    assert_eq!(ours.set("ringlet", "anthropic/new", b"x", None), Err(ServiceError::Locked));
    assert_eq!(ours.remove("ringlet", "anthropic/work"), Err(ServiceError::Locked));
    assert_eq!(accounts(&ours, "ringlet"), Err(ServiceError::Locked));
    assert_eq!(ours.usable(), Err(ServiceError::Locked));
    assert_eq!(ours.unlock("ringlet"), Err(ServiceError::Locked));
    // Asked to ask, with nobody there to be asked.
    let asking = SecretService::new(Options {
        deadline: AMPLE,
        patience: Some(AMPLE),
        bus_address: Some(keyring.address()),
        runtime_dirs: Vec::new(),
        kept_names: None,
    });
    assert_eq!(returning(move || asking.unlock("ringlet")), Err(ServiceError::Dismissed));
    keyring.restart();
    assert_eq!(get(&store(&keyring, AMPLE), "anthropic/work"), Ok(b"sk-1".to_vec()));
}

#[test]
fn a_locked_keychain_opens_with_its_password_and_with_no_other() {
    let mut keyring = Keyring::start(State::Unlocked);
    assert_eq!(store(&keyring, AMPLE).set("ringlet", "anthropic/work", b"sk-1", None), Ok(()));
    keyring.lock();
    let ours = store(&keyring, AMPLE);
    let login = ours.locked_collection("ringlet").expect("it takes a password").expect("it is locked");
    assert!(login.ends_with("/login"), "{login}");
    let more = [PASSWORD, b"x"].concat();
    for wrong in [&b"wrong"[..], b"", &more, b"\xff\x00"] {
        assert_eq!(ours.unlock_with(&login, wrong), Err(ServiceError::WrongPassword));
        assert_eq!(get(&ours, "anthropic/work"), Err(ServiceError::Locked));
    }
    assert_eq!(store(&keyring, AMPLE).unlock_with(&login, PASSWORD), Ok(()));
    assert_eq!(get(&ours, "anthropic/work"), Ok(b"sk-1".to_vec()));
    assert_eq!(ours.locked_collection("ringlet"), Ok(None));
    assert_eq!(ours.unlock("ringlet"), Ok(()));
}

#[test]
fn a_keychain_that_is_not_there_is_absent() {
    for state in [State::Absent, State::NoBus, State::NoDefault] {
        let keyring = Keyring::start(state);
        let ours = store(&keyring, AMPLE);
        let is_absent = |error: Option<ServiceError>| match error {
            Some(ServiceError::NoKeyring) => state == State::NoDefault,
            Some(ServiceError::Absent { .. }) => state != State::NoDefault,
            _ => false,
        };
        assert!(is_absent(get(&ours, "anthropic/work").err()), "{state:?}");
        assert!(is_absent(ours.set("ringlet", "a/b", b"x", None).err()), "{state:?}");
        assert!(is_absent(accounts(&ours, "ringlet").err()), "{state:?}");
        assert!(is_absent(ours.unlock("ringlet").err()), "{state:?}");
        assert!(is_absent(ours.locked_collection("ringlet").err()), "{state:?}");
        assert!(
            matches!(
                ours.usable(),
                Err(ServiceError::Absent { .. } | ServiceError::NoKeyring | ServiceError::NoDefault)
            ),
            "{state:?}"
        );
    }
    let mut keyring = Keyring::start(State::Absent);
    keyring.kill_bus();
    let stale = store(&keyring, AMPLE);
    assert!(matches!(get(&stale, "anthropic/work"), Err(ServiceError::Absent { .. })));
}

#[test]
fn a_stopped_service_or_bus_is_a_timeout() {
    let mut keyring = Keyring::start(State::Unlocked);
    let connected = store(&keyring, SHORT);
    assert_eq!(connected.set("ringlet", "anthropic/work", b"sk-1", None), Ok(()));
    keyring.stop_service();
    for ours in [connected, store(&keyring, SHORT)] {
        assert!(matches!(get(&ours, "anthropic/work"), Err(ServiceError::Timeout { .. })));
    }
    keyring.stop_bus();
    let ours = store(&keyring, SHORT);
    assert!(matches!(get(&ours, "anthropic/work"), Err(ServiceError::Timeout { .. })));
    assert!(matches!(returning(move || ours.usable()), Err(ServiceError::Timeout { .. })));
}

#[test]
fn a_service_that_never_starts_is_a_timeout() {
    let keyring = Keyring::start(State::HungActivation);
    let ours = store(&keyring, SHORT);
    assert!(matches!(get(&ours, "anthropic/work"), Err(ServiceError::Timeout { .. })));
}

#[test]
fn a_service_killed_in_mid_call_is_lost() {
    let mut keyring = Keyring::start(State::Unlocked);
    keyring.stop_service();
    let ours = store(&keyring, AMPLE);
    let (asking, asked) = mpsc::channel();
    let caller = thread::spawn(move || {
        let _ = asking.send(());
        ours.get("ringlet", "anthropic/work").map(|value| value.to_vec())
    });
    asked.recv().expect("the caller");
    // The call is on its way once the bus has a connection more than its own and the service's.
    let connections = || {
        let mut ask = keyring.command("dbus-send");
        ask.args(["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames"]);
        let names = ask.output().expect("dbus-send").stdout;
        String::from_utf8_lossy(&names).matches("\":1.").count()
    };
    while connections() < 3 && !caller.is_finished() {}
    keyring.kill_service();
    let outcome = returning(move || caller.join().expect("no panic"));
    assert!(matches!(outcome, Err(ServiceError::Lost { .. })), "{outcome:?}");
}

#[test]
fn a_store_outlives_its_service_and_its_bus() {
    let mut keyring = Keyring::start(State::Unlocked);
    let ours = store(&keyring, AMPLE);
    assert_eq!(ours.set("ringlet", "anthropic/work", b"sk-1", None), Ok(()));
    keyring.restart();
    assert_eq!(get(&ours, "anthropic/work"), Ok(b"sk-1".to_vec()));
    let still_connected = store(&keyring, AMPLE);
    assert_eq!(still_connected.usable(), Ok(()));
    keyring.kill_service();
    assert!(matches!(get(&ours, "anthropic/work"), Err(ServiceError::Absent { .. })));
    keyring.kill_bus();
    assert!(matches!(get(&still_connected, "anthropic/work"), Err(ServiceError::Absent { .. })));
}

#[test]
fn without_an_address_the_runtime_directorys_bus_is_used() {
    let keyring = Keyring::start(State::Unlocked);
    let mut second = OsString::from("unix:path=/nonexistent/bus;tcp:host=localhost,port=1;");
    second.push(keyring.address());
    for (bus_address, runtime_dirs) in [(None, vec![keyring.runtime_dir()]), (Some(second), vec![])] {
        let ours = SecretService::new(Options {
            deadline: AMPLE,
            patience: None,
            bus_address,
            runtime_dirs,
            kept_names: None,
        });
        assert_eq!(ours.usable(), Ok(()));
    }
}

#[test]
fn several_threads_share_one_store() {
    let keyring = Keyring::start(State::Unlocked);
    let ours = store(&keyring, AMPLE);
    assert_eq!(ours.set("ringlet", "anthropic/work", b"sk-1", None), Ok(()));
    let threads: Vec<_> = (0..8).map(|_| (Arc::clone(&ours), store(&keyring, AMPLE))).collect();
    let threads = threads.into_iter().map(|(shared, own)| {
        thread::spawn(move || (0..20).all(|_| [&shared, &own].iter().all(|s| get(s, "anthropic/work").is_ok())))
    });
    let outcomes: Vec<_> = threads.collect::<Vec<_>>().into_iter().map(thread::JoinHandle::join).collect();
    assert!(outcomes.into_iter().all(|outcome| matches!(outcome, Ok(true))), "{}", keyring.logged());
}

#[test]
fn a_bus_of_lies_is_named_and_left() {
    let broken = |error: &ServiceError| matches!(error, ServiceError::Broken { .. });
    let denied = |error: &ServiceError| matches!(error, ServiceError::Denied { .. });
    let late = |error: &ServiceError| matches!(error, ServiceError::Timeout { .. });
    type Expected = fn(&ServiceError) -> bool;
    let liars: [(&[u8], Duration, Expected); 6] = [
        (b"220 mail.example.org ESMTP\r\n", AMPLE, broken),
        (b"REJECTED EXTERNAL DBUS_COOKIE_SHA1\r\n", AMPLE, denied),
        (b"DATA\r\nOK 00\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", AMPLE, broken),
        (b"DATA\r\nOK 00\r\nl\x02\0\x01\xf0\xff\xff\xff\x01\0\0\0\0\0\0\0", AMPLE, broken),
        // A header that announces almost as much as is allowed, and nothing more.
        (b"DATA\r\nOK 00\r\nl\x02\0\x01\0\0\0\0\x01\0\0\0\0\0\xff\x03", SHORT, late),
        // Half a line, for ever.
        (b"DATA\r\nOK 0", SHORT, late),
    ];
    for (lie, deadline, expected) in liars {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("bus")).expect("a socket");
        thread::spawn(move || -> std::io::Result<()> {
            let (mut stream, _) = listener.accept()?;
            stream.write_all(lie)?;
            stream.read_to_end(&mut Vec::new()).map(drop)
        });
        let runtime_dirs = vec![folder.path().to_owned()];
        let ours = Arc::new(SecretService::new(Options {
            deadline,
            patience: None,
            bus_address: None,
            runtime_dirs,
            kept_names: None,
        }));
        let error = get(&ours, "anthropic/work").expect_err("a lie is no value");
        assert!(expected(&error), "{error:?}");
    }
}

#[test]
fn a_bus_of_another_user_is_refused() {
    let keyring = Keyring::start(State::Unlocked);
    // Only root can make a socket another's; elsewhere the bus keeps its owner and stays usable.
    let socket = keyring.runtime_dir().join("bus");
    let chown = Command::new("chown").arg("12345").arg(&socket).stderr(Stdio::null()).status();
    let ours = store(&keyring, AMPLE);
    match chown.expect("chown").success() {
        true => assert!(matches!(ours.usable(), Err(ServiceError::Denied { .. }))),
        false => assert_eq!(ours.usable(), Ok(())),
    }
}
