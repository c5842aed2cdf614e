//! When each key was used last, from the newest part of the log. Called by `ringlet keychain list`.
//!
//! Only so many bytes are read from the end, so that a listing does not wait for a log of hundreds of megabytes. A key
//! whose last use is older than that part has none here.

use super::AuditError;
use super::files::Files;
use super::lines::Lines;
use super::log::Limits;
use super::record::{Action, Entry, Outcome, Record};
use crate::name::KeyName;
use jiff::Timestamp;
use memchr::memmem::Finder;
use std::collections::BTreeMap;
use std::path::Path;

/// Returns the time of each key's last use in the last `most` bytes of the log. Without a log there are none.
pub(crate) fn last_uses(path: &Path, most: u64) -> Result<BTreeMap<KeyName, Timestamp>, AuditError> {
    let (parts, ()) = Files::new(path)?.snapshot(Limits::default().lock_wait, || Ok(()))?;
    let granted = Finder::new(b"\"result\":\"granted\"");
    let (mut uses, mut left) = (BTreeMap::new(), most);
    // The newest file is the last one.
    for part in parts.iter().rev() {
        let mut lines = Lines::tail(&part.file, part.length, left);
        left = left.saturating_sub(part.length);
        while let Some((line, _)) = lines.next().map_err(AuditError::io("read", &part.path))? {
            if granted.find(line).is_none() {
                continue;
            }
            let Some(Entry { record, .. }) = Entry::from_line(line) else { continue };
            if let Some(key) = record.subject.key().filter(|_| is_use(&record)) {
                let last = uses.entry(key.clone()).or_insert(record.time);
                *last = record.time.max(*last);
            }
        }
        if left == 0 {
            break;
        }
    }
    Ok(uses)
}

// A program got the key, or used it by way of the broker. `keychain check`, `doctor` and `status` look keys up for
// themselves: the first two for no program, and the last one says so.
fn is_use(record: &Record) -> bool {
    let is_own = || record.reason.as_ref().is_some_and(|reason| reason.starts_with("status "));
    record.result == Outcome::Granted
        && match record.action {
            Action::Lookup => record.binary.is_some() && !is_own(),
            Action::Read | Action::Spend => true,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::super::{Limits, Log};
    use super::*;

    fn log(folder: &Path, records: &[Record]) -> std::path::PathBuf {
        let path = folder.join("audit.jsonl");
        let limits = Limits { max_bytes: 64 << 10, keep: 3, ..Limits::default() };
        Log::open(&path, limits).expect("a log").append_all(records).expect("appended");
        path
    }

    #[test]
    fn a_use_is_a_lookup_for_a_program_that_got_the_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let used = record(5);
        let key = used.subject.key().expect("a key").clone();
        let later = [
            Record { result: Outcome::Denied, ..record(6) },
            Record { binary: None, ..record(7) },
            Record { reason: Some("status compares it".into()), ..record(8) },
            Record { action: Action::Set, ..record(9) },
        ];
        let path = log(folder.path(), &[&[record(4), used.clone(), record(3)][..], &later].concat());
        let uses = last_uses(&path, u64::MAX).expect("read");
        assert_eq!(uses, BTreeMap::from([(key.clone(), used.time)]));
        let spent = Record { action: Action::Spend, binary: None, ..record(10) };
        log(folder.path(), std::slice::from_ref(&spent));
        assert_eq!(last_uses(&path, u64::MAX).expect("read"), BTreeMap::from([(key, spent.time)]));
        assert_eq!(last_uses(&folder.path().join("none.jsonl"), 1).expect("no log"), BTreeMap::new());
    }

    #[test]
    fn only_the_newest_part_of_the_log_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let other =
            |second| Record { subject: "openai/old".parse::<KeyName>().expect("a name").into(), ..record(second) };
        let mut records = vec![other(1)];
        // Enough for two files.
        records.extend((2..300).map(|second| record(second % 60)));
        let path = log(folder.path(), &records);
        assert_eq!(last_uses(&path, u64::MAX).expect("read").len(), 2, "in the rotated file");
        assert_eq!(last_uses(&path, 4096).expect("read").len(), 1);
        assert_eq!(last_uses(&path, 1).expect("read").len(), 0, "no whole line");
    }
}
