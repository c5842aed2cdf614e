//! Unix: Linux, macOS and the BSDs.
#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use super::{Folder, MOST_NAMES};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::HashSet;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

pub(super) fn kind_of(meta: &Metadata) -> &'static str {
    let kind: FileType = meta.file_type();
    match () {
        () if kind.is_symlink() => "a symlink",
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() || kind.is_char_device() => "a device",
        () => "something else",
    }
}

pub(super) fn open_for_reading(path: &Path) -> io::Result<File> {
    // O_NONBLOCK: opening a FIFO without a writer must not hang. O_NOCTTY: a terminal must not become ours.
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC).open(path)
}

pub(super) fn open_private_for_writing(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)
}

/// Creates a file that was not there, for others to read and none to write, whatever the umask. Killed at any moment it
/// leaves the whole file, or none under that name.
pub(crate) fn create_shared_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = super::temporary_for(path, Some(std::fs::Permissions::from_mode(0o644)))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map(drop).map_err(|failed| failed.error)
}

pub(super) fn make_private_folder(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // Some file systems cannot sync a folder; the rename itself has happened.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        done => done,
    }
}

/// Whether anything in the environment that a process was started with is as `wanted` says; `None` where the system does
/// not tell. A process that has ended has none. What was read is wiped: it may hold a key.
pub(crate) fn environment_of(pid: u32, wanted: &mut dyn FnMut(&str, &[u8]) -> bool) -> Option<bool> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    const MOST: u64 = 4 << 20;
    // As much as there can be, so that it never moves and leaves a copy behind; only what is read becomes memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST as usize));
    let read = File::open(format!("/proc/{pid}/environ")).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) => {
            return Some(false);
        }
        Err(_) => return None,
    }
    Some(bytes.split(|byte| *byte == 0).any(|pair| {
        let Some(at) = memchr::memchr(b'=', pair) else { return false };
        std::str::from_utf8(&pair[..at]).is_ok_and(|name| wanted(name, &pair[at + 1..]))
    }))
}

/// The bytes of a word of the system's.
pub(crate) fn bytes_of(word: &OsStr) -> Option<&[u8]> {
    Some(word.as_bytes())
}

/// A word of the system's from its bytes.
pub(crate) fn os_string_of(bytes: Vec<u8>) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(bytes))
}

/// What tells one file from every other that is there now: device and inode.
pub(crate) fn file_identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// What stands at a path itself.
pub(crate) fn step(path: &Path) -> super::Step {
    let found = match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => std::fs::read_link(path).map(super::Step::Link),
        found => found.map(|meta| super::Step::Other((meta.dev(), meta.ino()))),
    };
    found.unwrap_or(super::Step::Nothing)
}

/// The same of an opened file.
pub(crate) fn opened_identity(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|meta| (meta.dev(), meta.ino()))
}

/// Whether owners and modes on a path's file system are made up: those of Windows, of networks and of FUSE show every file
/// as open to everybody, or as somebody's who does not own it.
#[cfg(target_os = "linux")]
pub(crate) fn invents_modes(path: &Path) -> bool {
    // From Linux' magic.h and the drivers: 9p (which WSL's drvfs is), vfat, exfat, NTFS twice, CIFS twice, FUSE.
    const MADE_UP: [u32; 8] =
        [0x0102_1997, 0x0000_4d44, 0x2011_bab0, 0x5346_544e, 0x7366_746e, 0xff53_4d42, 0xfe53_4d42, 0x6573_5546];
    // The type's width differs from one architecture to another.
    #[allow(clippy::cast_possible_truncation, reason = "the numbers have 32 bits")]
    rustix::fs::statfs(path).is_ok_and(|found| MADE_UP.contains(&(found.f_type as u32)))
}

/// Whether owners and modes on a path's file system are made up; not known here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn invents_modes(_: &Path) -> bool {
    false
}

