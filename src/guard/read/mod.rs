//! Parsers of project files. They read a file as the agents that load it would.
//!
//! The guard calls [`read`] and judges the entries. A parser opens no file and judges nothing. A construct that two
//! parsers of one format could read differently is an error ([`DocumentError::Ambiguous`]).

mod document;
mod dotenv;
mod json;
mod lookup;
mod prompt;
mod toml;
mod yaml;

pub use document::{DocumentError, Grammar, Value};
pub(crate) use document::{MAX_DEPTH, MAX_ENTRIES, MAX_FILE};
pub(crate) use lookup::{dotenv_names, json_entries};

/// Parses a file of at most 1 MiB, 64 levels and 16384 entries.
///
/// Invalid UTF-8 is replaced, and a byte order mark at the start is dropped. A file without content is an empty table.
pub fn read(grammar: Grammar, bytes: &[u8]) -> Result<Value, DocumentError> {
    if bytes.len() > MAX_FILE {
        return Err(DocumentError::TooLarge);
    }
    let marked = String::from_utf8_lossy(bytes);
    // An invalid byte becomes a replacement character of three bytes.
    if marked.len() > 2 * MAX_FILE {
        return Err(DocumentError::TooLarge);
    }
    let text = marked.strip_prefix('\u{feff}').unwrap_or(&marked);
    match grammar {
        Grammar::Json => json::read(text),
        Grammar::Toml => toml::read(text),
        Grammar::Yaml => yaml::read(text, yaml::Parsers::PyYaml),
        // Some versions of python-dotenv read the byte order mark as a part of the first name.
        Grammar::Dotenv => dotenv::read(&marked),
        Grammar::Prompt => prompt::read(text),
        Grammar::PromptToml => prompt::read_toml(text),
    }
}
