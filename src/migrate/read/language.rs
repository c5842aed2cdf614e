//! What distinguishes one language from the others, as tables.

use super::confirm::Grammar;
use super::setters::Seen;
use super::word::Word;
use super::{Reader, Result};
use crate::migrate::model::{Node, Reason, Scope, Span};

/// A shell's language.
pub(super) struct Language {
    /// What an emptied body is filled with.
    pub filler: &'static str,
    /// Whether commands are known by their letters in either case.
    pub ignores_case: bool,
    /// What begins and ends a comment within a line or over several.
    pub block_comment: Option<(&'static str, &'static str)>,
    /// The character that continues a line.
    pub continuation: Option<u8>,
    /// The characters besides blanks and line ends that end a word which is not quoted.
    pub ends: &'static [u8],
    /// Reads one word, which is empty where none begins.
    pub word: for<'a> fn(&mut Reader<'a>) -> Result<Word<'a>>,
    /// The constructs by the word that each begins with.
    pub constructs: &'static [(&'static str, Construct)],
    /// The words that end a section of a construct. Elsewhere they are an error.
    pub closing: &'static [&'static str],
    /// The words before a pipeline that negate it or time it.
    pub not: &'static [&'static str],
    /// The words that join a statement to the one before.
    pub joins: &'static [&'static str],
    /// The words before a command that do not change what it does.
    pub prefixes: &'static [&'static str],
    /// Whether `NAME=value` may stand before a command.
    pub assigns: bool,
    /// Whether `( ... )` at a command's place is a subshell.
    pub has_subshells: bool,
    /// What kind of body a block among a command's words is, by the command; any other is a function. None where braces
    /// mean something else.
    pub blocks: Option<&'static [(&'static str, Scope)]>,
    /// The signs that join the commands of a pipeline; none is the beginning of a later one.
    pub pipes: &'static [&'static str],
    /// The signs of redirections; none is the beginning of a later one.
    pub redirections: &'static [&'static str],
    /// Where a redirection changes nothing.
    pub nowhere: &'static str,
    /// Whether a number may stand before one.
    pub has_descriptors: bool,
    /// A statement that sets a variable and has no command.
    pub assignment: Option<Assignment>,
    /// The commands that set variables.
    pub setters: &'static [(&'static str, Setter)],
    /// The characters that begin an expression, which runs no program by itself.
    pub expressions: &'static [u8],
    /// Further commands that run no program.
    pub silent: &'static [&'static str],
    /// Why the keys in a command's words stay, where it is not for being an argument.
    pub reasons: &'static [(&'static str, Reason)],
    /// Whether `&&`, `||` and `&` stand between commands.
    pub has_operators: bool,
    /// Whether a line that ends in an operator goes on.
    pub operators_continue: bool,
    /// Whether a line that begins with the sign of a pipeline continues the one before.
    pub pipes_lead: bool,
    /// Reports whether a command goes on at the next line, as its words are.
    pub continues: Option<for<'a> fn(&Reader<'a>, &[Word<'a>]) -> bool>,
    /// Whether `&` before a command calls it.
    pub calls: bool,
    /// The sign at the beginning of a command's name that says it is a program.
    pub caret: Option<&'static str>,
    /// The commands that drop what a pipeline gives, so that a setting before them stays one.
    pub hushes: &'static [&'static str],
    /// Whether a line of a comment alone does not end a statement that goes on.
    pub comments_continue: bool,
    /// Why the keys of a job in the background stay.
    pub background: Reason,
    /// A published grammar that has to see the same settings.
    pub grammar: Option<Grammar>,
    /// What of the file is lost with a statement that cannot be read.
    pub lost: Lost,
    /// What only the shells of POSIX' family have.
    pub posix: Option<&'static Posix>,
}

/// What only the shells of POSIX' family have.
pub(super) struct Posix {
    /// The signs that end an arm of a `case`.
    pub arms: &'static [&'static str],
    /// The signs behind `&` that also let go of the job.
    pub disowning: &'static [&'static str],
    /// Whether `}` by itself ends a command.
    pub brace_ends: bool,
    /// The commands that are conditions: a substitution in one is no program of its function.
    pub conditions: &'static [&'static str],
    /// The setters that stand at a command's beginning only.
    pub unprefixed: &'static [&'static str],
    /// The command that sets options, and those of its words that only end a script earlier.
    pub options: (&'static str, &'static [&'static str]),
    /// The setters that are programs, and count as such where they set nothing that could go.
    pub programs: &'static [&'static str],
    /// Reads a construct that begins with a sign; none where none begins here.
    pub construct: for<'a> fn(&mut Reader<'a>) -> Result<Option<Node>>,
    /// Reads the parentheses and the body behind the names of a function, from where the first name begins; none where
    /// the words are no function's names.
    pub definition: for<'a> fn(&mut Reader<'a>, usize, &[Word<'a>]) -> Result<Option<Node>>,
    /// Tells what may stand right behind a statement in a body: whether the body goes on; none where nothing may.
    pub follows: for<'a> fn(&Reader<'a>, Scope, &Node) -> Option<bool>,
    /// Counts the bytes before a redirection's sign; none where no redirection begins here.
    pub descriptor: for<'a> fn(&Reader<'a>) -> Option<usize>,
    /// Reads what the word behind a redirection's sign stands for.
    pub redirected: for<'a> fn(&mut Reader<'a>, &str, &Word<'a>),
    /// Reports whether the word assigns where it stands before a command.
    pub assigns: for<'a> fn(&Reader<'a>, &Word<'a>) -> bool,
    /// Reports the key in such a word.
    pub look_into_assignment: for<'a> fn(&mut Reader<'a>, &Word<'a>),
    /// Notes what a command of this name only passes on.
    pub passes: for<'a> fn(&mut Reader<'a>, &Span, &[u8], &[Word<'a>]),
}

/// Takes the words behind a setter's name apart.
pub(super) type Setter = for<'a> fn(&mut Reader<'a>, &[Word<'a>]) -> Seen;

/// Takes the words of a statement apart; none where they are a command.
pub(super) type Assignment = for<'a> fn(&mut Reader<'a>, &[Word<'a>]) -> Option<Seen>;

/// How a construct is read.
pub(super) enum Construct {
    /// Section by section.
    Sections {
        /// Reports whether the word begins this construct here.
        guard: Option<for<'a> fn(&Reader<'a>) -> bool>,
        /// What kind of body its sections are.
        scope: Scope,
        /// The sections. The first one follows the opening word.
        sections: &'static [Section],
    },
    /// In a way of its own.
    Special(for<'a> fn(&mut Reader<'a>) -> Result<Node>),
}

/// A section of a construct.
pub(super) enum Section {
    /// Words up to the end of the line or statement, and the next section.
    Head(usize),
    /// One statement, and those joined to it, whose result decides whether the next section runs.
    Test(usize),
    /// Statements that decide whether the next section runs.
    Condition(&'static [End]),
    /// Statements.
    Body(&'static [End]),
    /// Statements in braces, or a single one.
    Short(&'static [End]),
    /// Arms, each of a head behind one of these labels and a body, up to the closing word.
    Arms(&'static [&'static str], &'static str),
}

/// The words that end a section, and the section that follows; none where the construct ends.
pub(super) struct End(pub &'static [&'static str], pub Option<usize>);

/// What is lost with a statement that cannot be read.
#[derive(Clone, Copy)]
pub(super) enum Lost {
    /// Its line and all that follows.
    Rest,
    /// The whole file.
    File,
    /// That statement alone, up to where this comes to.
    Statement(for<'a> fn(&mut Reader<'a>) -> Result<()>),
}
