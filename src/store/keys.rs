//! Ringlet's own keys in a store, by their names.

use super::file::FileStore;
use super::keychain::Index;
use super::routes::Routes;
use super::{
    Borrower, Change, Class, Detail, Include, ItemName, Lent, Missing, PRIVATE_ACCOUNT, PRIVATE_SERVICE, Query,
    SERVICE, Store, StoreError,
};
use crate::config::Kept;
use crate::hint::Hint;
use crate::name::{KeyName, StoreName};
use crate::paths::Paths;
use crate::secret::Secret;
use std::path::PathBuf;

/// The keys in a store.
pub(crate) struct Keys {
    routes: Routes<dyn Store>,
    index: Index,
}

/// The names of the keys in all stores.
pub(crate) struct Listing {
    /// The keys, sorted.
    pub keys: Vec<KeyName>,
    /// Why the usual store did not say what is in it.
    pub usual_failed: Option<StoreError>,
    /// Why other ones did not.
    pub failed: Vec<StoreError>,
    /// What the stores are called that may have more keys, and list none.
    pub silent: Vec<String>,
}

impl Listing {
    /// The stores that did not say what is in them, the usual one first.
    pub(crate) fn all_failed(self) -> impl Iterator<Item = StoreError> {
        self.usual_failed.into_iter().chain(self.failed)
    }
}

const PRIVATE: ItemName<'static> = ItemName { service: PRIVATE_SERVICE, account: PRIVATE_ACCOUNT };

impl Keys {
    /// The keys in these stores, and the file that indexes those of the keychain.
    pub(super) fn new(routes: Routes<dyn Store>, index: PathBuf) -> Self {
        Self { routes, index: Index::new(index) }
    }

    /// The keys of a store of the test's own, which has no index.
    #[cfg(test)]
    pub(crate) fn of(store: impl Store + 'static) -> Self {
        Self::new(Routes::to(Box::new(store)), "/nonexistent/names".into())
    }

    /// What the usual store is called in messages.
    pub(crate) fn place(&self) -> String {
        self.routes.usual().place()
    }

    /// Reports whether a key is in the usual store.
    pub(crate) fn is_in_usual(&self, key: &KeyName) -> bool {
        self.routes.is_of(self.routes.usual(), key)
    }

    /// What the usual store is called, if it has an entry of the name of a key that a rule keeps elsewhere.
    pub(crate) fn also_in_usual(&self, key: &KeyName) -> Option<String> {
        let usual = self.routes.usual();
        let is_there = || matches!(usual.peek(own(&key.to_string())), Ok(Some(true)));
        (!self.is_in_usual(key) && is_there()).then(|| usual.place())
    }

    /// What the store of a key is called in messages.
    pub(crate) fn place_of(&self, key: &KeyName) -> String {
        self.routes.of(key).place()
    }

    /// Looks one key up.
    pub(crate) fn get(&self, key: &KeyName) -> Result<Secret, StoreError> {
        let account = key.to_string();
        let found = self.routes.of(key).get(own(&account), Detail::Value)?.and_then(|item| item.value);
        found.ok_or_else(|| self.not_found(key))
    }

    /// Looks one key up that is to be kept elsewhere. One that its store gives for a time alone is an error.
    pub(crate) fn get_to_keep(&self, key: &KeyName) -> Result<Secret, StoreError> {
        self.routes.of(key).get_to_keep(own(&key.to_string()))?.ok_or_else(|| self.not_found(key))
    }

    /// Looks one key up for a launch. [`Self::finish`] follows the last one.
    pub(crate) fn lend(&self, key: &KeyName, to: Borrower) -> Result<Lent, StoreError> {
        self.routes.of(key).lend(own(&key.to_string()), to)?.ok_or_else(|| self.not_found(key))
    }

    /// Ends what was opened to lend keys.
    pub(crate) fn finish(&self) {
        self.routes.ruled().for_each(Store::finish);
    }

