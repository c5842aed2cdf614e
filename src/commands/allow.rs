//! `ringlet allow` and `ringlet deny`: which of a project's files may take effect.

use super::Session;
use crate::config::{MAX_BYTES, PROJECT_FILE, ProjectFile, Source};
use crate::failure::{Failure, close_to_others};
use crate::guard::{self, Binding};
use crate::host::Host;
use crate::name::{looks_like_a_key, shorten};
use crate::plan::{self, Context};
use crate::profile::Profiles;
use crate::trust::{Bound, Evidence, Trust};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const MAX_PROGRAM: u64 = 1 << 30;

/// `ringlet allow [PATH...]`
pub(super) fn allow(host: &mut Host, session: &Session, paths: &[PathBuf]) -> Result<(), Failure> {
    let here = [PathBuf::from(".")];
    for path in if paths.is_empty() { &here } else { paths } {
        let file = target(host, session, path)?;
        if is_project(&file) {
            allow_project(host, session, &file)?;
        } else {
            allow_file(host, session, &file)?;
        }
    }
    Ok(())
}

/// `ringlet allow --all [DIR]`
pub(super) fn allow_all(host: &mut Host, session: &Session, folder: Option<&Path>) -> Result<(), Failure> {
    let folder = host.world.cwd()?.join(folder.unwrap_or(Path::new("")));
    let folder =
        folder.canonicalize().map_err(|error| Failure::new(format!("{} cannot be opened: {error}", shown(&folder))))?;
    let at = Context { cwd: &folder, ..session.context(&host.world)? };
    let found = plan::governing_file(&at)?;
    let profiles = match &found {
        Some(file) => {
            let project = allow_project(host, session, file)?;
            project.profile.iter().chain(project.agents.values()).cloned().collect()
        }
        None => session.settings.default_profile.iter().cloned().collect::<BTreeSet<_>>(),
    };
    if profiles.is_empty() {
        return Err(Failure::new(format!("no profile governs {}", folder.display()))
            .hint("run `ringlet init PROFILE` to write a .ringlet.toml"));
    }
    let mut files: BTreeSet<PathBuf> = BTreeSet::new();
    for name in &profiles {
        let at = Context { cwd: &folder, ..session.context(&host.world)? };
        files.extend(plan::findings(&at, name)?.into_iter().map(|finding| finding.file));
    }
    if files.is_empty() {
        host.output.note("the agents find nothing else here that has to be allowed");
    }
    files.iter().try_for_each(|file| allow_file(host, session, file))
}

fn is_project(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == PROJECT_FILE)
}

fn allow_project(host: &mut Host, session: &Session, file: &Path) -> Result<ProjectFile, Failure> {
    if file.symlink_metadata().is_err() {
        if let Some(folder) = file.parent().filter(|folder| !folder.is_dir()) {
            return Err(Failure::new(format!("there is no folder {}", shown(folder))));
        }
        let made = Failure::new(format!("{} does not exist", file.display()));
        return Err(made.hint("run `ringlet init PROFILE` to write one"));
    }
    let evidence = Evidence::read(file, MAX_BYTES)?;
    // A file that does not parse is not allowed: a launch would refuse it.
    let project = ProjectFile::parse(&Source::from_bytes(file, evidence.bytes.clone(), None)?)?;
    Trust::new(&session.paths, &session.settings.trust.allow_under).allow(&evidence, Some(project.describe()))?;
    host.output.note(format!("allowed {}: {}", session.paths.pretty(file), project.describe()));
    let profiles = Profiles::new(&session.paths, &session.registry);
    for name in project.profile.iter().chain(project.agents.values()) {
        if let Err(error) = profiles.read(name) {
            let failure = Failure::from(error);
            host.output.warn(&failure.message);
            failure.hints.iter().for_each(|hint| host.output.note(hint));
        }
    }
    Ok(project)
}

fn allow_file(host: &mut Host, session: &Session, file: &Path) -> Result<(), Failure> {
    if file.symlink_metadata().is_err() {
        return Err(Failure::new(format!("{} does not exist", shown(file))));
    }
    let trust = Trust::new(&session.paths, &session.settings.trust.allow_under);
    let bindings = plan::bindings(&session.context(&host.world)?, file)?;
    for binding in bindings {
        match binding {
            Binding::Values { file, bound, by_name } => {
                refuse_open(&file)?;
                if file.is_dir() {
                    let below = bound.files.iter().map(|bound| file.join(&bound.path)).collect::<Vec<_>>();
                    let above = |path| Path::ancestors(path).skip(1).take_while(|folder| *folder != file);
                    let folders: BTreeSet<&Path> = below.iter().flat_map(|path| above(path)).collect();
                    folders.into_iter().chain(below.iter().map(PathBuf::as_path)).try_for_each(refuse_open)?;
                }
                let lines = described(&bound, &by_name);
                trust.allow_values(&file, bound)?;
                host.output.note(format!("allowed {}", session.paths.pretty(&file)));
                if file.is_dir() {
                    host.output.note("  what these files load from elsewhere is not bound");
                }
                lines.iter().for_each(|line| host.output.note(format!("  {line}")));
            }
            Binding::Bytes(file) => {
                let evidence = Evidence::read(&file, MAX_PROGRAM)?;
                refuse_open(&file)?;
                trust.allow(&evidence, None)?;
                host.output.note(format!(
                    "allowed {} as it is now; what it names or loads is not bound",
                    session.paths.pretty(&file)
                ));
            }
            Binding::Harmless(file) => {
                // An earlier denial is taken back all the same.
                trust.allow_values(&file, Bound::default())?;
                host.output.note(format!("{} holds nothing that has to be allowed", session.paths.pretty(&file)));
            }
        }
    }
    Ok(())
}

