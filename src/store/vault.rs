//! A store that is a server of Vault or OpenBao.
//!
//! A key without a path of its own is a secret of its own in the key-value engine, which Ringlet also writes. A key
//! with a path is a field of a secret that somebody else keeps, and is only read.

use super::{
    Borrower, Change, Class, Detail, Include, Item, ItemName, Lent, Query, SERVICE, Store, StoreError, unusable,
};
use crate::config::{Credential, Kept, Stores, VaultLogin, VaultSpec};
use crate::name::{KeyName, Provider, StoreName};
use crate::platform::private::NotPrivate;
use crate::secret::Secret;
use crate::vault::{
    Address, Changing, Loan, NoCredential, Role, Server, Session, Token, VaultError, credential_in, credential_of,
};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

// So many sentences wait to be told.
const MOST_NOTES: usize = 16;

/// The store.
pub(super) struct VaultStore {
    name: StoreName,
    spec: VaultSpec,
    stores: Stores,
    timeout: Duration,
    usual: Option<Box<dyn Store + Send + Sync>>,
    // What the user is to know of what was read.
    notes: Mutex<Vec<String>>,
    // The login of one launch, which gives all its keys.
    session: Mutex<Option<Session>>,
    // What was read to be used by this process alone. It is ended with the store.
    used: Mutex<Vec<Loan>>,
}

impl VaultStore {
    /// A server, and where each key is there. `usual` is the usual store, where the credential is in it.
    pub(super) fn new(
        name: StoreName,
        spec: VaultSpec,
        stores: Stores,
        timeout: Duration,
        usual: Option<Box<dyn Store + Send + Sync>>,
    ) -> Self {
        let (notes, session, used) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { name, spec, stores, timeout, usual, notes, session, used }
    }
}

impl VaultStore {
    fn failed(&self, class: Class, why: impl Into<String>) -> StoreError {
        StoreError::InStore { store: self.name.clone(), class, why: why.into(), said: Vec::new() }
    }

    fn error(&self, error: &VaultError) -> StoreError {
        let class = match error {
            _ if error.is_untrusted() => Class::Untrusted,
            VaultError::Unreached(_) | VaultError::Redirect(_) => Class::Away,
            VaultError::Unusable(_) => Class::Unable,
            VaultError::Late(_) => Class::Late,
            VaultError::Sealed => Class::Sealed,
            VaultError::Denied | VaultError::NoLogin(_) => Class::Denied,
            VaultError::Deleted { .. } => Class::Deleted,
            VaultError::OtherVersion { version: 1, .. } => Class::Version1,
            VaultError::OtherVersion { .. } => Class::Version2,
            VaultError::Lossy(_) => Class::Unable,
            VaultError::NotFound(_)
            | VaultError::NoField { .. }
            | VaultError::NoEngine(_)
            | VaultError::Refused(_)
            | VaultError::Odd(_) => Class::Odd,
        };
        self.failed(class, error.to_string())
    }

    fn credential(&self, from: &Credential) -> Result<Zeroizing<String>, StoreError> {
        let denied = |why: String| self.failed(Class::Denied, why);
        let found = match from {
            Credential::File(file) => match credential_in(file) {
                Err(NoCredential::NotPrivate(why)) if !matches!(why, NotPrivate::Unreadable(_)) => {
                    return Err(StoreError::Unsafe { file: file.clone(), why: why.to_string() });
                }
                Err(why @ (NoCredential::NotPrivate(_) | NoCredential::Absent)) => {
                    return Err(denied(format!("cannot be logged in to: {}: {why}", file.display())));
                }
                read => read,
            },
            Credential::Key(key) => {
                let account = key.to_string();
                let usual = self.usual.as_ref().expect("it is opened where a credential is in it");
                let found = usual.get(ItemName { service: SERVICE, account: &account }, Detail::Value)?;
                let missing = || StoreError::NotFound { place: usual.place(), key: key.clone() };
                credential_of(&found.and_then(|item| item.value).ok_or_else(missing)?)
            }
        };
        found.map_err(|why| denied(format!("cannot be logged in to: {why}")))
    }

