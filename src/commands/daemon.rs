//! `ringlet daemon`: start and stop it, say who may use it, look at it.

use super::{Session, named_file};
use crate::cli::{Daemon, Permissions};
use crate::daemon::lifecycle::{self, Event, Options};
use crate::daemon::policy::Registered;
use crate::daemon::registrations::{self, PENDING_FOR, Registrations};
use crate::daemon::service::{Installation, MARK, Manager};
use crate::daemon::{DaemonError, Run, client, token};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::name::{looks_like_a_key, shorten};
use crate::output::Style;
use crate::platform;
use crate::words;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The longest time for which a command waits for a daemon to end.
const ENDING: Duration = Duration::from_secs(15);

/// The line by which the child process says that the daemon answers. No person sees it.
const READY: &str = "ready";

/// `ringlet daemon ...`
pub(super) fn run(host: &mut Host, session: &Session, command: Daemon) -> Result<(), Failure> {
    let registrations = Registrations::new(&session.paths);
    let (now, search) = (host.world.now, host.world.env.get("PATH").map(ToOwned::to_owned));
    match command {
        Daemon::Start { foreground: true, socket, detached } => serve(host, session, socket, detached),
        Daemon::Start { foreground: false, socket, .. } => start(host, session, socket.as_deref()),
        Daemon::Stop => {
            let run = lifecycle::stop(&session.paths, ENDING)?;
            host.output.note(format!("the daemon, process {}, has ended", run.pid));
            Ok(())
        }
        Daemon::Status => status(host, session),
        Daemon::Install => install(host, session),
        Daemon::Uninstall => uninstall(host, session),
        Daemon::RotateToken => {
            let file = session.paths.http_token();
            token::rotate(&file)?;
            host.output
                .note(format!("{} has a new token; the old one is refused from now on", session.paths.pretty(&file)));
            Ok(())
        }
        Daemon::Register { path, interpreter, permissions } => {
            let path = named_file(&host.world, &path)?;
            let granted = granted(&permissions)?;
            let entry = registrations.register(&path, interpreter.as_deref(), search.as_deref(), &granted, now)?;
            report(host, "registered", &entry);
            Ok(())
        }
        Daemon::Approve { hash, path, permissions } => {
            let path = path.map(|path| named_file(&host.world, &path)).transpose()?;
            let entry =
                registrations.approve(&hash, path.as_deref(), search.as_deref(), &granted(&permissions)?, now)?;
            report(host, "approved", &entry);
            Ok(())
        }
        Daemon::Upgrade { path } => {
            let entry = registrations.upgrade(&named_file(&host.world, &path)?, search.as_deref(), now)?;
            report(host, "upgraded", &entry);
            Ok(())
        }
        Daemon::Unregister { path } => {
            let path = named_file(&host.world, &path)?;
            registrations.unregister(&path)?;
            host.output.note(format!("{} is no longer registered", path.display()));
            Ok(())
        }
        Daemon::ListPending => pending(host, session, &registrations),
    }
}

fn granted(permissions: &Permissions) -> Result<registrations::Permissions, Failure> {
    let Permissions { read, write, search } = permissions.clone();
    // A key that was pasted here would be written to the policy, and shown.
    if let Some(service) = read.iter().chain(&write).find(|service| looks_like_a_key(service)) {
        let text = format!("{} looks like a key and not like the name of a service", shorten(service));
        return Err(
            Failure::usage(text).hint("name a service, such as your-tool; the key is in the shell's history now")
        );
    }
    Ok(registrations::Permissions { read, write, search })
}

fn report(host: &mut Host, done: &str, entry: &Registered) {
    if host.output.wants_json() {
        return host.output.json(entry);
    }
    let runs = entry
        .interpreter
        .as_ref()
        .map_or_else(String::new, |interpreter| format!(", run by {}", interpreter.path.display()));
    host.output.note(format!("{done} {}{runs}, {}", entry.path.display(), entry.hash));
    host.output.note(format!("it may {}", may(entry)));
    if entry.interpreter.is_some() {
        let path = entry.path.display();
        host.output
            .note(format!("a script is recognised by what it says of itself; start it as {path}, by that very path"));
    }
    if entry.allowed_read_services.is_empty() && entry.allowed_write_services.is_empty() {
        let command = words!["ringlet", "daemon", "register", entry.path, "--read", "SERVICE"];
        host.output.note(Hint::from("to give it access, run ").command(command));
    }
}

