//! Owner, mode, access list and groups, as Unix has them.
//!
//! The account database is read as files: what asks it by the C library fails in a static binary. Accounts of a
//! directory service are in neither file, and a group that is not listed counts as shared.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Reports whether this process has root's rights, and files that it makes are root's.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Who owns an opened file, and who may do what with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    owner: u32,
    group: u32,
    mode: u32,
    /// Whether an access list names more users or groups.
    listed: bool,
}

impl Access {
    /// Reports whether the file belongs to the user who runs Ringlet.
    pub(crate) fn is_ours(&self) -> bool {
        self.owner == rustix::process::geteuid().as_raw()
    }

    /// Reports whether the file belongs to root.
    pub(crate) fn is_roots(&self) -> bool {
        self.owner == 0
    }

    /// Reports whether nobody but the user and root can put another entry in the place of one of theirs in this folder.
    pub(crate) fn keeps_entries(&self) -> bool {
        let is_sticky = self.mode & 0o1000 != 0;
        (self.is_ours() || self.is_roots()) && (is_sticky || !self.others_may_write())
    }

    /// Reports whether those who may put another entry into this folder are the same as for the other one, by owner,
    /// group and mode.
    pub(crate) fn lets_the_same(&self, other: &Self) -> bool {
        let writers = |access: &Self| (access.owner, access.group, access.mode & 0o1022);
        !self.keeps_entries() && !self.listed && !other.listed && writers(self) == writers(other)
    }

    /// Reports whether anyone but its owner may write it.
    pub(crate) fn others_may_write(&self) -> bool {
        // With an access list the group's bits are its mask, so without them it gives nobody anything.
        let group = self.mode & 0o020 != 0 && (self.listed || !self.group_is_the_owner_alone());
        self.mode & 0o002 != 0 || group
    }

    // Where each user has a group of their own, of the same number or name, the usual umask is 002 and every checkout
    // is group-writable: that group is nobody else, unless someone was added to it. Root's group is not of that kind.
    fn group_is_the_owner_alone(&self) -> bool {
        let alone = || {
            let (groups, users) =
                (std::fs::read_to_string("/etc/group").ok()?, std::fs::read_to_string("/etc/passwd").ok()?);
            Some(is_alone(&groups, &users, self.owner, self.group))
        };
        self.owner != 0 && alone().unwrap_or(false)
    }

    /// Reports whether only administrators may write it, by the groups that systems have for them.
    pub(crate) fn is_administrators(&self) -> bool {
        let is_shared = self.mode & 0o002 != 0 || self.listed;
        (self.is_ours() || self.is_roots()) && !is_shared && self.group_is_of_administrators()
    }

    // Homebrew's folders belong to macOS' group `admin`, and Debian's policy gives /usr/local to `staff`.
    fn group_is_of_administrators(&self) -> bool {
        let name = match (self.group, cfg!(target_os = "macos")) {
            (0, _) | (80, true) => return true,
            (50, false) => "staff:",
            _ => return false,
        };
        let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
        groups.lines().any(|line| line.starts_with(name) && line.split(':').nth(2) == Some("50"))
    }

    /// Reports whether anyone but its owner may do anything with it.
    pub(crate) fn others_may_anything(&self) -> bool {
        self.mode & 0o077 != 0
    }

    /// The permission bits, for messages.
    pub(crate) fn describe(&self) -> String {
        let list = if self.listed { ", with an access list" } else { "" };
        format!("mode {:04o}, owner {}{list}", self.mode & 0o7777, self.owner)
    }
}

// group(5): name:password:number:members. passwd(5): name:password:uid:gid, and the group of that number is the user's
// own without the user being among its members.
fn is_alone(groups: &str, users: &str, owner: u32, group: u32) -> bool {
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let number = |field: Option<&String>, wanted: u32| field.is_some_and(|text| text.parse() == Ok(wanted));
    let users: Vec<Vec<String>> = users.lines().map(fields).collect();
    let own = |name: &str| {
        users.iter().any(|user| user.first().is_some_and(|field| field == name) && number(user.get(2), owner))
    };
    if users.iter().any(|user| number(user.get(3), group) && !number(user.get(2), owner)) {
        return false;
    }
    let mut listed = groups.lines().map(fields).filter(|fields| number(fields.get(2), group)).peekable();
    let is_the_owners = |fields: Vec<String>| {
        let members = fields.get(3).map_or("", |members| members.trim()).split(',').filter(|name| !name.is_empty());
        // Any other group without members may be a service's, or a program's that runs with it.
        (group == owner || fields.first().is_some_and(|name| own(name))) && members.map(str::trim).all(&own)
    };
    listed.peek().is_some() && listed.all(is_the_owners)
}

