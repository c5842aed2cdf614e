//! Counts what a launch uses.

use super::line::{self, Counts, LENGTH, Line, Origin};
use crate::name::KeyName;
use crate::percent;
use crate::platform;
use jiff::civil::Date;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much of a key may be used in a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Limits {
    /// Requests.
    pub requests: Option<u64>,
    /// Tokens of all kinds.
    pub tokens: Option<u64>,
}

/// Why a request may not leave.
#[derive(Debug)]
pub(crate) enum Stop {
    /// So many requests were made.
    Requests(u64),
    /// So many tokens were used.
    Tokens(u64),
    /// The counts cannot be read or written.
    Unknown(io::Error),
}

// Longer texts would not leave room for the numbers.
const LONGEST_TEXT: usize = 400;
const LONGEST_MODEL: usize = 120;

// A launch has so many lines a day at most. Further models are counted without their names.
const MOST_LINES: usize = 64;

// Another launch holds the lock for microseconds, unless it was stopped. A limit is waited for longer, since a request
// is refused without it; all else is written with the next request.
const PATIENCE: Duration = Duration::from_millis(5);
const PATIENCE_OF_LIMITS: Duration = Duration::from_millis(50);
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(1);

/// The counts of one launch.
pub(crate) struct Meter {
    folder: PathBuf,
    key: KeyName,
    limits: Limits,
    origin: Origin,
    own: HashMap<(Date, Option<String>), Own>,
    // The files of its days.
    files: BTreeMap<Date, Arc<File>>,
}

// The counts of one line, as they are to be.
#[derive(Default)]
struct Own {
    counts: Counts,
    is_written: bool,
    // The place in the file, if it has one there.
    place: Option<u64>,
}

impl Meter {
    /// Begins to count for a launch.
    pub(crate) fn new(folder: PathBuf, key: KeyName, limits: Limits, origin: Origin) -> Self {
        Self { folder, key, limits, origin, own: HashMap::new(), files: BTreeMap::new() }
    }

    /// Counts a request that is about to leave, or stops it. Without a limit a count that cannot be written stops
    /// nothing.
    pub(crate) fn admit(&mut self, day: Date, model: Option<&str>) -> Result<(), Stop> {
        let request = Counts { requests: 1, ..Counts::default() };
        if self.limits == Limits::default() {
            self.add(day, model, &request);
            let _ = self.write(day, PATIENCE);
            return Ok(());
        }
        let file = self.locked(day, PATIENCE_OF_LIMITS).map_err(Stop::Unknown)?;
        self.write_to(&file, day).map_err(Stop::Unknown)?;
        let used = total(&file).map_err(Stop::Unknown)?;
        match self.limits {
            Limits { requests: Some(most), .. } if used.requests >= most => return Err(Stop::Requests(most)),
            Limits { tokens: Some(most), .. } if tokens(&used) >= most => return Err(Stop::Tokens(most)),
            _ => {}
        }
        self.add(day, model, &request);
        let written = self.write_to(&file, day);
        if written.is_err() {
            self.take_back(day, model);
        }
        written.map_err(Stop::Unknown)
    }

    /// Takes a request back that was counted and did not leave.
    pub(crate) fn withdraw(&mut self, day: Date, model: Option<&str>) {
        self.take_back(day, model);
        let _ = self.write(day, PATIENCE);
    }

    fn take_back(&mut self, day: Date, model: Option<&str>) {
        let own = self.own_of(day, model);
        own.counts.requests = own.counts.requests.saturating_sub(1);
        own.is_written = false;
    }

    /// Adds what an answer says of a request that was counted under the first model. If the answer names another model,
    /// the request moves there.
    pub(crate) fn answered(&mut self, day: Date, asked: Option<&str>, answered: Option<&str>, tokens: Counts) {
        let model = asked.or(answered);
        let mut counts = tokens;
        if asked != model {
            let before = self.own_of(day, asked);
            if before.counts.requests > 0 {
                before.counts.requests -= 1;
                before.is_written = false;
                counts.requests += 1;
            }
        }
        self.add(day, model, &counts);
        let _ = self.write(day, PATIENCE);
    }

