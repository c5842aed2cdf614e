//! Who may use the daemon: `register`, `approve`, `list-pending`, `upgrade`, `unregister`, and what a script is bound
//! to.

use crate::common::daemon::{
    ALL, Client, Daemon, Third, copied, nc, read, refused, register, register_this, results, script, served, success,
    write,
};
use crate::common::world::World;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const UNREGISTERED: &str = "unregistered_binary_pending_approval";

fn pending(world: &World) -> Vec<Value> {
    serde_json::from_str(&world.run(&["daemon", "list-pending", "--json"]).ok()).expect("JSON")
}

#[track_caller]
fn is_turned_away(mut client: Third) {
    assert_eq!(client.ask(&read(&["a"])), refused("denied", UNREGISTERED));
    assert!(client.has_ended());
}

/// Adds to a file as another process, so that no child of this one holds it open.
fn add_to(file: &Path, text: &str) {
    let done = Command::new("sh").args(["-c", "printf %s \"$2\" >>\"$1\"", "sh"]).arg(file).arg(text).status();
    assert!(done.expect("sh").success());
}

#[test]
fn an_unknown_program_is_turned_away_waits_and_is_let_in_by_its_hash() {
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    let script = script(&world, "client");
    world.run(&["daemon", "list-pending"]).ok();
    assert_eq!(pending(&world), [Value::Null; 0]);
    is_turned_away(Third::script(&world, &daemon, &script, &[]));
    is_turned_away(Third::script(&world, &daemon, &script, &[]));
    let waiting = pending(&world);
    let [one] = waiting.as_slice() else { panic!("{waiting:?}") };
    assert_eq!(one["path"], script.to_str().expect("UTF-8"));
    assert_eq!(
        one["interpreter"]["path"],
        fs::canonicalize("/usr/bin/python3").expect("there").to_str().expect("UTF-8")
    );
    assert!(one["arguments"][1].as_str().is_some(), "{one}");
    let hash = one["hash"].as_str().expect("text").strip_prefix("sha256:").expect("a hash").to_owned();
    for wrong in [&hash[..7], "", "sha256:", "zzzzzzzz", &format!("{hash}0")] {
        world.run(&["daemon", "approve", wrong]).fails(1, &["no program with the hash", "list-pending"]);
    }
    world.run(&["daemon", "approve", &hash[..8]]).ok();
    assert_eq!(pending(&world), [Value::Null; 0]);
    // Registered, and still with no permission at all.
    let mut client = Third::script(&world, &daemon, &script, &[]);
    assert_eq!(client.ask(&read(&["a"])), refused("denied", "service_not_allowed"));
    register(&world, &script, ALL);
    assert_eq!(client.ask(&write("a", "v")), success());
    world.run(&["daemon", "approve", &hash]).fails(1, &["no program with the hash"]);
}

#[test]
fn an_interpreter_is_never_let_in_by_itself() {
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    let script = script(&world, "client");
    register(&world, &script, ALL);
    for program in ["/usr/bin/python3", "/bin/sh", "/usr/bin/env", "/usr/bin/perl", "/lib64/ld-linux-x86-64.so.2"] {
        let done = world.run(&["daemon", "register", program, "--read", "tool"]);
        done.fails(1, &["is an interpreter", "register the script itself"]);
    }
    // What it runs is on no disk.
    let mut command = world.process("/usr/bin/python3");
    command.arg("-c").arg(fs::read_to_string(&script).expect("readable")).arg(&daemon.socket);
    is_turned_away(Third::start(command));
    let mut command = world.process("/usr/bin/python3");
    command.args(["-c", "import sys; sys.argv.pop(0); exec(open(sys.argv[0]).read())"]);
    is_turned_away(Third::start({
        command.arg(&script).arg(&daemon.socket);
        command
    }));
    let waiting = pending(&world);
    let hash = waiting[0]["hash"].as_str().expect("text");
    world.run(&["daemon", "approve", hash]).fails(1, &["is an interpreter"]);
    // An option stands where the script's name would.
    let mut command = world.process("/usr/bin/python3");
    command.arg("-u").arg(&script).arg(&daemon.socket);
    is_turned_away(Third::start(command));
    // By its interpreter's name it is the same script.
    let mut command = world.process("/usr/bin/python3");
    command.arg(&script).arg(&daemon.socket);
    assert_eq!(Third::start(command).ask(&write("a", "v")), success());
}

