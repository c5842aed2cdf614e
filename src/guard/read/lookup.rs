//! Single names and entries that other modules take from a file.

use super::document::{DocumentError, Grammar, Value};
use super::read;
use crate::name::{Variable, shorten};
use crate::registry::matches;

/// Returns the names of the variables that a `.env` file sets for any of the supported parsers.
pub(crate) fn dotenv_names(bytes: &[u8]) -> Result<Vec<String>, DocumentError> {
    match read(Grammar::Dotenv, bytes)? {
        Value::Table(entries) => Ok(entries.into_iter().map(|(name, _)| name).collect()),
        _ => Ok(Vec::new()),
    }
}

/// Returns the entries of a JSON document at these dotted paths: the path of each entry, and its value where that is a
/// text. `*` stands for any part of one name.
pub(crate) fn json_entries(bytes: &[u8], paths: &[String]) -> Result<Vec<(String, Option<String>)>, DocumentError> {
    let document = read(Grammar::Json, bytes)?;
    let mut found = Vec::new();
    for path in paths {
        collect(&document, &path.split('.').collect::<Vec<_>>(), "", &mut found);
    }
    Ok(found)
}

fn collect(value: &Value, path: &[&str], at: &str, found: &mut Vec<(String, Option<String>)>) {
    let Some((first, rest)) = path.split_first() else {
        let text = if let Value::Text(text) = value { Some(text.clone()) } else { None };
        return found.push((at.to_owned(), text));
    };
    match value {
        Value::Table(entries) => {
            for (name, value) in entries.iter().filter(|(name, _)| matches(first, name)) {
                // A user may have pasted a key where a name belongs. A name is shown in full only if the pattern spells
                // it out or if it has the form of a variable's name.
                let is_plain = name == first
                    || name.parse::<Variable>().is_ok_and(|variable| variable.as_str() == name.to_uppercase());
                let name = if is_plain { name.clone() } else { shorten(name) };
                let at = if at.is_empty() { name } else { format!("{at}.{name}") };
                collect(value, rest, &at, found);
            }
        }
        Value::List(list) => list.iter().for_each(|value| collect(value, path, at, found)),
        _ => {}
    }
}
