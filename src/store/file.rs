//! The file-backed store, `credentials.toml`, for machines without a keychain.
//!
//! Its form is `[provider.alias]` with `key = "..."`; entries of other services, which the daemon keeps, are in the same
//! form in a file of their own, with `attributes` where they have any. The file must be the user's own and readable by nobody else; that
//! is checked on the opened file. Changes are made under a lock, keep comments and the other entries, and replace the
//! file whole. Everything read from it is wiped, and no error repeats a line of it.

use super::{Store, StoreError};
use crate::name::KeyName;
use crate::paths::Paths;
use crate::platform::private::{self, NotPrivate, Privacy};
use crate::platform::{self, Access, NotLasting, ReadError};
use crate::secret::{Secret, Shape, check_key};
use memchr::memmem;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;
use toml_edit::{DocumentMut, InlineTable, Item, Table, value};
use zeroize::Zeroizing;

// Ten thousand keys of the largest size and their headers.
const MAX_BYTES: u64 = 32 << 20;

/// Above this size one entry is cut out before it is parsed, and read in blocks of this size; see [`entry_alone`].
const SMALL: usize = 32 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: Zeroizing<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

type Entries = BTreeMap<String, BTreeMap<String, Entry>>;

/// Provider and alias, or a service and its target.
pub(super) type Pair<'a> = (&'a str, &'a str);

/// A value and its attributes.
pub(super) type Found = (Secret, Vec<(String, String)>);

impl Entry {
    fn taken(mut self) -> Found {
        let secret = Secret::new(std::mem::take(&mut *self.key).into_bytes());
        (secret, std::mem::take(&mut self.attributes).into_iter().collect())
    }
}

fn pair(key: &KeyName) -> Pair<'_> {
    (key.provider.as_str(), key.alias.as_str())
}

/// The store.
pub(crate) struct FileStore {
    file: PathBuf,
    /// Where the private secret is, in the state directory.
    private: PathBuf,
}

