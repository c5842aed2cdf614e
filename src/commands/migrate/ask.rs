//! What a person at the terminal is asked: each launcher with its diff, then the plan; and, where the person wants to
//! choose, each file and each key.

use super::{Planning, present, show};
use crate::commands::Session;
use crate::commands::question::{self, letter};
use crate::failure::Failure;
use crate::host::Host;
use crate::migrate::keyset;
use crate::migrate::plan::Plan;
use crate::name::{Alias, KeyName};
use crate::output::Style;

const MOVE: &[(&str, &str)] = &[
    ("y", "move the keys as the plan shows it"),
    ("n", "change nothing"),
    ("c", "choose files, the default key, names of keys, and keys that stay; then the plan is shown again"),
];

const LAUNCHER: &[(&str, &str)] = &[
    ("y", "make the profile, and start the agent with it"),
    ("n", "leave the launcher and its key as they are; no default profile is made for its agent then"),
    ("a", "the same for all launchers that follow"),
];

const ENTRY: &[(&str, &str)] = &[
    ("y", "take the key out of the agent's file, and make a profile that gives it to the agent"),
    ("n", "leave it where it is"),
];

const FILE: &[(&str, &str)] = &[("y", "change this file"), ("n", "leave it, and whatever belongs to an account in it")];

const KEY: &[(&str, &str)] = &[
    ("k", "keep the name that is shown; the empty answer does the same"),
    ("d", "make it the default key of its provider"),
    ("n", "give it another name"),
    ("s", "leave it where it is"),
];

/// Lets the person decide about a plan, and makes it anew where the person wants another. Reports whether to carry it
/// out.
pub(super) fn decide(
    host: &mut Host,
    session: &Session,
    planning: &mut Planning<'_, '_>,
    plan: &mut Plan,
) -> Result<bool, Failure> {
    let one_question = host.output.wants_json() || !host.world.console.is_interactive();
    if offers(host, plan) && entries(host, session, planning, plan)? {
        *plan = planning.plan(host, session)?;
    }
    if !one_question && launchers(host, session, planning, plan)? {
        *plan = planning.plan(host, session)?;
    }
    loop {
        present(host, session, planning, plan);
        if !plan.moves() {
            return Ok(true);
        }
        let (question, letters) = match one_question {
            true => ("move these keys? [y]es, [n]o, [?]", &MOVE[..2]),
            false => ("move these keys? [y]es, [n]o, [c]hoose, [?]", MOVE),
        };
        match letter(&ask(host, question, letters)?) {
            'y' => return Ok(true),
            'c' if !one_question => choose(host, session, planning, plan)?,
            _ => return Ok(false),
        }
        *plan = planning.plan(host, session)?;
    }
}

/// Whether the person is asked about keys in agents' own stores.
pub(super) fn offers(host: &Host, plan: &Plan) -> bool {
    !plan.offers.is_empty() && !host.output.wants_json() && host.world.console.is_interactive()
}

// Asks about each key in an agent's own store by itself. Reports whether one moves.
fn entries(host: &mut Host, session: &Session, planning: &mut Planning<'_, '_>, plan: &Plan) -> Result<bool, Failure> {
    for offer in &plan.offers {
        host.output.line(&[(Style::Bold, &session.paths.pretty(&offer.path))]);
        show::hunk(&mut host.output, &offer.hunk);
        host.output.line(&[(Style::Dim, "  afterwards: "), (Style::Plain, &offer.afterwards)]);
        let question = format!("move this key out of {}'s own store? [y]es, [n]o, [?]", offer.agent);
        if letter(&ask(host, &question, ENTRY)?) == 'y' {
            planning.choices.entries.insert(offer.place.clone());
        }
    }
    if planning.choices.entries.is_empty() {
        return Ok(false);
    }
    planning.look_up(host, session)?;
    Ok(true)
}

// Asks, and refuses to go on without an answer.
fn ask(host: &mut Host, question: &str, letters: &[(&str, &str)]) -> Result<String, Failure> {
    question::ask(host, question, letters)?.ok_or_else(|| {
        Failure::new("there is no terminal to ask on; nothing was changed")
            .hint("add --yes to go on without a question, or --dry-run to only look")
    })
}

