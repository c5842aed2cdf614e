//! Files that give agents accounts, judged together.

use super::keys;
use crate::migrate::accounts::{Account, Accounts, Machine};
use crate::migrate::dialect::Dialect;
use crate::migrate::edit;
use crate::migrate::examine::{Examined, Text, examine_together};
use crate::migrate::files::Shell;
use crate::migrate::vocabulary::Vocabulary;
use std::collections::BTreeSet;

// Its language, the shells that read it, one bit each, and its text.
type File = (Dialect, Option<u8>, Vec<u8>);

// A home has more files, but an input need not.
const MOST: usize = 6;

/// Files one after another. Each begins behind `%` and the letter of its language: `b`, `z`, `s`, `f`, `c`, `n`, `p`,
/// `e` for a file of variables, `x` for a script; made-up keys stand in place of `@a` and the like.
pub fn files(bytes: &[u8]) {
    let files = split(bytes);
    let vocabulary = Vocabulary::built_in();
    let machine = |moved| Machine {
        agents: ["aider", "claude", "codex", "gemini", "llm"].map(str::to_owned).into(),
        has_ringlet: true,
        login: Some(Shell::Zsh),
        moved,
        ..Machine::empty(vocabulary)
    };
    let (examined, accounts) = judged(&files, &machine(vec![]));
    let edited: Vec<File> = files
        .iter()
        .zip(&examined)
        .map(|((dialect, shells, text), examined)| {
            let cuts = examined.cuts_with(text, &|_| "default".to_owned(), &|number| format!("p{number}"));
            let mut at = 0;
            for cut in &cuts {
                assert!(
                    at <= cut.span.start && cut.span.start <= cut.span.end,
                    "cuts are sorted and disjoint: {cuts:?}"
                );
                at = cut.span.end;
            }
            assert!(at <= text.len(), "cuts lie in the file: {cuts:?}");
            (*dialect, *shells, edit::apply(text, &cuts))
        })
        .collect();

    // All parts of an account go: each of its files is changed, and what started the agent starts its profile.
    for (number, account) in accounts.made.iter().enumerate() {
        for file in &account.files {
            assert!(files[*file].2 != edited[*file].2, "a file of an account is not changed: {}", account.from);
        }
        let start = format!("--profile p{number} ");
        let starts: usize = edited.iter().map(|(_, _, text)| count(text, start.as_bytes())).sum();
        assert!(starts <= 1, "a launcher is started twice: {}", account.from);
    }
    // An agent that is to have no default has none, and no other one has two.
    let mut defaults: Vec<(&str, &Account)> = Vec::new();
    for account in accounts.made.iter().filter(|account| account.is_default()) {
        for agent in &account.agents {
            let kept = accounts.withheld.iter().find(|withheld| withheld.agent == *agent);
            assert!(kept.is_none(), "{agent} has a default by {} and is to have none", account.from);
            let other = defaults.iter().find(|(own, other)| *own == agent.as_str() && !other.is_same(account));
            assert!(other.is_none(), "{agent} has two defaults, one by {}", account.from);
            defaults.push((agent, account));
        }
    }
    // What stays stands where it stood.
    for ((_, _, before), (examined, (_, _, after))) in files.iter().zip(examined.iter().zip(&edited)) {
        for finding in examined.findings().iter().filter(|finding| !finding.is_moved()) {
            let stands = |text: &[u8]| count(text, &finding.value) > 0;
            assert!(
                finding.value.is_empty() || !stands(before) || stands(after),
                "what is reported stays: {finding:?}"
            );
        }
    }
    // A second run has nothing to do. It knows what the first one moved.
    let moved = examined.iter().flat_map(Examined::findings).filter(|finding| finding.is_moved());
    let moved = moved.map(|finding| (finding.value.clone(), finding.provider.clone())).collect();
    let (again, left) = judged(&edited, &machine(moved));
    for (examined, (_, _, text)) in again.iter().zip(&edited) {
        let moved: Vec<_> = examined.findings().iter().filter(|finding| finding.is_moved()).collect();
        assert!(moved.is_empty(), "a second run moves {moved:?}");
        assert!(examined.cuts_with(text, &|_| String::new(), &|_| String::new()).is_empty(), "a second run cuts");
    }
    let made: BTreeSet<&str> = left.made.iter().map(|account| account.from.as_str()).collect();
    assert!(made.is_empty(), "a second run makes profiles: {made:?}");
}

fn split(bytes: &[u8]) -> Vec<File> {
    let mut files = Vec::new();
    let mut rest = bytes;
    while let (Some(at), true) = (memchr::memchr(b'%', rest), files.len() < MOST) {
        let Some((letter, behind)) = rest[at + 1..].split_first() else { break };
        let end = memchr::memchr(b'%', behind).unwrap_or(behind.len());
        let (dialect, shell) = match letter {
            b'b' => (Dialect::Bash, Some(Shell::Bash)),
            b'z' => (Dialect::Zsh, Some(Shell::Zsh)),
            b's' => (Dialect::Sh, Some(Shell::Sh)),
            b'f' => (Dialect::Fish, Some(Shell::Fish)),
            b'c' => (Dialect::Csh, Some(Shell::Csh)),
            b'n' => (Dialect::Nushell, Some(Shell::Nushell)),
            b'p' => (Dialect::PowerShell, Some(Shell::PowerShell)),
            b'e' => (Dialect::DotEnv, Some(Shell::Zsh)),
            _ => (Dialect::Bash, None),
        };
        files.push((dialect, shell.map(|shell| 1 << shell as u8), keys::filled(&behind[..end])));
        rest = &behind[end..];
    }
    files
}

fn judged(files: &[File], machine: &Machine<'_>) -> (Vec<Examined>, Accounts) {
    let zsh = 1 << Shell::Zsh as u8;
    let texts: Vec<Text<'_>> = files
        .iter()
        .map(|(dialect, shells, bytes)| Text {
            bytes,
            dialect: *dialect,
            shells: *shells,
            at_login: shells.is_some_and(|shells| shells & zsh != 0),
        })
        .collect();
    examine_together(&texts, machine)
}

fn count(text: &[u8], piece: &[u8]) -> usize {
    if piece.is_empty() { 0 } else { memchr::memmem::find_iter(text, piece).count() }
}