impl FileStore {
    /// The store in its place; nothing is read yet.
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { file: paths.credentials(), private: paths.state().join("migrate").join("secret") }
    }

    /// The file of other services' entries.
    pub(super) fn of_services(paths: &Paths) -> Self {
        Self { file: paths.services(), ..Self::new(paths) }
    }

    fn failed(&self, why: impl Into<String>) -> StoreError {
        StoreError::File { file: self.file.clone(), line: None, why: why.into() }
    }

    // The content is not to blame.
    fn io(&self, doing: &'static str, error: &std::io::Error) -> StoreError {
        let (file, why) = (self.file.clone(), error.to_string());
        if NotLasting::is(error) { StoreError::NotLasting { file, why } } else { StoreError::Io { file, doing, why } }
    }

    fn not_found(&self, key: &KeyName) -> StoreError {
        StoreError::NotFound { place: self.place(), key: key.clone() }
    }

    // `None` without a file.
    fn read(&self) -> Result<Option<Zeroizing<String>>, StoreError> {
        let read = match platform::read_file(&self.file, MAX_BYTES) {
            Ok(read) => read,
            Err(error) if error.is_absent() => return Ok(None),
            Err(ReadError::Io(error)) => return Err(self.io("read", &error)),
            Err(error) => return Err(self.failed(format!("cannot be read: {error}"))),
        };
        let mut bytes = Zeroizing::new(read.bytes);
        self.check(&read.access)?;
        // Checked in place and then moved, so that no second copy is made.
        if let Err(error) = std::str::from_utf8(&bytes) {
            let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
            return Err(StoreError::File {
                file: self.file.clone(),
                line: Some(line),
                why: "is not UTF-8 from here on".into(),
            });
        }
        let text = String::from_utf8(std::mem::take(&mut *bytes)).expect("checked above");
        Ok(Some(Zeroizing::new(text)))
    }

    fn check(&self, access: &Access) -> Result<(), StoreError> {
        private::check(access, Privacy::Unread).map_err(|why| {
            let must = if matches!(why, NotPrivate::Open(_)) { "; it must be 0600" } else { "" };
            StoreError::Unsafe { file: self.file.clone(), why: format!("{why}{must}") }
        })
    }

    fn parse(&self, text: &str) -> Result<Entries, StoreError> {
        toml::from_str(text).map_err(|error| self.misshapen(text, error.span()))
    }

    // The parser's own message may repeat a value, so only the place is passed on.
    fn misshapen(&self, text: &str, span: Option<std::ops::Range<usize>>) -> StoreError {
        let line = span.map(|span| {
            text.as_bytes()[..span.start.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1
        });
        let why = "is not of the form `[provider.alias]` with `key = \"...\"`".to_owned();
        StoreError::File { file: self.file.clone(), line, why }
    }

    /// One entry with its attributes.
    pub(super) fn find(&self, pair: Pair<'_>) -> Result<Option<Found>, StoreError> {
        let entry = self.cut_out(pair)?.and_then(|entry| self.parse(&entry).ok());
        let mut entries = match entry {
            Some(entries) => entries,
            None => match self.read()? {
                Some(text) => self.parse(&text)?,
                None => return Ok(None),
            },
        };
        let found = entries.get_mut(pair.0).and_then(|aliases| aliases.remove(pair.1));
        Ok(found.map(Entry::taken))
    }

    /// Every entry below a first name, sorted, that is wanted by its second.
    pub(super) fn below(&self, first: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, Found)>, StoreError> {
        let Some(text) = self.read()? else { return Ok(Vec::new()) };
        let entries = self.parse(&text)?.remove(first).unwrap_or_default();
        Ok(entries.into_iter().filter(|(name, _)| wanted(name)).map(|(name, entry)| (name, entry.taken())).collect())
    }

    // One entry of a large file. `None` means that the file must be read whole, to find the key or to say what is wrong.
    fn cut_out(&self, pair: Pair<'_>) -> Result<Option<Zeroizing<String>>, StoreError> {
        match platform::open_file(&self.file) {
            Ok(opened) if (SMALL as u64..=MAX_BYTES).contains(&opened.size) => {
                self.check(&opened.access)?;
                Ok(entry_alone(opened.file, pair))
            }
            _ => Ok(None),
        }
    }

    /// Stores an entry, replacing an older one, whose attributes stay where none are given.
    pub(super) fn put(
        &self,
        pair: Pair<'_>,
        secret: &Secret,
        attributes: Option<&[(String, String)]>,
    ) -> Result<(), StoreError> {
        let text =
            std::str::from_utf8(secret.expose()).map_err(|_| self.failed("holds text, and this key is not UTF-8"))?;
        self.change(|document| {
            let first = document.entry(pair.0).or_insert_with(|| {
                let mut table = Table::new();
                table.set_implicit(true);
                Item::Table(table)
            });
            let first = first.as_table_like_mut().expect("the file's form was checked");
            let entry = first.entry(pair.1).or_insert_with(|| Item::Table(Table::new()));
            let entry = entry.as_table_like_mut().expect("the file's form was checked");
            match entry.get_mut("key") {
                // Only the value is replaced: a comment behind it stays.
                Some(old) => {
                    let decor = old.as_value().map(|value| value.decor().clone());
                    *old = value(text);
                    if let (Some(new), Some(decor)) = (old.as_value_mut(), decor) {
                        *new.decor_mut() = decor;
                    }
                }
                None => {
                    entry.insert("key", value(text));
                }
            }
            match attributes {
                None => {}
                Some([]) => drop(entry.remove("attributes")),
                Some(some) => {
                    let table: InlineTable = some.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
                    entry.insert("attributes", value(table));
                }
            }
            true
        })
    }

    /// Takes an entry away; `false` when there is none.
    pub(super) fn take(&self, pair: Pair<'_>) -> Result<bool, StoreError> {
        let mut there = false;
        self.change(|document| {
            let first = document.get_mut(pair.0).and_then(Item::as_table_like_mut);
            let Some(first) = first else { return false };
            let mut gone: Vec<Item> = first.remove(pair.1).into_iter().collect();
            there = !gone.is_empty();
            if first.is_empty() {
                gone.extend(document.remove(pair.0));
            }
            gone.iter().filter_map(Item::as_table).for_each(|table| keep_comments(document, table));
            there
        })?;
        Ok(there)
    }

    // Nothing is written where the edit says that nothing changed.
    fn change(&self, edit: impl FnOnce(&mut DocumentMut) -> bool) -> Result<(), StoreError> {
        let failed = |error: std::io::Error| self.io("written", &error);
        // A symlink into somebody's dotfiles stays a symlink: what it leads to is replaced.
        let target = self.file.canonicalize().unwrap_or_else(|_| self.file.clone());
        let folder = target.parent().expect("a file lies in a folder");
        platform::create_private_folder(folder).map_err(failed)?;
        let lock = target.with_extension("toml.lock");
        let _lock = platform::lock_file(&lock, Duration::from_secs(5))?;
        // A copy of every key that a killed change left behind.
        platform::remove_strays(&target).map_err(failed)?;
        let text = self.read()?.unwrap_or_default();
        self.parse(&text)?;
        let mut document: DocumentMut =
            text.parse().map_err(|error: toml_edit::TomlError| self.misshapen(&text, error.span()))?;
        if !edit(&mut document) {
            return Ok(());
        }
        let after = Zeroizing::new(document.to_string());
        self.parse(&after)?;
        platform::replace_file(&target, after.as_bytes()).map_err(failed)
    }
}

