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

    // The form in which `record` writes a line: its members in their order and nothing between them. `None` for any other
    // line, and for one with an escape in a string. It accepts no line that a JSON parser would refuse.
    pub(super) fn of_our_form(line: &[u8]) -> Option<Self> {
        if has_control(line) {
            return None;
        }
        let rest = after_text(line.strip_prefix(b"{\"time\":\"")?)?;
        let (n, mut rest) = number(rest.strip_prefix(b",\"n\":")?)?;
        for name in BEFORE_PID {
            if let Some(value) = rest.strip_prefix(*name) {
                rest = after_text(value)?;
            }
        }
        rest = number(rest.strip_prefix(b",\"pid\":")?)?.1;
        for name in BEHIND_PID {
            if let Some(value) = rest.strip_prefix(*name) {
                rest = after_text(value)?;
            }
        }
        let prev = rest.strip_prefix(b",\"prev\":\"")?.strip_suffix(b"\"}")?;
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

const BEFORE_PID: &[&[u8]] = &[
    b",\"action\":\"",
    b",\"key\":\"",
    b",\"service\":\"",
    b",\"target\":\"",
    b",\"profile\":\"",
    b",\"agent\":\"",
    b",\"binary\":\"",
    b",\"binary_sha256\":\"",
];
const BEHIND_PID: &[&[u8]] = &[b",\"cwd\":\"", b",\"result\":\"", b",\"reason\":\""];

// What follows a string without escapes; the text begins behind its opening quote.
fn after_text(text: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr2(b'"', b'\\', text)?;
    (text[end] == b'"').then(|| &text[end + 1..])
}

// A number from 1 without leading zeros that cannot overflow, and what follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let length = text.iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    if !(1..=19).contains(&length) || digits[0] == b'0' {
        return None;
    }
    Some((digits.iter().fold(0, |number, digit| 10 * number + u64::from(digit - b'0')), rest))
}

// JSON allows no control character in a string, and the form has none outside. Eight bytes at a time: what is subtracted
// from a byte below 0x20 borrows, which sets its highest bit.
fn has_control(line: &[u8]) -> bool {
    const EACH: u64 = u64::from_ne_bytes([0x01; 8]);
    let (words, rest) = line.as_chunks::<8>();
    let borrowed = words.iter().fold(0, |all, word| {
        let word = u64::from_ne_bytes(*word);
        all | (word.wrapping_sub(0x20 * EACH) & !word)
    });
    borrowed & (0x80 * EACH) != 0 || rest.iter().any(|byte| *byte < 0x20)
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
