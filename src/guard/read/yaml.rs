//! A reader of YAML 1.1 as PyYAML's safe loader reads it, with flow style, anchors and merges. It keeps every name.
//!
//! The parser follows YAML 1.2. Constructs that the two versions read differently are refused, in a first pass or by
//! the parser's events. Aliases are expanded within the limits of a file.

use super::document::{DocumentError, MAX_DEPTH, MAX_ENTRIES, MAX_FILE, Value};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::borrow::Cow;

/// The parsers that have to agree on the file.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Parsers {
    /// PyYAML alone.
    PyYaml,
    /// PyYAML and Node's `yaml` and `js-yaml`, which read a front matter. They differ on bare carriage returns, anchors
    /// before a line break, lists under an empty name, and the indentation of the later lines of a bracket.
    All,
}

pub(super) fn read(text: &str, readers: Parsers) -> Result<Value, DocumentError> {
    if readers == Parsers::All
        && let Some((at, _)) = text.match_indices('\r').find(|(at, _)| !text[at + 1..].starts_with('\n'))
    {
        return Err(DocumentError::ambiguous("a bare carriage return", text, at));
    }
    let text = lines(text);
    inspect(&text)?;
    let nodes = nodes(&text, readers)?;
    if nodes.is_empty() {
        return Ok(Value::Table(Vec::new()));
    }
    let (value, _) = Builder { nodes: &nodes, readers, entries: 0, bytes: 0 }.value(0, 0)?;
    // A document of markers and comments has a single empty scalar.
    let blank =
        matches!(nodes.as_slice(), [YamlNode { kind: YamlKind::Scalar { text, plain: true }, .. }] if text.is_empty());
    Ok(if blank { Value::Table(Vec::new()) } else { value })
}

/// Replaces each carriage return, alone or before a line feed, by a line feed.
pub(super) fn lines(text: &str) -> Cow<'_, str> {
    if !text.contains('\r') {
        return Cow::Borrowed(text);
    }
    let mut lines = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\r') {
        lines.push_str(&rest[..at]);
        lines.push('\n');
        rest = &rest[at + 1..];
        rest = rest.strip_prefix('\n').unwrap_or(rest);
    }
    lines.push_str(rest);
    Cow::Owned(lines)
}

/// The most indicator characters of a file. The parser may keep all tokens of a bracket until the bracket closes.
const MAX_INDICATORS: usize = 1 << 16;

fn inspect(text: &str) -> Result<(), DocumentError> {
    let indicators = text.bytes().filter(|byte| b",[]{}:?&*!|>'\"#%@`-".contains(byte)).count();
    if indicators > MAX_INDICATORS {
        return Err(DocumentError::TooManyEntries);
    }
    for (at, c) in text.char_indices() {
        let what = match c {
            '\u{85}' | '\u{2028}' | '\u{2029}' => "a line end of YAML 1.1 that other parsers do not know",
            // PyYAML's set of printable characters, without the byte order mark, whose meaning differs.
            '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' => continue,
            '\u{10000}'.. => continue,
            '\t' => continue,
            _ => "a character that YAML does not allow",
        };
        return Err(DocumentError::ambiguous(what, text, at));
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with('%') {
            return Err(DocumentError::ambiguous("a directive", text, start));
        }
        // A tab indents and separates in YAML 1.2 only.
        if line.contains('\t') && !line.trim_start_matches(' ').starts_with('#') {
            return Err(DocumentError::ambiguous("a tab, which PyYAML takes in few places", text, start));
        }
        start += line.len();
    }
    Ok(())
}

/// A node of the document. It is read again for each alias.
struct YamlNode<'t> {
    kind: YamlKind<'t>,
    /// The index after the node and its content.
    end: usize,
    line: usize,
}

enum YamlKind<'t> {
    Scalar { text: Cow<'t, str>, plain: bool },
    List,
    Table,
    Alias(usize),
}

