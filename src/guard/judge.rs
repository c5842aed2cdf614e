//! The entries of a project's file that are not harmless.

use super::read::Value;
use super::variables::{Family, VariableRules};
use crate::registry::{Entry, Guard, Rule, Scalar, Version, matches};

/// What an entry that is not harmless could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Risk {
    /// The entry runs a program beside the agent, which holds a key in its environment.
    Runs,
    /// The entry is a variable of this family.
    Variable(Family),
    /// The agent expands a variable or a file in the entry.
    Placeholder,
    /// The entry is not known to be harmless.
    Unknown,
}

/// An entry that is not harmless.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Offence {
    /// The names that lead to it.
    pub at: Vec<String>,
    /// The value that a record binds: the entry's value without the parts that are harmless in every launch.
    pub bound: Value,
    /// What the entry could do.
    pub risk: Risk,
}

/// The facts about a launch that decide what is harmless.
pub(crate) struct Conditions<'a> {
    /// Whether code passes. It does if no secret lies in a variable, because a program beside the agent can read none
    /// then.
    pub code_passes: bool,
    /// The agent's version.
    pub version: Option<&'a Version>,
    /// The prefixes of the names of the provider's own models.
    pub models: Vec<String>,
    /// The rules for variables.
    pub variables: VariableRules<'a>,
    /// Reports whether a path in the file stays inside the project.
    pub inside: &'a dyn Fn(&str) -> bool,
}

/// Returns the entries of a document that are not harmless under the conditions `now`. Under `strict` the fewest
/// entries are harmless. These conditions decide what a record binds, so that the record holds for every launch.
pub(crate) fn offences(document: &Value, guard: &Guard, now: &Conditions<'_>, strict: &Conditions<'_>) -> Vec<Offence> {
    let mut found = Vec::new();
    let judge = Judge { guard, now, strict };
    judge.collect(document, &guard.harmless, &mut Vec::new(), &mut found);
    found
}

struct Judge<'a> {
    guard: &'a Guard,
    now: &'a Conditions<'a>,
    strict: &'a Conditions<'a>,
}

