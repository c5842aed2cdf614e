//! A key's life: its age and last use, a new value, another store, and the end of it.

use crate::broker::upstream::{Upstream, answer};
use crate::common::keyring::{Keyring, State};
use crate::common::pty::Terminal;
use crate::common::world::{KEY, RINGLET, World};
use serde_json::{Value, json};

const OLD: &str = "sk-OLDOLDOLDOLDOLDOLDOLDOLDOLD";
const NEW: &str = "sk-NEWNEWNEWNEWNEWNEWNEWNEWNEW";

const FILE: &str = "home/.config/ringlet/credentials.toml";

/// A world with a store "team", whose entries are files, and whose tool can read, write, remove and list them.
fn with_team() -> World {
    let world = World::new();
    put_team(&world);
    world
}

fn put_team(world: &World) {
    world.program(
        "team",
        "#!/bin/sh\nset -e\nfolder=\"$HOME/team\"; mkdir -p \"$folder\"; name=$(printf %s \"$2\" | tr / +)\n\
         case $1 in\n\
         get) cat \"$folder/$name\" ;;\n\
         set) cat > \"$folder/$name\" ;;\n\
         remove) rm \"$folder/$name\" ;;\n\
         list) ls \"$folder\" | tr + / ;;\n\
         esac\n",
    );
    world.configure(
        "[store.team]\nget = [\"team\", \"get\", \"{provider}/{alias}\"]\n\
         set = [\"team\", \"set\", \"{provider}/{alias}\"]\nremove = [\"team\", \"remove\", \"{provider}/{alias}\"]\n\
         list = [\"team\", \"list\"]\n",
    );
}

const RULE: &str = "[store-for.\"anthropic/work\"]\nstore = \"team\"\n";

/// `ringlet` on a terminal, which answers a question with a word, and all that it shows but the questions,
/// with the status at the end.
fn on_terminal(world: &World, arguments: &str, answers: &[(&str, &str)]) -> String {
    let mut command = world.process("sh");
    command.arg("-c").arg(format!("{RINGLET} {arguments}; echo status=$?"));
    let mut terminal = Terminal::start(command);
    let mut seen = String::new();
    for (question, word) in answers {
        seen += &terminal.expect(question);
        terminal.send(word);
    }
    seen + &terminal.end().1
}

fn rows(world: &World) -> Vec<Value> {
    serde_json::from_str(&world.run(&["--json", "keychain", "list"]).ok()).expect("JSON")
}

#[test]
fn a_list_says_where_a_key_is_who_uses_it_and_when_it_was_used() {
    let world = World::ready();
    let row = &rows(&world)[0];
    let names: Vec<&str> = row.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(names, ["alias", "expires", "last_used", "name", "place", "provider", "store", "stored", "used_by"]);
    assert_eq!((&row["used_by"], &row["store"], &row["last_used"]), (&json!(["work"]), &json!("file"), &Value::Null));
    assert!(row["stored"].as_str().is_some_and(|time| time.ends_with('Z')), "{row}");
    world.configure(
        "[audit]\nenabled = true\n[tools.x]\ncommand = [\"/bin/true\"]\nsecrets = { X = \"anthropic/work\" }\n",
    );
    assert_eq!(rows(&world)[0]["last_used"], Value::Null, "nothing was recorded yet");
    // A lookup of Ringlet's own is no use.
    world.run(&["keychain", "rename", "anthropic", "work", "job", "--yes"]).ok();
    world.run(&["keychain", "rename", "anthropic", "job", "work", "--yes"]).ok();
    world.run(&["doctor"]);
    assert_eq!(rows(&world)[0]["last_used"], Value::Null);
    world.run(&["exec", "claude"]).ok();
    let row = &rows(&world)[0];
    assert!(row["last_used"].as_str() >= row["stored"].as_str(), "{row}");
    assert_eq!(row["used_by"], json!(["work", "[tools.x]"]));
    let long = world.run(&["keychain", "list", "--long"]).ok();
    let (head, line) = long.split_once('\n').expect("two lines");
    assert!(head.starts_with("KEY             STORE ") && head.ends_with("  EXPIRES"), "{long}");
    assert!(line.contains("  work, [tools.x]  ") && line.contains("s ago ") && line.ends_with(" -\n"), "{long}");
}

#[test]
fn a_log_that_cannot_be_read_hides_the_last_use_and_no_key() {
    let world = World::ready();
    world.configure("[audit]\nenabled = true\n");
    std::fs::create_dir_all(world.path("home/.local/state/ringlet/audit.jsonl")).expect("a folder in its place");
    let done = world.run(&["keychain", "list", "-l"]);
    assert!(done.stderr.contains("warning: no last use is known"), "{done:?}");
    assert!(done.ok().contains("anthropic/work"));
}

