//! Keys in OpenCode's and Codex's stores: what is asked, what moves, what stays and why, and what is left afterwards.

use crate::host::testing::{Home, Ran};
use crate::migrate::testing::openai;

const OPENCODE: &str = ".local/share/opencode/auth.json";
const CODEX: &str = ".codex/auth.json";
const DEEPSEEK: &str = "sk-a8c3e107b52d94f6a8c3e107b52d94f6";
const XAI: &str = "xai-TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12TESTmn34FAKEop56TESTqr78FAKEst90";
const SECRET: &str = "TESTrefreshFAKEtokenTESTof0FAKElogin";

fn api(key: &str) -> String {
    format!("{{\n    \"type\": \"api\",\n    \"key\": \"{key}\"\n  }}")
}

fn oauth() -> String {
    format!("{{\"type\":\"oauth\",\"refresh\":\"{SECRET}\",\"access\":\"{SECRET}\",\"expires\":0}}")
}

fn store(entries: &[(&str, String)]) -> String {
    let entries: Vec<String> = entries.iter().map(|(name, value)| format!("  \"{name}\": {value}")).collect();
    format!("{{\n{}\n}}", entries.join(",\n"))
}

fn codex() -> String {
    format!("{{\n  \"auth_mode\": \"apikey\",\n  \"OPENAI_API_KEY\": \"{}\"\n}}", openai(1))
}

fn holding(files: &[(&str, &str)]) -> Home {
    let home = Home::new();
    files.iter().for_each(|(name, text)| home.write(name, text));
    home
}

// Answers the questions at a terminal; the last ones are about the plan and the hook.
fn asked(home: &Home, answers: &[&str]) -> Ran {
    home.answer(answers);
    home.answer(&["y", "n"]);
    let ran = home.run(&["migrate", "--allow-file"]);
    home.answers.borrow_mut().clear();
    for secret in [DEEPSEEK, XAI, SECRET, &openai(1), &openai(2)] {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{ran:?}");
    }
    ran
}

fn bound(home: &Home, agent: &str) -> Option<String> {
    let listed = home.run(&["profiles", "list", "--json"]).json();
    let own = listed.as_array().into_iter().flatten().find(|own| own["default"] == true)?["name"].as_str()?.to_owned();
    let text = home.read(&format!(".ringlet/profiles/{own}/ringlet.toml"));
    let profile: toml::Table = text.parse().expect("TOML");
    let part = match profile.get("agent").and_then(toml::Value::as_str) {
        Some(own) if own == agent => Some(&profile),
        _ => profile.get("agents")?.get(agent)?.as_table(),
    }?;
    let alias = part.get("key-alias").or_else(|| profile.get("provider-config")?.get("key-alias"))?;
    Some(format!("{}/{}", part.get("provider")?.as_str()?, alias.as_str()?))
}

#[test]
fn what_the_person_wants_moves_and_comes_back() {
    let alone = store(&[("deepseek", api(DEEPSEEK))]);
    let home = holding(&[(OPENCODE, &alone), (CODEX, &codex())]);
    let ran = asked(&home, &["y", "y"]).succeeds();
    for said in
        ["-\"OPENAI_API_KEY\": \"sk-", "codex's default account is this key", "-    \"key\": \"sk-a8c3...94f6\""]
    {
        assert!(ran.out.contains(said), "{said}: {ran:?}");
    }
    assert_eq!((home.read(OPENCODE).as_str(), home.read(CODEX).as_str()), ("{}", "{\n  \"auth_mode\": \"apikey\"\n}"));
    assert_eq!(bound(&home, "opencode").as_deref(), Some("deepseek/default"));
    assert_eq!(bound(&home, "codex").as_deref(), Some("openai/default"));
    assert!(home.read(".config/ringlet/credentials.toml").contains(DEEPSEEK));
    home.run(&["migrate", "--yes"]).succeeds();
    home.run(&["migrate", "undo"]).succeeds();
    assert_eq!((home.read(OPENCODE), home.read(CODEX)), (alone, codex()));
    assert!(!home.path.join(".ringlet/profiles/default").exists());
}

