//! What is a key and whose it is: by the variable's name, by the value's shape, and by what documentation puts there.
//!
//! Pure, and called by every reader and by the scan of histories. Nothing here keeps, prints or compares values; what
//! comes out are names of providers and byte ranges. The patterns are the vendors' own or those of the open secret
//! scanners; a pattern that other things match as well (32 hexadecimal digits) counts only under a known name.

mod beside;
mod known;
mod names;
mod patterns;
mod text;
mod values;

pub(crate) use beside::beside;
pub(crate) use known::Known;
pub(crate) use text::{AFTER, BEFORE, Hit, LONGEST_MARK, hits, is_better, search};

use names::provider_of;
use patterns::{PATTERNS, PLAUSIBLE, Pattern, Whose, owner};

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// A key of this provider of agents.
    Key(String),
    /// A credential of something else, here named: reported (`not-agent-key`), never moved.
    Foreign(&'static str),
    /// Random, under a name that says key without saying whose: reported (`unknown-name`), never moved. The provider
    /// is what its beginning suggests, or empty.
    Unknown(&'static str),
    /// Nothing to report, and why: `empty`, `reference`, `command-substitution`, `placeholder`, `implausible`
    /// (characters that no key has), `entropy`, `unknown`.
    Ignored(&'static str),
}

/// Judges a value by what is known to be a key, by the variable it stands in, if any, and by itself.
pub(crate) fn judge(name: Option<&str>, value: &[u8], known: &Known) -> Judgement {
    if let Some(provider) = known.provider(value) {
        return Judgement::Key(provider.to_owned());
    }
    if let Some(reason) = values::not_literal(value) {
        return Judgement::Ignored(reason);
    }
    if values::is_hollow(name, value) {
        return Judgement::Ignored("placeholder");
    }
    if !value.iter().all(|byte| PLAUSIBLE.has(*byte)) {
        return Judgement::Ignored("implausible");
    }
    let pattern = PATTERNS.iter().find(|pattern| pattern.matches(value));
    // A random key may well hold a short word between two dashes; only a key's full form excuses it.
    if !pattern.is_some_and(|pattern| pattern.whose != Whose::Other) && values::has_placeholder_word(value) {
        return Judgement::Ignored("placeholder");
    }
    if values::entropy(value) < 3.0 {
        return Judgement::Ignored("entropy");
    }
    match (name.and_then(provider_of), pattern) {
        (Some((provider, Whose::Other)), _) => Judgement::Foreign(provider),
        (None, Some(Pattern { provider, whose: Whose::Other | Whose::Named, .. })) => Judgement::Foreign(provider),
        (_, Some(Pattern { provider, whose: Whose::Agents, .. })) => Judgement::Key((*provider).to_owned()),
        (Some((provider, _)), _) => Judgement::Key(owner(value).unwrap_or(provider).to_owned()),
        (None, None) => Judgement::Ignored("unknown"),
    }
}

/// Judges the value that a start file, or a file that one reads, sets a variable to: there a name that only says that
/// it holds a key is worth a word, too.
pub(super) fn judge_setting(name: &str, value: &[u8], known: &Known) -> Judgement {
    let judgement = judge(Some(name), value, known);
    let is_mixed = value.iter().any(u8::is_ascii_alphabetic) && value.iter().any(u8::is_ascii_digit);
    let is_fingerprint = || names::is_of_pgp(name) && value.iter().all(u8::is_ascii_hexdigit);
    match judgement {
        Judgement::Ignored("unknown") if is_mixed && names::says_key(name) && !is_fingerprint() => {
            Judgement::Unknown(owner(value).unwrap_or_default())
        }
        judgement => judgement,
    }
}

/// The provider that a value under a known name tells by how it begins.
pub(super) fn told_by(value: &[u8]) -> Option<&'static str> {
    owner(value)
}

/// Whether a word that only stands near a name can hardly be anything but its key: a provider's own beginning, or
/// letters and digits as no person mixes them.
pub(super) fn is_telling(word: &[u8]) -> bool {
    let body = word.strip_prefix(b"sk-").unwrap_or(word);
    let runs = body.split(|byte| !byte.is_ascii_digit()).filter(|run| !run.is_empty()).count();
    let mixed = body.iter().any(u8::is_ascii_lowercase) && body.iter().any(u8::is_ascii_uppercase);
    owner(word).is_some()
        || PATTERNS.iter().any(|pattern| pattern.matches(word))
        || body.iter().all(u8::is_ascii_alphanumeric) && runs > 1 && (mixed || body.len() < word.len())
}

/// Whether a variable of this name holds a key of a provider of agents.
pub(super) fn is_key_name(name: &str) -> bool {
    provider_of(name).is_some_and(|(_, whose)| whose != Whose::Other)
}

/// The known variables, each with the provider whose credentials it holds.
#[cfg(test)]
pub(super) fn variables() -> Vec<(&'static str, &'static str)> {
    names::NAMES.iter().map(|(name, provider, _)| (*name, *provider)).collect()
}

/// The beginnings of the patterns, each with its provider.
#[cfg(test)]
pub(super) fn patterns() -> Vec<(&'static str, &'static str)> {
    PATTERNS.iter().map(|pattern| (pattern.prefix, pattern.provider)).collect()
}

/// The beginnings that tell the provider of a value under a known name.
#[cfg(test)]
pub(super) fn beginnings() -> Vec<(&'static str, &'static str)> {
    patterns::PREFIXES.to_vec()
}

/// The words that a name says a key with, and those that take it back.
#[cfg(test)]
pub(super) fn saying() -> (&'static [&'static str], &'static [&'static str]) {
    names::saying()
}

/// The words that make a value a placeholder.
#[cfg(test)]
pub(super) fn placeholder_words() -> &'static [&'static str] {
    values::WORDS
}

#[cfg(test)]
pub(crate) mod tests;
