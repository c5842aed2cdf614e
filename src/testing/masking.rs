//! Text that holds keys, as the journal writes it down and as people see it.

use super::keys;
use super::records::SEAL;
use crate::migrate::keyset::{Key, KeySet};
use crate::migrate::seal::Seal;
use crate::migrate::tokens::{self, Recorder};
use crate::secret::Secret;

// Shorter ones would be pieces of the fixed words around them.
const SHORTEST: usize = 16;

/// Keys on the first lines, then an empty line and a text. Of three keys the last one is not kept.
pub fn masking(bytes: &[u8]) {
    let Some(end) = memchr::memmem::find(bytes, b"\n\n") else { return };
    let (names, text) = (keys::filled(&bytes[..end]), keys::filled(&bytes[end + 2..]));
    let values = names.split(|byte| *byte == b'\n').filter(|key| key.len() >= SHORTEST).take(3).enumerate();
    let all = values.map(|(number, value)| Key { value, number: Some(number).filter(|number| *number < 2) });
    let all: Vec<Key<'_>> = all.collect();
    let keys = KeySet::new(all.clone());
    recorded(&text, &all, &keys);
    shown(&text, &all, &keys);
}

// What is written down holds no piece of a key and is the very text again.
fn recorded(text: &[u8], all: &[Key<'_>], keys: &KeySet<'_>) {
    let seal = Seal::new(Secret::new(SEAL.to_vec()));
    let recorded = Recorder::new(all.to_vec(), &seal).record(text);
    let written = serde_json::to_value(&recorded).expect("tokens serialise");
    keys::assert_no_piece(&written, keys);
    let value = |number: usize| all.iter().find(|key| key.number == Some(number)).map(|key| key.value);
    assert_eq!(*tokens::restore(&recorded, &value, &seal).expect("a key for each reference"), text);
}

// What people see keeps its lines, holds no telling piece of a key, and is the text itself where no key is near.
fn shown(text: &[u8], all: &[Key<'_>], keys: &KeySet<'_>) {
    let shown = keys.mask(text);
    let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines(shown.as_bytes()), lines(text), "{shown:?}");
    let values: Vec<String> = all.iter().map(|key| String::from_utf8_lossy(key.value).into_owned()).collect();
    if all.iter().all(|key| std::str::from_utf8(key.value).is_ok()) {
        keys::assert_hidden(&shown, &values);
    }
    let may_begin = |byte: &u8| {
        matches!(byte, b'\\' | b'`' | b'\'' | b'"' | b'$') || all.iter().any(|key| key.value.contains(byte))
    };
    if !text.iter().any(may_begin) {
        assert_eq!(shown, String::from_utf8_lossy(text));
    }
}
