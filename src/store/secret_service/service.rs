//! The Secret Service's own calls: search, read, write, delete, list.
//!
//! Nothing is unlocked and nobody is asked unless `unlock` is called, or the service answers a write with a prompt.
//! Items of the `session` collection are ignored, since it forgets them at logout. Values that are looked up travel
//! unencrypted (the `plain` algorithm), over the sockets that `address` accepts. Values that are stored are encrypted
//! where the service can. Called by the client in `mod`. The source is the Secret Service API draft 0.2 of
//! freedesktop.org; the ways in which gnome-keyring, KeePassXC and KWallet differ from it are noted where they matter.

use super::bus::{Bus, Deadline, Serial};
use super::error::ServiceError;
use super::sealed::{ALGORITHM, Exchange};
use super::wire::{Kind, MAX_MESSAGE, Malformed, Message, Reader};
use super::writer::{Call, NO_AUTO_START, Writer};
use crate::store::attributes::is_reserved;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::slice;
use zeroize::Zeroizing;

pub(super) const NAME: &str = "org.freedesktop.secrets";
pub(super) const ROOT: &str = "/org/freedesktop/secrets";
const SESSION_COLLECTION: &str = "/org/freedesktop/secrets/collection/session";
pub(super) const SERVICE: &str = "org.freedesktop.Secret.Service";
const COLLECTION: &str = "org.freedesktop.Secret.Collection";
pub(super) const ITEM: &str = "org.freedesktop.Secret.Item";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The most objects that are accepted in one answer.
pub(super) const MOST_OBJECTS: usize = 1 << 16;
/// The most attributes of one item.
const MOST_ATTRIBUTES: usize = 1 << 10;
/// The bytes that a message needs beside the value.
const OVERHEAD: usize = 64 << 10;
/// An object path that means "none".
pub(super) const NONE: &str = "/";

pub(super) type Result<T> = std::result::Result<T, ServiceError>;

/// An item's attributes, names and values.
pub(super) type Attributes = Vec<(String, String)>;

/// A session for values to travel in, and which process opened it.
struct Session {
    path: String,
    owner: String,
}

/// A connection to the bus, used for the keychain service.
pub(super) struct Service {
    pub(super) bus: Bus,
    session: Option<Session>,
    /// The unique bus name of the service that answered the last search.
    pub(super) owner: String,
    /// The objects that the present operation needs, which an unlock would open.
    pub(super) wanted: Vec<String>,
    /// Whether the service has answered in the present operation.
    heard: bool,
    /// Whether the bus was told to pass the prompts' signals on.
    pub(super) watching: bool,
}

impl Service {
    /// Connects. Nothing is sent before the first call.
    pub(super) fn connect(bus: Option<&OsStr>, runtime: &[PathBuf], deadline: &Deadline) -> Result<Self> {
        let bus = Bus::connect(bus, runtime, deadline)?;
        Ok(Self { bus, session: None, owner: String::new(), wanted: Vec::new(), heard: false, watching: false })
    }

    /// Makes a kept connection ready for another operation. Returns nothing if it has ended.
    pub(super) fn again(mut self) -> Option<Self> {
        self.heard = false;
        self.wanted.clear();
        self.bus.is_alive().then_some(self)
    }

    /// The value of the one item with this service and account.
    pub(super) fn get(&mut self, service: &str, account: &str, deadline: &Deadline) -> Result<Zeroizing<Vec<u8>>> {
        let Some(item) = self.find(service, account, deadline)? else { return Err(self.missing(deadline)) };
        let call = self.ask_secret(&item, deadline)?;
        let message = match self.item_answer(call, deadline) {
            Err(ServiceError::Locked) => return Err(self.why_locked(vec![item], deadline)),
            answered => answered?,
        };
        Ok(value_in(&mut message.body("(oayays)")?)?)
    }

