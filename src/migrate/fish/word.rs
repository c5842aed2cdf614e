//! What fish makes of a word: quotes, escapes, and where something is expanded.

use super::{Reader, children};
use crate::migrate::model::Span;
use tree_sitter::Node as Tree;
use zeroize::Zeroizing;

/// A word as fish sees it.
pub(super) struct Decoded {
    /// Its text; a zero byte stands where something is expanded.
    pub(super) text: Zeroizing<Vec<u8>>,
    /// Where each byte of the text comes from.
    pub(super) from: Vec<usize>,
    pub(super) literal: bool,
}

impl Decoded {
    fn push(&mut self, byte: u8, from: usize) {
        self.text.push(byte);
        self.from.push(from);
    }
}

impl Reader<'_> {
    /// What fish makes of a word.
    pub(super) fn decode(&self, node: Tree<'_>) -> Decoded {
        let span = self.span(node);
        let mut holes = Vec::new();
        expansions(node, &mut holes);
        let mut word =
            Decoded { text: Zeroizing::new(Vec::with_capacity(span.len())), from: Vec::new(), literal: true };
        let mut quote = None;
        let mut at = span.start;
        while at < span.end {
            if let Some(hole) = holes.iter().find(|hole| hole.start == at && hole.end > at) {
                word.literal = false;
                word.push(0, at);
                at = hole.end;
                continue;
            }
            let byte = self.bytes[at];
            match (quote, byte) {
                (None, b'\'' | b'"') => quote = Some(byte),
                (Some(open), _) if open == byte => quote = None,
                (_, b'\\') => {
                    at += self.escape(&mut word, quote, at, span.end);
                    continue;
                }
                // A file pattern: what comes out depends on the directory.
                (None, b'?' | b'*') => {
                    word.literal = false;
                    word.push(byte, at);
                }
                _ => word.push(byte, at),
            }
            at += 1;
        }
        word
    }

    /// Decodes the backslash at `at` and says how many bytes it and what belongs to it take.
    fn escape(&self, word: &mut Decoded, quote: Option<u8>, at: usize, end: usize) -> usize {
        let rest = &self.bytes[at + 1..end];
        let Some(&next) = rest.first() else {
            word.push(b'\\', at);
            return 1;
        };
        let plain = match quote {
            Some(b'\'') => matches!(next, b'\'' | b'\\'),
            Some(_) => matches!(next, b'"' | b'\\' | b'$' | b'\n'),
            None => true,
        };
        if !plain {
            word.push(b'\\', at);
            return 1;
        }
        if next == b'\n' && quote != Some(b'\'') {
            return 2;
        }
        if quote.is_some() {
            word.push(next, at);
            return 2;
        }
        let digits = |from: usize, most: usize, radix: u32| {
            let count =
                rest[from.min(rest.len())..].iter().take(most).take_while(|b| (**b as char).is_digit(radix)).count();
            let value = rest[from.min(rest.len())..].iter().take(count);
            (count, value.fold(0, |sum, digit| sum * radix + (*digit as char).to_digit(radix).unwrap_or(0)))
        };
        match next {
            b'x' | b'X' => {
                let (count, value) = digits(1, 2, 16);
                word.push(value.to_le_bytes()[0], at);
                2 + count
            }
            b'0'..=b'7' => {
                let (count, value) = digits(0, 3, 8);
                word.push(value.to_le_bytes()[0], at);
                1 + count
            }
            b'u' | b'U' => {
                let (count, value) = digits(1, if next == b'u' { 4 } else { 8 }, 16);
                let mut buffer = [0; 4];
                for byte in char::from_u32(value).unwrap_or('\u{fffd}').encode_utf8(&mut buffer).bytes() {
                    word.push(byte, at);
                }
                2 + count
            }
            b'c' if rest.len() > 1 => {
                word.push(rest[1] & 0x1f, at);
                3
            }
            _ => {
                let byte = match next {
                    b'a' => 7,
                    b'b' => 8,
                    b'e' => 27,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 11,
                    other => other,
                };
                word.push(byte, at);
                2
            }
        }
    }
}

/// The outermost parts of a word that fish expands, in order.
fn expansions(node: Tree<'_>, holes: &mut Vec<Span>) {
    let expanded = ["command_substitution", "variable_expansion", "brace_expansion", "home_dir_expansion", "glob"];
    if expanded.contains(&node.kind()) {
        holes.push(node.byte_range());
        return;
    }
    for child in children(node) {
        expansions(child, holes);
    }
}