fn may(entry: &Registered) -> String {
    let list = |what: &str, services: &[String]| match services {
        [] => None,
        some => Some(format!("{what} {}", some.join(", "))),
    };
    let search = entry.can_search.then(|| "list names".to_owned());
    let all: Vec<String> = [
        list("read", &entry.allowed_read_services),
        list("write and delete in", &entry.allowed_write_services),
        search,
    ]
    .into_iter()
    .flatten()
    .collect();
    if all.is_empty() { "do nothing yet".to_owned() } else { all.join("; ") }
}

fn pending(host: &mut Host, session: &Session, registrations: &Registrations) -> Result<(), Failure> {
    let waiting = registrations.pending(host.world.now)?;
    if host.output.wants_json() {
        host.output.json(&waiting);
        return Ok(());
    }
    if waiting.is_empty() {
        host.output.note("no program waits for approval");
        return Ok(());
    }
    let rows = waiting.iter().map(|program| {
        let words = program.arguments.join(" ");
        vec![
            (Style::Bold, program.hash.0.to_string()[..16].to_owned()),
            (Style::Plain, session.paths.pretty(&program.path)),
            (Style::Dim, format!("{:.0}", program.time)),
            (Style::Dim, words),
        ]
    });
    host.output.table(&rows.collect::<Vec<_>>());
    for program in &waiting {
        if let Some(why) = &program.why {
            host.output.note(format!("{} cannot be approved: {why}", session.paths.pretty(&program.path)));
        }
    }
    if waiting.iter().any(|program| program.interpreter.is_some()) {
        host.output.note("a script is listed by what its process said of itself; look at the file first");
    }
    let hours = PENDING_FOR.as_hours();
    host.output.note(format!("run `ringlet daemon approve HASH` for one that you know; each waits for {hours} hours"));
    Ok(())
}

fn status(host: &mut Host, session: &Session) -> Result<(), Failure> {
    lifecycle::find(&session.paths)?.ok_or(DaemonError::NotRunning)?;
    let data = client::status(&session.paths)?;
    if host.output.wants_json() {
        host.output.json(&data);
        return Ok(());
    }
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |name: &str, style: Style, text: String| vec![(Style::Dim, name.to_owned()), (style, text)];
    let keychain = &data["keychain"];
    let state = word(&keychain["state"]);
    let why = keychain["message"].as_str().map_or_else(String::new, |why| format!(" ({why})"));
    let addresses: Vec<String> =
        data["http"].as_array().into_iter().flatten().map(|it| format!("http://{}", word(it))).collect();
    let mut rows = vec![
        row("process", Style::Plain, format!("{}, since {}", data["pid"], in_seconds(&word(&data["started"])))),
        row("socket", Style::Plain, session.paths.pretty(Path::new(&word(&data["socket"])))),
        row("http", Style::Plain, addresses.join(", ")),
        row("keychain", if state == "ready" { Style::Good } else { Style::Bad }, format!("{state}{why}")),
    ];
    for name in ["config", "policy"] {
        let file = session.paths.pretty(Path::new(&word(&data[name]["file"])));
        rows.push(match data[name]["problem"].as_str() {
            None => row(name, Style::Plain, file),
            Some(problem) => row(name, Style::Bad, format!("{problem}; what was last good stays in force")),
        });
    }
    rows.push(row("pending", Style::Plain, data["pending"].to_string()));
    for entry in data["policy"]["registered"].as_array().into_iter().flatten() {
        if let Ok(entry) = serde_json::from_value::<Registered>(entry.clone()) {
            rows.push(row("program", Style::Plain, format!("{}: may {}", entry.path.display(), may(&entry))));
        }
    }
    host.output.table(&rows);
    Ok(())
}

fn manager(host: &Host) -> Option<(Manager, &'static str)> {
    let found = match () {
        () if cfg!(target_os = "macos") => (Manager::Launchd, "launchctl"),
        () if cfg!(windows) => (Manager::Scheduler, "schtasks"),
        () => (Manager::Systemd, "systemctl"),
    };
    platform::candidates(found.1, host.world.env.get("PATH")?).next().map(|_| found)
}

// A moment without its fraction of a second.
fn in_seconds(moment: &str) -> String {
    match moment.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => moment.to_owned(),
    }
}

/// Reports whether the system starts the daemon for this user.
pub(super) fn is_installed(host: &Host, session: &Session) -> Result<bool, Failure> {
    Ok(installation(host, session)?.is_some_and(|own| own.files.iter().any(|(file, _)| file.exists())))
}

