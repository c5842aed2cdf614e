//! The hook and the completions in a real nushell.
//!
//! `tests/run` installs it. Its line editor asks the terminal where the cursor is, so these tests run scripts; what a
//! person sees on a terminal was looked at by hand.

use crate::common::world::{Done, KEY, RINGLET, World, finish};
use std::path::{Path, PathBuf};

/// nushell: the one that `tests/run` has put below the target folder, else the one on PATH.
fn nushell() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let own = target.join("tools/nu/nu");
    if own.exists() { own } else { PathBuf::from("nu") }
}

/// Runs a script that begins with what nushell would have loaded.
fn run(world: &World, loaded: &str, script: &str) -> Done {
    let text = format!("{loaded}\n{script}\n");
    world.write("script.nu", &text);
    let mut command = world.process(nushell().to_str().expect("text"));
    finish(command.arg("--no-config-file").arg(world.path("script.nu")))
}

fn hooked(world: &World) -> String {
    world.run(&["hook", "nushell"]).ok()
}

fn world() -> World {
    let world = World::ready();
    world.link_ringlet();
    world.write("home/.config/ringlet/config.toml", "default-profile = \"work\"\n[credentials]\nbackend = \"file\"\n");
    world
}

#[test]
fn an_agent_gets_its_key_its_arguments_and_its_standard_input() {
    let world = world();
    let hook = hooked(&world);
    let said = run(&world, &hook, "claude a 'b c' --flag -x '*'").ok();
    for line in ["arg=a", "arg=b c", "arg=--flag", "arg=-x", "arg=*", &format!("env=ANTHROPIC_API_KEY={KEY}")] {
        assert!(said.lines().any(|own| own == line), "{line} {said}");
    }
    let env = run(&world, &hook, "env | lines | where $it =~ 'ANTHROPIC|RINGLET' | str join ' '").ok();
    assert_eq!(env.trim(), "", "nothing of it is in the shell");
}

#[test]
fn the_agents_status_is_the_commands() {
    let world = world();
    let hook = hooked(&world);
    world.program("claude", "#!/bin/sh\nexit 5\n");
    assert_eq!(run(&world, &hook, "try { claude } catch {|e| print $e.exit_code }").ok().trim(), "5");
    let script = "try { ringlet profiles inspect nosuch } catch {|e| print $e.exit_code }";
    assert!(run(&world, &hook, script).stdout.ends_with("1\n"));
}

#[test]
fn status_knows_what_the_names_are_in_this_shell() {
    let world = world();
    let hook = hooked(&world);
    let reached = |more: &str| {
        let script = format!("{more}\nringlet status claude --json | from json | get agents.0.reached_by");
        run(&world, &hook, &script).ok().trim().to_owned()
    };
    assert_eq!(reached(""), "function");
    assert_eq!(reached("alias claude = ^echo x"), "alias");
}

#[test]
fn the_notice_is_found_by_the_walk_and_said_once() {
    let world = world();
    let hook = hooked(&world);
    let (one, plain) = (world.path("home/one"), world.path("home/plain/sub"));
    for folder in [&one.join("a b"), &plain] {
        std::fs::create_dir_all(folder).expect("folders");
    }
    std::fs::write(one.join(".ringlet.toml"), "profile = \"work\"\n").expect("written");
    let script = format!(
        "cd '{plain}'; ringlet notice; cd '{one}/a b'; ringlet notice; ringlet notice; cd '{plain}'; ringlet notice\n\
         print ($env.config.hooks.env_change.PWD | length); print ($env.RINGLET_NOTICE.file | is-empty)\n\
         print (^env | lines | where $it =~ RINGLET_NOTICE | length)",
        plain = plain.display(),
        one = one.display(),
    );
    let done = run(&world, &hook, &script);
    assert_eq!(done.stderr.matches("is not allowed").count(), 1, "{done:?}");
    assert_eq!(done.stdout.lines().collect::<Vec<_>>(), ["1", "true", "0"], "{done:?}");
}

