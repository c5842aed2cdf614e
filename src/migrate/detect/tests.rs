use super::names::NAMES;
use super::patterns::PREFIXES;
use super::text::text;
use super::values::WORDS;
use super::*;
use crate::migrate::model::Span;
use proptest::prelude::*;

// So many characters that no scanner takes for a real key: TEST and FAKE inside, all different.
fn body(size: usize) -> String {
    let mixed = (0..size).map(|at| char::from(b"TESTq7FAKEz3mTESTw9FAKEb5x"[(at + at / 26) % 26]));
    mixed.collect()
}

fn hex(size: usize) -> String {
    (0..size).map(|at| char::from(b"deadbeefc0ffee57a1"[(at + at / 18) % 18])).collect()
}

// With the entropy of a real one.
const RANDOM_HEX: &str = "deadbeef4910c0ffee7b3fdeadbeef62";

fn key(provider: &str) -> Judgement {
    Judgement::Key(provider.to_owned())
}

fn marked(prefix: &str, size: usize) -> String {
    format!("{prefix}{}T3BlbkFJ{}", body(size), body(size))
}

/// A key of each form, with its provider.
pub(crate) fn agents_keys() -> Vec<(&'static str, String)> {
    vec![
        ("anthropic", format!("sk-ant-api03-{}AA", body(93))),
        ("anthropic", format!("sk-ant-admin01-{}AA", body(93))),
        ("claude-subscription", format!("sk-ant-oat01-{}", body(40))),
        ("openai", marked("sk-proj-", 74)),
        ("openai", marked("sk-svcacct-", 58)),
        ("openai", marked("sk-admin-", 58)),
        ("openai", marked("sk-", 20)),
        ("openai", marked("sk-None-", 20)),
        ("kimi", format!("sk-kimi-{}", body(56))),
        ("minimax", format!("sk-cp-{}", body(100))),
        ("google", format!("AQ.Ab8{}", body(40))),
        ("openrouter", format!("sk-or-v1-{}", hex(64))),
        ("xai", format!("xai-{}", body(80))),
        ("groq", format!("gsk_{}", body(52))),
        ("perplexity", format!("pplx-{}", body(48))),
        ("replicate", format!("r8_{}", body(37))),
        ("nvidia", format!("nvapi-{}", body(64))),
        ("bedrock", format!("ABSK{}==", body(110))),
        ("cerebras", format!("csk-{}", body(48).to_lowercase())),
        ("together", format!("tgp_v1_{}", body(43))),
        ("cursor", format!("crsr_{}", hex(64))),
    ]
}

#[test]
fn a_key_of_an_agents_provider_is_one_under_any_name() {
    for (provider, value) in agents_keys() {
        for name in [None, Some("MY_OWN_NAME"), Some("MISTRAL_API_KEY")] {
            assert_eq!(judge(name, value.as_bytes(), Known::none()), key(provider), "{provider} {name:?}");
        }
        let found: Vec<_> =
            hits(value.as_bytes(), Known::none()).into_iter().map(|hit| (hit.value, hit.judgement)).collect();
        assert_eq!(found, [(0..value.len(), Judgement::Key(provider.to_owned()))], "{provider}");
    }
}

#[test]
fn a_key_that_is_too_short_or_too_long_is_none_under_an_unknown_name() {
    for (provider, value) in agents_keys() {
        let shorter = &value[..value.len() - 3];
        let fixed = !matches!(
            provider,
            "anthropic" | "claude-subscription" | "openai" | "google" | "bedrock" | "kimi" | "minimax"
        );
        if fixed {
            assert_eq!(
                judge(Some("OTHER"), shorter.as_bytes(), Known::none()),
                Judgement::Ignored("unknown"),
                "{provider}"
            );
            assert_eq!(
                judge(Some("OTHER"), format!("{value}q").as_bytes(), Known::none()),
                Judgement::Ignored("unknown")
            );
        }
        assert_eq!(
            judge(None, format!("q{value}").as_bytes(), Known::none()),
            Judgement::Ignored("unknown"),
            "{provider}"
        );
    }
    assert_eq!(
        judge(None, format!("sk-ant-api03-{}AA", body(90)).as_bytes(), Known::none()),
        Judgement::Ignored("unknown")
    );
}

