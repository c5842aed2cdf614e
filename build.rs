//! Writes the definitions of /registry as Rust literals, so that no launch parses TOML for a built-in agent or
//! provider.
//!
//! For each definition it writes a function that returns the same value as parsing the file. `registry::builtin`
//! includes them, and a test compares the two. A key that the types do not know does not compile. The manual pages of
//! /man are listed for `ringlet man`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};
use toml::{Table, Value};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=registry");
    println!("cargo::rerun-if-changed=man");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("registry");
    let mut code = String::new();
    for (kind, raw) in [("agent", "RawAgent"), ("provider", "RawProvider")] {
        let mut entries = String::new();
        for (name, table) in definitions(&root.join(format!("{kind}s")))? {
            let function = format!("{kind}_{}", name.replace('-', "_"));
            let _ = writeln!(code, "fn {function}() -> {raw} {{\n    {}\n}}\n", structure(raw, &table));
            let commands: Vec<&Value> = table.get("command").into_iter().chain(list(&table, "also")).collect();
            let commands: Vec<&str> = commands.into_iter().filter_map(Value::as_str).collect();
            let _ = match kind {
                "agent" => {
                    writeln!(
                        entries,
                        "    BuiltinAgent {{ name: {name:?}, commands: &{commands:?}, raw: {function} }},"
                    )
                }
                _ => writeln!(entries, "    BuiltinProvider {{ name: {name:?}, raw: {function} }},"),
            };
        }
        let _ = match kind {
            "agent" => {
                writeln!(code, "/// The agents, by name.\npub(crate) const AGENTS: &[BuiltinAgent] = &[\n{entries}];\n")
            }
            _ => writeln!(
                code,
                "/// The providers, by name.\npub(super) const PROVIDERS: &[BuiltinProvider] = &[\n{entries}];\n"
            ),
        };
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("registry.rs"), code)?;
    fs::write(out.join("pages.rs"), pages(&root.with_file_name("man"))?)
}

// Returns the list of the manual pages, whose texts the compiler reads.
fn pages(folder: &Path) -> io::Result<String> {
    let mut names = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().into_string().expect("a name that is text")))
        .collect::<io::Result<Vec<String>>>()?;
    names.sort();
    let page = |name: &String| {
        format!("    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/man/{name}\"))),\n")
    };
    let list: String = names.iter().map(page).collect();
    Ok(format!(
        "/// The names of the files, and their texts.\npub(super) const PAGES: &[(&str, &str)] = &[\n{list}];\n"
    ))
}

// Returns the definitions of a folder with the names of their files, sorted.
fn definitions(folder: &Path) -> io::Result<Vec<(String, Table)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name that is text").to_owned();
        let table = fs::read_to_string(&file)?.parse();
        found.push((name, table.unwrap_or_else(|error| panic!("{}: {error}", file.display()))));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

fn list<'a>(table: &'a Table, key: &str) -> impl Iterator<Item = &'a Value> {
    table.get(key).and_then(Value::as_array).into_iter().flatten()
}

// Returns a table as a value of the struct of that name. A missing key has the same default as in a file.
fn structure(name: &str, table: &Table) -> String {
    let fields: Vec<String> = table.iter().filter_map(|(key, value)| field(name, key, value)).collect();
    format!("{name} {{ {} ..Default::default() }}", fields.iter().map(|field| format!("{field}, ")).collect::<String>())
}

fn field(owner: &str, key: &str, value: &Value) -> Option<String> {
    // Two keys have another name in the struct.
    let name = match key {
        "as" => "like".to_owned(),
        "told" => "with_provider".to_owned(),
        key => key.replace('-', "_"),
    };
    let literal = match (key, value) {
        ("set", Value::Table(pairs)) => {
            let texts: Vec<&str> = pairs.iter().flat_map(|(name, value)| [name.as_str(), text(value)]).collect();
            format!("pairs({})", joined(&texts))
        }
        ("endpoints", Value::Table(endpoints)) => map(endpoints, |name, urls| {
            let url =
                |protocol: &str, url: &Value| format!("({}, text({:?}))", variant("Protocol", protocol), text(url));
            format!("(text({name:?}), {})", map(urls.as_table().expect("URLs by protocol"), url))
        }),
        ("check", Value::Table(paths)) => {
            map(paths, |protocol, path| format!("({}, text({:?}))", variant("Protocol", protocol), text(path)))
        }
        ("auth", Value::Table(auth)) => {
            map(auth, |protocol, how| format!("({}, {})", variant("Protocol", protocol), variant("Auth", text(how))))
        }
        ("harmless", value) if owner == "RawGuard" => {
            format!("Some(RawRule::built_in(|| {}))", rule(value))
        }
        ("providers", Value::Table(names)) => {
            map(names, |protocol, name| format!("({}, text({:?}))", variant("Protocol", protocol), text(name)))
        }
        ("protocol", word) => variant("Protocol", text(word)),
        ("format", word) => variant("Format", text(word)),
        (_, Value::String(text)) => format!("text({text:?})"),
        (_, Value::Boolean(truth)) => format!("{truth}.into()"),
        (_, Value::Integer(number)) => number.to_string(),
        (_, Value::Array(list)) if list.is_empty() => return None,
        (key, Value::Array(list)) if list.iter().all(Value::is_table) => {
            let each = list.iter().map(|table| structure(type_of(key), table.as_table().expect("a table")));
            format!("vec![{}]", each.collect::<Vec<_>>().join(", "))
        }
        (_, Value::Array(list)) => format!("texts({})", joined(&list.iter().map(text).collect::<Vec<_>>())),
        (key, Value::Table(table)) => format!("{}.into()", structure(type_of(key), table)),
        (key, value) => panic!("no literal is known for {key} = {value:?}"),
    };
    Some(format!("{name}: {literal}"))
}

