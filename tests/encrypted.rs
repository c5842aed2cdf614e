//! The encrypted file: its identity by a passphrase, by a plugin and by Debian's `age`; what holds it; what is refused.

use crate::common::daemon::{Daemon, runtime};
use crate::common::pty::Terminal;
use crate::common::world::{Done, KEY, RINGLET, World, finish};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const PASSPHRASE: &str = "correct horse";
const CONFIG: &str = "home/.config/ringlet";
const PLUGIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/age-plugin-test");
const NO_KERNEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/no-kernel-keys");

/// A world whose keys are in the encrypted file. What its kernel holds is ended with it.
struct Sealed(World);

impl std::ops::Deref for Sealed {
    type Target = World;
    fn deref(&self) -> &World {
        &self.0
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        let _ = self.0.process(RINGLET).args(["keychain", "lock"]).output();
    }
}

impl Sealed {
    fn new(more: &str) -> Self {
        let world = World::bare();
        world.write(format!("{CONFIG}/config.toml"), format!("[credentials]\nbackend = \"encrypted-file\"\n{more}"));
        Self(world)
    }

    /// The same with an identity that one of the test's own opens, without a passphrase.
    fn by_identity() -> (Self, PathBuf) {
        let sealed = Self::new("identity = \"~/own.txt\"\n");
        let own = sealed.path("home/own.txt");
        let recipient = age_keygen(&own);
        sealed.wrap_identity(&recipient);
        (sealed, own)
    }

    /// The same with the plugin of the tests, which is on PATH.
    fn by_plugin(more: &str) -> Self {
        let sealed = Self::new(&format!("identity = \"~/plugin.txt\"\n{more}"));
        sealed.program("age-plugin-test", &fs::read_to_string(PLUGIN).expect("the plugin"));
        let said = |word: &str| finish(sealed.process(sealed.path("bin/age-plugin-test")).arg(word)).ok();
        sealed.write("home/plugin.txt", said("identity"));
        sealed.wrap_identity(said("recipient").trim());
        sealed
    }

    /// Makes identity.age as docs/src/stores.md says, with age's own tools.
    fn wrap_identity(&self, recipient: &str) {
        let script = format!("umask 077; age-keygen 2>/dev/null | age -r {recipient} -o identity.age");
        finish(self.process("sh").args(["-c", &script]).current_dir(self.path(CONFIG))).ok();
    }

    /// Where a launch as the profile says is given the key.
    fn launch(&self) -> Done {
        self.program("claude", "#!/bin/sh\nprintf %s \"$ANTHROPIC_API_KEY\"\n");
        self.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n");
        self.run(&["profiles", "run", "work"])
    }

    fn store(&self) -> Done {
        self.feed(&["keychain", "set", "anthropic", "work", "--stdin", "--replace"], KEY)
    }

    fn on_terminal(&self, arguments: &[&str]) -> Terminal {
        let mut command = self.process(RINGLET);
        command.args(arguments);
        Terminal::start(command)
    }

    /// The decrypted identity, by Debian's `age`.
    fn identity(&self, own: &Path) -> PathBuf {
        let opened = self.path("opened.txt");
        finish(self.process("age").arg("-d").arg("-i").arg(own).arg("-o").arg(&opened).arg(self.at("identity.age")))
            .ok();
        opened
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path(CONFIG).join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.at(name), bytes).expect("written");
        self.chmod(&self.at(name), 0o600);
    }
}

/// Makes an identity, and returns its recipient.
fn age_keygen(file: &Path) -> String {
    let made = Command::new("age-keygen").arg("-o").arg(file).output().expect("age-keygen");
    assert!(made.status.success(), "{made:?}");
    let text = fs::read_to_string(file).expect("readable");
    text.lines().find_map(|line| line.strip_prefix("# public key: ")).expect("the recipient").to_owned()
}

/// Which way was taken. Where the kernel refuses, the tests that need it to hold something use the daemon.
fn kernel_holds() -> bool {
    let (world, _) = Sealed::by_identity();
    let done = world.run(&["keychain", "unlock"]);
    let holds = done.stderr.contains("the kernel holds its identity");
    let said = if holds { "the kernel holds keys here" } else { "the kernel holds no keys here; the daemon does" };
    let _ = writeln!(std::io::stderr(), "{said}");
    holds
}

/// A daemon where the kernel holds nothing.
fn helped(world: &Sealed) -> Option<Daemon> {
    if kernel_holds() {
        return None;
    }
    world.configure("[daemon]\nport = 0\n");
    Some(Daemon::start(world))
}