    /// Returns the value, the item's path and its attributes. The attributes are left out where `is_bare` says that the
    /// item has only those of every item. Both calls are sent at once.
    pub(super) fn item(
        &mut self,
        service: &str,
        account: &str,
        is_bare: &dyn Fn(&str) -> bool,
        deadline: &Deadline,
    ) -> Result<(String, Zeroizing<Vec<u8>>, Attributes)> {
        let Some(item) = self.find(service, account, deadline)? else { return Err(self.missing(deadline)) };
        let secret = self.ask_secret(&item, deadline)?;
        let attributes = (!is_bare(&item)).then(|| self.ask_property(&item, ITEM, "Attributes"));
        let secret = self.item_answer(secret, deadline);
        let attributes = attributes.map(|call| attributes_of(&self.item_answer(call, deadline)?)).transpose()?;
        if matches!(secret, Err(ServiceError::Locked)) {
            return Err(self.why_locked(vec![item], deadline));
        }
        Ok((item, value_in(&mut secret?.body("(oayays)")?)?, attributes.unwrap_or_default()))
    }

    fn ask_secret(&mut self, item: &str, deadline: &Deadline) -> Result<Serial> {
        let session = self.session(deadline)?;
        Ok(self.ask(item, ITEM, "GetSecret", "o", |w| w.string(&session)))
    }

    /// Replaces the value of the one matching item, and its further attributes where some are given. Creates an item in
    /// the default collection where none matches.
    pub(super) fn set(
        &mut self,
        (service, account): (&str, &str),
        value: &[u8],
        further: Option<&[(String, String)]>,
        deadline: &Deadline,
    ) -> Result<()> {
        let given = || further.into_iter().flatten().map(|(name, text)| (name.as_str(), text.as_str()));
        if value.len() > MAX_MESSAGE - OVERHEAD {
            return Err(ServiceError::Invalid { what: "value", problem: "is longer than 63 MiB" });
        }
        if let Some(item) = self.find(service, account, deadline)? {
            let sent = self.sent(value, deadline)?;
            self.bus.reserve(sent.value.len() + OVERHEAD);
            // Replacing through CreateItem hangs in KeePassXC.
            let call = self.ask(&item, ITEM, "SetSecret", "(oayays)", |w| sent.write(w));
            self.item_answer(call, deadline)?;
            if further.is_some() {
                // The attributes by which other libraries find the item stay.
                let call = self.ask_property(&item, ITEM, "Attributes");
                let there = attributes_of(&self.item_answer(call, deadline)?)?;
                let kept = there.iter().filter(|(name, _)| is_reserved(name));
                let attributes: Vec<(&str, &str)> =
                    kept.map(|(name, text)| (name.as_str(), text.as_str())).chain(given()).collect();
                let call = self.ask(&item, PROPERTIES, "Set", "ssv", |w| {
                    w.string(ITEM);
                    w.string("Attributes");
                    w.signature("a{ss}");
                    w.dictionary(&attributes);
                });
                self.item_answer(call, deadline)?;
            }
            return Ok(());
        }
        let attributes: Vec<(&str, &str)> =
            [("service", service), ("username", account)].into_iter().chain(given()).collect();
        let collection = self.usable(deadline)?;
        let sent = self.sent(value, deadline)?;
        self.bus.reserve(sent.value.len() + OVERHEAD);
        let call = self.ask(&collection, COLLECTION, "CreateItem", "a{sv}(oayays)b", |w| {
            w.array(8, |w| {
                w.pad(8);
                w.string("org.freedesktop.Secret.Item.Label");
                w.signature("s");
                w.string(&format!("{service} {account}"));
                w.pad(8);
                w.string("org.freedesktop.Secret.Item.Attributes");
                w.signature("a{ss}");
                w.dictionary(&attributes);
            });
            sent.write(w);
            w.boolean(false);
        });
        let message = self.answer(call, deadline)?;
        let mut body = message.body("oo")?;
        body.path()?;
        // KeePassXC creates nothing before its prompt is called, even if it asks nobody.
        self.finish(body.path()?, &message, deadline)
    }

