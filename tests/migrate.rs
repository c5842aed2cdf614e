//! `ringlet migrate`: the corpus through the program, bad input, and a kill and an error at every system call that
//! writes.

use super::common::world::{Done, World, finish};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

const KEY: &str = "sk-ant-api03-TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12TESTmn34FAKEop56";
const OLD: &str = "sk-ant-api03-TESTzz98FAKEyy87TESTxx76FAKEww65TESTvv54FAKEuu43TESTtt32FAKEss21";

/// A case of the corpus.
struct Case {
    name: String,
    expect: toml::Table,
    input: Vec<u8>,
    expected: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrate-corpus/cases");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the corpus") {
        let path = entry.expect("readable").path();
        let file = |prefix: &str| {
            let mut files = fs::read_dir(&path).expect("a case").map(|it| it.expect("readable").path());
            let it = files.find(|it| it.file_name().expect("named").to_string_lossy().starts_with(prefix));
            fs::read(it.expect(prefix)).expect("readable")
        };
        let expect = String::from_utf8(file("expect.toml")).expect("UTF-8").parse().expect("TOML");
        let name = path.file_name().expect("named").to_string_lossy().into_owned();
        found.push(Case { name, expect, input: file("input."), expected: file("expected.") });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(found.len() >= 44, "the whole corpus");
    found
}

fn text<'t>(table: &'t toml::Table, key: &str) -> &'t str {
    table.get(key).and_then(toml::Value::as_str).unwrap_or_default()
}

fn tables<'t>(table: &'t toml::Table, key: &str) -> Vec<&'t toml::Table> {
    table.get(key).and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_table).collect()
}

/// What the file store holds.
fn stored(world: &World) -> BTreeMap<String, String> {
    let file = world.path("home/.config/ringlet/credentials.toml");
    let Ok(text) = fs::read_to_string(file) else { return BTreeMap::new() };
    let table: toml::Table = text.parse().expect("credentials.toml is whole");
    let mut found = BTreeMap::new();
    for (provider, aliases) in &table {
        for (alias, entry) in aliases.as_table().expect("tables") {
            found.insert(format!("{provider}/{alias}"), entry["key"].as_str().expect("text").to_owned());
        }
    }
    found
}

/// All files below the home but the store itself.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Asserts that no file of ringlet's own, but the file store, holds a key. Nothing that a journal recorded of the
/// user's files holds a piece of one; a path, a provider or a digest may equal a piece by chance.
#[track_caller]
fn no_piece_in_state(world: &World, values: &[&str]) {
    let mut found = Vec::new();
    files(&world.path("home/.local"), &mut found);
    files(&world.path("home/.ringlet"), &mut found);
    let holds = |bytes: &[u8], length: usize| {
        let mut pieces = values.iter().flat_map(|value| value.as_bytes().windows(length));
        pieces.any(|piece| memchr::memmem::find(bytes, piece).is_some())
    };
    for path in found {
        let bytes = fs::read(&path).expect("readable");
        assert!(!holds(&bytes, 16), "{} holds a key", path.display());
        if path.file_name().is_some_and(|name| name == "journal.json") {
            let journal = serde_json::from_slice(&bytes).expect("JSON");
            let mut texts = Vec::new();
            recorded_texts(&journal, &mut texts);
            let torn = texts.iter().find(|text| holds(text.as_bytes(), 8));
            assert_eq!(torn, None, "{} holds a piece of a key", path.display());
        }
    }
}

/// What a journal holds of the user's files.
fn recorded_texts<'j>(journal: &'j serde_json::Value, into: &mut Vec<&'j str>) {
    match journal {
        serde_json::Value::Array(values) => values.iter().for_each(|value| recorded_texts(value, into)),
        serde_json::Value::Object(fields) => fields.iter().for_each(|(name, value)| match value.as_str() {
            Some(text) if ["text", "bytes", "locked"].contains(&name.as_str()) => into.push(text),
            _ => recorded_texts(value, into),
        }),
        _ => {}
    }
}

#[track_caller]
fn no_value_shown(done: &Done, values: &[&str]) {
    for value in values {
        // The mask shows seven and four.
        for piece in value.as_bytes().windows(16) {
            let piece = std::str::from_utf8(piece).expect("ASCII");
            assert!(!done.stdout.contains(piece) && !done.stderr.contains(piece), "a key was shown: {done:?}");
        }
    }
}

fn strays(world: &World) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&world.path("home"), &mut found);
    found.retain(|path| {
        let name = path.file_name().expect("named").to_string_lossy().into_owned();
        // The store's and the profiles' own are written whole by others, and as private as what they stand beside. The
        // dates of keys hold nothing of a key; `doctor` names what is left there, and a later record takes it away.
        let theirs = ["home/.config/ringlet", "home/.ringlet", "home/.local/state/ringlet/dates"]
            .map(|folder| world.path(folder));
        name.starts_with(".ringlet-") && !theirs.iter().any(|folder| path.starts_with(folder))
    });
    found
}

// A profile's account of one agent: profile, agent, provider, alias, endpoint, model, default.
type Account = (String, String, String, String, Option<String>, Option<String>, bool);

fn named_agents(case: &Case) -> BTreeSet<String> {
    let kept = case.expect.get("no_default").and_then(toml::Value::as_array);
    let kept = kept.into_iter().flatten().filter_map(toml::Value::as_str).map(str::to_owned);
    tables(&case.expect, "profile").iter().map(|it| text(it, "agent").to_owned()).chain(kept).collect()
}

fn profiles(world: &World, case: &Case) -> BTreeSet<Account> {
    let json = |words: &[&str]| -> serde_json::Value { serde_json::from_str(&world.run(words).stdout).expect("JSON") };
    let agents = named_agents(case);
    let mut found = BTreeSet::new();
    for row in json(&["profiles", "list", "--json"]).as_array().expect("a list") {
        let name = row["name"].as_str().expect("a name");
        let profile = json(&["profiles", "inspect", name, "--json"]);
        for (agent, account) in profile["agents"].as_object().expect("a table") {
            if !agents.contains(agent) {
                continue;
            }
            let word = |key: &str| account[key].as_str().map(|word| word.trim_end_matches('/').to_owned());
            let key = word("key").unwrap_or_default();
            let alias = key.split_once('/').map(|(_, alias)| alias.to_owned()).unwrap_or_default();
            let is_default = row["default"] == true;
            let provider = word("provider").unwrap_or_default();
            found.insert((
                name.to_owned(),
                agent.clone(),
                provider,
                alias,
                word("endpoint"),
                word("model"),
                is_default,
            ));
        }
    }
    found
}

