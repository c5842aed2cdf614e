//! fish's universal variables, in the file that fish itself writes.

use super::anywhere;
use super::cursor::Cursor;
use crate::migrate::detect::Known;
use crate::migrate::model::{Fixed, Form, Node, Reason, Script, Setting, Span, Value, add, text_start};
use zeroize::Zeroizing;

// `SETUVAR [--export] [--path] NAME:value`; before fish 3.0 `SET` and `SET_EXPORT`.
pub(super) fn read(bytes: &[u8], known: &Known) -> Script {
    let mut script = Script::default();
    let mut cursor = Cursor { bytes, at: text_start(bytes) };
    while cursor.at < bytes.len() {
        let line = cursor.at..cursor.line_end();
        cursor.at = line.end;
        cursor.next_line();
        if bytes[line.clone()].starts_with(b"#") {
            script.comments.push(line);
        } else if let Some(setting) = setting(bytes, &line, &mut script.fixed) {
            add(&mut script.nodes, Node::Setting(setting));
        } else if !line.is_empty() {
            let plain = decoded(&bytes[line.clone()]);
            script.fixed.extend(
                anywhere(&plain, Reason::Unparsed, known).into_iter().map(|found| Fixed { at: line.start, ..found }),
            );
            add(&mut script.nodes, Node::Other(line));
        }
    }
    script
}

fn setting(bytes: &[u8], line: &Span, fixed: &mut Vec<Fixed>) -> Option<Setting> {
    // Up to the line's end only, so that nothing is read across it.
    let mut cursor = Cursor { bytes: &bytes[..line.end], at: line.start };
    let word = [&b"SETUVAR "[..], b"SET_EXPORT ", b"SET "].into_iter().find(|word| cursor.rest().starts_with(word))?;
    cursor.at += word.len();
    while cursor.rest().starts_with(b"--") {
        cursor.at += memchr::memchr(b' ', cursor.rest())? + 1;
    }
    let name = cursor.name()?;
    if cursor.peek() != Some(b':') {
        return None;
    }
    let span = cursor.at + 1..line.end;
    cursor.at = line.end;
    let value = decoded(&bytes[span.clone()]);
    let value = if value.contains(&LIST_SIGN) {
        let shown = String::from_utf8_lossy(&bytes[name.clone()]).into_owned();
        fixed.extend(value.split(|byte| *byte == LIST_SIGN).map(|part| Fixed {
            name: Some(shown.clone()),
            at: name.start,
            value: Zeroizing::new(part.to_vec()),
            reason: Reason::Array,
        }));
        Value::Dynamic
    } else {
        Value::Literal(value, span)
    };
    let word = cursor.word(name, value);
    Some(Setting { span: line.clone(), form: Form::FishUniversal, words: vec![word], is_redirected: false })
}

// Between the elements of a list.
const LIST_SIGN: u8 = 0x1e;

// `\xHH`, `\uHHHH`, `\UHHHHHHHH` name a character, `\XHH` a byte; anything else behind a backslash is itself.
pub(super) fn decoded(raw: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut value = Zeroizing::new(Vec::with_capacity(raw.len()));
    let mut at = 0;
    while at < raw.len() {
        let escape = (raw[at] == b'\\').then(|| raw.get(at + 1)).flatten();
        let digits = match escape {
            Some(b'x' | b'X') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        let number = raw
            .get(at + 2..at + 2 + digits)
            .filter(|text| digits > 0 && text.iter().all(u8::is_ascii_hexdigit))
            .and_then(|text| u32::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok());
        match (escape, number) {
            (Some(b'X'), Some(number)) => value.push(number as u8),
            (Some(_), Some(number)) => {
                let character = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
                value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            (Some(other), None) => value.push(match other {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'e' => 0x1b,
                other => *other,
            }),
            (None, _) => value.push(raw[at]),
        }
        at += match (escape, number) {
            (Some(_), Some(_)) => 2 + digits,
            (Some(_), None) => 2,
            (None, _) => 1,
        };
    }
    value
}
