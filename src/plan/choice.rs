//! The profile that governs a directory.

use super::{Context, PlanError, find_binary};
use crate::config::{MAX_BYTES, ProjectFile, Source, find_project_file};
use crate::name::{Agent, Profile};
use crate::platform;
use crate::trust::{Evidence, Trust, Verdict};
use std::path::{Path, PathBuf};

/// The project file that governs a directory, read once.
pub(crate) struct Project {
    /// The file's path.
    pub file: PathBuf,
    /// The user's decision about the file.
    pub verdict: Verdict,
    /// The parsed content of a trusted file.
    pub content: Option<ProjectFile>,
}

/// The profile that a launch uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// No profile. The agent starts as if Ringlet were not installed.
    None,
    /// A profile, and the reason for it.
    Profile(Profile, Why),
}

/// The reason why a profile is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// The command line names it.
    Option,
    /// The project's file names it.
    Project(PathBuf),
    /// It is the user's default.
    Default,
}

/// Returns the project file that governs the working directory, whatever the user decided about it.
pub(crate) fn governing_file(context: &Context<'_>) -> Result<Option<PathBuf>, PlanError> {
    find_project_file(context.cwd, context.paths, context.settings)
        .map_err(|error| PlanError::Search { start: context.cwd.into(), error })
}

/// Reads the governing project file once, checks its trust, and parses the same bytes if it is trusted.
pub(crate) fn find_project(context: &Context<'_>) -> Result<Option<Project>, PlanError> {
    let Some(file) = governing_file(context)? else { return Ok(None) };
    let evidence = Evidence::read(&file, MAX_BYTES)?;
    let mut verdict = Trust::new(context.paths, &context.settings.trust.allow_under).verdict(&evidence)?;
    let parse = || ProjectFile::parse(&Source::from_bytes(&file, evidence.bytes, None)?);
    let content = match &mut verdict {
        Verdict::Trusted => Some(parse()?),
        // For people alone: nothing that such a file names takes effect.
        Verdict::Changed { now, .. } => {
            *now = parse().ok().map(|file| file.describe());
            None
        }
        Verdict::Unknown | Verdict::Denied | Verdict::Exposed(_) => None,
    };
    Ok(Some(Project { file, verdict, content }))
}

/// Chooses the profile for the agents that a word may mean. Fails for a project file that is not trusted.
pub(crate) fn choose(context: &Context<'_>, project: Option<&Project>, agents: &[Agent]) -> Result<Choice, PlanError> {
    let default = || match &context.settings.default_profile {
        Some(name) => Choice::Profile(name.clone(), Why::Default),
        None => Choice::None,
    };
    let Some(project) = project else { return Ok(default()) };
    let Some(content) = &project.content else {
        let (file, verdict) = (project.file.clone(), project.verdict.clone());
        let agent = agents.first().and_then(|agent| context.registry.agent(agent).ok());
        let agent = agent.and_then(|agent| find_binary(context, &agent.command).ok());
        return Err(PlanError::NotAllowed { ceilings: ceilings(context, &file), file, verdict, agent });
    };
    Ok(match content.profile_for(agents) {
        Some(name) => Choice::Profile(name.clone(), Why::Project(project.file.clone())),
        None => default(),
    })
}

// Returns the line for config.toml that excludes another user's file from the search, or none if the file is the user's
// own. /tmp is writable by all users, so a file there would govern every directory below it.
fn ceilings(context: &Context<'_>, file: &Path) -> Option<String> {
    let is_ours = platform::access(file).is_ok_and(|access| access.is_ours());
    let folder = file.parent().filter(|_| !is_ours)?;
    let all = context.settings.ceiling_dirs.iter().map(PathBuf::as_path).chain([folder]);
    let all = all.map(|path| path.to_str().map(toml::Value::from)).collect::<Option<Vec<_>>>()?;
    Some(format!("ceiling-dirs = {}", toml::Value::Array(all)))
}
