//! Windows. There is no `exec` here: the agent is a child that is waited for, in a job that ends with this process.
//!
//! Files and folders carry no mode. What Ringlet writes inherits the access list of the folder it is in, and in the
//! user's profile, `%APPDATA%` and `%LOCALAPPDATA%` that is the user, SYSTEM and the administrators. Nothing here
//! narrows or checks such a list; a home that is open to others stays open.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

mod daemon;
pub use daemon::*;

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, IntoRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use windows_sys::Win32::Foundation::ERROR_NOT_FOUND;
use windows_sys::Win32::Security::Credentials::{CREDENTIALW, CredEnumerateW, CredFree};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_BASIC_INFO, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_ATTRIBUTES, FileBasicInfo, GetFileInformationByHandle, GetFileInformationByHandleEx,
    SECURITY_IDENTIFICATION,
};
use windows_sys::Win32::System::Console::{
    CONSOLE_MODE, CTRL_BREAK_EVENT, CTRL_C_EVENT, FlushConsoleInputBuffer, GetConsoleMode, GetConsoleWindow,
    ReadConsoleW, SetConsoleCtrlHandler, SetConsoleMode,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SetErrorMode, THREAD_ERROR_MODE,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT, JOB_OBJECT_LIMIT_BREAKAWAY_OK,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject,
};
use windows_sys::Win32::System::Memory::VirtualLock;
use windows_sys::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_DWORD, RegGetValueW};
use windows_sys::Win32::System::SystemInformation::GetTickCount64;
use windows_sys::Win32::System::Threading::GetCurrentProcess;
use windows_sys::core::BOOL;
use zeroize::{Zeroize, Zeroizing};

pub(super) fn kind_of(meta: &Metadata) -> &'static str {
    if meta.is_dir() { "a directory" } else { "something else" }
}

pub(super) fn open_for_reading(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        // With this flag a directory opens, so that it is called one; without, the error is "access denied".
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        // A project's symlink may lead to somebody's named pipe, whose server must not act in our name.
        .security_qos_flags(SECURITY_IDENTIFICATION)
        .open(path)
}

pub(super) fn open_private_for_writing(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?;
    if file.metadata()?.is_symlink() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a symlink"));
    }
    Ok(file)
}

/// Creates a file that was not there; who may read it, its folder's access list says.
pub(crate) fn create_shared_file(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(content)
}

pub(super) fn make_private_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)
}

pub(super) fn sync_folder(_path: &Path) -> io::Result<()> {
    // NTFS journals the rename; a folder can be flushed only with rights an ordinary user lacks.
    Ok(())
}

fn look(path: &Path) -> io::Result<(File, BY_HANDLE_FILE_INFORMATION)> {
    // Only the attributes are asked for, so that a running program and a folder can be looked at too.
    let file =
        OpenOptions::new().access_mode(FILE_READ_ATTRIBUTES).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)?;
    let found = look_at(&file)?;
    Ok((file, found))
}

fn look_at(file: &File) -> io::Result<BY_HANDLE_FILE_INFORMATION> {
    let mut found = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open for the whole call, and the struct is ours to be written.
    match unsafe { GetFileInformationByHandle(file.as_raw_handle(), &mut found) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(found),
    }
}

fn identity(found: &BY_HANDLE_FILE_INFORMATION) -> (u64, u64) {
    (found.dwVolumeSerialNumber.into(), u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow))
}

/// Whether anything in the environment that a process was started with is as `wanted` says; the system does not tell.
pub(crate) fn environment_of(_pid: u32, _wanted: &mut dyn FnMut(&str, &[u8]) -> bool) -> Option<bool> {
    None
}

/// The bytes of a word of the system's; none where it is not text.
pub(crate) fn bytes_of(word: &OsStr) -> Option<&[u8]> {
    word.to_str().map(str::as_bytes)
}

/// A word of the system's from its bytes.
pub(crate) fn os_string_of(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(Into::into)
}

/// Whether at least so many processes stand above this one; not known here.
pub(crate) fn has_ancestors(_: usize) -> bool {
    false
}

/// The processor time that this process has taken; no program here takes another's place in its process.
pub(crate) fn processor_time() -> Duration {
    Duration::ZERO
}

/// Whether owners and modes on a path's file system are made up; none are looked at here.
pub(crate) fn invents_modes(_: &Path) -> bool {
    false
}

/// What tells one file from every other that is there now: volume and index.
pub(crate) fn file_identity(path: &Path) -> Option<(u64, u64)> {
    look(path).ok().map(|(_, found)| identity(&found))
}

