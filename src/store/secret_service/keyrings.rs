//! The files in which gnome-keyring keeps its collections: when they changed, and whether they confirm an item's name.
//!
//! gnome-keyring (3 to 50) writes a collection's file anew, under another inode, before it answers the call that
//! changed the collection. The first part of the file is not encrypted. It has, of each item, the number that ends the
//! item's object path, and the MD5 digests of its attributes (gkm-secret-binary.c). A collection without a password has
//! a file of another format, which holds its values in the clear: of that only the first bytes are read.

use crate::digest;
use crate::platform;
use md5::{Digest, Md5};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

pub(super) const COLLECTIONS: &str = "/org/freedesktop/secrets/collection/";

/// The folder of the files.
pub(super) struct Folder(PathBuf);

/// When the files were changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Name and stamp of every file, on one line.
    pub text: String,
    /// Whether every later change shows in it.
    pub is_settled: bool,
}

/// The digests of the two attributes by which items are found.
#[derive(Debug, PartialEq, Eq)]
struct Digests {
    service: String,
    account: String,
}

/// The items that the files confirm, by their object paths.
pub(super) struct Confirmed(HashMap<String, Digests>);

impl Confirmed {
    /// How many items of a service there are.
    pub(super) fn count(&self, service: &str) -> usize {
        let service = hex(service);
        self.0.values().filter(|found| found.service == service).count()
    }

    /// Reports whether the files say that the item at a path has this service and account.
    pub(super) fn has(&self, path: &str, service: &str, account: &str) -> bool {
        let is = |digest: &str, text: &str| digest == hex(text);
        self.0.get(path).is_some_and(|found| is(&found.account, account) && is(&found.service, service))
    }
}

impl Folder {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Its path, where that is UTF-8.
    pub(super) fn text(&self) -> Option<&str> {
        self.0.to_str()
    }

    /// The stamp of the files; nothing where one cannot be examined, or has a name that gnome-keyring gives none.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        let mut files = Vec::new();
        let mut is_settled = true;
        for entry in fs::read_dir(&self.0).ok()? {
            let name = entry.ok()?.file_name().into_string().ok()?;
            if !name.ends_with(".keyring") {
                continue;
            }
            if name.chars().any(char::is_control) {
                return None;
            }
            let file = platform::open_file(&self.0.join(&name)).ok()?.file;
            is_settled &= platform::is_settled(&file).ok()?;
            files.push(format!("{name} {}", platform::file_stamp(&file).ok()?));
        }
        files.sort();
        Some(Stamp { text: files.join("|"), is_settled })
    }

    /// What the files of some collections say; nothing where one is of another format.
    pub(super) fn confirmed(&self, collections: &BTreeSet<String>) -> Option<Confirmed> {
        let mut all = HashMap::new();
        for collection in collections {
            let file = self.0.join(format!("{}.keyring", decoded(collection)?));
            for (id, digests) in digests_in(BufReader::new(platform::open_file(&file).ok()?.file)).ok()?? {
                all.insert(format!("{COLLECTIONS}{collection}/{id}"), digests);
            }
        }
        Some(Confirmed(all))
    }
}

/// The collection in an item's object path, as the path spells it.
pub(super) fn collection_of(path: &str) -> Option<&str> {
    path.strip_prefix(COLLECTIONS)?.split_once('/').map(|(collection, _)| collection)
}

// gkd-secret-util.c writes any other byte than a letter or digit as `_` and two hexadecimal digits.
fn decoded(collection: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(collection.len());
    let mut rest = collection.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'_' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
            }
            byte if byte.is_ascii_alphanumeric() => bytes.push(byte),
            _ => return None,
        }
    }
    // Nothing leads out of the folder.
    String::from_utf8(bytes).ok().filter(|name| !name.contains(['/', '\0']))
}

fn hex(text: &str) -> String {
    digest::hex(&Md5::digest(text.as_bytes()))
}

