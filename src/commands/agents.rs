//! `ringlet agents list`: what ringlet knows, what is installed, and what is bound.

use super::Setting;
use crate::failure::Failure;
use crate::host::Host;
use crate::name::{Agent, Profile};
use crate::output::Ink;
use crate::plan;
use crate::profile::Profiles;
use serde_json::json;
use std::collections::BTreeMap;

/// `ringlet agents list`
pub(super) fn run(host: &mut Host, setting: &Setting) -> Result<(), Failure> {
    let context = setting.context(&host.world)?;
    let profiles = Profiles::new(&setting.paths, &setting.registry);
    let mut bound: BTreeMap<Agent, Vec<Profile>> = BTreeMap::new();
    let mut broken = Vec::new();
    for name in profiles.names()? {
        match profiles.read(&name) {
            Ok(file) => {
                file.bindings.keys().for_each(|agent| bound.entry(agent.clone()).or_default().push(name.clone()))
            }
            Err(error) => broken.push(error.to_string()),
        }
    }
    let mut rows = Vec::new();
    for (agent, commands) in setting.registry.commands()? {
        let spec = setting.registry.agent(&agent)?;
        let found = commands.iter().find_map(|command| plan::find_binary(&context, command).ok());
        rows.push((spec, commands, found, bound.remove(&agent).unwrap_or_default()));
    }
    let output = &mut host.output;
    broken.iter().for_each(|error| output.warn(error));
    if output.wants_json() {
        let rows: Vec<_> = rows
            .iter()
            .map(|(spec, commands, found, profiles)| {
                json!({
                    "name": spec.name, "title": spec.title, "commands": commands, "package": spec.package,
                    "provider": spec.provider, "binary": found.as_ref().map(|path| path.to_string_lossy()),
                    "profiles": profiles,
                })
            })
            .collect();
        output.json(&rows);
        return Ok(());
    }
    let head = ["AGENT", "COMMAND", "BINARY", "PROFILES"].map(|cell| (Ink::Dim, cell.to_owned())).to_vec();
    let body = rows.iter().map(|(spec, commands, found, profiles)| {
        let names: Vec<&str> = profiles.iter().map(Profile::as_str).collect();
        vec![
            (if found.is_some() { Ink::Bold } else { Ink::Plain }, spec.name.to_string()),
            (Ink::Plain, commands.first().cloned().unwrap_or_default()),
            (Ink::Plain, found.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string())),
            (Ink::Plain, if names.is_empty() { "-".to_owned() } else { names.join(", ") }),
        ]
    });
    output.table(&std::iter::once(head).chain(body).collect::<Vec<_>>());
    Ok(())
}
