//! The `[store.NAME]` and `[store-for."PREFIX"]` tables of the settings: further stores, and which keys are in them.

mod raw;
#[cfg(test)]
mod tests;

pub(super) use raw::RawStore;

use super::backend::Backend;
use super::presets::{Output, Spelling};
use super::{ConfigError, Source};
use crate::name::{Alias, KeyName, NameError, Provider, StoreName, closest, shorten, store_table};
use raw::{api_path, plain};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table with `store = \"NAME\"`")]
pub(super) struct RawStoreFor {
    store: Spanned<String>,
    path: Option<Spanned<String>>,
    field: Option<Spanned<String>>,
}

/// Where keys are kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kept {
    /// In one of Ringlet's own stores.
    In(Backend),
    /// In a store of the settings.
    Named(StoreName),
}

impl Kept {
    /// Its name in the settings.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::In(own) => own.name(),
            Self::Named(name) => name.as_str(),
        }
    }

    /// Reads the name of a store.
    pub(crate) fn parse(name: &str) -> Result<Self, NameError> {
        match Backend::named(name) {
            Some(backend) => Ok(Self::In(backend)),
            None => name.parse().map(Self::Named),
        }
    }
}

/// A store of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreSpec {
    /// What it is.
    pub kind: StoreKind,
    /// The time limit for one operation, where it is not the usual one.
    pub timeout: Option<Duration>,
}

/// What a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// A command that prints a key.
    Command(Box<CommandSpec>),
    /// A docker credential helper of this name.
    Helper(String),
    /// A server of Vault or OpenBao.
    Vault(Box<VaultSpec>),
}

/// A server of Vault or OpenBao.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VaultSpec {
    /// Its address, without a slash at the end.
    pub address: String,
    /// A file with the only authorities that its certificate may come from; without it those of the system.
    pub ca_file: Option<PathBuf>,
    /// The namespace.
    pub namespace: Option<String>,
    /// The mount of the key-value engine, for keys without a path of their own.
    pub mount: String,
    /// The version of that engine, 1 or 2.
    pub kv: u8,
    /// How Ringlet logs in.
    pub login: VaultLogin,
}

/// How Ringlet logs in to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VaultLogin {
    /// With a token of the user's.
    Token(Credential),
    /// With a role and its secret id; Ringlet makes a token of its own.
    AppRole {
        /// The mount of the method.
        mount: String,
        /// The role's id.
        role_id: String,
        /// Its secret id.
        secret_id: Credential,
    },
}

/// Where a store's own credential is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// In a file that nobody else may read.
    File(PathBuf),
    /// In the usual store, under this name.
    Key(KeyName),
}

/// A command that prints a key, and those that change and list keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandSpec {
    /// Prints a key.
    pub get: Vec<String>,
    /// Store a key from standard input. The second one is tried where the first one fails.
    pub set: Vec<Vec<String>>,
    /// Removes a key.
    pub remove: Option<Vec<String>>,
    /// Where the names come from.
    pub names: CommandNames,
    /// What may stand before `PROVIDER/ALIAS` in a name. A name with none of them is no key of Ringlet's.
    pub prefixes: Vec<String>,
    /// What the words in capitals stand for.
    pub parameters: Vec<Given>,
    /// Variables that the commands get.
    pub env: Vec<(String, String)>,
    /// Where a key stands in the output.
    pub output: Output,
    /// How names are spelt.
    pub spelling: Spelling,
    /// Whether the command may ask a person during a launch.
    pub interactive: bool,
}

/// How the names in a store are found out without its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandNames {
    /// A command prints them.
    Printed(Vec<String>),
    /// They are files.
    Files(String),
    /// They cannot be had.
    Unknown,
}

/// What a word in capitals stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// The word.
    pub name: &'static str,
    /// What the table says.
    pub value: Option<String>,
    /// The variable that has the tool use the same.
    pub variable: Option<&'static str>,
    /// What it is else.
    pub default: Option<String>,
}

/// Which keys a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Prefix {
    /// One key.
    Key(KeyName),
    /// All keys of a provider, but for those with a rule of their own.
    Provider(Provider),
}

impl Prefix {
    /// Reports whether one of its keys may have a name that begins so.
    pub(crate) fn may_begin(&self, with: &str) -> bool {
        match self {
            Self::Key(key) => key.to_string().starts_with(with),
            Self::Provider(_) => self.has_all(with) || self.to_string().starts_with(with),
        }
    }

