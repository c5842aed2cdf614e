//! Why there is no plan.

use super::Refused;
use crate::config::ConfigError;
use crate::guard::{BindError, Finding, GuardError};
use crate::lease::LeaseError;
use crate::name::{Profile, Variable, shorten};
use crate::pins::PinError;
use crate::platform::private::NotPrivate;
use crate::profile::ProfileError;
use crate::registry::RegistryError;
use crate::trust::{TrustError, Verdict};
use std::io;
use std::path::PathBuf;

/// Why there is no plan. Every variant refuses the launch.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The project file is not allowed as it is.
    #[error("{} is {verdict}", file.display())]
    NotAllowed {
        /// The project file.
        file: PathBuf,
        /// What the user has said so far.
        verdict: Verdict,
        /// The agent's program, where it is known: it starts without ringlet.
        agent: Option<PathBuf>,
        /// The line of config.toml that passes it over, where it is another user's.
        ceilings: Option<String>,
    },
    /// Trust could not be decided.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A configuration file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The profile cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A definition cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A directory on the way up cannot be looked into.
    #[error("cannot look for .ringlet.toml from {} up: {error}", start.display())]
    Search {
        /// Where the search began.
        start: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The agent is nowhere on PATH.
    #[error("{}: not found on PATH", shorten(command))]
    NotFound {
        /// The command.
        command: String,
    },
    /// The agent is there and cannot be executed.
    #[error("{}: not executable", file.display())]
    NotExecutable {
        /// The file.
        file: PathBuf,
    },
    /// The agent's program belongs to the project it would work on.
    #[error("the agent would be {}, which lies inside the project {}", binary.display(), project.display())]
    BinaryInProject {
        /// The program.
        binary: PathBuf,
        /// The project's directory.
        project: PathBuf,
    },
    /// What would run the agent's script belongs to that project.
    #[error("the agent would be run by {}, which lies inside the project {}", binary.display(), project.display())]
    InterpreterInProject {
        /// The interpreter.
        binary: PathBuf,
        /// The project's directory.
        project: PathBuf,
    },
    /// What would run a script cannot be told.
    #[error("what runs {} cannot be told from its first line: {why}", script.display())]
    FirstLine {
        /// The script.
        script: PathBuf,
        /// What is not understood.
        why: String,
    },
    /// The project could not be looked at.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// Something of the project's cannot be allowed.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The directory that the agent is told to work in cannot be used.
    #[error("the agent is told to work in {}, which cannot be used: {why}", directory.display())]
    NoDirectory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        why: String,
    },
    /// Project files hold what is neither harmless nor allowed.
    #[error("{}", findings.first().map_or_else(String::new, ToString::to_string))]
    Guarded {
        /// What was found, at least one.
        findings: Vec<Finding>,
    },
    /// A key's scope does not let it be looked up.
    #[error("{0}")]
    Scoped(Box<Refused>),
    /// A pin cannot be read.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The leases cannot be read.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The profile does not bind the agent that was asked for by name.
    #[error("profile \"{profile}\" does not bind {}", shorten(agent))]
    NotBound {
        /// The profile.
        profile: Profile,
        /// The agent.
        agent: String,
    },
    /// The profile's login lies in a folder that is not there.
    #[error("the login folder {} of profile \"{profile}\" does not exist", folder.display())]
    NoLoginFolder {
        /// The folder.
        folder: PathBuf,
        /// The profile.
        profile: Profile,
        /// The agent, where the profile has a login for several.
        agent: Option<crate::name::Agent>,
    },
    /// Somebody else could put a login, or settings, into the folder.
    #[error("the login folder {} {why}", folder.display())]
    LoginFolder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: NotPrivate,
    },
    /// What has the folder's name is none.
    #[error("the login folder {} is not a folder", .0.display())]
    LoginNoFolder(PathBuf),
    /// A file of the login's folder chooses another account.
    #[error("{} {why}", file.display())]
    LoginOverridden {
        /// The file.
        file: PathBuf,
        /// What it says, or why that cannot be known.
        why: String,
        /// The variable that it sets.
        name: Option<Variable>,
    },
    /// The agent would keep its configuration where the project can write it.
    #[error("the configuration folder {} lies inside the project {}", folder.display(), project.display())]
    FolderInProject {
        /// The folder.
        folder: PathBuf,
        /// The project's directory.
        project: PathBuf,
    },
    /// Ringlet itself would.
    #[error(transparent)]
    OwnPlace(Box<super::OwnPlace>),
    /// There is nothing to log in to.
    #[error("profile \"{profile}\" has no login: {agent} gets {what}")]
    NotALogin {
        /// The profile.
        profile: Profile,
        /// The agent.
        agent: crate::name::Agent,
        /// What it gets.
        what: String,
    },
    /// The invocation would be served by a process of an earlier launch.
    #[error("`{command} {word}` goes through a process that an earlier launch may have left, with that one's account")]
    Shared {
        /// The agent's command.
        command: String,
        /// Its program.
        binary: PathBuf,
        /// The word that leads there.
        word: String,
    },
    /// The agent goes on with a session only under the provider's id that it was made under.
    #[error(transparent)]
    OtherSession(Box<super::OtherSession>),
    /// An option of the user's would give the key's variable to tool shells.
    #[error("an option sets `{option}` without {variable}, so the agent's tool shells would be given the key")]
    NotWithheld {
        /// The setting.
        option: String,
        /// The variable.
        variable: Variable,
    },
    /// An option of the user's would lead the key elsewhere.
    #[error("an option sets `{option}`, which would lead the key to another endpoint than its own")]
    Moved {
        /// The setting.
        option: String,
    },
    /// The agent's own settings choose another account than a key.
    #[error("{} {} `{key}` {} \"{wanted}\", so the key would {}", file.display(), if *is_set { "sets" } else { "does not set" }, if *is_set { "to another value than" } else { "to" }, if *is_set { "not be used" } else { "not be used at the profile's endpoint" })]
    NotChosen {
        /// The file.
        file: PathBuf,
        /// The setting, its names joined by dots.
        key: String,
        /// The value that it must have.
        wanted: String,
        /// Whether it has another one.
        is_set: bool,
    },
    /// The agent would start others in other terminals.
    #[error("`{command} {option} {}` starts others in other terminals, which do not get this account", shorten(said))]
    Teammates {
        /// The agent's command.
        command: String,
        /// The option.
        option: String,
        /// What the user's words say.
        said: String,
        /// What keeps them in the agent's own process.
        value: String,
    },
    /// A file of the user's own holds what would be sent beside the profile's account, or in its place.
    #[error("{} {why}", file.display())]
    Stored {
        /// The file.
        file: PathBuf,
        /// What it says, or why that cannot be known.
        why: String,
    },
}
