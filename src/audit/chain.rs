//! Places in the chain of lines: the place a line has ([`Link`]) and the place it says that it has ([`Claim`]).
//!
//! Every line holds its number and the digest of the line before it. Called by `head`, `log` and `verify`; imports no
//! other file of this folder.

use crate::digest::Digest;
use serde::Deserialize;

/// One line's place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// The line's number; 0 stands before the first.
    pub n: u64,
    /// The digest of the line's bytes, without its newline.
    pub hash: Digest,
}

impl Link {
    /// What the very first line follows.
    pub(super) const START: Self = Self { n: 0, hash: Digest::NONE };

    /// Reports whether a line with this number and `prev` is the next one.
    pub(super) fn leads_to(&self, n: u64, prev: Digest) -> bool {
        self.n.checked_add(1) == Some(n) && self.hash == prev
    }
}

/// What a line says about its place in the chain. Nothing else of it is read, so that a log which a later Ringlet
/// wrote still verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The line's number, at least 1.
    pub n: u64,
    /// The digest of the line before.
    pub prev: Digest,
}

impl Claim {
    /// None when the line is not a whole JSON object with both.
    pub(crate) fn of(line: &[u8]) -> Option<Self> {
        // Nearly every line is of our own form, and a JSON parser would take ten times as long to read it.
        Self::of_our_form(line).or_else(|| Self::of_any_form(line))
    }

    // The form in which `record` writes a line: its members in their order and nothing between them. `None` for any
    // other line, and for one with an escape in a string. It accepts no line that a JSON parser would refuse.
    pub(super) fn of_our_form(line: &[u8]) -> Option<Self> {
        if has_control(line) {
            return None;
        }
        let rest = after_text(after(line, b"{\"time\":\"")?)?;
        let (n, rest) = number(after(rest, b",\"n\":")?)?;
        let rest = past(rest, b",\"action\":\"")?;
        let rest = past(rest, b",\"key\":\"")?;
        let rest = past(rest, b",\"service\":\"")?;
        let rest = past(rest, b",\"target\":\"")?;
        let rest = past(rest, b",\"profile\":\"")?;
        let rest = past(rest, b",\"agent\":\"")?;
        let rest = past(rest, b",\"binary\":\"")?;
        let rest = past(rest, b",\"binary_sha256\":\"")?;
        let (_, rest) = number(after(rest, b",\"pid\":")?)?;
        let rest = past(rest, b",\"cwd\":\"")?;
        let rest = past(rest, b",\"result\":\"")?;
        let rest = past(rest, b",\"reason\":\"")?;
        let prev = after(rest, b",\"prev\":\"")?.strip_suffix(b"\"}")?;
        Some(Self { n, prev: Digest::from_hex(prev)? })
    }

    pub(super) fn of_any_form(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Place<'a> {
            n: u64,
            prev: &'a str,
        }
        let place: Place<'_> = serde_json::from_slice(line).ok()?;
        (place.n > 0).then_some(Self { n: place.n, prev: place.prev.parse().ok()? })
    }
}

// What follows a text at the start of a line. Its length is known when this is compiled, so no function is called that
// compares byte by byte.
fn after<'a, const N: usize>(line: &'a [u8], text: &[u8; N]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_first_chunk()?;
    (start == text).then_some(rest)
}

// What follows a member that has a string, given the text before the string; the line itself where that is not there.
fn past<'a, const N: usize>(line: &'a [u8], text: &[u8; N]) -> Option<&'a [u8]> {
    after(line, text).map_or(Some(line), after_text)
}

// What follows a string without escapes; the text begins behind its opening quote.
fn after_text(text: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr2(b'"', b'\\', text)?;
    (text[end] == b'"').then(|| &text[end + 1..])
}

// A number from 1 without leading zeros that cannot overflow, and what follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    const MOST_DIGITS: usize = 19;
    let (mut number, mut length) = (0, 0);
    while let Some(digit) = text.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        if length == MOST_DIGITS {
            return None;
        }
        number = 10 * number + u64::from(digit);
        length += 1;
    }
    (length > 0 && text[0] != b'0').then(|| (number, &text[length..]))
}

// JSON allows no control character in a string, and the form has none outside. Eight bytes at a time: what is
// subtracted from a byte below 0x20 borrows, which sets its highest bit.
fn has_control(line: &[u8]) -> bool {
    const EACH: u64 = u64::from_ne_bytes([0x01; 8]);
    let borrowed = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        word.wrapping_sub(0x20 * EACH) & !word
    };
    let (words, rest) = line.as_chunks();
    let (fours, others) = words.as_chunks();
    let mut all = others.iter().fold(0, |all, word| all | borrowed(word));
    for [a, b, c, d] in fours {
        all |= borrowed(a) | borrowed(b) | borrowed(c) | borrowed(d);
    }
    all & (0x80 * EACH) != 0 || rest.iter().any(|byte| *byte < 0x20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_only_to_the_next_number() {
        assert!(Link::START.leads_to(1, Digest::NONE) && !Link::START.leads_to(2, Digest::NONE));
        assert!(!Link { n: u64::MAX, hash: Digest::NONE }.leads_to(0, Digest::NONE));
    }
}
