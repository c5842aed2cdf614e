//! What the agents' names are in the calling shell, as the hook's `ringlet` function reports it.
//!
//! Only the shell knows its aliases and functions. Any program could set the variable, so its content is only shown and
//! decides nothing.

use std::collections::BTreeMap;

/// The variable. It holds the shell's name, then `NAME=KIND` for each agent's command, separated by blanks. It is
/// removed from the environment at the start, so no agent sees it.
pub(crate) const VARIABLE: &str = "RINGLET_SHELL";

/// What a command's name is in a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameKind {
    /// The hook's function.
    Ringlet,
    /// An alias that does not lead to the hook's function.
    Alias,
    /// Another function.
    Function,
    /// No alias or function, so the program on PATH.
    Program,
}

/// The agents' names in a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShellNames {
    /// The shell's name.
    pub shell: String,
    names: BTreeMap<String, NameKind>,
}

impl ShellNames {
    /// Parses the variable's value; `None` if a hook cannot have written it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let shell = words.next().filter(|name| matches!(*name, "bash" | "zsh" | "fish" | "nushell"))?.to_owned();
        let kind = |word: &str| {
            let (name, kind) = word.split_once('=')?;
            let kind = match kind {
                "ringlet" => NameKind::Ringlet,
                "alias" => NameKind::Alias,
                "function" => NameKind::Function,
                "program" => NameKind::Program,
                _ => return None,
            };
            Some((name.to_owned(), kind))
        };
        Some(Self { shell, names: words.map(kind).collect::<Option<_>>()? })
    }

    /// Returns what a command's name is. One that the hook did not list has no function of the hook's.
    pub(crate) fn kind(&self, command: &str) -> NameKind {
        self.names.get(command).copied().unwrap_or(NameKind::Program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_parsed_and_anything_else_is_not() {
        let seen = ShellNames::parse("zsh claude=ringlet cn=alias aider=function\n").expect("of the form");
        assert_eq!(seen.shell, "zsh");
        let kinds = ["claude", "cn", "aider", "codex"].map(|name| seen.kind(name));
        assert_eq!(kinds, [NameKind::Ringlet, NameKind::Alias, NameKind::Function, NameKind::Program]);
        assert_eq!(ShellNames::parse("fish").map(|seen| seen.shell), Some("fish".into()));
        for text in ["", "sh claude=ringlet", "zsh claude", "zsh claude=yes", "claude=ringlet"] {
            assert_eq!(ShellNames::parse(text), None, "{text}");
        }
    }
}