#[test]
fn every_known_name_gives_its_provider_to_a_plain_value() {
    let value = format!("sk-{}", body(48));
    for (name, provider, whose) in NAMES {
        let want = if *whose == Whose::Other { Judgement::Foreign(provider) } else { key(provider) };
        assert_eq!(judge(Some(name), value.as_bytes(), Known::none()), want, "{name}");
        assert!(name.contains("_KEY") || name.contains("_TOKEN"), "the search in text would miss {name}");
        assert_eq!(is_key_name(name), *whose != Whose::Other);
    }
    assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
    for name in [None, Some("MY_OPENAI_API_KEY"), Some("OPENAI_API_KEY_OLD"), Some("openai_api_key"), Some("")] {
        assert_eq!(judge(name, value.as_bytes(), Known::none()), Judgement::Ignored("unknown"), "{name:?}");
    }
}

#[test]
fn every_name_of_a_built_in_provider_is_known() {
    let registry = crate::registry::Registry::built_in();
    for provider in registry.provider_names().expect("listed") {
        let spec = registry.provider(&provider.parse().expect("valid")).expect("a built-in definition");
        for name in std::iter::once(&spec.variable).chain(&spec.also) {
            assert_eq!(provider_of(name.as_str()).map(|found| found.0), Some(provider.as_str()), "{name}");
        }
    }
}

#[test]
fn an_unambiguous_beginning_beats_the_name() {
    for (prefix, provider) in PREFIXES {
        let value = format!("{prefix}{}", body(29));
        assert_eq!(judge(Some("OPENAI_API_KEY"), value.as_bytes(), Known::none()), key(provider), "{prefix}");
        assert_eq!(judge(Some("ANTHROPIC_AUTH_TOKEN"), value.as_bytes(), Known::none()), key(provider), "{prefix}");
    }
    assert_eq!(judge(Some("DEEPSEEK_API_KEY"), marked("sk-", 25).as_bytes(), Known::none()), key("openai"));
    assert_eq!(
        judge(Some("DEEPSEEK_API_KEY"), format!("sk-{}", RANDOM_HEX).as_bytes(), Known::none()),
        key("deepseek")
    );
    assert_eq!(
        judge(Some("ANTHROPIC_AUTH_TOKEN"), format!("sk-{}", RANDOM_HEX).as_bytes(), Known::none()),
        key("anthropic")
    );
}

// Credentials that other tools use, each with its owner.
fn other_credentials() -> Vec<(&'static str, String)> {
    vec![
        ("github", format!("ghp_{}", body(36))),
        ("github", format!("gho_{}", body(36))),
        ("github", format!("github_pat_{}_{}", body(22), body(59))),
        ("huggingface", format!("hf_{}", body(34))),
        ("aws", format!("AKIA{}", body(16).to_uppercase())),
        ("npm", format!("npm_{}", body(36))),
        ("stripe", format!("sk_live_{}", body(24))),
        ("google", format!("AIza{}", body(35))),
    ]
}

#[test]
fn other_tools_credentials_are_named_and_no_keys_but_under_an_agents_variable() {
    for (owner, value) in other_credentials() {
        let names = ["X", "GOOGLE_MAPS_API_KEY", "FIREBASE_KEY", "GLM_API_KEY", "NPM_TOKEN", "AWS_ACCESS_KEY_ID"];
        for name in names.into_iter().map(Some).chain([None]) {
            assert_eq!(judge(name, value.as_bytes(), Known::none()), Judgement::Foreign(owner), "{owner} {name:?}");
            let set = judge_setting(name.unwrap_or_default(), value.as_bytes(), Known::none());
            assert_eq!(set, Judgement::Foreign(owner), "{owner} {name:?}");
        }
        let found: Vec<_> = hits(value.as_bytes(), Known::none()).into_iter().map(|hit| hit.judgement).collect();
        assert_eq!(found, [Judgement::Foreign(owner)]);
        let named = matches!(owner, "github" | "huggingface" | "google");
        assert_eq!(
            judge(Some("OPENAI_API_KEY"), value.as_bytes(), Known::none()),
            key(if named { owner } else { "openai" })
        );
    }
    let token = format!("github_pat_{}_{}", body(22), body(59));
    assert_eq!(judge(Some("COPILOT_GITHUB_TOKEN"), token.as_bytes(), Known::none()), key("github"));
    assert_eq!(
        judge(Some("HUGGINGFACE_API_KEY"), format!("hf_{}", body(34)).as_bytes(), Known::none()),
        key("huggingface")
    );
    assert_eq!(judge(Some("GOOGLE_API_KEY"), format!("AIza{}", body(35)).as_bytes(), Known::none()), key("google"));
}