impl Store for FileStore {
    fn place(&self) -> String {
        format!("{}", self.file.display())
    }

    fn get(&self, key: &KeyName) -> Result<Secret, StoreError> {
        let (secret, _) = self.find(pair(key))?.ok_or_else(|| self.not_found(key))?;
        // The file is edited by hand, too. Whether it is one line is asked by who knows what it is for.
        check_key(secret.expose(), Shape::Text).map_err(|why| self.failed(format!("the key of {key} {why}")))?;
        Ok(secret)
    }

    fn contains(&self, key: &KeyName) -> Result<bool, StoreError> {
        Ok(self.find(pair(key))?.is_some())
    }

    fn set(&self, key: &KeyName, secret: &Secret) -> Result<(), StoreError> {
        self.put(pair(key), secret, None)
    }

    fn remove(&self, key: &KeyName) -> Result<(), StoreError> {
        if self.take(pair(key))? { Ok(()) } else { Err(self.not_found(key)) }
    }

    fn names(&self) -> Result<BTreeSet<KeyName>, StoreError> {
        let Some(text) = self.read()? else { return Ok(BTreeSet::new()) };
        let mut names = BTreeSet::new();
        for (provider, aliases) in self.parse(&text)? {
            for alias in aliases.keys() {
                let name = format!("{provider}/{alias}");
                let parsed = name.parse().map_err(|error: crate::name::NameError| self.failed(error.to_string()))?;
                names.insert(parsed);
            }
        }
        Ok(names)
    }

    fn unlock(&self) -> Result<(), StoreError> {
        Ok(())
    }

    // 0600 in the state directory: as private as the keys themselves are with this store.
    fn private_secret(&self) -> Result<Secret, StoreError> {
        let failed = |doing: &str, why: String| StoreError::File {
            file: self.private.clone(),
            line: None,
            why: format!("cannot be {doing}: {why}"),
        };
        let refused = |why: String| StoreError::Unsafe { file: self.private.clone(), why };
        match private::read(&self.private, 4096, Privacy::Unread) {
            Ok(Some(bytes)) if bytes.is_empty() => return Err(refused("is empty".into())),
            Ok(Some(bytes)) => return Ok(Secret::new(bytes)),
            Ok(None) => {}
            Err(NotPrivate::Unreadable(error)) => return Err(failed("read", error.to_string())),
            Err(why) => return Err(refused(why.to_string())),
        }
        let made = super::fresh_secret()?;
        let folder = self.private.parent().expect("the secret lies in the state directory");
        platform::create_private_folder(folder)
            .and_then(|()| platform::replace_file(&self.private, made.expose()))
            .map_err(|error| failed("written", error.to_string()))?;
        Ok(made)
    }
}

