//! Bad input from every source: a clear error, nothing lost, no panic.

use crate::common::world::{Done, KEY, RINGLET, World, fifo, finish};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// One configuration file, a command that reads it, and that command's status when the file is bad.
struct Case {
    file: &'static str,
    command: &'static [&'static str],
    status: i32,
    good: &'static str,
}

const CONFIG: Case = Case {
    file: "home/.config/ringlet/config.toml",
    command: &["keychain", "list"],
    status: 1,
    good: "[credentials]\nbackend = \"file\"\n",
};
const PROFILE: Case = Case {
    file: "home/.ringlet/profiles/work/ringlet.toml",
    command: &["exec", "claude"],
    status: 125,
    good: "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n",
};
const PROJECT: Case = Case {
    file: "home/project/.ringlet.toml",
    command: &["exec", "claude"],
    status: 125,
    good: "profile = \"work\"\n",
};
const CREDENTIALS: Case = Case {
    file: "home/.config/ringlet/credentials.toml",
    command: &["exec", "claude"],
    status: 125,
    good: "[anthropic.work]\nkey = \"sk-ant-api03-TESTTESTTESTTESTTESTTESTTEST\"\n",
};
const AGENT: Case = Case {
    file: "home/.config/ringlet/agents/claude.toml",
    command: &["exec", "claude"],
    status: 125,
    good: "title = \"M\"\ncommand = \"claude\"\nprovider = \"anthropic\"\n\
           [[api]]\nprotocol = \"anthropic\"\nkey = \"ANTHROPIC_API_KEY\"\nbase-url = \"ANTHROPIC_BASE_URL\"\n",
};
const ALL: [Case; 5] = [CONFIG, PROFILE, PROJECT, CREDENTIALS, AGENT];

impl Case {
    /// A world in which only this file is not there yet.
    fn world(&self) -> (World, PathBuf) {
        let world = World::ready();
        let path = self.write(&world, self.good.as_bytes());
        world.run(self.command).ok();
        fs::remove_file(&path).expect("removed");
        (world, path)
    }

    fn write(&self, world: &World, bytes: &[u8]) -> PathBuf {
        let path = world.write(self.file, bytes);
        if self.file.ends_with("credentials.toml") {
            world.chmod(&path, 0o600);
        }
        path
    }

    fn refused(&self, world: &World, says: &str) -> Done {
        let done = world.run(self.command);
        assert_eq!(done.stdout, "", "{}: {done:?}", self.file);
        let name = world.path(self.file).display().to_string();
        done.fails(self.status, &[&name, says, "ringlet: error: "])
    }
}

#[test]
fn what_is_no_file_is_refused_by_its_kind_and_does_not_hang() {
    for case in &ALL {
        let (world, path) = case.world();
        fs::create_dir(&path).expect("a folder");
        case.refused(&world, "a directory");
        fs::remove_dir(&path).expect("removed");
        fifo(&path);
        case.refused(&world, "a FIFO");
        fs::remove_file(&path).expect("removed");
        symlink("/dev/zero", &path).expect("linked");
        case.refused(&world, "a device");
        fs::remove_file(&path).expect("removed");
        symlink("nowhere", &path).expect("linked");
        case.refused(&world, "symlink to nothing");
        fs::remove_file(&path).expect("removed");
        symlink(path.file_name().expect("a name"), &path).expect("linked");
        case.refused(&world, "symbolic links");
        fs::remove_file(&path).expect("removed");
        let socket = std::os::unix::net::UnixListener::bind(&path);
        if socket.is_ok() {
            // A path may be too long for a socket's address; then there is none.
            case.refused(&world, "");
            fs::remove_file(&path).expect("removed");
        }
        case.write(&world, case.good.as_bytes());
        world.run(case.command).ok();
    }
}

