//! Stand-ins for agents that record how they were started, and the account that a start gives to the agent.
//!
//! A stand-in resolves nothing itself. [`Start::account`] does, by what each agent's manual says of its variables, options and
//! settings.

use super::world::{World, finish};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A credential as an agent sends it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sent {
    /// Where to, without a slash at the end.
    pub endpoint: String,
    /// How: `bearer`, `x-api-key`, `subscription` or `login`.
    pub header: &'static str,
    /// The key; of a login, the file.
    pub value: String,
}

impl Sent {
    fn new(endpoint: &str, header: &'static str, value: &str) -> Self {
        Self { endpoint: endpoint.trim_end_matches('/').to_owned(), header, value: value.to_owned() }
    }

    // A known provider's endpoint has its own way (rule P4); Anthropic's own has two.
    fn without_a_header_of_the_providers(&self) -> Self {
        let host = self.host();
        let header = match host == "api.anthropic.com" || !provider_hosts().contains(host) || self.header == "login" {
            true => self.header,
            false => "the provider's",
        };
        Self { header, ..self.clone() }
    }

    /// The endpoint's host, with its port.
    pub(crate) fn host(&self) -> &str {
        let rest = self.endpoint.split_once("://").map_or(self.endpoint.as_str(), |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default()
    }
}

/// What an agent sends, empty if it has no account.
pub(crate) type Account = BTreeSet<Sent>;

/// The same account for the rules: a header counts only where the rules say so.
pub(crate) fn comparable(account: &Account) -> Account {
    account.iter().map(Sent::without_a_header_of_the_providers).collect()
}

/// Of several credentials of one agent the one that counts as its account: the first of these headers that there is.
pub(crate) fn counting(account: &Account, order: &[&str]) -> Account {
    let first = order.iter().find(|header| account.iter().any(|sent| sent.header == **header));
    account.iter().filter(|sent| Some(&sent.header) == first).cloned().collect()
}

/// The order of Claude Code's credentials, and the one of rule P13: what a person pays already comes before a key.
pub(crate) const ORDERS: [&[&str]; 2] =
    [&["bearer", "x-api-key", "subscription", "login"], &["subscription", "bearer", "x-api-key", "login"]];

/// The hosts of the providers' endpoints in the registry.
pub(crate) fn provider_hosts() -> &'static BTreeSet<String> {
    static HOSTS: std::sync::OnceLock<BTreeSet<String>> = std::sync::OnceLock::new();
    HOSTS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("registry/providers");
        let mut hosts = BTreeSet::new();
        for entry in fs::read_dir(folder).expect("the registry") {
            let text = fs::read_to_string(entry.expect("readable").path()).expect("readable");
            for (at, _) in text.match_indices("https://") {
                let rest = &text[at + 8..];
                let end = rest.find(['/', '"', '\n']).unwrap_or(rest.len());
                hosts.insert(rest[..end].to_owned());
            }
        }
        hosts
    })
}

/// One start of a stand-in.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// The agent's command.
    pub agent: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// What the descriptors gave that variables of these names told.
    pub given: BTreeMap<String, String>,
}

