//! Carries out a launch, and is the only module that gives a secret to a child process.
//!
//! The order is: configuration, trust, profile, program, guard, scopes (all in `plan`), then store, audit, exec. The
//! store is opened after everything that can refuse, so that a refused launch never touches a keychain. `fetch` looks
//! up the keys and records each lookup; `brokered` leaves the account's key to the broker; `loops` refuses a launch
//! that leads back to Ringlet.

#[cfg(target_os = "linux")]
mod brokered;
#[cfg(not(target_os = "linux"))]
#[path = "brokered/none.rs"]
mod brokered;
mod error;
mod fetch;
#[cfg(target_os = "linux")]
mod hand_over;
#[cfg(not(target_os = "linux"))]
#[path = "hand_over/none.rs"]
mod hand_over;
mod loops;
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(all(test, unix))]
mod tests;

pub(crate) use brokered::serve as serve_broker;
pub(crate) use error::{HandOverError, LaunchError};
pub(crate) use fetch::rejected;
pub(crate) use hand_over::{ask, serve};

use crate::audit::{AuditError, Log, LogPlace};
use crate::env::Env;
use crate::name::Variable;
use crate::plan::{
    self, Context, LaunchPlan, LaunchRequest, Notice, PlanError, ProfilePart, Purpose, RunPlan, RunRequest, Sink,
    Start, prepare, prepare_run,
};
use crate::platform;
use crate::profile::Account;
use crate::secret::Key;
use crate::store::Keys;
use crate::vault::Loan;
use fetch::{Given, Lookup, Wanted};
use jiff::Timestamp;
use loops::Marking;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// The outside world of a launch, which a test replaces.
pub(crate) struct LaunchIo<'a> {
    /// Opens the audit log; `None` if lookups are not recorded. Called only by a launch that looks up a key.
    pub log: &'a dyn Fn() -> Result<Option<Log>, AuditError>,
    /// Opens the store. Asked only by a launch that nothing refuses any more.
    pub open_store: &'a dyn Fn() -> Keys,
    /// Receives the events that the user may want to know.
    pub report: &'a mut dyn FnMut(Event<'_>),
    /// The time.
    pub now: Timestamp,
    /// Becomes the agent; comes back with an error, and on Windows with the agent's exit code.
    pub exec: &'a dyn Fn(&Process) -> io::Result<i32>,
}

