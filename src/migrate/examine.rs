//! What is a key in a file, whether it can move, and what would be cut for it.
//!
//! Pure: bytes in, findings and cuts out, by the corpus' rules for every dialect alike. Opens no file, asks no store,
//! and decides no alias: the plan does, and passes it in. Called by the scan, the plan and, after a file has been
//! written, by the apply that reads it again.

use crate::migrate::detect::{self, Judgement};
use crate::migrate::dialect::Dialect;
use crate::migrate::edit::{self, Cut};
use crate::migrate::model::{Body, Form, Node, Reason, Scope, Script, Span, Value, Warning, Word};
use crate::migrate::{fish, lines, posix, powershell, read, utf16};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use zeroize::Zeroizing;

/// What happens to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Into the keychain and out of the file, where it is set in this form.
    Moved(Form),
    /// Named to the user; the file keeps it, for this reason.
    Reported(Reason),
}

/// One key at one place. Its `Debug` shows no byte of the key.
pub(crate) struct Finding {
    /// Counted from 1; the name's, or the key's where it has no name.
    pub line: usize,
    /// Where the name (or the key) begins, in bytes.
    pub offset: usize,
    /// The variable it is set to, if any.
    pub variable: Option<String>,
    /// Whose key it is.
    pub provider: String,
    /// What is done about it.
    pub action: Action,
    /// What to tell the user besides; nothing where it is only reported.
    pub warnings: Vec<Warning>,
    /// The key, as the shell would see it.
    pub value: Zeroizing<Vec<u8>>,
    /// Whether it is set outside every construct: the last of those becomes the default.
    pub top_level: bool,
}

impl Finding {
    /// Reports whether it moves.
    pub(crate) fn is_moved(&self) -> bool {
        matches!(self.action, Action::Moved(_))
    }

    /// Reports whether it moves out of a comment: such a key never becomes the default.
    pub(crate) fn is_commented(&self) -> bool {
        self.action == Action::Moved(Form::Comment)
    }
}

impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, variable, provider, action, .. } = self;
        write!(f, "Finding {{ line {line}, {variable:?}, {provider}, {action:?}, value redacted }}")
    }
}

/// A file, looked through.
#[derive(Debug)]
pub(crate) struct Examined {
    script: Script,
    findings: Vec<Finding>,
    // The words that go, by where they begin.
    gone: HashSet<usize>,
    // Values in comments, with their findings.
    markers: Vec<(Span, usize)>,
    // Credentials in comments that stay.
    kept: Vec<Span>,
}

/// Looks through a file's bytes.
pub(crate) fn examine(bytes: &[u8], dialect: Dialect) -> Examined {
    let Some(text) = utf16::narrowed(bytes) else {
        // Shells differ in what they make of a zero byte, so nothing is taken out of a file that has one.
        let is_binary = memchr::memchr(0, bytes).is_some();
        let dialect = if is_binary && !dialect.is_report_only() { Dialect::Text } else { dialect };
        let examined = examine_text(bytes, dialect);
        return if examined.settles(bytes, dialect) { examined } else { examined.unparsed() };
    };
    // Two bytes a character: an edit made for one would tear it.
    let mut examined = examine_text(&text, dialect).unparsed();
    examined.findings.iter_mut().for_each(|finding| finding.offset *= 2);
    examined
}

/// The variables that a file sets, in order, each with its value where that is a literal.
pub(crate) fn assignments(bytes: &[u8], dialect: Dialect) -> Vec<(String, Option<Zeroizing<Vec<u8>>>)> {
    let script = script_of(bytes, dialect);
    let mut settings = Vec::new();
    collect(&script.nodes, Place::default(), &mut settings);
    let literal = |set: &Set<'_>| match &set.word.value {
        Value::Literal(value, _) => Some(value.clone()),
        _ => None,
    };
    settings.iter().map(|set| (set.word.name.clone(), literal(set))).collect()
}