    /// Reports whether every name that begins so is one of its keys.
    pub(crate) fn has_all(&self, beginning: &str) -> bool {
        matches!(self, Self::Provider(_)) && beginning.starts_with(&self.to_string())
    }
}

/// What the names of its keys begin with.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Provider(provider) => write!(f, "{provider}/"),
        }
    }
}

/// Where the keys of a prefix are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreRule {
    /// The store.
    pub store: Kept,
    /// The path of the secret in a server of Vault, below `/v1`.
    pub path: Option<String>,
    /// The field of that secret.
    pub field: Option<String>,
    /// The line of the table in the settings, from 1.
    pub line: usize,
}

/// The further stores, and the keys in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stores {
    /// The stores.
    pub specs: BTreeMap<StoreName, StoreSpec>,
    /// Where keys are kept that are not in the usual store.
    pub rules: BTreeMap<Prefix, StoreRule>,
}

// Two aliases that no name holds by chance stand for all.
const PROBES: [&str; 2] = ["q9z7x1one", "q9z7x1two"];

fn shown(key: &KeyName) -> String {
    match PROBES.contains(&key.alias.as_str()) {
        true => format!("a key of {}", key.provider),
        false => key.to_string(),
    }
}

impl Stores {
    /// Returns the rule for a key.
    pub(crate) fn rule(&self, key: &KeyName) -> Option<&StoreRule> {
        let own = self.rules.get(&Prefix::Key(key.clone()));
        own.or_else(|| self.rules.get(&Prefix::Provider(key.provider.clone())))
    }

    /// The same stores with a rule of its own for a key, in place of the one that the settings have.
    pub(crate) fn with_key_in(&self, key: &KeyName, store: Kept) -> Self {
        let mut made = self.clone();
        // Where the rule names this store already, it says where in it the key is.
        let own = self.rule(key).filter(|rule| rule.store == store).cloned();
        let rule = own.unwrap_or(StoreRule { store, path: None, field: None, line: 0 });
        made.rules.insert(Prefix::Key(key.clone()), rule);
        made
    }

    /// The name of the store that a rule keeps a key in.
    pub(crate) fn named_for(&self, key: &KeyName) -> Option<StoreName> {
        self.rule(key).and_then(|rule| rule.store.name().parse().ok())
    }

    /// Another key that would be the same entry of a store's tool, by the rules: a key with a rule of its own, or some
    /// key of a provider.
    pub(crate) fn same_entry(&self, store: &StoreName, spec: &CommandSpec, key: &KeyName) -> Option<String> {
        spec.about_one_key().find_map(|command| self.same_in(command, store, spec, key))
    }

    fn same_in(&self, command: &[String], store: &StoreName, spec: &CommandSpec, key: &KeyName) -> Option<String> {
        const ANY: &str = PROBES[0];
        let kept = Kept::Named(store.clone());
        let words = |key: &KeyName| -> Vec<String> {
            command.iter().map(|word| spec.filled(word, Some(key), &|_| None)).collect()
        };
        let own = words(key);
        let known = self.keys_of(&kept);
        if let Some(other) = known.iter().find(|other| *other != key && words(other) == own) {
            return Some(other.to_string());
        }
        // Among the keys of a provider any alias may be used. One that is spelt as it is stands for itself.
        let is_spelt = |text: &str| spec.spelt(text) != text;
        let is_own = known.contains(key);
        if !is_own && (is_spelt(key.alias.as_str()) || is_spelt(key.provider.as_str())) {
            return Some(format!("{}/{}", spec.spelt(key.provider.as_str()), spec.spelt(key.alias.as_str())));
        }
        let providers = self.rules.iter().filter_map(|(prefix, rule)| match prefix {
            Prefix::Provider(provider) if rule.store == kept => Some(provider),
            Prefix::Provider(_) | Prefix::Key(_) => None,
        });
        let any: Alias = ANY.parse().expect("a valid alias");
        providers.filter(|other| **other != key.provider).find_map(|other| {
            let pattern = words(&KeyName::new(other.clone(), any.clone()));
            let fits = |(word, pattern): (&String, &String)| {
                let marker = if pattern.contains(ANY) { ANY.to_owned() } else { ANY.to_ascii_uppercase() };
                match pattern.split_once(&marker) {
                    None => (word == pattern).then(String::new),
                    Some((before, behind)) => {
                        let alias = word.strip_prefix(before)?.strip_suffix(behind)?;
                        (!alias.is_empty() && !alias.contains('/')).then(|| alias.to_ascii_lowercase())
                    }
                }
            };
            let aliases: Vec<String> = own.iter().zip(&pattern).map(fits).collect::<Option<_>>()?;
            let alias = aliases.into_iter().find(|alias| !alias.is_empty())?;
            let name = format!("{other}/{alias}");
            (name != key.to_string()).then_some(name)
        })
    }

