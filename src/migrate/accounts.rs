//! Accounts: which endpoints, keys and launchers of all files belong together.
//!
//! An endpoint and a key of one family are one account, which moves whole or stays (rules P1 to P13 of
//! `docs/migrate-rules.md`). `scopes` says where everything is set and started, and `values` what it comes to. `pairs`
//! finds an account in what a scope sets, `launchers` in a unit that starts an agent, and `defaults` says which account
//! becomes an agent's default. Pure: what the machine has is asked of a [`Machine`]. Called by `examine` and by the
//! plan's scan.

mod defaults;
mod launchers;
mod pairs;
mod scopes;
mod values;

pub(super) use scopes::{ReadBy, Source};

use super::detect::{self, Judgement, Known};
use super::edit::Cut;
use super::files::Shell;
use super::model::{Fixed, Form, Reason, Script, Span, Start, Value};
use super::verdicts::{Action, Set, Verdict, Verdicts};
use super::vocabulary::{Meaning, Vocabulary};
use pairs::Pair;
use scopes::{Facts, Kind};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use values::{Held, Values};
use zeroize::Zeroizing;

// A question about an agent and something else.
type Asked<'w, T, R> = Box<dyn Fn(&str, &T) -> R + 'w>;

/// What the rules ask of the machine.
pub(crate) struct Machine<'w> {
    /// The agents found on PATH.
    pub agents: BTreeSet<String>,
    /// Whether `ringlet` is found there.
    pub has_ringlet: bool,
    /// Reports whether a path, `~` allowed, is the program that a command starts.
    pub leads_to: Asked<'w, str, bool>,
    /// Reports why a launch could not use an account.
    pub check: Asked<'w, Account, Result<(), String>>,
    /// The agents with a login of their own, each with where it is.
    pub logins: BTreeMap<String, String>,
    /// The endpoints in the agents' own settings, which beat the environment: variable, address, file.
    pub governing: Vec<(String, String, PathBuf)>,
    /// What the names mean.
    pub vocabulary: Arc<Vocabulary>,
    /// The user's login shell.
    pub login: Option<Shell>,
    /// Reports whether a variable has this value in the environment.
    pub holds: Asked<'w, [u8], bool>,
    /// The names of the profiles that there are.
    pub profiles: BTreeSet<String>,
    /// The default one, and the agents that it binds.
    pub default: Option<(String, BTreeSet<String>)>,
}

impl Machine<'_> {
    /// A machine without agents.
    pub(crate) fn empty(vocabulary: &Arc<Vocabulary>) -> Self {
        Self {
            agents: BTreeSet::new(),
            has_ringlet: false,
            leads_to: Box::new(|_, _| false),
            check: Box::new(|_, _| Ok(())),
            logins: BTreeMap::new(),
            governing: Vec::new(),
            vocabulary: Arc::clone(vocabulary),
            login: None,
            holds: Box::new(|_, _| false),
            profiles: BTreeSet::new(),
            default: None,
        }
    }
}

/// An account that the files give to agents. Its `Debug` is left out: it holds a key.
#[derive(Clone)]
pub(crate) struct Account {
    /// What its profile is called.
    pub name: Name,
    /// The agents that are bound.
    pub agents: Vec<String>,
    /// The key's provider.
    pub provider: String,
    /// The key.
    pub value: Zeroizing<Vec<u8>>,
    /// The endpoint as a profile names it; none for the provider's own.
    pub endpoint: Option<String>,
    /// Whether that is an unencrypted one in a private network.
    pub allow_http: bool,
    /// The header for the key, where it differs from the provider's own.
    pub auth_header: Option<&'static str>,
    /// The model.
    pub model: Option<String>,
    /// The other variables of the agent.
    pub env: Vec<(String, String)>,
    /// The agent's folder.
    pub config_dir: Option<String>,
    /// The alias of the key, where the rules give it one of its own.
    pub alias: Option<String>,
    /// Where it was found.
    pub origin: Origin,
    /// The same in words.
    pub from: String,
}

