//! Commands on a search path, as the system itself would find them.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

// A folder with more entries is not listed to the end.
const MOST_NAMES: usize = 20_000;

/// Returns those of the commands that a search path leads to. A folder is looked into once, under whatever names it
/// stands there.
pub(crate) fn found_on<'a>(search: &std::ffi::OsStr, wanted: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut missing: BTreeSet<&str> = wanted.into_iter().collect();
    let (mut found, mut seen) = (BTreeSet::new(), SearchedFolders::default());
    for folder in std::env::split_paths(search).filter(|folder| folder.is_absolute()) {
        if missing.is_empty() {
            break;
        }
        found.append(&mut commands_in(&folder, &missing, &mut seen));
        missing.retain(|command| !found.contains(command));
    }
    found
}

// Returns the commands that have an entry among these names. Case is ignored, since some file systems ignore it, and on
// Windows the ending is as well.
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
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    #[test]
    fn listing_relative_and_absolute_look_ups_find_the_same() {
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
        // So does a large folder, in which each command is looked up, unless a look-up takes long there.
        for number in 0..2000 {
            fs::write(path(&format!("one/{number:040}")), "").expect("written");
        }
        let one = fs::metadata(path("one")).expect("there");
        assert!(one.size() > 16 * 1024, "{} bytes", one.size());
        let wanted = wanted.into_iter().collect();
        for slow in [false, true] {
            let mut seen = SearchedFolders { slow: vec![(one.dev(), slow)], ..SearchedFolders::default() };
            let found = commands_in(&path("one"), &wanted, &mut seen);
            assert_eq!(found.into_iter().collect::<Vec<_>>(), ["claude", "linked"]);
            assert!(commands_in(&path("one"), &wanted, &mut seen).is_empty(), "its second time");
        }
        fs::set_permissions(path("closed"), PermissionsExt::from_mode(0o755)).expect("chmod");
    }
}
