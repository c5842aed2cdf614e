//! Storing a key: where it comes from, and what is checked before it is stored.

use super::record;
use crate::audit::Action;
use crate::commands::Session;
use crate::commands::question::is_yes;
use crate::config::{Kept, StoreKind};
use crate::dates::{Dates, Expiry, expiry_day};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::name::{Agent, KeyName, Variable, closest};
use crate::plan;
use crate::profile::Profiles;
use crate::registry::{Misplaced, ProviderSpec, misplaced};
use crate::secret::{Key, MAX_KEY, Secret, same};
use crate::store::{Change, Keys, Prompt, StoreError};
use crate::words;
use std::io;

/// Where a key comes from.
#[derive(Clone, Copy)]
pub(in crate::commands) enum Origin<'a> {
    /// A person types it.
    Typed,
    /// A variable of this process.
    Variable(&'a str),
    /// Standard input.
    Input,
}

impl<'a> Origin<'a> {
    /// What the options say.
    pub(in crate::commands) fn of(variable: Option<&'a str>, stdin: bool) -> Self {
        match variable {
            Some(name) => Self::Variable(name),
            None if stdin => Self::Input,
            None => Self::Typed,
        }
    }

    // The options that name it.
    fn words(self) -> Vec<String> {
        match self {
            Self::Typed => vec![],
            Self::Variable(name) => vec!["--from-env".into(), name.into()],
            Self::Input => vec!["--stdin".into()],
        }
    }
}

/// How a key is stored.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) origin: Origin<'a>,
    pub(super) replace: bool,
    pub(super) expires: Option<Expiry>,
}

/// `ringlet keychain set`
pub(super) fn run(
    host: &mut Host,
    session: &Session,
    store: &Keys,
    key: &KeyName,
    how: Setting<'_>,
) -> Result<(), Failure> {
    let Setting { origin, replace, expires } = how;
    let provider = known_provider(host, session, key)?;
    // Some providers' keys consist of characters that names may have. A name is listed, and kept outside the store.
    let name = key.alias.as_str();
    if name.len() >= 20 && provider.as_ref().is_some_and(|provider| provider.recognises(name) == Some(true)) {
        return Err(Failure::usage("the alias looks like the key itself; nothing was stored").hint(
            Hint::run(words!["ringlet", "keychain", "set", key.provider, "ALIAS"])
                .and(" with a name of your own, such as work; the key is asked for"),
        ));
    }
    let is_there = if replace { Some(false) } else { store.peek(key)? };
    if let (Some(expiry), Origin::Typed, false) = (expires, origin, replace) {
        // The day is Ringlet's own, whatever the store can do. Of some stores only the value tells that a key is there.
        if is_there.unwrap_or_else(|| store.contains(key).unwrap_or(false)) {
            return date(host, session, key, expiry);
        }
    }
    store.can(Change::Set, key)?;
    match is_there {
        Some(false) => {}
        Some(true) => return Err(is_taken(store, key)),
        None => {
            let message = format!("{} does not tell whether it holds {key}", store.place_of(key));
            return Err(Failure::new(message).hint(Hint::run(key.replace_command()).and(" to store it in any case")));
        }
    }
    let secret = given(host, origin, &format!("key for {key}"))?;
    let secret = checked(host, session, key, provider.as_ref(), secret, origin)?;
    // A person may have taken any time to type it, and a store that is open may remember what it listed.
    if !replace && session.open_store(&host.world, Prompt::Never).peek(key)? == Some(true) {
        return Err(is_taken(store, key));
    }
    keep(host, session, store, key, &secret, expires)?;
    next_step(host, session, key);
    still_set(host, origin);
    Ok(())
}

fn is_taken(store: &Keys, key: &KeyName) -> Failure {
    Failure::new(format!("{key} is already in {}", store.place_of(key)))
        .hint(Hint::run(key.replace_command()).and(" to replace it"))
}

/// Takes a key from where it comes from. `what` names it in the question.
pub(in crate::commands) fn given(host: &Host, origin: Origin<'_>, what: &str) -> Result<Secret, Failure> {
    match origin {
        Origin::Variable(name) => from_variable(host, name),
        Origin::Input => from_stdin(host),
        Origin::Typed => {
            let question = format!("ringlet: {what} (it is not shown): ");
            typed(host, &question, "key", "nothing was stored", |error| {
                Failure::new(format!("there is no terminal to ask on: {error}")).hint("use --stdin, or --from-env VAR")
            })
        }
    }
}

/// Says that the variable that a key came from still holds it.
pub(in crate::commands) fn still_set(host: &mut Host, origin: Origin<'_>) {
    if let Origin::Variable(name) = origin {
        let said = Hint::from(format!("{name} is still set in this shell; run "));
        host.output.note(said.command(["unset", name]).and(", and take it out of your rc file"));
    }
}