impl Account {
    /// Reports whether another one is the same account of the same agents.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.agents, &self.provider, &self.value, &self.endpoint)
            == (&other.agents, &other.provider, &other.value, &other.endpoint)
            && (&self.model, &self.env, &self.config_dir, self.auth_header)
                == (&other.model, &other.env, &other.config_dir, other.auth_header)
    }
}

/// What a profile is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// `default`, the agents' default account.
    Default,
    /// After a launcher; the default as well where that has the agent's own name.
    Launcher {
        /// The name.
        name: String,
        /// Whether it becomes the default.
        is_default: bool,
    },
}

/// Where an account was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A key without an endpoint.
    Key,
    /// An endpoint and a key at top level.
    Pair,
    /// A launcher: the start of the agent, by number.
    Launcher(usize),
}

/// An agent for which no default profile is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Withheld {
    /// The agent.
    pub agent: String,
    /// Why, as the rest of a sentence.
    pub why: String,
    /// The file, by number, and the offset that the reason stands at.
    pub at: Option<(usize, usize)>,
    /// The provider of the account that it has.
    pub provider: Option<String>,
    /// The endpoint of that account, as a profile names it.
    pub endpoint: Option<String>,
}

/// What the files come to.
#[derive(Default)]
pub(crate) struct Accounts {
    /// The accounts that profiles are made for.
    pub made: Vec<Account>,
    /// The agents that get no default.
    pub withheld: Vec<Withheld>,
    /// Of each provider's keys the one that the user's login shell has.
    pub preferred: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

/// A key that a word sets, and what becomes of it.
pub(super) struct Key {
    /// The variable.
    pub variable: String,
    /// Where its name begins.
    pub at: usize,
    /// The whole word.
    pub span: Span,
    /// How its statement sets it.
    pub form: Form,
    /// Whose key it is.
    pub provider: String,
    /// What is done about it.
    pub action: Action,
    /// The key.
    pub value: Zeroizing<Vec<u8>>,
    /// Whether it is set in a function.
    pub function: bool,
    /// Whether it is set outside every construct.
    pub top_level: bool,
}

/// What becomes of one file.
#[derive(Default)]
pub(super) struct Judged {
    /// The keys that it sets, in its order.
    pub keys: Vec<Key>,
    /// Where the words begin that go.
    pub gone: HashSet<usize>,
    /// The words that start an agent and are replaced, each with the number of its account and the agent's command.
    pub replaced: Vec<(Span, usize, String)>,
}

impl Judged {
    /// The words that take the place of those that start an agent.
    pub(super) fn replacements(&self, profile: &dyn Fn(usize) -> String) -> Vec<Cut> {
        self.replaced.iter().map(|(span, account, agent)| start(span, &profile(*account), agent)).collect()
    }
}

/// The words that start an agent with the account of a profile, in place of those that started it.
pub(super) fn start(span: &Span, profile: &str, agent: &str) -> Cut {
    Cut { span: span.clone(), with: format!("ringlet exec --profile {profile} {agent} --").into_bytes() }
}

/// What a script sets, in its order: names, and values where they are literals.
pub(super) fn literals(script: &Script) -> Vec<(String, Option<Zeroizing<Vec<u8>>>)> {
    let source = Source { bytes: b"", script, reader: ReadBy::Nothing, steps: &[], frozen: None };
    let literal = |value: &Value| if let Value::Literal(value, _) = value { Some(value.clone()) } else { None };
    Facts::of(&[source]).sets.iter().map(|set| (set.word.name.clone(), literal(&set.word.value))).collect()
}

/// Reports whether a script sets and starts exactly what the one before it does, less what was taken out.
pub(super) fn remains(bytes: &[u8], before: &Script, judged: &Judged, after: &[u8], left: &Script) -> bool {
    let facts =
        |bytes, script| Facts::of(&[Source { bytes, script, reader: ReadBy::Nothing, steps: &[], frozen: None }]);
    let (before, after) = (facts(bytes, before), facts(after, left));
    // A word without a name sets nothing that could be told, and is no word of a setting once the others are gone.
    let is_named = |set: &&Set<'_>| !set.word.name.is_empty();
    let mut stays = before.sets.iter().filter(is_named).filter(|set| !judged.gone.contains(&set.word.span.start));
    let mut is = after.sets.iter().filter(is_named);
    let same = loop {
        match (stays.next(), is.next()) {
            (None, None) => break true,
            (Some(one), Some(other))
                if one.word.name == other.word.name && same(&one.word.value, &other.word.value) => {}
            _ => break false,
        }
    };
    let replaced = |start: &Start| judged.replaced.iter().any(|(span, ..)| *span == start.command);
    same && before.starts.iter().filter(|(start, _)| !replaced(start)).count() == after.starts.len()
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Literal(one, _), Value::Literal(other, _)) => one == other,
        (Value::Copy(one), Value::Copy(other)) => one == other,
        (Value::Default(name, one, _), Value::Default(other_name, other, _)) => name == other_name && one == other,
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}

