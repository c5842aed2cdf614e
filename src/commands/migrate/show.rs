//! Prints a plan: a masked diff, different keys side by side, what stays and why, and every agent's account before and
//! after. `json` prints the same for programs.

use super::{Planning, machine};
use crate::commands::Session;
use crate::hint::Hint;
use crate::host::Host;
use crate::migrate::accounts::{Preference, Withheld};
use crate::migrate::aftermath::is_direnvs;
use crate::migrate::examine::Finding;
use crate::migrate::keyset::{self, KeySet};
use crate::migrate::plan::{Hunk, Placed, Plan, PlannedAccount, PlannedFile};
use crate::migrate::vocabulary::Vocabulary;
use crate::name::KeyName;
use crate::output::{Output, Style};
use crate::profile::Profiles;
use crate::words;
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;

/// Shows a plan.
pub(super) fn plan(output: &mut Output, session: &Session, plan: &Plan) {
    let secrets = plan.secrets();
    plan.files.iter().filter(|file| file.is_edited()).for_each(|own| file(output, session, own, &secrets));
    conflicts(output, session, plan);
    stays(output, session, plan);
    accounts(output, session, plan);
    let past_hook = past_hook(session, plan);
    let said = commands(session, plan);
    let lines: Vec<String> = past_hook.iter().chain(&said).map(|said| output.written(said)).collect();
    lines.iter().for_each(|line| output.line(&[(Style::Dim, &format!("  {line}"))]));
}

fn file(output: &mut Output, session: &Session, file: &PlannedFile, secrets: &KeySet<'_>) {
    let path = session.paths.pretty(&file.path);
    let link =
        if file.path == file.target { String::new() } else { format!(" -> {}", session.paths.pretty(&file.target)) };
    output.line(&[(Style::Bold, &path), (Style::Dim, &link)]);
    if is_direnvs(file) {
        output.line(&[(Style::Warn, "direnv will want to be told `direnv allow` again")]);
    }
    file.hunks(secrets).iter().for_each(|own| hunk(output, own));
    for placed in &file.findings {
        let Ok(name) = &placed.name else { continue };
        output.line(&[
            (Style::Dim, &format!("  line {}: ", placed.finding.line)),
            (Style::Plain, variable(&placed.finding)),
            (Style::Dim, " becomes "),
            (Style::Good, &name.to_string()),
            (Style::Dim, &kept(session, name)),
        ]);
    }
}

// Where the settings have a key that is not in the usual store.
fn kept(session: &Session, key: &KeyName) -> String {
    let rule = session.settings.stores.rule(key);
    rule.map_or_else(String::new, |rule| format!(" in the store \"{}\"", rule.store.name()))
}

/// Shows lines that change.
pub(super) fn hunk(output: &mut Output, hunk: &Hunk) {
    output.line(&[(Style::Dim, &format!("@@ line {} @@", hunk.line))]);
    hunk.old.lines().for_each(|text| output.line(&[(Style::Bad, &format!("-{text}"))]));
    hunk.new.lines().for_each(|text| output.line(&[(Style::Good, &format!("+{text}"))]));
}

/// The variable that a key is set to, in words.
pub(in crate::commands) fn variable(finding: &Finding) -> &str {
    finding.variable.as_deref().unwrap_or("a key")
}

/// Where each key stands.
pub(super) fn places<'p>(session: &Session, plan: &'p Plan) -> BTreeMap<&'p KeyName, Vec<String>> {
    let mut places: BTreeMap<&KeyName, Vec<String>> = BTreeMap::new();
    for file in &plan.files {
        for placed in &file.findings {
            let Ok(name) = &placed.name else { continue };
            let place = format!("{}:{}", session.paths.pretty(&file.path), placed.finding.line);
            places.entry(name).or_default().push(place);
        }
    }
    places
}

