//! The environment variables that a project's file may set without changing the account.
//!
//! Applications choose the names of their own variables, so no list of harmless names can be complete. This module
//! lists the families that are not harmless. Every other name is harmless.

use crate::registry::{AgentSpec, matches};

/// The reason why a variable is not harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// The agent reads it for itself or for the provider of this launch.
    Agents,
    /// It sets a proxy or the trusted certificates.
    Traffic,
    /// Programs read it when they start.
    StartUp,
    /// It moves the directories of the user's files.
    Places,
}

// These names match in any case, because curl and other programs read both spellings.
const TRAFFIC: [&str; 13] = [
    "*PROXY",
    "NODE_TLS_*",
    "NODE_EXTRA_CA_CERTS",
    "SSL*",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "RES_OPTIONS",
    "*_CA_BUNDLE",
    "*_CA_CERTS",
    "*_CERT_FILE",
    "*_SSL_ROOTS_FILE_PATH",
    "HTTPLIB2_*",
    "GLOBAL_AGENT_*",
];
const START_UP: [&str; 61] = [
    "LD_*",
    "DYLD_*",
    "GLIBC_TUNABLES",
    "GCONV_PATH",
    "LOCPATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_V8_COVERAGE",
    "NODE_REPL_*",
    "NODE_REDIRECT_WARNINGS",
    "BUN_*",
    "DENO_*",
    "ELECTRON_*",
    "PYTHON*",
    "RUBYOPT",
    "RUBYLIB",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "BASH_ENV",
    "BASH_FUNC_*",
    "BASHOPTS",
    "SHELLOPTS",
    "PS4",
    "IFS",
    "CDPATH",
    "ENV",
    "SHELL",
    "ZDOTDIR",
    "PROMPT_COMMAND",
    "PATH",
    "PATHEXT",
    "COMSPEC",
    "EDITOR",
    "VISUAL",
    "*PAGER",
    "LESSOPEN",
    "LESSCLOSE",
    "BROWSER",
    "GIT_*",
    "SSH_*",
    "YARN_*",
    "PERL*",
    "OPENSSL_*",
    "RIPGREP_CONFIG_PATH",
    "NODE_COMPILE_CACHE",
    "DOTNET_STARTUP_HOOKS",
    "CURL_HOME",
    "WGETRC",
    "TAR_OPTIONS",
    "MAKEFILES",
    "MAKEFLAGS",
    "RUSTC_*",
    "RUSTFLAGS",
    "GOFLAGS",
    "PIP_*",
    "UV_*",
    "GNUPGHOME",
    "INPUTRC",
    "FPATH",
    "KSH_ENV",
];
const PLACES: [&str; 9] =
    ["HOME", "XDG_*", "TMPDIR", "TMP", "TEMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "RINGLET_*"];
// Exceptions from the families above: they only change how a program prints or how much memory it uses.
const HARMLESS: [&str; 2] = ["PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"];
const HEAP: [&str; 4] = ["max-old-space-size", "max-semi-space-size", "max-heap-size", "stack-trace-limit"];
// The endings of the variables that hold a provider's key or address.
const PROVIDER_ENDINGS: [&str; 8] =
    ["_API_KEY", "_API_BASE", "_BASE_URL", "_AUTH_TOKEN", "_API_TOKEN", "_URL", "_ENDPOINT", "_HOST"];

/// The facts about a launch that decide which variables are harmless.
pub(crate) struct VariableRules<'a> {
    /// The agent.
    pub agent: &'a AgentSpec,
    /// Whether the agent uses its own login. More variables compete with a login.
    pub is_login: bool,
    /// The prefixes of the variables that name this launch's key or its provider.
    pub prefixes: Vec<String>,
    /// Whether the agent's telemetry is on.
    pub telemetry: bool,
    /// Whether every name counts as read by the agent. Records are bound under this condition.
    pub treats_all_as_read: bool,
}

impl VariableRules<'_> {
    /// Returns the reason why a variable with this value is not harmless, or none if it is harmless.
    pub(crate) fn family(&self, name: &str, value: &str) -> Option<Family> {
        // Variable names on Windows are not case-sensitive.
        let upper = name.to_ascii_uppercase();
        let name = if cfg!(windows) { upper.as_str() } else { name };
        let is = |patterns: &[&str], name: &str| patterns.iter().any(|pattern| matches(pattern, name));
        if is(&PLACES, name) {
            return Some(Family::Places);
        }
        if is(&TRAFFIC, &upper) && upper != "TRUST_PROXY" {
            return Some(Family::Traffic);
        }
        if is(&START_UP, name) || upper.starts_with("NPM_CONFIG_") {
            let is_harmless = HARMLESS.contains(&name)
                || (name == "NODE_OPTIONS" && sets_heap_alone(value))
                || (name == "BROWSER" && value == "none");
            return (!is_harmless).then_some(Family::StartUp);
        }
        if self.treats_all_as_read {
            return Some(Family::Agents);
        }
        if name.contains("_USE_") && matches!(value, "" | "0") {
            return None;
        }
        let is_read = self.is_set_by_ringlet(name) || self.is_read_by_agent(name);
        (is_read || (name.starts_with("OTEL_") && self.telemetry)).then_some(Family::Agents)
    }

    // Reports whether Ringlet sets the variable for the agent. A project must not set it.
    fn is_set_by_ringlet(&self, name: &str) -> bool {
        let agent = self.agent;
        let api = agent.api.iter().any(|api| {
            let key = api.key_fd.iter().map(|(name, _)| name);
            let names = key.chain(&api.bearer).chain(api.set.keys());
            names.chain(&api.base_url).any(|set| set.as_str() == name && !self.is_of_another_provider(name))
        });
        api || agent.set.keys().any(|set| set.as_str() == name)
            || agent.config_dir.iter().any(|folder| folder.variable.as_str() == name)
            || agent.directory.variables.iter().any(|variable| variable == name)
    }

    fn is_read_by_agent(&self, name: &str) -> bool {
        let names = &self.agent.names;
        if names.harmless.iter().any(|pattern| matches(pattern, name)) {
            return false;
        }
        let competes =
            if self.is_login { self.agent.competes_with_login(name) } else { self.agent.competes_with_key(name) };
        self.has_prefix(name) || (competes && !self.is_of_another_provider(name))
    }

    fn has_prefix(&self, name: &str) -> bool {
        self.agent.names.prefixes.iter().chain(&self.prefixes).any(|prefix| name.starts_with(prefix.as_str()))
    }

    // Reports whether the name is a key or address of a provider that this launch does not use. An application or
    // another agent reads it.
    fn is_of_another_provider(&self, name: &str) -> bool {
        !self.has_prefix(name) && PROVIDER_ENDINGS.iter().any(|end| name.ends_with(end))
    }
}

/// Returns the prefix that a provider's variables share: `OPENAI_` for `OPENAI_API_KEY`.
pub(crate) fn prefix_of(name: &str) -> Option<String> {
    name.find('_').map(|at| name[..=at].to_owned())
}

// V8 accepts `_` for `-` in an option. The number may be a separate argument.
fn sets_heap_alone(value: &str) -> bool {
    let mut words = value.split_ascii_whitespace();
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix("--") else { return false };
        let (name, number) = match option.split_once('=') {
            Some((name, number)) => (name, Some(number)),
            None => (option, words.next()),
        };
        let is_number = number.is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
        if !HEAP.contains(&name.replace('_', "-").as_str()) || !is_number {
            return false;
        }
    }
    true
}
