//! The decision about a command that is no agent and is given secrets (`ringlet run`).
//!
//! A command has no account: it is given the secrets that the user has named for it and nothing else. A tool of the
//! settings is started as it stands there. Every other form is refused below a launch, since it would be a way for an
//! agent's tools to read keys.

use super::gate::{For, check_scopes};
use super::{
    Choice, Context, Passed, PlanError, ProjectFolders, Purpose, SecretUse, Sink, Start, choose, find_binary,
    find_project, guard_binary, store_programs,
};
use crate::config::Tool;
use crate::name::{KeyName, Profile, Tool as ToolName, Variable, closest};
use crate::platform;
use crate::profile::Profiles;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a command is asked to be started with.
pub(crate) struct RunRequest<'a> {
    /// The profile to use in place of the directory's.
    pub profile: Option<&'a Profile>,
    /// Keys that are named by the command line.
    pub secrets: &'a BTreeMap<Variable, KeyName>,
    /// The tool of the settings.
    pub tool: Option<&'a ToolName>,
    /// The command and its arguments; none for a tool.
    pub words: &'a [OsString],
    /// Whether this command was started by something that a launch has started.
    pub is_below: bool,
}

/// The plan of a command.
pub(crate) struct RunPlan {
    /// The program.
    pub start: Start,
    /// The secrets, at least one.
    pub secrets: Vec<SecretUse>,
    /// The profile whose secrets they are, if one was read.
    pub profile: Option<Profile>,
    /// The result of the scopes.
    pub scopes: Passed,
    /// Whether it is a tool of the settings.
    pub is_tool: bool,
}

/// Decides about a command. Everything that can refuse it runs before the plan is returned.
pub(crate) fn prepare_run(context: &Context<'_>, request: &RunRequest<'_>) -> Result<RunPlan, PlanError> {
    let folders = ProjectFolders::new(context)?;
    folders.refuse_own_places(context.paths)?;
    let (start, secrets, profile) = match request.tool {
        Some(name) => {
            let tool = tool(context, name)?;
            let start = started(context, &tool.command)?;
            guard_binary(context, &folders, &start.binary)?;
            (start, tool.secrets.clone(), None)
        }
        None if request.is_below => return Err(PlanError::RunBelow),
        None => {
            let (mut secrets, profile) = of_profile(context, &folders, request)?;
            secrets.extend(request.secrets.clone());
            (started(context, request.words)?, secrets, profile)
        }
    };
    let secrets: Vec<SecretUse> = secrets
        .into_iter()
        .map(|(name, key)| SecretUse { key, sink: Sink::Variable(name), purpose: Purpose::Extra })
        .collect();
    let scopes = check_scopes(context, &For::Command(profile.as_ref()), &secrets, false, &start.binary)?;
    store_programs::refuse_programs(context, &folders, &secrets)?;
    Ok(RunPlan { start, secrets, profile, scopes, is_tool: request.tool.is_some() })
}

fn tool<'a>(context: &Context<'a>, name: &ToolName) -> Result<&'a Tool, PlanError> {
    let tools = &context.settings.tools;
    tools.get(name).ok_or_else(|| PlanError::NoTool {
        name: name.clone(),
        closest: closest(name.as_str(), tools.keys().map(ToolName::as_str)).map(str::to_owned),
        file: context.paths.config(),
    })
}

// The `[secrets]` of the profile that is named, or else governs the directory. Keys of the command line need none.
fn of_profile(
    context: &Context<'_>,
    folders: &ProjectFolders<'_>,
    request: &RunRequest<'_>,
) -> Result<(BTreeMap<Variable, KeyName>, Option<Profile>), PlanError> {
    let name = match request.profile {
        Some(name) => name.clone(),
        None if !request.secrets.is_empty() => return Ok(Default::default()),
        None => match choose(context, find_project(context)?.as_ref(), &[])? {
            Choice::Profile(name, _) => name,
            Choice::None => return Err(PlanError::NoRunProfile),
        },
    };
    folders.refuse_profile(context.paths, &name)?;
    let file = Profiles::new(context.paths, context.registry).read(&name)?;
    if file.secrets.is_empty() && request.secrets.is_empty() {
        return Err(PlanError::NoRunSecrets { profile: name, file: file.source.file.clone() });
    }
    Ok((file.secrets.iter().map(|(name, at)| (name.clone(), at.value.clone())).collect(), Some(name)))
}

// Finds the command as a shell does: a path as it stands, and a name on PATH. The command may lie in the project: the
// user has typed it.
fn started(context: &Context<'_>, words: &[OsString]) -> Result<Start, PlanError> {
    let (command, arguments) = words.split_first().ok_or(PlanError::NoCommand)?;
    let start =
        |binary| Start { command: command.to_string_lossy().into_owned(), binary, arguments: arguments.to_vec() };
    if Path::new(command).components().count() > 1 || Path::new(command).is_absolute() {
        let binary: PathBuf = context.cwd.join(command).components().collect();
        return match (platform::is_executable(&binary), binary.exists()) {
            (true, _) => Ok(start(binary)),
            (false, true) => Err(PlanError::NotExecutable { file: binary }),
            (false, false) => Err(PlanError::NoFile { file: binary }),
        };
    }
    let unknown = || PlanError::NotFound { command: command.to_string_lossy().into_owned() };
    let name = command.to_str().ok_or_else(unknown)?;
    // Ringlet's own links are commands as well.
    let search = context.env.non_empty("PATH").unwrap_or_default();
    let first: Option<PathBuf> = platform::candidates(name, search).next();
    match first {
        Some(binary) => Ok(start(binary)),
        None => find_binary(context, name).map(start),
    }
}
