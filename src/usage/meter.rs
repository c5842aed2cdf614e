//! Counts what a launch uses.

use super::line::{self, Counts, LENGTH, Line, Origin};
use crate::name::KeyName;
use crate::percent;
use crate::platform;
use jiff::civil::Date;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
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

// Another launch holds the lock for microseconds, unless it was stopped.
const PATIENCE: Duration = Duration::from_millis(50);

/// The counts of one launch.
pub(crate) struct Meter {
    folder: PathBuf,
    key: KeyName,
    limits: Limits,
    origin: Origin,
    // The place and the counts of each line that this launch has written.
    own: HashMap<(Date, Option<String>), (u64, Counts)>,
}

impl Meter {
    /// Begins to count for a launch.
    pub(crate) fn new(folder: PathBuf, key: KeyName, limits: Limits, origin: Origin) -> Self {
        Self { folder, key, limits, origin, own: HashMap::new() }
    }

    /// Counts a request that is about to leave, or stops it. Without a limit a count that cannot be written stops
    /// nothing.
    pub(crate) fn admit(&mut self, day: Date, model: Option<&str>) -> Result<(), Stop> {
        let done = self.locked(day, |meter, file| {
            if meter.limits != Limits::default() {
                let used = total(file).map_err(Stop::Unknown)?;
                match meter.limits {
                    Limits { requests: Some(most), .. } if used.requests >= most => return Err(Stop::Requests(most)),
                    Limits { tokens: Some(most), .. } if tokens(&used) >= most => return Err(Stop::Tokens(most)),
                    _ => {}
                }
            }
            let request = Counts { requests: 1, ..Counts::default() };
            meter.add(file, day, model, &request).map_err(Stop::Unknown)
        });
        match done {
            Err(Stop::Unknown(_)) if self.limits == Limits::default() => Ok(()),
            done => done,
        }
    }

    /// Adds what an answer says of a request that was counted under the first model. If the answer names another model,
    /// the request moves there.
    pub(crate) fn answered(&mut self, day: Date, asked: Option<&str>, answered: Option<&str>, tokens: Counts) {
        let model = asked.or(answered);
        let _ = self.locked(day, |meter, file| {
            let mut counts = tokens;
            if asked != model {
                let own = meter.own.get_mut(&(day, asked.map(str::to_owned)));
                if let Some((_, before)) = own.filter(|(_, before)| before.requests > 0) {
                    before.requests -= 1;
                    counts.requests += 1;
                    meter.add(file, day, asked, &Counts::default()).map_err(Stop::Unknown)?;
                }
            }
            meter.add(file, day, model, &counts).map_err(Stop::Unknown)
        });
    }

    /// What the launch has used so far, on all days.
    pub(crate) fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.own.values().for_each(|(_, counts)| total.add(counts));
        total
    }

    fn locked<T>(&mut self, day: Date, then: impl FnOnce(&mut Self, &mut File) -> Result<T, Stop>) -> Result<T, Stop> {
        let mut file = self.open(day).map_err(Stop::Unknown)?;
        let end = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(fs::TryLockError::WouldBlock) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(Stop::Unknown(error.into())),
            }
        }
        // The lock ends with the file.
        then(self, &mut file)
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

    fn add(&mut self, file: &mut File, day: Date, model: Option<&str>, counts: &Counts) -> io::Result<()> {
        let end = file.metadata()?.len();
        // A line that was cut by a full disk is skipped.
        let free = end.div_ceil(LENGTH as u64) * LENGTH as u64;
        let own = self.own.entry((day, model.map(str::to_owned))).or_insert((free, Counts::default()));
        own.1.add(counts);
        let line = Line { origin: self.origin.clone(), model: model.map(str::to_owned), counts: own.1 };
        file.seek(SeekFrom::Start(own.0))?;
        file.write_all(&to_bytes(&line))
    }
}

// Writes a line at its full length.
fn to_bytes(line: &Line) -> Vec<u8> {
    let mut short = line.clone();
    cut(&mut short.origin.directory, LONGEST_TEXT);
    short.model.iter_mut().for_each(|model| cut(model, LONGEST_MODEL));
    let mut bytes = serde_json::to_vec(&short).expect("texts and numbers always serialise");
    if bytes.len() >= LENGTH {
        // Characters that JSON writes as six.
        short.origin.directory.clear();
        short.model = None;
        bytes = serde_json::to_vec(&short).expect("texts and numbers always serialise");
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

fn total(file: &mut File) -> io::Result<Counts> {
    let mut bytes = Vec::new();
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
