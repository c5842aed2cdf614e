//! What is around a command: the branches, loops and blocks, each with its condition, and the list that it is in.

use super::conditions::Condition;
use super::{Source, Walk, lone};
use crate::migrate::files::values::Place;
use crate::migrate::files::words::{Command, Joint, Tongue, Word};
use std::path::Path;

/// What is around commands.
pub(super) struct Frame {
    kind: Kind,
    stage: Stage,
    // What its commands run on, and that no branch before was taken.
    holds: Condition,
    tried: Condition,
    // The condition of its last branch.
    own: Condition,
    // Whether the list at hand succeeded so far, and on what its next command runs.
    ended: Condition,
    runs: Condition,
    joint: Option<Joint>,
    negated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    If,
    While,
    Until,
    // Whether it compares `$-`, the shell's options.
    Case(bool),
    Subshell,
    Block,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    // A condition of which nothing was read yet.
    Fresh,
    // A condition, or the pattern of an arm.
    Head,
    Body,
    // A body in brackets, which needs no word at its end.
    Braced,
}

// What a word that is no command does to the next command.
enum Before {
    Opener,
    Modifier,
    Command,
}

impl Frame {
    fn new(kind: Kind, stage: Stage) -> Self {
        let (holds, tried, own, runs) = Default::default();
        Self { kind, stage, holds, tried, own, ended: Condition::unknown(), runs, joint: None, negated: false }
    }

    fn is_conditional(&self) -> bool {
        matches!(self.kind, Kind::If | Kind::While | Kind::Until)
    }

    fn is_in_head(&self) -> bool {
        self.is_conditional() && self.stage == Stage::Head
    }

    // Its body begins.
    fn begin(&mut self, stage: Stage) {
        self.own = if self.kind == Kind::Until { self.ended.clone().not() } else { self.ended.clone() };
        self.holds = self.tried.clone().and(self.own.clone());
        self.enter(stage);
    }

    // Another branch begins.
    fn otherwise(&mut self, stage: Stage) {
        self.tried = self.tried.clone().and(self.own.clone().not());
        self.holds = self.tried.clone();
        self.own = Condition::always();
        self.enter(stage);
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.ended = Condition::unknown();
        self.join(None);
    }

    fn join(&mut self, joint: Option<Joint>) {
        self.negated = false;
        self.joint = joint;
        self.runs = match joint {
            None => Condition::always(),
            Some(Joint::And) => self.ended.clone(),
            Some(Joint::Or) => self.ended.clone().not(),
        };
    }
}

