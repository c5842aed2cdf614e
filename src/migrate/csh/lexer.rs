//! csh's words, quotes and operators, line by line.

use crate::migrate::model::Span;
use zeroize::Zeroizing;

#[derive(Debug)]
pub(super) enum Kind {
    Word(Decoded),
    /// `;`
    Semicolon,
    /// The end of a line.
    Newline,
    /// `&&` or `||`
    AndOr,
    /// `|` or `|&`
    Pipe,
    /// `&`
    Background,
    Open,
    Close,
    /// `<`, `>`, `>>`, `>&!` ...
    Redirect,
    Comment,
    /// The lines of a here-document.
    Here,
}

#[derive(Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// A word as csh sees it.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// Its text; a zero byte stands where something is expanded.
    pub(super) text: Zeroizing<Vec<u8>>,
    /// Where each byte of the text comes from.
    pub(super) from: Vec<usize>,
    pub(super) literal: bool,
    /// Whether any part is quoted; a quoted word is no keyword.
    pub(super) quoted: bool,
    /// Its command substitutions.
    pub(super) commands: Vec<Span>,
}

impl Decoded {
    fn push(&mut self, byte: u8, from: usize) {
        self.text.push(byte);
        self.from.push(from);
    }

    fn expand(&mut self, from: usize) {
        self.literal = false;
        self.push(0, from);
    }
}

pub(super) struct Lexer<'b> {
    bytes: &'b [u8],
    at: usize,
    tokens: Vec<Token>,
    /// The word that ends the here-document which begins on the next line.
    here: Option<Vec<u8>>,
}

