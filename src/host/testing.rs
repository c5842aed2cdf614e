//! A host for the tests of commands: a home of its own, a terminal that answers from a list, a fixed clock, and keys in
//! a file, whatever the settings name as the store.

use super::{Console, Host, World};
use crate::config::Backend;
use crate::env::Env;
use crate::output::Output;
use crate::secret::Secret;
use crate::store::{self, Opening, Prompt};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use zeroize::Zeroizing;

/// The time at which every command runs.
const NOON: &str = "2026-01-02T12:00:00Z";

/// A user's home, in which commands are run one after another.
pub(crate) struct Home {
    _folder: tempfile::TempDir,
    /// The home directory.
    pub path: PathBuf,
    /// The working directory: the home directory, until [`Home::enter`].
    cwd: PathBuf,
    /// The environment but for HOME.
    pub env: Vec<(&'static str, String)>,
    /// What lies on standard input.
    pub input: Vec<u8>,
    /// The answers to questions, in their order. Without any there is no terminal.
    pub answers: Rc<RefCell<VecDeque<String>>>,
}

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit status.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Returns standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.status, 0, "{self:?}");
        serde_json::from_str(&self.out).expect("JSON")
    }

    /// Asserts that the command did what was asked.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.status, 0, "{self:?}");
        self
    }

    /// Asserts that the command was refused with this status, for a reason with these words, and printed no data.
    #[track_caller]
    pub(crate) fn is_refused(&self, status: i32, reason: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.err.contains("ringlet: error: ") && self.err.contains(reason), "{self:?}");
        assert_eq!(self.out, "");
    }
}

impl Home {
    /// Makes an empty home.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().canonicalize().expect("a path");
        Self { _folder: folder, cwd: path.clone(), path, env: Vec::new(), input: Vec::new(), answers: Rc::default() }
    }

    /// Makes a home with a profile that gives claude the key `anthropic/default`, which is not stored.
    pub(crate) fn with_profile(name: &str) -> Self {
        let home = Self::new();
        home.run(&["profiles", "create", name, "--agent", "claude"]).succeeds();
        home
    }

    /// Makes a folder below the home directory, where commands run from now on.
    pub(crate) fn enter(&mut self, name: &str) {
        self.cwd = self.path.join(name);
        std::fs::create_dir_all(&self.cwd).expect("made");
    }

    /// Writes a file below the home directory.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let file = self.path.join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(file, text).expect("written");
    }

    /// Reads a file below the home directory.
    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path.join(name)).expect("readable")
    }

    /// Puts a program below the home directory, and its folder on PATH.
    pub(crate) fn program(&mut self, name: &str) {
        self.write(&format!("bin/{name}"), "#!/bin/sh\n");
        std::fs::set_permissions(self.path.join("bin").join(name), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("chmod");
        self.env.retain(|(name, _)| *name != "PATH");
        self.env.push(("PATH", self.path.join("bin").display().to_string()));
    }

    /// Adds answers for the next questions.
    pub(crate) fn answer(&self, answers: &[&str]) {
        self.answers.borrow_mut().extend(answers.iter().map(|answer| (*answer).to_owned()));
    }

    /// Runs `ringlet` with these words.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        let (out, err) = (Buffer::default(), Buffer::default());
        let status = crate::run(self.host(words, &out, &err));
        Ran { status, out: out.text(), err: err.text() }
    }

    fn host(&self, words: &[&str], out: &Buffer, err: &Buffer) -> Host {
        Host { world: self.world(words), output: Output::to(out.clone(), err.clone()) }
    }

    /// Returns what the command of these words sees.
    pub(crate) fn world(&self, words: &[&str]) -> World {
        let home = self.path.display().to_string();
        let mut env = Env::from_pairs([("HOME", home.as_str()), ("USERPROFILE", &home), ("SHELL", "/bin/bash")]);
        for (name, value) in &self.env {
            env.set(name, value.into());
        }
        let console = Script { input: self.input.clone(), answers: Rc::clone(&self.answers) };
        World {
            arguments: ["ringlet"].iter().chain(words).map(OsString::from).collect(),
            env,
            is_below: false,
            shell: None,
            cwd: Ok(self.cwd.clone()),
            executable: std::env::current_exe(),
            now: NOON.parse().expect("a time"),
            clock: || NOON.parse().expect("a time"),
            config_home: None,
            console: Box::new(console),
            open_store: |opening| {
                let settings = crate::config::Settings { backend: Backend::File, ..opening.settings.clone() };
                store::open(&Opening { settings: &settings, prompt: Prompt::Never, ..*opening })
            },
        }
    }
}

struct Script {
    input: Vec<u8>,
    answers: Rc<RefCell<VecDeque<String>>>,
}

impl Console for Script {
    fn is_interactive(&self) -> bool {
        !self.answers.borrow().is_empty()
    }

    fn read_input(&self, limit: usize) -> io::Result<Secret> {
        Ok(Secret::new(self.input.iter().copied().take(limit).collect()))
    }

    fn ask(&self, _: &str) -> Option<String> {
        self.answers.borrow_mut().pop_front()
    }

    fn ask_secret(&self, _: &str) -> io::Result<Zeroizing<Vec<u8>>> {
        let answer = self.answers.borrow_mut().pop_front();
        answer.map(|answer| answer.into_bytes().into()).ok_or_else(|| io::Error::other("no terminal"))
    }

    fn name(&self) -> Option<OsString> {
        None
    }
}

#[derive(Clone, Default)]
struct Buffer(Rc<RefCell<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).expect("UTF-8")
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
