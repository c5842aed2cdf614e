//! A file of keys: the user's own, readable by nobody else, and replaced whole under a lock.

use super::StoreError;
use crate::platform::private::{self, NotPrivate, Privacy};
use crate::platform::{self, Access, NotLasting, ReadError};
use crate::secret::Secret;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// The time limit for another process to end its change.
const PATIENCE: Duration = Duration::from_secs(5);

/// The file.
pub(super) struct OwnFile {
    path: PathBuf,
    most: u64,
}

impl OwnFile {
    /// A file of so many bytes at most; nothing is read yet.
    pub(super) fn new(path: PathBuf, most: u64) -> Self {
        Self { path, most }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn failed(&self, why: impl Into<String>) -> StoreError {
        StoreError::File { file: self.path.clone(), line: None, why: why.into() }
    }

    // The content is not to blame.
    fn io(&self, doing: &'static str, error: &io::Error) -> StoreError {
        let (file, why) = (self.path.clone(), error.to_string());
        if NotLasting::is(error) { StoreError::NotLasting { file, why } } else { StoreError::Io { file, doing, why } }
    }

    /// The content; `None` without a file.
    pub(super) fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let read = match platform::read_file(&self.path, self.most) {
            Ok(read) => read,
            Err(error) if error.is_absent() => return Ok(None),
            Err(ReadError::Io(error)) => return Err(self.io("read", &error)),
            Err(error) => return Err(self.failed(format!("cannot be read: {error}"))),
        };
        let bytes = Zeroizing::new(read.bytes);
        self.check(&read.access)?;
        Ok(Some(bytes))
    }

    /// Refuses a file that is another account's, or that others may read. It is checked once it is open.
    pub(super) fn check(&self, access: &Access) -> Result<(), StoreError> {
        private::check(access, Privacy::Unread).map_err(|why| {
            let must = if matches!(why, NotPrivate::Open(_)) { "; it must be 0600" } else { "" };
            StoreError::Unsafe { file: self.path.clone(), why: format!("{why}{must}") }
        })
    }

    /// The text that is in it. It is checked in place and then moved, so that no second copy is made.
    pub(super) fn text(&self, mut bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, StoreError> {
        if let Err(error) = std::str::from_utf8(&bytes) {
            let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
            let (file, why) = (self.path.clone(), "is not UTF-8 from here on".to_owned());
            return Err(StoreError::File { file, line: Some(line), why });
        }
        Ok(Zeroizing::new(String::from_utf8(std::mem::take(&mut *bytes)).expect("checked above")))
    }

    /// A value as it stands in a text.
    pub(super) fn value<'a>(&self, secret: &'a Secret) -> Result<&'a str, StoreError> {
        std::str::from_utf8(secret.expose()).map_err(|_| self.failed("holds text, and this key is not UTF-8"))
    }

    /// Replaces the content by what is made of it; `false` where that is nothing, and the file stays as it was.
    pub(super) fn change<T: AsRef<[u8]>>(
        &self,
        edit: impl FnOnce(Option<Zeroizing<Vec<u8>>>) -> Result<Option<T>, StoreError>,
    ) -> Result<bool, StoreError> {
        let failed = |error: io::Error| self.io("written", &error);
        // A symlink into somebody's dotfiles stays a symlink: what it leads to is replaced.
        let target = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let folder = target.parent().expect("a file lies in a folder");
        platform::create_private_folder(folder).map_err(failed)?;
        let mut lock = target.clone().into_os_string();
        lock.push(".lock");
        let _lock = platform::lock_file(Path::new(&lock), PATIENCE)?;
        // A copy of every key that a killed change left behind.
        platform::remove_strays(&target).map_err(failed)?;
        let Some(after) = edit(self.read()?)? else { return Ok(false) };
        platform::replace_file(&target, after.as_ref()).map_err(failed)?;
        Ok(true)
    }
}
