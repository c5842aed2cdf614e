//! The parsed value of a project file, the limits of every parser, and the errors.

use std::fmt;

/// The largest file that is read, in bytes.
pub(crate) const MAX_FILE: usize = 1 << 20;
/// The deepest nesting of lists and tables.
pub(crate) const MAX_DEPTH: usize = 64;
/// The most values that a file may hold, counted at every level.
pub(crate) const MAX_ENTRIES: usize = 16_384;

/// The parsed content of a project file. A name that occurs twice in a table is kept twice.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, as the file spells it.
    Number(String),
    /// A text without its quotes and escapes.
    Text(String),
    /// Values without names.
    List(Vec<Value>),
    /// Values with names, in the order of the file.
    Table(Vec<(String, Value)>),
}

/// The grammar of a project file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// JSON with comments and trailing commas (RFC 8259, <https://jsonc.org>).
    Json,
    /// TOML (<https://toml.io/en/v1.1.0>).
    Toml,
    /// YAML 1.1 as PyYAML's safe loader reads it (<https://yaml.org/spec/1.1/>).
    Yaml,
    /// Every assignment that Node's `dotenv` or python-dotenv reads.
    Dotenv,
    /// Markdown with a YAML front matter; each embedded shell command is an entry named `!`.
    Prompt,
    /// A prompt in TOML; each embedded shell command is an entry named `!`.
    PromptToml,
}

/// The cause why a file was not read. Its text continues a sentence that begins with the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The file has more than [`MAX_FILE`] bytes.
    #[error("is larger than {} KiB", MAX_FILE >> 10)]
    TooLarge,
    /// The file nests deeper than [`MAX_DEPTH`].
    #[error("nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// The file holds more than [`MAX_ENTRIES`] values, its aliases expanded.
    #[error("holds more than {MAX_ENTRIES} entries")]
    TooManyEntries,
    /// The file's aliases would expand to more text than a file may have.
    #[error("expands to more than {} KiB", MAX_FILE >> 10)]
    Expands,
    /// The file is not valid in its format.
    #[error("does not parse as {format}: {reason} (line {line})")]
    Syntax {
        /// The format's name.
        format: &'static str,
        /// The parser's reason, shortened.
        reason: String,
        /// The line, from 1.
        line: usize,
    },
    /// The file holds a construct that parsers of its format read differently.
    #[error("holds {what} (line {line})")]
    Ambiguous {
        /// The construct, and why it is refused.
        what: &'static str,
        /// The line, from 1.
        line: usize,
    },
}

impl DocumentError {
    /// Builds a syntax error. The reason is cleaned, because a parser may repeat the file's characters in it.
    pub(super) fn syntax(format: &'static str, reason: impl fmt::Display, line: usize) -> Self {
        let clean = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        let reason = reason.to_string().chars().take(80).map(clean).collect();
        Self::Syntax { format, reason, line }
    }

    pub(super) fn ambiguous(what: &'static str, text: &str, at: usize) -> Self {
        Self::Ambiguous { what, line: line_of(text, at) }
    }

    /// Moves the line down, for a text that starts this many lines below the start of the file.
    pub(super) fn below(mut self, lines: usize) -> Self {
        if let Self::Syntax { line, .. } | Self::Ambiguous { line, .. } = &mut self {
            *line += lines;
        }
        self
    }
}

/// Returns the line of a byte, counted from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::guard::read::read;
    use proptest::prelude::*;

    pub(crate) fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    pub(crate) fn number(text: &str) -> Value {
        Value::Number(text.to_owned())
    }

    pub(crate) fn table<const N: usize>(entries: [(&str, Value); N]) -> Value {
        Value::Table(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Returns the deepest level and the number of values.
    pub(crate) fn extent(value: &Value) -> (usize, usize) {
        let inner: Vec<_> = match value {
            Value::List(list) => list.iter().map(extent).collect(),
            Value::Table(entries) => entries.iter().map(|(_, value)| extent(value)).collect(),
            _ => return (0, 0),
        };
        let depth = inner.iter().map(|(depth, _)| *depth).max().unwrap_or(0);
        (depth + 1, inner.iter().map(|(_, count)| count + 1).sum())
    }

    const ALL: [Grammar; 6] =
        [Grammar::Json, Grammar::Toml, Grammar::Yaml, Grammar::Dotenv, Grammar::Prompt, Grammar::PromptToml];

    #[test]
    fn file_without_content_is_an_empty_table() {
        for reader in ALL {
            for empty in ["", "\u{feff}", " \n\n \r\n"] {
                assert_eq!(read(reader, empty.as_bytes()), Ok(Value::Table(vec![])), "{reader:?} {empty:?}");
            }
        }
        for reader in [Grammar::Toml, Grammar::Yaml, Grammar::Dotenv, Grammar::PromptToml] {
            assert_eq!(read(reader, b"# note\n\n# note"), Ok(Value::Table(vec![])), "{reader:?}");
        }
        assert_eq!(read(Grammar::Json, b"// note\n/* note */"), Ok(Value::Table(vec![])));
    }

    #[test]
    fn file_above_the_limit_is_not_read() {
        for reader in ALL {
            assert_eq!(read(reader, &vec![b' '; MAX_FILE + 1]), Err(DocumentError::TooLarge));
            assert_eq!(
                read(reader, &vec![b'\n'; MAX_FILE]).is_ok(),
                !matches!(reader, Grammar::Toml | Grammar::PromptToml)
            );
        }
    }

    #[test]
    fn byte_that_is_not_utf8_is_replaced() {
        let replaced = Ok(table([("A", text("caf\u{fffd}"))]));
        assert_eq!(read(Grammar::Dotenv, b"A=caf\xe9"), replaced);
        assert_eq!(read(Grammar::Json, b"{\"A\":\"caf\xe9\"}"), replaced);
        assert_eq!(read(Grammar::Toml, b"A='caf\xe9'"), replaced);
        assert_eq!(read(Grammar::Yaml, b"A: caf\xe9"), replaced);
    }

    #[test]
    fn reason_repeats_no_control_character_and_is_short() {
        let long = format!("{}\u{1b}[31m\u{202e}", "x".repeat(500));
        let shown = DocumentError::syntax("YAML", format!("{long}{long}"), 3).to_string();
        assert!(shown.len() < 120 && shown.is_ascii() && !shown.contains('\u{1b}'), "{shown}");
        assert!(DocumentError::syntax("YAML", "\u{1b}\u{202e}", 3).to_string().ends_with("YAML: ?? (line 3)"));
    }

    proptest! {
        #[test]
        fn any_bytes_stay_within_the_bounds(bytes in prop::collection::vec(any::<u8>(), 0..200), which in 0..6_usize) {
            if let Ok(value) = read(ALL[which], &bytes) {
                let (depth, entries) = extent(&value);
                prop_assert!(depth <= MAX_DEPTH && entries <= MAX_ENTRIES);
            }
        }

        #[test]
        fn any_structure_stays_within_the_bounds(
            text in "[-\\[\\]{}:,\"'#&*?!|>=.\n\r\t ab\\\\\u{2028}<]{0,60}",
            which in 0..6_usize,
        ) {
            if let Ok(value) = read(ALL[which], text.as_bytes()) {
                let (depth, entries) = extent(&value);
                prop_assert!(depth <= MAX_DEPTH && entries <= MAX_ENTRIES);
            }
        }
    }
}
