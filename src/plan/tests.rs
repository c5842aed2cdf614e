//! Tests of plans for profiles of every kind: which variables are set and removed, which keys are looked up, and the
//! mark.

use super::draft::{Draft, Means};
use super::*;
use crate::config::Source;
use crate::env::Change;
use crate::mark;
use crate::profile::Profiles;
use crate::registry::Version;
use std::collections::BTreeSet;
use std::ffi::OsString;

fn plan(profile: &str, agent: &str, words: &[&str], env: &[(&str, &str)], version: Option<&str>) -> LaunchPlan {
    let env = Env::from_pairs(env.iter().copied());
    let paths = Paths::new(&Env::from_pairs([("HOME", "/h"), ("USERPROFILE", "C:\\h")])).expect("home");
    let registry = Registry::new(&paths);
    let profiles = Profiles::new(&paths, &registry);
    let source = Source { file: "p".into(), text: profile.into(), access: None };
    let file = profiles.parse(&"work".parse().expect("valid"), source).expect("valid profile");
    let resolved = profiles.resolve(&file, &agent.parse().expect("valid")).expect("resolves").expect("bound");
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    let version = version.map(|text| Version::parse(text).expect("a version"));
    let start = Start { command: agent.into(), binary: "/bin/agent".into(), arguments: Vec::new() };
    Draft::new(start, &Means { version: version.as_ref(), ..Means::default() }, &words, resolved, &env)
        .passed(Passed::default(), &env)
}

fn environment(plan: &LaunchPlan, before: &[(&str, &str)]) -> Env {
    let mut env = Env::from_pairs(before.iter().copied());
    env.apply(&plan.part().expect("a profile").changes);
    env
}

const CLAUDE: &str = "agent = \"claude\"\nprovider = \"anthropic\"\n[provider-config]\nkey-alias = \"work\"\n";

#[test]
fn leftover_credentials_are_taken_away_and_the_base_url_is_always_set() {
    let before = [
        ("PATH", "/bin"),
        ("ANTHROPIC_AUTH_TOKEN", "x"),
        ("CLAUDE_CODE_USE_BEDROCK", "1"),
        ("ANTHROPIC_BASE_URL", "http://evil"),
    ];
    let plan = plan(CLAUDE, "claude", &["-p", "hi"], &before, None);
    let env = environment(&plan, &before);
    assert_eq!(env.get("ANTHROPIC_AUTH_TOKEN"), None);
    assert_eq!(env.get("CLAUDE_CODE_USE_BEDROCK"), None);
    assert_eq!(env.get("ANTHROPIC_BASE_URL"), Some("https://api.anthropic.com".as_ref()));
    assert_eq!(env.get("PATH"), Some("/bin".as_ref()));
    assert_eq!(
        plan.part().expect("a profile").removed,
        ["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_USE_BEDROCK"]
    );
    let sink = Sink::Variable("ANTHROPIC_API_KEY".parse().expect("valid"));
    let key = "anthropic/work".parse().expect("valid");
    assert_eq!(plan.secrets(), [SecretUse { key, sink, purpose: Purpose::Account }]);
}

#[cfg(unix)]
#[test]
fn a_new_enough_claude_gets_a_descriptor_and_a_third_party_a_bearer_token() {
    let secrets = |plan: LaunchPlan| plan.secrets()[0].sink.clone();
    let descriptor = Sink::Descriptor("CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR".parse().expect("valid"));
    assert_eq!(secrets(plan(CLAUDE, "claude", &[], &[], Some("99.0.0"))), descriptor);
    assert!(matches!(secrets(plan(CLAUDE, "claude", &[], &[], Some("0.2.1"))), Sink::Variable(_)));
    assert!(matches!(secrets(plan(CLAUDE, "claude", &["--bare"], &[], Some("99.0.0"))), Sink::Variable(_)));
    let simple = [("CLAUDE_CODE_SIMPLE", "1")];
    assert!(matches!(secrets(plan(CLAUDE, "claude", &[], &simple, Some("99.0.0"))), Sink::Variable(_)));
    let other = CLAUDE.replace("\"anthropic\"", "\"openrouter\"");
    let plan = plan(&other, "claude", &[], &[], Some("99.0.0"));
    assert_eq!(environment(&plan, &[]).get("ANTHROPIC_API_KEY"), Some("".as_ref()));
    assert_eq!(secrets(plan), Sink::Variable("ANTHROPIC_AUTH_TOKEN".parse().expect("valid")));
}

