//! Constructs, by the sections that the language's table gives them, and the blocks and subshells of every language.

use super::language::{Construct, End, Section};
use super::word::{Items, Word, text};
use super::{ROOM, Reader, Result, Unreadable};
use crate::migrate::model::{Body, Node, Reason, Scope};

impl<'a> Reader<'a> {
    /// A construct, a subshell or a simple command.
    pub(super) fn command(&mut self) -> Result<Node> {
        let outer = std::mem::replace(&mut self.room, ROOM);
        let node = self.one_command();
        self.room = outer;
        node
    }

    fn one_command(&mut self) -> Result<Node> {
        self.blanks();
        let start = self.at;
        if let Some((word, construct)) = self.construct_here() {
            return match construct {
                Construct::Special(read) => read(self),
                Construct::Sections { scope, sections, .. } => {
                    self.at += word.len();
                    self.sections(start, *scope, sections)
                }
            };
        }
        if let Some(posix) = self.language.posix
            && let Some(node) = (posix.construct)(self)?
        {
            return Ok(node);
        }
        if self.language.has_subshells && self.peek() == Some(b'(') { self.subshell() } else { self.simple() }
    }

    fn construct_here(&self) -> Option<(&'static str, &'static Construct)> {
        let (name, construct) = self.language.constructs.iter().find(|(name, construct)| {
            let guard = match construct {
                Construct::Sections { guard, .. } => *guard,
                Construct::Special(_) => None,
            };
            self.is_at(name) && guard.is_none_or(|holds| holds(self))
        })?;
        Some((name, construct))
    }

    fn sections(&mut self, start: usize, scope: Scope, sections: &'static [Section]) -> Result<Node> {
        let outer = (self.programs, self.starts);
        if scope == Scope::Function {
            (self.programs, self.starts) = (0, 0);
        }
        let mut name = None;
        let mut bodies = Vec::new();
        let mut next = Some(0);
        while let Some(section) = next {
            next = match &sections[section] {
                Section::Head(next) => {
                    name = self.head()?;
                    Some(*next)
                }
                Section::Test(next) => {
                    bodies.push(self.test()?);
                    Some(*next)
                }
                Section::Condition(ends) => {
                    bodies.push(self.body(Scope::Condition)?);
                    self.ended(ends)?
                }
                Section::Body(ends) => {
                    bodies.push(self.body(scope)?);
                    self.ended(ends)?
                }
                Section::Short(ends) => {
                    bodies.push(self.short_body(scope)?);
                    self.ended(ends)?
                }
                Section::Arms(labels, end) => {
                    self.separators()?;
                    if self.takes_word(end) {
                        None
                    } else if self.takes_one_of(labels) {
                        self.head()?;
                        bodies.push(self.body(scope)?);
                        Some(section)
                    } else {
                        return Err(Unreadable);
                    }
                }
            };
        }
        // A function that is only defined runs nothing.
        if scope == Scope::Function {
            self.runs(&mut bodies, (0, 0));
            (self.programs, self.starts) = outer;
        }
        self.named(start, name.filter(|_| scope == Scope::Function), bodies)
    }

    /// The construct that these are the bodies of, with the redirections behind it.
    pub(super) fn compound(&mut self, start: usize, bodies: Vec<Body>) -> Result<Node> {
        self.named(start, None, bodies)
    }

    /// The same, of a command that the construct defines.
    pub(super) fn named(&mut self, start: usize, name: Option<Box<str>>, bodies: Vec<Body>) -> Result<Node> {
        self.redirections()?;
        Ok(Node::Compound { span: start..self.at, name, bodies })
    }

    // A statement, and those that the next words join to it.
    fn test(&mut self) -> Result<Body> {
        let (start, programs, starts) = (self.at, self.programs, self.starts);
        let mut nodes = Vec::new();
        let mut end = self.at;
        while nodes.is_empty() || self.is_at_one_of(self.language.joins) {
            if !self.statement(Scope::Condition, &mut nodes, 0)? {
                return Err(Unreadable);
            }
            end = self.at;
            self.separators()?;
        }
        self.at = end;
        nodes.shrink_to_fit();
        let (runs, starts) = (self.programs > programs, self.starts > starts);
        Ok(Body { span: start..end, nodes, scope: Scope::Condition, runs, starts })
    }

    /// Says of all bodies what runs in any of them, by the numbers of programs and agents before.
    pub(super) fn runs(&self, bodies: &mut [Body], (programs, starts): (usize, usize)) {
        for body in bodies {
            (body.runs, body.starts) = (self.programs > programs, self.starts > starts);
        }
    }

    // Takes the words that end a section, which may be none; gives the next one.
    fn ended(&mut self, ends: &[End]) -> Result<Option<usize>> {
        self.blanks();
        let start = self.at;
        for End(words, next) in ends {
            let all = words.iter().enumerate().all(|(at, word)| {
                self.blanks();
                // The second of two words begins the construct anew.
                let begins = at == 0
                    || self.construct_here().is_some_and(|(name, construct)| {
                        name == *word && matches!(construct, Construct::Sections { .. })
                    });
                begins && self.takes_word(word)
            });
            if all {
                return Ok(*next);
            }
            self.at = start;
        }
        Err(Unreadable)
    }

    // The words up to the end of a statement; gives the first one.
    fn head(&mut self) -> Result<Option<Box<str>>> {
        let mut first = None;
        loop {
            self.blanks();
            if matches!(self.peek(), None | Some(b'\n' | b';' | b'#')) {
                return Ok(first);
            }
            let word = (self.language.word)(self)?;
            first = first.or_else(|| word.literal().and_then(text));
            // Other signs mean nothing here.
            self.at += usize::from(word.span.is_empty());
            self.look_into(&word, Reason::Argument, None);
        }
    }

    /// A block in braces, behind the opening one. Its statements belong to the command whose word it is.
    pub(super) fn block(&mut self, start: usize, scope: Scope) -> Result<Word<'a>> {
        let body = self.ending(b"", |reader| reader.body(scope))?;
        if !self.takes(b"}") {
            return Err(Unreadable);
        }
        // Of empty ones in a row the first says all.
        if !body.nodes.is_empty() || self.bodies.last().is_none_or(|last| !last.nodes.is_empty()) {
            self.bodies.push(body);
        }
        Ok(Word::list(start..self.at, Items::List(vec![])))
    }

    fn subshell(&mut self) -> Result<Node> {
        let start = self.at;
        let bodies = vec![self.subshell_body()?];
        self.compound(start, bodies)
    }

    /// Statements in parentheses.
    pub(super) fn subshell_body(&mut self) -> Result<Body> {
        self.at += 1;
        let body = self.body(Scope::Subshell)?;
        self.expect(|reader| reader.takes(b")"))?;
        Ok(body)
    }
}
