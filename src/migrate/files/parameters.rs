//! What stands behind a variable's name in `${...}`: defaults, the parts of paths, what is cut off.
//!
//! Pure text, but for `:A` of zsh, which resolves links. Called by `values`.

use super::globs;
use std::fs;
use std::path::Path;

/// A variable as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter<'a> {
    /// zsh's flags in parentheses.
    pub(super) flags: &'a str,
    /// A sign before the name.
    pub(super) sign: Option<char>,
    /// The name, or a whole `${...}` or `$(...)` in its place.
    pub(super) name: &'a str,
    /// What stands in brackets.
    pub(super) index: Option<&'a str>,
    /// What is done with the value.
    pub(super) rest: &'a str,
}

/// Takes apart the inside of `${...}`.
pub(super) fn parsed(text: &str) -> Parameter<'_> {
    let (flags, text) = match text.strip_prefix('(').and_then(|inside| inside.split_once(')')) {
        Some((flags, rest)) => (flags, rest),
        None => ("", text),
    };
    let sign = text.chars().next().filter(|sign| "=~^+#!".contains(*sign) && text.len() > 1);
    let text = sign.map_or(text, |_| text[1..].trim_start_matches(['=', '~', '^']));
    let size = match text.as_bytes() {
        [b'"', ..] => text[1..].find('"').map_or(text.len(), |size| size + 2),
        [b'$', b'{' | b'(', ..] => bracketed(text),
        [b'@' | b'*' | b'-' | b'$' | b'?', ..] => 1,
        _ => text.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').unwrap_or(text.len()),
    };
    let (name, rest) = text.split_at(size);
    let index = rest.strip_prefix('[').and_then(|inside| inside.split_once(']'));
    let (index, rest) = index.map_or((None, rest), |(index, rest)| (Some(index), rest));
    Parameter { flags, sign, name: name.trim_matches('"'), index, rest }
}

