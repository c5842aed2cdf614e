//! Where a statement stood: what is written down of the lines around it, and how its place is found again in a file
//! that was edited since.
//!
//! Lines are known by their HMAC alone. A place is certain or it is none: where two fit, or where a line was put
//! exactly between the neighbours, the answer is no place. Called by `journal` to record, and by `undo` to find.

use super::seal::{LINE, PART, Seal};
use crate::digest::{from_hex, hex};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// So many lines above and below a place are written down.
const NEAR: usize = 3;

/// So many bytes before and behind a place within its line are.
const WINDOW: usize = 64;

/// A line that is there more often leads to no place. It still counts where another one led.
const COMMON: usize = 16;

/// The least that has to fit around a place: two lines, and not the farthest ones, or one more where one is common.
const LEAST: u32 = 8;

/// The first half of an HMAC.
type Mark = [u8; 16];

/// A line near a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// Its HMAC.
    pub mac: String,
    /// Whether it was there once. Only such a line tells one place from another.
    pub once: bool,
}

/// What stands around a place. HMACs are in hexadecimal, and 32 of their digits are enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Whether whole lines were taken out, so that the place is one between two lines.
    pub whole: bool,
    /// In bytes from the beginning of the line.
    pub column: usize,
    /// In bytes to the end of the line.
    pub behind: usize,
    /// The lines above, the nearest first.
    pub above: Vec<Line>,
    /// The line of the place.
    pub line: Line,
    /// The lines below, the nearest first.
    pub below: Vec<Line>,
    /// HMAC of what stands before the place in its line, where that holds letters or digits.
    pub left: Option<String>,
    /// HMAC of what stands behind it, likewise.
    pub right: Option<String>,
    /// How well the second best place of the file can come to fit.
    pub rival: u32,
}

/// Why there is no certain place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The lines around it were edited.
    Edited,
    /// They are there more than once.
    Twice,
}

/// A file's bytes, taken apart into lines.
pub(crate) struct Image<'a> {
    bytes: &'a [u8],
    seal: &'a Seal,
    // Where each line begins.
    starts: Vec<usize>,
    marks: Vec<Mark>,
    places: HashMap<Mark, Vec<isize>>,
    before: Mark,
    behind: Mark,
}

// A context whose digits were read.
struct Wanted {
    above: Vec<Near>,
    line: Near,
    below: Vec<Near>,
    left: Option<Mark>,
    right: Option<Mark>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Near {
    mark: Mark,
    once: bool,
}

fn halved(mac: [u8; 32]) -> Mark {
    let mut half = Mark::default();
    half.copy_from_slice(&mac[..16]);
    half
}

fn mark(digits: &str) -> Option<Mark> {
    from_hex(digits.get(..32)?.as_bytes())?.try_into().ok()
}

impl Wanted {
    fn of(context: &Context) -> Option<Self> {
        let near = |line: &Line| Some(Near { mark: mark(&line.mac)?, once: line.once });
        let all = |lines: &[Line]| lines.iter().take(NEAR).map(near).collect::<Option<Vec<_>>>();
        Some(Self {
            above: all(&context.above)?,
            line: near(&context.line)?,
            below: all(&context.below)?,
            left: context.left.as_deref().and_then(mark),
            right: context.right.as_deref().and_then(mark),
        })
    }
}

impl<'a> Image<'a> {
    /// Takes the bytes apart.
    pub(crate) fn new(bytes: &'a [u8], seal: &'a Seal) -> Self {
        let of = |bytes: &[u8]| halved(seal.digest(LINE, bytes));
        let (mut starts, mut marks) = (Vec::new(), Vec::new());
        let mut places: HashMap<Mark, Vec<isize>> = HashMap::new();
        let mut start = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mark = of(line);
            places.entry(mark).or_default().push(starts.len() as isize);
            starts.push(start);
            marks.push(mark);
            start += line.len();
        }
        Self { bytes, seal, starts, marks, places, before: of(b"\0start"), behind: of(b"") }
    }

    /// What stands around a place. `with` bytes stand in it; `whole` says that whole lines were taken out there.
    pub(crate) fn context(&self, at: usize, with: usize, whole: bool) -> Context {
        let own = self.line_at(at);
        let near = |index: isize| {
            let mark = self.mark(index)?;
            let once = self.places.get(mark).is_none_or(|places| places.len() == 1);
            Some(Line { mac: hex(mark), once })
        };
        let line = self.span(own);
        let window = |part: &[u8]| {
            let says = !whole && part.iter().any(u8::is_ascii_alphanumeric);
            says.then(|| hex(&halved(self.seal.digest(PART, part))))
        };
        let end = (at + with).min(line.end);
        let mut context = Context {
            whole,
            column: at - line.start,
            behind: line.end - end,
            above: (1..=NEAR as isize).map_while(|by| near(own - by)).collect(),
            line: near(own).expect("each place is in a line, or behind the last one"),
            below: (1..=NEAR as isize).map_while(|by| near(own + by)).collect(),
            left: window(&self.bytes[at.saturating_sub(WINDOW).max(line.start)..at]),
            right: window(&self.bytes[end..(end + WINDOW).min(line.end)]),
            rival: 0,
        };
        let rivals = self.fitting(&context, &self.bytes[at..at + with]);
        context.rival = rivals.iter().filter(|(place, _)| **place != at).map(|(_, fit)| *fit).max().unwrap_or(0);
        context
    }