fn map(table: &Table, pair: impl Fn(&str, &Value) -> String) -> String {
    let pairs: Vec<String> = table.iter().map(|(key, value)| pair(key, value)).collect();
    format!("BTreeMap::from([{}])", pairs.join(", "))
}

// Returns the struct for a table, or for each table of a list.
fn type_of(key: &str) -> &'static str {
    match key {
        "api" => "RawApi",
        "apart" => "Apart",
        "broker" => "Brokered",
        "chosen" => "Chosen",
        "config-dir" => "RawConfigDir",
        "directory" => "Directory",
        "env-files" | "files" => "UserFile",
        "form" => "RawForm",
        "guard" => "RawGuard",
        "holder" => "Holder",
        "ignored" => "Ignored",
        "login" => "RawLogin",
        "moved" => "Moved",
        "moved-by" => "MovedBy",
        "names" => "Names",
        "no-key" => "NoKey",
        "outranks" | "stored" => "Stored",
        "overrides" => "Override",
        "reads" => "Reads",
        "rejected" => "Rejected",
        "sessions" => "Sessions",
        "settings" => "Settings",
        "supervisor" => "RawSupervisor",
        "switch" => "RawSwitch",
        "teammates" => "Teammates",
        "unless" => "Unless",
        "withheld" => "Withheld",
        _ => panic!("no type is known for the table {key}"),
    }
}

// Returns the variant for a word: `x-api-key` of `Auth` is `Auth::XApiKey`.
fn variant(kind: &str, word: &str) -> String {
    let upper = |part: &str| part[..1].to_ascii_uppercase() + &part[1..];
    format!("{kind}::{}", word.split('-').map(upper).collect::<String>())
}

// Returns a rule of `guard`, as `Rule::parse` reads it.
fn rule(value: &Value) -> String {
    match value {
        Value::String(word) => variant("Rule", word),
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_table) => {
            format!("Rule::Either(vec![{}])", list.iter().map(rule).collect::<Vec<_>>().join(", "))
        }
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_str) => {
            format!("Rule::OneOf(texts({}))", joined(&list.iter().map(text).collect::<Vec<_>>()))
        }
        Value::Array(list) => {
            let scalar = |value: &Value| match value {
                Value::String(text) => format!("Scalar::Text(text({text:?}))"),
                Value::Integer(number) => format!("Scalar::Number({number})"),
                Value::Boolean(truth) => format!("Scalar::Bool({truth})"),
                _ => panic!("a rule's list holds {value:?}"),
            };
            format!("Rule::OneOf(vec![{}])", list.iter().map(scalar).collect::<Vec<_>>().join(", "))
        }
        Value::Table(table) => {
            // Consecutive names with the same rule share it.
            let mut lists: Vec<(Vec<&str>, String)> = Vec::new();
            for (name, value) in table {
                let rule = rule(value);
                match lists.last_mut() {
                    Some((names, shared)) if *shared == rule => names.push(name),
                    _ => lists.push((vec![name], rule)),
                }
            }
            let lists = lists.into_iter().map(|(names, rule)| format!("({}, {rule})", joined(&names)));
            format!("table([{}])", lists.collect::<Vec<_>>().join(", "))
        }
        _ => panic!("a rule is {value:?}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is not a text"))
}

// Returns one literal for several texts, with the unit separator of ASCII between them.
fn joined(texts: &[&str]) -> String {
    assert!(texts.iter().all(|text| !text.contains('\u{1f}')), "a text holds a unit separator");
    format!("{:?}", texts.join("\u{1f}"))
}
