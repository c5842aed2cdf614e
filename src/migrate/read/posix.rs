//! bash, zsh and POSIX sh.
//!
//! The table knows every construct of the three shells that decides where a statement begins and ends. The shells'
//! published grammars are not enough by themselves: an unusual zsh construct turns a whole file into one error, and
//! bash's runs an assignment into the next line's command.

mod compound;
mod expansion;
mod simple;
mod word;

pub(super) use simple::Passed;

use super::Reader;
use super::confirm::Grammar;
use super::language::{Construct, End, Language, Lost, Posix, Section};
use crate::migrate::model::{Node, Reason, Scope};

/// bash, and what sh has of it.
pub(super) static BASH: Language = COMMON;

/// zsh.
pub(super) static ZSH: Language = Language {
    constructs: &[
        ("if", plain(SHORT_IF)),
        ("while", looped(SHORT_LOOP)),
        ("until", looped(SHORT_LOOP)),
        ("for", Construct::Special(compound::iteration)),
        ("select", Construct::Special(compound::iteration)),
        ("foreach", Construct::Special(compound::iteration)),
        ("repeat", Construct::Special(compound::iteration)),
        ("case", Construct::Special(compound::case)),
        ("{", Construct::Special(compound::group)),
        ("[[", Construct::Special(compound::test)),
        ("function", Construct::Special(compound::function)),
        ("coproc", Construct::Special(compound::coproc)),
    ],
    closing: &["then", "do", "done", "fi", "elif", "else", "esac", "}", "end"],
    redirections: &[
        "<<<", "<<-", "&>>|", "&>>!", "&>>", "<<", "<&", "<>|", "<>!", "<>", ">>|", ">>!", ">>", ">&", ">|", ">!",
        "&>|", "&>!", "&>", "<", ">",
    ],
    posix: Some(&Posix { disowning: &["|", "!"], brace_ends: true, ..POSIX }),
    ..COMMON
};

const COMMON: Language = Language {
    filler: ":",
    ignores_case: false,
    block_comment: None,
    continuation: Some(b'\\'),
    ends: b";&|<>()",
    word: word::word,
    constructs: &[
        ("if", plain(IF)),
        ("while", looped(LOOP)),
        ("until", looped(LOOP)),
        ("for", Construct::Special(compound::iteration)),
        ("select", Construct::Special(compound::iteration)),
        ("case", Construct::Special(compound::case)),
        ("{", Construct::Special(compound::group)),
        ("[[", Construct::Special(compound::test)),
        ("function", Construct::Special(compound::function)),
        ("coproc", Construct::Special(compound::coproc)),
    ],
    closing: CLOSING,
    not: &["!", "time -p", "time"],
    joins: &[],
    prefixes: &["builtin", "command", "noglob", "nocorrect", "-"],
    assigns: true,
    has_subshells: true,
    blocks: None,
    pipes: &["|&", "|"],
    redirections: &["<<<", "<<-", "&>>", "<<", "<&", "<>", ">>", ">&", ">|", "&>", "<", ">"],
    nowhere: "/dev/null",
    has_descriptors: true,
    assignment: Some(simple::assignment),
    setters: &[
        ("export", simple::export),
        ("declare", simple::declare),
        ("typeset", simple::typeset),
        ("readonly", simple::readonly),
        ("local", simple::local),
        ("private", simple::local),
        ("integer", simple::typeset),
        ("float", simple::typeset),
        (":", simple::defaulted),
        ("true", simple::defaulted),
        ("launchctl", simple::launchctl),
        ("/bin/launchctl", simple::launchctl),
        ("setx", simple::setx),
        ("setx.exe", simple::setx),
        ("unset", simple::unset),
        ("printf", simple::printf),
    ],
    expressions: b"",
    silent: &["test", "[", "false", "echo", "printf", "return", "type", "whence", "hash"],
    reasons: &[
        ("alias", Reason::Alias),
        ("abbr", Reason::Alias),
        ("eval", Reason::Eval),
        ("env", Reason::InlinePrefix),
        ("export", Reason::Unparsed),
        ("declare", Reason::Unparsed),
        ("typeset", Reason::Unparsed),
        ("readonly", Reason::Unparsed),
        ("local", Reason::Unparsed),
        ("private", Reason::Unparsed),
        ("integer", Reason::Unparsed),
        ("float", Reason::Unparsed),
    ],
    has_operators: true,
    operators_continue: true,
    pipes_lead: false,
    continues: None,
    calls: false,
    caret: None,
    hushes: &[],
    comments_continue: false,
    background: Reason::Background,
    // bash's is zsh's, too: it has no statement of its own that sets a variable. zsh's own grammar is larger than the
    // whole rest of ringlet, and some files send it astray for minutes.
    grammar: Some(Grammar {
        language: || tree_sitter_bash::LANGUAGE.into(),
        statements: &[
            "declaration_command",
            "variable_assignment",
            "variable_assignments",
            "command",
            "redirected_statement",
        ],
        prepare: |_| (),
    }),
    lost: Lost::Rest,
    posix: Some(&POSIX),
};

