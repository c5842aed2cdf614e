//! Profiles and a default one that are there before `ringlet migrate` runs.

use super::common::world::World;
use std::fs;

const KEY: &str = "sk-ant-api03-TESTab12FAKEcd34TESTef56FAKEgh78TESTij90FAKEkl12TESTmn34FAKEop56";
const ZAI: &str = "deadbeef93a1c0ffeeef0fdeadbeefbf.TESTe1zBFAKEhFdE";

const OTHER: &str = "c0ffee93a1deadbeefef0fdeadbeefbf.TESTb2zBFAKEkFdF";

fn launcher(before: &str) -> String {
    let pair = format!("ANTHROPIC_BASE_URL=https://api.z.ai/api/anthropic ANTHROPIC_AUTH_TOKEN={ZAI}");
    format!("kimi() {{ {before}{pair} claude \"$@\"; }}\n")
}

fn world(zshrc: &str) -> World {
    let world = World::new();
    world.link_ringlet();
    world.agent("claude");
    world.write("home/.zshrc", zshrc);
    world
}

fn profile(world: &World, name: &str) -> Option<String> {
    fs::read_to_string(world.path(format!("home/.ringlet/profiles/{name}/ringlet.toml"))).ok()
}

fn make_default(world: &World, name: &str) {
    let before = fs::read_to_string(world.path("home/.config/ringlet/config.toml")).unwrap_or_default();
    world.write("home/.config/ringlet/config.toml", format!("default-profile = \"{name}\"\n{before}"));
}

#[test]
fn a_profile_that_holds_the_account_already_is_used_again_and_survives_undo() {
    let own = "agent = \"claude\"\nprovider = \"zai\"\n\n[provider-config]\nkey-alias = \"kimi\"\n";
    for (own, before, used) in [
        (own, "", "kimi"),
        // The same endpoint by its address.
        (&own.replace("\n\n", "\nendpoint = \"https://api.z.ai/api/anthropic\"\n\n"), "", "kimi"),
        // Other accounts, and one that cannot be read.
        (own, "ANTHROPIC_MODEL=glm-4.6 ", "kimi-2"),
        (&own.replace("\n\n", "\nmodel = \"glm-4.6\"\n\n"), "", "kimi-2"),
        (&own.replace("\n\n", "\nargs = [\"--verbose\"]\n\n"), "", "kimi-2"),
        (&own.replace("zai", "kimi"), "", "kimi-2"),
        ("agent = \"claude\n", "", "kimi-2"),
    ] {
        let text = launcher(before);
        let world = world(&text);
        world.write("home/.ringlet/profiles/kimi/ringlet.toml", own);
        world.run(&["migrate", "--yes"]).ok();
        let after = fs::read_to_string(world.path("home/.zshrc")).expect("text");
        assert!(after.contains(&format!("--profile {used} claude")), "{own}: {after}");
        assert_eq!(profile(&world, "kimi").as_deref(), Some(own), "nobody's profile is changed");
        assert_eq!(profile(&world, "kimi-2").is_some(), used == "kimi-2", "{own}");
        world.run(&["migrate", "undo"]).ok();
        assert_eq!(fs::read_to_string(world.path("home/.zshrc")).expect("text"), text);
        assert_eq!(profile(&world, "kimi").as_deref(), Some(own));
        assert_eq!(profile(&world, "kimi-2"), None);
    }
}

#[test]
fn a_default_profile_that_is_there_gets_the_agents_that_it_has_no_account_for() {
    let world = world(&format!("export ANTHROPIC_API_KEY={KEY}\n"));
    world.write("home/.ringlet/profiles/mine/ringlet.toml", "agent = \"codex\"\nprovider = \"openai\"\n");
    make_default(&world, "mine");
    world.run(&["migrate", "--yes"]).ok();
    let own = profile(&world, "mine").expect("there");
    assert!(own.contains("[agents.claude]\nprovider = \"anthropic\"\nkey-alias = \"default\""), "{own}");
    assert!(world.run(&["exec", "claude"]).ok().contains(&format!("={KEY}")));
}

