//! `ringlet status`: which file governs, which profile, which credential wins, and what a launch does about it.

use super::reach::Reach;
use super::{Session, exec};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::launch;
use crate::name::{Agent, KeyName};
use crate::output::{Output, Style};
use crate::plan::{self, Context, LaunchPlan, LaunchRequest, PlanError, ProfilePart, Project, Sink};
use crate::profile::{Account, Profiles};
use crate::shell::ShellNames;
use crate::store::{self, Keys, Prompt};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// One agent's part of the answer.
struct Row {
    word: String,
    outcome: Result<LaunchPlan, Refusal>,
    key: Option<KeyState>,
    reach: Reach,
}

/// Why an agent would not start, and what mends it.
struct Refusal {
    failure: Failure,
    /// Whether the agent is not installed.
    is_absent: bool,
    /// The key whose scope refuses.
    key: Option<KeyName>,
}

/// Whether the key is there. Its value is looked at only where the agent has been told not to use one that ends like
/// it.
struct KeyState {
    name: KeyName,
    // `None` where only the value would tell.
    there: Result<Option<bool>, store::StoreError>,
    /// The file that keeps the agent from using it.
    rejected: Option<PathBuf>,
    /// The store's name.
    place: String,
    /// How there comes to be a key there.
    cure: Hint,
    /// Another store that holds a key of the same name.
    copy: Option<PathBuf>,
}

