//! `ringlet doctor`: reports what is wrong with the installation. Changes nothing.

use super::check::{Check, Grade};
use super::reach::Reach;
use super::{Session, hook};
use crate::commands::migrate::machine::{know_moved, machine};
use crate::commands::migrate::show;
use crate::config::ConfigError;
use crate::failure::{Failure, status};
use crate::hint::Hint;
use crate::host::Host;
use crate::migrate;
use crate::migrate::accounts::Machine;
use crate::migrate::plan::Plan;
use crate::migrate::vocabulary::Vocabulary;
use crate::output::Style;
use crate::plan;
use crate::platform;
use crate::profile::{Account, Profiles, Resolved};
use crate::store::{self, Prompt, StoreError};
use crate::words;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// `ringlet doctor`; status 1 when something is wrong.
pub(super) fn run(host: &mut Host, session: &Session, wrong: Option<ConfigError>) -> Result<i32, Failure> {
    let mut checks = Vec::new();
    let mut say = |grade, text: String, hint: Option<Hint>| checks.push(Check { grade, text, hint });
    let config = session.paths.config();
    let pretty = session.paths.pretty(&config);
    match wrong.map(Failure::from) {
        Some(Failure { message, mut hints, .. }) => {
            say(Grade::Bad, format!("{message}; what follows is as if it said nothing"), hints.pop());
        }
        None if config.exists() => say(Grade::Good, format!("the settings in {pretty} are right"), None),
        None => say(Grade::Good, format!("there is no {pretty}, so the usual settings hold"), None),
    }
    if let Err(Failure { message, mut hints, .. }) = session.refuse_own_places(&host.world) {
        say(Grade::Bad, message, (!hints.is_empty()).then(|| hints.remove(0)));
    }
    let store = session.open_store(&host.world, Prompt::Never);
    // The name is asked for each time, since the file may have replaced the keychain meanwhile.
    let place = || session.pretty_place(&store.place());
    let (mut kept, mut answers) = (BTreeSet::new(), false);
    match store.names() {
        Ok(names) => {
            say(Grade::Good, format!("{} answers and holds {}", place(), counted(names.len(), "key")), None);
            answers = true;
            for (key, file) in
                names.iter().filter_map(|key| Some((key, store::copy_in_file(&session.paths, &store, key)?)))
            {
                let file = session.paths.pretty(&file);
                let hint = Hint::from(format!("launches take the one in {}; delete the other in {file}", place()));
                say(Grade::Note, format!("{key} is in {} and, in plaintext, in {file}", place()), Some(hint));
            }
            kept = names.into_iter().collect();
            // A locked keychain lists names and gives no values.
            if matches!(store.locked_collection(), Ok(Some(_))) {
                say(Grade::Bad, format!("{} is locked, so no launch gets a key", place()), StoreError::Locked.hint());
            }
        }
        Err(error) => say(Grade::Bad, error.to_string(), error.hint()),
    }
    if let Some(missing) = store.fell_back() {
        let text = format!("{}, so keys are in a plain file", missing.summary());
        say(Grade::Note, text, Some(missing.cure().into()));
    }
    let profiles = Profiles::new(&session.paths, &session.registry);
    let mut sound = 0;
    for name in profiles.names()? {
        let resolved = profiles.read(&name).and_then(|file| {
            file.bindings.keys().map(|agent| profiles.resolve(&file, agent)).collect::<Result<Vec<_>, _>>()
        });
        match resolved {
            Err(error) => say(Grade::Bad, error.to_string(), error.hint()),
            Ok(found) => {
                let mut is_sound = true;
                for used in found.iter().flatten() {
                    let secrets = used.secrets.values().map(|key| &key.value);
                    used.account.key().map(|key| &key.value).into_iter().chain(secrets).for_each(|key| {
                        kept.remove(key);
                    });
                }
                let is_login = |used: &&Resolved| matches!(used.account, Account::Login { .. });
                for used in found.iter().flatten().filter(is_login) {
                    if let Some(folder) = used.config_dir.as_ref().filter(|folder| !folder.value.is_dir()) {
                        let text = format!(
                            "the login folder {} of profile \"{name}\" does not exist",
                            session.paths.pretty(&folder.value)
                        );
                        let agent = (!used.is_main).then_some(&used.agent.name);
                        say(Grade::Bad, text, Some(Hint::run(plan::login_command(&name, agent))));
                        is_sound = false;
                    }
                }
                for key in found.iter().flatten().filter_map(|used| Some(&used.account.key()?.value)) {
                    let there = store.contains(key);
                    if let Err(error) = &there
                        && answers
                    {
                        say(Grade::Bad, format!("{key}: {error}"), error.hint());
                        is_sound = false;
                    }
                    if matches!(there, Ok(false)) {
                        let hint = Hint::run(key.set_command());
                        say(
                            Grade::Bad,
                            format!("profile \"{name}\" needs {key}, which is not in {}", place()),
                            Some(hint),
                        );
                        is_sound = false;
                    }
                }
                sound += usize::from(is_sound);
            }
        }
    }
    match sound {
        0 if profiles.names()?.is_empty() => {
            let hint = Hint::run(["ringlet", "init"]).and(", which sets up what is missing");
            say(Grade::Note, "there is no profile yet".into(), Some(hint));
        }
        0 => {}
        _ => say(
            Grade::Good,
            format!("{} right", if sound == 1 { "1 profile is".into() } else { format!("{sound} profiles are") }),
            None,
        ),
    }
    for key in &kept {
        let hint = Hint::from("name it in a profile, or run ").command(words![
            "ringlet",
            "keychain",
            "remove",
            key.provider,
            key.alias
        ]);
        say(Grade::Note, format!("no profile uses {key}"), Some(hint));
    }
    if let Some(name) = session.settings.default_profile.as_ref().filter(|name| profiles.read(name).is_err()) {
        say(
            Grade::Bad,
            format!("the default profile \"{name}\" cannot be read"),
            Some("run `ringlet profiles default NAME`".into()),
        );
    }
    // A scope for a misspelt key protects no key.
    for key in session.settings.scopes.keys().filter(|key| matches!(store.contains(key), Ok(false))) {
        let hint = Hint::from(format!("look at the name in {}", session.paths.pretty(&session.paths.config())));
        say(Grade::Note, format!("there is a scope for {key}, which is not in {}", place()), Some(hint));
    }
    if let Ok(ringlet) = host.world.executable() {
        super::shims::broken(session, ringlet).into_iter().for_each(|(text, hint)| say(Grade::Bad, text, Some(hint)));
    }
    let rc_files = hook::rc_files(host, session);
    hook::loaded(host, session, &rc_files).into_iter().for_each(|(grade, text, hint)| say(grade, text, hint));
    let commands = crate::hook::commands(&session.paths, &session.settings, &session.registry, &host.world.env)?;
    if let Ok(context) = session.context(&host.world) {
        for error in commands.iter().filter_map(|command| plan::find_binary(&context, command).err()) {
            say(Grade::Note, error.to_string(), None);
        }
        let mut reached: Vec<(Grade, String, Option<Hint>)> = Vec::new();
        for command in &commands {
            let reach = Reach::of(&context, host.world.shell.as_ref(), command);
            let (is, hint) = reach.describe(command);
            match reach {
                Reach::Function | Reach::Link => {}
                // This is reported once, and not for each name.
                Reach::Unseen => reached = vec![(Grade::Note, is, hint.map(Hint::from))],
                _ => reached.push((Grade::Bad, format!("in this shell {is}"), hint.map(Hint::from))),
            }
        }
        reached.into_iter().for_each(|(grade, text, hint)| say(grade, text, hint));
    }
    for (file, bytes) in &start_files(host, session) {
        for (line, command, what) in definitions(&String::from_utf8_lossy(bytes), &commands) {
            let place = format!("{}:{line}", session.paths.pretty(file));
            let why = match what {
                "a function" => "the hook leaves a function alone",
                _ => "an alias behind the hook's line hides ringlet's function",
            };
            let hint = Hint::from(format!("{why}; remove the line to be sure of `{command}`"));
            say(Grade::Note, format!("{place} defines {what} {command} of its own"), Some(hint));
        }
    }
    plaintext(host, session, &mut say);
    for name in leftovers(host, session)? {
        let hint = Hint::from("take it out of your rc file and run ").command(["unset", &name]);
        say(Grade::Bad, format!("{name} is set in this shell, where every program can read it"), Some(hint));
    }
    strays(session, &mut say);
    if migrate::recover::is_due(&session.paths) {
        let hint = Hint::from("run `ringlet migrate`, which clears up, or `ringlet migrate undo`");
        say(
            Grade::Bad,
            "a run of `ringlet migrate` was killed, and may have moved half of an account".into(),
            Some(hint),
        );
    }
    match session.audit_log() {
        Ok(Some(_)) => {
            let log = session.paths.pretty(&session.audit_path());
            say(Grade::Good, format!("lookups are recorded in {log}"), None);
        }
        Ok(None) => {}
        Err(error) => {
            let Failure { message, mut hints, .. } = Failure::from(error);
            say(Grade::Bad, message, hints.pop());
        }
    }
    let bad = checks.iter().any(|check| check.grade == Grade::Bad);
    report(host, &checks);
    Ok(if bad { status::FAILURE } else { 0 })
}