fn wanted_profiles(case: &Case) -> BTreeSet<Account> {
    let account = |it: &&toml::Table| {
        let word = |key: &str| it.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let own = |key: &str| text(it, key).to_owned();
        let is_default = it["default"].as_bool().expect("a boolean");
        (own("name"), own("agent"), own("provider"), own("alias"), word("endpoint"), word("model"), is_default)
    };
    tables(&case.expect, "profile").iter().map(account).collect()
}

fn run_case(case: &Case) -> Result<(), String> {
    let world = World::new();
    world.link_ringlet();
    for agent in case.expect.get("on-path").and_then(toml::Value::as_array).into_iter().flatten() {
        world.agent(agent.as_str().expect("a command"));
    }
    let path = text(&case.expect, "path");
    let file = match path.strip_prefix("~/") {
        Some(rest) => world.write(Path::new("home").join(rest), &case.input),
        None => world.write(Path::new("home/project").join(path.trim_start_matches("./")), &case.input),
    };
    world.chmod(&file, 0o640);
    let shown = file.to_string_lossy().into_owned();
    let explicit = text(&case.expect, "scope") == "explicit";
    let with = |words: &[&'static str]| {
        let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        words.extend(explicit.then(|| shown.clone()));
        words
    };
    let run = |words: &[&'static str]| {
        let words = with(words);
        world.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let check = |what: &str, good: bool| if good { Ok(()) } else { Err(format!("{}: {what}", case.name)) };
    let found = tables(&case.expect, "found");
    let values: Vec<&str> = found.iter().map(|it| text(it, "value")).filter(|value| value.len() >= 20).collect();

    let left = |it: &&toml::Table| text(it, "action") == "reported" && text(it, "reason") != "not-agent-key";
    let status = match case.expect.get("status").and_then(toml::Value::as_integer) {
        Some(status) => i32::try_from(status).ok(),
        None => Some(if found.iter().any(left) { 3 } else { 0 }),
    };
    let plan = run(&["migrate", "--dry-run", "--json"]);
    check(&format!("the dry run fails: {plan:?}"), plan.status == status)?;
    check("a dry run changes nothing", fs::read(&file).expect("there") == case.input && stored(&world).is_empty())?;
    let rows: serde_json::Value = serde_json::from_str(&plan.stdout).map_err(|error| error.to_string())?;
    let rows = rows["found"].as_array().cloned().unwrap_or_default();
    let row = |it: &serde_json::Value| {
        let word = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
        (it["line"].as_u64().unwrap_or(0), word("provider"), word("action"), word("alias"))
    };
    // Whose key it is that only says so by its name is free.
    let is_free = |it: &serde_json::Value| it["reason"] == "unknown-name";
    let row = |it: &serde_json::Value| {
        let (line, provider, action, alias) = row(it);
        (line, if is_free(it) { String::new() } else { provider }, action, alias)
    };
    let listed: BTreeSet<_> = rows.iter().map(row).collect();
    let wanted: BTreeSet<_> = found
        .iter()
        .filter(|it| text(it, "action") != "ignored")
        .map(|it| {
            let line = it["line"].as_integer().and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
            (line, text(it, "provider").to_owned(), text(it, "action").to_owned(), text(it, "alias").to_owned())
        })
        .collect();
    check(&format!("lists\n  {listed:?}\nand not\n  {wanted:?}"), listed == wanted)?;

    let inode = fs::metadata(&file).expect("there").uid();
    let done = run(&["migrate", "--yes"]);
    check(&format!("fails: {done:?}"), done.status == status)?;
    no_value_shown(&plan, &values);
    no_value_shown(&done, &values);
    let now = fs::read(&file).expect("there");
    check(
        &format!("bytes\n{}\nand not\n{}", String::from_utf8_lossy(&now), String::from_utf8_lossy(&case.expected)),
        now == case.expected,
    )?;
    let meta = fs::metadata(&file).expect("there");
    check("mode and owner", meta.mode() & 0o7777 == 0o640 && meta.uid() == inode)?;
    let keychain: BTreeMap<String, String> = tables(&case.expect, "keychain")
        .iter()
        .map(|it| (format!("{}/{}", text(it, "provider"), text(it, "alias")), text(it, "value").to_owned()))
        .collect();
    check(&format!("keys {:?}", stored(&world).keys()), stored(&world) == keychain)?;
    no_piece_in_state(&world, &values);
    check("strays", strays(&world).is_empty())?;
    let (made, wanted) = (profiles(&world, case), wanted_profiles(case));
    check(&format!("profiles\n  {made:?}\nand not\n  {wanted:?}"), made == wanted)?;

    let again = run(&["migrate", "--yes"]);
    // Only the run that moves a key knows its value in every other place.
    check(&format!("second run: {again:?}"), [status, Some(0)].contains(&again.status))?;
    check(
        "the second run changes something",
        fs::read(&file).expect("there") == case.expected && stored(&world) == keychain,
    )?;
    if case.input != case.expected {
        let undone = world.run(&["migrate", "undo"]);
        check(&format!("undo: {undone:?}"), undone.status == Some(0))?;
        no_value_shown(&undone, &values);
        check("undo gives the input back", fs::read(&file).expect("there") == case.input)?;
        check("mode after undo", fs::metadata(&file).expect("there").mode() & 0o7777 == 0o640)?;
        check("undo keeps the keys", stored(&world) == keychain)?;
    }
    Ok(())
}

#[test]
fn every_case_of_the_corpus_is_scrubbed_stored_reported_and_taken_back() {
    let wrong: Vec<String> = cases().iter().filter_map(|case| run_case(case).err()).collect();
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

fn zshrc() -> String {
    format!(
        "# mine\nexport EDITOR=vim\nexport ANTHROPIC_API_KEY=\"{KEY}\"\n#export ANTHROPIC_API_KEY={OLD}\nalias ll='ls -l'\n"
    )
}

const CLEAN: &str =
    "# mine\nexport EDITOR=vim\n#export ANTHROPIC_API_KEY=<moved-to-ringlet:anthropic/commented>\nalias ll='ls -l'\n";

fn both() -> BTreeMap<String, String> {
    [("anthropic/default", KEY), ("anthropic/commented", OLD)].map(|(name, key)| (name.into(), key.into())).into()
}

#[test]
fn a_symlinked_file_stays_a_symlink_and_its_target_is_cleaned() {
    let world = World::new();
    let target = world.write("home/dotfiles/zshrc", zshrc());
    symlink(&target, world.path("home/.zshrc")).expect("a link");
    world.run(&["migrate", "--yes"]).ok();
    assert!(world.path("home/.zshrc").is_symlink());
    assert_eq!(fs::read_to_string(&target).expect("there"), CLEAN);
    assert_eq!(stored(&world), both());
    world.run(&["migrate", "undo"]).ok();
    assert!(world.path("home/.zshrc").is_symlink());
    assert_eq!(fs::read_to_string(&target).expect("there"), zshrc());
}

#[test]
fn a_hard_linked_file_keeps_its_links() {
    let world = World::new();
    let file = world.write("home/.zshrc", zshrc());
    let other = world.path("home/copy");
    fs::hard_link(&file, &other).expect("a link");
    world.run(&["migrate", "--yes"]).ok();
    assert_eq!(fs::read_to_string(&other).expect("there"), CLEAN);
    assert_eq!(fs::metadata(&file).expect("there").ino(), fs::metadata(&other).expect("there").ino());
    world.run(&["migrate", "undo"]).ok();
    assert_eq!(fs::read_to_string(&other).expect("there"), zshrc());
    assert!(strays(&world).is_empty());
}

#[test]
fn the_copy_that_zsh_compiled_goes_too() {
    let world = World::new();
    world.write("home/.zshrc", zshrc());
    let compiled = world.write("home/.zshrc.zwc", format!("\x07binary {KEY}"));
    world.run(&["migrate", "--yes"]).ok();
    assert!(!compiled.exists());
}

#[test]
fn extended_attributes_survive() {
    let world = World::new();
    let file = world.write("home/.zshrc", zshrc());
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&file, "user.note", b"mine", flags).expect("the file system has attributes");
    world.run(&["migrate", "--yes"]).ok();
    let mut value = [0; 16];
    assert_eq!(rustix::fs::getxattr(&file, "user.note", &mut value[..]), Ok(4));
    assert_eq!(&value[..4], b"mine");
}

#[test]
fn a_key_that_shares_characters_with_what_the_journal_names_is_moved_and_comes_back() {
    let world = World::new();
    let path = world.path("home/.zshrc");
    let folder = path.parent().expect("a home").to_string_lossy().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let text = format!(
        "export ANTHROPIC_API_KEY=litellm-anthropic-default-deadbeef01c0ffee23 # of ANTHROPIC_API_KEY\n\
        export OPENAI_API_KEY=gw{folder}-zshrc-deadbeef01c0ffee23\n\
        export ANTHROPIC_AUTH_TOKEN=export-ANTHROPIC_AUTH-20261101-commented-deadbeef01\n"
    );
    world.write("home/.zshrc", &text);
    world.run(&["migrate", "--yes"]).ok();
    assert_eq!(world.read("home/.zshrc"), "");
    world.run(&["migrate", "undo"]).ok();
    assert_eq!(world.read("home/.zshrc"), text);
}

#[test]
fn a_word_beside_a_key_that_stands_in_a_key_which_stays_does_not_keep_the_file() {
    let world = World::new();
    let stays = "litellm-anthropic-deadbeef01c0ffee23d180";
    let text = format!(
        "export OPENAI_API_KEY={THIRD} # not anthropic, of the OPENAI_API_KEY page\n\
        curl -H 'x-api-key: {stays}' ANTHROPIC_API_KEY={stays} example.org\n"
    );
    world.write("home/.zshrc", &text);
    let done = world.run(&["migrate", "--yes"]);
    assert_eq!(done.status, Some(3), "{done:?}");
    assert!(!world.read("home/.zshrc").contains(THIRD));
    no_piece_in_state(&world, &[THIRD, stays]);
    world.run(&["migrate", "undo"]).ok();
    assert_eq!(world.read("home/.zshrc"), text);
}

#[test]
fn a_file_that_is_only_looked_through_leaves_a_key_and_is_no_failure() {
    for (start, text) in [
        (".bashrc", "eval \"$(cat ~/.keys)\"\n"),
        (".zshrc", "fpath=(~ $fpath)\nautoload -Uz .keys\n"),
        (".config/fish/config.fish", "bass source ~/.keys\n"),
    ] {
        let world = World::new();
        world.write(format!("home/{start}"), text);
        world.write("home/.keys", format!("export OPENAI_API_KEY={THIRD}\n"));
        for words in [&["migrate", "--dry-run"][..], &["migrate", "--yes"]] {
            let done = world.run(words);
            assert_eq!(done.status, Some(3), "{start} {done:?}");
            assert!(done.stdout.contains("~/.keys:1  OPENAI_API_KEY"), "{start} {done:?}");
            assert!(!done.stderr.contains("cannot be edited"), "{start} {done:?}");
        }
    }
}

#[test]
fn the_hook_goes_where_the_users_shell_reads_it_and_a_shell_without_one_is_told() {
    let key = format!("export OPENAI_API_KEY={THIRD}\n");
    let script = format!("#!/usr/bin/fish\nset -x OPENAI_API_KEY {THIRD}\nexec codex $argv\n");
    let zdotdir = "export ZDOTDIR=\"${ZDOTDIR:-$HOME/.config/zsh}\"\n";
    for (shell, files, said, unsaid) in [
        (
            "zsh",
            [(".zshenv", zdotdir), (".config/zsh/.zshrc", &key)],
            "add this line to ~/.config/zsh/.zshrc",
            "/.bash",
        ),
        (
            "zsh",
            [(".zshenv", &format!("{zdotdir}{key}")), ("x", "")],
            "add this line to ~/.config/zsh/.zshrc",
            "/.bash",
        ),
        (
            "ksh",
            [(".profile", &key), ("x", "")],
            "ksh has no hook: start agents there by `ringlet exec codex`",
            "add this",
        ),
        (
            "dash",
            [(".profile", &key), ("x", "")],
            "sh has no hook: start agents there by `ringlet exec codex`",
            "add this",
        ),
        ("bash", [(".profile", &key), ("x", "")], "add this line to ~/.bashrc", "no hook"),
        // A script's language is no shell of the user's.
        ("ksh", [("bin/ai", &script), ("x", "")], "ksh has no hook", "config.fish"),
    ] {
        let mut world = World::new();
        world.link_ringlet();
        world.agent("codex");
        world.set("SHELL", format!("/bin/{shell}"));
        files.iter().for_each(|(name, text)| drop(world.write(format!("home/{name}"), text)));
        let done = world.run(&["migrate", "--yes"]);
        assert!(done.stderr.contains(said), "{shell}: {done:?}");
        assert!(!done.stderr.contains(unsaid), "{shell}: {done:?}");
    }
}

#[test]
fn a_read_only_file_keeps_its_key_which_is_stored_all_the_same() {
    let world = World::new();
    let file = world.write("home/.zshrc", zshrc());
    world.chmod(&file, 0o444);
    world.run(&["migrate", "--yes"]).fails(1, &["~/.zshrc still holds its keys", "read-only"]);
    assert_eq!(world.read("home/.zshrc"), zshrc());
    assert_eq!(stored(&world), both());
    world.chmod(&file, 0o644);
    world.run(&["migrate", "--yes"]).ok();
    assert_eq!(world.read("home/.zshrc"), CLEAN);
    assert_eq!(stored(&world), both());
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
    let world = World::new();
    let fifo = world.path("home/fifo");
    finish(world.process("mkfifo").arg(&fifo)).ok();
    let large = world.path("home/large.sh");
    fs::File::create(&large).expect("made").set_len(50 << 20).expect("grown");
    symlink("nowhere", world.path("home/dangling")).expect("a link");
    for (path, says) in [
        ("home/fifo", "it is a FIFO, not a regular file"),
        ("home/project", "it is a directory, not a regular file"),
        ("home/large.sh", "larger than 16 MiB"),
        ("home/dangling", "symlink to nothing"),
        ("home/absent", "No such file"),
    ] {
        let path = world.path(path).to_string_lossy().into_owned();
        world.run(&["migrate", "--yes", &path]).fails(1, &[says]);
    }
    world.write("home/.zshrc", zshrc());
    let (good, bad) = (world.path("home/.zshrc"), fifo);
    world.run(&["migrate", "--yes", &good.to_string_lossy(), &bad.to_string_lossy()]).fails(1, &["FIFO"]);
    assert_eq!(world.read("home/.zshrc"), CLEAN);
}

#[test]
fn a_key_that_is_there_already_is_used_and_another_one_is_not_overwritten() {
    let world = World::new();
    world.store_key("anthropic/default", "sk-ant-api03-ANOTHER-ONE-ALTOGETHER");
    world.store_key("anthropic/work", OLD);
    world.write("home/.zshrc", zshrc());
    world.run(&["migrate", "--yes"]).ok();
    let keys = stored(&world);
    assert_eq!(keys["anthropic/default"], "sk-ant-api03-ANOTHER-ONE-ALTOGETHER");
    assert_eq!(keys["anthropic/2"], KEY);
    assert_eq!(keys.len(), 3);
    assert!(world.read("home/.zshrc").contains("<moved-to-ringlet:anthropic/work>"));
}

#[test]
fn without_a_keychain_the_plain_file_needs_consent() {
    let world = World::bare();
    world.write("home/.zshrc", zshrc());
    world.run(&["migrate", "--yes"]).fails(1, &["there is no keychain", "--allow-file"]);
    assert_eq!(world.read("home/.zshrc"), zshrc());
    assert!(stored(&world).is_empty());
    world.run(&["migrate", "--yes", "--allow-file"]).ok();
    assert_eq!(world.read("home/.zshrc"), CLEAN);
}

#[test]
fn without_a_terminal_or_yes_nothing_happens() {
    let world = World::new();
    world.write("home/.zshrc", zshrc());
    let done = finish(world.process("setsid").args(["-w", super::common::world::RINGLET, "migrate"]));
    done.fails(1, &["there is no terminal to ask on", "--yes"]);
    assert_eq!(world.read("home/.zshrc"), zshrc());
    assert!(stored(&world).is_empty());
}

#[test]
fn two_runs_at_once_are_one_too_many() {
    let world = World::new();
    world.write("home/.zshrc", zshrc());
    let folder = world.path("home/.local/state/ringlet/migrate");
    fs::create_dir_all(&folder).expect("a folder");
    let lock = fs::File::create(folder.join("lock")).expect("a file");
    lock.lock().expect("locked");
    world.run(&["migrate", "--yes"]).fails(1, &["another run of `ringlet migrate` is at work"]);
    world.run(&["migrate", "undo"]).fails(1, &["another run"]);
    assert_eq!(world.read("home/.zshrc"), zshrc());
    // A program that another test starts at this moment may hold a copy of the descriptor.
    lock.unlock().expect("unlocked");
    world.run(&["migrate", "--yes"]).ok();
}

#[test]
fn undo_finds_the_places_in_an_edited_file_and_names_what_it_does_not_find() {
    let world = World::new();
    world.write("home/.zshrc", zshrc());
    world.run(&["migrate", "--yes"]).ok();
    world.write("home/.zshrc", format!("# a new first line\n{CLEAN}export LAST=1\n"));
    world.run(&["migrate", "undo"]).ok();
    assert_eq!(world.read("home/.zshrc"), format!("# a new first line\n{}export LAST=1\n", zshrc()));

    // A line exactly between the neighbours of one key: the other one comes back.
    world.run(&["migrate", "--yes"]).ok();
    let between = |text: &str| text.replace("#export", "# between\n#export");
    world.write("home/.zshrc", between(&world.read("home/.zshrc")));
    let done = world.run(&["migrate", "undo"]);
    done.fails(1, &["~/.zshrc:4", "`export ANTHROPIC_API_KEY=\"<anthropic/default>\"`", "were edited since"]);
    let wanted = format!("# a new first line\n{}export LAST=1\n", zshrc());
    let without = wanted.replace(&format!("export ANTHROPIC_API_KEY=\"{KEY}\"\n"), "");
    assert_eq!(world.read("home/.zshrc"), between(&without));
    world.run(&["migrate", "undo"]).fails(1, &["~/.zshrc:4", "were edited since"]);
    assert_eq!(world.read("home/.zshrc"), between(&without));
    world.write("home/.zshrc", &without);
    world.run(&["migrate", "undo"]).ok();
    assert_eq!(world.read("home/.zshrc"), wanted);
    world.run(&["migrate", "undo"]).fails(1, &["there is no run to take back"]);
}

#[test]
fn undo_finds_a_renamed_key_and_leaves_out_what_needs_a_lost_one() {
    let world = World::new();
    world.write("home/.zshrc", zshrc());
    world.run(&["migrate", "--yes"]).ok();
    world.store_key("anthropic/default", "sk-ant-api03-ROTATED-ROTATED-ROTATED");
    let done = world.run(&["migrate", "undo"]);
    let done = done.fails(1, &["~/.zshrc:3", "anthropic/default holds another key by now"]);
    no_value_shown(&done, &[KEY, OLD]);
    let key = format!("export ANTHROPIC_API_KEY=\"{KEY}\"\n");
    assert_eq!(world.read("home/.zshrc"), zshrc().replace(&key, ""), "the other key is back");
    world.run(&["keychain", "remove", "anthropic", "default"]).ok();
    world.run(&["migrate", "undo"]).fails(1, &["anthropic/default is no longer in", "ringlet keychain set"]);
    world.store_key("other/name", KEY);
    let done = world.run(&["migrate", "undo"]);
    assert_eq!(done.status, Some(0), "{done:?}");
    assert!(done.stderr.contains("anthropic/default is called other/name by now"), "{done:?}");
    assert_eq!(world.read("home/.zshrc"), zshrc());
}

#[test]
fn one_file_that_cannot_be_taken_back_does_not_keep_the_others() {
    let world = World::new();
    let other = format!("export OPENAI_API_KEY={THIRD}\n");
    world.write("home/.zshrc", zshrc());
    let second = world.write("home/.bashrc", &other);
    world.run(&["migrate", "--yes"]).ok();
    fs::remove_file(&second).expect("removed");
    let done = world.run(&["--json", "migrate", "undo"]);
    assert_eq!(done.status, Some(1), "{done:?}");
    assert_eq!(world.read("home/.zshrc"), zshrc());
    let said: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
    let files = said["files"].as_array().expect("a list");
    let of = |name: &str| files.iter().find(|file| file["file"].as_str().expect("text").ends_with(name)).expect(name);
    assert_eq!(of(".zshrc")["back"].as_array().map(Vec::len), Some(2));
    let left = &of(".bashrc")["left"][0];
    assert_eq!(
        (&left["line"], &left["keys"][0], &left["reason"]),
        (&1.into(), &"openai/default".into(), &"file".into())
    );
    world.write("home/.bashrc", "");
    world.run(&["migrate", "undo"]).ok();
    assert_eq!(world.read("home/.bashrc"), other);
}

#[test]
fn a_journal_that_cannot_be_read_is_named_and_keeps_no_other_run() {
    let world = World::new();
    world.write("home/.zshrc", zshrc());
    world.run(&["migrate", "--yes"]).ok();
    let folder = world.path("home/.local/state/ringlet/migrate");
    let run = |name: &str, text: &str| {
        fs::create_dir_all(folder.join(name)).expect("a folder");
        fs::write(folder.join(name).join("journal.json"), text).expect("written");
    };
    run("0-older", "{");
    let done = world.run(&["migrate", "undo"]);
    assert_eq!(done.status, Some(0), "{done:?}");
    assert!(done.stderr.contains("0-older/journal.json is damaged"), "{done:?}");
    assert_eq!(world.read("home/.zshrc"), zshrc());
    world.run(&["migrate", "--yes"]).ok();
    run("9-newer", "{\"version\": 99}");
    world.run(&["migrate", "undo"]).fails(1, &["9-newer/journal.json", "was written by a newer version of ringlet"]);
    world.run(&["migrate", "undo", "0-older"]).fails(1, &["0-older/journal.json", "is damaged"]);
    assert_ne!(world.read("home/.zshrc"), zshrc());
}

#[test]
fn a_journal_of_version_1_is_taken_back() {
    // As 0.1.0 wrote it, with digests of this file's own.
    let world = World::new();
    world.write("home/.zshrc", zshrc());
    world.run(&["migrate", "--yes"]).ok();
    let folder = world.path("home/.local/state/ringlet/migrate");
    let mut found = Vec::new();
    files(&folder, &mut found);
    let file = found.iter().find(|path| path.ends_with("journal.json")).expect("a journal");
    let mut journal: serde_json::Value = serde_json::from_slice(&fs::read(file).expect("there")).expect("JSON");
    journal["version"] = 1.into();
    journal.as_object_mut().expect("a journal").remove("made");
    for record in journal["files"].as_array_mut().expect("files") {
        record.as_object_mut().expect("a file").remove("pending");
        for cut in record["cuts"].as_array_mut().expect("cuts") {
            let context = cut.as_object_mut().expect("a cut").remove("context").expect("there");
            let cut = cut.as_object_mut().expect("a cut");
            cut.remove("number");
            cut.remove("length");
            cut.insert("column".into(), context["column"].clone());
            cut.insert("above".into(), context["above"][0]["mac"].clone());
            cut.insert("line".into(), context["line"]["mac"].clone());
        }
    }
    fs::write(file, serde_json::to_vec(&journal).expect("JSON")).expect("written");
    world.write("home/.zshrc", format!("# earlier\n{CLEAN}"));
    world.run(&["migrate", "undo"]).ok();
    assert_eq!(world.read("home/.zshrc"), format!("# earlier\n{}", zshrc()));
}

#[test]
fn the_next_claude_works() {
    let world = World::new();
    world.agent("claude");
    world.write("home/.zshrc", zshrc());
    world.run(&["migrate", "--yes"]).ok();
    let said = world.run(&["exec", "claude"]).ok();
    assert!(said.contains(&format!("={KEY}")), "{said}");
}

#[test]
fn an_endpoint_that_is_not_understood_keeps_its_agent_from_a_default_profile() {
    let launcher = "deepseek() {\n  export ANTHROPIC_BASE_URL=https://api.deepseek.com/anthropic\n  export ANTHROPIC_AUTH_TOKEN=sk-a8c3e107b52d94f6a8c3e107b52d94f6\n  claude\n}\n";
    for (more, profile) in [
        ("export ANTHROPIC_BASE_URL=$(cat url)\n", false),
        ("#export ANTHROPIC_BASE_URL=https://gateway.example\n", true),
        ("export ANTHROPIC_BASE_URL=https://gateway.example\n", true),
        (launcher, true),
        (&launcher.replace("claude", "cd /; claude"), false),
    ] {
        let world = World::new();
        world.link_ringlet();
        world.agent("claude");
        world.write("home/.zshrc", zshrc() + more);
        let done = world.run(&["migrate", "--yes"]);
        let claude = world.run(&["profiles", "inspect", "default"]).stdout.contains("claude");
        assert_eq!(claude, profile, "{more} {done:?}");
    }
}

#[test]
fn doctor_names_what_is_still_in_plaintext() {
    let world = World::new();
    world.write("home/.zshrc", zshrc());
    let done = world.run(&["doctor"]);
    assert_eq!(done.status, Some(1));
    assert!(done.stdout.contains("~/.zshrc:3") && done.stdout.contains("ANTHROPIC_API_KEY"), "{done:?}");
    no_value_shown(&done, &[KEY, OLD]);
    world.run(&["migrate", "--yes"]).ok();
    assert!(!world.run(&["doctor"]).stdout.contains("plaintext"));
}

/// How a run ended early.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Kill,
    Error,
}

