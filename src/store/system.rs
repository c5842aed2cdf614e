//! The OS keychain: Secret Service, macOS Keychain, Windows Credential Manager.
//!
//! All three are reached through keyring-core's traits; `native` holds what differs. Values are read and written as
//! bytes: the text calls convert, and an error of theirs carries the value in its `Debug`, so no keyring error is ever
//! printed with `{:?}` or kept.

use super::names::Names;
use super::{PRIVATE_ACCOUNT, PRIVATE_SERVICE, Prompt, SERVICE, Store, StoreError};
use crate::env::Env;
use crate::name::KeyName;
use crate::paths::Paths;
use crate::secret::Secret;
use keyring_core::{Entry, Error};
use native::Native;
use std::collections::BTreeSet;
use std::time::Duration;

/// The OS keychain.
pub(crate) struct SystemStore {
    native: Native,
    names: Names,
    timeout: Duration,
}

impl SystemStore {
    /// The keychain of this session; nothing is connected yet.
    pub(crate) fn new(paths: &Paths, env: &Env, timeout: Duration, prompt: Prompt) -> Self {
        Self { native: Native::new(env, timeout, prompt), names: Names::new(paths.names()), timeout }
    }

    fn entry(&self, key: &KeyName) -> Result<Entry, StoreError> {
        self.native.entry(key).map_err(|error| self.translate(key, error))
    }

    fn translate(&self, key: &KeyName, error: Error) -> StoreError {
        match error {
            Error::NoEntry => StoreError::NotFound { place: self.place(), key: key.clone() },
            Error::Ambiguous(entries) => {
                let entries = (1..=entries.len()).map(|at| format!("entry {at}")).collect();
                StoreError::Ambiguous { key: key.clone(), entries }
            }
            Error::NoStorageAccess(cause) | Error::PlatformFailure(cause) => {
                native::translate(key, cause.as_ref(), self.timeout)
            }
            Error::TooLong(_, limit) => StoreError::Broken(format!("it takes at most {limit} characters")),
            // The other variants may carry the value; their kind alone is passed on.
            _ => StoreError::Broken("it does not work as it should".into()),
        }
    }
}

impl Store for SystemStore {
    fn place(&self) -> String {
        "the keychain".into()
    }

    fn get(&self, key: &KeyName) -> Result<Secret, StoreError> {
        self.entry(key)?.get_secret().map(Secret::new).map_err(|error| self.translate(key, error))
    }

