//! Bytes that were taken out of a file, written down without any piece of a key.
//!
//! `keyset` tells what shells allow inside a literal (quotes, escapes, continued lines) apart from the key's own bytes.
//! A run of a key becomes a reference, an escaped character a reference and its style. Putting the values back must
//! give the very bytes, or nothing is recorded at all.
//! Called by `journal` to record and by `undo` to restore.

use super::keyset::{KeySet, Part};
use super::style::Style;
use crate::digest::{from_hex, hex};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

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

/// Writes removed bytes down, or `None` where that cannot be done without a piece of a key.
pub(crate) fn record(removed: &[u8], keys: &KeySet<'_>) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut plain: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(removed.len()));
    let mut at = 0;
    while at < removed.len() {
        if let Some(found) = keys.occurrence_at(&removed[at..]) {
            let number = found.number?;
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
        } else if let Some(run) = keys.run_at(&removed[at..]) {
            // A piece of a key that stands apart, as in a comment about it.
            flush(&mut plain, keys, &mut tokens)?;
            tokens.push(Token::Piece(run.number?, run.from, run.from + run.length));
            at += run.length;
        } else {
            plain.push(removed[at]);
            at += 1;
        }
    }
    flush(&mut plain, keys, &mut tokens)?;
    // Syntax that came together, and digits that stand for other bytes, may equal a piece as well.
    let is_piece = |token: &Token| match token {
        Token::Text(text) | Token::Bytes(text) => keys.has_piece_in(text.as_bytes()),
        Token::Piece(..) | Token::Escaped(..) => false,
    };
    if tokens.iter().any(is_piece) {
        return None;
    }
    let again = restore(&tokens, &|number| keys.value(number))?;
    (*again == removed).then_some(tokens)
}

fn flush(plain: &mut Zeroizing<Vec<u8>>, keys: &KeySet<'_>, tokens: &mut Vec<Token>) -> Option<()> {
    if !plain.is_empty() {
        if keys.has_piece_in(plain) {
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
            Token::Bytes(digits) => bytes.extend_from_slice(&from_hex(digits.as_bytes())?),
            Token::Piece(key, from, to) => bytes.extend_from_slice(value(*key)?.get(*from..*to)?),
            Token::Escaped(key, at, style) => bytes.extend_from_slice(&style.write(*value(*key)?.get(*at)?)),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::keyset::Key;

    const KEY: &[u8] = b"sk-ant-api03-TESTab12FAKEcd34TESTef56";
    const OTHER: &[u8] = b"xai-FAKE99TEST88FAKE77TEST66";

    fn keys() -> KeySet<'static> {
        KeySet::new(vec![Key { value: KEY, number: Some(0) }, Key { value: OTHER, number: Some(1) }])
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
            assert!(!keys().has_piece_in(&text), "{}", String::from_utf8_lossy(&text));
            assert_eq!(*restore(&tokens, &values).expect("restored"), raw.as_bytes());
        }
        let odd = [b"A=\xff\xfe ", KEY, b"\n"].concat();
        assert_eq!(*restore(&record(&odd, &keys()).expect("recorded"), &values).expect("restored"), odd);
    }

    #[test]
    fn a_key_that_is_not_kept_cannot_be_recorded() {
        let keys = KeySet::new(vec![Key { value: KEY, number: None }]);
        assert_eq!(record(&[b"# ", KEY].concat(), &keys), None);
        assert_eq!(record(&[b"# ", &KEY[10..20]].concat(), &keys), None);
        assert!(record(b"# nothing", &keys).is_some());
        let keys = KeySet::new(vec![Key { value: b"@ABCDEF00000485OPQRST", number: Some(0) }]);
        assert_eq!(record(b"\xff\0\0\0\0\x48\x5f", &keys), None, "its digits are a piece of the key");
    }
}
