//! API keys in the stores of logins that OpenCode and Codex keep: which entries there are, what is left of a store once
//! some of them are taken out, and how they come back.
//!
//! A store is edited only where all of it is understood: JSON as its agent reads it, each name once, an entry that
//! holds a key and nothing that a launch could not give back. Whatever else stands there stays, byte for byte; each
//! edit is compared with the entries from before it. Pure: bytes in, bytes out. Called by the plan and by `undo`.

use super::edit::{self, Cut};
use super::model::{Span, text_start};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A store that entries are taken out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Store {
    /// OpenCode's `auth.json`: an object whose names are providers, each with its login.
    OpenCode,
    /// Codex's `auth.json`: one login.
    Codex,
}

impl Store {
    /// The agent whose it is, by its name in the registry.
    pub(crate) const fn agent(self) -> &'static str {
        match self {
            Self::OpenCode => "opencode",
            Self::Codex => "codex",
        }
    }
}

/// What an agent's own settings say about its store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OwnSettings {
    /// The store that the agent reads.
    pub file: PathBuf,
    /// The provider of the model that the settings choose.
    pub model: Option<String>,
    /// Why no key of a provider can move, by the provider's name; an empty name stands for all of them.
    pub kept: BTreeMap<String, String>,
    /// The variables whose key the agent takes in place of the store's.
    pub outranked_by: BTreeSet<String>,
}

impl OwnSettings {
    /// Why a provider's key stays.
    pub(crate) fn keeps(&self, provider: &str) -> Option<&str> {
        self.kept.get("").or_else(|| self.kept.get(provider)).map(String::as_str)
    }
}

/// Why a key stays in its store: what is the matter with the store or the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stays {
    /// No JSON, or JSON with comments: its agent reads nothing in it.
    #[error("the file is not JSON as its agent reads it")]
    NotJson,
    /// Which of the two its agent takes is nobody's guess.
    #[error("the file has a name twice")]
    Twice,
    /// The key is not the text that stands there.
    #[error("the key is written with escapes")]
    Escaped,
    /// The entry has more than a key.
    #[error("the entry holds more than a key")]
    More,
    /// The store has a login, or something that is not known.
    #[error("the file holds a login, or something that is not known")]
    Login,
}

/// An entry with an API key.
pub(crate) struct Entry {
    /// What the store calls the provider.
    pub name: String,
    /// The key.
    pub value: Zeroizing<Vec<u8>>,
    /// Where the key stands, without its quotes.
    pub span: Span,
    /// Why it stays.
    pub stays: Option<Stays>,
    // Its place among the members.
    member: usize,
}

/// What a store holds.
pub(crate) struct Entries {
    /// The entries with an API key, in file order.
    pub keys: Vec<Entry>,
    /// The names of the others: logins, and what the agent does not read.
    pub others: Vec<String>,
    store: Store,
    object: Object,
}

/// Takes a store apart.
pub(crate) fn read(bytes: &[u8], store: Store) -> Result<Entries, Stays> {
    let object = Object::of(bytes, store)?;
    let mut entries = Entries { keys: Vec::new(), others: Vec::new(), store, object };
    match store {
        Store::OpenCode => entries.opencode(bytes),
        Store::Codex => entries.codex(bytes)?,
    }
    Ok(entries)
}

// What Codex writes for a login by an API key. Without it a store without a key is taken for a ChatGPT login
// (0.171.0: `codex login status` says "Logged in using ChatGPT", with status 0).
const CODEX_MODE: &[u8] = br#""auth_mode": "apikey""#;
const CODEX_KEY: &str = "OPENAI_API_KEY";

