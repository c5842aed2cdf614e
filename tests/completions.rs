//! `ringlet completions`, and the answers when a shell asks for candidates.

#[cfg(target_os = "linux")]
use crate::common::keyring::{Keyring, State};
use crate::common::world::{World, finish};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

const SHELLS: [(&str, &str); 5] = [
    ("bash", "ringlet.bash"),
    ("zsh", "_ringlet"),
    ("fish", "ringlet.fish"),
    ("powershell", "ringlet.ps1"),
    ("nushell", "ringlet.nu"),
];

#[test]
fn the_registrations_are_those_in_the_repository() {
    let world = World::bare();
    for (shell, file) in SHELLS {
        let kept =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(file)).expect(file);
        assert_eq!(world.run(&["completions", shell]).ok(), kept, "{shell}");
    }
    world.run(&["completions", "csh"]).fails(2, &["csh", "bash"]);
}

#[test]
fn the_shells_take_the_registrations() {
    let world = World::bare();
    for (shell, check) in [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish")] {
        let script = world.run(&["completions", shell]).ok();
        let mut child =
            world.process(check).arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect(check);
        child.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("read");
        let output = child.wait_with_output().expect("ends");
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
    }
}

/// What bash is offered for the last word.
fn offered(world: &World, words: &[&str]) -> Vec<String> {
    let mut command = world.process(crate::common::world::RINGLET);
    command.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    command.env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "true");
    finish(command.args(["--", "ringlet"]).args(words)).ok().lines().map(str::to_owned).collect()
}

#[test]
fn names_are_completed_live() {
    let world = World::ready();
    world.store_key("openai/other", "sk-1");
    world.profile("second", "agent = \"codex\"\nprovider = \"openai\"\n");
    world.write("home/.config/ringlet/agents/mine.toml", "title = \"M\"\ncommand = \"mine\"\nprovider = \"openai\"\n");
    assert_eq!(offered(&world, &["exec", "cla"]), ["claude"]);
    assert_eq!(offered(&world, &["exec", "mi"]), ["mine"]);
    assert_eq!(
        offered(&world, &["profiles", "run", ""]).iter().filter(|word| !word.starts_with('-')).collect::<Vec<_>>(),
        ["second", "work"]
    );
    assert_eq!(offered(&world, &["exec", "--profile", "w"]), ["work"]);
    assert_eq!(offered(&world, &["keychain", "set", "anth"]), ["anthropic"]);
    assert_eq!(offered(&world, &["keychain", "remove", "anthropic", "w"]), ["work"]);
    assert_eq!(offered(&world, &["keychain", "list", "open"]), ["openai/other"]);
    assert_eq!(offered(&world, &["profiles", "create", "x", "--provider", "minim"]), ["minimax"]);
    assert_eq!(offered(&world, &["keyc"]), ["keychain"]);
    assert!(offered(&world, &["init", "zzz"]).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn completing_never_fails_or_asks() {
    let mut world = World::bare();
    world.write("home/.config/ringlet/config.toml", "nonsense");
    assert!(offered(&world, &["keychain", "list", "x"]).is_empty());
    world.unset("HOME");
    assert!(offered(&world, &["exec", "zzz"]).is_empty());
    let mut keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.make_ready();
    world.configure("[credentials]\ntimeout = 0.2\n");
    keyring.stop_service();
    assert!(offered(&world, &["keychain", "list", "an"]).is_empty());
}
