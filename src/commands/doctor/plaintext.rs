//! Keys outside the store: in files, in this shell, and in what killed processes left.

use crate::commands::check::Checks;
use crate::commands::migrate::machine::{know_moved, machine};
use crate::commands::migrate::show;
use crate::commands::{Session, strays};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::migrate;
use crate::migrate::accounts::Machine;
use crate::migrate::journal::Journal;
use crate::migrate::plan::Plan;
use crate::migrate::vocabulary::Vocabulary;
use crate::words;

pub(super) fn check(host: &Host, session: &Session, checks: &mut Checks) -> Result<(), Failure> {
    files(host, session, checks);
    for name in leftovers(host, session)? {
        let hint = Hint::from("take it out of your rc file and run ").command(["unset", &name]);
        checks.bad(format!("{name} is set in this shell, where every program can read it"), hint);
    }
    // The next change in the same folder removes them.
    for file in strays::find(session) {
        let text = format!("{} was left by a change that was killed, and may hold keys", session.paths.pretty(&file));
        checks.note(text, Hint::run(words!["rm", file]));
    }
    for unread in Journal::all(&session.paths).map(|all| all.unread).unwrap_or_default() {
        let text = format!("{} {}", session.paths.pretty(&unread.file), unread.why);
        checks.bad(text, Hint::from("what that run did stays; ").command(words!["rm", unread.file]).and(" forgets it"));
    }
    if migrate::recover::is_due(&session.paths) {
        let hint = Hint::run(["ringlet", "migrate"]).and(", which clears up, or ");
        checks.bad(
            "a run of `ringlet migrate` was killed, and may have moved half of an account",
            hint.command(["ringlet", "migrate", "undo"]),
        );
    }
    Ok(())
}

// Reports keys in the files that shells and agents read, and the agents that a run would leave without a default
// account. Nothing is moved.
fn files(host: &Host, session: &Session, checks: &mut Checks) {
    let rehearsal = || Hint::run(["ringlet", "migrate", "--dry-run"]);
    // A definition that does not parse is named by the check of the registry.
    let mut machine = machine(host, session).unwrap_or_else(|_| Machine::empty(Vocabulary::built_in()));
    if let Some(why) = know_moved(host, session, &mut machine) {
        checks.note(why, Hint::run(["ringlet", "keychain", "unlock"]));
    }
    let plan = Plan::of(&migrate::files::find(&session.paths, &host.world.env), &[], &machine);
    for file in &plan.files {
        for placed in &file.findings {
            let finding = &placed.finding;
            let place = format!("{}:{}", session.paths.pretty(&file.path), finding.line);
            let text = format!("{place} has {} ({}) in plaintext", show::variable(finding), finding.provider);
            let remedy = placed.name.as_ref().err().map(|reason| (reason.why(), file.remedy.or(reason.remedy())));
            match remedy {
                None => checks.bad(text, rehearsal().and(" to see what becomes of it")),
                // Another tool's credential.
                Some((why, None)) => checks.note(format!("{text}; it {why}"), rehearsal().and(" to see why")),
                Some((why, Some(remedy))) => checks.bad(
                    format!("{text}; it {why}"),
                    Hint::from(remedy).and("; ").command(words!["ringlet", "migrate", "--dry-run"]).and(" looks again"),
                ),
            }
        }
    }
    for trouble in &plan.troubles {
        let text = format!("{}: {}", session.paths.pretty(&trouble.path), trouble.why);
        checks.bad(text, rehearsal().and(" once it is mended"));
    }
    for (withheld, _) in &plan.withheld {
        let text = format!("`ringlet migrate` makes no default profile for {}, since {}", withheld.agent, withheld.why);
        checks.note(text, show::hint(session, &plan, withheld).unwrap_or_else(rehearsal));
    }
}

// Returns the variables of known providers that are set. Their values are not looked at.
fn leftovers(host: &Host, session: &Session) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for name in session.registry.provider_names()? {
        let spec = session.registry.provider_with_pattern(&name.parse()?)?;
        let set = std::iter::once(&spec.variable).chain(&spec.also);
        found.extend(set.filter(|name| host.world.env.non_empty(name.as_str()).is_some()).map(ToString::to_string));
    }
    found.sort();
    found.dedup();
    Ok(found)
}
