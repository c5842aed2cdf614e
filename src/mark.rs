//! The mark of a launch: the names of the variables that it sets, so that the next launch below it can remove exactly
//! these.
//!
//! An agent's tools inherit its environment, and with it the base URL and the credential of one account. A launch from
//! there must begin with the user's own environment. So each launch sets one variable, [`NAME`], that lists the names
//! it has set, without their values. `XDG_*` variables are the exception: they move the folders of every program,
//! Ringlet's included, so their earlier value stands in the mark and is restored.
//!
//! A forged mark gains nothing: it can remove a variable or set an `XDG_*` path, which any program can do itself.
//! `host` undoes the mark for every command before any path is decided. `plan` makes the next mark.

use crate::env::{Change, Env};
use crate::name::Variable;
use crate::percent;
use crate::platform;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

/// The variable with the mark: names separated by commas. An `XDG_*` name is followed by `=` and its earlier value. In
/// the value, bytes other than `[A-Za-z0-9._/-]` are `%` and two hexadecimal digits. The value is empty if the variable
/// was not set.
pub(crate) const NAME: &str = "RINGLET_SET";

/// The variable by which a launch detects that it was started by itself: `PID:DEPTH:COMMAND`. Each launch with a
/// profile sets it. A launch without one sets it if it may be part of a loop.
pub(crate) const LOOP: &str = "RINGLET_LAUNCH";

/// The most launches of one command below each other. An agent may start itself for a part of its work, and that agent
/// again. A wrapper that calls Ringlet twice doubles the launches at each level, so the limit also bounds their number.
pub(crate) const MAX_DEPTH: u32 = 8;

/// Returns the value of [`LOOP`] for a program that this process starts or becomes. `depth` counts the launches of the
/// command below each other.
pub(crate) fn looped(depth: u32, command: &str) -> String {
    format!("{}:{depth}:{command}", std::process::id())
}

/// Returns the process id and the depth of the launch above this process, if it started the same command.
pub(crate) fn launched(env: &Env, command: &str) -> Option<(u32, u32)> {
    let (pid, rest) = env.get(LOOP)?.to_str()?.split_once(':')?;
    let (depth, marked) = rest.split_once(':')?;
    if marked == command { Some((pid.parse().ok()?, depth.parse().ok()?)) } else { None }
}

/// Removes the variables that an earlier launch has set, and the mark itself.
pub(crate) fn undo(env: &mut Env) {
    let Some(mark) = env.get(NAME) else { return };
    // A mark that is not text was not made by Ringlet. It is removed as well.
    let mark = mark.to_str().unwrap_or_default().to_owned();
    env.unset(NAME);
    let mut gone: BTreeSet<String> = BTreeSet::new();
    for entry in mark.split(',') {
        let (name, before) = entry.split_once('=').map_or((entry, None), |(name, before)| (name, Some(before)));
        let Ok(variable) = name.parse::<Variable>() else { continue };
        if !may_go(&variable) {
            continue;
        }
        match (variable.is_xdg(), before.map(decoded)) {
            (false, _) | (true, Some(Some(None))) => drop(gone.insert(folded(name))),
            (true, Some(Some(Some(path)))) => env.set(name, path),
            // Without an earlier value in the mark the variable stays.
            (true, None | Some(None)) => {}
        }
    }
    env.retain(|name| !gone.contains(&folded(name)));
}

/// Returns the mark for the variables that a launch sets, or `None` if the next launch may remove none of them.
pub(crate) fn make<'a>(
    before: &Env,
    changes: &'a [Change],
    secrets: impl Iterator<Item = &'a Variable>,
) -> Option<OsString> {
    let set = changes.iter().filter_map(|change| match change {
        Change::Set(name, _) => Some(name),
        // Removing an `XDG_*` variable moves folders as well.
        Change::Unset(name) => Some(name).filter(|name| name.is_xdg()),
    });
    let names: BTreeSet<&Variable> = set.chain(secrets).filter(|name| may_go(name)).collect();
    let mut mark = String::new();
    for name in names {
        if !mark.is_empty() {
            mark.push(',');
        }
        mark.push_str(name.as_str());
        if name.is_xdg() {
            match before.get(name.as_str()).map(encoded) {
                // A value that cannot be encoded is not recorded, so the next launch keeps the new one.
                Some(None) => {}
                Some(Some(value)) => {
                    mark.push('=');
                    mark.push_str(&value);
                }
                None => mark.push('='),
            }
        }
    }
    (!mark.is_empty()).then(|| mark.into())
}

// Some agents read their key from `RINGLET_API_KEY`. No launch sets any other variable of Ringlet.
fn may_go(name: &Variable) -> bool {
    !name.is_never_taken_away() && (!name.is_ringlets() || name.as_str() == "RINGLET_API_KEY")
}

// Returns the name in the form that the system compares.
fn folded(name: &str) -> String {
    if cfg!(windows) { name.to_ascii_uppercase() } else { name.to_owned() }
}

fn encoded(value: &OsStr) -> Option<String> {
    platform::bytes_of(value).map(percent::encoded)
}

