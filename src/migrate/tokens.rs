//! Bytes that were taken out of a file, written down without any piece of a key.
//!
//! What shells allow inside a literal (quotes, escapes, continued lines) is told apart from the key's own bytes by
//! aligning the raw text with the decoded values; a run of a key becomes a reference, an escaped character a
//! reference and its style. Putting the values back must give the very bytes, or nothing is recorded at all.
//! Called by `journal` to record and to restore, and by `plan` to show text without the keys in it.

use memchr::memmem;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A run of a key at least this long counts as a piece of it: nothing that long is ever written down.
pub(super) const PIECE: usize = 8;

/// What is left of a run that is too short to betray anything, and common enough to be nobody's secret.
const SHORTEST_REFERENCE: usize = 4;

/// A part of the removed bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Token {
    /// Syntax, as text.
    Text(String),
    /// Bytes that are not UTF-8, in hexadecimal.
    Bytes(String),
    /// A run of a key: its number, and from where to where.
    Piece(usize, usize, usize),
    /// One character of a key, escaped: the key's number, where it stands, and how.
    Escaped(usize, usize, Style),
}

/// How one character of a key was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Style {
    /// `\-`
    Backslash,
    /// `` `- ``
    Backtick,
    /// A quote written twice.
    Doubled,
    /// `\x2d`
    LowerHex,
    /// `\x2D`
    UpperHex,
    /// `\X2d`, fish's for bytes.
    LowerHexBig,
    /// `\X2D`
    UpperHexBig,
    /// `\055`
    Octal3,
    /// `\55`
    Octal2,
    /// `\0055`
    Octal4,
    /// `\u002d`
    LowerShort,
    /// `\u002D`
    UpperShort,
    /// `\U0000002d`
    LowerLong,
    /// `\U0000002D`
    UpperLong,
    /// `\u2d`
    LowerBare,
    /// `\u2D`
    UpperBare,
    /// `` `u{2d} ``
    LowerBraced,
    /// `` `u{2D} ``
    UpperBraced,
}

// The longer forms first: `\0055` must not be taken for `\005` and a 5.
const STYLES: &[Style] = &[
    Style::LowerLong,
    Style::UpperLong,
    Style::LowerShort,
    Style::UpperShort,
    Style::LowerBraced,
    Style::UpperBraced,
    Style::LowerHex,
    Style::UpperHex,
    Style::LowerHexBig,
    Style::UpperHexBig,
    Style::Octal4,
    Style::Octal3,
    Style::LowerBare,
    Style::UpperBare,
    Style::Octal2,
    Style::Doubled,
    Style::Backslash,
    Style::Backtick,
];

impl Style {
    fn write(self, byte: u8) -> Vec<u8> {
        match self {
            Self::Backslash => vec![b'\\', byte],
            Self::Backtick => vec![b'`', byte],
            Self::Doubled => vec![byte, byte],
            Self::LowerHex => format!("\\x{byte:02x}").into_bytes(),
            Self::UpperHex => format!("\\x{byte:02X}").into_bytes(),
            Self::LowerHexBig => format!("\\X{byte:02x}").into_bytes(),
            Self::UpperHexBig => format!("\\X{byte:02X}").into_bytes(),
            Self::Octal2 => format!("\\{byte:o}").into_bytes(),
            Self::Octal3 => format!("\\{byte:03o}").into_bytes(),
            Self::Octal4 => format!("\\0{byte:03o}").into_bytes(),
            Self::LowerShort => format!("\\u{byte:04x}").into_bytes(),
            Self::UpperShort => format!("\\u{byte:04X}").into_bytes(),
            Self::LowerLong => format!("\\U{byte:08x}").into_bytes(),
            Self::UpperLong => format!("\\U{byte:08X}").into_bytes(),
            Self::LowerBare => format!("\\u{byte:x}").into_bytes(),
            Self::UpperBare => format!("\\u{byte:X}").into_bytes(),
            Self::LowerBraced => format!("`u{{{byte:x}}}").into_bytes(),
            Self::UpperBraced => format!("`u{{{byte:X}}}").into_bytes(),
        }
    }
}

/// A value that nothing written down may hold a piece of.
pub(crate) struct Key<'a> {
    /// Its bytes.
    pub value: &'a [u8],
    /// Its number in the journal; `None` for one that is not kept, which can therefore not be referred to.
    pub number: Option<usize>,
}

/// One occurrence of a key in raw text.
struct Match {
    /// Its parts, and how many raw bytes each covers.
    parts: Vec<(Part, usize)>,
}

enum Part {
    Syntax,
    Plain(usize),
    Escaped(usize, Style),
}

