//! The Linux keychain: the freedesktop.org Secret Service over the session bus, for keyring-core's traits.
//!
//! It is our own because a launch waits for it: no key exchange (it guards only against a same-user bus monitor, who
//! could ask for the key anyway), three round trips for a lookup, and every step bounded in time. It refuses to prompt
//! unless told to, to take a locked keychain for an absent one, to choose between two items of one name, and to talk
//! over anything but a Unix socket of this user or root. Called by `store::system`.
//!
//! Items carry the attributes `service` and `username`, as those of keyring 3 and 4 and of `secret-tool` do, so each
//! reads the others'. Items of the collection `session` are ignored: it forgets them at logout.

pub(crate) mod address;
mod bus;
mod error;
mod password;
mod prompt;
mod sealed;
mod service;
#[cfg(test)]
mod tests;
pub(crate) mod wire;
pub(crate) mod writer;

pub use error::ServiceError;

use crate::env::Env;
use crate::platform;
use crate::store::items::is_taken;
use bus::Deadline;
use keyring_core::api::{CredentialApi, CredentialPersistence, CredentialStoreApi};
use keyring_core::{Credential, Entry, Error};
use service::{Listed, Service};
use std::any::Any;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, mem};
use zeroize::Zeroizing;

type Result<T> = std::result::Result<T, ServiceError>;

/// Whether a person may be asked to unlock the keychain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// Nothing is unlocked and no lookup or listing starts a question. A write or a removal still lets an unlocked
    /// service finish what it was asked for, since KeePassXC answers those with a prompt even when it asks nobody.
    Never,
    /// A locked keychain is unlocked by asking; each question may take this long, beside the deadline.
    Ask(Duration),
}

/// Where the bus is and how long to wait.
#[derive(Debug, Clone)]
pub struct Options {
    /// For one whole operation, without the time a person takes to answer.
    pub deadline: Duration,
    /// Whether to ask for an unlock.
    pub prompt: Prompt,
    /// `DBUS_SESSION_BUS_ADDRESS`.
    pub bus_address: Option<OsString>,
    /// Where the session's runtime directory may be. The `bus` in the first that is this user's is the session's own,
    /// and is used where the address leads nowhere.
    pub runtime_dirs: Vec<PathBuf>,
}

impl Options {
    /// Those of the session that the environment tells of.
    pub fn new(env: &Env, deadline: Duration, prompt: Prompt) -> Self {
        Self {
            deadline,
            prompt,
            bus_address: env.non_empty("DBUS_SESSION_BUS_ADDRESS").map(Into::into),
            runtime_dirs: env.absolute("XDG_RUNTIME_DIR").into_iter().chain(platform::runtime_base()).collect(),
        }
    }
}

/// What there is to work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// The default collection can be read and written.
    Available,
    /// It must be unlocked first.
    Locked,
    /// There is none.
    Absent {
        /// What is missing.
        why: String,
    },
}

/// A listing asks for one property of each item, and gnome-keyring goes through all of them for each: 10 000 items take
/// it 20 seconds and more.
const LISTING: u32 = 30;

/// An item of a service.
pub struct Item {
    /// Its account.
    pub account: String,
    /// Its attributes, but for those that every item has.
    pub attributes: Vec<(String, String)>,
    /// Its value, where that was asked for.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

fn further(mut attributes: Vec<(String, String)>) -> Vec<(String, String)> {
    attributes.retain(|(name, _)| !is_taken(name));
    attributes.sort();
    attributes
}

/// A store that connects at its first operation and keeps the connection for the next; a clone shares it.
#[derive(Clone)]
pub struct SecretService(Arc<Shared>);

struct Shared {
    options: Options,
    kept: Mutex<Option<Service>>,
}

impl SecretService {
    /// Makes a store; nothing is connected yet.
    pub fn new(options: Options) -> Arc<Self> {
        Arc::new(Self(Arc::new(Shared { options, kept: Mutex::new(None) })))
    }

    /// The value of the one item with this service and account.
    pub fn get(&self, service: &str, account: &str) -> Result<Zeroizing<Vec<u8>>> {
        check(service, account)?;
        let prompt = self.0.options.prompt;
        self.operation("looking up a key", prompt, |s, deadline| s.get(service, account, deadline))
    }

    /// Stores a value: in the one matching item, or in a new one in the default collection.
    pub fn set(&self, service: &str, account: &str, value: &[u8]) -> Result<()> {
        check(service, account)?;
        let prompt = self.0.options.prompt;
        self.operation("storing a key", prompt, |s, deadline| s.set((service, account), value, None, deadline))
    }

    /// Stores a value as [`Self::set`] does; where further attributes are given, they take the place of the item's own.
    pub fn set_with(
        &self,
        service: &str,
        account: &str,
        value: &[u8],
        further: Option<&[(String, String)]>,
    ) -> Result<()> {
        check(service, account)?;
        for (name, text) in further.into_iter().flatten() {
            check_part("attribute", name)?;
            if text.contains('\0') || is_taken(name) {
                return Err(ServiceError::Invalid { what: "attribute", problem: "is none that can be kept" });
            }
        }
        let prompt = self.0.options.prompt;
        self.operation("storing a key", prompt, |s, deadline| s.set((service, account), value, further, deadline))
    }

