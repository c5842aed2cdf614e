//! Where each variable is set and each agent started: the scopes of the files, and the units that accounts are in.
//!
//! A unit is a function, an alias, a script, or a construct at top level: what it sets and what it starts belong
//! together. Pure; made once for all files of a run.

use crate::migrate::model::{Form, Node, Reason, Scope, Script, Setting, Span, Start};
use crate::migrate::verdicts::{Place, Set};

/// A file and what reads it.
pub(in crate::migrate) struct Source<'a> {
    /// Its text.
    pub bytes: &'a [u8],
    /// The same, taken apart.
    pub script: &'a Script,
    /// What reads it.
    pub reader: ReadBy<'a>,
    /// The parts that the user's login shell reads, each with its place in their order.
    pub steps: &'a [(Span, usize)],
    /// The parts that a shell reads in any case, and not on a condition; nothing where none is known to read it.
    pub sure: Option<&'a [Span]>,
    /// Why nothing in it is changed.
    pub frozen: Option<Reason>,
    /// Where something begins that the person wants to stay as it is: a word, its name, the words that start an agent,
    /// or a key in a comment.
    pub declined: &'a [usize],
}

/// What reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::migrate) enum ReadBy<'a> {
    /// Shells at their start, one bit each.
    Shells(u8),
    /// Itself: a script of this name.
    Script(&'a str),
    /// Nothing that is known.
    Nothing,
}

/// Where a word is set, or an agent started.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    /// The file, by its number.
    pub file: usize,
    /// The scope, by its number.
    pub scope: usize,
    /// The unit, by its number; none at top level.
    pub unit: Option<usize>,
    /// Whether it is set for what is started, too.
    pub exported: bool,
}

/// What kind of unit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A function.
    Function,
    /// An alias or abbreviation.
    Text,
    /// A script.
    Script,
    /// Another construct at top level.
    Construct,
    /// A single command.
    Command,
    /// What stands at the top level of a file that is read on a condition.
    Branch,
}

/// A part of a file whose settings and starts belong together.
pub(super) struct Unit<'a> {
    /// What kind it is.
    pub kind: Kind,
    /// The name that it is called by.
    pub name: Option<&'a str>,
    /// The one that it is defined in, by number.
    pub parent: Option<usize>,
    /// The file, by its number.
    pub file: usize,
    /// Its bytes.
    pub span: Span,
    /// Whether a program runs in it that is no agent.
    pub runs: bool,
    /// Whether it has a loop.
    pub loops: bool,
    /// Whether what a setting of it prints is redirected.
    pub redirects: bool,
    /// What it sets, by number.
    pub sets: Vec<usize>,
    /// The agents that it starts, by number.
    pub starts: Vec<usize>,
}

impl<'a> Unit<'a> {
    fn new(kind: Kind, name: Option<&'a str>, file: usize, span: Span) -> Self {
        let (parent, runs, loops, redirects, sets, starts) = Default::default();
        Self { kind, name, parent, file, span, runs, loops, redirects, sets, starts }
    }
}

/// All of it.
#[derive(Default)]
pub(super) struct Facts<'a> {
    /// What is set, in the order of the files and of their bytes.
    pub sets: Vec<Set<'a>>,
    /// Where.
    pub at: Vec<At>,
    /// The agents that are started, and where.
    pub starts: Vec<(&'a Start, At)>,
    /// The scopes, each with the one around it; none around a file.
    pub scopes: Vec<Option<usize>>,
    /// The units.
    pub units: Vec<Unit<'a>>,
    // The last one of what is read on a condition.
    branch: Option<usize>,
}

// What surrounds the nodes that are looked at.
#[derive(Clone, Copy)]
struct Around {
    file: usize,
    scope: usize,
    unit: Option<usize>,
    place: Place,
}

