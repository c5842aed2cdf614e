//! One encrypted file of entries. Its plaintext has the form of `credentials.toml`, and is in memory alone.
//!
//! The file must be the user's own and readable by nobody else. A change is made under a lock and replaces it whole.

use super::super::StoreError;
use super::super::file::document::entry_alone;
use super::super::file::entry::{Entries, Found, Pair, SMALL, taken};
use super::super::file::text::{self, Misshapen};
use super::super::unopened::Unopened;
use super::held::Held;
use super::identity::read;
use crate::age_file;
use crate::paths::Paths;
use crate::platform::{self, NotLasting};
use crate::secret::Secret;
use age::x25519::Identity;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

// As many as the plain file may have, and what encryption adds.
const MAX_BYTES: u64 = 33 << 20;

/// The file.
pub(super) struct Document {
    file: PathBuf,
    paths: Paths,
    find: Find,
}

/// Finds the identity that is held.
pub(super) type Find = fn(&Paths) -> Option<Held>;

impl Document {
    /// Nothing is read yet.
    pub(super) fn new(file: PathBuf, paths: &Paths, find: Find) -> Self {
        Self { file, paths: paths.clone(), find }
    }

    pub(super) fn path(&self) -> &Path {
        &self.file
    }

    pub(super) fn failed(&self, why: impl Into<String>) -> StoreError {
        StoreError::File { file: self.file.clone(), line: None, why: why.into() }
    }

    fn identity(&self) -> Result<Identity, StoreError> {
        Ok((self.find)(&self.paths).ok_or(Unopened::Locked)?.identity)
    }

    // `None` without a file, which needs no identity to be seen.
    fn read(&self) -> Result<Option<Zeroizing<String>>, StoreError> {
        let Some(sealed) = read(&self.file, MAX_BYTES)? else { return Ok(None) };
        self.text(&sealed, &self.identity()?).map(Some)
    }

    fn parse(&self, text: &str) -> Result<Entries, StoreError> {
        text::parse(text).map_err(|wrong| wrong.in_file(&self.file))
    }

    fn entries(&self) -> Result<Entries, StoreError> {
        self.read()?.map_or_else(|| Ok(Entries::new()), |text| self.parse(&text))
    }

    fn text(&self, sealed: &[u8], identity: &Identity) -> Result<Zeroizing<String>, StoreError> {
        let opened = age_file::decrypt(sealed, std::iter::once(identity as _));
        let mut bytes = opened.map_err(|why| self.failed(why.to_string()))?;
        // Checked in place and then moved, so that no second copy is made.
        if std::str::from_utf8(&bytes).is_err() {
            return Err(self.failed("holds bytes that are not UTF-8"));
        }
        Ok(Zeroizing::new(String::from_utf8(std::mem::take(&mut *bytes)).expect("checked above")))
    }

    /// One entry with its attributes.
    pub(super) fn find(&self, pair: Pair<'_>) -> Result<Option<Found>, StoreError> {
        let Some(text) = self.read()? else { return Ok(None) };
        // Of a large file only the entry is parsed.
        if text.len() >= SMALL
            && let Some(mut entries) = entry_alone(text.as_bytes(), pair).and_then(|entry| text::parse(&entry).ok())
        {
            return Ok(taken(&mut entries, pair));
        }
        Ok(taken(&mut self.parse(&text)?, pair))
    }

    /// Every entry below a first name, sorted, whose second name begins with the prefix and is wanted.
    pub(super) fn below(
        &self,
        (first, prefix): Pair<'_>,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<(String, Found)>, StoreError> {
        let entries = self.entries()?.remove(first).unwrap_or_default();
        let entries = entries.into_iter().filter(|(name, _)| name.starts_with(prefix) && wanted(name));
        Ok(entries.map(|(name, entry)| (name, entry.taken())).collect())
    }

    /// All entries, sorted by their names.
    pub(super) fn all(&self) -> Result<Vec<(String, String, Found)>, StoreError> {
        let entries = self.entries()?.into_iter();
        let all = entries.flat_map(|(first, below)| {
            below.into_iter().map(move |(second, entry)| (first.clone(), second, entry.taken()))
        });
        Ok(all.collect())
    }

    /// Stores an entry, replacing an older one, whose attributes stay where none are given.
    pub(super) fn put(
        &self,
        pair: Pair<'_>,
        secret: &Secret,
        attributes: Option<&[(String, String)]>,
    ) -> Result<(), StoreError> {
        let value =
            std::str::from_utf8(secret.expose()).map_err(|_| self.failed("holds text, and this key is not UTF-8"))?;
        self.change(|text| text::with(text, pair, value, attributes).map(Some))
    }

    /// Takes an entry away; `false` when there is none.
    pub(super) fn take(&self, pair: Pair<'_>) -> Result<bool, StoreError> {
        if read(&self.file, MAX_BYTES)?.is_none() {
            return Ok(false);
        }
        let mut there = false;
        self.change(|text| {
            let after = text::without(text, pair)?;
            there = after.is_some();
            Ok(after)
        })?;
        Ok(there)
    }

    // Nothing is written where the edit says that nothing changed.
    fn change(
        &self,
        edit: impl FnOnce(&str) -> Result<Option<Zeroizing<String>>, Misshapen>,
    ) -> Result<(), StoreError> {
        let failed = |error: std::io::Error| {
            let (file, why) = (self.file.clone(), error.to_string());
            match NotLasting::is(&error) {
                true => StoreError::NotLasting { file, why },
                false => StoreError::Io { file, doing: "written", why },
            }
        };
        let identity = self.identity()?;
        // A symlink into somebody's dotfiles stays a symlink: what it leads to is replaced.
        let target = self.file.canonicalize().unwrap_or_else(|_| self.file.clone());
        let folder = target.parent().expect("a file lies in a folder");
        platform::create_private_folder(folder).map_err(failed)?;
        let _lock = platform::lock_file(&target.with_extension("age.lock"), Duration::from_secs(5))?;
        platform::remove_strays(&target).map_err(failed)?;
        let text = match read(&self.file, MAX_BYTES)? {
            Some(sealed) => self.text(&sealed, &identity)?,
            None => Zeroizing::default(),
        };
        let Some(after) = edit(&text).map_err(|wrong| wrong.in_file(&self.file))? else { return Ok(()) };
        let sealed = age_file::encrypt(after.as_bytes(), &[identity.to_public()]).map_err(failed)?;
        platform::replace_file(&target, &sealed).map_err(failed)
    }
}
