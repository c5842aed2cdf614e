//! `ringlet shims`: links named after the agents, and the link under which Ringlet itself was started. How the links
//! start agents is tested with `exec`.

use crate::common::world::{RINGLET, World, finish};
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
    assert!(done.stderr.contains("removed 1 link"), "{done:?}");
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

/// A program's path in this world, called by a script, with what it prints.
fn typed(world: &World, line: &str) -> String {
    let done = finish(world.process("sh").args(["-c", line]));
    assert_eq!(done.status, Some(0), "{line}: {done:?}");
    done.stdout + &done.stderr
}

#[test]
fn hook_links_and_unit_keep_the_link_that_led_to_ringlet_through_an_upgrade() {
    let world = World::ready();
    let (one, two) = (world.path("pkg/1/ringlet"), world.path("pkg/2/ringlet"));
    for version in [&one, &two] {
        fs::create_dir_all(version.parent().expect("a folder")).expect("a folder");
        fs::copy(RINGLET, version).expect("installed");
    }
    let link = world.path("bin/ringlet");
    let turn = |to: &Path| {
        let _ = fs::remove_file(&link);
        symlink(to, &link).expect("a link");
    };
    turn(&one);
    world.program("systemctl", "#!/bin/sh\nexit 0\n");
    let unit = world.path("home/.config/systemd/user/ringlet.service");
    for way in ["ringlet", link.to_str().expect("text")] {
        for shell in ["zsh", "bash", "fish"] {
            let hook = typed(&world, &format!("{way} hook {shell}"));
            assert!(hook.contains("bin/ringlet") && !hook.contains("pkg/"), "{hook}");
        }
        typed(&world, &format!("{way} hook powershell"));
        assert_eq!(fs::read_link(world.path(FOLDER).join("claude")).expect("a link"), link);
        typed(&world, &format!("{way} shims remove && {way} shims install claude && {way} daemon install"));
        assert_eq!(fs::read_link(world.path(FOLDER).join("claude")).expect("a link"), link);
        assert!(fs::read_to_string(&unit).expect("written").contains(&format!("ExecStart=\"{}\" ", link.display())));
    }
    turn(&two);
    fs::remove_dir_all(world.path("pkg/1")).expect("removed");
    let key = typed(&world, &format!("'{}'", world.path(FOLDER).join("claude").display()));
    assert!(key.contains(crate::common::world::KEY), "{key}");
    // A file itself, a link of a project's, and one that others could turn.
    let hook = |way: &Path| typed(&world, &format!("'{}' hook bash", way.display()));
    let (by_link, by_file) = (link.to_str().expect("text"), two.to_str().expect("text"));
    assert!(hook(&link).contains(by_link) && hook(&two).contains(by_file));
    let inside = world.path("home/code/.bin/ringlet");
    fs::create_dir_all(world.path("home/code/.git")).expect("a folder");
    fs::create_dir(world.path("home/code/.bin")).expect("a folder");
    symlink(&link, &inside).expect("a link");
    assert!(hook(&inside).contains(by_file));
    world.chmod(&world.path("bin"), 0o777);
    assert!(hook(&link).contains(by_file));
}

#[test]
fn doctor_names_links_that_start_no_ringlet() {
    let world = World::ready();
    world.run(&["shims", "install", "claude", "codex"]).ok();
    let said = world.run(&["doctor"]).ok();
    assert!(!said.contains("shims/"), "{said}");
    let link = |name: &str, to: &str| {
        let path = world.path(FOLDER).join(name);
        let _ = fs::remove_file(&path);
        symlink(to, &path).expect("a link");
    };
    link("claude", "/nonexistent/ringlet");
    link("codex", "/bin/true");
    let done = world.run(&["doctor"]);
    assert_eq!(done.status, Some(1), "{done:?}");
    for text in [
        "the link ~/.local/state/ringlet/shims/claude leads nowhere",
        "run `ringlet shims install claude`",
        "the link ~/.local/state/ringlet/shims/codex leads to ",
        "which is not this ringlet",
        "run `ringlet shims install codex`",
    ] {
        assert!(done.stdout.contains(text), "{text:?} is not in {done:?}");
    }
    world.run(&["shims", "install", "claude", "codex"]).ok();
    assert!(!world.run(&["doctor"]).stdout.contains("shims/"));
}
