//! Commands that start an agent: what is set for them alone, and which words a profile takes the place of.

use super::Reader;
use super::setters::{assigned, unset_name};
use super::word::Word;
use crate::migrate::model::{Form, Node, Reason, Setting, Span, Start, Value, Word as Name};

// What only asks about a command, or starts it with the account of a profile.
const ASKS: &[&[u8]] =
    &[b"ringlet", b"command", b"which", b"type", b"whence", b"where", b"hash", b"man", b"get-command"];

// A file needs no more of them; each takes many times its size in the file.
pub(super) const MOST: usize = 1000;

// The words of `env`: what it sets, and whether it has others.
struct Environment {
    span: Span,
    has_others: bool,
}

impl<'a> Reader<'a> {
    /// The start of an agent, if the words are one.
    pub(super) fn start_of_an_agent(&mut self, span: &Span, words: &[Word<'a>]) -> Option<Node> {
        let prefixed = words.iter().take_while(|word| self.assigns(word)).count();
        let mut names: Vec<Option<Name>> = words[..prefixed].iter().map(assigned).collect();
        let (mut env, mut is_plain, mut from, mut at) = (None, true, None, prefixed);
        loop {
            let word = words.get(at)?;
            let is = |known: &str| word.literal().is_some_and(|text| self.is_called(text, known));
            if is("exec") || is("command") {
                if is("command") {
                    from = Some(at);
                }
                let options = words[at + 1..].iter().take_while(|word| word.text().starts_with(b"-")).count();
                // `command -v` only asks.
                if is("command") && options > 0 && !words[at + 1].is(b"--") {
                    return None;
                }
                is_plain &= options == 0;
                at += 1 + options;
            } else if is("env") || word.literal().is_some_and(|text| text.ends_with(b"/env")) {
                if env.is_some() {
                    return None;
                }
                let mut found = Environment { span: word.span.clone(), has_others: false };
                at = self.words_of_env(words, at + 1, &mut found, &mut names, &mut is_plain);
                env = Some(found);
            } else if self.language.prefixes.iter().any(|prefix| is(prefix)) {
                // They make something else of what follows.
                is_plain &= !is("builtin") && !is("-");
                at += 1;
            } else {
                break;
            }
        }
        let word = &words[at];
        let caret = self.language.caret.filter(|sign| word.text().starts_with(sign.as_bytes()));
        let path = word.path().map(|path| caret.and_then(|sign| path.strip_prefix(sign)).unwrap_or(&path).to_owned());
        let own = path.as_deref().and_then(|path| self.agents_command(path));
        let agent = match &own {
            Some(agent) => agent.clone(),
            None => {
                is_plain = false;
                // The first word behind `alias` and its options is a name of its own.
                let options = words[at + 1..].iter().take_while(|word| word.text().starts_with(b"-")).count();
                let skipped = if self.is_alias(word) { 1 + options } else { 0 };
                let rest = words.get(at + 1 + skipped..).unwrap_or_default();
                let signs = rest.iter().take_while(|word| skipped > 0 && (word.is(b"--") || word.is(b"="))).count();
                let command = if skipped > 0 { rest.get(signs)? } else { word };
                let runs = !self.asks(command) && (skipped > 0 || self.runs_a_program(word));
                let another = if runs { self.agent_of_another(rest) } else { None };
                // Of a command that only running the code tells, what is set for it tells enough.
                another.or_else(|| self.is_set_for_an_agent(word, &names).then(String::new))?
            }
        };
        if self.kept == MOST {
            return None;
        }
        self.kept += 1;
        self.starts += 1;
        // Another program starts it, and may change anything.
        let is_alias = own.is_none() && self.is_alias(word);
        self.programs += usize::from(own.is_none() && !is_alias);
        let reason = if is_alias { Reason::Alias } else { Reason::Argument };
        is_plain &= names.iter().all(Option::is_some);
        for word in words {
            match assigned(word).filter(|_| word.span.end <= words[at].span.start) {
                Some(Name { value: Value::Dynamic, .. }) => self.look_into(word, Reason::InlinePrefix, None),
                Some(_) => self.look_into_code(word, Reason::InlinePrefix, None),
                None => self.look_into(word, reason, None),
            }
        }
        let sign = caret.map_or(0, str::len);
        let command = words[from.filter(|from| from + 1 == at).unwrap_or(at)].span.start + sign..word.span.end;
        let first = words.first().map_or(span.start, |word| word.span.start);
        let words = names.into_iter().flatten().collect();
        let setting = Setting { span: first..command.start, form: Form::Prefix, words, is_redirected: false };
        let env = env.map(|env| (env.span, env.has_others));
        let path = path.filter(|path| path.contains(['/', '\\']));
        Some(Node::Start(Box::new(Start { span: span.clone(), setting, env, command, agent, path, is_plain })))
    }

    // Takes the words behind `env`; gives the place of the command.
    fn words_of_env(
        &self,
        words: &[Word<'a>],
        from: usize,
        env: &mut Environment,
        names: &mut Vec<Option<Name>>,
        is_plain: &mut bool,
    ) -> usize {
        let mut at = from;
        while let Some(word) = words.get(at) {
            let text = word.text();
            let unset = |name: &[u8], last: &Word<'a>| {
                let name = std::str::from_utf8(name).ok().filter(|_| last.literal().is_some())?;
                let name_span = last.span.end - name.len()..last.span.end;
                let word = unset_name(&Word::plain(self.bytes, name_span)).filter(|word| word.name == name)?;
                Some(Name { span: words[at].span.start..last.span.end, ..word })
            };
            if text == b"--" {
                // What follows is set all the same.
                env.has_others = true;
            } else if text == b"-u" || text == b"--unset" {
                let Some(last) = words.get(at + 1) else { return at + 1 };
                names.push(unset(last.text(), last));
                at += 1;
            } else if let Some(name) = text.strip_prefix(b"--unset=").or_else(|| text.strip_prefix(b"-u")) {
                names.push(unset(name, word));
            } else if text.starts_with(b"-") {
                // It may empty the environment, change the directory or split a string.
                (*is_plain, env.has_others) = (false, true);
            } else if text.contains(&b'=') {
                // Not every shell takes `~` for the home directory here.
                // Not every shell takes `~` for the home directory here.
                let is_as_written = |name: &Name| self.bytes.get(name.name_span.end + 1) == Some(&b'~');
                let name = assigned(word).map(|name| match name.value {
                    Value::Path(_) if is_as_written(&name) => Name { value: Value::Dynamic, ..name },
                    _ => name,
                });
                env.has_others |= name.is_none();
                names.push(name);
            } else {
                break;
            }
            at += 1;
        }
        at
    }

    // Whether a command that cannot be told may be an agent: a key or an endpoint is set or unset for it.
    fn is_set_for_an_agent(&self, command: &Word<'_>, names: &[Option<Name>]) -> bool {
        let vocabulary = self.terms.vocabulary;
        let is_of_one = |name: &Name| vocabulary.family(&name.name).is_some();
        command.literal().is_none() && !self.is_expression(command) && names.iter().flatten().any(is_of_one)
    }

    // The agent's command that a path leads to.
    fn agents_command(&self, path: &str) -> Option<String> {
        let name = path.rsplit(['/', '\\']).next()?;
        if !self.language.ignores_case {
            return self.terms.vocabulary.agent(name).map(|_| name.to_owned());
        }
        let name = name.to_ascii_lowercase();
        let name = [".exe", ".cmd", ".ps1"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        self.terms.vocabulary.agent(name).map(|_| name.to_owned())
    }

    fn is_alias(&self, command: &Word<'_>) -> bool {
        let name = command.literal().unwrap_or_default();
        self.language.reasons.iter().any(|(known, reason)| *reason == Reason::Alias && self.is_called(name, known))
    }

    // Whether a command only asks about others, or starts an agent with a profile.
    fn asks(&self, command: &Word<'_>) -> bool {
        let name = command.literal().unwrap_or_default();
        let name = self.language.caret.and_then(|sign| name.strip_prefix(sign.as_bytes())).unwrap_or(name);
        ASKS.iter().any(|asks| asks.eq_ignore_ascii_case(name))
    }

    // The agent that a program is to start.
    fn agent_of_another(&self, arguments: &[Word<'_>]) -> Option<String> {
        // A text of several words is no command's name.
        let path = |word: &Word<'_>| word.path().filter(|path| !path.contains([' ', '\t', '\n']));
        arguments.iter().find_map(|word| self.agents_command(&path(word)?))
    }
}
