//! Shells: whether start files load the hook, what hides the functions, links, completions and manual pages.

use crate::commands::check::Checks;
use crate::commands::completions::Place;
use crate::commands::{Session, hook, man, shims};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::migrate;
use crate::platform;
use crate::shell::Shell;
use crate::words;
use std::path::PathBuf;

pub(super) fn check(host: &Host, session: &Session, checks: &mut Checks) -> Result<(), Failure> {
    if let Ok(ringlet) = host.world.executable() {
        for (text, hint) in shims::broken(session, ringlet) {
            checks.bad(text, hint);
        }
    }
    if let Some(folder) = hook::off_path(host) {
        let text =
            format!("ringlet is not on PATH, where the hook's line looks for it: put {} on it", folder.display());
        let command = words![host.world.executable()?, "doctor"];
        checks.note(text, Hint::from("then run ").command(command).and(" again"));
    }
    checks.extend(hook::loaded(host, session, &hook::rc_files(host, session)));
    let commands = crate::hook::commands(&session.paths, &session.settings, &session.registry, &host.world.env)?;
    for (file, bytes) in &start_files(host, session) {
        for (line, command, what) in definitions(&String::from_utf8_lossy(bytes), &commands) {
            let place = format!("{}:{line}", session.paths.pretty(file));
            let why = match what {
                "a function" => "the hook leaves a function alone",
                _ => "an alias behind the hook's line hides ringlet's function",
            };
            let hint = Hint::from("remove the line to be sure; ").command(words!["ringlet", "status", command]);
            let text = format!("{place} defines {what} {command} of its own; {why}");
            checks.note(text, hint.and(" says what the name is in this shell"));
        }
    }
    installed(host, checks)
}

// Completions and pages of another version offer what is not there. That there are none is said for the user's shell.
fn installed(host: &Host, checks: &mut Checks) -> Result<(), Failure> {
    let users = Shell::of_user(&host.world.env);
    for shell in Shell::ALL {
        let state = Place::of(&host.world, shell)?.and_then(|place| place.is_current(shell));
        let hint = Hint::run(words!["ringlet", "completions", shell.name(), "--install"]);
        match state {
            Some(true) => checks.good(format!("the completions for {shell} are installed")),
            Some(false) => checks.note(format!("the completions for {shell} are of another version"), hint),
            None if shell == users && shell != Shell::PowerShell && !is_packaged(shell) => {
                checks.note(format!("no completions for {shell} are installed"), hint)
            }
            None => {}
        }
    }
    let hint = Hint::run(["ringlet", "man", "--install"]);
    match man::is_current(&man::folder(&host.world)?) {
        Some(true) => checks.good("the manual pages are installed"),
        Some(false) => checks.note("the manual pages are of another version", hint),
        None if cfg!(windows) || man::is_packaged() => {}
        None => checks.note("no manual pages are installed", hint),
    }
    Ok(())
}

// Whether a package has put them where every user's shell looks.
fn is_packaged(shell: Shell) -> bool {
    let files: &[&str] = match shell {
        Shell::Bash => &["bash-completion/completions/ringlet"],
        Shell::Zsh => &["zsh/vendor-completions/_ringlet", "zsh/site-functions/_ringlet"],
        Shell::Fish => &["fish/vendor_completions.d/ringlet.fish"],
        Shell::Nushell => &["nushell/vendor/autoload/ringlet-completions.nu"],
        Shell::PowerShell => &[],
    };
    let shared = ["/usr/share", "/usr/local/share", "/opt/homebrew/share"];
    shared.iter().any(|folder| files.iter().any(|file| PathBuf::from(folder).join(file).exists()))
}

// Returns these files and those that they source, in which an agent's name may be redefined.
fn start_files(host: &Host, session: &Session) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = hook::rc_files(host, session);
    let candidates = migrate::files::candidates(&session.paths, &host.world.env);
    let sourced =
        candidates.into_iter().filter(|candidate| !candidate.role.is_report_only()).map(|candidate| candidate.path);
    for path in sourced {
        if !files.iter().any(|(file, _)| platform::same_file(file, &path))
            && let Ok(read) = platform::read_file(&path, 8 << 20)
        {
            files.push((path, read.bytes));
        }
    }
    files
}

// Finds aliases and functions with the agents' names, by the text of each line alone. The result is a note and no
// error.
fn definitions<'a>(text: &str, commands: &'a [String]) -> Vec<(usize, &'a str, &'static str)> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let words: Vec<&str> = line
            .split(|c: char| c.is_whitespace() || matches!(c, ';' | '=' | '(' | '{'))
            .filter(|word| !word.is_empty())
            .collect();
        for command in commands {
            let named = |at: usize| words.get(at).is_some_and(|word| word == command);
            let what = match words.first().copied() {
                Some("alias" | "Set-Alias" | "New-Alias")
                    if words[1..].iter().find(|word| !word.starts_with('-')).is_some_and(|word| word == command) =>
                {
                    "an alias"
                }
                Some("function") if named(1) => "a function",
                _ if named(0) && line.trim_start()[command.len()..].trim_start().starts_with("()") => "a function",
                _ => continue,
            };
            found.push((at + 1, command.as_str(), what));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_name_in_an_alias_or_function_is_found_by_line() {
        let text = "# alias claude=x\nalias claude='claude --x'\nclaude () { :; }\nfunction codex {\nclaude -p hi\n\
            alias cl=claude-x\nalias cc=claude\nalias -g codex=x\n";
        let commands = ["claude".to_owned(), "codex".to_owned()];
        let found = definitions(text, &commands);
        assert_eq!(
            found,
            [
                (2, "claude", "an alias"),
                (3, "claude", "a function"),
                (4, "codex", "a function"),
                (8, "codex", "an alias"),
            ]
        );
    }
}