#[test]
fn a_new_key_is_stored_only_if_the_provider_takes_it() {
    for (status, is_stored, says) in [
        ("200 OK", true, "takes the new key"),
        ("429 Too Many Requests", true, "takes the new key, and answers 429"),
        ("401 Unauthorized", false, "refuses the new key (401 Unauthorized); nothing was stored"),
        ("500 Internal Server Error", true, "warning: it is not known whether the new key is valid"),
    ] {
        let upstream = Upstream::new(move |_, stream| answer(stream, status, "", b"{}"));
        let world = World::new();
        world.write(
            "home/.config/ringlet/providers/mine.toml",
            format!(
                "title = \"Mine\"\nvariable = \"MINE_API_KEY\"\nconsole = \"https://mine.example/keys\"\n\
                 [endpoints.default]\nchat = \"{}/v1\"\n[check]\nchat = \"/models\"\n",
                upstream.url()
            ),
        );
        world.store_key("mine/work", OLD);
        world.configure("[audit]\nenabled = true\n");
        let done = world.feed(&["keychain", "rotate", "mine/work", "--stdin"], NEW);
        assert_eq!(done.status, Some(i32::from(!is_stored)), "{done:?}");
        assert!(done.stderr.contains(says) && !done.stderr.contains("sk-"), "{done:?}");
        assert_eq!(done.stderr.contains("revoked at https://mine.example/keys"), is_stored, "{done:?}");
        let file = world.read(FILE);
        assert_eq!((file.contains(NEW), file.contains(OLD)), (is_stored, !is_stored), "{status}");
        let seen = upstream.seen();
        assert_eq!((seen.len(), seen[0].line.as_str()), (1, "GET /v1/models HTTP/1.1"));
        assert_eq!(seen[0].all("authorization"), [format!("Bearer {NEW}")], "the old key is not sent");
        let log = world.run(&["audit"]).ok();
        assert_eq!(log.contains("(rotated)"), is_stored, "{log}");
        let done = world.feed(&["keychain", "rotate", "mine/work", "--stdin", "--no-check"], NEW);
        assert_eq!(done.status, Some(i32::from(is_stored)), "the same key is refused: {done:?}");
        assert_eq!(upstream.seen().len(), 1, "nobody was asked");
    }
}

#[test]
fn what_an_agent_has_started_neither_rotates_nor_copies() {
    let world = with_team();
    world.make_ready();
    world.program(
        "claude",
        &format!(
            "#!/bin/sh\nprintf '%s' '{NEW}' | {RINGLET} keychain rotate anthropic/work --stdin --no-check\n\
             {RINGLET} keychain copy anthropic/work --to team\n{RINGLET} keychain move anthropic/work --to team\n\
             {RINGLET} keychain export keys.age\n{RINGLET} keychain import keys.age\n"
        ),
    );
    let done = world.run(&["exec", "claude"]);
    for command in ["rotate", "copy", "move", "export", "import"] {
        let said = format!("`ringlet keychain {command}` is not for what an agent has started");
        assert!(done.stderr.contains(&said), "{done:?}");
    }
    assert!(world.read(FILE).contains(KEY) && !world.path("home/team").exists());
}

#[test]
fn a_copy_is_asked_for_and_leaves_the_settings_as_they_are() {
    let world = with_team();
    world.store_key("anthropic/work", KEY);
    let stored = rows(&world)[0]["stored"].clone();
    world
        .run(&["keychain", "copy", "anthropic/work", "--to", "team"])
        .fails(1, &["asks on the terminal, and there is none"]);
    let question = "copy anthropic/work from ~/.config/ringlet/credentials.toml to ";
    for no in ["", "n", "ja"] {
        let seen = on_terminal(&world, "keychain copy anthropic/work --to team", &[(question, no)]);
        assert!(seen.contains("anthropic/work was not copied") && seen.contains("status=1"), "{seen}");
    }
    assert!(!world.path("home/team/anthropic+work").exists());
    let seen = on_terminal(&world, "keychain copy anthropic/work --to team", &[(question, "y")]);
    for said in [
        "copied anthropic/work from ~/.config/ringlet/credentials.toml to ",
        "launches take anthropic/work from the store \"file\" (credentials.backend)",
        "  [store-for.\"anthropic/work\"]\r\n  store = \"team\"\r\n",
        "status=0",
    ] {
        assert!(seen.contains(said), "{said:?} is not in {seen}");
    }
    assert!(!seen.contains("sk-ant"), "{seen}");
    assert_eq!(world.read("home/team/anthropic+work"), KEY);
    assert_eq!(rows(&world).len(), 1, "a name counts in one store alone");
    let again = on_terminal(&world, "keychain copy anthropic/work --to team", &[]);
    assert!(again.contains("has the same key of that name already") && again.contains("status=0"), "{again}");
    world.configure(RULE);
    let row = rows(&world).swap_remove(0);
    assert_eq!((&row["store"], &row["stored"]), (&json!("team"), &stored), "the value is as old as it was");
    let doctor = world.run(&["doctor"]).stdout;
    assert!(doctor.contains("anthropic/work is in ") && doctor.contains("in plaintext, in "), "{doctor}");
}