#[test]
fn an_account_in_the_default_profile_stays_and_is_named() {
    let pair = format!("export ANTHROPIC_BASE_URL=https://api.z.ai/api/anthropic ANTHROPIC_AUTH_TOKEN={ZAI}\n");
    for (text, more) in [(format!("export ANTHROPIC_API_KEY={KEY}\n"), None), (pair, Some("zai"))] {
        let world = world(&text);
        let own = "agent = \"claude\"\nprovider = \"openrouter\"\n";
        world.write("home/.ringlet/profiles/mine/ringlet.toml", own);
        make_default(&world, "mine");
        let said = world.run(&["migrate", "--yes"]).ok();
        assert!(said.contains("profile \"mine\", which has an account for it already"), "{said}");
        assert_eq!(profile(&world, "mine").as_deref(), Some(own));
        assert_eq!(profile(&world, "default"), None);
        if let Some(more) = more {
            assert!(profile(&world, more).is_some_and(|text| text.contains("provider = \"zai\"")), "{said}");
        }
    }
}

#[test]
fn a_default_profile_that_cannot_be_read_stops_the_run() {
    let text = format!("export ANTHROPIC_API_KEY={KEY}\n");
    let world = world(&text);
    world.write("home/.ringlet/profiles/mine/ringlet.toml", "agent = \"claude\n");
    make_default(&world, "mine");
    let done = world.run(&["migrate", "--yes"]);
    assert_eq!(done.status, Some(1), "{done:?}");
    assert!(done.stderr.contains("profiles/mine/ringlet.toml:1"), "{done:?}");
    assert_eq!(fs::read_to_string(world.path("home/.zshrc")).expect("text"), text);
    assert_eq!(profile(&world, "mine").as_deref(), Some("agent = \"claude\n"));
}

#[test]
fn a_profile_called_default_is_made_the_default_where_it_holds_the_account() {
    for (own, used) in [("anthropic", "default"), ("zai", "default-2")] {
        let world = world(&format!("export ANTHROPIC_API_KEY={KEY}\n"));
        let text = format!("agent = \"claude\"\nprovider = \"{own}\"\n");
        world.write("home/.ringlet/profiles/default/ringlet.toml", &text);
        world.run(&["migrate", "--yes"]).ok();
        let config = fs::read_to_string(world.path("home/.config/ringlet/config.toml")).expect("text");
        assert!(config.contains(&format!("default-profile = \"{used}\"")), "{config}");
        assert_eq!(profile(&world, "default").as_deref(), Some(text.as_str()));
    }
}

#[test]
fn a_credential_in_an_agents_own_settings_is_a_login_of_its_own() {
    for (file, text, says) in [
        ("home/.claude/settings.json", "{\"env\": {\"ANTHROPIC_API_KEY\": \"sk-of-another-place\"}}", true),
        ("home/.claude/settings.json", "{// mine\n\"apiKeyHelper\": \"pass show key\"}", true),
        ("home/.claude/settings.json", "{\"apiKeyHelper\": ", true),
        ("home/.claude.json", "{\"primaryApiKey\": \"sk-of-another-place\"}", true),
        ("home/.claude/settings.json", "{\"env\": {\"ANTHROPIC_MODEL\": \"x\"}}", false),
        ("home/.claude.json", "{\"numStartups\": 3}", false),
    ] {
        let world = world(&format!("export ANTHROPIC_API_KEY={KEY}\n"));
        world.write(file, text);
        let done = world.run(&["migrate", "--yes"]);
        assert_eq!(profile(&world, "default").is_none(), says, "{file} {text} {done:?}");
        assert_eq!(done.stdout.contains("login of its own"), says, "{file} {text} {done:?}");
        assert!(!fs::read_to_string(world.path("home/.zshrc")).expect("text").contains(KEY), "{done:?}");
    }
}

