//! The result of one check of `ringlet doctor`: how it ended, what was found, and what helps.

use crate::failure::Failure;
use crate::hint::Hint;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    /// Nothing is wrong.
    Good,
    /// How this place differs from others; nothing is wrong with it.
    Here,
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
    /// What helps, with a command.
    pub(super) hint: Option<Hint>,
}

/// The checks so far.
#[derive(Default)]
pub(super) struct Checks {
    all: Vec<Check>,
    /// Whether config.toml could not be read, so that what it says is not known.
    pub(super) is_without_settings: bool,
}

impl Checks {
    /// Adds what is in order.
    pub(super) fn good(&mut self, text: impl Into<String>) {
        self.all.push(Check { grade: Grade::Good, text: text.into(), hint: None });
    }

    /// Adds what is different in this place.
    pub(super) fn here(&mut self, text: impl Into<String>, hint: impl Into<Hint>) {
        self.all.push(Check { grade: Grade::Here, text: text.into(), hint: Some(hint.into()) });
    }

    /// Adds what the user may want to know.
    pub(super) fn note(&mut self, text: impl Into<String>, hint: impl Into<Hint>) {
        self.all.push(Check { grade: Grade::Note, text: text.into(), hint: Some(hint.into()) });
    }

    /// Adds what has to be mended.
    pub(super) fn bad(&mut self, text: impl Into<String>, hint: impl Into<Hint>) {
        self.all.push(Check { grade: Grade::Bad, text: text.into(), hint: Some(hint.into()) });
    }

    /// Adds a failure with the first of its hints. What several things fail of is said once.
    pub(super) fn failed(&mut self, failure: impl Into<Failure>) {
        let Failure { message, hints, .. } = failure.into();
        if self.all.iter().any(|check| check.grade == Grade::Bad && check.text == message) {
            return;
        }
        self.all.push(Check { grade: Grade::Bad, text: message, hint: hints.into_iter().next() });
    }

    /// Adds checks that were made elsewhere.
    pub(super) fn extend(&mut self, checks: impl IntoIterator<Item = (Grade, String, Option<Hint>)>) {
        self.all.extend(checks.into_iter().map(|(grade, text, hint)| Check { grade, text, hint }));
    }

    /// Returns them all, in their order.
    pub(super) fn all(&self) -> &[Check] {
        &self.all
    }
}
