//! Stores of the settings that are a tool, where a tool behaves as `tests/stores/run` has found the real one to.

use crate::common::pty::Terminal;
use crate::common::world::{KEY, RINGLET, World};

/// The keys of Anthropic are in a store with this table.
fn world(table: &str) -> World {
    let world = World::new();
    world.configure(&format!("[store.team]\n{table}\n[store-for.\"anthropic\"]\nstore = \"team\"\n"));
    world
}

const LIST: [&str; 2] = ["keychain", "list"];

fn set<'a>(alias: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["keychain", "set", "anthropic", alias, "--stdin"], more].concat()
}

#[test]
fn an_entry_outside_ringlets_own_group_is_no_key() {
    let world = world("preset = \"keepassxc-cli\"\nDB = \"~/a.kdbx\"\nKEYFILE = \"~/a.key\"");
    let names = "anthropic/\\nanthropic/elsewhere\\nringlet/\\nringlet/anthropic/\\nringlet/anthropic/work\\n";
    world.program("keepassxc-cli", &format!("#!/bin/sh\nprintf '{names}'\n"));
    assert_eq!(world.run(&LIST).ok(), "anthropic/work  the store \"team\"\n");
}

#[test]
fn a_command_of_the_users_own_may_list_names_as_they_are() {
    let world = world("get = [\"tool\", \"{alias}\"]\nlist = [\"tool\"]");
    world.program("tool", "#!/bin/sh\nprintf 'anthropic/one\\nringlet/anthropic/two\\nringlet/three\\n'\n");
    assert_eq!(world.run(&LIST).ok(), "anthropic/one  the store \"team\"\nanthropic/two  the store \"team\"\n");
}

#[test]
fn each_credential_of_systemd_is_a_file_of_its_own() {
    let world = world("preset = \"systemd-creds\"\nDIR = \"~/creds\"");
    // Of the real one's arguments the last two are where it reads and writes, or the other way round.
    world.program("systemd-creds", "#!/bin/sh\nif [ \"$1\" = encrypt ]; then cat >\"$4\"; else cat \"$3\"; fi\n");
    std::fs::create_dir_all(world.path("home/creds/anthropic")).expect("a folder");
    for (alias, value) in [("a", KEY.replace("TEST", "AAAA")), ("b", KEY.replace("TEST", "BBBB"))] {
        world.feed(&set(alias, &[]), value.as_str()).ok();
    }
    assert!(world.read("home/creds/anthropic/a").contains("AAAA"));
    assert_eq!(world.run(&LIST).ok(), "anthropic/a  the store \"team\"\nanthropic/b  the store \"team\"\n");
}

#[test]
fn a_store_whose_folder_is_missing_is_not_an_empty_one() {
    let mut world = world("preset = \"pass\"\nDIR = \"~/store\"");
    world.program("pass", "#!/bin/sh\n");
    let missing = ["the store \"team\" cannot be listed: there is no folder ", "ringlet config edit"];
    world.run(&LIST).fails(1, &missing);
    world.feed(&set("work", &[]), KEY).fails(1, &missing);
    std::fs::create_dir(world.path("home/store")).expect("a folder");
    assert_eq!(world.run(&LIST).ok(), "");
    // Its files alone cannot give a key.
    std::fs::remove_file(world.path("bin/pass")).expect("removed");
    world.set("PATH", world.path("bin").into_os_string());
    world.run(&LIST).fails(1, &["the store \"team\" cannot be asked: ", "pass"]);
}

#[test]
fn nothing_is_overwritten_where_a_store_does_not_tell_what_it_holds() {
    let world = world("get = [\"tool\", \"get\", \"{alias}\"]\nset = [\"tool\", \"set\", \"{alias}\"]");
    let file = world.path("home/value");
    let script = format!("#!/bin/sh\ncase $1 in set) cat >'{0}';; *) cat '{0}';; esac\n", file.display());
    world.program("tool", &script);
    world
        .feed(&set("work", &[]), KEY)
        .fails(1, &["does not tell whether it holds anthropic/work", "set anthropic work --replace` to store it"]);
    assert!(!file.exists());
    world.feed(&set("work", &["--replace"]), KEY).ok();
    assert_eq!(std::fs::read_to_string(&file).expect("written"), KEY);
}

#[test]
fn both_ways_to_store_a_key_say_why_they_failed() {
    let world = world("preset = \"aws-sm\"");
    world.program(
        "aws",
        "#!/bin/sh\nif [ $2 = list-secrets ]; then echo '[]'; exit; fi\n\
         case $2 in put-*) echo no such secret;; *) echo no leave;; esac >&2\nexit 255\n",
    );
    let done = world.feed(&set("work", &[]), KEY).fails(1, &["it says: no such secret", "it says: no leave"]);
    assert!(!done.stderr.contains(KEY), "{done:?}");
}

#[test]
fn a_tool_that_may_ask_is_told_which_terminal_it_is() {
    let world = world("get = [\"tool\", \"{alias}\"]");
    world.configure("[store-for.\"anthropic/work\"]\nstore = \"team\"\n");
    world.program("tool", "#!/bin/sh\ncase $GPG_TTY in /dev/tty|'') exit 1;; /dev/*) echo key;; esac\n");
    let mut command = world.process(RINGLET);
    command.args(["keychain", "unlock", "team"]);
    let (status, seen) = Terminal::start(command).end();
    assert!(status.success(), "{seen}");
}