    fn contains(&self, key: &KeyName) -> Result<bool, StoreError> {
        match self.entry(key)?.get_credential().map_err(|error| self.translate(key, error)) {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn set(&self, key: &KeyName, secret: &Secret) -> Result<(), StoreError> {
        self.native.set(&self.entry(key)?, key, secret).map_err(|error| self.translate(key, error))?;
        self.names.change(|names| names.insert(key.clone()))
    }

    fn remove(&self, key: &KeyName) -> Result<(), StoreError> {
        let done = self.entry(key)?.delete_credential().map_err(|error| self.translate(key, error));
        if matches!(done, Ok(()) | Err(StoreError::NotFound { .. })) {
            self.names.change(|names| names.remove(key))?;
        }
        done
    }

    fn names(&self) -> Result<BTreeSet<KeyName>, StoreError> {
        let indexed = self.names.read()?;
        match self.native.accounts() {
            // What the keychain itself lists is the truth; names that are none of ours are other tools' entries.
            Some(Ok(accounts)) => Ok(accounts.iter().filter_map(|account| account.parse().ok()).collect()),
            Some(Err(StoreError::Locked)) | None => Ok(indexed),
            Some(Err(error)) => Err(error),
        }
    }

    fn unlock(&self) -> Result<(), StoreError> {
        self.native.unlock()
    }

    fn locked_collection(&self) -> Result<Option<String>, StoreError> {
        self.native.locked_collection()
    }

    fn unlock_with(&self, collection: &str, password: &Secret) -> Result<(), StoreError> {
        self.native.unlock_with(collection, password)
    }

    fn private_secret(&self) -> Result<Secret, StoreError> {
        // Only for messages; the entry itself has a service of its own.
        let key: KeyName = "ringlet/private".parse().expect("a valid name");
        let entry = self.native.private().map_err(|error| self.translate(&key, error))?;
        match entry.get_secret() {
            Ok(found) => return Ok(Secret::new(found)),
            Err(Error::NoEntry) => {}
            Err(error) => return Err(self.translate(&key, error)),
        }
        let made = super::fresh_secret()?;
        entry.set_secret(made.expose()).map_err(|error| self.translate(&key, error))?;
        // What the keychain gives back is what counts: another run may have been quicker.
        entry.get_secret().map(Secret::new).map_err(|error| self.translate(&key, error))
    }
}

#[cfg(target_os = "linux")]
mod native {
    use super::super::secret_service::{self, Options, SecretService, ServiceError};
    use super::super::{Missing, SCREENS};
    use super::*;
    use keyring_core::api::CredentialStoreApi;
    use std::error::Error as StdError;
    use std::sync::Arc;

    /// How long a person may take to answer a dialog.
    const PATIENCE: Duration = Duration::from_secs(60);

    pub(super) struct Native {
        service: Arc<SecretService>,
    }

    impl Native {
        pub(super) fn new(env: &Env, timeout: Duration, prompt: Prompt) -> Self {
            // Without a screen nobody could answer a dialog, and one on another screen is not this person's.
            let has_screen = SCREENS.iter().any(|name| env.non_empty(name).is_some());
            let prompt = match prompt {
                Prompt::Ask if has_screen => secret_service::Prompt::Ask(PATIENCE),
                Prompt::Ask | Prompt::Never => secret_service::Prompt::Never,
            };
            Self { service: SecretService::new(Options::new(env, timeout, prompt)) }
        }

        pub(super) fn entry(&self, key: &KeyName) -> keyring_core::Result<Entry> {
            self.service.build(SERVICE, &key.to_string(), None)
        }

        pub(super) fn private(&self) -> keyring_core::Result<Entry> {
            self.service.build(PRIVATE_SERVICE, PRIVATE_ACCOUNT, None)
        }

        pub(super) fn set(&self, entry: &Entry, _key: &KeyName, secret: &Secret) -> keyring_core::Result<()> {
            entry.set_secret(secret.expose())
        }

        pub(super) fn accounts(&self) -> Option<Result<Vec<String>, StoreError>> {
            Some(self.service.accounts(SERVICE).map_err(|error| whole(&error)))
        }

        pub(super) fn unlock(&self) -> Result<(), StoreError> {
            self.service.unlock(SERVICE).map_err(|error| whole(&error))
        }

        pub(super) fn locked_collection(&self) -> Result<Option<String>, StoreError> {
            self.service.locked_collection(SERVICE).map_err(|error| whole(&error))
        }

        pub(super) fn unlock_with(&self, collection: &str, password: &Secret) -> Result<(), StoreError> {
            self.service.unlock_with(collection, password.expose()).map_err(|error| whole(&error))
        }
    }

    // An error that is about no single key.
    pub(crate) fn whole(error: &ServiceError) -> StoreError {
        match error {
            ServiceError::Absent { why } => StoreError::Absent(Missing::Keychain(why.clone())),
            ServiceError::NoKeyring => StoreError::Absent(Missing::Keyring),
            ServiceError::NoDefault => StoreError::Absent(Missing::Default),
            ServiceError::Unconfirmed => StoreError::Unconfirmed,
            ServiceError::WrongPassword => StoreError::WrongPassword,
            ServiceError::NoPassword => StoreError::NoPassword,
            ServiceError::Unreachable { why } => StoreError::Unreachable(why.clone()),
            ServiceError::Locked => StoreError::Locked,
            ServiceError::Timeout { doing, after } => StoreError::Timeout { doing: (*doing).into(), after: *after },
            ServiceError::Dismissed => StoreError::Dismissed,
            other => StoreError::Broken(other.to_string()),
        }
    }

    pub(super) fn translate(
        key: &KeyName,
        cause: &(dyn StdError + Send + Sync + 'static),
        _timeout: Duration,
    ) -> StoreError {
        match cause.downcast_ref::<ServiceError>() {
            Some(ServiceError::Ambiguous { items }) => {
                StoreError::Ambiguous { key: key.clone(), entries: items.clone() }
            }
            Some(error) => whole(error),
            None => StoreError::Broken(cause.to_string()),
        }
    }
}

#[cfg(any(target_os = "macos", windows))]
mod native;

#[cfg(any(target_os = "macos", windows))]
pub(super) use native::services;
#[cfg(target_os = "linux")]
pub(super) use native::whole;
