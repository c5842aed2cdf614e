//! PowerShell: profiles and scripts, of Windows' own and of the portable one.
//!
//! Facts: `about_Quoting_Rules`, `about_Special_Characters`, `about_Environment_Variables`.

mod grammar;
mod word;

use super::Reader;
use super::language::{Language, Lost};
use super::setters::{Seen, unset};
use super::word::{Items, Word};
use crate::migrate::heuristics::{Named, identifier};
use crate::migrate::model::{Form, Node, Reason, Scope, Value, Word as Name};
use word::{operator, skip, word};

pub(super) static LANGUAGE: Language = Language {
    // A block may be empty.
    filler: "",
    ignores_case: true,
    continuation: Some(b'`'),
    block_comment: Some(("<#", "#>")),
    ends: b";&|<>(){},",
    word,
    constructs: &[],
    closing: &["else", "elseif", "catch", "finally"],
    not: &[],
    joins: &[],
    prefixes: &["&", ".", "return", "throw", "exit"],
    assigns: false,
    has_subshells: false,
    blocks: Some(&[
        ("if", Scope::Plain),
        ("elseif", Scope::Plain),
        ("else", Scope::Plain),
        ("foreach", Scope::Loop),
        ("for", Scope::Loop),
        ("while", Scope::Loop),
        ("do", Scope::Loop),
        ("switch", Scope::Plain),
        ("try", Scope::Plain),
        ("trap", Scope::Plain),
        ("data", Scope::Plain),
        ("class", Scope::Plain),
        ("begin", Scope::Plain),
        ("process", Scope::Plain),
        ("end", Scope::Plain),
        ("dynamicparam", Scope::Plain),
    ]),
    pipes: &["|"],
    redirections: &["*>>", "*>&1", "*>", ">>", ">&", ">", "<"],
    nowhere: "$null",
    has_descriptors: true,
    assignment: Some(assignment),
    setters: &[
        ("setx", setx),
        ("setx.exe", setx),
        ("set-item", set_item),
        ("si", set_item),
        ("set-content", set_item),
        ("new-item", new_item),
        ("ni", new_item),
        ("remove-item", remove_item),
        ("clear-item", remove_item),
        ("cli", remove_item),
        ("ri", remove_item),
        ("rm", remove_item),
        ("del", remove_item),
    ],
    expressions: b"$('\"[@{-!+0123456789\xe2",
    silent: &[
        "if",
        "elseif",
        "else",
        "foreach",
        "for",
        "while",
        "do",
        "until",
        "switch",
        "default",
        "try",
        "catch",
        "finally",
        "trap",
        "data",
        "class",
        "enum",
        "function",
        "filter",
        "param",
        "begin",
        "process",
        "end",
        "dynamicparam",
        "return",
        "throw",
        "exit",
        "break",
        "continue",
        "using",
        "get-item",
        "get-command",
        "join-path",
        "gcm",
        "test-path",
        "set-variable",
        "sv",
        "new-variable",
        "remove-variable",
        "write-host",
        "write-output",
        "write",
        "echo",
        "write-verbose",
        "write-warning",
        "write-information",
        "write-debug",
        "write-error",
        "out-null",
    ],
    reasons: &[
        ("invoke-expression", Reason::Substitution),
        ("iex", Reason::Substitution),
        ("set-alias", Reason::Alias),
        ("sal", Reason::Alias),
        ("new-alias", Reason::Alias),
        ("nal", Reason::Alias),
    ],
    has_operators: true,
    operators_continue: true,
    pipes_lead: true,
    comments_continue: false,
    continues: Some(continues),
    calls: true,
    caret: None,
    hushes: &["out-null"],
    background: Reason::Argument,
    grammar: Some(grammar::GRAMMAR),
    lost: Lost::Statement(skip),
    posix: None,
};

