//! A reader of dotenv files. It returns every assignment that Node's `dotenv` 16 to 18 or python-dotenv 1.0 to 1.2
//! reads.
//!
//! Both libraries define their grammar by regular expressions: `LINE` in Node's `parse`
//! (<https://github.com/motdotla/dotenv>), and one for each part of a line in Python's `parser.py`
//! (<https://github.com/theskumar/python-dotenv>). The scanners here return the same pairs in one pass without
//! backtracking. `${NAME}` is not expanded.

mod node;
mod python;
mod scan;

use super::document::{DocumentError, MAX_ENTRIES, Value};
use super::yaml::lines;
use node::node;
use python::{Escapes, python};
use scan::Scan;
use std::collections::HashSet;

type Pairs = Vec<(String, String)>;

/// Returns the pairs of Node's `dotenv`, then the pairs that only another parser reads.
pub(super) fn read(marked: &str) -> Result<Value, DocumentError> {
    let marked = lines(marked);
    let text = marked.strip_prefix('\u{feff}').unwrap_or(&marked);
    let mut pairs = node(&Scan::new(text))?;
    pairs.extend(python(&Scan::new(text), Escapes::Any)?);
    pairs.extend(python(&Scan::new(text), Escapes::Quote)?);
    if text.len() < marked.len() {
        pairs.extend(python(&Scan::new(&marked), Escapes::Quote)?);
    }
    // Neither library ends a line at these characters, but a shell or an editor may.
    let ends = ['\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
    if text.contains(ends) {
        pairs.extend(node(&Scan::new(&text.replace(ends, "\n")))?);
    }
    let mut seen = HashSet::new();
    let new: Vec<bool> = pairs.iter().map(|pair| seen.insert(pair)).collect();
    drop(seen);
    if new.iter().filter(|new| **new).count() > MAX_ENTRIES {
        return Err(DocumentError::TooManyEntries);
    }
    let pairs = pairs.into_iter().zip(new).filter(|(_, new)| *new);
    Ok(Value::Table(pairs.map(|((name, value), _)| (name, Value::Text(value))).collect()))
}

fn push(pairs: &mut Pairs, name: &str, value: String) -> Result<(), DocumentError> {
    if pairs.len() >= MAX_ENTRIES {
        return Err(DocumentError::TooManyEntries);
    }
    pairs.push((name.to_owned(), value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::read::document::tests::{extent, table, text};
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
        assert_eq!(read(&many(MAX_ENTRIES + 1)), Err(DocumentError::TooManyEntries));
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
                let reads = |count: usize| {
                    let text = start.to_owned() + &shape.repeat(count) + "!";
                    let scan = Scan::new(&text);
                    // A count of entries that ends the reading early is a bound as well.
                    let _ = (node(&scan), python(&scan, Escapes::Any), python(&scan, Escapes::Quote));
                    scan.reads.get()
                };
                let (few, many) = (reads(500), reads(2000));
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
        fn work_is_bounded_for_any_text(
            piece in "[A='\"`\\\\ \n#:!\u{2028}]{1,12}",
            start in "[A='\"`\\\\ \n#:]{0,6}",
        ) {
            let text = start + &piece.repeat(300);
            let scan = Scan::new(&text);
            let _ = (node(&scan), python(&scan, Escapes::Any), python(&scan, Escapes::Quote));
            prop_assert!(scan.reads.get() <= 40 * text.len() + 100);
        }
    }
}
