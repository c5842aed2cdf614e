//! What a run did, so that the next one can finish it and `undo` can take it back: `migrate/RUN/journal.json` in the
//! state directory, mode 0600.
//!
//! It holds no key: removed bytes are [`Token`]s, values are known by an HMAC under a secret that the keychain keeps,
//! and context lines by an HMAC likewise. [`Recorder`] sees to the removed bytes, the only text of the user's files. A
//! path, a name or a digest may share characters with a key: they betray nothing. Each write replaces the file whole,
//! so a crash leaves one state or the next.

use super::MigrateError;
use super::context::{Context, Image};
use super::edit::Cut;
use super::entries::Store;
use super::seal::Seal;
use super::tokens::{Recorder, Token};
use super::utf16::Encoding;
use crate::digest::Digest;
use crate::paths::Paths;
use crate::platform;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

mod v1;

/// The version that is written.
const VERSION: u32 = 2;

/// A longer file is no journal.
const MAX_JOURNAL: u64 = 64 << 20;

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// Nothing but this journal was written.
    Planned,
    /// Every key is in the store and was read back; files may have been rewritten.
    Stored,
    /// All that could be done is done.
    Done,
    /// Being taken back; a temporary file may hold keys.
    Undoing,
    /// Taken back.
    Undone,
}

/// A key of the run, by name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRecord {
    /// `provider/alias`.
    pub name: String,
    /// HMAC-SHA256 of the value, in hexadecimal.
    pub hmac: String,
    /// The variables it stood in.
    pub variables: Vec<String>,
}

/// One place that was cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CutRecord {
    /// The line in which it stood before the run, counted from 1; 0 where that was not recorded.
    pub number: usize,
    /// Where the replacement stands in the file as it is afterwards; `None` where an undo did not find it.
    pub at: Option<usize>,
    /// What stands there instead.
    pub with: String,
    /// How many bytes stood there; 0 where that was not recorded.
    #[serde(default)]
    pub length: usize,
    /// What stood there.
    pub removed: Vec<Token>,
    /// What stands around it.
    pub context: Context,
}

impl CutRecord {
    /// The numbers of the keys in it.
    pub(crate) fn keys(&self) -> impl Iterator<Item = usize> + use<'_> {
        self.removed.iter().filter_map(|token| match token {
            Token::Piece(key, ..) | Token::Escaped(key, ..) => Some(*key),
            Token::Text(_) | Token::Bytes(_) | Token::Locked(_) => None,
        })
    }
}

/// One file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileRecord {
    /// The file itself, symlinks resolved.
    pub path: PathBuf,
    /// SHA-256 of the file before; `None` once a part came back into a file that was edited since.
    pub before: Option<String>,
    /// Its size before, in bytes.
    pub size: u64,
    /// SHA-256 of the file after.
    pub after: String,
    /// The cuts in file order. What an undo has put back is no longer among them.
    pub cuts: Vec<CutRecord>,
    /// How its text is written; the cuts are those of the text in UTF-8.
    #[serde(default, skip_serializing_if = "Encoding::is_bytes")]
    pub encoding: Encoding,
    /// The store of logins that it is, if any: its entries come back as such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Store>,
    /// Whether it has further names and is therefore written in place.
    pub in_place: bool,
    /// Whether zsh may have a compiled copy beside it.
    pub zsh: bool,
    /// The files that accounts of this one are set in as well.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub partners: BTreeSet<PathBuf>,
    /// Whether it was rewritten.
    pub done: bool,
    /// Whether all of that was taken back.
    pub undone: bool,
    /// What an undo is about to write.
    pub pending: Option<Box<Pending>>,
}

/// What an undo is about to write into a file, so that the next one knows what was done if it is killed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pending {
    /// SHA-256 of what is replaced.
    pub from: String,
    /// Its size, in bytes.
    pub size: u64,
    /// SHA-256 of what is written.
    pub after: String,
    /// What the file was before the run, if what is written can still become that.
    pub before: Option<String>,
    /// The cuts that are left.
    pub cuts: Vec<CutRecord>,
}