    /// The keys that a rule of their own puts into this store.
    pub(crate) fn keys_of(&self, store: &Kept) -> BTreeSet<KeyName> {
        let key = |(prefix, rule): (&Prefix, &StoreRule)| match prefix {
            Prefix::Key(key) if rule.store == *store => Some(key.clone()),
            Prefix::Key(_) | Prefix::Provider(_) => None,
        };
        self.rules.iter().filter_map(key).collect()
    }

    /// The keys that are fields of other secrets in this store.
    pub(crate) fn keys_with_paths(&self, store: &StoreName) -> Vec<KeyName> {
        let key = |(prefix, rule): (&Prefix, &StoreRule)| match prefix {
            Prefix::Key(key) if rule.path.is_some() && rule.store == Kept::Named(store.clone()) => Some(key.clone()),
            Prefix::Key(_) | Prefix::Provider(_) => None,
        };
        self.rules.iter().filter_map(key).collect()
    }

    /// Reads the tables. `place` expands a path that is absolute or below `~/`, and refuses any other one. `known` are
    /// the keys that the settings name elsewhere, and `usual` is the usual store.
    pub(super) fn check(
        source: &Source,
        stores: &BTreeMap<Spanned<String>, RawStore>,
        rules: &BTreeMap<Spanned<String>, RawStoreFor>,
        known: &[&KeyName],
        usual: Backend,
        place: &dyn Fn(&Spanned<String>) -> Result<PathBuf, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let mut made = Self::default();
        for (name, raw) in stores {
            if Backend::named(name.get_ref()).is_some() {
                let message = format!("\"{}\" is a store of Ringlet's own", name.get_ref());
                return Err(source.error(name.span(), message).with_hint("give this one another name"));
            }
            let parsed: StoreName = name.get_ref().parse().map_err(|error: NameError| {
                source.error(name.span(), error.to_string()).with_hint("a store is named like [store.team]")
            })?;
            made.specs.insert(parsed, raw.check(source, name, place)?);
        }
        for (prefix, raw) in rules {
            let (prefix, rule) = made.rule_of(source, prefix, raw)?;
            made.rules.insert(prefix, rule);
        }
        made.refuse_same(source, rules, known)?;
        made.refuse_moved(source, rules, usual)?;
        Ok(made)
    }

    /// The keys by which Ringlet logs in to a store. They are read in the usual store, with the store's own keys.
    pub(super) fn credentials(&self) -> impl Iterator<Item = (&StoreName, &KeyName)> {
        self.specs.iter().filter_map(|(name, spec)| match &spec.kind {
            StoreKind::Vault(vault) => match &vault.login {
                VaultLogin::Token(Credential::Key(key))
                | VaultLogin::AppRole { secret_id: Credential::Key(key), .. } => Some((name, key)),
                VaultLogin::Token(Credential::File(_)) | VaultLogin::AppRole { secret_id: Credential::File(_), .. } => {
                    None
                }
            },
            StoreKind::Command(_) | StoreKind::Helper(_) => None,
        })
    }

    // A credential is read in the usual store, so that a rule that keeps it elsewhere would be obeyed by halves.
    fn refuse_moved(
        &self,
        source: &Source,
        rules: &BTreeMap<Spanned<String>, RawStoreFor>,
        usual: Backend,
    ) -> Result<(), ConfigError> {
        for (name, key) in self.credentials() {
            let Some(rule) = self.rule(key).filter(|rule| rule.store != Kept::In(usual)) else { continue };
            let is_own = self.rules.contains_key(&Prefix::Key(key.clone()));
            let prefix = if is_own { key.to_string() } else { key.provider.to_string() };
            let at = rules.keys().find(|at| *at.get_ref() == prefix).map_or(0..0, Spanned::span);
            let message = format!(
                "{key} is what [store.{name}] logs in with, and is read in the usual store, not in \"{}\"",
                rule.store.name()
            );
            return Err(source.error(at, message).with_hint("take the rule out, or name another key in that table"));
        }
        Ok(())
    }

