//! A hermetic world for one test on Windows: scratch folders of the user's, stand-in agents, and `ringlet`.
//!
//! Keys are in the file store, so that no test touches the user's Credential Manager.

use crate::common::done::{Done, KEY};
use assert_cmd::Command;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Where Ringlet keeps its configuration, below the world's folder.
pub(crate) const CONFIG: &str = r"home\AppData\Roaming\ringlet";

/// Where Ringlet keeps its state.
pub(crate) const STATE: &str = r"home\AppData\Local\ringlet";

/// A world, gone when dropped.
pub(crate) struct World {
    folder: tempfile::TempDir,
    env: Vec<(OsString, OsString)>,
}

/// The binary under test. The path that Cargo has put into this one is the builder's, which is another system under Wine.
pub(crate) fn ringlet() -> PathBuf {
    let this = std::env::current_exe().expect("known");
    let folder = this.parent().and_then(Path::parent).expect("the folder of the build");
    folder.join("ringlet.exe")
}

impl World {
    /// A world whose folder has blanks and a letter beyond ASCII in its name.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("ringlet wörld ").tempdir().expect("a temporary folder");
        let mut world = Self { folder, env: Vec::new() };
        for part in [r"home\a project", "bin", "temp", CONFIG] {
            fs::create_dir_all(world.path(part)).expect("a folder");
        }
        // No program of Windows starts without it.
        let root = std::env::var_os("SystemRoot").expect("every process has it");
        let mut search = world.path("bin").into_os_string();
        search.push(";");
        search.push(Path::new(&root).join("system32"));
        world.set("SystemRoot", &root);
        world.set("ComSpec", Path::new(&root).join(r"system32\cmd.exe"));
        world.set("PATH", search);
        world.set("PATHEXT", ".COM;.EXE;.BAT;.CMD");
        for (name, part) in [
            ("USERPROFILE", "home"),
            ("APPDATA", r"home\AppData\Roaming"),
            ("LOCALAPPDATA", r"home\AppData\Local"),
            ("TEMP", "temp"),
            ("TMP", "temp"),
        ] {
            world.set(name, world.path(part));
        }
        world.write(&format!(r"{CONFIG}\config.toml"), "[credentials]\nbackend = \"file\"\n");
        world
    }

    /// All of the usual: a stand-in `claude`, the key `anthropic/work`, the profile `work`, an allowed project.
    pub(crate) fn ready() -> Self {
        let world = Self::new();
        world.agent("claude");
        world.feed(&["keychain", "set", "anthropic", "work", "--stdin"], KEY).ok();
        world.run(&["profiles", "create", "work", "--agent", "claude", "--key-alias", "work"]).ok();
        world.run(&["init", "work"]).ok();
        world
    }

    /// A path in this world, in the form that users see.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        let folder = self.folder.path().canonicalize().expect("it exists");
        let text = folder.to_str().expect("UTF-8");
        Path::new(text.strip_prefix(r"\\?\").unwrap_or(text)).join(below)
    }

    /// The project directory, where commands run.
    pub(crate) fn project(&self) -> PathBuf {
        self.path(r"home\a project")
    }

    /// Sets a variable for every later command.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.unset(name);
        self.env.push((name.into(), value.into()));
    }

    /// Takes a variable away.
    pub(crate) fn unset(&mut self, name: &str) {
        self.env.retain(|(key, _)| key != name);
    }

    /// Writes a file with its folders.
    pub(crate) fn write(&self, below: &str, content: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("in the world")).expect("a folder");
        fs::write(&path, content).expect("written");
        path
    }

    /// Reads a file as text.
    pub(crate) fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).expect("readable")
    }

    /// Writes a batch file into `bin`, the form in which npm installs an agent.
    pub(crate) fn batch(&self, name: &str, lines: &[&str]) -> PathBuf {
        self.write(&format!(r"bin\{name}.cmd"), &format!("@echo off\r\n{}\r\n", lines.join("\r\n")))
    }

    /// A stand-in agent that prints its arguments, each quoted as it came, and then its environment.
    pub(crate) fn agent(&self, name: &str) -> PathBuf {
        self.batch(name, &["echo arguments=%*", "set", "exit 0"])
    }

    /// A program in the project directory.
    pub(crate) fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        self.command_in(&self.project(), program, arguments)
    }

    /// Runs `ringlet`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        done(&mut self.command(&ringlet(), arguments))
    }

    /// Runs `ringlet` in another directory.
    pub(crate) fn run_in(&self, folder: &Path, arguments: &[&str]) -> Done {
        done(&mut self.command_in(folder, &ringlet(), arguments))
    }

    /// Runs `ringlet` with something on its standard input.
    pub(crate) fn feed(&self, arguments: &[&str], input: &str) -> Done {
        done(self.command(&ringlet(), arguments).write_stdin(input))
    }

    fn command_in(&self, folder: &Path, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        command.current_dir(folder).args(arguments);
        command
    }
}

/// Runs a command to its end.
pub(crate) fn done(command: &mut Command) -> Done {
    Done::new(&command.output().expect("it starts"))
}