// Whether an operand has to follow, or a part of the construct stands on the next line.
fn continues<'a>(reader: &Reader<'a>, words: &[Word<'a>]) -> bool {
    let Some(last) = words.last() else { return false };
    if operator(last.text()) == Some(last.text().len()) && !last.is_quoted() {
        return true;
    }
    let mut ahead = reader.ahead(reader.at);
    if ahead.line_ends().is_err() {
        return false;
    }
    let next = String::from_utf8_lossy(ahead.keyword()).to_ascii_lowercase();
    let behind_a_block = reader.bytes[..last.span.end].ends_with(b"}");
    let first = String::from_utf8_lossy(words[0].text()).to_ascii_lowercase();
    let opens = ["function", "filter", "catch", "finally"].contains(&first.as_str())
        || LANGUAGE.blocks.unwrap_or_default().iter().any(|(name, _)| *name == first);
    match ahead.peek() {
        Some(b'{') => opens,
        Some(b'.') => ahead.rest().get(1).is_some_and(u8::is_ascii_alphabetic) && !opens,
        _ if !behind_a_block => false,
        _ if first == "do" => matches!(next.as_str(), "while" | "until"),
        _ => opens && matches!(next.as_str(), "else" | "elseif" | "catch" | "finally"),
    }
}

// `$env:NAME = value`, `[Environment]::SetEnvironmentVariable('NAME', 'value')`, `[void](...)`, `$null = ...`.
fn assignment<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Option<Seen> {
    if let Some(seen) = list_assignment(reader, words) {
        return Some(seen);
    }
    let (target, sign, values) = match words {
        [only] => return invocation(reader, only),
        [target, sign, values @ ..] => (target, sign.literal()?, values),
        [] => return None,
    };
    if !reader.is_expression(target) || !matches!(sign, b"=" | b"??=" | b"+=" | b"-=" | b"*=" | b"/=" | b"%=") {
        return None;
    }
    let is_command = values.first().is_some_and(|word| !reader.is_expression(word));
    reader.programs += usize::from(values.first().is_some_and(|word| reader.runs_a_program(word)));
    let raw = &reader.bytes[target.span.clone()];
    if raw.eq_ignore_ascii_case(b"$null") && sign == b"=" {
        // It only hushes what follows.
        let only = if let [only] = values { invocation(reader, only) } else { None };
        return Some(only.or_else(|| reader.seen(values)).unwrap_or(Seen::Kept(None, None)));
    }
    let is_environment = raw.to_ascii_lowercase().windows(4).any(|part| part == b"env:");
    let Some((name, start)) = target_of(reader, target) else {
        let element = match &target.items {
            Items::List(items) => items.first().and_then(|index| Some((index.name()?.to_owned(), index.place(0)))),
            _ => None,
        };
        let reason = element.as_ref().map(|_| Reason::Array);
        return Some(Seen::Kept(element, reason));
    };
    // What is called or looked up with the words gives the value.
    let is_direct = !is_command && !values.iter().any(Word::is_list);
    let known = Named { name: &name, at: start, direct: is_direct };
    let reason = if sign == b"=" || sign == b"??=" { Reason::Argument } else { Reason::Append };
    if reason == Reason::Append {
        reader.added_to(&name, start);
        return Some(Seen::Kept(Some((name, start)), Some(reason)));
    }
    // Set to nothing, a variable of the environment is removed.
    let is_null = |word: &Word<'_>| reader.bytes[word.span.clone()].eq_ignore_ascii_case(b"$null");
    let value = match values {
        [only] if is_environment && is_null(only) => Value::Unset,
        _ => value(reader, values),
    };
    if matches!(value, Value::Dynamic) {
        values.iter().for_each(|word| reader.look_into(word, reason, Some(known)));
    }
    let name_span = start..start + name.len();
    let span = start..words.last()?.span.end;
    let form = if is_environment { Form::PsEnv } else { Form::Assign };
    Some(Seen::Setting(form, vec![Name { span, name_span, name, value }]))
}

// `$env:A, $env:B = 'k', 'l'`: each value goes by its own name.
fn list_assignment<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Option<Seen> {
    let is = |word: &Word<'_>, sign: &[u8]| word.is(sign) && !word.is_quoted();
    let sign = words.iter().position(|word| is(word, b"="))?;
    let (targets, values) = (&words[..sign], &words[sign + 1..]);
    if targets.len() < 3 || !targets[1..].iter().step_by(2).all(|word| is(word, b",")) {
        return None;
    }
    let names: Vec<Option<(String, usize)>> =
        targets.iter().step_by(2).map(|target| target_of(reader, target)).collect();
    for (place, values) in values.split(|word| is(word, b",")).enumerate() {
        let own = names.get(place).or(names.last()).and_then(Option::as_ref);
        let known = own.map(|(name, at)| Named { name, at: *at, direct: true });
        values.iter().for_each(|word| reader.look_into(word, Reason::Argument, known));
    }
    Some(Seen::Reported)
}