    /// Deletes the one item with this service and account.
    pub(super) fn remove(&mut self, service: &str, account: &str, deadline: &Deadline) -> Result<()> {
        let Some(item) = self.find(service, account, deadline)? else { return Err(self.missing(deadline)) };
        let call = self.ask(&item, ITEM, "Delete", "", |_| {});
        let message = self.item_answer(call, deadline)?;
        self.finish(message.body("o")?.path()?, &message, deadline)
    }

    /// The attributes of the one item with this service and account.
    pub(super) fn attributes(&mut self, service: &str, account: &str, deadline: &Deadline) -> Result<Attributes> {
        let Some(item) = self.find(service, account, deadline)? else { return Err(self.missing(deadline)) };
        let call = self.ask_property(&item, ITEM, "Attributes");
        attributes_of(&self.item_answer(call, deadline)?)
    }

    /// Returns the default collection, if there is one and it is unlocked.
    pub(super) fn usable(&mut self, deadline: &Deadline) -> Result<String> {
        if !self.heard {
            // gnome-keyring must know this connection before it is asked for properties: see `search`.
            self.search(&[("service", "-")], deadline)?;
        }
        let alias = self.ask(ROOT, SERVICE, "ReadAlias", "s", |w| w.string("default"));
        let collections = self.ask_property(ROOT, SERVICE, "Collections");
        let default = self.answer(alias, deadline)?.body("o")?.path()?.to_owned();
        let message = self.answer(collections, deadline)?;
        if default != NONE && default != SESSION_COLLECTION {
            return match self.locked(slice::from_ref(&default), deadline)?.is_empty() {
                true => Ok(default),
                false => Err(ServiceError::Locked),
            };
        }
        let mut body = message.body("v")?;
        body.variant("ao")?;
        let mut others = body.array(4, MOST_ATTRIBUTES, |r| Ok(r.path()?.to_owned()))?;
        others.retain(|path| path != SESSION_COLLECTION);
        match self.locked(&others, deadline)?.is_empty() {
            true if others.is_empty() => Err(ServiceError::NoKeyring),
            true => Err(ServiceError::NoDefault),
            false => Err(ServiceError::Locked),
        }
    }

    /// Fails where something keeps a service's items, or a new one, from being used. The locked collections, and after
    /// them the items of unlocked ones that wait for a confirmation, become what an unlock opens.
    pub(super) fn all_open(&mut self, service: &str, deadline: &Deadline) -> Result<()> {
        let (_, items) = self.search(&[("service", service)], deadline)?;
        let mut wanted = match self.usable(deadline) {
            Ok(_) => Vec::new(),
            Err(ServiceError::Locked) => std::mem::take(&mut self.wanted),
            Err(other) => return Err(other),
        };
        let (locked, waiting) = self.told_apart(items, deadline)?;
        // Most of them are in the default collection, which may be there already.
        let further: Vec<_> = locked.into_iter().filter(|collection| !wanted.contains(collection)).collect();
        wanted.extend(further);
        let why = if wanted.is_empty() { ServiceError::Unconfirmed } else { ServiceError::Locked };
        wanted.extend(waiting);
        self.wanted = wanted;
        if self.wanted.is_empty() { Ok(()) } else { Err(why) }
    }

    /// Returns why these items, which become what an unlock opens, cannot be read. Either their collection is locked,
    /// or the service wants a person to confirm each of them, as KeePassXC does by default.
    pub(super) fn why_locked(&mut self, items: Vec<String>, deadline: &Deadline) -> ServiceError {
        let why = match self.told_apart(items.clone(), deadline) {
            Ok((locked, _)) if locked.is_empty() => ServiceError::Unconfirmed,
            Err(error @ (ServiceError::Timeout { .. } | ServiceError::Lost { .. })) => error,
            _ => ServiceError::Locked,
        };
        self.wanted = items;
        why
    }

