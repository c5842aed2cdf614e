//! One record, and its form as a line of JSON.
//!
//! A line holds, in this order: `time n action key service target store profile agent binary binary_sha256 pid cwd
//! result reason prev`; what is not known is left out. `time` is RFC 3339 in UTC to the nanosecond and always first, so
//! that a reader can compare it without parsing JSON.
//!
//! Paths are written losslessly. Bytes that are not UTF-8 become `\xHH` (two lower-case digits); a backslash that
//! happens to stand before `xHH` becomes `\x5c`; everything else is itself. JSON then escapes the backslash again.
//! Control and direction characters are `\uHHHH` in the JSON, those beyond ASCII included, so the raw file is safe
//! to look at in a terminal.

use crate::digest::Digest;
use crate::name::{Agent, KeyName, Profile, StoreName, is_unprintable};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

/// A reason is cut after this many characters.
const MAX_REASON: usize = 200;

/// What was done to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// An agent was to get it.
    Lookup,
    /// It was stored or replaced.
    Set,
    /// It was deleted.
    Remove,
    /// It got another name.
    Rename,
    /// A client came to the daemon.
    Connect,
    /// A client read it.
    Read,
    /// A client stored or replaced it.
    Write,
    /// A client deleted it.
    Delete,
    /// A client learned its name.
    Search,
    /// A process asked the broker of a launch to use it.
    Spend,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Granted,
    /// Ringlet or the user refused.
    Denied,
    /// The store failed, or has no such key.
    Error,
    /// A client may go on to ask.
    Accepted,
}

/// What something was done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A key of Ringlet's own.
    Key(KeyName),
    /// An entry of another service, or what was asked for in place of one.
    Target {
        /// The service.
        service: String,
        /// The target; a prefix where that was refused.
        target: String,
    },
    /// Nothing: a client came.
    Connection,
}

impl Subject {
    /// Ringlet's own key, if it is one.
    pub fn key(&self) -> Option<&KeyName> {
        if let Self::Key(key) = self { Some(key) } else { None }
    }
}

impl From<KeyName> for Subject {
    fn from(key: KeyName) -> Self {
        Self::Key(key)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Target { service, target } => write!(f, "{service} {target}"),
            Self::Connection => f.write_str("-"),
        }
    }
}

/// What happened; there is no field for a key's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When, by the caller's clock.
    pub time: Timestamp,
    /// What was done.
    pub action: Action,
    /// To what.
    pub subject: Subject,
    /// The store of the settings that holds it, where that is not the usual one.
    pub store: Option<StoreName>,
    /// For which profile.
    pub profile: Option<Profile>,
    /// For which agent.
    pub agent: Option<Agent>,
    /// The program that was to get the key.
    pub binary: Option<PathBuf>,
    /// The digest of that program's file.
    pub binary_sha256: Option<Digest>,
    /// Ringlet's process, which on Unix becomes the agent's; of a client of the daemon its own.
    pub pid: u32,
    /// The working directory; none when it has been deleted.
    pub cwd: Option<PathBuf>,
    /// How it ended.
    pub result: Outcome,
    /// Why, in a few words; never a value. Cut after 200 characters.
    pub reason: Option<String>,
}

/// A record in its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its number, from 1 and without gaps.
    pub n: u64,
    /// What happened.
    pub record: Record,
    /// The digest of the line before.
    pub prev: Digest,
}

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    time: Cow<'a, str>,
    n: u64,
    action: Action,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    store: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binary: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binary_sha256: Option<Cow<'a, str>>,
    pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cwd: Option<Cow<'a, str>>,
    result: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    prev: Cow<'a, str>,
}

impl Entry {
    fn wire(&self) -> Wire<'_> {
        let record = &self.record;
        let (key, service, target) = match &record.subject {
            Subject::Key(key) => (Some(key.to_string().into()), None, None),
            Subject::Target { service, target } => (None, Some(service.into()), Some(target.into())),
            Subject::Connection => (None, None, None),
        };
        Wire {
            time: time_text(record.time).into(),
            n: self.n,
            action: record.action,
            key,
            service,
            target,
            store: record.store.as_ref().map(|name| name.as_str().into()),
            profile: record.profile.as_ref().map(|name| name.as_str().into()),
            agent: record.agent.as_ref().map(|name| name.as_str().into()),
            binary: record.binary.as_deref().map(|path| escape_path(path).into()),
            binary_sha256: record.binary_sha256.map(|digest| digest.to_string().into()),
            pid: record.pid,
            cwd: record.cwd.as_deref().map(|path| escape_path(path).into()),
            result: record.result,
            reason: record.reason.as_deref().map(shortened),
            prev: self.prev.to_string().into(),
        }
    }

    /// The entry as the log holds it: one line of JSON, without its newline.
    pub(crate) fn to_line(&self) -> String {
        let json = serde_json::to_string(&self.wire()).expect("names, numbers and strings always serialise");
        if json.is_ascii() && !json.contains('\x7f') {
            return json;
        }
        let mut safe = String::with_capacity(json.len() + 16);
        for c in json.chars() {
            if is_unprintable(c) {
                // Outside ASCII everything JSON has is inside a string, where this is the same character.
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(safe, "\\u{unit:04x}").expect("a String takes every write");
                }
            } else {
                safe.push(c);
            }
        }
        safe
    }

    /// Reads a line back; none when it is not a whole record of this form.
    pub(crate) fn from_line(line: &[u8]) -> Option<Self> {
        let wire: Wire<'_> = serde_json::from_slice(line).ok()?;
        let subject = match (wire.key, wire.service, wire.target) {
            (Some(key), None, None) => Subject::Key(key.parse().ok()?),
            (None, Some(service), Some(target)) => {
                Subject::Target { service: service.into_owned(), target: target.into_owned() }
            }
            (None, None, None) => Subject::Connection,
            _ => return None,
        };
        let record = Record {
            time: wire.time.parse().ok()?,
            action: wire.action,
            subject,
            store: wire.store.map(|name| name.parse()).transpose().ok()?,
            profile: wire.profile.map(|name| name.parse()).transpose().ok()?,
            agent: wire.agent.map(|name| name.parse()).transpose().ok()?,
            binary: wire.binary.map(|path| unescape_path(&path)),
            binary_sha256: wire.binary_sha256.map(|hex| hex.parse()).transpose().ok()?,
            pid: wire.pid,
            cwd: wire.cwd.map(|path| unescape_path(&path)),
            result: wire.result,
            reason: wire.reason.map(Cow::into_owned),
        };
        Some(Self { n: wire.n, record, prev: wire.prev.parse().ok()? })
    }
}

