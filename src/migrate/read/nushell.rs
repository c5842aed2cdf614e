//! nushell: `config.nu`, `env.nu`, `login.nu`, autoloaded and sourced files.
//!
//! Checked against nushell 0.108, which reads a file as a whole before it runs any of it. `let-env` is older.

use super::language::{Language, Lost};
use super::setters::{Seen, pair, unset, unset_name};
use super::word::{Draft, Expansion, Items, Word, escape};
use super::{Reader, Result, Unreadable};
use crate::migrate::heuristics::{Named, identifier};
use crate::migrate::model::{Form, Reason, Scope, Span, Word as Name};

pub(super) static LANGUAGE: Language = Language {
    // A block may be empty.
    filler: "",
    ignores_case: false,
    continuation: None,
    block_comment: None,
    ends: b";|()[]{}",
    word,
    constructs: &[],
    closing: &[],
    not: &[],
    joins: &[],
    prefixes: &["export"],
    assigns: true,
    has_subshells: false,
    blocks: Some(&[
        ("if", Scope::Plain),
        ("for", Scope::Loop),
        ("while", Scope::Loop),
        ("loop", Scope::Loop),
        ("try", Scope::Plain),
        ("match", Scope::Plain),
        ("export-env", Scope::Plain),
        ("def", Scope::Function),
    ]),
    pipes: &["o+e>|", "e+o>|", "e>|", "|"],
    redirections: &[
        "o+e>>",
        "o+e>",
        "e+o>>",
        "e+o>",
        "out+err>>",
        "out+err>",
        "err+out>>",
        "err+out>",
        "out>>",
        "out>",
        "err>>",
        "err>",
        "o>>",
        "o>",
        "e>>",
        "e>",
    ],
    nowhere: "/dev/null",
    has_descriptors: false,
    assignment: Some(assignment),
    setters: &[("let-env", let_env), ("load-env", load_env), ("hide-env", hide_env)],
    expressions: b"$([{\"'",
    silent: &[
        "if",
        "for",
        "while",
        "loop",
        "try",
        "match",
        "def",
        "let",
        "mut",
        "const",
        "alias",
        "hide",
        "print",
        "echo",
        "return",
        "break",
        "continue",
        "error",
        "ignore",
        "default",
        "export-env",
        "is-empty",
        "is-not-empty",
    ],
    reasons: &[("alias", Reason::Alias), ("with-env", Reason::InlinePrefix)],
    has_operators: false,
    operators_continue: true,
    pipes_lead: true,
    comments_continue: false,
    continues: None,
    calls: false,
    caret: Some("^"),
    hushes: &[],
    background: Reason::Background,
    grammar: None,
    lost: Lost::File,
    posix: None,
};

// `$env.NAME = value`
fn assignment<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Option<Seen> {
    let [target, sign, values @ ..] = words else { return None };
    let name = target.variable()?;
    // The name begins behind `$env.` and a quote; a `?` behind it makes no difference.
    let start = target.span.start + "$env.".len();
    let start = start + usize::from(matches!(reader.bytes[start], b'"' | b'\''));
    let name_span = start..start + name.len();
    let known = || Some((name.to_owned(), start));
    Some(match (sign.literal()?, values) {
        (b"=", [value]) => {
            if value.is_list() {
                let known = Named { name, at: start, direct: true };
                reader.look_into(value, Reason::Array, Some(known));
            }
            let value = value.value(0);
            let span = target.span.start..words.last()?.span.end;
            Seen::Setting(Form::NuEnv, vec![Name { span, name_span, name: name.to_owned(), value }])
        }
        (b"=", _) => Seen::Kept(known(), None),
        (b"+=" | b"++=", _) => {
            reader.added_to(name, start);
            Seen::Kept(known(), Some(Reason::Append))
        }
        _ => return None,
    })
}

// `let-env NAME = value`
fn let_env<'a>(_: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    match words {
        [name, sign, value] if sign.is(b"=") => match pair(name, Some(value)) {
            Some(name) => Seen::Setting(Form::LetEnv, vec![name]),
            None => Seen::Kept(None, None),
        },
        _ => Seen::Kept(words.first().and_then(|name| Some((name.name()?.to_owned(), name.span.start))), None),
    }
}

// `load-env {NAME: value, NAME: value}`
fn load_env<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    let [Word { items: Items::Record(entries), .. }] = words else {
        // It may set any.
        reader.programs += 1;
        return Seen::Kept(None, None);
    };
    let name = |(key, value): &(Word<'a>, Word<'a>)| {
        let name = pair(key, Some(value))?;
        Some(Name { span: entry(reader.bytes, &name.span), ..name })
    };
    match entries.iter().map(name).collect::<Option<Vec<Name>>>() {
        Some(names) if !names.is_empty() => Seen::Setting(Form::LoadEnv, names),
        _ => Seen::Kept(None, None),
    }
}

