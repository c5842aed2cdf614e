//! One TOML file of entries: `[first.second]` with `key = "..."`, and `attributes` where an entry has any.
//!
//! The file must be the user's own and readable by nobody else; that is checked on the opened file. Changes are made under
//! a lock, keep comments and the other entries, and replace the file whole. Everything read from it is wiped, and no
//! error repeats a line of it.

use super::super::StoreError;
use crate::platform::private::{self, NotPrivate, Privacy};
use crate::platform::{self, Access, NotLasting, ReadError};
use crate::secret::Secret;
use memchr::memmem;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml_edit::{DocumentMut, InlineTable, Item, Table, value};
use zeroize::Zeroizing;

// Ten thousand keys of the largest size and their headers.
const MAX_BYTES: u64 = 32 << 20;

/// Above this size one entry is cut out before it is parsed, and read in blocks of this size; see [`entry_alone`].
pub(super) const SMALL: usize = 32 * 1024;

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

/// The file.
pub(super) struct Document {
    file: PathBuf,
}

impl Document {
    /// Nothing is read yet.
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file }
    }

    pub(super) fn path(&self) -> &Path {
        &self.file
    }

    pub(super) fn failed(&self, why: impl Into<String>) -> StoreError {
        StoreError::File { file: self.file.clone(), line: None, why: why.into() }
    }

    // The content is not to blame.
    fn io(&self, doing: &'static str, error: &std::io::Error) -> StoreError {
        let (file, why) = (self.file.clone(), error.to_string());
        if NotLasting::is(error) { StoreError::NotLasting { file, why } } else { StoreError::Io { file, doing, why } }
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

    /// The names of all entries, sorted.
    pub(super) fn names(&self) -> Result<Vec<(String, String)>, StoreError> {
        let Some(text) = self.read()? else { return Ok(Vec::new()) };
        let entries = self.parse(&text)?.into_iter();
        Ok(entries.flat_map(|(first, below)| below.into_keys().map(move |second| (first.clone(), second))).collect())
    }

    // One entry of a large file. `None` means that the file must be read whole, to find the key or to say what is wrong.
    pub(super) fn cut_out(&self, pair: Pair<'_>) -> Result<Option<Zeroizing<String>>, StoreError> {
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