#[test]
fn nothing_moves_that_nobody_was_asked_about_or_that_was_declined() {
    let alone = store(&[("deepseek", api(DEEPSEEK))]);
    let home = holding(&[(OPENCODE, &alone), (CODEX, &codex())]);
    for words in [&["migrate", "--yes", "--allow-file"][..], &["migrate", "--dry-run"], &["migrate"]] {
        let ran = home.run(words);
        assert!(ran.status == 3 && ran.out.contains("auth.json:4") && ran.out.contains("auth.json:3"), "{ran:?}");
    }
    home.answer(&["y"; 4]);
    assert_eq!(home.run(&["migrate", "--json"]).status, 3);
    assert_eq!(home.answers.borrow().len(), 4, "nothing was asked");
    home.answers.borrow_mut().clear();
    for answer in ["n", "", "perhaps"] {
        let ran = asked(&home, &[answer, answer]);
        assert!(ran.status == 3 && ran.err.contains("none of these keys can be moved"), "{ran:?}");
    }
    assert_eq!((home.read(OPENCODE), home.read(CODEX)), (alone, codex()));
    assert!(!home.path.join(".ringlet").exists());
    // One of the two, with a key in a start file.
    home.write(".bashrc", &format!("export XAI_API_KEY={XAI}\n"));
    let ran = asked(&home, &["n", "y"]);
    assert!(ran.status == 3 && ran.out.contains("xai/default"), "{ran:?}");
    assert_eq!((home.read(OPENCODE).as_str(), home.read(CODEX), home.read(".bashrc").as_str()), ("{}", codex(), ""));
}

#[test]
fn a_profile_that_would_hide_a_login_is_not_the_default() {
    let mixed = format!("{{\"deepseek\":{},\"anthropic\":{}}}", api(DEEPSEEK), oauth());
    let home = holding(&[(OPENCODE, &mixed)]);
    let ran = asked(&home, &["y"]).succeeds();
    assert!(ran.out.contains("it is not the default, since a profile hides the other logins in the file (anthropic)"));
    assert!(ran.out.contains("profile \"opencode-deepseek\": deepseek/default"), "{ran:?}");
    assert!(ran.out.contains("none, since a profile hides the other logins"), "{ran:?}");
    assert_eq!(home.read(OPENCODE), format!("{{\"anthropic\":{}}}", oauth()));
    assert_eq!(bound(&home, "opencode"), None);
    home.run(&["profiles", "inspect", "opencode-deepseek"]).succeeds();
    // OpenCode renews the login, and writes the file anew.
    home.write(OPENCODE, &store(&[("anthropic", oauth().replace(":0", ":1"))]));
    home.run(&["migrate", "undo"]).succeeds();
    let now: serde_json::Value = serde_json::from_str(&home.read(OPENCODE)).expect("JSON");
    assert_eq!((&now["deepseek"]["key"], &now["anthropic"]["expires"]), (&DEEPSEEK.into(), &1.into()));
    assert!(!home.path.join(".ringlet/profiles/opencode-deepseek").exists());
}

#[test]
fn of_several_entries_the_settings_choose_the_default() {
    let two = store(&[("deepseek", api(DEEPSEEK)), ("xai", api(XAI))]);
    let run = |settings: &str, answers: &[&str]| {
        let home = holding(&[(OPENCODE, &two), (".config/opencode/opencode.jsonc", settings)]);
        let ran = asked(&home, answers);
        (bound(&home, "opencode"), home, ran)
    };
    let (default, home, ran) = run("{} // none", &["y", "y"]);
    assert!(ran.out.contains("the settings of opencode choose no model"), "{ran:?}");
    assert_eq!((default, home.read(OPENCODE).as_str()), (None, "{}"));
    home.run(&["profiles", "inspect", "opencode-xai"]).succeeds();
    let said = "ringlet exec --profile opencode-deepseek opencode";
    assert!(ran.err.contains(said) || ran.out.contains(said), "{ran:?}");
    let (default, home, _) = run("{\"model\": \"xai/grok-4\", /* c */}", &["y", "y"]);
    assert_eq!(default.as_deref(), Some("xai/default"));
    home.run(&["profiles", "inspect", "opencode-deepseek"]).succeeds();
    // What was declined would be hidden.
    let (default, home, ran) = run("{\"model\": \"xai/grok-4\"}", &["n", "y"]);
    assert_eq!((default, ran.status), (None, 3));
    assert_eq!(home.read(OPENCODE), store(&[("deepseek", api(DEEPSEEK))]));
    let (default, ..) = run("{\"model\": \"anthropic/claude\"}", &["y", "y"]);
    assert_eq!(default, None);
}