fn script_of(bytes: &[u8], dialect: Dialect) -> Script {
    match dialect {
        Dialect::Bash | Dialect::Zsh | Dialect::Sh => posix::read(bytes, dialect),
        Dialect::Fish => fish::read(bytes),
        Dialect::PowerShell => powershell::read(bytes),
        Dialect::Csh => read::read(bytes, dialect),
        _ => lines::read(bytes, dialect),
    }
}

fn examine_text(bytes: &[u8], dialect: Dialect) -> Examined {
    analyzed(bytes, dialect, script_of(bytes, dialect))
}

/// What the rules say about a script.
pub(super) fn analyzed(bytes: &[u8], dialect: Dialect, script: Script) -> Examined {
    let mut settings = Vec::new();
    collect(&script.nodes, Place::default(), &mut settings);
    let verdicts = Verdicts::of(&settings, &script);
    let lines = Lines::of(bytes);
    let mut analysis = Analysis { bytes, lines, findings: vec![], covered: vec![], kept: vec![] };
    for (set, verdict) in settings.iter().zip(&verdicts.words) {
        if let Some(verdict) = verdict {
            analysis.setting(set, verdict, &settings);
        }
    }
    for fixed in &script.fixed {
        let name = fixed.name.as_deref();
        analysis.report_value(detect::judge(name, &fixed.value), name, fixed.at, &fixed.value, fixed.reason);
    }
    let markers = analysis.comments(&script.comments);
    if !(dialect == Dialect::Text && lines::is_compiled(bytes)) {
        analysis.overlooked();
    }
    let gone = verdicts.gone(&settings);
    analysis.conflicts();
    let (findings, markers) = sorted(analysis.findings, markers);
    Examined { script, findings, gone, markers, kept: analysis.kept }
}

impl Examined {
    /// A file that was looked through for what is only reported.
    pub(crate) fn reported(findings: Vec<Finding>) -> Self {
        Self { script: Script::default(), findings, gone: HashSet::new(), markers: vec![], kept: vec![] }
    }

    // The same findings, of which none moves.
    fn unparsed(self) -> Self {
        let report = |finding: Finding| match finding.action {
            Action::Moved(_) => Finding { action: Action::Reported(Reason::Unparsed), warnings: vec![], ..finding },
            Action::Reported(_) => finding,
        };
        Self::reported(self.findings.into_iter().map(report).collect())
    }

    // Whether nothing is left to move once everything that moves is gone. Where a cut changes what the rest of the file
    // looks like, the file was not understood.
    fn settles(&self, bytes: &[u8], dialect: Dialect) -> bool {
        let moves = |examined: &Self| examined.findings.iter().any(Finding::is_moved);
        if !moves(self) {
            return true;
        }
        let after = Zeroizing::new(edit::apply(bytes, &self.cuts(bytes, &|_| "default".to_owned())));
        !moves(&examine_text(&after, dialect))
    }

    /// The functions and subshells that pair a key with a program: what is set in them holds for that program alone.
    pub(crate) fn launchers(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        launchers(&self.script.nodes, &mut spans);
        spans
    }

    /// The keys, in file order.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What has to change in the file for everything that moves; `alias` names the entry, for the markers in comments.
    pub(crate) fn cuts(&self, bytes: &[u8], alias: &dyn Fn(&Finding) -> String) -> Vec<Cut> {
        let markers = self.markers.iter().map(|(span, index)| {
            let finding = &self.findings[*index];
            let with = format!("<moved-to-ringlet:{}/{}>", finding.provider, alias(finding)).into_bytes();
            Cut { span: span.clone(), with }
        });
        edit::scrub(bytes, &self.script, &self.gone, markers.collect(), &self.kept)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    depth: usize,
    function: bool,
    launcher: bool,
}

// A word with what the tree says about its place.
struct Set<'a> {
    word: &'a Word,
    form: Form,
    place: Place,
}

