//! Reads csh and tcsh: `.cshrc`, `.tcshrc`, `.login`.
//!
//! There is no grammar for csh, whose own parser works line by line, so this one is written out: words, quotes and
//! operators first, then statements and blocks. What it cannot place, it reports, and it never guesses: after an open
//! quote or block nothing more of the file is placed, as tcsh itself would go no further. Checked against tcsh 6.24;
//! the language is in `tcsh(1)`, "Lexical structure" and "Control flow". Called by `examine`.

mod lexer;

use super::heuristics::{self, Named};
use super::model::{Body, Fixed, Form, Node, Reason, Scope, Script, Setting, Span, Value, Word};
use lexer::{Decoded, Kind, Lexer, Token};
use zeroize::Zeroizing;

/// Commands that run no program (the corpus' list, with csh's own spellings).
const HARMLESS: &[&str] = &[
    "setenv", "unsetenv", "set", "unset", "@", "test", "[", ":", "true", "false", "echo", "printf", "breaksw", "break",
    "continue", "default:",
];
/// How deep blocks may stand in each other; a file of opening brackets must not exhaust the stack.
const DEEPEST: usize = 64;

/// Takes a csh script apart.
pub(super) fn read(bytes: &[u8]) -> Script {
    let mut script = Script { filler: ":", ..Script::default() };
    let (tokens, stopped) = Lexer::new(bytes).run();
    for token in &tokens {
        match token.kind {
            Kind::Comment => script.comments.push(token.span.clone()),
            Kind::Here => heuristics::find_raw(
                &bytes[token.span.clone()],
                token.span.start,
                Reason::HereDocument,
                None,
                &mut script.fixed,
            ),
            _ => {}
        }
    }
    let tokens: Vec<Token> =
        tokens.into_iter().filter(|token| !matches!(token.kind, Kind::Comment | Kind::Here)).collect();
    let mut reader = Reader { bytes, tokens: &tokens, at: 0, fixed: Vec::new(), depth: 0 };
    let end = stopped.unwrap_or(bytes.len());
    let (nodes, placed) = reader.program(end);
    script.nodes = nodes;
    script.fixed.append(&mut reader.fixed);
    if placed < bytes.len() {
        // What cannot be placed is no comment for certain, either.
        script.comments.retain(|comment| comment.end <= placed);
        script.fixed.retain(|fixed| fixed.at < placed);
        heuristics::find_raw(&bytes[placed..], placed, Reason::Unparsed, None, &mut script.fixed);
        script.nodes.push(Node::Other(placed..bytes.len()));
    }
    script.fixed.sort_by_key(|fixed| fixed.at);
    script
}

/// What stops the reading of a block: the token's number is the reader's place.
struct Stuck;

struct Reader<'t> {
    bytes: &'t [u8],
    tokens: &'t [Token],
    at: usize,
    fixed: Vec<Fixed>,
    depth: usize,
}

impl<'t> Reader<'t> {
    /// The statements at top level, and how far they could be placed.
    fn program(&mut self, end: usize) -> (Vec<Node>, usize) {
        let mut nodes = Vec::new();
        loop {
            self.skip_separators();
            let Some(token) = self.tokens.get(self.at) else { return (nodes, end) };
            let start = token.span.start;
            match self.statement() {
                Ok(node) => nodes.push(node),
                Err(Stuck) => return (nodes, start),
            }
        }
    }

