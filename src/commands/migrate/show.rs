//! Prints a plan: a masked diff, conflicts side by side, and what is only reported; or JSON.

use crate::commands::Session;
use crate::hint::Hint;
use crate::host::Host;
use crate::migrate::aftermath::is_direnvs;
use crate::migrate::examine::Action;
use crate::migrate::plan::{Placed, Plan, PlannedFile};
use crate::migrate::vocabulary::Vocabulary;
use crate::output::Style;
use crate::words;
use serde_json::json;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;

/// Shows a plan.
pub(super) fn plan(host: &mut Host, session: &Session, plan: &Plan) {
    if host.output.wants_json() {
        let rows: Vec<_> =
            plan.files.iter().flat_map(|file| file.findings.iter().map(|placed| row(file, placed))).collect();
        let accounts: Vec<_> = plan
            .accounts
            .iter()
            .map(|own| {
                json!({
                    "agents": own.account.agents, "from": own.account.from, "profile": own.profile,
                    "key": own.key, "endpoint": own.account.endpoint, "default": own.account.is_default(),
                })
            })
            .collect();
        let withheld: Vec<_> = plan
            .withheld
            .iter()
            .map(|(withheld, at)| {
                let file = at.as_ref().map(|(file, _)| file.to_string_lossy());
                let line = at.as_ref().map(|(_, line)| line);
                json!({ "agent": withheld.agent, "reason": withheld.why, "file": file, "line": line })
            })
            .collect();
        host.output.json(&json!({ "found": rows, "accounts": accounts, "without_default": withheld }));
        return;
    }
    let secrets = plan.secrets();
    let output = &mut host.output;
    for file in plan.files.iter().filter(|file| file.is_edited()) {
        let path = session.paths.pretty(&file.path);
        let link = if file.path == file.target {
            String::new()
        } else {
            format!(" -> {}", session.paths.pretty(&file.target))
        };
        output.line(&[(Style::Bold, &path), (Style::Dim, &link)]);
        if is_direnvs(file) {
            output.line(&[(Style::Warn, "direnv will want to be told `direnv allow` again")]);
        }
        for (line, old, new) in file.hunks(&secrets) {
            output.line(&[(Style::Dim, &format!("@@ line {line} @@"))]);
            old.lines().for_each(|text| output.line(&[(Style::Bad, &format!("-{text}"))]));
            new.lines().for_each(|text| output.line(&[(Style::Good, &format!("+{text}"))]));
        }
        for placed in &file.findings {
            let Ok(name) = &placed.name else { continue };
            let variable = placed.finding.variable.as_deref().unwrap_or("a key");
            output.line(&[
                (Style::Dim, &format!("  line {}: ", placed.finding.line)),
                (Style::Plain, variable),
                (Style::Dim, " becomes "),
                (Style::Good, &name.to_string()),
            ]);
        }
    }
    for (provider, rows) in plan.conflicts() {
        output.line(&[(Style::Warn, &format!("{provider} has {} different keys:", rows.len()))]);
        let cells = rows.into_iter().map(|(name, mask, places)| {
            vec![(Style::Plain, format!("  {name}")), (Style::Plain, mask), (Style::Dim, places.join(", "))]
        });
        output.table(&cells.collect::<Vec<_>>());
    }
    let left = plan.files.iter().flat_map(|file| file.findings.iter().map(move |placed| (file, placed)));
    let left = left.filter_map(|(file, placed)| Some((file, &placed.finding, placed.name.as_ref().err()?)));
    let left: Vec<_> = left.collect();
    if !left.is_empty() {
        output.line(&[(Style::Warn, "found and left in place:")]);
        let mut remedies: Vec<(&str, &str)> =
            left.iter().filter_map(|(.., reason)| Some((reason.as_str(), reason.remedy()?))).collect();
        remedies.sort_unstable();
        remedies.dedup();
        let own: BTreeSet<(String, &str)> =
            left.iter().filter_map(|(file, ..)| Some((session.paths.pretty(&file.path), file.remedy?))).collect();
        let cells = left.into_iter().map(|(file, finding, reason)| {
            vec![
                (Style::Plain, format!("  {}:{}", session.paths.pretty(&file.path), finding.line)),
                (Style::Plain, finding.variable.clone().unwrap_or_else(|| "a key".into())),
                (Style::Plain, finding.provider.to_string()),
                (Style::Dim, format!("{}: {}", reason.as_str(), reason.why())),
            ]
        });
        output.table(&cells.collect::<Vec<_>>());
        output.line(&[(Style::Bold, "what to do about them:")]);
        let keychain = "a key is stored with `ringlet keychain set PROVIDER ALIAS`";
        output.line(&[(Style::Plain, &format!("  {keychain}"))]);
        let rows = remedies.into_iter().map(|(reason, what)| (reason.to_owned(), what));
        let cells = rows
            .chain(own)
            .map(|(what, remedy)| vec![(Style::Plain, format!("  {what}")), (Style::Plain, remedy.to_owned())]);
        output.table(&cells.collect::<Vec<_>>());
    }
    accounts(host, session, plan);
}

