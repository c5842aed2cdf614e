//! `ringlet init` without a profile: finds agents, logins and keys, proposes what is missing, asks once, and does it.
//!
//! What is proposed is shown before anything is changed, each step with the command that it stands for. Keys in files
//! are `migrate`'s business, which is offered first. What this command writes is in a journal of `migrate`'s, so that
//! `ringlet migrate undo` takes it back.

mod propose;
mod steps;
mod survey;
mod vault;

use self::propose::{Account, Proposal};
use self::steps::{Scope, Steps};
use self::survey::{HookState, Survey};
use super::hook::line_for;
use super::question::{ask, is_yes, is_yes_or_enter, letter};
use super::{Session, exec, hook, migrate, probe};
use crate::failure::{Failure, status};
use crate::hint::Hint;
use crate::host::Host;
use crate::migrate::recover;
use crate::name::KeyName;
use crate::output::Style;
use crate::plan::{self, LaunchRequest};
use crate::store::Prompt;
use crate::words;

/// The options of the command line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Nothing is asked.
    pub(super) yes: bool,
    /// A `.ringlet.toml` here, and no default profile.
    pub(super) here: bool,
    /// The providers are asked about the keys.
    pub(super) check: bool,
}

const DO: &[(&str, &str)] = &[
    ("y", "do all of it; the empty answer does the same"),
    ("h", "the same, but with a .ringlet.toml for this directory in place of a default profile"),
    ("k", "give more keys: those of the agents that have no account still"),
    ("c", "choose: each step is asked about by itself, and shown again"),
    ("n", "change nothing"),
];

/// `ringlet init`
pub(super) fn run(host: &mut Host, session: Session, asked: Asked) -> Result<i32, Failure> {
    if !asked.yes && !host.world.console.is_interactive() {
        return Err(Failure::usage("there is no terminal to ask on")
            .hint("run `ringlet init --yes` to take the logins and keys that are there without a question")
            .hint("run `ringlet init PROFILE` to name a profile for this directory"));
    }
    super::refuse_config_home(&host.world, "the functions of the hook")?;
    session.refuse_own_places(&host.world)?;
    // A log that cannot be written must be known before a key is stored.
    session.audit_log()?;
    super::protect()?;
    let audit = session.audit.clone();
    // What a killed run has left is taken back before anything is looked at.
    let session = match recover::is_due(&session.paths) {
        false => session,
        true => {
            migrate::clear_up(host, &session)?;
            Session::new(&host.world, audit.clone())?
        }
    };
    let survey = Survey::new(host, &session)?;
    survey.show(host, &session);
    if survey.agents.is_empty() {
        host.output.note("no agent is on PATH; `ringlet agents list` shows those that ringlet knows");
    }
    let mut ended = 0;
    let found_in_files = survey.in_files;
    let (session, survey) = match found_in_files {
        0 => (session, survey),
        count => {
            let said = if count == 1 { "1 key in a file".to_owned() } else { format!("{count} keys in files") };
            let said = Hint::from(format!("first the {said}, as "));
            host.output.note(said.command(words!["ringlet", "migrate"]).and(" moves them:"));
            // Its failure ends no step that follows.
            match migrate::before_setup(host, Session::new(&host.world, audit.clone())?, asked.yes) {
                Ok(status) => ended = status,
                Err(failure) => {
                    host.output.failure(&failure);
                    ended = failure.status;
                }
            }
            let session = Session::new(&host.world, audit.clone())?;
            let survey = Survey::new(host, &session)?;
            (session, survey)
        }
    };
    let prompt = if host.world.console.is_interactive() { Prompt::Ask } else { Prompt::Never };
    let store = session.open_store(&host.world, prompt);
    let proposal = Proposal::new(host, &session, &survey, asked.yes)?;
    let mut steps = Steps::new(host, &session, &survey, proposal, asked)?;
    if !steps.is_empty() {
        if !decide(host, &session, &survey, &mut steps, asked)? {
            host.output.note(if found_in_files == 0 { "nothing was changed" } else { "nothing more was changed" });
            return Ok(ended);
        }
        let stored = steps.store_keys(host, &session, &store)?;
        drop(store);
        if steps.check {
            check(host, &session, &stored, asked)?;
        }
        if !steps.carry_out(host, &session)? {
            ended = ended.max(status::FAILURE);
        }
    } else {
        host.output.note("nothing is missing");
    }
    let session = Session::new(&host.world, audit)?;
    rehearse(host, &session, &survey, &steps)?;
    Ok(ended)
}

