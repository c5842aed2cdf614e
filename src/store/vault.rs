//! A store that is a server of Vault or OpenBao.
//!
//! A key without a path of its own is a secret of its own in the key-value engine, which Ringlet also writes. A key
//! with a path is a field of a secret that somebody else keeps, and is only read.

use super::{Change, Class, Detail, Include, Item, ItemName, Lent, Query, SERVICE, Store, StoreError, unusable};
use crate::config::{Credential, Stores, VaultLogin, VaultSpec};
use crate::name::{KeyName, Provider, StoreName};
use crate::platform::private::{self, Privacy};
use crate::secret::Secret;
use crate::vault::{Address, Keeper, Reading, Role, Server, Token, VaultError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

// A token or a secret id.
const MOST_CREDENTIAL: u64 = 8 << 10;

// So many sentences wait to be told.
const MOST_NOTES: usize = 16;

/// The store.
pub(super) struct VaultStore {
    /// Its name.
    pub(super) name: StoreName,
    /// Which server it is, and how Ringlet logs in.
    pub(super) spec: VaultSpec,
    /// Where each key is.
    pub(super) stores: Stores,
    /// The time limit of one operation.
    pub(super) timeout: Duration,
    /// The usual store, where the credential is in it.
    pub(super) usual: Option<Box<dyn Store + Send + Sync>>,
    /// What the user is to know of what was read.
    pub(super) notes: Mutex<Vec<String>>,
}

// A login: the token, and the role by which Ringlet made it.
struct Access {
    token: Token,
    role: Option<Role>,
}

impl VaultStore {
    fn failed(&self, class: Class, why: impl Into<String>) -> StoreError {
        StoreError::InStore { store: self.name.clone(), class, why: why.into(), said: Vec::new() }
    }

    fn error(&self, error: &VaultError) -> StoreError {
        let class = match error {
            VaultError::Unusable(_) | VaultError::Unreached(_) | VaultError::Redirect(_) => Class::Away,
            VaultError::Late(_) => Class::Late,
            VaultError::Sealed => Class::Sealed,
            VaultError::Denied | VaultError::NoLogin(_) => Class::Denied,
            VaultError::NotFound(_) | VaultError::NoField { .. } | VaultError::Odd(_) => Class::Odd,
        };
        self.failed(class, error.to_string())
    }

    fn credential(&self, from: &Credential) -> Result<Zeroizing<String>, StoreError> {
        let denied = |why: String| self.failed(Class::Denied, why);
        let bytes = match from {
            Credential::File(file) => {
                let refused = |why: String| denied(format!("cannot be logged in to: {}: {why}", file.display()));
                let read = private::read(file, MOST_CREDENTIAL, Privacy::Unread);
                let bytes = read.map_err(|why| refused(why.to_string()))?;
                Secret::new(bytes.ok_or_else(|| refused("does not exist".into()))?)
            }
            Credential::Key(key) => {
                let account = key.to_string();
                let usual = self.usual.as_ref().expect("it is opened where a credential is in it");
                let found = usual.get(ItemName { service: SERVICE, account: &account }, Detail::Value)?;
                let missing = || StoreError::NotFound { place: usual.place(), key: key.clone() };
                found.and_then(|item| item.value).ok_or_else(missing)?
            }
        };
        let text = std::str::from_utf8(bytes.expose()).map(str::trim).unwrap_or_default();
        match text.is_empty() || text.contains(char::is_control) {
            true => Err(denied("cannot be logged in to: its token or secret id is no line of text".into())),
            false => Ok(Zeroizing::new(text.to_owned())),
        }
    }

    fn role(&self) -> Result<Option<Role>, StoreError> {
        let VaultLogin::AppRole { mount, role_id, secret_id } = &self.spec.login else { return Ok(None) };
        let secret_id = self.credential(secret_id)?;
        Ok(Some(Role { mount: mount.clone(), id: role_id.clone(), secret_id }))
    }

    fn address(&self) -> Address {
        Address {
            url: self.spec.address.clone(),
            namespace: self.spec.namespace.clone(),
            ca_file: self.spec.ca_file.clone(),
        }
    }

    // Logs in, does something within the time limit, and ends a token that Ringlet made, unless it is to be kept.
    // Ending it has a limit of its own, since what was read is good whatever becomes of it.
    fn as_user<T>(
        &self,
        operation: impl AsyncFnOnce(&Server, &str) -> Result<(T, Keep), VaultError>,
    ) -> Result<(T, Access), StoreError> {
        const ENDING: Duration = Duration::from_secs(1);
        let role = self.role()?;
        let own = match &self.spec.login {
            VaultLogin::Token(from) => Some(self.credential(from)?),
            VaultLogin::AppRole { .. } => None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| self.error(&VaultError::Unusable(error.to_string())))?;
        let done = runtime.block_on(async {
            let server = Server::new(&self.address())?;
            let mut made = None;
            let work = async {
                let token = match (&role, own) {
                    (Some(role), _) => server.log_in(role).await?,
                    (None, own) => Token { value: own.unwrap_or_default(), ttl: Duration::ZERO, renewable: false },
                };
                operation(&server, &made.insert(token).value).await
            };
            let late = |_| VaultError::Late(self.timeout);
            let done = tokio::time::timeout(self.timeout, work).await.map_err(late).flatten();
            if let Some(token) = made.as_ref().filter(|_| role.is_some() && !matches!(done, Ok((_, Keep::Token)))) {
                // A token that cannot be ended ends by itself.
                let _ = tokio::time::timeout(ENDING, server.revoke(&token.value)).await;
            }
            done.map(|(done, _)| (done, made))
        });
        // A search for an address that takes long is not waited for.
        runtime.shutdown_background();
        let (done, token) = done.map_err(|error| self.error(&error))?;
        let token = token.ok_or_else(|| self.failed(Class::Odd, "gave no token"))?;
        Ok((done, Access { token, role }))
    }

    fn read(&self, key: &KeyName, purpose: Purpose) -> Result<Option<(Reading, Keeper)>, StoreError> {
        let at = self.spec.secret(key, self.stores.rule(key));
        let hangs = |reading: &Reading| reading.lease.is_some();
        let read = self.as_user(async |server, token| match server.read(token, &at.path, &at.field).await {
            Ok(reading) => {
                let is_kept = purpose == Purpose::Lend || (purpose == Purpose::Give && hangs(&reading));
                if let Some(lease) = reading.lease.as_ref().filter(|_| purpose == Purpose::Probe) {
                    let _ = server.revoke_lease(token, &lease.id).await;
                }
                let keep = if is_kept && unusable(&reading.value).is_none() { Keep::Token } else { Keep::Nothing };
                Ok((Some(reading), keep))
            }
            Err(VaultError::NotFound(_)) => Ok((None, Keep::Nothing)),
            Err(other) => Err(other),
        });
        let (reading, access) = read?;
        let Some(reading) = reading else { return Ok(None) };
        if let Some(why) = unusable(&reading.value) {
            return Err(self.failed(Class::Odd, format!("gave no key for {key}: the field {} {why}", at.field)));
        }
        if let Some(lease) = reading.lease.as_ref().filter(|_| purpose == Purpose::Give) {
            let seconds = lease.length.as_secs();
            let mut said = format!(
                "{key} is good for {seconds} s by the store \"{}\", and is not renewed for this launch",
                self.name
            );
            if access.role.is_some() {
                said.push_str("; the token that ringlet made for it stays, since the key would end with it");
            }
            let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            // The daemon reads and tells nobody.
            notes.truncate(MOST_NOTES - 1);
            notes.push(said);
        }
        let Access { token, role } = access;
        let lease = reading.lease.clone();
        Ok(Some((reading, Keeper { address: self.address(), role, token, path: at.path, field: at.field, lease })))
    }

    // Whether Ringlet made the secret of a key, and so may change it.
    fn own_path(&self, key: &KeyName) -> Result<(), StoreError> {
        match self.stores.rule(key).is_some_and(|rule| rule.path.is_some()) {
            false => Ok(()),
            true => {
                let why = format!("changes no secret that has a path of its own, as {key} has");
                Err(self.failed(Class::Unable, why))
            }
        }
    }

    fn aliases(&self, providers: impl IntoIterator<Item = String>) -> Result<Vec<KeyName>, StoreError> {
        let names = self.as_user(async |server, token| {
            let mut names = Vec::new();
            for provider in providers {
                let below = server.list(token, &self.spec.below("metadata", &format!("/{provider}"))).await?;
                names.extend(below.into_iter().map(|alias| format!("{provider}/{alias}")));
            }
            Ok((names, Keep::Nothing))
        });
        Ok(names?.0.iter().filter_map(|name| name.parse().ok()).collect())
    }
}

/// What a secret is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To see whether it is there. Nothing of it is kept.
    Probe,
    /// To be given away.
    Give,
    /// To be kept alive by another process.
    Lend,
}

