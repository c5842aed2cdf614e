//! The decision about a launch, before any key is looked up.

use super::broker;
use super::draft::{Draft, Means, needs_no_key};
use super::guard::guard_project;
use super::launch_plan::{LaunchPlan, Start};
use super::{
    Choice, Context, Passed, PlanError, ProjectFolders, Why, login, sessions, store_programs, stored, withheld,
};
use super::{
    For, asked_version, check_scopes, choose, find_binary, find_project, guard_binary, installed_version, is_ours,
    version_at,
};
use crate::guard::{self, ArgumentPaths};
use crate::name::{Agent, Profile};
use crate::platform;
use crate::profile::{Account, Profiles, Resolved};
use crate::registry::{AgentSpec, Resolution, Version};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The invocation that a launch is for.
pub(crate) struct LaunchRequest<'a> {
    /// The typed word: a command, or an agent's name.
    pub word: &'a str,
    /// The profile to use in place of the directory's.
    pub profile: Option<&'a Profile>,
    /// The user's arguments.
    pub words: &'a [OsString],
}

/// Decides a launch. The project's trust is checked before the profile is read, the program is found before the plan is
/// made, and every check that can refuse runs before the plan is returned. The directory that the agent will work in
/// decides which project counts.
pub(crate) fn prepare(context: &Context<'_>, request: &LaunchRequest<'_>) -> Result<LaunchPlan, PlanError> {
    let mut folders = ProjectFolders::new(context)?;
    folders.refuse_own_places(context.paths)?;
    let Target { command, named, words, selected } = resolve(context, &mut folders, request)?;
    if let (None, Some(name)) = (&selected, request.profile) {
        return Err(PlanError::NotBound { profile: name.clone(), agent: request.word.to_owned() });
    }
    let binary = named.map_or_else(|| find_binary(context, &command), Ok)?;
    let start = Start { command, binary, arguments: words.to_vec() };
    let Some(mut selected) = selected else { return Ok(LaunchPlan::Bare(start)) };
    let program = program(context, &folders, words, &selected.resolved, &start)?;
    let means = means(context, &start, words, &mut selected, program.version.as_ref())?;
    let draft = Draft::new(start, &means, words, selected.resolved, context.env);
    let at = Context { cwd: &selected.directory, ..*context };
    check(&at, context, &folders, &selected.arguments, words, &program, draft)
}

/// Refuses an account that no launch could use: what `prepare` refuses, as far as neither the directory nor the
/// arguments decide it. No program is started, so a version may be unknown that a launch asks for.
pub(crate) fn refuse_account(context: &Context<'_>, resolved: Resolved) -> Result<(), PlanError> {
    if resolved.account.key().is_some() {
        withheld::refuse_moved(&resolved, &[])?;
    }
    let command = resolved.agent.command.clone();
    let binary = find_binary(context, &command).unwrap_or_default();
    let version = installed_version(&resolved.agent, &command, &binary);
    let broker = broker::decide(context, &resolved, version.as_ref(), &[])?;
    let means = Means { version: version.as_ref(), ringlet: context.ringlet, withheld: None, broker };
    let start = Start { command, binary, arguments: Vec::new() };
    let draft = Draft::new(start, &means, &[], resolved, context.env);
    stored::refuse(context, &draft.part, version.as_ref(), &draft.secrets)
}

// The agent and the profile of a request.
struct Target<'a> {
    command: String,
    // The program, if the arguments name it.
    named: Option<PathBuf>,
    // The agent's own arguments.
    words: &'a [OsString],
    // The profile that governs, if there is one.
    selected: Option<Selected>,
}

impl<'a> Target<'a> {
    fn new<'c>(
        context: &Context<'c>,
        folders: &mut ProjectFolders<'c>,
        request: &LaunchRequest<'a>,
        resolution: Resolution,
        candidates: Candidates,
    ) -> Result<Self, PlanError> {
        let named = named_program(context, &resolution.command, request.words);
        let words = if named.is_some() { &request.words[1..] } else { request.words };
        let request = &LaunchRequest { words, ..*request };
        let selected = select_profile(context, folders, request, &resolution.agents, candidates)?;
        Ok(Self { command: resolution.command, named, words, selected })
    }
}

// A definition of the user's counts only if the word, the project or the profile names its agent. The other ones are
// read only if the known agents lead to no profile.
fn resolve<'a, 'c>(
    context: &Context<'c>,
    folders: &mut ProjectFolders<'c>,
    request: &LaunchRequest<'a>,
) -> Result<Target<'a>, PlanError> {
    let known = context.registry.known_agents_for(request.word)?;
    let mut first = None;
    if !known.is_empty() {
        let resolution = Resolution { agents: known.clone(), command: request.word.to_owned() };
        let target = Target::new(context, folders, request, resolution, Candidates::Known)?;
        if target.selected.is_some() {
            return Ok(target);
        }
        first = Some(target);
    }
    let resolution = context.registry.agents_for(request.word)?;
    if let Some(target) = first.filter(|_| resolution.agents == known) {
        return Ok(target);
    }
    Target::new(context, folders, request, resolution, Candidates::All)
}

