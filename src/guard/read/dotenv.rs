//! Dotenv files: all that Node's `dotenv` 16 to 18 or python-dotenv 1.0 to 1.2 takes for an assignment.
//!
//! Both grammars are regular expressions in their libraries: `LINE` in Node's `parse`
//! (<https://github.com/motdotla/dotenv>), one for each part of a line in Python's `parser.py`
//! (<https://github.com/theskumar/python-dotenv>). The scanners below give what those give, in one pass without
//! backtracking. `${NAME}` stands as it is.

use super::document::{MAX_ENTRIES, Unread, Value};
use super::yaml::lines;
use std::collections::HashSet;

type Pairs = Vec<(String, String)>;

/// Gives the Node reading's pairs first; another reading adds the pairs that are not there yet.
pub(super) fn read(marked: &str) -> Result<Value, Unread> {
    let marked = lines(marked);
    let text = marked.strip_prefix('\u{feff}').unwrap_or(&marked);
    let mut pairs = node(&Scan::new(text))?;
    pairs.extend(python(&Scan::new(text), Escapes::Any)?);
    pairs.extend(python(&Scan::new(text), Escapes::Quote)?);
    if text.len() < marked.len() {
        pairs.extend(python(&Scan::new(&marked), Escapes::Quote)?);
    }
    // Neither library ends a line at these, but a shell's or an editor's idea of a line may.
    let ends = ['\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
    if text.contains(ends) {
        pairs.extend(node(&Scan::new(&text.replace(ends, "\n")))?);
    }
    let mut seen = HashSet::new();
    let new: Vec<bool> = pairs.iter().map(|pair| seen.insert(pair)).collect();
    drop(seen);
    if new.iter().filter(|new| **new).count() > MAX_ENTRIES {
        return Err(Unread::TooManyEntries);
    }
    let pairs = pairs.into_iter().zip(new).filter(|(_, new)| *new);
    Ok(Value::Table(pairs.map(|((name, value), _)| (name, Value::Text(value))).collect()))
}

fn push(pairs: &mut Pairs, name: &str, value: String) -> Result<(), Unread> {
    if pairs.len() >= MAX_ENTRIES {
        return Err(Unread::TooManyEntries);
    }
    pairs.push((name.to_owned(), value));
    Ok(())
}

/// A text whose characters are looked at one by one; tests count the looks.
struct Scan<'t> {
    text: &'t str,
    #[cfg(test)]
    looks: std::cell::Cell<usize>,
}

impl<'t> Scan<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            #[cfg(test)]
            looks: std::cell::Cell::new(0),
        }
    }

    fn at(&self, at: usize) -> Option<char> {
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1);
        match self.text.as_bytes().get(at) {
            Some(byte) if byte.is_ascii() => Some(char::from(*byte)),
            Some(_) => self.text[at..].chars().next(),
            None => None,
        }
    }

    /// The first place from here on whose character is not one of these.
    fn skip(&self, at: usize, one: impl Fn(char) -> bool) -> usize {
        let rest = &self.text[at..];
        self.looked(at, rest.find(|c| !one(c)))
    }

    /// The first place from here on with one of these.
    fn until(&self, at: usize, stops: &[u8]) -> usize {
        let rest = &self.text.as_bytes()[at..];
        self.looked(at, rest.iter().position(|byte| stops.contains(byte)))
    }

    fn looked(&self, from: usize, found: Option<usize>) -> usize {
        let to = found.map_or(self.text.len(), |found| from + found);
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1 + to - from);
        to
    }
}

