//! Text of two bytes a character (UTF-16), as Windows' tools write it: `'A=b' > .env` in its PowerShell.
//!
//! Such a file is only looked through, never edited. Called by `dialect` and `examine`.

use zeroize::Zeroizing;

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
