//! A reader of prompts: agents, commands, skills and modes. Their text is harmless. The front matter and embedded
//! commands may not be.

use super::document::{DocumentError, MAX_ENTRIES, Value};
use super::{toml, yaml};

/// The name of the entry of each embedded shell command.
const COMMAND: &str = "!";

/// Reads Markdown with an optional YAML front matter. The front matter stands between the file's first line, `---`, and
/// the next line `---`.
pub(super) fn read(text: &str) -> Result<Value, DocumentError> {
    let (front, body) = divide(text)?;
    let read = match front.map(|front| (front, yaml::read(front, yaml::Parsers::All))) {
        None => None,
        Some((front, Err(_))) if can_only_be_words(front) => None,
        Some((_, read)) => Some(read.map_err(|unread| unread.below(1))?),
    };
    let mut entries = match read {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Table(entries)) => entries,
        Some(_) => return Err(DocumentError::Ambiguous { what: "a front matter that is not a table", line: 2 }),
    };
    let mut left = MAX_ENTRIES.saturating_sub(count(&entries));
    commands(body, &mut entries, &mut left)?;
    Ok(Value::Table(entries))
}

/// Reports whether a front matter that does not parse is harmless text for any parser.
///
/// People write `description: Use when: ...` and `argument-hint: [a] [b]`. A text without the words below, and without
/// escapes that could spell them, holds no hooks, servers or commands.
fn can_only_be_words(front: &str) -> bool {
    let front = front.to_lowercase();
    !front.contains('\\') && !["hook", "mcp", "server", "command"].iter().any(|word| front.contains(word))
}

/// Reads a prompt in TOML. Its texts may embed commands as `!{...}`.
pub(super) fn read_toml(text: &str) -> Result<Value, DocumentError> {
    let read = toml::read(text)?;
    let Value::Table(mut entries) = read else { return Ok(read) };
    let mut left = MAX_ENTRIES.saturating_sub(count(&entries));
    let mut found = Vec::new();
    for (_, value) in &entries {
        texts(value, &mut |text| commands(text, &mut found, &mut left))?;
    }
    entries.append(&mut found);
    Ok(Value::Table(entries))
}

fn count(entries: &[(String, Value)]) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::List(list) => list.iter().map(|value| 1 + of(value)).sum(),
            Value::Table(entries) => count(entries),
            _ => 0,
        }
    }
    entries.iter().map(|(_, value)| 1 + of(value)).sum()
}

/// Calls `found` for every text. The TOML reader has limited the depth, so the recursion is bounded.
fn texts(value: &Value, found: &mut impl FnMut(&str) -> Result<(), DocumentError>) -> Result<(), DocumentError> {
    match value {
        Value::Text(text) => found(text),
        Value::List(list) => list.iter().try_for_each(|value| texts(value, found)),
        Value::Table(entries) => entries.iter().try_for_each(|(_, value)| texts(value, found)),
        _ => Ok(()),
    }
}

/// Splits a prompt into the front matter and the body.
fn divide(text: &str) -> Result<(Option<&str>, &str), DocumentError> {
    let is_fence = |line: &str| line.trim_end() == "---";
    let mut lines = text.split_inclusive(['\n', '\r']);
    let Some(first) = lines.next() else { return Ok((None, text)) };
    if !is_fence(first) {
        // Some parsers read the rest of the fence as a language, and run a front matter in JavaScript.
        let other = first.strip_prefix("---").is_some_and(|rest| !rest.starts_with('-'));
        let what = "a front matter in another language";
        return if other { Err(DocumentError::Ambiguous { what, line: 1 }) } else { Ok((None, text)) };
    }
    let mut end = first.len();
    for line in lines {
        if is_fence(line) {
            return Ok((Some(&text[first.len()..end]), &text[end + line.len()..]));
        }
        end += line.len();
    }
    // A line `---` at the start may also be a horizontal rule.
    let rest = &text[first.len()..];
    if can_only_be_words(rest) {
        return Ok((None, rest));
    }
    Err(DocumentError::Ambiguous { what: "a front matter that does not end", line: 1 })
}

