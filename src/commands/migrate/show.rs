//! Prints a plan: a masked diff, conflicts side by side, and what is only reported; or JSON.

use crate::commands::Session;
use crate::host::Host;
use crate::migrate::aftermath::is_direnvs;
use crate::migrate::examine::Action;
use crate::migrate::plan::{Placed, Plan, PlannedFile};
use crate::output::Style;
use serde_json::json;

/// Shows a plan.
pub(super) fn plan(host: &mut Host, session: &Session, plan: &Plan) {
    if host.output.wants_json() {
        let rows: Vec<_> =
            plan.files.iter().flat_map(|file| file.findings.iter().map(|placed| row(file, placed))).collect();
        host.output.json(&json!({ "found": rows }));
        return;
    }
    let secrets = plan.secrets();
    let output = &mut host.output;
    for file in plan.files.iter().filter(|file| file.is_edited()) {
        let path = session.paths.pretty(&file.path);
        let link = if file.path == file.target {
            String::new()
        } else {
            format!(" -> {}", session.paths.pretty(&file.target))
        };
        output.line(&[(Style::Bold, &path), (Style::Dim, &link)]);
        if is_direnvs(file) {
            output.line(&[(Style::Warn, "direnv will want to be told `direnv allow` again")]);
        }
        for (line, old, new) in file.hunks(&secrets) {
            output.line(&[(Style::Dim, &format!("@@ line {line} @@"))]);
            old.lines().for_each(|text| output.line(&[(Style::Bad, &format!("-{text}"))]));
            new.lines().for_each(|text| output.line(&[(Style::Good, &format!("+{text}"))]));
        }
        for placed in &file.findings {
            let Ok(name) = &placed.name else { continue };
            let variable = placed.finding.variable.as_deref().unwrap_or("a key");
            output.line(&[
                (Style::Dim, &format!("  line {}: ", placed.finding.line)),
                (Style::Plain, variable),
                (Style::Dim, " becomes "),
                (Style::Good, &name.to_string()),
            ]);
        }
    }
    for (provider, rows) in plan.conflicts() {
        output.line(&[(Style::Warn, &format!("{provider} has {} different keys:", rows.len()))]);
        let cells = rows.into_iter().map(|(name, mask, places)| {
            vec![(Style::Plain, format!("  {name}")), (Style::Plain, mask), (Style::Dim, places.join(", "))]
        });
        output.table(&cells.collect::<Vec<_>>());
    }
    let left = plan.files.iter().flat_map(|file| file.findings.iter().map(move |placed| (file, placed)));
    let left = left.filter_map(|(file, placed)| Some((file, &placed.finding, placed.name.as_ref().err()?)));
    let left: Vec<_> = left.collect();
    if !left.is_empty() {
        output.line(&[(Style::Warn, "found and left in place:")]);
        let cells = left.into_iter().map(|(file, finding, reason)| {
            vec![
                (Style::Plain, format!("  {}:{}", session.paths.pretty(&file.path), finding.line)),
                (Style::Plain, finding.variable.clone().unwrap_or_else(|| "a key".into())),
                (Style::Plain, finding.provider.to_string()),
                (Style::Dim, reason.as_str().to_owned()),
            ]
        });
        output.table(&cells.collect::<Vec<_>>());
    }
}

fn row(file: &PlannedFile, placed: &Placed) -> serde_json::Value {
    let finding = &placed.finding;
    let form = match finding.action {
        Action::Moved(form) if placed.name.is_ok() => Some(form.as_str()),
        Action::Moved(_) | Action::Reported(_) => None,
    };
    json!({
        "file": file.path.to_string_lossy(),
        "line": finding.line,
        "variable": finding.variable,
        "provider": finding.provider,
        "alias": placed.name.as_ref().ok().map(|name| &name.alias),
        "action": if placed.name.is_ok() { "moved" } else { "reported" },
        "form": form,
        "reason": placed.name.as_ref().err().map(|reason| reason.as_str()),
    })
}
