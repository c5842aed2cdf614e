//! Statements, lists, pipelines and constructs: one reader for all languages.
//!
//! It goes through the file once, from left to right, and asks the language's table what a word begins or ends. What it
//! cannot read to its end is reported and never touched.

use super::cursor::HereDocument;
use super::language::Lost;
use super::{Reader, Result, Unreadable};
use crate::migrate::model::{Body, Fixed, Node, Reason, Scope, Setting, Span, Start, Value, add, note};

// Far beyond what anybody writes, and far within a thread's stack.
const DEEPEST: usize = 60;

// So many bytes, and a few times the file, are read a second time behind statements that cannot be read.
const AGAIN: usize = 64 * 1024;

impl<'a> Reader<'a> {
    /// The statements of the file, one by one, so that what cannot be read spoils only what a shell does not reach,
    /// either.
    pub(super) fn file(&mut self) -> Vec<Node> {
        let mut nodes = Vec::new();
        // How many of them end before the line that is being read, which may be lost as a whole.
        let mut before = 0;
        loop {
            self.passed.clear();
            let mut start = self.at;
            let mut known = (self.comments.len(), self.fixed.len());
            let read = self.separators().and_then(|()| {
                if self.bytes[start..self.at].contains(&b'\n') {
                    if let Some(last) = nodes.pop() {
                        add(&mut nodes, last);
                    }
                    before = nodes.len();
                }
                start = self.at;
                known = (self.comments.len(), self.fixed.len());
                self.statement(Scope::Plain, &mut nodes, before)
            });
            match read {
                Ok(true) => {}
                Ok(false) if self.peek().is_none() => return nodes,
                Ok(false) | Err(Unreadable) => {
                    if !self.lose(start, known, &mut nodes) {
                        return nodes;
                    }
                }
            }
        }
    }

    // Reports what is lost with the statement that begins at `start` and cannot be read. Whether the file goes on
    // behind it. `known` counts the comments and the keys before it.
    fn lose(&mut self, start: usize, known: (usize, usize), nodes: &mut Vec<Node>) -> bool {
        let end = self.bytes.len();
        let reached = self.at;
        let (kept, lost) = match self.language.lost {
            Lost::File => (0, 0..end),
            // A shell runs nothing of a line that it cannot read.
            Lost::Rest => {
                let line = self.bytes[..start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let kept = nodes.iter().take_while(|node| node.span().end <= line).count();
                (kept, nodes.get(kept).map_or(start, |first| first.span().start.min(start))..end)
            }
            Lost::Statement(skip) => {
                let depth = std::mem::take(&mut self.depth);
                self.at = start;
                let skipped = skip(self);
                self.depth = depth;
                self.comments.truncate(known.0);
                self.fixed.truncate(known.1);
                // What was read beyond the statement is read again.
                self.guessed += reached.saturating_sub(self.at);
                match skipped {
                    Ok(()) if self.guessed <= AGAIN + 4 * end => (nodes.len(), start..self.at.max(start + 1).min(end)),
                    Ok(()) => (nodes.len(), start..end),
                    Err(Unreadable) => (0, 0..end),
                }
            }
        };
        nodes.truncate(kept);
        // What was read of the line keeps its reasons where the first of several counts.
        let from = if self.language.posix.is_some() { start } else { lost.start };
        if lost.end == end {
            // No byte of what is lost is edited, not even in a comment between its lines.
            self.comments.retain(|comment| comment.start < lost.start);
            self.fixed.retain(|fixed| fixed.at < from);
        }
        self.bodies.clear();
        self.report(lost.clone(), Reason::Unparsed, None);
        self.at = lost.end;
        nodes.push(Node::Other(lost));
        self.at < end
    }

    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEEPEST {
            return Err(Unreadable);
        }
        self.depth += 1;
        let done = read(self);
        self.depth -= 1;
        done
    }

    /// Statements up to a closing word, a `)`, an arm's end or the file's.
    pub(super) fn body(&mut self, scope: Scope) -> Result<Body> {
        let (start, programs, starts) = (self.at, self.programs, self.starts);
        let nodes = self.list(scope, 0)?;
        let (runs, starts) = (self.programs > programs, self.starts > starts);
        Ok(Body { span: start..self.at, nodes, scope, runs, starts })
    }

    /// The same without the place. The first nodes, `before` in number, are one statement each.
    pub(super) fn list(&mut self, scope: Scope, before: usize) -> Result<Vec<Node>> {
        self.nested(|reader| {
            let mut nodes = Vec::new();
            while reader.statement(scope, &mut nodes, before)? {}
            // Most bodies are short, and there may be many of them.
            nodes.shrink_to_fit();
            Ok(nodes)
        })
    }

