//! Takes a run back: puts the removed bytes where they stood, with the keys from the store, statement by statement.
//!
//! Only the very values come back (their HMAC must match) and only to places that are certain: the file is as the run
//! left it, or `context` finds the one place. What cannot come back is left in the journal and named, so that a later
//! undo does the rest. The keys stay in the store. Needs the lock and a recovered state.

use super::MigrateError;
use super::context::{Image, Lost};
use super::entries::{self, Store};
use super::files::MAX_FILE;
use super::journal::{CutRecord, FileRecord, Journal, KeyRecord, Pending, Stage, digest};
use super::made::{self, MadeEnd};
use super::replacement::{Content, Refusal, replace};
use super::seal::{CHECK, Seal, VALUE};
use super::tokens::{self, Token};
use super::utf16::Encoding;
use crate::name::KeyName;
use crate::paths::Paths;
use crate::platform;
use crate::secret::Secret;
use crate::store::{Keys, StoreError};
use memchr::memmem;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Undone {
    /// Its name.
    pub run: String,
    /// Its files.
    pub files: Vec<UndoneFile>,
    /// What the run made: profiles, settings, start files.
    pub made: Vec<(PathBuf, MadeEnd)>,
    /// The keys that have another name by now.
    pub renamed: Vec<Renamed>,
}

/// What became of one file.
#[derive(Debug)]
pub(crate) struct UndoneFile {
    /// The file.
    pub path: PathBuf,
    /// What stands where it stood.
    pub back: Vec<Statement>,
    /// What does not, and why.
    pub left: Vec<(Statement, Why)>,
}

/// Something that a run took out of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The line in which it stood before the run, counted from 1; 0 where that is not known.
    pub line: usize,
    /// The names of the keys in it.
    pub keys: Vec<String>,
    /// Its text, with `<provider/alias>` in place of each key.
    pub text: String,
    /// Whether the run put it in, so that undo takes it out.
    pub added: bool,
}

/// Why something did not come back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
    /// There is no certain place for it.
    #[error("the lines around it were edited since")]
    Edited,
    /// There are several.
    #[error("there is more than one place for it")]
    Ambiguous,
    /// It has an entry of that name, or cannot be read.
    #[error("its agent has written the file since, and the entry cannot be put into it")]
    Store,
    /// The entry holds another key.
    #[error("{0} holds another key by now, and no entry holds the old one")]
    Rotated(String),
    /// There is no such entry.
    #[error("{name} is no longer in {place}, and no other entry holds its key")]
    Gone {
        /// The entry.
        name: String,
        /// The store.
        place: String,
    },
    /// The store does not give it.
    #[error("{name} cannot be read: {why}")]
    Unread {
        /// The entry.
        name: String,
        /// What the store says.
        why: String,
    },
    /// The key may not be given to a file.
    #[error("{0} is for brokered launches alone")]
    Brokered(String),
    /// The file cannot be changed.
    #[error("the file {0}")]
    File(String),
    /// The journal contradicts itself.
    #[error("the journal is damaged there")]
    Damaged,
}

impl Why {
    /// The reason in one word, for programs.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Ambiguous => "ambiguous",
            Self::Store => "store",
            Self::Rotated(_) => "rotated",
            Self::Gone { .. } => "gone",
            Self::Unread { .. } => "unread",
            Self::Brokered(_) => "brokered",
            Self::File(_) => "file",
            Self::Damaged => "damaged",
        }
    }
}

impl From<Lost> for Why {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Edited => Self::Edited,
            Lost::Twice => Self::Ambiguous,
        }
    }
}

/// The keys of a run by their numbers, or why one cannot be had.
type Values = [Result<Secret, Why>];

/// The run's name of a key, and that of the entry which holds it by now.
type Renamed = (String, KeyName);

// A store with more entries is not searched to its end for a key that was renamed.
const MOST_ENTRIES: usize = 10_000;