#[test]
fn whatever_a_variable_of_other_tools_holds_is_no_key() {
    let mut values: Vec<String> =
        agents_keys().into_iter().chain(other_credentials()).map(|(_, value)| value).collect();
    values.extend([format!("sk-{}", body(48)), format!("{}+/{}", body(18), body(20))]);
    for (name, owner) in [
        ("GITHUB_TOKEN", "github"),
        ("GH_TOKEN", "github"),
        ("HF_TOKEN", "huggingface"),
        ("HUGGING_FACE_HUB_TOKEN", "huggingface"),
        ("AWS_SECRET_ACCESS_KEY", "aws"),
    ] {
        for value in &values {
            assert_eq!(judge(Some(name), value.as_bytes(), Known::none()), Judgement::Foreign(owner), "{name}");
            let text = format!("export {name}={value}");
            let found: Vec<_> = hits(text.as_bytes(), Known::none()).into_iter().map(|hit| hit.judgement).collect();
            assert_eq!(found, [Judgement::Foreign(owner)], "{name}");
        }
    }
}

#[test]
fn stand_ins_of_documentation_are_ignored() {
    for value in [
        "your-api-key-here",
        "sk-ant-...",
        "<YOUR_GEMINI_KEY>",
        "changeme",
        "TODO",
        "sk-or-v1-REPLACE_ME",
        "ollama",
        "none",
        "lmstudio",
        "sk-no-key-required",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "sk-proj-Insert-abcdefghijklmnop123456",
        "YOUR_OPENAI_abcdefghijkl",
        "sk-aaaaaabcdefghijklmnopq12345",
        "abcdefgh...ijklmnopqrs",
        "sk-<abcdefghijklmnopqrstu>",
        "Static_abcdefghijklmnopqrs12",
        "my_openai_secret_value_1",
        "sk-ant-test-abcdefghijklmnopqr",
        "CHANGE_ME_PLEASE_1234567890",
        "PASTE_TOKEN_FROM_DASHBOARD",
        "claude-code-router-secret",
        "sk-ant-api03-abcdefghijklmnopqrstuvwxyz",
        "0123456789abcdef0123456789abcdef",
        "sk-0123456789abcdef0123456789abcdef",
        "sk-aBcDeFgHTESTq7xwFAKEz3mv",
        "TESTq7xwFAKE-12345678-z3mv",
        "/run/secrets/openai.production",
        "~/.config/openai/key-of-2026.txt",
        "./secrets/openai/production2026",
        "C:/Users/me/openai-production1.txt",
        "__ANTHROPIC_AUTH_TOKEN__",
        "__TESTq7xwFAKEz3mvTESTw9rt__",
        "OPENAI_API_KEY_OF_THE_TEAM_4711",
        "put.OPENAI_API_KEY.in.this.place",
        "enter-the-secret-of-4711-tenants",
    ] {
        assert_eq!(
            judge(Some("OPENAI_API_KEY"), value.as_bytes(), Known::none()),
            Judgement::Ignored("placeholder"),
            "{value}"
        );
    }
    for word in WORDS {
        for value in [format!("{word}-{}", hex(24)), format!("sk-{word}_{}", hex(24)), format!("{}_{word}", hex(24))] {
            let upper = value.to_uppercase();
            assert_eq!(
                judge(Some("XAI_API_KEY"), value.as_bytes(), Known::none()),
                Judgement::Ignored("placeholder"),
                "{value}"
            );
            assert_eq!(
                judge(Some("XAI_API_KEY"), upper.as_bytes(), Known::none()),
                Judgement::Ignored("placeholder"),
                "{upper}"
            );
        }
        // Inside a longer word, or between other signs, it says nothing.
        for value in [format!("{word}q{}", hex(24)), format!("q{word}.{}", hex(24)), format!("{word}.{}", hex(24))] {
            assert_eq!(judge(Some("XAI_API_KEY"), value.as_bytes(), Known::none()), key("xai"), "{value}");
        }
        // Beside a part that is random itself it says nothing either.
        for value in [format!("{word}-{}", body(20)), format!("sk-{word}_{}", body(20)), format!("{}_{word}", body(32))]
        {
            assert_eq!(judge(Some("XAI_API_KEY"), value.as_bytes(), Known::none()), key("xai"), "{value}");
        }
    }
}