#[test]
fn what_is_not_text_of_a_sane_size_is_refused() {
    for case in &ALL {
        let (world, _) = case.world();
        // The trust record binds the bytes; for the project's file it is `allow` that must refuse them.
        let refused = |bytes: &[u8], says: &str| {
            let path = case.write(&world, bytes);
            if case.file == PROJECT.file {
                let name = path.display().to_string();
                world.run(&["allow"]).fails(1, &[&name, says]);
            } else {
                case.refused(&world, says);
            }
            assert_eq!(fs::read(&path).expect("readable"), bytes, "{}", case.file);
        };
        let large = "# 23456789\n".repeat(1 << 20);
        if case.file != CREDENTIALS.file {
            refused(large.as_bytes(), "it is larger than 1048576 bytes");
        }
        refused(b"a = \"\0\"\n", ":1");
        refused(b"\0\0\0\0", ":1");
        refused(b"# caf\xe9\n", "not UTF-8 from here on");
        refused(b"\n\n# \xff\n", ":3");
        refused(b"= = =\n", ":1");
        refused(b"[unclosed\n", ":1");
        refused(b"unknown-key = \"sk-ant-canary\"\n", ":1");
        refused(b"\xef\xbb\xbf\xef\xbb\xbf\n", "");
        // What nests deeply must not use up the stack.
        refused(format!("a = {}\n", "[".repeat(100_000)).as_bytes(), "");
        refused(format!("{} = 1\n", "a.".repeat(100_000) + "a").as_bytes(), "");
    }
    // Ten thousand keys are no reason to refuse, forty megabytes are.
    let (world, _) = CREDENTIALS.world();
    CREDENTIALS.write(&world, "# 23456789\n".repeat(4 << 20).as_bytes());
    CREDENTIALS.refused(&world, "larger than");
    let many: String = (0..10_000).map(|at| format!("[p{at}.a]\nkey = \"k{at}\"\n")).collect();
    CREDENTIALS.write(&world, (many + CREDENTIALS.good).as_bytes());
    assert!(world.run(&["exec", "claude"]).ok().contains(KEY));
}

#[test]
fn wrong_types_in_the_settings_are_named_by_line_and_column() {
    let world = World::ready();
    for (text, place, says) in [
        ("[credentials]\nbackend = \"sytem\"\n", "2:11", "did you mean `system`?"),
        ("[credentials]\nbackend = 1\n", "2:11", "string"),
        ("[credentails]\n", "1:2", "did you mean `credentials`?"),
        ("[audit]\nenabled = \"yes\"\n", "2:11", "boolean"),
        ("[audit]\nmax-bytes = -1\n", "2:13", ""),
        ("[audit]\nmax-bytes = 1\n", "2:13", "too small"),
        ("[audit]\npath = \"relative\"\n", "2:8", "not an absolute path"),
        ("[trust]\nallow-under = \"~/work\"\n", "2:15", "sequence"),
        ("[hook]\nagents = [\"claude\", \"a b\"]\n", "2:21", "a space"),
        ("default-profile = \"a/b\"\n", "1:19", "'/'"),
        ("[credentials]\ntimeout = nan\n", "2:11", "in seconds"),
        ("[credentials]\ntimeout = 1e9\n", "2:11", "in seconds"),
        ("credentials = 1\n", "1:15", ""),
    ] {
        let file = world.write(CONFIG.file, text);
        let place = format!("{}:{place}: ", file.display());
        for (command, status) in [
            (&["exec", "claude"][..], 125),
            (&["status"], 1),
            (&["hook", "bash"], 1),
            (&["profiles", "default", "work"], 1),
        ] {
            world.run(command).fails(status, &[&place, says]);
        }
        assert_eq!(world.read(CONFIG.file), text);
    }
}

#[test]
fn unreadable_files_are_named() {
    // Root reads what it likes, so for root this shows only that nothing breaks.
    let root = rustix::process::geteuid().is_root();
    for case in &ALL {
        let (world, path) = case.world();
        case.write(&world, case.good.as_bytes());
        world.chmod(&path, 0o000);
        if root {
            world.run(case.command).ok();
        } else {
            case.refused(&world, "Permission denied");
        }
    }
}

