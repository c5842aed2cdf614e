//! `ringlet exec`: start an agent with its key, or print what would happen.

use super::{AuditWanted, Setting, keychain};
use crate::env::Change;
use crate::failure::Failure;
use crate::host::Host;
use crate::launch::{self, LaunchError, Request};
use crate::name::Profile;
use crate::output::Ink;
use crate::plan::{LaunchPlan, Pass, PlanError, ProfilePart, SecretUse, Sink};
use crate::store::{self, Prompt};
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
    let setting = Setting::new(&host.world, audit)?;
    let context = setting.context(&host.world)?;
    let plan = launch::prepare(&context, &Request { word: agent, profile: profile.as_ref(), words })?;
    if host.output.wants_json() {
        host.output.json(&as_json(&plan));
    } else {
        print(host, &plan);
    }
    Ok(0)
}

/// Starts the agent; on Unix this only comes back with a failure.
pub(super) fn start(
    host: &mut Host,
    audit: AuditWanted,
    agent: &str,
    profile: Option<&Profile>,
    words: &[OsString],
) -> Result<i32, Failure> {
    let setting = Setting::new(&host.world, audit)?;
    let context = setting.context(&host.world)?;
    let plan = match launch::prepare(&context, &Request { word: agent, profile, words }) {
        Ok(plan) => plan,
        Err(PlanError::Scoped(refused)) => {
            let log = setting.audit_log().map_err(LaunchError::from)?;
            return Err(launch::refuse(&context, refused, log.as_ref(), host.world.now).into());
        }
        Err(error) => return Err(error.into()),
    };
    // What looks nothing up has nothing to record, and starts whatever state the log is in.
    let looks_up = plan.profile.as_ref().is_some_and(|part| !part.secrets.is_empty());
    let log = if looks_up { setting.audit_log().map_err(LaunchError::from)? } else { None };
    let open = || store::open(&setting.settings, &setting.paths, &host.world.env, Prompt::Never);
    let output = &mut host.output;
    if output.is_verbose() {
        let with = plan.profile.as_ref().map_or_else(
            || "without a profile".to_owned(),
            |part| format!("with profile \"{}\" and key {}", part.resolved.profile, part.resolved.key.value),
        );
        output.note(&format!("starting {} {with}", plan.binary.display()));
    }
    let warn = |store: &dyn store::Store| keychain::warn_of_fallback(&setting, store, output);
    let status = launch::run(&plan, &context, open, warn, log.as_ref(), host.world.now)?;
    // Only Windows comes back.
    Ok(status)
}

fn print(host: &mut Host, plan: &LaunchPlan) {
    let row = |name: &str, value: String| vec![(Ink::Dim, name.to_owned()), (Ink::Plain, value)];
    let mut rows = vec![row("start", plan.binary.display().to_string())];
    rows.extend(plan.arguments.iter().map(|word| row("argument", word.to_string_lossy().into_owned())));
    match &plan.profile {
        None => rows.push(row("profile", "none; the agent starts as if ringlet were not there".into())),
        Some(part) => {
            let resolved = &part.resolved;
            rows.push(row("profile", resolved.profile.to_string()));
            rows.push(row("provider", resolved.provider.value.name.to_string()));
            rows.extend(resolved.base_url.iter().map(|url| row("endpoint", url.value.clone())));
            rows.extend(part.changes.iter().map(|change| match change {
                Change::Set(name, value) => row("set", format!("{name}={}", name.shown(&value.to_string_lossy()))),
                Change::Unset(name) => row("take away", name.to_string()),
            }));
            rows.extend(part.secrets.iter().map(|used| row("key", describe(used))));
            rows.extend(part.scopes.keys.iter().map(|pass| row("scope", scope(pass))));
            rows.extend(part.no_key.iter().map(|why| row("key", format!("none: {why}"))));
        }
    }
    host.output.table(&rows);
}

/// What a key's scope asked for, and that it holds.
pub(super) fn scope(pass: &Pass) -> String {
    let because = if pass.because.is_empty() { "asks for nothing".to_owned() } else { pass.because.join(", ") };
    format!("{}: {because}", pass.key)
}

pub(super) fn scopes_as_json(plan: &ProfilePart) -> Value {
    let scope = |pass: &Pass| {
        let left = pass.lease.map(|left| left.as_secs());
        json!({ "key": pass.key, "because": pass.because, "lease_seconds": left })
    };
    plan.scopes.keys.iter().map(scope).collect()
}

fn describe(used: &SecretUse) -> String {
    match &used.sink {
        Sink::Variable(name) => format!("{} in {name}", used.key),
        Sink::Descriptor(name) => format!("{} through a pipe, its number in {name}", used.key),
    }
}

fn as_json(plan: &LaunchPlan) -> Value {
    let words: Vec<_> = plan.arguments.iter().map(|word| word.to_string_lossy()).collect();
    let mut made = json!({ "binary": plan.binary.to_string_lossy(), "command": plan.command, "arguments": words, "profile": null });
    if let Some(part) = &plan.profile {
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
        let secrets: Vec<Value> = part
            .secrets
            .iter()
            .map(|used| {
                let (variable, delivery) = match &used.sink {
                    Sink::Variable(name) => (name, "variable"),
                    Sink::Descriptor(name) => (name, "descriptor"),
                };
                json!({ "key": used.key, "variable": variable, "delivery": delivery })
            })
            .collect();
        made["profile"] = json!({
            "name": part.resolved.profile,
            "agent": part.resolved.agent.name,
            "provider": part.resolved.provider.value.name,
            "endpoint": part.resolved.base_url.as_ref().map(|url| &url.value),
            "set": set,
            "unset": unset,
            "secrets": secrets,
            "scopes": scopes_as_json(part),
            "no_key": part.no_key,
        });
    }
    made
}
