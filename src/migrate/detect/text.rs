//! Keys inside arbitrary text: where they are, and which name they stand under.

use super::known::Known;
use super::names::provider_of;
use super::patterns::{LETTER_DIGIT, LONGEST_KEY, LONGEST_NAME, PATTERNS, PLAUSIBLE, WORD, WORD_DASH, back, forth};
use super::{Judgement, judge};
use crate::migrate::model::Span;
use aho_corasick::{AhoCorasick, Input, MatchKind};
use std::sync::LazyLock;

/// A key or credential inside arbitrary text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    /// The name it is set under, where one stands before it.
    pub name: Option<Span>,
    /// The value, without quotes.
    pub value: Span,
    /// Whose it is; never `Ignored`.
    pub judgement: Judgement,
    /// Whether its value is known to be a key.
    pub known: bool,
}

/// The keys and foreign credentials in any bytes, in order, never overlapping, with the names they stand under.
///
/// One pass looks for the patterns' literal beginnings and the known names' endings; only around those the rules are
/// asked, so that text without keys costs what a search for fixed strings costs. Values that are known to be keys are
/// found wherever they stand, in the middle of a word, too.
pub(crate) fn hits(bytes: &[u8], known: &Known) -> Vec<Hit> {
    let mut found: Vec<Hit> = Vec::new();
    search(bytes, 0..bytes.len(), known, |hit| match found.last_mut() {
        Some(last) if hit.value.start < last.value.end => {
            if is_better(&hit, last) {
                *last = hit;
            }
        }
        _ => found.push(hit),
    });
    found
}

/// Of two hits that overlap, whether the later one stays: it is the same value, met once by its beginning and once by
/// its name; or it is known to be a key, and the other is no key that it is a part of.
pub(crate) fn is_better(hit: &Hit, last: &Hit) -> bool {
    match (hit.known, last.known) {
        (true, false) => hit.value.start < last.value.start || hit.value.end > last.value.end,
        (false, true) => hit.value.start == last.value.start && hit.value.end > last.value.end,
        _ => last.name.is_none() && hit.name.is_some(),
    }
}

/// Gives every hit whose mark begins in the range, and where a search that goes on must begin. Hits may overlap;
/// [`is_better`] tells which one stays.
///
/// What is said about a mark depends on [`BEFORE`] and [`AFTER`] alone, so that a text in pieces gives what the whole
/// of it gives, if each piece is seen with so much of its neighbours.
pub(crate) fn search(bytes: &[u8], range: Span, known: &Known, mut found: impl FnMut(Hit)) -> usize {
    let mut next = range.start.max(range.end);
    // A mark that begins before the end may reach beyond it.
    let searched = range.start..bytes.len().min(next + LONGEST_MARK);
    let mut values = Vec::new();
    known.find(bytes, searched.clone(), |value, provider| values.push((value, provider)));
    let mut values = values.into_iter().peekable();
    for mark in LITERALS.1.find_iter(Input::new(bytes).span(searched)) {
        if mark.start() >= range.end {
            break;
        }
        while let Some((value, provider)) = values.next_if(|(value, _)| value.start <= mark.start()) {
            found(at_value(bytes, value, provider));
        }
        next = next.max(mark.end());
        let window = window(bytes, mark.range());
        let inside = mark.start() - window.start..mark.end() - window.start;
        if let Some(hit) = at_mark(&bytes[window.clone()], &inside, LITERALS.0[mark.pattern().as_usize()], known) {
            // At an edge that is not the text's own the rest is unknown: half a name, or half a value.
            let cut = hit.value.end == window.len() && window.end < bytes.len()
                || hit.name.as_ref().is_some_and(|name| name.start == 0) && window.start > 0;
            if !cut {
                let moved = |span: Span| span.start + window.start..span.end + window.start;
                found(Hit { name: hit.name.map(moved), value: moved(hit.value), ..hit });
            }
        }
    }
    for (value, provider) in values.take_while(|(value, _)| value.start < next) {
        found(at_value(bytes, value, provider));
    }
    next
}

// What the rules see of a text. Without bounds, blanks without end would be walked once for each name among them.
fn window(bytes: &[u8], around: Span) -> Span {
    around.start.saturating_sub(BEFORE)..bytes.len().min(around.end + AFTER)
}

fn at_value(bytes: &[u8], value: Span, provider: &str) -> Hit {
    let window = window(bytes, value.clone());
    let name = name_before(&bytes[window.clone()], value.start - window.start);
    let whole = name.filter(|name| name.start > 0 || window.start == 0);
    let name = whole.map(|name| name.start + window.start..name.end + window.start);
    Hit { name, value, judgement: Judgement::Key(provider.to_owned()), known: true }
}