// Reports what killed processes left. The next change in the same folder removes it.
fn strays(session: &Session, say: &mut dyn FnMut(Grade, String, Option<Hint>)) {
    for file in super::strays::find(session) {
        let text = format!("{} was left by a change that was killed, and may hold keys", session.paths.pretty(&file));
        say(Grade::Note, text, Some(Hint::run(words!["rm", file])));
    }
}

// Returns these files and those that they source, in which an agent's name may be redefined.
fn start_files(host: &Host, session: &Session) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = hook::rc_files(host, session);
    let candidates = migrate::files::candidates(&session.paths, &host.world.env);
    let sourced =
        candidates.into_iter().filter(|candidate| !candidate.role.is_report_only()).map(|candidate| candidate.path);
    for path in sourced {
        if !files.iter().any(|(file, _)| platform::same_file(file, &path))
            && let Ok(read) = platform::read_file(&path, 8 << 20)
        {
            files.push((path, read.bytes));
        }
    }
    files
}

fn counted(many: usize, what: &str) -> String {
    format!("{many} {what}{}", if many == 1 { "" } else { "s" })
}

// Finds aliases and functions with the agents' names, by the text of each line alone. The result is a note and no
// error.
fn definitions<'a>(text: &str, commands: &'a [String]) -> Vec<(usize, &'a str, &'static str)> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let words: Vec<&str> = line
            .split(|c: char| c.is_whitespace() || matches!(c, ';' | '=' | '(' | '{'))
            .filter(|word| !word.is_empty())
            .collect();
        for command in commands {
            let named = |at: usize| words.get(at).is_some_and(|word| word == command);
            let what = match words.first().copied() {
                Some("alias" | "Set-Alias" | "New-Alias")
                    if words[1..].iter().find(|word| !word.starts_with('-')).is_some_and(|word| word == command) =>
                {
                    "an alias"
                }
                Some("function") if named(1) => "a function",
                _ if named(0) && line.trim_start()[command.len()..].trim_start().starts_with("()") => "a function",
                _ => continue,
            };
            found.push((at + 1, command.as_str(), what));
        }
    }
    found
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

