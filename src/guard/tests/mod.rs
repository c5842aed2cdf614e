//! Tests of the guard on projects: refused and harmless entries, records, and the places that are searched.

mod entries;
mod limits;
mod places;
mod records;
mod replays;

use super::*;
use crate::env::Env;
use crate::paths::Paths;
use crate::registry::{Registry, Version};
use crate::trust::{Bound, Evidence, Trust};
use inspect::Inspection;
use std::fs;
use std::path::{Path, PathBuf};

/// A home with a project in it.
struct World {
    dir: tempfile::TempDir,
    paths: Paths,
    registry: Registry,
}

/// A launch of one agent.
struct Case {
    agent: &'static str,
    version: Option<&'static str>,
    has_variable: bool,
    is_login: bool,
    prefixes: &'static [&'static str],
    models: &'static [&'static str],
    words: Vec<&'static str>,
    env: Vec<(&'static str, &'static str)>,
}

/// Returns the usual launch of an agent: a key of its first provider, in a variable unless the agent reads a pipe, and
/// the version that the rules were replayed with.
fn usual(agent: &'static str) -> Case {
    let (version, prefixes, models): (_, &[&str], &[&str]) = match agent {
        "claude" => ("2.1.330", &["ANTHROPIC_"], &[]),
        "codex" => ("0.171.0", &["RINGLET_", "OPENAI_"], &[]),
        "gemini" => ("0.61.0", &["GEMINI_"], &[]),
        "opencode" => ("1.18.33", &["ANTHROPIC_"], &["anthropic/", "ringlet/"]),
        "qwen" => ("0.24.4", &["OPENAI_", "DASHSCOPE_"], &[]),
        "aider" | "continue" => ("1.0.0", &["OPENAI_"], &[]),
        _ => ("1.0.0", &[], &[]),
    };
    let is_piped = agent == "claude";
    Case {
        agent,
        version: Some(version),
        has_variable: !is_piped,
        is_login: false,
        prefixes,
        models,
        words: Vec::new(),
        env: Vec::new(),
    }
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let home = dir.path().canonicalize().expect("there").join("home");
        fs::create_dir_all(home.join("shop/.git")).expect("folders");
        let env = Env::from_pairs([("HOME", home.as_os_str()), ("USERPROFILE", home.as_os_str())]);
        let paths = Paths::new(&env).expect("a home");
        Self { registry: Registry::new(&paths), paths, dir }
    }

    fn home(&self) -> PathBuf {
        self.dir.path().canonicalize().expect("there").join("home")
    }

    fn project(&self) -> PathBuf {
        self.home().join("shop")
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.project().join(name);
        fs::create_dir_all(file.parent().expect("in the project")).expect("folders");
        fs::write(&file, content).expect("written");
        file
    }

    fn inspect_from(&self, directory: &str, case: &Case) -> Inspection {
        self.inspect_in(directory, directory, case)
    }

    fn inspect_in(&self, here: &str, directory: &str, case: &Case) -> Inspection {
        let agent = self.registry.agent(&case.agent.parse().expect("valid")).expect("built in");
        let env = Env::from_pairs(case.env.iter().copied());
        let words: Vec<std::ffi::OsString> = case.words.iter().map(std::ffi::OsString::from).collect();
        let arguments = argument_paths(&agent.directory, &words, &env);
        let (project, home) = (self.project(), self.home());
        let directory = project.join(directory).canonicalize().expect("there");
        let here = project.join(here).canonicalize().expect("there");
        let version = case.version.map(|text| Version::parse(text).expect("a version"));
        let launch = Launch {
            agent: &agent,
            version: version.as_ref(),
            directory: &directory,
            here: &here,
            home: &home,
            arguments: &arguments,
            env: &env,
            has_variable: case.has_variable,
            is_login: case.is_login,
            prefixes: case.prefixes.iter().map(|text| (*text).to_owned()).collect(),
            models: case.models.iter().map(|text| (*text).to_owned()).collect(),
            inside: &|path| path.starts_with(&project),
        };
        inspect(&launch, &Trust::new(&self.paths, &[])).expect("looked")
    }

    fn inspect(&self, case: &Case) -> Inspection {
        self.inspect_from(".", case)
    }

    fn says(&self, case: &Case) -> String {
        let found = self.inspect(case).findings;
        found
            .iter()
            .map(|finding| finding.to_string().replace(&self.project().display().to_string(), "P"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Binds and records a path as `ringlet allow` does.
    fn allow(&self, path: &Path) -> Vec<Bound> {
        let agents: Vec<_> = self
            .registry
            .agent_names()
            .expect("listed")
            .iter()
            .map(|name| self.registry.agent(&name.parse().expect("valid")).expect("built in"))
            .collect();
        let project = self.project();
        let prefixes = ["OPENAI_", "ANTHROPIC_", "GEMINI_"].map(str::to_owned);
        let inside = |path: &Path| path.starts_with(&project);
        let made =
            Bind { agents: &agents, prefixes: &prefixes, directory: &project, home: &self.home(), inside: &inside };
        let trust = Trust::new(&self.paths, &[]);
        let mut all = Vec::new();
        for binding in bind(&made, path).expect("can be bound") {
            match binding {
                Binding::Values { file, bound, .. } => {
                    trust.allow_values(&file, bound.clone()).expect("recorded");
                    all.push(bound);
                }
                Binding::Bytes(file) => {
                    trust.allow(&Evidence::read(&file, 1 << 20).expect("read"), None).expect("recorded")
                }
                Binding::Harmless(_) => {}
            }
        }
        all
    }
}