/// Takes a run back: the named one, or the latest that can be. `consents` is asked if the run made files or added
/// lines: whether these go, too. `is_held` tells the keys that no file may get.
pub(crate) fn undo(
    paths: &Paths,
    store: &Keys,
    is_held: &dyn Fn(&KeyName) -> bool,
    run: Option<&str>,
    consents: &dyn Fn() -> bool,
) -> Result<Undone, MigrateError> {
    let mut journal = choose(paths, run)?;
    // What a killed run did not come to is as it was.
    journal.files.retain(|file| file.done);
    let seal = match journal.is_sealed() || !journal.keys.is_empty() {
        true => Seal::new(store.private_secret()?),
        false => Seal::of_run(&journal.run),
    };
    if journal.is_sealed() && !seal.matches(CHECK, b"", &journal.check) {
        return Err(MigrateError::Sealed { run: journal.run, place: journal.place });
    }
    let (values, renamed) = values(store, is_held, &seal, &journal.keys);
    let adds = |file: &FileRecord| !file.undone && file.is_addition();
    let makes = journal.made.iter().any(|made| !made.undone) || journal.files.iter().any(adds);
    let kept = makes && !consents();
    let mut made: Vec<(PathBuf, MadeEnd)> = Vec::new();
    if kept {
        // They are the user's own from here on.
        made.extend(made::keep(&mut journal).into_iter().map(|path| (path, MadeEnd::Kept)));
        journal.files.iter_mut().filter(|file| adds(file)).for_each(|file| file.undone = true);
    }
    // From here on a killed run may leave a temporary file with keys in it; the next one looks for it.
    journal.stage = Stage::Undoing;
    journal.write(paths)?;
    let mut files = Vec::new();
    // The latest first: a file may stand in a run twice, when one continued another.
    for at in (0..journal.files.len()).rev() {
        if !journal.files[at].undone {
            files.push(restore(paths, &mut journal, at, &values, &seal)?);
        }
    }
    files.reverse();
    made.extend(made::take_back(paths, &mut journal)?);
    journal.stage = if journal.is_undone() { Stage::Undone } else { Stage::Done };
    journal.write(paths)?;
    Ok(Undone { run: journal.run, files, made, renamed })
}

fn choose(paths: &Paths, run: Option<&str>) -> Result<Journal, MigrateError> {
    let mut journals = Journal::all(paths)?;
    let found = match run {
        Some(run) => journals.runs.iter().position(|journal| journal.run == run),
        None => journals.runs.iter().rposition(is_open),
    };
    let latest = found.map(|at| journals.runs[at].run.as_str());
    // What cannot be read may be what was meant.
    let meant = journals.unread.iter().rfind(|unread| match run {
        Some(run) => unread.run == run,
        None => latest.is_none_or(|latest| unread.run.as_str() > latest),
    });
    if let Some(unread) = meant {
        return Err(MigrateError::journal(unread.file.clone(), unread.why.clone()));
    }
    let Some(at) = found else { return Err(MigrateError::NoRun(run.map(str::to_owned))) };
    let journal = journals.runs.swap_remove(at);
    if journal.stage == Stage::Undone {
        return Err(MigrateError::Already(journal.run));
    }
    Ok(journal)
}

// A recovered run that was killed is over as well, or has half of an account.
fn is_open(journal: &Journal) -> bool {
    matches!(journal.stage, Stage::Done | Stage::Stored)
}

