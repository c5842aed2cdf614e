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

/// No key is shorter (rule D1), so shorter words are not worth carrying around.
pub(super) const SHORTEST_KEY: usize = 20;

/// A byte range.
pub(super) type Span = Range<usize>;

// An enum of words that the JSON output and the test corpus have in common.
macro_rules! words {
    (
        $(#[$about:meta])*
        $visibility:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $visibility enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// All of them.
            #[cfg(test)]
            $visibility const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word.
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// How a key is set that can be moved.
    pub(crate) enum Form {
        /// `A=k`, in any language.
        Assign = "assign",
        Export = "export",
        Declare = "declare",
        Typeset = "typeset",
        Readonly = "readonly",
        Local = "local",
        /// `set` of fish and csh.
        Set = "set",
        Setenv = "setenv",
        /// `$env:A = 'k'`.
        PsEnv = "ps-env",
        /// `Set-Item Env:A k` and its kin.
        PsItem = "ps-item",
        PsSetEnvironmentVariable = "ps-setenvironmentvariable",
        Setx = "setx",
        Launchctl = "launchctl",
        EnvironmentD = "environment.d",
        PamEnv = "pam-env",
        DotEnv = "dotenv",
        FishUniversal = "fish-universal",
        /// nushell's `$env.A = "k"`.
        NuEnv = "nu-env",
        LetEnv = "let-env",
        LoadEnv = "load-env",
        /// The value of another variable whose key moves.
        Copy = "copy",
        /// `${A:-k}` or `${A:=k}` of the same name.
        DefaultExpansion = "default-expansion",
        /// `A=k command`, `env A=k command`.
        Prefix = "prefix",
        /// `unset A` and its kin, which hold no key.
        Unset = "unset",
        Comment = "comment",
        /// A launcher that becomes a profile.
        Launcher = "launcher",
        /// The same in the text of an alias.
        Alias = "alias",
        /// An entry of the store in which an agent keeps logins.
        Entry = "entry",
    }
}

words! {
    /// Why a key stays where it is and is only reported.
    pub(crate) enum Reason {
        Alias = "alias",
        /// `A=k command`.
        InlinePrefix = "inline-prefix",
        HereDocument = "heredoc",
        HereString = "here-string",
        Substitution = "substitution",
        Array = "array",
        /// A word of any other command.
        Argument = "argument",
        /// `${B:-k}` in an assignment to another name.
        DefaultOfOther = "default-of-other",
        Eval = "eval",
        Background = "background",
        /// A name that is also added to, whose other values are no whole keys.
        Append = "append",
        /// Half of an endpoint and a key that belong together, and are not understood.
        Pair = "pair",
        /// Code that pairs a key with a program and maybe with its endpoint.
        Launcher = "launcher",
        StructuredConfig = "structured-config",
        History = "history",
        /// Code that its reader does not understand, or an edit of which would not hold.
        Unparsed = "unparsed",
        /// A file of no format that is edited.
        NotShell = "not-shell",
        /// A credential of something else than an agent's provider.
        NotAgentKey = "not-agent-key",
        /// Random, under a name that says key without saying whose.
        UnknownName = "unknown-name",
        /// A file that is looked through, whatever its format.
        NotEdited = "not-edited",
        ForeignOwned = "foreign-owned",
        /// A file whose keys cannot be stored or taken out.
        CannotEdit = "cannot-edit",
        /// What the person wants to stay, and what belongs to it.
        Declined = "declined",
    }
}

impl Reason {
    /// The reason in words, as the rest of a sentence about the key.
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::Alias => "is part of the text of an alias",
            Self::InlinePrefix => "is set for one command",
            Self::HereDocument | Self::HereString => "is a command's input",
            Self::Substitution | Self::Eval => "stands in code that gives its value",
            Self::Array => "is an element of a list",
            Self::Argument => "is a word of a command",
            Self::DefaultOfOther => "stands in for another variable",
            Self::Background => "is set in the background",
            Self::Append => "belongs to a variable that is also added to",
            Self::Launcher => "belongs to a program that is started with it",
            Self::Pair => "belongs to an endpoint",
            Self::StructuredConfig => "is kept by a program in its settings",
            Self::History => "stands in a history",
            Self::Unparsed => "stands in code that is not understood",
            Self::NotShell => "stands in a file of another format",
            Self::NotAgentKey => "is another tool's",
            Self::UnknownName => "is known by its name alone",
            Self::NotEdited => "stands in a file that is only looked through",
            Self::ForeignOwned => "is in another user's file",
            Self::CannotEdit => "is in a file that cannot be edited",
            Self::Declined => "stays, as you chose",
        }
    }

    /// What a person can do about it; nothing where it is no key of an agent's.
    pub(crate) const fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::Alias | Self::InlinePrefix | Self::Argument => {
                "an agent gets its key by `ringlet exec --profile NAME AGENT --`; let another program have its own key"
            }
            Self::HereDocument | Self::HereString | Self::Substitution | Self::Eval | Self::Array => {
                "store the key, and take it out of the line; let a program that is no agent have a key of its own"
            }
            Self::DefaultOfOther | Self::Background | Self::Append => {
                "set the variable by a statement of its own, and run `ringlet migrate` again"
            }
            Self::Launcher => {
                "make a profile, and let the line start the agent with `ringlet exec --profile NAME AGENT --`"
            }
            Self::Pair => "make a profile with the endpoint, and take both lines out",
            Self::StructuredConfig => "store the key, and delete it in the program's settings",
            Self::History => "delete the line in the history, and replace the key at its provider",
            Self::Unparsed | Self::NotShell | Self::CannotEdit => "store the key, and take it out by hand",
            Self::UnknownName => "store the key under its provider's name if it is one, and take the line out",
            Self::NotEdited => "delete the file, or the line, and replace the key at its provider",
            Self::ForeignOwned => "let the file's owner run `ringlet migrate`",
            Self::Declined => "run `ringlet migrate` again to be asked about it once more",
            Self::NotAgentKey => return None,
        })
    }
}

