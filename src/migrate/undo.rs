//! Takes a run back: puts the removed bytes where they stood, with the keys from the store.
//!
//! Only the very values come back (their HMAC must match) and only to places that are certain: the file is as the run
//! left it, or each cut's line and the one above it are found exactly once. The keys stay in the store. Needs the
//! lock and a recovered state.

use super::MigrateError;
use super::apply::{Content, Refusal, replace};
use super::files::MAX_FILE;
use super::journal::{CHECK, CutRecord, FileRecord, Journal, LINE, Seal, Stage, VALUE, digest};
use super::tokens;
use crate::name::KeyName;
use crate::paths::Paths;
use crate::platform;
use crate::secret::Secret;
use crate::store::{Keys, StoreError};
use std::collections::HashMap;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// What became of each file.
#[derive(Debug)]
pub(crate) struct Undone {
    /// The files: taken back, or why not.
    pub files: Vec<(PathBuf, Result<(), String>)>,
}

/// Takes a run back: the named one, or the latest that can be.
pub(crate) fn undo(paths: &Paths, store: &Keys, run: Option<&str>) -> Result<Undone, MigrateError> {
    let mut journals = Journal::all(paths)?;
    let found = match run {
        Some(run) => journals.iter().position(|journal| journal.run == run),
        None => journals.iter().rposition(|journal| journal.stage == Stage::Done),
    };
    let Some(at) = found else { return Err(MigrateError::NoRun(run.map(str::to_owned))) };
    let mut journal = journals.swap_remove(at);
    if journal.stage == Stage::Undone {
        return Err(MigrateError::Already(journal.run));
    }
    let seal = Seal::new(store.private_secret()?);
    if !seal.matches(CHECK, b"", &journal.check) {
        return Err(MigrateError::Sealed { run: journal.run, place: journal.place });
    }
    let values: Vec<Result<Secret, String>> = journal.keys.iter().map(|key| value(store, &seal, key)).collect();
    // From here on a killed run may leave a temporary file with keys in it; the next one looks for it.
    journal.stage = Stage::Undoing;
    journal.write(paths)?;
    let mut report = Undone { files: Vec::new() };
    let prefix = journal.prefix();
    // The latest first: a file may stand in a run twice, when one continued another.
    for at in (0..journal.files.len()).rev() {
        if journal.files[at].undone {
            continue;
        }
        let done = restore(&journal.files[at], &values, &seal, &prefix);
        if done.is_ok() {
            journal.files[at].undone = true;
            journal.write(paths)?;
        }
        report.files.push((journal.files[at].path.clone(), done));
    }
    report.files.reverse();
    let whole = journal.files.iter().all(|file| file.undone);
    journal.stage = if whole { Stage::Undone } else { Stage::Done };
    journal.write(paths)?;
    Ok(report)
}

fn value(store: &Keys, seal: &Seal, key: &super::journal::KeyRecord) -> Result<Secret, String> {
    let name: KeyName = key.name.parse().map_err(|_| format!("the journal names no key: {}", key.name))?;
    match store.get(&name) {
        Ok(found) if seal.matches(VALUE, found.expose(), &key.hmac) => Ok(found),
        Ok(_) => Err(format!("{name} was rotated since")),
        Err(StoreError::NotFound { .. }) => Err(format!("{name} is no longer in {}", store.place())),
        Err(error) => Err(error.to_string()),
    }
}

fn restore(file: &FileRecord, values: &[Result<Secret, String>], seal: &Seal, prefix: &str) -> Result<(), String> {
    let target = file.path.canonicalize().map_err(|error| format!("cannot be found: {error}"))?;
    if target != file.path {
        return Err("is now a symlink".into());
    }
    let snapshot = platform::read_snapshot(&target, MAX_FILE).map_err(|error| format!("cannot be read: {error}"))?;
    if !snapshot.ours {
        return Err("belongs to another user".into());
    }
    if digest(&snapshot.bytes) == file.before {
        return Ok(());
    }
    let after = image(file, &snapshot.bytes, values, seal)?;
    let (stamp, links) = (&snapshot.stamp, snapshot.links);
    let content = Content { path: &file.path, target: &target, stamp, links, before: &snapshot.bytes, after: &after };
    replace(&content, prefix).map_err(|refusal| match refusal {
        Refusal::Changed => "was changed meanwhile; run `ringlet migrate undo` again".into(),
        Refusal::Because(why) | Refusal::Torn(why) => why,
    })?;
    let now = platform::read_snapshot(&target, MAX_FILE).map_err(|error| format!("cannot be read again: {error}"))?;
    if *now.bytes == *after { Ok(()) } else { Err("was written and is not what it should be".into()) }
}

