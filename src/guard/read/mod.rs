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
pub use document::{Reader, Unread, Value, read};
