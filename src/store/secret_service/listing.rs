//! Listing the items of a service.
//!
//! gnome-keyring looks through all its items for each question about one of them, so that listing 10 000 takes it ten
//! seconds and more. Of a large gnome-keyring the names are therefore kept in a file, see [`super::cache`]. They are
//! returned from there only while nothing can have changed: the same process owns the service's name on the same bus,
//! the keyring files have the stamp they had, and the collections are unlocked. After a change the names that the
//! keyring files confirm need not be asked for again. Other services, and collections whose files are of another
//! format, are asked for every item each time. Part of `service`.

use super::KeptNames;
use super::bus::{Deadline, Serial};
use super::cache::{Cache, Listing, Name, Source};
use super::error::ServiceError;
use super::keyrings::{COLLECTIONS, Folder, collection_of};
use super::service::{Attributes, ITEM, MOST_OBJECTS, NAME, ROOT, Result, SERVICE, Service, attributes_of, value_in};
use super::wire::Kind;
use crate::platform;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Calls on their way at once while listing: enough to hide the latency, few enough to fit the socket's buffer.
const WINDOW: usize = 64;
/// How long they should take together. gnome-keyring goes through all its items for each of them, and whoever else asks
/// it for something waits until they are done.
const WINDOW_TIME: Duration = Duration::from_millis(20);
/// A listing of fewer names is not kept: asking is as fast.
const WORTH_KEEPING: usize = 64;

/// An item as a listing shows it.
#[derive(Debug)]
pub(super) struct Listed {
    pub path: String,
    pub locked: bool,
    pub account: String,
    pub attributes: Attributes,
}

/// How a listing is made.
pub(super) struct Way<'a> {
    /// The deadline of each answer.
    pub each: Duration,
    /// Is told, after some items, how many there are of how many.
    pub progress: &'a dyn Fn(usize, usize),
}

/// The process that is a gnome-keyring, and what it is called on which bus.
struct Process {
    pid: u32,
    owner: String,
}

/// A gnome-keyring whose files are known, and the service that is listed there.
struct Keyring<'a> {
    owner: String,
    folder: Folder,
    service: &'a str,
}

impl Service {
    /// The items under one service, in no order. No value is asked for. However many there are, no answer may take
    /// longer than `way.each`.
    pub(super) fn listed(&mut self, service: &str, way: &Way<'_>, deadline: &Deadline) -> Result<Vec<Listed>> {
        let found = self.found_under(service, way, deadline)?;
        self.described(&found, service, (0, found.len()), way, deadline)
    }

    /// The accounts under one service, in no order and each as often as there are items of it. No value is asked for.
    pub(super) fn accounts(
        &mut self,
        service: &str,
        kept: Option<&KeptNames>,
        way: &Way<'_>,
        deadline: &Deadline,
    ) -> Result<Vec<String>> {
        if let Some(KeptNames { file, keyrings }) = kept
            && let Some(keyring) = self.keyring(&deadline.part(way.each))?
        {
            let cache = Cache::new(file.clone());
            let text = cache.read();
            let kept = text.as_deref().and_then(Listing::in_text);
            let kept = kept.filter(|kept| kept.source.owner == keyring.owner && kept.source.service == service);
            // The same process has the same folder, and reading its environment takes longer than all else.
            let folder = match &kept {
                Some(kept) => Some(Folder::new(kept.source.folder.clone().into())),
                None => folder_of(keyring.pid, keyrings),
            };
            if let Some(folder) = folder {
                let keyring = Keyring { folder, owner: keyring.owner, service };
                return self.accounts_of(keyring, &cache, kept.as_ref(), way, deadline);
            }
        }
        Ok(self.listed(service, way, deadline)?.into_iter().map(|item| item.account).collect())
    }

