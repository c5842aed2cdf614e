//! `ringlet migrate --watch`: prints a line for every key in plaintext, now and whenever one comes back.

use super::machine::{know_moved, machine};
use crate::commands::Session;
use crate::failure::Failure;
use crate::host::Host;
use crate::migrate::watch::{Seen, Watch};
use crate::output::Style;
use serde_json::json;
use std::path::PathBuf;

/// Runs until it is interrupted, or until nobody reads its output.
pub(super) fn run(host: &mut Host, session: &Session, named: &[PathBuf]) -> Result<i32, Failure> {
    let env = host.world.env.clone();
    let mut machine = machine(host, session)?;
    know_moved(host, session, &mut machine).into_iter().for_each(|why| host.output.warn(why));
    let (mut watch, mut seen) = Watch::start(&session.paths, &env, named, machine)?;
    host.output.note(format!("watching {} files; Ctrl-C ends it", watch.count()));
    loop {
        if !seen.is_empty() && !tell(host, session, &seen)? {
            return Ok(0);
        }
        seen = watch.wait()?;
    }
}

fn tell(host: &mut Host, session: &Session, seen: &[Seen]) -> Result<bool, Failure> {
    for Seen { file, line, variable, provider, reason } in seen {
        if host.output.wants_json() {
            host.output.json_line(&json!({
                "file": file.to_string_lossy(), "line": line, "variable": variable, "provider": provider,
                "reason": reason.map(|reason| reason.as_str()),
            }));
            continue;
        }
        let place = format!("{}:{line}", session.paths.pretty(file));
        let what = variable.as_deref().unwrap_or("a key");
        host.output.line(&[
            (Style::Bold, &place),
            (Style::Plain, " has "),
            (Style::Bad, what),
            (Style::Plain, &format!(" ({provider}) in plaintext")),
            (Style::Dim, &reason.map(|reason| format!("; it {}", reason.why())).unwrap_or_default()),
        ]);
    }
    let goes_on = host.output.flush()?;
    if goes_on {
        host.output.note("run `ringlet migrate` to move what can be moved");
    }
    Ok(goes_on)
}
