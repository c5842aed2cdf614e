//! SHA-256 digests, and bytes as hexadecimal digits.
//!
//! A [`Digest`] was computed or read back, never handed in as bytes, so no key can pass for one. The audit log chains
//! its lines with digests, and a program is known by one.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

/// The SHA-256 of something, shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 has 64 lower-case hexadecimal digits")]
pub struct NotADigest;

impl Digest {
    /// No line at all: what the very first line follows.
    pub const NONE: Self = Self([0; 32]);

    /// The digest of a text or a line.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 lower-case hexadecimal digits. Upper case is refused: two spellings of one line would both verify.
    pub(crate) fn from_hex(digits: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        (digits.len() == 64 && read_hex(digits, &mut bytes)).then_some(Self(bytes))
    }

    /// The digest of everything a reader gives, in memory of 64 KiB; fails as the reader fails.
    pub fn of_reader(mut from: impl Read) -> io::Result<Self> {
        let mut hash = Sha256::new();
        let mut block = vec![0; 64 << 10];
        loop {
            match from.read(&mut block) {
                Ok(0) => return Ok(Self(hash.finalize().into())),
                Ok(read) => hash.update(&block[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Returns the lower-case hexadecimal digits of the bytes.
pub(crate) fn hex_digits(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| b"0123456789abcdef"[usize::from(half)])
}

/// Returns the bytes as text in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut digits = vec![0; 2 * bytes.len()];
    write_hex(bytes, &mut digits);
    String::from_utf8(digits).expect("digits are ASCII")
}

/// Reads an even number of lower-case hexadecimal digits.
pub(crate) fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; digits.len() / 2];
    (digits.len().is_multiple_of(2) && read_hex(digits, &mut bytes)).then_some(bytes)
}

// Writes two digits for each byte.
fn write_hex(bytes: &[u8], digits: &mut [u8]) {
    let (fours, rest) = bytes.as_chunks();
    let (eights, others) = digits.as_chunks_mut();
    for (bytes, digits) in fours.iter().zip(eights) {
        *digits = write_eight(*bytes);
    }
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    others.copy_from_slice(&write_eight(last)[..others.len()]);
}

// Reads two digits for each byte; false where one is none.
fn read_hex(digits: &[u8], bytes: &mut [u8]) -> bool {
    let (eights, rest) = digits.as_chunks();
    let (fours, others) = bytes.as_chunks_mut();
    let mut are_digits = true;
    for (digits, bytes) in eights.iter().zip(fours) {
        let (values, are_good) = read_eight(*digits);
        *bytes = values;
        are_digits &= are_good;
    }
    let mut last = [b'0'; 8];
    last[..rest.len()].copy_from_slice(rest);
    let (values, are_good) = read_eight(last);
    others.copy_from_slice(&values[..others.len()]);
    are_digits && are_good
}

// Eight digits are written or read at once, each in its own byte of a number: a record of the audit log has some
// hundreds, and verifying a log reads 64 for each line.
const EACH: u64 = u64::from_ne_bytes([1; 8]);

// The digits of eight values below 16.
fn digits_of(values: u64) -> u64 {
    let are_letters = ((values + 6 * EACH) >> 4) & EACH;
    values + u64::from(b'0') * EACH + u64::from(b'a' - b'0' - 10) * are_letters
}

fn write_eight([a, b, c, d]: [u8; 4]) -> [u8; 8] {
    let pairs = u64::from_be_bytes([0, a, 0, b, 0, c, 0, d]);
    digits_of((pairs << 4 | pairs) & (0x0f * EACH)).to_be_bytes()
}

// Reads eight digits, and reports whether they are digits.
fn read_eight(digits: [u8; 8]) -> ([u8; 4], bool) {
    let digits = u64::from_be_bytes(digits);
    // A letter has a bit that no decimal digit has; `a`, which ends in 1, is 10.
    let values = (digits & (0x0f * EACH)) + 9 * ((digits >> 6) & EACH);
    let are_digits = digits_of(values) == digits && values & (0xf0 * EACH) == 0;
    let [_, a, _, b, _, c, _, d] = (values >> 4 | values).to_be_bytes();
    ([a, b, c, d], are_digits)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        write_hex(&self.0, &mut digits);
        f.write_str(str::from_utf8(&digits).expect("digits are ASCII"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = NotADigest;
    fn from_str(text: &str) -> Result<Self, NotADigest> {
        Self::from_hex(text.as_bytes()).ok_or(NotADigest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The empty message's digest, from FIPS 180-4's examples.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn text_form_reads_back_and_only_in_lower_case() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(Digest::of(b"")));
        assert_eq!(EMPTY.to_uppercase().parse::<Digest>(), Err(NotADigest));
        assert_eq!(EMPTY[1..].parse::<Digest>(), Err(NotADigest));
    }

    #[test]
    fn hexadecimal_reads_back_and_nothing_else_does() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in [256, 255, 254, 253, 32, 3, 2, 1] {
            let digits: String = bytes[..length].iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex(&bytes[..length]), digits);
            assert_eq!(from_hex(digits.as_bytes()).as_deref(), Some(&bytes[..length]));
        }
        assert_eq!((hex(b""), from_hex(b"")), (String::new(), Some(Vec::new())));
        for wrong in ["0", "0g", "AB", "+1", " 1", "123"] {
            assert_eq!(from_hex(wrong.as_bytes()), None, "{wrong}");
        }
        for byte in 0..=255_u8 {
            for at in 0..18 {
                let mut digits = *b"0123456789abcdef00";
                digits[at] = byte;
                let value = char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
                let found = from_hex(&digits).map(|bytes| u32::from(bytes[at / 2] >> (4 * (1 - at % 2)) & 15));
                assert_eq!(found, value, "{byte:#x} at {at}");
            }
        }
    }

    #[test]
    fn a_reader_and_its_bytes_have_the_same_digest() {
        let bytes = vec![7; 200_000];
        assert_eq!(Digest::of_reader(&bytes[..]).expect("memory reads"), Digest::of(&bytes));
    }
}
