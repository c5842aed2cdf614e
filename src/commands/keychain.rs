//! `ringlet keychain`: store, list, rename, copy and remove keys. There is deliberately no command that shows one.

mod archive;
mod change;
pub(super) mod encrypted;
mod listing;
pub(super) mod set;
mod transfer;

use self::set::{Origin, Setting};
use self::transfer::Wanted;
use super::Session;
use crate::audit::{Action, Outcome, Record};
use crate::cli::Keychain;
use crate::config::{Backend, Kept, Settings, Stores};
use crate::dates::{Dates, parse_expiry};
use crate::digest::Digest;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::{Host, World};
use crate::name::{Alias, KeyName, Provider, StoreName, closest, shorten};
use crate::output::Output;
use crate::platform;
use crate::profile::Profiles;
use crate::store::{self, Change, Keys, Missing, Prompt, SCREENS, StoreError, TO_ENCRYPT};
use std::time::{Duration, SystemTime};

/// `ringlet keychain ...`
pub(super) fn run(host: &mut Host, session: &Session, command: Keychain) -> Result<(), Failure> {
    // A person at the terminal can be asked to unlock; a script cannot.
    let prompt = if host.world.console.is_interactive() || matches!(command, Keychain::Unlock { .. }) {
        Prompt::Ask
    } else {
        Prompt::Never
    };
    let prompt = if matches!(command, Keychain::List { .. }) { Prompt::Never } else { prompt };
    if !matches!(command, Keychain::List { .. } | Keychain::Unlock { store: None } | Keychain::Lock) {
        // A log that cannot be written must be known before the change that it would not record.
        session.audit_log()?;
    }
    // Any of these commands may name the encrypted file.
    store::encrypted::introduce(&session.paths);
    super::protect()?;
    let store = session.open_store(&host.world, prompt);
    let done = match command {
        Keychain::Set { provider, alias, from_env, stdin, replace, expires } => {
            let key = key_name(&provider, alias.as_deref())?;
            session.refuse_own_places(&host.world)?;
            encrypted::ready(host, session, session.settings.encrypts(&key))?;
            let expires = expires.map(|text| parse_expiry(&text, host.world.now)).transpose()?;
            let origin = Origin::of(from_env.as_deref(), stdin);
            set::run(host, session, &store, &key, Setting { origin, replace, expires })
        }
        Keychain::List { prefix, long } => listing::run(host, session, &store, prefix.as_deref().unwrap_or(""), long),
        Keychain::Copy(asked) => transfer::run(host, session, &asked, Wanted::Copy),
        Keychain::Export { file, prefix, recipients, replace } => {
            let prefix = prefix.as_deref().unwrap_or("");
            let asked = archive::Export { file: &file, prefix, recipients: &recipients, replace };
            archive::export(host, session, &store, &asked)
        }
        Keychain::Import { file, identity, replace } => {
            archive::import(host, session, &store, (&file, identity.as_deref()), replace)
        }
        Keychain::Move(asked) => transfer::run(host, session, &asked, Wanted::Move),
        Keychain::Remove { provider, alias, yes } => {
            let key = key_name(&provider, alias.as_deref())?;
            encrypted::ready(host, session, session.settings.encrypts(&key))?;
            store.can(Change::Remove, &key)?;
            if store.contains(&key)? {
                change::confirm_removal(host, session, &key, yes)?;
            }
            let done = store.remove(&key).map_err(|error| with_names(&store, error));
            record(host, session, Action::Remove, &key, &done)?;
            done.map(|()| {
                host.output.note(format!("removed {key} from {}", session.pretty_place(&store.place_of(&key))));
                if let Err(error) = Dates::new(&session.paths).removed(&key) {
                    host.output.warn(error.to_string());
                }
            })
        }
        Keychain::Rename { provider, alias, new_alias, yes, replace } => {
            let (from, to) = change::renamed(&provider, &alias, new_alias.as_deref())?;
            session.refuse_own_places(&host.world)?;
            encrypted::ready(host, session, [&from, &to].iter().any(|key| session.settings.encrypts(key)))?;
            change::rename(host, session, &store, &from, &to, change::Renaming { replace, yes })
        }
        Keychain::Check { .. } | Keychain::Rotate { .. } => unreachable!("a command of its own"),
        Keychain::Lock => encrypted::lock(session, &mut host.output),
        Keychain::Unlock { store: Some(name) } => unlock_named(host, session, &store, &name),
        Keychain::Unlock { store: None } => unlock_all(host, session, &store),
    };
    // What could not be noted beside a change does not undo it.
    store.notes().into_iter().for_each(|said| host.output.warn(said));
    warn_of_fallback(session, &store, &host.world, &mut host.output);
    done
}