#[test]
fn a_script_is_bound_to_its_place_its_content_and_what_runs_it() {
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    let client = script(&world, "client");
    register(&world, &client, ALL);
    assert_eq!(Third::script(&world, &daemon, &client, &[]).ask(&write("a", "v")), success());
    // The very same content in another place.
    is_turned_away(Third::script(&world, &daemon, &script(&world, "other"), &[]));
    // Another interpreter of the same name.
    let python = fs::canonicalize("/usr/bin/python3").expect("there");
    let copy = copied(&world, &python, "python3");
    let mut command = world.process(&copy);
    command.arg(&client).arg(&daemon.socket);
    is_turned_away(Third::start(command));
    // Another content.
    let mut before = Third::script(&world, &daemon, &client, &[]);
    assert_eq!(before.ask(&read(&["a"])), results(&[("a", Some("v"))]));
    add_to(&client, "# changed\n");
    is_turned_away(Third::script(&world, &daemon, &client, &[]));
    let text = client.to_str().expect("UTF-8");
    world.run(&["daemon", "register", text, "--read", "tool"]).fails(1, &["has changed since", "daemon upgrade"]);
    world.run(&["daemon", "upgrade", text]).ok();
    // The permissions are those of before, for the new content alone.
    assert_eq!(Third::script(&world, &daemon, &client, &[]).ask(&read(&["a"])), results(&[("a", Some("v"))]));
    assert_eq!(before.ask(&read(&["a"])), refused("denied", UNREGISTERED));
    assert!(before.has_ended());
    for (words, says) in [
        (&["upgrade", "/bin/true"][..], "is not registered"),
        (&["unregister", "/bin/true"], "is not registered"),
        (&["upgrade", "bin/nobody"], "is not registered"),
        (&["register", "nobody"], "cannot read"),
        (&["register", "/etc/passwd"], "what runs /etc/passwd cannot be told"),
        (&["register", "/"], "cannot read"),
    ] {
        world.run(&[&["daemon"], words].concat()).fails(1, &[says]);
    }
}

// The word in the command line is the script's own, and so are its working directory and its links.
#[test]
fn a_script_is_known_by_an_absolute_path_without_links_alone() {
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    let client = script(&world, "client");
    let text = client.to_str().expect("UTF-8");
    std::os::unix::fs::symlink(&client, world.path("bin/link")).expect("linked");
    std::os::unix::fs::symlink(world.path("bin"), world.path("folder")).expect("linked");
    for link in ["bin/link", "folder/client"] {
        let link = world.path(link);
        let done = world.run(&["daemon", "register", link.to_str().expect("UTF-8"), "--read", "tool"]);
        done.fails(1, &["leads through a link to", &format!("run `ringlet daemon register {text}`")]);
    }
    let done = world.run(&["daemon", "register", text, "--read", "tool", "--write", "tool"]);
    assert!(done.stderr.contains("recognised by what it says of itself"), "{done:?}");
    done.ok();
    let run = |script: &Path| {
        let mut command = world.process("/usr/bin/python3");
        command.current_dir(world.path("bin")).arg(script).arg(&daemon.socket);
        Third::start(command)
    };
    assert_eq!(run(&client).ask(&write("a", "v")), success());
    for (word, why) in [
        ("client", "relative path"),
        ("./client", "relative path"),
        ("../bin/client", "relative path"),
        ("/proc/self/cwd/client", "cannot be found"),
    ] {
        is_turned_away(run(Path::new(word)));
        assert!(world.read("home/.local/state/ringlet/audit.jsonl").contains(why), "{word}");
        let waiting = pending(&world);
        assert!(waiting.last().expect("one")["why"].as_str().is_some_and(|said| said.contains(why)), "{waiting:?}");
    }
    is_turned_away(run(&world.path("bin/link")));
    is_turned_away(run(&world.path("folder/client")));
    let done = world.run(&["daemon", "list-pending"]);
    assert!(done.stderr.contains("cannot be approved: its command line names the script by"), "{done:?}");
    assert_eq!(run(&client).ask(&read(&["a"])), results(&[("a", Some("v"))]));
}

