//! Constructs with bodies: conditions, loops, cases, groups, subshells and functions.

use super::word::{identifier, is_name};
use super::{Reader, Result, Unreadable};
use crate::migrate::model::{Body, Node, Reason, Scope};

impl Reader<'_> {
    pub(super) fn command(&mut self) -> Result<Node> {
        self.nested(Self::command_inner)
    }

    fn command_inner(&mut self) -> Result<Node> {
        self.blanks();
        let start = self.at;
        let bodies = match self.token() {
            b"if" => self.conditional()?,
            b"while" | b"until" => self.repetition()?,
            b"for" | b"select" => self.iteration()?,
            b"foreach" | b"repeat" if self.zsh => self.iteration()?,
            b"case" => self.case()?,
            b"{" => self.group(Scope::Plain)?,
            // zsh's brace needs no blank; `{fd}>` is a redirection.
            token if self.zsh && token.starts_with(b"{") && !self.is_brace_expansion() => self.group(Scope::Plain)?,
            b"[[" => {
                self.test()?;
                vec![]
            }
            b"function" => self.function()?,
            b"coproc" => {
                self.at += b"coproc".len();
                self.blanks();
                let save = self.at;
                // A name may come first: `coproc NAME { ...; }`.
                let named = identifier(self.token()).is_some() && {
                    self.at += self.token().len();
                    self.blanks();
                    matches!(self.token(), b"{") || self.peek() == Some(b'(')
                };
                if !named {
                    self.at = save;
                }
                let node = self.command()?;
                let span = node.span().clone();
                self.settle(vec![node], Reason::Background);
                return Ok(Node::Other(start..span.end));
            }
            b"" if self.peek() == Some(b'(') => {
                if self.peek_at(1) == Some(b'(') && self.arithmetic(self.at + 2) {
                    vec![]
                } else if self.zsh && self.empty_parentheses() {
                    self.anonymous()?
                } else {
                    self.subshell()?
                }
            }
            _ => return self.simple(),
        };
        self.redirections()?;
        Ok(Node::Compound { span: start..self.at, bodies })
    }

    /// What may stand behind a compound command or a function's body.
    pub(super) fn redirections(&mut self) -> Result<()> {
        loop {
            let end = self.at;
            self.blanks();
            if !self.redirection()? {
                self.at = end;
                return Ok(());
            }
        }
    }

    fn body(&mut self, scope: Scope, condition: bool) -> Result<Body> {
        let start = self.at;
        let nodes = self.list(condition)?;
        let scope = if condition { Scope::Condition } else { scope };
        Ok(Body { span: start..self.at, nodes, scope })
    }

    // What zsh also takes for a body: `{ ... }`, or one statement.
    fn short_body(&mut self) -> Result<Body> {
        self.blanks();
        if !self.zsh {
            return Err(Unreadable);
        }
        if self.takes_word(b"{") {
            let body = self.body(Scope::Plain, false)?;
            self.expect_word(b"}")?;
            return Ok(body);
        }
        let start = self.at;
        let node = self.and_or()?;
        Ok(Body { span: start..self.at, nodes: vec![node], scope: Scope::Plain })
    }

    fn conditional(&mut self) -> Result<Vec<Body>> {
        let mut bodies = Vec::new();
        self.at += b"if".len();
        loop {
            bodies.push(self.body(Scope::Plain, true)?);
            self.blanks();
            if self.takes_word(b"then") {
                bodies.push(self.body(Scope::Plain, false)?);
                self.blanks();
                if self.takes_word(b"elif") {
                    continue;
                }
                if self.takes_word(b"else") {
                    bodies.push(self.body(Scope::Plain, false)?);
                }
                self.expect_word(b"fi")?;
                return Ok(bodies);
            }
            bodies.push(self.short_body()?);
            self.blanks();
            if self.takes_word(b"elif") {
                continue;
            }
            if self.takes_word(b"else") {
                bodies.push(self.short_body()?);
            }
            return Ok(bodies);
        }
    }

    fn repetition(&mut self) -> Result<Vec<Body>> {
        self.at += self.token().len();
        let condition = self.body(Scope::Plain, true)?;
        Ok(vec![condition, self.looped()?])
    }

    fn looped(&mut self) -> Result<Body> {
        self.blanks();
        if !self.takes_word(b"do") {
            return self.short_body();
        }
        let body = self.body(Scope::Plain, false)?;
        self.expect_word(b"done")?;
        Ok(body)
    }

    fn iteration(&mut self) -> Result<Vec<Body>> {
        let foreach = self.token() == b"foreach";
        let repeat = self.token() == b"repeat";
        self.at += self.token().len();
        self.blanks();
        if repeat {
            self.word(false)?;
        } else if self.rest().starts_with(b"((") {
            if !self.arithmetic(self.at + 2) {
                return Err(Unreadable);
            }
        } else {
            // One name, in zsh perhaps several.
            let mut names = 0;
            while is_name(self.peek().unwrap_or(b' ')) && !(names > 0 && matches!(self.token(), b"in" | b"do")) {
                self.at += self.token().len();
                names += 1;
                self.blanks();
                if !self.zsh {
                    break;
                }
            }
            if self.zsh && self.peek() == Some(b'(') {
                self.at += 1;
                loop {
                    self.newlines()?;
                    if self.takes(b")") {
                        break;
                    }
                    if self.word(true)?.span.is_empty() {
                        return Err(Unreadable);
                    }
                }
            } else {
                self.newlines()?;
                if self.takes_word(b"in") {
                    self.arguments()?;
                }
            }
        }
        self.newlines()?;
        if self.peek() == Some(b';') && !self.at_arm_end() {
            self.at += 1;
        }
        self.newlines()?;
        if foreach && self.token() != b"do" && self.token() != b"{" {
            let body = self.body(Scope::Plain, false)?;
            self.expect_word(b"end")?;
            return Ok(vec![body]);
        }
        // bash, too, takes braces here, though its manual is silent about it.
        if !self.zsh && self.takes_word(b"{") {
            let body = self.body(Scope::Plain, false)?;
            self.expect_word(b"}")?;
            return Ok(vec![body]);
        }
        Ok(vec![self.looped()?])
    }

    // Words up to the end of a command, of no further interest.
    fn arguments(&mut self) -> Result<()> {
        loop {
            self.blanks();
            if self.redirection()? {
                continue;
            }
            match self.peek() {
                None | Some(b'\n' | b';' | b'&' | b'|' | b')' | b'#') => return Ok(()),
                _ if self.zsh && matches!(self.token(), b"{" | b"}") => return Ok(()),
                _ => {
                    let word = self.word(true)?;
                    if word.span.is_empty() {
                        return Err(Unreadable);
                    }
                    self.look_into(&word, Reason::Argument);
                }
            }
        }
    }

    fn case(&mut self) -> Result<Vec<Body>> {
        self.at += b"case".len();
        self.blanks();
        self.word(true)?;
        self.blanks();
        if self.zsh && self.peek() == Some(b';') {
            self.at += 1;
        }
        self.newlines()?;
        let closing: &[u8] = if self.zsh && self.takes_word(b"{") {
            b"}"
        } else {
            self.expect_word(b"in")?;
            self.blanks();
            if self.zsh && self.peek() == Some(b';') {
                self.at += 1;
            }
            b"esac"
        };
        let mut bodies = Vec::new();
        loop {
            self.newlines()?;
            if self.takes_word(closing) {
                return Ok(bodies);
            }
            self.pattern()?;
            bodies.push(self.body(Scope::Plain, false)?);
            self.blanks();
            let _ = self.takes(b";;&") || self.takes(b";;") || self.takes(b";&") || self.takes(b";|");
        }
    }

    // A case arm's patterns and the `)` behind them.
    fn pattern(&mut self) -> Result<()> {
        if self.peek() == Some(b'(') {
            self.parenthesis()?;
            let end = self.at;
            let glued = self.peek().is_some_and(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b';'));
            self.blanks();
            // In `(a|b)*)` the parentheses belong to zsh's pattern, in `(a|b) ...` to the arm.
            if !(self.zsh && (glued || matches!(self.peek(), Some(b'|' | b')')))) {
                self.at = end;
                return Ok(());
            }
        }
        loop {
            self.blanks();
            match self.peek() {
                None | Some(b'\n' | b';' | b'&') => return Err(Unreadable),
                Some(b')') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'|' | b'<' | b'>') => self.at += 1,
                Some(b'(') => self.parenthesis()?,
                _ => {
                    if self.word(true)?.span.is_empty() {
                        return Err(Unreadable);
                    }
                }
            }
        }
    }

    // `{a,b}` and `{fd}>`: braces that close within their word.
    fn is_brace_expansion(&self) -> bool {
        let token = self.token();
        token.iter().position(|byte| *byte == b'}').is_some_and(|close| {
            token[..close].contains(&b',') || self.peek_at(close + 1).is_some_and(|byte| matches!(byte, b'<' | b'>'))
        })
    }

    fn group(&mut self, scope: Scope) -> Result<Vec<Body>> {
        self.at += 1;
        let mut bodies = vec![self.body(scope, false)?];
        self.expect_word(b"}")?;
        let end = self.at;
        self.blanks();
        if self.zsh && self.takes_word(b"always") {
            self.expect_word(b"{")?;
            bodies.push(self.body(scope, false)?);
            self.expect_word(b"}")?;
        } else {
            self.at = end;
        }
        Ok(bodies)
    }

    fn subshell(&mut self) -> Result<Vec<Body>> {
        let before = self.programs;
        self.at += 1;
        let mut body = self.body(Scope::Function, false)?;
        self.expect(b")")?;
        if self.programs > before {
            body.scope = Scope::Launcher;
        }
        Ok(vec![body])
    }

    fn test(&mut self) -> Result<()> {
        let programs = self.programs;
        self.at += 2;
        let mut parts = 0usize;
        loop {
            self.newlines()?;
            match self.peek().ok_or(Unreadable)? {
                b']' if parts > 0 && self.token().starts_with(b"]]") && self.token().len() == 2 => {
                    self.at += 2;
                    self.programs = programs;
                    return Ok(());
                }
                b'(' if !self.zsh => self.parenthesis()?,
                b')' | b';' | b'&' | b'|' | b'>' => self.at += 1,
                b'<' if !(self.zsh && self.is_number_range()) => self.at += 1,
                _ => {
                    let word = self.word(true)?;
                    if word.span.is_empty() {
                        self.at += 1;
                    }
                    self.look_into(&word, Reason::Argument);
                }
            }
            // No comment begins right behind a pattern's parenthesis.
            if self.peek() == Some(b'#') {
                self.at += 1;
            }
            parts += 1;
        }
    }

    pub(super) fn empty_parentheses(&mut self) -> bool {
        let save = self.at;
        if self.takes(b"(") {
            self.blanks();
            if self.takes(b")") {
                return true;
            }
        }
        self.at = save;
        false
    }

    fn function(&mut self) -> Result<Vec<Body>> {
        self.at += b"function".len();
        self.blanks();
        // zsh: any number of names, none included.
        let mut named = false;
        while !matches!(self.peek(), None | Some(b'\n' | b'(' | b';')) && self.token() != b"{" {
            if self.word(false)?.span.is_empty() {
                return Err(Unreadable);
            }
            named = true;
            self.blanks();
            if !self.zsh {
                break;
            }
        }
        self.empty_parentheses();
        if self.zsh && !named { self.anonymous() } else { self.body_of_function(true) }
    }

    // Runs where it stands; its arguments are ordinary words.
    fn anonymous(&mut self) -> Result<Vec<Body>> {
        let bodies = self.body_of_function(false)?;
        self.arguments()?;
        Ok(bodies)
    }

    // A function that is only defined runs nothing; an anonymous one does.
    pub(super) fn body_of_function(&mut self, defined: bool) -> Result<Vec<Body>> {
        let before = std::mem::take(&mut self.programs);
        self.newlines()?;
        let start = self.at;
        let mut bodies = match self.token() {
            b"{" => self.group(Scope::Function)?,
            token if self.zsh && token.starts_with(b"{") => self.group(Scope::Function)?,
            b"" if self.peek() == Some(b'(') && self.peek_at(1) != Some(b'(') => self.subshell()?,
            _ => {
                let node = self.command()?;
                vec![Body { span: start..self.at, nodes: vec![node], scope: Scope::Function }]
            }
        };
        if self.programs > 0 {
            bodies.iter_mut().for_each(|body| body.scope = Scope::Launcher);
        }
        self.programs = if defined { before } else { before + self.programs };
        Ok(bodies)
    }
}
