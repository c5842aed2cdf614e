//! No key is anywhere but in the agent: every command, stream, file, environment, argument vector and memory is searched.
//!
//! Each test has a canary of its own, a key that exists nowhere else. What is searched must not hold eight bytes of it in
//! a row, nor its base64 or hexadecimal form, nor its bytes backwards. Every word into which a person may paste a key is
//! tried, but for a path and an agent's own arguments, which are repeated as they were typed.

use crate::common::canary::Canary;
use crate::common::daemon::{self, Daemon, Third, register, register_this, served};
use crate::common::keyring::{Keyring, State};
use crate::common::pty::Terminal;
use crate::common::world::{RINGLET, World, finish};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Every command, as it is used and misused; `CANARY` stands for the canary, and what follows ` < ` is standard input,
/// where `\n` is a newline. They run in this order, and each list can run again behind itself.
const CASES: &[&str] = &[
    "keychain set anthropic typed --stdin --replace < CANARY",
    "keychain set anthropic typed --stdin < CANARY",
    "keychain set anthropic typed --from-env PASTED --replace",
    "keychain set claude-subscription typed --stdin --replace < CANARY",
    "keychain set anthropic token --stdin --replace < sk-ant-oat01-CANARY",
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
    "keychain list --long",
    "keychain set anthropic typed --stdin --replace --expires 90d < CANARY",
    "keychain set anthropic typed --expires CANARY",
    "keychain set anthropic typed --expires=CANARY",
    "keychain set anthropic typed --expires never",
    "keychain rotate anthropic typed --stdin --no-check < CANARY",
    "keychain rotate anthropic typed --from-env PASTED",
    "keychain rotate anthropic typed --from-env CANARY",
    "keychain rotate anthropic typed --stdin --no-check --expires CANARY < CANARY",
    "keychain rotate anthropic CANARY",
    "keychain rotate CANARY",
    "keychain copy anthropic typed --to system",
    "keychain copy anthropic typed --to CANARY",
    "keychain copy anthropic typed --to file --from CANARY",
    "keychain copy anthropic CANARY --to file",
    "keychain move anthropic typed --to system",
    "keychain move anthropic typed --to=CANARY",
    "keychain move CANARY --to file",
    "keychain export keys.age",
    "keychain export keys.age CANARY",
    "keychain export keys.age --recipient CANARY",
    "keychain import keys.age",
    "keychain import keys.age CANARY",
    "keychain import config.toml --identity CANARY",
    "keychain rename anthropic typed other --replace",
    "keychain rename anthropic typed CANARY",
    "keychain rename anthropic other typed",
    "keychain rename anthropic other work",
    "keychain remove anthropic typed",
    "keychain remove anthropic CANARY",
    "keychain remove CANARY work",
    "keychain unlock",
    "keychain unlock encrypted-file",
    "keychain unlock CANARY",
    "keychain lock",
    "keychain lock CANARY",
    "keychain unlock encrypted-file",
    "open-identity CANARY CANARY",
    "migrate --dry-run",
    "migrate --yes",
    "migrate --yes --allow-file",
    "migrate CANARY",
    "migrate --CANARY",
    "migrate undo",
    "migrate undo CANARY",
    "keychain CANARY",
    "keychain check",
    "keychain check CANARY",
    "profiles create made --agent claude --provider anthropic --key-alias work",
    "profiles create CANARY --agent claude",
    "profiles create other --agent CANARY",
    "profiles create other --agent claude --provider CANARY",
    "profiles create other --agent claude --key-alias CANARY",
    "profiles create other --agent claude --endpoint CANARY",
    "profiles create other --agent claude --endpoint https://CANARY@host/",
    "profiles create other --agent claude --config-dir CANARY",
    "profiles create other --agent claude --login --config-dir CANARY",
    "profiles create other --agent claude --login CANARY",
    "profiles create other --agent claude --no-key --endpoint CANARY",
    "profiles create other --agent claude --no-key --endpoint http://CANARY",
    "profiles create other --agent claude --no-key --allow-http --endpoint http://CANARY@gateway",
    "profiles list",
    "profiles inspect work",
    "profiles inspect CANARY",
    "profiles edit work model=m",
    "profiles edit work CANARY",
    "profiles edit work CANARY=x",
    "profiles edit work provider-config.key-alias=CANARY",
    "profiles edit work endpoint=CANARY",
    "profiles edit work provider.CANARY=x",
    "profiles edit work auth=CANARY",
    "profiles edit work delivery=CANARY",
    "profiles edit work provider-config.auth-header=CANARY",
    "profiles edit work allow-http=CANARY",
    "profiles edit work",
    "profiles edit CANARY",
    "login work",
    "login login",
    "login login -- CANARY",
    "login login --agent CANARY",
    "login login CANARY",
    "login CANARY",
    "exec --profile login claude",
    "exec --profile login --dry-run claude",
    "exec --profile none claude",
    "exec --profile none --dry-run claude",
    "profiles inspect login",
    "profiles inspect none",
    "profiles default work",
    "profiles default CANARY",
    "profiles default --unset",
    "profiles run work",
    "profiles run work --agent claude -- CANARY",
    "profiles run work --dry-run",
    "profiles run CANARY",
    "profiles run work --agent CANARY",
    "profiles edit work key-alias=CANARY",
    "init --yes",
    "init --yes --here",
    "init --CANARY",
    "completions bash --install",
    "completions CANARY",
    "man --install",
    "man CANARY",
    "help",
    "help trust",
    "help CANARY",
    "schema",
    "schema profile",
    "schema CANARY",
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
    "broker --of 1 < CANARY",
    "use work",
    "use CANARY",
    "use --default CANARY",
    "config get",
    "config get CANARY",
    "config set CANARY x",
    "config set audit.path CANARY",
    "config set credentials.backend CANARY",
    "config set credentials.identity CANARY",
    "config set credentials.unlock-for CANARY",
    "config path",
    "config edit",
    "run env",
    "run --profile work -- env",
    "run --profile CANARY env",
    "run --secret CANARY env",
    "run --secret CANARY=anthropic/work env",
    "run --secret A=CANARY env",
    "run --tool CANARY",
    "run CANARY",
    "run -- CANARY CANARY",
    "usage",
    "usage --since CANARY",
    "usage --by CANARY",
    "status claude",
    "status CANARY",
    "deny",
    "exec claude",
    "allow .ringlet.toml",
    "exec claude",
    "allow .claude/settings.json",
    "exec claude",
    "allow --all",
    "allow --all CANARY",
    "deny .claude/settings.json",
    "exec claude",
    "allow .claude/settings.json CANARY",
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
    "agents pin claude",
    "agents pin CANARY",
    "agents pin claude CANARY",
    "keychain set anthropic leased --stdin --replace < CANARY",
    "exec --profile leased claude",
    "lease grant anthropic/leased",
    "lease grant anthropic/leased --for 1h --agent claude --directory .",
    "lease grant anthropic/leased --for CANARY",
    "lease grant anthropic/leased --agent CANARY",
    "lease grant anthropic/leased --directory CANARY",
    "lease grant anthropic/work",
    "lease grant CANARY",
    "lease grant anthropic/CANARY",
    "lease list",
    "lease list CANARY",
    "exec --profile leased claude",
    "exec --profile leased --dry-run claude",
    "lease revoke anthropic/leased",
    "lease revoke anthropic/CANARY",
    "lease revoke CANARY",
    "lease revoke --all",
    "agents pin claude --remove",
    "daemon start CANARY",
    "daemon stop",
    "daemon stop CANARY",
    "daemon status",
    "daemon status CANARY",
    "daemon rotate-token",
    "daemon install CANARY",
    "daemon uninstall CANARY",
    "daemon register CANARY",
    "daemon register /bin/cat --read tool --search",
    "daemon register /bin/cat --read CANARY",
    "daemon register /bin/cat --write CANARY",
    "daemon register /bin/cat --interpreter CANARY",
    "daemon upgrade /bin/cat",
    "daemon upgrade CANARY",
    "daemon unregister CANARY",
    "daemon unregister /bin/cat",
    "daemon approve CANARY",
    "daemon list-pending",
    "daemon CANARY",
    "providers list",
    "providers CANARY",
    "shims install claude",
    "shims install CANARY",
    "shims remove claude",
    "shims remove CANARY",
    "hand-over /nonexistent/socket",
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
    "announce",
    "announce CANARY",
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
    world
        .profile("leased", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"leased\"\n");
    world.configure("[scope.\"anthropic/leased\"]\nagents = [\"claude\"]\npin = true\nlease = \"8h\"\n");
    world.allow("profile = \"work\"\n");
    world
}