#[test]
fn an_invocation_without_need_of_a_key_gets_none() {
    for (words, none) in
        [(&["--version"][..], true), (&["mcp", "list"], true), (&["-p", "config"], false), (&[], false)]
    {
        let plan = plan(CLAUDE, "claude", words, &[], None);
        assert_eq!(plan.secrets().is_empty(), none, "{words:?}");
    }
}

#[test]
fn help_behind_a_command_needs_no_key_and_a_command_may_have_several_words() {
    let of_version = |agent: &str, words: &[&str], version: Option<&str>| {
        let profile = format!("agent = \"{agent}\"\nprovider = \"anthropic\"\n[provider-config]\n");
        plan(&profile, agent, words, &[], version).secrets().is_empty()
    };
    let is_idle = |agent: &str, words: &[&str]| of_version(agent, words, None);
    for words in [&["exec", "--help"][..], &["a prompt", "-h"], &["mcp", "list"], &["doctor"], &["--help"]] {
        assert!(is_idle("claude", words), "{words:?}");
    }
    for words in [
        &["-p", "--help"][..],
        &["exec", "hi", "--help"],
        &["--", "--help"],
        &["exec", "--version"],
        &["mcp", "serve"],
        &["mcp"],
    ] {
        assert!(!is_idle("claude", words), "{words:?}");
    }
    assert!(is_idle("opencode", &["agent", "list"]) && !is_idle("opencode", &["agent", "create"]));
    assert!(!is_idle("opencode", &["agent"]) && !is_idle("opencode", &["agent list"]));
    // A version without this command takes the word for a prompt.
    for (version, idle) in [(Some("2.1.330"), true), (Some("2.0.1"), false), (None, false)] {
        assert_eq!(of_version("claude", &["stop"], version), idle, "{version:?}");
    }
}

#[test]
fn an_endpoint_without_effect_is_refused_with_words() {
    let paths = Paths::new(&Env::from_pairs([("HOME", "/h"), ("USERPROFILE", "C:\\h")])).expect("home");
    let registry = Registry::new(&paths);
    let profiles = Profiles::new(&paths, &registry);
    for (agent, provider, endpoint, says) in [
        (
            "continue",
            "openai",
            "https://host.example/v1",
            "no effect on Continue: it takes `apiBase` of its config.yaml",
        ),
        ("continue", "zai", "coding", "no effect on Continue"),
        ("vibe", "mistral", "https://host.example/v1", "no effect on Mistral Vibe: it takes `api_base`"),
        ("cline", "anthropic", "https://host.example", "no effect on Cline"),
        ("crush", "groq", "https://host.example/v1", "Crush follows no endpoint there"),
    ] {
        let text = format!("agent = \"{agent}\"\nprovider = \"{provider}\"\nendpoint = \"{endpoint}\"\n");
        let file = profiles.parse(&"p".parse().expect("valid"), Source { file: "p".into(), text, access: None });
        let file = file.expect("parses");
        let error = profiles.resolve(&file, &agent.parse().expect("valid")).expect_err("refused").to_string();
        assert!(error.starts_with("p:3:12: ") && error.contains(says), "{error}");
    }
}

#[test]
fn the_model_of_opencode_stands_in_its_configuration() {
    let config = |model: &str, words: &[&str]| {
        let profile = CLAUDE.replace("claude", "opencode");
        let plan = plan(&format!("{model}{profile}"), "opencode", words, &[], None);
        let words: Vec<_> = plan.start().arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let env = environment(&plan, &[]);
        (words, env.get("OPENCODE_CONFIG_CONTENT").map(|it| it.to_str().expect("text").to_owned()))
    };
    let provider = "\"provider\":{\"anthropic\":{\"options\":{\"baseURL\":\"https://api.anthropic.com/v1\",\
        \"apiKey\":\"{env:ANTHROPIC_API_KEY}\"}}}";
    let (words, content) = config("model = \"m\"\n", &["serve"]);
    assert_eq!(words, ["serve"]);
    assert_eq!(content, Some(format!("{{\"model\":\"anthropic/m\",{provider}}}")));
    assert_eq!(config("", &["run", "hi"]).1, Some(format!("{{{provider}}}")));
    // A command without a key still gets the profile's provider.
    assert_eq!(config("", &["models"]).1, Some(format!("{{{provider}}}")));
    assert_eq!(config("", &["session", "list"]).1, None);
}

