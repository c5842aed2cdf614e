//! Ringlet's own folders inside the project of the agent. Whoever writes the project would choose endpoints, keys and
//! trust, so they are refused.

use crate::common::world::{KEY, World};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A world with an allowed project, and beside its files all that Ringlet would need of a configuration.
fn planted() -> (World, PathBuf) {
    let world = World::ready();
    world.allow("profile = \"work\"\n");
    let own = world.project().join("own");
    fs::create_dir_all(own.join("ringlet")).expect("a folder");
    fs::copy(world.path("home/.config/ringlet/config.toml"), own.join("ringlet/config.toml")).expect("copied");
    world.chmod(&own.join("ringlet/config.toml"), 0o644);
    world.chmod(&own, 0o700);
    (world, own)
}

#[test]
fn no_variable_puts_ringlets_own_places_inside_the_project() {
    let (mut world, own) = planted();
    assert!(world.run(&["exec", "claude"]).ok().contains(KEY));
    symlink(&own, world.path("led")).expect("a link");
    let ways = [own.clone(), world.path("led"), world.path("run/../home/project/own"), own.join("not/there/yet")];
    for variable in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "HOME"] {
        let before = world.env().iter().find(|(name, _)| name == variable).map(|(_, value)| value.clone());
        for way in &ways {
            world.set(variable, way);
            let says =
                [&format!("which {variable} puts inside the project {}", world.project().display()), "--config-home"];
            let refused = |done: crate::common::world::Done| {
                let done = done.fails(125, &says);
                assert!(!done.stderr.contains(KEY) && done.stdout.is_empty(), "{done:?}");
            };
            refused(world.run(&["exec", "claude"]));
            refused(world.run(&["exec", "claude", "--", "--version"]));
            refused(world.run(&["exec", "--profile", "work", "claude"]));
            refused(world.run(&["exec", "--dry-run", "claude"]));
            refused(world.run(&["login", "work"]));
            let refused = |done: crate::common::world::Done| done.fails(1, &says);
            refused(world.feed(&["keychain", "set", "openai", "work", "--stdin"], KEY));
            refused(world.run(&["keychain", "rename", "anthropic", "work", "other"]));
            refused(world.run(&["migrate", "--yes"]));
            refused(world.run(&["daemon", "start"]));
            let status = world.run(&["status", "claude"]).ok();
            assert!(status.contains(says[0]), "{status}");
            let doctor = world.run(&["doctor"]);
            assert!(doctor.status == Some(1) && doctor.stdout.contains(says[0]), "{doctor:?}");
        }
        match before {
            Some(value) => world.set(variable, value),
            None => world.unset(variable),
        }
    }
    // From a folder below, and by links of the user's own.
    fs::create_dir_all(world.project().join("sub")).expect("a folder");
    world.set("XDG_CONFIG_HOME", &own);
    world.run_in(&world.project().join("sub"), &["exec", "claude"]).fails(125, &["XDG_CONFIG_HOME puts inside"]);
    world.unset("XDG_CONFIG_HOME");
    let profile = world.path("home/.ringlet/profiles/work");
    fs::rename(&profile, own.join("work")).expect("moved");
    symlink(own.join("work"), &profile).expect("a link");
    world.run(&["exec", "claude"]).fails(125, &["the profile would be", "HOME puts inside"]);
    fs::rename(world.path("home/.ringlet/profiles"), own.join("profiles")).expect("moved");
    symlink(own.join("profiles"), world.path("home/.ringlet/profiles")).expect("a link");
    world.run(&["exec", "claude"]).fails(125, &["the folder of profiles would be", "HOME puts inside"]);
}

#[test]
fn what_a_project_says_of_searching_does_not_hide_it() {
    let (mut world, own) = planted();
    let (sub, folder) = (world.project().join("sub"), world.project());
    fs::create_dir(&sub).expect("a folder");
    let text = format!("ceiling-dirs = [{:?}]\n[credentials]\nbackend = \"file\"\n", folder.display());
    fs::write(own.join("ringlet/config.toml"), text).expect("written");
    world.set("XDG_CONFIG_HOME", &own);
    world.run_in(&sub, &["exec", "--profile", "work", "claude"]).fails(125, &["XDG_CONFIG_HOME puts inside"]);
    // Nor does one that does not parse.
    fs::write(own.join("ringlet/config.toml"), "x").expect("written");
    world.run(&["exec", "claude"]).fails(125, &["XDG_CONFIG_HOME puts inside"]);
    world.run(&["status"]).fails(1, &["XDG_CONFIG_HOME puts inside"]);
    world.unset("XDG_CONFIG_HOME");
    world.set("HOME", folder.join("own/home"));
    fs::create_dir_all(folder.join("own/home/x")).expect("a folder");
    world.run_in(&folder.join("own/home/x"), &["exec", "claude"]).fails(125, &["HOME puts inside"]);
}

