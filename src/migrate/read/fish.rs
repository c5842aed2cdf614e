//! fish: `config.fish`, `conf.d`, functions.
//!
//! Facts of the language: <https://fishshell.com/docs/current/language.html> and `set`'s page.

use super::confirm::Grammar;
use super::language::{Construct, End, Language, Lost, Section};
use super::setters::{Seen, assigned, bare, empty, unset, unset_name};
use super::word::{Draft, Expansion, Word, escape};
use super::{Reader, Result, Unreadable};
use crate::migrate::heuristics::identifier;
use crate::migrate::model::{Form, Node, Reason, Scope, Word as Name};

pub(super) static LANGUAGE: Language = Language {
    filler: "true",
    ignores_case: false,
    continuation: Some(b'\\'),
    block_comment: None,
    ends: b";&|<>()",
    word,
    constructs: &[
        (
            "if",
            plain(&[
                Section::Test(1),
                Section::Body(&[End(&["else", "if"], Some(0)), End(&["else"], Some(2)), End(&["end"], None)]),
                Section::Body(&[End(&["end"], None)]),
            ]),
        ),
        ("while", looped(&[Section::Test(1), Section::Body(&[End(&["end"], None)])])),
        ("for", looped(&[Section::Head(1), Section::Body(&[End(&["end"], None)])])),
        ("switch", plain(&[Section::Head(1), Section::Arms(&["case"], "end")])),
        ("begin", Construct::Special(begin)),
        ("{", plain(&[Section::Body(&[End(&["}"], None)])])),
        (
            "function",
            Construct::Sections {
                guard: None,
                scope: Scope::Function,
                sections: &[Section::Head(1), Section::Body(&[End(&["end"], None)])],
            },
        ),
    ],
    closing: &["end", "else", "case", "}"],
    not: &["not", "!"],
    joins: &["and", "or"],
    prefixes: &["builtin"],
    assigns: true,
    has_subshells: false,
    blocks: None,
    pipes: &["&|", "|", ">|", "2>|"],
    assignment: None,
    redirections: &["&>>", "&>", ">>", ">&", ">?", ">", "<&", "<?", "<"],
    nowhere: "/dev/null",
    has_descriptors: true,
    setters: &[("set", set), ("export", export)],
    expressions: b"",
    silent: &["test", "[", ":", "true", "false", "echo", "printf", "return", "break", "continue", "type"],
    reasons: &[
        ("alias", Reason::Alias),
        ("abbr", Reason::Alias),
        ("env", Reason::InlinePrefix),
        ("eval", Reason::Substitution),
    ],
    has_operators: true,
    operators_continue: true,
    pipes_lead: false,
    comments_continue: true,
    continues: None,
    calls: false,
    caret: None,
    hushes: &[],
    background: Reason::Argument,
    grammar: Some(Grammar {
        language: tree_sitter_fish::language,
        statements: &["command"],
        prepare: |text| {
            // To the grammar a caret is still a redirection; fish has taken it for a letter since 3.3.
            text.iter_mut().filter(|byte| **byte == b'^').for_each(|byte| *byte = b'_');
            // The grammar wants every statement ended, and a file's last line need not be.
            text.push(b'\n');
        },
    }),
    lost: Lost::File,
    posix: None,
};

const fn plain(sections: &'static [Section]) -> Construct {
    Construct::Sections { guard: None, scope: Scope::Plain, sections }
}

const fn looped(sections: &'static [Section]) -> Construct {
    Construct::Sections { guard: None, scope: Scope::Loop, sections }
}

// `set`'s long options, and the short ones they stand for; a prefix that fits only one will do.
const LONG: &[(&str, u8)] = &[
    ("append", b'a'),
    ("erase", b'e'),
    ("export", b'x'),
    ("function", b'f'),
    ("global", b'g'),
    ("help", b'h'),
    ("local", b'l'),
    ("long", b'L'),
    ("names", b'n'),
    ("no-event", b'o'),
    ("path", b'P'),
    ("prepend", b'p'),
    ("query", b'q'),
    ("show", b'S'),
    ("unexport", b'u'),
    ("universal", b'U'),
    ("unpath", b'Q'),
];

