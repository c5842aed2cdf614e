//! What OpenCode's and Codex's own settings say about the keys in their stores of logins: whether a key there is sent
//! elsewhere than to its provider, and which provider's model they choose. Where they cannot be read, no key moves.

use crate::commands::Session;
use crate::failure::Failure;
use crate::guard;
use crate::host::Host;
use crate::migrate::entries::{self, OwnSettings, Store};
use crate::migrate::vocabulary::Vocabulary;
use crate::platform::{self, ReadError};
use crate::registry::{AgentSpec, Login};
use memchr::memmem;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use zeroize::Zeroizing;

/// Larger settings are not looked into.
const MOST: u64 = 4 << 20;

/// What the settings say, by the store.
pub(super) fn all(
    host: &Host,
    session: &Session,
    vocabulary: &Vocabulary,
) -> Result<BTreeMap<Store, OwnSettings>, Failure> {
    let mut found = BTreeMap::new();
    for store in [Store::OpenCode, Store::Codex] {
        let spec = session.registry.agent(&store.agent().parse()?)?;
        let Some(login) = &spec.login else { continue };
        let folder = login_folder(host, session, &spec, login);
        let Some(file) = login.files.first().map(|file| folder.join(file)) else { continue };
        let mut own = OwnSettings { file, ..OwnSettings::default() };
        match store {
            Store::OpenCode => {
                opencode(host, session, &spec, &mut own);
                for (name, value) in host.world.env.pairs() {
                    let Some(name) = name.to_str() else { continue };
                    if let Some(provider) = vocabulary.leads_away(name, Some(value.as_encoded_bytes())) {
                        own.kept.insert(provider.name.to_string(), format!("{name} is set in this shell"));
                    }
                }
            }
            Store::Codex => codex(session, &spec, login, &folder, &mut own),
        }
        own.outranked_by = login.overrides.iter().flat_map(|file| &file.names).map(ToString::to_string).collect();
        if let Some(name) = own.outranked_by.iter().find(|name| host.world.env.non_empty(name).is_some()) {
            own.kept.insert(String::new(), format!("{name} is set in this shell"));
        }
        found.insert(store, own);
    }
    Ok(found)
}

/// The folder in which an agent that is started here keeps its login.
pub(super) fn login_folder(host: &Host, session: &Session, spec: &AgentSpec, login: &Login) -> PathBuf {
    let first = || spec.config_dir.first().map(|dir| &dir.variable);
    let moved = login.variable.as_ref().or_else(first).and_then(|name| host.world.env.absolute(name.as_str()));
    moved.unwrap_or_else(|| session.paths.expand(&login.folder))
}

/// Reports whether the file is an agent's store of logins, and nobody is logged in by it.
pub(super) fn is_empty_store(agent: &str, file: &Path) -> bool {
    let own = [Store::OpenCode, Store::Codex].into_iter().find(|store| store.agent() == agent);
    let bytes = own.and_then(|_| read(file).ok().flatten()).map(Zeroizing::new);
    let entries = own.zip(bytes).and_then(|(store, bytes)| entries::read(&bytes, store).ok());
    entries.is_some_and(|entries| entries.is_empty())
}

// Where an agent's own settings hold a credential, or a command that gives one: the file below the folder of its login,
// and the entries.
const CREDENTIALS: [(&str, &str, &[&str]); 4] = [
    (
        "claude",
        "settings.json",
        &["apiKeyHelper", "env.ANTHROPIC_API_KEY", "env.ANTHROPIC_AUTH_TOKEN", "env.CLAUDE_CODE_OAUTH_TOKEN"],
    ),
    ("claude", ".claude.json", &["primaryApiKey"]),
    ("gemini", ".gemini/settings.json", &["security.auth.apiKey"]),
    ("qwen", ".qwen/oauth_creds.json", &["access_token", "refresh_token"]),
];

// The same in files of lines: what a line begins with.
const LINES: [(&str, &str, &[&str]); 4] = [
    ("aider", ".aider.conf.yml", &["anthropic-api-key", "api-key", "openai-api-key"]),
    ("codex", "config.toml", &["experimental_bearer_token"]),
    ("codex", ".env", &["CODEX_API_KEY", "CODEX_ACCESS_TOKEN"]),
    ("gemini", ".gemini/.env", &["GEMINI_API_KEY", "GOOGLE_API_KEY"]),
];

