//! The index of the keys in the OS keychain: one `provider/alias` a line, in the state directory.
//!
//! A keychain that was not unlocked since it started cannot tell its entries' names. Names are no secret, so Ringlet
//! notes those it stores. The index may miss what other tools stored, and it never decides whether a key exists.

use super::StoreError;
use crate::name::KeyName;
use crate::platform;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The index file.
pub(in crate::store) struct Index {
    file: PathBuf,
    /// Why the last name could not be noted.
    missed: Mutex<Option<String>>,
}

impl Index {
    /// Makes the index that lies in this file.
    pub(in crate::store) fn new(file: PathBuf) -> Self {
        Self { file, missed: Mutex::default() }
    }

    /// Returns all names. A damaged line is left out: the index is a convenience, and the next change writes it anew.
    pub(in crate::store) fn read(&self) -> Result<BTreeSet<KeyName>, StoreError> {
        match platform::read_file(&self.file, 64 << 20) {
            Ok(read) => Ok(String::from_utf8_lossy(&read.bytes).lines().filter_map(|line| line.parse().ok()).collect()),
            Err(error) if error.is_absent() => Ok(BTreeSet::new()),
            Err(error) => Err(self.failed(format!("cannot be read: {error}"))),
        }
    }

    /// Notes that a key is there now, or is not any more. A change of a store counts without its index, so that a
    /// failure is for [`Self::missed`].
    pub(in crate::store) fn note(&self, key: KeyName, is_there: bool) {
        let noted = self.change(|names| if is_there { names.insert(key) } else { names.remove(&key) });
        if let Err(error) = noted {
            let said = format!("while the keys are locked, the list of their names is not up to date: {error}");
            *self.missed.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
        }
    }

    /// Why a name could not be noted since the last call.
    pub(in crate::store) fn missed(&self) -> Option<String> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Changes the index under a lock. A crash leaves the old one or the new one.
    pub(in crate::store) fn change(&self, edit: impl FnOnce(&mut BTreeSet<KeyName>) -> bool) -> Result<(), StoreError> {
        let failed = |error: std::io::Error| self.failed(format!("cannot be written: {error}"));
        let folder = self.file.parent().expect("the index lies in the state directory");
        platform::create_private_folder(folder).map_err(failed)?;
        let _lock = platform::lock_file(&self.file.with_extension("lock"), Duration::from_secs(5))?;
        let mut names = self.read()?;
        if !edit(&mut names) {
            return Ok(());
        }
        let text: String = names.iter().map(|name| format!("{name}\n")).collect();
        platform::replace_file(&self.file, text.as_bytes()).map_err(failed)
    }

    fn failed(&self, why: String) -> StoreError {
        StoreError::File { file: self.file.clone(), line: None, why }
    }
}
