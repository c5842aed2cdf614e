//! Commands on a search path, as the system itself would find them.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

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
    use std::fs;
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