#[test]
fn programs_of_one_content_are_told_apart_by_their_paths() {
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    for name in ["one", "two"] {
        is_turned_away(Third::script(&world, &daemon, &script(&world, name), &[]));
    }
    let waiting = pending(&world);
    let hash = waiting[0]["hash"].as_str().expect("text").strip_prefix("sha256:").expect("a hash")[..12].to_owned();
    assert_eq!(waiting[0]["hash"], waiting[1]["hash"]);
    let [one, two] = ["bin/one", "bin/two"].map(|path| world.path(path).to_str().expect("UTF-8").to_owned());
    let says = format!("name the path as well: `ringlet daemon approve {hash} {one}`");
    world.run(&["daemon", "approve", &hash]).fails(1, &["2 programs with the hash", &one, &two, &says]);
    world.run(&["daemon", "approve", &hash, "/nowhere"]).fails(1, &["no program with the hash"]);
    world.run(&["daemon", "approve", &hash, &two, "--write", "tool"]).ok();
    assert_eq!(Third::script(&world, &daemon, &world.path("bin/two"), &[]).ask(&write("a", "v")), success());
    is_turned_away(Third::script(&world, &daemon, &world.path("bin/one"), &[]));
    world.run(&["daemon", "approve", &hash]).ok();
}

#[test]
fn an_interpreter_under_another_name_is_none_the_less_one() {
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    let copy = copied(&world, &fs::canonicalize("/usr/bin/python3").expect("there"), "tool");
    let text = copy.to_str().expect("UTF-8");
    world.run(&["daemon", "register", text, "--read", "tool"]).fails(1, &["is an interpreter"]);
    let plain = copied(&world, Path::new("/bin/cat"), "qemu-x86_64-static");
    world.run(&["daemon", "register", plain.to_str().expect("UTF-8")]).fails(1, &["is an interpreter"]);
    // It asks and waits under its other name, and is not approved.
    let client = script(&world, "client");
    let mut command = world.process(&copy);
    command.arg(&client).arg(&daemon.socket);
    is_turned_away(Third::start(command));
    let waiting = pending(&world);
    let hash = waiting[0]["hash"].as_str().expect("text").to_owned();
    world.run(&["daemon", "approve", &hash]).fails(1, &["is an interpreter"]);
    // Where a registered script names it, the script is bound as with any other.
    world.run(&["daemon", "register", client.to_str().expect("UTF-8"), "--interpreter", text, "--write", "tool"]).ok();
    let mut command = world.process(&copy);
    command.arg(&client).arg(&daemon.socket);
    assert_eq!(Third::start(command).ask(&write("a", "v")), success());
    let mut command = world.process(&copy);
    command.arg(script(&world, "other")).arg(&daemon.socket);
    is_turned_away(Third::start(command));
}

#[test]
fn a_change_of_policy_holds_from_the_next_request_on() {
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    register_this(&world, ALL);
    let this = std::env::current_exe().expect("known");
    let mut client = Client::connect(&daemon.socket);
    assert_eq!(client.ask(&write("a", "v")), success());
    register_this(&world, &["--read", "tool"]);
    assert_eq!(client.ask(&write("a", "w")), refused("denied", "service_not_allowed"));
    assert_eq!(client.ask(&read(&["a"])), results(&[("a", Some("v"))]));
    world.run(&["daemon", "unregister", this.to_str().expect("UTF-8")]).ok();
    assert_eq!(client.ask(&read(&["a"])), refused("denied", UNREGISTERED));
    assert!(client.has_ended());
    let log = world.read("home/.local/state/ringlet/audit.jsonl");
    let last: Value = serde_json::from_str(log.lines().last().expect("a line")).expect("JSON");
    assert_eq!(
        (&last["action"], &last["result"], &last["reason"]),
        (&"read".into(), &"denied".into(), &UNREGISTERED.into())
    );
}

#[test]
fn a_policy_that_is_wrong_or_open_to_others_leaves_the_last_good_one_in_force() {
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    register_this(&world, ALL);
    let mut client = Client::connect(&daemon.socket);
    assert_eq!(client.ask(&write("a", "v")), success());
    let file = "home/.config/ringlet/daemon.json";
    let (path, good) = (world.path(file), world.read(file));
    for (text, mode, says) in [
        ("{\n  \"protocol_version\": \"1\",\n  \"registered\": []\n}\n", 0o600, "line 3, column "),
        ("{\n", 0o600, "line 2, column 0"),
        (&good.replace("\"1\"", "\"3\""), 0o600, "`protocol_version` is"),
        (&good, 0o622, "can be written by others"),
    ] {
        fs::write(&path, text).expect("written");
        world.chmod(&path, mode);
        assert_eq!(client.ask(&read(&["a"])), results(&[("a", Some("v"))]), "{says}");
        let status = daemon.get("/v1/status").json();
        let problem = status["policy"]["problem"].as_str().expect("a problem");
        assert!(problem.contains(says) && problem.contains("daemon.json"), "{problem}");
        // The command says the same, and changes nothing.
        world.run(&["daemon", "register", "/bin/true", "--read", "tool"]).fails(1, &[says]);
        assert!(world.run(&["daemon", "status"]).ok().contains("what was last good stays in force"));
        world.chmod(&path, 0o600);
    }
    fs::write(&path, good).expect("written");
    assert_eq!(daemon.get("/v1/status").json()["policy"]["problem"], Value::Null);
    // Without the file nobody is registered.
    fs::remove_file(&path).expect("removed");
    assert_eq!(client.ask(&read(&["a"])), refused("denied", UNREGISTERED));
}

