//! Goes through all parts of the files until nothing more is kept.

use super::kept::Hinted;
use super::launchers::Fate;
use super::pairs;
use super::scopes::ReadBy;
use super::types::Refusal;
use super::{Found, Group, Judge, Kept};
use crate::migrate::model::Reason;
use std::collections::{BTreeMap, BTreeSet, HashMap};

// So often the files are gone through. Each time but the first needs a part that refers to one that is kept; after
// these, all are kept.
const ROUNDS: usize = 10;

impl<'a> Judge<'a, '_> {
    // The accounts; also notes what is kept.
    pub(super) fn found(&mut self) -> Vec<Found<'a>> {
        let groups = self.groups();
        for round in 0.. {
            let before = (self.kept.len(), self.names.len(), self.withheld.len());
            let found = self.round(&groups, round >= ROUNDS);
            if before == (self.kept.len(), self.names.len(), self.withheld.len()) {
                return found;
            }
        }
        unreachable!("each round keeps more words, of which there is an end")
    }

    fn groups(&self) -> Vec<Group<'a>> {
        let mut groups: BTreeMap<(u8, usize), Vec<usize>> = BTreeMap::new();
        for (set, at) in self.facts.at.iter().enumerate().filter(|(_, at)| at.unit.is_none()) {
            match self.sources[at.file].reader {
                ReadBy::Shells(shells) => {
                    for shell in (0..8).map(|bit| 1 << bit).filter(|shell| shells & shell != 0) {
                        groups.entry((shell, 0)).or_default().push(set);
                    }
                }
                ReadBy::Nothing | ReadBy::Script(_) => groups.entry((0, at.file)).or_default().push(set),
            }
        }
        let group = |((shells, _), sets): (_, Vec<usize>)| {
            let mut models: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for set in &sets {
                let name = self.facts.sets[*set].word.name.as_str();
                if let Some((stem, _)) = name.split_once('_').filter(|_| name.ends_with("_MODEL")) {
                    models.entry(stem).or_default().push(*set);
                }
            }
            Group { shells, families: self.by_family(&sets), models }
        };
        groups.into_iter().map(group).collect()
    }

    // The endpoints at the top level of each file, by family.
    fn around(&self, groups: &[Group<'a>]) -> HashMap<(usize, &'a str), pairs::Endpoint<'a>> {
        let mut around = HashMap::new();
        for group in groups {
            for (family, sets) in &group.families {
                if let Ok(pairs::Aim::At(endpoint, _)) = self.aim(sets, family) {
                    let group_files: BTreeSet<usize> = match group.shells {
                        0 => sets.iter().map(|set| self.facts.at[*set].file).collect(),
                        shells => (0..self.sources.len()).filter(|file| self.is_read_by(*file, shells)).collect(),
                    };
                    for file in group_files {
                        around.entry((file, *family)).or_insert_with(|| endpoint.clone());
                    }
                }
            }
        }
        around
    }

    pub(super) fn is_read_by(&self, file: usize, shells: u8) -> bool {
        matches!(self.sources[file].reader, ReadBy::Shells(own) if own & shells != 0)
    }

    fn round(&mut self, groups: &[Group<'a>], is_last: bool) -> Vec<Found<'a>> {
        let mut found: Vec<Found<'a>> = Vec::new();
        self.keeps.clear();
        let around = self.around(groups);
        for unit in 0..self.facts.units.len() {
            let file = self.facts.units[unit].file;
            let around = |family: &'a str| around.get(&(file, family)).cloned();
            match self.fate(unit, &around) {
                Fate::Nothing => {}
                Fate::Keeps(names) => {
                    let starts = &self.facts.units[unit].starts;
                    // A command that cannot be told is the agent that the unit is called by.
                    let own = self.facts.units[unit].name.unwrap_or_default();
                    let agents = starts.iter().map(|start| self.facts.starts[*start].0.agent.as_str());
                    let agents = agents.map(|agent| if agent.is_empty() { own } else { agent });
                    let pairs = agents.flat_map(|agent| names.iter().map(move |name| ((agent, *name), unit)));
                    for (kept, unit) in pairs.collect::<Vec<_>>() {
                        self.keeps.entry(kept).or_insert(unit);
                    }
                }
                Fate::Kept(kept, families) => self.keep_unit(unit, &families, &kept),
                // Without what is set around it, a second run would take it for an account.
                Fate::Within(kept, families, outer) => {
                    self.keep_unit(unit, &families, &kept);
                    self.keep_sets(&outer, &kept, None, Hinted::default());
                }
                Fate::Account(account) => {
                    let reason = Reason::Launcher;
                    let governed = || self.governed(&account).map(|why| Kept { reason, why });
                    match self.stays(&account, reason, is_last).or_else(governed) {
                        Some(kept) => {
                            let family = self.family(account.keys[0]).into_iter().collect::<Vec<_>>();
                            self.keep_unit(unit, &family, &kept);
                        }
                        None => found.push(*account),
                    }
                }
            }
        }
        self.keep_inherited(groups);
        // The top level's accounts by family: several shells may have the same.
        let mut same: HashMap<&str, Vec<usize>> = HashMap::new();
        for group in groups {
            for (family, sets) in &group.families {
                match self.top(group, family, sets) {
                    Ok(None) => {}
                    Ok(Some(account)) => match self.stays(&account, Reason::Pair, is_last) {
                        Some(kept) => {
                            let Kept { reason, why } = kept;
                            self.keep_group(sets, Refusal { reason, why, at: None });
                        }
                        None => join(&mut found, &mut same, family, account),
                    },
                    Err(refusal) => self.keep_group(sets, refusal),
                }
            }
        }
        // A file that several shells read is cut for all of them or for none.
        found.retain(|account| account.keys.iter().chain(&account.others).all(|set| !self.kept.contains_key(set)));
        found
    }

    // What words set, by the family of their endpoints and keys.
    pub(super) fn by_family(&self, sets: &[usize]) -> BTreeMap<&'a str, Vec<usize>> {
        let mut families: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for set in sets {
            if let Some(family) = self.family(*set) {
                families.entry(family).or_default().push(*set);
            }
        }
        families
    }
}

// Adds a top level's account; two shells that have the same share it.
fn join<'a>(
    found: &mut Vec<Found<'a>>,
    by_family: &mut HashMap<&'a str, Vec<usize>>,
    family: &'a str,
    account: Found<'a>,
) {
    let same = |other: &Found<'a>| {
        (&other.provider, other.pair.value, &other.pair.endpoint)
            == (&account.provider, account.pair.value, &account.pair.endpoint)
            && (&other.agents, &other.model, &other.env) == (&account.agents, &account.model, &account.env)
    };
    let own = by_family.entry(family).or_default();
    match own.iter().copied().find(|at| same(&found[*at])) {
        Some(at) => {
            let other = &mut found[at];
            other.shells |= account.shells;
            other.keys = merged(&other.keys, account.keys);
            other.others = merged(&other.others, account.others);
        }
        None => {
            own.push(found.len());
            found.push(account);
        }
    }
}

fn merged(own: &[usize], more: Vec<usize>) -> Vec<usize> {
    own.iter().copied().chain(more).collect::<BTreeSet<_>>().into_iter().collect()
}