// The values that the run stored. One that is not under its name is looked for under every other.
fn values(
    store: &Keys,
    is_held: &dyn Fn(&KeyName) -> bool,
    seal: &Seal,
    keys: &[KeyRecord],
) -> (Vec<Result<Secret, Why>>, Vec<Renamed>) {
    let mut values: Vec<Result<Secret, Why>> = keys.iter().map(|key| value(store, is_held, seal, key)).collect();
    let mut renamed = Vec::new();
    let sought = |value: &Result<Secret, Why>| matches!(value, Err(Why::Rotated(_) | Why::Gone { .. }));
    if values.iter().any(sought) {
        for name in store.names().unwrap_or_default().into_iter().take(MOST_ENTRIES) {
            let Ok(found) = store.get(&name) else { continue };
            let is_held = is_held(&name);
            for (key, value) in keys.iter().zip(&mut values) {
                if sought(value) && seal.matches(VALUE, found.expose(), &key.hmac) {
                    *value = match is_held {
                        true => Err(Why::Brokered(name.to_string())),
                        false => Ok(Secret::new(found.expose().to_vec())),
                    };
                    renamed.push((key.name.clone(), name.clone()));
                }
            }
            if !values.iter().any(sought) {
                break;
            }
        }
    }
    (values, renamed)
}

fn value(store: &Keys, is_held: &dyn Fn(&KeyName) -> bool, seal: &Seal, key: &KeyRecord) -> Result<Secret, Why> {
    let name: KeyName = key.name.parse().map_err(|_| Why::Damaged)?;
    if is_held(&name) {
        return Err(Why::Brokered(key.name.clone()));
    }
    match store.get(&name) {
        Ok(found) if seal.matches(VALUE, found.expose(), &key.hmac) => Ok(found),
        Ok(_) => Err(Why::Rotated(key.name.clone())),
        Err(StoreError::NotFound { .. }) => Err(Why::Gone { name: key.name.clone(), place: store.place_of(&name) }),
        Err(error) => Err(Why::Unread { name: key.name.clone(), why: error.to_string() }),
    }
}

// Puts back what can be, and writes down first what that is.
fn restore(
    paths: &Paths,
    journal: &mut Journal,
    at: usize,
    values: &Values,
    seal: &Seal,
) -> Result<UndoneFile, MigrateError> {
    let (prefix, keys) = (journal.prefix(), journal.keys.clone());
    let file = journal.files[at].clone();
    let statement = |cut: &CutRecord| Statement::of(cut, &keys);
    let ended = |back: Vec<usize>, left: Vec<(usize, Why)>| UndoneFile {
        path: file.path.clone(),
        back: back.into_iter().map(|at| statement(&file.cuts[at])).collect(),
        left: left.into_iter().map(|(at, why)| (statement(&file.cuts[at]), why)).collect(),
    };
    let all = || (0..file.cuts.len()).collect::<Vec<_>>();
    let none = |why: String| ended(vec![], all().into_iter().map(|at| (at, Why::File(why.clone()))).collect());
    let (target, snapshot) = match open(&file) {
        Ok(opened) => opened,
        Err(why) => return Ok(none(why)),
    };
    if file.before.as_ref() == Some(&digest(&snapshot.bytes)) {
        journal.files[at].undone = true;
        journal.files[at].cuts.clear();
        journal.write(paths)?;
        return Ok(ended(all(), vec![]));
    }
    let is_out = |cut: &CutRecord| memmem::find(&snapshot.bytes, cut.with.trim().as_bytes()).is_none();
    if file.is_addition() && file.cuts.iter().all(is_out) {
        journal.files[at].undone = true;
        journal.write(paths)?;
        return Ok(ended(all(), vec![]));
    }
    let restored = match image(&file, &snapshot.bytes, values, seal) {
        Ok(restored) => restored,
        Err(why) => return Ok(none(why)),
    };
    if restored.back.is_empty() {
        return Ok(ended(vec![], restored.left));
    }
    journal.files[at].pending = Some(Box::new(Pending {
        from: digest(&snapshot.bytes),
        size: snapshot.bytes.len() as u64,
        after: digest(&restored.bytes),
        before: restored.before.clone(),
        cuts: restored.cuts.clone(),
    }));
    journal.write(paths)?;
    let (stamp, links) = (&snapshot.stamp, snapshot.links);
    let (before, after) = (&snapshot.bytes, &restored.bytes);
    let content = Content { path: &file.path, target: &target, stamp, links, before, after };
    let written = replace(&content, &prefix).map_err(Refusal::why);
    let seen = written.and_then(|()| match platform::read_snapshot(&target, MAX_FILE) {
        Ok(now) if *now.bytes == **after => Ok(()),
        Ok(_) => Err("was written and is not what it should be".to_owned()),
        Err(error) => Err(format!("cannot be read again: {error}")),
    });
    match seen {
        Ok(()) => journal.files[at].settle_pending(),
        Err(why) => {
            journal.files[at].pending = None;
            journal.write(paths)?;
            return Ok(none(why));
        }
    }
    journal.write(paths)?;
    Ok(ended(restored.back, restored.left))
}

