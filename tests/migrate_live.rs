//! `ringlet migrate` on a real keychain, at a terminal, on files that it must not touch, and watching.

use super::common::keyring::{Keyring, State};
use super::common::pty::Terminal;
use super::common::world::{Done, RINGLET, World, finish};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

const KEY: &str = "sk-ant-api03-TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12TESTmn34FAKEop56";
const OTHER: &str = "sk-proj-TESTqq11FAKErr22TESTss33FAKEtt44TESTuu55FAKEvv66TEST";

fn zshrc() -> String {
    format!("# mine\nexport ANTHROPIC_API_KEY=\"{KEY}\"\nalias ll='ls -l'\n")
}

const CLEAN: &str = "# mine\nalias ll='ls -l'\n";

fn lookup(keyring: &Keyring, account: &str) -> Option<Vec<u8>> {
    keyring.secret_tool_lookup(&["service", "ringlet", "username", account])
}

#[track_caller]
fn shows_no_key(text: &str) {
    for key in [KEY, OTHER] {
        // The mask shows seven characters and four.
        assert!(key.as_bytes().windows(16).all(|piece| !text.as_bytes().windows(16).any(|it| it == piece)), "{text}");
    }
}

#[test]
fn keys_move_into_a_real_keychain_and_back() {
    let keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.agent("claude");
    world.write("home/.zshrc", zshrc());
    let done = world.run(&["migrate", "--yes"]);
    shows_no_key(&done.stderr);
    done.ok();
    assert_eq!(world.read("home/.zshrc"), CLEAN);
    assert_eq!(lookup(&keyring, "anthropic/default").as_deref(), Some(KEY.as_bytes()));
    assert!(world.run(&["exec", "claude"]).ok().contains(&format!("={KEY}")));
    let long = world.run(&["keychain", "list", "--long"]).ok();
    assert!(long.contains("the keychain") && !long.lines().nth(1).expect("a key").contains(" -    unknown"), "{long}");
    // The journal's own secret is no key of the user's.
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/default\n");
    world.run(&["migrate", "undo"]).ok();
    assert_eq!(world.read("home/.zshrc"), zshrc());
    assert!(!world.path("home/.config/ringlet/credentials.toml").exists());
}

#[test]
fn a_keychain_that_cannot_be_used_changes_no_file() {
    let refused = |keyring: &Keyring, says: &[&str]| {
        let world = World::on(keyring);
        world.write("home/.zshrc", zshrc());
        world.run(&["migrate", "--yes"]).fails(1, says);
        assert_eq!(world.read("home/.zshrc"), zshrc());
        assert!(!world.path("home/.config/ringlet/credentials.toml").exists());
        assert_eq!(
            fs::read_dir(world.path("home/.local/state/ringlet/migrate")).expect("there").count(),
            1,
            "the lock"
        );
    };
    let mut keyring = Keyring::start(State::Unlocked);
    keyring.secret_tool_store(None, &["service", "ringlet", "username", "openai/x"], b"sk-1");
    keyring.lock();
    refused(&keyring, &["the keychain is locked", "hint: run `ringlet keychain unlock`"]);
    keyring.stop_service();
    refused(&keyring, &["did not answer within"]);
    // What would forget the keys at logout is no keychain: there is only the session's own collection.
    refused(&Keyring::start(State::NoDefault), &["the keyring service has no keyring yet, and ", "--allow-file"]);
    refused(&Keyring::start(State::Absent), &["there is no keychain", "--allow-file"]);
}

/// A file that stays as it is, with its key in the store or not at all.
#[track_caller]
fn stays(world: &World, says: &[&str]) {
    let done = world.run(&["migrate", "--yes"]);
    shows_no_key(&done.stderr);
    done.fails(1, says);
    assert_eq!(world.read("home/.zshrc"), zshrc());
}

#[test]
fn files_of_others_are_left_to_them() {
    let world = World::new();
    let file = world.write("home/.zshrc", zshrc());
    chown(&file, Some(12345), None).expect("root may");
    stays(&world, &["~/.zshrc: holds keys and belongs to another user"]);
    // The same behind a link of our own.
    fs::rename(&file, world.path("home/theirs")).expect("moved");
    symlink(world.path("home/theirs"), &file).expect("linked");
    stays(&world, &["belongs to another user"]);
    assert!(file.is_symlink());
}

#[test]
fn an_immutable_file_is_named_and_its_key_is_safe() {
    let world = World::new();
    let file = world.write("home/.zshrc", zshrc());
    let flag = |word: &str| finish(world.process("chattr").arg(word).arg(&file)).ok();
    flag("+i");
    stays(&world, &["~/.zshrc still holds its keys", "Operation not permitted"]);
    flag("-i");
    world.run(&["migrate", "--yes"]).ok();
    assert_eq!(world.read("home/.zshrc"), CLEAN);
}