/// The world that is killed and failed: a plain file, and a hard-linked one with another key and a launcher.
struct Rig {
    world: World,
    inputs: [(PathBuf, String, String); 2],
}

const THIRD: &str = "sk-proj-TESTqq11FAKErr22TESTss33FAKEtt44TESTuu55FAKEvv66TEST";
const FOURTH: &str = "sk-TESTkk12FAKEll34TESTmm56FAKEnn78TESToo90FAKEpp12";

impl Rig {
    fn new() -> Self {
        let world = World::new();
        world.link_ringlet();
        let first = world.write("home/.zshrc", zshrc());
        let url = "https://api.moonshot.ai/anthropic";
        let launcher = format!("ANTHROPIC_BASE_URL={url} ANTHROPIC_AUTH_TOKEN={FOURTH} claude");
        let text = format!("export OPENAI_API_KEY={THIRD}\nexport A=1\nkimi() {{ {launcher} \"$@\"; }}\n");
        let second = world.write("home/.bashrc", &text);
        fs::hard_link(&second, world.path("home/linked")).expect("a link");
        let clean = "export A=1\nkimi() { ringlet exec --profile kimi claude -- \"$@\"; }\n".to_owned();
        let inputs = [(first, zshrc(), CLEAN.to_owned()), (second, text, clean)];
        Self { world, inputs }
    }

