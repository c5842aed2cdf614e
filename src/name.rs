//! Validated names: providers, aliases, profiles, agents and environment variables.
//!
//! A value of one of these types is safe as a keychain account, a file name and a word of a message. Every other text
//! is refused here, before any store or file is touched.

use memchr::memchr;
use serde::Deserialize as _;
use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes.
pub(crate) const MAX_LEN: usize = 64;

/// The reason why a name was refused. The message never repeats the raw name, which may hold control characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// The name has more than [`MAX_LEN`] bytes.
    #[error("{0} is {1} bytes long; at most {MAX_LEN} are allowed")]
    TooLong(&'static str, usize),
    /// The name has a character outside the allowed set.
    #[error("{what} {shown:?} has {found} at position {at}; allowed are {allowed}")]
    Forbidden {
        /// The kind of name.
        what: &'static str,
        /// The name for people, escaped.
        shown: String,
        /// The description of the character.
        found: String,
        /// The position in characters, from 1.
        at: usize,
        /// The allowed set, in words.
        allowed: &'static str,
    },
    /// The text has not the form `provider/alias`.
    #[error("{0:?} is not of the form PROVIDER/ALIAS")]
    NotAPair(String),
}

fn describe(c: char) -> String {
    match c {
        ' ' => "a space".into(),
        c if c.is_ascii_uppercase() => format!("the upper-case letter '{c}'"),
        c if c.is_control() => format!("the control character U+{:04X}", c as u32),
        c if c.is_ascii() => format!("'{c}'"),
        c => format!("the non-ASCII character U+{:04X}", c as u32),
    }
}

/// Shortens a word for a message. Every message that repeats a refused word does it in this way. People paste keys
/// where names belong, so a word that could be a key is cut to less than any key's secret part.
pub(crate) fn shorten(word: &str) -> String {
    const SHOWN: usize = 4;
    if could_be_a_key(word) { word.chars().take(SHOWN).chain("...".chars()).collect() } else { word.to_owned() }
}

// Every provider's keys are at least this long.
const SHORTEST_KEY: usize = 13;

// Any word of this length may be a key.
const LONG: usize = 25;

fn could_be_a_key(word: &str) -> bool {
    let has = |kind: fn(&char) -> bool| word.chars().any(|c| kind(&c));
    let (upper, lower) = (has(char::is_ascii_uppercase), has(char::is_ascii_lowercase));
    let mixed = (upper && lower) || (has(char::is_ascii_digit) && (upper || lower));
    let length = word.chars().count();
    length >= LONG || (length >= SHORTEST_KEY && mixed)
}

/// Reports whether a word is likely a pasted key: long, with both cases and digits.
pub(crate) fn looks_like_a_key(word: &str) -> bool {
    let has = |kind: fn(&char) -> bool| word.chars().any(|c| kind(&c));
    let mixed = has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit);
    word.chars().count() >= LONG && mixed
}

/// Reports whether a character must not reach a terminal: control characters, line and paragraph separators, and
/// characters that reorder or hide text.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

const NAME_ALLOWED: &str = "a-z, 0-9, and after the first character also '.', '_' and '-'";

fn check_name(what: &'static str, name: &str) -> Result<(), NameError> {
    let ok = |at, c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || (at > 0 && matches!(c, '.' | '_' | '-'));
    check(what, name, ok, NAME_ALLOWED)?;
    if name.len() > MAX_LEN { Err(NameError::TooLong(what, name.len())) } else { Ok(()) }
}

fn check_variable(what: &'static str, name: &str) -> Result<(), NameError> {
    let ok = |at, c: char| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
    check(what, name, ok, "A-Z, a-z, '_', and after the first character 0-9")
}

