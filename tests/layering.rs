//! The layers of the source: a module imports from lower layers, and from its own only where the table says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Layer, module, and the modules of its own layer that it may import.
const TABLE: &[(u8, &str, &[&str])] = &[
    (0, "secret", &["digest", "platform"]),
    (0, "name", &[]),
    // Not `audit`'s own: a plan compares a program with its pin, and may not import the log.
    (0, "digest", &[]),
    // Settings, leases and `--since` read the same lengths of time.
    (0, "duration", &[]),
    (0, "env", &["name"]),
    // Only the words; `shell` quotes them and `output` prints them.
    (0, "hint", &[]),
    (0, "platform", &[]),
    // `trust` and the guard follow a checkout's links.
    (0, "git", &["platform"]),
    // The guard shows values of a project's files, and the stores what their programs say.
    (0, "mask", &["name"]),
    // Endpoints of providers and addresses of stores are judged alike.
    (0, "url", &[]),
    // The mark and the addresses of a bus are written in it.
    (0, "percent", &[]),
    // The encrypted file, and what `keychain export` writes.
    (0, "age_file", &[]),
    // Decided by `plan` and undone by `host`, so below both.
    (0, "mark", &["env", "name", "percent", "platform"]),
    (1, "paths", &[]),
    (1, "config", &["paths"]),
    (1, "registry", &["config", "paths"]),
    (1, "profile", &["config", "registry", "paths"]),
    (1, "trust", &["paths"]),
    (1, "store", &["config", "paths", "vault"]),
    (1, "audit", &["paths"]),
    // Records of what the user said, as `trust`; `plan` and the daemon decide by them.
    (1, "pins", &["paths"]),
    (1, "lease", &["paths"]),
    // When a key was stored, and when it expires.
    (1, "dates", &["paths"]),
    // What `keychain export` writes and `import` reads.
    (1, "archive", &[]),
    (1, "shell", &[]),
    // What the broker counts and `ringlet usage` shows.
    (1, "usage", &[]),
    // Below everything that may ask a server: the broker, checks of keys, stores.
    (1, "https", &[]),
    // Used by a store, and by the broker for as long as an agent runs.
    (1, "vault", &["https"]),
    // Asks about a key at the endpoint that the profiles name.
    (2, "probe", &[]),
    (2, "guard", &[]),
    (2, "plan", &["guard"]),
    (2, "launch", &["broker", "plan"]),
    // A launch starts it.
    (2, "broker", &[]),
    (2, "hook", &[]),
    (2, "migrate", &[]),
    (2, "daemon", &["plan"]),
    (3, "cli", &[]),
    (3, "commands", &["cli", "failure", "output", "host"]),
    (3, "failure", &[]),
    (3, "output", &["failure"]),
    (3, "host", &["failure", "output"]),
    (3, "lib", &["commands", "host", "failure", "output"]),
    (3, "main", &["host"]),
    // What the tests and the fuzz targets may see; nothing imports it.
    (4, "testing", &[]),
];

/// Imports that the layers would allow and the promises do not.
const FORBIDDEN: &[(&str, &[&str])] = &[
    // No prompt can ever unlock a keychain.
    ("hook", &["store", "secret", "launch"]),
    // A plan holds references to secrets only.
    ("plan", &["store", "secret", "audit"]),
    // No field of the log can hold a secret.
    ("audit", &["secret", "store"]),
    ("cli", &["name", "env", "secret", "platform", "config", "profile", "store", "plan", "launch", "registry"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Adds the Rust files below a folder.
pub(crate) fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// A path in code, from the crate's root on.
type Way = Vec<String>;

/// A source file, its tests left out.
struct Code {
    /// The module that the file is: empty for `lib.rs`, `main` for `main.rs`.
    module: Way,
    /// Whether its children lie in the folder that it lies in.
    is_root: bool,
    /// The paths that it names, and what the file calls the last part of each.
    names: Vec<(Way, String)>,
}

/// All source files but those that hold tests alone.
fn sources() -> Vec<Code> {
    let root = root();
    let mut found = Vec::new();
    files(&root, &mut found);
    found.sort();
    let mut sources = Vec::new();
    for path in found {
        let below = path.strip_prefix(&root).expect("below src").with_extension("");
        let mut module: Way = below.iter().map(|part| part.to_str().expect("UTF-8").to_owned()).collect();
        if module.iter().any(|part| part == "tests")
            || (module.len() > 1 && module.last().is_some_and(|name| name == "testing"))
        {
            continue;
        }
        let is_root = matches!(module.last().map(String::as_str), Some("mod" | "lib"));
        if is_root {
            module.pop();
        }
        let text = fs::read_to_string(&path).expect("UTF-8");
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(&text);
        let code = code.split("\n#[cfg(all(test,").next().unwrap_or(code);
        let names = names(&bare(code), &module);
        sources.push(Code { module, is_root, names });
    }
    sources
}

/// Code without its comments and texts.
fn bare(code: &str) -> String {
    let mut bare = String::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        // A path in a text is no import. Quotes inside texts do not matter, since no text names a path behind one.
        bare.extend(line.split('"').step_by(2));
        bare.push('\n');
    }
    bare
}

/// The paths that begin with `crate`, `self` or `super`.
fn names(code: &str, module: &[String]) -> Vec<(Way, String)> {
    let mut found = Vec::new();
    // `main.rs` sees the library from outside, and `lib.rs` names its modules as they are.
    let own = code.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let own: Vec<String> = own.filter(|_| module.is_empty()).map(|name| format!("{name}::")).collect();
    let starts = ["crate::", "ringlet::", "self::", "super::"].into_iter().chain(own.iter().map(String::as_str));
    for start in starts {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '$')) {
                continue;
            }
            let is_from_root = matches!(start, "crate::" | "ringlet::");
            let mut way = if is_from_root { Vec::new() } else { module.to_vec() };
            let mut rest = if is_from_root { &code[at + start.len()..] } else { &code[at..] };
            while let Some(further) = rest.strip_prefix("super::") {
                way.pop();
                rest = further;
            }
            tree(rest.strip_prefix("self::").unwrap_or(rest), &way, &mut found);
        }
    }
    found
}

