//! What a variable's name tells: whose key it holds, or only that it holds one (rules D4 and D7).

use super::patterns::Whose;

/// Sorted by name. Those of the built-in providers, which a test compares, and a few more that agents read.
/// GITHUB_TOKEN and HF_TOKEN are read by git's and the hub's own tools as well: taken out, those would stop working.
pub(super) const NAMES: &[(&str, &str, Whose)] = &[
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

/// Whose credentials a variable of this name holds, where the name is known.
pub(super) fn provider_of(name: &str) -> Option<(&'static str, Whose)> {
    let at = NAMES.binary_search_by(|entry| entry.0.cmp(name)).ok()?;
    Some((NAMES[at].1, NAMES[at].2))
}

/// Reports whether a name says that its value is a key, though it does not say whose: `GLM_API_KEY`, `KEY_KIMI`,
/// `workToken`. Whole parts of it count, so that `MONKEY` and `KEYMAP` say nothing.
pub(super) fn says_key(name: &str) -> bool {
    let parts = parts(name);
    let says = |part: &String| SAYING.contains(&part.trim_end_matches(|sign: char| sign.is_ascii_digit()));
    let Some(last) = parts.iter().rposition(says) else { return false };
    !parts[last + 1..].iter().any(|part| ABOUT.iter().any(|about| part.strip_prefix(about).is_some_and(is_plural)))
}

fn is_plural(rest: &str) -> bool {
    matches!(rest, "" | "S")
}

/// Reports whether a name speaks about a key of PGP: its fingerprints are as random as a secret.
pub(super) fn is_of_pgp(name: &str) -> bool {
    parts(name).iter().any(|part| matches!(part.as_str(), "GPG" | "PGP" | "GNUPG"))
}

const SAYING: &[&str] = &["KEY", "TOKEN", "SECRET", "APIKEY"];

// What follows the word in names of variables that hold no key but something about one.
const ABOUT: &[&str] =
    &["ID", "FILE", "PATH", "DIR", "NAME", "URL", "HELPER", "CMD", "COMMAND", "TYPE", "LENGTH", "EXPIRES"];

// The parts in upper case: between `_` and other signs, and from a small letter to a capital one.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut small = false;
    for sign in name.chars() {
        let is_part = sign.is_ascii_alphanumeric();
        if (!is_part || small && sign.is_ascii_uppercase()) && parts.last().is_some_and(|part| !part.is_empty()) {
            parts.push(String::new());
        }
        if let (true, Some(part)) = (is_part, parts.last_mut()) {
            part.push(sign.to_ascii_uppercase());
        }
        small = sign.is_ascii_lowercase();
    }
    parts
}

/// The words that a name says a key with, and those that take it back.
#[cfg(test)]
pub(super) fn saying() -> (&'static [&'static str], &'static [&'static str]) {
    (SAYING, ABOUT)
}