fn nodes(text: &str, readers: Parsers) -> Result<Vec<YamlNode<'_>>, DocumentError> {
    let mut nodes: Vec<YamlNode<'_>> = Vec::new();
    // The index of the node of each anchor. The parser numbers anchors from 1.
    let mut anchors: Vec<(usize, usize)> = Vec::new();
    let mut open: Vec<(usize, bool)> = Vec::new();
    let (mut documents, mut flows, mut named) = (0, 0_usize, false);
    let last = text.rsplit('\n').next().unwrap_or_default();
    let unended = if last.is_empty() { usize::MAX } else { text.chars().count() };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) =
            event.map_err(|error| DocumentError::syntax("YAML", error.info(), error.marker().line()))?;
        let line = span.start.line();
        let refuse = |what| Err(DocumentError::Ambiguous { what, line });
        let at = nodes.len();
        let (kind, anchor, tag) = match event {
            Event::Scalar(mut text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                if plain && flows > 0 && (text.starts_with(':') || text.contains('?')) {
                    return refuse("a colon or question mark in flow style that PyYAML takes for an indicator");
                }
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    if open.is_empty() {
                        return refuse("a block scalar in the place of the document, which PyYAML indents otherwise");
                    }
                    if span.end.index() >= unended && last.trim().is_empty() {
                        return refuse("a block scalar that ends in spaces without a line feed");
                    }
                    // The parser adds a line feed to a last line without one.
                    if span.end.index() >= unended && text.ends_with('\n') {
                        text.to_mut().pop();
                    }
                }
                (YamlKind::Scalar { text, plain }, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (YamlKind::List, anchor, tag),
            Event::MappingStart(anchor, tag) => (YamlKind::Table, anchor, tag),
            Event::Alias(anchor) => {
                named = true;
                match anchors.binary_search_by_key(&anchor, |(anchor, _)| *anchor) {
                    Ok(found) if !open.iter().any(|(start, _)| *start == anchors[found].1) => {
                        (YamlKind::Alias(anchors[found].1), 0, None)
                    }
                    _ => return refuse("an alias for what contains it"),
                }
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((start, flow)) = open.pop() else { return refuse("an end without its start") };
                flows -= usize::from(flow);
                nodes[start].end = at;
                if readers == Parsers::All && flow && span.end.line() > nodes[start].line {
                    return refuse("brackets over several lines, which parsers indent differently");
                }
                continue;
            }
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return refuse("more than one document");
                }
                continue;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => continue,
        };
        if tag.is_some() {
            return refuse("a tag");
        }
        if anchor != 0 {
            named = true;
            anchors.push((anchor, at));
        }
        if matches!(kind, YamlKind::List | YamlKind::Table) {
            // A bracket has a span. A block that indentation opens has an empty span, unless an anchor precedes it.
            let flow = !span.is_empty();
            flows += usize::from(flow);
            open.push((at, flow));
        }
        nodes.push(YamlNode { kind, end: at + 1, line });
        if open.len() > MAX_DEPTH {
            return Err(DocumentError::TooDeep);
        }
        // An entry is two nodes: a name and a value.
        if nodes.len() > 2 * MAX_ENTRIES + 1 {
            return Err(DocumentError::TooManyEntries);
        }
    }
    if named && readers == Parsers::All {
        return Err(DocumentError::Ambiguous { what: "an anchor or alias, which parsers read differently", line: 1 });
    }
    if named {
        inspect_names(text)?;
    }
    Ok(nodes)
}

/// Refuses unusual names of anchors. It is called only for a file with anchors, because a text may hold `&` and `*`.
///
/// YAML 1.2 allows nearly every character in the name of an anchor. PyYAML allows letters, digits, `-` and `_`.
fn inspect_names(text: &str) -> Result<(), DocumentError> {
    let mut before = '\n';
    for (at, c) in text.char_indices() {
        if matches!(c, '&' | '*') && (before.is_whitespace() || "[]{},-?:\"'".contains(before)) {
            let name = text[at + 1..].find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'));
            let end = name.map_or(text.len(), |end| at + 1 + end);
            if end == at + 1 || !text[end..].chars().next().is_none_or(|c| " \n,]}".contains(c)) {
                return Err(DocumentError::ambiguous("an anchor or alias with an unusual name", text, at));
            }
        }
        before = c;
    }
    Ok(())
}

struct Builder<'n, 't> {
    nodes: &'n [YamlNode<'t>],
    readers: Parsers,
    entries: usize,
    bytes: usize,
}

impl Builder<'_, '_> {
    /// Returns the value that starts at a node, and the index of the next node.
    fn value(&mut self, at: usize, depth: usize) -> Result<(Value, usize), DocumentError> {
        let node = &self.nodes[at];
        let value = match &node.kind {
            YamlKind::Scalar { text, plain } => {
                self.spend(text)?;
                if *plain { plain_scalar(text) } else { Value::Text(text.clone().into_owned()) }
            }
            YamlKind::Alias(target) => self.value(*target, depth)?.0,
            YamlKind::List | YamlKind::Table if depth >= MAX_DEPTH => return Err(DocumentError::TooDeep),
            YamlKind::List => {
                let (mut list, mut next) = (Vec::new(), at + 1);
                while next < node.end {
                    self.enter()?;
                    let (value, after) = self.value(next, depth + 1)?;
                    list.push(value);
                    next = after;
                }
                Value::List(list)
            }
            YamlKind::Table => Value::Table(self.table(at, depth)?),
        };
        Ok((value, node.end))
    }

