//! Keys in a file for another machine: encrypted with age (age-encryption.org/v1), in the form of `credentials.toml`.
//!
//! Keys leave this module encrypted or not at all. No error repeats what is in a file. `keychain export` and `import`
//! call this module.

use crate::age_file;
use crate::name::KeyName;
use crate::secret::Secret;
use age::x25519::{Identity, Recipient};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use zeroize::Zeroizing;

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
    /// It is no age file that the opener opens.
    #[error(transparent)]
    Sealed(#[from] age_file::NotOpened),
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
    match lock {
        Lock::Passphrase(passphrase) => age_file::encrypt_by(text.as_bytes(), passphrase, age_file::WORK),
        Lock::Recipients(recipients) => age_file::encrypt(text.as_bytes(), recipients),
    }
}

/// Decrypts a file, and returns the keys in it, sorted.
pub(crate) fn open(file: &[u8], opener: &Opener) -> Result<Vec<(KeyName, Secret)>, NotOpened> {
    keys_in(&match opener {
        Opener::Passphrase(passphrase) => age_file::decrypt_by(file, passphrase),
        Opener::Identities(identities) => age_file::decrypt(file, identities.iter().map(|own| own as _)),
    }?)
}

/// Reads a public key such as `age1...`.
pub(crate) fn recipient(text: &str) -> Option<Recipient> {
    text.parse().ok()
}

// A basic string of TOML has control characters as escapes of six bytes, and two others as escapes of two.
fn text_of(keys: &[(KeyName, Secret)]) -> io::Result<Zeroizing<String>> {
    let room = |(name, value): &(KeyName, Secret)| 6 * value.len() + name.to_string().len() + 32;
    let mut text = Zeroizing::new(String::with_capacity(keys.iter().map(room).sum()));
    for (name, value) in keys {
        let value = std::str::from_utf8(value.expose());
        let value = value.map_err(|_| io::Error::other(format!("the value of {name} is no text")))?;
        // A name may hold a dot, which would else divide it.
        text.push_str(&format!("[\"{}\".\"{}\"]\nkey = \"", name.provider, name.alias));
        for c in value.chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                c if c.is_control() => {
                    let _ = write!(text, "\\u{:04X}", u32::from(c));
                }
                c => text.push(c),
            }
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
        assert_eq!(shown(&open(&sealed, &opener).expect("opened")), shown(&keys()));
        let (_, other) = by(&Identity::generate());
        assert_eq!(open(&sealed, &other).err(), Some(age_file::NotOpened::OtherRecipient.into()));
        let wrong = Opener::Passphrase(Zeroizing::new("guessed".to_owned()));
        assert!(open(&sealed, &wrong).is_err());
        assert_eq!(open(&sealed[..sealed.len() - 1], &opener).err(), Some(age_file::NotOpened::Damaged.into()));
        assert!(recipient("age1").is_none());
    }

    #[test]
    fn keys_come_back_by_the_passphrase_alone() {
        let passphrase = |text: &str| Zeroizing::new(text.to_owned());
        let sealed = seal(&keys(), &Lock::Passphrase(passphrase("correct horse"))).expect("sealed");
        let opened = open(&sealed, &Opener::Passphrase(passphrase("correct horse"))).expect("opened");
        assert_eq!(shown(&opened), shown(&keys()));
        let wrong = Opener::Passphrase(passphrase("correct house"));
        assert_eq!(open(&sealed, &wrong).err(), Some(age_file::NotOpened::WrongPassphrase.into()));
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
        let no_text = [("a/b".parse().expect("a name"), Secret::new(b"\xff".to_vec()))];
        assert!(text_of(&no_text).is_err());
    }

    #[test]
    fn each_text_comes_back_as_it_was() {
        let all: String = (1..0x180).filter_map(char::from_u32).collect();
        for value in ["two\nlines\n", "-----BEGIN\r\n\tx\r\n", "\u{7f}\u{1b}[0m\\n", "", &all] {
            let keys = [("a/b".parse().expect("a name"), Secret::new(value.into()))];
            let text = text_of(&keys).expect("text");
            assert!(text.capacity() <= 6 * value.len() + 64, "it never grew");
            assert_eq!(shown(&keys_in(text.as_bytes()).expect("keys")), shown(&keys), "{value:?}");
        }
    }
}