    /// A body in braces, or of a single statement.
    pub(super) fn short_body(&mut self, scope: Scope) -> Result<Body> {
        self.blanks();
        if self.takes_word("{") {
            let body = self.body(scope)?;
            self.expect(|reader| reader.takes_word("}"))?;
            return Ok(body);
        }
        let (start, programs, starts) = (self.at, self.programs, self.starts);
        let nodes = vec![self.and_or()?];
        let (runs, starts) = (self.programs > programs, self.starts > starts);
        Ok(Body { span: start..self.at, nodes, scope, runs, starts })
    }

    /// The statements in round brackets. Their keys are not reported one by one: the text is for the word's own report.
    pub(super) fn enclosed(&mut self) -> Result<Vec<Node>> {
        let fixed = self.fixed.len();
        self.at += 1;
        let body = self.ending(b"", |reader| reader.body(Scope::Plain))?;
        if !self.takes(b")") {
            return Err(Unreadable);
        }
        self.fixed.truncate(fixed);
        Ok(body.nodes)
    }

    /// One statement of a body and what ends it; false where the body ends. The first nodes, `before` in number, stay
    /// as they are.
    pub(super) fn statement(&mut self, scope: Scope, nodes: &mut Vec<Node>, before: usize) -> Result<bool> {
        self.separators()?;
        let ends = self.peek().is_none_or(|byte| self.closes(byte)) || self.at_arm_end();
        if ends || self.is_at_one_of(self.language.closing) {
            return Ok(false);
        }
        let start = self.at;
        let joined = self.takes_one_of(self.language.joins);
        let mut node = self.and_or()?;
        let mut goes_on = true;
        self.blanks();
        match self.rest() {
            [b'&', ..] if self.language.has_operators => {
                self.at += 1;
                let disowning = self.language.posix.map_or(&[][..], |posix| posix.disowning);
                let _ = disowning.iter().any(|sign| self.takes(sign.as_bytes()));
                // What a job in the background sets is lost with it.
                if matches!(node, Node::Setting(_) | Node::List { .. }) {
                    let span = node.span().clone();
                    self.settle(node, self.language.background);
                    node = Node::Other(span);
                }
            }
            [] | [b'\n' | b';' | b'#', ..] => {}
            [byte, ..] if self.closes(*byte) => {}
            _ => {
                let posix = self.language.posix.ok_or(Unreadable)?;
                goes_on = (posix.follows)(self, scope, &node).ok_or(Unreadable)?;
            }
        }
        let node = match nodes.pop_if(|_| joined) {
            Some(before) => join(before, node),
            None if joined => list(start, vec![node]),
            None => node,
        };
        if nodes.len() > before {
            add(nodes, node)
        } else {
            nodes.push(node)
        }
        Ok(goes_on)
    }

    /// Reports whether a sign ends the statements in a pair of brackets.
    pub(super) fn closes(&self, byte: u8) -> bool {
        byte == b')' || byte == b'}' && self.language.blocks.is_some()
    }

    pub(super) fn and_or(&mut self) -> Result<Node> {
        let start = self.at;
        let (first, mut wrapped) = self.pipeline()?;
        let mut operands = vec![first];
        loop {
            self.blanks();
            if !(self.language.has_operators && (self.takes(b"&&") || self.takes(b"||"))) {
                break;
            }
            wrapped = true;
            self.operator_ends()?;
            add(&mut operands, self.pipeline()?.0);
        }
        if !wrapped && let Some(only) = operands.pop() {
            return Ok(only);
        }
        if !self.language.filler.is_empty() {
            return Ok(list(start, operands));
        }
        // Nothing could stand in an operand's place.
        Ok(self.kept(start, operands))
    }

    // Commands of which none goes; the bodies among them can still be edited.
    fn kept(&mut self, start: usize, mut commands: Vec<Node>) -> Node {
        let span = start..end_of(start, &commands);
        // An assignment's value is what all of them give.
        if self.language.assignment.is_some()
            && self.language.posix.is_none()
            && let [Node::Setting(setting), rest @ ..] = commands.as_mut_slice()
            && rest.iter().all(|node| matches!(node, Node::Other(_)))
        {
            for word in &mut setting.words {
                let (name, at) = (Some(word.name.clone()), word.name_span.start);
                if let Value::Literal(value, _) | Value::Default(_, value, _) =
                    std::mem::replace(&mut word.value, Value::Dynamic)
                {
                    note(&mut self.fixed, Fixed { name, at, value, reason: Reason::Argument });
                }
            }
            setting.span = span;
            return commands.swap_remove(0);
        }
        let mut bodies = Vec::new();
        for command in commands {
            match command {
                Node::Compound { bodies: own, .. } => bodies.extend(own),
                // What else runs with it changes what it does.
                Node::Start(start) => {
                    let (span, start) = (start.span.clone(), Start { is_plain: false, ..*start });
                    let nodes = vec![Node::Start(Box::new(start))];
                    bodies.push(Body { span, nodes, scope: Scope::Plain, runs: true, starts: true });
                }
                other => self.settle(other, Reason::Argument),
            }
        }
        Node::Compound { span, name: None, bodies }
    }

