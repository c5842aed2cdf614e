//! Keys that the kernel holds for all processes of a user, for a limited time: keyrings(7), add_key(2), keyctl(2).
//!
//! Such a key is in the kernel's memory alone, which is never written to swap, and it goes with the time limit, or with
//! the machine. Containers often refuse these calls.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use std::ffi::CStr;
use std::io;
use std::time::Duration;
use zeroize::Zeroizing;

// linux/keyctl.h
const THREAD_KEYRING: libc::c_long = -1;
const USER_KEYRING: libc::c_long = -4;
const SETPERM: libc::c_long = 5;
const LINK: libc::c_long = 8;
const UNLINK: libc::c_long = 9;
const SEARCH: libc::c_long = 10;
const READ: libc::c_long = 11;
const SET_TIMEOUT: libc::c_long = 15;
const INVALIDATE: libc::c_long = 21;

/// The possessor and the user may see, read, find and invalidate it. The possessor may link it, and nobody change it.
const PERMISSIONS: libc::c_long = 0x1b0b_0000;

const TYPE: &CStr = c"user";

/// The longest value that is read.
const MOST: usize = 512;

/// Has the kernel hold a value under a name for some time, in place of an older one.
pub(crate) fn hold_key(name: &CStr, value: &[u8], time: Duration) -> io::Result<()> {
    end_key(name)?;
    // It is made in the thread's own keyring, which ends with the thread: whenever this process is killed, the user's
    // keyring has no key without a limit. And the key is the thread's to change, which one in the user's keyring is not
    // where the session has no link to that (`su`, services).
    // SAFETY: both texts end with a zero and outlive the call, and the value is as long as is told.
    let key = unsafe {
        libc::syscall(
            libc::SYS_add_key,
            TYPE.as_ptr(),
            name.as_ptr(),
            value.as_ptr(),
            value.len(),
            THREAD_KEYRING as libc::c_int,
        )
    };
    let key = checked(key)?;
    let seconds = libc::c_long::try_from(time.as_secs()).unwrap_or(libc::c_long::MAX);
    // The time limit comes first, since nobody may set it afterwards.
    let limited = control([SET_TIMEOUT, key, seconds, 0]).and_then(|_| control([SETPERM, key, PERMISSIONS, 0]));
    let held = limited.and_then(|_| control([LINK, key, USER_KEYRING, 0]));
    let _ = control([UNLINK, key, THREAD_KEYRING, 0]);
    held.map(|_| ())
}

/// The value under a name, if the kernel holds one.
pub(crate) fn held_key(name: &CStr) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(key) = find(name)? else { return Ok(None) };
    let mut value = Zeroizing::new(vec![0u8; MOST]);
    // SAFETY: the kernel writes at most as many bytes as are told to the live buffer.
    let read = unsafe { libc::syscall(libc::SYS_keyctl, READ, key, value.as_mut_ptr(), value.len()) };
    match checked(read) {
        Ok(length) => {
            let length = usize::try_from(length).ok().filter(|length| *length <= MOST);
            value.truncate(length.ok_or_else(|| io::Error::other("the kernel holds a longer value under this name"))?);
            Ok(Some(value))
        }
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Ends what the kernel holds under a name; `false` where it holds nothing.
pub(crate) fn end_key(name: &CStr) -> io::Result<bool> {
    let Some(key) = find(name)? else { return Ok(false) };
    // Whoever has found it meanwhile cannot read it any more.
    let ended = control([INVALIDATE, key, 0, 0]);
    let unlinked = control([UNLINK, key, USER_KEYRING, 0]);
    match ended.or(unlinked) {
        Ok(_) => Ok(true),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn find(name: &CStr) -> io::Result<Option<libc::c_long>> {
    // SAFETY: both texts end with a zero and outlive the call.
    let found = unsafe { libc::syscall(libc::SYS_keyctl, SEARCH, USER_KEYRING, TYPE.as_ptr(), name.as_ptr(), 0) };
    match checked(found) {
        Ok(key) => Ok(Some(key)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn control([operation, first, second, third]: [libc::c_long; 4]) -> io::Result<libc::c_long> {
    // SAFETY: the operations that are passed take numbers alone.
    checked(unsafe { libc::syscall(libc::SYS_keyctl, operation, first, second, third) })
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOKEY | libc::EKEYEXPIRED | libc::EKEYREVOKED))
}

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::io::Write;

    const JOIN_SESSION_KEYRING: libc::c_long = 1;

    #[test]
    fn a_value_is_held_until_it_is_ended_and_only_so_long() {
        let name = CString::new(format!("ringlet-test:{}", std::process::id())).expect("no zero");
        let hour = Duration::from_secs(3600);
        match hold_key(&name, b"one", hour) {
            // A container that refuses the calls refuses all of them, so that nothing is half done.
            Err(error) => {
                let _ = writeln!(io::stderr(), "the kernel refuses: {error}");
                assert!(held_key(&name).is_err() || held_key(&name).is_ok_and(|held| held.is_none()));
            }
            Ok(()) => {
                hold_key(&name, b"two", hour).expect("it takes the place of the first");
                assert_eq!(held_key(&name).expect("readable").expect("held").as_slice(), b"two");
                let listed = std::fs::read_to_string("/proc/keys").unwrap_or_default();
                let line = listed.lines().find(|line| line.contains(name.to_str().expect("text")));
                // Its mode and how long it is held: 59m, since a part of the hour has passed, or 1h.
                if let Some(line) = line {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    assert_eq!(words[4], "1b0b0000", "{line}");
                    assert!(matches!(words[3], "59m" | "60m" | "1h"), "{line}");
                }
                // A session without a link to the user's keyring, as `su` and services have.
                let alone = name.clone();
                let in_a_session_of_its_own = std::thread::spawn(move || {
                    control([JOIN_SESSION_KEYRING, 0, 0, 0]).expect("a session of its own");
                    assert_eq!(held_key(&alone).expect("readable").expect("held").as_slice(), b"two");
                    hold_key(&alone, b"three", hour).expect("it takes the place of the second");
                });
                in_a_session_of_its_own.join().expect("no panic");
                assert_eq!(held_key(&name).expect("readable").expect("held").as_slice(), b"three");
                assert!(end_key(&name).expect("ended"));
                assert!(held_key(&name).expect("readable").is_none());
                assert!(!end_key(&name).expect("nothing to end"));
            }
        }
    }
}
