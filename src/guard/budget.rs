//! The limit of the work of one inspection, for any project.

/// The bytes and folder entries that may still be read. A walk takes them before it reads, and fails once none is left.
pub(super) struct Budget {
    bytes: u64,
    entries: u32,
}

/// The project holds more than an inspection reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BudgetError {
    /// Too many bytes.
    #[error("it holds more than {} MiB", Budget::BYTES >> 20)]
    Bytes,
    /// An entry holds too many words that may name programs.
    #[error("an entry of it has more than {} words", Budget::WORDS)]
    Words,
    /// Too many files.
    #[error("it holds more than {} files", Budget::ENTRIES)]
    Entries,
}

impl Budget {
    const BYTES: u64 = 256 << 20;
    const ENTRIES: u32 = 20_000;
    /// The most words of one entry that may name programs.
    pub(super) const WORDS: usize = 2048;

    /// Returns the budget of one launch: 256 MiB and 20 000 files.
    pub(super) fn for_a_launch() -> Self {
        Self { bytes: Self::BYTES, entries: Self::ENTRIES }
    }

    /// Returns the bytes and entries that are left.
    #[cfg(test)]
    pub(super) fn left(&self) -> (u64, u32) {
        (self.bytes, self.entries)
    }

    /// Takes the bytes of a file that is about to be read.
    pub(super) fn take_bytes(&mut self, bytes: u64) -> Result<(), BudgetError> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(BudgetError::Bytes)?;
        Ok(())
    }

    /// Takes one entry of a folder.
    pub(super) fn take_entry(&mut self) -> Result<(), BudgetError> {
        self.entries = self.entries.checked_sub(1).ok_or(BudgetError::Entries)?;
        Ok(())
    }
}
