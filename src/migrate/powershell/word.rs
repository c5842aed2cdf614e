//! What PowerShell makes of a string or of a bare word.

use super::plain::quote;
use super::{Reader, children, core};
use crate::migrate::model::Span;
use tree_sitter::Node as Tree;
use zeroize::Zeroizing;

/// A string or bare word as PowerShell sees it.
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

    pub(super) fn at(&self, offset: usize) -> usize {
        self.from.get(offset).copied().unwrap_or(0)
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.literal && self.text.eq_ignore_ascii_case(word.as_bytes())
    }
}

impl Reader<'_> {
    /// What PowerShell makes of a string or of a bare word.
    pub(super) fn decode(&self, node: Tree<'_>) -> Decoded {
        let span = self.span(node);
        let mut word =
            Decoded { text: Zeroizing::new(Vec::with_capacity(span.len())), from: Vec::new(), literal: true };
        let kind = core(node).kind();
        let mut holes = Vec::new();
        expansions(node, &mut holes);
        let mut at = span.start;
        let mut end = span.end;
        let here = kind.contains("here_string");
        let opened = if here { None } else { quote(&self.bytes[at..end]) };
        if here {
            // `@"`, its line, and `"@` are no part of the text; none of it is ever moved.
            let head = self.bytes[at..end].iter().position(|byte| *byte == b'\n').map_or(0, |line| line + 1);
            at += head;
            end = end.saturating_sub(3).max(at);
            word.literal = false;
        } else if let Some((_, size)) = opened {
            at += size;
        }
        let double = match opened {
            Some((kind, _)) => kind == b'"',
            None => !kind.starts_with("verbatim"),
        };
        while at < end {
            if let Some(hole) = holes.iter().find(|hole| hole.start == at && hole.end > at) {
                word.literal = false;
                word.push(0, at);
                at = hole.end;
                continue;
            }
            let rest = &self.bytes[at..end];
            match (quote(rest), opened) {
                (Some((kind, size)), Some((open, _))) if kind == open => {
                    match quote(&rest[size..]) {
                        // Doubled, it stands for itself.
                        Some((again, more)) if again == kind => {
                            for offset in 0..more {
                                word.push(rest[size + offset], at + size + offset);
                            }
                            at += size + more;
                        }
                        _ => at += size,
                    }
                    continue;
                }
                _ => {}
            }
            match rest {
                [b'`', escaped, ..] if double => {
                    let byte = match escaped {
                        b'0' => 0,
                        b'a' => 7,
                        b'b' => 8,
                        b'e' => 27,
                        b'f' => 12,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'v' => 11,
                        b'u' if rest.get(2) == Some(&b'{') => {
                            at += self.unicode(&mut word, rest, at);
                            continue;
                        }
                        other => *other,
                    };
                    if matches!(escaped, b'\r' | b'\n') && opened.is_none() {
                        word.literal = false;
                    }
                    word.push(byte, at);
                    at += 2;
                }
                // A `$` that expands nothing is a plain one.
                [byte, ..] => {
                    if opened.is_none() && !here && matches!(byte, b'$' | b'\'' | b'"' | b'*' | b'?' | b',') {
                        word.literal = false;
                    }
                    word.push(*byte, at);
                    at += 1;
                }
                [] => break,
            }
        }
        word
    }

    /// `` `u{1F600} ``, with how many bytes it takes.
    fn unicode(&self, word: &mut Decoded, rest: &[u8], at: usize) -> usize {
        let digits = rest[3..].iter().take(6).take_while(|byte| byte.is_ascii_hexdigit()).count();
        let code = std::str::from_utf8(&rest[3..3 + digits]).ok().and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let Some(letter) = code.and_then(char::from_u32).filter(|_| rest.get(3 + digits) == Some(&b'}')) else {
            word.literal = false;
            return 2;
        };
        for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
            word.push(byte, at);
        }
        digits + 4
    }
}

/// What a string expands: variables and subexpressions, the outermost ones.
fn expansions(node: Tree<'_>, holes: &mut Vec<Span>) {
    for child in children(node) {
        if matches!(child.kind(), "variable" | "sub_expression") {
            holes.push(child.byte_range());
        } else {
            expansions(child, holes);
        }
    }
}
