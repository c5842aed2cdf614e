//! What variables hold, as far as the files tell.

use super::scopes::Facts;
use crate::migrate::detect::{self, Judgement, Known};
use crate::migrate::model::Value;
use std::collections::HashMap;

/// What a word sets its variable to.
#[derive(Clone, Copy)]
pub(super) enum Held<'a> {
    /// This value, which stands in the word of this number.
    Is(&'a [u8], usize),
    /// This path in the user's home directory, which `~` stands for.
    Path(&'a str),
    /// Nothing: it is emptied or unset.
    Nothing,
    /// It is only declared.
    Declared,
    /// What only running the code could tell.
    Unknown,
}

/// The values of all words.
pub(super) struct Values<'a> {
    held: Vec<Held<'a>>,
    judgements: Vec<Option<Judgement>>,
    // Whether a key stands anywhere in the value.
    holds: Vec<bool>,
    refers: Vec<Option<&'a str>>,
    by_name: HashMap<&'a str, Vec<usize>>,
}

// So many variables may stand between a word and the literal that it comes to.
const FARTHEST: usize = 8;
// What is set more often is not compared.
const MOST: usize = 16;

impl<'a> Values<'a> {
    /// The values of what the files set.
    pub(super) fn of(facts: &Facts<'a>, known: &Known) -> Self {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, set) in facts.sets.iter().enumerate() {
            by_name.entry(&set.word.name).or_default().push(index);
        }
        let mut values = Self { held: vec![], judgements: vec![], holds: vec![], refers: vec![], by_name };
        values.refers = facts.sets.iter().map(|set| refers_to(&set.word.value, &set.word.name)).collect();
        values.held = (0..facts.sets.len()).map(|index| values.find(facts, index, 0)).collect();
        values.judgements = facts
            .sets
            .iter()
            .zip(&values.held)
            .map(|(set, held)| match held {
                Held::Is(value, _) => Some(detect::judge_setting(&set.word.name, value, known)),
                _ => None,
            })
            .collect();
        let holds = |held: &Held<'_>| match held {
            Held::Is(value, _) => !detect::hits(value, known).is_empty(),
            Held::Path(path) => !detect::hits(path.as_bytes(), known).is_empty(),
            Held::Nothing | Held::Declared | Held::Unknown => false,
        };
        values.holds = values.held.iter().map(holds).collect();
        values
    }

    /// Reports whether a key stands in what a word is set to, or may be it. A profile is no place for such a text.
    pub(super) fn holds_key(&self, index: usize) -> bool {
        self.holds[index] || matches!(self.judgements[index], Some(Judgement::Unknown(_) | Judgement::Foreign(_)))
    }

    fn find(&self, facts: &Facts<'a>, index: usize, depth: usize) -> Held<'a> {
        let word = facts.sets[index].word;
        match &word.value {
            Value::Bare => Held::Declared,
            Value::Unset => Held::Nothing,
            Value::Literal(value, _) if value.is_empty() => Held::Nothing,
            Value::Literal(value, _) => Held::Is(value.as_slice(), index),
            Value::Default(name, value, _) if *name == word.name => Held::Is(value.as_slice(), index),
            Value::Path(path) => Held::Path(path),
            Value::Default(..) | Value::Dynamic => Held::Unknown,
            Value::Copy(name) => {
                let mut sets = self.named(name.as_str()).iter().filter(|other| {
                    !matches!(facts.sets[**other].word.value, Value::Bare | Value::Unset) && **other != index
                });
                let is_near = depth < FARTHEST && self.named(name.as_str()).len() <= MOST;
                let Some(first) = sets.next().filter(|_| is_near) else { return Held::Unknown };
                // Set again to the same literal, it is that.
                let literal = |set: usize| match &facts.sets[set].word.value {
                    Value::Literal(value, _) => Some(value),
                    _ => None,
                };
                let is_same = |other: &usize| literal(*first).is_some() && literal(*first) == literal(*other);
                if !sets.all(is_same) {
                    return Held::Unknown;
                }
                match self.find(facts, *first, depth + 1) {
                    found @ (Held::Is(..) | Held::Path(_)) => found,
                    _ => Held::Unknown,
                }
            }
        }
    }

    /// What a word sets its variable to.
    pub(super) fn held(&self, index: usize) -> Held<'a> {
        self.held[index]
    }

    /// What the value is, under the word's own name.
    pub(super) fn judgement(&self, index: usize) -> Option<&Judgement> {
        self.judgements[index].as_ref()
    }

    /// Reports whether a word sets a key of a provider of agents.
    pub(super) fn is_key(&self, index: usize) -> bool {
        matches!(self.judgements[index], Some(Judgement::Key(_)))
    }

    /// Reports whether two words set the same value.
    pub(super) fn is_same(&self, one: usize, other: usize) -> bool {
        matches!((self.held[one], self.held[other]), (Held::Is(one, _), Held::Is(other, _)) if one == other)
    }

    /// The variable whose value a word takes over.
    pub(super) fn refers(&self, index: usize) -> Option<&'a str> {
        self.refers[index]
    }

    /// The literals that a name is set to, each with the word that sets it.
    pub(super) fn literals(&self, name: &str) -> impl Iterator<Item = (&'a [u8], usize)> {
        self.named(name).iter().filter_map(|set| match self.held[*set] {
            Held::Is(value, source) if source == *set => Some((value, source)),
            _ => None,
        })
    }

    /// The words that set a name.
    pub(super) fn named(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }
}

fn refers_to<'a>(value: &'a Value, own: &str) -> Option<&'a str> {
    match value {
        Value::Copy(name) | Value::Default(name, ..) if name != own => Some(name),
        _ => None,
    }
}
