//! Copying or moving a key into another store.
//!
//! Whoever may say where a key is copied to could read it, so that a person is asked on the terminal. Nothing that an
//! agent has started may ask for it, and no key that is to leave through the broker alone is copied.

use super::{key_name, record_in, with_names};
use crate::audit::{Action, Outcome};
use crate::cli::Transfer;
use crate::commands::Session;
use crate::commands::question::is_yes;
use crate::config::{Backend, Kept};
use crate::dates::Dates;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::name::{KeyName, StoreName, closest, shorten};
use crate::secret::{Secret, same};
use crate::store::{Change, Keys, Prompt};

/// What becomes of the key where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It stays.
    Copy,
    /// It is removed.
    Move,
}

impl Wanted {
    fn word(self) -> &'static str {
        if self == Self::Copy { "copy" } else { "move" }
    }

    fn command(self) -> &'static str {
        if self == Self::Copy { "ringlet keychain copy" } else { "ringlet keychain move" }
    }

    fn done(self) -> &'static str {
        if self == Self::Copy { "copied" } else { "moved" }
    }
}

// A store, opened with the key in it.
struct Place {
    kept: Kept,
    keys: Keys,
}

/// `ringlet keychain copy` and `move`
pub(super) fn run(host: &mut Host, session: &Session, asked: &Transfer, wanted: Wanted) -> Result<(), Failure> {
    let key = key_name(&asked.provider, asked.alias.as_deref())?;
    refuse(host, session, &key, wanted)?;
    let to = named(session, &asked.to)?;
    let from = asked.from.as_deref().map(|name| named(session, name)).transpose()?;
    let from = from.unwrap_or_else(|| ruled(session, &key));
    let from = open(host, session, &key, from);
    let to = open(host, session, &key, to);
    if wanted == Wanted::Move {
        from.keys.can(Change::Rename, &key)?;
    }
    to.keys.can(Change::Set, &key)?;
    let value = read(host, session, &key, &from, &format!("to {} it", wanted.word()))?;
    let there = is_there(&to, &key, asked.replace)?;
    let (here, target) = (place(session, &from, &key), place(session, &to, &key));
    if here == target {
        return Err(Failure::usage(format!("{key} is in {here} already")));
    }
    let is_same = match there {
        false => false,
        true => same(read(host, session, &key, &to, "to compare it")?.expose(), value.expose()),
    };
    if there && !is_same && !asked.replace {
        return Err(
            Failure::new(format!("{target} has another key of the name {key}")).hint("add --replace to replace it")
        );
    }
    if is_same && wanted == Wanted::Copy {
        host.output.note(format!("{target} has the same key of that name already"));
        launches(host, session, &key, &to, &asked.to);
        return Ok(());
    }
    let more = match (wanted, there && !is_same) {
        (Wanted::Copy, false) => "it is in two stores then",
        (Wanted::Copy, true) => "it is in two stores then, and the key that is there is gone",
        (Wanted::Move, false) => "it is removed where it is",
        (Wanted::Move, true) => "it is removed where it is, and the key that is there is gone",
    };
    let question = format!("ringlet: {} {key} from {here} to {target}? {more} [y/N] ", wanted.word());
    if !host.world.console.ask(&question).is_some_and(|answer| is_yes(&answer)) {
        return Err(Failure::new(format!("{key} was not {}", wanted.done())));
    }
    if !is_same {
        write(host, session, &key, &to, &value, wanted)?;
        // A key of another age took the place of the one that launches got.
        if there && is_ruled(session, &key, &to.kept) {
            keep_date(host, session, &key);
        }
    }
    if wanted == Wanted::Move {
        remove(host, session, &key, &from, &to, &value)?;
    }
    host.output.note(format!("{} {key} from {here} to {target}", wanted.done()));
    launches(host, session, &key, &to, &asked.to);
    Ok(())
}

fn refuse(host: &Host, session: &Session, key: &KeyName, wanted: Wanted) -> Result<(), Failure> {
    let command = wanted.command();
    session.refuse_below(&host.world, command)?;
    if let Some(scope) = session.settings.scopes.get(key).filter(|scope| scope.broker) {
        let place = format!("{}:{}", session.paths.config().display(), scope.line);
        return Err(Failure::new(format!("{key} is for brokered launches alone, so it stays in the one store"))
            .hint(format!("see `broker = true`, {place}")));
    }
    if !host.world.console.is_interactive() {
        return Err(Failure::new(format!("`{command}` asks on the terminal, and there is none"))
            .hint("run it in a terminal of your own"));
    }
    Ok(())
}

// The keychain is meant where it is named: no file stands in for it.
fn named(session: &Session, name: &str) -> Result<Kept, Failure> {
    let specs = &session.settings.stores.specs;
    match Kept::parse(name) {
        Ok(Kept::In(Backend::System)) => return Ok(Kept::In(Backend::SystemOnly)),
        Ok(Kept::In(own)) => return Ok(Kept::In(own)),
        Ok(Kept::Named(store)) if specs.contains_key(&store) => return Ok(Kept::Named(store)),
        Ok(Kept::Named(_)) | Err(_) => {}
    }
    let config = session.paths.pretty(&session.paths.config());
    let failure = Failure::new(format!("there is no [store.{}] in {config}", shorten(name)));
    let names = specs.keys().map(StoreName::as_str).chain(Backend::NAMES.iter().map(|(own, _)| *own));
    Err(match closest(name, names) {
        Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
        None => failure.hint(Hint::run(["ringlet", "config", "edit"])),
    })
}