#[test]
fn a_moved_key_is_removed_where_it_was_once_the_other_store_gives_it() {
    let world = with_team();
    world.store_key("anthropic/work", KEY);
    world.configure("[audit]\nenabled = true\n");
    let question = [("move anthropic/work from ", "yes")];
    let seen = on_terminal(&world, "keychain move anthropic work --to team", &question);
    assert!(seen.contains("moved anthropic/work") && seen.contains("status=0"), "{seen}");
    assert_eq!(world.read("home/team/anthropic+work"), KEY);
    assert!(!world.read(FILE).contains(KEY));
    let log = world.run(&["audit"]).ok();
    for (action, store) in [("lookup", ""), ("set", " from team"), ("remove", "")] {
        let of_store = |line: &str| line.contains(&format!(" {action} ")) && line.contains(store);
        assert!(log.lines().any(of_store), "{action}: {log}");
    }
    // Back again, by the rule.
    world.configure(RULE);
    let seen = on_terminal(&world, "keychain move anthropic/work --to file", &question);
    assert!(seen.contains("status=0") && seen.contains("name \"file\" in [store-for.\"anthropic/work\"]"), "{seen}");
    assert!(world.read(FILE).contains(KEY) && !world.path("home/team/anthropic+work").exists());
}

#[test]
fn a_store_that_gives_back_something_else_leaves_the_key_where_it_is() {
    let world = with_team();
    world.store_key("anthropic/work", KEY);
    let script = world.read("bin/team");
    for (from, to) in [("set) cat >", "set) tr a b >"), ("set) cat >", "set) cat >/dev/null; : >/dev/null")] {
        world.program("team", &script.replace(from, to));
        let seen = on_terminal(&world, "keychain move anthropic/work --to team", &[("[y/N] ", "y")]);
        assert!(seen.contains("status=1") && seen.contains("ringlet: error: "), "{seen}");
        assert!(world.read(FILE).contains(KEY));
        let _ = std::fs::remove_file(world.path("home/team/anthropic+work"));
    }
}

#[test]
fn two_names_of_one_entry_lose_no_key() {
    let world = with_team();
    world.configure(
        "[store.same]\nget = [\"team\", \"get\", \"{provider}/{alias}\"]\nset = [\"team\", \"set\", \"{provider}/{alias}\"]\n\
         remove = [\"team\", \"remove\", \"{provider}/{alias}\"]\n",
    );
    world.write("home/team/anthropic+work", KEY);
    let command = "keychain move anthropic/work --from team --to same";
    let seen = on_terminal(&world, command, &[("[y/N] ", "y")]);
    assert!(seen.contains("so it was put back") && seen.contains("status=1"), "{seen}");
    assert_eq!(world.read("home/team/anthropic+work"), KEY);
    assert!(!world.path("home/team/anthropic+work-moving").exists());
    // Killed when the entry is gone, it leaves the key under another name.
    let script = world.read("bin/team");
    world.program(
        "team",
        &script.replace("remove) rm \"$folder/$name\"", "remove) rm \"$folder/$name\"; kill -9 $PPID"),
    );
    let seen = on_terminal(&world, command, &[("[y/N] ", "y")]);
    assert!(seen.contains("status=137"), "{seen}");
    assert!(!world.path("home/team/anthropic+work").exists());
    assert_eq!(world.read("home/team/anthropic+work-moving"), KEY);
    assert!(world.run(&["keychain", "list"]).stdout.is_empty(), "it is in no store that launches take keys from");
    // What was left is not overwritten, and nothing is removed then.
    world.program("team", &script);
    world.write("home/team/anthropic+work", KEY);
    let seen = on_terminal(&world, command, &[("[y/N] ", "y")]);
    assert!(seen.contains("and may be one entry; it was removed from neither") && seen.contains("status=1"), "{seen}");
    assert!(seen.contains("there is such a key already, perhaps of a move that was ended"), "{seen}");
    assert_eq!(world.read("home/team/anthropic+work"), KEY);
}

#[test]
fn what_changes_while_a_person_is_asked_is_neither_replaced_nor_removed() {
    let world = with_team();
    world.store_key("anthropic/work", KEY);
    let other = KEY.replace("TEST", "MORE");
    // Answers the question once something else has happened.
    let meanwhile = |arguments: &str, change: &dyn Fn()| {
        let mut command = world.process("sh");
        command.arg("-c").arg(format!("{RINGLET} {arguments}; echo status=$?"));
        let mut terminal = Terminal::start(command);
        terminal.expect("[y/N] ");
        change();
        terminal.send("y");
        terminal.end().1
    };
    let seen = meanwhile("keychain copy anthropic/work --to team", &|| {
        world.write("home/team/anthropic+work", &other);
    });
    assert!(seen.contains("has got another key of the name anthropic/work meanwhile; nothing was"), "{seen}");
    assert_eq!(world.read("home/team/anthropic+work"), other);
    std::fs::remove_file(world.path("home/team/anthropic+work")).expect("removed");
    let seen = meanwhile("keychain move anthropic/work --to team", &|| {
        world.feed(&["keychain", "set", "anthropic/work", "--stdin", "--replace"], other.as_str()).ok();
    });
    assert!(seen.contains("meanwhile; the one before was copied, and none removed"), "{seen}");
    assert!(seen.contains("status=1") && world.read(FILE).contains(&other), "{seen}");
    assert_eq!(world.read("home/team/anthropic+work"), KEY);
}

