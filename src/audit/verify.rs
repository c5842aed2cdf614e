//! Checks a whole log against its chain and its head. Called by `ringlet audit verify`; changes nothing.

use super::AuditError;
use super::chain::{Claim, Link};
use super::files::{Files, Part};
use super::head::{Head, Stored};
use super::lines::{End, Lines};
use super::log::Limits;
use crate::digest::Digest;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, Scope};
use std::{fmt, io};

/// The most findings that are kept. A file that is no log has one for each of its lines.
const MAX_FINDINGS: usize = 1000;

/// The result of [`verify`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Log files that were read.
    pub files: usize,
    /// Lines in them, damaged ones included.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The number of the first record; higher than 1 once rotation has dropped files.
    pub first: Option<u64>,
    /// The number of the last record.
    pub last: Option<u64>,
    /// What is wrong, in the order of the log; at most 1000.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more: u64,
}

impl Report {
    /// Reports whether every line is there, unchanged and in its place.
    pub(crate) fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The log file, or the head file.
    pub file: Arc<Path>,
    /// The line in it, from 1; 0 for a file as a whole.
    pub line: u64,
    /// What is wrong.
    pub flaw: Flaw,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        write!(f, " {}", self.flaw)
    }
}

/// What can be wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    /// The file ends inside the line.
    #[error("the line was cut short, as by a full disk or a power cut")]
    Torn,
    /// No record of any kind.
    #[error("the line is not a record")]
    Unreadable,
    /// The next line, or the head, holds another digest of this one.
    #[error("record {0} is not what it was when the next was written")]
    Edited(u64),
    /// The line follows the one before, but under another number.
    #[error("record {found} has another's number, it should be {expected}")]
    Renumbered {
        /// What it says.
        found: u64,
        /// What it should say.
        expected: u64,
    },
    /// Records before this line are gone.
    #[error("{} missing before this line", span(.from, .to))]
    Missing {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// A line that was moved, repeated or inserted.
    #[error("record {n} stands after record {after}")]
    OutOfOrder {
        /// The line's number.
        n: u64,
        /// The number it should be behind.
        after: u64,
    },
    /// The first line does not follow what was dropped before it.
    #[error("record {0} is not the one that followed the dropped records")]
    Uprooted(u64),
    /// The line was written when the head file was lost, so records before it may be too.
    #[error("the head file was lost before record {0} was written, records may be missing before it")]
    Restarted(u64),
    /// Records after this line are gone.
    #[error("{} missing at the end", span(.from, .to))]
    Truncated {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// Records that the head knows nothing of.
    #[error("{} not written by ringlet, or the head file is an old one", span(.from, .to))]
    Unannounced {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// There are lines but no head.
    #[error("the head file is missing, so records at the end may be too")]
    HeadMissing,
    /// The head's own digest is wrong.
    #[error("the head file is damaged, so records at the end may be missing")]
    HeadDamaged,
}

fn span(from: &u64, to: &u64) -> String {
    if from == to { format!("record {from} is") } else { format!("records {from} to {to} are") }
}

/// Reads the whole log, oldest line first, and reports every break. Takes the lock only while it opens the files;
/// records appended after that are not looked at. Needs no more memory than two blocks.
pub(crate) fn verify(path: &Path) -> Result<Report, AuditError> {
    let files = Files::new(path)?;
    let (parts, stored) = files.snapshot(Limits::default().lock_wait, || Stored::read(&files))?;
    if parts.is_empty() && stored == Stored::Absent {
        return Err(AuditError::Missing(path.to_owned()));
    }
    let mut walk = Walk::new(stored, Arc::from(files.active()));
    for part in parts {
        walk.report.files += 1;
        walk.report.bytes += part.length;
        walk.at = (Arc::from(part.path.as_path()), 0);
        walk.part(&part).map_err(AuditError::io("read", &part.path))?;
    }
    Ok(walk.finish(stored, Arc::from(files.head())))
}

/// Digests of lines that another thread computes, in their order. The digests take most of the time of a `verify`.
struct Digests {
    batches: Receiver<Vec<Digest>>,
    batch: std::vec::IntoIter<Digest>,
}

impl Digests {
    const BATCH: usize = 512;
    /// Batches that wait, so that memory stays bounded.
    const WAITING: usize = 8;

    /// Starts the thread, which ends with the file, with an error, or once nobody takes its digests.
    fn of<'scope>(part: &'scope Part, scope: &'scope Scope<'scope, '_>) -> Self {
        let (send, batches) = mpsc::sync_channel(Self::WAITING);
        let work = move || {
            let mut lines = Lines::new(&part.file, part.length);
            let mut next = || lines.next().ok().flatten().map(|(line, _)| Digest::of(line));
            loop {
                let batch: Vec<_> = std::iter::from_fn(&mut next).take(Self::BATCH).collect();
                if batch.is_empty() || send.send(batch).is_err() {
                    return;
                }
            }
        };
        // Without the thread there are no digests, and each line's is computed where it is needed.
        let _ = thread::Builder::new().spawn_scoped(scope, work);
        Self { batches, batch: Vec::new().into_iter() }
    }

    /// The digest of the next line, which is this one.
    fn next(&mut self, line: &[u8]) -> Digest {
        if self.batch.len() == 0 {
            self.batch = self.batches.recv().unwrap_or_default().into_iter();
        }
        self.batch.next().unwrap_or_else(|| Digest::of(line))
    }
}

type Place = (Arc<Path>, u64);

/// The state between two lines. A line is right when it follows `trunk`, the last one in its place. One that does not
/// is remembered as `branch`: if the next lines follow it, the break is not reported again.
struct Walk {
    trunk: Link,
    trunk_at: Option<Place>,
    branch: Option<Link>,
    /// Lines without a number since the last one with.
    unreadable: u64,
    /// Where dropped records end, if that is known.
    anchor: Option<Link>,
    at: Place,
    report: Report,
}

impl Walk {
    fn new(stored: Stored, active: Arc<Path>) -> Self {
        let anchor = match stored {
            Stored::Valid(head) => Some(head.anchor),
            Stored::Absent | Stored::Damaged => None,
        };
        Self {
            trunk: anchor.unwrap_or(Link::START),
            trunk_at: None,
            branch: None,
            unreadable: 0,
            anchor,
            at: (active, 0),
            report: Report::default(),
        }
    }

    fn part(&mut self, part: &Part) -> io::Result<()> {
        thread::scope(|scope| {
            let mut digests = Digests::of(part, scope);
            let mut lines = Lines::new(&part.file, part.length);
            while let Some((line, end)) = lines.next()? {
                self.line(line, end, digests.next(line));
            }
            Ok(())
        })
    }

    fn line(&mut self, line: &[u8], end: End, hash: Digest) {
        self.report.lines += 1;
        self.at.1 += 1;
        let claim = Claim::of(line);
        match (end, claim) {
            (End::File, _) => self.find(Flaw::Torn),
            (_, None) => self.find(Flaw::Unreadable),
            _ => {}
        }
        let Some(claim) = claim else {
            self.unreadable += 1;
            return;
        };
        if self.report.first.is_none() {
            self.begin(claim);
        }
        let here = Link { n: claim.n, hash };
        self.place(here, claim.prev);
        self.report.last = self.report.last.max(Some(here.n));
        self.unreadable = 0;
    }

    /// Begins with the first line that has a number. Without an anchor any number is accepted. Lines before the anchor
    /// are in files that a rotation died before dropping; the first line after the anchor still confirms the last of
    /// them.
    fn begin(&mut self, first: Claim) {
        self.report.first = Some(first.n);
        if self.anchor.is_none_or(|anchor| first.n <= anchor.n) {
            self.trunk = Link { n: first.n - 1, hash: first.prev };
        }
    }

    fn place(&mut self, here: Link, prev: Digest) {
        let Link { n, hash } = self.trunk;
        let expected = n.saturating_add(1);
        if self.trunk.leads_to(here.n, prev) {
            if let Some(branch) = self.branch.filter(|branch| branch.n >= here.n) {
                self.find(Flaw::OutOfOrder { n: here.n, after: branch.n });
            }
            self.advance(here);
        } else if self.branch.is_some_and(|branch| branch.leads_to(here.n, prev)) {
            self.branch = None;
            self.advance(here);
        } else if prev == hash {
            self.find(Flaw::Renumbered { found: here.n, expected });
            self.advance(Link { n: expected, ..here });
        } else if here.n == expected {
            let flaw = if prev == Digest::NONE { Flaw::Restarted(here.n) } else { Flaw::Edited(n) };
            match self.trunk_at.clone() {
                Some(at) if prev != Digest::NONE => self.find_at(at, flaw),
                None if prev != Digest::NONE => self.find(Flaw::Uprooted(here.n)),
                _ => self.find(flaw),
            }
            self.advance(here);
        } else if here.n > expected && here.n - expected == self.unreadable {
            // The unreadable lines were reported, and they are exactly what is missing here.
            self.advance(here);
        } else {
            match here.n > expected {
                true => self.find(Flaw::Missing { from: expected, to: here.n - 1 }),
                false => self.find(Flaw::OutOfOrder { n: here.n, after: n }),
            }
            self.branch = Some(here);
        }
    }

    fn advance(&mut self, to: Link) {
        self.trunk = to;
        match &mut self.trunk_at {
            Some((file, line)) if Arc::ptr_eq(file, &self.at.0) => *line = self.at.1,
            at => *at = Some(self.at.clone()),
        }
    }

    fn finish(mut self, stored: Stored, head_path: Arc<Path>) -> Report {
        match stored {
            Stored::Absent if self.report.lines > 0 => self.find_at((head_path, 0), Flaw::HeadMissing),
            Stored::Absent => {}
            Stored::Damaged => self.find_at((head_path, 0), Flaw::HeadDamaged),
            Stored::Valid(head) => self.compare_end(head),
        }
        self.report
    }

    fn compare_end(&mut self, head: Head) {
        let announced = head.announced.map(|hash| Link { n: head.last.n.saturating_add(1), hash });
        let ends = [Some(self.trunk), self.branch];
        if ends.contains(&Some(head.last)) || (announced.is_some() && ends.contains(&announced)) {
            return;
        }
        let n = self.trunk.n.max(self.branch.map_or(0, |branch| branch.n));
        self.find(match n.cmp(&head.last.n) {
            std::cmp::Ordering::Less => Flaw::Truncated { from: n + 1, to: head.last.n },
            std::cmp::Ordering::Equal => Flaw::Edited(n),
            std::cmp::Ordering::Greater => Flaw::Unannounced { from: head.last.n.saturating_add(1), to: n },
        });
    }

    fn find(&mut self, flaw: Flaw) {
        self.find_at(self.at.clone(), flaw);
    }

    fn find_at(&mut self, (file, line): Place, flaw: Flaw) {
        if self.report.findings.len() < MAX_FINDINGS {
            self.report.findings.push(Finding { file, line, flaw });
        } else {
            self.report.more += 1;
        }
    }
}
