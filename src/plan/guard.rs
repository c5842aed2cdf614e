//! The agent's own project files that could send a key elsewhere, or run something beside it.
//!
//! An agent may read settings from the working directory and from any directory above it, so all of them are looked
//! at, up to but not including the home directory: what lies there is the user's own.

use super::{Context, PlanError, SecretUse, Sink};
use crate::platform;
use crate::registry::{AgentSpec, Guard, GuardFormat};
use crate::trust::{Evidence, Trust, TrustError};
use std::fmt;
use std::path::PathBuf;

const MAX_FILE: u64 = 8 << 20;

/// A project file that refuses a launch, and the keys in it that do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// The keys, as dotted paths; empty when the file's existence is enough.
    pub keys: Vec<String>,
    /// Why its content could not be taken apart, when it could not.
    pub why: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match (&self.why, self.keys.as_slice()) {
            (Some(why), _) => write!(f, "{file} cannot be checked: {why}"),
            (None, []) => write!(f, "{file} could run code that sees the key"),
            (None, keys) => write!(f, "{file} sets {}, which could send the key elsewhere", keys.join(", ")),
        }
    }
}

/// Refuses when a guarded file could send a key elsewhere; those whose exact content the user has allowed are passed over.
pub(super) fn guard_project(context: &Context<'_>, agent: &AgentSpec, secrets: &[SecretUse]) -> Result<(), PlanError> {
    let home = context.paths.home.canonicalize().unwrap_or_else(|_| context.paths.home.clone());
    let mut present: Vec<(PathBuf, &Guard)> = Vec::new();
    let piped = secrets.iter().all(|used| matches!(used.sink, Sink::Descriptor(_)));
    platform::ascend(context.cwd, |level| {
        // Canonical paths are the same only if their text is.
        if level.path.as_os_str() == home.as_os_str() {
            return Ok(false);
        }
        // Most of an agent's files lie in one folder of its own, and most directories have none.
        let mut absent = None;
        for guard in agent.guard.iter().filter(|guard| !(piped && guard.only_variable)) {
            let folder = guard.file.split_once('/').map(|(folder, _)| folder);
            if let Some(folder) = folder
                && (absent == Some(folder) || !level.has(folder)?)
            {
                absent = Some(folder);
            } else if level.has(&guard.file)? {
                present.push((level.path.join(&guard.file), guard));
            }
        }
        Ok(true)
    })
    .map_err(|error| PlanError::Search { start: context.cwd.into(), error })?;
    let trust = Trust::new(context.paths, &context.settings.trust.allow_under);
    let mut findings = Vec::new();
    for (file, guard) in present {
        if let Some(finding) = examine(&trust, file, guard)? {
            findings.push(finding);
        }
    }
    if findings.is_empty() { Ok(()) } else { Err(PlanError::Guarded { findings }) }
}

fn examine(trust: &Trust<'_>, file: PathBuf, guard: &Guard) -> Result<Option<Finding>, TrustError> {
    // A folder in a file's place says nothing to the agent; `.env` is often one, and a large one.
    if guard.format != GuardFormat::Any && file.is_dir() {
        return Ok(None);
    }
    let evidence = match Evidence::read_any(&file, MAX_FILE) {
        Ok(evidence) => evidence,
        Err(error) => return Ok(Some(Finding { file, keys: Vec::new(), why: Some(error.to_string()) })),
    };
    let found = if guard.format == GuardFormat::Any {
        Ok(Vec::new())
    } else {
        offending(&evidence.bytes, guard.format, &guard.keys)
    };
    match found {
        Ok(keys) if keys.is_empty() && guard.format != GuardFormat::Any => Ok(None),
        // Whoever else may write the file could replace what was allowed before the agent reads it.
        _ if trust.is_recorded(&evidence)? && evidence.refuse_others().is_ok() => Ok(None),
        Ok(keys) => Ok(Some(Finding { file, keys, why: None })),
        Err(why) => Ok(Some(Finding { file, keys: Vec::new(), why: Some(why) })),
    }
}

/// The keys of a file that match one of these patterns, as dotted paths.
pub(super) fn offending(bytes: &[u8], format: GuardFormat, patterns: &[String]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut paths = Vec::new();
    match format {
        GuardFormat::Json => {
            // Not into a map: of two entries with one name it keeps one, and another parser may take the other.
            let parsed = jsonc_parser::parse_to_ast(text, &Default::default(), &Default::default());
            let parsed = parsed.map_err(|error| format!("it does not parse as JSON: {}", error.kind()))?;
            if let Some(value) = &parsed.value {
                walk_json(value, &mut Vec::new(), &mut paths);
            }
        }
        GuardFormat::Toml => {
            let table: toml::Table = toml::from_str(text).map_err(|_| "it does not parse as TOML".to_owned())?;
            walk_toml(&toml::Value::Table(table), &mut Vec::new(), &mut paths);
        }
        GuardFormat::Env => paths.extend(text.lines().filter_map(env_name).map(|name| vec![name])),
        GuardFormat::Keys => paths.extend(text.lines().filter_map(top_level_key).map(|name| vec![name])),
        GuardFormat::Any => {}
    }
    let mut keys: Vec<String> = patterns
        .iter()
        .filter_map(|pattern| {
            let parts: Vec<&str> = pattern.split('.').collect();
            paths.iter().find(|path| is_at(path, &parts)).map(|path| path[..parts.len()].join("."))
        })
        .collect();
    keys.sort();
    keys.dedup();
    Ok(keys)
}

