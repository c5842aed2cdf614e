//! Stores in which OpenCode and Codex keep logins.

use super::keys;
use super::records::SEAL;
use crate::migrate::edit;
use crate::migrate::entries::{self, Store};
use crate::migrate::journal::FileRecord;
use crate::migrate::keyset::{Key, KeySet};
use crate::migrate::seal::Seal;
use crate::migrate::tokens::Recorder;
use crate::migrate::undo;
use crate::migrate::utf16::Encoding;
use crate::secret::Secret;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;

/// OpenCode's store, or Codex's (`c` as the first byte). What is taken out is the keys and nothing else; the journal
/// has no piece of them; and they come back, also into what the agent has written since.
pub fn logins(bytes: &[u8]) {
    let Some((first, before)) = bytes.split_first() else { return };
    let store = if *first == b'c' { Store::Codex } else { Store::OpenCode };
    let before = keys::filled(before);
    let Ok(found) = entries::read(&before, store) else { return };
    let can: BTreeSet<usize> = (0..found.keys.len()).filter(|at| found.keys[*at].stays.is_none()).collect();
    let cuts = found.cuts(&before, &can).expect("what is understood can be taken out");
    assert_eq!(cuts.len(), can.len(), "one cut for each key");
    let after = edit::apply(&before, &cuts);
    // What is nested too deep, or has a number out of range, can be skipped and not read.
    let Some(whole) = parsed(&before) else { return };
    let mut wanted = whole.clone();
    for at in &can {
        let entry = &found.keys[*at];
        match store {
            Store::OpenCode => drop(wanted.remove(&entry.name)),
            Store::Codex => {
                wanted.remove("OPENAI_API_KEY");
                wanted.insert("auth_mode".to_owned(), "apikey".into());
            }
        }
    }
    assert_eq!(parsed(&after).as_ref(), Some(&wanted), "nothing else changes");
    let values: Vec<Key<'_>> = can
        .iter()
        .enumerate()
        .map(|(number, at)| Key { value: &found.keys[*at].value, number: Some(number) })
        .collect();
    // The plan takes nothing shorter for a key.
    if values.iter().any(|key| key.value.len() < 20) {
        return;
    }
    let seal = Seal::new(Secret::new(SEAL.to_vec()));
    let recorder = Recorder::new(values.clone(), &seal);
    let record = FileRecord::new(Path::new("/store"), (&before, &after), Encoding::Bytes, &cuts, &recorder, &seal);
    let mut record = record.expect("text");
    record.store = Some(store);
    keys::assert_no_piece(&serde_json::to_value(&record).expect("a record"), &KeySet::new(values.clone()));
    let kept: Vec<_> = values.iter().map(|key| Ok(Secret::new(key.value.to_vec()))).collect();
    let undone = undo::image(&record, &after, &kept, &seal).expect("nobody touched it");
    assert_eq!(undone.bytes.as_slice(), before);
    let again = serde_json::to_vec_pretty(&wanted).expect("JSON");
    // A number may be read back as its neighbour, which the largest one does not have.
    let Some(wanted) = parsed(&again) else { return };
    let undone = undo::image(&record, &again, &kept, &seal).expect("it is read");
    assert_eq!(undone.left.len() + undone.back.len(), cuts.len());
    let now = parsed(&undone.bytes).expect("a store");
    let is_back = |number: &usize| {
        let entry = &found.keys[*can.iter().nth(*number).expect("a key")];
        let name = if store == Store::Codex { "OPENAI_API_KEY" } else { entry.name.as_str() };
        now.get(name) == whole.get(name)
    };
    assert!(undone.back.iter().all(is_back), "what is back is what it was");
    assert!(wanted.iter().all(|(name, value)| now.get(name) == Some(value)), "nothing else changes");
}

fn parsed(bytes: &[u8]) -> Option<Map<String, Value>> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(text).ok()
}
