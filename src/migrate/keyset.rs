//! The keys that must not be shown or written down, and where they stand in raw text.
//!
//! Shells allow quotes, escapes and continued lines inside a literal, so a key is found by aligning the raw text with
//! its value. The keys are sorted once and all of them are tried together: the time grows with the text and not with
//! the number of keys. The index refers to the values and holds no copy of them.
//! Called by `tokens` to record removed bytes and by `plan` to show lines without the keys in them.

use super::style::Style;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use zeroize::Zeroizing;

/// A run of a key at least this long counts as a piece of it: nothing that long is ever written down.
pub(super) const PIECE: usize = 8;

/// A run of a key this long hides its line from people. It is longer than any public prefix of a key, so that a mere
/// prefix in a comment stays readable.
const SHOWN_PIECE: usize = 16;

/// A shorter run of a key stays text: it betrays nothing, and common words hold such runs as well.
const SHORTEST_REFERENCE: usize = PIECE - 1;

/// A value that nothing written down may hold a piece of.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    /// Its bytes, at least one.
    pub value: &'a [u8],
    /// Its number in the journal; `None` for one that is not kept, which can therefore not be referred to.
    pub number: Option<usize>,
}

/// Keys that are looked for together.
#[derive(Default)]
pub(crate) struct KeySet<'a> {
    keys: Vec<Key<'a>>,
    /// One index into `keys` for each value, sorted by value.
    sorted: Vec<usize>,
    pieces: OnceCell<Pieces<'a>>,
    shown_pieces: OnceCell<Pieces<'a>>,
    runs: OnceCell<Runs<'a>>,
}

// The places of each run of `SHORTEST_REFERENCE` bytes: an index into the keys, and where in the key it begins.
type Runs<'a> = HashMap<&'a [u8], Vec<(usize, usize)>>;

/// One occurrence of a key in raw text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Occurrence {
    /// The key's number in the journal.
    pub number: Option<usize>,
    /// Its parts, and how many raw bytes each covers.
    pub parts: Vec<(Part, usize)>,
}

/// A part of an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Bytes that add nothing to the value.
    Syntax,
    /// The key's byte at this place, as it is.
    Plain(usize),
    /// The key's byte at this place, escaped.
    Escaped(usize, Style),
}

/// A run of a key that stands apart from the rest of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The key's number in the journal.
    pub number: Option<usize>,
    /// Where in the key it begins.
    pub from: usize,
    /// Its length in bytes.
    pub length: usize,
}

impl<'a> KeySet<'a> {
    /// Indexes the keys.
    pub(crate) fn new(keys: Vec<Key<'a>>) -> Self {
        let mut sorted: Vec<usize> = (0..keys.len()).filter(|index| !keys[*index].value.is_empty()).collect();
        // Of equal values the last one that can be referred to stands first, and the others go.
        sorted.sort_by(|a, b| {
            let preference = |index: usize| (keys[index].number.is_some(), index);
            keys[*a].value.cmp(keys[*b].value).then_with(|| preference(*b).cmp(&preference(*a)))
        });
        sorted.dedup_by(|next, kept| keys[*next].value == keys[*kept].value);
        Self { keys, sorted, pieces: OnceCell::new(), shown_pieces: OnceCell::new(), runs: OnceCell::new() }
    }

    /// Finds the longest value that begins at the text's start, so that a key that is the beginning of another does
    /// not hide it.
    pub(super) fn occurrence_at(&self, raw: &[u8]) -> Option<Occurrence> {
        let key = &self.keys[self.longest_at(raw)?];
        Some(Occurrence { number: key.number, parts: align(raw, key.value)? })
    }

