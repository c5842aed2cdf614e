//! A store that is a command of the settings: it prints a key.
//!
//! The status of a tool never tells a key that is absent from a store that is locked. So a `get` that fails is an error
//! of the store, and never "not found".

use super::tool::{Asks, Run, Tool};
use super::{Class, Detail, Include, Item, ItemName, Query, SERVICE, Store, StoreError};
use crate::config::{CommandNames, CommandSpec, Given, Output};
use crate::name::KeyName;
use crate::paths::Paths;
use crate::secret::{MAX_KEY, Secret};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

// What a listing may print: ten thousand names of the greatest length.
const MOST_LISTED: usize = 2 << 20;

// The note behind a key in `pass` may be as long as this.
const MOST_NOTED: usize = 64 << 10;

/// The store.
pub(super) struct CommandStore {
    tool: Tool,
    spec: CommandSpec,
    /// The keys that the settings put here by their names.
    known: BTreeSet<KeyName>,
    /// The names, once they were asked for.
    listed: Mutex<Option<BTreeSet<KeyName>>>,
}

impl CommandStore {
    /// Nothing is run yet. The words in capitals get their values from the settings, else from the environment.
    pub(super) fn new(mut tool: Tool, mut spec: CommandSpec, known: BTreeSet<KeyName>, paths: &Paths) -> Self {
        for given in &mut spec.parameters {
            let set = given.variable.and_then(|name| tool.env.absolute(name));
            let set = set.and_then(|path| path.into_os_string().into_string().ok());
            let value = given.value.take().or(set).or_else(|| given.default.take());
            let path = |text: String| match text.starts_with("~/") {
                true => paths.expand(&text).to_string_lossy().into_owned(),
                false => text,
            };
            given.value = value.map(path);
            if let (Some(name), Some(value)) = (given.variable, &given.value) {
                tool.env.set(name, value.into());
            }
        }
        for (name, value) in &spec.env {
            tool.env.set(name, value.into());
        }
        Self { tool, spec, known, listed: Mutex::default() }
    }

    fn filled(&self, word: &str, key: Option<&KeyName>) -> String {
        let value = |given: &Given| given.value.clone().unwrap_or_default();
        let given = |name: &str| self.spec.parameters.iter().find(|given| given.name == name).map(value);
        self.spec.filled(word, key, &given)
    }

    fn words(&self, words: &[String], key: Option<&KeyName>) -> Vec<String> {
        // The program is no text to put something into.
        let (program, arguments) = words.split_first().expect("a command has a program");
        std::iter::once(program.clone()).chain(arguments.iter().map(|word| self.filled(word, key))).collect()
    }

    fn value(&self, key: &KeyName, asks: Asks) -> Result<Secret, StoreError> {
        let most = match self.spec.output {
            Output::Whole => MAX_KEY + 2,
            Output::FirstLine => MOST_NOTED,
            Output::Base64 => MAX_KEY * 2,
        };
        let words = self.words(&self.spec.get, Some(key));
        let printed = self.tool.output(&format!("give {key}"), &Run { words: &words, input: None, most, asks })?;
        let no_key = |why: &str| self.tool.failed(Class::Broken, format!("gave no key for {key}: its answer {why}"));
        let bytes = printed.expose();
        let value = match self.spec.output {
            Output::Whole => Secret::new(without_newline(bytes).to_vec()),
            Output::FirstLine => {
                let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
                Secret::new(without_newline(&bytes[..end]).to_vec())
            }
            Output::Base64 => {
                let decoded = decoded(without_newline(bytes)).ok_or_else(|| no_key("is not in base64"))?;
                Secret::new(without_newline(decoded.expose()).to_vec())
            }
        };
        match value.expose() {
            [] => Err(no_key("is empty")),
            bytes if bytes.len() > MAX_KEY => Err(no_key(&format!("is longer than {MAX_KEY} bytes"))),
            bytes if bytes.contains(&0) => Err(no_key("holds a NUL")),
            _ => Ok(value),
        }
    }

