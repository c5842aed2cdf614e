//! A plan as JSON: all that is shown to a person.

use super::{Planning, show};
use crate::commands::Session;
use crate::host::Host;
use crate::migrate::examine::Action;
use crate::migrate::plan::{Placed, Plan, PlannedFile};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Prints a plan.
pub(super) fn plan(host: &mut Host, session: &Session, planning: &Planning<'_, '_>, plan: &Plan) {
    let found = plan.files.iter().flat_map(|file| file.findings.iter().map(|placed| row(file, placed)));
    let accounts = plan.accounts.iter().map(|own| {
        json!({
            "agents": own.account.agents, "from": own.account.from, "profile": own.profile,
            "key": own.key, "also": own.also.iter().cloned().collect::<BTreeMap<_, _>>(),
            "endpoint": own.account.endpoint, "default": own.account.is_default(),
        })
    });
    let withheld = plan.withheld.iter().map(|(withheld, at)| {
        let commands = show::remedy(session, plan, withheld);
        let words = |command: &Vec<OsString>| -> Vec<String> {
            command.iter().map(|word| word.to_string_lossy().into_owned()).collect()
        };
        let commands = commands.iter().map(words).collect::<Vec<_>>();
        json!({
            "agent": withheld.agent, "reason": withheld.why, "provider": withheld.provider,
            "endpoint": withheld.endpoint, "profile": withheld.profile, "commands": commands,
            "file": at.as_ref().map(|(file, _)| file.to_string_lossy()), "line": at.as_ref().map(|(_, line)| line),
        })
    });
    let keys = plan.keys.iter().map(|key| {
        let why = plan.preferred.get(&key.name.provider).filter(|(name, _)| *name == key.name);
        json!({
            "key": key.name, "variables": key.variables, "stored": key.there, "commented": key.commented,
            "default_because": why.map(|(_, why)| show::preference(*why)),
        })
    });
    let troubles = plan.troubles.iter().map(|own| json!({ "file": own.path.to_string_lossy(), "why": own.why }));
    let past_hook = plan
        .past_hook
        .iter()
        .map(|(file, line, agent)| json!({ "file": file.to_string_lossy(), "line": line, "agent": agent }));
    let older = planning.reading.older().map(|(folder, why)| json!({ "folder": folder.to_string_lossy(), "why": why }));
    let looked = planning
        .reading
        .looked()
        .map(|(path, is_edited)| json!({ "file": path.to_string_lossy(), "reported_only": !is_edited }));
    let looked = host.output.is_verbose().then(|| looked.collect::<Vec<_>>());
    let all = json!({
        "found": found.collect::<Vec<_>>(),
        "keys": keys.collect::<Vec<_>>(),
        "accounts": accounts.collect::<Vec<_>>(),
        "without_default": withheld.collect::<Vec<_>>(),
        "past_hook": past_hook.collect::<Vec<_>>(),
        "environment": show::unplaced(host, plan, &planning.machine.vocabulary),
        "troubles": troubles.collect::<Vec<_>>(),
        "older_records": older.collect::<Vec<_>>(),
        "looked_through": planning.reading.looked().count(),
        "files": looked,
    });
    host.output.json(&all);
}

fn row(file: &PlannedFile, placed: &Placed) -> Value {
    let finding = &placed.finding;
    let form = match finding.action {
        Action::Moved(form) if placed.name.is_ok() => Some(form.as_str()),
        Action::Moved(_) | Action::Reported(_) => None,
    };
    let reason = placed.name.as_ref().err();
    json!({
        "file": file.path.to_string_lossy(),
        "line": finding.line,
        "variable": finding.variable,
        "provider": finding.provider,
        "alias": placed.name.as_ref().ok().map(|name| &name.alias),
        "action": if placed.name.is_ok() { "moved" } else { "reported" },
        "form": form,
        "reason": reason.map(|reason| reason.as_str()),
        "why": reason.map(|reason| placed.note.as_deref().unwrap_or_else(|| reason.why())),
        "remedy": file.remedy.or_else(|| reason.and_then(|reason| reason.remedy())),
    })
}
