//! A keychain for one test: a private D-Bus session with a real gnome-keyring, in one of several states.
//!
//! All files are in one temporary folder, HOME and runtime directory included, and nothing outlives the value: the
//! daemons are killed and reaped on drop. The bus's configuration has no folder of services, so the bus starts no service
//! by itself. Needs Debian's `dbus`, `gnome-keyring` and `libsecret-tools`.

use rustix::process::{Pid, Signal, kill_process};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What there is when a keychain starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// A default collection, unlocked.
    Unlocked,
    /// The service runs, but nobody has ever made a collection.
    NoDefault,
    /// A bus without the service.
    Absent,
    /// No bus: `DBUS_SESSION_BUS_ADDRESS` names a socket that nobody made.
    NoBus,
    /// A bus that starts the service on demand, with a program that never becomes it.
    HungActivation,
}

/// A private session, gone when dropped.
pub(crate) struct Keyring {
    folder: tempfile::TempDir,
    bus: Option<Child>,
    service: Option<Child>,
    /// What the hung service reads from; it ends when this is closed, even if the test is killed.
    _hold: Option<File>,
}

/// How long anything may take to start or end, on a machine busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);
/// What opens its default collection.
pub(crate) const PASSWORD: &[u8] = b"the keyring's password";

impl Keyring {
    /// Starts a session in this state and waits until it is in it.
    pub(crate) fn start(state: State) -> Self {
        let folder = tempfile::Builder::new().prefix("ringlet-keyring-").tempdir().expect("a temporary folder");
        for part in ["home", "run", "services"] {
            fs::create_dir(folder.path().join(part)).expect("a folder");
        }
        // The control directory must be ours alone, or the daemon refuses it.
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(folder.path().join("run"), private).expect("permissions");
        let mut keyring = Self { folder, bus: None, service: None, _hold: None };
        if state != State::NoBus {
            keyring.start_bus(state);
        }
        match state {
            State::Unlocked => keyring.start_service(Some(PASSWORD)),
            State::NoDefault => keyring.start_service(None),
            State::Absent | State::NoBus | State::HungActivation => {}
        }
        keyring
    }

