//! `ringlet profiles`: create, list, inspect, edit, remove, choose the default, run.

use super::{Setting, exec};
use crate::cli::{Create, Profiles as Command};
use crate::config::Source;
use crate::failure::Failure;
use crate::host::Host;
use crate::name::{Agent, Alias, Profile, Provider, closest, shorten};
use crate::output::Ink;
use crate::platform;
use crate::profile::{ProfileError, Profiles, Resolved};
use serde_json::json;
use std::path::Path;
use toml_edit::{DocumentMut, Item, value};

/// `ringlet profiles ...`
pub(super) fn run(host: &mut Host, setting: &Setting, command: Command) -> Result<i32, Failure> {
    let profiles = Profiles::new(&setting.paths, &setting.registry);
    match command {
        Command::Create(create) => make(host, setting, &profiles, &create)?,
        Command::List => list(host, setting, &profiles)?,
        Command::Inspect { name } => inspect(host, setting, &profiles, &name.parse()?)?,
        Command::Edit { name, changes } => edit(host, setting, &profiles, &name.parse()?, &changes)?,
        Command::Remove { name } => remove(host, setting, &profiles, &name.parse()?)?,
        Command::Default { name, unset } => default(host, setting, &profiles, name.as_deref(), unset)?,
        Command::Run { name, agent, dry_run, args } => {
            let word = match agent {
                Some(agent) => Ok(agent),
                None => {
                    name.parse().map_err(Failure::from).and_then(|name| Ok(main_agent(&profiles, &name)?.to_string()))
                }
            };
            let audit = setting.audit.clone();
            let started = word.and_then(|word| exec::run(host, audit, &word, Some(&name), dry_run, &args));
            return started.map_err(Failure::in_exec);
        }
    }
    Ok(0)
}

fn main_agent(profiles: &Profiles<'_>, name: &Profile) -> Result<Agent, Failure> {
    let file = profiles.read(name)?;
    if let Some(agent) = &file.main {
        return Ok(agent.clone());
    }
    let agents: Vec<&str> = file.bindings.keys().map(Agent::as_str).collect();
    match agents.as_slice() {
        [only] => Ok(only.parse()?),
        several => Err(Failure::usage(format!("profile \"{name}\" binds several agents: {}", several.join(", ")))
            .hint(format!("run `ringlet profiles run {name} --agent {}`", several[0]))),
    }
}

fn make(host: &mut Host, setting: &Setting, profiles: &Profiles<'_>, create: &Create) -> Result<(), Failure> {
    let name: Profile = create.name.parse()?;
    let agent: Agent = create.agent.parse()?;
    let spec = setting.registry.agent(&agent)?;
    let provider: Provider = create.provider.as_deref().map_or(Ok(spec.provider), str::parse)?;
    let alias: Alias = create.key_alias.parse()?;
    let file = setting.paths.profile(&name);
    if file.symlink_metadata().is_ok() {
        return Err(Failure::new(format!("profile \"{name}\" already exists"))
            .hint(format!("run `ringlet profiles edit {name}`, or remove it first")));
    }
    let mut document = DocumentMut::new();
    document["agent"] = value(agent.as_str());
    document["provider"] = value(provider.as_str());
    let optional = [("model", &create.model), ("endpoint", &create.endpoint), ("config-dir", &create.config_dir)];
    for (key, given) in optional {
        if let Some(given) = given {
            document[key] = value(given);
        }
    }
    document["provider-config"] = Item::Table(toml_edit::Table::new());
    document["provider-config"]["key-alias"] = value(alias.as_str());
    let text = document.to_string();
    check(profiles, &name, &file, &text).map_err(|error| unwritten(error, &file))?;
    write(&file, &text)?;
    host.output.note(&format!("created profile \"{name}\": {agent} with {provider}/{alias}"));
    let store = crate::store::open(&setting.settings, &setting.paths, &host.world.env, crate::store::Prompt::Never);
    let key = crate::name::KeyName::new(provider, alias);
    if matches!(store.contains(&key), Ok(false)) {
        host.output
            .note(&format!("there is no key {key} yet; run `ringlet keychain set {} {}`", key.provider, key.alias));
    }
    Ok(())
}

