//! What OpenCode's and Codex's own settings say about the keys in their stores of logins: whether a key there is sent
//! elsewhere than to its provider, and which provider's model they choose. Where they cannot be read, no key moves.

use crate::commands::Session;
use crate::failure::Failure;
use crate::guard;
use crate::host::Host;
use crate::migrate::entries::{self, OwnSettings, Store};
use crate::platform::{self, ReadError};
use crate::registry::{AgentSpec, Login};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

// Larger settings are not looked into.
const MOST: u64 = 4 << 20;

/// What the settings say, by the store.
pub(super) fn all(host: &Host, session: &Session) -> Result<BTreeMap<Store, OwnSettings>, Failure> {
    let mut found = BTreeMap::new();
    for store in [Store::OpenCode, Store::Codex] {
        let spec = session.registry.agent(&store.agent().parse()?)?;
        let Some(login) = &spec.login else { continue };
        let folder = login_folder(host, session, &spec, login);
        let Some(file) = login.files.first().map(|file| folder.join(file)) else { continue };
        let mut own = OwnSettings { file, ..OwnSettings::default() };
        match store {
            Store::OpenCode => opencode(host, session, &spec, &mut own),
            Store::Codex => codex(session, &spec, login, &folder, &mut own),
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

// Whatever says of a provider how it is reached, and with which key, may lead elsewhere. Models and names do not.
const REACHES: [&str; 6] = ["options", "npm", "api", "env", "id", "models.*.provider"];

fn opencode(host: &Host, session: &Session, spec: &AgentSpec, own: &mut OwnSettings) {
    let env = &host.world.env;
    if env.non_empty("OPENCODE_CONFIG_CONTENT").is_some() {
        own.kept.insert(String::new(), "OPENCODE_CONFIG_CONTENT is set".to_owned());
    }
    if env.non_empty("OPENCODE_AUTH_CONTENT").is_some() {
        own.kept.insert(String::new(), "OPENCODE_AUTH_CONTENT is set, and OpenCode does not read the file".to_owned());
    }
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

// None where there is no such file.
fn read(file: &Path) -> Result<Option<Vec<u8>>, String> {
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
