//! Constructs with bodies that are read in ways of their own: loops, cases, groups, tests and functions.

use super::is_zsh;
use super::word::{is_name, read_word, word};
use crate::migrate::heuristics::identifier;
use crate::migrate::model::{Body, Node, Reason, Scope};
use crate::migrate::read::word::{Word, text};
use crate::migrate::read::{Reader, Result, Unreadable};

// Reads bodies, and the redirections behind them.
fn compound<'a>(reader: &mut Reader<'a>, read: fn(&mut Reader<'a>) -> Result<Vec<Body>>) -> Result<Node> {
    let start = reader.at;
    let bodies = read(reader)?;
    reader.compound(start, bodies)
}

/// `(( ... ))`, zsh's `() ...`, and its brace without a blank behind it.
pub(super) fn construct(reader: &mut Reader<'_>) -> Result<Option<Node>> {
    let zsh = is_zsh(reader);
    let rest = reader.rest();
    if zsh && rest.starts_with(b"{") && !is_brace_expansion(reader) {
        return group(reader).map(Some);
    }
    let start = reader.at;
    let bodies = if rest.starts_with(b"((") && reader.arithmetic(start + 2) {
        vec![]
    } else if zsh && empty_parentheses(reader) {
        anonymous(reader)?
    } else {
        return Ok(None);
    };
    reader.compound(start, bodies).map(Some)
}

pub(super) fn coproc(reader: &mut Reader<'_>) -> Result<Node> {
    let start = reader.at;
    reader.at += b"coproc".len();
    reader.blanks();
    let save = reader.at;
    // A name may come first: `coproc NAME { ...; }`.
    let is_named = identifier(reader.keyword()).is_some() && {
        reader.at += reader.keyword().len();
        reader.blanks();
        reader.is_at("{") || reader.peek() == Some(b'(')
    };
    if !is_named {
        reader.at = save;
    }
    let node = reader.nested(Reader::command)?;
    let end = node.span().end;
    reader.settle(node, Reason::Background);
    Ok(Node::Other(start..end))
}

/// `for`, `select`, and zsh's `foreach` and `repeat`.
pub(super) fn iteration(reader: &mut Reader<'_>) -> Result<Node> {
    compound(reader, |reader| {
        let opening = reader.keyword();
        reader.at += opening.len();
        reader.blanks();
        if opening == b"repeat" {
            read_word(reader, false)?;
        } else if reader.rest().starts_with(b"((") {
            if !reader.arithmetic(reader.at + 2) {
                return Err(Unreadable);
            }
        } else {
            names(reader)?;
        }
        reader.line_ends()?;
        if !reader.at_arm_end() {
            reader.takes(b";");
        }
        reader.line_ends()?;
        let closing = if opening == b"foreach" && !reader.is_at_one_of(&["do", "{"]) {
            "end"
        } else if reader.takes_word("do") {
            "done"
        } else if is_zsh(reader) || reader.is_at("{") {
            // bash, too, takes braces here, though its manual is silent about it.
            return Ok(vec![reader.short_body(Scope::Loop)?]);
        } else {
            return Err(Unreadable);
        };
        let body = reader.body(Scope::Loop)?;
        reader.expect(|reader| reader.takes_word(closing))?;
        Ok(vec![body])
    })
}

// A loop's variable, in zsh perhaps several, and the words it goes through.
fn names(reader: &mut Reader<'_>) -> Result<()> {
    let zsh = is_zsh(reader);
    let mut count = 0;
    while is_name(reader.peek().unwrap_or(b' ')) && !(count > 0 && reader.is_at_one_of(&["in", "do"])) {
        reader.at += reader.keyword().len();
        count += 1;
        reader.blanks();
        if !zsh {
            break;
        }
    }
    if !(zsh && reader.takes(b"(")) {
        reader.line_ends()?;
        return if reader.takes_word("in") { arguments(reader) } else { Ok(()) };
    }
    loop {
        reader.line_ends()?;
        if reader.takes(b")") {
            return Ok(());
        }
        if word(reader)?.span.is_empty() {
            return Err(Unreadable);
        }
    }
}

