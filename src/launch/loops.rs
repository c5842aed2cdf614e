//! A launch that would lead back to Ringlet: a wrapper of the user's own, or a link named after the agent.

use super::LaunchError;
use crate::env::Env;
use crate::mark;
use crate::plan::Start;
use crate::platform;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How often such a program may start Ringlet anew below itself. An agent behind a wrapper may well start another
/// agent, but not in a tower of them.
const MAX_DEPTH: u32 = 8;

/// The processor time after which a process is taken for one that has been here before: a launch takes some milliseconds of
/// it, and a process that runs one program after the other keeps what it has taken.
const MUCH: Duration = Duration::from_millis(250);

/// The processes above a launch below another one from which on it may be part of a tower.
const MANY: usize = 24;

/// Refuses a launch that comes back to where it was, and marks one that may. A wrapper that does not show that it calls
/// Ringlet is known by the time that going round has taken, or by the processes that it has left behind. One that leaves
/// processes behind and is started without a profile is not: nothing tells it from any other program.
pub(super) fn refuse(env: &mut Env, start: &Start, ringlet: Option<&Path>) -> Result<(), LaunchError> {
    let (pid, depth) = marked(env, &start.command).unwrap_or_default();
    env.unset(mark::LOOP);
    let is_deep = env.is_nested() && platform::has_ancestors(MANY);
    if is_deep || platform::processor_time() > MUCH || leads_to_ringlet(&start.binary, ringlet) {
        // The same process has been here before, or each one starts the next.
        if pid == std::process::id() || depth >= MAX_DEPTH {
            return Err(LaunchError::Loop(start.binary.clone()));
        }
        env.set(mark::LOOP, mark::looped(depth + 1, &start.command).into());
    }
    Ok(())
}

// Who launched this very command last, and how deep that was.
fn marked(env: &Env, command: &str) -> Option<(u32, u32)> {
    let (pid, rest) = env.get(mark::LOOP)?.to_str()?.split_once(':')?;
    let (depth, marked) = rest.split_once(':')?;
    if marked == command { Some((pid.parse().ok()?, depth.parse().ok()?)) } else { None }
}

// A wrapper script that calls ringlet, or another copy of it, under whatever name.
fn leads_to_ringlet(binary: &Path, ringlet: Option<&Path>) -> bool {
    let real = binary.canonicalize().unwrap_or_else(|_| binary.into());
    if real.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"ringlet")) {
        return true;
    }
    let Ok(mut file) = std::fs::File::open(&real) else { return false };
    let mut block = vec![0u8; 4096];
    let read = io::Read::read(&mut file, &mut block).unwrap_or(0);
    if block[..read].starts_with(b"#!") {
        return memchr::memmem::find(&block[..read], b"ringlet").is_some();
    }
    // A copy named after an agent: the variable's name stands in every one of them, and none is much larger than we.
    let size = |path: &Path| path.metadata().map_or(0, |meta| meta.len());
    size(&real) <= ringlet.map_or(0, size).saturating_mul(2) && holds(file, mark::LOOP.as_bytes())
}

fn holds(mut file: impl io::Read, needle: &[u8]) -> bool {
    let mut block = vec![0u8; 64 * 1024];
    // What a block ends in may be the needle's start, so it is looked at again with the next one.
    let mut kept = 0;
    while let Ok(read @ 1..) = file.read(&mut block[kept..]) {
        let filled = kept + read;
        if memchr::memmem::find(&block[..filled], needle).is_some() {
            return true;
        }
        kept = filled.min(needle.len() - 1);
        block.copy_within(filled - kept..filled, 0);
    }
    false
}