/// What the user has to know besides about a key that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Warning {
    /// It is set in a function, for the shells that call it.
    Function,
    /// Its variable is set to another key as well.
    Conflict,
    /// launchd's session goes on holding it.
    LaunchdSession,
    /// Windows' registry goes on holding it.
    Registry,
    /// A running fish goes on holding it.
    UniversalVariable,
    /// systemd's session goes on holding it.
    SystemdSession,
}

#[cfg(test)]
impl Warning {
    /// All of them.
    pub(super) const ALL: [Self; 6] = [
        Self::Function,
        Self::Conflict,
        Self::LaunchdSession,
        Self::Registry,
        Self::UniversalVariable,
        Self::SystemdSession,
    ];
}

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
    /// The character that continues a line at its end, where the language has one.
    pub continuation: Option<u8>,
    /// Whether a program runs that is no agent, outside functions.
    pub runs: bool,
    /// Whether an agent is started, outside functions.
    pub starts: bool,
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
    /// A construct with bodies: `if`, loop, `case`, function, `{ }`, `( )`, an alias' text.
    Compound {
        /// The whole construct.
        span: Span,
        /// The name of the command that it defines.
        name: Option<Box<str>>,
        /// Its bodies, conditions included as bodies of their own.
        bodies: Vec<Body>,
    },
    /// A command that starts an agent.
    Start(Box<Start>),
    /// Anything else; never touched.
    Other(Span),
}

/// A command that starts an agent.
#[derive(Debug)]
pub(super) struct Start {
    /// The whole command, redirections included.
    pub span: Span,
    /// What is set for it alone: the words before it, and those of `env`.
    pub setting: Setting,
    /// `env`, and whether it has words that are none of the setting's.
    pub env: Option<(Span, bool)>,
    /// The words that start the agent: `claude`, `command claude`.
    pub command: Span,
    /// The agent's command without its folder; empty where only running the code could tell it.
    pub agent: String,
    /// The path to it, where there is one; `~` stands for the home directory.
    pub path: Option<String>,
    /// Whether nothing else about the command changes how the agent is started.
    pub is_plain: bool,
}

