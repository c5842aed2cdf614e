//! Which of a provider's keys the user's login shell has.

use super::values::Held;
use super::{Found, Judge, Preference};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

/// How good a key is as its provider's default, what counts most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    is_chosen: bool,
    // In the environment.
    is_held: bool,
    // In the login shell's files.
    is_in_login: bool,
    // Under the provider's own variable.
    is_own: bool,
    // How late it is set there.
    step: usize,
    is_top: bool,
}

impl Rank {
    pub(super) fn why(self) -> Preference {
        match self {
            Self { is_chosen: true, .. } => Preference::Chosen,
            Self { is_held: true, .. } => Preference::Environment,
            Self { is_in_login: true, .. } => Preference::LoginShell,
            _ => Preference::Last,
        }
    }
}

impl<'a> Judge<'a, '_> {
    // The place of a byte in the order of what the login shell reads; none where it does not read it.
    pub(super) fn step(&self, file: usize, at: usize) -> Option<usize> {
        let steps = self.sources[file].steps.iter();
        steps.filter(|(span, _)| span.contains(&at)).map(|(_, step)| *step).max()
    }

    // The same of a word.
    pub(super) fn step_of(&self, set: usize) -> Option<usize> {
        self.step(self.facts.at[set].file, self.facts.sets[set].word.span.start)
    }

    // Of words that set one name at top level the first that leaves it empty in the end.
    pub(super) fn emptied(&self, sets: &[usize]) -> Option<usize> {
        let sets_it = |set: &usize| !matches!(self.values.held(*set), Held::Nothing | Held::Declared);
        let last = sets.iter().copied().filter(sets_it).max_by(|one, other| self.order(*one, *other))?;
        let is_later = |set: &usize| {
            matches!(self.values.held(*set), Held::Nothing) && self.order(*set, last) == Ordering::Greater
        };
        sets.iter().copied().find(is_later)
    }

    // Which of two words a shell comes to first: by the order in which the login shell reads its files, else by theirs.
    fn order(&self, one: usize, other: usize) -> Ordering {
        let place = |set: usize| (self.facts.at[set].file, self.facts.sets[set].word.span.start);
        match (self.step_of(one), self.step_of(other)) {
            (Some(step), Some(after)) => (step, place(one)).cmp(&(after, place(other))),
            _ => place(one).cmp(&place(other)),
        }
    }

    // Of each provider's keys that move the one that the user's login shell has: what is in its environment, else what
    // is set last at the top level of its files; the provider's own variable before others.
    pub(super) fn preferred(&self, moved: &[(usize, String)], found: &[Found<'a>]) -> BTreeMap<String, usize> {
        let apart: HashSet<usize> =
            found.iter().filter(|own| own.pair.alias().is_some()).flat_map(|own| own.keys.iter().copied()).collect();
        let mut best: BTreeMap<String, (Rank, usize)> = BTreeMap::new();
        for (set, provider) in moved {
            if apart.contains(set) || self.facts.sets[*set].place.launcher {
                continue;
            }
            let rank = self.rank(*set, provider);
            let is_better = best.get(provider).is_none_or(|(other, _)| *other <= rank);
            if is_better {
                best.insert(provider.clone(), (rank, *set));
            }
        }
        best.into_iter().map(|(provider, (_, set))| (provider, set)).collect()
    }

    pub(super) fn rank(&self, set: usize, provider: &str) -> Rank {
        let own = &self.facts.sets[set];
        let name = own.word.name.as_str();
        let is_top = own.place.depth == 0;
        let step = self.step_of(set).map(|step| step + 1).filter(|_| is_top);
        let spec = self.machine.vocabulary.provider(provider);
        let is_own = is_top && spec.is_some_and(|spec| spec.variable.as_str() == name);
        let is_held = match self.values.held(set) {
            Held::Is(value, _) => (self.machine.holds)(name, value),
            _ => false,
        };
        let chosen = self.machine.chosen.get(provider);
        let is_chosen =
            matches!(self.values.held(set), Held::Is(value, _) if chosen.is_some_and(|own| **own == *value));
        let (is_in_login, step) = (step.is_some(), step.unwrap_or_default());
        Rank { is_chosen, is_held, is_in_login, is_own, step, is_top }
    }
}