    /// The profiles that there are, and the settings.
    fn profiles(&self) -> (BTreeSet<String>, String) {
        let folder = self.world.path("home/.ringlet/profiles");
        let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("readable").path());
        let names = entries.filter(|path| path.join("ringlet.toml").exists());
        let names = names.map(|path| path.file_name().expect("named").to_string_lossy().into_owned());
        (names.collect(), self.world.read("home/.config/ringlet/config.toml"))
    }

    /// Asserts that the run's profiles are there with all their accounts, and that one is the default.
    #[track_caller]
    fn has_profiles(&self, what: &str) {
        let (names, settings) = self.profiles();
        assert_eq!(names, ["default", "kimi"].map(str::to_owned).into(), "{what}");
        assert!(settings.contains("default-profile = \"default\""), "{what}: {settings}");
        let account = |profile: &str, agent: &str| {
            let text = self.world.read(format!("home/.ringlet/profiles/{profile}/ringlet.toml"));
            let table: toml::Table = text.parse().expect("a profile is whole");
            let own = table.get("agents").and_then(|agents| agents.get(agent)).and_then(toml::Value::as_table);
            let own = own.unwrap_or(&table);
            let own = own.get("provider-config").and_then(toml::Value::as_table).unwrap_or(own);
            assert!(text.contains(agent), "{what}: {text}");
            own.get("key-alias").and_then(toml::Value::as_str).map(str::to_owned)
        };
        assert_eq!(account("default", "claude").as_deref(), Some("default"), "{what}");
        assert_eq!(account("default", "codex").as_deref(), Some("default"), "{what}");
        assert_eq!(account("kimi", "claude").as_deref(), Some("kimi"), "{what}");
    }

    /// Asserts that nothing is left of the run's profiles.
    #[track_caller]
    fn has_no_profiles(&self, what: &str) {
        let (names, settings) = self.profiles();
        assert_eq!(names, BTreeSet::new(), "{what}");
        assert_eq!(settings, "[credentials]\nbackend = \"file\"\n", "{what}");
    }

    fn strace(&self, options: &[&str], inject: &str, words: &[&str]) -> Done {
        let mut command = self.world.process("strace");
        let call = inject.split(':').next().expect("a call");
        let log = self.world.path("trace");
        command.arg("-f").arg("-o").arg(&log).args(options);
        command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={inject}")]);
        finish(command.arg(super::common::world::RINGLET).args(words))
    }

    fn kill(&self, call: &str, at: usize, words: &[&str]) -> Done {
        self.strace(&[], &format!("{call}:signal=SIGKILL:when={at}"), words)
    }

    fn fail(&self, call: &str, at: usize, error: &str, words: &[&str]) -> Done {
        // The filter in the kernel lets every other call pass at once; signals do not come through with it.
        let done = self.strace(&["--seccomp-bpf"], &format!("{call}:error={error}:when={at}"), words);
        assert!(self.world.read("trace").contains("(INJECTED)"), "{error} from {call} {at}: {done:?}");
        done
    }

    /// Asserts that every key is in its file or in the store, and that no file is torn but a hard-linked one after a kill.
    #[track_caller]
    fn nothing_lost(&self, what: &str, after: After) {
        let keys = stored(&self.world);
        for (path, input, clean) in &self.inputs {
            let now = fs::read_to_string(path).expect("there");
            let linked = fs::metadata(path).expect("there").nlink() > 1;
            assert!(
                now == *input || now == *clean || (after == After::Kill && linked),
                "{what}: {} is torn: {now}",
                path.display()
            );
            // What starts a profile never stands there without it, nor is a key gone that no default gives.
            let (profiles, settings) = self.profiles();
            assert!(!now.contains("--profile kimi") || profiles.contains("kimi"), "{what}: {now}");
            let is_default = profiles.contains("default") && settings.contains("default-profile");
            let variables = ["export ANTHROPIC_API_KEY=\"", "export OPENAI_API_KEY="];
            let is_gone = variables.iter().any(|name| input.contains(name) && !now.contains(name));
            assert!(!is_gone || is_default, "{what}: {now}");
            if now != *input {
                for key in [KEY, OLD, THIRD, FOURTH].iter().filter(|key| input.contains(**key)) {
                    assert!(keys.values().any(|value| value == key), "{what}: a key is lost");
                }
            }
        }
    }

    #[track_caller]
    fn completes(&self, what: &str) {
        let done = self.world.run(&["migrate", "--yes"]);
        assert_eq!(done.status, Some(0), "{what}: {done:?}");
        for (path, _, clean) in &self.inputs {
            assert_eq!(fs::read_to_string(path).expect("there"), *clean, "{what}");
        }
        let mut keys = both();
        keys.insert("openai/default".into(), THIRD.into());
        keys.insert("moonshot/kimi".into(), FOURTH.into());
        assert_eq!(stored(&self.world), keys, "{what}");
        assert_eq!(strays(&self.world), Vec::<PathBuf>::new(), "{what}");
        self.has_profiles(what);
        no_piece_in_state(&self.world, &[KEY, OLD, THIRD, FOURTH]);
    }

    fn is_undone(&self) -> bool {
        self.inputs.iter().all(|(path, input, _)| fs::read_to_string(path).expect("there") == *input)
    }

    #[track_caller]
    fn undoes(&self, what: &str) {
        let done = self.world.run(&["migrate", "undo"]);
        assert_eq!(done.status, Some(0), "{what}: {done:?}");
        for (path, input, _) in &self.inputs {
            assert_eq!(fs::read_to_string(path).expect("there"), *input, "{what}");
        }
        assert_eq!(strays(&self.world), Vec::<PathBuf>::new(), "{what}");
        self.has_no_profiles(what);
    }
}

