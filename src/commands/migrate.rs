//! `ringlet migrate`: moves keys from the rc files into the keychain; `ringlet migrate undo` moves them back.
//!
//! A run scans, plans, shows the plan, asks, and then calls `migrate::apply`, which describes how files are changed
//! safely. Nothing that is printed holds more of a key than its mask.

mod after;
mod ask;
mod json;
pub(super) mod machine;
pub(super) mod settings;
pub(super) mod show;
mod undo;
mod watch;

use super::Session;
use super::keychain::encrypted;
use crate::cli::{Migrate, MigrateCommand};
use crate::config::{Backend, Settings};
use crate::dates::Dates;
use crate::failure::{Failure, status};
use crate::host::Host;
use crate::migrate::MigrateError;
use crate::migrate::accounts::{Machine, Spared};
use crate::migrate::apply::{self, End, Report, Setup};
use crate::migrate::files::{self, Found};
use crate::migrate::plan::{Choices, Plan, Reading, Scan};
use crate::migrate::recover;
use crate::name::KeyName;
use crate::secret::Secret;
use crate::store::{self, Change, Keys, Prompt};
use std::collections::BTreeMap;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// `ringlet migrate ...`
pub(super) fn run(host: &mut Host, mut session: Session, command: Migrate) -> Result<i32, Failure> {
    super::protect()?;
    match &command.undo {
        Some(MigrateCommand::Undo { run }) => undo::run(host, &session, run.as_deref()),
        None if command.watch => {
            let named = named(host, &command, Vec::new())?;
            watch::run(host, &session, &named)
        }
        None => {
            if command.dry_run && recover::is_due(&session.paths) {
                host.output.warn("a run was killed; `ringlet migrate` clears up first, and the plan may change");
            }
            let left = if command.dry_run { Left::default() } else { clear_up(host, &session)? };
            // What a killed run had set is taken back by now.
            session.settings = Settings::read(&session.paths)?;
            let hook = if command.yes { HookLine::Print } else { HookLine::Ask };
            move_keys(host, &session, &command, left, hook)
        }
    }
}

/// Moves the keys in the usual files for the guided start, which adds the hook's line to the user's own shell itself.
pub(super) fn before_setup(host: &mut Host, mut session: Session, yes: bool) -> Result<i32, Failure> {
    let left = clear_up(host, &session)?;
    session.settings = Settings::read(&session.paths)?;
    move_keys(host, &session, &Migrate { yes, ..Migrate::default() }, left, HookLine::Others)
}

/// What becomes of the hook's line in the start files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HookLine {
    /// A question decides.
    Ask,
    /// It is printed.
    Print,
    /// It is printed for the shells that are not the user's own.
    Others,
}

/// What a killed run left.
#[derive(Default)]
pub(super) struct Left {
    files: Vec<PathBuf>,
    run: Option<String>,
}

/// Clears up what a killed run has left.
pub(super) fn clear_up(host: &mut Host, session: &Session) -> Result<Left, Failure> {
    session.refuse_own_places(&host.world)?;
    // The lock is held only while an interrupted run is cleared up, and not during the question below.
    let _lock = apply::lock(&session.paths)?;
    let found = recover::recover(&session.paths)?.whole()?;
    found.warnings.iter().for_each(|text| host.output.warn(text));
    Ok(Left { files: found.left, run: found.continued.map(|journal| journal.run) })
}

fn opener<'a>(host: &'a Host, session: &'a Session, prompt: Prompt) -> impl Fn() -> Keys + use<'a> {
    move || session.open_store(&host.world, prompt)
}

fn prompt(host: &Host) -> Prompt {
    if host.world.console.is_interactive() { Prompt::Ask } else { Prompt::Never }
}

