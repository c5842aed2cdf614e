//! What a project's files say to an agent, as the guard reads and judges it.

use super::keys;
use crate::env::Env;
use crate::guard::analysis::{parse, strict_conditions};
use crate::guard::judge::{self, Conditions, Offence};
use crate::guard::read::{DocumentError, Grammar, MAX_DEPTH, MAX_ENTRIES, Value, read};
use crate::guard::redact;
use crate::guard::variables::VariableRules;
use crate::name::is_unprintable;
use crate::paths::Paths;
use crate::registry::{AgentSpec, Registry, Version};
use std::path::Path;
use std::sync::OnceLock;

/// Any project file, its reader chosen by the first byte: what is taken stays within the bounds, and is what another
/// parser of the format takes.
pub fn readers(bytes: &[u8]) {
    let Some((first, file)) = bytes.split_first() else { return };
    let reader = match first {
        b't' => Grammar::Toml,
        b'y' => Grammar::Yaml,
        b'd' => Grammar::Dotenv,
        b'p' => Grammar::Prompt,
        b'q' => Grammar::PromptToml,
        _ => Grammar::Json,
    };
    let read = read(reader, file);
    match &read {
        Ok(value) => {
            let (depth, entries) = extent(value);
            assert!(depth <= MAX_DEPTH && entries <= MAX_ENTRIES, "{depth} levels, {entries} entries");
            assert_eq!(value.digest(), sorted(value).digest(), "the order of names does not count");
        }
        Err(unread) => {
            let shown = unread.to_string();
            assert!(shown.len() <= 160 && shown.is_ascii() && !shown.contains(|c: char| c.is_control()), "{shown:?}");
        }
    }
    match (reader, std::str::from_utf8(file)) {
        (Grammar::Json, Ok(text)) => as_json(text, &read),
        (Grammar::Toml, Ok(text)) => as_toml(text, &read),
        _ => {}
    }
}

/// The deepest level and the number of values.
fn extent(value: &Value) -> (usize, usize) {
    let inner: Vec<_> = match value {
        Value::List(list) => list.iter().map(extent).collect(),
        Value::Table(entries) => entries.iter().map(|(_, value)| extent(value)).collect(),
        _ => return (0, 0),
    };
    let depth = inner.iter().map(|(depth, _)| *depth).max().unwrap_or(0);
    (depth + 1, inner.iter().map(|(_, count)| count + 1).sum())
}

// The same value with the names of its tables in another order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::List(list) => Value::List(list.iter().map(sorted).collect()),
        Value::Table(entries) => {
            let mut entries: Vec<_> = entries.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            entries.sort_by(|one, other| other.0.cmp(&one.0));
            Value::Table(entries)
        }
        other => other.clone(),
    }
}

// Whole JSON is taken as `serde_json` takes it, or refused for a stated bound or ambiguity.
fn as_json(text: &str, read: &Result<Value, DocumentError>) {
    let Ok(theirs) = serde_json::from_str::<serde_json::Value>(text) else { return };
    match read {
        Ok(ours) => assert!(is_json(ours, &theirs), "{ours:?} is not {theirs}"),
        Err(DocumentError::Syntax { reason, .. }) => panic!("whole JSON is refused: {reason}"),
        Err(_) => {}
    }
}

fn is_json(ours: &Value, theirs: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match (ours, theirs) {
        (Value::Null, Json::Null) => true,
        (Value::Bool(one), Json::Bool(other)) => one == other,
        // `serde_json` may be wrong in a float's last digit.
        (Value::Number(one), Json::Number(other)) => match (one.parse::<f64>(), other.as_f64()) {
            (Ok(one), Some(other)) => (one - other).abs() <= one.abs() * 1e-12,
            _ => false,
        },
        (Value::Text(one), Json::String(other)) => one == other,
        (Value::List(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_json(one, other))
        }
        // Of two entries with one name the last one counts.
        (Value::Table(one), Json::Object(other)) => {
            let last = |name: &str| one.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value);
            one.iter().all(|(name, _)| other.contains_key(name))
                && other.iter().all(|(name, other)| last(name).is_some_and(|one| is_json(one, other)))
        }
        _ => false,
    }
}