/// Reads a key's name in either spelling: `PROVIDER/ALIAS`, or `PROVIDER` and `ALIAS`.
pub(super) fn key_name(first: &str, second: Option<&str>) -> Result<KeyName, Failure> {
    match second {
        None if first.contains('/') => Ok(first.parse()?),
        None => {
            let provider: Provider = first.parse()?;
            Err(Failure::usage("the key's alias is missing")
                .hint(format!("write {provider}/ALIAS, or {provider} ALIAS")))
        }
        Some(alias) => Ok(KeyName::new(first.parse::<Provider>()?, alias.parse::<Alias>()?)),
    }
}

// The keychain's own dialog asks where there is a screen. Without a screen, or when the dialog failed (a service does
// not tell whether it was closed or could not be shown), the password is asked for on the terminal. Each round of the
// loop opens one collection.
fn unlock(store: &Keys, host: &mut Host) -> Result<(), Failure> {
    let mut opened = None;
    if let Some(screen) = SCREENS.iter().find_map(|name| host.world.env.non_empty(name)) {
        let screen = screen.to_string_lossy();
        host.output
            .note(format!("where the keychain is locked, it asks in a window on the screen {}", shorten(&screen)));
    }
    loop {
        let error = match store.unlock() {
            Err(error @ (StoreError::Locked | StoreError::Dismissed | StoreError::Timeout { .. })) => error,
            done => return Ok(done?),
        };
        let collection = match store.locked_collection() {
            Err(StoreError::NoPassword) if error != StoreError::Locked => return Err(error.into()),
            found => found?,
        };
        // The collection was unlocked meanwhile, or the service said so and it is not.
        let Some(collection) = collection.filter(|path| opened.as_ref() != Some(path)) else {
            return Ok(store.unlock()?);
        };
        if !host.world.console.is_interactive() {
            return Err(error.into());
        }
        let name = collection.rsplit('/').next().unwrap_or_default();
        let question = format!("ringlet: password of the keychain \"{name}\" (it is not shown): ");
        let password = set::typed(host, &question, "password", "the keychain is still locked", |_| error.into())?;
        store.unlock_with(&collection, &password)?;
        opened = Some(collection);
    }
}

// The usual store, and those of Ringlet's own that a rule names.
fn unlock_all(host: &mut Host, session: &Session, store: &Keys) -> Result<(), Failure> {
    let settings = &session.settings;
    if settings.backend != Backend::EncryptedFile {
        unlock_usual(host, store)?;
    }
    let mut rules = settings.stores.rules.values();
    let is_system = |own| matches!(own, Backend::System | Backend::SystemOnly);
    if !is_system(settings.backend) && rules.any(|rule| matches!(rule.store, Kept::In(own) if is_system(own))) {
        unlock_usual(host, &the_keychain(host, session))?;
    }
    if settings.has_encrypted_file() { encrypted::unlock(host, session) } else { Ok(()) }
}

fn unlock_usual(host: &mut Host, store: &Keys) -> Result<(), Failure> {
    unlock(store, host)?;
    host.output.note(match store.fell_back() {
        Some(missing) => format!("{}; there is nothing to unlock", missing.summary()),
        None => format!("{} is unlocked", store.place()),
    });
    Ok(())
}

// The keychain itself, whatever the usual store is.
fn the_keychain(host: &Host, session: &Session) -> Keys {
    let settings = Settings { backend: Backend::SystemOnly, stores: Stores::default(), ..session.settings.clone() };
    session.open_as(&host.world, Prompt::Ask, &settings)
}

fn unlock_own(host: &mut Host, session: &Session, store: &Keys, own: Backend) -> Result<(), Failure> {
    match own {
        Backend::EncryptedFile => encrypted::unlock(host, session),
        Backend::File => {
            let file = session.paths.pretty(&session.paths.credentials());
            host.output.note(format!("{file} is not locked; there is nothing to unlock"));
            Ok(())
        }
        own if own == session.settings.backend => unlock_usual(host, store),
        Backend::System | Backend::SystemOnly => unlock_usual(host, &the_keychain(host, session)),
    }
}

