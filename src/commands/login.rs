//! `ringlet login`: starts an agent's own login in the folder of a login profile.

use super::{Session, exec};
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::launch::{self, LaunchError};
use crate::name::{Agent, Profile};
use crate::plan::{self, Context, PlanError, ProjectFolders};
use crate::platform;
use crate::profile::{Account, Kind, ProfileFile, Profiles};
use crate::words;
use std::ffi::OsString;

/// `ringlet login PROFILE [--agent AGENT]`; on Unix it returns only with a failure.
pub(super) fn run(
    host: &mut Host,
    session: &Session,
    profile: &str,
    agent: Option<&str>,
    words: &[OsString],
) -> Result<i32, Failure> {
    let name: Profile = profile.parse()?;
    let here = session.context(&host.world)?;
    plan::refuse_own_places(&here)?;
    let mut folders = ProjectFolders::new(&here)?;
    let profiles = Profiles::new(&session.paths, &session.registry);
    let file = profiles.read(&name)?;
    let agent = match agent {
        Some(agent) => agent.parse()?,
        None => only_login(&file)?,
    };
    let Some(resolved) = profiles.resolve(&file, &agent)? else {
        return Err(PlanError::NotBound { profile: name, agent: agent.to_string() }.into());
    };
    let Account::Login { login, .. } = &resolved.account else {
        let what = exec::account(&resolved);
        return Err(PlanError::NotALogin { profile: name, agent, what }.into());
    };
    let login = login.clone();
    let folder = plan::login_folder(&session.context(&host.world)?, &resolved, &login);
    let made = !folder.is_dir();
    let above = folder.ancestors().find_map(|above| above.canonicalize().ok()).unwrap_or_default();
    plan::refuse_project(&Context { cwd: &above, ..session.context(&host.world)? }, &folder)?;
    platform::create_private_folder(&folder).map_err(|error| Failure::io("created", &folder, &error))?;
    let context = session.context(&host.world)?;
    let there = folder.canonicalize().map_err(|error| Failure::io("opened", &folder, &error))?;
    // The agent works in that folder, so a project around it could mislead the agent.
    let mut env = host.world.env.clone();
    env.set("PWD", folder.clone().into());
    let context = Context { cwd: &there, env: &env, ..context };
    folders.add(&there)?;
    let sign_in = plan::sign_in(&context, &folders, resolved, &login, words).inspect_err(|_| {
        if made {
            // Only an empty folder is removed.
            let _ = std::fs::remove_dir(&folder);
        }
    })?;
    // The canonical path is not used: on Windows it has a prefix that other programs do not take.
    std::env::set_current_dir(&folder).map_err(|error| Failure::io("entered", &folder, &error))?;
    let done =
        exec::with_io(session, &host.world, &mut host.output, |mut io| launch::carry_out(&sign_in, &context, &mut io));
    done.map_err(|error: LaunchError| error.into())
}

// Returns the agent that has a login, if there is exactly one.
fn only_login(file: &ProfileFile) -> Result<Agent, Failure> {
    let logins: Vec<&Agent> = file
        .bindings
        .values()
        .filter(|binding| matches!(binding.kind.value, Kind::Login))
        .map(|binding| &binding.agent.value)
        .collect();
    match (logins.as_slice(), &file.main) {
        ([only], _) => Ok((*only).clone()),
        ([], _) => Err(Failure::new(format!("profile \"{}\" has no login", file.name))
            .hint(Hint::run(words!["ringlet", "profiles", "inspect", file.name]))),
        (several, Some(main)) if several.contains(&main) => Ok(main.clone()),
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|agent| agent.as_str()).collect();
            Err(Failure::usage(format!(
                "profile \"{}\" has logins for several agents: {}",
                file.name,
                names.join(", ")
            ))
            .hint(Hint::run(plan::login_command(&file.name, Some(several[0])))))
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    #[test]
    fn a_profile_with_a_key_has_no_login() {
        let home = Home::with_profile("work");
        home.run(&["login", "nobody"]).is_refused(125, "nobody");
        home.run(&["login", "work"]).is_refused(125, "has no login");
        home.run(&["login", "work", "--agent", "codex"]).is_refused(125, "codex");
    }

    #[test]
    fn a_login_whose_agent_is_missing_leaves_no_folder() {
        let home = Home::new();
        let folder = home.path.join("max");
        let folder = folder.to_str().expect("text");
        let words = ["profiles", "create", "max", "--agent", "claude", "--login", "--config-dir", folder];
        home.run(&words).succeeds();
        home.run(&["login", "max"]).is_refused(127, "claude");
        assert!(!home.path.join("max").exists());
    }
}
