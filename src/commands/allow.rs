//! `ringlet allow` and `ringlet deny`: the user's word about a project's files.

use super::Setting;
use crate::config::{MAX_BYTES, PROJECT_FILE, ProjectFile, Source};
use crate::failure::Failure;
use crate::host::Host;
use crate::profile::Profiles;
use crate::trust::{Evidence, Trust};
use std::path::{Path, PathBuf};

const MAX_FILE: u64 = 1 << 30;

/// `ringlet allow [PATH]`
pub(super) fn allow(host: &mut Host, setting: &Setting, path: Option<&Path>) -> Result<(), Failure> {
    let file = target(host, path)?;
    let trust = Trust::new(&setting.paths, &setting.settings.trust.allow_under);
    let is_project = file.file_name().is_some_and(|name| name == PROJECT_FILE);
    if file.symlink_metadata().is_err() {
        let made = Failure::new(format!("{} does not exist", file.display()));
        return Err(if is_project { made.hint("run `ringlet init PROFILE` to write one") } else { made });
    }
    let evidence = Evidence::read_any(&file, if is_project { MAX_BYTES } else { MAX_FILE })?;
    evidence.refuse_others()?;
    if !is_project {
        trust.allow(&evidence)?;
        host.output.note(format!("allowed {} as it is now", file.display()));
        return Ok(());
    }
    // What does not parse is not worth allowing: the same bytes would only be refused at the launch.
    let project = ProjectFile::parse(&Source::from_bytes(&file, evidence.bytes.clone(), None)?)?;
    trust.allow(&evidence)?;
    host.output.note(format!("allowed {}: {}", file.display(), describe(&project)));
    let profiles = Profiles::new(&setting.paths, &setting.registry);
    for name in project.profile.iter().chain(project.agents.values()) {
        if let Err(error) = profiles.read(name) {
            let failure = Failure::from(error);
            host.output.warn(&failure.message);
            failure.hints.iter().for_each(|hint| host.output.note(hint));
        }
    }
    Ok(())
}

/// `ringlet deny [PATH]`
pub(super) fn deny(host: &mut Host, setting: &Setting, path: Option<&Path>) -> Result<(), Failure> {
    let file = target(host, path)?;
    Trust::new(&setting.paths, &[]).deny(&file)?;
    host.output.note(format!("denied {} until you allow it again", file.display()));
    Ok(())
}

/// One line on what a project file chooses.
pub(super) fn describe(project: &ProjectFile) -> String {
    let all = project.profile.iter().map(|name| format!("profile {name}"));
    let some = project.agents.iter().map(|(agent, name)| format!("profile {name} for {agent}"));
    all.chain(some).collect::<Vec<_>>().join(", ")
}

// A directory stands for its project file; any other path for itself.
fn target(host: &Host, path: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = match path {
        Some(path) if path.is_absolute() => path.to_owned(),
        Some(path) => host.world.cwd()?.join(path),
        None => host.world.cwd()?.to_owned(),
    };
    let is_agents_folder = path.components().any(|part| {
        part.as_os_str()
            .to_str()
            .is_some_and(|name| name.starts_with('.') && name.len() > 1 && name != ".." && name != PROJECT_FILE)
    });
    if path.is_dir() && (path.join(PROJECT_FILE).symlink_metadata().is_ok() || !is_agents_folder) {
        return Ok(resolved(&path).join(PROJECT_FILE));
    }
    // A launch finds it from a working directory without symlinks.
    match path.parent().filter(|_| path.file_name().is_some_and(|name| name == PROJECT_FILE)) {
        Some(folder) => Ok(resolved(folder).join(PROJECT_FILE)),
        None => Ok(path),
    }
}

fn resolved(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}
