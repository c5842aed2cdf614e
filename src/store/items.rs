//! Entries of any service, as the daemon reads and writes them for its clients.
//!
//! The same keychain, or file, as [`super::open`] gives, seen without Ringlet's own naming: a service and a target, and
//! attributes beside the value. Never asks a person anything. Any number of threads may use it at once; each takes a
//! connection of its own, so that a lookup that hangs holds up no other.

use super::file::FileStore;
use super::names::Names;
use super::{SERVICE, StoreError};
use crate::config::{Backend, Settings};
use crate::env::Env;
use crate::name::KeyName;
use crate::paths::Paths;
use crate::secret::Secret;
use std::sync::{Mutex, PoisonError};

/// An entry of a service.
#[derive(Debug)]
pub struct Item {
    /// Its name in the service.
    pub target: String,
    /// What was stored with it besides.
    pub attributes: Vec<(String, String)>,
    /// Its value, where that was asked for.
    pub value: Option<Secret>,
}

/// Whether the keychain can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It can.
    Ready,
    /// It is there and locked.
    Locked,
    /// There is none; the file stands in for it where the settings allow that.
    Absent,
    /// It is there and does not work.
    Broken(String),
}

/// The entries of every service.
pub struct Items {
    backend: Backend,
    system: system::System,
    own: FileStore,
    others: FileStore,
    names: Names,
    /// One listing of a file at a time: it is parsed whole, which takes twenty times its size.
    listing: Mutex<()>,
}

impl Items {
    /// Those of this session; nothing is connected yet.
    pub fn new(settings: &Settings, paths: &Paths, env: &Env) -> Self {
        Self {
            backend: settings.backend,
            system: system::System::new(env, settings.timeout),
            own: FileStore::new(paths),
            others: FileStore::of_services(paths),
            names: Names::new(paths.names()),
            listing: Mutex::new(()),
        }
    }

    /// Looks one entry up; `None` when there is none. Of an entry that had no attributes of its own it may be remembered
    /// for some seconds that it has none; what is to be changed is looked at with [`Self::get_fresh`].
    pub fn get(&self, service: &str, target: &str) -> Result<Option<Item>, StoreError> {
        self.look_up(service, target, false)
    }

    /// Looks one entry up with everything as it is now.
    pub fn get_fresh(&self, service: &str, target: &str) -> Result<Option<Item>, StoreError> {
        self.look_up(service, target, true)
    }

    fn look_up(&self, service: &str, target: &str, fresh: bool) -> Result<Option<Item>, StoreError> {
        self.either(
            || self.system.get(service, target, fresh),
            || {
                let Some((file, pair)) = self.place(service, target) else { return Ok(None) };
                let found = file.find(pair)?;
                Ok(found.map(|(value, attributes)| Item { target: target.into(), attributes, value: Some(value) }))
            },
        )
    }

    /// Stores an entry, replacing an older one, whose attributes stay where none are given; in a file only where the
    /// settings say so. For Ringlet's own service the target must be a key's name.
    pub fn set(
        &self,
        service: &str,
        target: &str,
        value: &Secret,
        attributes: Option<&[(String, String)]>,
    ) -> Result<(), StoreError> {
        let own = own_name(service, target)?;
        // Where the keychain is only not there yet, a file that took its entry would hide it from then on.
        if self.backend == Backend::File {
            let (file, pair) = self.place(service, target).expect("checked above");
            return file.put(pair, value, attributes);
        }
        self.system.set(service, target, value, attributes)?;
        own.as_ref().map_or(Ok(()), |key| self.names.change(|names| names.insert(key.clone())))
    }

    /// Takes an entry away; `false` when there is none.
    pub fn remove(&self, service: &str, target: &str) -> Result<bool, StoreError> {
        let own = own_name(service, target)?;
        self.either(
            || {
                let there = self.system.remove(service, target)?;
                own.as_ref().map_or(Ok(()), |key| self.names.change(|names| names.remove(key)))?;
                Ok(there)
            },
            || self.place(service, target).map_or(Ok(false), |(file, pair)| file.take(pair)),
        )
    }

