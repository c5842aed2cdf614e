//! The agents: which are on PATH, in which version, and whether this shell starts them through Ringlet.

use crate::commands::Session;
use crate::commands::check::{Checks, Grade};
use crate::commands::reach::Reach;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::plan;
use crate::words;

pub(super) fn check(host: &Host, session: &Session, checks: &mut Checks) -> Result<(), Failure> {
    let wrapped = crate::hook::commands(&session.paths, &session.settings, &session.registry, &host.world.env)?;
    let Ok(context) = session.context(&host.world) else { return Ok(()) };
    let mut found = Vec::new();
    for (name, commands) in session.registry.commands()? {
        let there = commands.iter().find_map(|command| Some((command, plan::find_binary(&context, command).ok()?)));
        let Some((command, binary)) = there else { continue };
        let spec = session.registry.agent(&name)?;
        let version = plan::version_text(&spec, command, &binary).map(|text| format!(" {text}")).unwrap_or_default();
        found.push(format!("{command}{version}"));
    }
    match found.as_slice() {
        [] => checks.note(
            "no agent is on PATH",
            Hint::from("").command(["ringlet", "agents", "list"]).and(" shows those that ringlet knows"),
        ),
        _ => checks.good(format!("on PATH: {}", found.join(", "))),
    }
    for error in wrapped.iter().filter_map(|command| plan::find_binary(&context, command).err()) {
        let Failure { message, hints, .. } = error.into();
        let hint = hints.into_iter().next().map_or_else(|| Hint::from(""), |hint| hint.and("; "));
        checks.note(message, hint.command(["ringlet", "agents", "list"]).and(" names its package"));
    }
    let mut unseen = None;
    for command in &wrapped {
        let reach = Reach::of(&context, host.world.shell.as_ref(), command);
        let (is, hint) = reach.describe(command);
        let status = words!["ringlet", "status", command];
        let hint = Hint::from(hint.unwrap_or_default()).and("; then ").command(status);
        match reach {
            Reach::Function | Reach::Link => {}
            // This is reported once, and not for each name.
            Reach::Unseen => unseen = Some((Grade::Note, is, Some(hint))),
            _ => checks.bad(format!("in this shell {is}"), hint),
        }
    }
    checks.extend(unseen);
    Ok(())
}
