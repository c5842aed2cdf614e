//! Ringlet's own stores, by their names in the settings.

use serde::Deserialize;

/// The credential store that is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The OS keychain, or the file if the system has none.
    #[default]
    System,
    /// Always the file.
    File,
    /// The OS keychain only.
    SystemOnly,
    /// Always the file that is encrypted by age.
    EncryptedFile,
}

impl Backend {
    /// The names in the settings.
    pub(crate) const NAMES: [(&str, Self); 4] = [
        ("system", Self::System),
        ("file", Self::File),
        ("system-only", Self::SystemOnly),
        ("encrypted-file", Self::EncryptedFile),
    ];

    /// The name in the settings.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find_map(|(name, own)| (*own == self).then_some(*name)).expect("each has a name")
    }

    /// Returns the store of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find_map(|(own, backend)| (*own == name).then_some(*backend))
    }
}
