//! Keeps the variable that carries a key out of an agent's tool shells, where the agent has a list for that. The user's own
//! entries stay.

use super::stored::{self, path_of};
use super::{Context, PlanError};
use crate::config::MAX_BYTES;
use crate::name::Variable;
use crate::profile::Resolved;
use crate::registry::Withheld;
use std::ffi::OsString;

/// The list with the variable in it, as an array that both TOML and JSON read. Refuses words that would replace the list by one
/// without it.
pub(super) fn list(
    context: &Context<'_>,
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
    let mut names = entries(context, resolved, withheld, None);
    names.extend(layer.map(|layer| entries(context, resolved, withheld, Some(layer))).unwrap_or_default());
    names.retain(|name| name != variable.as_str());
    names.push(variable.to_string());
    // JSON's strings are TOML's as well.
    Ok(Some(serde_json::json!(names).to_string()))
}

// What the user's file lists. One that cannot be read is no list to the agent either, and it says so itself.
fn entries(context: &Context<'_>, resolved: &Resolved, withheld: &Withheld, layer: Option<&str>) -> Vec<String> {
    let read = || {
        let bytes = stored::read(&path_of(context, resolved, &withheld.place(layer))?, MAX_BYTES).ok()??;
        let table: toml::Table = std::str::from_utf8(&bytes).ok()?.parse().ok()?;
        let (first, rest) = withheld.list.split_first()?;
        let value = rest.iter().try_fold(table.get(first)?, |value, name| value.get(name))?;
        Some(value.as_array()?.iter().filter_map(|name| name.as_str()).map(str::to_owned).collect())
    };
    read().unwrap_or_default()
}

// An option that sets the list itself, or a table around it. What it sets may not parse alike everywhere, so the variable's name
// in it is asked for and nothing else.
fn said_otherwise(withheld: &Withheld, words: &[&str], variable: &Variable) -> Option<String> {
    let until = words.iter().position(|word| *word == "--").unwrap_or(words.len());
    (0..until).filter_map(|at| value(&withheld.options, words, at)).find_map(|setting| {
        let (name, set) = setting.split_once('=')?;
        let name: Vec<&str> = name.trim().split('.').map(|part| part.trim().trim_matches(['"', '\''])).collect();
        let is_it = name.len() <= withheld.list.len() && name.iter().zip(&withheld.list).all(|(a, b)| a == b);
        (is_it && !set.contains(variable.as_str())).then(|| withheld.list.join("."))
    })
}

// The value of one of these options at a place among the words.
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
