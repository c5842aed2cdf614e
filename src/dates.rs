//! The dates of keys: when Ringlet stored each one, and when it expires.
//!
//! A record holds a key's name and two times, never anything of its value. It says what Ringlet did: a key that another
//! program stored has no record, and one that another program replaced has an old record. Nothing is decided by it but
//! the advice of `doctor` and the columns of `keychain list`, so a record that cannot be read is no reason to refuse a
//! key. Every command that stores, renames or removes keys writes it.

use crate::duration::{self, DurationError};
use crate::name::{KeyName, shorten};
use crate::paths::Paths;
use crate::platform;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// The dates of one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct KeyDates {
    /// When Ringlet stored its value.
    pub stored: Option<Timestamp>,
    /// When the provider stops taking it, as the user said.
    pub expires: Option<Timestamp>,
}

/// When a key expires, as the user says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// On no known day.
    Never,
    /// At this time.
    At(Timestamp),
}

impl Expiry {
    /// Returns the time, if there is one.
    pub(crate) fn time(self) -> Option<Timestamp> {
        if let Self::At(time) = self { Some(time) } else { None }
    }
}

/// Why a text says no time at which a key expires.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpiryError {
    /// It has none of the forms.
    #[error("{0:?} is no day on which a key expires; write a date such as 2027-01-31, a length such as 90d, or never")]
    Form(String),
    /// A day that no calendar has.
    #[error("{0:?} is not a day of the calendar")]
    Day(String),
    /// The time is not after the present.
    #[error("{0:?} is over, so the key would have expired already")]
    Over(String),
    /// The time is later than any that can be written.
    #[error("{0:?} is too far ahead")]
    TooFar(String),
}

/// Reads a date, whose first moment in UTC is meant, a length of time from `now`, or `never`.
pub(crate) fn parse_expiry(text: &str, now: Timestamp) -> Result<Expiry, ExpiryError> {
    // What does not begin like a time may be a key that was pasted.
    let shown = || text.chars().take(40).collect::<String>();
    if text == "never" {
        return Ok(Expiry::Never);
    }
    let time = match duration::parse(text) {
        Ok(length) => SignedDuration::try_from(length).ok().and_then(|length| now.checked_add(length).ok()),
        Err(DurationError::TooLong) => None,
        Err(DurationError::Form) => {
            let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            if shape != "0000-00-00" {
                return Err(ExpiryError::Form(shorten(text)));
            }
            let day: Date = text.parse().map_err(|_| ExpiryError::Day(shown()))?;
            day.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp())
        }
    };
    match time.ok_or_else(|| ExpiryError::TooFar(shown()))? {
        time if time > now => Ok(Expiry::At(time)),
        _ => Err(ExpiryError::Over(shown())),
    }
}

/// Writes the day of a time at which a key expires.
pub(crate) fn expiry_day(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).date().to_string()
}

/// Why the dates of a key cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatesError {
    /// The record is damaged, or could have been written by someone else.
    #[error("the dates of {key} in {}: {why}", file.display())]
    Record {
        /// The key.
        key: KeyName,
        /// The record.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The record cannot be written or removed.
    #[error("the dates of {key} in {} cannot be {doing}: {why}", file.display())]
    Write {
        /// The key.
        key: KeyName,
        /// The record.
        file: PathBuf,
        /// `written` or `removed`.
        doing: &'static str,
        /// The system's error.
        why: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    key: String,
    stored: Option<String>,
    expires: Option<String>,
}

/// The dates of all keys, a file for each key.
pub(crate) struct Dates {
    folder: PathBuf,
}

impl Dates {
    /// Takes the place from the paths; nothing is read or created.
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { folder: paths.dates() }
    }

    /// Returns the dates of a key; without a record none is known.
    pub(crate) fn read(&self, key: &KeyName) -> Result<KeyDates, DatesError> {
        let file = self.file(key);
        let damaged = |why: String| DatesError::Record { key: key.clone(), file: file.clone(), why };
        match platform::read_record(&file) {
            Ok(Some(text)) => parse(key, &text).map_err(damaged),
            Ok(None) => Ok(KeyDates::default()),
            Err(why) => Err(damaged(why.to_string())),
        }
    }

    /// Writes that a value was stored: the dates of an earlier one are gone.
    pub(crate) fn stored(&self, key: &KeyName, now: Timestamp, expires: Option<Timestamp>) -> Result<(), DatesError> {
        self.write(key, &KeyDates { stored: Some(now), expires })
    }

    /// Writes when a key expires. When it was stored stays; a damaged record does not say it.
    pub(crate) fn expires(&self, key: &KeyName, expires: Option<Timestamp>) -> Result<(), DatesError> {
        let stored = self.read(key).unwrap_or_default().stored;
        self.write(key, &KeyDates { stored, expires })
    }

    /// Gives the dates of a key to the name that it has now.
    pub(crate) fn renamed(&self, from: &KeyName, to: &KeyName) -> Result<(), DatesError> {
        // A value of unknown age has replaced one that may have a record.
        self.write(to, &self.read(from).unwrap_or_default())?;
        self.removed(from)
    }

    /// Forgets a key.
    pub(crate) fn removed(&self, key: &KeyName) -> Result<(), DatesError> {
        let file = self.file(key);
        match std::fs::remove_file(&file) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => {
                Err(DatesError::Write { key: key.clone(), file, doing: "removed", why })
            }
            _ => Ok(()),
        }
    }

    // A record of mode 0600 in a folder of 0700, replaced whole. Two commands that store one key at once leave the
    // record of the one or the other, as they leave the value.
    fn write(&self, key: &KeyName, dates: &KeyDates) -> Result<(), DatesError> {
        if *dates == KeyDates::default() {
            return self.removed(key);
        }
        let file = self.file(key);
        let text = |time: Timestamp| time.to_string();
        let record = Record { key: key.to_string(), stored: dates.stored.map(text), expires: dates.expires.map(text) };
        let text = toml::to_string(&record).expect("strings always serialise");
        let written =
            platform::create_private_folder(&self.folder).and_then(|()| platform::replace_file(&file, text.as_bytes()));
        written.map_err(|why| DatesError::Write { key: key.clone(), file, doing: "written", why })
    }

    // No name holds a plus sign.
    fn file(&self, key: &KeyName) -> PathBuf {
        self.folder.join(format!("{}+{}.toml", key.provider, key.alias))
    }
}