// Shows the steps and asks, until they are wanted as they are or not at all.
fn decide(
    host: &mut Host,
    session: &Session,
    survey: &Survey,
    steps: &mut Steps<'_>,
    asked: Asked,
) -> Result<bool, Failure> {
    loop {
        steps.show(host, session);
        if asked.yes {
            return Ok(true);
        }
        let has_scope = matches!(steps.scope, Scope::Default(_));
        let left = steps.proposal.left();
        if !left.is_empty() {
            host.output.line(&[(Style::Dim, &format!("    without an account still: {left}"))]);
        }
        let can = |letter: &str| match letter {
            "h" => has_scope,
            "k" => !left.is_empty(),
            _ => true,
        };
        let words = [("h", "[h]ere only, "), ("k", "more [k]eys, ")];
        let words: String = words.iter().filter(|(letter, _)| can(letter)).map(|(_, word)| *word).collect();
        let letters: Vec<_> = DO.iter().copied().filter(|(letter, _)| can(letter)).collect();
        let question = format!("do this? [Y]es, {words}[c]hoose, [n]o, [?]");
        let Some(answer) = ask(host, &question, &letters)? else { return Ok(false) };
        match letter(&answer) {
            ' ' | 'y' => return Ok(true),
            'h' if has_scope => return steps.here(host, session, true),
            'k' if !left.is_empty() => {
                steps.proposal.more(host, session)?;
                steps.settle(session, survey)?;
            }
            'c' if !choose(host, session, survey, steps)? => return Ok(false),
            'c' => {}
            'n' => return Ok(false),
            // A mistyped answer changes nothing and ends nothing.
            _ => {}
        }
        if steps.is_empty() {
            return Ok(false);
        }
    }
}

// Asks about each step by itself. Returns false if there is no answer, as after Ctrl-D.
fn choose(host: &mut Host, session: &Session, survey: &Survey, steps: &mut Steps<'_>) -> Result<bool, Failure> {
    let accounts = std::mem::take(&mut steps.proposal.accounts);
    for account in accounts {
        if is_yes_or_enter(host, &format!("{}?", account.describe())) {
            steps.proposal.accounts.push(account);
        }
    }
    steps.settle(session, survey)?;
    if !matches!(steps.scope, Scope::Keep) {
        const SCOPE: &[(&str, &str)] = &[
            ("d", "it governs every directory without a .ringlet.toml; the empty answer does the same"),
            ("h", "a .ringlet.toml names it for this directory"),
            ("n", "neither; `ringlet use PROFILE` does it later"),
        ];
        let question = "the profile as the [D]efault, [h]ere only, [n]either, [?]";
        let Some(answer) = ask(host, question, SCOPE)? else { return Ok(false) };
        match letter(&answer) {
            'h' if !steps.here(host, session, true)? => return Ok(false),
            'h' => {}
            'n' => steps.scope = Scope::Keep,
            _ => steps.scope = Scope::Default(steps.profile().clone()),
        }
    }
    if let Some((_, file)) = &steps.hook {
        let question = format!("add the hook's line to {}?", session.paths.pretty(file));
        if !is_yes_or_enter(host, &question) {
            steps.hook = None;
        }
    }
    if steps.vault.is_some() && !is_yes_or_enter(host, "describe the Vault of this shell as a store?") {
        steps.vault = None;
    }
    if !steps.check && steps.proposal.accounts.iter().any(Account::has_key) {
        let question = "ringlet: ask the provider whether it takes the key? [y/N] ";
        steps.check = host.world.console.ask(question).is_some_and(|answer| is_yes(&answer));
    }
    Ok(true)
}

