//! The stores of the settings, and which of them holds a key.
//!
//! One rule decides for a key, and no store ever stands in for another one: a key that its store does not give is not
//! looked for elsewhere. Everything that is no key of Ringlet's own is in the usual store.

use super::command::CommandStore;
use super::fallback::WhileAbsent;
use super::helper::HelperStore;
use super::tool::Tool;
use super::vault::VaultStore;
use super::{ItemName, Opening, SERVICE, Store, backend, keychain};
use crate::config::{Backend, Credential, Kept, Prefix, StoreKind, StoreRule, Stores, VaultLogin};
use crate::name::KeyName;
use std::collections::{BTreeMap, BTreeSet};

/// The stores, opened; nothing is connected yet.
pub(super) struct Routes<S: Store + ?Sized> {
    usual: Box<S>,
    others: BTreeMap<Kept, Box<S>>,
    stores: Stores,
}

impl Routes<dyn Store + Send + Sync> {
    /// Opens the stores that the settings name.
    pub(super) fn open(opening: &Opening<'_>, while_absent: WhileAbsent) -> Self {
        let settings = opening.settings;
        let stores = settings.stores.clone();
        let mut others: BTreeMap<Kept, Box<dyn Store + Send + Sync>> = BTreeMap::new();
        for rule in stores.rules.values() {
            let Kept::In(own) = rule.store else { continue };
            let made = || match own {
                // A rule means the keychain itself, and no file in its place.
                Backend::System | Backend::SystemOnly => Box::new(keychain(opening).by_rule()) as Box<_>,
                Backend::File | Backend::EncryptedFile => backend(own, opening, while_absent),
            };
            if own == Backend::System || own != settings.backend {
                others.entry(rule.store.clone()).or_insert_with(made);
            }
        }
        for (name, spec) in &stores.specs {
            let timeout = spec.timeout.unwrap_or(settings.timeout);
            let tool = || Tool {
                store: name.clone(),
                programs: opening.programs.clone(),
                env: opening.tools_env.clone(),
                home: opening.paths.home.clone(),
                timeout,
                prompt: opening.prompt,
            };
            let store: Box<dyn Store + Send + Sync> = match &spec.kind {
                StoreKind::Command(spec) => {
                    Box::new(CommandStore::new(tool(), (**spec).clone(), &stores, opening.paths))
                }
                StoreKind::Vault(spec) => {
                    let (VaultLogin::Token(from) | VaultLogin::AppRole { secret_id: from, .. }) = &spec.login;
                    let in_usual = matches!(from, Credential::Key(_));
                    let usual = in_usual.then(|| backend(settings.backend, opening, while_absent));
                    Box::new(VaultStore::new(name.clone(), (**spec).clone(), stores.clone(), timeout, usual))
                }
                StoreKind::Helper(_) => Box::new(HelperStore::new(tool(), spec.programs().swap_remove(0))),
            };
            others.insert(Kept::Named(name.clone()), store);
        }
        Self { usual: backend(settings.backend, opening, while_absent), others, stores }
    }

    /// The same for one thread.
    pub(super) fn of_this_thread(self) -> Routes<dyn Store> {
        let others = self.others.into_iter().map(|(kept, store)| (kept, store as Box<dyn Store>)).collect();
        Routes { usual: self.usual, others, stores: self.stores }
    }
}

impl<S: Store + ?Sized> Routes<S> {
    /// One store for all.
    #[cfg(test)]
    pub(super) fn to(usual: Box<S>) -> Self {
        Self { usual, others: BTreeMap::new(), stores: Stores::default() }
    }

    /// The store of everything that no rule is about.
    pub(super) fn usual(&self) -> &S {
        &self.usual
    }

    /// The store of a key.
    pub(super) fn of(&self, key: &KeyName) -> &S {
        // Nearly always there is no rule, and a listing asks this for each of its names.
        if self.stores.rules.is_empty() {
            return &self.usual;
        }
        let rule = self.stores.rule(key);
        rule.and_then(|rule| self.others.get(&rule.store)).unwrap_or(&self.usual)
    }

    /// The store of an item.
    pub(super) fn of_item(&self, name: ItemName<'_>) -> &S {
        name.key().map_or(&*self.usual, |key| self.of(&key))
    }

    /// The store of this name.
    pub(super) fn named(&self, kept: &Kept) -> Option<&S> {
        self.others.get(kept).map(|store| &**store)
    }

    /// The stores that hold keys by a rule, the usual one not among them.
    pub(super) fn ruled(&self) -> impl Iterator<Item = &S> {
        self.ruled_for("")
    }

    /// The stores that may hold a key whose name begins so. No other one is asked, so that it need not answer.
    pub(super) fn concerned(&self, prefix: &str) -> impl Iterator<Item = &S> {
        let is_elsewhere = |(keys, rule): (&Prefix, &StoreRule)| keys.has_all(prefix) && self.is_other(rule);
        let is_here = |(keys, rule): (&Prefix, &StoreRule)| keys.may_begin(prefix) && !self.is_other(rule);
        let rules = &self.stores.rules;
        let usual = !rules.iter().any(is_elsewhere) || rules.iter().any(is_here);
        usual.then_some(&*self.usual).into_iter().chain(self.ruled_for(prefix))
    }

    fn is_other(&self, rule: &StoreRule) -> bool {
        self.others.contains_key(&rule.store)
    }

    fn ruled_for(&self, prefix: &str) -> impl Iterator<Item = &S> {
        let rules = self.stores.rules.iter().filter(|(keys, _)| keys.may_begin(prefix));
        let kept: BTreeSet<&Kept> = rules.map(|(_, rule)| &rule.store).collect();
        kept.into_iter().filter_map(|kept| self.named(kept))
    }

    /// The keys that a rule of their own puts anywhere.
    pub(super) fn ruled_keys(&self) -> impl Iterator<Item = KeyName> + '_ {
        self.stores.rules.keys().filter_map(|prefix| match prefix {
            Prefix::Key(key) => Some(key.clone()),
            Prefix::Provider(_) => None,
        })
    }

    /// A key that a rule of its own puts into this store.
    pub(super) fn key_of(&self, kept: &Kept) -> Option<KeyName> {
        self.stores.keys_of(kept).pop_first()
    }

    /// Reports whether a store is the one that holds this key. Only there does a key of that name count.
    pub(super) fn is_of(&self, store: &S, key: &KeyName) -> bool {
        std::ptr::addr_eq(self.of(key), store)
    }
}

impl ItemName<'_> {
    /// The name of Ringlet's own key, if this is one.
    pub(super) fn key(&self) -> Option<KeyName> {
        if self.service == SERVICE { self.account.parse().ok() } else { None }
    }
}