    /// Returns the entries of a table. Merged entries come first, as in PyYAML. The name `<<` itself is not an entry.
    fn table(&mut self, at: usize, depth: usize) -> Result<Vec<(String, Value)>, DocumentError> {
        let (mut merged, mut own, mut next) = (Vec::new(), Vec::new(), at + 1);
        let end = self.nodes[at].end;
        while next < end {
            let key = match self.nodes[next].kind {
                YamlKind::Alias(target) => target,
                _ => next,
            };
            let YamlKind::Scalar { text, plain } = &self.nodes[key].kind else {
                return Err(DocumentError::Ambiguous {
                    what: "a name that is not a scalar",
                    line: self.nodes[next].line,
                });
            };
            if self.readers == Parsers::All && *plain && text.is_empty() {
                return Err(DocumentError::Ambiguous { what: "an empty name", line: self.nodes[next].line });
            }
            let (merge, value_at) = (*plain && text == "<<", self.nodes[next].end);
            self.spend(text)?;
            self.enter()?;
            let name = text.clone().into_owned();
            let (value, after) = self.value(value_at, depth + 1)?;
            match value {
                Value::Table(entries) if merge => merged.extend(entries),
                Value::List(list) if merge => {
                    for value in list.into_iter().rev() {
                        match value {
                            Value::Table(entries) => merged.extend(entries),
                            _ => return Err(self.odd_merge(value_at)),
                        }
                    }
                }
                _ if merge => return Err(self.odd_merge(value_at)),
                value => own.push((name, value)),
            }
            next = after;
        }
        if !merged.is_empty() {
            merged.append(&mut own);
            return Ok(merged);
        }
        Ok(own)
    }

    fn odd_merge(&self, at: usize) -> DocumentError {
        DocumentError::Ambiguous { what: "a merge of what is not a table", line: self.nodes[at].line }
    }

    fn enter(&mut self) -> Result<(), DocumentError> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES { Err(DocumentError::TooManyEntries) } else { Ok(()) }
    }

    fn spend(&mut self, text: &str) -> Result<(), DocumentError> {
        self.bytes += text.len();
        if self.bytes > 4 * MAX_FILE { Err(DocumentError::Expands) } else { Ok(()) }
    }
}

/// Resolves the implicit types of YAML 1.1 (<https://yaml.org/type/>) that PyYAML knows. Of numbers, only the plain
/// spellings count.
fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(digits) = text.strip_prefix("0x") {
        return !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let empty = exponent.is_empty() || whole.is_empty() && fraction.is_empty();
    !empty && digits(whole) && digits(fraction) && digits(exponent)
}

#[cfg(test)]
mod tests {
    use super::super::document::tests::{number, table, text};
    use super::*;

    fn read(yaml: &str) -> Result<Value, DocumentError> {
        super::read(yaml, Parsers::PyYaml)
    }

    fn refused(yaml: &str) -> String {
        read(yaml).expect_err(yaml).to_string()
    }

    #[test]
    fn every_style_is_read() {
        let pair = || table([("a", text("b")), ("c", Value::List(vec![number("1"), text("x y")]))]);
        for yaml in [
            "a: b\nc:\n- 1\n- x\n  y\n",
            "{a: b, c: [1, x y]}",
            "{\"a\": \"b\", \"c\": [1, \"x y\"]}",
            "\"\\x61\": 'b'\r'c' : [ 1, 'x\r\n y' ]",
            "# note\n---\n? a\n: b # note\n? c\n: - 1\n  - >-\n    x\n    y\n...\n",
        ] {
            assert_eq!(read(yaml), Ok(pair()), "{yaml:?}");
        }
    }

    #[test]
    fn plain_scalars_have_the_types_of_yaml_1_1() {
        for (plain, value) in [
            ("yes", Value::Bool(true)),
            ("Off", Value::Bool(false)),
            ("oN", text("oN")),
            ("y", text("y")),
            ("~", Value::Null),
            ("", Value::Null),
            ("null", Value::Null),
            ("-1", number("-1")),
            ("0x1F", number("0x1F")),
            ("1.5e3", number("1.5e3")),
            (".", text(".")),
            ("1.2.3", text("1.2.3")),
            ("0x", text("0x")),
            ("'1'", text("1")),
            ("2001-01-01", text("2001-01-01")),
        ] {
            assert_eq!(read(&format!("a: {plain}")), Ok(table([("a", value)])), "{plain}");
        }
        assert_eq!(read("yes: 1\n2: x"), Ok(table([("yes", number("1")), ("2", text("x"))])));
    }

