//! The secret of the journals: values and lines are known by their HMAC under it, and by nothing else; it also locks
//! the few texts that must not be written down.
//!
//! The store keeps it. Called by `journal`, `tokens`, `context`, `apply` and `undo`.

use crate::digest::{from_hex, hex};
use crate::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The length of a tag, in bytes.
const TAG: usize = 16;

/// What lines of files are marked with under the seal.
pub(crate) const LINE: &str = "line";
/// What parts of lines are marked with.
pub(crate) const PART: &str = "part";
/// What keys are marked with.
pub(crate) const VALUE: &str = "value";
/// What text is marked with that is locked, for its own tag and for the pad.
const LOCKED: &str = "locked";
/// See [`LOCKED`].
const PAD: &str = "pad";
/// What the constant is marked with that tells a lost secret from a rotated key.
pub(crate) const CHECK: &str = "check";

/// The secret under which values are known.
pub(crate) struct Seal(Secret);

impl Seal {
    /// A seal with the secret that the store keeps for it.
    pub(crate) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The seal of a run that moves no key, and so needs no store. Its journal marks lines alone, by the run's name.
    pub(crate) fn of_run(run: &str) -> Self {
        Self(Secret::new(run.as_bytes().to_vec()))
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

    /// Locks a text, so that only the secret opens it. The construction is SIV (RFC 5297) with HMAC-SHA256 for its
    /// pseudo-random function: a tag of the text, then the text under a pad that the tag begins. Equal texts give equal
    /// bytes, and no random number is needed.
    pub(crate) fn lock(&self, text: &[u8]) -> Vec<u8> {
        let tag = &self.digest(LOCKED, text)[..TAG];
        [tag, &*self.padded(tag, text)].concat()
    }

    /// Opens what [`Seal::lock`] gave; `None` for anything else.
    pub(crate) fn open(&self, locked: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (tag, text) = locked.split_at_checked(TAG)?;
        let text = self.padded(tag, text);
        (self.digest(LOCKED, &text)[..TAG] == *tag).then_some(text)
    }

    fn padded(&self, tag: &[u8], text: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
        for (number, block) in (0u64..).zip(text.chunks(32)) {
            let pad = Zeroizing::new(self.digest(PAD, &[tag, &number.to_be_bytes()].concat()));
            out.extend(block.iter().zip(pad.iter()).map(|(byte, pad)| byte ^ pad));
        }
        out
    }

    fn mac(&self, what: &str, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("HMAC takes a key of any length");
        mac.update(what.as_bytes());
        mac.update(b"\0");
        mac.update(bytes);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_text_opens_with_its_own_secret_alone() {
        let [seal, other] = [&b"one"[..], b"two"].map(|secret| Seal::new(Secret::new(secret.to_vec())));
        for length in [0, 1, 31, 32, 33, 100] {
            let text: Vec<u8> = (0..length).collect();
            let locked = seal.lock(&text);
            assert_eq!(seal.open(&locked).as_deref(), Some(&text));
            assert!(other.open(&locked).is_none());
            let mut changed = locked.clone();
            *changed.last_mut().expect("a tag at least") ^= 1;
            assert!(seal.open(&changed).is_none() && seal.open(&locked[1..]).is_none());
        }
        assert_ne!(seal.lock(b"a text")[16..], seal.lock(b"b text")[16..]);
    }
}
