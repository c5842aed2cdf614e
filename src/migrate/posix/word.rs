//! Words: where one ends, and what the shell would make of it.

use super::{Reader, Result, Unreadable};
use crate::migrate::model::{Fixed, Node, Reason, Span, Value};
use zeroize::Zeroizing;

/// A word, taken apart.
#[derive(Debug)]
pub(super) struct Word {
    /// Its bytes, quotes included.
    pub span: Span,
    /// Its pieces; neighbouring literals are one.
    pub parts: Vec<Part>,
    /// `NAME=(...)` or `NAME[...]=...`.
    pub array: bool,
}

/// A piece of a word. No `Debug` of its bytes: it may be a key.
pub(super) enum Part {
    /// Decoded bytes.
    Literal(Zeroizing<Vec<u8>>),
    /// `$V` or `${V}`.
    Variable(String),
    /// `${V:-literal}`, or `:=`, which also sets V.
    Default { name: String, name_span: Span, sets: bool, literal: Zeroizing<Vec<u8>>, span: Span },
    /// What only running the code would tell.
    Dynamic,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Literal(_) => "Literal(redacted)",
            Self::Variable(_) => "Variable",
            Self::Default { .. } => "Default(redacted)",
            Self::Dynamic => "Dynamic",
        })
    }
}

impl Word {
    /// The whole word's bytes, if they do not depend on anything.
    pub(super) fn literal(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(b""),
            [Part::Literal(bytes)] => Some(bytes),
            _ => None,
        }
    }

    /// The name, its end in the literal, and whether the sign is `+=`, where the word is `NAME=...`.
    pub(super) fn assigned(&self) -> Option<(String, usize, bool)> {
        let Some(Part::Literal(first)) = self.parts.first() else { return None };
        let size = first.iter().position(|byte| !is_name(*byte))?;
        let (append, sign) = match &first[size..] {
            [b'=', ..] => (false, 1),
            [b'+', b'=', ..] => (true, 2),
            // The element of an array; the reader marks it, since the subscript may hold anything.
            [b'[', ..] if self.array => (false, 0),
            _ => return None,
        };
        let name = identifier(&first[..size])?;
        Some((name, size + sign, append))
    }

    /// What follows the first `skip` bytes of the literal that the word begins with.
    pub(super) fn value(&self, skip: usize, span: Span) -> Value {
        if self.array {
            return Value::Dynamic;
        }
        let mut skip = skip;
        let mut found = None;
        for part in &self.parts {
            let value = match part {
                Part::Literal(bytes) => {
                    let bytes = &bytes[std::mem::take(&mut skip)..];
                    if bytes.is_empty() {
                        continue;
                    }
                    Value::Literal(Zeroizing::new(bytes.to_vec()), span.clone())
                }
                Part::Variable(name) => Value::Copy(name.clone()),
                Part::Default { name, literal, span, .. } => {
                    Value::Default(name.clone(), Zeroizing::new(literal.to_vec()), span.clone())
                }
                Part::Dynamic => return Value::Dynamic,
            };
            if found.replace(value).is_some() {
                return Value::Dynamic;
            }
        }
        found.unwrap_or_else(|| Value::Literal(Zeroizing::new(Vec::new()), span))
    }
}

pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The bytes as a variable's name, if they are one.
pub(super) fn identifier(bytes: &[u8]) -> Option<String> {
    let valid = bytes.first().is_some_and(|byte| !byte.is_ascii_digit()) && bytes.iter().all(|byte| is_name(*byte));
    valid.then(|| String::from_utf8_lossy(bytes).into_owned())
}

/// The subscript and the value of `NAME[subscript]=value`, where the subscript could be a variable's name.
pub(super) fn element(text: &[u8]) -> Option<(String, &[u8])> {
    let open = text.iter().position(|byte| *byte == b'[')?;
    let close = text.windows(2).position(|pair| pair == b"]=")?;
    let quotes: &[_] = &['"', '\''];
    let name = std::str::from_utf8(text.get(open + 1..close)?).ok()?.trim_matches(quotes);
    Some((identifier(name.as_bytes())?, &text[close + 2..]))
}

fn push(parts: &mut Vec<Part>, byte: u8) {
    extend(parts, &[byte]);
}

