//! What is a key and whose it is: by the variable's name, by the value's shape, and by what documentation puts there.
//!
//! Pure, and called by every reader and by the scan of histories. Nothing here keeps, prints or compares values; what
//! comes out are names of providers and byte ranges. The patterns are the vendors' own or those of the open secret
//! scanners; a pattern that other things match as well (32 hexadecimal digits) counts only under a known name.

mod patterns;
mod text;

pub(super) use text::{AFTER, BEFORE, Hit, LONGEST_MARK, hits, is_better, search};

use patterns::{PATTERNS, PLAUSIBLE, Pattern, Whose, prefix_owner};

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    /// A key of this provider of agents.
    Key(String),
    /// A credential of something else, here named: reported (`not-agent-key`), never moved.
    Foreign(&'static str),
    /// Nothing to report, and why: `empty`, `reference`, `command-substitution`, `placeholder`, `implausible`
    /// (characters that no key has), `entropy`, `unknown`.
    Ignored(&'static str),
}

/// Judges a value by the variable it stands in, if any, and by itself.
pub(super) fn judge(name: Option<&str>, value: &[u8]) -> Judgement {
    if let Some(reason) = not_literal(value) {
        return Judgement::Ignored(reason);
    }
    if is_hollow(value) {
        return Judgement::Ignored("placeholder");
    }
    if !value.iter().all(|byte| PLAUSIBLE.has(*byte)) {
        return Judgement::Ignored("implausible");
    }
    let pattern = PATTERNS.iter().find(|pattern| pattern.matches(value));
    // A random key may well hold a short word between two dashes; only a key's full form excuses it.
    if !pattern.is_some_and(|pattern| pattern.whose != Whose::Other) && has_placeholder_word(value) {
        return Judgement::Ignored("placeholder");
    }
    if entropy(value) < 3.0 {
        return Judgement::Ignored("entropy");
    }
    let known = name.and_then(provider_of);
    match (pattern, known) {
        (Some(Pattern { provider, whose: Whose::Other, .. }), _) => Judgement::Foreign(provider),
        (Some(Pattern { provider, whose: Whose::Named, .. }), None) => Judgement::Foreign(provider),
        (Some(Pattern { provider, .. }), _) => Judgement::Key((*provider).to_owned()),
        (None, Some(_)) if prefix_owner(value).is_some() => {
            Judgement::Key(prefix_owner(value).expect("just looked at").to_owned())
        }
        (None, Some((provider, Whose::Other))) => Judgement::Foreign(provider),
        (None, Some((provider, _))) => Judgement::Key(provider.to_owned()),
        (None, None) => Judgement::Ignored("unknown"),
    }
}

/// Whether a word that only stands near a name can hardly be anything but its key: a provider's own beginning, or
/// letters and digits as no person mixes them.
pub(super) fn is_telling(word: &[u8]) -> bool {
    let body = word.strip_prefix(b"sk-").unwrap_or(word);
    let runs = body.split(|byte| !byte.is_ascii_digit()).filter(|run| !run.is_empty()).count();
    let mixed = body.iter().any(u8::is_ascii_lowercase) && body.iter().any(u8::is_ascii_uppercase);
    prefix_owner(word).is_some()
        || PATTERNS.iter().any(|pattern| pattern.matches(word))
        || body.iter().all(u8::is_ascii_alphanumeric) && runs > 1 && (mixed || body.len() < word.len())
}

/// Whether a variable of this name holds a key of a provider of agents.
pub(super) fn is_key_name(name: &str) -> bool {
    provider_of(name).is_some_and(|(_, whose)| whose != Whose::Other)
}

// Sorted by name. Those of the built-in providers, which a test compares, and a few more that agents read.
// GITHUB_TOKEN and HF_TOKEN are read by git's and the hub's own tools as well: taken out, those would stop working.
const NAMES: &[(&str, &str, Whose)] = &[
    ("AI_GATEWAY_API_KEY", "vercel", Whose::Agents),
    ("AMP_API_KEY", "amp", Whose::Agents),
    ("ANTHROPIC_API_KEY", "anthropic", Whose::Agents),
    ("ANTHROPIC_AUTH_TOKEN", "anthropic", Whose::Agents),
    ("AWS_BEARER_TOKEN_BEDROCK", "bedrock", Whose::Agents),
    ("AWS_SECRET_ACCESS_KEY", "aws", Whose::Other),
    ("AZURE_API_KEY", "azure", Whose::Agents),
    ("AZURE_OPENAI_API_KEY", "azure", Whose::Agents),
    ("BAILIAN_API_KEY", "dashscope", Whose::Agents),
    ("CEREBRAS_API_KEY", "cerebras", Whose::Agents),
    ("CLAUDE_API_KEY", "anthropic", Whose::Agents),
    ("CLAUDE_CODE_OAUTH_TOKEN", "claude-subscription", Whose::Agents),
    ("COHERE_API_KEY", "cohere", Whose::Agents),
    ("COPILOT_GITHUB_TOKEN", "github", Whose::Agents),
    ("CO_API_KEY", "cohere", Whose::Agents),
    ("CURSOR_API_KEY", "cursor", Whose::Agents),
    ("DASHSCOPE_API_KEY", "dashscope", Whose::Agents),
    ("DEEPSEEK_API_KEY", "deepseek", Whose::Agents),
    ("FACTORY_API_KEY", "factory", Whose::Agents),
    ("FIREWORKS_AI_API_KEY", "fireworks", Whose::Agents),
    ("FIREWORKS_API_KEY", "fireworks", Whose::Agents),
    ("GEMINI_API_KEY", "google", Whose::Agents),
    ("GH_TOKEN", "github", Whose::Other),
    ("GITHUB_TOKEN", "github", Whose::Other),
    ("GOOGLE_API_KEY", "google", Whose::Agents),
    ("GOOGLE_GENERATIVE_AI_API_KEY", "google", Whose::Agents),
    ("GROK_API_KEY", "xai", Whose::Agents),
    ("GROQ_API_KEY", "groq", Whose::Agents),
    ("HF_TOKEN", "huggingface", Whose::Other),
    ("HUGGINGFACE_API_KEY", "huggingface", Whose::Agents),
    ("HUGGING_FACE_HUB_TOKEN", "huggingface", Whose::Other),
    ("KIMI_API_KEY", "kimi", Whose::Agents),
    ("MINIMAX_API_KEY", "minimax", Whose::Agents),
    ("MISTRAL_API_KEY", "mistral", Whose::Agents),
    ("MOONSHOT_API_KEY", "moonshot", Whose::Agents),
    ("NVIDIA_API_KEY", "nvidia", Whose::Agents),
    ("NVIDIA_NIM_API_KEY", "nvidia", Whose::Agents),
    ("OLLAMA_API_KEY", "ollama", Whose::Agents),
    ("OPENAI_API_KEY", "openai", Whose::Agents),
    ("OPENROUTER_API_KEY", "openrouter", Whose::Agents),
    ("OPENROUTER_KEY", "openrouter", Whose::Agents),
    ("PERPLEXITYAI_API_KEY", "perplexity", Whose::Agents),
    ("PERPLEXITY_API_KEY", "perplexity", Whose::Agents),
    ("REPLICATE_API_TOKEN", "replicate", Whose::Agents),
    ("TOGETHERAI_API_KEY", "together", Whose::Agents),
    ("TOGETHER_API_KEY", "together", Whose::Agents),
    ("XAI_API_KEY", "xai", Whose::Agents),
    ("ZAI_API_KEY", "zai", Whose::Agents),
    ("ZHIPUAI_API_KEY", "zai", Whose::Agents),
    ("ZHIPU_API_KEY", "zai", Whose::Agents),
    ("Z_AI_API_KEY", "zai", Whose::Agents),
];

fn provider_of(name: &str) -> Option<(&'static str, Whose)> {
    let at = NAMES.binary_search_by(|entry| entry.0.cmp(name)).ok()?;
    Some((NAMES[at].1, NAMES[at].2))
}

// Whole words between `-` and `_`, in documentation's stand-ins for a key.
const WORDS: &[&str] = &[
    "your",
    "my",
    "key",
    "api",
    "example",
    "sample",
    "placeholder",
    "replace",
    "changeme",
    "dummy",
    "fake",
    "test",
    "todo",
    "none",
    "local",
    "here",
    "required",
    "insert",
    "static",
];

fn has_placeholder_word(value: &[u8]) -> bool {
    value
        .split(|byte| matches!(byte, b'-' | b'_'))
        .any(|word| WORDS.iter().any(|stand_in| word.eq_ignore_ascii_case(stand_in.as_bytes())))
}

// What running code or another store would give.
fn not_literal(value: &[u8]) -> Option<&'static str> {
    let has = |text: &[u8]| value.windows(text.len()).any(|window| window == text);
    match value {
        [] => Some("empty"),
        [b'(', ..] => Some("command-substitution"),
        _ if has(b"$(") || has(b"`") => Some("command-substitution"),
        _ if has(b"$") || has(b"://") => Some("reference"),
        _ => None,
    }
}