// Reports keys in the files that shells and agents read, and the agents that a run would leave without a default
// account. Nothing is moved.
fn plaintext(host: &Host, session: &Session, say: &mut dyn FnMut(Grade, String, Option<Hint>)) {
    // A definition that does not parse is named by the check of the registry.
    let mut machine = machine(host, session).unwrap_or_else(|_| Machine::empty(Vocabulary::built_in()));
    know_moved(host, session, &mut machine).into_iter().for_each(|why| say(Grade::Note, why, None));
    let plan = Plan::of(&migrate::files::find(&session.paths, &host.world.env), &[], &machine);
    for file in &plan.files {
        for placed in &file.findings {
            let finding = &placed.finding;
            let place = format!("{}:{}", session.paths.pretty(&file.path), finding.line);
            let text = format!("{place} has {} ({}) in plaintext", show::variable(finding), finding.provider);
            let remedy = placed.name.as_ref().err().map(|reason| (reason.why(), file.remedy.or(reason.remedy())));
            match remedy {
                None => {
                    let hint = Hint::from("run `ringlet migrate --dry-run` to see what becomes of it");
                    say(Grade::Bad, text, Some(hint));
                }
                // Another tool's credential.
                Some((why, None)) => say(Grade::Note, format!("{text}; it {why}"), None),
                Some((why, Some(remedy))) => say(Grade::Bad, format!("{text}; it {why}"), Some(remedy.into())),
            }
        }
    }
    for trouble in &plan.troubles {
        say(Grade::Bad, format!("{}: {}", session.paths.pretty(&trouble.path), trouble.why), None);
    }
    for (withheld, _) in &plan.withheld {
        let text = format!("`ringlet migrate` makes no default profile for {}, since {}", withheld.agent, withheld.why);
        say(Grade::Note, text, show::hint(session, &plan, withheld));
    }
}

