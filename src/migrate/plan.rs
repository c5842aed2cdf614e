//! What would move where: files examined, aliases given, the cuts made in memory. Reads only; called by the command
//! for every run, by `apply` when a file changed meanwhile, and by `doctor`.

mod choices;
mod diff;
mod names;
mod reading;
mod scan;
mod stored;

pub(crate) use choices::Choices;
pub(crate) use diff::Hunk;
pub(crate) use names::PlannedAccount;
pub(crate) use reading::{Reading, Trouble};
pub(crate) use scan::{Scan, scan};
pub(crate) use stored::Offer;

use super::accounts::{Account, Machine, Origin, Preference, Withheld};
use super::dialect::Dialect;
use super::edit::{self, Cut};
use super::entries::Store;
use super::examine::{self, Action, Examined, Finding};
use super::files::{Found, MAX_FILE};
use super::keyset::{Key, KeySet};
use super::made::MadeFile;
use super::model::Reason;
use super::utf16::Encoding;
use super::vocabulary::Vocabulary;
use crate::name::{KeyName, Provider};
use crate::platform::{self, Snapshot};
use crate::secret::Secret;
use names::Aliases;
use scan::Scanned;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A finding and where its value goes.
pub(crate) struct Placed {
    /// What was found.
    pub finding: Finding,
    /// The key it becomes, or why it is only reported.
    pub name: Result<KeyName, Reason>,
    /// Why it stays in its agent's store of logins.
    pub note: Option<String>,
}

/// A file with something in it.
pub(crate) struct PlannedFile {
    /// As it was found or named.
    pub path: PathBuf,
    /// The file itself, symlinks resolved.
    pub target: PathBuf,
    /// Its language.
    pub dialect: Dialect,
    /// How a key in it is replaced, where it is a program's own.
    pub remedy: Option<&'static str>,
    /// Its content and what must still be so when it is replaced.
    pub snapshot: Arc<Snapshot>,
    /// What is in it.
    pub findings: Vec<Placed>,
    /// What is taken out.
    pub cuts: Vec<Cut>,
    /// What it becomes.
    pub after: Zeroizing<Vec<u8>>,
    /// How the file's text is written; its content here is the text.
    pub encoding: Encoding,
    /// The store of logins that it is.
    pub store: Option<Store>,
    /// The files that accounts of this one are set in as well: they are rewritten together or not at all.
    pub partners: BTreeSet<PathBuf>,
    // Whether what becomes of it does not depend on other files.
    is_alone: bool,
    vocabulary: Arc<Vocabulary>,
}

/// A key of the plan.
pub(crate) struct PlannedKey {
    /// Its name.
    pub name: KeyName,
    /// Its value.
    pub value: Zeroizing<Vec<u8>>,
    /// The variables it stood in.
    pub variables: BTreeSet<String>,
    /// Whether the store has it already, under this very name.
    pub there: bool,
    /// Whether it was found in comments alone.
    pub commented: bool,
}

/// A plan.
#[derive(Default)]
pub(crate) struct Plan {
    /// The files with findings, in the order in which they were found.
    pub files: Vec<PlannedFile>,
    /// The keys.
    pub keys: Vec<PlannedKey>,
    /// The names of all keys that the store had.
    pub stored: BTreeSet<KeyName>,
    /// The files that Ringlet makes for the keys: profiles and settings.
    pub made: Vec<MadeFile>,
    /// The files that could not be read, or must not be edited.
    pub troubles: Vec<Trouble>,
    /// The accounts that profiles are made for.
    pub accounts: Vec<PlannedAccount>,
    /// The keys in agents' stores of logins that can move if the person says so.
    pub offers: Vec<Offer>,
    /// The launchers that become profiles.
    pub launches: Vec<Launch>,
    /// The keys that are their providers' defaults where there are several, and why.
    pub preferred: BTreeMap<Provider, (KeyName, Preference)>,
    /// The agents that get no default profile, each with the file and line of the reason.
    pub withheld: Vec<(Withheld, Option<(PathBuf, usize)>)>,
    /// Where agents are started past the shell's hook, and so have no account afterwards: file, line, agent.
    pub past_hook: Vec<(PathBuf, usize, String)>,
    // The files whose keys cannot be stored or taken out, symlinks resolved.
    stuck: Vec<(PathBuf, Trouble)>,
}