/// A login whose token is the canary, and a profile that is to hide it.
fn add_login(world: &World, canary: &Canary) {
    world.write(
        "home/.claude-login/.credentials.json",
        format!("{{\"claudeAiOauth\":{{\"accessToken\":\"{}\"}}}}", canary.key),
    );
    let login = "agent = \"claude\"\nauth = \"login\"\nconfig-dir = \"~/.claude-login\"\n";
    world.profile("login", login);
    world.profile("none", &format!("{}endpoint = \"http://127.0.0.1:9\"\n", login.replace("\"login\"", "\"none\"")));
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
    except.push(world.path("home/.claude-login/.credentials.json"));
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
    leaves(&ringlet::testing::command_line(), "", &mut found);
    assert!(found.len() > 20, "{found:?}");
    for leaf in found {
        let is_tried = |case: &&str| **case == leaf || case.starts_with(&format!("{leaf} "));
        assert!(CASES.iter().any(is_tried), "`ringlet {leaf}` has no case here");
    }
}

#[test]
fn no_command_tells_a_key_from_the_file_store() {
    let canary = Canary::new();
    let mut world = prepare(World::new(), &canary);
    add_login(&world, &canary);
    run_all(&mut world, &canary, LEVELS, CASES.iter(), &[]);
    assert!(canary.is_in(&fs::read(world.path("home/.config/ringlet/credentials.toml")).expect("the store")));
}

// A tool that says the key on its standard error as well, and fails for a second key after it has printed it.
#[test]
fn no_command_tells_a_key_from_a_command_that_talks() {
    let canary = Canary::new();
    let world = World::new();
    world.program(
        "kv",
        "#!/bin/sh\n[ -d \"$HOME/kv\" ] || mkdir \"$HOME/kv\"\nname=$(echo \"$2\" | tr / .)\n\
         case $1 in\n\
         get) cat \"$HOME/kv/$name\" >&2; cat \"$HOME/kv/anthropic.work\"; [ \"$name\" = anthropic.work ];;\n\
         set) cat > \"$HOME/kv/$name\"; cat \"$HOME/kv/$name\" >&2;;\n\
         rm) cat \"$HOME/kv/$name\"; rm \"$HOME/kv/$name\";;\n\
         ls) ls \"$HOME/kv\" | sed 's/[.]/\\//'; cat \"$HOME\"/kv/* >&2;;\n\
         esac\n",
    );
    world.configure(
        "[store.team]\nget = [\"kv\", \"get\", \"{provider}/{alias}\"]\nset = [\"kv\", \"set\", \"{provider}/{alias}\"]\n\
         remove = [\"kv\", \"rm\", \"{provider}/{alias}\"]\nlist = [\"kv\", \"ls\"]\n\
         [store-for.anthropic]\nstore = \"team\"\n[store-for.openai]\nstore = \"team\"\n",
    );
    let mut world = prepare(world, &canary);
    let kept: Vec<PathBuf> = vec![world.path("home/kv")];
    run_all(&mut world, &canary, &LEVELS[..2], CASES.iter(), &kept);
}

