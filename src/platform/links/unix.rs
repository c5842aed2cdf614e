//! Symlinks.

use crate::platform::files::same_file;
use std::io;
use std::path::Path;

/// Makes or renews a link named after an agent that leads to ringlet.
pub(crate) fn link_to(target: &Path, link: &Path) -> io::Result<()> {
    if std::fs::read_link(link).is_ok_and(|old| old == target) {
        return Ok(());
    }
    let folder = link.parent().unwrap_or(Path::new("/"));
    let fresh = folder.join(format!(
        ".ringlet-{}-{}",
        std::process::id(),
        link.file_name().map_or_else(Default::default, |name| name.to_string_lossy())
    ));
    let _ = std::fs::remove_file(&fresh);
    std::os::unix::fs::symlink(target, &fresh)?;
    // rename, not remove and create: at no moment is the command missing.
    std::fs::rename(&fresh, link).inspect_err(|_| {
        let _ = std::fs::remove_file(&fresh);
    })
}

/// Removes a link.
pub(crate) fn remove_link(link: &Path) -> io::Result<()> {
    std::fs::remove_file(link)
}

/// Reports whether what [`link_to`] made leads to this target.
pub(crate) fn is_linked(target: &Path, link: &Path) -> bool {
    same_file(target, link)
}