impl<'b> Lexer<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, tokens: Vec::new(), here: None }
    }

    /// The tokens, and where the line begins that could not be read, if one could not.
    pub(super) fn run(mut self) -> (Vec<Token>, Option<usize>) {
        let mut line = 0;
        while self.at < self.bytes.len() {
            let start = self.at;
            let kind = match self.bytes[start] {
                b' ' | b'\t' => {
                    self.at += 1;
                    continue;
                }
                b'\\' if self.newline(start + 1).is_some() => {
                    self.at += 1 + self.newline(start + 1).unwrap_or(0);
                    continue;
                }
                _ if self.newline(start).is_some() => {
                    self.at += self.newline(start).unwrap_or(1);
                    line = self.at;
                    self.tokens.push(Token { kind: Kind::Newline, span: start..self.at });
                    if let Some(end) = self.here.take() {
                        let from = self.at;
                        if !self.here_document(&end) {
                            return (self.tokens, Some(from));
                        }
                        line = self.at;
                    }
                    continue;
                }
                b'#' => {
                    let rest = &self.bytes[start..];
                    let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                    self.at += length - usize::from(rest[..length].ends_with(b"\r"));
                    Kind::Comment
                }
                b';' => self.operator(1, Kind::Semicolon),
                b'(' => self.operator(1, Kind::Open),
                b')' => self.operator(1, Kind::Close),
                b'&' if self.bytes[start..].starts_with(b"&&") => self.operator(2, Kind::AndOr),
                b'|' if self.bytes[start..].starts_with(b"||") => self.operator(2, Kind::AndOr),
                b'|' => self.operator(1 + usize::from(self.bytes.get(start + 1) == Some(&b'&')), Kind::Pipe),
                b'&' => self.operator(1, Kind::Background),
                b'<' | b'>' => {
                    let length = self.bytes[start..].iter().take(4).take_while(|byte| b"<>&!".contains(byte)).count();
                    self.operator(length, Kind::Redirect)
                }
                _ => match self.word() {
                    Some(word) => Kind::Word(word),
                    None => {
                        self.tokens.retain(|token| token.span.start < line);
                        return (self.tokens, Some(line));
                    }
                },
            };
            if let (Kind::Word(word), Some(Token { kind: Kind::Redirect, span })) = (&kind, self.tokens.last())
                && self.bytes[span.clone()] == *b"<<"
            {
                self.here = Some(word.text.to_vec());
            }
            self.tokens.push(Token { kind, span: start..self.at });
        }
        // A here-document without its lines.
        let stopped = self.here.is_some().then_some(line);
        if let Some(line) = stopped {
            self.tokens.retain(|token| token.span.start < line);
        }
        (self.tokens, stopped)
    }

    fn operator(&mut self, length: usize, kind: Kind) -> Kind {
        self.at += length;
        kind
    }

    /// The length of the line's end at `at`, if there is one.
    fn newline(&self, at: usize) -> Option<usize> {
        match self.bytes.get(at..)? {
            [b'\n', ..] => Some(1),
            [b'\r', b'\n', ..] => Some(2),
            _ => None,
        }
    }

    /// Takes the lines up to the one that is `end`.
    fn here_document(&mut self, end: &[u8]) -> bool {
        let start = self.at;
        while self.at < self.bytes.len() {
            let rest = &self.bytes[self.at..];
            let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = &rest[..length];
            if line.strip_suffix(b"\r").unwrap_or(line) == end {
                self.tokens.push(Token { kind: Kind::Here, span: start..self.at });
                self.at += length;
                return true;
            }
            self.at += (length + 1).min(rest.len());
        }
        false
    }

    /// One word; nothing where a quote stays open at the line's end.
    fn word(&mut self) -> Option<Decoded> {
        let mut word = Decoded { literal: true, ..Decoded::default() };
        let mut quote = None;
        while let Some(&byte) = self.bytes.get(self.at) {
            let at = self.at;
            let next = self.bytes.get(at + 1).copied();
            let escaped_line = if byte == b'\\' { self.newline(at + 1) } else { None };
            match (quote, byte) {
                (None, b' ' | b'\t' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' | b'#') => break,
                (Some(_), b'\\') if escaped_line.is_some() => {
                    word.push(b'\n', at);
                    self.at += escaped_line.unwrap_or(0);
                }
                (None, b'\\') if escaped_line.is_some() => break,
                _ if self.newline(at).is_some() => {
                    if quote.is_some() {
                        return None;
                    }
                    break;
                }
                // A `!` is history, quoted or not, unless escaped or before one of these.
                (_, b'\\') if next == Some(b'!') => {
                    word.push(b'!', at);
                    word.quoted = true;
                    self.at += 1;
                }
                (_, b'!') if !next.is_none_or(|next| b" \t\r\n=(~".contains(&next)) => word.expand(at),
                (Some(open), _) if open == byte => quote = None,
                (None, b'\'' | b'"') => {
                    quote = Some(byte);
                    word.quoted = true;
                }
                (None | Some(b'"'), b'`') => {
                    let length = self.bytes[at + 1..].iter().position(|byte| matches!(byte, b'`' | b'\n'))?;
                    if self.bytes[at + 1 + length] != b'`' {
                        return None;
                    }
                    word.commands.push(at + 1..at + 1 + length);
                    word.expand(at);
                    self.at += length + 1;
                }
                (None | Some(b'"'), b'$') => self.variable(&mut word),
                (None, b'\\') => {
                    word.quoted = true;
                    match next {
                        Some(next) => word.push(next, at),
                        None => word.expand(at),
                    }
                    self.at += usize::from(next.is_some());
                }
                // File patterns, lists of alternatives, homes.
                (None, b'*' | b'?' | b'[' | b']' | b'{' | b'}') => {
                    word.literal = false;
                    word.push(byte, at);
                }
                (None, b'~' | b'^' | b'=') if word.text.is_empty() && !word.quoted => {
                    word.literal = byte == b'=';
                    word.push(byte, at);
                }
                _ => word.push(byte, at),
            }
            self.at += 1;
        }
        quote.is_none().then_some(word)
    }

    /// `$name`, `${name}`, `$name:q`, `$?name`, `$name[1]`: one expansion; a lone `$` in quotes is itself.
    fn variable(&mut self, word: &mut Decoded) {
        let start = self.at;
        let mut at = start + 1;
        let braced = self.bytes.get(at) == Some(&b'{');
        at += usize::from(braced);
        while matches!(self.bytes.get(at), Some(b'?' | b'#' | b'%' | b'$' | b'<' | b'*' | b'!')) {
            at += 1;
        }
        let name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        at += self.bytes[at..].iter().take_while(|byte| name(byte)).count();
        if self.bytes.get(at) == Some(&b'[') {
            let inside = self.bytes[at..].iter().take_while(|byte| !matches!(byte, b']' | b'\n')).count();
            at += inside + usize::from(self.bytes.get(at + inside) == Some(&b']'));
        }
        while self.bytes.get(at) == Some(&b':') && self.bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic) {
            at += 2;
        }
        if braced && self.bytes.get(at) == Some(&b'}') {
            at += 1;
        }
        // The caller steps over the last byte.
        let at = at.min(self.bytes.len());
        self.at = at - 1;
        word.expand(start);
    }
}
