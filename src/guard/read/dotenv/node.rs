//! The grammar of Node's `dotenv`.

use super::scan::Scan;
use super::{Pairs, push};
use crate::guard::read::document::DocumentError;

/// `\s` of JavaScript.
fn is_js_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

/// The characters at which `^` and `$` of JavaScript end a line. Carriage returns have been replaced before.
fn ends_js_line(c: char) -> bool {
    matches!(c, '\n' | '\u{2028}' | '\u{2029}')
}

/// Returns the pairs that Node's `dotenv` reads.
pub(super) fn node(scan: &Scan<'_>) -> Result<Pairs, DocumentError> {
    let mut pairs = Vec::new();
    let mut line = 0;
    loop {
        let start = scan.skip(line, is_js_space);
        if start == scan.text.len() {
            return Ok(pairs);
        }
        // A match that starts in the skipped space would fail at the same name.
        let mut end = start;
        if let Some((name, value)) = node_name(scan, start) {
            let (raw, after) = node_value(scan, value);
            push(&mut pairs, name, node_content(raw))?;
            end = after;
        }
        line = scan.skip(end, |c| !ends_js_line(c));
        line += scan.at(line).map_or(0, char::len_utf8);
    }
}

/// Returns the name, and the position after its `=` or `: `.
fn node_name<'t>(scan: &Scan<'t>, start: usize) -> Option<(&'t str, usize)> {
    let named = |start| {
        let end = scan.skip(start, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
        if end == start {
            return None;
        }
        let name = &scan.text[start..end];
        let sign = scan.skip(end, is_js_space);
        if scan.at(sign) == Some('=') {
            return Some((name, sign + 1));
        }
        if scan.at(end) != Some(':') {
            return None;
        }
        let space = scan.at(end + 1).filter(|c| is_js_space(*c))?;
        Some((name, end + 1 + space.len_utf8()))
    };
    let after = start + "export".len();
    let exported = scan.text[start..].starts_with("export") && scan.at(after).is_some_and(is_js_space);
    exported.then(|| named(scan.skip(after, is_js_space))).flatten().or_else(|| named(start))
}

/// Returns the value with its quotes, and its end.
fn node_value<'t>(scan: &Scan<'t>, start: usize) -> (&'t str, usize) {
    let quoted = scan.skip(start, is_js_space);
    if let Some('\'' | '"' | '`') = scan.at(quoted)
        && let Some(end) = node_quoted(scan, quoted)
    {
        return (&scan.text[quoted..end], end);
    }
    let end = scan.until(start, b"#\n");
    (&scan.text[start..end], end)
}

/// Returns the end of a quoted value: the first quote without a backslash before it, else the last quote with one. Only
/// space and a comment may follow on the line.
fn node_quoted(scan: &Scan<'_>, open: usize) -> Option<usize> {
    let quote = &scan.text[open..=open];
    let ends = |end| {
        let after = scan.skip(end, is_js_space);
        scan.at(after).is_none_or(|c| c == '#') || scan.text[end..after].contains(ends_js_line)
    };
    let mut fallback = None;
    let mut at = open + 1;
    loop {
        let close = scan.until(at, quote.as_bytes());
        if close == scan.text.len() {
            return fallback;
        }
        at = close + 1;
        let escaped = close > open + 1 && scan.text.as_bytes()[close - 1] == b'\\';
        match (ends(at), escaped) {
            (true, false) => return Some(at),
            (true, true) => fallback = Some(at),
            (false, false) => return fallback,
            (false, true) => {}
        }
    }
}

/// Removes the space around a value and its quotes. JavaScript's expression matches quotes in every line of the value.
fn node_content(raw: &str) -> String {
    let value = raw.trim_matches(is_js_space);
    let last = ['\'', '"', '`'].map(|quote| {
        let ends = |(at, _): &(usize, &str)| value[at + 1..].chars().next().is_none_or(ends_js_line);
        (quote, value.rmatch_indices(quote).find(ends).map(|(at, _)| at))
    });
    let mut content = String::with_capacity(value.len());
    let (mut at, mut starts) = (0, true);
    if last.iter().all(|(_, last)| last.is_none()) {
        content.push_str(value);
        at = value.len();
    }
    while let Some(c) = value[at..].chars().next() {
        let last = last.iter().find(|(quote, _)| *quote == c).and_then(|(_, last)| *last);
        match last.filter(|last| starts && *last > at) {
            Some(last) => {
                content.push_str(&value[at + 1..last]);
                at = last + 1;
                starts = false;
            }
            None => {
                content.push(c);
                at += c.len_utf8();
                starts = ends_js_line(c);
            }
        }
    }
    if value.starts_with('"') { content.replace("\\n", "\n").replace("\\r", "\r") } else { content }
}
