//! A snapshot of the environment, and ordered changes to it.
//!
//! The snapshot is taken once at the start. No other module reads a variable of the process, so that one consistent
//! view decides a launch. Values are `OsString`: a variable that is not UTF-8 passes unchanged.

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
    /// Removes a variable.
    Unset(Variable),
}

impl Env {
    /// Takes a snapshot of this process's environment.
    pub fn current() -> Self {
        Self { pairs: std::env::vars_os().collect() }
    }

    /// Makes a snapshot from pairs.
    pub fn from_pairs<K: Into<OsString>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self { pairs: pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect() }
    }

    /// Returns a variable's value, which may be empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.pairs.iter().find(|(key, _)| same_name(key, name)).map(|(_, value)| value.as_os_str())
    }

    /// Returns a variable's value unless it is empty.
    pub fn non_empty(&self, name: &str) -> Option<&OsStr> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Returns the absolute path in a variable. Any other value counts as unset, as the XDG base directory
    /// specification demands.
    pub fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.non_empty(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// Returns a variable's value after these changes.
    pub fn get_after<'a>(&'a self, changes: &'a [Change], name: &str) -> Option<&'a OsStr> {
        let last = changes.iter().rev().find_map(|change| match change {
            Change::Set(other, value) if same_name(OsStr::new(other.as_str()), name) => Some(Some(value.as_os_str())),
            Change::Unset(other) if same_name(OsStr::new(other.as_str()), name) => Some(None),
            Change::Set(..) | Change::Unset(_) => None,
        });
        last.unwrap_or_else(|| self.get(name))
    }

    /// Returns every pair in order.
    pub fn pairs(&self) -> &[(OsString, OsString)] {
        &self.pairs
    }

    /// Returns the names that are UTF-8, in order.
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

    /// Sets one variable. An existing variable keeps its position.
    pub fn set(&mut self, name: &str, value: OsString) {
        match self.pairs.iter().position(|(key, _)| same_name(key, name)) {
            Some(at) => {
                self.pairs[at].1 = value;
                // A later duplicate would win in a program that uses the last one.
                let mut index = 0;
                self.pairs.retain(|(key, _)| {
                    index += 1;
                    index - 1 <= at || !same_name(key, name)
                });
            }
            None => self.pairs.push((name.into(), value)),
        }
    }

    /// Removes the variables for which `keep` returns false. A variable whose name is not UTF-8 stays.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.pairs.retain(|(key, _)| key.to_str().is_none_or(&keep));
    }

    /// Removes a variable and returns its value.
    pub fn take(&mut self, name: &str) -> Option<OsString> {
        let value = self.get(name).map(OsStr::to_os_string);
        self.unset(name);
        value
    }

    /// Removes every occurrence of a variable.
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
