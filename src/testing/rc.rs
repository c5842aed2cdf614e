//! Start files of shells, and the other files that `migrate` looks through.

use super::keys;
use super::records::SEAL;
use crate::migrate::detect::Known;
use crate::migrate::dialect::Dialect;
use crate::migrate::edit::Cut;
use crate::migrate::examine::{Examined, Finding, examine};
use crate::migrate::journal::{FileRecord, digest};
use crate::migrate::keyset::{Key, KeySet};
use crate::migrate::seal::Seal;
use crate::migrate::tokens::Recorder;
use crate::migrate::undo::Why;
use crate::migrate::utf16::Encoding;
use crate::migrate::vocabulary::Vocabulary;
use crate::migrate::{stream, undo};
use crate::secret::Secret;
use std::path::Path;

/// A file of bash, zsh (`z` as the first byte) or another Bourne shell (`s`); made-up keys stand in place of `@a` and
/// the like.
pub fn posix(bytes: &[u8]) {
    with_first(bytes, |first, file| match first {
        b'z' => edited(file, Dialect::Zsh),
        b's' => edited(file, Dialect::Sh),
        _ => edited(file, Dialect::Bash),
    });
}

/// A file of fish, or of its universal variables (`u` as the first byte).
pub fn fish(bytes: &[u8]) {
    with_first(bytes, |first, file| match first {
        b'u' => edited(file, Dialect::FishVariables),
        _ => edited(file, Dialect::Fish),
    });
}

/// A file of csh.
pub fn csh(bytes: &[u8]) {
    edited(&keys::filled(bytes), Dialect::Csh);
}

/// A file of nushell.
pub fn nushell(bytes: &[u8]) {
    edited(&keys::filled(bytes), Dialect::Nushell);
}

/// A file of PowerShell.
pub fn powershell(bytes: &[u8]) {
    edited(&keys::filled(bytes), Dialect::PowerShell);
}

/// A file of lines, its format chosen by the first byte, or one that is only looked through.
pub fn lines(bytes: &[u8]) {
    with_first(bytes, |first, file| match first {
        b's' => edited(file, Dialect::EnvironmentD),
        b'p' => edited(file, Dialect::PamEnv),
        b'h' => only_reported(file, Dialect::History),
        b'j' => only_reported(file, Dialect::Structured),
        b't' => only_reported(file, Dialect::Text),
        _ => edited(file, Dialect::DotEnv),
    });
}

fn with_first(bytes: &[u8], check: impl FnOnce(u8, &[u8])) {
    if let Some((first, file)) = bytes.split_first() {
        check(*first, &keys::filled(file));
    }
}

// Keys leave the file and nothing else does, every key that stays is reported, and the run can be taken back.
fn edited(before: &[u8], dialect: Dialect) {
    let examined = examine(before, dialect, Vocabulary::built_in());
    let cuts = examined.cuts(before, &|_| "default".to_owned());
    let moving: Vec<&Finding> = moved(&examined).collect();
    assert_eq!(moving.is_empty(), cuts.is_empty(), "cuts are made for what moves: {:?}", examined.findings());
    let mut after = Vec::new();
    let mut at = 0;
    for cut in &cuts {
        assert!(at <= cut.span.start && cut.span.start <= cut.span.end, "cuts are sorted and disjoint: {cuts:?}");
        let is_ours = matches!(&*cut.with, b"" | b":" | b"true" | b"\n") || cut.with.starts_with(b"<moved-to-ringlet:");
        assert!(is_ours, "nothing but a filler, a marker or a line's end comes in: {cut:?}");
        after.extend_from_slice(&before[at..cut.span.start]);
        after.extend_from_slice(&cut.with);
        at = cut.span.end;
    }
    after.extend_from_slice(&before[at..]);
    for finding in &moving {
        let place = if finding.is_commented() {
            let rest = &before[finding.offset..];
            let start = memchr::memmem::find(rest, &finding.value).expect("a value in a comment stands there");
            finding.offset + start..finding.offset + start + finding.value.len()
        } else {
            finding.offset..finding.offset + 1
        };
        let is_cut = cuts.iter().any(|cut| cut.span.start <= place.start && place.end <= cut.span.end);
        assert!(is_cut, "what moves is cut out: {finding:?} {cuts:?}");
    }
    let again = examine(&after, dialect, Vocabulary::built_in());
    assert!(again.cuts(&after, &|_| "default".to_owned()).is_empty(), "a second run is idle: {:?}", again.findings());
    for left in again.findings() {
        let is_told = reported(&examined).any(|finding| {
            let (one, other) = (finding.value.as_slice(), left.value.as_slice());
            memchr::memmem::find(one, other).is_some() || memchr::memmem::find(other, one).is_some()
        });
        assert!(is_told, "a key that stays is reported: {left:?} {:?}", examined.findings());
    }
    hidden(&examined);
    taken_back((before, &after), &examined);
}

