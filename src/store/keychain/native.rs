//! macOS' Keychain and Windows' Credential Manager, through keyring's stores.
//!
//! Neither takes a deadline, so every call runs in a thread of its own, which is left behind when the time is up and
//! ends with the process. Values are read and written as bytes: the text calls convert, and an error of theirs carries
//! the value in its `Debug`, so no error of keyring's is ever printed with `{:?}` or kept. The size of a key is the
//! caller's to check. Both systems list names without values, and keep no attributes.

use super::super::{Detail, Include, Item, ItemName, Missing, PATIENCE, Prompt, Query, SERVICE, StoreError};
use crate::env::Env;
use crate::paths::Paths;
#[cfg(windows)]
use crate::platform;
use crate::secret::Secret;
use keyring_core::{Entry, Error};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;
use zeroize::Zeroizing;

pub(super) struct System {
    limits: Limits,
}

/// What one call may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    deadline: Duration,
    /// Whether the system may ask the user; Windows never does.
    #[cfg_attr(windows, expect(dead_code, reason = "Windows shows no dialog"))]
    prompt: Prompt,
}

impl System {
    pub(super) fn new(_paths: &Paths, _env: &Env, timeout: Duration, prompt: Prompt) -> Self {
        let deadline = match prompt {
            Prompt::Nobody | Prompt::Never => timeout,
            Prompt::Ask => PATIENCE.max(timeout),
        };
        Self { limits: Limits { deadline, prompt } }
    }

    pub(super) fn get(&self, name: ItemName<'_>, detail: Detail) -> Result<Option<Item>, StoreError> {
        let value = match detail {
            Detail::Presence => self.call("looking for a key", name, |entry| exists(entry).map(|()| None)),
            // Wiped even when it arrives after the deadline and nobody takes it.
            Detail::Value | Detail::Recent | Detail::Current => {
                self.call("looking a key up", name, |entry| entry.get_secret().map(|value| Some(Zeroizing::new(value))))
            }
        };
        let account = name.account.to_owned();
        found(name, value)
            .map(|there| there.map(|value| Item { account, attributes: Vec::new(), value: value.map(Secret::from) }))
    }

    pub(super) fn put(
        &self,
        name: ItemName<'_>,
        value: &Secret,
        attributes: Option<&[(String, String)]>,
    ) -> Result<(), StoreError> {
        if attributes.is_some_and(|given| !given.is_empty()) {
            return Err(StoreError::Broken("it keeps no attributes".into()));
        }
        let value = Zeroizing::new(value.expose().to_vec());
        let account = name.account.to_owned();
        let done = self.call("storing a key", name, move |entry| {
            entry.set_secret(&value)?;
            describe(entry, &account)
        });
        found(name, done)?.ok_or_else(|| StoreError::Broken("it does not take entries".into()))
    }

    pub(super) fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError> {
        Ok(found(name, self.call("removing a key", name, Entry::delete_credential))?.is_some())
    }

    pub(super) fn list(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError> {
        let mut accounts = self.accounts(query.service)?;
        accounts.retain(|account| (query.wanted)(account));
        let total = accounts.len();
        let mut items = Vec::with_capacity(total);
        for account in accounts {
            (query.progress)(items.len(), total);
            if query.include != Include::Values {
                items.push(Item { account, attributes: Vec::new(), value: None });
            } else {
                items.extend(self.get(ItemName { service: query.service, account: &account }, Detail::Value)?);
            }
        }
        items.sort_by(|a, b| a.account.cmp(&b.account));
        Ok(items)
    }

    pub(super) fn state(&self) -> Result<(), StoreError> {
        self.accounts(SERVICE).map(drop)
    }

    // There is no call for it: macOS asks when a value is read, Windows has nothing to unlock.
    pub(super) fn unlock(&self, service: &str) -> Result<(), StoreError> {
        match self.accounts(service)?.first() {
            Some(account) => self.get(ItemName { service, account }, Detail::Value).map(drop),
            None => Ok(()),
        }
    }

    pub(super) fn locked_collection(&self, _service: &str) -> Result<Option<String>, StoreError> {
        Err(StoreError::NoPassword)
    }

    pub(super) fn unlock_with(&self, _collection: &str, _password: &Secret) -> Result<(), StoreError> {
        Err(StoreError::NoPassword)
    }

    fn accounts(&self, service: &str) -> Result<Vec<String>, StoreError> {
        let owned = service.to_owned();
        let accounts = bounded("listing the keys", self.limits, move || open().and_then(|()| listed(&owned)));
        Ok(found(ItemName { service, account: "" }, accounts)?.unwrap_or_default())
    }

    fn call<T: Send + 'static>(
        &self,
        doing: &'static str,
        name: ItemName<'_>,
        call: impl FnOnce(&Entry) -> keyring_core::Result<T> + Send + 'static,
    ) -> keyring_core::Result<T> {
        open()?;
        let entry = named(name.service, name.account)?;
        bounded(doing, self.limits, move || call(&entry))
    }
}