// Shows what every agent had and gets: the last thing before the question.
fn accounts(host: &mut Host, session: &Session, plan: &Plan) {
    let output = &mut host.output;
    if plan.accounts.is_empty() && plan.withheld.is_empty() {
        return;
    }
    output.line(&[(Style::Bold, "accounts:")]);
    let mut cells = Vec::new();
    for own in &plan.accounts {
        let default = if own.account.is_default() { ", the default" } else { "" };
        let endpoint = own.account.endpoint.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
        for agent in &own.account.agents {
            cells.push(vec![
                (Style::Plain, format!("  {agent}")),
                (Style::Dim, format!("from {}", own.account.from)),
                (Style::Good, format!("profile \"{}\"{default}: {}{endpoint}", own.profile, own.key)),
            ]);
        }
    }
    for (withheld, at) in &plan.withheld {
        let place = at.as_ref().map(|(file, line)| format!(" ({}:{line})", session.paths.pretty(file)));
        let why = format!("no default profile, since {}{}", withheld.why, place.unwrap_or_default());
        cells.push(vec![
            (Style::Plain, format!("  {}", withheld.agent)),
            (Style::Dim, String::new()),
            (Style::Warn, why),
        ]);
    }
    output.table(&cells);
}

/// Names the keys in the environment of this very process that no file gives.
pub(super) fn unplaced(host: &mut Host, plan: &Plan, vocabulary: &Vocabulary) {
    let found: HashSet<&[u8]> =
        plan.files.iter().flat_map(|file| &file.findings).map(|placed| placed.finding.value.as_slice()).collect();
    let is_missing = |(name, value): &&(OsString, OsString)| {
        let value = value.as_encoded_bytes();
        name.to_str().is_some_and(|name| vocabulary.is_key(name, value)) && !found.contains(value)
    };
    let mut names: Vec<String> =
        host.world.env.pairs().iter().filter(is_missing).map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    names.sort();
    for name in names {
        host.output.warn(format!(
            "{name} is set in this shell, and no file that was looked through gives it: look into what starts your \
            session, a password manager's or direnv's files, and run `ringlet migrate FILE`"
        ));
    }
}

/// Prints the commands that make a profile where the run makes none.
pub(super) fn commands(host: &mut Host, session: &Session, plan: &Plan) {
    for (withheld, _) in &plan.withheld {
        let spec = withheld.agent.parse().ok().and_then(|agent| session.registry.agent(&agent).ok());
        let Some(provider) = withheld.provider.clone().or_else(|| spec.map(|spec| spec.provider.to_string())) else {
            continue;
        };
        let own = plan.keys.iter().filter(|key| key.name.provider.as_str() == provider);
        let alias = own.map(|key| key.name.alias.to_string()).min_by_key(|alias| alias != "default");
        let alias = alias.unwrap_or_else(|| "default".to_owned());
        let mut command = words![
            "ringlet",
            "profiles",
            "create",
            "NAME",
            "--agent",
            &withheld.agent,
            "--provider",
            &provider,
            "--key-alias",
            &alias
        ]
        .to_vec();
        if let Some(endpoint) = &withheld.endpoint {
            command.extend(words!["--endpoint", endpoint]);
        }
        let said = Hint::from(format!(
            "{} gets no default profile, since {}; to make a profile for it run ",
            withheld.agent, withheld.why
        ));
        host.output.note(said.command(command));
    }
}

fn row(file: &PlannedFile, placed: &Placed) -> serde_json::Value {
    let finding = &placed.finding;
    let form = match finding.action {
        Action::Moved(form) if placed.name.is_ok() => Some(form.as_str()),
        Action::Moved(_) | Action::Reported(_) => None,
    };
    json!({
        "file": file.path.to_string_lossy(),
        "line": finding.line,
        "variable": finding.variable,
        "provider": finding.provider,
        "alias": placed.name.as_ref().ok().map(|name| &name.alias),
        "action": if placed.name.is_ok() { "moved" } else { "reported" },
        "form": form,
        "reason": placed.name.as_ref().err().map(|reason| reason.as_str()),
        "why": placed.name.as_ref().err().map(|reason| reason.why()),
        "remedy": file.remedy.or_else(|| placed.name.as_ref().err().and_then(|reason| reason.remedy())),
    })
}
