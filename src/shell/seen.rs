//! What the calling shell says of the agents' names, as the hook's `ringlet` passes it on.
//!
//! Nobody else can know: aliases and functions live in the shell alone. The text is written by shell code and read here; a
//! program could write it as well, so it is only shown, and decides nothing.

use std::collections::BTreeMap;

/// The variable: the shell's name, then `NAME=KIND` for each agent's command, separated by blanks. It is taken out of the
/// environment at the start, so no agent sees it.
pub(crate) const VARIABLE: &str = "RINGLET_SHELL";

/// What a name is in a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The hook's function.
    Ringlet,
    /// An alias that does not lead to it.
    Alias,
    /// A function of somebody else's.
    Function,
    /// Neither, so the program on PATH.
    Program,
}

/// What a shell says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The shell's name.
    pub shell: String,
    names: BTreeMap<String, Kind>,
}

impl Seen {
    /// Reads the variable's value; `None` for what no hook has written.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let shell = words.next().filter(|name| matches!(*name, "bash" | "zsh" | "fish"))?.to_owned();
        let kind = |word: &str| {
            let (name, kind) = word.split_once('=')?;
            let kind = match kind {
                "ringlet" => Kind::Ringlet,
                "alias" => Kind::Alias,
                "function" => Kind::Function,
                "program" => Kind::Program,
                _ => return None,
            };
            Some((name.to_owned(), kind))
        };
        Some(Self { shell, names: words.map(kind).collect::<Option<_>>()? })
    }

    /// What a command is there. One that the hook did not know is nothing that it has made.
    pub(crate) fn kind(&self, command: &str) -> Kind {
        self.names.get(command).copied().unwrap_or(Kind::Program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_says_is_read_and_anything_else_is_not() {
        let seen = Seen::parse("zsh claude=ringlet cn=alias aider=function\n").expect("of the form");
        assert_eq!(seen.shell, "zsh");
        let kinds = ["claude", "cn", "aider", "codex"].map(|name| seen.kind(name));
        assert_eq!(kinds, [Kind::Ringlet, Kind::Alias, Kind::Function, Kind::Program]);
        assert_eq!(Seen::parse("fish").map(|seen| seen.shell), Some("fish".into()));
        for text in ["", "sh claude=ringlet", "zsh claude", "zsh claude=yes", "claude=ringlet"] {
            assert_eq!(Seen::parse(text), None, "{text}");
        }
    }
}
