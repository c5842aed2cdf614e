//! `ringlet shims`: links named after the agents, for scripts and editors that read no rc file.

use super::Session;
use crate::cli::Shims;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::name::Agent;
use crate::output::Style;
use crate::platform;
use crate::words;
use serde_json::json;
use std::path::Path;

/// `ringlet shims install|remove`
pub(super) fn run(host: &mut Host, session: &Session, command: Shims) -> Result<(), Failure> {
    let folder = session.paths.shims();
    match command {
        Shims::Install { agents } => {
            super::refuse_config_home(&host.world, "a link")?;
            let commands = if agents.is_empty() {
                crate::hook::commands(&session.paths, &session.settings, &session.registry, &host.world.env)?
            } else {
                commands_of(session, &agents)?
            };
            if commands.is_empty() {
                return Err(Failure::new("no agent is bound by a profile or found on PATH")
                    .hint("name the agents: `ringlet shims install claude`"));
            }
            link(session, &session.lasting_path(&host.world)?, &commands)?;
            if host.output.wants_json() {
                host.output.json(&json!({ "folder": folder.to_string_lossy(), "commands": commands }));
            } else {
                host.output.line(&[(Style::Plain, &folder.display().to_string())]);
                host.output.note(format!("links for {}", commands.join(", ")));
                let search = host.world.env.get("PATH").unwrap_or_default();
                if !std::env::split_paths(search).any(|entry| entry == folder) {
                    host.output.note("put this folder at the head of PATH where scripts and editors start agents");
                }
            }
        }
        Shims::Remove { agents } => {
            let names = if agents.is_empty() {
                remove_leftovers(&folder);
                installed(&folder)?
            } else {
                commands_of(session, &agents)?
            };
            for name in &names {
                let link = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
                match platform::remove_link(&link) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        return Err(Failure::new(format!("there is no link for {name} in {}", folder.display())));
                    }
                    done => done.map_err(|error| Failure::io("removed", &link, &error))?,
                }
            }
            host.output.note(match names.len() {
                1 => "removed 1 link".to_owned(),
                many => format!("removed {many} links"),
            });
        }
    }
    Ok(())
}

/// Returns the links that do not start this ringlet, each with what is wrong and what mends it. A shell finds the link
/// before the agent, so the agent is not found or starts without its key.
pub(super) fn broken(session: &Session, ringlet: &Path) -> Vec<(String, Hint)> {
    let folder = session.paths.shims();
    let wrong = |name: &String| {
        let link = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        let said = match link.canonicalize() {
            Err(_) => "leads nowhere".to_owned(),
            Ok(_) if platform::is_linked(ringlet, &link) => return None,
            Ok(file) => format!("leads to {}, which is not this ringlet", file.display()),
        };
        let text = format!("the link {} {said}", session.paths.pretty(&link));
        Some((text, Hint::run(words!["ringlet", "shims", "install", name])))
    };
    installed(&folder).unwrap_or_default().iter().filter_map(wrong).collect()
}

/// Makes or renews the links for these commands.
pub(super) fn link(session: &Session, ringlet: &Path, commands: &[String]) -> Result<(), Failure> {
    let folder = session.paths.shims();
    platform::create_private_folder(&folder).map_err(|error| Failure::io("created", &folder, &error))?;
    for command in commands {
        let link = folder.join(format!("{command}{}", std::env::consts::EXE_SUFFIX));
        platform::link_to(ringlet, &link).map_err(|error| Failure::io("created", &link, &error))?;
    }
    Ok(())
}

// Agents by name or command; only commands that ringlet knows, since a link's name is all it has to go by.
fn commands_of(session: &Session, words: &[String]) -> Result<Vec<String>, Failure> {
    words
        .iter()
        .map(|word| {
            let resolution = session.registry.agents_for(word)?;
            if resolution.agents.is_empty() {
                session.registry.agent(&word.parse::<Agent>()?)?;
            }
            Ok(resolution.command)
        })
        .collect()
}

// Names with a dot are what a crash left of a link, or links that were moved aside. No shell looks for them.
const LEFTOVER: char = '.';

// Removes what can be removed. A program that still runs stays until the next time.
fn remove_leftovers(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(LEFTOVER) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn installed(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::io("listed", folder, &error)),
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with(LEFTOVER))
        .map(|name| name.strip_suffix(std::env::consts::EXE_SUFFIX).unwrap_or(&name).to_owned())
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    #[test]
    fn links_are_made_for_named_agents_and_removed() {
        let home = Home::new();
        let made = home.run(&["--json", "shims", "install", "claude"]).json();
        assert_eq!(made["commands"], serde_json::json!(["claude"]));
        let folder = home.path.join(".local/state/ringlet/shims");
        assert!(folder.join("claude").symlink_metadata().is_ok());
        home.write(".local/state/ringlet/shims/.ringlet-1-codex", "");
        assert!(home.run(&["shims", "remove"]).succeeds().err.contains("removed 1 link"));
        assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 0);
    }

    #[test]
    fn nothing_to_link_and_nothing_to_remove_are_said() {
        let home = Home::new();
        home.run(&["shims", "install"]).is_refused(1, "no agent is bound");
        home.run(&["shims", "remove", "claude"]).is_refused(1, "there is no link for claude");
        home.run(&["shims", "install", "nobody"]).is_refused(1, "nobody");
        home.run(&["--config-home", "c", "shims", "install", "claude"]).is_refused(2, "cannot be kept by a link");
    }
}