/// Reads a path or a list of paths, and gives what stands behind it.
fn tree<'a>(mut code: &'a str, way: &[String], found: &mut Vec<(Way, String)>) -> &'a str {
    let mut way = way.to_vec();
    loop {
        code = code.trim_start();
        if let Some(list) = code.strip_prefix('{') {
            code = list;
            loop {
                code = code.trim_start();
                if code.is_empty() {
                    return code;
                }
                if let Some(rest) = code.strip_prefix('}') {
                    return rest;
                }
                code = match code.strip_prefix(',') {
                    Some(rest) => rest,
                    None => tree(code, &way, found),
                };
            }
        }
        let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
        if end == 0 {
            // `*`, or a macro's variable.
            found.push((way, String::new()));
            return code.get(1..).unwrap_or_default();
        }
        if &code[..end] != "self" {
            way.push(code[..end].to_owned());
        }
        code = &code[end..];
        match code.strip_prefix("::") {
            Some(rest) => code = rest,
            None => {
                let mut name = way.last().cloned().unwrap_or_default();
                if let Some(rest) = code.strip_prefix(" as ") {
                    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                    name = rest[..end].to_owned();
                    code = &rest[end..];
                }
                found.push((way, name));
                return code;
            }
        }
    }
}

/// What each module at the root imports from the others.
fn imports(sources: &[Code]) -> BTreeMap<String, BTreeSet<String>> {
    let own = |code: &Code| code.module.first().cloned().unwrap_or_else(|| "lib".to_owned());
    let modules: BTreeSet<String> = sources.iter().map(own).collect();
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for code in sources {
        let module = own(code);
        let others = code.names.iter().filter_map(|(way, _)| way.first());
        let others = others.filter(|other| **other != module && modules.contains(*other)).cloned();
        imports.entry(module.clone()).or_default().extend(others);
    }
    imports
}

/// What each file of a folder imports from the others there; a file and the folder of its children are one.
fn inside(folder: &[String], sources: &[Code]) -> BTreeMap<String, BTreeSet<String>> {
    let within = |way: &[String]| way.strip_prefix(folder).and_then(|rest| rest.first()).cloned();
    let files: BTreeSet<String> = sources.iter().filter_map(|code| within(&code.module)).collect();
    // The folder's own file names what its children share, under names that lead on to another of them.
    let shared: BTreeMap<&str, String> = sources
        .iter()
        .filter(|code| code.module == folder)
        .flat_map(|code| &code.names)
        .filter_map(|(way, name)| Some((name.as_str(), within(way)?)))
        .collect();
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for code in sources {
        let Some(file) = within(&code.module) else { continue };
        let others = code.names.iter().filter_map(|(way, _)| within(way));
        let others = others.filter_map(|name| match files.contains(&name) {
            true => Some(name),
            false => shared.get(name.as_str()).cloned(),
        });
        let others: BTreeSet<String> = others.filter(|other| *other != file && files.contains(other)).collect();
        imports.entry(file).or_default().extend(others);
    }
    imports
}

/// The modules that import each other in a circle: what is left once those are gone that import nothing that is left.
fn circle(mut imports: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let left: BTreeSet<String> = imports.keys().cloned().collect();
        imports.values_mut().for_each(|others| others.retain(|other| left.contains(other)));
        // Nor those that nothing imports: they only lead into a circle.
        let imported: BTreeSet<String> = imports.values().flatten().cloned().collect();
        imports.retain(|module, others| !others.is_empty() && imported.contains(module));
        if imports.len() == left.len() {
            return imports;
        }
    }
}

#[test]
fn no_two_files_of_a_folder_import_each_other() {
    let sources = sources();
    let folders: BTreeSet<&[String]> = sources
        .iter()
        .filter_map(|code| match code.is_root {
            true => Some(code.module.as_slice()),
            false => code.module.split_last().map(|(_, folder)| folder),
        })
        .collect();
    let circles: BTreeMap<String, _> = folders
        .into_iter()
        .map(|folder| (folder.join("/"), circle(inside(folder, &sources))))
        .filter(|(_, circle)| !circle.is_empty())
        .collect();
    let circles: Vec<String> = circles.iter().map(|(folder, circle)| format!("in src/{folder}: {circle:?}")).collect();
    assert!(circles.is_empty(), "files import each other {}", circles.join("\n"));
}

