//! Replaces a file of the user's by new content: the file must still be what it was, and keeps its metadata, its names
//! and whatever leads to it.
//!
//! A crash leaves the old content or the new one, and beside a file with several names a copy of the new one. Called by
//! `apply`, `undo` and `recover`, under the lock.

use super::files::MAX_FILE;
use crate::platform::{self, Stamp};
use std::io::{self, Write};
use std::path::Path;

/// New content for a file that must still be what it was.
pub(crate) struct Content<'a> {
    /// The file as it was named.
    pub path: &'a Path,
    /// The file itself.
    pub target: &'a Path,
    /// The file's state when it was planned.
    pub stamp: &'a Stamp,
    /// The number of its names. A file with several is overwritten in place, so that all of them go on naming it.
    pub links: u64,
    /// Its content when it was planned.
    pub before: &'a [u8],
    /// The new content.
    pub after: &'a [u8],
}

/// Why a file was not replaced; but for `Torn` it is as it was.
pub(crate) enum Refusal {
    /// Somebody else has changed it.
    Changed,
    /// The system, or its metadata, does not allow it.
    Because(String),
    /// Half of it was written, and the other half could be neither written nor taken back.
    Torn(String),
}

impl Refusal {
    /// The reason, as the rest of a sentence.
    pub(crate) fn why(self) -> String {
        match self {
            Self::Changed => "was changed meanwhile".to_owned(),
            Self::Because(why) | Self::Torn(why) => why,
        }
    }
}

/// Replaces a file through a temporary one beside it, or in place if it has further names.
pub(crate) fn replace(content: &Content<'_>, prefix: &str) -> Result<(), Refusal> {
    let file = prepare(content, prefix)?;
    if content.links > 1 {
        return overwrite(content, file);
    }
    file.persist(content.target).map_err(|error| because("cannot be replaced", &error.error))?;
    // The new content is in place; that the rename outlasts a power cut is all that could fail here.
    let _ = platform::sync_folder_of(content.target);
    Ok(())
}

fn because(doing: &str, error: &io::Error) -> Refusal {
    Refusal::Because(format!("{doing}: {error}"))
}

/// Does everything up to the point of no return: the new content is in a temporary file, and the old one as expected.
pub(super) fn prepare(content: &Content<'_>, prefix: &str) -> Result<tempfile::NamedTempFile, Refusal> {
    let in_place = content.links > 1;
    let leads = || content.path.canonicalize().is_ok_and(|path| path == content.target);
    if !leads() {
        return Err(Refusal::Changed);
    }
    platform::check_writable(content.target).map_err(|error| because("cannot be written", &error))?;
    let mut file = platform::new_beside(content.target, prefix)
        .map_err(|error| because("no temporary file can be made beside it", &error))?;
    file.write_all(content.after).map_err(|error| because("a temporary file cannot be written", &error))?;
    if !in_place {
        platform::copy_metadata(content.target, file.as_file())
            .map_err(|error| because("its owner, mode or attributes cannot be kept", &error))?;
    }
    file.as_file().sync_all().map_err(|error| because("a temporary file cannot be written", &error))?;
    if in_place {
        platform::sync_folder_of(content.target).map_err(|error| because("its folder cannot be synced", &error))?;
    }
    // The last look before the point of no return.
    let now = platform::read_snapshot(content.target, MAX_FILE).map_err(|_| Refusal::Changed)?;
    if !leads() || now.stamp != *content.stamp || now.bytes.as_slice() != content.before {
        return Err(Refusal::Changed);
    }
    Ok(file)
}

fn overwrite(content: &Content<'_>, image: tempfile::NamedTempFile) -> Result<(), Refusal> {
    let Err(error) = platform::write_in_place(content.target, content.after) else { return Ok(()) };
    match platform::write_in_place(content.target, content.before) {
        Ok(()) => Err(Refusal::Because(format!("cannot be written: {error}"))),
        Err(_) => {
            let kept = image.into_temp_path().keep();
            let kept = kept.map_or_else(|_| "lost".to_owned(), |path| path.display().to_string());
            Err(Refusal::Torn(format!(
                "is torn, since it could not be written: {error}; the whole of it is in {kept}, and the next run puts \
                it back"
            )))
        }
    }
}
