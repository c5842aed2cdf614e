//! Bytes that are wiped when dropped.
//!
//! [`Secret`] carries a value through Ringlet, and [`Key`] one that may be given to an agent. Neither can be shown:
//! `Debug` is redacted, and there is no `Display`, `Serialize` or `Clone`. The stores make secrets, and `launch` hands
//! keys to the agent.

use crate::digest::hex_digits;
use crate::platform;
use ctutils::CtEq;
use std::fmt;
use std::io;
use zeroize::Zeroizing;

/// The bytes of a value, kept out of swap where the system allows and wiped on drop.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over. The vector is not copied, so no second copy is left behind.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self::from(Zeroizing::new(bytes))
    }

    /// Makes 256 random bits, as 64 hexadecimal digits, since files and the systems' own tools want text.
    pub fn fresh() -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        getrandom::fill(&mut bytes[..]).map_err(|error| io::Error::other(format!("no random bytes: {error}")))?;
        let mut digits = Vec::with_capacity(64);
        digits.extend(hex_digits(&bytes[..]));
        Ok(Self::new(digits))
    }

    /// Returns the bytes. Every caller is a place to audit.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Reports whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reports whether two values are equal. The time depends on their lengths alone.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).to_bool()
}

/// The largest key in bytes. It is the limit of Windows' Credential Manager, and so the limit everywhere.
pub(crate) const MAX_KEY: usize = 2560;

/// Which bytes a key may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The value of an HTTP header: one line. Every key of a provider that the registry knows has this shape.
    Header,
    /// The same, as a tool or a server has given it. Nobody has looked at it, and a tool that fails may print a
    /// sentence or a word such as `null`: it has a digit, and no blanks, quotes, brackets or other letters than
    /// ASCII's.
    Given,
    /// Text that may have line feeds, such as a certificate. It reaches an agent through `[secrets]` alone.
    Text,
}

/// Why a value is no key. The text never repeats the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There are no bytes.
    #[error("is empty")]
    Empty,
    /// Nothing but blanks and line ends.
    #[error("is blank")]
    Blank,
    /// A line end where one line is wanted.
    #[error("has more than one line")]
    SeveralLines,
    /// A control character, which neither a header nor a text file may hold.
    #[error("holds a control character")]
    Control,
    /// A sentence, a document or a name in place of a key.
    #[error("is no key: it has blanks, quotes, brackets or letters that no key has")]
    Prose,
    /// A word in place of a key.
    #[error("is no key: it has no digit")]
    Word,
    /// More than [`MAX_KEY`] bytes.
    #[error("is longer than {MAX_KEY} bytes")]
    TooLong,
    /// Bytes that are not UTF-8, which neither a variable nor the file store can hold.
    #[error("is not UTF-8 text")]
    NotText,
}

/// A secret that may be given to an agent.
#[derive(Debug)]
pub(crate) struct Key(Secret);

impl Key {
    /// Checks a value that is stored or is about to be. The bytes stay as they are.
    pub(crate) fn new(secret: Secret, shape: Shape) -> Result<Self, KeyError> {
        check_key(secret.expose(), shape)?;
        Ok(Self(secret))
    }

    /// Checks a value that a person or a program has entered. The line end of a single line is not part of the key.
    pub(crate) fn typed(secret: Secret, shape: Shape) -> Result<Self, KeyError> {
        let bytes = secret.expose();
        let line = bytes.strip_suffix(b"\n").map_or(bytes, |rest| rest.strip_suffix(b"\r").unwrap_or(rest));
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() == bytes.len() || line.contains(&b'\n') {
            return Self::new(secret, shape);
        }
        Self::new(Secret::new(line.to_vec()), shape)
    }

    /// Returns the bytes. Every caller is a place to audit.
    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The secret alone.
    #[cfg(target_os = "linux")]
    pub(crate) fn into_secret(self) -> Secret {
        self.0
    }

    /// The secret, for a store.
    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }
}

