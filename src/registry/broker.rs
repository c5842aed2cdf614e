//! What is known of an agent that is given the address of the broker in place of its key.

use super::{Protocol, UserFile};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The part of an agent's definition that is about the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Brokered {
    /// Why the agent cannot be brokered, in words that go on after its name.
    pub refused: Option<String>,
    /// What the agent loses behind a base URL that is not its provider's.
    pub loses: Option<String>,
    /// The endpoint at which it loses that; every one if nothing is said.
    pub loses_at: Option<String>,
    /// The variable for a Unix socket in place of an address.
    pub socket: Option<String>,
    /// The lowest version that follows it.
    pub socket_since: Option<String>,
    /// The lowest version that is given the broker without being told. `None` if none is.
    pub since: Option<String>,
    /// What makes this machine's own addresses useless to the agent.
    #[serde(default)]
    pub unless: Vec<Unless>,
    /// The JSON files of its own settings.
    #[serde(default)]
    pub files: Vec<UserFile>,
    /// The file names of scripts in the folder of the launched one, which may be among them. The agent's interpreter
    /// starts them as its child, with other options.
    #[serde(default)]
    pub restarts: Vec<String>,
    /// The file name of the native program that the launched script starts as its child, in some installations.
    pub starts: Option<String>,
    /// Settings of Ringlet's own that lead the agent to the broker, where no variable does.
    pub settings: Option<Settings>,
    /// Whether the agent closes itself to other processes, so that only root can tell its connections.
    #[serde(default)]
    pub hidden: bool,
}

/// A file of settings that the agent is given for one launch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The option for the file.
    pub option: String,
    /// The text with `{provider}`, and `{model}` and `{base-url}` as JSON texts.
    pub text: String,
    /// The agent's own name of a provider, by protocol.
    pub providers: BTreeMap<Protocol, String>,
}

/// A setting with which the agent does not reach the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unless {
    /// Why, in words that go on after the agent's name.
    pub why: String,
    /// The variable that decides before all else.
    pub variable: Option<String>,
    /// The options.
    pub options: Vec<String>,
    /// The dotted key in the settings.
    pub key: String,
}

impl Brokered {
    /// Reports whether settings lead the agent to the broker over a protocol.
    pub(crate) fn is_led(&self, protocol: Protocol) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.providers.contains_key(&protocol))
    }

    /// Returns the child that may use the key as the launched process does.
    pub(crate) fn helper(&self) -> Option<Helper> {
        match &self.starts {
            Some(name) => Some(Helper::Native(name.clone())),
            None => (!self.restarts.is_empty()).then(|| Helper::Restart(self.restarts.clone())),
        }
    }
}

/// A child of the launched process that is the agent as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Helper {
    /// The same interpreter with a script of one of these names in the folder of the launched one.
    Restart(Vec<String>),
    /// A program of this file name.
    Native(String),
}