    /// Splits locked items into the locked collections that hold them, and the items that unlocked collections hold.
    fn told_apart(&mut self, items: Vec<String>, deadline: &Deadline) -> Result<(Vec<String>, Vec<String>)> {
        let holder = |item: &str| match item.rsplit_once('/') {
            Some((collection, _)) if !collection.is_empty() => collection.to_owned(),
            _ => NONE.to_owned(),
        };
        let holders: BTreeSet<String> = items.iter().map(|item| holder(item)).collect();
        if holders.len() > MOST_ATTRIBUTES {
            return Err(ServiceError::Broken { what: "it has too many collections".to_owned() });
        }
        let holders: Vec<String> = holders.into_iter().collect();
        let locked = self.locked(&holders, deadline)?.to_vec();
        let shut: HashSet<&String> = locked.iter().collect();
        let waiting = items.into_iter().filter(|item| !shut.contains(&holder(item))).collect();
        Ok((locked, waiting))
    }

    /// Returns why nothing matched. KeePassXC, and a keychain that nobody has set up, only answer that there is no such
    /// item.
    pub(super) fn missing(&mut self, deadline: &Deadline) -> ServiceError {
        self.usable(deadline).err().unwrap_or(ServiceError::NotFound)
    }

    /// Returns the collections that are locked, which become what an unlock opens.
    pub(super) fn locked(&mut self, collections: &[String], deadline: &Deadline) -> Result<&[String]> {
        let calls: Vec<_> = collections.iter().map(|path| self.ask_property(path, COLLECTION, "Locked")).collect();
        self.wanted.clear();
        for (call, path) in calls.into_iter().zip(collections) {
            let message = self.answer(call, deadline)?;
            let mut body = message.body("v")?;
            body.variant("b")?;
            if body.boolean()? {
                self.wanted.push(path.clone());
            }
        }
        Ok(&self.wanted)
    }

    fn find(&mut self, service: &str, account: &str, deadline: &Deadline) -> Result<Option<String>> {
        let (mut items, mut locked) = self.search(&[("service", service), ("username", account)], deadline)?;
        if items.len() + locked.len() > 1 {
            items.append(&mut locked);
            items.sort();
            return Err(ServiceError::Ambiguous { items });
        }
        if !locked.is_empty() {
            return Err(self.why_locked(locked, deadline));
        }
        // If it is locked before the next call, an unlock must open it.
        self.wanted.clone_from(&items);
        Ok(items.pop())
    }

    /// The unlocked and the locked items with these attributes.
    ///
    /// It is the first call of every operation but a listing of names, and nothing is sent before its answer has
    /// arrived. gnome-keyring (42 to 50) registers a new client outside its message loop. An `OpenSession` or a
    /// property that is handled before the registration aborts the daemon, which comes back locked. A search is then
    /// only refused as unknown.
    pub(super) fn search(
        &mut self,
        attributes: &[(&str, &str)],
        deadline: &Deadline,
    ) -> Result<(Vec<String>, Vec<String>)> {
        let mut message = self.found(attributes, deadline)?;
        if message.error.as_deref() == Some("org.freedesktop.DBus.Error.UnknownMethod") {
            message = self.found(attributes, deadline)?;
        }
        let message = self.accept(message, deadline)?;
        let mut body = message.body("aoao")?;
        let mut list = || {
            let mut items = body.array(4, MOST_OBJECTS, |r| Ok(r.path()?.to_owned()))?;
            items.retain(|path| path.rsplit_once('/').is_none_or(|(collection, _)| collection != SESSION_COLLECTION));
            Ok::<_, ServiceError>(items)
        };
        let found = (list()?, list()?);
        self.owner = message.sender.unwrap_or_default();
        Ok(found)
    }

