//! No key anywhere but in the agent: every command, stream, file, environment, argument vector and memory.
//!
//! Each test has a canary of its own, a key that exists nowhere else. Whatever is looked at must not hold eight bytes
//! of it in a row, nor its base64, its hexadecimal form, or its bytes backwards. A path and an agent's own arguments are
//! repeated as they were typed; everything else that a person may paste a key into is tried.

use crate::common::keyring::{Keyring, State};
use crate::common::pty::Terminal;
use crate::common::world::{RINGLET, World, finish};
use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How long a piece of the canary may be without being a leak.
const WINDOW: usize = 8;

/// A key that exists in one test and nowhere else.
struct Canary {
    key: String,
    windows: HashSet<[u8; WINDOW]>,
    /// Twice as long, since half as many of anyone's hexadecimal digits would match by chance.
    hex: HashSet<[u8; 2 * WINDOW]>,
}

impl Canary {
    fn new() -> Self {
        // What a key of Anthropic's ends in, without the beginning that all of them share.
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
        let state = RandomState::new();
        let digits = (0..8u8).flat_map(|part| state.hash_one(part).to_le_bytes());
        // An upper-case letter somewhere, as in every real key; a word in lower case could be somebody's alias.
        let body: Vec<u8> =
            std::iter::once(b'Q').chain(digits.map(|digit| ALPHABET[usize::from(digit) % 64])).collect();
        let backwards: Vec<u8> = body.iter().rev().copied().collect();
        let key = format!("sk-ant-api03-{}", std::str::from_utf8(&body).expect("ASCII"));
        let mut texts = vec![body.clone(), backwards];
        // Three ways for three bytes to begin at, and the two alphabets.
        for skipped in 0..3 {
            let plain = base64(&body[skipped..]);
            texts.push(
                plain
                    .iter()
                    .map(|c| match c {
                        b'+' => b'-',
                        b'/' => b'_',
                        c => *c,
                    })
                    .collect(),
            );
            texts.push(plain);
        }
        let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        let windows =
            texts.iter().flat_map(|text| text.windows(WINDOW)).map(|it| it.try_into().expect("a window")).collect();
        let both = [hex.to_uppercase(), hex];
        let hex = both.iter().flat_map(|text| text.as_bytes().windows(2 * WINDOW));
        Self { key, windows, hex: hex.map(|it| it.try_into().expect("a window")).collect() }
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        bytes.windows(WINDOW).any(|window| self.windows.contains(window))
            || bytes.windows(2 * WINDOW).any(|window| self.hex.contains(window))
    }

    #[track_caller]
    fn assert_not_in(&self, bytes: &[u8], what: &str) {
        assert!(!self.is_in(bytes), "{what} holds the key {}:\n{}", self.key, String::from_utf8_lossy(bytes));
    }

    /// Looks at every file below a folder, its name, and where a link leads; not below the exceptions.
    #[track_caller]
    fn assert_not_below(&self, folder: &Path, except: &[PathBuf]) {
        let mut waiting = vec![folder.to_owned()];
        while let Some(path) = waiting.pop() {
            if except.iter().any(|allowed| path.starts_with(allowed)) {
                continue;
            }
            self.assert_not_in(path.as_os_str().as_bytes(), "the name of a file");
            let meta = path.symlink_metadata().expect("there");
            if meta.is_dir() {
                waiting.extend(fs::read_dir(&path).expect("listed").map(|entry| entry.expect("an entry").path()));
            } else if meta.is_symlink() {
                self.assert_not_in(fs::read_link(&path).expect("a link").as_os_str().as_bytes(), "a link");
            } else if meta.is_file() {
                self.assert_not_in(&fs::read(&path).expect("readable"), &path.display().to_string());
            }
        }
    }
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks_exact(3)
        .flat_map(|three| {
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift) as usize & 63])
        })
        .collect()
}

