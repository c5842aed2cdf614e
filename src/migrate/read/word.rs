//! Words as the shells see them, and which byte of the file each byte of one comes from.

use crate::migrate::heuristics::identifier;
use crate::migrate::model::{Reason, Span, Value};
use std::fmt;
use zeroize::Zeroizing;

/// A word, or a list of words in brackets.
pub(super) struct Word<'a> {
    /// Its bytes in the file, quotes included.
    pub span: Span,
    raw: &'a [u8],
    /// What differs from the bytes in the file; most words are as they are written.
    decoded: Option<Box<Decoded>>,
    /// What a list holds, which has no text of its own.
    pub items: Items<'a>,
}

/// What stands in a pair of brackets.
pub(super) enum Items<'a> {
    /// No list.
    None,
    /// Words.
    List(Vec<Word<'a>>),
    /// Names and values.
    Record(Vec<(Word<'a>, Word<'a>)>),
}

#[derive(Default)]
struct Decoded {
    text: Zeroizing<Vec<u8>>,
    // Where stretches of the text begin that stand in the file byte for byte: in the text, and in the file.
    stretches: Vec<(u32, u32)>,
    // How many expansions there are, and where in the text the first one stands.
    expansions: usize,
    first: Option<(usize, Expansion)>,
    // The variables that literals stand in for.
    defaulted: Vec<String>,
    code: Vec<Code>,
    quoted: bool,
    pattern: bool,
    element: bool,
}

/// Code that fills a word in.
pub(super) struct Code {
    /// Where it stands.
    pub span: Span,
    /// Why the keys in it stay, if not for the word's own reason.
    pub reason: Option<Reason>,
    /// Whether its strings are the word's own value, and not the words of a command that gives it.
    pub is_direct: bool,
}

/// What a part of a word comes to only when the code is run. A zero byte stands for it in the text.
pub(super) enum Expansion {
    /// The value of one variable and nothing else.
    Variable(String),
    /// The user's home directory.
    Home,
    /// `${V:-literal}`, or `:=`, which also sets V.
    Fallback(Box<Fallback>),
    /// Anything else.
    Other,
}

/// A literal that stands in for a variable's value.
pub(super) struct Fallback {
    /// The variable.
    pub name: String,
    /// Where its name stands.
    pub name_span: Span,
    /// Whether it is set, too.
    pub sets: bool,
    /// The literal.
    pub literal: Zeroizing<Vec<u8>>,
    /// Where that stands.
    pub span: Span,
}

impl fmt::Debug for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Word({:?}, redacted)", self.span)
    }
}

impl<'a> Word<'a> {
    /// A list with its brackets.
    pub(super) fn list(span: Span, items: Items<'a>) -> Self {
        Self { span, raw: b"", decoded: None, items }
    }

    /// The bytes of a stretch as a word that is as it is written.
    pub(super) fn plain(bytes: &'a [u8], span: Span) -> Self {
        Self { raw: &bytes[span.clone()], span, decoded: None, items: Items::None }
    }

    /// Reports whether the word is a list.
    pub(super) fn is_list(&self) -> bool {
        !matches!(self.items, Items::None)
    }

    /// The text, with a zero byte for each expansion.
    pub(super) fn text(&self) -> &[u8] {
        self.decoded.as_ref().map_or(self.raw, |decoded| &decoded.text)
    }

    /// The place in the file of a byte of the text; behind the last byte, the end of the word.
    pub(super) fn place(&self, offset: usize) -> usize {
        match &self.decoded {
            None => (self.span.start + offset).min(self.span.end),
            Some(decoded) if offset < decoded.text.len() => decoded.place(offset),
            Some(_) => self.span.end,
        }
    }

    /// The text of a word that does not depend on anything.
    pub(super) fn literal(&self) -> Option<&[u8]> {
        let depends = self.decoded.as_ref().is_some_and(|word| word.pattern || word.expansions > 0);
        (!depends && !self.is_list()).then(|| self.text())
    }

