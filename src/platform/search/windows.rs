//! A file is a command by the ending of its name.

use super::{MOST_NAMES, named};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

// What CreateProcess runs, directly or through cmd.exe, in the system's own order. A `.ps1` is only run by
// PowerShell and a bare name (npm's shell script beside its `.cmd`) by no one, whatever PATHEXT says.
const KINDS: [&str; 4] = [".com", ".exe", ".bat", ".cmd"];

pub(in crate::platform) fn kind(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?;
    KINDS.into_iter().find(|kind| extension.eq_ignore_ascii_case(&kind[1..]))
}

/// Nothing of a folder is remembered here.
#[derive(Default)]
pub(super) struct SearchedFolders {}

/// Returns the commands that are in a folder. It is listed once, since each command may have several endings.
pub(super) fn commands_in<'a>(folder: &Path, wanted: &BTreeSet<&'a str>, _: &mut SearchedFolders) -> BTreeSet<&'a str> {
    let names = match std::fs::read_dir(folder) {
        Ok(entries) => {
            let names = entries.take(MOST_NAMES + 1).map(|entry| Some(entry.ok()?.file_name()));
            names.collect::<Option<Vec<OsString>>>().filter(|names| names.len() <= MOST_NAMES)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return BTreeSet::new(),
        Err(_) => None,
    };
    let likely = names.map(|names| named(&names, wanted));
    let likely = likely.as_ref().unwrap_or(wanted);
    likely.iter().filter(|command| !executables_in(folder, command).is_empty()).copied().collect()
}

pub(super) fn executables_in(folder: &Path, command: &str) -> Vec<PathBuf> {
    let order = std::env::var("PATHEXT").unwrap_or_default();
    spellings(command, &order).map(|name| folder.join(name)).filter(|path| is_executable(path)).collect()
}

/// The file names a command may have, best first: as given when it already has a kind, then by PATHEXT's order.
fn spellings(command: &str, order: &str) -> impl Iterator<Item = String> {
    let listed: Vec<_> =
        order.split(';').filter_map(|word| KINDS.into_iter().find(|kind| kind.eq_ignore_ascii_case(word))).collect();
    let kinds = if listed.is_empty() { KINDS.to_vec() } else { listed };
    let given = kind(Path::new(command)).map(|_| command.to_owned());
    given.into_iter().chain(kinds.into_iter().map(move |kind| format!("{command}{kind}")))
}

/// Reports whether the user may execute this regular file: its name decides.
pub(crate) fn is_executable(path: &Path) -> bool {
    // Not `is_file` of what it leads to alone: a Store app's alias cannot be followed, yet it can be run.
    kind(path).is_some() && std::fs::metadata(path).is_ok_and(|meta| !meta.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_looked_up_in_the_order_of_pathext_and_never_as_a_script_of_powershell() {
        let names = |command, order| spellings(command, order).collect::<Vec<_>>();
        assert_eq!(names("claude", ".PS1;.CMD;.JS;.EXE"), ["claude.cmd", "claude.exe"]);
        assert_eq!(names("claude", ""), ["claude.com", "claude.exe", "claude.bat", "claude.cmd"]);
        assert_eq!(names("claude.CMD", ".EXE"), ["claude.CMD", "claude.CMD.exe"]);
        assert_eq!(names("gpt-4.1", ".EXE"), ["gpt-4.1.exe"]);
    }

    #[test]
    fn only_what_the_system_can_start_is_executable() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["agent", "agent.ps1", "agent.cmd", "agent.EXE"] {
            std::fs::write(folder.path().join(name), "").expect("writable");
        }
        std::fs::create_dir(folder.path().join("agent.bat")).expect("writable");
        let executable = |name| is_executable(&folder.path().join(name));
        assert!(executable("agent.cmd") && executable("agent.EXE"));
        assert!(!executable("agent") && !executable("agent.ps1") && !executable("agent.bat") && !executable("no.exe"));
    }
}