impl Serialize for Entry {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.wire().serialize(to)
    }
}

/// The time as lines hold it: always as long, so that text order is time order.
pub(super) fn time_text(time: Timestamp) -> String {
    format!("{time:.9}")
}

fn shortened(reason: &str) -> Cow<'_, str> {
    match reason.char_indices().nth(MAX_REASON) {
        None => reason.into(),
        Some((cut, _)) => format!("{}...", &reason[..cut]).into(),
    }
}

/// Two hexadecimal digits after `\x`, at the start of the bytes.
fn escaped_byte(bytes: &[u8]) -> Option<u8> {
    let digits = bytes.strip_prefix(b"\\x")?.get(..2)?;
    let lower = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    if !digits.iter().all(lower) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn escape_path(path: &Path) -> String {
    let mut out = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for (at, c) in chunk.valid().char_indices() {
            if c == '\\' && escaped_byte(&chunk.valid().as_bytes()[at..]).is_some() {
                out.push_str("\\x5c");
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").expect("a String takes every write");
        }
    }
    out
}

fn unescape_path(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(&first) = rest.first() {
        let (byte, used) = escaped_byte(rest).map_or((first, 1), |byte| (byte, 4));
        bytes.push(byte);
        rest = &rest[used..];
    }
    path_from(bytes, text)
}

#[cfg(unix)]
fn path_from(bytes: Vec<u8>, _text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

/// Elsewhere a path's inner bytes cannot be given back safely: one that is not Unicode stays escaped.
#[cfg(not(unix))]
fn path_from(bytes: Vec<u8>, text: &str) -> PathBuf {
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;
    #[cfg(unix)]
    use proptest::prelude::*;

    fn entry(record: Record) -> Entry {
        Entry { n: 7, record, prev: Digest::of(b"before") }
    }

    #[test]
    fn fields_stand_in_the_documented_order() {
        let line = entry(record(3)).to_line();
        let names = [
            "time",
            "n",
            "action",
            "key",
            "profile",
            "agent",
            "binary",
            "binary_sha256",
            "pid",
            "cwd",
            "result",
            "reason",
            "prev",
        ];
        let at: Vec<_> = names.iter().map(|name| line.find(&format!("\"{name}\":")).expect(name)).collect();
        assert!(at.is_sorted(), "{line}");
        assert!(line.starts_with("{\"time\":\"2026-11-01T00:00:03.000000000Z\",\"n\":7,"), "{line}");
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let bare = Record {
            profile: None,
            agent: None,
            binary: None,
            binary_sha256: None,
            cwd: None,
            reason: None,
            ..record(1)
        };
        let line = entry(bare.clone()).to_line();
        assert!(!line.contains("null") && !line.contains("agent"), "{line}");
        assert_eq!(Entry::from_line(line.as_bytes()), Some(entry(bare)));
    }

    #[test]
    fn hostile_text_cannot_reach_the_terminal_or_make_a_second_line() {
        let nasty = "a\n{\"time\":1}\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{2028}caf\u{e9}";
        let made = Record { cwd: Some(nasty.into()), reason: Some(nasty.into()), ..record(1) };
        let line = entry(made.clone()).to_line();
        assert!(!line.chars().any(is_unprintable), "{line:?}");
        assert!(line.contains("caf\u{e9}") && line.contains("\\u009b") && line.contains("\\u202e"), "{line}");
        assert_eq!(Entry::from_line(line.as_bytes()), Some(entry(made)));
    }

    #[test]
    fn a_long_reason_is_cut() {
        let made = Record { reason: Some("\u{e9}".repeat(5000)), ..record(1) };
        assert!(entry(made).to_line().len() < 1200);
    }

    #[test]
    fn a_half_line_is_no_entry() {
        let line = entry(record(1)).to_line();
        assert!((0..line.len()).all(|cut| Entry::from_line(&line.as_bytes()[..cut]).is_none()));
    }

    #[test]
    fn literal_backslashes_stay_readable() {
        assert_eq!(escape_path(Path::new(r"C:\Users\me\xylophone")), r"C:\Users\me\xylophone");
        assert_eq!(escape_path(Path::new(r"a\x41")), r"a\x5cx41");
    }

    #[cfg(unix)]
    proptest! {
        #[test]
        fn any_path_and_reason_read_back(
            path in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\\'), Just(b'x'), Just(b'4')], 1..40),
            reason in "\\PC{0,40}",
        ) {
            use std::os::unix::ffi::OsStringExt;
            let path = PathBuf::from(std::ffi::OsString::from_vec(path));
            let made = entry(Record { cwd: Some(path), reason: Some(reason), ..record(1) });
            prop_assert_eq!(Entry::from_line(made.to_line().as_bytes()), Some(made));
        }
    }
}
