//! Names in a language that takes them for the same in either case.

use crate::migrate::model::{Node, Value, Word};
use crate::migrate::vocabulary::Vocabulary;
use std::collections::HashMap;

/// Gives a variable one spelling everywhere: that which has a meaning, else that of its first assignment.
pub(super) fn in_one_spelling(nodes: &mut [Node], vocabulary: &Vocabulary) {
    let mut spellings: HashMap<String, String> = HashMap::new();
    words(nodes, &mut |word| {
        let upper = word.name.to_ascii_uppercase();
        let known = vocabulary.meaning(&upper).is_some() && vocabulary.meaning(&word.name).is_none();
        let spelling = if known { &upper } else { &word.name };
        spellings.entry(upper.clone()).or_insert_with(|| spelling.clone());
    });
    let spelling = |name: &mut String| {
        if let Some(own) = spellings.get(&name.to_ascii_uppercase()) {
            name.clone_from(own);
        }
    };
    words(nodes, &mut |word| {
        spelling(&mut word.name);
        if let Value::Copy(name) | Value::Default(name, ..) = &mut word.value {
            spelling(name);
        }
    });
}

fn words(nodes: &mut [Node], with: &mut dyn FnMut(&mut Word)) {
    for node in nodes {
        match node {
            Node::Setting(setting) => setting.words.iter_mut().for_each(&mut *with),
            Node::Start(start) => start.setting.words.iter_mut().for_each(&mut *with),
            Node::List { operands, .. } => words(operands, with),
            Node::Compound { bodies, .. } => bodies.iter_mut().for_each(|body| words(&mut body.nodes, with)),
            Node::Other(_) => {}
        }
    }
}
