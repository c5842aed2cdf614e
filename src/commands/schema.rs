//! `ringlet schema`: prints the JSON Schema of a TOML file, for editors.
//!
//! The schemas are in /schema. A test makes them anew from the types that the files are parsed into.

use crate::failure::Failure;
use crate::host::Host;
use crate::name::closest;
use crate::output::Style;

/// The names of the schemas, the files that they are for, and their texts.
pub(super) const SCHEMAS: &[(&str, &str, &str)] = &[
    ("config", "config.toml", include_str!("../../schema/config.json")),
    ("profile", "~/.ringlet/profiles/NAME/ringlet.toml", include_str!("../../schema/profile.json")),
    ("project", ".ringlet.toml", include_str!("../../schema/project.json")),
    ("credentials", "credentials.toml", include_str!("../../schema/credentials.json")),
    ("agent", "agents/NAME.toml", include_str!("../../schema/agent.json")),
    ("provider", "providers/NAME.toml", include_str!("../../schema/provider.json")),
];

/// `ringlet schema [NAME]`
pub(super) fn run(host: &mut Host, name: Option<&str>) -> Result<i32, Failure> {
    let Some(name) = name else {
        let rows: Vec<_> = SCHEMAS
            .iter()
            .map(|(name, file, _)| vec![(Style::Bold, (*name).to_owned()), (Style::Plain, (*file).to_owned())])
            .collect();
        host.output.table(&rows);
        host.output.note("`ringlet schema NAME` prints one");
        return Ok(0);
    };
    let Some((_, _, text)) = SCHEMAS.iter().find(|(own, ..)| *own == name) else {
        let failure = Failure::usage("there is no schema of that name");
        let names = SCHEMAS.iter().map(|(name, ..)| *name);
        return Err(match closest(name, names) {
            Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
            None => failure.hint("run `ringlet schema`"),
        });
    };
    host.output.raw(text);
    Ok(0)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::host::testing::Home;

    #[test]
    fn each_schema_is_printed_and_names_the_keys_of_its_file() {
        let home = Home::new();
        for (name, file, _) in SCHEMAS {
            assert!(home.run(&["schema"]).succeeds().out.contains(file));
            let schema = home.run(&["schema", name]).json();
            assert_eq!(schema["type"], "object", "{name}");
        }
        let profile = home.run(&["schema", "profile"]).json();
        assert_eq!(profile["additionalProperties"], false);
        let table = &profile["properties"]["agents"]["additionalProperties"]["properties"];
        assert_eq!((&table["key-alias"]["type"], &table["allow-http"]["type"]), (&"string".into(), &"boolean".into()));
        let backend = &home.run(&["schema", "config"]).json()["properties"]["credentials"]["properties"]["backend"];
        assert!(backend["enum"].as_array().expect("words").contains(&"system-only".into()), "{backend}");
        home.run(&["schema", "profil"]).is_refused(2, "did you mean `profile`?");
    }
}
