//! The texts of aliases and abbreviations, read as the statements that they are.
//!
//! Only a text that starts an agent is taken apart; in any other the keys are reported. Its nodes are given the places
//! of their bytes in the file, so an edit of them is an edit of the file.

use super::Reader;
use super::starts::MOST;
use super::word::{Word, text};
use crate::migrate::model::{Body, Node, Reason, Scope, Setting, Span, Value};

// A name and the text behind it.
struct Named<'w, 'a> {
    name: Box<str>,
    text: Text<'w, 'a>,
}

enum Text<'w, 'a> {
    // A word, and where in it the text begins.
    Word(&'w Word<'a>, usize),
    // Words that the shell joins, as they are written.
    Joined(Span),
}

// The options of `alias` and `abbr` that only say where a definition is kept.
const KEEPING: &[&[u8]] =
    &[b"--", b"-a", b"--add", b"-g", b"--global", b"-U", b"--universal", b"-s", b"--save", b"-ag", b"-ga"];

// Those whose value is the next word.
const VALUED: &[&[u8]] = &[b"--position", b"-p", b"--regex", b"-r", b"--function", b"-f", b"--command", b"-c"];

impl<'a> Reader<'a> {
    /// The texts of an `alias` or `abbr`, if any of them starts an agent. The keys in the others are reported.
    pub(super) fn text_of_an_alias(&mut self, span: &Span, words: &[Word<'a>]) -> Option<Node> {
        let (texts, is_plain) = self.definitions(words);
        let mut found: Vec<Node> = Vec::new();
        for text in texts {
            found.extend(self.nested(|reader| Ok(reader.text(&text, is_plain))).ok().flatten());
        }
        if found.is_empty() {
            return None;
        }
        // A text is a word, a part of one, or several.
        let is_text = |word: &Word<'_>| {
            found.iter().any(|node| node.span().start < word.span.end && node.span().end > word.span.start)
        };
        let others = words.iter().filter(|word| !is_text(word));
        others.for_each(|word| self.look_into(word, Reason::Alias, None));
        let body = Body { span: span.clone(), nodes: found, scope: Scope::Plain, runs: false, starts: false };
        Some(Node::Compound { span: span.clone(), name: None, bodies: vec![body] })
    }

    // The names that an `alias` or `abbr` defines, and whether it does only that: zsh's aliases for words other than a
    // command's name, and abbreviations that are no commands, stay as they are.
    fn definitions<'w>(&self, words: &'w [Word<'a>]) -> (Vec<Named<'w, 'a>>, bool) {
        let Some((command, mut words)) = words.split_first() else { return (vec![], false) };
        let is_posix = self.language.posix.is_some();
        let mut is_plain = true;
        while let Some((option, rest)) = words.split_first().filter(|(option, _)| option.text().starts_with(b"-")) {
            let has_value = !is_posix && VALUED.contains(&option.text());
            // An abbreviation that is a command, as it is without the option.
            let is_command = match option.text() {
                b"--position=command" | b"-pcommand" => true,
                b"--position" | b"-p" => rest.first().is_some_and(|value| value.is(b"command")),
                _ => false,
            };
            let is_kept = KEEPING.contains(&option.text()) && (!is_posix || option.is(b"--"));
            is_plain &= is_kept || is_command && self.is_called(command.text(), "abbr");
            words = rest.get(usize::from(has_value)..).unwrap_or_default();
        }
        let assigned = |word: &'w Word<'a>| {
            let sign = word.text().iter().position(|byte| *byte == b'=')?;
            Some(Named { name: text(&word.text()[..sign])?, text: Text::Word(word, sign + 1) })
        };
        if let [first, rest @ ..] = words
            && !first.text().contains(&b'=')
            && let Some(name) = first.literal().and_then(text)
        {
            let joins = self.is_called(command.text(), "abbr") || !is_posix && self.language.filler == ":";
            let rest = if rest.first().is_some_and(|word| word.is(b"--")) { &rest[1..] } else { rest };
            let text = match rest {
                [only] => Text::Word(only, 0),
                [one, .., last] if joins && rest.iter().all(is_safe) => Text::Joined(one.span.start..last.span.end),
                _ => return (vec![], is_plain),
            };
            return (vec![Named { name, text }], is_plain);
        }
        (words.iter().filter_map(assigned).collect(), is_plain)
    }