fn move_keys(
    host: &mut Host,
    session: &Session,
    command: &Migrate,
    left: Left,
    hook: HookLine,
) -> Result<i32, Failure> {
    let before = left.run;
    let named = named(host, command, left.files)?;
    // If files are named, no others are read.
    let found = match named.as_slice() {
        [] => files::find(&session.paths, &host.world.env),
        _ => Found::default(),
    };
    let mut machine = machine::machine(host, session)?;
    let unknown = machine::know_moved(host, session, &mut machine);
    unknown.into_iter().for_each(|why| host.output.warn(why));
    let mut planning = Planning::start(host, session, machine, Reading::new(&found, &named), command.dry_run)?;
    let mut plan = planning.plan(host, session)?;
    let asks = !command.yes && !command.dry_run && (plan.moves() || ask::offers(host, &plan));
    let goes_on = if asks { ask::decide(host, session, &mut planning, &mut plan)? } else { true };
    if !asks {
        present(host, session, &planning, &plan);
    }
    let troubled = !plan.troubles.is_empty();
    let ends = |leaves_keys: bool| match leaves_keys {
        _ if troubled => status::FAILURE,
        true => status::KEYS_LEFT,
        false => 0,
    };
    if !goes_on {
        host.output.note("nothing was changed");
        return Ok(ends(true));
    }
    if !plan.moves() {
        show::nothing(host, &planning, &plan);
        return Ok(ends(plan.leaves_keys()));
    }
    if command.dry_run {
        return Ok(ends(plan.leaves_keys()));
    }
    drop(planning);
    let report = {
        let open = opener(host, session, prompt(host));
        refuse_plain_file(session, &open(), command.allow_file)?;
        let _lock = apply::lock(&session.paths)?;
        // Another run may have ended, or may have been killed, while the question waited for an answer.
        let recovered = recover::recover(&session.paths)?.whole()?;
        let run = apply::run_name(&session.paths, host.world.now);
        let setup = Setup { paths: &session.paths, open: &open, run };
        let before = before.map_or(Ok(None), |run| apply::still(&session.paths, &run))?;
        apply::apply(&setup, &plan, recovered.continued.or(before))?
    };
    date(host, session, &report);
    let kept = tell(host, session, &report);
    after::tell(host, session, &plan, &report, hook)?;
    Ok(if kept { status::FAILURE } else { ends(plan.leaves_keys()) })
}

// A key is as old as its place in the keychain: the files do not say when it was made.
fn date(host: &mut Host, session: &Session, report: &Report) {
    let dates = Dates::new(&session.paths);
    for (key, _, _) in report.keys.iter().filter(|(_, _, is_new)| *is_new) {
        if let Err(error) = dates.stored(key, host.world.now, None) {
            host.output.warn(error.to_string());
        }
    }
}

/// A run before anything is changed: what was read, and what the person decided about it.
struct Planning<'a, 'w> {
    reading: Reading<'a>,
    machine: Machine<'w>,
    // What the store has for the providers that are found.
    existing: BTreeMap<KeyName, Secret>,
    choices: Choices,
    // The keys that are to stay.
    skipped: Vec<Zeroizing<Vec<u8>>>,
    // What was scanned and not yet planned with.
    scan: Option<Scan>,
}

impl<'a, 'w> Planning<'a, 'w> {
    fn start(
        host: &mut Host,
        session: &Session,
        machine: Machine<'w>,
        mut reading: Reading<'a>,
        dry_run: bool,
    ) -> Result<Self, Failure> {
        let choices = Choices::default();
        let scan = reading.scan(&machine, &choices);
        let existing = existing(host, session, &scan, dry_run)?;
        Ok(Self { reading, machine, existing, choices, skipped: Vec::new(), scan: Some(scan) })
    }

    // Looks the store up again, for the providers whose keys move by now.
    fn look_up(&mut self, host: &mut Host, session: &Session) -> Result<(), Failure> {
        let scan = self.reading.scan(&self.machine, &self.choices);
        self.existing = existing(host, session, &scan, false)?;
        self.scan = Some(scan);
        Ok(())
    }

    // The plan as the person wants it by now.
    fn plan(&mut self, host: &Host, session: &Session) -> Result<Plan, Failure> {
        self.machine.spared = Spared::new(self.skipped.clone());
        let scan = self.scan.take().unwrap_or_else(|| self.reading.scan(&self.machine, &self.choices));
        let mut plan = self.reading.plan(scan, &self.machine, &self.existing, &self.choices);
        plan.made = machine::made(session, &plan, &self.machine.bound)?;
        // A store that takes no key from Ringlet is known before anything is changed.
        let store = session.open_store(&host.world, Prompt::Never);
        for key in plan.keys.iter().filter(|key| !key.there) {
            store.can(Change::Set, &key.name)?;
        }
        Ok(plan)
    }
}

