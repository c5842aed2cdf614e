//! Reads fish: `config.fish`, `conf.d`, functions.
//!
//! The grammar says which bytes are one statement and which of them share a body; the words of a statement are decoded
//! here, from the bytes as they are. Nothing that touches an error of the grammar is placed: its values are reported.
//! Facts of the language: <https://fishshell.com/docs/current/language.html> and `set`'s page. Called by `examine`.

mod parts;
mod word;

use super::heuristics::{self, Named};
use super::model::{Body, Fixed, Form, Node, Reason, Scope, Script, Setting, Span, Value, Word};
use parts::parts;
use tree_sitter::{Node as Tree, Parser, Point, Range};
use word::Decoded;
use zeroize::Zeroizing;

/// Commands that run no program (the corpus' list, with fish's own spellings).
const HARMLESS: &[&str] =
    &["set", "export", "test", "[", ":", "true", "false", "echo", "printf", "return", "break", "continue"];
/// `set`'s long options, and the short ones they stand for; a prefix that fits only one will do.
const LONG: &[(&str, u8)] = &[
    ("append", b'a'),
    ("erase", b'e'),
    ("export", b'x'),
    ("function", b'f'),
    ("global", b'g'),
    ("help", b'h'),
    ("local", b'l'),
    ("long", b'L'),
    ("names", b'n'),
    ("no-event", b'o'),
    ("path", b'P'),
    ("prepend", b'p'),
    ("query", b'q'),
    ("show", b'S'),
    ("unexport", b'u'),
    ("universal", b'U'),
    ("unpath", b'Q'),
];

/// Takes a fish script apart.
pub(super) fn read(bytes: &[u8]) -> Script {
    let mut script = Script { filler: "true", ..Script::default() };
    // The grammar wants every statement ended, and a file's last line need not be.
    let mut source = Zeroizing::new(heuristics::parsable(bytes));
    // To the grammar a caret is still a redirection; fish has taken it for a letter since 3.3.
    source.iter_mut().filter(|byte| **byte == b'^').for_each(|byte| *byte = b'_');
    source.push(b'\n');
    let mut parser = Parser::new();
    let ready = parser.set_language(&tree_sitter_fish::language()).is_ok();
    let Some(tree) = ready.then(|| parser.parse(source.as_slice(), None)).flatten() else {
        heuristics::find_raw(bytes, 0, Reason::Unparsed, None, &mut script.fixed);
        return script;
    };
    let mut reader = Reader { bytes, comments: Vec::new(), fixed: Vec::new(), lost: false };
    if !tree.root_node().has_error() && !heuristics::is_deep(&tree) {
        script.nodes = reader.program(tree.root_node());
    } else if let Some(parts) = parts(&source) {
        // Recovering from an error the grammar may misread what follows, so each statement stands for itself.
        for part in parts {
            let point = |column| Point { row: 0, column };
            let range = Range {
                start_byte: part.start,
                end_byte: part.end,
                start_point: point(part.start),
                end_point: point(part.end),
            };
            let ready = parser.set_included_ranges(&[range]).is_ok();
            match ready.then(|| parser.parse(source.as_slice(), None)).flatten() {
                Some(tree) if !heuristics::is_deep(&tree) => script.nodes.extend(reader.program(tree.root_node())),
                _ => script.nodes.push(reader.report(part.start..part.end.min(bytes.len()), Reason::Unparsed)),
            }
        }
    } else {
        // Open quotes or blocks: fish refuses the whole file, and nobody can say what belongs where.
        script.nodes.push(reader.report(0..bytes.len(), Reason::Unparsed));
    }
    if std::mem::take(&mut reader.lost) {
        (reader.comments, reader.fixed) = (Vec::new(), Vec::new());
        script.nodes = vec![reader.report(0..bytes.len(), Reason::Unparsed)];
    }
    script.comments = reader.comments;
    script.fixed = reader.fixed;
    script.fixed.sort_by_key(|fixed| fixed.at);
    script
}

struct Reader<'b> {
    bytes: &'b [u8],
    comments: Vec<Span>,
    fixed: Vec<Fixed>,
    /// Whether a block's end stands outside of blocks: a command to the grammar, and fish refuses the whole file.
    lost: bool,
}

fn children(node: Tree<'_>) -> Vec<Tree<'_>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).collect()
}

