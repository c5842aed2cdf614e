//! The installed version of an agent: told from where its program lies, else asked of the program once.

use super::Context;
use crate::digest::Digest;
use crate::env::Env;
use crate::mark;
use crate::pins;
use crate::platform;
use crate::registry::{AgentSpec, Version, matches};
use std::path::Path;
use std::time::Duration;

// What a program may take to print its version, and how much of it is read, in bytes.
const DEADLINE: Duration = Duration::from_secs(2);
const MAX_ANSWER: usize = 4096;

/// The version as the path tells it, without starting the program: by the npm package's `package.json` above it, or by the
/// names of folders and files, as other installers make them.
pub(super) fn installed_version(agent: &AgentSpec, command: &str, binary: &Path) -> Option<Version> {
    let real = binary.canonicalize().ok()?;
    if let Some(package) = agent.package.as_deref().and_then(|package| package.strip_prefix("npm ")) {
        for folder in real.ancestors().skip(1).take(4) {
            let Ok(read) = platform::read_file(&folder.join("package.json"), 1 << 20) else { continue };
            let Ok(manifest) = serde_json::from_slice::<serde_json::Value>(&read.bytes) else { continue };
            if manifest.get("name").and_then(|name| name.as_str()) == Some(package) {
                return Version::parse(manifest.get("version")?.as_str()?);
            }
        }
    }
    // An adapter has versions of its own.
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

// The longest text of digits and dots that stands where the pattern has the version.
fn of_name(name: &str, before: &str, after: &str) -> Option<Version> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let starts = name.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at);
    starts.filter(|at| matches(before, &name[..*at])).find_map(|at| {
        let end = name[at..].find(|c| !is_number(c)).map_or(name.len(), |end| at + end);
        if matches(after, &name[end..]) { Version::parse(&name[at..end]) } else { None }
    })
}

/// The version as the program itself prints it. It is asked once: the answer, or that there was none, is remembered with the
/// program's digest. Only a program of the agent's own name is asked, since others start whichever version they please.
///
/// The program must have passed the guard. It is started in the root directory, without any variable that names an account.
pub(super) fn asked_version(context: &Context<'_>, agent: &AgentSpec, binary: &Path) -> Option<Version> {
    let real = binary.canonicalize().ok()?;
    let is_named = real.file_stem().is_some_and(|name| name == agent.command.as_str());
    if agent.version_args.is_empty() || !is_named {
        return None;
    }
    let digest = pins::measure(context.paths, &real).ok()?.digest;
    let kept = context.paths.versions().join(Digest::of(digest.to_string().as_bytes()).to_string());
    if let Ok(Some(text)) = platform::read_record(&kept) {
        return Version::parse(text.trim());
    }
    // A wrapper that leads back here ends by itself, even one that asks this question again.
    let (_, depth) = mark::launched(context.env, &agent.command).unwrap_or_default();
    if depth >= mark::MAX_DEPTH {
        return None;
    }
    let mut env: Env = context.env.clone();
    env.retain(|name| !agent.competes_with_login(name));
    env.set(mark::LOOP, mark::looped(depth + 1, &agent.command).into());
    let answer = platform::ask_program(&real, &agent.version_args, env.pairs(), DEADLINE, MAX_ANSWER);
    let words = answer.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    // Whatever else a program prints is no answer.
    let found = words.split_whitespace().next().filter(|word| Version::parse(word).is_some());
    // Only a cache: without it the next launch asks again.
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
        let told = |path: &str| {
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
            assert_eq!(told(path), version, "{path}");
        }
        for path in [
            "usr/bin/claude",
            "nodenv/versions/20.11.0/bin/x",
            "claude/versions/latest",
            "Caskroom/other/2.1.330/claude",
            "versions/2",
            "a.b-2.1.330",
        ] {
            assert_eq!(told(path), None, "{path}");
        }
    }
}
