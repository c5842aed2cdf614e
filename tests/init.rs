//! `ringlet init` writes a project file and allows it.

use crate::common::world::{KEY, World};
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn a_project_file_is_written_and_allowed() {
    let world = World::ready();
    let folder = world.path("home/fresh");
    fs::create_dir(&folder).expect("a folder");
    let done = world.run_in(&folder, &["init", "work"]);
    assert!(done.stderr.contains("allowed ~/fresh/.ringlet.toml: profile work"), "{done:?}");
    done.ok();
    assert_eq!(world.read("home/fresh/.ringlet.toml"), "profile = \"work\"\n");
    assert!(world.run_in(&folder, &["exec", "claude"]).ok().contains(KEY));
}

#[test]
fn what_is_there_is_never_overwritten() {
    let world = World::ready();
    world.write("home/project/.ringlet.toml", "profile = \"theirs\"\n");
    world.run(&["init", "work"]).fails(1, &[".ringlet.toml already exists", "edit it, then run `ringlet allow`"]);
    assert_eq!(world.read("home/project/.ringlet.toml"), "profile = \"theirs\"\n");
    // Not even through a dangling link.
    let link = world.path("home/project/.ringlet.toml");
    fs::remove_file(&link).expect("removed");
    symlink(world.path("home/elsewhere"), &link).expect("linked");
    world.run(&["init", "work"]).fails(1, &["already exists"]);
    assert!(!world.path("home/elsewhere").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_profile_that_is_not_there_is_not_written() {
    let world = World::ready();
    let folder = world.path("home/fresh");
    fs::create_dir(&folder).expect("a folder");
    world.run_in(&folder, &["init", "wrok"]).fails(1, &["profile \"wrok\" does not exist", "did you mean `work`?"]);
    world.run_in(&folder, &["init", "../work"]).fails(2, &["profile"]);
    world.run_in(&folder, &["init"]).fails(2, &["ringlet init --yes", "ringlet init PROFILE"]);
    assert!(!folder.join(".ringlet.toml").exists());
    world.run_in("/proc/self".as_ref(), &["init", "work"]).fails(1, &[".ringlet.toml: cannot be written"]);
}

// As one that was killed between writing the file and allowing it has left it.
#[test]
fn what_an_ended_run_has_written_is_allowed_by_the_next() {
    let world = World::ready();
    let file = world.write("home/project/.ringlet.toml", "profile = \"work\"\n");
    fs::remove_dir_all(world.path("home/.local/state/ringlet/trust")).ok();
    world.run(&["init", "work"]).ok();
    assert!(world.run(&["status"]).ok().contains("work"));
    assert_eq!(fs::read_to_string(&file).expect("there"), "profile = \"work\"\n");
    let left = fs::read_dir(world.path("home/project")).expect("a folder");
    assert_eq!(left.filter(|entry| entry.as_ref().is_ok_and(|it| it.file_name() != ".ringlet.toml")).count(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_login_is_set_up_where_there_is_no_store_at_all() {
    let mut world = World::bare();
    world.set("SHELL", "/bin/bash");
    world.agent("codex");
    world.write("home/.config/ringlet/config.toml", "[credentials]\nbackend = \"system-only\"\n");
    world.write("home/.codex/auth.json", "{\"tokens\": {\"access_token\": \"x\"}}");
    let home = world.path("home");
    let done = world.run_in(&home, &["init", "--yes"]);
    assert_eq!(done.status, Some(0), "{done:?}");
    assert_eq!(world.read("home/.ringlet/profiles/default/ringlet.toml"), "agent = \"codex\"\nauth = \"login\"\n");
    assert!(world.read("home/.bashrc").contains("ringlet hook bash"));
    world.run_in(&home, &["migrate", "undo"]);
}
