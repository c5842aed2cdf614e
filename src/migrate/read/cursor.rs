//! The place in the file: signs, words, blanks, comments, line ends, and the here-documents behind them.

use super::{Reader, Result, Unreadable};
use crate::migrate::model::Reason;

/// A here-document whose text begins at the next line.
#[derive(Default)]
pub(super) struct HereDocument {
    /// The line that ends it.
    pub end: Vec<u8>,
    /// Whether tabs may stand before that line.
    pub tabs: bool,
    /// Whether a backslash joins lines in it.
    pub joins: bool,
    /// Whether the file's end ends it, too.
    pub is_open: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at.min(self.bytes.len())..]
    }

    /// The length of the line's end here.
    pub(super) fn line_end(&self) -> Option<usize> {
        match self.rest() {
            [b'\n', ..] => Some(1),
            [b'\r', b'\n', ..] => Some(2),
            _ => None,
        }
    }

    /// The length of a continuation here: a sign and the line's end behind it.
    pub(super) fn continued(&self) -> Option<usize> {
        match self.rest() {
            [sign, b'\n', ..] if Some(*sign) == self.language.continuation => Some(2),
            [sign, b'\r', b'\n', ..] if Some(*sign) == self.language.continuation => Some(3),
            _ => None,
        }
    }

    /// The unquoted characters up to the next blank or sign that ends a word.
    pub(super) fn keyword(&self) -> &'a [u8] {
        let rest = self.rest();
        &rest[..rest.iter().position(|byte| self.ends_keyword(*byte)).unwrap_or(rest.len())]
    }

    /// Reports whether these are the characters here. Looks at no more than these.
    pub(super) fn is_at(&self, keyword: &str) -> bool {
        let rest = self.rest().strip_prefix(keyword.as_bytes());
        rest.is_some_and(|rest| rest.first().is_none_or(|byte| self.ends_keyword(*byte)))
    }

    fn ends_keyword(&self, byte: u8) -> bool {
        b" \t\r\n".contains(&byte) || self.language.ends.contains(&byte)
    }

    pub(super) fn takes(&mut self, text: &[u8]) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    pub(super) fn takes_word(&mut self, word: &str) -> bool {
        let found = self.is_at(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    pub(super) fn is_at_one_of(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_at(word))
    }

    /// Takes one of these words, or one of these rows of words.
    pub(super) fn takes_one_of(&mut self, words: &[&str]) -> bool {
        let first = self.peek();
        let begins = |words: &&&str| words.as_bytes().first() == first.as_ref();
        words.iter().filter(begins).any(|words| self.takes_words(words.split(' ')))
    }

    fn takes_words<'w>(&mut self, mut words: impl Iterator<Item = &'w str>) -> bool {
        let start = self.at;
        let found = words.all(|word| {
            self.blanks();
            self.takes_word(word)
        });
        if !found {
            self.at = start;
        }
        found
    }

    /// Takes a sign or a word that has to stand here.
    pub(super) fn expect(&mut self, found: impl FnOnce(&mut Self) -> bool) -> Result<()> {
        self.blanks();
        if found(self) { Ok(()) } else { Err(Unreadable) }
    }

    /// Reports whether a sign that ends an arm of a `case` stands here.
    pub(super) fn at_arm_end(&self) -> bool {
        let arms = self.language.posix.map_or(&[][..], |posix| posix.arms);
        self.peek() == Some(b';') && arms.iter().any(|sign| self.rest().starts_with(sign.as_bytes()))
    }

    /// The carriage return of a CRLF line counts as a blank.
    pub(super) fn blanks(&mut self) {
        let mut behind_a_continuation = false;
        loop {
            match self.rest() {
                [b' ' | b'\t', ..] | [b'\r', b'\n', ..] => self.at += 1,
                [b'#', ..] if behind_a_continuation && self.language.comments_continue => {
                    self.comment();
                    self.at += self.line_end().unwrap_or_default();
                }
                _ if self.block_comment() => {}
                _ => match self.continued() {
                    Some(size) => {
                        self.at += size;
                        behind_a_continuation = true;
                    }
                    None => return,
                },
            }
        }
    }

    // A comment within a line or over several. One that does not end is none.
    fn block_comment(&mut self) -> bool {
        let Some((open, close)) = self.language.block_comment else { return false };
        let rest = self.rest();
        let size = rest.strip_prefix(open.as_bytes()).and_then(|rest| memchr::memmem::find(rest, close.as_bytes()));
        let Some(size) = size else { return false };
        let start = self.at;
        self.at += open.len() + size + close.len();
        if self.comments.last().is_none_or(|last| last.end <= start) {
            self.comments.push(start..self.at);
        }
        true
    }

    fn comment(&mut self) {
        let start = self.at;
        let rest = self.rest();
        let size = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        self.at += size;
        // Some places are read twice.
        if self.comments.last().is_none_or(|last| last.end <= start) {
            self.comments.push(start..self.at - usize::from(rest[..size].ends_with(b"\r")));
        }
    }

    /// Line ends and comments, with the here-documents that begin behind a line's end.
    pub(super) fn line_ends(&mut self) -> Result<()> {
        loop {
            self.blanks();
            match self.peek() {
                Some(b'#') => self.comment(),
                Some(b'\n') => {
                    self.at += 1;
                    self.here_documents()?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// What may stand behind an operator.
    pub(super) fn operator_ends(&mut self) -> Result<()> {
        if self.language.operators_continue { self.line_ends() } else { Ok(()) }
    }

    /// What may stand between two statements.
    pub(super) fn separators(&mut self) -> Result<()> {
        self.line_ends()?;
        while !self.at_arm_end() && self.takes(b";") {
            self.line_ends()?;
        }
        Ok(())
    }

    fn here_documents(&mut self) -> Result<()> {
        for document in std::mem::take(&mut self.pending) {
            let start = self.at;
            let mut end = start;
            let mut is_joined = false;
            loop {
                let rest = self.rest();
                if rest.is_empty() && document.is_open {
                    break;
                }
                if rest.is_empty() {
                    return Err(Unreadable);
                }
                let size = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |size| size + 1);
                let line = rest[..size].strip_suffix(b"\n").unwrap_or(&rest[..size]);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let tabs = line.iter().take_while(|byte| document.tabs && **byte == b'\t').count();
                self.at += size;
                if line[tabs..] == *document.end && !is_joined {
                    break;
                }
                let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
                is_joined = document.joins && backslashes % 2 == 1;
                end = self.at;
            }
            self.report(start..end, Reason::HereDocument, None);
        }
        Ok(())
    }
}
