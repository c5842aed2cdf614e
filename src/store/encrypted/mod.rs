//! The encrypted file, for machines without a keychain: `credentials.age` for Ringlet's own keys, and `services.age`
//! for everything else, both age files that one identity opens.
//!
//! The identity lies in `identity.age`, itself encrypted by a passphrase or for other identities, such as those of a
//! plugin. It is opened by `ringlet keychain unlock` alone, and then held for some hours (`held`), for as long as that
//! file stays as it is. A launch finds it held, or the file is locked: it never asks, and never starts a plugin. The
//! names of the keys are in an index, so that they are listed while the file is locked.

mod document;
mod held;
mod identity;
mod plugin;
#[cfg(all(test, unix))]
mod tests;

pub(crate) use held::{Holder, MOST as MOST_HELD, introduce, socket as identity_socket};
pub(crate) use identity::{OpenedBy, opened_by};
pub(crate) use plugin::{open_here, plugins};

use super::file::entry::item;
use super::keychain::Index;
use super::unopened::Unopened;
use super::{Detail, Include, Item, ItemName, Query, SERVICE, Store, StoreError};
use crate::age_file;
use crate::digest::Digest;
use crate::name::KeyName;
use crate::paths::Paths;
use crate::secret::{Secret, Shape, check_key};
use document::{Document, Find};
use identity::Opened;
use std::collections::BTreeSet;
use std::time::Duration;

/// The store.
pub(super) struct EncryptedStore {
    keys: Document,
    services: Document,
    index: Index,
    paths: Paths,
    find: Find,
}

impl EncryptedStore {
    /// The store in its place; nothing is read yet.
    pub(super) fn new(paths: &Paths) -> Self {
        Self::with(paths, held::find)
    }

    fn with(paths: &Paths, find: Find) -> Self {
        Self {
            keys: Document::new(paths.encrypted_credentials(), paths, find),
            services: Document::new(paths.encrypted_services(), paths, find),
            index: Index::new(paths.encrypted_names()),
            paths: paths.clone(),
            find,
        }
    }

    // Ringlet's own keys have a file of their own; `None` where the account is no name of a key.
    fn document<'a>(&self, name: ItemName<'a>) -> Option<(&Document, (&'a str, &'a str))> {
        match name.service {
            SERVICE => Some((&self.keys, name.account.split_once('/')?)),
            other => Some((&self.services, (other, name.account))),
        }
    }

    fn note(&self, name: ItemName<'_>, is_there: bool) {
        if let Some(key) = name.key() {
            self.index.note(key, is_there);
        }
    }

    fn keys(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError> {
        let name = |account| Item { account, attributes: Vec::new(), value: None };
        let all = match self.keys.all() {
            Err(StoreError::Unopened(Unopened::Locked | Unopened::Mute)) if query.include == Include::Names => {
                let names = self.index.read()?.into_iter().map(|key| key.to_string());
                return Ok(names.filter(|account| (query.wanted)(account)).map(name).collect());
            }
            all => all?,
        };
        let (mut items, mut names) = (Vec::new(), BTreeSet::new());
        for (provider, alias, found) in all {
            let account = format!("{provider}/{alias}");
            names.insert(account.parse::<KeyName>().map_err(|error| self.keys.failed(error.to_string()))?);
            if (query.wanted)(&account) {
                items.push(match query.include {
                    Include::Values => item(account, found),
                    Include::Names | Include::Attributes => name(account),
                });
            }
        }
        // `age` may have written the file. A listing succeeds without the index, too.
        if self.index.read().is_ok_and(|noted| noted != names) {
            let _ = self.index.change(|noted| std::mem::replace(noted, names.clone()) != names);
        }
        items.sort_by(|a, b| a.account.cmp(&b.account));
        Ok(items)
    }
}

impl Store for EncryptedStore {
    fn place(&self) -> String {
        self.keys.path().display().to_string()
    }

    fn get(&self, name: ItemName<'_>, detail: Detail) -> Result<Option<Item>, StoreError> {
        let Some((document, pair)) = self.document(name) else { return Ok(None) };
        let Some(found) = document.find(pair)? else { return Ok(None) };
        if name.service == SERVICE && detail == Detail::Value {
            // The file is edited with other programs, too.
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
        let Some((document, pair)) = self.document(name) else {
            return Err(self.keys.failed("holds keys, and this account is no name of one"));
        };
        document.put(pair, value, attributes)?;
        self.note(name, true);
        Ok(())
    }

    fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError> {
        let Some((document, pair)) = self.document(name) else { return Ok(false) };
        let was_there = document.take(pair)?;
        self.note(name, false);
        Ok(was_there)
    }

    fn list(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError> {
        if query.service == SERVICE {
            return self.keys(query);
        }
        let listed = |(account, found): (String, _)| match query.include {
            Include::Values => item(account, found),
            Include::Names | Include::Attributes => Item { value: None, ..item(account, found) },
        };
        let found = self.services.below((query.service, query.prefix), query.wanted)?;
        Ok(found.into_iter().map(listed).collect())
    }

    fn state(&self) -> Result<(), StoreError> {
        match (self.find)(&self.paths) {
            Some(_) => Ok(()),
            None => Err(unheld(&self.paths)),
        }
    }

    fn notes(&self) -> Vec<String> {
        self.index.missed().into_iter().collect()
    }

    fn unlock(&self, _service: &str) -> Result<(), StoreError> {
        self.state()
    }

    fn locked_collection(&self, _service: &str) -> Result<Option<String>, StoreError> {
        match self.state() {
            Ok(()) | Err(StoreError::Unopened(Unopened::NoIdentity(_))) => Ok(None),
            Err(StoreError::Unopened(Unopened::Locked | Unopened::Mute)) => Ok(Some(self.place())),
            Err(error) => Err(error),
        }
    }
}

/// What holds the identity, and for how long from now on; nothing while the file is locked.
pub(crate) fn unlocked(paths: &Paths) -> Option<(Holder, Duration)> {
    held::find(paths).map(|held| (held.holder, held.left))
}

/// Why the file is not unlocked.
pub(crate) fn unheld(paths: &Paths) -> StoreError {
    identity::unheld(paths, held::is_mute())
}

/// Opens the identity by a passphrase, and has it held for some time.
pub(crate) fn unlock_by(paths: &Paths, passphrase: &Secret, time: Duration) -> Result<Holder, StoreError> {
    hold(paths, &identity::open_by(paths, passphrase)?, time)
}

/// Makes an identity that this passphrase opens, and has it held for some time.
pub(crate) fn make(paths: &Paths, passphrase: &Secret, time: Duration) -> Result<Holder, StoreError> {
    hold(paths, &identity::make(paths, passphrase, age_file::WORK)?, time)
}

/// Has the identity held that a plugin has opened, as a text, with the digest that its file had before.
pub(crate) fn hold_opened(paths: &Paths, (text, of): (&[u8], Digest), time: Duration) -> Result<Holder, StoreError> {
    hold(paths, &Opened { identity: identity::in_text(paths, text)?, of }, time)
}

fn hold(paths: &Paths, opened: &Opened, time: Duration) -> Result<Holder, StoreError> {
    held::hold(paths, opened, time).map_err(|held::NotHeld { kernel, daemon }| {
        let is_refused = daemon == held::REFUSES;
        Unopened::NotHeld { kernel, daemon, is_refused }.into()
    })
}

/// Ends the hold on the identity; `false` where nothing held it.
pub(crate) fn lock(paths: &Paths) -> Result<bool, StoreError> {
    held::end(paths).map_err(|why| Unopened::StillHeld(why).into())
}
