//! The walk by paths.

use crate::platform::files::{identity, open_for_information};
use std::collections::HashSet;
use std::io;
use std::path::Path;

/// One level of a walk towards the root.
pub(crate) struct Level<'a> {
    /// The directory's path.
    pub path: &'a Path,
}

impl Level<'_> {
    /// Reports whether an entry of that relative name is here; a dangling symlink counts.
    pub(crate) fn has(&self, name: &str) -> io::Result<bool> {
        match std::fs::symlink_metadata(self.path.join(name)) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reports whether no entry here has one of these names. That is never sure here.
    #[allow(clippy::unused_self, reason = "the other systems look")]
    pub(crate) fn surely_lacks(&self, _: &HashSet<String>) -> bool {
        false
    }

    /// The volume the directory is on; it changes at a mount point.
    pub(crate) fn device(&self) -> io::Result<u64> {
        Ok(identity(&open_for_information(self.path)?.1).0)
    }
}

/// Walks from a canonical directory to the root until `visit` says stop.
pub(crate) fn ascend(start: &Path, mut visit: impl FnMut(&Level<'_>) -> io::Result<bool>) -> io::Result<()> {
    for path in start.ancestors() {
        if !visit(&Level { path })? {
            break;
        }
    }
    Ok(())
}
