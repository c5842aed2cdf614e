//! JSON, YAML, TOML, property lists, units: keys are found and named, nothing is taken apart.

use super::{found_in, reason};
use crate::migrate::detect::{self, Judgement, Known};
use crate::migrate::dialect::Dialect;
use crate::migrate::model::{Fixed, Span};
use std::collections::HashSet;
use zeroize::Zeroizing;

// A configuration's own spelling of a variable: `openai-api-key: ...`, and aider's `- deepseek=sk-...`.
pub(super) fn keys(bytes: &[u8], known: &Known) -> Vec<Fixed> {
    let reason = reason(Dialect::Structured);
    let (mut found, places): (Vec<Fixed>, Vec<Span>) = found_in(bytes, reason, known).unzip();
    let mut found_values: HashSet<&[u8]> = places.into_iter().map(|place| &bytes[place]).collect();
    let starts = memchr::memchr_iter(b'\n', bytes).map(|end| end + 1);
    for start in std::iter::once(0).chain(starts) {
        let Some((at, name, value)) = spelt_entry(&bytes[start..]) else { continue };
        if matches!(detect::judge(Some(&name), value, known), Judgement::Key(_)) && found_values.insert(value) {
            found.push(Fixed { name: Some(name), at: start + at, value: Zeroizing::new(value.to_vec()), reason });
        }
    }
    found.sort_by_key(|fixed| fixed.at);
    found
}

/// Where the entry of the line that begins here begins, the variable that its name stands for, and its value. Looks
/// at [`LONGEST_ENTRY`] bytes and one more.
pub(in crate::migrate) fn spelt_entry(bytes: &[u8]) -> Option<(usize, String, &[u8])> {
    let near = &bytes[..bytes.len().min(LONGEST_ENTRY)];
    let line = &near[..memchr::memchr(b'\n', near).unwrap_or(near.len())];
    let entry = entry(line)?;
    // What reaches the limit may go on after it.
    let cut = line.len() == LONGEST_ENTRY && bytes.len() > LONGEST_ENTRY && line.ends_with(entry.2);
    (!cut).then_some(entry)
}

/// An entry that is longer, blanks before it included, is not looked for.
pub(in crate::migrate) const LONGEST_ENTRY: usize = 3072;

fn entry(line: &[u8]) -> Option<(usize, String, &[u8])> {
    let skip =
        |from: usize, what: &[u8]| line[from..].iter().position(|byte| !what.contains(byte)).map(|size| from + size);
    let start = skip(0, b" \t-\"'{")?;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let end = start + line[start..].iter().position(|byte| !is_part(byte))?;
    let sign = skip(end, b"\"' \t")?;
    if !matches!(line[sign], b':' | b'=') {
        return None;
    }
    let from = skip(sign + 1, b" \t\"'")?;
    let stop = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b',' | b'}' | b'#');
    let value = &line[from..line[from..].iter().position(stop).map_or(line.len(), |size| from + size)];
    let spelt = std::str::from_utf8(&line[start..end]).ok()?.replace('-', "_").to_ascii_uppercase();
    if detect::is_key_name(&spelt) {
        return Some((start, spelt, value));
    }
    let name = format!("{spelt}_API_KEY");
    (line[sign] == b'=' && value.starts_with(b"sk-") && detect::is_key_name(&name)).then_some((start, name, value))
}
