//! The index of the keys in the OS keychain: one `provider/alias` a line, in the state directory.
//!
//! A keychain that was not unlocked since it started cannot tell its entries' names. Names are no secret, so Ringlet
//! notes those it stores. The index may miss what other tools stored, and it never decides whether a key exists.

use super::StoreError;
use crate::name::KeyName;
use crate::platform;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// The index file.
pub(in crate::store) struct Index(PathBuf);

impl Index {
    /// Makes the index that lies in this file.
    pub(in crate::store) fn new(file: PathBuf) -> Self {
        Self(file)
    }

    /// Returns all names. A damaged line is left out: the index is a convenience, and the next change writes it anew.
    pub(in crate::store) fn read(&self) -> Result<BTreeSet<KeyName>, StoreError> {
        match platform::read_file(&self.0, 64 << 20) {
            Ok(read) => Ok(String::from_utf8_lossy(&read.bytes).lines().filter_map(|line| line.parse().ok()).collect()),
            Err(error) if error.is_absent() => Ok(BTreeSet::new()),
            Err(error) => Err(self.failed(format!("cannot be read: {error}"))),
        }
    }

    /// Changes the index under a lock. A crash leaves the old one or the new one.
    pub(in crate::store) fn change(&self, edit: impl FnOnce(&mut BTreeSet<KeyName>) -> bool) -> Result<(), StoreError> {
        let failed = |error: std::io::Error| self.failed(format!("cannot be written: {error}"));
        let folder = self.0.parent().expect("the index lies in the state directory");
        platform::create_private_folder(folder).map_err(failed)?;
        let _lock = platform::lock_file(&self.0.with_extension("lock"), Duration::from_secs(5))?;
        let mut names = self.read()?;
        if !edit(&mut names) {
            return Ok(());
        }
        let text: String = names.iter().map(|name| format!("{name}\n")).collect();
        platform::replace_file(&self.0, text.as_bytes()).map_err(failed)
    }

    fn failed(&self, why: String) -> StoreError {
        StoreError::File { file: self.0.clone(), line: None, why }
    }
}
