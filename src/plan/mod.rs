//! From a directory, a word and an environment to a launch plan.
//!
//! `prepare` is the way of a decision, from top to bottom. `choice` finds the profile, `binary` the agent's real program,
//! `guard` asks what in the project is neither harmless nor allowed, `login` whether a login's folder is fit to be used,
//! `stored` whether the user's own files would win over the account, `version` which version of the agent this is,
//! `gate` whether the scopes of the keys let them be looked up; `scope` is the rule itself, which the daemon asks as
//! well. A `LaunchPlan` holds references to secrets and can be printed. The same plan serves `exec`, `exec --dry-run` and
//! `status`; nothing here ever opens a store.

mod binary;
mod choice;
mod error;
mod gate;
mod guard;
mod holder;
mod interpreter;
mod launch_plan;
mod login;
mod prepare;
mod project;
mod scope;
mod sessions;
mod stored;
#[cfg(test)]
mod tests;
mod version;
mod withheld;

use binary::is_ours;
pub(crate) use binary::{find_binary, guard_binary, leads_here};
pub(crate) use choice::{Choice, Project, Why, choose, find_project, governing_file};
pub(crate) use error::PlanError;
pub(crate) use gate::{Passed, Refused, check_scopes};
pub(crate) use guard::{bindings, findings, is_loaded};
pub(crate) use holder::{describe_login, unused};
pub(crate) use launch_plan::{Keyless, LaunchPlan, Notice, Part, Purpose, SecretUse, Sink, Start};
pub(crate) use login::{login_command, login_folder, refuse_project, sign_in};
pub(crate) use prepare::{Request, prepare};
pub(crate) use project::{AccountHome, OwnPlace, ProjectFolders, is_lasting_way, refuse_own_places};
pub(crate) use scope::{Facts, Pass, Rule};
pub(crate) use sessions::{OtherSession, first_launch_mark};
pub(crate) use stored::{Rejections, over_login, rejections};
use version::{asked_version, installed_version};

use crate::config::Settings;
use crate::env::Env;
use crate::paths::Paths;
use crate::registry::Registry;
use std::path::Path;

/// What every decision is made from.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// Ringlet's places.
    pub paths: &'a Paths,
    /// The user's settings.
    pub settings: &'a Settings,
    /// Agents and providers.
    pub registry: &'a Registry,
    /// The environment.
    pub env: &'a Env,
    /// The working directory, canonical.
    pub cwd: &'a Path,
    /// Ringlet's own executable, never to be mistaken for an agent.
    pub ringlet: Option<&'a Path>,
    /// What the system calls the user's home.
    pub account_home: AccountHome<'a>,
}