fn open(file: &FileRecord) -> Result<(PathBuf, platform::Snapshot), String> {
    let target = file.path.canonicalize().map_err(|error| format!("cannot be found: {error}"))?;
    if target != file.path {
        return Err("is now a symlink".into());
    }
    let snapshot = platform::read_snapshot(&target, MAX_FILE).map_err(|error| format!("cannot be read: {error}"))?;
    if !snapshot.ours {
        return Err("belongs to another user".into());
    }
    Ok((target, snapshot))
}

/// A file with all of its statements put back that can be.
pub(crate) struct Restored {
    /// The content.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The cuts that are back, by their places in the record.
    pub back: Vec<usize>,
    /// The others, and why.
    pub left: Vec<(usize, Why)>,
    /// The record of the others in the new content.
    pub cuts: Vec<CutRecord>,
    /// The digest that the content gets once the others are back as well, where that is known.
    pub before: Option<String>,
}

/// Puts back what can be into `now`, the file's content. Where nobody has changed it and everything comes back, the
/// result is the very content from before the run, or an error.
pub(crate) fn image(file: &FileRecord, now: &[u8], values: &Values, seal: &Seal) -> Result<Restored, String> {
    let same = digest(now) == file.after;
    if let Some(store) = file.store
        && !(same && file.cuts.iter().all(|cut| cut.at.is_some() && refill(&cut.removed, values, seal).is_ok()))
    {
        return Ok(into_store(file, now, values, seal, store));
    }
    let (encoding, text) = Encoding::decode(now);
    if encoding != file.encoding && !file.encoding.is_bytes() {
        return Err("is not written in the encoding that it had".into());
    }
    let now = text.as_deref().filter(|_| !file.encoding.is_bytes()).map_or(now, Vec::as_slice);
    let mut lines = None;
    let mut left: Vec<(usize, Why)> = Vec::new();
    let mut places: Vec<(usize, usize)> = Vec::new();
    for (number, cut) in file.cuts.iter().enumerate() {
        let found = match cut.at {
            Some(at) if same => Ok(at),
            _ => lines.get_or_insert_with(|| Image::new(now, seal)).find(&cut.context, cut.with.as_bytes()),
        };
        match found {
            Ok(at) => places.push((at, number)),
            Err(lost) => left.push((number, lost.into())),
        }
    }
    // Lines may have been moved. Statements of one place keep their order.
    places.sort_unstable();
    let mut bytes = Zeroizing::new(Vec::with_capacity(now.len() + (places.len() << 7)));
    let (mut at, mut back, mut waiting) = (0, Vec::new(), Vec::new());
    for (place, number) in places {
        let with = file.cuts[number].with.as_bytes();
        // A damaged journal may name a place behind every file's end.
        let replaced = place..place.saturating_add(with.len());
        if place < at || now.get(replaced.clone()) != Some(with) {
            left.push((number, if same { Why::Damaged } else { Why::Edited }));
            continue;
        }
        bytes.extend_from_slice(&now[at..place]);
        at = replaced.end;
        match refill(&file.cuts[number].removed, values, seal) {
            Ok(piece) => {
                bytes.extend_from_slice(&piece);
                back.push(number);
            }
            Err(why) => {
                waiting.push((number, bytes.len()));
                bytes.extend_from_slice(with);
                left.push((number, why));
            }
        }
    }
    bytes.extend_from_slice(&now[at..]);
    let before = file.before.clone().filter(|_| same);
    let text = bytes;
    let bytes = file.encoding.encode(&text).ok_or("does not come out as it was")?;
    if left.is_empty() && before.as_ref().is_some_and(|before| *before != digest(&bytes)) {
        return Err("does not come out as it was".into());
    }
    back.sort_unstable();
    left.sort_by_key(|(number, _)| *number);
    let cuts = remaining(file, &text, &left, &waiting, seal);
    Ok(Restored { bytes, back, left, cuts, before })
}

