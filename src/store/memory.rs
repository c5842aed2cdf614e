//! A store in memory, for tests and rehearsals; it forgets everything with the process.

use super::{Store, StoreError};
use crate::name::KeyName;
use crate::secret::Secret;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Keys in this process alone.
#[derive(Default)]
pub(crate) struct MemoryStore(RefCell<BTreeMap<KeyName, Secret>>);

impl Store for MemoryStore {
    fn place(&self) -> String {
        "memory".into()
    }
    fn get(&self, key: &KeyName) -> Result<Secret, StoreError> {
        match self.0.borrow().get(key) {
            Some(secret) => Ok(Secret::new(secret.expose().to_vec())),
            None => Err(StoreError::NotFound { place: self.place(), key: key.clone() }),
        }
    }
    fn contains(&self, key: &KeyName) -> Result<bool, StoreError> {
        Ok(self.0.borrow().contains_key(key))
    }
    fn set(&self, key: &KeyName, secret: &Secret) -> Result<(), StoreError> {
        self.0.borrow_mut().insert(key.clone(), Secret::new(secret.expose().to_vec()));
        Ok(())
    }
    fn remove(&self, key: &KeyName) -> Result<(), StoreError> {
        match self.0.borrow_mut().remove(key) {
            Some(_) => Ok(()),
            None => Err(StoreError::NotFound { place: self.place(), key: key.clone() }),
        }
    }
    fn names(&self) -> Result<BTreeSet<KeyName>, StoreError> {
        Ok(self.0.borrow().keys().cloned().collect())
    }
    fn unlock(&self) -> Result<(), StoreError> {
        Ok(())
    }
    fn private_secret(&self) -> Result<Secret, StoreError> {
        Ok(Secret::new(b"a rehearsal has no secret".to_vec()))
    }
}
