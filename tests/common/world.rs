//! A hermetic world for one test: a scratch home, stand-in agents, and the `ringlet` binary under test.
//!
//! The environment is cleared, so that neither the user's keychain nor the user's files can be reached. Keys are kept in
//! the file store unless a test brings a [`super::keyring::Keyring`].

pub(crate) use super::done::{Done, KEY};
use assert_cmd::Command;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The binary under test.
pub(crate) const RINGLET: &str = env!("CARGO_BIN_EXE_ringlet");

/// A world, gone when dropped.
pub(crate) struct World {
    folder: tempfile::TempDir,
    env: Vec<(OsString, OsString)>,
}

impl World {
    /// A world whose keys are kept in the file store.
    pub(crate) fn new() -> Self {
        let world = Self::bare();
        world.write("home/.config/ringlet/config.toml", "[credentials]\nbackend = \"file\"\n");
        world
    }

    /// A world without any file of ringlet's.
    pub(crate) fn bare() -> Self {
        let folder = tempfile::Builder::new().prefix("ringlet-world-").tempdir().expect("a temporary folder");
        let mut world = Self { folder, env: Vec::new() };
        for part in ["home/project", "bin"] {
            fs::create_dir_all(world.path(part)).expect("a folder");
        }
        let search = format!("{}:/usr/local/bin:/usr/bin:/bin", world.path("bin").display());
        world.set("PATH", search);
        world.set("HOME", world.path("home"));
        // Else it would be the machine's own, below /run/user.
        fs::create_dir(world.path("run")).expect("a folder");
        world.chmod(&world.path("run"), 0o700);
        world.set("XDG_RUNTIME_DIR", world.path("run"));
        if cfg!(target_os = "macos") {
            // Else it would be in ~/Library.
            world.set("XDG_STATE_HOME", world.path("home/.local/state"));
        }
        world.set("TERM", "dumb");
        world.set("LANG", "C.UTF-8");
        world
    }

    /// The same world on a keychain: its bus, and the default backend.
    #[cfg(target_os = "linux")]
    pub(crate) fn on(keyring: &super::keyring::Keyring) -> Self {
        let mut world = Self::bare();
        world.set("DBUS_SESSION_BUS_ADDRESS", keyring.address());
        world.set("XDG_RUNTIME_DIR", keyring.runtime_dir());
        world
    }