#[test]
fn an_account_in_two_files_stays_whole_where_one_of_them_cannot_be_changed() {
    let url = "export ANTHROPIC_BASE_URL=https://api.kimi.com/coding\n. ~/.secrets\n";
    let token = format!("export ANTHROPIC_AUTH_TOKEN={KIMI}\n");
    for immutable in ["home/.zshrc", "home/.secrets"] {
        let world = World::new();
        world.agent("claude");
        world.write("home/.zshrc", url);
        world.write("home/.secrets", &token);
        let flag = |word: &str| finish(world.process("chattr").arg(word).arg(world.path(immutable))).ok();
        flag("+i");
        let done = world.run(&["migrate", "--yes"]);
        flag("-i");
        done.fails(1, &["~/.zshrc still holds its keys", "~/.secrets still holds its keys", "takes part in"]);
        assert_eq!((world.read("home/.zshrc"), world.read("home/.secrets")), (url.to_owned(), token.clone()));
        assert_eq!(world.run(&["profiles", "list"]).ok(), "");
        world.run(&["migrate", "--yes"]).ok();
        assert_eq!((world.read("home/.zshrc"), world.read("home/.secrets")), (". ~/.secrets\n".into(), String::new()));
    }
}

#[test]
fn a_folder_that_takes_no_file_is_named_and_the_key_is_safe() {
    let world = World::new();
    let file = world.write("home/dotfiles/zshrc", zshrc());
    symlink(&file, world.path("home/.zshrc")).expect("linked");
    let folder = world.path("home/dotfiles");
    let flag = |word: &str| finish(world.process("chattr").arg(word).arg(&folder)).ok();
    flag("+i");
    stays(&world, &["~/.zshrc still holds its keys", "no temporary file can be made beside it"]);
    flag("-i");
    world.run(&["migrate", "--yes"]).ok();
    assert_eq!(world.read("home/dotfiles/zshrc"), CLEAN);
}

fn at_terminal(world: &World, arguments: &[&str]) -> Terminal {
    let mut command = world.process(RINGLET);
    command.args(arguments);
    Terminal::start(command)
}

#[test]
fn a_person_is_asked_once_and_no_is_no() {
    let mut world = World::new();
    world.set("SHELL", "/usr/bin/zsh");
    world.write("home/.zshrc", zshrc());
    for answer in ["n", "", "perhaps"] {
        let mut terminal = at_terminal(&world, &["migrate"]);
        let plan = terminal.expect("move these keys? [y]es, [n]o, [c]hoose, [?]: ");
        assert!(plan.contains("-export ANTHROPIC_API_KEY=\"sk-ant-") && plan.contains("anthropic/default"), "{plan}");
        shows_no_key(&plan);
        terminal.send(answer);
        terminal.expect("nothing was changed");
        assert_eq!(terminal.end().0.code(), Some(3));
        assert_eq!(world.read("home/.zshrc"), zshrc());
    }
    let mut terminal = at_terminal(&world, &["migrate"]);
    terminal.expect("[c]hoose, [?]: ");
    terminal.ctrl('c');
    assert!(!terminal.end().0.success());
    assert_eq!(world.read("home/.zshrc"), zshrc());
    assert!(!world.path("home/.config/ringlet/credentials.toml").exists());
}

const DEEPSEEK: &str = "sk-a8c3e107b52d94f6a8c3e107b52d94f6";

#[test]
fn a_key_in_an_agents_own_store_moves_into_a_real_keychain_and_back() {
    let keyring = Keyring::start(State::Unlocked);
    let mut world = World::on(&keyring);
    world.set("SHELL", "/usr/bin/zsh");
    let text = format!("{{\"deepseek\":{{\"type\":\"api\",\"key\":\"{DEEPSEEK}\"}},\"x\":{{\"type\":\"oauth\"}}}}\n");
    world.write("home/.local/share/opencode/auth.json", &text);
    let mut terminal = at_terminal(&world, &["migrate"]);
    let asked = terminal.expect("move this key out of opencode's own store? [y]es, [n]o, [?]: ");
    assert!(asked.contains("\"key\":\"sk-a8c3...94f6\"") && !asked.contains("oauth"), "{asked}");
    terminal.send("?");
    terminal.expect("leave it where it is");
    terminal.expect("[?]: ");
    terminal.send("y");
    let plan = terminal.expect("move these keys? [y]es, [n]o, [c]hoose, [?]: ");
    assert!(plan.contains("profile \"opencode-deepseek\": deepseek/default"), "{plan}");
    terminal.send("y");
    terminal.expect("to ~/.zshrc? [y]es, [n]o: ");
    terminal.send("n");
    let (status, shown) = terminal.end();
    assert!(status.success() && !shown.contains(&DEEPSEEK[8..]), "{shown}");
    assert_eq!(world.read("home/.local/share/opencode/auth.json"), "{\"x\":{\"type\":\"oauth\"}}\n");
    assert_eq!(lookup(&keyring, "deepseek/default").as_deref(), Some(DEEPSEEK.as_bytes()));
    world.run(&["migrate", "undo"]).ok();
    assert_eq!(world.read("home/.local/share/opencode/auth.json"), text);
}