/// So many bytes before a mark are looked at. Half of it is for blanks and options between a name and its value.
pub(crate) const BEFORE: usize = 2048;
/// So many bytes after a mark are looked at.
pub(crate) const AFTER: usize = 4096;
/// No mark is longer.
pub(crate) const LONGEST_MARK: usize = 16;

fn at_mark(bytes: &[u8], mark: &Span, literal: &str, known: &Known) -> Option<Hit> {
    match literal {
        "_KEY" | "_TOKEN" => by_name(bytes, mark.start, mark.end, known),
        "T3BlbkFJ" => {
            let start = mark.start.checked_sub(b"sk-".len() + 20)?;
            (bytes[start..].starts_with(b"sk-") && starts_token(bytes, start)).then(|| by_value(bytes, start, known))?
        }
        _ if starts_token(bytes, mark.start) => by_value(bytes, mark.start, known),
        _ => None,
    }
}

// What the one pass looks for. `T3BlbkFJ` stands for OpenAI's first keys, since `sk-` also ends "task-" and "disk-".
const MARKS: &[&str] = &[
    "_KEY",
    "_TOKEN",
    "T3BlbkFJ",
    "sk-ant-",
    "sk-proj-",
    "sk-svcacct-",
    "sk-admin-",
    "sk-None-",
    "sk-kimi-",
    "sk-cp-",
    "AIza",
    "AQ.Ab8",
    "sk-or-v1-",
    "xai-",
    "gsk_",
    "pplx-",
    "r8_",
    "nvapi-",
    "ABSK",
    "csk-",
    "tgp_v1_",
    "crsr_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "AKIA",
    "npm_",
    "hf_",
    "sk_live_",
];

const _: () = {
    let mut at = 0;
    while at < MARKS.len() {
        assert!(MARKS[at].len() <= LONGEST_MARK, "a mark at the end of a piece would be cut in two");
        at += 1;
    }
};

static LITERALS: LazyLock<(&'static [&'static str], AhoCorasick)> = LazyLock::new(|| {
    let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(MARKS);
    (MARKS, automaton.expect("a few short literals always fit"))
});

// A token begins after anything that is no part of a word, and after a text's own escapes: `\n`, `\x3d`, `\u003d`.
fn starts_token(bytes: &[u8], at: usize) -> bool {
    let before = &bytes[..at];
    if !before.last().is_some_and(|byte| WORD.has(*byte)) {
        return true;
    }
    let escaped = |size: usize, letters: &[u8]| {
        before.len() >= size
            && before[before.len() - size] == b'\\'
            && letters.contains(&before[before.len() - size + 1])
            && before[before.len() - size + 2..].iter().all(u8::is_ascii_hexdigit)
    };
    escaped(2, b"nrtefv0") || escaped(4, b"xX") || escaped(6, b"u")
}

fn by_value(bytes: &[u8], start: usize, known: &Known) -> Option<Hit> {
    let rest = &bytes[start..];
    for pattern in PATTERNS.iter().filter(|pattern| rest.starts_with(pattern.prefix.as_bytes())) {
        let end = pattern.reach(bytes, start);
        let ends = bytes.get(end).is_none_or(|byte| !WORD_DASH.has(*byte));
        if ends && pattern.matches(&bytes[start..end]) {
            let name = name_before(bytes, start);
            let judgement = judge(name.clone().and_then(|name| text(bytes, &name)), &bytes[start..end], known);
            return hit(bytes, name, start..end, judgement, known);
        }
    }
    None
}

// In `\nNAME` the escape's letter is glued to the name: where that begins.
fn unglued(bytes: &[u8], start: usize) -> usize {
    let glued = bytes[..start].ends_with(b"\\") && matches!(bytes.get(start), Some(b'n' | b't' | b'r'));
    start + usize::from(glued)
}

// The value of a known name whose last part stands at `start..end`.
fn by_name(bytes: &[u8], start: usize, end: usize, known: &Known) -> Option<Hit> {
    let name = unglued(bytes, back(bytes, start, WORD, LONGEST_NAME))..forth(bytes, end, WORD, LONGEST_NAME);
    provider_of(text(bytes, &name)?)?;
    let from = value_after(bytes, &name)?;
    // Of a row of names each with a sign behind it, only the last one has a value.
    let word = from..forth(bytes, from, WORD, LONGEST_NAME);
    if bytes.get(word.end) == Some(&b'=') && text(bytes, &word).and_then(provider_of).is_some() {
        return None;
    }
    let mut to = forth(bytes, from, PLAUSIBLE, LONGEST_KEY);
    // A text goes on behind it.
    while bytes[from..to].ends_with(b":") {
        to -= 1;
    }
    let ends = match bytes.get(to) {
        None => true,
        Some(
            b'"' | b'\'' | b'`' | b';' | b')' | b'}' | b']' | b'<' | b'>' | b',' | b'\\' | b'|' | b'&' | b'#' | b':',
        ) => true,
        Some(byte) => byte.is_ascii_whitespace() || byte.is_ascii_control() || !byte.is_ascii(),
    };
    let judgement = judge(text(bytes, &name), &bytes[from..to], known);
    ends.then(|| hit(bytes, Some(name), from..to, judgement, known))?
}