// Returns the program that an editor's wrapper passes as the first argument, by its absolute path. A prompt is no such
// path.
fn named_program(context: &Context<'_>, command: &str, words: &[OsString]) -> Option<PathBuf> {
    let path = Path::new(words.first()?);
    let name = Path::new(path.file_name()?);
    let name = if cfg!(windows) { name.file_stem()? } else { name.as_os_str() };
    let is_program = path.is_absolute() && name == command && platform::is_executable(path) && !is_ours(context, path);
    is_program.then(|| path.to_owned())
}

// What is known of the agent's program.
struct Program {
    version: Option<Version>,
    // Whether it has passed the guard, and no program was started since.
    is_guarded: bool,
}

// Returns the agent's version. A program is started for it only if it passes the guard and the invocation needs a key.
fn program(
    context: &Context<'_>,
    folders: &ProjectFolders<'_>,
    words: &[OsString],
    resolved: &Resolved,
    start: &Start,
) -> Result<Program, PlanError> {
    let agent = &resolved.agent;
    let real = platform::canonical(&start.binary).ok();
    let installed = real.as_ref().and_then(|real| version_at(agent, &start.command, real));
    if installed.is_some() || needs_no_key(resolved, installed.as_ref(), words).is_some() {
        return Ok(Program { version: installed, is_guarded: false });
    }
    guard_binary(context, folders, &start.binary)?;
    let mut started = false;
    let version = real.and_then(|real| asked_version(context, agent, &real, &mut started));
    Ok(Program { version, is_guarded: !started })
}

// Collects what is needed to give the agent its key. The agent may reach its provider in several forms; the form that
// the arguments select is put into the account, so that all later steps see one form.
fn means<'a>(
    context: &Context<'a>,
    start: &Start,
    words: &[OsString],
    selected: &mut Selected,
    version: Option<&'a Version>,
) -> Result<Means<'a>, PlanError> {
    let (resolved, directory) = (&mut selected.resolved, &selected.directory);
    let mut means = Means { version, ringlet: context.ringlet, ..Means::default() };
    if needs_no_key(resolved, version, words).is_some() {
        return Ok(means);
    }
    if resolved.account.key().is_some() {
        withheld::refuse_moved(resolved, words)?;
    }
    if let Some(api) = sessions::form(context, resolved, words, start)? {
        resolved.account.take_form(api);
    }
    means.broker = broker::decide(context, resolved, version, words)?;
    if let Some(reach) = resolved.account.reach().filter(|reach| !means.hand_over(&reach.api)) {
        let withheld = withheld::list(context, directory, resolved, words, &reach.key_variable);
        // A dummy key is no secret.
        means.withheld = if resolved.account.key().is_some() { withheld? } else { withheld.ok().flatten() };
    }
    Ok(means)
}

// The profile that was selected, and the directory it is used in.
struct Selected {
    arguments: ArgumentPaths,
    // The canonical directory that the agent will work in.
    directory: PathBuf,
    resolved: Resolved,
}

/// The agents that a word may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Candidates {
    /// Those that are built in or named by the word. If the project or the profile names another one, nothing is
    /// selected.
    Known,
    /// All of them.
    All,
}

// Returns the profile of the first agent that the word may mean and a profile binds. Each agent may work in another
// directory.
fn select_profile<'a>(
    context: &Context<'a>,
    folders: &mut ProjectFolders<'a>,
    request: &LaunchRequest<'_>,
    agents: &[Agent],
    candidates: Candidates,
) -> Result<Option<Selected>, PlanError> {
    let profiles = Profiles::new(context.paths, context.registry);
    // A word that is no agent's name is started as well, after the project's trust is checked.
    for agent in agents.iter().map(Some).chain(agents.is_empty().then_some(None)) {
        let arguments = match agent {
            Some(agent) => guard::argument_paths(&context.registry.agent(agent)?.directory, request.words, context.env),
            None => ArgumentPaths::default(),
        };
        let directory = directory(context, &arguments)?;
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
        let Choice::Profile(name, _) = &choice else { continue };
        folders.refuse_profile(context.paths, name)?;
        let file = profiles.read(name)?;
        if candidates == Candidates::Known {
            let content = project.iter().filter_map(|project| project.content.as_ref());
            let named = content.flat_map(|content| content.agents.keys()).chain(file.bindings.keys());
            for other in named.filter(|other| !agents.contains(other)) {
                if context.registry.has_command(other, request.word)? {
                    return Ok(None);
                }
            }
        }
        let Some(agent) = agent.filter(|agent| file.bindings.contains_key(*agent)) else { continue };
        let Some(resolved) = profiles.resolve(&file, agent)? else { continue };
        return Ok(Some(Selected { arguments, directory, resolved }));
    }
    Ok(None)
}