/// Every command, as it is used and misused; `CANARY` stands for the canary, and what follows ` < ` is standard input,
/// where `\n` is a newline. They run in this order, and each list can run again behind itself.
const CASES: &[&str] = &[
    "keychain set anthropic typed --stdin --replace < CANARY",
    "keychain set anthropic typed --stdin < CANARY",
    "keychain set anthropic typed --from-env PASTED --replace",
    "keychain set openai wrong --stdin --replace < CANARY",
    "keychain set opneai wrong --stdin --replace < CANARY",
    "keychain set anthropic lines --stdin < CANARY\\nCANARY",
    "keychain set anthropic control --stdin < CANARY\\x1b",
    "keychain set anthropic text --stdin < CANARY\\xff",
    "keychain set anthropic long --stdin < LONG",
    "keychain set anthropic asked < CANARY",
    "keychain set anthropic CANARY",
    "keychain set CANARY work",
    "keychain set CANARY",
    "keychain set anthropic work CANARY",
    "keychain set anthropic work --stdin CANARY",
    "keychain set anthropic work --from-env CANARY",
    "keychain set anthropic work --from-env=CANARY",
    "keychain set anthropic work --key CANARY",
    "keychain set anthropic work --key=CANARY",
    "keychain set anthropic work --CANARY",
    "keychain set anthropic/CANARY",
    "keychain list",
    "keychain list anthropic/",
    "keychain list CANARY",
    "keychain list a CANARY",
    "keychain rename anthropic typed other --replace",
    "keychain rename anthropic typed CANARY",
    "keychain rename anthropic other typed",
    "keychain rename anthropic other work",
    "keychain remove anthropic typed",
    "keychain remove anthropic CANARY",
    "keychain remove CANARY work",
    "keychain unlock",
    "keychain CANARY",
    "profiles create made --agent claude --provider anthropic --key-alias work",
    "profiles create CANARY --agent claude",
    "profiles create other --agent CANARY",
    "profiles create other --agent claude --provider CANARY",
    "profiles create other --agent claude --key-alias CANARY",
    "profiles create other --agent claude --endpoint CANARY",
    "profiles create other --agent claude --endpoint https://CANARY@host/",
    "profiles create other --agent claude --config-dir CANARY",
    "profiles list",
    "profiles inspect work",
    "profiles inspect CANARY",
    "profiles edit work model=m",
    "profiles edit work CANARY",
    "profiles edit work CANARY=x",
    "profiles edit work provider-config.key-alias=CANARY",
    "profiles edit work endpoint=CANARY",
    "profiles edit work provider.CANARY=x",
    "profiles edit work",
    "profiles edit CANARY",
    "profiles default work",
    "profiles default CANARY",
    "profiles default --unset",
    "profiles run work",
    "profiles run work --agent claude -- CANARY",
    "profiles run work --dry-run",
    "profiles run CANARY",
    "profiles run work --agent CANARY",
    "profiles remove made",
    "profiles remove CANARY",
    "allow",
    "exec claude",
    "exec claude -- CANARY",
    "exec --profile work claude",
    "exec --dry-run claude",
    "exec --profile CANARY claude",
    "exec --profile=CANARY",
    "exec CANARY",
    "exec claude CANARY",
    "status",
    "status claude",
    "status CANARY",
    "deny",
    "exec claude",
    "allow .ringlet.toml",
    "doctor",
    "doctor CANARY",
    "init work",
    "init CANARY",
    "audit",
    "audit --since 7d --alias anthropic/work --agent claude",
    "audit --alias CANARY",
    "audit --alias anthropic/CANARY",
    "audit --agent CANARY",
    "audit --since CANARY",
    "audit CANARY",
    "audit verify",
    "agents list",
    "agents list CANARY",
    "providers list",
    "providers CANARY",
    "shims install claude",
    "shims install CANARY",
    "shims remove claude",
    "shims remove CANARY",
    "hook bash",
    "hook zsh",
    "hook fish",
    "hook powershell",
    "hook CANARY",
    "completions bash",
    "completions zsh",
    "completions fish",
    "completions powershell",
    "completions CANARY",
    "notice",
    "notice CANARY",
    "CANARY",
    "--CANARY",
    "--color CANARY status",
    "--color=CANARY status",
    "--help",
    "--version",
];