// A key that something of the settings or a profile names in this store, whose names no listing tells.
fn named_in(session: &Session, name: &StoreName) -> Option<KeyName> {
    let settings = &session.settings;
    let profiles = Profiles::new(&session.paths, &session.registry);
    let files = profiles.names().unwrap_or_default();
    let of_profiles = files.iter().filter_map(|name| profiles.read(name).ok()).flat_map(|file| file.keys());
    let of_tools = settings.tools.values().flat_map(|tool| tool.secrets.values().cloned());
    let is_its = |key: &KeyName| settings.stores.rule(key).is_some_and(|rule| rule.store == Kept::Named(name.clone()));
    of_profiles.chain(of_tools).find(is_its)
}

// A store of the settings by its name, and a key to ask it for.
fn asked_for(session: &Session, store: &Keys, name: &str) -> Result<(StoreName, KeyName), Failure> {
    let stores = &session.settings.stores;
    let name: StoreName = name.parse()?;
    if !stores.specs.contains_key(&name) {
        let file = session.paths.pretty(&session.paths.config());
        let failure = Failure::new(format!("there is no [store.{name}] in {file}"));
        return Err(match closest(name.as_str(), stores.specs.keys().map(StoreName::as_str)) {
            Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
            None => failure.hint(Hint::run(["ringlet", "config", "edit"])),
        });
    }
    // A store that is locked may not list its keys either.
    let listed = store.any_of(&name);
    match listed.as_ref().ok().cloned().flatten().or_else(|| named_in(session, &name)) {
        Some(key) => Ok((name, key)),
        None if listed.is_err() => Err(listed.map(drop).map_or_else(Failure::from, |()| unreachable!("an error"))),
        None => Err(Failure::new(format!("no key of the store \"{name}\" is known"))
            .hint("name one that is in it: `ringlet keychain unlock PROVIDER/ALIAS`")),
    }
}

// A store by its name, or that of a key. The tool of one gives a key, so what it does is recorded as a lookup.
fn unlock_named(host: &mut Host, session: &Session, store: &Keys, name: &str) -> Result<(), Failure> {
    let key = name.contains('/').then(|| name.parse::<KeyName>()).transpose()?;
    let settings = &session.settings;
    let kept = match &key {
        Some(key) => settings.stores.rule(key).map_or(Kept::In(settings.backend), |rule| rule.store.clone()),
        None => Backend::named(name)
            .map_or_else(|| Ok(Kept::Named(name.parse()?)), |own| Ok::<_, Failure>(Kept::In(own)))?,
    };
    let (name, key) = match (kept, key) {
        (Kept::In(own), _) => return unlock_own(host, session, store, own),
        (Kept::Named(name), Some(key)) => (name, key),
        (Kept::Named(_), None) => asked_for(session, store, name)?,
    };
    let done = store.unlock_for(&key).map_err(Failure::from);
    record(host, session, Action::Lookup, &key, &done)?;
    done?;
    host.output.note(format!("the store \"{name}\" gives its keys"));
    Ok(())
}

// A name that is not there may be misspelt; names are no secret.
pub(super) fn with_names(store: &Keys, error: StoreError) -> Failure {
    let StoreError::NotFound { key, .. } = &error else { return error.into() };
    let names: Vec<String> = store.names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let made = Failure::new(error.to_string());
    match closest(&key.to_string(), names.iter().map(String::as_str)) {
        Some(word) => made.hint(format!("did you mean `{word}`?")),
        None => made.hint("run `ringlet keychain list`"),
    }
}

fn record(
    host: &Host,
    session: &Session,
    action: Action,
    key: &KeyName,
    done: &Result<(), Failure>,
) -> Result<(), Failure> {
    let reason = done.as_ref().err().map(|failure| failure.message.clone());
    let result = if done.is_ok() { Outcome::Granted } else { Outcome::Error };
    record_access(host, session, action, key, result, reason)
}

/// Writes to the audit log what a command does with a key, outside every profile and agent.
pub(super) fn record_access(
    host: &Host,
    session: &Session,
    action: Action,
    key: &KeyName,
    result: Outcome,
    reason: Option<String>,
) -> Result<(), Failure> {
    record_in(host, session, session.settings.stores.named_for(key), action, key, result, reason)
}

