//! Puts into ASCII what the grammar does not know, and finds the statements at top level without it.

use crate::migrate::model::Span;

/// How deep brackets may stand in each other; a file of opening ones must not exhaust the stack.
const DEEPEST: usize = 200;

/// The lengths of the quotes that PowerShell takes for `'` and for `"`, if one stands at the beginning.
pub(super) fn quote(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'\'', ..] => Some((b'\'', 1)),
        [b'"', ..] => Some((b'"', 1)),
        [0xe2, 0x80, 0x98..=0x9b, ..] => Some((b'\'', 3)),
        [0xe2, 0x80, 0x9c..=0x9e, ..] => Some((b'"', 3)),
        _ => None,
    }
}

/// Puts into ASCII what the grammar does not know: typographic quotes, `??`, `??=` and `a ? b : c`. Offsets stay what
/// they are.
pub(super) struct Plain<'t> {
    text: &'t mut Vec<u8>,
    parts: Vec<Span>,
    start: usize,
    depth: usize,
    /// A blank in each empty block.
    empty: Vec<usize>,
}

impl<'t> Plain<'t> {
    /// Rewrites the text. Gives its statements at top level but for the last one, or nothing where something stays
    /// open, and a blank in each empty block.
    #[allow(clippy::new_ret_no_self)]
    pub(super) fn new(text: &'t mut Vec<u8>) -> (Option<Vec<Span>>, Vec<usize>) {
        let mut plain = Plain { text, parts: Vec::new(), start: 0, depth: 0, empty: Vec::new() };
        let end = plain.code(0, None);
        (end.map(|_| plain.parts), plain.empty)
    }

    /// The code in brackets of any kind.
    fn nested(&mut self, from: usize, close: u8) -> Option<usize> {
        self.depth += 1;
        let end = if self.depth < DEEPEST { self.code(from, Some(close)) } else { None };
        self.depth -= 1;
        end
    }

    /// Code up to its closing bracket, or to the end of the text; where it ends.
    fn code(&mut self, from: usize, close: Option<u8>) -> Option<usize> {
        let mut at = from;
        let mut word = true;
        let mut choices = 0usize;
        while at < self.text.len() {
            let rest = &self.text[at..];
            let fresh = std::mem::replace(&mut word, false);
            match rest {
                [b'`', ..] => at += 2,
                [b'<', b'#', ..] => at += rest.windows(2).position(|pair| pair == b"#>")? + 2,
                [b'#', ..] if fresh => at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
                [b'@', quoted @ ..] if quote(quoted).is_some() && here_begins(quoted) => at = self.here(at)?,
                [b'$', b'{', ..] => at += rest.iter().position(|byte| *byte == b'}')? + 1,
                [b'?', b'?', b'=', ..] => {
                    self.text[at..at + 3].copy_from_slice(b" +=");
                    at += 3;
                }
                [b'?', b'?', ..] => {
                    self.text[at..at + 2].copy_from_slice(b" +");
                    at += 2;
                    word = true;
                }
                // `a ? b : c`; at a statement's start `?` is a command's name.
                [b'?', next, ..] if (fresh || !b".[".contains(next)) && self.ends_operand(from, at, fresh) => {
                    self.text[at] = b'+';
                    choices += 1;
                    at += 1;
                    word = true;
                }
                [b':', next, ..] if choices > 0 && *next != b':' && self.ends_choice(from, at) => {
                    self.text[at] = b'+';
                    choices -= 1;
                    at += 1;
                    word = true;
                }
                [open @ (b'(' | b'{' | b'['), ..] => {
                    let close = match open {
                        b'(' => b')',
                        b'{' => b'}',
                        _ => b']',
                    };
                    let inside = at + 1;
                    let map = at > 0 && self.text[at - 1] == b'@';
                    at = self.nested(inside, close)?;
                    if close == b'}' && !map && at > inside + 1 && self.text[inside..at - 1].trim_ascii().is_empty() {
                        self.empty.push(inside);
                    }
                }
                [byte @ (b')' | b'}' | b']'), ..] => {
                    return if Some(*byte) == close { Some(at + 1) } else { None };
                }
                [b'\n', ..] => {
                    at += 1;
                    word = true;
                    if close.is_none() && !self.goes_on(at) {
                        self.parts.push(self.start..at);
                        self.start = at;
                    }
                }
                [byte, ..] => match quote(rest) {
                    Some(_) => at = self.string(at)?,
                    None => {
                        word = byte.is_ascii_whitespace() || b";|&,=".contains(byte);
                        at += 1;
                    }
                },
                [] => {}
            }
        }
        close.is_none().then_some(self.text.len())
    }