#[test]
fn agents_own_variables_for_any_providers_keys_move_with_their_endpoint_alone() {
    let key = "sk-TESTU2pIFAKEM7EaTEST5PYoFAKE6iNwTESTTHCrFAKE0dFf";
    for (url, provider, endpoint) in [
        ("https://api.deepseek.com/v1", "deepseek", None),
        ("https://gw.example.net/v1", "openai", Some("https://gw.example.net/v1")),
    ] {
        let text = format!("export COPILOT_PROVIDER_BASE_URL={url}\nexport COPILOT_PROVIDER_API_KEY={key}\n");
        let world = world(&text);
        world.agent("copilot");
        let done = world.run(&["migrate", "--yes"]);
        let own = profile(&world, "default").unwrap_or_else(|| panic!("{done:?}"));
        assert!(own.contains("agent = \"copilot\"") && own.contains(&format!("provider = \"{provider}\"")), "{own}");
        assert!(endpoint.is_none_or(|endpoint| own.contains(endpoint)), "{own}");
        assert_eq!(fs::read_to_string(world.path("home/.zshrc")).expect("text"), "");
    }
    // Nothing says whose it is.
    let text = format!("export COPILOT_PROVIDER_API_KEY={key}\n");
    let world = world(&text);
    assert_eq!(world.run(&["migrate", "--yes"]).status, Some(3));
    assert_eq!(fs::read_to_string(world.path("home/.zshrc")).expect("text"), text);
}

#[test]
fn a_subscription_token_is_one_under_any_name() {
    let token = "sk-ant-oat01-TESTq7xwFAKEz3mvTESTw9rtFAKEb5ycTESTq7xwFAKEz3mvTESTw9rtFAKE";
    for name in ["CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"] {
        let world = world(&format!("export {name}={token}\n"));
        let done = world.run(&["migrate", "--yes"]);
        let own = profile(&world, "default").unwrap_or_else(|| panic!("{name} {done:?}"));
        assert!(own.contains("provider = \"claude-subscription\"") && !own.contains("auth-header"), "{own}");
    }
}

#[test]
fn what_a_function_sets_is_an_account_where_it_runs_at_once_and_is_said_to_be_none_elsewhere() {
    let setting = format!("export ANTHROPIC_API_KEY={KEY}");
    for (text, after, is_default) in [
        (format!("() {{ {setting} }}\n"), "() { : }\n", true),
        (format!("function {{\n  {setting}\n  x=1\n}}\n"), "function {\n  x=1\n}\n", true),
        (format!("keys() {{ {setting}; }}\nkeys\n"), "keys() { :; }\nkeys\n", false),
        (format!("function keys {{ {setting} }}\n"), "function keys { : }\n", false),
    ] {
        let world = world(&text);
        let said = world.run(&["migrate", "--yes"]).ok();
        assert_eq!(world.read("home/.zshrc"), after);
        assert_eq!(profile(&world, "default").is_some(), is_default, "{text}: {said}");
        let none = "claude  anthropic       none, since only a function sets ANTHROPIC_API_KEY (~/.zshrc:1)";
        assert_eq!(said.contains(none), !is_default, "{text}: {said}");
        world.run(&["migrate", "undo"]).ok();
        assert_eq!(world.read("home/.zshrc"), text);
    }
}

#[test]
fn two_launchers_of_one_name_have_keys_of_their_profiles_names() {
    // Whatever the order of the values.
    for (first, second) in [(ZAI, OTHER), (OTHER, ZAI)] {
        let world = world("");
        world.write("home/.bashrc", launcher("").replace(ZAI, first));
        world.write("home/.zshrc", launcher("").replace(ZAI, second));
        world.run(&["migrate", "--yes"]).ok();
        for (file, name, value) in [(".bashrc", "kimi", first), (".zshrc", "kimi-2", second)] {
            let text = world.read(format!("home/{file}"));
            assert!(text.contains(&format!("--profile {name} claude")), "{text}");
            let own = profile(&world, name).expect("a profile");
            assert!(own.contains(&format!("key-alias = \"{name}\"")), "{own}");
            let stored = world.read("home/.config/ringlet/credentials.toml");
            let stored: toml::Table = stored.parse().expect("whole");
            assert_eq!(stored["zai"][name]["key"].as_str(), Some(value));
        }
    }
}

#[test]
fn codexs_own_variable_for_a_key_gives_codex_its_default() {
    let key = "sk-proj-TESTq7xwFAKEz3mvTESTw9rtFAKE_T3BlbkFJTESTq7xwFAKEz3mvTESTw9rtFAKE4u";
    let world = world(&format!("export CODEX_API_KEY={key}\n"));
    world.agent("codex");
    let done = world.run(&["migrate", "--yes"]);
    let own = profile(&world, "default").unwrap_or_else(|| panic!("{done:?}"));
    assert!(own.contains("agent = \"codex\"\nprovider = \"openai\""), "{own}");
}

