//! Runs the programs of stores, within the limits of a store: of time, of size, and of what they may ask.

use super::{Class, Prompt, StoreError};
use crate::env::Env;
use crate::mask;
use crate::name::StoreName;
use crate::platform::{self, Done, Ended, Errand};
use crate::secret::Secret;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// So long a person is waited for who is asked by a program.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many lines of what a program says are shown.
const MOST_LINES: usize = 5;

/// A line of it is cut after this many characters.
const MOST_CHARACTERS: usize = 300;

/// What is needed to run the programs of one store.
pub(super) struct Tool {
    /// The store.
    pub(super) store: StoreName,
    /// Its programs, by the names in the settings.
    pub(super) programs: BTreeMap<String, Result<PathBuf, String>>,
    /// Their environment.
    pub(super) env: Env,
    /// Their working directory.
    pub(super) home: PathBuf,
    /// The time limit of one run.
    pub(super) timeout: Duration,
    /// Whether a person may be asked where the settings do not say so.
    pub(super) prompt: Prompt,
}

/// When a program may ask on the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Never.
    Never,
    /// Where a person is there who waits for it.
    IfPrompted,
    /// Always, if there is a terminal.
    Always,
}

/// One run of a program.
pub(super) struct Run<'a> {
    /// The program, as the settings name it, and its arguments.
    pub(super) words: &'a [String],
    /// What it reads from standard input.
    pub(super) input: Option<&'a [u8]>,
    /// The most bytes that it may print.
    pub(super) most: usize,
    /// When it may ask.
    pub(super) asks: Asks,
}

impl Tool {
    /// Makes the error of this store.
    pub(super) fn failed(&self, class: Class, why: impl Into<String>) -> StoreError {
        StoreError::InStore { store: self.store.clone(), class, why: why.into(), said: Vec::new() }
    }

    /// Runs a program that must succeed, and returns what it printed. `doing` says what it is to do, such as `list its
    /// keys`.
    pub(super) fn output(&self, doing: &str, run: &Run<'_>) -> Result<Secret, StoreError> {
        let done = self.run(run)?;
        match done.ended {
            Ended::With(0) => Ok(Secret::from(done.output)),
            _ => Err(self.refused(doing, run, &done)),
        }
    }

    /// Returns the path of a program that may be started.
    pub(super) fn program(&self, name: &str) -> Result<&Path, StoreError> {
        match self.programs.get(name) {
            Some(Ok(program)) => Ok(program),
            Some(Err(why)) => Err(self.failed(Class::Absent, format!("cannot be asked: {why}"))),
            None => Err(self.failed(Class::Absent, format!("cannot be asked: {name} was not looked for"))),
        }
    }

    /// Runs a program to its end.
    pub(super) fn run(&self, run: &Run<'_>) -> Result<Done, StoreError> {
        let Run { words, input, most, asks } = *run;
        let (name, arguments) = words.split_first().expect("a command has a program");
        let program = self.program(name)?;
        let may_ask = match self.prompt {
            Prompt::Nobody => false,
            Prompt::Never => asks == Asks::Always,
            Prompt::Ask => asks != Asks::Never,
        };
        let on_terminal = may_ask && platform::has_terminal();
        let env = self.environment(on_terminal);
        let time = if on_terminal { self.timeout.max(PATIENCE) } else { self.timeout };
        let errand =
            Errand { program, arguments, env: env.pairs(), folder: &self.home, input, time, most, on_terminal };
        let done = platform::run_child(&errand).map_err(|error| {
            self.failed(Class::Unable, format!("cannot be asked: {} does not start: {error}", program.display()))
        })?;
        match done.ended {
            Ended::Late => Err(self.failed(Class::Late, format!("did not answer within {time:?}: {name} was ended"))),
            Ended::Verbose => Err(self.failed(
                Class::Broken,
                format!("gave no answer: {name} printed more than {most} bytes, and was ended"),
            )),
            Ended::With(_) | Ended::BySignal(_) => Ok(done),
        }
    }

    /// The error of a program that has not succeeded.
    pub(super) fn refused(&self, doing: &str, run: &Run<'_>, done: &Done) -> StoreError {
        let Run { words, input, .. } = *run;
        let name = Path::new(&words[0]).file_name().unwrap_or_default().to_string_lossy();
        let how = match done.ended {
            Ended::BySignal(signal) => format!("{name} was ended by signal {signal}"),
            Ended::With(status) => format!("{name} ended with status {status}"),
            Ended::Late | Ended::Verbose => format!("{name} was ended"),
        };
        let why = format!("could not {doing}: {how}");
        let said = lines(&done.said, &[&done.output, input.unwrap_or_default()]);
        StoreError::InStore { store: self.store.clone(), class: Class::Broken, why, said }
    }

    // gpg's agent is another process, and has to be told which terminal this is: `/dev/tty` is none of its own.
    // Where nobody may be asked, neither a terminal nor a screen is named, and gpg is told that it has no window: its
    // agent, which is another process, may know a screen of its own.
    fn environment(&self, on_terminal: bool) -> Env {
        let mut env = self.env.clone();
        if on_terminal {
            if let Some(name) = platform::terminal_name().filter(|name| name != "/dev/tty") {
                env.set("GPG_TTY", name);
            }
            return env;
        }
        for name in ["GPG_TTY", "DISPLAY", "WAYLAND_DISPLAY", "SSH_ASKPASS"] {
            env.unset(name);
        }
        for name in ["PASSWORD_STORE_GPG_OPTS", "GOPASS_GPG_OPTS"] {
            let mut options = env.get(name).map(OsString::from).unwrap_or_default();
            options.push(" --pinentry-mode error");
            env.set(name, options);
        }
        env
    }
}

/// What a program said, for a person. A tool that fails may repeat what it was given, or what it has printed.
pub(super) fn lines(said: &[u8], secrets: &[&[u8]]) -> Vec<String> {
    let text = mask::without(&String::from_utf8_lossy(said), secrets);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.take(MOST_LINES).map(|line| mask::short(&mask::masked(line), MOST_CHARACTERS)).collect()
}

#[cfg(all(test, unix))]
pub(super) mod testing {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Makes the tool of a store, whose one program `tool` is a shell script, in a folder of its own.
    pub(in crate::store) fn scripted(script: &str) -> (tempfile::TempDir, Tool) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join("tool");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("chmod");
        let tool = Tool {
            store: "team".parse().expect("a name"),
            programs: BTreeMap::from([("tool".to_owned(), Ok(program))]),
            env: Env::from_pairs([("PATH", "/usr/bin:/bin"), ("DISPLAY", ":7"), ("GPG_TTY", "/dev/pts/7")]),
            home: folder.path().to_owned(),
            timeout: Duration::from_secs(20),
            prompt: Prompt::Never,
        };
        (folder, tool)
    }
}
