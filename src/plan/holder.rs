//! Whose login it is, for people: the name, the organization and the plan that lie beside it.
//!
//! `status` alone asks. The files belong to the agent and some hold a token as well; they are read once, only the named
//! entries are taken out, and the buffer is wiped. Nothing here decides anything.

use super::login::{files_folder, is_there};
use super::{Context, login_folder};
use crate::config::MAX_BYTES;
use crate::platform;
use crate::profile::Resolved;
use crate::registry::{AgentSpec, Holder, Login};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;
use std::path::Path;
use zeroize::Zeroizing;

// Longer text is no name, and would fill the screen.
const LONGEST: usize = 100;

// What an agent's files say of the account that is logged in, such as `work@example.org (Work Org, max)`; `None` where they say
// nothing.
fn holder(context: &Context<'_>, agent: &AgentSpec, config_dir: Option<&Path>, login: &Login) -> Option<String> {
    let (mut name, mut more) = (None, Vec::new());
    for told in &login.holder {
        let file = match (&told.default, config_dir) {
            (Some(default), None) => context.paths.expand(default),
            _ => files_folder(context, agent, config_dir, login).join(&told.file),
        };
        let Ok(read) = platform::read_file(&file, MAX_BYTES) else { continue };
        let bytes = Zeroizing::new(read.bytes);
        let Some(json) = within(bytes, told) else { continue };
        let shown = |way: &Vec<String>| entry(&json, way).filter(|text| text.chars().count() <= LONGEST);
        name = name.or_else(|| shown(&told.name));
        more.extend([&told.organization, &told.plan].into_iter().filter_map(shown));
    }
    let name = name?;
    if more.is_empty() { Some(name) } else { Some(format!("{name} ({})", more.join(", "))) }
}

/// The login in a few words: whose it is, where that can be told, and where it lies.
pub(crate) fn describe_login(context: &Context<'_>, resolved: &Resolved, login: &Login) -> String {
    let folder = login_folder(context, resolved, login);
    described(context, &resolved.agent, resolved.named_folder(), login, &folder)
}

fn described(
    context: &Context<'_>,
    agent: &AgentSpec,
    config_dir: Option<&Path>,
    login: &Login,
    folder: &Path,
) -> String {
    let folder = context.paths.pretty(folder);
    match holder(context, agent, config_dir, login) {
        Some(name) => format!("{} login {name}, {folder}", agent.name),
        None => format!("{} login, {folder}", agent.name),
    }
}

/// What an agent would find by itself.
pub(crate) struct Unused {
    /// The variables of the shell that name a credential, an endpoint or another account.
    pub variables: Vec<String>,
    /// The login that lies in a file, in a few words.
    pub login: Option<String>,
}

/// What an agent would use if Ringlet gave it nothing, in the folder that a profile names, else in the shell's, else in its own.
pub(crate) fn unused(context: &Context<'_>, agent: &AgentSpec, config_dir: Option<&Path>) -> Unused {
    let set = |name: &&str| agent.competes_with_key(name) && context.env.non_empty(name).is_some();
    let mut variables: Vec<String> = context.env.names().filter(set).map(str::to_owned).collect();
    variables.sort();
    variables.dedup();
    let login = agent.login.as_ref().and_then(|login| {
        let moves = agent.config_dir.iter().filter(|it| !it.variable.is_xdg());
        let shell = moves.filter_map(|it| context.env.absolute(it.variable.as_str())).next();
        let config_dir = config_dir.map(Path::to_owned).or(shell);
        let files = files_folder(context, agent, config_dir.as_deref(), login);
        let folder = config_dir.clone().unwrap_or_else(|| files.clone());
        is_there(&files, login).then(|| described(context, agent, config_dir.as_deref(), login, &folder))
    });
    Unused { variables, login }
}

// The JSON that the entries are in: the file's, or the middle part of a JSON Web Token in it (RFC 7519).
fn within(bytes: Zeroizing<Vec<u8>>, told: &Holder) -> Option<Zeroizing<Vec<u8>>> {
    if told.within.is_empty() {
        return Some(bytes);
    }
    let token = Zeroizing::new(entry(&bytes, &told.within)?);
    decoded(token.split('.').nth(1)?)
}

// base64url without padding (RFC 4648, section 5).
fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let (mut bits, mut count) = (0u32, 0);
    for digit in text.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

// A text below these names; all else is passed over without being kept.
fn entry(json: &[u8], way: &[String]) -> Option<String> {
    if way.is_empty() {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    Way(way).deserialize(&mut reader).ok()?.filter(|text| !text.is_empty())
}

struct Way<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Way<'_> {
    type Value = Option<String>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Way<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, or a text at its end")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            match self.0.split_first() {
                Some((first, rest)) if *first == name => found = map.next_value_seed(Way(rest))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_their_way_and_nothing_else_is() {
        let way = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let json = br#"{"a": {"b": "x", "c": [1, {"b": "no"}]}, "n": 1, "t": "top", "z": null}"#;
        assert_eq!(entry(json, &way(&["a", "b"])).as_deref(), Some("x"));
        assert_eq!(entry(json, &way(&["t"])).as_deref(), Some("top"));
        for none in [&["a"][..], &["a", "c"], &["a", "c", "b"], &["n"], &["z"], &["q"], &["t", "x"], &[]] {
            assert_eq!(entry(json, &way(none)), None, "{none:?}");
        }
        for broken in [&b""[..], b"[", b"{\"a\":", b"\"t\"", b"\xff"] {
            assert_eq!(entry(broken, &way(&["a", "b"])), None, "{broken:?}");
        }
    }

    #[test]
    fn the_middle_of_a_token_is_decoded() {
        assert_eq!(decoded("eyJlbWFpbCI6ImEifQ").as_deref().map(Vec::as_slice), Some(&br#"{"email":"a"}"#[..]));
        assert_eq!(decoded("_-8").as_deref().map(Vec::as_slice), Some(&[0xff, 0xef][..]));
        assert_eq!(decoded("a=b"), None);
    }
}
