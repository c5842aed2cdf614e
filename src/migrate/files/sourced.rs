//! Which files a start file reads: found by going through its commands without running any.
//!
//! Both branches of a condition count, a loop's body counts for each of its values, and a function counts where it is
//! called. What is read in any case is told apart from what is read on a condition. Variables that the files set, or
//! the environment has, are known; a path of which more would have to be known is not followed. What is read as text
//! alone (`$(cat x)`, `cat x | source`) is noted apart. Everything is limited: levels, files, bytes and commands;
//! a file of which a limit leaves something out is noted. Called by `reading`.

mod as_text;
mod asked;
mod assigned;
mod blocks;
mod branches;
mod calls;
mod conditions;
mod simple;

use super::globs;
use super::values::{Known, Place, Values};
use super::words::{self, Command, Tongue, Word};
use super::{LIMIT, Resolver, Shell, first_bytes, is_systems, may_be_read, read_limited};
use crate::migrate::dialect::{self, Dialect};
use crate::migrate::model::text_start;
use crate::migrate::utf16;
use blocks::{Change, block, change, lone, loop_input};
use branches::Frame;
use conditions::Condition;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use zeroize::Zeroizing;

/// Files in files, functions in functions.
const DEEPEST: usize = 8;
/// Of all shells together.
const MOST_FILES: usize = globs::MOST;
const MOST_BYTES: usize = 64 << 20;
const MOST_COMMANDS: usize = 1_000_000;
const MOST_STEPS: usize = 100_000;
const MOST_LISTED: usize = 200_000;
// A function's text counts for each call.
const MOST_TEXT: usize = 64 << 20;
// Loops, functions and prefixes in each other.
const MOST_NESTED: usize = 40;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Read {
    /// A shell reads it at start.
    Start,
    /// A shell reads it where another file says so, as commands.
    Sourced,
    /// Its text is read by a program, whose output a shell uses.
    AsText,
}

/// A file that is read.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    pub(super) path: PathBuf,
    pub(super) resolved: PathBuf,
    pub(super) dialect: Dialect,
    pub(super) read: Read,
}

/// Part of a file, read now. To its end: `usize::MAX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) file: usize,
    pub(super) span: Range<usize>,
    /// Whether it is read in any case.
    pub(super) sure: bool,
}

type Text = Rc<Zeroizing<Vec<u8>>>;

#[derive(Clone)]
struct Function {
    text: Text,
    body: Range<usize>,
    names: Vec<String>,
    file: String,
    called: bool,
}

// A file that is being read: what of it has been recorded, and where its reader is.
struct Open {
    file: usize,
    // That of what it reads and nothing else tells.
    dialect: Dialect,
    from: usize,
    at: usize,
    // Whether it is read in any case, from here on.
    sure: bool,
}

// What holds for some commands.
struct State {
    // Branches around them.
    branches: usize,
    // Subshells around them.
    subshells: usize,
    // Where their text begins in the file, if they stand in it themselves.
    base: Option<usize>,
    // A character's bytes.
    width: usize,
}

