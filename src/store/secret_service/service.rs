//! The Secret Service's own calls: search, read, write, delete, list.
//!
//! Nothing here unlocks or asks anybody unless `unlock` is called, or the service answers a write with a prompt. Items
//! of the `session` collection do not exist for us: it forgets them at logout. Values that are looked up travel plain
//! (the `plain` algorithm), so only over the sockets `address` takes; those that are stored are sealed where the service can. Called by the store in `mod`; after the Secret Service API
//! draft 0.2 of freedesktop.org, with the ways in which gnome-keyring, KeePassXC and KWallet differ from it.

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
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

pub(super) const NAME: &str = "org.freedesktop.secrets";
pub(super) const ROOT: &str = "/org/freedesktop/secrets";
const SESSION_COLLECTION: &str = "/org/freedesktop/secrets/collection/session";
pub(super) const SERVICE: &str = "org.freedesktop.Secret.Service";
const COLLECTION: &str = "org.freedesktop.Secret.Collection";
const ITEM: &str = "org.freedesktop.Secret.Item";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Objects taken from one answer; a keychain with more is not believed.
pub(super) const MOST_OBJECTS: usize = 1 << 16;
/// Attributes of one item.
const MOST_ATTRIBUTES: usize = 1 << 10;
/// Calls on their way at once while listing: enough to hide the latency, few enough to fit the socket's buffer.
const WINDOW: usize = 64;
/// How long they should take together. gnome-keyring goes through all its items for each of them, and whoever else asks
/// it for something waits until they are done.
const WINDOW_TIME: Duration = Duration::from_millis(20);
/// What a message needs beside the value.
const OVERHEAD: usize = 64 << 10;
/// An object path that means "none".
pub(super) const NONE: &str = "/";

pub(super) type Result<T> = std::result::Result<T, ServiceError>;

/// An item's attributes, names and values.
pub(super) type Attributes = Vec<(String, String)>;

/// An item as a listing shows it.
#[derive(Debug)]
pub(super) struct Listed {
    pub path: String,
    pub locked: bool,
    pub account: String,
    pub attributes: Attributes,
}

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
    owner: String,
    /// What an unlock would be asked for: the objects the present operation wants.
    pub(super) wanted: Vec<String>,
    /// Whether the service has answered in the present operation.
    heard: bool,
    /// Whether the bus was told to pass the prompts' signals on.
    pub(super) watching: bool,
}

impl Service {
    /// Connects; nothing is sent before the first question.
    pub(super) fn connect(bus: Option<&OsStr>, runtime: &[PathBuf], deadline: &Deadline) -> Result<Self> {
        let bus = Bus::connect(bus, runtime, deadline)?;
        Ok(Self { bus, session: None, owner: String::new(), wanted: Vec::new(), heard: false, watching: false })
    }

    /// Makes a kept connection ready for another operation; nothing if it has ended meanwhile.
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

    /// The same with the item's path, and with all its attributes, unless it is known to have none but those that every
    /// item has. Both are asked for at once.
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

    /// The values of unlocked items by their paths, in no order; one that was deleted meanwhile is left out.
    pub(super) fn values(
        &mut self,
        items: &[String],
        each: Duration,
        deadline: &Deadline,
    ) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>> {
        let session = self.session(&deadline.part(each))?;
        let mut all = Vec::with_capacity(items.len());
        for some in items.chunks(WINDOW) {
            let call = self.ask(ROOT, SERVICE, "GetSecrets", "aoo", |w| {
                w.array(4, |w| some.iter().for_each(|path| w.string(path)));
                w.string(&session);
            });
            let message = self.answer(call, &deadline.part(each))?;
            all.extend(message.body("a{o(oayays)}")?.array(8, MOST_OBJECTS, |entry| {
                entry.pad(8)?;
                let path = entry.path()?.to_owned();
                entry.pad(8)?;
                Ok((path, value_in(entry)?))
            })?);
        }
        Ok(all)
    }

    /// Replaces the value of the one matching item, and its further attributes where some are given; or creates an item
    /// in the default collection.
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
                // Those by which other libraries find the item stay.
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
        // KeePassXC creates nothing before its prompt was called, even where it asks nobody.
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

