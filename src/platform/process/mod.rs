//! Other processes: a program that is asked a question, and what the system tells of those that run.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Starts a program in the root directory, with an empty standard input, and returns at most `limit` bytes of its
/// standard output. Returns `None` if it cannot be started or has not ended by the deadline. Then it is killed, with
/// all processes of its group.
pub(crate) fn ask_program(
    program: &Path,
    arguments: &[String],
    env: &[(OsString, OsString)],
    deadline: Duration,
    limit: usize,
) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    command.current_dir(std::path::MAIN_SEPARATOR_STR);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    set_group(&mut command);
    let mut child = command.spawn().ok()?;
    let out = child.stdout.take()?;
    let (sender, pieces) = mpsc::channel();
    // The program may leave other processes behind that keep its output open.
    std::thread::spawn(move || {
        let mut out = out.take(limit as u64);
        let mut piece = [0; 512];
        while let Ok(read @ 1..) = out.read(&mut piece) {
            if sender.send(piece[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    let end = Instant::now() + deadline;
    let mut answer = Vec::new();
    let mut has_ended = false;
    while !has_ended && Instant::now() < end {
        has_ended = !matches!(child.try_wait(), Ok(None));
        match pieces.recv_timeout(Duration::from_millis(5)) {
            Ok(piece) => answer.extend(piece),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    let in_time = has_ended || Instant::now() < end;
    end_group(&mut child);
    let _ = child.kill();
    let _ = child.wait();
    // The thread may not have read yet what the program wrote. With the group its output ends, unless a process has
    // left the group.
    while in_time && let Ok(piece) = pieces.recv_timeout(end.saturating_duration_since(Instant::now())) {
        answer.extend(piece);
    }
    in_time.then_some(answer)
}