// Shows a path that does not exist. It may be a pasted key.
fn shown(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if looks_like_a_key(&name) { shorten(&name) } else { path.display().to_string() }
}

// Refuses a file that others may write: a launch would refuse it in spite of the record.
fn refuse_open(file: &Path) -> Result<(), Failure> {
    match guard::open_to_others(file) {
        Some(access) => {
            Err(Failure::new(format!("{}: others may write it ({access})", file.display())).hint(close_to_others(file)))
        }
        None => Ok(()),
    }
}

// Returns what a record binds, in lines.
fn described(bound: &Bound, by_name: &[String]) -> Vec<String> {
    const SHOWN: usize = 20;
    let values = bound.values.iter().map(guard::describe);
    let files = bound.files.iter().map(|file| format!("{} by its content", guard::describe_file(file)));
    let mut lines: Vec<String> = values.chain(files).collect();
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("and {more} more"));
    }
    lines.extend(by_name.iter().map(|entry| format!("{entry}: what this starts by name is not bound")));
    lines
}

/// `ringlet deny [PATH]`
pub(super) fn deny(host: &mut Host, session: &Session, path: Option<&Path>) -> Result<(), Failure> {
    let file = target(host, session, path.unwrap_or(Path::new("")))?;
    let has_file = file.symlink_metadata().is_ok();
    if !has_file && !file.parent().is_some_and(Path::is_dir) {
        return Err(Failure::new(format!("there is no folder {}", shown(file.parent().unwrap_or(&file)))));
    }
    Trust::new(&session.paths, &[]).deny(&file)?;
    let more = if has_file { "" } else { ", should there be one," };
    host.output.note(format!("denied {}{more} until you allow it again", session.paths.pretty(&file)));
    Ok(())
}

// Returns the file that a path stands for. A directory stands for its project file, unless agents load code from it.
fn target(host: &Host, session: &Session, path: &Path) -> Result<PathBuf, Failure> {
    let path: PathBuf = host.world.cwd()?.join(path).components().collect();
    if path.is_dir() {
        let has_file = path.join(PROJECT_FILE).symlink_metadata().is_ok();
        let is_loaded = !has_file && plan::is_loaded(&session.context(&host.world)?, &path)?;
        return Ok(if is_loaded { path } else { resolved(&path).join(PROJECT_FILE) });
    }
    // A launch looks for the file from a working directory without symlinks.
    match path.parent().filter(|_| is_project(&path)) {
        Some(folder) => Ok(resolved(folder).join(PROJECT_FILE)),
        None => Ok(path),
    }
}

fn resolved(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    #[test]
    fn a_project_file_is_allowed_as_it_is_and_denied() {
        let home = Home::with_profile("work");
        let trust = || home.run(&["--json", "status"]).json()["project"]["trust"].clone();
        home.write(".ringlet.toml", "profile = \"work\"\n");
        assert_eq!(trust(), "not allowed");
        home.run(&["allow"]).succeeds();
        assert_eq!(trust(), "allowed");
        home.write(".ringlet.toml", "profile = \"work\"\n# changed\n");
        assert_eq!(trust(), "not allowed any more: it has changed, and names profile work as before");
        home.write(".ringlet.toml", "profile = \"evil\"\n[agents]\ncodex = \"work\"\n");
        let now = "it has changed, from profile work to profile evil, profile work for codex";
        assert_eq!(trust(), format!("not allowed any more: {now}"));
        home.write(".ringlet.toml", "profile = \"\u{1b}[31mevil\"\n");
        assert_eq!(trust(), "not allowed any more: it has changed, and named profile work before");
        home.run(&["deny"]).succeeds();
        assert_eq!(trust(), "denied");
    }

    #[test]
    fn what_is_not_there_cannot_be_allowed_and_a_pasted_key_is_not_repeated() {
        let home = Home::new();
        home.run(&["allow"]).is_refused(1, ".ringlet.toml");
        let pasted = home.run(&["allow", "sk-ant-api03-TESTTESTTESTTESTTESTTESTTESTTESTTESTTEST"]);
        assert!(pasted.status != 0 && !pasted.err.contains("TESTTEST"), "{pasted:?}");
    }
}
