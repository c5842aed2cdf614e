//! Windows: access lists are not examined.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// Reports whether this process has root's rights; there is no root here.
pub(crate) fn is_root() -> bool {
    false
}

/// Who owns an opened file and who may write to it: on Windows the folder's access list decides, and it is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access;

impl Access {
    /// Reports whether the file belongs to the user who runs Ringlet; not examined, so always true.
    pub(crate) fn is_ours(&self) -> bool {
        true
    }

    /// Reports whether the file belongs to the system; not examined, and [`Access::is_ours`] is true in any case.
    pub(crate) fn is_roots(&self) -> bool {
        false
    }

    /// Reports whether nobody else can put another entry in the place of one in this folder; not examined, so always
    /// true.
    pub(crate) fn keeps_entries(&self) -> bool {
        true
    }

    /// Reports whether those who may put another entry into this folder are the same as for the other one; not
    /// examined.
    pub(crate) fn lets_the_same(&self, _: &Self) -> bool {
        false
    }

    /// Reports whether anyone but its owner may write it; not examined, so always false.
    pub(crate) fn others_may_write(&self) -> bool {
        false
    }

    /// Reports whether only administrators may write it; not examined, and nobody else may.
    pub(crate) fn is_administrators(&self) -> bool {
        true
    }

    /// Reports whether anyone but its owner may do anything with it; not examined, so always false.
    pub(crate) fn others_may_anything(&self) -> bool {
        false
    }

    /// What is known, for messages.
    pub(crate) fn describe(&self) -> String {
        "the access list of its folder".to_owned()
    }
}

/// The access of an opened file.
pub(in crate::platform) fn access_of(_file: &File, _meta: &Metadata) -> Access {
    Access
}

/// The access of a path, symlinks followed.
pub(crate) fn access(path: &Path) -> io::Result<Access> {
    std::fs::metadata(path).map(|_| Access)
}