// The text is not in the file yet, so its name and line would lead nowhere.
fn unwritten(error: Failure, file: &Path) -> Failure {
    let prefix = format!("{}:", file.display());
    match error.message.strip_prefix(&prefix) {
        Some(rest) => {
            let text = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':').trim_start().to_owned();
            Failure { message: text, ..error }
        }
        None => error,
    }
}

fn check(profiles: &Profiles<'_>, name: &Profile, file: &Path, text: &str) -> Result<(), Failure> {
    let source = Source { file: file.into(), text: text.to_owned(), access: None };
    let parsed = profiles.parse(name, source)?;
    for agent in parsed.bindings.keys() {
        profiles.resolve(&parsed, agent)?;
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    // A profile may be a symlink into dotfiles; what it leads to is replaced.
    let target = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let folder = target.parent().expect("a profile lies in its folder");
    platform::create_private_folder(folder)
        .and_then(|()| platform::replace_file(&target, text.as_bytes()))
        .map_err(|error| Failure::io("written", file, &error))
}

fn list(host: &mut Host, setting: &Setting, profiles: &Profiles<'_>) -> Result<(), Failure> {
    let default = setting.settings.default_profile.as_ref();
    let mut rows = Vec::new();
    let mut broken = Vec::new();
    for name in profiles.names()? {
        match profiles.read(&name) {
            Ok(file) => rows.push((name, file)),
            Err(error) => broken.push(error),
        }
    }
    let output = &mut host.output;
    for error in broken {
        output.warn(&error.to_string());
    }
    if output.wants_json() {
        let rows: Vec<_> = rows
            .iter()
            .map(|(name, file)| {
                let agents: serde_json::Map<_, _> = file
                    .bindings
                    .iter()
                    .map(|(agent, it)| {
                        let key = format!("{}/{}", it.provider.value, it.alias.value);
                        (agent.to_string(), json!({ "provider": it.provider.value, "key": key }))
                    })
                    .collect();
                json!({ "name": name, "default": Some(name) == default, "agents": agents })
            })
            .collect();
        output.json(&rows);
        return Ok(());
    }
    if rows.is_empty() {
        output.note("there is no profile; `ringlet profiles create NAME --agent claude` makes one");
        return Ok(());
    }
    let mut table = vec![["PROFILE", "AGENT", "KEY"].map(|cell| (Ink::Dim, cell.to_owned())).to_vec()];
    for (name, file) in &rows {
        for (at, (agent, it)) in file.bindings.iter().enumerate() {
            let mark = if Some(name) == default { " (default)" } else { "" };
            let shown = if at == 0 { format!("{name}{mark}") } else { String::new() };
            let key = format!("{}/{}", it.provider.value, it.alias.value);
            table.push(vec![(Ink::Bold, shown), (Ink::Plain, agent.to_string()), (Ink::Plain, key)]);
        }
    }
    output.table(&table);
    Ok(())
}

fn inspect(host: &mut Host, setting: &Setting, profiles: &Profiles<'_>, name: &Profile) -> Result<(), Failure> {
    let file = profiles.read(name)?;
    let mut resolved = Vec::new();
    for agent in file.bindings.keys() {
        resolved.extend(profiles.resolve(&file, agent)?);
    }
    if host.output.wants_json() {
        let agents: serde_json::Map<_, _> =
            resolved.iter().map(|it| (it.agent.name.to_string(), as_json(it))).collect();
        host.output.json(&json!({ "name": name, "file": file.source.file.to_string_lossy(), "agents": agents }));
        return Ok(());
    }
    host.output.line(&[(Ink::Dim, "file  "), (Ink::Plain, &setting.paths.pretty(&file.source.file))]);
    for it in &resolved {
        host.output.data("");
        host.output.line(&[(Ink::Bold, it.agent.name.as_str()), (Ink::Dim, &format!("  {}", it.agent.title))]);
        let row = |name: &str, value: &str, from: &str| {
            vec![(Ink::Dim, format!("  {name}")), (Ink::Plain, value.to_owned()), (Ink::Dim, from.to_owned())]
        };
        let mut rows = vec![
            row("provider", it.provider.value.name.as_str(), &it.provider.from),
            row("key", &it.key.value.to_string(), &it.key.from),
        ];
        rows.extend(it.base_url.iter().map(|url| row("endpoint", &url.value, &url.from)));
        rows.extend(it.model.iter().map(|model| row("model", &model.value, &model.from)));
        rows.extend(
            it.config_dir.iter().map(|folder| row("config-dir", &setting.paths.pretty(&folder.value), &folder.from)),
        );
        if !it.args.is_empty() {
            rows.push(row("args", &it.args.join(" "), ""));
        }
        rows.extend(it.env.iter().map(|(name, it)| row("env", &format!("{name}={}", name.shown(&it.value)), &it.from)));
        rows.extend(it.secrets.iter().map(|(name, it)| row("secret", &format!("{name} from {}", it.value), &it.from)));
        host.output.table(&rows);
    }
    Ok(())
}

fn as_json(it: &Resolved) -> serde_json::Value {
    let env: serde_json::Map<_, _> =
        it.env.iter().map(|(name, at)| (name.to_string(), json!(name.shown(&at.value)))).collect();
    let secrets: serde_json::Map<_, _> =
        it.secrets.iter().map(|(name, at)| (name.to_string(), json!(at.value))).collect();
    let from: serde_json::Map<_, _> = [("provider", Some(&it.provider.from)), ("key", Some(&it.key.from))]
        .into_iter()
        .chain([
            ("endpoint", it.base_url.as_ref().map(|at| &at.from)),
            ("model", it.model.as_ref().map(|at| &at.from)),
            ("config-dir", it.config_dir.as_ref().map(|at| &at.from)),
        ])
        .filter_map(|(name, from)| Some((name.to_owned(), json!(from?))))
        .collect();
    json!({
        "provider": it.provider.value.name,
        "key": it.key.value,
        "endpoint": it.base_url.as_ref().map(|at| &at.value),
        "model": it.model.as_ref().map(|at| &at.value),
        "config-dir": it.config_dir.as_ref().map(|at| at.value.to_string_lossy()),
        "args": it.args,
        "env": env,
        "secrets": secrets,
        "from": from,
    })
}

fn edit(
    host: &mut Host,
    setting: &Setting,
    profiles: &Profiles<'_>,
    name: &Profile,
    changes: &[String],
) -> Result<(), Failure> {
    let file = setting.paths.profile(name);
    // Read without judging it: a broken profile is what one edits.
    let Some(source) = Source::read(&file)? else {
        return Err(profiles.read(name).err().map_or_else(|| Failure::new("the profile vanished"), Into::into));
    };
    if changes.is_empty() {
        return in_editor(host, profiles, name, &file, &source.text);
    }
    let mut document: DocumentMut = source.text.parse().map_err(|error: toml_edit::TomlError| {
        Failure::from(source.error(error.span().unwrap_or(0..0), error.message()))
            .hint(format!("run `ringlet profiles edit {name}`"))
    })?;
    for change in changes {
        let Some((key, new)) = change.split_once('=') else {
            return Err(Failure::usage(format!("{:?} is not of the form KEY=VALUE", shorten(change))));
        };
        assign(&mut document, key, new)?;
    }
    let text = document.to_string();
    check(profiles, name, &file, &text).map_err(|error| unwritten(error, &file))?;
    write(&file, &text)?;
    host.output.note(&format!("changed profile \"{name}\""));
    Ok(())
}

// A comment behind the old value stays where it is.
fn assign(document: &mut DocumentMut, key: &str, new: &str) -> Result<(), Failure> {
    let parts: Vec<&str> = key.split('.').collect();
    let Some((last, tables)) = parts.split_last().filter(|_| parts.iter().all(|part| !part.is_empty())) else {
        return Err(Failure::usage(format!(
            "{:?} is not a key such as model or provider-config.key-alias",
            shorten(key)
        )));
    };
    let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
    for part in tables {
        let entry = table.entry(part).or_insert_with(|| Item::Table(toml_edit::Table::new()));
        table = entry
            .as_table_like_mut()
            .ok_or_else(|| Failure::usage(format!("`{part}` in {:?} is not a table", shorten(key))))?;
    }
    if new.is_empty() {
        table.remove(last);
        return Ok(());
    }
    // An array or a quoted string is taken as TOML; anything else is text.
    let parsed: toml_edit::Value = match new.parse::<toml_edit::Value>() {
        Ok(parsed @ (toml_edit::Value::Array(_) | toml_edit::Value::String(_))) => parsed,
        _ => new.into(),
    };
    match table.get_mut(last).and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = parsed;
            *old.decor_mut() = decor;
        }
        None => drop(table.insert(last, value(parsed))),
    }
    Ok(())
}

