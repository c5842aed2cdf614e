//! A client of the freedesktop.org Secret Service, which is the keychain of Linux, over the session bus.
//!
//! It is hand-written because a launch waits for it: a lookup agrees on no encryption (which guards only against a
//! same-user bus monitor, who could ask for the key anyway), takes three round trips, and every step has a deadline. It
//! refuses to prompt unless it is told to, to take a locked keychain for an absent one, to choose between two items of
//! one name, and to talk over anything but a Unix socket of this user or root. Called by `store::keychain`.
//!
//! Items carry the attributes `service` and `username`, as those of keyring 3 and 4 and of `secret-tool` do, so each
//! reads the others'. Items of the collection `session` are ignored: it forgets them at logout.

pub(crate) mod address;
mod bus;
mod cache;
mod error;
mod keyrings;
mod listing;
mod password;
mod prompt;
mod sealed;
mod service;
#[cfg(test)]
mod tests;
pub(crate) mod wire;
pub(crate) mod writer;

pub use error::ServiceError;

use super::attributes::is_reserved;
use crate::env::Env;
use crate::platform;
use bus::Deadline;
use listing::{Listed, Way};
use service::Service;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

type Result<T> = std::result::Result<T, ServiceError>;

/// Where the bus is and how long to wait.
#[derive(Debug, Clone)]
pub struct Options {
    /// For one whole operation, without the time that a person takes to answer. A listing may take this long for each
    /// answer of the service.
    pub deadline: Duration,
    /// How long a person may take over each question. With none, nothing is unlocked and no lookup or listing starts a
    /// question. A write or a removal still lets an unlocked service finish what it was asked for, since KeePassXC
    /// answers those with a prompt even when it asks nobody.
    pub patience: Option<Duration>,
    /// `DBUS_SESSION_BUS_ADDRESS`.
    pub bus_address: Option<OsString>,
    /// Where the session's runtime directory may be. The `bus` in the first that is this user's is the session's own,
    /// and is used where the address leads nowhere.
    pub runtime_dirs: Vec<PathBuf>,
    /// Where the names of a large gnome-keyring are kept between listings, if anywhere.
    pub kept_names: Option<KeptNames>,
}

/// Where the names of a large gnome-keyring are kept.
#[derive(Debug, Clone)]
pub struct KeptNames {
    /// The file with the names.
    pub file: PathBuf,
    /// The folder in which gnome-keyring keeps its files where its own environment cannot be read.
    pub keyrings: PathBuf,
}

impl Options {
    /// Those of the session that the environment describes, with the file for names.
    pub(crate) fn new(env: &Env, deadline: Duration, patience: Option<Duration>, names: PathBuf) -> Self {
        let data = env.absolute("XDG_DATA_HOME").or_else(|| Some(env.absolute("HOME")?.join(".local/share")));
        Self {
            kept_names: data.map(|data| KeptNames { file: names, keyrings: data.join("keyrings") }),
            deadline,
            patience,
            bus_address: env.non_empty("DBUS_SESSION_BUS_ADDRESS").map(Into::into),
            runtime_dirs: env.absolute("XDG_RUNTIME_DIR").into_iter().chain(platform::runtime_base()).collect(),
        }
    }
}

/// What a listing reads of each item besides its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The attributes.
    Attributes,
    /// These and the value.
    Values,
}

/// An item of a service.
pub struct Item {
    /// Its account.
    pub account: String,
    /// Its attributes, but for those that every item has.
    pub attributes: Vec<(String, String)>,
    /// Its value, where that was asked for.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

fn without_reserved(mut attributes: Vec<(String, String)>) -> Vec<(String, String)> {
    attributes.retain(|(name, _)| !is_reserved(name));
    attributes.sort();
    attributes
}

/// The client. It connects at the first operation and keeps the connection. Any number of threads may use it at once:
/// operations that run at the same time have a connection each, so that a lookup that hangs holds up no other.
pub struct SecretService {
    options: Options,
    /// Connections that no operation uses at the moment.
    idle: Mutex<Vec<Service>>,
}

impl SecretService {
    /// Makes a client; nothing is connected yet.
    pub fn new(options: Options) -> Self {
        Self { options, idle: Mutex::default() }
    }

    /// The value of the one item with this service and account.
    pub fn get(&self, service: &str, account: &str) -> Result<Zeroizing<Vec<u8>>> {
        check(service, account)?;
        self.operation("looking up a key", |s, deadline| s.get(service, account, deadline))
    }