/// The digests by item number; nothing where the file is of another format.
fn digests_in(mut file: impl Read) -> io::Result<Option<HashMap<u32, Digests>>> {
    // The format's name and, as zeros, its version, its cipher (AES) and its hash (MD5).
    const START: &[u8; 20] = b"GnomeKeyring\n\r\0\n\0\0\0\0";
    const MOST: u32 = 1 << 16;
    let mut start = [0; START.len()];
    file.read_exact(&mut start)?;
    if &start != START {
        return Ok(None);
    }
    string(&mut file)?;
    // Two times, flags, a timeout, iterations, salt, and what is reserved.
    file.read_exact(&mut [0; 16 + 12 + 8 + 16])?;
    let mut all = HashMap::new();
    for _ in 0..number(&mut file)?.min(MOST) {
        let (id, _type) = (number(&mut file)?, number(&mut file)?);
        let (mut service, mut account) = (None, None);
        for _ in 0..number(&mut file)?.min(MOST) {
            let name = string(&mut file)?;
            let digest = match number(&mut file)? {
                0 => string(&mut file)?,
                1 => {
                    number(&mut file)?;
                    continue;
                }
                _ => return Ok(None),
            };
            match name.as_deref() {
                Some("service") => service = digest,
                Some("username") => account = digest,
                _ => {}
            }
        }
        if let (Some(service), Some(account)) = (service, account) {
            all.insert(id, Digests { service, account });
        }
    }
    Ok(Some(all))
}

fn number(file: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn string(file: &mut impl Read) -> io::Result<Option<String>> {
    const LONGEST: u32 = 64 << 10;
    match number(file)? {
        u32::MAX => Ok(None),
        length if length > LONGEST => Err(io::ErrorKind::InvalidData.into()),
        length => {
            let mut bytes = vec![0; length as usize];
            file.read_exact(&mut bytes)?;
            String::from_utf8(bytes).map(Some).map_err(|_| io::ErrorKind::InvalidData.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collections_file_has_its_name_decoded() {
        let file = |collection| decoded(collection).unwrap_or_default();
        assert_eq!(file("login"), "login");
        assert_eq!(file("Default_5fkeyring"), "Default_keyring");
        for bad in ["_2e_2e_2f", "_0", "a/b", "_zz", "a.b"] {
            assert!(decoded(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_file_that_is_cut_short_or_is_of_another_format_confirms_nothing() {
        let string = |text: &str| [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
        let mut file = b"GnomeKeyring\n\r\0\n\0\0\0\0".to_vec();
        file.extend([string("Login"), vec![0; 52], vec![0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 3]].concat());
        for (name, value) in [("service", "ringlet"), ("username", "a/b")] {
            file.extend([string(name), vec![0; 4], string(&hex(value))].concat());
        }
        file.extend([string("number"), vec![0, 0, 0, 1, 0, 0, 0, 9]].concat());
        let found = digests_in(&file[..]).expect("whole").expect("in this format");
        let digests = Digests { service: hex("ringlet"), account: hex("a/b") };
        assert_eq!(found, HashMap::from([(7, digests)]));
        let path = format!("{COLLECTIONS}login/7");
        let confirmed = Confirmed(HashMap::from([(path.clone(), found.into_values().next().expect("one"))]));
        assert!(confirmed.has(&path, "ringlet", "a/b"));
        assert!(!confirmed.has(&path, "ringlet", "a/c") && !confirmed.has(&path, "other", "a/b"));
        assert!(!confirmed.has(&format!("{COLLECTIONS}login/8"), "ringlet", "a/b"));
        for length in 0..file.len() {
            assert!(digests_in(&file[..length]).is_err(), "{length}");
        }
        for (at, byte) in [(0, b'['), (17, 1), (20, 0xff)] {
            let mut other = file.clone();
            other[at] = byte;
            assert!(!matches!(digests_in(&other[..]), Ok(Some(_))), "{at}");
        }
    }
}