// Aligns the text at `raw`'s start with the whole of a value.
fn align(raw: &[u8], value: &[u8]) -> Option<Match> {
    let (mut at, mut next) = (0, 0);
    let mut parts = Vec::new();
    while next < value.len() {
        let byte = value[next];
        let rest = &raw[at..];
        let escaped = || STYLES.iter().find(|style| rest.starts_with(&style.write(byte))).copied();
        let doubled = matches!(byte, b'\'' | b'"' | b'`' | b'\\');
        if rest.first() == Some(&byte) && !doubled {
            parts.push((Part::Plain(next), 1));
            at += 1;
            next += 1;
        } else if let Some(style) = escaped() {
            let length = style.write(byte).len();
            parts.push((Part::Escaped(next, style), length));
            at += length;
            next += 1;
        } else {
            // Within a value only: what stands before its first byte is not its own.
            let syntax = if next == 0 { 0 } else { syntax_at(rest) };
            if syntax == 0 {
                return None;
            }
            parts.push((Part::Syntax, syntax));
            at += syntax;
        }
    }
    Some(Match { parts })
}

// How many bytes at the start of `rest` add nothing to a value: quotes, `$'`, a continued line.
fn syntax_at(rest: &[u8]) -> usize {
    for continued in [&b"\\\r\n"[..], b"\\\n", b"`\r\n", b"`\n", b"$'", b"$\"", b"'", b"\""] {
        if rest.starts_with(continued) {
            return continued.len();
        }
    }
    0
}

// The longest value that begins here, so that a key that is the beginning of another does not hide it.
fn match_at<'k>(raw: &[u8], keys: &'k [Key<'_>]) -> Option<(&'k Key<'k>, Match)> {
    keys.iter()
        .filter_map(|key| Some((key, align(raw, key.value)?)))
        .max_by_key(|(key, _)| (key.value.len(), key.number.is_some()))
}

