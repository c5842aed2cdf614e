//! The inside of words: quotes, variables and commands in them.

use super::{Lexer, Piece, Tongue};

impl<'a> Lexer<'a> {
    // The pieces up to the word's end.
    pub(super) fn pieces(&mut self) -> Vec<Piece<'a>> {
        let (mut pieces, text, braced) = (Vec::new(), self.text, self.tongue.is_braced());
        let mut run = self.at;
        while let Some(&byte) = text.get(self.at) {
            let at = self.at;
            let mut own = Vec::new();
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b';' | b'&' | b'|' | b')' | b'>' => break,
                b'<' if !braced => break,
                b'{' | b'}' | b',' if braced => break,
                b'(' => match self.tongue {
                    // A list, a function's head.
                    Tongue::Posix | Tongue::Zsh if text[run..at].ends_with(b"=") || self.peek(1) == b')' => break,
                    // A group in a pattern, zsh's qualifiers.
                    Tongue::Posix | Tongue::Zsh => self.at = self.closing(at + 1, b')').unwrap_or(at) + 1,
                    Tongue::Csh => break,
                    Tongue::Fish | Tongue::PowerShell | Tongue::Nushell => own.push(self.code(at + 1, false)),
                },
                b'\'' | b'"' | b'`' | b'$' | b'\\' | b'@' => self.special(byte, &mut own),
                _ => self.at += 1,
            }
            if !own.is_empty() {
                if run < at {
                    pieces.push(Piece::Plain(&text[run..at]));
                }
                pieces.append(&mut own);
                run = self.at;
            }
        }
        if run < self.at {
            pieces.push(Piece::Plain(&text[run..self.at]));
        }
        pieces
    }

    // What begins with a quote, a dollar sign or the like. A sign that is only itself is passed, and gives nothing.
    pub(super) fn special(&mut self, byte: u8, pieces: &mut Vec<Piece<'a>>) {
        match byte {
            b'\'' => self.single(pieces),
            b'"' => self.double(pieces),
            b'$' => self.dollar(false, pieces),
            b'`' if self.tongue == Tongue::PowerShell => self.escape(pieces),
            b'`' if self.tongue == Tongue::Nushell => self.raw(b'`', pieces),
            b'`' if self.tongue != Tongue::Fish => self.backticks(false, pieces),
            b'\\' if !self.tongue.is_braced() => self.escape(pieces),
            b'@' if self.tongue == Tongue::PowerShell => {
                let end: &[u8] = match (self.peek(1), self.peek(2)) {
                    (b'\'', b'\r' | b'\n') => b"\n'@",
                    (b'"', b'\r' | b'\n') => b"\n\"@",
                    _ => return self.at += 1,
                };
                self.skip_past(end);
                pieces.push(Piece::Unknown);
            }
            _ => self.at += 1,
        }
    }

    pub(super) fn escape(&mut self, pieces: &mut Vec<Piece<'a>>) {
        let end = (self.at + 2).min(self.text.len());
        let part = &self.text[self.at + 1..end];
        // A line that goes on leaves nothing.
        pieces.push(Piece::Quoted(if part == b"\n" { b"" } else { part }));
        self.at = end;
    }

    // Up to the sign, with nothing special in between.
    pub(super) fn raw(&mut self, sign: u8, pieces: &mut Vec<Piece<'a>>) {
        let start = self.at + 1;
        match self.find(start, sign) {
            Some(end) => {
                pieces.push(Piece::Quoted(&self.text[start..end]));
                self.at = end + 1;
            }
            None => self.at += 1,
        }
    }

    pub(super) fn find(&mut self, start: usize, sign: u8) -> Option<usize> {
        let within = if self.budget > 0 { &self.text[start..] } else { &[] };
        let found = memchr::memchr(sign, within).map(|size| start + size);
        // What was not found will not be found later.
        self.budget = self.budget.saturating_sub(if found.is_none() { self.text.len() - start } else { 1 });
        found
    }

    pub(super) fn single(&mut self, pieces: &mut Vec<Piece<'a>>) {
        if self.tongue == Tongue::Fish {
            return match self.escaped_end(self.at + 1) {
                Some(end) => self.quoted(end, |next| matches!(next, b'\'' | b'\\'), pieces),
                None => self.at += 1,
            };
        }
        self.raw(b'\'', pieces);
        // PowerShell's own quote is written twice.
        while self.tongue == Tongue::PowerShell && !pieces.is_empty() && self.peek(0) == b'\'' {
            pieces.push(Piece::Quoted(b"'"));
            self.raw(b'\'', pieces);
        }
    }

    // Where a quote that a backslash may stand before is closed.
    pub(super) fn escaped_end(&mut self, start: usize) -> Option<usize> {
        let mut at = start;
        while at < self.text.len() && self.text[at] != b'\'' && self.budget > 0 {
            at += if self.text[at] == b'\\' { 2 } else { 1 };
        }
        let found = at < self.text.len() && self.budget > 0;
        self.budget = self.budget.saturating_sub(if found { 1 } else { self.text.len() - start });
        found.then_some(at)
    }

    // A quoted text without a variable in it.
    pub(super) fn quoted(&mut self, end: usize, is_escaped: impl Fn(u8) -> bool, pieces: &mut Vec<Piece<'a>>) {
        self.at += 1;
        let mut run = self.at;
        while self.at < end {
            if self.text[self.at] == b'\\' && is_escaped(self.peek(1)) {
                pieces.push(Piece::Quoted(&self.text[run..self.at]));
                run = self.at + 1;
                self.at += 1;
            }
            self.at += 1;
        }
        pieces.push(Piece::Quoted(&self.text[run..end]));
        self.at = end + 1;
    }

    pub(super) fn double(&mut self, pieces: &mut Vec<Piece<'a>>) {
        let Some(end) = self.closing(self.at + 1, b'"') else { return self.at += 1 };
        if self.tongue == Tongue::Nushell {
            return self.quoted(end, |next| matches!(next, b'"' | b'\\'), pieces);
        }
        let escape = if self.tongue == Tongue::PowerShell { b'`' } else { b'\\' };
        let text = self.text;
        self.at += 1;
        let mut run = self.at;
        while self.at < end {
            let (at, byte) = (self.at, text[self.at]);
            let mut own = Vec::new();
            match byte {
                b'$' => self.dollar(true, &mut own),
                b'`' if self.tongue.is_bourne() || self.tongue == Tongue::Csh => self.backticks(true, &mut own),
                _ if byte == escape && self.tongue != Tongue::Csh => self.escape(&mut own),
                _ => self.at += 1,
            }
            if !own.is_empty() {
                pieces.push(Piece::Quoted(&text[run..at]));
                pieces.append(&mut own);
                run = self.at;
            }
        }
        // An empty word is one, too.
        pieces.push(Piece::Quoted(&text[run.min(end)..end]));
        self.at = self.at.max(end + 1);
    }

    pub(super) fn backticks(&mut self, quoted: bool, pieces: &mut Vec<Piece<'a>>) {
        let start = self.at + 1;
        match self.find(start, b'`') {
            Some(end) => {
                pieces.push(Piece::Code(&self.text[start..end], quoted));
                self.at = end + 1;
            }
            None => self.at += 1,
        }
    }

    // The text in parentheses that begins here.
    pub(super) fn code(&mut self, start: usize, quoted: bool) -> Piece<'a> {
        match self.closing(start, b')') {
            Some(end) => {
                self.at = end + 1;
                Piece::Code(&self.text[start..end], quoted)
            }
            None => {
                self.at = start;
                Piece::Unknown
            }
        }
    }

    pub(super) fn dollar(&mut self, quoted: bool, pieces: &mut Vec<Piece<'a>>) {
        let (next, bourne) = (self.peek(1), self.tongue.is_bourne());
        match next {
            b'(' if bourne && self.peek(2) == b'(' => {
                self.skip_past(b"))");
                pieces.push(Piece::Unknown);
            }
            b'(' if self.tongue != Tongue::Csh => pieces.push(self.code(self.at + 2, quoted)),
            b'{' if self.tongue != Tongue::Nushell => match self.closing(self.at + 2, b'}') {
                Some(end) => {
                    pieces.push(Piece::Variable(&self.text[self.at + 2..end], quoted));
                    self.at = end + 1;
                }
                None => self.at += 1,
            },
            b'\'' if bourne && !quoted => match self.escaped_end(self.at + 2) {
                Some(end) => {
                    pieces.push(Piece::Quoted(&self.text[self.at + 2..end]));
                    self.at = end + 1;
                }
                None => self.at += 1,
            },
            b'"' if bourne && !quoted => {
                self.at += 1;
                self.double(pieces);
            }
            b'"' | b'\'' if self.tongue == Tongue::Nushell => self.interpolated(next, pieces),
            _ => self.variable(quoted, pieces),
        }
    }

    // nushell's `$"...(code)..."`
    pub(super) fn interpolated(&mut self, sign: u8, pieces: &mut Vec<Piece<'a>>) {
        self.at += 2;
        let mut run = self.at;
        while self.at < self.text.len() && self.text[self.at] != sign && self.text[self.at] != b'\n' {
            if self.text[self.at] == b'(' {
                pieces.push(Piece::Quoted(&self.text[run..self.at]));
                pieces.push(self.code(self.at + 1, true));
                run = self.at;
            } else {
                self.at += 1;
            }
        }
        pieces.push(Piece::Quoted(&self.text[run..self.at]));
        self.at = (self.at + 1).min(self.text.len());
    }

    pub(super) fn variable(&mut self, quoted: bool, pieces: &mut Vec<Piece<'a>>) {
        let (tongue, text) = (self.tongue, self.text);
        let sign = tongue == Tongue::Zsh && matches!(self.peek(1), b'=' | b'~' | b'^');
        let start = self.at + 1 + usize::from(sign);
        let is_part = |byte: &&u8| {
            let more: &[u8] = match tongue {
                Tongue::PowerShell => b"_:",
                Tongue::Nushell => b"_-.",
                _ => b"_",
            };
            byte.is_ascii_alphanumeric() || more.contains(byte)
        };
        let mut end = start + text[start..].iter().take_while(is_part).count();
        match text.get(start) {
            Some(byte) if byte.is_ascii_digit() && !tongue.is_braced() => end = start + 1,
            Some(b'@' | b'*') if tongue.is_bourne() || tongue == Tongue::Csh => end = start + 1,
            _ if end == start => return self.at += 1,
            _ => {}
        }
        if !matches!(tongue, Tongue::Posix | Tongue::PowerShell) && text.get(end) == Some(&b'[') {
            let inside = &text[end..text.len().min(end + 64)];
            end += memchr::memchr(b']', inside).map_or(0, |size| size + 1);
        }
        // `$0:A:h`
        let is_letter = |at: usize| text.get(at).is_some_and(u8::is_ascii_alphabetic);
        while matches!(tongue, Tongue::Zsh | Tongue::Csh)
            && text.get(end) == Some(&b':')
            && is_letter(end + 1)
            && !is_letter(end + 2)
        {
            end += 2;
        }
        pieces.push(Piece::Variable(&text[self.at + 1..end], quoted));
        self.at = end;
    }

    // Where the bracket or quote that was opened before `start` is closed.
    pub(super) fn closing(&mut self, start: usize, sign: u8) -> Option<usize> {
        let escape = if self.tongue == Tongue::PowerShell { b'`' } else { b'\\' };
        let mut open = vec![sign];
        let mut at = start;
        while at < self.text.len() && open.len() < 100 && self.budget > 0 {
            let (byte, top) = (self.text[at], open[open.len() - 1]);
            if byte == escape && (self.tongue != Tongue::Nushell || top == b'"') {
                at += 2;
                continue;
            }
            if byte == top {
                open.pop();
                if open.is_empty() {
                    // The inside is looked at again.
                    self.budget = self.budget.saturating_sub((at - start) / 8);
                    return Some(at);
                }
            } else if byte == b'$' && self.text.get(at + 1) == Some(&b'(') && self.tongue != Tongue::Csh {
                open.push(b')');
                at += 1;
            } else if byte == b'$' && self.text.get(at + 1) == Some(&b'{') && self.tongue != Tongue::Fish {
                open.push(b'}');
                at += 1;
            } else if top != b'"' {
                let rest = &self.text[at + 1..];
                match byte {
                    b'"' => open.push(b'"'),
                    b'(' => open.push(b')'),
                    b'\'' => at += memchr::memchr(b'\'', rest).map_or(0, |size| size + 1),
                    b'#' if top == b')' && self.text[at - 1].is_ascii_whitespace() => {
                        at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                    }
                    _ => {}
                }
            }
            at += 1;
        }
        self.budget = self.budget.saturating_sub(at - start);
        None
    }

    // What is never closed ends with the text.
    pub(super) fn skip_past(&mut self, what: &[u8]) {
        let size = memchr::memmem::find(&self.text[self.at..], what).map(|size| size + what.len());
        self.at = size.map_or(self.text.len(), |size| self.at + size);
    }
}
