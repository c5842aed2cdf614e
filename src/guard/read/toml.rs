//! A reader of TOML. The standard leaves nothing open, so one parser reads what all agents read.
//!
//! The parser builds a list of tokens and a tree of tables before it returns. A first pass counts the characters that
//! let either grow.

use super::document::{DocumentError, MAX_DEPTH, MAX_ENTRIES, Value, line_of};
use ::toml::de::{DeTable, DeValue};

/// The most tokens of a file. The parser keeps all of them in memory.
const MAX_TOKENS: usize = 1 << 17;

pub(super) fn read(text: &str) -> Result<Value, DocumentError> {
    inspect(text)?;
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        DocumentError::syntax("TOML", error.message(), line)
    })?;
    table_of(table.into_inner(), 1)
}

/// Counts tables and tokens. Characters in strings and comments count as well, which refuses only huge files.
fn inspect(text: &str) -> Result<(), DocumentError> {
    let (mut tables, mut tokens, mut blank) = (0, 0, false);
    for byte in text.bytes() {
        let space = matches!(byte, b' ' | b'\t');
        match byte {
            // Each of these opens a value. A dot in a name opens a table.
            b'.' | b',' | b'[' | b'{' | b'=' => tables += 1,
            b'\n' | b'#' | b'"' | b'\'' | b']' | b'}' => tokens += 1,
            _ if space && !blank => tokens += 1,
            _ => {}
        }
        blank = space;
    }
    if tables > MAX_ENTRIES || tables + tokens > MAX_TOKENS { Err(DocumentError::TooManyEntries) } else { Ok(()) }
}

fn table_of(table: DeTable<'_>, depth: usize) -> Result<Value, DocumentError> {
    if depth > MAX_DEPTH {
        return Err(DocumentError::TooDeep);
    }
    let entries =
        table.into_iter().map(|(name, entry)| Ok((name.into_inner().into_owned(), value(entry.into_inner(), depth)?)));
    entries.collect::<Result<_, _>>().map(Value::Table)
}

fn value(value: DeValue<'_>, depth: usize) -> Result<Value, DocumentError> {
    Ok(match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => Value::Number(number.to_string()),
        DeValue::Float(number) => Value::Number(number.to_string()),
        DeValue::Boolean(truth) => Value::Bool(truth),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(_) if depth >= MAX_DEPTH => return Err(DocumentError::TooDeep),
        DeValue::Array(list) => {
            let list = list.into_iter().map(|entry| self::value(entry.into_inner(), depth + 1));
            Value::List(list.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => table_of(table, depth + 1)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::document::tests::{number, table, text};
    use super::*;

    #[test]
    fn every_kind_of_value_is_read() {
        let toml = "a.'b' = 1\n[[c]]\nd = \"\\u0041\\n\"\n[[c]]\ne = {f = [1.5, true, 1979-05-27]}\r\n";
        let list = Value::List(vec![number("1.5"), Value::Bool(true), text("1979-05-27")]);
        let c = Value::List(vec![table([("d", text("A\n"))]), table([("e", table([("f", list)]))])]);
        assert_eq!(read(toml), Ok(table([("a", table([("b", number("1"))])), ("c", c)])));
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        for toml in ["a=1\rb=2", "# x\ry", "a=1\na=2", "a", "a=\u{2028}1", "a=1\u{85}b=2", "a='\u{1}'", "[a]\n[a]"] {
            let reason = read(toml).expect_err(toml).to_string();
            assert!(reason.starts_with("does not parse as TOML: "), "{reason}");
        }
        assert!(read("a=1\nb=2\na=3").expect_err("twice").to_string().ends_with("(line 3)"));
    }

    #[test]
    fn depth_and_entries_are_bounded() {
        for open in ["a=[", "a.", "a={b=", "[a."] {
            for count in [65, 1000, 100_000] {
                assert!(read(&open.repeat(count)).is_err());
            }
        }
        let list = |depth: usize| format!("a={}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&list(MAX_DEPTH - 1)).is_ok());
        assert_eq!(read(&list(MAX_DEPTH)), Err(DocumentError::TooDeep));
        let dotted = |depth: usize| format!("{}a=1", "a.".repeat(depth));
        assert!(read(&dotted(MAX_DEPTH - 1)).is_ok());
        assert_eq!(read(&dotted(MAX_DEPTH)), Err(DocumentError::TooDeep));
        assert_eq!(read(&format!("a=[{}]", "1,".repeat(MAX_ENTRIES))), Err(DocumentError::TooManyEntries));
        assert_eq!(read(&"#\n".repeat(MAX_TOKENS / 2 + 1)), Err(DocumentError::TooManyEntries));
    }
}
