//! What a shell fills a word in with: variables, commands and `$'...'`.

use super::is_zsh;
use super::word::is_name;
use crate::migrate::heuristics::identifier;
use crate::migrate::model::{Node, Reason, Scope};
use crate::migrate::read::word::{Draft, Expansion, Fallback, escape};
use crate::migrate::read::{Reader, Result, Unreadable};

impl Reader<'_> {
    pub(super) fn backtick(&mut self, word: &mut Draft<'_>) -> Result<()> {
        let start = self.at + 1;
        let mut end = start;
        while *self.bytes.get(end).ok_or(Unreadable)? != b'`' {
            end += if self.bytes[end] == b'\\' { 2 } else { 1 };
        }
        self.report(start..end, Reason::Substitution, None);
        // Without a backslash it is code as it stands; otherwise nobody looks what it runs.
        let mut inside =
            Reader { at: start, depth: self.depth, ..Reader::new(&self.bytes[..end], self.language, self.terms) };
        inside.guessed = self.guessed;
        let is_plain = !self.bytes[start..end].contains(&b'\\');
        match inside.list(Scope::Plain, 1) {
            Ok(nodes) if is_plain && inside.at == end => {
                inside.substituted(nodes, 0);
                self.fixed.append(&mut inside.fixed);
                self.passed.append(&mut inside.passed);
                self.programs += inside.programs;
            }
            _ => self.programs += 1,
        }
        self.guessed = inside.guessed;
        self.at = end + 1;
        word.expand(Expansion::Other, start - 1);
        Ok(())
    }

    /// The inside of `$(`, `<(`, `>(` or `=(`, and its end.
    pub(super) fn substitution(&mut self) -> Result<()> {
        let outer = std::mem::take(&mut self.pending);
        let passed = self.passed.len();
        let nodes = self.list(Scope::Plain, 1)?;
        self.expect(|reader| reader.takes(b")"))?;
        self.pending = outer;
        self.substituted(nodes, passed);
        Ok(())
    }

    // Only what one command by itself prints is what the substitution comes to.
    fn substituted(&mut self, nodes: Vec<Node>, passed: usize) {
        if !matches!(nodes.as_slice(), [Node::Other(_)]) {
            self.passed.truncate(passed);
        }
        nodes.into_iter().for_each(|node| self.settle(node, Reason::Substitution));
    }

    pub(super) fn dollar(&mut self, word: &mut Draft, is_quoted: bool) -> Result<()> {
        let at = self.at;
        match &self.rest()[1..] {
            [b'\'', ..] if !is_quoted => return self.ansi(word),
            [b'"', ..] if !is_quoted => {
                self.at += 1;
                return self.double_quoted(word);
            }
            [b'(', rest @ ..] => {
                if !(rest.first() == Some(&b'(') && self.arithmetic(at + 3)) {
                    self.at += 2;
                    self.substitution()?;
                }
                word.expand(Expansion::Other, at);
            }
            [b'{', ..] => {
                let expansion = self.nested(|reader| reader.braced(is_quoted))?;
                word.expand(expansion, at);
            }
            [b'[', ..] => {
                self.at += 1;
                // Without its end it is a dollar in a pattern.
                if self.bracket()? { word.expand(Expansion::Other, at) } else { word.push(b'$', at) }
            }
            [byte, ..] if is_name(*byte) && !byte.is_ascii_digit() => {
                self.at += 1;
                let size = self.rest().iter().take_while(|byte| is_name(**byte)).count();
                let name = String::from_utf8_lossy(&self.rest()[..size]).into_owned();
                self.at += size;
                let is_indexed = is_zsh(self) && self.peek() == Some(b'[') && self.bracket()?;
                word.expand(if is_indexed { Expansion::Other } else { Expansion::Variable(name) }, at);
            }
            [b'@' | b'*' | b'#' | b'?' | b'$' | b'!' | b'-' | b'0'..=b'9', ..] => {
                self.at += 2;
                word.expand(Expansion::Other, at);
            }
            _ => {
                word.push(b'$', at);
                self.at += 1;
            }
        }
        Ok(())
    }

    // `${...}`
    fn braced(&mut self, is_quoted: bool) -> Result<Expansion> {
        let zsh = is_zsh(self);
        self.at += 2;
        let has_flags = zsh && self.peek() == Some(b'(');
        if has_flags {
            self.at += memchr::memchr(b')', self.rest()).ok_or(Unreadable)? + 1;
        }
        let start = self.at;
        self.at += self.rest().iter().take_while(|byte| is_name(**byte)).count();
        let name_span = start..self.at;
        let name = identifier(&self.bytes[name_span.clone()]).filter(|_| !has_flags).map(str::to_owned);
        let (size, operator) = match self.rest() {
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
        let is_plain = is_quoted && (zsh || matches!(operator, b'-' | b'=' | b'+' | b'?'));
        // Outside quotes zsh counts the braces in it: `${x:gs/\\{/{/}`.
        let counts = zsh && !is_quoted;
        let mut braces = 0usize;
        let mut inside = Draft::new(self.bytes, from);
        loop {
            let at = self.at;
            match self.peek().ok_or(Unreadable)? {
                b'}' if braces == 0 => break,
                byte @ (b'{' | b'}') if counts => {
                    braces = if byte == b'{' { braces + 1 } else { braces - 1 };
                    inside.push(byte, at);
                    self.at += 1;
                }
                byte @ b'\'' if is_plain => {
                    inside.push(byte, at);
                    self.at += 1;
                }
                b'$' => self.dollar(&mut inside, is_quoted)?,
                _ => self.piece(&mut inside)?,
            }
        }
        let span = from..self.at;
        self.at += 1;
        Ok(match (name, operator) {
            (Some(name), b'}') => Expansion::Variable(name),
            (Some(name), b'-' | b'=') if inside.is_literal() => {
                let literal = inside.into_text();
                Expansion::Fallback(Box::new(Fallback { name, name_span, sets: operator == b'=', literal, span }))
            }
            _ => Expansion::Other,
        })
    }

    // `$'...'`
    fn ansi(&mut self, word: &mut Draft<'_>) -> Result<()> {
        word.quote();
        self.at += 2;
        loop {
            let at = self.at;
            self.at += 1;
            match self.bytes.get(at).ok_or(Unreadable)? {
                b'\'' => return Ok(()),
                b'\\' => {
                    let rest = self.rest();
                    let letter = *rest.first().ok_or(Unreadable)?;
                    let (size, bytes) = match escape(rest, b"abeEfnrtv\\'\"?0xuU") {
                        Some(escaped) => escaped,
                        None if letter == b'c' => {
                            let control = rest.get(1).unwrap_or(&b'@') & 0x1f;
                            (rest.len().min(2), vec![control])
                        }
                        None => (1, vec![b'\\', letter]),
                    };
                    bytes.iter().for_each(|byte| word.push(*byte, at));
                    self.at += size;
                }
                byte => word.push(*byte, at),
            }
        }
    }
}
