//! Encryption of values that are stored: the Secret Service's `dh-ietf1024-sha256-aes128-cbc-pkcs7` ("Transfer of
//! Secrets" in its specification). It keeps a key out of recordings of the bus. It does not protect against a false
//! service.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U256, U1024};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::io;
use zeroize::{Zeroize, Zeroizing};

/// Its name in `OpenSession`.
pub(super) const ALGORITHM: &str = "dh-ietf1024-sha256-aes128-cbc-pkcs7";

/// The second group of RFC 2409, 6.2. Its generator is 2.
const PRIME: Odd<U1024> = Odd::<U1024>::from_be_hex(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74\
     020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437\
     4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed\
     ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff",
);

const BLOCK: usize = 16;

/// One side's half of an exchange.
pub(super) struct Exchange {
    params: FixedMontyParams<{ U1024::LIMBS }>,
    // It has 256 bits, more than the security of the group.
    secret: U256,
}

impl Exchange {
    pub(super) fn new() -> io::Result<Self> {
        let mut random = Zeroizing::new([0u8; 32]);
        getrandom::fill(&mut *random).map_err(io::Error::other)?;
        Ok(Self { params: FixedMontyParams::new(PRIME), secret: U256::from_be_slice(&*random) })
    }

    /// The public half, which the other side receives.
    pub(super) fn public(&self) -> Vec<u8> {
        bytes(&self.power(&U1024::from(2u8))).to_vec()
    }

    /// Derives the key of both sides from the other's public half. Returns nothing for a half that would make the key
    /// known.
    pub(super) fn key(&self, theirs: &[u8]) -> Option<Sealing> {
        const LONGEST: usize = U1024::BYTES;
        let from = theirs.iter().position(|byte| *byte != 0)?;
        let digits = &theirs[from..];
        let mut padded = [0u8; LONGEST];
        padded.get_mut(LONGEST.checked_sub(digits.len())?..)?.copy_from_slice(digits);
        let theirs = U1024::from_be_slice(&padded);
        let last = PRIME.get().wrapping_sub(&U1024::ONE);
        if theirs <= U1024::ONE || theirs >= last {
            return None;
        }
        let shared = bytes(&self.power(&theirs));
        // HKDF of RFC 5869 without salt and info, of which less than one block is needed.
        let extracted = mac(&[0; 32], &*shared);
        let expanded = mac(&*extracted, &[1]);
        let mut key = Zeroizing::new([0u8; BLOCK]);
        key.copy_from_slice(&expanded[..BLOCK]);
        Some(Sealing(key))
    }

    fn power(&self, base: &U1024) -> U1024 {
        FixedMontyForm::new(base, &self.params).pow(&self.secret).retrieve()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

fn bytes(number: &U1024) -> Zeroizing<[u8; U1024::BYTES]> {
    let mut made = Zeroizing::new([0u8; U1024::BYTES]);
    made.copy_from_slice(number.to_be_bytes().as_ref());
    made
}

fn mac(key: &[u8], text: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("it takes keys of any length");
    mac.update(text);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// A key that seals values.
pub(super) struct Sealing(Zeroizing<[u8; BLOCK]>);

impl Sealing {
    /// Encrypts a value by AES-128 in CBC mode with PKCS #7 padding. Returns the initialization vector and the result.
    pub(super) fn seal(&self, value: &[u8]) -> io::Result<([u8; BLOCK], Vec<u8>)> {
        let mut vector = [0u8; BLOCK];
        getrandom::fill(&mut vector).map_err(io::Error::other)?;
        let cipher = Aes128::new(&Array::from(*self.0));
        let mut sealed = Vec::with_capacity(value.len() + BLOCK);
        let mut before = vector;
        let (whole, rest) = value.as_chunks::<BLOCK>();
        // The padding fills the last block, or is a block of its own. Each of its bytes is their number.
        let missing = BLOCK - rest.len();
        let mut last = Zeroizing::new([missing as u8; BLOCK]);
        last[..rest.len()].copy_from_slice(rest);
        for plain in whole.iter().chain([&*last]) {
            let mut block = Zeroizing::new([0u8; BLOCK]);
            block.iter_mut().zip(plain).zip(before).for_each(|((byte, plain), before)| *byte = plain ^ before);
            let mut sealing = Array::from(*block);
            cipher.encrypt_block(&mut sealing);
            before = sealing.into();
            sealed.extend_from_slice(&before);
        }
        Ok((vector, sealed))
    }

    #[cfg(test)]
    pub(super) fn open(&self, vector: &[u8], sealed: &[u8]) -> Vec<u8> {
        use aes::cipher::BlockCipherDecrypt;
        let cipher = Aes128::new(&Array::from(*self.0));
        let mut before: [u8; BLOCK] = vector.try_into().expect("a vector");
        let mut value = Vec::new();
        for block in sealed.as_chunks::<BLOCK>().0 {
            let mut opened = Array::from(*block);
            cipher.decrypt_block(&mut opened);
            value.extend(opened.iter().zip(before).map(|(byte, before)| byte ^ before));
            before = *block;
        }
        value.truncate(value.len() - usize::from(*value.last().expect("a block")));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_the_same_key_and_each_value_comes_back() {
        let (ours, theirs) = (Exchange::new().expect("random"), Exchange::new().expect("random"));
        let one = ours.key(&theirs.public()).expect("a half");
        // A service leaves leading zeroes out, or adds some.
        let longer = [&[0, 0][..], &ours.public()].concat();
        let other = theirs.key(&longer).expect("a half");
        for length in [0, 1, 15, 16, 17, 31, 32, 200] {
            let value: Vec<u8> = (0..length).map(|n| n as u8 ^ 0x5a).collect();
            let (vector, sealed) = one.seal(&value).expect("random");
            assert_eq!(sealed.len(), (length / BLOCK + 1) * BLOCK);
            assert_eq!(other.open(&vector, &sealed), value);
            assert_ne!(one.seal(&value).expect("random"), (vector, sealed), "a vector of its own each time");
        }
    }

    #[test]
    fn a_half_that_gives_the_key_away_is_refused() {
        let ours = Exchange::new().expect("random");
        let prime = bytes(PRIME.as_ref());
        let mut last = *prime;
        last[U1024::BYTES - 1] -= 1;
        for wrong in [&[][..], &[0], &[1], &[0, 0, 1], &last, &*prime, &[0xff; 128], &[2; 129]] {
            assert!(ours.key(wrong).is_none(), "{wrong:?}");
        }
        assert!(ours.key(&[2]).is_some());
    }
}