/// How each command is run.
const LEVELS: &[&[&str]] = &[&[], &["-v"], &["-q"], &["--json"], &["--color=always", "--audit-log", "-v", "--json"]];

fn words(case: &str, canary: &Canary) -> (Vec<String>, Option<Vec<u8>>) {
    let (words, input) = case.split_once(" < ").map_or((case, None), |(words, input)| (words, Some(input)));
    let words = words.split(' ').map(|word| word.replace("CANARY", &canary.key)).collect();
    let input = input.map(|text| {
        let text = text.replace("LONG", &canary.key.repeat(40)).replace("CANARY", &canary.key).replace("\\n", "\n");
        let (text, rest) = text.split_once("\\x").map_or((text.as_str(), None), |(text, code)| (text, Some(code)));
        let mut bytes = text.as_bytes().to_vec();
        bytes.extend(rest.map(|code| u8::from_str_radix(code, 16).expect("two digits")));
        bytes
    });
    (words, input)
}

/// A world whose agent says nothing of what it got, whose temporary and runtime folders are its own, and whose
/// variable `PASTED` holds the canary, as in an rc file that was not yet cleaned.
fn prepare(mut world: World, canary: &Canary) -> World {
    world.program("claude", "#!/bin/sh\necho started\n");
    for (name, folder) in [("TMPDIR", "tmp"), ("XDG_RUNTIME_DIR", "run")] {
        let path = world.path(folder);
        fs::create_dir_all(&path).expect("a folder");
        if !world.env().iter().any(|(key, _)| key == name) {
            world.set(name, path);
        }
    }
    world.set("EDITOR", "true");
    world.set("RUST_BACKTRACE", "full");
    world.store_key("anthropic/work", &canary.key);
    world.profile("work", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n");
    world.allow("profile = \"work\"\n");
    world
}

#[track_caller]
fn run_all<'a>(
    world: &mut World,
    canary: &Canary,
    levels: &[&[&str]],
    cases: impl Iterator<Item = &'a &'a str> + Clone,
    mine: &[PathBuf],
) {
    world.set("PASTED", canary.key.as_str());
    let mut wrong = Vec::new();
    for level in levels {
        for case in cases.clone() {
            let (words, input) = words(case, canary);
            let mut command = world.command(level);
            command.args(&words).write_stdin(input.unwrap_or_default());
            let done = command.output().expect("ringlet starts");
            let said = String::from_utf8_lossy(&done.stderr);
            let ended = done.status.code().is_some() && !said.contains("panicked");
            if !ended || canary.is_in(&done.stdout) || canary.is_in(&done.stderr) {
                wrong.push(format!("ringlet {level:?} {case}:\n{}\n{said}", String::from_utf8_lossy(&done.stdout)));
            }
        }
    }
    world.unset("PASTED");
    assert!(wrong.is_empty(), "these tell the key {}, or did not end well:\n{}", canary.key, wrong.join("\n"));
    let mut except = mine.to_vec();
    except.push(world.path("home/.config/ringlet/credentials.toml"));
    canary.assert_not_below(&world.path(""), &except);
}

/// The commands of the tree that do something, as they are typed.
fn leaves(command: &clap::Command, path: &str, found: &mut BTreeSet<String>) {
    if !command.is_subcommand_required_set() && !path.is_empty() {
        found.insert(path.to_owned());
    }
    for sub in command.get_subcommands() {
        leaves(sub, format!("{path} {}", sub.get_name()).trim(), found);
    }
}

#[test]
fn every_command_is_among_the_cases() {
    let mut found = BTreeSet::new();
    leaves(&ringlet::commands::complete_command(), "", &mut found);
    assert!(found.len() > 20, "{found:?}");
    for leaf in found {
        let is_tried = |case: &&str| **case == leaf || case.starts_with(&format!("{leaf} "));
        assert!(CASES.iter().any(|case| is_tried(&case)), "`ringlet {leaf}` has no case here");
    }
}

