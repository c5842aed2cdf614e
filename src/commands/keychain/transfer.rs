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
use crate::store::{Change, Keys, Prompt, StoreError};

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
    let before = match there {
        false => None,
        true => Some(read(host, session, &key, &to, "to compare it")?),
    };
    let is_same = before.as_ref().is_some_and(|found| is_given(found, &value));
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
    // A person may have taken any time to answer, and a store that is open may remember what it listed.
    let [from, to] = [from, to].map(|at| open(host, session, &key, at.kept));
    look_again(host, session, &key, &to, (before.as_ref(), asked.replace))?;
    if !is_same {
        write(host, session, &key, &to, (&value, before.as_ref()), wanted)?;
        // A key of another age took the place of the one that launches got.
        if there && is_ruled(session, &key, &to.kept) {
            keep_date(host, session, &key);
        }
    }
    if wanted == Wanted::Move {
        remove(host, session, &key, (&from, &to), &value, is_same && may_be_one(&from.kept, &to.kept))?;
    }
    host.output.note(format!("{} {key} from {here} to {target}", wanted.done()));
    [&from, &to].iter().flat_map(|at| at.keys.notes()).for_each(|said| host.output.warn(said));
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

// Two names of stores may lead to one entry of another program, such as `system` and the command `secret-tool`. A key
// that both give may be such an entry, which would be gone once it is removed. Ringlet's own stores are never one.
fn may_be_one(from: &Kept, to: &Kept) -> bool {
    matches!(from, Kept::Named(_)) || matches!(to, Kept::Named(_))
}

// Another entry with the key, in the store that it is removed from: whenever Ringlet is killed, the key is in one of
// them. Where the store cannot have one, or does not surely say that the name is free, nothing is removed.
struct Spare {
    name: KeyName,
    at: Place,
}

impl Spare {
    fn make(
        host: &Host,
        session: &Session,
        key: &KeyName,
        (from, to): (&Place, &Place),
        value: &Secret,
    ) -> Result<Self, Failure> {
        let text: String = key.alias.as_str().chars().take(50).collect();
        let name = KeyName::new(key.provider.clone(), format!("{text}-moving").parse()?);
        let at = open(host, session, &name, from.kept.clone());
        let (here, target) = (place(session, from, key), place(session, to, key));
        let refused = |why: String| {
            let same = format!("{here} and {target} give the same key as {key}, and may be one entry");
            Failure::new(format!("{same}; it was removed from neither"))
                .hint(format!("it cannot be kept as {name} meanwhile: {why}"))
                .hint(format!("where they are two, remove it from {here} with the tool of that store"))
        };
        at.keys.can(Change::Rename, &name).map_err(|error| refused(error.to_string()))?;
        match at.keys.contains(&name) {
            Ok(false) => {}
            Ok(true) => return Err(refused("there is such a key already, perhaps of a move that was ended".into())),
            Err(error) => return Err(refused(error.to_string())),
        }
        let done = at.keys.set(&name, value).map_err(Failure::from).and_then(|()| check(session, &name, &at, value));
        record(host, session, &at, Action::Set, &name, &done, "kept while the key is moved")?;
        done.map_err(|failure| refused(failure.message))?;
        Ok(Self { name, at })
    }

    fn end(self, host: &Host, session: &Session) -> Result<(), Failure> {
        let done = self.at.keys.remove(&self.name).map_err(Failure::from);
        record(host, session, &self.at, Action::Remove, &self.name, &done, "the key is moved")?;
        done.map_err(|failure| {
            let place = place(session, &self.at, &self.name);
            failure.hint(format!("the key was moved, and {place} has it as {} still", self.name))
        })
    }
}

// A store that gives lines without the last one's end gives the key all the same.
fn is_given(found: &Secret, value: &Secret) -> bool {
    let without = value.expose().strip_suffix(b"\n");
    same(found.expose(), value.expose()) || without.is_some_and(|value| same(found.expose(), value))
}

// Fails if the store has another key of the name than before, which nobody was asked about.
fn look_again(
    host: &Host,
    session: &Session,
    key: &KeyName,
    to: &Place,
    (before, replace): (Option<&Secret>, bool),
) -> Result<(), Failure> {
    let is_as_before = match (is_there(to, key, replace)?, before) {
        (false, _) => true,
        (true, None) => false,
        (true, Some(before)) => same(read(host, session, key, to, "to compare it again")?.expose(), before.expose()),
    };
    match is_as_before {
        true => Ok(()),
        false => Err(changed(&place(session, to, key), key, "nothing was changed")),
    }
}

