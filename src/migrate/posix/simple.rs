//! Simple commands: which are settings, and where the others hold keys.

use super::word::{Part, Word, element, identifier, is_name};
use super::{HereDocument, Reader, Result, Unreadable};
use crate::migrate::model::{Fixed, Form, Node, Reason, Setting, Span, Value, Word as Name};
use zeroize::Zeroizing;

/// A simple command's words before anybody knows what it is.
#[derive(Default)]
struct Simple {
    assigned: Vec<Word>,
    words: Vec<Word>,
    // Redirections of output to nowhere or elsewhere already open leave a setting a setting; others do something.
    redirected: bool,
    end: usize,
}

const DECLARING: &[(&[u8], Form)] = &[
    (b"export", Form::Export),
    (b"declare", Form::Declare),
    (b"typeset", Form::Typeset),
    (b"readonly", Form::Readonly),
    (b"local", Form::Local),
    (b"private", Form::Local),
    (b"integer", Form::Typeset),
    (b"float", Form::Typeset),
];

// What a function may run and still only set: see the launcher's rule.
const SILENT: &[&[u8]] = &[b"unset", b"test", b"[", b":", b"true", b"false", b"echo", b"printf", b"return"];

impl Reader<'_> {
    pub(super) fn redirection(&mut self) -> Result<bool> {
        let save = self.at;
        // `2>`, `{fd}>`
        match self.peek() {
            Some(b'0'..=b'9') => self.at += self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count(),
            Some(b'{') => {
                let size = self.rest()[1..].iter().take_while(|byte| is_name(**byte)).count();
                if size > 0 && self.peek_at(size + 1) == Some(b'}') {
                    self.at += size + 2;
                }
            }
            _ => {}
        }
        let rest = self.rest();
        let size = match rest {
            [b'<' | b'>', b'(', ..] => 0,
            [b'<', ..] if self.zsh && self.at == save && self.is_number_range() => 0,
            [b'<', b'<', b'<', ..] | [b'<', b'<', b'-', ..] => 3,
            [b'&', b'>', b'>', ..] if self.at == save => 3,
            [b'<', b'<' | b'&' | b'>', ..] | [b'>', b'>' | b'&' | b'|', ..] => 2,
            [b'&', b'>', ..] if self.at == save => 2,
            [b'>', b'!', ..] if self.zsh => 2,
            [b'<' | b'>', ..] => 1,
            _ => 0,
        };
        if size == 0 {
            self.at = save;
            return Ok(false);
        }
        let operator = &rest[..size];
        self.at += size;
        if self.zsh && operator.ends_with(b">") {
            let _ = self.takes(b"|") || self.takes(b"!");
        }
        self.blanks();
        let word = self.word(true)?;
        if word.span.is_empty() {
            return Err(Unreadable);
        }
        if operator.starts_with(b"<<<") {
            self.look_into(&word, Reason::HereString);
            self.passes(&word);
        } else if operator.starts_with(b"<<") {
            // The delimiter counts as written, without its quotes.
            let mut end = Vec::new();
            let written = &self.bytes[word.span];
            for &byte in written {
                if !matches!(byte, b'\'' | b'"' | b'\\') {
                    end.push(byte);
                }
            }
            let joins = end.len() == written.len();
            self.pending.push(HereDocument { end, tabs: operator.ends_with(b"-"), joins });
        }
        Ok(true)
    }

    pub(super) fn is_number_range(&self) -> bool {
        let rest = self.rest();
        let size = rest[1..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
        rest.get(size + 1) == Some(&b'>') && rest[1..=size].contains(&b'-')
    }

    pub(super) fn simple(&mut self) -> Result<Node> {
        let start = self.at;
        let programs = self.programs;
        let mut simple = Simple { end: start, ..Simple::default() };
        loop {
            self.blanks();
            let from = self.at;
            if self.redirection()? {
                simple.redirected |= !self.is_harmless(from..self.at);
                simple.end = self.at;
                continue;
            }
            match self.peek() {
                None | Some(b'\n' | b';' | b'&' | b'|' | b')' | b'#') => break,
                Some(b'(') if self.is_function(&simple) => {
                    self.empty_parentheses();
                    let bodies = self.body_of_function(true)?;
                    self.redirections()?;
                    return Ok(Node::Compound { span: start..self.at, bodies });
                }
                _ if self.zsh && self.token() == b"}" => break,
                _ => {}
            }
            let word = self.word(!simple.words.is_empty())?;
            if word.span.is_empty() {
                return Err(Unreadable);
            }
            simple.end = self.at;
            if simple.words.is_empty() && word.assigned().is_some() && self.is_bare_name(&word) {
                simple.assigned.push(word);
            } else {
                simple.words.push(word);
            }
        }
        if simple.end == start {
            return Err(Unreadable);
        }
        self.at = simple.end;
        if let [first, ..] = simple.words.as_slice()
            && matches!(first.literal(), Some(b"test" | b"["))
        {
            self.programs = programs;
        }
        Ok(self.classify(start, simple))
    }

    fn is_function(&self, simple: &Simple) -> bool {
        let mut ahead = Reader::new(self.bytes, self.zsh);
        ahead.at = self.at;
        let named = simple.words.len() == 1 || self.zsh && !simple.words.is_empty();
        named && simple.assigned.is_empty() && ahead.empty_parentheses()
    }

    // A quoted name assigns nothing unless a declaring command reads it.
    fn is_bare_name(&self, word: &Word) -> bool {
        let mut at = word.span.start;
        while let Some(byte) = self.bytes.get(at) {
            match byte {
                b'=' | b'+' | b'[' => return at > word.span.start,
                b'\\' if matches!(self.bytes.get(at + 1), Some(b'\n' | b'\r')) => at += 1,
                b'\n' | b'\r' => {}
                byte if is_name(*byte) => {}
                _ => return false,
            }
            at += 1;
        }
        false
    }

    fn is_harmless(&self, span: Span) -> bool {
        let text = &self.bytes[span];
        let operator = text.iter().position(|byte| matches!(byte, b'<' | b'>')).unwrap_or(0);
        let target = text[operator..].trim_ascii_start();
        let target =
            &target[target.iter().take_while(|byte| matches!(byte, b'<' | b'>' | b'&' | b'|' | b'!')).count()..];
        let target = target.trim_ascii();
        target == b"/dev/null"
            || text.contains(&b'&') && target.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-')
    }

    fn classify(&mut self, start: usize, simple: Simple) -> Node {
        let span = start..simple.end;
        let Simple { assigned, words, redirected, .. } = simple;
        if words.is_empty() && !assigned.is_empty() && !redirected {
            let words = assigned.iter().filter_map(|word| self.name(word)).collect();
            return Node::Setting(Setting { span, form: Form::Assign, words });
        }
        let command = words.iter().position(|word| {
            !matches!(word.literal(), Some(b"builtin" | b"command" | b"noglob" | b"nocorrect" | b"-"))
        });
        let first = command.and_then(|at| words[at].literal().map(<[u8]>::to_vec)).unwrap_or_default();
        let declaring = DECLARING.iter().find(|(name, _)| *name == first).map(|(_, form)| *form);
        // Only real programs count; `local x=$(program)` has counted its own already.
        if !words.is_empty() && declaring.is_none() && !SILENT.contains(&first.as_slice()) {
            self.programs += 1;
        }
        if assigned.is_empty() && !redirected {
            let at = command.unwrap_or(0);
            let setting = match (declaring, first.as_slice()) {
                (Some(form), _) => self.declared(&span, form, &words[at + 1..]),
                (None, b":" | b"true") if at == 0 => self.defaulted(&span, &words[1..]),
                (None, b"launchctl" | b"/bin/launchctl")
                    if words.len() == at + 4 && words[at + 1].literal() == Some(b"setenv") =>
                {
                    self.programs -= 1;
                    self.pair(&span, Form::Launchctl, &words[at + 2], &words[at + 3])
                }
                (None, b"setx" | b"setx.exe") if at == 0 && matches!(words.len(), 3 | 4) => {
                    let plain = words.get(3).is_none_or(|word| matches!(word.literal(), Some(b"/m" | b"/M" | b"-m")));
                    plain.then(|| self.pair(&span, Form::Setx, &words[1], &words[2])).flatten()
                }
                _ => None,
            };
            if let Some(setting) = setting {
                return Node::Setting(setting);
            }
        }
        for word in &assigned {
            if let Some(Name {
                name, name_span, value: Value::Literal(value, _) | Value::Default(_, value, _), ..
            }) = self.name(word)
            {
                self.fixed.push(Fixed { name: Some(name), at: name_span.start, value, reason: Reason::InlinePrefix });
            }
        }
        let reason = match first.as_slice() {
            b"alias" | b"abbr" => Reason::Alias,
            b"eval" => Reason::Eval,
            b"env" => Reason::InlinePrefix,
            _ if declaring.is_some() => Reason::Unparsed,
            _ => Reason::Argument,
        };
        for word in &words {
            self.look_into(word, reason);
        }
        match first.as_slice() {
            b"echo" | b"printf" | b"print" => words.iter().for_each(|word| self.passes(word)),
            b"read" => {
                for word in &words {
                    if let Some(name) = word.literal().and_then(identifier) {
                        self.report_passed(&span, &name, word.span.start, Reason::HereString);
                    }
                }
            }
            _ => {}
        }
        Node::Other(span)
    }

    // `NAME=value`, and the places of an array's or an appended value's keys.
    fn name(&mut self, word: &Word) -> Option<Name> {
        let (name, skip, append) = word.assigned()?;
        let span = word.span.clone();
        let name_span = self.name_span(&span, name.len());
        if append {
            self.look_into(word, Reason::Append);
            // Even where this piece looks like nothing: what it is added to is no whole key.
            let value = Zeroizing::new(Vec::new());
            self.fixed.push(Fixed { name: Some(name.clone()), at: name_span.start, value, reason: Reason::Append });
            return Some(Name { span, name_span, name, value: Value::Dynamic });
        }
        if word.array {
            self.report(span.clone(), Reason::Array);
            if let Some((name, value)) = word.literal().and_then(element) {
                let value = Zeroizing::new(value.to_vec());
                self.fixed.push(Fixed { name: Some(name), at: name_span.start, value, reason: Reason::Array });
            }
        } else if word.parts.iter().any(|part| matches!(part, Part::Default { name: other, .. } if *other != name)) {
            self.report(span.clone(), Reason::DefaultOfOther);
        }
        let value_span = self.value_span(&span);
        let value = word.value(skip, value_span);
        if matches!(value, Value::Dynamic) && !word.array {
            self.report_passed(&span, &name, name_span.start, Reason::Substitution);
        }
        Some(Name { span, name_span, name, value })
    }

    fn name_span(&self, span: &Span, size: usize) -> Span {
        let quotes = self.bytes[span.clone()].iter().take_while(|byte| !is_name(**byte)).count();
        let start = span.start + quotes;
        start..(start + size).min(span.end)
    }

    fn value_span(&self, span: &Span) -> Span {
        let sign = self.bytes[span.clone()].iter().position(|byte| *byte == b'=');
        sign.map_or(span.end, |sign| span.start + sign + 1)..span.end
    }

    fn declared(&mut self, span: &Span, form: Form, words: &[Word]) -> Option<Setting> {
        let mut names = Vec::new();
        let (mut options, mut acts) = (true, false);
        for word in words {
            let text = match word.parts.first() {
                Some(Part::Literal(bytes)) => bytes.as_slice(),
                _ => b"",
            };
            match text {
                b"--" => options = false,
                // Printing, functions, arrays, and what changes a value: numbers, letters' case, padding.
                [b'-' | b'+', letters @ ..] if options => {
                    acts |= letters.iter().any(|letter| b"fFTmaAilucELRZ".contains(letter))
                        || letters.contains(&b'p') && form != Form::Export;
                }
                _ => match self.name(word) {
                    Some(name) => names.push(name),
                    None => match word.literal().and_then(identifier) {
                        Some(name) => {
                            let name_span = self.name_span(&word.span, name.len());
                            names.push(Name { span: word.span.clone(), name_span, name, value: Value::Bare });
                        }
                        // `export $(...)`, `export $names`: the rest can go on without the key.
                        None if word.literal().is_none() => names.push(unnamed(word)),
                        None => return None,
                    },
                },
            }
        }
        (!acts && names.iter().any(|name| !name.name.is_empty())).then(|| Setting {
            span: span.clone(),
            form,
            words: names,
        })
    }

    // `: "${A:=key}"`, perhaps among other words that can go on without it.
    fn defaulted(&mut self, span: &Span, words: &[Word]) -> Option<Setting> {
        let mut names = Vec::new();
        for word in words {
            let mut parts = word.parts.iter().filter(|part| !matches!(part, Part::Literal(bytes) if bytes.is_empty()));
            names.push(match (parts.next(), parts.next()) {
                (Some(Part::Default { name, name_span, sets: true, literal, span }), None) => {
                    let value = Value::Default(name.clone(), Zeroizing::new(literal.to_vec()), span.clone());
                    Name { span: word.span.clone(), name_span: name_span.clone(), name: name.clone(), value }
                }
                _ => unnamed(word),
            });
        }
        let sets = names.iter().any(|name| !name.name.is_empty());
        sets.then(|| Setting { span: span.clone(), form: Form::Assign, words: names })
    }

    // A command that takes the name and the value as two words.
    fn pair(&mut self, span: &Span, form: Form, name: &Word, value: &Word) -> Option<Setting> {
        let text = identifier(name.literal()?)?;
        let name_span = self.name_span(&name.span, text.len());
        let whole = name.span.start..span.end;
        let value = match value.parts.as_slice() {
            [] => Value::Literal(Zeroizing::new(Vec::new()), value.span.clone()),
            [Part::Literal(bytes)] => Value::Literal(Zeroizing::new(bytes.to_vec()), value.span.clone()),
            [Part::Variable(other)] => Value::Copy(other.clone()),
            [Part::Literal(empty), Part::Variable(other)] if empty.is_empty() => Value::Copy(other.clone()),
            _ => Value::Dynamic,
        };
        let words = vec![Name { span: whole, name_span, name: text, value }];
        Some(Setting { span: span.clone(), form, words })
    }
}

// A word that sets nothing that could be told.
fn unnamed(word: &Word) -> Name {
    let at = word.span.start;
    Name { span: word.span.clone(), name_span: at..at, name: String::new(), value: Value::Dynamic }
}
