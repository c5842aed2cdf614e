//! Reads PowerShell: profiles and scripts, of Windows' own and of the portable one.
//!
//! The grammar says what is a statement and what a block; strings are decoded here, typographic quotes included, which
//! PowerShell takes for plain ones. Here-strings and everything inside an error of the grammar are reported, never
//! placed. Facts: `about_Quoting_Rules`, `about_Special_Characters`,
//! `about_Environment_Variables`. Called by `examine`.

mod plain;
mod setting;
mod word;

use super::heuristics::{self, Named};
use super::model::{Body, Fixed, Node, Reason, Scope, Script, Span, Value, Word};
use plain::Plain;
use tree_sitter::{Node as Tree, Parser, Point, Range};
use zeroize::Zeroizing;

/// Commands that run no program: the corpus' list as PowerShell spells it.
const HARMLESS: &[&str] = &[
    "set-item",
    "si",
    "new-item",
    "ni",
    "remove-item",
    "ri",
    "clear-item",
    "get-item",
    "test-path",
    "set-content",
    "set-variable",
    "sv",
    "new-variable",
    "remove-variable",
    "setx",
    "setx.exe",
    "write-host",
    "write-output",
    "write",
    "echo",
    "write-verbose",
    "write-warning",
    "write-information",
    "write-debug",
    "write-error",
    "out-null",
];
/// Types whose static methods start nothing.
const HARMLESS_TYPES: &[&str] = &["environment", "console", "string", "convert", "math", "datetime"];

/// Takes a PowerShell script apart.
pub(super) fn read(bytes: &[u8]) -> Script {
    let mut script = Script { continuation: Some(b'`'), ..Script::default() };
    // A file of comments alone is no program to the grammar; an empty statement at the end makes it one.
    let mut plain = Zeroizing::new(heuristics::parsable(bytes));
    let (parts, empty) = Plain::new(&mut plain);
    let length = plain.len();
    plain.extend_from_slice(b"\n;");
    let mut parser = Parser::new();
    if parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).is_err() {
        heuristics::find_raw(bytes, 0, Reason::Unparsed, None, &mut script.fixed);
        return script;
    }
    let tree = whole(&mut parser, &mut plain, &empty);
    let mut reader = Reader { bytes, comments: Vec::new(), fixed: Vec::new() };
    if let Some(tree) = tree {
        script.nodes = reader.program(tree.root_node());
    } else if let Some(mut parts) = parts {
        parts.push(parts.last().map_or(0, |part| part.end)..length);
        // Recovering from an error the grammar may misread what follows, so each statement stands for itself.
        let end = plain.len();
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            let ranges = [part.clone(), end - 2..end].map(|span| {
                let point = |column| Point { row: 0, column };
                Range {
                    start_byte: span.start,
                    end_byte: span.end,
                    start_point: point(span.start),
                    end_point: point(span.end),
                }
            });
            let ready = parser.set_included_ranges(&ranges).is_ok();
            match ready.then(|| parser.parse(plain.as_slice(), None)).flatten() {
                Some(tree) if !heuristics::is_deep(&tree) && !broken(tree.root_node()) => {
                    script.nodes.extend(reader.program(tree.root_node()))
                }
                _ => script.nodes.push(reader.report(part)),
            }
        }
    } else {
        script.nodes.push(reader.report(0..bytes.len()));
    }
    script.comments = reader.comments;
    script.fixed = reader.fixed;
    script.fixed.sort_by_key(|fixed| fixed.at);
    script
}

/// The tree of the whole script, where the grammar takes it. Of empty blocks it forgives one; with a second one it is
/// tried again, each with a statement that does nothing.
fn whole(parser: &mut Parser, plain: &mut [u8], empty: &[usize]) -> Option<tree_sitter::Tree> {
    let mut parse =
        |plain: &[u8]| parser.parse(plain, None).filter(|tree| !heuristics::is_deep(tree) && !broken(tree.root_node()));
    parse(plain).or_else(|| {
        empty.iter().for_each(|at| plain[*at] = b';');
        parse(plain)
    })
}