fn moved(examined: &Examined) -> impl Iterator<Item = &Finding> {
    examined.findings().iter().filter(|finding| finding.is_moved())
}

fn reported(examined: &Examined) -> impl Iterator<Item = &Finding> {
    examined.findings().iter().filter(|finding| !finding.is_moved())
}

// What is printed of a finding holds nothing of its value. A name may be anything.
fn hidden(examined: &Examined) {
    for finding in examined.findings() {
        let shown = format!("{finding:?}").replace(&format!("{:?}", finding.variable), "a name");
        keys::assert_hidden(&shown, &[String::from_utf8_lossy(&finding.value).into_owned()]);
    }
}

// The journal holds no key, gives the very bytes back, and after an edit each statement in its place or not at all.
fn taken_back((before, after): (&[u8], &[u8]), examined: &Examined) {
    let cuts = examined.cuts(before, &|_| "default".to_owned());
    let mut kept: Vec<&[u8]> = Vec::new();
    for finding in moved(examined) {
        if !kept.contains(&finding.value.as_slice()) {
            kept.push(&finding.value);
        }
    }
    let numbered = kept.iter().enumerate().map(|(number, value)| Key { value, number: Some(number) });
    let others = reported(examined).map(|finding| Key { value: &finding.value, number: None });
    let all: Vec<Key<'_>> = numbered.chain(others).filter(|key| !key.value.is_empty()).collect();
    let seal = Seal::new(Secret::new(SEAL.to_vec()));
    let recorder = Recorder::new(all.clone(), &seal);
    let Some(record) = FileRecord::new(Path::new("/rc"), (before, after), Encoding::Bytes, &cuts, &recorder, &seal)
    else {
        return;
    };
    let written = serde_json::to_value(&record).expect("a record serialises");
    keys::assert_no_piece(&written, &KeySet::new(all));
    let values = |known: &dyn Fn(usize) -> bool| -> Vec<Result<Secret, Why>> {
        let value = |(number, value): (usize, &&[u8])| match known(number) {
            true => Ok(Secret::new(value.to_vec())),
            false => Err(Why::Damaged),
        };
        kept.iter().enumerate().map(value).collect()
    };
    let all = values(&|_| true);
    let undone = undo::image(&record, after, &all, &seal).expect("a file that nobody touched is taken back");
    assert_eq!(undone.bytes.as_slice(), before);
    for (above, below) in [(&b""[..], &b"# later\n"[..]), (b"# earlier\n", b"")] {
        let edited = [above, after, below].concat();
        if let Ok(undone) = undo::image(&record, &edited, &all, &seal) {
            let left: Vec<usize> = undone.left.iter().map(|(number, _)| *number).collect();
            assert_eq!(undone.bytes.as_slice(), [above, &without(before, &cuts, &left), below].concat());
        }
    }
    for known in [&(|_| false) as &dyn Fn(usize) -> bool, &|number| number % 2 == 0] {
        let some = undo::image(&record, after, &values(known), &seal).expect("nobody touched it");
        let left: Vec<usize> = some.left.iter().map(|(number, _)| *number).collect();
        assert_eq!(some.bytes.as_slice(), without(before, &cuts, &left));
        let rest = FileRecord { before: some.before, after: digest(&some.bytes), cuts: some.cuts, ..record.clone() };
        let undone = undo::image(&rest, &some.bytes, &all, &seal).expect("the rest is taken back");
        assert_eq!(undone.bytes.as_slice(), before);
    }
}

// The bytes with some of the cuts made.
fn without(before: &[u8], cuts: &[Cut], some: &[usize]) -> Vec<u8> {
    let some: Vec<&Cut> = some.iter().map(|number| &cuts[*number]).collect();
    let (mut out, mut at) = (Vec::new(), 0);
    for cut in some {
        out.extend_from_slice(&before[at..cut.span.start]);
        out.extend_from_slice(&cut.with);
        at = cut.span.end;
    }
    out.extend_from_slice(&before[at..]);
    out
}

// Nothing moves, and the file gives the same in pieces as whole.
fn only_reported(bytes: &[u8], dialect: Dialect) {
    let whole = examine(bytes, dialect, Vocabulary::built_in());
    assert_eq!(moved(&whole).count(), 0);
    assert!(whole.cuts(bytes, &|_| String::new()).is_empty());
    hidden(&whole);
    // Only a look at all of it tells text of two bytes a character.
    if bytes.contains(&0) || bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return;
    }
    let seen = stream::look_through(bytes, dialect, Known::none());
    if seen.trouble.is_none() {
        assert_eq!(facts(&seen.findings), facts(whole.findings()));
    }
}

pub(super) fn facts(findings: &[Finding]) -> Vec<String> {
    let fact = |finding: &Finding| {
        let Finding { line, offset, variable, provider, action, value, .. } = finding;
        format!("{line} {offset} {variable:?} {provider} {action:?} {}", String::from_utf8_lossy(value))
    };
    findings.iter().map(fact).collect()
}