    // A pipeline, and whether a word before it negates or times it.
    fn pipeline(&mut self) -> Result<(Node, bool)> {
        self.blanks();
        let mut wrapped = false;
        while self.takes_one_of(self.language.not) {
            wrapped = true;
            self.blanks();
        }
        let start = self.at;
        if wrapped && matches!(self.peek(), None | Some(b'\n' | b';')) {
            return Ok((Node::Other(start..start), wrapped));
        }
        let mut parts = vec![self.nested(Self::command)?];
        loop {
            self.blanks();
            if self.language.pipes_lead && matches!(self.peek(), Some(b'\n' | b'#')) {
                let mut ahead = self.ahead(self.at);
                ahead.line_ends()?;
                if ahead.peek() == Some(b'|') {
                    self.line_ends()?;
                }
            }
            let Some(sign) = self.pipe().filter(|_| !self.rest().starts_with(b"||")) else { break };
            self.at += sign.len();
            self.operator_ends()?;
            parts.push(self.nested(Self::command)?);
        }
        if let [_] = parts.as_slice() {
            return Ok((parts.remove(0), wrapped));
        }
        let end = end_of(start, &parts);
        if let [Node::Setting(_), Node::Other(last)] = parts.as_slice()
            && self.language.hushes.iter().any(|hush| self.is_called(&self.bytes[last.clone()], hush))
            && let Node::Setting(setting) = parts.swap_remove(0)
        {
            return Ok((Node::Setting(Setting { span: start..end, is_redirected: true, ..setting }), wrapped));
        }
        Ok((self.kept(start, parts), wrapped))
    }

    /// The sign here that joins two commands of a pipeline.
    pub(super) fn pipe(&self) -> Option<&'static str> {
        let rest = self.rest();
        self.language.pipes.iter().copied().find(|sign| rest.starts_with(sign.as_bytes()))
    }

    /// Reports whether a word calls this command.
    pub(super) fn is_called(&self, word: &[u8], command: &str) -> bool {
        let command = command.as_bytes();
        // Most lengths differ, which takes no look at the words.
        word.len() == command.len()
            && (word == command || self.language.ignores_case && word.eq_ignore_ascii_case(command))
    }

    // What may stand behind a construct.
    pub(super) fn redirections(&mut self) -> Result<()> {
        loop {
            let end = self.at;
            self.blanks();
            if self.redirection()?.is_none() {
                self.at = end;
                return Ok(());
            }
        }
    }

    /// A redirection: whether it leaves a setting a setting.
    pub(super) fn redirection(&mut self) -> Result<Option<bool>> {
        let rest = self.rest();
        if self.pipe().is_some() {
            return Ok(None);
        }
        let number = |byte: &&u8| self.language.has_descriptors && byte.is_ascii_digit();
        let posix = self.language.posix;
        let digits = || Some(rest.iter().take_while(number).count());
        let Some(descriptor) = posix.map_or_else(digits, |posix| (posix.descriptor)(self)) else { return Ok(None) };
        let signs = &rest[descriptor..];
        let Some(operator) = self.language.redirections.iter().find(|operator| signs.starts_with(operator.as_bytes()))
        else {
            return Ok(None);
        };
        self.at += descriptor + operator.len();
        self.blanks();
        let word = (self.language.word)(self)?;
        if word.span.is_empty() || posix.is_none() && word.text().starts_with(b"#") {
            return Err(Unreadable);
        }
        if let Some(posix) = posix {
            (posix.redirected)(self, operator, &word);
        } else if *operator == "<<" {
            self.pending.push(HereDocument { end: word.text().to_vec(), ..HereDocument::default() });
        }
        let is_descriptor = |text: &[u8]| text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
        let copies = self.language.has_descriptors && operator.ends_with('&') && is_descriptor(word.text());
        let target = &self.bytes[word.span];
        Ok(Some(copies || target.eq_ignore_ascii_case(self.language.nowhere.as_bytes())))
    }
}

fn end_of(start: usize, nodes: &[Node]) -> usize {
    nodes.last().map_or(start, |node| node.span().end)
}

fn list(start: usize, operands: Vec<Node>) -> Node {
    Node::List { span: start..end_of(start, &operands), operands }
}

// One list of two statements.
fn join(before: Node, next: Node) -> Node {
    let span: Span = before.span().start..next.span().end;
    let flat = |node| match node {
        Node::List { operands, .. } => operands,
        other => vec![other],
    };
    let mut operands = flat(before);
    flat(next).into_iter().for_each(|operand| add(&mut operands, operand));
    Node::List { span, operands }
}
