//! Takes project files apart as the agents that load them would.
//!
//! The guard calls [`read`] and judges the entries. A reader opens no file and judges nothing. What two parsers of the
//! same format could understand differently is [`Unread`] rather than one of the two readings.

mod document;
mod dotenv;
mod json;
mod prompt;
mod toml;
mod yaml;

pub(crate) use document::MAX_FILE;
pub(crate) use document::{MAX_DEPTH, MAX_ENTRIES};
pub use document::{Reader, Unread, Value};

/// Takes a file apart, within 1 MiB, 64 levels and 16384 entries.
///
/// Bytes that are not UTF-8 are replaced, and a byte order mark at the start is dropped. A file without any content is an
/// empty table.
pub fn read(reader: Reader, bytes: &[u8]) -> Result<Value, Unread> {
    if bytes.len() > MAX_FILE {
        return Err(Unread::TooLarge);
    }
    let marked = String::from_utf8_lossy(bytes);
    // Each byte that is not UTF-8 becomes three.
    if marked.len() > 2 * MAX_FILE {
        return Err(Unread::TooLarge);
    }
    let text = marked.strip_prefix('\u{feff}').unwrap_or(&marked);
    match reader {
        Reader::Json => json::read(text),
        Reader::Toml => toml::read(text),
        Reader::Yaml => yaml::read(text, yaml::Readers::PyYaml),
        // Some versions of python-dotenv take the mark for a part of the first name.
        Reader::Dotenv => dotenv::read(&marked),
        Reader::Prompt => prompt::read(text),
        Reader::PromptToml => prompt::read_toml(text),
    }
}
