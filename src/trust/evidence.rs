//! A project's file or folder as evidence for a decision: its path, its bytes and their hash.

use super::TrustError;
use crate::digest::{Digest, hex};
use crate::platform::{self, Access, ReadError};
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::{Path, PathBuf};

/// A project's file that was read once, so that the hash and the parsed text come from the same bytes.
pub(crate) struct Evidence {
    /// The path of the file with all symbolic links resolved.
    pub canonical: PathBuf,
    /// The path that a record binds, see [`place_of`].
    pub(super) place: PathBuf,
    /// The bytes.
    pub bytes: Vec<u8>,
    hash: String,
    access: Access,
}

pub(super) fn canonical(found: &Path) -> Result<PathBuf, TrustError> {
    platform::canonical(found).map_err(|error| {
        let dangling = error.kind() == io::ErrorKind::NotFound && found.symlink_metadata().is_ok();
        let why = if dangling { ReadError::Dangling } else { error.into() };
        TrustError::Unreadable { file: found.into(), why }
    })
}

fn list_folder(folder: &Path, limit: u64, list: &mut Vec<u8>) -> Result<(), ReadError> {
    let mut paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        list.extend_from_slice(path.as_os_str().as_encoded_bytes());
        if path.symlink_metadata()?.is_dir() {
            list.push(b'\n');
            list_folder(&path, limit, list)?;
        } else {
            let mut digest = Sha256::new();
            let link = path.read_link();
            if let Ok(target) = &link {
                digest.update(target.as_os_str().as_encoded_bytes());
                digest.update(b"\0");
            }
            match platform::read_file(&path, limit) {
                Ok(read) => digest.update(&read.bytes),
                // The link has no target. A target that appears later is a change.
                Err(ReadError::Dangling) if link.is_ok() => {}
                Err(error) => return Err(error),
            }
            list.extend_from_slice(format!("\0{}\n", hex(&digest.finalize())).as_bytes());
        }
        if list.len() as u64 > limit {
            return Err(ReadError::TooLarge(limit));
        }
    }
    Ok(())
}

impl Evidence {
    /// Reads a file to decide on, whoever owns it.
    pub(crate) fn read(found: &Path, limit: u64) -> Result<Self, TrustError> {
        let canonical = canonical(found)?;
        let unreadable = |why: ReadError| TrustError::Unreadable { file: found.into(), why };
        let read = platform::read_file(&canonical, limit).map_err(unreadable)?;
        let hash = Digest::of(&read.bytes).to_string();
        let place = place_of(found, Some(&canonical));
        Ok(Self { canonical, place, bytes: read.bytes, hash, access: read.access })
    }

    /// Reads a file or a folder. The bytes of a folder are a list of the files below it with their hashes, sorted by
    /// name. A symbolic link counts by its target's path and by the file that it leads to. A link to a folder is an
    /// error.
    pub(crate) fn read_any(found: &Path, limit: u64) -> Result<Self, TrustError> {
        let canonical = canonical(found)?;
        if !canonical.is_dir() {
            return Self::read(found, limit);
        }
        let unreadable = |why: ReadError| TrustError::Unreadable { file: found.into(), why };
        let mut list = Vec::new();
        list_folder(&canonical, limit, &mut list).map_err(unreadable)?;
        let access = platform::access(&canonical).map_err(|error| unreadable(error.into()))?;
        let hash = Digest::of(&list).to_string();
        let place = place_of(found, Some(&canonical));
        Ok(Self { canonical, place, bytes: list, hash, access })
    }

    /// Returns owner and mode of the file.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Returns the SHA-256 of the bytes in hexadecimal.
    pub(crate) fn sha256(&self) -> &str {
        &self.hash
    }
}

/// Returns the path that a record binds: the canonical folder of the project, and the rest as it is. An agent's folder,
/// such as `.claude`, belongs to the rest. A repository may link it to a folder that was allowed elsewhere, and a
/// relative path in its files, such as `./hook`, means another file here. `real` is the path with all links resolved,
/// if there is such a file.
pub(super) fn place_of(found: &Path, real: Option<&Path>) -> PathBuf {
    // No link leads to it.
    if real == Some(found) {
        return found.to_owned();
    }
    let (Some(folder), Some(name)) = (found.parent(), found.file_name()) else { return found.to_owned() };
    let resolved = match (folder.parent(), folder.file_name()) {
        (Some(project), Some(own)) if own.as_encoded_bytes().starts_with(b".") => {
            platform::canonical(project).map(|project| project.join(own))
        }
        _ => platform::canonical(folder),
    };
    resolved.map_or_else(|_| found.to_owned(), |folder| folder.join(name))
}
