//! Judges all files of a run together: what is a key, what moves, and the accounts.

use super::choices::Choices;
use super::reading::{Content, Part, Pending, Reader, Reading, Trouble};
use super::stored::{self, Offer, Stored};
use crate::migrate::accounts::{self, Accounts, Bound, Judged, Machine, ReadBy, Source};
use crate::migrate::detect::Known;
use crate::migrate::dialect::Dialect;
use crate::migrate::entries::Store;
use crate::migrate::examine::{Action, Examined, Finding, Parsed};
use crate::migrate::files::Found;
use crate::migrate::model::Reason;
use crate::migrate::utf16::Encoding;
use crate::migrate::vocabulary::{Terms, Vocabulary};
use crate::platform::Snapshot;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that was read and examined.
pub(crate) struct Scanned {
    pub(super) path: PathBuf,
    pub(super) target: PathBuf,
    pub(super) dialect: Dialect,
    pub(super) remedy: Option<&'static str>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) encoding: Encoding,
    pub(super) examined: Examined,
    /// The store of logins that it is.
    pub(super) store: Option<Store>,
    /// Why keys in it stay, by the places of the findings.
    pub(super) notes: BTreeMap<usize, String>,
    // Why nothing in it is moved.
    pub(super) blocked: Option<Reason>,
}

/// What a scan found.
pub(crate) struct Scan {
    pub(super) files: Vec<Scanned>,
    pub(super) accounts: Accounts,
    /// The keys in agents' stores that can move if the person says so.
    pub(super) offers: Vec<Offer>,
    // The names of the profiles that there are.
    pub(super) profiles: BTreeSet<String>,
    // The accounts in them.
    pub(super) bound: BTreeMap<(String, String), Bound>,
    pub(super) default: Option<String>,
    pub(super) vocabulary: Arc<Vocabulary>,
    /// The files that could not be read, or must not be edited.
    pub troubles: Vec<Trouble>,
}

/// Reads and judges the files named by the user, and those that were found.
pub(crate) fn scan(found: &Found, named: &[PathBuf], machine: &Machine<'_>) -> Scan {
    Reading::new(found, named).scan(machine, &Choices::default())
}

impl Reading<'_> {
    /// Judges the files as the person wants it, and reads them before the first time. A file that is not there is an
    /// error only where it was named. What is only reported is looked through whatever its size.
    pub(crate) fn scan(&mut self, machine: &Machine<'_>, choices: &Choices) -> Scan {
        let vocabulary = &machine.vocabulary;
        // What earlier runs moved is known from the start, and what this one moves once that is judged (rule S12).
        let before = Known::new(machine.known());
        let terms = Terms { vocabulary, known: &before };
        if self.edited.is_none() {
            self.all(terms, machine.login, Part::Edited);
        }
        let edited = self.edited.unwrap_or(self.files.len());
        if self.edited.is_none() && self.reports {
            self.all(terms, machine.login, Part::Stores);
        }
        let is_used = |file: &&mut Pending| matches!(file.content, Content::Used);
        self.files.iter_mut().filter(is_used).for_each(|file| file.take_apart(terms));
        for file in &mut self.files {
            let stuck = self.stuck.contains(&file.target).then_some(Reason::CannotEdit);
            let declined = choices.files.contains(&file.target).then_some(Reason::Declined);
            file.stays = file.blocked.or(stuck).or(declined);
            let own = choices.launchers.iter().filter(|(target, _)| *target == file.target);
            file.declined = own.map(|(_, at)| *at).collect();
        }
        let first = judged(&self.files[..edited], machine, &before);
        let moved = first.0.iter().flat_map(|file| &file.keys).filter(|key| matches!(key.action, Action::Moved(_)));
        let moved = moved.map(|key| (key.value.as_slice(), key.provider.as_str()));
        let stored = stored::offers(&self.files, edited, machine, &first.1);
        let gone = stored::gone(&stored, &self.files, machine, choices);
        let accepted = |own: &&Stored| own.is_among(&gone);
        let known = |all: bool| {
            let own = stored
                .iter()
                .filter(|own| all || accepted(own))
                .map(|own| (own.value.as_slice(), own.provider.as_str()));
            Known::new(machine.known().chain(moved.clone()).chain(own))
        };
        let (known, all) = (known(false), known(true));
        let terms = Terms { vocabulary, known: &known };
        let holds =
            |file: &&mut Pending| matches!(file.content, Content::Parsed(_)) && known.is_in(&file.snapshot.bytes);
        self.files[..edited].iter_mut().filter(holds).for_each(|file| file.take_apart(terms));
        let (judged, mut accounts) =
            if known.is_empty() { first } else { judged(&self.files[..edited], machine, &known) };
        // A key that an agent keeps is one in every other place as well, whether it moves or not.
        let seen = Terms { vocabulary, known: &all };
        self.files[edited..].iter_mut().for_each(|file| file.look_again(seen));
        if self.edited.is_none() {
            if self.reports {
                self.all(seen, machine.login, Part::Reported);
            }
            self.edited = Some(edited);
        }
        stored::bind(&gone, &self.files, machine, &mut accounts);
        let mut judged = judged.into_iter();
        let files = self.files.iter_mut().map(|file| file.examined(terms.known, &mut judged));
        let mut files: Vec<Scanned> = files.collect();
        for (number, file) in files.iter_mut().enumerate().skip(edited) {
            let empty = Examined::reported(Vec::new());
            let findings = std::mem::replace(&mut file.examined, empty).into_findings();
            let own = (number, &self.files[number]);
            (file.examined, file.notes) = stored::examined(&stored, own, &gone, findings);
        }
        let (vocabulary, profiles) = (Arc::clone(vocabulary), machine.profiles.clone());
        let default = machine.default.as_ref().map(|(name, _)| name.clone());
        let offers = stored.into_iter().filter_map(|own| own.offer.ok()).collect();
        let bound = machine.bound.clone();
        Scan { files, accounts, offers, profiles, bound, default, vocabulary, troubles: self.troubles.clone() }
    }
}

