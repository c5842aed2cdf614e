//! PowerShell's words: strings, variables, types, lists, blocks, and what may be glued to them.

use crate::migrate::heuristics::identifier;
use crate::migrate::model::{Node, Reason};
use crate::migrate::read::word::{Code, Draft, Expansion, Items, Word, escape};
use crate::migrate::read::{Reader, Result, Unreadable};

// Types whose static methods start nothing.
const HARMLESS_TYPES: &[&str] = &["environment", "console", "string", "convert", "math", "datetime"];

const LONGEST_CALLEE: usize = 256;

/// The kind and the length of the quote that the text begins with. PowerShell takes typographic ones for plain ones.
pub(super) fn quote(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'\'', ..] => Some((b'\'', 1)),
        [b'"', ..] => Some((b'"', 1)),
        [0xe2, 0x80, 0x98..=0x9b, ..] => Some((b'\'', 3)),
        [0xe2, 0x80, 0x9c..=0x9e, ..] => Some((b'"', 3)),
        _ => None,
    }
}

/// One word: a token of a command, an operator, or an operand with all that is glued to it.
pub(super) fn word<'a>(reader: &mut Reader<'a>) -> Result<Word<'a>> {
    let start = reader.at;
    let rest = reader.rest();
    let mut word = Draft::new(reader.bytes, reader.at);
    match rest {
        [b'<', b'#', ..] => return Err(Unreadable),
        [b'{', ..] => {
            reader.at += 1;
            return reader.block(start, reader.block_scope);
        }
        [b'@', b'{', ..] => return reader.nested(map),
        // What follows is called.
        [b'&', ..] => {
            word.push(b'&', start);
            reader.at += 1;
            return Ok(word.finish(start..reader.at));
        }
        _ => {}
    }
    if let Some(size) = operator(rest) {
        rest[..size].iter().enumerate().for_each(|(offset, byte)| word.push(*byte, start + offset));
        reader.at += size;
        return Ok(word.finish(start..reader.at));
    }
    let mut items = Items::None;
    // Whether what was read last is an operand, to which a member, an index or arguments may be glued.
    let mut is_operand = false;
    // Whether nothing but types stands before.
    let mut is_first = true;
    while let Some(byte) = reader.peek() {
        let at = reader.at;
        let rest = reader.rest();
        match rest {
            [b' ' | b'\t' | b'\n' | b';' | b'|' | b'&' | b')' | b'}' | b',' | b']', ..] => break,
            _ if reader.line_end().is_some() || reader.continued().is_some() => break,
            [b'{', ..] => break,
            _ if is_operand && operator(rest).is_some() => break,
            _ if quote(rest).is_some() => {
                if !is_first {
                    word.vary();
                }
                string(reader, &mut word)?;
            }
            [b'@', quoted @ ..] if is_first && here_begins(quoted) => here(reader, &mut word)?,
            [b'@', b'(', ..] if is_first => {
                reader.at += 1;
                reader.enclosed()?;
                word.code(Code { span: at..reader.at, reason: Some(Reason::Array), is_direct: true }, at);
            }
            [b'$', b'(', ..] => {
                reader.at += 1;
                reader.enclosed()?;
                word.code(Code { span: at..reader.at, reason: Some(Reason::Substitution), is_direct: true }, at);
            }
            [b'$', ..] => variable(reader, &mut word),
            [b'[', ..] if is_first => {
                is_operand = cast(reader, &mut word)?;
                is_first = !is_operand;
                continue;
            }
            [b'[', ..] if is_operand => {
                items = Items::List(reader.nested(|reader| bracketed(reader, b']'))?);
                word.vary();
            }
            // The type of a list, or of what one holds: `[string[]]`, `[List[string]]`.
            [b'[', ..] if !is_first && !is_operand && type_arguments(rest) > 0 => {
                for (offset, byte) in rest[..type_arguments(rest)].iter().enumerate() {
                    word.push(*byte, at + offset);
                }
                reader.at += type_arguments(rest);
                continue;
            }
            [b'(', ..] if is_operand => {
                count_call(reader, start..at);
                items = Items::List(reader.nested(|reader| bracketed(reader, b')'))?);
                word.vary();
            }
            [b'(', ..] if is_first => group(reader, &mut word)?,
            [b'(', ..] => break,
            [b'`', escaped, ..] => {
                word.quote();
                word.push(*escaped, at);
                reader.at += 2;
                is_first = false;
                continue;
            }
            // `-Name:value` are two words.
            [b':', ..] if !is_operand && word.begins_with(b"-") => {
                word.push(byte, at);
                reader.at += 1;
                break;
            }
            _ => {
                is_first = false;
                if matches!(byte, b'*' | b'?') {
                    word.push_pattern(byte, at);
                } else {
                    word.push(byte, at);
                }
                if is_operand {
                    word.vary();
                    member(reader, &mut word);
                } else {
                    reader.at += 1;
                }
                continue;
            }
        }
        is_operand = true;
        is_first = false;
    }
    let mut word = word.finish(start..reader.at);
    word.items = items;
    Ok(word)
}

