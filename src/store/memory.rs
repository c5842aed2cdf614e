//! A store in memory, for tests; it forgets everything with the process.

use super::{Detail, Include, Item, ItemName, PRIVATE_SERVICE, Query, Store, StoreError};
use crate::secret::Secret;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Items in this process alone.
#[derive(Default)]
pub(crate) struct MemoryStore(RefCell<BTreeMap<(String, String), Secret>>);

fn copy(secret: &Secret) -> Secret {
    Secret::new(secret.expose().to_vec())
}

impl Store for MemoryStore {
    fn place(&self) -> String {
        "memory".into()
    }
    fn get(&self, name: ItemName<'_>, _detail: Detail) -> Result<Option<Item>, StoreError> {
        let kept = self.0.borrow();
        let value = match kept.get(&(name.service.to_owned(), name.account.to_owned())) {
            Some(secret) => copy(secret),
            None if name.service == PRIVATE_SERVICE => Secret::new(b"a test has no secret".to_vec()),
            None => return Ok(None),
        };
        Ok(Some(Item { account: name.account.to_owned(), attributes: Vec::new(), value: Some(value) }))
    }
    fn put(
        &self,
        name: ItemName<'_>,
        value: &Secret,
        _attributes: Option<&[(String, String)]>,
    ) -> Result<(), StoreError> {
        self.0.borrow_mut().insert((name.service.to_owned(), name.account.to_owned()), copy(value));
        Ok(())
    }
    fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError> {
        Ok(self.0.borrow_mut().remove(&(name.service.to_owned(), name.account.to_owned())).is_some())
    }
    fn list(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError> {
        let kept = self.0.borrow();
        let own = kept.iter().filter(|((service, account), _)| service == query.service && (query.wanted)(account));
        let item = |((_, account), value): (&(String, String), &Secret)| Item {
            account: account.clone(),
            attributes: Vec::new(),
            value: (query.include == Include::Values).then(|| copy(value)),
        };
        Ok(own.map(item).collect())
    }
    fn state(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
