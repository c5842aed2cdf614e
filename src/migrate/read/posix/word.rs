//! Words: where one ends, and what the shell would make of it.

use super::is_zsh;
use crate::migrate::heuristics::identifier;
use crate::migrate::model::{Fixed, Reason, note};
use crate::migrate::read::word::{Draft, Expansion, Word};
use crate::migrate::read::{Reader, Result, Unreadable};
use zeroize::Zeroizing;

pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The subscript and the value of `NAME[subscript]=value`, where the subscript could be a variable's name.
pub(super) fn element(text: &[u8]) -> Option<(&str, &[u8])> {
    let open = text.iter().position(|byte| *byte == b'[')?;
    let close = text.windows(2).position(|pair| pair == b"]=")?;
    let quotes: &[_] = &['"', '\''];
    let name = std::str::from_utf8(text.get(open + 1..close)?).ok()?.trim_matches(quotes);
    Some((identifier(name.as_bytes())?, &text[close + 2..]))
}

/// One word.
pub(super) fn word<'a>(reader: &mut Reader<'a>) -> Result<Word<'a>> {
    read_word(reader, true)
}

/// One word. `grouped`: whether zsh may see a pattern's `(` as its first byte.
pub(super) fn read_word<'a>(reader: &mut Reader<'a>, grouped: bool) -> Result<Word<'a>> {
    let zsh = is_zsh(reader);
    let start = reader.at;
    let mut word = Draft::new(reader.bytes, start);
    let mut braces = 0usize;
    while let Some(byte) = reader.peek() {
        let at = reader.at;
        let next = reader.rest().get(1).copied();
        match byte {
            b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')' => break,
            b'\r' if next == Some(b'\n') => break,
            b'<' | b'>' if next == Some(b'(') => {
                reader.at += 2;
                reader.substitution()?;
                word.expand(Expansion::Other, at);
            }
            // zsh's range of numbers: `<1-9>`.
            b'<' if zsh && number_range(reader.rest()) > 0 => {
                reader.at += number_range(reader.rest());
                word.expand(Expansion::Other, at);
            }
            b'<' | b'>' => break,
            b'(' if word.is_literal() && opens_array(&reader.bytes[start..at]) => {
                reader.nested(array)?;
                word.set_element();
                word.expand(Expansion::Other, at);
            }
            b'(' => {
                let is_first = at == start;
                let is_extended = !is_first && b"?*+@!".contains(&reader.bytes[at - 1]);
                if zsh && at == start + 1 && reader.bytes[start] == b'=' {
                    reader.at += 1;
                    reader.substitution()?;
                } else if is_extended || zsh && (!is_first && next != Some(b')') || is_first && grouped) {
                    reader.parenthesis()?;
                } else {
                    break;
                }
                word.expand(Expansion::Other, at);
            }
            b'[' if identifier(&reader.bytes[start..at]).is_some() => {
                let is_closed = reader.bracket()?;
                if is_closed && (reader.peek() == Some(b'=') || reader.rest().starts_with(b"+=")) {
                    word.set_element();
                    word.extend(&reader.bytes[at..reader.at], at);
                } else {
                    // A pattern's set of characters: its bytes are read like any others.
                    reader.at = at + 1;
                    word.push(b'[', at);
                }
            }
            b'~' if at == start || identifier_before(&reader.bytes[start..at]) => {
                // Of another user's home, only the system could tell the path.
                match next {
                    None | Some(b'/' | b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b')' | b'`') => {
                        word.expand(Expansion::Home, at);
                    }
                    Some(_) => word.push_pattern(byte, at),
                }
                reader.at += 1;
            }
            b'}' if zsh && braces == 0 && closes_body(reader, start) => break,
            _ => {
                braces += usize::from(byte == b'{');
                braces = braces.saturating_sub(usize::from(byte == b'}'));
                reader.piece(&mut word)?;
            }
        }
    }
    Ok(word.finish(start..reader.at))
}

// Whether a value follows: behind `NAME=`.
fn identifier_before(before: &[u8]) -> bool {
    before.strip_suffix(b"=").is_some_and(|name| identifier(name).is_some())
}

// Whether an array's parenthesis follows: behind `NAME=`, `NAME+=`, `NAME[...]=`.
fn opens_array(before: &[u8]) -> bool {
    let Some(name) = before.strip_suffix(b"=") else { return false };
    let name = name.strip_suffix(b"+").unwrap_or(name);
    let size = name.iter().take_while(|byte| is_name(**byte)).count();
    size > 0 && (size == name.len() || name[size] == b'[')
}

// zsh's `}` closes a body right behind a word, too, but not behind an assignment.
fn closes_body(reader: &Reader<'_>, start: usize) -> bool {
    if !reader.rest().get(1).is_none_or(|byte| b" \t\r\n;&|)".contains(byte)) {
        return false;
    }
    let word = &reader.bytes[start..reader.at];
    let size = word.iter().take_while(|byte| is_name(**byte)).count();
    !(word.is_empty() || size > 0 && matches!(word.get(size), Some(b'=' | b'+' | b'[')))
}