    /// The items under one service, in no order. No value is asked for. However many there are, no answer may take
    /// longer than `each`.
    pub(super) fn listed(&mut self, service: &str, each: Duration, deadline: &Deadline) -> Result<Vec<Listed>> {
        let (items, locked) = self.search(&[("service", service)], &deadline.part(each))?;
        if items.is_empty() && locked.is_empty() {
            return match self.missing(&deadline.part(each)) {
                ServiceError::NotFound => Ok(Vec::new()),
                other => Err(other),
            };
        }
        let mut listed = Vec::with_capacity(items.len() + locked.len());
        let mut hidden = Vec::new();
        let all: Vec<_> =
            items.iter().map(|item| (item, false)).chain(locked.iter().map(|item| (item, true))).collect();
        let (mut rest, mut size) = (&all[..], WINDOW);
        while !rest.is_empty() {
            let (window, others) = rest.split_at(size.min(rest.len()));
            rest = others;
            let began = Instant::now();
            let calls: Vec<_> = window.iter().map(|(item, _)| self.ask_property(item, ITEM, "Attributes")).collect();
            for (call, &(item, locked)) in calls.into_iter().zip(window) {
                let attributes = match self.item_answer(call, &deadline.part(each)) {
                    Ok(message) => attributes_of(&message)?,
                    // Deleted since the search.
                    Err(ServiceError::NotFound) => continue,
                    Err(ServiceError::Locked) => Vec::new(),
                    Err(other) => return Err(other),
                };
                let value = |key: &str| attributes.iter().find(|(known, _)| known == key).map(|(_, value)| value);
                match value("username") {
                    Some(account) if value("service").is_some_and(|found| found == service) => {
                        let account = account.clone();
                        listed.push(Listed { path: item.clone(), locked, account, attributes });
                    }
                    // gnome-keyring knows only hashes of the attributes before a collection's first unlock.
                    _ if locked => hidden.push(item.clone()),
                    _ => {}
                }
            }
            size = next_window(size, began.elapsed());
        }
        if !hidden.is_empty() {
            self.wanted = hidden;
            return Err(ServiceError::Locked);
        }
        Ok(listed)
    }

    /// The default collection, if it is there and unlocked.
    pub(super) fn usable(&mut self, deadline: &Deadline) -> Result<String> {
        if !self.heard {
            // Only to have been introduced: see `search`.
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

    /// Fails with what keeps a service's items, or a new one, from being used. The locked collections, then the items of
    /// unlocked ones that wait for a confirmation, become what an unlock is asked for.
    pub(super) fn all_open(&mut self, service: &str, deadline: &Deadline) -> Result<()> {
        let (_, items) = self.search(&[("service", service)], deadline)?;
        let mut wanted = match self.usable(deadline) {
            Ok(_) => Vec::new(),
            Err(ServiceError::Locked) => std::mem::take(&mut self.wanted),
            Err(other) => return Err(other),
        };
        let (locked, waiting) = self.told_apart(items, deadline)?;
        // The default collection holds most of them.
        let further: Vec<_> = locked.into_iter().filter(|it| !wanted.contains(it)).collect();
        wanted.extend(further);
        let why = if wanted.is_empty() { ServiceError::Unconfirmed } else { ServiceError::Locked };
        wanted.extend(waiting);
        self.wanted = wanted;
        if self.wanted.is_empty() { Ok(()) } else { Err(why) }
    }

    /// Why these items, which become what an unlock is asked for, cannot be read: their collection is locked, or it is not
    /// and the service wants a person's word for each of them, as KeePassXC does unless told otherwise.
    pub(super) fn why_locked(&mut self, items: Vec<String>, deadline: &Deadline) -> ServiceError {
        let why = match self.told_apart(items.clone(), deadline) {
            Ok((locked, _)) if locked.is_empty() => ServiceError::Unconfirmed,
            Err(error @ (ServiceError::Timeout { .. } | ServiceError::Lost { .. })) => error,
            _ => ServiceError::Locked,
        };
        self.wanted = items;
        why
    }

    /// Of locked items, the locked collections that hold them, and those that unlocked ones hold.
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

    /// Why nothing matched: KeePassXC, and a keychain that nobody set up, say only that there is no such item.
    fn missing(&mut self, deadline: &Deadline) -> ServiceError {
        self.usable(deadline).err().unwrap_or(ServiceError::NotFound)
    }

    /// Which of these collections are locked; they become what an unlock is asked for.
    fn locked(&mut self, collections: &[String], deadline: &Deadline) -> Result<&[String]> {
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
        // Should it be locked before the next call, this is what to unlock.
        self.wanted.clone_from(&items);
        Ok(items.pop())
    }

    /// The unlocked and the locked items with these attributes.
    ///
    /// It is the first call of every operation, and nothing is sent before its answer is there. gnome-keyring (42 to
    /// 50) takes note of a new client beside its message loop; an `OpenSession` or a property that overtakes the note
    /// aborts the daemon, which comes back locked. A search that overtakes it is only refused as unknown.
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

    // The answer to a search. KeePassXC, while its database is locked, asks for the password in a window and answers no search
    // before that, but every question for its state.
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

    // Asked of the bus, not of the service: gnome-keyring must be asked nothing before its search is answered.
    fn is_keepassxc(&mut self, deadline: &Deadline) -> bool {
        let call = self.bus.ask_bus("GetConnectionUnixProcessID", "s", |w| w.string(NAME));
        let pid = self.bus.answer(call, deadline).ok().and_then(|message| message.body("u").ok()?.u32().ok());
        let name = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok());
        name.is_some_and(|name| name.trim() == "keepassxc")
    }

    /// The path of a session for values to travel in. A service that was restarted knows no session of its
    /// predecessor, so one that another process opened is not used.
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
        // Plain has no output, but KWallet's is not even the empty string it should be.
        body.skip_variant()?;
        let path = body.path()?.to_owned();
        self.session = Some(Session { path: path.clone(), owner: message.sender.clone().unwrap_or_default() });
        Ok(path)
    }

