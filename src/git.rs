//! Resolves a checkout's `.git` file as git does (gitrepository-layout(5)).
//!
//! The module only finds the repository of a linked worktree. It starts no git and reads none of git's configuration.
//! `guard` inspects every directory that the file leads to. `trust` uses the repository only if the repository confirms
//! the link.

use crate::platform;
use std::path::{Path, PathBuf};

const MAX_FILE: u64 = 64 * 1024;

/// Returns the folders that a `.git` file leads to: the repository's own folder, and the folder that contains it. Both
/// are returned whatever they contain, because an agent may take either for the main checkout. Returns nothing if
/// `.git` is a folder or absent.
///
/// Agents read these files themselves and trim blanks where git does not. Both readings count.
pub(crate) fn linked_directories(checkout: &Path) -> Vec<PathBuf> {
    let Ok(read) = platform::read_file(&checkout.join(".git"), MAX_FILE) else { return Vec::new() };
    let trimmed = trim(&read.bytes);
    let owns = [&read.bytes, &trimmed].map(|text| {
        let text = text.strip_prefix(b"gitdir:".as_slice())?;
        Some([path_of(text, checkout), path_of(&trim(text), checkout)])
    });
    let mut led = Vec::new();
    for own in owns.into_iter().flatten().flatten().flatten() {
        let common = platform::read_file(&own.join("commondir"), MAX_FILE).map(|read| read.bytes).unwrap_or_default();
        let commons = [path_of(&common, &own), path_of(&trim(&common), &own)].into_iter().flatten();
        for common in commons.chain(common.is_empty().then(|| own.clone())) {
            let above = common.parent().map(Path::to_owned);
            led.extend([Some(common), above].into_iter().flatten());
        }
    }
    let mut seen = std::collections::HashSet::new();
    led.retain(|path| seen.insert(path.clone()));
    led
}

// Trims as JavaScript does: Unicode's blanks and the byte order mark.
fn trim(text: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) => text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').as_bytes().to_vec(),
        Err(_) => text.trim_ascii().to_vec(),
    }
}

/// Returns the canonical main checkout of a linked worktree if the links hold in both directions: the worktree's `.git`
/// file names a folder of the repository, and that folder names the worktree's `.git` file.
pub(crate) fn main_checkout(worktree: &Path) -> Option<PathBuf> {
    let (own, common) = folders(worktree)?;
    let own = platform::canonical(&own).ok()?;
    let common = platform::canonical(&common).ok()?;
    let back = platform::canonical(&read_path(&own.join("gitdir"), &own)?).ok()?;
    let main = common.parent()?.to_owned();
    let is_linked = own.parent() == Some(&common.join("worktrees"))
        && back == platform::canonical(worktree).ok()?.join(".git")
        && platform::canonical(&main.join(".git")).ok()? == common
        && main.join(".git").symlink_metadata().is_ok_and(|meta| meta.is_dir());
    is_linked.then_some(main)
}

// Returns the worktree's own folder in the repository, and the folder that it shares with the other worktrees.
fn folders(checkout: &Path) -> Option<(PathBuf, PathBuf)> {
    let file = checkout.join(".git");
    let text = platform::read_file(&file, MAX_FILE).ok()?.bytes;
    let own = path_of(text.strip_prefix(b"gitdir:")?, checkout)?;
    let common = read_path(&own.join("commondir"), &own).unwrap_or_else(|| own.clone());
    Some((own, common))
}

fn read_path(file: &Path, base: &Path) -> Option<PathBuf> {
    path_of(&platform::read_file(file, MAX_FILE).ok()?.bytes, base)
}