#[test]
fn yes_moves_the_keys_and_adds_the_hook_where_that_is_wanted() {
    let mut world = World::new();
    world.set("SHELL", "/usr/bin/zsh");
    let file = world.write("home/.zshrc", zshrc());
    world.chmod(&file, 0o640);
    let mut terminal = at_terminal(&world, &["migrate"]);
    terminal.expect("move these keys? [y]es, [n]o, [c]hoose, [?]: ");
    terminal.send("y");
    terminal.expect("add `eval \"$(ringlet hook zsh)\"` to ~/.zshrc? [y]es, [n]o: ");
    terminal.send("y");
    terminal.expect("added the hook to ~/.zshrc; open a new shell");
    terminal.expect("unset ANTHROPIC_API_KEY");
    assert!(terminal.end().0.success());
    assert_eq!(world.read("home/.zshrc"), format!("{CLEAN}eval \"$(ringlet hook zsh)\"\n"));
    assert_eq!(fs::metadata(&file).expect("there").mode() & 0o7777, 0o640);
    // The line does not stand in the way of undoing, and goes with the run unless it is to stay.
    let mut terminal = at_terminal(&world, &["migrate", "undo"]);
    terminal.expect("the hook of that run, too? [y]es, [n]o: ");
    terminal.send("n");
    assert!(terminal.end().0.success());
    assert_eq!(world.read("home/.zshrc"), format!("{}eval \"$(ringlet hook zsh)\"\n", zshrc()));
}

#[test]
fn files_can_be_chosen_one_by_one() {
    let world = World::new();
    world.write("home/.zshrc", zshrc());
    world.write("home/.bashrc", format!("export OPENAI_API_KEY={OTHER}\n"));
    let mut terminal = at_terminal(&world, &["migrate"]);
    terminal.expect("[c]hoose, [?]: ");
    terminal.send("c");
    terminal.expect("change ~/.bashrc? [y]es, [n]o, [?]: ");
    terminal.send("n");
    terminal.expect("change ~/.zshrc? [y]es, [n]o, [?]: ");
    terminal.send("y");
    terminal.expect("[k]eep this name, [d]efault, [n]ame it, [s]kip, [?]: ");
    terminal.send("");
    // The plan is shown again.
    let plan = terminal.expect("[c]hoose, [?]: ");
    assert!(plan.contains("~/.bashrc:1  OPENAI_API_KEY") && plan.contains("stays, as you chose"), "{plan}");
    terminal.send("y");
    terminal.expect("add `eval");
    terminal.send("n");
    terminal.expect("add this line to ~/.zshrc");
    assert_eq!(terminal.end().0.code(), Some(3), "a key stays");
    assert_eq!(world.read("home/.zshrc"), CLEAN);
    assert!(world.read("home/.bashrc").contains(OTHER));
    // Only the key that went out of a file went into the store.
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/default\n");
}

const KIMI: &str = "sk-kimi-TESTuK8FAKE2mVTESTq9FAKEw3nBTESTz7FAKEc5LpTEST";

#[test]
fn each_launcher_is_asked_about_with_its_diff() {
    let world = World::new();
    world.agent("claude");
    world.link_ringlet();
    let url = "https://api.kimi.com/coding";
    let launcher = |name: &str| {
        format!(
            "{name}() {{\n  ANTHROPIC_BASE_URL={url} ANTHROPIC_AUTH_TOKEN={KIMI} claude --model {name} \"$@\"\n}}\n"
        )
    };
    let before = format!("{}{}{}", launcher("one"), launcher("two"), zshrc());
    for (answers, one, two, default) in
        [("yy", true, true, true), ("yn", true, false, false), ("nn", false, false, false), ("a", true, true, true)]
    {
        world.write("home/.zshrc", &before);
        let mut terminal = at_terminal(&world, &["migrate"]);
        let shown = terminal.expect("make this launcher use profile \"one\"? [y]es, [n]o, [a]ll, [?]: ");
        assert!(shown.contains("the function one in ~/.zshrc") && shown.contains("+  ringlet exec"), "{shown}");
        assert!(!shown.contains("two"), "{shown}");
        terminal.send("?");
        terminal.expect("leave the launcher and its key as they are");
        terminal.expect("[?]: ");
        for (at, answer) in answers.chars().enumerate() {
            if at > 0 {
                terminal.expect("[y]es, [n]o, [a]ll, [?]: ");
            }
            terminal.send(&answer.to_string());
        }
        terminal.expect("move these keys?");
        terminal.send("y");
        terminal.expect("add `eval");
        terminal.send("n");
        let code = terminal.end().0.code();
        assert_eq!(code, Some(if one && two { 0 } else { 3 }), "{answers}");
        let now = world.read("home/.zshrc");
        for (name, moved) in [("one", one), ("two", two)] {
            assert_eq!(now.contains(&launcher(name)), !moved, "{answers}: {now}");
            assert_eq!(now.contains(&format!("ringlet exec --profile one claude -- --model {name}")), moved, "{now}");
        }
        // A launcher that stays keeps its agent from a default profile.
        assert!(!now.contains(KEY));
        assert_eq!(world.path("home/.ringlet/profiles/default").exists(), default, "{answers}");
        world.run(&["migrate", "undo"]).ok();
        assert_eq!(world.read("home/.zshrc"), before);
        assert!(!world.path("home/.ringlet/profiles/one").exists());
    }
}