    fn text(&mut self, text: &Named<'_, 'a>, is_plain: bool) -> Option<Node> {
        let inner = match &text.text {
            Text::Word(word, from) => inner(self.bytes, word, *from),
            Text::Joined(span) => span.clone(),
        };
        let raw = &self.bytes[inner.clone()];
        // As it is written it still names the variables that it refers to.
        let (code, decoded) = match text.text {
            Text::Word(word, from) => {
                let decoded = &word.text()[from..];
                let is_written = raw.len() == decoded.len() || !raw.iter().any(|byte| b"\\'\"`".contains(byte));
                if is_written { (raw, None) } else { (decoded, Some((word, from))) }
            }
            Text::Joined(_) => (raw, None),
        };
        let mut reader = Reader { depth: self.depth, kept: self.kept, ..Reader::new(code, self.language, self.terms) };
        let nodes = reader.file();
        let (runs, kept, fixed) = (reader.programs > 0, reader.kept, reader.fixed);
        if reader.starts == 0 || kept == MOST {
            return None;
        }
        self.kept = kept;
        let place = |at: usize| match decoded {
            _ if at >= code.len() => inner.end,
            None => inner.start + at,
            Some((word, from)) => word.place(from + at),
        };
        self.fixed.extend(fixed.into_iter().map(|mut fixed| {
            fixed.at = place(fixed.at);
            fixed
        }));
        let mut nodes = nodes;
        nodes.iter_mut().for_each(|node| moved(node, &place, is_plain));
        let body = Body { span: inner.clone(), nodes, scope: Scope::Text, runs, starts: true };
        Some(Node::Compound { span: inner, name: Some(text.name.clone()), bodies: vec![body] })
    }
}

// Whether a word is the same however often a shell reads it; csh's own sign for arguments is meant to be read later.
fn is_safe(word: &Word<'_>) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./:=@%+,-".contains(byte);
    let text = word.text();
    text == b"!*" || !text.is_empty() && word.literal().is_some_and(|text| text.iter().all(is_plain))
}

// The bytes of a text in the file, without the quotes around it.
fn inner(bytes: &[u8], word: &Word<'_>, from: usize) -> Span {
    let start = word.place(from).min(word.span.end);
    let opened = match from.checked_sub(1).map(|sign| word.place(sign) + 1) {
        Some(behind) => behind,
        None => word.span.start,
    };
    // What stands between the sign and the text is a quote.
    let is_quoted = opened < start && bytes[start - 1] == *bytes[..word.span.end].last().unwrap_or(&0);
    let end = word.span.end - usize::from(is_quoted);
    // An empty text begins behind its quote.
    start.min(end)..end
}

// Gives a node the places of its bytes in the file.
fn moved(node: &mut Node, place: &dyn Fn(usize) -> usize, is_plain: bool) {
    let set = |span: &mut Span| *span = place(span.start)..place(span.end);
    match node {
        Node::Setting(setting) => moved_setting(setting, place),
        Node::Start(start) => {
            start.is_plain &= is_plain;
            set(&mut start.span);
            set(&mut start.command);
            if let Some((span, _)) = &mut start.env {
                set(span);
            }
            moved_setting(&mut start.setting, place);
        }
        Node::List { span, operands } => {
            set(span);
            operands.iter_mut().for_each(|operand| moved(operand, place, is_plain));
        }
        Node::Compound { span, bodies, .. } => {
            set(span);
            for body in bodies {
                set(&mut body.span);
                body.nodes.iter_mut().for_each(|node| moved(node, place, is_plain));
            }
        }
        Node::Other(span) => set(span),
    }
}

fn moved_setting(setting: &mut Setting, place: &dyn Fn(usize) -> usize) {
    let set = |span: &mut Span| *span = place(span.start)..place(span.end);
    set(&mut setting.span);
    for word in &mut setting.words {
        set(&mut word.span);
        set(&mut word.name_span);
        if let Value::Literal(_, span) | Value::Default(_, _, span) = &mut word.value {
            set(span);
        }
    }
}
