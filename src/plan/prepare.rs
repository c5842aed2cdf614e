//! The way of a decision, up to and without any lookup.

use super::guard::guard_project;
use super::launch_plan::{Draft, LaunchPlan, Means, Start, needs_no_key};
use super::{Choice, Context, Passed, PlanError, ProjectFolders, Why, login, sessions, stored, withheld};
use super::{asked_version, check_scopes, choose, find_binary, find_project, guard_binary, installed_version, is_ours};
use crate::guard::{self, ArgumentPaths};
use crate::name::{Agent, Profile};
use crate::platform;
use crate::profile::{Account, Profiles, Resolved};
use crate::registry::{AgentSpec, Version};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What is to be started.
pub(crate) struct Request<'a> {
    /// The word that was typed: a command, or an agent's name.
    pub word: &'a str,
    /// A profile in place of the directory's.
    pub profile: Option<&'a Profile>,
    /// The user's own arguments.
    pub words: &'a [OsString],
}

/// Decides a launch. Trust comes before the profile, the program before the plan, and all that can refuse before the end.
/// What the project may say is asked of the directory that the agent will work in.
pub(crate) fn prepare(context: &Context<'_>, request: &Request<'_>) -> Result<LaunchPlan, PlanError> {
    let mut folders = ProjectFolders::new(context)?;
    folders.refuse_own_places(context.paths)?;
    let meaning = context.registry.agents_for(request.word)?;
    let named = named_program(context, &meaning.command, request.words);
    let words = if named.is_some() { &request.words[1..] } else { request.words };
    let request = &Request { words, ..*request };
    let settled = settle(context, &mut folders, request, &meaning.agents)?;
    let binary = named.map_or_else(|| find_binary(context, &meaning.command), Ok)?;
    let start = Start { command: meaning.command, binary, arguments: words.to_vec() };
    let Some(mut settled) = settled else { return Ok(LaunchPlan::Bare(start)) };
    let version = version(context, &folders, words, &settled.resolved, &start)?;
    let means = means(context, &start, words, &mut settled, version.as_ref())?;
    let draft = Draft::new(start, &means, words, settled.resolved, context.env);
    let at = Context { cwd: &settled.directory, ..*context };
    judge(&at, context, &folders, &settled.told, words, version.as_ref(), draft)
}

// An editor that starts the agent through a wrapper names the program first, by its absolute path; a prompt is no such path.
fn named_program(context: &Context<'_>, command: &str, words: &[OsString]) -> Option<PathBuf> {
    let path = Path::new(words.first()?);
    let name = Path::new(path.file_name()?);
    let name = if cfg!(windows) { name.file_stem()? } else { name.as_os_str() };
    let is_it = path.is_absolute() && name == command && platform::is_executable(path) && !is_ours(context, path);
    is_it.then(|| path.to_owned())
}

// Only a program that passes is asked, and only for an invocation that something hangs on.
fn version(
    context: &Context<'_>,
    folders: &ProjectFolders<'_>,
    words: &[OsString],
    resolved: &Resolved,
    start: &Start,
) -> Result<Option<Version>, PlanError> {
    let agent = &resolved.agent;
    let told = installed_version(agent, &start.command, &start.binary);
    if told.is_some() || needs_no_key(resolved, told.as_ref(), words).is_some() {
        return Ok(told);
    }
    guard_binary(context, folders, &start.binary)?;
    Ok(asked_version(context, agent, &start.binary))
}

// Which way of the agent's the words take is settled in the account itself, so that all that follows sees one way.
fn means<'a>(
    context: &Context<'a>,
    start: &Start,
    words: &[OsString],
    settled: &mut Settled,
    version: Option<&'a Version>,
) -> Result<Means<'a>, PlanError> {
    let (resolved, directory) = (&mut settled.resolved, &settled.directory);
    let mut means = Means { version, ringlet: context.ringlet, withheld: None };
    if needs_no_key(resolved, version, words).is_some() {
        return Ok(means);
    }
    if resolved.account.key().is_some() {
        withheld::refuse_moved(resolved, words)?;
    }
    if let Some(api) = sessions::way(context, resolved, words, start)? {
        resolved.account.take_way(api);
    }
    if let Some(reach) = resolved.account.reach().filter(|reach| !means.hand_over(&reach.api)) {
        let withheld = withheld::list(context, directory, resolved, words, &reach.key_variable);
        // A made-up key is no secret.
        means.withheld = if resolved.account.key().is_some() { withheld? } else { withheld.ok().flatten() };
    }
    Ok(means)
}

// A profile that is used, and where.
struct Settled {
    told: ArgumentPaths,
    // The directory that the agent will work in, canonical.
    directory: PathBuf,
    resolved: Resolved,
}

