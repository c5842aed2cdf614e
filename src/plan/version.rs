//! Finds the installed version of an agent: from the path of its program, else by asking the program once.

use super::Context;
use crate::digest::Digest;
use crate::env::Env;
use crate::mark;
use crate::pins;
use crate::platform;
use crate::registry::{AgentSpec, Version, matches};
use std::path::Path;
use std::time::Duration;

// The limits of a program that prints its version: time, and bytes that are read.
const DEADLINE: Duration = Duration::from_secs(2);
const MAX_ANSWER: usize = 4096;

/// Returns the installed version in a text, as far as the path of the program tells it.
pub(crate) fn version_text(agent: &AgentSpec, command: &str, binary: &Path) -> Option<String> {
    installed_version(agent, command, binary).map(|version| version.text())
}

/// Returns the version from the path, without starting the program: from the npm package's `package.json` above it, or
/// from the names of folders and files that other installers make.
pub(super) fn installed_version(agent: &AgentSpec, command: &str, binary: &Path) -> Option<Version> {
    version_at(agent, command, &platform::canonical(binary).ok()?)
}

/// Like the function above, for a canonical path.
pub(super) fn version_at(agent: &AgentSpec, command: &str, real: &Path) -> Option<Version> {
    if let Some(package) = agent.package.as_deref().and_then(|package| package.strip_prefix("npm ")) {
        for folder in real.ancestors().skip(1).take(4) {
            let Ok(read) = platform::read_file(&folder.join("package.json"), 1 << 20) else { continue };
            let Ok(manifest) = serde_json::from_slice::<serde_json::Value>(&read.bytes) else { continue };
            if manifest.get("name").and_then(|name| name.as_str()) == Some(package) {
                return Version::parse(manifest.get("version")?.as_str()?);
            }
        }
    }
    // An adapter of the agent has its own versions.
    if command != agent.command {
        return None;
    }
    let parts: Vec<&str> = real.components().filter_map(|part| part.as_os_str().to_str()).collect();
    agent.version_in.iter().find_map(|pattern| {
        let wanted: Vec<&str> = pattern.split('/').collect();
        parts.windows(wanted.len()).find_map(|names| of_names(&wanted, names))
    })
}

fn of_names(wanted: &[&str], names: &[&str]) -> Option<Version> {
    let mut version = None;
    for (pattern, name) in wanted.iter().zip(names) {
        match pattern.split_once("{version}") {
            Some((before, after)) => version = Some(of_name(name, before, after)?),
            None if matches(pattern, name) => {}
            None => return None,
        }
    }
    version
}

// Returns the version in a name: the longest text of digits and dots between the parts of the pattern.
fn of_name(name: &str, before: &str, after: &str) -> Option<Version> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let starts = name.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at);
    starts.filter(|at| matches(before, &name[..*at])).find_map(|at| {
        let end = name[at..].find(|c| !is_number(c)).map_or(name.len(), |end| at + end);
        if matches(after, &name[end..]) { Version::parse(&name[at..end]) } else { None }
    })
}

/// Returns the version that the program prints. The result, or its absence, is stored with the program's digest, so
/// each program is asked once. Only a program with the agent's own name is asked, because a program of another name may
/// start any version.
///
/// The program, whose canonical path this is, must have passed the guard. It starts in the root directory, without any
/// variable that names an account. `started` is set before it starts.
pub(super) fn asked_version(
    context: &Context<'_>,
    agent: &AgentSpec,
    real: &Path,
    started: &mut bool,
) -> Option<Version> {
    let is_named = real.file_stem().is_some_and(|name| name == agent.command.as_str());
    if agent.version_args.is_empty() || !is_named {
        return None;
    }
    let digest = pins::measure(context.paths, real).ok()?.digest;
    let kept = context.paths.versions().join(Digest::of(digest.to_string().as_bytes()).to_string());
    if let Ok(Some(text)) = platform::read_record(&kept) {
        return Version::parse(text.trim());
    }
    // A wrapper may start Ringlet again, even with this question. The depth limit ends that.
    let (_, depth) = mark::launched(context.env, &agent.command).unwrap_or_default();
    if depth >= mark::MAX_DEPTH {
        return None;
    }
    let mut env: Env = context.env.clone();
    env.retain(|name| !agent.competes_with_login(name));
    env.set(mark::LOOP, mark::looped(depth + 1, &agent.command).into());
    *started = true;
    let answer = platform::ask_program(real, &agent.version_args, env.pairs(), DEADLINE, MAX_ANSWER);
    let words = answer.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    // Any other output is no version.
    let found = words.split_whitespace().next().filter(|word| Version::parse(word).is_some());
    // The file is only a cache. Without it the next launch asks again.
    let _ = platform::create_private_folder(&context.paths.versions())
        .and_then(|()| platform::replace_file(&kept, format!("{}\n", found.unwrap_or("none")).as_bytes()));
    Version::parse(found?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_told_by_the_names_that_installers_give() {
        let patterns = [
            "claude/versions/{version}",
            "Caskroom/claude-code/{version}",
            "store/*-claude-code-{version}",
            "a.b-{version}-*",
        ];
        let found = |path: &str| {
            let parts: Vec<&str> = path.split('/').collect();
            patterns.iter().find_map(|pattern| {
                let wanted: Vec<&str> = pattern.split('/').collect();
                parts.windows(wanted.len()).find_map(|names| of_names(&wanted, names))
            })
        };
        let version = Version::parse("2.1.330");
        for path in [
            "share/claude/versions/2.1.330",
            "x/claude/versions/2.1.330/claude",
            "opt/Caskroom/claude-code/2.1.330/claude",
            "nix/store/0abc1def2-claude-code-2.1.330/bin/claude",
            "nix/store/9.9-x-claude-code-2.1.330/bin/.claude-wrapped",
            "extensions/a.b-2.1.330-linux-x64/resources/claude",
        ] {
            assert_eq!(found(path), version, "{path}");
        }
        for path in [
            "usr/bin/claude",
            "nodenv/versions/20.11.0/bin/x",
            "claude/versions/latest",
            "Caskroom/other/2.1.330/claude",
            "versions/2",
            "a.b-2.1.330",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }
}
