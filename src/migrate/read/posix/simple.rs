//! Simple commands: what sets variables, and what a command only passes on.

use super::is_zsh;
use super::word::{element, is_name};
use crate::migrate::heuristics::identifier;
use crate::migrate::model::{Fixed, Form, Reason, SHORTEST_KEY, Span, Value, Word as Name, note};
use crate::migrate::read::Reader;
use crate::migrate::read::cursor::HereDocument;
use crate::migrate::read::setters;
use crate::migrate::read::setters::{Seen, pair, unset_name};
use crate::migrate::read::word::{Fallback, Word};
use zeroize::Zeroizing;

/// A word that a command only passes on, long enough for a key.
pub(in crate::migrate::read) struct Passed {
    span: Span,
    text: Zeroizing<Vec<u8>>,
}

/// `2>`, `{fd}>`
pub(super) fn descriptor(reader: &Reader<'_>) -> Option<usize> {
    let rest = reader.rest();
    let size = match rest.first() {
        Some(b'0'..=b'9') => rest.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        Some(b'{') => {
            let name = rest[1..].iter().take_while(|byte| is_name(**byte)).count();
            if name > 0 && rest.get(name + 1) == Some(&b'}') { name + 2 } else { 0 }
        }
        _ => 0,
    };
    match &rest[size..] {
        [b'<' | b'>', b'(', ..] => None,
        [b'&', ..] if size > 0 => None,
        [b'<', ..] if size == 0 && is_zsh(reader) && reader.is_number_range() => None,
        _ => Some(size),
    }
}

/// Notes a here-string's text and a here-document's end.
pub(super) fn redirected<'a>(reader: &mut Reader<'a>, operator: &str, word: &Word<'a>) {
    if operator == "<<<" {
        reader.look_into(word, Reason::HereString, None);
        passes_on(reader, word);
    } else if operator.starts_with("<<") {
        // The end's word counts as written, without its quotes.
        let written = &reader.bytes[word.span.clone()];
        let end: Vec<u8> = written.iter().copied().filter(|byte| !b"'\"\\".contains(byte)).collect();
        // Only without them does a backslash join lines.
        let joins = end.len() == written.len();
        reader.pending.push(HereDocument { end, tabs: operator == "<<-", joins, is_open: true });
    }
}

/// Reports whether the word assigns before a command. A quoted name does so only behind a declaring command.
pub(super) fn assigns(reader: &Reader<'_>, word: &Word<'_>) -> bool {
    if assigned(word).is_none() {
        return false;
    }
    let mut at = word.span.start;
    while let Some(byte) = reader.bytes.get(at) {
        match byte {
            b'=' | b'+' | b'[' => return at > word.span.start,
            b'\\' if matches!(reader.bytes.get(at + 1), Some(b'\n' | b'\r')) => at += 1,
            b'\n' | b'\r' => {}
            byte if is_name(*byte) => {}
            _ => return false,
        }
        at += 1;
    }
    false
}

// The name, where in the text its value begins, and whether the sign is `+=`, where the word is `NAME=...`.
fn assigned<'w>(word: &'w Word<'_>) -> Option<(&'w str, usize, bool)> {
    let lead = word.lead();
    let size = lead.iter().position(|byte| !is_name(*byte))?;
    let (is_added, sign) = match &lead[size..] {
        [b'=', ..] => (false, 1),
        [b'+', b'=', ..] => (true, 2),
        // An element's subscript may hold anything.
        [b'[', ..] if word.is_element() => (false, 0),
        _ => return None,
    };
    Some((identifier(&lead[..size])?, size + sign, is_added))
}

/// `A=k B=j` without a command.
pub(super) fn assignment<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Option<Seen> {
    if words.is_empty() {
        return Some(Seen::Kept(None, None));
    }
    let is_bare = words.iter().all(|word| assigns(reader, word));
    is_bare.then(|| Seen::Setting(Form::Assign, words.iter().filter_map(|word| name(reader, word)).collect()))
}

