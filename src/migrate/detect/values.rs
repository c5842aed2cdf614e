//! Values that are no keys, whatever the variable: what code would give, placeholders, paths (rule D6).

/// Whole words between `-` and `_`, in documentation's stand-ins for a key.
pub(super) const WORDS: &[&str] = &[
    "your",
    "my",
    "key",
    "api",
    "example",
    "sample",
    "placeholder",
    "replace",
    "change",
    "changeme",
    "paste",
    "enter",
    "dummy",
    "fake",
    "test",
    "todo",
    "none",
    "local",
    "here",
    "required",
    "insert",
    "static",
];

/// Reports whether a value is made of words: one of the list, or nothing else. A part that is random itself makes it
/// none: keys of gateways begin with a team's or a place's name.
pub(super) fn has_placeholder_word(value: &[u8]) -> bool {
    let parts = || value.split(|byte| matches!(byte, b'-' | b'_'));
    let is_listed = |part: &[u8]| WORDS.iter().any(|word| part.eq_ignore_ascii_case(word.as_bytes()));
    (parts().any(is_listed) || parts().count() > 1 && parts().all(is_word)) && !parts().any(is_random)
}

// Letters of one case but for the first, and no more of them than a word has.
fn is_word(part: &[u8]) -> bool {
    let rest = part.get(1..).unwrap_or_default();
    part.len() < LEAST
        && part.iter().all(u8::is_ascii_alphabetic)
        && (rest.iter().all(u8::is_ascii_lowercase) || part.iter().all(u8::is_ascii_uppercase))
}

fn is_random(part: &[u8]) -> bool {
    part.len() >= LEAST
        && part.iter().all(u8::is_ascii_alphanumeric)
        && part.iter().any(u8::is_ascii_digit)
        && part.iter().any(u8::is_ascii_alphabetic)
        && entropy(part) >= 3.0
}

/// What running code or another store would give, and why.
pub(super) fn not_literal(value: &[u8]) -> Option<&'static str> {
    let has = |text: &[u8]| value.windows(text.len()).any(|window| window == text);
    match value {
        [] => Some("empty"),
        [b'(', ..] => Some("command-substitution"),
        _ if has(b"$(") || has(b"`") => Some("command-substitution"),
        _ if has(b"$") || has(b"://") => Some("reference"),
        _ => None,
    }
}

// No key is shorter.
const LEAST: usize = 20;

/// Reports whether a value only stands where a key would: too short, a template's mark, a path, no random characters.
pub(super) fn is_hollow(name: Option<&str>, value: &[u8]) -> bool {
    value.len() < LEAST
        || value.windows(3).any(|window| window == b"...")
        || value.iter().position(|byte| *byte == b'<').is_some_and(|open| value[open..].contains(&b'>'))
        || value.windows(6).any(|window| window.iter().all(|byte| *byte == window[0]))
        || value.starts_with(b"__") && value.ends_with(b"__")
        || is_path(value)
        || counts_up(value)
        || name.is_some_and(|name| is_own_name(name, value))
}

fn is_path(value: &[u8]) -> bool {
    let begins = [&b"/"[..], b"~/", b"./", b"../"].iter().any(|begin| value.starts_with(begin));
    // A path of Windows.
    begins || matches!(value, [drive, b':', b'/' | b'\\', ..] if drive.is_ascii_alphabetic())
}

// Eight characters in the order of the alphabet or of the digits.
fn counts_up(value: &[u8]) -> bool {
    let follows = |pair: &[u8]| match [pair[0].to_ascii_lowercase(), pair[1].to_ascii_lowercase()] {
        [b'9', b'0'] => true,
        [one, next] => {
            (one.is_ascii_digit() && next.is_ascii_digit() || one.is_ascii_lowercase() && next.is_ascii_lowercase())
                && next == one + 1
        }
    };
    let mut size = 1;
    value.windows(2).any(|pair| {
        size = if follows(pair) { size + 1 } else { 1 };
        size >= 8
    })
}

// The variable's own name, with nothing but words and signs around it.
fn is_own_name(name: &str, value: &[u8]) -> bool {
    // A shorter one may stand in a key by chance.
    let places = value.windows(name.len().max(8)).enumerate();
    let mut found = places.filter(|(_, window)| window.eq_ignore_ascii_case(name.as_bytes()));
    found.any(|(at, _)| !value[..at].iter().chain(&value[at + name.len()..]).any(u8::is_ascii_digit))
}

/// Shannon's entropy, in bits a byte.
pub(super) fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let total = value.len() as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / total).map(|p| -p * p.log2()).sum()
}
