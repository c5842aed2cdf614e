//! Where each entry of a file stands, so that a request reads one entry and neither parses nor keeps the file.
//!
//! An index is made of a file in which every entry has its usual form: a header `[first.second]` on a line of its own,
//! and no multi-line string anywhere, so that each line that begins with a bracket is a header. Any other file has
//! none, and is parsed whole. The file is read in blocks, and only names and places are kept. Values are wiped.

use super::entry::{Entries, Pair, SMALL};
use crate::platform;
use memchr::memchr;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::{Bound, Range};
use zeroize::{Zeroize, Zeroizing};

/// The longest entry of an indexed file: a key of the largest size, and attributes.
const LONGEST: usize = 64 << 10;

/// The entries of a file as it was.
pub(crate) struct Index {
    stamp: String,
    /// Whether every later change shows in the stamp.
    is_settled: bool,
    entries: BTreeMap<Box<str>, BTreeMap<Box<str>, Range<u32>>>,
}

impl Index {
    /// Reads a file from its start; nothing where it has another form, or changed meanwhile.
    pub(crate) fn new(file: &File) -> Option<Self> {
        let (stamp, is_settled) = (platform::file_stamp(file).ok()?, platform::is_settled(file).ok()?);
        let mut index = Self { stamp, is_settled, entries: BTreeMap::new() };
        index.fill(file)?;
        index.is_of(file).then_some(index)
    }

    /// Reports whether the index describes an opened file.
    pub(super) fn is_of(&self, file: &File) -> bool {
        platform::file_stamp(file).is_ok_and(|stamp| stamp == self.stamp)
    }

    /// Reports whether another request may use the index.
    pub(super) fn lasts(&self) -> bool {
        self.is_settled
    }

    /// The names of all entries, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = Pair<'_>> {
        self.entries.iter().flat_map(|(first, below)| below.keys().map(move |second| (&**first, &**second)))
    }

    /// The second names below a first one that begin with a prefix, sorted.
    pub(super) fn below(&self, first: &str, prefix: &str) -> impl Iterator<Item = &str> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let below = self.entries.get(first).into_iter().flat_map(move |below| below.range::<str, _>(from));
        below.map(|(second, _)| &**second).take_while(move |second| second.starts_with(prefix))
    }

    /// The text of one entry of the file, or nothing where it has none of this name.
    pub(crate) fn entry(&self, mut file: &File, (first, second): Pair<'_>) -> io::Result<Option<Zeroizing<String>>> {
        let Some(place) = self.entries.get(first).and_then(|below| below.get(second)) else { return Ok(None) };
        let mut bytes = Zeroizing::new(vec![0; (place.end - place.start) as usize]);
        file.seek(SeekFrom::Start(place.start.into()))?;
        file.read_exact(&mut bytes)?;
        match String::from_utf8(std::mem::take(&mut *bytes)) {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(io::ErrorKind::InvalidData.into())
            }
        }
    }

    fn fill(&mut self, file: &File) -> Option<()> {
        let mut lines = Lines { file, block: Zeroizing::new(vec![0; SMALL]), unread: 0..0 };
        // It never grows, which would leave a copy behind.
        let mut entry = Zeroizing::new(Vec::with_capacity(LONGEST));
        let (mut start, mut end) = (0, 0);
        loop {
            let before = entry.len();
            let length = lines.next_into(&mut entry)?;
            if length == 0 || entry[before] == b'[' {
                self.add(&entry[..before], start..end)?;
                entry.copy_within(before.., 0);
                entry.truncate(length);
                start = end;
            }
            if length == 0 {
                return Some(());
            }
            end += u32::try_from(length).ok()?;
        }
    }

    // What stands before the first header, or one entry.
    fn add(&mut self, text: &[u8], place: Range<u32>) -> Option<()> {
        let text = std::str::from_utf8(text).ok()?;
        if text.contains("\"\"\"") || text.contains("'''") {
            return None;
        }
        let parsed: Entries = toml::from_str(text).ok()?;
        if place.start == 0 && !text.starts_with('[') {
            return parsed.is_empty().then_some(());
        }
        let (first, second) = one_name(toml::from_str(text.lines().next()?).ok()?)?;
        let is_it = parsed.len() == 1 && parsed.get(&first)?.len() == 1 && parsed[&first].contains_key(&second);
        let below = self.entries.entry(first.into()).or_default();
        (is_it && below.insert(second.into(), place).is_none()).then_some(())
    }
}

// Of a header.
#[derive(Deserialize)]
#[serde(transparent)]
struct Header(BTreeMap<String, BTreeMap<String, BTreeMap<String, IgnoredAny>>>);

fn one_name(Header(mut all): Header) -> Option<(String, String)> {
    let (first, mut below) = all.pop_first()?;
    let (second, _) = below.pop_first()?;
    (all.is_empty() && below.is_empty()).then_some((first, second))
}

/// The lines of a file, read in blocks that are wiped.
struct Lines<'a> {
    file: &'a File,
    block: Zeroizing<Vec<u8>>,
    unread: Range<usize>,
}

impl Lines<'_> {
    /// Adds the next line with its end, and returns its length, which is 0 behind the last. Nothing where it does not
    /// fit.
    fn next_into(&mut self, text: &mut Vec<u8>) -> Option<usize> {
        let before = text.len();
        loop {
            if self.unread.is_empty() {
                self.unread = 0..self.file.read(&mut self.block).ok()?;
                if self.unread.is_empty() {
                    return Some(text.len() - before);
                }
            }
            let unread = &self.block[self.unread.clone()];
            let end = memchr(b'\n', unread);
            let part = &unread[..end.map_or(unread.len(), |at| at + 1)];
            if part.len() > text.capacity() - text.len() {
                return None;
            }
            text.extend_from_slice(part);
            self.unread.start += part.len();
            if end.is_some() {
                return Some(text.len() - before);
            }
        }
    }
}