impl Start {
    fn var(&self, name: &str) -> Option<&str> {
        let own = self.given.get(name).or_else(|| self.env.get(name));
        own.map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The account that the agent uses.
    pub(crate) fn account(&self) -> Account {
        match self.agent.as_str() {
            "claude" => self.claude(),
            "codex" => self.codex(),
            "gemini" => self.gemini(),
            "aider" => self.aider(),
            "llm" => self.llm(),
            other => panic!("no account is known of {other}"),
        }
    }

    fn folder(&self, variable: &str, usual: &str) -> PathBuf {
        let own = self.var(variable).map(PathBuf::from);
        own.unwrap_or_else(|| Path::new(self.env.get("HOME").expect("a home")).join(usual))
    }

    fn claude(&self) -> Account {
        let folder = self.folder("CLAUDE_CONFIG_DIR", ".claude");
        let settings = fs::read(folder.join("settings.json")).unwrap_or_default();
        let settings: serde_json::Value = serde_json::from_slice(&settings).unwrap_or_default();
        let managed = self.var("CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST").is_some();
        // The settings beat the environment, unless a host manages the provider.
        let var = |name: &str| match settings["env"][name].as_str().filter(|_| !managed) {
            Some(own) => Some(own).filter(|value| !value.is_empty()),
            None => self.var(name),
        };
        let endpoint = var("ANTHROPIC_BASE_URL").unwrap_or("https://api.anthropic.com");
        let key = self.var("CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR").or_else(|| var("ANTHROPIC_API_KEY"));
        let token = self.var("CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR").or_else(|| var("CLAUDE_CODE_OAUTH_TOKEN"));
        let mut account: Account =
            [("bearer", var("ANTHROPIC_AUTH_TOKEN")), ("x-api-key", key), ("subscription", token)]
                .into_iter()
                .filter_map(|(header, value)| Some(Sent::new(endpoint, header, value?)))
                .collect();
        let login = folder.join(".credentials.json");
        if account.is_empty() && !managed && login.exists() {
            account.insert(Sent::new(endpoint, "login", &login.to_string_lossy()));
        }
        account
    }

    // What `-c KEY=VALUE` sets.
    fn codex_settings(&self) -> toml::Table {
        fn merge(into: &mut toml::Table, more: toml::Table) {
            for (key, value) in more {
                match (into.get_mut(&key), value) {
                    (Some(toml::Value::Table(own)), toml::Value::Table(more)) => merge(own, more),
                    (_, value) => drop(into.insert(key, value)),
                }
            }
        }
        let mut all = toml::Table::new();
        for pair in self.arguments.windows(2).filter(|pair| pair[0] == "-c") {
            if let Ok(table) = pair[1].parse() {
                merge(&mut all, table);
            }
        }
        all
    }

    fn codex(&self) -> Account {
        let settings = self.codex_settings();
        let text = |table: &toml::Table, key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let own = text(&settings, "model_provider")
            .and_then(|id| settings.get("model_providers")?.as_table()?.get(&id)?.as_table().cloned())
            .unwrap_or_default();
        let usual = "https://api.openai.com/v1";
        // Codex itself reads neither variable; for the rules (P6) they are its account where it has no other.
        let variable = || self.var("OPENAI_BASE_URL").map(str::to_owned);
        let endpoint = text(&own, "base_url").or_else(|| text(&settings, "openai_base_url")).or_else(variable);
        let endpoint = endpoint.unwrap_or_else(|| usual.to_owned());
        let named = text(&own, "env_key").and_then(|name| self.var(&name).map(str::to_owned));
        let key = named.or_else(|| self.var("CODEX_API_KEY").map(str::to_owned));
        let login = self.folder("CODEX_HOME", ".codex").join("auth.json");
        let is_ephemeral = text(&settings, "cli_auth_credentials_store").as_deref() == Some("ephemeral");
        if let Some(key) = key {
            return [Sent::new(&endpoint, "bearer", &key)].into();
        }
        if !is_ephemeral && login.exists() {
            return [Sent::new(usual, "login", &login.to_string_lossy())].into();
        }
        // With aider's endpoint beside it the key is aider's.
        let key = self.var("OPENAI_API_KEY").filter(|_| self.var("OPENAI_API_BASE").is_none());
        key.map(|key| Sent::new(&endpoint, "bearer", key)).into_iter().collect()
    }

    fn gemini(&self) -> Account {
        let endpoint = self.var("GOOGLE_GEMINI_BASE_URL").unwrap_or("https://generativelanguage.googleapis.com");
        let key = self.var("GEMINI_API_KEY").or_else(|| self.var("GOOGLE_API_KEY"));
        key.map(|key| Sent::new(endpoint, "x-api-key", key)).into_iter().collect()
    }

    fn aider(&self) -> Account {
        let after = |word: &'static str| {
            self.arguments.windows(2).filter(move |pair| pair[0] == word).map(|pair| pair[1].as_str())
        };
        let set = |name: &str| after("--set-env").filter_map(|it| it.split_once('=')).find(|(own, _)| *own == name);
        let mut account = Account::new();
        for (key, base, option, usual, header) in [
            ("ANTHROPIC_API_KEY", "ANTHROPIC_API_BASE", "", "https://api.anthropic.com", "x-api-key"),
            ("OPENAI_API_KEY", "OPENAI_API_BASE", "--openai-api-base", "https://api.openai.com/v1", "bearer"),
            ("GEMINI_API_KEY", "GEMINI_API_BASE", "", "https://generativelanguage.googleapis.com/v1beta", "x-api-key"),
        ] {
            let told = after(option).next().or_else(|| set(base).map(|(_, value)| value));
            let endpoint = told.or_else(|| self.var(base)).unwrap_or(usual);
            account.extend(self.var(key).map(|key| Sent::new(endpoint, header, key)));
        }
        account
    }