/// The processor time that this process has taken, before it became this program too.
pub(crate) fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Whether at least so many processes stand above this one; `false` where the system does not tell.
pub(crate) fn has_ancestors(many: usize) -> bool {
    // proc_pid_stat(5): the name may hold blanks and parentheses, and what follows it is the state and the parent.
    let parent = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse::<u32>().ok().filter(|pid| *pid > 1)
    };
    std::iter::successors(Some(std::process::id()), |pid| parent(*pid)).nth(many).is_some()
}

// A folder larger than this, in bytes, holds more entries than there are names to ask for, on file systems that say.
const LARGE: u64 = 16 * 1024;

/// Looks into a folder of a search path, unless it is one of those that were `seen`. Takes five system calls for a small one.
pub(super) fn look_into(folder: &Path, seen: &mut HashSet<(u64, u64)>) -> Folder {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = match rustix::fs::open(folder, flags, Mode::empty()) {
        Ok(handle) => File::from(handle),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Folder::Nothing,
        Err(_) => return Folder::Unlisted,
    };
    let Ok(meta) = handle.metadata() else { return Folder::Unlisted };
    if !seen.insert((meta.dev(), meta.ino())) {
        return Folder::Nothing;
    }
    // One that invents modes is another system's, where each look-up is slow.
    if meta.len() > LARGE && !invents_modes(folder) {
        return Folder::Unlisted;
    }
    let Ok(entries) = rustix::fs::Dir::new(OwnedFd::from(handle)) else { return Folder::Unlisted };
    let names =
        entries.take(MOST_NAMES + 1).map(|entry| Some(OsStr::from_bytes(entry.ok()?.file_name().to_bytes()).into()));
    match names.collect::<Option<Vec<OsString>>>() {
        Some(names) if names.len() <= MOST_NAMES => Folder::Names(names),
        _ => Folder::Unlisted,
    }
}

pub(super) fn executables_in(folder: &Path, command: &str) -> Option<PathBuf> {
    let path = folder.join(command);
    is_executable(&path).then_some(path)
}

/// Puts a process that is to be started into a group of its own.
pub(super) fn set_group(command: &mut std::process::Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// Ends a process that was started so, with all that is still in its group.
pub(super) fn end_group(child: &mut std::process::Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// Whether the user may execute this regular file.
pub(crate) fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// One level of a walk towards the root, looked at from a directory handle a few levels below at most: on a deep path
/// this keeps each look short where the full path would be resolved again every time.
pub(crate) struct Level<'a> {
    /// The directory's path.
    pub path: &'a Path,
    handle: BorrowedFd<'a>,
    /// The way there from the handle, `../` as often as it takes.
    way: &'a str,
}

impl Level<'_> {
    /// Whether an entry of that relative name is here; a dangling symlink counts.
    pub(crate) fn has(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::statat(self.handle, [self.way, name].concat(), rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The device the directory is on; it changes at a mount point.
    pub(crate) fn device(&self) -> io::Result<u64> {
        let way = [self.way, "."].concat();
        // Its type differs: signed and 32 bits wide on macOS.
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
    loop {
        for end in (0..WAY.len()).step_by("../".len()) {
            if !visit(&Level { path, handle: handle.as_fd(), way: &WAY[..end] })? {
                return Ok(());
            }
            // A canonical path is cut by hand: `Path::parent` takes it apart anew at every level.
            let bytes = path.as_os_str().as_bytes();
            path = match memchr::memrchr(b'/', bytes) {
                Some(0) if bytes.len() > 1 => Path::new("/"),
                Some(at @ 1..) => Path::new(OsStr::from_bytes(&bytes[..at])),
                _ => return Ok(()),
            };
        }
        handle = rustix::fs::openat(&handle, WAY, flags, Mode::empty())?;
    }
}

// Linux can hold a directory without the right to list it, so a parent with mode 0711 does not end the walk.
fn path_only() -> OFlags {
    #[cfg(target_os = "linux")]
    return OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    return OFlags::empty();
}

/// Keeps the memory out of swap where limits allow; the kernel forgets the lock when the process ends.
pub(crate) fn lock_memory(bytes: &[u8]) {
    if !bytes.is_empty() {
        // SAFETY: the range is one live slice; mlock neither reads nor writes it.
        unsafe { libc::mlock(bytes.as_ptr().cast(), bytes.len()) };
    }
}

/// While it lives, this process leaves no core dump and cannot be traced by the user's other processes.
pub(crate) struct Hardened {
    core: Rlimit,
}

/// Closes this process to debuggers and core dumps before a secret arrives.
pub(crate) fn harden() -> io::Result<Hardened> {
    let core = getrlimit(Resource::Core);
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: core.maximum })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    #[cfg(target_os = "macos")]
    // SAFETY: PT_DENY_ATTACH takes no pointers; the remaining arguments are ignored.
    unsafe {
        libc::ptrace(libc::PT_DENY_ATTACH, 0, std::ptr::null_mut(), 0);
    }
    Ok(Hardened { core })
}

impl Hardened {
    /// Gives the agent its limits back as they were. The process itself stays closed: the kernel opens the new
    /// image to its user again at `execve`.
    pub(crate) fn restore_limits(&self) -> io::Result<()> {
        Ok(setrlimit(Resource::Core, self.core)?)
    }
}

static SIGPIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

// Rust's start-up code ignores SIGPIPE. What we inherited must be known from before that, to hand it on unchanged.
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
#[used]
static REMEMBER_SIGPIPE: extern "C" fn() = {
    extern "C" fn remember() {
        // SAFETY: sigaction with a null new action only writes the old one into the zeroed local.
        let inherited = unsafe {
            let mut old: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGPIPE, std::ptr::null(), &mut old);
            old.sa_sigaction
        };
        SIGPIPE_WAS_IGNORED.store(inherited == libc::SIG_IGN, Ordering::Relaxed);
    }
    remember
};

