//! Stores the keys, reads each back, and only then rewrites the files: the one writer of the user's files.
//!
//! The order is what keeps every key: journal `planned`, store all, read each back through a fresh handle, journal
//! `stored`, then file by file through a temporary one, journal `done`. A process may be killed between any two
//! steps; `recover`, which runs before everything else, brings each state to one that a run starts from.

use super::MigrateError;
use super::edit::Cut;
use super::files::MAX_FILE;
use super::journal::{self, FileRecord, Journal, KeyRecord, Stage, digest};
use super::keyset::Key;
use super::made::{self, MadeFile};
use super::plan::{Plan, PlannedFile};
use super::replacement::{Content, Refusal, prepare, replace};
use super::seal::{CHECK, Seal, VALUE};
use super::tokens::Recorder;
use super::utf16::Encoding;
use crate::name::KeyName;
use crate::paths::Paths;
use crate::platform::{self, LockError};
use crate::secret::{Secret, same};
use crate::store::{Keys, StoreError};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// How one file ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Rewritten, and read again.
    Done,
    /// Rewritten, and not seen to be right afterwards.
    Doubtful(String),
    /// Left as it was, for this reason; its keys are in the store as well.
    Kept(String),
}

/// What a run did.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The keys, where each is, and whether it was stored now or was there already.
    pub keys: Vec<(KeyName, String, bool)>,
    /// The files.
    pub files: Vec<(PathBuf, End)>,
    /// The run's name.
    pub run: String,
    /// Compiled copies that were deleted, since zsh would go on loading the key from them.
    pub compiled: Vec<PathBuf>,
}

/// What a run works with.
pub(crate) struct Setup<'a> {
    /// Where the journals are.
    pub paths: &'a Paths,
    /// Opens the store anew.
    pub open: &'a dyn Fn() -> Keys,
    /// The run's name.
    pub run: String,
}

/// Takes the lock that lets one run work at a time; does not wait.
pub(crate) fn lock(paths: &Paths) -> Result<platform::Lock, MigrateError> {
    let folder = journal::folder(paths);
    let file = folder.join("lock");
    let failed = |error: io::Error| MigrateError::journal(file.clone(), error.to_string());
    platform::create_private_folder(&folder).map_err(failed)?;
    platform::lock_file(&file, Duration::ZERO).map_err(|error| match error {
        LockError::Busy { .. } => MigrateError::Busy,
        other => MigrateError::Lock(other),
    })
}

/// The journal of a run that was recovered before the question was asked, if nobody took it back since. Needs the lock.
pub(crate) fn still(paths: &Paths, run: &str) -> Result<Option<Journal>, MigrateError> {
    Ok(Journal::all(paths)?.runs.into_iter().find(|journal| journal.run == run && journal.stage == Stage::Done))
}

fn compiled(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".zwc");
    name.into()
}