#[test]
fn no_command_tells_a_key_from_a_real_keychain() {
    let canary = Canary::new();
    let mut keyring = Keyring::start(State::Unlocked);
    let mut world = prepare(World::on(&keyring), &canary);
    add_login(&world, &canary);
    run_all(&mut world, &canary, LEVELS, CASES.iter(), &[]);
    keyring.lock();
    run_all(&mut world, &canary, &LEVELS[..1], CASES.iter(), &[]);
    // The keyring's own files are encrypted; the daemons' messages lie beside them.
    canary.assert_not_below(keyring.runtime_dir().parent().expect("the session's folder"), &[]);
}

#[test]
fn no_command_tells_a_key_or_the_identity_from_the_encrypted_file() {
    let canary = Canary::new();
    let world = World::bare();
    let run = |script: &str| {
        finish(world.process("sh").args(["-c", script]).current_dir(world.path("home/.config/ringlet"))).ok()
    };
    let settings = "[credentials]\nbackend = \"encrypted-file\"\nidentity = \"~/own.txt\"\n[daemon]\nport = 0\n";
    world.write("home/.config/ringlet/config.toml", settings);
    let seal = "umask 077; age-keygen -o ../../own.txt; \
                age-keygen 2>/dev/null | age -r \"$(age-keygen -y ../../own.txt)\" -o identity.age";
    run(seal);
    let identity = run("age -d -i ../../own.txt identity.age");
    let identity = identity.lines().last().expect("a line").to_owned();
    let mut daemon = Daemon::start(&world);
    world.run(&["keychain", "unlock"]).ok();
    let mut world = prepare(world, &canary);
    add_login(&world, &canary);
    run_all(&mut world, &canary, &LEVELS[..2], CASES.iter().filter(|case| !case.starts_with("daemon stop")), &[]);
    world.run(&["keychain", "unlock"]).ok();
    assert!(world.path("home/.config/ringlet/credentials.age").exists());
    let mut found = Vec::new();
    files_below(&world.path(""), &mut found);
    for file in found {
        let is_in = memchr::memmem::find(&fs::read(&file).expect("readable"), identity.as_bytes()).is_some();
        assert!(!is_in, "{} holds the identity", file.display());
    }
    assert!(!daemon.said().contains(&identity));
    world.run(&["keychain", "lock"]).ok();
    daemon.signal(Signal::TERM);
    daemon.end();
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            files_below(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
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
            "[scope.\"CANARY\"]\npin = true\n",
            "[scope.\"anthropic/CANARY\"]\npin = true\n",
            "[scope.\"anthropic/work\"]\nagents = [\"CANARY\"]\n",
            "[scope.\"anthropic/work\"]\ndirectories = [\"CANARY\"]\n",
            "[scope.\"anthropic/work\"]\nlease = \"CANARY\"\n",
            "[scope.\"anthropic/work\"]\npin = \"CANARY\"\n",
            "[scope.\"anthropic/work\"]\nCANARY = 1\n",
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
        &[
            "CANARY",
            "{\"env\": {\"ANTHROPIC_API_KEY\": \"CANARY\"}}",
            "{\"apiKeyHelper\": \"echo CANARY\"}",
            "{\"env\": {\"HTTPS_PROXY\": \"http://user:CANARY@host\", \"EDITOR\": \"CANARY\"}}",
            "{\"CANARY\": {\"CANARY\": [\"CANARY\"]}}",
            "{\"x\": {\"a\": \"run --token=CANARY;CANARY\"}, \"y\": [\"CANARY\"]}",
        ],
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

#[test]
fn a_key_that_could_be_a_name_is_no_alias() {
    let canary = Canary::new();
    let world = prepare(World::new(), &canary);
    let body: String = canary.key.bytes().skip(13).map(|byte| char::from(b'a' + byte % 26)).take(32).collect();
    let key = format!("sk-{body}");
    let refused =
        world.feed(&["keychain", "set", "deepseek", &key, "--stdin"], "x").fails(2, &["looks like the key itself"]);
    assert!(!refused.stderr.contains(&body) && !refused.stdout.contains(&body), "{refused:?}");
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/work\n");
}

#[test]
fn a_short_key_in_a_names_place_is_not_told_either() {
    const SHORT: &str = "gsk_Hx7Qw2Lm9Zt4Rb8Yc";
    let places = [
        (
            "home/.ringlet/profiles/work/ringlet.toml",
            "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"KEY\"\n",
        ),
        (
            "home/.ringlet/profiles/work/ringlet.toml",
            "agent = \"claude\"\nprovider = \"anthropic\"\n[secrets]\nA = \"KEY\"\n",
        ),
        (
            "home/.ringlet/profiles/work/ringlet.toml",
            "agent = \"claude\"\nprovider = \"anthropic\"\n[secrets]\nA = \"github/KEY\"\n",
        ),
        ("home/.ringlet/profiles/work/ringlet.toml", "agent = \"claude\"\nprovider = \"KEY\"\n"),
        ("home/.ringlet/profiles/work/ringlet.toml", "agent = \"KEY\"\nprovider = \"anthropic\"\n"),
        ("home/.ringlet/profiles/work/ringlet.toml", "agent = \"claude\"\nKEY = \"anthropic\"\n"),
        ("home/.config/ringlet/credentials.toml", "[anthropic.KEY]\nkey = \"x\"\n"),
        ("home/.config/ringlet/credentials.toml", "[KEY.work]\nkey = \"x\"\n"),
        ("home/.config/ringlet/credentials.toml", "KEY = \"x\"\n"),
        ("home/.config/ringlet/config.toml", "default-profile = \"KEY\"\n"),
        ("home/.config/ringlet/config.toml", "[scope.\"anthropic/KEY\"]\npin = true\n"),
        ("home/project/.ringlet.toml", "profile = \"KEY\"\n"),
    ];
    for (file, text) in places {
        let world = World::ready();
        let written = world.write(file, text.replace("KEY", SHORT));
        world.chmod(&written, 0o600);
        world.run(&["allow"]);
        for words in [
            &["exec", "claude"][..],
            &["status"],
            &["doctor"],
            &["keychain", "list"],
            &["profiles", "list"],
            &["profiles", "inspect", "work"],
        ] {
            let done = world.run(words);
            assert!(!done.stdout.contains(&SHORT[..6]) && !done.stderr.contains(&SHORT[..6]), "{file} {text} {done:?}");
        }
    }
    let world = World::ready();
    for words in [
        &["exec", SHORT][..],
        &["exec", "--profile", SHORT, "claude"],
        &["profiles", "inspect", SHORT],
        &["profiles", "run", SHORT],
        &["profiles", "create", SHORT, "--agent", "claude"],
        &["profiles", "edit", "work", SHORT],
        &["login", SHORT],
        &["init", SHORT],
        &["status", SHORT],
        &["keychain", "set", SHORT, "work"],
        &["keychain", "set", "anthropic", SHORT],
        &["keychain", "rename", "anthropic", "work", SHORT],
        &["keychain", "remove", "anthropic", SHORT],
        &["lease", "grant", SHORT],
        &["lease", "revoke", SHORT],
        &["agents", "pin", SHORT],
        &["audit", "--alias", SHORT],
        &["audit", "--since", SHORT],
        &["hook", SHORT],
        &[SHORT],
    ] {
        let done = world.run(words);
        assert!(done.status != Some(0), "{words:?}");
        assert!(!done.stdout.contains(&SHORT[..6]) && !done.stderr.contains(&SHORT[..6]), "{words:?} {done:?}");
    }
}

#[test]
fn a_typed_key_is_not_echoed() {
    let canary = Canary::new();
    let world = prepare(World::new(), &canary);
    for (provider, answer) in
        [("anthropic", None), ("openai", Some("y")), ("groq", Some("n")), ("anthropic", Some("\x03"))]
    {
        let mut command = world.process(RINGLET);
        command.args(["keychain", "set", provider, "typed", "--replace"]);
        let mut terminal = Terminal::start(command);
        terminal.expect("it is not shown");
        let interrupted = answer == Some("\x03");
        terminal.press(&canary.key);
        // Enter ends the key; Control-C takes it back.
        terminal.press(if interrupted { "\x03" } else { "\r" });
        if let Some(answer) = answer.filter(|_| !interrupted) {
            terminal.expect("store it all the same?");
            terminal.send(answer);
        }
        terminal.expect(if answer.is_some_and(|answer| answer != "y") { "nothing was stored" } else { "stored" });
        let seen = terminal.transcript();
        let (status, _) = terminal.end();
        canary.assert_not_in(seen.as_bytes(), "the terminal");
        assert_eq!(status.success(), matches!(answer, None | Some("y")), "{seen}");
    }
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/typed\nanthropic/work\nopenai/typed\n");
    canary.assert_not_below(&world.path(""), &[world.path("home/.config/ringlet/credentials.toml")]);
}

#[test]
fn a_typed_password_is_neither_shown_nor_kept() {
    let canary = Canary::new();
    let mut keyring = Keyring::start(State::Unlocked);
    let world = prepare(World::on(&keyring), &Canary::new());
    keyring.lock();
    for level in LEVELS {
        for end in ["\r", "\x03"] {
            let mut command = world.process(RINGLET);
            command.args(*level).args(["keychain", "unlock"]);
            let mut terminal = Terminal::start(command);
            terminal.expect("it is not shown");
            terminal.press(&canary.key);
            terminal.press(end);
            terminal.expect("still locked");
            let seen = terminal.transcript();
            let (status, _) = terminal.end();
            canary.assert_not_in(seen.as_bytes(), "the terminal");
            assert!(!status.success(), "{seen}");
        }
    }
    canary.assert_not_below(&world.path(""), &[]);
    canary.assert_not_below(&keyring.runtime_dir(), &[]);
    canary.assert_not_in(keyring.logged().as_bytes(), "the keyring's log");
}

const EXPORT: &str =
    "export keys.age --replace --recipient age1v949pxfv5fpffeq5uqwzsmt7npdpwhutx4ngrr2rcvg6qagcf3mqh67x6h";

#[test]
fn a_key_that_is_copied_moved_rotated_or_exported_on_a_terminal_is_not_shown() {
    let keys = [Canary::new(), Canary::new()];
    let keyring = Keyring::start(State::Unlocked);
    let world = prepare(World::on(&keyring), &keys[0]);
    for (round, level) in LEVELS.iter().enumerate() {
        for words in [
            "copy anthropic/work --to file",
            "move anthropic/work --from file --to system",
            "move anthropic/work --from system --to file",
            "move anthropic/work --from file --to system",
            "rotate anthropic/work --no-check",
            EXPORT,
        ] {
            let mut command = world.process(RINGLET);
            command.args(*level).arg("keychain").args(words.split(' '));
            let mut terminal = Terminal::start(command);
            match words.starts_with("rotate") {
                true => {
                    terminal.expect("it is not shown");
                    terminal.send(&keys[(round + 1) % 2].key);
                }
                false => {
                    terminal.expect("[y/N] ");
                    terminal.send("y");
                }
            }
            let (status, seen) = terminal.end();
            keys.iter().for_each(|key| key.assert_not_in(seen.as_bytes(), words));
            assert!(status.success(), "{level:?} {words}: {seen}");
        }
    }
    keys.iter().for_each(|key| key.assert_not_below(&world.path(""), &[]));
    let labels = ["service", "ringlet", "username", "anthropic/work"];
    assert_eq!(keyring.secret_tool_lookup(&labels), Some(keys[LEVELS.len() % 2].key.clone().into_bytes()));
}

/// A `claude` that is new enough to read its key from a descriptor, and says nothing of it.
fn descriptor_reader(world: &World) {
    world.write("lib/package.json", "{\"name\": \"@anthropic-ai/claude-code\", \"version\": \"2.1.330\"}");
    let agent = world.write("lib/claude", "#!/bin/sh\necho started $CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR\n");
    world.chmod(&agent, 0o755);
    fs::remove_file(world.path("bin/claude")).expect("removed");
    symlink(agent, world.path("bin/claude")).expect("a link");
}

#[test]
fn only_the_agents_own_start_carries_the_key() {
    let canary = Canary::new();
    let world = prepare(World::new(), &canary);
    let calls = |name: &str| -> Vec<String> {
        let log = world.path(name);
        // A script starts something before, beside and after the agent.
        let script = format!("/bin/true; /bin/sleep 0 & {RINGLET} exec claude -- word; wait; /bin/true");
        let mut strace = world.process("strace");
        strace
            .args(["-f", "-v", "-s", "99999", "-e", "trace=execve,execveat", "-o"])
            .arg(&log)
            .args(["sh", "-c", &script]);
        let done = finish(&mut strace).ok();
        assert!(done.contains("started"), "{done}");
        let text = fs::read_to_string(&log).expect("strace's log");
        fs::remove_file(log).expect("removed");
        text.lines().filter(|line| line.contains("exec")).map(str::to_owned).collect()
    };
    let seen = calls("by-variable");
    let carrying: Vec<&String> = seen.iter().filter(|line| canary.is_in(line.as_bytes())).collect();
    let [only] = carrying.as_slice() else { panic!("{carrying:#?}") };
    // execve("PATH", [ARGUMENTS], [ENVIRONMENT]) = 0
    let (start, environment) = only.split_once("], [").expect("arguments and environment");
    assert!(start.contains("/bin/claude\", [\"claude\", \"word\""), "{start}");
    canary.assert_not_in(start.as_bytes(), "an argument vector");
    assert!(environment.contains(&format!("\"ANTHROPIC_API_KEY={}\"", canary.key)), "{environment}");
    assert!(seen.len() >= 6, "{seen:#?}");
    descriptor_reader(&world);
    for line in calls("by-descriptor") {
        canary.assert_not_in(line.as_bytes(), "a start");
    }
}

/// Reads what a process may write to, as far as it can be read; empty when the process is closed to us or gone.
fn memory_of(pid: u32) -> Vec<u8> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let Ok(mut memory) = File::open(format!("/proc/{pid}/mem")) else { return Vec::new() };
    let mut all = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split(' ');
        let (range, rights) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let Some((start, end)) = range.split_once('-').filter(|_| rights.starts_with("rw")) else { continue };
        let address = |text| u64::from_str_radix(text, 16).expect("an address");
        let (start, end) = (address(start), address(end));
        if memory.seek(SeekFrom::Start(start)).is_ok() {
            // A region that cannot be read to its end, such as a guard page, still counts up to there.
            let _ = (&memory).take(end - start).read_to_end(&mut all);
        }
    }
    all
}

