//! Checks the folder of an agent's own login, and plans the agent's sign-in.
//!
//! Of the login's file the checks only need to know that it exists and that something is set in it; no value is read.

use super::draft::{Draft, Means};
use super::guard::guard_project;
use super::launch_plan::{LaunchPlan, Notice, ProfilePart, Start};
use super::{Context, Passed, PlanError, ProjectFolders, find_binary, guard_binary, installed_version, stored};
use crate::config::MAX_BYTES;
use crate::env::Change;
use crate::guard::{self, ArgumentPaths};
use crate::name::{Agent, Profile, Variable};
use crate::platform;
use crate::platform::private::{self, Privacy};
use crate::profile::{Account, Resolved};
use crate::registry::{AgentSpec, Login, Override, Supervisor};
use crate::words;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Returns the folder of an agent's login: the profile's folder, else the agent's default folder.
pub(crate) fn login_folder(context: &Context<'_>, resolved: &Resolved, login: &Login) -> PathBuf {
    match &resolved.config_dir {
        Some(folder) => folder.value.clone(),
        None => default_folder(context, login),
    }
}

// A launch with a login removes the agent's own variable, but keeps the `XDG_*` variables of the shell.
fn default_folder(context: &Context<'_>, login: &Login) -> PathBuf {
    let moved =
        login.variable.as_ref().filter(|name| name.is_xdg()).and_then(|name| context.env.absolute(name.as_str()));
    moved.unwrap_or_else(|| context.paths.expand(&login.folder))
}

/// Reports whether the agent's files show a login, as far as a launch can tell without reading it.
pub(crate) fn has_login(context: &Context<'_>, resolved: &Resolved, login: &Login) -> bool {
    is_shown(&files_folder(context, &resolved.agent, resolved.named_folder(), login), login)
}

// Returns the folder that contains the login's files.
pub(super) fn files_folder(
    context: &Context<'_>,
    agent: &AgentSpec,
    config_dir: Option<&Path>,
    login: &Login,
) -> PathBuf {
    let Some(folder) = config_dir else { return default_folder(context, login) };
    let mut variables = agent.config_dir.iter();
    let moves = variables.find(|moved| login.variable.as_ref().is_none_or(|name| *name == moved.variable));
    let suffix = moves.map_or("", |moved| moved.suffix.trim_start_matches('/'));
    if suffix.is_empty() { folder.to_owned() } else { folder.join(suffix) }
}

/// Refuses a configuration folder of the agent inside the project, whether the profile, `[env]` or the shell names it.
pub(super) fn refuse_inside(
    context: &Context<'_>,
    folders: &ProjectFolders<'_>,
    part: &ProfilePart,
) -> Result<(), PlanError> {
    let resolved = &part.resolved;
    let value = |name: &Variable| context.env.get_after(&part.changes, name.as_str()).map(PathBuf::from);
    let named = resolved
        .agent
        .config_dir
        .iter()
        .filter_map(|moved| value(&moved.variable).filter(|path| !path.as_os_str().is_empty()));
    let default = match &resolved.account {
        Account::Login { login, .. } => Some(login_folder(context, resolved, login)),
        Account::Key { .. } | Account::None { .. } => None,
    };
    // A relative path starts at the agent's working directory.
    let named = named.map(|folder| context.cwd.join(folder));
    match named.chain(default).find_map(|folder| Some((folders.holding_settings(&folder)?.to_owned(), folder))) {
        Some((project, folder)) => Err(PlanError::FolderInProject { folder, project }),
        None => Ok(()),
    }
}