/// Why a part of the files is left as it is.
#[derive(Debug, Clone)]
struct Kept {
    reason: Reason,
    why: String,
}

/// Judges all files of a run.
pub(super) fn judge(sources: &[Source<'_>], machine: &Machine<'_>, known: &Known) -> (Vec<Judged>, Accounts) {
    let facts = Facts::of(sources);
    let values = Values::of(&facts, known);
    let mut judge = Judge {
        sources,
        facts: &facts,
        values: &values,
        machine,
        kept: HashMap::new(),
        names: HashMap::new(),
        withheld: BTreeMap::new(),
        fixed: sources.iter().map(|source| fixed_keys(source.script, known)).collect(),
        hosts: HashMap::new(),
        keeps: HashMap::new(),
    };
    judge.hosts = judge.endpoints();
    judge.freeze();
    let found = judge.found();
    let mut decided: Vec<Option<Option<Verdict>>> = vec![None; facts.sets.len()];
    let mut also: HashSet<usize> = HashSet::new();
    for account in &found {
        for set in &account.keys {
            let kind = account.unit.map(|unit| facts.units[unit].kind);
            let form = account.form(facts.sets[*set].form, kind, values.refers(*set).is_some());
            let Held::Is(_, source) = values.held(*set) else { continue };
            decided[*set] =
                Some(Some(Verdict { provider: account.provider.clone(), action: Action::Moved(form), source }));
        }
        also.extend(&account.others);
    }
    let mut kept: Vec<(&usize, &Kept)> = judge.kept.iter().collect();
    kept.sort_unstable_by_key(|(set, _)| **set);
    for (set, kept) in kept {
        also.remove(set);
        let Held::Is(_, source) = values.held(*set) else { continue };
        if !values.is_key(*set) {
            continue;
        }
        let (provider, action) = (judge.kept_provider(*set), Action::Reported(kept.reason));
        // Where it takes the value of another variable over, that one's own place is named.
        if source != *set {
            decided[*set] = Some(None);
        }
        if source == *set || decided[source].is_none() {
            decided[source] = Some(Some(Verdict { provider, action, source }));
        }
    }
    // Rule S8: what a known variable takes over holds a key.
    for set in 0..facts.sets.len() {
        let Held::Is(_, source) = values.held(set) else { continue };
        let stays = match &decided[set] {
            Some(own) => !matches!(own, Some(Verdict { action: Action::Moved(_), .. })),
            None => !values.is_key(set) || facts.sets[set].place.launcher,
        };
        if source == set
            || stays
            || values.is_key(source)
            || decided[source].is_some()
            || facts.sets[source].place.launcher
        {
            continue;
        }
        let provider = match &decided[set] {
            Some(Some(own)) => own.provider.clone(),
            _ => judge.provider_of(set),
        };
        let action = Action::Moved(facts.sets[source].form);
        decided[source] = Some(Some(Verdict { provider, action, source }));
    }
    let fixed: Vec<_> = sources.iter().map(|source| source.script).collect();
    let verdicts = Verdicts::of(&facts.sets, &fixed, &decided, known);
    let moves = |verdict: &Option<Verdict>| matches!(verdict, Some(Verdict { action: Action::Moved(_), .. }));
    let judged_sets: Vec<(usize, String)> = (verdicts.words.iter().enumerate())
        .filter(|(_, verdict)| moves(verdict))
        .filter_map(|(set, verdict)| Some((set, verdict.as_ref()?.provider.clone())))
        .collect();
    let mut judged: Vec<Judged> = Vec::new();
    judged.resize_with(sources.len(), Judged::default);
    for (index, verdict) in verdicts.words.into_iter().enumerate() {
        let set = &facts.sets[index];
        let own = &mut judged[facts.at[index].file];
        if verdicts.gone.contains(&index) || also.contains(&index) {
            own.gone.insert(set.word.span.start);
        }
        let Some(Verdict { provider, action, source }) = verdict else { continue };
        let (Value::Literal(value, _) | Value::Default(_, value, _)) = &facts.sets[source].word.value else { continue };
        own.keys.push(Key {
            variable: set.word.name.clone(),
            at: set.word.name_span.start,
            span: set.word.span.clone(),
            form: set.form,
            provider,
            action,
            value: value.clone(),
            function: set.place.function,
            top_level: set.place.depth == 0,
        });
    }
    let preferred = judge.preferred(&judged_sets, &found);
    let mut accounts = defaults::accounts(&judge, &found, &preferred);
    let value = |set: usize| match values.held(set) {
        Held::Is(value, _) => Zeroizing::new(value.to_vec()),
        _ => Zeroizing::default(),
    };
    accounts.preferred = preferred.into_iter().map(|(provider, set)| (provider, value(set))).collect();
    for (number, account) in accounts.made.iter().enumerate() {
        if let Origin::Launcher(start) = account.origin {
            let (start, at) = &facts.starts[start];
            judged[at.file].replaced.push((start.command.clone(), number, start.agent.clone()));
        }
    }
    (judged, accounts)
}

/// An account with the words that it is found in.
struct Found<'a> {
    provider: String,
    pair: Pair<'a>,
    // The unit that it is found in; none at top level.
    unit: Option<usize>,
    // The shells that have it at top level, one bit each.
    shells: u8,
    // The words that set the key, and the others that go.
    keys: Vec<usize>,
    others: Vec<usize>,
    // The commands of the agents that are bound.
    agents: Vec<String>,
    model: Option<String>,
    env: Vec<(String, String)>,
    config_dir: Option<String>,
}

