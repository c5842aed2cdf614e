//! What the shell sees: help, completions, the hook, links, colours.

use super::world::{STATE, World, ringlet};

#[test]
fn the_version_is_printed() {
    let text = World::new().run(&["--version"]).ok();
    assert_eq!(text, concat!("ringlet ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn help_names_the_commands_and_reads_no_configuration() {
    let mut world = World::new();
    world.write(&format!(r"{}\config.toml", super::world::CONFIG), "nonsense");
    world.unset("USERPROFILE");
    let text = world.run(&["--help"]).ok();
    for command in ["exec", "keychain", "profiles", "hook", "status", "shims"] {
        assert!(text.lines().any(|line| line.trim_start().starts_with(command)), "{command} is not in {text}");
    }
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let world = World::new();
    world.run(&["frobnicate"]).fails(2, &["ringlet: error: unrecognized subcommand 'frobnicate'"]);
    world.run(&["status", "--color", "sometimes"]).fails(2, &["sometimes"]);
}

#[test]
fn the_completions_for_powershell_are_the_committed_ones() {
    let made = World::new().run(&["completions", "powershell"]).ok();
    assert_eq!(made, include_str!("../../completions/ringlet.ps1"));
}

#[test]
fn the_hook_for_powershell_makes_the_links_that_it_calls() {
    let world = World::ready();
    let code = world.run(&["hook", "powershell"]).ok();
    let link = world.path(&format!(r"{STATE}\shims\claude.exe"));
    assert!(code.starts_with("& {\n"), "{code}");
    // The quoting cuts the path at a letter beyond ASCII.
    assert!(code.contains(r"\AppData\Local\ringlet\shims\claude.exe'"), "{code}");
    assert!(link.is_file());
    assert_eq!(world.run(&["hook", "powershell"]).ok(), code, "a second shell gets the same");
}

#[test]
fn a_link_starts_the_agent_with_its_key() {
    let world = World::ready();
    let folder = world.run(&["shims", "install"]).ok();
    assert_eq!(folder.trim_end(), world.path(&format!(r"{STATE}\shims")).display().to_string());
    let link = world.path(&format!(r"{STATE}\shims\claude.exe"));
    let seen = super::world::done(&mut world.command(&link, &["-p", "hi"])).ok();
    assert!(seen.contains(&format!("ANTHROPIC_API_KEY={}\r\n", crate::common::done::KEY)), "{seen}");
    assert!(seen.contains("arguments=-p hi"), "{seen}");
}

#[test]
fn links_of_the_running_program_are_removed_and_made_again() {
    let world = World::ready();
    let link = world.path(&format!(r"{STATE}\shims\claude.exe"));
    for _ in 0..2 {
        world.run(&["shims", "install"]).ok();
        assert!(link.is_file());
        world.run(&["shims", "remove"]).ok();
        assert!(!link.exists());
    }
}

#[test]
fn colours_are_not_for_pipes_unless_asked_for() {
    let mut world = World::ready();
    assert!(!world.run(&["status"]).ok().contains('\x1b'));
    assert!(world.run(&["status", "--color", "always"]).ok().contains('\x1b'));
    world.set("NO_COLOR", "1");
    assert!(!world.run(&["status"]).ok().contains('\x1b'));
    assert!(!world.run(&["--help"]).ok().contains('\x1b'));
}

#[test]
fn the_key_never_reaches_the_shell() {
    let world = World::ready();
    let key = crate::common::done::KEY;
    let script = world.batch(
        "session",
        &[&format!("\"{}\" exec claude -- -p hi >nul", ringlet().display()), "if errorlevel 1 exit 9", "set"],
    );
    let seen = super::world::done(&mut world.command(&script, &[])).ok();
    assert!(seen.contains("USERPROFILE="), "{seen}");
    assert!(!seen.contains(key) && !seen.contains("ANTHROPIC_API_KEY"), "{seen}");
    for arguments in [&["status"][..], &["status", "--json"], &["keychain", "list"], &["exec", "--dry-run", "claude"]] {
        let done = world.run(arguments);
        assert!(!done.stdout.contains(key) && !done.stderr.contains(key), "{done:?}");
    }
}
