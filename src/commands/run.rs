//! `ringlet run`: starts a command that is no agent with secrets from the store.

use super::question::is_yes;
use super::{AuditWanted, Session, exec};
use crate::failure::Failure;
use crate::host::{Host, World};
use crate::launch::{self, LaunchError};
use crate::name::{KeyName, Profile, Tool, Variable};
use crate::plan::{RunPlan, RunRequest};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// What the command line names.
pub(super) struct Asked<'a> {
    pub(super) profile: Option<&'a str>,
    pub(super) secrets: &'a [String],
    pub(super) tool: Option<&'a str>,
    pub(super) words: &'a [OsString],
}

/// `ringlet run [--profile NAME] [--secret VARIABLE=PROVIDER/ALIAS]... [--] COMMAND [ARGS]`, `ringlet run --tool NAME`
pub(super) fn run(host: &mut Host, audit: AuditWanted, asked: &Asked<'_>) -> Result<i32, Failure> {
    let profile: Option<Profile> = asked.profile.map(str::parse).transpose()?;
    let tool: Option<Tool> = asked.tool.map(str::parse).transpose()?;
    let secrets = asked.secrets.iter().map(|text| secret(text)).collect::<Result<BTreeMap<_, _>, _>>()?;
    let session = Session::new(&host.world, audit)?;
    let context = session.context(&host.world)?;
    let request = RunRequest {
        profile: profile.as_ref(),
        secrets: &secrets,
        tool: tool.as_ref(),
        words: asked.words,
        is_below: host.world.is_below,
    };
    let world = &host.world;
    let confirm = |plan: &RunPlan| if secrets.is_empty() { Ok(()) } else { confirm(world, plan, &secrets) };
    let done = exec::with_io(&session, world, &mut host.output, |io| launch::run(&context, &request, &confirm, io));
    Ok(done?)
}

// Reads `VARIABLE=PROVIDER/ALIAS`.
fn secret(text: &str) -> Result<(Variable, KeyName), Failure> {
    let form = || Failure::usage("a secret is VARIABLE=PROVIDER/ALIAS").hint("such as GITHUB_TOKEN=github/work");
    let (name, key) = text.split_once('=').ok_or_else(form)?;
    let name: Variable = name.parse()?;
    if !name.may_hold_a_secret() {
        return Err(Failure::usage(format!("{name} holds no secret: programs and Ringlet read it otherwise")));
    }
    Ok((name, key.parse()?))
}

// A program that runs as the user could name any key. Only a person answers on the terminal.
fn confirm(world: &World, plan: &RunPlan, named: &BTreeMap<Variable, KeyName>) -> Result<(), LaunchError> {
    let keys: Vec<String> = named.iter().map(|(name, key)| format!("{key} as {name}")).collect();
    let command = plan.start.binary.display();
    let question = format!("ringlet: give {} to {command}? [y/N] ", keys.join(", "));
    match world.console.ask(&question) {
        Some(answer) if is_yes(&answer) => Ok(()),
        Some(_) => Err(LaunchError::Declined),
        None => Err(LaunchError::NoTerminal),
    }
}