fn set_sigpipe(handler: libc::sighandler_t) {
    // SAFETY: setting a disposition to SIG_DFL or SIG_IGN installs no handler of ours.
    unsafe { libc::signal(libc::SIGPIPE, handler) };
}

fn nul(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{what} holds a NUL byte"))
}

fn c_strings<'a>(what: &str, words: impl Iterator<Item = &'a OsStr>) -> io::Result<Vec<CString>> {
    words.map(|word| CString::new(word.as_bytes()).map_err(|_| nul(what))).collect()
}

// `NAME=value` and its NUL, in one allocation that is never moved and is wiped on drop.
fn env_string(name: &[u8], value: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    if value.contains(&0) {
        return Err(nul("a variable's value"));
    }
    let mut string = Zeroizing::new(Vec::with_capacity(name.len() + value.len() + 2));
    for part in [name, b"=", value, b"\0"] {
        string.extend_from_slice(part);
    }
    Ok(string)
}

// Another machine's program, or a broken one, is no script: sh would run what looks like words in it, with the key in its
// environment. bash and zsh look for a NUL as well, if only in the first line.
fn is_text(file: &Path) -> bool {
    let mut block = Vec::with_capacity(4096);
    let read = open_for_reading(file).and_then(|file| file.take(4096).read_to_end(&mut block));
    read.is_ok() && !block.starts_with(b"\x7fELF") && !block.contains(&0)
}