/// The content of a file with the removed bytes back in their places, or why that is not certain. `now` is its content;
/// where nobody has changed it, the result is the very content from before the run.
pub(crate) fn image(
    file: &FileRecord,
    now: &[u8],
    values: &[Result<Secret, String>],
    seal: &Seal,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let hash = digest(now);
    let mut pieces = Vec::new();
    for cut in &file.cuts {
        pieces.push(refill(&cut.removed, values)?);
    }
    let places: Vec<usize> =
        if hash == file.after { file.cuts.iter().map(|cut| cut.at).collect() } else { places(now, &file.cuts, seal)? };
    let mut after =
        Zeroizing::new(Vec::with_capacity(now.len() + pieces.iter().map(|piece| piece.len()).sum::<usize>()));
    let mut at = 0;
    for ((cut, place), piece) in file.cuts.iter().zip(places).zip(&pieces) {
        // A damaged journal may name a place behind every file's end.
        let replaced = place..place.saturating_add(cut.with.len());
        if place < at || now.get(replaced.clone()) != Some(cut.with.as_bytes()) {
            return Err("was edited since, where the keys stood".into());
        }
        after.extend_from_slice(&now[at..place]);
        after.extend_from_slice(piece);
        at = replaced.end;
    }
    after.extend_from_slice(&now[at..]);
    if hash == file.after && digest(&after) != file.before {
        return Err("does not come out as it was".into());
    }
    Ok(after)
}

fn refill(removed: &[tokens::Token], values: &[Result<Secret, String>]) -> Result<Zeroizing<Vec<u8>>, String> {
    for token in removed {
        if let tokens::Token::Piece(key, ..) | tokens::Token::Escaped(key, ..) = token
            && let Some(Err(why)) = values.get(*key)
        {
            return Err(why.clone());
        }
    }
    let of = |number: usize| values.get(number)?.as_ref().ok().map(Secret::expose);
    tokens::restore(removed, &of).ok_or_else(|| "the journal refers to a key that it does not name".into())
}

// For each cut, the one line that is as the cut's own line was, below one that is as the line above it was.
fn places(bytes: &[u8], cuts: &[CutRecord], seal: &Seal) -> Result<Vec<usize>, String> {
    let key = |line: &str, above: &str| format!("{line} {above}");
    let mut found: HashMap<String, Vec<usize>> =
        cuts.iter().map(|cut| (key(&cut.line, &cut.above), Vec::new())).collect();
    let (mut start, mut above) = (0, seal.of(LINE, b"\0start"));
    for end in memchr::memchr_iter(b'\n', bytes).map(|newline| newline + 1).chain([bytes.len()]) {
        let line = seal.of(LINE, &bytes[start..end]);
        if let Some(starts) = found.get_mut(&key(&line, &above)) {
            starts.push(start);
        }
        (start, above) = (end, line);
    }
    let place = |cut: &CutRecord| match found[&key(&cut.line, &cut.above)].as_slice() {
        [start] => Ok(start.saturating_add(cut.column)),
        [] => Err("was edited since, and the lines around a key are gone".into()),
        _ => Err("was edited since, and the lines around a key are there more than once".into()),
    };
    cuts.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::dialect::Dialect;
    use crate::migrate::keyset::Key;
    use crate::migrate::testing::{openai, scrub};
    use crate::migrate::tokens::Recorder;
    use std::path::Path;

    // The record of a file of so many lines with keys, what the scrub left of it, and the keys.
    fn recorded(before: &str, seal: &Seal) -> (FileRecord, Vec<u8>, Vec<Result<Secret, String>>) {
        let (after, examined) = scrub(before.as_bytes(), Dialect::DotEnv);
        let cuts = examined.cuts(before.as_bytes(), &|_| "default".to_owned());
        let keys: Vec<&[u8]> = examined.findings().iter().map(|finding| finding.value.as_slice()).collect();
        let numbered = keys.iter().enumerate().map(|(number, value)| Key { value, number: Some(number) });
        let recorder = Recorder::new(numbered.collect(), std::iter::empty());
        let record = FileRecord::new(Path::new("/rc"), (before.as_bytes(), &after), &cuts, &recorder, seal);
        (record.expect("recorded"), after, keys.iter().map(|key| Ok(Secret::new(key.to_vec()))).collect())
    }

    #[test]
    fn many_keys_come_back_into_an_edited_file_in_time_in_proportion_to_its_lines() {
        // An HMAC of each line for each key would take longer than the tests may.
        let seal = Seal::new(Secret::new(b"seal".to_vec()));
        let line = |at: usize| format!("A{at}={}; B{at}=1\n", openai(at as u32));
        let before: String = (0..5_000).map(line).collect();
        let (record, after, keys) = recorded(&before, &seal);
        let edited = [b"# earlier\n", after.as_slice()].concat();
        let why = image(&record, &edited, &keys, &seal).expect_err("the first line has another above it");
        assert!(why.contains("are gone"), "{why}");
        let edited = [after.as_slice(), b"# later\n"].concat();
        let undone = image(&record, &edited, &keys, &seal).expect("every line is there once");
        assert_eq!(*undone, [before.as_bytes(), b"# later\n"].concat());
    }

    #[test]
    fn lines_that_are_there_twice_are_no_places() {
        let seal = Seal::new(Secret::new(b"seal".to_vec()));
        let (record, after, keys) = recorded(&format!("C=1\nA={}; B=1\n", openai(1)), &seal);
        let twice = [after.as_slice(), after.as_slice()].concat();
        let why = image(&record, &twice, &keys, &seal).expect_err("either may be meant");
        assert!(why.contains("more than once"), "{why}");
        assert!(image(&record, b"", &keys, &seal).expect_err("nothing is left").contains("are gone"));
    }
}
