//! The words of a command line.

use super::guard::agents;
use crate::env::Env;
use crate::guard::argument_paths;
use crate::plan::interpreter::split_words;
use crate::platform;
use std::ffi::{OsStr, OsString};

/// The lines as words: what `env -S` takes apart is what was put together, and each place that an agent's words name
/// stands in one of them.
pub fn words(bytes: &[u8]) {
    let words: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if let Ok(taken) = split_words(bytes) {
        assert!(taken.iter().map(Vec::len).sum::<usize>() <= bytes.len());
    }
    let quoted: Vec<Vec<u8>> = words.iter().map(|word| quoted(word)).collect();
    assert_eq!(split_words(&quoted.join(&b' ')), Ok(words.clone()));
    let words: Vec<OsString> = words.into_iter().filter_map(platform::os_string_of).collect();
    for agent in agents() {
        let named = argument_paths(&agent.directory, &words, &Env::from_pairs::<&str, &str>([]));
        let directory = named.directory.iter().map(|named| &named.path);
        for place in named.adds.iter().chain(named.reads.iter().map(|(path, _)| path)).chain(directory) {
            assert!(words.iter().any(|word| holds(word, place.as_os_str())), "{}: {place:?} of {words:?}", agent.name);
        }
    }
}

// env(1): within single quotes a backslash is itself but before a backslash and a quote.
fn quoted(word: &[u8]) -> Vec<u8> {
    let escaped = word.iter().flat_map(|byte| match byte {
        b'\\' | b'\'' => vec![b'\\', *byte],
        byte => vec![*byte],
    });
    [b'\''].into_iter().chain(escaped).chain([b'\'']).collect()
}

fn holds(word: &OsStr, part: &OsStr) -> bool {
    memchr::memmem::find(word.as_encoded_bytes(), part.as_encoded_bytes()).is_some()
}
