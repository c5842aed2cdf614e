//! One snapshot of the environment, and ordered changes to it.
//!
//! The snapshot is taken once, at start; nothing below the edge asks the process for a variable again, so a launch
//! is decided by one consistent view. Values stay `OsString`: a variable that is not UTF-8 passes through untouched.

use crate::name::Variable;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The environment as it was when Ringlet started, in its original order.
#[derive(Clone, Default)]
pub struct Env {
    pairs: Vec<(OsString, OsString)>,
}

/// One change, applied in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets a variable, replacing every earlier value.
    Set(Variable, OsString),
    /// Takes a variable away.
    Unset(Variable),
}

impl Env {
    /// Takes the snapshot of this process.
    pub fn current() -> Self {
        Self { pairs: std::env::vars_os().collect() }
    }

    /// A snapshot from given pairs.
    pub fn from_pairs<K: Into<OsString>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self { pairs: pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect() }
    }

    /// A variable's value; an empty one counts as a value.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.pairs.iter().find(|(key, _)| same_name(key, name)).map(|(_, value)| value.as_os_str())
    }

    /// A variable's value unless it is unset or empty.
    pub fn non_empty(&self, name: &str) -> Option<&OsStr> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// A variable that holds an absolute path; anything else is as good as unset (the XDG specification's rule).
    pub fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.non_empty(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// A variable's value as it would be after these changes.
    pub fn get_after<'a>(&'a self, changes: &'a [Change], name: &str) -> Option<&'a OsStr> {
        let last = changes.iter().rev().find_map(|change| match change {
            Change::Set(other, value) if same_name(OsStr::new(other.as_str()), name) => Some(Some(value.as_os_str())),
            Change::Unset(other) if same_name(OsStr::new(other.as_str()), name) => Some(None),
            Change::Set(..) | Change::Unset(_) => None,
        });
        last.unwrap_or_else(|| self.get(name))
    }

    /// Every pair, in order.
    pub fn pairs(&self) -> &[(OsString, OsString)] {
        &self.pairs
    }

    /// The variables' names that are UTF-8, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter_map(|(key, _)| key.to_str())
    }

    /// Applies changes in order.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Set(name, value) => self.set(name.as_str(), value.clone()),
                Change::Unset(name) => self.unset(name.as_str()),
            }
        }
    }

    /// Sets one variable; it keeps its place when it was there.
    pub fn set(&mut self, name: &str, value: OsString) {
        match self.pairs.iter().position(|(key, _)| same_name(key, name)) {
            Some(at) => {
                self.pairs[at].1 = value;
                // A duplicate further down would win in a program that keeps the last one.
                let mut index = 0;
                self.pairs.retain(|(key, _)| {
                    index += 1;
                    index - 1 <= at || !same_name(key, name)
                });
            }
            None => self.pairs.push((name.into(), value)),
        }
    }

    /// Keeps the variables whose name is not text, and those that `keep` says.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.pairs.retain(|(key, _)| key.to_str().is_none_or(&keep));
    }

    /// Takes a variable away and gives its value.
    pub fn take(&mut self, name: &str) -> Option<OsString> {
        let value = self.get(name).map(OsStr::to_os_string);
        self.unset(name);
        value
    }

    /// Takes every occurrence of a variable away.
    pub fn unset(&mut self, name: &str) {
        self.pairs.retain(|(key, _)| !same_name(key, name));
    }
}

// Windows compares variable names without regard to case.
fn same_name(key: &OsStr, name: &str) -> bool {
    if cfg!(windows) { key.eq_ignore_ascii_case(name) } else { key == OsStr::new(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_variable_keeps_its_place_and_loses_its_duplicates() {
        let mut env = Env::from_pairs([("A", "1"), ("B", "2"), ("A", "3")]);
        env.apply(&[Change::Set("A".parse().expect("valid"), "x".into())]);
        assert_eq!(env.pairs(), [("A".into(), "x".into()), ("B".into(), "2".into())]);
        let changes =
            [Change::Unset("B".parse().expect("valid")), Change::Set("C".parse().expect("valid"), "3".into())];
        let after = ["A", "B", "C", "D"].map(|name| env.get_after(&changes, name));
        assert_eq!(after, [Some("x".as_ref()), None, Some("3".as_ref()), None]);
        env.apply(&[Change::Unset("A".parse().expect("valid"))]);
        assert_eq!(env.get("A"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_relative_path_is_as_good_as_unset() {
        let env = Env::from_pairs([("X", "rel"), ("Y", "/abs"), ("Z", "")]);
        assert_eq!(env.absolute("X"), None);
        assert_eq!(env.absolute("Y"), Some("/abs".into()));
        assert_eq!(env.non_empty("Z"), None);
    }
}