    // Returns the answer to a search. While its database is locked, KeePassXC asks for the password in a window and
    // answers no search before that, but answers questions about its state.
    fn found(&mut self, attributes: &[(&str, &str)], deadline: &Deadline) -> Result<Message> {
        let call = self.ask(ROOT, SERVICE, "SearchItems", "a{ss}", |w| w.dictionary(attributes));
        match self.bus.answer(call, &deadline.half()) {
            Err(ServiceError::Timeout { .. }) if self.bus.is_whole() && self.is_keepassxc(deadline) => {}
            Err(ServiceError::Timeout { .. }) if self.bus.is_whole() => return self.bus.answer(call, deadline),
            done => return done,
        }
        let heard = std::mem::replace(&mut self.heard, true);
        let usable = self.usable(deadline);
        self.heard = heard;
        if usable == Err(ServiceError::Locked) {
            self.bus.forget(call);
            return Err(ServiceError::Locked);
        }
        self.bus.answer(call, deadline)
    }

    // The bus is asked and not the service, since gnome-keyring must be asked nothing before it has answered the
    // search.
    fn is_keepassxc(&mut self, deadline: &Deadline) -> bool {
        let call = self.bus.ask_bus("GetConnectionUnixProcessID", "s", |w| w.string(NAME));
        let pid = self.bus.answer(call, deadline).ok().and_then(|message| message.body("u").ok()?.u32().ok());
        let name = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok());
        name.is_some_and(|name| name.trim() == "keepassxc")
    }

    /// Returns the path of a session in which values travel. A service that was restarted does not know the sessions of
    /// the process before it, so that a session belongs to one owner of the name.
    pub(super) fn session(&mut self, deadline: &Deadline) -> Result<String> {
        if let Some(session) = self.session.as_ref().filter(|session| session.owner == self.owner) {
            return Ok(session.path.clone());
        }
        let call = self.ask(ROOT, SERVICE, "OpenSession", "sv", |w| {
            w.string("plain");
            w.signature("s");
            w.string("");
        });
        let message = self.answer(call, deadline)?;
        let mut body = message.body("vo")?;
        // The output of `plain` is an empty string, but KWallet sends another type.
        body.skip_variant()?;
        let path = body.path()?.to_owned();
        self.session = Some(Session { path: path.clone(), owner: message.sender.clone().unwrap_or_default() });
        Ok(path)
    }

    /// Prepares a value that is to be stored. It is sealed unless the service knows no such sessions. A person waits
    /// for this in any case; a lookup must be fast, so that its value travels unencrypted.
    pub(super) fn sent<'v>(&mut self, value: &'v [u8], deadline: &Deadline) -> Result<Sent<'v>> {
        let failed =
            |error: std::io::Error| ServiceError::Broken { what: format!("a value cannot be sealed: {error}") };
        let exchange = Exchange::new().map_err(failed)?;
        let call = self.ask(ROOT, SERVICE, "OpenSession", "sv", |w| {
            w.string(ALGORITHM);
            w.signature("ay");
            w.bytestring(&exchange.public());
        });
        let message = self.bus.answer(call, deadline)?;
        // Some services answer that they do not support it, and KWallet without its plugin that the arguments are
        // wrong. An error of the service itself shows in the next call.
        if message.error.is_some() {
            let session = self.session(deadline)?;
            return Ok(Sent { session, parameters: Vec::new(), value: Cow::Borrowed(value) });
        }
        let message = self.accept(message, deadline)?;
        let mut body = message.body("vo")?;
        body.variant("ay")?;
        let sealing = exchange.key(body.bytestring()?);
        let sealing = sealing.ok_or(ServiceError::Broken { what: "it agrees on no key".to_owned() })?;
        let (vector, sealed) = sealing.seal(value).map_err(failed)?;
        Ok(Sent { session: body.path()?.to_owned(), parameters: vector.to_vec(), value: Cow::Owned(sealed) })
    }

    pub(super) fn ask(
        &mut self,
        path: &str,
        interface: &str,
        member: &str,
        signature: &str,
        body: impl FnOnce(&mut Writer),
    ) -> Serial {
        // The first call may start the service. A later call must not start another instance of a service that has
        // ended.
        let flags = if self.heard { NO_AUTO_START } else { 0 };
        self.bus.ask(&Call { destination: NAME, path, interface, member, signature, flags }, body)
    }

    pub(super) fn ask_property(&mut self, path: &str, interface: &str, name: &str) -> Serial {
        self.ask(path, PROPERTIES, "Get", "ss", |w| {
            w.string(interface);
            w.string(name);
        })
    }

    pub(super) fn answer(&mut self, call: Serial, deadline: &Deadline) -> Result<Message> {
        let message = self.bus.answer(call, deadline)?;
        self.accept(message, deadline)
    }

    fn accept(&mut self, message: Message, deadline: &Deadline) -> Result<Message> {
        if message.kind == Kind::Error {
            return Err(self.refusal(message.error.as_deref().unwrap_or_default(), deadline));
        }
        self.heard = true;
        Ok(message)
    }

    /// Returns the answer of an item, which may have been deleted since it was found.
    pub(super) fn item_answer(&mut self, call: Serial, deadline: &Deadline) -> Result<Message> {
        let message = self.bus.answer(call, deadline)?;
        match (message.kind, message.error.as_deref().unwrap_or_default()) {
            (Kind::Error, "org.freedesktop.Secret.Error.NoSuchObject") => Err(ServiceError::NotFound),
            (Kind::Error, "org.freedesktop.DBus.Error.UnknownObject") => Err(ServiceError::NotFound),
            (Kind::Error, name) => Err(self.refusal(name, deadline)),
            _ => Ok(message),
        }
    }

    /// Translates an error by its name. Its text is dropped, since it may quote what was sent.
    pub(super) fn refusal(&self, name: &str, deadline: &Deadline) -> ServiceError {
        let broken = || {
            let printable = name.len() < 256 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            let what = if printable { name } else { "an error without a proper name" };
            ServiceError::Broken { what: format!("{what} ({})", deadline.doing) }
        };
        let absent = |why: &str| ServiceError::Absent { why: why.to_owned() };
        let Some(known) = name.strip_prefix("org.freedesktop.DBus.Error.") else {
            return match name {
                "org.freedesktop.Secret.Error.IsLocked" => ServiceError::Locked,
                _ if name.starts_with("org.freedesktop.systemd1.") => absent("the keychain service cannot be started"),
                _ => broken(),
            };
        };
        match known {
            // A service that has answered before is not absent but has ended, so that the key must not be looked for
            // elsewhere.
            "ServiceUnknown" | "NameHasNoOwner" if self.heard => ServiceError::Lost { doing: deadline.doing },
            "ServiceUnknown" | "NameHasNoOwner" => absent("nothing on the session bus is one"),
            _ if known.starts_with("Spawn.") => absent("the keychain service cannot be started"),
            "NoReply" | "Disconnected" => ServiceError::Lost { doing: deadline.doing },
            "Timeout" | "TimedOut" => deadline.passed(),
            "AccessDenied" | "AuthFailed" => {
                ServiceError::Denied { why: format!("by the session bus or the service ({})", deadline.doing) }
            }
            _ => broken(),
        }
    }
}

/// A value for a session (`(oayays)`).
pub(super) struct Sent<'v> {
    session: String,
    /// The initialization vector; empty where nothing is encrypted.
    parameters: Vec<u8>,
    value: Cow<'v, [u8]>,
}

impl Sent<'_> {
    pub(super) fn write(&self, w: &mut Writer) {
        w.pad(8);
        w.string(&self.session);
        w.bytestring(&self.parameters);
        w.bytestring(&self.value);
        w.string("text/plain");
    }
}

// Reads the value of one `(oayays)`. The vector has exactly its size, so that it never grows and leaves a copy behind.
pub(super) fn value_in(body: &mut Reader<'_>) -> std::result::Result<Zeroizing<Vec<u8>>, Malformed> {
    body.path()?;
    body.bytestring()?;
    let value = Zeroizing::new(body.bytestring()?.to_vec());
    body.string()?;
    Ok(value)
}

pub(super) fn attributes_of(message: &Message) -> Result<Attributes> {
    let mut body = message.body("v")?;
    body.variant("a{ss}")?;
    let pairs = body.dictionary(MOST_ATTRIBUTES)?;
    Ok(pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}
