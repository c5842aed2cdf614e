//! The next thing to do, as a sentence in which a command is a list of words.
//!
//! A command in a message is meant to be pasted. Names of files and folders come from strangers, so a word is never
//! written into the sentence as it is: the printer quotes it for the user's shell. Errors make hints, `shell` writes
//! them, `output` prints them.

use std::ffi::{OsStr, OsString};

/// A sentence with commands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint(Vec<Piece>);

/// A piece of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Words for people.
    Text(String),
    /// A command's words, to be quoted.
    Command(Vec<OsString>),
}

impl Hint {
    /// `run` and a command.
    pub fn run<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Self {
        Self::from("run ").command(words)
    }

    /// The sentence with a command behind it.
    pub fn command<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.0.push(Piece::Command(words.into_iter().map(|word| word.as_ref().to_owned()).collect()));
        self
    }

    /// The sentence with more of it.
    pub fn and(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece::Text(text.into()));
        self
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }
}

impl From<&str> for Hint {
    fn from(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }
}

impl From<&String> for Hint {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&Hint> for Hint {
    fn from(hint: &Hint) -> Self {
        hint.clone()
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self(vec![Piece::Text(text)])
    }
}

/// The words of a command, of whatever types: `words!["ringlet", "allow", path]`.
#[macro_export]
macro_rules! words {
    ($($word:expr),+ $(,)?) => {
        [$(::std::ffi::OsString::from(::std::convert::AsRef::<::std::ffi::OsStr>::as_ref(&$word))),+]
    };
}