#[test]
fn no_command_tells_a_key_from_the_file_store() {
    let canary = Canary::new();
    let mut world = prepare(World::new(), &canary);
    run_all(&mut world, &canary, LEVELS, CASES.iter(), &[]);
    assert!(canary.is_in(&fs::read(world.path("home/.config/ringlet/credentials.toml")).expect("the store")));
}

#[test]
fn no_command_tells_a_key_from_a_real_keychain() {
    let canary = Canary::new();
    let mut keyring = Keyring::start(State::Unlocked);
    let mut world = prepare(World::on(&keyring), &canary);
    run_all(&mut world, &canary, LEVELS, CASES.iter(), &[]);
    keyring.lock();
    run_all(&mut world, &canary, &LEVELS[..1], CASES.iter(), &[]);
    // The keyring's own files are encrypted; the daemons' messages lie beside them.
    canary.assert_not_below(keyring.runtime_dir().parent().expect("the session's folder"), &[]);
}

/// What a person may have written where, `CANARY` being the canary.
const MISTAKES: &[(&str, &[&str])] = &[
    (
        "home/.config/ringlet/credentials.toml",
        &[
            "anthropic = \"CANARY\"\n",
            "CANARY",
            "CANARY = \"x\"\n",
            "[anthropic]\nwork = \"CANARY\"\n",
            "[anthropic.work]\nkey = [\"CANARY\"]\n",
            "[anthropic.work]\nkey = { CANARY = 1 }\n",
            "[anthropic.work]\nkey = CANARY\n",
            "[anthropic.work]\nkey = \"CANARY\n",
            "[anthropic.work]\nkey = \"CANARY\\q\"\n",
            "[anthropic.work]\nkey = \"CANARY\\n\"\n",
            "[anthropic.work]\nCANARY = \"x\"\n",
            "[anthropic.work]\nkey = \"CANARY\"\nkey = \"CANARY\"\n",
            "[anthropic.work]\nkey = \"CANARY\"\nnote = \"CANARY\"\n",
            "[anthropic.CANARY]\nkey = \"CANARY\"\n",
            "[CANARY.work]\nkey = \"CANARY\"\n",
            "[anthropic.work]\nkey = \"CANARY\"\n[anthropic.work]\nkey = \"CANARY\"\n",
        ],
    ),
    (
        "home/.config/ringlet/config.toml",
        &[
            "CANARY = 1\n",
            "CANARY",
            "CANARY.CANARY = \"CANARY\"\n",
            "default-profile = \"CANARY\"\n",
            "default-profile = CANARY\n",
            "ceiling-dirs = [\"CANARY\"]\n",
            "ceiling-dirs = \"CANARY\"\n",
            "[credentials]\nbackend = \"CANARY\"\n",
            "[credentials]\ntimeout = \"CANARY\"\n",
            "[credentials]\nbackend = \"file\"\nanthropic = \"CANARY\"\n",
            "[credentials]\nbackend = \"file\"\nCANARY = 1\n",
            "[credentials.CANARY]\n",
            "[hook]\nagents = [\"CANARY\"]\n",
            "[trust]\nallow-under = [\"CANARY\"]\n",
            "[audit]\npath = \"CANARY\"\n",
            "[audit]\nkeep = \"CANARY\"\n",
        ],
    ),
    (
        "home/.ringlet/profiles/work/ringlet.toml",
        &[
            "CANARY",
            "CANARY = \"x\"\n",
            "agent = \"CANARY\"\nprovider = \"anthropic\"\n",
            "agent = \"claude\"\nprovider = \"CANARY\"\n",
            "agent = \"claude\"\nprovider = CANARY\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\nkey = \"CANARY\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\nendpoint = \"CANARY\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\nendpoint = \"https://CANARY@api.anthropic.com\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\nendpoint = \"http://CANARY\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\nconfig-dir = \"CANARY\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\nargs = \"CANARY\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\nprovider-config = \"CANARY\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"CANARY\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey = \"CANARY\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nCANARY = \"work\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\n[env]\nANTHROPIC_API_KEY = \"CANARY\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n[env]\nOPENAI_API_KEY = \"CANARY\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\n[env]\n\"CANARY\" = \"x\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\n[env]\nX = [\"CANARY\"]\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\n[secrets]\nGITHUB_TOKEN = \"CANARY\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\n[secrets]\nGITHUB_TOKEN = \"github/CANARY\"\n",
            "agent = \"claude\"\nprovider = \"anthropic\"\n[secrets]\n\"CANARY\" = \"github/work\"\n",
            "provider = \"anthropic\"\n[agents.\"CANARY\"]\n",
            "provider = \"anthropic\"\n[agents.claude]\nkey-alias = \"CANARY\"\n",
            "provider = \"anthropic\"\n[agents]\nclaude = \"CANARY\"\n",
        ],
    ),
    (
        "home/project/.ringlet.toml",
        &[
            "CANARY",
            "CANARY = \"x\"\n",
            "profile = \"CANARY\"\n",
            "profile = CANARY\n",
            "profile = [\"CANARY\"]\n",
            "profile = \"work\"\nkey = \"CANARY\"\n",
            "profile = \"work\"\n[env]\nANTHROPIC_API_KEY = \"CANARY\"\n",
            "profile = \"work\"\n[agents]\n\"CANARY\" = \"work\"\n",
            "profile = \"work\"\n[agents]\nclaude = \"CANARY\"\n",
            "profile = \"work\"\nagents = \"CANARY\"\n",
        ],
    ),
    (
        "home/.config/ringlet/agents/own.toml",
        &[
            "CANARY",
            "title = \"CANARY\"\n",
            "CANARY = 1\n",
            "title = \"x\"\ncommand = [\"CANARY\"]\n",
            "title = \"x\"\ncommand = \"CANARY CANARY\"\n",
        ],
    ),
    (
        "home/.config/ringlet/providers/own.toml",
        &[
            "CANARY",
            "variable = \"CANARY\"\n",
            "title = \"x\"\nvariable = \"OWN_KEY\"\n[endpoints.default]\nchat = \"CANARY\"\n",
            "CANARY = 1\n",
        ],
    ),
    (
        "home/project/.claude/settings.json",
        &["CANARY", "{\"env\": {\"ANTHROPIC_API_KEY\": \"CANARY\"}}", "{\"apiKeyHelper\": \"echo CANARY\"}"],
    ),
];

