//! Calls the guard for a launch, for `status` and for `allow`.

use super::draft::{Draft, Means};
use super::launch_plan::Start;
use super::{Context, PlanError, ProjectFolders, SecretUse, Sink, find_binary, installed_version};
use crate::guard::{self, ArgumentPaths, Bind, Binding, Finding, Launch, prefix_of};
use crate::name::Profile;
use crate::platform;
use crate::profile::{Account, Profiles, Resolved};
use crate::registry::{AgentSpec, Version};
use crate::trust::Trust;
use std::path::Path;
use std::sync::Arc;

/// Inspects the project. Fails if the agent would load something that is neither harmless nor allowed. Returns whether
/// any file of the agent exists.
pub(super) fn guard_project(
    context: &Context<'_>,
    here: &Path,
    folders: &ProjectFolders<'_>,
    arguments: &ArgumentPaths,
    resolved: &Resolved,
    version: Option<&Version>,
    secrets: &[SecretUse],
) -> Result<bool, PlanError> {
    let home = platform::canonical(&context.paths.home).unwrap_or_else(|_| context.paths.home.clone());
    let reach = resolved.account.reach();
    let provider = resolved.account.provider().map(|provider| &provider.value);
    let keys = reach.into_iter().flat_map(|reach| std::iter::once(&reach.key_variable).chain(&reach.api.bearer));
    let mut prefixes: Vec<String> =
        keys.chain(provider.map(|provider| &provider.variable)).filter_map(|name| prefix_of(name.as_str())).collect();
    prefixes.dedup();
    // `ringlet` is the provider's name in OpenCode, if OpenCode does not know the provider.
    let models = reach.map(|reach| reach.provider_name.as_str()).into_iter().chain(["ringlet"]);
    let launch = Launch {
        agent: &resolved.agent,
        version,
        directory: context.cwd,
        here,
        home: &home,
        arguments,
        env: context.env,
        has_variable: secrets.iter().any(|used| matches!(used.sink, Sink::Variable(_))),
        is_login: matches!(resolved.account, Account::Login { .. }),
        prefixes,
        models: models.map(|name| format!("{name}/")).collect(),
        inside: &|path| folders.holding(path).is_some(),
    };
    let inspection = guard::inspect(&launch, &Trust::new(context.paths, &context.settings.trust.allow_under))?;
    if inspection.findings.is_empty() {
        Ok(inspection.anything)
    } else {
        Err(PlanError::Guarded { findings: inspection.findings })
    }
}

/// Returns the findings in the context's directory for every agent that a profile binds.
pub(crate) fn findings(context: &Context<'_>, profile: &Profile) -> Result<Vec<Finding>, PlanError> {
    let profiles = Profiles::new(context.paths, context.registry);
    let file = profiles.read(profile)?;
    let folders = ProjectFolders::new(context)?;
    let mut findings = Vec::new();
    for agent in file.bindings.keys() {
        let Some(resolved) = profiles.resolve(&file, agent)? else { continue };
        let command = resolved.agent.command.clone();
        // The agent may be installed later.
        let binary = find_binary(context, &command).unwrap_or_default();
        let version = installed_version(&resolved.agent, &command, &binary);
        let start = Start { command, binary, arguments: Vec::new() };
        let means = Means { version: version.as_ref(), ..Means::default() };
        let draft = Draft::new(start, &means, &[], resolved, context.env);
        let resolved = &draft.part.resolved;
        let arguments = ArgumentPaths::default();
        match guard_project(context, context.cwd, &folders, &arguments, resolved, version.as_ref(), &draft.secrets) {
            Ok(_) => {}
            Err(PlanError::Guarded { findings: found }) => findings.extend(found),
            Err(error) => return Err(error),
        }
    }
    Ok(findings)
}

/// Returns the records that allowing a file or folder would make, for every agent that would load it.
pub(crate) fn bindings(context: &Context<'_>, path: &Path) -> Result<Vec<Binding>, PlanError> {
    let agents = agents(context)?;
    let mut prefixes = Vec::new();
    for name in context.registry.provider_names()? {
        let provider = context.registry.provider(&name.parse().expect("only valid names are listed"))?;
        prefixes.extend(prefix_of(provider.variable.as_str()));
    }
    for api in agents.iter().flat_map(|agent| &agent.api) {
        prefixes.extend(api.key.iter().chain(&api.bearer).filter_map(|name| prefix_of(name.as_str())));
    }
    prefixes.sort();
    prefixes.dedup();
    let there = path.parent().and_then(|folder| platform::canonical(folder).ok());
    let mut folders = ProjectFolders::new(context)?;
    if let Some(there) = there {
        folders.add(&there)?;
    }
    let inside = |path: &Path| folders.holding(path).is_some();
    let home = platform::canonical(&context.paths.home).unwrap_or_else(|_| context.paths.home.clone());
    let bind = Bind { agents: &agents, prefixes: &prefixes, directory: context.cwd, home: &home, inside: &inside };
    Ok(guard::bind(&bind, path)?)
}

/// Reports whether any agent loads a folder by itself.
pub(crate) fn is_loaded(context: &Context<'_>, folder: &Path) -> Result<bool, PlanError> {
    let agents = agents(context)?;
    // A folder that only contains guarded files counts as well, so that it is not taken for a project.
    Ok(agents.iter().flat_map(|agent| &agent.guard).any(|guard| {
        let first = guard.file.split('/').next().unwrap_or_default();
        folder.ends_with(&guard.file) || (first.starts_with('.') && folder.ends_with(first))
    }))
}

fn agents(context: &Context<'_>) -> Result<Vec<Arc<AgentSpec>>, PlanError> {
    let names = context.registry.agent_names()?;
    let agents = names.iter().map(|name| context.registry.agent(&name.parse().expect("only valid names are listed")));
    Ok(agents.collect::<Result<_, _>>()?)
}
