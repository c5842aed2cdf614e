//! A SHA-256 that was computed or read back, never handed in as bytes: so no key can pass for one. The audit log chains
//! its lines with it, and a program is told by it.

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
        let digits: &[u8; 64] = digits.try_into().ok()?;
        let mut bytes = [0; 32];
        let mut wrong = 0;
        for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
            let [high, low] = pair.map(|digit| VALUES[usize::from(digit)]);
            wrong |= high | low;
            *byte = high << 4 | low;
        }
        (wrong & NO_DIGIT == 0).then_some(Self(bytes))
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

// No value of a digit has this bit.
const NO_DIGIT: u8 = 0x80;

// The value of each lower-case hexadecimal digit.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    values
};

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let hex: String =
            self.0.iter().flat_map(|&byte| [byte >> 4, byte & 15]).map(|half| DIGITS[half as usize] as char).collect();
        f.write_str(&hex)
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
    fn a_reader_and_its_bytes_have_the_same_digest() {
        let bytes = vec![7; 200_000];
        assert_eq!(Digest::of_reader(&bytes[..]).expect("memory reads"), Digest::of(&bytes));
    }
}
