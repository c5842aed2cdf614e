//! `ringlet lease`: the user's consent that a key may be looked up for some time.

use super::{Session, keychain};
use crate::cli::Lease;
use crate::config::Scope;
use crate::duration::{self, shown};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::lease::{BootTime, Grant, GrantRequest, LeaseError, LeaseFolder, LeaseState, Revoke};
use crate::name::{Agent, KeyName, shorten};
use crate::output::Style;
use crate::words;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `ringlet lease grant|list|revoke`
pub(super) fn run(host: &mut Host, session: &Session, command: Lease) -> Result<(), Failure> {
    match command {
        Lease::Grant { key, alias, length, agent, directory } => {
            let key = keychain::key_name(&key, alias.as_deref())?;
            grant(host, session, &key, length.as_deref(), agent.as_deref(), directory.as_deref())
        }
        Lease::List => list(host, session),
        Lease::Revoke { which, alias, .. } => {
            // A lease's own name has no alias.
            let which = match (which, alias) {
                (Some(provider), Some(alias)) => Some(keychain::key_name(&provider, Some(&alias))?.to_string()),
                (which, _) => which,
            };
            revoke(host, session, which.as_deref())
        }
    }
}

fn grant(
    host: &mut Host,
    session: &Session,
    key: &KeyName,
    length: Option<&str>,
    agent: Option<&str>,
    directory: Option<&Path>,
) -> Result<(), Failure> {
    let (scope, most) = leased(session, key)?;
    let length = match length {
        None => most,
        Some(text) => duration::parse(text).map_err(|error| Failure::usage(format!("--for: {error}")))?,
    };
    let place = format!("{}:{}", session.paths.config().display(), scope.line);
    if length.is_zero() || length > most {
        let message = format!("a lease on {key} lasts from 1s to {}", shown(most));
        return Err(Failure::usage(message).hint(format!("see [scope.\"{key}\"], {place}")));
    }
    let agent: Option<Agent> = agent.map(str::parse).transpose()?;
    if let Some(agent) = &agent {
        session.registry.agent(agent)?;
        if scope.agents.as_ref().is_some_and(|kept| !kept.contains(agent)) {
            return Err(Failure::new(format!("the key {key} is not kept for {agent}, so a lease would be of no use"))
                .hint(format!("see [scope.\"{key}\"], {place}")));
        }
    }
    let directory = directory.map(|given| canonical(host, given)).transpose()?;
    let request = GrantRequest { key: key.clone(), agent, directory, length };
    let made = LeaseFolder::new(&session.paths).grant(&request, BootTime::now, host.world.now)?;
    if host.output.wants_json() {
        host.output.json(&as_json(&made, LeaseState::Valid(length)));
    } else {
        let agent = made.agent.as_ref().map_or_else(String::new, |agent| format!(", for {agent} alone"));
        let directory = made.directory.as_ref();
        let directory = directory.map_or_else(String::new, |path| format!(", in {} alone", session.paths.pretty(path)));
        host.output.note(format!("leased {} for {}{agent}{directory}", made.key, shown(length)));
        let revoke = words!["ringlet", "lease", "revoke", made.key.to_string()];
        host.output.note(Hint::from("").command(revoke).and(" ends it"));
    }
    Ok(())
}

// Returns the scope of a key that needs a lease, and how long one may last.
fn leased<'a>(session: &'a Session, key: &KeyName) -> Result<(&'a Scope, Duration), Failure> {
    let scope = session.settings.scopes.get(key);
    scope.and_then(|scope| Some((scope, scope.lease?))).ok_or_else(|| {
        let config = session.paths.config();
        let hint = match scope {
            Some(scope) => format!("write `lease = \"8h\"` below line {} of {}", scope.line, config.display()),
            None => format!("write [scope.\"{key}\"] with `lease = \"8h\"` into {}", config.display()),
        };
        Failure::new(format!("the key {key} asks for no lease")).hint(hint)
    })
}

fn canonical(host: &Host, given: &Path) -> Result<PathBuf, Failure> {
    // A single word that is no directory may be a key that was pasted by mistake.
    let shown = given.to_string_lossy();
    let shown = if given.components().count() > 1 { shown.into_owned() } else { shorten(&shown) };
    let path = host.world.cwd()?.join(given);
    let path = path.canonicalize().map_err(|error| Failure::io("looked at", Path::new(&shown), &error))?;
    if !path.is_dir() {
        return Err(Failure::new(format!("{shown}: is not a directory")));
    }
    Ok(path)
}