// A value of keyring's may be in an error's `Debug`, so no error of it is passed on; a few variants are named.
fn found<T>(name: ItemName<'_>, done: keyring_core::Result<T>) -> Result<Option<T>, StoreError> {
    match done {
        Ok(found) => Ok(Some(found)),
        Err(Error::NoEntry) => Ok(None),
        Err(Error::Ambiguous(entries)) => {
            let entries = (1..=entries.len()).map(|at| format!("entry {at}")).collect();
            Err(StoreError::Ambiguous { account: name.account.to_owned(), entries })
        }
        Err(Error::NoStorageAccess(cause) | Error::PlatformFailure(cause)) => Err(in_store_terms(cause.as_ref())),
        Err(Error::TooLong(_, limit)) => Err(StoreError::Broken(format!("it takes at most {limit} characters"))),
        // The other variants may carry the value; their kind alone is passed on.
        Err(_) => Err(StoreError::Broken("it does not work as it should".into())),
    }
}

/// Makes the crate choose its store for this system, once a process; nothing is connected.
fn open() -> keyring_core::Result<()> {
    keyring::Entry::store_status()
        .as_ref()
        .map(|_| ())
        .map_err(|error| Error::PlatformFailure(error.to_string().into()))
}

/// Nobody answered in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {after:?} ({doing})")]
struct TooSlow {
    doing: &'static str,
    after: Duration,
}

/// This session has no keychain.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NoSession(String);

fn bounded<T: Send + 'static>(
    doing: &'static str,
    limits: Limits,
    call: impl FnOnce() -> keyring_core::Result<T> + Send + 'static,
) -> keyring_core::Result<T> {
    let (answer, answers) = sync_channel(1);
    let run = move || {
        let call = || match limited(limits, call) {
            // The session came over the network and has no credentials of its own, as Linux without a desktop has none.
            Err(Error::NoStorageAccess(cause)) if cfg!(windows) => {
                Err(Error::NoStorageAccess(NoSession(cause.to_string()).into()))
            }
            done => done,
        };
        // Nobody listens any more when the time was up.
        let _ = answer.send(call());
    };
    std::thread::Builder::new().spawn(run).map_err(|error| Error::PlatformFailure(error.into()))?;
    answers.recv_timeout(limits.deadline).unwrap_or_else(|failed| {
        Err(Error::PlatformFailure(match failed {
            RecvTimeoutError::Timeout => TooSlow { doing, after: limits.deadline }.into(),
            RecvTimeoutError::Disconnected => format!("it broke off ({doing})").into(),
        }))
    })
}