    fn rule_of(
        &self,
        source: &Source,
        prefix: &Spanned<String>,
        raw: &RawStoreFor,
    ) -> Result<(Prefix, StoreRule), ConfigError> {
        let wrong = |error: NameError| {
            let hint = "a rule is named after a provider or a key, such as [store-for.\"anthropic/work\"]";
            source.error(prefix.span(), error.to_string()).with_hint(hint)
        };
        let parsed = match prefix.get_ref().contains('/') {
            true => Prefix::Key(prefix.get_ref().parse().map_err(wrong)?),
            false => Prefix::Provider(prefix.get_ref().parse().map_err(wrong)?),
        };
        let named = raw.store.get_ref();
        let store = Kept::parse(named).map_err(|error| source.error(raw.store.span(), error.to_string()))?;
        if let Kept::Named(name) = &store
            && !self.specs.contains_key(name)
        {
            let error = source.error(raw.store.span(), format!("there is no [store.{}]", shorten(named)));
            let names = self.specs.keys().map(StoreName::as_str).chain(Backend::NAMES.iter().map(|(name, _)| *name));
            return Err(match closest(named, names) {
                Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
                None => error.with_hint(format!("write a table {} that says what it is", store_table(&shorten(named)))),
            });
        }
        let is_vault = |name: &StoreName| matches!(self.specs[name].kind, StoreKind::Vault(_));
        if let Some(given) = raw.path.as_ref().or(raw.field.as_ref())
            && !matches!(&store, Kept::Named(name) if is_vault(name))
        {
            let hint = "they are for a store with an `address`, a server of Vault or OpenBao";
            return Err(source.error(given.span(), "this store has no paths and fields").with_hint(hint));
        }
        let path = raw.path.as_ref().map(|given| api_path(source, given)).transpose()?;
        if let (Some(given), Prefix::Provider(provider)) = (&raw.path, &parsed) {
            let message = format!("every key of {provider} would be the same secret");
            let hint = format!("give a path to one key: [store-for.\"{provider}/ALIAS\"]");
            return Err(source.error(given.span(), message).with_hint(hint));
        }
        let field = raw.field.as_ref().map(|given| plain(source, given)).transpose()?;
        let line = source.error(prefix.span(), "").at.map_or(0, |(line, _)| line);
        Ok((parsed, StoreRule { store, path, field, line }))
    }

    // Two keys whose commands are the same are one entry of the tool, and one would be given in place of the other.
    fn refuse_same(
        &self,
        source: &Source,
        rules: &BTreeMap<Spanned<String>, RawStoreFor>,
        known: &[&KeyName],
    ) -> Result<(), ConfigError> {
        let mut seen: BTreeMap<(&StoreName, usize, Vec<String>), KeyName> = BTreeMap::new();
        let any = |alias: &str| alias.parse::<Alias>().expect("a valid alias");
        for at in rules.keys() {
            let parsed = match at.get_ref().parse::<KeyName>() {
                Ok(key) => Prefix::Key(key),
                Err(_) => Prefix::Provider(at.get_ref().parse().expect("it was read before")),
            };
            let keys: Vec<KeyName> = match &parsed {
                Prefix::Key(key) => vec![key.clone()],
                Prefix::Provider(provider) => {
                    let aliases = PROBES.map(any);
                    let of_provider = |key: &&&KeyName| {
                        key.provider == *provider && !self.rules.contains_key(&Prefix::Key((**key).clone()))
                    };
                    let named = known.iter().filter(of_provider).map(|key| (*key).clone());
                    aliases.into_iter().map(|alias| KeyName::new(provider.clone(), alias)).chain(named).collect()
                }
            };
            let Some(rule @ StoreRule { store: Kept::Named(name), .. }) = self.rules.get(&parsed) else { continue };
            for key in keys {
                let entries: Vec<Vec<String>> = match self.specs.get(name).map(|spec| &spec.kind) {
                    Some(StoreKind::Command(spec)) => {
                        let filled = |word: &String| spec.filled(word, Some(&key), &|_| None);
                        spec.about_one_key().map(|command| command.iter().map(filled).collect()).collect()
                    }
                    Some(StoreKind::Vault(spec)) => {
                        let at = spec.secret(&key, Some(rule));
                        vec![vec![at.path, at.field]]
                    }
                    Some(StoreKind::Helper(_)) | None => continue,
                };
                let is_other = |other: &KeyName| *other != key;
                let mut others = entries
                    .into_iter()
                    .enumerate()
                    .filter_map(|(command, entry)| seen.insert((name, command, entry), key.clone()).filter(is_other));
                if let Some(other) = others.next() {
                    let message = match &parsed {
                        Prefix::Provider(provider) if other.provider == *provider && !known.contains(&&key) => {
                            format!("every key of {provider} would be the same entry of the store \"{name}\"")
                        }
                        _ => {
                            let (other, key) = (shown(&other), shown(&key));
                            format!("{other} and {key} would be the same entry of the store \"{name}\"")
                        }
                    };
                    return Err(source.error(at.span(), message).with_hint(
                        "each key is an entry of its own: `{provider}` and `{alias}` in each command, or `path` and \
                         `field`, tell them apart",
                    ));
                }
            }
        }
        Ok(())
    }
}