    /// The one place that fits, as an offset; `with` stands there.
    pub(crate) fn find(&self, context: &Context, with: &[u8]) -> Result<usize, Lost> {
        let places = self.fitting(context, with);
        // Whatever fits no better than the second best did then is another place, or was made one by an edit.
        let mut better = places.iter().filter(|(_, fit)| **fit > context.rival).map(|(at, _)| *at);
        match (better.next(), better.next()) {
            (Some(at), None) => Ok(at),
            (None, _) if places.is_empty() => Err(Lost::Edited),
            _ => Err(Lost::Twice),
        }
    }

    // The places that fit, and how well each does.
    fn fitting(&self, context: &Context, with: &[u8]) -> BTreeMap<usize, u32> {
        let Some(wanted) = Wanted::of(context) else { return BTreeMap::new() };
        if context.whole { self.between_lines(&wanted) } else { self.in_lines(context, &wanted, with) }
    }

    // A line above and one below with nothing between them, or with as many lines as were there: these were edited.
    fn between_lines(&self, wanted: &Wanted) -> BTreeMap<usize, u32> {
        let below: Vec<&Near> = [&wanted.line].into_iter().chain(&wanted.below).collect();
        let mut found = BTreeMap::new();
        let mut try_pair = |(from, j): (isize, usize), (to, k): (isize, usize)| {
            let between = to - from - 1;
            let expected = (j + k) as isize;
            if between != 0 && between != expected || !self.is(from, &wanted.above[j]) || !self.is(to, below[k]) {
                return;
            }
            // A line that was put there moves the others by one, and among lines alike each stands for the next.
            if between != 0 && (is_alike(wanted.above[..=j].iter()) || is_alike(below[..=k].iter().copied())) {
                return;
            }
            let gap = if between == 0 { from + 1 } else { from + 1 + j as isize };
            // A neighbour that stands elsewhere by now tells another place, or none.
            let elsewhere = |near: &Near| near.once && self.places.contains_key(&near.mark);
            if wanted.above[..j].iter().any(elsewhere) || below[..k].iter().copied().any(elsewhere) {
                return;
            }
            // What stands between is edited lines, and none of those around.
            let known = |mark: &Mark| wanted.above.iter().chain(below.iter().copied()).any(|near| near.mark == *mark);
            if (from + 1..to).any(|index| self.mark(index).is_some_and(known)) {
                return;
            }
            let above = (j..).zip(0..).zip(&wanted.above[j..]).map(|((far, by), near)| self.fit(from - by, near, far));
            let beneath = (k..).zip(0..).zip(&below[k..]).map(|((far, by), near)| self.fit(to + by, near, far));
            let (fit, once) = above.chain(beneath).fold((0, false), both);
            if once
                && fit >= LEAST
                && let Ok(gap) = usize::try_from(gap)
            {
                let best = found.entry(self.start(gap)).or_insert(fit);
                *best = fit.max(*best);
            }
        };
        for (j, near) in wanted.above.iter().enumerate() {
            for from in self.led_to(near) {
                for k in 0..below.len() {
                    try_pair((from, j), (from + 1, k));
                    try_pair((from, j), (from + 1 + (j + k) as isize, k));
                }
            }
        }
        for (k, near) in below.iter().enumerate() {
            for to in self.led_to(near) {
                for j in 0..wanted.above.len() {
                    try_pair((to - 1, j), (to, k));
                    try_pair((to - 1 - (j + k) as isize, j), (to, k));
                }
            }
        }
        found
    }

