//! Letting the system start the daemon: a systemd user unit with its sockets, a launchd agent, or a scheduled task of
//! Windows'.
//!
//! Names the files and commands of an installation; `commands::daemon` writes and runs them. systemd opens the sockets
//! itself and hands them over, so that the daemon starts with the first client. Where there is neither, only the plain
//! command is left.

use crate::config::Settings;
use crate::env::Env;
use crate::paths::Paths;
use std::path::{Path, PathBuf};

/// The text that every file of an installation has. A file without it belongs to somebody else and stays.
pub(crate) const MARK: &str = "Written by `ringlet daemon install`";

/// The unit's and the agent's name.
const UNIT: &str = "ringlet";
const LABEL: &str = "dev.ringlet.daemon";

/// The texts of `/service`. Each has [`MARK`].
const SOCKETS: &str = include_str!("../../service/ringlet.socket.in");
const SERVICE: &str = include_str!("../../service/ringlet.service.in");
const AGENT: &str = include_str!("../../service/dev.ringlet.daemon.plist.in");
const TASK: &str = include_str!("../../service/daemon-task.xml.in");

/// Fills in the values of a text, each in place of `@name@`. A name inside a value is not replaced.
fn filled(text: &str, values: &[(&str, &str)]) -> String {
    let value = |name: &str| values.iter().find(|(known, _)| *known == name).expect("a text names known values").1;
    let parts = text.split('@').enumerate();
    parts.map(|(at, part)| if at % 2 == 0 { part } else { value(part) }).collect()
}

/// The system's manager of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manager {
    /// systemd's user manager.
    Systemd,
    /// macOS' launchd.
    Launchd,
    /// Windows' Task Scheduler.
    Scheduler,
}

/// The files and commands of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installation {
    /// The files and their content.
    pub files: Vec<(PathBuf, String)>,
    /// The commands that are run when the files are written.
    pub enable: Vec<Vec<String>>,
    /// The commands that are run before the files are removed.
    pub disable: Vec<Vec<String>>,
    /// The commands that are run after the files are removed.
    pub afterwards: Vec<Vec<String>>,
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

impl Installation {
    /// Returns the files and commands for this manager.
    pub(crate) fn new(manager: Manager, ringlet: &Path, paths: &Paths, settings: &Settings, env: &Env) -> Self {
        match manager {
            Manager::Systemd => Self::systemd(ringlet, paths, settings, env),
            Manager::Launchd => Self::launchd(ringlet, paths),
            Manager::Scheduler => Self::scheduler(ringlet, paths, env),
        }
    }

    fn systemd(ringlet: &Path, paths: &Paths, settings: &Settings, env: &Env) -> Self {
        let config = env.absolute("XDG_CONFIG_HOME").unwrap_or_else(|| paths.home.join(".config"));
        let folder = config.join("systemd/user");
        let socket = match &settings.daemon.socket {
            Some(socket) => specifiers(&socket.to_string_lossy()),
            None => "%t/ringlet/agent.sock".to_owned(),
        };
        let port = settings.daemon.port;
        let (port, program) = (port.to_string(), quoted(&ringlet.to_string_lossy()));
        let sockets = filled(SOCKETS, &[("socket", &socket), ("port", &port)]);
        let service = filled(SERVICE, &[("ringlet", &program)]);
        let systemctl = |rest: &str| words(&format!("systemctl --user {rest}"));
        Self {
            files: vec![
                (folder.join(format!("{UNIT}.socket")), sockets),
                (folder.join(format!("{UNIT}.service")), service),
            ],
            enable: vec![systemctl("daemon-reload"), systemctl(&format!("enable --now {UNIT}.socket"))],
            disable: vec![systemctl(&format!("disable --now {UNIT}.socket {UNIT}.service"))],
            afterwards: vec![systemctl("daemon-reload")],
        }
    }