    /// What the user is to know of the keys that were looked up or changed.
    pub(crate) fn notes(&self) -> Vec<String> {
        std::iter::once(self.routes.usual()).chain(self.routes.ruled()).flat_map(Store::notes).collect()
    }

    /// Reports whether the key is there. Of some stores only the value tells, which is read then.
    pub(crate) fn contains(&self, key: &KeyName) -> Result<bool, StoreError> {
        Ok(self.routes.of(key).get(own(&key.to_string()), Detail::Presence)?.is_some())
    }

    /// Reports whether the key is there, without reading its value; `None` where only the value tells.
    pub(crate) fn peek(&self, key: &KeyName) -> Result<Option<bool>, StoreError> {
        self.routes.of(key).peek(own(&key.to_string()))
    }

    /// Reports whether the store of a key can do this to it at all.
    pub(crate) fn can(&self, change: Change, key: &KeyName) -> Result<(), StoreError> {
        self.routes.of(key).can(change, own(&key.to_string()))
    }

    /// Stores a key, replacing an older value.
    pub(crate) fn set(&self, key: &KeyName, secret: &Secret) -> Result<(), StoreError> {
        self.routes.of(key).put(own(&key.to_string()), secret, None)
    }

    /// How there comes to be a key of this name in its store: by Ringlet where it stores keys there, else by the
    /// store's own tool.
    pub(crate) fn cure(&self, key: &KeyName) -> Hint {
        match self.can(Change::Set, key) {
            Err(unable @ StoreError::InStore { class: Class::Unable, .. }) => Hint::from(unable.to_string()),
            Ok(()) | Err(_) => Hint::run(key.set_command()),
        }
    }

    /// Takes a key away.
    pub(crate) fn remove(&self, key: &KeyName) -> Result<(), StoreError> {
        if self.routes.of(key).delete(own(&key.to_string()))? { Ok(()) } else { Err(self.not_found(key)) }
    }

    /// The names of all keys, sorted and each once. A store that does not tell them is an error.
    pub(crate) fn names(&self) -> Result<Vec<KeyName>, StoreError> {
        self.names_from("")
    }

    /// The names of all keys that begin so, as [`Self::names`] has them.
    pub(crate) fn names_from(&self, prefix: &str) -> Result<Vec<KeyName>, StoreError> {
        let mut listing = self.listing(prefix, &|_, _| ());
        let keys = std::mem::take(&mut listing.keys);
        listing.all_failed().next().map_or(Ok(keys), Err)
    }

    /// The names of the keys in the usual store, and of those that a rule names. No program is run for it.
    pub(crate) fn names_at_hand(&self) -> Result<Vec<KeyName>, StoreError> {
        let mut keys = self.names_of(self.routes.usual(), &|_, _| ())?;
        keys.extend(self.routes.ruled_keys());
        Ok(sorted(keys))
    }

    /// The names of all keys that begin so. `progress` is told how many of how many are listed. A store's own listing
    /// decides; accounts that are no names of keys are other tools' entries, and a key counts where its rule says that
    /// it is.
    pub(crate) fn listing(&self, prefix: &str, progress: &dyn Fn(usize, usize)) -> Listing {
        let (mut keys, mut usual_failed, mut failed, mut silent) = (Vec::new(), None, Vec::new(), Vec::new());
        for store in self.routes.concerned(prefix) {
            if !store.lists_all() {
                silent.push(store.place());
            }
            match self.names_of(store, progress) {
                Ok(names) if keys.is_empty() => keys = names,
                Ok(names) => keys.extend(names),
                Err(error) if std::ptr::addr_eq(store, self.routes.usual()) => usual_failed = Some(error),
                Err(error) => failed.push(error),
            }
        }
        if !prefix.is_empty() {
            keys.retain(|key| key.to_string().starts_with(prefix));
        }
        Listing { keys: sorted(keys), usual_failed, failed, silent }
    }