/// A launcher that becomes a profile.
pub(crate) struct Launch {
    /// The file, by its number.
    pub file: usize,
    /// Where the agent's command begins.
    pub at: usize,
    /// The launcher's own text.
    pub unit: Range<usize>,
    /// The account, by its number.
    pub account: usize,
}

impl Reading<'_> {
    /// The plan as the person wants it, made of a scan with the same choices. Where a file cannot be edited, what takes
    /// part in an account with it stays, too.
    pub(crate) fn plan(
        &mut self,
        mut scan: Scan,
        machine: &Machine<'_>,
        existing: &BTreeMap<KeyName, Secret>,
        choices: &Choices,
    ) -> Plan {
        loop {
            let mut plan = Plan::new(scan, existing, choices);
            if plan.stuck.is_empty() {
                return plan;
            }
            for (target, trouble) in plan.stuck.drain(..) {
                self.leave(target, trouble);
            }
            scan = self.scan(machine, choices);
        }
    }
}

impl Plan {
    /// The plan where nobody decided anything, and the store has nothing.
    pub(crate) fn of(found: &Found, named: &[PathBuf], machine: &Machine<'_>) -> Self {
        let (mut reading, choices) = (Reading::new(found, named), Choices::default());
        let scan = reading.scan(machine, &choices);
        reading.plan(scan, machine, &BTreeMap::new(), &choices)
    }

    // Gives every value its alias and makes the cuts. `existing` holds what the store has for the providers.
    fn new(scan: Scan, existing: &BTreeMap<KeyName, Secret>, choices: &Choices) -> Self {
        let Scan { files, accounts, offers, profiles, bound, default, vocabulary, troubles } = scan;
        let names = names::aliases(&files, &accounts.made, existing, &accounts.preferred, choices);
        let mut plan = Self { troubles, offers, ..Self::default() };
        let is_alone = accounts.made.iter().all(|account| account.origin == Origin::Key);
        let partners = partners(&accounts.made);
        for (provider, (value, why)) in &accounts.preferred {
            if let Some(name) = names.by_value(provider, value) {
                plan.preferred.insert(name.provider.clone(), (name, *why));
            }
        }
        plan.accounts = names::planned(accounts.made, &names, &profiles, &bound, default);
        let place = |file: usize, offset: usize| {
            let file: &Scanned = files.get(file)?;
            let before = file.snapshot.bytes.get(..offset)?;
            Some((file.path.clone(), 1 + memchr::memchr_iter(b'\n', before).count()))
        };
        let withheld = accounts.withheld.into_iter().map(|withheld| {
            let at = withheld.at.and_then(|(file, offset)| place(file, offset));
            (withheld, at)
        });
        plan.withheld = withheld.collect();
        let past_hook = accounts.past_hook.into_iter();
        plan.past_hook = past_hook
            .filter_map(|(file, offset, agent)| place(file, offset).map(|(path, line)| (path, line, agent)))
            .collect();
        let places: HashMap<usize, usize> =
            plan.accounts.iter().enumerate().map(|(at, own)| (own.number, at)).collect();
        let profiles: Vec<String> = plan.accounts.iter().map(|own| own.profile.clone()).collect();
        let profile = |number: usize| places.get(&number).map_or_else(String::new, |at| profiles[*at].clone());
        let targets: Vec<PathBuf> = files.iter().map(|file| file.target.clone()).collect();
        for (number, file) in files.into_iter().enumerate() {
            let Scanned { path, target, dialect, remedy, snapshot, encoding, examined, store, mut notes, blocked } =
                file;
            let made = match blocked {
                Some(_) => None,
                None => match cut(&snapshot.bytes, &examined, &names, &profile) {
                    Ok(made) => Some(made),
                    Err(why) => {
                        plan.stuck.push((target.clone(), Trouble { path: path.clone(), why }));
                        None
                    }
                },
            };
            if blocked == Some(Reason::ForeignOwned) && !examined.findings().is_empty() {
                let why = "holds keys and belongs to another user, so it is not edited".into();
                plan.troubles.push(Trouble { path: path.clone(), why });
            }
            let blocked = blocked.or(made.is_none().then_some(Reason::CannotEdit));
            let (cuts, after) = made.unwrap_or_else(|| (Vec::new(), snapshot.bytes.clone()));
            if examined.findings().is_empty() && cuts.is_empty() {
                continue;
            }
            if !cuts.is_empty() {
                let launches = examined.replaced().iter().filter_map(|own| {
                    let account = *places.get(&own.account)?;
                    Some(Launch { file: plan.files.len(), at: own.command.start, unit: own.unit.clone(), account })
                });
                plan.launches.extend(launches);
            }
            let own = partners.get(&number).into_iter().flatten();
            let partners = own.filter(|other| **other != number).map(|other| targets[*other].clone()).collect();
            let mut findings = placed(examined, &names, blocked);
            findings.iter_mut().enumerate().for_each(|(at, placed)| placed.note = notes.remove(&at));
            plan.files.push(PlannedFile {
                path,
                target,
                dialect,
                remedy,
                snapshot,
                findings,
                cuts,
                after,
                encoding,
                store,
                partners,
                is_alone,
                vocabulary: Arc::clone(&vocabulary),
            });
        }
        plan.collect_keys(existing);
        plan.stored = existing.keys().cloned().collect();
        plan
    }