#[test]
fn keys_that_look_like_stand_ins_are_keys() {
    for (name, value, provider) in [
        ("MINIMAX_API_KEY", format!("sk-api-{}", body(100)), "minimax"),
        ("OPENAI_API_KEY", format!("sk-api-{}", body(100)), "minimax"),
        ("OPENAI_API_KEY", marked("sk-None-", 20), "openai"),
        ("ANTHROPIC_AUTH_TOKEN", format!("my-team-{}", RANDOM_HEX), "anthropic"),
        ("OPENAI_API_KEY", format!("sk-local-{}", body(32)), "openai"),
        ("OPENAI_API_KEY", format!("litellm_key_{}", body(32)), "openai"),
        ("MISTRAL_API_KEY", format!("test_{}", body(32)), "mistral"),
        ("ANTHROPIC_AUTH_TOKEN", format!("jonathan.smith-{}", RANDOM_HEX), "anthropic"),
        ("OPENAI_API_KEY", format!("team:{}", body(32)), "openai"),
        ("OPENAI_API_KEY", format!("{}~{}", body(10), body(20)), "openai"),
        ("ANTHROPIC_AUTH_TOKEN", "export-ANTHROPIC_AUTH_TOKEN-20261101-TESTq7".to_owned(), "anthropic"),
        ("OPENAI_API_KEY", body(20), "openai"),
        ("ZAI_API_KEY", format!("{}.{}", RANDOM_HEX, body(16)), "zai"),
        ("ANTHROPIC_AUTH_TOKEN", format!("{}.{}", RANDOM_HEX, body(16)), "zai"),
        ("MINIMAX_API_KEY", format!("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.{}.{}", body(380), body(342)), "minimax"),
        ("OPENAI_API_KEY", body(2560), "openai"),
    ] {
        assert_eq!(judge(Some(name), value.as_bytes(), Known::none()), key(provider), "{value}");
        for text in
            [format!("export {name}={value}"), format!("{{\"{name}\": \"{value}\"}}"), format!("# {name}: {value}")]
        {
            let found = hits(text.as_bytes(), Known::none());
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(&text[found[0].value.clone()], value, "{text}");
            assert_eq!(found[0].judgement, key(provider), "{text}");
        }
    }
}

// The names of docs and dotfiles that no registry has.
const UNKNOWN: &[&str] = &[
    "GLM_API_KEY",
    "BIGMODEL_API_KEY",
    "CC_API_KEY_GLM",
    "KEY_KIMI",
    "AVANTE_OPENAI_API_KEY",
    "OPENAI_API_KEY_WORK",
    "OPENAI_API_KEY_2",
    "OPENAI_API_KEY2",
    "OPENAI_KEY",
    "OPENAI_APIKEY",
    "OPENAI_API_TOKEN",
    "CLAUDE_KEY",
    "DEEPSEEK_KEY",
    "QWEN_API_KEY",
    "ARK_API_KEY",
    "STEPFUN_API_KEY",
    "HUNYUAN_API_KEY",
    "SILICONFLOW_API_KEY",
    "AIHUBMIX_API_KEY",
    "DEEPINFRA_API_KEY",
    "SAMBANOVA_API_KEY",
    "NEBIUS_API_KEY",
    "LITELLM_API_KEY",
    "LITELLM_MASTER_KEY",
    "OPENCODE_API_KEY",
    "AZURE_OPENAI_KEY",
    "HF_API_KEY",
    "TAVILY_API_KEY",
    "ELEVENLABS_API_KEY",
    "EXA_API_KEY",
    "JINA_API_KEY",
    "VOYAGE_API_KEY",
    "LANGSMITH_API_KEY",
    "GITLAB_TOKEN",
    "SLACK_BOT_TOKEN",
    "MY_WORK_TOKEN_2",
    "openai_api_key",
    "glm_key",
    "openaiApiKey",
    "WorkToken",
    "key",
    "CLIENT_SECRET",
];