    /// The text before the first expansion.
    pub(super) fn lead(&self) -> &[u8] {
        let first = self.decoded.as_ref().and_then(|decoded| decoded.first.as_ref());
        &self.text()[..first.map_or(self.text().len(), |(at, _)| *at)]
    }

    /// The expansion that the whole word is.
    fn expansion(&self) -> Option<&Expansion> {
        let decoded = self.decoded.as_ref().filter(|decoded| decoded.expansions == 1 && decoded.text.len() == 1)?;
        decoded.first.as_ref().map(|(_, expansion)| expansion)
    }

    /// The literal for a variable's value that the whole word is.
    pub(super) fn fallback(&self) -> Option<&Fallback> {
        match self.expansion()? {
            Expansion::Fallback(fallback) => Some(fallback),
            _ => None,
        }
    }

    /// The variables that literals in the word stand in for.
    pub(super) fn defaulted(&self) -> &[String] {
        self.decoded.as_ref().map_or(&[], |decoded| &decoded.defaulted)
    }

    /// Reports whether the word sets a list or an element of one: `NAME=(...)`, `NAME[...]=...`.
    pub(super) fn is_element(&self) -> bool {
        self.decoded.as_ref().is_some_and(|decoded| decoded.element)
    }

    /// Reports whether the word is exactly this literal.
    pub(super) fn is(&self, text: &[u8]) -> bool {
        self.literal() == Some(text)
    }

    /// Reports whether any part of the word is quoted.
    pub(super) fn is_quoted(&self) -> bool {
        self.decoded.as_ref().is_some_and(|decoded| decoded.quoted)
    }

    /// The code that fills the word in: command substitutions and the like.
    pub(super) fn code(&self) -> &[Code] {
        self.decoded.as_ref().map_or(&[], |decoded| &decoded.code)
    }

    /// The whole word as the name of a variable.
    pub(super) fn name(&self) -> Option<&str> {
        identifier(self.literal()?)
    }

    /// The name before the first `=`, and where in the text that sign stands.
    pub(super) fn assigned(&self) -> Option<(&str, usize)> {
        let sign = self.text().iter().position(|byte| *byte == b'=').filter(|_| !self.is_list())?;
        Some((identifier(&self.text()[..sign])?, sign))
    }

    /// The word as the path of a program; `~` stands for the home directory.
    pub(super) fn path(&self) -> Option<String> {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        if let Some(literal) = self.literal() {
            return text(literal);
        }
        if let Some(path) = self.path_at_home(0, b"/\\") {
            return Some(path);
        }
        let decoded = self.decoded.as_ref().filter(|decoded| !decoded.element && decoded.expansions == 0)?;
        let is_path = decoded.text.starts_with(b"~/") && !decoded.text.iter().any(|byte| b"*?[]{}".contains(byte));
        text(&decoded.text).filter(|_| is_path)
    }

    /// The text from a byte on, where it is a path in the user's home directory: with `~` for that, and `/` between its
    /// parts. One of these bytes stands behind the home.
    pub(super) fn path_at_home(&self, from: usize, separators: &[u8]) -> Option<String> {
        let decoded = self.decoded.as_ref().filter(|decoded| !decoded.element && !decoded.pattern)?;
        let (rest, is_home) = match &decoded.first {
            Some((at, Expansion::Home)) if *at == from => (&decoded.text[from + 1..], true),
            Some((at, Expansion::Variable(name))) if *at == from && name == "HOME" => {
                (&decoded.text[from + 1..], false)
            }
            _ => return None,
        };
        let is_path = rest.first().map_or(is_home, |byte| separators.contains(byte));
        let rest = std::str::from_utf8(rest).ok().filter(|_| is_path && decoded.expansions == 1)?;
        Some(if separators.contains(&b'\\') { format!("~{}", rest.replace('\\', "/")) } else { format!("~{rest}") })
    }

    /// The variable whose value the whole word is.
    pub(super) fn variable(&self) -> Option<&str> {
        if self.is_list() {
            return None;
        }
        match self.expansion()? {
            Expansion::Variable(name) => Some(name),
            _ => None,
        }
    }