/// `ringlet status [AGENT]`
pub(super) fn run(host: &mut Host, session: &Session, only: Option<&str>) -> Result<(), Failure> {
    let context = session.context(&host.world)?;
    let project = plan::find_project(&context);
    let store = session.open_store(&host.world, Prompt::Never);
    let words = match only {
        Some(word) => {
            if session.registry.agents_for(word)?.agents.is_empty() {
                session.registry.agent(&word.parse()?)?;
            }
            vec![word.to_owned()]
        }
        None => shown(session, &context, project.as_ref().ok().and_then(Option::as_ref))?,
    };
    let shell = host.world.shell.as_ref();
    let examine = |word| examine(&context, session, shell, &store, word);
    let rows: Vec<Row> = words.into_iter().map(examine).collect();
    if host.output.wants_json() {
        let agents: Vec<Value> = rows.iter().map(|row| as_json(&host.output, session, &context, row)).collect();
        let governing = match &project {
            Ok(None) => Value::Null,
            Ok(Some(project)) => json!({
                "file": project.file.to_string_lossy(),
                "trust": project.verdict.to_string(),
                "profile": project.content.as_ref().and_then(|content| content.profile.as_ref()),
            }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        let default = &session.settings.default_profile;
        host.output.json(&json!({
            "directory": context.cwd.to_string_lossy(), "project": governing,
            "default_profile": default, "agents": agents,
        }));
        return Ok(());
    }
    let mut head = vec![vec![(Style::Dim, "directory".to_owned()), (Style::Plain, session.paths.pretty(context.cwd))]];
    head.extend(governing(session, &project));
    if let Some(name) = &session.settings.default_profile {
        head.push(vec![
            (Style::Dim, "default".into()),
            (Style::Plain, format!("profile {name}, where no file governs")),
        ]);
    }
    host.output.table(&head);
    for row in &rows {
        print(&mut host.output, session, &context, row);
    }
    if rows.is_empty() {
        host.output.note("no agent is bound by a profile or found on PATH");
    }
    if Profiles::new(&session.paths, &session.registry).names().is_ok_and(|names| names.is_empty()) {
        host.output.note(Hint::from("there is no profile yet; ").command(["ringlet", "init"]).and(" makes one"));
    }
    Ok(())
}

fn governing(session: &Session, project: &Result<Option<Project>, PlanError>) -> Vec<Vec<(Style, String)>> {
    let label = |name: &str| (Style::Dim, name.to_owned());
    match project {
        Ok(None) => vec![vec![label("governed by"), (Style::Plain, "no .ringlet.toml".into())]],
        Err(error) => vec![vec![label("governed by"), (Style::Bad, error.to_string())]],
        Ok(Some(project)) => {
            let file = vec![label("governed by"), (Style::Plain, session.paths.pretty(&project.file))];
            let (style, said) = match &project.content {
                Some(content) => (Style::Good, format!("{}: {}", project.verdict, content.describe())),
                None => (Style::Bad, format!("{}; run `ringlet allow`", project.verdict)),
            };
            vec![file, vec![label("trust"), (style, said)]]
        }
    }
}

// Returns the agents that the profiles of this directory bind, and those found on PATH.
fn shown(session: &Session, context: &Context<'_>, project: Option<&Project>) -> Result<Vec<String>, Failure> {
    let mut names: BTreeSet<&crate::name::Profile> = session.settings.default_profile.iter().collect();
    if let Some(content) = project.and_then(|project| project.content.as_ref()) {
        names.extend(content.profile.iter().chain(content.agents.values()));
    }
    let profiles = Profiles::new(&session.paths, &session.registry);
    let bound: BTreeSet<Agent> = names
        .into_iter()
        .filter_map(|name| profiles.read(name).ok())
        .flat_map(|file| file.bindings.into_keys())
        .collect();
    let commands = session.registry.commands()?;
    Ok(commands
        .iter()
        .filter(|(agent, commands)| {
            bound.contains(agent) || commands.iter().any(|command| plan::find_binary(context, command).is_ok())
        })
        .map(|(agent, _)| agent.to_string())
        .collect())
}

fn examine(context: &Context<'_>, session: &Session, shell: Option<&ShellNames>, store: &Keys, word: String) -> Row {
    let outcome = plan::prepare(context, &LaunchRequest { word: &word, profile: None, words: &[] });
    let used = outcome.as_ref().ok().and_then(|plan| plan.secrets().first());
    let key = used.map(|used| KeyState {
        name: used.key.clone(),
        there: store.peek(&used.key),
        rejected: outcome
            .as_ref()
            .ok()
            .and_then(|plan| launch::rejected(context, plan, store, &|| session.audit_log())),
        copy: store::copy_in_file(&session.paths, store, &used.key),
        // The name is asked for last, since the file may have replaced the keychain.
        place: store.place_of(&used.key),
        cure: store.cure(&used.key),
    });
    let command = match &outcome {
        Ok(plan) => plan.start().command.clone(),
        Err(_) => session.registry.agents_for(&word).map_or_else(|_| word.clone(), |resolution| resolution.command),
    };
    let reach = Reach::of(context, shell, &command);
    let refusal = |error: PlanError| Refusal {
        is_absent: matches!(error, PlanError::NotFound { .. }),
        key: if let PlanError::Scoped(refused) = &error { Some(refused.key.clone()) } else { None },
        failure: error.into(),
    };
    // The word names an agent or a command; any other word was refused above.
    Row { word, outcome: outcome.map_err(refusal), key, reach }
}

fn print(output: &mut Output, session: &Session, context: &Context<'_>, row: &Row) {
    output.data("");
    let line = |name: &str, style: Style, value: String| vec![(Style::Dim, format!("  {name}")), (style, value)];
    let plan = match &row.outcome {
        Ok(plan) => plan,
        Err(refusal) => {
            output.line(&[(Style::Bold, &row.word)]);
            let style = if refusal.is_absent { Style::Warn } else { Style::Bad };
            output.table(&[line("refused", style, mended(output, &refusal.failure))]);
            return;
        }
    };
    output.line(&[(Style::Bold, &row.word), (Style::Dim, &format!("  {}", plan.start().binary.display()))]);
    let (is, hint) = row.reach.describe(&plan.start().command);
    let is = is.strip_prefix("this shell is ").map_or_else(|| is.clone(), str::to_owned);
    let reach = std::iter::once(is).chain(hint.map(str::to_owned)).collect::<Vec<_>>().join("; ");
    let reach = line("this shell", row.reach.style(), reach);
    let Some(part) = plan.part() else {
        let (style, found) = match bare(session, context, row) {
            Some(found) => (Style::Warn, found),
            None => (Style::Plain, "no key and no login that can be seen".to_owned()),
        };
        output.table(&[
            line("profile", Style::Plain, "none: starts as if ringlet were not there".into()),
            reach,
            line("would use", style, found),
        ]);
        return;
    };
    let resolved = &part.resolved;
    let mut rows = vec![
        line("profile", Style::Plain, resolved.profile.to_string()),
        line("account", Style::Plain, account(context, part)),
        reach,
    ];
    let account = &resolved.account;
    rows.extend(
        account
            .provider()
            .map(|given| line("provider", Style::Plain, format!("{}  ({})", given.value.name, given.from))),
    );
    rows.extend(account.base_url().map(|url| line("endpoint", Style::Plain, format!("{}  ({})", url.value, url.from))));
    let noticed = part.notices.iter().map(|notice| output.written(&exec::noticed(session, notice)));
    rows.extend(noticed.map(|said| line("note", Style::Warn, said)));
    if let Some(key) = &row.key {
        let (style, said) = match &key.there {
            Ok(None) => (
                Style::Plain,
                format!(
                    "{} would come from {}, which tells only in a launch",
                    key.name,
                    session.pretty_place(&key.place)
                ),
            ),
            Ok(Some(true)) => match &key.rejected {
                None if row.reach.is_ours() => {
                    (Style::Good, format!("{} is in {}, and wins", key.name, session.pretty_place(&key.place)))
                }
                None => (Style::Plain, format!("{} is in {}", key.name, session.pretty_place(&key.place))),
                Some(file) => {
                    let (agent, file) = (&resolved.agent.title, session.paths.pretty(file));
                    (Style::Bad, format!("{} is there, but {agent} was told not to use it ({file})", key.name))
                }
            },
            Ok(Some(false)) => {
                let (place, cure) = (session.pretty_place(&key.place), output.written(&key.cure));
                (Style::Bad, format!("{} is not in {place}; {cure}", key.name))
            }
            Err(error) => {
                let hint = error.hint().map(|hint| format!("; {}", output.written(&hint))).unwrap_or_default();
                (Style::Bad, format!("{}: {error}{hint}", key.name))
            }
        };
        rows.push(line("key", style, said));
        rows.extend(key.copy.iter().map(|file| {
            let file = session.paths.pretty(file);
            line("copy", Style::Warn, format!("{file} holds a key of that name as well, in plain text; it is not used"))
        }));
    }
    rows.extend(outranked(context, part).map(|said| line("login", Style::Warn, said)));
    if matches!(account, Account::Login { .. }) {
        rows.extend(plan::over_login(context, resolved).into_iter().map(|said| line("note", Style::Bad, said)));
    }
    rows.extend(plan.secrets().iter().map(|used| {
        let way = match &used.sink {
            _ if part.is_held(used) => exec::held(used),
            Sink::Variable(name) => format!("{} in {name}", used.key),
            Sink::Descriptor(name) => format!("{} through a pipe ({name}), so tool shells do not see it", used.key),
            Sink::Command => {
                format!("{} to the command that the agent asks for it, once; no environment holds it", used.key)
            }
        };
        line("given as", Style::Plain, way)
    }));
    let loses = part.broker.as_ref().and_then(|broker| broker.loses.clone());
    rows.extend(loses.map(|loses| line("without", Style::Warn, loses)));
    rows.extend(exec::scopes(plan).iter().map(|pass| line("scope", Style::Good, exec::scope(pass))));
    rows.extend(part.removed.iter().map(|name| {
        line("leftover", Style::Warn, format!("{name} is set in this shell and would compete; a launch takes it away"))
    }));
    rows.extend(
        resolved.config_dir.iter().map(|dir| line("config-dir", Style::Plain, session.paths.pretty(&dir.value))),
    );
    output.table(&rows);
}

// Returns a refusal as one line, with the commands that mend it.
fn mended(output: &Output, failure: &Failure) -> String {
    let hints = failure.hints.iter().map(|hint| output.written(hint));
    std::iter::once(failure.message.clone()).chain(hints).collect::<Vec<_>>().join("; ")
}

// Returns what the agent finds by itself if no profile governs.
fn bare(session: &Session, context: &Context<'_>, row: &Row) -> Option<String> {
    let agent = session.registry.agents_for(&row.word).ok()?.agents.into_iter().next()?;
    let unused = plan::unused(context, session.registry.agent(&agent).ok()?.as_ref(), None);
    let shell = (!unused.variables.is_empty()).then(|| format!("{} of this shell", unused.variables.join(", ")));
    let both: Vec<String> = shell.into_iter().chain(unused.login).collect();
    (!both.is_empty()).then(|| both.join("; "))
}

// Returns the agent's own login that the profile's account replaces.
fn outranked(context: &Context<'_>, part: &ProfilePart) -> Option<String> {
    let resolved = &part.resolved;
    let login = match resolved.account {
        Account::Login { .. } => None,
        Account::Key { .. } | Account::None { .. } => {
            plan::unused(context, &resolved.agent, resolved.named_folder()).login
        }
    }?;
    let instead = match resolved.account.key() {
        Some(key) => format!("{} is used and billed", key.value),
        None => "no key is used".to_owned(),
    };
    Some(format!("{login}, is not used: {instead} in its place"))
}

// Returns the kind of the account, and where a login lies.
fn account(context: &Context<'_>, part: &ProfilePart) -> String {
    let resolved = &part.resolved;
    match &resolved.account {
        Account::Login { login, .. } => plan::describe_login(context, resolved, login),
        Account::Key { .. } | Account::None { .. } => exec::account(resolved),
    }
}

fn as_json(output: &Output, session: &Session, context: &Context<'_>, row: &Row) -> Value {
    match &row.outcome {
        Err(refusal) => {
            let hints: Vec<String> = refusal.failure.hints.iter().map(|hint| output.written(hint)).collect();
            let mut made = json!({
                "agent": row.word, "refused": refusal.failure.message, "hint": hints.first(), "hints": hints,
                "reached_by": row.reach.word(),
            });
            if let Some(key) = &refusal.key {
                made["refused_key"] = json!(key);
            }
            made
        }
        Ok(plan) => {
            let mut made =
                json!({ "agent": row.word, "binary": plan.start().binary.to_string_lossy(), "profile": null });
            made["reached_by"] = json!(row.reach.word());
            if plan.part().is_none() {
                made["would_use"] = json!(bare(session, context, row));
            }
            if let Some(part) = plan.part() {
                made["profile"] = json!(part.resolved.profile);
                let account = &part.resolved.account;
                made["auth"] = json!(account.word());
                made["account"] = json!(self::account(context, part));
                made["provider"] = json!(account.provider().map(|provider| &provider.value.name));
                made["endpoint"] = json!(account.base_url().map(|url| &url.value));
                made["leftover"] = json!(part.removed);
                made["login_not_used"] = json!(outranked(context, part));
                made["notes"] =
                    part.notices.iter().map(|notice| output.written(&exec::noticed(session, notice))).collect();
                made["scopes"] = exec::scopes_as_json(plan);
                made["given_as"] = exec::secrets_as_json(session, plan);
            }
            if let Some(key) = &row.key {
                made["key"] = json!({
                    "name": key.name,
                    "there": key.there.as_ref().ok().copied().flatten(),
                    "error": key.there.as_ref().err().map(ToString::to_string),
                });
                made["key"]["place"] = json!(key.place);
                if let Some(file) = &key.copy {
                    made["key"]["copy_in"] = file.to_string_lossy().into();
                }
                if let Some(file) = &key.rejected {
                    made["key"]["rejected_in"] = file.to_string_lossy().into();
                }
            }
            made
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::host::testing::Home;

    #[test]
    fn without_a_file_or_an_agent_it_says_so() {
        let home = Home::new();
        let ran = home.run(&["status"]).succeeds();
        assert!(ran.out.contains("no .ringlet.toml") && ran.err.contains("no agent is bound"), "{ran:?}");
        let data = home.run(&["--json", "status"]).json();
        assert_eq!((&data["project"], &data["agents"]), (&Value::Null, &json!([])));
        home.run(&["status", "nobody"]).is_refused(1, "nobody");
    }

    #[test]
    fn an_agent_is_shown_with_the_key_that_it_would_get() {
        let mut home = Home::with_profile("work");
        home.program("claude");
        home.run(&["profiles", "default", "work"]).succeeds();
        let data = home.run(&["--json", "status", "claude"]).json();
        assert!(data["agents"][0].to_string().contains("anthropic/default"), "{data}");
        let ran = home.run(&["status", "claude"]).succeeds();
        assert!(ran.out.contains("anthropic/default"), "{ran:?}");
    }
}
