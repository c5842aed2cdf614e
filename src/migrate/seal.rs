//! The secret of the journals: values and lines are known by their HMAC under it, and by nothing else.
//!
//! The store keeps it. Called by `journal`, `context`, `apply` and `undo`.

use crate::digest::{from_hex, hex};
use crate::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What lines of files are marked with under the seal.
pub(crate) const LINE: &str = "line";
/// What parts of lines are marked with.
pub(crate) const PART: &str = "part";
/// What keys are marked with.
pub(crate) const VALUE: &str = "value";
/// What the constant is marked with that tells a lost secret from a rotated key.
pub(crate) const CHECK: &str = "check";

/// The secret under which values are known.
pub(crate) struct Seal(Secret);

impl Seal {
    /// A seal with the secret that the store keeps for it.
    pub(crate) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// HMAC-SHA256, in hexadecimal.
    pub(crate) fn of(&self, what: &str, bytes: &[u8]) -> String {
        hex(&self.digest(what, bytes))
    }

    /// HMAC-SHA256.
    pub(crate) fn digest(&self, what: &str, bytes: &[u8]) -> [u8; 32] {
        self.mac(what, bytes).finalize().into_bytes().into()
    }

    /// Whether the bytes have this HMAC; takes the same time either way.
    pub(crate) fn matches(&self, what: &str, bytes: &[u8], digits: &str) -> bool {
        from_hex(digits.as_bytes()).is_some_and(|expected| self.mac(what, bytes).verify_slice(&expected).is_ok())
    }

    fn mac(&self, what: &str, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("HMAC takes a key of any length");
        mac.update(what.as_bytes());
        mac.update(b"\0");
        mac.update(bytes);
        mac
    }
}
