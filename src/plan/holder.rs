//! Reads the name, organization and plan of the account that is logged in, for display.
//!
//! Only `status` and `doctor` call this module. The files belong to the agent, and some hold a token as well. They are
//! read once, only the named entries are taken, and the buffer is wiped. No decision depends on the result.

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

// A longer text is no name and would fill the screen.
const LONGEST: usize = 100;

// Returns the account that is logged in according to the agent's files, such as `work@example.org (Work Org, max)`.
fn holder(context: &Context<'_>, agent: &AgentSpec, config_dir: Option<&Path>, login: &Login) -> Option<String> {
    let (mut name, mut more) = (None, Vec::new());
    for source in &login.holder {
        let file = match (&source.default, config_dir) {
            (Some(default), None) => context.paths.expand(default),
            _ => files_folder(context, agent, config_dir, login).join(&source.file),
        };
        let Ok(read) = platform::read_file(&file, MAX_BYTES) else { continue };
        let bytes = Zeroizing::new(read.bytes);
        let Some(json) = payload(bytes, source) else { continue };
        let shown = |path: &Vec<String>| entry(&json, path).filter(|text| text.chars().count() <= LONGEST);
        name = name.or_else(|| shown(&source.name));
        more.extend([&source.organization, &source.plan].into_iter().filter_map(shown));
    }
    let name = name?;
    if more.is_empty() { Some(name) } else { Some(format!("{name} ({})", more.join(", "))) }
}

/// Describes a login: its account, if known, and its folder.
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

/// The credentials that an agent would find by itself.
pub(crate) struct Unused {
    /// The shell's variables that name a credential, an endpoint or another account.
    pub variables: Vec<String>,
    /// The description of a login that lies in a file.
    pub login: Option<String>,
}

/// Returns what an agent would use without Ringlet, in the folder that a profile names, else the shell, else in its
/// default folder.
pub(crate) fn unused(context: &Context<'_>, agent: &AgentSpec, config_dir: Option<&Path>) -> Unused {
    let set = |name: &&str| agent.competes_with_key(name) && context.env.non_empty(name).is_some();
    let mut variables: Vec<String> = context.env.names().filter(set).map(str::to_owned).collect();
    variables.sort();
    variables.dedup();
    let login = agent.login.as_ref().and_then(|login| {
        let moves = agent.config_dir.iter().filter(|moved| !moved.variable.is_xdg());
        let shell = moves.filter_map(|moved| context.env.absolute(moved.variable.as_str())).next();
        let config_dir = config_dir.map(Path::to_owned).or(shell);
        let files = files_folder(context, agent, config_dir.as_deref(), login);
        let folder = config_dir.clone().unwrap_or_else(|| files.clone());
        is_there(&files, login).then(|| described(context, agent, config_dir.as_deref(), login, &folder))
    });
    Unused { variables, login }
}

// Returns the JSON with the entries: the file itself, or the payload of a JSON Web Token in it (RFC 7519).
fn payload(bytes: Zeroizing<Vec<u8>>, source: &Holder) -> Option<Zeroizing<Vec<u8>>> {
    if source.within.is_empty() {
        return Some(bytes);
    }
    let token = Zeroizing::new(entry(&bytes, &source.within)?);
    decoded(token.split('.').nth(1)?)
}

// Decodes base64url without padding (RFC 4648, section 5).
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

// Returns the text below these names. All other values are skipped without a copy.
fn entry(json: &[u8], path: &[String]) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    NamePath(path).deserialize(&mut reader).ok()?.filter(|text| !text.is_empty())
}

struct NamePath<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for NamePath<'_> {
    type Value = Option<String>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NamePath<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, or a text at its end")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            match self.0.split_first() {
                Some((first, rest)) if *first == name => found = map.next_value_seed(NamePath(rest))?,
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
        let path = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let json = br#"{"a": {"b": "x", "c": [1, {"b": "no"}]}, "n": 1, "t": "top", "z": null}"#;
        assert_eq!(entry(json, &path(&["a", "b"])).as_deref(), Some("x"));
        assert_eq!(entry(json, &path(&["t"])).as_deref(), Some("top"));
        for none in [&["a"][..], &["a", "c"], &["a", "c", "b"], &["n"], &["z"], &["q"], &["t", "x"], &[]] {
            assert_eq!(entry(json, &path(none)), None, "{none:?}");
        }
        for broken in [&b""[..], b"[", b"{\"a\":", b"\"t\"", b"\xff"] {
            assert_eq!(entry(broken, &path(&["a", "b"])), None, "{broken:?}");
        }
    }

    #[test]
    fn the_middle_of_a_token_is_decoded() {
        assert_eq!(decoded("eyJlbWFpbCI6ImEifQ").as_deref().map(Vec::as_slice), Some(&br#"{"email":"a"}"#[..]));
        assert_eq!(decoded("_-8").as_deref().map(Vec::as_slice), Some(&[0xff, 0xef][..]));
        assert_eq!(decoded("a=b"), None);
    }
}