impl Node {
    /// A statement that sets these names.
    pub(super) fn setting(span: Span, form: Form, mut words: Vec<Word>) -> Self {
        // Most statements set a single one, and there may be many of them.
        words.shrink_to_fit();
        Self::Setting(Setting { span, form, words, is_redirected: false })
    }

    /// The bytes of the node.
    pub(super) fn span(&self) -> &Span {
        match self {
            Self::Setting(setting) => &setting.span,
            Self::Start(start) => &start.span,
            Self::List { span, .. } | Self::Compound { span, .. } | Self::Other(span) => span,
        }
    }
}

/// Adds a statement. Those that nothing is cut out of become one.
pub(super) fn add(nodes: &mut Vec<Node>, node: Node) {
    let node = if is_idle(&node) { Node::Other(node.span().clone()) } else { node };
    match (nodes.last_mut(), node) {
        (Some(Node::Other(last)), Node::Other(span)) => last.end = span.end,
        (_, node) => nodes.push(node),
    }
}

// Whether nothing is set in it, and no program belongs to anything that is.
fn is_idle(node: &Node) -> bool {
    match node {
        Node::Setting(_) | Node::Start(_) => false,
        Node::List { operands, .. } => operands.iter().all(is_idle),
        Node::Compound { bodies, .. } => bodies.iter().all(|body| body.nodes.iter().all(is_idle)),
        Node::Other(_) => true,
    }
}

/// A sequence of statements that must not become empty.
#[derive(Debug)]
pub(super) struct Body {
    /// From behind the opening word to before the closing one.
    pub span: Span,
    /// Its statements.
    pub nodes: Vec<Node>,
    /// What kind of body it is.
    pub scope: Scope,
    /// Whether a program runs in it that is no agent.
    pub runs: bool,
    /// Whether an agent is started in it.
    pub starts: bool,
}

/// What kind of body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// A branch or group of the surrounding code.
    Plain,
    /// A loop.
    Loop,
    /// What decides whether or how often another body runs: there a list's `!` matters even when its operands go.
    Condition,
    /// A function's body, or a block that belongs to a command as a function does.
    Function,
    /// A subshell, or another block whose variables are lost at its end.
    Subshell,
    /// An alias' or abbreviation's text.
    Text,
}

/// A statement that only sets.
#[derive(Debug)]
pub(super) struct Setting {
    /// From its first to its last byte; separators, trailing blanks and comments not included.
    pub span: Span,
    /// How it sets them; never `Copy`, `DefaultExpansion` or `Comment`, which follow from the value and the place.
    pub form: Form,
    /// The names it sets, in order.
    pub words: Vec<Word>,
    /// Whether what it prints is redirected, without more to it.
    pub is_redirected: bool,
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
    /// A path in the user's home directory, which `~` at its beginning stands for.
    Path(String),
    /// Anything that only running the code could tell.
    Dynamic,
    /// None any longer: `unset NAME`.
    Unset,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare => f.write_str("Bare"),
            Self::Literal(_, span) => write!(f, "Literal(redacted, {span:?})"),
            Self::Copy(name) => write!(f, "Copy({name})"),
            Self::Default(name, _, span) => write!(f, "Default({name}, redacted, {span:?})"),
            Self::Path(path) => write!(f, "Path({path})"),
            Self::Dynamic => f.write_str("Dynamic"),
            Self::Unset => f.write_str("Unset"),
        }
    }
}

/// Notes a literal that stays, if it is long enough for a key or speaks about its name.
pub(super) fn note(fixed: &mut Vec<Fixed>, literal: Fixed) {
    if literal.value.len() >= SHORTEST_KEY || literal.reason == Reason::Append {
        fixed.push(literal);
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
    /// Why it stays.
    pub reason: Reason,
}

impl fmt::Debug for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, at, reason, .. } = self;
        write!(f, "Fixed {{ name: {name:?}, at: {at}, value: redacted, reason: {reason:?} }}")
    }
}