/// `\s` of JavaScript.
fn is_js_space(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

/// Where `^` and `$` of JavaScript end a line; carriage returns have been replaced.
fn ends_js_line(c: char) -> bool {
    matches!(c, '\n' | '\u{2028}' | '\u{2029}')
}

/// `\s` of Python.
fn is_py_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

fn is_py_blank(c: char) -> bool {
    is_py_space(c) && c != '\n'
}

fn node(scan: &Scan<'_>) -> Result<Pairs, Unread> {
    let mut pairs = Vec::new();
    let mut line = 0;
    loop {
        let start = scan.skip(line, is_js_space);
        if start == scan.text.len() {
            return Ok(pairs);
        }
        // Any line that starts in the space before would fail at the same name.
        let mut end = start;
        if let Some((name, value)) = node_name(scan, start) {
            let (raw, after) = node_value(scan, value);
            push(&mut pairs, name, node_content(raw))?;
            end = after;
        }
        line = scan.skip(end, |c| !ends_js_line(c));
        line += scan.at(line).map_or(0, char::len_utf8);
    }
}

/// The name, and the place behind its `=` or `: `.
fn node_name<'t>(scan: &Scan<'t>, start: usize) -> Option<(&'t str, usize)> {
    let named = |start| {
        let end = scan.skip(start, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
        if end == start {
            return None;
        }
        let name = &scan.text[start..end];
        let sign = scan.skip(end, is_js_space);
        if scan.at(sign) == Some('=') {
            return Some((name, sign + 1));
        }
        if scan.at(end) != Some(':') {
            return None;
        }
        let space = scan.at(end + 1).filter(|c| is_js_space(*c))?;
        Some((name, end + 1 + space.len_utf8()))
    };
    let after = start + "export".len();
    let exported = scan.text[start..].starts_with("export") && scan.at(after).is_some_and(is_js_space);
    exported.then(|| named(scan.skip(after, is_js_space))).flatten().or_else(|| named(start))
}

/// The value with its quotes, and the place where it ends.
fn node_value<'t>(scan: &Scan<'t>, start: usize) -> (&'t str, usize) {
    let quoted = scan.skip(start, is_js_space);
    if let Some('\'' | '"' | '`') = scan.at(quoted)
        && let Some(end) = node_quoted(scan, quoted)
    {
        return (&scan.text[quoted..end], end);
    }
    let end = scan.until(start, b"#\n");
    (&scan.text[start..end], end)
}

/// The end of a quoted value: the first quote without a backslash before it, else the last one with. Nothing but space
/// and a comment may follow on the line.
fn node_quoted(scan: &Scan<'_>, open: usize) -> Option<usize> {
    let quote = &scan.text[open..=open];
    let ends = |end| {
        let after = scan.skip(end, is_js_space);
        scan.at(after).is_none_or(|c| c == '#') || scan.text[end..after].contains(ends_js_line)
    };
    let mut fallback = None;
    let mut at = open + 1;
    loop {
        let close = scan.until(at, quote.as_bytes());
        if close == scan.text.len() {
            return fallback;
        }
        at = close + 1;
        let escaped = close > open + 1 && scan.text.as_bytes()[close - 1] == b'\\';
        match (ends(at), escaped) {
            (true, false) => return Some(at),
            (true, true) => fallback = Some(at),
            (false, false) => return fallback,
            (false, true) => {}
        }
    }
}

/// Takes the space around a value and its quotes away. JavaScript looks for quotes in every line of it.
fn node_content(raw: &str) -> String {
    let value = raw.trim_matches(is_js_space);
    let last = ['\'', '"', '`'].map(|quote| {
        let ends = |(at, _): &(usize, &str)| value[at + 1..].chars().next().is_none_or(ends_js_line);
        (quote, value.rmatch_indices(quote).find(ends).map(|(at, _)| at))
    });
    let mut content = String::with_capacity(value.len());
    let (mut at, mut starts) = (0, true);
    if last.iter().all(|(_, last)| last.is_none()) {
        content.push_str(value);
        at = value.len();
    }
    while let Some(c) = value[at..].chars().next() {
        let last = last.iter().find(|(quote, _)| *quote == c).and_then(|(_, last)| *last);
        match last.filter(|last| starts && *last > at) {
            Some(last) => {
                content.push_str(&value[at + 1..last]);
                at = last + 1;
                starts = false;
            }
            None => {
                content.push(c);
                at += c.len_utf8();
                starts = ends_js_line(c);
            }
        }
    }
    if value.starts_with('"') { content.replace("\\n", "\n").replace("\\r", "\r") } else { content }
}

/// What a backslash in quotes escapes: any character from python-dotenv 1.2.3 on, a quote alone before.
#[derive(Clone, Copy, PartialEq)]
enum Escapes {
    Any,
    Quote,
}