    /// Reports whether there is one item with this service and account. No value is read.
    pub(crate) fn contains(&self, service: &str, account: &str) -> Result<bool> {
        check(service, account)?;
        match self.operation("reading an item", |s, deadline| s.attributes(service, account, deadline)) {
            Ok(_) => Ok(true),
            Err(ServiceError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Stores a value: in the one matching item, or in a new one in the default collection. Where attributes are given,
    /// they take the place of the item's own.
    pub fn set(
        &self,
        service: &str,
        account: &str,
        value: &[u8],
        attributes: Option<&[(String, String)]>,
    ) -> Result<()> {
        check(service, account)?;
        for (name, text) in attributes.into_iter().flatten() {
            check_part("attribute", name)?;
            if text.contains('\0') || is_reserved(name) {
                return Err(ServiceError::Invalid { what: "attribute", problem: "is none that can be kept" });
            }
        }
        self.operation("storing a key", |s, deadline| s.set((service, account), value, attributes, deadline))
    }

    /// The value of the one item with this service and account, its further attributes, and its path. An item for which
    /// `is_bare` holds is known to have none and is not asked for them, which in a large keychain costs as much as the
    /// lookup.
    pub(crate) fn item(&self, service: &str, account: &str, is_bare: &dyn Fn(&str) -> bool) -> Result<(String, Item)> {
        check(service, account)?;
        let (path, value, attributes) =
            self.operation("looking up a key", |s, deadline| s.item(service, account, is_bare, deadline))?;
        let attributes = without_reserved(attributes);
        Ok((path, Item { account: account.to_owned(), attributes, value: Some(value) }))
    }

    /// The items under a service whose account is wanted, sorted by it, with their values where these are asked for.
    ///
    /// Nobody is asked for an unlock. `Locked` also means that some names cannot be read: gnome-keyring knows only
    /// their hashes before the first unlock. Where values are wanted, two items of one account are an error, and so is
    /// a locked item. The deadline starts anew with each answer, so that it does not depend on the number of items.
    pub fn items(&self, service: &str, content: Content, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
        check_part("service", service)?;
        let each = self.options.deadline;
        self.within(Duration::MAX, "listing the keys", None, |s, deadline| {
            let way = Way { each, progress: &|_, _| () };
            let mut listed = s.listed(service, &way, deadline)?;
            listed.retain(|item| wanted(&item.account));
            listed.sort_by(|a, b| a.account.cmp(&b.account));
            let mut found: HashMap<String, Zeroizing<Vec<u8>>> = HashMap::new();
            if content == Content::Values {
                if let Some(pair) = listed.windows(2).find(|pair| pair[0].account == pair[1].account) {
                    return Err(ServiceError::Ambiguous { items: pair.iter().map(|item| item.path.clone()).collect() });
                }
                let locked: Vec<_> = listed.iter().filter(|item| item.locked).map(|item| item.path.clone()).collect();
                if !locked.is_empty() {
                    return Err(s.why_locked(locked, &deadline.part(each)));
                }
                let paths: Vec<String> = listed.iter().map(|item| item.path.clone()).collect();
                found = s.values(&paths, each, deadline)?.into_iter().collect();
                // Deleted since it was listed.
                listed.retain(|item| found.contains_key(&item.path));
            }
            let item = |item: Listed| {
                let value = found.remove(&item.path);
                Item { account: item.account, attributes: without_reserved(item.attributes), value }
            };
            Ok(listed.into_iter().map(item).collect())
        })
    }

    /// The accounts of the items under a service, sorted, each as often as there are items of it. No value is read, and
    /// nobody is asked. Errors and deadline are those of [`Self::items`]. `progress` is told how many of how many are
    /// listed. Those of a large gnome-keyring may come from the file, while nothing there has changed.
    pub fn accounts(&self, service: &str, progress: &dyn Fn(usize, usize)) -> Result<Vec<String>> {
        check_part("service", service)?;
        let way = Way { each: self.options.deadline, progress };
        let kept = self.options.kept_names.as_ref();
        let mut accounts = self
            .within(Duration::MAX, "listing the keys", None, |s, deadline| s.accounts(service, kept, &way, deadline))?;
        accounts.sort();
        Ok(accounts)
    }

    /// Deletes the one item with this service and account.
    pub fn remove(&self, service: &str, account: &str) -> Result<()> {
        check(service, account)?;
        self.operation("removing a key", |s, deadline| s.remove(service, account, deadline))
    }

    /// Succeeds where the default collection can be read and written; else the error says why not. Nobody is asked.
    pub fn usable(&self) -> Result<()> {
        self.quietly("asking for its state", |s, deadline| s.usable(deadline)).map(drop)
    }

    /// Unlocks what keeps a service's items, or a new one, from being used, asking a person where that is allowed.
    /// Another connection checks the outcome: KeePassXC's confirmations are for the one that asked.
    pub fn unlock(&self, service: &str) -> Result<()> {
        check_part("service", service)?;
        let work = |s: &mut Service, deadline: &Deadline| s.all_open(service, deadline);
        let check = || Self::new(self.options.clone()).quietly("asking for its state", work);
        match check() {
            Err(ServiceError::Locked | ServiceError::Unconfirmed) if self.options.patience.is_some() => {}
            done => return done,
        }
        self.operation("unlocking the keychain", work)?;
        check()
    }

    /// The path of a locked collection that keeps a service's items, or a new one, from being used, and that a password
    /// typed here can open; nothing where all is open. Nobody is asked.
    pub fn locked_collection(&self, service: &str) -> Result<Option<String>> {
        check_part("service", service)?;
        self.quietly("asking for its state", |s, deadline| s.locked_collection(service, deadline))
    }

    /// Unlocks the collection that [`Self::locked_collection`] named with its password.
    pub fn unlock_with(&self, collection: &str, password: &[u8]) -> Result<()> {
        self.quietly("unlocking the keychain", |s, deadline| s.unlock_with(collection, password, deadline))
    }

    /// Runs one operation, which may ask for an unlock where the options allow that.
    fn operation<T>(&self, doing: &'static str, work: impl FnMut(&mut Service, &Deadline) -> Result<T>) -> Result<T> {
        self.within(self.options.deadline, doing, self.options.patience, work)
    }

    /// Runs one operation that asks nobody.
    fn quietly<T>(&self, doing: &'static str, work: impl FnMut(&mut Service, &Deadline) -> Result<T>) -> Result<T> {
        self.within(self.options.deadline, doing, None, work)
    }

    /// Runs one operation on an idle connection or a new one; where it finds a lock and may ask, once more after the
    /// unlock.
    fn within<T>(
        &self,
        deadline: Duration,
        doing: &'static str,
        patience: Option<Duration>,
        mut work: impl FnMut(&mut Service, &Deadline) -> Result<T>,
    ) -> Result<T> {
        let Options { bus_address, runtime_dirs, .. } = &self.options;
        let fresh = || Deadline::new(deadline, doing, patience);
        let deadline = fresh();
        let kept = self.idle().pop();
        let mut service = match kept.and_then(Service::again) {
            Some(service) => service,
            // However long the whole may take, a service that does not answer is not waited for.
            None => {
                let part = deadline.part(self.options.deadline);
                Service::connect(bus_address.as_deref(), runtime_dirs, &part)?
            }
        };
        let mut outcome = work(&mut service, &deadline);
        if matches!(outcome, Err(ServiceError::Locked | ServiceError::Unconfirmed)) && patience.is_some() {
            outcome = service.unlock(&deadline).and_then(|()| work(&mut service, &fresh()));
        }
        if outcome.as_ref().err().is_none_or(keeps_step) {
            self.idle().push(service);
        }
        outcome
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Service>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports whether the connection can be used after this error, because no answer is still on its way.
fn keeps_step(error: &ServiceError) -> bool {
    matches!(
        error,
        ServiceError::Locked | ServiceError::Unconfirmed | ServiceError::Ambiguous { .. } | ServiceError::NotFound
    )
}

fn check(service: &str, account: &str) -> Result<()> {
    check_part("service", service)?;
    check_part("account", account)
}

/// An empty attribute would match what it must not, and a bus answers NUL by hanging up.
fn check_part(what: &'static str, text: &str) -> Result<()> {
    let problem = match text {
        "" => "is empty",
        _ if text.contains('\0') => "contains a NUL",
        _ if text.len() > 4096 => "is longer than 4096 bytes",
        _ => return Ok(()),
    };
    Err(ServiceError::Invalid { what, problem })
}

impl fmt::Debug for SecretService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretService").field("options", &self.options).finish_non_exhaustive()
    }
}