fn check(
    what: &'static str,
    name: &str,
    ok: impl Fn(usize, char) -> bool,
    allowed: &'static str,
) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty(what));
    }
    // Only ASCII is allowed, and a listing of a keychain checks thousands of names.
    if name.bytes().enumerate().all(|(at, byte)| ok(at, byte.into())) {
        return Ok(());
    }
    match name.chars().enumerate().find(|&(at, c)| !ok(at, c)) {
        None => Ok(()),
        Some((at, c)) => {
            Err(NameError::Forbidden { what, shown: shorten(name), found: describe(c), at: at + 1, allowed })
        }
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<std::ffi::OsStr> for $type {
            fn as_ref(&self) -> &std::ffi::OsStr {
                self.0.as_ref()
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                $check($what, name)?;
                Ok(Self(name.to_owned()))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                parsed(from)
            }
        }
    };
}

name!(
    /// A provider, such as `anthropic`.
    Provider, "provider", check_name
);
name!(
    /// A key's alias with its provider, such as `work`.
    Alias, "alias", check_name
);
name!(
    /// A profile; also the name of its folder.
    Profile, "profile", check_name
);
name!(
    /// An agent, such as `claude`.
    Agent, "agent", check_name
);
name!(
    /// A tool of the settings, such as `github`.
    Tool, "tool", check_name
);
name!(
    /// A store of the settings, such as `team`.
    StoreName, "store", check_name
);
impl StoreName {
    /// The heading of its table in the settings.
    pub fn table(&self) -> String {
        store_table(&self.0)
    }
}

/// The heading of a store's table in the settings. A name with a dot is quoted there.
pub(crate) fn store_table(name: &str) -> String {
    let is_bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_bare { format!("[store.{name}]") } else { format!("[store.\"{name}\"]") }
}

name!(
    /// An environment variable: `[A-Za-z_][A-Za-z0-9_]*`.
    Variable, "variable", check_variable
);

impl Variable {
    /// Checks a pattern of names, in which one `*` matches any text.
    pub(crate) fn check_pattern(pattern: &str) -> Result<(), NameError> {
        match pattern.contains('*') {
            true => check_variable("variable", &pattern.replacen('*', "", 1)),
            false => check_variable("variable", pattern),
        }
    }

    /// Reports whether the variable is one of Ringlet's own, which no profile may set.
    pub fn is_ringlets(&self) -> bool {
        self.folded().starts_with("RINGLET_")
    }

    /// Reports whether programs depend on the variable, so that no launch removes it.
    pub fn is_never_taken_away(&self) -> bool {
        matches!(self.folded().as_str(), "HOME" | "PATH" | "TMPDIR")
    }

    /// Reports whether a program may be given a secret by it: the next launch could take it away again.
    pub(crate) fn may_hold_a_secret(&self) -> bool {
        !self.is_ringlets() && !self.is_never_taken_away() && !self.is_xdg()
    }

    /// Reports whether the variable moves the folders of every program (XDG base directory specification) rather than
    /// of one agent.
    pub fn is_xdg(&self) -> bool {
        self.folded().starts_with("XDG_")
    }

    // Returns the name in the form that the system compares.
    fn folded(&self) -> String {
        if cfg!(windows) { self.0.to_ascii_uppercase() } else { self.0.clone() }
    }

    /// Returns a value for display. The value of a variable that is named like a secret is hidden, because a key may
    /// stand in `[env]` by mistake.
    pub fn shown<'a>(&self, value: &'a str) -> &'a str {
        let name = self.0.to_ascii_uppercase();
        let secret =
            ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL"].iter().any(|word| name.contains(word));
        match value {
            "" => "(empty)",
            _ if secret => "(not shown)",
            value => value,
        }
    }
}

/// The name of one key: `provider/alias`, which is also its account in the keychain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName {
    /// The provider that issued the key.
    pub provider: Provider,
    /// The alias of the key with that provider.
    pub alias: Alias,
}

impl KeyName {
    /// Joins two checked names.
    pub fn new(provider: Provider, alias: Alias) -> Self {
        Self { provider, alias }
    }