// zsh loads `.zshrc.zwc` in place of `.zshrc` when it is not older, and the key is in it.
pub(super) fn remove_compiled(path: &Path) -> Result<Option<PathBuf>, MigrateError> {
    let file = compiled(path);
    match fs::remove_file(&file) {
        Ok(()) => Ok(Some(file)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(MigrateError::file(file, format!("still holds the key and cannot be removed: {error}"))),
    }
}

/// Carries the plan out. Needs the lock and a recovered state. An error means that no file was touched, unless it
/// says otherwise.
pub(crate) fn apply(setup: &Setup<'_>, plan: &Plan, continued: Option<Journal>) -> Result<Report, MigrateError> {
    let store = (setup.open)();
    let seal = Seal::new(store.private_secret()?);
    let mut journal = Journal::new(setup.run.clone(), store.place(), seal.of(CHECK, b""));
    if let Some(old) = &continued {
        (journal.keys, journal.files, journal.made) = (old.keys.clone(), old.files.clone(), old.made.clone());
    }
    let before = (journal.files.len(), journal.made.len());
    let already = before.0;
    let numbers = enlist(&mut journal, plan, &seal);
    let is_moved = |key: &KeyName| numbers.contains_key(key);
    let made: Vec<&MadeFile> = plan.made.iter().filter(|made| made.keys.iter().all(is_moved)).collect();
    made.iter().try_for_each(|made| made.check())?;
    let recorder = recorder(plan, &numbers, &seal);
    let mut report = Report { run: setup.run.clone(), ..Report::default() };
    let mut work = Vec::new();
    // The files that cannot be rewritten, each with the reason: those that share an account with one stay, too.
    let mut stuck: BTreeMap<PathBuf, String> = BTreeMap::new();
    for file in plan.files.iter().filter(|file| file.is_edited()) {
        match record(file, &recorder, &seal) {
            Some(record) => {
                journal.files.push(record);
                work.push(file);
            }
            None => {
                let why = "it cannot be written in its encoding";
                stuck.insert(file.target.clone(), why.to_owned());
                report.files.push((file.path.clone(), End::Kept(why.into())));
            }
        }
    }
    for made in &made {
        let keys: Vec<usize> = made.keys.iter().map(|key| numbers[key]).collect();
        let holds = |file: &&FileRecord| file.keys().iter().any(|key| keys.contains(key));
        let files = journal.files.iter().filter(holds).map(|file| file.path.clone()).collect();
        journal.made.push(made.record(keys, files)?);
    }
    journal.write(setup.paths)?;
    if let Some(old) = continued.filter(|old| old.run != journal.run) {
        old.drop_it(setup.paths)?;
    }
    if let Err(error) = store_all(setup, plan, &store, &mut report) {
        return Err(give_up(setup, journal, before, error));
    }
    journal.stage = Stage::Stored;
    journal.write(setup.paths)?;
    // The profiles first: a launcher that was rewritten must find its own.
    if let Err(error) = made.iter().try_for_each(|made| made.check().and_then(|()| made.write())) {
        return Err(give_up(setup, journal, before, error));
    }
    let prefix = journal.prefix();
    stuck.extend(refused(&work, &prefix));
    for (at, file) in work.iter().enumerate() {
        let at = already + at;
        let other = || file.partners.iter().find_map(|other| Some(of_account(other, stuck.get(other)?)));
        if let Some(why) = stuck.get(&file.target).cloned().or_else(other) {
            report.files.push((file.path.clone(), End::Kept(why)));
            continue;
        }
        let end = match rewrite(setup, &mut journal, at, file, &recorder, &seal) {
            Ok(()) => {
                journal.files[at].done = true;
                journal.write(setup.paths)?;
                End::Done
            }
            Err(Stop::Kept(why)) => {
                stuck.insert(file.target.clone(), why.clone());
                // An account goes whole or stays whole.
                for (other, own) in work.iter().enumerate().filter(|(_, own)| file.partners.contains(&own.target)) {
                    let record = &mut journal.files[already + other];
                    if record.done {
                        put_back(own, &prefix).map_err(|why| MigrateError::file(own.path.clone(), why))?;
                        record.done = false;
                        let ends = report.files.iter_mut().filter(|(path, _)| *path == own.path);
                        ends.for_each(|(_, end)| *end = End::Kept(of_account(&file.target, &why)));
                    }
                }
                End::Kept(why)
            }
            Err(Stop::Doubtful(why)) => {
                // It is rewritten all the same, and must stay in the journal to be taken back.
                journal.files[at].done = true;
                journal.write(setup.paths)?;
                End::Doubtful(why)
            }
            Err(Stop::Fatal(error)) => return Err(error),
        };
        if matches!(end, End::Done | End::Doubtful(_)) && journal.files[at].zsh {
            for path in [&file.path, &file.target] {
                match remove_compiled(path) {
                    Ok(gone) => report.compiled.extend(gone),
                    Err(error) => report.files.push((compiled(path), End::Kept(error.to_string()))),
                }
            }
        }
        report.files.push((file.path.clone(), end));
    }
    journal.files.retain(|file| file.done);
    // A file that was kept has its keys still, and what was made for it would give them to an agent that had none.
    made::drop_idle(&mut journal);
    journal.stage = Stage::Done;
    if journal.is_empty() {
        journal.drop_it(setup.paths)?
    } else {
        journal.write(setup.paths)?
    }
    Ok(report)
}

/// Returns the name of a run that begins now. One process may make several in the same moment.
pub(crate) fn run_name(paths: &Paths, now: Timestamp) -> String {
    let name = format!("{}-{}", now.strftime("%Y%m%dT%H%M%S%6fZ"), std::process::id());
    let folder = journal::folder(paths);
    let is_free = |name: &String| folder.join(name).symlink_metadata().is_err();
    let numbered = (2..).map(|number: u32| format!("{name}-{number}"));
    std::iter::once(name.clone()).chain(numbered).find(is_free).expect("numbers do not end")
}

/// Writes files of Ringlet's own in a run without keys, to which [`add_line`] may add a line. `undo` takes both back.
/// An error means that nothing was changed. Needs the lock and a recovered state.
pub(crate) fn set_up(paths: &Paths, run: &str, made: &[MadeFile]) -> Result<(), MigrateError> {
    made.iter().try_for_each(MadeFile::check)?;
    // Without keys nothing of the store is needed, and it may be locked.
    let mut journal = Journal::new(run.to_owned(), String::new(), String::new());
    journal.made = made.iter().map(|made| made.record(Vec::new(), Vec::new())).collect::<Result<_, _>>()?;
    journal.stage = Stage::Stored;
    journal.write(paths)?;
    if let Err(error) = made.iter().try_for_each(MadeFile::write) {
        journal.made.iter().rev().for_each(|made| drop(made.take_back()));
        // The first error is what the user must know of.
        drop(journal.drop_it(paths));
        return Err(error);
    }
    journal.stage = Stage::Done;
    journal.write(paths)
}

/// Has the journal of a run keep a file that was made for it, so that `undo` takes it back. Needs the lock.
pub(crate) fn also_made(paths: &Paths, run: &str, path: &Path) -> Result<(), MigrateError> {
    let Some(mut journal) = still(paths, run)? else { return Ok(()) };
    let read = platform::read_file(path, MAX_FILE);
    let after = read.map_err(|error| MigrateError::file(path.to_owned(), format!("cannot be read: {error}")))?.bytes;
    let made = MadeFile { path: path.to_owned(), before: None, after, keys: Vec::new() };
    journal.made.push(made.record(Vec::new(), Vec::new())?);
    journal.write(paths)
}

/// Takes the journal of a run away that has done nothing. Returns whether there is something to take back.
pub(crate) fn drop_if_empty(paths: &Paths, run: &str) -> Result<bool, MigrateError> {
    match still(paths, run)? {
        Some(journal) if journal.is_empty() => journal.drop_it(paths).map(|()| false),
        found => Ok(found.is_some()),
    }
}

// Ends a run that has rewritten no file: takes back what it made. What is in the store now is used again by the next
// one. The journal keeps what it had of a run that was continued.
fn give_up(
    setup: &Setup<'_>,
    mut journal: Journal,
    (files, made): (usize, usize),
    error: MigrateError,
) -> MigrateError {
    for made in journal.made.drain(made..).rev() {
        made.take_back();
    }
    journal.files.truncate(files);
    journal.stage = Stage::Done;
    let ended = if journal.is_empty() { journal.drop_it(setup.paths) } else { journal.write(setup.paths) };
    // The first error is what the user must know of; the next run tries the journal again.
    drop(ended);
    error
}

// The run's keys behind those of the run it continues; the same key keeps its number.
fn enlist(journal: &mut Journal, plan: &Plan, seal: &Seal) -> BTreeMap<KeyName, usize> {
    let known = journal.keys.iter().enumerate().rev();
    let mut known: HashMap<(String, String), usize> =
        known.map(|(number, key)| ((key.name.clone(), key.hmac.clone()), number)).collect();
    let mut numbers = BTreeMap::new();
    for key in plan.keys.iter() {
        let name = key.name.to_string();
        let hmac = seal.of(VALUE, &key.value);
        let number = *known.entry((name.clone(), hmac.clone())).or_insert_with(|| {
            let variables = key.variables.iter().cloned().collect();
            journal.keys.push(KeyRecord { name, hmac, variables });
            journal.keys.len() - 1
        });
        numbers.insert(key.name.clone(), number);
    }
    numbers
}

// Every value of the plan, those that are only reported among them: none may be written down.
fn recorder<'a>(plan: &'a Plan, numbers: &BTreeMap<KeyName, usize>, seal: &'a Seal) -> Recorder<'a> {
    let moved = plan.keys.iter().map(|key| Key { value: &key.value, number: numbers.get(&key.name).copied() });
    let seen = plan.files.iter().flat_map(|file| &file.findings).filter(|placed| placed.name.is_err());
    let seen = seen.map(|placed| Key { value: &placed.finding.value, number: None });
    Recorder::new(moved.chain(seen).filter(|key| !key.value.is_empty()).collect(), seal)
}

fn record(file: &PlannedFile, recorder: &Recorder<'_>, seal: &Seal) -> Option<FileRecord> {
    let texts = (file.snapshot.bytes.as_slice(), file.after.as_slice());
    let mut record = FileRecord::new(&file.target, texts, file.encoding, &file.cuts, recorder, seal)?;
    record.store = file.store;
    record.in_place = file.snapshot.links > 1;
    record.zsh = file.is_zsh();
    record.partners = file.partners.clone();
    Some(record)
}

fn store_all(setup: &Setup<'_>, plan: &Plan, store: &Keys, report: &mut Report) -> Result<(), MigrateError> {
    for key in &plan.keys {
        if !key.there {
            // Between plan and now somebody may have stored another key under the name.
            match store.contains(&key.name)? {
                false => store.set(&key.name, &Secret::new(key.value.to_vec()))?,
                true if same(store.get(&key.name)?.expose(), &key.value) => {}
                true => return Err(MigrateError::Taken(key.name.clone())),
            }
        }
        report.keys.push((key.name.clone(), store.place_of(&key.name), !key.there));
    }
    // A fresh handle: what the first one remembers proves nothing.
    let fresh = (setup.open)();
    for key in &plan.keys {
        let lost = |how| MigrateError::ReadBack { key: key.name.clone(), place: fresh.place_of(&key.name), how };
        match fresh.get(&key.name) {
            Ok(found) if same(found.expose(), &key.value) => {}
            Ok(_) => return Err(lost("gave it back changed")),
            Err(StoreError::NotFound { .. }) => return Err(lost("has lost it")),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Why a file was not rewritten.
pub(crate) enum Stop {
    /// It is as it was.
    Kept(String),
    /// It was rewritten, and could not be looked at afterwards or is not what it should be.
    Doubtful(String),
    /// The run cannot go on.
    Fatal(MigrateError),
}

fn rewrite(
    setup: &Setup<'_>,
    journal: &mut Journal,
    at: usize,
    file: &PlannedFile,
    recorder: &Recorder<'_>,
    seal: &Seal,
) -> Result<(), Stop> {
    let prefix = journal.prefix();
    let kept = || Stop::Kept("it cannot be written in its encoding".into());
    let [before, after] = file.images().ok_or_else(kept)?;
    match replace(&content(file, &before, &after), &prefix) {
        Err(Refusal::Changed) => {}
        done => return ended(done, file, &after),
    }
    // It changed since the plan: planned again, once. The keys in it must be ones that are stored by now.
    let changed = || Stop::Kept("it was changed meanwhile; run `ringlet migrate` again".into());
    let again = file.again().map_err(|_| changed())?;
    let mut record = record(&again, recorder, seal).ok_or_else(changed)?;
    std::mem::swap(&mut record, &mut journal.files[at]);
    journal.write(setup.paths).map_err(Stop::Fatal)?;
    let [before, after] = again.images().ok_or_else(kept)?;
    match replace(&content(&again, &before, &after), &prefix) {
        Err(Refusal::Changed) => Err(changed()),
        done => ended(done, &again, &after),
    }
}

fn of_account(file: &Path, why: &str) -> String {
    format!("an account in it takes part in {} as well, and that {why}", file.display())
}

// Of the files that are rewritten together those that cannot be, each with the reason. Nothing is changed.
fn refused(work: &[&PlannedFile], prefix: &str) -> BTreeMap<PathBuf, String> {
    let why = |file: &&&PlannedFile| {
        let [before, after] = file.images()?;
        let why = match prepare(&content(file, &before, &after), prefix) {
            Ok(_) => return None,
            Err(Refusal::Changed) => "it was changed meanwhile; run `ringlet migrate` again".to_owned(),
            Err(Refusal::Because(why) | Refusal::Torn(why)) => why,
        };
        Some((file.target.clone(), why))
    };
    work.iter().filter(|file| !file.partners.is_empty()).filter_map(|file| why(&file)).collect()
}

// Gives a file that was rewritten its content from before.
fn put_back(file: &PlannedFile, prefix: &str) -> Result<(), String> {
    let [before, after] = file.images().ok_or("cannot be written in its encoding")?;
    let now = platform::read_snapshot(&file.target, MAX_FILE).map_err(|error| format!("cannot be read: {error}"))?;
    let (path, target, stamp, links) = (&file.path, &file.target, &now.stamp, now.links);
    let content = Content { path, target, stamp, links, before: &after, after: &before };
    replace(&content, prefix).map_err(Refusal::why)
}

fn ended(done: Result<(), Refusal>, file: &PlannedFile, after: &[u8]) -> Result<(), Stop> {
    done.map_err(|refusal| match refusal {
        Refusal::Changed => Stop::Kept("it was changed meanwhile".into()),
        Refusal::Because(why) => Stop::Kept(why),
        Refusal::Torn(why) => Stop::Fatal(MigrateError::file(file.target.clone(), why)),
    })?;
    // Read and parsed anew: what is on disk must be what was planned, and hold nothing that a second run would move.
    let now = platform::read_snapshot(&file.target, MAX_FILE)
        .map_err(|error| Stop::Doubtful(format!("cannot be read again: {error}")))?;
    if digest(&now.bytes) != digest(after) {
        return Err(Stop::Doubtful("is not what it should be; `ringlet migrate undo` takes it back".into()));
    }
    Ok(())
}

fn content<'a>(file: &'a PlannedFile, before: &'a [u8], after: &'a [u8]) -> Content<'a> {
    let PlannedFile { path, target, snapshot, .. } = file;
    Content { path, target, stamp: &snapshot.stamp, links: snapshot.links, before, after }
}

/// Adds a line at the end of a file of the user's, as carefully as [`replace`] does; makes the file if there is none.
/// The journal of the run keeps it, so that `undo` takes it out again. Needs the lock.
pub(crate) fn add_line(
    paths: &Paths,
    open: &dyn Fn() -> Keys,
    run: &str,
    path: &Path,
    line: &str,
) -> Result<(), String> {
    let failed = |error: MigrateError| format!("stays as it is: {error}");
    let journal = still(paths, run).map_err(failed)?;
    let mut journal = journal.ok_or("stays as it is: the run was taken back meanwhile")?;
    let target = match path.canonicalize() {
        Ok(target) => target,
        Err(_) if path.symlink_metadata().is_ok() => return Err("is a symlink to nothing".into()),
        Err(_) => {
            let after = format!("{line}\n").into_bytes();
            let made = MadeFile { path: path.to_owned(), before: None, after, keys: Vec::new() };
            journal.made.push(made.record(Vec::new(), Vec::new()).map_err(failed)?);
            journal.write(paths).map_err(failed)?;
            return make_with(path, line).map_err(|error| format!("cannot be made: {error}"));
        }
    };
    let snapshot = platform::read_snapshot(&target, MAX_FILE).map_err(|error| format!("cannot be read: {error}"))?;
    if !snapshot.ours {
        return Err("belongs to another user".into());
    }
    // UTF-16, or no text at all.
    if snapshot.bytes.contains(&0) {
        return Err("is not written in UTF-8".into());
    }
    let before = &snapshot.bytes;
    // Another process may have added it meanwhile.
    if before.split(|byte| *byte == b'\n').any(|own| own.trim_ascii_end() == line.as_bytes()) {
        return Ok(());
    }
    // A POSIX shell takes a carriage return for a part of the line.
    let is_powershells = target.extension().is_some_and(|ending| ending == "ps1");
    let ending = if is_powershells && before.ends_with(b"\r\n") { "\r\n" } else { "\n" };
    let gap = if before.is_empty() || before.ends_with(b"\n") { "" } else { ending };
    let with = format!("{gap}{line}{ending}").into_bytes();
    let after = Zeroizing::new([before.as_slice(), &with].concat());
    let seal = match journal.is_sealed() {
        true => Seal::new(open().private_secret().map_err(|error| failed(error.into()))?),
        false => Seal::of_run(run),
    };
    let added = [Cut { span: before.len()..before.len(), with }];
    let recorder = Recorder::new(Vec::new(), &seal);
    let record = FileRecord::new(&target, (before, &after), Encoding::Bytes, &added, &recorder, &seal);
    let mut record = record.expect("nothing is taken out");
    record.in_place = snapshot.links > 1;
    journal.files.push(record);
    journal.write(paths).map_err(failed)?;
    let (stamp, links) = (&snapshot.stamp, snapshot.links);
    let done = replace(&Content { path, target: &target, stamp, links, before, after: &after }, &journal.prefix());
    let done = done.map_err(Refusal::why);
    match &done {
        Ok(()) => journal.files.iter_mut().for_each(|file| file.done = true),
        Err(_) => drop(journal.files.pop()),
    }
    journal.write(paths).map_err(failed)?;
    done
}

// A crash leaves no file, an empty one, or the whole line.
fn make_with(path: &Path, line: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    let mut file = fs::File::create_new(path)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
