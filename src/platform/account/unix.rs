//! The account as `/etc/passwd` has it, but for macOS, whose accounts are kept by directory services.

use super::NoAccount;
use std::path::{Path, PathBuf};

/// The real user's home. `_environments` is what the environment calls so.
///
/// The file is read as it is: getpwuid(3) loads the modules of nsswitch.conf, which a static program cannot.
#[cfg(not(target_os = "macos"))]
pub(crate) fn account_home(_environments: &Path) -> Result<PathBuf, NoAccount> {
    const LARGEST: u64 = 16 << 20;
    let id = rustix::process::getuid().as_raw();
    let read = crate::platform::files::read_file(Path::new("/etc/passwd"), LARGEST);
    let read = read.map_err(|error| NoAccount::Unreadable(error.to_string()))?;
    home_of(&read.bytes, id).ok_or(NoAccount::NoEntry(id))
}

/// The home as the environment has it. Accounts are kept by directory services here, and no file lists them.
#[cfg(target_os = "macos")]
pub(crate) fn account_home(environments: &Path) -> Result<PathBuf, NoAccount> {
    Ok(environments.to_owned())
}

/// Where the system keeps what ends with the user's session, whatever the environment says; whether it is there, and
/// whose, is for the caller to look at.
pub(crate) fn runtime_base() -> Option<PathBuf> {
    // systemd's and elogind's place, pam_systemd(8); nothing like it exists elsewhere.
    cfg!(target_os = "linux").then(|| format!("/run/user/{}", rustix::process::geteuid().as_raw()).into())
}

/// Tells the standard library, in a static program, that no user has an entry.
///
/// `std::env::home_dir` asks the C library for the home of a user without `HOME`; the completion of paths calls it. In
/// a static program the C library's own function would load the modules that nsswitch.conf names, which crashes with
/// glibc. This one takes its place; `account_home` is what Ringlet itself asks.
#[cfg(all(target_os = "linux", target_feature = "crt-static"))]
#[allow(unsafe_code, reason = "a function of the C library is replaced")]
#[unsafe(no_mangle)]
extern "C" fn getpwuid_r(
    _id: libc::uid_t,
    _entry: *mut libc::passwd,
    _buffer: *mut libc::c_char,
    _size: libc::size_t,
    found: *mut *mut libc::passwd,
) -> libc::c_int {
    // SAFETY: POSIX has the caller pass a place for the result.
    unsafe { *found = std::ptr::null_mut() };
    0
}

// passwd(5): name:password:uid:gid:comment:home:shell. Of two entries with one number the first counts, as for the
// system.
#[cfg(not(target_os = "macos"))]
fn home_of(list: &[u8], id: u32) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let fields = list.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b':').collect::<Vec<_>>());
    let mut entries = fields.filter(|fields| fields.len() == 7);
    let is_id = |field: &[u8]| std::str::from_utf8(field).ok().and_then(|text| text.parse().ok()) == Some(id);
    let entry = entries.find(|fields| is_id(fields[2]))?;
    let home = PathBuf::from(std::ffi::OsStr::from_bytes(entry[5]));
    home.is_absolute().then_some(home)
}

#[cfg(all(test, not(target_os = "macos")))]
mod tests {
    use super::*;

    #[test]
    fn the_first_whole_entry_of_the_users_number_gives_the_home() {
        let list = b"root:x:0:0:root:/root:/bin/sh\n# 7:7\nshort:x:7:7\na:x:7:7:A, B:/home/a b:/bin/sh\nb:x:7:7::/b:\n\
            c:x:8:8::relative:/bin/sh\nd:x:9:9:::/bin/sh\ne:x:10:10:\xff:/home/\xff:\n";
        let home = |id| home_of(list, id);
        assert_eq!(home(0), Some("/root".into()));
        assert_eq!(home(7), Some("/home/a b".into()));
        for id in [8, 9, 70, u32::MAX] {
            assert_eq!(home(id), None, "{id}");
        }
        assert!(home(10).is_some_and(|home| home.starts_with("/home")));
    }
}