/// The processes whose arguments or environment hold the canary, of those that may be looked at.
fn processes_with(canary: &Canary) -> Vec<u32> {
    let pids = fs::read_dir("/proc").expect("Linux").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        ["environ", "cmdline"]
            .iter()
            .any(|file| fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|text| canary.is_in(&text)))
    })
    .collect()
}

/// The shell's whole state, into a file: variables of every kind, functions, history.
fn dump(shell: &str) -> &'static str {
    match shell {
        "fish" => "begin; env; set; set --show; functions; history; cat /proc/$fish_pid/environ; end",
        "zsh" => "{ env; set; typeset; typeset -f; export; fc -l -1000; cat /proc/$$/environ; }",
        _ => "{ env; set; declare -p; export; history; cat /proc/$$/environ; }",
    }
}

fn the_shell_never_has_the_key(shell: &str) {
    let canary = Canary::new();
    let world = prepare(World::new(), &canary);
    // The agent stays until it is told, so that there is something to look at beside it.
    world.program("claude", "#!/bin/sh\necho $$ >\"$HOME/agent\"\necho the agent is up\nread -r line\n");
    world.program(
        "beside",
        "#!/bin/sh\nenv >\"$HOME/beside\"\ncat /proc/$PPID/environ >>\"$HOME/beside\"\necho looked\n",
    );
    let (rc, options): (_, &[&str]) = match shell {
        "zsh" => (".zshrc", &["-d", "-i"]),
        "bash" => (".bashrc", &["--noprofile", "-i"]),
        _ => (".config/fish/config.fish", &["-i"]),
    };
    let prompt = match shell {
        "fish" => "function fish_prompt; echo -n 'R1NG> '; end; set fish_greeting",
        "zsh" => "unsetopt prompt_sp; PS1='R1NG> '",
        _ => "PS1='R1NG> '",
    };
    let load = match shell {
        "fish" => format!("{RINGLET} hook fish | source"),
        _ => format!("eval \"$({RINGLET} hook {shell})\""),
    };
    for folder in [".local/share", ".cache"] {
        fs::create_dir_all(world.path("home").join(folder).join("fish/generated_completions")).expect("a folder");
    }
    world.write(Path::new("home").join(rc), format!("{prompt}\n{load}\n"));
    let mut command = world.process(shell);
    command.args(options);
    let mut terminal = Terminal::start(command);
    terminal.expect("R1NG> ");
    let mut line = |text: &str, shows: &str| {
        terminal.send(text);
        terminal.expect(shows);
    };
    let id = if shell == "fish" { "$fish_pid" } else { "$$" };
    line(&format!("echo {id} >$HOME/shell; {} >$HOME/before 2>&1; echo do''ne", dump(shell)), "done");
    let pid = |name: &str| -> u32 { world.read(Path::new("home").join(name)).trim().parse().expect("a process id") };
    line("claude", "the agent is up");
    let agent = pid("agent");
    assert_eq!(processes_with(&canary), [agent], "only the agent has it");
    canary.assert_not_in(&memory_of(pid("shell")), "the shell's memory while the agent runs");
    line("go", "R1NG> ");
    line("claude </dev/null &", "the agent is up");
    line("beside", "looked");
    line(&format!("{} >$HOME/after 2>&1; echo do''ne", dump(shell)), "done");
    canary.assert_not_in(&memory_of(pid("shell")), "the shell's memory afterwards");
    assert!(!memory_of(pid("shell")).is_empty(), "the shell's memory could not be looked at");
    canary.assert_not_in(terminal.transcript().as_bytes(), "the terminal");
    // What the shell said of itself is among the files.
    assert!(world.read("home/after").contains("HOME"), "{}", world.read("home/after"));
    canary.assert_not_below(&world.path(""), &[world.path("home/.config/ringlet/credentials.toml")]);
}