// The store that launches take the key from.
fn ruled(session: &Session, key: &KeyName) -> Kept {
    let settings = &session.settings;
    settings.stores.rule(key).map_or(Kept::In(settings.backend), |rule| rule.store.clone())
}

// In the settings the keychain is `system`, in which the file may stand in for it.
fn is_ruled(session: &Session, key: &KeyName, kept: &Kept) -> bool {
    let now = ruled(session, key);
    *kept == now || (*kept == Kept::In(Backend::SystemOnly) && now == Kept::In(Backend::System))
}

fn open(host: &Host, session: &Session, key: &KeyName, kept: Kept) -> Place {
    Place { keys: session.open_store_with(&host.world, Prompt::Ask, key, &kept), kept }
}

// Some stores say it by the value alone, and of these some do not tell a missing key from a failure.
fn is_there(to: &Place, key: &KeyName, replace: bool) -> Result<bool, Failure> {
    match to.keys.peek(key)? {
        Some(known) => Ok(known),
        None => match to.keys.contains(key) {
            Err(_) if replace => Ok(false),
            Err(error) => Err(Failure::from(error).hint("add --replace if there is no such key yet")),
            Ok(known) => Ok(known),
        },
    }
}

fn place(session: &Session, at: &Place, key: &KeyName) -> String {
    session.pretty_place(&at.keys.place_of(key))
}

fn record<T>(
    host: &Host,
    session: &Session,
    at: &Place,
    action: Action,
    key: &KeyName,
    done: &Result<T, Failure>,
    reason: &str,
) -> Result<(), Failure> {
    let store = if let Kept::Named(name) = &at.kept { Some(name.clone()) } else { None };
    let (result, reason) = match done {
        Ok(_) => (Outcome::Granted, reason.to_owned()),
        Err(failure) => (Outcome::Error, failure.message.clone()),
    };
    record_in(host, session, store, action, key, result, Some(reason))
}

fn read(host: &Host, session: &Session, key: &KeyName, at: &Place, why: &str) -> Result<Secret, Failure> {
    let found = at.keys.get_to_keep(key).map_err(|error| with_names(&at.keys, error));
    record(host, session, at, Action::Lookup, key, &found, why)?;
    found
}

// Stores the key and reads it back.
fn write(
    host: &Host,
    session: &Session,
    key: &KeyName,
    to: &Place,
    value: &Secret,
    wanted: Wanted,
) -> Result<(), Failure> {
    let done = to.keys.set(key, value).map_err(Failure::from).and_then(|()| check(session, key, to, value));
    record(host, session, to, Action::Set, key, &done, wanted.done())?;
    done
}

fn check(session: &Session, key: &KeyName, to: &Place, value: &Secret) -> Result<(), Failure> {
    match same(to.keys.get(key)?.expose(), value.expose()) {
        true => Ok(()),
        false => {
            let target = place(session, to, key);
            Err(Failure::new(format!("{target} gave {key} back changed; it is still where it was")))
        }
    }
}

// Removes the key where it was. Two names of stores may lead to one entry, which is then put back.
fn remove(
    host: &Host,
    session: &Session,
    key: &KeyName,
    from: &Place,
    to: &Place,
    value: &Secret,
) -> Result<(), Failure> {
    let done = from.keys.remove(key).map_err(Failure::from);
    record(host, session, from, Action::Remove, key, &done, "moved")?;
    done.map_err(|failure| failure.hint(format!("{key} is in both stores now")))?;
    let Err(lost) = check(session, key, to, value) else { return Ok(()) };
    let back = from.keys.set(key, value).map_err(Failure::from);
    record(host, session, from, Action::Set, key, &back, "put back")?;
    back?;
    let (here, target) = (place(session, from, key), place(session, to, key));
    Err(Failure::new(format!("{target} no longer gives {key} once it is removed from {here}, so it was put back"))
        .hint(format!("it said: {}", lost.message))
        .hint(Hint::from("the two may be one entry: ").command(["ringlet", "config", "edit"]).and(" shows them")))
}

fn keep_date(host: &mut Host, session: &Session, key: &KeyName) {
    if let Err(error) = Dates::new(&session.paths).stored(key, host.world.now, None) {
        host.output.warn(error.to_string());
    }
}

// Says which store launches take the key from, and what to write where that is not the one that it is in now.
fn launches(host: &mut Host, session: &Session, key: &KeyName, to: &Place, name: &str) {
    let now = ruled(session, key);
    let stores = &session.settings.stores;
    let config = session.paths.pretty(&session.paths.config());
    let why = match stores.rule(key) {
        Some(rule) => format!("{config}:{}", rule.line),
        None => "credentials.backend".to_owned(),
    };
    host.output.note(format!("launches take {key} from the store \"{}\" ({why})", now.name()));
    if is_ruled(session, key, &to.kept) {
        return;
    }
    let edit = Hint::from(format!("to have them take it from \"{name}\", run ")).command(["ringlet", "config", "edit"]);
    match stores.keys_of(&now).contains(key) {
        true => host.output.note(edit.and(format!(" and name \"{name}\" in [store-for.\"{key}\"]"))),
        false => {
            host.output.note(edit.and(" and write:"));
            host.output.plain_stderr(&format!("  [store-for.\"{key}\"]"));
            host.output.plain_stderr(&format!("  store = \"{name}\""));
        }
    }
}