#[test]
fn a_home_that_is_relative_or_no_folder_is_an_error() {
    let commands: [(&[&str], i32); 8] = [
        (&["exec", "claude"], 125),
        (&["keychain", "list"], 1),
        (&["keychain", "set", "anthropic", "work", "--stdin"], 1),
        (&["profiles", "create", "x", "--agent", "claude"], 1),
        (&["allow"], 1),
        (&["status"], 1),
        (&["hook", "zsh"], 1),
        (&["agents", "list"], 1),
    ];
    let mut world = World::ready();
    for (home, says) in [
        ("home", &["HOME is \"home\", which is not an absolute path"][..]),
        ("./", &["not an absolute path"]),
        ("/dev/null/x", &["/dev/null/x/", "Not a directory"]),
    ] {
        world.set("HOME", home);
        for (command, status) in commands {
            let done = world.feed(command, KEY);
            assert_eq!(done.stdout, "", "{home:?} {command:?}");
            done.fails(status, says);
        }
        // `doctor` goes on after it, where there is a place to look at.
        let done = world.run(&["doctor"]);
        let said = [done.stdout.as_str(), done.stderr.as_str()].concat();
        assert!(done.status == Some(1) && says.iter().all(|word| said.contains(word)), "{home:?} {done:?}");
        // What reads nothing works.
        world.run(&["--version"]).ok();
        world.run(&["completions", "bash"]).ok();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_home_that_is_not_there_has_nothing_in_it_and_cannot_always_be_made() {
    let mut world = World::ready();
    // A file system on which not even root can make a folder.
    world.set("HOME", "/proc/ringlet");
    assert_eq!(world.run(&["profiles", "list"]).ok(), "");
    world.run(&["keychain", "list"]).ok();
    world
        .feed(&["keychain", "set", "anthropic", "work", "--stdin"], KEY)
        .fails(1, &["/proc/ringlet/.config/ringlet/credentials.toml: cannot be written"]);
    world.run(&["profiles", "create", "x", "--agent", "claude"]).fails(1, &["cannot be written"]);
    // No profile, no project: the agent starts as if ringlet were not there.
    let away = world.path("away");
    fs::create_dir(&away).expect("a folder");
    world.run_in(&away, &["exec", "claude"]).ok();
}

#[test]
fn on_a_full_disk_nothing_is_lost() {
    let world = World::ready();
    let kept = [
        "home/.config/ringlet/credentials.toml",
        "home/.config/ringlet/config.toml",
        "home/.ringlet/profiles/work/ringlet.toml",
        "home/project/.ringlet.toml",
    ];
    let before: Vec<String> = kept.iter().map(|file| world.read(file)).collect();
    // A limit on the size of files stands for the full disk: it bites root, too, and needs no mount.
    for command in [
        "printf %s sk-new | ringlet keychain set anthropic work --stdin --replace",
        "ringlet keychain rename anthropic work new",
        "ringlet profiles edit work model=new",
        "ringlet profiles default work",
        "ringlet profiles create x --agent claude",
        "rm .ringlet.toml; ringlet init work",
    ] {
        let done = world.sh(&format!("trap '' XFSZ; ulimit -f 0; {command}"));
        done.fails(1, &["ringlet: error: ", "File too large"]);
        if command.contains("init") {
            assert!(!world.path("home/project/.ringlet.toml").exists(), "no empty file is left");
            world.write("home/project/.ringlet.toml", &before[3]);
        }
        let after: Vec<String> = kept.iter().map(|file| world.read(file)).collect();
        assert_eq!(after, before, "{command}");
        let stray = fs::read_dir(world.path("home/.config/ringlet"))
            .expect("a folder")
            .filter(|entry| entry.as_ref().expect("readable").file_name().to_string_lossy().starts_with(".ringlet-"));
        assert_eq!(stray.count(), 0, "{command}");
    }
    world.sh("trap '' XFSZ; ulimit -f 0; ringlet deny; ringlet allow").fails(1, &["the trust record "]);
    world.run(&["exec", "claude"]).ok();
}

#[test]
fn a_deleted_working_directory_is_said() {
    let world = World::ready();
    let gone = |command: &str| world.sh(&format!("mkdir gone && cd gone && rmdir ../gone && {command}"));
    gone("ringlet exec claude").fails(125, &["the working directory no longer exists", "run `cd`"]);
    for command in ["allow", "deny", "status", "init work"] {
        gone(&format!("ringlet {command}")).fails(1, &["the working directory no longer exists"]);
    }
    for command in [
        "keychain list",
        "profiles list",
        "hook zsh",
        "announce",
        "audit verify || true",
        "doctor || true",
        "--audit-log=x keychain list",
    ] {
        gone(&format!("ringlet {command}")).ok();
    }
    gone("printf k | ringlet --audit-log=relative keychain set openai x --stdin --replace").fails(1, &["relative"]);
}

#[test]
fn a_closed_pipe_ends_the_output_silently() {
    let world = World::ready();
    for arguments in [
        &["providers", "list"][..],
        &["--help"],
        &["hook", "bash"],
        &["completions", "bash"],
        &["providers", "list", "--json"],
        &["status"],
    ] {
        let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
        drop(reader);
        let output = world.process(RINGLET).args(arguments).stdout(Stdio::from(writer)).output().expect("starts");
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]), "{arguments:?}: {output:?}");
    }
    // Nobody to tell: still no panic, and the status tells.
    let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
    drop(reader);
    let status = world.process(RINGLET).args(["exec", "gemini"]).stderr(Stdio::from(writer)).status().expect("starts");
    assert_eq!(status.code(), Some(127));
    world.sh("ringlet providers list >&-").ok();
    world.sh("ringlet exec gemini 2>&-").fails(127, &[]);
    world.sh("ringlet keychain set openai x --stdin <&-").fails(1, &["ringlet: error: "]);
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let world = World::ready();
    for arguments in [
        &["providers", "list"][..],
        &["hook", "zsh"],
        &["--help"],
        &["--version"],
        &["agents", "list", "--json"],
        &["exec", "--dry-run", "claude"],
    ] {
        let full = fs::File::options().write(true).open("/dev/full").expect("the device");
        let output = world.process(RINGLET).args(arguments).stdout(full).output().expect("starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("ringlet: error: the output cannot be written: No space left on device"), "{said}");
    }
}

