//! The shells' languages, read as statements that set variables.
//!
//! `blocks` reads statements, lists and pipelines of every language by its table, `language`, and `constructs` what has
//! bodies; `setters` tells which commands set variables, `report` what the others may hold; `word` is a word as the
//! shell sees it. A language is a table, a reader of one word and the setters that only it has. Nothing is ever run.
//! Called by `examine`.

mod blocks;
pub(super) mod confirm;
mod constructs;
mod csh;
mod cursor;
mod fish;
mod language;
mod names;
mod nushell;
mod posix;
mod powershell;
pub(super) mod report;
mod setters;
mod starts;
mod texts;
mod word;

use super::dialect::Dialect;
use super::model::{Body, Fixed, Node, Scope, Script, Span, text_start};
use super::vocabulary::Terms;
use cursor::HereDocument;
use language::Language;
use posix::Passed;
use word::Word;

/// Takes a file of a shell's language apart.
pub(super) fn read(bytes: &[u8], dialect: Dialect, terms: Terms<'_>) -> Script {
    let language = match dialect {
        Dialect::Csh => &csh::LANGUAGE,
        Dialect::Fish => &fish::LANGUAGE,
        Dialect::Nushell => &nushell::LANGUAGE,
        Dialect::PowerShell => &powershell::LANGUAGE,
        Dialect::Bash | Dialect::Sh => &posix::BASH,
        Dialect::Zsh => &posix::ZSH,
        _ => unreachable!("no other language is read here"),
    };
    let mut reader = Reader::new(bytes, language, terms);
    let mut nodes = reader.file();
    let (runs, starts) = (reader.programs > 0, reader.starts > 0);
    let Reader { comments, mut fixed, .. } = reader;
    if let Some(grammar) = &language.grammar {
        confirm::confirm(bytes, grammar, &mut nodes, &mut fixed);
    }
    if language.ignores_case {
        names::in_one_spelling(&mut nodes, terms.vocabulary);
    }
    // The first reason of several for one key counts: in these shells the one of the construct around it.
    if language.posix.is_none() {
        fixed.sort_by_key(|fixed| fixed.at);
    }
    let (filler, continuation) = (language.filler, language.continuation);
    Script { nodes, comments, fixed, filler, continuation, runs, starts }
}

/// The text does not go on as the language wants it to.
struct Unreadable;

type Result<T> = std::result::Result<T, Unreadable>;

struct Reader<'a> {
    bytes: &'a [u8],
    terms: Terms<'a>,
    at: usize,
    language: &'static Language,
    comments: Vec<Span>,
    fixed: Vec<Fixed>,
    // Here-documents whose text begins at the next line.
    pending: Vec<HereDocument>,
    // How many programs that are no agents run so far in the function that is being read.
    programs: usize,
    // How many agents are started in it.
    starts: usize,
    depth: usize,
    // How many starts of agents are kept.
    kept: usize,
    // How deep the commands are that set a variable for the block around them alone.
    locals: Vec<usize>,
    // How many further words of the lists in it are kept one by one.
    room: usize,
    // The word that the last statement was, if it was one.
    single: Option<Word<'a>>,
    // The statements in the last pair of round brackets.
    group: Vec<Node>,
    // The blocks among the words of the command that is being read.
    bodies: Vec<Body>,
    // What kind of body such a block is.
    block_scope: Scope,
    // What ends a word here besides the language's signs.
    ends: &'static [u8],
    // What commands only pass on, in the order of the file: the words of `echo`, the text of here-strings.
    passed: Vec<Passed>,
    // How many bytes were looked at in vain, for a bracket's end or beyond a statement that cannot be read.
    guessed: usize,
}

// Far beyond what anybody writes in one command; each kept word takes many times its size in the file.
const ROOM: usize = 1000;

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], language: &'static Language, terms: Terms<'a>) -> Self {
        Self {
            bytes,
            terms,
            at: text_start(bytes),
            language,
            comments: vec![],
            fixed: vec![],
            pending: vec![],
            programs: 0,
            starts: 0,
            depth: 0,
            kept: 0,
            locals: vec![],
            room: ROOM,
            single: None,
            group: vec![],
            bodies: vec![],
            block_scope: Scope::Function,
            ends: b"",
            passed: vec![],
            guessed: 0,
        }
    }

    // Reads where other signs end a word.
    fn ending<T>(&mut self, ends: &'static [u8], read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let outer = std::mem::replace(&mut self.ends, ends);
        let done = read(self);
        self.ends = outer;
        done
    }

    // Keeps a word of a list. What no room is left for becomes one word with the last, as it is written.
    fn keep(&mut self, word: Word<'a>, words: &mut Vec<Word<'a>>) {
        let has_room = self.room > 0;
        self.room = self.room.saturating_sub(1);
        self.keep_if(has_room, word, words);
    }

    // Keeps an entry of a record in the same way.
    fn keep_entry(&mut self, entry: (Word<'a>, Word<'a>), entries: &mut Vec<(Word<'a>, Word<'a>)>) {
        match entries.last_mut() {
            Some((_, last)) if self.room == 0 => *last = Word::plain(self.bytes, last.span.start..entry.1.span.end),
            _ => {
                self.room = self.room.saturating_sub(1);
                entries.push(entry);
            }
        }
    }

    fn keep_if(&self, has_room: bool, word: Word<'a>, words: &mut Vec<Word<'a>>) {
        match words.last_mut() {
            Some(last) if !has_room => *last = Word::plain(self.bytes, last.span.start..word.span.end),
            _ => words.push(word),
        }
    }

    // A reader for a look at what follows.
    fn ahead(&self, at: usize) -> Self {
        Self { at, depth: self.depth, ..Self::new(self.bytes, self.language, self.terms) }
    }
}

#[cfg(test)]
mod tests;
