//! csh and tcsh: `.cshrc`, `.tcshrc`, `.login`.
//!
//! There is no grammar for csh, whose own parser works line by line. Checked against tcsh 6.24; the language is in
//! `tcsh(1)`, "Lexical structure" and "Control flow".

use super::language::{Construct, End, Language, Lost, Section};
use super::setters::{Seen, empty, pair, unset, unset_name};
use super::word::{Draft, Expansion, Items, Word};
use super::{Reader, Result, Unreadable};
use crate::migrate::heuristics::identifier;
use crate::migrate::model::{Form, Node, Reason, Scope, Value, Word as Name};

pub(super) static LANGUAGE: Language = Language {
    filler: ":",
    ignores_case: false,
    continuation: Some(b'\\'),
    block_comment: None,
    ends: b";&|<>()#",
    word,
    constructs: &[
        ("foreach", looped(&[Section::Head(1), Section::Body(&[End(&["end"], None)])])),
        ("while", looped(&[Section::Head(1), Section::Body(&[End(&["end"], None)])])),
        ("switch", sections(None, &[Section::Head(1), Section::Arms(&["case", "default:", "default"], "endsw")])),
        (
            "if",
            sections(
                Some(is_block),
                &[
                    Section::Head(1),
                    Section::Body(&[End(&["else", "if"], Some(0)), End(&["else"], Some(2)), End(&["endif"], None)]),
                    Section::Body(&[End(&["endif"], None)]),
                ],
            ),
        ),
        ("if", Construct::Special(one_line_if)),
    ],
    closing: &["end", "endif", "endsw", "else", "case", "default:", "default"],
    not: &[],
    joins: &[],
    prefixes: &[],
    assigns: false,
    has_subshells: true,
    blocks: None,
    pipes: &["|&", "|"],
    assignment: None,
    redirections: &[">>&!", ">>&", ">>!", ">>", ">&!", ">&", ">!", ">", "<<", "<"],
    nowhere: "/dev/null",
    has_descriptors: false,
    setters: &[("setenv", setenv), ("set", set), ("unsetenv", unsetenv)],
    expressions: b"",
    silent: &["unset", "@", "test", "[", ":", "true", "false", "echo", "printf", "breaksw", "break", "continue"],
    reasons: &[
        ("alias", Reason::Alias),
        ("env", Reason::InlinePrefix),
        ("/usr/bin/env", Reason::InlinePrefix),
        ("eval", Reason::Substitution),
        ("set", Reason::Array),
    ],
    has_operators: true,
    operators_continue: false,
    pipes_lead: false,
    comments_continue: false,
    continues: None,
    calls: false,
    caret: None,
    hushes: &[],
    background: Reason::Argument,
    grammar: None,
    lost: Lost::Rest,
    posix: None,
};

const fn sections(guard: Option<for<'a> fn(&Reader<'a>) -> bool>, sections: &'static [Section]) -> Construct {
    Construct::Sections { guard, scope: Scope::Plain, sections }
}

const fn looped(sections: &'static [Section]) -> Construct {
    Construct::Sections { guard: None, scope: Scope::Loop, sections }
}

// Whether the line of the `if` here ends in `then`.
fn is_block(reader: &Reader<'_>) -> bool {
    let mut ahead = reader.ahead(reader.at);
    let mut last = false;
    loop {
        ahead.blanks();
        if matches!(ahead.peek(), None | Some(b'\n' | b';' | b'#')) {
            return last;
        }
        last = ahead.is_at("then");
        match word(&mut ahead) {
            Ok(word) => ahead.at += usize::from(word.span.is_empty()),
            Err(Unreadable) => return false,
        }
    }
}

// `if (...) command`
fn one_line_if(reader: &mut Reader<'_>) -> Result<Node> {
    let start = reader.at;
    reader.at += b"if".len();
    reader.blanks();
    while reader.takes_word("!") {
        reader.blanks();
    }
    if reader.peek() != Some(b'(') {
        return Err(Unreadable);
    }
    let condition = word(reader)?;
    reader.look_into(&condition, Reason::Argument, None);
    reader.blanks();
    // Another one of the same line needs no second look for a `then` at its end.
    let is_another = reader.is_at("if");
    let command = reader.nested(|reader| if is_another { one_line_if(reader) } else { reader.command() })?;
    Ok(Node::List { span: start..command.span().end, operands: vec![Node::Other(condition.span), command] })
}

