//! What the person at the terminal decided. Without a decision everything moves that can.

use crate::migrate::model::Reason;
use crate::name::Alias;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The decisions. Its `Debug` is left out: it holds keys.
#[derive(Default)]
pub(crate) struct Choices {
    /// The files that stay as they are, symlinks resolved, each with the reason.
    pub files: BTreeMap<PathBuf, Reason>,
    /// The launchers that stay: the file, symlinks resolved, and where the command of their agent begins.
    pub launchers: BTreeSet<(PathBuf, usize)>,
    /// The keys that stay.
    pub skipped: Vec<Zeroizing<Vec<u8>>>,
    /// The aliases that the person gave: provider, key, alias.
    pub aliases: Vec<(String, Zeroizing<Vec<u8>>, Alias)>,
}

impl Choices {
    /// The alias that the person gave to a key.
    pub(super) fn alias(&self, provider: &str, key: &[u8]) -> Option<&Alias> {
        let own = |(own, value, _): &&(String, Zeroizing<Vec<u8>>, Alias)| own == provider && **value == *key;
        self.aliases.iter().rfind(own).map(|(.., alias)| alias)
    }
}