// `set`'s flags as short letters, and the words from the name on. Nothing where a flag is not known.
fn parse_flags<'w, 'a>(words: &'w [Word<'a>]) -> Option<(Vec<u8>, &'w [Word<'a>])> {
    let mut flags = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let text = word.text();
        if text == b"--" {
            return Some((flags, &words[at + 1..]));
        }
        if word.literal().is_none() || !text.starts_with(b"-") || text.len() < 2 {
            return Some((flags, &words[at..]));
        }
        match text.strip_prefix(b"--") {
            Some(long) => {
                let exact = LONG.iter().find(|(name, _)| name.as_bytes() == long);
                let mut fitting = LONG.iter().filter(|(name, _)| name.as_bytes().starts_with(long));
                let only = || fitting.next().filter(|_| fitting.next().is_none());
                flags.push(exact.or_else(only)?.1);
            }
            None => flags.extend_from_slice(&text[1..]),
        }
    }
    Some((flags, &[]))
}

fn set<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    let Some((flags, [name, values @ ..])) = parse_flags(words) else { return Seen::Kept(None, None) };
    let has = |letters: &[u8]| flags.iter().any(|flag| letters.contains(flag));
    if has(b"l") {
        reader.locals.push(reader.depth);
    }
    if has(b"e") && !has(b"q") {
        let names = words.iter().skip_while(|word| word.span.start < name.span.start).map(unset_name);
        return unset(reader, names.collect());
    }
    if let Some(text) = name.name().filter(|_| !has(b"aenhpqS") && values.len() < 2) {
        // Without a value the variable is emptied, not just declared.
        let value = values.first().map_or_else(|| empty(name.span.end), |value| value.value(0));
        let end = values.last().unwrap_or(name).span.end;
        let name = Name { span: name.span.start..end, name_span: name.span.clone(), name: text.to_owned(), value };
        return Seen::Setting(Form::Set, vec![name]);
    }
    let end = name.text().iter().position(|byte| *byte == b'[').unwrap_or(name.text().len());
    let known = identifier(&name.text()[..end]).map(|known| (known.to_owned(), name.span.start));
    let known = known.filter(|_| !has(b"hnqS"));
    if let Some((known, at)) = known.clone().filter(|_| has(b"ap")) {
        reader.added_to(&known, at);
    }
    // More than one value is a list, and no key.
    let is_list = has(b"ap") || values.len() > 1 || end < name.text().len();
    Seen::Kept(known, is_list.then_some(Reason::Array))
}

// fish's `export NAME=value ...`, a function around `set -gx`.
fn export<'a>(_: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    let name = |word: &Word<'_>| assigned(word).or_else(|| bare(word));
    match words.iter().map(name).collect::<Option<Vec<Name>>>() {
        Some(names) if !names.is_empty() => Seen::Setting(Form::Export, names),
        _ => Seen::Kept(None, None),
    }
}

// `begin ... end` is plain code, unless it hides a variable from the rest to run a program with it.
fn begin(reader: &mut Reader<'_>) -> Result<Node> {
    let (start, outer) = (reader.at, reader.locals.len());
    reader.at += b"begin".len();
    let mut body = reader.body(Scope::Plain)?;
    if !reader.takes_word("end") {
        return Err(Unreadable);
    }
    // Of a list, its statement, and the command in it.
    let direct = reader.depth + 2;
    let has_local = reader.locals.drain(outer..).any(|depth| depth == direct);
    if has_local && (body.runs || body.starts) {
        body.scope = Scope::Subshell;
    }
    reader.compound(start, vec![body])
}

// One word. `{a,b}` stands for two; without a comma the braces are themselves.
fn word<'a>(reader: &mut Reader<'a>) -> Result<Word<'a>> {
    let start = reader.at;
    let mut word = Draft::new(reader.bytes, start);
    let mut braces = 0usize;
    while let Some(byte) = reader.peek() {
        let at = reader.at;
        match byte {
            b'\'' | b'"' => quoted(reader, &mut word, byte)?,
            b'\\' => escaped(reader, &mut word),
            b'$' => variable(reader, &mut word)?,
            b'(' => substitution(reader, &mut word)?,
            b'\n' | b')' => break,
            b'\r' if reader.line_end().is_some() => break,
            b' ' | b'\t' | b';' | b'&' | b'|' | b'<' | b'>' if braces == 0 => break,
            _ => {
                braces += usize::from(byte == b'{');
                let closes = usize::from(byte == b'}');
                braces = braces.checked_sub(closes).ok_or(Unreadable)?;
                // Of a file pattern, what comes out depends on the directory.
                let is_home = byte == b'~' && at == start;
                let is_own = || reader.rest().get(1).is_none_or(|next| b"/ \t\r\n;&|<>)".contains(next));
                if is_home && is_own() {
                    word.expand(Expansion::Home, at);
                } else if matches!(byte, b'?' | b'*') || is_home || byte == b',' && braces > 0 {
                    word.push_pattern(byte, at);
                } else {
                    word.push(byte, at);
                }
                reader.at += 1;
            }
        }
    }
    if braces > 0 {
        return Err(Unreadable);
    }
    Ok(word.finish(start..reader.at))
}

