//! Looks for values in text that no reader takes apart: an alias, a nested command, code that does not parse.
//!
//! It only finds what could be a key and which name stands before it; whether it is one, `examine` decides, and nothing
//! found here is ever cut out. Called by the readers of the dialects.

use super::detect::{self, Known};
use super::model::{Fixed, Reason, SHORTEST_KEY};
use zeroize::Zeroizing;

/// Between a name and its value: blanks, quotes, and what the languages put there.
const BETWEEN: &[u8] = b" \t\r\n'\"`=:,()\\";
/// How far a value may stand from its name.
const FARTHEST: usize = 12;

/// A name for values that have none beside them, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    /// The name.
    pub name: &'a str,
    /// The offset of its first byte in the file.
    pub at: usize,
    /// Whether the words are what it is set to, not the words of a command that gives its value.
    pub direct: bool,
}

/// Adds every word of `text` that is long enough for a key to `fixed`.
///
/// `at` gives the offset in the file of a byte of `text`. `named` is the name where the text itself has none.
/// What is known to be a key is added where it is a part of a word, too.
pub(super) fn find(
    text: &[u8],
    at: impl Fn(usize) -> usize,
    reason: Reason,
    named: Option<Named<'_>>,
    known: &Known,
    fixed: &mut Vec<Fixed>,
) {
    let mut before: Option<(std::ops::Range<usize>, &str)> = None;
    let mut from = 0;
    while from < text.len() {
        if !is_part(text[from]) {
            from += 1;
            continue;
        }
        let to = from + text[from..].iter().take_while(|byte| is_part(**byte)).count();
        let (name, value) = split(text, from, to);
        // A text goes on behind a colon at the end.
        let end = value + trimmed(&text[value..to], b":").len();
        if end - value >= SHORTEST_KEY {
            // `NAME=value`, then a name that stands just before, then whatever the caller knows.
            let near = || before.clone().filter(|(span, _)| belongs(&text[span.end..value]));
            // A command's words are paths and services' names, unless they can hardly be anything but a key.
            let named = named.filter(|named| named.direct || detect::is_telling(&text[value..end]));
            let (name, place) = match name.or_else(near) {
                Some((span, name)) => (Some(name.to_owned()), at(span.start)),
                None => (named.map(|named| named.name.to_owned()), named.map_or_else(|| at(value), |named| named.at)),
            };
            let mut passed = from;
            known.find(text, from..to, |part, _| {
                if part.start >= passed && part.end <= to && part != (value..end) {
                    passed = part.end;
                    let value = Zeroizing::new(text[part.clone()].to_vec());
                    fixed.push(Fixed { name: None, at: at(part.start), value, reason });
                }
            });
            fixed.push(Fixed { name, at: place, value: Zeroizing::new(text[value..end].to_vec()), reason });
            before = None;
        } else {
            // `Env:NAME`, and `NAME:` of a table.
            let word = trimmed(&text[from..to], b"=:");
            let start = from + word.iter().rposition(|byte| *byte == b':').map_or(0, |colon| colon + 1);
            if let Some(name) = identifier(&text[start..from + word.len()]).filter(|name| name.contains('_')) {
                before = Some((start..start + name.len(), name));
            }
        }
        from = to;
    }
}

/// The same for raw bytes of a file, beginning at `start`.
pub(super) fn find_raw(
    bytes: &[u8],
    start: usize,
    reason: Reason,
    named: Option<Named<'_>>,
    known: &Known,
    fixed: &mut Vec<Fixed>,
) {
    find(bytes, |offset| start + offset, reason, named, known, fixed);
}

/// The characters of rule D1.
fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.+/=~:-".contains(&byte)
}

/// The name in `NAME=value` or `NAME:value` and where the value begins; of `x=NAME=value` the inner ones.
fn split(text: &[u8], from: usize, to: usize) -> (Option<(std::ops::Range<usize>, &str)>, usize) {
    let mut found = (None, from);
    let mut start = from;
    while let Some(offset) = text[start..to].iter().position(|byte| matches!(byte, b'=' | b':')) {
        let end = start + offset;
        // Trailing `=` are padding, not an assignment.
        if to - end - 1 < SHORTEST_KEY {
            break;
        }
        let name = identifier(&text[start..end]);
        if text[end] == b'=' {
            let option = text[start..end].starts_with(b"-") && start == from;
            if name.is_none() && !option {
                break;
            }
            found = (name.map(|name| (start..end, name)), end + 1);
        } else if let Some(name) = name.filter(|name| found.0.is_none() && labels(name)) {
            found = (Some((start..end, name)), end + 1);
        }
        start = end + 1;
    }
    found
}

// Whether a word before a colon is a name, not the first part of a value.
fn labels(word: &str) -> bool {
    detect::is_key_name(word) || word.contains('_') && !word.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn trimmed<'a>(word: &'a [u8], signs: &[u8]) -> &'a [u8] {
    let end = word.iter().rposition(|byte| !signs.contains(byte)).map_or(0, |last| last + 1);
    &word[..end]
}

/// A variable's name, or nothing.
pub(super) fn identifier(word: &[u8]) -> Option<&str> {
    let first = word.first()?;
    let plain = word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if plain && !first.is_ascii_digit() { std::str::from_utf8(word).ok() } else { None }
}

fn belongs(gap: &[u8]) -> bool {
    gap.len() <= FARTHEST && gap.iter().all(|byte| BETWEEN.contains(byte))
}
