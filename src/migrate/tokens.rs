//! Bytes that were taken out of a file, written down without any piece of a key.
//!
//! `keyset` tells what shells allow inside a literal (quotes, escapes, continued lines) apart from the key's own bytes.
//! A run of a key becomes a reference, an escaped character a reference and its style. Putting the values back gives
//! the very bytes; what would not is locked under the seal.
//! Called by `journal` to record and by `undo` to restore.

use super::keyset::{Key, KeySet, PIECE, Part};
use super::seal::Seal;
use super::style::Style;
use crate::digest::{from_hex, hex};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use zeroize::Zeroizing;

/// A part of the removed bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Token {
    /// Syntax, as text.
    Text(String),
    /// Bytes that are not UTF-8, in hexadecimal.
    Bytes(String),
    /// A text that holds a piece of a key which is not stored, locked under the seal; in hexadecimal.
    Locked(String),
    /// A run of a key: its number, and from where to where.
    Piece(usize, usize, usize),
    /// One character of a key, escaped: the key's number, where it stands, and how.
    Escaped(usize, usize, Style),
}

/// Writes removed bytes down.
pub(crate) struct Recorder<'a> {
    // Those that can be referred to.
    stored: KeySet<'a>,
    values: HashMap<usize, &'a [u8]>,
    // Every one: no text may hold a piece of it.
    all: KeySet<'a>,
    seal: &'a Seal,
}

impl<'a> Recorder<'a> {
    /// A recorder that refers to the keys with a number and writes down no piece of any key.
    pub(crate) fn new(keys: Vec<Key<'a>>, seal: &'a Seal) -> Self {
        let stored: Vec<Key<'_>> = keys.iter().filter(|key| key.number.is_some()).copied().collect();
        let values = stored.iter().filter_map(|key| Some((key.number?, key.value))).collect();
        let (stored, all) = (KeySet::new(stored), KeySet::new(keys));
        Self { stored, values, all, seal }
    }

    /// Writes removed bytes down. A piece of a stored key becomes a reference wherever it stands, also in a word that
    /// merely equals it. A text that holds a piece of another key is locked: there is nothing to refer to.
    pub(crate) fn record(&self, removed: &[u8]) -> Vec<Token> {
        let tokens = self.referring(removed);
        let again = restore(&tokens, &|number| self.values.get(&number).copied(), self.seal);
        match again {
            Some(again) if *again == removed => tokens,
            _ => vec![self.locked(removed)],
        }
    }

    fn referring(&self, removed: &[u8]) -> Vec<Token> {
        let mut tokens = Vec::new();
        let mut plain: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(removed.len()));
        let mut at = 0;
        while at < removed.len() {
            let rest = &removed[at..];
            if let Some((number, parts)) = self.stored.occurrence_at(rest).and_then(|it| Some((it.number?, it.parts))) {
                self.flush(&mut plain, &mut tokens);
                for (part, length) in parts {
                    let raw = &removed[at..at + length];
                    at += length;
                    match (part, tokens.last_mut()) {
                        (Part::Syntax, _) => self.push_text(&mut tokens, raw),
                        (Part::Plain(here), Some(Token::Piece(of, _, to))) if *of == number && *to == here => *to += 1,
                        (Part::Plain(here), _) => tokens.push(Token::Piece(number, here, here + 1)),
                        (Part::Escaped(here, style), _) => tokens.push(Token::Escaped(number, here, style)),
                    }
                }
            } else if let Some((number, run)) = self.stored.run_at(rest).and_then(|run| Some((run.number?, run))) {
                // A piece of a key that stands apart, as in a comment about it.
                self.flush(&mut plain, &mut tokens);
                tokens.push(Token::Piece(number, run.from, run.from + run.length));
                at += run.length;
            } else {
                plain.push(removed[at]);
                at += 1;
            }
        }
        self.flush(&mut plain, &mut tokens);
        // Syntax that came together may equal a piece as well.
        for token in &mut tokens {
            if let Token::Text(text) = token
                && self.all.has_piece_in(text.as_bytes())
            {
                *token = self.locked(text.as_bytes());
            }
        }
        tokens
    }

    fn flush(&self, plain: &mut Zeroizing<Vec<u8>>, tokens: &mut Vec<Token>) {
        if self.all.has_piece_in(plain) {
            tokens.push(self.locked(plain));
        } else if !plain.is_empty() {
            self.push_text(tokens, plain);
        }
        plain.clear();
    }

    fn push_text(&self, tokens: &mut Vec<Token>, raw: &[u8]) {
        match (std::str::from_utf8(raw), tokens.last_mut()) {
            (Ok(text), Some(Token::Text(before))) => before.push_str(text),
            (Ok(text), _) => tokens.push(Token::Text(text.to_owned())),
            (Err(_), _) => {
                // Digits that stand for other bytes may equal a piece of a key; so few of them cannot.
                let size = if self.all.has_piece_in(hex(raw).as_bytes()) { (PIECE - 1) / 2 } else { raw.len() };
                tokens.extend(raw.chunks(size).map(|few| Token::Bytes(hex(few))));
            }
        }
    }

    // The first byte is there to be changed, should the digits equal a piece of a key.
    fn locked(&self, text: &[u8]) -> Token {
        let with = |first: u8| {
            let salted = Zeroizing::new([&[first], text].concat());
            hex(&self.seal.lock(&salted))
        };
        let clean = (0..u8::MAX).map(with).find(|digits| !self.all.has_piece_in(digits.as_bytes()));
        Token::Locked(clean.unwrap_or_else(|| with(u8::MAX)))
    }
}

