//! `ringlet agents`: prints the agents that Ringlet knows, and which are installed, bound and pinned.

use super::Session;
use crate::cli::Agents;
use crate::failure::Failure;
use crate::host::Host;
use crate::name::{Agent, Profile};
use crate::output::Style;
use crate::pins::{self, Pin, Pins};
use crate::plan;
use crate::platform;
use crate::profile::Profiles;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// `ringlet agents list|pin`
pub(super) fn run(host: &mut Host, session: &Session, command: Agents) -> Result<(), Failure> {
    match command {
        Agents::List => list(host, session),
        Agents::Pin { agent, remove: false } => pin(host, session, &agent.parse()?),
        Agents::Pin { agent, remove: true } => unpin(host, session, &agent.parse()?),
    }
}

fn pin(host: &mut Host, session: &Session, agent: &Agent) -> Result<(), Failure> {
    session.registry.agent(agent)?;
    let context = session.context(&host.world)?;
    // Finds the program that a launch would start, under the same conditions.
    let program = plan::find_binary(&context, &session.registry.agents_for(agent.as_str())?.command)?;
    plan::guard_binary(&context, &plan::ProjectFolders::new(&context)?, &program)?;
    let measured = pins::measure(&session.paths, &program).map_err(|error| Failure::io("read", &program, &error))?;
    let made = Pin { agent: agent.clone(), program, digest: measured.digest, pinned: host.world.now };
    Pins::new(&session.paths).write(&made)?;
    if host.output.wants_json() {
        host.output.json(&as_json(&made));
    } else {
        host.output.data(&format!("{}  {}", made.digest, made.program.display()));
        host.output.note(format!("pinned {agent}"));
    }
    if is_script(&made.program) {
        host.output
            .warn(format!("{agent} is a script: the pin covers this file, and neither what runs it nor what it loads"));
    }
    Ok(())
}

fn is_script(program: &Path) -> bool {
    let mut head = Vec::new();
    let opened = platform::open_file(program).map(|opened| opened.file.take(2));
    opened.is_ok_and(|mut file| file.read_to_end(&mut head).is_ok()) && head == b"#!"
}

fn unpin(host: &mut Host, session: &Session, agent: &Agent) -> Result<(), Failure> {
    // The name is not looked up in the registry, since a pin may outlive the agent's definition.
    if !Pins::new(&session.paths).remove(agent)? {
        return Err(Failure::new(format!("{agent} is not pinned")).hint("run `ringlet agents list`"));
    }
    host.output.note(format!("{agent} is not pinned any more"));
    Ok(())
}

fn as_json(pin: &Pin) -> serde_json::Value {
    json!({
        "agent": pin.agent, "program": pin.program.to_string_lossy(), "sha256": pin.digest.to_string(),
        "pinned": pin.pinned.to_string(),
    })
}

// Says whether a pinned program has changed.
fn state(session: &Session, pin: &Pin, found: Option<&Path>) -> &'static str {
    match found.map(|program| pins::measure(&session.paths, program)) {
        None => "missing",
        Some(Err(_)) => "unreadable",
        Some(Ok(measured)) if measured.digest == pin.digest => "as pinned",
        Some(Ok(_)) => "changed",
    }
}

fn list(host: &mut Host, session: &Session) -> Result<(), Failure> {
    let context = session.context(&host.world)?;
    let profiles = Profiles::new(&session.paths, &session.registry);
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
    let (pinned, doubtful) = Pins::new(&session.paths).list()?;
    broken.extend(doubtful.iter().map(ToString::to_string));
    let mut rows = Vec::new();
    for (agent, commands) in session.registry.commands()? {
        let spec = session.registry.agent(&agent)?;
        let found = commands.iter().find_map(|command| plan::find_binary(&context, command).ok());
        let pin = pinned.iter().find(|pin| pin.agent == agent).map(|pin| (pin, state(session, pin, found.as_deref())));
        rows.push((spec, commands, found, bound.remove(&agent).unwrap_or_default(), pin));
    }
    // What is installed first: of the others there are many.
    rows.sort_by_key(|(_, _, found, ..)| found.is_none());
    let output = &mut host.output;
    broken.iter().for_each(|error| output.warn(error));
    if output.wants_json() {
        let rows: Vec<_> = rows
            .iter()
            .map(|(spec, commands, found, profiles, pin)| {
                let pin = pin.map(|(pin, state)| {
                    let mut made = as_json(pin);
                    made["state"] = state.into();
                    made
                });
                json!({
                    "name": spec.name, "title": spec.title, "commands": commands, "package": spec.package,
                    "provider": spec.provider, "accounts": spec.kinds(),
                    "binary": found.as_ref().map(|path| path.to_string_lossy()),
                    "profiles": profiles, "pin": pin,
                })
            })
            .collect();
        output.json(&rows);
        return Ok(());
    }
    let head = ["AGENT", "COMMAND", "BINARY", "PROFILES", "ACCOUNTS", "PIN"]
        .map(|cell| (Style::Dim, cell.to_owned()))
        .to_vec();
    let body = rows.iter().map(|(spec, commands, found, profiles, pin)| {
        let names: Vec<&str> = profiles.iter().map(Profile::as_str).collect();
        vec![
            (if found.is_some() { Style::Bold } else { Style::Plain }, spec.name.to_string()),
            (Style::Plain, commands.first().cloned().unwrap_or_default()),
            (Style::Plain, found.as_ref().map_or_else(|| "-".to_owned(), |path| session.paths.pretty(path))),
            (Style::Plain, if names.is_empty() { "-".to_owned() } else { names.join(", ") }),
            (Style::Plain, spec.kinds().join(",")),
            (
                if pin.is_none_or(|(_, state)| state == "as pinned") { Style::Plain } else { Style::Bad },
                pin.map_or("-", |(_, state)| state).to_owned(),
            ),
        ]
    });
    output.table(&std::iter::once(head).chain(body).collect::<Vec<_>>());
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    #[test]
    fn the_built_in_agents_are_listed() {
        let home = Home::new();
        assert!(home.run(&["agents", "list"]).succeeds().out.contains("claude"));
        let rows = home.run(&["--json", "agents", "list"]).json();
        assert!(rows.as_array().expect("a list").iter().any(|row| row["name"] == "claude"), "{rows}");
    }

    #[test]
    fn a_program_is_pinned_where_there_is_one_and_forgotten_again() {
        let mut home = Home::new();
        home.run(&["agents", "pin", "nobody"]).is_refused(1, "nobody");
        home.run(&["agents", "pin", "claude"]).is_refused(127, "claude");
        home.program("claude");
        home.run(&["agents", "pin", "claude"]).succeeds();
        home.run(&["agents", "pin", "claude", "--remove"]).succeeds();
    }
}