#[test]
fn the_account_says_whose_home_it_is() {
    let world = World::ready();
    world.write("home/.ringlet.toml", "profile = \"work\"\n");
    fs::create_dir(world.path("home/.git")).expect("a folder");
    let (home, project) = (world.path("home"), world.project());
    let with = |account: Option<&Path>, folder: &Path, words: &[&str]| world.run_with_account(account, folder, words);
    with(Some(&home), &home, &["allow"]).ok();
    for folder in [&home, &project] {
        assert!(with(Some(&home), folder, &["exec", "claude"]).ok().contains(KEY));
        with(Some(Path::new("/elsewhere")), folder, &["exec", "claude"])
            .fails(125, &["HOME puts inside the project", "`env HOME=/elsewhere ringlet status`"]);
        with(None, folder, &["exec", "claude"]).fails(
            125,
            &["user id 0 has no entry in /etc/passwd, so ringlet cannot tell whose home it is", "--config-home"],
        );
    }
    // Nothing lies in a project, so nobody asks.
    fs::remove_file(world.path("home/.ringlet.toml")).expect("removed");
    fs::remove_dir(world.path("home/.git")).expect("removed");
    with(None, &project, &["exec", "--profile", "work", "claude"]).ok();
}

#[test]
fn a_second_mount_of_the_project_is_the_project() {
    let (mut world, own) = planted();
    let other = world.path("other");
    fs::create_dir(&other).expect("a folder");
    let mount = format!("mount --bind '{}' '{}'", world.project().display(), other.display());
    let project = world.project();
    world.set("XDG_CONFIG_HOME", other.join("own"));
    world.run_mounted(&project, &mount, &["exec", "claude"]).fails(125, &["XDG_CONFIG_HOME puts inside"]);
    world.unset("XDG_CONFIG_HOME");
    // A program of the project, through the other mount; and the same from there.
    let program = own.join("claude");
    fs::copy(world.path("bin/claude"), &program).expect("copied");
    let path = world.env().iter().find(|(name, _)| name == "PATH").expect("a path").1.clone();
    for (folder, at) in [(&project, &other), (&other, &project)] {
        let mut search = at.join("own").into_os_string();
        search.push(":");
        search.push(&path);
        world.set("PATH", search);
        world
            .run_mounted(folder, &mount, &["exec", "--profile", "work", "claude"])
            .fails(125, &["the agent would be", "which lies inside the project"]);
    }
}

#[test]
fn a_folder_on_the_command_line_is_believed_inside_the_project_too() {
    let (mut world, own) = planted();
    let (project, here) = (world.project(), own.join("ringlet"));
    let named = |words: &[&str]| {
        let all = [&["--config-home", "own/ringlet"], words].concat();
        world.run_in(&project, &all)
    };
    named(&["keychain", "list"]).ok();
    let set = ["--config-home=own/ringlet", "keychain", "set", "anthropic", "other", "--stdin"];
    world.feed(&set, KEY).ok();
    assert!(world.read("home/project/own/ringlet/credentials.toml").contains(KEY));
    named(&["profiles", "create", "there", "--agent", "claude", "--key-alias", "other"]).ok();
    assert!(here.join("profiles/there/ringlet.toml").is_file());
    // What was allowed and is the default elsewhere says nothing here.
    named(&["exec", "claude"]).fails(125, &["is not allowed"]);
    fs::write(project.join(".ringlet.toml"), "profile = \"there\"\n").expect("written");
    named(&["allow"]).ok();
    assert!(here.join("state/trust").is_dir());
    assert!(named(&["exec", "claude"]).ok().contains(KEY));
    assert!(world.run(&["exec", "claude", "--config-home", "own/ringlet"]).ok().contains(KEY));
    world.run(&["exec", "claude"]).fails(125, &["it has changed"]);
    let listed = named(&["profiles", "list"]).ok();
    assert!(listed.contains("there") && !listed.contains("work"), "{listed}");
    // HOME is another matter: agents keep their own settings there.
    let home = world.path("home").into_os_string();
    world.set("HOME", own.join("home"));
    world
        .run_with_account(Some(Path::new("/elsewhere")), &project, &["--config-home", "own/ringlet", "exec", "claude"])
        .fails(125, &["HOME puts inside"]);
    world.run_with_account(None, &project, &["--config-home", "own/ringlet", "exec", "claude"]).ok();
    world.set("HOME", home);
    // What would go on without it.
    for words in
        [&["hook", "bash"][..], &["shims", "install", "claude"], &["daemon", "install"], &["daemon", "uninstall"]]
    {
        world.run(&[&["--config-home", "own/ringlet"], words].concat()).fails(2, &["--config-home cannot be kept by"]);
    }
    let pasted = "sk-ant-api03-PASTEDpasted0PASTEDpasted0";
    let done = world.run(&["--config-home", pasted, "status"]).fails(2, &["there is no folder"]);
    assert!(!done.stderr.contains("PASTED"), "{done:?}");
}

#[test]
fn a_daemon_of_another_folder_is_another_daemon() {
    let (world, own) = planted();
    let other = own.join("ringlet");
    fs::write(other.join("config.toml"), "[credentials]\nbackend = \"file\"\n[daemon]\nport = 0\n").expect("written");
    let named = |words: &[&str]| world.run(&[&["--config-home", "own/ringlet"], words].concat());
    named(&["daemon", "start"]).ok();
    world.run(&["daemon", "status"]).fails(1, &["not running"]);
    let status = named(&["daemon", "status"]).ok();
    assert!(status.contains("project/own/ringlet/state/run/agent.sock"), "{status}");
    assert!(other.join("http_token").is_file());
    named(&["daemon", "stop"]).ok();
}