    fn launchd(ringlet: &Path, paths: &Paths) -> Self {
        let file = paths.home.join(format!("Library/LaunchAgents/{LABEL}.plist"));
        let log = paths.state().join("daemon.log");
        let (program, log) = (xml(&ringlet.to_string_lossy()), xml(&log.to_string_lossy()));
        let text = filled(AGENT, &[("ringlet", &program), ("log", &log)]);
        let path = file.to_string_lossy().into_owned();
        Self {
            files: vec![(file, text)],
            enable: vec![vec!["launchctl".into(), "load".into(), "-w".into(), path.clone()]],
            disable: vec![vec!["launchctl".into(), "unload".into(), "-w".into(), path]],
            afterwards: vec![],
        }
    }

    // A definition as a file (Task Scheduler Schema 1.2), not schtasks' own words: those would need an administrator,
    // end the daemon after three days, and not start it on battery.
    fn scheduler(ringlet: &Path, paths: &Paths, env: &Env) -> Self {
        let file = paths.state().join("daemon-task.xml");
        let part = |name: &str| env.non_empty(name).map(|text| text.to_string_lossy().into_owned());
        let user = part("USERNAME").unwrap_or_default();
        let user = ascii(&part("USERDOMAIN").map_or_else(|| user.clone(), |domain| format!("{domain}\\{user}")));
        // The plain path: the prefix of a canonical one is not for this program.
        let program = ringlet.to_string_lossy();
        let program = ascii(program.strip_prefix(r"\\?\").unwrap_or(&program));
        let text = filled(TASK, &[("user", &user), ("ringlet", &program)]);
        let schtasks = |rest: &str| words(&format!("schtasks {rest}"));
        let mut create = schtasks(&format!("/Create /F /TN {UNIT} /XML"));
        create.push(file.to_string_lossy().into_owned());
        Self {
            files: vec![(file, text)],
            enable: vec![create, schtasks(&format!("/Run /TN {UNIT}"))],
            disable: vec![schtasks(&format!("/Delete /F /TN {UNIT}"))],
            afterwards: vec![],
        }
    }
}

// systemd.unit(5): `%` begins a specifier; systemd.service(5): a word in quotes, with `\` and `"` escaped. Variables
// are replaced in the arguments alone: in the program's own path a `$` stands for itself, and `$$` for two.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", specifiers(&text.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

// schtasks takes a file without a declaration for the machine's own code page; what is ASCII is so in each.
fn ascii(text: &str) -> String {
    let shown = |c: char| if c.is_ascii() { c.to_string() } else { format!("&#{};", u32::from(c)) };
    xml(text).chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(manager: Manager, ringlet: &str) -> Installation {
        let env = Env::from_pairs([
            ("HOME", "/nowhere/me"),
            ("USERPROFILE", "C:\\nowhere\\me"),
            ("USERNAME", "J\u{fc}rgen"),
            ("USERDOMAIN", "A&B"),
        ]);
        let paths = Paths::new(&env).expect("a home");
        let settings = Settings::read(&paths).expect("no file is no error");
        Installation::new(manager, Path::new(ringlet), &paths, &settings, &env)
    }

    // The values are written out: an `@` in one, or another value's name, changes nothing.
    #[cfg(unix)]
    const PROGRAM: &str = "/opt/@port@ & @user@/ring@let";

    #[cfg(target_os = "linux")]
    #[test]
    fn units_are_what_systemd_takes() {
        let folder = tempfile::tempdir().expect("a folder");
        // It must be there and be executable.
        let program = folder.path().join("my tools @ 50%/ring$let");
        std::fs::create_dir(program.parent().expect("a folder")).expect("made");
        std::fs::copy("/bin/true", &program).expect("copied");
        for (name, text) in made(Manager::Systemd, program.to_str().expect("text")).files {
            std::fs::write(folder.path().join(name.file_name().expect("a name")), text).expect("written");
        }
        let units = ["ringlet.socket", "ringlet.service"].map(|name| folder.path().join(name));
        let verify = std::process::Command::new("systemd-analyze")
            .args(["--user", "verify"])
            .args(units)
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("HOME", folder.path())
            .output()
            .expect("systemd-analyze is there; tests/run installs it");
        let said = String::from_utf8_lossy(&verify.stderr);
        assert!(verify.status.success() && !said.contains("ringlet."), "{said}");
    }

    #[cfg(unix)]
    #[test]
    fn an_agent_and_a_task_are_well_formed_and_hold_the_values_as_they_are() {
        const READ: &str = "import plistlib, sys, xml.dom.minidom as dom
data = sys.stdin.buffer.read()
if b'<plist' in data:
    agent = plistlib.loads(data)
    assert agent['Label'] == 'dev.ringlet.daemon' and agent['RunAtLoad'] is True, agent
    assert agent['HardResourceLimits'] == {'Core': 0} and agent['StandardErrorPath'].endswith('daemon.log'), agent
    print(agent['ProgramArguments'][0])
else:
    print(dom.parseString(data).getElementsByTagName('Command')[0].firstChild.data)
";
        for manager in [Manager::Launchd, Manager::Scheduler] {
            use std::io::Write;
            let text = made(manager, PROGRAM).files.remove(0).1;
            let mut python = std::process::Command::new("python3");
            python.args(["-c", READ]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
            let mut child = python.spawn().expect("Python 3 is there");
            child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
            let out = child.wait_with_output().expect("ended");
            assert!(out.status.success(), "{text}");
            assert_eq!(String::from_utf8_lossy(&out.stdout).trim_end(), PROGRAM);
        }
    }

    // Their paths are a Unix system's.
    #[cfg(unix)]
    #[test]
    fn units_name_the_program_and_its_sockets() {
        let made = made(Manager::Systemd, "/opt/my tools/50%/ring$let");
        let [(socket, sockets), (_, service)] = &made.files[..] else { panic!("two units: {made:?}") };
        assert_eq!(socket, Path::new("/nowhere/me/.config/systemd/user/ringlet.socket"));
        for line in [
            "ListenStream=%t/ringlet/agent.sock",
            "SocketMode=0600",
            "DirectoryMode=0700",
            "PassCredentials=yes",
            "ListenStream=127.0.0.1:8765",
        ] {
            assert!(sockets.lines().any(|socket| socket == line), "{line}: {sockets}");
        }
        let start = "ExecStart=\"/opt/my tools/50%%/ring$let\" daemon start --foreground";
        assert!(service.lines().any(|line| line == start), "{service}");
        assert!(made.files.iter().all(|(_, text)| text.contains(MARK)));
    }

    #[cfg(unix)]
    #[test]
    fn an_agent_is_xml_whatever_the_path() {
        let made = made(Manager::Launchd, "/opt/a&b/<c>/ringlet");
        assert!(made.files[0].1.contains("<string>/opt/a&amp;b/&lt;c&gt;/ringlet</string>"));
        assert_eq!(made.enable[0][3], "/nowhere/me/Library/LaunchAgents/dev.ringlet.daemon.plist");
    }
    #[test]
    fn a_task_is_ascii_and_runs_for_its_user_without_an_end() {
        let made = made(Manager::Scheduler, "\\\\?\\C:\\Tools & more\\r\u{ef}nglet.exe");
        let (file, text) = &made.files[0];
        assert!(text.is_ascii() && text.contains(MARK), "{text}");
        assert!(text.contains(r"<UserId>A&amp;B\J&#252;rgen</UserId>"), "{text}");
        assert!(text.contains("<ExecutionTimeLimit>PT0S</ExecutionTimeLimit>"), "{text}");
        assert!(text.contains("<Arguments>daemon start</Arguments>"), "{text}");
        assert_eq!(made.enable[0][..6], ["schtasks", "/Create", "/F", "/TN", "ringlet", "/XML"]);
        assert_eq!(made.enable[0][6], file.to_string_lossy());
    }
}