#[test]
fn colours_are_for_terminals_unless_asked_for() {
    let mut world = World::ready();
    let painted = |world: &World, arguments: &[&str]| {
        let done = world.run(arguments);
        done.stdout.contains('\x1b') || done.stderr.contains('\x1b')
    };
    world.set("TERM", "xterm");
    for (arguments, color) in [
        (&["status"][..], false),
        (&["status", "--color", "always"], true),
        (&["status", "--color=never"], false),
        (&["--color=always", "--help"], true),
        (&["--color=always", "nonsense"], true),
    ] {
        assert_eq!(painted(&world, arguments), color, "{arguments:?}");
    }
    // On a terminal, with and without the user's wish.
    let on_terminal = |world: &World, arguments: &[&str]| {
        let mut command = world.process(RINGLET);
        command.args(arguments);
        crate::common::pty::Terminal::start(command).end().1.contains('\x1b')
    };
    assert!(
        on_terminal(&world, &["status"])
            && on_terminal(&world, &["--help"])
            && on_terminal(&world, &["profiles", "inspect", "gone"])
    );
    assert!(
        !on_terminal(&world, &["status", "--color", "never"]) && !on_terminal(&world, &["--help", "--color", "never"])
    );
    world.set("NO_COLOR", "1");
    assert!(!on_terminal(&world, &["status"]) && !on_terminal(&world, &["--help"]));
    assert!(painted(&world, &["status", "--color", "always"]), "the command line is the newer wish");
    world.set("NO_COLOR", "");
    assert!(on_terminal(&world, &["status"]));
    world.set("TERM", "dumb");
    assert!(!on_terminal(&world, &["status"]));
    world.run(&["status", "--color", "sometimes"]).fails(2, &["sometimes"]);
}