fn collect<'a>(nodes: &'a [Node], place: Place, into: &mut Vec<Set<'a>>) {
    for node in nodes {
        match node {
            Node::Setting(setting) => {
                into.extend(setting.words.iter().map(|word| Set { word, form: setting.form, place }));
            }
            Node::List { operands, .. } => collect(operands, place, into),
            Node::Compound { bodies, .. } => {
                bodies.iter().for_each(|body| collect(&body.nodes, place.within(body), into))
            }
            Node::Other(_) => {}
        }
    }
}

fn launchers(nodes: &[Node], into: &mut Vec<Span>) {
    for node in nodes {
        match node {
            Node::List { operands, .. } => launchers(operands, into),
            Node::Compound { bodies, .. } => bodies.iter().for_each(|body| match body.scope {
                Scope::Launcher => into.push(body.span.clone()),
                Scope::Plain | Scope::Condition | Scope::Function => launchers(&body.nodes, into),
            }),
            Node::Setting(_) | Node::Other(_) => {}
        }
    }
}

impl Place {
    fn within(self, body: &Body) -> Self {
        Self {
            depth: self.depth + 1,
            function: self.function || matches!(body.scope, Scope::Function | Scope::Launcher),
            launcher: self.launcher || body.scope == Scope::Launcher,
        }
    }
}

// What becomes of a word that holds a key.
struct Verdict {
    provider: String,
    action: Action,
    // The word (by index) whose value it has.
    source: usize,
}

struct Verdicts {
    words: Vec<Option<Verdict>>,
}

