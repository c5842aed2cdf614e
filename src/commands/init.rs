//! `ringlet init`: writes a project file in the working directory and allows it.

use super::{Session, allow};
use crate::config::PROJECT_FILE;
use crate::failure::Failure;
use crate::host::Host;
use crate::name::Profile;
use crate::platform;
use crate::profile::Profiles;
use std::io::ErrorKind;

/// `ringlet init PROFILE`
pub(super) fn run(host: &mut Host, session: &Session, profile: &str) -> Result<(), Failure> {
    let name: Profile = profile.parse()?;
    Profiles::new(&session.paths, &session.registry).read(&name)?;
    let file = host.world.cwd()?.join(PROJECT_FILE);
    session.refuse_project_file(&host.world)?;
    // An existing file is never overwritten: it may be a colleague's.
    let text = format!("profile = \"{name}\"\n");
    match platform::create_shared_file(&file, text.as_bytes()) {
        Ok(()) => {
            let said =
                format!("wrote {}; it names a profile and no key, so it can be committed", session.paths.pretty(&file));
            host.output.note(said);
        }
        // An earlier run was killed between writing and allowing the file, so only the second step is left.
        Err(error)
            if error.kind() == ErrorKind::AlreadyExists
                && platform::read_file(&file, 1 << 16).is_ok_and(|file| file.bytes == text.as_bytes()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(
                Failure::new(format!("{} already exists", file.display())).hint("edit it, then run `ringlet allow`")
            );
        }
        Err(error) => return Err(Failure::io("written", &file, &error)),
    }
    allow::allow(host, session, &[])
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    #[test]
    fn a_project_file_is_written_once_and_allowed() {
        let mut home = Home::with_profile("work");
        home.enter("project");
        let ran = home.run(&["init", "work"]).succeeds();
        assert_eq!((home.read("project/.ringlet.toml").as_str(), ran.out.as_str()), ("profile = \"work\"\n", ""));
        assert!(ran.err.contains("wrote ") && ran.err.contains("names a profile and no key, so it can be committed"));
        assert_eq!(home.run(&["--json", "status"]).json()["project"]["trust"], "allowed");
        // A second run is no error: an interrupted run may have left the file without allowing it.
        home.run(&["init", "work"]).succeeds();
    }

    #[test]
    fn a_file_that_says_something_else_and_an_unknown_profile_are_refused() {
        let mut home = Home::with_profile("work");
        home.enter("project");
        home.run(&["init", "other"]).is_refused(1, "profile \"other\"");
        assert!(!home.path.join("project/.ringlet.toml").exists());
        home.write("project/.ringlet.toml", "profile = \"theirs\"\n");
        home.run(&["init", "work"]).is_refused(1, "already exists");
        assert_eq!(home.read("project/.ringlet.toml"), "profile = \"theirs\"\n");
    }

    // The tests' home is not the account's, so ringlet's own settings in it would lie in the project.
    #[test]
    fn a_file_that_every_launch_would_refuse_is_not_written() {
        let mut home = Home::with_profile("work");
        home.program("claude");
        home.env.push(("ANTHROPIC_API_KEY", "sk-ant-api03-TESTTESTTESTTESTTESTTESTTESTTESTTESTTEST".into()));
        for words in [&["init", "work"][..], &["use", "work"], &["init", "--yes", "--here"]] {
            let ran = home.run(words);
            assert!(ran.status == 1 && ran.err.contains("each launch would refuse a .ringlet.toml here"), "{ran:?}");
            assert!(!home.path.join(".ringlet.toml").exists(), "{words:?}");
        }
        assert_eq!(home.run(&["keychain", "list"]).out, "");
    }
}
