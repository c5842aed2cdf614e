//! What is a key in a file, whether it can move, and what would be cut for it.
//!
//! Pure: bytes in, findings and cuts out, by the corpus' rules for every dialect alike. Opens no file, asks no store,
//! and decides no alias: the plan does, and passes it in. Called by the scan, the plan and, after a file has been
//! written, by the apply that reads it again.

pub(crate) use crate::migrate::verdicts::Action;

use crate::migrate::accounts::{self, Accounts, Judged, Key, Machine, ReadBy, Replaced, Source};
use crate::migrate::detect::{self, Judgement, Known};
use crate::migrate::dialect::Dialect;
use crate::migrate::edit::{self, Cut};
use crate::migrate::model::{Body, Form, Node, Reason, Scope, Script, Span, Value, Warning};
use crate::migrate::vocabulary::{Terms, Vocabulary};
use crate::migrate::{lines, read, utf16};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use zeroize::Zeroizing;

/// One key at one place. Its `Debug` shows no byte of the key.
#[derive(Clone)]
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

    /// Takes in what another finding says about the same value in the same line.
    pub(crate) fn take_in(&mut self, other: Self) {
        let foreign = Action::Reported(Reason::NotAgentKey);
        // Without its own name it was another tool's.
        let is_known_now = self.action == foreign && other.action != foreign;
        if self.variable.is_none() || is_known_now {
            self.variable = other.variable;
        }
        if is_known_now {
            self.action = other.action;
        }
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
    // The words that start an agent and are replaced.
    replaced: Vec<Replaced>,
    // Values in comments, with their findings.
    markers: Vec<(Span, usize)>,
    // Credentials in comments that stay.
    kept: Vec<Span>,
    // The cuts, where the file is no script.
    cuts: Vec<Cut>,
}

/// A file, taken apart.
pub(crate) struct Parsed {
    dialect: Dialect,
    script: Script,
    // The text of a file with two bytes a character: an edit made for one would tear it.
    narrowed: Option<Zeroizing<Vec<u8>>>,
}

impl Parsed {
    /// Takes a file apart.
    pub(crate) fn new(bytes: &[u8], dialect: Dialect, terms: Terms<'_>) -> Self {
        let narrowed = utf16::narrowed(bytes);
        // Shells differ in what they make of a zero byte, so nothing is taken out of a file that has one.
        let is_binary = narrowed.is_none() && memchr::memchr(0, bytes).is_some();
        let dialect = if is_binary && !dialect.is_report_only() { Dialect::Text } else { dialect };
        let script = script_of(narrowed.as_ref().map_or(bytes, |text| text.as_slice()), dialect, terms);
        Self { dialect, script, narrowed }
    }

    /// The file as `accounts` judges it.
    pub(super) fn source<'a>(
        &'a self,
        bytes: &'a [u8],
        reader: ReadBy<'a>,
        steps: &'a [(Span, usize)],
        frozen: Option<Reason>,
        declined: &'a [usize],
    ) -> Source<'a> {
        let unparsed = self.narrowed.is_some().then_some(Reason::Unparsed);
        let bytes = self.narrowed.as_ref().map_or(bytes, |text| text.as_slice());
        Source { bytes, script: &self.script, reader, steps, sure: None, frozen: frozen.or(unparsed), declined }
    }

    /// What is found in the file where no other one is looked at, on a machine without agents.
    pub(super) fn by_itself(self, bytes: &[u8], terms: Terms<'_>) -> Examined {
        let judge = |parsed: &Self, frozen: bool| {
            let source = parsed.source(bytes, ReadBy::Shells(1), &[], frozen.then_some(Reason::Unparsed), &[]);
            accounts::judge(&[source], &Machine::empty(terms.vocabulary), terms.known).0.pop().unwrap_or_default()
        };
        let judged = judge(&self, false);
        let judged = if self.settles(bytes, &judged, terms) { judged } else { judge(&self, true) };
        self.examined(bytes, judged, terms.known)
    }

    /// What the file sets outside functions, subshells and texts, with the value where that is a literal.
    pub(super) fn settings(&self) -> Vec<(&str, Option<&[u8]>)> {
        let mut found = Vec::new();
        settings_of(&self.script.nodes, &mut found);
        found
    }

    /// What is found in the file, as it was judged.
    pub(super) fn examined(self, bytes: &[u8], judged: Judged, known: &Known) -> Examined {
        let Self { dialect, script, narrowed } = self;
        let Some(text) = narrowed else { return analyzed(bytes, dialect, script, judged, known) };
        let mut examined = analyzed(&text, dialect, script, judged, known).unparsed();
        examined.findings.iter_mut().for_each(|finding| finding.offset *= 2);
        examined
    }

    /// Reports whether the cuts leave behind what they are to leave, and nothing else. Where a cut changes what the
    /// rest of the file looks like, the file was not understood.
    pub(super) fn settles(&self, bytes: &[u8], judged: &Judged, terms: Terms<'_>) -> bool {
        if judged.gone.is_empty() && judged.replaced.is_empty() {
            return true;
        }
        let cuts = edit::scrub(bytes, &self.script, &judged.gone, judged.replacements(&|_| "name".to_owned()), &[]);
        let after = Zeroizing::new(edit::apply(bytes, &cuts));
        let left = script_of(&after, self.dialect, terms);
        accounts::remains(bytes, &self.script, judged, &after, &left)
    }
}

