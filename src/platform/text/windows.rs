//! Words are UTF-16; only those that are text are taken.

use std::ffi::{OsStr, OsString};

/// The bytes of a word of the system's; none where it is not text.
pub(crate) fn bytes_of(word: &OsStr) -> Option<&[u8]> {
    word.to_str().map(str::as_bytes)
}

/// A word of the system's from its bytes.
pub(crate) fn os_string_of(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(Into::into)
}