#[test]
fn a_program_that_was_replaced_goes_on_and_its_successor_does_not_come_in() {
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    let nc = nc(&world);
    register(&world, &nc, ALL);
    let mut old = Third::nc(&world, &daemon, &nc);
    assert_eq!(old.ask(&write("a", "v")), success());
    let next = copied(&world, &nc, "next");
    add_to(&next, "more");
    fs::rename(next, &nc).expect("renamed");
    assert_eq!(old.ask(&read(&["a"])), results(&[("a", Some("v"))]));
    let mut new = Third::nc(&world, &daemon, &nc);
    assert_eq!(new.ask(&read(&["a"])), refused("denied", UNREGISTERED));
    assert_eq!(pending(&world).len(), 1);
    world.run(&["daemon", "upgrade", nc.to_str().expect("UTF-8")]).ok();
    assert_eq!(Third::nc(&world, &daemon, &nc).ask(&read(&["a"])), results(&[("a", Some("v"))]));
    // The old one is no longer what is registered.
    assert_eq!(old.ask(&read(&["a"])), refused("denied", UNREGISTERED));
}

#[test]
fn a_program_whose_file_is_gone_is_turned_away_and_waits_for_nothing() {
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    let nc = nc(&world);
    register(&world, &nc, ALL);
    let run = "import os, sys\n\
               file = os.open(sys.argv[1], os.O_RDONLY | os.O_CLOEXEC)\n\
               os.unlink(sys.argv[1])\n\
               os.execve(file, ['nc', '-U', sys.argv[2]], os.environ)\n";
    let mut command = world.process("/usr/bin/python3");
    command.args(["-c", run]).arg(&nc).arg(&daemon.socket);
    assert_eq!(Third::start(command).ask(&read(&["a"])), refused("denied", UNREGISTERED));
    assert_eq!(pending(&world), [Value::Null; 0]);
}

#[test]
fn a_connection_does_not_outlive_what_its_program_was() {
    let world = served(World::new());
    let daemon = Daemon::start(&world);
    let client = script(&world, "client");
    register(&world, &client, ALL);
    let ask = read(&["a"]).to_string();
    let other = world.program(
        "heir",
        "import os, sys\nos.write(3, sys.argv[1].encode() + b'\\n')\nprint(os.read(3, 9999).decode(), end='', flush=True)\n\
         print(os.read(3, 9999) or 'END')\n",
    );
    let other = other.to_str().expect("UTF-8");
    let client_text = client.to_str().expect("UTF-8");
    let shell = "printf '%s\\n' \"$1\" >&3; cat <&3; echo END";
    for then in [
        &["/usr/bin/python3", other, &ask][..],
        // It says that it is the registered script, and is not.
        &[
            "/usr/bin/python3",
            "-c",
            "import os; os.write(3, os.environb[b'ASK'] + b'\\n'); print(os.read(3, 9999).decode() + 'END')",
        ],
        &["/bin/sh", "-c", shell, "sh", &ask],
    ] {
        let mut command = world.process(client_text);
        command.arg(&daemon.socket).arg("--then").args(then).env("ASK", &ask);
        let mut heir = Third::start(command);
        assert_eq!(heir.ask(&write("a", "sk-heirloom")), success());
        heir.close();
        let answer: Value = serde_json::from_str(&heir.line()).expect("JSON");
        assert_eq!(answer, refused("error", "internal_error"), "{then:?}");
        assert_eq!(heir.line(), "END", "{then:?}");
    }
    let log = world.read("home/.local/state/ringlet/audit.jsonl");
    assert_eq!(log.matches("does not run what it ran").count(), 3, "{log}");
}