// Asks the providers about the keys, and a person whether to go on with one that is refused.
fn check(host: &mut Host, session: &Session, keys: &[KeyName], asked: Asked) -> Result<(), Failure> {
    let refused = probe::ask_about(host, session, keys)? != 0;
    if refused && (asked.yes || !is_yes_or_no_enter(host, "go on with it all the same?")) {
        return Err(Failure::new(
            "the provider does not take the key; it stays stored, and no profile was made for it",
        )
        .hint(Hint::from("").command(words!["ringlet", "keychain", "list"]).and(" shows it")));
    }
    Ok(())
}

fn is_yes_or_no_enter(host: &Host, question: &str) -> bool {
    host.world.console.ask(&format!("ringlet: {question} [y/N] ")).is_some_and(|answer| is_yes(&answer))
}

// Plans a launch of each agent as the next shell would, shows it, and says what to type.
fn rehearse(host: &mut Host, session: &Session, survey: &Survey, steps: &Steps<'_>) -> Result<(), Failure> {
    let store = session.open_store(&host.world, Prompt::Never);
    let context = session.context(&host.world)?;
    let (mut rows, mut ready, mut hints) = (Vec::new(), None, Vec::new());
    for found in &survey.agents {
        let word = found.name.as_str();
        let plan = match plan::prepare(&context, &LaunchRequest { word, profile: None, words: &[] }) {
            Ok(plan) => plan,
            Err(error) => {
                let failure = Failure::from(error);
                rows.push(vec![
                    (Style::Bold, format!("  {word}")),
                    (Style::Bad, format!("refused: {}", failure.message)),
                ]);
                hints.extend(failure.hints);
                continue;
            }
        };
        let Some(part) = plan.part() else { continue };
        let account = &part.resolved.account;
        let at = account.base_url().map(|url| format!(" at {}", url.value)).unwrap_or_default();
        let said = format!("profile {}: {}{at}", part.resolved.profile, exec::account(&part.resolved));
        hints.extend(part.notices.iter().map(|notice| exec::noticed(session, notice)));
        let there = account.key().map(|key| (&key.value, store.peek(&key.value)));
        let missing = there.as_ref().filter(|(_, there)| !matches!(there, Ok(Some(true) | None)));
        match missing {
            Some((key, Ok(_))) => {
                hints.push(Hint::from(format!("there is no key {key} yet; ")).then(store.cure(key)));
            }
            Some((key, Err(error))) => {
                hints.push(format!("{key}: {error}").into());
                hints.extend(error.hint());
            }
            None => {}
        }
        let waits = steps.proposal.accounts.iter().any(|own| own.agent == found.name && own.needs_login());
        if missing.is_none() && !waits {
            ready.get_or_insert_with(|| plan.start().command.clone());
        }
        let style = if missing.is_some() { Style::Bad } else { Style::Good };
        rows.push(vec![(Style::Bold, format!("  {word}")), (style, said)]);
    }
    if !rows.is_empty() {
        host.output.line(&[(Style::Bold, "from now on")]);
        host.output.table(&rows);
    }
    hints.dedup();
    hints.into_iter().for_each(|hint| host.output.note(hint));
    if let Some(folder) = hook::off_path(host)
        && !matches!(survey.hook, HookState::None(_))
    {
        let said =
            format!("ringlet is not on PATH, where the hook's line looks for it: put {} on it", folder.display());
        host.output.warn(format!("{said}, in a line above"));
    }
    let command = match ready {
        Some(command) => format!("type `{command}` as before"),
        None => "`ringlet status` says what each agent gets".to_owned(),
    };
    match &survey.hook {
        HookState::Active => host.output.note(command),
        HookState::ByHand(shell) => {
            host.output.note(format!("add this line to $PROFILE, and open a new shell: {}", line_for(*shell)));
        }
        HookState::None(shell) => {
            let said = Hint::from(format!("{shell} has no hook: "));
            let said = said.command(words!["ringlet", "shims", "install"]).and(" makes links that start the agents");
            host.output.note(said);
        }
        HookState::Missing(..) if !steps.is_hooked => {
            host.output.note("without the hook, `ringlet exec AGENT` starts an agent with its account");
        }
        HookState::Loaded(_) | HookState::Missing(..) => {
            host.output.note(format!("open a new shell; there {command}"));
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests;
