//! Every harmless entry of the registry was replayed against the real agent.

use super::*;
use crate::guard::read::Value;
use crate::registry::{Format, Rule, matches};

/// The fields of a replay in `tests/agents/guard` that this test needs.
#[derive(serde::Deserialize)]
struct Replays {
    tests: Vec<Replay>,
}

#[derive(serde::Deserialize)]
struct Replay {
    file: String,
    #[serde(default)]
    content: String,
    expect: Option<String>,
}

fn replays() -> Vec<(String, Vec<Replay>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agents/guard");
    let tables = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path());
    let tables = tables.filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
    let read = |path: PathBuf| {
        let table: Replays = toml::from_str(&fs::read_to_string(&path).expect("readable")).expect("a table of replays");
        (path.file_stem().expect("a name").to_string_lossy().into_owned(), table.tests)
    };
    let mut all: Vec<_> = tables.map(read).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

/// Returns the names that lead to the entries that a rule calls harmless.
fn entries(rule: &Rule, at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    match rule {
        Rule::Table(rules) => {
            for entry in rules {
                at.push(entry.name.clone());
                entries(&entry.rule, at, found);
                at.pop();
            }
        }
        Rule::Either(rules) => rules.iter().for_each(|rule| entries(rule, at, found)),
        // These rules call nothing harmless.
        Rule::OneOf(values) if values.is_empty() => {}
        Rule::Any | Rule::Inside | Rule::OwnModel | Rule::OneOf(_) => found.push(at.clone()),
        // These rules depend on the launch.
        Rule::Code | Rule::Names | Rule::Empty => {}
    }
}

fn holds(value: &Value, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    match value {
        Value::Table(entries) => entries.iter().any(|(name, value)| {
            (matches(first, name) || first.strip_prefix('\\').is_some_and(|start| name.starts_with(start)))
                && holds(value, rest)
        }),
        Value::List(list) => list.iter().any(|value| holds(value, path)),
        _ => false,
    }
}

#[test]
fn every_harmless_entry_was_replayed_against_the_real_agent() {
    let registry = World::new().registry;
    let mut missing = Vec::new();
    // The agent's package has no program for the system of the replays, so its entries follow its documentation.
    let documented = ["amp"];
    for name in registry.agent_names().expect("listed") {
        let agent = registry.agent(&name.parse().expect("valid")).expect("built in");
        if documented.contains(&name.as_str()) {
            continue;
        }
        let tables = replays();
        let table = tables.iter().find(|(table, _)| *table == name).map(|(_, tests)| tests);
        for guard in &agent.guard {
            let mut harmless = Vec::new();
            if guard.format != Format::Prompts {
                entries(&guard.harmless, &mut Vec::new(), &mut harmless);
            }
            harmless
                .extend(guard.ignored.iter().flat_map(|ignored| ignored.entries.iter().map(|name| vec![name.clone()])));
            for path in harmless {
                let tried = table
                    .into_iter()
                    .flatten()
                    .filter(|test| test.expect.as_deref().is_none_or(|word| word == "harmless"));
                let was_tried = tried.filter(|test| is_alike(&guard.file, &test.file)).any(|test| {
                    let document = analysis::parse(guard, Path::new(&guard.file), test.content.as_bytes());
                    matches!(document, Ok(Some(document)) if holds(&document, &path))
                });
                if !was_tried {
                    missing.push(format!("{name} {}: {}", guard.file, path.join(".")));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{} without a replay:\n{}", missing.len(), missing.join("\n"));
}

// The files of a definition that differ only in their paths share one format and one list of entries.
fn is_alike(one: &str, other: &str) -> bool {
    let stem = |file: &str| {
        let name = file.rsplit('/').next().unwrap_or(file);
        name.split('.').find(|part| !part.is_empty()).unwrap_or(name).to_owned()
    };
    stem(one) == stem(other) || other.starts_with(&format!("{one}/"))
}
