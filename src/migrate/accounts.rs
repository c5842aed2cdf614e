//! Accounts: which endpoints, keys and launchers of all files belong together.
//!
//! An endpoint and a key of one family are one account, which moves whole or stays (rules P1 to P13 of
//! `docs/migrate-rules.md`). `scopes` says where everything is set and started, and `values` what it comes to. `pairs`
//! finds an account in what a scope sets, `launchers` in a unit that starts an agent, `top` at a shell's top level.
//! `rounds` goes through all of it, `kept` leaves what is not understood, `preferred` chooses among keys, `defaults`
//! says which account becomes an agent's default, and `past_hook` finds what loses its account. Pure: what the machine
//! has is asked of a [`Machine`]. Called by `examine` and by the plan's scan.

mod defaults;
mod kept;
mod launchers;
mod pairs;
mod past_hook;
mod preferred;
mod rounds;
mod scopes;
mod top;
mod types;
mod values;

pub(super) use scopes::{ReadBy, Source};
pub(crate) use types::{Account, Accounts, Also, Bound, Machine, Preference, Spared, Withheld};
pub(super) use types::{Judged, Key, Name, Origin, Replaced};

use super::detect::{self, Judgement, Known};
use super::model::{Fixed, Form, Reason, Script, Start, Value};
use super::verdicts::{Action, Set, Verdict, Verdicts};
use super::vocabulary::Meaning;
use pairs::Pair;
use scopes::{Facts, Kind};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use values::{Held, Values};
use zeroize::Zeroizing;

/// What a script sets, in its order: names, and values where they are literals.
pub(super) fn literals(script: &Script) -> Vec<(String, Option<Zeroizing<Vec<u8>>>)> {
    let source =
        Source { bytes: b"", script, reader: ReadBy::Nothing, steps: &[], sure: None, frozen: None, declined: &[] };
    let literal = |value: &Value| if let Value::Literal(value, _) = value { Some(value.clone()) } else { None };
    Facts::of(&[source]).sets.iter().map(|set| (set.word.name.clone(), literal(&set.word.value))).collect()
}

