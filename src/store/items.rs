//! Items of every service, as the daemon reads and writes them for its clients.
//!
//! The store is the one that [`super::open`] opens, without Ringlet's own naming. Nobody is ever asked anything. Any
//! number of threads may use it at once.

use super::fallback::WhileAbsent;
use super::{Detail, Include, Item, ItemName, Prompt, Query, SERVICE, Store, StoreError, backend};
use crate::config::Settings;
use crate::env::Env;
use crate::name::KeyName;
use crate::paths::Paths;
use crate::secret::Secret;

/// The state of the keychain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// It can be used.
    Ready,
    /// It is there and locked.
    Locked,
    /// There is none; the file stands in for it where the settings allow that.
    Absent,
    /// It is there and does not work.
    Broken(String),
}

/// The items of every service.
pub struct Items(Box<dyn Store + Send + Sync>);

impl Items {
    /// Those of this session; nothing is connected yet.
    pub fn new(settings: &Settings, paths: &Paths, env: &Env) -> Self {
        Self(backend(settings, paths, env, Prompt::Never, WhileAbsent::Refuse))
    }

    /// Looks one item up; `None` when there is none. That an item has no attributes may be remembered for some seconds;
    /// what is to be changed is read with [`Self::get_current`].
    pub(crate) fn get(&self, service: &str, account: &str) -> Result<Option<Item>, StoreError> {
        self.0.get(ItemName { service, account }, Detail::Recent)
    }

    /// Looks one item up with everything as it is now.
    pub(crate) fn get_current(&self, service: &str, account: &str) -> Result<Option<Item>, StoreError> {
        self.0.get(ItemName { service, account }, Detail::Current)
    }

    /// Stores a value as [`Store::put`] does; in a file only where the settings name it. An account of Ringlet's own
    /// service must be a key's name.
    pub(crate) fn set(
        &self,
        service: &str,
        account: &str,
        value: &Secret,
        attributes: Option<&[(String, String)]>,
    ) -> Result<(), StoreError> {
        check_key_name(service, account)?;
        self.0.put(ItemName { service, account }, value, attributes)
    }

    /// Takes an item away; `false` when there is none.
    pub(crate) fn remove(&self, service: &str, account: &str) -> Result<bool, StoreError> {
        check_key_name(service, account)?;
        self.0.delete(ItemName { service, account })
    }

    /// The items of a service whose account begins with the prefix and is wanted, sorted by it. Two items of one
    /// account are an error.
    pub(crate) fn list(
        &self,
        service: &str,
        include: Include,
        prefix: &str,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<Item>, StoreError> {
        let listed = self.0.list(&Query { service, include, prefix, wanted, progress: &|_, _| () })?;
        match listed.windows(2).find(|pair| pair[0].account == pair[1].account) {
            Some(pair) => {
                let entries = vec!["entry 1".into(), "entry 2".into()];
                Err(StoreError::Ambiguous { account: pair[0].account.clone(), entries })
            }
            None => Ok(listed),
        }
    }

    /// Reports whether the keychain can be used now.
    pub(crate) fn state(&self) -> State {
        match self.0.state() {
            Ok(()) => State::Ready,
            Err(StoreError::Locked) => State::Locked,
            Err(StoreError::Absent(_)) => State::Absent,
            Err(other) => State::Broken(other.to_string()),
        }
    }
}

fn check_key_name(service: &str, account: &str) -> Result<(), StoreError> {
    match service == SERVICE && account.parse::<KeyName>().is_err() {
        true => Err(StoreError::Broken("the target is no name of a key".into())),
        false => Ok(()),
    }
}