/// Puts removed bytes together again; `None` when a reference leads nowhere or the seal is another one.
pub(crate) fn restore<'a>(
    tokens: &[Token],
    value: &dyn Fn(usize) -> Option<&'a [u8]>,
    seal: &Seal,
) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    for token in tokens {
        match token {
            Token::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Token::Bytes(digits) => bytes.extend_from_slice(&from_hex(digits.as_bytes())?),
            Token::Locked(digits) => bytes.extend_from_slice(seal.open(&from_hex(digits.as_bytes())?)?.get(1..)?),
            Token::Piece(key, from, to) => bytes.extend_from_slice(value(*key)?.get(*from..*to)?),
            Token::Escaped(key, at, style) => bytes.extend_from_slice(&style.write(*value(*key)?.get(*at)?)),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use proptest::prelude::*;

    const KEY: &[u8] = b"sk-ant-api03-TESTab12FAKEcd34TESTef56";
    const OTHER: &[u8] = b"xai-FAKE99TEST88FAKE77TEST66";

    const BOTH: [Key<'static>; 2] = [Key { value: KEY, number: Some(0) }, Key { value: OTHER, number: Some(1) }];

    fn seal() -> Seal {
        Seal::new(Secret::new(b"seal".to_vec()))
    }

    fn record(removed: &[u8], keys: &[Key<'_>]) -> Vec<Token> {
        Recorder::new(keys.to_vec(), &seal()).record(removed)
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
            let tokens = record(raw.as_bytes(), &BOTH);
            let text = serde_json::to_vec(&tokens).expect("JSON");
            assert!(!KeySet::new(BOTH.to_vec()).has_piece_in(&text), "{}", String::from_utf8_lossy(&text));
            assert_eq!(*restore(&tokens, &values, &seal()).expect("restored"), raw.as_bytes());
        }
        let odd = [b"A=\xff\xfe ", KEY, b"\n"].concat();
        assert_eq!(*restore(&record(&odd, &BOTH), &values, &seal()).expect("restored"), odd);
    }

    #[test]
    fn a_piece_of_a_key_that_is_not_kept_is_locked() {
        let other = [Key { value: KEY, number: None }];
        let is_locked = |raw: &[u8], keys: &[Key<'_>]| {
            let tokens = record(raw, keys);
            assert_eq!(*restore(&tokens, &values, &seal()).expect("restored"), raw);
            tokens.iter().any(|token| matches!(token, Token::Locked(_)))
        };
        assert!(is_locked(&[b"# ", KEY].concat(), &other));
        assert!(is_locked(&[b"# ", &KEY[10..20]].concat(), &other));
        assert!(is_locked(&[b"\xff ", &KEY[10..20]].concat(), &other));
        assert!(!is_locked(b"# nothing", &other));
        assert!(!is_locked(&KEY[10..17], &other), "so little of a key is none");
        assert!(!is_locked(&[KEY, &KEY[..20]].concat(), &[other[0], BOTH[0]]), "it is kept after all");
    }

    #[test]
    fn digits_that_equal_a_piece_of_a_key_are_parted() {
        let keys = [Key { value: b"@ABCDEF00000485OPQRST", number: Some(0) }];
        let raw = b"\xff\0\0\0\0\x48\x5f";
        let tokens = record(raw, &keys);
        assert_eq!(tokens.len(), 3, "{tokens:?}");
        assert_eq!(*restore(&tokens, &values, &seal()).expect("restored"), raw);
    }

    // A text in which keys, their parts and each other's parts stand where they like.
    fn torn() -> impl Strategy<Value = (Vec<String>, Vec<(usize, usize, usize)>)> {
        let letters = "(ANTHROPIC_API_KEY|default|export |/home/|deadbeef|[a-z=]){4,12}";
        (proptest::collection::vec(letters, 1..5), proptest::collection::vec((0..9usize, 0..60usize, 0..60usize), 1..9))
    }

    proptest! {
        #[test]
        fn keys_that_share_runs_with_everything_are_recorded(
            (values, stretches) in torn(),
            stored in proptest::collection::vec(any::<bool>(), 5),
        ) {
            let of = |value: &str| value.len() >= PIECE;
            let values: Vec<&[u8]> = values.iter().filter(|value| of(value)).map(|value| value.as_bytes()).collect();
            // Some are not stored.
            let number = |at: usize| Some(at).filter(|at| stored[*at]);
            let keys = || values.iter().enumerate().map(|(at, value)| Key { value, number: number(at) }).collect();
            let mut raw = b"export ANTHROPIC_API_KEY='".to_vec();
            for (which, from, to) in stretches {
                let Some(value) = values.get(which) else {
                    raw.extend_from_slice(b" default=/home/deadbeef\xff");
                    continue;
                };
                let from = from.min(value.len());
                raw.extend_from_slice(&value[from..to.clamp(from, value.len())]);
            }
            let tokens = Recorder::new(keys(), &seal()).record(&raw);
            let all = KeySet::new(keys());
            for token in &tokens {
                let (Token::Text(text) | Token::Bytes(text) | Token::Locked(text)) = token else { continue };
                prop_assert!(!all.has_piece_in(text.as_bytes()), "{}", text);
            }
            let value = |at: usize| values.get(at).copied().filter(|_| stored[at]);
            let again = restore(&tokens, &value, &seal()).expect("restored");
            prop_assert_eq!(&*again, &raw);
        }
    }
}