    // The sorted values are walked as a tree: a range of them with `depth` bytes in common, which were read up to `at`.
    fn longest_at(&self, raw: &[u8]) -> Option<usize> {
        let preference = |index: usize| (self.keys[index].value.len(), self.keys[index].number.is_some(), index);
        let mut best: Option<usize> = None;
        let mut branches = vec![(0..self.sorted.len(), 0, 0)];
        while let Some((mut range, depth, at)) = branches.pop() {
            if let Some(whole) = self.ending_at(&range, depth) {
                best = best.into_iter().chain([whole]).max_by_key(|index| preference(*index));
                range.start += 1;
            }
            match raw.get(at) {
                None => {}
                // Such a byte stands for itself alone.
                Some(byte) if !is_special(*byte) => {
                    let next = self.with_byte(&range, depth, *byte);
                    if !next.is_empty() {
                        branches.push((next, depth + 1, at + 1));
                    }
                }
                Some(_) => {
                    while !range.is_empty() {
                        let byte = self.byte(range.start, depth);
                        let next = self.with_byte(&range, depth, byte);
                        range.start = next.end;
                        if let Some(length) = written_length(&raw[at..], byte, depth) {
                            branches.push((next, depth + 1, at + length));
                        }
                    }
                }
            }
        }
        best
    }

    // The value of the range that has no more bytes; it sorts before those that go on.
    fn ending_at(&self, range: &Range<usize>, depth: usize) -> Option<usize> {
        let first = *self.sorted[range.clone()].first()?;
        (self.keys[first].value.len() == depth).then_some(first)
    }

    fn byte(&self, place: usize, depth: usize) -> u8 {
        self.keys[self.sorted[place]].value[depth]
    }

    fn with_byte(&self, range: &Range<usize>, depth: usize, byte: u8) -> Range<usize> {
        let values = &self.sorted[range.clone()];
        let start = values.partition_point(|index| self.keys[*index].value[depth] < byte);
        let length = values[start..].partition_point(|index| self.keys[*index].value[depth] == byte);
        range.start + start..range.start + start + length
    }

    /// Finds the longest run of any key that begins at the text's start, if it is long enough to be referred to.
    pub(super) fn run_at(&self, raw: &[u8]) -> Option<Run> {
        let window = raw.get(..SHORTEST_REFERENCE)?;
        let runs = self.runs.get_or_init(|| {
            let mut runs = Runs::new();
            for (index, key) in self.keys.iter().enumerate() {
                for (from, window) in key.value.windows(SHORTEST_REFERENCE).enumerate() {
                    runs.entry(window).or_default().push((index, from));
                }
            }
            runs
        });
        let mut best: Option<Run> = None;
        for (index, from) in runs.get(window)? {
            let key = &self.keys[*index];
            let length = raw.iter().zip(&key.value[*from..]).take_while(|(a, b)| a == b).count();
            let better = |best: &Run| (length, key.number.is_some()) > (best.length, best.number.is_some());
            if best.as_ref().is_none_or(better) {
                best = Some(Run { number: key.number, from: *from, length });
            }
        }
        best
    }

    /// Reports whether the text holds a piece of any of the keys.
    pub(crate) fn has_piece_in(&self, text: &[u8]) -> bool {
        self.pieces.get_or_init(|| Pieces::new(&self.keys, PIECE)).are_in(text)
    }