/// Replaces this process by the program, which keeps pid, terminal and everything else; comes back only with the
/// error. The strings that hold a secret are wiped before that. (On Windows it comes back with the exit code.)
pub(crate) fn exec(
    binary: &Path,
    arguments: &[OsString],
    environment: &[(OsString, OsString)],
    secrets: &[(&str, &[u8])],
) -> io::Result<i32> {
    let path = CString::new(binary.as_os_str().as_bytes()).map_err(|_| nul("the agent's path"))?;
    let words = c_strings("an argument", arguments.iter().map(OsString::as_os_str))?;
    let plain = environment.iter().map(|(name, value)| env_string(name.as_bytes(), value.as_bytes()));
    let secret =
        secrets.iter().map(|(name, value)| env_string(name.as_bytes(), value).inspect(|string| lock_memory(string)));
    let strings = plain.chain(secret).collect::<io::Result<Vec<_>>>()?;
    let argv: Vec<_> = words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect();
    let envp: Vec<_> = strings.iter().map(|string| string.as_ptr().cast()).chain([std::ptr::null()]).collect();
    let ignored = SIGPIPE_WAS_IGNORED.load(Ordering::Relaxed);
    if !ignored {
        set_sigpipe(libc::SIG_DFL);
    }
    // SAFETY: both arrays end in null and point into `words` and `strings`, NUL-terminated and alive until return.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    let mut error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ENOEXEC) && is_text(binary) {
        // A script without a `#!` line: every shell hands it to sh, so the agent must start the same way here.
        let shell = c"/bin/sh";
        let script: Vec<_> = [shell.as_ptr(), path.as_ptr()].into_iter().chain(argv.iter().skip(1).copied()).collect();
        // SAFETY: as above; `argv` ends in null, and so does its tail.
        unsafe { libc::execve(shell.as_ptr(), script.as_ptr(), envp.as_ptr()) };
        error = io::Error::last_os_error();
    }
    if !ignored {
        set_sigpipe(libc::SIG_IGN);
    }
    Err(error)
}

/// A pipe that already holds the bytes and whose only other end is closed: it can be read once, to its end, by
/// whoever inherits the descriptor. Takes at most what every pipe holds (4096 bytes), so the write cannot block.
pub(crate) fn inheritable_pipe(bytes: &[u8]) -> io::Result<RawFd> {
    const EVERY_PIPE_HOLDS: usize = 4096;
    if bytes.len() > EVERY_PIPE_HOLDS {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the value does not fit a pipe"));
    }
    let (reader, writer) = rustix::pipe::pipe()?;
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::CLOEXEC)?;
    File::from(writer).write_all(bytes)?;
    Ok(std::os::fd::IntoRawFd::into_raw_fd(reader))
}

/// Closes a descriptor made by [`inheritable_pipe`] when the launch failed after all.
pub(crate) fn close_inheritable(descriptor: RawFd) {
    // SAFETY: the descriptor came from `into_raw_fd` above and nobody else owns it.
    drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
}

/// The controlling terminal's name, to say a thing once per terminal.
pub(crate) fn terminal_name() -> Option<OsString> {
    [io::stderr().as_fd(), io::stdin().as_fd(), io::stdout().as_fd()]
        .into_iter()
        .find_map(|fd| rustix::termios::ttyname(fd, Vec::new()).ok())
        .map(|name| OsStr::from_bytes(name.to_bytes()).to_owned())
}

/// Makes or renews a link named after an agent that leads to ringlet.
pub(crate) fn link_to(target: &Path, link: &Path) -> io::Result<()> {
    if std::fs::read_link(link).is_ok_and(|old| old == target) {
        return Ok(());
    }
    let folder = link.parent().unwrap_or(Path::new("/"));
    let fresh = folder.join(format!(
        ".ringlet-{}-{}",
        std::process::id(),
        link.file_name().map_or_else(Default::default, |name| name.to_string_lossy())
    ));
    let _ = std::fs::remove_file(&fresh);
    std::os::unix::fs::symlink(target, &fresh)?;
    // rename, not remove and create: at no moment is the command missing.
    std::fs::rename(&fresh, link).inspect_err(|_| {
        let _ = std::fs::remove_file(&fresh);
    })
}

/// Whether what [`link_to`] made leads to this target.
pub(crate) fn is_linked(target: &Path, link: &Path) -> bool {
    super::same_file(target, link)
}

/// Where the system keeps what ends with the user's session, whatever the environment says; whether it is there, and
/// whose, is for the caller to look at.
pub(crate) fn runtime_base() -> Option<PathBuf> {
    // systemd's and elogind's place, pam_systemd(8); nothing like it exists elsewhere.
    cfg!(target_os = "linux").then(|| format!("/run/user/{}", rustix::process::geteuid().as_raw()).into())
}

/// What changes whenever a file's content does: device, inode, size, mtime and ctime (which no user can set).
pub(crate) fn content_stamp(path: &Path) -> io::Result<String> {
    Ok(stamp_of(&std::fs::metadata(path)?))
}

