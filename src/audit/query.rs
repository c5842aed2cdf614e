//! Questions about the past. Called by `ringlet audit`; changes nothing.
//!
//! The whole log is read, in big blocks, and most lines are passed over by looking at bytes alone: the time stands
//! at a fixed place at the start, a name in a fixed form. A binary search by time would read less, but a clock that
//! was ever set back makes it miss records, and an audit must not; rotation bounds the log, so this stays fast.
//! Records come in the order in which they were written, and each is judged by its own time.

use super::AuditError;
use super::files::Files;
use super::lines::Lines;
use super::log::Limits;
use super::record::{Entry, time_text};
use crate::name::{Agent, Alias, KeyName, NameError, Provider};
use jiff::Timestamp;
use memchr::memmem::Finder;
use std::ops::ControlFlow;
use std::path::Path;

/// Which records are wanted; an empty filter wants them all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Keys of this provider.
    pub provider: Option<Provider>,
    /// Keys with this alias, whatever the provider.
    pub alias: Option<Alias>,
    /// Lookups for this agent.
    pub agent: Option<Agent>,
}

/// What a query went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Lines in the log.
    pub lines: u64,
    /// Records that were given to the caller.
    pub matched: u64,
    /// Lines that could be wanted but are no records; `verify` says more.
    pub unreadable: u64,
}

/// Passes each wanted record to `each`, oldest first, until `each` returns a break.
///
/// Files are opened under the lock and read without it: records appended meanwhile are left out, and a rotation
/// neither hides nor repeats any.
pub(crate) fn query(
    path: &Path,
    filter: &Filter,
    mut each: impl FnMut(Entry) -> ControlFlow<()>,
) -> Result<Scan, AuditError> {
    let files = Files::new(path)?;
    let (parts, ()) = files.snapshot(Limits::default().lock_wait, || Ok(()))?;
    if parts.is_empty() {
        return Err(AuditError::Missing(path.to_owned()));
    }
    let sieve = Sieve::new(filter);
    let mut scan = Scan::default();
    for part in parts {
        let mut lines = Lines::new(&part.file, part.length);
        while let Some((line, _)) = lines.next().map_err(|error| AuditError::io("read", &part.path)(error))? {
            scan.lines += 1;
            let time = time_of(line);
            if time.is_some_and(|time| !sieve.in_time(time)) || !sieve.has_names(line) {
                continue;
            }
            let timed = time.is_some();
            let Some(entry) = Entry::from_line(line) else {
                scan.unreadable += 1;
                continue;
            };
            if (timed || sieve.in_time(time_text(entry.record.time).as_bytes())) && filter.wants(&entry) {
                scan.matched += 1;
                if each(entry).is_break() {
                    return Ok(scan);
                }
            }
        }
    }
    Ok(scan)
}

impl Filter {
    /// Wants the keys that a word names: an alias, or `PROVIDER/ALIAS`.
    pub(crate) fn set_alias(&mut self, word: &str) -> Result<(), NameError> {
        if word.contains('/') {
            let key: KeyName = word.parse()?;
            (self.provider, self.alias) = (Some(key.provider), Some(key.alias));
        } else {
            self.alias = Some(word.parse()?);
        }
        Ok(())
    }

    /// Reports whether a record has the wanted names.
    fn wants(&self, Entry { record, .. }: &Entry) -> bool {
        let key = record.subject.key();
        self.provider.as_ref().is_none_or(|provider| key.is_some_and(|key| *provider == key.provider))
            && self.alias.as_ref().is_none_or(|alias| key.is_some_and(|key| *alias == key.alias))
            && self.agent.as_ref().is_none_or(|agent| Some(agent) == record.agent.as_ref())
    }
}

/// A filter on the bytes of lines as [`Entry::to_line`] writes them. It may let too many lines pass, never too few.
struct Sieve {
    since: Option<String>,
    until: Option<String>,
    needles: Vec<Finder<'static>>,
}

impl Sieve {
    fn new(filter: &Filter) -> Self {
        // Names need no escape in JSON, so their bytes are what stands there.
        let key = match (&filter.provider, &filter.alias) {
            (Some(provider), Some(alias)) => Some(format!("\"key\":\"{provider}/{alias}\"")),
            (Some(provider), None) => Some(format!("\"key\":\"{provider}/")),
            (None, Some(alias)) => Some(format!("/{alias}\"")),
            (None, None) => None,
        };
        let agent = filter.agent.as_ref().map(|agent| format!("\"agent\":\"{agent}\""));
        let needles = [key, agent].into_iter().flatten();
        Self {
            since: filter.since.map(time_text),
            until: filter.until.map(time_text),
            needles: needles.map(|needle| Finder::new(needle.as_bytes()).into_owned()).collect(),
        }
    }

    fn has_names(&self, line: &[u8]) -> bool {
        self.needles.iter().all(|needle| needle.find(line).is_some())
    }

    /// Texts of one length and form, so their order is that of the times.
    fn in_time(&self, time: &[u8]) -> bool {
        self.since.as_ref().is_none_or(|since| time >= since.as_bytes())
            && self.until.as_ref().is_none_or(|until| time < until.as_bytes())
    }
}

/// The time's bytes, if the line begins as records do.
fn time_of(line: &[u8]) -> Option<&[u8]> {
    let (time, rest) = line.strip_prefix(b"{\"time\":\"")?.split_at_checked("0000-00-00T00:00:00.000000000Z".len())?;
    (time.ends_with(b"Z") && time[0].is_ascii_digit() && rest.starts_with(b"\"")).then_some(time)
}