    /// A value as it is to be stored: sealed, but for a service that knows no such sessions. A person waits for it anyway,
    /// while a lookup must take no time and its value travels plain.
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
        // Some say that they do not support it, and KWallet without its plugin that the arguments are wrong. What is wrong with
        // the service itself shows in the next call.
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
        // The first call may start the service; a later one that finds it gone must not talk to another instance.
        let flags = if self.heard { NO_AUTO_START } else { 0 };
        self.bus.ask(&Call { destination: NAME, path, interface, member, signature, flags }, body)
    }

    fn ask_property(&mut self, path: &str, interface: &str, name: &str) -> Serial {
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

    /// The answer of an item, which may have been deleted since it was found.
    fn item_answer(&mut self, call: Serial, deadline: &Deadline) -> Result<Message> {
        let message = self.bus.answer(call, deadline)?;
        match (message.kind, message.error.as_deref().unwrap_or_default()) {
            (Kind::Error, "org.freedesktop.Secret.Error.NoSuchObject") => Err(ServiceError::NotFound),
            (Kind::Error, "org.freedesktop.DBus.Error.UnknownObject") => Err(ServiceError::NotFound),
            (Kind::Error, name) => Err(self.refusal(name, deadline)),
            _ => Ok(message),
        }
    }

    /// What an error's name means. Its text is dropped: it may quote what it was given.
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
            // Once it has answered, it is not absent but gone: no reason to look for the key elsewhere.
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

/// How many calls to send at once after `size` of them took so long.
fn next_window(size: usize, took: Duration) -> usize {
    match took {
        _ if took > WINDOW_TIME => (size / 2).max(1),
        _ if took < WINDOW_TIME / 4 => (2 * size).min(WINDOW),
        _ => size,
    }
}

/// A value for a session (`(oayays)`).
pub(super) struct Sent<'v> {
    session: String,
    /// The vector, or nothing where nothing is encrypted.
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

// Of one `(oayays)`. Exactly as large as the value, so that no wiping is missed by a later growth.
fn value_in(body: &mut Reader<'_>) -> std::result::Result<Zeroizing<Vec<u8>>, Malformed> {
    body.path()?;
    body.bytestring()?;
    let value = Zeroizing::new(body.bytestring()?.to_vec());
    body.string()?;
    Ok(value)
}

fn attributes_of(message: &Message) -> Result<Attributes> {
    let mut body = message.body("v")?;
    body.variant("a{ss}")?;
    let pairs = body.dictionary(MOST_ATTRIBUTES)?;
    Ok(pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_keychain_is_asked_less_at_once_and_a_fast_one_more() {
        let sizes = |took: Duration, from: usize| {
            std::iter::successors(Some(from), move |size| Some(next_window(*size, took))).take(10).collect::<Vec<_>>()
        };
        assert_eq!(sizes(WINDOW_TIME * 2, WINDOW), [64, 32, 16, 8, 4, 2, 1, 1, 1, 1]);
        assert_eq!(sizes(WINDOW_TIME / 2, 8), [8; 10]);
        assert_eq!(sizes(WINDOW_TIME / 8, 1), [1, 2, 4, 8, 16, 32, 64, 64, 64, 64]);
    }
}