// Comments in a paragraph of their own above a removed table are about more than it: they move to what follows.
fn keep_comments(document: &mut DocumentMut, removed: &Table) {
    let above = removed.decor().prefix().and_then(|text| text.as_str()).unwrap_or_default();
    let Some(kept) = above.rfind("\n\n").map(|end| &above[..end + 2]).filter(|text| text.contains('#')) else { return };
    let position = removed.position();
    let tables = document.as_table_mut().iter_mut().filter_map(|(_, item)| item.as_table_mut()).flat_map(|table| {
        // A provider without a header of its own has nothing to move a comment to.
        if table.is_implicit() || table.position() <= position {
            table.iter_mut().filter_map(|(_, item)| item.as_table_mut()).collect()
        } else {
            vec![table]
        }
    });
    let next = tables.filter(|table| table.position() > position).min_by_key(|table| table.position());
    match next {
        Some(next) => {
            let own = next.decor().prefix().and_then(|text| text.as_str()).unwrap_or_default();
            let both = format!("{kept}{}", own.trim_start_matches('\n'));
            next.decor_mut().set_prefix(both);
        }
        None => {
            let own = document.trailing().as_str().unwrap_or_default();
            let both = format!("{kept}{}", own.trim_start_matches('\n'));
            document.set_trailing(both);
        }
    }
}

