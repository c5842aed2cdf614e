//! Simple commands: which of them only set variables, and why the keys in the others stay.

use super::word::{Word, text};
use super::{ROOM, Reader, Result, Unreadable};
use crate::migrate::heuristics::Named;
use crate::migrate::model::{Form, Node, Reason, Scope, Span, Value, Word as Name};
use zeroize::Zeroizing;

/// What a setter's words come to.
pub(super) enum Seen {
    /// They set these names.
    Setting(Form, Vec<Name>),
    /// They set these names, and nothing can be cut out of them.
    Unclear(Form, Vec<Name>),
    /// Nothing can be cut out of them: the name whose values they are and where it stands, and a reason of its own.
    Kept(Option<(String, usize)>, Option<Reason>),
    /// Nothing can be cut out of them, and what they hold has been reported.
    Reported,
}

impl<'a> Reader<'a> {
    /// A command without a construct's word at its beginning.
    pub(super) fn simple(&mut self) -> Result<Node> {
        let outer = (std::mem::take(&mut self.bodies), self.block_scope);
        self.block_scope = Scope::Function;
        let (start, mut end) = (self.at, self.at);
        let (posix, programs) = (self.language.posix, self.programs);
        let mut words: Vec<Word<'a>> = Vec::new();
        // Whether only prefixes stand before the next word.
        let mut is_first = true;
        let (mut is_quiet, mut is_redirected) = (true, false);
        loop {
            self.blanks();
            if let Some(harmless) = self.redirection()? {
                (is_quiet, is_redirected) = (is_quiet && harmless, true);
            } else if self.pipe().is_some()
                || self.ends_command(&words)?
                || posix.is_some_and(|posix| posix.brace_ends) && self.is_at("}")
            {
                break;
            } else if let Some(posix) = posix.filter(|_| self.peek() == Some(b'('))
                && let Some(node) = (posix.definition)(self, start, &words)?
            {
                (self.bodies, self.block_scope) = outer;
                return Ok(node);
            } else {
                let word = (self.language.word)(self)?;
                if word.span.is_empty() {
                    return Err(Unreadable);
                }
                if is_first {
                    self.block_scope = self.scope_of_blocks(&word);
                    is_first = self.is_prefix(&word);
                }
                self.keep_if(words.len() < ROOM, word, &mut words);
            }
            end = self.at;
        }
        if end == start {
            return Err(Unreadable);
        }
        self.at = end;
        if let Some(posix) = posix
            && let Some(first) = words.iter().find(|word| !self.assigns(word))
            && posix.conditions.iter().any(|known| first.is(known.as_bytes()))
        {
            self.programs = programs;
        }
        let bodies = std::mem::replace(&mut self.bodies, outer.0);
        self.block_scope = outer.1;
        let is_free = is_quiet && bodies.is_empty() && words.len() < ROOM && self.room > 0;
        let mut node = self.classified(start..end, &words, is_free)?;
        if let Node::Setting(setting) = &mut node {
            setting.is_redirected = is_redirected;
        }
        if bodies.is_empty() {
            self.single = words.pop().filter(|_| words.is_empty());
            return Ok(node);
        }
        let name = self.defined(&words);
        self.single = words.pop().filter(|_| words.is_empty());
        Ok(Node::Compound { span: start..end, name, bodies })
    }

