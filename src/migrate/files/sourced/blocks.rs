//! Where the body of a loop, a function or a branch begins and ends.

use super::Source;
use crate::migrate::files::words::{Command, Piece, Tongue, Word};
use std::ops::Range;

pub(super) fn lone<'c>(command: &'c Command<'_>) -> Option<&'c str> {
    match &command.words[..] {
        [word] => std::str::from_utf8(word.plain()?).ok(),
        _ => None,
    }
}

pub(super) enum Change {
    Opens,
    Closes,
    None,
}

// What a keyword does to the branches around what follows.
pub(super) fn change(tongue: Tongue, keyword: &str, is_else_if: bool) -> Change {
    match (tongue, keyword) {
        (Tongue::Posix | Tongue::Zsh, "if" | "while" | "until") => Change::Opens,
        (Tongue::Posix | Tongue::Zsh, "fi" | "done" | "esac") => Change::Closes,
        (Tongue::Fish, "if") if is_else_if => Change::None,
        (Tongue::Fish, "if" | "while" | "begin") => Change::Opens,
        (Tongue::Fish, "end") => Change::Closes,
        (Tongue::Csh, "then") if is_else_if => Change::None,
        (Tongue::Csh, "then" | "while") => Change::Opens,
        (Tongue::Csh, "endif" | "end" | "endsw") => Change::Closes,
        (Tongue::PowerShell | Tongue::Nushell, "{") => Change::Opens,
        (Tongue::PowerShell | Tongue::Nushell, "}") => Change::Closes,
        _ => Change::None,
    }
}

// Longer loops are no loops over files.
const LONGEST_LOOP: usize = 256;

// The command whose output a loop reads: `while read -r f; do ...; done < <(ls)`.
pub(super) fn loop_input<'t>(commands: &[Command<'t>], at: usize, source: &Source<'_>) -> Option<&'t [u8]> {
    let mut depth = 0usize;
    for (at, command) in commands.iter().enumerate().skip(at).take(LONGEST_LOOP) {
        if command.is("do") {
            depth += 1;
        } else if command.is("done") {
            depth = depth.saturating_sub(1);
            if depth > 0 {
                continue;
            }
            let next = commands.get(at + 1)?;
            let between = source.text.get(source.base + command.end..source.base + next.start)?;
            let reads = between.contains(&b'<') && !between.contains(&b'\n');
            return match next.words.first()?.pieces[..] {
                [Piece::Code(text, _)] if reads => Some(text),
                _ => None,
            };
        }
    }
    None
}

// The commands of the block that begins here, and where it goes on behind them.
pub(super) fn block(commands: &[Command<'_>], from: usize, tongue: Tongue) -> (Range<usize>, usize) {
    let Some(first) = commands.get(from) else { return (from..from, from) };
    let until = |from: usize, open: &dyn Fn(usize) -> bool, close: &str| {
        let mut depth = 0usize;
        for (at, command) in commands.iter().enumerate().skip(from) {
            if open(at) {
                depth += 1;
            } else if command.is(close) {
                if depth == 0 {
                    return (from..at, at + 1);
                }
                depth -= 1;
            }
        }
        (from..commands.len(), commands.len())
    };
    let begins = |at: usize, words: &[&[u8]]| {
        let first = commands[at].words.first().and_then(Word::plain);
        first.is_some_and(|first| words.contains(&first))
    };
    match tongue {
        Tongue::Fish => {
            let opens = |at: usize| {
                let is_else_if = at > 0 && commands[at - 1].is("else");
                begins(at, &[b"if", b"while", b"begin", b"for", b"function", b"switch"]) && !is_else_if
            };
            until(from, &opens, "end")
        }
        Tongue::Csh => until(from, &|at| begins(at, &[b"foreach", b"while"]), "end"),
        _ if first.is("{") => until(from + 1, &|at| commands[at].is("{"), "}"),
        _ if first.is("(") => until(from + 1, &|at| commands[at].is("("), ")"),
        Tongue::Zsh if from > 0 && begins(from - 1, &[b"foreach"]) => {
            until(from, &|at| begins(at, &[b"foreach"]), "end")
        }
        Tongue::Posix | Tongue::Zsh if first.is("do") => until(from + 1, &|at| commands[at].is("do"), "done"),
        // zsh's short loop has one command, or a list.
        _ => {
            let mut end = from + 1;
            while end < commands.len() && (commands[end].joined.is_some() || commands[end - 1].piped) {
                end += 1;
            }
            (from..end, end)
        }
    }
}
