//! All messages of the program in one list, `tests/transcripts/messages.txt`, so that they can be read in a row and keep
//! one voice. `UPDATE_TRANSCRIPTS=1 cargo test --test integration messages` writes it anew.

use crate::layering::files;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What a message follows in the source.
const BEFORE: &[&str] = &[
    "#[error(",
    "Failure::new(",
    "Failure::usage(",
    ".hint(",
    ".note(",
    ".warn(",
    "Hint::from(",
    ".and(",
    "checks.good(",
    "checks.bad(",
    "checks.here(",
];

/// The string literal at the beginning of a text, without its escapes.
fn literal(text: &str) -> Option<String> {
    let mut rest = text.trim_start();
    for wrapper in ["&format!(", "format!(", "Some("] {
        rest = rest.strip_prefix(wrapper).unwrap_or(rest).trim_start();
    }
    let mut chars = rest.strip_prefix('"')?.chars();
    let mut found = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(found),
            '\\' => match chars.next()? {
                // A continued line begins behind its blanks.
                '\n' => {
                    let behind = chars.as_str().trim_start();
                    chars = behind.chars();
                }
                'n' => found.push(' '),
                other => found.push(other),
            },
            c => found.push(c),
        }
    }
}

/// The messages of each source file.
fn messages() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&root, &mut all);
    let mut found = BTreeMap::new();
    for file in all {
        let name = file.strip_prefix(&root).expect("below").to_string_lossy().into_owned();
        let is_for_tests = ["testing", "tests"]
            .iter()
            .any(|part| name.split('/').any(|own| own == *part || own.strip_suffix(".rs") == Some(part)));
        if is_for_tests {
            continue;
        }
        let text = fs::read_to_string(&file).expect("text");
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
        let code = code.split("\n#[cfg(all(test").next().unwrap_or_default();
        let mut at: Vec<usize> =
            BEFORE.iter().flat_map(|before| code.match_indices(before).map(|(at, own)| at + own.len())).collect();
        at.sort_unstable();
        at.dedup();
        let own: Vec<String> = at.into_iter().filter_map(|at| literal(&code[at..])).collect();
        let own: Vec<String> = own.into_iter().filter(|text| text.contains(' ')).collect();
        if !own.is_empty() {
            found.insert(name, own);
        }
    }
    found
}

#[test]
fn the_list_of_all_messages_is_what_the_source_says() {
    let mut text = String::new();
    for (file, own) in messages() {
        writeln!(text, "{file}").expect("a string");
        own.iter().for_each(|message| writeln!(text, "  {message}").expect("a string"));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/messages.txt");
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        fs::write(&file, &text).expect("written");
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == text, "{} differs; set UPDATE_TRANSCRIPTS=1 and read the difference", file.display());
}

#[test]
fn the_messages_have_one_voice() {
    // Sentences begin in lower case and have no full stop; nobody is begged, praised or shouted at.
    const WORDS: &[&str] = &[
        "please",
        "sorry",
        "oops",
        "successfully",
        "successful",
        "unfortunately",
        "invalid",
        "illegal",
        "can't",
        "don't",
        "won't",
        "isn't",
        "doesn't",
        "couldn't",
        "e.g.",
        "i.e.",
        "etc.",
        "failed to",
        "unable to",
        "we ",
        "!",
    ];
    const STARTS: &[&str] =
        &["A", "An", "The", "This", "That", "There", "It", "You", "Your", "Run", "Use", "No", "Cannot", "Could", "If"];
    let all = messages();
    assert!(all.values().map(Vec::len).sum::<usize>() > 400, "the search finds little");
    for (file, own) in all {
        for message in own {
            let lower = format!(" {}", message.to_lowercase().replace("#!", "#"));
            for word in WORDS {
                let is_there = lower.contains(&format!(" {word}")) || (*word == "!" && lower.contains('!'));
                assert!(!is_there, "{file}: {word:?} in {message:?}");
            }
            let first = message.split(' ').next().unwrap_or_default();
            assert!(!STARTS.contains(&first), "{file}: {message:?} begins a sentence");
            assert!(!message.ends_with('.') || message.ends_with("..."), "{file}: {message:?} ends with a full stop");
            assert!(!message.trim_start().contains("  "), "{file}: two blanks in {message:?}");
        }
    }
}