impl StoreSpec {
    /// The programs that the store runs, as the settings name them.
    pub(crate) fn programs(&self) -> Vec<String> {
        match &self.kind {
            StoreKind::Vault(_) => Vec::new(),
            StoreKind::Helper(name) => vec![format!("docker-credential-{name}")],
            StoreKind::Command(spec) => {
                let listed = if let CommandNames::Printed(words) = &spec.names { Some(words) } else { None };
                spec.about_one_key().chain(listed).map(|words| words[0].clone()).collect()
            }
        }
    }
}

/// Where a key is in a server of Vault.
pub(crate) struct SecretAt {
    /// The path below `/v1`.
    pub path: String,
    /// The field.
    pub field: String,
}

impl VaultSpec {
    /// Where a key is. A path of its own may be any secret's; else the key is a secret of its own below `ringlet`.
    pub(crate) fn secret(&self, key: &KeyName, rule: Option<&StoreRule>) -> SecretAt {
        let field = rule.and_then(|rule| rule.field.clone()).unwrap_or_else(|| "key".to_owned());
        let own = rule.and_then(|rule| rule.path.clone());
        SecretAt { path: own.unwrap_or_else(|| self.below("data", &format!("/{key}"))), field }
    }

    /// A path below `ringlet` in the key-value engine. Its second version has the names elsewhere than the values.
    pub(crate) fn below(&self, what: &str, rest: &str) -> String {
        let mount = &self.mount;
        if self.kv == 2 { format!("{mount}/{what}/ringlet{rest}") } else { format!("{mount}/ringlet{rest}") }
    }
}

impl CommandSpec {
    /// The commands that are about one key.
    fn about_one_key(&self) -> impl Iterator<Item = &Vec<String>> {
        std::iter::once(&self.get).chain(&self.set).chain(&self.remove)
    }

    /// A part of a key's name as the tool takes it.
    fn spelt(&self, name: &str) -> String {
        match self.spelling {
            Spelling::AsIs => name.to_owned(),
            Spelling::Dashes => name.replace(['.', '_'], "-"),
            Spelling::Underscores => name.replace(['.', '-'], "_"),
        }
    }

    /// Puts a key's name into a word of a command, and what `given` returns for a word in capitals.
    pub(crate) fn filled(&self, word: &str, key: Option<&KeyName>, given: &dyn Fn(&str) -> Option<String>) -> String {
        let spelt = |name: &str| self.spelt(name);
        let value = |name: &str| match (name, key) {
            ("provider", Some(key)) => Some(spelt(key.provider.as_str())),
            ("alias", Some(key)) => Some(spelt(key.alias.as_str())),
            ("PROVIDER", Some(key)) => Some(spelt(key.provider.as_str()).to_ascii_uppercase()),
            ("ALIAS", Some(key)) => Some(spelt(key.alias.as_str()).to_ascii_uppercase()),
            _ => given(name),
        };
        // What is put in is not looked at again.
        let (mut made, mut rest) = (String::new(), word);
        while let Some(open) = rest.find('{') {
            let (before, behind) = rest.split_at(open);
            made.push_str(before);
            match behind[1..].split_once('}').and_then(|(name, rest)| Some((value(name)?, rest))) {
                Some((value, after)) => {
                    made.push_str(&value);
                    rest = after;
                }
                None => {
                    made.push('{');
                    rest = &behind[1..];
                }
            }
        }
        made + rest
    }
}