    fn kind(&self) -> Option<&'t Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn skip_separators(&mut self) {
        while matches!(self.kind(), Some(Kind::Newline | Kind::Semicolon | Kind::Background)) {
            self.at += 1;
        }
    }

    /// The unquoted word here.
    fn keyword(&self) -> &'t [u8] {
        match self.kind() {
            Some(Kind::Word(word)) if !word.quoted && word.literal => &word.text,
            _ => b"",
        }
    }

    /// Where the last token that was taken ends.
    fn behind(&self) -> usize {
        self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.span.end)
    }

    /// Where the next token begins.
    fn before(&self) -> usize {
        self.tokens.get(self.at).map_or(self.bytes.len(), |token| token.span.start)
    }

    /// A block or a list of commands, without what ends it.
    fn statement(&mut self) -> Result<Node, Stuck> {
        if self.depth >= DEEPEST {
            return Err(Stuck);
        }
        self.depth += 1;
        let node = match self.keyword() {
            b"foreach" => self.looped(true),
            b"while" => self.looped(false),
            b"switch" => self.switch(),
            b"end" | b"endif" | b"endsw" | b"else" | b"case" | b"default:" | b"default" => Err(Stuck),
            b"if" if self.is_block() => self.branches(),
            _ => self.list(),
        };
        self.depth -= 1;
        node
    }

    /// Whether the `if` here ends in `then`.
    fn is_block(&self) -> bool {
        let line =
            self.tokens[self.at..].iter().take_while(|token| !matches!(token.kind, Kind::Newline | Kind::Semicolon));
        matches!(line.last(), Some(Token { kind: Kind::Word(word), .. }) if **word.text == *b"then" && !word.quoted)
    }

    /// The statements up to a word of `stop`, which stays.
    fn block(&mut self, stop: &[&str]) -> Result<Body, Stuck> {
        let start = self.behind();
        let mut nodes = Vec::new();
        loop {
            self.skip_separators();
            if self.kind().is_none() {
                return Err(Stuck);
            }
            if stop.iter().any(|word| word.as_bytes() == self.keyword()) {
                return Ok(Body { span: start..self.before(), nodes, scope: Scope::Plain });
            }
            nodes.push(self.statement()?);
        }
    }

    /// Up to the line's end, reported; what stands there, as a condition that stays.
    fn head(&mut self) -> Span {
        let start = self.before();
        let mut depth = 0usize;
        while let Some(token) = self.tokens.get(self.at) {
            match &token.kind {
                Kind::Newline => break,
                Kind::Semicolon if depth == 0 => break,
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Word(word) => self.literal(word, Reason::Argument, None),
                _ => {}
            }
            self.at += 1;
        }
        start..self.behind().max(start)
    }

    fn looped(&mut self, named: bool) -> Result<Node, Stuck> {
        let start = self.before();
        self.at += 1;
        let mut bodies = Vec::new();
        let head = self.head();
        if !named {
            bodies.push(Body { span: head.clone(), nodes: vec![Node::Other(head)], scope: Scope::Plain });
        }
        bodies.push(self.block(&["end"])?);
        self.at += 1;
        Ok(Node::Compound { span: start..self.behind(), bodies })
    }

    fn branches(&mut self) -> Result<Node, Stuck> {
        let start = self.before();
        let mut bodies = Vec::new();
        loop {
            // `if (...) then`; the condition's own words are only looked at.
            self.at += 1;
            let head = self.head();
            bodies.push(Body { span: head.clone(), nodes: vec![Node::Other(head)], scope: Scope::Plain });
            bodies.push(self.block(&["else", "endif"])?);
            if self.keyword() == b"endif" {
                break;
            }
            self.at += 1;
            if self.keyword() == b"if" && self.is_block() {
                continue;
            }
            bodies.push(self.block(&["endif"])?);
            break;
        }
        self.at += 1;
        Ok(Node::Compound { span: start..self.behind(), bodies })
    }

    fn switch(&mut self) -> Result<Node, Stuck> {
        let start = self.before();
        self.at += 1;
        self.head();
        let mut bodies = Vec::new();
        loop {
            self.skip_separators();
            match self.keyword() {
                b"endsw" => break,
                b"case" | b"default:" | b"default" => {
                    self.head();
                    // Several labels of one arm.
                    self.skip_separators();
                    if !matches!(self.keyword(), b"case" | b"default:" | b"default" | b"endsw") {
                        bodies.push(self.block(&["case", "default:", "default", "endsw"])?);
                    }
                }
                _ => return Err(Stuck),
            }
        }
        self.at += 1;
        Ok(Node::Compound { span: start..self.behind(), bodies })
    }

    /// Commands joined by `&&` and `||`.
    fn list(&mut self) -> Result<Node, Stuck> {
        let start = self.before();
        let mut operands = vec![self.pipeline()?];
        while matches!(self.kind(), Some(Kind::AndOr)) {
            self.at += 1;
            operands.push(self.pipeline()?);
        }
        match self.kind() {
            None | Some(Kind::Newline | Kind::Semicolon | Kind::Close) => {}
            Some(Kind::Background) => {
                // A job of its own: what it sets, it sets for itself.
                let span = start..self.behind();
                self.raw(&span, Reason::Argument);
                return Ok(Node::Other(span));
            }
            Some(_) => return Err(Stuck),
        }
        if operands.len() == 1 {
            return operands.pop().ok_or(Stuck);
        }
        Ok(Node::List { span: start..self.behind(), operands })
    }

    fn pipeline(&mut self) -> Result<Node, Stuck> {
        let start = self.before();
        let before = self.fixed.len();
        let first = self.command()?;
        if !matches!(self.kind(), Some(Kind::Pipe)) {
            return Ok(first);
        }
        while matches!(self.kind(), Some(Kind::Pipe)) {
            self.at += 1;
            self.command()?;
        }
        let span = start..self.behind();
        self.fixed.truncate(before);
        self.raw(&span, Reason::Argument);
        Ok(Node::Other(span))
    }

    fn raw(&mut self, span: &Span, reason: Reason) {
        heuristics::find_raw(&self.bytes[span.clone()], span.start, reason, None, &mut self.fixed);
    }

    fn command(&mut self) -> Result<Node, Stuck> {
        match self.kind() {
            Some(Kind::Open) => return self.subshell(),
            Some(Kind::Word(_)) => {}
            _ => return Err(Stuck),
        }
        if self.keyword() == b"if" {
            return self.one_line_if();
        }
        let start = self.before();
        let from = self.at;
        let mut plain = true;
        let mut depth = 0usize;
        while let Some(token) = self.tokens.get(self.at) {
            match &token.kind {
                Kind::Word(_) => {}
                Kind::Open => depth += 1,
                Kind::Close if depth > 0 => depth -= 1,
                Kind::Redirect => {
                    let target = self.tokens.get(self.at + 1);
                    let Some(Token { kind: Kind::Word(word), .. }) = target else { return Err(Stuck) };
                    plain &= **word.text == *b"/dev/null";
                    self.at += 1;
                }
                Kind::Newline if depth > 0 => return Err(Stuck),
                // Inside of a list in brackets these have no other meaning that matters here.
                _ if depth > 0 => {}
                _ => break,
            }
            self.at += 1;
        }
        if depth > 0 {
            return Err(Stuck);
        }
        let span = start..self.behind();
        let tokens = &self.tokens[from..self.at];
        let job = matches!(self.kind(), Some(Kind::Background));
        Ok(match self.setting(tokens, &span).filter(|_| plain && !job) {
            Some(setting) => {
                for token in tokens {
                    if let Kind::Word(word) = &token.kind {
                        let name = setting.words.first().map(|word| Named {
                            name: &word.name,
                            at: word.name_span.start,
                            direct: false,
                        });
                        self.commands(word, name);
                    }
                }
                if tokens.iter().any(|token| matches!(token.kind, Kind::Open)) {
                    self.elements(tokens, &setting);
                }
                Node::Setting(setting)
            }
            None => {
                self.words(tokens);
                Node::Other(span)
            }
        })
    }

    /// The literals of `set A = ( ... )`.
    fn elements(&mut self, tokens: &[Token], setting: &Setting) {
        for token in tokens {
            let owner = setting.words.iter().find(|word| word.span.contains(&token.span.start));
            if let (Kind::Word(text), Some(owner)) = (&token.kind, owner)
                && matches!(owner.value, Value::Dynamic)
                && token.span.start > owner.name_span.start
            {
                self.literal(
                    text,
                    Reason::Array,
                    Some(Named { name: &owner.name, at: owner.name_span.start, direct: true }),
                );
            }
        }
    }

    fn one_line_if(&mut self) -> Result<Node, Stuck> {
        let start = self.before();
        self.at += 1;
        while self.keyword() == b"!" {
            self.at += 1;
        }
        let from = self.before();
        if !matches!(self.kind(), Some(Kind::Open)) {
            return Err(Stuck);
        }
        let mut depth = 0usize;
        loop {
            match self.kind() {
                Some(Kind::Open) => depth += 1,
                Some(Kind::Close) => depth -= 1,
                Some(Kind::Word(word)) => self.literal(word, Reason::Argument, None),
                None | Some(Kind::Newline) => return Err(Stuck),
                Some(_) => {}
            }
            self.at += 1;
            if depth == 0 {
                break;
            }
        }
        let condition = from..self.behind();
        if self.depth >= DEEPEST {
            return Err(Stuck);
        }
        self.depth += 1;
        let command = self.command()?;
        self.depth -= 1;
        Ok(Node::List { span: start..self.behind(), operands: vec![Node::Other(condition), command] })
    }

    fn subshell(&mut self) -> Result<Node, Stuck> {
        if self.depth >= DEEPEST {
            return Err(Stuck);
        }
        self.depth += 1;
        let start = self.before();
        let first = self.at;
        self.at += 1;
        let inside = self.behind();
        let mut nodes = Vec::new();
        loop {
            self.skip_separators();
            match self.kind() {
                None => return Err(Stuck),
                Some(Kind::Close) => break,
                Some(_) => nodes.push(self.statement()?),
            }
        }
        let scope = if runs_program(&self.tokens[first..self.at]) { Scope::Launcher } else { Scope::Function };
        let body = Body { span: inside..self.before(), nodes, scope };
        self.at += 1;
        while matches!(self.kind(), Some(Kind::Redirect | Kind::Word(_))) {
            self.at += 1;
        }
        self.depth -= 1;
        Ok(Node::Compound { span: start..self.behind(), bodies: vec![body] })
    }

    fn setting(&self, tokens: &[Token], span: &Span) -> Option<Setting> {
        let Kind::Word(name) = &tokens.first()?.kind else { return None };
        // The words without redirections.
        let mut skip = false;
        let tokens: Vec<&Token> = tokens[1..]
            .iter()
            .filter(|token| {
                let redirect = matches!(token.kind, Kind::Redirect);
                !std::mem::replace(&mut skip, redirect) && !redirect
            })
            .collect();
        let (form, words) = match (name.literal, name.text.as_slice()) {
            (true, b"setenv") => (Form::Setenv, self.setenv(&tokens)?),
            (true, b"set") => (Form::Set, self.set(&tokens)?),
            _ => return None,
        };
        Some(Setting { span: span.clone(), form, words, keeps: false })
    }

    fn setenv(&self, tokens: &[&Token]) -> Option<Vec<Word>> {
        let (name, value) = match tokens {
            [name] => (name, None),
            [name, value] => (name, Some(value)),
            _ => return None,
        };
        let Kind::Word(text) = &name.kind else { return None };
        let text = text.literal.then(|| heuristics::identifier(&text.text)).flatten()?.to_owned();
        let value_of = |value: &&Token| self.value(value, 0);
        let end = value.map_or(name.span.end, |value| value.span.end);
        let value = value.map_or_else(|| Value::Literal(Zeroizing::default(), end..end), value_of);
        Some(vec![Word { span: name.span.start..end, name_span: name.span.clone(), name: text, value }])
    }

    /// `set A=k B = j C = ( list ) D`.
    fn set(&self, tokens: &[&Token]) -> Option<Vec<Word>> {
        let mut words = Vec::new();
        let mut rest = tokens;
        while let [Token { kind: Kind::Word(flag), .. }, more @ ..] = rest {
            if !matches!(flag.text.as_slice(), b"-r" | b"-f" | b"-l") {
                break;
            }
            rest = more;
        }
        while let [first, more @ ..] = rest {
            let Kind::Word(word) = &first.kind else { return None };
            let equals = word.text.iter().position(|byte| *byte == b'=');
            let name = heuristics::identifier(&word.text[..equals.unwrap_or(word.text.len())])?.to_owned();
            let name_end = equals.and_then(|at| word.from.get(at).copied()).unwrap_or(first.span.end);
            let name_span = first.span.start..name_end;
            let is_list = |token: Option<&&Token>| matches!(token, Some(Token { kind: Kind::Open, .. }));
            let (value, end, after) = match equals {
                Some(at) if at + 1 == word.text.len() && first.span.end == name_end + 1 => {
                    // `A=(...)` has no blank between; after one, the next word is a name of its own.
                    match more.first() {
                        open if is_list(open) && open.is_some_and(|open| open.span.start == first.span.end) => {
                            list_end(more)?
                        }
                        _ => {
                            (Value::Literal(Zeroizing::default(), first.span.end..first.span.end), first.span.end, more)
                        }
                    }
                }
                Some(at) => (self.value(first, at + 1), first.span.end, more),
                None => match more {
                    [Token { kind: Kind::Word(sign), .. }, more @ ..] if **sign.text == *b"=" && !sign.quoted => {
                        match more {
                            [] => return None,
                            more if is_list(more.first()) => list_end(more)?,
                            [value, more @ ..] => (self.value(value, 0), value.span.end, more),
                        }
                    }
                    _ => (Value::Literal(Zeroizing::default(), first.span.end..first.span.end), first.span.end, more),
                },
            };
            words.push(Word { span: first.span.start..end, name_span, name, value });
            rest = after;
        }
        (!words.is_empty()).then_some(words)
    }

    /// What a word says from its `skip`th byte on.
    fn value(&self, token: &Token, skip: usize) -> Value {
        let Kind::Word(word) = &token.kind else { return Value::Dynamic };
        let start =
            if skip == 0 { token.span.start } else { word.from.get(skip - 1).map_or(token.span.start, |at| at + 1) };
        let raw = &self.bytes[start..token.span.end];
        if word.literal {
            return Value::Literal(Zeroizing::new(word.text[skip..].to_vec()), start..token.span.end);
        }
        let bare = raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\"")).unwrap_or(raw);
        let Some(name) = bare.strip_prefix(b"$") else { return Value::Dynamic };
        let name = name.strip_prefix(b"{").and_then(|name| name.strip_suffix(b"}")).unwrap_or(name);
        // `:q` only keeps the value whole.
        let name = name.strip_suffix(b":q").unwrap_or(name);
        heuristics::identifier(name).map_or(Value::Dynamic, |name| Value::Copy(name.to_owned()))
    }

    /// Reports the literals of a command that is left alone.
    fn words(&mut self, tokens: &[Token]) {
        let mut words = tokens.iter().filter_map(|token| match &token.kind {
            Kind::Word(word) => Some((word, token)),
            _ => None,
        });
        let Some((first, _)) = words.next() else { return };
        let (reason, inline) = match first.text.as_slice() {
            b"alias" => (Reason::Alias, false),
            b"env" | b"/usr/bin/env" => (Reason::InlinePrefix, true),
            b"eval" => (Reason::Substitution, false),
            b"set" => (Reason::Array, false),
            _ => (Reason::Argument, false),
        };
        let rest: Vec<_> = words.collect();
        let known = match (first.text.as_slice(), rest.first()) {
            (b"set" | b"setenv", Some((name, token))) => {
                let end = name.text.iter().position(|byte| matches!(byte, b'[' | b'=')).unwrap_or(name.text.len());
                heuristics::identifier(&name.text[..end]).map(|name| Named { name, at: token.span.start, direct: true })
            }
            _ => None,
        };
        self.literal(first, reason, None);
        for (word, _) in rest {
            let equals = word.text.iter().position(|byte| *byte == b'=').filter(|_| inline && word.literal);
            match equals.and_then(|at| Some((heuristics::identifier(&word.text[..at])?, at))) {
                Some((name, at)) => self.fixed.push(Fixed {
                    name: Some(name.to_owned()),
                    at: word.from[0],
                    value: Zeroizing::new(word.text[at + 1..].to_vec()),
                    reason: Reason::InlinePrefix,
                }),
                None => self.literal(word, reason, known),
            }
        }
    }

    fn literal(&mut self, word: &Decoded, reason: Reason, known: Option<Named<'_>>) {
        let at = |offset: usize| word.from.get(offset).copied().unwrap_or(0);
        heuristics::find(&word.text, at, reason, known, &mut self.fixed);
        self.commands(word, known);
    }

    fn commands(&mut self, word: &Decoded, known: Option<Named<'_>>) {
        let known = known.map(|known| Named { direct: false, ..known });
        for span in &word.commands {
            heuristics::find_raw(&self.bytes[span.clone()], span.start, Reason::Substitution, known, &mut self.fixed);
        }
    }
}