#[test]
fn a_random_value_under_a_name_that_says_key_is_worth_a_word() {
    for name in UNKNOWN {
        for value in [format!("sk-{}", body(48)), body(20), RANDOM_HEX.to_owned(), format!("tvly-{}", body(32))] {
            assert_eq!(judge_setting(name, value.as_bytes(), Known::none()), Judgement::Unknown(""), "{name} {value}");
            assert_eq!(
                judge(Some(name), value.as_bytes(), Known::none()),
                Judgement::Ignored("unknown"),
                "{name} {value}"
            );
            assert_eq!(hits(format!("{name}={value}").as_bytes(), Known::none()), [], "only settings");
        }
        let zai = format!("{}.{}", RANDOM_HEX, body(16));
        assert_eq!(judge_setting(name, zai.as_bytes(), Known::none()), Judgement::Unknown("zai"));
        for (provider, value) in agents_keys() {
            assert_eq!(judge_setting(name, value.as_bytes(), Known::none()), key(provider), "{name} {value}");
        }
        for value in [
            "",
            "$OTHER",
            "your-api-key-goes-here-4711",
            "/run/secrets/glm.production1",
            "onlyletterswithoutanydigit",
            "short1",
            "op://Vault/item/4711/password",
        ] {
            let judged = judge_setting(name, value.as_bytes(), Known::none());
            assert!(matches!(judged, Judgement::Ignored(_)), "{name} {value} {judged:?}");
        }
    }
    assert_eq!(judge_setting("GOOGLE_API_KEY", body(20).as_bytes(), Known::none()), key("google"));
}

#[test]
fn a_name_that_only_holds_the_letters_or_speaks_about_a_key_says_nothing() {
    for name in [
        "MONKEY",
        "KEYMAP",
        "KEYTIMEOUT",
        "KEYBOARD_LAYOUT",
        "HOTKEYS",
        "TOKENIZERS_PARALLELISM",
        "TOKENS_USED",
        "SECRETARY",
        "LS_COLORS",
        "PATH",
        "SSH_KEY_PATH",
        "AWS_ACCESS_KEY_ID",
        "KEY_IDS",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "API_KEY_HELPER",
        "TOKEN_URL",
        "KEY_DIR",
        "SECRET_NAME",
        "GPG_KEY_ID",
        "OPENAI_API_KEY_CMD",
        "TOKEN_COMMAND",
        "KEY_TYPE",
        "KEY_LENGTH",
        "TOKEN_EXPIRES",
        "TOKEN_EXPIRES_2",
        "openaiKeyPath",
        "DEBEMAIL",
        "_",
        "",
    ] {
        assert_eq!(judge_setting(name, body(32).as_bytes(), Known::none()), Judgement::Ignored("unknown"), "{name}");
    }
    let fingerprint = hex(40).to_uppercase();
    assert_eq!(judge_setting("GPG_KEY", fingerprint.as_bytes(), Known::none()), Judgement::Ignored("unknown"));
    assert_eq!(judge_setting("GPG_KEY", body(40).as_bytes(), Known::none()), Judgement::Unknown(""));
}

#[test]
fn a_keys_full_form_excuses_a_placeholders_word_but_no_other_sign() {
    let mut full = format!("sk-ant-api03-{}AA", body(93));
    full.replace_range(30..35, "-key-");
    assert_eq!(judge(None, full.as_bytes(), Known::none()), key("anthropic"));
    full.replace_range(30..36, "zzzzzz");
    assert_eq!(judge(None, full.as_bytes(), Known::none()), Judgement::Ignored("placeholder"));
    assert_eq!(
        judge(None, format!("crsr_{}", "ab".repeat(32)).as_bytes(), Known::none()),
        Judgement::Ignored("entropy")
    );
}

