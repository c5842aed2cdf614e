//! Hard links, and copies where a link cannot be made.

use crate::platform::files::same_file;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// Reports whether what [`link_to`] made is this target.
pub(crate) fn is_linked(target: &Path, link: &Path) -> bool {
    same_file(target, link) || is_copy(target, link)
}

/// Makes or renews a file named after an agent that is ringlet: a hard link, or a copy on another volume. Windows
/// finds only a `link` that ends in `.exe`.
pub(crate) fn link_to(target: &Path, link: &Path) -> io::Result<()> {
    if is_linked(target, link) {
        return Ok(());
    }
    let folder = link.parent().unwrap_or(Path::new("."));
    let name = link.file_name().unwrap_or(OsStr::new("link")).to_string_lossy();
    let fresh = folder.join(format!(".ringlet-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&fresh);
    if std::fs::hard_link(target, &fresh).is_err() {
        std::fs::copy(target, &fresh)?;
    }
    // A rename, because a removal and a new link would leave a moment without the command.
    match std::fs::rename(&fresh, link) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            move_aside(link).and_then(|()| std::fs::rename(&fresh, link))
        }
        done => done,
    }
    .inspect_err(|_| {
        let _ = std::fs::remove_file(&fresh);
    })
}

/// Removes a link. One that cannot be removed now is moved aside.
pub(crate) fn remove_link(link: &Path) -> io::Result<()> {
    match std::fs::remove_file(link) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => move_aside(link),
        done => done,
    }
}

// A program that is running can be neither deleted nor replaced under any of its names, but each name can be moved.
// That concerns the links of the ringlet that is running this code. What was moved earlier and runs no more is removed.
fn move_aside(link: &Path) -> io::Result<()> {
    const ASIDE: &str = ".ringlet-old-";
    let folder = link.parent().unwrap_or(Path::new("."));
    for entry in std::fs::read_dir(folder)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(ASIDE) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    let name = link.file_name().unwrap_or(OsStr::new("link")).to_string_lossy();
    std::fs::rename(link, folder.join(format!("{ASIDE}{}-{name}", std::process::id())))
}

// CopyFileEx keeps the time of the last write, and a new release has another.
fn is_copy(target: &Path, link: &Path) -> bool {
    let mark = |path| std::fs::metadata(path).and_then(|meta| Ok((meta.len(), meta.modified()?))).ok();
    mark(link).is_some_and(|mine| mark(target) == Some(mine))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::replace_file;

    #[test]
    fn a_link_is_one_file_with_its_target_and_is_renewed_when_the_target_is_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (target, link) = (folder.path().join("ringlet.exe"), folder.path().join("claude.exe"));
        for release in ["one", "three"] {
            replace_file(&target, release.as_bytes()).expect("replaced");
            link_to(&target, &link).expect("linked");
            link_to(&target, &link).expect("nothing to do");
            assert!(crate::platform::same_file(&target, &link));
            assert_eq!(std::fs::read_to_string(&link).expect("readable"), release);
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 2);
    }
}
