//! What follows a run of migrate: a first profile, the hook's line, and what is left to do, the most urgent first.
//!
//! `migrate::aftermath` decides what that is. This file prints it, and asks.

use super::{HookLine, show};
use crate::commands::Session;
use crate::commands::hook::{is_loaded, line_for, start_folders};
use crate::commands::question::is_yes;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::migrate::aftermath::{self, OpenShell};
use crate::migrate::apply::{self, End, Report};
use crate::migrate::files::{self, Found, Role};
use crate::migrate::plan::{Plan, PlannedFile};
use crate::name::Provider;
use crate::platform;
use crate::shell::Shell;
use crate::words;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Creates what is missing and prints what is left to do.
pub(super) fn tell(
    host: &mut Host,
    session: &Session,
    plan: &Plan,
    report: &Report,
    line: HookLine,
) -> Result<(), Failure> {
    let cleaned =
        |file: &&PlannedFile| report.files.iter().any(|(path, end)| *path == file.path && matches!(end, End::Done));
    let files: Vec<&PlannedFile> = plan.files.iter().filter(cleaned).collect();
    if files.is_empty() {
        return Ok(());
    }
    profiles(host, plan);
    show::past_hook(session, plan).into_iter().for_each(|said| host.output.warn(said));
    show::commands(session, plan).into_iter().for_each(|said| host.output.note(said));
    let found = files::find(&session.paths, &host.world.env);
    // What a script sets, no shell has.
    let is_script =
        |file: &&&PlannedFile| found.candidates.iter().any(|own| own.role == Role::Script && own.path == file.path);
    let of_shells: Vec<&PlannedFile> = files.iter().filter(|file| !is_script(file)).copied().collect();
    let shells = OpenShell::of_files(&of_shells, OpenShell::of_user(&host.world.env));
    let folders = start_folders(host, session, &found);
    for shell in &shells {
        match shell {
            OpenShell::Hooked(shell) => {
                hook(host, session, *shell, &folders.hook_file(*shell, &files), &report.run, line);
            }
            other => unhooked(host, *other, plan),
        }
    }
    rotate(host, session, plan, &files);
    unset(host, plan, &shells);
    references(host, session, plan, &found);
    sessions(host, &files);
    blocks(host, session, &files);
    applications(host, session, &files);
    Ok(())
}

// Prints which profiles were made.
fn profiles(host: &mut Host, plan: &Plan) {
    for own in &plan.accounts {
        let (profile, agents) = (&own.profile, own.account.agents.join(", "));
        let keys: Vec<String> = own.keys().map(ToString::to_string).collect();
        let word = if keys.len() == 1 { "key" } else { "keys" };
        host.output.note(format!("profile \"{profile}\" gives {agents} the {word} {}", keys.join(", ")));
    }
    if let Some(default) = plan.accounts.iter().find(|own| own.account.is_default()) {
        host.output.note(format!("\"{}\" is the default profile", default.profile));
    }
}

// Says how agents are started in a shell without a hook.
fn unhooked(host: &mut Host, shell: OpenShell, plan: &Plan) {
    let agents: BTreeSet<&String> = plan.accounts.iter().flat_map(|own| &own.account.agents).collect();
    if let Some(agent) = agents.first() {
        let said = Hint::from(format!("{shell} has no hook: start agents there by "));
        let said = said.command(words!["ringlet", "exec", agent]).and(", or by the links that ");
        host.output.note(said.command(words!["ringlet", "shims", "install"]).and(" makes"));
    }
}

fn hook(host: &mut Host, session: &Session, shell: Shell, file: &Path, run: &str, adds: HookLine) {
    let line = line_for(shell);
    let bytes = platform::read_file(file, 16 << 20).map(|read| read.bytes).unwrap_or_default();
    if is_loaded(shell, &bytes) {
        return;
    }
    let shown = session.paths.pretty(file);
    let question = format!("ringlet: add `{line}` to {shown}? [y]es, [n]o: ");
    if adds == HookLine::Others && OpenShell::of_user(&host.world.env) == OpenShell::Hooked(shell) {
        return;
    }
    let is_wanted = match adds {
        HookLine::Print | HookLine::Others => false,
        HookLine::Ask => host.world.console.ask(&question).is_some_and(|answer| is_yes(&answer)),
    };
    if is_wanted {
        let done = {
            let open = super::opener(host, session, super::prompt(host));
            let locked = apply::lock(&session.paths).map_err(|error| format!("stays as it is: {error}"));
            locked.and_then(|_lock| apply::add_line(&session.paths, &open, run, file, line))
        };
        match done {
            Ok(()) => return host.output.note(format!("added the hook to {shown}; open a new shell")),
            Err(why) => host.output.warn(format!("{shown} {why}")),
        }
    }
    host.output.note(format!("add this line to {shown} if it is not loaded yet: {line}"));
}

