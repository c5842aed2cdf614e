//! Any bytes but NUL are a word.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The bytes of a word of the system's.
pub(crate) fn bytes_of(word: &OsStr) -> Option<&[u8]> {
    Some(word.as_bytes())
}

/// A word of the system's from its bytes.
pub(crate) fn os_string_of(bytes: Vec<u8>) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(bytes))
}