fn is_hollow(value: &[u8]) -> bool {
    value.len() < 20
        || value.windows(3).any(|window| window == b"...")
        || value.iter().position(|byte| *byte == b'<').is_some_and(|open| value[open..].contains(&b'>'))
        || value.windows(6).any(|window| window.iter().all(|byte| *byte == window[0]))
}

/// Shannon's entropy, in bits a byte.
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let total = value.len() as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / total).map(|p| -p * p.log2()).sum()
}

/// The known variables, each with the provider whose credentials it holds.
#[cfg(test)]
pub(super) fn variables() -> Vec<(&'static str, &'static str)> {
    NAMES.iter().map(|(name, provider, _)| (*name, *provider)).collect()
}

/// The beginnings of the patterns, each with its provider.
#[cfg(test)]
pub(super) fn patterns() -> Vec<(&'static str, &'static str)> {
    PATTERNS.iter().map(|pattern| (pattern.prefix, pattern.provider)).collect()
}

/// The beginnings that tell the provider of a value under a known name.
#[cfg(test)]
pub(super) fn beginnings() -> Vec<(&'static str, &'static str)> {
    patterns::PREFIXES.to_vec()
}

/// The words that make a value a placeholder.
#[cfg(test)]
pub(super) fn placeholder_words() -> &'static [&'static str] {
    WORDS
}