#[test]
fn bash_never_has_the_key() {
    the_shell_never_has_the_key("bash");
}

#[test]
fn zsh_never_has_the_key() {
    the_shell_never_has_the_key("zsh");
}

#[test]
fn fish_never_has_the_key() {
    the_shell_never_has_the_key("fish");
}

/// An unprivileged user's world: root may read everything, so as root all of this is done as `nobody`.
struct Unprivileged {
    world: World,
    is_root: bool,
}

const NOBODY: u32 = 65534;

impl Unprivileged {
    fn new(canary: &Canary) -> Self {
        let is_root = rustix::process::geteuid().is_root();
        let world = prepare(World::new(), canary);
        // The build's own folder may be closed to others. Copied by another process: what this one has open for
        // writing, a child that another test starts at that moment holds open too, and then it cannot be executed.
        let copied = Command::new("cp").arg(RINGLET).arg(world.path("bin/ringlet")).status().expect("cp");
        assert!(copied.success());
        world.chmod(&world.path("bin/ringlet"), 0o755);
        // Written as ourselves so far; the record of trust holds, being about bytes and a place.
        if is_root {
            world.chmod(&world.path(""), 0o755);
            give_away(&world.path(""));
        }
        Self { world, is_root }
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.world.process(program);
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.stdin(Stdio::null());
        command
    }

