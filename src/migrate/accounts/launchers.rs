//! Units that set an account and start an agent (rules P7 to P9), and those that only set one.

use super::pairs::{Aim, Endpoint, Pair};
use super::scopes::{Kind, Unit};
use super::values::Held;
use super::{Found, Judge, Kept, Name};
use crate::migrate::model::{Reason, Start};
use crate::registry::AgentSpec;
use std::collections::{BTreeMap, BTreeSet};

/// What a unit is.
pub(super) enum Fate<'a> {
    /// Nothing that has to do with an account, or keys that no endpoint is set for.
    Nothing,
    /// It starts an agent without a key, whose variables these are.
    Keeps(Vec<&'a str>),
    /// An account.
    Account(Box<Found<'a>>),
    /// An account that is not understood, of these families.
    Kept(Kept, Vec<&'a str>),
    /// One that is defined in code that sets an account of its family as well, by these words.
    Within(Kept, Vec<&'a str>, Vec<usize>),
}

// The variables by which Ringlet finds its own files.
const HOMES: [&str; 7] =
    ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "USERPROFILE", "APPDATA", "LOCALAPPDATA"];

impl<'a> Judge<'a, '_> {
    /// What a unit is. `around` gives the endpoint at the top level of its file.
    pub(super) fn fate(&self, number: usize, around: &dyn Fn(&'a str) -> Option<Endpoint<'a>>) -> Fate<'a> {
        let unit = &self.facts.units[number];
        let families = self.by_family(&unit.sets);
        if unit.starts.is_empty() {
            return self.setter(unit, families, around);
        }
        let holds = |(family, sets): &(&&'a str, &Vec<usize>)| {
            let (keys, unknown) = self.credentials(sets, family);
            !keys.is_empty() || unknown.is_some() || !matches!(self.aim(sets, family), Ok(Aim::Own | Aim::Silent))
        };
        let own: Vec<&'a str> = families.iter().filter(holds).map(|(family, _)| *family).collect();
        if own.is_empty() && self.has_fixed_key(unit) {
            let why = "it has a key in a place that is not understood".to_owned();
            return Fate::Kept(Kept { reason: Reason::Launcher, why }, own);
        }
        if own.is_empty() {
            let emptied = unit.sets.iter().filter(|set| matches!(self.values.held(**set), Held::Nothing));
            let names = emptied.filter(|set| self.family(**set).is_some());
            let names: Vec<&str> = names.map(|set| self.facts.sets[*set].word.name.as_str()).collect();
            return if names.is_empty() { Fate::Nothing } else { Fate::Keeps(names) };
        }
        let outer = self.set_around(unit, &own);
        if !outer.is_empty() {
            let why = "it is defined in code that sets an account as well".to_owned();
            return Fate::Within(Kept { reason: Reason::Launcher, why }, own, outer);
        }
        match self.launcher(number, &own, around) {
            Ok(found) => Fate::Account(Box::new(found)),
            Err(why) => Fate::Kept(Kept { reason: Reason::Launcher, why }, own),
        }
    }

    fn setter(
        &self,
        unit: &Unit<'a>,
        families: BTreeMap<&'a str, Vec<usize>>,
        around: &dyn Fn(&'a str) -> Option<Endpoint<'a>>,
    ) -> Fate<'a> {
        let is_pair = |(family, sets): &(&'a str, Vec<usize>)| {
            let (keys, unknown) = self.credentials(sets, family);
            let has_endpoint = match self.aim(sets, family) {
                Ok(Aim::At(..)) | Err(_) => true,
                Ok(Aim::Own) => false,
                Ok(Aim::Silent) => around(family).is_some(),
            };
            has_endpoint && (!keys.is_empty() || unknown.is_some())
        };
        let own: Vec<&'a str> = families.into_iter().filter(is_pair).map(|(family, _)| family).collect();
        if own.is_empty() {
            return Fate::Nothing;
        }
        let what = match (unit.kind, unit.name) {
            (Kind::Function, Some(name)) => {
                format!("the function {name} sets an endpoint and a key for whatever runs next")
            }
            (Kind::Script, Some(name)) => format!("the script {name} sets an endpoint and a key"),
            (Kind::Branch, _) => "an endpoint and a key are set in a file that is read on a condition".to_owned(),
            _ => "an endpoint and a key are set on a condition".to_owned(),
        };
        Fate::Kept(Kept { reason: Reason::Pair, why: what }, own)
    }

    // The account of a launcher, or why it is not understood.
    fn launcher(
        &self,
        number: usize,
        families: &[&'a str],
        around: &dyn Fn(&'a str) -> Option<Endpoint<'a>>,
    ) -> Result<Found<'a>, String> {
        let unit = &self.facts.units[number];
        let [family] = families else { return Err("it sets keys of several providers' variables".to_owned()) };
        if !self.machine.has_ringlet {
            return Err("`ringlet` is not on PATH".to_owned());
        }
        let [start] = unit.starts.as_slice() else { return Err("it starts agents more than once".to_owned()) };
        let (start, at) = &self.facts.starts[*start];
        self.is_simple(unit, start)?;
        self.leaves_homes(unit)?;
        let agent = self.machine.vocabulary.agent(&start.agent).ok_or("its agent is not known")?.clone();
        let spec = self.machine.vocabulary.agents[&agent].clone();
        let (keys, unknown) = self.credentials(&unit.sets, family);
        if let Some(unknown) = unknown {
            return Err(format!("what {} is set to cannot be told", self.facts.sets[unknown].word.name));
        }
        if keys.is_empty() {
            return Err("it sets an endpoint and no key".to_owned());
        }
        let pair = self.pair(&unit.sets, family, around(family).as_ref())?.ok_or("it sets no key")?;
        if let Some(why) = self.login_beats(agent.as_str(), pair.variable) {
            return Err(why);
        }
        let mut found = Found::new(pair, Some(number), 0);
        found.agents = vec![start.agent.clone()];
        self.settings(unit, start, at.scope, &spec, &mut found)?;
        (self.machine.check)(agent.as_str(), &self.account(&found, Name::Default))?;
        Ok(found)
    }

    /// Why an agent does not use a key that is set for it. Codex reads neither OPENAI_API_KEY nor its endpoint.
    pub(super) fn login_beats(&self, agent: &str, variable: &str) -> Option<String> {
        let is_read = agent != "codex" || variable == "CODEX_API_KEY";
        let login = self.machine.login_of(agent).filter(|_| !is_read)?;
        Some(format!("{agent} does not read {variable}, and {login}"))
    }

    // Whether nothing else happens in the unit.
    fn is_simple(&self, unit: &Unit<'_>, start: &Start) -> Result<(), String> {
        if unit.runs {
            return Err("it runs other programs, too".to_owned());
        }
        if unit.loops {
            return Err("it has a loop".to_owned());
        }
        if unit.redirects {
            return Err("what a statement that sets a variable prints is redirected".to_owned());
        }
        if start.agent.is_empty() {
            return Err("what it starts cannot be told".to_owned());
        }
        if !start.is_plain {
            return Err(format!("{} is started through another program, or with options of its own", start.agent));
        }
        if let Some(path) = &start.path
            && !(self.machine.leads_to)(&start.agent, path)
        {
            return Err(format!("{path} is not the {} on PATH", start.agent));
        }
        if self.has_fixed_key(unit) {
            return Err("it has a key in a place that is not understood".to_owned());
        }
        Ok(())
    }

    // What the code around the unit sets of these families.
    fn set_around(&self, unit: &Unit<'_>, families: &[&'a str]) -> Vec<usize> {
        let parent = |unit: &Unit<'_>| unit.parent.map(|parent| &self.facts.units[parent]);
        let is_of = |set: &usize| self.family(*set).is_some_and(|family| families.contains(&family));
        let around = std::iter::successors(parent(unit), |unit| parent(unit));
        around.flat_map(|unit| &unit.sets).copied().filter(is_of).collect()
    }

    // Whether nothing in the unit decides where Ringlet finds its own files.
    fn leaves_homes(&self, unit: &Unit<'_>) -> Result<(), String> {
        let names = unit.sets.iter().map(|set| self.facts.sets[*set].word.name.as_str());
        match names.into_iter().find(|name| HOMES.contains(name) || name.starts_with("RINGLET_")) {
            Some(name) => Err(format!("it sets {name}, by which `ringlet` finds its profiles")),
            None => Ok(()),
        }
    }

    // Whether a key stands in the unit that nothing can be cut out of.
    pub(super) fn has_fixed_key(&self, unit: &Unit<'_>) -> bool {
        let fixed = &self.fixed[unit.file];
        fixed.get(fixed.partition_point(|at| *at < unit.span.start)).is_some_and(|at| *at < unit.span.end)
    }

    // What the unit sets beside the pair: which words go, and what the profile holds.
    fn settings(
        &self,
        unit: &Unit<'a>,
        start: &Start,
        scope: usize,
        spec: &AgentSpec,
        found: &mut Found<'a>,
    ) -> Result<(), String> {
        let exported = self.exported(unit);
        let pairs: BTreeSet<usize> = found.pair.keys.iter().chain(&found.pair.endpoints).copied().collect();
        for set in unit.sets.iter().copied() {
            let own = &self.facts.sets[set];
            let name = own.word.name.as_str();
            let is_pairs = pairs.contains(&set);
            if !is_pairs && !is_of(spec, name) && self.family(set) != self.family(found.pair.keys[0]) {
                if self.values.is_same(set, found.pair.keys[0]) {
                    // The literal that the key is taken from.
                    found.keys.push(set);
                    continue;
                }
                if self.values.is_key(set) {
                    return Err(format!("it sets {name}, too, which is another key"));
                }
                continue;
            }
            let value = match self.values.held(set) {
                Held::Declared => {
                    found.others.push(set);
                    continue;
                }
                Held::Nothing => {
                    found.others.push(set);
                    continue;
                }
                Held::Path(path) if is_folder(spec, name) => path.as_bytes(),
                Held::Is([b'~', ..], _) if is_folder(spec, name) => {
                    return Err(format!("{name} is set to a path that the shell takes as it is written"));
                }
                Held::Unknown | Held::Path(_) => return Err(format!("what {name} is set to cannot be told")),
                Held::Is(value, _) => value,
            };
            if !self.facts.is_within(scope, self.facts.at[set].scope) {
                return Err(format!("{name} is set on a condition"));
            }
            if own.word.span.start > start.command.start {
                return Err(format!("{name} is set after {} has run", start.agent));
            }
            if !self.facts.at[set].exported && !exported.contains(name) {
                return Err(format!("{name} is set without being exported"));
            }
            if is_pairs {
                continue;
            }
            if self.values.holds_key(set) {
                return Err(format!("{name} is set to a text that is a key, or that a key stands in"));
            }
            let text = std::str::from_utf8(value).map_err(|_| format!("{name} is no text"))?.to_owned();
            found.take(spec, name, text)?;
            found.others.push(set);
        }
        Ok(())
    }

    // The variables that are exported by a statement of their own.
    fn exported(&self, unit: &Unit<'_>) -> BTreeSet<&'a str> {
        let is_declared =
            |set: &&usize| matches!(self.values.held(**set), Held::Declared) && self.facts.at[**set].exported;
        unit.sets.iter().filter(is_declared).map(|set| self.facts.sets[*set].word.name.as_str()).collect()
    }
}

// Whether a variable holds the agent's folder.
fn is_folder(spec: &AgentSpec, name: &str) -> bool {
    spec.config_dir.first().is_some_and(|dir| dir.variable.as_str() == name && dir.suffix.is_empty())
}

/// Reports whether a variable is the agent's own.
pub(super) fn is_of(spec: &AgentSpec, name: &str) -> bool {
    let stems = |agent: &str| format!("{}_", agent.to_ascii_uppercase().replace('-', "_"));
    let first = |name: &str| name.split('_').next().map(|stem| format!("{stem}_"));
    let mut own = spec.api.iter().flat_map(|api| api.base_url.iter().chain(&api.bearer).chain(&api.model));
    spec.competes_with_login(name)
        || spec.names_model(name)
        || spec.config_dir.iter().any(|dir| dir.variable.as_str() == name)
        || name.starts_with(&stems(spec.name.as_str()))
        || own.any(|variable| first(variable.as_str()).is_some_and(|stem| name.starts_with(&stem)))
        || spec.name.as_str() == "claude" && name == "API_TIMEOUT_MS"
}

impl<'a> Found<'a> {
    /// An account of a pair.
    pub(super) fn new(pair: Pair<'a>, unit: Option<usize>, shells: u8) -> Self {
        let (keys, provider) = (pair.keys.clone(), pair.provider.clone());
        let (agents, model, env, config_dir) = Default::default();
        let others = pair.endpoints.clone();
        Self { provider, pair, unit, shells, keys, others, agents, model, env, config_dir }
    }

    // Takes a variable of the agent into the profile.
    fn take(&mut self, spec: &AgentSpec, name: &str, value: String) -> Result<(), String> {
        let is_model = spec.api.iter().filter_map(|api| api.model.as_ref()).any(|model| model.as_str() == name);
        let slot = match (is_model, is_folder(spec, name)) {
            (true, _) => &mut self.model,
            (_, true) => &mut self.config_dir,
            _ => return self.take_variable(spec, name, value),
        };
        if slot.as_ref().is_some_and(|other| *other != value) {
            return Err(format!("{name} is set to two values"));
        }
        *slot = Some(value);
        Ok(())
    }

    fn take_variable(&mut self, spec: &AgentSpec, name: &str, value: String) -> Result<(), String> {
        let is_given =
            spec.api.iter().flat_map(|api| &api.set).any(|(own, given)| own.as_str() == name && *given == value);
        if is_given {
            return Ok(());
        }
        if spec.competes_with_key(name) && !name.ends_with("_MODEL") {
            return Err(format!("it sets {name}, which a profile cannot keep"));
        }
        match self.env.iter().find(|(other, _)| other == name) {
            Some((_, other)) if *other != value => Err(format!("{name} is set to two values")),
            Some(_) => Ok(()),
            None => {
                self.env.push((name.to_owned(), value));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