    fn collect_keys(&mut self, existing: &BTreeMap<KeyName, Secret>) {
        let mut at: BTreeMap<&KeyName, usize> = BTreeMap::new();
        for placed in self.files.iter().flat_map(|file| &file.findings) {
            let Ok(name) = &placed.name else { continue };
            let index = *at.entry(name).or_insert_with(|| {
                self.keys.push(PlannedKey {
                    name: name.clone(),
                    value: placed.finding.value.clone(),
                    variables: BTreeSet::new(),
                    there: existing.contains_key(name),
                    commented: true,
                });
                self.keys.len() - 1
            });
            self.keys[index].variables.extend(placed.finding.variable.clone());
            self.keys[index].commented &= placed.finding.is_commented();
        }
    }

    /// Whether there is anything to move.
    pub(crate) fn moves(&self) -> bool {
        self.files.iter().any(PlannedFile::is_edited)
    }

    /// Whether a key of an agent stays in plaintext if the plan is carried out. Other tools' credentials do not count.
    pub(crate) fn leaves_keys(&self) -> bool {
        let stays = |placed: &Placed| placed.name.as_ref().is_err_and(|reason| *reason != Reason::NotAgentKey);
        // What zsh compiled from a file goes with its keys.
        let edited = self.files.iter().filter(|file| file.is_edited() && file.is_zsh());
        let compiled: BTreeSet<OsString> = edited
            .flat_map(|file| [&file.path, &file.target])
            .map(|path| [path.as_os_str(), ".zwc".as_ref()].into_iter().collect())
            .collect();
        let mut files = self.files.iter().filter(|file| !compiled.contains(file.path.as_os_str()));
        files.any(|file| file.findings.iter().any(stays))
    }

    /// Everything that must not be shown or written.
    pub(crate) fn secrets(&self) -> KeySet<'_> {
        let values = self.files.iter().flat_map(|file| &file.findings).map(|found| &found.finding.value);
        KeySet::new(values.filter(|value| !value.is_empty()).map(|value| Key { value, number: None }).collect())
    }

    /// Providers with more than one active key, and these.
    pub(crate) fn conflicts(&self) -> Vec<(Provider, Vec<&PlannedKey>)> {
        let mut found: BTreeMap<Provider, Vec<&PlannedKey>> = BTreeMap::new();
        for key in self.keys.iter().filter(|key| !key.commented) {
            found.entry(key.name.provider.clone()).or_default().push(key);
        }
        found.into_iter().filter(|(_, keys)| keys.len() > 1).collect()
    }
}

impl PlannedFile {
    /// Whether it is going to be rewritten.
    pub(crate) fn is_edited(&self) -> bool {
        !self.cuts.is_empty()
    }

    /// Whether zsh reads it.
    pub(crate) fn is_zsh(&self) -> bool {
        self.dialect == Dialect::Zsh
    }