fn changed(place: &str, key: &KeyName, outcome: &str) -> Failure {
    Failure::new(format!("{place} has got another key of the name {key} meanwhile; {outcome}"))
        .hint("run the command again")
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
    (value, before): (&Secret, Option<&Secret>),
    wanted: Wanted,
) -> Result<(), Failure> {
    let stored = to.keys.set(key, value).map_err(Failure::from);
    let was_taken = stored.is_ok();
    let done = stored.and_then(|()| check(session, key, to, value));
    record(host, session, to, Action::Set, key, &done, wanted.done())?;
    match done {
        Ok(()) => Ok(()),
        Err(failure) => Err(failure.hint(put_back(host, session, key, to, (before, was_taken))?)),
    }
}

fn check(session: &Session, key: &KeyName, to: &Place, value: &Secret) -> Result<(), Failure> {
    match is_given(&to.keys.get(key)?, value) {
        true => Ok(()),
        false => {
            let target = place(session, to, key);
            Err(Failure::new(format!("{target} gave {key} back changed; it is still where it was")))
        }
    }
}

// Has the store be as it was before a key was stored that it does not give. Says what came of it.
fn put_back(
    host: &Host,
    session: &Session,
    key: &KeyName,
    to: &Place,
    (before, was_taken): (Option<&Secret>, bool),
) -> Result<String, Failure> {
    let target = place(session, to, key);
    let is_back = |before: &Secret| to.keys.get(key).is_ok_and(|found| same(found.expose(), before.expose()));
    let done = match before {
        Some(before) if is_back(before) => Ok(()),
        Some(before) => {
            let set = to.keys.set(key, before).map_err(Failure::from);
            let done = set.and_then(|()| match is_back(before) {
                true => Ok(()),
                false => Err(Failure::new(format!("{target} does not give back the key that was there"))),
            });
            record(host, session, to, Action::Set, key, &done, "put back")?;
            done
        }
        None if was_taken => {
            let done = match to.keys.remove(key) {
                Err(StoreError::NotFound { .. }) => Ok(()),
                done => done.map_err(Failure::from),
            };
            record(host, session, to, Action::Remove, key, &done, "it was not kept as it was stored")?;
            done
        }
        None => Ok(()),
    };
    Ok(match done {
        Ok(()) => format!("{target} is as it was"),
        Err(failure) => format!("{target} may hold a wrong value as {key} now: {}", failure.message),
    })
}

// Removes the key where it was, if it is the same there still and the other store gives it. Should the two be one entry
// in spite of all, it is put back.
fn remove(
    host: &Host,
    session: &Session,
    key: &KeyName,
    (from, to): (&Place, &Place),
    value: &Secret,
    may_be_one: bool,
) -> Result<(), Failure> {
    let in_both = |failure: Failure| failure.hint(format!("{key} is in both stores now"));
    check(session, key, to, value)?;
    match from.keys.get(key) {
        Ok(found) if same(found.expose(), value.expose()) => {}
        Ok(_) => return Err(changed(&place(session, from, key), key, "the one before was copied, and none removed")),
        Err(StoreError::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(in_both(error.into())),
    }
    let spare = may_be_one.then(|| Spare::make(host, session, key, (from, to), value)).transpose()?;
    let done = match from.keys.remove(key) {
        Err(StoreError::NotFound { .. }) => Ok(()),
        done => done.map_err(Failure::from),
    };
    record(host, session, from, Action::Remove, key, &done, "moved")?;
    done.map_err(in_both)?;
    let end = |spare: Option<Spare>| spare.map_or(Ok(()), |spare| spare.end(host, session));
    let Err(lost) = check(session, key, to, value) else { return end(spare) };
    let back = from.keys.set(key, value).map_err(Failure::from);
    record(host, session, from, Action::Set, key, &back, "put back")?;
    if let Err(failure) = back {
        let lost = Failure::new(format!("{key} is gone: the two stores are one entry, which was removed"));
        let lost = lost.hint(format!("putting it back failed: {}", failure.message));
        return Err(match spare {
            Some(spare) => lost.hint(format!("{} has it as {}", place(session, from, key), spare.name)),
            None => lost.hint(Hint::run(key.set_command()).and(" to store it anew")),
        });
    }
    end(spare)?;
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