/// Cuts one entry out of a large file, so that a launch neither parses nor keeps ten thousand others. In valid TOML a
/// line that is exactly `[provider.alias]` is that table's header unless it stands in a multi-line string; a file that
/// has any, or the header not exactly once in its usual form, gives `None` and is parsed whole instead.
fn entry_alone(mut file: impl Read, (first, second): Pair<'_>) -> Option<Zeroizing<String>> {
    // Names as ours and hierarchical targets are. Any other may be written in more ways than one.
    let plain =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:@+".contains(&b));
    if !plain(first) || !plain(second) {
        return None;
    }
    let bare = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    let word = |name: &str| if bare(name) { name.to_owned() } else { format!("\"{name}\"") };
    let header = format!("[{}.{}]", word(first), word(second));
    let [header, basic, literal] = [header.as_bytes(), b"\"\"\"", b"'''"].map(memmem::Finder::new);
    let mut block = Zeroizing::new(vec![0; SMALL]);
    let mut kept = 0;
    // It never grows, which would leave a copy behind: an entry that does not fit is none of the usual form.
    let mut entry = Zeroizing::new(Vec::with_capacity(SMALL));
    let (mut found, mut within) = (false, false);
    loop {
        let read = file.read(&mut block[kept..]).ok()?;
        let filled = kept + read;
        // Whole lines, since nothing that is looked for goes over the end of one.
        let end = if read == 0 { filled } else { memchr::memrchr(b'\n', &block[..filled])? + 1 };
        let lines = &block[..end];
        if basic.find(lines).is_some() || literal.find(lines).is_some() || std::str::from_utf8(lines).is_err() {
            return None;
        }
        let mut start = within.then_some(0);
        let mut body = 0;
        for at in header.find_iter(lines).filter(|&at| at == 0 || lines[at - 1] == b'\n') {
            body = at + header.needle().len();
            if found || !matches!(lines.get(body), None | Some(b'\n' | b'\r')) {
                return None;
            }
            (found, within, start) = (true, true, Some(at));
        }
        if let Some(start) = start {
            let next = match lines.first() {
                Some(b'[') if body == 0 => Some(0),
                _ => memmem::find(&lines[body..], b"\n[").map(|at| body + at + 1),
            };
            within = next.is_none();
            let part = &lines[start..next.unwrap_or(end)];
            if part.len() > entry.capacity() - entry.len() {
                return None;
            }
            entry.extend_from_slice(part);
        }
        if read == 0 {
            break;
        }
        block.copy_within(end..filled, 0);
        kept = filled - end;
    }
    let text = String::from_utf8(std::mem::take(&mut *entry)).expect("every line was checked");
    found.then(|| Zeroizing::new(text))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    fn store(content: Option<&str>) -> (tempfile::TempDir, FileStore) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("credentials.toml");
        if let Some(content) = content {
            std::fs::write(&file, content).expect("written");
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("chmod");
        }
        (folder, FileStore { private: file.with_extension("secret"), file })
    }

    fn key(name: &str) -> KeyName {
        name.parse().expect("valid")
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn comments_and_other_entries_survive_a_change() {
        let before = "# mine\n[anthropic.work]   # the firm's\nkey = \"old\" # note\n\n[openai.default]\nkey = 'x'\n";
        let (_folder, store) = store(Some(before));
        store.set(&key("anthropic/work"), &secret("new")).expect("set");
        let text = std::fs::read_to_string(&store.file).expect("readable");
        assert_eq!(text, before.replace("\"old\"", "\"new\""));
        store.set(&key("minimax/a.b"), &secret("m\"'\\")).expect("set");
        assert_eq!(store.get(&key("minimax/a.b")).expect("found").expose(), b"m\"'\\");
        store.remove(&key("minimax/a.b")).expect("removed");
        assert_eq!(std::fs::read_to_string(&store.file).expect("readable"), text);
    }

    #[test]
    fn a_comment_on_the_file_outlives_the_entry_below_it() {
        let text =
            "# the firm's keys\n\n# work\n[anthropic.work]\nkey = \"k\"\n\n# mine\n[openai.x]\nkey = \"k\"\n# end\n";
        let (_folder, store) = store(Some(text));
        let read = || std::fs::read_to_string(&store.file).expect("readable");
        store.remove(&key("anthropic/work")).expect("removed");
        assert_eq!(read(), "# the firm's keys\n\n# mine\n[openai.x]\nkey = \"k\"\n# end\n");
        store.remove(&key("openai/x")).expect("removed");
        assert_eq!(read(), "# the firm's keys\n\n# end\n");
    }

    #[test]
    fn the_file_is_private_from_its_first_byte_and_a_wider_one_is_refused() {
        let (_folder, store) = store(None);
        assert!(matches!(store.get(&key("a/b")), Err(StoreError::NotFound { .. })));
        store.set(&key("a/b"), &secret("k")).expect("set");
        assert_eq!(std::fs::metadata(&store.file).expect("there").permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660, 0o601] {
            std::fs::set_permissions(&store.file, PermissionsExt::from_mode(mode)).expect("chmod");
            assert!(matches!(store.get(&key("a/b")), Err(StoreError::Unsafe { .. })), "{mode:o}");
            assert!(matches!(store.set(&key("a/c"), &secret("k")), Err(StoreError::Unsafe { .. })), "{mode:o}");
        }
    }

    #[test]
    fn a_damaged_file_is_named_by_line_and_never_quoted_or_changed() {
        for (content, line) in [
            ("[anthropic]\ndefault = \"sk-canary\"\n", 2),
            ("[anthropic.default]\nkey = \"sk-canary\n", 2),
            ("[anthropic.default]\nkey = \"k\"\nsk-canary = 1\n", 3),
            ("a = \"sk-canary\"", 1),
        ] {
            let (_folder, store) = store(Some(content));
            let errors = [
                store.get(&key("anthropic/default")).expect_err("damaged"),
                store.set(&key("a/b"), &secret("k")).expect_err("damaged"),
            ];
            for error in errors {
                assert!(matches!(&error, StoreError::File { line: Some(at), .. } if *at == line), "{error}");
                assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
            }
            assert_eq!(std::fs::read_to_string(&store.file).expect("readable"), content);
        }
    }

    #[test]
    fn one_entry_of_a_large_file_is_found_without_the_others() {
        let mut text: String = (0..2000).map(|n| format!("[p.a{n}]\nkey = \"value-{n}\"\n\n")).collect();
        let (_folder, store) = store(Some(&text));
        // Every one of them, so also those that lie across two blocks.
        for n in 0..2000 {
            assert_eq!(store.get(&key(&format!("p/a{n}"))).expect("found").expose(), format!("value-{n}").as_bytes());
        }
        assert!(matches!(store.get(&key("p/a2000")), Err(StoreError::NotFound { .. })));
        // What looks like the header inside a multi-line string is not one.
        text.push_str("[q.z]\nkey = \"\"\"\n[p.a2001]\nkey = \"decoy\"\n\"\"\"\n");
        std::fs::write(&store.file, &text).expect("written");
        assert!(matches!(store.get(&key("p/a2001")), Err(StoreError::NotFound { .. })));
        // A second header of the same name is an error, as it is in a small file.
        std::fs::write(&store.file, text + "[p.a1]\nkey = \"again\"\n").expect("written");
        assert!(matches!(store.get(&key("p/a1")), Err(StoreError::File { .. })));
    }

    #[test]
    fn hierarchical_targets_are_cut_out_of_a_large_file_as_well() {
        let (_folder, store) = store(None);
        let names: Vec<String> = (0..3000).map(|n| format!("prod/team-{}/shop:{n}/key.a@b+c", n % 7)).collect();
        let text: String = names.iter().map(|name| format!("[bench.\"{name}\"]\nkey = \"of {name}\"\n\n")).collect();
        std::fs::write(&store.file, text).expect("written");
        std::fs::set_permissions(&store.file, PermissionsExt::from_mode(0o600)).expect("chmod");
        store.put(("bench", &names[7]), &secret("new"), Some(&[("env".into(), "prod".into())])).expect("set");
        for (n, name) in names.iter().enumerate() {
            let pair = ("bench", name.as_str());
            let cut = store.cut_out(pair).expect("readable").expect("in the form that we write");
            assert!(cut.len() < 200, "{}", *cut);
            let (value, attributes) = store.find(pair).expect("readable").expect("there");
            let wanted = if n == 7 { "new".to_owned() } else { format!("of {name}") };
            assert_eq!((value.expose(), attributes.len()), (wanted.as_bytes(), usize::from(n == 7)));
        }
        // In another form it is still found, if with more effort.
        std::fs::write(&store.file, format!("{}[bench.'a/b']\nkey = \"c\"\n", "#\n".repeat(SMALL))).expect("written");
        assert!(store.cut_out(("bench", "a/b")).expect("readable").is_none());
        assert_eq!(store.find(("bench", "a/b")).expect("readable").expect("there").0.expose(), b"c");
    }

    #[test]
    fn what_a_killed_change_left_is_gone_after_the_next() {
        let (folder, store) = store(None);
        let stray = folder.path().join(".ringlet-credentials.toml-x123456789abcdef.tmp");
        std::fs::write(&stray, "[a.b]\nkey = \"k\"\n").expect("written");
        store.set(&key("a/b"), &secret("k")).expect("set");
        assert!(!stray.exists());
        // A file of the user's own is none.
        let own = folder.path().join(".ringlet-credentials.toml-2026-11-28");
        std::fs::write(&own, "a backup").expect("written");
        store.set(&key("a/b"), &secret("k")).expect("set");
        assert!(own.exists());
    }

    proptest! {
        #[test]
        fn any_sequence_of_changes_reads_back(changes in proptest::collection::vec(("[a-c]", "[a-z][a-z0-9.]{0,3}", proptest::option::of("[!-~][ -~]{0,39}")), 1..12)) {
            let (_folder, store) = store(None);
            let mut model = BTreeMap::new();
            for (provider, alias, text) in changes {
                let name = key(&format!("{provider}/{alias}"));
                match text {
                    Some(text) => {
                        store.set(&name, &secret(&text)).expect("set");
                        model.insert(name, text);
                    }
                    None => {
                        assert_eq!(store.remove(&name).is_ok(), model.remove(&name).is_some());
                    }
                }
            }
            assert_eq!(store.names().expect("listed"), model.keys().cloned().collect());
            for (name, text) in model {
                assert_eq!(store.get(&name).expect("found").expose(), text.as_bytes());
            }
        }
    }
}
