//! Stores, keys and profiles: what is there, what is missing, and what nobody uses.

use super::life;
use crate::audit::{Action, Outcome};
use crate::commands::Session;
use crate::commands::check::Checks;
use crate::commands::keychain::{encrypted, record_access};
use crate::config::Backend;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::name::{KeyName, Profile};
use crate::plan;
use crate::platform;
use crate::profile::{Account, Profiles, Resolved};
use crate::secret::{Secret, same};
use crate::store::{self, Change, Keys, Listing, Prompt, StoreError, TO_ENCRYPT, Unopened};
use crate::words;
use std::collections::{BTreeMap, BTreeSet};

/// Of a store with more keys the values are not compared.
const MOST_COMPARED: usize = 200;

pub(super) fn check(host: &Host, session: &Session, checks: &mut Checks) -> Result<(), Failure> {
    let store = session.open_store(&host.world, Prompt::Never);
    let names = stored(session, &store, checks);
    let used = profiles(host, session, &store, names.is_some(), checks)?;
    let names = names.unwrap_or_default();
    life::check(host, session, &names, checks);
    let doubled = doubled(host, session, &store, &names, used.as_ref(), checks)?;
    // Where something that may name a key cannot be read, no key is said to be unused.
    if let Some(used) = used.filter(|_| !checks.is_without_settings) {
        let is_unused = |key: &&KeyName| !used.contains(key) && !doubled.contains(key) && !is_a_tools(session, key);
        for key in names.iter().filter(is_unused) {
            let command = words!["ringlet", "keychain", "remove", key.provider, key.alias];
            let hint = match store.can(Change::Remove, key) {
                Ok(()) => Hint::from("name it in a profile, or run ").command(command),
                Err(unable) => Hint::from(format!("name it in a profile; {unable}")),
            };
            checks.note(format!("no profile uses {key}"), hint);
        }
    }
    // A scope for a misspelt key protects no key.
    for key in session.settings.scopes.keys().filter(|key| matches!(store.peek(key), Ok(Some(false)))) {
        let text =
            format!("there is a scope for {key}, which is not in {}", session.pretty_place(&store.place_of(key)));
        checks.note(text, Hint::from("look at the name: ").command(["ringlet", "config", "edit"]));
    }
    Ok(())
}

fn is_a_tools(session: &Session, key: &KeyName) -> bool {
    session.settings.tools.values().any(|tool| tool.secrets.values().any(|own| own == key))
}

// Reports on the store, and returns the names in it.
fn stored(session: &Session, store: &Keys, checks: &mut Checks) -> Option<Vec<KeyName>> {
    let Listing { keys, usual_failed, failed, silent } = store.listing("", &|_, _| ());
    // The name is asked for afterwards, since the file may have replaced the keychain meanwhile.
    let place = session.pretty_place(&store.place());
    let answers = match usual_failed {
        None => {
            // A locked keychain lists names and gives no values.
            if matches!(store.locked_collection(), Ok(Some(_))) {
                let locked = match session.settings.backend {
                    Backend::EncryptedFile => StoreError::from(Unopened::Locked),
                    _ => StoreError::Locked,
                };
                let hint = locked.hint().unwrap_or_else(|| Hint::run(["ringlet", "keychain", "unlock"]));
                checks.bad(format!("{place} is locked, so no launch gets a key"), hint);
            } else {
                let usual = store.place();
                let mut counted: BTreeMap<String, usize> = BTreeMap::from([(usual.clone(), 0)]);
                let mut untold: BTreeMap<String, usize> = BTreeMap::new();
                for key in &keys {
                    let place = store.place_of(key);
                    // Some tools list nothing, and the name is one of the settings. The usual store does list.
                    let is_told = place == usual || !matches!(store.peek(key), Ok(None));
                    *if is_told { &mut counted } else { &mut untold }.entry(place).or_default() += 1;
                }
                let keys_of = |count| if count == 1 { "1 key".to_owned() } else { format!("{count} keys") };
                for (place, count) in counted {
                    checks.good(format!("{} answers and holds {}", session.pretty_place(&place), keys_of(count)));
                }
                for place in silent.iter().filter(|place| !untold.contains_key(*place)) {
                    checks.good(format!("{place} lists no keys, and is asked in a launch alone"));
                }
                for (place, count) in untold {
                    let place = session.pretty_place(&place);
                    checks.good(format!("{place} is asked in a launch alone; the settings name {}", keys_of(count)));
                }
            }
            Some(keys)
        }
        // Its usual hint is to run this command.
        Some(error @ StoreError::Broken(_)) => {
            let instead = ["ringlet", "config", "set", "credentials.backend", "file"];
            checks.bad(error.to_string(), Hint::from("restart it, or keep keys without it: ").command(instead));
            None
        }
        Some(error) => {
            checks.failed(error);
            None
        }
    };
    failed.into_iter().for_each(|error| checks.failed(error));
    if session.settings.has_encrypted_file() {
        match encrypted::unlocked_for(session) {
            Some(said) => checks.good(said),
            // The usual store's state is told above.
            None if session.settings.backend == Backend::EncryptedFile => {}
            None => checks.note("the encrypted file is locked", Unopened::Locked.hint()),
        }
    }
    if let Some(missing) = store.fell_back() {
        let text = format!("{}, so keys are in a plain file; {}", missing.summary(), missing.cure());
        let keep = ["ringlet", "config", "set", "credentials.backend", "file"];
        let hint = Hint::from("to encrypt it, run ").command(TO_ENCRYPT);
        checks.note(text, hint.and(" and store the keys again; to keep it so, run ").command(keep));
    }
    for key in answers.iter().flatten() {
        if let Some(file) = store::copy_in_file(&session.paths, store, key) {
            let shown = session.paths.pretty(&file);
            let place = session.pretty_place(&store.place_of(key));
            let text = format!("{key} is in {place} and, in plaintext, in {shown}; launches take the one in {place}");
            checks.note(
                text,
                Hint::from("delete it there: ").command(words!["ringlet", "config", "path"]).and(" names the folder"),
            );
        } else if let Some(other) = store.also_in_usual(key) {
            second(session, store, key, &other, checks);
        }
    }
    answers
}

