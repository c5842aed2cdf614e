//! Words for shells.

use crate::migrate::dialect::Dialect;
use crate::migrate::examine::assignments;
use crate::migrate::vocabulary::Vocabulary;
use crate::name::is_unprintable;
use crate::shell::{Shell, ShellError, quote};

/// Any text is one word of each shell, which the readers of that shell's files read back; its neighbours stay apart.
pub fn quoting(text: &[u8]) {
    read_back(text);
    text.chunks(UNASKED).for_each(read_back);
}

fn read_back(text: &[u8]) {
    for shell in Shell::ALL {
        let word = match quote(shell, text) {
            Ok(word) => word,
            Err(ShellError::Nul) => {
                assert!(text.contains(&0));
                continue;
            }
            Err(_) => {
                let is_unicode = matches!(shell, Shell::PowerShell | Shell::Nushell);
                assert!(is_unicode && std::str::from_utf8(text).is_err());
                continue;
            }
        };
        assert!(!text.contains(&0) && !word.contains(is_unprintable), "{shell}: {word:?}");
        match shell {
            Shell::Bash => bourne(text, &word, Dialect::Bash),
            Shell::Zsh => bourne(text, &word, Dialect::Zsh),
            Shell::Fish => fish(text, &word),
            Shell::PowerShell => powershell(text, &word),
            Shell::Nushell => reads(
                &format!("$env.A = {word}\n$env.B = 'b'; $env.C = {word} # {word}\n"),
                Dialect::Nushell,
                &[("A", text), ("B", b"b"), ("C", text)],
            ),
        }
    }
}

// A second parser is asked about long literals and does not know every spelling; a file's reader then sets nothing.
const UNASKED: usize = 15;

#[track_caller]
fn reads(script: &str, dialect: Dialect, wanted: &[(&str, &[u8])]) {
    let found = assignments(script.as_bytes(), dialect, Vocabulary::built_in());
    let found: Vec<(&str, Option<&[u8]>)> =
        found.iter().map(|(name, value)| (name.as_str(), value.as_ref().map(|value| value.as_slice()))).collect();
    let wanted: Vec<(&str, Option<&[u8]>)> = wanted.iter().map(|(name, value)| (*name, Some(*value))).collect();
    let mut rest = wanted.iter();
    assert!(found.iter().all(|set| rest.any(|other| other == set)), "{dialect:?} {script:?} {found:?}");
    let is_asked = wanted.iter().any(|(_, value)| value.is_some_and(|value| value.len() > UNASKED));
    assert!(is_asked || found == wanted, "{dialect:?} {script:?} {found:?}");
}

fn bourne(text: &[u8], word: &str, dialect: Dialect) {
    reads(
        &format!("export A={word} B=b C={word}; D={word}\nE=e # {word}\n"),
        dialect,
        &[("A", text), ("B", b"b"), ("C", text), ("D", text), ("E", b"e")],
    );
}

fn fish(text: &[u8], word: &str) {
    reads(
        &format!("set -gx A {word}; set -gx B b\nset -gx C {word} # {word}\n"),
        Dialect::Fish,
        &[("A", text), ("B", b"b"), ("C", text)],
    );
}

fn powershell(text: &[u8], word: &str) {
    assert!(word.is_ascii());
    let units = summed(word).expect("a sum of strings and characters");
    assert_eq!(String::from_utf16(&units).expect("whole characters").as_bytes(), text, "{word}");
    // A sum is no literal to the reader.
    if !word.starts_with('(') {
        let script = format!("$env:A = {word}; $env:B = 'b'\n$env:C = {word} # {word}\n");
        reads(&script, Dialect::PowerShell, &[("A", text), ("B", b"b"), ("C", text)]);
    }
}

// PowerShell's rules for `'it''s'` and `('a' + [char]0x000a + 'b')`, as its language specification has them.
fn summed(word: &str) -> Option<Vec<u16>> {
    let mut rest = word.strip_prefix('(').map_or(Some(word), |inner| inner.strip_suffix(')'))?;
    let mut units = Vec::new();
    loop {
        if let Some(digits) = rest.strip_prefix("[char]0x") {
            let (digits, behind) = digits.split_at_checked(4)?;
            units.push(u16::from_str_radix(digits, 16).ok()?);
            rest = behind;
        } else {
            rest = rest.strip_prefix('\'')?;
            loop {
                let (text, behind) = rest.split_once('\'')?;
                units.extend(text.encode_utf16());
                rest = behind;
                let Some(again) = rest.strip_prefix('\'') else { break };
                units.push(u16::from(b'\''));
                rest = again;
            }
        }
        if rest.is_empty() {
            return Some(units);
        }
        rest = rest.strip_prefix(" + ")?;
    }
}