// The record names the key as well, so that a copy under another name dates no other key.
fn parse(key: &KeyName, text: &str) -> Result<KeyDates, String> {
    let record: Record = toml::from_str(text).map_err(|error| format!("does not parse: {}", error.message()))?;
    if record.key != key.to_string() {
        return Err("is not named after its key".into());
    }
    let time = |text: Option<String>| text.map(|text| text.parse()).transpose().map_err(|_| "holds no time");
    Ok(KeyDates { stored: time(record.stored)?, expires: time(record.expires)? })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::env::Env;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    fn key(name: &str) -> KeyName {
        name.parse().expect(name)
    }

    fn dates() -> (tempfile::TempDir, Dates) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let paths = Paths::new(&Env::from_pairs([("HOME", folder.path())])).expect("absolute home");
        (folder, Dates::new(&paths))
    }

    #[test]
    fn a_key_has_the_dates_of_its_value_and_takes_them_to_its_new_name() {
        let (_folder, dates) = dates();
        let (work, home) = (key("anthropic/work"), key("anthropic/home"));
        let (then, now, end) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        assert_eq!(dates.read(&work).expect("none"), KeyDates::default());
        dates.stored(&work, then, Some(end)).expect("written");
        dates.stored(&work, now, None).expect("written");
        assert_eq!(dates.read(&work).expect("read"), KeyDates { stored: Some(now), expires: None });
        dates.expires(&work, Some(end)).expect("written");
        dates.renamed(&work, &home).expect("renamed");
        assert_eq!(dates.read(&home).expect("read"), KeyDates { stored: Some(now), expires: Some(end) });
        assert_eq!(dates.read(&work).expect("none"), KeyDates::default());
        // A key of unknown age takes a name whose former value had an age.
        dates.renamed(&work, &home).expect("renamed");
        assert_eq!(dates.read(&home).expect("none"), KeyDates::default());
        dates.removed(&home).expect("nothing is there");
    }

    #[test]
    fn a_record_is_private_and_a_damaged_one_is_said_and_written_anew() {
        let (_folder, dates) = dates();
        let name = key("a/b.c");
        dates.stored(&name, at("2026-01-01T00:00:00Z"), None).expect("written");
        let file = dates.file(&name);
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&dates.folder).expect("there").permissions().mode() & 0o777, 0o700);
        let text = fs::read_to_string(&file).expect("text");
        for bad in [String::new(), "\0".into(), text.replace("2026", "x"), text.replace("a/b.c", "a/b"), text + "x = 1"]
        {
            fs::write(&file, &bad).expect("written");
            let error = dates.read(&name).expect_err("damaged").to_string();
            assert!(error.contains("the dates of a/b.c in "), "{error}");
            dates.expires(&name, Some(at("2027-01-01T00:00:00Z"))).expect("written anew");
            let read = dates.read(&name).expect("read");
            assert_eq!(read, KeyDates { stored: None, expires: Some(at("2027-01-01T00:00:00Z")) });
        }
        fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("chmod");
        assert!(dates.read(&name).is_err());
    }

    #[test]
    fn a_key_expires_on_a_day_or_after_a_time_or_never() {
        let now = at("2026-11-22T12:00:00Z");
        let end = |text: &str| Ok(Expiry::At(at(text)));
        assert_eq!(parse_expiry("2027-01-31", now), end("2027-01-31T00:00:00Z"));
        assert_eq!(parse_expiry("90d", now), end("2027-02-20T12:00:00Z"));
        assert_eq!(parse_expiry("never", now), Ok(Expiry::Never));
        assert_eq!(expiry_day(at("2027-01-31T00:00:00Z")), "2027-01-31");
        let error = |text: &str| parse_expiry(text, now).expect_err(text);
        for text in ["", "Never", "90", "2027-1-1", "2027-01-31T00:00:00Z", "tomorrow", "\u{e9}", "-1d"] {
            assert!(matches!(error(text), ExpiryError::Form(_)), "{text:?}");
        }
        assert!(matches!(error("2027-02-30"), ExpiryError::Day(_)));
        for text in ["2026-11-22", "0000-01-01", "0s"] {
            assert!(matches!(error(text), ExpiryError::Over(_)), "{text:?}");
        }
        for text in ["99999999w", "99999999999999999999999w"] {
            assert!(matches!(error(text), ExpiryError::TooFar(_)), "{text:?}");
        }
        let pasted = format!("sk-ant-api03-{}", "Abc123".repeat(10));
        assert!(!error(&pasted).to_string().contains("Abc123Abc123"));
    }
}