    /// Whether an operand stands before, on the same line. A name holds a `?` that is not `apart` from it.
    fn ends_operand(&self, from: usize, at: usize, apart: bool) -> bool {
        let before = &self.text[from..at];
        let before =
            &before[before.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1)..];
        let last = self.text[from..at - before.len()].last();
        last.is_some_and(|byte| apart && (byte.is_ascii_alphanumeric() || *byte == b'_') || b")]}'\"".contains(byte))
    }

    /// Whether a `:` here is no part of a name: `$env:A`, `[a]::b`.
    fn ends_choice(&self, from: usize, at: usize) -> bool {
        self.text[from..at].last().is_some_and(|byte| b" \t)]}'\"".contains(byte)) && self.ends_operand(from, at, true)
    }

    /// Whether the line that ends at `at` and the next one are one statement.
    fn goes_on(&self, at: usize) -> bool {
        let before = self.text[self.start..at].trim_ascii_end();
        let next = self.text[at..].trim_ascii_start();
        let word = next.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let open = before.last().is_some_and(|byte| b"|&,=+-*/.({[".contains(byte));
        let keywords: [&[u8]; 6] = [b"else", b"elseif", b"catch", b"finally", b"while", b"until"];
        open || next.starts_with(b"|")
            || next.starts_with(b"&&")
            || next.starts_with(b".")
            || next.starts_with(b"{")
            || keywords.iter().any(|keyword| next[..word].eq_ignore_ascii_case(keyword))
    }

    fn here(&mut self, at: usize) -> Option<usize> {
        let (kind, size) = quote(&self.text[at + 1..])?;
        let mut line = at + 1 + size;
        loop {
            line += self.text[line..].iter().position(|byte| *byte == b'\n')? + 1;
            if let Some((closing, size)) = quote(&self.text[line..])
                && closing == kind
                && self.text.get(line + size) == Some(&b'@')
            {
                return Some(line + size + 1);
            }
        }
    }

    /// A string from its opening quote on: plain quotes around it, and letters for what is in it.
    fn string(&mut self, at: usize) -> Option<usize> {
        let (kind, size) = quote(&self.text[at..])?;
        let mut here = at + size;
        let mut expands = false;
        let last = loop {
            match quote(self.text.get(here..)?) {
                Some((closing, size)) if closing == kind => match quote(&self.text[here + size..]) {
                    Some((again, more)) if again == kind => here += size + more,
                    _ => break size,
                },
                Some((_, size)) => here += size,
                None => match *self.text.get(here)? {
                    b'`' if kind == b'"' => here += 2,
                    b'$' if kind == b'"' => {
                        expands = true;
                        if self.text.get(here + 1) == Some(&b'(') {
                            here = self.nested(here + 2, b')')?;
                        } else {
                            here += 1;
                        }
                    }
                    _ => here += 1,
                },
            }
        };
        let end = here + last;
        if size == 1 && last == 1 && !self.text[at..end].windows(2).any(|pair| pair == [0xe2, 0x80]) {
            return Some(end);
        }
        if !expands {
            for byte in &mut self.text[at + 1..end - 1] {
                if !matches!(*byte, b'\r' | b'\n') {
                    *byte = b'_';
                }
            }
        }
        // Of an opening or closing quote of three bytes, two become part of the text.
        self.text[at..at + size].fill(b'_');
        self.text[here..end].fill(b'_');
        self.text[at] = kind;
        self.text[end - 1] = kind;
        Some(end)
    }
}

fn here_begins(quoted: &[u8]) -> bool {
    let size = quote(quoted).map_or(0, |(_, size)| size);
    let rest = &quoted[size..];
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
    rest.get(blanks) == Some(&b'\n')
}
