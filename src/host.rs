//! What a command sees of the outside: arguments, environment, working directory, clock, terminal, key stores, streams.
//!
//! Commands use these through a `Host` alone, so that their tests can replace the real ones; see `testing`.

#[cfg(all(test, unix))]
pub(crate) mod testing;

use crate::env::Env;
use crate::failure::Failure;
use crate::mark;
use crate::output::Output;
use crate::platform;
use crate::secret::Secret;
use crate::shell::{self, ShellNames};
use crate::store::{self, Keys, Opening};
use jiff::Timestamp;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The outside of a command: what it reads and asks, and where its output goes.
pub struct Host {
    /// What a command reads and asks.
    pub(crate) world: World,
    /// Where output goes.
    pub(crate) output: Output,
}

/// Opens the stores that the settings name.
pub(crate) type OpenStore = fn(&Opening<'_>) -> Keys;

/// The person at the terminal, and what is piped into this process.
pub(crate) trait Console {
    /// Reports whether standard input is a terminal, so that somebody can be asked.
    fn is_interactive(&self) -> bool;
    /// Reads standard input to its end, but at most `limit` bytes.
    fn read_input(&self, limit: usize) -> io::Result<Secret>;
    /// Asks a question and returns the line that was typed; `None` where there is no terminal or no answer.
    fn ask(&self, question: &str) -> Option<String>;
    /// Asks without showing what is typed. Ctrl-C is an error of the kind `Interrupted`.
    fn ask_secret(&self, question: &str) -> io::Result<Zeroizing<Vec<u8>>>;
    /// Returns the terminal's name, by which a message is printed once for each terminal.
    fn name(&self) -> Option<OsString>;
}

/// The console of this process.
struct Terminal;

impl Console for Terminal {
    fn is_interactive(&self) -> bool {
        io::stdin().is_terminal()
    }

    fn read_input(&self, limit: usize) -> io::Result<Secret> {
        // Room for one byte more, so that the buffer never moves and leaves a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
        io::stdin().lock().take(limit as u64).read_to_end(&mut bytes)?;
        Ok(Secret::from(bytes))
    }

    fn ask(&self, question: &str) -> Option<String> {
        platform::ask_terminal(question)
    }

    fn ask_secret(&self, question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
        platform::prompt_secret(question)
    }

    fn name(&self) -> Option<OsString> {
        platform::terminal_name()
    }
}

/// What a command reads and asks.
pub(crate) struct World {
    /// The command line, `argv[0]` first.
    pub arguments: Vec<OsString>,
    /// The environment's snapshot, without what an earlier launch had set.
    pub env: Env,
    /// Whether an earlier launch has started what this command was started by.
    pub is_below: bool,
    /// What the agents' names stand for in the calling shell, if its hook has passed that on.
    pub shell: Option<ShellNames>,
    /// The working directory with symlinks resolved; an error when it was deleted.
    pub cwd: io::Result<PathBuf>,
    /// Ringlet's own executable.
    pub executable: io::Result<PathBuf>,
    /// The time at the start of the command.
    pub now: Timestamp,
    /// The clock, for a command that runs for long.
    pub clock: fn() -> Timestamp,
    /// The absolute folder of `--config-home`, which takes the place of Ringlet's usual folders.
    pub config_home: Option<PathBuf>,
    /// The terminal and standard input.
    pub console: Box<dyn Console>,
    /// Opens the store of keys.
    pub open_store: OpenStore,
}

impl Host {
    /// Makes the host of this process.
    pub fn real() -> Self {
        let is_below = [mark::NAME, mark::LOOP].into_iter().any(|name| std::env::var_os(name).is_some());
        let mut env = environment();
        let shell = env.take(shell::VARIABLE).and_then(|text| ShellNames::parse(text.to_str()?));
        let world = World {
            arguments: std::env::args_os().collect(),
            env,
            is_below,
            shell,
            cwd: working_directory(),
            executable: std::env::current_exe(),
            now: Timestamp::now(),
            clock: Timestamp::now,
            config_home: None,
            console: Box::new(Terminal),
            open_store: store::open,
        };
        Self { world, output: Output::standard() }
    }
}

/// Returns this process's environment without what an earlier launch had set. It must be called before any path is
/// worked out, since a launch may have moved Ringlet's own places with the agent's.
fn environment() -> Env {
    let mut env = Env::current();
    mark::undo(&mut env);
    env
}

// A Unix system returns the directory's own path, which has no symlinks. Resolving it again would take a call for each
// level.
fn working_directory() -> io::Result<PathBuf> {
    let path = std::env::current_dir()?;
    if cfg!(unix) { Ok(path) } else { path.canonicalize() }
}

impl World {
    /// Returns the working directory, or a failure that says what happened to it.
    pub(crate) fn cwd(&self) -> Result<&Path, Failure> {
        self.cwd.as_deref().map_err(|error| {
            let message = match error.kind() {
                io::ErrorKind::NotFound => "the working directory no longer exists".to_owned(),
                _ => format!("the working directory cannot be read: {error}"),
            };
            Failure::new(message).hint("run `cd` to a directory that exists")
        })
    }

    /// Returns Ringlet's own executable, or a failure.
    pub(crate) fn executable(&self) -> Result<&Path, Failure> {
        self.executable.as_deref().map_err(|error| Failure::new(format!("ringlet's own path cannot be told: {error}")))
    }
}
