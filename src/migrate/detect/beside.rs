//! Keys that stand beside their variable's name without a sign between the two: `'key' | Set-Item Env:NAME`,
//! `if [ "$NAME" = key ]`, `read NAME <<< key`.
//!
//! Only code is looked at in this way, and a line at a time. Nothing found here is ever cut out. Called by `examine`.

use super::names::provider_of;
use super::patterns::{LONGEST_KEY, LONGEST_NAME, PLAUSIBLE, WORD, Whose, back, forth};
use super::{Judgement, Known, is_telling, judge};
use crate::migrate::model::{SHORTEST_KEY, Span};
use memchr::memmem;

// Between a name and a plain value there is a word or two: an option, a sign, a setter's name.
const FARTHEST: usize = 48;
const LONGEST_WORD: usize = 12;

/// Gives the values in a line of code that go with a known name in it, by their places: the name, and whose key it is.
/// What `is_free` does not hold for is neither a name nor a value.
pub(crate) fn beside(bytes: &[u8], line: Span, is_free: &dyn Fn(&Span) -> bool) -> Vec<(Span, Span, String)> {
    let names: Vec<(Span, &str)> = names(bytes, &line).into_iter().filter(|(name, _)| is_free(name)).collect();
    if names.is_empty() {
        return vec![];
    }
    let is_name = |value: &Span| names.binary_search_by_key(&value.start, |(name, _)| name.start).is_ok();
    let values: Vec<Span> = values(bytes, &line).filter(|value| is_free(value) && !is_name(value)).collect();
    let one_each = names.len() == values.len();
    let mut found = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let behind = names.partition_point(|(name, _)| name.start < value.start);
        let near = [behind.checked_sub(1), Some(behind)].into_iter().flatten().filter_map(|at| names.get(at));
        let distance = |(name, _): &&(Span, &str)| gap(name, &value).len();
        let Some((name, text)) = (if one_each { names.get(index) } else { near.min_by_key(distance) }) else {
            continue;
        };
        let Judgement::Key(provider) = judge(Some(text), &bytes[value.clone()], Known::none()) else { continue };
        // What belongs to somebody else has another name.
        let own = provider_of(text).is_some_and(|(owner, _)| owner == provider);
        let has_form = !matches!(judge(None, &bytes[value.clone()], Known::none()), Judgement::Ignored(_));
        if own && (has_form || is_near(&bytes[gap(name, &value)]) && is_telling(&bytes[value.clone()])) {
            found.push((name.clone(), value, provider));
        }
    }
    found
}

fn gap(name: &Span, value: &Span) -> Span {
    if name.end <= value.start { name.end..value.start } else { value.end.min(name.start)..name.start }
}

// What a program prints is no literal.
fn is_near(gap: &[u8]) -> bool {
    gap.len() <= FARTHEST
        && !gap.windows(2).any(|pair| pair == b"$(")
        && !gap.contains(&b'`')
        && gap.split(|byte| !byte.is_ascii_alphanumeric()).all(|word| word.len() <= LONGEST_WORD)
}

fn names<'a>(bytes: &'a [u8], line: &Span) -> Vec<(Span, &'a str)> {
    let mut names: Vec<(Span, &str)> = Vec::new();
    for end in [&b"_KEY"[..], b"_TOKEN"] {
        for at in memmem::find_iter(&bytes[line.clone()], end).map(|at| line.start + at) {
            let name = back(bytes, at, WORD, LONGEST_NAME).max(line.start)..forth(bytes, at, WORD, LONGEST_NAME);
            let text = std::str::from_utf8(&bytes[name.clone()]).unwrap_or_default();
            if provider_of(text).is_some_and(|(_, whose)| whose != Whose::Other) {
                names.push((name, text));
            }
        }
    }
    names.sort_by_key(|(name, _)| name.start);
    names.dedup();
    names
}

// Words as long as a key, without an option or a name before them.
fn values<'a>(bytes: &'a [u8], line: &Span) -> impl Iterator<Item = Span> + use<'a> {
    let (mut at, end) = (line.start, line.end);
    std::iter::from_fn(move || {
        while at < end {
            let start = at;
            at += bytes[at..end].iter().take_while(|byte| PLAUSIBLE.has(**byte)).count();
            let mut value = start..at;
            at += 1;
            if value.len() < SHORTEST_KEY || value.len() > LONGEST_KEY {
                continue;
            }
            while bytes[value.clone()].ends_with(b":") {
                value.end -= 1;
            }
            // Signs at its end are padding.
            let padded = bytes[value.clone()].iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
            if let Some(sign) = bytes[value.start..value.start + padded].iter().rposition(|byte| *byte == b'=') {
                value.start += sign + 1;
            }
            if value.len() >= SHORTEST_KEY {
                return Some(value);
            }
        }
        None
    })
}
