//! Texts of other programs and files, for messages: printable, and without keys.

use crate::name::{is_unprintable, looks_like_a_key};

/// Hides what may be a key in a text, and replaces what must not reach a terminal. Each run of characters that a key
/// may have is examined by itself. The account in a URL is always hidden.
pub(crate) fn masked(text: &str) -> String {
    let text = printable(text);
    let mut made = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("://") {
        let (before, behind) = rest.split_at(at + 3);
        made.push_str(before);
        let end = behind.find(['/', ' ', '?', '"']).unwrap_or(behind.len());
        rest = match behind[..end].rfind('@') {
            Some(account) => {
                made.push_str("...");
                &behind[account..]
            }
            None => behind,
        };
    }
    made.push_str(rest);
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut shown = String::new();
    let mut rest = made.as_str();
    while let Some(start) = rest.find(is_key) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_key(c)).unwrap_or(from.len());
        let (run, behind) = from.split_at(end);
        shown.push_str(before);
        if is_a_key(run) {
            shown.extend(run.chars().take(4));
            shown.push_str("...");
        } else {
            shown.push_str(run);
        }
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

fn is_a_key(run: &str) -> bool {
    const BEGINNINGS: [&str; 12] =
        ["sk-", "sk_", "gsk_", "xai-", "AIza", "ghp_", "gho_", "github_pat_", "glpat-", "AKIA", "hf_", "eyJ"];
    let is_dense = |part: &str| {
        part.len() >= 16
            && part.bytes().any(|byte| byte.is_ascii_digit())
            && part.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    run.len() >= 12 && BEGINNINGS.iter().any(|begin| run.starts_with(begin))
        || looks_like_a_key(run)
        || run.split(['-', '_']).any(is_dense)
}

/// Replaces the characters that must not reach a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unprintable(c) { '?' } else { c }).collect()
}

/// Cuts a text to a number of characters.
pub(crate) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        text.chars().take(most - 3).chain("...".chars()).collect()
    }
}
