//! Interactive programs on a pseudoterminal.
//!
//! A [`Terminal`] is the controlling terminal of a program in a session of its own. Nothing sleeps: a wait ends when the
//! text is there, when the program has ended, or at the deadline. The last two fail the test and print all that was on the
//! terminal.

use pty_process::blocking::{Command as PtyCommand, Pty};
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take; far more than it does, since the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Seen {
    bytes: Vec<u8>,
    closed: bool,
}

/// A program on a pseudoterminal.
pub(crate) struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    /// How much of what was seen has been matched already.
    read: usize,
}

impl Terminal {
    /// Starts the command on a terminal of 50 rows and 400 columns, wide enough that no line editor scrolls.
    pub(crate) fn start(command: Command) -> Self {
        let (pty, pts) = pty_process::blocking::open().expect("a pseudoterminal");
        pty.resize(pty_process::Size::new(50, 400)).expect("a terminal can be resized");
        let child = PtyCommand::from(command).spawn(pts).expect("the program starts");
        let pty = Arc::new(pty);
        let seen = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let (from, to) = (Arc::clone(&pty), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end is an error on Linux (EIO) and an empty read elsewhere.
            while let Ok(count @ 1..) = (&*from).read(&mut buffer) {
                to.0.lock().expect("no reader panics").bytes.extend(&buffer[..count]);
                to.1.notify_all();
            }
            to.0.lock().expect("no reader panics").closed = true;
            to.1.notify_all();
        });
        Self { pty, child, seen, read: 0 }
    }

    /// Types a line and Enter.
    pub(crate) fn send(&mut self, line: &str) {
        self.press(line);
        self.press("\r");
    }

    /// Types keys as they are.
    pub(crate) fn press(&mut self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Types Control and a letter.
    pub(crate) fn ctrl(&mut self, letter: char) {
        let code = u8::try_from(letter).expect("an ASCII letter") & 0x1f;
        self.press(char::from(code).encode_utf8(&mut [0; 4]));
    }

    /// Gives the terminal another size, which sends SIGWINCH to whatever is in its foreground.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        self.pty.resize(pty_process::Size::new(rows, columns)).expect("a terminal can be resized");
    }

    /// Waits for `text`, and returns what came since the last match and before it.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let found = self.wait(|new| memchr::memmem::find(new, text.as_bytes()).map(|at| (at, at + text.len())));
        found.unwrap_or_else(|| panic!("{text:?} did not appear; the terminal shows:\n{}", self.transcript()))
    }

    /// Waits until the program has closed the terminal, and returns its status and what came since the last match.
    #[track_caller]
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let (lock, changed) = &*self.seen;
        let deadline = Instant::now() + DEADLINE;
        let mut seen = lock.lock().expect("no reader panics");
        while !seen.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the program did not end:\n{}", String::from_utf8_lossy(&seen.bytes));
            seen = changed.wait_timeout(seen, left).expect("no reader panics").0;
        }
        let rest = String::from_utf8_lossy(&seen.bytes[self.read..]).into_owned();
        drop(seen);
        (self.child.wait().expect("the program can be waited for"), rest)
    }

    /// Everything the terminal has shown, from the start.
    pub(crate) fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.seen.0.lock().expect("no reader panics").bytes).into_owned()
    }

    /// Waits for `text` or the program's end. Returns `true` if the text is there.
    #[cfg(target_os = "linux")]
    pub(crate) fn sees(&mut self, text: &str) -> bool {
        self.wait(|new| memchr::memmem::find(new, text.as_bytes()).map(|at| (at, at + text.len()))).is_some()
    }

    /// Waits for a match in what is not matched yet, given as its start and end; `None` at the end or the deadline.
    fn wait(&mut self, find: impl Fn(&[u8]) -> Option<(usize, usize)>) -> Option<String> {
        let (lock, changed) = &*self.seen;
        let deadline = Instant::now() + DEADLINE;
        let mut seen = lock.lock().expect("no reader panics");
        loop {
            let new = &seen.bytes[self.read..];
            if let Some((start, end)) = find(new) {
                let before = String::from_utf8_lossy(&new[..start]).into_owned();
                self.read += end;
                return Some(before);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if seen.closed || left.is_zero() {
                return None;
            }
            seen = changed.wait_timeout(seen, left).expect("no reader panics").0;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed half-way leaves its shell at a prompt; it must not outlive the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
