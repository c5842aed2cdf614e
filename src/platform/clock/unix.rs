//! The clocks of `clock_gettime`, and what tells one start of the system from another.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use std::io;
use std::time::Duration;

/// Returns the processor time that this process has taken, including the time before it became this program.
pub(crate) fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Returns the time of a clock that no setting of the wall clock moves and that goes on while the system sleeps. Its
/// start differs between systems, and it begins anew when the system starts; see [`boot_id`].
pub(crate) fn boot_clock() -> io::Result<Duration> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = rustix::time::ClockId::Boottime;
    // macOS's counts sleep (clock_gettime(3) there); elsewhere `boot_id` fails first.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(clock);
    match (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec)) {
        (Ok(seconds), Ok(nanoseconds)) => Ok(Duration::new(seconds, nanoseconds)),
        _ => Err(io::Error::other("the system's clock stands before its own start")),
    }
}

/// Returns what tells this start of the system from every other.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn boot_id() -> io::Result<String> {
    // random(4).
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Returns what tells this start of the system from every other.
#[cfg(target_os = "macos")]
pub(crate) fn boot_id() -> io::Result<String> {
    // A UUID as text, with its NUL; made anew by the kernel at every start.
    let mut text = [0u8; 64];
    let mut size = text.len();
    // SAFETY: the name ends in NUL; the buffer is `size` bytes long and ours to be written; nothing is set.
    let done = unsafe {
        libc::sysctlbyname(
            c"kern.bootsessionuuid".as_ptr(),
            text.as_mut_ptr().cast(),
            &mut size,
            std::ptr::null_mut(),
            0,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// Fails: this system does not tell its starts apart.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
pub fn boot_id() -> io::Result<String> {
    // The time of the start, which the BSDs do tell, moves with the wall clock.
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no number for each of its starts"))
}
