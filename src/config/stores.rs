//! The `[store.NAME]` and `[store-for."PREFIX"]` tables of the settings: further stores, and which keys are in them.

use super::backend::Backend;
use super::presets::{Names, Output, PRESETS, Preset, Spelling};
use super::{ConfigError, Source};
use crate::name::{Alias, KeyName, NameError, Provider, StoreName, closest, shorten};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
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
    #[serde(rename = "C")]
    c: Option<Spanned<String>>,
    #[serde(rename = "DB")]
    db: Option<Spanned<String>>,
    #[serde(rename = "DIR")]
    dir: Option<Spanned<String>>,
    #[serde(rename = "FILE")]
    file: Option<Spanned<String>>,
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
    /// What stands before `PROVIDER/ALIAS` in a name.
    pub prefix: String,
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
        made.rules.insert(Prefix::Key(key.clone()), StoreRule { store, line: 0 });
        made
    }

    /// The name of the store that a rule keeps a key in.
    pub(crate) fn named_for(&self, key: &KeyName) -> Option<StoreName> {
        self.rule(key).and_then(|rule| rule.store.name().parse().ok())
    }

    /// The keys that a rule of their own puts into this store.
    pub(crate) fn keys_of(&self, store: &Kept) -> BTreeSet<KeyName> {
        let key = |(prefix, rule): (&Prefix, &StoreRule)| match prefix {
            Prefix::Key(key) if rule.store == *store => Some(key.clone()),
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
        let line = source.error(prefix.span(), "").at.map_or(0, |(line, _)| line);
        Ok((parsed, StoreRule { store, line }))
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
            let Some(StoreRule { store: Kept::Named(name), .. }) = self.rules.get(&parsed) else { continue };
            let Some(StoreSpec { kind: StoreKind::Command(spec), .. }) = self.specs.get(name) else { continue };
            for key in keys {
                let command = spec.get.iter().map(|word| spec.filled(word, Some(&key), &|_| None)).collect();
                let other = seen.insert((name, command), key.clone()).filter(|other| *other != key);
                if let Some(other) = other {
                    let message = match &parsed {
                        Prefix::Provider(provider) if other.provider == *provider && !known.contains(&&key) => {
                            format!("every key of {provider} would be the same entry of the store \"{name}\"")
                        }
                        _ => format!("{other} and {key} would be the same entry of the store \"{name}\""),
                    };
                    return Err(source.error(at.span(), message).with_hint(
                        "its `get` must tell them apart, by `{provider}` and `{alias}` or by other aliases",
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
            StoreKind::Helper(name) => vec![format!("docker-credential-{name}")],
            StoreKind::Command(spec) => {
                let listed = if let CommandNames::Printed(words) = &spec.names { Some(words) } else { None };
                let all = std::iter::once(&spec.get).chain(&spec.set).chain(&spec.remove).chain(listed);
                all.map(|words| words[0].clone()).collect()
            }
        }
    }
}

impl CommandSpec {
    /// Puts a key's name into a word of a command, and what `given` returns for a word in capitals.
    pub(crate) fn filled(&self, word: &str, key: Option<&KeyName>, given: &dyn Fn(&str) -> Option<String>) -> String {
        let spelt = |name: &str| match self.spelling {
            Spelling::AsIs => name.to_owned(),
            Spelling::Dashes => name.replace(['.', '_'], "-"),
            Spelling::Underscores => name.replace(['.', '-'], "_"),
        };
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
        ];
        let kinds: Vec<_> = kinds.into_iter().flatten().collect();
        let kind = match kinds.as_slice() {
            [] => {
                return Err(source
                    .error(name.span(), "the table does not say what the store is")
                    .with_hint("write `preset = \"pass\"`, or `get = [...]` with a command that prints a key"));
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
            _ => StoreKind::Command(Box::new(self.command(source, place)?)),
        };
        Ok(StoreSpec { kind, timeout })
    }

    // The keys that belong to a command alone, with those that are there.
    fn parameters(&self) -> [(&'static str, Option<&Spanned<String>>); 7] {
        [
            ("C", self.c.as_ref()),
            ("DB", self.db.as_ref()),
            ("DIR", self.dir.as_ref()),
            ("FILE", self.file.as_ref()),
            ("KEYFILE", self.keyfile.as_ref()),
            ("P", self.p.as_ref()),
            ("VAULT", self.vault.as_ref()),
        ]
    }

    // Refuses keys that this kind of store does not use.
    fn only(&self, source: &Source, kind: &str) -> Result<(), ConfigError> {
        let of_commands = [
            ("set", self.set.as_ref().map(Spanned::span)),
            ("remove", self.remove.as_ref().map(Spanned::span)),
            ("list", self.list.as_ref().map(Spanned::span)),
            ("decode", self.decode.as_ref().map(Spanned::span)),
            ("first-line", self.first_line.as_ref().map(Spanned::span)),
        ];
        let of_programs = [("interactive", self.interactive.as_ref().map(Spanned::span))];
        let of_programs = of_programs.into_iter().filter(|_| !matches!(kind, "preset" | "get"));
        let of_presets = self.parameters().map(|(name, given)| (name, given.map(Spanned::span)));
        let of_commands = of_commands.into_iter().filter(|_| kind != "get");
        let of_presets = of_presets.into_iter().filter(|_| kind != "preset");
        let mut unused = of_commands.chain(of_programs).chain(of_presets);
        match unused.find_map(|(name, span)| Some((name, span?))) {
            Some((name, span)) => Err(source.error(span, format!("`{name}` does not go with `{kind}`"))),
            None => Ok(()),
        }
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
            prefix: preset.prefix.to_owned(),
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
            prefix: "ringlet/".to_owned(),
            parameters: Vec::new(),
            env: Vec::new(),
            output,
            spelling: Spelling::AsIs,
            interactive: self.interactive.as_ref().is_some_and(|given| *given.get_ref()),
        })
    }
}

fn preset_named(source: &Source, given: &Spanned<String>) -> Result<&'static Preset, ConfigError> {
    let name = given.get_ref().as_str();
    if let Some(found) = PRESETS.iter().find(|preset| preset.name == name) {
        return Ok(found);
    }
    let error = source.error(given.span(), format!("there is no preset \"{}\"", shorten(name)));
    Err(match name {
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