fn in_editor(host: &mut Host, profiles: &Profiles<'_>, name: &Profile, file: &Path, text: &str) -> Result<(), Failure> {
    let editor = ["VISUAL", "EDITOR"].into_iter().find_map(|name| host.world.env.non_empty(name));
    let Some(editor) = editor.and_then(|editor| editor.to_str()) else {
        return Err(Failure::new("neither VISUAL nor EDITOR is set")
            .hint(format!("run `ringlet profiles edit {name} KEY=VALUE`, or edit {}", file.display())));
    };
    // The editor works on a copy, so a mistake never replaces a profile that works.
    let copy = file.with_file_name("ringlet.edited.toml");
    let failed = |error: &std::io::Error| Failure::io("written", &copy, error);
    platform::replace_file(&copy, text.as_bytes()).map_err(|error| failed(&error))?;
    let mut words = editor.split_ascii_whitespace();
    let program = words.next().ok_or_else(|| Failure::new("EDITOR is blank"))?;
    let status = std::process::Command::new(program).args(words).arg(&copy).status();
    let status = status.map_err(|error| Failure::new(format!("{program}: cannot be started: {error}")))?;
    if !status.success() {
        return Err(Failure::new(format!("{program} ended with {status}; the profile is unchanged"))
            .hint(format!("your text is in {}", copy.display())));
    }
    let edited = Source::read(&copy)?.map(|source| source.text).unwrap_or_default();
    check(profiles, name, &copy, &edited)
        .map_err(|failure| failure.hint(format!("the profile is unchanged; your text is in {}", copy.display())))?;
    write(file, &edited)?;
    std::fs::remove_file(&copy).map_err(|error| Failure::io("removed", &copy, &error))?;
    host.output.note(&format!("changed profile \"{name}\""));
    Ok(())
}