    /// The value of the one item with this service and account, its further attributes, and its path. An item of which is
    /// said that it has none is not asked for them, which in a large keychain costs as much as the lookup.
    pub fn item(&self, service: &str, account: &str, is_bare: &dyn Fn(&str) -> bool) -> Result<(String, Item)> {
        check(service, account)?;
        let prompt = self.0.options.prompt;
        let (path, value, attributes) =
            self.operation("looking up a key", prompt, |s, deadline| s.item(service, account, is_bare, deadline))?;
        Ok((path, Item { account: account.to_owned(), attributes: further(attributes), value: Some(value) }))
    }

    /// The items under a service whose account is wanted, sorted by it, with their values where these are asked for.
    /// Nobody is asked for an unlock; two items of one account are an error, and so is a locked one whose value is wanted.
    /// The deadline is that of each answer; all of them together may take [`LISTING`] times as long.
    pub fn items(&self, service: &str, values: bool, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
        check_part("service", service)?;
        let each = self.0.options.deadline;
        self.within(each.saturating_mul(LISTING), "listing the keys", Prompt::Never, |s, deadline| {
            let mut listed = s.listed(service, each, deadline)?;
            listed.retain(|it| wanted(&it.account));
            listed.sort_by(|a, b| a.account.cmp(&b.account));
            if let Some(pair) = listed.windows(2).find(|pair| pair[0].account == pair[1].account) {
                return Err(ServiceError::Ambiguous { items: pair.iter().map(|it| it.path.clone()).collect() });
            }
            let mut found: HashMap<String, Zeroizing<Vec<u8>>> = HashMap::new();
            if values {
                let locked: Vec<_> = listed.iter().filter(|it| it.locked).map(|it| it.path.clone()).collect();
                if !locked.is_empty() {
                    return Err(s.why_locked(locked, &deadline.part(each)));
                }
                let paths: Vec<String> = listed.iter().map(|it| it.path.clone()).collect();
                found = s.values(&paths, each, deadline)?.into_iter().collect();
                // Deleted since it was listed.
                listed.retain(|it| found.contains_key(&it.path));
            }
            let item = |it: Listed| {
                let value = found.remove(&it.path);
                Item { account: it.account, attributes: further(it.attributes), value }
            };
            Ok(listed.into_iter().map(item).collect())
        })
    }

    /// Deletes the one item with this service and account.
    pub fn remove(&self, service: &str, account: &str) -> Result<()> {
        check(service, account)?;
        let prompt = self.0.options.prompt;
        self.operation("removing a key", prompt, |s, deadline| s.remove(service, account, deadline))
    }

    /// The accounts under a service, sorted; no value is read and nobody is asked. `Locked` also means that some names
    /// cannot be read: gnome-keyring knows only their hashes before the first unlock. Deadlines are those of [`Self::items`].
    pub fn accounts(&self, service: &str) -> Result<Vec<String>> {
        check_part("service", service)?;
        let each = self.0.options.deadline;
        let whole = each.saturating_mul(LISTING);
        self.within(whole, "listing the keys", Prompt::Never, |s, deadline| s.accounts(service, each, deadline))
    }

    /// Whether keys can be read and stored; nobody is asked. Errors are those that say neither, such as a timeout.
    pub fn status(&self) -> Result<Status> {
        match self.operation("asking for its state", Prompt::Never, |s, deadline| s.usable(deadline)) {
            Ok(_) => Ok(Status::Available),
            Err(ServiceError::Locked) => Ok(Status::Locked),
            Err(ServiceError::Absent { why }) => Ok(Status::Absent { why }),
            Err(none @ (ServiceError::NoKeyring | ServiceError::NoDefault)) => {
                Ok(Status::Absent { why: none.to_string() })
            }
            Err(other) => Err(other),
        }
    }

    /// Unlocks what keeps a service's items, or a new one, from being used, asking a person where that is allowed. What is
    /// open then is looked at by a connection of its own: KeePassXC's confirmations are for the one that asked.
    pub fn unlock(&self, service: &str) -> Result<()> {
        check_part("service", service)?;
        let work = |s: &mut Service, deadline: &Deadline| s.all_open(service, deadline);
        let look = || {
            let other = Self::new(Options { prompt: Prompt::Never, ..self.0.options.clone() });
            other.operation("asking for its state", Prompt::Never, work)
        };
        let ask = self.0.options.prompt;
        match look() {
            Err(ServiceError::Locked | ServiceError::Unconfirmed) if ask != Prompt::Never => {}
            done => return done,
        }
        self.operation("unlocking the keychain", ask, work)?;
        look()
    }

    /// The path of a locked collection that keeps a service's items, or a new one, from being used, and that a password
    /// typed here can open; nothing where all is open. Nobody is asked.
    pub fn locked_collection(&self, service: &str) -> Result<Option<String>> {
        check_part("service", service)?;
        let work = |s: &mut Service, deadline: &Deadline| s.locked_collection(service, deadline);
        self.operation("asking for its state", Prompt::Never, work)
    }