const WRITING: &[&str] = &[
    "write",
    "renameat",
    "fsync",
    "unlink",
    "unlinkat",
    "fchmod",
    "ftruncate",
    "mkdir",
    "openat",
    "flock",
    "fchown",
    "fsetxattr",
    "chmod",
];

/// Which calls of this name an undisturbed run makes, counted from 1; of files that are opened, those that are there and
/// are not the system's.
fn places(rig: &Rig, call: &str, words: &[&str]) -> Vec<usize> {
    places_of(rig, call, words, 0)
}

/// The same of a run that ends with this status.
fn places_of(rig: &Rig, call: &str, words: &[&str], status: i32) -> Vec<usize> {
    let log = rig.world.path("trace");
    let mut command = rig.world.process("strace");
    command.arg("-o").arg(&log).args(["-e", &format!("trace={call}"), super::common::world::RINGLET]).args(words);
    let done = finish(&mut command);
    assert_eq!(done.status, Some(status), "{done:?}");
    let text = fs::read_to_string(log).expect("a trace");
    let own = rig.world.path("home");
    let own = own.to_str().expect("a name in UTF-8");
    let calls = text.lines().filter(|line| line.starts_with(&format!("{call}("))).enumerate();
    let counts = |line: &str| call != "openat" || line.contains(own) && !line.contains(" = -1 ");
    let places: Vec<usize> = calls.filter(|(_, line)| counts(line)).map(|(before, _)| before + 1).collect();
    assert!(call != "renameat" || !places.is_empty(), "nothing is renamed, or by another call");
    places
}