/// Refuses a login folder that is missing or that another user could change. Adds a notice if the folder holds no
/// login. Keeps the agent away from a background process that an earlier launch started with another account.
pub(super) fn check(context: &Context<'_>, part: &mut ProfilePart) -> Result<(), PlanError> {
    let resolved = &part.resolved;
    let Account::Login { login, .. } = &resolved.account else { return Ok(()) };
    let (folder, files) = (
        login_folder(context, resolved, login),
        files_folder(context, &resolved.agent, resolved.named_folder(), login),
    );
    // The default folder may be missing, because the agent creates it.
    if resolved.config_dir.is_some() || (folder.exists() && folder != context.paths.home) {
        refuse_foreign(&folder, resolved)?;
    }
    for file in &login.overrides {
        refuse_override(&files, file)?;
    }
    let switch =
        login.supervisor.as_ref().filter(|supervisor| has_another_account(&files, supervisor, resolved, login));
    part.changes.extend(switch.map(|supervisor| Change::Set(supervisor.switch.clone(), "1".into())));
    if !is_shown(&files, login) {
        let missing = Notice::NoLogin { profile: resolved.profile.clone(), agent: several(resolved), folder };
        part.notices.insert(0, missing);
    }
    Ok(())
}

// Reports whether the agent's background process was started with variables that would win over the login. Its
// environment may hold a key, so only names are read, and values are compared with those that a launch with a login
// sets.
fn has_another_account(folder: &Path, supervisor: &Supervisor, resolved: &Resolved, login: &Login) -> bool {
    let Ok(read) = platform::read_file(&folder.join(&supervisor.file), MAX_BYTES) else { return false };
    let lock: Option<serde_json::Value> = serde_json::from_slice(&read.bytes).ok();
    let pid = lock.as_ref().and_then(|lock| lock.get("pid")).and_then(serde_json::Value::as_u64);
    let Some(pid) = pid.and_then(|pid| u32::try_from(pid).ok()) else { return false };
    let differs = platform::environment_of(pid, &mut |name, value| {
        let ours = login.set.iter().any(|(own, set)| own.as_str() == name && set.as_bytes() == value);
        !ours && !value.is_empty() && resolved.agent.competes_with_login(name)
    });
    // Some systems, such as macOS, do not show the environment of a process. Counting it as another account would
    // disable background sessions for every login there.
    differs.unwrap_or(cfg!(target_os = "linux"))
}

// Returns the agent's name if the command needs it, because the profile has several agents.
fn several(resolved: &Resolved) -> Option<Agent> {
    (!resolved.is_main).then(|| resolved.agent.name.clone())
}

/// Returns the command that logs in the agent of a profile.
pub(crate) fn login_command(profile: &Profile, agent: Option<&Agent>) -> Vec<OsString> {
    let mut words = Vec::from(words!["ringlet", "login", profile]);
    if let Some(agent) = agent {
        words.extend(words!["--agent", agent]);
    }
    words
}

fn refuse_foreign(folder: &Path, resolved: &Resolved) -> Result<(), PlanError> {
    let refused = |why| PlanError::LoginFolder { folder: folder.to_owned(), why };
    if !private::folder(folder, Privacy::Unwritten).map_err(refused)? {
        let (folder, profile) = (folder.to_owned(), resolved.profile.clone());
        return Err(PlanError::NoLoginFolder { folder, profile, agent: several(resolved) });
    }
    if folder.is_dir() { Ok(()) } else { Err(PlanError::LoginNoFolder(folder.to_owned())) }
}

fn refuse_override(folder: &Path, over: &Override) -> Result<(), PlanError> {
    let file = folder.join(&over.file);
    let refused = |why: String, name| PlanError::LoginOverridden { file: file.clone(), why, name };
    let failed = |error| refused(format!("cannot be checked: {error}"), None);
    let Some(bytes) = stored::read(&file, MAX_BYTES).map_err(failed)? else { return Ok(()) };
    let set = guard::dotenv_names(&bytes).map_err(|why| refused(format!("cannot be checked: it {why}"), None))?;
    match set.into_iter().find(|name| over.names.contains(name)) {
        Some(name) => Err(refused(format!("sets {name}, which would win over the login"), name.parse().ok())),
        None => Ok(()),
    }
}