    fn state(&self) -> PathBuf {
        self.world.path("home/.local/state/ringlet")
    }
}

fn give_away(path: &Path) {
    std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).expect("listed").for_each(|entry| give_away(&entry.expect("an entry").path()));
    }
}

/// What another process of the same user can get out of this one: its environment, its memory, and a debugger's hold.
/// Whether each of the three succeeds.
fn attack(from: &Unprivileged, pid: u32) -> [bool; 3] {
    let reads = |file: &str| {
        let script =
            format!("exec dd if=/proc/{pid}/{file} of=/dev/null bs=1 count=1 skip=$1 iflag=skip_bytes status=none");
        // Where the stack lies, for the memory; from the start, for the environment.
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        let stack = maps.lines().find(|line| line.contains("[stack]")).and_then(|line| line.split('-').next());
        let at = stack.map_or(0, |start| u64::from_str_radix(start, 16).expect("an address"));
        let at = if file == "mem" { at } else { 0 };
        let mut shell = from.command("sh");
        shell.args(["-c", &script, "sh", &at.to_string()]).stderr(Stdio::null());
        shell.status().expect("dd").success()
    };
    let (environ, memory) = (reads("environ"), reads("mem"));
    // strace says at once whether it may attach. When it may, its end frees the process again.
    let mut strace = from.command("strace");
    strace.args(["-o", "/dev/null", "-p", &pid.to_string()]).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut strace = strace.spawn().expect("strace");
    let mut said = String::new();
    BufReader::new(strace.stderr.take().expect("a pipe")).read_line(&mut said).expect("readable");
    let _ = strace.kill();
    strace.wait().expect("ended");
    [environ, memory, said.contains("attached")]
}

