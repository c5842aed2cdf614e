//! The terminal of a Unix process.
//!
//! A question without echo changes the terminal's settings, which must be restored on every way out. Signals are caught
//! as readpassphrase(3) catches them: the settings are restored, and the signal is raised again. After a stop the
//! question is asked anew. A question takes one line. The rest of the terminal's queue, such as the rest of a paste, is
//! dropped before the next question, and at once after a secret, so that no shell runs it.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use super::super::signals::Blocked;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpid, kill_current_process_group, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr,
};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use zeroize::{Zeroize, Zeroizing};

/// The signals that would end or stop this process while the terminal's settings are changed, and SIGCONT, after which
/// a shell may have changed them.
const CAUGHT: &[libc::c_int] = &[
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGXCPU,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTSTP,
    libc::SIGCONT,
];

/// A paste comes in pieces. It is over when nothing more comes for this long.
const QUIET_FOR: Timespec = Timespec { tv_sec: 0, tv_nsec: 25_000_000 };

/// The longest time for which input is dropped.
const DROPPING: Duration = Duration::from_secs(1);

/// One bit for each signal that came.
static CAME: AtomicU64 = AtomicU64::new(0);

extern "C" fn note(signal: libc::c_int) {
    CAME.fetch_or(1 << signal, Ordering::Relaxed);
}

/// How a question without echo ended.
enum End {
    Typed(Zeroizing<Vec<u8>>),
    Failed(io::Error),
    /// This signal came.
    Signal(libc::c_int),
    /// The key that stops a job was typed.
    StopKey,
}

/// Asks without echo. Ctrl-C, and a signal that does not end this process, give an error of the kind `Interrupted`.
pub(crate) fn prompt_secret(question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let open = |flags| OpenOptions::new().read(true).write(true).custom_flags(libc::O_CLOEXEC | flags).open("/dev/tty");
    // The terminal is opened anew, since O_NONBLOCK would otherwise hold for other processes, too.
    let (input, mut output) = (open(libc::O_NONBLOCK)?, open(0)?);
    loop {
        let end = ask(question, &input, &mut output);
        output.write_all(b"\n")?;
        match end {
            End::Typed(typed) => return Ok(typed),
            End::Failed(error) => return Err(error),
            // To the whole process group, as the terminal itself does it.
            End::StopKey => kill_current_process_group(Signal::TSTP)?,
            End::Signal(libc::SIGTSTP) => kill_process(getpid(), Signal::TSTP)?,
            End::Signal(libc::SIGCONT) => {}
            End::Signal(signal) => {
                // SAFETY: it takes numbers by value.
                unsafe { libc::kill(libc::getpid(), signal) };
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
    }
}

fn ask(question: &str, input: &File, output: &mut File) -> End {
    // The order matters, and drops undo it in reverse: while the settings are changed, no signal has its usual effect.
    let signals = Signals::hold();
    let quiet = match Quiet::new(input) {
        Ok(quiet) => quiet,
        Err(error) => return End::Failed(error),
    };
    let end = match output.write_all(question.as_bytes()) {
        Ok(()) => read_typed(input, &signals, quiet.stop_key()),
        Err(error) => End::Failed(error),
    };
    drop_rest(input);
    end
}

/// The signals of [`CAUGHT`], held back, and noted while [`Signals::wait`] waits.
struct Signals {
    before: Vec<(libc::c_int, libc::sigaction)>,
    // Given up last: a signal that came meanwhile acts then, and as before.
    blocked: Blocked,
}

impl Signals {
    fn hold() -> Self {
        let blocked = Blocked::new(CAUGHT);
        CAME.store(0, Ordering::Relaxed);
        let handler: extern "C" fn(libc::c_int) = note;
        let caught = |signal: libc::c_int| {
            // SAFETY: all zeroes is a valid `sigaction`; the handler does nothing but an atomic operation.
            unsafe {
                let mut old: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, std::ptr::null(), &raw mut old);
                // What is ignored, as under nohup(1), stays so.
                if old.sa_sigaction == libc::SIG_IGN {
                    return None;
                }
                let mut new: libc::sigaction = std::mem::zeroed();
                new.sa_sigaction = handler as libc::sighandler_t;
                libc::sigemptyset(&raw mut new.sa_mask);
                (libc::sigaction(signal, &raw const new, std::ptr::null_mut()) == 0).then_some((signal, old))
            }
        };
        Self { before: CAUGHT.iter().filter_map(|signal| caught(*signal)).collect(), blocked }
    }

    // Waits for input or for a signal. A signal is delivered during this call or not at all.
    fn wait(&self, input: &File) -> io::Result<Option<libc::c_int>> {
        let descriptor = input.as_raw_fd();
        if usize::try_from(descriptor).is_ok_and(|number| number >= libc::FD_SETSIZE) {
            return Err(io::Error::other("too many files are open"));
        }
        let mut set = MaybeUninit::<libc::fd_set>::uninit();
        // SAFETY: the first call makes `set` a set, and the number was found to fit into it; the mask is that of a live
        // field.
        let ready = unsafe {
            libc::FD_ZERO(set.as_mut_ptr());
            libc::FD_SET(descriptor, set.as_mut_ptr());
            let none = std::ptr::null_mut();
            libc::pselect(descriptor + 1, set.as_mut_ptr(), none, none, std::ptr::null(), self.blocked.before())
        };
        let error = io::Error::last_os_error();
        let came = CAME.load(Ordering::Relaxed);
        // A signal that ends this process comes before one that stops it.
        if let Some(signal) = CAUGHT.iter().find(|signal| came & (1 << **signal) != 0) {
            return Ok(Some(*signal));
        }
        if ready < 0 && error.kind() != io::ErrorKind::Interrupted { Err(error) } else { Ok(None) }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            // SAFETY: what is put back is what the system gave out before.
            unsafe { libc::sigaction(*signal, before, std::ptr::null_mut()) };
        }
    }
}