    // Prepares a login; nothing is sent.
    fn begin(&self) -> Result<Session, StoreError> {
        let login = match &self.spec.login {
            VaultLogin::Token(from) => Err(Token::of_user(self.credential(from)?)),
            VaultLogin::AppRole { mount, role_id, secret_id: from } => {
                let file = if let Credential::File(file) = from { Some(file.clone()) } else { None };
                let secret_id = self.credential(from)?;
                Ok(Role { mount: mount.clone(), id: role_id.clone(), secret_id, file })
            }
        };
        let address = Address {
            url: self.spec.address.clone(),
            namespace: self.spec.namespace.clone(),
            ca_file: self.spec.ca_file.clone(),
        };
        Session::new(address, login).map_err(|error| self.error(&error))
    }

    // Logs in, does something within the time limit, and ends a token that Ringlet made.
    fn as_user<T>(&self, operation: impl AsyncFnOnce(&Server, &str) -> Result<T, VaultError>) -> Result<T, StoreError> {
        self.begin()?.run(self.timeout, operation).map_err(|error| self.error(&error))
    }

    // Reads a key. What has to be ended once nobody uses the value is in the loan.
    fn read(&self, session: &mut Session, key: &KeyName, to: Use) -> Result<Option<(Secret, Loan)>, StoreError> {
        let rule = self.stores.rule(key);
        let at = self.spec.secret(key, rule);
        let is_new = match session.read(self.timeout, &at.path) {
            Ok(is_new) => is_new,
            Err(VaultError::NotFound(path)) => match rule.filter(|rule| rule.path.is_some()) {
                None => return Ok(None),
                Some(rule) => {
                    let why = format!("has nothing at {path}, the path of {key} in line {} of the settings", rule.line);
                    return Err(self.failed(Class::Odd, why));
                }
            },
            Err(error) => return Err(self.error(&error)),
        };
        let Some(answer) = session.answer(&at.path) else { return Ok(None) };
        let value = answer.field(&at.field);
        let lease = answer.lease.clone();
        let length = lease.as_ref().map(|lease| lease.length.as_secs());
        // A secret is lent once, however many of its fields are read.
        let loan = match to == Use::Broker || (lease.is_some() && is_new) {
            true => session.lend(&at.path, &at.field, lease),
            false => Loan::default(),
        };
        let value = value.map_err(|error| self.error(&error))?;
        if let Some(why) = unusable(&value) {
            return Err(self.failed(Class::Odd, format!("gave no key for {key}: the field {} {why}", at.field)));
        }
        if let (Some(seconds), Use::Launch) = (length, to) {
            let name = &self.name;
            let mut said =
                format!("{key} is good for {seconds} s by the store \"{name}\", and is not renewed for this launch");
            if session.is_own() {
                said.push_str("; the token that ringlet made for it stays, since the key would end with it");
            }
            self.note(said);
        }
        if let (Some(seconds), Use::Keep) = (length, to) {
            let why = format!("gives {key} for {seconds} s alone, so that it is kept nowhere else");
            return Err(self.failed(Class::Unable, why));
        }
        Ok(Some((value, loan)))
    }

    fn note(&self, said: String) {
        let mut notes = held(&self.notes);
        notes.truncate(MOST_NOTES - 1);
        notes.push(said);
    }

    // Whether Ringlet made the secret of a key, and so may change it.
    fn own_path(&self, key: &KeyName) -> Result<(), StoreError> {
        match self.stores.rule(key).is_some_and(|rule| rule.path.is_some()) {
            false => Ok(()),
            true => {
                let at = self.spec.secret(key, self.stores.rule(key));
                let (path, field) = (at.path, at.field);
                let why = format!(
                    "changes no secret that has a path in the settings: {key} is the field {field} of {path}, and is \
                     changed with the server's own tool"
                );
                Err(self.failed(Class::Unable, why))
            }
        }
    }