/// Looks through a file by itself, on a machine without agents.
pub(crate) fn examine(bytes: &[u8], dialect: Dialect, vocabulary: &Arc<Vocabulary>) -> Examined {
    examine_knowing(bytes, dialect, vocabulary, Known::none())
}

/// A text that is looked through together with others.
pub(crate) struct Text<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its language.
    pub dialect: Dialect,
    /// The shells that read it, one bit each; none for a script.
    pub shells: Option<u8>,
    /// Whether the login shell reads it.
    pub at_login: bool,
}

/// Looks through texts together, as a run does with files.
pub(crate) fn examine_together(texts: &[Text<'_>], machine: &Machine<'_>) -> (Vec<Examined>, Accounts) {
    let terms = Terms { vocabulary: &machine.vocabulary, known: Known::none() };
    let parsed: Vec<Parsed> = texts.iter().map(|text| Parsed::new(text.bytes, text.dialect, terms)).collect();
    let steps: Vec<Vec<(Span, usize)>> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| text.at_login.then_some((0..text.bytes.len(), at)).into_iter().collect())
        .collect();
    let mut unsettled: BTreeSet<usize> = BTreeSet::new();
    loop {
        let source = |at: usize| {
            let reader = texts[at].shells.map_or(ReadBy::Script("script"), ReadBy::Shells);
            let frozen = unsettled.contains(&at).then_some(Reason::Unparsed);
            parsed[at].source(texts[at].bytes, reader, &steps[at], frozen, &[])
        };
        let sources: Vec<Source<'_>> = (0..texts.len()).map(source).collect();
        let (judged, accounts) = accounts::judge(&sources, machine, terms.known);
        let settles = |at: &usize| parsed[*at].settles(texts[*at].bytes, &judged[*at], terms);
        let fresh: Vec<usize> = (0..texts.len()).filter(|at| !settles(at)).collect();
        if fresh.is_empty() {
            let all = parsed.into_iter().zip(texts).zip(judged);
            return (
                all.map(|((parsed, text), judged)| parsed.examined(text.bytes, judged, terms.known)).collect(),
                accounts,
            );
        }
        assert!(fresh.iter().any(|at| unsettled.insert(*at)), "nothing is cut out of what is kept: {fresh:?}");
    }
}

/// The same, also for values that are known to be keys (rule S12).
pub(crate) fn examine_knowing(bytes: &[u8], dialect: Dialect, vocabulary: &Arc<Vocabulary>, known: &Known) -> Examined {
    let terms = Terms { vocabulary, known };
    Parsed::new(bytes, dialect, terms).by_itself(bytes, terms)
}

/// The variables that a file sets, in order, each with its value where that is a literal.
pub(crate) fn assignments(
    bytes: &[u8],
    dialect: Dialect,
    vocabulary: &Arc<Vocabulary>,
) -> Vec<(String, Option<Zeroizing<Vec<u8>>>)> {
    accounts::literals(&script_of(bytes, dialect, Terms { vocabulary, known: Known::none() }))
}

