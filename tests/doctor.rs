//! `ringlet doctor` reports what is wrong with the installation, and changes nothing.

#[cfg(target_os = "linux")]
use crate::common::keyring::{Keyring, State};
use crate::common::world::{KEY, World};

fn checks(world: &World) -> Vec<(String, String)> {
    let done = world.run(&["doctor", "--json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&done.stdout).expect("JSON");
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().expect("text").to_owned();
    let rows: Vec<_> = rows.iter().map(|row| (text(row, "grade"), text(row, "what"))).collect();
    let wrong = rows.iter().any(|(grade, _)| grade == "wrong");
    assert_eq!(done.status, Some(i32::from(wrong)), "{rows:?}");
    rows
}

fn says(world: &World, grade: &str, what: &str) {
    let rows = checks(world);
    assert!(rows.iter().any(|row| row.0 == grade && row.1.contains(what)), "{grade} {what:?} is not in {rows:?}");
}

#[test]
fn a_sound_installation_has_nothing_wrong() {
    let mut world = World::ready();
    world.set("RINGLET_SHELL", "zsh claude=ringlet");
    world.write("home/.zshrc", "eval \"$(ringlet hook zsh)\"\n");
    world.link_ringlet();
    world.run(&["completions", "--install"]).ok();
    world.run(&["man", "--install"]).ok();
    let seen = world.run(&["doctor"]).ok();
    for text in [
        "on PATH: claude",
        "the completions for bash are installed",
        "the manual pages are installed",
        "ok    the settings in ~/.config/ringlet/config.toml are right",
        "holds 1 key",
        "1 profile is right",
        "~/.zshrc loads the hook",
    ] {
        assert!(seen.contains(text), "{text:?} is not in {seen}");
    }
    assert!(!seen.contains("wrong") && !seen.contains("note"), "{seen}");
}

#[cfg(target_os = "linux")]
#[test]
fn each_mistake_is_found() {
    let mut world = World::ready();
    says(&world, "note", "no rc file loads the hook");
    world.profile("second", "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"gone\"\n");
    says(&world, "wrong", "profile \"second\" needs anthropic/gone");
    says(&world, "ok", "1 profile is right");
    world.profile("third", "agent = \"calude\"\nprovider = \"anthropic\"\n");
    says(&world, "wrong", "third/ringlet.toml:1:9: unknown agent");
    world.run(&["profiles", "default", "work"]).ok();
    world.run(&["profiles", "remove", "work"]).ok();
    says(&world, "wrong", "the default profile \"work\" cannot be read");
    world.set("OPENAI_API_KEY", "sk-leftover");
    says(&world, "wrong", "OPENAI_API_KEY is set in this shell");
    assert!(!world.run(&["doctor"]).stdout.contains("sk-leftover"));
    world.chmod(&world.path("home/.config/ringlet/credentials.toml"), 0o644);
    says(&world, "wrong", "it must be 0600");
    world.configure("[audit]\nenabled = true\npath = \"/dev/full\"\n");
    says(&world, "wrong", "/dev/full is not a regular file");
    std::fs::remove_file(world.path("bin/claude")).expect("removed");
    says(&world, "note", "claude: not found on PATH");
}

#[cfg(target_os = "linux")]
#[test]
fn the_state_of_the_keychain_is_told() {
    let mut keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.make_ready();
    says(&world, "ok", "the keychain answers and holds 1 key");
    assert!(!world.run(&["doctor"]).stdout.contains("locked"));
    keyring.lock();
    says(&world, "wrong", "the keychain is locked, so no launch gets a key");
    world.configure("[credentials]\ntimeout = 0.2\n");
    keyring.stop_service();
    says(&world, "wrong", "the keychain did not answer within ");
    drop(keyring);
    let keyring = Keyring::start(State::Absent);
    let world = World::on(&keyring);
    says(&world, "note", "there is no keychain, so keys are in a plain file");
}

#[test]
fn nothing_is_changed() {
    let world = World::bare();
    world.run(&["doctor"]).ok();
    assert_eq!(std::fs::read_dir(world.path("home")).expect("a home").count(), 1, "only the project");
}

#[test]
fn a_scope_for_a_key_that_is_not_there_is_named() {
    let world = World::ready();
    world.configure("[scope.\"anthropic/work\"]\nagents = [\"claude\"]\n[scope.\"anthropic/wrok\"]\npin = true\n");
    let said = world.run(&["doctor"]).stdout;
    assert!(said.contains("there is a scope for anthropic/wrok"), "{said}");
    assert!(!said.contains("scope for anthropic/work"), "{said}");
}

#[test]
fn a_wrong_settings_file_hides_nothing_else() {
    let world = World::ready();
    world.configure("[trsut]\n");
    let done = world.run(&["doctor"]);
    assert_eq!(done.status, Some(1), "{done:?}");
    for text in ["config.toml:3:", "did you mean", "what follows is as if it said nothing", "no rc file loads the hook"]
    {
        assert!(done.stdout.contains(text), "{text:?} is not in {done:?}");
    }
}

#[test]
fn keys_that_no_profile_uses_and_names_that_lead_past_ringlet_are_found() {
    let mut world = World::ready();
    world.store_key("anthropic/spare", KEY);
    says(&world, "note", "anthropic/spare and anthropic/work are the same key");
    world.store_key("anthropic/spare", "sk-ant-api03-OTHEROTHEROTHEROTHEROTHER");
    says(&world, "note", "no profile uses anthropic/spare");
    assert!(!world.run(&["doctor"]).stdout.contains("no profile uses anthropic/work"));
    world.set("SHELL", "/usr/bin/zsh");
    world.write("home/.zshrc", "source $HOME/f.zsh\neval \"$(ringlet hook zsh)\"\nalias cc=claude\n");
    world.write("home/f.zsh", "claude() { command claude --verbose \"$@\"; }\n");
    says(&world, "note", "~/f.zsh:1 defines a function claude of its own");
    assert!(!world.run(&["doctor"]).stdout.contains(".zshrc:3"), "an alias of another name hides nothing");
    for (kind, what) in [
        ("alias", "in this shell `claude` is an alias that leads past ringlet"),
        ("function", "in this shell `claude` is a function that is not ringlet's"),
        ("program", "in this shell `claude` is the program itself"),
    ] {
        world.set("RINGLET_SHELL", format!("zsh claude={kind}"));
        says(&world, "wrong", what);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_key_in_two_stores_is_named() {
    let keyring = Keyring::start(State::Unlocked);
    let world = World::on(&keyring);
    world.configure("[credentials]\nbackend = \"file\"\n");
    world.store_key("anthropic/work", KEY);
    world.store_key("anthropic/other", KEY);
    world.write("home/.config/ringlet/config.toml", "");
    world.store_key("anthropic/work", KEY);
    world.store_key("anthropic/once", KEY);
    says(&world, "note", "anthropic/work is in the keychain and, in plaintext, in ~/.config/ringlet/credentials.toml");
    let seen = world.run(&["doctor"]).stdout;
    assert!(!seen.contains("anthropic/other is in") && !seen.contains("anthropic/once is in"), "{seen}");
}

#[test]
fn keys_in_files_are_named_with_what_helps_and_what_a_run_makes_of_the_agents() {
    let world = World::new();
    world.agent("claude");
    let token = "export ANTHROPIC_AUTH_TOKEN=gwTESTH2jvFAKEGNDs4fTESTk9Lq2FAKE\n";
    let setter = format!("use() {{\nexport ANTHROPIC_BASE_URL=https://gw.example.net\n{token}}}\n");
    let other = "export GITHUB_TOKEN=ghp_TESTab12FAKEcd34TESTef56FAKEgh78TEST\n";
    let key = "sk-ant-api03-TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12TESTmn34FAKEop56";
    world.write("home/.zshrc", format!("{other}export ANTHROPIC_API_KEY={key}\n{setter}"));
    says(&world, "note", "~/.zshrc:1 has GITHUB_TOKEN (github) in plaintext; it is another tool's");
    says(&world, "wrong", "~/.zshrc:2 has ANTHROPIC_API_KEY (anthropic) in plaintext");
    says(&world, "wrong", "~/.zshrc:5 has ANTHROPIC_AUTH_TOKEN (anthropic) in plaintext; it belongs to an endpoint");
    says(&world, "note", "`ringlet migrate` makes no default profile for claude, since");
    // `default` is the other key.
    let hint = "--agent claude --provider anthropic --key-alias claude --endpoint https://gw.example.net";
    assert!(world.run(&["doctor"]).stdout.contains(hint));
}

#[test]
fn a_line_that_cannot_load_the_hook_is_told_from_one_that_does() {
    let mut world = World::ready();
    world.write("home/.zshrc", "# eval \"$(ringlet hook zsh)\"\n");
    says(&world, "note", "no rc file loads the hook");
    world.write("home/.zshrc", "eval \"$(ringlet hook bash)\"\n");
    says(&world, "wrong", "~/.zshrc loads the hook of bash, which zsh cannot read");
    world.write("home/.zshrc", "eval \"$(ringlet hook zsh)\"\n");
    says(&world, "ok", "~/.zshrc loads the hook");
    let profile = "home/.config/powershell/profile.ps1";
    world.write(profile, "<#\nInvoke-Expression (& ringlet hook powershell | Out-String)\n#>\n");
    assert!(!world.run(&["doctor"]).stdout.contains("profile.ps1 loads"));
    world.write(profile, "Invoke-Expression (& ringlet hook powershell | Out-String)\n");
    says(&world, "ok", "profile.ps1 loads the hook");
    says(&world, "note", "background jobs, `ForEach-Object -Parallel` and `&` behind a command");
    assert!(world.run(&["doctor"]).ok().contains("state/ringlet/shims at the head of PATH"));
    let links = world.path("home/.local/state/ringlet/shims");
    let search = format!("{}:{}:/usr/bin:/bin", links.display(), world.path("bin").display());
    world.set("PATH", search);
    assert!(!world.run(&["doctor"]).stdout.contains("background jobs"));
    // PowerShell would take the links' path for a pattern.
    world.set("XDG_STATE_HOME", world.path("home/[state]"));
    says(&world, "wrong", "profile.ps1 loads the hook, which fails: the directory of links ");
    says(&world, "ok", "~/.zshrc loads the hook");
}

#[test]
fn what_a_killed_change_has_left_is_named_until_the_next_one() {
    let world = World::ready();
    let mut left = Vec::new();
    for path in [
        "home/.config/ringlet/.ringlet-credentials.toml-Ab3xYz0123456789.tmp",
        "home/.local/state/ringlet/trust/.ringlet-0a-q0Z9aa0123456789.tmp",
    ] {
        let file = world.write(path, "[anthropic.work]\nkey = \"sk-ant-left\"\n");
        let hour = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        std::fs::File::options().write(true).open(&file).expect("there").set_modified(hour).expect("set");
        left.push(file);
    }
    says(
        &world,
        "note",
        "/.ringlet-credentials.toml-Ab3xYz0123456789.tmp was left by a change that was killed, and may hold keys",
    );
    says(&world, "note", "/trust/.ringlet-0a-q0Z9aa0123456789.tmp was left by a change that was killed");
    assert!(world.run(&["doctor"]).stdout.contains(&format!("run `rm {}`", left[0].display())));
    world.feed(&["keychain", "set", "anthropic", "other", "--stdin"], "sk-ant-api03-other").ok();
    world.run(&["allow"]).ok();
    assert!(left.iter().all(|file| !file.exists()));
}