    // The name behind `function` or `def` and its options.
    fn defined(&self, words: &[Word<'a>]) -> Option<Box<str>> {
        let defines = |word: &Word<'_>| ["function", "filter", "def"].iter().any(|known| self.is_word(word, known));
        let mut rest = words.iter().skip_while(|word| !defines(word)).skip(1);
        let name = rest.find(|word| !word.text().starts_with(b"-"))?.literal()?;
        // `function global:NAME` defines it for other scopes.
        let scope = name.iter().rposition(|byte| *byte == b':').filter(|_| self.language.ignores_case);
        text(scope.map_or(name, |colon| &name[colon + 1..]))
    }

    fn is_word(&self, word: &Word<'_>, known: &str) -> bool {
        word.literal().is_some_and(|text| self.is_called(text, known))
    }

    // Whether a command of these words ends here. Where it goes on at the next line, that is taken.
    fn ends_command(&mut self, words: &[Word<'a>]) -> Result<bool> {
        let continues = |reader: &Self| reader.language.continues.is_some_and(|continues| continues(reader, words));
        Ok(match self.peek() {
            Some(b'\n' | b'#') if !words.is_empty() && continues(self) => {
                self.line_ends()?;
                self.peek().is_none()
            }
            None | Some(b'\n' | b';' | b'|' | b'#') => true,
            Some(b'&') if self.language.calls && !self.rest().starts_with(b"&&") => {
                if !words.is_empty() && !continues(self) {
                    return Ok(true);
                }
                false
            }
            Some(b'&') if self.language.has_operators => true,
            Some(byte) => self.closes(byte),
        })
    }

    fn is_prefix(&self, word: &Word<'_>) -> bool {
        self.language.prefixes.iter().any(|prefix| word.literal().is_some_and(|word| self.is_called(word, prefix)))
    }

    // Whether the word assigns where it stands before a command.
    pub(super) fn assigns(&self, word: &Word<'a>) -> bool {
        match self.language.posix {
            Some(posix) => (posix.assigns)(self, word),
            None => self.language.assigns && word.assigned().is_some(),
        }
    }

    // What kind of body the blocks are that follow a command's name.
    fn scope_of_blocks(&self, word: &Word<'_>) -> Scope {
        let blocks = self.language.blocks.unwrap_or_default();
        // A word with a quote in it is a command's name and no word of the language.
        let text = word.literal().filter(|_| !word.is_quoted()).unwrap_or_default();
        let own = blocks.iter().find(|(name, _)| self.is_called(text, name));
        own.map_or(Scope::Function, |(_, scope)| *scope)
    }

    // A setting, if the words are one that can be cut out; else the keys in them are reported.
    fn classified(&mut self, span: Span, words: &[Word<'a>], is_free: bool) -> Result<Node> {
        let posix = self.language.posix;
        let prefixed = words.iter().take_while(|word| self.assigns(word)).count();
        let first = words[prefixed..].iter().position(|word| !self.is_prefix(word)).unwrap_or(0) + prefixed;
        let command = words.get(first);
        // The other shells refuse a redirection without a command.
        if command.is_none() && posix.is_none() {
            return Err(Unreadable);
        }
        let name = command.and_then(Word::literal).unwrap_or_default();
        let called = |known: &str| self.is_called(name, known);
        let mut reason = self.language.reasons.iter().find(|(known, _)| called(known)).map(|(_, reason)| *reason);
        let can_set = posix.is_none_or(|posix| {
            let is_first = first == 0 || !posix.unprefixed.iter().any(|known| called(known));
            is_free && prefixed == 0 && is_first
        });
        let callable = words.get(first..).unwrap_or_default();
        if reason == Some(Reason::Alias)
            && let Some(text) = self.text_of_an_alias(&span, &words[first..])
        {
            return Ok(text);
        }
        if let Some(start) = self.start_of_an_agent(&span, words) {
            return Ok(start);
        }
        let seen = match self.language.assignment.and_then(|read| read(self, words)) {
            Some(seen) => seen,
            None => self.seen_where(callable, can_set).unwrap_or_else(|| {
                // `command -v` only asks.
                let asks = words[prefixed..].windows(2).take(first - prefixed + 1).any(|pair| {
                    let options: [&[u8]; 6] = [b"-v", b"-V", b"-q", b"-s", b"--query", b"--search"];
                    pair[0].is(b"command") && options.iter().any(|option| pair[1].is(option))
                });
                let runs = |word: &Word<'_>| self.runs_a_program(word) && !self.is_strict(callable);
                self.programs += usize::from(!asks && command.is_some_and(runs));
                Seen::Kept(None, None)
            }),
        };
        let mut unclear = None;
        let named = match seen {
            Seen::Setting(form, names) if is_free => {
                let owner =
                    names.first().map(|name| Named { name: &name.name, at: name.name_span.start, direct: false });
                words.iter().for_each(|word| self.look_into_code(word, Reason::Argument, owner));
                if self.language.assignment.is_none() {
                    self.look_into_lists(words, &names);
                }
                return Ok(Node::setting(span, form, names));
            }
            Seen::Setting(form, names) | Seen::Unclear(form, names) => {
                let first = names.first().map(|name| (name.name.clone(), name.name_span.start));
                unclear = Some((form, names));
                first
            }
            Seen::Kept(name, why) => {
                reason = why.or(reason);
                name
            }
            Seen::Reported => return Ok(Node::Other(span)),
        };
        let known = named.as_ref().map(|(name, at)| Named { name, at: *at, direct: true });
        for (at, word) in words.iter().enumerate() {
            // What no room is left for is no single word.
            if let Some(posix) = posix.filter(|_| at < prefixed && at + 1 < ROOM) {
                (posix.look_into_assignment)(self, word);
                continue;
            }
            let reason = if at < prefixed { Some(Reason::InlinePrefix) } else { reason };
            self.look_into(word, reason.unwrap_or(Reason::Argument), known);
        }
        if let Some(posix) = posix {
            (posix.passes)(self, &span, name, &words[prefixed..]);
        }
        let unclear = unclear.or_else(|| named.map(|(name, at)| (Form::Assign, vec![untold(name, at)])));
        Ok(self.untold(span, unclear))
    }

    // What a setter says, where it does only that or where it does not.
    fn seen_where(&mut self, words: &[Word<'a>], can_set: bool) -> Option<Seen> {
        let programs = self.programs;
        match self.seen(words)? {
            seen if can_set => Some(seen),
            Seen::Setting(form, names) | Seen::Unclear(form, names) => {
                self.programs = programs + usize::from(self.runs_a_program(&words[0]));
                Some(Seen::Unclear(form, names))
            }
            Seen::Kept(..) | Seen::Reported => {
                self.programs = programs;
                None
            }
        }
    }

    // A statement that sets an account's variables to what cannot be told.
    fn untold(&self, span: Span, names: Option<(Form, Vec<Name>)>) -> Node {
        let (form, names) = names.unwrap_or((Form::Assign, vec![]));
        let vocabulary = self.terms.vocabulary;
        let counts = |name: &Name| vocabulary.meaning(&name.name).is_some() || vocabulary.family(&name.name).is_some();
        let names = names.into_iter().filter(counts).map(|name| Name { value: Value::Dynamic, ..name });
        let names: Vec<Name> = names.collect();
        if names.is_empty() { Node::Other(span) } else { Node::setting(span, form, names) }
    }

    /// Reports whether a word begins an expression, which runs no program by itself.
    pub(super) fn is_expression(&self, word: &Word<'_>) -> bool {
        self.language.expressions.contains(&self.bytes[word.span.start])
    }

    /// Reports whether a command of this name is more than the language's own harmless ones.
    pub(super) fn runs_a_program(&self, command: &Word<'_>) -> bool {
        let name = command.literal().unwrap_or_default();
        let is_one_of = |names: &[&str]| names.iter().any(|known| self.is_called(name, known));
        if self.language.posix.is_some_and(|posix| is_one_of(posix.programs)) {
            return true;
        }
        let is_setter = self.language.setters.iter().any(|(known, _)| self.is_called(name, known));
        !self.is_expression(command) && !is_setter && !is_one_of(self.language.silent)
    }

    // Whether a command only makes a script end earlier: `set -euo pipefail`.
    fn is_strict(&self, words: &[Word<'_>]) -> bool {
        let Some((posix, (command, options))) = self.language.posix.zip(words.split_first()) else { return false };
        let (set, known) = posix.options;
        let is_known = |word: &Word<'_>| known.iter().any(|known| word.is(known.as_bytes()));
        command.is(set.as_bytes()) && !options.is_empty() && options.iter().all(is_known)
    }

    /// What a setter says about a command.
    pub(super) fn seen(&mut self, words: &[Word<'a>]) -> Option<Seen> {
        let (command, words) = words.split_first()?;
        let name = command.literal()?;
        let (_, setter) = self.language.setters.iter().find(|(known, _)| self.is_called(name, known))?;
        Some(setter(self, words))
    }

    // The words of a list that a name is set to.
    fn look_into_lists(&mut self, words: &[Word<'a>], names: &[Name]) {
        for list in words.iter().filter(|word| word.is_list()) {
            if let Some(owner) = names.iter().find(|name| name.span.contains(&list.span.start)) {
                let known = Named { name: &owner.name, at: owner.name_span.start, direct: true };
                self.look_into(list, Reason::Array, Some(known));
            }
        }
    }
}

/// A name, and what it is set to as a word of its own; without one, to nothing.
pub(super) fn pair(name: &Word<'_>, value: Option<&Word<'_>>) -> Option<Name> {
    let text = name.name()?.to_owned();
    let end = value.map_or(name.span.end, |value| value.span.end);
    let value = value.map_or_else(|| empty(end), |value| value.value(0));
    Some(Name { span: name.span.start..end, name_span: name.span.clone(), name: text, value })
}

/// A name that is set to what cannot be told.
pub(super) fn untold(name: String, at: usize) -> Name {
    let name_span = at..at + name.len();
    Name { span: name_span.clone(), name_span, name, value: Value::Dynamic }
}

/// The name and the value of `NAME=value`.
pub(super) fn assigned(word: &Word<'_>) -> Option<Name> {
    let (name, sign) = word.assigned()?;
    let name_span = word.span.start..word.place(sign);
    Some(Name { span: word.span.clone(), name_span, name: name.to_owned(), value: word.value(sign + 1) })
}

/// The name that a word unsets.
pub(super) fn unset_name(word: &Word<'_>) -> Option<Name> {
    bare(word).map(|name| Name { value: Value::Unset, ..name })
}

/// What is unset, where any of it has a meaning.
pub(super) fn unset(reader: &mut Reader<'_>, names: Vec<Option<Name>>) -> Seen {
    // It may be any.
    reader.programs += usize::from(names.iter().any(Option::is_none));
    match names.into_iter().collect::<Option<Vec<Name>>>() {
        Some(names) if names.iter().any(|name| reader.terms.vocabulary.meaning(&name.name).is_some()) => {
            Seen::Setting(Form::Unset, names)
        }
        _ => Seen::Kept(None, None),
    }
}

/// A name by itself, which is only declared or exported.
pub(super) fn bare(word: &Word<'_>) -> Option<Name> {
    let (span, name) = (word.span.clone(), word.name()?.to_owned());
    Some(Name { span: span.clone(), name_span: span, name, value: Value::Bare })
}

/// The empty value, which stands at a place.
pub(super) fn empty(at: usize) -> Value {
    Value::Literal(Zeroizing::default(), at..at)
}
