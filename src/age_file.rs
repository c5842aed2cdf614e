//! Age files in memory: encrypted for public keys or by a passphrase, and opened again (age-encryption.org/v1).
//!
//! A file may come from a stranger: the work for a passphrase is bounded here, its size by the caller. The errors are
//! texts of our own that continue a sentence with the file's name. Nothing that was in a file is in one of them.

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor};
use std::io::{self, Read, Write};
use zeroize::{Zeroize, Zeroizing};

/// What an ASCII-armored file begins with.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// The work for a passphrase, as the power of two that `age` writes: about a second, and 256 MiB of memory.
pub(crate) const WORK: u8 = 18;

/// The most work for a passphrase: 1 GiB of memory and some seconds.
pub(crate) const MOST_WORK: u8 = 20;

/// Encrypts a text for public keys, at least one.
pub(crate) fn encrypt(text: &[u8], recipients: &[Recipient]) -> io::Result<Vec<u8>> {
    encrypt_for(text, recipients.iter().map(|recipient| recipient as _))
}

/// Encrypts a text by a passphrase. The work takes 2 to the power of `work` steps.
pub(crate) fn encrypt_by(text: &[u8], passphrase: &str, work: u8) -> io::Result<Vec<u8>> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase));
    recipient.set_work_factor(work);
    encrypt_for(text, std::iter::once(&recipient as _))
}

fn encrypt_for<'a>(text: &[u8], recipients: impl Iterator<Item = &'a dyn age::Recipient>) -> io::Result<Vec<u8>> {
    let encryptor = Encryptor::with_recipients(recipients).map_err(|_| io::Error::other("it cannot be encrypted"))?;
    let mut made = Vec::with_capacity(text.len() + 1024);
    let mut writer = encryptor.wrap_output(&mut made)?;
    writer.write_all(text)?;
    writer.finish()?;
    Ok(made)
}

/// Why an age file was not opened. Each text continues a sentence that begins with its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOpened {
    /// It is in the form for mails.
    #[error("is armored; ringlet reads the binary form, which `age -d | age -e` without `-a` makes")]
    Armored,
    /// It is something else.
    #[error("is no age file, or is cut off")]
    NoAgeFile,
    /// It has none of the recipients.
    #[error("is encrypted for another identity")]
    OtherRecipient,
    /// The passphrase opens nothing.
    #[error("was not opened by this passphrase")]
    WrongPassphrase,
    /// Trying a passphrase would cost too much.
    #[error("asks for more work than ringlet does for a passphrase (work factor {0}; the most is {MOST_WORK})")]
    TooMuchWork(u8),
    /// Its header is not what was written.
    #[error("was changed: the code in its header that protects it is wrong")]
    WrongCode,
    /// It is not what was written.
    #[error("is cut off, or was changed")]
    Damaged,
}

/// Reports whether a file is opened by a passphrase.
pub(crate) fn is_by_passphrase(file: &[u8]) -> Result<bool, NotOpened> {
    Ok(decryptor(file)?.is_scrypt())
}

/// Decrypts a file with any of these identities.
pub(crate) fn decrypt<'a>(
    file: &[u8],
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
    read_whole(file, decryptor(file)?.decrypt(identities).map_err(|error| in_words(&error))?)
}

/// Decrypts a file by its passphrase.
pub(crate) fn decrypt_by(file: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
    let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase));
    identity.set_max_work_factor(MOST_WORK);
    let opened = decryptor(file)?.decrypt(std::iter::once(&identity as _)).map_err(|error| match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => {
            NotOpened::WrongPassphrase
        }
        other => in_words(&other),
    })?;
    read_whole(file, opened)
}

/// The file, its header read and nothing decrypted.
pub(crate) fn decryptor(file: &[u8]) -> Result<Decryptor<&[u8]>, NotOpened> {
    if file.starts_with(ARMOR) {
        return Err(NotOpened::Armored);
    }
    Decryptor::new_buffered(file).map_err(|_| NotOpened::NoAgeFile)
}

/// Reads what a file holds. Only at its end is it known to be whole.
pub(crate) fn read_whole(file: &[u8], mut opened: impl Read) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
    // What is in a file is shorter than the file, so that this never grows, which would leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(file.len() + 32));
    opened.read_to_end(&mut text).map_err(|_| NotOpened::Damaged)?;
    Ok(text)
}

/// The reason in words of our own: the crate's are several lines in the system's language.
pub(crate) fn in_words(error: &DecryptError) -> NotOpened {
    match error {
        DecryptError::ExcessiveWork { required, .. } => NotOpened::TooMuchWork(*required),
        DecryptError::InvalidMac => NotOpened::WrongCode,
        DecryptError::NoMatchingKeys | DecryptError::KeyDecryptionFailed => NotOpened::OtherRecipient,
        DecryptError::InvalidHeader | DecryptError::UnknownFormat => NotOpened::NoAgeFile,
        _ => NotOpened::Damaged,
    }
}

/// The identities that a text holds: one a line, `AGE-SECRET-KEY-1...`, with comments and blank lines. `None` if
/// another line is in it, or none of them.
pub(crate) fn identities(text: &[u8]) -> Option<Vec<Identity>> {
    let text = std::str::from_utf8(text).ok()?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let found: Vec<Identity> = lines.map(|line| line.parse().ok()).collect::<Option<_>>()?;
    (!found.is_empty()).then_some(found)
}