/// Reports whether one of the login's files exists and holds something.
pub(super) fn is_there(folder: &Path, login: &Login) -> bool {
    let holds = |file: PathBuf| file.metadata().is_ok_and(|meta| meta.len() > 0) && !is_emptied(&file);
    login.files.iter().any(|file| holds(folder.join(file)))
}

// Codex writes this beside a key, and `ringlet migrate` leaves it.
const WITHOUT_LOGIN: &str = "auth_mode";

// A file is larger once a login is in it.
const MAX_EMPTIED: u64 = 4096;

// Reports whether a JSON object is left in which nothing is set.
fn is_emptied(file: &Path) -> bool {
    let Ok(read) = platform::read_file(file, MAX_EMPTIED) else { return false };
    let bytes = Zeroizing::new(read.bytes);
    let entries: Result<BTreeMap<String, Option<IgnoredAny>>, _> = serde_json::from_slice(&bytes);
    entries.is_ok_and(|entries| entries.iter().all(|(name, value)| value.is_none() || name == WITHOUT_LOGIN))
}

// Reports whether a login exists, or may be stored where Ringlet cannot see it.
fn is_shown(folder: &Path, login: &Login) -> bool {
    if login.files.is_empty() || login.keychain_on.iter().any(|system| system == std::env::consts::OS) {
        return true;
    }
    if is_there(folder, login) {
        return true;
    }
    let Some(moved) = &login.moved_by else { return false };
    let Ok(read) = platform::read_file(&folder.join(&moved.file), MAX_BYTES) else { return false };
    let settings: Option<toml::Table> = std::str::from_utf8(&read.bytes).ok().and_then(|text| text.parse().ok());
    let value = settings.as_ref().and_then(|table| table.get(&moved.key)).and_then(toml::Value::as_str);
    value.is_some_and(|value| value != moved.unless)
}

/// Refuses a login folder inside a project, whose settings could lead the sign-in elsewhere. A repository at the folder
/// itself does not count, because people keep their agents' settings in git. The folder may be missing; the context's
/// working directory is then the nearest directory above it.
pub(crate) fn refuse_project(context: &Context<'_>, folder: &Path) -> Result<(), PlanError> {
    let folders = ProjectFolders::new(context)?.around(folder);
    match folders.holding_settings(folder) {
        Some(project) => Err(PlanError::FolderInProject { folder: folder.to_owned(), project: project.to_owned() }),
        None => Ok(()),
    }
}

/// Plans the agent's sign-in. The context's working directory is the canonical login folder. No program may come from
/// `folders`.
pub(crate) fn sign_in(
    context: &Context<'_>,
    folders: &ProjectFolders<'_>,
    resolved: Resolved,
    login: &Login,
    words: &[OsString],
) -> Result<LaunchPlan, PlanError> {
    let folder = context.cwd;
    refuse_project(context, folder)?;
    refuse_foreign(folder, &resolved)?;
    guard_project(context, context.cwd, folders, &ArgumentPaths::default(), &resolved, None, &[])?;
    let files = files_folder(context, &resolved.agent, resolved.named_folder(), login);
    for file in &login.overrides {
        refuse_override(&files, file)?;
    }
    let command = resolved.agent.command.clone();
    let binary = find_binary(context, &command)?;
    guard_binary(context, folders, &binary)?;
    let words: Vec<OsString> = login.args.iter().map(OsString::from).chain(words.iter().cloned()).collect();
    let start = Start { command, binary, arguments: Vec::new() };
    let version = installed_version(&resolved.agent, &start.command, &start.binary);
    let means = Means { version: version.as_ref(), ..Means::default() };
    let mut draft = Draft::new(start, &means, &words, resolved, context.env);
    // The agent may start without its other secrets, and the missing login needs no notice.
    draft.secrets.clear();
    draft.part.notices.clear();
    Ok(draft.passed(Passed::default(), context.env))
}