/// The access of an opened file.
pub(in crate::platform) fn access_of(file: &File, meta: &Metadata) -> Access {
    made(meta, || has_list(|name, to| rustix::fs::fgetxattr(file, name, to)))
}

/// The access of a path, symlinks followed.
pub(crate) fn access(path: &Path) -> io::Result<Access> {
    let meta = std::fs::metadata(path)?;
    Ok(made(&meta, || has_list(|name, to| rustix::fs::getxattr(path, name, to))))
}

// A list without the group's bits gives nobody anything, so it need not be asked for.
fn made(meta: &Metadata, listed: impl FnOnce() -> bool) -> Access {
    let mode = meta.mode();
    Access { owner: meta.uid(), group: meta.gid(), mode, listed: mode & 0o020 != 0 && listed() }
}

#[cfg(target_os = "linux")]
fn has_list(get: impl FnOnce(&str, &mut [u8]) -> rustix::io::Result<usize>) -> bool {
    use rustix::io::Errno;
    // No list fits one byte, so that one that is there is an error of its own.
    match get("system.posix_acl_access", &mut [0u8; 1]) {
        Ok(_) => true,
        Err(error) => !matches!(error, Errno::NODATA | Errno::NOTSUP),
    }
}

// The BSDs and macOS keep their lists elsewhere, and the mode shows nothing of them.
#[cfg(not(target_os = "linux"))]
fn has_list(_: impl FnOnce(&str, &mut [u8]) -> rustix::io::Result<usize>) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_shared_by_members_and_by_whose_own_it_is() {
        let users = "root:x:0:0::/:/bin/sh\nalice:x:2001:2001::/:/bin/sh\nbob:x:2002:2002::/:/bin/sh\n";
        let alone = |groups: &str, more: &str| is_alone(groups, &format!("{users}{more}"), 2001, 2001);
        assert!(alone("alice:x:2001:\n", ""));
        assert!(alone("alice:x:2001:alice\n", ""));
        assert!(!alone("alice:x:2001:bob\n", ""));
        assert!(!alone("alice:x:2001:alice,bob\n", ""));
        // Another user whose own group it is stands in no list of members.
        assert!(!alone("alice:x:2001:\n", "eve:x:2003:2001::/:/bin/sh\n"));
        // A second name for the same user.
        assert!(alone("alice:x:2001:\n", "alias:x:2001:2001::/:/bin/sh\n"));
        assert!(!alone("alice:x:2001:\nagain:x:2001:bob\n", ""));
        assert!(!alone("other:x:2001x:\n", ""));
        assert!(!alone("", ""));
        // A group of the user's name under another number, and one that only has no members.
        let numbered = |groups: &str| is_alone(groups, users, 2001, 2100);
        assert!(numbered("alice:x:2100:\n") && numbered("alice:x:2100:alice\n"));
        assert!(!numbered("shared:x:2100:\n") && !numbered("shared:x:2100:alice\n") && !numbered("alice:x:2100:bob\n"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_access_list_is_seen_where_it_gives_something() {
        use std::os::unix::fs::PermissionsExt;
        // acl(5), as Linux keeps it: a version, then tag, permissions and id of each entry.
        let entry =
            |tag: u16, may: u16, id: u32| [&tag.to_le_bytes()[..], &may.to_le_bytes(), &id.to_le_bytes()].concat();
        let none = u32::MAX;
        let list = |mask: u16| {
            let entries = [(1, 6, none), (2, 6, 2002), (4, 4, none), (0x10, mask, none), (0x20, 4, none)];
            let entries = entries.into_iter().flat_map(|(tag, may, id)| entry(tag, may, id));
            2u32.to_le_bytes().into_iter().chain(entries).collect::<Vec<u8>>()
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("f");
        std::fs::write(&file, "x").expect("written");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("chmod");
        assert!(!access(&file).expect("there").others_may_write());
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&file, "system.posix_acl_access", &list(4), flags)
            .expect("a file system with access lists");
        assert!(!access(&file).expect("there").others_may_write(), "the mask takes the right to write away");
        rustix::fs::setxattr(&file, "system.posix_acl_access", &list(6), flags).expect("set");
        let seen = access(&file).expect("there");
        assert!(seen.others_may_write() && seen.describe().contains("access list"), "{}", seen.describe());
        let opened = File::open(&file).expect("opened");
        assert_eq!(access_of(&opened, &opened.metadata().expect("there")), seen);
    }
}
