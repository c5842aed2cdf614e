//! The account as a SID.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use super::NoAccount;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use windows_sys::Win32::Foundation::{HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{GetTokenInformation, TOKEN_QUERY, TOKEN_USER, TokenUser};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// The home as the environment has it.
pub(crate) fn account_home(environments: &Path) -> Result<PathBuf, NoAccount> {
    Ok(environments.to_owned())
}

/// Where the system keeps what ends with the user's session: Windows has no such folder.
pub(crate) fn runtime_base() -> Option<PathBuf> {
    None
}

/// The user who runs Ringlet, as a SID in its text form (MS-DTYP 2.4.2.1).
pub(crate) fn own_user() -> io::Result<String> {
    // SAFETY: no arguments; the constant that comes back means this process, and is open as long as it runs.
    user_of(unsafe { GetCurrentProcess() })
}

/// The user of a process whose handle may be asked for such things; the same form.
pub(in crate::platform) fn user_of(process: HANDLE) -> io::Result<String> {
    let mut token: HANDLE = std::ptr::null_mut();
    // SAFETY: the caller's handle is open; the pointer leads to a live local.
    if unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above made this handle for us, and nobody else has it.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    // A TOKEN_USER and the SID it points to, which is 68 bytes long at most; in words, for its alignment.
    let mut answer = [0u64; 16];
    let mut length = 0;
    // SAFETY: the handle is open; the buffer is ours to be written and as large as is told.
    let done = unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            TokenUser,
            answer.as_mut_ptr().cast(),
            size_of_val(&answer) as u32,
            &raw mut length,
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut text = std::ptr::null_mut();
    // SAFETY: the call above filled the buffer with this struct, and its pointer leads into the same buffer.
    let done = unsafe { ConvertSidToStringSidW((*answer.as_ptr().cast::<TOKEN_USER>()).User.Sid, &raw mut text) };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above made a text that ends in NUL and is ours, to be freed so.
    unsafe {
        let units: Vec<u16> = (0..).map(|at| *text.add(at)).take_while(|unit| *unit != 0).collect();
        LocalFree(text.cast());
        Ok(String::from_utf16_lossy(&units))
    }
}