    /// The entries of a service whose target is wanted, sorted by it, with their values where these are asked for.
    pub fn list(&self, service: &str, values: bool, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Item>, StoreError> {
        self.either(
            || self.system.list(service, values, wanted),
            || {
                let _one = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
                let item = |target, (value, attributes): (Secret, _)| Item {
                    target,
                    attributes,
                    value: values.then_some(value),
                };
                if service != SERVICE {
                    let found = self.others.below(service, wanted)?;
                    return Ok(found.into_iter().map(|(target, found)| item(target, found)).collect());
                }
                let mut all = Vec::new();
                for key in super::Store::names(&self.own)? {
                    let target = key.to_string();
                    if wanted(&target)
                        && let Some(found) = self.own.find((key.provider.as_str(), key.alias.as_str()))?
                    {
                        all.push(item(target, found));
                    }
                }
                Ok(all)
            },
        )
    }

    /// Whether the keychain can be used now.
    pub fn state(&self) -> State {
        if self.backend == Backend::File {
            return State::Ready;
        }
        match self.system.state() {
            Ok(()) => State::Ready,
            Err(StoreError::Locked) => State::Locked,
            Err(StoreError::Absent(_)) => State::Absent,
            Err(other) => State::Broken(other.to_string()),
        }
    }

    /// Where entries are kept, for messages.
    pub fn place_name(&self) -> &'static str {
        if self.backend == Backend::File { "a file" } else { "the keychain" }
    }

    fn either<T>(
        &self,
        system: impl FnOnce() -> Result<T, StoreError>,
        file: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self.backend {
            Backend::File => file(),
            Backend::SystemOnly => system(),
            Backend::System => match system() {
                Err(StoreError::Absent(_)) => file(),
                done => done,
            },
        }
    }

    // Ringlet's own keys keep their file and their form; `None` where the target is none of them.
    fn place<'a>(&self, service: &'a str, target: &'a str) -> Option<(&FileStore, (&'a str, &'a str))> {
        match service {
            SERVICE => Some((&self.own, target.split_once('/')?)),
            other => Some((&self.others, (other, target))),
        }
    }
}

/// Whether keychains and their libraries give an attribute of this name to entries, so that nobody else may.
pub(crate) fn is_taken(attribute: &str) -> bool {
    const TAKEN: &[&str] = &["service", "username", "target", "application", "xdg:schema"];
    TAKEN.contains(&attribute) || attribute.starts_with("gkr:")
}

fn own_name(service: &str, target: &str) -> Result<Option<KeyName>, StoreError> {
    if service != SERVICE {
        return Ok(None);
    }
    target.parse().map(Some).map_err(|_| StoreError::Broken("the target is no name of a key".into()))
}

#[cfg(target_os = "linux")]
mod system {
    use super::super::secret_service::{self, Options, Prompt, SecretService, ServiceError, Status};
    use super::super::system::whole;
    use super::{Item, Secret, StoreError};
    use crate::env::Env;
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::{Duration, Instant};

    /// How long an item without attributes is not asked for them again: that is a third of a lookup's time, and another
    /// program that gives it some is seen that much later. What an item's value is, is asked each time.
    const BARE_FOR: Duration = Duration::from_secs(5);
    const MOST_BARE: usize = 1024;

    /// Connections that nobody uses at the moment.
    pub(super) struct System {
        options: Options,
        idle: Mutex<Vec<Arc<SecretService>>>,
        // Items by their paths, and when each was seen to have no attributes of its own.
        bare: Mutex<HashMap<String, Instant>>,
    }

    impl System {
        pub(super) fn new(env: &Env, timeout: Duration) -> Self {
            let options = Options::new(env, timeout, Prompt::Never);
            Self { options, idle: Mutex::default(), bare: Mutex::default() }
        }

        fn with<T>(&self, work: impl FnOnce(&SecretService) -> Result<T, ServiceError>) -> Result<T, StoreError> {
            let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = idle().pop();
            let service = kept.unwrap_or_else(|| SecretService::new(self.options.clone()));
            let done = work(&service);
            idle().push(service);
            done.map_err(|error| whole(&error))
        }