// Reports a key of which another store has one of the same name. The values are not compared: that would run a tool.
fn second(session: &Session, store: &Keys, key: &KeyName, other: &str, checks: &mut Checks) {
    let place = session.pretty_place(&store.place_of(key));
    let text = format!("{key} is in {place} and in {}; launches take the one in {place}", session.pretty_place(other));
    let Some(rule) = session.settings.stores.rule(key) else { return };
    let (from, to) = (session.settings.backend.name(), rule.store.name());
    let command = words!["ringlet", "keychain", "move", key.to_string(), "--from", from, "--to", to];
    checks.note(text, Hint::from("").command(command).and(" removes the other one if both are the same"));
}

// Reports on the profiles, and returns the keys that they use; nothing where one cannot be read.
fn profiles(
    host: &Host,
    session: &Session,
    store: &Keys,
    answers: bool,
    checks: &mut Checks,
) -> Result<Option<BTreeSet<KeyName>>, Failure> {
    let profiles = Profiles::new(&session.paths, &session.registry);
    let names = profiles.names()?;
    let (mut used, mut sound, mut is_complete) = (BTreeSet::new(), 0, true);
    for name in &names {
        let read = profiles.read(name);
        is_complete &= read.is_ok();
        used.extend(read.iter().flat_map(|file| file.keys()));
        let resolved = read.and_then(|file| {
            file.bindings.keys().map(|agent| profiles.resolve(&file, agent)).collect::<Result<Vec<_>, _>>()
        });
        match resolved {
            Err(error) => {
                let hint = error.hint().map_or_else(|| Hint::from(""), |hint| hint.and("; "));
                let hint = hint.command(words!["ringlet", "profiles", "edit", name]).and(" opens it");
                checks.bad(error.to_string(), hint);
            }
            Ok(found) => {
                let found: Vec<&Resolved> = found.iter().flatten().collect();
                let mut is_sound = true;
                for resolved in &found {
                    is_sound &= login(host, session, name, resolved, checks);
                    is_sound &= key(session, store, answers, name, resolved, checks);
                }
                sound += usize::from(is_sound);
            }
        }
    }
    match sound {
        0 if names.is_empty() => checks
            .note("there is no profile yet", Hint::run(["ringlet", "init"]).and(", which sets up what is missing")),
        0 => {}
        1 => checks.good("1 profile is right"),
        _ => checks.good(format!("{sound} profiles are right")),
    }
    if let Some(name) = session.settings.default_profile.as_ref().filter(|name| profiles.read(name).is_err()) {
        let sound = names.iter().find(|name| profiles.read(name).is_ok());
        let hint = match sound {
            Some(other) => Hint::from("choose another: ").command(words!["ringlet", "profiles", "default", other]),
            None => Hint::run(words!["ringlet", "profiles", "default", "--unset"]),
        };
        checks.bad(format!("the default profile \"{name}\" cannot be read"), hint);
    }
    Ok(is_complete.then_some(used))
}

