//! `ringlet usage`: what passed the broker, by key, profile, directory or model.

use super::Session;
use crate::audit::parse_since;
use crate::cli::UsageBy;
use crate::failure::Failure;
use crate::host::Host;
use crate::output::Style;
use crate::usage::{self, Counts, Used};
use jiff::tz::TimeZone;
use serde_json::json;
use std::collections::BTreeMap;

// What is shown if no time is named.
const SINCE: &str = "30d";

/// `ringlet usage [--since TIME] [--by WHAT]`
pub(super) fn run(host: &mut Host, session: &Session, since: Option<&str>, by: UsageBy) -> Result<(), Failure> {
    let since = parse_since(since.unwrap_or(SINCE), host.world.now)?.to_zoned(TimeZone::system()).date();
    let folder = session.paths.usage();
    let failed =
        |error| Failure::new(format!("the counts in {} cannot be read: {error}", session.paths.pretty(&folder)));
    let mut sums: BTreeMap<String, Counts> = BTreeMap::new();
    // A line is empty once its requests were counted under the model that the answer has named.
    let is_empty = |used: &Used| used.line.counts == Counts::default();
    for used in usage::read(&folder, since).map_err(failed)?.iter().filter(|used| !is_empty(used)) {
        sums.entry(group(used, by)).or_default().add(&used.line.counts);
    }
    if host.output.wants_json() {
        let rows: Vec<_> = sums
            .iter()
            .map(|(name, counts)| {
                json!({
                    "name": name, "requests": counts.requests, "measured": counts.measured,
                    "input": counts.input, "cached": counts.cached, "output": counts.output,
                })
            })
            .collect();
        host.output.json(&json!({ "since": since.to_string(), "by": by.word(), "rows": rows }));
        return Ok(());
    }
    if sums.is_empty() {
        host.output
            .note(format!("nothing passed the broker since {since}; what agents send themselves is not counted"));
        return Ok(());
    }
    let heads = [by.word(), "requests", "input", "cached", "output"];
    let mut rows = vec![heads.iter().map(|head| (Style::Dim, (*head).to_owned())).collect()];
    for (name, counts) in &sums {
        let numbers = [counts.requests, counts.input, counts.cached, counts.output];
        let mut row = vec![(Style::Bold, name.clone())];
        row.extend(numbers.iter().map(|number| (Style::Plain, number.to_string())));
        rows.push(row);
    }
    host.output.table(&rows);
    let mut all = Counts::default();
    sums.values().for_each(|counts| all.add(counts));
    if let silent @ 1.. = all.requests.saturating_sub(all.measured) {
        host.output
            .note(format!("{silent} of {} requests had an answer that does not say what was used", all.requests));
    }
    host.output.note("what agents send themselves, without the broker, is not counted");
    Ok(())
}

fn group(used: &Used, by: UsageBy) -> String {
    match by {
        UsageBy::Key => used.key.to_string(),
        UsageBy::Profile => used.line.origin.profile.clone(),
        UsageBy::Directory => used.line.origin.directory.clone(),
        UsageBy::Model => used.line.model.clone().unwrap_or_else(|| "unknown".to_owned()),
    }
}