// Returns the canonical directory that the agent will work in. An argument that may be a directory or a prompt counts
// as a directory if it exists.
fn directory(context: &Context<'_>, arguments: &ArgumentPaths) -> Result<PathBuf, PlanError> {
    let Some(named) = &arguments.directory else { return Ok(context.cwd.to_owned()) };
    let path = context.cwd.join(&named.path);
    match platform::canonical(&path) {
        // Node and other runtimes resolve `..` in the text, but the system follows links first.
        Ok(directory) if platform::canonical(&platform::plain(&path)).ok().as_ref() != Some(&directory) => {
            Err(PlanError::NoDirectory { directory: path, why: "`..` behind a link may lead to two places".into() })
        }
        Ok(directory) if directory.is_dir() => Ok(directory),
        _ if !named.is_certain => Ok(context.cwd.to_owned()),
        Ok(_) => Err(PlanError::NoDirectory { directory: path, why: "it is not a directory".into() }),
        Err(error) => Err(PlanError::NoDirectory { directory: path, why: error.to_string() }),
    }
}

// Runs every check that can refuse the launch, and makes the plan. An invocation that prints help or a version needs no
// account. One that needs no key gives none away, but commands such as `mcp list` can reach a login, and some use it.
fn check(
    context: &Context<'_>,
    here: &Context<'_>,
    folders: &ProjectFolders<'_>,
    arguments: &ArgumentPaths,
    words: &[OsString],
    program: &Program,
    mut draft: Draft,
) -> Result<LaunchPlan, PlanError> {
    let version = program.version.as_ref();
    // The agent may write into its folder in every invocation.
    login::refuse_inside(context, folders, &draft.part)?;
    let is_login = matches!(draft.part.resolved.account, Account::Login { .. });
    if draft.idle.as_ref().is_some_and(|idle| idle.is_flag || !is_login) {
        return Ok(draft.passed(Passed::default(), context.env));
    }
    if !is_login {
        refuse_shared(&draft.part.resolved.agent, &draft.start, words)?;
    }
    if !program.is_guarded {
        guard_binary(here, folders, &draft.start.binary)?;
    }
    let anything = guard_project(context, here.cwd, folders, arguments, &draft.part.resolved, version, &draft.secrets)?;
    let agent = &draft.part.resolved.agent;
    if !anything && draft.has_switch(version, words) && guard::is_bare_below(agent, context.cwd) {
        draft.turn_project_off(words);
    }
    login::check(context, &mut draft.part)?;
    stored::refuse(context, &draft.part, version, &draft.secrets)?;
    draft.part.notices.extend(sessions::unlisted(context, &draft.part.resolved, &draft.start.binary));
    let (profile, agent) = (&draft.part.resolved.profile, &draft.part.resolved.agent.name);
    let scopes = check_scopes(
        context,
        &For::Agent(profile, agent),
        &draft.secrets,
        draft.part.broker.is_some(),
        &draft.start.binary,
    )?;
    store_programs::refuse_programs(context, folders, &draft.secrets)?;
    Ok(draft.passed(scopes, context.env))
}

// Refuses commands that go through a process of an earlier launch, which may have another account. Logins have a check
// of their own in `login`.
fn refuse_shared(agent: &AgentSpec, start: &Start, words: &[OsString]) -> Result<(), PlanError> {
    let options =
        words.iter().take_while(|word| *word != "--").filter(|word| word.as_encoded_bytes().starts_with(b"-"));
    let mut named = words.iter().take(1).chain(options).filter_map(|word| word.to_str());
    let command = || agent.command.clone();
    if let Some(word) = named.find(|word| agent.shared.iter().any(|shared| shared == word)) {
        return Err(PlanError::Shared { command: command(), binary: start.binary.clone(), word: word.to_owned() });
    }
    match agent.teammates.as_ref().and_then(|mates| Some((mates, mates.value_in(words)?))) {
        Some((mates, given)) if given != mates.value => Err(PlanError::Teammates {
            command: command(),
            option: mates.option.clone(),
            given: given.to_owned(),
            value: mates.value.clone(),
        }),
        _ => Ok(()),
    }
}
