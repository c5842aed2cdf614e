//! A store that is a command of the settings: it prints a key.
//!
//! The status of a tool never tells a key that is absent from a store that is locked. So a `get` that fails is an error
//! of the store, and "not found" only where a listing has no such name.

use super::tool::{Asks, Run, Tool};
use super::{Change, Class, Detail, Include, Item, ItemName, Query, SERVICE, Store, StoreError, unusable};
use crate::config::{CommandNames, CommandSpec, Given, Kept, Output, Prefix, StoreRule, Stores};
use crate::name::KeyName;
use crate::paths::Paths;
use crate::platform::Ended;
use crate::secret::{MAX_KEY, Secret};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

// What a listing may print: ten thousand names of the greatest length.
const MOST_LISTED: usize = 2 << 20;

// The note behind a key in `pass` may be as long as this.
const MOST_NOTED: usize = 64 << 10;

// A command that asks about several keys has them listed once. The daemon lives longer than its answers.
const AS_LISTED: Duration = Duration::from_secs(5);

type Listed = Result<BTreeSet<KeyName>, StoreError>;

/// The store.
pub(super) struct CommandStore {
    tool: Tool,
    spec: CommandSpec,
    /// The keys that the settings put here by their names.
    known: BTreeSet<KeyName>,
    /// All rules, by which two keys may be one entry.
    stores: Stores,
    /// What was last listed, and when. A tool that does not answer is not asked again at once.
    listed: Mutex<Option<(Instant, Listed)>>,
}

impl CommandStore {
    /// Nothing is run yet. The words in capitals get their values from the settings, else from the environment.
    pub(super) fn new(mut tool: Tool, mut spec: CommandSpec, stores: &Stores, paths: &Paths) -> Self {
        let known = stores.keys_of(&Kept::Named(tool.store.clone()));
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
        Self { tool, spec, known, stores: stores.clone(), listed: Mutex::default() }
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
        self.refuse_ambiguous(key)?;
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
        unusable(&value).map_or(Ok(value), |why| Err(no_key(&why)))
    }

    // Where the entries are files, the tool is asked for one that is there alone: it may take a folder for an entry.
    fn is_there(&self, key: &KeyName) -> Result<bool, StoreError> {
        let CommandNames::Files(path) = &self.spec.names else { return Ok(true) };
        if Path::new(&self.filled(path, Some(key))).is_file() {
            return Ok(true);
        }
        // That the folder cannot be listed is an error.
        self.names().map(|_| false)
    }

    // The lines behind the key of an entry, which a new key leaves as they are.
    fn rest(&self, name: ItemName<'_>, key: &KeyName) -> Result<Secret, StoreError> {
        let none = || Secret::new(Vec::new());
        if self.spec.output != Output::FirstLine || self.peek(name)? == Some(false) {
            return Ok(none());
        }
        let run = Run {
            words: &self.words(&self.spec.get, Some(key)),
            input: None,
            most: MOST_NOTED,
            asks: Asks::IfPrompted,
        };
        let done = self.tool.run(&run)?;
        match done.ended {
            Ended::With(0) => {
                let end = done.output.iter().position(|byte| *byte == b'\n');
                Ok(Secret::new(end.map_or_else(Vec::new, |end| done.output[end..].to_vec())))
            }
            // Only the tool could tell whether there is an entry.
            _ if !self.knows_names() => Ok(none()),
            _ => Err(self.tool.refused(&format!("give the rest of {key}"), &run, &done)),
        }
    }

    // A key that is the same entry of the tool as another one would be given in its place.
    fn refuse_ambiguous(&self, key: &KeyName) -> Result<(), StoreError> {
        let Some(other) = self.stores.same_entry(&self.tool.store, &self.spec, key) else { return Ok(()) };
        let why = format!("cannot tell {key} from {other}: both would be {}", self.item_name(key));
        Err(self.tool.failed(Class::Unable, why))
    }