// Claude Code keeps the login in the system's keychain there, and this program tells of one without showing it.
const SECURITY: &str = "/usr/bin/security";

/// The place of a credential that an agent takes from its own settings or, on macOS, from the keychain.
pub(super) fn credential(host: &Host, session: &Session, agent: &str, folder: &Path) -> Option<String> {
    for (_, name, entries) in CREDENTIALS.iter().filter(|(whose, ..)| *whose == agent) {
        let is_moved = host.world.env.absolute("CLAUDE_CONFIG_DIR").is_some();
        let is_at_home = *name == ".claude.json" && !is_moved;
        let of_qwen = host.world.env.absolute("QWEN_HOME").zip(name.strip_prefix(".qwen/"));
        let file = match of_qwen {
            Some((moved, name)) => moved.join(name),
            None if is_at_home => session.paths.home.join(name),
            None => folder.join(name),
        };
        let Ok(Some(bytes)) = read(&file) else { continue };
        let paths: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let is_set = |(_, value): &(String, Option<String>)| value.as_ref().is_none_or(|value| !value.is_empty());
        let found = match guard::json_entries(&bytes, &paths) {
            Ok(found) => found.into_iter().find(is_set).map(|(entry, _)| entry),
            // What cannot be read may say anything.
            Err(_) => {
                let last = |entry: &&&str| entry.rsplit('.').next().is_some_and(|last| is_in(&bytes, last));
                entries.iter().find(last).map(|entry| (*entry).to_owned())
            }
        };
        if let Some(entry) = found {
            return Some(format!("{entry} in {}", session.paths.pretty(&file)));
        }
    }
    for (_, name, beginnings) in LINES.iter().filter(|(whose, ..)| *whose == agent) {
        let file = folder.join(name);
        let Ok(Some(bytes)) = read(&file) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let line = |line: &str| {
            let line = line.trim_start().trim_start_matches("export ").trim_start();
            beginnings
                .iter()
                .any(|own| line.strip_prefix(own).is_some_and(|rest| rest.trim_start().starts_with(['=', ':'])))
        };
        if text.lines().any(line) {
            return Some(session.paths.pretty(&file));
        }
    }
    is_in_keychain(host, agent).then(|| "the keychain".to_owned())
}

