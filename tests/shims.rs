//! `ringlet shims`: links named after the agents. What they do is tested with `exec`.

use crate::common::world::{RINGLET, World};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const FOLDER: &str = "home/.local/state/ringlet/shims";

#[test]
fn links_are_made_for_the_agents_that_the_hook_wraps_and_removed_again() {
    let world = World::ready();
    world.agent("codex");
    let done = world.run(&["shims", "install"]);
    assert!(
        done.stderr.contains("links for claude, codex") && done.stderr.contains("put this folder at the head of PATH"),
        "{done:?}"
    );
    assert_eq!(done.ok(), format!("{}\n", world.path(FOLDER).display()));
    for name in ["claude", "codex"] {
        assert_eq!(fs::read_link(world.path(FOLDER).join(name)).expect("a link"), Path::new(RINGLET));
    }
    // Again, and over what a former ringlet left.
    fs::remove_file(world.path(FOLDER).join("claude")).expect("removed");
    symlink("/nonexistent/ringlet", world.path(FOLDER).join("claude")).expect("linked");
    world.run(&["shims", "install"]).ok();
    assert_eq!(fs::read_link(world.path(FOLDER).join("claude")).expect("a link"), Path::new(RINGLET));
    world.run(&["shims", "remove", "codex"]).ok();
    world.run(&["shims", "remove", "codex"]).fails(1, &["there is no link for codex in "]);
    let done = world.run(&["shims", "remove"]);
    assert!(done.stderr.contains("removed 1 links"), "{done:?}");
    assert_eq!(fs::read_dir(world.path(FOLDER)).expect("a folder").count(), 0);
    world.run(&["shims", "remove"]).ok();
}

#[test]
fn links_are_made_for_named_agents_alone() {
    let mut world = World::new();
    world
        .run(&["shims", "install"])
        .fails(1, &["no agent is bound by a profile or found on PATH", "ringlet shims install claude"]);
    // The command counts, not the agent's name.
    world.set("PATH", format!("{}:/usr/bin:/bin", world.path(FOLDER).display()));
    let done = world.run(&["shims", "install", "cursor", "codex", "--json"]);
    assert_eq!(done.stderr, "");
    let json: serde_json::Value = serde_json::from_str(&done.ok()).expect("JSON");
    assert_eq!(json, serde_json::json!({ "folder": world.path(FOLDER), "commands": ["agent", "codex"] }));
    world.run(&["shims", "install", "calude"]).fails(1, &["unknown agent \"calude\"", "did you mean `claude`?"]);
    world.run(&["shims", "install", "../x"]).fails(2, &["agent"]);
    world.run(&["shims", "remove", "gemini"]).fails(1, &["there is no link for gemini"]);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let mut world = World::ready();
    world.set("XDG_STATE_HOME", "/dev/null/state");
    world.run(&["shims", "install"]).fails(1, &["/dev/null/state/ringlet/shims: cannot be created"]);
    let world = World::ready();
    world.write(FOLDER, "a file");
    world.run(&["shims", "install"]).fails(1, &["shims: cannot be created"]);
}