// The length of an operator that is a word by itself wherever one may begin.
pub(super) fn operator(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'?', b'?', b'=', ..] => Some(3),
        [b'?', b'?', ..] | [b'+' | b'-' | b'*' | b'/' | b'%', b'=', ..] => Some(2),
        [b'=' | b',', ..] => Some(1),
        _ => None,
    }
}

// `.name`, `::name` and any other sign behind an operand.
fn member(reader: &mut Reader<'_>, word: &mut Draft<'_>) {
    reader.at += 1;
    while let Some(byte) = reader.peek().filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':')) {
        word.push(byte, reader.at);
        reader.at += 1;
    }
}

// A method may start a program, but for the static ones of a few types.
fn count_call(reader: &mut Reader<'_>, callee: std::ops::Range<usize>) {
    // No harmless one is longer, and a chain of calls takes no look at all of it for each.
    if callee.len() > LONGEST_CALLEE {
        reader.programs += 1;
        return;
    }
    let text = String::from_utf8_lossy(&reader.bytes[callee]).to_ascii_lowercase();
    let owner = text.rsplit_once("::").map_or("", |(owner, _)| owner);
    let owner = owner.rsplit(']').find(|part| !part.trim().is_empty()).unwrap_or_default();
    let owner = owner.trim().trim_start_matches('[').trim().trim_start_matches("system.");
    reader.programs += usize::from(!HARMLESS_TYPES.contains(&owner));
}

// How long the brackets behind a type's name are; nothing where they are something else.
fn type_arguments(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in rest.iter().enumerate().take(LONGEST_CALLEE) {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 1 => return at + 1,
            b']' => depth -= 1,
            b'.' | b',' | b'_' | b'+' => {}
            byte if byte.is_ascii_alphanumeric() => {}
            _ => return 0,
        }
    }
    0
}

// `[type]` before an operand, or as one.
fn cast(reader: &mut Reader<'_>, word: &mut Draft<'_>) -> Result<bool> {
    let (start, programs) = (reader.at, reader.programs);
    reader.nested(|reader| bracketed(reader, b']'))?;
    // The arguments of an attribute are no commands.
    reader.programs = programs;
    let is_string = reader.bytes[start..reader.at].eq_ignore_ascii_case(b"[string]");
    let end = reader.at;
    reader.blanks();
    let rest = reader.rest();
    let is_operand = matches!(rest, [b'$' | b'(' | b'[' | b'@', ..]) || quote(rest).is_some();
    if !is_operand {
        reader.at = end;
        reader.bytes[start..end].iter().enumerate().for_each(|(offset, byte)| word.push(*byte, start + offset));
    }
    if !(is_operand && is_string) {
        word.vary();
    }
    Ok(!is_operand)
}

