//! Whose home it is, and whose the files in it are.

use crate::common::world::{KEY, World};
use std::os::unix::fs::chown;

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn without_home_the_accounts_home_counts() {
    let mut world = World::ready();
    let (home, project) = (world.path("home"), world.project());
    for empty in [None, Some("")] {
        match empty {
            Some(empty) => world.set("HOME", empty),
            None => world.unset("HOME"),
        }
        let run = |words: &[&str]| world.run_with_account(Some(&home), &project, words);
        assert!(run(&["exec", "claude"]).ok().contains(KEY));
        assert!(run(&["keychain", "list"]).ok().contains("anthropic/work"));
        assert!(run(&["hook", "zsh"]).ok().contains("exec claude --"));
        // Nobody knows of a home.
        for (words, status) in [(&["exec", "claude"][..], 125), (&["status"], 1), (&["hook", "bash"], 1)] {
            let says = ["HOME is not set, and user id ", "has no entry in /etc/passwd", "set HOME"];
            let done = world.run_with_account(None, &project, words).fails(status, &says);
            assert_eq!(done.stdout, "");
        }
    }
}

#[test]
fn root_in_another_users_home_is_told_of_sudo_and_changes_nothing() {
    let mut world = World::ready();
    let project = world.project();
    // For a plain user who is root in a namespace, what the real root owns is another user's.
    let home = if root() { world.path("home") } else { "/usr".into() };
    if root() {
        for path in [&home, &home.join(".config/ringlet/config.toml")] {
            chown(path, Some(12345), None).expect("root may");
        }
    }
    world.set("HOME", &home);
    let says = ["ringlet runs as root, and the home directory ", "is another user's (mode ", "without sudo"];
    for (words, status) in [
        (&["exec", "claude"][..], 125),
        (&["status"], 1),
        (&["allow"], 1),
        (&["keychain", "set", "anthropic", "new", "--stdin"], 1),
    ] {
        let done = world.run_mounted(&project, "true", words).fails(status, &says);
        let command = [&["sudo -H ", crate::common::world::RINGLET, " "].concat(), &words.join(" ")[..]].concat();
        assert!(done.stderr.contains(&command) && !done.stderr.contains("chmod"), "{done:?}");
    }
    // What the user named is the user's word, and a home of root's own is no other's.
    world.run_mounted(&project, "true", &["--config-home", ".", "profiles", "list"]).ok();
    world.run_mounted(&project, "true", &["--version"]).ok();
}