#[test]
fn what_only_running_the_code_would_tell_is_ignored() {
    for (value, reason) in [
        ("", "empty"),
        ("$OTHER", "reference"),
        ("${OTHER}", "reference"),
        ("$(cat a)", "command-substitution"),
        ("`pass show a`", "command-substitution"),
        ("(pass show a)", "command-substitution"),
        ("op://Private/Anthropic/token", "reference"),
        ("https://openrouter.ai/api", "reference"),
        ("sk-TEST with blanks and FAKE words", "implausible"),
        ("sk-TESTqwertyuiop@FAKEasdf", "implausible"),
    ] {
        assert_eq!(
            judge(Some("OPENAI_API_KEY"), value.as_bytes(), Known::none()),
            Judgement::Ignored(reason),
            "{value}"
        );
    }
    assert_eq!(judge(Some("OPENAI_API_KEY"), &[0xff; 40], Known::none()), Judgement::Ignored("placeholder"));
    assert_eq!(
        judge(Some("OPENAI_API_KEY"), b"abababababababababababab", Known::none()),
        Judgement::Ignored("entropy")
    );
}

#[test]
fn names_are_found_in_every_languages_way_of_setting() {
    // Plain values, which only the name makes a key.
    let plain = format!("sk-{}", body(48));
    for form in [
        "NAME=@",
        "export NAME=\"@\"",
        "# export NAME='@'",
        "NAME=$'@'; claude",
        "set -gx NAME @",
        "set --export NAME '@'",
        "setenv NAME \"@\"",
        ": 1718000010:0;setenv NAME @",
        "#set -Ux NAME @",
        "$env:NAME = '@'",
        "$Env:NAME=\"@\"",
        "[Environment]::SetEnvironmentVariable('NAME', '@', 'User')",
        "setx NAME @",
        "launchctl setenv NAME @",
        "ENV NAME @",
        "NAME DEFAULT=@",
        "NAME  OVERRIDE=\"@\"",
        "NAME: @",
        "\"NAME\": \"@\",",
        "\"NAME\" :\n  \"@\"",
        "NAME = \"@\"",
        "- NAME=@",
        "{NAME: '@'}",
        "<key>NAME</key>\n\t<string>@</string>",
        "- name: NAME\n  value: @",
        "{\"name\": \"NAME\", \"value\": \"@\"}",
        "export NAME=\"${NAME:-@}\"",
        ": \"${NAME:=@}\"",
        "export NAME=$(echo '@')",
        "NAME=\"$(printf '%s' \"@\")\"",
        "NAME=`echo -n @`",
        "set -gx NAME (echo @)",
        "<env name=\"NAME\" value=\"@\" />",
        "<string>setenv</string> <string>NAME</string>\n\t<string>@</string>",
        "- cmd: echo a\\nset -gx NAME @",
        "a\\nNAME=@\\nb",
        "{\"out\": \"NAME=\\\"@\\\"\"}",
        "docker run -e NAME=@ x",
        "Set-Item Env:NAME '@'",
        r"New-Item -Path Env:\NAME -Value '@'",
        "NAME += '@'",
    ] {
        let text = form.replace("NAME", "DEEPSEEK_API_KEY").replace('@', &plain);
        let found = hits(text.as_bytes(), Known::none());
        assert_eq!(found.len(), 1, "{form}");
        assert_eq!(&text[found[0].value.clone()], plain, "{form}");
        assert_eq!(&text[found[0].name.clone().expect("a name")], "DEEPSEEK_API_KEY", "{form}");
        assert_eq!(found[0].judgement, key("deepseek"), "{form}");
        // A value that tells by itself, under a name that nobody knows.
        let own = format!("xai-{}", body(80));
        let text = form.replace("NAME", "SOME_NAME").replace('@', &own);
        let found = hits(text.as_bytes(), Known::none());
        assert_eq!(found.len(), 1, "{form}");
        assert_eq!(&text[found[0].value.clone()], own, "{form}");
    }
}

#[test]
fn text_about_keys_holds_none() {
    for text in [
        "echo $OPENAI_API_KEY > projects/some/long/path/to/file.txt",
        "unset OPENAI_API_KEY && cd projects/long-directory-0",
        "OPENAI_API_KEY=$(cat projects/some/long/path/to/file.txt)",
        "OPENAI_API_KEY=op://Private/Some-Vault/item/q8",
        "grep -r OPENAI_API_KEY src/components/chat/models/openai1.ts",
        "task-ant-api03-",
        "run disk-proj-T3BlbkFJ",
        "https://example.org/_TOKEN/_KEY",
        "OPENAI_API_KEY=",
        "_KEY",
        "_TOKEN=",
        "OPENAI_API_KEY: ${OPENAI_API_KEY:?not set, see docs}",
    ] {
        assert_eq!(hits(text.as_bytes(), Known::none()), [], "{text}");
    }
    let inside = format!("q{}", agents_keys()[0].1);
    assert_eq!(hits(inside.as_bytes(), Known::none()), [], "in the middle of a word");
    let longer = format!("gsk_{}-q", body(52));
    assert_eq!(hits(longer.as_bytes(), Known::none()), [], "goes on after its length");
}