    // The line itself, or one between the same neighbours with the same text beside the place.
    fn in_lines(&self, context: &Context, wanted: &Wanted, with: &[u8]) -> BTreeMap<usize, u32> {
        let around = |index: isize| {
            let above = (0..).zip(1..).zip(&wanted.above).map(|((far, by), near)| self.fit(index - by, near, far));
            let below = (0..).zip(1..).zip(&wanted.below).map(|((far, by), near)| self.fit(index + by, near, far));
            above.chain(below).fold((0, false), both)
        };
        let beside = |index: isize| {
            let [above, below] = [(wanted.above.first(), index - 1), (wanted.below.first(), index + 1)];
            [above, below].into_iter().any(|(near, at)| near.is_some_and(|near| self.is(at, near)))
        };
        let lines = self.led_to(&wanted.line);
        let above = wanted.above.iter().zip(1..).flat_map(|(near, by)| self.led_to(near).map(move |at| at + by));
        let below = wanted.below.iter().zip(1..).flat_map(|(near, by)| self.led_to(near).map(move |at| at - by));
        let mut found = BTreeMap::new();
        for index in lines.chain(above).chain(below) {
            if index < 0 || index as usize > self.starts.len() {
                continue;
            }
            let (around, near_once) = around(index);
            let fits = if self.is(index, &wanted.line) {
                let says = wanted.left.is_some() || wanted.right.is_some();
                let (own, once) = self.fit(index, &wanted.line, 0);
                let fit = around + own;
                let enough = (says && once) || (beside(index) && fit >= LEAST && (once || near_once));
                self.start(index as usize).checked_add(context.column).filter(|_| enough).map(|at| (at, fit))
            } else if beside(index) && near_once {
                self.in_edited_line(context, wanted, with, index).map(|(at, parts)| (at, around + parts))
            } else {
                None
            };
            if let Some((at, fit)) = fits
                && self.bytes.get(at..).is_some_and(|rest| rest.starts_with(with))
            {
                found.insert(at, fit);
            }
        }
        found
    }

    // Counted from the beginning or from the end of the line, with the same text before the place or behind it.
    fn in_edited_line(&self, context: &Context, wanted: &Wanted, with: &[u8], index: isize) -> Option<(usize, u32)> {
        let line = self.span(index);
        let fits = |at: usize| -> Option<u32> {
            let end = at.checked_add(with.len())?;
            if at < line.start || end > line.end || self.bytes[at..end] != *with {
                return None;
            }
            let is =
                |part: &[u8], mark: Option<Mark>| mark.is_some_and(|mark| halved(self.seal.digest(PART, part)) == mark);
            let left = is(&self.bytes[at.saturating_sub(WINDOW).max(line.start)..at], wanted.left);
            let right = is(&self.bytes[end..(end + WINDOW).min(line.end)], wanted.right);
            Some(u32::from(left) + u32::from(right)).filter(|parts| *parts > 0)
        };
        let from_start = line.start.checked_add(context.column);
        let from_end = line.end.checked_sub(context.behind).and_then(|end| end.checked_sub(with.len()));
        let first = from_start.and_then(|at| Some((at, fits(at)?)));
        let last = from_end.and_then(|at| Some((at, fits(at)?)));
        match (first, last) {
            (Some(first), Some(last)) if first.0 == last.0 => Some(first),
            // Something was written between the two.
            (Some(_), Some(_)) => None,
            (first, last) => first.or(last),
        }
    }

    fn line_at(&self, at: usize) -> isize {
        if at == self.bytes.len() && (at == 0 || self.bytes[at - 1] == b'\n') {
            return self.starts.len() as isize;
        }
        self.starts.partition_point(|start| *start <= at) as isize - 1
    }

    fn start(&self, index: usize) -> usize {
        self.starts.get(index).copied().unwrap_or(self.bytes.len())
    }

    fn span(&self, index: isize) -> Range<usize> {
        let index = usize::try_from(index).unwrap_or_default();
        self.start(index)..self.start(index + 1)
    }

    // The line's mark; before the first line and behind the last one stands a mark of its own.
    fn mark(&self, index: isize) -> Option<&Mark> {
        let count = self.marks.len() as isize;
        match index {
            -1 => Some(&self.before),
            _ if index == count => Some(&self.behind),
            _ => self.marks.get(usize::try_from(index).ok()?),
        }
    }

    fn is(&self, index: isize, near: &Near) -> bool {
        self.mark(index) == Some(&near.mark)
    }

    // What it says for a place that this line is there, so many lines from it, and whether it tells one from another.
    fn fit(&self, index: isize, near: &Near, far: usize) -> (u32, bool) {
        if !self.is(index, near) {
            return (0, false);
        }
        let says = (NEAR + 1).saturating_sub(far) as u32;
        (if near.once { 2 * says } else { says }, near.once)
    }

    fn led_to(&self, near: &Near) -> impl Iterator<Item = isize> + use<'_> {
        let ends = [(-1, &self.before), (self.marks.len() as isize, &self.behind)];
        let end = ends.into_iter().find(|(_, end)| **end == near.mark).map(|(at, _)| at);
        let lines = self.places.get(&near.mark).filter(|places| places.len() <= COMMON);
        lines.into_iter().flatten().copied().chain(end)
    }
}

fn both(sum: (u32, bool), next: (u32, bool)) -> (u32, bool) {
    (sum.0 + next.0, sum.1 || next.1)
}

// Whether the last of the lines is there before, too.
fn is_alike<'n>(mut lines: impl DoubleEndedIterator<Item = &'n Near>) -> bool {
    lines.next_back().is_some_and(|last| lines.any(|other| other.mark == last.mark))
}