/// Adds an entry for each embedded command: `` !`...` `` and a fence `` ```! `` (Claude Code, OpenCode), `!{...}`
/// (Gemini).
///
/// A record of the file thereby binds every command.
fn commands(body: &str, entries: &mut Vec<(String, Value)>, left: &mut usize) -> Result<(), DocumentError> {
    let mut rest = body;
    while let Some(at) = rest.find('!') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let end = if before.ends_with("```") {
            Some(after.find("```").unwrap_or(after.len())).map(|end| (0, end))
        } else if let Some(quoted) = after.strip_prefix('`') {
            quoted.find('`').filter(|end| *end > 0).map(|end| (1, 1 + end))
        } else if after.starts_with('{') {
            Some((1, braced(after)))
        } else {
            None
        };
        rest = after;
        if let Some((start, end)) = end {
            *left = left.checked_sub(1).ok_or(DocumentError::TooManyEntries)?;
            entries.push((COMMAND.to_owned(), Value::Text(after[start..end].trim().to_owned())));
            rest = &after[end..];
        }
    }
    Ok(())
}

/// Returns the position of the brace that closes the first one, or the end of the text.
fn braced(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::super::document::tests::{number, table, text};
    use super::*;

    #[test]
    fn a_front_matter_in_a_language_is_refused() {
        for fence in ["---js", "---javascript", "---JS", "---js ", "--- js", "---yaml", "---\u{a0}", "---x: 1"] {
            assert!(read(&format!("{fence}\n(run(),{{}})\n---\nhi")).is_err(), "{fence:?}");
        }
        for text in ["----\nx\n---\n", "-- js\n", " ---js\n---\n"] {
            assert_eq!(read(text), Ok(table([])), "{text:?}");
        }
        assert_eq!(read("---\nwords below a rule\n"), Ok(table([])));
    }

    #[test]
    fn a_front_matter_that_does_not_parse_is_taken_for_words_where_it_can_be_nothing_else() {
        for front in ["description: Use when: x", "argument-hint: [a] [b]", "\tname: x"] {
            assert_eq!(read(&format!("---\n{front}\n---\nbody")), Ok(table([])), "{front}");
        }
        for front in ["description: a: b\nhooks: {}", "x: [a] [b]\nMcpServers: c", "a: b: \"\\x68ooks\""] {
            assert!(read(&format!("---\n{front}\n---\nbody")).is_err(), "{front}");
        }
    }

    #[test]
    fn front_matter_and_commands_are_entries() {
        for end in ["\n", "\r\n"] {
            let prompt = ["---", "name: x", "hooks: {a: 1}", "---", "Run !`git diff` and !{ls {a}}.", ""].join(end);
            let expected = table([
                ("name", text("x")),
                ("hooks", table([("a", number("1"))])),
                ("!", text("git diff")),
                ("!", text("ls {a}")),
            ]);
            assert_eq!(read(&prompt), Ok(expected), "{end:?}");
        }
        assert_eq!(read("```!\nls\n```\n"), Ok(table([("!", text("ls"))])));
        assert_eq!(read("!{ls"), Ok(table([("!", text("ls"))])));
    }

    #[test]
    fn text_alone_has_no_entries() {
        for prompt in ["Hello!", "# Title\n---\nname: x\n---\n", " ---\na: 1\n---", "`x`! y !`", "!``", "---\n---\nx"] {
            assert_eq!(read(prompt), Ok(Value::Table(vec![])), "{prompt:?}");
        }
    }

    #[test]
    fn front_matter_that_does_not_parse_or_end_is_refused() {
        for prompt in [
            "---\na: b: hook\n---\n",
            "---\nhook: 1\n",
            "---\rmcp: 1\r---\r",
            "---\n- a\n---\n",
            "---\nx: !!str hook\n---",
        ] {
            assert!(read(prompt).is_err(), "{prompt:?}");
        }
        assert!(read("---\na: 1\nhooks: !x y\n---").expect_err("a tag").to_string().ends_with("a tag (line 3)"));
    }

    #[test]
    fn commands_of_a_toml_prompt_are_entries() {
        let read = read_toml("prompt = '''Run !{git log}'''\na = ['!{b}']").expect("parses");
        let Value::Table(entries) = read else { panic!("a table") };
        let commands: Vec<_> = entries.iter().filter(|(name, _)| name == "!").map(|(_, value)| value.clone()).collect();
        assert_eq!(commands, [text("b"), text("git log")]);
        assert!(read_toml("prompt = 1 2").is_err());
    }
}
