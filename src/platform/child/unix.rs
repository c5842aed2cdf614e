//! A session of its own, or the terminal; pipes that are waited for together.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use super::super::signals::{self, Blocked};
use super::{Done, Ended, Errand, MOST_SAID};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::process::getppid;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, getpgrp, getpid, kill_process_group, setpgid, setsid, waitid,
};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

// A process that has ended closes its pipes, unless another one has them open. So long this is waited for.
const STEP: Duration = Duration::from_millis(20);

// The signals that would end this process wait while it runs a program, which else would stay behind in its session.
const ENDING: [libc::c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

pub(super) fn run(errand: &Errand<'_>) -> io::Result<Done> {
    let end = Instant::now() + errand.time;
    // Given up last, so that a signal that came meanwhile finds the program ended and the terminal as it was.
    let deferred = Blocked::new(&ENDING);
    let mut command = Command::new(errand.program);
    command.args(errand.arguments).env_clear().envs(errand.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(errand.folder).stdout(Stdio::piped());
    let terminal = if errand.on_terminal { Some(AsItWas::new()?) } else { None };
    match (&terminal, errand.input) {
        (_, Some(_)) => command.stdin(Stdio::piped()),
        (Some(terminal), None) => command.stdin(terminal.file.try_clone()?),
        (None, None) => command.stdin(Stdio::null()),
    };
    match &terminal {
        Some(terminal) => command.stderr(terminal.file.try_clone()?),
        None => command.stderr(Stdio::piped()),
    };
    let (at, parent) = (terminal.as_ref().map(|terminal| terminal.file.as_raw_fd()), getpid());
    let unblocked = *deferred.before();
    // SAFETY: between fork and exec the closure makes system calls alone, and the descriptor is open until exec.
    unsafe {
        command.pre_exec(move || {
            set_apart(at.map(|at| BorrowedFd::borrow_raw(at)), parent)?;
            signals::restore(&unblocked);
            Ok(())
        });
    }
    let mut running = Running { child: command.spawn()?, ended: None };
    let done = running.attend(errand, end, &deferred);
    drop(running);
    drop(terminal);
    drop(deferred);
    done
}

// In the child. A program that may ask leads the group in the terminal's foreground, so that Ctrl-C is its own, and
// what it starts is ended with it. Any other one leads a session without a terminal. None outlives this process.
fn set_apart(terminal: Option<BorrowedFd<'_>>, parent: Pid) -> io::Result<()> {
    match terminal {
        Some(terminal) => {
            setpgid(None, None)?;
            in_background(|| tcsetpgrp(terminal, getpid()))?;
        }
        None => drop(setsid()?),
    }
    #[cfg(target_os = "linux")]
    {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(parent) {
            return Err(Errno::SRCH.into());
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = parent;
    Ok(())
}

/// Reports whether this process may use its terminal: it has one, and its group is in the foreground there.
pub(crate) fn has_terminal() -> bool {
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    terminal.is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
}

// A program that is ended with this value, if it has not ended by itself.
struct Running {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Running {
    fn attend(&mut self, errand: &Errand<'_>, end: Instant, deferred: &Blocked) -> io::Result<Done> {
        let mut pipes = Pipes::new(&mut self.child, errand.input);
        let mut done =
            Done { ended: Ended::Late, output: Zeroizing::new(Vec::with_capacity(errand.most + 1)), said: Vec::new() };
        let mut looked = Instant::now();
        while !pipes.is_done() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || deferred.has_come() {
                return Ok(done);
            }
            let is_quiet = pipes.wait(left.min(STEP))?;
            pipes.carry(&mut done, errand.most)?;
            // Another process may keep the pipes open for ever, and write into them for ever.
            if is_quiet || looked.elapsed() >= STEP {
                looked = Instant::now();
                if let Some(signal) = self.stopped(errand.on_terminal) {
                    done.ended = Ended::BySignal(signal);
                    return Ok(done);
                }
                if self.has_ended()? {
                    pipes.carry_output(&mut done, errand.most)?;
                    pipes.close();
                }
            }
            if done.output.len() > errand.most {
                done.ended = Ended::Verbose;
                return Ok(done);
            }
        }
        drop(pipes);
        let mut step = Duration::from_micros(100);
        while !self.has_ended()? {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || deferred.has_come() {
                return Ok(done);
            }
            if let Some(signal) = self.stopped(errand.on_terminal) {
                done.ended = Ended::BySignal(signal);
                return Ok(done);
            }
            std::thread::sleep(step.min(left));
            step = (step * 2).min(STEP);
        }
        done.ended = match self.ended {
            Some(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Ended::With(code),
                (None, signal) => Ended::BySignal(signal.unwrap_or_default()),
            },
            None => Ended::Late,
        };
        Ok(done)
    }

    // Of a program that a signal has ended nothing stays behind: it would go on to wait for the person who has sent it.
    fn has_ended(&mut self) -> io::Result<bool> {
        if self.ended.is_none() {
            let status = self.look(WaitIdOptions::EXITED);
            if status.is_some_and(|status| status.terminating_signal().is_some()) {
                self.end_group();
            }
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended.is_some())
    }

    // The signal that has stopped a program at the terminal. Nobody would let it go on: the shell knows its caller
    // alone.
    fn stopped(&self, is_on_terminal: bool) -> Option<i32> {
        is_on_terminal.then(|| self.look(WaitIdOptions::STOPPED)).flatten()?.stopping_signal()
    }

    // What has become of the program, which can be asked again.
    fn look(&self, what: WaitIdOptions) -> Option<WaitIdStatus> {
        let options = what | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid()?), options).ok().flatten()
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    fn end_group(&self) {
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_some() {
            return;
        }
        self.end_group();
        // One that the kernel does not let go is not waited for.
        for _ in 0..50 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

// The three pipes of a program, as far as they are open.
struct Pipes<'a> {
    input: Option<(OwnedFd, &'a [u8])>,
    output: Option<OwnedFd>,
    said: Option<OwnedFd>,
}

impl<'a> Pipes<'a> {
    fn new(child: &mut Child, input: Option<&'a [u8]>) -> Self {
        let into = child.stdin.take().map(OwnedFd::from).zip(input);
        let made = Self {
            input: into,
            output: child.stdout.take().map(OwnedFd::from),
            said: child.stderr.take().map(OwnedFd::from),
        };
        if let Some((pipe, _)) = &made.input {
            // A program that reads nothing must not be waited for.
            let _ = rustix::io::ioctl_fionbio(pipe, true);
        }
        made
    }

    fn is_done(&self) -> bool {
        self.output.is_none() && self.said.is_none()
    }

    // Waits until something can be read or written. Returns whether nothing was.
    fn wait(&self, time: Duration) -> io::Result<bool> {
        let read = [&self.output, &self.said].into_iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::IN));
        let write = self.input.iter().map(|(pipe, _)| PollFd::new(pipe, PollFlags::OUT));
        let mut fds: Vec<PollFd<'_>> = read.chain(write).collect();
        let time = Timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos() as _ };
        match poll(&mut fds, Some(&time)) {
            Ok(ready) => Ok(ready == 0),
            Err(Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    // Reads what the program has printed before it ended, as far as it may print.
    fn carry_output(&mut self, done: &mut Done, most: usize) -> io::Result<()> {
        while done.output.len() <= most {
            let Some(read) = available(&mut self.output, most + 1 - done.output.len())? else { break };
            done.output.extend_from_slice(&read);
        }
        Ok(())
    }

    fn close(&mut self) {
        (self.output, self.said) = (None, None);
    }

    // Reads and writes what can be without waiting.
    fn carry(&mut self, done: &mut Done, most: usize) -> io::Result<()> {
        if let Some((pipe, left)) = &mut self.input {
            match rustix::io::write(&*pipe, left) {
                Ok(written) => *left = &left[written..],
                Err(Errno::AGAIN | Errno::INTR) => {}
                // It does not want to read it.
                Err(_) => *left = &[],
            }
            if left.is_empty() {
                self.input = None;
            }
        }
        let room = (most + 1).saturating_sub(done.output.len());
        if let Some(read) = available(&mut self.output, room)? {
            done.output.extend_from_slice(&read);
        }
        // The rest is read, too, or the program would wait.
        if let Some(read) = available(&mut self.said, usize::MAX)? {
            let room = MOST_SAID.saturating_sub(done.said.len()).min(read.len());
            done.said.extend_from_slice(&read[..room]);
        }
        Ok(())
    }
}

// Reads once from a pipe that has something. At its end it is closed.
fn available(pipe: &mut Option<OwnedFd>, most: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(open) = pipe else { return Ok(None) };
    let mut fds = [PollFd::new(open, PollFlags::IN)];
    match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(1..) => {}
        Ok(0) | Err(Errno::INTR) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut part = Zeroizing::new(vec![0; most.clamp(1, 16 << 10)]);
    match rustix::io::read(open.as_fd(), &mut part[..]) {
        Ok(0) => {
            *pipe = None;
            Ok(None)
        }
        Ok(read) => {
            part.truncate(read);
            Ok(Some(part))
        }
        Err(Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

// Lets a process of a group in the background change the terminal, which would stop it otherwise (SIGTTOU).
fn in_background<T>(change: impl FnOnce() -> T) -> T {
    let _blocked = Blocked::new(&[libc::SIGTTOU]);
    change()
}

// The terminal, which is put back as it was with this value: a program that is ended while it asks would leave it
// without echo, and itself in the foreground.
struct AsItWas {
    file: File,
    modes: Option<Termios>,
}

impl AsItWas {
    fn new() -> io::Result<Self> {
        let file = File::options().read(true).write(true).open("/dev/tty")?;
        let modes = tcgetattr(&file).ok();
        Ok(Self { file, modes })
    }
}

impl Drop for AsItWas {
    fn drop(&mut self) {
        in_background(|| {
            let _ = tcsetpgrp(&self.file, getpgrp());
            if let Some(modes) = &self.modes {
                let _ = tcsetattr(&self.file, OptionalActions::Now, modes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::run_child;
    use super::*;
    use std::path::Path;

    fn run(script: &str, input: Option<&[u8]>, milliseconds: u64) -> Done {
        let arguments = ["-c".to_owned(), script.to_owned()];
        let time = Duration::from_millis(milliseconds);
        let env = [("PATH".into(), "/usr/bin:/bin".into())];
        let (program, folder) = (Path::new("/bin/sh"), Path::new("/"));
        let errand =
            Errand { program, arguments: &arguments, env: &env, folder, input, time, most: 100, on_terminal: false };
        run_child(&errand).expect("it starts")
    }

    // Waits until the process whose number a file has is gone. A system without /proc is not asked.
    fn wait_for_the_end_of(file: &Path) {
        let pid: i32 = std::fs::read_to_string(file).expect("written").trim().parse().expect("a number");
        let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        while Path::new("/proc/self").exists() && !stat().is_empty() && !stat().contains(") Z ") {
            std::thread::yield_now();
        }
    }

    #[test]
    fn output_status_and_what_is_said_come_back() {
        let done = run("cat; echo said >&2; exit 3", Some(b"given"), 20_000);
        assert_eq!(
            (done.ended, done.output.as_slice(), done.said.as_slice()),
            (Ended::With(3), &b"given"[..], &b"said\n"[..])
        );
        assert_eq!(run("kill -9 $$", None, 20_000).ended, Ended::BySignal(9));
        assert!(run("env", None, 20_000).output.starts_with(b"P"));
        // Neither standard input nor the terminal waits for anybody.
        let done = run("cat; cat /dev/tty || echo none", None, 20_000);
        assert_eq!(done.output.as_slice(), b"none\n");
        // Input that nobody reads.
        assert_eq!(run("exit 0", Some(&[b'x'; 200_000]), 20_000).ended, Ended::With(0));
    }

    #[test]
    fn a_program_that_hangs_or_floods_is_ended_with_what_it_has_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pid");
        let done = run(&format!("sleep 1000 & echo $! > {}; sleep 1000", file.display()), None, 300);
        assert_eq!(done.ended, Ended::Late);
        wait_for_the_end_of(&file);
        assert_eq!(run("yes", None, 20_000).ended, Ended::Verbose);
        let done = run("yes >&2 & sleep 0.2; kill $!; echo out", None, 20_000);
        assert_eq!((done.ended, done.output.as_slice(), done.said.len()), (Ended::With(0), &b"out\n"[..], MOST_SAID));
        assert_eq!(run("kill -STOP $$", None, 300).ended, Ended::Late);
    }

    #[test]
    fn a_child_that_keeps_the_pipes_open_or_floods_them_is_not_waited_for() {
        for script in ["sleep 3 & echo out", "yes >&2 & echo out"] {
            let done = run(script, None, 60_000);
            assert_eq!((done.ended, done.output.as_slice()), (Ended::With(0), &b"out\n"[..]), "{script}");
        }
    }

    #[test]
    fn what_a_program_has_started_does_not_outlive_the_signal_that_ends_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pid");
        let done = run(&format!("sleep 1000 & echo $! > {}; kill -15 $$; sleep 1000", file.display()), None, 60_000);
        assert_eq!(done.ended, Ended::BySignal(15));
        wait_for_the_end_of(&file);
    }
}