#[test]
fn quiet_says_only_what_went_wrong() {
    let world = World::ready();
    for arguments in [
        &["-q", "allow"][..],
        &["profiles", "default", "work", "-q"],
        &["--quiet", "deny"],
        &["-q", "keychain", "list"],
        &["-q", "shims", "install", "codex"],
    ] {
        let done = world.run(arguments);
        assert_eq!(done.stderr, "", "{arguments:?}");
        done.ok();
    }
    world.run(&["-q", "exec", "claude"]).fails(125, &["denied"]);
    world.run(&["-q", "-v", "status"]).fails(2, &["cannot be used with"]);
}

#[test]
fn hostile_words_on_the_command_line_are_shown_and_not_obeyed() {
    let world = World::ready();
    for word in ["\x1b]0;title\x07", "\u{202e}evil", "a\nringlet: error: forged", "\u{9b}31m"] {
        for arguments in [
            &["exec", word][..],
            &[word],
            &["keychain", "list", word],
            &["profiles", "inspect", word],
            &["allow", word],
            &["exec", "--profile", word, "claude"],
            &["audit", "--since", word],
            &["completions", word],
            &["agents", word],
        ] {
            let done = world.run(arguments);
            let clean = |text: &str| {
                !text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}')
                    && !text.contains("\nringlet: error: forged")
            };
            assert!(clean(&done.stdout) && clean(&done.stderr) && !done.stderr.contains("panicked"), "{done:?}");
        }
    }
    // Not every argument is UTF-8.
    let bad = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"a\xffb");
    for arguments in [&["exec"][..], &["allow"], &["keychain", "list"], &["profiles", "inspect"], &[]] {
        let done = finish(world.process(RINGLET).args(arguments).arg(bad));
        assert!(done.status != Some(0) && !done.stderr.contains("panicked"), "{done:?}");
    }
    let done = finish(world.process(RINGLET).args(["exec", "claude", "--"]).arg(bad));
    assert_eq!(done.status, Some(0));
}

#[test]
fn a_folder_where_profiles_or_definitions_belong_may_hold_anything() {
    let world = World::ready();
    let profiles = world.path("home/.ringlet/profiles");
    fs::create_dir(profiles.join("empty")).expect("a folder");
    fs::create_dir(profiles.join("Not A Name")).expect("a folder");
    fs::write(profiles.join("file"), "").expect("written");
    symlink("nowhere", profiles.join("dangling")).expect("linked");
    assert_eq!(world.run(&["profiles", "list"]).ok().lines().count(), 2);
    fs::remove_dir_all(&profiles).expect("removed");
    fs::write(&profiles, "a file").expect("written");
    let done = world.run(&["profiles", "list"]).fails(1, &["profiles cannot be listed"]);
    assert_eq!(done.stdout, "");
    // The hook must not keep a shell from starting.
    world.run(&["hook", "bash"]).ok();
    fs::remove_file(&profiles).expect("removed");
    let definitions = world.path("home/.config/ringlet/agents");
    fs::write(&definitions, "a file").expect("written");
    world.run(&["agents", "list"]).fails(1, &["agents cannot be listed"]);
}

#[test]
fn names_of_every_bad_kind_are_refused_by_every_command() {
    let world = World::ready();
    let before = tree(&world.path("home"));
    let long = "a".repeat(65);
    for bad in [
        "",
        "..",
        "a/b",
        "A",
        "a b",
        "a\u{7f}",
        "a\tb",
        "\u{430}bc",
        "\u{ff41}",
        "a\u{200b}",
        "*",
        "~",
        "$(touch x)",
        &long,
    ] {
        for arguments in [
            &["profiles", "inspect", "--", bad][..],
            &["profiles", "edit", "--", bad],
            &["profiles", "remove", "--", bad],
            &["profiles", "default", "--", bad],
            &["init", "--", bad],
            &["shims", "install", "--", bad],
        ] {
            world.run(arguments).fails(2, &["ringlet: error: "]);
        }
        world.run(&["profiles", "run", bad]).fails(125, &["profile"]);
        world.run(&["exec", "--profile", bad, "claude"]).fails(125, &["profile"]);
    }
    assert_eq!(tree(&world.path("home")), before);
}

fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            all.extend(tree(&path));
        }
        all.push(path);
    }
    all.sort();
    all
}
