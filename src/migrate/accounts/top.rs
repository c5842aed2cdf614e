//! The pairs at the top level of the files that a shell reads (rule P6).

use super::types::Refusal;
use super::values::Held;
use super::{Found, Group, Judge, Name, defaults, pairs};
use std::collections::{BTreeMap, BTreeSet};

impl<'a> Judge<'a, '_> {
    // The account that a shell's files set at top level.
    pub(super) fn top(&self, group: &Group<'a>, family: &'a str, sets: &[usize]) -> Result<Option<Found<'a>>, Refusal> {
        let (keys, unknown) = self.credentials(sets, family);
        let aim = self.aim(sets, family);
        if keys.is_empty() && unknown.is_none() {
            return Ok(None);
        }
        if let Some(why) = self.governing(family) {
            return if keys.is_empty() { Ok(None) } else { Err(why.into()) };
        }
        if let Ok(pairs::Aim::Own | pairs::Aim::Silent) = aim {
            return Ok(None);
        }
        aim?;
        if let Some(unknown) = unknown {
            let name = &self.facts.sets[unknown].word.name;
            return Err(format!("what {name} is set to cannot be told").into());
        }
        if group.shells == 0 {
            return Err("nothing is known to read this file".to_owned().into());
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
    fn are_plain_at_top(&self, names: &BTreeSet<&str>, sets: &[usize]) -> Result<(), Refusal> {
        let mut exported: BTreeSet<&str> = BTreeSet::new();
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for set in sets {
            let name = self.facts.sets[*set].word.name.as_str();
            if !names.contains(name) {
                continue;
            }
            let held = self.values.held(*set);
            let sets_it = matches!(held, Held::Is(..));
            if sets_it && self.facts.scopes[self.facts.at[*set].scope].is_some() {
                return Err(Refusal { at: Some(*set), ..format!("{name} is set on a condition").into() });
            }
            if self.facts.at[*set].exported && !matches!(held, Held::Nothing) {
                exported.insert(name);
            }
            by_name.entry(name).or_default().push(*set);
        }
        if let Some(name) = names.iter().find(|name| !exported.contains(*name)) {
            return Err(format!("{name} is set without being exported").into());
        }
        match by_name.iter().find_map(|(name, sets)| Some((name, self.emptied(sets)?))) {
            Some((name, at)) => Err(Refusal::emptied(name, at)),
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
            if self.facts.scopes[self.facts.at[*set].scope].is_some() {
                entry.1 = Some(b"");
                continue;
            }
            match self.values.held(*set) {
                Held::Is(..) if self.values.holds_key(*set) => entry.1 = Some(b""),
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
            if let Some(beats) = self.login_beats(&agent, found.pair.variable) {
                why = beats;
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
    pub(super) fn readers_of_endpoint(&self, variable: &str) -> Vec<String> {
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
}