/// What stands at a path itself. A junction counts as a link.
pub(crate) fn step(path: &Path) -> super::Step {
    match std::fs::read_link(path) {
        Ok(target) => super::Step::Link(target),
        Err(_) => file_identity(path).map_or(super::Step::Nothing, super::Step::Other),
    }
}

/// The same of an opened file.
pub(crate) fn opened_identity(file: &File) -> io::Result<(u64, u64)> {
    look_at(file).map(|found| identity(&found))
}

// What CreateProcess runs, directly or through cmd.exe, in the system's own order. A `.ps1` is only run by
// PowerShell and a bare name (npm's shell script beside its `.cmd`) by no one, whatever PATHEXT says.
const KINDS: [&str; 4] = [".com", ".exe", ".bat", ".cmd"];

fn kind(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?;
    KINDS.into_iter().find(|kind| extension.eq_ignore_ascii_case(&kind[1..]))
}

/// Looks into a folder of a search path.
pub(super) fn look_into(folder: &Path, _: &mut std::collections::HashSet<(u64, u64)>) -> super::Folder {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return super::Folder::Nothing,
        Err(_) => return super::Folder::Unlisted,
    };
    let names = entries.take(super::MOST_NAMES + 1).map(|entry| Some(entry.ok()?.file_name()));
    match names.collect::<Option<Vec<OsString>>>() {
        Some(names) if names.len() <= super::MOST_NAMES => super::Folder::Names(names),
        _ => super::Folder::Unlisted,
    }
}

pub(super) fn executables_in(folder: &Path, command: &str) -> Vec<PathBuf> {
    let order = std::env::var("PATHEXT").unwrap_or_default();
    spellings(command, &order).map(|name| folder.join(name)).filter(|path| is_executable(path)).collect()
}

/// The file names a command may have, best first: as given when it already has a kind, then by PATHEXT's order.
fn spellings(command: &str, order: &str) -> impl Iterator<Item = String> {
    let listed: Vec<_> =
        order.split(';').filter_map(|word| KINDS.into_iter().find(|kind| kind.eq_ignore_ascii_case(word))).collect();
    let kinds = if listed.is_empty() { KINDS.to_vec() } else { listed };
    let given = kind(Path::new(command)).map(|_| command.to_owned());
    given.into_iter().chain(kinds.into_iter().map(move |kind| format!("{command}{kind}")))
}

/// Windows has no such groups; what the process starts is left to it.
pub(super) fn set_group(_command: &mut std::process::Command) {}

/// Ends a process.
pub(super) fn end_group(child: &mut std::process::Child) {
    let _ = child.kill();
}

/// Whether the user may execute this regular file: its name decides.
pub(crate) fn is_executable(path: &Path) -> bool {
    // Not `is_file` of what it leads to alone: a Store app's alias cannot be followed, yet it can be run.
    kind(path).is_some() && std::fs::metadata(path).is_ok_and(|meta| !meta.is_dir())
}

/// One level of a walk towards the root.
pub(crate) struct Level<'a> {
    /// The directory's path.
    pub path: &'a Path,
}

impl Level<'_> {
    /// Whether an entry of that relative name is here; a dangling symlink counts.
    pub(crate) fn has(&self, name: &str) -> io::Result<bool> {
        match std::fs::symlink_metadata(self.path.join(name)) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The volume the directory is on; it changes at a mount point.
    pub(crate) fn device(&self) -> io::Result<u64> {
        Ok(identity(&look(self.path)?.1).0)
    }
}

/// Walks from a canonical directory to the root until `visit` says stop.
pub(crate) fn ascend(start: &Path, mut visit: impl FnMut(&Level<'_>) -> io::Result<bool>) -> io::Result<()> {
    for path in start.ancestors() {
        if !visit(&Level { path })? {
            break;
        }
    }
    Ok(())
}

/// Keeps the memory out of the page file where the working set's limit allows, until the process ends.
pub(crate) fn lock_memory(bytes: &[u8]) {
    if !bytes.is_empty() {
        // SAFETY: the range is one live slice; VirtualLock neither reads nor writes it.
        unsafe { VirtualLock(bytes.as_ptr().cast(), bytes.len()) };
    }
}

/// While it lives, a fault in this process ends it without an error report that holds its memory.
///
/// That is all Windows offers: any program of the same user may read another's memory, with or without Ringlet.
pub(crate) struct Hardened {
    mode: THREAD_ERROR_MODE,
}

/// Turns error reports for this process off before a secret arrives.
pub(crate) fn harden() -> io::Result<Hardened> {
    // SAFETY: SetErrorMode takes and returns a number, and no pointers.
    let mode = unsafe { SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX) };
    Ok(Hardened { mode })
}

