//! The log as a whole: what it survives, and that no damage passes `verify`.

mod append;
mod claims;
mod damage;
mod processes;
mod queries;
mod rotation;

use super::files::{self, Files};
use super::head::{Head, HeadFile, Stored};
use super::log::Rotation;
use super::query::Scan;
use super::record::Entry;
use super::verify::{Flaw, Report};
use super::*;
use crate::digest::Digest;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

/// A record of so many seconds after the first of November.
pub(super) fn record(second: i64) -> Record {
    let start: Timestamp = "2026-11-01T00:00:00Z".parse().expect("a time");
    Record {
        time: start + SignedDuration::from_secs(second),
        action: Action::Lookup,
        subject: Subject::Key("anthropic/work".parse().expect("a name")),
        store: None,
        profile: Some("work".parse().expect("a name")),
        agent: Some("claude".parse().expect("a name")),
        binary: Some("/usr/local/bin/claude".into()),
        binary_sha256: Some(Digest::of(b"binary")),
        pid: 4711,
        cwd: Some("/home/me/code/shop".into()),
        result: Outcome::Granted,
        reason: Some("allowed by the user".into()),
    }
}

/// Patient: the machine that runs the tests may be busy.
const PATIENT: Limits = Limits { max_bytes: u64::MAX, keep: 8, lock_wait: Duration::from_secs(120) };

/// About three records a file.
const SMALL: Limits = Limits { max_bytes: 1500, keep: 3, ..PATIENT };

/// A log in a folder of its own.
struct World {
    folder: TempDir,
    path: PathBuf,
}

type State = BTreeMap<String, Vec<u8>>;

impl World {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let path = folder.path().join("audit.jsonl");
        Self { folder, path }
    }

    fn with(limits: Limits, records: i64) -> Self {
        let world = Self::new();
        world.append(limits, 0..records);
        world
    }

    fn append(&self, limits: Limits, seconds: std::ops::Range<i64>) {
        let log = Log::open(&self.path, limits).expect("opens");
        seconds.for_each(|second| log.append(&record(second)).expect("appends"));
    }

    fn verify(&self) -> Report {
        verify(&self.path).expect("verifies")
    }

    fn flaws(&self) -> Vec<Flaw> {
        self.verify().findings.into_iter().map(|finding| finding.flaw).collect()
    }

    fn entries(&self, filter: &Filter) -> Vec<Entry> {
        let mut entries = Vec::new();
        let each = |entry| {
            entries.push(entry);
            ControlFlow::Continue(())
        };
        query(&self.path, filter, each).expect("answers");
        entries
    }

    fn numbers(&self) -> Vec<u64> {
        self.entries(&Filter::default()).iter().map(|entry| entry.n).collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn state(&self) -> State {
        let entries = fs::read_dir(self.folder.path()).expect("listed").map(|entry| entry.expect("an entry"));
        entries
            .map(|entry| (entry.file_name().into_string().expect("UTF-8"), fs::read(entry.path()).expect("read")))
            .collect()
    }

    /// Makes the folder hold exactly this.
    fn restore(&self, state: &State) {
        for name in self.state().keys().filter(|name| !state.contains_key(*name)) {
            fs::remove_file(self.file(name)).expect("removed");
        }
        for (name, bytes) in state {
            let mut file = files::open_private(&self.file(name), files::Write::InPlace).expect("opens");
            file.set_len(0).and_then(|()| file.write_all(bytes)).expect("written");
        }
    }

    fn edit(&self, name: &str, edit: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let bytes = fs::read(self.file(name)).expect("read");
        fs::write(self.file(name), edit(bytes)).expect("written");
    }

    fn edit_lines(&self, edit: impl FnOnce(&mut Vec<String>)) {
        self.edit("audit.jsonl", |bytes| {
            let mut lines = split(&bytes);
            edit(&mut lines);
            lines.concat().into_bytes()
        });
    }

    fn files(&self) -> Files {
        Files::new(&self.path).expect("a name")
    }

    fn head(&self) -> Head {
        match Stored::read(&self.files()).expect("read") {
            Stored::Valid(head) => head,
            other => panic!("no head: {other:?}"),
        }
    }

    fn store_head(&self, head: &Head) {
        HeadFile::open(&self.files()).expect("opens").0.store(head).expect("stored");
    }
}

/// Lines with their newlines.
fn split(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).split_inclusive('\n').map(str::to_owned).collect()
}

/// A line that follows another as the log's own would.
fn forged_after(line: &str) -> String {
    let before = Entry::from_line(line.trim_end().as_bytes()).expect("a record");
    Entry { n: before.n + 1, record: record(1), prev: Digest::of(line.trim_end().as_bytes()) }.to_line() + "\n"
}
