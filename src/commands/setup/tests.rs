//! The guided start, by its answers.

use crate::host::testing::Home;
use crate::migrate::testing::openai;

const KEY: &str = "sk-ant-api03-TESTTESTTESTTESTTESTTESTTESTTESTTESTTEST";

fn with_claude() -> Home {
    let mut home = Home::new();
    home.program("claude");
    home
}

fn profile(home: &Home, name: &str) -> String {
    home.read(&format!(".ringlet/profiles/{name}/ringlet.toml"))
}

const CLAUDE: &str = "agent = \"claude\"\nprovider = \"anthropic\"\n\n[provider-config]\nkey-alias = \"default\"\n";

#[test]
fn a_key_and_one_answer_set_up_a_fresh_home_and_undo_takes_it_back() {
    let home = with_claude();
    home.write(".bashrc", "alias ll='ls -l'\n");
    home.answer(&[KEY, ""]);
    let ran = home.run(&["init"]).succeeds();
    assert_eq!(profile(&home, "default"), CLAUDE);
    assert_eq!(home.read(".config/ringlet/config.toml"), "default-profile = \"default\"\n");
    assert_eq!(home.read(".bashrc"), "alias ll='ls -l'\neval \"$(ringlet hook bash)\"\n");
    assert_eq!(home.run(&["keychain", "list"]).out, "anthropic/default\n");
    let shown = format!("{ran:?}");
    for word in [
        "claude: a key of Anthropic, made at https://console.anthropic.com/settings/keys",
        "ringlet keychain set anthropic default",
        "ringlet profiles create default --agent claude",
        "ringlet profiles default default",
        ">> ~/.bashrc",
        "claude  profile default: key anthropic/default at https://api.anthropic.com",
        "open a new shell; there type `claude` as before",
    ] {
        assert!(shown.contains(word), "{word} {ran:?}");
    }
    assert!(!shown.contains("TEST"), "{ran:?}");
    // The second run offers nothing and asks nothing.
    home.answer(&["the last answer"]);
    let again = home.run(&["init"]).succeeds();
    assert!(again.err.contains("nothing is missing") && home.answers.borrow().len() == 1, "{again:?}");
    home.answers.borrow_mut().clear();
    home.run(&["migrate", "undo"]).succeeds();
    assert_eq!(home.read(".bashrc"), "alias ll='ls -l'\n");
    for file in [".ringlet/profiles/default/ringlet.toml", ".config/ringlet/config.toml"] {
        assert!(!home.path.join(file).exists(), "{file}");
    }
    assert_eq!(home.run(&["keychain", "list"]).out, "anthropic/default\n");
}

#[test]
fn the_commands_that_are_shown_do_the_same() {
    let by_hand = with_claude();
    by_hand.answer(&[KEY]);
    by_hand.run(&["keychain", "set", "anthropic", "default"]).succeeds();
    by_hand.run(&["profiles", "create", "default", "--agent", "claude"]).succeeds();
    by_hand.run(&["profiles", "edit", "default", "agents.codex.auth=login"]).succeeds();
    by_hand.run(&["profiles", "default", "default"]).succeeds();
    let mut guided = with_claude();
    guided.program("codex");
    guided.answer(&[KEY, "k", "login", "y"]);
    let ran = guided.run(&["init"]).succeeds();
    assert!(ran.out.contains("ringlet profiles edit default agents.codex.auth=login"), "{ran:?}");
    for file in [".ringlet/profiles/default/ringlet.toml", ".config/ringlet/config.toml"] {
        assert_eq!(by_hand.read(file), guided.read(file));
    }
    // The login is still to come, and that is said with its command.
    assert!(ran.err.contains("ringlet login default --agent codex"), "{ran:?}");
}