#[test]
fn the_default_the_names_and_what_stays_are_chosen_key_by_key() {
    let world = World::new();
    world.agent("claude");
    let second = KEY.replace("TEST", "FAKE");
    let third = KEY.replace("TEST", "TSET");
    world.write("home/.zshrc", format!("export ANTHROPIC_API_KEY={second}\n{}", zshrc()));
    world.write("home/.bashrc", format!("export ANTHROPIC_API_KEY={third}\n"));
    let mut terminal = at_terminal(&world, &["migrate"]);
    terminal.expect("[c]hoose, [?]: ");
    terminal.send("?");
    let help = terminal.expect("[c]hoose, [?]: ");
    assert!(help.contains("choose files, the default key"), "{help}");
    terminal.send("c");
    terminal.expect("change ~/.bashrc?");
    terminal.send("y");
    terminal.expect("change ~/.zshrc?");
    terminal.send("y");
    terminal.expect("anthropic/2");
    terminal.expect("[s]kip, [?]: ");
    terminal.send("s");
    terminal.expect("~/.zshrc:1");
    terminal.expect("[s]kip, [?]: ");
    terminal.send("d");
    terminal.expect("~/.zshrc:3");
    terminal.expect("[s]kip, [?]: ");
    terminal.send("n");
    for (answer, said) in [("no alias", "has a space"), ("2", "anthropic/2 is another key")] {
        terminal.expect("in place of default, [?]: ");
        terminal.send(answer);
        terminal.expect(said);
    }
    terminal.expect("in place of default, [?]: ");
    terminal.send("home");
    let plan = terminal.expect("[c]hoose, [?]: ");
    assert!(plan.contains("the default, as you chose"), "{plan}");
    terminal.send("y");
    terminal.expect("add `eval");
    terminal.send("n");
    assert_eq!(terminal.end().0.code(), Some(3));
    assert_eq!(world.run(&["keychain", "list"]).ok(), "anthropic/default\nanthropic/home\n");
    assert!(world.read("home/.bashrc").contains(&third));
    assert_eq!(world.read("home/.zshrc"), CLEAN);
    assert!(world.run(&["exec", "claude"]).ok().contains(&format!("={second}")));
}

#[test]
fn every_command_that_gives_an_agent_an_account_works_as_it_is_printed() {
    const ZAI: &str = "deadbeef93a1c0ffeeef0fdeadbeefbf.TESTe1zBFAKEhFdE";
    const OTHER: &str = "sk-ant-api03-FAKEq7TESTw2FAKEe9TESTr4FAKEt1TESTy6FAKEu3TESTi8FAKEo5";
    const GW: &str = "https://gw.example.net/v1";
    let setter = |url: &str, token: &str| {
        format!("use() {{\n  export ANTHROPIC_BASE_URL=\"{url}\"\n  export ANTHROPIC_AUTH_TOKEN={token}\n}}\n")
    };
    for (text, key) in [
        (setter("https://gw.example.net/v1?a=b", KEY), KEY),
        (setter("https://api.z.ai/api/anthropic", ZAI), ZAI),
        (format!("export ANTHROPIC_API_KEY={KEY}\nunset ANTHROPIC_API_KEY\n"), KEY),
        (format!("export ANTHROPIC_API_KEY={KEY}\nalias claude='ANTHROPIC_API_KEY= claude'\n"), KEY),
        (format!("go() {{ cd /; ANTHROPIC_API_KEY={KEY} claude; }}\n"), KEY),
        // Another key of the provider moves, and is not meant.
        (
            format!(
                "OTHER={OTHER}\nexport ANTHROPIC_API_KEY=$OTHER\ngo() {{ cd /; ANTHROPIC_API_KEY={KEY} claude; }}\n"
            ),
            KEY,
        ),
        (format!("go() {{ ANTHROPIC_BASE_URL={GW} ANTHROPIC_AUTH_TOKEN={KEY} claude; cd /; }}\n"), KEY),
    ] {
        let world = World::new();
        world.agent("claude");
        world.link_ringlet();
        world.write("home/.zshrc", &text);
        let plan = world.run(&["migrate", "--dry-run"]).stdout;
        let said = plan.lines().find(|line| line.contains("claude gets an account by ")).expect(&text);
        let done = world.run(&["migrate", "--yes"]);
        // A run that moves something says it at its end as well.
        assert_eq!(done.stderr.contains(said.trim()), done.stderr.contains("cleaned "), "{done:?}");
        let commands: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
        for command in &commands {
            let mut shell = world.process("sh");
            shell.args(["-c", command]);
            let mut terminal = Terminal::start(shell);
            if command.contains("keychain set") {
                terminal.expect("(it is not shown): ");
                terminal.send(key);
            }
            let (status, shown) = terminal.end();
            assert!(status.success(), "{command}: {shown}");
        }
        let create = commands.last().expect("one makes the profile");
        let profile = create.split(' ').nth(3).expect("its name");
        let seen = world.run(&["exec", "--profile", profile, "claude"]).ok();
        assert!(seen.contains(&format!("={key}")), "{text} {seen}");
        let is_bearer = text.contains("ANTHROPIC_AUTH_TOKEN");
        assert_eq!(seen.contains(&format!("env=ANTHROPIC_AUTH_TOKEN={key}\n")), is_bearer, "{text} {seen}");
    }
}