/// A file that Ringlet made or changed for the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MadeRecord {
    /// Where it is.
    pub path: PathBuf,
    /// Its text before, where it was there. It holds no key.
    pub before: Option<String>,
    /// SHA-256 of what was written.
    pub after: String,
    /// The numbers of the keys that it is about.
    pub keys: Vec<usize>,
    /// The files of the user's in which these stood.
    pub files: Vec<PathBuf>,
    /// Whether it was taken back, or is the user's own by now.
    pub undone: bool,
}

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Journal {
    /// 2.
    pub version: u32,
    /// Its name: when it began, and which process it was.
    pub run: String,
    /// How far it came.
    pub stage: Stage,
    /// Where the keys are kept, for messages.
    pub place: String,
    /// HMAC of a constant: tells a lost secret from a rotated key. Empty for a run without keys.
    pub check: String,
    /// The keys.
    pub keys: Vec<KeyRecord>,
    /// The files.
    pub files: Vec<FileRecord>,
    /// What was made for them.
    pub made: Vec<MadeRecord>,
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

impl FileRecord {
    /// Records the cuts of one file's text; nothing where that cannot be written in the file's encoding.
    pub(crate) fn new(
        path: &Path,
        (before, after): (&[u8], &[u8]),
        encoding: Encoding,
        cuts: &[Cut],
        recorder: &Recorder<'_>,
        seal: &Seal,
    ) -> Option<Self> {
        let image = Image::new(after, seal);
        let mut records = Vec::with_capacity(cuts.len());
        let (mut gone, mut come, mut number, mut counted) = (0, 0, 1, 0);
        for cut in cuts {
            let at = cut.span.start - gone + come;
            gone += cut.span.len();
            come += cut.with.len();
            number += before[counted..cut.span.start].iter().filter(|byte| **byte == b'\n').count();
            counted = cut.span.start;
            let removed = recorder.record(&before[cut.span.clone()]);
            let context = image.context(at, cut.with.len(), takes_lines(cut, before));
            let with = String::from_utf8_lossy(&cut.with).into_owned();
            let length = cut.span.len();
            records.push(CutRecord { number, at: Some(at), with, length, removed, context });
        }
        let (before, after) = (encoding.encode(before)?, encoding.encode(after)?);
        Some(Self {
            path: path.to_owned(),
            before: Some(digest(&before)),
            size: before.len() as u64,
            after: digest(&after),
            cuts: records,
            encoding,
            store: None,
            in_place: false,
            zsh: false,
            partners: BTreeSet::new(),
            done: false,
            undone: false,
            pending: None,
        })
    }

    /// Whether the run added lines to the file and took nothing out.
    pub(crate) fn is_addition(&self) -> bool {
        self.cuts.iter().all(|cut| cut.removed.is_empty())
    }

    /// The content that the file gets from the run, made of what it was before; nothing where it is not that any more.
    pub(crate) fn image(&self, now: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if self.before.as_ref() != Some(&digest(now)) {
            return None;
        }
        let (_, text) = Encoding::decode(now);
        let text = text.as_deref().filter(|_| !self.encoding.is_bytes()).map_or(now, Vec::as_slice);
        let mut after = Zeroizing::new(Vec::with_capacity(text.len()));
        let mut from = 0_usize;
        for cut in &self.cuts {
            // What stands before a cut is the same in both.
            let same = cut.at?.checked_sub(after.len())?;
            after.extend_from_slice(text.get(from..from.checked_add(same)?)?);
            after.extend_from_slice(cut.with.as_bytes());
            from += same.checked_add(cut.length)?;
        }
        after.extend_from_slice(text.get(from..)?);
        self.encoding.encode(&after).filter(|after| digest(after) == self.after)
    }

    /// The numbers of the keys that the file is to get back.
    pub(crate) fn keys(&self) -> BTreeSet<usize> {
        self.cuts.iter().flat_map(CutRecord::keys).collect()
    }

    /// Notes that what was pending is in the file.
    pub(crate) fn settle_pending(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.undone = pending.cuts.is_empty();
            (self.before, self.after, self.cuts) = (pending.before, pending.after, pending.cuts);
        }
    }
}

// Whether nothing is left of the lines in which it stands.
fn takes_lines(cut: &Cut, bytes: &[u8]) -> bool {
    let begins = |at: usize| at == 0 || bytes[at - 1] == b'\n';
    let (start, end) = (cut.span.start, cut.span.end);
    cut.with.is_empty() && start < end && begins(start) && (begins(end) || end == bytes.len())
}

/// The folder of all runs.
pub(crate) fn folder(paths: &Paths) -> PathBuf {
    paths.state().join("migrate")
}