fn hit(bytes: &[u8], name: Option<Span>, value: Span, judgement: Judgement, known: &Known) -> Option<Hit> {
    let known = known.knows(&bytes[value.clone()]);
    (!matches!(judgement, Judgement::Ignored(_))).then_some(Hit { name, value, judgement, known })
}

pub(super) fn text<'a>(bytes: &'a [u8], span: &Span) -> Option<&'a str> {
    std::str::from_utf8(&bytes[span.clone()]).ok()
}

// The name that a value is set under: `NAME=value`, `NAME: "value"`, `set -gx NAME value`, `'NAME', 'value'`, ...
fn name_before(bytes: &[u8], start: usize) -> Option<Span> {
    let mut at = skip_back(bytes, start, is_quote);
    if bytes[..at].ends_with(b"$") && at < start {
        at -= 1;
    }
    if bytes[..at].ends_with(b"<string>") {
        let key = skip_back(bytes, at - b"<string>".len(), is_space);
        if let Some(listed) = bytes[..key].strip_suffix(b"</string>") {
            return identifier_before(bytes, listed.len()).filter(|name| bytes[name.clone()].contains(&b'_'));
        }
        return identifier_before(bytes, bytes[..key].strip_suffix(b"</key>")?.len());
    }
    let before = skip_back(bytes, at, is_space);
    let quoted = |at: usize| at > 0 && is_quote(bytes[at - 1]);
    let assigned = match bytes[..before] {
        [.., b'=' | b':'] => skip_back(bytes, before, |byte| matches!(byte, b'=' | b':' | b'?' | b'-' | b'+')),
        // `${NAME:-value}`
        [.., b':' | b'=', b'-'] if before == start => before - 2,
        [.., 0] => {
            let name = identifier_before(bytes, before - 1)?;
            return bytes[name.clone()].contains(&b'_').then_some(name);
        }
        [.., b','] if at < start && quoted(skip_back(bytes, before - 1, is_blank)) => before - 1,
        _ if before < at && skip_back(bytes, at, is_blank) == before => {
            let name = identifier_before(bytes, before)?;
            return is_set_word(bytes, name.start).then_some(name);
        }
        _ => return None,
    };
    let name = identifier_before(bytes, skip_back(bytes, skip_back(bytes, assigned, is_blank), is_quote))?;
    match &bytes[name.clone()] {
        b"DEFAULT" | b"OVERRIDE" => identifier_before(bytes, skip_back(bytes, name.start, is_blank)),
        _ => Some(name),
    }
}

fn identifier_before(bytes: &[u8], end: usize) -> Option<Span> {
    let start = unglued(bytes, back(bytes, end, WORD, LONGEST_NAME + 1)).min(end);
    // `--api-key=...` is an option, not a name.
    let option = bytes[..start].last() == Some(&b'-');
    let letter = bytes.get(start).is_some_and(|byte| !byte.is_ascii_digit());
    (start < end && letter && !option && !may_be_key(&bytes[start..end])).then_some(start..end)
}

// Names are printed. In a list of keys the one before would be taken for the next one's name.
fn may_be_key(name: &[u8]) -> bool {
    let lower = name.iter().any(u8::is_ascii_lowercase);
    let mixed = lower && name.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    name.len() > LONGEST_NAME || (name.len() >= 20 && mixed)
}

// Whether the words before a name make what follows it its value, although only a blank stands between them.
fn is_set_word(bytes: &[u8], name: usize) -> bool {
    // PowerShell's `Set-Item Env:NAME 'value'`.
    let drive = bytes[..name].strip_suffix(b"\\").unwrap_or(&bytes[..name]);
    if drive.last_chunk::<4>().is_some_and(|drive| drive.eq_ignore_ascii_case(b"env:")) {
        return true;
    }
    let mut end = skip_back(bytes, name, is_blank);
    loop {
        if end == name {
            return false;
        }
        let start = bytes[..end].iter().rposition(|byte| is_space(*byte) || *byte == b';').map_or(0, |at| at + 1);
        match &bytes[start..end] {
            [] => return false,
            [b'-', ..] => end = skip_back(bytes, start, is_blank),
            whole => {
                // A shell's word may follow a history's own mark or a comment's: `: 17180;setenv`, `#set`.
                let word = &whole[unglued(whole, back(whole, whole.len(), LETTER_DIGIT, LONGEST_NAME))..];
                return matches!(word, b"set" | b"setenv" | b"setx" | b"ENV") || whole == b"set-environment";
            }
        }
        if end == 0 {
            return false;
        }
    }
}

