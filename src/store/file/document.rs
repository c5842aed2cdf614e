//! One TOML file of entries: `[first.second]` with `key = "..."`, and `attributes` where an entry has any.
//!
//! A large file is not parsed for one entry: its index, or a search for the entry's header, tells where that stands.
//! The file must be the user's own and readable by nobody else; that is checked on the opened file. Changes are made
//! under a lock, keep comments and the other entries, and replace the file whole. Everything read from it is wiped, and
//! no error repeats a line of it.

use super::super::StoreError;
use super::super::own_file::OwnFile;
use super::entry::{Entries, Found, Pair, SMALL, taken};
use super::index::Index;
use super::text::{self, Misshapen};
use crate::platform::{self, Opened};
use crate::secret::Secret;
use memchr::memmem;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

// Ten thousand keys of the largest size and their headers.
const MAX_BYTES: u64 = 32 << 20;

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    OneEntry,
    Listing,
}

/// The file.
pub(super) struct Document {
    file: OwnFile,
    seen: Mutex<Seen>,
}

/// What is known of the file from earlier requests.
#[derive(Default)]
struct Seen {
    index: Option<Arc<Index>>,
    /// The stamp of the file when an entry was searched for without an index.
    searched: Option<String>,
}

impl Document {
    /// Nothing is read yet.
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file: OwnFile::new(file, MAX_BYTES), seen: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn failed(&self, why: impl Into<String>) -> StoreError {
        self.file.failed(why)
    }

    // `None` without a file.
    fn read(&self) -> Result<Option<Zeroizing<String>>, StoreError> {
        self.file.read()?.map(|bytes| self.file.text(bytes)).transpose()
    }

    fn parse(&self, text: &str) -> Result<Entries, StoreError> {
        text::parse(text).map_err(|wrong| wrong.in_file(self.path()))
    }

    /// One entry with its attributes.
    pub(super) fn find(&self, pair: Pair<'_>) -> Result<Option<Found>, StoreError> {
        let Some(opened) = self.open_large()? else { return self.find_in_whole(pair) };
        let entry = match self.index(&opened.file, Wanted::OneEntry) {
            Some(index) => match self.entry(&index, &opened.file, pair) {
                Ok(found) => return Ok(found),
                Err(_) => None,
            },
            None => entry_alone(&opened.file, pair).and_then(|text| self.parse(&text).ok()),
        };
        match entry {
            Some(mut entries) => Ok(taken(&mut entries, pair)),
            None => self.find_in_whole(pair),
        }
    }

    fn find_in_whole(&self, pair: Pair<'_>) -> Result<Option<Found>, StoreError> {
        match self.read()? {
            Some(text) => Ok(taken(&mut self.parse(&text)?, pair)),
            None => Ok(None),
        }
    }

    /// Every entry below a first name, sorted, whose second name begins with the prefix and is wanted.
    pub(super) fn below(
        &self,
        (first, prefix): Pair<'_>,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<(String, Found)>, StoreError> {
        if let Some(opened) = self.open_large()?
            && let Some(index) = self.index(&opened.file, Wanted::Listing)
        {
            let names = index.below(first, prefix).filter(|second| wanted(second));
            let read = |second: &str| {
                let found = self.entry(&index, &opened.file, (first, second))?;
                Ok(found.map(|found| (second.to_owned(), found)))
            };
            if let Ok(found) = names.filter_map(|second| read(second).transpose()).collect::<io::Result<_>>() {
                return Ok(found);
            }
        }
        let Some(text) = self.read()? else { return Ok(Vec::new()) };
        let entries = self.parse(&text)?.remove(first).unwrap_or_default();
        let entries = entries.into_iter().filter(|(name, _)| name.starts_with(prefix) && wanted(name));
        Ok(entries.map(|(name, entry)| (name, entry.taken())).collect())
    }

