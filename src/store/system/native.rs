//! macOS' Keychain and Windows' Credential Manager, through keyring's stores; called by `system` alone.
//!
//! Neither takes a deadline, so every call runs in a thread of its own, which is left behind when the time is up and
//! ends with the process. The size of a key is the caller's to check. Both systems list names without values.

use super::super::Missing;
use super::*;
#[cfg(windows)]
use crate::platform;
use keyring_core::Result;
use keyring_core::api::{Credential, CredentialApi};
use std::any::Any;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use zeroize::Zeroizing;

/// How long a person may take to answer a dialog.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Native {
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

impl Native {
    pub(super) fn new(_env: &Env, timeout: Duration, prompt: Prompt) -> Self {
        let deadline = match prompt {
            Prompt::Never => timeout,
            Prompt::Ask => PATIENCE.max(timeout),
        };
        Self { limits: Limits { deadline, prompt } }
    }

    pub(super) fn entry(&self, key: &KeyName) -> Result<Entry> {
        open()?;
        let credential = Bounded { entry: Arc::new(place(key)?), limits: self.limits };
        Ok(Entry::new_with_credential(Arc::new(credential)))
    }

    pub(super) fn private(&self) -> Result<Entry> {
        open()?;
        let credential = Bounded { entry: Arc::new(private_place()?), limits: self.limits };
        Ok(Entry::new_with_credential(Arc::new(credential)))
    }

    pub(super) fn set(&self, entry: &Entry, key: &KeyName, secret: &Secret) -> Result<()> {
        entry.set_secret(secret.expose())?;
        describe(entry, key)
    }

    pub(super) fn accounts(&self) -> Option<std::result::Result<Vec<String>, StoreError>> {
        let listed = open().and_then(|()| bounded("listing the keys", self.limits, accounts));
        Some(listed.map_err(|error| match error {
            Error::NoStorageAccess(cause) | Error::PlatformFailure(cause) => whole(cause.as_ref()),
            _ => StoreError::Broken("it does not list its entries as it should".into()),
        }))
    }

    pub(super) fn locked_collection(&self) -> std::result::Result<Option<String>, StoreError> {
        Err(StoreError::NoPassword)
    }

    pub(super) fn unlock_with(&self, _collection: &str, _password: &Secret) -> std::result::Result<(), StoreError> {
        Err(StoreError::NoPassword)
    }

    pub(super) fn unlock(&self) -> std::result::Result<(), StoreError> {
        // There is no call for it: macOS asks when a key is read, Windows has nothing to unlock. The names come from
        // the keychain itself, so one that does not parse is another tool's.
        let accounts = self.accounts().unwrap_or(Ok(Vec::new()))?;
        let Some(key) = accounts.iter().find_map(|account| account.parse::<KeyName>().ok()) else { return Ok(()) };
        match self.entry(&key).and_then(|entry| entry.get_secret().map(Zeroizing::new)) {
            Ok(_) | Err(Error::NoEntry) => Ok(()),
            Err(Error::NoStorageAccess(cause) | Error::PlatformFailure(cause)) => Err(whole(cause.as_ref())),
            Err(_) => Err(StoreError::Broken("it does not read its entries as it should".into())),
        }
    }
}

/// Makes the crate choose its store for this system, once a process; nothing is connected.
fn open() -> Result<()> {
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
    call: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
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

/// An entry of keyring's whose every call has a deadline.
#[derive(Debug)]
struct Bounded {
    entry: Arc<Entry>,
    limits: Limits,
}

impl Bounded {
    fn call<T: Send + 'static>(
        &self,
        doing: &'static str,
        call: impl FnOnce(&Entry) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let entry = Arc::clone(&self.entry);
        bounded(doing, self.limits, move || call(&entry))
    }
}

impl CredentialApi for Bounded {
    fn set_secret(&self, secret: &[u8]) -> Result<()> {
        let secret = Zeroizing::new(secret.to_vec());
        self.call("storing a key", move |entry| entry.set_secret(&secret))
    }

    fn get_secret(&self) -> Result<Vec<u8>> {
        // Wiped even when it arrives after the deadline and nobody takes it.
        let mut secret = self.call("looking a key up", |entry| entry.get_secret().map(Zeroizing::new))?;
        Ok(std::mem::take(&mut *secret))
    }

