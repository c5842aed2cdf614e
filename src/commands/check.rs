//! The result of one check of `ringlet doctor`: how it ended, what was found, and what helps.

use crate::hint::Hint;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    /// Nothing is wrong.
    Good,
    /// Something that the user may want to know.
    Note,
    /// Something that has to be mended; `doctor` ends with status 1.
    Bad,
}

/// One check and its result.
pub(super) struct Check {
    /// How it ended.
    pub(super) grade: Grade,
    /// What was found.
    pub(super) text: String,
    /// What helps.
    pub(super) hint: Option<Hint>,
}