    // The names below `ringlet` in the key-value engine, of these providers or of all; `None` where the server does not
    // tell them.
    fn names(&self, provider: Option<&Provider>) -> Result<Option<Vec<KeyName>>, StoreError> {
        let all = async |server: &Server, token: &str| {
            let providers = match provider {
                Some(provider) => vec![provider.clone()],
                None => {
                    // A name that is no provider's is somebody else's.
                    let names = server.list(token, &self.spec.below("metadata", "")).await?;
                    names.iter().filter_map(|name| name.strip_suffix('/')?.parse().ok()).collect()
                }
            };
            let mut names = Vec::new();
            for provider in providers {
                let below = server.list(token, &self.spec.below("metadata", &format!("/{provider}"))).await?;
                names.extend(below.into_iter().filter_map(|alias| format!("{provider}/{alias}").parse().ok()));
            }
            Ok(names)
        };
        self.as_user(async |server, token| match all(server, token).await {
            Ok(names) => Ok(Some(names)),
            // Who may read a secret may not always list. A token that has ended is an error.
            Err(VaultError::Denied) => server.look_up(token).await.map(|()| None),
            Err(error) => Err(error),
        })
    }

    // Sets the field of a key, or takes it away. Returns whether there was anything to take away.
    fn change(&self, key: &KeyName, value: Option<&str>) -> Result<bool, StoreError> {
        self.own_path(key)?;
        let at = self.spec.secret(key, self.stores.rule(key));
        let whole = self.spec.below("metadata", &format!("/{key}"));
        let is_versioned = self.spec.kv == 2;
        let at = Changing { path: &at.path, whole: &whole, field: &at.field, is_versioned };
        self.as_user(async |server, token| server.change(token, &at, value).await)
    }
}

