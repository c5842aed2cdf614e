//! Bytes that are wiped when dropped.
//!
//! The one type that carries a key through Ringlet. It refuses to be shown: `Debug` is redacted, and there is no
//! `Display`, `Serialize` or `Clone`. The stores make secrets, `launch` hands them to the agent, and nobody else
//! looks inside.

use crate::platform;
use std::fmt;
use std::io;
use zeroize::Zeroizing;

/// A key's bytes, kept out of swap where the system allows and wiped on drop.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over; the vector is not copied, so no second copy is left behind.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self::from(Zeroizing::new(bytes))
    }

    /// 256 random bits from the system, as 64 hexadecimal digits: files and other systems' own tools want text.
    pub fn fresh() -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        getrandom::fill(&mut bytes[..]).map_err(|error| io::Error::other(format!("no random bytes: {error}")))?;
        let mut digits = Vec::with_capacity(64);
        for byte in bytes.iter() {
            digits.extend([byte >> 4, byte & 15].map(|half| b"0123456789abcdef"[usize::from(half)]));
        }
        Ok(Self::new(digits))
    }

    /// The bytes themselves; every caller is a place to audit.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether two values are equal; takes the same time wherever they differ.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b))) == 0
}

impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        // Best effort: RLIMIT_MEMLOCK may be zero in a container, and a key in swap is not worth a failed launch.
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
    }
}