fn list(host: &mut Host, session: &Session) -> Result<(), Failure> {
    let found = LeaseFolder::new(&session.paths).load()?;
    let now = BootTime::now().map_err(LeaseError::Clock)?;
    let output = &mut host.output;
    for (file, why) in &found.broken {
        output.warn(format!("{} is no lease: it {why}", file.display()));
    }
    let most = |key: &KeyName| session.settings.scopes.get(key).and_then(|scope| scope.lease);
    let state = |grant: &Grant| grant.state(&now, most(&grant.key).unwrap_or(Duration::MAX));
    if output.wants_json() {
        let rows: Vec<Value> = found.grants.iter().map(|grant| as_json(grant, state(grant))).collect();
        output.json(&rows);
        return Ok(());
    }
    if found.grants.is_empty() {
        output.note("there is no lease; `ringlet lease grant PROVIDER/ALIAS` grants one");
        return Ok(());
    }
    let head = ["ID", "KEY", "AGENT", "DIRECTORY", "ENDS"].map(|cell| (Style::Dim, cell.to_owned())).to_vec();
    let body = found.grants.iter().map(|grant| {
        let (style, ends) = match state(grant) {
            LeaseState::Valid(_) if most(&grant.key).is_none() => (Style::Dim, "not asked for any more".to_owned()),
            LeaseState::Valid(left) => (Style::Good, format!("in {}", shown(left))),
            LeaseState::Expired(ago) => (Style::Dim, format!("{} ago", shown(ago))),
            LeaseState::OtherBoot => (Style::Dim, "when the system was started anew".to_owned()),
        };
        let any = |text: Option<String>| (Style::Plain, text.unwrap_or_else(|| "any".to_owned()));
        vec![
            (Style::Plain, grant.id.clone()),
            (Style::Bold, grant.key.to_string()),
            any(grant.agent.as_ref().map(ToString::to_string)),
            any(grant.directory.as_ref().map(|path| session.paths.pretty(path))),
            (style, ends),
        ]
    });
    output.table(&std::iter::once(head).chain(body).collect::<Vec<_>>());
    Ok(())
}

fn as_json(grant: &Grant, state: LeaseState) -> Value {
    let (word, left) = match state {
        LeaseState::Valid(left) => ("live", Some(left.as_secs())),
        LeaseState::Expired(_) => ("ended", None),
        LeaseState::OtherBoot => ("other boot", None),
    };
    json!({
        "id": grant.id, "key": grant.key, "agent": grant.agent, "granted": grant.granted, "state": word,
        "directory": grant.directory.as_ref().map(|path| path.to_string_lossy()), "seconds_left": left,
    })
}

fn revoke(host: &mut Host, session: &Session, which: Option<&str>) -> Result<(), Failure> {
    let revoked = match which {
        None => Revoke::All,
        Some(key) if key.contains('/') => Revoke::Key(key.parse()?),
        Some(id) => Revoke::Id(id.to_owned()),
    };
    let count = LeaseFolder::new(&session.paths).revoke(&revoked)?;
    let leases = if count == 1 { "lease" } else { "leases" };
    let message = match &revoked {
        Revoke::All => format!("revoked {count} {leases}"),
        Revoke::Key(key) if count == 0 => return Err(none(&format!("there is no lease on {key}"))),
        Revoke::Id(id) if count == 0 => return Err(none(&format!("there is no lease {:?}", shorten(id)))),
        Revoke::Key(key) => format!("revoked {count} {leases} on {key}"),
        Revoke::Id(id) => format!("revoked the lease {id}"),
    };
    host.output.note(&message);
    Ok(())
}

fn none(message: &str) -> Failure {
    Failure::new(message).hint("run `ringlet lease list`")
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    const SCOPE: &str = "[scope.\"anthropic/work\"]\nlease = \"8h\"\n";

    #[test]
    fn a_lease_is_granted_within_its_scope_listed_and_revoked() {
        let home = Home::new();
        home.write(".config/ringlet/config.toml", SCOPE);
        let granted = home.run(&["--json", "lease", "grant", "anthropic/work", "--for", "30m"]).json();
        assert_eq!(granted["key"], "anthropic/work");
        assert_eq!(home.run(&["--json", "lease", "list"]).json().as_array().map(Vec::len), Some(1));
        home.run(&["lease", "revoke", "anthropic/work"]).succeeds();
        assert_eq!(home.run(&["--json", "lease", "list"]).json(), serde_json::json!([]));
    }

    #[test]
    fn no_scope_too_long_a_time_and_another_agent_are_refused() {
        let home = Home::new();
        home.run(&["lease", "grant", "anthropic/work"]).is_refused(1, "lease");
        home.write(".config/ringlet/config.toml", &format!("{SCOPE}agents = [\"claude\"]\n"));
        home.run(&["lease", "grant", "anthropic/work", "--for", "9h"]).is_refused(2, "lasts from 1s to 8h");
        home.run(&["lease", "grant", "anthropic/work", "--agent", "codex"]).is_refused(1, "not kept for codex");
    }
}
