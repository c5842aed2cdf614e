//! The keychain, and the file where there is none. Only `Absent` leads to the file: an error of any other class, such
//! as a locked keychain, is the caller's.

use super::{Borrower, Detail, Item, ItemName, Lent, Missing, Query, Store, StoreError};
use crate::secret::Secret;
use std::sync::{Mutex, PoisonError};

/// What becomes of a value that is to be stored while there is no keychain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhileAbsent {
    /// The file takes it.
    Write,
    /// The error is returned. If the keychain only starts late, an entry in the file would be hidden from then on.
    Refuse,
}

/// A store, and another that stands in for it where it is absent.
pub(super) struct WithFallback<S, F> {
    store: S,
    file: F,
    while_absent: WhileAbsent,
    missing: Mutex<Option<Missing>>,
}

impl<S: Store, F: Store> WithFallback<S, F> {
    pub(super) fn new(store: S, file: F, while_absent: WhileAbsent) -> Self {
        Self { store, file, while_absent, missing: Mutex::default() }
    }

    fn either<T>(&self, operation: impl Fn(&dyn Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match operation(&self.store) {
            Err(StoreError::Absent(missing)) => {
                *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = Some(missing);
                operation(&self.file)
            }
            done => done,
        }
    }
}

impl<S: Store, F: Store> Store for WithFallback<S, F> {
    fn place(&self) -> String {
        if self.fell_back().is_some() { self.file.place() } else { self.store.place() }
    }
    fn get(&self, name: ItemName<'_>, detail: Detail) -> Result<Option<Item>, StoreError> {
        self.either(|store| store.get(name, detail))
    }
    fn lend(&self, name: ItemName<'_>, to: Borrower) -> Result<Option<Lent>, StoreError> {
        self.either(|store| store.lend(name, to))
    }
    fn peek(&self, name: ItemName<'_>) -> Result<Option<bool>, StoreError> {
        self.either(|store| store.peek(name))
    }
    fn put(
        &self,
        name: ItemName<'_>,
        value: &Secret,
        attributes: Option<&[(String, String)]>,
    ) -> Result<(), StoreError> {
        match self.while_absent {
            WhileAbsent::Write => self.either(|store| store.put(name, value, attributes)),
            WhileAbsent::Refuse => self.store.put(name, value, attributes),
        }
    }
    fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError> {
        self.either(|store| store.delete(name))
    }
    fn list(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError> {
        self.either(|store| store.list(query))
    }
    // The file's state is never reported as the keychain's.
    fn state(&self) -> Result<(), StoreError> {
        self.store.state()
    }
    fn unlock(&self, service: &str) -> Result<(), StoreError> {
        self.either(|store| store.unlock(service))
    }
    fn locked_collection(&self, service: &str) -> Result<Option<String>, StoreError> {
        self.store.locked_collection(service)
    }
    fn unlock_with(&self, collection: &str, password: &Secret) -> Result<(), StoreError> {
        self.store.unlock_with(collection, password)
    }
    fn fell_back(&self) -> Option<Missing> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