fn installation(host: &Host, session: &Session) -> Result<Option<Installation>, Failure> {
    let Some((manager, _)) = manager(host) else { return Ok(None) };
    let ringlet = session.lasting_path(&host.world)?;
    Ok(Some(Installation::new(manager, &ringlet, &session.paths, &session.settings, &host.world.env)))
}

fn install(host: &mut Host, session: &Session) -> Result<(), Failure> {
    super::refuse_config_home(&host.world, "a daemon that the system starts")?;
    let Some(wanted) = installation(host, session)? else {
        let hint = "run `ringlet daemon start` when you log in, such as from ~/.profile";
        return Err(Failure::new("there is neither systemd, launchd nor a task scheduler here").hint(hint));
    };
    if session.settings.daemon.port == 0 {
        return Err(Failure::new("`[daemon] port` is 0, and the system must know which one to open"));
    }
    if wanted.files.iter().any(|(file, _)| is_foreign(file)) {
        let foreign = wanted.files.iter().find(|(file, _)| is_foreign(file)).map(|(file, _)| file.clone());
        return Err(DaemonError::Foreign(foreign.unwrap_or_default()).into());
    }
    // The system cannot open the sockets that a running daemon holds.
    if lifecycle::find(&session.paths)?.is_some() {
        lifecycle::stop(&session.paths, ENDING)?;
    }
    for (file, text) in &wanted.files {
        let failed = |error: std::io::Error| Failure::io("written", file, &error);
        file.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
        platform::replace_file(file, text.as_bytes()).map_err(failed)?;
    }
    if let Err(error) = wanted.enable.iter().try_for_each(|command| carry_out(command)) {
        // Files of an installation that failed must not take effect later.
        wanted.files.iter().for_each(|(file, _)| drop(std::fs::remove_file(file)));
        return Err(error.into());
    }
    for (file, _) in &wanted.files {
        host.output.note(format!("wrote {}", session.paths.pretty(file)));
    }
    host.output.note("the system starts the daemon from now on");
    Ok(())
}

fn uninstall(host: &mut Host, session: &Session) -> Result<(), Failure> {
    super::refuse_config_home(&host.world, "a daemon that the system starts")?;
    let wanted = installation(host, session)?;
    let files: Vec<PathBuf> = wanted.iter().flat_map(|service| &service.files).map(|(file, _)| file.clone()).collect();
    let there: Vec<&PathBuf> = files.iter().filter(|file| file.exists() && !is_foreign(file)).collect();
    if there.is_empty() {
        host.output.note("nothing is installed");
        return Ok(());
    }
    let wanted = wanted.expect("it named the files");
    // systemd and launchd end the daemon that they started. The task of Windows has ended by the time the daemon runs.
    if cfg!(windows) && lifecycle::find(&session.paths)?.is_some() {
        lifecycle::stop(&session.paths, ENDING)?;
    }
    // A command that fails must not keep the files from being removed.
    let disabled = wanted.disable.iter().try_for_each(|command| carry_out(command));
    for file in there {
        std::fs::remove_file(file).map_err(|error| Failure::io("removed", file, &error))?;
        host.output.note(format!("removed {}", session.paths.pretty(file)));
    }
    wanted.afterwards.iter().try_for_each(|command| carry_out(command))?;
    Ok(disabled?)
}

fn is_foreign(file: &Path) -> bool {
    platform::read_file(file, 1 << 20).is_ok_and(|read| memchr::memmem::find(&read.bytes, MARK.as_bytes()).is_none())
}

fn carry_out(command: &[String]) -> Result<(), DaemonError> {
    let failed = |why: String| DaemonError::Manager { command: command.join(" "), why };
    let (program, words) = command.split_first().expect("every command has a name");
    let done =
        Command::new(program).args(words).stdin(Stdio::null()).output().map_err(|error| failed(error.to_string()))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(failed(said.lines().next().map_or_else(|| done.status.to_string(), str::to_owned)))
}

fn log_file(session: &Session) -> PathBuf {
    session.paths.state().join("daemon.log")
}

