//! A text of a definition that is checked after the file was read, with its place for errors.

use serde::Deserialize;
use std::ops::{Deref, Range};
use toml::Spanned;

/// A text of a definition, and where it stands in its file.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "Spanned<String>")]
pub(crate) struct Located {
    text: String,
    // As two numbers, which have an order.
    start: usize,
    end: usize,
}

impl Located {
    /// A text that stands in no file.
    pub(super) fn built_in(text: &str) -> Self {
        Self { text: text.to_owned(), start: 0, end: 0 }
    }

    /// The bytes of the file that hold it; `0..0` for a built-in one.
    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.end
    }

    /// The text alone.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl Deref for Located {
    type Target = str;
    fn deref(&self) -> &str {
        &self.text
    }
}

impl From<Spanned<String>> for Located {
    fn from(text: Spanned<String>) -> Self {
        let Range { start, end } = text.span();
        Self { text: text.into_inner(), start, end }
    }
}
