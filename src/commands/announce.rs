//! `ringlet announce`: the line that the hook prints when another project file governs. It never makes a `cd` fail.

use super::Session;
use crate::failure::Failure;
use crate::host::Host;
use crate::name::Agent;
use crate::plan;
use crate::profile::Profiles;
use std::collections::BTreeSet;

/// Prints at most one line to stderr. With `profile` the name of the profile that governs goes to stdout, for a prompt.
pub(super) fn run(host: &mut Host, session: &Session, profile: bool) -> Result<(), Failure> {
    let Ok(context) = session.context(&host.world) else { return Ok(()) };
    let project = plan::find_project(&context);
    if profile {
        let default = session.settings.default_profile.as_ref();
        let name = match &project {
            Ok(None) => default,
            Ok(Some(project)) => project.content.as_ref().and_then(|content| content.profile.as_ref().or(default)),
            Err(_) => None,
        };
        host.output.raw(name.map_or("", |name| name.as_str()));
    }
    let line = match project {
        Ok(None) => return Ok(()),
        Err(error) => error.to_string(),
        Ok(Some(project)) => match project.content {
            None => format!("{} is {}; run `ringlet allow`", project.file.display(), project.verdict),
            Some(content) => {
                let agents = bound(session, content.profile.iter().chain(content.agents.values()));
                let names: Vec<&str> = agents.iter().map(Agent::as_str).collect();
                format!("{} ({})", content.describe(), names.join(", "))
            }
        },
    };
    host.output.plain_stderr(&format!("ringlet: {line}"));
    Ok(())
}

fn bound<'a>(session: &Session, names: impl Iterator<Item = &'a crate::name::Profile>) -> BTreeSet<Agent> {
    let profiles = Profiles::new(&session.paths, &session.registry);
    names.filter_map(|name| profiles.read(name).ok()).flat_map(|file| file.bindings.into_keys()).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    #[test]
    fn a_governing_file_gives_one_line_and_none_gives_none() {
        let home = Home::with_profile("work");
        let ran = home.run(&["announce"]).succeeds();
        assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
        home.write(".ringlet.toml", "profile = \"work\"\n");
        let ran = home.run(&["announce"]).succeeds();
        assert!(ran.err.ends_with("run `ringlet allow`\n") && ran.err.lines().count() == 1, "{ran:?}");
        home.run(&["allow"]).succeeds();
        assert_eq!(home.run(&["announce"]).err, "ringlet: profile work (claude)\n");
    }

    #[test]
    fn the_profile_for_a_prompt_is_the_one_that_governs_or_the_default() {
        let home = Home::with_profile("work");
        let named = || home.run(&["announce", "--profile"]).succeeds().out;
        assert_eq!(named(), "");
        home.run(&["profiles", "default", "work"]).succeeds();
        assert_eq!(named(), "work");
        home.run(&["profiles", "create", "other", "--agent", "codex"]).succeeds();
        home.write(".ringlet.toml", "profile = \"other\"\n");
        assert_eq!(named(), "", "it is not allowed");
        home.run(&["allow"]).succeeds();
        assert_eq!(named(), "other");
        home.write(".ringlet.toml", "[agents]\ncodex = \"other\"\n");
        home.run(&["allow"]).succeeds();
        assert_eq!(named(), "work");
    }

    #[test]
    fn what_cannot_be_read_is_a_line_and_no_failure() {
        let home = Home::new();
        home.write(".ringlet.toml/file", "");
        let ran = home.run(&["announce"]).succeeds();
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    }
}