fn bracketed(text: &str) -> usize {
    let mut depth = 0usize;
    for (at, sign) in text.char_indices() {
        match sign {
            '{' | '(' => depth += 1,
            '}' | ')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// A word that stands for a missing or present value, and whether it is also assigned.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Default<'a> {
    Missing(&'a str),
    Assigned(&'a str),
    Present(&'a str),
}

/// The word of `:-`, `:=`, `:+` and their short forms.
pub(super) fn default(rest: &str) -> Option<Default<'_>> {
    let bare = rest.strip_prefix(':').unwrap_or(rest);
    let word = bare.get(1..)?;
    match bare.as_bytes()[0] {
        b'-' => Some(Default::Missing(word)),
        b'=' => Some(Default::Assigned(word)),
        b'+' => Some(Default::Present(word)),
        _ => None,
    }
}

/// The value after what is done with it; `None` where more would have to be known. `pattern` marks what means
/// something in a pattern.
pub(super) fn changed(value: &str, rest: &str, pattern: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    match rest.as_bytes() {
        [] => Some(value.to_owned()),
        [b'#', b'#', ..] => cut(value, &pattern(&rest[2..])?, true, true),
        [b'#', ..] => cut(value, &pattern(&rest[1..])?, true, false),
        [b'%', b'%', ..] => cut(value, &pattern(&rest[2..])?, false, true),
        [b'%', ..] => cut(value, &pattern(&rest[1..])?, false, false),
        [b'/', ..] => {
            let all = rest.starts_with("//");
            let (from, to) = rest[if all { 2 } else { 1 }..].split_once('/').unwrap_or((&rest[1..], ""));
            let (from, to) = (pattern(from)?, pattern(to)?);
            let plain = globs::unmarked(&from);
            if plain != from || from.is_empty() || to.len() > 256 {
                return None;
            }
            Some(if all { value.replace(&from, &to) } else { value.replacen(&from, &to, 1) })
        }
        [b':', ..] => modified(value, rest),
        [b',', ..] => Some(value.to_lowercase()),
        [b'^', ..] => Some(value.to_uppercase()),
        [b'@', ..] => Some(value.to_owned()),
        _ => None,
    }
}

// `:A:h:h` and the like, of zsh and csh.
fn modified(value: &str, rest: &str) -> Option<String> {
    let mut value = value.to_owned();
    for part in rest.split(':').skip(1) {
        let mut signs = part.chars();
        let (sign, count) = (signs.next()?, signs.as_str());
        let times = if count.is_empty() { 1 } else { count.parse::<usize>().ok()?.min(64) };
        value = match sign {
            'A' | 'P' => resolved(&value),
            'a' | 'q' | 'Q' => value,
            'h' => (0..times).fold(value, |path, _| parent(&path)),
            't' => file_name(&value),
            'r' => value.rsplit_once('.').map_or(value.clone(), |(stem, _)| stem.to_owned()),
            'e' => value.rsplit_once('.')?.1.to_owned(),
            'l' => value.to_lowercase(),
            'u' => value.to_uppercase(),
            _ => return None,
        };
    }
    Some(value)
}

// Cuts the shortest or longest match of a pattern off an end.
fn cut(value: &str, pattern: &str, begin: bool, longest: bool) -> Option<String> {
    if value.len() > 512 || pattern.len() > 256 {
        return None;
    }
    let mut places: Vec<usize> = value.char_indices().map(|(at, _)| at).chain([value.len()]).collect();
    // From the shortest match to the longest.
    if !begin {
        places.reverse();
    }
    if longest {
        places.reverse();
    }
    let part = |at: usize| if begin { (&value[..at], &value[at..]) } else { (&value[at..], &value[..at]) };
    let kept = places.into_iter().map(part).find(|(part, _)| globs::matches(pattern, part, true));
    Some(kept.map_or(value, |(_, kept)| kept).to_owned())
}

/// A path without its last part.
pub(super) fn parent(path: &str) -> String {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
        None => ".".to_owned(),
    }
}

/// A path's last part.
pub(super) fn file_name(path: &str) -> String {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
}

/// A path without links, where it is there.
pub(super) fn resolved(path: &str) -> String {
    let resolved = fs::canonicalize(Path::new(path)).ok().and_then(|path| path.into_os_string().into_string().ok());
    resolved.unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_variable_is_taken_apart() {
        let of = |flags, sign, name, index, rest| Parameter { flags, sign, name, index, rest };
        for (text, want) in [
            ("HOME", of("", None, "HOME", None, "")),
            ("0:A:h", of("", None, "0", None, ":A:h")),
            ("XDG:-$HOME/.config", of("", None, "XDG", None, ":-$HOME/.config")),
            ("files[@]", of("", None, "files", Some("@"), "")),
            ("(%):-%x", of("%", None, "", None, ":-%x")),
            ("${(%):-%x}:A:h", of("", None, "${(%):-%x}", None, ":A:h")),
            ("=FILES", of("", Some('='), "FILES", None, "")),
            ("BASH_SOURCE[0]%/*", of("", None, "BASH_SOURCE", Some("0"), "%/*")),
        ] {
            assert_eq!(parsed(text), want, "{text}");
        }
    }

    #[test]
    fn values_are_cut_as_the_shells_do() {
        let pattern =
            |text: &str| Some(text.chars().map(|sign| if sign == '*' { globs::marked('*') } else { sign }).collect());
        for (rest, want) in [
            ("", Some("/a/b.c/d.zsh")),
            ("%/*", Some("/a/b.c")),
            ("%%/*", Some("")),
            ("##*/", Some("d.zsh")),
            ("#*/", Some("a/b.c/d.zsh")),
            (":h", Some("/a/b.c")),
            (":h:h", Some("/a")),
            (":h2", Some("/a")),
            (":t:r", Some("d")),
            ("/b.c/x", Some("/a/x/d.zsh")),
            (":0:3", None),
        ] {
            assert_eq!(changed("/a/b.c/d.zsh", rest, &mut { pattern }).as_deref(), want, "{rest}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart(text in "[(){}$:%#/*A-h0\\[\\]\"=~é-]{0,30}") {
            let parameter = parsed(&text);
            changed("/a/b", parameter.rest, &mut |text| Some(text.to_owned()));
            default(parameter.rest);
        }
    }
}
