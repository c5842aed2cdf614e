//! `ringlet use`: which profile governs this directory, or those without a file of their own.

use super::{Session, init, profiles};
use crate::config::PROJECT_FILE;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::name::Profile;
use crate::plan::find_project;
use crate::platform;
use crate::profile::{self, Profiles};
use crate::trust::Verdict;
use crate::words;
use std::path::Path;
use toml_edit::DocumentMut;

/// `ringlet use PROFILE [--default]`
pub(super) fn run(host: &mut Host, session: &Session, profile: &str, default: bool) -> Result<(), Failure> {
    let name: Profile = profile.parse()?;
    Profiles::new(&session.paths, &session.registry).read(&name)?;
    if default {
        profiles::set_default(host, session, Some(&name))?;
        host.output.note(next("a directory with a .ringlet.toml keeps its own; "));
        return Ok(());
    }
    let file = host.world.cwd()?.join(PROJECT_FILE);
    match file.symlink_metadata() {
        Ok(meta) if meta.is_symlink() => {
            return Err(Failure::new(format!("{} is a link", file.display()))
                .hint("edit the file that it leads to, then run `ringlet allow`"));
        }
        Ok(_) => change(host, session, &file, &name)?,
        Err(_) => init::run(host, session, name.as_str())?,
    }
    host.output.note(next(""));
    Ok(())
}

fn next(before: &str) -> Hint {
    Hint::from(before).command(["ringlet", "status"]).and(" shows what each agent gets here")
}

// Changes a file that was allowed as it is. What else stands in another one was perhaps never seen.
fn change(host: &mut Host, session: &Session, file: &Path, name: &Profile) -> Result<(), Failure> {
    let context = session.context(&host.world)?;
    let project = find_project(&context)?.filter(|project| project.file == file);
    let Some(content) = project.as_ref().and_then(|project| project.content.as_ref()) else {
        let verdict = project.map_or(Verdict::Unknown, |project| project.verdict);
        return Err(Failure::new(format!("{} is {verdict}", file.display()))
            .hint(Hint::from("look at it, then run ").command(words!["ringlet", "allow"])));
    };
    let kept: Vec<String> = content
        .agents
        .iter()
        .filter(|(_, own)| *own != name)
        .map(|(agent, own)| format!("{agent} keeps \"{own}\""))
        .collect();
    if content.profile.as_ref() == Some(name) {
        host.output.note(format!("profile \"{name}\" governs this directory already"));
    } else {
        let unread = |error: platform::ReadError| Failure::new(format!("{} cannot be read: {error}", file.display()));
        let read = platform::read_file(file, crate::config::MAX_BYTES).map_err(unread)?;
        let text = String::from_utf8_lossy(&read.bytes).into_owned();
        let mut document: DocumentMut =
            text.parse().map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        profile::edit::assign(&mut document, "profile", name.as_str())?;
        platform::replace_shared_file(file, document.to_string().as_bytes())
            .map_err(|error| Failure::io("written", file, &error))?;
        host.output.note(format!("{} names profile \"{name}\" now", session.paths.pretty(file)));
        super::allow::allow(host, session, &[])?;
    }
    if !kept.is_empty() {
        host.output.note(format!("[agents] names other profiles: {}", kept.join(", ")));
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    #[test]
    fn a_profile_is_chosen_for_a_directory_and_comments_stay() {
        let mut home = Home::with_profile("work");
        home.enter("project");
        home.write(".ringlet/profiles/cheap/ringlet.toml", "agent = \"claude\"\nprovider = \"anthropic\"\n");
        let ran = home.run(&["use", "work"]).succeeds();
        assert_eq!(home.read("project/.ringlet.toml"), "profile = \"work\"\n");
        assert!(ran.err.contains("`ringlet status` shows what each agent gets here"), "{ran:?}");
        home.write("project/.ringlet.toml", "# ours\nprofile = \"work\"  # for now\n[agents]\ncodex = \"work\"\n");
        home.run(&["use", "cheap"]).is_refused(1, "is not allowed any more");
        home.run(&["allow"]).succeeds();
        let ran = home.run(&["use", "cheap"]).succeeds();
        assert_eq!(
            home.read("project/.ringlet.toml"),
            "# ours\nprofile = \"cheap\"  # for now\n[agents]\ncodex = \"work\"\n"
        );
        assert!(ran.err.contains("[agents] names other profiles: codex keeps \"work\""), "{ran:?}");
        assert_eq!(home.run(&["--json", "status"]).json()["project"]["trust"], "allowed");
        assert!(home.run(&["use", "cheap"]).succeeds().err.contains("governs this directory already"));
        home.run(&["use", "nosuch"]).is_refused(1, "nosuch");
        home.run(&["use", "work", "--default"]).succeeds();
        assert_eq!(home.run(&["profiles", "default"]).succeeds().out, "work\n");
    }
}