// Words up to the end of a command.
fn arguments(reader: &mut Reader<'_>) -> Result<()> {
    loop {
        reader.blanks();
        if reader.redirection()?.is_some() {
            continue;
        }
        let is_end = reader.peek().is_none_or(|byte| b"\n;&|)#".contains(&byte));
        if is_end || is_zsh(reader) && reader.is_at_one_of(&["{", "}"]) {
            return Ok(());
        }
        let word = word(reader)?;
        if word.span.is_empty() {
            return Err(Unreadable);
        }
        reader.look_into(&word, Reason::Argument, None);
    }
}

pub(super) fn case(reader: &mut Reader<'_>) -> Result<Node> {
    compound(reader, |reader| {
        let zsh = is_zsh(reader);
        reader.at += b"case".len();
        reader.blanks();
        word(reader)?;
        reader.blanks();
        let _ = zsh && reader.takes(b";");
        reader.line_ends()?;
        let closing = if zsh && reader.takes_word("{") {
            "}"
        } else {
            reader.expect(|reader| reader.takes_word("in"))?;
            reader.blanks();
            let _ = zsh && reader.takes(b";");
            "esac"
        };
        let mut bodies = Vec::new();
        loop {
            reader.line_ends()?;
            if reader.takes_word(closing) {
                return Ok(bodies);
            }
            pattern(reader)?;
            bodies.push(reader.body(Scope::Plain)?);
            reader.blanks();
            let _ = reader.takes(b";;&") || reader.takes(b";;") || reader.takes(b";&") || reader.takes(b";|");
        }
    })
}

// A case arm's patterns and the `)` behind them.
fn pattern(reader: &mut Reader<'_>) -> Result<()> {
    if reader.peek() == Some(b'(') {
        reader.parenthesis()?;
        let end = reader.at;
        let is_glued = reader.peek().is_some_and(|byte| !b" \t\n\r;".contains(&byte));
        reader.blanks();
        // In `(a|b)*)` the parentheses belong to zsh's pattern, in `(a|b) ...` to the arm.
        if !(is_zsh(reader) && (is_glued || matches!(reader.peek(), Some(b'|' | b')')))) {
            reader.at = end;
            return Ok(());
        }
    }
    loop {
        reader.blanks();
        match reader.peek() {
            None | Some(b'\n' | b';' | b'&') => return Err(Unreadable),
            Some(b')') => {
                reader.at += 1;
                return Ok(());
            }
            Some(b'|' | b'<' | b'>') => reader.at += 1,
            Some(b'(') => reader.parenthesis()?,
            _ => {
                if word(reader)?.span.is_empty() {
                    return Err(Unreadable);
                }
            }
        }
    }
}

// `{a,b}` and `{fd}>`: braces that close within their word.
fn is_brace_expansion(reader: &Reader<'_>) -> bool {
    let word = reader.keyword();
    word.iter()
        .position(|byte| *byte == b'}')
        .is_some_and(|close| word[..close].contains(&b',') || matches!(reader.rest().get(close + 1), Some(b'<' | b'>')))
}

/// `{ ... }`
pub(super) fn group(reader: &mut Reader<'_>) -> Result<Node> {
    compound(reader, |reader| braces(reader, Scope::Plain))
}

// Statements in braces, in zsh perhaps with those that always follow.
fn braces(reader: &mut Reader<'_>, scope: Scope) -> Result<Vec<Body>> {
    reader.at += 1;
    let mut bodies = vec![reader.body(scope)?];
    reader.expect(|reader| reader.takes_word("}"))?;
    let end = reader.at;
    reader.blanks();
    if is_zsh(reader) && reader.takes_word("always") {
        reader.expect(|reader| reader.takes_word("{"))?;
        bodies.push(reader.body(scope)?);
        reader.expect(|reader| reader.takes_word("}"))?;
    } else {
        reader.at = end;
    }
    Ok(bodies)
}

