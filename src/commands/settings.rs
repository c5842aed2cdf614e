//! `ringlet config`: reads and changes config.toml, and keeps its comments.

use super::{Session, editor};
use crate::cli::ConfigCommand;
use crate::config::{ConfigError, Settings, Source};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::name::{closest, shorten};
use crate::profile::edit;
use crate::words;
use std::path::Path;
use toml_edit::{DocumentMut, Item};

/// The keys that may stand in the file, but for tables with names of the user's own.
pub(super) const KEYS: &[&str] = &[
    "default-profile",
    "ceiling-dirs",
    "stop-at-mount-points",
    "credentials.backend",
    "credentials.timeout",
    "credentials.identity",
    "credentials.unlock-for",
    "hook.agents",
    "hook.prompt",
    "trust.allow-under",
    "audit.enabled",
    "audit.path",
    "audit.max-bytes",
    "audit.keep",
    "daemon.port",
    "daemon.socket",
];

/// `ringlet config get|set|edit|path`
pub(super) fn run(host: &mut Host, session: &Session, command: ConfigCommand) -> Result<(), Failure> {
    let file = session.paths.config();
    match command {
        ConfigCommand::Path => host.output.data(&file.to_string_lossy()),
        ConfigCommand::Get { key } => {
            // What is wrong may be a key that was pasted, and is not printed.
            Settings::read(&session.paths)?;
            get(host, &file, key.as_deref())?;
        }
        ConfigCommand::Set { key, value } => set(host, session, &file, &key, &value)?,
        ConfigCommand::Edit => edit_by_hand(host, session, &file)?,
    }
    Ok(())
}

fn text(file: &Path) -> Result<String, ConfigError> {
    Ok(Source::read(file)?.map(|source| source.text).unwrap_or_default())
}

fn document(file: &Path) -> Result<DocumentMut, Failure> {
    text(file)?.parse().map_err(|error| Failure::new(format!("{}: {error}", file.display())))
}

// Prints a value as TOML, or the whole file.
fn get(host: &mut Host, file: &Path, key: Option<&str>) -> Result<(), Failure> {
    let Some(key) = key else {
        let text = text(file)?;
        if host.output.wants_json() {
            let value: toml::Value = toml::from_str(&text).map_err(|error| Failure::new(error.to_string()))?;
            host.output.json(&value);
        } else if text.is_empty() {
            host.output.note(format!("{} does not exist, and the defaults hold", file.display()));
        } else {
            text.lines().for_each(|line| host.output.data(line));
        }
        return Ok(());
    };
    let document = document(file)?;
    let found = parts(key)?.iter().try_fold(document.as_item(), |item, part| item.get(part));
    let Some(found) = found.filter(|found| !found.is_none()) else {
        return Err(not_set(key));
    };
    let value = value_of(found).ok_or_else(|| not_set(key))?;
    if host.output.wants_json() {
        host.output.json(&value);
    } else {
        // A text is printed without its quotes, so that a script can use it.
        host.output.data(value.as_str().unwrap_or(&value.to_string()));
    }
    Ok(())
}

// A value or a table without its comments, on one line.
fn value_of(item: &Item) -> Option<toml::Value> {
    let mut table = toml_edit::Table::new();
    table.insert("value", Item::Value(item.clone().into_value().ok()?));
    let read: toml::Table = toml::from_str(&table.to_string()).ok()?;
    read.get("value").cloned()
}

fn not_set(key: &str) -> Failure {
    let failure = Failure::new(format!("{} is not set, and its default holds", shorten(key)));
    match closest(key, KEYS.iter().copied()) {
        Some(meant) if meant != key => failure.hint(format!("did you mean `{meant}`?")),
        _ => failure.hint("`ringlet schema config` has all keys"),
    }
}

// The parts of a dotted key. A part with a dot or a slash is quoted, as in TOML.
fn parts(key: &str) -> Result<Vec<String>, Failure> {
    let keys = toml_edit::Key::parse(key);
    let keys = keys.map_err(|_| {
        Failure::usage(format!("{} is no key of TOML", shorten(key)))
            .hint("such as audit.enabled, or 'scope.\"anthropic/work\".broker'")
    })?;
    Ok(keys.iter().map(|key| key.get().to_owned()).collect())
}

