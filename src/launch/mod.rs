//! The way of a launch, and the only module that gives a secret to a child.
//!
//! configuration -> trust -> profile -> binary -> guard -> scopes (all in `plan`), then store -> audit -> exec. The
//! store comes after everything that can refuse, so a refused launch never touches a keychain. `fetch` looks the keys
//! up and records that; `loops` keeps a launch from coming back to itself.

mod error;
mod fetch;
#[cfg(target_os = "linux")]
mod hand_over;
#[cfg(not(target_os = "linux"))]
#[path = "hand_over/none.rs"]
mod hand_over;
mod loops;
#[cfg(all(test, unix))]
mod tests;

pub(crate) use error::{HandOverError, LaunchError};
pub(crate) use fetch::rejected;
pub(crate) use hand_over::{ask, serve};

use crate::audit::{AuditError, Log};
use crate::env::Env;
use crate::name::Variable;
use crate::plan::{self, Context, LaunchPlan, LaunchRequest, Notice, PlanError, ProfilePart, Sink, Start, prepare};
use crate::platform;
use crate::profile::Account;
use crate::secret::Key;
use crate::store::Keys;
use fetch::Lookup;
use jiff::Timestamp;
use loops::Marking;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// What a launch needs of the outside world, and what a test replaces.
pub(crate) struct LaunchIo<'a> {
    /// Opens the audit log, when lookups are to be recorded. Asked only by a launch that looks something up.
    pub log: &'a dyn Fn() -> Result<Option<Log>, AuditError>,
    /// Opens the store. Asked only by a launch that nothing refuses any more.
    pub open_store: &'a dyn Fn() -> Keys,
    /// Tells the user something.
    pub say: &'a mut dyn FnMut(Said<'_>),
    /// The time.
    pub now: Timestamp,
    /// Becomes the agent; comes back with an error, and on Windows with the agent's exit code.
    pub exec: &'a dyn Fn(&Process) -> io::Result<i32>,
}

/// What a launch has to say.
pub(crate) enum Said<'a> {
    /// It was decided.
    Decided(&'a LaunchPlan),
    /// Something to know before the agent starts.
    Notice(&'a Notice),
    /// The store was asked.
    Asked(&'a Keys),
}

/// The agent's process, ready to be started.
pub(crate) struct Process {
    /// The program.
    pub binary: PathBuf,
    /// The arguments, `argv[0]` first.
    pub arguments: Vec<OsString>,
    /// The environment without any secret.
    pub env: Env,
    /// The secrets that lie in variables.
    pub secrets: Vec<(Variable, Key)>,
}

impl Process {
    fn new(start: &Start, env: Env) -> Self {
        let mut arguments: Vec<OsString> = vec![start.command.clone().into()];
        arguments.extend_from_slice(&start.arguments);
        Self { binary: start.binary.clone(), arguments, env, secrets: Vec::new() }
    }

    /// Replaces this process by the agent's.
    pub(crate) fn exec(&self) -> io::Result<i32> {
        let secrets: Vec<(&str, &[u8])> =
            self.secrets.iter().map(|(name, key)| (name.as_str(), key.expose())).collect();
        platform::exec(&self.binary, &self.arguments, self.env.pairs(), &secrets)
    }
}

/// Starts an agent with what its profile gives. On Unix it comes back only with an error.
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

/// Carries a decided launch out.
pub(crate) fn carry_out(plan: &LaunchPlan, context: &Context<'_>, io: &mut LaunchIo<'_>) -> Result<i32, LaunchError> {
    (io.say)(Said::Decided(plan));
    let mut process = Process::new(plan.start(), environment(plan, context)?);
    let Some(part) = plan.part() else { return start(&process, io) };
    part.notices.iter().for_each(|notice| (io.say)(Said::Notice(notice)));
    remember(part, context);
    make_folder(part)?;
    process.env.apply(&part.changes);
    if plan.secrets().is_empty() {
        return start(&process, io);
    }
    let lookup = Lookup::new(plan, part, context, io)?;
    let hardened = platform::harden().map_err(LaunchError::Protect)?;
    let keys = lookup.keys(io)?;
    let pipe = deliver(&mut process, plan, keys, context)?;
    hardened.restore_limits().map_err(LaunchError::Protect)?;
    let done = start(&process, io);
    if let Some(descriptor) = pipe {
        platform::close_inheritable(descriptor);
    }
    done
}

fn start(process: &Process, io: &LaunchIo<'_>) -> Result<i32, LaunchError> {
    (io.exec)(process).map_err(|error| LaunchError::Exec { binary: process.binary.clone(), error })
}

// The shell's, as far as it says who started what.
fn environment(plan: &LaunchPlan, context: &Context<'_>) -> Result<Env, LaunchError> {
    let start = plan.start();
    let mut env = context.env.clone();
    let marking = if plan.part().is_some() { Marking::Always } else { Marking::InALoop };
    loops::refuse(&mut env, start, marking)?;
    // The shell set `_` to the program it started, which was to be the agent.
    if let (Some(last), Some(ringlet)) = (env.get("_"), context.ringlet)
        && platform::same_file(Path::new(last), ringlet)
    {
        env.set("_", start.binary.clone().into());
    }
    Ok(env)
}

// What was said before the first launch is not said again; without the mark it is.
fn remember(part: &ProfilePart, context: &Context<'_>) {
    let Some(mark) = plan::first_launch_mark(context, &part.resolved) else { return };
    let folder = mark.parent().expect("it lies in a folder");
    let _ = platform::create_private_folder(folder).and_then(|()| platform::replace_file(&mark, b""));
}

// A login's folder is made by `ringlet login` alone: a new one would be another account.
fn make_folder(part: &ProfilePart) -> Result<(), LaunchError> {
    if matches!(part.resolved.account, Account::Login { .. }) {
        return Ok(());
    }
    let Some(folder) = &part.resolved.config_dir else { return Ok(()) };
    let failed = |error| LaunchError::ConfigDir { folder: folder.value.clone(), error };
    platform::create_private_folder(&folder.value).map_err(failed)
}

// Where a plan names the socket, which is made when the key is there.
const SOCKET: &str = "{socket}";

// Puts each key where its agent looks for it. The descriptor of a pipe, if there is one, is to be closed after a failure.
fn deliver(
    process: &mut Process,
    plan: &LaunchPlan,
    keys: Vec<Key>,
    context: &Context<'_>,
) -> Result<Option<i32>, LaunchError> {
    let mut pipe = None;
    for (used, key) in plan.secrets().iter().zip(keys) {
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
                // Ours comes before the user's words, which may hold the same text.
                let mut words = process.arguments.iter_mut();
                let named = words.find(|word| word.to_str().is_some_and(|text| text.contains(SOCKET)));
                let word = named.expect("a way by command has an argument for the socket");
                *word = word.to_string_lossy().replace(SOCKET, &socket).into();
            }
        }
    }
    Ok(pipe)
}
