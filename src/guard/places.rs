//! The files and folders of a project that an agent loads by itself, as far as they exist.

use crate::git;
use crate::platform;
use crate::registry::{AgentSpec, Guard};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// An existing file or folder that the agent loads.
#[derive(Debug, Clone)]
pub(super) struct GuardedPath<'a> {
    /// The directory whose configuration it is.
    pub level: PathBuf,
    /// The file or folder.
    pub path: PathBuf,
    /// The rules for its content.
    pub guard: &'a Guard,
}

/// The existing files and folders of an agent, in a directory and above it.
pub(super) struct GuardedPaths<'a> {
    /// Everything outside the home directory's own level, which belongs to the user.
    pub found: Vec<GuardedPath<'a>>,
    /// Whether any file of the agent exists. Files in its own folder in the home directory do not count.
    pub anything: bool,
}

/// Searches a canonical directory, the roots of its repositories, and the directories that a `.git` file names. Files
/// that the agent searches for above its directory are searched for up to the root of the file system. The files
/// directly in the home directory belong to the user.
///
/// If the agent starts in another directory (`here`), the files that its runtime reads at the start are searched for
/// there.
pub(super) fn find<'a>(
    agent: &'a AgentSpec,
    directory: &Path,
    here: &Path,
    home: &Path,
) -> io::Result<GuardedPaths<'a>> {
    let mut places = GuardedPaths { found: Vec::new(), anything: false };
    search(&agent.guard.iter().collect::<Vec<_>>(), directory, home, &mut places)?;
    if here != directory {
        let read: Vec<&Guard> = agent.guard.iter().filter(|guard| guard.at_start).collect();
        search(&read, here, home, &mut places)?;
    }
    Ok(places)
}

fn search<'a>(guards: &[&'a Guard], directory: &Path, home: &Path, places: &mut GuardedPaths<'a>) -> io::Result<()> {
    let mut roots = Vec::new();
    let first = |guard: &&'a Guard| guard.file.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let names: HashSet<String> = guards.iter().map(first).chain([".git".to_owned()]).collect();
    platform::ascend(directory, |level| {
        // Canonical paths are compared by their text.
        let is_home = level.path.as_os_str() == home.as_os_str();
        // In the home directory only the existence of any file matters.
        if is_home && places.anything {
            return Ok(true);
        }
        // Most directories have none of the names. To ask for each of them takes most of a launch in a deep one.
        if level.surely_lacks(&names) {
            return Ok(true);
        }
        let is_root = level.has(".git")?;
        if is_root {
            roots.push(level.path.to_owned());
        }
        let is_start = level.path.as_os_str() == directory.as_os_str();
        // Most files of an agent lie in one folder, which most directories do not have.
        let (mut absent, mut present) = (None, None);
        for &guard in guards.iter().filter(|guard| is_start || is_root || guard.above) {
            let folder = guard.file.split_once('/').map(|(folder, _)| folder);
            if folder.is_some() && absent == folder {
                continue;
            }
            if let Some(folder) = folder.filter(|folder| present != Some(*folder)) {
                if !level.has(folder)? {
                    absent = Some(folder);
                    continue;
                }
                present = Some(folder);
            }
            if level.has(&guard.file)? {
                add(places, level.path, guard, is_home);
            }
        }
        Ok(true)
    })?;
    for root in roots {
        for linked in git::linked_directories(&root) {
            if linked != home && !directory.starts_with(&linked) {
                in_folder(guards, &linked, places);
            }
        }
    }
    Ok(())
}

/// Searches the folder of one more path, and the roots of the repositories that hold it.
pub(super) fn around<'a>(agent: &'a AgentSpec, added: &Path, home: &Path, places: &mut GuardedPaths<'a>) {
    let is_root = |folder: &Path| folder.join(".git").symlink_metadata().is_ok();
    let guards: Vec<&Guard> = agent.guard.iter().collect();
    let folder = if added.is_dir() { added } else { added.parent().unwrap_or(added) };
    for folder in folder.ancestors().filter(|at| *at != home && (*at == folder || is_root(at))) {
        in_folder(&guards, folder, places);
    }
}

fn in_folder<'a>(guards: &[&'a Guard], folder: &Path, places: &mut GuardedPaths<'a>) {
    for &guard in guards {
        if folder.join(&guard.file).symlink_metadata().is_ok() {
            add(places, folder, guard, false);
        }
    }
}

/// Reports whether no folder below a directory holds a file of the agent. The agent reads such a file once it works
/// there. The search gives up after 256 entries and then returns false.
pub(crate) fn is_bare_below(agent: &AgentSpec, directory: &Path) -> bool {
    const MOST: usize = 256;
    let names: HashSet<&str> = agent
        .guard
        .iter()
        .flat_map(|guard| guard.file.split('/').next().into_iter().chain(guard.file.rsplit('/').next()))
        .collect();
    let (mut folders, mut left) = (vec![directory.to_owned()], MOST);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { return false };
        for entry in entries {
            let Ok(entry) = entry else { return false };
            let name = entry.file_name();
            if left == 0 || name.to_str().is_some_and(|name| names.contains(name)) {
                return false;
            }
            left -= 1;
            if name != ".git" && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    true
}

fn add<'a>(places: &mut GuardedPaths<'a>, level: &Path, guard: &'a Guard, is_home: bool) {
    // An agent that ignores the project still reads its own folder in the home directory, so that folder does not
    // count.
    places.anything |= !is_home || !guard.file.contains('/');
    if !is_home {
        places.found.push(GuardedPath { level: level.to_owned(), path: level.join(&guard.file), guard });
    }
}
