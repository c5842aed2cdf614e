//! The OS keychain: Secret Service, macOS' Keychain, Windows' Credential Manager; and the index of the keys in it.

mod index;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(target_os = "macos", windows))]
mod native;

pub(super) use index::Index;
#[cfg(target_os = "linux")]
use linux::System;
#[cfg(any(target_os = "macos", windows))]
use native::System;

use super::{Detail, Item, ItemName, Prompt, Query, SERVICE, Store, StoreError};
use crate::env::Env;
use crate::paths::Paths;
use crate::secret::Secret;
use std::time::Duration;

/// The OS keychain of this session.
pub(crate) struct Keychain {
    system: System,
    index: Index,
    is_by_rule: bool,
}

impl Keychain {
    /// Nothing is connected yet.
    pub(crate) fn new(paths: &Paths, env: &Env, timeout: Duration, prompt: Prompt) -> Self {
        Self { system: System::new(paths, env, timeout, prompt), index: Index::new(paths.names()), is_by_rule: false }
    }

    /// The same for keys that a rule of the settings has in the keychain: where there is none, the rule is named.
    pub(super) fn by_rule(self) -> Self {
        Self { is_by_rule: true, ..self }
    }

    fn told<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        match done {
            Err(StoreError::Absent(missing)) if self.is_by_rule => Err(StoreError::AbsentByRule(missing)),
            done => done,
        }
    }

    // Only names of keys are indexed. An account that is none cannot have been stored by Ringlet.
    fn note(&self, name: ItemName<'_>, is_there: bool) -> Result<(), StoreError> {
        match name.account.parse() {
            Ok(key) if name.service == SERVICE => {
                self.index.change(|names| if is_there { names.insert(key) } else { names.remove(&key) })
            }
            _ => Ok(()),
        }
    }
}

impl Store for Keychain {
    fn place(&self) -> String {
        "the keychain".into()
    }
    fn get(&self, name: ItemName<'_>, detail: Detail) -> Result<Option<Item>, StoreError> {
        self.told(self.system.get(name, detail))
    }
    fn put(
        &self,
        name: ItemName<'_>,
        value: &Secret,
        attributes: Option<&[(String, String)]>,
    ) -> Result<(), StoreError> {
        self.told(self.system.put(name, value, attributes))?;
        self.note(name, true)
    }
    fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError> {
        let was_there = self.told(self.system.delete(name))?;
        self.note(name, false)?;
        Ok(was_there)
    }
    fn list(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError> {
        self.told(self.system.list(query))
    }
    fn state(&self) -> Result<(), StoreError> {
        self.told(self.system.state())
    }
    fn unlock(&self, service: &str) -> Result<(), StoreError> {
        self.told(self.system.unlock(service))
    }
    fn locked_collection(&self, service: &str) -> Result<Option<String>, StoreError> {
        self.told(self.system.locked_collection(service))
    }
    fn unlock_with(&self, collection: &str, password: &Secret) -> Result<(), StoreError> {
        self.system.unlock_with(collection, password)
    }
}
