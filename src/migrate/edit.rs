//! The scrub: which bytes go once it is known which words do, by rules S1 to S5 of `docs/migrate-rules.md`.
//!
//! Works on positions only; it never looks into a value, and what it puts in is a filler or a marker. Called by
//! `examine`, whose findings say what goes.

use crate::migrate::model::{BYTE_ORDER_MARK, Body, Node, Scope, Script, Setting, Span, Start, Word, text_start};
use std::collections::HashSet;

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The bytes that go.
    pub span: Span,
    /// What stands there instead: nothing, a filler or a marker, never a byte of a key.
    pub with: Vec<u8>,
}

/// The bytes with every cut made. The cuts are sorted and disjoint.
pub(crate) fn apply(bytes: &[u8], cuts: &[Cut]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for cut in cuts {
        out.extend_from_slice(&bytes[at..cut.span.start]);
        out.extend_from_slice(&cut.with);
        at = cut.span.end;
    }
    out.extend_from_slice(&bytes[at..]);
    out
}

/// The cuts that take the words which begin at `gone` out of the script, sorted and disjoint. `markers` are the
/// replacements inside comments; those in a line that goes altogether are left out. `kept` are other tools' credentials
/// in comments, which no store will hold: such a comment outlives its line.
pub(super) fn scrub(
    bytes: &[u8],
    script: &Script,
    gone: &HashSet<usize>,
    markers: Vec<Cut>,
    kept: &[Span],
) -> Vec<Cut> {
    let mut scrub = Scrub { bytes, script, gone, kept, line: 0..0, deleted: vec![], cuts: vec![] };
    scrub.sequence(&script.nodes, None);
    scrub.statements();
    scrub.cuts.extend(markers);
    let mut cuts = disjoint(scrub.cuts);
    // A byte order mark in the middle must not become the file's own, which readers skip.
    let mut start = 0;
    let goes = |cut: &&mut Cut| cut.span.start == std::mem::replace(&mut start, cut.span.end) && cut.with.is_empty();
    if let Some(last) = cuts.iter_mut().take_while(goes).last()
        && bytes[last.span.end..].starts_with(BYTE_ORDER_MARK)
    {
        last.with.push(b'\n');
    }
    cuts
}

// A wider cut swallows those inside it; neighbours stay apart.
fn disjoint(mut cuts: Vec<Cut>) -> Vec<Cut> {
    cuts.sort_by_key(|cut| (cut.span.start, std::cmp::Reverse(cut.span.end)));
    let mut kept: Vec<Cut> = Vec::with_capacity(cuts.len());
    for mut cut in cuts {
        match kept.last_mut() {
            Some(last) if cut.span.start < last.span.end => {
                if cut.span.end > last.span.end && cut.with.is_empty() {
                    cut.span.start = last.span.end;
                    kept.push(cut);
                }
            }
            _ => kept.push(cut),
        }
    }
    kept
}

struct Scrub<'a> {
    bytes: &'a [u8],
    script: &'a Script,
    gone: &'a HashSet<usize>,
    kept: &'a [Span],
    // The line, or the last part of it, whose end was asked for last.
    line: Span,
    // Statements to delete, before it is known whether their lines go with them.
    deleted: Vec<Span>,
    cuts: Vec<Cut>,
}

