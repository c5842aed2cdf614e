//! Which entries of a project's file are not harmless.

use super::names::{Family, Names};
use super::read::Value;
use crate::registry::{Entry, Guard, Rule, Scalar, Version, matches};

/// Why an entry may not pass by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It runs, or names what runs, beside the agent, which holds a key in its environment.
    Runs,
    /// It is a variable of such a family.
    Variable(Family),
    /// The agent fills a variable or a file into it.
    Placeholder,
    /// It is not known to be harmless.
    Unknown,
}

/// An entry that is not harmless.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Offence {
    /// The names that lead to it.
    pub at: Vec<String>,
    /// What a record binds: its value without what is harmless in every launch.
    pub bound: Value,
    /// Why.
    pub why: Why,
}

/// What a launch is, as far as harmlessness depends on it.
pub(crate) struct Conditions<'a> {
    /// Whether code passes: no secret lies in a variable, so that nothing beside the agent can read one.
    pub code_passes: bool,
    /// The agent's version.
    pub version: Option<&'a Version>,
    /// What the names of the provider's own models begin with.
    pub models: Vec<String>,
    /// The variables.
    pub names: Names<'a>,
    /// Whether a path that the file names stays inside the project.
    pub inside: &'a dyn Fn(&str) -> bool,
}

/// The entries of a document that are not harmless, under these conditions. `strict` are those under which the fewest are:
/// they decide what a record binds, so that it holds for every launch.
pub(crate) fn offences(document: &Value, guard: &Guard, now: &Conditions<'_>, strict: &Conditions<'_>) -> Vec<Offence> {
    let mut found = Vec::new();
    let walk = Walk { guard, now, strict };
    walk.collect(document, &guard.harmless, &mut Vec::new(), &mut found);
    found
}

struct Walk<'a> {
    guard: &'a Guard,
    now: &'a Conditions<'a>,
    strict: &'a Conditions<'a>,
}