    // Where the keychain is locked and tells no names, the index does.
    fn names_of(&self, store: &dyn Store, progress: &dyn Fn(usize, usize)) -> Result<Vec<KeyName>, StoreError> {
        let query = Query { service: SERVICE, include: Include::Names, prefix: "", wanted: &|_| true, progress };
        let is_its = |key: &KeyName| self.routes.is_of(store, key);
        match store.list(&query) {
            Ok(items) => {
                let mut names = Vec::with_capacity(items.len());
                names.extend(items.iter().filter_map(|item| item.account.parse::<KeyName>().ok()).filter(is_its));
                Ok(names)
            }
            Err(StoreError::Locked) => Ok(self.index.read()?.into_iter().filter(is_its).collect()),
            Err(error) => Err(error),
        }
    }

    /// Makes the keys usable, asking the user in a dialog where that is needed and allowed.
    pub(crate) fn unlock(&self) -> Result<(), StoreError> {
        self.routes.usual().unlock(SERVICE)
    }

    /// A key of a store that the settings name, to ask it for; nothing where none is known.
    pub(crate) fn any_of(&self, name: &StoreName) -> Result<Option<KeyName>, StoreError> {
        let kept = Kept::Named(name.clone());
        if let Some(key) = self.routes.key_of(&kept) {
            return Ok(Some(key));
        }
        let Some(store) = self.routes.named(&kept) else { return Ok(None) };
        Ok(self.names_of(store, &|_, _| ())?.into_iter().next())
    }

    /// Has the store of a key ask the person for what it needs to give it.
    pub(crate) fn unlock_for(&self, key: &KeyName) -> Result<(), StoreError> {
        self.routes.of(key).unlock_item(own(&key.to_string()))
    }

    /// What is locked and can be opened with a password, as the store calls it; nothing where all is open.
    pub(crate) fn locked_collection(&self) -> Result<Option<String>, StoreError> {
        self.routes.usual().locked_collection(SERVICE)
    }

    /// Unlocks what [`Self::locked_collection`] named.
    pub(crate) fn unlock_with(&self, collection: &str, password: &Secret) -> Result<(), StoreError> {
        self.routes.usual().unlock_with(collection, password)
    }

    /// The secret by which `migrate` recognises values, made when it is first asked for. It has a service of its own,
    /// so that no listing shows it.
    pub(crate) fn private_secret(&self) -> Result<Secret, StoreError> {
        let read = || self.routes.usual().get(PRIVATE, Detail::Value).map(|found| found.and_then(|item| item.value));
        if let Some(found) = read()? {
            return Ok(found);
        }
        let made = Secret::fresh().map_err(|error| StoreError::Broken(error.to_string()))?;
        self.routes.usual().put(PRIVATE, &made, None)?;
        // What the store returns is what counts: another run may have been quicker.
        read()?.ok_or_else(|| StoreError::Broken(format!("{} has lost what it took", self.place())))
    }

    /// What was missing when the file stood in for the keychain, in any operation so far.
    pub(crate) fn fell_back(&self) -> Option<Missing> {
        self.routes.usual().fell_back()
    }

    fn not_found(&self, key: &KeyName) -> StoreError {
        StoreError::NotFound { place: self.place_of(key), key: key.clone() }
    }
}

fn sorted(mut keys: Vec<KeyName>) -> Vec<KeyName> {
    keys.sort();
    keys.dedup();
    keys
}

fn own(account: &str) -> ItemName<'_> {
    ItemName { service: SERVICE, account }
}

/// The plain file, where keys that are in another store have left one of the same name there.
pub(crate) fn copy_in_file(paths: &Paths, used: &Keys, key: &KeyName) -> Option<PathBuf> {
    let file = FileStore::new(paths);
    let is_there = || file.get(own(&key.to_string()), Detail::Presence).is_ok_and(|found| found.is_some());
    (file.place() != used.place_of(key) && is_there()).then(|| paths.credentials())
}
