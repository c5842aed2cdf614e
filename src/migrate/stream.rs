//! Looks through files that are only reported, piece by piece: a history may have any size.
//!
//! Gives what [`super::examine`] gives for the same bytes (a test compares the two at every boundary), in the memory of
//! one piece and of the findings. Those are limited, too: whoever can write into a history decides how many there are.
//! Never a place for files that are edited. Called by the scan.

use super::detect::{self, AFTER, BEFORE, Hit, Judgement, Known, LONGEST_MARK};
use super::dialect::Dialect;
use super::examine::{Action, Finding};
use super::lines;
use super::model::Reason;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use zeroize::Zeroizing;

/// So many places of one file are listed; after those, only keys that are not in the list yet, and at most as many.
pub(super) const MOST: usize = 1000;

/// What a look through found.
pub(crate) struct Seen {
    /// The keys, in file order; all of them are only reported.
    pub findings: Vec<Finding>,
    /// What kept the rest of the file from being listed, if anything did.
    pub trouble: Option<String>,
}

/// Looks through a file of a dialect that is only reported, also for what is known to be a key.
pub(crate) fn look_through(source: impl Read, dialect: Dialect, known: &Known) -> Seen {
    // Small enough for a processor's cache, large enough for few calls.
    look_by_pieces(source, dialect, known, 256 << 10)
}

// Seen before a mark and not searched again; the one byte more tells that the text does not begin there.
const BEHIND: usize = BEFORE + 1;
// Seen after a mark; the one byte more tells that the text goes on.
const AHEAD: usize = AFTER + LONGEST_MARK + 1;
// The entry of a line that begins where a search ends is seen whole.
const _: () = assert!(lines::LONGEST_ENTRY < AFTER);

fn look_by_pieces(mut source: impl Read, dialect: Dialect, known: &Known, size: usize) -> Seen {
    assert!(size > BEHIND + AHEAD, "a piece holds more than what it shares with its neighbours");
    // Allocated once: a buffer that grows would leave copies of keys behind.
    let mut buffer = Zeroizing::new(vec![0u8; size]);
    let mut list = List::new(dialect);
    let (mut filled, mut from, mut compiled, mut first) = (0, 0, false, true);
    loop {
        let fresh = filled;
        let ended = match fill(&mut source, &mut buffer, &mut filled) {
            Ok(ended) => ended,
            Err(error) => {
                list.trouble = Some(format!("cannot be read to its end: {error}"));
                true
            }
        };
        if std::mem::take(&mut first) {
            compiled = dialect == Dialect::Text && lines::is_compiled(&buffer[..filled]);
            list.twice = compiled.then(HashSet::new);
        }
        if compiled {
            buffer[fresh..filled].iter_mut().for_each(|byte| *byte = lines::plain(*byte));
        }
        let piece = &buffer[..filled];
        let until = if ended { filled } else { filled - AHEAD };
        let next = detect::search(piece, from..until, known, |hit| list.hit(piece, hit));
        if dialect == Dialect::Structured {
            list.entries(piece, from, next, known);
        }
        if ended || list.is_full() {
            return list.seen();
        }
        let gone = next.saturating_sub(BEHIND);
        list.pass(piece, gone);
        buffer.copy_within(gone..filled, 0);
        (filled, from) = (filled - gone, next - gone);
    }
}

