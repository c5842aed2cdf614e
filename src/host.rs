//! What the outside world is to a command: environment, working directory, clock, streams. A test replaces it.

use crate::env::Env;
use crate::failure::Failure;
use crate::mark;
use crate::output::Output;
use crate::shell::{self, ShellNames};
use jiff::Timestamp;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// The outside world: what is only read, and where output goes.
pub struct Host {
    /// What is only read.
    pub(crate) world: World,
    /// Where output goes.
    pub(crate) output: Output,
}

/// What a command sees of the outside world, taken once.
pub(crate) struct World {
    /// The command line, `argv[0]` first.
    pub arguments: Vec<OsString>,
    /// The environment's snapshot, without what an earlier launch had set.
    pub env: Env,
    /// What the calling shell says of the agents' names, where its hook has passed that on.
    pub shell: Option<ShellNames>,
    /// The working directory with symlinks resolved; an error when it was deleted.
    pub cwd: io::Result<PathBuf>,
    /// Ringlet's own executable.
    pub executable: io::Result<PathBuf>,
    /// The time.
    pub now: Timestamp,
    /// The folder that the command line names in place of Ringlet's usual ones, absolute.
    pub config_home: Option<PathBuf>,
}

impl Host {
    /// The real one.
    pub fn real() -> Self {
        let mut env = environment();
        let shell = env.take(shell::VARIABLE).and_then(|text| ShellNames::parse(text.to_str()?));
        let world = World {
            arguments: std::env::args_os().collect(),
            env,
            shell,
            cwd: working_directory(),
            executable: std::env::current_exe(),
            now: Timestamp::now(),
            config_home: None,
        };
        Self { world, output: Output::standard() }
    }
}

/// This process's environment without what an earlier launch had set. Before any path is settled, since a launch may have
/// moved Ringlet's own places with the agent's.
pub fn environment() -> Env {
    let mut env = Env::current();
    mark::undo(&mut env);
    env
}

// A Unix system answers with the directory's own path, which has no symlinks; looking at each part of it again takes a
// call for each level.
fn working_directory() -> io::Result<PathBuf> {
    let path = std::env::current_dir()?;
    if cfg!(unix) { Ok(path) } else { path.canonicalize() }
}

impl World {
    /// The working directory, or a failure that says what happened to it.
    pub(crate) fn cwd(&self) -> Result<&Path, Failure> {
        self.cwd.as_deref().map_err(|error| {
            let message = match error.kind() {
                io::ErrorKind::NotFound => "the working directory no longer exists".to_owned(),
                _ => format!("the working directory cannot be read: {error}"),
            };
            Failure::new(message).hint("run `cd` to a directory that exists")
        })
    }

    /// Ringlet's own executable, or a failure.
    pub(crate) fn executable(&self) -> Result<&Path, Failure> {
        self.executable.as_deref().map_err(|error| Failure::new(format!("ringlet's own path cannot be told: {error}")))
    }
}
