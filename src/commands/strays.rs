//! Temporary files that killed processes left in Ringlet's own folders. Called by `doctor`.

use super::Session;
use crate::platform;
use std::path::{Path, PathBuf};

/// Ringlet's folders have few levels.
const DEPTH: usize = 4;

/// Returns these files, sorted. Each may hold what the file holds that it was to replace, including keys.
pub(super) fn find(session: &Session) -> Vec<PathBuf> {
    let paths = &session.paths;
    let mut found = Vec::new();
    for root in [paths.config().parent(), Some(paths.state()), Some(&paths.runtime()), Some(&paths.profiles())] {
        root.into_iter().for_each(|root| walk(root, DEPTH, &mut found));
    }
    found.sort();
    found.dedup();
    found
}

// A link leads out of them and is not followed.
fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    found.extend(platform::old_strays(folder));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    if depth > 0 {
        folders.for_each(|entry| walk(&entry.path(), depth - 1, found));
    }
}