// Fills the buffer; `true` at the end of the source.
fn fill(source: &mut impl Read, buffer: &mut [u8], filled: &mut usize) -> io::Result<bool> {
    while *filled < buffer.len() {
        match source.read(&mut buffer[*filled..]) {
            Ok(0) => return Ok(true),
            Ok(size) => *filled += size,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

// The findings, and where in the file the piece at hand begins.
struct List {
    reason: Reason,
    base: usize,
    // A place in the file that is not before the piece, and how many lines end before it.
    counted: (usize, usize),
    // The last hit, which a better one may still replace: where its value ends in the file.
    last: Option<(Hit, usize, Finding)>,
    findings: Vec<Finding>,
    // Entries of structured files in a spelling of their own, which count where nothing else knows their values.
    spelt: Vec<Finding>,
    // Of a file that zsh compiled, which holds every word twice: the names and values so far.
    twice: Option<HashSet<u64>>,
    // By provider and value, the last place in the list that has them.
    known: HashMap<u64, usize>,
    hasher: RandomState,
    trouble: Option<String>,
}

impl List {
    fn new(dialect: Dialect) -> Self {
        Self {
            reason: lines::reason(dialect),
            base: 0,
            counted: (0, 0),
            last: None,
            findings: Vec::new(),
            spelt: Vec::new(),
            twice: None,
            known: HashMap::new(),
            hasher: RandomState::new(),
            trouble: None,
        }
    }

    fn hit(&mut self, piece: &[u8], hit: Hit) {
        let value = self.base + hit.value.start..self.base + hit.value.end;
        match &self.last {
            Some((last, end, _)) if value.start < *end && !detect::is_better(&hit, last) => return,
            Some((_, end, _)) if value.start < *end => self.last = None,
            _ => self.settle(),
        }
        let (provider, reason) = match &hit.judgement {
            Judgement::Key(provider) => (provider.clone(), self.reason),
            Judgement::Foreign(provider) => ((*provider).to_owned(), Reason::NotAgentKey),
            Judgement::Unknown(_) | Judgement::Ignored(_) => return,
        };
        let name = hit.name.clone().map(|name| String::from_utf8_lossy(&piece[name]).into_owned());
        let at = hit.name.as_ref().map_or(hit.value.start, |name| name.start);
        let finding = self.finding(piece, at, name, provider, &piece[hit.value.clone()], reason);
        self.last = Some((hit, value.end, finding));
    }

    fn finding(
        &mut self,
        piece: &[u8],
        at: usize,
        variable: Option<String>,
        provider: String,
        value: &[u8],
        reason: Reason,
    ) -> Finding {
        Finding {
            line: 1 + self.lines_before(piece, at),
            offset: self.base + at,
            variable,
            provider,
            action: Action::Reported(reason),
            warnings: vec![],
            value: Zeroizing::new(value.to_vec()),
            top_level: false,
        }
    }

    // From the last place that was asked for, so that all of it together goes once through the file.
    fn lines_before(&mut self, piece: &[u8], at: usize) -> usize {
        let (place, lines) = (self.counted.0 - self.base, self.counted.1);
        let count = |part: &[u8]| memchr::memchr_iter(b'\n', part).count();
        let lines = if at >= place { lines + count(&piece[place..at]) } else { lines - count(&piece[at..place]) };
        self.counted = (self.base + at, lines);
        lines
    }

    // The last hit is one for good.
    fn settle(&mut self) {
        let Some((_, _, finding)) = self.last.take() else { return };
        let word = self.hasher.hash_one((&finding.variable, finding.value.as_slice()));
        if self.twice.as_mut().is_some_and(|words| !words.insert(word)) {
            return;
        }
        let key = self.hasher.hash_one((&finding.provider, finding.value.as_slice()));
        let known = self.known.get(&key).copied();
        if let Some(at) = known.filter(|at| self.findings[*at].line == finding.line) {
            // On one line a key is named once.
            self.findings[at].take_in(finding);
            return;
        }
        if self.findings.len() >= MOST {
            let line = finding.line;
            self.trouble.get_or_insert_with(|| {
                format!("holds keys in more than {MOST} places; of those after line {line} only new keys are listed")
            });
            if known.is_some() || self.is_full() {
                return;
            }
        }
        self.known.insert(key, self.findings.len());
        self.findings.push(finding);
    }

    fn is_full(&self) -> bool {
        self.findings.len() >= 2 * MOST || self.spelt.len() >= MOST
    }

    // A structured file's entries on the lines that begin in this range.
    fn entries(&mut self, piece: &[u8], from: usize, until: usize, known: &Known) {
        let searched = from.saturating_sub(1)..until.saturating_sub(1);
        let first = (self.base == 0 && from == 0 && until > 0).then_some(0);
        let starts = memchr::memchr_iter(b'\n', &piece[searched.clone()]).map(|at| searched.start + at + 1);
        for start in first.into_iter().chain(starts) {
            let Some((at, name, value)) = lines::spelt_entry(&piece[start..]) else { continue };
            let Judgement::Key(provider) = detect::judge(Some(&name), value, known) else { continue };
            if self.spelt.len() < MOST && !self.spelt.iter().any(|spelt| *spelt.value == value) {
                let finding = self.finding(piece, start + at, Some(name), provider, value, self.reason);
                self.spelt.push(finding);
            }
        }
    }

    // The first bytes of the piece go.
    fn pass(&mut self, piece: &[u8], gone: usize) {
        if self.counted.0 < self.base + gone {
            self.lines_before(piece, gone);
        }
        self.base += gone;
    }

    fn seen(mut self) -> Seen {
        self.settle();
        let full = self.is_full();
        let values: HashSet<&[u8]> = self.findings.iter().map(|finding| finding.value.as_slice()).collect();
        self.spelt.retain(|finding| !values.contains(finding.value.as_slice()));
        if full {
            let last = |list: &[Finding]| list.last().map_or(0, |finding| finding.line);
            let line = last(&self.findings).max(last(&self.spelt));
            self.trouble = Some(format!("holds very many keys; nothing after line {line} is listed"));
        }
        self.findings.append(&mut self.spelt);
        // What stands earlier in the file first; of one place, the order in which it was found.
        self.findings.sort_by_key(|finding| finding.offset);
        Seen { findings: self.findings, trouble: self.trouble }
    }
}

#[cfg(test)]
mod tests;