#[test]
fn a_value_stands_in_the_list_once_and_with_its_name() {
    let value = &agents_keys()[3].1;
    let text = format!("OPENAI_API_KEY={value}\nOTHER={value} curl -H \"Authorization: Bearer {value}\"");
    let found = hits(text.as_bytes(), Known::none());
    let names: Vec<_> = found.iter().map(|hit| hit.name.clone().map(|name| &text[name])).collect();
    assert_eq!(names, [Some("OPENAI_API_KEY"), Some("OTHER"), None]);
    assert!(found.iter().all(|hit| text[hit.value.clone()] == **value));
}

#[test]
fn a_key_is_never_taken_for_the_name_of_the_next_one() {
    for (_, value) in agents_keys() {
        for form in [
            "['@', '@']",
            "A=@:@",
            "@=@",
            "A DEFAULT=@ OVERRIDE=@",
            "set @ @",
            "@\0@",
            "<key>@</key><string>@</string>",
            "${@:-@}",
        ] {
            let text = form.replace('@', &value);
            for hit in hits(text.as_bytes(), Known::none()) {
                let name = hit.name.map(|name| &text[name]).unwrap_or_default();
                assert!(!value.contains(name) || name.len() < 2, "{form}");
            }
        }
    }
}

// As the search of `Known`, by comparing everything with everything.
fn occurrences(bytes: &[u8], values: &[Vec<u8>]) -> Vec<Span> {
    let longest = |at: usize| values.iter().filter(|value| bytes[at..].starts_with(value)).map(Vec::len).max();
    (0..bytes.len()).filter_map(|at| Some(at..at + longest(at)?)).collect()
}

#[test]
fn a_known_value_is_a_key_under_any_name_and_wherever_it_stands() {
    let own = format!("corporate.{}", body(30));
    let known = Known::new([(own.as_bytes(), "moonshot")]);
    for name in [None, Some("ANYTHING"), Some("OPENAI_API_KEY"), Some("GITHUB_TOKEN"), Some("GLM_API_KEY")] {
        assert_eq!(judge(name, own.as_bytes(), &known), key("moonshot"), "{name:?}");
        assert_eq!(
            judge(name, format!("{own}q").as_bytes(), &known),
            judge(name, format!("{own}q").as_bytes(), Known::none())
        );
    }
    for form in [
        "@",
        "# was @",
        "curl -H 'Authorization: Bearer @'",
        "x@y",
        "https://user:@@example.org/",
        "a=@&b=1",
        "Bearer%20@",
        "{\"k\":\"@\"}",
        "--key=@",
        "echo @|x",
        "OPENAI_API_KEY=@",
        "OPENAI_API_KEY=$(echo @)",
        "GITHUB_TOKEN=@",
        "\\n@",
        "\u{e9}@\u{e9}",
        "\0@\0",
    ] {
        for gap in ["", " ", "12345", "1234567"] {
            let text = format!("{gap}{}{gap}", form.replace('@', &own));
            let found = hits(text.as_bytes(), &known);
            let values: Vec<&str> = found.iter().map(|hit| &text[hit.value.clone()]).collect();
            assert_eq!(values, vec![own.as_str(); form.matches('@').count().min(text.matches(&own).count())], "{text}");
            assert!(found.iter().all(|hit| hit.judgement == key("moonshot")), "{text}");
        }
    }
    let text = format!("A={own} export OPENAI_API_KEY={own} X_KEY: '{own}'");
    let names: Vec<_> =
        hits(text.as_bytes(), &known).into_iter().map(|hit| hit.name.map(|name| text[name].to_owned())).collect();
    assert_eq!(names, ["A", "OPENAI_API_KEY", "X_KEY"].map(|name| Some(name.to_owned())));
    // A key that the value is a part of is one by itself.
    let longer = format!("sk-kimi-{}", body(56));
    let part = Known::new([(&longer.as_bytes()[..30], "zai")]);
    let found: Vec<_> = hits(longer.as_bytes(), &part).into_iter().map(|hit| (hit.value, hit.judgement)).collect();
    assert_eq!(found, [(0..longer.len(), key("kimi"))]);
    // Too short for a key, or longer than a store takes.
    let unfit = [body(19), body(2561)];
    let known = Known::new(unfit.iter().map(|value| (value.as_bytes(), "x")));
    assert!(unfit.iter().all(|value| hits(value.as_bytes(), &known).is_empty()));
}