    fn llm(&self) -> Account {
        let mut account = Account::new();
        for (key, base, usual, header) in [
            ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "https://api.anthropic.com", "x-api-key"),
            ("OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1", "bearer"),
        ] {
            let endpoint = self.var(base).unwrap_or(usual);
            account.extend(self.var(key).map(|key| Sent::new(endpoint, header, key)));
        }
        account
    }

    /// The environment but for what the account is made of and what each start has of its own.
    pub(crate) fn rest(&self) -> BTreeMap<String, String> {
        let passing = ["SHLVL", "_", "PWD", "OLDPWD", "ENV", "CLAUDE_CODE_DISABLE_AGENT_VIEW"];
        let managed = ["CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST", "OPENAI_API_BASE", "GEMINI_API_KEY_AUTH_MECHANISM"];
        // What another folder brings with it.
        let folder = self.env.get("CLAUDE_CONFIG_DIR").map(|folder| format!("{folder}/anthropic"));
        let is_folders = |name: &str, value: &str| name == "ANTHROPIC_CONFIG_DIR" && folder.as_deref() == Some(value);
        let empty = |name: &str| name.starts_with("GOOGLE_") || name.starts_with("GEMINI_");
        let is_own = |name: &str, value: &str| {
            passing.contains(&name)
                || managed.contains(&name)
                || CREDENTIALS.contains(&name)
                || ENDPOINTS.contains(&name)
                || name.starts_with("RINGLET")
                || name == "CODEX_API_KEY"
                || name.ends_with("_FILE_DESCRIPTOR")
                || value.is_empty() && empty(name)
                || is_folders(name, value)
        };
        let kept = self.env.iter().filter(|(name, value)| !is_own(name, value));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// The variables that hold an agent's credential.
pub(crate) const CREDENTIALS: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "OPENAI_API_KEY",
];

/// Those that hold an endpoint.
pub(crate) const ENDPOINTS: &[&str] = &[
    "ANTHROPIC_API_BASE",
    "ANTHROPIC_BASE_URL",
    "GEMINI_API_BASE",
    "GOOGLE_GEMINI_BASE_URL",
    "OPENAI_API_BASE",
    "OPENAI_BASE_URL",
];

/// Writes a stand-in that ends with this status.
pub(crate) fn stand_in(world: &World, agent: &str, status: i32) -> PathBuf {
    world.program(agent, &script(world, agent, status))
}

/// The same as a script for any place.
pub(crate) fn script(world: &World, agent: &str, status: i32) -> String {
    let record = world.path("seen");
    let given = ["CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR", "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR"]
        .map(|name| format!("[ -z \"${name}\" ] || printf '@given={name}=%s\\0' \"$(cat \"/dev/fd/${name}\")\"\n"));
    format!(
        "#!/bin/sh\n[ \"$*\" != --version ] || exit 1\n{{\nprintf '@start={agent}\\0'\nfor word; do printf '@word=%s\\0' \"$word\"; done\n{}env -0\n}} >>'{}'\n\
         exit {status}\n",
        given.concat(),
        record.display()
    )
}

/// The agent of what is no start: a caller's mark between starts, `@mark` in the record.
pub(crate) const MARK: &str = "@mark";

/// The starts since it was last asked.
pub(crate) fn starts(world: &World) -> Vec<Start> {
    let record = world.path("seen");
    let text = String::from_utf8_lossy(&fs::read(&record).unwrap_or_default()).into_owned();
    let _ = fs::remove_file(record);
    let mut starts: Vec<Start> = Vec::new();
    for piece in text.split('\0').filter(|piece| !piece.is_empty()) {
        if piece == "@mark" {
            let (arguments, env, given) = Default::default();
            starts.push(Start { agent: MARK.to_owned(), arguments, env, given });
            continue;
        }
        if let Some(agent) = piece.strip_prefix("@start=") {
            let (arguments, env, given) = Default::default();
            starts.push(Start { agent: agent.to_owned(), arguments, env, given });
            continue;
        }
        let start = starts.last_mut().expect("a start comes first");
        if let Some(word) = piece.strip_prefix("@word=") {
            start.arguments.push(word.to_owned());
            continue;
        }
        let (own, into) = match piece.strip_prefix("@given=") {
            Some(own) => (own, &mut start.given),
            None => (piece, &mut start.env),
        };
        let (name, value) = own.split_once('=').unwrap_or((own, ""));
        into.insert(name.to_owned(), value.to_owned());
    }
    starts
}

/// A shell, and which files it reads before it does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads<'p> {
    /// This file alone.
    One(&'p Path),
    /// Its own start files, as an interactive login shell.
    Login,
}

/// What a shell came to.
#[derive(Debug)]
pub(crate) struct Called {
    /// The agents that it started.
    pub starts: Vec<Start>,
    /// The status of what was called.
    pub status: i32,
    /// The environment of the shell afterwards; empty if the call replaced it.
    pub env: BTreeMap<String, String>,
    /// What was printed, for the message of a failure.
    pub said: String,
}

