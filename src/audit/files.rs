//! The log's files: their names, how they are opened, and the lock. Called by the rest of this module.
//!
//! A file that is written must be a regular file of this user with mode 0600, in a folder of this user that nobody else
//! may write. No symlink is followed. Reading only refuses what is not a regular file, so that a copied log can be
//! examined.

use super::AuditError;
use crate::platform::private::{self, NotPrivate, Privacy};
use crate::platform::{self, Access, LockError};
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a log lives: `audit.jsonl` and the files named after it.
#[derive(Debug, Clone)]
pub(super) struct Files {
    folder: PathBuf,
    active: PathBuf,
    stem: OsString,
    suffix: &'static str,
}

impl Files {
    /// The names for a log at `path`; a relative path is made absolute now, for the process may change directory.
    pub(super) fn new(path: &Path) -> Result<Self, AuditError> {
        let nameless = || AuditError::NoName(path.to_owned());
        let active = std::path::absolute(path).map_err(|_| nameless())?;
        let (Some(folder), Some(name)) = (active.parent(), active.file_name()) else { return Err(nameless()) };
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(nameless());
        }
        let (stem, suffix) = match (active.file_stem(), active.extension()) {
            (Some(stem), Some(extension)) if extension == "jsonl" => (stem, ".jsonl"),
            _ => (name, ""),
        };
        Ok(Self { folder: folder.to_owned(), stem: stem.to_owned(), suffix, active: active.clone() })
    }

    /// The file that is appended to.
    pub(super) fn active(&self) -> &Path {
        &self.active
    }

    /// A rotated file; 1 is the newest.
    pub(super) fn rotated(&self, index: u32) -> PathBuf {
        self.beside(&format!(".{index}{}", self.suffix))
    }

    /// The head file.
    pub(super) fn head(&self) -> PathBuf {
        self.beside(".head")
    }

    /// The lock file.
    pub(super) fn lock_path(&self) -> PathBuf {
        self.beside(".lock")
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.stem.clone();
        name.push(ending);
        self.folder.join(name)
    }

    /// The indexes of the rotated files that exist, newest (1) first.
    pub(super) fn rotated_indexes(&self) -> Result<Vec<u32>, AuditError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(AuditError::io("list", &self.folder)(error)),
        };
        let mut indexes = Vec::new();
        for entry in entries {
            let name = entry.map_err(AuditError::io("list", &self.folder))?.file_name();
            indexes.extend(self.index_of(name.as_encoded_bytes()));
        }
        indexes.sort_unstable();
        Ok(indexes)
    }

    fn index_of(&self, name: &[u8]) -> Option<u32> {
        let rest = name.strip_prefix(self.stem.as_encoded_bytes())?.strip_prefix(b".")?;
        let digits = std::str::from_utf8(rest.strip_suffix(self.suffix.as_bytes())?).ok()?;
        let index = digits.parse().ok()?;
        // "01" and "+1" are somebody else's files.
        (index > 0 && self.rotated(index).file_name()?.as_encoded_bytes() == name).then_some(index)
    }

    /// Creates the folder (0700) when there is none, and refuses one that others could swap files in.
    pub(super) fn prepare_folder(&self) -> Result<(), AuditError> {
        platform::create_private_folder(&self.folder).map_err(AuditError::io("create", &self.folder))?;
        let access = platform::access(&self.folder).map_err(AuditError::io("examine", &self.folder))?;
        refuse_others(&self.folder, &access, Privacy::Unwritten)
    }

    /// Takes the lock, for at most `patience`.
    pub(super) fn lock(&self, patience: Duration) -> Result<platform::Lock, AuditError> {
        let lock = self.lock_path();
        Ok(platform::lock_file(&lock, patience)?)
    }

    /// Opens all files of the log for reading, oldest first, and calls `and`. Both happen under the lock, so that no
    /// append and no rotation comes in between. Where the lock cannot be taken because the folder cannot be written,
    /// there is none either, and the files are opened without it.
    pub(super) fn snapshot<T>(
        &self,
        patience: Duration,
        mut and: impl FnMut() -> Result<T, AuditError>,
    ) -> Result<(Vec<Part>, T), AuditError> {
        let is_made = self.lock_path().exists();
        let _lock = match is_made.then(|| self.lock(patience)) {
            None => None,
            Some(Ok(lock)) => Some(lock),
            Some(Err(AuditError::Lock(LockError::Io {
                kind: io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied,
                ..
            }))) => None,
            Some(Err(error)) => return Err(error),
        };
        let rotated = self.rotated_indexes()?.into_iter().rev().map(|index| self.rotated(index));
        let mut parts = Vec::new();
        for path in rotated.chain([self.active.clone()]) {
            parts.extend(Part::open(&path)?);
        }
        let found = (parts, and()?);
        // The log's first append made the lock meanwhile, so what was read may be of different moments.
        if !is_made && self.lock_path().exists() { self.snapshot(patience, and) } else { Ok(found) }
    }
}

/// One file of the log, open for reading.
pub(super) struct Part {
    pub path: PathBuf,
    pub file: File,
    /// Its length when it was opened, in bytes.
    pub length: u64,
}

impl Part {
    /// Opens a file; none when there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, AuditError> {
        let Some(file) = open_for_reading(path)? else { return Ok(None) };
        let length = file.metadata().map_err(AuditError::io("examine", path))?.len();
        Ok(Some(Self { path: path.to_owned(), file, length }))
    }
}

/// A file's identity, owner and mode. While a path leads to a file with the same ones, a file that was opened there and
/// checked is still the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    device: u64,
    inode: u64,
    owner: u32,
    mode: u32,
}