/// Reports whether a script sets and starts exactly what the one before it does, less what was taken out.
pub(super) fn remains(bytes: &[u8], before: &Script, judged: &Judged, after: &[u8], left: &Script) -> bool {
    let facts = |bytes, script| {
        Facts::of(&[Source {
            bytes,
            script,
            reader: ReadBy::Nothing,
            steps: &[],
            sure: None,
            frozen: None,
            declined: &[],
        }])
    };
    let (before, after) = (facts(bytes, before), facts(after, left));
    // A word without a name sets nothing that could be told, and is no word of a setting once the others are gone.
    let is_named = |set: &&Set<'_>| !set.word.name.is_empty();
    let replaced = |start: &Start| judged.replaced.iter().any(|own| own.command == start.command);
    // What is set for an agent alone is set for the profile's start of it now, which is no agent's command.
    let own: HashSet<usize> =
        before.starts.iter().filter(|(start, _)| replaced(start)).map(|(_, at)| at.scope).collect();
    let stays = before.sets.iter().zip(&before.at).filter(|(_, at)| !own.contains(&at.scope)).map(|(set, _)| set);
    let mut stays = stays.filter(is_named).filter(|set| !judged.gone.contains(&set.word.span.start));
    let mut is = after.sets.iter().filter(is_named);
    let same = loop {
        match (stays.next(), is.next()) {
            (None, None) => break true,
            (Some(one), Some(other))
                if one.word.name == other.word.name && same(&one.word.value, &other.word.value) => {}
            _ => break false,
        }
    };
    same && before.starts.iter().filter(|(start, _)| !replaced(start)).count() == after.starts.len()
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Literal(one, _), Value::Literal(other, _)) => one == other,
        (Value::Copy(one), Value::Copy(other)) | (Value::Path(one), Value::Path(other)) => one == other,
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
        strays: HashMap::new(),
        keeps: HashMap::new(),
        launchers: BTreeSet::new(),
    };
    judge.hosts = judge.endpoints();
    judge.strays = judge.strays();
    judge.freeze();
    judge.decline();
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
    let mut told: HashSet<&str> = HashSet::new();
    for (set, kept) in kept {
        also.remove(set);
        // Whichever of a variable's values it takes over, each of them is a key.
        if let (Held::Unknown | Held::Is(..), Some(name), Some(Meaning::Credential)) =
            (values.held(*set), values.refers(*set), judge.meaning(*set))
        {
            for (value, source) in if told.insert(name) { values.literals(name).collect() } else { vec![] } {
                let judgement = detect::judge_setting(&facts.sets[*set].word.name, value, known);
                if let (Judgement::Key(provider), None) = (judgement, &decided[source]) {
                    let action = Action::Reported(kept.reason);
                    decided[source] = Some(Some(Verdict { provider, action, source }));
                }
            }
        }
        let Held::Is(_, source) = values.held(*set) else { continue };
        if !values.is_key(*set) && !judge.is_agents_key(*set) {
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
            || judge.kept.contains_key(&source)
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
    let own = |source: &Source<'_>| {
        let declined = source.declined.iter().copied().collect();
        Judged { declined, spared: machine.spared.clone(), ..Judged::default() }
    };
    judged.extend(sources.iter().map(own));
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
    for unit in judge.launchers.iter().map(|unit| &facts.units[*unit]) {
        judged[unit.file].launchers.push(unit.span.clone());
    }
    let preferred = judge.preferred(&judged_sets, &found);
    let mut accounts = defaults::accounts(&judge, &found, &preferred);
    let value = |set: usize| match values.held(set) {
        Held::Is(value, _) => Zeroizing::new(value.to_vec()),
        _ => Zeroizing::default(),
    };
    let why = |provider: &str, set: usize| judge.rank(set, provider).why();
    let row = |(provider, set): (String, usize)| {
        let why = why(&provider, set);
        (provider, (value(set), why))
    };
    accounts.preferred = preferred.into_iter().map(row).collect();
    accounts.past_hook = judge.past_hook(&found, &accounts.made);
    for (number, account) in accounts.made.iter().enumerate() {
        if let Origin::Launcher(start) = account.origin {
            let (start, at) = &facts.starts[start];
            let unit = at.unit.map_or_else(|| start.command.clone(), |unit| facts.units[unit].span.clone());
            let (command, agent) = (start.command.clone(), start.agent.clone());
            judged[at.file].replaced.push(Replaced { command, account: number, agent, unit });
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
    // How many endpoints are set outside launchers, by family.
    strays: HashMap<&'a str, usize>,
    // The launchers that stay.
    launchers: BTreeSet<usize>,
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
    fn endpoints(&self) -> HashMap<(usize, &'a str), &'a str> {
        let endpoint = |set: usize| {
            let Held::Is(value, _) = self.values.held(set) else { return None };
            let is_endpoint = self.meaning(set) == Some(Meaning::Endpoint);
            let url = std::str::from_utf8(value).ok().filter(|_| is_endpoint)?;
            Some(((self.facts.at[set].scope, self.family(set)?), url))
        };
        (0..self.facts.sets.len()).filter_map(endpoint).collect()
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

    // The files that the account is set in, those of the variables that it refers to among them.
    fn files(&self, found: &Found<'a>) -> BTreeSet<usize> {
        let sets = found.keys.iter().chain(&found.others);
        let sources = sets.clone().filter_map(|set| match self.values.held(*set) {
            Held::Is(_, source) => Some(source),
            _ => None,
        });
        let unit = found.unit.map(|unit| self.facts.units[unit].file);
        sets.copied().chain(sources).map(|set| self.facts.at[set].file).chain(unit).collect()
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
            is_at_its_provider: found.pair.is_known,
            allow_http: found.pair.allows_http(),
            auth_header: found.pair.auth_header(provider),
            model: found.model.clone(),
            env: found.env.clone(),
            also: vec![],
            config_dir: found.config_dir.clone(),
            alias: found.pair.alias(),
            origin,
            from: self.from(found),
            files: self.files(found),
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