impl Walk<'_> {
    /// Reports whether the shell reads this file whenever it is there.
    pub(super) fn is_sure(&self, path: &Path) -> bool {
        self.sure && self.frames.iter().all(|frame| frame.holds.is_met(path) && frame.runs.is_met(path))
    }

    /// Begins with commands, all of which run on a condition; gives the number of frames around them.
    pub(super) fn enter(&mut self, holds: Condition) -> usize {
        self.frames.push(Frame { holds, ..Frame::new(Kind::Block, Stage::Body) });
        self.frames.len() - 1
    }

    fn top(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("commands have a frame around them")
    }

    fn open(&mut self, kind: Kind, stage: Stage) {
        self.frames.push(Frame::new(kind, stage));
    }

    // Ends the innermost frame of these kinds, and what was not closed in it.
    fn close(&mut self, base: usize, is: impl Fn(&Frame) -> bool) {
        if let Some(at) = (base + 1..self.frames.len()).rev().find(|at| is(&self.frames[*at])) {
            self.frames.truncate(at);
            self.top().ended = Condition::unknown();
        }
    }

    /// Takes note of what a command opens, closes or is joined to, before it is gone through. `base` is the number of
    /// frames around the commands.
    pub(super) fn arrive(
        &mut self,
        source: &Source<'_>,
        commands: &[Command<'_>],
        at: usize,
        place: &Place,
        base: usize,
    ) {
        let (command, tongue) = (&commands[at], place.tongue);
        let before = at.checked_sub(1).map(|before| &commands[before]);
        let between = before.map_or(&b""[..], |before| {
            source.text.get(source.base + before.end..source.base + command.start).unwrap_or_default()
        });
        let same_line = !between.iter().any(|byte| matches!(byte, b'\n' | b';'));
        let keyword = lone(command).unwrap_or_default();
        let is_after = |word: &str| before.is_some_and(|before| before.is(word));
        let is_piped = before.is_some_and(|before| before.piped);
        let word = before.and_then(lone).unwrap_or_default();
        let preceding = match word {
            "!" | "not" | "time" | "and" | "or" if tongue.keywords().contains(&word) => Before::Modifier,
            "if" if tongue == Tongue::Csh && keyword != "then" => Before::Modifier,
            "if" | "elif" | "elseif" | "while" | "until" | "then" | "do" | "else" | "{" | "(" | "begin"
                if word == "(" || tongue.keywords().contains(&word) =>
            {
                Before::Opener
            }
            _ => Before::Command,
        };
        let is_list = tongue == Tongue::Fish && matches!(keyword, "and" | "or");
        let is_modified = matches!(preceding, Before::Modifier);
        let goes_on = command.joined.is_some() || is_list || is_modified || is_piped;
        if matches!(self.top().kind, Kind::Case(_)) && tongue != Tongue::Fish {
            self.end_arm(between);
        }
        if self.top().is_in_head() && !goes_on {
            match tongue {
                Tongue::Fish => self.top().begin(Stage::Body),
                // The end of the short form, `if [[ a ]] b`, is not told here.
                Tongue::Zsh if !matches!(keyword, "then" | "do" | "{") => self.top().holds = Condition::unknown(),
                _ => {}
            }
        }
        match preceding {
            _ if is_list => self.top().join(Some(if keyword == "and" { Joint::And } else { Joint::Or })),
            Before::Opener => self.top().join(None),
            Before::Command if !is_piped => self.top().join(command.joined),
            Before::Command | Before::Modifier => {}
        }
        let is_else_if = keyword == "if" && same_line && is_after("else");
        match (tongue, keyword) {
            (Tongue::Posix | Tongue::Zsh | Tongue::Fish, "!") | (Tongue::Fish, "not") => self.top().negated ^= true,
            (Tongue::Csh, "if" | "while") => self.ask_csh(source, commands, at, place, is_else_if),
            (Tongue::Fish | Tongue::PowerShell | Tongue::Nushell, "if") if is_else_if => self.top().enter(Stage::Fresh),
            (_, "if") => self.open(Kind::If, Stage::Fresh),
            // The end of `do { ... } while (a)`.
            (Tongue::PowerShell, "while") if same_line && is_after("}") => {}
            (_, "while") => self.open(Kind::While, Stage::Fresh),
            (Tongue::Posix | Tongue::Zsh, "until") => self.open(Kind::Until, Stage::Fresh),
            (Tongue::Posix | Tongue::Zsh | Tongue::Csh, "then" | "do") if self.top().is_in_head() => {
                self.top().begin(Stage::Body);
            }
            (_, "elif" | "elseif") => self.top().otherwise(Stage::Fresh),
            (_, "else") => {
                let stage = self.top().stage;
                self.top().otherwise(stage);
            }
            (Tongue::Posix | Tongue::Zsh, "fi") | (Tongue::Csh, "endif") => {
                self.close(base, |own| own.kind == Kind::If)
            }
            (Tongue::Posix | Tongue::Zsh, "done") => {
                self.close(base, |own| own.is_conditional() && own.kind != Kind::If)
            }
            (Tongue::Posix | Tongue::Zsh, "esac") | (Tongue::Csh, "endsw") => {
                self.close(base, |own| matches!(own.kind, Kind::Case(_)));
            }
            (Tongue::Csh, "end") => self.close(base, |own| own.kind == Kind::While),
            (Tongue::Fish, "begin") => self.open(Kind::Block, Stage::Body),
            (Tongue::Fish, "end") => self.close(base, |_| true),
            (Tongue::Posix | Tongue::Zsh, "(") if self.top().stage == Stage::Body => {
                self.open(Kind::Subshell, Stage::Body);
            }
            (Tongue::Posix | Tongue::Zsh, ")") => self.begin_arm(&commands[..at], base),
            (_, "{") => {
                let is_body = self.top().is_in_head() && tongue != Tongue::Posix;
                if is_body {
                    self.top().begin(Stage::Braced);
                }
                self.open(Kind::Block, Stage::Body);
                let is_command = matches!(preceding, Before::Command) && !is_piped && same_line;
                let is_known = is_body || ["try", "finally", "export-env", "}"].into_iter().any(is_after);
                let is_apart = tongue == Tongue::Nushell && is_after("do");
                if matches!(tongue, Tongue::PowerShell | Tongue::Nushell) && before.is_some() {
                    // A block that is a word of another command runs when that one wants it.
                    let runs = (is_known || !is_command) && !is_apart;
                    self.top().holds = if runs { Condition::always() } else { Condition::unknown() };
                }
            }
            (_, "}") => {
                self.close(base, |own| own.kind == Kind::Block);
                let goes_on = commands.get(at + 1).and_then(lone);
                let is_last = !goes_on.is_some_and(|next| matches!(next, "else" | "elif" | "elseif"));
                if self.top().stage == Stage::Braced && is_last && tongue != Tongue::Fish {
                    self.close(base, Frame::is_conditional);
                }
            }
            _ => {}
        }
    }

    // `if ( a ) b`, `if ( a ) then`, `while ( a )`: the condition is no word.
    fn ask_csh(&mut self, source: &Source<'_>, commands: &[Command<'_>], at: usize, place: &Place, is_else_if: bool) {
        let next = commands.get(at + 1);
        let until = next.map_or(source.text.len(), |next| source.base + next.start);
        let own = source.text.clone();
        let own = self.asked_in_csh(own.get(source.base + commands[at].end..until).unwrap_or_default(), place);
        if commands[at].is("while") {
            self.open(Kind::While, Stage::Body);
            self.top().holds = own;
        } else if next.is_some_and(|next| next.is("then")) {
            if !is_else_if {
                self.open(Kind::If, Stage::Head);
            }
            (self.top().stage, self.top().ended) = (Stage::Head, own);
        } else {
            self.top().runs = self.top().runs.clone().and(own);
        }
    }

    // `;;` before a pattern.
    fn end_arm(&mut self, between: &[u8]) {
        let has = |what: &[u8]| memchr::memmem::find(between, what).is_some();
        if has(b";;") || has(b";&") || has(b";|") {
            if !has(b";;") || has(b";;&") {
                // The next arm may run after this one.
                self.top().tried = Condition::unknown();
            }
            self.top().stage = Stage::Head;
        }
    }

    // The end of a pattern, or of a subshell.
    fn begin_arm(&mut self, before: &[Command<'_>], base: usize) {
        let Frame { kind: Kind::Case(is_options), stage: Stage::Head, .. } = *self.top() else {
            return self.close(base, |own| own.kind == Kind::Subshell);
        };
        let others = before.iter().rev().skip(1).take_while(|command| command.piped);
        let mut own = Condition::never();
        for command in before.iter().rev().take(1).chain(others) {
            own = own.or(match command.words.first().and_then(Word::plain) {
                Some(b"*") => Condition::always(),
                Some(b"*i*") if is_options => Condition::always(),
                _ => Condition::unknown(),
            });
        }
        let top = self.top();
        top.holds = top.tried.clone().and(own.clone());
        top.tried = top.tried.clone().and(own.not());
        top.enter(Stage::Body);
    }

    /// Takes note of how a command ends.
    pub(super) fn depart(&mut self, own: Condition, is_piped: bool) {
        let top = self.top();
        let own = if is_piped { Condition::unknown() } else { own };
        let own = if std::mem::take(&mut top.negated) { own.not() } else { own };
        let ended = std::mem::take(&mut top.ended);
        top.ended = match top.joint {
            None => own,
            Some(Joint::And) => ended.and(own),
            Some(Joint::Or) => ended.or(own),
        };
        if top.stage == Stage::Fresh {
            top.stage = Stage::Head;
        }
    }

    /// Begins a `case` or `switch`.
    pub(super) fn compare(&mut self, command: &Command<'_>, tongue: Tongue) {
        let subject = command.words.get(1);
        let is_options = subject.is_some_and(super::asked::is_options);
        let is_arms = matches!(tongue, Tongue::Posix | Tongue::Zsh);
        self.open(Kind::Case(is_options), if is_arms { Stage::Head } else { Stage::Body });
        if !is_arms {
            self.top().holds = Condition::unknown();
        }
    }

    /// What follows runs only where this command, which ends what is read, does not. Reports whether what is left of
    /// the commands still runs always.
    pub(super) fn stop(&mut self, base: usize, is_loops: bool) -> bool {
        let ends = |frame: &Frame| match frame.kind {
            Kind::Subshell => true,
            Kind::While | Kind::Until => is_loops,
            Kind::If | Kind::Case(_) | Kind::Block => false,
        };
        let around = (base + 1..self.frames.len()).rev().find(|at| ends(&self.frames[*at]));
        let base = around.unwrap_or(base);
        let runs = self.top().runs.clone();
        let branches = self.frames[base + 1..].iter().map(|frame| frame.holds.clone());
        let lists = self.frames[base..].iter().map(|frame| frame.runs.clone());
        let all = branches.chain(lists).fold(Condition::always(), Condition::and);
        let within = base + 1 < self.frames.len();
        if within {
            let top = self.top();
            top.holds = std::mem::take(&mut top.holds).and(runs.not());
        }
        let holds = &mut self.frames[base].holds;
        *holds = std::mem::take(holds).and(all.not());
        around.is_some() || holds.is_sure()
    }
}
