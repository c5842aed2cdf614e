//! The way of a decision, up to and without any lookup.

use super::guard::guard_project;
use super::launch_plan::{Draft, LaunchPlan, Start};
use super::{Choice, Context, Passed, PlanError, Version, Why, login, project, stored};
use super::{check_scopes, choose, find_binary, find_project, guard_binary, installed_version};
use crate::name::{Agent, Profile};
use crate::profile::{Account, Profiles, Resolved};
use crate::registry::AgentSpec;
use std::ffi::OsString;
use std::path::Path;

/// What is to be started.
pub struct Request<'a> {
    /// The word that was typed: a command, or an agent's name.
    pub word: &'a str,
    /// A profile in place of the directory's.
    pub profile: Option<&'a Profile>,
    /// The user's own arguments.
    pub words: &'a [OsString],
}

/// Decides a launch. Trust comes before the profile, the program before the plan, and all that can refuse before the end.
pub fn prepare(context: &Context<'_>, request: &Request<'_>) -> Result<LaunchPlan, PlanError> {
    let meaning = context.registry.agents_for(request.word)?;
    let project = if request.profile.is_some() { None } else { find_project(context)? };
    let choice = match request.profile {
        Some(name) => Choice::Profile(name.clone(), Why::Option),
        None => choose(context, project.as_ref(), &meaning.agents)?,
    };
    let resolved = resolve(context, request.word, &choice, &meaning.agents)?;
    let binary = find_binary(context, &meaning.command)?;
    let start = Start { command: meaning.command, binary, arguments: request.words.to_vec() };
    let Some(resolved) = resolved else { return Ok(LaunchPlan::Bare(start)) };
    let version = installed_version(&resolved.agent, &start.binary);
    let governing = match (&project, request.profile) {
        (Some(project), _) => project.file.parent().map(Path::to_owned),
        // The user's word replaces the project's choice, and not what the project could do.
        (None, Some(_)) => project::governing(context)?,
        (None, None) => None,
    };
    let draft = Draft::new(start, version.as_ref(), request.words, resolved, context.env);
    judge(context, governing.as_deref(), request.words, version.as_ref(), draft)
}

fn resolve(
    context: &Context<'_>,
    word: &str,
    choice: &Choice,
    agents: &[Agent],
) -> Result<Option<Resolved>, PlanError> {
    let Choice::Profile(name, why) = choice else { return Ok(None) };
    let profiles = Profiles::new(context.paths, context.registry);
    let file = profiles.read(name)?;
    let agent: Option<&Agent> = agents.iter().find(|agent| file.bindings.contains_key(*agent));
    if agent.is_none() && *why == Why::Option {
        return Err(PlanError::NotBound { profile: name.clone(), agent: word.to_owned() });
    }
    Ok(agent.map(|agent| profiles.resolve(&file, agent)).transpose()?.flatten())
}

// What prints a version needs no account. What needs no key gives none away, but `mcp list` and its like have a login in
// reach, and some use it.
fn judge(
    context: &Context<'_>,
    governing: Option<&Path>,
    words: &[OsString],
    version: Option<&Version>,
    mut draft: Draft,
) -> Result<LaunchPlan, PlanError> {
    let folders = project::folders(context, governing)?;
    // Whatever the invocation, the agent may write there.
    login::refuse_inside(context, &folders, &draft.part)?;
    let is_login = matches!(draft.part.resolved.account, Account::Login { .. });
    if draft.idle.as_ref().is_some_and(|idle| idle.is_flag || !is_login) {
        return Ok(draft.passed(Passed::default(), context.env));
    }
    if !is_login {
        refuse_shared(&draft.part.resolved.agent, words)?;
    }
    guard_binary(context, &folders, &draft.start.binary)?;
    guard_project(context, &draft.part.resolved.agent, &draft.secrets)?;
    login::check(context, &mut draft.part)?;
    stored::refuse(context, &draft.part.resolved, version)?;
    let (profile, agent) = (&draft.part.resolved.profile, &draft.part.resolved.agent.name);
    let scopes = check_scopes(context, profile, agent, &draft.secrets, &draft.start.binary)?;
    Ok(draft.passed(scopes, context.env))
}

// Some commands go through a process that an earlier launch left behind, whichever account that has. A login has its own way
// out, see `login`.
fn refuse_shared(agent: &AgentSpec, words: &[OsString]) -> Result<(), PlanError> {
    let options =
        words.iter().take_while(|word| *word != "--").filter(|word| word.as_encoded_bytes().starts_with(b"-"));
    let mut told = words.iter().take(1).chain(options).filter_map(|word| word.to_str());
    match told.find(|word| agent.shared.iter().any(|shared| shared == word)) {
        Some(word) => Err(PlanError::Shared { command: agent.command.clone(), word: word.to_owned() }),
        None => Ok(()),
    }
}