fn value_after(bytes: &[u8], name: &Span) -> Option<usize> {
    let rest = |at: usize| bytes.get(at..).unwrap_or_default();
    let open = |at: usize| {
        let at = at + usize::from(rest(at).starts_with(b"$'") || rest(at).starts_with(b"$\""));
        let at = skip(bytes, at, is_quote);
        Some(printed(bytes, at).unwrap_or(at))
    };
    // A list's strings are a command's words: `launchctl`, `setenv`, the name, the value.
    if let Some(end) = [&b"</key>"[..], b"</string>"].into_iter().find(|end| rest(name.end).starts_with(end)) {
        let at = skip(bytes, name.end + end.len(), is_space);
        return rest(at).starts_with(b"<string>").then_some(at + b"<string>".len());
    }
    let closed = skip(bytes, name.end, is_quote);
    let quoted = closed > name.end;
    let at = skip(bytes, closed, is_blank);
    let wide: fn(u8) -> bool = if quoted { is_space } else { is_blank };
    match rest(at) {
        // `NAME="${NAME:-value}"`
        [b'=', ..] | [b':', b'=' | b'-', ..] | [b'?' | b'+', b'=', ..] | [b':', ..] => {
            let sign = |byte: u8| matches!(byte, b'=' | b':' | b'?' | b'-' | b'+' | b'>');
            let value = skip(bytes, skip(bytes, at, sign), wide);
            if rest(value).starts_with(b"\"${") || rest(value).starts_with(b"${") {
                let inner = skip(bytes, value, |byte| matches!(byte, b'"' | b'$' | b'{'));
                let inner = forth(bytes, inner, WORD, LONGEST_NAME);
                return (rest(inner).starts_with(b":-") || rest(inner).starts_with(b":=")).then(|| open(inner + 2))?;
            }
            open(value)
        }
        [b',', ..] if quoted => {
            let at = skip(bytes, at + 1, wide);
            // `{"name": "NAME", "value": "..."}`
            let key = skip(bytes, at, is_quote);
            if let Some(after) = rest(key).strip_prefix(b"value") {
                let colon = skip(after, skip(after, 0, is_quote), is_blank);
                return (after.get(colon) == Some(&b':'))
                    .then(|| open(skip(bytes, bytes.len() - after.len() + colon + 1, is_space)))?;
            }
            (key > at).then_some(key)
        }
        // `<env name="NAME" value="..."/>`
        [b'v', ..] if quoted && rest(at).starts_with(b"value=") => open(at + 6),
        // zsh's compiled files
        [0, ..] => open(at + 1),
        // pam_env's way
        [b'D', ..] if rest(at).starts_with(b"DEFAULT=") => open(at + 8),
        [b'O', ..] if rest(at).starts_with(b"OVERRIDE=") => open(at + 9),
        [b'\r' | b'\n', ..] => {
            let line = skip(bytes, at, is_space);
            rest(line).starts_with(b"value:").then(|| open(skip(bytes, line + 6, is_blank)))?
        }
        _ if at > closed
            && (is_set_word(bytes, name.start) || is_set_word(bytes, skip_back(bytes, name.start, is_quote))) =>
        {
            let option = rest(at).first_chunk::<7>().is_some_and(|word| word.eq_ignore_ascii_case(b"-value "));
            open(if option { skip(bytes, at + 7, is_blank) } else { at })
        }
        _ => None,
    }
}

// The literal that a substitution does nothing but print: `$(echo literal)`.
fn printed(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let open = [&b"$("[..], b"(", b"`"].into_iter().find(|open| rest.starts_with(open))?;
    let mut at = skip(bytes, at + open.len(), is_blank);
    let words = [&b"echo "[..], b"printf "];
    at += words.into_iter().find(|word| bytes[at..].starts_with(word))?.len();
    for option in [&b"-n "[..], b"%s ", b"'%s' ", b"\"%s\" ", b"'%s\\n' "] {
        at = skip(bytes, at, is_blank);
        at += if bytes[at..].starts_with(option) { option.len() } else { 0 };
    }
    let from = skip(bytes, skip(bytes, at, is_blank), is_quote);
    let to = skip(bytes, forth(bytes, from, PLAUSIBLE, LONGEST_KEY), is_quote);
    // What is piped on is made into something else.
    matches!(bytes.get(skip(bytes, to, is_blank)), Some(b')' | b'`')).then_some(from)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'\\')
}

fn skip(bytes: &[u8], from: usize, what: fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|byte| !what(*byte)).map_or(bytes.len(), |size| from + size)
}

fn skip_back(bytes: &[u8], from: usize, what: fn(u8) -> bool) -> usize {
    bytes[..from].iter().rposition(|byte| !what(*byte)).map_or(0, |at| at + 1)
}