#[test]
fn an_agent_whose_own_files_beat_a_key_gets_no_account_that_a_launch_refuses() {
    const OPENAI: &str = "sk-proj-TESTqq11FAKErr22TESTss33FAKEtt44TESTuu55FAKEvv66TEST";
    for (agent, file, text, why) in [
        ("llm", ".config/io.datasette.llm/keys.json", "{\"openai\": \"x\"}", "would win over the profile's account"),
        ("aider", ".aider.conf.yml", "openai-api-key: x\n", "a login of its own (~/.aider.conf.yml)"),
        // A version of Claude Code that is not told may be one whose settings win.
        (
            "claude",
            ".claude/settings.json",
            "{\"env\":{\"ANTHROPIC_API_KEY\":\"\"}}",
            "would win over the profile's account: take it out, or give the profile a `config-dir` of its own",
        ),
        ("qwen", ".qwen/oauth_creds.json", "{\"access_token\":\"x\"}", "access_token in ~/.qwen/oauth_creds.json"),
    ] {
        let world = World::new();
        world.link_ringlet();
        world.agent(agent);
        let own = if agent == "claude" { ("ANTHROPIC_API_KEY", KEY) } else { ("OPENAI_API_KEY", OPENAI) };
        world.write("home/.zshrc", format!("export {}={}\n", own.0, own.1));
        world.write(format!("home/{file}"), text);
        let said = world.run(&["migrate", "--yes"]).ok();
        assert!(said.contains(why), "{agent}: {said}");
        assert_eq!(fs::read_to_string(world.path("home/.zshrc")).expect("text"), "");
        let listed = world.run(&["profiles", "list", "--json"]).ok();
        assert!(!listed.contains(&format!("\"{agent}\"")), "{listed}");
    }
    let world = World::new();
    world.link_ringlet();
    world.agent("llm");
    let launcher = format!("ask() {{ OPENAI_API_KEY={OPENAI} llm \"$@\"; }}\n");
    world.write("home/.zshrc", &launcher);
    world.write("home/.config/io.datasette.llm/keys.json", "{\"openai\": \"x\"}");
    assert_eq!(world.run(&["migrate", "--yes"]).status, Some(3));
    assert_eq!(fs::read_to_string(world.path("home/.zshrc")).expect("text"), launcher);
}

#[test]
fn a_launcher_of_codex_stays_where_it_used_the_login() {
    let pair = "OPENAI_BASE_URL=https://gw.example.net/v1 OPENAI_API_KEY=sk-TESTkk12FAKEll34TESTmm56FAKEnn78TESToo90";
    let launcher = format!("work() {{ {pair} codex \"$@\"; }}\n");
    for (login, stays) in [("{\"tokens\":{\"access_token\":\"x\"}}", true), ("{\"auth_mode\": \"apikey\"}", false)] {
        let world = World::new();
        world.link_ringlet();
        world.agent("codex");
        world.write("home/.zshrc", &launcher);
        world.write("home/.codex/auth.json", login);
        let done = world.run(&["migrate", "--yes"]);
        assert_eq!(done.status, Some(if stays { 3 } else { 0 }), "{done:?}");
        let now = fs::read_to_string(world.path("home/.zshrc")).expect("text");
        assert_eq!(now == launcher, stays, "{now}");
        assert_eq!(done.stdout.contains("codex does not read OPENAI_API_KEY"), stays, "{done:?}");
    }
}

#[test]
fn what_another_shell_has_is_no_default_where_the_login_shell_uses_a_login() {
    let pair = format!("ANTHROPIC_BASE_URL=https://api.z.ai/api/anthropic ANTHROPIC_AUTH_TOKEN={ZAI}");
    let (fish, function) = (
        pair.replace('=', " ").replace(" A", "; set -gx A"),
        format!("function claude; {pair} command claude $argv; end\n"),
    );
    for text in [format!("set -gx {fish}\n"), function] {
        for (shell, is_default) in [("/bin/fish", true), ("/bin/zsh", false)] {
            let mut world = world("# mine\n");
            world.set("SHELL", shell);
            world.write("home/.config/fish/config.fish", &text);
            world.write("home/.claude/.credentials.json", "{\"claudeAiOauth\":{\"accessToken\":\"x\"}}");
            let done = world.run(&["migrate", "--yes"]);
            assert_eq!(done.status, Some(0), "{done:?}");
            let settings = world.read("home/.config/ringlet/config.toml");
            assert_eq!(settings.contains("default-profile"), is_default, "{shell} {text}: {done:?}");
        }
    }
}

