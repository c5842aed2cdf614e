//! On Windows an `OsStr` is UTF-16, and only valid text is converted.

use std::ffi::{OsStr, OsString};

/// Returns the bytes of an `OsStr`, or `None` if it is not valid text.
pub(crate) fn bytes_of(word: &OsStr) -> Option<&[u8]> {
    word.to_str().map(str::as_bytes)
}

/// Makes an `OsString` of bytes.
pub(crate) fn os_string_of(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(Into::into)
}
