//! Keys in a file for another machine: encrypted with age (age-encryption.org/v1), in the form of `credentials.toml`.
//!
//! Keys leave this module encrypted or not at all. A file may come from a stranger: its size is the caller's to bound,
//! the work for a passphrase is bounded here, and no error repeats what is in it. `keychain export` and `import` call
//! this module.

use crate::name::KeyName;
use crate::secret::Secret;
use age::secrecy::SecretString;
use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use zeroize::Zeroizing;

/// What an armored file begins with.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// The work for a passphrase, as the power of two that `age` writes: about a second, and 256 MiB of memory.
const WORK: u8 = 18;

/// The most work that is done for a file: 1 GiB of memory and some seconds.
const MOST_WORK: u8 = 20;

/// By what a file is encrypted.
pub(crate) enum Lock {
    /// A passphrase.
    Passphrase(Zeroizing<String>),
    /// Public keys, at least one.
    Recipients(Vec<Recipient>),
}

/// By what a file is opened.
pub(crate) enum Opener {
    /// A passphrase.
    Passphrase(Zeroizing<String>),
    /// Secret keys.
    Identities(Vec<Identity>),
}

/// Why a file was not opened. Each text continues a sentence that begins with its path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOpened {
    /// It is in the form for mails.
    #[error("is armored; ringlet reads the binary form")]
    Armored,
    /// It is something else.
    #[error("is no age file, or is cut off")]
    NoAgeFile,
    /// It has none of the recipients.
    #[error("is encrypted for another identity")]
    OtherRecipient,
    /// The passphrase opens nothing.
    #[error("is not opened by this passphrase")]
    WrongPassphrase,
    /// Trying a passphrase would cost too much.
    #[error("asks for more work for a passphrase than ringlet does (work factor {0}; the most is {MOST_WORK})")]
    TooMuchWork(u8),
    /// It is not what was written.
    #[error("is cut off, or was changed")]
    Damaged,
    /// What is in it is something else.
    #[error("holds no keys of the form `[provider.alias]` with `key = \"...\"`{}", at_line(*.0))]
    Misshapen(Option<usize>),
}

fn at_line(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line} of the text in it)"))
}

/// Encrypts keys. Each value must be text.
pub(crate) fn seal(keys: &[(KeyName, Secret)], lock: &Lock) -> io::Result<Vec<u8>> {
    let text = text_of(keys)?;
    let made = match lock {
        Lock::Passphrase(passphrase) => {
            let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.as_str()));
            recipient.set_work_factor(WORK);
            Encryptor::with_recipients(std::iter::once(&recipient as _))
        }
        Lock::Recipients(recipients) => {
            Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as &dyn age::Recipient))
        }
    };
    let mut sealed = Vec::with_capacity(text.len() + 1024);
    let made = made.map_err(|_| io::Error::other("it cannot be encrypted"))?;
    let mut writer = made.wrap_output(&mut sealed)?;
    writer.write_all(text.as_bytes())?;
    writer.finish()?;
    Ok(sealed)
}

/// Reports whether a file is opened by a passphrase.
pub(crate) fn is_by_passphrase(file: &[u8]) -> Result<bool, NotOpened> {
    Ok(decryptor(file)?.is_scrypt())
}

/// Decrypts a file, and returns the keys in it, sorted.
pub(crate) fn open(file: &[u8], opener: &Opener) -> Result<Vec<(KeyName, Secret)>, NotOpened> {
    let found = decryptor(file)?;
    let opened = match opener {
        Opener::Passphrase(passphrase) => {
            let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase.as_str()));
            identity.set_max_work_factor(MOST_WORK);
            found.decrypt(std::iter::once(&identity as _)).map_err(|error| match why(&error) {
                NotOpened::OtherRecipient => NotOpened::WrongPassphrase,
                other => other,
            })
        }
        Opener::Identities(identities) => {
            found.decrypt(identities.iter().map(|own| own as &dyn age::Identity)).map_err(|error| why(&error))
        }
    };
    // What is in a file is shorter than the file, so that this never grows, which would leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(file.len() + 32));
    // Only at its end is a file known to be whole.
    opened?.read_to_end(&mut text).map_err(|_| NotOpened::Damaged)?;
    keys_in(&text)
}