const POSIX: Posix = Posix {
    arms: &[";;", ";&", ";|"],
    disowning: &[],
    brace_ends: false,
    conditions: &["test", "["],
    unprefixed: &[":", "true", "setx", "setx.exe"],
    options: ("set", &["-e", "-u", "-eu", "-ue", "-o", "-eo", "-uo", "-euo", "-ueo", "errexit", "nounset", "pipefail"]),
    programs: &["launchctl", "/bin/launchctl", "setx", "setx.exe"],
    construct: compound::construct,
    definition: compound::definition,
    follows,
    descriptor: simple::descriptor,
    redirected: simple::redirected,
    assigns: simple::assigns,
    look_into_assignment: simple::look_into_assignment,
    passes: simple::passes,
};

const CLOSING: &[&str] = &["then", "do", "done", "fi", "elif", "else", "esac", "}"];

const fn plain(sections: &'static [Section]) -> Construct {
    Construct::Sections { guard: None, scope: Scope::Plain, sections }
}

const fn looped(sections: &'static [Section]) -> Construct {
    Construct::Sections { guard: None, scope: Scope::Loop, sections }
}

const IF: &[Section] = &[
    Section::Condition(&[End(&["then"], Some(1))]),
    Section::Body(&[End(&["elif"], Some(0)), End(&["else"], Some(2)), End(&["fi"], None)]),
    Section::Body(&[End(&["fi"], None)]),
];

const LOOP: &[Section] = &[Section::Condition(&[End(&["do"], Some(1))]), Section::Body(&[End(&["done"], None)])];

// zsh also takes braces, or one statement, for a body.
const SHORT_IF: &[Section] = &[
    Section::Condition(&[End(&["then"], Some(1)), End(&[], Some(3))]),
    Section::Body(&[End(&["elif"], Some(0)), End(&["else"], Some(2)), End(&["fi"], None)]),
    Section::Body(&[End(&["fi"], None)]),
    Section::Short(&[End(&["elif"], Some(0)), End(&["else"], Some(4)), End(&[], None)]),
    Section::Short(&[End(&[], None)]),
];

const SHORT_LOOP: &[Section] = &[
    Section::Condition(&[End(&["do"], Some(1)), End(&[], Some(2))]),
    Section::Body(&[End(&["done"], None)]),
    Section::Short(&[End(&[], None)]),
];

fn is_zsh(reader: &Reader<'_>) -> bool {
    std::ptr::eq(reader.language, &ZSH)
}

fn follows(reader: &Reader<'_>, scope: Scope, node: &Node) -> Option<bool> {
    let is_condition = scope == Scope::Condition;
    // zsh ends a condition at `{`, and a body wherever `}` stands.
    if is_zsh(reader) && (is_condition || reader.is_at("}")) {
        return Some(!is_condition);
    }
    // A compound command may stand right before the word that closes what it is in: `{ ( a ) }`, `( a ) fi`.
    (reader.is_at_one_of(CLOSING) && closes_itself(node)).then_some(true)
}

fn closes_itself(node: &Node) -> bool {
    match node {
        Node::List { operands, .. } => operands.last().is_some_and(closes_itself),
        Node::Compound { .. } | Node::Other(_) => true,
        Node::Setting(_) | Node::Start(_) => false,
    }
}

#[cfg(test)]
mod tests;