#[test]
fn a_store_that_changes_a_key_is_as_it_was_afterwards() {
    let world = with_team();
    world.store_key("anthropic/work", KEY);
    let script = world.read("bin/team");
    world.program("team", &script.replace("set) cat >", "set) tr a b >"));
    let seen = on_terminal(&world, "keychain copy anthropic/work --to team", &[("[y/N] ", "y")]);
    assert!(seen.contains("the store \"team\" is as it was") && seen.contains("status=1"), "{seen}");
    assert!(!world.path("home/team/anthropic+work").exists());
    // The key that was there is put back by a store that spoils the first key alone.
    let other = KEY.replace("TEST", "MORE");
    world.write("home/team/anthropic+work", &other);
    let once = "set) if [ -e \"$HOME/once\" ]; then cat > \"$folder/$name\"; exit; fi; : > \"$HOME/once\"; tr a b >";
    world.program("team", &script.replace("set) cat >", once));
    let seen = on_terminal(&world, "keychain move anthropic/work --to team --replace", &[("[y/N] ", "y")]);
    assert!(seen.contains("the store \"team\" is as it was") && seen.contains("status=1"), "{seen}");
    assert_eq!(world.read("home/team/anthropic+work"), other);
    assert!(world.read(FILE).contains(KEY));
}

#[test]
fn a_store_that_changes_a_key_renames_none() {
    let world = with_team();
    world.configure("[store-for.anthropic]\nstore = \"team\"\n");
    world.write("home/team/anthropic+work", KEY);
    world.program("team", &world.read("bin/team").replace("set) cat >", "set) tr a b >"));
    let rename = ["keychain", "rename", "anthropic/work", "home", "--yes"];
    world.run(&rename).fails(1, &["gave anthropic/home back changed; anthropic/work is untouched"]);
    assert_eq!(world.read("home/team/anthropic+work"), KEY);
    assert!(!world.path("home/team/anthropic+home").exists());
}

#[test]
fn lines_that_end_with_a_newline_come_into_a_store_that_prints_them() {
    let world = with_team();
    world.feed(&["keychain", "set", "other/pem", "--stdin"], "first\nsecond\n\n").ok();
    let seen = on_terminal(&world, "keychain copy other/pem --to team", &[("[y/N] ", "y")]);
    assert!(seen.contains("copied other/pem") && seen.contains("status=0"), "{seen}");
    assert!(world.read("home/team/other+pem").starts_with("first\nsecond\n"));
    let again = on_terminal(&world, "keychain copy other/pem --to team", &[]);
    assert!(again.contains("has the same key of that name already"), "{again}");
}

#[test]
fn a_new_name_in_another_store_is_no_way_to_move_a_key() {
    let world = with_team();
    world.store_key("anthropic/work", KEY);
    world.configure("[store-for.\"anthropic/home\"]\nstore = \"team\"\n");
    let words = ["keychain", "rename", "anthropic/work", "home", "--yes"];
    let hint = "`ringlet keychain move anthropic/work --to team` puts it there first, and asks";
    world.run(&words).fails(1, &["and the settings keep anthropic/home in the store \"team\"", hint]);
    assert!(world.read(FILE).contains(KEY) && !world.path("home/team").exists());
}

#[test]
fn another_key_of_the_name_is_replaced_on_demand_alone() {
    let world = with_team();
    world.store_key("anthropic/work", KEY);
    let other = KEY.replace("TEST", "MORE");
    world.write("home/team/anthropic+work", &other);
    let seen = on_terminal(&world, "keychain copy anthropic/work --to team", &[]);
    assert!(seen.contains("has another key of the name anthropic/work") && seen.contains("status=1"), "{seen}");
    assert_eq!(world.read("home/team/anthropic+work"), other);
    let question = [("the key that is there is gone [y/N] ", "y")];
    let seen = on_terminal(&world, "keychain copy anthropic/work --to team --replace", &question);
    assert!(seen.contains("status=0"), "{seen}");
    assert_eq!(world.read("home/team/anthropic+work"), KEY);
}

