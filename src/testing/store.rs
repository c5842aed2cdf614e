//! The file store's two ways to one entry of a large file, beside a parse of the whole file.

use crate::store::file::document::entry_alone;
use crate::store::file::entry::{Entries, Found, Pair, taken};
use crate::store::file::index::Index;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

/// A file of entries. Its index names the entries that a parse of the whole file finds, and reads each of them as the
/// parse does. So does the search for the header of one entry.
pub fn entries(bytes: &[u8]) {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    let start = |mut file: &File| file.seek(SeekFrom::Start(0)).expect("a file");
    start(&file);
    let index = Index::new(&file);
    let Some(parsed) = std::str::from_utf8(bytes).ok().and_then(|text| toml::from_str::<Entries>(text).ok()) else {
        return assert!(index.is_none(), "a file that does not parse has no index");
    };
    let names = pairs(&parsed);
    if let Some(index) = &index {
        let indexed: Vec<_> = index.names().map(|(first, second)| (first.to_owned(), second.to_owned())).collect();
        assert_eq!(indexed, names);
    }
    let mut whole = parsed;
    for (first, second) in &names {
        let pair = (first.as_str(), second.as_str());
        let wanted = facts(taken(&mut whole, pair));
        if let Some(index) = &index {
            let text = index.entry(&file, pair).expect("readable").expect("an entry");
            assert_eq!(of_text(&text, pair), wanted, "by the index: {pair:?}");
        }
        start(&file);
        if let Some(text) = entry_alone(&file, pair) {
            assert_eq!(of_text(&text, pair), wanted, "by its header: {pair:?}");
        }
    }
    start(&file);
    let absent = ("absent", "absent");
    if !names.iter().any(|(first, second)| (first.as_str(), second.as_str()) == absent) {
        assert!(entry_alone(&file, absent).is_none(), "an entry that is not there");
    }
}

fn pairs(entries: &Entries) -> Vec<(String, String)> {
    entries.iter().flat_map(|(first, below)| below.keys().map(move |second| (first.clone(), second.clone()))).collect()
}

/// A value and its attributes.
type Facts = (Vec<u8>, Vec<(String, String)>);

fn of_text(text: &str, pair: Pair<'_>) -> Option<Facts> {
    facts(taken(&mut toml::from_str(text).expect("an entry parses"), pair))
}

fn facts(found: Option<Found>) -> Option<Facts> {
    found.map(|(secret, attributes)| (secret.expose().to_vec(), attributes))
}
