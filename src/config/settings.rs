//! The user's settings, `~/.config/ringlet/config.toml`.

use super::backend::Backend;
use super::scope::{RawScope, Scope};
use super::stores::{RawStore, RawStoreFor, Stores};
use super::tools::{RawTool, Tool};
use super::{ConfigError, Kept, Source};
use crate::duration;
use crate::name::{KeyName, Profile, Tool as ToolName, shorten};
use crate::paths::Paths;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawSettings {
    default_profile: Option<Spanned<String>>,
    ceiling_dirs: Vec<Spanned<String>>,
    stop_at_mount_points: bool,
    credentials: RawCredentials,
    hook: RawHook,
    trust: RawTrust,
    audit: RawAudit,
    daemon: RawDaemon,
    scope: BTreeMap<Spanned<String>, RawScope>,
    tools: BTreeMap<Spanned<String>, RawTool>,
    store: BTreeMap<Spanned<String>, RawStore>,
    store_for: BTreeMap<Spanned<String>, RawStoreFor>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawCredentials {
    backend: Backend,
    timeout: Option<Spanned<f64>>,
    identity: Option<Spanned<String>>,
    unlock_for: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawHook {
    agents: Option<Vec<Spanned<String>>>,
    prompt: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawTrust {
    allow_under: Vec<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawAudit {
    enabled: bool,
    path: Option<Spanned<String>>,
    max_bytes: Option<Spanned<u64>>,
    keep: Option<Spanned<usize>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RawDaemon {
    port: Option<u16>,
    socket: Option<Spanned<String>>,
}

/// The `[hook]` table.
#[derive(Debug, Clone, Default)]
pub struct Hook {
    /// The commands for which the hook defines functions, in place of those that profiles and PATH name.
    pub agents: Option<Vec<String>>,
    /// Whether the hook keeps the directory's profile in `RINGLET_PROFILE`, for a prompt.
    pub prompt: bool,
}

/// The `[trust]` table.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The folders below which project files need no record.
    pub allow_under: Vec<PathBuf>,
}

/// The `[audit]` table.
#[derive(Debug, Clone)]
pub struct Audit {
    /// Whether every lookup is recorded.
    pub enabled: bool,
    /// The path of the log, if it is not in the state directory.
    pub path: Option<PathBuf>,
    /// The size in bytes at which the log rotates.
    pub max_bytes: u64,
    /// The number of rotated files to keep.
    pub keep: usize,
}

/// The `[daemon]` table.
#[derive(Debug, Clone)]
pub struct Daemon {
    /// The port of the HTTP server on loopback. 0 means any free port.
    pub port: u16,
    /// The path of the socket, if it is not in the runtime directory.
    pub socket: Option<PathBuf>,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The profile for directories without a project file.
    pub default_profile: Option<Profile>,
    /// The folders that the search for a project file does not enter.
    pub ceiling_dirs: Vec<PathBuf>,
    /// Whether this search also ends at a mount point.
    pub stop_at_mount_points: bool,
    /// The credential store that is used.
    pub backend: Backend,
    /// The time limit for one operation of a store.
    pub timeout: Duration,
    /// The file with the identities that open the encrypted file's own.
    pub identity: Option<PathBuf>,
    /// How long the encrypted file stays unlocked.
    pub unlock_for: Duration,
    /// The `[hook]` table.
    pub hook: Hook,
    /// The `[trust]` table.
    pub trust: Trust,
    /// The `[audit]` table.
    pub audit: Audit,
    /// The `[daemon]` table.
    pub daemon: Daemon,
    /// The `[scope."PROVIDER/ALIAS"]` tables, by their keys.
    pub scopes: BTreeMap<KeyName, Scope>,
    /// The `[tools.NAME]` tables.
    pub(crate) tools: BTreeMap<ToolName, Tool>,
    /// The `[store.NAME]` and `[store-for."PREFIX"]` tables.
    pub(crate) stores: Stores,
}

impl Settings {
    /// Reads the settings. Without a file the defaults hold.
    pub fn read(paths: &Paths) -> Result<Self, ConfigError> {
        let file = paths.config();
        match Source::read(&file)? {
            Some(source) => Self::parse(&source, paths),
            None => Ok(Self::defaults(paths)),
        }
    }

    /// Reports whether a key is in the encrypted file.
    pub(crate) fn encrypts(&self, key: &KeyName) -> bool {
        let encrypted = Kept::In(Backend::EncryptedFile);
        self.stores.rule(key).map_or(self.backend == Backend::EncryptedFile, |rule| rule.store == encrypted)
    }

    /// Reports whether any key is in the encrypted file.
    pub(crate) fn has_encrypted_file(&self) -> bool {
        let encrypted = Kept::In(Backend::EncryptedFile);
        self.backend == Backend::EncryptedFile || self.stores.rules.values().any(|rule| rule.store == encrypted)
    }

    /// Returns the default settings.
    pub fn defaults(paths: &Paths) -> Self {
        let source = Source { file: paths.config(), text: String::new(), access: None };
        Self::parse(&source, paths).expect("nothing is wrong with an empty file")
    }

    /// Reads the settings from a text; `paths` expands `~/` in it.
    pub(crate) fn parse(source: &Source, paths: &Paths) -> Result<Self, ConfigError> {
        // An account that can write the settings could name folders that need no `ringlet allow`.
        source.refuse_others()?;
        let raw: RawSettings = source.parse()?;
        let folder = |text: &Spanned<String>| {
            let path = paths.expand(text.get_ref());
            let absolute = path.is_absolute();
            absolute.then_some(path).ok_or_else(|| {
                source.error(
                    text.span(),
                    format!("{:?} is not an absolute path or one below `~/`", shorten(text.get_ref())),
                )
            })
        };
        let folders = |list: &[Spanned<String>]| list.iter().map(folder).collect::<Result<Vec<_>, _>>();
        let default_profile = raw.default_profile.as_ref().map(|name| {
            name.get_ref().parse().map_err(|error: crate::name::NameError| source.error(name.span(), error.to_string()))
        });
        let commands = |list: &Vec<Spanned<String>>| {
            let command = |name: &Spanned<String>| match name.get_ref().parse::<crate::name::Agent>() {
                Ok(name) => Ok(name.to_string()),
                Err(error) => Err(source.error(name.span(), error.to_string())),
            };
            list.iter().map(command).collect::<Result<Vec<_>, _>>()
        };
        let scopes: BTreeMap<KeyName, Scope> =
            raw.scope.iter().map(|(key, scope)| scope.check(source, key, folder)).collect::<Result<_, _>>()?;
        let tools: BTreeMap<ToolName, Tool> =
            raw.tools.iter().map(|(name, tool)| tool.check(source, name, folder)).collect::<Result<_, _>>()?;
        let known: Vec<&KeyName> = scopes.keys().chain(tools.values().flat_map(|tool| tool.secrets.values())).collect();
        let stores = Stores::check(source, &raw.store, &raw.store_for, &known, raw.credentials.backend, &folder)?;
        for (name, key) in stores.credentials() {
            if let Some(at) = raw.scope.keys().find(|at| *at.get_ref() == key.to_string()) {
                let message = format!("{key} is what [store.{name}] logs in with, and no scope can limit that");
                let hint = "limit the keys of that store: each has a scope of its own";
                return Err(source.error(at.span(), message).with_hint(hint));
            }
        }
        Ok(Self {
            default_profile: default_profile.transpose()?,
            ceiling_dirs: folders(&raw.ceiling_dirs)?,
            stop_at_mount_points: raw.stop_at_mount_points,
            backend: raw.credentials.backend,
            timeout: match &raw.credentials.timeout {
                Some(given) => source.seconds(given)?,
                None => Duration::from_secs(2),
            },
            identity: raw.credentials.identity.as_ref().map(folder).transpose()?,
            unlock_for: match &raw.credentials.unlock_for {
                Some(given) => unlock_for(source, given)?,
                None => UNLOCKED,
            },
            hook: Hook { agents: raw.hook.agents.as_ref().map(commands).transpose()?, prompt: raw.hook.prompt },
            trust: Trust { allow_under: folders(&raw.trust.allow_under)? },
            audit: Audit {
                enabled: raw.audit.enabled,
                path: raw.audit.path.as_ref().map(folder).transpose()?,
                max_bytes: at_least(source, raw.audit.max_bytes.as_ref(), 64 * 1024, 64 << 20)?,
                keep: at_least(source, raw.audit.keep.as_ref(), 1, 8)?,
            },
            daemon: Daemon {
                port: raw.daemon.port.unwrap_or(8765),
                socket: raw.daemon.socket.as_ref().map(folder).transpose()?,
            },
            scopes,
            tools,
            stores,
        })
    }
}

/// How long the encrypted file stays unlocked unless the settings say so.
const UNLOCKED: Duration = Duration::from_secs(8 * 3600);

fn unlock_for(source: &Source, given: &Spanned<String>) -> Result<Duration, ConfigError> {
    let wrong = |why: String| source.error(given.span(), why);
    let length = duration::parse(given.get_ref()).map_err(|error| wrong(error.to_string()))?;
    // A week is as long as one login lasts for most people, and far less than the kernel's own limit.
    let bounds = Duration::from_secs(60)..=Duration::from_secs(7 * 86_400);
    bounds.contains(&length).then_some(length).ok_or_else(|| wrong("`unlock-for` is from 60s to 7d".into()))
}

fn at_least<T: Copy + PartialOrd + std::fmt::Display>(
    source: &Source,
    given: Option<&Spanned<T>>,
    least: T,
    usual: T,
) -> Result<T, ConfigError> {
    match given {
        None => Ok(usual),
        Some(given) if *given.get_ref() < least => {
            Err(source.error(given.span(), format!("{} is too small; the least is {least}", given.get_ref())))
        }
        Some(given) => Ok(*given.get_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;
    use std::path::Path;

    fn parse(text: &str) -> Result<Settings, ConfigError> {
        let paths = Paths::new(&Env::from_pairs([("HOME", "/h"), ("USERPROFILE", "C:\\h")])).expect("home");
        Settings::parse(&Source { file: Path::new("c").into(), text: text.into(), access: None }, &paths)
    }

    #[test]
    fn defaults_hold_without_a_file() {
        let settings = parse("").expect("empty is valid");
        assert_eq!(settings.backend, Backend::System);
        assert_eq!(settings.timeout, Duration::from_secs(2));
        assert!(!settings.audit.enabled);
    }

    #[test]
    fn a_scope_says_who_where_and_how_long() {
        let text = "[scope.\"anthropic/work\"]\nagents = [\"claude\"]\ndirectories = [\"~/work\"]\npin = true\n\
        lease = \"8h\"\n[scope.\"a/b\"]\n";
        let settings = parse(text).expect("valid");
        let work = &settings.scopes[&"anthropic/work".parse().expect("valid")];
        assert_eq!(work.agents, Some(vec!["claude".parse().expect("valid")]));
        assert_eq!(work.directories.as_ref().map(Vec::len), Some(1));
        assert_eq!((work.pin, work.lease, work.line), (true, Some(Duration::from_secs(28_800)), 1));
        let empty = &settings.scopes[&"a/b".parse().expect("valid")];
        assert_eq!((&empty.agents, &empty.directories, empty.pin, empty.lease), (&None, &None, false, None));
    }

    #[test]
    fn every_mistake_has_its_place() {
        for (text, at) in [
            ("[credentials]\nbackend = \"sytem\"", (2, 11)),
            ("[trust]\nallow-under = [\"~/work\", \"code\"]", (2, 26)),
            ("default-profile = \"Work\"", (1, 19)),
            ("[credentials]\ntimeout = 0.0", (2, 11)),
            ("[audit]\nkeep = 0", (2, 8)),
            ("colour = true", (1, 1)),
            ("[scope.\"anthropic/work\"]\nagent = [\"claude\"]", (2, 1)),
            ("[scope.anthropic.work]\npin = true", (1, 18)),
            ("[scope.\"anthropic\"]\npin = true", (1, 8)),
            ("[scope.\"anthropic/Work\"]\npin = true", (1, 8)),
            ("[scope.\"anthropic/work\"]\nagents = \"claude\"", (2, 10)),
            ("[scope.\"anthropic/work\"]\nagents = [\"codex\", \"Claude\"]", (2, 20)),
            ("[scope.\"anthropic/work\"]\nagents = []", (2, 10)),
            ("[scope.\"anthropic/work\"]\ndirectories = []", (2, 15)),
            ("[scope.\"anthropic/work\"]\ndirectories = [\"~/a\", \"work\"]", (2, 23)),
            ("[scope.\"anthropic/work\"]\npin = \"yes\"", (2, 7)),
            ("[scope.\"anthropic/work\"]\nlease = \"8 h\"", (2, 9)),
            ("[scope.\"anthropic/work\"]\nlease = \"0s\"", (2, 9)),
            ("[scope.\"anthropic/work\"]\nlease = \"31d\"", (2, 9)),
            ("[scope.\"anthropic/work\"]\nlease = 8", (2, 9)),
            ("[scope.\"a/b\"]\npin = true\n[scope.\"a/b\"]\npin = false", (3, 8)),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.at, Some(at), "{error}");
        }
    }
}