/// The same of a key in a store that need not be the one that the settings name.
fn record_in(
    host: &Host,
    session: &Session,
    store: Option<StoreName>,
    action: Action,
    key: &KeyName,
    result: Outcome,
    reason: Option<String>,
) -> Result<(), Failure> {
    let Some(log) = session.audit_log()? else { return Ok(()) };
    log.append(&Record {
        time: host.world.now,
        action,
        subject: key.clone().into(),
        store,
        profile: None,
        agent: None,
        binary: None,
        binary_sha256: None,
        pid: std::process::id(),
        cwd: host.world.cwd.as_ref().ok().cloned(),
        result,
        reason,
    })?;
    Ok(())
}

/// Says that the file stands in for a keychain, once a day per terminal.
pub(super) fn warn_of_fallback(session: &Session, store: &Keys, world: &World, output: &mut Output) {
    let Some(missing) = store.fell_back() else { return };
    let terminal = world.console.name().unwrap_or_default();
    let mark = session.paths.once_a_day_marks().join(&Digest::of(terminal.as_encoded_bytes()).to_string()[..16]);
    let said = std::fs::metadata(&mark).and_then(|meta| meta.modified());
    let today = said.is_ok_and(|at| {
        SystemTime::from((world.clock)())
            .duration_since(at)
            .is_ok_and(|since| since < Duration::from_secs(24 * 60 * 60))
    });
    if today {
        return;
    }
    // If the mark cannot be written, the warning is only shown again.
    let _ = platform::create_private_folder(&session.paths.once_a_day_marks())
        .and_then(|()| platform::replace_file(&mark, b""));
    let file = session.paths.pretty(&session.paths.credentials());
    output.plain_stderr(&format!("\u{26a0} Using file-backed credentials ({file})."));
    let better = format!("run `{}`", TO_ENCRYPT.join(" "));
    output.plain_stderr(&match missing {
        Missing::Keychain(_) => format!(
            "  For better security on multi-user systems, {better}, install GNOME Keyring or set up a service-mode \
             keychain."
        ),
        other => {
            format!("  For better security on multi-user systems, {better}. Or: {other}; {}.", other.cure())
        }
    });
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    const KEY: &str = "sk-ant-api03-TESTTESTTESTTESTTESTTESTTESTTESTTESTTEST";

    fn with_key() -> Home {
        let mut home = Home::new();
        home.input = format!("{KEY}\n").into_bytes();
        home.run(&["keychain", "set", "anthropic", "work", "--stdin"]).succeeds();
        home
    }

    #[test]
    fn a_key_is_stored_listed_by_name_renamed_and_removed_and_never_shown() {
        let home = with_key();
        let rows = home.run(&["--json", "keychain", "list"]).json();
        assert_eq!(
            rows,
            serde_json::json!([{
                "name": "anthropic/work", "provider": "anthropic", "alias": "work", "store": "system",
                "place": "~/.config/ringlet/credentials.toml", "used_by": [], "stored": "2026-01-02T12:00:00Z",
                "last_used": null, "expires": null,
            }])
        );
        home.run(&["keychain", "rename", "anthropic", "work", "home"]).succeeds();
        let listed = home.run(&["keychain", "list", "anthropic/"]).succeeds();
        assert_eq!(listed.out, "anthropic/home\n");
        assert!(!format!("{listed:?}").contains("TEST"));
        home.run(&["keychain", "remove", "anthropic", "home"]).succeeds();
        assert_eq!(home.run(&["--json", "keychain", "list"]).json(), serde_json::json!([]));
    }

    #[test]
    fn a_key_that_is_there_is_replaced_on_demand_alone_and_a_misspelt_one_is_named() {
        let home = with_key();
        home.run(&["keychain", "set", "anthropic", "work", "--stdin"]).is_refused(1, "is already in");
        home.run(&["keychain", "set", "anthropic", "work", "--stdin", "--replace"]).succeeds();
        home.run(&["keychain", "remove", "anthropic", "wrok"]).is_refused(1, "did you mean `anthropic/work`?");
    }

    #[test]
    fn what_is_odd_about_a_key_is_said() {
        for (text, what) in [
            (format!("\"{KEY}\""), "it has quotes"),
            (format!("ANTHROPIC_API_KEY={KEY}"), "it is a whole line, with the variable's name"),
            (format!("export ANTHROPIC_API_KEY={KEY}"), "it has blanks in it"),
            (crate::migrate::testing::openai(1), "it looks like a key of OpenAI"),
            ("something".to_owned(), "this does not look like a key of Anthropic\n"),
        ] {
            let mut home = Home::new();
            home.input = text.clone().into_bytes();
            let ran = home.run(&["keychain", "set", "anthropic", "work", "--stdin"]).succeeds();
            assert!(ran.err.contains(what) && !ran.err.contains("TEST"), "{ran:?}");
        }
    }

    #[test]
    fn a_key_is_asked_for_and_without_a_terminal_there_is_none() {
        let home = Home::new();
        let words = ["keychain", "set", "anthropic", "work"];
        home.run(&words).is_refused(1, "there is no terminal to ask on");
        // It looks odd, so there is a second question.
        home.answer(&["not-much-of-a-key-for-anybody", "n"]);
        home.run(&words).is_refused(1, "nothing was stored");
        home.answer(&["not-much-of-a-key-for-anybody", "y"]);
        home.run(&words).succeeds();
        assert_eq!(home.run(&["keychain", "list"]).out, "anthropic/work\n");
    }

    #[test]
    fn a_key_has_an_expiry_which_is_changed_alone_and_goes_with_the_value() {
        let home = with_key();
        let set = |words: &[&str]| home.run(&[&["keychain", "set", "anthropic/work"], words].concat());
        let row = || home.run(&["--json", "keychain", "list"]).json()[0].clone();
        let ran = set(&["--expires", "2026-06-30"]).succeeds();
        assert!(ran.err.contains("anthropic/work expires on 2026-06-30"), "{ran:?}");
        assert_eq!(row()["expires"], "2026-06-30T00:00:00Z");
        home.run(&["keychain", "rename", "anthropic", "work", "home"]).succeeds();
        home.run(&["keychain", "rename", "anthropic", "home", "work"]).succeeds();
        assert_eq!(row()["expires"], "2026-06-30T00:00:00Z");
        let ran = set(&["--stdin", "--replace"]).succeeds();
        assert!(ran.err.contains("the key before it was to expire on 2026-06-30"), "{ran:?}");
        assert!(row()["expires"].is_null());
        let ran = set(&["--stdin", "--replace", "--expires", "90d"]).succeeds();
        assert!(ran.err.contains("it expires on 2026-04-02"), "{ran:?}");
        set(&["--expires", "never"]).succeeds();
        assert!(row()["expires"].is_null());
        set(&["--expires", "2020-01-01"]).is_refused(2, "is over");
        set(&["--expires", "soon"]).is_refused(2, "write a date such as");
        // A key that another program has stored has no age.
        home.run(&["keychain", "remove", "anthropic", "work"]).succeeds();
        home.write(".config/ringlet/credentials.toml", &format!("[anthropic.work]\nkey = \"{KEY}\"\n"));
        std::fs::set_permissions(
            home.path.join(".config/ringlet/credentials.toml"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .expect("chmod");
        assert!(row()["stored"].is_null());
    }

    #[test]
    fn the_long_list_has_a_heading_and_the_short_one_begins_with_the_name() {
        let home = with_key();
        home.run(&["profiles", "create", "job", "--agent", "claude", "--key-alias", "work"]).succeeds();
        home.run(&["keychain", "set", "anthropic/work", "--expires", "2026-06-30"]).succeeds();
        assert_eq!(home.run(&["keychain", "list"]).succeeds().out, "anthropic/work\n");
        let long = home.run(&["keychain", "list", "-l"]).succeeds().out;
        let words: Vec<Vec<&str>> = long.lines().map(|line| line.split("  ").map(str::trim).collect()).collect();
        let cells = |row: &[&str]| row.iter().filter(|cell| !cell.is_empty()).map(ToString::to_string).collect();
        let rows: Vec<Vec<String>> = words.iter().map(|row| cells(row)).collect();
        assert_eq!(
            rows,
            [
                vec!["KEY", "STORE", "USED BY", "AGE", "LAST USE", "EXPIRES"],
                vec!["anthropic/work", "~/.config/ringlet/credentials.toml", "job", "0s", "unknown", "2026-06-30"],
            ]
        );
    }
}
