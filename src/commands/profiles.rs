//! `ringlet profiles`: create, list, inspect, edit, remove, choose the default, run.

use super::{Session, editor, exec};
use crate::cli::{Create, Profiles as Command};
use crate::config::Source;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::name::{Agent, KeyName, Profile, Provider, closest};
use crate::output::Style;
use crate::plan;
use crate::profile::edit::{self, NewAccount, NewBinding};
use crate::profile::{Account, Binding, Kind, Profiles, Resolved};
use crate::store::Prompt;
use crate::words;
use serde_json::json;
use toml_edit::DocumentMut;

/// `ringlet profiles ...`
pub(super) fn run(host: &mut Host, session: &Session, command: Command) -> Result<i32, Failure> {
    let profiles = Profiles::new(&session.paths, &session.registry);
    match command {
        Command::Create(create) => make(host, session, &profiles, &create)?,
        Command::List => list(host, session, &profiles)?,
        Command::Inspect { name } => inspect(host, session, &profiles, &name.parse()?)?,
        Command::Edit { name, changes } => edit(host, &profiles, &name.parse()?, &changes)?,
        Command::Remove { name } => remove(host, session, &profiles, &name.parse()?)?,
        Command::Default { name, unset } => default(host, session, &profiles, name.as_deref(), unset)?,
        Command::Run { name, agent, named, dry_run, args } => {
            let agent = agent.or(named);
            let word = match agent {
                Some(agent) => Ok(agent),
                None => {
                    name.parse().map_err(Failure::from).and_then(|name| Ok(main_agent(&profiles, &name)?.to_string()))
                }
            };
            let audit = session.audit.clone();
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
        [] => Err(Failure::usage(format!("profile \"{name}\" binds no agent; its secrets are for commands")).hint(
            Hint::from("").command(words!["ringlet", "run", "--profile", name, "--", "COMMAND"]).and(" starts one"),
        )),
        several => Err(Failure::usage(format!("profile \"{name}\" binds several agents: {}", several.join(", ")))
            .hint(Hint::run(words!["ringlet", "profiles", "run", name, "--agent", several[0]]))),
    }
}

fn make(host: &mut Host, session: &Session, profiles: &Profiles<'_>, create: &Create) -> Result<(), Failure> {
    let name: Profile = create.name.parse()?;
    let binding = binding(session, create)?;
    profiles.create(&name, &binding)?;
    created(host, session, &name, &binding);
    if session.settings.default_profile.is_none() {
        let here = Hint::from("").command(words!["ringlet", "use", name]);
        host.output.note(here.and(" uses it in this directory, and with --default everywhere"));
    } else {
        host.output.note(Hint::from("").command(words!["ringlet", "use", name]).and(" uses it in this directory"));
    }
    Ok(())
}

fn binding(session: &Session, create: &Create) -> Result<NewBinding, Failure> {
    let agent: Agent = create.agent.parse()?;
    let spec = session.registry.agent(&agent)?;
    let provider: Option<Provider> = create.provider.as_deref().map(str::parse).transpose()?;
    let account = match (create.login, create.no_key) {
        (true, _) => NewAccount::Login,
        (_, true) => {
            NewAccount::None { provider, endpoint: create.endpoint.clone().expect("asked for on the command line") }
        }
        _ => NewAccount::Key {
            provider: provider.unwrap_or(spec.provider.clone()),
            alias: create.key_alias.parse()?,
            endpoint: create.endpoint.clone(),
        },
    };
    let (model, config_dir) = (create.model.clone(), create.config_dir.clone());
    let (allow_http, auth_header, env) = (create.allow_http, create.auth_header.clone(), vec![]);
    Ok(NewBinding { agent, account, allow_http, model, config_dir, auth_header, env, secrets: vec![] })
}

/// Prints what was made, and what is still missing.
pub(super) fn created(host: &mut Host, session: &Session, name: &Profile, binding: &NewBinding) {
    let agent = &binding.agent;
    match &binding.account {
        NewAccount::Key { provider, alias, .. } => {
            host.output.note(format!("created profile \"{name}\": {agent} with {provider}/{alias}"));
            let store = session.open_store(&host.world, Prompt::Never);
            let key = KeyName::new(provider.clone(), alias.clone());
            if matches!(store.peek(&key), Ok(Some(false))) {
                host.output.note(Hint::from(format!("there is no key {key} yet; ")).then(store.cure(&key)));
            }
        }
        NewAccount::Login => {
            host.output.note(format!("created profile \"{name}\": {agent} with its own login"));
            if let Some(folder) = &binding.config_dir
                && !session.paths.expand(folder).is_dir()
            {
                let said = Hint::from(format!("there is no {folder} yet; run "));
                host.output.note(said.command(plan::login_command(name, None)));
            }
        }
        NewAccount::None { endpoint, .. } => {
            host.output.note(format!("created profile \"{name}\": {agent} at {endpoint}, without a key"));
        }
    }
}

fn list(host: &mut Host, session: &Session, profiles: &Profiles<'_>) -> Result<(), Failure> {
    let default = session.settings.default_profile.as_ref();
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
        output.warn(error.to_string());
    }
    if output.wants_json() {
        let rows: Vec<_> = rows
            .iter()
            .map(|(name, file)| {
                let agents: serde_json::Map<_, _> = file
                    .bindings
                    .iter()
                    .map(|(agent, binding)| {
                        let provider = binding.provider.as_ref().map(|provider| &provider.value);
                        let auth = binding.kind.value.word();
                        (agent.to_string(), json!({ "auth": auth, "provider": provider, "key": key_of(binding) }))
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
    let mut table = vec![["PROFILE", "AGENT", "ACCOUNT"].map(|cell| (Style::Dim, cell.to_owned())).to_vec()];
    for (name, file) in &rows {
        for (at, (agent, binding)) in file.bindings.iter().enumerate() {
            let mark = if Some(name) == default { " (default)" } else { "" };
            let shown = if at == 0 { format!("{name}{mark}") } else { String::new() };
            let account = key_of(binding).unwrap_or_else(|| match (&binding.kind.value, &binding.endpoint) {
                (Kind::None, Some(endpoint)) => format!("no key, {}", endpoint.value),
                (kind, _) => kind.word().to_owned(),
            });
            table.push(vec![(Style::Bold, shown), (Style::Plain, agent.to_string()), (Style::Plain, account)]);
        }
    }
    output.table(&table);
    Ok(())
}

// Returns the key's name if the account is a key.
fn key_of(binding: &Binding) -> Option<String> {
    match (&binding.kind.value, &binding.provider) {
        (Kind::Key { alias }, Some(provider)) => Some(format!("{}/{}", provider.value, alias.value)),
        _ => None,
    }
}

fn inspect(host: &mut Host, session: &Session, profiles: &Profiles<'_>, name: &Profile) -> Result<(), Failure> {
    let file = profiles.read(name)?;
    let mut resolved = Vec::new();
    for agent in file.bindings.keys() {
        resolved.extend(profiles.resolve(&file, agent)?);
    }
    if host.output.wants_json() {
        let agents: serde_json::Map<_, _> =
            resolved.iter().map(|used| (used.agent.name.to_string(), as_json(used))).collect();
        host.output.json(&json!({ "name": name, "file": file.source.file.to_string_lossy(), "agents": agents }));
        return Ok(());
    }
    host.output.line(&[(Style::Dim, "file  "), (Style::Plain, &session.paths.pretty(&file.source.file))]);
    for used in &resolved {
        host.output.data("");
        host.output.line(&[(Style::Bold, used.agent.name.as_str()), (Style::Dim, &format!("  {}", used.agent.title))]);
        let row = |name: &str, value: &str, from: &str| {
            vec![(Style::Dim, format!("  {name}")), (Style::Plain, value.to_owned()), (Style::Dim, from.to_owned())]
        };
        let account = &used.account;
        let mut rows = Vec::new();
        rows.extend(account.provider().map(|provider| row("provider", provider.value.name.as_str(), &provider.from)));
        rows.push(match account {
            Account::Key { key, .. } => row("key", &key.value.to_string(), &key.from),
            Account::Login { from, .. } => row("account", "the agent's own login", from),
            Account::None { from, .. } => row("account", "no key", from),
        });
        rows.extend(account.base_url().map(|url| row("endpoint", &url.value, &url.from)));
        rows.extend(used.model.iter().map(|model| row("model", &model.value, &model.from)));
        rows.extend(
            used.config_dir.iter().map(|folder| row("config-dir", &session.paths.pretty(&folder.value), &folder.from)),
        );
        if !used.args.is_empty() {
            rows.push(row("args", &used.args.join(" "), ""));
        }
        rows.extend(
            used.env.iter().map(|(name, set)| row("env", &format!("{name}={}", name.shown(&set.value)), &set.from)),
        );
        rows.extend(
            used.secrets.iter().map(|(name, key)| row("secret", &format!("{name} from {}", key.value), &key.from)),
        );
        host.output.table(&rows);
    }
    Ok(())
}

fn as_json(used: &Resolved) -> serde_json::Value {
    let env: serde_json::Map<_, _> =
        used.env.iter().map(|(name, set)| (name.to_string(), json!(name.shown(&set.value)))).collect();
    let secrets: serde_json::Map<_, _> =
        used.secrets.iter().map(|(name, key)| (name.to_string(), json!(key.value))).collect();
    let account = &used.account;
    let auth = match account {
        Account::Key { .. } => None,
        Account::Login { from, .. } | Account::None { from, .. } => Some(from),
    };
    let from: serde_json::Map<_, _> = [
        ("auth", auth),
        ("provider", account.provider().map(|provider| &provider.from)),
        ("key", account.key().map(|key| &key.from)),
        ("endpoint", account.base_url().map(|url| &url.from)),
        ("model", used.model.as_ref().map(|model| &model.from)),
        ("config-dir", used.config_dir.as_ref().map(|folder| &folder.from)),
    ]
    .into_iter()
    .filter_map(|(name, from)| Some((name.to_owned(), json!(from?))))
    .collect();
    json!({
        "auth": account.word(),
        "provider": account.provider().map(|provider| &provider.value.name),
        "key": account.key().map(|key| &key.value),
        "endpoint": account.base_url().map(|url| &url.value),
        "model": used.model.as_ref().map(|model| &model.value),
        "config-dir": used.config_dir.as_ref().map(|folder| folder.value.to_string_lossy()),
        "args": used.args,
        "env": env,
        "secrets": secrets,
        "from": from,
    })
}

fn edit(host: &mut Host, profiles: &Profiles<'_>, name: &Profile, changes: &[String]) -> Result<(), Failure> {
    if changes.is_empty() {
        return in_editor(host, profiles, name);
    }
    profiles.assign(name, changes)?;
    host.output.note(format!("changed profile \"{name}\""));
    host.output
        .note(Hint::from("").command(words!["ringlet", "profiles", "inspect", name]).and(" shows what it says now"));
    Ok(())
}

fn in_editor(host: &mut Host, profiles: &Profiles<'_>, name: &Profile) -> Result<(), Failure> {
    let Source { file, text, .. } = profiles.text(name)?;
    let instead = Hint::run(words!["ringlet", "profiles", "edit", name, "KEY=VALUE"]);
    editor::edit(host, &file, &text, instead, |copy, edited| {
        profiles.check(name, copy, edited)?;
        Ok(profiles.replace(name, edited)?)
    })?;
    host.output.note(format!("changed profile \"{name}\""));
    Ok(())
}

fn remove(host: &mut Host, session: &Session, profiles: &Profiles<'_>, name: &Profile) -> Result<(), Failure> {
    let file = session.paths.profile(name);
    if file.symlink_metadata().is_err() {
        let names = profiles.names()?;
        let failure = Failure::new(format!("profile \"{name}\" does not exist"));
        return Err(match closest(name.as_str(), names.iter().map(Profile::as_str)) {
            Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
            None => {
                failure.hint(Hint::from("").command(["ringlet", "profiles", "list"]).and(" shows those that there are"))
            }
        });
    }
    let keys = profiles.read(name).map(|read| read.keys()).unwrap_or_default();
    std::fs::remove_file(&file).map_err(|error| Failure::io("removed", &file, &error))?;
    // The folder may hold what the user put there; only an empty one goes.
    let _ = file.parent().map(std::fs::remove_dir);
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let left = match keys.len() {
        0 => String::new(),
        1 => format!("; its key {} stays where it is stored", keys[0]),
        _ => format!("; its keys {} stay where they are stored", keys.join(", ")),
    };
    host.output.note(format!("removed profile \"{name}\"{left}"));
    if session.settings.default_profile.as_ref() == Some(name) {
        host.output.warn("it was the default profile; run `ringlet profiles default NAME` or `--unset`");
    }
    Ok(())
}

fn default(
    host: &mut Host,
    session: &Session,
    profiles: &Profiles<'_>,
    name: Option<&str>,
    unset: bool,
) -> Result<(), Failure> {
    let name: Option<Profile> = name.map(str::parse).transpose()?;
    if name.is_none() && !unset {
        let current = session.settings.default_profile.as_ref();
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
    set_default(host, session, name.as_ref())?;
    host.output.note(Hint::from("").command(["ringlet", "status"]).and(" shows what each agent gets here"));
    Ok(())
}

/// Makes a profile the default one, or none.
pub(super) fn set_default(host: &mut Host, session: &Session, name: Option<&Profile>) -> Result<(), Failure> {
    let file = session.paths.config();
    let text = Source::read(&file)?.map(|source| source.text).unwrap_or_default();
    let mut document: DocumentMut = text.parse().expect("the settings were parsed at the start");
    match name {
        Some(name) => edit::assign(&mut document, "default-profile", name.as_str())?,
        None => drop(document.remove("default-profile")),
    }
    edit::write(&file, &document.to_string())?;
    host.output.note(&match name {
        Some(name) => format!("\"{name}\" is the default profile"),
        None => "there is no default profile any more".to_owned(),
    });
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::host::testing::Home;

    #[test]
    fn a_profile_is_created_listed_inspected_changed_and_removed() {
        let home = Home::with_profile("work");
        let rows = home.run(&["--json", "profiles", "list"]).json();
        assert_eq!(rows[0]["agents"]["claude"]["key"], "anthropic/default");
        home.run(&["profiles", "edit", "work", "model=some-model"]).succeeds();
        assert_eq!(
            home.run(&["--json", "profiles", "inspect", "work"]).json()["agents"]["claude"]["model"],
            "some-model"
        );
        let shown = home.run(&["profiles", "inspect", "work"]).succeeds().out;
        assert!(shown.contains("some-model") && shown.contains("anthropic/default"), "{shown}");
        home.run(&["profiles", "remove", "work"]).succeeds();
        assert_eq!(home.run(&["--json", "profiles", "list"]).json(), json!([]));
    }

    #[test]
    fn the_default_is_a_profile_that_is_there() {
        let home = Home::with_profile("work");
        home.run(&["profiles", "default", "other"]).is_refused(1, "other");
        home.run(&["profiles", "default", "work"]).succeeds();
        assert_eq!(home.run(&["profiles", "default"]).succeeds().out, "work\n");
        home.run(&["profiles", "default", "--unset"]).succeeds();
        assert_eq!(home.run(&["--json", "profiles", "default"]).json(), json!({ "default": null }));
    }

    #[test]
    fn what_is_there_is_not_created_and_what_is_not_there_is_not_removed() {
        let home = Home::with_profile("work");
        home.run(&["profiles", "create", "work", "--agent", "claude"]).is_refused(1, "already exists");
        home.run(&["profiles", "remove", "other"]).is_refused(1, "other");
        home.run(&["profiles", "edit", "work"]).is_refused(1, "neither VISUAL nor EDITOR is set");
        home.run(&["profiles", "edit", "work", "model"]).is_refused(2, "KEY=VALUE");
    }
}
