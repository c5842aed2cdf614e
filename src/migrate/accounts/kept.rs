//! What is left as it is (rule P9): with every part of an account all of it, and with it what refers to the same
//! variables. Its agents get no default profile.

use super::scopes::Kind;
use super::types::Refusal;
use super::values::Held;
use super::{Found, Group, Judge, Kept, Withheld};
use super::{defaults, pairs};
use crate::migrate::model::Reason;
use crate::migrate::vocabulary::Meaning;
use crate::url::{Http, check_url};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What an account that stays would be, as far as it is known.
#[derive(Clone, Default)]
pub(super) struct Hinted {
    provider: Option<String>,
    // As a profile names it.
    endpoint: Option<String>,
    // Where it differs from the provider's own.
    auth_header: Option<&'static str>,
}

impl<'a> Judge<'a, '_> {
    // Keeps what stands in a file that is not changed.
    pub(super) fn freeze(&mut self) {
        for set in 0..self.facts.sets.len() {
            let Some(reason) = self.sources[self.facts.at[set].file].frozen else { continue };
            if self.values.is_key(set) || self.family(set).is_some() {
                let kept = Kept { reason, why: "a file that takes part in it is not edited".to_owned() };
                self.keep(vec![set], &kept);
            }
        }
    }

    // Keeps what the person wants to stay, and what takes its value over.
    pub(super) fn decline(&mut self) {
        let kept = Kept { reason: Reason::Declined, why: "you chose to leave it as it is".to_owned() };
        let has = |file: usize, at: &usize| self.sources[file].declined.contains(at);
        let is_declined = |set: &usize| {
            let (word, file) = (self.facts.sets[*set].word, self.facts.at[*set].file);
            let is_spared = matches!(self.values.held(*set), Held::Is(value, _) if self.machine.spared.has(value));
            is_spared || has(file, &word.span.start) || has(file, &word.name_span.start)
        };
        let declined: Vec<usize> = (0..self.facts.sets.len()).filter(is_declined).collect();
        let starts = self.facts.starts.iter().filter(|(start, at)| has(at.file, &start.command.start));
        let units: Vec<usize> = starts.filter_map(|(_, at)| at.unit).collect();
        let mut copies: HashMap<&str, Vec<usize>> = HashMap::new();
        for set in 0..if declined.is_empty() { 0 } else { self.facts.sets.len() } {
            if let Some(name) = self.values.refers(set) {
                copies.entry(name).or_default().push(set);
            }
        }
        let mut rest = declined;
        while let Some(set) = rest.pop() {
            self.leave(set, &kept);
            rest.extend(copies.remove(self.facts.sets[set].word.name.as_str()).into_iter().flatten());
        }
        for unit in units {
            let families: Vec<&'a str> = self.by_family(&self.facts.units[unit].sets).into_keys().collect();
            self.keep_unit(unit, &families, &kept);
        }
    }

    fn leave(&mut self, set: usize, kept: &Kept) {
        let name = self.facts.sets[set].word.name.as_str();
        self.names.entry(name).or_insert_with(|| kept.clone());
        self.keep(vec![set], kept);
        let provider = self.provider_of(set);
        // Where the person chose another key as the default, that is the agent's.
        let has_other = self.machine.chosen.contains_key(&provider);
        if self.facts.at[set].unit.is_none() && self.is_named_so(set) && !has_other {
            let has_others = self.family(set).is_some_and(|family| self.has_other_endpoints(&[set], family));
            let account =
                if has_others { Hinted::default() } else { Hinted { provider: Some(provider), ..Hinted::default() } };
            let at = Some((self.facts.at[set].file, self.facts.sets[set].word.span.start));
            self.withhold(self.readers_of_key(name), &kept.why, at, account);
        }
    }

    // Keeps the keys at top level that a function or launcher takes to an endpoint of its own: without the key, the
    // agent's login would go there.
    pub(super) fn keep_inherited(&mut self, groups: &[Group<'a>]) {
        let mut taken: BTreeMap<&'a str, usize> = BTreeMap::new();
        for (number, unit) in self.facts.units.iter().enumerate() {
            for (family, sets) in self.by_family(&unit.sets) {
                let has_endpoint = matches!(self.aim(&sets, family), Ok(pairs::Aim::At(..)) | Err(_));
                let (keys, unknown) = self.credentials(&sets, family);
                if has_endpoint && keys.is_empty() && unknown.is_none() {
                    taken.entry(family).or_insert(number);
                }
            }
        }
        for (family, unit) in taken {
            let unit = &self.facts.units[unit];
            let branch = matches!(unit.kind, Kind::Branch | Kind::Construct) && unit.starts.is_empty();
            let is_endpoint =
                |set: &&usize| self.meaning(**set) == Some(Meaning::Endpoint) && self.family(**set) == Some(family);
            let endpoint = unit.sets.iter().filter(|_| branch).find(is_endpoint);
            let why = match (endpoint, unit.name) {
                (Some(set), _) => format!("{} is set on a condition", self.facts.sets[*set].word.name),
                (None, Some(name)) => format!("\"{name}\" takes the key to an endpoint of its own"),
                (None, None) => "a command takes the key to an endpoint of its own".to_owned(),
            };
            let kept = Kept { reason: Reason::Pair, why };
            for group in groups {
                let Some(sets) = group.families.get(family) else { continue };
                if !self.credentials(sets, family).0.is_empty() {
                    // Whether the key is for that endpoint alone is not known.
                    self.keep_sets(sets, &kept, None, Hinted::default());
                }
            }
        }
    }

    // Why an account that is understood stays all the same.
    pub(super) fn stays(&self, account: &Found<'a>, reason: Reason, is_last: bool) -> Option<Kept> {
        if is_last {
            return Some(Kept { reason, why: "too many parts of the files refer to each other".to_owned() });
        }
        let words = account.keys.iter().chain(&account.others);
        let kept = |set: &usize| {
            let kept = self.kept.get(set).or_else(|| self.names.get(self.values.refers(*set)?));
            kept.map(|kept| Kept {
                reason: if kept.reason == Reason::Declined { kept.reason } else { reason },
                why: kept.why.clone(),
            })
        };
        words.into_iter().find_map(kept)
    }

    // The endpoint in an agent's own settings that beats the account's.
    pub(super) fn governed(&self, account: &Found<'a>) -> Option<String> {
        self.governing(self.family(account.keys[0])?)
    }

    pub(super) fn governing(&self, family: &str) -> Option<String> {
        let vocabulary = &self.machine.vocabulary;
        let is_of = |variable: &str| vocabulary.family(variable) == Some(family);
        // Each credential of the agent whose endpoint it is goes there, a subscription's token too.
        let takes = |name: &str| {
            let agent = defaults::owner_of(name).and_then(|agent| vocabulary.agents.get(&agent.parse().ok()?));
            let mut keys = agent.iter().flat_map(|spec| &spec.api).flat_map(|api| api.key.iter().chain(&api.bearer));
            keys.any(|key| is_of(key.as_str()))
        };
        let (name, url, file) = self.machine.governing.iter().find(|(name, url, _)| {
            let own = vocabulary.provider_of(family);
            (is_of(name) || takes(name)) && !own.is_some_and(|own| pairs::is_at(own, url))
        })?;
        Some(format!("{} sets {name} to {url}, which beats the environment", file.display()))
    }

    pub(super) fn keep_unit(&mut self, unit: usize, families: &[&'a str], kept: &Kept) {
        let own = &self.facts.units[unit];
        let is_launcher = matches!(kept.reason, Reason::Launcher | Reason::Declined);
        let of = |set: &&usize| {
            self.family(**set).is_some_and(|family| families.contains(&family))
                || is_launcher && self.values.is_key(**set)
        };
        let sets: Vec<usize> = own.sets.iter().filter(of).copied().collect();
        let at = Some((own.file, own.span.start));
        let started = own.starts.iter().map(|start| self.facts.starts[*start].0.agent.clone());
        let mut agents: Vec<String> = started.filter(|agent| !agent.is_empty()).collect();
        if agents.is_empty() {
            agents = self.agents_of(&sets);
        }
        self.keep(sets, kept);
        if kept.reason == Reason::Launcher && !own.starts.is_empty() {
            self.launchers.insert(unit);
        }
        let account = self.hinted(&own.sets, families.first().copied());
        // Which of several accounts it is, or what is written where nothing is understood, is not known.
        let is_known = own.starts.len() <= 1 && families.len() <= 1 && !self.has_fixed_key(own);
        self.withhold(agents, &kept.why, at, if is_known { account } else { Hinted::default() });
    }

    /// Keeps what a shell's files set at top level.
    pub(super) fn keep_group(&mut self, sets: &[usize], refusal: Refusal) {
        let account = self.hinted(sets, sets.first().and_then(|set| self.family(*set)));
        let is_sure = sets.iter().all(|set| self.facts.scopes[self.facts.at[*set].scope].is_none());
        let kept = Kept { reason: refusal.reason, why: refusal.why };
        self.keep_sets(sets, &kept, refusal.at, if is_sure { account } else { Hinted::default() });
    }

    pub(super) fn keep_sets(&mut self, sets: &[usize], kept: &Kept, at: Option<usize>, account: Hinted) {
        let at = at.or(sets.first().copied()).map(|set| self.place_of(set));
        let agents = self.agents_of(sets);
        self.keep(sets.to_vec(), kept);
        self.withhold(agents, &kept.why, at, account);
    }

    // The agents that the endpoints or, where there are none, the keys among these words are for.
    pub(super) fn agents_of(&self, sets: &[usize]) -> Vec<String> {
        let names = |meaning| {
            let of = move |set: &&usize| self.meaning(**set) == Some(meaning);
            sets.iter().filter(of).map(|set| self.facts.sets[*set].word.name.as_str()).collect::<BTreeSet<_>>()
        };
        let endpoints = names(Meaning::Endpoint);
        let mut agents: Vec<String> = endpoints.into_iter().flat_map(|name| self.readers_of_endpoint(name)).collect();
        if agents.is_empty() {
            agents.extend(names(Meaning::Credential).into_iter().flat_map(|name| self.readers_of_key(name)));
        }
        agents
    }

    pub(super) fn keep(&mut self, sets: Vec<usize>, kept: &Kept) {
        let mut rest = sets;
        while let Some(set) = rest.pop() {
            if self.kept.contains_key(&set) {
                continue;
            }
            self.kept.insert(set, kept.clone());
            // What it refers to stays, wherever it is set.
            if let Some(name) = self.values.refers(set)
                && !self.names.contains_key(name)
            {
                self.names.insert(name, kept.clone());
                rest.extend(self.values.named(name));
            }
        }
    }

    /// Where a word stands.
    pub(super) fn place_of(&self, set: usize) -> (usize, usize) {
        (self.facts.at[set].file, self.facts.sets[set].word.span.start)
    }

    // The provider and the endpoint that words are for. Nothing where anything about them is not known: a key must not
    // be bound to an endpoint that is not its own.
    fn hinted(&self, sets: &[usize], family: Option<&'a str>) -> Hinted {
        let Some(family) = family else { return Hinted::default() };
        let (Ok(pair), Ok(aim)) = (self.pair(sets, family, None), self.aim(sets, family)) else {
            return Hinted::default();
        };
        let own = self.machine.vocabulary.provider_of(family);
        let (keys, _) = self.credentials(sets, family);
        if keys.windows(2).any(|two| !self.values.is_same(two[0], two[1])) {
            return Hinted::default();
        }
        match (pair, aim) {
            (_, pairs::Aim::Silent) if self.has_other_endpoints(sets, family) => Hinted::default(),
            (Some(pair), _) => {
                let spec = self.machine.vocabulary.provider(&pair.provider);
                let (endpoint, auth_header) = (pair.endpoint_of(spec), pair.auth_header(spec));
                Hinted { provider: Some(pair.provider.clone()), endpoint, auth_header }
            }
            (None, pairs::Aim::At((_, url), _)) => {
                // An address that no profile takes is no advice, and may hold a password.
                if check_url(&url, Http::Private).is_err() {
                    return Hinted::default();
                }
                let known = self.machine.vocabulary.provider_at(&url);
                let provider = known.or(own).map(|spec| spec.name.to_string());
                Hinted { provider, endpoint: Some(url), auth_header: None }
            }
            (None, _) => Hinted { provider: own.map(|spec| spec.name.to_string()), ..Hinted::default() },
        }
    }

    // Whether an endpoint of a family is set elsewhere than by these words, outside launchers, or may be.
    fn has_other_endpoints(&self, sets: &[usize], family: &str) -> bool {
        let Some(all) = self.strays.get(family) else { return false };
        let own = sets.iter().filter(|set| self.is_stray(**set) == Some(family)).count();
        own < *all
    }

    /// The endpoints that are set outside launchers, by family.
    pub(super) fn strays(&self) -> HashMap<&'a str, usize> {
        let mut strays = HashMap::new();
        for family in (0..self.facts.sets.len()).filter_map(|set| self.is_stray(set)) {
            *strays.entry(family).or_default() += 1;
        }
        strays
    }

    fn is_stray(&self, set: usize) -> Option<&'a str> {
        let family = self.family(set).filter(|_| self.meaning(set) == Some(Meaning::Endpoint))?;
        let own = self.machine.vocabulary.provider_of(family);
        let is_other = match self.values.held(set) {
            Held::Declared | Held::Nothing => false,
            Held::Unknown | Held::Path(_) => true,
            Held::Is(url, _) => !own.is_some_and(|own| pairs::is_at(own, &String::from_utf8_lossy(url))),
        };
        (is_other && !self.facts.sets[set].place.launcher).then_some(family)
    }

    fn withhold(&mut self, agents: Vec<String>, why: &str, at: Option<(usize, usize)>, hinted: Hinted) {
        for agent in agents {
            let agent = self.machine.vocabulary.agent(&agent).map_or(agent, ToString::to_string);
            let Hinted { provider, endpoint, auth_header } = hinted.clone();
            let withheld = Withheld::new(agent.clone(), why.to_owned(), at, provider, endpoint);
            let withheld = Withheld { stays: true, auth_header, ..withheld };
            self.withheld.entry(agent).or_insert(withheld);
        }
    }
}