impl Hardened {
    /// Puts the error mode back as it was, since a child inherits it.
    pub(crate) fn restore_limits(&self) -> io::Result<()> {
        // SAFETY: as above.
        unsafe { SetErrorMode(self.mode) };
        Ok(())
    }
}

/// Runs the program, waits for it and comes back with its exit code; Ctrl-C is the program's to answer meanwhile.
///
/// The secrets are copied by `Command` and by CreateProcess itself, and those copies are freed without being wiped;
/// nothing outside the system can change that, and the agent holds the same bytes for as long.
pub(crate) fn exec(
    binary: &Path,
    arguments: &[OsString],
    environment: &[(OsString, OsString)],
    secrets: &[(&str, &[u8])],
) -> io::Result<i32> {
    if kind(binary).is_none() {
        let text = "only .exe, .com, .cmd and .bat can be started; a .ps1 script runs in PowerShell alone";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    // Command quotes for cmd.exe by itself when the file is a .cmd or .bat, and refuses what cannot be quoted there
    // (a line break). The name the program is called by is not ours to choose on Windows.
    let mut command = Command::new(without_verbatim_prefix(binary));
    command.args(arguments.iter().skip(1)).env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    for (name, value) in secrets {
        let not_text =
            |_| io::Error::new(io::ErrorKind::InvalidInput, "the key is not text, as Windows' variables are");
        command.env(name, std::str::from_utf8(value).map_err(not_text)?);
    }
    leave_ctrl_c_to_the_child()?;
    // Best effort: an agent that outlives a killed ringlet is no reason to refuse the launch.
    let job = Job::join().ok();
    let mut child = command.spawn()?;
    drop(command);
    let status = child.wait()?;
    drop(job);
    Ok(status.code().expect("a process of Windows always has an exit code"))
}

// cmd.exe cannot start a script by a path of the form `\\?\C:\...`, which canonicalization makes.
fn without_verbatim_prefix(path: &Path) -> &Path {
    const LONGEST_PLAIN: usize = 259;
    match path.to_str().and_then(|text| text.strip_prefix(r"\\?\")) {
        Some(plain) if plain.as_bytes().get(1) == Some(&b':') && plain.len() <= LONGEST_PLAIN => Path::new(plain),
        _ => path,
    }
}

/// From here on Ctrl-C and Ctrl-Break, which every process on the console gets, are the child's to answer.
fn leave_ctrl_c_to_the_child() -> io::Result<()> {
    // Not the null handler: "ignore" is inherited, and then the child would never see Ctrl-C either.
    // SAFETY: the handler is a plain function, touches no data and lives as long as the program.
    match unsafe { SetConsoleCtrlHandler(Some(on_console_event), 1) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

unsafe extern "system" fn on_console_event(event: u32) -> BOOL {
    if matches!(event, CTRL_C_EVENT | CTRL_BREAK_EVENT) {
        return 1;
    }
    // The window closes or the user logs off. Returning ends this process, and the job the agent with it; the
    // agent may need its seconds to save. The main thread ends us when it has, the system when the time is up.
    loop {
        std::thread::park();
    }
}

/// A job this process is in, which ends with it: the system ends every member when the last handle, ours, closes.
/// Children are born into it, so there is no moment in which ringlet could be killed and the agent, or the `node`
/// under its `.cmd`, live on.
struct Job(OwnedHandle);

impl Job {
    fn join() -> io::Result<Self> {
        // SAFETY: neither attributes nor a name are given; the result is checked before it is owned.
        let handle = unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is open, fresh, and nobody else's.
        let job = Self(unsafe { OwnedHandle::from_raw_handle(handle) });
        // Programs that ask to leave their job (updaters do) would otherwise fail to start their children.
        job.limit(JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_BREAKAWAY_OK)?;
        // SAFETY: both handles are valid for the call; the second is the constant that means this process.
        match unsafe { AssignProcessToJobObject(job.0.as_raw_handle(), GetCurrentProcess()) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(job),
        }
    }

    fn limit(&self, flags: JOB_OBJECT_LIMIT) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = flags;
        // SAFETY: the pointer and the size are those of the struct this information class names; it is only read.
        let done = unsafe {
            SetInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size_of_val(&limits) as u32,
            )
        };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl Drop for Job {
    /// Lets the members live: closing the handle would otherwise end this process as well, with its error unsaid,
    /// and what the agent left running on purpose.
    fn drop(&mut self) {
        let _ = self.limit(0);
    }
}

/// Descriptors are not inherited by number here; callers hand the secret over by variable instead.
pub(crate) fn inheritable_pipe(_bytes: &[u8]) -> io::Result<i32> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "Windows hands no descriptors on by number"))
}

/// The counterpart of [`inheritable_pipe`], which never succeeds.
pub(crate) fn close_inheritable(_descriptor: i32) {}

/// Asks on the console itself, without echo, whatever stdin and stdout are. The console's mode is put back on every
/// way out; Ctrl-C is an answer of its own (`Interrupted`), so that it is.
pub(crate) fn prompt_secret(question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let (input, mut output) = console()?;
    let restore = Quiet::new(&input)?;
    drop_rest(&input);
    output.write_all(question.as_bytes())?;
    let typed = read_typed(&input);
    drop_rest(&input);
    drop(restore);
    output.write_all(b"\r\n")?;
    typed
}

// Drops what was typed or pasted and not read: a question takes one line.
fn drop_rest(input: &File) {
    // SAFETY: the handle is open for the call.
    unsafe { FlushConsoleInputBuffer(input.as_raw_handle()) };
}

fn console() -> io::Result<(File, File)> {
    // Both rights on the input: reading needs one, the mode the other.
    let input = OpenOptions::new().read(true).write(true).open("CONIN$")?;
    Ok((input, OpenOptions::new().write(true).open("CONOUT$")?))
}

struct Quiet<'a> {
    console: &'a File,
    before: CONSOLE_MODE,
}

