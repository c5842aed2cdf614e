//! Short texts with a form of their own: names, lengths of time, places, marks, versions.

use super::keys;
use crate::audit::parse_since;
use crate::digest::Digest;
use crate::env::Env;
use crate::name::{Agent, KeyName, MAX_LEN, Provider, Variable, closest, shorten};
use crate::paths::Paths;
use crate::registry::Version;
use crate::shell::ShellNames;
use crate::{duration, mark, percent};
use std::time::Duration;

/// A text as each of these forms; made-up keys stand in place of `@a` and the like, and no message repeats one.
pub fn words(template: &[u8]) {
    let bytes = keys::filled(template);
    percents(&bytes);
    let Ok(text) = std::str::from_utf8(&bytes) else { return };
    let named = keys::named(template);
    names(text, &named);
    lengths(text, &named);
    places(text);
    marks(text);
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
    if let Some(version) = Version::parse(text) {
        assert!(version.is_at_least(text) && version.is_at_least("0.0"));
    }
    if let Some(seen) = ShellNames::parse(text) {
        assert!(text.trim_start().starts_with(&seen.shell));
    }
}

fn percents(bytes: &[u8]) {
    if let Some(plain) = percent::decoded(bytes) {
        assert!(!plain.contains(&0) && plain.len() <= bytes.len());
        let text = percent::encoded(&plain);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/-%".contains(&byte)), "{text}");
        assert_eq!(percent::decoded(text.as_bytes()), Some(plain));
    }
}

fn names(text: &str, named: &[String]) {
    match text.parse::<KeyName>() {
        Ok(key) => {
            assert_eq!(key.to_string(), text);
            assert_eq!(KeyName::new(key.provider.clone(), key.alias.clone()), key);
        }
        Err(error) => keys::assert_hidden(&error.to_string(), named),
    }
    match text.parse::<Provider>() {
        Ok(name) => {
            assert!(name.as_str() == text && text.len() <= MAX_LEN && !text.starts_with('.') && !text.contains('/'))
        }
        Err(error) => {
            let shown = error.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
            keys::assert_hidden(&shown, named);
        }
    }
    match text.parse::<Variable>() {
        Ok(name) => assert!(name.as_str() == text && !text.contains(['=', '\0'])),
        Err(error) => keys::assert_hidden(&error.to_string(), named),
    }
    assert_eq!(text.parse::<Agent>().is_ok(), text.parse::<Provider>().is_ok());
    keys::assert_hidden(&shorten(text), named);
    let known = ["claude", "codex", "aider"];
    assert!(closest(text, known).is_none_or(|word| known.contains(&word)));
    assert_eq!(closest("claude", known), Some("claude"));
}

fn lengths(text: &str, named: &[String]) {
    if let Ok(length) = duration::parse(text) {
        let shown = duration::shown(length);
        assert!(shown.ends_with(['s', 'm', 'h', 'd']), "{shown}");
        if let Ok(again) = duration::parse(&shown) {
            assert!(again <= length && length - again < Duration::from_secs(86_400));
        }
    }
    let now = jiff::Timestamp::from_second(1_793_491_200).expect("a time");
    match parse_since(text, now) {
        Ok(moment) if text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains('-') => assert!(moment <= now),
        Ok(_) => {}
        Err(error) => {
            let shown = error.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
            if !text.starts_with(|c: char| c.is_ascii_digit()) {
                keys::assert_hidden(&shown, named);
            }
        }
    }
}

fn places(text: &str) {
    let home = if cfg!(windows) { "C:\\me" } else { "/home/me" };
    let paths = Paths::new(&Env::from_pairs([("HOME", home), ("USERPROFILE", home)])).expect("a home");
    let path = paths.expand(text);
    let is_home = text == "~" || text.strip_prefix('~').is_some_and(|rest| rest.starts_with(std::path::is_separator));
    if is_home {
        assert!(path.is_absolute(), "{}", path.display());
    } else {
        assert_eq!(path.as_os_str(), text);
    }
    if !text.contains("..") && path.starts_with(&paths.home) {
        assert_eq!(paths.expand(&paths.pretty(&path)), path);
    }
}

// A mark takes away what it lists and nothing that a program cannot do without.
fn marks(text: &str) {
    let kept = [("PATH", "/bin"), ("HOME", "/home/me"), ("TMPDIR", "/tmp"), ("RINGLET_SHELL", "bash")];
    let gone = [("ANTHROPIC_API_KEY", "x"), ("XDG_CONFIG_HOME", "/x")];
    let mut env = Env::from_pairs(kept.into_iter().chain(gone).chain([(mark::NAME, text)]));
    mark::undo(&mut env);
    assert!(env.get(mark::NAME).is_none());
    for (name, value) in kept {
        assert_eq!(env.get(name), Some(value.as_ref()), "{name} {text:?}");
    }
    // Windows knows one variable by every spelling.
    let is = |name: &str, wanted: &str| name == wanted || cfg!(windows) && name.eq_ignore_ascii_case(wanted);
    let is_listed = |wanted: &str| text.split(',').any(|entry| is(entry.split('=').next().unwrap_or_default(), wanted));
    for (name, value) in gone {
        assert!(is_listed(name) || env.get(name) == Some(value.as_ref()), "{name} {text:?}");
    }
    assert!(!is_listed("ANTHROPIC_API_KEY") || env.get("ANTHROPIC_API_KEY").is_none());
}