fn python(scan: &Scan<'_>, escapes: Escapes) -> Result<Pairs, Unread> {
    let (text, mut pairs, mut at) = (scan.text, Vec::new(), 0);
    loop {
        at = scan.skip(at, is_py_space);
        if at == text.len() {
            return Ok(pairs);
        }
        match python_line(scan, at, escapes) {
            Ok((name, value, end)) => {
                if let (Some(name), Some(value)) = (name, value) {
                    push(&mut pairs, name, value)?;
                }
                at = end;
            }
            // A line that does not parse is passed over from where it stopped.
            Err(stopped) => {
                at = scan.until(stopped, b"\n");
                at += scan.at(at).map_or(0, char::len_utf8);
            }
        }
    }
}

type Line<'t> = (Option<&'t str>, Option<String>, usize);

/// The name, the value and the end of what starts here, or the place where it stopped to parse.
fn python_line<'t>(scan: &Scan<'t>, start: usize, escapes: Escapes) -> Result<Line<'t>, usize> {
    let text = scan.text;
    let mut at = start;
    let exported = at + "export".len();
    if text[at..].starts_with("export") && scan.at(exported).is_some_and(is_py_blank) {
        at = scan.skip(exported, is_py_blank);
    }
    let name = match scan.at(at) {
        Some('#') => None,
        Some('\'') => {
            let end = scan.until(at + 1, b"'");
            if end == at + 1 || end == text.len() {
                return Err(at);
            }
            let name = &text[at + 1..end];
            at = end + 1;
            Some(name)
        }
        _ => {
            let end = scan.skip(at, |c| !is_py_space(c) && !matches!(c, '=' | '#'));
            if end == at {
                return Err(at);
            }
            let name = &text[at..end];
            at = end;
            Some(name)
        }
    };
    at = scan.skip(at, is_py_blank);
    let mut value = None;
    if scan.at(at) == Some('=') {
        let sign = at + 1;
        at = scan.skip(sign, is_py_blank);
        let (read, end) = match scan.at(at) {
            Some('#') if escapes == Escapes::Any && at > sign => (String::new(), at),
            Some(quote @ ('\'' | '"')) => python_quoted(scan, at, quote, escapes).ok_or(at)?,
            _ => {
                let end = scan.until(at, b"\n");
                (python_bare(&text[at..end]).to_owned(), end)
            }
        };
        value = Some(read);
        at = end;
    }
    let comment = scan.skip(at, is_py_blank);
    if scan.at(comment) == Some('#') {
        at = scan.until(comment, b"\n");
    }
    let end = scan.skip(at, is_py_blank);
    match scan.at(end) {
        None => Ok((name, value, end)),
        Some('\n') => Ok((name, value, end + 1)),
        Some(_) => Err(at),
    }
}

/// A comment starts at the first `#` with space before it.
fn python_bare(part: &str) -> &str {
    let comment = part.match_indices('#').find(|(at, _)| part[..*at].ends_with(is_py_space));
    part[..comment.map_or(part.len(), |(at, _)| at)].trim_end_matches(is_py_space)
}

/// The content of a quoted value and the place behind it.
fn python_quoted(scan: &Scan<'_>, open: usize, quote: char, escapes: Escapes) -> Option<(String, usize)> {
    let (mut at, mut escaped, mut close) = (open + 1, false, None);
    loop {
        let stop = scan.until(at, if quote == '"' { b"\\\"" } else { b"\\'" });
        escaped = escaped && stop == at;
        match scan.at(stop) {
            None => break,
            Some('\\') => escaped = !(escaped && escapes == Escapes::Any),
            Some(_) if escaped => {
                // Without any other quote, the expression gives the last one with a backslash back.
                if escapes == Escapes::Quote {
                    close = Some(stop);
                }
                escaped = false;
            }
            Some(_) => {
                close = Some(stop);
                break;
            }
        }
        at = stop + 1;
    }
    let close = close?;
    let content = &scan.text[open + 1..close];
    let mut value = String::with_capacity(content.len());
    let mut rest = content.chars();
    while let Some(c) = rest.next() {
        let next = rest.clone().next();
        let plain = match (c, next) {
            ('\\', Some(next @ ('\\' | '\''))) => Some(next),
            ('\\', Some(next)) if quote == '"' => match next {
                '"' => Some('"'),
                'a' => Some('\u{7}'),
                'b' => Some('\u{8}'),
                'f' => Some('\u{c}'),
                'n' => Some('\n'),
                'r' => Some('\r'),
                't' => Some('\t'),
                'v' => Some('\u{b}'),
                _ => None,
            },
            _ => None,
        };
        if plain.is_some() {
            rest.next();
        }
        value.push(plain.unwrap_or(c));
    }
    Some((value, close + 1))
}