fn setenv<'a>(_: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    let name = match words {
        [name] => pair(name, None),
        [name, value] => pair(name, Some(value)),
        _ => None,
    };
    name.map_or_else(|| known(words), |name| Seen::Setting(Form::Setenv, vec![name]))
}

fn unsetenv<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    unset(reader, words.iter().map(unset_name).collect())
}

// `set A=k B = j C = ( list ) D`
fn set<'a>(_: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    let flags = words.iter().take_while(|word| matches!(word.text(), b"-r" | b"-f" | b"-l")).count();
    let mut names = Vec::new();
    let mut rest = &words[flags..];
    while let [first, more @ ..] = rest {
        let Some((name, after)) = set_name(first, more) else { return known(words) };
        names.push(name);
        rest = after;
    }
    if names.is_empty() { Seen::Kept(None, None) } else { Seen::Setting(Form::Set, names) }
}

// One name with its value, and the words behind it.
fn set_name<'w, 'a>(first: &Word<'a>, more: &'w [Word<'a>]) -> Option<(Name, &'w [Word<'a>])> {
    let sign = first.text().iter().position(|byte| *byte == b'=');
    let name = identifier(&first.text()[..sign.unwrap_or(first.text().len())])?.to_owned();
    let name_span = first.span.start..sign.map_or(first.span.end, |sign| first.place(sign));
    let nothing = (empty(first.span.end), first.span.end, more);
    let (value, end, after) = match (sign, more) {
        // `A=(...)` has no blank between; after one, the next word is a name of its own.
        (Some(sign), _) if first.place(sign) + 1 == first.span.end => match more {
            [list, more @ ..] if list.is_list() && list.span.start == first.span.end => {
                (Value::Dynamic, list.span.end, more)
            }
            _ => nothing,
        },
        (Some(sign), _) => (first.value(sign + 1), first.span.end, more),
        (None, [sign, value, more @ ..]) if sign.is(b"=") && !sign.is_quoted() => {
            (value.value(0), value.span.end, more)
        }
        (None, [sign]) if sign.is(b"=") && !sign.is_quoted() => return None,
        (None, _) => nothing,
    };
    Some((Name { span: first.span.start..end, name_span, name, value }, after))
}

// What is no setting may still be values of the first name.
fn known(words: &[Word<'_>]) -> Seen {
    let name = words.first().and_then(|first| {
        let end = first.text().iter().position(|byte| matches!(byte, b'[' | b'=')).unwrap_or(first.text().len());
        Some((identifier(&first.text()[..end])?.to_owned(), first.span.start))
    });
    Seen::Kept(name, None)
}

// One word or list. A quote must be closed on its line.
fn word<'a>(reader: &mut Reader<'a>) -> Result<Word<'a>> {
    let start = reader.at;
    if reader.peek() == Some(b'(') {
        return reader.nested(list);
    }
    let mut word = Draft::new(reader.bytes, start);
    let mut quote = None;
    while let Some(byte) = reader.peek() {
        let at = reader.at;
        let next = reader.rest().get(1).copied();
        match (quote, byte) {
            (None, b' ' | b'\t') => break,
            (None, _) if reader.language.ends.contains(&byte) || reader.continued().is_some() => break,
            (Some(_), _) if reader.continued().is_some() => {
                word.push(b'\n', at);
                reader.at += reader.continued().unwrap_or_default() - 1;
            }
            (None, _) if reader.line_end().is_some() => break,
            (Some(_), _) if reader.line_end().is_some() => return Err(Unreadable),
            // A `!` is history, quoted or not, unless escaped or before one of these.
            (_, b'\\') if next == Some(b'!') => {
                word.push(b'!', at);
                word.quote();
                reader.at += 1;
            }
            (_, b'!') if !next.is_none_or(|next| b" \t\r\n=(~".contains(&next)) => word.expand(Expansion::Other, at),
            (Some(open), _) if open == byte => quote = None,
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                word.quote();
            }
            (None | Some(b'"'), b'`') => {
                let size = reader.rest()[1..].iter().position(|byte| matches!(byte, b'`' | b'\n')).ok_or(Unreadable)?;
                let code = at + 1..at + 1 + size;
                if reader.bytes[code.end] != b'`' {
                    return Err(Unreadable);
                }
                reader.at = code.end;
                // Nobody looks what it runs.
                reader.programs += 1;
                word.substitute(code, at);
            }
            (None | Some(b'"'), b'$') => variable(reader, &mut word),
            (None, b'\\') => {
                word.quote();
                match next {
                    Some(next) => word.push(next, at),
                    None => word.expand(Expansion::Other, at),
                }
                reader.at += usize::from(next.is_some());
            }
            // File patterns, lists of alternatives, homes.
            (None, b'*' | b'?' | b'[' | b']' | b'{' | b'}') => word.push_pattern(byte, at),
            (None, b'~') if word.is_empty() && next.is_none_or(|next| b"/ \t\r\n;&|<>)".contains(&next)) => {
                word.expand(Expansion::Home, at);
            }
            (None, b'~' | b'^') if word.is_empty() => word.push_pattern(byte, at),
            _ => word.push(byte, at),
        }
        reader.at += 1;
    }
    if quote.is_some() {
        return Err(Unreadable);
    }
    Ok(word.finish(start..reader.at))
}