/// A list in brackets: more than one value, so no key.
fn list_end<'a, 't>(tokens: &'a [&'t Token]) -> Option<(Value, usize, &'a [&'t Token])> {
    let close = tokens.iter().position(|token| matches!(token.kind, Kind::Close))?;
    Some((Value::Dynamic, tokens[close].span.end, &tokens[close + 1..]))
}

/// Whether a subshell's commands are more than the corpus' harmless ones.
fn runs_program(tokens: &[Token]) -> bool {
    let mut command = true;
    let mut condition = 0usize;
    let mut tokens = tokens.iter().peekable();
    while let Some(token) = tokens.next() {
        match &token.kind {
            Kind::Word(word) if !word.commands.is_empty() => return true,
            Kind::Word(_) if condition > 0 => {}
            Kind::Word(word) if command => {
                let name = word.text.as_slice();
                if name == b"if" || name == b"while" || name == b"foreach" || name == b"switch" {
                    // The brackets that follow hold a condition, no commands.
                    for token in tokens.by_ref() {
                        match token.kind {
                            Kind::Open => condition += 1,
                            Kind::Close => condition -= 1,
                            _ => continue,
                        }
                        if condition == 0 {
                            break;
                        }
                    }
                    continue;
                }
                let keyword = [&b"then"[..], b"else", b"endif", b"end", b"endsw"].contains(&name);
                let harmless = word.literal && HARMLESS.iter().any(|known| known.as_bytes() == name);
                if !keyword && !harmless {
                    return true;
                }
                // `set A = ( ... )`: brackets of a list.
                let lists = matches!(name, b"set" | b"@");
                while lists
                    && !tokens
                        .peek()
                        .is_none_or(|token| matches!(token.kind, Kind::Newline | Kind::Semicolon | Kind::AndOr))
                {
                    let token = tokens.next();
                    if matches!(token, Some(Token { kind: Kind::Word(word), .. }) if !word.commands.is_empty()) {
                        return true;
                    }
                }
                command = keyword;
            }
            Kind::Word(_) => {}
            _ => command = true,
        }
    }
    false
}
