//! Cuts a start file into simple commands and their words, in every shell's own quoting.
//!
//! Just enough for the files that are read: which words a command has, where it begins, what is quoted, and what
//! stands for a variable or another command. A keyword or bracket that opens or closes something is a command of its
//! own. Nothing is expanded here, and no text is ever refused: what is not understood becomes words of no use.
//! Linear in the text, whatever it holds. Called by `sourced`.

mod pieces;

use crate::migrate::dialect::Dialect;

/// Whose words they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Tongue {
    /// bash, sh and ksh.
    Posix,
    Zsh,
    Fish,
    Csh,
    PowerShell,
    Nushell,
}

impl Tongue {
    /// That of a dialect that can source files.
    pub(super) fn of(dialect: Dialect) -> Option<Self> {
        Some(match dialect {
            Dialect::Bash | Dialect::Sh => Self::Posix,
            Dialect::Zsh => Self::Zsh,
            Dialect::Fish => Self::Fish,
            Dialect::Csh => Self::Csh,
            Dialect::PowerShell => Self::PowerShell,
            Dialect::Nushell => Self::Nushell,
            _ => return None,
        })
    }

    fn is_bourne(self) -> bool {
        matches!(self, Self::Posix | Self::Zsh)
    }

    // Whether brackets are blocks and a backslash is only a backslash.
    fn is_braced(self) -> bool {
        matches!(self, Self::PowerShell | Self::Nushell)
    }

    /// The words that are no commands but begin or end something.
    pub(super) fn keywords(self) -> &'static [&'static str] {
        match self {
            Self::Posix | Self::Zsh => &[
                "if", "then", "elif", "else", "fi", "while", "until", "do", "done", "{", "}", "!", "time", "esac",
                "end", "always",
            ],
            Self::Fish => &["if", "else", "while", "and", "or", "not", "!", "begin", "end", "time", "{", "}"],
            Self::Csh => &["if", "then", "else", "endif", "while", "end", "endsw"],
            Self::PowerShell | Self::Nushell => {
                &["if", "else", "elseif", "try", "catch", "finally", "do", "while", "{", "}"]
            }
        }
    }
}

/// A part of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text in which `~`, `*`, `{` and the like mean something.
    Plain(&'a [u8]),
    /// Text that is what it is.
    Quoted(&'a [u8]),
    /// The inside of `${...}`, or the name behind a `$`.
    Variable(&'a [u8], bool),
    /// The text of a command whose output stands here.
    Code(&'a [u8], bool),
    /// Something of which nothing is known.
    Unknown,
}

/// A word.
#[derive(Debug, Clone, Default)]
pub(super) struct Word<'a> {
    pub(super) pieces: Vec<Piece<'a>>,
    /// Whether a list in parentheses follows it: `files=(`.
    pub(super) opens: bool,
}

impl Word<'_> {
    /// The word's text where all of it is literal and unquoted: what a keyword must be.
    pub(super) fn plain(&self) -> Option<&[u8]> {
        match self.pieces[..] {
            [Piece::Plain(text)] => Some(text),
            _ => None,
        }
    }

    /// The word's text where all of it is literal.
    pub(super) fn literal(&self) -> Option<String> {
        let mut text = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Plain(part) | Piece::Quoted(part) => text.extend_from_slice(part),
                _ => return None,
            }
        }
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

/// What joins a command to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    /// It runs where that one succeeded.
    And,
    /// It runs where that one failed.
    Or,
}

/// A simple command, or a keyword.
#[derive(Debug, Clone, Default)]
pub(super) struct Command<'a> {
    /// Where it begins.
    pub(super) start: usize,
    /// Where it ends: what separates it from the next comes after.
    pub(super) end: usize,
    /// Its words, redirections left out.
    pub(super) words: Vec<Word<'a>>,
    /// The files that it reads: `< file`.
    pub(super) inputs: Vec<Word<'a>>,
    /// Whether its output goes to the next command.
    pub(super) piped: bool,
    /// On which end of the command before it it runs: always, or only then.
    pub(super) joined: Option<Joint>,
}

impl Command<'_> {
    /// Whether it is just this keyword or bracket.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.words.len() == 1 && self.words[0].plain() == Some(keyword.as_bytes())
    }
}

/// The commands of a text, in order.
pub(super) fn commands(text: &[u8], tongue: Tongue) -> Vec<Command<'_>> {
    let mut lexer = Lexer::new(text, tongue);
    lexer.run();
    lexer.found
}