fn conflicts(output: &mut Output, session: &Session, plan: &Plan) {
    let conflicts = plan.conflicts();
    let places = if conflicts.is_empty() { BTreeMap::new() } else { places(session, plan) };
    for (provider, keys) in conflicts {
        output.line(&[(Style::Warn, &format!("{provider} has {} different keys:", keys.len()))]);
        let preferred = plan.preferred.get(&provider);
        let row = |name: &KeyName, value: &[u8]| {
            let why = preferred.filter(|(own, _)| own == name).map_or("", |(_, why)| preference(*why));
            vec![
                (Style::Plain, format!("  {name}")),
                (Style::Plain, keyset::masked(value)),
                (Style::Dim, places.get(name).map_or_else(String::new, |places| places.join(", "))),
                (Style::Dim, why.to_owned()),
            ]
        };
        output.table(&keys.iter().map(|key| row(&key.name, &key.value)).collect::<Vec<_>>());
    }
}

/// Why a key is its provider's default.
pub(super) fn preference(why: Preference) -> &'static str {
    match why {
        Preference::Chosen => "the default, as you chose",
        Preference::Environment => "the default, since it is set in this shell",
        Preference::LoginShell => "the default, since your login shell's files set it last",
        Preference::Last => "the default, since it is set last",
    }
}

fn stays(output: &mut Output, session: &Session, plan: &Plan) {
    let left = plan.files.iter().flat_map(|file| file.findings.iter().map(move |placed| (file, placed)));
    let left = left.filter_map(|(file, placed)| Some((file, placed, *placed.name.as_ref().err()?)));
    let left: Vec<_> = left.collect();
    if left.is_empty() {
        return;
    }
    output.line(&[(Style::Warn, "found and left in place:")]);
    let mut remedies: BTreeMap<String, &str> = BTreeMap::new();
    for (file, _, reason) in &left {
        let own = file.remedy.filter(|_| reason.remedy().is_some());
        let of_reason = reason.remedy().map(|remedy| (format!("a key that {}", reason.why()), remedy));
        remedies.extend(own.map(|remedy| (session.paths.pretty(&file.path), remedy)).or(of_reason));
    }
    let cells = left.into_iter().map(|(file, Placed { finding, note, .. }, reason)| {
        let note = note.as_ref();
        vec![
            (Style::Plain, format!("  {}:{}", session.paths.pretty(&file.path), finding.line)),
            (Style::Plain, variable(finding).to_owned()),
            (Style::Plain, finding.provider.clone()),
            (Style::Dim, format!("{} ({})", note.map_or_else(|| reason.why(), String::as_str), reason.as_str())),
        ]
    });
    output.table(&cells.collect::<Vec<_>>());
    if remedies.is_empty() {
        return;
    }
    output.line(&[(Style::Bold, "what to do about them (`ringlet keychain set PROVIDER ALIAS` stores a key):")]);
    for (what, remedy) in remedies {
        output.line(&[(Style::Plain, &format!("  {what}:"))]);
        output.line(&[(Style::Dim, &format!("    {remedy}"))]);
    }
}

// Shows what every agent had and gets: the last thing before the question.
fn accounts(output: &mut Output, session: &Session, plan: &Plan) {
    if plan.accounts.is_empty() && plan.withheld.is_empty() {
        return;
    }
    let head = |text: &str| (Style::Bold, text.to_owned());
    let mut cells = vec![vec![head("  agent"), head("account before"), head("account after")]];
    for own in &plan.accounts {
        for agent in &own.account.agents {
            cells.push(vec![(Style::Plain, format!("  {agent}")), (Style::Dim, from(own)), (Style::Good, after(own))]);
        }
    }
    for (withheld, at) in &plan.withheld {
        let place = at.as_ref().map(|(file, line)| format!(" ({}:{line})", session.paths.pretty(file)));
        let why = match &withheld.profile {
            Some(profile) => format!("profile \"{profile}\", which has an account for it already"),
            None => format!("none, since {}{}", withheld.why, place.unwrap_or_default()),
        };
        cells.push(vec![
            (Style::Plain, format!("  {}", withheld.agent)),
            (Style::Dim, before(withheld)),
            (Style::Warn, why),
        ]);
    }
    output.table(&cells);
}