/// The same of an opened file.
pub(crate) fn file_stamp(file: &File) -> io::Result<String> {
    Ok(stamp_of(&file.metadata()?))
}

fn stamp_of(meta: &Metadata) -> String {
    let numbers = [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
    format!("{} {} {} {numbers:?}", meta.dev(), meta.ino(), meta.len())
}

/// When the file last changed in any way, by the wall clock: its ctime.
pub(crate) fn last_change(file: &File) -> io::Result<SystemTime> {
    let seconds = u64::try_from(file.metadata()?.ctime()).unwrap_or(0);
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Time that only ever passes: no setting of the wall clock moves it, and it goes on while the system sleeps. Where it
/// counts from differs, and it begins anew when the system does; see [`boot_id`].
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

/// What tells this run of the system, from its start on, from every other.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn boot_id() -> io::Result<String> {
    // random(4).
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// What tells this run of the system, from its start on, from every other.
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

/// What tells this run of the system, from its start on, from every other: not to be had here.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
pub fn boot_id() -> io::Result<String> {
    // The time of the start, which the BSDs do tell, moves with the wall clock.
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no number for each of its starts"))
}

/// A socket that listens at a path and is its owner's alone, from the first moment on.
pub(crate) fn private_listener(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    // The mask is the process' own; whoever calls this has no other thread that makes files.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = std::os::unix::net::UnixListener::bind(path);
    rustix::process::umask(before);
    listener
}

/// Has what this process frees given back to the system. glibc gives each thread an arena of its own, and once a large
/// block was freed it keeps blocks of that size: a daemon would for ever be as large as its largest moments together.
pub(crate) fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, value) in
        [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, 128 << 10), (libc::M_TRIM_THRESHOLD, 256 << 10)]
    {
        // SAFETY: it takes two numbers by value and touches nothing but the allocator's own settings, under its lock.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Whether anybody listens on the socket at a path; does not wait for a listener that has too much to do.
pub fn has_listener(path: &Path) -> io::Result<bool> {
    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    // In two steps more, since macOS knows no flags for the call above.
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS) => Ok(true),
        Err(Errno::CONNREFUSED) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Gives back what is free by now, also below what is still in use; takes a millisecond or so.
pub(crate) fn give_memory_back_now() {
    // SAFETY: it takes a number by value and works on the allocator's own state, under its locks.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Lets this process have as many open files as it may. Best effort: with fewer, fewer clients are served at a time.
pub fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Sends SIGTERM to a process that is, asked with it in hand, still the one that is meant.
pub(crate) fn terminate(pid: u32, is_meant: impl FnOnce() -> bool) -> io::Result<()> {
    use rustix::process::{Pid, Signal};
    let gone = || io::Error::new(io::ErrorKind::NotFound, "there is no such process");
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    #[cfg(target_os = "linux")]
    let handle = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    if !is_meant() {
        return Err(gone());
    }
    #[cfg(target_os = "linux")]
    return Ok(rustix::process::pidfd_send_signal(handle, Signal::TERM)?);
    #[cfg(not(target_os = "linux"))]
    return Ok(rustix::process::kill_process(pid, Signal::TERM)?);
}

/// Nothing: what a command starts leaves the terminal by itself, with [`detach`].
pub(crate) fn set_apart(_command: &mut std::process::Command) {}

/// Makes this process the leader of a session of its own, without a terminal, in the root directory.
pub(crate) fn detach() -> io::Result<()> {
    rustix::process::setsid()?;
    std::env::set_current_dir("/")
}

/// Lets standard error go to a private file from here on, at its end.
pub(crate) fn redirect_errors(file: &Path) -> io::Result<()> {
    let mut open = OpenOptions::new();
    open.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    rustix::stdio::dup2_stderr(open.open(file)?)?;
    Ok(())
}

/// Lets standard output go nowhere, so that whoever reads it sees its end.
pub(crate) fn close_stdout() -> io::Result<()> {
    rustix::stdio::dup2_stdout(OpenOptions::new().write(true).open("/dev/null")?)?;
    Ok(())
}
