//! `ringlet exec`: starts an agent with its key, or prints the plan of the launch.

use super::{AuditWanted, Session, keychain};
use crate::env::Change;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::{Host, World};
use crate::launch::{self, Event, LaunchIo, Process};
use crate::mark;
use crate::name::{Profile, shorten};
use crate::output::{Output, Style};
use crate::plan::{self, Keyless, LaunchPlan, LaunchRequest, Notice, Pass, ProfilePart, SecretUse, Sink};
use crate::profile::{Account, Resolved};
use crate::registry::{Registry, closest_command};
use crate::store::Prompt;
use crate::words;
use serde_json::{Value, json};
use std::ffi::OsString;

/// `ringlet exec AGENT [-- ARGS]`
pub(super) fn run(
    host: &mut Host,
    audit: AuditWanted,
    agent: &str,
    profile: Option<&str>,
    dry_run: bool,
    words: &[OsString],
) -> Result<i32, Failure> {
    let profile = profile.map(str::parse).transpose()?;
    if !dry_run {
        return start(host, audit, agent, profile.as_ref(), words);
    }
    let session = Session::new(&host.world, audit)?;
    let context = session.context(&host.world)?;
    let plan = plan::prepare(&context, &LaunchRequest { word: agent, profile: profile.as_ref(), words })?;
    if host.output.wants_json() {
        host.output.json(&as_json(&session, &plan));
    } else {
        print(host, &session, &plan);
    }
    Ok(0)
}

/// Starts the agent. On Unix it returns only with a failure.
pub(super) fn start(
    host: &mut Host,
    audit: AuditWanted,
    agent: &str,
    profile: Option<&Profile>,
    words: &[OsString],
) -> Result<i32, Failure> {
    let session = Session::new(&host.world, audit)?;
    // A command in between does not take away that there is a launch above it, see `ringlet run`.
    if host.world.is_below && no_agent(&session.registry, agent).is_some() {
        host.world.env.set(mark::NAME, "".into());
    }
    let context = session.context(&host.world)?;
    let request = LaunchRequest { word: agent, profile, words };
    // Only on Windows does the call return.
    Ok(with_io(&session, &host.world, &mut host.output, |io| launch::launch(&context, &request, io))?)
}

