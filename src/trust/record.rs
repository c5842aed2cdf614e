//! The records of the user's decisions about one path, as they are stored and as a launch asks them.

use super::evidence::Evidence;
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum Decision {
    Allow,
    Deny,
}

/// A record of the user's decision about one path.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    // For people who read the folder. The record's file name binds it to the path.
    pub(super) path: String,
    pub(super) decision: Decision,
    pub(super) sha256: Option<String>,
    // What the file chose when it was allowed, for people. The digest alone decides.
    #[serde(default)]
    pub(super) said: Option<String>,
    // The SHA-256 of the allowed file's path, if symbolic links lead to it.
    #[serde(default)]
    pub(super) leads_to: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) values: Vec<BoundValue>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) files: Vec<BoundFile>,
}

/// The values and programs that a record binds, for a file that an agent reads itself or for a folder of code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bound {
    /// The entries that are not harmless by themselves.
    pub values: Vec<BoundValue>,
    /// The programs that the entries start, or the files of the folder.
    pub files: Vec<BoundFile>,
}

/// An entry that a record binds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoundValue {
    /// The SHA-256 of the names that lead to the entry.
    pub at: String,
    /// The names for people, shortened and without texts that look like secrets.
    pub name: String,
    /// The SHA-256 of the value's canonical form.
    pub sha256: String,
    /// The value for people, shortened and without texts that look like secrets.
    pub shown: String,
}

/// A file that a record binds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoundFile {
    /// The path as a value names it, or the path inside a folder of code.
    pub path: String,
    /// The SHA-256 of its bytes.
    pub sha256: String,
}

/// The user's records about one path.
pub(crate) struct PathRecords {
    pub(super) records: Vec<Record>,
    // The values by the digest of their names. A worktree and its repository may each have one.
    values: HashMap<String, Vec<BoundValue>>,
    files: HashMap<String, Vec<String>>,
}

impl PathRecords {
    pub(crate) fn new(mut records: Vec<Record>) -> Self {
        let mut values = HashMap::<String, Vec<BoundValue>>::new();
        let mut files = HashMap::<String, Vec<String>>::new();
        for record in &mut records {
            for value in record.values.drain(..) {
                values.entry(value.at.clone()).or_default().push(value);
            }
            for file in record.files.drain(..) {
                files.entry(file.path).or_default().push(file.sha256);
            }
        }
        Self { records, values, files }
    }

    /// Reports whether the user denied the path.
    pub(crate) fn is_denied(&self) -> bool {
        self.records.iter().any(|record| record.decision == Decision::Deny)
    }

    /// Reports whether these bytes were allowed.
    pub(crate) fn allows(&self, file: &Evidence) -> bool {
        !self.is_denied() && self.records.iter().any(|record| record.allows(file))
    }

    /// Reports whether a file with this digest was allowed as a whole.
    pub(crate) fn allows_file(&self, digest: Digest) -> bool {
        let digest = digest.to_string();
        let is_same = |record: &Record| record.decision == Decision::Allow && record.sha256.as_ref() == Some(&digest);
        !self.is_denied() && self.records.iter().any(is_same)
    }

    /// Returns what the allowed bytes chose, in words.
    pub(crate) fn said(&self) -> Option<&str> {
        self.records.iter().find_map(|record| record.said.as_deref())
    }

    /// Reports whether any bytes were allowed.
    pub(crate) fn has_bytes(&self) -> bool {
        self.records.iter().any(|record| record.sha256.is_some())
    }

    /// Reports whether an entry was allowed with this value.
    pub(crate) fn allows_value(&self, at: &str, digest: Digest) -> bool {
        let digest = digest.to_string();
        self.values.get(at).is_some_and(|values| values.iter().any(|value| value.sha256 == digest))
    }

    /// Returns a value that was allowed for an entry.
    pub(crate) fn value(&self, at: &str) -> Option<&str> {
        self.values.get(at)?.first().map(|value| value.shown.as_str())
    }

    /// Reports whether a program was allowed with this content. `path` is a [`BoundFile::path`].
    pub(crate) fn allows_program(&self, path: &Path, digest: Digest) -> bool {
        let digest = digest.to_string();
        self.files.get(path.to_string_lossy().as_ref()).is_some_and(|known| known.contains(&digest))
    }

    /// Reports whether a program was allowed with any content.
    pub(crate) fn has_program(&self, path: &Path) -> bool {
        self.files.contains_key(path.to_string_lossy().as_ref())
    }

    /// Reports whether any file was allowed.
    pub(crate) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }
}

impl Record {
    /// Reads a record, or returns what is wrong with it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
        toml::from_str(text).map_err(|error| format!("does not parse: {}", error.message()))
    }

    /// Returns the record's text.
    pub(crate) fn to_text(&self) -> String {
        toml::to_string(self).expect("strings always serialise")
    }

    pub(super) fn allows(&self, file: &Evidence) -> bool {
        self.decision == Decision::Allow
            && self.sha256.as_deref() == Some(file.sha256())
            && self.leads_to == leads_to(file)
    }
}

/// Returns the hash of the target's path. The path itself may be no text.
pub(super) fn leads_to(file: &Evidence) -> Option<String> {
    let canonical = file.canonical.as_os_str();
    (file.place != file.canonical).then(|| Digest::of(canonical.as_encoded_bytes()).to_string())
}