/// One file of mistakes, each mistake in a world of its own.
fn mistakes_in(file: &str) {
    let (_, texts) = MISTAKES.iter().find(|(name, _)| *name == file).expect("listed");
    for text in texts.iter() {
        let canary = Canary::new();
        let mut world = prepare(World::new(), &canary);
        let written = world.write(file, text.replace("CANARY", &canary.key));
        world.chmod(&written, 0o600);
        // What the person has written is theirs, and so is a copy that an editor works on.
        let mine = if file.contains("profiles") { written.parent().expect("a folder").to_owned() } else { written };
        let well_formed = CASES.iter().filter(|case| !case.contains("CANARY") || case.contains(" < "));
        run_all(&mut world, &canary, &[&["-v"]], well_formed, &[mine]);
    }
}

macro_rules! mistakes {
    ($($name:ident $file:literal)*) => {
        $(#[test] fn $name() { mistakes_in($file); })*
        #[test]
        fn every_file_of_mistakes_is_tried() {
            assert_eq!([$($file),*].to_vec(), MISTAKES.iter().map(|(file, _)| *file).collect::<Vec<_>>());
        }
    };
}

mistakes! {
    a_key_in_a_misshapen_store_is_not_told "home/.config/ringlet/credentials.toml"
    a_key_in_the_settings_is_not_told "home/.config/ringlet/config.toml"
    a_key_in_a_profile_is_not_told "home/.ringlet/profiles/work/ringlet.toml"
    a_key_in_a_project_file_is_not_told "home/project/.ringlet.toml"
    a_key_in_an_agents_definition_is_not_told "home/.config/ringlet/agents/own.toml"
    a_key_in_a_providers_definition_is_not_told "home/.config/ringlet/providers/own.toml"
    a_key_in_a_guarded_file_is_not_told "home/project/.claude/settings.json"
}