/// The terminal without echo, until it is dropped.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        // Input comes byte by byte, and the keys that send signals come as bytes.
        quiet.local_modes &= !(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed ahead is dropped.
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }

    // Returns the key that stops a job. A terminal without one has _POSIX_VDISABLE there: 0, and 0xff on some systems.
    fn stop_key(&self) -> Option<u8> {
        Some(self.before.special_codes[SpecialCodeIndex::VSUSP]).filter(|key| !matches!(key, 0 | 0xff))
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // Nothing better can be done when the terminal is gone.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

fn read_typed(mut terminal: &File, signals: &Signals, stop_key: Option<u8>) -> End {
    const LONGEST: usize = 16 * 1024;
    let mut typed = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = Zeroizing::new([0u8; 1]);
    loop {
        match signals.wait(terminal) {
            Ok(None) => {}
            Ok(Some(signal)) => return End::Signal(signal),
            Err(error) => return End::Failed(error),
        }
        match terminal.read(&mut byte[..]) {
            Ok(0) => return End::Failed(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => continue,
            Err(error) => return End::Failed(error),
        }
        match byte[0] {
            b'\r' | b'\n' => return End::Typed(typed),
            0x03 | 0x1c => return End::Failed(io::ErrorKind::Interrupted.into()),
            0x04 if typed.is_empty() => return End::Failed(io::ErrorKind::UnexpectedEof.into()),
            0x04 => return End::Typed(typed),
            // A letter of several bytes is removed whole.
            0x7f | 0x08 => while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            0x15 => typed.zeroize(),
            key if Some(key) == stop_key => return End::StopKey,
            _ if typed.len() == LONGEST => {
                let text = "more than 16384 bytes were typed";
                return End::Failed(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            other => typed.push(other),
        }
    }
}

// Drops the input that lies in the terminal's queue, and what comes meanwhile.
fn drop_rest(terminal: &File) {
    let start = Instant::now();
    loop {
        let _ = tcflush(terminal, QueueSelector::IFlush);
        let mut fds = [PollFd::new(terminal, PollFlags::IN)];
        let more = poll(&mut fds, Some(&QUIET_FOR));
        // A terminal that is gone reports a hang-up for ever.
        if !matches!(more, Ok(1..)) || fds[0].revents() != PollFlags::IN || start.elapsed() > DROPPING {
            return;
        }
    }
}

/// Reads one visible line from the terminal itself; `None` where there is no terminal or no answer.
pub(crate) fn ask_terminal(question: &str) -> Option<String> {
    let mut terminal = OpenOptions::new().read(true).write(true).custom_flags(libc::O_CLOEXEC).open("/dev/tty").ok()?;
    drop_rest(&terminal);
    terminal.write_all(question.as_bytes()).ok()?;
    let mut line = String::new();
    // The terminal gives one line at a time, so further lines stay in its queue.
    let read = io::BufRead::read_line(&mut io::BufReader::new(terminal), &mut line).ok()?;
    // Ctrl-D is no answer, and above all no empty one.
    (read > 0).then(|| line.trim().to_owned())
}

/// The controlling terminal's name, to say a thing once per terminal.
pub(crate) fn terminal_name() -> Option<OsString> {
    [io::stderr().as_fd(), io::stdin().as_fd(), io::stdout().as_fd()]
        .into_iter()
        .find_map(|fd| rustix::termios::ttyname(fd, Vec::new()).ok())
        .map(|name| OsStr::from_bytes(name.to_bytes()).to_owned())
}
