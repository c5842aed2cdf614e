//! Where fish's statements at top level begin and end, by its own words and quotes alone: for files the grammar fails
//! on.

use crate::migrate::model::Span;

/// The statements at top level, by fish's own words and quotes alone; nothing where something is left open.
pub(super) fn parts(source: &[u8]) -> Option<Vec<Span>> {
    let mut parts = Vec::new();
    let (mut start, mut at, mut blocks) = (0, 0, 0usize);
    // What is open: a quote, a `(`, or a `(` inside double quotes.
    let mut open: Vec<u8> = Vec::new();
    let (mut command, mut word) = (true, true);
    while at < source.len() {
        let byte = source[at];
        let quote = open.last().copied().filter(|open| *open != b'(');
        match (quote, byte) {
            (Some(b'\''), b'\\') if !matches!(source.get(at + 1), Some(b'\'' | b'\\')) => {}
            (_, b'\\') => {
                (word, command) = if source.get(at + 1) == Some(&b'\n') { (word, command) } else { (false, false) };
                at += 1;
            }
            (Some(b'"'), b'$') if source.get(at + 1) == Some(&b'(') => {
                open.push(b'(');
                (command, word) = (true, true);
                at += 1;
            }
            (Some(quote), _) => {
                if quote == byte {
                    open.pop();
                    (command, word) = (false, false);
                }
            }
            (None, b'\'' | b'"') => {
                open.push(byte);
            }
            (None, b'#') if word => {
                at += source[at..].iter().position(|byte| *byte == b'\n')?;
                continue;
            }
            (None, b'(') => {
                open.push(byte);
                (command, word) = (true, true);
            }
            (None, b')') => {
                (open.pop()? == b'(').then_some(())?;
                (command, word) = (false, false);
            }
            (None, b';' | b'|' | b'&') => (command, word) = (true, true),
            (None, b'\n' | b'\r') => {
                (command, word) = (true, true);
                let before = source[start..at].trim_ascii_end();
                let goes_on = before.ends_with(b"|") || before.ends_with(b"&&");
                let rest = source[at..].trim_ascii_start();
                let joined = ["and", "or"].iter().any(|word| first_word(rest) == word.as_bytes());
                if blocks == 0 && open.is_empty() && !goes_on && !joined {
                    parts.push(start..at + 1);
                    start = at + 1;
                }
            }
            (None, b' ' | b'\t') => word = true,
            (None, _) if command && word => {
                let name = first_word(&source[at..]);
                match name {
                    b"begin" | b"if" | b"while" | b"for" | b"switch" | b"function" => blocks += 1,
                    b"end" => blocks = blocks.checked_sub(1)?,
                    _ => {}
                }
                // `else if` closes nothing and opens nothing.
                if name == b"else" && first_word(source[at + name.len()..].trim_ascii_start()) == b"if" {
                    blocks = blocks.checked_sub(1)?;
                }
                let prefix: [&[u8]; 9] = [b"begin", b"if", b"while", b"and", b"or", b"not", b"!", b"else", b"time"];
                (command, word) = (prefix.contains(&name), false);
                at += name.len().max(1);
                continue;
            }
            (None, _) => word = false,
        }
        at += 1;
    }
    (open.is_empty() && blocks == 0 && start == source.len()).then_some(parts)
}

fn first_word(text: &[u8]) -> &[u8] {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b";|&()<>'\"$\\".contains(byte);
    &text[..text.iter().position(ends).unwrap_or(text.len())]
}
