//! Commands in hints can be pasted: each kind is run as it stands, in the shell that it was written for.

use crate::common::world::{Done, KEY, RINGLET, World, finish};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder's name that does things when a shell reads it unquoted.
const HOSTILE: &str = "my shop;touch PWNED $(touch PWNED) `touch PWNED` 'q' \"q\" \\ !x *";

const SHELLS: &[&str] = &["bash", "zsh", "fish", "dash"];

/// The commands of the hints, as they were printed: what stands between the outermost backticks of a line.
fn commands(done: &Done) -> Vec<String> {
    let hints = done.stderr.lines().filter_map(|line| line.strip_prefix("ringlet: hint: "));
    let command = |line: &str| {
        let (start, end) = (line.find('`')?, line.rfind('`')?);
        Some(line[start + 1..end].to_owned())
    };
    hints.filter_map(command).collect()
}

fn paste(world: &World, shell: &str, folder: &Path, command: &str) -> Done {
    let link = world.path("bin/ringlet");
    if !link.exists() {
        std::os::unix::fs::symlink(RINGLET, &link).expect("a link");
    }
    finish(world.process(shell).arg("-c").arg(command).current_dir(folder))
}

fn pwned(world: &World) -> bool {
    let mut waiting = vec![world.path("")];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).expect("listed") {
            let entry = entry.expect("an entry");
            if entry.file_name() == "PWNED" {
                return true;
            }
            if entry.file_type().expect("a type").is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    false
}

/// A world below a home with a hostile name's project in it, for one shell.
fn hostile(shell: &str) -> (World, PathBuf) {
    let mut world = World::ready();
    world.set("SHELL", format!("/usr/bin/{shell}"));
    let folder = world.path("home").join(HOSTILE);
    fs::create_dir_all(&folder).expect("a folder");
    (world, folder)
}

#[test]
fn what_a_refused_launch_says_can_be_pasted_until_it_starts() {
    for shell in SHELLS {
        let (world, folder) = hostile(shell);
        let settings = folder.join(".claude/settings.json");
        fs::create_dir(settings.parent().expect("a folder")).expect("a folder");
        fs::write(folder.join(".ringlet.toml"), "profile = \"work\"\n").expect("written");
        fs::write(&settings, "{\"apiKeyHelper\": \"x\"}").expect("written");
        world.chmod(&folder.join(".ringlet.toml"), 0o644);
        world.chmod(&settings, 0o644);
        let mut pasted = 0;
        loop {
            let done = world.run_in(&folder, &["exec", "claude"]);
            if done.status == Some(0) {
                assert!(done.stdout.contains(KEY), "{done:?}");
                break;
            }
            let command = commands(&done).into_iter().next().unwrap_or_else(|| panic!("no command: {done:?}"));
            assert_eq!(paste(&world, shell, &folder, &command).status, Some(0), "{shell}: {command}");
            pasted += 1;
            assert!(pasted < 4, "{shell}: {done:?}");
        }
        assert_eq!(pasted, 2, "the project's file and the settings");
        assert!(!pwned(&world), "{shell}");
    }
}

#[test]
fn each_kind_of_command_does_what_it_says() {
    for shell in SHELLS {
        let (world, folder) = hostile(shell);
        let home = world.path("home");
        let next = |done: Done| {
            let command = commands(&done).into_iter().next().unwrap_or_else(|| panic!("no command: {done:?}"));
            let pasted = paste(&world, shell, &home, &command);
            assert_eq!(pasted.status, Some(0), "{shell}: {command}: {pasted:?}");
            command
        };
        // chmod, of a file that others may write.
        let profile = world.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n");
        world.chmod(&profile, 0o666);
        assert!(next(world.run(&["profiles", "inspect", "work"])).starts_with("chmod go-w "));
        world.run(&["profiles", "inspect", "work"]).ok();
        let store = home.join(".config/ringlet/credentials.toml");
        world.chmod(&store, 0o644);
        assert!(next(world.run(&["keychain", "list"])).starts_with("chmod 600 "));
        world.run(&["keychain", "list"]).ok();
        // A login's folder that is not there.
        let text = format!("agent = \"claude\"\nauth = \"login\"\nconfig-dir = {:?}\n", folder.join("cc").display());
        world.profile("max", &text);
        let command = next(world.run(&["exec", "--profile", "max", "claude"]));
        assert_eq!(command, "ringlet login max");
        world.run(&["exec", "--profile", "max", "claude"]).ok();
        // A program that was registered with the daemon and has changed since.
        let tool = folder.join("tool");
        fs::copy("/bin/true", &tool).expect("copied");
        world.run(&["daemon", "register", tool.to_str().expect("text")]).ok();
        fs::copy("/bin/false", &tool).expect("copied");
        let changed = world.run(&["daemon", "register", tool.to_str().expect("text"), "--read", "tool"]);
        assert!(next(changed).starts_with("ringlet daemon upgrade "));
        // A key that is there, a profile that is there, a missing key.
        let again = world.feed(&["keychain", "set", "anthropic", "work", "--stdin"], KEY);
        assert_eq!(commands(&again), ["ringlet keychain set anthropic work --replace"]);
        let again = world.run(&["profiles", "create", "work", "--agent", "claude"]);
        assert_eq!(commands(&again), ["ringlet profiles edit work"]);
        assert!(!pwned(&world), "{shell}");
    }
}

#[test]
fn no_command_with_a_changing_word_is_written_by_hand() {
    let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut found = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).expect("listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("UTF-8");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                // Every other piece between backticks is a command; one with a place for a word is quoted by nobody.
                let pieces = line.split('`').skip(1).step_by(2);
                let by_hand = |piece: &str| {
                    let first = piece.split(' ').next().unwrap_or_default();
                    ["ringlet", "chmod", "chown", "unset", "command"].contains(&first) && piece.contains('{')
                };
                found.extend(pieces.filter(|piece| by_hand(piece)).map(|piece| format!("{}: {piece}", path.display())));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