impl Standing {
    #[cfg(unix)]
    pub(super) fn of(meta: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        Some(Self { device: meta.dev(), inode: meta.ino(), owner: meta.uid(), mode: meta.mode() })
    }

    /// Windows tells none by path, so that each append opens the files there.
    #[cfg(windows)]
    pub(super) fn of(_meta: &Metadata) -> Option<Self> {
        None
    }

    /// Returns the metadata of the file at the path, if it has this identity, owner and mode. A symlink is not
    /// followed.
    pub(super) fn of_path(this: Option<Self>, path: &Path) -> Option<Metadata> {
        let meta = fs::symlink_metadata(path).ok()?;
        (this.is_some() && Self::of(&meta) == this).then_some(meta)
    }
}

/// Reads at a place of a file, as many bytes as there are.
pub(super) fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    #[cfg(unix)]
    let read = |into: &mut [u8], at| std::os::unix::fs::FileExt::read_at(file, into, at);
    #[cfg(windows)]
    let read = |into: &mut [u8], at| std::os::windows::fs::FileExt::seek_read(file, into, at);
    let mut done = 0;
    while done < into.len() {
        match read(&mut into[done..], at + done as u64) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes at the start of a file.
pub(super) fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_all_at(file, bytes, 0);
    #[cfg(windows)]
    {
        use std::io::{Seek, SeekFrom, Write};
        let mut file = file;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(bytes)
    }
}

/// How a file is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    /// Only ever at its end.
    Append,
    /// Anywhere; the file is created when absent.
    InPlace,
}

/// Opens a file for writing and reading, creating it with mode 0600; refuses one that is a symlink, not a regular
/// file, another user's, or open to others.
pub(super) fn open_private(path: &Path, write: Write) -> Result<File, AuditError> {
    let mut options = OpenOptions::new();
    options.read(true).create(true);
    match write {
        Write::Append => options.append(true),
        Write::InPlace => options.write(true),
    };
    let file = private(&mut options).open(path).map_err(|error| refusal("open", path, error))?;
    let meta = file.metadata().map_err(AuditError::io("examine", path))?;
    if !meta.is_file() {
        return Err(AuditError::NotAFile(path.to_owned()));
    }
    // By path, after a symlink was ruled out: nobody else can replace files in this folder.
    let access = platform::access(path).map_err(AuditError::io("examine", path))?;
    refuse_others(path, &access, Privacy::Unread)?;
    Ok(file)
}

fn refuse_others(path: &Path, access: &Access, privacy: Privacy) -> Result<(), AuditError> {
    let path = path.to_owned();
    private::check(access, privacy).map_err(|why| match why {
        NotPrivate::Writable(access) => AuditError::OpenToOthers { path, access, most: 0o755 },
        NotPrivate::Open(access) => AuditError::OpenToOthers { path, access, most: 0o600 },
        NotPrivate::Foreign(access) => AuditError::Foreign { path, access },
        NotPrivate::Unreadable(error) => AuditError::io("examine", &path)(io::Error::other(error.to_string())),
    })
}

/// Opens a regular file for reading; none when there is none.
pub(super) fn open_for_reading(path: &Path) -> Result<Option<File>, AuditError> {
    let file = match quiet(OpenOptions::new().read(true)).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refusal("open", path, error)),
    };
    match file.metadata().map_err(AuditError::io("examine", path))?.is_file() {
        true => Ok(Some(file)),
        false => Err(AuditError::NotAFile(path.to_owned())),
    }
}

/// Names the reason when the system's error is only a symptom of it (ELOOP, ENXIO, EISDIR).
fn refusal(what: &'static str, path: &Path, error: io::Error) -> AuditError {
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_file() => AuditError::NotAFile(path.to_owned()),
        _ => AuditError::io(what, path)(error),
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    options.mode(0o600).custom_flags(flags)
}

/// O_NONBLOCK and O_NOCTTY: opening a FIFO must not hang, and a terminal must not become this process' own.
#[cfg(unix)]
fn quiet(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
}

#[cfg(windows)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::windows::fs::OpenOptionsExt;
    // FILE_FLAG_OPEN_REPARSE_POINT: a link is opened itself, and then refused as no regular file. The folder's
    // access list, inherited from the user's profile, is what keeps others out.
    options.custom_flags(0x0020_0000)
}

#[cfg(windows)]
fn quiet(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn every_name_is_made_from_the_logs() {
        let named = |path: &str| {
            let files = Files::new(Path::new(path)).expect(path);
            [files.rotated(3), files.head(), files.lock_path()].map(|path| path.to_string_lossy().into_owned())
        };
        assert_eq!(named("/s/audit.jsonl"), ["/s/audit.3.jsonl", "/s/audit.head", "/s/audit.lock"]);
        assert_eq!(named("/s/a.log"), ["/s/a.log.3", "/s/a.log.head", "/s/a.log.lock"]);
        for bad in ["", "/", "..", "/s/", "/s/.."] {
            assert!(matches!(Files::new(Path::new(bad)), Err(AuditError::NoName(_))), "{bad:?}");
        }
    }

    #[test]
    fn only_exact_names_are_rotated_files() {
        let files = Files::new(Path::new("/s/audit.jsonl")).expect("a name");
        assert_eq!(files.index_of(b"audit.12.jsonl"), Some(12));
        for other in [
            "audit.jsonl",
            "audit.0.jsonl",
            "audit.01.jsonl",
            "audit.+1.jsonl",
            "audit.x.jsonl",
            "audit.1.jsonl.bak",
            "b.audit.1.jsonl",
            "audit.99999999999.jsonl",
        ] {
            assert_eq!(files.index_of(other.as_bytes()), None, "{other}");
        }
    }
}