fn string(reader: &mut Reader<'_>, word: &mut Draft<'_>) -> Result<()> {
    word.quote();
    let (kind, size) = quote(reader.rest()).ok_or(Unreadable)?;
    reader.at += size;
    loop {
        let at = reader.at;
        let rest = reader.rest();
        match (quote(rest), rest) {
            (Some((closing, size)), _) if closing == kind => match quote(&rest[size..]) {
                // Doubled, it stands for itself.
                Some((again, more)) if again == kind => {
                    (0..more).for_each(|offset| word.push(rest[size + offset], at + size + offset));
                    reader.at += size + more;
                }
                _ => {
                    reader.at += size;
                    return Ok(());
                }
            },
            (_, []) => return Err(Unreadable),
            (_, [b'`', rest @ ..]) if kind == b'"' => {
                let letter = *rest.first().ok_or(Unreadable)?;
                let (size, bytes) = match letter {
                    b'0' => (1, vec![0]),
                    _ => escape(rest, b"abefnrtvu{").unwrap_or((1, vec![letter])),
                };
                bytes.iter().for_each(|byte| word.push(*byte, at));
                reader.at += 1 + size;
            }
            (_, [b'$', b'(', ..]) if kind == b'"' => {
                reader.at += 1;
                reader.enclosed()?;
                word.code(Code { span: at..reader.at, reason: Some(Reason::Substitution), is_direct: false }, at);
            }
            (_, [b'$', next, ..]) if kind == b'"' && (next.is_ascii_alphanumeric() || b"_{:".contains(next)) => {
                variable(reader, word);
            }
            (_, [byte, ..]) => {
                word.push(*byte, at);
                reader.at += 1;
            }
        }
    }
}

/// Reports whether a quote and the end of its line begin a here-string.
fn here_begins(quoted: &[u8]) -> bool {
    let rest = &quoted[quote(quoted).map_or(0, |(_, size)| size)..];
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
    quote(quoted).is_some() && rest.get(blanks) == Some(&b'\n')
}

fn here(reader: &mut Reader<'_>, word: &mut Draft<'_>) -> Result<()> {
    let start = reader.at;
    let (kind, _) = quote(&reader.rest()[1..]).ok_or(Unreadable)?;
    loop {
        let size = memchr::memchr(b'\n', reader.rest()).ok_or(Unreadable)?;
        reader.at += size + 1;
        if let Some((closing, size)) = quote(reader.rest())
            && closing == kind
            && reader.rest().get(size) == Some(&b'@')
        {
            reader.at += size + 1;
            word.code(Code { span: start..reader.at, reason: Some(Reason::HereDocument), is_direct: true }, start);
            return Ok(());
        }
    }
}

// `$name`, `$scope:name`, `${name}`, `$_` and the like.
fn variable(reader: &mut Reader<'_>, word: &mut Draft<'_>) {
    let at = reader.at;
    let rest = &reader.rest()[1..];
    let (inside, size) = match rest {
        [b'{', braced @ ..] => {
            let size = braced.iter().position(|byte| *byte == b'}').unwrap_or(braced.len());
            (&braced[..size], (size + 2).min(rest.len()))
        }
        _ => {
            let is_part = |at: usize| match rest.get(at) {
                Some(b':') => rest.get(at + 1).is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'_'),
                Some(byte) => byte.is_ascii_alphanumeric() || *byte == b'_',
                None => false,
            };
            let size = (0..).take_while(|at| is_part(*at)).count();
            (&rest[..size], size.max(usize::from(matches!(rest.first(), Some(b'$' | b'?' | b'^')))))
        }
    };
    let name = inside.iter().rposition(|byte| *byte == b':').map_or(0, |colon| colon + 1);
    let scopes: [&[u8]; 6] = [b"", b"env:", b"global:", b"script:", b"local:", b"private:"];
    let is_known = scopes.iter().any(|scope| inside[..name].eq_ignore_ascii_case(scope));
    let name = identifier(&inside[name..]).filter(|_| is_known);
    let is_home = |name: &str| {
        let is_environment = inside.len() > name.len() && inside[..4].eq_ignore_ascii_case(b"env:");
        name.eq_ignore_ascii_case("HOME") || is_environment && name.eq_ignore_ascii_case("USERPROFILE")
    };
    let expansion = match name {
        Some(name) if is_home(name) => Expansion::Home,
        Some(name) => Expansion::Variable(name.to_owned()),
        None => Expansion::Other,
    };
    word.expand(expansion, at);
    reader.at += 1 + size;
}

