//! The grammar of python-dotenv.

use super::scan::Scan;
use super::{Pairs, push};
use crate::guard::read::document::DocumentError;

/// `\s` of Python.
fn is_py_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

fn is_py_blank(c: char) -> bool {
    is_py_space(c) && c != '\n'
}

/// The characters that a backslash in quotes escapes: any character from python-dotenv 1.2.3 on, only a quote before.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Escapes {
    Any,
    Quote,
}

/// Returns the pairs that python-dotenv reads.
pub(super) fn python(scan: &Scan<'_>, escapes: Escapes) -> Result<Pairs, DocumentError> {
    let (text, mut pairs, mut at) = (scan.text, Vec::new(), 0);
    loop {
        at = scan.skip(at, is_py_space);
        if at == text.len() {
            return Ok(pairs);
        }
        match python_line(scan, at, escapes) {
            Ok((name, value, end)) => {
                if let (Some(name), Some(value)) = (name, value) {
                    push(&mut pairs, name, value)?;
                }
                at = end;
            }
            // The library skips the rest of a line that does not parse.
            Err(stopped) => {
                at = scan.until(stopped, b"\n");
                at += scan.at(at).map_or(0, char::len_utf8);
            }
        }
    }
}

type PythonLine<'t> = (Option<&'t str>, Option<String>, usize);

/// Returns the name, the value and the end of the statement at `start`, or the position of the syntax error.
fn python_line<'t>(scan: &Scan<'t>, start: usize, escapes: Escapes) -> Result<PythonLine<'t>, usize> {
    let text = scan.text;
    let mut at = start;
    let exported = at + "export".len();
    if text[at..].starts_with("export") && scan.at(exported).is_some_and(is_py_blank) {
        at = scan.skip(exported, is_py_blank);
    }
    let name = match scan.at(at) {
        Some('#') => None,
        Some('\'') => {
            let end = scan.until(at + 1, b"'");
            if end == at + 1 || end == text.len() {
                return Err(at);
            }
            let name = &text[at + 1..end];
            at = end + 1;
            Some(name)
        }
        _ => {
            let end = scan.skip(at, |c| !is_py_space(c) && !matches!(c, '=' | '#'));
            if end == at {
                return Err(at);
            }
            let name = &text[at..end];
            at = end;
            Some(name)
        }
    };
    at = scan.skip(at, is_py_blank);
    let mut value = None;
    if scan.at(at) == Some('=') {
        let sign = at + 1;
        at = scan.skip(sign, is_py_blank);
        let (read, end) = match scan.at(at) {
            Some('#') if escapes == Escapes::Any && at > sign => (String::new(), at),
            Some(quote @ ('\'' | '"')) => python_quoted(scan, at, quote, escapes).ok_or(at)?,
            _ => {
                let end = scan.until(at, b"\n");
                (python_bare(&text[at..end]).to_owned(), end)
            }
        };
        value = Some(read);
        at = end;
    }
    let comment = scan.skip(at, is_py_blank);
    if scan.at(comment) == Some('#') {
        at = scan.until(comment, b"\n");
    }
    let end = scan.skip(at, is_py_blank);
    match scan.at(end) {
        None => Ok((name, value, end)),
        Some('\n') => Ok((name, value, end + 1)),
        Some(_) => Err(at),
    }
}

/// Removes the comment of an unquoted value. A comment starts at the first `#` with space before it.
fn python_bare(part: &str) -> &str {
    let comment = part.match_indices('#').find(|(at, _)| part[..*at].ends_with(is_py_space));
    part[..comment.map_or(part.len(), |(at, _)| at)].trim_end_matches(is_py_space)
}

/// Returns the content of a quoted value and the position after it.
fn python_quoted(scan: &Scan<'_>, open: usize, quote: char, escapes: Escapes) -> Option<(String, usize)> {
    let (mut at, mut escaped, mut close) = (open + 1, false, None);
    loop {
        let stop = scan.until(at, if quote == '"' { b"\\\"" } else { b"\\'" });
        escaped = escaped && stop == at;
        match scan.at(stop) {
            None => break,
            Some('\\') => escaped = !(escaped && escapes == Escapes::Any),
            Some(_) if escaped => {
                // If no other quote follows, the expression backtracks to the last quote with a backslash.
                if escapes == Escapes::Quote {
                    close = Some(stop);
                }
                escaped = false;
            }
            Some(_) => {
                close = Some(stop);
                break;
            }
        }
        at = stop + 1;
    }
    let close = close?;
    let content = &scan.text[open + 1..close];
    let mut value = String::with_capacity(content.len());
    let mut rest = content.chars();
    while let Some(c) = rest.next() {
        let next = rest.clone().next();
        let plain = match (c, next) {
            ('\\', Some(next @ ('\\' | '\''))) => Some(next),
            ('\\', Some(next)) if quote == '"' => match next {
                '"' => Some('"'),
                'a' => Some('\u{7}'),
                'b' => Some('\u{8}'),
                'f' => Some('\u{c}'),
                'n' => Some('\n'),
                'r' => Some('\r'),
                't' => Some('\t'),
                'v' => Some('\u{b}'),
                _ => None,
            },
            _ => None,
        };
        if plain.is_some() {
            rest.next();
        }
        value.push(plain.unwrap_or(c));
    }
    Some((value, close + 1))
}