#[test]
fn teams_of_claude_stay_in_its_own_process_unless_a_login_starts_them() {
    let mode = |profile: &str, words: &[&str], version: &str| {
        let plan = plan(profile, "claude", words, &[], Some(version));
        let words: Vec<_> = plan.start().arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        words.iter().position(|word| word == "--teammate-mode").map(|at| words[at + 1].clone())
    };
    let inside = Some("in-process".to_owned());
    assert_eq!(mode(CLAUDE, &["hi"], "2.1.330"), inside);
    assert_eq!(mode(CLAUDE, &["hi"], "2.1.0"), None);
    assert_eq!(mode(CLAUDE, &["mcp", "list"], "2.1.330"), None);
    assert_eq!(mode(LOGIN, &["hi"], "2.1.330"), None);
    assert_eq!(mode(LOGIN, &["--teammate-mode", "tmux"], "2.1.330"), Some("tmux".into()));
}

#[test]
fn the_models_of_an_endpoint_go_with_it() {
    let models =
        [("ANTHROPIC_MODEL", "glm"), ("ANTHROPIC_DEFAULT_OPUS_MODEL", "glm"), ("CLAUDE_CODE_SUBAGENT_MODEL", "glm")];
    let left = |profile: &str, endpoint: &str| {
        let before: Vec<_> = models.into_iter().chain([("ANTHROPIC_BASE_URL", endpoint)]).collect();
        let plan = plan(profile, "claude", &["hi"], &before, None);
        let env = environment(&plan, &before);
        models.map(|(name, _)| env.get(name).map(|it| it.to_str().expect("text").to_owned()))
    };
    let glm = Some("glm".to_owned());
    assert_eq!(left(CLAUDE, "https://api.z.ai/api/anthropic"), [None, None, None]);
    assert_eq!(left(LOGIN, "https://api.z.ai/api/anthropic"), [None, None, None]);
    assert_eq!(left(CLAUDE, "https://api.anthropic.com"), [glm.clone(), glm.clone(), glm.clone()]);
    assert_eq!(left(CLAUDE, ""), [glm.clone(), glm.clone(), glm]);
    let own = format!("model = \"opus\"\n{CLAUDE}");
    assert_eq!(left(&own, "https://api.z.ai/api/anthropic"), [Some("opus".to_owned()), None, None]);
}

#[test]
fn codex_gets_a_provider_of_its_own_before_the_users_words() {
    let profile = "agent = \"codex\"\nprovider = \"openai\"\nmodel = \"m1\"\nargs = [\"--x\"]\n[provider-config]\n";
    let plan = plan(profile, "codex", &["exec", "hi"], &[], None);
    let words: Vec<&str> = plan.start().arguments.iter().map(|word| word.to_str().expect("UTF-8")).collect();
    assert!(words.contains(&"model_providers.ringlet.base_url=\"https://api.openai.com/v1\""), "{words:?}");
    assert!(words.contains(&"model=\"m1\""), "{words:?}");
    assert_eq!(words[words.len() - 3..], ["--x", "exec", "hi"]);
}

#[test]
fn every_pair_that_fits_gives_a_plan_without_open_placeholders() {
    let paths = Paths::new(&Env::from_pairs([("HOME", "/h"), ("USERPROFILE", "C:\\h")])).expect("home");
    let registry = Registry::new(&paths);
    let profiles = Profiles::new(&paths, &registry);
    let mut fitting = 0;
    for agent in registry.agent_names().expect("listed") {
        for provider in registry.provider_names().expect("listed") {
            for rest in ["", "auth = \"none\"\nendpoint = \"http://127.0.0.1:1/v1\"\n"] {
                let text = format!("agent = \"{agent}\"\nprovider = \"{provider}\"\nmodel = \"m\"\n{rest}");
                let source = Source { file: "p".into(), text, access: None };
                let file = profiles.parse(&"p".parse().expect("valid"), source).expect("valid profile");
                let Ok(Some(resolved)) = profiles.resolve(&file, &agent.parse().expect("valid")) else { continue };
                fitting += 1;
                let start = Start { command: agent.clone(), binary: "/x".into(), arguments: Vec::new() };
                let plan = Draft::new(start, &Means::default(), &[], resolved, &Env::default())
                    .passed(Passed::default(), &Env::default());
                let shown = format!("{:?} {:?}", plan.start().arguments, plan.part().expect("a profile").changes);
                for open in ["{base-url}", "{key-variable}", "{provider}", "{model}"] {
                    assert!(!shown.contains(open), "{agent} with {provider}: {shown}");
                }
            }
        }
    }
    assert!(fitting >= 80, "only {fitting} pairs fit");
}