// The variable that is assigned to, a type before it allowed: its name without scope or drive, and its place.
fn target_of(reader: &Reader<'_>, target: &Word<'_>) -> Option<(String, usize)> {
    let name = target.variable()?;
    let raw = &reader.bytes[target.span.clone()];
    let at = raw.windows(name.len()).rposition(|part| part == name.as_bytes())?;
    Some((name.to_owned(), target.span.start + at))
}

// What the words behind a sign come to.
fn value(reader: &Reader<'_>, words: &[Word<'_>]) -> Value {
    match words {
        [value] if reader.is_expression(value) => valued(value),
        // `Join-Path $HOME '.claude'`
        [join, home, leaf] if reader.is_called(join.literal().unwrap_or_default(), "join-path") => {
            let leaf = leaf.literal().and_then(|leaf| std::str::from_utf8(leaf).ok());
            match (home.path_at_home(0, b"/\\"), leaf) {
                (Some(home), Some(leaf)) => Value::Path(format!("{home}/{}", leaf.replace('\\', "/"))),
                _ => Value::Dynamic,
            }
        }
        // `$env:A ?? 'k'`
        [variable, sign, value] if sign.is(b"??") => match (variable.variable(), value.value(0)) {
            (Some(name), Value::Literal(text, span)) => Value::Default(name.to_owned(), text, span),
            _ => Value::Dynamic,
        },
        _ => Value::Dynamic,
    }
}

// What a word comes to; a path's parts may have either sign between them.
fn valued(word: &Word<'_>) -> Value {
    word.path_at_home(0, b"/\\").map_or_else(|| word.value(0), Value::Path)
}

fn invocation<'a>(reader: &mut Reader<'a>, word: &Word<'a>) -> Option<Seen> {
    let raw = &reader.bytes[word.span.clone()];
    let raw: Vec<u8> = raw.iter().filter(|byte| !byte.is_ascii_whitespace()).map(u8::to_ascii_lowercase).collect();
    if raw.starts_with(b"[void](") || raw.starts_with(b"(") {
        // What the brackets hold sets a variable, and nothing comes of it.
        return match reader.group.pop() {
            Some(Node::Setting(setting)) if reader.group.is_empty() => Some(Seen::Setting(setting.form, setting.words)),
            _ => None,
        };
    }
    let raw = raw.strip_prefix(b"[void]").unwrap_or(&raw);
    let callees: [&[u8]; 2] =
        [b"[environment]::setenvironmentvariable(", b"[system.environment]::setenvironmentvariable("];
    let Items::List(items) = &word.items else { return None };
    if !callees.iter().any(|callee| raw.starts_with(callee)) {
        return None;
    }
    let (name, value) = match items.as_slice() {
        [name, comma, value] if comma.is(b",") => (name, value),
        [name, comma, value, second, target]
            if comma.is(b",") && second.is(b",") && matches!(target.items, Items::None) && target.code().is_empty() =>
        {
            (name, value)
        }
        _ => {
            reader.programs += 1;
            return None;
        }
    };
    let Some(text) = name.name().filter(|_| name.is_quoted()).map(str::to_owned) else {
        // It may be any.
        reader.programs += 1;
        return None;
    };
    let name_span = name.place(0)..name.place(text.len() - 1) + 1;
    let span = name_span.start..word.span.end;
    let value = if reader.is_expression(value) { valued(value) } else { Value::Dynamic };
    Some(Seen::Setting(Form::PsSetEnvironmentVariable, vec![Name { span, name_span, name: text, value }]))
}

// `setx NAME value`, with `/m` or not.
fn setx<'a>(_: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    let (options, rest): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.text().starts_with(b"/"));
    let is_machine = options.iter().all(|option| option.text().eq_ignore_ascii_case(b"/m"));
    match rest.as_slice() {
        [name, value] if is_machine && parameter(name).is_none() && parameter(value).is_none() => {
            set(Form::Setx, name, 0, value, words).unwrap_or_else(|| kept(words))
        }
        _ => kept(words),
    }
}

fn set_item<'a>(_: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    item(words, 2).unwrap_or_else(|| kept(words))
}

fn new_item<'a>(_: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    item(words, 1).unwrap_or_else(|| kept(words))
}