// Whole TOML has the same tables and texts.
fn as_toml(text: &str, read: &Result<Value, DocumentError>) {
    let Ok(theirs) = text.strip_prefix('\u{feff}').unwrap_or(text).parse::<toml::Table>() else { return };
    match read {
        Ok(ours) => assert!(is_toml(ours, &toml::Value::Table(theirs.clone())), "{ours:?} is not {theirs}"),
        Err(DocumentError::Syntax { reason, .. }) => panic!("whole TOML is refused: {reason}"),
        Err(_) => {}
    }
}

fn is_toml(ours: &Value, theirs: &toml::Value) -> bool {
    match (ours, theirs) {
        (Value::Bool(one), toml::Value::Boolean(other)) => one == other,
        (Value::Number(_), toml::Value::Integer(_) | toml::Value::Float(_)) => true,
        (Value::Text(one), toml::Value::String(other)) => one == other,
        (Value::Text(_), toml::Value::Datetime(_)) => true,
        (Value::List(one), toml::Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_toml(one, other))
        }
        (Value::Table(one), toml::Value::Table(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| is_toml(value, other)))
        }
        _ => false,
    }
}

/// A document, judged as one of the files of a built-in agent: the agent by the first byte, its file by the second.
/// What is harmless in the strictest launch is harmless in every one, the order of names does not count, and no message
/// holds a key.
pub fn offences(bytes: &[u8]) {
    let [agent, file, template @ ..] = bytes else { return };
    let agents = agents();
    let agent = &agents[usize::from(*agent) % agents.len()];
    if agent.guard.is_empty() {
        return;
    }
    let guard = &agent.guard[usize::from(*file) % agent.guard.len()];
    let Ok(Some(document)) = parse(guard, Path::new("/project/file"), &keys::filled(template)) else { return };
    let inside = |path: &str| !path.starts_with('/') && !path.contains("..");
    let strictest = strict_conditions(agent, &inside);
    let version = Version::parse("999.0");
    let now = Conditions {
        code_passes: true,
        version: version.as_ref(),
        models: vec!["anthropic/".to_owned()],
        variables: VariableRules {
            agent,
            is_login: false,
            prefixes: Vec::new(),
            telemetry: false,
            treats_all_as_read: false,
        },
        inside: &inside,
    };
    let found = judge::offences(&document, guard, &now, &strictest);
    let all = judge::offences(&document, guard, &strictest, &strictest);
    let unseen = found.iter().find(|offence| !all.iter().any(|strict| strict.at == offence.at));
    assert!(unseen.is_none(), "the strictest launch lets pass what another does not: {unseen:?}");
    for offence in found.iter().chain(&all) {
        assert!(leads_somewhere(&document, &offence.at), "{offence:?}");
        let shown = redact::value(&offence.at, &offence.bound);
        let at = redact::path(&offence.at);
        assert!(shown.chars().count() <= redact::RECORD_CHARS && !shown.contains(is_unprintable), "{shown:?}");
        assert!(!at.contains(is_unprintable), "{at:?}");
        keys::assert_hidden(&format!("{at} = {shown}"), &keys::named(template));
    }
    let other = judge::offences(&sorted(&document), guard, &strictest, &strictest);
    assert_eq!(bound(&all), bound(&other), "the order of names does not count");
}

pub(super) fn agents() -> &'static [AgentSpec] {
    static ALL: OnceLock<Vec<AgentSpec>> = OnceLock::new();
    ALL.get_or_init(|| {
        let paths = Paths::new(&Env::from_pairs([("HOME", "/nonexistent"), ("USERPROFILE", "C:\\nonexistent")]));
        let registry = Registry::new(&paths.expect("a home"));
        let names = registry.agent_names().expect("the built-in ones");
        let agent = |name: &String| registry.agent(&name.parse().expect("a name")).expect("a definition");
        names.iter().map(|name| (*agent(name)).clone()).collect()
    })
}

// Whether names lead to a value, in tables and in the tables of lists.
fn leads_somewhere(value: &Value, at: &[String]) -> bool {
    let Some((first, rest)) = at.split_first() else { return true };
    match value {
        Value::Table(entries) => entries.iter().any(|(name, value)| name == first && leads_somewhere(value, rest)),
        Value::List(list) => list.iter().any(|value| leads_somewhere(value, at)),
        _ => false,
    }
}

fn bound(offences: &[Offence]) -> Vec<String> {
    let mut all: Vec<String> =
        offences.iter().map(|offence| format!("{:?} {}", offence.at, offence.bound.digest())).collect();
    all.sort();
    all
}