    #[test]
    fn aliases_and_merges_are_expanded() {
        let one = || table([("a", number("1"))]);
        assert_eq!(read("x: &x {a: 1}\ny: *x"), Ok(table([("x", one()), ("y", one())])));
        let merged = table([("x", one()), ("y", table([("a", number("1")), ("a", number("2"))]))]);
        assert_eq!(read("x: &x {a: 1}\ny: {a: 2, <<: *x}"), Ok(merged));
        let listed = "<<: [{a: 1}, {a: 2}]\nb: 3";
        assert_eq!(read(listed), Ok(table([("a", number("2")), ("a", number("1")), ("b", number("3"))])));
        assert_eq!(read("'<<': {a: 1}"), Ok(table([("<<", one())])));
        assert_eq!(read("&k a: 1\nb: {*k : 2}"), Ok(table([("a", number("1")), ("b", table([("a", number("2"))]))])));
        assert!(refused("<<: 1").contains("merge"));
        assert!(refused("a: &x [*x]").contains("what contains it"));
        assert!(refused("a: *x").contains("anchor"));
        assert!(refused("a: &x: 1\nb: *x:").contains("unusual name"));
    }

    #[test]
    fn what_pyyaml_reads_otherwise_is_refused() {
        for yaml in [
            "# c\u{85}message: x",
            "a: b\u{2028}c: d",
            "a: b\u{2029}",
            "%YAML 1.1\n--- {}",
            "a: !!str b",
            "!x a: b",
            "a: ! b",
            "a: 1\n---\nb: 2",
            "[a]: b",
            "? {a: 1}\n: b",
            "a:\tb",
            "\ta: b",
            "{a?b: c}",
            "{?a : b}",
            "{? :1}",
            "|\n# x",
            "a: |\n  x\n   ",
            "a: b: c",
            "a: \u{1}",
            "a: \u{7f}",
            "a: b\n\u{feff}c: d",
            "{",
            "a: [",
            "'",
            "- a\nb: c",
        ] {
            refused(yaml);
        }
        assert!(read("# a\ttab\nurl: http://x?y\nb: what?\nc: 'x\u{a0}'").is_ok());
        assert!(refused("a: 1\n\nb: !x y").ends_with("(line 3)"));
    }

    #[test]
    fn what_node_reads_otherwise_is_refused_in_a_front_matter() {
        for yaml in ["a: b\rc: d", "a: [b,\n  c]", ": b", "a: &x b", "a: &x b\nc: *x"] {
            assert!(read(yaml).is_ok() && super::read(yaml, Parsers::All).is_err(), "{yaml:?}");
        }
        assert!(super::read("a: b\r\nc: [d, {e: f}]\r\ng: \"h\r\n  i\"\r\n", Parsers::All).is_ok());
    }

    #[test]
    fn block_scalar_has_the_line_feeds_of_the_file() {
        assert_eq!(read("a: |\n  x"), Ok(table([("a", text("x"))])));
        assert_eq!(read("a: |\n  x\n"), Ok(table([("a", text("x\n"))])));
        assert_eq!(read("a: >-\n  x"), Ok(table([("a", text("x"))])));
        assert_eq!(read("a: |\n  x\n# c"), Ok(table([("a", text("x\n"))])));
    }

    #[test]
    fn depth_entries_and_expansion_are_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(read(&nested(MAX_DEPTH + 1)), Err(DocumentError::TooDeep));
        assert_eq!(read(&"[a".repeat(MAX_INDICATORS + 1)), Err(DocumentError::TooManyEntries));
        assert!(read(&"[".repeat(MAX_INDICATORS)).is_err());
        assert!(read(&"- ".repeat(1 << 15)).is_err());
        assert!(read(&"{a: ".repeat(1 << 14)).is_err());
        assert!(read(&"? ".repeat(1 << 15)).is_err());
        let mut laughs = "a0: &a0 x\n".to_owned();
        let mut deep = "a0: &a0 []\n".to_owned();
        for level in 1..70 {
            let list = format!("*a{},", level - 1).repeat(9);
            laughs += &format!("a{level}: &a{level} [{list}]\n");
            deep += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
        }
        assert_eq!(read(&laughs), Err(DocumentError::TooManyEntries));
        assert_eq!(read(&deep), Err(DocumentError::TooDeep));
        let wide = format!("a: &a {}\nb: [{}]", "x".repeat(100_000), "*a,".repeat(1000));
        assert_eq!(read(&wide), Err(DocumentError::Expands));
        assert_eq!(read(&"- a\n".repeat(MAX_ENTRIES + 1)), Err(DocumentError::TooManyEntries));
        assert!(read(&"- a\n".repeat(MAX_ENTRIES)).is_ok());
    }
}