// What stays of a login.
enum Keep {
    Nothing,
    Token,
}

impl Store for VaultStore {
    fn place(&self) -> String {
        format!("the store \"{}\"", self.name)
    }

    fn get(&self, name: ItemName<'_>, detail: Detail) -> Result<Option<Item>, StoreError> {
        let Some(key) = name.key() else { return Ok(None) };
        let item = |value| Some(Item { account: key.to_string(), attributes: Vec::new(), value });
        if detail == Detail::Presence
            && let Some(is_there) = self.peek(name)?
        {
            return Ok(if is_there { item(None) } else { None });
        }
        let purpose = if detail == Detail::Presence { Purpose::Probe } else { Purpose::Give };
        Ok(self.read(&key, purpose)?.and_then(|(reading, _)| item(Some(reading.value))))
    }

    fn lend(&self, name: ItemName<'_>) -> Result<Option<Lent>, StoreError> {
        let Some(key) = name.key() else { return Ok(None) };
        let lent = |(reading, keeper): (Reading, Keeper)| Lent { value: reading.value, keeper: Some(keeper) };
        Ok(self.read(&key, Purpose::Lend)?.map(lent))
    }

    fn peek(&self, name: ItemName<'_>) -> Result<Option<bool>, StoreError> {
        let Some(key) = name.key() else { return Ok(Some(false)) };
        if self.own_path(&key).is_err() {
            return Ok(None);
        }
        Ok(Some(self.aliases([key.provider.to_string()])?.contains(&key)))
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
        self.own_path(&key)?;
        let text = std::str::from_utf8(value.expose())
            .map_err(|_| self.failed(Class::Unable, "takes text alone, and this value is none"))?;
        let at = self.spec.secret(&key, self.stores.rule(&key));
        let done = self.as_user(async |server, token| {
            server.write(token, &at.path, &at.field, text, self.spec.kv == 2).await?;
            Ok(((), Keep::Nothing))
        });
        done.map(drop)
    }

    fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError> {
        let Some(key) = name.key() else { return Ok(false) };
        self.own_path(&key)?;
        if self.peek(name)? == Some(false) {
            return Ok(false);
        }
        let path = self.spec.below("metadata", &format!("/{key}"));
        let done = self.as_user(async |server, token| {
            server.delete(token, &path).await?;
            Ok(((), Keep::Nothing))
        });
        done.map(|_| true)
    }

    fn list(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError> {
        if query.service != SERVICE {
            return Ok(Vec::new());
        }
        let providers = self.as_user(async |server, token| {
            let names = server.list(token, &self.spec.below("metadata", "")).await?;
            Ok((names, Keep::Nothing))
        });
        // A name that is no provider's is somebody else's.
        let provider = |name: String| Some(name.strip_suffix('/')?.parse::<Provider>().ok()?.to_string());
        let providers = providers?.0.into_iter().filter_map(provider);
        let mut names = self.aliases(providers)?;
        names.extend(self.stores.keys_with_paths(&self.name));
        names.sort();
        names.dedup();
        let item = |key: &KeyName| {
            let value = match query.include {
                Include::Values => self.read(key, Purpose::Give)?.map(|(reading, _)| reading.value),
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
        match self.read(&key, Purpose::Probe)? {
            Some(_) => Ok(()),
            None => Err(StoreError::NotFound { place: self.place(), key }),
        }
    }

    fn notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
