//! Items of every service, as the daemon reads and writes them for its clients.
//!
//! The stores are those that [`super::open`] opens, without Ringlet's own naming. Nobody is ever asked anything. Any
//! number of threads may use it at once.

use super::fallback::WhileAbsent;
use super::routes::Routes;
use super::{Detail, Include, Item, ItemName, Opening, Prompt, Query, SERVICE, Store, StoreError, Unopened};
use crate::config::{Settings, Stores};
use crate::env::Env;
use crate::name::KeyName;
use crate::paths::Paths;
use crate::secret::Secret;
use std::collections::BTreeMap;

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
pub struct Items(Routes<dyn Store + Send + Sync>);

impl Items {
    /// Those of this session; nothing is connected yet. Nobody is asked anything, whatever the opening says.
    pub(crate) fn open(opening: &Opening<'_>) -> Self {
        let opening = Opening { prompt: Prompt::Nobody, ..*opening };
        Self(Routes::open(&opening, WhileAbsent::Refuse))
    }

    /// Those of this session, without the stores that the settings name.
    pub fn new(settings: &Settings, paths: &Paths, env: &Env) -> Self {
        let settings = Settings { stores: Stores::default(), ..settings.clone() };
        let (programs, tools_env, prompt) = (BTreeMap::new(), Env::default(), Prompt::Never);
        let (settings, programs, tools_env) = (&settings, &programs, &tools_env);
        Self::open(&Opening { settings, paths, env, programs, tools_env, prompt })
    }

    /// Looks one item up; `None` when there is none. That an item has no attributes may be remembered for some seconds;
    /// what is to be changed is read with [`Self::get_current`].
    pub(crate) fn get(&self, service: &str, account: &str) -> Result<Option<Item>, StoreError> {
        let name = ItemName { service, account };
        self.0.of_item(name).get(name, Detail::Recent)
    }

    /// Looks one item up with everything as it is now.
    pub(crate) fn get_current(&self, service: &str, account: &str) -> Result<Option<Item>, StoreError> {
        let name = ItemName { service, account };
        self.0.of_item(name).get(name, Detail::Current)
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
        let name = ItemName { service, account };
        self.0.of_item(name).put(name, value, attributes)
    }

    /// Takes an item away; `false` when there is none.
    pub(crate) fn remove(&self, service: &str, account: &str) -> Result<bool, StoreError> {
        check_key_name(service, account)?;
        let name = ItemName { service, account };
        self.0.of_item(name).delete(name)
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
        let mut listed = Vec::new();
        let stores: Vec<_> = match service {
            SERVICE => self.0.concerned(prefix).collect(),
            _ => vec![self.0.usual()],
        };
        for store in stores {
            // A key that a rule keeps elsewhere is not this one.
            let is_its = |account: &str| {
                let key = ItemName { service, account }.key();
                wanted(account) && key.is_none_or(|key| self.0.is_of(store, &key))
            };
            listed.extend(store.list(&Query { service, include, prefix, wanted: &is_its, progress: &|_, _| () })?);
        }
        listed.sort_by(|a, b| a.account.cmp(&b.account));
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
        match self.0.usual().state() {
            Ok(()) => State::Ready,
            Err(StoreError::Locked) => State::Locked,
            Err(StoreError::Unopened(Unopened::Locked)) => State::Locked,
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
