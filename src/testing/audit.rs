//! The audit log: its lines, and the log as a whole.

use crate::audit::{Action, Claim, Entry, Limits, Log, Outcome, Record, verify};
use crate::digest::Digest;
use crate::name::is_unprintable;
use std::fs;
use std::sync::OnceLock;
use tempfile::TempDir;

/// A line is a record or none. A record is written as one printable line that reads back as itself, whatever it holds.
pub fn line(bytes: &[u8]) {
    read(bytes);
    let text = String::from_utf8_lossy(bytes).into_owned();
    let entry = Entry {
        n: bytes.len() as u64 + 1,
        record: Record {
            subject: crate::audit::Subject::Target { service: text.clone(), target: text.clone() },
            reason: Some(text.chars().take(200).collect()),
            cwd: Some(path(bytes)),
            binary: Some(path(bytes)),
            ..record(bytes.len() as i64)
        },
        prev: Digest::of(bytes),
    };
    let line = entry.to_line();
    assert!(!line.contains(is_unprintable), "{line:?}");
    assert_eq!(Entry::from_line(line.as_bytes()), Some(entry));
}

fn read(bytes: &[u8]) {
    let claim = Claim::of(bytes);
    assert!(claim.is_none_or(|claim| claim.n > 0));
    let Some(entry) = Entry::from_line(bytes) else { return };
    // A record whose digest is spelt with escapes has no place in the chain, and `verify` says so.
    assert!(claim.is_none_or(|claim| claim == Claim { n: entry.n, prev: entry.prev }));
    let line = entry.to_line();
    assert!(!line.contains(is_unprintable), "{line:?}");
    let again = Entry::from_line(line.as_bytes()).expect("what is written is read back");
    assert_eq!(again.to_line(), line);
}

#[cfg(unix)]
fn path(bytes: &[u8]) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(bytes).into()
}

#[cfg(not(unix))]
fn path(bytes: &[u8]) -> std::path::PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn record(second: i64) -> Record {
    Record {
        time: jiff::Timestamp::from_second(1_793_491_200 + second).expect("a time"),
        action: Action::Lookup,
        subject: crate::audit::Subject::Connection,
        store: None,
        profile: Some("work".parse().expect("a name")),
        agent: None,
        binary: None,
        binary_sha256: None,
        pid: 4711,
        cwd: None,
        result: Outcome::Granted,
        reason: None,
    }
}

struct Sample {
    folder: TempDir,
    log: Vec<u8>,
}

fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.jsonl");
        let log = Log::open(&path, Limits::default()).expect("opens");
        (0..6).for_each(|second| log.append(&record(second)).expect("appends"));
        Sample { log: fs::read(&path).expect("readable"), folder }
    })
}

/// A log with changes made to it, three bytes each: which change, where, and what. Whatever they come to, `verify`
/// finds it.
pub fn log(changes: &[u8]) {
    let sample = sample();
    let mut lines: Vec<Vec<u8>> = sample.log.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for change in changes.chunks_exact(3).take(8) {
        let [what, at, with] = [change[0], change[1], change[2]].map(usize::from);
        let count = lines.len();
        if count == 0 {
            break;
        }
        let line = at % count;
        let length = lines[line].len();
        match what % 8 {
            0 => drop(lines.remove(line)),
            1 => lines.swap(line, with % count),
            2 => lines.insert(with % (count + 1), lines[line].clone()),
            3 => lines.truncate(line),
            4 if length > 0 => lines[line][with % length] ^= 1 << (at % 8),
            5 => lines[line].truncate(with % (length + 1)),
            6 => lines[line].insert(with % (length + 1), change[1]),
            _ => lines.insert(line, changes.to_vec()),
        }
    }
    let changed = lines.concat();
    let path = sample.folder.path().join("audit.jsonl");
    fs::write(&path, &changed).expect("written");
    let report = verify(&path).expect("a log");
    assert_eq!(
        report.is_intact(),
        changed == sample.log,
        "{:?} {}",
        report.findings,
        String::from_utf8_lossy(&changed)
    );
    assert_eq!(report.bytes, changed.len() as u64);
}