#[test]
fn a_run_without_anything_to_move_says_what_it_looked_through() {
    let world = World::new();
    let rc = world.write("home/.zshrc", "alias ll='ls -l'\n");
    world.write("home/.zsh_history", "ls\n");
    let done = world.run(&["migrate", "--dry-run"]);
    for text in ["there is no key to move", "looked through 1 file that shells read", "-v lists them"] {
        assert!(done.stderr.contains(text), "{text}: {done:?}");
    }
    let listed = world.run(&["migrate", "--dry-run", "-v"]).ok();
    assert!(listed.contains("  ~/.zshrc\n") && listed.contains("  ~/.zsh_history  only looked through"), "{listed}");
    let seen: serde_json::Value =
        serde_json::from_str(&world.run(&["migrate", "--dry-run", "-v", "--json"]).ok()).expect("JSON");
    assert_eq!(seen["files"][0], serde_json::json!({"file": rc, "reported_only": false}));
    assert_eq!(seen["looked_through"], seen["files"].as_array().expect("a list").len());
}

#[test]
fn what_a_limit_leaves_out_is_named_and_fails_the_run() {
    let world = World::new();
    world.write("home/.zshrc", ". ~/f1\n");
    for level in 1..12 {
        world.write(format!("home/f{level}"), format!(". ~/f{}\n", level + 1));
    }
    let last = world.write("home/f12", format!("export OPENAI_API_KEY={KEY}\n"));
    for number in 0..201 {
        world.write(format!("home/.claude/todos/{number}.json"), "{}");
    }
    let done = world.run(&["migrate", "--dry-run"]);
    assert_eq!(done.status, Some(1), "{done:?}");
    let why = "it reads more than Ringlet follows, so a key in another file may be missed";
    for text in [
        &format!("~/f8: {why}: `ringlet migrate FILE` looks through one"),
        "~/.claude: of 201 records the latest 200 were looked through",
    ] {
        assert!(done.stderr.contains(text), "{text}: {}", done.stderr);
    }
    let done = world.run(&["migrate", "--dry-run", "--json"]);
    let seen: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(seen["troubles"][0]["file"], serde_json::json!(last.with_file_name("f8")));
    assert_eq!(seen["older_records"].as_array().map(Vec::len), Some(1));
    // A file that is named is looked through.
    let named = world.run(&["migrate", "--dry-run", last.to_str().expect("text")]);
    assert_eq!(named.status, Some(0), "{named:?}");
    assert!(world.run(&["doctor"]).stdout.contains(why));
}

#[test]
fn a_plan_as_json_has_all_that_a_person_is_shown() {
    let mut world = World::new();
    world.agent("claude");
    world.agent("codex");
    world.link_ringlet();
    world.set("GROQ_API_KEY", "gsk_TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12TESTmn34");
    let second = KEY.replace("TEST", "FAKE");
    let token = "gwTESTH2jvFAKEGNDs4fTESTk9Lq2FAKE";
    let text = format!(
        "{}export ANTHROPIC_API_KEY={second}\nyolo() {{ command claude \"$@\"; }}\n\
         use() {{\nexport OPENAI_BASE_URL=https://gw.example.net\nexport OPENAI_API_KEY={token}\n}}\n",
        zshrc()
    );
    world.write("home/.zshrc", text);
    let done = world.run(&["migrate", "--dry-run", "--json"]);
    assert_eq!(done.status, Some(3), "{done:?}");
    shows_no_key(&done.stdout);
    let plan: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(plan["keys"].as_array().map(Vec::len), Some(2), "{plan}");
    let reasons: Vec<_> = plan["keys"].as_array().expect("a list").iter().map(|key| &key["default_because"]).collect();
    assert!(reasons.iter().any(|why| why.is_string()) && reasons.iter().any(|why| why.is_null()), "{plan}");
    assert_eq!(plan["accounts"][0]["agents"], serde_json::json!(["claude"]));
    assert_eq!(plan["without_default"][0]["agent"], "codex");
    assert_eq!(plan["without_default"][0]["endpoint"], "https://gw.example.net");
    assert_eq!(plan["without_default"][0]["commands"][1][1], "profiles");
    assert_eq!(plan["past_hook"][0]["line"], 5);
    assert_eq!(plan["environment"], serde_json::json!(["GROQ_API_KEY"]));
    let row = plan["found"].as_array().expect("a list").iter().find(|row| row["reason"] == "pair").expect("a row");
    assert!(row["why"].is_string() && row["remedy"].is_string(), "{row}");
}