impl<'a> Facts<'a> {
    /// What the files set and start.
    pub(super) fn of(sources: &[Source<'a>]) -> Self {
        let mut facts = Self::default();
        for (file, source) in sources.iter().enumerate() {
            let scope = facts.scope(None);
            let unit = match source.reader {
                ReadBy::Script(name) => {
                    let span = 0..source.bytes.len();
                    Some(
                        facts
                            .unit(Unit { runs: source.script.runs, ..Unit::new(Kind::Script, Some(name), file, span) }),
                    )
                }
                _ => None,
            };
            let place = match unit {
                Some(_) => Place { depth: 1, launcher: source.script.runs || source.script.starts, ..Place::default() },
                None => Place::default(),
            };
            facts.nodes(&source.script.nodes, source, Around { file, scope, unit, place });
        }
        facts
    }

    fn scope(&mut self, parent: Option<usize>) -> usize {
        self.scopes.push(parent);
        self.scopes.len() - 1
    }

    fn unit(&mut self, unit: Unit<'a>) -> usize {
        self.units.push(unit);
        self.units.len() - 1
    }

    fn nodes(&mut self, nodes: &'a [Node], source: &Source<'a>, around: Around) {
        for node in nodes {
            match node {
                Node::Setting(setting) => self.setting(setting, source, around),
                Node::Start(start) => self.start(start, source, around),
                Node::List { operands, .. } => {
                    let scope = self.scope(Some(around.scope));
                    self.nodes(operands, source, Around { scope, ..around });
                }
                Node::Compound { span, name, bodies } => {
                    let is = |scope: Scope| bodies.iter().any(|body| body.scope == scope);
                    let kind = match name {
                        Some(_) if is(Scope::Text) => Kind::Text,
                        Some(_) => Kind::Function,
                        None => Kind::Construct,
                    };
                    // A command that a construct defines is a unit of its own, and so is the outermost construct.
                    let unit = around.unit.filter(|_| kind == Kind::Construct).unwrap_or_else(|| {
                        let unit = Unit::new(kind, name.as_deref(), around.file, span.clone());
                        self.unit(Unit { parent: around.unit, ..unit })
                    });
                    for body in bodies {
                        self.units[unit].runs |= body.runs;
                        self.units[unit].loops |= body.scope == Scope::Loop;
                        let scope = self.scope(Some(around.scope));
                        let place = around.place.within(body);
                        self.nodes(&body.nodes, source, Around { scope, unit: Some(unit), place, ..around });
                    }
                }
                Node::Other(_) => {}
            }
        }
    }

    fn setting(&mut self, setting: &'a Setting, source: &Source<'a>, mut around: Around) {
        let bytes = source.bytes;
        if around.unit.is_none() && !is_sure(source, setting.span.start) {
            // What a file sets that is read on a condition is set in a branch.
            let known = self.branch.filter(|unit| self.units[*unit].file == around.file);
            let unit = Unit::new(Kind::Branch, None, around.file, setting.span.start..bytes.len());
            self.branch = Some(known.unwrap_or_else(|| self.unit(unit)));
            around.unit = self.branch;
            around.place.depth += 1;
        }
        if let Some(unit) = around.unit {
            self.units[unit].redirects |= setting.is_redirected && setting.form != Form::Unset;
        }
        let first = setting.words.first().map_or(setting.span.end, |word| word.span.start);
        let exported = exports(setting.form, bytes.get(setting.span.start..first).unwrap_or_default());
        for word in &setting.words {
            if let Some(unit) = around.unit {
                self.units[unit].sets.push(self.sets.len());
            }
            self.sets.push(Set { word, form: setting.form, place: around.place });
            self.at.push(At { file: around.file, scope: around.scope, unit: around.unit, exported });
        }
    }

    fn start(&mut self, start: &'a Start, source: &Source<'a>, around: Around) {
        let unit =
            around.unit.unwrap_or_else(|| self.unit(Unit::new(Kind::Command, None, around.file, start.span.clone())));
        let scope = self.scope(Some(around.scope));
        let around = Around { scope, unit: Some(unit), place: around.place.of_a_start(), ..around };
        self.setting(&start.setting, source, around);
        self.units[unit].starts.push(self.starts.len());
        self.starts.push((start, At { file: around.file, scope, unit: Some(unit), exported: true }));
    }

    /// Reports whether one scope lies within another, or is the same.
    pub(super) fn is_within(&self, mut scope: usize, outer: usize) -> bool {
        loop {
            if scope == outer {
                return true;
            }
            let Some(parent) = self.scopes[scope] else { return false };
            scope = parent;
        }
    }
}

// Whether a shell reads a place of a file in any case, as far as anything is known.
fn is_sure(source: &Source<'_>, at: usize) -> bool {
    source.sure.is_none_or(|spans| {
        let before = spans.partition_point(|span| span.start <= at);
        before.checked_sub(1).is_some_and(|last| spans[last].contains(&at))
    })
}

// Whether what a statement sets is for the programs that are started, too; `before` stands before its first name.
fn exports(form: Form, before: &[u8]) -> bool {
    let flagged = || {
        before.split(u8::is_ascii_whitespace).any(|word| {
            word == b"--export" || word.starts_with(b"-") && !word.starts_with(b"--") && word.contains(&b'x')
        })
    };
    match form {
        Form::Assign => false,
        Form::Declare | Form::Typeset | Form::Readonly | Form::Local | Form::Set => flagged(),
        _ => true,
    }
}
