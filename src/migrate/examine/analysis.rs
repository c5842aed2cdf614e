//! Makes findings of what was judged of a file: the keys that move, those that stay, and those that no reader saw.

use super::{Action, Examined, Finding};
use crate::migrate::accounts::{Judged, Key};
use crate::migrate::detect::{self, Judgement, Known};
use crate::migrate::dialect::Dialect;
use crate::migrate::lines;
use crate::migrate::model::{Form, Reason, Script, Span, Warning};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use zeroize::Zeroizing;

/// What the rules say about a file.
pub(super) fn analyzed(bytes: &[u8], dialect: Dialect, script: Script, judged: Judged, known: &Known) -> Examined {
    let mut analysis = Analysis {
        bytes,
        known,
        lines: Lines::of(bytes),
        findings: vec![],
        reported: HashMap::new(),
        hasher: RandomState::new(),
        covered: vec![],
        kept: vec![],
    };
    let Judged { keys, gone, replaced, launchers, declined, spared } = judged;
    keys.into_iter().for_each(|key| analysis.key(key));
    let launchers = merged(launchers);
    for fixed in &script.fixed {
        let is_launchers = fixed.name.is_some() && is_in(&launchers, &(fixed.at..fixed.at + 1));
        let reason = if is_launchers { Reason::Launcher } else { fixed.reason };
        let name = fixed.name.as_deref();
        let judgement = match name {
            // It is set, if for one command.
            Some(name) if fixed.reason == Reason::InlinePrefix => detect::judge_setting(name, &fixed.value, known),
            _ => detect::judge(name, &fixed.value, known),
        };
        analysis.report_value(judgement, name, fixed.at, &fixed.value, reason);
    }
    let stays = |offset: usize, value: &[u8]| declined.contains(&offset) || spared.has(value);
    let markers = analysis.comments(&script.comments, &stays);
    if !(dialect == Dialect::Text && lines::is_compiled(bytes)) {
        analysis.overlooked();
    }
    if is_code(dialect) {
        analysis.beside();
    }
    analysis.conflicts();
    let (findings, markers) = sorted(analysis.findings, markers);
    Examined { gone, replaced, script, findings, markers, kept: analysis.kept, cuts: vec![] }
}

// So near to its place in the file, a finding speaks about its value.
const NEAR: usize = 4096;

struct Analysis<'a> {
    bytes: &'a [u8],
    known: &'a Known,
    lines: Lines,
    findings: Vec<Finding>,
    // What is reported (by index), by the hash of its line, its provider and its value.
    reported: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
    // The settings' words that findings already speak about.
    covered: Vec<Span>,
    // Other tools' credentials in comments.
    kept: Vec<Span>,
}