#[test]
fn a_no_changes_nothing_and_every_step_can_be_left_out() {
    let home = with_claude();
    home.answer(&[KEY, "n"]);
    assert!(home.run(&["init"]).succeeds().err.contains("nothing was changed"));
    for file in [".ringlet", ".config", ".bashrc", ".local"] {
        assert!(!home.path.join(file).exists(), "{file}");
    }
    // No account is left, and the hook's line alone is added.
    home.answer(&[KEY, "c", "n", "y", ""]);
    home.run(&["init"]).succeeds();
    assert_eq!(home.read(".bashrc"), "eval \"$(ringlet hook bash)\"\n");
    assert!(!home.path.join(".ringlet").exists());
    assert!(home.run(&["--json", "keychain", "list"]).json().as_array().expect("rows").is_empty());
    home.run(&["migrate", "undo"]).succeeds();
    assert!(!home.path.join(".bashrc").exists());
    // The account alone, which governs nowhere.
    home.answer(&[KEY, "c", "y", "n", "n", "n", ""]);
    home.run(&["init"]).succeeds();
    assert_eq!(profile(&home, "default"), CLAUDE);
    assert!(!home.path.join(".bashrc").exists() && !home.path.join(".config/ringlet/config.toml").exists());
    // That it governs is all that is missing now, beside the hook.
    home.answer(&[""]);
    let ran = home.run(&["init"]).succeeds();
    assert!(ran.out.contains("make \"default\" the default profile") && !ran.out.contains("store"), "{ran:?}");
    assert_eq!(home.read(".config/ringlet/config.toml"), "default-profile = \"default\"\n");
}

#[test]
fn for_this_directory_alone_a_project_file_is_written_and_allowed() {
    let mut home = with_claude();
    home.enter("project");
    home.answer(&[KEY, "h", "mine"]);
    home.run(&["init"]).succeeds();
    assert_eq!(
        (home.read("project/.ringlet.toml"), profile(&home, "mine")),
        ("profile = \"mine\"\n".into(), CLAUDE.into())
    );
    assert!(!home.path.join(".config/ringlet/config.toml").exists());
    assert_eq!(home.run(&["--json", "status"]).json()["project"]["trust"], "allowed");
}

#[test]
fn a_login_comes_first_and_needs_no_key() {
    let mut home = Home::new();
    home.program("codex");
    home.write(".codex/auth.json", "{\"tokens\": {\"access_token\": \"x\"}}");
    home.env.push(("OPENAI_API_KEY", openai(1)));
    home.answer(&["y"]);
    let ran = home.run(&["init"]).succeeds();
    assert_eq!(profile(&home, "default"), "agent = \"codex\"\nauth = \"login\"\n");
    assert!(ran.out.contains("codex login, ~/.codex"), "{ran:?}");
}

#[test]
fn without_a_terminal_the_flags_are_named_and_yes_takes_what_is_there() {
    let mut home = with_claude();
    home.enter("project");
    let ran = home.run(&["init"]);
    ran.is_refused(2, "there is no terminal to ask on");
    assert!(ran.err.contains("ringlet init --yes") && ran.err.contains("ringlet init PROFILE"), "{ran:?}");
    // There is no key, and nobody is asked for one.
    let ran = home.run(&["init", "--yes"]).succeeds();
    assert!(ran.err.contains("no key of Anthropic was found; `ringlet keychain set anthropic default`"), "{ran:?}");
    assert!(!home.path.join(".ringlet").exists());
    home.run(&["init", "--yes", "--here"]).succeeds();
    assert!(!home.path.join("project/.ringlet.toml").exists(), "there is no profile to name");
    home.env.push(("ANTHROPIC_API_KEY", KEY.into()));
    let ran = home.run(&["init", "--yes", "--here"]).succeeds();
    assert!(ran.err.contains("ANTHROPIC_API_KEY is still set in this shell"), "{ran:?}");
    assert!(home.read("project/.ringlet.toml").starts_with("profile = "));
    assert_eq!(home.run(&["keychain", "list"]).out, "anthropic/default\n");
}

