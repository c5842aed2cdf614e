//! Credential stores: the OS keychain, a private file, an encrypted one, memory.
//!
//! A store keeps items: a service and an account in it lead to a value, with attributes beside it. It knows nothing of
//! profiles or agents. [`Keys`] shows Ringlet's own keys in it, [`Items`] the items of every service, for the daemon.
//! Every operation is bounded in time. A keychain that is locked or broken is an error of its own and never a reason to
//! look elsewhere: other keys than the ones the user meant would be worse than none.
//!
//! `routes` knows which store holds a key: the usual one, which [`backend`] opens, or one that the settings name, such
//! as a `command` or a docker credential `helper`, whose programs `tool` runs. Another store is another implementation
//! of [`Store`] and another arm there.

mod attributes;
mod command;
pub(crate) mod encrypted;
mod error;
mod fallback;
pub(crate) mod file;
mod helper;
mod items;
mod keychain;
mod keys;
#[cfg(test)]
pub(crate) mod memory;
mod own_file;
mod routes;
#[cfg(target_os = "linux")]
pub(crate) mod secret_service;
mod tool;
mod unopened;
mod vault;

pub(crate) use attributes::is_reserved;
pub(crate) use error::{Class, LOOKED_FOR, Missing, StoreError, TO_ENCRYPT};
pub use items::Items;
pub(crate) use items::State;
pub(crate) use keys::{Keys, Listing, copy_in_file};
pub(crate) use unopened::Unopened;

use crate::config::{Backend, Settings};
use crate::env::Env;
use crate::paths::Paths;
use crate::secret::{MAX_KEY, Secret};
use crate::vault::Loan;
use encrypted::EncryptedStore;
use fallback::{WhileAbsent, WithFallback};
use file::FileStore;
use keychain::Keychain;
use routes::Routes;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The service under which every key is kept (on Windows the first part of the target).
pub(crate) const SERVICE: &str = "ringlet";

/// The service of the one secret that Ringlet makes for itself.
pub(crate) const PRIVATE_SERVICE: &str = "ringlet-migrate";

/// The account of the private secret.
const PRIVATE_ACCOUNT: &str = "hmac";

/// The variables that name a screen on which a service could show its dialog.
pub(crate) const SCREENS: [&str; 2] = ["WAYLAND_DISPLAY", "DISPLAY"];

/// How long a person may take to answer a dialog.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a person may be asked to unlock the keychain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// Nobody is there, or it is not theirs to answer: not even a tool that the settings let ask may do so.
    Nobody,
    /// Never: a launch must not open a dialog. A tool that the settings let ask may do so on the terminal.
    Never,
    /// Yes, where there is a screen for the dialog, and waits up to [`PATIENCE`] for the answer.
    Ask,
}

/// The name of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ItemName<'a> {
    /// The service.
    pub service: &'a str,
    /// The account in it. Ringlet's own service has `provider/alias` here.
    pub account: &'a str,
}

/// An item of a service.
#[derive(Debug)]
pub(crate) struct Item {
    /// Its account.
    pub account: String,
    /// What was stored with the value, without the attributes that keychains set themselves.
    pub attributes: Vec<(String, String)>,
    /// Its value, where that was asked for.
    pub value: Option<Secret>,
}

/// A value for as long as an agent runs.
pub(crate) struct Lent {
    /// The value.
    pub value: Secret,
    /// What has to be ended afterwards, and kept alive meanwhile where a broker does that.
    pub loan: Loan,
}

/// Who has a value while an agent runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Borrower {
    /// The launched process itself.
    Process,
    /// Its broker, which keeps the value alive.
    Broker,
}

/// What is to be done to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is stored.
    Set,
    /// It is taken away.
    Remove,
    /// It is stored elsewhere and taken away here, so that what is not the value is lost.
    Rename,
}

/// How much of an item a caller needs. What it does not need may be missing from the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Only its presence. No value is read.
    Presence,
    /// Its value.
    Value,
    /// Its value and its attributes; that it has none may be remembered for some seconds.
    Recent,
    /// Its value and its attributes as they are now.
    Current,
}

/// How much of each item a listing includes. More may be there than was asked for, but no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    /// The account.
    Names,
    /// The account and the attributes.
    Attributes,
    /// These and the value.
    Values,
}

/// Which items to list.
pub(crate) struct Query<'a> {
    /// The service.
    pub service: &'a str,
    /// How much of each.
    pub include: Include,
    /// What the account of every wanted item begins with. It spares a store the others; `wanted` decides.
    pub prefix: &'a str,
    /// Selects by account.
    pub wanted: &'a dyn Fn(&str) -> bool,
    /// Is told, while a keychain takes its time, how many items of how many are listed.
    pub progress: &'a dyn Fn(usize, usize),
}