/// Starts ringlet with these arguments and stops it while it holds the secret. To make that a while, the test holds
/// the audit log's lock, which ringlet waits two seconds for; it has ended when this machine took longer to look.
fn holding_the_secret(from: &Unprivileged, canary: &Canary, arguments: &[&str], input: &str) -> Result<Child, String> {
    let lock = File::options().read(true).write(true).open(from.state().join("audit.lock")).expect("the lock");
    lock.lock().expect("locked");
    let mut command = from.command("sh");
    // As much core as the system gives, so that it is ringlet who says no.
    let script = "ulimit -S -c \"$(ulimit -H -c)\"; exec \"$@\"";
    command.args(["-c", script, "sh"]).arg(from.world.path("bin/ringlet")).args(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ringlet starts");
    let ended = |child: Child| Err(format!("{:?}", child.wait_with_output().expect("waited for")));
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("ringlet reads");
    let pid = child.id();
    // Root can see that the secret is there; anyone else, that ringlet has closed itself, on its way to it.
    let has_it = || {
        if from.is_root {
            canary.is_in(&memory_of(pid))
        } else {
            fs::metadata(format!("/proc/{pid}/mem")).is_ok_and(|it| it.uid() == 0)
        }
    };
    while !has_it() {
        if child.try_wait().expect("a child").is_some() {
            return ended(child);
        }
    }
    signal(&child, Signal::STOP);
    loop {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        match stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()) {
            Some('T') if has_it() => return Ok(child),
            Some('T') => signal(&child, Signal::CONT),
            Some('Z') | None => return ended(child),
            Some(_) => {}
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("a child of ours");
}

#[test]
fn while_it_holds_a_key_ringlet_is_closed_to_the_users_other_processes() {
    let canary = Canary::new();
    let from = Unprivileged::new(&canary);
    let mut first = from.command(from.world.path("bin/ringlet"));
    // The first lookup makes the log and its lock.
    assert_eq!(finish(first.args(["--audit-log", "exec", "claude"])).ok(), "started\n");
    let launch: (&[&str], _) = (&["--audit-log", "exec", "claude"], "");
    let set: (&[&str], _) =
        (&["--audit-log", "keychain", "set", "anthropic", "new", "--stdin", "--replace"], canary.key.as_str());
    for (arguments, input) in [launch, set] {
        let mut ended = Vec::new();
        let mut child = loop {
            match holding_the_secret(&from, &canary, arguments, input) {
                Ok(child) => break child,
                Err(done) => ended.push(done),
            }
            assert!(ended.len() < 20, "ringlet was never seen waiting with the secret: {ended:#?}");
        };
        assert_eq!(attack(&from, child.id()), [false; 3], "environment, memory, debugger of ringlet {arguments:?}");
        canary.assert_not_in(&fs::read(format!("/proc/{}/environ", child.id())).unwrap_or_default(), "its environment");
        // Dumps core by default, is not handled by the runtime, and is not ignored in a shell's background job.
        signal(&child, Signal::ABORT);
        signal(&child, Signal::CONT);
        let status = child.wait().expect("ended");
        assert_eq!((status.signal(), status.core_dumped()), (Some(6), false), "{status}");
    }
    // Killed while it replaces the store's file, it may leave what was to become it: beside it, and as private.
    let folder = from.world.path("home/.config/ringlet");
    let entries = fs::read_dir(&folder).expect("listed").map(|entry| entry.expect("an entry"));
    let mut left: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b".ringlet-"))
        .map(|entry| entry.path())
        .collect();
    assert!(left.iter().all(|path| path.metadata().expect("there").mode() & 0o777 == 0o600), "{left:?}");
    left.push(folder.join("credentials.toml"));
    canary.assert_not_below(&from.world.path(""), &left);
}

#[test]
fn the_attacks_on_ringlet_succeed_on_any_other_process() {
    let canary = Canary::new();
    let from = Unprivileged::new(&canary);
    let mut victim = from.command("sh");
    let script = "ulimit -S -c \"$(ulimit -H -c)\"; ulimit -c; read -r line";
    let mut victim = victim.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh");
    let mut limit = String::new();
    BufReader::new(victim.stdout.take().expect("a pipe")).read_line(&mut limit).expect("a line");
    let [environ, memory, debugger] = attack(&from, victim.id());
    // Where Yama restricts debuggers to their own children, nobody can do more than read the environment.
    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").is_ok_and(|scope| scope.trim() != "0");
    assert!(environ && (yama || memory && debugger), "{environ} {memory} {debugger}");
    signal(&victim, Signal::ABORT);
    let status = victim.wait().expect("ended");
    // A core that is handed to a program, or that the system forbids, proves nothing here.
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").expect("Linux");
    let to_a_file = !pattern.starts_with('|') && limit != "0\n";
    assert!(status.core_dumped() || !to_a_file, "{status}, {limit}");
}

#[test]
fn what_goes_through_the_daemon_is_in_the_keychain_and_with_the_client_alone() {
    let keyring = Keyring::start(State::Unlocked);
    let canary = Canary::new();
    let world = served(prepare(World::on(&keyring), &canary));
    the_daemon_leaks_nothing(&world, &canary, &[]);
    canary.assert_not_below(&keyring.runtime_dir(), &[]);
}

#[test]
fn what_goes_through_the_daemon_is_in_the_file_and_with_the_client_alone() {
    let canary = Canary::new();
    let world = served(prepare(World::new(), &canary));
    let except = ["services.toml", "credentials.toml"].map(|name| world.path("home/.config/ringlet").join(name));
    the_daemon_leaks_nothing(&world, &canary, &except);
}

