//! Keys in what nothing can be cut out of: each is reported with its reason.

use super::Reader;
use super::word::{Code, Items, Word};
use crate::migrate::detect;
use crate::migrate::heuristics::{self, Named, identifier};
use crate::migrate::model::{Fixed, Node, Reason, Span, Value, Word as Name, note};
use std::collections::HashSet;
use zeroize::Zeroizing;

impl Reader<'_> {
    /// Reports the keys in these bytes.
    pub(super) fn report(&mut self, span: Span, reason: Reason, known: Option<Named<'_>>) {
        if self.language.posix.is_some() {
            return self.report_hits(span, reason);
        }
        heuristics::find_raw(&self.bytes[span.clone()], span.start, reason, known, self.terms.known, &mut self.fixed);
    }

    /// Reports the keys in a word, in the code that fills it in, and in the words of a list.
    pub(super) fn look_into(&mut self, word: &Word<'_>, reason: Reason, known: Option<Named<'_>>) {
        if self.language.posix.is_some() {
            return self.look_into_text(word, reason);
        }
        match &word.items {
            Items::None => {}
            Items::List(items) => items.iter().for_each(|item| self.look_into(item, reason, known)),
            Items::Record(entries) => {
                // A value in it is an element of a map.
                let reason = if reason == Reason::Argument { Reason::Array } else { reason };
                for (key, value) in entries {
                    self.look_into(key, reason, None);
                    let named = key.name().map(|name| Named { name, at: key.span.start, direct: true });
                    self.look_into(value, reason, named.or(known));
                }
            }
        }
        match word.assigned().filter(|_| reason == Reason::InlinePrefix && word.literal().is_some()) {
            Some((name, sign)) => {
                let value = Zeroizing::new(word.text()[sign + 1..].to_vec());
                note(&mut self.fixed, Fixed { name: Some(name.to_owned()), at: word.span.start, value, reason });
            }
            None => heuristics::find(
                word.text(),
                |offset| word.place(offset),
                reason,
                known,
                self.terms.known,
                &mut self.fixed,
            ),
        }
        self.look_into_code(word, reason, known);
    }

    /// Reports the keys in the code that fills a word in.
    pub(super) fn look_into_code(&mut self, word: &Word<'_>, reason: Reason, known: Option<Named<'_>>) {
        for Code { span, reason: own, is_direct } in word.code() {
            let known = known.map(|known| Named { direct: known.direct && *is_direct, ..known });
            self.report(span.clone(), own.unwrap_or(reason), known);
        }
    }

    /// Notes that something is added to a variable, whose other values are no whole keys then: even where this piece is
    /// none.
    pub(super) fn added_to(&mut self, name: &str, at: usize) {
        let (name, value) = (Some(name.to_owned()), Zeroizing::default());
        self.fixed.push(Fixed { name, at, value, reason: Reason::Append });
    }

    fn report_hits(&mut self, span: Span, reason: Reason) {
        for hit in detect::hits(&self.bytes[span.clone()], self.terms.known) {
            let name = hit.name.as_ref().map(|name| &self.bytes[span.start + name.start..span.start + name.end]);
            let at = span.start + hit.name.as_ref().map_or(hit.value.start, |name| name.start);
            let value = Zeroizing::new(self.bytes[span.start + hit.value.start..span.start + hit.value.end].to_vec());
            self.fixed.push(Fixed { name: name.and_then(identifier).map(str::to_owned), at, value, reason });
        }
    }

    // As written, so that what an expansion falls back to is seen, and as the shell would see it.
    fn look_into_text(&mut self, word: &Word<'_>, reason: Reason) {
        let before = self.fixed.len();
        self.report_hits(word.span.clone(), reason);
        let Some(text) = word.literal().filter(|text| **text != self.bytes[word.span.clone()]) else { return };
        let mut fresh = Vec::new();
        let mut seen: HashSet<&[u8]> = self.fixed[before..].iter().map(|fixed| fixed.value.as_slice()).collect();
        for hit in detect::hits(text, self.terms.known) {
            let value = &text[hit.value];
            if seen.insert(value) {
                let name = hit.name.and_then(|name| identifier(&text[name])).map(str::to_owned);
                fresh.push(Fixed { name, at: word.span.start, value: Zeroizing::new(value.to_vec()), reason });
            }
        }
        self.fixed.extend(fresh);
    }

    /// Turns what nothing can be cut out of into reports.
    pub(super) fn settle(&mut self, node: Node, reason: Reason) {
        settle(node, reason, &mut self.fixed);
    }
}

/// Turns the settings of a node into reports.
pub(in crate::migrate) fn settle(node: Node, reason: Reason, fixed: &mut Vec<Fixed>) {
    match node {
        Node::Setting(setting) => settle_words(setting.words, reason, fixed),
        Node::Start(start) => settle_words(start.setting.words, Reason::InlinePrefix, fixed),
        Node::List { operands, .. } => operands.into_iter().for_each(|operand| settle(operand, reason, fixed)),
        Node::Compound { bodies, .. } => {
            bodies.into_iter().flat_map(|body| body.nodes).for_each(|node| settle(node, reason, fixed));
        }
        Node::Other(_) => {}
    }
}

fn settle_words(words: Vec<Name>, reason: Reason, fixed: &mut Vec<Fixed>) {
    for Name { name, name_span, value, .. } in words {
        if let Value::Literal(value, _) | Value::Default(_, value, _) = value {
            note(fixed, Fixed { name: Some(name), at: name_span.start, value, reason });
        }
    }
}
