//! The functions with which `build.rs` writes the built-in definitions.
//!
//! Several texts stand in one literal, separated by ASCII's unit separator: an array of references would have to be
//! relocated at each start of a position-independent program, for every definition.

use super::guard::{Entry, Rule, Scalar};
use super::located::Located;
use std::collections::BTreeMap;

const SEPARATOR: char = '\u{1f}';

/// A type of a field that a text is read into.
pub(super) trait Text {
    /// The value for a literal.
    fn of(literal: &str) -> Self;
}

impl Text for String {
    fn of(literal: &str) -> Self {
        literal.to_owned()
    }
}

impl Text for Located {
    fn of(literal: &str) -> Self {
        Self::built_in(literal)
    }
}

impl Text for Scalar {
    fn of(literal: &str) -> Self {
        Self::Text(literal.to_owned())
    }
}

impl<T: Text> Text for Option<T> {
    fn of(literal: &str) -> Self {
        Some(T::of(literal))
    }
}

/// One text.
pub(super) fn text<T: Text>(literal: &str) -> T {
    T::of(literal)
}

/// A list of texts.
pub(super) fn texts<T: Text>(literal: &str) -> Vec<T> {
    literal.split(SEPARATOR).map(T::of).collect()
}

/// A table of texts: each name is followed by its value.
pub(super) fn pairs(literal: &str) -> BTreeMap<Located, String> {
    let mut texts = literal.split(SEPARATOR);
    std::iter::from_fn(|| Some((text(texts.next()?), text(texts.next()?)))).collect()
}

/// A rule that is a table: names, each list with the rule of every entry in it. A `!` before a name makes the entry
/// required.
pub(super) fn table<const LISTS: usize>(lists: [(&str, Rule); LISTS]) -> Rule {
    let mut entries = Vec::new();
    for (names, rule) in lists {
        entries.extend(names.split(SEPARATOR).map(|name| Entry::new(name, rule.clone())));
    }
    Rule::Table(entries)
}