// So often the files are gone through. Each time but the first needs a part that refers to one that is kept; after
// these, all are kept.
const ROUNDS: usize = 10;

struct Judge<'a, 'w> {
    sources: &'a [Source<'a>],
    facts: &'a Facts<'a>,
    values: &'a Values<'a>,
    machine: &'a Machine<'w>,
    // The words that stay.
    kept: HashMap<usize, Kept>,
    // The variables whose keys stay.
    names: HashMap<&'a str, Kept>,
    // The agents that get no default profile.
    withheld: BTreeMap<String, Withheld>,
    // Where keys stand in each file that nothing can be cut out of.
    fixed: Vec<Vec<usize>>,
    // The endpoints, by the scope that they are set in and their family.
    hosts: HashMap<(usize, &'a str), &'a str>,
    // What units keep from their agents: the agent's command and the variable, with the unit.
    keeps: HashMap<(&'a str, &'a str), usize>,
}

// The files whose top level is one scope, with what they set by family.
struct Group<'a> {
    shells: u8,
    families: BTreeMap<&'a str, Vec<usize>>,
    // The models, whose family is that of the endpoint's stem.
    models: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Judge<'a, '_> {
    // The accounts; also notes what is kept.
    fn found(&mut self) -> Vec<Found<'a>> {
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

    // Of each provider's keys that move the one that the user's login shell has: what is in its environment, else what
    // is set last at the top level of its files; the provider's own variable before others.
    fn preferred(&self, moved: &[(usize, String)], found: &[Found<'a>]) -> BTreeMap<String, usize> {
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

    fn rank(&self, set: usize, provider: &str) -> Rank {
        let own = &self.facts.sets[set];
        let (at, name) = (own.word.span.start, own.word.name.as_str());
        let is_top = own.place.depth == 0;
        let steps = self.sources[self.facts.at[set].file].steps.iter();
        let step = steps.filter(|(span, _)| span.contains(&at)).map(|(_, step)| step + 1).max().filter(|_| is_top);
        let spec = self.machine.vocabulary.provider(provider);
        let is_own = is_top && spec.is_some_and(|spec| spec.variable.as_str() == name);
        let is_held = match self.values.held(set) {
            Held::Is(value, _) => (self.machine.holds)(name, value),
            _ => false,
        };
        (is_held, step.is_some(), is_own, step.unwrap_or_default(), is_top)
    }

    fn endpoints(&self) -> HashMap<(usize, &'a str), &'a str> {
        let endpoint = |set: usize| {
            let Held::Is(value, _) = self.values.held(set) else { return None };
            let is_endpoint = self.meaning(set) == Some(Meaning::Endpoint);
            let url = std::str::from_utf8(value).ok().filter(|_| is_endpoint)?;
            Some(((self.facts.at[set].scope, self.family(set)?), url))
        };
        (0..self.facts.sets.len()).filter_map(endpoint).collect()
    }

    // Keeps what stands in a file that is not changed.
    fn freeze(&mut self) {
        for set in 0..self.facts.sets.len() {
            let Some(reason) = self.sources[self.facts.at[set].file].frozen else { continue };
            if self.values.is_key(set) || self.family(set).is_some() {
                let kept = Kept { reason, why: "a file that takes part in it is not edited".to_owned() };
                self.keep(vec![set], &kept);
            }
        }
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

    fn is_read_by(&self, file: usize, shells: u8) -> bool {
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
                launchers::Fate::Nothing => {}
                launchers::Fate::Keeps(names) => {
                    let starts = &self.facts.units[unit].starts;
                    let agents = starts.iter().map(|start| self.facts.starts[*start].0.agent.as_str());
                    let pairs = agents.flat_map(|agent| names.iter().map(move |name| ((agent, *name), unit)));
                    for (kept, unit) in pairs.collect::<Vec<_>>() {
                        self.keeps.entry(kept).or_insert(unit);
                    }
                }
                launchers::Fate::Kept(kept, families) => self.keep_unit(unit, &families, &kept),
                launchers::Fate::Account(account) => {
                    match self.stays(&account, is_last).or_else(|| self.governed(&account)) {
                        Some(why) => {
                            let family = self.family(account.keys[0]).into_iter().collect::<Vec<_>>();
                            self.keep_unit(unit, &family, &Kept { reason: Reason::Launcher, why });
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
                    Ok(Some(account)) => match self.stays(&account, is_last) {
                        Some(why) => self.keep_group(sets, &why),
                        None => join(&mut found, &mut same, family, account),
                    },
                    Err(why) => self.keep_group(sets, &why),
                }
            }
        }
        // A file that several shells read is cut for all of them or for none.
        found.retain(|account| account.keys.iter().chain(&account.others).all(|set| !self.kept.contains_key(set)));
        found
    }

    // What words set, by the family of their endpoints and keys.
    fn by_family(&self, sets: &[usize]) -> BTreeMap<&'a str, Vec<usize>> {
        let mut families: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for set in sets {
            if let Some(family) = self.family(*set) {
                families.entry(family).or_default().push(*set);
            }
        }
        families
    }

    // Keeps the keys at top level that a function or launcher takes to an endpoint of its own: without the key, the
    // agent's login would go there.
    fn keep_inherited(&mut self, groups: &[Group<'a>]) {
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
            let what = unit.name.map_or_else(|| "a command".to_owned(), |name| format!("\"{name}\""));
            let why = format!("{what} takes the key to an endpoint of its own");
            for group in groups {
                let Some(sets) = group.families.get(family) else { continue };
                if !self.credentials(sets, family).0.is_empty() {
                    self.keep_group(sets, &why);
                }
            }
        }
    }

    // Why an account that is understood stays all the same.
    fn stays(&self, account: &Found<'a>, is_last: bool) -> Option<String> {
        if is_last {
            return Some("too many parts of the files refer to each other".to_owned());
        }
        let words = account.keys.iter().chain(&account.others);
        let kept = |set: &usize| {
            let kept = self.kept.get(set).or_else(|| self.names.get(self.values.refers(*set)?));
            kept.map(|kept| kept.why.clone())
        };
        words.into_iter().find_map(kept)
    }

    // The endpoint in an agent's own settings that beats the account's.
    fn governed(&self, account: &Found<'a>) -> Option<String> {
        self.governing(self.family(account.keys[0])?)
    }

    fn governing(&self, family: &str) -> Option<String> {
        let vocabulary = &self.machine.vocabulary;
        let (name, url, file) = self.machine.governing.iter().find(|(name, url, _)| {
            let own = vocabulary.provider_of(family);
            vocabulary.family(name) == Some(family) && !own.is_some_and(|own| pairs::is_at(own, url))
        })?;
        Some(format!("{} sets {name} to {url}, which beats the environment", file.display()))
    }

    // The account that a shell's files set at top level.
    fn top(&self, group: &Group<'a>, family: &'a str, sets: &[usize]) -> Result<Option<Found<'a>>, String> {
        let (keys, unknown) = self.credentials(sets, family);
        let aim = self.aim(sets, family);
        if keys.is_empty() && unknown.is_none() {
            return Ok(None);
        }
        if let Some(why) = self.governing(family) {
            return if keys.is_empty() { Ok(None) } else { Err(why) };
        }
        if let Ok(pairs::Aim::Own | pairs::Aim::Silent) = aim {
            return Ok(None);
        }
        aim?;
        if let Some(unknown) = unknown {
            return Err(format!("what {} is set to cannot be told", self.facts.sets[unknown].word.name));
        }
        if group.shells == 0 {
            return Err("nothing is known to read this file".to_owned());
        }
        let Some(pair) = self.pair(sets, family, None)? else { return Ok(None) };
        let mut found = Found::new(pair, None, group.shells);
        let names: BTreeSet<&str> =
            found.keys.iter().chain(&found.others).map(|set| self.facts.sets[*set].word.name.as_str()).collect();
        self.are_plain_at_top(&names, sets)?;
        let bare = |set: &usize| {
            names.contains(self.facts.sets[*set].word.name.as_str()) && matches!(self.values.held(*set), Held::Declared)
        };
        found.others.extend(sets.iter().copied().filter(bare));
        self.models(group, &mut found);
        self.bind(&mut found)?;
        Ok(Some(found))
    }

    // Whether the variables are exported, on no condition, and not emptied or unset later.
    fn are_plain_at_top(&self, names: &BTreeSet<&str>, sets: &[usize]) -> Result<(), String> {
        let mut exported: BTreeSet<&str> = BTreeSet::new();
        let mut emptied: BTreeMap<&str, bool> = BTreeMap::new();
        for set in sets {
            let name = self.facts.sets[*set].word.name.as_str();
            if !names.contains(name) {
                continue;
            }
            let held = self.values.held(*set);
            let sets_it = matches!(held, Held::Is(..));
            if sets_it && self.facts.scopes[self.facts.at[*set].scope].is_some() {
                return Err(format!("{name} is set on a condition"));
            }
            if self.facts.at[*set].exported && !matches!(held, Held::Nothing) {
                exported.insert(name);
            }
            if sets_it || matches!(held, Held::Nothing) {
                emptied.insert(name, !sets_it);
            }
        }
        if let Some(name) = names.iter().find(|name| !exported.contains(*name)) {
            return Err(format!("{name} is set without being exported"));
        }
        match emptied.iter().find(|(_, is_empty)| **is_empty) {
            Some((name, _)) => Err(format!("{name} is emptied or unset later")),
            None => Ok(()),
        }
    }

    // The models that are set beside a pair.
    fn models(&self, group: &Group<'a>, found: &mut Found<'a>) {
        let Some((variable, _)) = &found.pair.endpoint else { return };
        let Some(stem) = variable.split('_').next() else { return };
        let mut values: BTreeMap<&str, (Vec<usize>, Option<&[u8]>)> = BTreeMap::new();
        for set in group.models.get(stem).into_iter().flatten() {
            let name = self.facts.sets[*set].word.name.as_str();
            let entry = values.entry(name).or_default();
            entry.0.push(*set);
            match self.values.held(*set) {
                Held::Is(value, _) if entry.1.is_none_or(|other| other == value) => entry.1 = Some(value),
                Held::Declared => {}
                _ => entry.1 = Some(b""),
            }
        }
        for (name, (sets, value)) in values {
            let Some(value) = value.filter(|value| !value.is_empty()).and_then(|value| std::str::from_utf8(value).ok())
            else {
                continue;
            };
            found.others.extend(sets);
            found.env.push((name.to_owned(), value.to_owned()));
        }
    }

    // The agents that have a pair at top level.
    fn bind(&self, found: &mut Found<'a>) -> Result<(), String> {
        let Some((variable, _)) = &found.pair.endpoint else { return Ok(()) };
        let mut why = format!("no agent on PATH reads {variable}");
        for agent in self.readers_of_endpoint(variable) {
            if let Some(withheld) = self.withheld.get(&agent) {
                return Err(format!("{agent} gets no default profile, since {}", withheld.why));
            }
            let kept = [*variable, found.pair.variable]
                .into_iter()
                .find_map(|name| Some((name, self.keeps.get(&(agent.as_str(), name))?)));
            if let Some((name, unit)) = kept {
                let what = self.facts.units[*unit].name.unwrap_or("a command");
                return Err(format!("{what} starts {agent} with {name} emptied or unset"));
            }
            if agent == "codex" && self.machine.logins.contains_key("codex") {
                why = "codex has a login of its own".to_owned();
                continue;
            }
            match (self.machine.check)(&agent, &self.account(found, Name::Default)) {
                Ok(()) => found.agents.push(agent),
                Err(error) => why = error,
            }
        }
        if found.agents.is_empty() { Err(why) } else { Ok(()) }
    }

    // The agents that are sent to an endpoint by this variable: the one whose it is, and the others on PATH.
    fn readers_of_endpoint(&self, variable: &str) -> Vec<String> {
        let reads = |spec: &crate::registry::AgentSpec| {
            spec.api.iter().filter_map(|api| api.base_url.as_ref()).any(|own| own.as_str() == variable)
        };
        let mut agents: Vec<String> = defaults::owner_of(variable).map(str::to_owned).into_iter().collect();
        let all: Vec<&crate::name::Agent> =
            self.machine.vocabulary.agents.iter().filter(|(_, spec)| reads(spec)).map(|(name, _)| name).collect();
        if agents.is_empty() && all.len() == 1 {
            agents.push(all[0].to_string());
        }
        let found = all.iter().filter(|agent| self.machine.agents.contains(agent.as_str())).map(ToString::to_string);
        let found: Vec<String> = found.filter(|agent| !agents.contains(agent)).collect();
        agents.extend(found);
        agents
    }

    fn keep_unit(&mut self, unit: usize, families: &[&'a str], kept: &Kept) {
        let own = &self.facts.units[unit];
        let is_launcher = kept.reason == Reason::Launcher;
        let of = |set: &&usize| {
            self.family(**set).is_some_and(|family| families.contains(&family))
                || is_launcher && self.values.is_key(**set)
        };
        let sets: Vec<usize> = own.sets.iter().filter(of).copied().collect();
        let at = Some((own.file, own.span.start));
        let mut agents: Vec<String> =
            own.starts.iter().map(|start| self.facts.starts[*start].0.agent.clone()).collect();
        if agents.is_empty() {
            agents = self.agents_of(&sets);
        }
        self.keep(sets, kept);
        let account = self.hinted(&own.sets, families.first().copied());
        self.withhold(agents, &kept.why, at, account);
    }

    fn keep_group(&mut self, sets: &[usize], why: &str) {
        let kept = Kept { reason: Reason::Pair, why: why.to_owned() };
        let sets = sets.to_vec();
        let at = sets.first().map(|set| (self.facts.at[*set].file, self.facts.sets[*set].word.span.start));
        let agents = self.agents_of(&sets);
        let family = sets.first().and_then(|set| self.family(*set));
        let account = self.hinted(&sets, family);
        self.keep(sets, &kept);
        self.withhold(agents, why, at, account);
    }

    // The agents that the endpoints or, where there are none, the keys among these words are for.
    fn agents_of(&self, sets: &[usize]) -> Vec<String> {
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

    fn keep(&mut self, sets: Vec<usize>, kept: &Kept) {
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

    // The provider and the endpoint that words are for, as far as they tell.
    fn hinted(&self, sets: &[usize], family: Option<&'a str>) -> (Option<String>, Option<String>) {
        let Some(family) = family else { return (None, None) };
        let pair = self.pair(sets, family, None).ok().flatten();
        if let Some(pair) = pair {
            let spec = self.machine.vocabulary.provider(&pair.provider);
            return (Some(pair.provider.clone()), pair.endpoint_of(spec));
        }
        let own = self.machine.vocabulary.provider_of(family);
        match self.aim(sets, family) {
            Ok(pairs::Aim::At((_, url), _)) => {
                let known = self.machine.vocabulary.provider_at(&url);
                (known.or(own).map(|spec| spec.name.to_string()), Some(url))
            }
            _ => (own.map(|spec| spec.name.to_string()), None),
        }
    }

    fn withhold(
        &mut self,
        agents: Vec<String>,
        why: &str,
        at: Option<(usize, usize)>,
        (provider, endpoint): (Option<String>, Option<String>),
    ) {
        for agent in agents {
            let agent = self.machine.vocabulary.agent(&agent).map_or(agent, ToString::to_string);
            let (provider, endpoint) = (provider.clone(), endpoint.clone());
            let withheld = Withheld { agent: agent.clone(), why: why.to_owned(), at, provider, endpoint };
            self.withheld.entry(agent).or_insert(withheld);
        }
    }

    // What gives the account, in words.
    fn from(&self, found: &Found<'a>) -> String {
        let unit = found.unit.map(|unit| &self.facts.units[unit]);
        let called = |unit: &scopes::Unit<'_>| match (unit.kind, unit.name) {
            (Kind::Function, Some(name)) => format!("the function {name}"),
            (Kind::Text, Some(name)) => format!("the alias {name}"),
            (Kind::Script, Some(name)) => format!("the script {name}"),
            _ => "a command".to_owned(),
        };
        match (unit, &found.pair.endpoint) {
            (Some(unit), _) => called(unit),
            (None, Some((variable, _))) => format!("{variable} and {}", found.pair.variable),
            (None, None) => found.pair.variable.to_owned(),
        }
    }

    // The account as a profile would hold it.
    fn account(&self, found: &Found<'a>, name: Name) -> Account {
        let provider = self.machine.vocabulary.provider(&found.provider);
        let origin = match found.unit {
            Some(unit) => Origin::Launcher(self.facts.units[unit].starts[0]),
            None if found.pair.endpoint.is_some() => Origin::Pair,
            None => Origin::Key,
        };
        Account {
            name,
            agents: found.agents.clone(),
            provider: found.provider.clone(),
            value: Zeroizing::new(found.pair.value.to_vec()),
            endpoint: found.pair.endpoint_of(provider),
            allow_http: found.pair.allows_http(),
            auth_header: found.pair.auth_header(provider),
            model: found.model.clone(),
            env: found.env.clone(),
            config_dir: found.config_dir.clone(),
            alias: found.pair.alias(),
            origin,
            from: self.from(found),
        }
    }
}

// Where keys stand that nothing can be cut out of, in order.
fn fixed_keys(script: &Script, known: &Known) -> Vec<usize> {
    let is_key =
        |fixed: &&Fixed| matches!(detect::judge(fixed.name.as_deref(), &fixed.value, known), Judgement::Key(_));
    let mut places: Vec<usize> = script.fixed.iter().filter(is_key).map(|fixed| fixed.at).collect();
    places.sort_unstable();
    places
}

// How good a key is as its provider's default: in the environment, in the login shell's files, under the provider's own
// variable, how late it is set there, and whether at top level.
type Rank = (bool, bool, bool, usize, bool);

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

impl Found<'_> {
    // How a key is set that moves with the account.
    fn form(&self, form: Form, kind: Option<Kind>, is_copy: bool) -> Form {
        match kind {
            _ if is_copy => Form::Copy,
            Some(Kind::Text) => Form::Alias,
            Some(_) => Form::Launcher,
            None => form,
        }
    }
}

#[cfg(test)]
mod tests;