// Changes when a key expires, and nothing else.
fn date(host: &mut Host, session: &Session, key: &KeyName, expiry: Expiry) -> Result<(), Failure> {
    let written = Dates::new(&session.paths).expires(key, expiry.time());
    written.map_err(|error| Failure::new(error.to_string()))?;
    host.output.note(match expiry {
        Expiry::Never => format!("{key} has no day on which it expires"),
        Expiry::At(time) => format!("{key} expires on {}", expiry_day(time)),
    });
    Ok(())
}

// Says what a stored key is good for: a profile gives it to an agent, and a provider can be asked about it.
fn next_step(host: &mut Host, session: &Session, key: &KeyName) {
    let (profiles, unread) = Profiles::new(&session.paths, &session.registry).uses(key);
    if !profiles.is_empty() || !unread.is_empty() {
        let asks = words!["ringlet", "keychain", "check", key.to_string()];
        return host.output.note(Hint::from("").command(asks).and(" asks the provider whether it takes the key"));
    }
    let agents = session.registry.agents_of(&key.provider).unwrap_or_default();
    let context = session.context(&host.world).ok();
    let is_there = |agent: &&Agent| {
        let command = session.registry.agent(agent).map(|spec| spec.command.clone());
        let command = command.ok().zip(context.as_ref());
        command.is_some_and(|(command, context)| plan::find_binary(context, &command).is_ok())
    };
    let Some(agent) = agents.iter().find(is_there).or(agents.first()) else { return };
    let name = if key.alias.as_str() == "default" { "work" } else { key.alias.as_str() };
    let mut create = Vec::from(words!["ringlet", "profiles", "create", name, "--agent", agent]);
    if key.alias.as_str() != "default" {
        create.extend(words!["--key-alias", key.alias]);
    }
    host.output.note(Hint::from("").command(create).and(" gives it to an agent"));
}

/// Returns a key that can be stored under its name. What looks odd is a question where a person has typed it.
pub(in crate::commands) fn checked(
    host: &mut Host,
    session: &Session,
    key: &KeyName,
    provider: Option<&ProviderSpec>,
    secret: Secret,
    origin: Origin<'_>,
) -> Result<Key, Failure> {
    let shape = session.registry.shape(&key.provider);
    let secret = Key::typed(secret, shape).map_err(|why| Failure::new(format!("the key {why}; nothing was stored")))?;
    if let Some(wrong) = misplaced(&key.provider, secret.expose()).filter(|_| provider.is_some()) {
        return Err(elsewhere(key, &wrong, origin));
    }
    let text = std::str::from_utf8(secret.expose()).expect("a key is text");
    if let Some(provider) = provider.filter(|provider| provider.recognises(text) == Some(false)) {
        let odd = match oddity(session, text)? {
            Some(what) => format!("this does not look like a key of {}: it {what}", provider.title),
            None => format!("this does not look like a key of {}", provider.title),
        };
        let question = format!("ringlet: {odd}; store it all the same? [y/N] ");
        if !matches!(origin, Origin::Typed) {
            host.output.warn(&odd);
        } else if !host.world.console.ask(&question).is_some_and(|answer| is_yes(&answer)) {
            return Err(Failure::new("nothing was stored").hint("copy the key again and run the command once more"));
        }
    }
    Ok(secret)
}

// What is wrong with a text in place of a key, if that can be told.
fn oddity(session: &Session, text: &str) -> Result<Option<String>, Failure> {
    if text.trim() != text {
        return Ok(Some("has blanks around it".to_owned()));
    }
    let is_in = |quote: char| text.starts_with(quote) || text.ends_with(quote);
    if ['"', '\'', '`', '\u{201c}', '\u{201d}'].into_iter().any(is_in) {
        return Ok(Some("has quotes".to_owned()));
    }
    if text.contains(char::is_whitespace) {
        return Ok(Some("has blanks in it".to_owned()));
    }
    if text.split_once('=').is_some_and(|(name, _)| name.parse::<Variable>().is_ok()) {
        return Ok(Some("is a whole line, with the variable's name".to_owned()));
    }
    let owners = session.registry.owners_of(text)?;
    Ok((!owners.is_empty()).then(|| format!("looks like a key of {}", owners.join(" or "))))
}

/// Stores a key, records that, and says so.
pub(in crate::commands) fn keep(
    host: &mut Host,
    session: &Session,
    store: &Keys,
    key: &KeyName,
    secret: &Key,
    expires: Option<Expiry>,
) -> Result<(), Failure> {
    let done = store.set(key, secret.secret()).map_err(Failure::from);
    let done = done.and_then(|()| read_back(host, session, store, key, secret));
    record(host, session, Action::Set, key, &done)?;
    done?;
    host.output.note(format!("stored {key} in {}", session.pretty_place(&store.place_of(key))));
    keep_dates(host, session, key, expires);
    Ok(())
}