/// The identity that a text holds, if it is one alone.
pub(crate) fn only_identity(text: &[u8]) -> Option<Identity> {
    let mut found = identities(text)?;
    if found.len() == 1 { found.pop() } else { None }
}

/// The text of an identity's file, as age-keygen writes it.
pub(crate) fn identity_text(identity: &Identity) -> Zeroizing<Vec<u8>> {
    let (public, mut secret) = (identity.to_public().to_string(), secret_text(identity));
    let mut text = Zeroizing::new(Vec::with_capacity(256));
    for part in [b"# public key: ", public.as_bytes(), b"\n", &secret, b"\n"] {
        text.extend_from_slice(part);
    }
    secret.zeroize();
    text
}

/// An identity as `AGE-SECRET-KEY-1...`.
pub(crate) fn secret_text(identity: &Identity) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(identity.to_string().expose_secret().as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-ant-api03-CANARYCANARYCANARY";
    /// Little work, which no test needs.
    const WORK: u8 = 4;

    #[test]
    fn a_file_comes_back_and_one_that_is_cut_off_or_changed_anywhere_does_not() {
        let identity = Identity::generate();
        let opened = |file: &[u8]| decrypt(file, std::iter::once(&identity as _));
        let file = encrypt(KEY.as_bytes(), &[identity.to_public()]).expect("encrypted");
        assert_eq!(opened(&file).expect("opened").as_slice(), KEY.as_bytes());
        for length in 0..file.len() {
            let why = opened(&file[..length]).expect_err("a file that is cut off");
            assert!(matches!(why, NotOpened::NoAgeFile | NotOpened::Damaged), "{length}: {why}");
        }
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            let why = opened(&changed).expect_err("a file that was changed").to_string();
            assert!(!why.contains("CANARY"), "{at}: {why}");
        }
        // The whole of a file that ends where a block does.
        let long = vec![b'x'; 2 * 65_536];
        let file = encrypt(&long, &[identity.to_public()]).expect("encrypted");
        assert_eq!(opened(&file).expect("opened").as_slice(), &long);
        assert_eq!(opened(&file[..file.len() - 65_552]), Err(NotOpened::Damaged));
        assert_eq!(opened(&[&file[..], b"x"].concat()), Err(NotOpened::Damaged));
    }

    #[test]
    fn each_reason_is_told() {
        let (identity, other) = (Identity::generate(), Identity::generate());
        let opened = |file: &[u8]| decrypt(file, std::iter::once(&identity as _)).map(|_| ());
        let file = encrypt(b"text", &[other.to_public()]).expect("encrypted");
        assert_eq!(opened(&file), Err(NotOpened::OtherRecipient));
        assert_eq!(opened(b""), Err(NotOpened::NoAgeFile));
        assert_eq!(opened(b"age-encryption.org/v9\n"), Err(NotOpened::NoAgeFile));
        assert_eq!(opened(b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl"), Err(NotOpened::Armored));
        let mut file = encrypt(b"text", &[identity.to_public()]).expect("encrypted");
        let code = memchr::memmem::find(&file, b"--- ").expect("the end of the header") + 4;
        file[code] = if file[code] == b'A' { b'B' } else { b'A' };
        assert_eq!(opened(&file), Err(NotOpened::WrongCode));
    }

    #[test]
    fn a_passphrase_opens_its_own_file_and_a_hostile_file_costs_no_work() {
        let file = encrypt_by(b"text", "pass word", WORK).expect("encrypted");
        assert!(is_by_passphrase(&file).expect("an age file"));
        assert_eq!(decrypt_by(&file, "pass word").expect("opened").as_slice(), b"text");
        for wrong in ["", "pass", "pass word "] {
            assert_eq!(decrypt_by(&file, wrong), Err(NotOpened::WrongPassphrase), "{wrong:?}");
        }
        let line = memchr::memmem::find(&file, b" 4\n").expect("the work factor");
        for work in [MOST_WORK + 1, 30, 63] {
            let hostile = [&file[..line], format!(" {work}\n").as_bytes(), &file[line + 3..]].concat();
            assert_eq!(decrypt_by(&hostile, "pass word"), Err(NotOpened::TooMuchWork(work)));
        }
        let by_identity = encrypt(b"text", &[Identity::generate().to_public()]).expect("encrypted");
        assert!(!is_by_passphrase(&by_identity).expect("an age file"));
        assert_eq!(decrypt_by(&by_identity, "pass word"), Err(NotOpened::WrongPassphrase));
    }

    #[test]
    fn an_identity_file_has_secret_keys_and_comments_alone() {
        let line = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
        assert_eq!(identities(format!("# a comment\n\n{line}\r\n").as_bytes()).map(|all| all.len()), Some(1));
        for wrong in ["", "# a comment\n", "age1xyz", &format!("{line}\nx\n"), &line.replace("GFP", "GFQ")] {
            assert!(identities(wrong.as_bytes()).is_none(), "{wrong:?}");
        }
        assert!(only_identity(line.as_bytes()).is_some());
        assert!(only_identity(format!("{line}\n{line}\n").as_bytes()).is_none());
    }
}