    /// Returns the command that replaces the key.
    pub fn replace_command(&self) -> [std::ffi::OsString; 6] {
        crate::words!["ringlet", "keychain", "set", self.provider, self.alias, "--replace"]
    }

    /// Returns the command that stores the key.
    pub fn set_command(&self) -> [std::ffi::OsString; 5] {
        crate::words!["ringlet", "keychain", "set", self.provider, self.alias]
    }
}

impl FromStr for KeyName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let shown = || shorten(text);
        let slash = memchr(b'/', text.as_bytes()).ok_or_else(|| NameError::NotAPair(shown()))?;
        let (provider, alias) = (&text[..slash], &text[slash + 1..]);
        if memchr(b'/', alias.as_bytes()).is_some() {
            return Err(NameError::NotAPair(shown()));
        }
        Ok(Self::new(provider.parse()?, alias.parse()?))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.alias)
    }
}

impl serde::Serialize for KeyName {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for KeyName {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        parsed(from)
    }
}

fn parsed<'de, T: FromStr<Err = NameError>, D: serde::Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

/// Returns the candidate closest to a misspelt word, if one is close enough.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= 1 + candidate.chars().count().min(word.chars().count()) / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_are_refused_with_their_reason() {
        let long = "a".repeat(65);
        for bad in [
            "",
            "/",
            "..",
            ".a",
            "-a",
            "a/b",
            "A",
            "a b",
            "a\nb",
            "a\0",
            "a\u{1b}[31m",
            "\u{430}nthropic",
            "caf\u{e9}",
            &long,
        ] {
            let error = bad.parse::<Alias>().expect_err(bad).to_string();
            assert!(!error.chars().any(char::is_control), "{error:?}");
        }
        let pasted = "sk-ant-api03-PASTED".repeat(4).parse::<Alias>().expect_err("upper case").to_string();
        assert!(!pasted.contains("PASTED"), "{pasted}");
        assert!("..".parse::<KeyName>().is_err());
        assert!("a/b/c".parse::<KeyName>().is_err());
        assert!("a/..".parse::<KeyName>().is_err());
    }

    #[test]
    fn what_could_be_a_key_is_never_repeated() {
        for key in ["gsk_Hx7Qw2Lm9Zt4Rb8Yc", "sk-0123456789ab", "AIzaSyQwErTyUiOp", &"a".repeat(25), "0f8fad5bd9cb469f"]
        {
            assert_eq!(shorten(key), format!("{}...", &key[..4]), "{key}");
            for error in
                [format!("{key}/").parse::<KeyName>(), format!("x/{key}/").parse(), format!("x/{key} ").parse()]
            {
                let said = error.expect_err(key).to_string();
                assert!(!said.contains(&key[..5]), "{said}");
            }
        }
        for word in ["calude", "Anthropic", "claude-code", "some-long-profile-name", "2026-11-28T10:00", "..", "Work 2"]
        {
            let expected = if word.contains('T') { "2026..." } else { word };
            assert_eq!(shorten(word), expected);
        }
    }

    #[test]
    fn good_names_pass_unchanged() {
        for good in ["a", "0", "work", "work-2", "a.b_c-d", &"a".repeat(64)] {
            assert_eq!(good.parse::<Alias>().expect(good).as_str(), good);
        }
        assert_eq!("anthropic/work".parse::<KeyName>().expect("valid").to_string(), "anthropic/work");
    }

    #[test]
    fn variables_follow_the_shells_rule() {
        assert!("GITHUB_TOKEN".parse::<Variable>().is_ok());
        for bad in ["", "1A", "A-B", "A=B", "A\0"] {
            assert!(bad.parse::<Variable>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_closest_word_is_suggested_only_when_close() {
        assert_eq!(closest("calude", ["claude", "codex"]), Some("claude"));
        assert_eq!(closest("zzz", ["claude", "codex"]), None);
    }
}
