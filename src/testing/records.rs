//! The files in which Ringlet keeps the user's decisions, and migrate's journal.

use super::keys;
use crate::lease::{BootTime, Grant, LeaseState};
use crate::migrate::journal::{Journal, digest};
use crate::migrate::seal::Seal;
use crate::migrate::undo::Why;
use crate::migrate::{tokens, undo};
use crate::name::Agent;
use crate::pins::Pin;
use crate::secret::Secret;
use crate::trust::{PathRecords, Record};
use std::time::Duration;

/// The secret under which the journals of the corpus were written.
pub(super) const SEAL: &[u8] = b"the seal of this check";

/// A text as a trust record, a pin and a lease: it is refused, or it allows what it says and is written as itself.
pub fn records(bytes: &[u8]) {
    if let Ok(record) = Record::parse(bytes) {
        of_trust(record);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let [agent, other]: [Agent; 2] = ["claude", "codex"].map(|name| name.parse().expect("a name"));
    if let Ok(pin) = Pin::parse(&agent, text) {
        assert_eq!(Pin::parse(&agent, &pin.to_text()).expect("what was read can be written"), pin);
        assert!(Pin::parse(&other, text).is_err(), "a pin is one agent's");
    }
    if let Ok(grant) = Grant::parse("0".into(), text) {
        assert_eq!(Grant::parse("0".into(), &grant.to_text()).expect("what was read can be written"), grant);
        of_grant(&grant);
    }
}

fn of_trust(record: Record) {
    let text = record.to_text();
    assert_eq!(Record::parse(text.as_bytes()).expect("what was read can be written"), record);
    let records = PathRecords::new(vec![record]);
    for digest in text.split('"').filter_map(|word| word.parse().ok()) {
        assert!(!records.allows_file(digest) || (records.has_bytes() && !records.is_denied()), "{text}");
    }
}

// A lease is valid from its begin to its end, in its own boot, and never longer than the settings allow.
fn of_grant(grant: &Grant) {
    let tick = Duration::from_millis(1);
    let clocks = [grant.begins, grant.ends].map(|time| [time.saturating_sub(tick), time, time.saturating_add(tick)]);
    for clock in clocks.into_iter().flatten().chain([Duration::ZERO, Duration::MAX]) {
        for most in [Duration::ZERO, tick, Duration::from_secs(3600), Duration::MAX] {
            let now = BootTime { boot: grant.boot.clone(), clock };
            if let LeaseState::Valid(left) = grant.state(&now, most) {
                assert!(clock >= grant.begins && left <= most && clock + left <= grant.ends, "{grant:?} {clock:?}");
            }
            let other = BootTime { boot: format!("{}0", grant.boot), clock };
            assert_eq!(grant.state(&other, most), LeaseState::OtherBoot);
        }
    }
    assert_eq!(grant.covers(None, None), grant.agent.is_none() && grant.directory.is_none());
    assert!(grant.covers(grant.agent.as_ref(), grant.directory.as_deref()));
}

/// A journal, then an empty line and what one of its files holds now. The journal is written as itself, one of an older
/// version as one of this. Undoing puts removed bytes back or leaves them in the record.
pub fn journal(bytes: &[u8]) {
    let Some(end) = memchr::memmem::find(bytes, b"\n\n") else { return };
    let (text, now) = (&bytes[..end], keys::filled(&bytes[end + 2..]));
    let Ok(journal) = Journal::parse("run", text) else { return };
    let written = serde_json::to_vec(&journal).expect("a journal serialises");
    let again = Journal::parse("run", &written).expect("what was written is read");
    assert_eq!(serde_json::to_vec(&again).expect("a journal serialises"), written);
    let key = keys::key(b'a').expect("a key").into_bytes();
    let values = [Ok(Secret::new(key)), Err(Why::Damaged)];
    let value = |number: usize| values.get(number)?.as_ref().ok().map(Secret::expose);
    let seal = Seal::new(Secret::new(SEAL.to_vec()));
    for file in &journal.files {
        let Ok(undone) = undo::image(file, &now, &values, &seal) else { continue };
        if digest(&now) == file.after && undone.left.is_empty() {
            assert!(file.before.as_ref().is_none_or(|before| *before == digest(&undone.bytes)));
        }
        assert_eq!(undone.cuts.len(), undone.left.len());
        assert_eq!(undone.back.len() + undone.left.len(), file.cuts.len());
        let back = || undone.back.iter().map(|number| &file.cuts[*number]);
        let cut_out: usize = back().map(|cut| cut.with.len()).sum();
        let pieces = back().map(|cut| tokens::restore(&cut.removed, &value, &seal).expect("it was put back").len());
        assert_eq!(undone.bytes.len(), now.len() - cut_out + pieces.sum::<usize>());
    }
}
