//! The forms in which PowerShell sets a variable, and what it sets it to.

use super::plain::quote;
use super::word::Decoded;
use super::{Reader, children, core};
use crate::migrate::heuristics;
use crate::migrate::model::{Form, Setting, Span, Value, Word};
use tree_sitter::Node as Tree;

/// One argument of a command.
struct Argument<'t> {
    /// Its node; of several that stand together, the first.
    node: Tree<'t>,
    span: Span,
    /// `-Name`, without the dash and in lower case.
    parameter: Option<String>,
    /// What it says, where that is one string or bare word.
    word: Option<Decoded>,
}

impl Reader<'_> {
    /// A pipeline that does nothing but set one variable.
    pub(super) fn pipeline(&self, node: Tree<'_>) -> Option<Setting> {
        let parts: Vec<Tree<'_>> = children(node).into_iter().filter(|part| part.kind() != "comment").collect();
        let [only] = parts.as_slice() else { return None };
        let (form, word) = match only.kind() {
            "assignment_expression" => self.assignment(*only)?,
            "pipeline_chain" => self.chain(*only)?,
            _ => return None,
        };
        Some(Setting { span: self.span(node), form, words: vec![word], keeps: false })
    }

    fn assignment(&self, node: Tree<'_>) -> Option<(Form, Word)> {
        let left = core(node.named_child(0)?);
        let value = node.child_by_field_name("value")?;
        let operator = children(node).into_iter().find(|part| part.kind() == "assignement_operator")?;
        let sign = &self.bytes[operator.byte_range()];
        if self.raw(left).eq_ignore_ascii_case(b"$null") && sign == b"=" {
            // `$null = New-Item ...` only hushes it.
            let chain = children(value).into_iter().next().filter(|chain| chain.kind() == "pipeline_chain")?;
            return self.chain(chain);
        }
        if children(node).iter().any(|part| part.kind() == "background_operator") {
            return None;
        }
        // The second half of a `??=`, see `Plain`.
        if sign != b"=" && sign != b"?=" {
            return None;
        }
        let (name, name_span) = self.target(left)?;
        let form = if self.is_environment(left) { Form::PsEnv } else { Form::Assign };
        let is_pipeline = value.kind() == "pipeline" && children(value).first()?.kind() == "pipeline_chain";
        let value = if is_pipeline { self.value(value) } else { Value::Dynamic };
        Some((form, Word { span: name_span.start..self.span(node).end, name_span, name, value }))
    }

    /// The variable that is assigned to, a type before it allowed: its name without scope or drive, and its place.
    pub(super) fn target(&self, left: Tree<'_>) -> Option<(String, Span)> {
        let mut left = left;
        if left.kind() == "cast_expression" {
            left = core(left.named_child(1)?);
        }
        if !matches!(left.kind(), "variable" | "braced_variable") {
            return None;
        }
        let span = self.span(left);
        let raw = &self.bytes[span.clone()];
        let (open, close) = if raw.starts_with(b"${") { (2, 1) } else { (1, 0) };
        let inside = raw.get(open..raw.len().checked_sub(close)?)?;
        let start = inside.iter().rposition(|byte| *byte == b':').map_or(0, |colon| colon + 1);
        let scopes: [&[u8]; 5] = [b"env:", b"global:", b"script:", b"local:", b"private:"];
        if start > 0 && !scopes.iter().any(|scope| inside[..start].eq_ignore_ascii_case(scope)) {
            return None;
        }
        let name = heuristics::identifier(&inside[start..])?.to_owned();
        let from = span.start + open + start;
        Some((name, from..span.end - close))
    }

    /// The name in `$map['name']`.
    pub(super) fn element(&self, index: Tree<'_>) -> Option<(String, Span)> {
        let text = self.string(index).filter(|text| text.literal)?;
        let name = heuristics::identifier(&text.text)?.to_owned();
        Some((name, text.at(0)..text.from.last()? + 1))
    }

    fn is_environment(&self, left: Tree<'_>) -> bool {
        let raw = self.raw(left).to_ascii_lowercase();
        raw.windows(4).any(|part| part == b"env:")
    }

    /// `command | Out-Null`, or a call whose result is dropped.
    fn chain(&self, chain: Tree<'_>) -> Option<(Form, Word)> {
        let mut parts = children(chain).into_iter().filter(|part| part.is_named() && part.kind() != "comment");
        let first = parts.next()?;
        let mut first = if first.kind() == "command" { first } else { core(first) };
        if parts.any(|part| {
            part.kind() != "command" || self.command_name(part) != "out-null" || !self.arguments(part).is_empty()
        }) {
            return None;
        }
        if first.kind() == "cast_expression" {
            if !self.raw(first.named_child(0)?).eq_ignore_ascii_case(b"[void]") {
                return None;
            }
            first = core(first.named_child(1)?);
        }
        match first.kind() {
            "command" => self.command(first),
            "invokation_expression" => self.invocation(first),
            // `[void](New-Item ...)`
            "parenthesized_expression" => {
                let [_, inside, _] = children(first)[..] else { return None };
                match children(inside)[..] {
                    [chain] if chain.kind() == "pipeline_chain" => self.chain(chain),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// `[Environment]::SetEnvironmentVariable('A', 'k', 'User')`.
    fn invocation(&self, node: Tree<'_>) -> Option<(Form, Word)> {
        let parts = children(node);
        let [owner, colons, method, arguments] = parts.as_slice() else { return None };
        let owner: Vec<u8> = self.raw(*owner).iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect();
        let types: [&[u8]; 2] = [b"[environment]", b"[system.environment]"];
        if !types.iter().any(|name| owner.eq_ignore_ascii_case(name))
            || colons.kind() != "::"
            || !self.raw(*method).eq_ignore_ascii_case(b"SetEnvironmentVariable")
        {
            return None;
        }
        let list = arguments.child_by_field_name("argument_expression_list")?;
        let list: Vec<Tree<'_>> =
            children(list).into_iter().filter(|part| part.kind() == "argument_expression").map(core).collect();
        let (name, value) = match list.as_slice() {
            [name, value] => (name, value),
            [name, value, target] if self.is_plain(*target) => (name, value),
            _ => return None,
        };
        let name = self.string(*name)?;
        let text = name.literal.then(|| heuristics::identifier(&name.text)).flatten()?.to_owned();
        let name_span = name.at(0)..name.from.last()? + 1;
        let word =
            Word { span: name_span.start..self.span(node).end, name_span, name: text, value: self.value(*value) };
        Some((Form::PsSetEnvironmentVariable, word))
    }

    /// A string, a number or a member of a type: nothing that runs.
    fn is_plain(&self, node: Tree<'_>) -> bool {
        match node.kind() {
            "member_access" => core(node.named_child(0).unwrap_or(node)).kind() != "invokation_expression",
            _ => self.string(node).is_some_and(|text| text.literal) || node.kind().ends_with("integer_literal"),
        }
    }

    /// `setx`, `Set-Item Env:A`, `New-Item Env:A -Value`, `Set-Content Env:A`.
    fn command(&self, node: Tree<'_>) -> Option<(Form, Word)> {
        let name = self.command_name(node);
        if !self.is_hushed(node) {
            return None;
        }
        let arguments = self.arguments(node);
        let (form, at, value) = match name.as_str() {
            "setx" | "setx.exe" => {
                let (options, rest): (Vec<_>, Vec<_>) = arguments
                    .iter()
                    .partition(|argument| argument.word.as_ref().is_some_and(|word| word.text.starts_with(b"/")));
                let machine = |argument: &&Argument<'_>| argument.word.as_ref().is_some_and(|word| word.is("/m"));
                let [place, value] = rest.as_slice() else { return None };
                if !options.iter().all(machine) || rest.iter().any(|argument| argument.parameter.is_some()) {
                    return None;
                }
                (Form::Setx, (*place, 0), *value)
            }
            "set-item" | "si" | "new-item" | "ni" | "set-content" => {
                let positional = if name.starts_with('n') { 1 } else { 2 };
                let (place, value) = self.item(&arguments, positional)?;
                (Form::PsItem, place, value)
            }
            _ => return None,
        };
        let word = at.0.word.as_ref().filter(|word| word.literal)?;
        let text = heuristics::identifier(word.text.get(at.1..)?)?.to_owned();
        let name_span = word.at(at.1)..word.from.last()? + 1;
        let value = match &value.word {
            Some(word) if word.literal && !core(value.node).kind().contains("here_string") => {
                Value::Literal(word.text.clone(), value.span.clone())
            }
            _ => self.value(value.node),
        };
        // The name may follow the value: `-Value k -Path Env:A`.
        Some((form, Word { span: name_span.start..self.span(node).end, name_span, name: text, value }))
    }

    /// The argument with the name, how many bytes of it are not the name, and the value.
    fn item<'a, 't>(
        &self,
        arguments: &'a [Argument<'t>],
        positional: usize,
    ) -> Option<((&'a Argument<'t>, usize), &'a Argument<'t>)> {
        let (mut path, mut name, mut value) = (None, None, None);
        let mut free = Vec::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let Some(parameter) = &argument.parameter else {
                free.push(argument);
                continue;
            };
            let is = |long: &str, least: usize| parameter.len() >= least && long.starts_with(parameter.as_str());
            if is("force", 1) || is("verbose", 3) || is("debug", 1) || is("passthru", 3) {
                continue;
            }
            let given = rest.next().filter(|given| given.parameter.is_none())?;
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
        let text = &path?.word.as_ref().filter(|word| word.literal)?.text;
        let drive = text.get(..4).filter(|drive| drive.eq_ignore_ascii_case(b"env:"))?.len();
        let drive = drive + usize::from(matches!(text.get(drive), Some(b'\\' | b'/')));
        match name {
            Some(name) if text.len() == drive => Some(((name, 0), value?)),
            None => Some(((path?, drive), value?)),
            Some(_) => None,
        }
    }

    /// The first word of a command that could be a variable's name, `Env:` before it allowed.
    pub(super) fn setter_target(&self, command: Tree<'_>) -> Option<(String, usize)> {
        self.arguments(command).iter().find_map(|argument| {
            let word = argument.word.as_ref().filter(|word| word.literal)?;
            let start = word.text.iter().rposition(|byte| b":\\/".contains(byte)).map_or(0, |at| at + 1);
            Some((heuristics::identifier(&word.text[start..])?.to_owned(), word.at(start)))
        })
    }

    /// Whether the command's output goes nowhere but to the screen or to `$null`.
    fn is_hushed(&self, command: Tree<'_>) -> bool {
        let mut waiting = vec![command];
        while let Some(node) = waiting.pop() {
            if node.kind() == "redirected_file_name" && !self.raw(node).trim_ascii().eq_ignore_ascii_case(b"$null") {
                return false;
            }
            waiting.extend(children(node));
        }
        true
    }

    pub(super) fn command_name(&self, command: Tree<'_>) -> String {
        let named = |part: &Tree<'_>| matches!(part.kind(), "command_name" | "command_name_expr");
        // `& setx` is `setx`; a block or a string behind the sign names nothing here.
        let name = children(command).into_iter().find(named).map(core).filter(|name| name.kind() == "command_name");
        name.map_or_else(String::new, |name| String::from_utf8_lossy(self.raw(name)).to_ascii_lowercase())
    }

    fn arguments<'t>(&self, command: Tree<'t>) -> Vec<Argument<'t>> {
        let mut arguments: Vec<Argument<'t>> = Vec::new();
        let mut apart = true;
        let elements = children(command).into_iter().filter(|part| part.kind() == "command_elements");
        for part in elements.flat_map(children) {
            match part.kind() {
                "comment" | "redirection" | "redirections" => apart = true,
                "command_argument_sep" => apart = true,
                "command_parameter" => {
                    let raw = String::from_utf8_lossy(self.raw(part)).to_ascii_lowercase();
                    let name = raw.trim_start_matches('-').to_owned();
                    arguments.push(Argument { node: part, span: self.span(part), parameter: Some(name), word: None });
                    apart = false;
                }
                _ if apart || arguments.is_empty() => {
                    let word = self.word(part);
                    arguments.push(Argument { node: part, span: self.span(part), parameter: None, word });
                    apart = false;
                }
                _ => {
                    // Pieces without a blank between them: more than one string.
                    if let Some(last) = arguments.last_mut() {
                        last.word = None;
                        last.parameter = last.parameter.take().map(|_| String::from("?"));
                        last.span.end = self.span(part).end;
                    }
                }
            }
        }
        arguments
    }

    fn word(&self, node: Tree<'_>) -> Option<Decoded> {
        let node = core(node);
        match node.kind() {
            "generic_token" => Some(self.decode(node)),
            kind if kind.ends_with("integer_literal") => Some(self.decode(node)),
            _ => self.string(node),
        }
    }

    pub(super) fn string(&self, node: Tree<'_>) -> Option<Decoded> {
        let node = core(node);
        let kinds = ["expandable_string_literal", "verbatim_string_characters", "string_literal"];
        kinds.contains(&node.kind()).then(|| self.decode(node))
    }

    /// What an expression says, as far as one can tell without running it.
    fn value(&self, node: Tree<'_>) -> Value {
        let node = core(node);
        let span = self.span(node);
        match node.kind() {
            "parenthesized_expression" => match children(node).as_slice() {
                [_, inner, _] => match self.value(*inner) {
                    Value::Literal(text, _) => Value::Literal(text, span),
                    other => other,
                },
                _ => Value::Dynamic,
            },
            "cast_expression" => match (node.named_child(0), node.named_child(1)) {
                (Some(kind), Some(inner)) if self.raw(kind).eq_ignore_ascii_case(b"[string]") => {
                    match self.value(inner) {
                        Value::Literal(text, _) => Value::Literal(text, span),
                        _ => Value::Dynamic,
                    }
                }
                _ => Value::Dynamic,
            },
            "variable" | "braced_variable" => self.target(node).map_or(Value::Dynamic, |(name, _)| Value::Copy(name)),
            // `$env:A ?? 'k'`, see `Plain`.
            "additive_expression" => match children(node).as_slice() {
                [left, sign, right] if self.bytes[..sign.end_byte()].ends_with(b"??") => {
                    match (self.target(core(*left)), self.value(*right)) {
                        (Some((name, _)), Value::Literal(text, span)) => Value::Default(name, text, span),
                        _ => Value::Dynamic,
                    }
                }
                _ => Value::Dynamic,
            },
            _ => match self.string(node) {
                Some(text) if text.literal => Value::Literal(text.text, span),
                Some(_) => {
                    let raw = &self.bytes[span];
                    let open = quote(raw).map_or(0, |(_, size)| size);
                    let inner = children(node).into_iter().filter(|child| child.is_named()).collect::<Vec<_>>();
                    match inner.as_slice() {
                        // The variable and the two quotes, and nothing else.
                        [only]
                            if only.kind() == "variable"
                                && only.start_byte() == node.start_byte() + open
                                && raw.len() == only.end_byte() - only.start_byte() + 2 * open =>
                        {
                            self.target(core(*only)).map_or(Value::Dynamic, |(name, _)| Value::Copy(name))
                        }
                        _ => Value::Dynamic,
                    }
                }
                None => Value::Dynamic,
            },
        }
    }
}