fn children(node: Tree<'_>) -> Vec<Tree<'_>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).collect()
}

/// Whether the grammar failed in the node. An empty block lacks a statement in its eyes; PowerShell does not mind.
fn broken(node: Tree<'_>) -> bool {
    if !node.has_error() {
        return false;
    }
    let empty = node.kind() == "empty_statement" && node.start_byte() == node.end_byte();
    node.is_error() || node.is_missing() || !empty && children(node).into_iter().any(broken)
}

/// The only thing a chain of expressions is made of.
fn core(node: Tree<'_>) -> Tree<'_> {
    let mut node = node;
    loop {
        // Its quotes are no nodes of their own.
        if node.kind().starts_with("expandable") {
            return node;
        }
        let mut inner = children(node).into_iter().filter(|child| child.kind() != "comment");
        match (inner.next(), inner.next()) {
            (Some(only), None) if only.is_named() => node = only,
            _ => return node,
        }
    }
}

/// Where the node's code ends: before blanks and comments that the grammar counts to it.
fn code_end(node: Tree<'_>) -> usize {
    if node.kind().contains("string") {
        return node.end_byte();
    }
    let last = children(node).into_iter().rev().find(|child| {
        !matches!(child.kind(), "comment" | "command_argument_sep") && child.start_byte() < child.end_byte()
    });
    match last {
        Some(last) => code_end(last),
        None if children(node).is_empty() => node.end_byte(),
        None => node.start_byte(),
    }
}

struct Reader<'b> {
    bytes: &'b [u8],
    comments: Vec<Span>,
    fixed: Vec<Fixed>,
}

