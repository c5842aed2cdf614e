//! Decides a launch: from a directory, a typed word and the environment to a launch plan.
//!
//! `prepare` holds the decision from top to bottom. `choice` finds the profile, and `binary` the agent's real program.
//! `guard` runs the guard over the project. `login` checks the folder of an agent's login. `stored` finds credentials
//! in the user's own files that would win over the account. `version` finds the agent's version. `gate` checks the
//! scopes of the keys; `scope` is the rule itself, which the daemon calls as well. A `LaunchPlan` holds references to
//! secrets and can be printed. `exec`, `exec --dry-run` and `status` use the same plan. This module never opens a
//! store.

mod age_plugins;
mod binary;
mod broker;
mod choice;
mod draft;
mod error;
mod gate;
mod guard;
mod holder;
pub(crate) mod interpreter;
mod launch_plan;
mod login;
mod own_places;
mod prepare;
mod project;
mod run;
mod scope;
mod sessions;
mod store_programs;
mod stored;
#[cfg(test)]
mod tests;
mod version;
mod withheld;

pub(crate) use age_plugins::age_plugins;
use binary::is_ours;
pub(crate) use binary::{find_binary, guard_binary, leads_here};
pub(crate) use broker::Broker;
#[cfg(target_os = "linux")]
pub(crate) use broker::{ADDRESS, SETTINGS};
pub(crate) use choice::{Choice, Project, Why, choose, find_project, governing_file};
pub(crate) use error::PlanError;
pub(crate) use gate::{For, Passed, Refused, check_scopes};
pub(crate) use guard::{bindings, findings, is_loaded};
pub(crate) use holder::{describe_login, unused};
pub(crate) use launch_plan::{Keyless, LaunchPlan, Notice, ProfilePart, Purpose, SecretUse, Sink, Start};
pub(crate) use login::{has_login, login_command, login_folder, refuse_project, sign_in};
pub(crate) use own_places::{OwnPlace, refuse_own_places, refuse_own_places_below};
pub(crate) use prepare::{LaunchRequest, prepare, refuse_account};
pub(crate) use project::{AccountHome, ProjectFolders, is_lasting_path};
pub(crate) use run::{RunPlan, RunRequest, prepare_run};
pub(crate) use scope::{Facts, Pass, ScopeRule};
pub(crate) use sessions::{OtherSession, first_launch_mark};
pub(crate) use store_programs::{StorePrograms, store_programs};
pub(crate) use stored::{Rejections, over_login, rejections, seed};
pub(crate) use version::version_text;
use version::{asked_version, installed_version, version_at};

use crate::config::Settings;
use crate::env::Env;
use crate::paths::Paths;
use crate::registry::Registry;
use std::path::Path;

/// The inputs of every decision.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The paths that Ringlet reads and writes.
    pub paths: &'a Paths,
    /// The user's settings.
    pub settings: &'a Settings,
    /// The agents and providers.
    pub registry: &'a Registry,
    /// The environment.
    pub env: &'a Env,
    /// The canonical working directory.
    pub cwd: &'a Path,
    /// Ringlet's own executable, which is never taken for an agent.
    pub ringlet: Option<&'a Path>,
    /// Looks up the home directory in the system's list of accounts.
    pub account_home: AccountHome<'a>,
}