/// `[[ ... ]]`
pub(super) fn test(reader: &mut Reader<'_>) -> Result<Node> {
    compound(reader, |reader| {
        let (zsh, programs) = (is_zsh(reader), reader.programs);
        reader.at += 2;
        let mut is_begun = false;
        loop {
            reader.line_ends()?;
            match reader.peek().ok_or(Unreadable)? {
                b']' if is_begun && reader.takes_word("]]") => {
                    reader.programs = programs;
                    return Ok(vec![]);
                }
                b'(' if !zsh => reader.parenthesis()?,
                b')' | b';' | b'&' | b'|' | b'>' => reader.at += 1,
                b'<' if !(zsh && reader.is_number_range()) => reader.at += 1,
                _ => {
                    let word = word(reader)?;
                    reader.at += usize::from(word.span.is_empty());
                    reader.look_into(&word, Reason::Argument, None);
                }
            }
            // No comment begins right behind a pattern's parenthesis.
            reader.takes(b"#");
            is_begun = true;
        }
    })
}

fn empty_parentheses(reader: &mut Reader<'_>) -> bool {
    let save = reader.at;
    if reader.takes(b"(") {
        reader.blanks();
        if reader.takes(b")") {
            return true;
        }
    }
    reader.at = save;
    false
}

/// `function NAME { ... }`
pub(super) fn function(reader: &mut Reader<'_>) -> Result<Node> {
    let (start, zsh) = (reader.at, is_zsh(reader));
    reader.at += b"function".len();
    reader.blanks();
    // zsh: any number of names, none included.
    let mut names = 0;
    let mut name = None;
    while !matches!(reader.peek(), None | Some(b'\n' | b'(' | b';')) && !reader.is_at("{") {
        let word = read_word(reader, false)?;
        if word.span.is_empty() {
            return Err(Unreadable);
        }
        name = name.or_else(|| word.literal().and_then(text));
        names += 1;
        reader.blanks();
        if !zsh {
            break;
        }
    }
    empty_parentheses(reader);
    let bodies = if zsh && names == 0 { anonymous(reader)? } else { function_body(reader, true)? };
    reader.named(start, name, bodies)
}

/// `NAME() { ... }`, from the parentheses on.
pub(super) fn definition<'a>(reader: &mut Reader<'a>, start: usize, words: &[Word<'a>]) -> Result<Option<Node>> {
    let zsh = is_zsh(reader);
    let assigned = words.iter().take_while(|word| super::simple::assigns(reader, word)).count();
    let names = words.len() - assigned;
    let is_named = names == 1 || zsh && names > 0;
    if is_named && assigned == 0 && empty_parentheses(reader) {
        let bodies = function_body(reader, true)?;
        let name = words.first().and_then(Word::literal).and_then(text);
        return reader.named(start, name, bodies).map(Some);
    }
    // No command's name begins with a parenthesis.
    if names == 0 { Err(Unreadable) } else { Ok(None) }
}

// Runs where it stands; its arguments are ordinary words.
fn anonymous(reader: &mut Reader<'_>) -> Result<Vec<Body>> {
    let mut bodies = function_body(reader, false)?;
    arguments(reader)?;
    // What it exports, the shell has.
    let own = bodies.iter_mut().filter(|body| body.scope == Scope::Function);
    own.for_each(|body| body.scope = Scope::Plain);
    Ok(bodies)
}

// A function that is only defined runs nothing; an anonymous one does.
fn function_body(reader: &mut Reader<'_>, is_defined: bool) -> Result<Vec<Body>> {
    let before = (std::mem::take(&mut reader.programs), std::mem::take(&mut reader.starts));
    reader.line_ends()?;
    let start = reader.at;
    let mut bodies = match reader.keyword() {
        b"{" => braces(reader, Scope::Function)?,
        word if is_zsh(reader) && word.starts_with(b"{") => braces(reader, Scope::Function)?,
        b"" if matches!(reader.rest(), [b'(', next, ..] if *next != b'(') => vec![reader.subshell_body()?],
        _ => {
            let nodes = vec![reader.nested(Reader::command)?];
            vec![Body { span: start..reader.at, nodes, scope: Scope::Function, runs: false, starts: false }]
        }
    };
    reader.runs(&mut bodies, (0, 0));
    let own = if is_defined { (0, 0) } else { (reader.programs, reader.starts) };
    (reader.programs, reader.starts) = (before.0 + own.0, before.1 + own.1);
    Ok(bodies)
}
