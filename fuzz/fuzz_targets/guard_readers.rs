//! Any project file, its reader chosen by the first byte: what is taken stays within the bounds.
#![no_main]

use ringlet::testing::{MAX_DEPTH, MAX_ENTRIES, Reader, Value, read};

/// The deepest level and the number of values.
fn extent(value: &Value) -> (usize, usize) {
    let inner: Vec<_> = match value {
        Value::List(list) => list.iter().map(extent).collect(),
        Value::Table(entries) => entries.iter().map(|(_, value)| extent(value)).collect(),
        _ => return (0, 0),
    };
    let depth = inner.iter().map(|(depth, _)| *depth).max().unwrap_or(0);
    (depth + 1, inner.iter().map(|(_, count)| count + 1).sum())
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, file)) = bytes.split_first() else { return };
    let readers =
        [Reader::Json, Reader::Toml, Reader::Yaml, Reader::Dotenv, Reader::Prompt, Reader::PromptToml];
    match read(readers[usize::from(*first) % readers.len()], file) {
        Ok(value) => {
            let (depth, entries) = extent(&value);
            assert!(depth <= MAX_DEPTH && entries <= MAX_ENTRIES, "{depth} levels, {entries} entries");
        }
        Err(unread) => {
            let shown = unread.to_string();
            assert!(shown.len() <= 160 && shown.is_ascii() && !shown.contains(|c: char| c.is_control()), "{shown:?}");
        }
    }
});