fn decryptor(file: &[u8]) -> Result<Decryptor<&[u8]>, NotOpened> {
    match file.starts_with(ARMOR) {
        true => Err(NotOpened::Armored),
        false => Decryptor::new_buffered(file).map_err(|_| NotOpened::NoAgeFile),
    }
}

// In words of our own: the crate's are several lines.
fn why(error: &DecryptError) -> NotOpened {
    match error {
        DecryptError::ExcessiveWork { required, .. } => NotOpened::TooMuchWork(*required),
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => {
            NotOpened::OtherRecipient
        }
        DecryptError::InvalidHeader | DecryptError::UnknownFormat => NotOpened::NoAgeFile,
        _ => NotOpened::Damaged,
    }
}

/// Reads the secret keys of a file as `age-keygen` writes it: one a line, with comments and blank lines. `None` if
/// another line is in it, or none of them.
pub(crate) fn identities(text: &[u8]) -> Option<Vec<Identity>> {
    let text = std::str::from_utf8(text).ok()?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let found: Vec<Identity> = lines.map(|line| line.parse().ok()).collect::<Option<_>>()?;
    (!found.is_empty()).then_some(found)
}

/// Reads a public key such as `age1...`.
pub(crate) fn recipient(text: &str) -> Option<Recipient> {
    text.parse().ok()
}