    fn get_attributes(&self) -> Result<HashMap<String, String>> {
        self.call("looking for a key", Entry::get_attributes)
    }

    fn update_attributes(&self, attributes: &HashMap<&str, &str>) -> Result<()> {
        let owned: Vec<_> = attributes.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        self.call("naming a key", move |entry| {
            entry.update_attributes(&owned.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
        })
    }

    fn delete_credential(&self) -> Result<()> {
        self.call("removing a key", Entry::delete_credential)
    }

    fn get_credential(&self) -> Result<Option<Arc<Credential>>> {
        self.call("looking for a key", exists).map(|()| None)
    }

    fn get_specifiers(&self) -> Option<(String, String)> {
        self.entry.get_specifiers()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn debug_fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

pub(super) fn translate(
    _key: &KeyName,
    cause: &(dyn StdError + Send + Sync + 'static),
    _timeout: Duration,
) -> StoreError {
    whole(cause)
}

fn whole(cause: &(dyn StdError + Send + Sync + 'static)) -> StoreError {
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
fn limited<T>(limits: Limits, call: impl FnOnce() -> Result<T>) -> Result<T> {
    use security_framework::os::macos::keychain::SecKeychain;
    let quiet = (limits.prompt == Prompt::Never).then(SecKeychain::disable_user_interaction);
    let _quiet = quiet.transpose().map_err(|error| Error::PlatformFailure(error.into()))?;
    call()
}

#[cfg(windows)]
fn limited<T>(_limits: Limits, call: impl FnOnce() -> Result<T>) -> Result<T> {
    call()
}

/// Entries of any service, for the daemon; nobody is asked anything.
pub(crate) mod services {
    use super::*;

    fn limits(deadline: Duration) -> Limits {
        Limits { deadline, prompt: Prompt::Never }
    }

    fn entry(service: &str, target: &str, timeout: Duration) -> Result<Bounded> {
        open()?;
        Ok(Bounded { entry: Arc::new(named(service, target)?), limits: limits(timeout) })
    }

    fn told<T>(done: Result<T>) -> std::result::Result<Option<T>, StoreError> {
        match done {
            Ok(found) => Ok(Some(found)),
            Err(Error::NoEntry) => Ok(None),
            Err(Error::NoStorageAccess(cause) | Error::PlatformFailure(cause)) => Err(whole(cause.as_ref())),
            // The other variants may carry the value; their kind alone is passed on.
            Err(_) => Err(StoreError::Broken("it does not work as it should".into())),
        }
    }

    pub(crate) fn get(
        service: &str,
        target: &str,
        timeout: Duration,
    ) -> std::result::Result<Option<Secret>, StoreError> {
        Ok(told(entry(service, target, timeout).and_then(|it| it.get_secret()))?.map(Secret::new))
    }

    pub(crate) fn set(
        service: &str,
        target: &str,
        value: &Secret,
        timeout: Duration,
    ) -> std::result::Result<(), StoreError> {
        let done = told(entry(service, target, timeout).and_then(|it| it.set_secret(value.expose())))?;
        done.ok_or_else(|| StoreError::Broken("it does not take entries".into()))
    }

    pub(crate) fn remove(service: &str, target: &str, timeout: Duration) -> std::result::Result<bool, StoreError> {
        Ok(told(entry(service, target, timeout).and_then(|it| it.delete_credential()))?.is_some())
    }

    pub(crate) fn targets(service: &str, timeout: Duration) -> std::result::Result<Vec<String>, StoreError> {
        let service = service.to_owned();
        let listed = open().and_then(|()| bounded("listing the keys", limits(timeout), move || listed(&service)));
        Ok(told(listed)?.unwrap_or_default())
    }
}

#[cfg(target_os = "macos")]
fn named(service: &str, target: &str) -> Result<Entry> {
    Entry::new(service, target)
}

#[cfg(windows)]
fn named(service: &str, target: &str) -> Result<Entry> {
    let whole = format!("{service}/{target}");
    Entry::new_with_modifiers(service, target, &HashMap::from([("target", whole.as_str()), ("persistence", "Local")]))
}

#[cfg(target_os = "macos")]
fn place(key: &KeyName) -> Result<Entry> {
    Entry::new(SERVICE, &key.to_string())
}

#[cfg(target_os = "macos")]
fn private_place() -> Result<Entry> {
    Entry::new(PRIVATE_SERVICE, PRIVATE_ACCOUNT)
}

#[cfg(windows)]
fn private_place() -> Result<Entry> {
    let target = format!("{PRIVATE_SERVICE}/{PRIVATE_ACCOUNT}");
    Entry::new_with_modifiers(
        PRIVATE_SERVICE,
        PRIVATE_ACCOUNT,
        &HashMap::from([("target", target.as_str()), ("persistence", "Local")]),
    )
}

#[cfg(target_os = "macos")]
fn describe(_entry: &Entry, _key: &KeyName) -> Result<()> {
    Ok(())
}

// A search loads attributes alone. keyring's own look at an entry reads its value, and so may open a dialog.
#[cfg(target_os = "macos")]
fn exists(entry: &Entry) -> Result<()> {
    let (service, account) = entry.get_specifiers().ok_or(Error::NoEntry)?;
    match Entry::search(&HashMap::from([("service", service.as_str()), ("user", account.as_str())]))?.is_empty() {
        true => Err(Error::NoEntry),
        false => Ok(()),
    }
}

fn accounts() -> Result<Vec<String>> {
    listed(SERVICE)
}

#[cfg(target_os = "macos")]
fn listed(service: &str) -> Result<Vec<String>> {
    let found = Entry::search(&HashMap::from([("service", service)]))?;
    Ok(found.iter().filter_map(Entry::get_specifiers).map(|(_, account)| account).collect())
}

#[cfg(windows)]
fn place(key: &KeyName) -> Result<Entry> {
    let target = format!("{SERVICE}/{key}");
    // The crate's default would let the key roam to the user's other machines in a domain.
    let modifiers = HashMap::from([("target", target.as_str()), ("persistence", "Local")]);
    Entry::new_with_modifiers(SERVICE, key.alias.as_str(), &modifiers)
}

// With a target of its own the crate stores no user name. Killed before this call, the entry lacks only what the
// system's own window shows.
#[cfg(windows)]
fn describe(entry: &Entry, key: &KeyName) -> Result<()> {
    entry.update_attributes(&HashMap::from([("username", key.alias.as_str())]))
}

#[cfg(windows)]
fn exists(entry: &Entry) -> Result<()> {
    entry.get_attributes().map(drop)
}

#[cfg(windows)]
fn listed(service: &str) -> Result<Vec<String>> {
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
        assert_eq!(whole(cause.as_ref()), StoreError::Timeout { doing: "waiting".into(), after });
        drop(hold);
    }

    #[cfg(windows)]
    mod windows {
        use super::super::super::super::Store;
        use super::*;
        use crate::secret::MAX_KEY;

        fn store(folder: &std::path::Path) -> SystemStore {
            let env = Env::from_pairs([("USERPROFILE", folder), ("APPDATA", folder), ("LOCALAPPDATA", folder)]);
            let paths = Paths::new(&env).expect("absolute");
            SystemStore::new(&paths, &env, Duration::from_secs(10), Prompt::Never)
        }

        #[test]
        fn a_key_is_stored_under_its_target_with_its_alias_as_user_name() {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let (store, key) = (store(folder.path()), "ringlet-test/round.trip".parse().expect("valid"));
            store.set(&key, &Secret::new(b"\xffsk-one\0".to_vec())).expect("stored");
            assert_eq!(store.get(&key).expect("there").expose(), b"\xffsk-one\0");
            store.set(&key, &Secret::new(vec![b'k'; MAX_KEY])).expect("replaced by the largest there may be");
            assert_eq!(store.get(&key).expect("there").expose(), [b'k'; MAX_KEY]);
            let attributes = store.entry(&key).expect("named").get_attributes().expect("there");
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
            assert_eq!(whole(cause.as_ref()), StoreError::Absent(Missing::Keychain("no session".into())));
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
