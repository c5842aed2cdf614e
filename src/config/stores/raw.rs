//! A table `[store.NAME]` as it is written, and what it means.

use super::{CommandNames, CommandSpec, Credential, Given, StoreKind, StoreSpec, VaultLogin, VaultSpec};
use crate::config::presets::{Names, Output, PRESETS, Preset, Spelling};
use crate::config::{ConfigError, Source};
use crate::name::{KeyName, closest, shorten};
use crate::url::{Http, check_url};
use serde::Deserialize;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table that says what the store is")]
pub(in crate::config) struct RawStore {
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

const PLACEHOLDERS: [&str; 4] = ["provider", "alias", "PROVIDER", "ALIAS"];

impl RawStore {
    pub(super) fn check(
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
pub(super) fn api_path(source: &Source, given: &Spanned<String>) -> Result<String, ConfigError> {
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

pub(super) fn plain(source: &Source, given: &Spanned<String>) -> Result<String, ConfigError> {
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
