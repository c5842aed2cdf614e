//! Which files and folders of a project an agent loads by itself, and which of them are there.

use crate::git;
use crate::platform;
use crate::registry::{AgentSpec, Guard};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// Something of the agent's that is there.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    /// The directory that it belongs to.
    pub level: PathBuf,
    /// The file or folder.
    pub path: PathBuf,
    /// How it is looked at.
    pub guard: &'a Guard,
}

/// What is there, in the directory and above it.
pub(super) struct Places<'a> {
    /// Everything that is not the user's own.
    pub found: Vec<Place<'a>>,
    /// Whether anything of the agent's is there at all, in the home directory too.
    pub anything: bool,
}

/// Looks in a canonical directory; above it in the roots of its repositories, and up to the file system's root for what
/// the agent looks for that far; and where a `.git` file leads. The home directory is the user's own.
///
/// Where the agent is started in another directory, what its runtime reads is looked for there, too.
pub(super) fn find<'a>(agent: &'a AgentSpec, directory: &Path, here: &Path, home: &Path) -> io::Result<Places<'a>> {
    let mut places = Places { found: Vec::new(), anything: false };
    search(&agent.guard.iter().collect::<Vec<_>>(), directory, home, &mut places)?;
    if here != directory {
        let read: Vec<&Guard> = agent.guard.iter().filter(|guard| guard.at_start).collect();
        search(&read, here, home, &mut places)?;
    }
    Ok(places)
}

fn search<'a>(guards: &[&'a Guard], directory: &Path, home: &Path, places: &mut Places<'a>) -> io::Result<()> {
    let mut roots = Vec::new();
    platform::ascend(directory, |level| {
        // Canonical paths are the same only if their text is.
        let is_home = level.path.as_os_str() == home.as_os_str();
        // There it only matters whether anything is there at all.
        if is_home && places.anything {
            return Ok(true);
        }
        let is_root = level.has(".git")?;
        if is_root {
            roots.push(level.path.to_owned());
        }
        let is_start = level.path.as_os_str() == directory.as_os_str();
        // Most of an agent's files lie in one folder of its own, and most directories have none.
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
        for led in git::led_to(&root) {
            if led != home && !directory.starts_with(&led) {
                in_folder(guards, &led, places);
            }
        }
    }
    Ok(())
}

/// Looks at one more file or folder: in the folder, and in the roots of the repositories that hold it.
pub(super) fn around<'a>(agent: &'a AgentSpec, added: &Path, home: &Path, places: &mut Places<'a>) {
    let is_root = |folder: &Path| folder.join(".git").symlink_metadata().is_ok();
    let guards: Vec<&Guard> = agent.guard.iter().collect();
    let folder = if added.is_dir() { added } else { added.parent().unwrap_or(added) };
    for folder in folder.ancestors().filter(|at| *at != home && (*at == folder || is_root(at))) {
        in_folder(&guards, folder, places);
    }
}

fn in_folder<'a>(guards: &[&'a Guard], folder: &Path, places: &mut Places<'a>) {
    for &guard in guards {
        if folder.join(&guard.file).symlink_metadata().is_ok() {
            add(places, folder, guard, false);
        }
    }
}

/// Whether nothing of the agent's lies in the folders below a directory either, where it is read once the agent works
/// there. A directory with more than a few entries is not searched, and may hold something.
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

fn add<'a>(places: &mut Places<'a>, level: &Path, guard: &'a Guard, is_home: bool) {
    // The agent's own folder of the user's is read with the switch as well.
    places.anything |= !is_home || !guard.file.contains('/');
    if !is_home {
        places.found.push(Place { level: level.to_owned(), path: level.join(&guard.file), guard });
    }
}
