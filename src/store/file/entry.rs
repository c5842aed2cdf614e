//! The entries of a file, as they are parsed.

use super::super::Item;
use crate::secret::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A file of this size or more is not parsed for one entry. It is read in blocks of this size.
pub(in crate::store) const SMALL: usize = 32 * 1024;

/// What stands below a header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    key: Zeroizing<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// Entries by their two names.
pub(crate) type Entries = BTreeMap<String, BTreeMap<String, Entry>>;

/// Provider and alias, or a service and an account in it.
pub(crate) type Pair<'a> = (&'a str, &'a str);

/// A value and its attributes.
pub(crate) type Found = (Secret, Vec<(String, String)>);

impl Entry {
    /// The value and the attributes, which are moved and not copied.
    pub(crate) fn taken(mut self) -> Found {
        let secret = Secret::new(std::mem::take(&mut *self.key).into_bytes());
        (secret, std::mem::take(&mut self.attributes).into_iter().collect())
    }
}

/// Takes one entry out of those that were parsed.
pub(crate) fn taken(entries: &mut Entries, pair: Pair<'_>) -> Option<Found> {
    Some(entries.get_mut(pair.0)?.remove(pair.1)?.taken())
}

/// A value and its attributes, as the item of an account.
pub(in crate::store) fn item(account: String, (value, attributes): Found) -> Item {
    Item { account, attributes, value: Some(value) }
}
