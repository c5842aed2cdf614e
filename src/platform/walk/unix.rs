//! The walk by directory handles.

use rustix::fs::{Mode, OFlags};
use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One level of a walk towards the root. It is looked at from a handle of a directory at most a few levels below. On a
/// deep path this takes less time than resolving the full path at each level.
pub(crate) struct Level<'a> {
    /// The directory's path.
    pub path: &'a Path,
    handle: BorrowedFd<'a>,
    /// The relative path from the handle: `../`, repeated.
    way: &'a str,
    /// The last device that was asked about, and whether a listing of its folders is complete.
    listable: &'a Cell<Option<(u64, bool)>>,
}

// A folder larger than this, in bytes, has more entries than a walk asks for, on file systems that say.
const LARGE: u64 = 16 * 1024;

impl Level<'_> {
    /// Reports whether an entry of that relative name is here; a dangling symlink counts.
    pub(crate) fn has(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::statat(self.handle, [self.way, name].concat(), rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reports whether no entry here has one of these names, which are ASCII in lower case. False where that is not
    /// sure.
    ///
    /// One listing takes as long as five look-ups. It answers for the local file systems that show every entry they
    /// find by name, and leaves names open that a file system might take for another spelling.
    pub(crate) fn surely_lacks(&self, names: &HashSet<String>) -> bool {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let way = if self.way.is_empty() { "." } else { self.way };
        let Ok(folder) = rustix::fs::openat(self.handle, way, flags, Mode::empty()) else { return false };
        let Ok(stat) = rustix::fs::fstat(&folder) else { return false };
        // The types differ: they are narrower or signed on some systems.
        #[allow(
            clippy::unnecessary_cast,
            clippy::cast_sign_loss,
            reason = "it is one here or there, and no size is negative"
        )]
        let (device, size) = (stat.st_dev as u64, stat.st_size as u64);
        let listable = match self.listable.get() {
            Some((known, listable)) if known == device => listable,
            _ => shows_every_entry(&folder),
        };
        self.listable.set(Some((device, listable)));
        if !listable || size > LARGE {
            return false;
        }
        let Ok(mut entries) = rustix::fs::Dir::new(folder) else { return false };
        let is_another = |name: &[u8]| {
            std::str::from_utf8(name).is_ok_and(|name| name.is_ascii() && !names.contains(&name.to_ascii_lowercase()))
        };
        entries.all(|entry| entry.is_ok_and(|entry| is_another(entry.file_name().to_bytes())))
    }

    /// The device the directory is on; it changes at a mount point.
    pub(crate) fn device(&self) -> io::Result<u64> {
        let way = [self.way, "."].concat();
        // The type of this field differs: on macOS it is signed and has 32 bits.
        #[allow(clippy::unnecessary_cast, reason = "it is one here or there")]
        Ok(rustix::fs::statat(self.handle, way, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?.st_dev as u64)
    }
}

/// Walks from a canonical directory to the root until `visit` says stop.
pub(crate) fn ascend(start: &Path, mut visit: impl FnMut(&Level<'_>) -> io::Result<bool>) -> io::Result<()> {
    // Opening a handle costs as much as looking up eight times `..`.
    const WAY: &str = "../../../../../../../../";
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | path_only();
    let mut handle: OwnedFd = rustix::fs::open(start, flags, Mode::empty())?;
    let mut path = start;
    let listable = Cell::new(None);
    loop {
        for end in (0..WAY.len()).step_by("../".len()) {
            if !visit(&Level { path, handle: handle.as_fd(), way: &WAY[..end], listable: &listable })? {
                return Ok(());
            }
            // A canonical path is cut by hand: `Path::parent` takes it apart anew at every level.
            let bytes = path.as_os_str().as_bytes();
            // The crate memchr would ask the processor for its instructions, which costs a guest of a virtual machine
            // more than the whole walk.
            path = match bytes.iter().rposition(|byte| *byte == b'/') {
                Some(0) if bytes.len() > 1 => Path::new("/"),
                Some(at @ 1..) => Path::new(OsStr::from_bytes(&bytes[..at])),
                _ => return Ok(()),
            };
        }
        handle = rustix::fs::openat(&handle, WAY, flags, Mode::empty())?;
    }
}

// From Linux' magic.h and the drivers: ext2 to ext4, XFS, Btrfs, F2FS, tmpfs, ZFS, bcachefs, overlayfs.
#[cfg(target_os = "linux")]
fn shows_every_entry(folder: &OwnedFd) -> bool {
    const LOCAL: [u32; 8] =
        [0x0000_ef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994, 0x2fc1_2fc1, 0xca45_1a4e, 0x794c_7630];
    // The type's width differs from one architecture to another.
    #[allow(clippy::cast_possible_truncation, reason = "the numbers have 32 bits")]
    rustix::fs::fstatfs(folder).is_ok_and(|found| LOCAL.contains(&(found.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn shows_every_entry(_: &OwnedFd) -> bool {
    false
}

// Linux can hold a directory without the right to list it, so a parent with mode 0711 does not end the walk.
pub(in crate::platform) fn path_only() -> OFlags {
    #[cfg(target_os = "linux")]
    return OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    return OFlags::empty();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_listing_says_that_a_name_is_absent_only_if_a_look_up_says_so() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let root = root.path().canonicalize().expect("there");
        let names = HashSet::from([".git", "kit.json", ".kit"].map(str::to_owned));
        let is_listable = shows_every_entry(&OwnedFd::from(fs::File::open(&root).expect("there")));
        for (at, (entry, lacks)) in [
            ("other", true),
            ("kit.jsonc", true),
            ("kit.json", false),
            (".git", false),
            (".kit", false),
            // A file system may take these for the same name.
            ("KIT.json", false),
            ("\u{212a}it.json", false),
            ("k\u{200c}it.json", false),
        ]
        .into_iter()
        .enumerate()
        {
            let folder = root.join(format!("{at}/{at}/{at}"));
            fs::create_dir_all(&folder).expect("folders");
            std::os::unix::fs::symlink("nowhere", folder.join(entry)).expect("a link");
            fs::create_dir_all(folder.join("below/it")).expect("folders");
            let mut seen = Vec::new();
            ascend(&folder.join("below/it"), |level| {
                let is_lacking = level.surely_lacks(&names);
                for name in &names {
                    assert!(!is_lacking || !level.has(name)?, "{entry}");
                }
                seen.push(is_lacking);
                Ok(level.path != root)
            })
            .expect("walked");
            let expected = [true, true, lacks, true, true, true].map(|lacks| lacks && is_listable);
            assert_eq!(seen, expected, "{entry}");
        }
        for number in 0..2000 {
            fs::write(root.join(format!("{number:040}")), "").expect("written");
        }
        ascend(&root, |level| {
            assert!(!level.surely_lacks(&names), "a large folder is not listed");
            Ok(false)
        })
        .expect("walked");
    }
}