        pub(super) fn get(&self, service: &str, target: &str, fresh: bool) -> Result<Option<Item>, StoreError> {
            let bare = || self.bare.lock().unwrap_or_else(PoisonError::into_inner);
            let is_bare = |path: &str| !fresh && bare().get(path).is_some_and(|asked| asked.elapsed() < BARE_FOR);
            let (path, found) = match self.with(|it| match it.item(service, target, &is_bare) {
                Ok(found) => Ok(Some(found)),
                Err(ServiceError::NotFound) => Ok(None),
                Err(other) => Err(other),
            })? {
                Some(found) => found,
                None => return Ok(None),
            };
            if found.attributes.is_empty() && !is_bare(&path) {
                let mut bare = bare();
                if bare.len() >= MOST_BARE {
                    bare.clear();
                }
                bare.insert(path, Instant::now());
            }
            Ok(Some(item(found)))
        }

        pub(super) fn set(
            &self,
            service: &str,
            target: &str,
            value: &Secret,
            attributes: Option<&[(String, String)]>,
        ) -> Result<(), StoreError> {
            let done = self.with(|it| it.set_with(service, target, value.expose(), attributes));
            self.bare.lock().unwrap_or_else(PoisonError::into_inner).clear();
            done
        }

        pub(super) fn remove(&self, service: &str, target: &str) -> Result<bool, StoreError> {
            self.with(|it| match it.remove(service, target) {
                Ok(()) => Ok(true),
                Err(ServiceError::NotFound) => Ok(false),
                Err(other) => Err(other),
            })
        }

        pub(super) fn list(
            &self,
            service: &str,
            values: bool,
            wanted: &dyn Fn(&str) -> bool,
        ) -> Result<Vec<Item>, StoreError> {
            self.with(|it| it.items(service, values, wanted)).map(|found| found.into_iter().map(item).collect())
        }

        pub(super) fn state(&self) -> Result<(), StoreError> {
            self.with(|it| match it.status()? {
                Status::Available => Ok(()),
                Status::Locked => Err(ServiceError::Locked),
                Status::Absent { why } => Err(ServiceError::Absent { why }),
            })
        }
    }

    fn item(found: secret_service::Item) -> Item {
        let secret_service::Item { account, attributes, value } = found;
        Item { target: account, attributes, value: value.map(Secret::from) }
    }
}

#[cfg(any(target_os = "macos", windows))]
mod system {
    use super::super::system::services;
    use super::{Item, Secret, StoreError};
    use crate::env::Env;
    use std::time::Duration;

    /// macOS' Keychain and Windows' Credential Manager, which keep no attributes of ours.
    pub(super) struct System {
        timeout: Duration,
    }

    impl System {
        pub(super) fn new(_env: &Env, timeout: Duration) -> Self {
            Self { timeout }
        }

        pub(super) fn get(&self, service: &str, target: &str, _fresh: bool) -> Result<Option<Item>, StoreError> {
            let value = services::get(service, target, self.timeout)?;
            Ok(value.map(|value| Item { target: target.to_owned(), attributes: Vec::new(), value: Some(value) }))
        }

        pub(super) fn set(
            &self,
            service: &str,
            target: &str,
            value: &Secret,
            attributes: Option<&[(String, String)]>,
        ) -> Result<(), StoreError> {
            if attributes.is_some_and(|it| !it.is_empty()) {
                return Err(StoreError::Broken("it keeps no attributes".into()));
            }
            services::set(service, target, value, self.timeout)
        }

        pub(super) fn remove(&self, service: &str, target: &str) -> Result<bool, StoreError> {
            services::remove(service, target, self.timeout)
        }

        pub(super) fn list(
            &self,
            service: &str,
            values: bool,
            wanted: &dyn Fn(&str) -> bool,
        ) -> Result<Vec<Item>, StoreError> {
            let mut items = Vec::new();
            for target in services::targets(service, self.timeout)?.into_iter().filter(|target| wanted(target)) {
                if !values {
                    items.push(Item { target, attributes: Vec::new(), value: None });
                } else if let Some(item) = self.get(service, &target, true)? {
                    items.push(item);
                }
            }
            items.sort_by(|a, b| a.target.cmp(&b.target));
            Ok(items)
        }

        pub(super) fn state(&self) -> Result<(), StoreError> {
            services::targets(super::SERVICE, self.timeout).map(drop)
        }
    }
}
