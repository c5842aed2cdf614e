//! Homes and files of other users: root in another user's home, and configuration that belongs to somebody else.

use crate::common::world::{KEY, World};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{chown, symlink};

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

#[test]
fn what_root_owns_is_the_users_own_and_may_be_a_link() {
    let world = World::ready();
    let home = world.path("home");
    // As home-manager leaves it: links into a store that is root's, where nobody may write.
    let store = world.path("store");
    let files = [".config/ringlet/config.toml", ".ringlet/profiles/work/ringlet.toml"];
    world.write("home/.config/ringlet/agents/claude.toml", include_str!("../registry/agents/claude.toml"));
    world.write("home/.config/ringlet/providers/anthropic.toml", include_str!("../registry/providers/anthropic.toml"));
    for (at, file) in files.iter().chain(&[".config/ringlet/agents", ".config/ringlet/providers"]).enumerate() {
        let kept = store.join(at.to_string());
        fs::create_dir_all(&store).expect("a folder");
        fs::rename(home.join(file), &kept).expect("moved");
        symlink(&kept, home.join(file)).expect("a link");
    }
    // A user of a number that nobody has, to whom root gave all but the store.
    let run = |words: &[&str]| -> crate::common::world::Done {
        if !root() {
            return world.run(words);
        }
        let mut command = world.process("setpriv");
        command.args(["--reuid=12345", "--regid=12345", "--clear-groups", crate::common::world::RINGLET]).args(words);
        crate::common::world::finish(&mut command)
    };
    if root() {
        let mut all: Vec<OsString> = vec!["-Rh".into(), "12345:12345".into()];
        all.extend([home.into_os_string(), world.path("run").into_os_string()]);
        assert!(world.process("chown").args(all).status().expect("chown").success());
        world.chmod(&world.path(""), 0o755);
    }
    assert!(run(&["exec", "claude"]).ok().contains(KEY));
    assert!(run(&["profiles", "list"]).ok().contains("work"));
    // Whoever else may write them is refused as ever.
    world.chmod(&store.join("0"), 0o646);
    run(&["exec", "claude"]).fails(125, &["can be written by others", "run `chmod go-w "]);
    world.chmod(&store.join("0"), 0o444);
    run(&["exec", "claude"]).ok();
    if root() {
        chown(store.join("1"), Some(12346), None).expect("root may");
        let done = run(&["exec", "claude"]).fails(125, &["belongs to another user", "put a copy of your own"]);
        assert!(!done.stderr.contains("chmod"), "{done:?}");
    }
}
