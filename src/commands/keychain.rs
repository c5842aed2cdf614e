//! `ringlet keychain`: store, list, rename and remove keys. There is deliberately no command that shows one.

use super::Session;
use crate::audit::{Action, Outcome, Record};
use crate::cli::Keychain;
use crate::digest::Digest;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::{Host, World};
use crate::name::{Alias, KeyName, Provider, closest, shorten};
use crate::output::{Output, Style};
use crate::platform;
use crate::profile::{Profiles, Uses};
use crate::registry::{Misplaced, ProviderSpec, misplaced};
use crate::secret::{Key, MAX_KEY, Secret};
use crate::store::{Keys, Missing, Prompt, SCREENS, StoreError};
use crate::words;
use std::cell::RefCell;
use std::io;
use std::time::{Duration, Instant, SystemTime};

/// `ringlet keychain ...`
pub(super) fn run(host: &mut Host, session: &Session, command: Keychain) -> Result<(), Failure> {
    // A person at the terminal can be asked to unlock; a script cannot.
    let prompt = if host.world.console.is_interactive() || matches!(command, Keychain::Unlock) {
        Prompt::Ask
    } else {
        Prompt::Never
    };
    let prompt = if matches!(command, Keychain::List { .. }) { Prompt::Never } else { prompt };
    if !matches!(command, Keychain::List { .. } | Keychain::Unlock) {
        // A log that cannot be written must be known before the change that it would not record.
        session.audit_log()?;
    }
    platform::harden().map_err(|error| Failure::new(format!("this process cannot be protected: {error}")))?;
    let store = session.open_store(&host.world, prompt);
    let done = match command {
        Keychain::Set { provider, alias, from_env, stdin, replace } => {
            let key = key_name(&provider, alias.as_deref())?;
            session.refuse_own_places(&host.world)?;
            set(host, session, &store, &key, from_env.as_deref(), stdin, replace)
        }
        Keychain::List { prefix } => list(host, &store, prefix.as_deref().unwrap_or("")),
        Keychain::Remove { provider, alias, yes } => {
            let key = key_name(&provider, alias.as_deref())?;
            if store.contains(&key)? {
                confirm_removal(host, session, &key, yes)?;
            }
            let done = store.remove(&key).map_err(|error| with_names(&store, error));
            record(host, session, Action::Remove, &key, &done)?;
            done.map(|()| host.output.note(format!("removed {key} from {}", store.place())))
        }
        Keychain::Rename { provider, alias, new_alias, yes, replace } => {
            let (from, to) = renamed(&provider, &alias, new_alias.as_deref())?;
            session.refuse_own_places(&host.world)?;
            rename(host, session, &store, &from, &to, Renaming { replace, yes })
        }
        Keychain::Check { .. } => unreachable!("a command of its own"),
        Keychain::Unlock => unlock(&store, host).map(|()| match store.fell_back() {
            Some(missing) => host.output.note(format!("{}; there is nothing to unlock", missing.summary())),
            None => host.output.note(format!("{} is unlocked", store.place())),
        }),
    };
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

// The names of a key before and after. The provider stays.
fn renamed(first: &str, second: &str, third: Option<&str>) -> Result<(KeyName, KeyName), Failure> {
    let (from, new) = match third {
        Some(new) => (key_name(first, Some(second))?, new),
        None => (key_name(first, None)?, second),
    };
    let to = match new.contains('/') {
        true => new.parse::<KeyName>()?,
        false => KeyName::new(from.provider.clone(), new.parse::<Alias>()?),
    };
    if to.provider != from.provider {
        return Err(Failure::usage(format!(
            "a key of {} stays one: another provider takes no key of it",
            from.provider
        )));
    }
    Ok((from, to))
}

// Who names a key: profiles, and tables of the settings.
struct UsedBy {
    profiles: Vec<Uses>,
    others: Vec<String>,
}

impl UsedBy {
    fn of(session: &Session, key: &KeyName) -> Self {
        let (profiles, unread) = Profiles::new(&session.paths, &session.registry).uses(key);
        let mut others: Vec<String> =
            unread.into_iter().map(|name| format!("profile \"{name}\", which cannot be read, perhaps")).collect();
        let tools = session.settings.tools.iter().filter(|(_, tool)| tool.secrets.values().any(|own| own == key));
        others.extend(tools.map(|(name, _)| format!("[tools.{name}] of config.toml")));
        others.extend(session.settings.scopes.get(key).map(|_| format!("[scope.\"{key}\"] of config.toml")));
        Self { profiles, others }
    }

    fn names(&self) -> Vec<String> {
        let profiles = self.profiles.iter().map(|uses| format!("profile \"{}\"", uses.profile));
        profiles.chain(self.others.iter().cloned()).collect()
    }
}

// A key that is gone is gone: a person is asked. A script means what it says, and is told what it leaves behind.
fn confirm_removal(host: &mut Host, session: &Session, key: &KeyName, yes: bool) -> Result<(), Failure> {
    let used = UsedBy::of(session, key).names();
    if yes || !host.world.console.is_interactive() {
        used.iter().for_each(|name| host.output.warn(format!("{name} names {key}")));
        return Ok(());
    }
    let by = if used.is_empty() { "nothing names it".to_owned() } else { format!("used by {}", used.join(", ")) };
    match host.world.console.ask(&format!("ringlet: remove {key}, {by}? [y/N] ")) {
        Some(answer) if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") => Ok(()),
        _ => Err(Failure::new(format!("{key} was not removed"))),
    }
}

fn set(
    host: &mut Host,
    session: &Session,
    store: &Keys,
    key: &KeyName,
    from_env: Option<&str>,
    stdin: bool,
    replace: bool,
) -> Result<(), Failure> {
    let provider = known_provider(host, session, key)?;
    // Some providers' keys consist of characters that names may have. A name is listed, and kept outside the store.
    let name = key.alias.as_str();
    if name.len() >= 20 && provider.as_ref().is_some_and(|provider| provider.recognises(name) == Some(true)) {
        return Err(Failure::usage("the alias looks like the key itself; nothing was stored").hint(
            Hint::run(words!["ringlet", "keychain", "set", key.provider, "ALIAS"])
                .and(" with a name of your own, such as work; the key is asked for"),
        ));
    }
    if !replace && store.contains(key)? {
        return Err(Failure::new(format!("{key} is already in {}", store.place()))
            .hint(Hint::run(key.replace_command()).and(" to replace it")));
    }
    let typed = from_env.is_none() && !stdin;
    let secret = match from_env {
        Some(name) => from_variable(host, name)?,
        None if stdin => from_stdin(host)?,
        None => ask(host, key)?,
    };
    let shape = session.registry.shape(&key.provider);
    let secret = Key::typed(secret, shape).map_err(|why| Failure::new(format!("the key {why}; nothing was stored")))?;
    if let Some(wrong) = misplaced(&key.provider, secret.expose()).filter(|_| provider.is_some()) {
        let from = from_env.map(|name| vec!["--from-env", name]).or(stdin.then(|| vec!["--stdin"]));
        return Err(elsewhere(key, &wrong, &from.unwrap_or_default()));
    }
    let text = std::str::from_utf8(secret.expose()).expect("a key is text");
    if let Some(provider) = provider.filter(|provider| provider.recognises(text) == Some(false)) {
        let odd = format!("this does not look like a key of {}", provider.title);
        let question = format!("ringlet: {odd}; store it all the same? [y/N] ");
        if !typed {
            host.output.warn(&odd);
        } else if !host.world.console.ask(&question).is_some_and(|answer| matches!(answer.as_str(), "y" | "Y" | "yes"))
        {
            return Err(Failure::new("nothing was stored").hint("copy the key again and run the command once more"));
        }
    }
    let done = store.set(key, secret.secret()).map_err(Failure::from);
    record(host, session, Action::Set, key, &done)?;
    done?;
    host.output.note(format!("stored {key} in {}", store.place()));
    if let Some(name) = from_env {
        let said = Hint::from(format!("{name} is still set in this shell; run "));
        host.output.note(said.command(["unset", name]).and(", and take it out of your rc file"));
    }
    Ok(())
}

// A key that was made for another provider would be sent in the wrong header or to the wrong host.
fn elsewhere(key: &KeyName, wrong: &Misplaced, from: &[&str]) -> Failure {
    let from = from.iter().map(std::ffi::OsString::from);
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

fn from_variable(host: &Host, name: &str) -> Result<Secret, Failure> {
    let name: crate::name::Variable = name.parse()?;
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

fn ask(host: &Host, key: &KeyName) -> Result<Secret, Failure> {
    typed(host, &format!("ringlet: key for {key} (it is not shown): "), "key", "nothing was stored", |error| {
        Failure::new(format!("there is no terminal to ask on: {error}")).hint("use --stdin, or --from-env VAR")
    })
}

// Reads what a person types without echo. `outcome` says in errors what follows from it that nothing was typed.
fn typed(
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
        let password = typed(host, &question, "password", "the keychain is still locked", |_| error.into())?;
        store.unlock_with(&collection, &password)?;
        opened = Some(collection);
    }
}

fn rename(
    host: &mut Host,
    session: &Session,
    store: &Keys,
    from: &KeyName,
    to: &KeyName,
    how: Renaming,
) -> Result<(), Failure> {
    if from == to {
        return Err(Failure::usage(format!("{from} already has that name")));
    }
    // Under another name the key could leave by every way.
    if let Some(scope) = session.settings.scopes.get(from) {
        let place = format!("{}:{}", session.paths.config().display(), scope.line);
        let (what, line) = match scope.broker {
            true => ("is for brokered launches alone", "`broker = true`".to_owned()),
            false => ("has a scope", format!("[scope.\"{from}\"]")),
        };
        let failure = Failure::new(format!("{from} {what}, and a scope goes by the key's name"));
        return Err(failure.hint(format!("see {line}, {place}")));
    }
    if !how.replace && store.contains(to)? {
        return Err(Failure::new(format!("{to} is already in {}", store.place())).hint("add --replace to replace it"));
    }
    let used = UsedBy::of(session, from);
    let (change, by_hand): (Vec<&Uses>, Vec<&Uses>) = used.profiles.iter().partition(|uses| uses.can_change());
    let names = |uses: &[&Uses]| uses.iter().map(|uses| uses.profile.to_string()).collect::<Vec<_>>().join(", ");
    let changes = !change.is_empty() && (how.yes || asks_to_change(host, from, &names(&change)));
    let done = store.get(from).map_err(|error| with_names(store, error)).and_then(|secret| {
        // The key is stored under the new name and read back before the old one is removed, so that it is never lost.
        store.set(to, &secret)?;
        if store.get(to)?.expose() != secret.expose() {
            return Err(Failure::new(format!("{} gave {to} back changed; {from} is untouched", store.place())));
        }
        // Each profile finds its key all the time.
        if changes {
            let profiles = Profiles::new(&session.paths, &session.registry);
            change.iter().try_for_each(|uses| uses.rename(&profiles, to))?;
        }
        store.remove(from)?;
        Ok(())
    });
    record(host, session, Action::Rename, from, &done)?;
    done?;
    host.output.note(format!("{from} is now {to}"));
    if changes {
        host.output.note(format!("changed in the profiles {}", names(&change)));
    }
    let left: Vec<&Uses> = by_hand.into_iter().chain(change.into_iter().filter(|_| !changes)).collect();
    for uses in left {
        let said = Hint::from(format!("profile \"{}\" names {from} still: ", uses.profile));
        host.output.warn(said.command(words!["ringlet", "profiles", "edit", uses.profile]).and(" opens it"));
    }
    for other in used.others {
        host.output.warn(format!("{other} names {from} still"));
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Renaming {
    replace: bool,
    yes: bool,
}

fn asks_to_change(host: &Host, from: &KeyName, profiles: &str) -> bool {
    let question = format!("ringlet: {from} is named by the profiles {profiles}; change them? [Y/n] ");
    let answer = host.world.console.ask(&question);
    answer.is_some_and(|answer| matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes"))
}

/// A listing that takes less says nothing of its progress.
const PROGRESS_AFTER: Duration = Duration::from_millis(300);

fn list(host: &mut Host, store: &Keys, prefix: &str) -> Result<(), Failure> {
    let started = Instant::now();
    let output = RefCell::new(&mut host.output);
    let names = store.names_with_progress(&|done, total| {
        if started.elapsed() > PROGRESS_AFTER {
            output.borrow_mut().progress(&format!("reading the names of the keys: {done} of {total}"));
        }
    });
    host.output.end_progress();
    let mut names = names?;
    names.retain(|name| prefix.is_empty() || name.to_string().starts_with(prefix));
    if host.output.wants_json() {
        let rows: Vec<_> = names
            .iter()
            .map(|name| serde_json::json!({ "name": name, "provider": name.provider, "alias": name.alias }))
            .collect();
        host.output.json(&rows);
        return Ok(());
    }
    for names in names.chunk_by(|a, b| a.provider == b.provider) {
        let provider = format!("{}/", names[0].provider);
        for name in names {
            host.output.line(&[(Style::Dim, &provider), (Style::Plain, name.alias.as_str())]);
        }
    }
    if names.is_empty() {
        host.output.note("there is no key; `ringlet keychain set PROVIDER ALIAS` stores one");
    }
    Ok(())
}

// A name that is not there may be misspelt; names are no secret.
fn with_names(store: &Keys, error: StoreError) -> Failure {
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
    let Some(log) = session.audit_log()? else { return Ok(()) };
    log.append(&Record {
        time: host.world.now,
        action,
        subject: key.clone().into(),
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
    output.plain_stderr(&match missing {
        Missing::Keychain(_) => "  For better security on multi-user systems, install GNOME Keyring or set up a \
                                 service-mode keychain."
            .to_owned(),
        other => format!("  For better security on multi-user systems: {other}; {}.", other.cure()),
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
        assert_eq!(rows, serde_json::json!([{ "name": "anthropic/work", "provider": "anthropic", "alias": "work" }]));
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
}
