//! What differs between operating systems, and the only home of `unsafe`.
//!
//! Everything here is mechanism: replacing the process, private files, locks, memory that is not swapped, a prompt
//! without echo. No decision about trust, keys or profiles is taken here.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::*;

#[cfg(unix)]
mod terminal;
#[cfg(unix)]
pub(crate) use terminal::*;

mod account;
pub(crate) use account::{NoAccount, account_home};

#[cfg(target_os = "linux")]
mod offer;
#[cfg(target_os = "linux")]
pub(crate) use offer::*;

/// Whether a key can be handed over to a command, see `launch`.
pub(crate) const HANDS_OVER: bool = cfg!(target_os = "linux");

mod peer;
pub(crate) use peer::{Peer, Sender};
#[cfg(unix)]
pub(crate) use peer::{receive, tell_senders};

pub(crate) mod private;
pub(crate) use private::{Access, access};

mod lock;
pub use lock::{Lock, LockError, lock_file};

mod strays;
pub(crate) use strays::{old_strays, remove_strays, stray_prefix, temporary, temporary_for};

mod rewrite;
pub(crate) use rewrite::*;

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A path without `.` and `..`, by its text.
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

/// What a program prints on standard output when it is started with these arguments in the root directory, its standard input
/// empty; at most `limit` bytes of it. `None` where it cannot be started or has not ended in time. It is ended then, with
/// whatever it has started in its process group.
pub(crate) fn ask_program(
    program: &Path,
    arguments: &[String],
    env: &[(OsString, OsString)],
    deadline: Duration,
    limit: usize,
) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    command.current_dir(std::path::MAIN_SEPARATOR_STR);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    set_group(&mut command);
    let mut child = command.spawn().ok()?;
    let out = child.stdout.take()?;
    let (sender, pieces) = mpsc::channel();
    // A program may leave others behind that keep its output open.
    std::thread::spawn(move || {
        let mut out = out.take(limit as u64);
        let mut piece = [0; 512];
        while let Ok(read @ 1..) = out.read(&mut piece) {
            if sender.send(piece[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    let end = Instant::now() + deadline;
    let mut answer = Vec::new();
    let mut has_ended = false;
    // Its output's end is not waited for once it has ended itself.
    while !has_ended && Instant::now() < end {
        has_ended = !matches!(child.try_wait(), Ok(None));
        match pieces.recv_timeout(Duration::from_millis(5)) {
            Ok(piece) => answer.extend(piece),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    answer.extend(pieces.try_iter().flatten());
    end_group(&mut child);
    let _ = child.kill();
    let _ = child.wait();
    (Instant::now() < end || has_ended).then_some(answer)
}

/// Why a file that was found could not be taken as input.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system's own error.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A directory, FIFO, device or socket stands where a file is wanted.
    #[error("it is {0}, not a regular file")]
    NotAFile(&'static str),
    /// A symlink leads nowhere.
    #[error("it is a symlink to nothing")]
    Dangling,
    /// More bytes than any honest file of its kind has.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
}

impl ReadError {
    /// Whether there is simply no such file.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// A file's bytes, read once, with who could have changed them.
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
    Ok(Opened { size: meta.len(), access: private::access_of(&file, &meta), file })
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

/// Why a record of our own is not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOurs {
    /// It cannot be read, or somebody else may have written it, or may read it.
    #[error(transparent)]
    NotPrivate(#[from] private::NotPrivate),
    /// It is not text.
    #[error("is not UTF-8")]
    NotText,
}

/// Reads a record that [`replace_file`] wrote, of at most 64 KiB; none where there is no such file. One that is not the
/// user's own, or is wider than 0600, was not left so by us.
pub(crate) fn read_record(path: &Path) -> Result<Option<String>, NotOurs> {
    let Some(bytes) = private::read(path, 64 * 1024, private::Privacy::Unread)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|_| NotOurs::NotText)
}

/// The new content is in force, and its folder could not be synced: what a crash of the system leaves is not known.
#[derive(Debug, thiserror::Error)]
#[error("it is changed, but may be as before after a crash of the system: its folder cannot be synced: {0}")]
pub(crate) struct NotLasting(io::Error);

impl NotLasting {
    /// Whether that is what an error says.
    pub(crate) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

/// Replaces a file whole: a private temporary file beside it, fsync, rename, fsync of the directory. A crash leaves
/// the old content or the new one, and at worst a stray `.ringlet-*` file, never a mixture; those of long ago go here, of
/// whatever file in the folder. The error is [`NotLasting`] where the content is in force all the same.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // One that cannot be removed is in nobody's way.
    old_strays(folder).iter().for_each(|stray| drop(fs::remove_file(stray)));
    // tempfile creates with mode 0600; the content is never wider than that, not even for a moment.
    let mut file = temporary_for(path, None)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    persist(file, path)?;
    sync_folder(folder).map_err(|error| io::Error::other(NotLasting(error)))
}

// Windows refuses to replace a file that somebody has open, if only for the moment in which they read it.
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

/// Creates a folder and its missing parents; the last one is private (0700) when it is new.
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

/// Whether somebody has the lock of [`lock_file`]; takes nothing from anybody who asks the same.
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

/// What stands at a path: a link, which is not followed, or something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A link, and where it leads.
    Link(PathBuf),
    /// Anything else, with what [`file_identity`] says of it.
    Other((u64, u64)),
    /// Nothing, or nothing that can be seen.
    Nothing,
}

/// Whether two paths lead to one and the same file; false when either cannot be looked at.
pub(crate) fn same_file(a: &Path, b: &Path) -> bool {
    match (file_identity(a), file_identity(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// What is in a folder of a search path.
pub(crate) enum Folder {
    /// Nothing new: it is not there, or another name for one that was looked into.
    Nothing,
    /// Entries of these names.
    Names(Vec<OsString>),
    /// It cannot be listed, or to ask for each name takes less time.
    Unlisted,
}

// A listing is not taken further.
const MOST_NAMES: usize = 20_000;

/// Which of these commands a search path leads to. A folder is looked into once: where a look-up is slow, as on the drives of
/// Windows in WSL, one for each name costs more than all else that a shell's start does.
pub(crate) fn found_on<'a>(search: &std::ffi::OsStr, wanted: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut missing: BTreeSet<&str> = wanted.into_iter().collect();
    let (mut found, mut seen) = (BTreeSet::new(), HashSet::new());
    for folder in std::env::split_paths(search).filter(|folder| folder.is_absolute()) {
        if missing.is_empty() {
            break;
        }
        let likely = match look_into(&folder, &mut seen) {
            Folder::Nothing => continue,
            Folder::Names(names) => named(&names, &missing),
            Folder::Unlisted => missing.clone(),
        };
        found
            .extend(likely.into_iter().filter(|command| executables_in(&folder, command).into_iter().next().is_some()));
        missing.retain(|command| !found.contains(command));
    }
    found
}

// Those of the commands that have an entry, in whatever case, since some file systems tell none apart, and on Windows with
// whatever ending.
fn named<'a>(names: &[OsString], wanted: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let mut likely = BTreeSet::new();
    for name in names {
        let name = if cfg!(windows) { Path::new(name).file_stem().unwrap_or(name) } else { name };
        likely.extend(wanted.iter().filter(|command| name.eq_ignore_ascii_case(command)).copied());
    }
    likely
}

/// The candidates for a command on a search path, first match first. Empty and relative entries are passed over:
/// they would let the working directory choose what runs.
pub(crate) fn candidates<'a>(command: &'a str, search: &'a std::ffi::OsStr) -> impl Iterator<Item = PathBuf> + 'a {
    std::env::split_paths(search)
        .filter(|folder| folder.is_absolute())
        .flat_map(move |folder| executables_in(&folder, command))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn what_is_found_by_listing_is_what_a_look_up_finds() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let path = |below: &str| root.path().join(below);
        for folder in ["one", "two", "closed", "empty", "one/folder"] {
            fs::create_dir(path(folder)).expect("a folder");
        }
        for (file, mode) in [
            ("one/claude", 0o755),
            ("one/codex", 0o644),
            ("two/codex", 0o755),
            ("closed/amp", 0o755),
            ("two/Qwen", 0o755),
        ] {
            fs::write(path(file), "").expect("written");
            fs::set_permissions(path(file), PermissionsExt::from_mode(mode)).expect("chmod");
        }
        symlink(path("two/codex"), path("one/linked")).expect("a link");
        symlink("nowhere", path("one/dangling")).expect("a link");
        // It can be looked through and not be listed, but for root.
        fs::set_permissions(path("closed"), PermissionsExt::from_mode(0o311)).expect("chmod");
        let folders = ["one", "missing", "one/claude", "empty", "closed", "two", "one"].map(path);
        let search = std::env::join_paths(folders.into_iter().chain(["relative".into(), "".into()])).expect("a path");
        let wanted = ["amp", "claude", "codex", "dangling", "folder", "gemini", "linked", "qwen"];
        let found = found_on(&search, wanted);
        assert_eq!(found, wanted.into_iter().filter(|name| candidates(name, &search).next().is_some()).collect());
        assert!(["amp", "claude", "codex", "linked"].into_iter().all(|name| found.contains(name)), "{found:?}");
        fs::set_permissions(path("closed"), PermissionsExt::from_mode(0o755)).expect("chmod");
    }
}