// A tool or a server may take a key and keep nothing. It is asked where it answers by itself; Ringlet's own stores have
// what they took.
fn read_back(host: &mut Host, session: &Session, store: &Keys, key: &KeyName, secret: &Key) -> Result<(), Failure> {
    let stores = &session.settings.stores;
    let spec = match stores.rule(key).map(|rule| &rule.store) {
        Some(Kept::Named(name)) => stores.specs.get(name),
        _ => None,
    };
    let asks = |kind: &StoreKind| matches!(kind, StoreKind::Command(command) if command.interactive);
    if spec.is_none_or(|spec| asks(&spec.kind)) {
        return Ok(());
    }
    let place = store.place_of(key);
    // A tool that prints lines gives the key without the last one's end.
    let value = secret.expose();
    let is_given = |found: &[u8]| same(found, value) || value.strip_suffix(b"\n").is_some_and(|own| same(found, own));
    match store.get(key) {
        Ok(found) if is_given(found.expose()) => {}
        Ok(_) => return Err(Failure::new(format!("{place} gave {key} back changed"))),
        Err(StoreError::NotFound { .. }) => {
            return Err(Failure::new(format!("{place} took {key}, and does not have it"))
                .hint(Hint::run(words!["ringlet", "config", "edit"]).and(" to look at its commands")));
        }
        // Who may store a key need not be one who may read it.
        Err(error) => host.output.warn(format!("{key} could not be read back: {error}")),
    }
    Ok(())
}

/// Writes the dates of a key that was stored just now. That they cannot be written does not undo it.
pub(in crate::commands) fn keep_dates(host: &mut Host, session: &Session, key: &KeyName, expires: Option<Expiry>) {
    let dates = Dates::new(&session.paths);
    let before = dates.read(key).unwrap_or_default().expires;
    let expiry = expires.and_then(Expiry::time);
    if let Err(error) = dates.stored(key, host.world.now, expiry) {
        return host.output.warn(error.to_string());
    }
    match (expiry, before) {
        (Some(time), _) => host.output.note(format!("it expires on {}", expiry_day(time))),
        (None, Some(day)) if expires.is_none() => {
            let day = expiry_day(day);
            host.output.note(format!("the key before it was to expire on {day}; --expires names the day of this one"));
        }
        (None, _) => {}
    }
}

// A key that was made for another provider would be sent in the wrong header or to the wrong host.
fn elsewhere(key: &KeyName, wrong: &Misplaced, origin: Origin<'_>) -> Failure {
    let from = origin.words().into_iter().map(std::ffi::OsString::from);
    match wrong {
        Misplaced::Of(owner) => {
            let right = KeyName::new(owner.clone(), key.alias.clone());
            Failure::new(format!("this is a key of {owner}, not of {}; nothing was stored", key.provider))
                .hint(Hint::run(right.set_command().into_iter().chain(from)))
        }
        Misplaced::NotOf(owner) => Failure::new(format!("this is not a key of {owner}; nothing was stored"))
            .hint(Hint::from("copy the token again and run ").command(key.set_command())),
    }
}

// An unknown provider is allowed, since `[secrets]` may name any. It may be misspelt, so there is a warning.
fn known_provider(host: &mut Host, session: &Session, key: &KeyName) -> Result<Option<ProviderSpec>, Failure> {
    let names = session.registry.provider_names()?;
    if names.contains(key.provider.as_str()) {
        return Ok(Some(session.registry.provider_with_pattern(&key.provider)?));
    }
    let meant = closest(key.provider.as_str(), names.iter().map(String::as_str));
    let meant = meant.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
    host.output.warn(format!("ringlet knows no provider \"{}\"{meant}", key.provider));
    Ok(None)
}

pub(in crate::commands) fn from_variable(host: &Host, name: &str) -> Result<Secret, Failure> {
    let name: Variable = name.parse()?;
    match host.world.env.get(name.as_str()) {
        Some(value) => Ok(Secret::new(value.as_encoded_bytes().to_vec())),
        None => Err(Failure::new(format!("{name} is not set"))
            .hint("leave --from-env out to type the key, or give it by --stdin")),
    }
}

fn from_stdin(host: &Host) -> Result<Secret, Failure> {
    // More than is allowed, with a line's end, so that a longer input is refused and not cut.
    let read = host.world.console.read_input(MAX_KEY + 3);
    read.map_err(|error| Failure::new(format!("standard input cannot be read: {error}")))
}

/// Reads what a person types without echo. `outcome` says in errors what follows from it that nothing was typed.
pub(in crate::commands) fn typed(
    host: &Host,
    question: &str,
    what: &str,
    outcome: &str,
    no_terminal: impl FnOnce(io::Error) -> Failure,
) -> Result<Secret, Failure> {
    host.world.console.ask_secret(question).map(Secret::from).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => Failure { status: 130, ..Failure::new(format!("interrupted; {outcome}")) },
        io::ErrorKind::UnexpectedEof => Failure::new(format!("no {what} was given; {outcome}")),
        io::ErrorKind::InvalidInput => Failure::new(format!("no {what} is as long as that: {error}; {outcome}")),
        _ => no_terminal(error),
    })
}