    fn accounts_of(
        &mut self,
        keyring: Keyring<'_>,
        cache: &Cache,
        kept: Option<&Listing<'_>>,
        way: &Way<'_>,
        deadline: &Deadline,
    ) -> Result<Vec<String>> {
        let service = keyring.service;
        if let Some(kept) = kept
            && keyring.folder.stamp().is_some_and(|stamp| stamp.text == kept.source.stamp)
            && self.are_unlocked(&kept.names, &deadline.part(way.each))?
        {
            return Ok(kept.names.iter().map(|name| name.account.to_owned()).collect());
        }
        let found = self.found_under(service, way, deadline)?;
        let collections: BTreeSet<String> =
            found.iter().filter_map(|(path, _)| collection_of(path)).map(str::to_owned).collect();
        let names = kept.map_or(&[][..], |kept| &kept.names);
        let known: HashMap<&str, &str> = names.iter().map(|name| (name.item, name.account)).collect();
        let confirmed = (!known.is_empty()).then(|| keyring.folder.confirmed(&collections)).flatten();
        let total = found.len();
        let mut items = Vec::with_capacity(total);
        let mut unknown = Vec::new();
        for (path, locked) in found {
            let account = path.strip_prefix(COLLECTIONS).and_then(|item| known.get(item)).filter(|_| !locked);
            let is_confirmed =
                |account: &&&str| confirmed.as_ref().is_some_and(|files| files.has(&path, service, account));
            match account.filter(is_confirmed) {
                Some(account) => items.push((path, (*account).to_owned())),
                None => unknown.push((path, locked)),
            }
        }
        let described = self.described(&unknown, service, (items.len(), total), way, deadline)?;
        let are_open = described.iter().all(|item| !item.locked);
        items.extend(described.into_iter().map(|item| (item.path, item.account)));
        items.sort_by(|a, b| a.1.cmp(&b.1));
        if are_open && items.len() >= WORTH_KEEPING {
            keep(keyring, &collections, cache, &items);
        }
        Ok(items.into_iter().map(|(_, account)| account).collect())
    }

    /// The process that answers, if it is a gnome-keyring.
    fn keyring(&mut self, deadline: &Deadline) -> Result<Option<Process>> {
        let (pid, bus) = (self.ask_pid(NAME), self.bus.ask_bus("GetId", "", |_| {}));
        let pid = self.pid_in(pid, deadline);
        let bus = self.bus.answer(bus, deadline)?;
        let (Some(pid), Kind::Reply) = (pid, bus.kind) else { return Ok(None) };
        let bus = bus.body("s")?.string()?.to_owned();
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        // The kernel cuts names at 15 bytes.
        if name.trim() != "gnome-keyring-d" {
            return Ok(None);
        }
        // It introduces this connection as a search does (see `search`), and looks at no item.
        let call = self.ask(ROOT, SERVICE, "ReadAlias", "s", |w| w.string("-"));
        let owner = self.answer(call, deadline)?.sender.unwrap_or_default();
        let same = self.ask_pid(&owner);
        if self.pid_in(same, deadline) != Some(pid) {
            return Ok(None);
        }
        Ok(Some(Process { pid, owner: format!("{owner} {bus}") }))
    }

    fn ask_pid(&mut self, name: &str) -> Serial {
        self.bus.ask_bus("GetConnectionUnixProcessID", "s", |w| w.string(name))
    }

    fn pid_in(&mut self, call: Serial, deadline: &Deadline) -> Option<u32> {
        self.bus.answer(call, deadline).ok().and_then(|message| message.body("u").ok()?.u32().ok())
    }