#[test]
fn the_profile_for_a_prompt_is_kept_where_it_is_wanted() {
    let world = world();
    world.configure("[hook]\nprompt = true\n");
    let hook = hooked(&world);
    let script = "ringlet notice; print ($env.RINGLET_PROFILE? | default none); ringlet deny\n\
                  print ($env.RINGLET_NOTICE? == null); ringlet notice; print ($env.RINGLET_PROFILE? | default none)";
    let done = run(&world, &hook, script);
    assert_eq!(done.stdout.lines().collect::<Vec<_>>(), ["work", "true", "none"], "{done:?}");
}

#[test]
fn every_path_of_ringlet_can_be_called_and_hostile_names_run_nothing() {
    use ringlet::testing::{Hook, Shell, render};
    use std::os::unix::fs::PermissionsExt;
    let world = world();
    for name in
        ["plain", "a b", "it's", "\"q\"", "$(touch x)", "(touch x)", "`x`", "a\\b", "\u{e9}\u{9879}", "tab\there"]
    {
        let file = world.path("home").join(name).join("ringlet");
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(&file, "#!/bin/sh\nfor word; do printf '<%s>' \"$word\"; done\n").expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("ours");
        let commands = ["claude".to_owned()];
        let hook = Hook { ringlet: &file, commands: &commands, ceilings: &[], links: None, prompt: false };
        let code = render(Shell::Nushell, &hook).expect("the hook renders");
        let done = run(&world, &code, "claude 'a b'");
        assert_eq!(done.stdout.trim_end(), "<exec><claude><--><a b>", "{name}: {done:?}");
    }
    assert!(!world.path("home/x").exists());
}

#[test]
fn names_are_completed_live() {
    let world = world();
    for code in [hooked(&world), world.run(&["completions", "nushell"]).ok()] {
        let script = "nu-complete ringlet [ringlet profiles inspect ''] | get value | str join ','\n";
        assert_eq!(run(&world, &code, script).ok().trim(), "work");
        let script = "nu-complete ringlet [ringlet init --ch] | get description.0\n";
        assert_eq!(run(&world, &code, script).ok().trim(), "Ask the providers whether they take the keys");
    }
}

#[test]
fn the_line_of_config_nu_saves_the_hook_where_nushell_loads_it() {
    let world = world();
    let mut shell = world.process(world.path("bin/ringlet").to_str().expect("text"));
    shell.env("SHELL", "/usr/bin/nu").args(["init", "--yes"]);
    finish(&mut shell).ok();
    let config = world.path("home/.config/nushell/config.nu");
    assert!(std::fs::read_to_string(&config).expect("written").contains("ringlet hook nushell"));
    // What it has saved is loaded after it, in a folder that nushell names itself.
    let mut command = world.process(nushell().to_str().expect("text"));
    command.arg("--config").arg(&config).args(["--commands", "$nu.vendor-autoload-dirs | last"]);
    let done = finish(&mut command);
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let folder = done.stdout;
    let saved = Path::new(folder.trim()).join("ringlet.nu");
    let wanted = hooked(&world).replace(RINGLET, world.path("bin/ringlet").to_str().expect("text"));
    assert_eq!(std::fs::read_to_string(&saved).expect("saved"), wanted);
    assert!(saved.starts_with(world.path("home")), "{}", saved.display());
}

#[test]
fn ringlet_gets_its_input_and_its_words_as_a_program_does() {
    let world = world();
    for code in [hooked(&world), world.run(&["completions", "nushell"]).ok()] {
        let done = run(
            &world,
            &code,
            "'sk-proj-TESTTESTTESTTESTTESTTEST' | ringlet keychain set openai piped --stdin --replace",
        );
        assert_eq!(done.status, Some(0), "{done:?}");
        world.program("echoing", "#!/bin/sh\nfor word; do printf '<%s>' \"$word\"; done\ncat\n");
        std::fs::create_dir_all(world.path("home/globs")).expect("made");
        for name in ["a.txt", "b.txt"] {
            world.write(format!("home/globs/{name}"), "");
        }
        let words = "cd ~/globs; 'said' | ringlet exec echoing -- ~/x *.txt '*.txt' \"b c\"";
        let home = world.path("home");
        let wanted = format!("<{}/x><a.txt><b.txt><*.txt><b c>said", home.display());
        assert_eq!(run(&world, &code, words).ok().trim_end(), wanted);
    }
}