// Returns `None` for a malformed text, and `Some(None)` if the variable was not set.
fn decoded(text: &str) -> Option<Option<OsString>> {
    if text.is_empty() {
        return Some(None);
    }
    platform::os_string_of(percent::decoded(text.as_bytes())?).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(name: &str, value: &str) -> Change {
        Change::Set(name.parse().expect("valid"), value.into())
    }

    fn launched(before: &Env, changes: &[Change], secrets: &[&str]) -> Env {
        let names: Vec<Variable> = secrets.iter().map(|name| name.parse().expect("valid")).collect();
        let mut env = before.clone();
        env.apply(changes);
        names.iter().for_each(|name| env.set(name.as_str(), "secret".into()));
        if let Some(mark) = make(before, changes, names.iter()) {
            env.set(NAME, mark);
        }
        env
    }

    #[test]
    fn the_next_launch_finds_what_the_shell_had_but_for_what_was_replaced() {
        let before = Env::from_pairs([("PATH", "/bin"), ("XDG_CONFIG_HOME", "/a b,c=d%"), ("MINE", "1")]);
        let changes = [
            set("ANTHROPIC_BASE_URL", "https://x"),
            set("XDG_CONFIG_HOME", "/profile"),
            set("XDG_DATA_HOME", "/profile"),
            set("MINE", "2"),
            set("PATH", "/other"),
            set("HOME", "/other"),
            Change::Unset("GONE".parse().expect("valid")),
        ];
        let mut env = launched(&before, &changes, &["ANTHROPIC_API_KEY", "RINGLET_API_KEY"]);
        let mark = env.get(NAME).expect("a mark").to_str().expect("text").to_owned();
        assert!(!mark.contains("secret") && !mark.contains("https"), "{mark}");
        undo(&mut env);
        assert_eq!(env.get("XDG_CONFIG_HOME"), Some("/a b,c=d%".as_ref()));
        for gone in [NAME, "ANTHROPIC_BASE_URL", "XDG_DATA_HOME", "MINE", "ANTHROPIC_API_KEY", "RINGLET_API_KEY"] {
            assert_eq!(env.get(gone), None, "{gone}");
        }
        assert_eq!(env.get("PATH"), Some("/other".as_ref()));
        assert_eq!(env.get("HOME"), Some("/other".as_ref()));
    }

    #[test]
    fn what_a_forged_mark_names_beyond_its_right_stays() {
        let forged =
            "HOME,PATH,TMPDIR,RINGLET_LAUNCH,XDG_STATE_HOME,XDG_DATA_HOME=%2,XDG_CACHE_HOME=%00,a b,,=x,A=/evil,B";
        let kept = ["HOME", "PATH", "TMPDIR", "RINGLET_LAUNCH", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"];
        let pairs = kept.into_iter().chain(["A", "B"]).map(|name| (name, "as it was")).chain([(NAME, forged)]);
        let mut env = Env::from_pairs(pairs);
        undo(&mut env);
        for name in kept {
            assert_eq!(env.get(name), Some("as it was".as_ref()), "{name}");
        }
        assert_eq!((env.get("A"), env.get("B"), env.get(NAME)), (None, None, None));
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_text_is_put_back_byte_for_byte() {
        use std::os::unix::ffi::OsStrExt;
        let path = OsStr::from_bytes(b"/\xff\n%");
        let before = Env::from_pairs([(OsString::from("XDG_DATA_HOME"), path.to_owned())]);
        let mut env = launched(&before, &[set("XDG_DATA_HOME", "/x")], &[]);
        undo(&mut env);
        assert_eq!(env.get("XDG_DATA_HOME"), Some(path));
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            "[A-C]{1,2}",
            "XDG_[A-C]",
            Just("HOME".to_owned()),
            Just("PATH".to_owned()),
            Just("RINGLET_API_KEY".to_owned()),
            Just("RINGLET_LAUNCH".to_owned())
        ]
    }

    proptest! {
        #[test]
        fn a_forged_mark_takes_away_and_sets_nothing_but_shared_paths(
            pairs in proptest::collection::vec((name(), "[a-z/]{0,4}"), 0..12),
            mark in "[A-CXDGHOMEPATH_,=%/a-f0-9\u{e9} \n]{0,60}",
        ) {
            let before = Env::from_pairs(pairs.clone().into_iter().chain([(NAME.to_owned(), mark)]));
            let mut after = before.clone();
            undo(&mut after);
            prop_assert_eq!(after.get(NAME), None);
            for (name, value) in after.pairs() {
                let shared = name.to_str().expect("text").starts_with("XDG_");
                prop_assert!(shared || before.pairs().contains(&(name.clone(), value.clone())), "{:?}", name);
            }
            for kept in ["HOME", "PATH", "RINGLET_LAUNCH"] {
                prop_assert_eq!(after.get(kept), before.get(kept));
            }
        }

        #[test]
        fn a_launch_ends_with_its_agent(
            pairs in proptest::collection::vec((name(), ".{0,6}"), 0..12),
            sets in proptest::collection::vec((name(), "[a-z/]{0,4}"), 0..8),
            unset in proptest::collection::vec(name(), 0..4),
        ) {
            let before = Env::from_pairs(pairs.into_iter().filter(|(_, value)| !value.contains('\0')));
            let mut changes: Vec<Change> =
                unset.iter().map(|name| Change::Unset(name.parse().expect("valid"))).collect();
            changes.extend(sets.iter().map(|(name, value)| set(name, value)));
            let mut env = launched(&before, &changes, &["B"]);
            undo(&mut env);
            prop_assert_eq!(env.get("B"), None);
            for change in &changes {
                let (Change::Set(name, _) | Change::Unset(name)) = change;
                if name.is_xdg() {
                    // The earlier value is restored. An empty value counts as none.
                    let was = before.non_empty(name.as_str());
                    prop_assert_eq!(env.non_empty(name.as_str()), was);
                } else if may_go(name) {
                    prop_assert_eq!(env.get(name.as_str()), None);
                }
            }
            let touched = |name: &str| changes.iter().any(|change| {
                let (Change::Set(other, _) | Change::Unset(other)) = change;
                other.as_str() == name
            });
            for (name, _) in before.pairs() {
                let name = name.to_str().expect("text");
                if name != "B" && !touched(name) {
                    prop_assert_eq!(env.get(name), before.get(name));
                }
            }
        }
    }
}
