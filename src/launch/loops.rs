//! Refuses a launch that leads back to Ringlet: the program on PATH is a wrapper that calls Ringlet again, or another
//! copy of Ringlet under the agent's name.
//!
//! A launch leaves a mark in the agent's environment, and the next launch of the same command below it reads the mark.
//! So the agent's program need not be read to learn what it calls. Without a profile the environment stays as it is,
//! and the mark is left only where the launch may be part of a loop.

use super::LaunchError;
use crate::env::Env;
use crate::mark;
use crate::plan::Start;
use crate::platform;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// The processor time from which on a process may have launched before. A launch takes a few milliseconds, and exec
/// keeps the time that a process has used.
const MUCH: Duration = Duration::from_millis(250);

/// The number of processes above a launch from which on a loop may have left them.
const MANY: usize = 24;

/// The launches that leave a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marking {
    /// Every launch. The environment is changed anyway.
    Always,
    /// A launch that may be part of a loop. Any other agent starts as if Ringlet were not there.
    InALoop,
}

/// Refuses a launch that is part of a loop, and marks the agent's environment for the launches below this one.
///
/// A process keeps its number over exec, so a mark with the number of this process was left by this process. A wrapper
/// that starts Ringlet as a new process is refused at [`mark::MAX_DEPTH`]. A process that has inherited a mark, and was
/// given the number of the process that left it, is refused by mistake; the next try has another number.
pub(super) fn refuse(env: &mut Env, start: &Start, marking: Marking) -> Result<(), LaunchError> {
    let above = mark::launched(env, &start.command);
    env.unset(mark::LOOP);
    if above.is_none() && marking == Marking::InALoop && !may_be_a_loop(start) {
        return Ok(());
    }
    let (pid, depth) = above.unwrap_or_default();
    if pid == std::process::id() || depth >= mark::MAX_DEPTH {
        return Err(LaunchError::Loop(start.binary.clone()));
    }
    env.set(mark::LOOP, mark::looped(depth + 1, &start.command).into());
    Ok(())
}

// Without a mark a loop shows by its processor time or its processes. A script that names Ringlet is recognised at
// once, since one that calls it twice doubles the launches at each level.
fn may_be_a_loop(start: &Start) -> bool {
    platform::processor_time() > MUCH || names_ringlet(&start.binary) || platform::has_ancestors(MANY)
}

fn names_ringlet(binary: &Path) -> bool {
    let mut first = Vec::with_capacity(4096);
    let Ok(opened) = platform::open_file(binary) else { return false };
    let read = opened.file.take(4096).read_to_end(&mut first);
    read.is_ok() && first.starts_with(b"#!") && memchr::memmem::find(&first, b"ringlet").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The mark that a launch of `command` leaves, empty where it leaves none; `None` where it is refused.
    fn marked(env: &mut Env, command: &str, marking: Marking) -> Option<String> {
        let start = Start { command: command.to_owned(), binary: "/nonexistent".into(), arguments: Vec::new() };
        refuse(env, &start, marking).ok()?;
        Some(env.get(mark::LOOP).map_or_else(String::new, |mark| mark.to_str().expect("text").to_owned()))
    }

    fn below(mark: &str) -> Env {
        Env::from_pairs([(mark::LOOP, mark)])
    }

    #[test]
    fn a_process_that_comes_back_to_its_own_launch_is_refused() {
        let own = std::process::id();
        let mut env = Env::from_pairs([("PATH", "/bin")]);
        assert_eq!(marked(&mut env, "claude", Marking::Always), Some(format!("{own}:1:claude")));
        for marking in [Marking::Always, Marking::InALoop] {
            assert_eq!(marked(&mut env.clone(), "claude", marking), None);
        }
        // A wrapper named after one agent may start another one.
        assert_eq!(marked(&mut env, "codex", Marking::Always), Some(format!("{own}:1:codex")));
    }

    #[test]
    fn launches_of_one_command_below_each_other_are_counted() {
        let (own, other) = (std::process::id(), std::process::id().wrapping_add(1));
        for marking in [Marking::Always, Marking::InALoop] {
            let after = |depth: u32| marked(&mut below(&format!("{other}:{depth}:claude")), "claude", marking);
            assert_eq!(after(1), Some(format!("{own}:2:claude")));
            assert_eq!(after(7), Some(format!("{own}:8:claude")));
            assert_eq!(after(8), None);
            assert_eq!(after(u32::MAX), None);
        }
    }

    #[test]
    fn a_mark_of_another_form_counts_as_none() {
        let first = format!("{}:1:claude", std::process::id());
        for mark in ["", ":", "::claude", "x:8:claude", "1:x:claude", "1:8", "-1:8:claude", "1:8:claude:", "1:8:codex"]
        {
            assert_eq!(marked(&mut below(mark), "claude", Marking::Always).as_ref(), Some(&first), "{mark}");
        }
    }

    #[test]
    fn a_launch_without_a_profile_takes_the_mark_of_another_command_away() {
        let start = Start { command: "claude".to_owned(), binary: "/nonexistent".into(), arguments: Vec::new() };
        // The number of processes above a test depends on its environment.
        let wanted = if may_be_a_loop(&start) { format!("{}:1:claude", std::process::id()) } else { String::new() };
        assert_eq!(marked(&mut below("1:1:codex"), "claude", Marking::InALoop), Some(wanted));
    }
}