fn extend(parts: &mut Vec<Part>, bytes: &[u8]) {
    match parts.last_mut() {
        Some(Part::Literal(last)) => {
            // A vector that grows leaves its old bytes behind; a fresh one is wiped with the rest.
            if last.capacity() < last.len() + bytes.len() {
                let mut wider = Vec::with_capacity((last.len() + bytes.len()).max(256) * 2);
                wider.extend_from_slice(last);
                *last = Zeroizing::new(wider);
            }
            last.extend_from_slice(bytes);
        }
        _ => {
            let mut fresh = Vec::with_capacity(bytes.len().max(256));
            fresh.extend_from_slice(bytes);
            parts.push(Part::Literal(Zeroizing::new(fresh)));
        }
    }
}

impl Reader<'_> {
    /// One word. `grouped`: whether zsh may see a glob's `(` as its first byte.
    pub(super) fn word(&mut self, grouped: bool) -> Result<Word> {
        let start = self.at;
        let mut parts = Vec::new();
        let mut array = false;
        let mut braces = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')' => break,
                b'\r' if self.peek_at(1) == Some(b'\n') => break,
                b'<' | b'>' if self.peek_at(1) == Some(b'(') => {
                    self.at += 2;
                    self.substitution()?;
                    parts.push(Part::Dynamic);
                }
                // zsh's range of numbers: `<1-9>`.
                b'<' if self.zsh && self.number_range() > 0 => {
                    self.at += self.number_range();
                    parts.push(Part::Dynamic);
                }
                b'<' | b'>' => break,
                b'(' if self.is_array_open(start, &parts) => {
                    self.nested(Self::array)?;
                    array = true;
                    parts.push(Part::Dynamic);
                }
                b'(' => {
                    let first = self.at == start;
                    let extended = !first && matches!(self.bytes[self.at - 1], b'?' | b'*' | b'+' | b'@' | b'!');
                    if self.zsh && self.at == start + 1 && self.bytes[start] == b'=' {
                        self.at += 1;
                        self.substitution()?;
                    } else if extended || self.zsh && (!first && self.peek_at(1) != Some(b')') || first && grouped) {
                        self.parenthesis()?;
                    } else {
                        break;
                    }
                    parts.push(Part::Dynamic);
                }
                b'[' if self.is_subscript(start) => {
                    let open = self.at;
                    let closed = self.bracket().is_ok();
                    if closed && (self.peek() == Some(b'=') || self.rest().starts_with(b"+=")) {
                        array = true;
                        extend(&mut parts, &self.bytes[open..self.at]);
                    } else {
                        // A glob's set of characters: its bytes are read like any others.
                        self.at = open + 1;
                        push(&mut parts, b'[');
                    }
                }
                b'}' if self.zsh && braces == 0 && self.closes(start) => break,
                _ => {
                    braces += usize::from(byte == b'{');
                    braces = braces.saturating_sub(usize::from(byte == b'}'));
                    self.piece(&mut parts)?;
                }
            }
        }
        Ok(Word { span: start..self.at, parts, array })
    }

    /// One quoted or expanding piece, or one byte, outside double quotes.
    fn piece(&mut self, parts: &mut Vec<Part>) -> Result<()> {
        match self.bytes[self.at] {
            b'\\' => match (self.peek_at(1), self.peek_at(2)) {
                (Some(b'\n'), _) => self.at += 2,
                (Some(b'\r'), Some(b'\n')) => self.at += 3,
                (Some(byte), _) => {
                    push(parts, byte);
                    self.at += 2;
                }
                (None, _) => return Err(Unreadable),
            },
            b'\'' => {
                let start = self.at + 1;
                let size = self.find(start, b'\'')?;
                extend(parts, &self.bytes[start..start + size]);
                self.at = start + size + 1;
            }
            b'"' => self.double_quoted(parts)?,
            b'$' => self.dollar(parts, false)?,
            b'`' => self.backtick(parts)?,
            byte => {
                push(parts, byte);
                self.at += 1;
            }
        }
        Ok(())
    }

    fn find(&self, from: usize, byte: u8) -> Result<usize> {
        self.bytes[from..].iter().position(|other| *other == byte).ok_or(Unreadable)
    }

    fn double_quoted(&mut self, parts: &mut Vec<Part>) -> Result<()> {
        self.at += 1;
        // Quotes make a word of nothing at all.
        extend(parts, b"");
        loop {
            match self.peek().ok_or(Unreadable)? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => match (self.peek_at(1), self.peek_at(2)) {
                    (Some(b'\n'), _) => self.at += 2,
                    (Some(b'\r'), Some(b'\n')) => self.at += 3,
                    (Some(byte @ (b'$' | b'`' | b'"' | b'\\')), _) => {
                        push(parts, byte);
                        self.at += 2;
                    }
                    _ => {
                        push(parts, b'\\');
                        self.at += 1;
                    }
                },
                b'$' => self.dollar(parts, true)?,
                b'`' => self.backtick(parts)?,
                byte => {
                    push(parts, byte);
                    self.at += 1;
                }
            }
        }
    }

    fn backtick(&mut self, parts: &mut Vec<Part>) -> Result<()> {
        let start = self.at + 1;
        let mut at = start;
        while *self.bytes.get(at).ok_or(Unreadable)? != b'`' {
            at += if self.bytes[at] == b'\\' { 2 } else { 1 };
        }
        self.report(start..at, Reason::Substitution);
        // Without a backslash it is code as it stands; otherwise nobody looks what it runs.
        let mut inside = Reader { at: start, depth: self.depth, ..Reader::new(&self.bytes[..at], self.zsh) };
        let plain = !self.bytes[start..at].contains(&b'\\');
        match inside.list(false) {
            Ok(nodes) if plain && inside.at == at => {
                inside.substituted(nodes, 0);
                self.fixed.append(&mut inside.fixed);
                self.passed.append(&mut inside.passed);
                self.programs += inside.programs;
            }
            _ => self.programs += 1,
        }
        self.at = at + 1;
        parts.push(Part::Dynamic);
        Ok(())
    }

    fn dollar(&mut self, parts: &mut Vec<Part>, quoted: bool) -> Result<()> {
        match self.peek_at(1) {
            Some(b'\'') if !quoted => return self.ansi(parts),
            Some(b'"') if !quoted => {
                self.at += 1;
                return self.double_quoted(parts);
            }
            Some(b'(') => {
                if !(self.peek_at(2) == Some(b'(') && self.arithmetic(self.at + 3)) {
                    self.at += 2;
                    self.substitution()?;
                }
                parts.push(Part::Dynamic);
            }
            Some(b'{') => {
                let part = self.braced(quoted)?;
                parts.push(part);
            }
            Some(b'[') => {
                self.at += 1;
                // Without its end it is a dollar in a pattern.
                if self.bracket().is_ok() {
                    parts.push(Part::Dynamic);
                } else {
                    push(parts, b'$');
                }
            }
            Some(byte) if is_name(byte) && !byte.is_ascii_digit() => {
                let start = self.at + 1;
                self.at = start;
                self.at += self.rest().iter().take_while(|byte| is_name(**byte)).count();
                let name = String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned();
                if self.zsh && self.peek() == Some(b'[') && self.bracket().is_ok() {
                    parts.push(Part::Dynamic);
                } else {
                    parts.push(Part::Variable(name));
                }
            }
            Some(b'@' | b'*' | b'#' | b'?' | b'$' | b'!' | b'-' | b'0'..=b'9') => {
                self.at += 2;
                parts.push(Part::Dynamic);
            }
            _ => {
                push(parts, b'$');
                self.at += 1;
            }
        }
        Ok(())
    }

    /// `${...}`.
    fn braced(&mut self, quoted: bool) -> Result<Part> {
        self.nested(|reader| reader.braced_inner(quoted))
    }

    fn braced_inner(&mut self, quoted: bool) -> Result<Part> {
        self.at += 2;
        let flags = self.zsh && self.peek() == Some(b'(');
        if flags {
            let size = self.find(self.at, b')')?;
            self.at += size + 1;
        }
        let start = self.at;
        self.at += self.rest().iter().take_while(|byte| is_name(**byte)).count();
        let name_span = start..self.at;
        let name = identifier(&self.bytes[name_span.clone()]).filter(|_| !flags);
        let rest = self.rest();
        let (size, operator) = match rest {
            [b'}', ..] => (0, b'}'),
            [b':', sign @ (b'-' | b'=' | b'+' | b'?'), ..] => (2, *sign),
            [sign @ (b'-' | b'=' | b'+' | b'?'), ..] if name.is_some() => (1, *sign),
            // `${#}`, `${?}`, `${#name}`, `${!name}`: the sign is no operator, and `#}` ends it.
            [b'$', b'{' | b'(', ..] => (0, 0),
            [b'#' | b'?' | b'!' | b'$' | b'@' | b'*' | b'-', ..] if name_span.is_empty() => (1, 0),
            _ => (0, 0),
        };
        self.at += size;
        let from = self.at;
        // Inside double quotes a single quote quotes only in a pattern, and in zsh nowhere.
        let plain = quoted && (self.zsh || matches!(operator, b'-' | b'=' | b'+' | b'?'));
        // Outside quotes zsh counts the braces in it: `${x:gs/\\{/{/}`.
        let counts = self.zsh && !quoted;
        let mut braces = 0usize;
        let mut parts = Vec::new();
        loop {
            match self.peek().ok_or(Unreadable)? {
                b'}' if braces == 0 => break,
                byte @ (b'{' | b'}') if counts => {
                    braces = if byte == b'{' { braces + 1 } else { braces - 1 };
                    push(&mut parts, byte);
                    self.at += 1;
                }
                byte @ b'\'' if plain => {
                    push(&mut parts, byte);
                    self.at += 1;
                }
                b'$' => self.dollar(&mut parts, quoted)?,
                _ => self.piece(&mut parts)?,
            }
        }
        let span = from..self.at;
        self.at += 1;
        Ok(match (name, operator) {
            (Some(name), b'}') => Part::Variable(name),
            (Some(name), b'-' | b'=') => match <[Part; 1]>::try_from(parts) {
                Ok([Part::Literal(literal)]) => {
                    Part::Default { name, name_span, sets: operator == b'=', literal, span }
                }
                _ => Part::Dynamic,
            },
            _ => Part::Dynamic,
        })
    }

    /// `$'...'`.
    fn ansi(&mut self, parts: &mut Vec<Part>) -> Result<()> {
        self.at += 2;
        extend(parts, b"");
        loop {
            let byte = self.peek().ok_or(Unreadable)?;
            self.at += 1;
            match byte {
                b'\'' => return Ok(()),
                b'\\' => {
                    let letter = self.peek().ok_or(Unreadable)?;
                    self.at += 1;
                    self.escape(parts, letter);
                }
                _ => push(parts, byte),
            }
        }
    }

    fn escape(&mut self, parts: &mut Vec<Part>, letter: u8) {
        let simple = match letter {
            b'a' => 7,
            b'b' => 8,
            b'e' | b'E' => 27,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'\\' | b'\'' | b'"' | b'?' => letter,
            b'0'..=b'7' => {
                self.at -= 1;
                (self.number(8, 3) & 0xff) as u8
            }
            b'x' => (self.number(16, 2) & 0xff) as u8,
            b'u' | b'U' => {
                let code = self.number(16, if letter == b'u' { 4 } else { 8 });
                let mut text = [0; 4];
                let text = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut text);
                return extend(parts, text.as_bytes());
            }
            b'c' => {
                let control = self.peek().unwrap_or(b'@') & 0x1f;
                self.at = (self.at + 1).min(self.bytes.len());
                control
            }
            _ => return extend(parts, &[b'\\', letter]),
        };
        push(parts, simple);
    }

    fn number(&mut self, base: u32, most: usize) -> u32 {
        let mut value = 0u32;
        for _ in 0..most {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(base)) else { break };
            value = value.wrapping_mul(base).wrapping_add(digit);
            self.at += 1;
        }
        value
    }

    /// The inside of `$(`, `<(`, `>(` or `=(`, and its end.
    pub(super) fn substitution(&mut self) -> Result<()> {
        let outer = std::mem::take(&mut self.pending);
        let passed = self.passed.len();
        let nodes = self.list(false)?;
        self.expect(b")")?;
        self.pending = outer;
        self.substituted(nodes, passed);
        Ok(())
    }

    // Only what one command by itself prints is what the substitution comes to.
    fn substituted(&mut self, nodes: Vec<Node>, passed: usize) {
        if !matches!(nodes.as_slice(), [Node::Other(_)]) {
            self.passed.truncate(passed);
        }
        self.settle(nodes, Reason::Substitution);
    }

    /// Moves behind the `))` of an arithmetic expression whose inside begins at `from`, if there is one.
    pub(super) fn arithmetic(&mut self, from: usize) -> bool {
        // Only if the outer parenthesis closes right behind the inner one; `((a) | (b))` is two subshells.
        let Some(end) = self.matching(from, b'(', b')', false) else { return false };
        let closed = self.bytes.get(end) == Some(&b')');
        if closed {
            self.at = end + 1;
        }
        closed
    }

    // The place behind the bracket that closes what was opened before `from`. Never looks into what stands between: a
    // guess that may be taken back must not cost more than the bytes it looks at.
    fn matching(&self, from: usize, open: u8, close: u8, one_line: bool) -> Option<usize> {
        let (mut at, mut depth) = (from, 1usize);
        loop {
            match *self.bytes.get(at)? {
                b'\\' => at += 1,
                quote @ (b'\'' | b'"') if one_line => {
                    let size = self.bytes[at + 1..].iter().position(|byte| *byte == quote)?;
                    at += size + 1;
                }
                b'\n' if one_line => return None,
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

    /// A glob's group, from its `(` to its `)`.
    pub(super) fn parenthesis(&mut self) -> Result<()> {
        self.nested(|reader| reader.balanced(b'(', b')'))
    }

    // A subscript, from its `[` to its `]`, on one line.
    fn bracket(&mut self) -> Result<()> {
        self.at = self.matching(self.at + 1, b'[', b']', true).ok_or(Unreadable)?;
        Ok(())
    }

    fn balanced(&mut self, open: u8, close: u8) -> Result<()> {
        let (mut depth, mut parts) = (0usize, Vec::new());
        loop {
            let byte = self.peek().ok_or(Unreadable)?;
            if byte == open {
                depth += 1;
            } else if byte == close {
                depth -= 1;
            } else if matches!(byte, b'\\' | b'\'' | b'"' | b'$' | b'`') {
                self.piece(&mut parts)?;
                continue;
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// The inside of `NAME=(`, and its end.
    fn array(&mut self) -> Result<()> {
        let start = self.at;
        self.at += 1;
        let mut before = None;
        loop {
            self.newlines()?;
            match self.peek().ok_or(Unreadable)? {
                b')' => break,
                b'(' if !self.zsh => self.parenthesis()?,
                b';' | b'&' | b'|' => self.at += 1,
                b'<' | b'>' if self.peek_at(1) != Some(b'(') => self.at += 1,
                _ => {
                    let word = self.word(true)?;
                    // A brace by itself is a word here.
                    self.at += usize::from(word.span.is_empty());
                    self.look_into(&word, Reason::Array);
                    // `[NAME]=value`; zsh takes a map's names and values in turn, too.
                    let text = word.literal().unwrap_or_default();
                    let name = identifier(text);
                    let pair = element(text).or(before.take().map(|name| (name, text)));
                    if let Some((name, value)) = pair {
                        let value = Zeroizing::new(value.to_vec());
                        self.fixed.push(Fixed { name: Some(name), at: word.span.start, value, reason: Reason::Array });
                    }
                    before = name.filter(|_| self.zsh);
                }
            }
        }
        self.at += 1;
        self.report(start..self.at, Reason::Array);
        Ok(())
    }

    fn is_array_open(&self, start: usize, parts: &[Part]) -> bool {
        let before = &self.bytes[start..self.at];
        let Some(name) = before.strip_suffix(b"=") else { return false };
        let name = name.strip_suffix(b"+").unwrap_or(name);
        let size = name.iter().take_while(|byte| is_name(**byte)).count();
        parts.len() == 1 && size > 0 && (size == name.len() || name[size] == b'[')
    }

    // zsh's `}` closes a body right behind a word, too, but not behind an assignment.
    fn closes(&self, start: usize) -> bool {
        let ends =
            self.peek_at(1).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b')'));
        let word = &self.bytes[start..self.at];
        let size = word.iter().take_while(|byte| is_name(**byte)).count();
        ends && !word.is_empty() && !(size > 0 && matches!(word.get(size), Some(b'=' | b'+' | b'[')))
    }

    fn is_subscript(&self, start: usize) -> bool {
        identifier(&self.bytes[start..self.at]).is_some()
    }

    fn number_range(&self) -> usize {
        let rest = &self.rest()[1..];
        let from = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if rest.get(from) != Some(&b'-') {
            return 0;
        }
        let to = rest[from + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if rest.get(from + 1 + to) == Some(&b'>') { from + to + 3 } else { 0 }
    }
}
