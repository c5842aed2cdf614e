//! Texts of other programs and files, for messages: printable, and without keys.

use crate::name::{is_unprintable, looks_like_a_key};
use std::collections::{BTreeSet, HashSet};

// A run of so many bytes that is also in a secret is hidden. Of a shorter secret only the whole is.
const TELLING: usize = 8;

/// Cuts out of a text what it repeats of known secrets, such as those that were sent to whoever says it. A part of a
/// secret is cut out as well, since a text may be cut, broken into lines or escaped. What [`masked`] looks for is left.
pub(crate) fn without(text: &str, secrets: &[&[u8]]) -> String {
    let telling = |secret: &[u8]| secret.len().min(TELLING);
    let lengths: BTreeSet<usize> = secrets.iter().map(|secret| telling(secret)).filter(|length| *length > 0).collect();
    let of_secrets = secrets.iter().filter(|secret| !secret.is_empty());
    let runs: HashSet<&[u8]> = of_secrets.flat_map(|secret| secret.windows(telling(secret))).collect();
    let mut hidden = vec![false; text.len()];
    for length in lengths {
        for (start, run) in text.as_bytes().windows(length).enumerate() {
            if runs.contains(run) {
                hidden[start..start + length].fill(true);
            }
        }
    }
    let (mut shown, mut was_hidden) = (String::new(), false);
    for (start, c) in text.char_indices() {
        let is_hidden = hidden[start..start + c.len_utf8()].contains(&true);
        match (is_hidden, was_hidden) {
            (false, _) => shown.push(c),
            (true, false) => shown.push_str("..."),
            (true, true) => {}
        }
        was_hidden = is_hidden;
    }
    shown
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_repeats_of_a_secret_is_cut_out() {
        let cut =
            |text: &str| without(text, &[b"correct horse battery", b"pin", b"", "\u{e9}\u{e9}\u{e9}\u{e9}".as_bytes()]);
        assert_eq!(cut("got \"correct horse battery\", no"), "got \"...\", no");
        assert_eq!(cut("correct horse battery"), "...");
        // Cut at its end, at its start, and broken into lines.
        assert_eq!(cut("got correct hor"), "got ...");
        assert_eq!(cut("se battery is wrong"), "... is wrong");
        assert_eq!(cut("a correct \nb horse battery"), "a ...\nb...");
        assert_eq!(cut("the pin is pinned"), "the ... is ...ned");
        assert_eq!(cut("\u{e9}\u{e9}\u{e9}\u{e9} \u{e9}"), "... \u{e9}");
        assert_eq!(cut("the horse is correct"), "the horse is correct");
        assert_eq!(without("nothing was sent", &[]), "nothing was sent");
    }
}