/// Writes removed bytes down, or `None` where that cannot be done without a piece of a key.
pub(crate) fn record(removed: &[u8], keys: &[Key<'_>]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut plain: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(removed.len()));
    let mut at = 0;
    while at < removed.len() {
        if let Some((key, found)) = match_at(&removed[at..], keys) {
            let number = key.number?;
            flush(&mut plain, keys, &mut tokens)?;
            for (part, length) in found.parts {
                let raw = &removed[at..at + length];
                at += length;
                match (part, tokens.last_mut()) {
                    (Part::Syntax, _) => push_text(&mut tokens, raw),
                    (Part::Plain(here), Some(Token::Piece(of, _, to))) if *of == number && *to == here => *to += 1,
                    (Part::Plain(here), _) => tokens.push(Token::Piece(number, here, here + 1)),
                    (Part::Escaped(here, style), _) => tokens.push(Token::Escaped(number, here, style)),
                }
            }
        } else if let Some((number, from, length)) = run_at(&removed[at..], keys) {
            // A piece of a key that stands apart, as in a comment about it.
            flush(&mut plain, keys, &mut tokens)?;
            tokens.push(Token::Piece(number?, from, from + length));
            at += length;
        } else {
            plain.push(removed[at]);
            at += 1;
        }
    }
    flush(&mut plain, keys, &mut tokens)?;
    let value = |number| keys.iter().find(|key| key.number == Some(number)).map(|key| key.value);
    let again = restore(&tokens, &value)?;
    (*again == removed).then_some(tokens)
}

// The longest run of any key that begins here, if it is a piece of one.
fn run_at(raw: &[u8], keys: &[Key<'_>]) -> Option<(Option<usize>, usize, usize)> {
    let window = raw.get(..SHORTEST_REFERENCE.max(PIECE - 1))?;
    let mut best: Option<(Option<usize>, usize, usize)> = None;
    for key in keys {
        for from in memmem::find_iter(key.value, window) {
            let length = raw.iter().zip(&key.value[from..]).take_while(|(a, b)| a == b).count();
            if best.is_none_or(|(number, _, longest)| (length, key.number.is_some()) > (longest, number.is_some())) {
                best = Some((key.number, from, length));
            }
        }
    }
    best
}

fn flush(plain: &mut Zeroizing<Vec<u8>>, keys: &[Key<'_>], tokens: &mut Vec<Token>) -> Option<()> {
    if !plain.is_empty() {
        if holds_piece(plain, keys) {
            return None;
        }
        push_text(tokens, plain);
        plain.clear();
    }
    Some(())
}

fn push_text(tokens: &mut Vec<Token>, raw: &[u8]) {
    match (std::str::from_utf8(raw), tokens.last_mut()) {
        (Ok(text), Some(Token::Text(before))) => before.push_str(text),
        (Ok(text), _) => tokens.push(Token::Text(text.to_owned())),
        (Err(_), _) => tokens.push(Token::Bytes(hex(raw))),
    }
}

/// Puts removed bytes together again; `None` when a reference leads nowhere.
pub(crate) fn restore<'a>(tokens: &[Token], value: &dyn Fn(usize) -> Option<&'a [u8]>) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    for token in tokens {
        match token {
            Token::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Token::Bytes(digits) => bytes.extend_from_slice(&unhex(digits)?),
            Token::Piece(key, from, to) => bytes.extend_from_slice(value(*key)?.get(*from..*to)?),
            Token::Escaped(key, at, style) => bytes.extend_from_slice(&style.write(*value(*key)?.get(*at)?)),
        }
    }
    Some(bytes)
}

/// Whether the text holds a piece of any of the keys.
pub(crate) fn holds_piece(text: &[u8], keys: &[Key<'_>]) -> bool {
    keys.iter().any(|key| {
        key.value.windows(PIECE.min(key.value.len()).max(1)).any(|window| memmem::find(text, window).is_some())
    })
}

/// The text with every key in it masked, for people; line breaks stay.
pub(crate) fn mask(raw: &[u8], keys: &[Key<'_>]) -> String {
    // Longer than any public prefix of a key, so that a mere prefix in a comment stays readable.
    const TELLING: usize = 16;
    let mut shown: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(raw.len() + 64));
    let mut at = 0;
    while at < raw.len() {
        match match_at(&raw[at..], keys) {
            Some((key, found)) => {
                shown.extend_from_slice(masked(key.value).as_bytes());
                for (_, length) in found.parts {
                    shown.extend(raw[at..at + length].iter().filter(|byte| **byte == b'\n'));
                    at += length;
                }
            }
            None => {
                shown.push(raw[at]);
                at += 1;
            }
        }
    }
    let lines = shown.split(|byte| *byte == b'\n').map(|line| {
        let telling = keys.iter().any(|key| {
            key.value.windows(TELLING.min(key.value.len()).max(1)).any(|it| memmem::find(line, it).is_some())
        });
        if telling { "(a line with a part of a key)".into() } else { String::from_utf8_lossy(line).into_owned() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A key for people: its first seven and last four characters, or less of a short one.
pub(crate) fn masked(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let count = text.chars().count();
    let (head, tail) = if count >= 24 { (7, 4) } else { (count / 6, 0) };
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    format!("{start}...{end}")
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"sk-ant-api03-TESTab12FAKEcd34TESTef56";
    const OTHER: &[u8] = b"xai-FAKE99TEST88FAKE77TEST66";

    fn keys() -> Vec<Key<'static>> {
        vec![Key { value: KEY, number: Some(0) }, Key { value: OTHER, number: Some(1) }]
    }

    fn values(number: usize) -> Option<&'static [u8]> {
        [KEY, OTHER].get(number).copied()
    }

    #[test]
    fn every_way_to_write_a_key_is_recorded_without_it_and_comes_back() {
        let key = String::from_utf8(KEY.to_vec()).expect("ASCII");
        let fish = key.replace('-', "\\x2d");
        for raw in [
            format!("export A={key}\n"),
            format!("export A=\"{}\"'{}' # {key} again\r\n", &key[..9], &key[9..]),
            format!("SETUVAR --export A:{fish}\n"),
            format!("A=$'{}'\n", key.replace('-', "\\055")),
            format!("A=$'{}'\n", key.replace('-', "\\u002D")),
            format!("A={}\\\n{}\n", &key[..12], &key[12..]),
            format!("$env:A = \"{}\"\r\n", key.replace('T', "`T").replace("`T", "T")),
            format!("A={}\n", key.replace('-', "\\-")),
            format!("A={key} B={}", String::from_utf8_lossy(OTHER)),
            format!("# once it was {}... and {}\n", &key[..15], &key[20..]),
        ] {
            let tokens = record(raw.as_bytes(), &keys()).expect(&raw);
            let text = serde_json::to_vec(&tokens).expect("JSON");
            assert!(!holds_piece(&text, &keys()), "{}", String::from_utf8_lossy(&text));
            assert_eq!(*restore(&tokens, &values).expect("restored"), raw.as_bytes());
        }
        let odd = [b"A=\xff\xfe ", KEY, b"\n"].concat();
        assert_eq!(*restore(&record(&odd, &keys()).expect("recorded"), &values).expect("restored"), odd);
    }

    #[test]
    fn a_key_that_is_not_kept_cannot_be_recorded() {
        let keys = [Key { value: KEY, number: None }];
        assert_eq!(record(&[b"# ", KEY].concat(), &keys), None);
        assert_eq!(record(&[b"# ", &KEY[10..20]].concat(), &keys), None);
        assert!(record(b"# nothing", &keys).is_some());
    }

    #[test]
    fn masking_shows_at_most_seven_and_four_characters() {
        assert_eq!(masked(KEY), "sk-ant-...ef56");
        assert_eq!(masked(b"abcdefghijklmnopqrstu"), "abc...");
        let raw = [b"export A=\"", &KEY[..9], b"\"'", &KEY[9..], b"' # x\nB=1"].concat();
        assert_eq!(mask(&raw, &keys()), "export A=\"sk-ant-...ef56' # x\nB=1");
        assert!(!mask(&[b"# ", &KEY[..30]].concat(), &keys()).contains("TEST"));
    }
}
