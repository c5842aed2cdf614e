//! Texts of a project's file for messages and records: short, printable, and without keys.

use super::read::Value;
use crate::mask;
pub(crate) use crate::mask::{printable, short};

/// The longest value in a message, in characters.
pub(crate) const MESSAGE_CHARS: usize = 60;
/// The longest value in a record.
pub(crate) const RECORD_CHARS: usize = 240;

/// Returns the names that lead to an entry, joined by dots.
pub(crate) fn path(at: &[String]) -> String {
    const MOST: usize = 8;
    let name = |name: &String| {
        let name = short(&masked(name), 40);
        if name.is_empty() || name.contains(['.', ' ', '"']) { format!("{name:?}") } else { name }
    };
    let mut made = at.iter().take(MOST).map(name).collect::<Vec<_>>().join(".");
    if at.len() > MOST {
        made.push_str("...");
    }
    made
}

/// Returns a value on one line, cut to `RECORD_CHARS` characters. A text is hidden if its name or its form is that of a
/// secret.
pub(crate) fn value(at: &[String], value: &Value) -> String {
    let mut made = String::new();
    let name = at.last().map_or("", String::as_str);
    write(name, value, &mut made, 0);
    short(&made, RECORD_CHARS)
}

fn masked(text: &str) -> String {
    mask::masked(&text.chars().take(4 * RECORD_CHARS).collect::<String>())
}

fn write(name: &str, value: &Value, made: &mut String, depth: usize) {
    if made.len() > 4 * RECORD_CHARS || depth > 16 {
        return;
    }
    match value {
        Value::Null => made.push_str("null"),
        Value::Bool(truth) => made.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => made.push_str(&short(number, 24)),
        Value::Text(_) if is_secret(name) => made.push_str("(not shown)"),
        Value::Text(text) if depth == 0 => made.push_str(&masked(text)),
        Value::Text(text) => made.push_str(&format!("{:?}", masked(text))),
        Value::List(list) => {
            made.push('[');
            for (at, value) in list.iter().enumerate() {
                if at > 0 {
                    made.push_str(", ");
                }
                write(name, value, made, depth + 1);
            }
            made.push(']');
        }
        Value::Table(entries) => {
            made.push('{');
            for (at, (name, value)) in entries.iter().enumerate() {
                if at > 0 {
                    made.push_str(", ");
                }
                made.push_str(&short(&masked(name), 40));
                made.push_str(": ");
                write(name, value, made, depth + 1);
            }
            made.push('}');
        }
    }
}

// The last word of the name decides: `apiKeyHelper` is a program, `API_KEY_2` a key.
fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 9] =
        ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "CREDENTIALS", "AUTHORIZATION", "COOKIE"];
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '_' | '-'));
    let start = name.char_indices().rev().scan(false, |was_upper, (at, c)| {
        // A word begins after `_`, `-` or `.`, and at a capital letter after a small one.
        let ends = matches!(c, '_' | '-' | '.') || (*was_upper && c.is_ascii_lowercase());
        *was_upper = c.is_ascii_uppercase();
        (!ends).then_some(at)
    });
    let last = &name[start.last().unwrap_or(name.len())..];
    let last = last.to_ascii_uppercase();
    WORDS.iter().any(|word| last == *word || last.ends_with(word))
}

/// Cuts two values so that both show where they differ.
pub(crate) fn difference(old: &str, new: &str) -> (String, String) {
    let same = old.chars().zip(new.chars()).take_while(|(one, other)| one == other).count();
    let from = if same > MESSAGE_CHARS / 2 { same - MESSAGE_CHARS / 3 } else { 0 };
    let cut = |text: &str| {
        let tail: String = text.chars().skip(from).collect();
        short(&if from > 0 { format!("...{tail}") } else { tail }, MESSAGE_CHARS)
    };
    (cut(old), cut(new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        value(&[], &Value::Text(text.to_owned()))
    }

    #[test]
    fn keys_and_accounts_are_never_shown() {
        for (from, to) in [
            ("./x.sh --key sk-ant-api03-REALKEYREALKEYREALKEY", "./x.sh --key sk-a..."),
            ("http://user:pass@proxy.example:3128/x", "http://...@proxy.example:3128/x"),
            ("https://a@b@evil.example", "https://...@evil.example"),
            ("T0ken9aBcDeFgHiJkLmNoPq", "T0ke..."),
            ("npm run format-all-the-files-2", "npm run format-all-the-files-2"),
            ("a\u{1b}[31mb\u{202e}c\nd", "a?[31mb?c?d"),
        ] {
            assert_eq!(text(from), to);
        }
        let named = |name: &str| value(&[name.to_owned()], &Value::Text("abc".into()));
        assert_eq!(named("STRIPE_API_KEY"), "(not shown)");
        assert_eq!(named("HTTP_PROXY"), "abc");
        for name in ["apiKey", "API_KEY_2", "x-api-key", "APIKEY", "authToken"] {
            assert_eq!(named(name), "(not shown)", "{name}");
        }
        for name in ["apiKeyHelper", "keyFile", "TOKENS_FILE", ""] {
            assert_eq!(named(name), "abc", "{name}");
        }
        let table = Value::Table(vec![("authorization".into(), Value::Text("Bearer x".into()))]);
        assert_eq!(value(&[], &table), "{authorization: (not shown)}");
    }

    #[test]
    fn long_values_and_names_are_cut() {
        assert_eq!(text(&"a b ".repeat(100_000)).chars().count(), RECORD_CHARS);

        let list = Value::List(vec![Value::Text("y ".repeat(100)); 100_000]);
        assert!(value(&[], &list).len() <= RECORD_CHARS);
        assert_eq!(path(&["x".repeat(40_000), "a.b".into()]), format!("\"{}...\".\"a.b\"", "x".repeat(37)));
        assert!(path(&vec!["n".to_owned(); 1000]).len() < 30);
    }

    #[test]
    fn a_difference_shows_where_two_values_part() {
        let same = "x".repeat(100);
        let (old, new) = difference(&format!("{same} old"), &format!("{same} new"));
        assert!(old.ends_with(" old") && new.ends_with(" new") && old.len() <= MESSAGE_CHARS, "{old} {new}");
        assert_eq!(difference("./a", "./b"), ("./a".into(), "./b".into()));
    }
}