const LOGIN: &str = "agent = \"claude\"\nauth = \"login\"\n";

#[test]
fn a_login_needs_no_store_and_loses_every_variable_that_would_win() {
    let registry =
        Registry::new(&Paths::new(&Env::from_pairs([("HOME", "/h"), ("USERPROFILE", "C:\\h")])).expect("home"));
    let mut logins = 0;
    for name in registry.agent_names().expect("listed") {
        let spec = registry.agent(&name.parse().expect("valid")).expect("built in");
        let Some(login) = &spec.login else { continue };
        logins += 1;
        // Each variable is tested alone, so that none hides another.
        for pattern in spec.unset.iter().chain(&spec.login_unset) {
            let left = pattern.replace('*', "REST");
            let before = [(left.as_str(), "left"), ("PATH", "/bin"), ("GIT_DIR", "x")];
            let plan = plan(&format!("agent = \"{name}\"\nauth = \"login\"\n"), &name, &["hi"], &before, None);
            assert_eq!(plan.keyless(), Some(&Keyless::Login), "{name}");
            let env = environment(&plan, &before);
            let now = login.set.get(&left.parse().expect("valid")).map(String::as_str);
            assert_eq!(env.get(&left).map(|it| it.to_str().expect("text")), now, "{name}: {left}");
            assert_eq!(env.get("GIT_DIR"), Some("x".as_ref()));
        }
        // Only the variables that keep other accounts out are set. No key is set, not even an empty one.
        let set: BTreeSet<String> = plan(&format!("agent = \"{name}\"\nauth = \"login\"\n"), &name, &["hi"], &[], None)
            .part()
            .expect("a profile")
            .changes
            .iter()
            .filter_map(|change| if let Change::Set(name, _) = change { Some(name.to_string()) } else { None })
            .collect();
        let allowed = login.set.keys().map(ToString::to_string).chain([mark::NAME.to_owned()]).collect();
        assert!(set.is_subset(&allowed), "{name}: {set:?}");
    }
    assert!(logins >= 2);
}

#[test]
fn without_a_folder_of_its_own_a_login_is_in_the_agents_default_one() {
    let before = [("CLAUDE_CONFIG_DIR", "/h/.claude-other"), ("CODEX_HOME", "/h/.codex-other")];
    assert_eq!(environment(&plan(LOGIN, "claude", &[], &before, None), &before).get("CLAUDE_CONFIG_DIR"), None);
    let codex = "agent = \"codex\"\nauth = \"login\"\n";
    assert_eq!(environment(&plan(codex, "codex", &[], &before, None), &before).get("CODEX_HOME"), None);
    let folder = format!("{LOGIN}config-dir = \"~/.claude-work/\"\n");
    let set = environment(&plan(&folder, "claude", &[], &before, None), &before);
    let set = set.get("CLAUDE_CONFIG_DIR").expect("set").to_str().expect("text").to_owned();
    assert!(set.ends_with(".claude-work"), "one spelling, without a slash at the end: {set}");
}

#[test]
fn no_key_always_gives_a_dummy_and_hides_what_is_stored() {
    let gateway =
        |agent: &str| format!("agent = \"{agent}\"\nauth = \"none\"\nendpoint = \"http://127.0.0.1:11434\"\n");
    let before = [("ANTHROPIC_API_KEY", "left"), ("OPENCODE_AUTH_CONTENT", "left"), ("OPENAI_API_KEY", "left")];
    for words in [&["hi"][..], &["mcp", "list"]] {
        let plan = plan(&gateway("claude"), "claude", words, &before, Some("2.1.330"));
        let env = environment(&plan, &before);
        assert_eq!(env.get("ANTHROPIC_AUTH_TOKEN"), Some("no-key".as_ref()));
        assert_eq!(env.get("ANTHROPIC_API_KEY"), Some("".as_ref()));
        assert_eq!(env.get("ANTHROPIC_BASE_URL"), Some("http://127.0.0.1:11434".as_ref()));
        assert_eq!(env.get("CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST"), Some("1".as_ref()));
        assert!(plan.secrets().is_empty());
    }
    let codex = plan(&gateway("codex"), "codex", &["exec", "hi"], &before, None);
    let env = environment(&codex, &before);
    assert_eq!((env.get("RINGLET_API_KEY"), env.get("OPENAI_API_KEY")), (Some("no-key".as_ref()), None));
    let shown = format!("{:?}", codex.start().arguments);
    assert!(shown.contains("wire_api=\\\"responses\\\"") && shown.contains("http://127.0.0.1:11434"), "{shown}");
    let opencode = plan(&format!("{}model = \"m\"\n", gateway("opencode")), "opencode", &["run", "hi"], &before, None);
    let env = environment(&opencode, &before);
    assert_eq!(env.get("OPENCODE_AUTH_CONTENT"), Some("{}".as_ref()));
    let config = env.get("OPENCODE_CONFIG_CONTENT").expect("set").to_str().expect("text").to_owned();
    assert!(config.contains("{env:RINGLET_API_KEY}") && config.contains("127.0.0.1:11434"), "{config}");
    assert_eq!(env.get("RINGLET_API_KEY"), Some("no-key".as_ref()));
}

