//! Files whose text a program reads, and a shell its output: `$(cat x)`, `cat x | source`.

use super::{DEEPEST, Read, Walk};
use crate::migrate::dialect::Dialect;
use crate::migrate::files::is_systems;
use crate::migrate::files::values::Place;
use crate::migrate::files::words::{self, Command, Piece, Tongue, Word};
use std::fs;

impl Walk<'_> {
    // Notes what is read as text by a command, and by those in it.
    pub(super) fn as_text(&mut self, command: &Command<'_>, place: &Place) {
        for input in &command.inputs {
            let paths = self.values.expand(input, place);
            paths.iter().for_each(|path| self.noted_text(path, place));
        }
        for word in &command.words {
            self.code_in(word, place, 0);
        }
        let name = command.words.first().and_then(Word::literal).unwrap_or_default();
        if (command.piped && is_reader(&name)) || has_reader(&command.words, place.tongue) {
            self.arguments_as_text(&command.words, place);
        }
    }

    pub(super) fn code_in(&mut self, word: &Word<'_>, place: &Place, depth: usize) {
        for piece in &word.pieces {
            let text = match piece {
                Piece::Code(text, _) => *text,
                // `${KEY:-$(cat x)}`
                Piece::Variable(text, _) if memchr::memchr(b'(', text).is_some() && depth < DEEPEST => {
                    self.code_in(&words::word(text, place.tongue), place, depth + 1);
                    continue;
                }
                _ => continue,
            };
            if depth >= DEEPEST {
                self.cut(None);
                continue;
            }
            for command in &words::commands(text, place.tongue) {
                if !self.may_go_on() {
                    return;
                }
                for input in &command.inputs {
                    let paths = self.values.expand(input, place);
                    paths.iter().for_each(|path| self.noted_text(path, place));
                }
                command.words.iter().for_each(|word| self.code_in(word, place, depth + 1));
                let name = command.words.first().and_then(Word::literal).unwrap_or_default();
                if matches!(place.tongue, Tongue::PowerShell | Tongue::Nushell) {
                    if has_reader(&command.words, place.tongue) {
                        self.arguments_as_text(&command.words, place);
                    }
                } else if !WITHOUT_READING.contains(&&*name) {
                    self.arguments_as_text(&command.words, place);
                }
            }
        }
    }

    pub(super) fn arguments_as_text(&mut self, words: &[Word<'_>], place: &Place) {
        for word in words.iter().skip(1) {
            let paths = self.values.expand(word, place);
            paths.iter().for_each(|path| self.noted_text(path, place));
        }
    }

    // The files of functions that zsh and ksh load when they are called first: each is a body, and no file of commands.
    pub(super) fn autoloaded(&mut self, words: &[Word<'_>], place: &Place) {
        let folders: Vec<String> = ["fpath", "FPATH"]
            .iter()
            .flat_map(|name| self.values.given(name))
            .flat_map(|folders| folders.split(':'))
            .filter(|folder| folder.starts_with('/'))
            .map(str::to_owned)
            .collect();
        for name in words.iter().flat_map(|word| self.values.expand(word, place)).collect::<Vec<_>>() {
            if name.starts_with(['-', '+']) {
                continue;
            }
            if !self.values.budget.take(folders.len() + 1) {
                return;
            }
            match name.contains('/') {
                true => self.noted_text(&name, place),
                false => folders.iter().for_each(|folder| self.noted_text(&format!("{folder}/{name}"), place)),
            }
        }
    }

    pub(super) fn noted_text(&mut self, path: &str, place: &Place) {
        for path in self.absolute(path, place) {
            if !is_systems(&path, self.known.home) && fs::metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
                self.note(&path, Dialect::Text, Read::AsText);
            }
        }
    }
}

// Programs whose words are paths that they do not read.
const WITHOUT_READING: &[&str] = &[
    "dirname",
    "basename",
    "realpath",
    "readlink",
    "greadlink",
    "grealpath",
    "cd",
    "pushd",
    "pwd",
    "ls",
    "find",
    "stat",
    "test",
    "[",
    "[[",
    "echo",
    "print",
    "printf",
    "command",
    "type",
    "which",
    "whence",
    "path",
    "status",
    "touch",
    "mkdir",
    "rm",
    "mv",
    "ln",
    "date",
    "git",
    "set",
    "string",
    "file",
    "du",
    "wc",
    "tty",
    "hostname",
    "uname",
    "id",
    "",
];

fn is_reader(name: &str) -> bool {
    let readers = [
        "cat", "grep", "egrep", "fgrep", "rg", "sed", "awk", "gawk", "head", "tail", "cut", "tr", "sort", "jq", "yq",
        "bat", "tac", "xargs", "perl", "envsubst", "base64", "gpg", "sops", "age", "openssl", "paste", "tee",
    ];
    readers.contains(&name)
}

fn has_reader(words: &[Word<'_>], tongue: Tongue) -> bool {
    let readers: &[&str] = match tongue {
        Tongue::PowerShell => &[
            "get-content",
            "gc",
            "cat",
            "type",
            "import-csv",
            "import-clixml",
            "select-string",
            "import-powershelldatafile",
        ],
        Tongue::Nushell => &["open"],
        _ => return false,
    };
    words.iter().filter_map(Word::literal).any(|word| readers.contains(&&*word.to_ascii_lowercase()))
}