// A store and its text, other files, and the reason.
type Case<'a> = (&'a str, String, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn what_a_launch_could_not_give_back_stays_and_says_why() {
    let alone = store(&[("deepseek", api(DEEPSEEK))]);
    let anthropic = store(&[("anthropic", api("sk-ant-api03-TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12"))]);
    let own = |text: &str| text.replace("KEY", DEEPSEEK);
    let settings = ".config/opencode/opencode.json";
    let cases: &[Case<'_>] = &[
        (OPENCODE, store(&[("fireworks-ai", api(DEEPSEEK))]), &[], "cannot give opencode the account \"fireworks-ai\""),
        (OPENCODE, store(&[("moonshot", api(DEEPSEEK))]), &[], "under another name"),
        (OPENCODE, store(&[("deepseek", api(XAI))]), &[], "cannot give opencode the account \"deepseek\""),
        (
            OPENCODE,
            own("{\"deepseek\":{\"type\":\"api\",\"key\":\"KEY\",\"metadata\":{\"a\":\"b\"}}}"),
            &[],
            "holds more than",
        ),
        (OPENCODE, own("{\"deepseek\":{\"type\":\"api\",\"key\":\"KEY\"},}"), &[], "not JSON as its agent reads it"),
        (OPENCODE, own("{\"deepseek\":{\"type\":\"api\",\"key\":\"KEY\"},\"deepseek\":1}"), &[], "has a name twice"),
        (
            OPENCODE,
            alone.clone(),
            &[(settings, "{\"provider\":{\"deepseek\":{\"options\":{\"baseURL\":\"u\"}}}}")],
            "sets provider.deepseek.options",
        ),
        (OPENCODE, alone.clone(), &[(settings, "{")], "does not parse as JSON"),
        (
            OPENCODE,
            anthropic,
            &[(".bashrc", "export ANTHROPIC_BASE_URL=https://gw.example.net\n")],
            "sets ANTHROPIC_BASE_URL",
        ),
        (CODEX, codex(), &[(".codex/config.toml", "model_provider = \"corp\"\n")], "sets model_provider"),
        (CODEX, codex(), &[(".codex/config.toml", "openai_base_url = \"https://gw\"\n")], "sets openai_base_url"),
        (CODEX, codex(), &[(".codex/config.toml", "cli_auth_credentials_store = \"auto\"\n")], "sets cli_auth"),
        (CODEX, codex(), &[(".codex/config.toml", "=")], "is no TOML"),
        (CODEX, codex().replace("apikey", "chatgpt"), &[], "a login, or something"),
    ];
    for (file, text, more, why) in cases {
        let home = holding(more);
        home.write(file, text);
        home.answer(&["y"; 3]);
        let ran = home.run(&["migrate", "--allow-file"]);
        assert!(ran.status == 3 && ran.out.contains(why), "{why}: {ran:?}");
        assert_eq!(home.read(file), *text);
        assert_eq!(home.answers.borrow().len(), 3, "nothing was asked: {ran:?}");
        let json: serde_json::Value =
            serde_json::from_str(&home.run(&["--json", "migrate", "--dry-run"]).out).expect("JSON");
        assert!(json["found"].to_string().contains(why.split('"').next().expect("a part")), "{json}");
    }
    let plain = "model_provider = \"openai\"\ncli_auth_credentials_store = \"file\"\n";
    asked(&holding(&[(CODEX, &codex()), (".codex/config.toml", plain)]), &["y"]).succeeds();
}

#[test]
fn a_variable_that_leads_the_agent_elsewhere_keeps_the_key_in_its_store() {
    for (file, text, name) in [
        (OPENCODE, store(&[("deepseek", api(DEEPSEEK))]), "DEEPSEEK_BASE_URL"),
        (OPENCODE, store(&[("deepseek", api(DEEPSEEK))]), "OPENCODE_CONFIG_CONTENT"),
        (CODEX, codex(), "CODEX_API_KEY"),
    ] {
        let mut home = holding(&[(file, &text)]);
        home.env.push((name, "https://gw.example.net".to_owned()));
        home.answer(&["y"; 3]);
        let ran = home.run(&["migrate", "--allow-file"]);
        assert!(ran.status == 3 && ran.out.contains(&format!("{name} is set in this shell")), "{ran:?}");
        assert_eq!(home.read(file), text);
    }
    let other = openai(7);
    let home = holding(&[(CODEX, &codex()), (".bashrc", &format!("export CODEX_API_KEY={other}\n"))]);
    let ran = asked(&home, &[]);
    assert!(ran.out.contains(".bashrc sets CODEX_API_KEY") && home.read(CODEX) == codex(), "{ran:?}");
}

