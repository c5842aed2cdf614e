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
    let home = with_claude();
    home.answer(&[KEY, "h", "mine"]);
    home.run(&["init"]).succeeds();
    assert_eq!((home.read(".ringlet.toml"), profile(&home, "mine")), ("profile = \"mine\"\n".into(), CLAUDE.into()));
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
    let ran = home.run(&["init"]);
    ran.is_refused(2, "there is no terminal to ask on");
    assert!(ran.err.contains("ringlet init --yes") && ran.err.contains("ringlet init PROFILE"), "{ran:?}");
    // There is no key, and nobody is asked for one.
    let ran = home.run(&["init", "--yes"]).succeeds();
    assert!(ran.err.contains("no key of Anthropic was found; `ringlet keychain set anthropic default`"), "{ran:?}");
    assert!(!home.path.join(".ringlet").exists());
    home.env.push(("ANTHROPIC_API_KEY", KEY.into()));
    let ran = home.run(&["init", "--yes", "--here"]).succeeds();
    assert!(ran.err.contains("ANTHROPIC_API_KEY is still set in this shell"), "{ran:?}");
    assert!(home.read(".ringlet.toml").starts_with("profile = "));
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
    home.answer(&["y"]);
    let ran = home.run(&["init"]).succeeds();
    assert_eq!(home.read(".bashrc"), "eval \"$(ringlet hook bash)\"\n");
    assert!(profile(&home, "default").contains("agent = \"codex\""), "{ran:?}");
    assert!(ran.out.contains("codex  profile default: key openai/default"), "{ran:?}");
    home.run(&["migrate", "undo"]).succeeds();
    assert!(home.read(".bashrc").starts_with("export OPENAI_API_KEY="));
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