fn is_at(path: &[String], pattern: &[&str]) -> bool {
    path.len() >= pattern.len() && path.iter().zip(pattern).all(|(segment, pattern)| matches(segment, pattern))
}

/// `*` stands for any run of characters.
fn matches(text: &str, pattern: &str) -> bool {
    // Windows knows one variable by every spelling; a setting's name spelt otherwise only refuses too much there.
    if cfg!(windows) && !text.bytes().chain(pattern.bytes()).all(|byte| !byte.is_ascii_uppercase()) {
        return matches(&text.to_ascii_lowercase(), &pattern.to_ascii_lowercase());
    }
    match pattern.split_once('*') {
        None => text == pattern,
        Some((head, rest)) => match text.strip_prefix(head) {
            None => false,
            Some(tail) => {
                tail.char_indices().map(|(at, _)| at).chain([tail.len()]).any(|at| matches(&tail[at..], rest))
            }
        },
    }
}

fn walk_json(value: &jsonc_parser::ast::Value<'_>, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    use jsonc_parser::ast::Value;
    match value {
        Value::Object(object) => {
            for entry in &object.properties {
                path.push(entry.name.as_str().to_owned());
                found.push(path.clone());
                walk_json(&entry.value, path, found);
                path.pop();
            }
        }
        Value::Array(list) => list.elements.iter().for_each(|value| walk_json(value, path, found)),
        _ => {}
    }
}

fn walk_toml(value: &toml::Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                path.push(key.clone());
                found.push(path.clone());
                walk_toml(value, path, found);
                path.pop();
            }
        }
        toml::Value::Array(list) => list.iter().for_each(|value| walk_toml(value, path, found)),
        _ => {}
    }
}

// Lenient on purpose: what one agent's parser takes for an assignment must not slip past.
pub(super) fn env_name(line: &str) -> Option<String> {
    let line = line.trim_start_matches('\u{feff}').trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let end = line.find(['=', ':'])?;
    let name = line[..end].trim().trim_matches(['"', '\'']);
    (!name.is_empty() && !name.starts_with('#')).then(|| name.to_owned())
}

fn top_level_key(line: &str) -> Option<String> {
    let line = line.trim_start_matches('\u{feff}').trim_start_matches(['-', ' ', '\t']);
    let end = line.find([':', '='])?;
    let name = line[..end].trim().trim_matches(['"', '\'']);
    (!name.is_empty() && !name.starts_with(['#', ';'])).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = Result<Vec<String>, String>;

    fn guard(format: GuardFormat, keys: &[&str]) -> impl Fn(&[u8]) -> Found + use<> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        move |bytes| offending(bytes, format, &keys)
    }

    #[test]
    fn keys_are_found_in_every_format() {
        let json = guard(GuardFormat::Json, &["env.ANTHROPIC_*", "apiKeyHelper", "provider.*.options.baseURL"]);
        let text = b"{ // note\n \"env\": {\"ANTHROPIC_BASE_URL\": \"x\", \"A\": \"1\"}, \"apiKeyHelper\": \"y\",}";
        assert_eq!(json(text), Ok(vec!["apiKeyHelper".into(), "env.ANTHROPIC_BASE_URL".into()]));
        assert_eq!(json(b"{\"provider\":{\"p\":{\"options\":{\"baseURL\":1}}}}").expect("parses").len(), 1);
        assert_eq!(json(b"{\"permissions\":{\"allow\":[]}}"), Ok(vec![]));
        let twice = b"{\"env\": {\"ANTHROPIC_X\": 1}, \"env\": {}}";
        assert_eq!(json(twice), Ok(vec!["env.ANTHROPIC_X".into()]));
        assert!(json(b"{").is_err());
        let toml = guard(GuardFormat::Toml, &["model_providers"]);
        assert_eq!(toml(b"[model_providers.x]\nbase_url = \"y\""), Ok(vec!["model_providers".into()]));
        let env = guard(GuardFormat::Env, &["*_BASE_URL"]);
        for text in
            ["OPENAI_BASE_URL=x", "  export OPENAI_BASE_URL = x", "\u{feff}OPENAI_BASE_URL=x", "OPENAI_BASE_URL: x"]
        {
            assert_eq!(env(text.as_bytes()), Ok(vec!["OPENAI_BASE_URL".into()]), "{text}");
        }
        assert_eq!(env(b"# OPENAI_BASE_URL=x\nA=OPENAI_BASE_URL"), Ok(vec![]));
        let keys = guard(GuardFormat::Keys, &["openai-api-base"]);
        assert_eq!(keys(b"model: x\nopenai-api-base: y"), Ok(vec!["openai-api-base".into()]));
    }
}