#[test]
fn an_agent_whose_default_is_another_account_gets_a_profile_beside_it() {
    let alone = store(&[("deepseek", api(DEEPSEEK))]);
    let home = holding(&[(OPENCODE, &alone), (".config/ringlet/config.toml", "default-profile = \"mine\"\n")]);
    home.write(".ringlet/profiles/mine/ringlet.toml", "[agents.opencode]\nprovider = \"xai\"\n");
    let ran = asked(&home, &["y"]).succeeds();
    assert!(ran.out.contains("not the default, since the default profile has an account for it already"), "{ran:?}");
    home.run(&["profiles", "inspect", "opencode-deepseek"]).succeeds();
    assert_eq!(home.read(".ringlet/profiles/mine/ringlet.toml"), "[agents.opencode]\nprovider = \"xai\"\n");
    // A launcher that is not understood keeps its agent from a default.
    let launcher = format!("work() {{ cd /; export OPENAI_API_KEY={}; codex; }}\n", openai(2));
    let home = holding(&[(CODEX, &codex()), (".bashrc", &launcher)]);
    let ran = asked(&home, &["y"]);
    assert!(ran.status == 3 && ran.out.contains("profile \"codex-openai\" gives codex this key"), "{ran:?}");
    assert_eq!((bound(&home, "codex"), home.read(".bashrc")), (None, launcher));
    home.run(&["profiles", "inspect", "codex-openai"]).succeeds();
}

#[test]
fn what_is_left_out_afterwards_stays_with_its_account() {
    let alone = store(&[("deepseek", api(DEEPSEEK))]);
    for skips in [&["c", "y", "n", "k"][..], &["c", "y", "y", "k", "s"]] {
        let home = holding(&[(OPENCODE, &alone), (".bashrc", &format!("export XAI_API_KEY={XAI}\n"))]);
        home.answer(&["y"]);
        let ran = asked(&home, skips);
        assert_eq!((ran.status, home.read(OPENCODE).as_str()), (3, alone.as_str()), "{ran:?}");
        assert_eq!((home.read(".bashrc").as_str(), bound(&home, "opencode")), ("", None), "{ran:?}");
        assert_eq!(home.run(&["keychain", "list"]).out, "xai/default\n");
    }
}

#[test]
fn a_key_that_a_start_file_has_as_well_shares_its_entry() {
    let both = store(&[("openai", api(&openai(1))), ("xai", api(XAI))]);
    let home = holding(&[(OPENCODE, &both), (CODEX, &codex())]);
    home.write(".bashrc", &format!("export OPENAI_API_KEY={}\nexport OTHER={DEEPSEEK}\n", openai(2)));
    asked(&home, &["y", "y", "y"]);
    let keys = home.run(&["keychain", "list"]).succeeds().out;
    assert_eq!(keys, "openai/2\nopenai/default\nxai/default\n");
    let kept = home.read(".config/ringlet/credentials.toml");
    assert!(kept.contains(&openai(1)) && kept.contains(&openai(2)), "{kept}");
    assert_eq!(bound(&home, "codex").as_deref(), Some("openai/2"), "the login shell's key is the default one");
}

#[test]
fn an_entry_of_the_keychain_with_another_key_is_left_alone() {
    let mut home = holding(&[(OPENCODE, &store(&[("deepseek", api(DEEPSEEK))]))]);
    home.input = b"sk-00000000000000000000000000000000".to_vec();
    home.write(".config/ringlet/config.toml", "[credentials]\nbackend = \"file\"\n");
    home.run(&["keychain", "set", "deepseek", "default", "--stdin"]).succeeds();
    asked(&home, &["y"]).succeeds();
    assert_eq!(bound(&home, "opencode").as_deref(), Some("deepseek/2"));
}

#[test]
fn an_emptied_store_is_no_login() {
    let home = holding(&[(CODEX, "{\n  \"auth_mode\": \"apikey\"\n}"), (OPENCODE, "{}")]);
    home.write(".bashrc", &format!("export OPENAI_API_KEY={}\n", openai(1)));
    home.run(&["migrate", "--yes", "--allow-file"]).succeeds();
    assert_eq!(bound(&home, "codex").as_deref(), Some("openai/default"));
    let home = holding(&[(CODEX, "{\"tokens\":{\"id_token\":\"x\"}}")]);
    home.write(".bashrc", &format!("export OPENAI_API_KEY={}\n", openai(1)));
    let ran = home.run(&["migrate", "--yes", "--allow-file"]).succeeds();
    assert!(ran.out.contains("it has a login of its own") && bound(&home, "codex").is_none(), "{ran:?}");
}