#[test]
fn a_key_is_not_parted_from_an_endpoint_that_is_not_its_providers() {
    // In the environment.
    let mut home = with_claude();
    home.env.push(("ANTHROPIC_API_KEY", KEY.into()));
    home.env.push(("ANTHROPIC_BASE_URL", "https://gateway.example".into()));
    let ran = home.run(&["init", "--yes"]).succeeds();
    assert!(ran.err.contains("since ANTHROPIC_BASE_URL is set beside it and names another endpoint"), "{ran:?}");
    assert!(home.run(&["--json", "keychain", "list"]).json().as_array().expect("rows").is_empty());
    // In a file, where a later shell has it, or which an agent reads.
    let pair = format!("export ANTHROPIC_API_KEY={KEY}\nexport ANTHROPIC_BASE_URL=https://gateway.example\n");
    let gateway = "model_provider = \"gw\"\n[model_providers.gw]\nbase_url = \"https://gw.example/v1\"\n\
                   env_key = \"OPENAI_API_KEY\"\n";
    let settings = "{\"env\": {\"ANTHROPIC_BASE_URL\": \"https://gw.example\"}}";
    for (agent, variable, value, file, text) in [
        ("claude", "ANTHROPIC_API_KEY", KEY.to_owned(), ".bashrc", pair.as_str()),
        ("claude", "ANTHROPIC_API_KEY", KEY.to_owned(), ".bashrc", "export ANTHROPIC_BASE_URL=https://gw.example\n"),
        ("claude", "ANTHROPIC_API_KEY", KEY.to_owned(), ".claude/settings.json", settings),
        ("codex", "OPENAI_API_KEY", openai(1), ".codex/config.toml", gateway),
        ("codex", "OPENAI_API_KEY", openai(1), ".codex/config.toml", "openai_base_url = \"https://gw.example\"\n"),
    ] {
        let mut home = Home::new();
        home.program(agent);
        home.write(file, text);
        home.env.push((variable, value));
        // `migrate` is declined, and the proposal as well.
        home.answer(&["n", "", "n", "n"]);
        let ran = home.run(&["init"]);
        assert!(ran.err.contains(&format!("{variable} is not taken, since ")), "{file} {ran:?}");
        assert!(!ran.out.contains("store the key in"), "{file} {ran:?}");
        assert!(!home.path.join(".ringlet").exists(), "{file} {ran:?}");
    }
    // In the store, where a profile names the endpoint.
    let mut home = with_claude();
    home.program("opencode");
    home.answer(&[KEY]);
    home.run(&["keychain", "set", "anthropic", "default"]).succeeds();
    let words = ["profiles", "create", "gate", "--agent", "opencode", "--provider", "anthropic"];
    home.run(&[&words[..], &["--endpoint", "https://gateway.example"]].concat()).succeeds();
    let ran = home.run(&["init", "--yes"]).succeeds();
    assert!(ran.err.contains("claude: no key of Anthropic was found; `ringlet keychain set anthropic 2`"), "{ran:?}");
    assert!(!home.path.join(".ringlet/profiles/default").exists());
}

#[test]
fn a_key_of_another_provider_is_asked_for_again_and_not_for_ever() {
    let home = with_claude();
    home.answer(&[&openai(1), "n", KEY, "y"]);
    home.run(&["init"]).succeeds();
    assert_eq!(home.run(&["keychain", "list"]).out, "anthropic/default\n");
    let home = with_claude();
    home.answer(&["sk-ant-oat01-TESTTESTTESTTESTTESTTEST", &openai(2), "n", &openai(3), "n", "n"]);
    let ran = home.run(&["init"]).succeeds();
    assert!(ran.err.contains("this is a key of claude-subscription, not of anthropic"), "{ran:?}");
    assert!(ran.err.contains("nothing was changed") && !ran.out.contains("store"), "{ran:?}");
}

#[test]
fn keys_in_files_move_first_with_one_answer() {
    let mut home = Home::new();
    home.program("codex");
    home.write(".bashrc", &format!("export OPENAI_API_KEY={}\n", openai(1)));
    home.answer(&["y", ""]);
    let ran = home.run(&["init"]).succeeds();
    assert_eq!(home.read(".bashrc"), "eval \"$(ringlet hook bash)\"\n");
    // The line is a step of its own, which is shown before it is added, once.
    assert_eq!(format!("{ran:?}").matches("add the hook's line at the end of ~/.bashrc").count(), 1, "{ran:?}");
    assert!(profile(&home, "default").contains("agent = \"codex\""), "{ran:?}");
    assert!(ran.out.contains("codex  profile default: key openai/default"), "{ran:?}");
    // One undo for the hook's line, one for the keys.
    home.run(&["migrate", "undo"]).succeeds();
    assert_eq!(home.read(".bashrc"), "");
    home.run(&["migrate", "undo"]).succeeds();
    assert_eq!(home.read(".bashrc"), format!("export OPENAI_API_KEY={}\n", openai(1)));
}