fn remove(host: &mut Host, setting: &Setting, profiles: &Profiles<'_>, name: &Profile) -> Result<(), Failure> {
    let file = setting.paths.profile(name);
    if file.symlink_metadata().is_err() {
        return Err(missing(profiles, name)?);
    }
    std::fs::remove_file(&file).map_err(|error| Failure::io("removed", &file, &error))?;
    // The folder may hold what the user put there; only an empty one goes.
    let _ = file.parent().map(std::fs::remove_dir);
    host.output.note(&format!("removed profile \"{name}\"; its keys are still in the keychain"));
    if setting.settings.default_profile.as_ref() == Some(name) {
        host.output.warn("it was the default profile; run `ringlet profiles default NAME` or `--unset`");
    }
    Ok(())
}

fn missing(profiles: &Profiles<'_>, name: &Profile) -> Result<Failure, Failure> {
    let names = profiles.names()?;
    let closest = closest(name.as_str(), names.iter().map(Profile::as_str)).map(str::to_owned);
    Ok(ProfileError::Missing { name: name.clone(), closest }.into())
}

fn default(
    host: &mut Host,
    setting: &Setting,
    profiles: &Profiles<'_>,
    name: Option<&str>,
    unset: bool,
) -> Result<(), Failure> {
    let name: Option<Profile> = name.map(str::parse).transpose()?;
    if name.is_none() && !unset {
        let current = setting.settings.default_profile.as_ref();
        if host.output.wants_json() {
            host.output.json(&json!({ "default": current }));
        } else {
            match current {
                Some(name) => host.output.data(name.as_str()),
                None => host.output.note("there is no default profile"),
            }
        }
        return Ok(());
    }
    if let Some(name) = &name {
        profiles.read(name)?;
    }
    let file = setting.paths.config();
    let text = Source::read(&file)?.map(|source| source.text).unwrap_or_default();
    let mut document: DocumentMut = text.parse().expect("the settings were parsed at the start");
    match &name {
        Some(name) => assign(&mut document, "default-profile", name.as_str())?,
        None => drop(document.remove("default-profile")),
    }
    write(&file, &document.to_string())?;
    host.output.note(&match name {
        Some(name) => format!("\"{name}\" is the default profile"),
        None => "there is no default profile any more".to_owned(),
    });
    Ok(())
}
