//! What a session's variables are set by: systemd's environment.d(5) and the two syntaxes of pam_env(8),
//! pam_env.conf(5).

use super::cursor::{Cursor, double_quoted, reference, skip_export};
use crate::migrate::model::{Fixed, Reason, Span, Value, Word};
use zeroize::Zeroizing;

// systemd's own parser (parse_env_file): quotes open a piece only at the value's start or after another piece, blanks
// at the end go, there is no comment behind a value, and variables are expanded even in single quotes.
pub(super) fn environment_d(cursor: &mut Cursor<'_>, _: &mut Vec<Fixed>) -> Option<(Span, Vec<Word>)> {
    let start = cursor.at;
    let name = cursor.name()?;
    cursor.skip_blanks();
    if cursor.peek() != Some(b'=') {
        return None;
    }
    cursor.at += 1;
    if !cursor.at_line_end() {
        let from = cursor.at;
        cursor.skip_blanks();
        if cursor.at_line_end() {
            cursor.at = from;
        }
    }
    let value_start = cursor.at;
    let mut value = Zeroizing::new(Vec::new());
    // Where the value ends when only blanks follow, in the file and in what was decoded.
    let (mut end, mut kept) = (cursor.at, 0);
    let (mut dynamic, mut may_quote) = (false, true);
    while !cursor.at_line_end() {
        if let Some(size) = cursor.continuation() {
            cursor.at += size;
            continue;
        }
        match cursor.peek()? {
            b'\'' if may_quote => {
                // A quote is closed at once or not at all here, so that one stray sign never hides the lines below.
                let close = memchr::memchr2(b'\'', b'\n', &cursor.rest()[1..])? + 1;
                if cursor.rest()[close] == b'\n' {
                    return None;
                }
                dynamic |= cursor.rest()[1..close].contains(&b'$');
                value.extend_from_slice(&cursor.rest()[1..close]);
                cursor.at += close + 1;
                (end, kept) = (cursor.at, value.len());
            }
            b'"' if may_quote => {
                let from = cursor.at;
                dynamic |= double_quoted(cursor, from, &mut value)?;
                if cursor.bytes[from..cursor.at].contains(&b'\n') {
                    return None;
                }
                (end, kept) = (cursor.at, value.len());
            }
            b' ' | b'\t' => {
                if !may_quote {
                    value.push(b' ');
                }
                cursor.at += 1;
            }
            byte => {
                let byte = match byte {
                    b'\\' => {
                        cursor.at += 1;
                        cursor.peek()?
                    }
                    other => other,
                };
                dynamic |= byte == b'$';
                may_quote = false;
                value.push(byte);
                cursor.at += 1;
                (end, kept) = (cursor.at, value.len());
            }
        }
    }
    cursor.at = end;
    value.truncate(kept);
    let span = value_start..end;
    let value = match (dynamic, reference(cursor.bytes, &span)) {
        (true, Some(value)) => value,
        (true, None) => Value::Dynamic,
        (false, _) => Value::Literal(value, span),
    };
    let word = cursor.word(name, value);
    Some((start..end, vec![word]))
}

// `NAME [DEFAULT=value] [OVERRIDE=value]`, or `[export] NAME=value` as in pam_env's envfile.
pub(super) fn pam_env(cursor: &mut Cursor<'_>, fixed: &mut Vec<Fixed>) -> Option<(Span, Vec<Word>)> {
    let start = cursor.at;
    skip_export(cursor);
    let name = cursor.name()?;
    if cursor.peek() == Some(b'=') {
        cursor.at += 1;
        let value = pam_env_plain(cursor);
        let word = cursor.word(name, value);
        return Some((start..cursor.at, vec![word]));
    }
    let mut values: Vec<Value> = Vec::new();
    let mut end = cursor.at;
    loop {
        cursor.skip_blanks();
        let option = [&b"DEFAULT="[..], b"OVERRIDE="].into_iter().find(|option| cursor.rest().starts_with(option));
        let Some(option) = option.filter(|_| cursor.at > end) else { break };
        cursor.at += option.len();
        values.push(pam_env_option(cursor)?);
        end = cursor.at;
    }
    cursor.at = end;
    // An empty one says nothing; two that differ are "the one, else the other", from which nothing can be cut.
    values.retain(|value| !matches!(value, Value::Literal(text, _) if text.is_empty()));
    let value = match values.len() {
        0 => Value::Dynamic,
        1 => values.remove(0),
        _ => {
            let text = |value: &Value| match value {
                Value::Literal(text, _) => Some(text.clone()),
                _ => None,
            };
            let first = text(&values[0]);
            if first.is_some() && values.iter().all(|value| text(value) == first) {
                values.remove(0)
            } else {
                let shown = String::from_utf8_lossy(&cursor.bytes[name.clone()]).into_owned();
                fixed.extend(values.iter().filter_map(text).map(|value| Fixed {
                    name: Some(shown.clone()),
                    at: name.start,
                    value,
                    reason: Reason::DefaultOfOther,
                }));
                Value::Dynamic
            }
        }
    };
    let word = cursor.word(name, value);
    Some((start..end, vec![word]))
}

// To the end of the line or a comment; quotes count only around the whole.
fn pam_env_plain(cursor: &mut Cursor<'_>) -> Value {
    let from = cursor.at;
    let line = &cursor.bytes[from..cursor.line_end()];
    let line = &line[..memchr::memchr(b'#', line).unwrap_or(line.len())];
    let size = line.trim_ascii_end().len();
    cursor.at = from + size;
    let raw = &cursor.bytes[from..cursor.at];
    let quoted = match raw {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => Some(inner),
        _ => None,
    };
    let span = from..cursor.at;
    if let Some(value) = reference(cursor.bytes, &span) {
        return value;
    }
    let value = quoted.unwrap_or(raw);
    match value.iter().any(|byte| matches!(byte, b'$' | b'@' | b'\\')) {
        true => Value::Dynamic,
        false => Value::Literal(Zeroizing::new(value.to_vec()), span),
    }
}

// Up to a blank, or in double quotes up to the next one; a backslash frees `$` and `@`.
fn pam_env_option(cursor: &mut Cursor<'_>) -> Option<Value> {
    let start = cursor.at;
    let quoted = cursor.peek() == Some(b'"');
    cursor.at += usize::from(quoted);
    let mut value = Zeroizing::new(Vec::new());
    let mut dynamic = false;
    loop {
        match cursor.rest() {
            [b'"', ..] if quoted => break,
            [] | [b'\n', ..] | [b'\r', b'\n', ..] if quoted => return None,
            _ if !quoted && cursor.at_line_end() => break,
            [b' ' | b'\t', ..] if !quoted => break,
            _ if cursor.continuation().is_some() => return None,
            [b'\\', escaped @ (b'$' | b'@'), ..] => {
                value.push(*escaped);
                cursor.at += 1;
            }
            [byte @ (b'$' | b'@'), rest @ ..] if *byte == b'$' || rest.starts_with(b"{") => dynamic = true,
            [byte, ..] => value.push(*byte),
            [] => break,
        }
        cursor.at += 1;
    }
    cursor.at += usize::from(quoted);
    let span = start..cursor.at;
    Some(match (dynamic, reference(cursor.bytes, &span)) {
        (true, Some(value)) => value,
        (true, None) => Value::Dynamic,
        (false, _) => Value::Literal(value, span),
    })
}