/// The account that an agent gets, in words.
pub(super) fn after(own: &PlannedAccount) -> String {
    let default = if own.account.is_default() { ", the default" } else { "" };
    format!("profile \"{}\"{default}: {}", own.profile, key_at(own))
}

// Where the account was found, in words.
fn from(own: &PlannedAccount) -> String {
    let also = own.also.iter().map(|(variable, _)| format!(", {variable}"));
    format!("{}{}", own.account.from, also.collect::<String>())
}

/// An account's key, its endpoint where that is no usual one, and the other keys.
pub(super) fn key_at(own: &PlannedAccount) -> String {
    let endpoint = own.account.endpoint.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
    let also = own.also.iter().map(|(_, key)| format!(", {key}"));
    format!("{}{endpoint}{}", own.key, also.collect::<String>())
}

/// The account of an agent that gets no default, in words.
pub(super) fn before(withheld: &Withheld) -> String {
    match (&withheld.provider, &withheld.endpoint) {
        (Some(provider), Some(endpoint)) => format!("{provider} at {endpoint}"),
        (Some(provider), None) => provider.clone(),
        (None, Some(endpoint)) => endpoint.clone(),
        (None, None) => String::new(),
    }
}

/// The keys in the environment of this very process that no file gives, by their variables.
pub(super) fn unplaced(host: &Host, plan: &Plan, vocabulary: &Vocabulary) -> Vec<String> {
    let found: HashSet<&[u8]> =
        plan.files.iter().flat_map(|file| &file.findings).map(|placed| placed.finding.value.as_slice()).collect();
    let is_missing = |(name, value): &&(OsString, OsString)| {
        let value = value.as_encoded_bytes();
        name.to_str().is_some_and(|name| vocabulary.is_key(name, value)) && !found.contains(value)
    };
    let mut names: Vec<String> =
        host.world.env.pairs().iter().filter(is_missing).map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Says of a run without anything to do what was looked through.
pub(super) fn nothing(host: &mut Host, planning: &Planning<'_, '_>, plan: &Plan) {
    let left = plan.leaves_keys();
    host.output.note(if left { "none of these keys can be moved" } else { "there is no key to move" });
    let (mut edited, mut others) = (0, 0);
    planning.reading.looked().for_each(|(_, is_edited)| *if is_edited { &mut edited } else { &mut others } += 1);
    let all = if host.output.is_verbose() { "" } else { "; -v lists them" };
    host.output.note(format!(
        "looked through {} that shells read, and {} of agents, other programs, histories and backups{all}",
        files(edited),
        files(others)
    ));
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// Names the files that were looked through.
pub(super) fn looked(host: &mut Host, session: &Session, planning: &Planning<'_, '_>) {
    host.output.line(&[(Style::Bold, "looked through:")]);
    for (path, is_edited) in planning.reading.looked() {
        let what = if is_edited { "" } else { "  only looked through" };
        host.output.line(&[(Style::Plain, &format!("  {}", session.paths.pretty(path))), (Style::Dim, what)]);
    }
}

/// Where agents are started past the hook, and what to write there.
pub(super) fn past_hook(session: &Session, plan: &Plan) -> Vec<Hint> {
    let hint = |(file, line, agent): &(PathBuf, usize, String)| {
        let place = format!("{}:{line}", session.paths.pretty(file));
        let said =
            Hint::from(format!("{place} starts {agent} past the shell's hook, without an account: it gets one by "));
        said.command(words!["ringlet", "exec", agent, "--"]).and(" in place of the command there")
    };
    plan.past_hook.iter().map(hint).collect()
}

/// What gives accounts to the agents that get none from the run.
pub(super) fn commands(session: &Session, plan: &Plan) -> Vec<Hint> {
    plan.withheld.iter().filter_map(|(withheld, _)| hint(session, plan, withheld)).collect()
}

/// What gives an agent an account; nothing where the default profile has one.
pub(in crate::commands) fn hint(session: &Session, plan: &Plan, withheld: &Withheld) -> Option<Hint> {
    if withheld.profile.is_some() {
        return None;
    }
    let mut said = Hint::from(format!("{} gets an account by ", withheld.agent));
    let commands = remedy(session, plan, withheld);
    if commands.is_empty() {
        let help = words!["ringlet", "profiles", "create", "--help"];
        let said = said.and("a profile of its own, with the key and the endpoint that stand there, as ");
        return Some(said.command(help).and(" says"));
    }
    for (at, command) in commands.into_iter().enumerate() {
        said = if at > 0 { said.and(", and then ") } else { said };
        said = said.command(command);
    }
    Some(said)
}

/// The commands that make a profile for an agent that gets no default, or start it with one: they store its key where
/// it is not stored yet.
pub(super) fn remedy(session: &Session, plan: &Plan, withheld: &Withheld) -> Vec<Vec<OsString>> {
    if withheld.profile.is_some() {
        return Vec::new();
    }
    let agent = &withheld.agent;
    let Some(provider) = withheld.provider.clone() else { return Vec::new() };
    // One of the run's own profiles has the account, and is not the default.
    let made = plan.accounts.iter().find(|own| {
        let account = &own.account;
        let is_same = (&account.provider, &account.endpoint) == (&provider, &withheld.endpoint);
        is_same && !account.is_default() && account.agents.contains(agent)
    });
    // A key that stays is none of the run's.
    if let Some(made) = made.filter(|_| !withheld.stays) {
        return vec![words!["ringlet", "exec", "--profile", &made.profile, agent].to_vec()];
    }
    let own = plan.keys.iter().filter(|key| key.name.provider.as_str() == provider && !withheld.stays);
    let alias = own.map(|key| key.name.alias.to_string()).min_by_key(|alias| alias != "default");
    let mut commands = Vec::new();
    let alias = alias.unwrap_or_else(|| {
        let alias = free_alias(plan, &provider, agent);
        commands.push(words!["ringlet", "keychain", "set", &provider, &alias].to_vec());
        alias
    });
    // A command that would be refused is no advice.
    let can = machine::bind(session, agent, &provider, &alias, withheld.endpoint.as_deref());
    if can.is_err() {
        return Vec::new();
    }
    let name = free_name(session, plan, &format!("{agent}-{provider}"));
    let mut create = words!["ringlet", "profiles", "create", &name, "--agent", agent, "--provider", &provider].to_vec();
    create.extend(words!["--key-alias", &alias]);
    if let Some(endpoint) = &withheld.endpoint {
        create.extend(words!["--endpoint", endpoint]);
    }
    if let Some(header) = withheld.auth_header {
        create.extend(words!["--auth-header", header]);
    }
    commands.push(create);
    commands
}

// An alias that no other key has, or gets.
fn free_alias(plan: &Plan, provider: &str, agent: &str) -> String {
    let names = plan.stored.iter().chain(plan.keys.iter().map(|key| &key.name));
    let taken: HashSet<&str> =
        names.filter(|name| name.provider.as_str() == provider).map(|name| name.alias.as_str()).collect();
    let numbered = (2..).map(|number| format!("{agent}-{number}"));
    let mut all = ["default".to_owned(), agent.to_owned()].into_iter().chain(numbered);
    all.find(|alias| !taken.contains(alias.as_str())).unwrap_or_default()
}

fn free_name(session: &Session, plan: &Plan, wanted: &str) -> String {
    let known = Profiles::new(&session.paths, &session.registry).names().unwrap_or_default();
    let is_taken = |name: &str| {
        known.iter().any(|own| own.as_str() == name) || plan.accounts.iter().any(|own| own.profile == name)
    };
    let numbered = (2..).map(|number| format!("{wanted}-{number}"));
    std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !is_taken(name)).unwrap_or_default()
}
