//! A process without a console, whose pipes are read by threads.

use super::{Done, Ended, Errand, MOST_SAID};
use crate::platform::search::kind;
use std::io::{self, Read, Write};
use std::os::windows::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use windows_sys::Win32::System::Threading::CREATE_NO_WINDOW;
use zeroize::Zeroizing;

const STEP: Duration = Duration::from_millis(5);

pub(super) fn run(errand: &Errand<'_>) -> io::Result<Done> {
    let end = Instant::now() + errand.time;
    if kind(errand.program).is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "only .exe, .com, .cmd and .bat can be started"));
    }
    let mut command = Command::new(errand.program);
    command.args(errand.arguments).env_clear().envs(errand.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(errand.folder).stdout(Stdio::piped());
    match (errand.input, errand.on_terminal) {
        (Some(_), _) => command.stdin(Stdio::piped()),
        (None, true) => command.stdin(Stdio::inherit()),
        (None, false) => command.stdin(Stdio::null()),
    };
    match errand.on_terminal {
        true => command.stderr(Stdio::inherit()),
        false => command.creation_flags(CREATE_NO_WINDOW).stderr(Stdio::piped()),
    };
    let mut child = command.spawn()?;
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), errand.input) {
        let input = Zeroizing::new(input.to_vec());
        std::thread::spawn(move || drop(pipe.write_all(&input)));
    }
    let output = child.stdout.take().map(|pipe| Reader::new(pipe, errand.most + 1));
    let said = child.stderr.take().map(|pipe| Reader::new(pipe, MOST_SAID));
    let ended = attend(&mut child, end);
    if !matches!(ended, Ok(Ended::With(_))) {
        let _ = child.kill();
    }
    let ended = ended?;
    let taken = |reader: Option<Reader>| reader.map(Reader::taken).unwrap_or_default();
    let (output, said) = (taken(output), taken(said).to_vec());
    let ended = if output.len() > errand.most { Ended::Verbose } else { ended };
    Ok(Done { ended, output, said })
}

/// Reports whether this process has a console.
pub(crate) fn has_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&io::stdin())
}

fn attend(child: &mut Child, end: Instant) -> io::Result<Ended> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::With(status.code().unwrap_or_default()));
        }
        if Instant::now() >= end {
            return Ok(Ended::Late);
        }
        std::thread::sleep(STEP);
    }
}

// Keeps the first bytes of a pipe, and reads the rest so that the program need not wait.
struct Reader {
    kept: Arc<Mutex<Zeroizing<Vec<u8>>>>,
    is_done: Receiver<()>,
}

impl Reader {
    fn new(mut pipe: impl Read + Send + 'static, most: usize) -> Self {
        let kept = Arc::new(Mutex::new(Zeroizing::new(Vec::with_capacity(most))));
        let (done, is_done) = channel();
        let into = Arc::clone(&kept);
        std::thread::spawn(move || {
            let mut part = Zeroizing::new(vec![0; 16 << 10]);
            while let Ok(read @ 1..) = pipe.read(&mut part) {
                let mut kept = into.lock().unwrap_or_else(PoisonError::into_inner);
                let room = most.saturating_sub(kept.len()).min(read);
                kept.extend_from_slice(&part[..room]);
            }
            let _ = done.send(());
        });
        Self { kept, is_done }
    }

    // What was read by now: another process may keep the pipe open for ever.
    fn taken(self) -> Zeroizing<Vec<u8>> {
        let _ = self.is_done.recv_timeout(STEP * 4);
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
