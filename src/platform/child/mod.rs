//! A program that is run for its output, within limits: of time, of what it prints, and of what it can ask.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub(crate) use system::has_terminal;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// A program to run, and its limits.
pub(crate) struct Errand<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its arguments, without its name.
    pub arguments: &'a [String],
    /// Its environment.
    pub env: &'a [(OsString, OsString)],
    /// Its working directory.
    pub folder: &'a Path,
    /// What it reads from standard input. Without this it reads the terminal where it may ask, and nothing elsewhere.
    pub input: Option<&'a [u8]>,
    /// The time limit.
    pub time: Duration,
    /// The most bytes of standard output.
    pub most: usize,
    /// Whether it may ask the person at the terminal.
    pub on_terminal: bool,
}

/// What came of it.
pub(crate) struct Done {
    /// How it ended.
    pub ended: Ended,
    /// What it printed.
    pub output: Zeroizing<Vec<u8>>,
    /// The beginning of what it said on standard error. On the terminal the person has seen it.
    pub said: Vec<u8>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with this status.
    With(i32),
    /// By a signal.
    #[cfg_attr(windows, expect(dead_code, reason = "Windows ends no process by a signal"))]
    BySignal(i32),
    /// It was ended because the time was over.
    Late,
    /// It was ended because it printed more than it may.
    Verbose,
}

/// So much of standard error is kept.
const MOST_SAID: usize = 8 << 10;

/// Runs a program until it has ended or a limit is reached. Where the time is over, what it has started is ended with
/// it; on Windows the program alone is.
pub(crate) fn run_child(errand: &Errand<'_>) -> io::Result<Done> {
    system::run(errand)
}