#[cfg(test)]
mod tests {
    use super::super::document::tests::{extent, table, text};
    use super::*;
    use proptest::prelude::*;

    fn pairs<'e>(expected: &[(&'e str, &'e str)]) -> Pairs {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn by_node(text: &str) -> Pairs {
        node(&Scan::new(&lines(text))).expect("bounded")
    }

    fn by_python(text: &str) -> Pairs {
        python(&Scan::new(&lines(text)), Escapes::Any).expect("bounded")
    }

    #[test]
    fn each_library_is_read_as_it_reads() {
        let both = |text: &str, node: &[(&str, &str)], python: &[(&str, &str)]| {
            assert_eq!(by_node(text), pairs(node), "Node, {text:?}");
            assert_eq!(by_python(text), pairs(python), "Python, {text:?}");
        };
        let two = [("A", "1"), ("B", "2")];
        for end in ["\r", "\n", "\r\n"] {
            both(&format!("A=1{end}B=2{end}"), &two, &two);
        }
        for end in ["\u{b}", "\u{c}", "\u{85}", "\u{2028}"] {
            let value = format!("1{end}B=2");
            both(&format!("A={value}"), &[("A", &value)], &[("A", &value)]);
        }
        let b = [("B", "2")];
        both("export\tB=2", &b, &b);
        both("export   B = 2", &b, &b);
        both("B: 2", &b, &[]);
        both("'B'=2", &[], &b);
        both("A=`x\nB=2`", &[("A", "x\nB=2")], &[("A", "`x"), ("B", "2`")]);
        both("A=\"x\nB=2\"", &[("A", "x\nB=2")], &[("A", "x\nB=2")]);
        both("A='x\nB=2'", &[("A", "x\nB=2")], &[("A", "x\nB=2")]);
        both("A=\"x\nB=2", &[("A", "\"x"), ("B", "2")], &b);
        both("B=2#c", &b, &[("B", "2#c")]);
        both("B=2 # c", &b, &b);
        both("A=${B}", &[("A", "${B}")], &[("A", "${B}")]);
        both("B=1\nB=2", &[("B", "1"), ("B", "2")], &[("B", "1"), ("B", "2")]);
    }

    #[test]
    fn odd_assignments_of_node_are_read() {
        assert_eq!(by_node("A\n\n=1"), pairs(&[("A", "1")]));
        assert_eq!(by_node("A:\nB=2"), pairs(&[("A", "B=2")]));
        assert_eq!(by_node("A=\n\n'x'\nB=\n"), pairs(&[("A", "x"), ("B", "")]));
        assert_eq!(by_node("export\n\nA=1\nexport=2\nexport : 3"), pairs(&[("A", "1"), ("export", "2")]));
        assert_eq!(by_node("A=\"a\\\"b\"\nB='\\' # c"), pairs(&[("A", "a\\\"b"), ("B", "\\")]));
        assert_eq!(by_node("A=\"x\\ny\\rz\"\nB='x\\ny'"), pairs(&[("A", "x\ny\rz"), ("B", "x\\ny")]));
        assert_eq!(by_node("A=\"a\" b\"\nB=\"a\" b"), pairs(&[("A", "a\" b"), ("B", "\"a\" b")]));
        assert_eq!(by_node("A='x'\u{2028}B=2"), pairs(&[("A", "x"), ("B", "2")]));
        assert_eq!(by_node("A=x\u{2028}'y'\u{2028}z"), pairs(&[("A", "x\u{2028}y\u{2028}z")]));
        assert_eq!(by_node("\u{feff}A\u{a0}=\u{feff}1\u{3000}"), pairs(&[("A", "1")]));
    }

    #[test]
    fn odd_assignments_of_python_are_read() {
        assert_eq!(by_python("'A\nB'=1"), pairs(&[("A\nB", "1")]));
        assert_eq!(by_python("A\u{1c}=\u{85}1 "), pairs(&[("A", "1")]));
        assert_eq!(by_python("A\nB!=1\n=2\n\"C\"=3"), pairs(&[("B!", "1"), ("\"C\"", "3")]));
        assert_eq!(by_python("A='a\\'b' # c\nB=\"\\t\\\"\\x\" c"), pairs(&[("A", "a'b")]));
        assert_eq!(by_python("A= # c\nB=#c"), pairs(&[("A", ""), ("B", "#c")]));
        assert_eq!(by_python("A='x\\\\'\nB=2"), pairs(&[("A", "x\\"), ("B", "2")]));
        let old = python(&Scan::new("A='x\\\\'\nB=2'\nC= # c"), Escapes::Quote).expect("bounded");
        assert_eq!(old, pairs(&[("A", "x\\'\nB=2"), ("C", "# c")]));
    }

    #[test]
    fn what_any_reading_takes_is_an_entry() {
        let read = |text: &str| read(text).expect("bounded");
        assert_eq!(read("B: 2\n'C'=3"), table([("B", text("2")), ("C", text("3"))]));
        assert_eq!(read("A=1\r\nA=1\rA=2"), table([("A", text("1")), ("A", text("2"))]));
        assert_eq!(read("\u{feff}A=1"), table([("A", text("1")), ("\u{feff}A", text("1"))]));
        for end in ["\u{b}", "\u{c}", "\u{85}", "\u{2028}", "\u{2029}"] {
            let Value::Table(entries) = read(&format!("# c{end}B=2")) else { panic!("a table") };
            assert!(entries.contains(&("B".into(), text("2"))), "{end:?}");
        }
    }

    #[test]
    fn entries_are_bounded() {
        let many = |count: usize| (0..count).map(|at| format!("A{at}=\n")).collect::<String>();
        assert_eq!(extent(&read(&many(MAX_ENTRIES)).expect("bounded")).1, MAX_ENTRIES);
        assert_eq!(read(&many(MAX_ENTRIES + 1)), Err(Unread::TooManyEntries));
    }

    #[test]
    fn work_grows_with_the_text_alone() {
        let shapes = [
            "\n",
            " ",
            "A\n",
            "A=\"",
            "A='\n",
            "A=`\nB='\nC=\"\n",
            "\\\"",
            "\\'",
            "A=\"\\\"x",
            "export ",
            "export\n",
            "'",
            "\"",
            "'A",
            "A=\n\n\n",
            "A=\"x\" y\n",
            "#",
            "A #",
            "A= \t",
            "\u{2028}'",
            "\u{2028}",
            "A: ",
            "\u{feff}",
            "\\",
            "A=\"\\\"\n\n\n\n",
            "A='\\' x\n",
            "`\n",
            "=",
            "A=x \u{2028}\"y\" ",
        ];
        for start in ["", "A=", "A=\"", "A='", "A=`\\`", "A=\"\\\"", "'", "export", "A", "A:"] {
            for shape in shapes {
                let looks = |count: usize| {
                    let text = start.to_owned() + &shape.repeat(count) + "!";
                    let scan = Scan::new(&text);
                    // A count of entries that ends the reading early is a bound as well.
                    let _ = (node(&scan), python(&scan, Escapes::Any), python(&scan, Escapes::Quote));
                    scan.looks.get()
                };
                let (few, many) = (looks(500), looks(2000));
                assert!(many <= 5 * few + 100, "{start:?} {shape:?}: {few}, then {many}");
            }
        }
    }

    proptest! {
        #[test]
        fn plain_assignments_are_read_by_both(name in "[A-Z_][A-Z0-9_]{0,8}", value in "[a-z0-9:/._-]{0,20}") {
            let read = read(&format!("# x\nexport {name}={value}\n")).expect("bounded");
            prop_assert_eq!(read, table([(&name, text(&value))]));
        }

        #[test]
        fn work_is_bounded_for_any_text(piece in "[A='\"`\\\\ \n#:!\u{2028}]{1,12}", start in "[A='\"`\\\\ \n#:]{0,6}") {
            let text = start + &piece.repeat(300);
            let scan = Scan::new(&text);
            let _ = (node(&scan), python(&scan, Escapes::Any), python(&scan, Escapes::Quote));
            prop_assert!(scan.looks.get() <= 40 * text.len() + 100);
        }
    }
}
