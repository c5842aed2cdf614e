//! Reading a file once and whole, replacing it whole, and comparing files by identity.
//!
//! Nothing here blocks on a FIFO. Type, owner and mode are always those of the opened file. The module `private` checks
//! that a file is the user's own.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

use super::access::{self, Access};
use super::strays::{old_strays, temporary_for};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Returns the path of an existing file with all links resolved.
#[cfg(not(target_os = "linux"))]
pub(crate) fn canonical(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// Removes `.` and `..` from a path, by its text alone.
pub(crate) fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut made, part| {
        match part {
            Component::ParentDir if matches!(made.components().next_back(), None | Some(Component::ParentDir)) => {
                made.push(part);
            }
            Component::ParentDir => drop(made.pop()),
            Component::CurDir => {}
            part => made.push(part),
        }
        made
    })
}

/// The reason why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system's own error.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is a directory, FIFO, device or socket.
    #[error("it is {0}, not a regular file")]
    NotAFile(&'static str),
    /// It is a symbolic link to nothing.
    #[error("it is a symlink to nothing")]
    Dangling,
    /// It has more bytes than the caller accepts.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
}

impl ReadError {
    /// Reports whether the file does not exist.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// The bytes of a file, and who could have changed them.
pub(crate) struct Bytes {
    /// The content.
    pub bytes: Vec<u8>,
    /// Owner and mode of the very file that was read.
    pub access: Access,
}

/// A regular file that was opened for reading, with who could have changed it.
pub(crate) struct Opened {
    /// The file, at its start.
    pub file: File,
    /// Its size when it was opened, in bytes.
    pub size: u64,
    /// Owner and mode of the very file that was opened.
    pub access: Access,
}

/// Opens a regular file. Never blocks on a FIFO and never follows the path twice: type, owner and mode come from the
/// opened file.
pub(crate) fn open_file(path: &Path) -> Result<Opened, ReadError> {
    let (file, meta) = open_regular(path)?;
    Ok(Opened { size: meta.len(), access: access::access_of(&file, &meta), file })
}

/// Opens a regular file as [`open_file`] does, and returns its metadata.
pub(in crate::platform) fn open_regular(path: &Path) -> Result<(File, Metadata), ReadError> {
    let file = match open_for_reading(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_ok() => {
            return Err(ReadError::Dangling);
        }
        Err(error) => return Err(error.into()),
    };
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(ReadError::NotAFile(kind_of(&meta)));
    }
    Ok((file, meta))
}

/// Reports whether every later change of a file will change its stamp. A file that was changed just now could be
/// changed again within the same step of its times. A wrong wall clock only makes the answer "no".
pub(crate) fn is_settled(file: &File) -> io::Result<bool> {
    // File systems keep time in steps of up to two seconds.
    const SETTLED: Duration = Duration::from_secs(3);
    Ok(SystemTime::now().duration_since(last_change(file)?).is_ok_and(|since| since > SETTLED))
}

/// Reads a regular file of at most `limit` bytes, opened as [`open_file`] does.
pub(crate) fn read_file(path: &Path, limit: u64) -> Result<Bytes, ReadError> {
    let Opened { file, size, access } = open_file(path)?;
    if size > limit {
        return Err(ReadError::TooLarge(limit));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    (&file).take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLarge(limit));
    }
    Ok(Bytes { bytes, access })
}

/// The new content is in place, but its folder could not be synced. After a crash of the system the old content may be
/// back.
#[derive(Debug, thiserror::Error)]
#[error("it is changed, but may be as before after a crash of the system: its folder cannot be synced: {0}")]
pub(crate) struct NotLasting(io::Error);

impl NotLasting {
    /// Reports whether an error is this one.
    pub(crate) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

/// Replaces a file whole: writes a private temporary file beside it, syncs it, renames it, and syncs the folder. A
/// crash leaves the old content or the new one, never a mixture, and at worst a `.ringlet-*` file. Old files of that
/// kind, of any file in the folder, are removed here. The error is [`NotLasting`] if the content is in place all the
/// same.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // A file that cannot be removed does no harm.
    old_strays(folder).iter().for_each(|stray| drop(fs::remove_file(stray)));
    // tempfile creates with mode 0600; the content is never wider than that, not even for a moment.
    let mut file = temporary_for(path, None)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    persist(file, path)?;
    sync_folder(folder).map_err(|error| io::Error::other(NotLasting(error)))
}

/// Creates a file whole, as [`replace_file`] does. One that is there stays: the error's kind is `AlreadyExists`.
pub(crate) fn create_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = temporary_for(path, None)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|failed| failed.error)?;
    sync_folder(folder).map_err(|error| io::Error::other(NotLasting(error)))
}

// Windows refuses to replace a file that another process has open, even for the moment of a read.
fn persist(mut file: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match file.persist(path) {
            Ok(_) => return Ok(()),
            Err(failed)
                if cfg!(windows)
                    && failed.error.kind() == io::ErrorKind::PermissionDenied
                    && start.elapsed() < Duration::from_secs(1) =>
            {
                file = failed.file;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(failed) => return Err(failed.error),
        }
    }
}

/// Creates a folder and its missing parents. The folder itself gets the mode 0700 if it is new.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match make_private_folder(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        done => done,
    }
}

/// The entry at a path. A link is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A link, with its target.
    Link(PathBuf),
    /// Anything else, with its [`file_identity`].
    Other((u64, u64)),
    /// No entry, or none that this user can see.
    Nothing,
}

/// Reports whether two paths lead to the same file. It is `false` if either does not exist or cannot be seen.
pub(crate) fn same_file(a: &Path, b: &Path) -> bool {
    match (file_identity(a), file_identity(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}