// Judges the files that can be edited together. Where an edit of one would not hold, the rest is judged without it.
fn judged(files: &[Pending], machine: &Machine<'_>, known: &Known) -> (Vec<Judged>, Accounts) {
    let parsed: Vec<usize> = (0..files.len()).filter(|at| matches!(files[*at].content, Content::Parsed(_))).collect();
    let terms = Terms { vocabulary: &machine.vocabulary, known };
    let mut unsettled: BTreeSet<usize> = BTreeSet::new();
    loop {
        let source = |at: &usize| {
            let file = &files[*at];
            let Content::Parsed(parsed) = &file.content else { unreachable!("only parsed files are listed") };
            let reader = match &file.reader {
                Reader::Shells(shells) => ReadBy::Shells(*shells),
                Reader::Script(name) => ReadBy::Script(name),
                Reader::Nothing => ReadBy::Nothing,
            };
            let frozen = file.stays.or(unsettled.contains(at).then_some(Reason::Unparsed));
            let source = parsed.source(&file.snapshot.bytes, reader, &file.steps, frozen, &file.declined);
            (parsed, Source { sure: file.sure.as_deref(), ..source })
        };
        let sources: Vec<_> = parsed.iter().map(source).collect();
        let (read, sources): (Vec<_>, Vec<_>) = sources.into_iter().unzip();
        let (judged, mut accounts) = accounts::judge(&sources, machine, known);
        let settles = |at: usize| {
            let bytes = &files[parsed[at]].snapshot.bytes;
            read[at].settles(bytes, &judged[at], terms)
        };
        let fresh: Vec<usize> = (0..judged.len()).filter(|at| !settles(*at)).map(|at| parsed[at]).collect();
        if fresh.is_empty() {
            // By the places of all files.
            for withheld in &mut accounts.withheld {
                withheld.at = withheld.at.map(|(file, offset)| (parsed[file], offset));
            }
            for (file, ..) in &mut accounts.past_hook {
                *file = parsed[*file];
            }
            for made in &mut accounts.made {
                made.files = made.files.iter().map(|file| parsed[*file]).collect();
            }
            return (judged, accounts);
        }
        let before = unsettled.len();
        unsettled.extend(fresh);
        if unsettled.len() == before {
            // Nothing is cut out of a file that is kept, so this cannot be; it must not go on for ever either.
            unsettled.extend(&parsed);
        }
    }
}

impl Pending {
    fn take_apart(&mut self, terms: Terms<'_>) {
        self.content = Content::Parsed(Parsed::new(&self.snapshot.bytes, self.dialect, terms));
    }

    // What is found in it; `judged` gives what was judged of the next file that can be edited.
    fn examined(&mut self, known: &Known, judged: &mut impl Iterator<Item = Judged>) -> Scanned {
        let bytes = &self.snapshot.bytes;
        let examined = match std::mem::replace(&mut self.content, Content::Used) {
            Content::Parsed(parsed) => {
                let examined = parsed.examined(bytes, judged.next().unwrap_or_default(), known);
                if self.is_started { examined } else { examined.without_unknown_names() }
            }
            Content::Reported(findings) => {
                self.content = Content::Reported(findings.clone());
                Examined::reported(findings)
            }
            Content::Used => unreachable!("it was taken apart anew"),
        };
        let Self { path, target, dialect, remedy, encoding, stays, .. } = self;
        Scanned {
            path: path.clone(),
            target: target.clone(),
            dialect: *dialect,
            remedy: *remedy,
            snapshot: Arc::clone(&self.snapshot),
            encoding: *encoding,
            examined,
            store: self.store.as_ref().map(|(store, _)| *store),
            notes: BTreeMap::new(),
            blocked: *stays,
        }
    }
}

impl Scan {
    /// The keys, file by file.
    pub(crate) fn findings(&self) -> impl Iterator<Item = (&Path, &[Finding])> {
        self.files.iter().map(|file| (file.path.as_path(), file.examined.findings()))
    }

    /// The providers whose keys would move: whose entries in the store matter.
    pub(crate) fn providers(&self) -> BTreeSet<String> {
        let moved = self.files.iter().filter(|file| file.blocked.is_none()).flat_map(|file| file.examined.findings());
        moved.filter(|finding| finding.is_moved()).map(|finding| finding.provider.clone()).collect()
    }
}
