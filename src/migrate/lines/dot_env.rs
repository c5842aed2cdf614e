//! `.env` files, as a shell that sources them reads them.
//!
//! Other readers differ in the corners (comments glued to a value, backslashes, backquotes): a line on which they could
//! disagree about a key is left alone, and the key reported.

use super::cursor::{Cursor, double_quoted, reference, skip_export};
use crate::migrate::model::{Fixed, Span, Value, Word};
use zeroize::Zeroizing;

// `[export] NAME = value`, `export NAME`, and, as a shell allows, several words.
pub(super) fn statement(cursor: &mut Cursor<'_>, _: &mut Vec<Fixed>) -> Option<(Span, Vec<Word>)> {
    let start = cursor.at;
    let exported = skip_export(cursor);
    let mut words: Vec<Word> = Vec::new();
    let mut end = cursor.at;
    while let Some(name) = cursor.name() {
        let after_name = cursor.at;
        // Blanks around the sign are read only where nothing else could be meant.
        if words.is_empty() {
            cursor.skip_blanks();
        }
        let spaced = cursor.at > after_name;
        if cursor.peek() == Some(b'=') {
            cursor.at += 1;
            if words.is_empty() {
                let from = cursor.at;
                cursor.skip_blanks();
                // `NAME= # nothing`, and `NAME= OTHER=value`, which sets two
                let is_empty = cursor.at_line_end() || matches!(cursor.peek(), Some(b'#' | b';'));
                if is_empty || !spaced && starts_assignment(cursor) {
                    cursor.at = from;
                }
            }
            let value = value(cursor)?;
            words.push(cursor.word(name, value));
        } else if exported {
            cursor.at = after_name;
            words.push(cursor.word(name, Value::Bare));
        } else {
            // Not a name then: `A=b command`.
            return None;
        }
        end = cursor.at;
        cursor.skip_blanks();
        if cursor.at == end {
            break;
        }
    }
    cursor.at = end;
    (!words.is_empty()).then_some((start..end, words))
}

fn starts_assignment(cursor: &Cursor<'_>) -> bool {
    let mut ahead = Cursor { bytes: cursor.bytes, at: cursor.at };
    // A key may end in base 64's padding.
    ahead.name().is_some() && matches!(ahead.rest(), [b'=', byte, ..] if !byte.is_ascii_whitespace() && *byte != b'=')
}

// The value as a shell that sources the file gets it. `None` where code stands that more than sets.
fn value(cursor: &mut Cursor<'_>) -> Option<Value> {
    let start = cursor.at;
    let mut value = Zeroizing::new(Vec::new());
    let mut dynamic = false;
    loop {
        if cursor.at_line_end() {
            break;
        }
        if let Some(size) = cursor.continuation() {
            cursor.at += size;
            continue;
        }
        match cursor.peek()? {
            b' ' | b'\t' | b';' => break,
            b'\'' => single_quoted(cursor, start, &mut value)?,
            b'"' => dynamic |= double_quoted(cursor, start, &mut value)?,
            b'$' => dynamic |= expansion(cursor)?,
            // Shells drop the backslash, most other readers keep it.
            b'\\' => {
                dynamic = true;
                cursor.at = (cursor.at + 2).min(cursor.bytes.len());
            }
            // A comment's sign in the middle of a word is one to some readers and not to others.
            b'&' | b'|' | b'<' | b'>' | b'(' | b')' | b'`' | b'#' => return None,
            byte => {
                value.push(byte);
                cursor.at += 1;
            }
        }
    }
    let span = start..cursor.at;
    Some(match (dynamic, reference(cursor.bytes, &span)) {
        (true, Some(value)) => value,
        (true, None) => Value::Dynamic,
        (false, _) => Value::Literal(value, span),
    })
}

fn single_quoted(cursor: &mut Cursor<'_>, start: usize, value: &mut Vec<u8>) -> Option<()> {
    let from = cursor.at + 1;
    let end = from + memchr::memchr(b'\'', &cursor.bytes[from..])?;
    // An apostrophe inside a word would swallow the lines up to the next one.
    if cursor.at > start && cursor.bytes[from..end].contains(&b'\n') {
        return None;
    }
    value.extend_from_slice(&cursor.bytes[from..end]);
    cursor.at = end + 1;
    Some(())
}

// Passes `$NAME` or `${...}`; anything else is code.
fn expansion(cursor: &mut Cursor<'_>) -> Option<bool> {
    cursor.at += 1;
    if cursor.peek() == Some(b'{') {
        let end = memchr::memchr2(b'}', b'\n', cursor.rest()).map(|size| cursor.at + size)?;
        if cursor.bytes[end] == b'\n' || cursor.bytes[cursor.at..end].iter().any(|byte| matches!(byte, b'"' | b'\'')) {
            return None;
        }
        cursor.at = end + 1;
    } else {
        cursor.name()?;
    }
    Some(true)
}
