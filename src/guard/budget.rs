//! What one look at a project may cost, whatever the project holds.

/// How much may still be read. A walk takes from it before it reads, and ends with an error once nothing is left.
pub(super) struct Budget {
    bytes: u64,
    entries: u32,
}

/// A project holds more than is looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Spent {
    /// Too many bytes.
    #[error("it holds more than {} MiB", Budget::BYTES >> 20)]
    Bytes,
    /// Too many words that may lead to programs.
    #[error("an entry of it has more than {} words", Budget::WORDS)]
    Words,
    /// Too many files.
    #[error("it holds more than {} files", Budget::ENTRIES)]
    Entries,
}

impl Budget {
    const BYTES: u64 = 256 << 20;
    const ENTRIES: u32 = 20_000;
    /// How many words of one entry may lead to programs.
    pub(super) const WORDS: usize = 2048;

    /// What a launch may spend: 256 MiB and 20 000 files.
    pub(super) fn for_a_launch() -> Self {
        Self { bytes: Self::BYTES, entries: Self::ENTRIES }
    }

    /// The bytes and entries that are left.
    #[cfg(test)]
    pub(super) fn left(&self) -> (u64, u32) {
        (self.bytes, self.entries)
    }

    /// Takes the bytes of a file that is about to be read.
    pub(super) fn take_bytes(&mut self, bytes: u64) -> Result<(), Spent> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Spent::Bytes)?;
        Ok(())
    }

    /// Takes one entry of a folder.
    pub(super) fn take_entry(&mut self) -> Result<(), Spent> {
        self.entries = self.entries.checked_sub(1).ok_or(Spent::Entries)?;
        Ok(())
    }
}
