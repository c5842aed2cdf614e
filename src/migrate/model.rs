//! A file seen as statements that set variables: what every dialect's reader makes, and what the edits work on.
//!
//! The tree holds just what the rules of a scrub ask for: which bytes are one statement, which words in it set which
//! name to which value, which statements share a body or a list. Everything else is `Other`. Positions are byte
//! ranges in the file as it is, whatever its encoding; ranges of one level never overlap and stand in file order.

use std::fmt;
use std::ops::Range;
use zeroize::Zeroizing;

/// The byte order mark of UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns where a file's text begins: behind its byte order mark.
pub(super) fn text_start(bytes: &[u8]) -> usize {
    if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
}

/// A byte range.
pub(super) type Span = Range<usize>;

/// A file, taken apart.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// The statements at top level.
    pub nodes: Vec<Node>,
    /// Every comment, from its first character to the end of its line (terminator not included).
    pub comments: Vec<Span>,
    /// Places where a key may stand that nothing can be cut out of: each is looked at, and reported when it is one.
    pub fixed: Vec<Fixed>,
    /// What an emptied body is filled with: `:`, `true`, or nothing.
    pub filler: &'static str,
}

/// One statement or construct.
#[derive(Debug)]
pub(super) enum Node {
    /// A statement that does nothing but set, export or declare variables.
    Setting(Setting),
    /// Operands of `&&`, `||`, `!`, `and`, `or`, or the command of a one-line `if`: an operand that goes is replaced by
    /// the filler; if every one goes, so does the list.
    List {
        /// The whole list.
        span: Span,
        /// Its operands; a condition that is no command of its own is `Other`.
        operands: Vec<Node>,
    },
    /// A construct with bodies: `if`, loop, `case`, function, `{ }`, `( )`.
    Compound {
        /// The whole construct.
        span: Span,
        /// Its bodies, conditions included as bodies of their own.
        bodies: Vec<Body>,
    },
    /// Anything else; never touched.
    Other(Span),
}

impl Node {
    /// The bytes of the node.
    pub(super) fn span(&self) -> &Span {
        match self {
            Self::Setting(setting) => &setting.span,
            Self::List { span, .. } | Self::Compound { span, .. } | Self::Other(span) => span,
        }
    }
}

/// A sequence of statements that must not become empty.
#[derive(Debug)]
pub(super) struct Body {
    /// From behind the opening word to before the closing one.
    pub span: Span,
    /// Its statements.
    pub nodes: Vec<Node>,
    /// Whether it belongs to a function or subshell, which is a launcher if it also runs a program.
    pub scope: Scope,
}

/// What kind of body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// A branch, loop or group of the surrounding code.
    Plain,
    /// What decides whether or how often another body runs: there a list's `!` matters even when its operands go.
    Condition,
    /// A function's body or a subshell without any program in it.
    Function,
    /// A function's body or a subshell that also runs a program: its keys are reported, never moved.
    Launcher,
}

/// A statement that only sets.
#[derive(Debug)]
pub(super) struct Setting {
    /// From its first to its last byte; separators, trailing blanks and comments not included.
    pub span: Span,
    /// Its form, in the corpus' words: `assign`, `export`, `declare`, `typeset`, `readonly`, `set`, `ps-env`,
    /// `ps-setenvironmentvariable`, `setx`, `setenv`, `launchctl`, `environment.d`, `pam-env`, `dotenv`,
    /// `fish-universal`. (`copy`, `default-expansion` and `comment` follow from the value and the place.)
    pub form: &'static str,
    /// The names it sets, in order.
    pub words: Vec<Word>,
    /// Whether something beside the words keeps the statement alive when they all go (an option that acts by itself).
    pub keeps: bool,
}

/// One name in a setting.
#[derive(Debug)]
pub(super) struct Word {
    /// `NAME=value`, or a bare `NAME`; of a statement that sets just one name, everything from the name on.
    pub span: Span,
    /// The name's own bytes, for the line number.
    pub name_span: Span,
    /// The name.
    pub name: String,
    /// What it is set to.
    pub value: Value,
}

/// What a name is set to. Its `Debug` shows no byte of it.
pub(super) enum Value {
    /// Nothing: a bare `export NAME`.
    Bare,
    /// A literal, decoded to what the shell would see, and where it stands (quotes included).
    Literal(Zeroizing<Vec<u8>>, Span),
    /// Exactly another variable's value: `$V`, `${V}`.
    Copy(String),
    /// `${NAME:-literal}` or `${NAME:=literal}`: the name, the literal, and where that stands.
    Default(String, Zeroizing<Vec<u8>>, Span),
    /// Anything that only running the code could tell.
    Dynamic,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare => f.write_str("Bare"),
            Self::Literal(_, span) => write!(f, "Literal(redacted, {span:?})"),
            Self::Copy(name) => write!(f, "Copy({name})"),
            Self::Default(name, _, span) => write!(f, "Default({name}, redacted, {span:?})"),
            Self::Dynamic => f.write_str("Dynamic"),
        }
    }
}

/// A literal that cannot be cut out of where it stands. Its `Debug` shows no byte of it.
pub(super) struct Fixed {
    /// The name it goes by, if any: `A=k cmd`, `--api-key=k` (none), `alias x='A=k cmd'` (A).
    pub name: Option<String>,
    /// Where the name begins, or the literal where there is no name: the line that is reported.
    pub at: usize,
    /// The literal, decoded.
    pub value: Zeroizing<Vec<u8>>,
    /// Why it stays, in the corpus' words: `alias`, `inline-prefix`, `heredoc`, `substitution`, `array`, `argument`,
    /// `default-of-other`, `here-string`, `eval`, `background`, `append` (a name that is also added to, whose other
    /// values are no whole keys), `structured-config`, `history`, `unparsed`.
    pub reason: &'static str,
}

impl fmt::Debug for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, at, reason, .. } = self;
        write!(f, "Fixed {{ name: {name:?}, at: {at}, value: redacted, reason: {reason:?} }}")
    }
}
