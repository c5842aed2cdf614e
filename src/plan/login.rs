//! Whether the folder of an agent's own login may be used, and how the agent logs in there.
//!
//! The login itself is never opened: that its file is there and is not empty is all that is asked of it.

use super::launch_plan::{Draft, LaunchPlan, Notice, Part, Start};
use super::{Context, Passed, PlanError, find_binary, find_project, guard_binary, guard_project, project};
use crate::config::MAX_BYTES;
use crate::env::Change;
use crate::name::{Agent, Profile};
use crate::platform::private::{self, Privacy};
use crate::platform::{self, ReadError};
use crate::profile::{Account, Resolved};
use crate::registry::{Login, Override, Supervisor};
use crate::words;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folder of an agent's login, as people name it: the profile's, else the agent's own.
pub fn login_folder(context: &Context<'_>, resolved: &Resolved, login: &Login) -> PathBuf {
    match &resolved.config_dir {
        Some(folder) => folder.value.clone(),
        None => default_folder(context, login),
    }
}

// A variable of the agent's own is taken away for a login, but `XDG_*` stay as the shell has them.
fn default_folder(context: &Context<'_>, login: &Login) -> PathBuf {
    let moved =
        login.variable.as_ref().filter(|name| name.is_xdg()).and_then(|name| context.env.absolute(name.as_str()));
    moved.unwrap_or_else(|| context.paths.expand(&login.folder))
}

// The folder that the login's files are named from.
pub(super) fn files_folder(context: &Context<'_>, resolved: &Resolved, login: &Login) -> PathBuf {
    let Some(folder) = &resolved.config_dir else { return default_folder(context, login) };
    let mut variables = resolved.agent.config_dir.iter();
    let moves = variables.find(|it| login.variable.as_ref().is_none_or(|name| *name == it.variable));
    let suffix = moves.map_or("", |it| it.suffix.trim_start_matches('/'));
    if suffix.is_empty() { folder.value.clone() } else { folder.value.join(suffix) }
}

/// Refuses a folder that the project, or somebody else, could fill. For a login it also looks whether there is one, and
/// keeps the agent from a process that an earlier launch left there with another account.
pub(super) fn check(context: &Context<'_>, governing: Option<&Path>, part: &mut Part) -> Result<(), PlanError> {
    let resolved = &part.resolved;
    if let Some(folder) = &resolved.config_dir {
        let folders = project::folders(context, governing)?;
        if let Some(project) = project::holding(&folders, &folder.value) {
            return Err(PlanError::FolderInProject { folder: folder.value.clone(), project: project.clone() });
        }
    }
    let Account::Login { login, .. } = &resolved.account else { return Ok(()) };
    let files = files_folder(context, resolved, login);
    // The default folder is the agent's own, and a new user has none yet.
    if let Some(folder) = &resolved.config_dir {
        refuse_foreign(&folder.value, resolved)?;
    }
    for file in &login.overrides {
        refuse_override(&files, file)?;
    }
    let switch = login.supervisor.as_ref().filter(|it| has_another_account(&files, it, resolved, login));
    part.changes.extend(switch.map(|it| Change::Set(it.switch.clone(), "1".into())));
    if !is_shown(&files, login) {
        let missing = Notice::NoLogin {
            profile: resolved.profile.clone(),
            agent: several(resolved),
            folder: login_folder(context, resolved, login),
        };
        part.notices.insert(0, missing);
    }
    Ok(())
}

// Whether the process that a session may go through was started with what would win over the login. Its environment may
// hold a key; only names are looked at, and values compared with what a launch of a login sets itself.
fn has_another_account(folder: &Path, supervisor: &Supervisor, resolved: &Resolved, login: &Login) -> bool {
    let Ok(read) = platform::read_file(&folder.join(&supervisor.file), MAX_BYTES) else { return false };
    let lock: Option<serde_json::Value> = serde_json::from_slice(&read.bytes).ok();
    let pid = lock.as_ref().and_then(|lock| lock.get("pid")).and_then(serde_json::Value::as_u64);
    let Some(pid) = pid.and_then(|pid| u32::try_from(pid).ok()) else { return false };
    platform::environment_of(pid, &mut |name, value| {
        let ours = login.set.iter().any(|(own, set)| own.as_str() == name && set.as_bytes() == value);
        !ours && !value.is_empty() && resolved.agent.competes_with_login(name)
    })
}

