//! Writes bytes as text: `%` and two hexadecimal digits stand for every byte but letters, digits and `._/-`.

use std::fmt::Write;

/// Encodes bytes.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-') {
            text.push(char::from(*byte));
        } else {
            write!(text, "%{byte:02x}").expect("a string takes everything");
        }
    }
    text
}

/// Decodes a text. Returns `None` for a malformed escape or a NUL byte.
pub(crate) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&b) = rest.next() {
        plain.push(match b {
            b'%' => u8::try_from(16 * digit(rest.next()?)? + digit(rest.next()?)?).ok()?,
            b => b,
        });
    }
    (!plain.contains(&0)).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_down_is_read_back(bytes in prop::collection::vec(1u8.., 0..40)) {
            prop_assert_eq!(decoded(encoded(&bytes).as_bytes()), Some(bytes));
        }
    }

    #[test]
    fn a_malformed_escape_or_a_nul_is_nothing() {
        assert_eq!(decoded(b"/a%20b%2c%3B"), Some(b"/a b,;".to_vec()));
        for bad in [&b"%"[..], b"%4", b"%zz", b"%+1", b"%1+", b"a%00b", b"a\0b", "%\u{e9}".as_bytes()] {
            assert_eq!(decoded(bad), None, "{bad:?}");
        }
    }
}
