//! `ringlet providers list`: prints what Ringlet knows of each provider.

use super::Session;
use crate::failure::Failure;
use crate::host::Host;
use crate::name::Provider;
use crate::output::Style;
use crate::registry::ProviderSpec;
use serde_json::json;
use std::collections::BTreeMap;

/// `ringlet providers list`
pub(super) fn run(host: &mut Host, session: &Session) -> Result<(), Failure> {
    let mut specs: Vec<ProviderSpec> = Vec::new();
    for name in session.registry.provider_names()? {
        specs.push(session.registry.provider_with_pattern(&name.parse::<Provider>()?)?);
    }
    if host.output.wants_json() {
        let rows: Vec<_> = specs
            .iter()
            .map(|spec| {
                let endpoints: BTreeMap<_, BTreeMap<String, _>> = spec
                    .endpoints
                    .iter()
                    .map(|(name, urls)| {
                        (name, urls.iter().map(|(protocol, url)| (protocol.to_string(), url)).collect())
                    })
                    .collect();
                json!({
                    "name": spec.name, "title": spec.title, "variable": spec.variable, "also": spec.also,
                    "console": spec.console, "endpoints": endpoints,
                })
            })
            .collect();
        host.output.json(&rows);
        return Ok(());
    }
    let mut rows = vec![
        ["PROVIDER", "VARIABLE", "ENDPOINT", "PROTOCOL", "URL"].map(|cell| (Style::Dim, cell.to_owned())).to_vec(),
    ];
    for spec in &specs {
        let mut first = true;
        let urls = spec
            .endpoints
            .iter()
            .flat_map(|(name, urls)| urls.iter().map(move |(protocol, url)| (name, protocol, url)));
        let mut cells: Vec<[String; 3]> =
            urls.map(|(name, protocol, url)| [name.clone(), protocol.to_string(), url.clone()]).collect();
        if cells.is_empty() {
            cells.push(["-".into(), "own".into(), "-".into()]);
        }
        for [endpoint, protocol, url] in cells {
            let head = if first { [spec.name.to_string(), spec.variable.to_string()] } else { Default::default() };
            first = false;
            let [name, variable] = head;
            rows.push(vec![
                (Style::Bold, name),
                (Style::Plain, variable),
                (Style::Plain, endpoint),
                (Style::Plain, protocol),
                (Style::Plain, url),
            ]);
        }
    }
    host.output.table(&rows);
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    #[test]
    fn the_built_in_providers_are_listed_with_their_variables() {
        let home = Home::new();
        let listed = home.run(&["providers", "list"]).succeeds().out;
        assert!(listed.starts_with("PROVIDER") && listed.contains("ANTHROPIC_API_KEY"), "{listed}");
        let rows = home.run(&["--json", "providers", "list"]).json();
        let names: Vec<&str> = rows.as_array().expect("a list").iter().filter_map(|row| row["name"].as_str()).collect();
        assert!(names.contains(&"anthropic") && names.is_sorted(), "{names:?}");
    }

    #[test]
    fn a_providers_file_that_is_wrong_is_named() {
        let home = Home::new();
        home.write(".config/ringlet/providers/mine.toml", "variable = 1\n");
        home.run(&["providers", "list"]).is_refused(1, "mine.toml");
    }
}
