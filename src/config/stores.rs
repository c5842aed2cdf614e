//! The `[store.NAME]` and `[store-for."PREFIX"]` tables of the settings: further stores, and which keys are in them.

use super::backend::Backend;
use super::presets::{Names, Output, PRESETS, Preset, Spelling};
use super::{ConfigError, Source};
use crate::name::{Alias, KeyName, NameError, Provider, StoreName, closest, shorten};
use crate::url::{Http, check_url};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawStore {
    preset: Option<Spanned<String>>,
    get: Option<Spanned<Vec<Spanned<String>>>>,
    set: Option<Spanned<Vec<Spanned<String>>>>,
    remove: Option<Spanned<Vec<Spanned<String>>>>,
    list: Option<Spanned<Vec<Spanned<String>>>>,
    decode: Option<Spanned<String>>,
    first_line: Option<Spanned<bool>>,
    interactive: Option<Spanned<bool>>,
    helper: Option<Spanned<String>>,
    timeout: Option<Spanned<f64>>,
    address: Option<Spanned<String>>,
    allow_http: Option<Spanned<bool>>,
    ca_file: Option<Spanned<String>>,
    namespace: Option<Spanned<String>>,
    mount: Option<Spanned<String>>,
    kv: Option<Spanned<u8>>,
    token: Option<Spanned<String>>,
    token_file: Option<Spanned<String>>,
    role_id: Option<Spanned<String>>,
    secret_id: Option<Spanned<String>>,
    secret_id_file: Option<Spanned<String>>,
    auth_mount: Option<Spanned<String>>,
    #[serde(rename = "C")]
    c: Option<Spanned<String>>,
    #[serde(rename = "DB")]
    db: Option<Spanned<String>>,
    #[serde(rename = "DIR")]
    dir: Option<Spanned<String>>,
    #[serde(rename = "KEYFILE")]
    keyfile: Option<Spanned<String>>,
    #[serde(rename = "P")]
    p: Option<Spanned<String>>,
    #[serde(rename = "VAULT")]
    vault: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
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
        const ANY: &str = "q9z7x1any";
        let kept = Kept::Named(store.clone());
        let words = |key: &KeyName| -> Vec<String> {
            spec.get.iter().map(|word| spec.filled(word, Some(key), &|_| None)).collect()
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
    /// the keys that the settings name elsewhere.
    pub(super) fn check(
        source: &Source,
        stores: &BTreeMap<Spanned<String>, RawStore>,
        rules: &BTreeMap<Spanned<String>, RawStoreFor>,
        known: &[&KeyName],
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
        Ok(made)
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
                None => error.with_hint(format!("write a table [store.{}] that says what it is", shorten(named))),
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
        let mut seen: BTreeMap<(&StoreName, Vec<String>), KeyName> = BTreeMap::new();
        let any = |alias: &str| alias.parse::<Alias>().expect("a valid alias");
        for at in rules.keys() {
            let parsed = match at.get_ref().parse::<KeyName>() {
                Ok(key) => Prefix::Key(key),
                Err(_) => Prefix::Provider(at.get_ref().parse().expect("it was read before")),
            };
            let keys: Vec<KeyName> = match &parsed {
                Prefix::Key(key) => vec![key.clone()],
                // Two aliases that no name can hold by chance stand for all.
                Prefix::Provider(provider) => {
                    let aliases = ["q9z7x1one", "q9z7x1two"].map(any);
                    let of_provider = |key: &&&KeyName| {
                        key.provider == *provider && !self.rules.contains_key(&Prefix::Key((**key).clone()))
                    };
                    let named = known.iter().filter(of_provider).map(|key| (*key).clone());
                    aliases.into_iter().map(|alias| KeyName::new(provider.clone(), alias)).chain(named).collect()
                }
            };
            let Some(rule @ StoreRule { store: Kept::Named(name), .. }) = self.rules.get(&parsed) else { continue };
            for key in keys {
                let entry = match self.specs.get(name).map(|spec| &spec.kind) {
                    Some(StoreKind::Command(spec)) => {
                        spec.get.iter().map(|word| spec.filled(word, Some(&key), &|_| None)).collect()
                    }
                    Some(StoreKind::Vault(spec)) => {
                        let at = spec.secret(&key, Some(rule));
                        vec![at.path, at.field]
                    }
                    Some(StoreKind::Helper(_)) | None => continue,
                };
                let other = seen.insert((name, entry), key.clone()).filter(|other| *other != key);
                if let Some(other) = other {
                    let message = match &parsed {
                        Prefix::Provider(provider) if other.provider == *provider && !known.contains(&&key) => {
                            format!("every key of {provider} would be the same entry of the store \"{name}\"")
                        }
                        _ => format!("{other} and {key} would be the same entry of the store \"{name}\""),
                    };
                    return Err(source.error(at.span(), message).with_hint(
                        "each key is an entry of its own: `{provider}` and `{alias}` in `get`, or `path` and `field`, \
                         tell them apart",
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
                let all = std::iter::once(&spec.get).chain(&spec.set).chain(&spec.remove).chain(listed);
                all.map(|words| words[0].clone()).collect()
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

const PLACEHOLDERS: [&str; 4] = ["provider", "alias", "PROVIDER", "ALIAS"];

impl RawStore {
    fn check(
        &self,
        source: &Source,
        name: &Spanned<String>,
        place: &dyn Fn(&Spanned<String>) -> Result<PathBuf, ConfigError>,
    ) -> Result<StoreSpec, ConfigError> {
        let kinds = [
            self.preset.as_ref().map(|given| ("preset", given.span())),
            self.get.as_ref().map(|given| ("get", given.span())),
            self.helper.as_ref().map(|given| ("helper", given.span())),
            self.address.as_ref().map(|given| ("address", given.span())),
        ];
        let kinds: Vec<_> = kinds.into_iter().flatten().collect();
        let kind = match kinds.as_slice() {
            [] => {
                return Err(source.error(name.span(), "the table does not say what the store is").with_hint(
                    "write `preset = \"pass\"`, `get = [...]` with a command that prints a key, or `address = \"...\"` \
                         of a Vault",
                ));
            }
            [(one, _)] => *one,
            [(one, _), (other, span), ..] => {
                return Err(source.error(span.clone(), format!("a store has `{one}` or `{other}`, not both")));
            }
        };
        let mut timeout = self.timeout.as_ref().map(|given| source.seconds(given)).transpose()?;
        let kind = match (kind, &self.preset, &self.helper) {
            ("preset", Some(preset), _) => {
                let preset = preset_named(source, preset)?;
                timeout = timeout.or(preset.seconds.map(Duration::from_secs));
                StoreKind::Command(Box::new(self.preset(source, name, preset, place)?))
            }
            ("helper", _, Some(helper)) => {
                self.only(source, kind)?;
                StoreKind::Helper(helper_name(source, helper)?)
            }
            ("address", ..) => {
                self.only(source, kind)?;
                StoreKind::Vault(Box::new(self.vault(source, name, place)?))
            }
            _ => StoreKind::Command(Box::new(self.command(source, place)?)),
        };
        Ok(StoreSpec { kind, timeout })
    }

    // The keys that belong to a command alone, with those that are there.
    fn parameters(&self) -> [(&'static str, Option<&Spanned<String>>); 6] {
        [
            ("C", self.c.as_ref()),
            ("DB", self.db.as_ref()),
            ("DIR", self.dir.as_ref()),
            ("KEYFILE", self.keyfile.as_ref()),
            ("P", self.p.as_ref()),
            ("VAULT", self.vault.as_ref()),
        ]
    }

    // Refuses keys that this kind of store does not use.
    fn only(&self, source: &Source, kind: &str) -> Result<(), ConfigError> {
        fn at<T>(given: &Option<Spanned<T>>) -> Option<Range<usize>> {
            given.as_ref().map(Spanned::span)
        }
        let (of_command, of_vault): (&[&str], &[&str]) = (&["get"], &["address"]);
        let keys = [
            ("set", at(&self.set), of_command),
            ("remove", at(&self.remove), of_command),
            ("list", at(&self.list), of_command),
            ("decode", at(&self.decode), of_command),
            ("first-line", at(&self.first_line), of_command),
            ("interactive", at(&self.interactive), &["get", "preset"]),
            ("allow-http", at(&self.allow_http), of_vault),
            ("ca-file", at(&self.ca_file), of_vault),
            ("namespace", at(&self.namespace), of_vault),
            ("mount", at(&self.mount), of_vault),
            ("kv", at(&self.kv), of_vault),
            ("token", at(&self.token), of_vault),
            ("token-file", at(&self.token_file), of_vault),
            ("role-id", at(&self.role_id), of_vault),
            ("secret-id", at(&self.secret_id), of_vault),
            ("secret-id-file", at(&self.secret_id_file), of_vault),
            ("auth-mount", at(&self.auth_mount), of_vault),
        ];
        let of_presets = self.parameters().map(|(name, given)| (name, given.map(Spanned::span), &["preset"][..]));
        let mut unused = keys.into_iter().chain(of_presets).filter(|(.., kinds)| !kinds.contains(&kind));
        match unused.find_map(|(name, span, _)| Some((name, span?))) {
            Some((name, span)) => Err(source.error(span, format!("`{name}` does not go with `{kind}`"))),
            None => Ok(()),
        }
    }

    fn vault(
        &self,
        source: &Source,
        name: &Spanned<String>,
        place: &dyn Fn(&Spanned<String>) -> Result<PathBuf, ConfigError>,
    ) -> Result<VaultSpec, ConfigError> {
        let address = self.address.as_ref().expect("it decides the kind");
        let http = match self.allow_http.as_ref().is_some_and(|given| *given.get_ref()) {
            true => Http::Private,
            false => Http::Loopback,
        };
        check_url(address.get_ref(), http).map_err(|why| source.error(address.span(), why))?;
        let is_path = |c: char| matches!(c, '{' | '}' | '?' | '#');
        let url = address.get_ref().trim_end_matches('/');
        if url.contains(is_path) || url.split_once("://").is_some_and(|(_, rest)| rest.contains('/')) {
            return Err(source
                .error(address.span(), "the address names a server alone, without a path")
                .with_hint("write it as in `address = \"https://vault.example:8200\"`"));
        }
        let version = self.kv.as_ref().map_or(Ok(2), |given| match given.get_ref() {
            1 | 2 => Ok(*given.get_ref()),
            _ => Err(source.error(given.span(), "the key-value engine has the versions 1 and 2")),
        })?;
        let mount = |given: &Option<Spanned<String>>, usual: &str| {
            given.as_ref().map_or_else(|| Ok(usual.to_owned()), |given| api_path(source, given))
        };
        let key = |given: &Spanned<String>| {
            given.get_ref().parse::<KeyName>().map(Credential::Key).map_err(|error| {
                let hint = "it names a key in the usual store, such as vault/token";
                source.error(given.span(), error.to_string()).with_hint(hint)
            })
        };
        let either =
            |key_of: &Option<Spanned<String>>, file: &Option<Spanned<String>>, words: [&str; 2]| match (key_of, file) {
                (Some(given), None) => key(given).map(Some),
                (None, Some(given)) => place(given).map(|path| Some(Credential::File(path))),
                (None, None) => Ok(None),
                (Some(_), Some(given)) => {
                    let [one, other] = words;
                    Err(source.error(given.span(), format!("a store has `{one}` or `{other}`, not both")))
                }
            };
        let token = either(&self.token, &self.token_file, ["token", "token-file"])?;
        let secret = either(&self.secret_id, &self.secret_id_file, ["secret-id", "secret-id-file"])?;
        let login = match (token, &self.role_id, secret) {
            (Some(token), None, None) => VaultLogin::Token(token),
            (None, Some(role), Some(secret_id)) => VaultLogin::AppRole {
                mount: mount(&self.auth_mount, "approle")?,
                role_id: plain(source, role)?,
                secret_id,
            },
            _ => {
                return Err(source
                    .error(name.span(), "the table does not say how to log in, or says it in two ways")
                    .with_hint(
                        "write `token-file = \"~/.vault-token\"`, `token = \"vault/token\"` for one in the keychain, \
                         or `role-id` with `secret-id-file` or `secret-id`",
                    ));
            }
        };
        Ok(VaultSpec {
            address: url.to_owned(),
            ca_file: self.ca_file.as_ref().map(place).transpose()?,
            namespace: self.namespace.as_ref().map(|given| api_path(source, given)).transpose()?,
            mount: mount(&self.mount, "secret")?,
            kv: version,
            login,
        })
    }

    fn preset(
        &self,
        source: &Source,
        name: &Spanned<String>,
        preset: &'static Preset,
        place: &dyn Fn(&Spanned<String>) -> Result<PathBuf, ConfigError>,
    ) -> Result<CommandSpec, ConfigError> {
        self.only(source, "preset")?;
        let mut parameters = Vec::new();
        for (word, given) in self.parameters() {
            let parameter = preset.parameters.iter().find(|own| own.name == word);
            let (parameter, value) = match (parameter, given) {
                (None, None) => continue,
                (None, Some(given)) => {
                    return Err(source.error(given.span(), format!("the preset \"{}\" has no {word}", preset.name)));
                }
                (Some(own), None) if own.default.is_none() => {
                    let message = format!("the preset \"{}\" needs {word}", preset.name);
                    return Err(source.error(name.span(), message).with_hint(format!("write `{word} = \"...\"`")));
                }
                (Some(own), None) => (own, None),
                (Some(own), Some(given)) if own.is_path => (own, Some(text_of(source, given, &place(given)?)?)),
                (Some(own), Some(given)) => {
                    refuse_odd(source, given)?;
                    (own, Some(given.get_ref().clone()))
                }
            };
            let default = parameter.default.map(ToOwned::to_owned);
            parameters.push(Given { name: parameter.name, value, variable: parameter.variable, default });
        }
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Ok(CommandSpec {
            get: owned(preset.get),
            set: preset.set.iter().map(|words| owned(words)).collect(),
            remove: preset.remove.map(owned),
            names: match preset.names {
                Names::Printed(words) => CommandNames::Printed(owned(words)),
                Names::Files(path) => CommandNames::Files(path.to_owned()),
                Names::Unknown => CommandNames::Unknown,
            },
            prefixes: vec![preset.prefix.to_owned()],
            parameters,
            env: preset.env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            output: preset.output,
            spelling: preset.spelling,
            interactive: self.interactive.as_ref().is_some_and(|given| *given.get_ref()),
        })
    }

    fn command(
        &self,
        source: &Source,
        place: &dyn Fn(&Spanned<String>) -> Result<PathBuf, ConfigError>,
    ) -> Result<CommandSpec, ConfigError> {
        self.only(source, "get")?;
        let words = |given: &Spanned<Vec<Spanned<String>>>| command_words(source, given, place);
        let output = match (&self.decode, self.first_line.as_ref().is_some_and(|given| *given.get_ref())) {
            (None, false) => Output::Whole,
            (None, true) => Output::FirstLine,
            (Some(given), false) if given.get_ref() == "base64" => Output::Base64,
            (Some(given), false) => {
                return Err(source.error(given.span(), "what is printed is text as it is, or \"base64\""));
            }
            (Some(given), true) => return Err(source.error(given.span(), "`decode` does not go with `first-line`")),
        };
        let names = self.list.as_ref().map(words).transpose()?;
        if let Some(given) = self.list.as_ref().filter(|_| names.iter().flatten().any(|word| word.contains('{'))) {
            return Err(source
                .error(given.span(), "`list` is run for no key, so nothing is put into it")
                .with_hint("it prints names like anthropic/work, one a line or as a JSON list"));
        }
        Ok(CommandSpec {
            get: words(self.get.as_ref().expect("it decides the kind"))?,
            set: self.set.as_ref().map(words).transpose()?.into_iter().collect(),
            remove: self.remove.as_ref().map(words).transpose()?,
            names: names.map_or(CommandNames::Unknown, CommandNames::Printed),
            prefixes: vec!["ringlet/".to_owned(), String::new()],
            parameters: Vec::new(),
            env: Vec::new(),
            output,
            spelling: Spelling::AsIs,
            interactive: self.interactive.as_ref().is_some_and(|given| *given.get_ref()),
        })
    }
}

// A path of the API: parts that every server reads in the same way.
fn api_path(source: &Source, given: &Spanned<String>) -> Result<String, ConfigError> {
    let path = given.get_ref().trim_matches('/');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '@' | '+' | ':');
    let is_part = |part: &str| !part.is_empty() && part.chars().all(is_plain) && part.chars().any(|c| c != '.');
    if path.len() > 512 || !path.split('/').all(is_part) {
        return Err(source
            .error(given.span(), "this is no path of the server's API")
            .with_hint("write its parts with a slash between them, such as secret/data/openai/team"));
    }
    match path.strip_prefix("v1/") {
        Some(rest) => Err(source.error(given.span(), "the path begins below /v1").with_hint(format!("write {rest}"))),
        None => Ok(path.to_owned()),
    }
}

fn plain(source: &Source, given: &Spanned<String>) -> Result<String, ConfigError> {
    refuse_odd(source, given)?;
    match given.get_ref().chars().any(|c| c.is_control()) || given.get_ref().len() > 512 {
        true => Err(source.error(given.span(), "the text is too long, or has a control character")),
        false => Ok(given.get_ref().clone()),
    }
}

fn preset_named(source: &Source, given: &Spanned<String>) -> Result<&'static Preset, ConfigError> {
    let name = given.get_ref().as_str();
    if let Some(found) = PRESETS.iter().find(|preset| preset.name == name) {
        return Ok(found);
    }
    let error = source.error(given.span(), format!("there is no preset \"{}\"", shorten(name)));
    Err(match name {
        "vault" | "bao" => error.with_hint(
            "Ringlet speaks with a server itself: write `address = \"https://vault.example:8200\"` and how to log in",
        ),
        "secret-tool" | "security" => {
            error.with_hint("that is the system's keychain: write `store = \"system\"` in [store-for.\"PREFIX\"]")
        }
        _ => match closest(name, PRESETS.iter().map(|preset| preset.name)) {
            Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
            None => {
                let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
                error.with_hint(format!("there are {}; `get = [...]` names any other command", names.join(", ")))
            }
        },
    })
}

// The name becomes a part of a program's name.
fn helper_name(source: &Source, given: &Spanned<String>) -> Result<String, ConfigError> {
    let name = given.get_ref();
    let name = name.strip_prefix("docker-credential-").unwrap_or(name);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !name.is_empty() && name.len() <= 64 && name.chars().all(is_plain) && !name.starts_with(['-', '.']) {
        true => Ok(name.to_owned()),
        false => Err(source
            .error(given.span(), "a helper is the NAME of a program docker-credential-NAME")
            .with_hint("write it as in `helper = \"pass\"`")),
    }
}

fn command_words(
    source: &Source,
    given: &Spanned<Vec<Spanned<String>>>,
    place: &dyn Fn(&Spanned<String>) -> Result<PathBuf, ConfigError>,
) -> Result<Vec<String>, ConfigError> {
    let words = given.get_ref();
    let Some(program) = words.first().filter(|program| !program.get_ref().is_empty()) else {
        return Err(source
            .error(given.span(), "the command has no program")
            .with_hint("write the program and its arguments, such as [\"pass\", \"show\", \"{provider}/{alias}\"]"));
    };
    if let Some(word) = words.iter().find(|word| word.get_ref().contains('\0')) {
        return Err(source.error(word.span(), "no argument holds a NUL"));
    }
    for word in words {
        if let Some(unknown) = unknown_placeholder(word.get_ref()) {
            let error = source.error(word.span(), format!("nothing is known to stand for {{{}}}", shorten(unknown)));
            return Err(match closest(unknown, PLACEHOLDERS.iter().copied()) {
                Some(meant) => error.with_hint(format!("did you mean {{{meant}}}?")),
                None => error.with_hint("{provider}, {alias}, {PROVIDER} and {ALIAS} are replaced"),
            });
        }
    }
    let mut made: Vec<String> = words.iter().map(|word| word.get_ref().clone()).collect();
    if program.get_ref().contains('{') {
        return Err(source.error(program.span(), "the program is not chosen by a key's name"));
    }
    // A relative path would be looked for in the project.
    if program.get_ref().contains(std::path::is_separator) {
        made[0] = text_of(source, program, &place(program)?)?;
    }
    Ok(made)
}

// Returns a word in braces that looks like a placeholder and is none.
fn unknown_placeholder(word: &str) -> Option<&str> {
    let parts = word.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
    parts
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic()))
        .find(|name| !PLACEHOLDERS.contains(name))
}

fn text_of(source: &Source, given: &Spanned<String>, path: &std::path::Path) -> Result<String, ConfigError> {
    refuse_odd(source, given)?;
    path.to_str().map(ToOwned::to_owned).ok_or_else(|| source.error(given.span(), "the path is not UTF-8"))
}

fn refuse_odd(source: &Source, given: &Spanned<String>) -> Result<(), ConfigError> {
    match given.get_ref() {
        text if text.is_empty() => Err(source.error(given.span(), "the text is empty")),
        text if text.contains('\0') => Err(source.error(given.span(), "no argument holds a NUL")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::env::Env;
    use crate::paths::Paths;

    fn read(text: &str) -> Result<Stores, ConfigError> {
        let paths = Paths::new(&Env::from_pairs([("HOME", "/h"), ("USERPROFILE", "C:\\h")])).expect("home");
        let source = Source { file: "c".into(), text: text.into(), access: None };
        Settings::parse(&source, &paths).map(|settings| settings.stores)
    }

    fn key(name: &str) -> KeyName {
        name.parse().expect("a key")
    }

    fn refused(text: &str) -> String {
        let error = read(text).expect_err(text);
        assert!(error.at.is_some_and(|(line, _)| line > 0), "no line of the file is named: {error}");
        let hint = error.hint.as_ref().map(|hint| format!("{:?}", hint.pieces())).unwrap_or_default();
        format!("{error} {hint}")
    }

    #[test]
    fn a_keys_own_rule_comes_before_its_providers() {
        let stores = read(
            "[store.team]\npreset = \"pass\"\n[store-for.anthropic]\nstore = \"team\"\n\
             [store-for.\"anthropic/home\"]\nstore = \"file\"\n",
        )
        .expect("right");
        let named = |name: &str| stores.named_for(&key(name)).map(|name| name.to_string());
        assert_eq!(named("anthropic/work").as_deref(), Some("team"));
        assert_eq!(named("anthropic/home").as_deref(), Some("file"));
        assert_eq!(named("openai/work"), None);
        assert_eq!(stores.rule(&key("anthropic/home")).map(|rule| rule.line), Some(5));
        assert_eq!(stores.keys_of(&Kept::In(Backend::File)).into_iter().collect::<Vec<_>>(), [key("anthropic/home")]);
        assert!(stores.keys_of(&Kept::Named("team".parse().expect("a name"))).is_empty());
    }

    #[test]
    fn what_is_put_into_a_command_is_not_looked_at_again() {
        let text = "[store.own]\nget = [\"prog\", \"{provider}-{ALIAS}\", \"{}\", \"a{\", \"{\\\"x\\\": 1}\"]\n";
        let stores = read(text).expect("right");
        let StoreKind::Command(spec) = &stores.specs.values().next().expect("one").kind else { panic!("a command") };
        let filled: Vec<String> =
            spec.get.iter().map(|word| spec.filled(word, Some(&key("a.b/c-d")), &|_| None)).collect();
        assert_eq!(filled, ["prog", "a.b-C-D", "{}", "a{", "{\"x\": 1}"]);
        let dashed = CommandSpec { spelling: Spelling::Dashes, ..(**spec).clone() };
        assert_eq!(dashed.filled("{provider}/{alias}", Some(&key("a.b/c_d")), &|_| None), "a-b/c-d");
        let given = |name: &str| (name == "DIR").then(|| "/{alias}".to_owned());
        assert_eq!(spec.filled("{DIR}/{alias}{DB}", Some(&key("a/x")), &given), "/{alias}/x{DB}");
    }

    #[test]
    fn each_preset_can_be_named_with_what_it_needs_and_without_it_is_refused() {
        for preset in PRESETS {
            let value = |parameter: &super::super::presets::Parameter| match parameter.is_path {
                true => format!("{} = \"~/x\"\n", parameter.name),
                false => format!("{} = \"x\"\n", parameter.name),
            };
            let given: String = preset.parameters.iter().map(value).collect();
            let table = format!("[store.a]\npreset = \"{}\"\n", preset.name);
            let stores = read(&format!("{table}{given}")).expect(preset.name);
            let spec = stores.specs.values().next().expect("one");
            assert!(spec.programs().iter().all(|program| program == preset.get[0]), "{}", preset.name);
            assert_eq!(spec.timeout, preset.seconds.map(Duration::from_secs));
            if preset.parameters.iter().any(|parameter| parameter.default.is_none()) {
                assert!(refused(&table).contains("needs"), "{}", preset.name);
            }
        }
    }

    #[test]
    fn a_table_that_says_nothing_or_too_much_is_refused_with_its_line() {
        for (text, said) in [
            ("[store.a]\n", "does not say what the store is"),
            ("[store.a]\npreset = \"pass\"\nget = [\"x\"]\n", "not both"),
            ("[store.a]\npreset = \"pas\"\n", "did you mean `pass`"),
            ("[store.a]\npreset = \"security\"\n", "store = \\\"system\\\""),
            ("[store.a]\npreset = \"pass\"\nset = [\"x\"]\n", "`set` does not go with `preset`"),
            ("[store.a]\npreset = \"pass\"\nVAULT = \"x\"\n", "has no VAULT"),
            ("[store.a]\npreset = \"keepassxc-cli\"\nDB = \"x.kdbx\"\nKEYFILE = \"~/k\"\n", "x.kdbx"),
            ("[store.a]\nget = []\n", "has no program"),
            ("[store.a]\nget = [\"x\", \"{aliass}\"]\n", "{alias}"),
            ("[store.a]\nget = [\"./x\"]\n", "./x"),
            ("[store.a]\nget = [\"{alias}\"]\n", "not chosen by a key's name"),
            ("[store.a]\nget = [\"x\", \"a\\u0000b\"]\n", "NUL"),
            ("[store.a]\nget = [\"x\", \"{alias}\"]\nlist = [\"x\", \"{provider}\"]\n", "run for no key"),
            ("[store.a]\nget = [\"x\"]\ndecode = \"hex\"\n", "base64"),
            ("[store.a]\nget = [\"x\"]\ntimeout = 0\n", "from 0.05 to 600"),
            ("[store.a]\nhelper = \"../x\"\n", "docker-credential-NAME"),
            ("[store.a]\nhelper = \"pass\"\ninteractive = true\n", "does not go with `helper`"),
            ("[store.system]\npreset = \"pass\"\n", "Ringlet's own"),
            ("[store.A]\npreset = \"pass\"\n", "upper-case"),
            ("[store.a]\npreset = \"pass\"\nunknown = 1\n", "unknown"),
            ("[store.a]\npreset = \"vault\"\n", "write `address"),
            ("[store.a]\naddress = \"https://v.example\"\n", "how to log in"),
            ("[store.a]\naddress = \"https://v.example\"\ntoken-file = \"~/t\"\nrole-id = \"r\"\n", "in two ways"),
            ("[store.a]\naddress = \"https://v.example\"\nrole-id = \"r\"\n", "how to log in"),
            ("[store.a]\naddress = \"https://v.example\"\ntoken = \"t\"\n", "vault/token"),
            ("[store.a]\naddress = \"https://v.example\"\ntoken = \"a/b\"\ntoken-file = \"~/t\"\n", "not both"),
            ("[store.a]\naddress = \"https://v.example\"\ntoken-file = \"t\"\n", "t"),
            ("[store.a]\naddress = \"https://v.example/v1\"\ntoken-file = \"~/t\"\n", "a server alone"),
            ("[store.a]\naddress = \"http://v.example.com\"\ntoken-file = \"~/t\"\n", "unencrypted"),
            ("[store.a]\naddress = \"http://10.0.0.1:8200\"\ntoken-file = \"~/t\"\n", "allow-http"),
            ("[store.a]\naddress = \"https://u:p@v.example\"\ntoken-file = \"~/t\"\n", "user name"),
            ("[store.a]\naddress = \"https://v.example\"\ntoken-file = \"~/t\"\nkv = 3\n", "the versions 1 and 2"),
            ("[store.a]\naddress = \"https://v.example\"\ntoken-file = \"~/t\"\nmount = \"../x\"\n", "no path"),
            ("[store.a]\naddress = \"https://v.example\"\ntoken-file = \"~/t\"\nset = [\"x\"]\n", "does not go with"),
            ("[store.a]\npreset = \"pass\"\nmount = \"x\"\n", "`mount` does not go with `preset`"),
            (
                "[store.a]\npreset = \"pass\"\n[store-for.\"openai/a\"]\nstore = \"a\"\nfield = \"x\"\n",
                "no paths and fields",
            ),
            ("[store-for.anthropic]\nstore = \"team\"\n", "there is no [store.team]"),
            ("[store.team]\npreset = \"pass\"\n[store-for.anthropic]\nstore = \"taem\"\n", "did you mean `team`"),
            ("[store-for.\"anthropic/a/b\"]\nstore = \"file\"\n", "anthropic"),
            ("[store-for.anthropic]\n", "store"),
        ] {
            let told = refused(text);
            assert!(told.contains(said), "{text:?}: {told}");
        }
    }

    #[test]
    fn a_server_of_vault_has_an_address_and_one_way_to_log_in() {
        let table = |rest: &str| format!("[store.v]\naddress = \"https://v.example:8200/\"\n{rest}");
        let spec = |text: &str| match read(text).expect(text).specs.remove(&"v".parse().expect("a name")) {
            Some(StoreSpec { kind: StoreKind::Vault(spec), .. }) => *spec,
            other => panic!("{other:?}"),
        };
        let plain = spec(&table("token-file = \"~/.vault-token\"\n"));
        assert_eq!((plain.address.as_str(), plain.mount.as_str(), plain.kv), ("https://v.example:8200", "secret", 2));
        let at = plain.secret(&key("anthropic/work"), None);
        assert_eq!((at.path.as_str(), at.field.as_str()), ("secret/data/ringlet/anthropic/work", "key"));
        let first = spec(&table("token = \"vault/token\"\nkv = 1\nmount = \"team/kv\"\nnamespace = \"a/b\"\n"));
        assert_eq!(first.login, VaultLogin::Token(Credential::Key(key("vault/token"))));
        assert_eq!(first.secret(&key("a/b"), None).path, "team/kv/ringlet/a/b");
        assert_eq!(first.below("metadata", "/a"), "team/kv/ringlet/a");
        let role = spec(&table("role-id = \"r\"\nsecret-id = \"vault/sid\"\nauth-mount = \"ci\"\n"));
        assert!(matches!(role.login, VaultLogin::AppRole { mount, .. } if mount == "ci"));
        // A private network, where that is said.
        let near = "[store.v]\naddress = \"http://10.0.0.1:8200\"\nallow-http = true\ntoken-file = \"~/t\"\n";
        assert_eq!(spec(near).address, "http://10.0.0.1:8200");
        let rules = table("token-file = \"~/t\"\n")
            + "[store-for.\"openai/a\"]\nstore = \"v\"\npath = \"/secret/data/x\"\nfield = \"f\"\n";
        let stores = read(&rules).expect("right");
        let at = plain.secret(&key("openai/a"), stores.rule(&key("openai/a")));
        assert_eq!((at.path.as_str(), at.field.as_str()), ("secret/data/x", "f"));
        assert_eq!(stores.keys_with_paths(&"v".parse().expect("a name")), [key("openai/a")]);
        let same = "[store-for.\"openai/b\"]\nstore = \"v\"\npath = \"secret/data/x\"\nfield = \"f\"\n";
        assert!(refused(&format!("{rules}{same}")).contains("would be the same entry"));
        let all = "[store-for.groq]\nstore = \"v\"\npath = \"secret/data/x\"\n";
        assert!(refused(&format!("{rules}{all}")).contains("every key of groq"));
        assert!(refused(&format!("{rules}{}", all.replace("secret/data", "v1/secret"))).contains("below /v1"));
    }

    #[test]
    fn two_keys_that_are_one_entry_of_the_tool_are_refused() {
        let two = |one: &str, other: &str, store: &str| {
            format!(
                "[store.s]\n{store}\n[store-for.\"{one}\"]\nstore = \"s\"\n[store-for.\"{other}\"]\nstore = \"s\"\n"
            )
        };
        let dashed = "preset = \"gcloud\"";
        assert!(refused(&two("openai/a.b", "openai/a_b", dashed)).contains("would be the same entry"));
        assert!(read(&two("openai/a.b", "openai/ac", dashed)).is_ok());
        let fixed = "get = [\"cat\", \"/key\"]";
        assert!(refused(&two("openai/a", "openai/b", fixed)).contains("would be the same entry"));
        assert!(read(&format!("[store.s]\n{fixed}\n[store-for.\"openai/a\"]\nstore = \"s\"\n")).is_ok());
        // A provider's rule is about any alias.
        let all = "[store-for.openai]\nstore = \"s\"\n";
        assert!(refused(&format!("[store.s]\n{fixed}\n{all}")).contains("every key of openai"));
        assert!(read(&format!("[store.s]\n{dashed}\n{all}")).is_ok());
        let scopes = "[scope.\"openai/a.b\"]\nlease = \"8h\"\n[scope.\"openai/a-b\"]\nlease = \"8h\"\n";
        assert!(refused(&format!("[store.s]\n{dashed}\n{all}{scopes}")).contains("would be the same entry"));
    }

    #[test]
    fn a_key_under_a_providers_rule_is_refused_where_another_one_may_be_the_same_entry() {
        let rules = |rules: &[&str]| -> String {
            rules.iter().map(|prefix| format!("[store-for.\"{prefix}\"]\nstore = \"s\"\n")).collect()
        };
        let same = |table: &str, prefixes: &[&str], name: &str| {
            let stores = read(&format!("[store.s]\n{table}\n{}", rules(prefixes))).expect("right");
            let store = "s".parse().expect("a name");
            let StoreKind::Command(spec) = &stores.specs[&store].kind else { panic!("a command") };
            stores.same_entry(&store, spec, &key(name))
        };
        let (joined, apart) = ("preset = \"gcloud\"", "preset = \"pass\"");
        for (prefixes, name, other) in [
            (&["openai"][..], "openai/a.b", Some("openai/a-b")),
            (&["openai"], "openai/a_b", Some("openai/a-b")),
            (&["openai"], "openai/a-b", None),
            (&["openai", "openai/a.b"], "openai/a.b", None),
            (&["openai", "openai/a.b"], "openai/a-b", Some("openai/a.b")),
            (&["openai", "openai-eu"], "openai-eu/work", Some("openai/eu-work")),
            (&["openai", "openai-eu"], "openai/eu-work", Some("openai-eu/work")),
            (&["openai", "openai-eu"], "openai/work", None),
            (&["openai", "openai-azure/work"], "openai/azure-work", Some("openai-azure/work")),
        ] {
            assert_eq!(same(joined, prefixes, name).as_deref(), other, "{prefixes:?} {name}");
            assert_eq!(same(apart, prefixes, name), None, "{prefixes:?} {name}");
        }
        let upper = "preset = \"doppler\"\nP = \"p\"\nC = \"c\"";
        assert_eq!(same(upper, &["openai", "openai_eu"], "openai/eu_work").as_deref(), Some("openai_eu/work"));
    }
}
