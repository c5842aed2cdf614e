//! Sockets of launches: each has a name of its own in the user's folder for what runs.

use crate::paths::Paths;
use crate::platform;
use crate::platform::private::{self, NotPrivate, Privacy};
use crate::secret::Secret;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

// Until then a socket may be one that another launch is just creating.
const YOUNG: Duration = Duration::from_secs(10);

/// Makes a socket that listens, and removes those of processes that were killed.
pub(super) fn fresh(paths: &Paths) -> io::Result<(UnixListener, PathBuf)> {
    let folder = paths.launch_sockets();
    platform::create_private_folder(&folder)?;
    // Whoever can write there could answer in the place of the socket, with a key of another account.
    let wrong = |why: NotPrivate| io::Error::other(format!("{} {why}", folder.display()));
    private::folder(&folder, Privacy::Unwritten).map_err(wrong)?;
    clear(&folder);
    let name = Secret::fresh()?;
    let socket = folder.join(String::from_utf8_lossy(&name.expose()[..16]).as_ref());
    Ok((platform::private_listener(&socket)?, socket))
}

// A listener that the kernel names is left alone: whoever asks it would be a stranger there.
fn clear(folder: &Path) {
    let is_old = |entry: &std::fs::DirEntry| {
        let made = entry.metadata().and_then(|meta| meta.modified()).ok();
        made.and_then(|made| SystemTime::now().duration_since(made).ok()).is_some_and(|age| age > YOUNG)
    };
    let mut old: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().filter(is_old).map(|entry| entry.path()).collect();
    if !old.is_empty() {
        let bound = platform::bound_sockets();
        old.retain(|path| !bound.contains(path));
    }
    for path in old {
        if matches!(platform::has_listener(&path), Ok(false)) {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn paths(root: &Path) -> Paths {
        Paths::new(&Env::from_pairs([("HOME", root), ("XDG_RUNTIME_DIR", root)])).expect("an absolute home")
    }

    #[test]
    fn a_folder_that_others_may_write_holds_no_socket() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let paths = paths(root.path());
        let folder = paths.launch_sockets();
        platform::create_private_folder(&folder).expect("created");
        fs::set_permissions(&folder, Permissions::from_mode(0o722)).expect("chmod");
        let refused = fresh(&paths).expect_err("others may write there");
        assert!(refused.to_string().contains("can be written by others"), "{refused}");
        assert_eq!(fs::read_dir(&folder).expect("listed").count(), 0);
    }

    #[test]
    fn old_sockets_without_a_listener_are_removed_and_no_living_one_is_asked() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let paths = paths(root.path());
        let (living, kept) = fresh(&paths).expect("made");
        let (dead, left) = fresh(&paths).expect("made");
        drop(dead);
        let (_, young) = fresh(&paths).expect("made");
        for path in [&kept, &left] {
            let long_ago = SystemTime::now() - 2 * YOUNG;
            let times = rustix::fs::Timespec {
                tv_sec: long_ago.duration_since(SystemTime::UNIX_EPOCH).expect("after it").as_secs() as _,
                tv_nsec: 0,
            };
            let times = rustix::fs::Timestamps { last_access: times, last_modification: times };
            rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty()).expect("set");
        }
        fresh(&paths).expect("made");
        assert!(kept.exists() && young.exists() && !left.exists());
        living.set_nonblocking(true).expect("a socket");
        assert_eq!(living.accept().map(drop).expect_err("nobody asked").kind(), io::ErrorKind::WouldBlock);
    }
}
