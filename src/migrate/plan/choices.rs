//! What the person at the terminal decided. Without a decision everything moves that can.

use crate::name::{Alias, KeyName};
use std::collections::BTreeSet;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The decisions. Its `Debug` is left out: it holds keys.
#[derive(Default)]
pub(crate) struct Choices {
    /// The files that stay as they are, symlinks resolved.
    pub files: BTreeSet<PathBuf>,
    /// The launchers that stay: the file, symlinks resolved, and where the command of their agent begins.
    pub launchers: BTreeSet<(PathBuf, usize)>,
    /// The entries of agents' stores of logins that move: the file, symlinks resolved, and the entry's name.
    pub entries: BTreeSet<(PathBuf, String)>,
    /// The aliases that the person gave: provider, key, alias.
    aliases: Vec<(String, Zeroizing<Vec<u8>>, Alias)>,
}

impl Choices {
    /// Names a key. Another key of this name gets another one.
    pub(crate) fn name(&mut self, name: &KeyName, key: &Zeroizing<Vec<u8>>) {
        let provider = name.provider.to_string();
        self.aliases.retain(|(own, value, alias)| *own != provider || *alias != name.alias && **value != **key);
        self.aliases.push((provider, key.clone(), name.alias.clone()));
    }

    /// The alias that the person gave to a key.
    pub(super) fn alias(&self, provider: &str, key: &[u8]) -> Option<&Alias> {
        let own = |(own, value, _): &&(String, Zeroizing<Vec<u8>>, Alias)| own == provider && **value == *key;
        self.aliases.iter().find(own).map(|(.., alias)| alias)
    }
}