    // The names that are there, as far as that can be found out. Each listing is asked for once.
    fn names(&self) -> Result<BTreeSet<KeyName>, StoreError> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(names) = listed.as_ref() {
            return Ok(names.clone());
        }
        let names = match &self.spec.names {
            CommandNames::Unknown => self.known.clone(),
            CommandNames::Printed(words) => {
                let words = self.words(words, None);
                let run = Run { words: &words, input: None, most: MOST_LISTED, asks: Asks::Never };
                let printed = self.tool.output("list its keys", &run)?;
                self.printed_names(&String::from_utf8_lossy(printed.expose()))?
            }
            CommandNames::Files(path) => self.file_names(path)?,
        };
        *listed = Some(names.clone());
        Ok(names)
    }

    fn printed_names(&self, text: &str) -> Result<BTreeSet<KeyName>, StoreError> {
        let names: Vec<String> = match text.trim_start().starts_with('[') {
            true => serde_json::from_str(text).map_err(|_| {
                self.tool.failed(Class::Broken, "gave no list of names: its answer is no JSON list of texts")
            })?,
            false => text.lines().map(str::to_owned).collect(),
        };
        let key = |name: &String| {
            let name = name.trim();
            name.strip_prefix(&self.spec.prefix).unwrap_or(name).parse::<KeyName>().ok()
        };
        Ok(names.iter().filter_map(key).collect())
    }

    // The names of the files of a path such as `DIR/{provider}/{alias}.gpg`.
    fn file_names(&self, path: &str) -> Result<BTreeSet<KeyName>, StoreError> {
        let exists = |key: &&KeyName| Path::new(&self.filled(path, Some(key))).exists();
        let Some((folder, ending)) = path.split_once("{provider}/{alias}") else {
            return Ok(self.known.iter().filter(exists).cloned().collect());
        };
        let folder = PathBuf::from(self.filled(folder, None));
        let below = |folder: &Path| match std::fs::read_dir(folder) {
            Ok(entries) => Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            // A file stands among the folders.
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(Vec::new()),
            Err(error) => {
                Err(self.tool.failed(Class::Denied, format!("cannot be listed: {}: {error}", folder.display())))
            }
        };
        let mut names = BTreeSet::new();
        for provider in below(&folder)? {
            for file in below(&folder.join(&provider))? {
                let key = file.strip_suffix(ending).and_then(|alias| format!("{provider}/{alias}").parse().ok());
                names.extend(key);
            }
        }
        Ok(names)
    }

    fn knows_names(&self) -> bool {
        self.spec.names != CommandNames::Unknown
    }

    fn forget(&self) {
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Store for CommandStore {
    fn place(&self) -> String {
        format!("the store \"{}\"", self.tool.store)
    }

    fn get(&self, name: ItemName<'_>, detail: Detail) -> Result<Option<Item>, StoreError> {
        let Some(key) = name.key() else { return Ok(None) };
        let item = |value| Item { account: key.to_string(), attributes: Vec::new(), value };
        if detail == Detail::Presence && self.knows_names() {
            return Ok(self.names()?.contains(&key).then(|| item(None)));
        }
        let asks = if self.spec.interactive { Asks::Always } else { Asks::Never };
        self.value(&key, asks).map(|value| Some(item(Some(value))))
    }

    fn peek(&self, name: ItemName<'_>) -> Result<Option<bool>, StoreError> {
        match (name.key(), self.knows_names()) {
            (Some(key), true) => Ok(Some(self.names()?.contains(&key))),
            _ => Ok(None),
        }
    }

    fn put(&self, name: ItemName<'_>, value: &Secret, _: Option<&[(String, String)]>) -> Result<(), StoreError> {
        let Some(key) = name.key() else { return Err(self.tool.failed(Class::Unable, "holds keys alone")) };
        let mut done = Err(self.tool.failed(
            Class::Unable,
            format!("stores no key by ringlet: store it with its own tool, under {}", self.item_name(&key)),
        ));
        for words in &self.spec.set {
            let words = self.words(words, Some(&key));
            let input = Some(value.expose());
            let run = Run { words: &words, input, most: MOST_NOTED, asks: Asks::IfPrompted };
            done = self.tool.output(&format!("store {key}"), &run).map(drop);
            if done.is_ok() {
                break;
            }
        }
        self.forget();
        done
    }

    fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError> {
        let Some(key) = name.key() else { return Ok(false) };
        let Some(words) = &self.spec.remove else {
            let why = format!("removes no key by ringlet: remove {} with its own tool", self.item_name(&key));
            return Err(self.tool.failed(Class::Unable, why));
        };
        if self.peek(name)? == Some(false) {
            return Ok(false);
        }
        let words = self.words(words, Some(&key));
        let run = Run { words: &words, input: None, most: MOST_NOTED, asks: Asks::IfPrompted };
        let done = self.tool.output(&format!("remove {key}"), &run);
        self.forget();
        done.map(|_| true)
    }

    fn list(&self, query: &Query<'_>) -> Result<Vec<Item>, StoreError> {
        if query.service != SERVICE {
            return Ok(Vec::new());
        }
        let names = self.names()?;
        let wanted = names.iter().filter(|key| (query.wanted)(&key.to_string()));
        let item = |key: &KeyName| {
            let value = (query.include == Include::Values).then(|| self.value(key, Asks::Never)).transpose()?;
            Ok(Item { account: key.to_string(), attributes: Vec::new(), value })
        };
        wanted.map(item).collect()
    }

    fn state(&self) -> Result<(), StoreError> {
        Ok(())
    }

    // A tool asks for what it needs when it gives a key.
    fn unlock_item(&self, name: ItemName<'_>) -> Result<(), StoreError> {
        name.key().map_or(Ok(()), |key| self.value(&key, Asks::Always).map(drop))
    }
}

impl CommandStore {
    // What an item is called in the tool, as the command that prints it says.
    fn item_name(&self, key: &KeyName) -> String {
        let named = self.spec.get.iter().find(|word| word.contains("{alias}") || word.contains("{ALIAS}"));
        named.map_or_else(|| key.to_string(), |word| self.filled(word, Some(key)))
    }
}

fn without_newline(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if line.len() < bytes.len() { line.strip_suffix(b"\r").unwrap_or(line) } else { line }
}

// A value in base64, as RFC 4648 has it, with the padding.
fn decoded(text: &[u8]) -> Option<Secret> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let mut bytes = Vec::with_capacity(text.len());
    STANDARD.decode_vec(text, &mut bytes).ok().map(|()| Secret::new(bytes))
}