impl Entries {
    /// Whether nobody is logged in by the store.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.others.is_empty()
    }

    // `"deepseek": {"type": "api", "key": "..."}`; the type's other values are `oauth` and `wellknown`.
    fn opencode(&mut self, bytes: &[u8]) {
        for (at, member) in self.object.members.iter().enumerate() {
            match self.api_key(bytes, at) {
                Some(entry) => self.keys.push(entry),
                None => self.others.push(member.name.clone()),
            }
        }
    }

    fn api_key(&self, bytes: &[u8], at: usize) -> Option<Entry> {
        let member = &self.object.members[at];
        let (own, twice) = match Object::within(bytes, member.value.clone()) {
            Ok(own) => (own, None),
            Err(Some(own)) => (own, Some(Stays::Twice)),
            Err(None) => return None,
        };
        let value = |name: &str| own.members.iter().find(|own| own.name == name).map(|own| own.value.clone());
        let is_api = value("type").is_some_and(|span| &bytes[span] == b"\"api\"");
        let span = value("key").filter(|span| is_api && bytes[span.start] == b'"')?;
        let span = span.start + 1..span.end - 1;
        let text = &bytes[span.clone()];
        let stays = match () {
            () if text.contains(&b'\\') => Some(Stays::Escaped),
            // An account's number, or the name of a resource: a launch gives a key alone.
            () if own.members.len() > 2 => Some(Stays::More),
            () => None,
        };
        let value = Zeroizing::new(text.to_vec());
        Some(Entry { name: member.name.clone(), value, span, stays: twice.or(stays), member: at })
    }

    // `{"auth_mode": "apikey", "OPENAI_API_KEY": "..."}`, and before there was a mode
    // `{"OPENAI_API_KEY": "...", "tokens": null, "last_refresh": null}`.
    fn codex(&mut self, bytes: &[u8]) -> Result<(), Stays> {
        let mut stays = None;
        for (at, member) in self.object.members.iter().enumerate() {
            let value = &bytes[member.value.clone()];
            match member.name.as_str() {
                CODEX_KEY if value.starts_with(b"\"") => {
                    let span = member.value.start + 1..member.value.end - 1;
                    let value = Zeroizing::new(bytes[span.clone()].to_vec());
                    let stays = value.contains(&b'\\').then_some(Stays::Escaped);
                    self.keys.push(Entry { name: "openai".to_owned(), value, span, stays, member: at });
                }
                "auth_mode" if value == b"\"apikey\"" => {}
                name if value == b"null" && name != "auth_mode" => {}
                name => {
                    self.others.push(name.to_owned());
                    stays = Some(Stays::Login);
                }
            }
        }
        // Codex refuses a byte order mark.
        if text_start(bytes) > 0 {
            return Err(Stays::NotJson);
        }
        self.keys.iter_mut().for_each(|entry| entry.stays = entry.stays.or(stays));
        Ok(())
    }

    /// The cuts that take entries out, by their places among `keys`; sorted and disjoint, one an entry. None where what
    /// is left is not the store without them.
    pub(crate) fn cuts(&self, bytes: &[u8], gone: &BTreeSet<usize>) -> Option<Vec<Cut>> {
        let gone: BTreeSet<usize> = gone
            .iter()
            .map(|at| self.keys.get(*at).filter(|entry| entry.stays.is_none()).map(|entry| entry.member))
            .collect::<Option<_>>()?;
        let has_mode = self.object.members.iter().any(|member| member.name == "auth_mode");
        let cuts = match self.store {
            Store::Codex if !has_mode => {
                let member = |at: &usize| &self.object.members[*at];
                gone.iter().map(member).map(|own| Cut { span: own.span(), with: CODEX_MODE.to_vec() }).collect()
            }
            _ => self.object.without(bytes, &gone),
        };
        let after = Zeroizing::new(edit::apply(bytes, &cuts));
        let left = Object::of(&after, self.store).ok()?;
        let added = |own: &&Member| !has_mode && self.store == Store::Codex && after[own.span()] == *CODEX_MODE;
        let stays = self.object.members.iter().enumerate().filter(|(at, _)| !gone.contains(at));
        let stays = stays.map(|(_, own)| (&bytes[own.name_span.clone()], &bytes[own.value.clone()]));
        let is = left.members.iter().filter(|own| !added(own));
        let is = is.map(|own| (&after[own.name_span.clone()], &after[own.value.clone()]));
        stays.eq(is).then_some(cuts)
    }
}

/// Puts an entry that was taken out back into a store that its agent has written since. `removed` is what the cut took
/// out. None where its name is there again, or either is not understood.
pub(crate) fn put_back(now: &[u8], removed: &[u8], store: Store) -> Option<Zeroizing<Vec<u8>>> {
    let is_between = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
    let start = removed.iter().position(|byte| !is_between(byte))?;
    let end = removed.iter().rposition(|byte| !is_between(byte))? + 1;
    let entry = &removed[start..end];
    let alone = Zeroizing::new([b"{", entry, b"}"].concat());
    let own = Object::of(&alone, store).ok().filter(|own| own.members.len() == 1)?;
    let object = Object::of(now, store).ok()?;
    if object.members.iter().any(|member| member.name == own.members[0].name) {
        return None;
    }
    if store == Store::Codex && !read(now, store).ok()?.others.is_empty() {
        return None;
    }
    let (at, parts) = match (object.members.first(), object.members.last()) {
        (Some(first), Some(last)) => {
            let gap = &now[object.inner.start..first.name_span.start];
            (last.value.end, [b",", gap, entry, b""])
        }
        _ => (object.inner.start, [&b""[..], b"\n  ", entry, b"\n"]),
    };
    let end = if object.members.is_empty() { object.inner.end } else { at };
    let after = Zeroizing::new([&now[..at], &parts.concat(), &now[end..]].concat());
    let with = Object::of(&after, store).ok()?;
    let before = object.members.iter().map(|own| (&now[own.name_span.clone()], &now[own.value.clone()]));
    let added = own.members.iter().map(|own| (&alone[own.name_span.clone()], &alone[own.value.clone()]));
    let is = with.members.iter().map(|own| (&after[own.name_span.clone()], &after[own.value.clone()]));
    before.chain(added).eq(is).then_some(after)
}

// A name with its value.
struct Member {
    name: String,
    // With its quotes.
    name_span: Span,
    value: Span,
}