/// A credential store.
pub(crate) trait Store {
    /// What it is called in messages.
    fn place(&self) -> String;
    /// Looks one item up; `None` when there is none.
    fn get(&self, name: ItemName<'_>, detail: Detail) -> Result<Option<Item>, StoreError>;
    /// Looks one value up that is to be kept elsewhere; one that ends by itself is an error.
    fn get_to_keep(&self, name: ItemName<'_>) -> Result<Option<Secret>, StoreError> {
        Ok(self.get(name, Detail::Value)?.and_then(|item| item.value))
    }
    /// Looks one value up for a launch. [`Self::finish`] follows the last one.
    fn lend(&self, name: ItemName<'_>, _to: Borrower) -> Result<Option<Lent>, StoreError> {
        let value = self.get(name, Detail::Value)?.and_then(|item| item.value);
        Ok(value.map(|value| Lent { value, loan: Loan::default() }))
    }
    /// Ends what was opened to lend values.
    fn finish(&self) {}
    /// Reports whether an item is there, without reading its value; `None` where only its value would tell.
    fn peek(&self, name: ItemName<'_>) -> Result<Option<bool>, StoreError> {
        self.get(name, Detail::Presence).map(|found| Some(found.is_some()))
    }
    /// Reports whether the store can do this to an item at all; else the error says what can be done.
    fn can(&self, _change: Change, _name: ItemName<'_>) -> Result<(), StoreError> {
        Ok(())
    }
    /// Stores a value, replacing an older one. Where attributes are given they replace the item's own; else it keeps
    /// them.
    fn put(
        &self,
        name: ItemName<'_>,
        value: &Secret,
        attributes: Option<&[(String, String)]>,
    ) -> Result<(), StoreError>;
    /// Takes an item away; `false` when there is none.
    fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError>;
    /// The items of a service, sorted by account. Without values, an account that several items have is listed for
    /// each.
    fn list(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError>;
    /// Reports whether a listing has all keys. Some tools give a key by its name and list none.
    fn lists_all(&self) -> bool {
        true
    }
    /// Succeeds where items can be read and stored; else the error says why not. Nobody is asked anything.
    fn state(&self) -> Result<(), StoreError>;
    /// Makes a service's items usable, asking the user in a dialog where that is needed and allowed.
    fn unlock(&self, _service: &str) -> Result<(), StoreError> {
        Ok(())
    }
    /// Has a tool that gives this item ask the person for what it needs.
    fn unlock_item(&self, _name: ItemName<'_>) -> Result<(), StoreError> {
        Ok(())
    }
    /// What is locked and can be opened with a password, as the store calls it; nothing where all is open.
    fn locked_collection(&self, _service: &str) -> Result<Option<String>, StoreError> {
        Err(StoreError::NoPassword)
    }
    /// Unlocks what [`Self::locked_collection`] named.
    fn unlock_with(&self, _collection: &str, _password: &Secret) -> Result<(), StoreError> {
        Err(StoreError::NoPassword)
    }
    /// What the user is to know of the values that were read since the last call, in sentences.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
    /// What was missing when another store stood in for this one, in any operation so far.
    fn fell_back(&self) -> Option<Missing> {
        None
    }
}

/// What stores are opened with.
pub(crate) struct Opening<'a> {
    /// The user's settings.
    pub settings: &'a Settings,
    /// The paths of Ringlet's own files.
    pub paths: &'a Paths,
    /// The environment, which leads to the keychain.
    pub env: &'a Env,
    /// The path of each program that a store of the settings names, or why it is not started.
    pub programs: &'a BTreeMap<String, Result<PathBuf, String>>,
    /// The environment of these programs.
    pub tools_env: &'a Env,
    /// Whether a person may be asked.
    pub prompt: Prompt,
}

/// Opens the keys where the settings say; nothing is connected yet.
pub(crate) fn open(opening: &Opening<'_>) -> Keys {
    Keys::new(Routes::open(opening, WhileAbsent::Write).of_this_thread(), opening.paths.names())
}

/// One of Ringlet's own stores.
fn backend(own: Backend, opening: &Opening<'_>, while_absent: WhileAbsent) -> Box<dyn Store + Send + Sync> {
    let file = || FileStore::new(opening.paths);
    match own {
        Backend::File => Box::new(file()),
        Backend::SystemOnly => Box::new(keychain(opening)),
        Backend::EncryptedFile => Box::new(EncryptedStore::new(opening.paths)),
        Backend::System => Box::new(WithFallback::new(keychain(opening), file(), while_absent)),
    }
}

fn keychain(opening: &Opening<'_>) -> Keychain {
    Keychain::new(opening.paths, opening.env, opening.settings.timeout, opening.prompt)
}

// Why a value that another tool or a server gave is no key. The text goes on behind the name of its answer. Whether it
// has the shape that an agent's key must have, the launch checks.
fn unusable(value: &Secret) -> Option<String> {
    match value.expose() {
        [] => Some("is empty".to_owned()),
        bytes if bytes.len() > MAX_KEY => Some(format!("is longer than {MAX_KEY} bytes")),
        bytes if bytes.contains(&0) => Some("holds a NUL".to_owned()),
        _ => None,
    }
}
