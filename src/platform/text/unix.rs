//! On Unix an `OsStr` is any bytes but NUL.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Returns the bytes of an `OsStr`.
pub(crate) fn bytes_of(word: &OsStr) -> Option<&[u8]> {
    Some(word.as_bytes())
}

/// Makes an `OsString` of bytes.
pub(crate) fn os_string_of(bytes: Vec<u8>) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(bytes))
}