// Reports a login that is missing.
fn login(host: &Host, session: &Session, name: &Profile, resolved: &Resolved, checks: &mut Checks) -> bool {
    let Account::Login { login, .. } = &resolved.account else { return true };
    let command = plan::login_command(name, (!resolved.is_main).then_some(&resolved.agent.name));
    if let Some(folder) = resolved.config_dir.as_ref().filter(|folder| !folder.value.is_dir()) {
        let folder = session.paths.pretty(&folder.value);
        checks.bad(format!("the login folder {folder} of profile \"{name}\" does not exist"), Hint::run(command));
        return false;
    }
    let Ok(context) = session.context(&host.world) else { return true };
    if !plan::has_login(&context, resolved, login) {
        let text = format!("profile \"{name}\": no login of {} can be seen", resolved.agent.title);
        checks.note(text, Hint::run(command));
    }
    true
}

// Reports a key that is missing or cannot be had.
fn key(
    session: &Session,
    store: &Keys,
    answers: bool,
    name: &Profile,
    resolved: &Resolved,
    checks: &mut Checks,
) -> bool {
    let own = resolved.account.key().map(|key| &key.value);
    let mut is_sound = true;
    for key in own.into_iter().chain(resolved.secrets.values().map(|key| &key.value)) {
        match store.peek(key) {
            Ok(Some(true) | None) => {}
            Ok(Some(false)) => {
                let place = session.pretty_place(&store.place_of(key));
                checks.bad(format!("profile \"{name}\" needs {key}, which is not in {place}"), store.cure(key));
                is_sound = false;
            }
            // A store that does not answer is reported once.
            Err(_) if !answers => {}
            Err(error) => {
                checks.failed(error);
                is_sound = false;
            }
        }
    }
    is_sound
}

// Reports keys that are stored under two names, and returns the second ones. The values are compared in memory, and
// wiped.
fn doubled(
    host: &Host,
    session: &Session,
    store: &Keys,
    names: &[KeyName],
    used: Option<&BTreeSet<KeyName>>,
    checks: &mut Checks,
) -> Result<BTreeSet<KeyName>, Failure> {
    let mut found = BTreeSet::new();
    let is_open = matches!(store.locked_collection(), Ok(None) | Err(StoreError::NoPassword));
    let may_write = session.refuse_own_places(&host.world).is_ok() && session.audit_log().is_ok();
    // Without this a crash could leave the values on the disk.
    if names.len() > MOST_COMPARED || !is_open || !may_write || platform::harden().is_err() {
        return Ok(found);
    }
    let mut values: Vec<(&KeyName, Secret)> = Vec::new();
    // The value of a store of the settings is asked for by launches alone.
    for name in names.iter().filter(|name| store.is_in_usual(name)) {
        let value = match store.get(name) {
            Ok(value) => value,
            Err(StoreError::NotFound { .. }) => continue,
            // Each further key would take as long.
            Err(_) => break,
        };
        let reason = Some("to compare it with the other keys".to_owned());
        record_access(host, session, Action::Lookup, name, Outcome::Granted, reason)?;
        if let Some((other, _)) = values.iter().find(|(_, other)| same(other.expose(), value.expose())) {
            // The one that a profile uses stays.
            let is_used = |key: &KeyName| used.is_none_or(|used| used.contains(key));
            let spare = if is_used(name) && !is_used(other) { *other } else { name };
            let text = format!("{other} and {name} are the same key");
            match is_used(spare) {
                true => checks
                    .note(text, Hint::from("").command(["ringlet", "profiles", "list"]).and(" shows who uses which")),
                false => {
                    let command = words!["ringlet", "keychain", "remove", spare.provider, spare.alias];
                    checks.note(text, Hint::from("no profile uses the one, so run ").command(command));
                }
            }
            found.extend([(*other).clone(), name.clone()]);
        }
        values.push((name, value));
    }
    Ok(found)
}