/// Reports the key of `A=k` before a command.
pub(super) fn look_into_assignment<'a>(reader: &mut Reader<'a>, word: &Word<'a>) {
    if let Some(Name { name, name_span, value: Value::Literal(value, _) | Value::Default(_, value, _), .. }) =
        name(reader, word)
    {
        let reason = Reason::InlinePrefix;
        note(&mut reader.fixed, Fixed { name: Some(name), at: name_span.start, value, reason });
    }
}

/// Notes the words of `echo`; `read` gives those on its own line their name.
pub(super) fn passes<'a>(reader: &mut Reader<'a>, span: &Span, command: &[u8], words: &[Word<'a>]) {
    match command {
        b"echo" | b"printf" | b"print" => {
            words.iter().for_each(|word| passes_on(reader, word));
            // The words inside the command's own were noted before them.
            let own = reader.passed.iter().rev().take_while(|passed| passed.span.start >= span.start).count();
            let from = reader.passed.len() - own;
            reader.passed[from..].sort_by_key(|passed| passed.span.start);
        }
        b"read" => {
            for word in words {
                if let Some(name) = word.name() {
                    report_passed(reader, span, name, word.span.start, Reason::HereString);
                }
            }
        }
        _ => {}
    }
}

fn passes_on(reader: &mut Reader<'_>, word: &Word<'_>) {
    if let Some(text) = word.literal().filter(|text| text.len() >= SHORTEST_KEY) {
        reader.passed.push(Passed { span: word.span.clone(), text: Zeroizing::new(text.to_vec()) });
    }
}

// Reports what is passed on within these bytes as a key of this name.
fn report_passed(reader: &mut Reader<'_>, within: &Span, name: &str, at: usize, reason: Reason) {
    let from = reader.passed.partition_point(|passed| passed.span.start < within.start);
    let inside = reader.passed[from..].iter().take_while(|passed| passed.span.end <= within.end);
    let value = |passed: &Passed| Fixed { name: Some(name.to_owned()), at, value: passed.text.clone(), reason };
    reader.fixed.extend(inside.map(value));
}

// `NAME=value`, and the places of an array's or an appended value's keys.
fn name<'a>(reader: &mut Reader<'a>, word: &Word<'a>) -> Option<Name> {
    let (name, skip, is_added) = assigned(word)?;
    let name = name.to_owned();
    let span = word.span.clone();
    let name_span = name_span(reader, &span, name.len());
    if is_added {
        reader.look_into(word, Reason::Append, None);
        reader.added_to(&name, name_span.start);
        return Some(Name { span, name_span, name, value: Value::Dynamic });
    }
    if word.is_element() {
        reader.report(span.clone(), Reason::Array, None);
        if let Some((name, value)) = word.literal().and_then(element) {
            let value = Zeroizing::new(value.to_vec());
            let (name, reason) = (Some(name.to_owned()), Reason::Array);
            note(&mut reader.fixed, Fixed { name, at: name_span.start, value, reason });
        }
    } else if word.defaulted().iter().any(|other| *other != name) {
        reader.report(span.clone(), Reason::DefaultOfOther, None);
    }
    let value = match word.value(skip) {
        Value::Literal(value, _) => {
            let sign = reader.bytes[span.clone()].iter().position(|byte| *byte == b'=');
            Value::Literal(value, sign.map_or(span.end, |sign| span.start + sign + 1)..span.end)
        }
        Value::Dynamic if !word.is_element() => {
            report_passed(reader, &span, &name, name_span.start, Reason::Substitution);
            Value::Dynamic
        }
        other => other,
    };
    Some(Name { span, name_span, name, value })
}

// A name's own bytes, behind the quote or the sign that a word begins with.
fn name_span(reader: &Reader<'_>, span: &Span, size: usize) -> Span {
    let quotes = reader.bytes[span.clone()].iter().take_while(|byte| !is_name(**byte)).count();
    let start = span.start + quotes;
    start..(start + size).min(span.end)
}

pub(super) fn export<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    declared(reader, Form::Export, words)
}

pub(super) fn declare<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    declared(reader, Form::Declare, words)
}

pub(super) fn typeset<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    declared(reader, Form::Typeset, words)
}

pub(super) fn readonly<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    declared(reader, Form::Readonly, words)
}