#[test]
fn a_store_that_tells_no_names_is_asked_for_the_key_and_written_on_demand() {
    let world = with_team();
    world.configure(
        "[store.mute]\nget = [\"team\", \"get\", \"{provider}/{alias}\"]\n\
         set = [\"team\", \"set\", \"{provider}/{alias}\"]\n",
    );
    world.store_key("anthropic/work", KEY);
    let seen = on_terminal(&world, "keychain copy anthropic/work --to mute", &[]);
    assert!(seen.contains("could not give anthropic/work") && seen.contains("add --replace"), "{seen}");
    let answer = [("[y/N] ", "y")];
    let seen = on_terminal(&world, "keychain copy anthropic/work --to mute --replace", &answer);
    assert!(seen.contains("status=0"), "{seen}");
    assert_eq!(world.read("home/team/anthropic+work"), KEY);
    // It takes no key away either, which is known before anything is moved.
    let seen = on_terminal(&world, "keychain move anthropic/work --from mute --to file", &[]);
    assert!(seen.contains("status=1") && seen.contains("removes no key by ringlet"), "{seen}");
    assert!(world.read(FILE).contains(KEY));
}

#[test]
fn of_one_alias_in_two_stores_the_one_of_the_rule_counts_and_doctor_names_the_other() {
    let keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    put_team(&world);
    let team = KEY.replace("TEST", "TEAM");
    world.store_key("anthropic/work", KEY);
    world.write("home/team/anthropic+work", &team);
    world.configure(RULE);
    world.program("claude", "#!/bin/sh\nprintf %s \"$ANTHROPIC_API_KEY\"\n");
    world.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n");
    assert_eq!(world.run(&["profiles", "run", "work"]).ok(), team);
    let rows = rows(&world);
    assert_eq!((rows.len(), &rows[0]["store"]), (1, &json!("team")));
    let command = "keychain move anthropic/work --from system --to team";
    let doctor = world.run(&["doctor"]).stdout;
    assert!(doctor.contains(" and in the keychain; launches take the one in ") && doctor.contains(command), "{doctor}");
    // They differ, so none is removed without a word.
    let seen = on_terminal(&world, command, &[]);
    assert!(seen.contains("has another key of the name anthropic/work") && seen.contains("status=1"), "{seen}");
    world.write("home/team/anthropic+work", KEY);
    let seen = on_terminal(&world, command, &[("it is removed where it is [y/N] ", "y")]);
    assert!(seen.contains("status=0"), "{seen}");
    assert!(!world.run(&["doctor"]).stdout.contains("launches take the one"));
    assert_eq!(world.read("home/team/anthropic+work"), KEY);
    assert_eq!(keyring.secret_tool_lookup(&["service", "ringlet", "username", "anthropic/work"]), None);
}

#[test]
fn stores_that_are_not_there_and_keys_for_the_broker_alone_are_refused() {
    let world = with_team();
    world.store_key("anthropic/work", KEY);
    for (arguments, says) in [
        ("--to taem", "did you mean `team`?"),
        ("--to team --from nosuch", "there is no [store.nosuch] in ~/.config/ringlet/config.toml"),
        ("--to file", "anthropic/work is in ~/.config/ringlet/credentials.toml already"),
        // No file takes the place of a keychain that is named and is not there.
        ("--to system", "there is no keychain"),
        ("--from team --to file", "the store \"team\" has no key anthropic/work"),
    ] {
        let seen = on_terminal(&world, &format!("keychain copy anthropic/work {arguments}"), &[]);
        assert!(seen.contains(says) && !seen.contains("status=0"), "{arguments}: {seen}");
    }
    world.configure("[scope.\"anthropic/work\"]\nbroker = true\n");
    for command in ["copy", "move"] {
        let seen = on_terminal(&world, &format!("keychain {command} anthropic/work --to team"), &[]);
        assert!(seen.contains("is for brokered launches alone") && seen.contains("config.toml:"), "{seen}");
    }
    assert!(!world.path("home/team/anthropic+work").exists());
}

const PASSPHRASE: &str = "three words in a row";

fn in_home(world: &World, name: &str) -> String {
    world.path("home").join(name).display().to_string()
}

/// A public key of age, whose secret key is in `id.txt` of the home directory.
fn recipient(world: &World) -> String {
    let made = world.sh("umask 077; age-keygen -o ~/id.txt 2>/dev/null && age-keygen -y ~/id.txt");
    made.ok().trim().to_owned()
}

