//! Lock files. A process holds one until it drops the lock or ends.

use super::files::{kind_of, open_for_reading, open_private_for_writing};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An exclusive lock, held until dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Why a lock was not taken. It says nothing about the file that the lock is for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error("{} is held by {}{}", file.display(), holder(*pid), for_how_long(*waited))]
    Busy {
        /// The lock.
        file: PathBuf,
        /// The process that holds it, where the system says so.
        pid: Option<u32>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Something else stands in its place.
    #[error("{} is {kind} and not the lock file that ringlet makes", file.display())]
    NotPlain {
        /// The lock.
        file: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The system's own error.
    #[error("{} cannot be locked: {why}", file.display())]
    Io {
        /// The lock.
        file: PathBuf,
        /// The error's kind.
        kind: io::ErrorKind,
        /// The error.
        why: String,
    },
}

impl LockError {
    /// The next thing to do, in words.
    pub fn advice(&self) -> String {
        match self {
            Self::Busy { pid: Some(pid), .. } => format!("try again; process {pid} may be stopped if it takes long"),
            Self::Busy { pid: None, .. } => "try again in a moment".into(),
            Self::NotPlain { file, .. } => format!("move {} away, and run the command again", file.display()),
            Self::Io { file, .. } => {
                let folder = file.parent().unwrap_or(file);
                format!("see whether {} may be written to and has room, then try again", folder.display())
            }
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("another process, {pid}"))
}

fn for_how_long(waited: Duration) -> String {
    if waited.is_zero() { String::new() } else { format!("; it was waited for {} ms", waited.as_millis()) }
}

/// A lock file that stays open while its lock is not held.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: File,
    path: PathBuf,
}

/// The lock of a [`LockFile`], held until dropped.
pub(crate) struct HeldLock<'a>(&'a File);

impl Drop for HeldLock<'_> {
    fn drop(&mut self) {
        // It fails for no open file; closing the file would end the lock, too.
        let _ = self.0.unlock();
    }
}

impl LockFile {
    /// Opens the file, or creates it with mode 0600.
    pub(crate) fn open(path: &Path) -> Result<Self, LockError> {
        Ok(Self { file: open_lock(path)?, path: path.to_owned() })
    }

    /// The opened file's metadata.
    pub(crate) fn metadata(&self) -> io::Result<fs::Metadata> {
        self.file.metadata()
    }

    /// Takes the lock, waiting at most `patience`.
    pub(crate) fn hold(&self, patience: Duration) -> Result<HeldLock<'_>, LockError> {
        wait_for(&self.file, &self.path, patience)?;
        Ok(HeldLock(&self.file))
    }
}

/// Takes the lock, waiting at most `patience`; a holder that was stopped must not hang everyone else.
pub fn lock_file(path: &Path, patience: Duration) -> Result<Lock, LockError> {
    let file = open_lock(path)?;
    wait_for(&file, path, patience)?;
    Ok(Lock(file))
}

fn open_lock(path: &Path) -> Result<File, LockError> {
    let other = |error: io::Error| LockError::Io { file: path.to_owned(), kind: error.kind(), why: error.to_string() };
    let not_plain = |meta: &fs::Metadata| LockError::NotPlain { file: path.to_owned(), kind: kind_of(meta) };
    let file = open_private_for_writing(path).map_err(|error| match fs::symlink_metadata(path) {
        Ok(meta) if !meta.is_file() => not_plain(&meta),
        _ => other(error),
    })?;
    let meta = file.metadata().map_err(other)?;
    if meta.is_file() { Ok(file) } else { Err(not_plain(&meta)) }
}

fn wait_for(file: &File, path: &Path, patience: Duration) -> Result<(), LockError> {
    let other = |error: io::Error| LockError::Io { file: path.to_owned(), kind: error.kind(), why: error.to_string() };
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Busy { file: path.to_owned(), pid: held_by(file), waited: patience });
            }
            Err(TryLockError::Error(error)) => return Err(other(error)),
        }
    }
}

/// Reports whether a process holds the lock of [`lock_file`]. Several processes may ask this at the same time.
pub(crate) fn is_locked(path: &Path) -> io::Result<bool> {
    let file = match open_for_reading(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

// Finds the holder among this user's processes. In proc_pid_fdinfo(5) an open file has one line `lock:` for each lock
// on it. Processes that wait for the lock have the file open without such a line.
#[cfg(target_os = "linux")]
fn held_by(lock: &File) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let wanted = identity(lock.metadata().ok()?);
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let holds = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.filter(|file| fs::metadata(file.path()).is_ok_and(|meta| identity(meta) == wanted)).any(|file| {
            let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", file.file_name().to_string_lossy()));
            info.is_ok_and(|text| text.lines().any(|line| line.starts_with("lock:")))
        })
    };
    fs::read_dir("/proc").ok()?.flatten().filter_map(number).find(holds)
}

#[cfg(not(target_os = "linux"))]
fn held_by(_lock: &File) -> Option<u32> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_says_by_whom_and_one_that_is_none_says_what_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        let held = lock_file(&path, Duration::ZERO).expect("free");
        let busy = lock_file(&path, Duration::from_millis(1)).expect_err("held");
        let pid = cfg!(target_os = "linux").then(std::process::id);
        assert_eq!(busy, LockError::Busy { file: path.clone(), pid, waited: Duration::from_millis(1) });
        assert!(busy.to_string().contains("held by another process") && busy.advice().starts_with("try again"));
        drop(held);
        // What another test starts at this moment has the lock, too, until it becomes a program of its own.
        lock_file(&path, Duration::from_secs(10)).expect("free again");
        fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink("elsewhere", &path).expect("linked");
        for kind in ["a symlink", "a directory", "a FIFO"] {
            let error = lock_file(&path, Duration::ZERO).expect_err("no file");
            assert_eq!(error, LockError::NotPlain { file: path.clone(), kind });
            if kind == "a symlink" {
                fs::remove_file(&path).expect("removed");
                fs::create_dir(&path).expect("a folder");
            } else if kind == "a directory" {
                fs::remove_dir(&path).expect("removed");
                assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
            }
        }
    }
}