fn set(host: &mut Host, session: &Session, file: &Path, key: &str, new: &str) -> Result<(), Failure> {
    session.refuse_own_places(&host.world)?;
    let parts = parts(key)?;
    let mut document = document(file)?;
    edit::assign_at(&mut document, &parts, key, new, true)?;
    write(session, file, file, &document.to_string()).map_err(|failure| {
        // The file does not have the line that the error is about.
        let failure = Failure { message: without_place(&failure.message, file), ..failure };
        match closest(key, KEYS.iter().copied()) {
            Some(meant) if meant != key => {
                Failure { hints: Vec::new(), ..failure }.hint(format!("did you mean `{meant}`?"))
            }
            _ => failure,
        }
    })?;
    host.output.note(format!("wrote {}", session.paths.pretty(file)));
    Ok(())
}

// A message without the line and column that it begins with.
fn without_place(message: &str, file: &Path) -> String {
    let place = format!("{}:", file.display());
    match message.strip_prefix(&place) {
        Some(rest) => {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ':' | ' '));
            format!("{place} {rest}")
        }
        None => message.to_owned(),
    }
}

// Writes a text that the settings can be read from; else nothing. Errors name `shown`.
fn write(session: &Session, file: &Path, shown: &Path, text: &str) -> Result<(), Failure> {
    let source = Source { file: shown.into(), text: text.to_owned(), access: None };
    Settings::parse(&source, &session.paths)?;
    Ok(edit::write(file, text)?)
}

fn edit_by_hand(host: &mut Host, session: &Session, file: &Path) -> Result<(), Failure> {
    session.refuse_own_places(&host.world)?;
    let instead = Hint::run(words!["ringlet", "config", "set", "KEY", "VALUE"]);
    let text = text(file)?;
    editor::edit(host, file, &text, instead, |copy, edited| write(session, file, copy, edited))?;
    host.output.note(format!("wrote {}", session.paths.pretty(file)));
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    const FILE: &str = ".config/ringlet/config.toml";

    #[test]
    fn settings_are_read_and_changed_and_comments_stay() {
        let home = Home::new();
        home.write(
            FILE,
            "# mine\n[audit]\nenabled = false  # for now\n\n[scope.\"anthropic/work\"]\nagents = [\"claude\"]\n",
        );
        let get = |key: &str| home.run(&["config", "get", key]);
        assert_eq!(get("audit.enabled").succeeds().out, "false\n");
        assert_eq!(get("scope.\"anthropic/work\".agents").succeeds().out, "[\"claude\"]\n");
        assert_eq!(get("scope.\"anthropic/work\"").succeeds().out, "{ agents = [\"claude\"] }\n");
        for (key, value) in [
            ("audit.enabled", "true"),
            ("audit.keep", "3"),
            ("scope.\"anthropic/work\".lease", "8h"),
            ("trust.allow-under", "[\"~/work\"]"),
            ("tools.gh", "{ command = [\"/usr/bin/gh\"], secrets = { GH_TOKEN = \"github/work\" } }"),
        ] {
            home.run(&["config", "set", key, value]).succeeds();
        }
        assert_eq!(get("tools.gh.secrets.GH_TOKEN").succeeds().out, "github/work\n");
        let text = home.read(FILE);
        assert!(text.starts_with("# mine\n[audit]\nenabled = true  # for now\nkeep = 3\n"), "{text}");
        assert!(text.contains("lease = \"8h\"") && text.contains("allow-under = [\"~/work\"]"), "{text}");
        home.run(&["config", "set", "audit.keep", ""]).succeeds();
        get("audit.keep").is_refused(1, "is not set");
        assert_eq!(home.run(&["--json", "config", "get", "audit.enabled"]).succeeds().json(), true);
        assert_eq!(home.run(&["config", "path"]).succeeds().out.trim_end(), home.path.join(FILE).to_string_lossy());
        assert_eq!(home.run(&["config", "get"]).succeeds().out, home.read(FILE));
    }

    #[test]
    fn what_would_not_be_right_is_not_written() {
        let home = Home::new();
        home.write(FILE, "# mine\n");
        for (key, value, says) in [
            ("audit.enable", "true", "did you mean `audit.enabled`?"),
            ("credentials.backend", "keychain", "config.toml:"),
            ("scope.\"anthropic/work\".lease", "8 hours", "`lease` is a length of time"),
            ("audit", "true", "config.toml:"),
            ("a b", "1", "is no key of TOML"),
        ] {
            let ran = home.run(&["config", "set", key, value]);
            assert!(ran.status != 0 && ran.err.contains(says), "{key}: {ran:?}");
            assert_eq!(home.read(FILE), "# mine\n", "{key}");
        }
        home.run(&["config", "get", "audit.enable"]).is_refused(1, "is not set");
        home.run(&["config", "edit"]).is_refused(1, "neither VISUAL nor EDITOR is set");
    }
}