    // Of the collections that hold these items.
    fn are_unlocked(&mut self, names: &[Name<'_>], deadline: &Deadline) -> Result<bool> {
        // Most often all of them are in one.
        let groups = names.chunk_by(|a, b| a.collection() == b.collection());
        let collections: BTreeSet<&str> = groups.filter_map(|names| names[0].collection()).collect();
        let collections: Vec<String> = collections.iter().map(|name| format!("{COLLECTIONS}{name}")).collect();
        match self.locked(&collections, deadline) {
            Ok(locked) => Ok(locked.is_empty()),
            // It is not there any more, although its file is.
            Err(ServiceError::Broken { .. }) => Ok(false),
            Err(error) => Err(error),
        }
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

    /// The paths of the items under a service, and which of them are locked.
    fn found_under(&mut self, service: &str, way: &Way<'_>, deadline: &Deadline) -> Result<Vec<(String, bool)>> {
        let part = deadline.part(way.each);
        let (items, locked) = self.search(&[("service", service)], &part)?;
        if items.is_empty() && locked.is_empty() {
            return match self.missing(&deadline.part(way.each)) {
                ServiceError::NotFound => Ok(Vec::new()),
                other => Err(other),
            };
        }
        let unlocked = items.into_iter().map(|item| (item, false));
        Ok(unlocked.chain(locked.into_iter().map(|item| (item, true))).collect())
    }

    /// Asks for the attributes of items; those that are not under the service any more are left out. `done` says how
    /// many of how many were listed before.
    fn described(
        &mut self,
        items: &[(String, bool)],
        service: &str,
        (done, total): (usize, usize),
        way: &Way<'_>,
        deadline: &Deadline,
    ) -> Result<Vec<Listed>> {
        let mut listed = Vec::with_capacity(items.len());
        let mut hidden = Vec::new();
        let (mut rest, mut size) = (items, WINDOW);
        while !rest.is_empty() {
            (way.progress)(done + items.len() - rest.len(), total);
            let (window, others) = rest.split_at(size.min(rest.len()));
            rest = others;
            let began = Instant::now();
            let calls: Vec<_> = window.iter().map(|(item, _)| self.ask_property(item, ITEM, "Attributes")).collect();
            for (call, (item, locked)) in calls.into_iter().zip(window) {
                let attributes = match self.item_answer(call, &deadline.part(way.each)) {
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
                        listed.push(Listed { path: item.clone(), locked: *locked, account, attributes });
                    }
                    // gnome-keyring knows only digests of the attributes before a collection's first unlock.
                    _ if *locked => hidden.push(item.clone()),
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
}

/// The folder in which a gnome-keyring keeps its files: that of its environment, or the user's where that cannot be
/// read.
fn folder_of(pid: u32, users: &Path) -> Option<Folder> {
    let (mut home, mut data) = (None, None);
    let read = platform::environment_of(pid, &mut |name, value| {
        let value = || Some(PathBuf::from(OsStr::from_bytes(value))).filter(|path| path.is_absolute());
        match name {
            "HOME" => home = value(),
            "XDG_DATA_HOME" => data = value(),
            _ => {}
        }
        false
    });
    match read {
        Some(_) => {
            let data = data.or_else(|| Some(home?.join(".local/share")))?;
            Some(Folder::new(data.join("keyrings")))
        }
        // A program with capabilities does not show its environment. What is listed tells whether these are its files.
        None => Some(Folder::new(users.to_owned())),
    }
}

/// Keeps items' paths and accounts, if the files have exactly these and every later change will show in their stamp. So
/// it does not matter what changed while they were listed, and files that are another service's are not taken for this
/// one's.
fn keep(
    Keyring { owner, folder, service }: Keyring<'_>,
    collections: &BTreeSet<String>,
    cache: &Cache,
    items: &[(String, String)],
) {
    let Some(stamp) = folder.stamp().filter(|stamp| stamp.is_settled) else { return };
    let are_these = folder.confirmed(collections).is_some_and(|confirmed| {
        confirmed.count(service) == items.len()
            && items.iter().all(|(path, account)| confirmed.has(path, service, account))
    });
    if !are_these || folder.stamp().as_ref() != Some(&stamp) {
        return;
    }
    let names = items.iter().map(|(path, account)| Some(Name { item: path.strip_prefix(COLLECTIONS)?, account }));
    let (Some(folder), Some(names)) = (folder.text(), names.collect()) else { return };
    let source = Source { owner, folder: folder.to_owned(), service: service.to_owned(), stamp: stamp.text };
    cache.keep(&Listing { source, names });
}

/// How many calls to send at once after `size` of them took so long.
fn next_window(size: usize, took: Duration) -> usize {
    match took {
        _ if took > WINDOW_TIME => (size / 2).max(1),
        _ if took < WINDOW_TIME / 4 => (2 * size).min(WINDOW),
        _ => size,
    }
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