pub(super) fn local<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    declared(reader, Form::Local, words)
}

fn declared<'a>(reader: &mut Reader<'a>, form: Form, words: &[Word<'a>]) -> Seen {
    let mut names = Vec::new();
    let (mut options, mut acts) = (true, false);
    for word in words {
        match word.lead() {
            b"--" => options = false,
            // Printing, functions, arrays, and what changes a value: numbers, letters' case, padding.
            [b'-' | b'+', letters @ ..] if options => {
                acts |= letters.iter().any(|letter| b"fFTmaAilucELRZ".contains(letter))
                    || letters.contains(&b'p') && form != Form::Export;
            }
            _ => match (name(reader, word), word.name()) {
                (Some(name), _) => names.push(name),
                (None, Some(text)) => {
                    let (text, name_span) = (text.to_owned(), name_span(reader, &word.span, text.len()));
                    names.push(Name { span: word.span.clone(), name_span, name: text, value: Value::Bare });
                }
                // `export $(...)`, `export $names`: the rest can go on without the key.
                (None, None) if word.literal().is_none() => names.push(unnamed(word)),
                (None, None) => return Seen::Kept(None, None),
            },
        }
    }
    settings(form, names, !acts)
}

/// `: "${A:=key}"`, perhaps among other words that can go on without it.
pub(super) fn defaulted<'a>(_: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    let name = |word: &Word<'_>| match word.fallback() {
        Some(Fallback { name, name_span, sets: true, .. }) => {
            let (span, name_span, name) = (word.span.clone(), name_span.clone(), name.clone());
            Name { span, name_span, name, value: word.value(0) }
        }
        _ => unnamed(word),
    };
    settings(Form::Assign, words.iter().map(name).collect(), true)
}

fn settings(form: Form, names: Vec<Name>, can_go: bool) -> Seen {
    match names.iter().any(|name| !name.name.is_empty()) {
        true if can_go => Seen::Setting(form, names),
        true => Seen::Unclear(form, names),
        false => Seen::Kept(None, None),
    }
}

// A word that sets nothing that could be told.
fn unnamed(word: &Word<'_>) -> Name {
    let at = word.span.start;
    Name { span: word.span.clone(), name_span: at..at, name: String::new(), value: Value::Dynamic }
}

/// `unset NAME ...`, not of functions.
pub(super) fn unset<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    let options = words.iter().take_while(|word| word.text().starts_with(b"-")).collect::<Vec<_>>();
    if options.iter().any(|word| !word.is(b"-v") && !word.is(b"--")) {
        return Seen::Kept(None, None);
    }
    setters::unset(reader, words[options.len()..].iter().map(unset_name).collect())
}

/// `printf -v NAME ...`
pub(super) fn printf<'a>(_: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    match words {
        [option, name, ..] if option.is(b"-v") => {
            Seen::Unclear(Form::Assign, setters::bare(name).into_iter().collect())
        }
        _ => Seen::Kept(None, None),
    }
}

/// `launchctl setenv NAME value`
pub(super) fn launchctl<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    match words {
        [verb, name, value] if verb.is(b"setenv") => paired(reader, Form::Launchctl, name, value),
        _ => {
            reader.programs += 1;
            Seen::Kept(None, None)
        }
    }
}

/// `setx NAME value [/m]`, a program of Windows.
pub(super) fn setx<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    reader.programs += 1;
    match words {
        [name, value] => paired(reader, Form::Setx, name, value),
        [name, value, scope] if matches!(scope.literal(), Some(b"/m" | b"/M" | b"-m")) => {
            paired(reader, Form::Setx, name, value)
        }
        _ => Seen::Kept(None, None),
    }
}

fn paired(reader: &Reader<'_>, form: Form, name: &Word<'_>, value: &Word<'_>) -> Seen {
    let Some(pair) = pair(name, Some(value)) else { return Seen::Kept(None, None) };
    let name_span = name_span(reader, &name.span, pair.name.len());
    let value = match pair.value {
        Value::Default(..) => Value::Dynamic,
        value => value,
    };
    Seen::Setting(form, vec![Name { name_span, value, ..pair }])
}
