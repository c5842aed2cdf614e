//! The Secret Service as the keychain: the client's errors in the store's terms, and the attributes it need not read
//! again.

use super::super::secret_service::{self, Content, Options, SecretService, ServiceError};
use super::super::{Detail, Include, Item, ItemName, Missing, PATIENCE, Prompt, Query, SCREENS, StoreError};
use crate::env::Env;
use crate::paths::Paths;
use crate::secret::Secret;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an item without attributes is not asked for them again: asking takes a third of a lookup's time. Attributes
/// that another program adds are seen that much later. The value is read each time.
const BARE_FOR: Duration = Duration::from_secs(5);
const MAX_BARE: usize = 1024;

pub(super) struct System {
    service: SecretService,
    // Items by their paths, and when each was seen to have no attributes of its own.
    bare: Mutex<HashMap<String, Instant>>,
}

impl System {
    pub(super) fn new(paths: &Paths, env: &Env, timeout: Duration, prompt: Prompt) -> Self {
        // Without a screen nobody could answer a dialog, and one on another screen is not this person's.
        let has_screen = SCREENS.iter().any(|name| env.non_empty(name).is_some());
        let patience = (prompt == Prompt::Ask && has_screen).then_some(PATIENCE);
        Self {
            service: SecretService::new(Options::new(env, timeout, patience, paths.listing())),
            bare: Mutex::default(),
        }
    }

    pub(super) fn get(&self, name: ItemName<'_>, detail: Detail) -> Result<Option<Item>, StoreError> {
        let ItemName { service, account } = name;
        let item = |attributes, value| Some(Item { account: account.to_owned(), attributes, value });
        let found = match detail {
            Detail::Presence => self.service.contains(service, account).map(|there| match there {
                true => item(Vec::new(), None),
                false => None,
            }),
            Detail::Value => {
                self.service.get(service, account).map(|value| item(Vec::new(), Some(Secret::from(value))))
            }
            Detail::Recent | Detail::Current => self.get_whole(service, account, detail).map(Some),
        };
        match found {
            Err(ServiceError::NotFound) => Ok(None),
            found => found.map_err(|error| in_store_terms(account, error)),
        }
    }

    fn get_whole(&self, service: &str, account: &str, detail: Detail) -> Result<Item, ServiceError> {
        let is_bare = |path: &str| {
            detail == Detail::Recent && self.bare().get(path).is_some_and(|seen| seen.elapsed() < BARE_FOR)
        };
        let (path, found) = self.service.item(service, account, &is_bare)?;
        if found.attributes.is_empty() && !is_bare(&path) {
            let mut bare = self.bare();
            if bare.len() >= MAX_BARE {
                bare.clear();
            }
            bare.insert(path, Instant::now());
        }
        Ok(of_store(found))
    }

    pub(super) fn put(
        &self,
        name: ItemName<'_>,
        value: &Secret,
        attributes: Option<&[(String, String)]>,
    ) -> Result<(), StoreError> {
        let done = self.service.set(name.service, name.account, value.expose(), attributes);
        self.bare().clear();
        done.map_err(|error| in_store_terms(name.account, error))
    }

    pub(super) fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError> {
        match self.service.remove(name.service, name.account) {
            Ok(()) => Ok(true),
            Err(ServiceError::NotFound) => Ok(false),
            Err(error) => Err(in_store_terms(name.account, error)),
        }
    }

    pub(super) fn list(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError> {
        if query.include == Include::Names {
            let mut accounts = self.service.accounts(query.service, query.progress)?;
            accounts.retain(|account| (query.wanted)(account));
            let item = |account| Item { account, attributes: Vec::new(), value: None };
            return Ok(accounts.into_iter().map(item).collect());
        }
        let content = if query.include == Include::Values { Content::Values } else { Content::Attributes };
        let listed = self.service.items(query.service, content, query.wanted)?;
        Ok(listed.into_iter().map(of_store).collect())
    }

    pub(super) fn state(&self) -> Result<(), StoreError> {
        Ok(self.service.usable()?)
    }

    pub(super) fn unlock(&self, service: &str) -> Result<(), StoreError> {
        Ok(self.service.unlock(service)?)
    }

    pub(super) fn locked_collection(&self, service: &str) -> Result<Option<String>, StoreError> {
        Ok(self.service.locked_collection(service)?)
    }

    pub(super) fn unlock_with(&self, collection: &str, password: &Secret) -> Result<(), StoreError> {
        Ok(self.service.unlock_with(collection, password.expose())?)
    }

    fn bare(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.bare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_store(found: secret_service::Item) -> Item {
    let secret_service::Item { account, attributes, value } = found;
    Item { account, attributes, value: value.map(Secret::from) }
}

// An error of an operation on one item.
fn in_store_terms(account: &str, error: ServiceError) -> StoreError {
    match error {
        ServiceError::Ambiguous { items } => StoreError::Ambiguous { account: account.to_owned(), entries: items },
        other => other.into(),
    }
}

impl From<ServiceError> for StoreError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Absent { why } => Self::Absent(Missing::Keychain(why)),
            ServiceError::NoKeyring => Self::Absent(Missing::Keyring),
            ServiceError::NoDefault => Self::Absent(Missing::Default),
            ServiceError::Unconfirmed => Self::Unconfirmed,
            ServiceError::WrongPassword => Self::WrongPassword,
            ServiceError::NoPassword => Self::NoPassword,
            ServiceError::Unreachable { why } => Self::Unreachable(why),
            ServiceError::Locked => Self::Locked,
            ServiceError::Timeout { doing, after } => Self::Timeout { doing: doing.into(), after },
            ServiceError::Dismissed => Self::Dismissed,
            other => Self::Broken(other.to_string()),
        }
    }
}