// Starts a daemon as a process of its own, and waits until it answers.
fn start(host: &mut Host, session: &Session, socket: Option<&Path>) -> Result<(), Failure> {
    session.refuse_own_places(&host.world)?;
    let mut command = Command::new(host.world.executable()?);
    command.args(["daemon", "start", "--foreground", "--detached"]);
    if let Some(folder) = &host.world.config_home {
        command.arg("--config-home").arg(folder);
    }
    // In a shell below a launch the environment holds an account, which the daemon would outlive.
    let pairs = host.world.env.pairs();
    command.env_clear().envs(pairs.iter().map(|(name, value)| (name, value)));
    if let Some(socket) = socket {
        command.arg("--socket").arg(host.world.cwd()?.join(socket));
    }
    platform::set_apart(&mut command);
    let failed = |error: std::io::Error| Failure::new(format!("the daemon cannot be started: {error}"));
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let mut said = String::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(4096).read_to_string(&mut said).map_err(failed)?;
    }
    if said.trim() != READY {
        // The child has ended, and its standard error says why.
        let mut why = String::new();
        if let Some(stderr) = child.stderr.take() {
            stderr.take(64 << 10).read_to_string(&mut why).map_err(failed)?;
        }
        child.wait().map_err(failed)?;
        return Err(passed_on(&why));
    }
    let run = lifecycle::find(&session.paths)?.ok_or(DaemonError::NotRunning)?;
    announce(host, session, &run);
    host.output.note(format!("its log is {}", session.paths.pretty(&log_file(session))));
    Ok(())
}

// Makes a failure of the child's messages.
fn passed_on(text: &str) -> Failure {
    let labelled = |label: &'static str| text.lines().filter_map(move |line| line.strip_prefix(label));
    let message = labelled("ringlet: error: ").next().unwrap_or("the daemon ended without a word");
    labelled("ringlet: hint: ").fold(Failure::new(message), |failure, hint| failure.hint(hint))
}

fn announce(host: &mut Host, session: &Session, run: &Run) {
    let addresses: Vec<String> = run.http.iter().map(|it| format!("http://{it}")).collect();
    let socket = session.paths.pretty(&run.socket);
    host.output.note(format!("the daemon answers at {socket} and {}", addresses.join(", ")));
}

fn serve(host: &mut Host, session: &Session, socket: Option<PathBuf>, detached: bool) -> Result<(), Failure> {
    let protect = |error: std::io::Error| Failure::new(format!("this process cannot be protected: {error}"));
    platform::harden().map_err(protect)?;
    if !detached {
        session.refuse_own_places(&host.world)?;
    }
    let socket = socket.map(|path| host.world.cwd().map(|cwd| cwd.join(path))).transpose()?;
    if detached {
        platform::detach().map_err(|error| Failure::new(format!("the daemon cannot be started: {error}")))?;
    }
    let (events, heard) = mpsc::channel();
    let (paths, env) = (session.paths.clone(), host.world.env.clone());
    let daemon = std::thread::spawn(move || lifecycle::run(&paths, &env, Options { socket, events }));
    for event in heard {
        match event {
            Event::Said(text) => host.output.note(format!("{:.0} {text}", (host.world.clock)())),
            Event::Ready(run) => {
                announce(host, session, &run);
                if detached {
                    let file = log_file(session);
                    platform::redirect_errors(&file).map_err(|error| Failure::io("written", &file, &error))?;
                    host.output.raw(READY);
                    host.output.finish()?;
                    platform::close_stdout().map_err(protect)?;
                    host.output.note(format!("{:.0} started, process {}", (host.world.clock)(), run.pid));
                }
            }
        }
    }
    let done = daemon.join().map_err(|_| Failure::new("the daemon failed, and its log says more"))?;
    Ok(done?)
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    #[test]
    fn without_a_daemon_there_is_nothing_to_ask_or_to_stop() {
        let home = Home::new();
        home.run(&["daemon", "status"]).is_refused(1, "daemon");
        home.run(&["daemon", "stop"]).is_refused(1, "daemon");
        assert_eq!(home.run(&["--json", "daemon", "list-pending"]).json(), serde_json::json!([]));
        assert!(home.run(&["daemon", "list-pending"]).succeeds().err.contains("no program waits"));
    }

    #[test]
    fn a_program_is_registered_with_what_it_may_do_and_taken_out() {
        let mut home = Home::new();
        home.write("bin/tool", "#!/bin/sh\n");
        home.program("tool");
        home.run(&["daemon", "register", "bin/none", "--read", "s"]).is_refused(1, "none");
        let key = "sk-ant-api03-TESTTESTTESTTESTTESTTESTTESTTESTTESTTEST";
        let ran = home.run(&["daemon", "register", "bin/tool", "--read", key]);
        assert!(ran.status == 2 && !ran.err.contains("TESTTEST"), "{ran:?}");
        let entry = home.run(&["--json", "daemon", "register", "bin/tool", "--read", "s"]).json();
        assert_eq!(entry["allowed_read_services"], serde_json::json!(["s"]));
        home.run(&["daemon", "unregister", "bin/tool"]).succeeds();
        home.run(&["daemon", "unregister", "bin/tool"]).is_refused(1, "tool");
    }
}
