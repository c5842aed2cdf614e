//! Loops and functions: what runs several times, or later.

use super::blocks::block;
use super::{DEEPEST, Function, Source, State, Walk};
use crate::migrate::files::globs;
use crate::migrate::files::values::Place;
use crate::migrate::files::words::{self, Command, Piece, Tongue, Word};

impl Walk<'_> {
    // Functions are called later; only then is it known with what.
    pub(super) fn define(&mut self, source: &Source<'_>, commands: &[Command<'_>], at: usize, place: &Place) -> usize {
        let words = &commands[at].words;
        let named = words.len() > 1 && words[1].plain() == Some(b"()");
        let name = if named { words.first() } else { words.get(1) };
        // `Name($a)` of PowerShell.
        let name = name.and_then(|name| match name.pieces[..] {
            [Piece::Plain(text), Piece::Code(..)] => Some(String::from_utf8_lossy(text).into_owned()),
            _ => name.literal(),
        });
        let mut names = Vec::new();
        if place.tongue == Tongue::Fish {
            let is_names = |word: &Word<'_>| matches!(word.plain(), Some(b"-a" | b"--argument-names" | b"--argument"));
            let from = words.iter().position(is_names).map_or(words.len(), |at| at + 1);
            let own = words[from..].iter().map_while(Word::literal).take_while(|word| !word.starts_with('-'));
            names.extend(own);
        }
        for piece in words.iter().flat_map(|word| &word.pieces) {
            if let (Piece::Code(text, _), Tongue::PowerShell) = (piece, place.tongue) {
                names.extend(parameter_names(text));
            }
        }
        // `function name ()` is two commands.
        let from = if commands.get(at + 1).is_some_and(|next| next.is("()")) { at + 2 } else { at + 1 };
        let (body, next) = block(commands, from, place.tongue);
        if let (Some(name), Some(first), Some(last)) = (name, commands.get(body.start), commands[body.clone()].last()) {
            let body = source.base + first.start..source.base + last.end;
            let text = source.text.clone();
            let function = Function { text, body, names, file: place.file.clone(), called: false };
            self.functions.insert(name, function);
        }
        next.max(at + 1)
    }

    // `() { ... } arguments`
    pub(super) fn unnamed(
        &mut self,
        source: &Source<'_>,
        commands: &[Command<'_>],
        at: usize,
        place: &Place,
        state: &mut State,
    ) -> usize {
        let (body, next) = block(commands, at + 1, place.tongue);
        let ends = commands[..next].last().map_or(0, |last| last.end);
        let after = commands.get(next).filter(|after| {
            let between = source.text.get(source.base + ends..source.base + after.start);
            between.is_some_and(|between| !between.contains(&b'\n') && !between.contains(&b';'))
        });
        let arguments = after.iter().flat_map(|after| &after.words).flat_map(|word| self.values.expand(word, place));
        let inner = Place { arguments: arguments.collect(), ..place.clone() };
        self.run(source, &commands[body], &inner, state);
        (next + usize::from(after.is_some())).max(at + 1)
    }

    pub(super) fn call(&mut self, name: &str, arguments: Vec<String>, tongue: Tongue) -> bool {
        let Some(function) = self.functions.get_mut(name) else { return false };
        function.called = true;
        let function = function.clone();
        let call = (name.to_owned(), arguments);
        // The same call again reads nothing else.
        if self.calling.contains(&call) {
            return true;
        }
        if self.calls >= DEEPEST {
            self.cut(None);
            return true;
        }
        let arguments = call.1.clone();
        for (name, value) in function.names.iter().zip(&arguments) {
            self.values.set(name, vec![value.clone()], false);
        }
        let place = Place { tongue, file: function.file, arguments };
        let mut state = State { branches: 0, subshells: 0, base: None, width: 1 };
        self.calls += 1;
        self.calling.push(call);
        self.code(&function.text, function.body, &place, &mut state);
        self.calling.pop();
        self.calls -= 1;
        true
    }

    pub(super) fn repeat(
        &mut self,
        source: &Source<'_>,
        commands: &[Command<'_>],
        at: usize,
        place: &Place,
        state: &mut State,
    ) -> usize {
        let words = &commands[at].words;
        self.as_text(&commands[at], place);
        let (body, next) = block(commands, at + 1, place.tongue);
        let body = &commands[body];
        let mut name = words.get(1).and_then(Word::literal).unwrap_or_default();
        let values = match place.tongue {
            Tongue::PowerShell | Tongue::Nushell => {
                // `foreach ($f in ...)`
                let inside = words.iter().flat_map(|word| &word.pieces).find_map(|piece| match piece {
                    Piece::Code(text, _) => Some(*text),
                    _ => None,
                });
                let inner = inside.map_or(Vec::new(), |text| words::commands(text, place.tongue));
                let Some(first) = inner.first() else { return next.max(at + 1) };
                if let Some([Piece::Variable(text, _)]) = first.words.first().map(|word| &word.pieces[..]) {
                    name = String::from_utf8_lossy(text).to_ascii_lowercase();
                }
                self.listed_values(first.words.get(2..).unwrap_or_default(), place)
            }
            _ => {
                let from = words.iter().position(|word| word.plain() == Some(b"in")).map(|at| at + 1);
                let from = from.or_else(|| words.get(1).filter(|word| word.opens).map(|_| 2));
                match from.or((place.tongue == Tongue::Csh).then_some(2)) {
                    Some(from) => {
                        let words = words.get(from..).unwrap_or_default();
                        words.iter().flat_map(|word| self.values.expand(word, place)).collect()
                    }
                    None => place.arguments.clone(),
                }
            }
        };
        self.each(&name, values, source, body, place, state);
        next.max(at + 1)
    }

    pub(super) fn each(
        &mut self,
        name: &str,
        values: Vec<String>,
        source: &Source<'_>,
        body: &[Command<'_>],
        place: &Place,
        state: &mut State,
    ) {
        // The file's own place stays that of the loop.
        let mut inner = State { branches: 0, subshells: state.subshells, base: None, width: 1 };
        if values.is_empty() {
            // What does not depend on the variable is read all the same, perhaps.
            let reads = std::mem::replace(&mut self.reads, false);
            self.run(source, body, place, &mut inner);
            self.reads = reads;
        }
        let mut values = values;
        self.values.budget.limit(&mut values, globs::MOST);
        for value in values {
            self.values.set(name, vec![value], false);
            self.run(source, body, place, &mut inner);
        }
    }

    // The values of words that may also be a command of PowerShell's or nushell's.
    pub(super) fn listed_values(&mut self, words: &[Word<'_>], place: &Place) -> Vec<String> {
        match self.values.result(words, place, None, &mut None) {
            Some(values) => values,
            None => words.iter().flat_map(|word| self.values.expand(word, place)).collect(),
        }
    }
}

// The names in `param($a, [string]$b)`.
fn parameter_names(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let names = text.split('$').skip(1).map(|rest| {
        let end = rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_').unwrap_or(rest.len());
        rest[..end].to_ascii_lowercase()
    });
    names.collect()
}