impl Scrub<'_> {
    fn is_gone(&self, node: &Node) -> bool {
        match node {
            Node::Setting(setting) => {
                let mut words = setting.words.iter();
                !setting.words.is_empty() && words.all(|word| self.gone.contains(&word.span.start))
            }
            Node::List { operands, .. } => !operands.is_empty() && operands.iter().all(|operand| self.is_gone(operand)),
            Node::Compound { .. } | Node::Start(_) | Node::Other(_) => false,
        }
    }

    // Whether a `!` stands before one of the list's operands.
    fn is_negated(&self, node: &Node) -> bool {
        let Node::List { span, operands } = node else { return false };
        let mut at = span.start;
        operands.iter().any(|operand| {
            let gap = &self.bytes[at..operand.span().start];
            at = operand.span().end;
            gap.contains(&b'!')
        })
    }

    // A body is one that must not become empty; the file itself may.
    fn sequence(&mut self, nodes: &[Node], body: Option<&Body>) {
        let condition = body.is_some_and(|body| body.scope == Scope::Condition);
        let goes = |node: &Node| self.is_gone(node) && !(condition && self.is_negated(node));
        let emptied = body.is_some() && !nodes.is_empty() && nodes.iter().all(goes);
        let gone: Vec<bool> = nodes.iter().map(goes).collect();
        for (index, node) in nodes.iter().enumerate() {
            if !gone[index] {
                self.inside(node);
            } else if emptied && index == 0 && !self.script.filler.is_empty() {
                self.fill(node.span());
                // The line's comment goes with all that stood before it.
                let line = self.line_end(node.span().end);
                let last = nodes.iter().rfind(|other| other.span().start < line).unwrap_or(node);
                self.drop_comment(last.span().end);
            } else {
                self.deleted.push(node.span().clone());
            }
        }
    }

    fn inside(&mut self, node: &Node) {
        match node {
            Node::Setting(setting) => self.words(setting),
            Node::List { operands, .. } => {
                for operand in operands {
                    if self.is_gone(operand) {
                        self.fill(operand.span());
                    } else {
                        self.inside(operand);
                    }
                }
            }
            Node::Start(start) => self.start(start),
            Node::Compound { bodies, .. } => bodies.iter().for_each(|body| self.sequence(&body.nodes, Some(body))),
            Node::Other(_) => {}
        }
    }

    // Rule S3 for what is set for one command: `env` goes with the last of its words.
    fn start(&mut self, start: &Start) {
        let is_left = |word: &Word| !self.gone.contains(&word.span.start);
        if let Some((env, has_others)) = &start.env
            && !has_others
            && start.setting.words.iter().any(|word| word.span.start > env.start && !is_left(word))
            && !start.setting.words.iter().any(|word| word.span.start > env.start && is_left(word))
        {
            self.cuts.push(Cut { span: env.start..start.command.start, with: vec![] });
        }
        self.words(&start.setting);
    }

    fn fill(&mut self, span: &Span) {
        self.cuts.push(Cut { span: span.clone(), with: self.script.filler.as_bytes().to_vec() });
    }

    fn drop_comment(&mut self, end: usize) {
        let mut at = end;
        let mut blanks = end;
        while let Some(byte) = self.bytes.get(at) {
            match byte {
                b' ' | b'\t' => {}
                b';' if !self.is_arm_end(at) => blanks = at + 1,
                _ => break,
            }
            at += 1;
        }
        if let Some(comment) = self.dropped_comment(at) {
            self.cuts.push(Cut { span: blanks..comment.end, with: vec![] });
        }
    }

    // The comment that begins here, if it may go with its statement.
    fn dropped_comment(&self, at: usize) -> Option<&Span> {
        let index = self.script.comments.binary_search_by_key(&at, |comment| comment.start).ok()?;
        let comment = &self.script.comments[index];
        let kept = self.kept.get(self.kept.partition_point(|kept| kept.start < at));
        kept.is_none_or(|kept| kept.end > comment.end).then_some(comment)
    }

    // Rule S3, word by word.
    fn words(&mut self, setting: &Setting) {
        let mut first = setting.span.start;
        for word in &setting.words {
            if !self.gone.contains(&word.span.start) {
                continue;
            }
            let span = if word.span.start == first {
                first = self.blanks_after(word.span.end).min(setting.span.end);
                word.span.start..first
            } else {
                self.blanks_before(word.span.start, setting.span.start)..word.span.end
            };
            self.cuts.push(Cut { span, with: vec![] });
        }
    }

    // Rules S1 and S2, a group of statements with common lines at a time.
    fn statements(&mut self) {
        let mut deleted = std::mem::take(&mut self.deleted);
        deleted.sort_by_key(|span| span.start);
        let mut rest = deleted.as_slice();
        while let Some(first) = rest.first() {
            let start = self.line_start(first.start);
            let mut end = self.line_end(first.end);
            let mut size = 1;
            while let Some(next) = rest.get(size).filter(|next| next.start < end) {
                end = end.max(self.line_end(next.end));
                size += 1;
            }
            let (group, others) = rest.split_at(size);
            if self.is_nothing_left(start..end, group) {
                self.cuts.push(Cut { span: start..end, with: vec![] });
            } else {
                self.shared(group, start..end);
            }
            rest = others;
        }
    }

    fn is_nothing_left(&self, lines: Span, group: &[Span]) -> bool {
        let mut at = lines.start;
        let mut spans = group.iter().peekable();
        while at < lines.end {
            if let Some(span) = spans.next_if(|span| span.start == at) {
                at = span.end;
                continue;
            }
            if let Some(comment) = self.dropped_comment(at) {
                at = comment.end;
                continue;
            }
            match self.bytes[at] {
                b' ' | b'\t' | b'\r' | b'\n' => at += 1,
                b';' if !self.is_arm_end(at) => at += 1,
                _ if self.continuation(at) > 0 => at += self.continuation(at),
                _ => return false,
            }
        }
        true
    }

    // Rule S2.
    fn shared(&mut self, group: &[Span], lines: Span) {
        let mut cuts: Vec<Span> = Vec::new();
        for span in group {
            let after = self.blanks_after(span.end);
            if self.bytes.get(after) == Some(&b';') && !self.is_arm_end(after) {
                cuts.push(span.start..self.blanks_after(after + 1));
                continue;
            }
            // What stands before may be gone already.
            let mut back = self.blanks_before(span.start, lines.start);
            for cut in cuts.iter().rev() {
                if cut.end < back {
                    break;
                }
                if cut.start < back {
                    back = self.blanks_before(cut.start, lines.start);
                }
            }
            if back > lines.start && self.bytes[back - 1] == b';' && !self.is_arm_end(back - 1) {
                cuts.push(self.blanks_before(back - 1, lines.start)..span.end);
            } else {
                cuts.push(span.start..after);
            }
        }
        self.cuts.extend(cuts.into_iter().map(|span| Cut { span, with: vec![] }));
    }

    fn is_arm_end(&self, at: usize) -> bool {
        let next = self.bytes.get(at + 1);
        matches!(next, Some(b';' | b'&' | b'|')) || at > 0 && self.bytes[at - 1] == b';'
    }

    // The size of a line's end with the character that makes a blank of it, unless another one takes its meaning.
    fn continuation(&self, at: usize) -> usize {
        let Some(mark) = self.script.continuation else { return 0 };
        let before = self.bytes[..at].iter().rev().take_while(|byte| **byte == mark).count();
        if before % 2 == 1 {
            return 0;
        }
        match &self.bytes[at..] {
            [first, b'\n', ..] if *first == mark => 2,
            [first, b'\r', b'\n', ..] if *first == mark => 3,
            _ => 0,
        }
    }

    fn blanks_after(&self, from: usize) -> usize {
        let mut at = from;
        while at < self.bytes.len() {
            match self.bytes[at] {
                b' ' | b'\t' => at += 1,
                _ if self.continuation(at) > 0 => at += self.continuation(at),
                _ => break,
            }
        }
        at
    }

    fn blanks_before(&self, from: usize, least: usize) -> usize {
        let mut at = from;
        while at > least {
            if matches!(self.bytes[at - 1], b' ' | b'\t') {
                at -= 1;
            } else if at >= least + 2 && self.continuation(at - 2) == 2 {
                at -= 2;
            } else if at >= least + 3 && self.continuation(at - 3) == 3 {
                at -= 3;
            } else {
                break;
            }
        }
        at
    }

    // A line that ends in a backslash goes on, unless the backslash belongs to a comment.
    fn is_continued(&self, newline: usize) -> bool {
        let mark = match self.bytes[..newline] {
            [.., b'\r'] => newline.checked_sub(2),
            _ => newline.checked_sub(1),
        };
        mark.is_some_and(|mark| self.continuation(mark) > 0 && !self.is_comment(mark))
    }

    fn is_comment(&self, at: usize) -> bool {
        let behind = self.script.comments.partition_point(|comment| comment.end <= at);
        self.script.comments.get(behind).is_some_and(|comment| comment.start <= at)
    }

    fn line_start(&self, at: usize) -> usize {
        let mut from = at;
        loop {
            match memchr::memrchr(b'\n', &self.bytes[..from]) {
                Some(newline) if self.is_continued(newline) => from = newline,
                Some(newline) => return newline + 1,
                // The byte order mark belongs to the file, not to its first line.
                None => return text_start(self.bytes),
            }
        }
    }

    fn line_end(&mut self, at: usize) -> usize {
        if !self.line.contains(&at) {
            let mut newlines = memchr::memchr_iter(b'\n', &self.bytes[at..]).map(|size| at + size);
            let last = newlines.find(|newline| !self.is_continued(*newline));
            self.line = at..last.map_or(self.bytes.len(), |newline| newline + 1);
        }
        self.line.end
    }
}