impl Member {
    fn span(&self) -> Span {
        self.name_span.start..self.value.end
    }
}

// An object's members, each name once.
struct Object {
    // Between the braces.
    inner: Span,
    members: Vec<Member>,
}

impl Object {
    // A whole file.
    fn of(bytes: &[u8], store: Store) -> Result<Self, Stays> {
        // OpenCode passes a byte order mark over (1.18.33), Codex does not (0.171.0).
        let start = if store == Store::OpenCode { text_start(bytes) } else { 0 };
        let text = std::str::from_utf8(&bytes[start..]).map_err(|_| Stays::NotJson)?;
        serde_json::from_str::<IgnoredAny>(text).map_err(|_| Stays::NotJson)?;
        let is_blank = |byte: &u8| byte.is_ascii_whitespace();
        let begin = bytes[start..].iter().position(|byte| !is_blank(byte)).ok_or(Stays::NotJson)?;
        let end = bytes.iter().rposition(|byte| !is_blank(byte)).ok_or(Stays::NotJson)?;
        Self::within(bytes, start + begin..end + 1).map_err(|twice| match twice {
            Some(_) => Stays::Twice,
            None => Stays::NotJson,
        })
    }

    // The object that a value of valid JSON is. The error is none where it is no object, or the object with a name that
    // stands there twice.
    fn within(bytes: &[u8], span: Span) -> Result<Self, Option<Self>> {
        if bytes[span.start] != b'{' {
            return Err(None);
        }
        let inner = span.start + 1..span.end - 1;
        let mut members = Vec::new();
        let mut names = HashSet::new();
        let mut is_twice = false;
        let mut at = blanks_after(bytes, inner.start);
        while at < inner.end {
            let name_span = at..text_end(bytes, at);
            let name: String = serde_json::from_slice(&bytes[name_span.clone()]).map_err(|_| None)?;
            is_twice |= !names.insert(name.clone());
            // The colon.
            let start = blanks_after(bytes, blanks_after(bytes, name_span.end) + 1);
            let value = start..value_end(bytes, start);
            // The comma, or the brace.
            at = blanks_after(bytes, blanks_after(bytes, value.end) + 1);
            members.push(Member { name, name_span, value });
        }
        let object = Self { inner, members };
        if is_twice { Err(Some(object)) } else { Ok(object) }
    }

    // One cut a member. What follows takes its place; behind the last that stays the comma goes, too, and with all of
    // them what stands between the braces.
    fn without(&self, bytes: &[u8], gone: &BTreeSet<usize>) -> Vec<Cut> {
        let mut cuts: Vec<Cut> = Vec::new();
        let last = self.members.len().saturating_sub(1);
        let mut at = 0;
        while at <= last && !gone.is_empty() {
            let run = (at..=last).take_while(|at| gone.contains(at)).count();
            if run == 0 {
                at += 1;
                continue;
            }
            let own = at..at + run;
            let edges = match (at, own.end > last) {
                (_, false) => self.starts(bytes, own.clone()),
                (0, true) => {
                    let ends = own.clone().map(|at| self.members[at].value.end);
                    let mut edges: Vec<usize> = [self.inner.start].into_iter().chain(ends).collect();
                    *edges.last_mut().expect("a run has an end") = self.inner.end;
                    edges
                }
                (before, true) => (before - 1..own.end).map(|at| self.members[at].value.end).collect(),
            };
            cuts.extend(edges.windows(2).map(|edge| Cut { span: edge[0]..edge[1], with: Vec::new() }));
            at = own.end;
        }
        cuts
    }

    // Where each member of a run and the one behind it begin: whole lines where they stand alike in lines of their own,
    // which are found again more easily.
    fn starts(&self, bytes: &[u8], own: std::ops::Range<usize>) -> Vec<usize> {
        let starts: Vec<usize> = (own.start..=own.end).map(|at| self.members[at].name_span.start).collect();
        let line = |at: usize| memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |newline| newline + 1);
        let lines: Vec<usize> = starts.iter().map(|at| line(*at)).collect();
        let indents = || starts.iter().zip(&lines).map(|(start, line)| &bytes[*line..*start]);
        let first = indents().next();
        let is_alike = indents().all(|indent| Some(indent) == first && indent.iter().all(u8::is_ascii_whitespace));
        let is_apart = lines.windows(2).all(|pair| pair[0] < pair[1]);
        if is_alike && is_apart && lines[0] > self.inner.start { lines } else { starts }
    }
}

fn blanks_after(bytes: &[u8], at: usize) -> usize {
    at + bytes[at.min(bytes.len())..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

// Behind the quote that ends the text which begins here.
fn text_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

// Behind a value of valid JSON.
fn value_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = text_end(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                continue;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b',' | b':' => {
                at += 1;
                continue;
            }
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            // A number, or a word.
            _ => {
                at +=
                    bytes[at..].iter().take_while(|byte| !b",:]}".contains(byte) && !byte.is_ascii_whitespace()).count()
            }
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests;