// `hide-env NAME ...`
fn hide_env<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    let names = words.iter().filter(|word| !word.text().starts_with(b"-"));
    unset(reader, names.map(unset_name).collect())
}

// An entry with the comma behind it, and with its line where it stands alone on one.
fn entry(bytes: &[u8], span: &Span) -> Span {
    let blanks = |from: usize| bytes[from..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let comma = span.end + blanks(span.end);
    let end = if bytes.get(comma) == Some(&b',') { comma + 1 } else { span.end };
    let before = bytes[..span.start].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let start = span.start - before;
    let rest = &bytes[end + blanks(end)..];
    let line_end = if rest.starts_with(b"\r\n") { 2 } else { usize::from(rest.starts_with(b"\n")) };
    if line_end > 0 && bytes[..start].ends_with(b"\n") {
        return start..bytes.len() - rest.len() + line_end;
    }
    span.start..end
}

// One word, list, record or block.
fn word<'a>(reader: &mut Reader<'a>) -> Result<Word<'a>> {
    let start = reader.at;
    match reader.peek() {
        Some(b'[') => return reader.nested(list),
        Some(b'{') => return reader.nested(braces),
        _ => {}
    }
    let mut word = Draft::new(reader.bytes, start);
    let mut parts = 0;
    while let Some(byte) = reader.peek() {
        let at = reader.at;
        let is_part = match byte {
            b' ' | b'\t' | b'\n' => break,
            b'\r' if reader.line_end().is_some() => break,
            b'(' => {
                subexpression(reader, &mut word)?;
                true
            }
            _ if reader.language.ends.contains(&byte) || reader.ends.contains(&byte) => break,
            b'\'' | b'`' => {
                raw(reader, &mut word, &[byte], 1)?;
                true
            }
            b'"' => {
                reader.at += 1;
                escaped(reader, &mut word, b'"', false)?;
                true
            }
            b'$' => {
                dollar(reader, &mut word, at == start)?;
                true
            }
            b'r' if at == start && raw_mark(reader.rest()) > 0 => {
                let marks = raw_mark(reader.rest());
                let end = [b"'".as_slice(), &b"#".repeat(marks)].concat();
                raw(reader, &mut word, &end, marks + 2)?;
                true
            }
            b'*' | b'?' | b'~' => {
                word.push_pattern(byte, at);
                reader.at += 1;
                false
            }
            _ => {
                word.push(byte, at);
                reader.at += 1;
                false
            }
        };
        // A string is a word by itself, or the value of `NAME=` before a command.
        parts += usize::from(is_part);
        let before = &reader.bytes[start..at];
        let is_value = || before.strip_suffix(b"=").is_some_and(|name| identifier(name).is_some());
        if is_part && (at > start && !is_value() || parts > 1) || parts == 1 && !is_part {
            word.vary();
        }
    }
    Ok(word.finish(start..reader.at))
}

// How many `#` stand in `r#'`.
fn raw_mark(rest: &[u8]) -> usize {
    let marks = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + marks) == Some(&b'\'') { marks } else { 0 }
}

// A string without escapes, which begins behind `skip` bytes.
fn raw(reader: &mut Reader<'_>, word: &mut Draft<'_>, end: &[u8], skip: usize) -> Result<()> {
    word.quote();
    let from = reader.at + skip;
    let inside = reader.bytes.get(from..).unwrap_or_default();
    let size = memchr::memmem::find(inside, end).ok_or(Unreadable)?;
    inside[..size].iter().enumerate().for_each(|(offset, byte)| word.push(*byte, from + offset));
    if end == b"`" {
        word.vary();
    }
    reader.at = from + size + end.len();
    Ok(())
}

// The rest of a string with escapes, or of one with expressions in it.
fn escaped(reader: &mut Reader<'_>, word: &mut Draft<'_>, quote: u8, expands: bool) -> Result<()> {
    word.quote();
    loop {
        let at = reader.at;
        match reader.peek().ok_or(Unreadable)? {
            byte if byte == quote => break,
            b'\\' if quote == b'"' => {
                let rest = &reader.rest()[1..];
                let (size, bytes) = escape(rest, b"\"'\\/abefnrtu(){}$^#|~").ok_or(Unreadable)?;
                bytes.iter().for_each(|byte| word.push(*byte, at));
                reader.at += 1 + size;
            }
            b'(' if expands => subexpression(reader, word)?,
            byte => {
                word.push(byte, at);
                reader.at += 1;
            }
        }
    }
    reader.at += 1;
    Ok(())
}

