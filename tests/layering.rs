//! The layers of the house: a module imports from lower layers, and from its own only where the table says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Layer, module, and the modules of its own layer that it may import.
const TABLE: &[(u8, &str, &[&str])] = &[
    (0, "secret", &["platform"]),
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
    // The mark and the addresses of a bus are written in it.
    (0, "percent", &[]),
    // Decided by `plan` and undone by `host`, so below both.
    (0, "mark", &["env", "name", "percent", "platform"]),
    (1, "paths", &[]),
    (1, "config", &["paths"]),
    (1, "registry", &["config", "paths"]),
    (1, "profile", &["config", "registry", "paths"]),
    (1, "trust", &["paths"]),
    (1, "store", &["config", "paths"]),
    (1, "audit", &["paths"]),
    // Records of what the user said, as `trust`; `plan` and the daemon decide by them.
    (1, "pins", &["paths"]),
    (1, "lease", &["paths"]),
    (1, "shell", &[]),
    (2, "guard", &[]),
    (2, "plan", &["guard"]),
    (2, "launch", &["plan"]),
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

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// What each module imports from the crate, tests beside the code left out.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&root, &mut found);
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in found {
        let below = path.strip_prefix(&root).expect("below src");
        let first = below.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).expect("UTF-8");
        if below.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(&text);
        let code = code.split("\n#[cfg(all(test, unix))]\nmod tests {").next().unwrap_or(code);
        let mine = imports.entry(module).or_default();
        for piece in code.split("crate::").skip(1) {
            match piece.strip_prefix('{') {
                Some(list) => {
                    let list = list.split('}').next().unwrap_or_default();
                    mine.extend(
                        list.split(',').map(|item| item.trim().split("::").next().unwrap_or_default().to_owned()),
                    );
                }
                None => drop(mine.insert(piece.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect())),
            }
        }
    }
    imports
}

#[test]
fn modules_import_from_lower_layers_alone() {
    let layer: BTreeMap<&str, (u8, &[&str])> = TABLE.iter().map(|(layer, name, own)| (*name, (*layer, *own))).collect();
    let imports = imports();
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

#[test]
fn unsafe_code_lives_in_platform_alone_and_keyring_in_store() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
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
