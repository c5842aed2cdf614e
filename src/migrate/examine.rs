//! What is a key in a file, whether it can move, and what would be cut for it.
//!
//! Pure: bytes in, findings and cuts out, by the corpus' rules for every dialect alike. Opens no file, asks no store,
//! and decides no alias: the plan does, and passes it in. Called by the scan, the plan and, after a file has been
//! written, by the apply that reads it again.

pub(crate) use crate::migrate::verdicts::Action;

use crate::migrate::accounts::{self, Accounts, Judged, Machine, ReadBy, Replaced, Source};
use crate::migrate::detect::Known;
use crate::migrate::dialect::Dialect;
use crate::migrate::edit::{self, Cut};
use crate::migrate::model::{Body, Form, Node, Reason, Scope, Script, Span, Value, Warning};
use crate::migrate::vocabulary::{Terms, Vocabulary};
use crate::migrate::{lines, read, utf16};
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

mod analysis;

use analysis::analyzed;

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

/// Looks through texts together, as a run does with files: once more with what moves, wherever it stands (rule S12).
pub(crate) fn examine_together(texts: &[Text<'_>], machine: &Machine<'_>) -> (Vec<Examined>, Accounts) {
    let before = Known::new(machine.known());
    let first = together(texts, machine, &before);
    let moved = first.0.iter().flat_map(Examined::findings).filter(|finding| finding.is_moved());
    let moved = moved.map(|finding| (finding.value.as_slice(), finding.provider.as_str()));
    let known = Known::new(machine.known().chain(moved));
    if known.is_empty() { first } else { together(texts, machine, &known) }
}

fn together(texts: &[Text<'_>], machine: &Machine<'_>, known: &Known) -> (Vec<Examined>, Accounts) {
    let terms = Terms { vocabulary: &machine.vocabulary, known };
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

#[cfg(test)]
mod everywhere;
#[cfg(test)]
mod tests;
