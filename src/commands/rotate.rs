//! `ringlet keychain rotate`: a new key in place of an old one, asked about before it is stored.
//!
//! The old key is kept nowhere. It stays valid until it is revoked, so that its provider's page for keys is named. No
//! part of it is shown: what tells it from the new one there is when it was made.

use super::Session;
use super::keychain::{self, record_access, set};
use super::probe::{self, Heard};
use super::question::is_yes;
use crate::audit::{Action, Outcome};
use crate::dates::{Dates, parse_expiry};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::name::KeyName;
use crate::registry::ProviderSpec;
use crate::secret::{Key, Secret, same};
use crate::store::{Change, Keys, Prompt, StoreError};
use crate::words;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What the command line asks for.
pub(super) struct Asked<'a> {
    /// Where the new key comes from.
    pub(super) origin: set::Origin<'a>,
    /// When it expires, as it was typed.
    pub(super) expires: Option<&'a str>,
    /// Whether the provider is not asked.
    pub(super) no_check: bool,
}

/// `ringlet keychain rotate`
pub(super) fn run(host: &mut Host, session: &Session, key: &KeyName, asked: &Asked<'_>) -> Result<(), Failure> {
    // A program that an agent has started could name a proxy and a certificate authority of its own.
    session.refuse_below(&host.world, "ringlet keychain rotate")?;
    let expires = asked.expires.map(|text| parse_expiry(text, host.world.now)).transpose()?;
    // A log that cannot be written must be known before the first lookup.
    session.audit_log()?;
    super::protect()?;
    let prompt = if host.world.console.is_interactive() { Prompt::Ask } else { Prompt::Never };
    let store = session.open_store(&host.world, prompt);
    let provider = session.registry.provider_with_pattern(&key.provider).ok();
    store.can(Change::Set, key)?;
    let old = current(host, session, &store, key)?;
    let stored = Dates::new(&session.paths).read(key).unwrap_or_default().stored;
    let title = provider.as_ref().map_or(key.provider.as_str(), |provider| &provider.title);
    if let (set::Origin::Typed, Some(url)) = (asked.origin, provider.as_ref().and_then(|own| own.console.as_ref())) {
        host.output.note(format!("keys of {title} are made at {url}"));
    }
    let new = set::given(host, asked.origin, &format!("new key for {key}"))?;
    let new = set::checked(host, session, key, provider.as_ref(), new, asked.origin)?;
    if same(new.expose(), old.expose()) {
        return Err(Failure::new(format!("this is the key that {key} is already; nothing was stored"))
            .hint("make a new one at the provider's console first"));
    }
    if !asked.no_check {
        check(host, session, key, &new)?;
    }
    replace(host, session, &store, key, (&old, &new))?;
    drop(old);
    host.output.note(format!("{key} is the new key, in {}", session.pretty_place(&store.place_of(key))));
    set::keep_dates(host, session, key, expires);
    store.notes().into_iter().for_each(|said| host.output.warn(said));
    keychain::warn_of_fallback(session, &store, &host.world, &mut host.output);
    revoke(host, provider.as_ref(), key, stored);
    set::still_set(host, asked.origin);
    Ok(())
}

// The key as it is, to compare it with the new one and to put it back if that one is not stored.
fn current(host: &Host, session: &Session, store: &Keys, key: &KeyName) -> Result<Secret, Failure> {
    let found = store.get_to_keep(key);
    let (result, reason) = match &found {
        Ok(_) => (Outcome::Granted, "to replace it".to_owned()),
        Err(error) => (Outcome::Error, error.to_string()),
    };
    record_access(host, session, Action::Lookup, key, result, Some(reason))?;
    found.map_err(|error| match error {
        StoreError::NotFound { .. } => {
            let set = Hint::from("").command(key.set_command()).and(" stores a first one");
            keychain::with_names(store, error).hint(set)
        }
        other => other.into(),
    })
}

// Asks the provider. What it does not take is not stored; where nothing is known, a person decides.
fn check(host: &mut Host, session: &Session, key: &KeyName, new: &Key) -> Result<(), Failure> {
    let why = match probe::of_new(host, session, key, new)? {
        Heard::Takes(endpoint) => {
            host.output.note(format!("{endpoint} takes the new key"));
            return Ok(());
        }
        Heard::Spent(endpoint, status) => {
            host.output.warn(format!("{endpoint} takes the new key, and answers {status}"));
            return Ok(());
        }
        Heard::Refuses(endpoint, status) => {
            let failure = Failure::new(format!("{endpoint} refuses the new key ({status}); nothing was stored"));
            return Err(failure.hint("copy the key again; a key that was made just now may need a minute"));
        }
        Heard::Nothing(why) => why,
    };
    let said = format!("it is not known whether the new key is valid: {why}");
    if !host.world.console.is_interactive() {
        host.output.warn(said);
        return Ok(());
    }
    let question = format!("ringlet: {said}; store it all the same? [y/N] ");
    match host.world.console.ask(&question) {
        Some(answer) if is_yes(&answer) => Ok(()),
        _ => Err(Failure::new("nothing was stored").hint("--no-check stores it without asking the provider")),
    }
}