impl Analysis<'_> {
    fn finding(
        &self,
        variable: Option<&str>,
        offset: usize,
        provider: String,
        value: &[u8],
        action: Action,
    ) -> Finding {
        Finding {
            line: self.lines.line(self.bytes, offset),
            offset,
            variable: variable.map(str::to_owned),
            provider,
            action,
            warnings: vec![],
            value: Zeroizing::new(value.to_vec()),
            top_level: false,
        }
    }

    fn report(&mut self, finding: Finding) {
        // Two readers of one stretch, or a name and its value, speak about the same key once.
        let same = |finding: &Finding| self.hasher.hash_one((finding.line, &finding.provider, &*finding.value));
        let twins = self.reported.entry(same(&finding)).or_default();
        let is_twin = |other: &Finding| {
            other.line == finding.line && other.provider == finding.provider && other.value == finding.value
        };
        match twins.iter().find(|index| is_twin(&self.findings[**index])) {
            Some(index) => {
                self.findings[*index].take_in(finding);
            }
            None => {
                twins.push(self.findings.len());
                self.findings.push(finding);
            }
        }
    }

    // Reports a value that stays where it is, if it is a key or another tool's credential.
    fn report_value(&mut self, judgement: Judgement, name: Option<&str>, at: usize, value: &[u8], reason: Reason) {
        let (provider, reason) = match judgement {
            Judgement::Key(provider) => (provider, reason),
            Judgement::Foreign(provider) => (provider.to_owned(), Reason::NotAgentKey),
            Judgement::Unknown(provider) => (provider.to_owned(), Reason::UnknownName),
            Judgement::Ignored(_) => return,
        };
        self.report(self.finding(name, at, provider, value, Action::Reported(reason)));
    }

    fn key(&mut self, key: Key) {
        let Key { variable, at, span, form, provider, action, value, function, top_level } = key;
        let mut finding = self.finding(Some(&variable), at, provider, &value, action);
        finding.top_level = top_level;
        self.covered.push(span);
        if !finding.is_moved() {
            return self.report(finding);
        }
        if function && !matches!(action, Action::Moved(Form::Launcher | Form::Alias | Form::Copy)) {
            finding.warnings.push(Warning::Function);
        }
        finding.warnings.extend(session(form));
        self.findings.push(finding);
    }

    // Keys in comments move, too (rule S9), unless they are to stay: where each stands, and its finding.
    fn comments(&mut self, comments: &[Span], stays: &dyn Fn(usize, &[u8]) -> bool) -> Vec<(Span, usize)> {
        let mut markers = Vec::new();
        for comment in comments {
            for hit in detect::hits(&self.bytes[comment.clone()], self.known) {
                let value = comment.start + hit.value.start..comment.start + hit.value.end;
                let name = hit.name.map(|name| comment.start + name.start..comment.start + name.end);
                let offset = name.as_ref().map_or(value.start, |name| name.start);
                let name = name.and_then(|name| std::str::from_utf8(&self.bytes[name]).ok());
                let text = &self.bytes[value.clone()];
                if matches!(hit.judgement, Judgement::Key(_)) && stays(offset, text) {
                    self.report_value(hit.judgement, name, offset, text, Reason::Declined);
                    self.kept.push(value);
                } else if let Judgement::Key(provider) = hit.judgement {
                    markers.push((value, self.findings.len()));
                    let finding = self.finding(name, offset, provider, text, Action::Moved(Form::Comment));
                    self.findings.push(finding);
                } else {
                    self.report_value(hit.judgement, name, offset, text, Reason::NotAgentKey);
                    self.kept.push(value);
                }
            }
        }
        self.covered.extend(comments.iter().cloned());
        markers
    }

    // A key in code goes by the name of the variable that the line is about.
    fn beside(&mut self) {
        let covered = std::mem::take(&mut self.covered);
        let mut lines: BTreeSet<(usize, usize)> = BTreeSet::new();
        for end in [&b"_KEY"[..], b"_TOKEN"] {
            let mut known = 0;
            for at in memchr::memmem::find_iter(self.bytes, end).filter(|at| !is_in(&covered, &(*at..at + 1))) {
                if at >= known {
                    let start = memchr::memrchr(b'\n', &self.bytes[..at]).map_or(0, |newline| newline + 1);
                    known = memchr::memchr(b'\n', &self.bytes[at..]).map_or(self.bytes.len(), |newline| at + newline);
                    lines.insert((start, known));
                }
            }
        }
        let mut unnamed: HashMap<(usize, &[u8]), Vec<usize>> = HashMap::new();
        for (index, finding) in self.findings.iter().enumerate().filter(|(_, finding)| !finding.is_moved()) {
            unnamed.entry((finding.line, finding.value.as_slice())).or_default().push(index);
        }
        let mut named = Vec::new();
        for (start, end) in lines {
            for (name, value, provider) in detect::beside(self.bytes, start..end, &|span| !is_in(&covered, span)) {
                let line = self.lines.line(self.bytes, start);
                let known = unnamed.get(&(line, &self.bytes[value.clone()])).cloned().unwrap_or_default();
                named.push((name, value, provider, known));
            }
        }
        for (name, value, provider, known) in named {
            let text = std::str::from_utf8(&self.bytes[name.clone()]).expect("a name is ASCII");
            if known.is_empty() {
                self.report_value(
                    Judgement::Key(provider),
                    Some(text),
                    name.start,
                    &self.bytes[value],
                    Reason::Argument,
                );
                continue;
            }
            for index in known {
                let finding = &mut self.findings[index];
                let is_foreign = finding.action == Action::Reported(Reason::NotAgentKey);
                // A command's name is no variable's.
                if finding.variable.as_ref().is_none_or(|name| is_foreign && !name.contains('_')) {
                    finding.variable = Some(text.to_owned());
                    finding.provider = provider.clone();
                }
                if is_foreign && finding.variable.as_deref() == Some(text) {
                    finding.action = Action::Reported(Reason::Argument);
                }
            }
        }
    }

    // Nothing that looks like a key stays unmentioned, whatever a reader made of its place.
    fn overlooked(&mut self) {
        let covered = merged(std::mem::take(&mut self.covered));
        // What moves is covered: another copy of it stays, and must be spoken about.
        let reported = self.findings.iter().enumerate().filter(|(_, finding)| !finding.is_moved());
        let mut places: Vec<(usize, usize)> = reported.map(|(index, finding)| (finding.offset, index)).collect();
        places.sort_unstable();
        // A finding speaks about one place of its value, and about copies on that line: by its index, the line.
        let mut spoken: HashMap<usize, usize> = HashMap::new();
        for hit in detect::hits(self.bytes, self.known) {
            let (start, end) = (hit.value.start, hit.value.end);
            if is_in(&covered, &(start..end)) {
                continue;
            }
            let value = &self.bytes[hit.value.clone()];
            let line = self.lines.line(self.bytes, start);
            let first = places.partition_point(|(offset, _)| offset + NEAR <= start);
            let last = places.partition_point(|(offset, _)| *offset <= start);
            let speaks = |(_, index): &&(usize, usize)| {
                spoken.get(index).is_none_or(|own| *own == line) && contains(&self.findings[*index].value, value)
            };
            if let Some((_, index)) = places[first..last].iter().find(speaks) {
                spoken.insert(*index, line);
                continue;
            }
            let at = hit.name.as_ref().map_or(start, |name| name.start);
            let name = hit.name.and_then(|name| std::str::from_utf8(&self.bytes[name]).ok());
            self.report_value(hit.judgement, name, at, value, Reason::Argument);
        }
        self.covered = covered;
    }

    // One name, several keys, outside functions: only one of them can be the default.
    fn conflicts(&mut self) {
        let active = |finding: &Finding| {
            finding.is_moved() && !finding.is_commented() && !finding.warnings.contains(&Warning::Function)
        };
        let mut first: HashMap<&str, &[u8]> = HashMap::new();
        let mut several: HashSet<String> = HashSet::new();
        for finding in self.findings.iter().filter(|finding| active(finding)) {
            let Some(name) = &finding.variable else { continue };
            if **first.entry(name).or_insert(&finding.value) != **finding.value {
                several.insert(name.clone());
            }
        }
        for finding in self.findings.iter_mut().filter(|finding| active(finding)) {
            if finding.variable.as_ref().is_some_and(|name| several.contains(name)) {
                finding.warnings.push(Warning::Conflict);
            }
        }
    }
}