fn rotate(host: &mut Host, session: &Session, plan: &Plan, files: &[&PlannedFile]) {
    let exposures = aftermath::exposures(plan, files);
    let mut must: Vec<String> =
        exposures.into_iter().map(|(path, why)| format!("{} {why}", session.paths.pretty(path))).collect();
    let providers: BTreeSet<&Provider> = plan.keys.iter().map(|key| &key.name.provider).collect();
    let mut consoles = Vec::new();
    for provider in providers {
        let console = session.registry.provider(provider).ok().and_then(|spec| spec.console);
        consoles.push(console.map_or_else(|| provider.to_string(), |url| format!("{provider} ({url})")));
    }
    if must.is_empty() {
        host.output
            .note(format!("these keys were readable to every program you ran: rotate them at {}", consoles.join(", ")));
        return;
    }
    must.sort();
    must.dedup();
    host.output.warn(format!("rotate these keys now, at {}:", consoles.join(", ")));
    for why in must {
        host.output.warn(format!("  {why}"));
    }
}

fn unset(host: &mut Host, plan: &Plan, shells: &BTreeSet<OpenShell>) {
    let names: Vec<&str> = aftermath::moved_variables(plan).into_iter().collect();
    if names.is_empty() {
        return;
    }
    for shell in shells {
        let which = if shells.len() > 1 { format!("{shell} shells") } else { "shells".to_owned() };
        host.output.note(format!("in {which} that are open now, run: {}", shell.unset(&names)));
    }
}

// Warns of code that uses a variable which nothing sets any more: it must get its key in another way.
fn references(host: &mut Host, session: &Session, plan: &Plan, found: &Found) {
    let names = aftermath::moved_variables(plan);
    let read = found.candidates.iter().filter(|file| !file.role.is_report_only()).map(|file| &file.path);
    let all: BTreeSet<&PathBuf> =
        read.chain(plan.files.iter().filter(|file| file.is_edited()).map(|file| &file.path)).collect();
    for path in all {
        let Ok(read) = platform::read_file(path, files::MAX_FILE) else { continue };
        let bytes = zeroize::Zeroizing::new(read.bytes);
        for (line, name) in aftermath::uses_of(&bytes, &names) {
            let place = format!("{}:{line}", session.paths.pretty(path));
            host.output.warn(format!("{place} uses {name}, whose key is in the keychain now"));
        }
    }
}

// Prints advice about programs that have the key in memory or allow a file by its content.
fn sessions(host: &mut Host, files: &[&PlannedFile]) {
    aftermath::advice(files).iter().for_each(|advice| host.output.note(advice.hint()));
}

// Says how the application is started from now on that has read its keys from a `.env` file.
fn applications(host: &mut Host, session: &Session, files: &[&PlannedFile]) {
    // One in the home directory itself is read by a shell, if by anything.
    let is_below = |file: &&&PlannedFile| file.path.parent() != Some(&session.paths.home);
    for file in files.iter().filter(|file| aftermath::is_an_applications(file)).filter(is_below) {
        let moved = file.findings.iter().filter(|placed| placed.finding.is_moved());
        let pairs: BTreeSet<String> = moved
            .filter_map(|placed| Some(format!("{}={}", placed.finding.variable.as_ref()?, placed.name.as_ref().ok()?)))
            .collect();
        let mut command = Vec::from(words!["ringlet", "run"]);
        command.extend(pairs.iter().flat_map(|pair| words!["--secret", pair]));
        command.extend(words!["--"]);
        command.extend(aftermath::start_of(file).into_iter().map(Into::into));
        let said = Hint::from(format!("what reads {} is started from now on with ", session.paths.pretty(&file.path)));
        host.output.note(said.command(command).and(", or without a question once a profile has them as `[secrets]`"));
    }
}

// Warns of blocks between a tool's own markers, into which the tool may write the key again.
fn blocks(host: &mut Host, session: &Session, files: &[&PlannedFile]) {
    for (file, tool) in aftermath::blocks(files) {
        let file = session.paths.pretty(file);
        host.output.warn(format!("the block \"{tool}\" in {file} may be written anew with the key by its tool"));
    }
}
