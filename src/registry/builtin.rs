//! The definitions that are built in, one file each below `/registry`.
//!
//! The commands stand here a second time so that the hook, which runs at every shell's start, need not parse any of
//! them; a test holds the two together.

/// One built-in agent.
pub(crate) struct Builtin {
    /// Its name, which is its file's.
    pub name: &'static str,
    /// The commands it is started by, the usual one first.
    pub commands: &'static [&'static str],
    /// Its definition.
    pub toml: &'static str,
}

macro_rules! agents {
    ($($name:literal: $($command:literal)+),+ $(,)?) => {
        &[$(Builtin { name: $name, commands: &[$($command),+], toml: include_str!(concat!("../../registry/agents/", $name, ".toml")) }),+]
    };
}

macro_rules! providers {
    ($($name:literal)+) => {
        &[$(($name, include_str!(concat!("../../registry/providers/", $name, ".toml")))),+]
    };
}

/// The agents, by name.
pub(crate) const AGENTS: &[Builtin] = agents! {
    "aider": "aider",
    "amp": "amp",
    "claude": "claude" "claude-agent-acp" "claude-code-acp",
    "cline": "cline",
    "codex": "codex" "codex-acp",
    "continue": "cn",
    "copilot": "copilot",
    "crush": "crush",
    "cursor": "agent" "cursor-agent",
    "droid": "droid",
    "gemini": "gemini",
    "goose": "goose",
    "grok": "grok",
    "grok-cli": "grok",
    "kilo": "kilo" "kilocode",
    "kimi": "kimi",
    "llm": "llm",
    "opencode": "opencode",
    "pi": "pi",
    "qwen": "qwen",
    "vibe": "vibe" "vibe-acp",
};

/// The providers' names and definitions.
pub(crate) const PROVIDERS: &[(&str, &str)] = providers! {
    "amp" "anthropic" "azure" "cerebras" "claude-subscription" "cursor" "dashscope" "deepseek" "factory" "fireworks" "github" "google"
    "groq" "huggingface" "kimi" "minimax" "mistral" "moonshot" "nvidia" "ollama" "openai" "openrouter" "perplexity"
    "together" "vercel" "xai" "zai"
};

/// What keys begin with that belong to one provider alone, and that provider. A value that was put elsewhere would be sent
/// in another header, or to another host.
pub(crate) const PREFIXES: &[(&str, &str)] = &[("sk-ant-oat", "claude-subscription")];
