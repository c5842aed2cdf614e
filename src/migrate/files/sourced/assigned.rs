//! What assignments set, in every shell.

use super::Walk;
use crate::migrate::files::values::Place;
use crate::migrate::files::words::{Piece, Tongue, Word};

impl Walk<'_> {
    // What the assignments before a command, or those that are one, set; the command's own words.
    pub(super) fn assigned<'w, 't>(&mut self, words: &'w [Word<'t>], place: &Place, adds: bool) -> &'w [Word<'t>] {
        let name = words.first().and_then(Word::plain).unwrap_or_default();
        let literal = |at: usize| words.get(at).and_then(Word::literal);
        match place.tongue {
            // The lists of ksh.
            Tongue::Posix | Tongue::Zsh if name == b"set" && matches!(literal(1).as_deref(), Some("-A" | "+A")) => {
                if let Some(name) = literal(2) {
                    let values = words[3..].iter().flat_map(|word| self.values.expand(word, place)).collect();
                    self.values.set(&name, values, adds);
                }
            }
            Tongue::Posix | Tongue::Zsh => {
                let declares = matches!(name, b"export" | b"declare" | b"typeset" | b"local" | b"readonly" | b"global");
                let mut at = usize::from(declares);
                while at < words.len() {
                    let Some((name, appends, value)) = assignment(&words[at]) else {
                        if declares {
                            at += 1;
                            continue;
                        }
                        break;
                    };
                    let mut values = if words[at].opens { Vec::new() } else { self.values.expand(&value, place) };
                    if words[at].opens {
                        while at + 1 < words.len() && !(assignment(&words[at + 1]).is_some() && words[at + 1].opens) {
                            at += 1;
                            values.extend(self.values.expand(&words[at], place));
                        }
                    }
                    at += 1;
                    if at < words.len() && !declares && !words[at - 1].opens && assignment(&words[at]).is_none() {
                        // Only that command has it.
                        break;
                    }
                    if matches!(&*name, "BASH_ENV" | "ENV") {
                        let reads = std::mem::replace(&mut self.reads, false);
                        values.iter().for_each(|path| self.found(path, place, Vec::new()));
                        self.reads = reads;
                    }
                    self.values.set(&name, values, adds || appends);
                }
                return if declares { &[] } else { &words[at..] };
            }
            Tongue::Fish if name == b"set" => {
                let flags =
                    words[1..].iter().take_while(|word| word.plain().is_some_and(|word| word.starts_with(b"-")));
                let flags: Vec<String> = flags.filter_map(Word::literal).collect();
                let is = |short: char, long: &str| {
                    flags.iter().any(|flag| flag == long || (!flag.starts_with("--") && flag.contains(short)))
                };
                let from = flags.len() + 1;
                if let Some(name) = literal(from).filter(|_| !is('q', "--query") && !is('e', "--erase")) {
                    let values = words[from + 1..].iter().flat_map(|word| self.values.expand(word, place)).collect();
                    self.values.set(&name, values, adds || is('a', "--append") || is('p', "--prepend"));
                }
            }
            Tongue::Csh if name == b"setenv" => {
                if let (Some(name), Some(value)) = (literal(1), words.get(2)) {
                    let values = self.values.expand(value, place);
                    self.values.set(&name, values, adds);
                }
            }
            Tongue::Csh if name == b"set" => {
                let Some((word, rest)) = words[1..].split_first() else { return words };
                let (name, first) = match assignment(word) {
                    Some((name, _, value)) => (Some(name), Some(value).filter(|value| !value.pieces.is_empty())),
                    None => (word.literal(), None),
                };
                let rest = rest.iter().filter(|word| word.plain() != Some(b"="));
                let values = first.iter().chain(rest).flat_map(|word| self.values.expand(word, place)).collect();
                if let Some(name) = name {
                    self.values.set(&name, values, adds);
                }
            }
            Tongue::PowerShell => {
                let Some([Piece::Variable(name, _), rest @ ..]) = words.first().map(|word| &word.pieces[..]) else {
                    return words;
                };
                let from = match rest {
                    [] if words.get(1).and_then(Word::plain) == Some(b"=") => 2,
                    [Piece::Plain(b"=")] => 1,
                    _ => return words,
                };
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                let values = self.listed_values(&words[from..], place);
                self.values.set(&name, values, adds);
                return &[];
            }
            Tongue::Nushell => {
                let (name, from) = match (name, words.first().map(|word| &word.pieces[..])) {
                    (b"const" | b"let" | b"mut", _) => (literal(1), 3),
                    (_, Some([Piece::Variable(name, _)])) => (Some(String::from_utf8_lossy(name).into_owned()), 2),
                    _ => return words,
                };
                if let (Some(name), Some(b"=")) = (name, words.get(from - 1).and_then(Word::plain)) {
                    let values = self.listed_values(&words[from..], place);
                    self.values.set(&name, values, adds);
                    return &[];
                }
            }
            Tongue::Fish | Tongue::Csh => {}
        }
        words
    }
}

// `NAME=value`, `NAME+=value`: the name, whether it is added to, the value.
fn assignment<'t>(word: &Word<'t>) -> Option<(String, bool, Word<'t>)> {
    let Some(Piece::Plain(text)) = word.pieces.first() else { return None };
    let size = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let rest = &text[size..];
    let (appends, value) = match rest {
        [b'+', b'=', value @ ..] => (true, value),
        [b'=', value @ ..] => (false, value),
        _ => return None,
    };
    if size == 0 || text[0].is_ascii_digit() {
        return None;
    }
    let mut pieces = word.pieces[1..].to_vec();
    if !value.is_empty() {
        pieces.insert(0, Piece::Plain(value));
    }
    Some((String::from_utf8_lossy(&text[..size]).into_owned(), appends, Word { pieces, opens: false }))
}