// The first of the agents that the word may mean to which a profile is bound. Each is asked where it would work.
fn settle<'a>(
    context: &Context<'a>,
    folders: &mut ProjectFolders<'a>,
    request: &Request<'_>,
    agents: &[Agent],
) -> Result<Option<Settled>, PlanError> {
    // A word that is no agent's is started as well, and the project is asked all the same.
    let candidates = agents.iter().map(Some).chain(agents.is_empty().then_some(None));
    for agent in candidates {
        let told = match agent {
            Some(agent) => guard::argument_paths(&context.registry.agent(agent)?.directory, request.words, context.env),
            None => ArgumentPaths::default(),
        };
        let directory = directory(context, &told)?;
        if directory != context.cwd {
            folders.add(&directory)?;
            folders.refuse_own_places(context.paths)?;
        }
        let at = Context { cwd: &directory, ..*context };
        let project = if request.profile.is_some() { None } else { find_project(&at)? };
        let choice = match request.profile {
            Some(name) => Choice::Profile(name.clone(), Why::Option),
            None => choose(&at, project.as_ref(), agents)?,
        };
        if let Choice::Profile(name, _) = &choice {
            folders.refuse_profile(context.paths, name)?;
        }
        let Some(resolved) = resolve(&at, &choice, agent)? else { continue };
        return Ok(Some(Settled { told, directory, resolved }));
    }
    match request.profile {
        Some(name) => Err(PlanError::NotBound { profile: name.clone(), agent: request.word.to_owned() }),
        None => Ok(None),
    }
}

// A word that only may name the directory does so where there is one.
fn directory(context: &Context<'_>, told: &ArgumentPaths) -> Result<PathBuf, PlanError> {
    let Some(named) = &told.directory else { return Ok(context.cwd.to_owned()) };
    let path = context.cwd.join(&named.path);
    match path.canonicalize() {
        // Node and others cut `..` by the text, the system follows links first.
        Ok(directory) if platform::plain(&path).canonicalize().ok().as_ref() != Some(&directory) => {
            Err(PlanError::NoDirectory { directory: path, why: "`..` behind a link may lead to two places".into() })
        }
        Ok(directory) if directory.is_dir() => Ok(directory),
        _ if !named.is_certain => Ok(context.cwd.to_owned()),
        Ok(_) => Err(PlanError::NoDirectory { directory: path, why: "it is not a directory".into() }),
        Err(error) => Err(PlanError::NoDirectory { directory: path, why: error.to_string() }),
    }
}

fn resolve(context: &Context<'_>, choice: &Choice, agent: Option<&Agent>) -> Result<Option<Resolved>, PlanError> {
    let Choice::Profile(name, _) = choice else { return Ok(None) };
    let profiles = Profiles::new(context.paths, context.registry);
    let file = profiles.read(name)?;
    let agent = agent.filter(|agent| file.bindings.contains_key(*agent));
    Ok(agent.map(|agent| profiles.resolve(&file, agent)).transpose()?.flatten())
}

// What prints a version needs no account. What needs no key gives none away, but `mcp list` and its like have a login in
// reach, and some use it.
fn judge(
    context: &Context<'_>,
    here: &Context<'_>,
    folders: &ProjectFolders<'_>,
    told: &ArgumentPaths,
    words: &[OsString],
    version: Option<&Version>,
    mut draft: Draft,
) -> Result<LaunchPlan, PlanError> {
    // Whatever the invocation, the agent may write there.
    login::refuse_inside(context, folders, &draft.part)?;
    let is_login = matches!(draft.part.resolved.account, Account::Login { .. });
    if draft.idle.as_ref().is_some_and(|idle| idle.is_flag || !is_login) {
        return Ok(draft.passed(Passed::default(), context.env));
    }
    if !is_login {
        refuse_shared(&draft.part.resolved.agent, &draft.start, words)?;
    }
    guard_binary(here, folders, &draft.start.binary)?;
    let anything = guard_project(context, here.cwd, folders, told, &draft.part.resolved, version, &draft.secrets)?;
    let agent = &draft.part.resolved.agent;
    if !anything && draft.has_switch(version, words) && guard::is_bare_below(agent, context.cwd) {
        draft.turn_project_off(words);
    }
    login::check(context, &mut draft.part)?;
    stored::refuse(context, &draft.part.resolved, version, &draft.secrets)?;
    draft.part.notices.extend(sessions::unlisted(context, &draft.part.resolved, &draft.start.binary));
    let (profile, agent) = (&draft.part.resolved.profile, &draft.part.resolved.agent.name);
    let scopes = check_scopes(context, profile, agent, &draft.secrets, &draft.start.binary)?;
    Ok(draft.passed(scopes, context.env))
}

// Some commands go through a process that an earlier launch left behind, whichever account that has. A login has its own way
// out, see `login`.
fn refuse_shared(agent: &AgentSpec, start: &Start, words: &[OsString]) -> Result<(), PlanError> {
    let options =
        words.iter().take_while(|word| *word != "--").filter(|word| word.as_encoded_bytes().starts_with(b"-"));
    let mut told = words.iter().take(1).chain(options).filter_map(|word| word.to_str());
    let command = || agent.command.clone();
    if let Some(word) = told.find(|word| agent.shared.iter().any(|shared| shared == word)) {
        return Err(PlanError::Shared { command: command(), binary: start.binary.clone(), word: word.to_owned() });
    }
    match agent.teammates.as_ref().and_then(|mates| Some((mates, mates.said(words)?))) {
        Some((mates, said)) if said != mates.value => Err(PlanError::Teammates {
            command: command(),
            option: mates.option.clone(),
            said: said.to_owned(),
            value: mates.value.clone(),
        }),
        _ => Ok(()),
    }
}