#[test]
fn values_that_begin_alike_are_told_apart_in_bounded_time() {
    // Each begins with all that are shorter.
    let long = body(13).repeat(200);
    let values: Vec<&[u8]> = (20..2560).map(|size| &long.as_bytes()[..size]).collect();
    let known = Known::new(values.iter().map(|value| (*value, "openai")));
    let text = format!("{} {}", long.repeat(20), &long[..77]);
    let found = hits(text.as_bytes(), &known);
    assert_eq!(found.last().map(|hit| hit.value.len()), Some(77));
    assert!(found.windows(2).all(|pair| pair[0].value.end <= pair[1].value.start));
    assert_eq!(found[0].value.len(), 2559);
}

proptest! {
    #[test]
    fn known_values_are_found_at_every_place(
        values in proptest::collection::vec("[ab]{20,28}", 0..6),
        pieces in proptest::collection::vec((0usize..12, "[ab]{0,9}"), 0..12),
        from in 0usize..60,
        size in 0usize..300,
    ) {
        let mut text = String::new();
        for (at, between) in &pieces {
            text.push_str(values.get(*at).map_or("", String::as_str));
            text.push_str(between);
        }
        let known = Known::new(values.iter().map(|value| (value.as_bytes(), "zai")));
        let values: Vec<Vec<u8>> = values.into_iter().map(String::into_bytes).collect();
        let range = from.min(text.len())..(from + size).min(text.len());
        let mut found = Vec::new();
        known.find(text.as_bytes(), range.clone(), |span, _| found.push(span));
        let wanted: Vec<Span> =
            occurrences(text.as_bytes(), &values).into_iter().filter(|span| range.contains(&span.start)).collect();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn any_bytes_are_judged_and_searched(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        judge(None, &bytes, Known::none());
        judge(Some("OPENAI_API_KEY"), &bytes, Known::none());
        check_hits(&bytes);
    }

    #[test]
    fn pieces_of_keys_in_any_order_are_searched(pieces in proptest::collection::vec(0usize..60, 0..24)) {
        let keys = agents_keys();
        let others = [
            "OPENAI_API_KEY", "=", ":", " ", "\"", "'", "\\", "\n", "set ", "-gx ", ",", "value",
            "${", ":-", "</key>", "<string>", "DEFAULT=", "$", "_KEY", "_TOKEN", "T3BlbkFJ", "sk-", "-", ";",
            "\u{e9}", "AQ.Ab8",
        ];
        let text: String = pieces.iter().map(|at| {
            keys.get(*at).map(|key| key.1.as_str()).unwrap_or_else(|| others[at % others.len()])
        }).collect();
        check_hits(text.as_bytes());
        for cut in (0..text.len()).step_by(7) {
            check_hits(&text.as_bytes()[cut..]);
        }
    }
}

fn check_hits(bytes: &[u8]) {
    check_hits_knowing(bytes, Known::none());
    // Any part of it may be known.
    let parts = bytes.chunks(53).flat_map(|part| [part, &part[part.len() / 2..]]);
    check_hits_knowing(bytes, &Known::new(parts.map(|part| (part, "zai"))));
}

fn check_hits_knowing(bytes: &[u8], known: &Known) {
    let mut end = 0;
    for hit in hits(bytes, known) {
        assert!(hit.value.start >= end && hit.value.end <= bytes.len() && hit.value.len() >= 20);
        assert!(hit.name.as_ref().is_none_or(|name| name.start < name.end && name.end < hit.value.start));
        let name = hit.name.as_ref().and_then(|name| text(bytes, name));
        assert_eq!(judge(name, &bytes[hit.value.clone()], known), hit.judgement);
        end = hit.value.end;
    }
}