#[test]
fn what_migrate_did_is_still_taken_back_after_more_was_set_up() {
    let mut home = Home::new();
    home.program("codex");
    home.program("gemini");
    home.write(".gemini/oauth_creds.json", "{\"access_token\": \"x\", \"refresh_token\": \"y\"}");
    let before = format!("export OPENAI_API_KEY={}\n", openai(1));
    home.write(".bashrc", &before);
    home.run(&["init", "--yes"]).succeeds();
    assert!(profile(&home, "default").contains("[agents.gemini]"));
    home.run(&["migrate", "undo"]).succeeds();
    home.run(&["migrate", "undo"]).succeeds();
    assert_eq!(home.read(".bashrc"), before);
    home.run(&["migrate", "undo"]).is_refused(1, "there is no run to take back");
}

#[test]
fn an_agent_that_would_get_more_than_its_account_is_named() {
    let mut home = Home::new();
    home.program("codex");
    home.write(".codex/auth.json", "{\"tokens\": {\"access_token\": \"x\"}}");
    let work = "agent = \"claude\"\nauth = \"login\"\n\n[secrets]\nGITHUB_TOKEN = \"github/work\"\n";
    home.write(".ringlet/profiles/work/ringlet.toml", work);
    home.run(&["profiles", "default", "work"]).succeeds();
    let ran = home.run(&["init", "--yes"]).succeeds();
    assert!(ran.err.contains("would give it github/work in GITHUB_TOKEN as well"), "{ran:?}");
    assert_eq!(profile(&home, "work"), work);
    home.answer(&[""]);
    let ran = home.run(&["init"]).succeeds();
    assert!(ran.out.contains("it gets github/work in GITHUB_TOKEN of this profile as well"), "{ran:?}");
    assert!(profile(&home, "work").contains("[agents.codex]"));
}

#[test]
fn here_is_heard_where_a_default_profile_governs_already() {
    let mut home = Home::with_profile("work");
    home.enter("project");
    home.run(&["profiles", "default", "work"]).succeeds();
    let ran = home.run(&["init", "--yes", "--here"]).succeeds();
    assert_eq!(home.read("project/.ringlet.toml"), "profile = \"work\"\n", "{ran:?}");
    assert!(ran.err.contains("`ringlet migrate undo` takes this back"), "{ran:?}");
    home.run(&["migrate", "undo"]).succeeds();
    assert!(!home.path.join("project/.ringlet.toml").exists());
}

#[test]
fn keys_that_stay_in_plaintext_are_in_the_status() {
    let home = with_claude();
    home.write(
        ".bashrc",
        &format!("curl -H 'Authorization: Bearer {}' example.org\nexport OPENAI_API_KEY={}\n", openai(2), openai(1)),
    );
    assert_eq!(home.run(&["init", "--yes"]).status, 3);
}

#[test]
fn a_person_without_an_agent_is_told_which_there_are() {
    let home = Home::new();
    home.answer(&["y"]);
    let ran = home.run(&["init"]).succeeds();
    assert!(ran.err.contains("no agent is on PATH; `ringlet agents list`"), "{ran:?}");
}

#[test]
fn of_many_providers_only_those_are_asked_for_that_the_person_names() {
    let many = || {
        let mut home = Home::new();
        ["gemini", "codex", "claude", "qwen", "copilot"].into_iter().for_each(|name| home.program(name));
        home
    };
    let home = many();
    home.answer(&[KEY, ""]);
    let ran = home.run(&["init"]).succeeds();
    assert_eq!(profile(&home, "default"), CLAUDE);
    assert!(ran.out.contains("without an account still: gemini, codex, qwen, copilot"), "{ran:?}");
    // Whoever has no key of the first is asked of which there is one.
    let home = many();
    home.answer(&["", "7", "x", "?", "2", &openai(1), "y"]);
    let ran = home.run(&["init"]).succeeds();
    assert!(ran.out.contains("  2  OpenAI"), "{ran:?}");
    assert_eq!(home.run(&["keychain", "list"]).out, "openai/default\n", "{ran:?}");
    let home = many();
    home.answer(&[KEY, "k", "2", &openai(1), "y"]);
    home.run(&["init"]).succeeds();
    assert_eq!(home.run(&["keychain", "list"]).out, "anthropic/default\nopenai/default\n");
    let home = many();
    home.answer(&["", "", "n"]);
    let ran = home.run(&["init"]).succeeds();
    assert!(!ran.out.contains("store the key") && ran.err.contains("nothing was changed"), "{ran:?}");
}

