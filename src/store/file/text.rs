//! The text of a file of entries: `[first.second]` with `key = "..."`, and `attributes` where an entry has any.
//!
//! The text is parsed as a whole, and edited so that comments and the other entries stay. No error repeats a line of
//! it.

use super::super::StoreError;
use super::entry::{Entries, Pair};
use std::path::Path;
use toml_edit::{DocumentMut, InlineTable, Item, Table, value};
use zeroize::Zeroizing;

/// A text that has another form, and the line where it has.
#[derive(Debug)]
pub(in crate::store) struct Misshapen(Option<usize>);

impl Misshapen {
    // The parser's own message may repeat a value, so only the place is passed on.
    fn new(text: &str, span: Option<std::ops::Range<usize>>) -> Self {
        Self(span.map(|span| {
            text.as_bytes()[..span.start.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1
        }))
    }

    /// The error of a file with this text.
    pub(in crate::store) fn in_file(self, file: &Path) -> StoreError {
        let why = "is not of the form `[provider.alias]` with `key = \"...\"`".to_owned();
        StoreError::File { file: file.to_owned(), line: self.0, why }
    }
}

/// Parses a text.
pub(in crate::store) fn parse(text: &str) -> Result<Entries, Misshapen> {
    toml::from_str(text).map_err(|error| Misshapen::new(text, error.span()))
}

/// The text with an entry, in place of an older one, whose attributes stay where none are given.
pub(in crate::store) fn with(
    text: &str,
    pair: Pair<'_>,
    key: &str,
    attributes: Option<&[(String, String)]>,
) -> Result<Zeroizing<String>, Misshapen> {
    let mut document = editable(text)?;
    let first = document.entry(pair.0).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let first = first.as_table_like_mut().expect("the file's form was checked");
    let entry = first.entry(pair.1).or_insert_with(|| Item::Table(Table::new()));
    let entry = entry.as_table_like_mut().expect("the file's form was checked");
    match entry.get_mut("key") {
        // Only the value is replaced: a comment behind it stays.
        Some(old) => {
            let decor = old.as_value().map(|value| value.decor().clone());
            *old = value(key);
            if let (Some(new), Some(decor)) = (old.as_value_mut(), decor) {
                *new.decor_mut() = decor;
            }
        }
        None => {
            entry.insert("key", value(key));
        }
    }
    match attributes {
        None => {}
        Some([]) => drop(entry.remove("attributes")),
        Some(some) => {
            let table: InlineTable = some.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            entry.insert("attributes", value(table));
        }
    }
    written(&document)
}

/// The text without an entry; `None` where it has none.
pub(in crate::store) fn without(text: &str, pair: Pair<'_>) -> Result<Option<Zeroizing<String>>, Misshapen> {
    let mut document = editable(text)?;
    let Some(first) = document.get_mut(pair.0).and_then(Item::as_table_like_mut) else { return Ok(None) };
    let Some(gone) = first.remove(pair.1) else { return Ok(None) };
    let mut gone = vec![gone];
    if first.is_empty() {
        gone.extend(document.remove(pair.0));
    }
    gone.iter().filter_map(Item::as_table).for_each(|table| keep_comments(&mut document, table));
    written(&document).map(Some)
}

fn editable(text: &str) -> Result<DocumentMut, Misshapen> {
    parse(text)?;
    text.parse().map_err(|error: toml_edit::TomlError| Misshapen::new(text, error.span()))
}

fn written(document: &DocumentMut) -> Result<Zeroizing<String>, Misshapen> {
    let after = Zeroizing::new(document.to_string());
    parse(&after)?;
    Ok(after)
}

// Comments in a paragraph of their own above a removed table are about more than it: they move to what follows.
fn keep_comments(document: &mut DocumentMut, removed: &Table) {
    let above = removed.decor().prefix().and_then(|text| text.as_str()).unwrap_or_default();
    let Some(kept) = above.rfind("\n\n").map(|end| &above[..end + 2]).filter(|text| text.contains('#')) else { return };
    let position = removed.position();
    let tables = document.as_table_mut().iter_mut().filter_map(|(_, item)| item.as_table_mut()).flat_map(|table| {
        // A provider without a header of its own has nothing to move a comment to.
        if table.is_implicit() || table.position() <= position {
            table.iter_mut().filter_map(|(_, item)| item.as_table_mut()).collect()
        } else {
            vec![table]
        }
    });
    let next = tables.filter(|table| table.position() > position).min_by_key(|table| table.position());
    match next {
        Some(next) => {
            let own = next.decor().prefix().and_then(|text| text.as_str()).unwrap_or_default();
            let both = format!("{kept}{}", own.trim_start_matches('\n'));
            next.decor_mut().set_prefix(both);
        }
        None => {
            let own = document.trailing().as_str().unwrap_or_default();
            let both = format!("{kept}{}", own.trim_start_matches('\n'));
            document.set_trailing(both);
        }
    }
}