impl Walk<'_> {
    // Entries below exact names are offences of their own. What lies below a pattern, such as one server of several, or in
    // a list belongs together: a command without its arguments would be another command.
    fn collect(&self, value: &Value, rule: &Rule, at: &mut Vec<String>, found: &mut Vec<Offence>) {
        match (rule, value) {
            (Rule::Table(rules), Value::Table(entries)) => {
                for (name, value) in entries {
                    let ignored = self.guard.ignored.as_ref().filter(|_| at.is_empty());
                    if ignored.is_some_and(|ignored| ignored.covers(name, self.now.version)) {
                        continue;
                    }
                    at.push(name.clone());
                    match Rule::of(rules, name) {
                        _ if self.is_placeholder(name) => found.push(self.offence(at, value.clone(), Why::Placeholder)),
                        Some((rule, true)) => self.collect(value, rule, at, found),
                        Some((rule, false)) => self.unit(value, rule, at, found),
                        None => found.push(self.offence(at, value.clone(), self.reason(value, Why::Unknown))),
                    }
                    at.pop();
                }
            }
            (Rule::Names, Value::Table(entries)) => {
                for (name, value) in entries {
                    if let Some(why) = self.variable(name, value, self.now) {
                        at.push(name.clone());
                        found.push(self.offence(at, value.clone(), why));
                        at.pop();
                    }
                }
            }
            _ => self.unit(value, rule, at, found),
        }
    }

    fn unit(&self, value: &Value, rule: &Rule, at: &[String], found: &mut Vec<Offence>) {
        if let Some(why) = self.judge(value, rule, self.now) {
            let bound = self.residue(value, rule).unwrap_or_else(|| value.clone());
            found.push(self.offence(at, bound, why));
        }
    }

    fn offence(&self, at: &[String], bound: Value, why: Why) -> Offence {
        Offence { at: at.to_vec(), bound, why }
    }

    fn reason(&self, value: &Value, otherwise: Why) -> Why {
        if self.has_placeholder(value) { Why::Placeholder } else { otherwise }
    }

    fn has_placeholder(&self, value: &Value) -> bool {
        !self.guard.never.is_empty() && value.any_text(&mut |text| self.is_placeholder(text))
    }

    // A name that a definition itself begins with `$`, such as `$schema`, fills nothing in.
    fn is_placeholder(&self, text: &str) -> bool {
        text != "$schema" && self.guard.never.iter().any(|never| text.contains(never.as_str()))
    }

    fn variable(&self, name: &str, value: &Value, conditions: &Conditions<'_>) -> Option<Why> {
        if self.has_placeholder(value) {
            return Some(Why::Placeholder);
        }
        let text = match value {
            Value::Null => "",
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
            Value::Number(text) | Value::Text(text) => text,
            // No variable has such a value.
            Value::List(_) | Value::Table(_) => return Some(Why::Unknown),
        };
        conditions.names.family(name, text).map(Why::Variable)
    }

    // Why a value is not harmless as a whole.
    fn judge(&self, value: &Value, rule: &Rule, conditions: &Conditions<'_>) -> Option<Why> {
        let one_of = |list: &[Value]| list.iter().find_map(|value| self.judge(value, rule, conditions));
        let unless = |harmless: bool| (!harmless).then_some(Why::Unknown);
        if !matches!(rule, Rule::Table(_)) && self.has_placeholder(value) {
            return Some(Why::Placeholder);
        }
        match (rule, value) {
            (Rule::Any, _) => None,
            (Rule::Code, Value::Bool(false)) => None,
            (Rule::Code, _) => (!conditions.code_passes && !value.is_empty()).then_some(Why::Runs),
            (Rule::Empty, _) => unless(value.is_empty()),
            (Rule::Names, Value::Table(entries)) => {
                entries.iter().find_map(|(name, value)| self.variable(name, value, conditions))
            }
            (Rule::Either(rules), _) => {
                let reasons: Vec<Option<Why>> =
                    rules.iter().map(|rule| self.alternative(value, rule, conditions)).collect();
                // The alternative that says the most is the one that was meant.
                let known = reasons.iter().flatten().find(|why| **why != Why::Unknown);
                if reasons.contains(&None) { None } else { Some(known.copied().unwrap_or(Why::Unknown)) }
            }
            (Rule::Table(rules), Value::Table(entries)) => entries.iter().find_map(|(name, value)| {
                if self.is_placeholder(name) {
                    return Some(Why::Placeholder);
                }
                match Rule::of(rules, name) {
                    Some((rule, _)) => self.judge(value, rule, conditions),
                    None => Some(self.reason(value, Why::Unknown)),
                }
            }),
            // Nothing is none of the values, and a list is no value that switches something off.
            (Rule::OneOf(_), Value::Null) => Some(Why::Unknown),
            (Rule::OneOf(_), Value::List(list)) if list.is_empty() => Some(Why::Unknown),
            (_, Value::List(list)) => one_of(list),
            (_, Value::Null) => None,
            (Rule::Inside, Value::Text(path)) => unless((conditions.inside)(path)),
            (Rule::OwnModel, Value::Text(model)) => {
                unless(conditions.models.iter().any(|own| model.starts_with(own.as_str())))
            }
            (Rule::OneOf(values), _) => unless(values.iter().any(|one| is_same(one, value))),
            (Rule::Table(_) | Rule::Names | Rule::Inside | Rule::OwnModel, _) => Some(Why::Unknown),
        }
    }

    fn alternative(&self, value: &Value, rule: &Rule, conditions: &Conditions<'_>) -> Option<Why> {
        let Rule::Table(rules) = rule else { return self.judge(value, rule, conditions) };
        let Value::Table(entries) = value else { return Some(Why::Unknown) };
        let is_there = |rule: &&Entry| {
            let is_plain = |value: &Value| matches!(value, Value::Text(_) | Value::Bool(_) | Value::Number(_));
            entries.iter().any(|(name, value)| *name == rule.name && is_plain(value))
        };
        if !rules.iter().filter(|rule| rule.required).all(|rule| is_there(&rule)) {
            return Some(Why::Unknown);
        }
        self.judge(value, rule, conditions)
    }

    // The value without what is harmless in every launch; none where nothing is left.
    fn residue(&self, value: &Value, rule: &Rule) -> Option<Value> {
        self.judge(value, rule, self.strict)?;
        match (rule, value) {
            (Rule::Table(rules), Value::Table(entries)) => {
                let kept = entries.iter().filter_map(|(name, value)| {
                    let rest = match Rule::of(rules, name) {
                        Some((rule, _)) if !self.is_placeholder(name) => self.residue(value, rule)?,
                        Some(_) => value.clone(),
                        None => value.clone(),
                    };
                    Some((name.clone(), rest))
                });
                Some(Value::Table(kept.collect()))
            }
            // The place in a list tells one element from another.
            (Rule::Table(_), Value::List(list)) => {
                Some(Value::List(list.iter().map(|value| self.residue(value, rule).unwrap_or(Value::Null)).collect()))
            }
            _ => Some(value.clone()),
        }
    }
}

fn is_same(scalar: &Scalar, value: &Value) -> bool {
    match (scalar, value) {
        (Scalar::Text(one), Value::Text(other)) => matches(one, other),
        (Scalar::Bool(one), Value::Bool(other)) => one == other,
        (Scalar::Number(one), Value::Number(other)) => other.parse() == Ok(*one),
        _ => false,
    }
}