fn is_in(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

// Asks for the item alone; its secret is neither asked for nor shown, so that no question comes up.
fn is_in_keychain(host: &Host, agent: &str) -> bool {
    if !cfg!(target_os = "macos") || agent != "claude" || host.world.env.absolute("CLAUDE_CONFIG_DIR").is_some() {
        return false;
    }
    let words = ["find-generic-password", "-s", "Claude Code-credentials"];
    let mut command = std::process::Command::new(SECURITY);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

// Whatever says of a provider how it is reached, and with which key, may lead elsewhere. Models and names do not.
const REACHES: [&str; 6] = ["options", "npm", "api", "env", "id", "models.*.provider"];

fn opencode(host: &Host, session: &Session, spec: &AgentSpec, own: &mut OwnSettings) {
    let env = &host.world.env;
    // The one is more settings, the other stands in for the store.
    let set =
        ["OPENCODE_CONFIG_CONTENT", "OPENCODE_AUTH_CONTENT"].into_iter().find(|name| env.non_empty(name).is_some());
    own.kept.extend(set.map(|name| (String::new(), format!("{name} is set in this shell"))));
    let config = env.absolute("XDG_CONFIG_HOME").unwrap_or_else(|| session.paths.home.join(".config"));
    let mut files: Vec<PathBuf> = ["config.json", "opencode.json", "opencode.jsonc"]
        .iter()
        .map(|name| config.join("opencode").join(name))
        .chain(env.absolute("OPENCODE_CONFIG"))
        .collect();
    let folders = [Some(session.paths.home.join(".opencode")), env.absolute("OPENCODE_CONFIG_DIR")];
    for folder in folders.into_iter().flatten() {
        files.extend(["opencode.json", "opencode.jsonc"].map(|name| folder.join(name)));
    }
    let providers: Vec<&str> =
        spec.api.iter().flat_map(|api| &api.providers).map(|provider| provider.as_str()).collect();
    let path = |provider: &str, name: &str| format!("provider.{provider}.{name}");
    let mut paths: Vec<String> = vec!["model".to_owned()];
    paths.extend(providers.iter().flat_map(|provider| REACHES.map(|name| path(provider, name))));
    for file in files {
        let shown = session.paths.pretty(&file);
        let entries = read(&file).and_then(|bytes| match bytes {
            Some(bytes) => guard::json_entries(&bytes, &paths).map_err(|why| why.to_string()),
            None => Ok(Vec::new()),
        });
        let entries = match entries {
            Ok(entries) => entries,
            Err(why) => {
                own.kept.insert(String::new(), format!("{shown} {why}"));
                continue;
            }
        };
        for (name, value) in entries {
            if name == "model" {
                // The last file counts.
                let provider = value.as_deref().and_then(|model| model.split_once('/'));
                own.model = Some(provider.map_or_else(String::new, |(provider, _)| provider.to_owned()));
            } else if let Some(provider) = providers.iter().find(|own| name.starts_with(&path(own, ""))) {
                own.kept.insert((*provider).to_owned(), format!("{shown} sets {name}"));
            }
        }
    }
}

/// Why a key that an agent has found elsewhere may belong to another endpoint than its provider's own: what the agent's
/// own settings say.
pub(in crate::commands) fn own_endpoint(host: &Host, session: &Session, spec: &AgentSpec) -> Option<String> {
    const WORDS: [&[u8]; 5] = [b"base_url", b"baseurl", b"base-url", b"api_base", b"apibase"];
    const KINDS: [&str; 4] = ["toml", "json", "yaml", "yml"];
    let login = spec.login.as_ref()?;
    let folder = login_folder(host, session, spec, login);
    if spec.name.as_str() == Store::Codex.agent() {
        let mut own = OwnSettings::default();
        codex(session, spec, login, &folder, &mut own);
        return own.kept.into_values().next();
    }
    // What cannot be read may say anything.
    let names_one = |file: &PathBuf| match read(file) {
        Ok(bytes) => {
            let text = bytes.map(|bytes| Zeroizing::new(bytes.to_ascii_lowercase())).unwrap_or_default();
            WORDS.iter().any(|word| memmem::find(&text, word).is_some())
        }
        Err(_) => true,
    };
    let entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let is_settings = |file: &PathBuf| file.extension().is_some_and(|kind| KINDS.iter().any(|own| kind == *own));
    let file = entries.filter(is_settings).find(names_one)?;
    Some(format!("{} may name another endpoint", session.paths.pretty(&file)))
}

fn codex(session: &Session, spec: &AgentSpec, login: &Login, folder: &Path, own: &mut OwnSettings) {
    let file = folder.join("config.toml");
    let shown = session.paths.pretty(&file);
    let table = read(&file).and_then(|bytes| {
        let text = String::from_utf8(bytes.unwrap_or_default()).map_err(|_| "is not UTF-8".to_owned())?;
        text.parse::<toml::Table>().map_err(|_| "is no TOML".to_owned())
    });
    let table = match table {
        Ok(table) => table,
        Err(why) => return drop(own.kept.insert(String::new(), format!("{shown} {why}"))),
    };
    let set = |path: &str| {
        let mut parts = path.split('.');
        let first = table.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    };
    // A named profile of Codex's may set any of the others.
    let names = spec.moved.iter().flat_map(|moved| &moved.names).map(String::as_str).chain(["profile"]);
    let is_plain = |name: &str, value: &toml::Value| name == "model_provider" && value.as_str() == Some("openai");
    let stored = login.moved_by.as_ref().filter(|moved| {
        let value = set(&moved.key);
        value.is_some_and(|value| value.as_str() != Some(moved.unless.as_str()))
    });
    let mut found = names.filter(|name| set(name).is_some_and(|value| !is_plain(name, value)));
    if let Some(name) = found.next().or(stored.map(|moved| moved.key.as_str())) {
        own.kept.insert(String::new(), format!("{shown} sets {name}"));
    }
}

/// An agent's file; none where there is no such file.
pub(super) fn read(file: &Path) -> Result<Option<Vec<u8>>, String> {
    match platform::read_file(file, MOST) {
        Ok(read) => Ok(Some(read.bytes)),
        Err(ReadError::Io(error)) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

#[cfg(all(test, unix))]
mod tests;