    fn start_bus(&mut self, state: State) {
        let mut services = String::new();
        if state == State::HungActivation {
            let pipe = self.path("hold");
            rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).expect("a pipe");
            // Opened for both, so that neither side waits for the other to open it.
            self._hold = Some(File::options().read(true).write(true).open(&pipe).expect("the pipe"));
            let entry = format!("[D-BUS Service]\nName=org.freedesktop.secrets\nExec=/bin/cat {}\n", pipe.display());
            fs::write(self.path("services/org.freedesktop.secrets.service"), entry).expect("a service file");
            services = format!("<servicedir>{}</servicedir>", self.path("services").display());
        }
        let config = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
             <busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>{services}\
             <policy context=\"default\"><allow own=\"*\"/><allow send_destination=\"*\"/>\
             <allow receive_sender=\"*\"/></policy></busconfig>\n",
            self.socket().display(),
        );
        fs::write(self.path("bus.conf"), config).expect("the bus's configuration");
        let mut command = self.command("dbus-daemon");
        command.args(["--nofork", "--nopidfile", "--print-address", "--config-file"]).arg(self.path("bus.conf"));
        let mut bus = command.stdout(Stdio::piped()).stderr(self.log()).spawn().expect("dbus-daemon, of Debian's dbus");
        // It prints its address once it listens.
        let mut line = String::new();
        let stdout = bus.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("the bus's address");
        self.bus = Some(bus);
        assert!(line.starts_with("unix:"), "the bus does not start: {}", self.logged());
    }

    /// Starts the service and waits until the bus knows it; with a password, the default collection is unlocked, and
    /// made if there is none.
    pub(crate) fn start_service(&mut self, password: Option<&[u8]>) {
        let mut command = self.command("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets", "--control-directory"]).arg(self.path("run/keyring"));
        command.args(password.map(|_| "--unlock"));
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(self.log());
        let mut service = command.spawn().expect("gnome-keyring-daemon, of Debian's gnome-keyring");
        let mut stdin = service.stdin.take().expect("a pipe");
        stdin.write_all(password.unwrap_or_default()).expect("the password's reader");
        drop(stdin);
        self.service = Some(service);
        self.wait_for("a keyring on the bus", Self::service_is_on_the_bus);
    }

    fn service_is_on_the_bus(&mut self) -> bool {
        let mut ask = self.command("dbus-send");
        ask.args(["--session", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"]);
        ask.args(["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]);
        let Output { stdout, .. } = ask.output().expect("dbus-send, of Debian's dbus");
        String::from_utf8_lossy(&stdout).contains("true")
    }

    /// Restarts the service without its password: what was stored is there, locked.
    pub(crate) fn lock(&mut self) {
        self.kill_service();
        self.wait_for("no keyring on the bus", |keyring| !keyring.service_is_on_the_bus());
        self.start_service(None);
    }

    /// Restarts the service with its password; a store that was connected talks to another process from here on.
    pub(crate) fn restart(&mut self) {
        self.kill_service();
        self.wait_for("no keyring on the bus", |keyring| !keyring.service_is_on_the_bus());
        self.start_service(Some(PASSWORD));
    }

    /// Ends the service as a crash would.
    pub(crate) fn kill_service(&mut self) {
        self.service.take().into_iter().for_each(end);
    }

    /// Ends the bus as a crash would; its socket stays behind.
    pub(crate) fn kill_bus(&mut self) {
        self.bus.take().into_iter().for_each(end);
    }

    /// Stops the service: it stays on the bus and answers nothing. Returns once the kernel has stopped it.
    pub(crate) fn stop_service(&mut self) {
        let pid = self.service.as_ref().expect("a running service").id();
        self.stop(pid);
    }

    /// Stops the bus: connections are made, and nothing is answered.
    pub(crate) fn stop_bus(&mut self) {
        let pid = self.bus.as_ref().expect("a running bus").id();
        self.stop(pid);
    }

    fn stop(&mut self, pid: u32) {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(number, Signal::STOP).expect("a process of ours");
        self.wait_for("a stopped process", |_| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        });
    }

    /// What a child must have in its environment, which is to be cleared first.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        let home = self.path("home");
        let mut all: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), std::env::var_os("PATH").unwrap_or_default()),
            ("LANG".into(), "C.UTF-8".into()),
            ("DBUS_SESSION_BUS_ADDRESS".into(), self.address()),
            ("XDG_RUNTIME_DIR".into(), self.runtime_dir().into()),
            ("HOME".into(), home.clone().into()),
        ];
        for (name, folder) in [
            ("XDG_CONFIG_HOME", ".config"),
            ("XDG_DATA_HOME", ".local/share"),
            ("XDG_STATE_HOME", ".local/state"),
            ("XDG_CACHE_HOME", ".cache"),
        ] {
            all.push((name.into(), home.join(folder).into()));
        }
        all
    }

    /// A command in this session and no other.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment()).stdin(Stdio::null()).current_dir(self.path("home"));
        command
    }

    /// The bus's address, as `DBUS_SESSION_BUS_ADDRESS` has it.
    pub(crate) fn address(&self) -> OsString {
        let mut address = OsString::from("unix:path=");
        address.push(self.socket());
        address
    }

    /// The session's `XDG_RUNTIME_DIR`.
    pub(crate) fn runtime_dir(&self) -> PathBuf {
        self.path("run")
    }

    /// Stores a value from outside, with `secret-tool`; `collection` is `None` for the default one.
    pub(crate) fn secret_tool_store(&self, collection: Option<&str>, attributes: &[&str], value: &[u8]) {
        let mut command = self.command("secret-tool");
        command.args(["store", "--label=from outside"]);
        command.args(collection.map(|name| format!("--collection={name}"))).args(attributes);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("secret-tool, of Debian's libsecret-tools");
        child.stdin.take().expect("a pipe").write_all(value).expect("secret-tool reads");
        assert!(child.wait().expect("secret-tool").success(), "secret-tool store: {}", self.logged());
    }

    /// Reads a value from outside; nothing if `secret-tool` finds none.
    pub(crate) fn secret_tool_lookup(&self, attributes: &[&str]) -> Option<Vec<u8>> {
        let output = self.command("secret-tool").arg("lookup").args(attributes).output();
        let output = output.expect("secret-tool, of Debian's libsecret-tools");
        output.status.success().then_some(output.stdout)
    }

    fn socket(&self) -> PathBuf {
        self.path("run/bus")
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> File {
        File::options().create(true).append(true).open(self.path("log")).expect("the log")
    }

    /// What the daemons said.
    pub(crate) fn logged(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Asks again and again, without a pause: each answer takes a process or a system call, and it is soon there.
    fn wait_for(&mut self, what: &str, mut there: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !there(self) {
            assert!(start.elapsed() < PATIENCE, "{what} was waited for in vain: {}", self.logged());
        }
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        self.kill_service();
        self.kill_bus();
    }
}

/// Kills, which works on a stopped process too, and reaps.
fn end(mut child: Child) {
    let ended: io::Result<()> = child.kill().and_then(|()| child.wait().map(drop));
    // A child that has already been reaped is no reason to fail a test that is over.
    let _ = ended;
}