#[test]
fn killed_at_any_call_that_writes_a_run_completes_the_next_time() {
    for call in WRITING {
        for at in places(&Rig::new(), call, &["migrate", "--yes"]) {
            let rig = Rig::new();
            let what = format!("killed at {call} {at}");
            let done = rig.kill(call, at, &["migrate", "--yes"]);
            rig.nothing_lost(&what, After::Kill);
            rig.completes(&what);
            rig.undoes(&what);
            assert_eq!(done.status, None, "{what}: {done:?}");
        }
    }
}

#[test]
fn killed_at_any_call_that_writes_an_undo_completes_the_next_time() {
    for call in WRITING {
        let rig = Rig::new();
        rig.world.run(&["migrate", "--yes"]).ok();
        for at in places(&rig, call, &["migrate", "undo"]) {
            let rig = Rig::new();
            let what = format!("undo killed at {call} {at}");
            rig.world.run(&["migrate", "--yes"]).ok();
            let done = rig.kill(call, at, &["migrate", "undo"]);
            rig.nothing_lost(&what, After::Kill);
            let again = rig.world.run(&["migrate", "undo"]);
            assert!(matches!(again.status, Some(0 | 1)), "{what}: {again:?}");
            for (path, input, _) in &rig.inputs {
                assert_eq!(fs::read_to_string(path).expect("there"), *input, "{what}: {again:?}");
            }
            assert_eq!(strays(&rig.world), Vec::<PathBuf>::new(), "{what}");
            rig.has_no_profiles(&what);
            assert_eq!(done.status, None, "{what}: {done:?}");
        }
    }
}

