//! Listing keys: their names, and what is known of each: where it is, who uses it, how old it is, when it expires.

use crate::audit::last_uses;
use crate::commands::Session;
use crate::dates::{Dates, KeyDates, expiry_day};
use crate::duration;
use crate::failure::Failure;
use crate::host::Host;
use crate::name::KeyName;
use crate::output::Style;
use crate::profile::Profiles;
use crate::store::Keys;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A listing that takes less says nothing of its progress.
const PROGRESS_AFTER: Duration = Duration::from_millis(300);

/// So many bytes of the audit log are read for the last uses: some ten thousand records.
const NEWEST: u64 = 4 << 20;

const DAY: Duration = Duration::from_secs(86_400);

/// `ringlet keychain list`
pub(super) fn run(
    host: &mut Host,
    session: &Session,
    store: &Keys,
    prefix: &str,
    is_long: bool,
) -> Result<(), Failure> {
    let started = Instant::now();
    let output = RefCell::new(&mut host.output);
    let mut listing = store.listing(prefix, &|done, total| {
        if started.elapsed() > PROGRESS_AFTER {
            output.borrow_mut().progress(&format!("reading the names of the keys: {done} of {total}"));
        }
    });
    host.output.end_progress();
    let names = std::mem::take(&mut listing.keys);
    let silent = std::mem::take(&mut listing.silent);
    let mut failed = listing.all_failed();
    let failure = failed.next();
    let place = |name: &KeyName| session.pretty_place(&store.place_of(name));
    if names.is_empty() && failure.is_some() {
        // What was printed would say that there is no key.
    } else if host.output.wants_json() {
        let lives = Lives::read(host, session);
        let rows: Vec<Value> = names.iter().map(|name| lives.of(session, name, place(name)).as_json(name)).collect();
        host.output.json(&rows);
    } else if names.is_empty() && silent.is_empty() {
        host.output.note("there is no key; `ringlet keychain set PROVIDER ALIAS` stores one");
    } else if is_long && !names.is_empty() {
        let lives = Lives::read(host, session);
        let heads = ["KEY", "STORE", "USED BY", "AGE", "LAST USE", "EXPIRES"];
        let mut rows = vec![heads.map(|head| (Style::Dim, head.to_owned())).to_vec()];
        rows.extend(names.iter().map(|name| lives.of(session, name, place(name)).as_row(name, host.world.now)));
        host.output.table(&rows);
    } else if session.settings.stores.rules.is_empty() {
        for names in names.chunk_by(|a, b| a.provider == b.provider) {
            let provider = format!("{}/", names[0].provider);
            names
                .iter()
                .for_each(|name| host.output.line(&[(Style::Dim, &provider), (Style::Plain, name.alias.as_str())]));
        }
    } else {
        let usual = session.pretty_place(&store.place());
        let row = |name: &KeyName| {
            let place = Some(place(name)).filter(|place| *place != usual);
            let mut row = vec![(Style::Plain, name.to_string())];
            row.extend(place.map(|place| (Style::Dim, place)));
            row
        };
        host.output.table(&names.iter().map(row).collect::<Vec<_>>());
    }
    for place in silent {
        host.output.note(format!("{place} does not list its keys; a launch asks it by their names"));
    }
    // The names of the other stores are of use without those of one that does not answer.
    match failure {
        None => Ok(()),
        Some(failure) => {
            failed.for_each(|error| host.output.warn(Failure::from(error).message));
            Err(failure.into())
        }
    }
}

// What Ringlet has written down of all keys.
struct Lives {
    users: BTreeMap<KeyName, Vec<String>>,
    uses: BTreeMap<KeyName, Timestamp>,
    dates: Dates,
}

impl Lives {
    // What cannot be read is not known.
    fn read(host: &mut Host, session: &Session) -> Self {
        let mut users: BTreeMap<KeyName, Vec<String>> = BTreeMap::new();
        let profiles = Profiles::new(&session.paths, &session.registry);
        for name in profiles.names().unwrap_or_default() {
            match profiles.read(&name) {
                Ok(file) => {
                    file.keys().into_iter().for_each(|key| users.entry(key).or_default().push(name.to_string()));
                }
                Err(_) => host.output.warn(format!("profile \"{name}\" cannot be read, and may use a key")),
            }
        }
        for (name, tool) in &session.settings.tools {
            let mut keys: Vec<&KeyName> = tool.secrets.values().collect();
            keys.sort();
            keys.dedup();
            keys.into_iter().for_each(|key| users.entry(key.clone()).or_default().push(format!("[tools.{name}]")));
        }
        // Where lookups are recorded, the log says when a key was used last.
        let uses = match session.records_lookups().then(|| last_uses(&session.audit_path(), NEWEST)) {
            None => BTreeMap::new(),
            Some(Ok(uses)) => uses,
            Some(Err(error)) => {
                host.output.warn(format!("no last use is known: {error}"));
                BTreeMap::new()
            }
        };
        Self { users, uses, dates: Dates::new(&session.paths) }
    }

    fn of(&self, session: &Session, name: &KeyName, place: String) -> Life {
        let KeyDates { stored, expires } = self.dates.read(name).unwrap_or_default();
        let users = self.users.get(name).cloned().unwrap_or_default();
        let rule = session.settings.stores.rule(name);
        let store = rule.map_or(session.settings.backend.name(), |rule| rule.store.name()).to_owned();
        Life { store, place, users, stored, used: self.uses.get(name).copied(), expires }
    }
}

// What is known of one key.
struct Life {
    store: String,
    place: String,
    users: Vec<String>,
    stored: Option<Timestamp>,
    used: Option<Timestamp>,
    expires: Option<Timestamp>,
}

impl Life {
    fn as_json(&self, name: &KeyName) -> Value {
        let (provider, alias) = (&name.provider, &name.alias);
        let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
        json!({
            "name": name, "provider": provider, "alias": alias, "store": self.store, "place": self.place,
            "used_by": self.users, "stored": text(self.stored), "last_used": text(self.used),
            "expires": text(self.expires),
        })
    }

    fn as_row(&self, name: &KeyName, now: Timestamp) -> Vec<(Style, String)> {
        let known = |text: Option<String>| match text {
            Some(text) => (Style::Plain, text),
            None => (Style::Dim, "unknown".to_owned()),
        };
        let users = if self.users.is_empty() { "-".to_owned() } else { self.users.join(", ") };
        let expires = match self.expires {
            None => (Style::Dim, "-".to_owned()),
            Some(time) if time <= now => (Style::Bad, expiry_day(time)),
            Some(time) => (Style::Plain, expiry_day(time)),
        };
        vec![
            (Style::Plain, name.to_string()),
            (Style::Plain, self.place.clone()),
            (Style::Plain, users),
            known(self.stored.map(|time| length(now, time))),
            known(self.used.map(|time| format!("{} ago", length(now, time)))),
            expires,
        ]
    }
}

// The time since then; of days nothing smaller is said. A clock that was set back makes it none.
fn length(now: Timestamp, then: Timestamp) -> String {
    let length = Duration::try_from(now.duration_since(then)).unwrap_or_default();
    let days = length.as_secs() / DAY.as_secs();
    duration::shown(if days > 0 { Duration::from_secs(days * DAY.as_secs()) } else { length })
}
