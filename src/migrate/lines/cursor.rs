//! A place in a file of lines, and what the formats' statements share.

use crate::migrate::model::{Span, Value, Word};
use zeroize::Zeroizing;

pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl Cursor<'_> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    // The size of the terminator here: nothing at the end of the file, else `\n`, `\r\n`, or a last lone `\r`.
    pub(super) fn terminator(&self) -> Option<usize> {
        match self.rest() {
            [] => Some(0),
            [b'\n', ..] | [b'\r'] => Some(1),
            [b'\r', b'\n', ..] => Some(2),
            _ => None,
        }
    }

    pub(super) fn at_line_end(&self) -> bool {
        self.terminator().is_some()
    }

    pub(super) fn next_line(&mut self) {
        self.at += self.terminator().unwrap_or(0);
    }

    pub(super) fn line_end(&self) -> usize {
        let end = memchr::memchr(b'\n', self.rest()).map_or(self.bytes.len(), |size| self.at + size);
        if end > self.at && self.bytes[end - 1] == b'\r' { end - 1 } else { end }
    }

    // A backslash before a terminator, and how many bytes both are.
    pub(super) fn continuation(&self) -> Option<usize> {
        match self.rest() {
            [b'\\', b'\n', ..] => Some(2),
            [b'\\', b'\r', b'\n', ..] => Some(3),
            _ => None,
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                _ => match self.continuation() {
                    Some(size) => self.at += size,
                    None => return,
                },
            }
        }
    }

    // Whether what stands here may follow a statement.
    pub(super) fn ends_statement(&self) -> bool {
        let mut after = Cursor { bytes: self.bytes, at: self.at };
        after.skip_blanks();
        after.at_line_end()
            || match after.peek() {
                Some(b';') => true,
                Some(b'#') => after.at > self.at,
                _ => false,
            }
    }

    pub(super) fn name(&mut self) -> Option<Span> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let size = self.rest().iter().position(|byte| !is_part(byte)).unwrap_or(self.rest().len());
        if size == 0 || self.rest()[0].is_ascii_digit() {
            return None;
        }
        self.at += size;
        Some(self.at - size..self.at)
    }

    pub(super) fn word(&self, name: Span, value: Value) -> Word {
        let text = String::from_utf8_lossy(&self.bytes[name.clone()]).into_owned();
        Word { span: name.start..self.at, name_span: name, name: text, value }
    }
}

pub(super) fn skip_export(cursor: &mut Cursor<'_>) -> bool {
    let found = cursor.rest().starts_with(b"export") && matches!(cursor.rest().get(6), Some(b' ' | b'\t' | b'\\'));
    if found {
        let start = cursor.at;
        cursor.at += 6;
        let after = cursor.at;
        cursor.skip_blanks();
        if cursor.at == after || cursor.peek() == Some(b'=') {
            cursor.at = start;
            return false;
        }
    }
    found
}

// Gives whether something is expanded inside.
pub(super) fn double_quoted(cursor: &mut Cursor<'_>, start: usize, value: &mut Vec<u8>) -> Option<bool> {
    let open = cursor.at;
    let mut dynamic = false;
    cursor.at += 1;
    loop {
        if let Some(size) = cursor.continuation() {
            cursor.at += size;
            continue;
        }
        match cursor.peek()? {
            b'"' => break,
            b'\n' if open > start => return None,
            b'$' | b'`' => {
                dynamic = true;
                cursor.at += 1;
            }
            b'\\' => {
                let next = *cursor.bytes.get(cursor.at + 1)?;
                if !matches!(next, b'"' | b'\\' | b'$' | b'`') {
                    value.push(b'\\');
                }
                value.push(next);
                cursor.at += 2;
            }
            byte => {
                value.push(byte);
                cursor.at += 1;
            }
        }
    }
    cursor.at += 1;
    Some(dynamic)
}

// A value that is nothing but `$V`, `${V}`, `${V:-literal}` or `${V:=literal}`, in double quotes or bare.
pub(super) fn reference(bytes: &[u8], span: &Span) -> Option<Value> {
    let raw = &bytes[span.clone()];
    let quoted = raw.len() > 2 && raw.starts_with(b"\"") && raw.ends_with(b"\"");
    let (inner, from) = if quoted { (&raw[1..raw.len() - 1], span.start + 1) } else { (raw, span.start) };
    let rest = inner.strip_prefix(b"$")?;
    let braced = rest.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    let body = braced.unwrap_or(rest);
    let mut cursor = Cursor { bytes: body, at: 0 };
    let name = cursor.name()?;
    let name = String::from_utf8_lossy(&body[name]).into_owned();
    if cursor.at == body.len() {
        return Some(Value::Copy(name));
    }
    let start = from + 1 + usize::from(braced.is_some()) + cursor.at;
    let sign = [&b":-"[..], b":=", b"-", b"="].into_iter().find(|sign| cursor.rest().starts_with(sign))?;
    let literal = &cursor.rest()[sign.len()..];
    let plain = braced.is_some()
        && !literal.iter().any(|byte| matches!(byte, b'$' | b'`' | b'"' | b'\'' | b'\\' | b'{' | b'}'));
    let start = start + sign.len();
    plain.then(|| Value::Default(name, Zeroizing::new(literal.to_vec()), start..start + literal.len()))
}
