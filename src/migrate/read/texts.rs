//! The texts of aliases and abbreviations, read as the statements that they are.
//!
//! Only a text that starts an agent is taken apart; in any other the keys are reported. Its nodes are given the places
//! of their bytes in the file, so an edit of them is an edit of the file.

use super::Reader;
use super::starts::MOST;
use super::word::{Word, text};
use crate::migrate::model::{Body, Node, Scope, Setting, Span, Value};

// A name and the text behind it: the word, and where in its text that begins.
struct Named<'w, 'a> {
    name: Box<str>,
    word: &'w Word<'a>,
    from: usize,
}

impl<'a> Reader<'a> {
    /// The texts of an `alias` or `abbr`, if any of them starts an agent. The keys in the others are reported.
    pub(super) fn text_of_an_alias(&mut self, span: &Span, words: &[Word<'a>]) -> Option<Node> {
        let texts = named(&words[1..]);
        let mut found: Vec<Node> = Vec::new();
        for text in texts {
            found.extend(self.nested(|reader| Ok(reader.text(&text))).ok().flatten());
        }
        if found.is_empty() {
            return None;
        }
        let inside = |word: &Word<'_>| {
            found.iter().any(|node| node.span().start >= word.span.start && node.span().end <= word.span.end)
        };
        words
            .iter()
            .filter(|word| !inside(word))
            .for_each(|word| self.look_into(word, crate::migrate::model::Reason::Alias, None));
        let body = Body { span: span.clone(), nodes: found, scope: Scope::Plain, runs: false, starts: false };
        Some(Node::Compound { span: span.clone(), name: None, bodies: vec![body] })
    }

    fn text(&mut self, text: &Named<'_, 'a>) -> Option<Node> {
        let word = text.word;
        let inner = inner(self.bytes, word, text.from);
        let raw = &self.bytes[inner.clone()];
        let decoded = &word.text()[text.from..];
        // As it is written it still names the variables that it refers to.
        let as_written = raw.len() == decoded.len() || !raw.iter().any(|byte| b"\\'\"`".contains(byte));
        let code = if as_written { raw } else { decoded };
        let mut reader = Reader { depth: self.depth, kept: self.kept, ..Reader::new(code, self.language, self.terms) };
        let nodes = reader.file();
        let (runs, kept, fixed) = (reader.programs > 0, reader.kept, reader.fixed);
        if reader.starts == 0 || kept == MOST {
            return None;
        }
        self.kept = kept;
        let place = |at: usize| match as_written {
            _ if at >= code.len() => inner.end,
            true => inner.start + at,
            false => word.place(text.from + at),
        };
        self.fixed.extend(fixed.into_iter().map(|mut fixed| {
            fixed.at = place(fixed.at);
            fixed
        }));
        let mut nodes = nodes;
        nodes.iter_mut().for_each(|node| moved(node, &place));
        let body = Body { span: inner.clone(), nodes, scope: Scope::Text, runs, starts: true };
        Some(Node::Compound { span: inner, name: Some(text.name.clone()), bodies: vec![body] })
    }
}

// `name=text` for each, or a name and its text as two words.
fn named<'w, 'a>(words: &'w [Word<'a>]) -> Vec<Named<'w, 'a>> {
    let words: Vec<&Word<'_>> = words.iter().filter(|word| !word.text().starts_with(b"-")).collect();
    let assigned = |word: &&'w Word<'a>| {
        let sign = word.text().iter().position(|byte| *byte == b'=')?;
        Some(Named { name: text(&word.text()[..sign])?, word, from: sign + 1 })
    };
    if let [first, last] = words.as_slice()
        && !first.text().contains(&b'=')
        && let Some(name) = first.literal().and_then(text)
    {
        return vec![Named { name, word: last, from: 0 }];
    }
    words.iter().filter_map(assigned).collect()
}

// The bytes of a text in the file, without the quotes around it.
fn inner(bytes: &[u8], word: &Word<'_>, from: usize) -> Span {
    let start = word.place(from).min(word.span.end);
    let opened = match from.checked_sub(1).map(|sign| word.place(sign) + 1) {
        Some(behind) => behind,
        None => word.span.start,
    };
    // What stands between the sign and the text is a quote.
    let is_quoted = opened < start && bytes[start - 1] == *bytes[..word.span.end].last().unwrap_or(&0);
    start..word.span.end - usize::from(is_quoted)
}

// Gives a node the places of its bytes in the file.
fn moved(node: &mut Node, place: &dyn Fn(usize) -> usize) {
    let set = |span: &mut Span| *span = place(span.start)..place(span.end);
    match node {
        Node::Setting(setting) => moved_setting(setting, place),
        Node::Start(start) => {
            set(&mut start.span);
            set(&mut start.command);
            if let Some((span, _)) = &mut start.env {
                set(span);
            }
            moved_setting(&mut start.setting, place);
        }
        Node::List { span, operands } => {
            set(span);
            operands.iter_mut().for_each(|operand| moved(operand, place));
        }
        Node::Compound { span, bodies, .. } => {
            set(span);
            for body in bodies {
                set(&mut body.span);
                body.nodes.iter_mut().for_each(|node| moved(node, place));
            }
        }
        Node::Other(span) => set(span),
    }
}

fn moved_setting(setting: &mut Setting, place: &dyn Fn(usize) -> usize) {
    let set = |span: &mut Span| *span = place(span.start)..place(span.end);
    set(&mut setting.span);
    for word in &mut setting.words {
        set(&mut word.span);
        set(&mut word.name_span);
        if let Value::Literal(_, span) | Value::Default(_, _, span) = &mut word.value {
            set(span);
        }
    }
}
