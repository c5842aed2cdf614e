//! Age files in memory: encrypted to one X25519 identity, and opened by it (age-encryption.org/v1).
//!
//! The errors are texts of our own that continue a sentence with the file's name. Nothing that was in a file is in one
//! of them.

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519::Identity;
use age::{DecryptError, Decryptor, Encryptor};
use std::io::{self, Read, Write};
use zeroize::{Zeroize, Zeroizing};

/// What an ASCII-armored file begins with.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// Encrypts a text to an identity.
pub(super) fn encrypt(text: &[u8], identity: &Identity) -> io::Result<Vec<u8>> {
    let recipient = identity.to_public();
    let encryptor = Encryptor::with_recipients(std::iter::once(&recipient as _))
        .map_err(|error| io::Error::other(why_not(&error)))?;
    sealed(encryptor, text)
}

/// Encrypts a text by a passphrase. The work takes 2 to the power of `work` steps.
pub(super) fn encrypt_by(text: &[u8], passphrase: &str, work: u8) -> io::Result<Vec<u8>> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase));
    recipient.set_work_factor(work);
    let encryptor = Encryptor::with_recipients(std::iter::once(&recipient as _))
        .map_err(|error| io::Error::other(why_not(&error)))?;
    sealed(encryptor, text)
}

fn why_not(error: &age::EncryptError) -> &'static str {
    match error {
        age::EncryptError::Io(_) => "it cannot be written",
        _ => "it cannot be encrypted",
    }
}

fn sealed(encryptor: Encryptor, text: &[u8]) -> io::Result<Vec<u8>> {
    let mut made = Vec::with_capacity(text.len() + 1024);
    let mut writer = encryptor.wrap_output(&mut made)?;
    writer.write_all(text)?;
    writer.finish()?;
    Ok(made)
}

/// Why an age file was not opened. Each text continues a sentence that begins with its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotOpened {
    #[error("is armored; ringlet reads the binary form, which `age -d | age -e` without `-a` makes")]
    Armored,
    #[error("is no age file, or is cut off")]
    NoAgeFile,
    #[error("is encrypted for another identity")]
    OtherRecipient,
    #[error("was not opened by this passphrase")]
    WrongPassphrase,
    #[error("asks for more work than ringlet does for a passphrase (work factor {0}; the most is {MOST_WORK})")]
    TooMuchWork(u8),
    #[error("was changed: the code in its header that protects it is wrong")]
    WrongCode,
    #[error("is cut off, or was changed")]
    Damaged,
}

/// The most work for a passphrase: 1 GiB of memory and some seconds. `age` itself writes 18.
pub(super) const MOST_WORK: u8 = 20;

/// Reports whether a file is opened by a passphrase.
pub(super) fn is_by_passphrase(file: &[u8]) -> Result<bool, NotOpened> {
    Ok(decryptor(file)?.is_scrypt())
}

/// Decrypts a file with any of these identities.
pub(super) fn decrypt<'a>(
    file: &[u8],
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
    read(file, decryptor(file)?.decrypt(identities).map_err(|error| in_words(&error))?)
}

/// Decrypts a file by its passphrase.
pub(super) fn decrypt_by(file: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
    let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase));
    identity.set_max_work_factor(MOST_WORK);
    let opened = decryptor(file)?.decrypt(std::iter::once(&identity as _)).map_err(|error| match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => {
            NotOpened::WrongPassphrase
        }
        other => in_words(&other),
    })?;
    read(file, opened)
}

fn decryptor(file: &[u8]) -> Result<Decryptor<&[u8]>, NotOpened> {
    if file.starts_with(ARMOR) {
        return Err(NotOpened::Armored);
    }
    Decryptor::new_buffered(file).map_err(|_| NotOpened::NoAgeFile)
}

// Only at its end is a file known to be whole.
fn read(file: &[u8], mut opened: impl Read) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
    // What is in a file is shorter than the file, so that this never grows, which would leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(file.len() + 32));
    opened.read_to_end(&mut text).map_err(|_| NotOpened::Damaged)?;
    Ok(text)
}

/// The reason in words of our own: the crate's are several lines in the system's language.
pub(super) fn in_words(error: &DecryptError) -> NotOpened {
    match error {
        DecryptError::ExcessiveWork { required, .. } => NotOpened::TooMuchWork(*required),
        DecryptError::InvalidMac => NotOpened::WrongCode,
        DecryptError::NoMatchingKeys | DecryptError::KeyDecryptionFailed => NotOpened::OtherRecipient,
        DecryptError::InvalidHeader | DecryptError::UnknownFormat => NotOpened::NoAgeFile,
        _ => NotOpened::Damaged,
    }
}

/// The identity that a text holds: one line `AGE-SECRET-KEY-1...`, comments and blank lines.
pub(super) fn parse_identity(text: &[u8]) -> Option<Identity> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let identity = lines.next()?.parse().ok()?;
    lines.next().is_none().then_some(identity)
}

/// The text of an identity's file, as age-keygen writes it.
pub(super) fn identity_text(identity: &Identity) -> Zeroizing<Vec<u8>> {
    let (public, mut secret) = (identity.to_public().to_string(), secret_text(identity));
    let mut text = Zeroizing::new(Vec::with_capacity(256));
    for part in [b"# public key: ", public.as_bytes(), b"\n", &secret, b"\n"] {
        text.extend_from_slice(part);
    }
    secret.zeroize();
    text
}

/// An identity as `AGE-SECRET-KEY-1...`.
pub(super) fn secret_text(identity: &Identity) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(identity.to_string().expose_secret().as_bytes().to_vec())
}
