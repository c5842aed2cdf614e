//! A launch that would lead back to Ringlet: the program found on PATH is a wrapper that calls Ringlet again, or another copy of
//! Ringlet under the agent's name.
//!
//! A launch leaves a mark in the agent's environment, and the next launch of the same command below it reads the mark. So the
//! agent's program need not be read to learn what it calls. Without a profile the environment stays as it is, and the mark is
//! left only where the launch may be part of a loop.

use super::LaunchError;
use crate::env::Env;
use crate::mark;
use crate::plan::Start;
use crate::platform;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// The processor time after which a process is taken for one that has been here before: a launch takes some milliseconds of
/// it, and a process that runs one program after the other keeps what it has taken.
const MUCH: Duration = Duration::from_millis(250);

/// The number of processes above a launch from which on they may be those that a loop has left behind.
const MANY: usize = 24;

/// When a launch leaves its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marking {
    /// In each launch: it changes the environment anyway.
    Always,
    /// Only where the launch may be part of a loop: everything else starts as if Ringlet were not there.
    InALoop,
}

/// Refuses a launch that comes back to itself, and marks the agent's environment for the launches below this one.
///
/// A process keeps its number over exec, so a mark with this process's own number was left by this very process. A wrapper that
/// starts Ringlet as a new process is refused at [`mark::MAX_DEPTH`]. A process that was given the number of one that has ended can
/// be refused by mistake, if it has inherited that one's mark.
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

// Without a mark a loop is known by the time or the processes that it has taken. A script that names Ringlet is known at once: one
// that calls it twice doubles the launches at each level.
fn may_be_a_loop(start: &Start) -> bool {
    platform::processor_time() > MUCH || names_ringlet(&start.binary) || platform::has_ancestors(MANY)
}

fn names_ringlet(binary: &Path) -> bool {
    let mut first = Vec::with_capacity(4096);
    let read = std::fs::File::open(binary).and_then(|file| file.take(4096).read_to_end(&mut first));
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
        // The processes above a test are not for it to say.
        let wanted = if may_be_a_loop(&start) { format!("{}:1:claude", std::process::id()) } else { String::new() };
        assert_eq!(marked(&mut below("1:1:codex"), "claude", Marking::InALoop), Some(wanted));
    }
}