#[test]
fn killed_at_any_call_that_writes_a_part_of_an_undo_does_the_rest_the_next_time() {
    let between = |text: &str| text.replace("#export", "# between\n#export");
    let prepared = || {
        let rig = Rig::new();
        rig.world.run(&["migrate", "--yes"]).ok();
        rig.world.write("home/.zshrc", between(CLEAN));
        rig
    };
    let part = between(&zshrc().replace(&format!("export ANTHROPIC_API_KEY=\"{KEY}\"\n"), ""));
    for call in WRITING {
        for at in places_of(&prepared(), call, &["migrate", "undo"], 1) {
            let rig = prepared();
            let what = format!("part of an undo killed at {call} {at}");
            let done = rig.kill(call, at, &["migrate", "undo"]);
            assert_eq!(done.status, None, "{what}: {done:?}");
            let again = rig.world.run(&["migrate", "undo"]);
            assert_eq!(again.status, Some(1), "{what}: {again:?}");
            assert_eq!(rig.world.read("home/.zshrc"), part, "{what}: {again:?}");
            assert_eq!(rig.world.read("home/.bashrc"), rig.inputs[1].1, "{what}: {again:?}");
            assert_eq!(strays(&rig.world), Vec::<PathBuf>::new(), "{what}");
            rig.world.write("home/.zshrc", part.replace("# between\n", ""));
            rig.undoes(&what);
        }
    }
}

#[test]
fn no_space_at_any_call_that_writes_loses_nothing() {
    any_failure_loses_nothing("ENOSPC");
}

#[test]
fn an_input_output_error_at_any_call_that_writes_loses_nothing() {
    any_failure_loses_nothing("EIO");
}

