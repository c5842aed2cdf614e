//! `ringlet migrate undo`: puts back what a run took out, and says what came back and what did not.

use super::{opener, prompt};
use crate::commands::Session;
use crate::failure::{Failure, status};
use crate::hint::Hint;
use crate::host::Host;
use crate::migrate::apply;
use crate::migrate::undo::{self, Statement, Undone, UndoneFile, Why};
use crate::name::KeyName;
use crate::words;
use serde_json::json;
use std::collections::BTreeSet;

/// Takes a run back: the named one, or the latest.
pub(super) fn run(host: &mut Host, session: &Session, run: Option<&str>) -> Result<i32, Failure> {
    let _lock = apply::lock(&session.paths)?;
    let found = apply::recover(&session.paths)?;
    found.warnings.iter().for_each(|text| host.output.warn(text));
    let store = opener(host, session, prompt(host))();
    let done = undo::undo(&session.paths, &store, run)?;
    if host.output.wants_json() {
        json(host, &done);
    }
    done.files.iter().for_each(|file| tell(host, session, file));
    for (old, new) in &done.renamed {
        host.output.note(format!("{old} is called {new} by now"));
    }
    let left: Vec<&Why> = done.files.iter().flat_map(|file| &file.left).map(|(_, why)| why).collect();
    advise(host, &done.run, &left);
    let keys: BTreeSet<&String> =
        done.files.iter().flat_map(|file| &file.back).flat_map(|statement| &statement.keys).collect();
    let keys: Vec<KeyName> = keys.into_iter().filter_map(|name| name.parse().ok()).collect();
    if let Some(first) = keys.first() {
        let said = Hint::from(format!("the keys stay in {}; ", store.place()));
        let command = words!["ringlet", "keychain", "remove", first.provider, first.alias];
        host.output.note(said.command(command).and(" takes one away"));
    }
    Ok(if left.is_empty() { 0 } else { status::FAILURE })
}

fn tell(host: &mut Host, session: &Session, file: &UndoneFile) {
    let path = session.paths.pretty(&file.path);
    if !file.back.is_empty() {
        let all = if file.left.is_empty() { String::new() } else { format!(", {} of it", counted(file.back.len())) };
        host.output.note(format!("put back into {path} what the run took out{all}"));
    }
    for (statement, why) in &file.left {
        let place = if statement.line > 0 { format!("{path}:{}", statement.line) } else { path.to_string() };
        host.output.warn(format!("{place}: {} was not put back: {why}", named(statement)));
    }
}

fn counted(statements: usize) -> String {
    if statements == 1 { "one statement".into() } else { format!("{statements} statements") }
}

// The statement by its text, with its keys by name.
fn named(statement: &Statement) -> String {
    const LONGEST: usize = 100;
    let first = statement.text.lines().next().unwrap_or_default();
    let is_short = first.len() == statement.text.len() && first.chars().count() <= LONGEST;
    let shown = if is_short { format!("`{first}`") } else { "a statement".to_owned() };
    let unseen: Vec<&str> =
        statement.keys.iter().map(String::as_str).filter(|key| !is_short || !first.contains(key)).collect();
    if unseen.is_empty() { shown } else { format!("{shown} with {}", unseen.join(", ")) }
}

// What helps, once for each kind.
fn advise(host: &mut Host, run: &str, left: &[&Why]) {
    let again = words!["ringlet", "migrate", "undo", run];
    let mut gone: BTreeSet<KeyName> = BTreeSet::new();
    gone.extend(left.iter().filter_map(|why| if let Why::Gone { name, .. } = why { name.parse().ok() } else { None }));
    for name in gone {
        let said = Hint::from(format!("if you have the key of {name}, "));
        host.output.note(said.and("run ").command(name.set_command()).and(", and then ").command(again.clone()));
    }
    if left.iter().any(|why| matches!(why, Why::Edited | Why::Ambiguous)) {
        let said = Hint::from("make the lines around it what they were and run ");
        host.output.note(said.command(again.clone()).and(", or write it where it belongs by hand"));
    }
    if left.iter().any(|why| matches!(why, Why::Rotated(_))) {
        host.output.note("what needs a key that was replaced can only be written by hand, with the new one");
    }
    if left.iter().any(|why| matches!(why, Why::File(_) | Why::Unread { .. })) {
        host.output.note(Hint::from("once that is mended, run ").command(again).and(" for the rest"));
    }
}

fn json(host: &mut Host, done: &Undone) {
    let row = |statement: &Statement| json!({ "line": statement.line, "keys": statement.keys, "text": statement.text });
    let file = |file: &UndoneFile| {
        let left = file.left.iter().map(|(statement, why)| {
            let mut row = row(statement);
            row["reason"] = why.word().into();
            row["why"] = why.to_string().into();
            row
        });
        json!({
            "file": file.path.to_string_lossy(),
            "back": file.back.iter().map(row).collect::<Vec<_>>(),
            "left": left.collect::<Vec<_>>(),
        })
    };
    let renamed = done.renamed.iter().map(|(old, new)| json!({ "was": old, "is": new.to_string() }));
    let files: Vec<_> = done.files.iter().map(file).collect();
    host.output.json(&json!({ "run": done.run, "files": files, "renamed": renamed.collect::<Vec<_>>() }));
}