    /// Unlocks the collection that [`Self::locked_collection`] named with its password.
    pub fn unlock_with(&self, collection: &str, password: &[u8]) -> Result<()> {
        let work = |s: &mut Service, deadline: &Deadline| s.unlock_with(collection, password, deadline);
        self.operation("unlocking the keychain", Prompt::Never, work)
    }

    /// Runs one operation on the kept connection or a new one; where it finds a lock and may ask, once more after
    /// the unlock.
    fn operation<T>(
        &self,
        doing: &'static str,
        prompt: Prompt,
        work: impl FnMut(&mut Service, &Deadline) -> Result<T>,
    ) -> Result<T> {
        self.within(self.0.options.deadline, doing, prompt, work)
    }

    /// The same with another deadline.
    fn within<T>(
        &self,
        deadline: Duration,
        doing: &'static str,
        prompt: Prompt,
        mut work: impl FnMut(&mut Service, &Deadline) -> Result<T>,
    ) -> Result<T> {
        let Options { bus_address, runtime_dirs, .. } = &self.0.options;
        let person = match prompt {
            Prompt::Never => None,
            Prompt::Ask(patience) => Some(patience),
        };
        let fresh = || Deadline::new(deadline, doing, person);
        let deadline = fresh();
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut service = match kept.take().and_then(Service::again) {
            Some(service) => service,
            // However long the whole may take, a service that does not answer is not waited for.
            None => {
                let part = deadline.part(self.0.options.deadline);
                Service::connect(bus_address.as_deref(), runtime_dirs, &part)?
            }
        };
        let mut outcome = work(&mut service, &deadline);
        if matches!(outcome, Err(ServiceError::Locked | ServiceError::Unconfirmed)) && person.is_some() {
            outcome = service.unlock(&deadline).and_then(|()| work(&mut service, &fresh()));
        }
        if outcome.as_ref().err().is_none_or(keeps_step) {
            *kept = Some(service);
        }
        outcome
    }
}

/// Whether the connection can be used after this error: no answer to it is still on its way.
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
        f.debug_struct("SecretService").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl CredentialStoreApi for SecretService {
    fn vendor(&self) -> String {
        "ringlet, freedesktop.org Secret Service".to_owned()
    }

    fn id(&self) -> String {
        format!("{:p}", Arc::as_ptr(&self.0))
    }

    fn build(&self, service: &str, user: &str, modifiers: Option<&HashMap<&str, &str>>) -> keyring_core::Result<Entry> {
        if let Some(name) = modifiers.and_then(|modifiers| modifiers.keys().next()) {
            return Err(Error::NotSupportedByStore(format!("this store knows no modifier {name:?}")));
        }
        check(service, user)?;
        let item = Named { store: self.clone(), service: service.to_owned(), account: user.to_owned() };
        Ok(Entry::new_with_credential(Arc::new(item)))
    }

    /// Takes `service` alone: finds one entry for each of its accounts.
    fn search(&self, spec: &HashMap<&str, &str>) -> keyring_core::Result<Vec<Entry>> {
        let (Some(service), 1) = (spec.get("service"), spec.len()) else {
            return Err(Error::Invalid("spec".to_owned(), "must be a service and nothing else".to_owned()));
        };
        self.accounts(service)?.iter().map(|account| self.build(service, account, None)).collect()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn persistence(&self) -> CredentialPersistence {
        CredentialPersistence::UntilDelete
    }

    fn debug_fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// An entry: a name to look up each time, whether or not there is an item for it.
struct Named {
    store: SecretService,
    service: String,
    account: String,
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Named({:?}, {:?})", self.service, self.account)
    }
}

impl CredentialApi for Named {
    fn set_secret(&self, secret: &[u8]) -> keyring_core::Result<()> {
        Ok(self.store.set(&self.service, &self.account, secret)?)
    }

    fn get_secret(&self) -> keyring_core::Result<Vec<u8>> {
        // Moved out, not copied; wiping it is the caller's duty from here on.
        Ok(mem::take(&mut *self.store.get(&self.service, &self.account)?))
    }

    fn get_attributes(&self) -> keyring_core::Result<HashMap<String, String>> {
        let Self { store, service, account } = self;
        let read = |s: &mut Service, deadline: &Deadline| s.attributes(service, account, deadline);
        Ok(store.operation("reading an item", store.0.options.prompt, read)?.into_iter().collect())
    }

    fn delete_credential(&self) -> keyring_core::Result<()> {
        Ok(self.store.remove(&self.service, &self.account)?)
    }

    /// This entry itself, if there is an item for it.
    fn get_credential(&self) -> keyring_core::Result<Option<Arc<Credential>>> {
        self.get_attributes().map(|_| None)
    }

    fn get_specifiers(&self) -> Option<(String, String)> {
        Some((self.service.clone(), self.account.clone()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn debug_fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