    /// What the text comes to from a byte on.
    pub(super) fn value(&self, from: usize) -> Value {
        if self.is_list() || self.is_element() {
            return Value::Dynamic;
        }
        // Behind the sign that precedes it, so that an opening quote belongs to it.
        let start = from.checked_sub(1).map_or(self.span.start, |before| self.place(before) + 1);
        let rest = &self.text()[from.min(self.text().len())..];
        if self.literal().is_some() {
            return Value::Literal(Zeroizing::new(rest.to_vec()), start..self.span.end);
        }
        if let Some(path) = self.path_at_home(from, b"/") {
            return Value::Path(path);
        }
        let alone = |decoded: &&Decoded| decoded.expansions == 1 && !decoded.pattern && rest.len() == 1;
        match self.decoded.as_deref().filter(alone).and_then(|decoded| decoded.first.as_ref()) {
            Some((at, Expansion::Variable(name))) if *at == from => Value::Copy(name.clone()),
            Some((at, Expansion::Fallback(own))) if *at == from => {
                Value::Default(own.name.clone(), own.literal.clone(), own.span.clone())
            }
            _ => Value::Dynamic,
        }
    }
}

impl Decoded {
    fn place(&self, offset: usize) -> usize {
        let behind = self.stretches.partition_point(|(text, _)| *text as usize <= offset);
        let (text, place) = self.stretches[behind - 1];
        place as usize + offset - text as usize
    }

    fn push(&mut self, byte: u8, place: usize) {
        let Self { text, stretches, .. } = self;
        // A vector that grows leaves its old bytes behind; a fresh one is wiped with the rest.
        if text.len() == text.capacity() {
            let mut wider = Vec::with_capacity((text.len() * 2).max(64));
            wider.extend_from_slice(text);
            *text = Zeroizing::new(wider);
        }
        let goes_on = |(from, at): &(u32, u32)| *at as usize + text.len() - *from as usize == place;
        if !stretches.last().is_some_and(goes_on) {
            stretches.push((small(text.len()), small(place)));
        }
        text.push(byte);
    }
}

fn small(place: usize) -> u32 {
    u32::try_from(place).expect("files that are read have at most 16 MiB")
}

/// A word while it is read.
pub(super) struct Draft<'a> {
    bytes: &'a [u8],
    // Up to here the text is what stands in the file; what differs is empty until then.
    plain: Span,
    decoded: Option<Box<Decoded>>,
}

impl<'a> Draft<'a> {
    /// The word that begins at a place.
    pub(super) fn new(bytes: &'a [u8], start: usize) -> Self {
        Self { bytes, plain: start..start, decoded: None }
    }

    fn decoded(&mut self) -> &mut Decoded {
        self.decoded.get_or_insert_with(|| {
            let mut decoded = Box::<Decoded>::default();
            if !self.plain.is_empty() {
                decoded.text = Zeroizing::new(self.bytes[self.plain.clone()].to_vec());
                decoded.stretches.push((0, small(self.plain.start)));
            }
            decoded
        })
    }

    /// Adds a byte of the text.
    pub(super) fn push(&mut self, byte: u8, place: usize) {
        if self.decoded.is_none() && place == self.plain.end && self.bytes.get(place) == Some(&byte) {
            self.plain.end += 1;
        } else {
            self.decoded().push(byte, place);
        }
    }

    /// Adds the bytes that stand at a place in the file.
    pub(super) fn extend(&mut self, bytes: &[u8], place: usize) {
        bytes.iter().enumerate().for_each(|(offset, byte)| self.push(*byte, place + offset));
    }

    /// Adds an expansion.
    pub(super) fn expand(&mut self, expansion: Expansion, place: usize) {
        let decoded = self.decoded();
        if let Expansion::Fallback(fallback) = &expansion {
            decoded.defaulted.push(fallback.name.clone());
        }
        let at = decoded.text.len();
        decoded.first.get_or_insert((at, expansion));
        decoded.expansions += 1;
        decoded.push(0, place);
    }