    // The names that are there, as far as that can be found out.
    fn names(&self) -> Result<BTreeSet<KeyName>, StoreError> {
        // A list, files and the settings say nothing of a tool that is missing.
        self.tool.program(&self.spec.get[0])?;
        let words = match &self.spec.names {
            CommandNames::Unknown => return Ok(self.known.clone()),
            CommandNames::Files(path) => return self.file_names(path),
            CommandNames::Printed(words) => self.words(words, None),
        };
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, names)) = listed.as_ref().filter(|(at, _)| at.elapsed() < AS_LISTED) {
            return names.clone();
        }
        let run = Run { words: &words, input: None, most: MOST_LISTED, asks: Asks::Never };
        let printed = self.tool.output("list its keys", &run);
        let names = printed.and_then(|printed| self.printed_names(&String::from_utf8_lossy(printed.expose())));
        *listed = Some((Instant::now(), names.clone()));
        names
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
            self.spec.prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)?.parse::<KeyName>().ok())
        };
        Ok(names.iter().filter_map(key).collect())
    }

    // The names of the files of a path such as `DIR/{provider}/{alias}.gpg`.
    fn file_names(&self, path: &str) -> Result<BTreeSet<KeyName>, StoreError> {
        let (folder, ending) = path.split_once("{provider}/{alias}").expect("a preset's path has both");
        let top = folder.split('/').next().unwrap_or(folder);
        let (top, folder) = (PathBuf::from(self.filled(top, None)), PathBuf::from(self.filled(folder, None)));
        if !top.is_dir() {
            let why = format!("cannot be listed: there is no folder {}", top.display());
            return Err(self.tool.failed(Class::Unable, why));
        }
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
        if !self.is_there(&key)? {
            return Ok(None);
        }
        let asks = if self.spec.interactive { Asks::Always } else { Asks::Never };
        match self.value(&key, asks) {
            Ok(value) => Ok(Some(item(Some(value)))),
            // The status of a tool does not tell that a key is absent, and a listing does.
            Err(error @ StoreError::InStore { class: Class::Broken, .. }) if self.knows_names() => match self.names() {
                Ok(names) if !names.contains(&key) => Ok(None),
                Ok(_) | Err(_) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    fn peek(&self, name: ItemName<'_>) -> Result<Option<bool>, StoreError> {
        match (name.key(), self.knows_names()) {
            (Some(key), true) => Ok(Some(self.names()?.contains(&key))),
            _ => Ok(None),
        }
    }

    fn can(&self, change: Change, name: ItemName<'_>) -> Result<(), StoreError> {
        let Some(key) = name.key() else { return Err(self.tool.failed(Class::Unable, "holds keys alone")) };
        self.refuse_ambiguous(&key)?;
        let item = self.item_name(&key);
        let why = match change {
            Change::Set if self.spec.set.is_empty() => {
                format!("stores no key by ringlet: store it with its own tool, under {item}")
            }
            Change::Remove | Change::Rename if self.spec.remove.is_none() => {
                format!("removes no key by ringlet: remove {item} with its own tool")
            }
            Change::Rename if self.spec.output == Output::FirstLine => {
                format!("gives the first line of an entry alone: rename {item} with its own tool, which keeps the rest")
            }
            Change::Set | Change::Remove | Change::Rename => return Ok(()),
        };
        Err(self.tool.failed(Class::Unable, why))
    }

    fn put(&self, name: ItemName<'_>, value: &Secret, _: Option<&[(String, String)]>) -> Result<(), StoreError> {
        self.can(Change::Set, name)?;
        let Some(key) = name.key() else { return Err(self.tool.failed(Class::Unable, "holds keys alone")) };
        let rest = self.rest(name, &key)?;
        let mut entry = Vec::with_capacity(value.len() + rest.len());
        entry.extend_from_slice(value.expose());
        entry.extend_from_slice(rest.expose());
        let entry = Secret::new(entry);
        let mut done = Ok(());
        for words in &self.spec.set {
            let words = self.words(words, Some(&key));
            let input = Some(entry.expose());
            let run = Run { words: &words, input, most: MOST_NOTED, asks: Asks::IfPrompted };
            let earlier = done.err();
            done = self.tool.output(&format!("store {key}"), &run).map(drop);
            match &mut done {
                // Which of the two failures matters, only the tool's own words tell.
                Err(StoreError::InStore { class: Class::Broken, said, .. }) => {
                    said.splice(0..0, earlier.iter().flat_map(StoreError::said).cloned());
                }
                Ok(()) | Err(_) => break,
            }
        }
        self.forget();
        done
    }

    fn delete(&self, name: ItemName<'_>) -> Result<bool, StoreError> {
        let Some(key) = name.key() else { return Ok(false) };
        self.can(Change::Remove, name)?;
        let Some(words) = &self.spec.remove else { return Ok(false) };
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

    // The rules name the other keys.
    fn lists_all(&self) -> bool {
        let kept = Kept::Named(self.tool.store.clone());
        let is_open = |(of, rule): (&Prefix, &StoreRule)| matches!(of, Prefix::Provider(_)) && rule.store == kept;
        self.knows_names() || !self.stores.rules.iter().any(is_open)
    }

    fn state(&self) -> Result<(), StoreError> {
        Ok(())
    }

    // A tool asks for what it needs when it gives a key.
    fn unlock_item(&self, name: ItemName<'_>) -> Result<(), StoreError> {
        let Some(key) = name.key() else { return Ok(()) };
        self.forget();
        match self.is_there(&key)? {
            true => self.value(&key, Asks::Always).map(drop),
            false => Err(StoreError::NotFound { place: self.place(), key }),
        }
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

#[cfg(all(test, unix))]
mod tests {
    use super::super::tool::testing::scripted;
    use super::*;
    use crate::config::{RawSettings, Settings, Source, StoreKind};
    use crate::env::Env;

    const KEY: &str = "sk-ant-api03-CANARYCANARY0123456789";

    struct Rig {
        folder: tempfile::TempDir,
        store: CommandStore,
    }

    /// A store whose commands are those of a table, with a shell script as the program `tool`.
    fn rig(table: &str, script: &str) -> Rig {
        let (folder, mut tool) = scripted(script);
        let paths = Paths::new(&Env::from_pairs([("HOME", folder.path())])).expect("a home");
        let text = format!("[store.team]\n{table}\n[store-for.\"anthropic/work\"]\nstore = \"team\"\n");
        let source = Source { file: "c".into(), text, access: None };
        let _: RawSettings = source.parse().expect("TOML");
        let settings = Settings::parse(&source, &paths).expect("right");
        let spec = settings.stores.specs.values().next().expect("one");
        let StoreKind::Command(command) = &spec.kind else { panic!("a command") };
        tool.timeout = spec.timeout.unwrap_or(tool.timeout);
        // Each program of the table is the script.
        let program = tool.programs["tool"].clone();
        tool.programs.extend(spec.programs().into_iter().map(|name| (name, program.clone())));
        Rig { store: CommandStore::new(tool, (**command).clone(), &settings.stores, &paths), folder }
    }

    const GET: &str = "get = [\"tool\", \"get\", \"{provider}/{alias}\"]";

    fn name() -> ItemName<'static> {
        ItemName { service: SERVICE, account: "anthropic/work" }
    }

    fn got(rig: &Rig) -> Result<Vec<u8>, StoreError> {
        let item = rig.store.get(name(), Detail::Value)?.expect("a command store has no absent key");
        Ok(item.value.expect("asked for").expose().to_vec())
    }

    #[test]
    fn a_key_is_what_is_printed_less_one_newline() {
        for (printed, expected) in [
            ("'%s' KEY", "KEY"),
            ("'%s\\n' KEY", "KEY"),
            ("'%s\\r\\n' KEY", "KEY"),
            ("'%s\\n\\n' KEY", "KEY\n"),
            ("'%s\\r' KEY", "KEY\r"),
            ("'a\\nb\\n'", "a\nb"),
            ("' KEY '", " KEY "),
        ] {
            assert_eq!(got(&rig(GET, &format!("printf {printed}"))).expect(printed), expected.as_bytes(), "{printed}");
        }
        // The working directory is the home, and nothing of the calling shell's terminal is named.
        let script = "[ \"$1 $2\" = 'get anthropic/work' ] && [ \"$PWD\" = \"$(dirname \"$0\")\" ] && \
                      [ -z \"$DISPLAY$GPG_TTY\" ] && printf right";
        assert_eq!(got(&rig(GET, script)).expect("right"), b"right");
        let first = format!("{GET}\nfirst-line = true");
        assert_eq!(got(&rig(&first, "printf 'KEY\\nuser: x\\n'")).expect("first"), b"KEY");
        let encoded = format!("{GET}\ndecode = \"base64\"");
        assert_eq!(got(&rig(&encoded, "printf 'S0VZ\\n'")).expect("decoded"), b"KEY");
        // What was encrypted had a newline of its own.
        assert_eq!(got(&rig(&encoded, "printf 'S0VZCg==\\n'")).expect("decoded"), b"KEY");
        let longest = "k".repeat(MAX_KEY);
        assert_eq!(got(&rig(GET, &format!("echo {longest}"))).expect("the longest"), longest.as_bytes());
    }

    #[test]
    fn an_answer_that_is_no_key_is_an_error_that_repeats_nothing_of_it() {
        let slow = format!("{GET}\ntimeout = 0.3");
        let encoded = format!("{GET}\ndecode = \"base64\"");
        for (table, script, said) in [
            (GET, "exit 0".to_owned(), "is empty"),
            (GET, "echo".to_owned(), "is empty"),
            (GET, format!("printf '{KEY}\\0'"), "holds a NUL"),
            (GET, format!("echo {KEY}; exit 3"), "ended with status 3"),
            (GET, format!("echo {KEY}; kill -9 $$"), "ended by signal 9"),
            (GET, format!("echo {KEY}{}", "x".repeat(MAX_KEY)), "printed more than"),
            (GET, format!("yes {KEY}"), "printed more than"),
            (GET, "cat /dev/tty".to_owned(), "ended with status"),
            (GET, format!("echo {KEY} >&2; exit 1"), "ended with status 1"),
            (&slow, format!("echo {KEY}; sleep 1000"), "did not answer within"),
            (&slow, format!("echo {KEY}; kill -STOP $$"), "did not answer within"),
            (&encoded, format!("echo {KEY}"), "is not in base64"),
        ] {
            let error = got(&rig(table, &script)).expect_err(&script);
            let told = format!("{error} {:?} {error:?}", error.hint().map(|hint| hint.pieces().len()));
            assert!(told.contains(said) && told.contains("team"), "{script}: {told}");
            assert!(!told.contains("CANARY"), "{script}: {told}");
        }
        // A program that floods its errors is read to the end, and one whose child keeps the pipes open is not waited
        // for.
        let flood = "i=0; while [ $i -lt 3000 ]; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx >&2; i=$((i+1)); done";
        assert_eq!(got(&rig(GET, &format!("{flood}; echo KEY"))).expect("given"), b"KEY");
        assert_eq!(got(&rig(GET, "sleep 1000 & echo $! > pid; echo KEY")).expect("given"), b"KEY");
    }

    #[test]
    fn a_tool_that_fails_does_not_tell_what_it_was_given_or_what_it_has_printed() {
        // Neither has the form of a key.
        let plain = "wJalrXUtnFEMI/K7MDENG/correct-horse";
        let told = |error: StoreError| format!("{error} {error:?} {:?}", error.said());
        let failed = rig(GET, &format!("set -x; printf %s {plain}; exit 1"));
        let said = told(got(&failed).expect_err("status 1"));
        assert!(said.contains("printf %s") && !said.contains("wJalr") && !said.contains("horse"), "{said}");
        let table = format!("{GET}\nset = [\"tool\", \"set\"]");
        let failed = rig(&table, "echo 'will not take:' >&2; cat >&2; exit 1");
        let value = Secret::new(plain.into());
        let said = told(failed.store.put(name(), &value, None).expect_err("status 1"));
        assert!(said.contains("will not take") && !said.contains("wJalr") && !said.contains("horse"), "{said}");
    }

    #[test]
    fn a_new_key_keeps_the_lines_behind_the_old_one() {
        let table = format!("{GET}\nset = [\"tool\", \"set\"]\nfirst-line = true");
        let kept = rig(&table, "case $1 in get) cat entry;; set) cat > new; mv new entry;; esac");
        let store = |text: &str| kept.store.put(name(), &Secret::new(text.into()), None);
        let entry = || std::fs::read_to_string(kept.folder.path().join("entry")).expect("an entry");
        store("first-1").expect("stored");
        assert_eq!(entry(), "first-1");
        std::fs::write(kept.folder.path().join("entry"), "old-1\nuser: me\nrecovery: a b\n").expect("written");
        store("second-2").expect("stored");
        assert_eq!(entry(), "second-2\nuser: me\nrecovery: a b\n");
        // An entry that cannot be read whole stays.
        std::fs::write(kept.folder.path().join("entry"), format!("old\n{}", "x".repeat(MOST_NOTED))).expect("written");
        store("third-3").expect_err("too long");
        assert!(entry().starts_with("old\n"));
    }

    #[test]
    fn a_folder_of_a_keys_name_is_no_entry() {
        // As `pass show` does.
        let listed = rig(
            "preset = \"pass\"\nDIR = \"~/store\"",
            "if [ -f \"store/$2.gpg\" ]; then echo KEY; else echo \"$2\"; fi",
        );
        let folder = listed.folder.path().join("store/ringlet/anthropic");
        std::fs::create_dir_all(folder.join("work")).expect("made");
        std::fs::write(folder.join("other.gpg"), "").expect("written");
        assert!(listed.store.get(name(), Detail::Value).expect("asked").is_none());
        assert!(matches!(listed.store.unlock_item(name()), Err(StoreError::NotFound { .. })));
        std::fs::write(folder.join("work.gpg"), "").expect("written");
        assert_eq!(got(&listed).expect("there"), b"KEY");
    }

    #[test]
    fn what_a_tool_says_is_shown_in_a_few_lines_without_keys_or_control_characters() {
        let script = format!(
            "printf 'Error: \\033[31mno such entry\\n\\n' >&2\n\
             printf 'user: https://me:pw@vault.example/x?token={KEY}\\n1\\n2\\n3\\n4\\n' >&2; exit 1"
        );
        let error = got(&rig(GET, &script)).expect_err("status 1");
        assert_eq!(error.said().len(), 5);
        assert_eq!(error.said()[0], "Error: ?[31mno such entry");
        let second = &error.said()[1];
        assert!(second.contains("vault.example") && !second.contains("pw") && !second.contains("CANARY"), "{second}");
        assert!(!error.to_string().contains("entry"), "what is recorded holds nothing of it: {error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_of_its_own() {
        let mut rig = rig(GET, "echo KEY");
        rig.store.tool.programs.insert("tool".to_owned(), Err("there is no program tool on PATH".into()));
        let error = got(&rig).expect_err("missing");
        assert_eq!(error.to_string(), "the store \"team\" cannot be asked: there is no program tool on PATH");
        for path in [rig.folder.path().to_owned(), "/nonexistent/tool".into()] {
            rig.store.tool.programs.insert("tool".to_owned(), Ok(path));
            let error = got(&rig).expect_err("no program");
            assert!(matches!(error, StoreError::InStore { class: Class::Unable, .. }), "{error}");
        }
    }

    #[test]
    fn a_value_is_stored_by_standard_input_and_the_second_way_is_tried() {
        let kept =
            format!("{GET}\nset = [\"tool\", \"set\", \"{{alias}}\"]\nremove = [\"tool\", \"rm\", \"{{alias}}\"]");
        let script = "case $1 in get) cat kept;; set) cat > kept; echo \"$@\" > words;; rm) rm kept;; esac";
        let rig = rig(&kept, script);
        rig.store.put(name(), &Secret::new(KEY.into()), None).expect("stored");
        assert_eq!(got(&rig).expect("given"), KEY.as_bytes());
        let words = std::fs::read_to_string(rig.folder.path().join("words")).expect("written");
        assert_eq!(words, "set work\n");
        assert!(rig.store.delete(name()).expect("removed"));
        assert!(got(&rig).is_err());
        // Of a tool with two ways to store, the second one is tried where the first one fails.
        let script = "case \"$*\" in *put-secret-value*) cat >/dev/null; exit 254;; *create-secret*) cat > kept;; \
                      *get-secret-value*) cat kept;; *) exit 1;; esac";
        let rig = super::tests::rig("preset = \"aws-sm\"", script);
        rig.store.put(name(), &Secret::new(KEY.into()), None).expect("stored");
        assert_eq!(got(&rig).expect("given"), KEY.as_bytes());
    }

    #[test]
    fn a_store_that_cannot_store_says_where_the_key_belongs() {
        let rig = rig("preset = \"gcloud\"", "exit 1");
        let error = rig.store.put(name(), &Secret::new(KEY.into()), None).expect_err("no `set`");
        assert!(error.to_string().contains("--secret=ringlet-anthropic-work"), "{error}");
        let error = rig.store.delete(name()).expect_err("no `remove`");
        assert!(matches!(error, StoreError::InStore { class: Class::Unable, .. }), "{error}");
    }

    #[test]
    fn names_are_read_without_values_as_lines_as_json_or_as_files() {
        let listed = |list: &str, script: &str| {
            let rig = rig(&format!("{GET}\n{list}"), script);
            let query = Query {
                service: SERVICE,
                include: Include::Names,
                prefix: "",
                wanted: &|_| true,
                progress: &|_, _| (),
            };
            let names = rig.store.list(&query).map(|items| items.into_iter().map(|item| item.account).collect());
            let names: Result<Vec<String>, StoreError> = names;
            (names, rig.store.peek(name()))
        };
        let list = "list = [\"tool\", \"ls\"]";
        let (names, there) = listed(list, "printf 'ringlet/anthropic/work\\nopenai/ci\\n ../x\\nringlet/a/b/c\\nx\\n'");
        assert_eq!(names.expect("listed"), ["anthropic/work", "openai/ci"]);
        assert_eq!(there, Ok(Some(true)));
        let (names, there) = listed(list, "echo '[\"ringlet/openai/ci\", \"other\"]'");
        assert_eq!((names.expect("listed"), there), (vec!["openai/ci".to_owned()], Ok(Some(false))));
        for wrong in ["echo '[1, 2]'", "echo '[\"a'", "exit 1", "yes ringlet/a/b"] {
            let (names, there) = listed(list, wrong);
            assert!(names.is_err() && there.is_err(), "{wrong}");
        }
        // Without a listing the keys are those that the settings name, and only a value tells whether one is there.
        let (names, there) = listed("", "exit 1");
        assert_eq!((names.expect("known"), there), (vec!["anthropic/work".to_owned()], Ok(None)));
        // The files of `pass`.
        let rig = rig("preset = \"pass\"", "echo KEY");
        let folder = rig.folder.path().join(".password-store/ringlet");
        assert!(rig.store.peek(name()).is_err(), "a folder that is not there tells nothing");
        std::fs::create_dir_all(&folder).expect("a folder");
        assert_eq!(rig.store.peek(name()), Ok(Some(false)));
        for file in ["anthropic/work.gpg", "anthropic/.x.gpg", "openai/ci.gpg", "openai/ci.txt", "flat.gpg"] {
            let file = folder.join(file);
            std::fs::create_dir_all(file.parent().expect("below")).expect("a folder");
            std::fs::write(file, "").expect("written");
        }
        let names = rig.store.names().expect("listed");
        assert_eq!(names.iter().map(ToString::to_string).collect::<Vec<_>>(), ["anthropic/work", "openai/ci"]);
        assert_eq!(rig.store.peek(name()), Ok(Some(true)));
    }
}