impl Verdicts {
    fn of(settings: &[Set<'_>], script: &Script) -> Self {
        let appended: HashSet<&str> = script
            .fixed
            .iter()
            .filter(|fixed| fixed.reason == Reason::Append)
            .filter_map(|fixed| fixed.name.as_deref())
            .collect();
        // Names whose key a launcher takes over: without them it would send another key to its endpoint.
        let mut held: HashSet<&str> = HashSet::new();
        loop {
            let mut verdicts = Self { words: Vec::new() };
            for (index, set) in settings.iter().enumerate() {
                verdicts.words.push(judged(set, index, &appended, &held));
            }
            verdicts.follow(settings);
            let before = held.len();
            for (set, verdict) in settings.iter().zip(&verdicts.words) {
                // Only a copy under another name: what refers to itself gets the agent's own key back.
                if let (Some(verdict), Value::Copy(from)) = (verdict, &set.word.value)
                    && verdict.action == Action::Reported(Reason::Launcher)
                    && *from != set.word.name
                {
                    held.insert(from);
                }
            }
            if held.len() == before {
                return verdicts;
            }
        }
    }

    // Rule S8, until nothing new follows.
    fn follow(&mut self, settings: &[Set<'_>]) {
        loop {
            let mut changed = false;
            for (index, set) in settings.iter().enumerate() {
                let Value::Copy(from) = &set.word.value else { continue };
                if self.words[index].is_some() {
                    continue;
                }
                // The last one before it, else the first one after.
                let holds = |at: &usize| *at != index && settings[*at].word.name == *from && self.value(*at).is_some();
                let found = (0..index).rev().find(holds).or_else(|| (index + 1..settings.len()).find(holds));
                let Some((provider, source, moved)) = found.and_then(|at| self.value(at)) else { continue };
                let provider = provider.to_owned();
                let action = if set.place.launcher {
                    // A launcher that saves a variable, sets it and puts it back holds the one key that it sets.
                    if settings[source].place.launcher {
                        continue;
                    }
                    Action::Reported(Reason::Launcher)
                } else if moved && self.is_only_moved(settings, from) {
                    Action::Moved(Form::Copy)
                } else {
                    continue;
                };
                self.words[index] = Some(Verdict { provider, action, source });
                changed = true;
            }
            if !changed {
                return;
            }
        }
    }

    fn value(&self, at: usize) -> Option<(&str, usize, bool)> {
        let Verdict { provider, action, source } = self.words[at].as_ref()?;
        match action {
            Action::Moved(_) => Some((provider, *source, true)),
            Action::Reported(Reason::Launcher) => Some((provider, *source, false)),
            Action::Reported(_) => None,
        }
    }

    fn is_key(&self, at: usize) -> bool {
        self.words[at].as_ref().is_some_and(|verdict| matches!(verdict.action, Action::Moved(_)))
    }

    // Whether every assignment to the name goes. A copy of itself does not count: it goes with what it copies.
    fn is_only_moved(&self, settings: &[Set<'_>], name: &str) -> bool {
        settings.iter().enumerate().filter(|(_, set)| set.word.name == name).all(|(at, set)| match &set.word.value {
            Value::Bare => true,
            Value::Copy(from) if from == name => true,
            _ => self.is_key(at),
        })
    }

    // The keys' words, and by rule S6 the bare ones that nothing is left for.
    fn gone(&self, settings: &[Set<'_>]) -> HashSet<usize> {
        let moved: HashSet<&str> = settings
            .iter()
            .enumerate()
            .filter(|(at, _)| self.is_key(*at))
            .map(|(_, set)| set.word.name.as_str())
            .collect();
        let goes = |at: usize, set: &Set<'_>| {
            let name = set.word.name.as_str();
            self.is_key(at)
                || matches!(set.word.value, Value::Bare) && moved.contains(name) && self.is_only_moved(settings, name)
        };
        let words = settings.iter().enumerate().filter(|(at, set)| goes(*at, set));
        words.map(|(_, set)| set.word.span.start).collect()
    }
}

fn judged(set: &Set<'_>, index: usize, appended: &HashSet<&str>, held: &HashSet<&str>) -> Option<Verdict> {
    let name = set.word.name.as_str();
    let (value, form, own) = match &set.word.value {
        Value::Literal(value, _) => (value, set.form, true),
        Value::Default(of, value, _) => (value, Form::DefaultExpansion, of == name),
        _ => return None,
    };
    let report = |provider, reason| (provider, Action::Reported(reason));
    let (provider, action) = match detect::judge(Some(name), value) {
        Judgement::Key(provider) if set.place.launcher || held.contains(name) => report(provider, Reason::Launcher),
        Judgement::Key(provider) if !own => report(provider, Reason::DefaultOfOther),
        Judgement::Key(provider) if appended.contains(name) => report(provider, Reason::Append),
        Judgement::Key(provider) => (provider, Action::Moved(form)),
        Judgement::Foreign(provider) => report(provider.to_owned(), Reason::NotAgentKey),
        Judgement::Ignored(_) => return None,
    };
    Some(Verdict { provider, action, source: index })
}

// So near to its place in the file, a finding speaks about its value.
const NEAR: usize = 4096;

struct Analysis<'a> {
    bytes: &'a [u8],
    lines: Lines,
    findings: Vec<Finding>,
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
        let twin = |other: &&mut Finding| {
            !other.is_moved()
                && other.line == finding.line
                && other.provider == finding.provider
                && other.value == finding.value
        };
        match self.findings.iter_mut().find(twin) {
            Some(twin) => {
                if twin.variable.is_none() {
                    twin.variable = finding.variable;
                }
            }
            None => self.findings.push(finding),
        }
    }

    // Reports a value that stays where it is, if it is a key or another tool's credential.
    fn report_value(&mut self, judgement: Judgement, name: Option<&str>, at: usize, value: &[u8], reason: Reason) {
        let (provider, reason) = match judgement {
            Judgement::Key(provider) => (provider, reason),
            Judgement::Foreign(provider) => (provider.to_owned(), Reason::NotAgentKey),
            Judgement::Ignored(_) => return,
        };
        self.report(self.finding(name, at, provider, value, Action::Reported(reason)));
    }

    fn setting(&mut self, set: &Set<'_>, verdict: &Verdict, settings: &[Set<'_>]) {
        let (Value::Literal(value, _) | Value::Default(_, value, _)) = &settings[verdict.source].word.value else {
            return;
        };
        let (name, at) = (Some(set.word.name.as_str()), set.word.name_span.start);
        let mut finding = self.finding(name, at, verdict.provider.clone(), value, verdict.action);
        finding.top_level = set.place.depth == 0;
        self.covered.push(set.word.span.clone());
        if !finding.is_moved() {
            return self.report(finding);
        }
        if set.place.function {
            finding.warnings.push(Warning::Function);
        }
        finding.warnings.extend(session(set.form));
        self.findings.push(finding);
    }