/// A text as one word, blanks and all.
pub(super) fn word(text: &[u8], tongue: Tongue) -> Word<'_> {
    let mut lexer = Lexer::new(text, tongue);
    let mut pieces = lexer.pieces();
    while lexer.at < text.len() && lexer.budget > 0 {
        pieces.push(Piece::Plain(&text[lexer.at..=lexer.at]));
        lexer.at += 1;
        pieces.append(&mut lexer.pieces());
    }
    Word { pieces, opens: false }
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    tongue: Tongue,
    found: Vec<Command<'a>>,
    now: Command<'a>,
    // The ends of here-documents that begin at the next line, and whether tabs before them are skipped.
    documents: Vec<(Vec<u8>, bool)>,
    // Whether the words are those of a list in parentheses.
    list: bool,
    joined: Option<Joint>,
    // Text may be looked at this often: openers that are never closed are looked for again and again.
    budget: usize,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a [u8], tongue: Tongue) -> Self {
        let budget = text.len().saturating_mul(8) + 4096;
        let (found, documents) = Default::default();
        Self { text, at: 0, tongue, found, now: Command::default(), documents, list: false, joined: None, budget }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn run(&mut self) {
        while self.at < self.text.len() && self.budget > 0 {
            self.budget = self.budget.saturating_sub(1);
            let byte = self.text[self.at];
            match byte {
                b' ' | b'\t' | b'\r' | 0x0b | 0x0c => self.at += 1,
                b'\\' if matches!(self.peek(1), b'\n') && !self.tongue.is_braced() => self.at += 2,
                b'`' if self.tongue == Tongue::PowerShell && matches!(self.peek(1), b'\n' | b'\r') => self.at += 2,
                b'\n' if self.list => self.at += 1,
                b'\n' => {
                    self.end(false);
                    self.joined = None;
                    self.at += 1;
                    self.skip_documents();
                }
                b'#' => self.skip_line(),
                b'<' if self.tongue == Tongue::PowerShell && self.peek(1) == b'#' => self.skip_past(b"#>"),
                b';' => {
                    self.end(false);
                    self.joined = None;
                    self.at += 1;
                }
                b',' if self.tongue.is_braced() => self.at += 1,
                b'&' => self.ampersand(),
                b'|' if self.tongue == Tongue::Nushell && self.now.words.is_empty() => self.at += 1,
                b'|' => {
                    let or = self.peek(1) == b'|';
                    self.end(!or);
                    self.joined = or.then_some(Joint::Or);
                    self.at += if or || self.peek(1) == b'&' { 2 } else { 1 };
                }
                b'<' => self.input(),
                b'>' if !self.tongue.is_braced() || self.tongue == Tongue::PowerShell => self.output(),
                b'(' => self.parenthesis(),
                b')' if self.list => self.close_list(),
                b')' | b']' if self.tongue.is_braced() => self.at += 1,
                b')' => {
                    self.end(false);
                    self.bracket();
                }
                b'{' | b'}' if self.tongue.is_braced() => {
                    self.end(false);
                    self.bracket();
                }
                _ => self.word(),
            }
        }
        self.end(false);
    }

    // A bracket alone.
    fn bracket(&mut self) {
        let text = &self.text[self.at..=self.at];
        self.now.start = self.at;
        self.now.words.push(Word { pieces: vec![Piece::Plain(text)], opens: false });
        self.at += 1;
        self.end(false);
    }

    // A parenthesis at the beginning of a word.
    fn parenthesis(&mut self) {
        let first = self.now.words.first().and_then(Word::plain);
        let fresh = self.now.words.is_empty();
        let lists = matches!(first, Some(b"for" | b"foreach" | b"set"));
        match self.tongue {
            Tongue::Fish | Tongue::PowerShell | Tongue::Nushell => self.word(),
            _ if lists => {
                self.now.words.last_mut().expect("the first").opens = true;
                self.list = true;
                self.at += 1;
            }
            // A condition: `if ( -f x ) source x`.
            Tongue::Csh if fresh => self.at = self.closing(self.at + 1, b')').map_or(self.text.len(), |end| end + 1),
            Tongue::Csh => self.at += 1,
            _ if fresh && self.peek(1) == b'(' => {
                self.now.start = self.at;
                self.skip_past(b"))");
                self.now.words.push(Word { pieces: vec![Piece::Unknown], opens: false });
            }
            // Of a function whose head is complete, or that has no name.
            _ if fresh && self.peek(1) == b')' => {
                self.now.start = self.at;
                self.header();
            }
            _ if fresh => self.bracket(),
            _ if self.now.words.len() == 1 && self.peek(1) == b')' => self.header(),
            _ => self.word(),
        }
    }

    // `name()`
    fn header(&mut self) {
        self.at += 2;
        self.now.words.push(Word { pieces: vec![Piece::Plain(b"()")], opens: false });
        self.end(false);
    }

    fn close_list(&mut self) {
        self.list = false;
        self.at += 1;
        if self.now.words.first().and_then(Word::plain).is_some_and(|word| matches!(word, b"for" | b"foreach")) {
            self.end(false);
        }
    }

    fn is_fresh(&self) -> bool {
        self.now.words.is_empty() && self.now.inputs.is_empty()
    }

    fn end(&mut self, piped: bool) {
        self.list = false;
        if self.is_fresh() {
            // What stands before the sign is a block.
            if piped && let Some(last) = self.found.last_mut() {
                last.piped = true;
            }
            return;
        }
        self.now.end = self.at;
        self.now.piped = piped;
        self.now.joined = std::mem::take(&mut self.joined);
        self.found.push(std::mem::take(&mut self.now));
    }

    fn push(&mut self, start: usize, word: Word<'a>) {
        let keyword = word.plain().is_some_and(|text| {
            // zsh closes a group after any word.
            let may_stand = self.now.words.is_empty() || (self.tongue == Tongue::Zsh && text == b"}");
            may_stand && self.tongue.keywords().iter().any(|keyword| keyword.as_bytes() == text)
        });
        if keyword && !self.now.words.is_empty() {
            let after = std::mem::replace(&mut self.at, start);
            self.end(false);
            self.at = after;
        }
        if self.is_fresh() {
            self.now.start = start;
        }
        self.now.words.push(word);
        if keyword {
            // `a && { b; }`: what runs only then is the block.
            let joined = self.joined;
            self.end(false);
            self.joined = joined;
        }
        // What follows is a pattern.
        let last = self.now.words.last().and_then(Word::plain);
        let opens_case = last == Some(b"in") && self.now.words[0].plain() == Some(b"case");
        // The body of `function name {` is no word of it.
        let is_head = self.now.words.len() == 2
            && self.now.words[0].plain() == Some(b"function")
            && !self.text[self.at..].starts_with(b"()");
        // zsh needs no separator after a condition: `if [[ a ]] { b }`.
        let is_condition = last == Some(b"]]") && self.now.words[0].plain() == Some(b"[[");
        if self.tongue.is_bourne() && (opens_case || is_head || is_condition) {
            self.end(false);
        }
    }

    fn ampersand(&mut self) {
        match self.peek(1) {
            b'&' => {
                self.end(false);
                self.joined = Some(Joint::And);
                self.at += 2;
            }
            b'>' => self.at += 1,
            // PowerShell's call of what follows.
            _ if self.tongue == Tongue::PowerShell && self.now.words.is_empty() => self.at += 1,
            _ => {
                self.end(false);
                self.joined = None;
                self.at += 1;
            }
        }
    }

    fn input(&mut self) {
        let start = self.at;
        match (self.peek(1), self.peek(2)) {
            (b'(', _) if self.tongue.is_bourne() => {
                let code = self.code(self.at + 2, false);
                self.push(start, Word { pieces: vec![code], opens: false });
            }
            (b'<', b'<') => {
                self.at += 3;
                self.dropped();
            }
            (b'<', _) if self.tongue != Tongue::Fish && !self.tongue.is_braced() => {
                self.at += 2;
                let tabs = self.peek(0) == b'-';
                self.at += usize::from(tabs);
                if let Some(word) = self.dropped().and_then(|word| word.literal()) {
                    self.documents.push((word.into_bytes(), tabs));
                }
            }
            (b'&' | b'>', _) => {
                self.at += 2;
                self.dropped();
            }
            _ => {
                self.at += 1;
                if self.is_fresh() {
                    self.now.start = start;
                }
                if let Some(word) = self.dropped() {
                    self.now.inputs.push(word);
                }
            }
        }
    }

    fn output(&mut self) {
        self.at += 1;
        while matches!(self.peek(0), b'>' | b'&' | b'|' | b'!' | b'?') {
            self.at += 1;
        }
        self.dropped();
    }

    // The word that a redirection takes away.
    fn dropped(&mut self) -> Option<Word<'a>> {
        while matches!(self.peek(0), b' ' | b'\t') {
            self.at += 1;
        }
        let pieces = self.pieces();
        (!pieces.is_empty()).then_some(Word { pieces, opens: false })
    }

    fn skip_line(&mut self) {
        self.at = memchr::memchr(b'\n', &self.text[self.at..]).map_or(self.text.len(), |size| self.at + size);
    }

    fn skip_documents(&mut self) {
        for (end, tabs) in std::mem::take(&mut self.documents) {
            while self.at < self.text.len() {
                let start = self.at;
                self.skip_line();
                let line = &self.text[start..self.at];
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let indent = if tabs { line.iter().take_while(|byte| **byte == b'\t').count() } else { 0 };
                self.at = (self.at + 1).min(self.text.len());
                if line[indent..] == *end {
                    break;
                }
            }
        }
    }

    fn word(&mut self) {
        let start = self.at;
        let pieces = self.pieces();
        if self.at == start {
            // Never stands still.
            self.at += 1;
            return;
        }
        let opens = self.tongue.is_bourne()
            && self.peek(0) == b'('
            && matches!(pieces.last(), Some(Piece::Plain(text)) if text.ends_with(b"="));
        // The number before a redirection is no word.
        let is_descriptor = matches!(self.peek(0), b'<' | b'>')
            && matches!(pieces[..], [Piece::Plain(text)] if text.iter().all(u8::is_ascii_digit));
        if !is_descriptor {
            self.push(start, Word { pieces, opens });
        }
        if opens {
            self.at += 1;
            self.list = true;
        } else if self.tongue.is_bourne() && self.text[self.at..].starts_with(b"()") && !self.now.words.is_empty() {
            self.header();
        }
    }
}

#[cfg(test)]
mod tests;