/// Calls a function with the real outside world of a launch.
pub(super) fn with_io<T>(
    session: &Session,
    world: &World,
    output: &mut Output,
    launch: impl FnOnce(LaunchIo<'_>) -> T,
) -> T {
    launch(LaunchIo {
        log: &|| session.audit_log(),
        open_store: &|| session.open_store(world, Prompt::Never),
        report: &mut |event| match event {
            Event::Decided(plan) => {
                if output.is_verbose() {
                    output.note(decided(plan));
                }
                if plan.part().is_none()
                    && let Some(note) = no_agent(&session.registry, &plan.start().command)
                {
                    output.note(note);
                }
            }
            Event::Notice(notice) => output.note(noticed(session, notice)),
            Event::LookedUp(store) => {
                keychain::warn_of_fallback(session, store, world, output);
                store.notes().into_iter().for_each(|said| output.note(said));
            }
        },
        now: world.now,
        exec: &Process::exec,
    })
}

// A command that is no agent starts as it is. Whoever has typed it for one wants to know.
fn no_agent(registry: &Registry, command: &str) -> Option<Hint> {
    let is_known = |command| registry.agents_for(command).is_ok_and(|found| !found.agents.is_empty());
    if registry.known_agents_for(command).is_ok_and(|known| !known.is_empty()) || is_known(command) {
        return None;
    }
    let said = Hint::from(format!("{} is no agent that ringlet knows, and starts as it is; ", shorten(command)));
    Some(match closest_command(command) {
        Some(meant) => said.and(format!("did you mean `{meant}`?")),
        None => said.command(words!["ringlet", "run", "--", shorten(command)]).and(" gives a command secrets"),
    })
}

fn decided(plan: &LaunchPlan) -> String {
    let binary = plan.start().binary.display();
    match plan.part() {
        None => format!("starting {binary} without a profile"),
        Some(part) => {
            format!("starting {binary} with profile \"{}\" and {}", part.resolved.profile, account(&part.resolved))
        }
    }
}

/// Describes an account in a few words.
pub(super) fn account(resolved: &Resolved) -> String {
    match &resolved.account {
        Account::Key { key, .. } => format!("key {}", key.value),
        Account::Login { .. } => "the agent's own login".to_owned(),
        Account::None { .. } => "no key".to_owned(),
    }
}

/// Returns a notice as one line.
pub(super) fn noticed(session: &Session, notice: &Notice) -> Hint {
    match notice {
        Notice::NoLogin { profile, agent, folder } => {
            let said = Hint::from(format!("{} shows no login; run ", session.paths.pretty(folder)));
            said.command(plan::login_command(profile, agent.as_ref())).and(" to log in")
        }
        Notice::OtherSessions { command, binary, profile, resume } => {
            let said =
                format!("{command} lists sessions by provider, and under profile \"{profile}\" those of ringlet alone");
            match resume {
                Some(words) => {
                    Hint::from(format!("{said}; ")).command(words).and(" with a session's id goes on with another")
                }
                None => Hint::from(format!("{said}; ")).command(words![binary, "resume"]).and(" shows the others"),
            }
        }
        Notice::EndpointDropped { names, profile, endpoint } => {
            let names = names.join(", ");
            let goes = match endpoint {
                Some(endpoint) => format!("goes to {endpoint}"),
                None => "goes to the agent's own service".to_owned(),
            };
            format!("{names} of this shell is not used: profile \"{profile}\" {goes}").into()
        }
    }
}

fn print(host: &mut Host, session: &Session, plan: &LaunchPlan) {
    let row = |name: &str, value: String| vec![(Style::Dim, name.to_owned()), (Style::Plain, value)];
    let start = plan.start();
    let mut rows = vec![row("start", start.binary.display().to_string())];
    rows.extend(start.arguments.iter().map(|word| row("argument", word.to_string_lossy().into_owned())));
    match plan.part() {
        None => rows.push(row("profile", "none; the agent starts as if ringlet were not there".into())),
        Some(part) => {
            let resolved = &part.resolved;
            rows.push(row("profile", resolved.profile.to_string()));
            rows.push(row("account", account(resolved)));
            rows.extend(resolved.account.provider().map(|provider| row("provider", provider.value.name.to_string())));
            rows.extend(resolved.account.base_url().map(|url| row("endpoint", url.value.clone())));
            rows.extend(part.changes.iter().map(|change| match change {
                Change::Set(name, value) => row("set", format!("{name}={}", name.shown(&value.to_string_lossy()))),
                Change::Unset(name) => row("take away", name.to_string()),
            }));
            let loses = part.broker.as_ref().and_then(|broker| broker.loses.clone());
            for used in plan.secrets() {
                rows.push(row("key", describe(used, part)));
                // A key in the usual store is not mentioned: it is nearly every one.
                let store = session.settings.stores.named_for(&used.key);
                rows.extend(store.map(|name| row("from", format!("the store \"{name}\""))));
            }
            rows.extend(loses.map(|loses| row("without", loses)));
            rows.extend(scopes(plan).iter().map(|pass| row("scope", scope(pass))));
            rows.extend(plan.keyless().map(|why| row("key", keyless(why))));
        }
    }
    host.output.table(&rows);
}

fn keyless(why: &Keyless) -> String {
    match why {
        Keyless::Login => "none: the agent has its own login".to_owned(),
        Keyless::NoKey => "none: the profile says so".to_owned(),
        Keyless::NotNeeded(why) => format!("none: {why}"),
    }
}

/// Returns the conditions that the scopes of a launch's keys have checked.
pub(super) fn scopes(plan: &LaunchPlan) -> &[Pass] {
    plan.scopes().map_or(&[], |passed| &passed.keys)
}

/// Describes the conditions of a key's scope.
pub(super) fn scope(pass: &Pass) -> String {
    let because = if pass.because.is_empty() { "asks for nothing".to_owned() } else { pass.because.join(", ") };
    format!("{}: {because}", pass.key)
}

pub(super) fn scopes_as_json(plan: &LaunchPlan) -> Value {
    let scope = |pass: &Pass| {
        let left = pass.lease.map(|left| left.as_secs());
        json!({ "key": pass.key, "because": pass.because, "lease_seconds": left })
    };
    scopes(plan).iter().map(scope).collect()
}

/// Returns each key, the store of the settings that it comes from, and the place that it is delivered to.
pub(super) fn secrets_as_json(session: &Session, plan: &LaunchPlan) -> Value {
    let is_held = |used: &SecretUse| plan.part().is_some_and(|part| part.is_held(used));
    let given = |used: &SecretUse| {
        let delivery = match &used.sink {
            _ if is_held(used) => "broker",
            Sink::Variable(_) => "variable",
            Sink::Descriptor(_) => "descriptor",
            Sink::Command => "command",
        };
        let store = session.settings.stores.named_for(&used.key);
        json!({ "key": used.key, "store": store, "variable": used.sink.variable(), "delivery": delivery })
    };
    plan.secrets().iter().map(given).collect()
}

/// Describes a key that the broker holds.
pub(super) fn held(used: &SecretUse) -> String {
    let place = match &used.sink {
        Sink::Variable(name) | Sink::Descriptor(name) => format!("through {name}"),
        Sink::Command => "by the command that it runs".to_owned(),
    };
    format!("{} to the broker; the agent gets a token of this launch {place}", used.key)
}

fn describe(used: &SecretUse, part: &ProfilePart) -> String {
    match &used.sink {
        _ if part.is_held(used) => held(used),
        Sink::Variable(name) => format!("{} in {name}", used.key),
        Sink::Descriptor(name) => format!("{} through a pipe, its number in {name}", used.key),
        Sink::Command => format!("{} to the command that the agent asks for it, once", used.key),
    }
}

fn as_json(session: &Session, plan: &LaunchPlan) -> Value {
    let start = plan.start();
    let words: Vec<_> = start.arguments.iter().map(|word| word.to_string_lossy()).collect();
    let mut made = json!({
        "binary": start.binary.to_string_lossy(), "command": start.command, "arguments": words, "profile": null,
    });
    if let Some(part) = plan.part() {
        let mut set = serde_json::Map::new();
        let mut unset = Vec::new();
        for change in &part.changes {
            match change {
                Change::Set(name, value) => {
                    drop(set.insert(name.to_string(), name.shown(&value.to_string_lossy()).into()))
                }
                Change::Unset(name) => unset.push(name.to_string()),
            }
        }
        let account = &part.resolved.account;
        made["profile"] = json!({
            "name": part.resolved.profile,
            "agent": part.resolved.agent.name,
            "auth": account.word(),
            "provider": account.provider().map(|provider| &provider.value.name),
            "endpoint": account.base_url().map(|url| &url.value),
            "set": set,
            "unset": unset,
            "secrets": secrets_as_json(session, plan),
            "scopes": scopes_as_json(plan),
            "no_key": plan.keyless().map(keyless),
        });
    }
    made
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    #[test]
    fn a_rehearsal_names_the_key_and_looks_nothing_up() {
        let mut home = Home::with_profile("work");
        home.program("claude");
        let ran = home.run(&["exec", "--dry-run", "--profile", "work", "claude"]).succeeds();
        assert!(ran.out.contains("anthropic/default"), "{ran:?}");
        let data = home.run(&["--json", "exec", "--dry-run", "--profile", "work", "claude"]).json();
        assert!(data.to_string().contains("anthropic/default"), "{data}");
    }

    #[test]
    fn a_launch_is_refused_with_the_statuses_of_env() {
        let mut home = Home::with_profile("work");
        home.run(&["exec", "--profile", "work", "claude"]).is_refused(127, "claude");
        home.program("claude");
        home.run(&["exec", "--profile", "nobody", "claude"]).is_refused(125, "nobody");
        home.run(&["exec", "--profile", "work", "claude"]).is_refused(125, "has no key anthropic/default");
    }
}