impl Reader<'_> {
    fn span(&self, node: Tree<'_>) -> Span {
        let end = code_end(node).min(self.bytes.len());
        node.start_byte().min(end)..end
    }

    fn raw(&self, node: Tree<'_>) -> &[u8] {
        &self.bytes[self.span(node)]
    }

    fn report(&mut self, span: Span) -> Node {
        let span = span.start..span.start + self.bytes[span.clone()].trim_ascii_end().len();
        heuristics::find_raw(&self.bytes[span.clone()], span.start, Reason::Unparsed, None, &mut self.fixed);
        Node::Other(span)
    }

    fn program(&mut self, root: Tree<'_>) -> Vec<Node> {
        let mut waiting = vec![root];
        while let Some(node) = waiting.pop() {
            if node.kind() == "comment" {
                let end = node.end_byte().min(self.bytes.len());
                self.comments.push(node.start_byte().min(end)..end);
            }
            waiting.extend(children(node).into_iter().rev());
        }
        let mut nodes = Vec::new();
        for child in children(root) {
            match child.kind() {
                "statement_list" => nodes.extend(self.statements(child)),
                _ => self.literals(child, Reason::Argument, None, &mut Vec::new()),
            }
        }
        nodes
    }

    fn statements(&mut self, list: Tree<'_>) -> Vec<Node> {
        let mut nodes = Vec::new();
        let all = children(list);
        for (at, child) in all.iter().enumerate() {
            if child.is_named()
                && !matches!(child.kind(), "comment" | "empty_statement")
                && !self.span(*child).is_empty()
            {
                // Whether the statement goes on in the background.
                let job = all.get(at + 1).is_some_and(|next| next.kind() == "background_operator");
                nodes.push(self.statement(*child, job));
            }
        }
        nodes
    }

    fn statement(&mut self, node: Tree<'_>, job: bool) -> Node {
        let span = self.span(node);
        if node.kind() == "pipeline"
            && !job
            && let Some(setting) = self.pipeline(node)
        {
            if let [Word { name, name_span, value: Value::Dynamic, .. }] = setting.words.as_slice() {
                let (name, at) = (name.clone(), name_span.start);
                let mut bodies = Vec::new();
                self.literals(node, Reason::Argument, Some(Named { name: &name, at, direct: true }), &mut bodies);
                if !bodies.is_empty() {
                    return Node::Compound { span, bodies };
                }
            }
            return Node::Setting(setting);
        }
        let mut bodies = Vec::new();
        self.literals(node, Reason::Argument, None, &mut bodies);
        if bodies.is_empty() && node.kind() == "pipeline" { Node::Other(span) } else { Node::Compound { span, bodies } }
    }

    /// Reports the literals of code that stays, and takes the blocks in it apart.
    fn literals(&mut self, node: Tree<'_>, reason: Reason, known: Option<Named<'_>>, bodies: &mut Vec<Body>) {
        let blocks = bodies;
        match node.kind() {
            "comment" => {}
            "statement_block" => {
                let body = self.block(node, Scope::Plain);
                blocks.push(body);
            }
            "function_statement" | "class_method_definition" | "script_block_expression" => {
                let scope = if self.runs_program(node) { Scope::Launcher } else { Scope::Function };
                for child in children(node) {
                    if child.kind() != "script_block" {
                        self.literals(child, Reason::Argument, None, blocks);
                    }
                }
                self.script_block(node, scope, blocks);
            }
            "string_literal" | "generic_token" | "command_parameter" => {
                let here = core(node).kind().contains("here_string");
                let word = self.decode(node);
                // What stands beside an expansion is mostly a path.
                let known = known.map(|known| Named { direct: known.direct && (word.literal || here), ..known });
                heuristics::find(
                    &word.text,
                    |at| word.at(at),
                    if here { Reason::HereDocument } else { reason },
                    known,
                    &mut self.fixed,
                );
                for child in children(node) {
                    self.literals(child, Reason::Substitution, known, blocks);
                }
            }
            "command_name" => {}
            "sub_expression" => self.inner(node, Reason::Substitution, known, blocks),
            "hash_entry" => {
                let key = children(node).into_iter().find(|child| child.kind() == "key_expression").map(|key| {
                    let place = core(key);
                    let text = self.decode(place);
                    (heuristics::identifier(&text.text).map(str::to_owned), text.at(0))
                });
                let named =
                    key.as_ref().and_then(|(name, at)| Some(Named { name: name.as_deref()?, at: *at, direct: true }));
                self.inner(node, Reason::Array, named, blocks);
            }
            "array_expression" => self.inner(node, Reason::Array, known, blocks),
            "command" => {
                let name = self.command_name(node);
                let reason = match name.as_str() {
                    "invoke-expression" | "iex" => Reason::Substitution,
                    "set-alias" | "sal" | "new-alias" | "nal" => Reason::Alias,
                    _ => reason,
                };
                let setter = matches!(name.as_str(), "setx" | "setx.exe" | "set-item" | "si" | "new-item" | "ni");
                let target = if setter { self.setter_target(node) } else { None };
                let named = target.as_ref().map(|(name, at)| Named { name, at: *at, direct: true });
                let known = known.map(|known| Named { direct: false, ..known });
                self.inner(node, reason, named.or(known), blocks);
            }
            // What is called or looked up with the words gives the value.
            "invokation_expression" | "element_access" => {
                let known = known.map(|known| Named { direct: false, ..known });
                self.inner(node, reason, known, blocks);
            }
            "assignment_expression" => {
                let target = node.named_child(0).map(core);
                let element = target.filter(|target| target.kind() == "element_access");
                let name = match element {
                    Some(element) => element.named_child(1).and_then(|index| self.element(index)),
                    None => target.and_then(|target| self.target(target)),
                };
                let adds = children(node)
                    .iter()
                    .any(|part| part.kind() == "assignement_operator" && self.bytes[part.byte_range()] == *b"+=");
                if adds && let Some((name, span)) = &name {
                    // Even where this piece is no key: what it is added to is no longer the whole value.
                    let value = Zeroizing::default();
                    self.fixed.push(Fixed { name: Some(name.clone()), at: span.start, value, reason: Reason::Append });
                }
                let reason = match (element, adds) {
                    (Some(_), _) => Reason::Array,
                    (None, true) => Reason::Append,
                    (None, false) => reason,
                };
                match &name {
                    Some((name, span)) => {
                        let named = Named { name, at: span.start, direct: true };
                        self.inner(node, reason, Some(named), blocks);
                    }
                    None => self.inner(node, reason, known, blocks),
                }
            }
            _ => self.inner(node, reason, known, blocks),
        }
    }

    fn inner(&mut self, node: Tree<'_>, reason: Reason, known: Option<Named<'_>>, bodies: &mut Vec<Body>) {
        for child in children(node) {
            self.literals(child, reason, known, bodies);
        }
    }

    /// The body of a `{ ... }`.
    fn block(&mut self, node: Tree<'_>, scope: Scope) -> Body {
        let mut nodes = Vec::new();
        for child in children(node).into_iter().filter(|child| child.kind() == "statement_list") {
            nodes.extend(self.statements(child));
        }
        Body { span: self.braces(node), nodes, scope }
    }

    fn braces(&self, node: Tree<'_>) -> Span {
        let parts = children(node);
        let open = parts.iter().find(|part| part.kind() == "{").map_or(node.start_byte(), |part| part.end_byte());
        let close = parts.iter().rfind(|part| part.kind() == "}").map_or(node.end_byte(), |part| part.start_byte());
        open.min(self.bytes.len())..close.clamp(open, self.bytes.len().max(open))
    }

    /// The bodies of a function or script block: its statements, or those of `begin`, `process` and `end`.
    fn script_block(&mut self, owner: Tree<'_>, scope: Scope, bodies: &mut Vec<Body>) {
        let mut nodes = Vec::new();
        let mut waiting: Vec<Tree<'_>> =
            children(owner).into_iter().filter(|child| child.kind() == "script_block").collect();
        let first = bodies.len();
        while !waiting.is_empty() {
            let node = waiting.remove(0);
            match node.kind() {
                "statement_list" => nodes.extend(self.statements(node)),
                "statement_block" => {
                    let body = self.block(node, scope);
                    bodies.push(body);
                }
                "script_block" | "script_block_body" | "named_block_list" | "named_block" => {
                    waiting.extend(children(node))
                }
                "param_block" => self.literals(node, Reason::Argument, None, &mut Vec::new()),
                _ => {}
            }
        }
        if bodies.len() == first {
            bodies.push(Body { span: self.braces(owner), nodes, scope });
        }
    }

    fn runs_program(&self, block: Tree<'_>) -> bool {
        let mut waiting = vec![block];
        while let Some(node) = waiting.pop() {
            let runs = match node.kind() {
                "command" => {
                    let name = self.command_name(node);
                    let inline = children(node).iter().any(|part| core(*part).kind() == "script_block_expression")
                        || children(node).iter().any(|part| {
                            part.kind() == "command_name_expr"
                                && children(*part).iter().any(|part| part.kind() == "script_block_expression")
                        });
                    !HARMLESS.contains(&name.as_str()) && !inline
                }
                "invokation_expression" => {
                    let owner =
                        node.named_child(0).map(|owner| String::from_utf8_lossy(self.raw(owner)).to_ascii_lowercase());
                    let owner = owner.unwrap_or_default();
                    let owner = owner.trim_matches(['[', ']']).trim_start_matches("system.");
                    !HARMLESS_TYPES.contains(&owner)
                }
                _ => node.is_error(),
            };
            if runs {
                return true;
            }
            waiting.extend(children(node));
        }
        false
    }
}

#[cfg(test)]
mod tests;
