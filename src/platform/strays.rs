//! Temporary files that a killed process left: each was to replace a file.
//!
//! Such a file is known by its name. Without the lock under which it was made, its age has to show that nobody uses it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};
use tempfile::NamedTempFile;

/// A replacement takes milliseconds. One that was stopped for longer than this fails when it goes on, and the file
/// stays as it was.
const OLD: Duration = Duration::from_secs(10 * 60);

/// Letters and digits that `tempfile` adds: more than a name has by chance.
const RANDOM: usize = 16;

const ENDING: &str = ".tmp";

/// Creates the temporary file that is to replace a file, in the same folder: `.ringlet-NAME-RANDOM.tmp`. Only its owner
/// may read it, unless a mode is given.
pub(crate) fn temporary_for(path: &Path, mode: Option<fs::Permissions>) -> io::Result<NamedTempFile> {
    temporary(path, &stray_prefix(path), mode)
}

/// Creates a temporary file with another prefix in its name.
pub(crate) fn temporary(path: &Path, prefix: &OsStr, mode: Option<fs::Permissions>) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(ENDING).rand_bytes(RANDOM);
    if let Some(mode) = mode {
        builder.permissions(mode);
    }
    builder.tempfile_in(path.parent().unwrap_or(Path::new(".")))
}

/// Returns the beginning of the names of the temporary files that replace this file.
pub(crate) fn stray_prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".ringlet-");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push("-");
    prefix
}

/// Removes the temporary files that a crash left of earlier replacements of this file. The caller must hold the lock on
/// it, so that nobody else is replacing it now.
pub(crate) fn remove_strays(path: &Path) -> io::Result<()> {
    let prefix = stray_prefix(path);
    let Some(folder) = path.parent().filter(|folder| folder.is_dir()) else { return Ok(()) };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours =
            name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) && is_stray(name.as_encoded_bytes());
        if is_ours && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Returns the temporary files in a folder that are so old that no process still uses them.
pub(crate) fn old_strays(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_old = |entry: &fs::DirEntry| {
        let meta = entry.metadata();
        meta.is_ok_and(|meta| {
            let age = meta.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            meta.is_file() && age.is_some_and(|age| age > OLD)
        })
    };
    let strays = entries.flatten().filter(|entry| is_stray(entry.file_name().as_encoded_bytes()) && is_old(entry));
    strays.map(|entry| entry.path()).collect()
}

// Matches `.ringlet-NAME-RANDOM.tmp`.
fn is_stray(name: &[u8]) -> bool {
    let name = name.strip_suffix(ENDING.as_bytes());
    let Some((head, random)) = name.and_then(|name| name.split_last_chunk::<RANDOM>()) else { return false };
    let named = head.strip_prefix(b".ringlet-").and_then(|rest| rest.strip_suffix(b"-"));
    named.is_some_and(|named| !named.is_empty()) && random.iter().all(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::replace_file;
    use std::fs::File;

    #[test]
    fn a_change_takes_old_strays_of_every_file_away_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = |name: &str, is_old: bool| {
            let path = folder.path().join(name);
            let file = File::create(&path).expect("made");
            let at = SystemTime::now() - if is_old { OLD + Duration::from_secs(5) } else { Duration::ZERO };
            file.set_modified(at).expect("set");
            path
        };
        let stray = made(".ringlet-a.toml-Ab3xYz0123456789.tmp", true);
        let other = made(".ringlet-b-.dots-0000000000000000.tmp", true);
        let kept = [
            made(".ringlet-a.toml-Qq3xYz0123456789.tmp", false),
            made(".ringlet-a.toml-backup", true),
            made(".ringlet-a.toml-2026-11-28", true),
            made(".ringlet--Ab3xYz0123456789.tmp", true),
            made("ringlet-a.toml-Ab3xYz0123456789.tmp", true),
            made(".ringlet-a.toml", true),
            made(".ringlet-a.toml-Ab3x.z", true),
        ];
        fs::create_dir(folder.path().join(".ringlet-c-Ab3xYz0123456789.tmp")).expect("a folder");
        let mut found = old_strays(folder.path());
        found.sort();
        assert_eq!(found, [stray.clone(), other.clone()]);
        replace_file(&folder.path().join("c.toml"), b"new").expect("replaced");
        assert!(!stray.exists() && !other.exists());
        assert!(
            kept.iter().all(|path| path.exists()) && folder.path().join(".ringlet-c-Ab3xYz0123456789.tmp").exists()
        );
    }

    #[test]
    fn what_is_made_for_a_replacement_has_a_strays_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials.toml");
        let made = temporary_for(&path, None).expect("made");
        assert!(is_stray(made.path().file_name().expect("a name").as_encoded_bytes()));
        File::options()
            .write(true)
            .open(made.path())
            .expect("there")
            .set_modified(SystemTime::UNIX_EPOCH)
            .expect("set");
        assert_eq!(old_strays(folder.path()), [made.path()]);
    }
}