fn the_daemon_leaks_nothing(world: &World, canary: &Canary, except: &[PathBuf]) {
    let key = canary.key.as_str();
    let mut daemon = Daemon::start(world);
    let all = ["--read", "tool", "--write", "tool", "--read", "ringlet", "--write", "ringlet", "--search"];
    register_this(world, &all);
    let connect = || daemon::Client::connect(&daemon.socket);
    let mut client = connect();
    let own = |action: &str, more| daemon::request(action, "ringlet", more);
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(&text.replace("CANARY", key)).expect("JSON");
    assert_eq!(client.ask(&daemon::write("a", key)), daemon::success());
    assert_eq!(client.ask(&daemon::read(&["a"])), daemon::results(&[("a", Some(key))]));
    let given = client.ask(&own("read", json(r#"{"match":"prefix","targets":["anthropic/"]}"#)));
    assert_eq!(given, daemon::results(&[("anthropic/work", Some(key))]));
    // A value where none belongs, or one that is refused.
    for ask in [
        own("write", json(r#"{"targets":["Not A Name"],"values":["CANARY"]}"#)),
        own("write", json(r#"{"targets":["anthropic/x"],"values":["CANARY\n"]}"#)),
        own("write", json(r#"{"targets":["anthropic/x"],"values":["CANARY","CANARY"]}"#)),
        daemon::request("write", "tool", json(r#"{"targets":["b"],"values":["CANARY"],"CANARY":"CANARY"}"#)),
        daemon::request("CANARY", "tool", json(r#"{"targets":["b"],"values":["CANARY"]}"#)),
        daemon::request("read", "tool", json(r#"{"match":"CANARY","targets":["b"]}"#)),
        daemon::request(
            "write",
            "tool",
            json(r#"{"targets":["b"],"values":["CANARY"],"attributes":{"service":"CANARY"}}"#),
        ),
    ] {
        assert_eq!(client.ask(&ask)["status"], "error", "{ask}");
    }
    client.send(format!("{key}\n"));
    assert_eq!(client.answer(), daemon::refused("error", "malformed_request"));
    let mut client = connect();
    client.send(key.repeat(3000));
    assert_eq!(client.answer(), daemon::refused("error", "malformed_request"));
    // One that is not registered, with the key on its command line and in what it asks.
    let script = daemon::script(world, "stranger");
    let mut command = world.process("/usr/bin/python3");
    command.args(["-c", &fs::read_to_string(&script).expect("readable")]).arg(&daemon.socket).args(["--then", key]);
    let mut stranger = Third::start(command);
    assert_eq!(stranger.ask(&daemon::write("b", key))["status"], "denied");
    drop(stranger);
    register(world, &script, &["--read", "tool"]);
    let mut third = Third::script(world, &daemon, &script, &[]);
    assert_eq!(third.ask(&daemon::read(&["a"])), daemon::results(&[("a", Some(key))]));
    // Where somebody may paste it.
    for (route, headers) in [
        ("/v1/status", format!("Authorization: Bearer {key}\r\n")),
        ("/v1/status", format!("Authorization: {key}\r\n")),
        ("/v1/health", format!("Origin: {key}\r\n")),
        ("/v1/health", format!("Host: {key}\r\n")),
        ("/CANARY", String::new()),
    ] {
        let answer = format!("{:?}", daemon.http(daemon.request("GET", &route.replace("CANARY", key), &headers)));
        canary.assert_not_in(answer.as_bytes(), route);
    }
    for route in [
        "/v1/CANARY",
        "/v1/keys",
        "/v1/keys?prefix=CANARY",
        "/v1/keys?CANARY=x",
        "/v1/audit",
        "/v1/audit?since=CANARY",
        "/v1/audit?alias=CANARY",
        "/v1/audit?alias=anthropic/CANARY",
        "/v1/audit?agent=CANARY",
        "/v1/audit?limit=CANARY",
        "/v1/status",
        "/v1/profiles",
        "/v1/openapi.json",
    ] {
        let answer = format!("{:?}", daemon.get(&route.replace("CANARY", key)));
        canary.assert_not_in(answer.as_bytes(), route);
    }
    for arguments in
        [&["status"][..], &["status", "--json"], &["list-pending"], &["list-pending", "--json"], &["approve", key]]
    {
        let done = world.run(&[&["daemon"], arguments].concat());
        canary.assert_not_in(format!("{done:?}").as_bytes(), "a command");
    }
    // Wrong settings and a wrong policy, with the key in them.
    let config = world.read("home/.config/ringlet/config.toml");
    for (file, text) in
        [("config.toml", format!("{config}{key} = {key}\n")), ("daemon.json", format!("{{\"{key}\": {key}"))]
    {
        let path = Path::new("home/.config/ringlet").join(file);
        let before = world.read(&path);
        world.write(&path, text);
        canary.assert_not_in(format!("{:?}", daemon.get("/v1/status")).as_bytes(), "the status");
        world.write(&path, before);
    }
    for file in ["cmdline", "environ"] {
        let seen = fs::read(format!("/proc/{}/{file}", daemon.pid())).unwrap_or_default();
        canary.assert_not_in(&seen, file);
    }
    canary.assert_not_in(daemon.said().as_bytes(), "the log");
    canary.assert_not_below(&world.path(""), except);
    // Dumps core by default, and is not handled by the daemon.
    daemon.signal(Signal::ABORT);
    let status = daemon.end();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false), "{status}");
    canary.assert_not_in(daemon.said().as_bytes(), "the log");
    canary.assert_not_below(&world.path(""), except);
}

#[test]
fn the_daemon_is_closed_to_the_users_other_processes() {
    let canary = Canary::new();
    let from = Unprivileged::new(&canary);
    from.world.configure("[daemon]\nport = 0\n");
    if from.is_root {
        give_away(&from.world.path("home/.config"));
    }
    let daemon = Daemon::start_by(&from.world, from.command(from.world.path("bin/ringlet")));
    assert_eq!(attack(&from, daemon.pid()), [false; 3], "environment, memory, debugger of the daemon");
}
