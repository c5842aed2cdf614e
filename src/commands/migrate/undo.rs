//! `ringlet migrate undo`: puts back what a run took out, and says what came back and what did not.

use super::{opener, prompt};
use crate::commands::question::is_yes;
use crate::commands::{Session, profiles};
use crate::config::Source;
use crate::failure::{Failure, status};
use crate::hint::Hint;
use crate::host::Host;
use crate::migrate::apply;
use crate::migrate::made::{MadeEnd, Taken};
use crate::migrate::recover;
use crate::migrate::undo::{self, Statement, Undone, UndoneFile, Why};
use crate::name::{KeyName, Profile};
use crate::words;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Takes a run back: the named one, or the latest.
pub(super) fn run(host: &mut Host, session: &Session, run: Option<&str>) -> Result<i32, Failure> {
    let _lock = apply::lock(&session.paths)?;
    let found = recover::recover(&session.paths)?;
    found.warnings.iter().for_each(|text| host.output.warn(text));
    let store = opener(host, session, prompt(host))();
    let console = &host.world.console;
    let consents = || {
        const QUESTION: &str = "ringlet: take back the profiles, the default and the hook of that run, too? \
                                [y]es, [n]o: ";
        let answer = if console.is_interactive() { console.ask(QUESTION) } else { None };
        answer.is_none_or(|answer| is_yes(&answer))
    };
    let is_held = |key: &KeyName| session.settings.scopes.get(key).is_some_and(|scope| scope.broker);
    let done = undo::undo(&session.paths, &store, &is_held, run, &consents)?;
    if host.output.wants_json() {
        json(host, &done);
    }
    done.files.iter().for_each(|file| tell(host, session, file));
    let mut failed = false;
    for (path, end) in &done.made {
        failed |= matches!(end, MadeEnd::Taken(Taken::Failed(_)));
        tell_made(host, session, path, end);
    }
    forget_default(host, session, &done)?;
    for (old, new) in &done.renamed {
        host.output.note(format!("{old} is called {new} by now"));
    }
    let left: Vec<&Why> = done.files.iter().flat_map(|file| &file.left).map(|(_, why)| why).collect();
    advise(host, &done.run, &left);
    let keys: BTreeSet<&String> =
        done.files.iter().flat_map(|file| &file.back).flat_map(|statement| &statement.keys).collect();
    let by_now = |name: &String| done.renamed.iter().find(|(old, _)| old == name).map(|(_, new)| new.clone());
    let mut keys = keys.into_iter().filter_map(|name| by_now(name).or_else(|| name.parse().ok()));
    if let Some(first) = keys.next() {
        let said = Hint::from(format!("the keys stay in {}; ", store.place_of(&first)));
        let command = words!["ringlet", "keychain", "remove", first.provider, first.alias];
        host.output.note(said.command(command).and(" takes one away"));
    }
    Ok(if left.is_empty() && !failed { 0 } else { status::FAILURE })
}

fn tell(host: &mut Host, session: &Session, file: &UndoneFile) {
    let path = session.paths.pretty(&file.path);
    if file.back.iter().any(|statement| statement.added) {
        return host.output.note(format!("took the line out of {path} that the run added"));
    }
    if !file.back.is_empty() {
        let all = if file.left.is_empty() { String::new() } else { format!(", {} of it", counted(file.back.len())) };
        host.output.note(format!("put back into {path} what the run took out{all}"));
    }
    for (statement, why) in &file.left {
        let place = if statement.line > 0 { format!("{path}:{}", statement.line) } else { path.to_string() };
        let done = if statement.added { "taken out" } else { "put back" };
        host.output.warn(format!("{place}: {} was not {done}: {why}", named(statement)));
    }
}

fn tell_made(host: &mut Host, session: &Session, path: &Path, end: &MadeEnd) {
    let shown = session.paths.pretty(path);
    match end {
        MadeEnd::Taken(Taken::Back) if path.symlink_metadata().is_ok() => {
            host.output.note(format!("{shown} is as it was before"));
        }
        MadeEnd::Taken(Taken::Back) => host.output.note(format!("removed {shown}, which the run made")),
        MadeEnd::Taken(Taken::Changed) => host.output.warn(format!("{shown} was changed since and stays")),
        MadeEnd::Taken(Taken::Failed(why)) => host.output.warn(format!("{shown} {why}")),
        MadeEnd::Waits => host.output.warn(format!("{shown} stays, since what needs it is not back")),
        MadeEnd::Kept => host.output.note(format!("{shown} stays")),
    }
}

// The settings may have been changed since. A default profile that is gone is none all the same.
fn forget_default(host: &mut Host, session: &Session, done: &Undone) -> Result<(), Failure> {
    let Ok(Some(source)) = Source::read(&session.paths.config()) else { return Ok(()) };
    let Ok(settings) = source.text.parse::<toml_edit::DocumentMut>() else { return Ok(()) };
    let name = settings.get("default-profile").and_then(|name| name.as_str()).and_then(|name| name.parse().ok());
    let Some(name): Option<Profile> = name else { return Ok(()) };
    let file = session.paths.profile(&name);
    let is_gone = |(path, end): &(PathBuf, MadeEnd)| *path == file && *end == MadeEnd::Taken(Taken::Back);
    if done.made.iter().any(is_gone) && !file.exists() {
        profiles::set_default(host, session, None)?;
    }
    Ok(())
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
    if left.iter().any(|why| matches!(why, Why::Store)) {
        host.output.note("log in again in the agent itself; the key stays in the keychain");
    }
    if left.iter().any(|why| matches!(why, Why::Brokered(_))) {
        let said =
            Hint::from("to have such a key in a file, take `broker = true` out of its scope in config.toml and run ");
        host.output.note(said.command(again.clone()));
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
    let made = done.made.iter().map(|(path, end)| {
        let end = match end {
            MadeEnd::Taken(Taken::Back) => "back",
            MadeEnd::Taken(Taken::Changed) => "changed",
            MadeEnd::Taken(Taken::Failed(_)) => "failed",
            MadeEnd::Waits => "waits",
            MadeEnd::Kept => "kept",
        };
        json!({ "file": path.to_string_lossy(), "end": end })
    });
    let made: Vec<_> = made.collect();
    let renamed = done.renamed.iter().map(|(old, new)| json!({ "was": old, "is": new.to_string() }));
    let files: Vec<_> = done.files.iter().map(file).collect();
    host.output.json(&json!({ "run": done.run, "files": files, "made": made, "renamed": renamed.collect::<Vec<_>>() }));
}
