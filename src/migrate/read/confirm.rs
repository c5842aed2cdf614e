//! A published grammar's word on what the reader found.
//!
//! Asked only about statements that hold a literal long enough to be a key. Each must be a statement of its own in the
//! grammar's tree of the construct it stands in, outside anything the grammar calls an error; where that construct is
//! beyond the grammar, in its tree of the statement alone. Never about a whole file: one unknown word turns all of it
//! into an error, and its tree takes many times the file's memory. For the same reason a large construct is asked about
//! part by part.

use super::report::settle;
use crate::migrate::model::{Fixed, Node, Reason, Setting, Span, Value};
use std::ops::ControlFlow;
use tree_sitter::{Language, ParseOptions, Parser, Tree};
use zeroize::Zeroizing;

// Shorter literals are never keys.
const SHORTEST: usize = 16;

// A tree takes up to seventy times the size of its text.
const LARGEST: usize = 1 << 16;

/// A published grammar.
pub(in crate::migrate) struct Grammar {
    /// The grammar.
    pub language: fn() -> Language,
    /// The kinds of nodes that are statements.
    pub statements: &'static [&'static str],
    /// Puts what the language knows and the grammar does not into what the grammar knows. Offsets stay what they are.
    pub prepare: fn(&mut Vec<u8>),
}

/// Turns every setting that the grammar does not confirm into reports.
pub(in crate::migrate) fn confirm(bytes: &[u8], grammar: &Grammar, nodes: &mut [Node], fixed: &mut Vec<Fixed>) {
    if !nodes.iter().any(has_literal) {
        return;
    }
    let mut parser = Parser::new();
    parser.set_language(&(grammar.language)()).expect("the grammars are built for this library's version");
    confirm_with(&mut parser, bytes, grammar, nodes, fixed);
}

fn confirm_with(parser: &mut Parser, bytes: &[u8], grammar: &Grammar, nodes: &mut [Node], fixed: &mut Vec<Fixed>) {
    for node in nodes {
        let whole = node.span().clone();
        match node {
            Node::List { operands, .. } if whole.len() > LARGEST => {
                confirm_with(parser, bytes, grammar, operands, fixed);
                continue;
            }
            Node::Compound { bodies, .. } if whole.len() > LARGEST => {
                let bodies = bodies.iter_mut();
                bodies.for_each(|body| confirm_with(parser, bytes, grammar, &mut body.nodes, fixed));
                continue;
            }
            _ => {}
        }
        let mut seen = None;
        let mut parse =
            |span: &Span| (span.len() <= LARGEST).then(|| parse(parser, grammar, &bytes[span.clone()])).flatten();
        let mut known = |setting: &Setting| {
            let tree = seen.get_or_insert_with(|| parse(&whole));
            let span = &setting.span;
            let within = span.start - whole.start..span.end - whole.start;
            let text = &bytes[span.clone()];
            tree.as_ref().is_some_and(|tree| is_statement(tree, grammar, &within, &bytes[whole.clone()]))
                || *span != whole
                    && parse(span).is_some_and(|tree| is_statement(&tree, grammar, &(0..span.len()), text))
        };
        walk(std::slice::from_mut(node), &mut known, fixed);
    }
}

// Nothing where the parser does not come to an end within steps in proportion to the text.
fn parse(parser: &mut Parser, grammar: &Grammar, bytes: &[u8]) -> Option<Tree> {
    // What it broke off is not to be gone on with.
    parser.reset();
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len() + 8));
    // A stray byte in a comment or a string must not upset a grammar.
    for chunk in bytes.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        text.extend(chunk.invalid().iter().map(|_| b'_'));
    }
    (grammar.prepare)(&mut text);
    // Steps come in hundreds; an ordinary text takes a few of them per byte.
    let mut left = 100 + bytes.len();
    let mut patience = |_: &_| {
        left = left.saturating_sub(1);
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut patience);
    parser.parse_with_options(&mut |at, _| &text[at.min(text.len())..], None, Some(options))
}

// Whether a node of a statement's kind has exactly these bytes, without an error in it or around it.
fn is_statement(tree: &Tree, grammar: &Grammar, span: &Span, text: &[u8]) -> bool {
    let mut cursor = tree.walk();
    let mut found = false;
    // Downwards: the way up costs the whole depth at each step.
    loop {
        let node = cursor.node();
        if node.start_byte() > span.start || node.end_byte() < span.end {
            return found;
        }
        if node.is_error() || node.is_missing() {
            return false;
        }
        // Some grammars count the blanks behind a statement to it.
        let behind = text.get(span.end..node.end_byte().min(text.len())).unwrap_or_default();
        let is_exact = node.start_byte() == span.start && behind.trim_ascii().is_empty();
        // A statement by itself may be all there is of the file.
        found |= is_exact && grammar.statements.contains(&node.kind()) && !node.has_error();
        if cursor.goto_first_child_for_byte(span.start).is_none() {
            return found;
        }
    }
}

fn has_literal(node: &Node) -> bool {
    match node {
        Node::Setting(setting) => is_asked(setting),
        Node::List { operands, .. } => operands.iter().any(has_literal),
        Node::Compound { bodies, .. } => bodies.iter().flat_map(|body| &body.nodes).any(has_literal),
        Node::Start(_) | Node::Other(_) => false,
    }
}

fn is_asked(setting: &Setting) -> bool {
    setting.words.iter().any(|word| match &word.value {
        Value::Literal(value, _) | Value::Default(_, value, _) => value.len() >= SHORTEST,
        _ => false,
    })
}

fn walk(nodes: &mut [Node], known: &mut dyn FnMut(&Setting) -> bool, fixed: &mut Vec<Fixed>) {
    for node in nodes {
        match node {
            Node::Setting(setting) if is_asked(setting) && !known(setting) => {
                let span = setting.span.clone();
                settle(std::mem::replace(node, Node::Other(span)), Reason::Unparsed, fixed);
            }
            Node::List { operands, .. } => walk(operands, known, fixed),
            Node::Compound { bodies, .. } => bodies.iter_mut().for_each(|body| walk(&mut body.nodes, known, fixed)),
            Node::Setting(_) | Node::Start(_) | Node::Other(_) => {}
        }
    }
}
