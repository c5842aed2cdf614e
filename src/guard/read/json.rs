//! A reader of JSON with comments and trailing commas. It keeps every name.
//!
//! One lenient parser stands for the parsers of all agents. A first pass refuses constructs that another parser reads
//! differently, and limits the tree that the parser builds.

use super::document::{DocumentError, MAX_DEPTH, MAX_ENTRIES, Value};
use jsonc_parser::{CollectOptions, ParseOptions, ast, parse_to_ast};

const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) fn read(text: &str) -> Result<Value, DocumentError> {
    inspect(text)?;
    let parsed = parse_to_ast(text, &CollectOptions::default(), &OPTIONS)
        .map_err(|error| DocumentError::syntax("JSON", error.kind(), error.line_display()))?;
    Ok(parsed.value.map_or_else(|| Value::Table(Vec::new()), value))
}

/// Converts a value. `inspect` has limited the depth, so the recursion is bounded.
fn value(value: ast::Value<'_>) -> Value {
    match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::NumberLit(literal) => Value::Number(literal.value.to_owned()),
        ast::Value::StringLit(literal) => Value::Text(literal.value.into_owned()),
        ast::Value::Array(array) => Value::List(array.elements.into_iter().map(self::value).collect()),
        ast::Value::Object(object) => Value::Table(
            object.properties.into_iter().map(|entry| (entry.name.into_string(), self::value(entry.value))).collect(),
        ),
    }
}

/// Scans the text once and refuses ambiguous characters. Counts levels and entries outside strings and comments.
fn inspect(text: &str) -> Result<(), DocumentError> {
    let bytes = text.as_bytes();
    let refuse = |what, at| Err(DocumentError::ambiguous(what, text, at));
    let (mut at, mut depth, mut entries) = (0, 0_usize, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                loop {
                    match bytes.get(at) {
                        None => return Err(unfinished("string", text)),
                        Some(b'"') => break,
                        Some(b'\\') => at += 2,
                        // npm's jsonc-parser ends the string at a line break, and JSON.parse refuses the file.
                        Some(0..0x20) => return refuse("a control character inside a string", at),
                        Some(_) => at += 1,
                    }
                }
                at += 1;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                while bytes.get(at).is_some_and(|byte| *byte != b'\n') {
                    refuse_line_end(text, at)?;
                    at += 1;
                }
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at += 2;
                while !bytes[at..].starts_with(b"*/") {
                    if at >= bytes.len() {
                        return Err(unfinished("comment", text));
                    }
                    refuse_line_end(text, at)?;
                    at += 1;
                }
                at += 2;
            }
            b'{' | b'[' => {
                depth += 1;
                entries += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b',' => {
                entries += 1;
                at += 1;
            }
            _ => {
                refuse_line_end(text, at)?;
                if !matches!(byte, b'\n' | b'\r' | b'\t' | b' '..=b'~') {
                    return refuse("a character outside of a string that JSON does not know there", at);
                }
                at += 1;
            }
        }
        if depth > MAX_DEPTH {
            return Err(DocumentError::TooDeep);
        }
        if entries > MAX_ENTRIES {
            return Err(DocumentError::TooManyEntries);
        }
    }
    Ok(())
}

/// Refuses characters that end a line, and so a line comment, for some parsers only.
fn refuse_line_end(text: &str, at: usize) -> Result<(), DocumentError> {
    let what = match &text.as_bytes()[at..] {
        [b'\r', b'\n', ..] => return Ok(()),
        [b'\r', ..] => "a bare carriage return outside of a string, which some parsers take for the end of a line",
        [0xe2, 0x80, 0xa8, ..] => "U+2028 outside of a string, which some parsers take for the end of a line",
        [0xe2, 0x80, 0xa9, ..] => "U+2029 outside of a string, which some parsers take for the end of a line",
        _ => return Ok(()),
    };
    Err(DocumentError::ambiguous(what, text, at))
}

fn unfinished(what: &str, text: &str) -> DocumentError {
    DocumentError::syntax("JSON", format_args!("a {what} does not end"), super::document::line_of(text, text.len()))
}

#[cfg(test)]
mod tests {
    use super::super::document::tests::{number, table, text};
    use super::*;

    fn refused(text: &str) -> String {
        read(text).expect_err(text).to_string()
    }

    #[test]
    fn comments_commas_and_duplicate_names_are_read() {
        let json = "{ // note\n \"a\": 1, /* note */ \"a\": [true, null, -1.5e+3,], \"b\\u0061\": {\"c\": \"\",},\r\n}";
        let list = Value::List(vec![Value::Bool(true), Value::Null, number("-1.5e+3")]);
        let expected = table([("a", number("1")), ("a", list), ("ba", table([("c", text(""))]))]);
        assert_eq!(read(json), Ok(expected));
        assert_eq!(read("\"//\\\"/*\""), Ok(text("//\"/*")));
        assert_eq!(read("null"), Ok(Value::Null));
    }

    #[test]
    fn surrogate_pairs_are_one_character_and_halves_are_refused() {
        assert_eq!(read("\"\\ud83d\\ude00\""), Ok(text("\u{1f600}")));
        for half in ["\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\n", "\\ude00\\ud83d"] {
            assert!(refused(&format!("\"{half}\"")).contains("does not parse as JSON"), "{half}");
        }
    }

    #[test]
    fn line_ends_that_parsers_see_differently_are_refused() {
        for (end, name) in [("\r", "carriage return"), ("\u{2028}", "U+2028"), ("\u{2029}", "U+2029")] {
            for json in [format!("{{}}// x{end}"), format!("{{}}/* x{end} */"), format!("{{{end}}}")] {
                assert!(refused(&json).contains(name), "{json:?}");
            }
        }
        assert_eq!(
            refused("{\n\n// x\ry"),
            DocumentError::ambiguous(
                "a bare carriage return outside of a string, which some parsers take for the end of a line",
                "\n\n",
                2,
            )
            .to_string()
        );
        assert_eq!(read("\"\u{2028}\""), Ok(text("\u{2028}")));
        assert!(read("{\r\n}").is_ok());
    }

    #[test]
    fn what_only_json5_knows_is_refused() {
        let alone =
            ["'a'", "0x10", "+1", ".5", "5.", "01", "NaN", "Infinity", "-Infinity", "\"\\x41\"", "\"\\v\"", "\"\\'\""];
        let more = [
            "\"\\\n\"",
            "\"\\0\"",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
            "[1 2]",
            "[1,,2]",
            "{,}",
            "{} {}",
            "\"a\tb\"",
            "\"a\nb\"",
        ];
        for json in
            alone.into_iter().chain(more).chain(["\u{a0}{}", "\u{b}{}", "{}\u{c}", "{", "[", "\"", "/*", "/", "\"\\"])
        {
            refused(json);
        }
    }

    #[test]
    fn depth_and_entries_are_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(read(&nested(MAX_DEPTH + 1)), Err(DocumentError::TooDeep));
        assert_eq!(read(&"[".repeat(1 << 20)), Err(DocumentError::TooDeep));
        assert_eq!(read(&"{\"a\":".repeat(1 << 17)), Err(DocumentError::TooDeep));
        let list = |count: usize| format!("[{}1]", "1,".repeat(count));
        assert!(read(&list(MAX_ENTRIES - 1)).is_ok());
        assert_eq!(read(&list(MAX_ENTRIES)), Err(DocumentError::TooManyEntries));
    }
}
