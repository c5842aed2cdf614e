//! The file-backed store, for machines without a keychain: `credentials.toml` for Ringlet's own keys, as
//! `[provider.alias]`, and a file in the same form for the items of other services, as `[service.account]`.

pub(crate) mod document;
pub(crate) mod entry;
pub(crate) mod index;
#[cfg(all(test, unix))]
mod tests;
pub(super) mod text;

use super::{Detail, Include, Item, ItemName, PRIVATE_SERVICE, Query, SERVICE, Store, StoreError};
use crate::name::KeyName;
use crate::paths::Paths;
use crate::platform;
use crate::platform::private::{self, NotPrivate, Privacy};
use crate::secret::{Secret, Shape, check_key};
use document::Document;
use entry::{Found, Pair, item};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The store.
pub(crate) struct FileStore {
    keys: Document,
    services: Document,
    /// Where the private secret is, in the state directory.
    private: PathBuf,
    /// One listing at a time: a file that cannot be indexed is parsed whole, which takes twenty times its size.
    listing: Mutex<()>,
}

impl FileStore {
    /// The store in its place; nothing is read yet.
    pub(crate) fn new(paths: &Paths) -> Self {
        Self {
            keys: Document::new(paths.credentials()),
            services: Document::new(paths.services()),
            private: paths.state().join("migrate").join("secret"),
            listing: Mutex::default(),
        }
    }

    /// Ringlet's own keys keep their file and their form; `None` where the account is no name of a key.
    fn document<'a>(&self, name: ItemName<'a>) -> Option<(&Document, Pair<'a>)> {
        match name.service {
            SERVICE => Some((&self.keys, name.account.split_once('/')?)),
            other => Some((&self.services, (other, name.account))),
        }
    }
}

impl Store for FileStore {
    fn place(&self) -> String {
        format!("{}", self.keys.path().display())
    }

    fn get(&self, name: ItemName<'_>, detail: Detail) -> Result<Option<Item>, StoreError> {
        if name.service == PRIVATE_SERVICE {
            return Ok(private_secret(&self.private)?.map(|value| item(name.account.to_owned(), (value, Vec::new()))));
        }
        let Some((document, pair)) = self.document(name) else { return Ok(None) };
        let Some(found) = document.find(pair)? else { return Ok(None) };
        if name.service == SERVICE && detail == Detail::Value {
            // The file is edited by hand, too. Only the caller knows whether the value must be one line.
            check_key(found.0.expose(), Shape::Text)
                .map_err(|why| document.failed(format!("the key of {} {why}", name.account)))?;
        }
        Ok(Some(item(name.account.to_owned(), found)))
    }

    fn put(
        &self,
        name: ItemName<'_>,
        value: &Secret,
        attributes: Option<&[(String, String)]>,
    ) -> Result<(), StoreError> {
        if name.service == PRIVATE_SERVICE {
            return keep_private(&self.private, value);
        }
        match self.document(name) {
            Some((document, pair)) => document.put(pair, value, attributes),
            None => Err(self.keys.failed("holds keys, and this account is no name of one")),
        }
    }

    fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError> {
        self.document(name).map_or(Ok(false), |(document, pair)| document.take(pair))
    }

    fn list(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError> {
        let _one = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = |account: String, found: Found| match query.include {
            Include::Values => item(account, found),
            Include::Names | Include::Attributes => Item { value: None, ..item(account, found) },
        };
        if query.service != SERVICE {
            let found = self.services.below((query.service, query.prefix), query.wanted)?;
            return Ok(found.into_iter().map(|(account, found)| listed(account, found)).collect());
        }
        let mut buffer = String::new();
        let pick = |(provider, alias): Pair<'_>| {
            buffer.clear();
            let _ = write!(buffer, "{provider}/{alias}");
            (query.wanted)(&buffer).then(|| buffer.clone())
        };
        let mut all = Vec::new();
        for account in self.keys.names(pick)? {
            account.parse::<KeyName>().map_err(|error| self.keys.failed(error.to_string()))?;
            match query.include {
                Include::Names | Include::Attributes => all.push(Item { account, attributes: Vec::new(), value: None }),
                Include::Values => {
                    let pair = account.split_once('/').expect("a key's name");
                    all.extend(self.keys.find(pair)?.map(|found| item(account.clone(), found)));
                }
            }
        }
        all.sort_by(|a, b| a.account.cmp(&b.account));
        Ok(all)
    }

    fn state(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Reads the private secret. It is 0600 in the state directory: as private as the keys themselves are with this store.
fn private_secret(file: &Path) -> Result<Option<Secret>, StoreError> {
    let refused = |why: String| StoreError::Unsafe { file: file.to_owned(), why };
    match private::read(file, 4096, Privacy::Unread) {
        Ok(Some(bytes)) if bytes.is_empty() => Err(refused("is empty".into())),
        Ok(found) => Ok(found.map(Secret::new)),
        Err(NotPrivate::Unreadable(error)) => Err(failed(file, "read", &error.to_string())),
        Err(why) => Err(refused(why.to_string())),
    }
}

fn keep_private(file: &Path, secret: &Secret) -> Result<(), StoreError> {
    let folder = file.parent().expect("the secret lies in the state directory");
    platform::create_private_folder(folder)
        .and_then(|()| platform::replace_file(file, secret.expose()))
        .map_err(|error| failed(file, "written", &error.to_string()))
}

fn failed(file: &Path, doing: &str, why: &str) -> StoreError {
    StoreError::File { file: file.to_owned(), line: None, why: format!("cannot be {doing}: {why}") }
}