#[test]
fn a_file_of_keys_is_encrypted_for_a_public_key_and_read_on_another_machine() {
    let (world, other) = (World::new(), World::new());
    for name in ["anthropic/work", "openai/a.b", "mine/brokered"] {
        world.store_key(name, if name.starts_with("openai") { NEW } else { KEY });
    }
    world.configure("[audit]\nenabled = true\n[scope.\"mine/brokered\"]\nbroker = true\n");
    let public = recipient(&world);
    world
        .run(&["keychain", "export", "keys.age", "--recipient", &public])
        .fails(1, &["asks on the terminal, and there is none"]);
    let arguments = format!("keychain export ~/keys.age --recipient {public}");
    for no in ["", "n"] {
        let seen = on_terminal(&world, &arguments, &[("write 2 keys into ~/keys.age, encrypted? [y/N] ", no)]);
        assert!(seen.contains("no key was exported") && seen.contains("status=1"), "{seen}");
    }
    assert!(!world.path("home/keys.age").exists());
    let seen = on_terminal(&world, &arguments, &[("[y/N] ", "y")]);
    assert!(seen.contains("mine/brokered is for brokered launches alone, and is left out"), "{seen}");
    assert!(seen.contains("wrote 2 keys into ~/keys.age") && !seen.contains("sk-"), "{seen}");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&world.path("home/keys.age").metadata().expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let log = world.run(&["audit"]).ok();
    assert_eq!(log.matches("(to export it)").count(), 2, "{log}");
    let opened = world.sh("age -d -i ~/id.txt ~/keys.age").ok();
    let lines = format!("[\"anthropic\".\"work\"]\nkey = \"{KEY}\"\n\n[\"openai\".\"a.b\"]\nkey = \"{NEW}\"\n\n");
    assert_eq!(opened, lines);
    // A file that is there stays.
    let seen = on_terminal(&world, &arguments, &[]);
    assert!(seen.contains("~/keys.age exists") && seen.contains("status=1"), "{seen}");
    // The other machine.
    for name in ["keys.age", "id.txt"] {
        std::fs::copy(world.path("home").join(name), other.path("home").join(name)).expect("copied");
    }
    let [file, identity] = ["keys.age", "id.txt"].map(|name| in_home(&other, name));
    let import = ["keychain", "import", &file, "--identity", &identity];
    other.run(&import[..3]).fails(2, &["~/keys.age is encrypted for a public key", "--identity FILE"]);
    let done = other.run(&import);
    assert!(done.stderr.contains("stored openai/a.b in ") && !done.stderr.contains("sk-"), "{done:?}");
    done.ok();
    assert_eq!(other.run(&["keychain", "list"]).ok(), "anthropic/work\nopenai/a.b\n");
    assert!(other.read(FILE).contains(NEW) && other.read(FILE).contains(KEY));
    assert!(rows(&other).iter().all(|row| !row["stored"].is_null()));
    assert!(other.run(&import).stderr.contains("every key of ~/keys.age is there already"));
    other.store_key("openai/a.b", OLD);
    other.run(&import).fails(1, &["other keys are stored as openai/a.b; nothing was imported", "--replace"]);
    assert!(other.read(FILE).contains(OLD));
    other.run(&[&import[..], &["--replace"]].concat()).ok();
    assert!(other.read(FILE).contains(NEW) && !other.read(FILE).contains(OLD));
    other.chmod(&other.path("home/id.txt"), 0o644);
    other.run(&import).fails(1, &["~/id.txt is open to others", "chmod 600 "]);
}

#[test]
fn a_file_of_keys_is_encrypted_by_a_passphrase_which_is_typed_twice() {
    let world = World::new();
    world.store_key("anthropic/work", KEY);
    let (first, again) = ("passphrase for the file (it is not shown): ", "the passphrase once more: ");
    let export = "keychain export ~/keys.age";
    for (answers, says) in [
        (vec![("[y/N] ", "y"), (first, "short")], "is shorter than 10 characters"),
        (vec![("[y/N] ", "y"), (first, PASSPHRASE), (again, "another one")], "the two passphrases differ"),
    ] {
        let seen = on_terminal(&world, export, &answers);
        assert!(seen.contains(says) && seen.contains("no key was exported"), "{seen}");
        assert!(!world.path("home/keys.age").exists());
    }
    let seen = on_terminal(&world, export, &[("[y/N] ", "y"), (first, PASSPHRASE), (again, PASSPHRASE)]);
    assert!(seen.contains("wrote 1 key into ~/keys.age") && !seen.contains(PASSPHRASE), "{seen}");
    let mut command = world.process("sh");
    command.args(["-c", "age -d -o ~/opened ~/keys.age; echo status=$?"]);
    let mut age = Terminal::start(command);
    age.expect("passphrase");
    age.send(PASSPHRASE);
    age.expect("status=0");
    assert!(world.read("home/opened").contains(KEY), "age reads it");
    world.run(&["keychain", "remove", "anthropic/work"]).ok();
    let question = "passphrase of ~/keys.age (it is not shown): ";
    let seen = on_terminal(&world, "keychain import ~/keys.age", &[(question, "another one")]);
    assert!(seen.contains("~/keys.age was not opened by this passphrase") && seen.contains("status=1"), "{seen}");
    let seen = on_terminal(&world, "keychain import ~/keys.age", &[(question, PASSPHRASE)]);
    assert!(seen.contains("stored anthropic/work in ") && seen.contains("status=0"), "{seen}");
    let file = in_home(&world, "keys.age");
    world.run(&["keychain", "import", &file, "--identity", "id"]).fails(2, &["leave --identity out"]);
    world.run(&["keychain", "import", &file]).fails(1, &["there is no terminal to ask for the passphrase on"]);
}

