//! The changed lines of a file, with every key masked.

use crate::migrate::edit::Cut;
use crate::migrate::keyset::KeySet;
use std::ops::Range;
use zeroize::Zeroizing;

/// Lines that change.
pub(crate) struct Hunk {
    /// The number of the first one.
    pub line: usize,
    /// The lines before, with every key masked.
    pub old: String,
    /// The lines after.
    pub new: String,
    lines: Range<usize>,
}

impl Hunk {
    /// Reports whether some of a stretch of the file is in it.
    pub(crate) fn meets(&self, stretch: &Range<usize>) -> bool {
        self.lines.start < stretch.end && stretch.start < self.lines.end
    }
}

/// The entries that go out of a store of logins. What else stands in their lines may be another login's secret.
pub(super) fn entries(bytes: &[u8], cuts: &[Cut], keys: &KeySet<'_>) -> Vec<Hunk> {
    let shown = |cut: &Cut| {
        let is_between = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
        let own = &bytes[cut.span.clone()];
        let start = cut.span.start + own.iter().take_while(|byte| is_between(byte)).count();
        let end = cut.span.end - own.iter().rev().take_while(|byte| is_between(byte)).count();
        let line = 1 + bytes[..start].iter().filter(|byte| **byte == b'\n').count();
        let old = keys.mask(&bytes[start..end.max(start)]);
        Hunk { line, old, new: String::from_utf8_lossy(&cut.with).into_owned(), lines: cut.span.clone() }
    };
    cuts.iter().map(shown).collect()
}

/// The changed lines before and after.
pub(super) fn hunks(bytes: &[u8], cuts: &[Cut], keys: &KeySet<'_>) -> Vec<Hunk> {
    // Where the line of the last cut begins, and the last part of a line whose end was asked for.
    let (mut line, mut searched, mut part) = (0, 0, 0..0);
    let mut end = |at: usize| {
        // A cut that ends with its line's terminator leaves the next line alone.
        if at > 0 && bytes[at - 1] == b'\n' {
            return at;
        }
        if !part.contains(&at) {
            let newline = memchr::memchr(b'\n', &bytes[at..]);
            part = at..newline.map_or(bytes.len(), |newline| at + newline + 1);
        }
        part.end
    };
    let mut groups: Vec<(Range<usize>, Vec<&Cut>)> = Vec::new();
    for cut in cuts {
        if let Some(newline) = memchr::memrchr(b'\n', &bytes[searched..cut.span.start]) {
            line = searched + newline + 1;
        }
        searched = cut.span.start;
        let whole = cut.span.end > cut.span.start && line == cut.span.start;
        let until = if whole { end(cut.span.end) } else { end(cut.span.end.max(cut.span.start + 1).min(bytes.len())) };
        let lines = line..until;
        match groups.last_mut() {
            Some((last, cuts)) if lines.start < last.end => {
                last.end = last.end.max(lines.end);
                cuts.push(cut);
            }
            _ => groups.push((lines, vec![cut])),
        }
    }
    let (mut number, mut counted) = (1, 0);
    let shown = |(lines, cuts): (Range<usize>, Vec<&Cut>)| {
        number += bytes[counted..lines.start].iter().filter(|byte| **byte == b'\n').count();
        counted = lines.start;
        let mut new = Zeroizing::new(Vec::with_capacity(lines.len() + 64));
        let mut at = lines.start;
        for cut in cuts {
            new.extend_from_slice(&bytes[at..cut.span.start]);
            new.extend_from_slice(&cut.with);
            at = cut.span.end;
        }
        new.extend_from_slice(&bytes[at.min(lines.end)..lines.end]);
        Hunk { line: number, old: keys.mask(&bytes[lines.clone()]), new: keys.mask(&new), lines }
    };
    groups.into_iter().map(shown).collect()
}
