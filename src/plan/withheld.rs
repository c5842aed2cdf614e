//! Keeps the variable with a key out of an agent's tool shells, if the agent has a list for that. The user's own
//! entries in the list stay.

use super::stored::{self, path_of};
use super::{Context, PlanError};
use crate::config::MAX_BYTES;
use crate::name::Variable;
use crate::profile::Resolved;
use crate::registry::Withheld;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Returns the list with the variable added, as an array that is valid TOML and JSON. Fails if the arguments would
/// replace the list by one without the variable.
pub(super) fn list(
    context: &Context<'_>,
    directory: &Path,
    resolved: &Resolved,
    words: &[OsString],
    variable: &Variable,
) -> Result<Option<String>, PlanError> {
    let Some(withheld) = &resolved.agent.withheld else { return Ok(None) };
    let own = resolved.args.iter().map(OsString::from).collect::<Vec<_>>();
    let said: Vec<&str> = own.iter().chain(words).filter_map(|word| word.to_str()).collect();
    if let Some(word) = said_otherwise(withheld, &said, variable) {
        return Err(PlanError::NotWithheld { option: word, variable: variable.clone() });
    }
    let layer = said.iter().enumerate().find_map(|(at, _)| value(&withheld.layers, &said, at));
    let own = [None, layer].map(|layer| path_of(context, resolved, &withheld.user_file(layer)));
    // The agent may use only one of these files. The entries of all of them are kept.
    let above = directory.ancestors().map(|folder| folder.join(&withheld.project));
    let files = own.into_iter().flatten().chain(above).chain([PathBuf::from(&withheld.system)]);
    let mut names: Vec<String> = Vec::new();
    for name in files.flat_map(|file| entries(&file, withheld)) {
        if name != variable.as_str() && !names.contains(&name) {
            names.push(name);
        }
    }
    names.push(variable.to_string());
    // Strings of JSON are strings of TOML as well.
    Ok(Some(serde_json::json!(names).to_string()))
}

// Returns the entries of a user's file. The agent ignores a file that cannot be read, and reports it itself.
fn entries(file: &Path, withheld: &Withheld) -> Vec<String> {
    let read = || {
        let bytes = stored::read(file, MAX_BYTES).ok()??;
        let table: toml::Table = std::str::from_utf8(&bytes).ok()?.parse().ok()?;
        let (first, rest) = withheld.list.split_first()?;
        let value = rest.iter().try_fold(table.get(first)?, |value, name| value.get(name))?;
        Some(value.as_array()?.iter().filter_map(|name| name.as_str()).map(str::to_owned).collect())
    };
    read().unwrap_or_default()
}

/// Refuses arguments that would send a key to another endpoint.
pub(super) fn refuse_moved(resolved: &Resolved, words: &[OsString]) -> Result<(), PlanError> {
    let Some(moved) = &resolved.agent.moved else { return Ok(()) };
    let own = resolved.args.iter().map(OsString::from).collect::<Vec<_>>();
    let said: Vec<&str> = own.iter().chain(words).filter_map(|word| word.to_str()).collect();
    let leads = |names: &[String]| {
        moved.names.iter().find(|name| {
            let name: Vec<&str> = name.split('.').collect();
            names.iter().zip(&name).all(|(a, b)| a == b)
        })
    };
    match settings(&moved.options, &said).find_map(|(names, _)| leads(&names).cloned()) {
        Some(option) => Err(PlanError::Moved { option }),
        None => Ok(()),
    }
}

// Returns the name of the list, if an option sets the list, or a table that contains it, without the variable. The
// agent takes a value that is no TOML for a text.
fn said_otherwise(withheld: &Withheld, words: &[&str], variable: &Variable) -> Option<String> {
    settings(&withheld.options, words).find_map(|(names, set)| {
        let rest = withheld.list.strip_prefix(names.as_slice())?;
        let table: Option<toml::Table> = format!("it = {set}").parse().ok();
        let value = table.as_ref().and_then(|table| table.get("it"));
        let list = value.and_then(|value| rest.iter().try_fold(value, |value, name| value.get(name)));
        let holds = list
            .and_then(toml::Value::as_array)
            .is_some_and(|list| list.iter().any(|name| name.as_str() == Some(variable.as_str())));
        (!holds).then(|| withheld.list.join("."))
    })
}

// Returns the settings that these options make: the names that lead to each setting, and its value.
fn settings<'a>(options: &'a [String], words: &'a [&'a str]) -> impl Iterator<Item = (Vec<String>, &'a str)> + 'a {
    let until = words.iter().position(|word| *word == "--").unwrap_or(words.len());
    (0..until).filter_map(|at| value(options, words, at)).filter_map(|setting| {
        let (name, set) = setting.split_once('=')?;
        let part = |part: &str| part.trim().trim_matches(['"', '\'']).to_owned();
        Some((name.trim().split('.').map(part).collect(), set))
    })
}

// Returns the value of one of these options at a position among the arguments.
fn value<'a>(options: &[String], words: &[&'a str], at: usize) -> Option<&'a str> {
    options.iter().find_map(|option| {
        let rest = words[at].strip_prefix(option.as_str())?;
        match rest {
            "" => words.get(at + 1).copied(),
            _ if option.starts_with("--") => rest.strip_prefix('='),
            _ => Some(rest.strip_prefix('=').unwrap_or(rest)),
        }
    })
}
