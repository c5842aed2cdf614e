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
    // rename, not remove and create: at no moment is the command missing. Only a link that is running refuses to
    // be replaced; it can be moved aside, and whoever renews it next removes it.
    let aside = folder.join(format!(".ringlet-old-{name}"));
    let _ = std::fs::remove_file(&aside);
    match std::fs::rename(&fresh, link) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            std::fs::rename(link, &aside).and_then(|()| std::fs::rename(&fresh, link))
        }
        done => done,
    }
    .inspect_err(|_| {
        let _ = std::fs::remove_file(&fresh);
    })
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