impl Reader<'_> {
    fn span(&self, node: Tree<'_>) -> Span {
        // The newline that was added does not belong to the file.
        node.start_byte().min(self.bytes.len())..node.end_byte().min(self.bytes.len())
    }

    /// A whole tree: its statements and its comments.
    fn program(&mut self, root: Tree<'_>) -> Vec<Node> {
        self.collect_comments(root);
        if root.is_error() {
            vec![self.report(self.span(root), Reason::Unparsed)]
        } else {
            self.sequence(&children(root))
        }
    }

    /// Comments, except where the grammar lost its way: those could be anything.
    fn collect_comments(&mut self, root: Tree<'_>) {
        let trusted = |node: &Tree<'_>| !node.is_error() && !node.has_error();
        let mut waiting: Vec<Tree<'_>> = children(root).into_iter().rev().filter(trusted).collect();
        while let Some(node) = waiting.pop() {
            if node.kind() == "comment" {
                let mut span = self.span(node);
                while span.end > span.start && matches!(self.bytes[span.end - 1], b'\r' | b'\n') {
                    span.end -= 1;
                }
                self.comments.push(span);
            }
            let mut inner = children(node);
            inner.reverse();
            waiting.append(&mut inner);
        }
    }

    /// The statements among the nodes; one that begins with `and` or `or` joins the one before it.
    fn sequence(&mut self, nodes: &[Tree<'_>]) -> Vec<Node> {
        let mut done: Vec<Node> = Vec::new();
        for node in nodes.iter().filter(|node| (node.is_named() || node.is_error()) && !node.is_extra_comment()) {
            let span = self.span(*node);
            if span.is_empty() {
                continue;
            }
            let joins = continues(*node) && !node.has_error();
            let next = self.statement(*node);
            match done.pop() {
                None => done.push(next),
                Some(before) if joins => done.push(join(before, next, span.end)),
                Some(before) => done.extend([before, next]),
            }
        }
        done
    }

    fn statement(&mut self, node: Tree<'_>) -> Node {
        let span = self.span(node);
        if node.is_error() || node.has_error() {
            return self.report(span, Reason::Unparsed);
        }
        match node.kind() {
            "command" => self.command(node),
            "conditional_execution" => {
                let mut operands = Vec::new();
                self.operands(node, &mut operands);
                Node::List { span, operands }
            }
            "negated_statement" => {
                let operands = self.sequence(&children(node));
                Node::List { span, operands }
            }
            "pipe" => self.pipe(node),
            "redirect_statement" => self.redirected(node),
            "begin_statement" => self.begin(node),
            "if_statement" | "while_statement" => {
                let mut bodies = Vec::new();
                self.branches(node, &mut bodies);
                Node::Compound { span, bodies }
            }
            "for_statement" => self.simple_block(node, Scope::Plain),
            "function_definition" => {
                let scope = if self.runs_program(node) { Scope::Launcher } else { Scope::Function };
                self.simple_block(node, scope)
            }
            "switch_statement" => self.switch(node),
            "return" | "break" | "continue" => Node::Other(span),
            _ => self.report(span, Reason::Unparsed),
        }
    }

    /// Leaves the bytes alone, and reports the values among them.
    fn report(&mut self, span: Span, reason: Reason) -> Node {
        heuristics::find_raw(&self.bytes[span.clone()], span.start, reason, None, &mut self.fixed);
        Node::Other(span)
    }

    fn operands(&mut self, node: Tree<'_>, operands: &mut Vec<Node>) {
        for child in children(node) {
            if child.kind() == "conditional_execution" {
                self.operands(child, operands);
            } else if child.is_named() && !child.is_extra_comment() {
                let operand = self.statement(child);
                operands.push(operand);
            }
        }
    }

    /// The parts of a pipe stay; the bodies of a block among them can still be edited.
    fn pipe(&mut self, node: Tree<'_>) -> Node {
        let mut bodies = Vec::new();
        for child in children(node).into_iter().filter(|child| child.is_named() && !child.is_extra_comment()) {
            match child.kind() {
                "command" => self.words_of(child, Reason::Argument),
                _ => match self.statement(child) {
                    Node::Compound { bodies: inner, .. } => bodies.extend(inner),
                    Node::Other(_) => {}
                    Node::List { span, .. } | Node::Setting(Setting { span, .. }) => {
                        self.report(span, Reason::Argument);
                    }
                },
            }
        }
        Node::Compound { span: self.span(node), bodies }
    }

    /// `begin ... end > file`: the block with what follows it.
    fn redirected(&mut self, node: Tree<'_>) -> Node {
        let span = self.span(node);
        let inner = children(node).into_iter().find(|child| child.is_named() && !child.is_extra_comment());
        match inner.map(|inner| self.statement(inner)) {
            Some(Node::Compound { bodies, .. }) => Node::Compound { span, bodies },
            Some(Node::Other(_)) | None => Node::Other(span),
            Some(Node::List { .. } | Node::Setting(_)) => self.report(span, Reason::Argument),
        }
    }

    /// `begin ... end` is plain code, unless it hides a variable from the rest to run a program with it.
    fn begin(&mut self, node: Tree<'_>) -> Node {
        let local = children(node).into_iter().filter(|child| child.kind() == "command").any(|child| {
            let words = self.words(child);
            words.first().is_some_and(|(_, name)| **name.text == *b"set")
                && parse_flags(&words).is_some_and(|(flags, _)| flags.contains(&b'l'))
        });
        let scope = if local && self.runs_program(node) { Scope::Launcher } else { Scope::Plain };
        self.simple_block(node, scope)
    }

    /// A block with one body between its head and `end`.
    fn simple_block(&mut self, node: Tree<'_>, scope: Scope) -> Node {
        let parts = children(node);
        // Everything up to the head's terminator belongs to the head; `begin` has none.
        let mut head = parts.iter().position(|part| is_terminator(*part)).map_or(parts.len(), |at| at + 1);
        if node.kind() == "begin_statement" {
            head = 1;
        }
        for part in parts[..head].iter().filter(|part| part.is_named() && !part.is_extra_comment()) {
            self.expression(*part, Reason::Argument);
        }
        let end = parts.len().saturating_sub(1).max(head);
        let body = self.body(&parts[head.min(parts.len())..end.min(parts.len())], &parts[..head], parts.last(), scope);
        Node::Compound { span: self.span(node), bodies: vec![body] }
    }

    fn body(&mut self, parts: &[Tree<'_>], before: &[Tree<'_>], after: Option<&Tree<'_>>, scope: Scope) -> Body {
        let start = before.last().map_or(0, |part| part.end_byte());
        let end = after.map_or(start, |part| part.start_byte()).max(start).min(self.bytes.len());
        Body { span: start.min(end)..end, nodes: self.sequence(parts), scope }
    }

    /// The conditions and bodies of `if`, `else if`, `else` and `while`.
    fn branches(&mut self, node: Tree<'_>, bodies: &mut Vec<Body>) {
        let parts = children(node);
        let conditional = node.kind() != "else_clause";
        let keywords = match node.kind() {
            "else_if_clause" => 2,
            _ => 1,
        };
        let is_clause = |part: &Tree<'_>| matches!(part.kind(), "else_if_clause" | "else_clause" | "end");
        let stop = parts.iter().position(is_clause).unwrap_or(parts.len());
        let mut body_from = keywords.min(stop);
        if conditional {
            // A following `and` or `or` still belongs to the condition, though the grammar puts it into the body.
            let mut at = body_from;
            let mut first = true;
            while at < stop {
                let part = parts[at];
                if part.is_named() && !part.is_extra_comment() {
                    if !first && !continues(part) {
                        break;
                    }
                    first = false;
                    body_from = at + 1;
                }
                at += 1;
            }
            let condition = &parts[keywords.min(stop)..body_from];
            let span = condition.first().map_or(0, |part| part.start_byte())
                ..condition.last().map_or(0, |part| part.end_byte());
            let nodes = self.sequence(condition);
            bodies.push(Body { span, nodes, scope: Scope::Plain });
            // The terminator of the condition.
            if body_from < stop && is_terminator(parts[body_from]) {
                body_from += 1;
            }
        } else if body_from < stop && is_terminator(parts[body_from]) {
            body_from += 1;
        }
        let start = parts[..body_from].last().map_or(node.start_byte(), |part| part.end_byte());
        let end = parts.get(stop).map_or(node.end_byte(), |part| part.start_byte());
        let (start, end) = (start.min(self.bytes.len()), end.min(self.bytes.len()));
        let nodes = self.sequence(&parts[body_from..stop]);
        bodies.push(Body { span: start.min(end)..end, nodes, scope: Scope::Plain });
        for part in &parts[stop..] {
            if matches!(part.kind(), "else_if_clause" | "else_clause") {
                self.branches(*part, bodies);
            }
        }
    }

    fn switch(&mut self, node: Tree<'_>) -> Node {
        let mut bodies = Vec::new();
        for part in children(node).into_iter().filter(|part| part.is_named() && !part.is_extra_comment()) {
            if part.kind() != "case_clause" {
                self.expression(part, Reason::Argument);
                continue;
            }
            let arm = children(part);
            let head = arm.iter().position(|part| is_terminator(*part)).map_or(arm.len(), |at| at + 1);
            for value in arm[..head].iter().filter(|value| value.is_named() && !value.is_extra_comment()) {
                self.expression(*value, Reason::Argument);
            }
            let start = arm[..head].last().map_or(part.start_byte(), |last| last.end_byte()).min(self.bytes.len());
            let end = part.end_byte().min(self.bytes.len());
            let nodes = self.sequence(&arm[head..]);
            bodies.push(Body { span: start.min(end)..end, nodes, scope: Scope::Plain });
        }
        Node::Compound { span: self.span(node), bodies }
    }

    /// The words of a command, each with what it says; a lone backslash at a line's end is no word.
    fn words<'t>(&self, command: Tree<'t>) -> Vec<(Tree<'t>, Decoded)> {
        let mut cursor = command.walk();
        let mut words = Vec::new();
        for (at, child) in command.children(&mut cursor).enumerate() {
            let field = command.field_name_for_child(at as u32);
            if !child.is_named() && field.is_none() || child.is_extra_comment() || field == Some("redirect") {
                continue;
            }
            let decoded = self.decode(child);
            if child.kind() == "escape_sequence" && decoded.text.is_empty() {
                continue;
            }
            words.push((child, decoded));
        }
        words
    }

    fn command(&mut self, node: Tree<'_>) -> Node {
        let mut words = self.words(node);
        // The grammar counts a backslash before the next line's comment among the words.
        let mut cursor = node.walk();
        let redirected = node.children_by_field_name("redirect", &mut cursor).map(|redirect| redirect.end_byte()).max();
        let last = words.last().map(|(word, _)| word.end_byte()).max(redirected);
        let span = node.start_byte()..last.unwrap_or(node.end_byte()).min(self.bytes.len());
        if words.len() > 1 && **words[0].1.text == *b"builtin" && words[0].1.literal {
            words.remove(0);
        }
        let Some((_, first)) = words.first() else { return Node::Other(span) };
        let name = if first.literal { first.text.to_vec() } else { Vec::new() };
        self.lost |= matches!(&self.bytes[self.span(words[0].0)], b"end" | b"else" | b"case");
        let settled = match name.as_slice() {
            b"set" => self.set(&span, &words),
            b"export" => self.export(&span, &words),
            _ => None,
        };
        match settled {
            // A background job and a file that is written are more than a setting.
            Some(_) if self.in_background(span.end) || self.writes(node) => {
                self.words_of(node, Reason::Argument);
                Node::Other(span)
            }
            Some(setting) => {
                for (word, _) in &words {
                    self.substitutions(
                        *word,
                        setting.words.first().map(|word| (word.name.clone(), word.name_span.start)),
                    );
                }
                Node::Setting(setting)
            }
            None => {
                self.words_of(node, Reason::Argument);
                Node::Other(span)
            }
        }
    }

    fn set(&mut self, span: &Span, words: &[(Tree<'_>, Decoded)]) -> Option<Setting> {
        let (flags, first) = parse_flags(words)?;
        if flags.iter().any(|flag| b"aenhpqS".contains(flag)) {
            return None;
        }
        let (place, name) = words.get(first)?;
        let text = name.literal.then(|| heuristics::identifier(&name.text)).flatten()?.to_owned();
        let name_span = self.span(*place);
        let value = match &words[first + 1..] {
            // Without a value the variable is emptied, not just declared.
            [] => Value::Literal(Zeroizing::default(), name_span.end..name_span.end),
            [(node, value)] => self.value(*node, value),
            // More than one value is a list, and no key.
            _ => return None,
        };
        let end = words.last().map_or(name_span.end, |(node, _)| self.span(*node).end);
        let word = Word { span: name_span.start..end, name_span, name: text, value };
        Some(Setting { span: span.clone(), form: Form::Set, words: vec![word], keeps: false })
    }

    /// fish's `export NAME=value ...`, a function around `set -gx`.
    fn export(&mut self, span: &Span, words: &[(Tree<'_>, Decoded)]) -> Option<Setting> {
        let mut found = Vec::new();
        for (node, word) in &words[1..] {
            let place = self.span(*node);
            let split = word.text.iter().position(|byte| *byte == b'=');
            let name = heuristics::identifier(&word.text[..split.unwrap_or(word.text.len())])?.to_owned();
            let name_span = place.start..word.from.get(split.unwrap_or(usize::MAX)).copied().unwrap_or(place.end);
            let value = match split {
                None if word.literal => Value::Bare,
                None => return None,
                Some(at) if word.literal => {
                    let from = name_span.end + 1;
                    Value::Literal(Zeroizing::new(word.text[at + 1..].to_vec()), from..place.end)
                }
                Some(_) => self.bytes[name_span.end + 1..place.end]
                    .strip_prefix(b"$")
                    .or_else(|| self.bytes[name_span.end + 1..place.end].strip_prefix(b"\"$")?.strip_suffix(b"\""))
                    .and_then(heuristics::identifier)
                    .map_or(Value::Dynamic, |other| Value::Copy(other.to_owned())),
            };
            found.push(Word { span: place, name_span, name, value });
        }
        (!found.is_empty()).then(|| Setting { span: span.clone(), form: Form::Export, words: found, keeps: false })
    }

    fn value(&self, node: Tree<'_>, decoded: &Decoded) -> Value {
        if decoded.literal {
            return Value::Literal(decoded.text.clone(), self.span(node));
        }
        let raw = &self.bytes[self.span(node)];
        let bare = raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\"")).unwrap_or(raw);
        match bare.strip_prefix(b"$").and_then(heuristics::identifier) {
            Some(other) => Value::Copy(other.to_owned()),
            None => Value::Dynamic,
        }
    }

    /// Whether the command's output goes into a file.
    fn writes(&self, command: Tree<'_>) -> bool {
        let mut cursor = command.walk();
        command.children_by_field_name("redirect", &mut cursor).any(|redirect| {
            redirect.kind() == "file_redirect"
                && redirect
                    .child_by_field_name("destination")
                    .is_none_or(|target| self.bytes[self.span(target)] != *b"/dev/null")
        })
    }

    fn in_background(&self, end: usize) -> bool {
        let rest = &self.bytes[end..];
        let rest = &rest[rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()..];
        rest.starts_with(b"&") && !rest.starts_with(b"&&")
    }

    /// Reports the literals of a command that is left alone.
    fn words_of(&mut self, node: Tree<'_>, reason: Reason) {
        let words = self.words(node);
        let name = words.first().filter(|(_, word)| word.literal).map_or(Vec::new(), |(_, word)| word.text.to_vec());
        let mut reason = match name.as_slice() {
            b"alias" | b"abbr" => Reason::Alias,
            b"env" => Reason::InlinePrefix,
            b"eval" => Reason::Substitution,
            _ => reason,
        };
        let mut known = None;
        if name == b"set"
            && let Some((flags, first)) = parse_flags(&words)
            && let Some((place, word)) = words.get(first)
        {
            let end = word.text.iter().position(|byte| *byte == b'[').unwrap_or(word.text.len());
            known = heuristics::identifier(&word.text[..end]).map(|name| (name.to_owned(), self.span(*place).start));
            let adds = flags.iter().any(|flag| b"ap".contains(flag));
            if adds && let Some((name, at)) = &known {
                // Even where this piece is no key: what it is added to is no longer the whole value.
                let value = Zeroizing::default();
                self.fixed.push(Fixed { name: Some(name.clone()), at: *at, value, reason: Reason::Append });
            }
            if adds || words.len() > first + 2 || end < word.text.len() {
                reason = Reason::Array;
            }
        }
        let mut prefix = true;
        for (node, word) in &words {
            // `NAME=value` in front of a command.
            let equals = word.text.iter().position(|byte| *byte == b'=');
            let assigned = equals.and_then(|at| Some((heuristics::identifier(&word.text[..at])?, at)));
            prefix = prefix && assigned.is_some();
            match assigned {
                Some((name, at)) if (prefix || name_is(&words, b"env")) && word.literal => self.fixed.push(Fixed {
                    name: Some(name.to_owned()),
                    at: word.from[0],
                    value: Zeroizing::new(word.text[at + 1..].to_vec()),
                    reason: Reason::InlinePrefix,
                }),
                _ => {
                    let named = known.as_ref().map(|(name, at)| Named { name, at: *at, direct: true });
                    let at = |offset: usize| word.from.get(offset).copied().unwrap_or(0);
                    heuristics::find(&word.text, at, reason, named, &mut self.fixed);
                }
            }
            self.substitutions(*node, known.clone());
        }
    }

    /// An expression that is no command's word: a case, a loop's value.
    fn expression(&mut self, node: Tree<'_>, reason: Reason) {
        let word = self.decode(node);
        heuristics::find(
            &word.text,
            |offset| word.from.get(offset).copied().unwrap_or(0),
            reason,
            None,
            &mut self.fixed,
        );
        self.substitutions(node, None);
    }

    /// Reports what stands in the command substitutions of a word.
    fn substitutions(&mut self, node: Tree<'_>, known: Option<(String, usize)>) {
        let mut waiting = vec![node];
        while let Some(node) = waiting.pop() {
            if node.kind() == "command_substitution" {
                let span = self.span(node);
                let named = known.as_ref().map(|(name, at)| Named { name, at: *at, direct: false });
                heuristics::find_raw(
                    &self.bytes[span.clone()],
                    span.start,
                    Reason::Substitution,
                    named,
                    &mut self.fixed,
                );
            } else {
                waiting.extend(children(node));
            }
        }
    }

    /// Whether anything in the block, its substitutions included, is more than the corpus' harmless commands.
    fn runs_program(&self, block: Tree<'_>) -> bool {
        let mut waiting = vec![block];
        while let Some(node) = waiting.pop() {
            if node.is_error() || node.is_missing() {
                return true;
            }
            if node.kind() == "command" {
                let words = self.words(node);
                let at = usize::from(words.len() > 1 && name_is(&words, b"builtin"));
                let harmless = words.get(at).is_some_and(|(_, word)| {
                    word.literal && HARMLESS.iter().any(|known| known.as_bytes() == word.text.as_slice())
                });
                if !harmless {
                    return true;
                }
            }
            waiting.extend(children(node));
        }
        false
    }
}

fn name_is(words: &[(Tree<'_>, Decoded)], name: &[u8]) -> bool {
    words.first().is_some_and(|(_, word)| word.literal && word.text.as_slice() == name)
}

/// `set`'s flags as short letters, and which word is the name. Nothing where a flag is not known.
fn parse_flags(words: &[(Tree<'_>, Decoded)]) -> Option<(Vec<u8>, usize)> {
    let mut flags = Vec::new();
    for (at, (_, word)) in words.iter().enumerate().skip(1) {
        let text = word.text.as_slice();
        if text == b"--" {
            return Some((flags, at + 1));
        }
        if !word.literal || !text.starts_with(b"-") || text.len() < 2 {
            return Some((flags, at));
        }
        match text.strip_prefix(b"--") {
            Some(long) => {
                let exact = LONG.iter().find(|(name, _)| name.as_bytes() == long);
                let mut fitting = LONG.iter().filter(|(name, _)| name.as_bytes().starts_with(long));
                let only = || fitting.next().filter(|_| fitting.next().is_none());
                flags.push(exact.or_else(only)?.1);
            }
            None => flags.extend_from_slice(&text[1..]),
        }
    }
    Some((flags, words.len()))
}

/// Whether the statement begins with `and` or `or`, and so continues the one before.
fn continues(node: Tree<'_>) -> bool {
    let mut node = node;
    while matches!(node.kind(), "conditional_execution" | "pipe" | "redirect_statement") {
        match node.child(0) {
            Some(first) if matches!(first.kind(), "and" | "or") => return true,
            Some(first) => node = first,
            None => return false,
        }
    }
    false
}

fn is_terminator(node: Tree<'_>) -> bool {
    matches!(node.kind(), ";" | "&" | "\n" | "\r" | "\r\n")
}

/// One list of two statements.
fn join(before: Node, next: Node, end: usize) -> Node {
    let start = before.span().start;
    let mut operands = match before {
        Node::List { operands, .. } => operands,
        other => vec![other],
    };
    match next {
        Node::List { operands: more, .. } => operands.extend(more),
        other => operands.push(other),
    }
    Node::List { span: start..end, operands }
}

/// Whether a node is a comment, which the grammar lets stand anywhere.
trait ExtraComment {
    fn is_extra_comment(&self) -> bool;
}

impl ExtraComment for Tree<'_> {
    fn is_extra_comment(&self) -> bool {
        self.kind() == "comment"
    }
}

// The shells themselves are asked, and Windows has none of them.
#[cfg(all(test, unix))]
mod tests;
