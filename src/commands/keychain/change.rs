//! Renaming and removing a key: who names it is said first, and changed with it.

use super::{record, with_names};
use crate::audit::Action;
use crate::commands::Session;
use crate::commands::question::{is_yes, is_yes_or_enter};
use crate::config::Kept;
use crate::dates::Dates;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::name::{Alias, KeyName};
use crate::profile::{Profiles, Uses};
use crate::store::{Change, Keys, Prompt};
use crate::words;

// The names of a key before and after. The provider stays.
pub(super) fn renamed(first: &str, second: &str, third: Option<&str>) -> Result<(KeyName, KeyName), Failure> {
    let (from, new) = match third {
        Some(new) => (super::key_name(first, Some(second))?, new),
        None => (super::key_name(first, None)?, second),
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
pub(super) fn confirm_removal(host: &mut Host, session: &Session, key: &KeyName, yes: bool) -> Result<(), Failure> {
    let used = UsedBy::of(session, key).names();
    if yes || !host.world.console.is_interactive() {
        used.iter().for_each(|name| host.output.warn(format!("{name} names {key}")));
        return Ok(());
    }
    let by = if used.is_empty() { "nothing names it".to_owned() } else { format!("used by {}", used.join(", ")) };
    match host.world.console.ask(&format!("ringlet: remove {key}, {by}? [y/N] ")) {
        Some(answer) if is_yes(&answer) => Ok(()),
        _ => Err(Failure::new(format!("{key} was not removed"))),
    }
}

pub(super) fn rename(
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
    one_store(session, store, from, to)?;
    store.can(Change::Rename, from)?;
    store.can(Change::Set, to)?;
    if !how.replace && store.contains(to)? {
        return Err(
            Failure::new(format!("{to} is already in {}", store.place_of(to))).hint("add --replace to replace it")
        );
    }
    let used = UsedBy::of(session, from);
    let (change, by_hand): (Vec<&Uses>, Vec<&Uses>) = used.profiles.iter().partition(|uses| uses.can_change());
    let names = |uses: &[&Uses]| uses.iter().map(|uses| uses.profile.to_string()).collect::<Vec<_>>().join(", ");
    let changes = !change.is_empty()
        && (how.yes || {
            let named = names(&change);
            is_yes_or_enter(host, &format!("{from} is named by the profiles {named}; change them?"))
        });
    let done = store.get(from).map_err(|error| with_names(store, error)).and_then(|secret| {
        // A person may have taken any time to answer, and a store that is open may remember what it listed.
        if changes && !how.yes && !how.replace && session.open_store(&host.world, Prompt::Never).contains(to)? {
            return Err(Failure::new(format!("{to} is in {} meanwhile; nothing was renamed", store.place_of(to))));
        }
        // The key is stored under the new name and read back before the old one is removed, so that it is never lost.
        let before = if how.replace { store.get(to).ok() } else { None };
        store.set(to, &secret)?;
        if store.get(to)?.expose() != secret.expose() {
            let place = store.place_of(to);
            let undone = before.map_or_else(|| store.remove(to), |before| store.set(to, &before));
            let failure = Failure::new(format!("{place} gave {to} back changed; {from} is untouched"));
            return Err(match undone {
                Ok(()) => failure,
                Err(error) => failure.hint(format!("{place} may hold a wrong value as {to} now: {error}")),
            });
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
    if let Err(error) = Dates::new(&session.paths).renamed(from, to) {
        host.output.warn(error.to_string());
    }
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

// Into another store a key gets only by `copy` and `move`, which ask a person.
fn one_store(session: &Session, store: &Keys, from: &KeyName, to: &KeyName) -> Result<(), Failure> {
    let settings = &session.settings;
    let kept = |key| settings.stores.rule(key).map_or(Kept::In(settings.backend), |rule| rule.store.clone());
    let (here, there) = (kept(from), kept(to));
    if here == there {
        return Ok(());
    }
    let place = |key| session.pretty_place(&store.place_of(key));
    let failure = Failure::new(format!("{from} is in {}, and the settings keep {to} in {}", place(from), place(to)));
    let command = words!["ringlet", "keychain", "move", from.to_string(), "--to", there.name()];
    Err(failure
        .hint(Hint::from("").command(command).and(" puts it there first, and asks"))
        .hint(Hint::from("").command(words!["ringlet", "config", "edit"]).and(" gives both names one store")))
}

#[derive(Clone, Copy)]
pub(super) struct Renaming {
    pub(super) replace: bool,
    pub(super) yes: bool,
}