    /// The names of all entries, sorted, for which `pick` makes something.
    pub(super) fn names<T>(&self, mut pick: impl FnMut(Pair<'_>) -> Option<T>) -> Result<Vec<T>, StoreError> {
        if let Some(opened) = self.open_large()?
            && let Some(index) = self.index(&opened.file, Wanted::Listing)
        {
            return Ok(index.names().filter_map(pick).collect());
        }
        let Some(text) = self.read()? else { return Ok(Vec::new()) };
        let entries = self.parse(&text)?;
        let pairs =
            entries.iter().flat_map(|(first, below)| below.keys().map(move |second| (first.as_str(), second.as_str())));
        Ok(pairs.filter_map(&mut pick).collect())
    }

    // The file, where it is large enough that reading it whole is worth avoiding.
    fn open_large(&self) -> Result<Option<Opened>, StoreError> {
        match platform::open_file(self.path()) {
            Ok(opened) if (SMALL as u64..=MAX_BYTES).contains(&opened.size) => {
                self.file.check(&opened.access)?;
                Ok(Some(opened))
            }
            // Reading it whole says what is wrong.
            _ => Ok(None),
        }
    }

    // One entry is found as fast without an index. It is made for the second entry that is wanted, once it can be kept.
    fn index(&self, file: &File, wanted: Wanted) -> Option<Arc<Index>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = seen.index.as_ref().filter(|index| index.is_of(file)) {
            return Some(Arc::clone(index));
        }
        seen.index = None;
        let stamp = platform::file_stamp(file).ok();
        let is_worth_it =
            stamp.is_some() && seen.searched == stamp && platform::is_settled(file).is_ok_and(|settled| settled);
        if wanted == Wanted::OneEntry && !is_worth_it {
            seen.searched = stamp;
            return None;
        }
        let index = Arc::new(Index::new(file)?);
        if index.lasts() {
            seen.index = Some(Arc::clone(&index));
        }
        Some(index)
    }

    // An error means that the file is not as it was.
    fn entry(&self, index: &Index, file: &File, pair: Pair<'_>) -> io::Result<Option<Found>> {
        let Some(text) = index.entry(file, pair)? else { return Ok(None) };
        let mut entries = self.parse(&text).map_err(|_| io::ErrorKind::InvalidData)?;
        taken(&mut entries, pair).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Stores an entry, replacing an older one, whose attributes stay where none are given.
    pub(super) fn put(
        &self,
        pair: Pair<'_>,
        secret: &Secret,
        attributes: Option<&[(String, String)]>,
    ) -> Result<(), StoreError> {
        let value = self.file.value(secret)?;
        self.change(|text| text::with(text, pair, value, attributes).map(Some)).map(drop)
    }

    /// Takes an entry away; `false` when there is none.
    pub(super) fn take(&self, pair: Pair<'_>) -> Result<bool, StoreError> {
        self.change(|text| text::without(text, pair))
    }

    // Nothing is written where the edit says that nothing changed; then it is `false`.
    fn change(
        &self,
        edit: impl FnOnce(&str) -> Result<Option<Zeroizing<String>>, Misshapen>,
    ) -> Result<bool, StoreError> {
        self.file.change(|bytes| {
            let text = bytes.map(|bytes| self.file.text(bytes)).transpose()?.unwrap_or_default();
            edit(&text).map_err(|wrong| wrong.in_file(self.path()))
        })
    }
}

/// Cuts one entry out of a large file, so that a launch neither parses nor keeps ten thousand others. In valid TOML a
/// line that is exactly `[provider.alias]` is that table's header unless it stands in a multi-line string; a file that
/// has any, the header not exactly once in its usual form, or attributes below a header of their own, gives `None` and
/// is parsed whole instead.
pub(crate) fn entry_alone(mut file: impl Read, (first, second): Pair<'_>) -> Option<Zeroizing<String>> {
    // The forms of key names and of hierarchical targets. Any other name may be written in more than one way.
    let plain =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:@+".contains(&b));
    if !plain(first) || !plain(second) {
        return None;
    }
    let bare = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    let word = |name: &str| if bare(name) { name.to_owned() } else { format!("\"{name}\"") };
    let header = format!("[{}.{}]", word(first), word(second));
    let [header, basic, literal, attributes] =
        [header.as_bytes(), b"\"\"\"", b"'''", b"attributes"].map(memmem::Finder::new);
    // An entry's attributes may have a header of their own, anywhere in the file and spelt with escapes.
    let has_further_header = |lines: &[u8]| {
        let begins_line = |at: &usize| {
            let blanks = &lines[lines[..*at].trim_ascii_end().len()..*at];
            blanks.len() == *at || blanks.contains(&b'\n')
        };
        memchr::memchr_iter(b'[', lines).filter(begins_line).any(|at| {
            let header = &lines[at..];
            let header = &header[..memchr::memchr(b'\n', header).unwrap_or(header.len())];
            header.contains(&b'\\') || attributes.find(header).is_some()
        })
    };
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
        if has_further_header(lines) {
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
