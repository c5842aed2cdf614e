//! One encrypted file of entries. Its plaintext has the form of `credentials.toml`, and is in memory alone.
//!
//! The file must be the user's own and readable by nobody else. A change is made under a lock and replaces it whole.

use super::super::StoreError;
use super::super::file::document::entry_alone;
use super::super::file::entry::{Entries, Found, Pair, SMALL, taken};
use super::super::file::text::{self, Misshapen};
use super::super::own_file::OwnFile;
use super::held::{Held, is_mute};
use super::identity::unheld;
use crate::age_file;
use crate::paths::Paths;
use crate::secret::Secret;
use age::x25519::Identity;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

// As many as the plain file may have, and what encryption adds.
const MAX_BYTES: u64 = 33 << 20;

/// The file.
pub(super) struct Document {
    file: OwnFile,
    paths: Paths,
    find: Find,
}

/// Finds the identity that is held.
pub(super) type Find = fn(&Paths) -> Option<Held>;

impl Document {
    /// Nothing is read yet.
    pub(super) fn new(file: PathBuf, paths: &Paths, find: Find) -> Self {
        Self { file: OwnFile::new(file, MAX_BYTES), paths: paths.clone(), find }
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn failed(&self, why: impl Into<String>) -> StoreError {
        self.file.failed(why)
    }

    fn identity(&self) -> Result<Identity, StoreError> {
        (self.find)(&self.paths).map(|held| held.identity).ok_or_else(|| unheld(&self.paths, is_mute()))
    }

    // `None` without a file, which needs no identity to be seen.
    fn read(&self) -> Result<Option<Zeroizing<String>>, StoreError> {
        let Some(sealed) = self.file.read()? else { return Ok(None) };
        self.text(&sealed, &self.identity()?).map(Some)
    }

    fn text(&self, sealed: &[u8], identity: &Identity) -> Result<Zeroizing<String>, StoreError> {
        let opened = age_file::decrypt(sealed, std::iter::once(identity as _));
        self.file.text(opened.map_err(|why| self.failed(why.to_string()))?)
    }

    fn parse(&self, text: &str) -> Result<Entries, StoreError> {
        text::parse(text).map_err(|wrong| wrong.in_file(self.path()))
    }

    fn entries(&self) -> Result<Entries, StoreError> {
        self.read()?.map_or_else(|| Ok(Entries::new()), |text| self.parse(&text))
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
        let value = self.file.value(secret)?;
        self.change(|text| text::with(text, pair, value, attributes).map(Some)).map(drop)
    }

    /// Takes an entry away; `false` when there is none.
    pub(super) fn take(&self, pair: Pair<'_>) -> Result<bool, StoreError> {
        if self.file.read()?.is_none() {
            return Ok(false);
        }
        self.change(|text| text::without(text, pair))
    }

    // Nothing is written where the edit says that nothing changed; then it is `false`.
    fn change(
        &self,
        edit: impl FnOnce(&str) -> Result<Option<Zeroizing<String>>, Misshapen>,
    ) -> Result<bool, StoreError> {
        self.file.change(|sealed| {
            // It is looked for once nobody else changes the file, so that it is not of an older one.
            let identity = self.identity()?;
            let text = sealed.map(|sealed| self.text(&sealed, &identity)).transpose()?.unwrap_or_default();
            let after = edit(&text).map_err(|wrong| wrong.in_file(self.path()))?;
            let seal = |text: Zeroizing<String>| age_file::encrypt(text.as_bytes(), &[identity.to_public()]);
            after.map(seal).transpose().map_err(|_| self.failed("cannot be encrypted"))
        })
    }
}