// `( ... )`: what stands in it, if that is one word.
fn group(reader: &mut Reader<'_>, word: &mut Draft<'_>) -> Result<()> {
    let (at, programs) = (reader.at, reader.programs);
    reader.single = None;
    let nodes = reader.enclosed()?;
    let single =
        reader.single.take().filter(|single| matches!(&nodes[..], [Node::Other(span)] if *span == single.span));
    match single {
        Some(single) if single.literal().is_some() => {
            word.quote();
            single.text().iter().enumerate().for_each(|(offset, byte)| word.push(*byte, single.place(offset)));
        }
        Some(single) if single.variable().is_some() => {
            let name = single.variable().unwrap_or_default().to_owned();
            word.expand(Expansion::Variable(name), at);
        }
        // What sets a variable is for the statement to say.
        _ if matches!(&nodes[..], [Node::Setting(_)]) => word.expand(Expansion::Other, at),
        _ => word.code(Code { span: at..reader.at, reason: None, is_direct: reader.programs == programs }, at),
    }
    reader.group = nodes;
    Ok(())
}

// The words in a pair of brackets, line ends, commas and operators among them.
fn bracketed<'a>(reader: &mut Reader<'a>, close: u8) -> Result<Vec<Word<'a>>> {
    reader.at += 1;
    let mut items = Vec::new();
    loop {
        reader.line_ends()?;
        match reader.peek().ok_or(Unreadable)? {
            byte if byte == close => break,
            b')' | b']' | b'}' => return Err(Unreadable),
            b';' | b'|' | b'&' => reader.at += 1,
            _ => {
                let item = word(reader)?;
                if item.span.is_empty() {
                    return Err(Unreadable);
                }
                reader.keep(item, &mut items);
            }
        }
    }
    reader.at += 1;
    Ok(items)
}

// `@{ name = value; name = value }`
fn map<'a>(reader: &mut Reader<'a>) -> Result<Word<'a>> {
    let start = reader.at;
    reader.at += 2;
    let mut entries = Vec::new();
    loop {
        reader.separators()?;
        if reader.takes(b"}") {
            return Ok(Word::list(start..reader.at, Items::Record(entries)));
        }
        let key = word(reader)?;
        reader.blanks();
        if key.span.is_empty() || !reader.takes(b"=") {
            return Err(Unreadable);
        }
        reader.line_ends()?;
        let from = reader.at;
        let mut values = Vec::new();
        while !matches!(reader.peek().ok_or(Unreadable)?, b'\n' | b';' | b'}') {
            match reader.peek() {
                Some(b'|' | b'&') => reader.at += 1,
                _ => {
                    let value = word(reader)?;
                    if value.span.is_empty() {
                        return Err(Unreadable);
                    }
                    reader.keep(value, &mut values);
                }
            }
            reader.blanks();
        }
        reader.keep_entry((key, Word::list(from..reader.at, Items::List(values))), &mut entries);
    }
}

/// Skips a statement that cannot be read, by its quotes, brackets and comments alone.
pub(super) fn skip(reader: &mut Reader<'_>) -> Result<()> {
    skip_to(reader, None)
}

fn skip_to(reader: &mut Reader<'_>, close: Option<u8>) -> Result<()> {
    let mut ignored = Draft::new(reader.bytes, reader.at);
    loop {
        reader.blanks();
        let rest = reader.rest();
        match rest {
            [] | [b'\n', ..] if close.is_none() => return Ok(()),
            [] | [b'<', b'#', ..] => return Err(Unreadable),
            [b'#', ..] | [b'\n', ..] => reader.line_ends()?,
            [b'@', quoted @ ..] if here_begins(quoted) => here(reader, &mut ignored)?,
            [b'`', ..] => reader.at = (reader.at + 2).min(reader.bytes.len()),
            [open @ (b'(' | b'{' | b'['), ..] => {
                let close = if *open == b'(' { b')' } else { open + 2 };
                reader.at += 1;
                reader.nested(|reader| skip_to(reader, Some(close)))?;
            }
            [byte @ (b')' | b'}' | b']'), ..] => {
                reader.at += 1;
                return if Some(*byte) == close { Ok(()) } else { Err(Unreadable) };
            }
            _ if quote(rest).is_some() => string(reader, &mut ignored)?,
            // A `#` within a word begins no comment.
            _ => {
                reader.at +=
                    rest.iter().skip(1).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'#').count() + 1
            }
        }
    }
}