#[test]
fn a_file_that_is_no_archive_imports_nothing() {
    let world = World::new();
    let public = recipient(&world);
    let sealed = |text: &str| {
        world.write("home/plain", text);
        world.sh(&format!("age -r {public} -o ~/keys.age ~/plain && rm ~/plain")).ok();
    };
    let [file, identity] = ["keys.age", "id.txt"].map(|name| in_home(&world, name));
    let import = ["keychain", "import", &file, "--identity", &identity];
    world.run(&import).fails(1, &["~/keys.age cannot be read"]);
    world.write("home/keys.age", format!("[anthropic.work]\nkey = \"{KEY}\"\n"));
    world.run(&import).fails(1, &["~/keys.age is no age file"]);
    world.sh(&format!("echo x | age -a -r {public} -o ~/keys.age")).ok();
    world.run(&import).fails(1, &["is armored"]);
    for (text, says) in [
        (format!("[anthropic.work]\nkey = \"{KEY}\"\nnote = \"{KEY}\"\n"), "holds no keys of the form"),
        (format!("[\"../x\".work]\nkey = \"{KEY}\"\n"), "holds no keys of the form"),
        ("[anthropic.work]\nkey = \"two\\nlines\"\n".to_owned(), "has more than one line; nothing was imported"),
        ("[anthropic.work]\nkey = \"\"\n".to_owned(), "is empty; nothing was imported"),
    ] {
        sealed(&text);
        let done = world.run(&import);
        assert!(!done.stderr.contains("sk-ant"), "{done:?}");
        done.fails(1, &[says]);
    }
    let large = world.path("home/keys.age");
    std::fs::File::create(&large).expect("made").set_len(64 << 20).expect("long");
    world.run(&import).fails(1, &["~/keys.age cannot be read"]);
    world.write("home/id.txt", "AGE-SECRET-KEY-1WRONG\n");
    world.chmod(&world.path("home/id.txt"), 0o600);
    sealed("");
    world.run(&import).fails(1, &["~/id.txt is no identity file of age"]);
    assert_eq!(world.run(&["keychain", "list"]).ok(), "");
}

#[test]
fn an_export_replaces_no_file_of_ringlets_own() {
    let world = World::new();
    world.store_key("anthropic/work", KEY);
    let public = recipient(&world);
    world.sh("mkdir -p ~/dotfiles ~/.local/state/ringlet && ln -s ~/.config/ringlet ~/link && mv ~/.config/ringlet/config.toml ~/dotfiles && \
              ln -s ~/dotfiles/config.toml ~/.config/ringlet/config.toml").ok();
    let before = world.read("home/dotfiles/config.toml");
    for file in [
        "~/.config/ringlet/identity.age",
        "~/link/credentials.toml",
        "~/dotfiles/config.toml",
        "~/.local/state/ringlet/x",
    ] {
        let command = format!("keychain export {file} --replace --recipient {public}");
        let seen = on_terminal(&world, &command, &[]);
        assert!(seen.contains("lies where ringlet keeps its own files") && seen.contains("status=1"), "{file}: {seen}");
    }
    assert!(world.read(FILE).contains(KEY));
    assert_eq!(world.read("home/dotfiles/config.toml"), before);
}

#[test]
fn a_key_of_several_lines_is_exported_and_an_import_is_whole_or_nothing() {
    let (world, other) = (with_team(), with_team());
    world.feed(&["keychain", "set", "mine/pem", "--stdin"], "-----BEGIN\nx\n-----END\n").ok();
    world.store_key("zeta/work", KEY);
    let public = recipient(&world);
    let command = format!("keychain export ~/keys.age --recipient {public}");
    let seen = on_terminal(&world, &command, &[("[y/N] ", "y")]);
    assert!(seen.contains("wrote 2 keys"), "{seen}");
    for name in ["keys.age", "id.txt"] {
        std::fs::copy(world.path("home").join(name), other.path("home").join(name)).expect("copied");
    }
    let [file, identity] = ["keys.age", "id.txt"].map(|name| in_home(&other, name));
    let import = ["keychain", "import", &file, "--identity", &identity];
    let settings = other.read("home/.config/ringlet/config.toml");
    // The second key is for a store that takes none, and then for a file that is locked.
    other.configure(
        "[store.fixed]\nget = [\"team\", \"get\", \"{provider}/{alias}\"]\n[store-for.zeta]\nstore = \"fixed\"\n",
    );
    other.run(&import).fails(1, &["stores no key by ringlet", "nothing was imported"]);
    other
        .write("home/.config/ringlet/config.toml", format!("{settings}[store-for.zeta]\nstore = \"encrypted-file\"\n"));
    other.run(&import).fails(1, &["there is no identity yet"]);
    assert!(!other.path(FILE).exists());
    other.write("home/.config/ringlet/config.toml", settings);
    other.run(&import).ok();
    let seen = on_terminal(&other, &format!("keychain export ~/again.age --recipient {public}"), &[("[y/N] ", "y")]);
    assert!(seen.contains("wrote 2 keys"), "{seen}");
    let opened = |world: &World, name: &str| world.sh(&format!("age -d -i ~/id.txt ~/{name}")).ok();
    assert_eq!(opened(&other, "again.age"), opened(&world, "keys.age"));
}