// `Remove-Item Env:A, Env:B -ErrorAction SilentlyContinue`
fn remove_item<'a>(reader: &mut Reader<'a>, words: &[Word<'a>]) -> Seen {
    let mut names = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match parameter(word).as_deref() {
            Some("erroraction" | "ea") => {
                rest.next();
            }
            Some("force" | "path" | "literalpath") => {}
            Some(_) => return kept(words),
            None if word.is(b",") => {}
            None => names.push(removed(word)),
        }
    }
    match unset(reader, names) {
        Seen::Kept(..) => kept(words),
        seen => seen,
    }
}

// The name in `Env:A` or `Env:\A`.
fn removed(word: &Word<'_>) -> Option<Name> {
    let text = word.literal()?;
    let drive = text.get(..4).filter(|drive| drive.eq_ignore_ascii_case(b"env:"))?.len();
    let drive = drive + usize::from(matches!(text.get(drive), Some(b'\\' | b'/')));
    let name = identifier(&text[drive..])?.to_owned();
    let name_span = word.place(drive)..word.place(drive + name.len() - 1) + 1;
    Some(Name { span: word.span.clone(), name_span, name, value: Value::Unset })
}

// One name at a byte of a word; the words up to the last one go with it.
fn set(form: Form, name: &Word<'_>, skip: usize, value: &Word<'_>, words: &[Word<'_>]) -> Option<Seen> {
    let text = identifier(name.literal()?.get(skip..)?)?.to_owned();
    let name_span = name.place(skip)..name.place(skip + text.len() - 1) + 1;
    let end = words.iter().map(|word| word.span.end).max()?;
    let value = valued(value);
    Some(Seen::Setting(form, vec![Name { span: name_span.start..end, name_span, name: text, value }]))
}

// `-Name`, without the dash and a colon behind it, in lower case.
fn parameter(word: &Word<'_>) -> Option<String> {
    let text = word.literal().filter(|_| !word.is_quoted())?.strip_prefix(b"-")?;
    let text = text.strip_suffix(b":").unwrap_or(text);
    Some(String::from_utf8_lossy(text).to_ascii_lowercase()).filter(|name| !name.is_empty())
}

// `Set-Item Env:A k`, `New-Item -Path Env: -Name A -Value k` and the like.
fn item(words: &[Word<'_>], positional: usize) -> Option<Seen> {
    let (mut path, mut name, mut value) = (None, None, None);
    let mut free = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let Some(parameter) = parameter(word) else {
            free.push(word);
            continue;
        };
        let is = |long: &str, least: usize| parameter.len() >= least && long.starts_with(parameter.as_str());
        if is("force", 1) || is("verbose", 3) || is("debug", 1) || is("passthru", 3) {
            continue;
        }
        let given = rest.next().filter(|given| self::parameter(given).is_none())?;
        if is("path", 2) || is("literalpath", 1) {
            path = Some(given);
        } else if is("name", 1) {
            name = Some(given);
        } else if is("value", 1) {
            value = Some(given);
        } else if !(is("itemtype", 1) || is("type", 1) || is("erroraction", 6) || parameter == "ea") {
            return None;
        }
    }
    let mut free = free.into_iter();
    for (place, slot) in [&mut path, &mut value].into_iter().enumerate() {
        if slot.is_none() && place < positional {
            *slot = free.next();
        }
    }
    if free.next().is_some() {
        return None;
    }
    let text = path?.literal()?;
    let drive = text.get(..4).filter(|drive| drive.eq_ignore_ascii_case(b"env:"))?.len();
    let drive = drive + usize::from(matches!(text.get(drive), Some(b'\\' | b'/')));
    match name {
        Some(name) if text.len() == drive => set(Form::PsItem, name, 0, value?, words),
        None => set(Form::PsItem, path?, drive, value?, words),
        Some(_) => None,
    }
}

// Of a setter that is none, the first word that could be a variable's name, `Env:` before it allowed.
fn kept(words: &[Word<'_>]) -> Seen {
    let name = words.iter().find_map(|word| {
        let text = word.literal()?;
        let start = text.iter().rposition(|byte| b":\\/".contains(byte)).map_or(0, |at| at + 1);
        Some((identifier(&text[start..])?.to_owned(), word.place(start)))
    });
    Seen::Kept(name, None)
}

#[cfg(test)]
mod tests;