impl<'a> Quiet<'a> {
    fn new(console: &'a File) -> io::Result<Self> {
        let mut before = 0;
        // SAFETY: the handle is open for the call, and the mode is ours to be written.
        if unsafe { GetConsoleMode(console.as_raw_handle(), &mut before) } == 0 {
            return Err(io::Error::last_os_error());
        }
        // No echo, no line editing, and Ctrl-C as a character: as a signal it would end us with the echo off, or,
        // handled, make the console give out half a key as if it were a whole one.
        // SAFETY: the handle is open for the call.
        if unsafe { SetConsoleMode(console.as_raw_handle(), 0) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { console, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // Nothing better can be done when the console is gone.
        // SAFETY: the handle is borrowed, so it is still open.
        unsafe { SetConsoleMode(self.console.as_raw_handle(), self.before) };
    }
}

fn read_typed(console: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    const LONGEST: usize = 16 * 1024;
    // Room for everything from the start: growing would leave an unwiped copy behind.
    let mut typed = Zeroizing::new(Vec::<u16>::with_capacity(LONGEST));
    loop {
        match read_unit(console)? {
            0x0d | 0x0a => return to_utf8(&typed),
            0x03 => return Err(io::ErrorKind::Interrupted.into()),
            0x04 | 0x1a if typed.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            0x04 | 0x1a => return to_utf8(&typed),
            0x7f | 0x08 => {
                if typed.pop().is_some_and(|unit| (0xdc00..0xe000).contains(&unit)) {
                    typed.pop();
                }
            }
            0x15 => typed.zeroize(),
            _ if typed.len() == LONGEST => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "more than 16384 characters were typed"));
            }
            unit => typed.push(unit),
        }
    }
}

fn read_unit(console: &File) -> io::Result<u16> {
    let mut unit = 0u16;
    let mut count = 0;
    // SAFETY: the buffer is one unit long, as the length says; no control structure is given.
    match unsafe { ReadConsoleW(console.as_raw_handle(), (&raw mut unit).cast(), 1, &mut count, std::ptr::null()) } {
        0 => Err(io::Error::last_os_error()),
        _ if count == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(unit),
    }
}

fn to_utf8(typed: &[u16]) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(typed.len() * 3));
    let mut four = Zeroizing::new([0u8; 4]);
    for character in char::decode_utf16(typed.iter().copied()) {
        let character =
            character.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "half a character was typed"))?;
        bytes.extend_from_slice(character.encode_utf8(&mut four[..]).as_bytes());
    }
    Ok(bytes)
}