/// Checks that bytes can be a key of that shape.
pub(crate) fn check_key(bytes: &[u8], shape: Shape) -> Result<(), KeyError> {
    if bytes.is_empty() {
        return Err(KeyError::Empty);
    }
    if bytes.len() > MAX_KEY {
        return Err(KeyError::TooLong);
    }
    if bytes.iter().all(|byte| matches!(byte, b' ' | b'\n')) {
        return Err(KeyError::Blank);
    }
    if shape != Shape::Text && bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Err(KeyError::SeveralLines);
    }
    if bytes.iter().any(|byte| (*byte < b' ' && *byte != b'\n') || *byte == 0x7f) {
        return Err(KeyError::Control);
    }
    if std::str::from_utf8(bytes).is_err() {
        return Err(KeyError::NotText);
    }
    let is_of_keys = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=:@!#$%&*?^|".contains(byte);
    match shape {
        Shape::Given if !bytes.iter().all(is_of_keys) => Err(KeyError::Prose),
        Shape::Given if !bytes.iter().any(u8::is_ascii_digit) => Err(KeyError::Word),
        Shape::Header | Shape::Given | Shape::Text => Ok(()),
    }
}

impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        // A failure is ignored: RLIMIT_MEMLOCK may be zero in a container, and a launch is worth more than a key kept
        // out of swap.
        platform::lock_memory(&bytes);
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_bytes() {
        let secret = Secret::new(b"sk-canary".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
        assert_eq!(secret.expose(), b"sk-canary");
        let key = Key::new(secret, Shape::Header).expect("a key");
        assert_eq!(format!("{key:?}"), "Key(Secret(redacted))");
    }

    #[test]
    fn what_a_tool_prints_in_place_of_a_key_is_none() {
        let given = |text: &str| check_key(text.as_bytes(), Shape::Given);
        for key in ["sk-ant-api03-a_B-1", "sk-1234", "AIza0", "abc.DEF.1", "id1:secret", "a1+/==", "32f0"] {
            assert_eq!(given(key), Ok(()), "{key}");
        }
        for (text, why) in [
            ("null", KeyError::Word),
            ("None", KeyError::Word),
            ("undefined", KeyError::Word),
            ("Error: no login, code 7", KeyError::Prose),
            ("{\"a\":1}", KeyError::Prose),
            ("[1]", KeyError::Prose),
            ("'k1'", KeyError::Prose),
            (" k1", KeyError::Prose),
            ("\u{feff}k1", KeyError::Prose),
            ("k1\nk2", KeyError::SeveralLines),
            ("", KeyError::Empty),
        ] {
            assert_eq!(given(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_key_is_one_line_and_other_secrets_keep_their_line_feeds() {
        let typed = |text: &str, shape| {
            Key::typed(Secret::new(text.as_bytes().to_vec()), shape)
                .map(|key| String::from_utf8(key.expose().to_vec()).expect("text"))
        };
        for (text, header, any) in [
            ("k", Ok("k"), Ok("k")),
            ("k\n", Ok("k"), Ok("k")),
            ("k\r\n", Ok("k"), Ok("k")),
            ("k\r", Ok("k"), Ok("k")),
            (" k ", Ok(" k "), Ok(" k ")),
            ("a\nb\n", Err(KeyError::SeveralLines), Ok("a\nb\n")),
            ("a\n\n", Err(KeyError::SeveralLines), Ok("a\n\n")),
            ("a\r\nb", Err(KeyError::SeveralLines), Err(KeyError::Control)),
            ("", Err(KeyError::Empty), Err(KeyError::Empty)),
            ("\n", Err(KeyError::Empty), Err(KeyError::Empty)),
            ("  \n", Err(KeyError::Blank), Err(KeyError::Blank)),
            ("\n\n\n", Err(KeyError::Blank), Err(KeyError::Blank)),
            ("a\tb", Err(KeyError::Control), Err(KeyError::Control)),
            ("a\0b", Err(KeyError::Control), Err(KeyError::Control)),
            ("a\x7f", Err(KeyError::Control), Err(KeyError::Control)),
            ("caf\u{e9}", Ok("caf\u{e9}"), Ok("caf\u{e9}")),
        ] {
            assert_eq!(typed(text, Shape::Header).as_deref(), header.as_deref(), "{text:?}");
            assert_eq!(typed(text, Shape::Text).as_deref(), any.as_deref(), "{text:?}");
        }
        assert_eq!(check_key(b"\xff", Shape::Text), Err(KeyError::NotText));
        assert_eq!(check_key(&[b'k'; MAX_KEY], Shape::Header), Ok(()));
        assert_eq!(check_key(&[b'k'; MAX_KEY + 1], Shape::Header), Err(KeyError::TooLong));
    }
}