impl Judge<'_> {
    // Entries below exact names are separate offences. A value below a pattern, such as one server of several, and an
    // element of a list stay whole: a command without its arguments would be another command.
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
                        _ if self.is_placeholder(name) => {
                            found.push(self.offence(at, value.clone(), Risk::Placeholder))
                        }
                        Some((rule, true)) => self.collect(value, rule, at, found),
                        Some((rule, false)) => self.unit(value, rule, at, found),
                        None => found.push(self.offence(at, value.clone(), self.reason(value, Risk::Unknown))),
                    }
                    at.pop();
                }
            }
            (Rule::Names, Value::Table(entries)) => {
                for (name, value) in entries {
                    if let Some(risk) = self.variable(name, value, self.now) {
                        at.push(name.clone());
                        found.push(self.offence(at, value.clone(), risk));
                        at.pop();
                    }
                }
            }
            _ => self.unit(value, rule, at, found),
        }
    }

    fn unit(&self, value: &Value, rule: &Rule, at: &[String], found: &mut Vec<Offence>) {
        if let Some(risk) = self.judge(value, rule, self.now) {
            let bound = self.residue(value, rule).unwrap_or_else(|| value.clone());
            found.push(self.offence(at, bound, risk));
        }
    }

    fn offence(&self, at: &[String], bound: Value, risk: Risk) -> Offence {
        Offence { at: at.to_vec(), bound, risk }
    }

    fn reason(&self, value: &Value, otherwise: Risk) -> Risk {
        if self.has_placeholder(value) { Risk::Placeholder } else { otherwise }
    }

    fn has_placeholder(&self, value: &Value) -> bool {
        !self.guard.never.is_empty() && value.any_text(&mut |text| self.is_placeholder(text))
    }

    // The agent expands nothing in the name `$schema`.
    fn is_placeholder(&self, text: &str) -> bool {
        text != "$schema" && self.guard.never.iter().any(|never| text.contains(never.as_str()))
    }

    fn variable(&self, name: &str, value: &Value, conditions: &Conditions<'_>) -> Option<Risk> {
        if self.has_placeholder(value) {
            return Some(Risk::Placeholder);
        }
        let text = match value {
            Value::Null => "",
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
            Value::Number(text) | Value::Text(text) => text,
            // A variable has no list or table as its value.
            Value::List(_) | Value::Table(_) => return Some(Risk::Unknown),
        };
        conditions.variables.family(name, text).map(Risk::Variable)
    }

    // Returns the risk of a whole value, or none if the value is harmless.
    fn judge(&self, value: &Value, rule: &Rule, conditions: &Conditions<'_>) -> Option<Risk> {
        let one_of = |list: &[Value]| list.iter().find_map(|value| self.judge(value, rule, conditions));
        let unless = |harmless: bool| (!harmless).then_some(Risk::Unknown);
        if !matches!(rule, Rule::Table(_)) && self.has_placeholder(value) {
            return Some(Risk::Placeholder);
        }
        match (rule, value) {
            (Rule::Any, _) => None,
            (Rule::Code, Value::Bool(false)) => None,
            (Rule::Code, _) => (!conditions.code_passes && !value.is_empty()).then_some(Risk::Runs),
            (Rule::Empty, _) => unless(value.is_empty()),
            (Rule::Names, Value::Table(entries)) => {
                entries.iter().find_map(|(name, value)| self.variable(name, value, conditions))
            }
            (Rule::Either(rules), _) => {
                let reasons: Vec<Option<Risk>> =
                    rules.iter().map(|rule| self.alternative(value, rule, conditions)).collect();
                // The alternative with a known risk explains the refusal best.
                let known = reasons.iter().flatten().find(|risk| **risk != Risk::Unknown);
                if reasons.contains(&None) { None } else { Some(known.copied().unwrap_or(Risk::Unknown)) }
            }
            (Rule::Table(rules), Value::Table(entries)) => entries.iter().find_map(|(name, value)| {
                if self.is_placeholder(name) {
                    return Some(Risk::Placeholder);
                }
                match Rule::of(rules, name) {
                    Some((rule, _)) => self.judge(value, rule, conditions),
                    None => Some(self.reason(value, Risk::Unknown)),
                }
            }),
            // Null and an empty list are not among the listed values.
            (Rule::OneOf(_), Value::Null) => Some(Risk::Unknown),
            (Rule::OneOf(_), Value::List(list)) if list.is_empty() => Some(Risk::Unknown),
            (_, Value::List(list)) => one_of(list),
            (_, Value::Null) => None,
            (Rule::Inside, Value::Text(path)) => unless((conditions.inside)(path)),
            (Rule::OwnModel, Value::Text(model)) => {
                unless(conditions.models.iter().any(|own| model.starts_with(own.as_str())))
            }
            (Rule::OneOf(values), _) => unless(values.iter().any(|one| is_same(one, value))),
            (Rule::Table(_) | Rule::Names | Rule::Inside | Rule::OwnModel, _) => Some(Risk::Unknown),
        }
    }

    fn alternative(&self, value: &Value, rule: &Rule, conditions: &Conditions<'_>) -> Option<Risk> {
        let Rule::Table(rules) = rule else { return self.judge(value, rule, conditions) };
        let Value::Table(entries) = value else { return Some(Risk::Unknown) };
        let is_there = |rule: &&Entry| {
            let is_plain = |value: &Value| matches!(value, Value::Text(_) | Value::Bool(_) | Value::Number(_));
            entries.iter().any(|(name, value)| *name == rule.name && is_plain(value))
        };
        if !rules.iter().filter(|rule| rule.required).all(|rule| is_there(&rule)) {
            return Some(Risk::Unknown);
        }
        self.judge(value, rule, conditions)
    }

    // Returns the value without the parts that are harmless in every launch, or none if nothing is left.
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
            // The position identifies an element of a list, so a harmless element leaves a null.
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