#[test]
fn no_profile_is_given_a_text_that_a_key_stands_in() {
    let pair = format!("ANTHROPIC_BASE_URL=https://api.z.ai/api/anthropic ANTHROPIC_AUTH_TOKEN={ZAI}");
    let own = format!("sk-ant-api03-{}AA", &"TESTq7xwFAKEz3mv".repeat(6)[..93]);
    for more in [
        format!("ANTHROPIC_CUSTOM_TEXT=\"before {ZAI} after\""),
        format!("ANTHROPIC_MODEL=glm-{ZAI}"),
        format!("CLAUDE_CONFIG_DIR=$HOME/{ZAI}"),
        format!("CLAUDE_CODE_TEXT=\"with {own}\""),
    ] {
        // A key of another file, which moves, is known to be one wherever it stands.
        let world = world(&format!("export ZAI_API_KEY={ZAI}\nkimi() {{ {pair} {more} claude \"$@\"; }}\n"));
        world.run(&["migrate", "--yes"]);
        let profiles = world.path("home/.ringlet/profiles");
        for folder in fs::read_dir(profiles).into_iter().flatten() {
            let file = folder.expect("readable").path().join("ringlet.toml");
            let text = fs::read_to_string(&file).expect("readable");
            assert!(!text.contains(ZAI) && !text.contains(&own), "{more}: {text}");
        }
        assert!(fs::read_to_string(world.path("home/.zshrc")).expect("text").contains(&pair), "{more}: it stays whole");
    }
}

#[test]
fn an_agent_that_takes_keys_of_several_providers_keeps_them_all() {
    let openai = "sk-proj-TESTq7xwFAKEz3mvTESTw9rtFAKE_T3BlbkFJTESTq7xwFAKEz3mvTESTw9rtFAKE4u";
    let work = KEY.replace("TEST", "WORK");
    let text = format!(
        "export ANTHROPIC_API_KEY={KEY}\nexport OPENAI_API_KEY={openai}\n\
         work() {{ ANTHROPIC_API_KEY={work} aider \"$@\"; }}\n\
         only() {{ env -u OPENAI_API_KEY ANTHROPIC_API_KEY={work} aider \"$@\"; }}\n"
    );
    let world = world(&text);
    world.agent("codex");
    world.agent("aider");
    let done = world.run(&["migrate", "--yes"]);
    let given = |arguments: &[&str]| {
        let seen = world.run(arguments).ok();
        let keys = seen.lines().filter(|line| line.contains("_API_KEY=")).map(|line| line.trim_start_matches("env="));
        keys.map(str::to_owned).collect::<Vec<_>>()
    };
    let (anthropic, openai) = (format!("ANTHROPIC_API_KEY={KEY}"), format!("OPENAI_API_KEY={openai}"));
    let own = format!("ANTHROPIC_API_KEY={work}");
    assert_eq!(given(&["exec", "aider"]), [anthropic, openai.clone()], "{done:?}");
    let made = profile(&world, "default").expect("made");
    assert!(made.contains("[agents.aider.secrets]\nOPENAI_API_KEY = \"openai/default\"\n"), "{made}");
    assert_eq!(made.matches("secrets").count(), 1, "codex and claude take keys of one provider: {made}");
    let shown = format!("{}{}", done.stdout, done.stderr);
    let row = ["  aider", "ANTHROPIC_API_KEY, OPENAI_API_KEY", "anthropic/default, openai/default"];
    let has = |line: &str| row.iter().all(|word| line.contains(word));
    assert!(shown.lines().any(has), "{shown}");
    // Launchers had the others beside their own, but for what they unset.
    assert_eq!(given(&["exec", "--profile", "work", "aider"]), [own.clone(), openai]);
    assert_eq!(given(&["exec", "--profile", "only", "aider"]), [own]);
    // A second run finds nothing, and undo leaves nothing.
    assert!(world.run(&["migrate", "--dry-run"]).stderr.contains("no key to move"));
    world.run(&["migrate", "undo"]).ok();
    assert_eq!((world.read("home/.zshrc"), profile(&world, "default")), (text, None));
}
