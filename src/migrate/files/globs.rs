//! Patterns of file names: braces, alternatives, and the files that match, without running a shell.
//!
//! A pattern is text in which the characters that mean something are marked, so that quoted ones stay plain. Every
//! list is limited: a pattern that matches a whole disk gives its beginning, and the budget says so. Called by
//! `values`.

use std::fs;
use std::path::Path;

/// So many words come of one word, and so many files of one folder.
pub(super) const MOST: usize = 25_000;
const DEEPEST: usize = 8;

/// What may still be listed, in entries, and whether a limit has left something out.
pub(super) struct Budget {
    pub(super) left: usize,
    pub(super) cut: bool,
    // So many words come of one word, and so many files of one folder.
    most: usize,
}

impl Budget {
    pub(super) fn new(entries: usize) -> Self {
        Self { left: entries, cut: false, most: MOST }
    }

    /// The same for folders of very many files.
    pub(super) fn of_records(entries: usize) -> Self {
        Self { most: entries, ..Self::new(entries) }
    }

    /// Takes off what is looked at; `false` where there is not so much.
    pub(super) fn take(&mut self, entries: usize) -> bool {
        let left = self.left.checked_sub(entries);
        self.cut |= left.is_none();
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    // Keeps so many and says if there were more.
    pub(super) fn limit<T>(&mut self, all: &mut Vec<T>, most: usize) {
        self.cut |= all.len() > most;
        all.truncate(most);
    }
}

// Characters of a pattern, out of the way of real ones: the last plane but one is for private use.
const MARKS: u32 = 0xf_0000;

/// A character that means something.
pub(super) fn marked(sign: char) -> char {
    if sign.is_ascii() { char::from_u32(MARKS + u32::from(sign)).unwrap_or(sign) } else { sign }
}

fn is_mark(sign: char) -> bool {
    (MARKS..MARKS + 0x80).contains(&u32::from(sign))
}

/// The pattern as plain text.
pub(super) fn unmarked(pattern: &str) -> String {
    let plain = |sign| if is_mark(sign) { char::from_u32(u32::from(sign) - MARKS).unwrap_or(sign) } else { sign };
    pattern.chars().map(plain).collect()
}

/// The words that a pattern's braces and alternatives stand for: `{a,b}`, `{1..3}`, `(a|b)`. A group of zsh's
/// qualifiers, `(N)`, goes.
pub(super) fn alternatives(pattern: &str, budget: &mut Budget) -> Vec<String> {
    if pattern.matches([marked('{'), marked('(')]).count() > 32 {
        budget.cut = true;
        return vec![unmarked(pattern)];
    }
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    // Every turn takes away a bracket.
    while let Some(text) = open.pop() {
        let Some((start, end, parts)) = first_group(&text) else {
            done.push(text);
            continue;
        };
        if done.len() + open.len() + parts.len() > MOST {
            budget.cut = true;
            break;
        }
        // The first alternative is looked at first.
        open.extend(parts.iter().rev().map(|part| [&text[..start], part, &text[end..]].concat()));
    }
    done
}

// The first group that stands for several words: where it begins and ends, and these.
fn first_group(text: &str) -> Option<(usize, usize, Vec<String>)> {
    let (brace, group) = (marked('{'), marked('('));
    let start = text.find([brace, group])?;
    let is_brace = text[start..].starts_with(brace);
    let (close, comma) = if is_brace { (marked('}'), marked(',')) } else { (marked(')'), marked('|')) };
    let open = if is_brace { brace } else { group };
    let (mut depth, mut parts, mut from) = (0usize, Vec::new(), start + open.len_utf8());
    for (at, sign) in text[from..].char_indices().map(|(at, sign)| (at + start + open.len_utf8(), sign)) {
        if sign == open {
            depth += 1;
        } else if sign == close && depth == 0 {
            parts.push(text[from..at].to_owned());
            return Some(group_of(text, start, at + close.len_utf8(), parts, is_brace));
        } else if sign == close {
            depth -= 1;
        } else if sign == comma && depth == 0 {
            parts.push(text[from..at].to_owned());
            from = at + comma.len_utf8();
        }
    }
    // Never closed: only itself.
    Some((start, start + open.len_utf8(), vec![unmarked(&text[start..start + open.len_utf8()])]))
}

fn group_of(text: &str, start: usize, end: usize, parts: Vec<String>, is_brace: bool) -> (usize, usize, Vec<String>) {
    match &parts[..] {
        [one] if is_brace => match range(one) {
            Some(numbers) => (start, end, numbers),
            None => (start, end, vec![unmarked(&text[start..end])]),
        },
        // zsh's qualifiers, at the end of a word.
        [_] if !is_brace => (start, end, vec![String::new()]),
        // `@(a|b)` of bash.
        _ if !is_brace && text[..start].ends_with(['@', '+']) => (start - 1, end, parts),
        _ => (start, end, parts),
    }
}

// `1..3`, `a..c`
fn range(text: &str) -> Option<Vec<String>> {
    let (from, to) = text.split_once("..")?;
    if let (Ok(from), Ok(to)) = (from.parse::<u16>(), to.parse::<u16>()) {
        let pad = if text.starts_with('0') { text.find('.')? } else { 0 };
        return Some((from..=to).map(|number| format!("{number:0pad$}")).collect());
    }
    let sign = |text: &str| text.chars().next().filter(|_| text.len() == 1);
    Some((sign(from)?..=sign(to)?).map(String::from).collect())
}

/// The paths that an absolute pattern stands for, sorted: its own where nothing in it is a pattern. `budget` is what
/// may still be listed.
pub(super) fn paths(pattern: &str, hidden: bool, budget: &mut Budget) -> Vec<String> {
    let is_pattern = |text: &str| text.contains([marked('*'), marked('?'), marked('[')]);
    if !is_pattern(pattern) {
        return vec![unmarked(pattern)];
    }
    let Some((root, rest)) = pattern.split_once('/').filter(|_| Path::new(pattern).is_absolute()) else {
        return Vec::new();
    };
    let mut found = vec![unmarked(root)];
    for part in rest.split('/') {
        let mut next = Vec::new();
        for folder in found {
            if part.chars().count() >= 2 && part.chars().all(|sign| sign == marked('*')) {
                below(folder, DEEPEST, &mut next, budget);
            } else if is_pattern(part) {
                let names = listed(&folder, budget).into_iter().filter(|name| matches(part, name, hidden));
                next.extend(names.map(|name| format!("{folder}/{name}")));
            } else {
                next.push(format!("{folder}/{}", unmarked(part)));
            }
            budget.limit(&mut next, budget.most);
        }
        found = next;
    }
    found
}

// The folder and all below it that are not hidden.
fn below(folder: String, depth: usize, into: &mut Vec<String>, budget: &mut Budget) {
    let names = listed(&folder, budget);
    into.push(folder);
    let folder = into[into.len() - 1].clone();
    for name in names.into_iter().filter(|name| !name.starts_with('.')) {
        let path = format!("{folder}/{name}");
        // A link may lead back.
        if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
            if depth == 0 || into.len() > budget.most {
                budget.cut = true;
                return;
            }
            below(path, depth - 1, into, budget);
        }
    }
}