/// A walk through the files of all shells, one shell after the other.
pub(super) struct Walk<'a> {
    known: Known<'a>,
    /// All files, in the order in which they are read first.
    pub(super) files: Vec<Reached>,
    resolver: Resolver,
    index: HashMap<PathBuf, usize>,
    texts: HashMap<usize, Text>,
    bytes: usize,
    commands: usize,
    listed: usize,
    // Of the shell at hand.
    pub(super) values: Values<'a>,
    functions: HashMap<String, Function>,
    open: Vec<Open>,
    calls: usize,
    // Whether the shell really goes there when it starts.
    reads: bool,
    // Whether it reads the file at hand in any case, and what is around the command in that.
    sure: bool,
    frames: Vec<Frame>,
    shell: Option<Shell>,
    pub(super) parts: Vec<Part>,
    steps: usize,
    text_left: usize,
    nested: usize,
    // By the hashes of their files and bodies.
    listed_functions: HashSet<u64>,
    hasher: RandomState,
    piped: Option<Vec<String>>,
    // Functions that are being called, with their arguments.
    calling: Vec<(String, Vec<String>)>,
    /// The files that read more than the limits let through.
    pub(super) cut: BTreeSet<PathBuf>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(known: Known<'a>) -> Self {
        Self {
            files: Vec::new(),
            resolver: Resolver::default(),
            index: HashMap::new(),
            texts: HashMap::new(),
            bytes: 0,
            commands: MOST_COMMANDS,
            listed: MOST_LISTED,
            values: Values::new(known.clone(), MOST_LISTED),
            known,
            functions: HashMap::new(),
            open: Vec::new(),
            calls: 0,
            reads: true,
            sure: true,
            frames: Vec::new(),
            shell: None,
            parts: Vec::new(),
            steps: MOST_STEPS,
            text_left: MOST_TEXT,
            nested: 0,
            listed_functions: HashSet::new(),
            hasher: RandomState::new(),
            piped: None,
            calling: Vec::new(),
            cut: BTreeSet::new(),
        }
    }

    /// Begins with a shell that knows nothing yet.
    pub(super) fn begin(&mut self, shell: Option<Shell>) {
        self.shell = shell;
        self.listed = self.listed.min(self.values.budget.left);
        self.values = Values::new(self.known.clone(), self.listed);
        self.functions.clear();
        self.parts.clear();
        self.reads = true;
    }

    /// Ends with a shell: what its functions would read that nothing calls is listed, and what was read in order given.
    pub(super) fn end(&mut self, tongue: Tongue) -> Vec<Part> {
        self.reads = false;
        let mut names: Vec<String> = self.functions.keys().cloned().collect();
        names.sort();
        for name in names {
            // A file that several shells read has the same functions in each.
            let is_new = |function: &Function| {
                let body = &function.text[function.body.clone()];
                let own = self.hasher.hash_one((&function.file, body, tongue));
                !function.called && self.listed_functions.insert(own)
            };
            if self.functions.get(&name).is_some_and(is_new) {
                self.call(&name, Vec::new(), tongue);
            }
        }
        std::mem::take(&mut self.parts)
    }

    /// Reads a start file.
    pub(super) fn start(&mut self, path: &Path, dialect: Dialect) {
        if let Some(tongue) = Tongue::of(dialect) {
            self.read(path, tongue, dialect, Read::Start, Vec::new());
        }
    }

    /// Reports whether a file was read as commands already.
    pub(super) fn went_through(&mut self, path: &Path) -> bool {
        let resolved = self.resolver.resolve(path);
        self.index.get(&resolved).is_some_and(|file| self.files[*file].read != Read::AsText)
    }

    /// Looks through a file that is not read at start: what it reads is listed.
    pub(super) fn later(&mut self, path: &Path, dialect: Dialect) {
        let reads = std::mem::replace(&mut self.reads, false);
        self.start(path, dialect);
        self.reads = reads;
    }

    fn note(&mut self, path: &Path, by: Dialect, read: Read) -> Option<usize> {
        if !may_be_read(path) {
            return None;
        }
        let resolved = self.resolver.resolve(path);
        if let Some(index) = self.index.get(&resolved) {
            let reached = &mut self.files[*index];
            reached.read = reached.read.min(read);
            return Some(*index);
        }
        if self.files.len() >= MOST_FILES {
            self.cut(Some(path));
            return None;
        }
        self.index.insert(resolved.clone(), self.files.len());
        let dialect = match dialect::of(path, b"") {
            // Without a name or `#!` of its own it is the language of the file that reads it.
            Dialect::Text if read != Read::AsText && !first_bytes(path).starts_with(b"#!") => by,
            Dialect::Text => dialect::of(path, &first_bytes(path)),
            own => own,
        };
        self.files.push(Reached { path: path.to_owned(), resolved, dialect, read });
        Some(self.files.len() - 1)
    }

    /// Notes a file that is read at start and holds no commands.
    pub(super) fn whole(&mut self, path: &Path, dialect: Dialect) {
        if let Some(file) = self.note(path, dialect, Read::Start) {
            self.record(Part { file, span: 0..usize::MAX, sure: true });
        }
    }

    /// The same, of lines of `KEY=VALUE`.
    pub(super) fn settings(&mut self, path: &Path, dialect: Dialect) {
        self.whole(path, dialect);
        self.glance(path, Dialect::Sh);
    }

    /// Takes over what a file sets, and nothing else.
    pub(super) fn glance(&mut self, path: &Path, dialect: Dialect) {
        let Some(tongue) = Tongue::of(dialect) else { return };
        if !path.is_file() {
            return;
        }
        let text: Text = Rc::new(Zeroizing::new(read_limited(path).unwrap_or_default()));
        let place = Place { tongue, file: path.to_string_lossy().into_owned(), arguments: Vec::new() };
        for command in words::commands(&text, tongue) {
            self.assigned(&command.words, &place, false);
        }
    }

    fn read(&mut self, path: &Path, tongue: Tongue, by: Dialect, read: Read, arguments: Vec<String>) {
        let Some(file) = self.note(path, by, read) else { return };
        if let Some(open) = self.open.last_mut()
            && self.reads
        {
            let part = open.part();
            self.record(part);
        }
        if self.open.iter().any(|open| open.file == file) || is_systems(path, self.known.home) {
            return;
        }
        if self.open.len() > DEEPEST {
            return self.cut(Some(path));
        }
        let Some((text, width)) = self.text(file) else { return };
        let own = self.files[file].dialect;
        let dialect = if Tongue::of(own).is_some() { own } else { by };
        let sure = self.is_sure(path);
        self.note_limits();
        self.open.push(Open { file, dialect, from: 0, at: 0, sure });
        let place = Place { tongue, file: path.to_string_lossy().into_owned(), arguments };
        let begin = text_start(&text);
        let mut state = State { branches: 0, subshells: 0, base: Some(begin), width };
        let outer = (std::mem::replace(&mut self.sure, sure), std::mem::take(&mut self.frames));
        self.code(&text, begin..text.len(), &place, &mut state);
        (self.sure, self.frames) = outer;
        let open = self.open.pop().expect("it was opened above");
        if self.reads {
            self.record(Part { file, span: open.from..usize::MAX, sure: open.sure });
        }
    }

    // The dialect of what is read now.
    fn by(&self) -> Dialect {
        self.open.last().map_or(Dialect::Text, |open| open.dialect)
    }

    fn record(&mut self, part: Part) {
        if part.span.is_empty() {
            return;
        }
        match self.steps.checked_sub(1) {
            Some(left) => {
                self.steps = left;
                self.parts.push(part);
            }
            None => self.cut(None),
        }
    }

    // A file's text, and how many bytes one of its characters has.
    fn text(&mut self, file: usize) -> Option<(Text, usize)> {
        let bytes = match self.texts.get(&file) {
            Some(text) => text.clone(),
            None => {
                let path = self.files[file].path.clone();
                let bytes = Zeroizing::new(read_limited(&path).ok()?);
                self.bytes += bytes.len();
                if bytes.len() as u64 == LIMIT {
                    self.cut(Some(&path));
                }
                if self.bytes > MOST_BYTES {
                    self.cut(Some(&path));
                    return None;
                }
                let text = Rc::new(bytes);
                self.texts.insert(file, text.clone());
                text
            }
        };
        match utf16::narrowed(&bytes) {
            Some(narrow) => Some((Rc::new(narrow), 2)),
            None if memchr::memchr(0, &bytes).is_some() => None,
            None => Some((bytes, 1)),
        }
    }

    fn code(&mut self, text: &Text, range: Range<usize>, place: &Place, state: &mut State) {
        let (own, base) = (text.clone(), range.start);
        let Some(left) = self.text_left.checked_sub(range.len()) else { return self.cut(None) };
        self.text_left = left;
        let commands = words::commands(&own[range], place.tongue);
        let source = Source { text, base };
        self.run(&source, &commands, place, state);
    }

    fn run(&mut self, source: &Source<'_>, commands: &[Command<'_>], place: &Place, state: &mut State) {
        if self.nested >= MOST_NESTED {
            return self.cut(None);
        }
        self.nested += 1;
        let base = self.enter(Condition::always());
        let mut at = 0;
        while at < commands.len() {
            if !self.may_go_on() {
                break;
            }
            if let (Some(base), Some(open)) = (state.base, self.open.last_mut()) {
                open.at = (base + commands[at].start) * state.width;
            }
            self.arrive(source, commands, at, place, base);
            let next = self.command(source, commands, at, place, state, base);
            debug_assert!(next > at, "every command is passed");
            at = next;
            self.note_limits();
        }
        self.frames.truncate(base);
        self.nested -= 1;
    }

    // Goes through one command, or one loop or function; gives where it goes on.
    fn command(
        &mut self,
        source: &Source<'_>,
        commands: &[Command<'_>],
        at: usize,
        place: &Place,
        state: &mut State,
        base: usize,
    ) -> usize {
        let command = &commands[at];
        if let Some(keyword) = lone(command) {
            let is_else_if = at > 0 && commands[at - 1].is("else");
            match change(place.tongue, keyword, is_else_if) {
                Change::Opens => state.branches += 1,
                Change::Closes => state.branches = state.branches.saturating_sub(1),
                Change::None if keyword == "(" => state.subshells += 1,
                Change::None if keyword == ")" => state.subshells = state.subshells.saturating_sub(1),
                Change::None => {}
            }
            if matches!(keyword, "while" | "until")
                && let Some(text) = loop_input(commands, at, source)
            {
                self.piped = self.values.output(text, place);
            }
            if place.tongue.keywords().contains(&keyword) {
                return at + 1;
            }
        }
        let Some(first) = command.words.first() else {
            self.as_text(command, place);
            self.depart(Condition::unknown(), false);
            return at + 1;
        };
        let name = first.literal().unwrap_or_default();
        let is_def = name == "def" && place.tongue == Tongue::Nushell;
        let is_named = command.words.get(1).and_then(Word::plain) == Some(b"()");
        if is_named || (name == "function" && place.tongue != Tongue::Csh) || is_def {
            self.depart(Condition::always(), false);
            return self.define(source, commands, at, place);
        }
        match (&*name, place.tongue) {
            ("for" | "foreach" | "select", _) => {
                self.depart(Condition::unknown(), false);
                let holds = if name == "select" { Condition::unknown() } else { Condition::always() };
                let around = self.enter(holds);
                let next = self.repeat(source, commands, at, place, state);
                self.frames.truncate(around);
                return next;
            }
            ("foreach-object" | "%" | "ForEach-Object", Tongue::PowerShell) if at + 1 < commands.len() => {
                let (body, next) = block(commands, at + 1, place.tongue);
                let values = self.piped.take().unwrap_or_default();
                self.each("_", values, source, &commands[body], place, state);
                return next;
            }
            ("Where-Object" | "where" | "?", Tongue::PowerShell) if at + 1 < commands.len() => {
                return block(commands, at + 1, place.tongue).1;
            }
            ("()", Tongue::Zsh) => return self.unnamed(source, commands, at, place, state),
            ("case", Tongue::Posix | Tongue::Zsh) | ("switch", Tongue::Fish | Tongue::Csh) => {
                state.branches += 1;
                self.as_text(command, place);
                self.compare(command, place.tongue);
                return at + 1;
            }
            ("case" | "switch", _) => state.branches += 1,
            _ => {}
        }
        self.as_text(command, place);
        let reads = self.reads;
        self.reads &= state.subshells == 0;
        self.simple(source, &command.words, command, place, state);
        self.reads = reads;
        let is_loops = matches!(&*name, "continue" | "break");
        if (is_loops || matches!(&*name, "return" | "exit")) && !self.stop(base, is_loops) && state.base.is_some() {
            self.doubt();
        }
        let own = self.asked(command, place);
        self.depart(own, at > 0 && commands[at - 1].piped);
        at + 1
    }

    // Takes a command off what may still be gone through.
    fn may_go_on(&mut self) -> bool {
        let left = self.commands.checked_sub(1);
        self.commands = left.unwrap_or_default();
        if left.is_none() {
            self.cut(None);
        }
        left.is_some()
    }

    // Whatever a word left out, the file that is read now leaves out.
    fn note_limits(&mut self) {
        if std::mem::take(&mut self.values.budget.cut) {
            self.cut(None);
        }
    }

    // Notes that a limit leaves something out of the file that is read, or of another one where none is.
    fn cut(&mut self, path: Option<&Path>) {
        let open = self.open.last().map(|open| self.files[open.file].path.clone());
        self.cut.extend(open.or_else(|| path.map(Path::to_owned)));
    }

    // What follows in the file is read on a condition.
    fn doubt(&mut self) {
        let Some(open) = self.open.last_mut() else { return };
        let part = open.part();
        open.sure = false;
        if self.reads {
            self.record(part);
        }
    }
}

impl Open {
    // What was read since the last part.
    fn part(&mut self) -> Part {
        let from = std::mem::replace(&mut self.from, self.at);
        Part { file: self.file, span: from..self.at, sure: self.sure }
    }
}

struct Source<'s> {
    text: &'s Text,
    base: usize,
}

#[cfg(all(test, unix))]
mod tests;