#[test]
fn different_keys_of_one_provider_are_shown_side_by_side_and_masked() {
    let world = World::new();
    let second = KEY.replace("TEST", "FAKE");
    world.write("home/.zshrc", zshrc());
    world.write("home/.bashrc", format!("export ANTHROPIC_API_KEY={second}\n"));
    let done = world.run(&["migrate", "--dry-run"]);
    assert!(!done.stdout.contains(&second[..20]), "{done:?}");
    shows_no_key(&done.stdout);
    let shown = done.ok();
    assert!(shown.contains("anthropic has 2 different keys:"), "{shown}");
    for row in ["anthropic/default", "anthropic/2"] {
        let line = shown.lines().find(|line| line.trim_start().starts_with(row)).expect(row);
        assert!(line.contains("sk-ant-") && line.contains("rc:"), "{line}");
    }
}

#[test]
fn what_is_left_to_do_is_said() {
    let world = World::new();
    let repository = world.path("home/dotfiles");
    let rc = world.write("home/dotfiles/zshrc", format!("{}curl -H \"x-api-key: $ANTHROPIC_API_KEY\" x\n", zshrc()));
    symlink(&rc, world.path("home/.zshrc")).expect("linked");
    let git = |words: &[&str]| {
        let mut command = world.process("git");
        finish(command.arg("-C").arg(&repository).args(["-c", "init.defaultBranch=main"]).args(words)).ok();
    };
    git(&["init", "-q"]);
    git(&["add", "zshrc"]);
    let envrc = world.write("home/project/.envrc", format!("export OPENAI_API_KEY={OTHER}\n"));
    let done = world.run(&["migrate", "--yes"]);
    for text in [
        "rotate these keys now",
        "~/.zshrc is tracked by git",
        "can be read by other users",
        "in shells that are open now, run: unset ANTHROPIC_API_KEY",
        "~/.zshrc:3 uses ANTHROPIC_API_KEY, whose key is in the keychain now",
        "add this line to ~/.zshrc",
    ] {
        assert!(done.stderr.contains(text), "{text}: {}", done.stderr);
    }
    let order = ["rotate these keys", "unset ANTHROPIC_API_KEY"].map(|text| done.stderr.find(text));
    assert!(order.is_sorted(), "what is needed most comes first");
    let named = envrc.to_string_lossy().into_owned();
    let plan = world.run(&["migrate", "--dry-run", &named]).ok();
    assert!(plan.contains("direnv will want to be told"), "{plan}");
    let done = world.run(&["migrate", "--yes", &named]);
    let allow = format!("run `direnv allow {}`", world.path("home/project").display());
    assert!(done.stderr.contains(&allow), "{done:?}");
}