// Asks about each launcher by itself. Reports whether one stays as it is.
fn launchers(
    host: &mut Host,
    session: &Session,
    planning: &mut Planning<'_, '_>,
    plan: &Plan,
) -> Result<bool, Failure> {
    let secrets = plan.secrets();
    for launch in &plan.launches {
        let (file, own) = (&plan.files[launch.file], &plan.accounts[launch.account]);
        let path = session.paths.pretty(&file.path);
        host.output.line(&[(Style::Bold, &format!("{} in {path}", own.account.from))]);
        let hunks = file.hunks(&secrets);
        hunks.iter().filter(|hunk| hunk.meets(&launch.unit)).for_each(|hunk| show::hunk(&mut host.output, hunk));
        let agents = own.account.agents.join(", ");
        host.output.line(&[
            (Style::Dim, "  profile "),
            (Style::Good, &format!("\"{}\"", own.profile)),
            (Style::Dim, &format!(" starts {agents} with {}", show::key_at(own))),
        ]);
        let question = format!("make this launcher use profile \"{}\"? [y]es, [n]o, [a]ll, [?]", own.profile);
        match letter(&ask(host, &question, LAUNCHER)?) {
            'y' => {}
            'a' => break,
            _ => drop(planning.choices.launchers.insert((file.target.clone(), launch.at))),
        }
    }
    Ok(!planning.choices.launchers.is_empty())
}

// Lets the person leave out files, and name or leave out keys.
fn choose(host: &mut Host, session: &Session, planning: &mut Planning<'_, '_>, plan: &mut Plan) -> Result<(), Failure> {
    let edited = || plan.files.iter().filter(|file| file.is_edited());
    if edited().count() > 1 {
        for file in edited() {
            let question = format!("change {}? [y]es, [n]o, [?]", session.paths.pretty(&file.path));
            if letter(&ask(host, &question, FILE)?) != 'y' {
                planning.choices.files.insert(file.target.clone());
            }
        }
        *plan = planning.plan(host, session)?;
    }
    let names: Vec<KeyName> = plan.keys.iter().map(|key| key.name.clone()).collect();
    let mut given: Vec<KeyName> = Vec::new();
    let places = show::places(session, plan);
    for key in &plan.keys {
        host.output.line(&[
            (Style::Bold, &key.name.to_string()),
            (Style::Plain, &format!("  {}  ", keyset::masked(&key.value))),
            (Style::Dim, &places.get(&key.name).map_or_else(String::new, |places| places.join(", "))),
        ]);
        let letters: Vec<(&str, &str)> =
            KEY.iter().copied().filter(|(letter, _)| !key.there || *letter != "n").collect();
        let question = match key.there {
            true => "[k]eep its name, which the store has, [d]efault, [s]kip, [?]",
            false => "[k]eep this name, [d]efault, [n]ame it, [s]kip, [?]",
        };
        match letter(&ask(host, question, &letters)?) {
            's' => planning.skipped.push(key.value.clone()),
            'd' => {
                let name = KeyName::new(key.name.provider.clone(), "default".parse()?);
                planning.machine.chosen.insert(name.provider.to_string(), key.value.clone());
                if !key.there && !planning.existing.contains_key(&name) {
                    planning.choices.name(&name, &key.value);
                }
            }
            'n' if !key.there => {
                let is_free = |name: &KeyName| {
                    let is_taken = *name != key.name && names.contains(name) || given.contains(name);
                    !planning.existing.contains_key(name) && !is_taken
                };
                if let Some(name) = alias(host, &key.name, is_free)? {
                    planning.choices.name(&name, &key.value);
                    given.push(name);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

// Asks for a key's alias until it is one that is free; the empty answer keeps the name.
fn alias(host: &mut Host, key: &KeyName, is_free: impl Fn(&KeyName) -> bool) -> Result<Option<KeyName>, Failure> {
    const LETTERS: &[(&str, &str)] =
        &[("ALIAS", "letters, digits, and . _ - between them; the empty answer keeps the name")];
    loop {
        let answer =
            ask(host, &format!("the alias of this {} key, in place of {}, [?]", key.provider, key.alias), LETTERS)?;
        if answer.is_empty() {
            return Ok(None);
        }
        match answer.parse::<Alias>() {
            Ok(alias) => {
                let name = KeyName::new(key.provider.clone(), alias);
                if is_free(&name) {
                    return Ok(Some(name));
                }
                host.output.warn(format!("{name} is another key"));
            }
            Err(error) => host.output.warn(error.to_string()),
        }
    }
}
