//! On which conditions a shell comes to what a file reads.
//!
//! A file that is read where a test of that file (or of its folder) succeeds is read always, since it is there. What
//! holds in the user's own interactive login shell holds always, too. Every other condition may hold or not.

use std::path::{Path, PathBuf};

/// What has to hold, all of it. Without parts it always holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Condition(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    // One of these is there.
    There(Vec<PathBuf>),
    // None of these is there.
    Missing(Vec<PathBuf>),
    // It never holds.
    Never,
    // Nothing is known about it.
    Unknown,
}

impl Condition {
    pub(super) fn always() -> Self {
        Self::default()
    }

    pub(super) fn never() -> Self {
        Self(vec![Part::Never])
    }

    pub(super) fn unknown() -> Self {
        Self(vec![Part::Unknown])
    }

    /// That one of these paths is there; without paths nothing is known.
    pub(super) fn there(paths: Vec<PathBuf>) -> Self {
        Self(vec![if paths.is_empty() { Part::Unknown } else { Part::There(paths) }])
    }

    pub(super) fn of(holds: bool) -> Self {
        if holds { Self::always() } else { Self::never() }
    }

    /// Reports whether it holds whatever is read.
    pub(super) fn is_sure(&self) -> bool {
        self.0.is_empty()
    }

    /// Reports whether it holds wherever this file is there.
    pub(super) fn is_met(&self, path: &Path) -> bool {
        let is_met = |part: &Part| match part {
            Part::There(paths) => paths.iter().any(|own| path.starts_with(own)),
            Part::Missing(_) | Part::Never | Part::Unknown => false,
        };
        self.0.iter().all(is_met)
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        for part in other.0 {
            // So many different parts are a condition of which nothing is known.
            if self.0.len() >= 8 {
                return Self(vec![if self.0.contains(&Part::Never) { Part::Never } else { Part::Unknown }]);
            }
            if !self.0.contains(&part) {
                self.0.push(part);
            }
        }
        self
    }

    pub(super) fn or(self, other: Self) -> Self {
        match (&self.0[..], &other.0[..]) {
            ([], _) | (_, []) => Self::always(),
            (own, _) if own.contains(&Part::Never) => other,
            (_, others) if others.contains(&Part::Never) => self,
            ([Part::There(own)], [Part::There(others)]) => Self::there([&own[..], others].concat()),
            _ => Self::unknown(),
        }
    }

    pub(super) fn not(self) -> Self {
        if self.0.contains(&Part::Never) {
            return Self::always();
        }
        match &self.0[..] {
            [] => Self::never(),
            [Part::There(paths)] => Self(vec![Part::Missing(paths.clone())]),
            [Part::Missing(paths)] => Self(vec![Part::There(paths.clone())]),
            _ => Self::unknown(),
        }
    }
}