/// What a value is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// To see whether it is there.
    Probe,
    /// By this process, as long as it has the store.
    Here,
    /// To be kept elsewhere.
    Keep,
    /// By a client of the daemon, of which nothing is known.
    Client,
    /// By a launched process.
    Launch,
    /// By a broker, which keeps it alive.
    Broker,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for VaultStore {
    fn place(&self) -> String {
        format!("the store \"{}\"", self.name)
    }

    fn get(&self, name: ItemName<'_>, detail: Detail) -> Result<Option<Item>, StoreError> {
        let Some(key) = name.key() else { return Ok(None) };
        let item = |value| Item { account: key.to_string(), attributes: Vec::new(), value };
        let to = match detail {
            Detail::Presence => Use::Probe,
            Detail::Value => Use::Here,
            Detail::Recent | Detail::Current => Use::Client,
        };
        match self.read(&mut self.begin()?, &key, to) {
            // Whoever may not read may be told the names.
            Err(StoreError::InStore { class: Class::Denied, .. }) if to == Use::Probe => match self.peek(name)? {
                Some(is_there) => Ok(is_there.then(|| item(None))),
                None => Err(self.error(&VaultError::Denied)),
            },
            // A field or a secret that was deleted is not there, and may be stored.
            Err(StoreError::InStore { class: Class::Deleted, .. }) if to == Use::Probe => Ok(None),
            Err(error) => Err(error),
            Ok(None) => Ok(None),
            Ok(Some((value, loan))) => {
                match to {
                    Use::Here => held(&self.used).push(loan),
                    // When the client has used it is not known, so that it ends by itself.
                    Use::Client => loan.leave(),
                    Use::Probe | Use::Keep | Use::Launch | Use::Broker => {}
                }
                Ok(Some(item(Some(value).filter(|_| to != Use::Probe))))
            }
        }
    }

    fn get_to_keep(&self, name: ItemName<'_>) -> Result<Option<Secret>, StoreError> {
        let Some(key) = name.key() else { return Ok(None) };
        Ok(self.read(&mut self.begin()?, &key, Use::Keep)?.map(|(value, _)| value))
    }

    fn lend(&self, name: ItemName<'_>, to: Borrower) -> Result<Option<Lent>, StoreError> {
        let Some(key) = name.key() else { return Ok(None) };
        let lent = match to {
            Borrower::Broker => self.read(&mut self.begin()?, &key, Use::Broker)?,
            Borrower::Process => {
                let mut open = held(&self.session);
                let session = match &mut *open {
                    Some(session) => session,
                    none => none.insert(self.begin()?),
                };
                self.read(session, &key, Use::Launch)?
            }
        };
        Ok(lent.map(|(value, loan)| Lent { value, loan }))
    }

    fn finish(&self) {
        let Some(mut session) = held(&self.session).take() else { return };
        if let Err((ttl, error)) = session.end() {
            let when = ttl.map_or_else(String::new, |ttl| format!(" within {} s", ttl.as_secs()));
            let said = format!(
                "the store \"{}\" has not ended ringlet's token: it {error}; it ends by itself{when}",
                self.name
            );
            self.note(said);
        }
    }

    fn peek(&self, name: ItemName<'_>) -> Result<Option<bool>, StoreError> {
        let Some(key) = name.key() else { return Ok(Some(false)) };
        if self.own_path(&key).is_err() {
            return Ok(None);
        }
        Ok(self.names(Some(&key.provider))?.map(|names| names.contains(&key)))
    }

    fn can(&self, change: Change, name: ItemName<'_>) -> Result<(), StoreError> {
        let Some(key) = name.key() else { return Err(self.failed(Class::Unable, "holds keys alone")) };
        self.own_path(&key)?;
        match change {
            Change::Set | Change::Remove => Ok(()),
            Change::Rename => {
                let why = format!("moves no secret, which may have more fields: store {key} anew, and remove it there");
                Err(self.failed(Class::Unable, why))
            }
        }
    }

    fn put(&self, name: ItemName<'_>, value: &Secret, _: Option<&[(String, String)]>) -> Result<(), StoreError> {
        let Some(key) = name.key() else { return Err(self.failed(Class::Unable, "holds keys alone")) };
        let text = std::str::from_utf8(value.expose())
            .map_err(|_| self.failed(Class::Unable, "takes text alone, and this value is none"))?;
        self.change(&key, Some(text)).map(drop)
    }

    fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError> {
        name.key().map_or(Ok(false), |key| self.change(&key, None))
    }

    fn list(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError> {
        if query.service != SERVICE {
            return Ok(Vec::new());
        }
        // Where every rule names a path, all is known.
        let kept = Kept::Named(self.name.clone());
        let is_open = self.stores.rules.values().any(|rule| rule.store == kept && rule.path.is_none());
        let listed = if is_open { self.names(None)? } else { Some(Vec::new()) };
        let mut names = match listed {
            Some(mut names) => {
                names.extend(self.stores.keys_with_paths(&self.name));
                names
            }
            None => self.stores.keys_of(&kept).into_iter().collect(),
        };
        names.sort();
        names.dedup();
        let item = |key: &KeyName| {
            let value = match query.include {
                Include::Values => self.read(&mut self.begin()?, key, Use::Client)?.map(|(value, loan)| {
                    loan.leave();
                    value
                }),
                Include::Names | Include::Attributes => None,
            };
            Ok(Item { account: key.to_string(), attributes: Vec::new(), value })
        };
        names.iter().filter(|key| (query.wanted)(&key.to_string())).map(item).collect()
    }

    fn state(&self) -> Result<(), StoreError> {
        Ok(())
    }

    // Nobody can be asked here; whether the server gives the key is all that can be found out.
    fn unlock_item(&self, name: ItemName<'_>) -> Result<(), StoreError> {
        let Some(key) = name.key() else { return Ok(()) };
        match self.read(&mut self.begin()?, &key, Use::Probe)? {
            Some(_) => Ok(()),
            None => Err(StoreError::NotFound { place: self.place(), key }),
        }
    }

    fn notes(&self) -> Vec<String> {
        std::mem::take(&mut *held(&self.notes))
    }
}