// A list, in which other signs mean nothing.
fn list<'a>(reader: &mut Reader<'a>) -> Result<Word<'a>> {
    let start = reader.at;
    reader.at += 1;
    let mut items = Vec::new();
    loop {
        reader.blanks();
        match reader.peek() {
            None | Some(b'\n' | b'#') => return Err(Unreadable),
            Some(b')') => break,
            Some(_) => {}
        }
        let item = word(reader)?;
        if item.span.is_empty() {
            reader.at += 1;
        } else {
            reader.keep(item, &mut items);
        }
    }
    reader.at += 1;
    Ok(Word::list(start..reader.at, Items::List(items)))
}

// `$name`, `${name}`, `$name:q`, `$?name`, `$name[1]`, up to its last byte; a lone `$` in quotes is itself.
fn variable(reader: &mut Reader<'_>, word: &mut Draft<'_>) {
    let start = reader.at;
    let rest = &reader.rest()[1..];
    let count = |from: usize, of: &dyn Fn(u8) -> bool| rest[from..].iter().take_while(|byte| of(**byte)).count();
    let mut at = usize::from(rest.first() == Some(&b'{'));
    let signs = count(at, &|byte| b"?#%$<*!".contains(&byte));
    let name = at + signs;
    at = name + count(name, &|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let name = identifier(&rest[name..at]).filter(|_| signs == 0).map(str::to_owned);
    let modified = at;
    if rest.get(at) == Some(&b'[') {
        let inside = count(at, &|byte| !matches!(byte, b']' | b'\n'));
        at += inside + usize::from(rest.get(at + inside) == Some(&b']'));
    }
    while rest.get(at) == Some(&b':') && rest.get(at + 1).is_some_and(u8::is_ascii_alphabetic) {
        at += 2;
    }
    // `:q` only keeps the value whole.
    let is_whole = matches!(&rest[modified..at], b"" | b":q");
    at += usize::from(rest.first() == Some(&b'{') && rest.get(at) == Some(&b'}'));
    reader.at = start + at;
    let variable = match name.filter(|_| is_whole) {
        Some(name) if name == "home" || name == "HOME" => Expansion::Home,
        Some(name) => Expansion::Variable(name),
        None => Expansion::Other,
    };
    word.expand(variable, start);
}

// The shells themselves are asked, and Windows has none of them.
#[cfg(all(test, unix))]
mod tests;