// Shows a plan and what has to be known besides.
fn present(host: &mut Host, session: &Session, planning: &Planning<'_, '_>, plan: &Plan) {
    if host.output.wants_json() {
        json::plan(host, session, planning, plan);
    } else {
        show::plan(&mut host.output, session, plan);
        if host.output.is_verbose() {
            show::looked(host, session, planning);
        }
    }
    for name in show::unplaced(host, plan, &planning.machine.vocabulary) {
        host.output.warn(format!(
            "{name} is set in this shell, and no file that was looked through gives it: look into what starts your \
            session, a password manager's or direnv's files, and run `ringlet migrate FILE`"
        ));
    }
    for (folder, how_many) in planning.reading.older() {
        host.output.note(format!("{}: {how_many}", session.paths.pretty(folder)));
    }
    for trouble in &plan.troubles {
        host.output.warn(format!("{}: {}", session.paths.pretty(&trouble.path), trouble.why));
    }
}

// Returns the files named on the command line, and those that were named to an interrupted run.
fn named(host: &Host, command: &Migrate, left: Vec<PathBuf>) -> Result<Vec<PathBuf>, Failure> {
    let mut named =
        command.paths.iter().map(|path| super::named_file(&host.world, path)).collect::<Result<Vec<_>, _>>()?;
    if !named.is_empty() {
        named.extend(left);
    }
    Ok(named)
}

// Returns the stored keys of the providers found: a key with an equal value shares the entry, any other entry stays.
fn existing(
    host: &mut Host,
    session: &Session,
    scan: &Scan,
    dry_run: bool,
) -> Result<BTreeMap<KeyName, Secret>, Failure> {
    let providers = scan.providers();
    if providers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let prompt = if dry_run { Prompt::Never } else { prompt(host) };
    encrypted::ready(host, session, !dry_run && session.settings.has_encrypted_file())?;
    let store = session.open_store(&host.world, prompt);
    let read = || {
        let mut found = BTreeMap::new();
        for provider in &providers {
            for name in store.names_from(&format!("{provider}/"))? {
                found.insert(name.clone(), store.get(&name)?);
            }
        }
        Ok::<_, store::StoreError>(found)
    };
    match read() {
        Ok(found) => Ok(found),
        Err(error) if dry_run => {
            host.output.warn(format!("the aliases may turn out otherwise: {error}"));
            Ok(BTreeMap::new())
        }
        Err(error) => Err(error.into()),
    }
}

// Refuses to move keys from one plain file to another, unless the user asked for it.
fn refuse_plain_file(session: &Session, store: &Keys, allowed: bool) -> Result<(), Failure> {
    if allowed || session.settings.backend == Backend::File {
        return Ok(());
    }
    // The first operation on the store shows whether there is a keychain.
    store.names().map_err(MigrateError::from)?;
    match store.fell_back() {
        Some(missing) => Err(MigrateError::PlainFile { place: store.place(), missing }.into()),
        None => Ok(()),
    }
}