// A key is a line of text without control characters, so that a basic string of TOML escapes two of them at most.
fn text_of(keys: &[(KeyName, Secret)]) -> io::Result<Zeroizing<String>> {
    let room = |(name, value): &(KeyName, Secret)| 2 * value.len() + name.to_string().len() + 32;
    let mut text = Zeroizing::new(String::with_capacity(keys.iter().map(room).sum()));
    for (name, value) in keys {
        let value = std::str::from_utf8(value.expose()).ok().filter(|value| !value.contains(char::is_control));
        let value = value.ok_or_else(|| io::Error::other(format!("the value of {name} is no line of text")))?;
        // A name may hold a dot, which would else divide it.
        text.push_str(&format!("[\"{}\".\"{}\"]\nkey = \"", name.provider, name.alias));
        for c in value.chars() {
            if matches!(c, '"' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push_str("\"\n\n");
    }
    Ok(text)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: Zeroizing<String>,
}

fn keys_in(text: &[u8]) -> Result<Vec<(KeyName, Secret)>, NotOpened> {
    let text = std::str::from_utf8(text).map_err(|_| NotOpened::Misshapen(None))?;
    // The parser's own message may repeat a value, so only the place is passed on.
    let entries: BTreeMap<String, BTreeMap<String, Entry>> = toml::from_str(text).map_err(|error| {
        let before = |start: usize| text.as_bytes()[..start.min(text.len())].iter().filter(|&&byte| byte == b'\n');
        NotOpened::Misshapen(error.span().map(|span| before(span.start).count() + 1))
    })?;
    let mut keys = Vec::new();
    for (provider, entries) in entries {
        for (alias, mut entry) in entries {
            let name = format!("{provider}/{alias}").parse().map_err(|_| NotOpened::Misshapen(None))?;
            keys.push((name, Secret::new(std::mem::take(&mut *entry.key).into_bytes())));
        }
    }
    keys.sort_by(|(a, _): &(KeyName, _), (b, _)| a.cmp(b));
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<(KeyName, Secret)> {
        [("anthropic/a.b", "sk-\u{e9} \\\"'{}"), ("openai/work", "two")]
            .map(|(name, value)| (name.parse().expect("a name"), Secret::new(value.into())))
            .into()
    }

    fn shown(keys: &[(KeyName, Secret)]) -> Vec<(String, Vec<u8>)> {
        keys.iter().map(|(name, value)| (name.to_string(), value.expose().to_vec())).collect()
    }

    fn by(identity: &Identity) -> (Lock, Opener) {
        (Lock::Recipients(vec![identity.to_public()]), Opener::Identities(vec![identity.clone()]))
    }

    #[test]
    fn keys_come_back_by_one_of_the_identities_alone() {
        let (lock, opener) = by(&Identity::generate());
        let sealed = seal(&keys(), &lock).expect("sealed");
        assert_eq!(is_by_passphrase(&sealed), Ok(false));
        assert_eq!(shown(&open(&sealed, &opener).expect("opened")), shown(&keys()));
        let (_, other) = by(&Identity::generate());
        assert_eq!(open(&sealed, &other).err(), Some(NotOpened::OtherRecipient));
        let wrong = Opener::Passphrase(Zeroizing::new("guessed".to_owned()));
        assert!(open(&sealed, &wrong).is_err());
    }

    #[test]
    fn keys_come_back_by_the_passphrase_alone() {
        let passphrase = |text: &str| Zeroizing::new(text.to_owned());
        let sealed = seal(&keys(), &Lock::Passphrase(passphrase("correct horse"))).expect("sealed");
        assert_eq!(is_by_passphrase(&sealed), Ok(true));
        let opened = open(&sealed, &Opener::Passphrase(passphrase("correct horse"))).expect("opened");
        assert_eq!(shown(&opened), shown(&keys()));
        let wrong = Opener::Passphrase(passphrase("correct house"));
        assert_eq!(open(&sealed, &wrong).err(), Some(NotOpened::WrongPassphrase));
    }

    #[test]
    fn a_cut_or_changed_file_gives_no_key_and_every_cut_ends() {
        let (lock, opener) = by(&Identity::generate());
        let sealed = seal(&keys(), &lock).expect("sealed");
        assert!((0..sealed.len()).all(|cut| open(&sealed[..cut], &opener).is_err()));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&changed, &opener).is_err(), "byte {at}");
        }
        assert_eq!(open(&[&sealed[..], b"x"].concat(), &opener).err(), Some(NotOpened::Damaged));
        assert_eq!(open(ARMOR, &opener).err(), Some(NotOpened::Armored));
        assert_eq!(open(b"[a.b]\nkey = \"x\"\n", &opener).err(), Some(NotOpened::NoAgeFile));
    }

    #[test]
    fn a_file_that_asks_for_too_much_work_is_refused_at_once() {
        let mut recipient = age::scrypt::Recipient::new(SecretString::from("x"));
        recipient.set_work_factor(2);
        let mut sealed = Vec::new();
        let made = Encryptor::with_recipients(std::iter::once(&recipient as _)).expect("an encryptor");
        made.wrap_output(&mut sealed).expect("a header").finish().expect("an end");
        let header = sealed.windows(3).position(|bytes| bytes == b" 2\n").expect("the work factor");
        let hostile = [&sealed[..header], b" 63\n", &sealed[header + 3..]].concat();
        let opener = Opener::Passphrase(Zeroizing::new("x".to_owned()));
        assert_eq!(open(&hostile, &opener).err(), Some(NotOpened::TooMuchWork(63)));
    }

    #[test]
    fn another_text_in_a_file_gives_no_key_and_is_not_repeated() {
        for (text, line) in [
            ("\u{1}", Some(1)),
            ("SECRET", Some(1)),
            ("[a.b]\nkey = 1\nSECRET", Some(3)),
            ("[a.b]\nkey = \"SECRET\"\nmore = \"SECRET\"\n", Some(3)),
            ("[A.b]\nkey = \"SECRET\"\n", None),
            ("[a.\"../b\"]\nkey = \"SECRET\"\n", None),
        ] {
            let error = keys_in(text.as_bytes()).expect_err(text);
            assert_eq!(error, NotOpened::Misshapen(line), "{text}");
            assert!(!error.to_string().contains("SECRET"));
        }
        assert!(keys_in(b"\xff").is_err());
        assert!(keys_in(b"").expect("no keys").is_empty());
        let twice = [("a/b".parse().expect("a name"), Secret::new(b"two\nlines".to_vec()))];
        assert!(text_of(&twice).is_err());
    }

    #[test]
    fn an_identity_file_has_secret_keys_and_comments_alone() {
        let line = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
        assert_eq!(identities(format!("# a comment\n\n{line}\r\n").as_bytes()).map(|all| all.len()), Some(1));
        for wrong in ["", "# a comment\n", "age1xyz", &format!("{line}\nx\n"), &line.replace("GFP", "GFQ")] {
            assert!(identities(wrong.as_bytes()).is_none(), "{wrong:?}");
        }
        assert!(recipient(line).is_none() && recipient("age1").is_none());
        assert!(recipient(&Identity::generate().to_public().to_string()).is_some());
    }
}