/// The program of a shell, or none where it is one that not every system has.
pub(crate) fn program(shell: &str) -> Option<PathBuf> {
    let name = match shell {
        "sh" => "dash",
        "powershell" => "pwsh",
        other => other,
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    assert!(found.is_some() || ["nu", "pwsh"].contains(&name), "{name} is not installed");
    found
}

/// The shells whose hook Ringlet has.
pub(crate) fn has_hook(shell: &str) -> bool {
    ["bash", "zsh", "fish", "powershell"].contains(&shell)
}

/// Calls something in a shell that has read its files, with Ringlet's hook loaded after them if `hooked`.
pub(crate) fn call(world: &World, shell: &str, reads: Reads<'_>, words: &str, hooked: bool) -> Called {
    let program = program(shell).expect("a caller looks whether it is there");
    let out = world.path("after");
    let file = if let Reads::One(path) = reads { path.to_string_lossy().into_owned() } else { String::new() };
    let own = reads == Reads::Login;
    let mut options: Vec<&str> = Vec::new();
    let tail = "{ printf '@status=%s\\0' \"$?\"; env -0; } >\"$2\"";
    let (load, hook, end) = match shell {
        "bash" | "zsh" | "sh" | "ksh" => {
            options.extend(match (shell, own) {
                ("bash", false) => &["--norc", "--noprofile", "-O", "expand_aliases"][..],
                ("zsh", false) => &["-f"],
                (_, true) => &["-i", "-l"],
                _ => &[],
            });
            let load = if own { "" } else { ". \"$3\" >/dev/null 2>&1\n" };
            let name = if shell == "sh" { "dash" } else { shell };
            (load.to_owned(), format!("eval \"$(ringlet hook {name})\"\n"), format!("eval \"$1\"\n{tail}"))
        }
        "fish" => {
            options.extend(if own { &["-i", "-l"][..] } else { &["--no-config"] });
            let load = if own { "" } else { "source $argv[3] >/dev/null 2>&1\n" };
            let end = "eval $argv[1]\nset -l __s $status\nbegin; printf '@status=%s\\0' $__s; env -0; end >$argv[2]";
            (load.to_owned(), "ringlet hook fish | source\n".to_owned(), end.to_owned())
        }
        "tcsh" => {
            options.extend((!own).then_some("-f"));
            let load = if own { String::new() } else { format!("source {file} >& /dev/null; ") };
            let end = format!(
                "eval \"{words}\" ; set __s = $status ; ( printf '@status=%s\\0' $__s ; env -0 ) > {}",
                out.display()
            );
            (load, String::new(), end)
        }
        "nu" => {
            options.extend((!own).then_some("--no-config-file"));
            let load = if own { String::new() } else { format!("source {file}\n") };
            let end = format!(
                "{words}\nlet s = $env.LAST_EXIT_CODE\n$\"@status=($s)(char -i 0)(^env -0)\" | save -f {}",
                out.display()
            );
            (load, String::new(), end)
        }
        "powershell" => {
            options.extend(["-NoLogo", "-NoProfile", "-NonInteractive"]);
            let load = if own { ". $PROFILE\n".to_owned() } else { format!(". '{file}' *>$null\n") };
            let end = format!(
                "{words}\n$s = $LASTEXITCODE\n& /bin/sh -c 'printf \"@status=%s\\0\" \"$1\"; env -0' sh $s > '{}'",
                out.display()
            );
            (load, "Invoke-Expression (& ringlet hook powershell | Out-String)\n".to_owned(), end)
        }
        other => panic!("no shell {other}"),
    };
    let hook = if hooked && has_hook(shell) { hook } else { String::new() };
    let mut command = world.process(program);
    command.stdin(std::process::Stdio::null()).args(options);
    command.arg("-c").arg(format!("{load}{hook}{end}"));
    if ["bash", "zsh", "sh", "ksh"].contains(&shell) {
        command.arg("_");
        if shell == "ksh" || shell == "sh" {
            command.env("ENV", world.path(if shell == "ksh" { "home/.kshrc" } else { "home/.shrc" }));
        }
    }
    if !["tcsh", "nu", "powershell"].contains(&shell) {
        command.arg(words).arg(&out).arg(&file);
    }
    let done = finish(&mut command);
    let bytes = fs::read(&out).unwrap_or_default();
    let _ = fs::remove_file(&out);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut status = done.status.unwrap_or(-1);
    let mut env = BTreeMap::new();
    for piece in text.split('\0').filter(|piece| !piece.is_empty()) {
        match piece.split_once('=') {
            Some(("@status", own)) => status = own.trim().parse().expect("a number"),
            Some((name, value)) => drop(env.insert(name.to_owned(), value.to_owned())),
            None => {}
        }
    }
    Called { starts: starts(world), status, env, said: format!("{}{}", done.stdout, done.stderr) }
}
