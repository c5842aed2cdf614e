//! The errors of planning a launch.

use super::Refused;
use crate::config::ConfigError;
use crate::guard::{BindError, Finding, GuardError};
use crate::lease::LeaseError;
use crate::name::{KeyName, Profile, StoreName, Tool, Variable, shorten};
use crate::pins::PinError;
use crate::platform::private::NotPrivate;
use crate::profile::ProfileError;
use crate::registry::RegistryError;
use crate::trust::{TrustError, Verdict};
use std::io;
use std::path::PathBuf;

/// The reason why there is no plan. Every variant refuses the launch.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The project file is not allowed as it is.
    #[error("{} is {verdict}", file.display())]
    NotAllowed {
        /// The project file.
        file: PathBuf,
        /// The user's decision so far.
        verdict: Verdict,
        /// The agent's program, if known. It starts the agent without Ringlet.
        agent: Option<PathBuf>,
        /// The line for config.toml that excludes the file, if it belongs to another user.
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
    /// A directory above cannot be searched.
    #[error("cannot look for .ringlet.toml from {} up: {error}", start.display())]
    Search {
        /// The directory where the search began.
        start: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The agent is not on PATH.
    #[error("{}: not found on PATH", shorten(command))]
    NotFound {
        /// The command.
        command: String,
    },
    /// The command is a path at which there is nothing.
    #[error("there is no file {}", file.display())]
    NoFile {
        /// The path.
        file: PathBuf,
    },
    /// The agent exists but cannot be executed.
    #[error("{}: not executable", file.display())]
    NotExecutable {
        /// The file.
        file: PathBuf,
    },
    /// The agent's program lies inside the project.
    #[error("the agent would be {}, which lies inside the project {}", binary.display(), project.display())]
    BinaryInProject {
        /// The program.
        binary: PathBuf,
        /// The project's directory.
        project: PathBuf,
    },
    /// The interpreter of the agent's script lies inside the project.
    #[error("the agent would be run by {}, which lies inside the project {}", binary.display(), project.display())]
    InterpreterInProject {
        /// The interpreter.
        binary: PathBuf,
        /// The project's directory.
        project: PathBuf,
    },
    /// The program of a key's store is not started.
    #[error("the store \"{store}\", which holds {key}, cannot be asked: {why}")]
    StoreProgram {
        /// The key.
        key: KeyName,
        /// The store.
        store: StoreName,
        /// Why not.
        why: String,
    },
    /// The interpreter of a script cannot be determined.
    #[error("what runs {} cannot be told from its first line: {why}", script.display())]
    FirstLine {
        /// The script.
        script: PathBuf,
        /// The part that cannot be interpreted.
        why: String,
    },
    /// The project could not be inspected.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// A file of the project cannot be allowed.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The directory that the arguments name for the agent cannot be used.
    #[error("the agent is told to work in {}, which cannot be used: {why}", directory.display())]
    NoDirectory {
        /// The directory.
        directory: PathBuf,
        /// The reason.
        why: String,
    },
    /// Project files hold entries that are neither harmless nor allowed.
    #[error("{}", findings.first().map_or_else(String::new, ToString::to_string))]
    Guarded {
        /// The findings, at least one.
        findings: Vec<Finding>,
    },
    /// Something that a launch has started wants a key.
    #[error("`ringlet run` is not for what an agent has started")]
    RunBelow,
    /// No profile governs the directory, and no key is named.
    #[error("no profile governs this directory, and no key is named")]
    NoRunProfile,
    /// The profile has nothing to give.
    #[error("profile \"{profile}\" has no `[secrets]`")]
    NoRunSecrets {
        /// The profile.
        profile: Profile,
        /// Its file.
        file: PathBuf,
    },
    /// The settings have no such tool.
    #[error("there is no [tools.{name}] in {}", file.display())]
    NoTool {
        /// The name.
        name: Tool,
        /// The closest one that there is.
        closest: Option<String>,
        /// The settings file.
        file: PathBuf,
    },
    /// No command was given.
    #[error("no command was given")]
    NoCommand,
    /// A broker is asked for and cannot be had.
    #[error("{agent} {why}, and the key {key} is to be held by the broker")]
    NoBroker {
        /// The key.
        key: KeyName,
        /// The agent's title.
        agent: String,
        /// The reason.
        why: String,
        /// The settings file and the line of the scope that asks for the broker; `None` if the profile does.
        rule: Option<(PathBuf, usize)>,
        /// The profile.
        profile: Profile,
    },
    /// A key of the broker's would leave by another way.
    #[error("the key {key} is for brokered launches alone, and {what}")]
    BrokerOnly {
        /// The key.
        key: KeyName,
        /// What asks for it otherwise.
        what: String,
        /// The settings file, and the line of the scope.
        rule: (PathBuf, usize),
    },
    /// The scope of a key forbids the lookup.
    #[error("{0}")]
    Scoped(Box<Refused>),
    /// A pin cannot be read.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The leases cannot be read.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The profile does not bind the named agent.
    #[error("profile \"{profile}\" does not bind {}", shorten(agent))]
    NotBound {
        /// The profile.
        profile: Profile,
        /// The agent.
        agent: String,
    },
    /// The folder of the profile's login does not exist.
    #[error("the login folder {} of profile \"{profile}\" does not exist", folder.display())]
    NoLoginFolder {
        /// The folder.
        folder: PathBuf,
        /// The profile.
        profile: Profile,
        /// The agent, if the profile has logins for several agents.
        agent: Option<crate::name::Agent>,
    },
    /// Another user could write a login or settings into the folder.
    #[error("the login folder {} {why}", folder.display())]
    LoginFolder {
        /// The folder.
        folder: PathBuf,
        /// The problem with it.
        why: NotPrivate,
    },
    /// The path of the login folder is not a folder.
    #[error("the login folder {} is not a folder", .0.display())]
    LoginNoFolder(PathBuf),
    /// A file in the login folder chooses another account.
    #[error("{} {why}", file.display())]
    LoginOverridden {
        /// The file.
        file: PathBuf,
        /// What it contains, or why it cannot be read.
        why: String,
        /// The variable that the file sets.
        name: Option<Variable>,
    },
    /// The agent's configuration folder lies inside the project.
    #[error("the configuration folder {} lies inside the project {}", folder.display(), project.display())]
    FolderInProject {
        /// The folder.
        folder: PathBuf,
        /// The project's directory.
        project: PathBuf,
    },
    /// One of Ringlet's own folders lies inside the project.
    #[error(transparent)]
    OwnPlace(Box<super::OwnPlace>),
    /// The profile has no login.
    #[error("profile \"{profile}\" has no login: {agent} gets {what}")]
    NotALogin {
        /// The profile.
        profile: Profile,
        /// The agent.
        agent: crate::name::Agent,
        /// What the agent gets instead.
        what: String,
    },
    /// A process of an earlier launch would serve this invocation.
    #[error("`{command} {word}` goes through a process that an earlier launch may have left, with that one's account")]
    Shared {
        /// The agent's command.
        command: String,
        /// The agent's program.
        binary: PathBuf,
        /// The argument that selects the process.
        word: String,
    },
    /// The agent continues a session only under the provider id that created it.
    #[error(transparent)]
    OtherSession(Box<super::OtherSession>),
    /// An option of the user would pass the key's variable to tool shells.
    #[error("an option sets `{option}` without {variable}, so the agent's tool shells would be given the key")]
    NotWithheld {
        /// The setting.
        option: String,
        /// The variable.
        variable: Variable,
    },
    /// An option of the user would send the key to another endpoint.
    #[error("an option sets `{option}`, which would lead the key to another endpoint than its own")]
    Moved {
        /// The setting.
        option: String,
    },
    /// The agent's own settings do not choose the key.
    #[error("{} {}", file.display(), not_chosen(key, wanted, *is_set))]
    NotChosen {
        /// The file.
        file: PathBuf,
        /// The setting, its names joined by dots.
        key: String,
        /// The value that the setting needs.
        wanted: String,
        /// Whether the setting has another value.
        is_set: bool,
    },
    /// The agent would start further agents in other terminals.
    #[error("`{command} {option} {}` starts others in other terminals, which do not get this account", shorten(given))]
    Teammates {
        /// The agent's command.
        command: String,
        /// The option.
        option: String,
        /// The value that the user's arguments give.
        given: String,
        /// The value that keeps the further agents in the same process.
        value: String,
    },
    /// A file of the user holds credentials that would be sent beside the profile's account, or in its place.
    #[error("{} {why}", file.display())]
    Stored {
        /// The file.
        file: PathBuf,
        /// What it contains, or why it cannot be read.
        why: String,
    },
}

fn not_chosen(key: &str, wanted: &str, is_set: bool) -> String {
    match is_set {
        true => format!("sets `{key}` to another value than \"{wanted}\", so the key would not be used"),
        false => {
            format!("does not set `{key}` to \"{wanted}\", so the key would not be used at the profile's endpoint")
        }
    }
}
