//! What is known of an agent's own login: where it lies, how it is made, what would be in its way.

use super::located::Located;
use crate::config::{ConfigError, Source};
use crate::name::{NameError, Variable};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawLogin {
    pub(super) folder: String,
    pub(super) variable: Option<Located>,
    #[serde(default)]
    pub(super) files: Vec<String>,
    #[serde(default)]
    pub(super) keychain_on: Vec<String>,
    pub(super) moved_by: Option<MovedBy>,
    #[serde(default)]
    pub(super) args: Vec<String>,
    pub(super) model: Option<Located>,
    #[serde(default)]
    pub(super) model_args: Vec<String>,
    #[serde(default)]
    pub(super) set: BTreeMap<Located, String>,
    #[serde(default)]
    pub(super) overrides: Vec<Override>,
    pub(super) apart: Option<Apart>,
    pub(super) supervisor: Option<RawSupervisor>,
    #[serde(default)]
    pub(super) holder: Vec<Holder>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSupervisor {
    pub(super) file: String,
    pub(super) switch: Located,
}

impl RawLogin {
    /// Checks the names in it. `source` is the agent's definition, for errors that point into it.
    pub(super) fn check(self, source: &Source) -> Result<Login, ConfigError> {
        let variable = |text: &Located| {
            text.parse::<Variable>().map_err(|error: NameError| source.error(text.span(), error.to_string()))
        };
        let supervisor = self
            .supervisor
            .map(|raw| Ok::<_, ConfigError>(Supervisor { switch: variable(&raw.switch)?, file: raw.file }));
        let set = self.set.iter().map(|(name, value)| Ok((variable(name)?, value.clone())));
        Ok(Login {
            set: set.collect::<Result<_, ConfigError>>()?,
            variable: self.variable.as_ref().map(variable).transpose()?,
            model: self.model.as_ref().map(variable).transpose()?,
            supervisor: supervisor.transpose()?,
            folder: self.folder,
            files: self.files,
            keychain_on: self.keychain_on,
            moved_by: self.moved_by,
            args: self.args,
            model_args: self.model_args,
            overrides: self.overrides,
            apart: self.apart,
            holder: self.holder,
        })
    }
}

/// The login that an agent keeps by itself. Ringlet starts the agent on it and never reads, copies or renews it.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    /// The folder that holds the login if no variable moves it; the caller expands `~/`.
    pub folder: String,
    /// The `config-dir` variable that moves the folder, if it is not the first one.
    pub variable: Option<Variable>,
    /// The files in the folder, each of which shows that somebody is logged in. An empty list means that the login is
    /// kept elsewhere.
    pub files: Vec<String>,
    /// The systems, by Rust's names, on which the login is kept in the system's keychain instead of a file.
    pub keychain_on: Vec<String>,
    /// The agent's own setting that moves the login out of its file.
    pub moved_by: Option<MovedBy>,
    /// The arguments with which the agent logs in. An empty list means that it asks by itself.
    pub args: Vec<String>,
    /// The variable for the model.
    pub model: Option<Variable>,
    /// The arguments for the model, with `{model}`.
    pub model_args: Vec<String>,
    /// Variables that are set so that no other source fills them in, such as the vendor's own base URL.
    pub set: BTreeMap<Variable, String>,
    /// Files in the folder that outrank the environment.
    pub overrides: Vec<Override>,
    /// What keeps a session from being served by a process of an earlier launch.
    pub apart: Option<Apart>,
    /// A process that an earlier launch may have left, and that serves some sessions.
    pub supervisor: Option<Supervisor>,
    /// The files that tell whose login it is.
    pub holder: Vec<Holder>,
}

/// A JSON file that tells whose login it is. Each entry is a path of keys.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Holder {
    /// The file, below the login's folder.
    pub file: String,
    /// Its path if no variable moves the folder.
    pub default: Option<String>,
    /// The JSON Web Token that holds the entries, if they are not in the file itself.
    pub within: Vec<String>,
    /// The account's name.
    pub name: Vec<String>,
    /// The organization's name.
    pub organization: Vec<String>,
    /// The plan.
    pub plan: Vec<String>,
}

/// Arguments that keep a session in the agent's own process.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Apart {
    /// The arguments.
    pub args: Vec<String>,
    /// The first version that knows them.
    pub since: String,
    /// The arguments that do the same for an older or unknown version.
    pub otherwise: Vec<String>,
}

/// A process that outlives its session and serves later ones.
#[derive(Debug, Clone)]
pub(crate) struct Supervisor {
    /// The JSON file in the login's folder with its `pid`. It exists while the process runs.
    pub file: String,
    /// The variable that keeps the agent from using it.
    pub switch: Variable,
}

/// A setting of an agent's own TOML file that keeps its login somewhere else.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MovedBy {
    /// The file, below the folder.
    pub file: String,
    /// The top-level key.
    pub key: String,
    /// The value that leaves the login in its file.
    pub unless: String,
}

/// A dotenv file in the folder whose lines win over the environment, and the names that would choose another account.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Override {
    /// The file, below the folder.
    pub file: String,
    /// The variables.
    pub names: Vec<String>,
}