    /// Adds a command substitution, whose code stands there.
    pub(super) fn substitute(&mut self, span: Span, place: usize) {
        self.code(Code { span, reason: Some(Reason::Substitution), is_direct: false }, place);
    }

    /// Adds what code gives.
    pub(super) fn code(&mut self, code: Code, place: usize) {
        self.decoded().code.push(code);
        self.expand(Expansion::Other, place);
    }

    /// Reports whether the text begins so.
    pub(super) fn begins_with(&self, text: &[u8]) -> bool {
        let so_far = self.decoded.as_ref().map_or(&self.bytes[self.plain.clone()], |decoded| &decoded.text);
        so_far.starts_with(text)
    }

    /// Adds a byte that makes the word a pattern of files.
    pub(super) fn push_pattern(&mut self, byte: u8, place: usize) {
        self.vary();
        self.push(byte, place);
    }

    /// Notes that nobody can tell what the word comes to.
    pub(super) fn vary(&mut self) {
        self.decoded().pattern = true;
    }

    /// Notes that a part is quoted.
    pub(super) fn quote(&mut self) {
        self.decoded().quoted = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.decoded.as_ref().map_or(self.plain.is_empty(), |decoded| decoded.text.is_empty() && !decoded.quoted)
    }

    /// Notes that the word sets a list or an element of one.
    pub(super) fn set_element(&mut self) {
        self.decoded().element = true;
    }

    /// Reports whether there is a text, and no expansion in it.
    pub(super) fn is_literal(&self) -> bool {
        !self.is_empty() && self.decoded.as_ref().is_none_or(|decoded| decoded.expansions == 0)
    }

    /// The text of a draft that is no word.
    pub(super) fn into_text(mut self) -> Zeroizing<Vec<u8>> {
        self.decoded();
        self.decoded.map(|decoded| decoded.text).unwrap_or_default()
    }

    /// The word that ends here.
    pub(super) fn finish(mut self, span: Span) -> Word<'a> {
        // Bytes that were passed over are missing in the text.
        if self.plain != span {
            self.decoded();
        }
        Word { decoded: self.decoded, ..Word::plain(self.bytes, span) }
    }
}

/// A command's name as a word gives it.
pub(super) fn text(bytes: &[u8]) -> Option<Box<str>> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty()).map(Box::from)
}

/// The bytes that an escape stands for, and how many it takes; `rest` begins behind its sign. Only these letters are
/// escapes: `0` for octal digits, `{` for `u{...}`.
pub(super) fn escape(rest: &[u8], letters: &[u8]) -> Option<(usize, Vec<u8>)> {
    let letter = *rest.first()?;
    let digits = |from: usize, most: usize, radix: u32| {
        let digit = |byte: &u8| char::from(*byte).to_digit(radix);
        let found = rest.get(from..).unwrap_or_default().iter().take(most).map_while(digit);
        found.fold((from, 0u32), |(end, sum), digit| (end + 1, sum.wrapping_mul(radix).wrapping_add(digit)))
    };
    let byte = |(end, value): (usize, u32)| (end, vec![value.to_le_bytes()[0]]);
    let letters_of = |(end, value): (usize, u32)| {
        let letter = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
        (end, letter.encode_utf8(&mut [0; 4]).as_bytes().to_vec())
    };
    if matches!(letter, b'0'..=b'7') && letters.contains(&b'0') {
        return Some(byte(digits(0, 3, 8)));
    }
    if !letters.contains(&letter) {
        return None;
    }
    Some(match letter {
        b'x' | b'X' => byte(digits(1, 2, 16)),
        b'u' if letters.contains(&b'{') => {
            let (end, value) = digits(2, 6, 16);
            if rest.get(1) != Some(&b'{') || rest.get(end) != Some(&b'}') || end == 2 {
                return None;
            }
            letters_of((end + 1, value))
        }
        b'u' => letters_of(digits(1, 4, 16)),
        b'U' => letters_of(digits(1, 8, 16)),
        _ => {
            let control = match letter {
                b'a' => 7,
                b'b' => 8,
                b'e' | b'E' => 27,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                other => other,
            };
            (1, vec![control])
        }
    })
}