// Puts entries back into a store that its agent has written since, or of which some cannot be had: a place among lines
// is none in JSON.
fn into_store(file: &FileRecord, now: &[u8], values: &Values, seal: &Seal, store: Store) -> Restored {
    let mut restored = Restored {
        bytes: Zeroizing::new(now.to_vec()),
        back: Vec::new(),
        left: Vec::new(),
        cuts: Vec::new(),
        before: None,
    };
    for (number, cut) in file.cuts.iter().enumerate() {
        let put = refill(&cut.removed, values, seal)
            .and_then(|entry| entries::put_back(&restored.bytes, &entry, store).ok_or(Why::Store));
        match put {
            Ok(bytes) => {
                restored.bytes = bytes;
                restored.back.push(number);
            }
            Err(why) => {
                restored.left.push((number, why));
                restored.cuts.push(CutRecord { at: None, ..cut.clone() });
            }
        }
    }
    restored
}

// What is left, as it stands in the new content. A place that was not found keeps what was known of it.
fn remaining(
    file: &FileRecord,
    bytes: &[u8],
    left: &[(usize, Why)],
    waiting: &[(usize, usize)],
    seal: &Seal,
) -> Vec<CutRecord> {
    let lines = (!waiting.is_empty()).then(|| Image::new(bytes, seal));
    let mut places: Vec<(usize, usize)> = waiting.to_vec();
    places.sort_unstable();
    let cut = |(number, _): &(usize, Why)| {
        let cut = file.cuts[*number].clone();
        let place = places.binary_search_by_key(number, |(number, _)| *number).map(|index| places[index].1);
        match (place, &lines) {
            (Ok(at), Some(lines)) => {
                let context = lines.context(at, cut.with.len(), cut.context.whole);
                CutRecord { at: Some(at), context, ..cut }
            }
            _ => CutRecord { at: None, ..cut },
        }
    };
    left.iter().map(cut).collect()
}

fn refill(removed: &[Token], values: &Values, seal: &Seal) -> Result<Zeroizing<Vec<u8>>, Why> {
    for token in removed {
        if let Token::Piece(key, ..) | Token::Escaped(key, ..) = token
            && let Some(Err(why)) = values.get(*key)
        {
            return Err(why.clone());
        }
    }
    let of = |number: usize| values.get(number)?.as_ref().ok().map(Secret::expose);
    tokens::restore(removed, &of, seal).ok_or(Why::Damaged)
}

impl Statement {
    fn of(cut: &CutRecord, keys: &[KeyRecord]) -> Self {
        let (mut names, mut text): (Vec<String>, _) = (Vec::new(), String::new());
        let mut last = None;
        for token in &cut.removed {
            let key = match token {
                Token::Text(syntax) => {
                    // Quotes and continued lines within a key are left out with it.
                    text.push_str(syntax);
                    None
                }
                Token::Bytes(_) | Token::Locked(_) => {
                    text.push_str("...");
                    None
                }
                Token::Piece(key, ..) | Token::Escaped(key, ..) => Some(*key),
            };
            if let Some(key) = key.filter(|key| last != Some(*key)) {
                let name = keys.get(key).map_or("", |key| key.name.as_str());
                text.push_str(&format!("<{name}>"));
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
            last = key;
        }
        let added = cut.removed.is_empty();
        let text = if added { cut.with.trim() } else { text.trim() };
        Self { line: cut.number, keys: names, text: text.to_owned(), added }
    }
}

#[cfg(test)]
mod tests;