/// The files below a folder, hidden ones too.
pub(super) fn tree(folder: &str, budget: &mut Budget) -> Vec<String> {
    let mut folders = Vec::new();
    below(folder.to_owned(), DEEPEST, &mut folders, budget);
    let files = folders.iter().flat_map(|folder| {
        listed(folder, budget).into_iter().map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
    });
    let mut files: Vec<String> = files.take(MOST + 1).collect();
    budget.limit(&mut files, MOST);
    files
}

/// A folder's names, sorted.
pub(super) fn listed(folder: &str, budget: &mut Budget) -> Vec<String> {
    let folder = if folder.is_empty() { "/" } else { folder };
    let entries = fs::read_dir(Path::new(folder)).into_iter().flatten().flatten().take(budget.left + 1);
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    budget.limit(&mut names, budget.left);
    budget.left = budget.left.saturating_sub(names.len() + 1);
    names.sort();
    names
}

/// Whether a name matches one part of a pattern.
pub(super) fn matches(pattern: &str, name: &str, hidden: bool) -> bool {
    if name.starts_with('.') && !hidden && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (star, any, class) = (marked('*'), marked('?'), marked('['));
    let (mut at, mut to, mut back) = (0, 0, None);
    while to < name.len() {
        let one = match pattern.get(at) {
            Some(sign) if *sign == star => {
                back = Some((at, to));
                at += 1;
                continue;
            }
            Some(sign) if *sign == any => Some(at + 1),
            Some(sign) if *sign == class => in_class(&pattern, at, name[to]),
            Some(sign) => (unmarked(&sign.to_string()).starts_with(name[to])).then_some(at + 1),
            None => None,
        };
        match (one, back) {
            (Some(next), _) => (at, to) = (next, to + 1),
            // The last star takes one character more.
            (None, Some((star, from))) => {
                back = Some((star, from + 1));
                (at, to) = (star + 1, from + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|sign| *sign == star)
}

// `[a-z]`, `[!a]`: where the pattern goes on if the character is one of it.
fn in_class(pattern: &[char], start: usize, name: char) -> Option<usize> {
    let size = pattern[start + 1..].iter().skip(1).position(|sign| *sign == marked(']'))? + 1;
    let inside: Vec<char> =
        unmarked(&pattern[start + 1..start + 1 + size].iter().collect::<String>()).chars().collect();
    let not = matches!(inside[0], '!' | '^');
    let signs = &inside[usize::from(not)..];
    let mut is_in = false;
    let mut at = 0;
    while at < signs.len() {
        if at + 2 < signs.len() && signs[at + 1] == '-' {
            is_in |= (signs[at]..=signs[at + 2]).contains(&name);
            at += 3;
        } else {
            is_in |= signs[at] == name;
            at += 1;
        }
    }
    (is_in != not).then_some(start + size + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> String {
        text.chars().map(|sign| if "*?[]{},()|".contains(sign) { marked(sign) } else { sign }).collect()
    }

    #[test]
    fn braces_and_groups_stand_for_several_words() {
        for (text, want) in [
            ("~/.{path,extra}", "~/.path ~/.extra"),
            ("{a,b}{1,2}", "a1 a2 b1 b2"),
            ("{a,{b,c}d}", "a bd cd"),
            ("{8..10}{x..y}", "8x 8y 9x 9y 10x 10y"),
            ("x{a}", "x{a}"),
            ("x{a", "x{a"),
            ("(a|b).zsh(N)", "a.zsh b.zsh"),
            ("@(a|b)", "a b"),
            ("{a,}", "a "),
        ] {
            let found: Vec<_> =
                alternatives(&pattern(text), &mut Budget::new(0)).iter().map(|word| unmarked(word)).collect();
            assert_eq!(found, want.split(' ').collect::<Vec<_>>(), "{text}");
        }
    }

    #[test]
    fn names_match_as_in_a_shell() {
        for (text, name, want) in [
            ("*.zsh", "a.zsh", true),
            ("*.zsh", ".a.zsh", false),
            (".*", ".a", true),
            ("a?c*", "abcd", true),
            ("[0-9]*-[!a]", "12-b", true),
            ("[0-9]*-[!a]", "12-a", false),
            ("*a*b", "xaab", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(&pattern(text), name, false), want, "{text} {name}");
        }
    }

    #[test]
    fn files_are_found_sorted_and_to_a_limit() {
        let home = tempfile::tempdir().expect("a folder");
        for name in ["b/x.zsh", "a/y.zsh", "a/.z.zsh", "a/c/d/w.zsh"] {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, "").expect("written");
        }
        let base = home.path().display().to_string();
        let found = |text: &str, entries: usize| {
            let mut budget = Budget::new(entries);
            let names = paths(&format!("{base}/{}", pattern(text)), false, &mut budget);
            let names = names.iter().map(|name| name[base.len() + 1..].to_owned()).collect::<Vec<_>>().join(" ");
            (names, budget.cut)
        };
        let whole = |names: &str| (names.to_owned(), false);
        assert_eq!(found("*/*.zsh", 100), whole("a/y.zsh b/x.zsh"));
        assert_eq!(found("**/*.zsh", 100), whole("a/y.zsh a/c/d/w.zsh b/x.zsh"));
        assert_eq!(found("a/{n}", 100), whole("a/{n}"));
        assert_eq!(found("*/*.zsh", 2), (String::new(), true));
    }

    proptest! {
        #[test]
        fn any_pattern_ends(text in "[{}(),|*?a.\\[\\]!-]{0,40}", name in "[a.*]{0,30}") {
            let text = pattern(&text);
            assert!(alternatives(&text, &mut Budget::new(0)).len() <= MOST);
            matches(&text, &name, true);
        }
    }
}
