//! What the published grammar of PowerShell is asked.

use super::word::quote;
use crate::migrate::read::confirm::Grammar;

pub(super) const GRAMMAR: Grammar = Grammar {
    language: || tree_sitter_powershell::LANGUAGE.into(),
    statements: &["pipeline"],
    prepare: |text| {
        plain(text);
        // A file of comments alone is no program to the grammar; an empty statement at the end makes it one.
        text.extend_from_slice(b"\n;");
    },
};

// Puts into ASCII what the grammar does not know: typographic quotes, `??` and `??=`. The text of a string becomes
// letters.
fn plain(text: &mut [u8]) {
    let mut at = 0;
    let mut is_word = true;
    while at < text.len() {
        let is_start =
            std::mem::replace(&mut is_word, text[at].is_ascii_whitespace() || b";|&,=({".contains(&text[at]));
        match &text[at..] {
            [b'`', ..] => at += 2,
            [b'#', rest @ ..] if is_start => at += 1 + rest.iter().take_while(|byte| **byte != b'\n').count(),
            [b'?', b'?', b'=', ..] => text[at..at + 3].copy_from_slice(b" +="),
            [b'?', b'?', ..] => text[at..at + 2].copy_from_slice(b" +"),
            rest if quote(rest).is_some() => at = string(text, at),
            _ => at += 1,
        }
    }
}

// A string from its opening quote on: where it ends.
fn string(text: &mut [u8], start: usize) -> usize {
    let Some((kind, size)) = quote(&text[start..]) else { return text.len() };
    let (mut at, mut expands) = (start + size, false);
    let last = loop {
        match (quote(text.get(at..).unwrap_or_default()), text.get(at)) {
            (Some((closing, size)), _) if closing == kind => match quote(&text[at + size..]) {
                Some((again, more)) if again == kind => at += size + more,
                _ => break size,
            },
            (Some((_, size)), _) => at += size,
            (None, Some(b'`')) if kind == b'"' => at += 2,
            (None, Some(byte)) => {
                expands |= *byte == b'$' && kind == b'"';
                at += 1;
            }
            (None, None) => return text.len(),
        }
    };
    let end = at + last;
    if !expands {
        let inside = &mut text[start + size..at];
        inside.iter_mut().filter(|byte| !matches!(**byte, b'\r' | b'\n')).for_each(|byte| *byte = b'_');
    }
    // Of a quote of three bytes, two become part of the text.
    text[start..start + size].fill(b'_');
    text[at..end].fill(b'_');
    text[start] = kind;
    text[end - 1] = kind;
    end
}
