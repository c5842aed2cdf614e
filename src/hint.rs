//! The next step for the user, as a sentence in which a command is a list of words.
//!
//! People paste the commands of a message. Names of files and folders may come from strangers, so the printer quotes
//! each word of a command for the user's shell. Errors make hints, `shell` quotes them, and `output` prints them.

use std::ffi::{OsStr, OsString};

/// A sentence with commands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint(Vec<Piece>);

/// A piece of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text for people.
    Text(String),
    /// The words of a command, which the printer quotes.
    Command(Vec<OsString>),
}

impl Hint {
    /// Makes a sentence of `run` and a command.
    pub fn run<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Self {
        Self::from("run ").command(words)
    }

    /// Appends a command.
    pub fn command<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.0.push(Piece::Command(words.into_iter().map(|word| word.as_ref().to_owned()).collect()));
        self
    }

    /// Appends text.
    pub fn and(mut self, text: impl Into<String>) -> Self {
        self.0.push(Piece::Text(text.into()));
        self
    }

    /// Appends another sentence.
    pub fn then(mut self, hint: Self) -> Self {
        self.0.extend(hint.0);
        self
    }

    /// Returns the pieces in order.
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

/// Makes the words of a command from values of any string types: `words!["ringlet", "allow", path]`.
#[macro_export]
macro_rules! words {
    ($($word:expr),+ $(,)?) => {
        [$(::std::ffi::OsString::from(::std::convert::AsRef::<::std::ffi::OsStr>::as_ref(&$word))),+]
    };
}