#[cfg(test)]
mod tests {
    use super::patterns::PREFIXES;
    use super::text::text;
    use super::*;
    use proptest::prelude::*;

    // So many characters that no scanner takes for a real key: TEST and FAKE inside, all different.
    fn body(size: usize) -> String {
        let mixed = (0..size).map(|at| char::from(b"TESTq7FAKEz3mTESTw9FAKEb5x"[(at + at / 26) % 26]));
        mixed.collect()
    }

    fn hex(size: usize) -> String {
        (0..size).map(|at| char::from(b"deadbeefc0ffee57a1"[(at + at / 18) % 18])).collect()
    }

    fn key(provider: &str) -> Judgement {
        Judgement::Key(provider.to_owned())
    }

    fn marked(prefix: &str, size: usize) -> String {
        format!("{prefix}{}T3BlbkFJ{}", body(size), body(size))
    }

    fn agents_keys() -> Vec<(&'static str, String)> {
        vec![
            ("anthropic", format!("sk-ant-api03-{}AA", body(93))),
            ("anthropic", format!("sk-ant-admin01-{}AA", body(93))),
            ("claude-subscription", format!("sk-ant-oat01-{}", body(40))),
            ("openai", marked("sk-proj-", 74)),
            ("openai", marked("sk-svcacct-", 58)),
            ("openai", marked("sk-admin-", 58)),
            ("openai", marked("sk-", 20)),
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
                assert_eq!(judge(name, value.as_bytes()), key(provider), "{provider} {name:?}");
            }
            let found: Vec<_> = hits(value.as_bytes()).into_iter().map(|hit| (hit.value, hit.judgement)).collect();
            assert_eq!(found, [(0..value.len(), Judgement::Key(provider.to_owned()))], "{provider}");
        }
    }

    #[test]
    fn a_key_that_is_too_short_or_too_long_is_none_under_an_unknown_name() {
        for (provider, value) in agents_keys() {
            let shorter = &value[..value.len() - 3];
            let fixed = !matches!(provider, "anthropic" | "claude-subscription" | "openai" | "google" | "bedrock");
            if fixed {
                assert_eq!(judge(Some("OTHER"), shorter.as_bytes()), Judgement::Ignored("unknown"), "{provider}");
                assert_eq!(judge(Some("OTHER"), format!("{value}q").as_bytes()), Judgement::Ignored("unknown"));
            }
            assert_eq!(judge(None, format!("q{value}").as_bytes()), Judgement::Ignored("unknown"), "{provider}");
        }
        assert_eq!(judge(None, format!("sk-ant-api03-{}AA", body(90)).as_bytes()), Judgement::Ignored("unknown"));
    }

    #[test]
    fn every_known_name_gives_its_provider_to_a_plain_value() {
        let value = format!("sk-{}", body(48));
        for (name, provider, whose) in NAMES {
            let want = if *whose == Whose::Other { Judgement::Foreign(provider) } else { key(provider) };
            assert_eq!(judge(Some(name), value.as_bytes()), want, "{name}");
            assert!(name.contains("_KEY") || name.contains("_TOKEN"), "the search in text would miss {name}");
            assert_eq!(is_key_name(name), *whose != Whose::Other);
        }
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        for name in [None, Some("MY_OPENAI_API_KEY"), Some("OPENAI_API_KEY_OLD"), Some("openai_api_key"), Some("")] {
            assert_eq!(judge(name, value.as_bytes()), Judgement::Ignored("unknown"), "{name:?}");
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
            assert_eq!(judge(Some("OPENAI_API_KEY"), value.as_bytes()), key(provider), "{prefix}");
            assert_eq!(judge(Some("ANTHROPIC_AUTH_TOKEN"), value.as_bytes()), key(provider), "{prefix}");
        }
        assert_eq!(judge(Some("DEEPSEEK_API_KEY"), marked("sk-", 25).as_bytes()), key("openai"));
        assert_eq!(judge(Some("DEEPSEEK_API_KEY"), format!("sk-{}", hex(32)).as_bytes()), key("deepseek"));
        assert_eq!(judge(Some("ANTHROPIC_AUTH_TOKEN"), format!("sk-{}", hex(32)).as_bytes()), key("anthropic"));
    }

    #[test]
    fn other_tools_credentials_are_named_and_never_keys() {
        let maps = format!("AIza{}", body(35));
        assert_eq!(judge(Some("GOOGLE_MAPS_API_KEY"), maps.as_bytes()), Judgement::Foreign("google"));
        assert_eq!(judge(Some("FIREBASE_KEY"), maps.as_bytes()), Judgement::Foreign("google"));
        assert_eq!(judge(None, maps.as_bytes()), Judgement::Foreign("google"));
        assert_eq!(judge(Some("GOOGLE_API_KEY"), maps.as_bytes()), key("google"));
        for (owner, value) in [
            ("github", format!("ghp_{}", body(36))),
            ("github", format!("gho_{}", body(36))),
            ("github", format!("github_pat_{}_{}", body(22), body(59))),
            ("aws", format!("AKIA{}", body(16).to_uppercase())),
            ("npm", format!("npm_{}", body(36))),
            ("stripe", format!("sk_live_{}", body(24))),
        ] {
            for name in [None, Some("GITHUB_TOKEN"), Some("OPENAI_API_KEY"), Some("X")] {
                assert_eq!(judge(name, value.as_bytes()), Judgement::Foreign(owner), "{owner} {name:?}");
            }
            assert_eq!(hits(value.as_bytes()).len(), 1, "{owner}");
            assert!(hits(value.as_bytes()).iter().all(|hit| !matches!(hit.judgement, Judgement::Key(_))));
        }
        let secret = format!("{}+/{}", body(18), body(20));
        assert_eq!(judge(Some("AWS_SECRET_ACCESS_KEY"), secret.as_bytes()), Judgement::Foreign("aws"));
        assert_eq!(judge(Some("HF_TOKEN"), format!("hf_{}", body(34)).as_bytes()), Judgement::Foreign("huggingface"));
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
        ] {
            assert_eq!(judge(Some("OPENAI_API_KEY"), value.as_bytes()), Judgement::Ignored("placeholder"), "{value}");
        }
        for word in WORDS {
            for value in
                [format!("{word}-{}", hex(24)), format!("sk-{word}_{}", hex(24)), format!("{}_{word}", hex(24))]
            {
                let upper = value.to_uppercase();
                assert_eq!(judge(Some("XAI_API_KEY"), value.as_bytes()), Judgement::Ignored("placeholder"), "{value}");
                assert_eq!(judge(Some("XAI_API_KEY"), upper.as_bytes()), Judgement::Ignored("placeholder"), "{upper}");
            }
            // Inside a longer word, or between other signs, it says nothing.
            for value in [format!("{word}q{}", hex(24)), format!("q{word}.{}", hex(24)), format!("{word}.{}", hex(24))]
            {
                assert_eq!(judge(Some("XAI_API_KEY"), value.as_bytes()), key("xai"), "{value}");
            }
        }
    }

    #[test]
    fn a_keys_full_form_excuses_a_placeholders_word_but_no_other_sign() {
        let mut full = format!("sk-ant-api03-{}AA", body(93));
        full.replace_range(30..35, "-key-");
        assert_eq!(judge(None, full.as_bytes()), key("anthropic"));
        full.replace_range(30..36, "zzzzzz");
        assert_eq!(judge(None, full.as_bytes()), Judgement::Ignored("placeholder"));
        assert_eq!(judge(None, format!("crsr_{}", "ab".repeat(32)).as_bytes()), Judgement::Ignored("entropy"));
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
            assert_eq!(judge(Some("OPENAI_API_KEY"), value.as_bytes()), Judgement::Ignored(reason), "{value}");
        }
        assert_eq!(judge(Some("OPENAI_API_KEY"), &[0xff; 40]), Judgement::Ignored("placeholder"));
        assert_eq!(judge(Some("OPENAI_API_KEY"), b"abababababababababababab"), Judgement::Ignored("entropy"));
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
            let found = hits(text.as_bytes());
            assert_eq!(found.len(), 1, "{form}");
            assert_eq!(&text[found[0].value.clone()], plain, "{form}");
            assert_eq!(&text[found[0].name.clone().expect("a name")], "DEEPSEEK_API_KEY", "{form}");
            assert_eq!(found[0].judgement, key("deepseek"), "{form}");
            // A value that tells by itself, under a name that nobody knows.
            let own = format!("xai-{}", body(80));
            let text = form.replace("NAME", "SOME_NAME").replace('@', &own);
            let found = hits(text.as_bytes());
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
            assert_eq!(hits(text.as_bytes()), [], "{text}");
        }
        let inside = format!("q{}", agents_keys()[0].1);
        assert_eq!(hits(inside.as_bytes()), [], "in the middle of a word");
        let longer = format!("gsk_{}-q", body(52));
        assert_eq!(hits(longer.as_bytes()), [], "goes on after its length");
    }

    #[test]
    fn a_value_stands_in_the_list_once_and_with_its_name() {
        let value = &agents_keys()[3].1;
        let text = format!("OPENAI_API_KEY={value}\nOTHER={value} curl -H \"Authorization: Bearer {value}\"");
        let found = hits(text.as_bytes());
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
                for hit in hits(text.as_bytes()) {
                    let name = hit.name.map(|name| &text[name]).unwrap_or_default();
                    assert!(!value.contains(name) || name.len() < 2, "{form}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_and_searched(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            judge(None, &bytes);
            judge(Some("OPENAI_API_KEY"), &bytes);
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
        let mut end = 0;
        for hit in hits(bytes) {
            assert!(hit.value.start >= end && hit.value.end <= bytes.len() && hit.value.len() >= 20);
            assert!(hit.name.as_ref().is_none_or(|name| name.start < name.end && name.end < hit.value.start));
            let name = hit.name.as_ref().and_then(|name| text(bytes, name));
            assert_eq!(judge(name, &bytes[hit.value.clone()]), hit.judgement);
            end = hit.value.end;
        }
    }
}