// Stores the new key and reads it back. Where that fails the old one is put back, since the store may hold neither.
fn replace(
    host: &mut Host,
    session: &Session,
    store: &Keys,
    key: &KeyName,
    (old, new): (&Secret, &Key),
) -> Result<(), Failure> {
    let stored = store.set(key, new.secret()).map_err(Failure::from).and_then(|()| match store.get(key) {
        Ok(found) if same(found.expose(), new.expose()) => Ok(()),
        Ok(_) => Err(Failure::new(format!("{} gave {key} back changed", store.place_of(key)))),
        Err(error) => Err(error.into()),
    });
    let (result, reason) = match &stored {
        Ok(()) => (Outcome::Granted, "rotated".to_owned()),
        Err(failure) => (Outcome::Error, failure.message.clone()),
    };
    record_access(host, session, Action::Set, key, result, Some(reason))?;
    let Err(failure) = stored else { return Ok(()) };
    let is_old = || store.get(key).is_ok_and(|found| same(found.expose(), old.expose()));
    let is_back = is_old() || (store.set(key, old).is_ok() && is_old());
    Err(match is_back {
        true => failure.hint(format!("{key} is the old key still")),
        false => failure.hint(
            Hint::from("neither key can be read there now: ").command(words!["ringlet", "doctor"]).and(" looks at it"),
        ),
    })
}

// Names the old key and where it is revoked.
fn revoke(host: &mut Host, provider: Option<&ProviderSpec>, key: &KeyName, stored: Option<Timestamp>) {
    let old = match stored {
        Some(time) => format!("the old key, stored on {},", time.to_zoned(TimeZone::system()).date()),
        None => "the old key".to_owned(),
    };
    let at = match provider {
        Some(ProviderSpec { console: Some(url), .. }) => format!("at {url}"),
        Some(ProviderSpec { title, .. }) => format!("in the console of {title}"),
        None => format!("where keys of {} are made", key.provider),
    };
    host.output.note(format!("{old} works until it is revoked {at}; agents that run have it until they are restarted"));
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    const OLD: &str = "csk-oldoldoldoldoldoldoldoldoldoldold";
    const NEW: &str = "csk-newnewnewnewnewnewnewnewnewnewnew";

    // A home with a key of a provider that no request is known for.
    fn with_key() -> Home {
        let mut home = Home::new();
        home.input = OLD.into();
        home.run(&["keychain", "set", "cerebras", "work", "--stdin"]).succeeds();
        home
    }

    fn stored(home: &Home) -> String {
        home.read(".config/ringlet/credentials.toml")
    }

    #[test]
    fn a_new_key_takes_the_place_of_the_old_one_which_is_named_for_its_console() {
        let mut home = with_key();
        home.input = NEW.into();
        let ran = home.run(&["keychain", "rotate", "cerebras/work", "--stdin", "--expires", "90d"]).succeeds();
        for said in [
            "warning: it is not known whether the new key is valid: no request is known",
            "cerebras/work is the new key, in ~/.config/ringlet/credentials.toml",
            "it expires on 2026-04-02",
            "the old key, stored on 2026-01-02, works until it is revoked at https://cloud.cerebras.ai",
        ] {
            assert!(ran.err.contains(said), "{said}: {ran:?}");
        }
        assert!(!ran.err.contains("csk-"), "{ran:?}");
        assert!(stored(&home).contains(NEW) && !stored(&home).contains(OLD));
    }

    #[test]
    fn the_same_key_a_missing_one_and_one_of_another_provider_are_refused() {
        let mut home = with_key();
        home.run(&["keychain", "rotate", "cerebras", "work", "--stdin"]).is_refused(1, "nothing was stored");
        home.run(&["keychain", "rotate", "cerebras", "wrok", "--stdin"]).is_refused(1, "has no key cerebras/wrok");
        home.input = "sk-ant-oat01-TESTTESTTESTTESTTESTTESTTEST".into();
        home.run(&["keychain", "rotate", "cerebras/work", "--stdin"]).is_refused(1, "nothing was stored");
        home.run(&["keychain", "rotate", "cerebras/work", "--stdin", "--expires", "x"]).is_refused(2, "no day");
        assert!(stored(&home).contains(OLD));
    }

    #[test]
    fn a_person_decides_where_the_provider_cannot_be_asked() {
        let home = with_key();
        home.answer(&[NEW, "n"]);
        home.run(&["keychain", "rotate", "cerebras/work"]).is_refused(1, "nothing was stored");
        assert!(stored(&home).contains(OLD));
        home.answer(&[NEW, "y"]);
        let ran = home.run(&["keychain", "rotate", "cerebras/work"]).succeeds();
        assert!(ran.err.contains("are made at https://cloud.cerebras.ai"), "{ran:?}");
        assert!(stored(&home).contains(NEW));
        home.answer(&[OLD]);
        home.run(&["keychain", "rotate", "cerebras/work", "--no-check"]).succeeds();
        assert!(stored(&home).contains(OLD));
    }
}