// `$"..."`, `$'...'`, `$name.field`; of these, `$env.NAME` and `$env."NAME"` by themselves are a variable.
fn dollar(reader: &mut Reader<'_>, word: &mut Draft<'_>, is_first: bool) -> Result<()> {
    let at = reader.at;
    if let Some(quote @ (b'"' | b'\'')) = reader.rest().get(1) {
        reader.at += 2;
        return escaped(reader, word, *quote, true);
    }
    let is_path = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_.-?!".contains(byte);
    let rest = reader.rest();
    let quoted = rest.strip_prefix(b"$env.").and_then(quoted_name);
    let size = quoted.map_or(1, |name| b"$env.''".len() + name.len());
    let size = size + rest[size..].iter().take_while(is_path).count();
    let path = rest[..size].strip_prefix(b"$env.");
    let name = path.map(|path| path.strip_suffix(b"?").unwrap_or(path));
    let name = name.map(|name| quoted.filter(|quoted| quoted.len() + 2 == name.len()).unwrap_or(name));
    let name = name.and_then(identifier).filter(|_| is_first);
    word.expand(name.map_or(Expansion::Other, |name| Expansion::Variable(name.to_owned())), at);
    reader.at += size;
    Ok(())
}

// The name in `$env."NAME"`, for which no escape is needed.
fn quoted_name(rest: &[u8]) -> Option<&[u8]> {
    let quote = rest.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let size = rest[1..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    (rest.get(1 + size) == Some(quote)).then(|| &rest[1..1 + size])
}

// The commands in brackets run wherever the word is read.
fn subexpression(reader: &mut Reader<'_>, word: &mut Draft<'_>) -> Result<()> {
    let at = reader.at;
    reader.enclosed()?;
    match reader.bytes[at + 1..reader.at - 1].trim_ascii() {
        b"$env.HOME" | b"$nu.home-path" => word.expand(Expansion::Home, at),
        _ => word.substitute(at..reader.at, at),
    }
    Ok(())
}

fn list<'a>(reader: &mut Reader<'a>) -> Result<Word<'a>> {
    let start = reader.at;
    reader.at += 1;
    let mut items = Vec::new();
    while !entries_end(reader, b"]")? {
        // Types of parameters, and the names of a table's columns.
        if !reader.takes(b":") && !reader.takes(b";") && !reader.takes(b"|") {
            let item = reader.ending(b",", word)?;
            if item.span.is_empty() {
                return Err(Unreadable);
            }
            reader.keep(item, &mut items);
        }
    }
    Ok(Word::list(start..reader.at, Items::List(items)))
}

// Whether a list or a record ends here, behind blanks, line ends, comments and commas.
fn entries_end(reader: &mut Reader<'_>, close: &[u8]) -> Result<bool> {
    reader.line_ends()?;
    while reader.takes(b",") {
        reader.line_ends()?;
    }
    Ok(reader.takes(close))
}

// `{|x| ... }`, `{name: value}` or `{ ... }`.
fn braces<'a>(reader: &mut Reader<'a>) -> Result<Word<'a>> {
    let start = reader.at;
    reader.at += 1;
    reader.line_ends()?;
    if reader.takes(b"|") {
        // The parameters.
        reader.at += reader.rest().iter().position(|byte| *byte == b'|').ok_or(Unreadable)? + 1;
        return reader.block(start, Scope::Function);
    }
    if !is_record(reader.rest()) {
        return reader.block(start, reader.block_scope);
    }
    let mut entries = Vec::new();
    while !entries_end(reader, b"}")? {
        let key = reader.ending(b",:", word)?;
        reader.blanks();
        let spreads = key.text().starts_with(b"...");
        if key.span.is_empty() || !spreads && !reader.takes(b":") {
            return Err(Unreadable);
        }
        reader.line_ends()?;
        let value =
            if spreads { Word::list(key.span.clone(), Items::List(vec![])) } else { reader.ending(b",", word)? };
        if value.span.is_empty() {
            return Err(Unreadable);
        }
        reader.keep_entry((key, value), &mut entries);
    }
    Ok(Word::list(start..reader.at, Items::Record(entries)))
}

// By the first entry alone, whose name is a string or a bare word.
fn is_record(rest: &[u8]) -> bool {
    let key = match rest.first() {
        Some(b'}') => return true,
        Some(quote @ (b'"' | b'\'' | b'`')) => {
            let size = rest[1..].iter().take(256).position(|byte| byte == quote);
            size.map_or(0, |size| size + 2)
        }
        _ => rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.$?".contains(byte)).count(),
    };
    key > 0 && (rest[key..].trim_ascii_start().starts_with(b":") || rest.starts_with(b"..."))
}

#[cfg(test)]
mod tests;