    /// Plans a file anew that changed meanwhile, with the aliases that were given; fails when another key is in it.
    pub(crate) fn again(&self) -> Result<Self, String> {
        let target = self.path.canonicalize().map_err(|error| error.to_string())?;
        let mut snapshot = platform::read_snapshot(&target, MAX_FILE).map_err(|error| error.to_string())?;
        if !snapshot.ours {
            return Err("belongs to another user".into());
        }
        let encoding = reading::decode(&mut snapshot);
        // What other files say about it was judged with its old content. Of a store nobody was asked about the new one.
        if !self.is_alone || self.store.is_some() {
            return Err("was changed meanwhile".into());
        }
        let vocabulary = Arc::clone(&self.vocabulary);
        let examined = examine::examine(&snapshot.bytes, self.dialect, &vocabulary);
        let given = self.findings.iter().filter_map(|placed| Some((&placed.finding, placed.name.clone().ok()?)));
        let names = Aliases::new(given);
        let (cuts, after) = cut(&snapshot.bytes, &examined, &names, &|_| String::new())?;
        if cuts.is_empty() {
            return Err("nothing is left to take out".into());
        }
        let (path, dialect, is_alone) = (self.path.clone(), self.dialect, true);
        let findings = placed(examined, &names, None);
        Ok(Self {
            path,
            target,
            dialect,
            remedy: self.remedy,
            snapshot: Arc::new(snapshot),
            findings,
            cuts,
            after,
            encoding,
            store: None,
            partners: BTreeSet::new(),
            is_alone,
            vocabulary,
        })
    }

    /// The file's bytes before and after; nothing where they cannot be written in its encoding.
    pub(crate) fn images(&self) -> Option<[Zeroizing<Vec<u8>>; 2]> {
        Some([self.encoding.encode(&self.snapshot.bytes)?, self.encoding.encode(&self.after)?])
    }

    /// The changed lines before and after, with every key masked.
    pub(crate) fn hunks(&self, keys: &KeySet<'_>) -> Vec<Hunk> {
        let hunks = if self.store.is_some() { diff::entries } else { diff::hunks };
        hunks(&self.snapshot.bytes, &self.cuts, keys)
    }
}

// The files, by their numbers, that each takes part in accounts with, through others as well.
fn partners(made: &[Account]) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut found: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for account in made.iter().filter(|account| account.files.len() > 1) {
        let mut all = account.files.clone();
        for file in &account.files {
            all.extend(found.get(file).into_iter().flatten());
        }
        for file in &all {
            found.insert(*file, all.clone());
        }
    }
    found
}

// Makes the cuts in memory.
fn cut(
    bytes: &[u8],
    examined: &Examined,
    names: &Aliases,
    profile: &dyn Fn(usize) -> String,
) -> Result<(Vec<Cut>, Zeroizing<Vec<u8>>), String> {
    if !examined.changes() {
        return Ok((Vec::new(), Zeroizing::new(bytes.to_vec())));
    }
    let moved = || examined.findings().iter().filter(|finding| finding.is_moved());
    if moved().any(|finding| names.of(finding).is_none()) {
        return Err("holds a key that cannot be stored, so it is not edited".into());
    }
    let alias = |finding: &Finding| names.of(finding).map_or_else(String::new, |name| name.alias.to_string());
    let cuts = examined.cuts_with(bytes, &alias, profile);
    let after = Zeroizing::new(edit::apply(bytes, &cuts));
    if cuts.is_empty() {
        return Err("holds keys in a way that cannot be edited safely; take them out by hand".into());
    }
    Ok((cuts, after))
}

// A key of a file that is edited has a name.
fn placed(examined: Examined, names: &Aliases, blocked: Option<Reason>) -> Vec<Placed> {
    let place = |finding: Finding| {
        let name = match (finding.action, blocked) {
            (Action::Reported(reason), _) | (Action::Moved(_), Some(reason)) => Err(reason),
            (Action::Moved(_), None) => names.of(&finding).ok_or(Reason::CannotEdit),
        };
        Placed { finding, name, note: None }
    };
    examined.into_findings().into_iter().map(place).collect()
}