    /// Writes what could not be written before.
    pub(crate) fn end(&mut self) {
        let days: HashSet<Date> = self.own.keys().map(|(day, _)| *day).collect();
        for day in days {
            let _ = self.write(day, PATIENCE_AT_THE_END);
        }
    }

    /// What the launch has used so far, on all days.
    pub(crate) fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.own.values().for_each(|own| total.add(&own.counts));
        total
    }

    fn own_of(&mut self, day: Date, model: Option<&str>) -> &mut Own {
        let mut key = (day, model.map(str::to_owned));
        if !self.own.contains_key(&key) && self.own.keys().filter(|(other, _)| *other == day).count() >= MOST_LINES {
            key.1 = None;
        }
        self.own.entry(key).or_default()
    }

    fn add(&mut self, day: Date, model: Option<&str>, counts: &Counts) {
        let own = self.own_of(day, model);
        own.counts.add(counts);
        own.is_written = false;
    }

    fn write(&mut self, day: Date, patience: Duration) -> io::Result<()> {
        let file = self.locked(day, patience)?;
        self.write_to(&file, day)
    }

    // Writes the lines that are not in the file as they are to be, each in one write.
    fn write_to(&mut self, file: &Locked, day: Date) -> io::Result<()> {
        let mut free = None;
        let lines = self.own.iter_mut().filter(|((other, _), own)| *other == day && !own.is_written);
        for ((_, model), own) in lines {
            let place = match (own.place, free) {
                (Some(place), _) => place,
                (None, Some(free)) => free,
                // A line that was cut by a full disk is skipped.
                (None, None) => file.0.metadata()?.len().div_ceil(LENGTH as u64) * LENGTH as u64,
            };
            let line = Line { origin: self.origin.clone(), model: model.clone(), counts: own.counts };
            file.0.write_all_at(&to_bytes(&line), place)?;
            if own.place.is_none() {
                free = Some(place + LENGTH as u64);
            }
            own.is_written = true;
            own.place = Some(place);
        }
        Ok(())
    }

    fn locked(&mut self, day: Date, patience: Duration) -> io::Result<Locked> {
        let end = Instant::now() + patience;
        loop {
            let file = self.file(day)?;
            match file.try_lock() {
                // The user may delete the file at any time.
                Ok(()) if platform::has_a_name(&file) => return Ok(Locked(file)),
                Ok(()) => drop(Locked(file)),
                Err(fs::TryLockError::WouldBlock) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    // The file of a day. If it is another one than before, the launch's lines are not in it.
    fn file(&mut self, day: Date) -> io::Result<Arc<File>> {
        if let Some(file) = self.files.get(&day).filter(|file| platform::has_a_name(file)) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(self.open(day)?);
        for (_, own) in self.own.iter_mut().filter(|((other, _), _)| *other == day) {
            (own.place, own.is_written) = (None, false);
        }
        self.files.insert(day, Arc::clone(&file));
        Ok(file)
    }

    fn open(&self, day: Date) -> io::Result<File> {
        let folder = self.folder.join(day.to_string());
        let file = folder.join(percent::encoded(self.key.to_string().as_bytes()).replace('/', "%2F"));
        match platform::open_private_for_writing(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                platform::create_private_folder(&folder)?;
                platform::open_private_for_writing(&file)
            }
            done => done,
        }
    }
}

// A file whose lock ends with this value.
struct Locked(Arc<File>);

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

// Writes a line at its full length.
fn to_bytes(line: &Line) -> Vec<u8> {
    let serialised = |line: &Line| serde_json::to_vec(line).expect("texts and numbers always serialise");
    let mut short = line.clone();
    cut(&mut short.origin.directory, LONGEST_TEXT);
    short.model.iter_mut().for_each(|model| cut(model, LONGEST_MODEL));
    let mut bytes = serialised(&short);
    if bytes.len() >= LENGTH {
        // Characters that JSON writes as six.
        short.origin.directory.clear();
        short.model = None;
        bytes = serialised(&short);
    }
    bytes.resize(LENGTH - 1, b' ');
    bytes.push(b'\n');
    bytes
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
}

// Returns the tokens of all kinds.
fn tokens(counts: &Counts) -> u64 {
    counts.input.saturating_add(counts.cached).saturating_add(counts.output)
}

fn total(file: &Locked) -> io::Result<Counts> {
    let mut bytes = Vec::new();
    let mut file = &*file.0;
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let mut total = Counts::default();
    line::lines(&bytes).iter().for_each(|line| total.add(&line.counts));
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use std::path::Path;

    fn meter(folder: &Path, launch: &str, limits: Limits) -> Meter {
        let origin = Origin {
            launch: launch.to_owned(),
            agent: "claude".to_owned(),
            profile: "work".to_owned(),
            directory: "/p".to_owned(),
        };
        Meter::new(folder.to_owned(), "anthropic/work".parse().expect("a name"), limits, origin)
    }

    fn day(text: &str) -> Date {
        text.parse().expect("a day")
    }

    fn used(input: u64, output: u64) -> Counts {
        Counts { measured: 1, input, output, ..Counts::default() }
    }

    #[test]
    fn launches_count_in_lines_of_their_own_and_a_limit_holds_for_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let limits = Limits { requests: Some(3), tokens: None };
        let (mut one, mut two) = (meter(folder.path(), "1", limits), meter(folder.path(), "2", limits));
        let today = day("2026-11-29");
        one.admit(today, Some("a")).expect("the first");
        two.admit(today, Some("a")).expect("the second");
        one.admit(today, Some("b")).expect("the third");
        assert!(matches!(two.admit(today, Some("a")), Err(Stop::Requests(3))));
        two.admit(day("2026-11-30"), Some("a")).expect("another day");
        one.answered(today, Some("a"), Some("x"), used(5, 7));
        let read = read(folder.path(), today).expect("read");
        let shown: Vec<_> = read
            .iter()
            .map(|used| (used.line.origin.launch.as_str(), used.line.model.as_deref(), used.line.counts))
            .collect();
        let request = Counts { requests: 1, ..Counts::default() };
        let with_tokens = Counts { requests: 1, measured: 1, input: 5, output: 7, cached: 0 };
        assert_eq!(
            shown,
            [
                ("1", Some("a"), with_tokens),
                ("2", Some("a"), request),
                ("1", Some("b"), request),
                ("2", Some("a"), request),
            ]
        );
    }

    #[test]
    fn a_token_limit_stops_the_next_request() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut meter = meter(folder.path(), "1", Limits { requests: None, tokens: Some(10) });
        let today = day("2026-11-29");
        meter.admit(today, None).expect("nothing was used");
        meter.answered(today, None, Some("m"), used(100, 1));
        assert!(matches!(meter.admit(today, None), Err(Stop::Tokens(10))));
        let read = read(folder.path(), today).expect("read");
        let shown: Vec<_> = read.iter().map(|used| (used.line.model.as_deref(), used.line.counts.requests)).collect();
        assert_eq!(shown, [(None, 0), (Some("m"), 1)], "the request has moved to its model");
    }

    #[test]
    fn what_was_not_written_is_written_later_and_counts_for_the_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let today = day("2026-11-29");
        let mut meter = meter(folder.path(), "1", Limits { requests: None, tokens: Some(10) });
        meter.admit(today, Some("m")).expect("nothing was used");
        let file = File::open(folder.path().join("2026-11-29/anthropic%2Fwork")).expect("the file");
        file.lock().expect("locked");
        meter.answered(today, Some("m"), None, used(8, 2));
        assert_eq!(read(folder.path(), today).expect("read")[0].line.counts.input, 0, "another launch has the lock");
        file.unlock().expect("unlocked");
        assert!(matches!(meter.admit(today, Some("m")), Err(Stop::Tokens(10))));
        file.lock().expect("locked");
        meter.answered(today, Some("m"), None, used(1, 0));
        file.unlock().expect("unlocked");
        meter.end();
        assert_eq!(read(folder.path(), today).expect("read")[0].line.counts.input, 9);
    }

    #[test]
    fn a_file_that_was_deleted_is_written_anew_and_no_line_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let today = day("2026-11-29");
        let (mut one, mut two) =
            (meter(folder.path(), "1", Limits::default()), meter(folder.path(), "2", Limits::default()));
        one.admit(today, Some("a")).expect("counted");
        one.admit(today, Some("b")).expect("counted");
        fs::remove_file(folder.path().join("2026-11-29/anthropic%2Fwork")).expect("removed");
        two.admit(today, Some("a")).expect("counted");
        one.admit(today, Some("b")).expect("counted");
        two.admit(today, Some("a")).expect("counted");
        let mut shown: Vec<_> = read(folder.path(), today).expect("read").into_iter().map(|used| used.line).collect();
        shown.sort_by(|a, b| (&a.origin.launch, &a.model).cmp(&(&b.origin.launch, &b.model)));
        let shown: Vec<_> = shown.iter().map(|line| (line.model.as_deref(), line.counts.requests)).collect();
        assert_eq!(shown, [(Some("a"), 1), (Some("b"), 2), (Some("a"), 2)]);
    }

    #[test]
    fn a_request_that_did_not_leave_is_taken_back_and_many_models_share_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let today = day("2026-11-29");
        let mut meter = meter(folder.path(), "1", Limits { requests: Some(1), tokens: None });
        meter.admit(today, Some("a")).expect("the first");
        meter.withdraw(today, Some("a"));
        meter.admit(today, Some("a")).expect("the first left not");
        assert!(matches!(meter.admit(today, Some("a")), Err(Stop::Requests(1))));
        meter.limits = Limits::default();
        for model in 0..2 * MOST_LINES {
            meter.admit(today, Some(&model.to_string())).expect("no limit");
        }
        let lines = read(folder.path(), today).expect("read");
        assert_eq!(lines.len(), MOST_LINES + 1);
        let requests: u64 = lines.iter().map(|used| used.line.counts.requests).sum();
        assert_eq!(requests, 2 * MOST_LINES as u64 + 1);
    }

    #[test]
    fn counts_that_cannot_be_written_stop_only_what_has_a_limit() {
        let folder = tempfile::NamedTempFile::new().expect("a file");
        let today = day("2026-11-29");
        meter(folder.path(), "1", Limits::default()).admit(today, None).expect("no limit");
        let limits = Limits { requests: Some(1), tokens: None };
        assert!(matches!(meter(folder.path(), "1", limits).admit(today, None), Err(Stop::Unknown(_))));
    }

    #[test]
    fn a_line_that_is_damaged_is_left_out_and_the_next_one_stands_behind_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let today = day("2026-11-29");
        let file = folder.path().join("2026-11-29/anthropic%2Fwork");
        fs::create_dir(file.parent().expect("a folder")).expect("made");
        fs::write(&file, "{\"launch\":").expect("written");
        meter(folder.path(), "1", Limits::default()).admit(today, None).expect("counted");
        assert_eq!(read(folder.path(), today).expect("read").len(), 1);
        assert_eq!(fs::metadata(&file).expect("there").len(), 2 * LENGTH as u64);
    }

    #[test]
    fn a_line_has_always_the_same_length_and_is_read_back() {
        let counts = Counts { requests: u64::MAX, measured: u64::MAX, input: u64::MAX, cached: u64::MAX, output: 7 };
        for (directory, model) in [("/p", None), ("/ä".repeat(900).as_str(), Some("\u{1}".repeat(900)))] {
            let origin = Origin {
                launch: "f".repeat(16),
                agent: "a".repeat(64),
                profile: "p".repeat(64),
                directory: directory.to_owned(),
            };
            let bytes = to_bytes(&Line { origin, model, counts });
            assert_eq!((bytes.len(), bytes.last()), (LENGTH, Some(&b'\n')));
            assert_eq!(Line::from_bytes(&bytes).expect("read").counts, counts);
        }
    }
}
