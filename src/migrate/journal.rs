//! What a run did, so that the next one can finish it and `undo` can take it back: `migrate/RUN/journal.json` in the
//! state directory, mode 0600.
//!
//! It holds no key: removed bytes are [`Token`]s, values are known by an HMAC under a secret that the keychain keeps,
//! and context lines by an HMAC likewise. [`Recorder`] sees to the removed bytes, the only text of the user's files. A
//! path, a name or a digest may share characters with a key: they betray nothing. Each write replaces the file whole,
//! so a crash leaves one state or the next.

use super::MigrateError;
use super::edit::Cut;
use super::tokens::{Recorder, Token};
use crate::digest::{Digest, from_hex, hex};
use crate::paths::Paths;
use crate::platform;
use crate::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::path::{Path, PathBuf};

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
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CutRecord {
    /// Where the replacement stands in the file as it is afterwards.
    pub at: usize,
    /// What stands there instead.
    pub with: String,
    /// What stood there.
    pub removed: Vec<Token>,
    /// Where its line begins, in bytes before `at`.
    pub column: usize,
    /// HMAC of the line above.
    pub above: String,
    /// HMAC of its own line.
    pub line: String,
}

/// One file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileRecord {
    /// The file itself, symlinks resolved.
    pub path: PathBuf,
    /// SHA-256 of the file before.
    pub before: String,
    /// Its size before, in bytes.
    pub size: u64,
    /// SHA-256 of the file after.
    pub after: String,
    /// The cuts in file order.
    pub cuts: Vec<CutRecord>,
    /// Whether it has further names and is therefore written in place.
    pub in_place: bool,
    /// Whether zsh may have a compiled copy beside it.
    pub zsh: bool,
    /// Whether it was rewritten.
    pub done: bool,
    /// Whether that was taken back.
    pub undone: bool,
}

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Journal {
    /// 1.
    pub version: u32,
    /// Its name: when it began, and which process it was.
    pub run: String,
    /// How far it came.
    pub stage: Stage,
    /// Where the keys are kept, for messages.
    pub place: String,
    /// HMAC of a constant: tells a lost secret from a rotated key.
    pub check: String,
    /// The keys.
    pub keys: Vec<KeyRecord>,
    /// The files.
    pub files: Vec<FileRecord>,
}

/// The secret under which values are known.
pub(crate) struct Seal(Secret);

impl Seal {
    /// A seal with the secret that the store keeps for it.
    pub(crate) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// HMAC-SHA256, in hexadecimal.
    pub(crate) fn of(&self, what: &str, bytes: &[u8]) -> String {
        hex(&self.mac(what, bytes).finalize().into_bytes())
    }

    /// Whether the bytes have this HMAC; takes the same time either way.
    pub(crate) fn matches(&self, what: &str, bytes: &[u8], digits: &str) -> bool {
        from_hex(digits.as_bytes()).is_some_and(|expected| self.mac(what, bytes).verify_slice(&expected).is_ok())
    }

    fn mac(&self, what: &str, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("HMAC takes a key of any length");
        mac.update(what.as_bytes());
        mac.update(b"\0");
        mac.update(bytes);
        mac
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

/// What context lines and the check are marked with under the seal.
pub(crate) const LINE: &str = "line";
/// See [`LINE`].
pub(crate) const VALUE: &str = "value";
/// See [`LINE`].
pub(crate) const CHECK: &str = "check";

/// The line that holds `at`, terminator included, and the one above it.
pub(crate) fn context(image: &[u8], at: usize) -> (std::ops::Range<usize>, Option<std::ops::Range<usize>>) {
    let begin = |end: usize| image[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let start = begin(at);
    let end = image[at..].iter().position(|byte| *byte == b'\n').map_or(image.len(), |newline| at + newline + 1);
    let above = start.checked_sub(1).map(|newline| begin(newline)..start);
    (start..end, above)
}

impl FileRecord {
    /// Records one file's cuts, or says why that cannot be done.
    pub(crate) fn new(
        path: &Path,
        (before, after): (&[u8], &[u8]),
        cuts: &[Cut],
        recorder: &Recorder<'_>,
        seal: &Seal,
    ) -> Option<Self> {
        let mut records = Vec::new();
        let (mut gone, mut come) = (0, 0);
        // The last line with a cut, and the HMACs of the one above and of itself. Many cuts may stand in one line.
        let mut last = (0..0, String::new(), String::new());
        for cut in cuts {
            let at = cut.span.start - gone + come;
            gone += cut.span.len();
            come += cut.with.len();
            if !last.0.contains(&at) {
                let (line, above) = context(after, at);
                let above = seal.of(LINE, above.map_or(&b"\0start"[..], |above| &after[above]));
                let own = seal.of(LINE, &after[line.clone()]);
                last = (line, above, own);
            }
            let (line, above, own) = &last;
            records.push(CutRecord {
                at,
                with: String::from_utf8_lossy(&cut.with).into_owned(),
                removed: recorder.record(&before[cut.span.clone()])?,
                column: at - line.start,
                above: above.clone(),
                line: own.clone(),
            });
        }
        Some(Self {
            path: path.to_owned(),
            before: digest(before),
            size: before.len() as u64,
            after: digest(after),
            cuts: records,
            in_place: false,
            zsh: false,
            done: false,
            undone: false,
        })
    }
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

    /// Reads a run's journal, or returns what is wrong with it.
    pub(crate) fn parse(run: &str, bytes: &[u8]) -> Result<Self, String> {
        let journal: Self = serde_json::from_slice(bytes).map_err(|error| format!("is damaged: {error}"))?;
        if journal.version != 1 || journal.run != run {
            return Err("is not of this version of ringlet".into());
        }
        Ok(journal)
    }

    /// Every journal, the oldest first. A folder without one was left by a crash and is passed over.
    pub(crate) fn all(paths: &Paths) -> Result<Vec<Self>, MigrateError> {
        let base = folder(paths);
        let failed = |error: std::io::Error| MigrateError::journal(base.clone(), error.to_string());
        let entries = match std::fs::read_dir(&base) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let Some(run) = name.to_str() else { continue };
            let file = Self::file(paths, run);
            let bytes = match platform::read_file(&file, 64 << 20) {
                Ok(read) => read.bytes,
                Err(platform::ReadError::Io(error))
                    if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
                {
                    continue;
                }
                Err(error) => return Err(MigrateError::journal(file, error.to_string())),
            };
            runs.push(Self::parse(run, &bytes).map_err(|why| MigrateError::journal(file, why))?);
        }
        runs.sort_by(|a, b| a.run.cmp(&b.run));
        Ok(runs)
    }
}
