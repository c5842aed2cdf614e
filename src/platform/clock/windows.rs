//! The tick count, and the number that the loader gives each start of the system.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use std::io;
use std::time::Duration;
use windows_sys::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_DWORD, RegGetValueW};
use windows_sys::Win32::System::SystemInformation::GetTickCount64;

/// Returns zero: on Windows no program replaces another one in its process.
pub(crate) fn processor_time() -> Duration {
    Duration::ZERO
}

/// Returns the time of a clock that no setting of the wall clock moves and that goes on while the system sleeps. It
/// begins anew when the system starts; see [`boot_id`].
pub(crate) fn boot_clock() -> io::Result<Duration> {
    // SAFETY: no arguments, and a number comes back. It counts sleep, and has no more than a tick's precision.
    Ok(Duration::from_millis(unsafe { GetTickCount64() }))
}

/// Returns what tells this start of the system from every other: a number that the loader counts up.
pub(crate) fn boot_id() -> io::Result<String> {
    let wide = |text: &str| text.encode_utf16().chain([0]).collect::<Vec<u16>>();
    let key = wide(r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters");
    let name = wide("BootId");
    let mut number = 0u32;
    let mut size = size_of::<u32>() as u32;
    // SAFETY: both texts end in NUL; the number is ours to be written and as long as `size` says.
    let done = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            name.as_ptr(),
            RRF_RT_REG_DWORD,
            std::ptr::null_mut(),
            (&raw mut number).cast(),
            &mut size,
        )
    };
    match done {
        0 => Ok(number.to_string()),
        error => Err(io::Error::from_raw_os_error(error as i32)),
    }
}