fn number_range(rest: &[u8]) -> usize {
    let digits = |from: usize| rest[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = 1 + digits(1);
    if rest.get(sign) != Some(&b'-') {
        return 0;
    }
    let end = sign + 1 + digits(sign + 1);
    if rest.get(end) == Some(&b'>') { end + 1 } else { 0 }
}

// The inside of `NAME=(`, and its end.
fn array(reader: &mut Reader<'_>) -> Result<()> {
    let zsh = is_zsh(reader);
    let start = reader.at;
    reader.at += 1;
    let mut before = None;
    loop {
        reader.line_ends()?;
        match reader.peek().ok_or(Unreadable)? {
            b')' => break,
            b'(' if !zsh => reader.parenthesis()?,
            b';' | b'&' | b'|' => reader.at += 1,
            b'<' | b'>' if reader.rest().get(1) != Some(&b'(') => reader.at += 1,
            _ => {
                let word = word(reader)?;
                // A brace by itself is a word here.
                reader.at += usize::from(word.span.is_empty());
                reader.look_into(&word, Reason::Array, None);
                // `[NAME]=value`; zsh takes a map's names and values in turn, too.
                let text = word.literal().unwrap_or_default();
                let name = identifier(text);
                let pair = element(text).map(|(name, value)| (name.to_owned(), value));
                if let Some((name, value)) = pair.or(before.take().map(|name| (name, text))) {
                    let value = Zeroizing::new(value.to_vec());
                    let (name, at, reason) = (Some(name), word.span.start, Reason::Array);
                    note(&mut reader.fixed, Fixed { name, at, value, reason });
                }
                before = name.filter(|_| zsh).map(str::to_owned);
            }
        }
    }
    reader.at += 1;
    reader.report(start..reader.at, Reason::Array, None);
    Ok(())
}

impl Reader<'_> {
    /// Reports whether zsh's `<1-9>` stands here, which is no redirection.
    pub(super) fn is_number_range(&self) -> bool {
        let rest = self.rest();
        let size = rest[1..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
        rest.get(size + 1) == Some(&b'>') && rest[1..=size].contains(&b'-')
    }

    /// One quoted or expanding piece, or one byte, outside double quotes.
    pub(super) fn piece(&mut self, word: &mut Draft<'_>) -> Result<()> {
        let at = self.at;
        match self.bytes[at] {
            b'\\' => match &self.rest()[1..] {
                [b'\n', ..] => self.at += 2,
                [b'\r', b'\n', ..] => self.at += 3,
                [byte, ..] => {
                    word.push(*byte, at + 1);
                    self.at += 2;
                }
                [] => return Err(Unreadable),
            },
            b'\'' => {
                word.quote();
                let inside = &self.rest()[1..];
                let size = memchr::memchr(b'\'', inside).ok_or(Unreadable)?;
                word.extend(&inside[..size], at + 1);
                self.at += size + 2;
            }
            b'"' => self.double_quoted(word)?,
            b'$' => self.dollar(word, false)?,
            b'`' => self.backtick(word)?,
            byte => {
                word.push(byte, at);
                self.at += 1;
            }
        }
        Ok(())
    }

    pub(super) fn double_quoted(&mut self, word: &mut Draft<'_>) -> Result<()> {
        word.quote();
        self.at += 1;
        loop {
            let at = self.at;
            match self.peek().ok_or(Unreadable)? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => match &self.rest()[1..] {
                    [b'\n', ..] => self.at += 2,
                    [b'\r', b'\n', ..] => self.at += 3,
                    [byte @ (b'$' | b'`' | b'"' | b'\\'), ..] => {
                        word.push(*byte, at + 1);
                        self.at += 2;
                    }
                    _ => {
                        word.push(b'\\', at);
                        self.at += 1;
                    }
                },
                b'$' => self.dollar(word, true)?,
                b'`' => self.backtick(word)?,
                byte => {
                    word.push(byte, at);
                    self.at += 1;
                }
            }
        }
    }

    /// A pattern's group, from its `(` to its `)`.
    pub(super) fn parenthesis(&mut self) -> Result<()> {
        self.nested(|reader| {
            let (mut depth, mut inside) = (0usize, Draft::new(reader.bytes, reader.at));
            loop {
                match reader.peek().ok_or(Unreadable)? {
                    b'(' => depth += 1,
                    b')' => depth -= 1,
                    b'\\' | b'\'' | b'"' | b'$' | b'`' => {
                        reader.piece(&mut inside)?;
                        continue;
                    }
                    _ => {}
                }
                reader.at += 1;
                if depth == 0 {
                    return Ok(());
                }
            }
        })
    }

    /// Moves behind the `))` of an arithmetic expression whose inside begins at `from`, if there is one.
    pub(super) fn arithmetic(&mut self, from: usize) -> bool {
        // Only if the outer parenthesis closes right behind the inner one; `((a) | (b))` is two subshells.
        let end = self.matching(from, b'(', b')', false).filter(|end| self.bytes.get(*end) == Some(&b')'));
        self.at = end.map_or(self.at, |end| end + 1);
        end.is_some()
    }

    /// Moves behind the `]` of a subscript on one line, if there is one.
    pub(super) fn bracket(&mut self) -> Result<bool> {
        // Every bracket without an end is looked for to the end of its line: nobody writes so many.
        if self.guessed > 64 * self.bytes.len() {
            return Err(Unreadable);
        }
        match self.matching(self.at + 1, b'[', b']', true) {
            Some(end) => self.at = end,
            None => {
                let rest = self.rest();
                self.guessed += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                return Ok(false);
            }
        }
        Ok(true)
    }

    // The place behind the bracket that closes what was opened before `from`. Never looks into what stands between: a
    // guess that may be taken back must not cost more than the bytes it looks at.
    fn matching(&self, from: usize, open: u8, close: u8, on_one_line: bool) -> Option<usize> {
        let (mut at, mut depth) = (from, 1usize);
        loop {
            match *self.bytes.get(at)? {
                b'\\' => at += 1,
                quote @ (b'\'' | b'"') if on_one_line => {
                    at += memchr::memchr(quote, &self.bytes[at + 1..])? + 1;
                }
                b'\n' if on_one_line => return None,
                byte if byte == open => depth += 1,
                byte if byte == close => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
}
