//! The daemon, the audit log, and the clock by which leases and records go.

use crate::audit;
use crate::commands::check::Checks;
use crate::commands::{Session, daemon};
use crate::daemon::{client, lifecycle};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A longer log takes `ringlet audit verify`.
const MOST_VERIFIED: u64 = 16 << 20;

/// So far the clock may be behind the newest file: a file system may be another machine's.
const AHEAD: Duration = Duration::from_secs(10 * 60);

pub(super) fn check(host: &Host, session: &Session, checks: &mut Checks) -> Result<(), Failure> {
    clock(host, session, checks);
    log(session, checks);
    registered(host, session, checks)
}

fn clock(host: &Host, session: &Session, checks: &mut Checks) {
    let state = session.paths.state();
    let files = [session.paths.config(), state.to_owned(), state.join("trust"), session.audit_path()];
    let now = SystemTime::from((host.world.clock)());
    let is_ahead = |file: &PathBuf| {
        let changed = file.metadata().and_then(|data| data.modified()).ok()?;
        changed.duration_since(now).is_ok_and(|by| by > AHEAD).then(|| session.paths.pretty(file))
    };
    if let Some(file) = files.iter().find_map(is_ahead) {
        let text =
            format!("{file} was changed later than the clock says it is now, so leases and records may be wrong");
        checks.bad(text, Hint::from("set the clock: ").command(["date"]).and(" shows it"));
    }
}

fn log(session: &Session, checks: &mut Checks) {
    let settings = || Hint::from("mend it, or see `[audit]` in config.toml: ").command(["ringlet", "config", "edit"]);
    match session.audit_log() {
        Ok(None) => {}
        Err(error) => return checks.bad(error.to_string(), settings()),
        Ok(Some(_)) => checks.good(format!("lookups are recorded in {}", session.paths.pretty(&session.audit_path()))),
    }
    let path = session.audit_path();
    let verify = || Hint::run(["ringlet", "audit", "verify"]);
    match size_of(&path) {
        Some(size) if size <= MOST_VERIFIED => match audit::verify(&path) {
            Ok(report) if report.is_intact() => {}
            Ok(_) => checks.bad(format!("the audit log {} is not whole", session.paths.pretty(&path)), verify()),
            Err(audit::AuditError::Missing(_)) => {}
            Err(error) => checks.bad(error.to_string(), settings()),
        },
        Some(_) => checks.note("the audit log is long, and was not verified", verify()),
        None => {}
    }
}

// The size of a log with its rotated parts, whose names begin with its own.
fn size_of(log: &Path) -> Option<u64> {
    let name = log.file_name()?.as_encoded_bytes();
    let parts = std::fs::read_dir(log.parent()?).ok()?.flatten();
    let sizes = parts.filter(|part| part.file_name().as_encoded_bytes().starts_with(name));
    log.metadata().ok()?;
    Some(sizes.filter_map(|part| Some(part.metadata().ok()?.len())).sum())
}

fn registered(host: &Host, session: &Session, checks: &mut Checks) -> Result<(), Failure> {
    let is_installed = daemon::is_installed(host, session)?;
    match lifecycle::find(&session.paths)? {
        Some(run) => match client::status(&session.paths) {
            Ok(data) => {
                checks.good(format!("the daemon runs, process {}", run.pid));
                for name in ["config", "policy"] {
                    if let Some(problem) = data[name]["problem"].as_str() {
                        let hint = Hint::from("").command(["ringlet", "daemon", "status"]).and(" names the file");
                        checks.bad(format!("the daemon goes on with what was last good: {problem}"), hint);
                    }
                }
            }
            Err(error) => checks.failed(error),
        },
        None if is_installed => checks.note(
            "the daemon is installed and does not run; the system starts it for the first request",
            Hint::from("").command(["ringlet", "daemon", "start"]).and(" starts it now"),
        ),
        None => {}
    }
    Ok(())
}