fn report(host: &mut Host, checks: &[Check]) {
    let word = |grade| match grade {
        Grade::Good => (Style::Good, "ok"),
        Grade::Note => (Style::Warn, "note"),
        Grade::Bad => (Style::Bad, "wrong"),
    };
    let hints: Vec<Option<String>> =
        checks.iter().map(|check| check.hint.as_ref().map(|hint| host.output.written(hint))).collect();
    let checks = checks.iter().zip(hints);
    if host.output.wants_json() {
        let rows: Vec<_> = checks
            .map(|(check, hint)| json!({ "grade": word(check.grade).1, "what": check.text, "hint": hint }))
            .collect();
        host.output.json(&rows);
        return;
    }
    for (check, hint) in checks {
        let (style, label) = word(check.grade);
        host.output.line(&[(style, &format!("{label:<6}")), (Style::Plain, &check.text)]);
        if let Some(hint) = hint {
            host.output.line(&[(Style::Dim, &format!("      {hint}"))]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_name_in_an_alias_or_function_is_found_by_line() {
        let text = "# alias claude=x\nalias claude='claude --x'\nclaude () { :; }\nfunction codex {\nclaude -p hi\n\
            alias cl=claude-x\nalias cc=claude\nalias -g codex=x\n";
        let commands = ["claude".to_owned(), "codex".to_owned()];
        let found = definitions(text, &commands);
        assert_eq!(
            found,
            [
                (2, "claude", "an alias"),
                (3, "claude", "a function"),
                (4, "codex", "a function"),
                (8, "codex", "an alias"),
            ]
        );
    }
}

#[cfg(all(test, unix))]
mod in_a_home {
    use crate::host::testing::Home;

    #[test]
    fn a_sound_home_has_status_0_and_a_profile_without_its_key_status_1() {
        let home = Home::new();
        let ran = home.run(&["doctor"]);
        assert!(ran.out.contains("there is no profile yet"), "{ran:?}");
        assert_eq!(ran.status, 0, "{ran:?}");
        let home = Home::with_profile("work");
        assert_eq!(home.run(&["doctor"]).status, 1);
        let data = home.run(&["--json", "doctor"]);
        let data: serde_json::Value = serde_json::from_str(&data.out).expect("JSON");
        assert!(data.to_string().contains("anthropic/default"), "{data}");
    }

    #[test]
    fn settings_that_are_wrong_are_a_finding_and_no_end() {
        let home = Home::new();
        home.write(".config/ringlet/config.toml", "nonsense = 1\n");
        let ran = home.run(&["doctor"]);
        assert_eq!(ran.status, 1);
        assert!(ran.out.contains("what follows is as if it said nothing"), "{ran:?}");
    }
}