// Prints what happened to each file. Returns `true` if one still holds its keys.
fn tell(host: &mut Host, session: &Session, report: &Report) -> bool {
    for (key, place, fresh) in &report.keys {
        let done = if *fresh { "stored" } else { "found there already:" };
        host.output.note(format!("{done} {key} in {}", session.pretty_place(place)));
    }
    let mut kept = false;
    for (path, end) in &report.files {
        let path = session.paths.pretty(path);
        match end {
            End::Done => host.output.note(format!("cleaned {path}")),
            End::Doubtful(why) => {
                kept = true;
                host.output.warn(format!("{path} was rewritten and {why}"));
            }
            End::Kept(why) => {
                kept = true;
                host.output.warn(format!("{path} still holds its keys: {why}"));
            }
        }
    }
    for path in &report.compiled {
        host.output.note(format!("deleted {}, which zsh compiled from it", session.paths.pretty(path)));
    }
    if report.files.iter().any(|(_, end)| matches!(end, End::Done)) {
        host.output.note("`ringlet migrate undo` takes this back");
    }
    kept
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    use crate::migrate::testing::openai;

    fn with_key() -> Home {
        let home = Home::new();
        home.write(".zshrc", &format!("export OPENAI_API_KEY={}\nalias ll='ls -l'\n", openai(1)));
        home
    }

    #[test]
    fn a_rehearsal_shows_a_mask_and_changes_nothing() {
        let home = with_key();
        let before = home.read(".zshrc");
        let ran = home.run(&["migrate", "--dry-run"]).succeeds();
        assert!(ran.out.contains("OPENAI_API_KEY") && !ran.out.contains("TEST"), "{ran:?}");
        let found = home.run(&["--json", "migrate", "--dry-run"]).json();
        assert_eq!((&found["found"][0]["action"], &found["found"][0]["alias"]), (&"moved".into(), &"default".into()));
        assert_eq!(home.read(".zshrc"), before);
    }

    #[test]
    fn without_a_terminal_or_with_a_no_nothing_is_changed() {
        let home = with_key();
        let before = home.read(".zshrc");
        let ran = home.run(&["migrate"]);
        assert!(ran.status == 1 && ran.err.contains("there is no terminal to ask on"), "{ran:?}");
        home.answer(&["n"]);
        let ran = home.run(&["migrate"]);
        assert!(ran.status == 3 && ran.err.contains("nothing was changed"), "{ran:?}");
        assert_eq!(home.read(".zshrc"), before);
        home.run(&["migrate", "undo"]).is_refused(1, "there is no run to take back");
    }

    #[test]
    fn the_status_says_whether_keys_stay_in_plaintext() {
        let key = format!("export OPENAI_API_KEY={}\n", openai(1));
        let other = "export GITHUB_TOKEN=ghp_TESTab12FAKEcd34TESTef56FAKEgh78TEST\n";
        let stays = format!("curl -H 'Authorization: Bearer {}' example.org\n", openai(2));
        let texts = [("A=1\n".into(), 0), (key.clone() + other, 0), (key + &stays, 3), (stays, 3)];
        for (text, status) in texts {
            let home = Home::new();
            home.write(".zshrc", &text);
            for words in [&["migrate", "--dry-run"][..], &["migrate", "--yes", "--allow-file"], &["migrate", "--yes"]] {
                let ran = home.run(words);
                assert_eq!(ran.status, status, "{text} {ran:?}");
                assert!(status == 0 || !ran.err.contains("there is no key"), "{ran:?}");
            }
        }
    }

    #[test]
    fn a_copy_that_only_its_value_tells_is_named_in_every_later_run() {
        let key = "TESTab12FAKEcd34TESTef56FAKEgh78";
        let home = Home::new();
        home.write(".zshrc", &format!("export MISTRAL_API_KEY={key}\nTOOL=$(cat ~/.tool)\n"));
        home.write(".tool", &format!("{key}\n"));
        home.write(".zsh_history", &format!(": 1718000000:0;tool {key}\n"));
        let places = ["~/.tool:1", "~/.zsh_history:1"];
        let named = |words: &[&str], status: i32| {
            let ran = home.run(words);
            let shown = [ran.out.as_str(), ran.err.as_str()].concat();
            assert_eq!(ran.status, status, "{words:?} {shown}");
            assert!(places.iter().all(|place| shown.contains(place)), "{words:?} {shown}");
            assert!(!shown.contains("FAKE"), "{shown}");
        };
        let all = || {
            named(&["migrate", "--dry-run"], 3);
            named(&["migrate", "--yes", "--allow-file"], 3);
            named(&["doctor"], 1);
        };
        all();
        all();
        // The entry tells, whatever it is called by now.
        home.run(&["keychain", "rename", "mistral", "default", "other"]).succeeds();
        all();
        home.run(&["keychain", "remove", "mistral", "other"]).succeeds();
        assert_eq!(home.run(&["migrate", "--dry-run"]).status, 0);
    }

    #[test]
    fn a_key_moves_after_a_yes_and_comes_back_with_undo() {
        let home = with_key();
        let before = home.read(".zshrc");
        home.answer(&["y", "n"]);
        let ran = home.run(&["migrate", "--allow-file"]).succeeds();
        assert!(ran.err.contains("stored openai/default"), "{ran:?}");
        assert_eq!(home.read(".zshrc"), "alias ll='ls -l'\n");
        home.run(&["migrate", "undo"]).succeeds();
        assert_eq!(home.read(".zshrc"), before);
    }
    #[test]
    fn the_line_of_the_hook_goes_with_the_run_or_stays_as_the_person_says() {
        for (answers, stays) in [(&[][..], false), (&["y"], false), (&["n"], true)] {
            let home = with_key();
            let before = home.read(".zshrc");
            home.answer(&["y", "y"]);
            home.run(&["migrate", "--allow-file"]).succeeds();
            assert!(home.read(".zshrc").contains("ringlet hook"));
            home.answer(answers);
            let ran = home.run(&["migrate", "undo"]).succeeds();
            let now = home.read(".zshrc");
            assert_eq!(now.contains("ringlet hook"), stays, "{ran:?}");
            assert!(now.starts_with(&before) && (stays || now == before), "{now}");
            home.run(&["migrate", "undo"]).is_refused(1, "there is no run to take back");
        }
    }
}