#[test]
fn no_answer_is_no_yes() {
    for answers in [&[KEY][..], &[KEY, "c"], &[KEY, "c", "y"], &[KEY, "h"], &[KEY, "c", "y", "h"]] {
        let home = with_claude();
        home.answer(answers);
        home.run(&["init"]);
        for file in [".ringlet", ".config", ".bashrc", ".ringlet.toml"] {
            assert!(!home.path.join(file).exists(), "{answers:?} {file}");
        }
    }
}

#[test]
fn a_default_profile_that_is_gone_is_replaced_and_a_broken_one_is_named() {
    let home = with_claude();
    home.run(&["profiles", "create", "work", "--agent", "claude"]).succeeds();
    home.write(".config/ringlet/config.toml", "default-profile = \"gone\"\n");
    let ran = home.run(&["init", "--yes"]);
    assert_eq!(home.read(".config/ringlet/config.toml"), "default-profile = \"work\"\n", "{ran:?}");
    let home = with_claude();
    home.answer(&[KEY]);
    home.run(&["keychain", "set", "anthropic", "default"]).succeeds();
    home.write(".ringlet/profiles/broken/ringlet.toml", "agent = \"codex");
    let ran = home.run(&["init", "--yes"]);
    assert!(ran.err.contains("anthropic/default is there, but profile \"broken\" cannot be read"), "{ran:?}");
}

#[test]
fn a_line_that_cannot_be_added_is_not_said_to_be_there() {
    let home = with_claude();
    std::os::unix::fs::symlink("nowhere/at/all", home.path.join(".bashrc")).expect("linked");
    home.answer(&[KEY, ""]);
    let ran = home.run(&["init"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.err.contains("without the hook, `ringlet exec AGENT`"), "{ran:?}");
    // Windows' line ends are the file's own, and a shell takes one for a part of its line.
    let home = with_claude();
    home.write(".bashrc", "A=1\r\n");
    home.answer(&[KEY, ""]);
    home.run(&["init"]).succeeds();
    assert_eq!(home.read(".bashrc"), "A=1\r\neval \"$(ringlet hook bash)\"\n");
}

#[test]
fn a_vault_of_the_shell_becomes_a_store_and_undo_takes_it_back() {
    let mut home = with_claude();
    home.write(".config/ringlet/config.toml", "# mine\n");
    home.env.push(("VAULT_ADDR", "https://vault.example:8200".into()));
    home.env.push(("VAULT_NAMESPACE", "team/a".into()));
    home.env.push(("VAULT_CACERT", "/etc/ca.pem".into()));
    home.answer(&[KEY, ""]);
    let ran = home.run(&["init"]).succeeds();
    let text = home.read(".config/ringlet/config.toml");
    let table = "[store.vault]\naddress = \"https://vault.example:8200\"\nnamespace = \"team/a\"\n\
                 ca-file = \"/etc/ca.pem\"\ntoken-file = \"~/.vault-token\"\n";
    assert!(
        text.contains("# mine") && text.contains("default-profile = \"default\"") && text.contains(table),
        "{text}"
    );
    assert!(format!("{ran:?}").contains("ringlet config set store.vault"), "{ran:?}");
    // No key is told to be there.
    assert!(!text.contains("store-for"), "{text}");
    home.run(&["migrate", "undo"]).succeeds();
    assert_eq!(home.read(".config/ringlet/config.toml"), "# mine\n");
    // One that keys may not be sent to, and one that the settings have already.
    for (variable, settings, said) in [
        ("http://vault.example.com", "", "would send everything unencrypted"),
        ("https://u:secret@vault.example", "", "holds a user name"),
        ("https://vault.example", "[store.own]\naddress = \"https://v\"\ntoken-file = \"~/t\"\n", "ringlet init"),
    ] {
        let mut home = with_claude();
        home.write(".config/ringlet/config.toml", settings);
        home.env.push(("BAO_ADDR", variable.into()));
        home.answer(&[KEY, ""]);
        let ran = home.run(&["init"]).succeeds();
        let told = format!("{ran:?} ringlet init");
        assert!(told.contains(said) && !told.contains("secret@"), "{told}");
        assert!(!home.read(".config/ringlet/config.toml").contains("[store.vault]"));
    }
}
