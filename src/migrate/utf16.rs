//! Text of two bytes a character (UTF-16), as Windows' tools write it: `'A=b' > .env` in its PowerShell.
//!
//! A file that begins with the byte order mark and is such text to its end is read and edited as the same text in
//! UTF-8, and written in its own encoding again. Any other is only looked through. Called by `plan`, `apply` and
//! `undo`, which read and write files, and by `dialect` and `examine`.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// How a file's text is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Encoding {
    /// As it is read: a byte, or a few, a character.
    #[default]
    Bytes,
    /// UTF-16, the lower byte first.
    Utf16Le,
    /// UTF-16, the higher byte first.
    Utf16Be,
}

impl Encoding {
    /// Tells a file's encoding, and gives its text where it is not the bytes themselves.
    pub(crate) fn decode(bytes: &[u8]) -> (Self, Option<Zeroizing<Vec<u8>>>) {
        let (encoding, unit): (Self, fn([u8; 2]) -> u16) = match bytes {
            [0xff, 0xfe, ..] => (Self::Utf16Le, u16::from_le_bytes),
            [0xfe, 0xff, ..] => (Self::Utf16Be, u16::from_be_bytes),
            _ => return (Self::Bytes, None),
        };
        let units = bytes.chunks_exact(2);
        if !units.remainder().is_empty() {
            return (Self::Bytes, None);
        }
        // Allocated once: no character takes more bytes than one and a half times its own.
        let mut text = Zeroizing::new(Vec::with_capacity(bytes.len() / 2 * 3));
        for sign in char::decode_utf16(units.map(|pair| unit([pair[0], pair[1]]))) {
            let Ok(sign) = sign else { return (Self::Bytes, None) };
            text.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
        }
        (encoding, Some(text))
    }

    /// Writes a text in this encoding; nothing where it is no text.
    pub(crate) fn encode(self, text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let unit = match self {
            Self::Bytes => return Some(Zeroizing::new(text.to_vec())),
            Self::Utf16Le => u16::to_le_bytes,
            Self::Utf16Be => u16::to_be_bytes,
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() * 2));
        for pair in std::str::from_utf8(text).ok()?.encode_utf16().map(unit) {
            bytes.extend_from_slice(&pair);
        }
        Some(bytes)
    }

    /// Reports whether the text is the file's bytes.
    pub(crate) fn is_bytes(&self) -> bool {
        *self == Self::Bytes
    }
}

/// So much of a file without a mark tells whether it is one.
const TELLING: usize = 512;

/// The text with one byte for each two, so that offsets double; nothing where the bytes are no such text. Typographic
/// quotes, which PowerShell takes for plain ones, become those; what else is not ASCII becomes a control character.
pub(super) fn narrowed(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let unit = if is_little(bytes)? { u16::from_le_bytes } else { u16::from_be_bytes };
    let narrow = |unit: u16| match unit {
        0xfeff => b' ',
        0x2018..=0x201b => b'\'',
        0x201c..=0x201e => b'"',
        _ => u8::try_from(unit).ok().filter(|byte| byte.is_ascii() && *byte != 0).unwrap_or(0x1a),
    };
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len() / 2));
    text.extend(bytes.chunks_exact(2).map(|pair| narrow(unit([pair[0], pair[1]]))));
    Some(text)
}

// By its mark, or because every other byte is a zero.
fn is_little(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0xff, 0xfe, ..] => return Some(true),
        [0xfe, 0xff, ..] => return Some(false),
        _ => {}
    }
    let begin = &bytes[..bytes.len().min(TELLING)];
    let zeros = |from: usize| begin.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    match (zeros(0), zeros(1)) {
        (0, odd) if odd > 1 && odd * 8 > begin.len() * 3 => Some(true),
        (even, 0) if even > 1 && even * 8 > begin.len() * 3 => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn text_of_two_bytes_a_character_is_read_in_either_order_with_a_mark_and_without() {
        for unit in [u16::to_le_bytes, u16::to_be_bytes] {
            for (text, want) in
                [("\u{feff}A=\u{201c}b\u{201d}\r\n", " A=\"b\"\r\n"), ("A='b' \u{e9}\n", "A='b' \u{1a}\n")]
            {
                let narrow = narrowed(&wide(text, unit)).expect("UTF-16");
                assert_eq!(String::from_utf8_lossy(&narrow), want);
            }
        }
    }

    #[test]
    fn text_with_a_mark_is_written_again_as_it_was_and_anything_else_is_left_alone() {
        let text = "\u{feff}# \u{e9} \u{2713} \u{1f511}\r\n$a = \u{201c}b\u{201d}\n";
        for (unit, encoding) in
            [(u16::to_le_bytes as fn(u16) -> [u8; 2], Encoding::Utf16Le), (u16::to_be_bytes, Encoding::Utf16Be)]
        {
            let bytes = wide(text, unit);
            let (found, decoded) = Encoding::decode(&bytes);
            assert_eq!((found, decoded.as_deref().map(Vec::as_slice)), (encoding, Some(text.as_bytes())));
            assert_eq!(encoding.encode(text.as_bytes()).as_deref(), Some(&bytes));
            assert_eq!(encoding.encode(b"\xff"), None);
            let lone = [&bytes[..], &unit(0xd83d)].concat();
            for broken in [&bytes[2..], &bytes[..bytes.len() - 1], &lone, &lone[..lone.len() - 1], b"", b"A=b"] {
                assert_eq!(Encoding::decode(broken), (Encoding::Bytes, None));
            }
        }
        assert_eq!(Encoding::Bytes.encode(b"\xff").as_deref(), Some(&b"\xff".to_vec()));
    }

    #[test]
    fn other_bytes_are_no_such_text() {
        for bytes in [
            &b""[..],
            b"A=b\n",
            b"A=b\0",
            b"\0",
            b"\0\0\0\0\0\0\0\0",
            b"\x07\x06\x05\x04\0\0abcd\0\0",
            b"A\0B=c d e f g",
        ] {
            assert_eq!(narrowed(bytes), None, "{bytes:?}");
        }
    }
}