/// The first sentence of a module's own words.
fn duty(module: &str) -> String {
    let file = [format!("{module}.rs"), format!("{module}/mod.rs")].map(|file| root().join(file));
    let file = file.iter().find(|file| file.is_file()).expect("a module has a file");
    let text = fs::read_to_string(file).expect("UTF-8");
    let words: Vec<&str> = text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .take_while(|line| !line.trim().is_empty())
        .map(str::trim)
        .collect();
    let words = words.join(" ").replace('|', "\\|");
    words.split_once(". ").map_or(words.trim_end_matches('.'), |(first, _)| first).to_owned()
}

/// The page's table: each module with what it imports.
fn modules_table() -> String {
    let imports = imports(&sources());
    let mut table = "| layer | module | duty | imports |\n| --- | --- | --- | --- |\n".to_owned();
    for (layer, module, _) in TABLE {
        let imports: Vec<String> = imports[*module].iter().map(|other| format!("`{other}`")).collect();
        table += &format!("| {layer} | `{module}` | {} | {} |\n", duty(module), imports.join(", "));
    }
    table
}

#[test]
fn the_architecture_page_names_each_module_and_what_it_imports() {
    const BEGIN: &str = "<!-- modules: begin -->\n";
    const END: &str = "<!-- modules: end -->";
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let text = fs::read_to_string(&page).expect("a page");
    let (before, rest) = text.split_once(BEGIN).expect("the table's begin");
    let (_, after) = rest.split_once(END).expect("the table's end");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", modules_table());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&page, &wanted).expect("written");
    } else {
        let command = "UPDATE=1 cargo nextest run -E 'test(architecture)'";
        assert!(text == wanted, "docs/architecture.md is not true any more; run: {command}");
    }
}

#[test]
fn modules_import_from_lower_layers_alone() {
    let layer: BTreeMap<&str, (u8, &[&str])> = TABLE.iter().map(|(layer, name, own)| (*name, (*layer, *own))).collect();
    let imports = imports(&sources());
    let modules: Vec<&str> = imports.keys().map(String::as_str).collect();
    let mut known: Vec<&str> = layer.keys().copied().collect();
    known.sort_unstable();
    assert_eq!(modules, known, "the table and src name the same modules");
    let mut wrong = Vec::new();
    for (module, imported) in &imports {
        let (mine, own) = layer[module.as_str()];
        for other in imported.iter().filter(|other| *other != module && !other.is_empty()) {
            let Some((theirs, _)) = layer.get(other.as_str()) else { continue };
            if *theirs > mine || (*theirs == mine && !own.contains(&other.as_str())) {
                wrong.push(format!("{module} (layer {mine}) imports {other} (layer {theirs})"));
            }
        }
        for (_, never) in FORBIDDEN.iter().filter(|(name, _)| name == module) {
            wrong.extend(
                imported
                    .iter()
                    .filter(|other| never.contains(&other.as_str()))
                    .map(|other| format!("{module} must not import {other}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// rustfmt breaks neither comments nor texts.
#[test]
fn no_line_has_more_than_120_columns() {
    let root = root();
    let mut found = Vec::new();
    files(&root, &mut found);
    let mut long = Vec::new();
    for path in found {
        let below = path.strip_prefix(&root).expect("below src");
        let text = fs::read_to_string(&path).expect("UTF-8");
        let lines = text.lines().enumerate().filter(|(_, line)| line.chars().count() > 120);
        long.extend(lines.map(|(at, _)| format!("src/{}:{}", below.display(), at + 1)));
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn unsafe_code_lives_in_platform_alone_and_keyring_in_store() {
    let root = root();
    let mut found = Vec::new();
    files(&root, &mut found);
    for path in found {
        let below = path.strip_prefix(&root).expect("below src");
        let text = fs::read_to_string(&path).expect("UTF-8");
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let says = |word: &str| code.iter().any(|line| line.contains(word));
        assert!(
            below.starts_with("platform") || !(says("unsafe {") || says("unsafe fn") || says("allow(unsafe_code")),
            "{below:?}"
        );
        assert!(below.starts_with("store") || !says("keyring"), "{below:?}");
    }
}

#[test]
fn the_daemons_messages_and_policy_are_pure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/daemon");
    for name in ["protocol.rs", "policy.rs"] {
        let text = fs::read_to_string(root.join(name)).expect("there");
        let code = text.split("#[cfg(test)]").next().expect("a first part");
        for reach in [
            "std::fs",
            "std::io",
            "std::net",
            "std::time",
            "tokio",
            "crate::platform",
            "crate::store",
            "Timestamp::now",
        ] {
            assert!(!code.contains(reach), "{name} reaches for {reach}");
        }
    }
}