    // Keys in comments move, too (rule S9): where each stands, and its finding.
    fn comments(&mut self, comments: &[Span]) -> Vec<(Span, usize)> {
        let mut markers = Vec::new();
        for comment in comments {
            for hit in detect::hits(&self.bytes[comment.clone()]) {
                let value = comment.start + hit.value.start..comment.start + hit.value.end;
                let name = hit.name.map(|name| comment.start + name.start..comment.start + name.end);
                let offset = name.as_ref().map_or(value.start, |name| name.start);
                let name = name.and_then(|name| std::str::from_utf8(&self.bytes[name]).ok());
                let text = &self.bytes[value.clone()];
                if let Judgement::Key(provider) = hit.judgement {
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

    // Nothing that looks like a key stays unmentioned, whatever a reader made of its place.
    fn overlooked(&mut self) {
        let covered = merged(std::mem::take(&mut self.covered));
        // What moves is covered: another copy of it stays, and must be spoken about.
        let reported = self.findings.iter().enumerate().filter(|(_, finding)| !finding.is_moved());
        let mut places: Vec<(usize, usize)> = reported.map(|(index, finding)| (finding.offset, index)).collect();
        places.sort_unstable();
        // A finding speaks about one place of its value, and about copies on that line: by its index, the line.
        let mut spoken: HashMap<usize, usize> = HashMap::new();
        for hit in detect::hits(self.bytes) {
            let (start, end) = (hit.value.start, hit.value.end);
            let behind = covered.partition_point(|span| span.end <= start);
            if covered.get(behind).is_some_and(|span| span.start < end) {
                continue;
            }
            let value = &self.bytes[hit.value.clone()];
            let line = self.lines.line(self.bytes, start);
            let first = places.partition_point(|(offset, _)| offset + NEAR <= start);
            let last = places.partition_point(|(offset, _)| *offset <= start);
            let speaks = |(_, index): &&(usize, usize)| {
                spoken.get(index).is_none_or(|own| *own == line)
                    && memchr::memmem::find(&self.findings[*index].value, value).is_some()
            };
            if let Some((_, index)) = places[first..last].iter().find(speaks) {
                spoken.insert(*index, line);
                continue;
            }
            let at = hit.name.as_ref().map_or(start, |name| name.start);
            let name = hit.name.and_then(|name| std::str::from_utf8(&self.bytes[name]).ok());
            self.report_value(hit.judgement, name, at, value, Reason::Argument);
        }
    }

    // One name, several keys, outside functions: only one of them can be the default.
    fn conflicts(&mut self) {
        let mut values: BTreeMap<String, HashSet<usize>> = BTreeMap::new();
        let active = |finding: &Finding| {
            finding.is_moved() && !finding.is_commented() && !finding.warnings.contains(&Warning::Function)
        };
        for finding in self.findings.iter().filter(|finding| active(finding)) {
            let Some(name) = &finding.variable else { continue };
            let first = self.findings.iter().position(|other| other.value == finding.value);
            values.entry(name.clone()).or_default().extend(first);
        }
        for finding in self.findings.iter_mut().filter(|finding| active(finding)) {
            if finding.variable.as_ref().is_some_and(|name| values[name].len() > 1) {
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

#[cfg(test)]
mod tests;
