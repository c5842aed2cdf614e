//! The targets of the Windows Credential Manager. Called by the store.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use std::io;
use windows_sys::Win32::Foundation::ERROR_NOT_FOUND;
use windows_sys::Win32::Security::Credentials::{CREDENTIALW, CredEnumerateW, CredFree};
use zeroize::Zeroize;

/// The targets in the Credential Manager that fit a pattern, which may end in `*`. The values that the system hands
/// out with them are wiped unread; keyring's own search would fetch the values of all other programs as well.
pub(crate) fn credential_targets(pattern: &str) -> io::Result<Vec<String>> {
    let pattern: Vec<u16> = pattern.encode_utf16().chain([0]).collect();
    let (mut count, mut list) = (0, std::ptr::null_mut());
    // SAFETY: the pattern ends in NUL; the list is written only on success, and freed below.
    if unsafe { CredEnumerateW(pattern.as_ptr(), 0, &mut count, &mut list) } == 0 {
        let error = io::Error::last_os_error();
        return if error.raw_os_error() == Some(ERROR_NOT_FOUND as i32) { Ok(Vec::new()) } else { Err(error) };
    }
    let targets = (0..count as usize)
        // SAFETY: the list holds `count` pointers to credentials, valid until CredFree.
        .map(|at| unsafe { wipe_and_name(list.add(at).read()) })
        .collect();
    // SAFETY: the list came from CredEnumerateW, and nothing points into it any more.
    unsafe { CredFree(list.cast()) };
    Ok(targets)
}

/// # Safety
/// The pointer must lead to a credential made by the system. Fields are read without trust in their alignment:
/// Windows documents none inside the block, and Wine's are odd after a name of odd length.
unsafe fn wipe_and_name(credential: *const CREDENTIALW) -> String {
    // SAFETY: the caller vouches for the struct, and the system for its blob's size and its name's NUL.
    unsafe {
        let size = (&raw const (*credential).CredentialBlobSize).read_unaligned();
        let blob = (&raw const (*credential).CredentialBlob).read_unaligned();
        if size > 0 {
            std::slice::from_raw_parts_mut(blob, size as usize).zeroize();
        }
        let name = (&raw const (*credential).TargetName).read_unaligned();
        let units = (0..).map(|at| name.add(at).read_unaligned()).take_while(|&unit| unit != 0);
        String::from_utf16_lossy(&units.collect::<Vec<_>>())
    }
}