fn in_store_terms(cause: &(dyn StdError + Send + Sync + 'static)) -> StoreError {
    if let Some(slow) = cause.downcast_ref::<TooSlow>() {
        return StoreError::Timeout { doing: slow.doing.into(), after: slow.after };
    }
    #[cfg(target_os = "macos")]
    if let Some(error) = cause.downcast_ref::<security_framework::base::Error>() {
        // SecBase.h's names for these codes stand beside them.
        return match error.code() {
            // errSecInteractionNotAllowed: a dialog would be needed, to unlock or to let this very build in.
            -25308 => StoreError::Locked,
            // errSecUserCanceled
            -128 => StoreError::Dismissed,
            // errSecNotAvailable, errSecNoSuchKeychain, errSecNoDefaultKeychain
            -25291 | -25294 | -25307 => StoreError::Absent(Missing::Keychain(error.to_string())),
            _ => StoreError::Broken(error.to_string()),
        };
    }
    match cause.downcast_ref::<NoSession>() {
        Some(none) => StoreError::Absent(Missing::Keychain(none.to_string())),
        None => StoreError::Broken(cause.to_string()),
    }
}

// A launch must not open a dialog: the call then fails with a code of its own, and `unlock` is where it is allowed.
#[cfg(target_os = "macos")]
fn limited<T>(limits: Limits, call: impl FnOnce() -> keyring_core::Result<T>) -> keyring_core::Result<T> {
    use security_framework::os::macos::keychain::SecKeychain;
    let quiet = (limits.prompt != Prompt::Ask).then(SecKeychain::disable_user_interaction);
    let _quiet = quiet.transpose().map_err(|error| Error::PlatformFailure(error.into()))?;
    call()
}

#[cfg(windows)]
fn limited<T>(_limits: Limits, call: impl FnOnce() -> keyring_core::Result<T>) -> keyring_core::Result<T> {
    call()
}

#[cfg(target_os = "macos")]
fn named(service: &str, account: &str) -> keyring_core::Result<Entry> {
    Entry::new(service, account)
}

#[cfg(windows)]
fn named(service: &str, account: &str) -> keyring_core::Result<Entry> {
    let target = format!("{service}/{account}");
    // The crate's default would let the key roam to the user's other machines in a domain.
    let modifiers = HashMap::from([("target", target.as_str()), ("persistence", "Local")]);
    Entry::new_with_modifiers(service, user(account), &modifiers)
}

/// What the system's own window shows as the user: the last part of the account.
#[cfg(windows)]
fn user(account: &str) -> &str {
    account.rsplit('/').next().unwrap_or(account)
}

#[cfg(target_os = "macos")]
fn describe(_entry: &Entry, _account: &str) -> keyring_core::Result<()> {
    Ok(())
}

// A search loads attributes alone. keyring's own look at an entry reads its value, and so may open a dialog.
#[cfg(target_os = "macos")]
fn exists(entry: &Entry) -> keyring_core::Result<()> {
    let (service, account) = entry.get_specifiers().ok_or(Error::NoEntry)?;
    match Entry::search(&HashMap::from([("service", service.as_str()), ("user", account.as_str())]))?.is_empty() {
        true => Err(Error::NoEntry),
        false => Ok(()),
    }
}

#[cfg(target_os = "macos")]
fn listed(service: &str) -> keyring_core::Result<Vec<String>> {
    let found = Entry::search(&HashMap::from([("service", service)]))?;
    Ok(found.iter().filter_map(Entry::get_specifiers).map(|(_, account)| account).collect())
}

// With a target of its own the crate stores no user name. Killed before this call, the entry lacks only what the
// system's own window shows.
#[cfg(windows)]
fn describe(entry: &Entry, account: &str) -> keyring_core::Result<()> {
    entry.update_attributes(&HashMap::from([("username", user(account))]))
}

#[cfg(windows)]
fn exists(entry: &Entry) -> keyring_core::Result<()> {
    entry.get_attributes().map(drop)
}

#[cfg(windows)]
fn listed(service: &str) -> keyring_core::Result<Vec<String>> {
    let targets =
        platform::credential_targets(&format!("{service}/*")).map_err(|error| match error.raw_os_error() {
            Some(NO_SUCH_LOGON_SESSION) => Error::NoStorageAccess(error.into()),
            _ => Error::PlatformFailure(error.into()),
        })?;
    let own = |target: &String| target.strip_prefix(service)?.strip_prefix('/').map(str::to_owned);
    Ok(targets.iter().filter_map(own).collect())
}

// winerror.h's ERROR_NO_SUCH_LOGON_SESSION; keyring makes the same `NoStorageAccess` of it.
#[cfg(windows)]
const NO_SUCH_LOGON_SESSION: i32 = 1312;

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(deadline: Duration) -> Limits {
        Limits { deadline, prompt: Prompt::Never }
    }

    #[test]
    fn a_call_that_takes_too_long_is_given_up() {
        let (hold, held) = sync_channel::<()>(1);
        let waited = bounded("waiting", limits(Duration::from_millis(20)), move || {
            let _ = held.recv();
            Ok(())
        });
        let Err(Error::PlatformFailure(cause)) = waited else { panic!("it was waited for") };
        let after = Duration::from_millis(20);
        assert_eq!(in_store_terms(cause.as_ref()), StoreError::Timeout { doing: "waiting".into(), after });
        drop(hold);
    }

    #[cfg(windows)]
    mod windows {
        use super::super::super::super::routes::Routes;
        use super::super::super::super::{Keychain, Keys, Store};
        use super::*;
        use crate::name::KeyName;
        use crate::secret::MAX_KEY;

        fn store(folder: &std::path::Path) -> Keys {
            let env = Env::from_pairs([("USERPROFILE", folder), ("APPDATA", folder), ("LOCALAPPDATA", folder)]);
            let paths = Paths::new(&env).expect("absolute");
            let keychain = Keychain::new(&paths, &env, Duration::from_secs(10), Prompt::Never);
            Keys::new(Routes::to(Box::new(keychain) as Box<dyn Store>), paths.names())
        }

        #[test]
        fn a_key_is_stored_under_its_target_with_its_alias_as_user_name() {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let (store, key) = (store(folder.path()), "ringlet-test/round.trip".parse().expect("valid"));
            store.set(&key, &Secret::new(b"\xffsk-one\0".to_vec())).expect("stored");
            assert_eq!(store.get(&key).expect("there").expose(), b"\xffsk-one\0");
            store.set(&key, &Secret::new(vec![b'k'; MAX_KEY])).expect("replaced by the largest there may be");
            assert_eq!(store.get(&key).expect("there").expose(), [b'k'; MAX_KEY]);
            let attributes = named(SERVICE, "ringlet-test/round.trip").expect("named").get_attributes().expect("there");
            assert_eq!(attributes["target_name"], "ringlet/ringlet-test/round.trip");
            assert_eq!((attributes["username"].as_str(), attributes["persistence"].as_str()), ("round.trip", "Local"));
            assert!(store.contains(&key).expect("asked") && store.names().expect("listed").contains(&key));
            let odd = "ringlet-test/odd".parse().expect("valid");
            store.set(&odd, &Secret::new(b"sk-two".to_vec())).expect("stored");
            let names = store.names().expect("listed");
            assert!(names.contains(&key) && names.contains(&odd));
            store.remove(&odd).expect("removed");
            store.unlock().expect("nothing to unlock");
            store.remove(&key).expect("removed");
            assert!(!store.contains(&key).expect("asked") && !store.names().expect("listed").contains(&key));
        }

        #[test]
        fn a_session_without_credentials_counts_as_no_keychain() {
            let none = || Err::<(), _>(Error::NoStorageAccess("no session".into()));
            let Err(Error::NoStorageAccess(cause)) = bounded("asking", limits(Duration::from_secs(10)), none) else {
                panic!("another error")
            };
            assert_eq!(in_store_terms(cause.as_ref()), StoreError::Absent(Missing::Keychain("no session".into())));
        }

        #[test]
        fn a_key_that_is_not_there_is_named() {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let (store, key): (_, KeyName) = (store(folder.path()), "ringlet-test/nowhere".parse().expect("valid"));
            let missing = StoreError::NotFound { place: store.place(), key: key.clone() };
            assert_eq!(store.get(&key).expect_err("no such key"), missing);
            assert_eq!(store.remove(&key).expect_err("no such key"), missing);
        }
    }
}
