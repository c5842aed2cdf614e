//! `ringlet audit`: what asked for which key, and whether the record of it is whole.

use super::Session;
use crate::audit::{self, Filter, parse_since};
use crate::failure::{Failure, status};
use crate::hint::Hint;
use crate::host::Host;
use crate::name::closest;
use crate::output::Style;
use serde_json::json;
use std::ops::ControlFlow;

/// `ringlet audit [--since] [--alias] [--agent]`
pub(super) fn ask(
    host: &mut Host,
    session: &Session,
    since: Option<&str>,
    alias: Option<&str>,
    agent: Option<&str>,
) -> Result<(), Failure> {
    let mut filter = Filter {
        since: since.map(|text| parse_since(text, host.world.now)).transpose()?,
        agent: agent.map(str::parse).transpose()?,
        ..Filter::default()
    };
    alias.map_or(Ok(()), |alias| filter.set_alias(alias))?;
    let output = &mut host.output;
    let as_lines = output.wants_json();
    let mut is_any = false;
    // A person compares these times with a clock on the wall. The log itself is in UTC.
    let zone = jiff::tz::TimeZone::system();
    let scan = audit::query(&session.audit_path(), &filter, |entry| {
        if !is_any && !as_lines {
            output.line(&[(Style::Dim, "TIME                 ACTION  RESULT   KEY, AND WHO ASKED")]);
        }
        is_any = true;
        if as_lines {
            // One object is printed on each line, as in the log, so that a million of them are not held in memory.
            output.raw(&(entry.to_line() + "\n"));
        } else {
            let record = &entry.record;
            // A command has a program, and no agent.
            let program = || record.binary.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string());
            let who = record.agent.as_ref().map_or_else(program, ToString::to_string);
            let style = if record.result == audit::Outcome::Granted { Style::Good } else { Style::Bad };
            let text = serde_json::to_value((record.action, record.result)).unwrap_or_default();
            let word = |at: usize| text[at].as_str().unwrap_or_default().to_owned();
            let from = record.store.as_ref().map_or_else(String::new, |name| format!("  from {name}"));
            let profile = record.profile.as_ref().map_or_else(String::new, |name| format!("  profile {name}"));
            let place = record.cwd.as_ref().map_or_else(String::new, |path| format!("  in {}", path.display()));
            let reason = record.reason.as_ref().map_or_else(String::new, |why| format!("  ({why})"));
            output.line(&[
                (Style::Dim, &format!("{}  ", record.time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S"))),
                (Style::Plain, &format!("{:<7} ", word(0))),
                (style, &format!("{:<8} ", word(1))),
                (Style::Bold, &record.subject.to_string()),
                (Style::Plain, &format!("{from}  {who}  pid {}{profile}{place}{reason}", record.pid)),
            ]);
        }
        ControlFlow::Continue(())
    });
    let scan = match scan {
        Err(audit::AuditError::Missing(path)) if session.settings.audit.enabled => {
            host.output.note(format!("nothing was recorded yet in {}", session.paths.pretty(&path)));
            return Ok(());
        }
        Err(audit::AuditError::Missing(path)) => {
            return Err(Failure::new(format!("there is no audit log at {}", path.display()))
                .hint(Hint::run(["ringlet", "config", "set", "audit.enabled", "true"]).and(", or use --audit-log")));
        }
        scan => scan?,
    };
    if !is_any && !as_lines {
        let known = session.registry.agent_names().unwrap_or_default();
        let is_unknown = agent.is_some_and(|agent| !known.contains(agent));
        let meant = agent.filter(|_| is_unknown).and_then(|agent| closest(agent, known.iter().map(String::as_str)));
        let more = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        host.output.note(format!("no record matches{more}"));
    }
    if scan.unreadable > 0 {
        let lines = if scan.unreadable == 1 { "1 line".to_owned() } else { format!("{} lines", scan.unreadable) };
        host.output.warn(format!("{lines} cannot be read; run `ringlet audit verify`"));
    }
    Ok(())
}

/// `ringlet audit verify`
pub(super) fn verify(host: &mut Host, session: &Session) -> Result<i32, Failure> {
    let report = audit::verify(&session.audit_path())?;
    if host.output.wants_json() {
        let findings: Vec<_> = report
            .findings
            .iter()
            .map(|finding| {
                let file = finding.file.to_string_lossy();
                json!({ "file": file, "line": finding.line, "what": finding.flaw.to_string() })
            })
            .collect();
        host.output.json(&json!({
            "intact": report.is_intact(), "files": report.files, "lines": report.lines,
            "first": report.first, "last": report.last, "findings": findings, "more": report.more,
        }));
    } else {
        for finding in &report.findings {
            host.output.line(&[(Style::Bad, &finding.to_string())]);
        }
        if report.more > 0 {
            host.output.data(&format!("and {} more", report.more));
        }
        let style = if report.is_intact() { Style::Good } else { Style::Bad };
        let verdict = if report.is_intact() { "intact" } else { "damaged" };
        let counted = |many: u64, what: &str| format!("{many} {what}{}", if many == 1 { "" } else { "s" });
        let size = format!(": {} in {}", counted(report.lines, "line"), counted(report.files as u64, "file"));
        host.output.line(&[(style, verdict), (Style::Plain, &size)]);
    }
    Ok(if report.is_intact() { 0 } else { status::FAILURE })
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    #[test]
    fn what_was_recorded_is_found_and_verified() {
        let mut home = Home::new();
        home.input = b"sk-ant-api03-TESTTESTTESTTESTTESTTESTTESTTESTTESTTEST\n".to_vec();
        home.run(&["--audit-log", "keychain", "set", "anthropic", "work", "--stdin"]).succeeds();
        let found = home.run(&["--json", "audit", "--alias", "anthropic/work"]);
        assert!(found.status == 0 && found.out.contains("anthropic") && !found.out.contains("TEST"), "{found:?}");
        assert_eq!(home.run(&["audit", "--alias", "other"]).succeeds().out, "");
        home.run(&["audit", "verify"]).succeeds();
    }

    #[test]
    fn no_time_is_refused() {
        Home::new().run(&["audit", "--since", "yesterdayish"]).is_refused(2, "yesterdayish");
    }
}