#[cfg(unix)]
#[test]
fn a_subscription_token_is_given_as_one_and_goes_to_its_vendor_alone() {
    let profile = "agent = \"claude\"\nprovider = \"claude-subscription\"\n[provider-config]\nkey-alias = \"t\"\n";
    let before = [("ANTHROPIC_BASE_URL", "https://elsewhere.example")];
    let given = plan(profile, "claude", &["hi"], &before, Some("2.1.330"));
    let descriptor = Sink::Descriptor("CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR".parse().expect("valid"));
    assert_eq!(given.secrets()[0].sink, descriptor);
    let env = environment(&given, &before);
    assert_eq!(env.get("ANTHROPIC_BASE_URL"), Some("https://api.anthropic.com".as_ref()));
    assert_eq!((env.get("ANTHROPIC_API_KEY"), env.get("ANTHROPIC_AUTH_TOKEN")), (None, None));
    let variable = Sink::Variable("CLAUDE_CODE_OAUTH_TOKEN".parse().expect("valid"));
    assert_eq!(plan(profile, "claude", &["hi"], &[], None).secrets()[0].sink, variable);
}

#[test]
fn what_a_launch_sets_is_marked_and_a_launch_below_begins_without_it() {
    let first = "agent = \"claude\"\nprovider = \"zai\"\nconfig-dir = \"/h/c\"\n[env]\nMINE = \"1\"\n[secrets]\n\
    GITHUB_TOKEN = \"github/work\"\n";
    let before = [("PATH", "/bin"), ("LANG", "C")];
    let plan = plan(first, "claude", &["hi"], &before, None);
    let mut env = environment(&plan, &before);
    for used in plan.secrets() {
        env.set(used.sink.variable().expect("a variable").as_str(), "secret".into());
    }
    mark::undo(&mut env);
    let names: Vec<&str> = env.names().collect();
    assert_eq!(names, ["PATH", "LANG"]);
}

#[test]
fn an_endpoint_of_the_shell_that_is_dropped_is_said_and_the_profiles_own_is_not() {
    let dropped = |profile: &str, agent: &str, before: &[(&str, &str)]| {
        plan(profile, agent, &["hi"], before, None).part().expect("a profile").notices.clone()
    };
    let elsewhere =
        [("ANTHROPIC_BASE_URL", "https://elsewhere.example"), ("OPENAI_BASE_URL", "https://elsewhere.example")];
    let told = |names: &[&str], endpoint: Option<&str>| {
        vec![Notice::EndpointDropped {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            profile: "work".parse().expect("valid"),
            endpoint: endpoint.map(str::to_owned),
        }]
    };
    let anthropic = Some("https://api.anthropic.com");
    assert_eq!(dropped(CLAUDE, "claude", &elsewhere), told(&["ANTHROPIC_BASE_URL"], anthropic));
    assert_eq!(dropped(LOGIN, "claude", &elsewhere), told(&["ANTHROPIC_BASE_URL"], anthropic));
    let codex = "agent = \"codex\"\nauth = \"login\"\n";
    assert_eq!(dropped(codex, "codex", &elsewhere), told(&["OPENAI_BASE_URL"], None));
    for own in ["https://api.anthropic.com", "https://api.anthropic.com/", ""] {
        assert_eq!(dropped(CLAUDE, "claude", &[("ANTHROPIC_BASE_URL", own)]), [], "{own}");
    }
    let opencode = CLAUDE.replace("claude", "opencode");
    assert_eq!(dropped(&opencode, "opencode", &[("ANTHROPIC_BASE_URL", "https://api.anthropic.com")]), []);
}