/// Reads a watcher's lines; it is killed at the end.
struct Watcher {
    child: std::process::Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Watcher {
    fn start(world: &World, arguments: &[&str]) -> Self {
        let mut command = world.process(RINGLET);
        command.args(["migrate", "--watch"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        // It says so once it watches.
        let mut said = String::new();
        let stderr = child.stderr.take().expect("a pipe");
        let mut stderr = BufReader::new(stderr);
        stderr.read_line(&mut said).expect("readable");
        assert!(said.contains("watching"), "{said}");
        // What it says later must not block it.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let line = self.lines.next().expect("it goes on").expect("UTF-8");
        shows_no_key(&line);
        line
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_key_that_comes_back_is_named_at_once() {
    let world = World::new();
    let file = world.write("home/.zshrc", "# mine\n");
    let mut watcher = Watcher::start(&world, &[]);
    let append = |path: &Path, text: &str| {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).expect("writable");
        file.write_all(text.as_bytes()).expect("written");
    };
    append(&file, &format!("export ANTHROPIC_API_KEY={KEY}\n"));
    assert_eq!(watcher.line(), "~/.zshrc:2 has ANTHROPIC_API_KEY (anthropic) in plaintext");
    // As editors save: another file takes the name. The key that was there is not named again, the new one is.
    let next =
        world.write("home/.zshrc.new", format!("\n\n{}export OPENAI_API_KEY={OTHER}\n", world.read("home/.zshrc")));
    fs::rename(next, &file).expect("renamed");
    assert_eq!(watcher.line(), "~/.zshrc:5 has OPENAI_API_KEY (openai) in plaintext");
    // Taken out, and back again: named again. In a folder that was not there when the watch began.
    world.run(&["migrate", "--yes"]).ok();
    let late = world.write("home/.config/fish/conf.d/key.fish", format!("set -gx OPENAI_API_KEY {OTHER}\n"));
    assert_eq!(watcher.line(), "~/.config/fish/conf.d/key.fish:1 has OPENAI_API_KEY (openai) in plaintext");
    fs::remove_file(late).expect("removed");
    append(&file, &format!("export ANTHROPIC_API_KEY={KEY}\n"));
    assert_eq!(watcher.line(), "~/.zshrc:4 has ANTHROPIC_API_KEY (anthropic) in plaintext");
}

#[test]
fn a_watch_speaks_json_and_ends_with_its_reader() {
    let world = World::new();
    let target = world.write("home/dotfiles/env", "");
    symlink(&target, world.path("home/linked")).expect("linked");
    let named = world.path("home/linked").to_string_lossy().into_owned();
    let mut watcher = Watcher::start(&world, &["--json", &named]);
    // The change happens where the link leads.
    fs::write(&target, format!("A=1\nOPENAI_API_KEY={OTHER}\n")).expect("written");
    let row: serde_json::Value = serde_json::from_str(&watcher.line()).expect("JSON");
    assert_eq!(
        row,
        serde_json::json!({"file": named, "line": 2, "variable": "OPENAI_API_KEY", "provider": "openai", "reason": null})
    );
    let Watcher { child, lines } = &mut watcher;
    *lines = BufReader::new(
        Command::new("true").stdout(Stdio::piped()).spawn().expect("starts").stdout.take().expect("a pipe"),
    )
    .lines();
    fs::write(&target, format!("ANTHROPIC_API_KEY={KEY}\n")).expect("written");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_watch_judges_the_files_together_as_a_run_does() {
    let world = World::new();
    world.write("home/.secrets", "_K=gwTESTH2jvFAKEGNDs4fTESTk9Lq2FAKE\n");
    world.write("home/.zshrc", ". ~/.secrets\n");
    let mut watcher = Watcher::start(&world, &[]);
    // A value under a name that says nothing is a key where a known variable takes it over in another file.
    world.write("home/.zshrc", ". ~/.secrets\nexport OPENAI_API_KEY=$_K\n");
    assert_eq!(watcher.line(), "~/.zshrc:2 has OPENAI_API_KEY (openai) in plaintext");
    assert_eq!(watcher.line(), "~/.secrets:1 has _K (openai) in plaintext");
    // What a run would leave says so.
    world.write("home/.config/fish/config.fish", format!("set -gx ANTHROPIC_API_KEY {KEY} other\n"));
    assert_eq!(
        watcher.line(),
        "~/.config/fish/config.fish:1 has ANTHROPIC_API_KEY (anthropic) in plaintext; it is an element of a list"
    );
}

#[test]
fn a_watch_changes_nothing_and_takes_no_word_of_a_run() {
    let world = World::new();
    for word in ["--dry-run", "--yes", "--allow-file"] {
        let done: Done = world.run(&["migrate", "--watch", word]);
        assert_eq!(done.status, Some(2), "{done:?}");
    }
}

#[test]
fn the_hook_and_the_open_shells_are_those_of_the_files_that_were_edited() {
    let mut world = World::new();
    world.set("SHELL", "/usr/bin/zsh");
    let profile = "home/.config/powershell/Microsoft.PowerShell_profile.ps1";
    world.write(profile, format!("$env:ANTHROPIC_API_KEY = '{KEY}'\n"));
    let said = world.run(&["migrate", "--yes"]);
    for text in [
        "in shells that are open now, run: Remove-Item Env:ANTHROPIC_API_KEY",
        "add this line to ~/.config/powershell/Microsoft.PowerShell_profile.ps1",
        "Invoke-Expression (& ringlet hook powershell | Out-String)",
    ] {
        assert!(said.stderr.contains(text), "{text}: {}", said.stderr);
    }
    assert!(!said.stderr.contains("unset ") && !said.stderr.contains("zshrc"), "{}", said.stderr);
    assert!(!world.read(profile).contains(KEY));
    // Of two shells each has its own, and what no shell owns goes by SHELL.
    world.write(profile, format!("$env:OPENAI_API_KEY = '{OTHER}'\n"));
    world.write("home/.config/fish/config.fish", format!("set -gx OPENAI_API_KEY {OTHER}\n"));
    let said = world.run(&["migrate", "--yes"]).stderr;
    for text in [
        "in fish shells that are open now, run: set -e OPENAI_API_KEY",
        "in powershell shells that are open now, run: Remove-Item Env:OPENAI_API_KEY",
        "add this line to ~/.config/fish/config.fish",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    let (key, envrc) = (KEY.replace("TEST", "FAKE"), "home/project/.envrc");
    let file = world.write(envrc, format!("export ANTHROPIC_API_KEY={key}\n"));
    let said = world.run(&["migrate", "--yes", file.to_str().expect("text")]).stderr;
    assert!(said.contains("run: unset ANTHROPIC_API_KEY") && said.contains("add this line to ~/.zshrc"), "{said}");
}

#[test]
fn advice_names_no_provider_where_an_account_is_not_known_and_no_alias_of_another_key() {
    const URL: &str = "https://gw.example.net/v1";
    const ZAI: &str = "https://api.z.ai/api/anthropic";
    const DEEPSEEK: &str = "https://api.deepseek.com/anthropic";
    const TOKEN: &str = "sk-TESTq7FAKEw2TESTe9FAKEr4TESTt1FAKE";
    let run = |rc: &str, text: &str| {
        let world = World::new();
        world.agent("claude");
        world.link_ringlet();
        world.write(Path::new("home").join(rc), text);
        let done = world.run(&["migrate", "--dry-run"]);
        let plan = world.run(&["migrate", "--dry-run", "--json"]).stdout;
        (done.stdout + &done.stderr, serde_json::from_str::<serde_json::Value>(&plan).expect("a plan"))
    };
    let launcher = format!("ANTHROPIC_BASE_URL={URL} ANTHROPIC_AUTH_TOKEN={TOKEN} claude");
    let other = launcher.replace(URL, ZAI).replace("q7", "q8");
    for (rc, text) in [
        (".zshrc", format!("k() {{ export ANTHROPIC_BASE_URL={URL} >x; ANTHROPIC_AUTH_TOKEN={TOKEN} claude; }}\n")),
        (".zshrc", format!("k() {{ case $1 in a) {launcher};; *) {other};; esac; }}\n")),
        (
            ".zshrc",
            format!("k() {{ if [ -n \"$1\" ]; then ANTHROPIC_AUTH_TOKEN={TOKEN} claude; else {other}; fi; }}\n"),
        ),
        (".zshrc", format!("k() {{ cd /; eval \"{launcher}\"; }}\n")),
        (".zshrc", format!("export ANTHROPIC_BASE_URL={URL} ANTHROPIC_BASE_URL={ZAI} ANTHROPIC_AUTH_TOKEN={TOKEN}\n")),
        (".zshrc", format!("export ANTHROPIC_BASE_URL={URL}\nif x; then export ANTHROPIC_AUTH_TOKEN={TOKEN}; fi\n")),
        (".zshrc", format!("export ANTHROPIC_BASE_URL={URL}\nf() {{ export ANTHROPIC_AUTH_TOKEN={TOKEN}; }}\n")),
        (".zshrc", format!("u() {{ export ANTHROPIC_BASE_URL={URL}; }}\nexport ANTHROPIC_AUTH_TOKEN={TOKEN}\n")),
        (".zshrc", format!("x && export ANTHROPIC_BASE_URL={URL}\nexport ANTHROPIC_AUTH_TOKEN={TOKEN}\n")),
        (".zshrc", format!("export ANTHROPIC_BASE_URL=$(x) ANTHROPIC_AUTH_TOKEN={TOKEN}\n")),
        (".zshrc", format!("export ANTHROPIC_BASE_URL={DEEPSEEK} ANTHROPIC_API_KEY={KEY}\n")),
        (".zshrc", format!("f() {{ export ANTHROPIC_BASE_URL={DEEPSEEK} ANTHROPIC_API_KEY={KEY}; }}\n")),
        (
            ".config/nushell/config.nu",
            format!(
                "def k [] {{ with-env {{ANTHROPIC_BASE_URL: '{URL}', ANTHROPIC_AUTH_TOKEN: '{TOKEN}'}} {{ claude }} }}\n"
            ),
        ),
    ] {
        let (said, plan) = run(rc, &text);
        let advice: Vec<&str> = said.lines().filter(|line| line.contains("gets an account by ")).collect();
        let is_general = |line: &&str| line.contains("create --help`") && !line.contains("keychain set");
        assert!(advice.iter().all(is_general), "{text}{said}");
        for withheld in plan["without_default"].as_array().expect("a list") {
            assert!(withheld["provider"].is_null() && withheld["endpoint"].is_null(), "{text}{withheld}");
            assert_eq!(withheld["commands"], serde_json::json!([]), "{text}");
        }
        for found in plan["found"].as_array().expect("a list").iter().filter(|_| text.contains(KEY)) {
            assert_eq!(found["provider"], "anthropic", "{text}{found}");
        }
    }
    // The place is that of what empties the variable.
    for text in [
        format!("export ANTHROPIC_API_KEY={KEY}\n\nunset ANTHROPIC_API_KEY\n"),
        format!("export ANTHROPIC_BASE_URL={URL} ANTHROPIC_AUTH_TOKEN={TOKEN}\n\nunset ANTHROPIC_AUTH_TOKEN\n"),
    ] {
        let (said, _) = run(".zshrc", &text);
        assert!(said.contains("is emptied or unset later (~/.zshrc:3)"), "{said}");
    }
    // The key of a launcher that stays gets an alias of its own.
    let second = KEY.replace("TEST", "FAKE");
    let text = format!("export ANTHROPIC_API_KEY={KEY}\nk() {{ cd /; ANTHROPIC_API_KEY={second} claude; }}\n");
    let (said, _) = run(".zshrc", &text);
    assert!(said.contains("`ringlet keychain set anthropic claude`"), "{said}");
    assert!(said.contains("--provider anthropic --key-alias claude`"), "{said}");
}