/// A step of a launch that may be reported to the user.
pub(crate) enum Event<'a> {
    /// The launch was decided.
    Decided(&'a LaunchPlan),
    /// The plan has a notice.
    Notice(&'a Notice),
    /// The keys were looked up in this store.
    LookedUp(&'a Keys),
}

/// The agent's process, before it is started.
pub(crate) struct Process {
    /// The program.
    pub binary: PathBuf,
    /// The arguments, `argv[0]` first.
    pub arguments: Vec<OsString>,
    /// The environment, without secrets.
    pub env: Env,
    /// The secrets that are passed in variables.
    pub secrets: Vec<(Variable, Key)>,
    /// What the stores have lent for it. It is ended where the process does not start, and where this one sees its end.
    loans: Vec<Loan>,
}

impl Process {
    fn new(start: &Start, env: Env) -> Self {
        let mut arguments: Vec<OsString> = vec![start.command.clone().into()];
        arguments.extend_from_slice(&start.arguments);
        Self { binary: start.binary.clone(), arguments, env, secrets: Vec::new(), loans: Vec::new() }
    }

    /// Replaces this process by the agent's.
    pub(crate) fn exec(&self) -> io::Result<i32> {
        let secrets: Vec<(&str, &[u8])> =
            self.secrets.iter().map(|(name, key)| (name.as_str(), key.expose())).collect();
        platform::exec(&self.binary, &self.arguments, self.env.pairs(), &secrets)
    }
}

/// Decides a launch and carries it out. On Unix it returns only with an error.
pub(crate) fn launch(
    context: &Context<'_>,
    request: &LaunchRequest<'_>,
    mut io: LaunchIo<'_>,
) -> Result<i32, LaunchError> {
    match prepare(context, request) {
        Ok(plan) => carry_out(&plan, context, &mut io),
        Err(PlanError::Scoped(refused)) => Err(fetch::refuse(context, refused, &io)),
        Err(error) => Err(error.into()),
    }
}

/// Carries out a decided launch. On Unix it returns only with an error.
pub(crate) fn carry_out(plan: &LaunchPlan, context: &Context<'_>, io: &mut LaunchIo<'_>) -> Result<i32, LaunchError> {
    (io.report)(Event::Decided(plan));
    let mut process = Process::new(plan.start(), environment(plan, context)?);
    let Some(part) = plan.part() else { return start(&process, io) };
    part.notices.iter().for_each(|notice| (io.report)(Event::Notice(notice)));
    remember(part, context);
    make_folder(part, context)?;
    process.env.apply(&part.changes);
    if plan.secrets().is_empty() {
        return start(&process, io);
    }
    let lookup = Lookup::new(Wanted::by_launch(plan, part), context, io)?;
    let hardened = platform::harden().map_err(LaunchError::Protect)?;
    let keys = lookup.keys(io)?;
    let recorded = lookup.log_place();
    let pipe = deliver(&mut process, plan, part, keys, context, recorded)?;
    hardened.restore_limits().map_err(LaunchError::Protect)?;
    let done = start(&process, io);
    if let Some(descriptor) = pipe {
        platform::close_inheritable(descriptor);
    }
    done
}

/// Decides about a command that is no agent, and starts it with its secrets. On Unix it returns only with an error.
///
/// `confirm` asks the person, after everything else that can refuse.
pub(crate) fn run(
    context: &Context<'_>,
    request: &RunRequest<'_>,
    confirm: &dyn Fn(&RunPlan) -> Result<(), LaunchError>,
    mut io: LaunchIo<'_>,
) -> Result<i32, LaunchError> {
    let plan = match prepare_run(context, request) {
        Ok(plan) => plan,
        Err(PlanError::Scoped(refused)) => return Err(fetch::refuse(context, refused, &io)),
        Err(error) => return Err(error.into()),
    };
    confirm(&plan)?;
    let mut process = Process::new(&plan.start, context.env.clone());
    if plan.is_tool {
        process.env = tool_env(context, &plan.start.binary);
        let home = &context.paths.home;
        std::env::set_current_dir(home).map_err(|error| LaunchError::Exec { binary: home.clone(), error })?;
    }
    let lookup = Lookup::new(Wanted::by_command(&plan), context, &io)?;
    let hardened = platform::harden().map_err(LaunchError::Protect)?;
    let keys = lookup.keys(&mut io)?;
    for (used, Given { key, loan }) in plan.secrets.iter().zip(keys) {
        process.loans.push(loan);
        if let Some(name) = used.sink.variable() {
            process.env.unset(name.as_str());
            process.secrets.push((name.clone(), key));
        }
    }
    hardened.restore_limits().map_err(LaunchError::Protect)?;
    start(&process, &io)
}

// What a tool of the settings is given of the environment. A project can name a tool in its `.mcp.json` and variables
// beside it, and many a variable has a program load code. So only what is known to be harmless passes, and the search
// path is that of the program's own folder and the system.
fn tool_env(context: &Context<'_>, binary: &Path) -> Env {
    const NAMES: &[&str] = &["LANG", "LOGNAME", "TERM", "TZ", "USER", crate::mark::NAME, crate::mark::LOOP];
    const WINDOWS: &[&str] = &["APPDATA", "LOCALAPPDATA", "SystemRoot", "TEMP", "USERPROFILE", "windir"];
    let known = NAMES.iter().chain(if cfg!(windows) { WINDOWS } else { &[] });
    let mut env = Env::from_pairs(std::iter::empty::<(&str, &str)>());
    for name in known {
        if let Some(value) = context.env.get(name) {
            env.set(name, value.to_owned());
        }
    }
    for name in context.env.names().filter(|name| name.starts_with("LC_")).map(str::to_owned).collect::<Vec<_>>() {
        if let Some(value) = context.env.get(&name) {
            env.set(&name, value.to_owned());
        }
    }
    env.set("HOME", context.paths.home.clone().into());
    let system = if cfg!(windows) { vec![] } else { vec!["/usr/local/bin", "/usr/bin", "/bin"] };
    let folders = binary.parent().map(Path::to_owned).into_iter().chain(system.into_iter().map(PathBuf::from));
    if let Ok(search) = std::env::join_paths(folders) {
        env.set("PATH", search);
    }
    env
}

fn start(process: &Process, io: &LaunchIo<'_>) -> Result<i32, LaunchError> {
    (io.exec)(process).map_err(|error| LaunchError::Exec { binary: process.binary.clone(), error })
}

// Returns the environment of the shell, with the variables that name the started program.
fn environment(plan: &LaunchPlan, context: &Context<'_>) -> Result<Env, LaunchError> {
    let start = plan.start();
    let mut env = context.env.clone();
    let marking = if plan.part().is_some() { Marking::Always } else { Marking::InALoop };
    loops::refuse(&mut env, start, marking)?;
    // The shell has set `_` to Ringlet, which it started in place of the agent.
    if let (Some(last), Some(ringlet)) = (env.get("_"), context.ringlet)
        && platform::same_file(Path::new(last), ringlet)
    {
        env.set("_", start.binary.clone().into());
    }
    Ok(env)
}

// Marks the first launch of an account, so that its notices are not repeated. A mark that cannot be written is no
// error.
fn remember(part: &ProfilePart, context: &Context<'_>) {
    let Some(mark) = plan::first_launch_mark(context, &part.resolved) else { return };
    let folder = mark.parent().expect("a mark is in a folder");
    let _ = platform::create_private_folder(folder).and_then(|()| platform::replace_file(&mark, b""));
}

// Only `ringlet login` creates the folder of a login: a new folder would be another account.
fn make_folder(part: &ProfilePart, context: &Context<'_>) -> Result<(), LaunchError> {
    if matches!(part.resolved.account, Account::Login { .. }) {
        return Ok(());
    }
    let Some(folder) = &part.resolved.config_dir else { return Ok(()) };
    let failed = |error| LaunchError::ConfigDir { folder: folder.value.clone(), error };
    match plan::seed(context, &part.resolved).filter(|_| part.broker.is_some()) {
        Some((file, content)) => seeded(&folder.value, &file, content.as_bytes()).map_err(failed),
        None => platform::create_private_folder(&folder.value).map_err(failed),
    }
}

// Makes a folder with one file in it. A launch that is killed leaves all of it, or a folder of another name.
fn seeded(folder: &Path, file: &Path, content: &[u8]) -> io::Result<()> {
    let outside = || io::Error::other("its settings would lie outside of it");
    let (parent, below) = (folder.parent().ok_or_else(outside)?, file.strip_prefix(folder).map_err(|_| outside())?);
    std::fs::create_dir_all(parent)?;
    let made = tempfile::Builder::new().prefix(".ringlet-new-").tempdir_in(parent)?;
    let inside = made.path().join(below);
    platform::create_private_folder(inside.parent().ok_or_else(outside)?)?;
    std::fs::write(inside, content)?;
    // A folder that another launch has made meanwhile is like this one.
    match std::fs::rename(made.path(), folder) {
        Err(error) if !folder.is_dir() => Err(error),
        _ => Ok(()),
    }
}

// The placeholder of a plan for the socket, which is created once the key is known.
const SOCKET: &str = "{socket}";

// Puts each key where the agent looks for it. Returns the descriptor of a pipe, which must be closed if the agent does
// not start.
fn deliver(
    process: &mut Process,
    plan: &LaunchPlan,
    part: &ProfilePart,
    keys: Vec<Given>,
    context: &Context<'_>,
    recorded: Option<LogPlace>,
) -> Result<Option<i32>, LaunchError> {
    let mut pipe = None;
    let mut recorded = recorded;
    for (used, Given { mut key, loan }) in plan.secrets().iter().zip(keys) {
        match part.broker.as_ref().filter(|_| used.purpose == Purpose::Account) {
            Some(broker) => {
                key = brokered::start(process, plan, part, broker, Given { key, loan }, context, recorded.take())?;
            }
            None => process.loans.push(loan),
        }
        match &used.sink {
            Sink::Variable(name) => {
                process.env.unset(name.as_str());
                process.secrets.push((name.clone(), key));
            }
            Sink::Descriptor(name) => {
                let descriptor = platform::inheritable_pipe(key.expose()).map_err(LaunchError::Protect)?;
                process.env.set(name.as_str(), descriptor.to_string().into());
                pipe = Some(descriptor);
            }
            Sink::Command => {
                let unknown = || LaunchError::HandOver(io::Error::other("ringlet's own path cannot be told"));
                let ringlet = context.ringlet.ok_or_else(unknown)?;
                let socket = hand_over::offer(context.paths, ringlet, &key).map_err(LaunchError::HandOver)?;
                let socket = toml::Value::from(socket.to_string_lossy().as_ref()).to_string();
                // Ringlet's own arguments come before the user's, which may contain the same text.
                let mut words = process.arguments.iter_mut();
                let named = words.find(|word| word.to_str().is_some_and(|text| text.contains(SOCKET)));
                let word = named.expect("a command has an argument for the socket");
                *word = word.to_string_lossy().replace(SOCKET, &socket).into();
            }
        }
    }
    Ok(pipe)
}