#[test]
fn the_first_key_asks_for_a_passphrase_twice_and_a_launch_needs_it_unlocked() {
    let world = Sealed::new("");
    let _daemon = helped(&world);
    let mut terminal = world.on_terminal(&["keychain", "set", "anthropic", "work"]);
    terminal.expect("nobody can restore one that is forgotten");
    terminal.expect("new passphrase (it is not shown): ");
    terminal.send(PASSPHRASE);
    terminal.expect("the same passphrase again: ");
    terminal.send(PASSPHRASE);
    terminal.expect("the encrypted file is unlocked for 8h");
    terminal.expect("key for anthropic/work (it is not shown): ");
    terminal.send(KEY);
    terminal.expect("stored anthropic/work in ~/.config/ringlet/credentials.age");
    let (status, rest) = terminal.end();
    assert!(status.success() && !rest.contains(PASSPHRASE), "{rest}");
    for name in ["identity.age", "credentials.age"] {
        let mode = fs::metadata(world.at(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    assert_eq!(world.launch().ok(), KEY);
    let again = world.run(&["keychain", "unlock"]);
    assert!(again.stderr.contains("the encrypted file is unlocked for another 7h59m; the "), "{again:?}");
    let done = world.run(&["keychain", "lock"]);
    assert_eq!(done.stderr, "ringlet: the encrypted file is locked\n");
    done.ok();
    let done = world.run(&["keychain", "lock"]);
    assert_eq!(done.stderr, "ringlet: the encrypted file was not unlocked\n");
    let hint = "run `ringlet keychain unlock encrypted-file` in a terminal";
    let done = world.launch().fails(125, &["the encrypted file is locked", hint]);
    assert_eq!(done.stdout, "");
    // Names are no secret.
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/work\n");
    let doctor = world.run(&["doctor"]);
    let locked = "~/.config/ringlet/credentials.age is locked, so no launch gets a key";
    assert!(doctor.stdout.contains(locked) && doctor.stdout.contains(hint), "{doctor:?}");
    assert!(!doctor.stdout.contains("log in to the desktop"), "{doctor:?}");
    // Nobody can type without a terminal.
    world.run(&["keychain", "unlock"]).fails(1, &["the encrypted file is locked"]);
    let mut terminal = world.on_terminal(&["keychain", "unlock"]);
    terminal.expect("passphrase of ~/.config/ringlet/identity.age (it is not shown): ");
    terminal.send("wrong horse");
    terminal.expect("the passphrase is wrong, and the encrypted file is still locked");
    assert_eq!(terminal.end().0.code(), Some(1));
    world.launch().fails(125, &["the encrypted file is locked"]);
    let mut terminal = world.on_terminal(&["keychain", "unlock"]);
    terminal.expect("(it is not shown): ");
    terminal.send(PASSPHRASE);
    terminal.expect("the encrypted file is unlocked for 8h");
    assert!(terminal.end().0.success());
    assert_eq!(world.launch().ok(), KEY);
    let doctor = world.run(&["doctor"]);
    assert!(doctor.stdout.contains("the encrypted file is unlocked for another 7h59m"), "{doctor:?}");
}

#[test]
fn no_identity_is_made_without_a_terminal_below_a_launch_or_by_two_different_passphrases() {
    let mut world = Sealed::new("");
    let made = |world: &Sealed| world.at("identity.age").exists();
    let hint = "`ringlet keychain unlock encrypted-file` makes one on a terminal; without one, `umask 077; age-keygen | age -r";
    world.store().fails(1, &["there is no identity yet that could open an encrypted file", hint]);
    world.run(&["keychain", "unlock"]).fails(1, &[hint]);
    for (first, second, says) in [
        ("one two three", "other", "the two passphrases differ; nothing was made"),
        ("", "", "no passphrase was given; nothing was made"),
        (" ", "", "the passphrase is shorter than 10 characters; nothing was made"),
    ] {
        let mut terminal = world.on_terminal(&["keychain", "unlock"]);
        terminal.expect("new passphrase (it is not shown): ");
        terminal.send(first);
        if !second.is_empty() {
            terminal.expect("again: ");
            terminal.send(second);
        }
        terminal.expect(says);
        assert_eq!(terminal.end().0.code(), Some(1));
    }
    world.0.set("RINGLET_LAUNCH", "1:claude");
    let mut terminal = world.on_terminal(&["keychain", "unlock"]);
    terminal.expect("no identity is made from within a launch");
    assert_eq!(terminal.end().0.code(), Some(1));
    assert!(!made(&world));
}

#[test]
fn a_plugin_opens_the_identity_and_may_ask_for_a_pin_on_the_terminal() {
    let mut world = Sealed::by_plugin("timeout = 30\n");
    let _daemon = helped(&world);
    let done = world.run(&["keychain", "unlock"]);
    assert!(done.stderr.contains("the encrypted file is unlocked for 8h"), "{done:?}");
    world.store().ok();
    assert_eq!(world.launch().ok(), KEY);
    world.run(&["keychain", "lock"]).ok();
    world.0.set("AGE_TEST", "pin");
    // Nobody answers where nobody can be asked.
    world.run(&["keychain", "unlock"]).fails(1, &["identity.age was not opened: its plugin says: ", "wrong PIN"]);
    let mut terminal = world.on_terminal(&["keychain", "unlock"]);
    terminal.expect("ringlet: PIN of the device (it is not shown): ");
    terminal.send("4321");
    terminal.expect("wrong PIN");
    assert_eq!(terminal.end().0.code(), Some(1));
    let mut terminal = world.on_terminal(&["keychain", "unlock"]);
    terminal.expect("ringlet: PIN of the device (it is not shown): ");
    terminal.send("1234");
    terminal.expect("the encrypted file is unlocked for 8h");
    let (status, rest) = terminal.end();
    assert!(status.success() && !rest.contains("1234"), "{rest}");
    // With a plugin that would hang now, a launch works: it starts none.
    world.0.set("AGE_TEST", "hang");
    assert_eq!(world.launch().ok(), KEY);
    world.run(&["keychain", "lock"]).ok();
    world.launch().fails(125, &["the encrypted file is locked"]);
}

#[test]
fn a_plugin_that_fails_dies_or_babbles_is_named_and_none_of_it_reaches_the_terminal() {
    let mut world = Sealed::by_plugin("timeout = 30\n");
    for (mode, says) in [
        ("fail", "the ?[31mdevice is gone"),
        ("die", "its plugin ended early"),
        ("babble", "its plugin did not answer as a plugin does"),
    ] {
        world.0.set("AGE_TEST", mode);
        world.0.set("AGEDEBUG", "plugin");
        let done = world.run(&["keychain", "unlock"]).fails(1, &["identity.age was not opened: ", says]);
        assert!(!done.stderr.contains("-> ") && !done.stderr.contains('\x1b'), "{done:?}");
    }
    world.0.unset("AGE_TEST");
    // The project's own plugin is not started, and neither is one that is missing.
    let theirs = world.write("home/project/bin/age-plugin-test", "#!/bin/sh\ntouch \"$HOME/ran\"\n");
    world.chmod(&theirs, 0o755);
    fs::remove_file(world.path("bin/age-plugin-test")).expect("removed");
    world.run(&["keychain", "unlock"]).fails(1, &["there is no program age-plugin-test on PATH"]);
    world.write("home/project/.ringlet.toml", "profile = \"work\"\n");
    world.0.set("PATH", format!("{}:/usr/bin:/bin", world.path("home/project/bin").display()));
    world.run(&["keychain", "unlock"]).fails(1, &["age-plugin-test is not started: its folder lies in the project"]);
    assert!(!world.path("home/ran").exists());
}

/// Whether a process has ended.
fn is_gone(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

#[test]
fn a_plugin_that_hangs_is_ended_with_what_it_has_started() {
    let mut world = Sealed::by_plugin("timeout = 2\n");
    world.0.set("AGE_TEST", "hang");
    let file = world.path("pids");
    world.0.set("PID_FILE", &file);
    world
        .run(&["keychain", "unlock"])
        .fails(1, &["identity.age was not opened: it took longer than 2s, and what opened it was ended", "`timeout`"]);
    let all_gone = |file: &Path| {
        let pids = fs::read_to_string(file).expect("the plugin was started");
        assert_eq!(pids.split_whitespace().count(), 2, "{pids}");
        while !pids.split_whitespace().all(is_gone) {
            std::thread::yield_now();
        }
        fs::remove_file(file).expect("removed");
    };
    all_gone(&file);
    // On the terminal Control-C ends it.
    let mut terminal = Terminal::start({
        let mut command = world.process("sh");
        command.args(["-c", &format!("{RINGLET} keychain unlock; echo status=$?; read line; echo \"got $line\"")]);
        command
    });
    while !file.exists() {
        std::thread::yield_now();
    }
    terminal.ctrl('c');
    terminal.expect("identity.age was not opened: what opened it was interrupted");
    terminal.expect("status=130");
    all_gone(&file);
    // The shell has its terminal back.
    terminal.send("hello");
    terminal.expect("got hello");
    assert!(terminal.end().0.success());
}

/// `ringlet` where the kernel refuses to hold keys.
fn refused(world: &World, arguments: &[&str]) -> Done {
    finish(world.process(NO_KERNEL).arg(RINGLET).args(arguments))
}

#[test]
fn where_the_kernel_refuses_the_daemon_holds_the_identity() {
    let (sealed, _) = Sealed::by_identity();
    sealed.configure("[daemon]\nport = 0\n");
    refused(&sealed, &["keychain", "unlock"]).fails(
        1,
        &[
            "nothing can hold the identity: the kernel does not (Operation not permitted",
            "and the daemon is not running",
            "run `ringlet daemon start`, then `ringlet keychain unlock encrypted-file` again",
        ],
    );
    let mut by = sealed.process(NO_KERNEL);
    by.arg(RINGLET);
    let mut daemon = Daemon::start_by(&sealed, by);
    let done = refused(&sealed, &["keychain", "unlock"]);
    assert!(done.stderr.contains("unlocked for 8h; the daemon holds its identity"), "{done:?}");
    let done = finish(
        sealed
            .process("sh")
            .arg("-c")
            .arg(format!("printf %s '{KEY}' | {NO_KERNEL} {RINGLET} keychain set anthropic work --stdin")),
    );
    done.ok();
    sealed.program("claude", "#!/bin/sh\nprintf %s \"$ANTHROPIC_API_KEY\"\n");
    sealed.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n");
    let launch = || refused(&sealed, &["profiles", "run", "work"]);
    assert_eq!(launch().ok(), KEY);
    // Another program is refused, whatever it asks.
    let socket = runtime(&sealed).join("identity.sock");
    assert_eq!(fs::metadata(&socket).expect("there").permissions().mode() & 0o777, 0o600);
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                  s.sendall(sys.argv[2].encode()+b'\\n')\nprint(s.makefile().read().strip())";
    let name = held_name(&sealed);
    for word in ["give", "end", "hold"] {
        let asked = finish(sealed.process("python3").args(["-c", script]).arg(&socket).arg(format!("{word} {name} ")));
        assert_eq!(asked.ok(), "refused\n");
    }
    assert_eq!(launch().ok(), KEY);
    let done = refused(&sealed, &["keychain", "lock"]);
    assert_eq!(done.stderr, "ringlet: the encrypted file is locked\n");
    launch().fails(125, &["the encrypted file is locked"]);
    refused(&sealed, &["keychain", "unlock"]).ok();
    assert_eq!(launch().ok(), KEY);
    // A daemon that is stopped is not taken for one that holds nothing.
    daemon.signal(rustix::process::Signal::STOP);
    launch().fails(125, &["the encrypted file is locked, or the daemon that holds its identity does not answer"]);
    daemon.signal(rustix::process::Signal::CONT);
    assert_eq!(launch().ok(), KEY);
    // It ends with the daemon, whose log has nothing of it.
    let said = daemon.said();
    assert!(!said.contains("AGE-SECRET-KEY") && !said.contains(KEY), "{said}");
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.end().success());
    assert!(!socket.exists());
    launch().fails(125, &["the encrypted file is locked"]);
}

// Root may look at a process that has closed itself to others, and a plain user's daemon may not.
#[test]
fn the_daemon_of_a_plain_user_holds_the_identity_for_ringlet_alone() {
    let (sealed, _) = Sealed::by_identity();
    sealed.configure("[daemon]\nport = 0\n");
    sealed.program("no-kernel-keys", &fs::read_to_string(NO_KERNEL).expect("the tool"));
    sealed.program("claude", "#!/bin/sh\nprintf %s \"$ANTHROPIC_API_KEY\"\n");
    sealed.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n");
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        let mut all = sealed.process("chown");
        all.args(["-Rh", "12345:12345"]).args([sealed.path("home"), sealed.path("run")]);
        finish(&mut all).ok();
        sealed.chmod(&sealed.path(""), 0o755);
    }
    let by = |words: &[&str]| {
        let mut command = sealed.process(if is_root { "setpriv" } else { "env" });
        let plain = ["--reuid=12345", "--regid=12345", "--clear-groups"];
        command.args(plain.iter().filter(|_| is_root)).arg(sealed.path("bin/no-kernel-keys")).args(words);
        command
    };
    let ringlet = |words: &[&str]| finish(&mut by(&[&[RINGLET], words].concat()));
    let _daemon = Daemon::start_by(&sealed, by(&[RINGLET]));
    let done = ringlet(&["keychain", "unlock"]);
    assert!(done.stderr.contains("unlocked for 8h; the daemon holds its identity"), "{done:?}");
    let set = format!("printf %s '{KEY}' | {RINGLET} keychain set anthropic work --stdin");
    finish(&mut by(&["sh", "-c", &set])).ok();
    assert_eq!(ringlet(&["profiles", "run", "work"]).ok(), KEY);
    // Another program gets nothing, even if it becomes ringlet once it has asked, and a child of its reads the answer.
    let script = "import os,socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                  s.sendall(b'give '+sys.argv[2].encode()+b' \\n')\n\
                  if sys.argv[3]=='becomes' and os.fork()!=0:\n os.set_inheritable(s.fileno(),True)\n \
                  os.execv(sys.argv[4],[sys.argv[4],'keychain','list'])\nprint(s.makefile().read())";
    let (socket, name) = (runtime(&sealed).join("identity.sock"), held_name(&sealed));
    for way in ["asks", "becomes"] {
        let words = ["python3", "-c", script, socket.to_str().expect("text"), &name, way, RINGLET];
        let said = finish(&mut by(&words)).stdout;
        assert!(said.contains("refused\n") && !said.contains("held"), "{way}: {said}");
    }
    assert_eq!(ringlet(&["profiles", "run", "work"]).ok(), KEY);
    assert_eq!(ringlet(&["keychain", "lock"]).stderr, "ringlet: the encrypted file is locked\n");
    ringlet(&["profiles", "run", "work"]).fails(125, &["the encrypted file is locked"]);
}

/// The name under which a world's identity is held, as `store::encrypted` makes it.
fn held_name(world: &Sealed) -> String {
    let script = "import hashlib,sys; print('ringlet:'+hashlib.sha256(sys.argv[1].encode()).hexdigest()[:32])";
    finish(world.process("python3").args(["-c", script]).arg(world.at("identity.age"))).ok().trim().to_owned()
}

#[test]
fn nothing_is_stored_for_an_identity_that_no_file_holds() {
    let (world, own) = Sealed::by_identity();
    let _daemon = helped(&world);
    world.run(&["keychain", "unlock"]).ok();
    let identity = fs::read(world.at("identity.age")).expect("there");
    fs::remove_file(world.at("identity.age")).expect("removed");
    world.store().fails(1, &["there is no identity yet that could open an encrypted file"]);
    assert!(!world.at("credentials.age").exists());
    world.put("identity.age", &identity);
    world.store().ok();
    let sealed = fs::read(world.at("credentials.age")).expect("there");
    fs::remove_file(world.at("identity.age")).expect("removed");
    let gone = ["identity.age does not exist, and ", "credentials.age cannot be opened without it"];
    world.store().fails(1, &gone);
    world.launch().fails(125, &gone);
    // Another identity takes its place, while the one before is held.
    let recipient = finish(world.process("age-keygen").arg("-y").arg(&own)).ok();
    world.wrap_identity(recipient.trim());
    world.store().fails(1, &["the encrypted file is locked"]);
    world.launch().fails(125, &["the encrypted file is locked"]);
    world.run(&["keychain", "unlock"]).ok();
    world.store().fails(1, &["credentials.age: is encrypted for another identity"]);
    assert_eq!(fs::read(world.at("credentials.age")).expect("there"), sealed);
    // What is held is that of the new file alone.
    world.put("identity.age", &identity);
    world.launch().fails(125, &["the encrypted file is locked"]);
    world.run(&["keychain", "unlock"]).ok();
    assert_eq!(world.launch().ok(), KEY);
    // The way of docs/src/stores.md, by which the identity stays and another one opens it.
    let new = age_keygen(&world.path("home/new.txt"));
    let identity = fs::read(world.at("identity.age")).expect("there");
    let wrap = |opener: &Path| {
        let script = format!(
            "umask 077; (set -o pipefail; age -d -i {} identity.age | age -r {new} -o identity.new) && \
             mv identity.new identity.age",
            opener.display()
        );
        finish(world.process("bash").args(["-c", &script]).current_dir(world.path(CONFIG)))
    };
    // Where the old one is not opened, it stays.
    wrap(&world.path("home/new.txt")).fails(1, &[]);
    assert_eq!(fs::read(world.at("identity.age")).expect("there"), identity);
    wrap(&own).ok();
    fs::copy(world.path("home/new.txt"), &own).expect("copied");
    world.launch().fails(125, &["the encrypted file is locked"]);
    world.run(&["keychain", "unlock"]).ok();
    assert_eq!(world.launch().ok(), KEY);
}

#[test]
fn a_change_counts_whose_name_cannot_be_noted() {
    let (world, _) = Sealed::by_identity();
    let _daemon = helped(&world);
    world.run(&["keychain", "unlock"]).ok();
    fs::create_dir_all(world.path("home/.local/state/ringlet/encrypted-names")).expect("a folder in its place");
    let done = world.store();
    let said = "warning: while the keys are locked, the list of their names is not up to date";
    assert!(done.stderr.contains(said) && done.stderr.contains("stored anthropic/work in "), "{done:?}");
    done.ok();
    assert_eq!(world.launch().ok(), KEY);
    let done = world.run(&["keychain", "remove", "anthropic/work"]);
    assert!(done.stderr.contains("removed anthropic/work") && done.stderr.contains(said), "{done:?}");
    done.ok();
}

#[test]
fn a_daemon_of_another_version_is_not_taken_for_one_that_holds_nothing() {
    let (sealed, _) = Sealed::by_identity();
    sealed.configure("[daemon]\nport = 0\n");
    let other = sealed.path("bin/ringlet-of-another-version");
    fs::copy(RINGLET, &other).expect("copied");
    let by_other = || {
        let mut command = sealed.process(NO_KERNEL);
        command.arg(&other);
        command
    };
    let _daemon = Daemon::start_by(&sealed, by_other());
    finish(by_other().args(["keychain", "unlock"])).ok();
    let said =
        ["the identity may still be held: the daemon refuses", "run `ringlet daemon stop`, which wipes what it holds"];
    refused(&sealed, &["keychain", "lock"]).fails(1, &said);
    let hint =
        "run `ringlet daemon stop` and `ringlet daemon start`, then `ringlet keychain unlock encrypted-file` again";
    refused(&sealed, &["keychain", "unlock"]).fails(1, &["and the daemon refuses; it may be of another version", hint]);
    finish(by_other().args(["keychain", "lock"])).ok();
}

#[test]
fn a_home_that_a_link_leads_to_is_the_same_one() {
    let (world, _) = Sealed::by_identity();
    let _daemon = helped(&world);
    world.run(&["keychain", "unlock"]).ok();
    std::os::unix::fs::symlink(world.path("home"), world.path("link")).expect("linked");
    let done = finish(world.process(RINGLET).env("HOME", world.path("link")).args(["keychain", "lock"]));
    assert_eq!(done.stderr, "ringlet: the encrypted file is locked\n");
    world.store().fails(1, &["the encrypted file is locked"]);
}

#[test]
fn the_daemons_clients_get_keys_of_the_encrypted_file_while_it_is_unlocked() {
    let (sealed, _) = Sealed::by_identity();
    sealed.configure("[daemon]\nport = 0\n");
    let daemon = Daemon::start(&sealed);
    let state = || daemon.get("/v1/status").json()["keychain"]["state"].clone();
    assert_eq!(state(), "locked");
    sealed.run(&["keychain", "unlock"]).ok();
    assert_eq!(state(), "ready");
    sealed.store().ok();
    sealed.run(&["keychain", "lock"]).ok();
    assert_eq!(state(), "locked");
    assert_eq!(daemon.get("/v1/keys").json()["keys"], serde_json::json!(["anthropic/work"]));
}

#[test]
fn debians_age_reads_our_files_and_ours_reads_its() {
    let (world, own) = Sealed::by_identity();
    let _daemon = helped(&world);
    world.run(&["keychain", "unlock"]).ok();
    world.store().ok();
    let opened = world.identity(&own);
    let text = finish(world.process("age").arg("-d").arg("-i").arg(&opened).arg(world.at("credentials.age")));
    assert_eq!(text.ok(), format!("[anthropic.work]\nkey = \"{KEY}\"\n"));
    // A file of its own making, for the same identity.
    let recipient = finish(world.process("age-keygen").arg("-y").arg(&opened)).ok();
    let script = format!(
        "umask 077; printf '# by hand\\n[anthropic.work]\\nkey = \"{KEY}-2\"\\n' | age -r {} -o credentials.age",
        recipient.trim()
    );
    finish(world.process("sh").args(["-c", &script]).current_dir(world.path(CONFIG))).ok();
    assert_eq!(world.launch().ok(), format!("{KEY}-2"));
    world.run(&["keychain", "list"]).ok();
    fs::remove_file(world.path("home/.local/state/ringlet/encrypted-names")).expect("removed");
    world.run(&["keychain", "list"]).ok();
    assert_eq!(world.read("home/.local/state/ringlet/encrypted-names"), "anthropic/work\n");
    world.feed(&["keychain", "set", "openai", "x", "--stdin"], "sk-proj-other").ok();
    let text = finish(world.process("age").arg("-d").arg("-i").arg(&opened).arg(world.at("credentials.age"))).ok();
    assert!(text.starts_with("# by hand\n[anthropic.work]\n") && text.contains("[openai.x]"), "{text}");
}

#[test]
fn an_identity_that_age_has_sealed_by_a_passphrase_is_opened_and_ours_by_age() {
    let world = Sealed::new("");
    let _daemon = helped(&world);
    let made = world.path("made.txt");
    age_keygen(&made);
    let mut command = world.process("sh");
    command.args(["-c", "umask 077; age -p -o identity.age ../../../made.txt"]).current_dir(world.path(CONFIG));
    let mut terminal = Terminal::start(command);
    terminal.expect("Enter passphrase");
    terminal.send(PASSPHRASE);
    terminal.expect("Confirm passphrase");
    terminal.send(PASSPHRASE);
    assert!(terminal.end().0.success());
    let mut terminal = world.on_terminal(&["keychain", "unlock"]);
    terminal.expect("(it is not shown): ");
    terminal.send(PASSPHRASE);
    terminal.expect("the encrypted file is unlocked for 8h");
    assert!(terminal.end().0.success());
    world.store().ok();
    let text = finish(world.process("age").arg("-d").arg("-i").arg(&made).arg(world.at("credentials.age")));
    assert_eq!(text.ok(), format!("[anthropic.work]\nkey = \"{KEY}\"\n"));
    world.run(&["keychain", "lock"]).ok();
    // The other way: an identity of ours.
    fs::remove_file(world.at("identity.age")).expect("removed");
    fs::remove_file(world.at("credentials.age")).expect("removed");
    let mut terminal = world.on_terminal(&["keychain", "unlock"]);
    for question in ["new passphrase (it is not shown): ", "again: "] {
        terminal.expect(question);
        terminal.send(PASSPHRASE);
    }
    terminal.expect("unlocked");
    assert!(terminal.end().0.success());
    let mut command = world.process("age");
    command.args(["-d", "-o"]).arg(world.path("ours.txt")).arg(world.at("identity.age"));
    let mut terminal = Terminal::start(command);
    terminal.expect("Enter passphrase");
    terminal.send(PASSPHRASE);
    assert!(terminal.end().0.success());
    let text = world.read("ours.txt");
    assert!(text.starts_with("# public key: age1") && text.contains("\nAGE-SECRET-KEY-1"), "its form is age-keygen's");
}

#[test]
fn files_that_are_cut_off_changed_or_for_others_are_refused_and_stay_as_they_are() {
    let (world, own) = Sealed::by_identity();
    let _daemon = helped(&world);
    world.run(&["keychain", "unlock"]).ok();
    world.store().ok();
    let whole = fs::read(world.at("credentials.age")).expect("there");
    let mut changed = whole.clone();
    let code = memchr::memmem::find(&whole, b"--- ").expect("the header's end") + 4;
    changed[code] = if changed[code] == b'A' { b'B' } else { b'A' };
    let mut turned = whole.clone();
    *turned.last_mut().expect("not empty") ^= 1;
    let mut theirs = world.process("age");
    let recipient = age_keygen(&world.path("theirs.txt"));
    let theirs = theirs.args(["-r", &recipient]).arg(world.path("theirs.txt")).output().expect("age").stdout;
    for (bytes, says) in [
        (&whole[..whole.len() - 1], "is cut off, or was changed"),
        (&whole[..40], "is no age file, or is cut off"),
        (&b""[..], "is no age file, or is cut off"),
        (&changed, "was changed: the code in its header that protects it is wrong"),
        (&turned, "is cut off, or was changed"),
        (&theirs, "is encrypted for another identity"),
    ] {
        world.put("credentials.age", bytes);
        let done = world.launch().fails(125, &["credentials.age: ", says]);
        assert!(done.stdout.is_empty() && !done.stderr.contains("TEST"), "{done:?}");
        world.store().fails(1, &[says]);
        world.run(&["keychain", "list"]).fails(1, &[says]);
        assert_eq!(fs::read(world.at("credentials.age")).expect("there"), bytes);
    }
    world.put("credentials.age", &whole);
    assert_eq!(world.launch().ok(), KEY);
    world.chmod(&world.at("credentials.age"), 0o644);
    world.launch().fails(125, &["is open to others than its owner", "it must be 0600", "chmod 600"]);
    world.chmod(&world.at("credentials.age"), 0o600);
    world.run(&["keychain", "lock"]).ok();
    // The identity itself.
    world.chmod(&world.at("identity.age"), 0o640);
    world.run(&["keychain", "unlock"]).fails(1, &["identity.age: is open to others than its owner"]);
    world.chmod(&world.at("identity.age"), 0o600);
    age_keygen(&world.path("another.txt"));
    fs::copy(world.path("another.txt"), &own).expect("copied");
    world.run(&["keychain", "unlock"]).fails(
        1,
        &["identity.age was not opened: none of the identities that the settings name is one of its recipients"],
    );
    world.write("home/own.txt", "# nothing\nAGE-SECRET-KEY-1CANARY\n");
    let done = world.run(&["keychain", "unlock"]).fails(1, &["identity file contains non-identity data on line 2"]);
    assert!(!done.stderr.contains("CANARY"), "{done:?}");
    fs::remove_file(&own).expect("removed");
    world.run(&["keychain", "unlock"]).fails(1, &["own.txt, which the settings name, does not exist"]);
    world.write(format!("{CONFIG}/config.toml"), "[credentials]\nbackend = \"encrypted-file\"\n");
    world.run(&["keychain", "unlock"]).fails(1, &["is opened by no passphrase", "ringlet config edit"]);
    fs::remove_file(world.at("identity.age")).expect("removed");
    world.run(&["keychain", "unlock"]).fails(1, &["identity.age does not exist", "cannot be opened without it"]);
}

#[test]
fn one_key_may_be_in_the_encrypted_file_and_the_others_elsewhere() {
    let (world, _) = Sealed::by_identity();
    let _daemon = helped(&world);
    world.write(
        format!("{CONFIG}/config.toml"),
        "[credentials]\nbackend = \"file\"\nidentity = \"~/own.txt\"\nunlock-for = \"90m\"\n[daemon]\nport = 0\n\
         [store-for.anthropic]\nstore = \"encrypted-file\"\n",
    );
    let done = world.run(&["keychain", "unlock", "encrypted-file"]);
    assert!(done.stderr.contains("unlocked for 1h30m"), "{done:?}");
    world.store().ok();
    world.feed(&["keychain", "set", "openai", "x", "--stdin"], "sk-proj-other").ok();
    assert!(world.read(format!("{CONFIG}/credentials.toml")).contains("[openai.x]"));
    assert!(!world.read(format!("{CONFIG}/credentials.toml")).contains("anthropic"));
    assert_eq!(world.launch().ok(), KEY);
    world.run(&["keychain", "lock"]).ok();
    let listed = world.run(&["keychain", "list"]).ok();
    assert_eq!(listed, "anthropic/work  ~/.config/ringlet/credentials.age\nopenai/x\n");
    world.launch().fails(125, &["the encrypted file is locked"]);
    for (line, says) in [
        ("unlock-for = \"5s\"", "`unlock-for` is from 60s to 7d"),
        ("unlock-for = \"8d\"", "`unlock-for` is from 60s to 7d"),
        ("unlock-for = \"long\"", "a length of time is a number and a unit"),
        ("identity = \"own.txt\"", "is not an absolute path or one below `~/`"),
    ] {
        world.write(format!("{CONFIG}/config.toml"), format!("[credentials]\n{line}\n"));
        world.run(&["keychain", "list"]).fails(1, &["config.toml:2:", says]);
    }
}

#[test]
fn an_identity_is_never_shown() {
    let (world, own) = Sealed::by_identity();
    let mut command = world.process(RINGLET);
    command.arg("open-identity").arg(world.at("identity.age")).arg(&own);
    let mut terminal = Terminal::start(command);
    terminal.expect("an identity is never shown");
    let (status, rest) = terminal.end();
    assert!(status.code() == Some(2) && !rest.contains("AGE-SECRET"), "{rest}");
}