fn quoted(reader: &mut Reader<'_>, word: &mut Draft<'_>, quote: u8) -> Result<()> {
    word.quote();
    reader.at += 1;
    loop {
        let at = reader.at;
        match (reader.peek().ok_or(Unreadable)?, reader.rest().get(1)) {
            (byte, _) if byte == quote => {
                reader.at += 1;
                return Ok(());
            }
            (b'\\', Some(b'\n')) if quote == b'"' => reader.at += 2,
            (b'\\', Some(next @ (b'\\' | b'$'))) if quote == b'"' => {
                word.push(*next, at);
                reader.at += 2;
            }
            (b'\\', Some(next)) if *next == quote || *next == b'\\' => {
                word.push(*next, at);
                reader.at += 2;
            }
            (b'$', Some(b'(')) if quote == b'"' => {
                reader.at += 1;
                substitution(reader, word)?;
            }
            (b'$', _) if quote == b'"' => variable(reader, word)?,
            (byte, _) => {
                word.push(byte, at);
                reader.at += 1;
            }
        }
    }
}

fn escaped(reader: &mut Reader<'_>, word: &mut Draft<'_>) {
    let at = reader.at;
    word.quote();
    let (size, bytes) = match &reader.rest()[1..] {
        [] => (0, vec![b'\\']),
        [b'\n', ..] => (1, vec![]),
        [b'c', letter, ..] => (2, vec![letter & 0x1f]),
        rest => escape(rest, b"abefnrtv0xXuU").unwrap_or((1, vec![rest[0]])),
    };
    bytes.iter().for_each(|byte| word.push(*byte, at));
    reader.at += 1 + size;
}

// `$name`, `$name[1]`, `$$name`. A `$` by itself is an error.
fn variable(reader: &mut Reader<'_>, word: &mut Draft<'_>) -> Result<()> {
    let at = reader.at;
    let signs = reader.rest().iter().take_while(|byte| **byte == b'$').count();
    let rest = &reader.rest()[signs..];
    // Letters of any script.
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_' || !byte.is_ascii();
    let size = rest.iter().take_while(is_part).count();
    if size == 0 {
        return Err(Unreadable);
    }
    let name = String::from_utf8_lossy(&rest[..size]).into_owned();
    reader.at += signs + size;
    let is_whole = signs == 1 && reader.peek() != Some(b'[');
    index(reader)?;
    word.expand(if is_whole { Expansion::Variable(name) } else { Expansion::Other }, at);
    Ok(())
}

// `[...]` behind a variable or a substitution.
fn index(reader: &mut Reader<'_>) -> Result<()> {
    let mut inside = Draft::new(reader.bytes, reader.at);
    while reader.takes(b"[") {
        loop {
            match reader.peek().ok_or(Unreadable)? {
                b']' => break,
                b'\n' => return Err(Unreadable),
                b'(' => substitution(reader, &mut inside)?,
                b'$' => reader.nested(|reader| variable(reader, &mut inside))?,
                quote @ (b'\'' | b'"') => quoted(reader, &mut inside, quote)?,
                _ => reader.at += 1,
            }
        }
        reader.at += 1;
    }
    Ok(())
}

// The commands in brackets run wherever the word is read.
fn substitution(reader: &mut Reader<'_>, word: &mut Draft<'_>) -> Result<()> {
    let at = reader.at;
    reader.enclosed()?;
    word.substitute(at..reader.at, at);
    index(reader)
}

// The shells themselves are asked, and Windows has none of them.
#[cfg(all(test, unix))]
mod tests;