    /// A path in this world, canonical: `home/...`, `bin/...` or anything else.
    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.folder.path().canonicalize().expect("exists").join(below)
    }

    /// The project directory, where commands run unless told otherwise.
    pub(crate) fn project(&self) -> PathBuf {
        self.path("home/project")
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

    /// The environment of every command.
    pub(crate) fn env(&self) -> &[(OsString, OsString)] {
        &self.env
    }

    /// Writes a file with its folders, mode 0644.
    pub(crate) fn write(&self, below: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("in the world")).expect("a folder");
        fs::write(&path, content).expect("written");
        self.chmod(&path, 0o644);
        path
    }

    /// Reads a file as text.
    pub(crate) fn read(&self, below: impl AsRef<Path>) -> String {
        fs::read_to_string(self.path(below)).expect("readable")
    }

    /// Changes a mode.
    pub(crate) fn chmod(&self, path: &Path, mode: u32) {
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("chmod");
    }

    /// Writes a program into `bin`.
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.write(Path::new("bin").join(name), script);
        self.chmod(&path, 0o755);
        path
    }

    /// Puts `ringlet` on PATH.
    pub(crate) fn link_ringlet(&self) {
        std::os::unix::fs::symlink(RINGLET, self.path("bin/ringlet")).expect("linked");
    }

    /// A stand-in agent that prints its arguments and environment, one a line, NUL-safe enough for a test:
    /// `arg=...`, then `env=NAME=value` for every variable, sorted, and the key read from a descriptor as `fd=...`.
    pub(crate) fn agent(&self, name: &str) -> PathBuf {
        self.program(
            name,
            "#!/bin/sh\n\
             echo \"pid=$$\"\n\
             for word in \"$@\"; do printf 'arg=%s\\n' \"$word\"; done\n\
             env | sort | sed 's/^/env=/'\n\
             if [ -n \"$CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR\" ]; then\n\
               printf 'fd='; cat \"/dev/fd/$CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR\"; echo\n\
             fi\n",
        )
    }

    /// The `ringlet` command in the project directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_in(&self.project(), arguments)
    }

    /// The `ringlet` command in a directory.
    pub(crate) fn command_in(&self, folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(RINGLET);
        command
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .args(arguments);
        command
    }

    /// A program in this world and its project directory, for what `assert_cmd` has no word for: a pid, a terminal,
    /// open streams.
    pub(crate) fn process(&self, program: impl AsRef<OsStr>) -> std::process::Command {
        let mut command = std::process::Command::new(program);
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value))).current_dir(self.project());
        command
    }

    /// Runs a script with `sh`, where `ringlet` stands for the binary under test.
    pub(crate) fn sh(&self, script: &str) -> Done {
        finish(self.process("sh").arg("-c").arg(format!("ringlet() {{ {} \"$@\"; }}\n{script}", RINGLET)))
    }

    /// Runs `ringlet` in the project directory.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        done(&mut self.command(arguments))
    }

    /// Runs `ringlet` with something on its standard input.
    pub(crate) fn feed(&self, arguments: &[&str], input: impl Into<Vec<u8>>) -> Done {
        done(self.command(arguments).write_stdin(input))
    }

    /// Stores a key.
    pub(crate) fn store_key(&self, name: &str, value: &str) {
        let (provider, alias) = name.split_once('/').expect("PROVIDER/ALIAS");
        self.feed(&["keychain", "set", provider, alias, "--stdin", "--replace"], value).ok();
    }

    /// Writes a profile.
    pub(crate) fn profile(&self, name: &str, text: &str) -> PathBuf {
        self.write(format!("home/.ringlet/profiles/{name}/ringlet.toml"), text)
    }

    /// Runs `ringlet` in another directory.
    pub(crate) fn run_in(&self, folder: &Path, arguments: &[&str]) -> Done {
        done(&mut self.command_in(folder, arguments))
    }

    /// Runs `ringlet` in mounts of its own, which a script makes first: as root, or in a namespace of the user's. Where a
    /// system lets nobody have those, the test fails with what `unshare` or `mount` says.
    #[cfg(target_os = "linux")]
    pub(crate) fn run_mounted(&self, folder: &Path, script: &str, arguments: &[&str]) -> Done {
        let mut command = self.process("unshare");
        command.arg(if rustix::process::geteuid().is_root() { "-m" } else { "-rm" });
        let script =
            format!("{{ {script}; }} || {{ echo 'the test cannot mount' >&2; exit 99; }}; cd \"$0\" && exec \"$@\"");
        finish(command.args(["sh", "-c", &script]).arg(folder).arg(RINGLET).args(arguments))
    }

    /// Runs `ringlet` as a user whose home the system calls as it says, or, without one, does not know.
    #[cfg(target_os = "linux")]
    pub(crate) fn run_with_account(&self, home: Option<&Path>, folder: &Path, arguments: &[&str]) -> Done {
        // In a namespace of its own every user is root.
        let entry = home.map_or_else(String::new, |home| format!("root:x:0:0::{}:/bin/sh\n", home.display()));
        let list = self.write("passwd", format!("nobody:x:65534:65534::/:/bin/sh\n{entry}"));
        self.run_mounted(folder, &format!("mount --bind '{}' /etc/passwd", list.display()), arguments)
    }

    /// Adds to the user's settings, below what is there.
    pub(crate) fn configure(&self, text: &str) {
        let file = self.path("home/.config/ringlet/config.toml");
        let before = fs::read_to_string(&file).unwrap_or_default();
        self.write("home/.config/ringlet/config.toml", before + text);
    }

    /// Writes the project's file and allows it.
    pub(crate) fn allow(&self, text: &str) -> PathBuf {
        let file = self.write("home/project/.ringlet.toml", text);
        self.run(&["allow"]).ok();
        file
    }

    /// All of the usual: a stand-in `claude`, the key `anthropic/work`, the profile `work`, an allowed project.
    pub(crate) fn ready() -> Self {
        let world = Self::new();
        world.make_ready();
        world
    }

    /// The same, for a world that is there already.
    pub(crate) fn make_ready(&self) {
        self.agent("claude");
        self.store_key("anthropic/work", KEY);
        self.profile(
            "work",
            "agent = \"claude\"\nprovider = \"anthropic\"\n\n[provider-config]\nkey-alias = \"work\"\n",
        );
        self.allow("profile = \"work\"\n");
    }
}

fn done(command: &mut Command) -> Done {
    Done::new(&command.output().expect("ringlet starts"))
}

/// Makes a FIFO. rustix has no call for it on macOS.
pub(crate) fn fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(path).status().expect("mkfifo runs");
    assert!(made.success(), "{}", path.display());
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut std::process::Command) -> Done {
    Done::new(&command.output().expect("the program starts"))
}