fn settings_of<'a>(nodes: &'a [Node], found: &mut Vec<(&'a str, Option<&'a [u8]>)>) {
    for node in nodes {
        match node {
            Node::Setting(setting) => found.extend(setting.words.iter().filter_map(|word| match &word.value {
                Value::Bare | Value::Unset => None,
                Value::Literal(value, _) => Some((word.name.as_str(), Some(value.as_slice()))),
                Value::Copy(_) | Value::Path(_) | Value::Default(..) | Value::Dynamic => {
                    Some((word.name.as_str(), None))
                }
            })),
            Node::List { operands, .. } => settings_of(operands, found),
            Node::Compound { bodies, .. } => {
                let is_own = |body: &&Body| matches!(body.scope, Scope::Plain | Scope::Loop | Scope::Condition);
                bodies.iter().filter(is_own).for_each(|body| settings_of(&body.nodes, found));
            }
            Node::Start(_) | Node::Other(_) => {}
        }
    }
}

fn script_of(bytes: &[u8], dialect: Dialect, terms: Terms<'_>) -> Script {
    match dialect {
        Dialect::Bash
        | Dialect::Zsh
        | Dialect::Sh
        | Dialect::Csh
        | Dialect::Fish
        | Dialect::Nushell
        | Dialect::PowerShell => read::read(bytes, dialect, terms),
        _ => lines::read(bytes, dialect, terms.known),
    }
}

// What the rules say about a file.
fn analyzed(bytes: &[u8], dialect: Dialect, script: Script, judged: Judged, known: &Known) -> Examined {
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

impl Examined {
    /// A file that was looked through for what is only reported.
    pub(crate) fn reported(findings: Vec<Finding>) -> Self {
        let (gone, replaced, markers, kept, cuts) = Default::default();
        Self { script: Script::default(), findings, gone, replaced, markers, kept, cuts }
    }

    /// A store of logins, of which these cuts take the keys that move.
    pub(crate) fn of_store(findings: Vec<Finding>, cuts: Vec<Cut>) -> Self {
        Self { cuts, ..Self::reported(findings) }
    }

    /// The same without the values that only their names make look like keys: for files that no shell reads at its
    /// start, which hold applications' secrets.
    pub(crate) fn without_unknown_names(mut self) -> Self {
        let stays = |finding: &Finding| finding.action != Action::Reported(Reason::UnknownName);
        let mut places = Vec::with_capacity(self.findings.len());
        let mut before = 0;
        for finding in &self.findings {
            places.push(before);
            before += usize::from(stays(finding));
        }
        self.markers.iter_mut().for_each(|(_, index)| *index = places[*index]);
        self.findings.retain(stays);
        self
    }

    // The same findings, of which none moves.
    fn unparsed(self) -> Self {
        let report = |finding: Finding| match finding.action {
            Action::Moved(_) => Finding { action: Action::Reported(Reason::Unparsed), warnings: vec![], ..finding },
            Action::Reported(_) => finding,
        };
        Self::reported(self.findings.into_iter().map(report).collect())
    }

    /// The keys, in file order.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The same, and nothing else.
    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Reports whether anything in the file is changed.
    pub(crate) fn changes(&self) -> bool {
        self.moves() || !self.gone.is_empty() || !self.replaced.is_empty()
    }

    /// Reports whether a key moves.
    pub(crate) fn moves(&self) -> bool {
        self.findings.iter().any(Finding::is_moved)
    }

    /// The words that start an agent and are replaced.
    pub(super) fn replaced(&self) -> &[Replaced] {
        &self.replaced
    }

    /// What has to change in the file for everything that moves; `alias` names the entry, for the markers in comments.
    pub(crate) fn cuts(&self, bytes: &[u8], alias: &dyn Fn(&Finding) -> String) -> Vec<Cut> {
        self.cuts_with(bytes, alias, &|_| String::new())
    }

    /// The same where agents are started with accounts; `profile` names an account's profile.
    pub(crate) fn cuts_with(
        &self,
        bytes: &[u8],
        alias: &dyn Fn(&Finding) -> String,
        profile: &dyn Fn(usize) -> String,
    ) -> Vec<Cut> {
        if !self.cuts.is_empty() {
            return self.cuts.clone();
        }
        let markers = self.markers.iter().map(|(span, index)| {
            let finding = &self.findings[*index];
            let with = format!("<moved-to-ringlet:{}/{}>", finding.provider, alias(finding)).into_bytes();
            Cut { span: span.clone(), with }
        });
        let starts = self.replaced.iter().map(|own| own.with(&profile(own.account)));
        edit::scrub(bytes, &self.script, &self.gone, markers.chain(starts).collect(), &self.kept)
    }
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

#[cfg(test)]
mod everywhere;
#[cfg(test)]
mod tests;