// The agent's name, where the command would not know it by itself.
fn several(resolved: &Resolved) -> Option<Agent> {
    (!resolved.is_main).then(|| resolved.agent.name.clone())
}

/// The command that logs a profile's agent in.
pub fn login_command(profile: &Profile, agent: Option<&Agent>) -> Vec<OsString> {
    let mut words = Vec::from(words!["ringlet", "login", profile]);
    if let Some(agent) = agent {
        words.extend(words!["--agent", agent]);
    }
    words
}

fn refuse_foreign(folder: &Path, resolved: &Resolved) -> Result<(), PlanError> {
    let refused = |why: String| PlanError::LoginFolder { folder: folder.to_owned(), why };
    if !folder.is_dir() {
        return Err(match folder.symlink_metadata() {
            Ok(_) if folder.exists() => refused("is not a folder".to_owned()),
            _ => PlanError::NoLoginFolder {
                folder: folder.to_owned(),
                profile: resolved.profile.clone(),
                agent: several(resolved),
            },
        });
    }
    private::folder(folder, Privacy::Unwritten).map(drop).map_err(|why| refused(why.to_string()))
}

fn refuse_override(folder: &Path, over: &Override) -> Result<(), PlanError> {
    let file = folder.join(&over.file);
    let refused = |why: String, name| PlanError::LoginOverridden { file: file.clone(), why, name };
    let bytes = match platform::read_file(&file, MAX_BYTES) {
        Ok(read) => read.bytes,
        Err(error) if error.is_absent() => return Ok(()),
        // A folder of that name says nothing to the agent.
        Err(ReadError::NotAFile(_)) if file.is_dir() => return Ok(()),
        Err(error) => return Err(refused(format!("cannot be checked: {error}"), None)),
    };
    let text = String::from_utf8_lossy(&bytes);
    for name in text.lines().filter_map(super::guard::env_name) {
        if over.names.contains(&name) {
            let why = format!("sets {name}, which would win over the login");
            return Err(refused(why, name.parse().ok()));
        }
    }
    Ok(())
}

// Whether a login can be seen, or may lie where nobody can see it.
fn is_shown(folder: &Path, login: &Login) -> bool {
    if login.files.is_empty() || login.keychain_on.iter().any(|system| system == std::env::consts::OS) {
        return true;
    }
    if login.files.iter().any(|file| folder.join(file).metadata().is_ok_and(|meta| meta.len() > 0)) {
        return true;
    }
    let Some(moved) = &login.moved_by else { return false };
    let Ok(read) = platform::read_file(&folder.join(&moved.file), MAX_BYTES) else { return false };
    let settings: Option<toml::Table> = std::str::from_utf8(&read.bytes).ok().and_then(|text| text.parse().ok());
    let value = settings.as_ref().and_then(|table| table.get(&moved.key)).and_then(toml::Value::as_str);
    value.is_some_and(|value| value != moved.unless)
}

/// Decides how the agent logs in. `folder` is the login's folder, canonical, and the context's working directory.
pub fn sign_in(
    context: &Context<'_>,
    resolved: Resolved,
    login: &Login,
    words: &[OsString],
) -> Result<LaunchPlan, PlanError> {
    let folder = context.cwd;
    let governing = find_project(context)?.and_then(|project| project.file.parent().map(Path::to_owned));
    let mut folders = project::folders(context, governing.as_deref())?;
    // The folder itself is no project: people keep their agents' settings in git.
    folders.retain(|holder| holder != folder);
    if let Some(project) = project::holding(&folders, folder) {
        return Err(PlanError::FolderInProject { folder: folder.to_owned(), project: project.clone() });
    }
    let findings = guard_project(context, &resolved.agent, &[])?;
    if !findings.is_empty() {
        return Err(PlanError::Guarded { findings });
    }
    let files = files_folder(context, &resolved, login);
    for file in &login.overrides {
        refuse_override(&files, file)?;
    }
    let command = resolved.agent.command.clone();
    let binary = find_binary(context, &command)?;
    guard_binary(context, governing.as_deref(), &binary)?;
    let words: Vec<OsString> = login.args.iter().map(OsString::from).chain(words.iter().cloned()).collect();
    let start = Start { command, binary, arguments: Vec::new() };
    let mut draft = Draft::new(start, None, &words, resolved, context.env);
    // Nothing but the login is wanted, and it may be what is missing.
    draft.secrets.clear();
    draft.part.notices.clear();
    Ok(draft.passed(Passed::default(), context.env))
}