    /// Returns the text with every key in it masked, for people; line breaks stay.
    pub(crate) fn mask(&self, raw: &[u8]) -> String {
        let pieces = self.shown_pieces.get_or_init(|| Pieces::new(&self.keys, SHOWN_PIECE));
        let mut shown: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(raw.len() + 64));
        let mut at = 0;
        while at < raw.len() {
            match self.longest_at(&raw[at..]) {
                Some(index) => {
                    let value = self.keys[index].value;
                    shown.extend_from_slice(masked(value).as_bytes());
                    for (_, length) in align(&raw[at..], value).into_iter().flatten() {
                        shown.extend(raw[at..at + length].iter().filter(|byte| **byte == b'\n'));
                        at += length;
                    }
                }
                None => {
                    shown.push(raw[at]);
                    at += 1;
                }
            }
        }
        let lines = shown.split(|byte| *byte == b'\n').map(|line| {
            if pieces.are_in(line) {
                "(a line with a part of a key)".into()
            } else {
                String::from_utf8_lossy(line).into_owned()
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// All runs of one length of the keys; of a shorter key, the whole.
struct Pieces<'a>(Vec<(usize, HashSet<&'a [u8]>)>);

impl<'a> Pieces<'a> {
    fn new(keys: &[Key<'a>], length: usize) -> Self {
        let mut by_length: Vec<(usize, HashSet<&[u8]>)> = Vec::new();
        for key in keys.iter().filter(|key| !key.value.is_empty()) {
            let length = length.min(key.value.len());
            let at = by_length.iter().position(|(of, _)| *of == length).unwrap_or_else(|| {
                by_length.push((length, HashSet::new()));
                by_length.len() - 1
            });
            by_length[at].1.extend(key.value.windows(length));
        }
        Self(by_length)
    }

    fn are_in(&self, text: &[u8]) -> bool {
        self.0.iter().any(|(length, pieces)| text.windows(*length).any(|window| pieces.contains(window)))
    }
}

// The bytes that may begin an escape or syntax, so that what they stand for depends on the key.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b'`' | b'\'' | b'"' | b'$')
}

// Aligns the text at `raw`'s start with the whole of a value.
fn align(raw: &[u8], value: &[u8]) -> Option<Vec<(Part, usize)>> {
    let (mut at, mut next) = (0, 0);
    let mut parts = Vec::with_capacity(value.len());
    while next < value.len() {
        let (part, length) = part_at(&raw[at..], value[next], next)?;
        at += length;
        next += usize::from(part != Part::Syntax);
        parts.push((part, length));
    }
    Some(parts)
}

// How many bytes of the text's start write this byte of a value, with the syntax in front of it.
fn written_length(raw: &[u8], byte: u8, index: usize) -> Option<usize> {
    let mut at = 0;
    loop {
        let (part, length) = part_at(&raw[at..], byte, index)?;
        at += length;
        if part != Part::Syntax {
            return Some(at);
        }
    }
}

// What the text's start is within a value that goes on with `byte` at `index`, and how many bytes it covers.
fn part_at(rest: &[u8], byte: u8, index: usize) -> Option<(Part, usize)> {
    let first = *rest.first()?;
    let doubled = matches!(byte, b'\'' | b'"' | b'`' | b'\\');
    if first == byte && !doubled {
        return Some((Part::Plain(index), 1));
    }
    if is_special(first)
        && let Some((style, length)) = Style::at(rest, byte)
    {
        return Some((Part::Escaped(index, style), length));
    }
    // Within a value only: what stands before its first byte does not belong to it.
    let syntax = if index == 0 { 0 } else { syntax_at(rest) };
    (syntax > 0).then_some((Part::Syntax, syntax))
}

// How many bytes at the start of `rest` add nothing to a value: quotes, `$'`, a continued line.
fn syntax_at(rest: &[u8]) -> usize {
    for continued in [&b"\\\r\n"[..], b"\\\n", b"`\r\n", b"`\n", b"$'", b"$\"", b"'", b"\""] {
        if rest.starts_with(continued) {
            return continued.len();
        }
    }
    0
}

/// Returns a key for people: its first seven and last four characters, or less of a short one.
pub(crate) fn masked(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let count = text.chars().count();
    let (head, tail) = if count >= 24 { (7, 4) } else { (count / 6, 0) };
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    format!("{start}...{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use memchr::memmem;
    use proptest::prelude::*;

    const KEY: &[u8] = b"sk-ant-api03-TESTab12FAKEcd34TESTef56";
    const OTHER: &[u8] = b"xai-FAKE99TEST88FAKE77TEST66";

    #[test]
    fn masking_shows_at_most_seven_and_four_characters() {
        let keys = KeySet::new(vec![Key { value: KEY, number: Some(0) }, Key { value: OTHER, number: Some(1) }]);
        assert_eq!(masked(KEY), "sk-ant-...ef56");
        assert_eq!(masked(b"abcdefghijklmnopqrstu"), "abc...");
        let raw = [b"export A=\"", &KEY[..9], b"\"'", &KEY[9..], b"' # x\nB=1"].concat();
        assert_eq!(keys.mask(&raw), "export A=\"sk-ant-...ef56' # x\nB=1");
        assert!(!keys.mask(&[b"# ", &KEY[..30]].concat()).contains("TEST"));
    }

    // What the index must find: each key is tried by itself.
    fn longest_by_trying(raw: &[u8], keys: &[Key<'_>]) -> Option<Occurrence> {
        keys.iter()
            .filter_map(|key| Some((key, align(raw, key.value)?)))
            .max_by_key(|(key, _)| (key.value.len(), key.number.is_some()))
            .map(|(key, parts)| Occurrence { number: key.number, parts })
    }

    fn run_by_trying(raw: &[u8], keys: &[Key<'_>]) -> Option<Run> {
        let window = raw.get(..SHORTEST_REFERENCE)?;
        let mut best: Option<Run> = None;
        for key in keys {
            for from in (0..key.value.len()).filter(|from| key.value[*from..].starts_with(window)) {
                let length = raw.iter().zip(&key.value[from..]).take_while(|(a, b)| a == b).count();
                let better = |best: &Run| (length, key.number.is_some()) > (best.length, best.number.is_some());
                if best.as_ref().is_none_or(better) {
                    best = Some(Run { number: key.number, from, length });
                }
            }
        }
        best
    }

    fn pieces_by_trying(text: &[u8], keys: &[Key<'_>], length: usize) -> bool {
        keys.iter().any(|key| {
            key.value.windows(length.min(key.value.len())).any(|window| memmem::find(text, window).is_some())
        })
    }

    // Few letters, so that keys begin alike, hold each other and stand in the text by chance; and each kind of syntax.
    const LETTERS: &str = "[ab'\"`$\\\\-]{1,12}";

    fn writing() -> impl Strategy<Value = (usize, Vec<(usize, usize)>)> {
        (0..8usize, proptest::collection::vec((0..14usize, 0..4usize), 40))
    }

    // Writes a key with an escape or syntax at some of its bytes.
    fn written(key: &[u8], ways: &[(usize, usize)]) -> Vec<u8> {
        let mut raw = Vec::new();
        for (byte, (style, syntax)) in key.iter().zip(ways) {
            let between: [&[u8]; 4] = [b"", b"'", b"\\\n", b"`\r\n"];
            raw.extend_from_slice(between[*syntax]);
            match style {
                0 => raw.extend([b'\\', *byte]),
                1 => raw.extend(format!("\\x{byte:02x}").bytes()),
                2 => raw.extend(format!("\\{byte:03o}").bytes()),
                3 => raw.extend(format!("`u{{{byte:X}}}").bytes()),
                4 => raw.extend([*byte, *byte]),
                5 => raw.extend(format!("\\U{byte:08x}").bytes()),
                _ => raw.push(*byte),
            }
        }
        raw
    }

    proptest! {
        #[test]
        fn all_keys_together_find_what_each_finds_alone(
            values in proptest::collection::vec(LETTERS, 1..8),
            numbered in proptest::collection::vec(any::<bool>(), 8),
            stretches in proptest::collection::vec((LETTERS, writing()), 0..6),
        ) {
            let keys = || -> Vec<Key<'_>> {
                let number = |index: usize| numbered[index].then_some(index);
                values.iter().enumerate().map(|(at, key)| Key { value: key.as_bytes(), number: number(at) }).collect()
            };
            let mut raw = Vec::new();
            for (noise, (key, ways)) in &stretches {
                raw.extend_from_slice(noise.as_bytes());
                raw.extend(written(values[key % values.len()].as_bytes(), ways));
            }
            let (each, all) = (keys(), KeySet::new(keys()));
            for at in 0..=raw.len() {
                prop_assert_eq!(all.occurrence_at(&raw[at..]), longest_by_trying(&raw[at..], &each));
                prop_assert_eq!(all.run_at(&raw[at..]), run_by_trying(&raw[at..], &each));
            }
            for length in [3, PIECE, SHOWN_PIECE] {
                prop_assert_eq!(Pieces::new(&each, length).are_in(&raw), pieces_by_trying(&raw, &each, length));
            }
        }
    }
}