#[test]
fn a_day_is_ringlets_own_whatever_the_store_can_do() {
    let world = with_team();
    world.configure(
        "[store.fixed]\nget = [\"team\", \"get\", \"{provider}/{alias}\"]\n[store-for.anthropic]\nstore = \"fixed\"\n",
    );
    world.write("home/team/anthropic+work", KEY);
    let done = world.run(&["keychain", "set", "anthropic/work", "--expires", "2099-12-31"]);
    assert!(done.stderr.contains("anthropic/work expires on 2099-12-31"), "{done:?}");
    done.ok();
    world.run(&["keychain", "set", "anthropic/none", "--expires", "90d"]).fails(1, &["stores no key by ringlet"]);
    // What cannot be stored is not asked for.
    let seen = on_terminal(&world, "keychain rotate anthropic/work --no-check", &[]);
    assert!(seen.contains("stores no key by ringlet") && seen.contains("status=1"), "{seen}");
}

#[test]
fn a_store_that_keeps_nothing_is_named() {
    let world = with_team();
    world.configure(RULE);
    let script = world.read("bin/team");
    let set = ["keychain", "set", "anthropic/work", "--stdin"];
    world.program("team", &script.replace("set) cat >", "set) cat >/dev/null; : "));
    let done = world.feed(&set, KEY).fails(1, &["took anthropic/work, and does not have it"]);
    assert!(!done.stderr.contains("stored "), "{done:?}");
    world.program("team", &script.replace("set) cat >", "set) tr a b >"));
    world.feed(&set, KEY).fails(1, &["gave anthropic/work back changed"]);
    // Whoever stores a key need not be one who may read it.
    world.program("team", &script.replace("get) cat", "get) exit 1; cat"));
    let done = world.feed(&[&set[..], &["--replace"]].concat(), KEY);
    assert!(done.stderr.contains("warning: anthropic/work could not be read back"), "{done:?}");
    done.ok();
    world.program("team", &script);
    world.feed(&["keychain", "set", "other/pem", "--stdin"], "one\ntwo\n\n").ok();
}

#[test]
fn a_key_that_appears_while_another_one_is_typed_stays() {
    let world = World::new();
    let mut command = world.process("sh");
    command.arg("-c").arg(format!("{RINGLET} keychain set cerebras/work; echo status=$?"));
    let mut terminal = Terminal::start(command);
    terminal.expect("(it is not shown): ");
    world.store_key("cerebras/work", "csk-oldoldoldoldoldoldoldoldoldoldold");
    terminal.send("csk-newnewnewnewnewnewnewnewnewnewnew");
    let seen = terminal.end().1;
    assert!(seen.contains("cerebras/work is already in ") && seen.contains("status=1"), "{seen}");
    assert!(world.read(FILE).contains("csk-old"));
}

#[test]
fn a_store_that_lists_nothing_is_asked_for_what_a_profile_or_the_command_line_names() {
    let world = with_team();
    let upstream = Upstream::new(move |_, stream| answer(stream, "200 OK", "", b"{}"));
    world.write(
        "home/.config/ringlet/providers/mine.toml",
        format!(
            "title = \"Mine\"\nvariable = \"MINE_API_KEY\"\n[endpoints.default]\nchat = \"{}/v1\"\n\
             [check]\nchat = \"/models\"\n",
            upstream.url()
        ),
    );
    world.configure(
        "[store.mute]\nget = [\"team\", \"get\", \"{provider}/{alias}\"]\n[store-for.mine]\nstore = \"mute\"\n",
    );
    world.write("home/team/mine+work", OLD);
    assert!(world.run(&["keychain", "check", "mine/work"]).ok().contains("live"));
    world.run(&["keychain", "check", "mine/other"]).ok();
    world.run(&["keychain", "unlock", "mute"]).fails(1, &["no key of the store \"mute\" is known"]);
    let done = world.run(&["keychain", "unlock", "mine/work"]);
    assert!(done.stderr.contains("the store \"mute\" gives its keys"), "{done:?}");
    world.configure("[tools.x]\ncommand = [\"/bin/true\"]\nsecrets = { X = \"mine/work\" }\n");
    let done = world.run(&["keychain", "unlock", "mute"]);
    assert!(done.stderr.contains("the store \"mute\" gives its keys"), "{done:?}");
}
