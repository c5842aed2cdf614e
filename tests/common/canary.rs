//! A key that exists in one test and nowhere else, and the search for any piece of it.

use std::collections::HashSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How long a piece of the canary may be without being a leak.
const WINDOW: usize = 8;

/// A key that exists in one test and nowhere else.
pub(crate) struct Canary {
    /// The key.
    pub key: String,
    windows: HashSet<[u8; WINDOW]>,
    /// Twice as long, since half as many of anyone's hexadecimal digits would match by chance.
    hex: HashSet<[u8; 2 * WINDOW]>,
    /// Which pairs of bytes any of them begins with: whole memories are looked through.
    begins: Vec<bool>,
}

impl Canary {
    /// A key of Anthropic's.
    pub(crate) fn new() -> Self {
        Self::beginning("sk-ant-api03-")
    }

    /// A key that begins so. That is not looked for, since all keys of a provider share it.
    pub(crate) fn beginning(prefix: &str) -> Self {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
        let state = RandomState::new();
        let digits = (0..8u8).flat_map(|part| state.hash_one(part).to_le_bytes());
        // An upper-case letter somewhere, as in every real key; a word in lower case could be somebody's alias.
        let body: Vec<u8> =
            std::iter::once(b'Q').chain(digits.map(|digit| ALPHABET[usize::from(digit) % 64])).collect();
        let backwards: Vec<u8> = body.iter().rev().copied().collect();
        let key = format!("{prefix}{}", std::str::from_utf8(&body).expect("ASCII"));
        let mut texts = vec![body.clone(), backwards];
        // Three ways for three bytes to begin at, and the two alphabets.
        for skipped in 0..3 {
            let plain = base64(&body[skipped..]);
            texts.push(
                plain
                    .iter()
                    .map(|c| match c {
                        b'+' => b'-',
                        b'/' => b'_',
                        c => *c,
                    })
                    .collect(),
            );
            texts.push(plain);
        }
        let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        let windows =
            texts.iter().flat_map(|text| text.windows(WINDOW)).map(|it| it.try_into().expect("a window")).collect();
        let both = [hex.to_uppercase(), hex];
        let hex = both.iter().flat_map(|text| text.as_bytes().windows(2 * WINDOW));
        let hex: HashSet<[u8; 2 * WINDOW]> = hex.map(|it| it.try_into().expect("a window")).collect();
        let windows: HashSet<[u8; WINDOW]> = windows;
        let mut begins = vec![false; 1 << 16];
        windows.iter().map(|it| (it[0], it[1])).chain(hex.iter().map(|it| (it[0], it[1]))).for_each(|pair| {
            begins[pair_of(pair.0, pair.1)] = true;
        });
        Self { key, windows, hex, begins }
    }

    /// Reports whether any piece of it is in there, as it is, encoded or backwards.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        (1..bytes.len()).filter(|&at| self.begins[pair_of(bytes[at - 1], bytes[at])]).any(|at| {
            let rest = &bytes[at - 1..];
            rest.get(..WINDOW).is_some_and(|window| self.windows.contains(window))
                || rest.get(..2 * WINDOW).is_some_and(|window| self.hex.contains(window))
        })
    }

    /// Asserts that none is.
    #[track_caller]
    pub(crate) fn assert_not_in(&self, bytes: &[u8], what: &str) {
        assert!(!self.is_in(bytes), "{what} holds the key {}:\n{}", self.key, String::from_utf8_lossy(bytes));
    }

    /// Looks at every file below a folder, its name, and where a link leads; not below the exceptions.
    #[track_caller]
    pub(crate) fn assert_not_below(&self, folder: &Path, except: &[PathBuf]) {
        let mut waiting = vec![folder.to_owned()];
        while let Some(path) = waiting.pop() {
            if except.iter().any(|allowed| path.starts_with(allowed)) {
                continue;
            }
            self.assert_not_in(path.as_os_str().as_bytes(), "the name of a file");
            let meta = path.symlink_metadata().expect("there");
            if meta.is_dir() {
                waiting.extend(fs::read_dir(&path).expect("listed").map(|entry| entry.expect("an entry").path()));
            } else if meta.is_symlink() {
                self.assert_not_in(fs::read_link(&path).expect("a link").as_os_str().as_bytes(), "a link");
            } else if meta.is_file() {
                self.assert_not_in(&fs::read(&path).expect("readable"), &path.display().to_string());
            }
        }
    }
}

fn pair_of(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

pub(crate) fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks_exact(3)
        .flat_map(|three| {
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift) as usize & 63])
        })
        .collect()
}