fn any_failure_loses_nothing(error: &str) {
    for call in WRITING {
        for at in places(&Rig::new(), call, &["migrate", "--yes"]) {
            let rig = Rig::new();
            let what = format!("{error} from {call} {at}");
            let done = rig.fail(call, at, error, &["migrate", "--yes"]);
            assert!(done.status.is_some() && !done.stderr.contains("panicked"), "{what}: {done:?}");
            rig.nothing_lost(&what, After::Error);
            rig.completes(&what);
            // A run that kept one file and the one that came to it later are two, and are taken back one by one.
            if !rig.is_undone() {
                rig.world.run(&["migrate", "undo"]).ok();
            }
            if !rig.is_undone() {
                rig.undoes(&what);
            }
        }
    }
}

#[test]
fn a_launcher_whose_agent_would_not_take_the_key_stays() {
    const KEY: &str = "AIzaTESTab12FAKEcd34TESTef56FAKEgh78TES";
    let text = format!("g() {{ GOOGLE_GEMINI_BASE_URL=https://gw.example.net GEMINI_API_KEY={KEY} gemini \"$@\"; }}\n");
    for (settings, stays) in [(None, true), (Some("oauth-personal"), true), (Some("gemini-api-key"), false)] {
        let world = World::new();
        world.agent("gemini");
        world.link_ringlet();
        world.write("home/.zshrc", &text);
        if let Some(kind) = settings {
            let chosen = serde_json::json!({"security": {"auth": {"selectedType": kind}}});
            world.write("home/.gemini/settings.json", chosen.to_string());
        }
        let plan = world.run(&["migrate", "--dry-run"]);
        assert_eq!(plan.status, Some(if stays { 3 } else { 0 }), "{settings:?} {plan:?}");
        assert_eq!(plan.stdout.contains("security.auth.selectedType"), stays, "{plan:?}");
        world.run(&["migrate", "--yes"]);
        assert_eq!(world.read("home/.zshrc") == text, stays, "{settings:?}");
    }
}

#[test]
fn a_script_in_another_language_is_looked_through() {
    // The vendor's whole form: only that tells a key in any text.
    let body = "TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12TESTmn34FAKEop56TESTqr78FAKEst90TESTuv12FAKEw";
    let key = format!("sk-ant-api03-{body}AA");
    let world = World::new();
    let script = format!("#!/usr/bin/env python3\nimport os\nos.environ[\"ANTHROPIC_API_KEY\"] = \"{key}\"\n");
    let file = world.write("home/bin/ask", &script);
    world.chmod(&file, 0o755);
    let done = world.run(&["migrate", "--yes"]);
    assert_eq!(done.status, Some(3), "{done:?}");
    assert!(done.stdout.contains("~/bin/ask:3") && !done.stdout.contains(&key), "{done:?}");
    assert_eq!(world.read("home/bin/ask"), script);
}

#[test]
fn settings_of_claudes_that_cannot_be_read_keep_its_keys() {
    let key = "sk-ant-api03-TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12TESTmn34FAKEop56";
    let text = format!("export ANTHROPIC_API_KEY={key}\n");
    let large = format!("{{\"x\": \"{}\"}}", "y".repeat(50 << 20));
    for (settings, stays) in [
        (large, true),
        ("{\"env\": {\"ANTHROPIC_BASE_URL\": \"https://gw.example.net\",}}".to_owned(), true),
        ("\u{feff}{\"env\": {\"ANTHROPIC_BASE_URL\": \"https://gw.example.net\"}}".to_owned(), true),
        ("{\"env\": {\"ANTHROPIC_BASE_URL\": \"a\", \"ANTHROPIC_BASE_URL\": \"\"}}".to_owned(), false),
        ("{\"env\": {}}".to_owned(), false),
    ] {
        let world = World::new();
        world.agent("claude");
        world.write("home/.zshrc", &text);
        world.write("home/.claude/settings.json", &settings);
        let done = world.run(&["migrate", "--yes"]);
        assert_eq!(done.status, Some(if stays { 3 } else { 0 }), "{} {done:?}", &settings[..20.min(settings.len())]);
        assert_eq!(world.read("home/.zshrc") == text, stays, "{done:?}");
    }
}

#[test]
fn what_only_a_function_an_alias_or_a_script_reads_is_at_no_top_level() {
    let pair = "export ANTHROPIC_BASE_URL=https://api.kimi.com/coding\n\
                export ANTHROPIC_AUTH_TOKEN=sk-kimi-TESTuK8FAKE2mVTESTq9FAKEw3nBTESTz7FAKEc5LpTEST\n";
    let key = "export ANTHROPIC_API_KEY=sk-ant-api03-TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12TESTmn34\n";
    for (reader, text, moved, default) in [
        ("ds() { source ~/.ds.env; claude \"$@\"; }\n", pair, false, false),
        ("ds() ( . ~/.ds.env; exec claude \"$@\" )\n", pair, false, false),
        ("alias ds='source ~/.ds.env && claude'\n", pair, false, false),
        ("ds() { source ~/.ds.env; }\n", key, true, false),
        ("ds() { source ~/.ds.env; }\nds\n", pair, true, true),
        ("[ -f ~/.ds.env ] && . ~/.ds.env\n", pair, true, true),
    ] {
        let world = World::new();
        world.agent("claude");
        world.link_ringlet();
        world.write("home/.zshrc", reader);
        world.write("home/.ds.env", text);
        world.run(&["migrate", "--yes"]);
        assert_eq!(world.read("home/.ds.env") != text, moved, "{reader}");
        let listed = world.run(&["profiles", "list"]).ok();
        assert_eq!(listed.contains("default"), default, "{reader} {listed}");
    }
}

#[test]
fn advice_that_would_be_refused_is_not_given_and_no_password_is_shown() {
    let key = "TESTJOi1FAKE9u6ATESTGTHbFAKE0001";
    for url in ["https://user:hush-hush@gw.example.net/x", "http://gw.example.net/x", "localhost:4000"] {
        let world = World::new();
        world.agent("claude");
        world.write("home/.zshrc", format!("export ANTHROPIC_BASE_URL={url}\nexport ANTHROPIC_AUTH_TOKEN={key}\n"));
        for words in [&["migrate", "--dry-run"][..], &["--json", "migrate", "--dry-run"], &["doctor"]] {
            let done = world.run(words);
            let all = done.stdout + &done.stderr;
            assert!(!all.contains("hush-hush") && !all.contains("profiles create claude"), "{url} {all}");
        }
    }
}