// Reads a path as git does, without blanks before it and line ends after it. If the path does not exist, `..` is
// resolved in the text.
fn path_of(text: &[u8], base: &Path) -> Option<PathBuf> {
    let start = text.iter().position(|byte| *byte != b' ')?;
    let end = text.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'))?;
    let text = text.get(start..=end).filter(|text| !text.is_empty())?;
    let path = base.join(platform::os_string_of(text.to_vec())?);
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return None;
    }
    Some(platform::canonical(&path).unwrap_or_else(|_| platform::plain(&path)))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;

    struct Rig(tempfile::TempDir);

    impl Rig {
        // Makes a repository `main` with a linked worktree `wt`, as git writes them.
        fn new() -> Self {
            let rig = Self(tempfile::tempdir().expect("a temporary folder"));
            fs::create_dir_all(rig.path("main/.git/worktrees/wt")).expect("folders");
            fs::create_dir_all(rig.path("wt")).expect("a folder");
            rig.write("main/.git/worktrees/wt/commondir", "../..\n");
            rig.write("main/.git/worktrees/wt/gitdir", &format!("{}\n", rig.path("wt/.git").display()));
            rig.write("wt/.git", &format!("gitdir: {}\n", rig.path("main/.git/worktrees/wt").display()));
            rig
        }
        fn path(&self, name: &str) -> PathBuf {
            self.0.path().canonicalize().expect("there").join(name)
        }
        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).expect("written");
        }
    }

    #[test]
    fn a_worktree_whose_links_hold_both_ways_has_a_main_checkout() {
        let rig = Rig::new();
        assert_eq!(main_checkout(&rig.path("wt")), Some(rig.path("main")));
        assert_eq!(linked_directories(&rig.path("wt")), [rig.path("main/.git"), rig.path("main")]);
        // Git 2.48 writes relative links on request.
        rig.write("wt/.git", "gitdir: ../main/.git/worktrees/wt\n");
        rig.write("main/.git/worktrees/wt/gitdir", "../../../../wt/.git\n");
        assert_eq!(main_checkout(&rig.path("wt")), Some(rig.path("main")));
    }

    #[test]
    fn a_link_in_one_direction_is_followed_and_not_believed() {
        let rig = Rig::new();
        fs::create_dir(rig.path("fake")).expect("a folder");
        fs::copy(rig.path("wt/.git"), rig.path("fake/.git")).expect("copied");
        assert_eq!(main_checkout(&rig.path("fake")), None);
        assert_eq!(linked_directories(&rig.path("fake")), [rig.path("main/.git"), rig.path("main")]);
        // The project contains a folder that claims to be another repository.
        fs::create_dir_all(rig.path("fake/store/worktrees/x")).expect("folders");
        rig.write("fake/store/worktrees/x/commondir", "../..");
        rig.write("fake/store/worktrees/x/gitdir", &rig.path("fake/.git").display().to_string());
        rig.write("fake/.git", "gitdir: store/worktrees/x");
        assert_eq!(main_checkout(&rig.path("fake")), None);
        assert_eq!(linked_directories(&rig.path("fake")), [rig.path("fake/store"), rig.path("fake")]);
    }

    #[test]
    fn blanks_that_only_agents_cut_are_followed() {
        let rig = Rig::new();
        let own = rig.path("main/.git/worktrees/wt").display().to_string();
        for text in ["gitdir: OWN  \n", "gitdir:\tOWN\n", " \n gitdir: OWN", "gitdir:\u{a0}OWN\u{b}"] {
            rig.write("wt/.git", &text.replace("OWN", &own));
            assert!(linked_directories(&rig.path("wt")).contains(&rig.path("main")), "{text:?}");
        }
        rig.write("wt/.git", &format!("gitdir: {own}\n"));
        for text in ["../.. \n", "\t../..\n", "\n../..\n"] {
            rig.write("main/.git/worktrees/wt/commondir", text);
            assert!(linked_directories(&rig.path("wt")).contains(&rig.path("main")), "{text:?}");
        }
    }

    #[test]
    fn other_git_entries_lead_nowhere() {
        let rig = Rig::new();
        assert!(linked_directories(&rig.path("main")).is_empty());
        for text in ["", "gitdir:", "gitdir: \n", "nonsense", "gitdir: a\0b"] {
            rig.write("wt/.git", text);
            assert!(linked_directories(&rig.path("wt")).is_empty(), "{text:?}");
            assert_eq!(main_checkout(&rig.path("wt")), None, "{text:?}");
        }
        rig.write("wt/.git", "gitdir: ../nowhere/../gone\n");
        assert_eq!(linked_directories(&rig.path("wt"))[0], rig.path("gone"));
    }
}