/// Removes what a killed run left among the journals: temporary files, and a folder without a journal. Needs the lock.
pub(crate) fn tidy(paths: &Paths) -> Result<(), MigrateError> {
    let base = folder(paths);
    let failed = |error: std::io::Error| MigrateError::journal(base.clone(), error.to_string());
    let list = |folder: &Path| match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let stray = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".ringlet-"));
    for path in list(&base).map_err(failed)? {
        if path.is_dir() {
            for inner in list(&path).map_err(failed)?.iter().filter(|path| stray(path)) {
                std::fs::remove_file(inner).map_err(failed)?;
            }
            if path.join("journal.json").symlink_metadata().is_err() {
                // Only an empty one goes: anything else in it is not ours.
                let _ = std::fs::remove_dir(&path);
            }
        } else if stray(&path) {
            std::fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

impl Journal {
    /// What the run's temporary files' names begin with.
    pub(crate) fn prefix(&self) -> String {
        format!(".ringlet-{}-", self.run)
    }

    fn file(paths: &Paths, run: &str) -> PathBuf {
        folder(paths).join(run).join("journal.json")
    }

    /// Writes the journal, fsynced.
    pub(crate) fn write(&self, paths: &Paths) -> Result<(), MigrateError> {
        let file = Self::file(paths, &self.run);
        let text = serde_json::to_vec_pretty(self).expect("a journal has only string keys");
        let failed = |error: std::io::Error| MigrateError::journal(file.clone(), error.to_string());
        for part in [folder(paths), folder(paths).join(&self.run)] {
            platform::create_private_folder(&part).map_err(failed)?;
        }
        platform::replace_file(&file, &text).map_err(failed)
    }

    /// Whether it is sealed with the secret of the store. A run without keys is not.
    pub(crate) fn is_sealed(&self) -> bool {
        !self.check.is_empty()
    }

    /// Whether there is nothing in it to take back.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.made.is_empty()
    }

    /// Whether all of it was taken back.
    pub(crate) fn is_undone(&self) -> bool {
        self.files.iter().all(|file| file.undone) && self.made.iter().all(|made| made.undone)
    }

    /// Takes the journal away.
    pub(crate) fn drop_it(&self, paths: &Paths) -> Result<(), MigrateError> {
        let file = Self::file(paths, &self.run);
        match std::fs::remove_dir_all(folder(paths).join(&self.run)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(MigrateError::journal(file, error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Reads a run's journal of this version or an older one, or returns what is wrong with it.
    pub(crate) fn parse(run: &str, bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let damaged = |error: serde_json::Error| format!("is damaged: {error}");
        let journal: Self = match serde_json::from_slice::<Versioned>(bytes).map_err(damaged)?.version {
            1 => v1::read(bytes).map_err(damaged)?,
            VERSION => serde_json::from_slice(bytes).map_err(damaged)?,
            version if version > VERSION => return Err("was written by a newer version of ringlet".into()),
            version => return Err(format!("is damaged: there is no version {version}")),
        };
        if journal.run != run {
            return Err("is damaged: it is of another run than its folder's".into());
        }
        Ok(journal)
    }

    /// A run that has done nothing yet.
    pub(crate) fn new(run: String, place: String, check: String) -> Self {
        let (keys, files, made) = (Vec::new(), Vec::new(), Vec::new());
        Self { version: VERSION, run, stage: Stage::Planned, place, check, keys, files, made }
    }

    /// Every journal that can be read, the oldest first, and what is wrong with the others. A folder without one was
    /// left by a crash and is passed over.
    pub(crate) fn all(paths: &Paths) -> Result<Journals, MigrateError> {
        let base = folder(paths);
        let failed = |error: std::io::Error| MigrateError::journal(base.clone(), error.to_string());
        let mut found = Journals::default();
        let entries = match std::fs::read_dir(&base) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let Some(run) = name.to_str() else { continue };
            let file = Self::file(paths, run);
            let read = match platform::read_file(&file, MAX_JOURNAL) {
                Ok(read) => Self::parse(run, &read.bytes),
                Err(platform::ReadError::Io(error))
                    if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
                {
                    continue;
                }
                Err(error) => Err(error.to_string()),
            };
            match read {
                Ok(journal) => found.runs.push(journal),
                Err(why) => found.unread.push(Unread { run: run.to_owned(), file, why }),
            }
        }
        found.runs.sort_by(|a, b| a.run.cmp(&b.run));
        found.unread.sort_by(|a, b| a.run.cmp(&b.run));
        Ok(found)
    }
}

/// The journals of a state directory.
#[derive(Default)]
pub(crate) struct Journals {
    /// Those that were read, the oldest first.
    pub runs: Vec<Journal>,
    /// The others, likewise.
    pub unread: Vec<Unread>,
}

/// A journal that cannot be read.
pub(crate) struct Unread {
    /// Its run.
    pub run: String,
    /// Its file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: String,
}
