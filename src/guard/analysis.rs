//! The analysis of one file of a project: its document, and the entries that are not harmless. `inspect` and `bind`
//! share it.

use super::arguments::ArgumentPaths;
use super::judge::{self, Conditions, Offence};
use super::read::{self, Grammar, Value};
use super::variables::VariableRules;
use crate::env::Env;
use crate::platform;
use crate::registry::{AgentSpec, Format, Guard, Version};
use std::path::Path;

/// The endings of the prompts that agents load from a folder.
pub(super) const PROMPT_ENDINGS: [&str; 5] = ["md", "mdc", "mdx", "markdown", "toml"];

/// The facts about a launch that the guard needs.
pub(crate) struct Launch<'a> {
    /// The agent.
    pub agent: &'a AgentSpec,
    /// The agent's version, where it is known.
    pub version: Option<&'a Version>,
    /// The canonical directory that the agent works in.
    pub directory: &'a Path,
    /// The working directory. Relative paths in the agent's arguments start here.
    pub here: &'a Path,
    /// The user's canonical home directory.
    pub home: &'a Path,
    /// The folders and files that the agent's arguments name.
    pub arguments: &'a ArgumentPaths,
    /// The environment, for variables that change what the agent loads.
    pub env: &'a Env,
    /// Whether any secret reaches the agent in a variable.
    pub has_variable: bool,
    /// Whether the agent uses its own login.
    pub is_login: bool,
    /// The prefixes of the variables that name this launch's key or its provider.
    pub prefixes: Vec<String>,
    /// The prefixes of the names of the provider's own models.
    pub models: Vec<String>,
    /// Reports whether a path lies in the project.
    pub inside: &'a dyn Fn(&Path) -> bool,
}

/// Returns the digest of the names that lead to an entry. A record holds the digest instead of the names, because
/// people paste keys where names belong.
pub(super) fn path_digest(at: &[String]) -> String {
    Value::List(at.iter().cloned().map(Value::Text).collect()).digest().to_string()
}

/// Returns the directories that a relative path in a file may start from: the folder of the file, the folders above it
/// in the project, the directory that the file belongs to (`level`), and `others`.
pub(super) fn base_directories<'a>(
    level: &'a Path,
    file: &'a Path,
    others: [&'a Path; 2],
    inside: &dyn Fn(&Path) -> bool,
) -> Vec<&'a Path> {
    let above = file.ancestors().skip(1).take_while(|folder| inside(folder));
    let mut bases: Vec<&Path> = above.chain([level]).chain(others).collect();
    bases.dedup();
    bases
}

/// Returns the entries of a file that are not harmless in this launch.
pub(super) fn offences(guard: &Guard, file: &Path, bytes: &[u8], launch: &Launch<'_>) -> Result<Vec<Offence>, String> {
    let Some(document) = parse(guard, file, bytes)? else { return Ok(Vec::new()) };
    let is_on = |name: &String| {
        let off = |value: &str| matches!(value, "" | "0" | "false");
        launch.env.get(name).is_some_and(|value| !off(&value.to_string_lossy())) || turns_on(&document, name, &off)
    };
    let folder = file.parent().unwrap_or(launch.directory);
    let is_inside = |path: &str| is_inside(path, &[launch.directory, folder], launch.inside);
    let now = Conditions {
        code_passes: !launch.has_variable,
        version: launch.version,
        models: launch.models.clone(),
        variables: VariableRules {
            agent: launch.agent,
            is_login: launch.is_login,
            prefixes: launch.prefixes.clone(),
            telemetry: launch.agent.names.telemetry.iter().any(is_on),
            treats_all_as_read: false,
        },
        inside: &is_inside,
    };
    Ok(judge::offences(&document, guard, &now, &strict_conditions(launch.agent, &is_inside)))
}

/// Returns the conditions under which the fewest entries are harmless.
pub(crate) fn strict_conditions<'a>(agent: &'a AgentSpec, inside: &'a dyn Fn(&str) -> bool) -> Conditions<'a> {
    let variables =
        VariableRules { agent, is_login: true, prefixes: Vec::new(), telemetry: true, treats_all_as_read: true };
    Conditions { code_passes: false, version: None, models: Vec::new(), variables, inside }
}

/// Parses a file by the format of its guard. Code and plain text have no document.
pub(crate) fn parse(guard: &Guard, file: &Path, bytes: &[u8]) -> Result<Option<Value>, String> {
    let reader = match guard.format {
        Format::Json => Grammar::Json,
        Format::Toml => Grammar::Toml,
        Format::Yaml => Grammar::Yaml,
        Format::Dotenv => Grammar::Dotenv,
        Format::Prompts if file.extension().is_some_and(|ending| ending == "toml") => Grammar::PromptToml,
        Format::Prompts => Grammar::Prompt,
        Format::Code | Format::Text => return Ok(None),
    };
    read::read(reader, bytes).map(Some).map_err(|error| format!("it {error}"))
}

/// Reports whether any table of a document sets a variable to a value that does not turn it off.
fn turns_on(document: &Value, name: &str, off: &dyn Fn(&str) -> bool) -> bool {
    match document {
        Value::Table(entries) => entries.iter().any(|(entry, value)| match value {
            Value::Text(text) | Value::Number(text) => entry == name && !off(text),
            Value::Bool(truth) => entry == name && *truth,
            value => turns_on(value, name, off),
        }),
        Value::List(list) => list.iter().any(|value| turns_on(value, name, off)),
        _ => false,
    }
}

/// Reports whether a path in a file stays inside the project from each directory that it may start from. A text with a
/// scheme, a variable or a home directory is no path inside the project.
pub(super) fn is_inside(path: &str, bases: &[&Path], inside: &dyn Fn(&Path) -> bool) -> bool {
    !path.contains(['$', '%', '{', '}', '\0'])
        && !path.contains("://")
        && !path.starts_with(['~', '-'])
        && bases
            .iter()
            .map(|base| platform::plain(&base.join(path)))
            .all(|path| inside(&path) && platform::canonical(&path).map_or(true, |real| inside(&real)))
}