// How many lines end before each block of the file, so that the line of a place takes one block to count.
struct Lines(Vec<usize>);

impl Lines {
    const BLOCK: usize = 4096;

    fn of(bytes: &[u8]) -> Self {
        let mut before = 0;
        let before_block = |block: &[u8]| {
            let until = before + memchr::memchr_iter(b'\n', block).count();
            std::mem::replace(&mut before, until)
        };
        Self(bytes.chunks(Self::BLOCK).map(before_block).collect())
    }

    // The line's number, counted from 1.
    fn line(&self, bytes: &[u8], offset: usize) -> usize {
        let Some(last) = self.0.len().checked_sub(1) else { return 1 };
        let block = (offset / Self::BLOCK).min(last);
        1 + self.0[block] + memchr::memchr_iter(b'\n', &bytes[block * Self::BLOCK..offset]).count()
    }
}

fn is_code(dialect: Dialect) -> bool {
    use Dialect::{Bash, Csh, Fish, Nushell, PowerShell, Sh, Zsh};
    matches!(dialect, Bash | Zsh | Sh | Csh | Fish | Nushell | PowerShell)
}

// Whether any of these spans, which are in order, overlaps this one.
fn is_in(spans: &[Span], span: &Span) -> bool {
    let behind = spans.partition_point(|other| other.end <= span.start);
    spans.get(behind).is_some_and(|other| other.start < span.end)
}

// Mostly the two are equal or equally long, which takes no search to see.
fn contains(text: &[u8], part: &[u8]) -> bool {
    match text.len() == part.len() {
        true => text == part,
        false => memchr::memmem::find(text, part).is_some(),
    }
}

// The spans in order; those that touch or overlap are one.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable_by_key(|span| span.start);
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

// What goes on holding the value after the file has lost it.
fn session(form: Form) -> Option<Warning> {
    match form {
        Form::Launchctl => Some(Warning::LaunchdSession),
        Form::Setx | Form::PsSetEnvironmentVariable => Some(Warning::Registry),
        Form::FishUniversal => Some(Warning::UniversalVariable),
        Form::EnvironmentD => Some(Warning::SystemdSession),
        _ => None,
    }
}

fn sorted(findings: Vec<Finding>, markers: Vec<(Span, usize)>) -> (Vec<Finding>, Vec<(Span, usize)>) {
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.sort_by_key(|index| findings[*index].offset);
    let mut place = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        place[*old] = new;
    }
    let markers = markers.into_iter().map(|(span, index)| (span, place[index])).collect();
    let mut findings: Vec<Option<Finding>> = findings.into_iter().map(Some).collect();
    let sorted = order.iter().filter_map(|index| findings[*index].take()).collect();
    (sorted, markers)
}
