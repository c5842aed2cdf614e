//! Ringlet's own keys in a store, by their names.

use super::file::FileStore;
use super::keychain::Index;
use super::{Detail, Include, ItemName, Missing, PRIVATE_ACCOUNT, PRIVATE_SERVICE, Query, SERVICE, Store, StoreError};
use crate::name::KeyName;
use crate::paths::Paths;
use crate::secret::Secret;
use std::path::PathBuf;

/// The keys in a store.
pub(crate) struct Keys {
    store: Box<dyn Store>,
    index: Index,
}

const PRIVATE: ItemName<'static> = ItemName { service: PRIVATE_SERVICE, account: PRIVATE_ACCOUNT };

impl Keys {
    /// The keys of a store, and the file that indexes those of the keychain.
    pub(super) fn new(store: Box<dyn Store>, index: PathBuf) -> Self {
        Self { store, index: Index::new(index) }
    }

    /// The keys of a store of the test's own, which has no index.
    #[cfg(test)]
    pub(crate) fn of(store: impl Store + 'static) -> Self {
        Self::new(Box::new(store), "/nonexistent/names".into())
    }

    /// What the store is called in messages.
    pub(crate) fn place(&self) -> String {
        self.store.place()
    }

    /// Looks one key up.
    pub(crate) fn get(&self, key: &KeyName) -> Result<Secret, StoreError> {
        let account = key.to_string();
        let found = self.store.get(own(&account), Detail::Value)?.and_then(|item| item.value);
        found.ok_or_else(|| self.not_found(key))
    }

    /// Reports whether the key is there, without reading its value.
    pub(crate) fn contains(&self, key: &KeyName) -> Result<bool, StoreError> {
        Ok(self.store.get(own(&key.to_string()), Detail::Presence)?.is_some())
    }

    /// Stores a key, replacing an older value.
    pub(crate) fn set(&self, key: &KeyName, secret: &Secret) -> Result<(), StoreError> {
        self.store.put(own(&key.to_string()), secret, None)
    }

    /// Takes a key away.
    pub(crate) fn remove(&self, key: &KeyName) -> Result<(), StoreError> {
        if self.store.delete(own(&key.to_string()))? { Ok(()) } else { Err(self.not_found(key)) }
    }

    /// The names of all keys, sorted and each once. The keychain's own listing decides; accounts that are no names of
    /// keys are other tools' entries. Where the keychain is locked and tells no names, the index does.
    pub(crate) fn names(&self) -> Result<Vec<KeyName>, StoreError> {
        self.names_with_progress(&|_, _| ())
    }

    /// The names of all keys, as [`Self::names`] returns them. `progress` is told how many of how many are listed.
    pub(crate) fn names_with_progress(&self, progress: &dyn Fn(usize, usize)) -> Result<Vec<KeyName>, StoreError> {
        let query = Query { service: SERVICE, include: Include::Names, prefix: "", wanted: &|_| true, progress };
        match self.store.list(&query) {
            Ok(items) => {
                let mut names = Vec::with_capacity(items.len());
                names.extend(items.iter().filter_map(|item| item.account.parse::<KeyName>().ok()));
                names.sort();
                names.dedup();
                Ok(names)
            }
            Err(StoreError::Locked) => Ok(self.index.read()?.into_iter().collect()),
            Err(error) => Err(error),
        }
    }

    /// Makes the keys usable, asking the user in a dialog where that is needed and allowed.
    pub(crate) fn unlock(&self) -> Result<(), StoreError> {
        self.store.unlock(SERVICE)
    }

    /// What is locked and can be opened with a password, as the store calls it; nothing where all is open.
    pub(crate) fn locked_collection(&self) -> Result<Option<String>, StoreError> {
        self.store.locked_collection(SERVICE)
    }

    /// Unlocks what [`Self::locked_collection`] named.
    pub(crate) fn unlock_with(&self, collection: &str, password: &Secret) -> Result<(), StoreError> {
        self.store.unlock_with(collection, password)
    }

    /// The secret by which `migrate` recognises values, made when it is first asked for. It has a service of its own,
    /// so that no listing shows it.
    pub(crate) fn private_secret(&self) -> Result<Secret, StoreError> {
        let read = || self.store.get(PRIVATE, Detail::Value).map(|found| found.and_then(|item| item.value));
        if let Some(found) = read()? {
            return Ok(found);
        }
        let made = Secret::fresh().map_err(|error| StoreError::Broken(error.to_string()))?;
        self.store.put(PRIVATE, &made, None)?;
        // What the store returns is what counts: another run may have been quicker.
        read()?.ok_or_else(|| StoreError::Broken(format!("{} has lost what it took", self.place())))
    }

    /// What was missing when the file stood in for the keychain, in any operation so far.
    pub(crate) fn fell_back(&self) -> Option<Missing> {
        self.store.fell_back()
    }

    fn not_found(&self, key: &KeyName) -> StoreError {
        StoreError::NotFound { place: self.place(), key: key.clone() }
    }
}

fn own(account: &str) -> ItemName<'_> {
    ItemName { service: SERVICE, account }
}

/// The plain file, where keys that are in another store have left one of the same name there.
pub(crate) fn copy_in_file(paths: &Paths, used: &Keys, key: &KeyName) -> Option<PathBuf> {
    let file = Keys::new(Box::new(FileStore::new(paths)), paths.names());
    (file.place() != used.place() && file.contains(key).is_ok_and(|there| there)).then(|| paths.credentials())
}
