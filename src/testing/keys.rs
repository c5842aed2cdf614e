//! Made-up keys, so that no corpus holds a text of a key's form.

use crate::migrate::keyset::KeySet;
use serde_json::Value;

/// A made-up key by its letter: those that their form tells, one that only its variable's name tells (`m`), and a
/// credential that no agent takes (`h`).
pub(super) fn key(letter: u8) -> Option<String> {
    let body = |size: usize| "Te5TrQ8kFaKe2WxYz7Lm9PbN".chars().cycle().take(size).collect::<String>();
    Some(match letter {
        b'a' => format!("sk-ant-api03-{}AA", body(93)),
        b'b' => format!("sk-ant-api03-{}xAA", body(92)),
        b'o' => format!("sk-proj-{}T3BlbkFJ{}", body(74), body(74)),
        b'g' => format!("gsk_{}", body(52)),
        b'x' => format!("xai-{}", "TESTab12FAKEcd34".repeat(5)),
        b'm' => "TESTJOi1FAKE9u6ATESTGTHbFAKE0001".to_owned(),
        b'h' => format!("ghp_{}", "TESTab12FAKE".repeat(3)),
        _ => return None,
    })
}

/// The bytes with the made-up key in place of each `@` and its letter.
pub(super) fn filled(template: &[u8]) -> Vec<u8> {
    let mut filled = Vec::with_capacity(template.len());
    let mut rest = template;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match behind.first().copied().and_then(key).filter(|_| *first == b'@') {
            Some(key) => {
                filled.extend_from_slice(key.as_bytes());
                rest = &behind[1..];
            }
            None => filled.push(*first),
        }
    }
    filled
}

/// The made-up keys that the template names.
pub(super) fn named(template: &[u8]) -> Vec<String> {
    template.windows(2).filter(|pair| pair[0] == b'@').filter_map(|pair| key(pair[1])).collect()
}

/// Asserts that a text which people see repeats no key.
#[track_caller]
pub(super) fn assert_hidden(shown: &str, keys: &[String]) {
    // Messages may repeat a public prefix such as `sk-ant-api03-`.
    const TELLING: usize = 16;
    for key in keys {
        let is_there =
            key.as_bytes().windows(TELLING).any(|piece| memchr::memmem::find(shown.as_bytes(), piece).is_some());
        assert!(!is_there, "a key is repeated: {shown}");
    }
}

/// Asserts that no text in what is written down holds a piece of a key.
///
/// The names of fields, digests and markers are left out: a fuzzer finds made-up keys that hold a piece of them.
#[track_caller]
pub(super) fn assert_no_piece(written: &Value, keys: &KeySet<'_>) {
    match written {
        Value::String(text) => assert!(!keys.has_piece_in(text.as_bytes()), "{text}"),
        Value::Array(values) => values.iter().for_each(|value| assert_no_piece(value, keys)),
        Value::Object(fields) => {
            let is_ours = |name: &str| matches!(name, "before" | "after" | "with" | "context");
            let values = fields.iter().filter(|(name, _)| !is_ours(name)).map(|(_, value)| value);
            values.for_each(|value| assert_no_piece(value, keys));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