/// Reads one visible line from the console itself; `None` where there is no console or no answer.
pub(crate) fn ask_terminal(question: &str) -> Option<String> {
    let (input, mut output) = console().ok()?;
    drop_rest(&input);
    output.write_all(question.as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(input).read_line(&mut line).ok()?;
    Some(line.trim().to_owned())
}

/// The console's name, to say a thing once per terminal: its window, which every tab of a terminal has for itself.
pub(crate) fn terminal_name() -> Option<OsString> {
    // SAFETY: no arguments; the handle that comes back is only used as a number.
    let window = unsafe { GetConsoleWindow() };
    (!window.is_null()).then(|| format!("console-{:x}", window.addr()).into())
}

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

/// Where the system keeps what ends with the user's session: Windows has no such folder.
pub(crate) fn runtime_base() -> Option<PathBuf> {
    None
}

/// What changes whenever a file's content does: volume, index, size, and the times of its creation, last write and last
/// change.
pub(crate) fn content_stamp(path: &Path) -> io::Result<String> {
    file_stamp(&look(path)?.0)
}

/// The same of an opened file.
pub(crate) fn file_stamp(file: &File) -> io::Result<String> {
    let found = look_at(file)?;
    let mut basic = FILE_BASIC_INFO::default();
    // SAFETY: the handle is open for the call; pointer and size are those of the struct this class fills.
    let done = unsafe {
        GetFileInformationByHandleEx(
            file.as_raw_handle(),
            FileBasicInfo,
            (&raw mut basic).cast(),
            size_of::<FILE_BASIC_INFO>() as u32,
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let (volume, index) = identity(&found);
    let times = [basic.CreationTime, basic.LastWriteTime, basic.ChangeTime];
    Ok(format!("{volume} {index} {} {} {times:?}", found.nFileSizeHigh, found.nFileSizeLow))
}

/// When the file's content last changed, by the wall clock.
pub(crate) fn last_change(file: &File) -> io::Result<SystemTime> {
    file.metadata()?.modified()
}

/// Time that only ever passes: no setting of the wall clock moves it, and it goes on while the system sleeps. It begins
/// anew when the system does; see [`boot_id`].
pub(crate) fn boot_clock() -> io::Result<Duration> {
    // SAFETY: no arguments, and a number comes back. It counts sleep, and has no more than a tick's precision.
    Ok(Duration::from_millis(unsafe { GetTickCount64() }))
}

/// What tells this run of the system, from its start on, from every other: a number that its loader counts up.
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

/// Whether what [`link_to`] made is this target.
pub(crate) fn is_linked(target: &Path, link: &Path) -> bool {
    super::same_file(target, link) || is_copy(target, link)
}

/// Makes or renews a file named after an agent that is ringlet: a hard link, or a copy on another volume. Windows
/// finds only a `link` that ends in `.exe`.
pub(crate) fn link_to(target: &Path, link: &Path) -> io::Result<()> {
    if is_linked(target, link) {
        return Ok(());
    }
    let folder = link.parent().unwrap_or(Path::new("."));
    let name = link.file_name().unwrap_or(OsStr::new("link")).to_string_lossy();
    let fresh = folder.join(format!(".ringlet-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&fresh);
    if std::fs::hard_link(target, &fresh).is_err() {
        std::fs::copy(target, &fresh)?;
    }
    // rename, not remove and create: at no moment is the command missing. Only a link that is running refuses to
    // be replaced; it can be moved aside, and whoever renews it next removes it.
    let aside = folder.join(format!(".ringlet-old-{name}"));
    let _ = std::fs::remove_file(&aside);
    match std::fs::rename(&fresh, link) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            std::fs::rename(link, &aside).and_then(|()| std::fs::rename(&fresh, link))
        }
        done => done,
    }
    .inspect_err(|_| {
        let _ = std::fs::remove_file(&fresh);
    })
}

// CopyFileEx keeps the time of the last write, and a new release has another.
fn is_copy(target: &Path, link: &Path) -> bool {
    let mark = |path| std::fs::metadata(path).and_then(|meta| Ok((meta.len(), meta.modified()?))).ok();
    mark(link).is_some_and(|mine| mark(target) == Some(mine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_looked_up_in_the_order_of_pathext_and_never_as_a_script_of_powershell() {
        let names = |command, order| spellings(command, order).collect::<Vec<_>>();
        assert_eq!(names("claude", ".PS1;.CMD;.JS;.EXE"), ["claude.cmd", "claude.exe"]);
        assert_eq!(names("claude", ""), ["claude.com", "claude.exe", "claude.bat", "claude.cmd"]);
        assert_eq!(names("claude.CMD", ".EXE"), ["claude.CMD", "claude.CMD.exe"]);
        assert_eq!(names("gpt-4.1", ".EXE"), ["gpt-4.1.exe"]);
    }

    #[test]
    fn only_what_the_system_can_start_is_executable() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["agent", "agent.ps1", "agent.cmd", "agent.EXE"] {
            std::fs::write(folder.path().join(name), "").expect("writable");
        }
        std::fs::create_dir(folder.path().join("agent.bat")).expect("writable");
        let executable = |name| is_executable(&folder.path().join(name));
        assert!(executable("agent.cmd") && executable("agent.EXE"));
        assert!(!executable("agent") && !executable("agent.ps1") && !executable("agent.bat") && !executable("no.exe"));
    }

    fn refused(binary: &Path, arguments: &[&str], secrets: &[(&str, &[u8])]) -> io::ErrorKind {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        exec(binary, &arguments, &[], secrets).expect_err("it cannot be started").kind()
    }

    #[test]
    fn a_program_that_cannot_be_started_is_an_error_and_not_our_own_end() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let named = |name| folder.path().join(name);
        std::fs::write(named("claude.ps1"), "").expect("writable");
        assert_eq!(refused(&named("claude.ps1"), &[], &[]), io::ErrorKind::InvalidInput);
        assert_eq!(refused(&named("no.exe"), &[], &[]), io::ErrorKind::NotFound);
        assert_eq!(refused(&named("no.cmd"), &["no", "a\nb"], &[]), io::ErrorKind::InvalidInput);
        assert_eq!(refused(&named("no.exe"), &[], &[("KEY", b"\xff")]), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_child_has_the_given_variables_alone_and_its_exit_code_comes_back_whole() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let agent = folder.path().join("an agent.cmd");
        let script = "@if not \"%KEY%\"==\"sk-1\" exit 1\r\n@if defined CARGO_MANIFEST_DIR exit 2\r\n@exit %~1\r\n";
        std::fs::write(&agent, script).expect("writable");
        let root = std::env::var_os("SystemRoot").expect("every process has it");
        let run = |code: &str| {
            exec(&agent, &["agent".into(), code.into()], &[("SystemRoot".into(), root.clone())], &[("KEY", b"sk-1")])
        };
        for code in [0, 41, 300, -1_073_741_510] {
            assert_eq!(run(&code.to_string()).expect("started"), code);
        }
    }

    #[test]
    fn a_canonical_path_loses_the_prefix_that_cmd_cannot_read() {
        assert_eq!(without_verbatim_prefix(Path::new(r"\\?\C:\a b\x.cmd")), Path::new(r"C:\a b\x.cmd"));
        for kept in [r"C:\x.cmd", r"\\?\UNC\server\share\x.cmd", r"\\server\share\x.cmd"] {
            assert_eq!(without_verbatim_prefix(Path::new(kept)), Path::new(kept));
        }
    }

    #[test]
    fn a_link_is_one_file_with_its_target_and_is_renewed_when_the_target_is_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (target, link) = (folder.path().join("ringlet.exe"), folder.path().join("claude.exe"));
        for release in ["one", "three"] {
            super::super::replace_file(&target, release.as_bytes()).expect("replaced");
            link_to(&target, &link).expect("linked");
            link_to(&target, &link).expect("nothing to do");
            assert!(crate::platform::same_file(&target, &link));
            assert_eq!(std::fs::read_to_string(&link).expect("readable"), release);
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 2);
    }

    #[test]
    fn the_stamp_of_a_file_changes_with_its_content() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("agent.exe");
        let stamps = ["one", "three", "four"].map(|content| {
            super::super::replace_file(&file, content.as_bytes()).expect("replaced");
            content_stamp(&file).expect("there")
        });
        assert_eq!(content_stamp(&file).expect("there"), stamps[2]);
        assert!(stamps[0] != stamps[1] && stamps[1] != stamps[2] && stamps[0] != stamps[2]);
    }

    #[test]
    fn a_folder_is_named_as_one_and_not_as_a_forbidden_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let Err(error) = super::super::read_file(folder.path(), 10) else { panic!("a folder was read") };
        assert_eq!(error.to_string(), "it is a directory, not a regular file");
    }

    #[test]
    fn what_was_typed_becomes_utf8_and_half_a_character_is_refused() {
        assert_eq!(to_utf8(&[0x6b, 0x20ac, 0xd83d, 0xde00]).expect("whole characters").as_slice(), "k€😀".as_bytes());
        assert_eq!(to_utf8(&[0xd83d]).expect_err("half a pair").kind(), io::ErrorKind::InvalidData);
    }
}
